/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stored.c - names, shapes and bytes of a quantized checkpoint (specs/methods.md 4, "on disk"). */
#include "graph/stored.h"
#include "base/checked.h"
#include "base/mem.h"
#include "base/str.h"
#include "format/dtype.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    const bb_graph *g;
    const bb_quantization *q;
    const char *dtype, *scales; /* of what stays, and of the scales where they follow the model */
    bb_stored_list *list;
    struct { /* storage types by the name's place: 10^5 tensors have a handful */
        const char *name;
        const bb_dtype *type;
    } seen[8];
    bb_status st;
} writer;

/* A matrix being stored: module without ".weight", `in` x `out` (of each of `experts`, 0 = one matrix). */
typedef struct matrix {
    const bb_graph_tensor *t;
    char module[BB_GRAPH_NAME];
    uint64_t in, out, experts;
} matrix;

static uint64_t ceil_div(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

static const bb_dtype *type_of(writer *w, const char *name) {
    size_t i = 0, n = sizeof w->seen / sizeof *w->seen;
    while (i < n && w->seen[i].name && w->seen[i].name != name) i++;
    if (i < n && w->seen[i].name == name) return w->seen[i].type;
    const bb_dtype *t = bb_dtype_find(name, NULL);
    if (i < n) {
        w->seen[i].name = name;
        w->seen[i].type = t;
    }
    return t;
}

/* One tensor of the list; sizes are products of an architecture's checked numbers, checked again here. */
static void put(writer *w, const char *module, const char *suffix, const char *type, uint64_t parameters, uint64_t d0,
                uint64_t d1, uint64_t d2, uint64_t d3) {
    bb_stored_list *l = w->list;
    uint64_t dims[4] = {d0, d1, d2, d3}, n = 1;
    if (w->st) return;
    if (!bb_grow((void **)&l->t, l->n, &l->cap, sizeof *l->t)) {
        w->st = BB_E_NOMEM;
        return;
    }
    bb_stored *s = &l->t[l->n];
    *s = (bb_stored){.type = type, .parameters = parameters};
    (void)snprintf(s->name, sizeof s->name, "%s%s", module, suffix);
    const bb_dtype *t = type_of(w, type);
    bool ok = t != NULL;
    for (size_t i = 0; i < 4 && dims[i]; i++) {
        s->dims[s->n_dims++] = dims[i];
        ok = ok && bb_mul_u64(n, dims[i], &n);
    }
    ok = ok && bb_mul_u64(n, t->block_bytes, &s->bytes) && bb_add_u64(l->bytes, s->bytes, &l->bytes) &&
         bb_add_u64(l->parameters, parameters, &l->parameters);
    if (!ok) w->st = BB_E_OVERFLOW;
    l->n++;
}

/* A tensor as it is, its dims in HF's order. */
static void put_plain(writer *w, const bb_graph_tensor *t, const char *type) {
    uint64_t d[4] = {0}, n = 1;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        d[i] = t->dims[t->n_dims - 1 - i];
        n *= d[i]; /* below the graph's total, which was checked */
    }
    put(w, t->name, "", type, t->counts ? n : 0, d[0], d[1], d[2], d[3]);
}

static uint64_t groups_of(const bb_quantization *q, uint64_t in) { return q->group ? ceil_div(in, q->group) : 1; }

/* qweight packs along the inputs, qzeros along the outputs. */
static void put_gptq(writer *w, const matrix *m) {
    uint64_t bits = w->q->bits, g = groups_of(w->q, m->in);
    put(w, m->module, ".qweight", "i32", m->in * m->out, ceil_div(m->in * bits, 32), m->out, 0, 0);
    put(w, m->module, ".qzeros", "i32", 0, g, ceil_div(m->out * bits, 32), 0, 0);
    put(w, m->module, ".scales", "f16", 0, g, m->out, 0, 0);
    put(w, m->module, ".g_idx", "i32", 0, m->in, 0, 0, 0);
}

static void put_awq(writer *w, const matrix *m) {
    uint64_t packed = ceil_div(m->out * w->q->bits, 32), g = groups_of(w->q, m->in);
    put(w, m->module, ".qweight", "i32", m->in * m->out, m->in, packed, 0, 0);
    put(w, m->module, ".qzeros", "i32", 0, g, packed, 0, 0);
    put(w, m->module, ".scales", "f16", 0, g, m->out, 0, 0);
}

static void put_bnb_int8(writer *w, const matrix *m) {
    put(w, m->module, ".weight", "i8", m->in * m->out, m->out, m->in, 0, 0);
    put(w, m->module, ".SCB", "f32", 0, m->out, 0, 0, 0);
    put(w, m->module, ".weight_format", "u8", 0, 0, 0, 0, 0);
}

static const char *torch_name(const char *dtype) {
    return strcmp(dtype, "bf16") == 0 ? "bfloat16" : strcmp(dtype, "f32") == 0 ? "float32" : "float16";
}

/* bitsandbytes' QuantState.as_dict(packed=True): a JSON text beside the tables. The digits of nested_offset vary. */
static void put_bnb_4bit(writer *w, const matrix *m) {
    char state[256], suffix[64];
    uint64_t n = m->in * m->out, blocks = ceil_div(n, 64);
    int length = snprintf(state, sizeof state,
                          "{\"quant_type\": \"%s\", \"blocksize\": 64, \"dtype\": \"%s\", \"shape\": [%llu, %llu]%s}",
                          w->q->type, torch_name(w->scales), (unsigned long long)m->out, (unsigned long long)m->in,
                          w->q->double_quant ? ", \"nested_blocksize\": 256, \"nested_dtype\": \"float32\", "
                                               "\"nested_offset\": 0.05083135887980461"
                                             : "");
    put(w, m->module, ".weight", "u8", n, ceil_div(n, 2), 1, 0, 0);
    put(w, m->module, ".weight.absmax", w->q->double_quant ? "u8" : "f32", 0, blocks, 0, 0, 0);
    put(w, m->module, ".weight.quant_map", "f32", 0, 16, 0, 0, 0);
    if (w->q->double_quant) {
        put(w, m->module, ".weight.nested_absmax", "f32", 0, ceil_div(blocks, 256), 0, 0, 0);
        put(w, m->module, ".weight.nested_quant_map", "f32", 0, 256, 0, 0, 0);
    }
    (void)snprintf(suffix, sizeof suffix, ".weight.quant_state.bitsandbytes__%s", w->q->type);
    put(w, m->module, suffix, "u8", 0, (uint64_t)length, 0, 0, 0);
    if (w->q->double_quant && !w->st) w->list->t[w->list->n - 1].about = w->list->about = true;
}

static void put_mlx(writer *w, const matrix *m) {
    uint64_t g = groups_of(w->q, m->in);
    put(w, m->module, ".weight", "u32", m->in * m->out, m->out, ceil_div(m->in * w->q->bits, 32), 0, 0);
    put(w, m->module, ".scales", w->scales, 0, m->out, g, 0, 0);
    put(w, m->module, ".biases", w->scales, 0, m->out, g, 0, 0);
}

static void put_fp8(writer *w, const matrix *m) {
    const bb_quantization *q = w->q;
    put(w, m->module, ".weight", "e4m3fn", m->in * m->out, m->out, m->in, 0, 0);
    if (q->block_rows)
        put(w, m->module, ".weight_scale_inv", "f32", 0, ceil_div(m->out, q->block_rows), ceil_div(m->in, q->group), 0,
            0);
    else
        put(w, m->module, ".weight_scale", "f32", 0, 0, 0, 0, 0);
    if (q->static_inputs) put(w, m->module, ".input_scale", "f32", 0, 0, 0, 0, 0);
}

static void put_compressed(writer *w, const matrix *m) {
    const bb_quantization *q = w->q;
    uint64_t n = m->in * m->out, g = groups_of(q, m->in), per_word = 32 / q->bits;
    if (q->pack == BB_PACK_NVFP4) {
        put(w, m->module, ".weight_packed", "u8", n, m->out, ceil_div(m->in, 2), 0, 0);
        put(w, m->module, ".weight_scale", "e4m3fn", 0, m->out, ceil_div(m->in, 16), 0, 0);
        put(w, m->module, ".weight_global_scale", "f32", 0, 1, 0, 0, 0);
        return;
    }
    bool words = q->pack == BB_PACK_INT;
    if (words)
        put(w, m->module, ".weight_packed", "i32", n, m->out, ceil_div(m->in, per_word), 0, 0);
    else
        put(w, m->module, ".weight", q->pack == BB_PACK_FP8 ? "e4m3fn" : "i8", n, m->out, m->in, 0, 0);
    if (q->block_rows)
        put(w, m->module, ".weight_scale", w->scales, 0, ceil_div(m->out, q->block_rows), g, 0, 0);
    else if (q->group == UINT64_MAX)
        put(w, m->module, ".weight_scale", w->scales, 0, 1, 0, 0, 0);
    else
        put(w, m->module, ".weight_scale", w->scales, 0, m->out, g, 0, 0);
    if (words) put(w, m->module, ".weight_shape", "i64", 0, 2, 0, 0, 0);
    if (words && !q->symmetric) put(w, m->module, ".weight_zero_point", "i32", 0, ceil_div(m->out, per_word), g, 0, 0);
}

/* gpt-oss: blocks of 32 inputs with a scale of 8 bits; the experts' matrices stand the right way round here. */
static void put_mxfp4(writer *w, const matrix *m) {
    uint64_t blocks = ceil_div(m->in, 32);
    put(w, m->module, "_blocks", "u8", m->experts * m->in * m->out, m->experts, m->out, blocks, 16);
    put(w, m->module, "_scales", "u8", 0, m->experts, m->out, blocks, 0);
}

static void put_matrix(writer *w, const matrix *m) {
    switch (w->q->method) {
    case BB_QUANT_GPTQ:
        put_gptq(w, m);
        break;
    case BB_QUANT_AWQ:
        put_awq(w, m);
        break;
    case BB_QUANT_BNB_INT8:
        put_bnb_int8(w, m);
        break;
    case BB_QUANT_BNB_4BIT:
        put_bnb_4bit(w, m);
        break;
    case BB_QUANT_MLX:
        put_mlx(w, m);
        break;
    case BB_QUANT_FP8:
        put_fp8(w, m);
        break;
    case BB_QUANT_COMPRESSED:
        put_compressed(w, m);
        break;
    case BB_QUANT_MXFP4:
        put_mxfp4(w, m);
        break;
    case BB_QUANT_NONE:
    case BB_QUANT_OTHER:
        break;
    }
}

/* Whether the method replaces this tensor: matrices of linear maps; the head and the embedding by the method's rule. */
static bool quantized(const writer *w, const bb_graph_tensor *t, matrix *m) {
    const bb_quantization *q = w->q;
    const bb_weight *weight = &w->g->weights[t->weight];
    bool router = strstr(weight->gguf_name, "ffn_gate_inp.") != NULL, named = bb_ends_with(t->name, ".weight");
    bool deepseek = strcmp(w->g->arch->family, "deepseek2") == 0;
    if (q->method == BB_QUANT_NONE) return false;
    *m = (matrix){.t = t};
    (void)snprintf(m->module, sizeof m->module, "%s", t->name);
    if (named) m->module[strlen(m->module) - 7] = '\0';
    if (bb_quantization_skips(q, m->module)) return false;
    if (q->method == BB_QUANT_MXFP4) {
        bool swapped = weight->hf_transposed;
        if (!weight->expert || t->n_dims != 3) return false;
        m->in = t->dims[swapped ? 1 : 0];
        m->out = t->dims[swapped ? 0 : 1];
        m->experts = t->dims[2];
        return true;
    }
    if (t->n_dims != 2 || !named || weight->hf_transposed) return false;
    m->in = t->dims[0];
    m->out = t->dims[1];
    /* DeepSeek's router is a bare parameter; GPTQ and AWQ leave routers, MLX those of 8 experts (mlx-lm) */
    if (router && (deepseek || q->method == BB_QUANT_GPTQ || q->method == BB_QUANT_AWQ || q->method == BB_QUANT_FP8))
        return false;
    if (q->method == BB_QUANT_MLX) return m->in % q->group == 0 && !(router && m->out == 8);
    if (t->part == BB_PART_INPUT) return false;
    return t->part == BB_PART_LAYER || q->head;
}

bb_status bb_stored_hf(const bb_graph *graph, const bb_quantization *q, const char *dtype, bb_stored_list *list,
                       bb_error *err) {
    bb_stored_list made = {0};
    bb_graph_tensor *t = NULL;
    size_t n = 0;
    if (q && q->method == BB_QUANT_OTHER)
        return bb_fail(err, BB_E_UNSUPPORTED, "the layout of a checkpoint quantized with %s is not known", q->label);
    static const bb_quantization none = {.method = BB_QUANT_NONE};
    const char *plain = *dtype ? dtype : "bf16";
    writer w = {.g = graph, .q = q ? q : &none, .dtype = plain, .scales = plain, .list = &made};
    if (strcmp(plain, "bf16") != 0 && strcmp(plain, "f32") != 0) w.scales = "f16";
    w.st = bb_graph_tensors(graph, true, &t, &n);
    for (size_t i = 0; i < n && !w.st; i++) {
        matrix m;
        if (quantized(&w, &t[i], &m))
            put_matrix(&w, &m);
        else
            put_plain(&w, &t[i], plain);
    }
    free(t);
    if (w.st) {
        bb_stored_clear(&made);
        return bb_fail(err, w.st, "%s",
                       w.st == BB_E_NOMEM ? "no memory for the tensors of a checkpoint"
                                          : "the bytes of the checkpoint pass 2^64");
    }
    *list = made;
    return BB_OK;
}

void bb_stored_clear(bb_stored_list *list) {
    free(list->t);
    *list = (bb_stored_list){0};
}
