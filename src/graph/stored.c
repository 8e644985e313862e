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

enum {
    MAX_STORED = 1 << 19, /* the largest checkpoints have 2 * 10^5 */
    MAX_STEPS = 1 << 24,  /* of names held against skips and rules: a few seconds at worst */
};

typedef struct writer {
    const bb_graph *g;
    const bb_quantization *q;
    const char *dtype, *scales; /* of what stays, and of the scales where they follow the model */
    bb_stored_list *list;
    bool sum;       /* no list is made */
    uint64_t times; /* that each tensor stands for in a sum */
    struct {        /* storage types by the name's place: 10^5 tensors have a handful */
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
    uint64_t bits, group; /* the checkpoint's, or the module's own */
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

/* Whole units of 512, but a block of 10 MiB or more is asked for in steps of 2 MiB, and what is left of it is cut off
 * only when it is more than 1 MiB (c10/cuda/CUDACachingAllocator.cpp: kMinBlockSize, kMinLargeAlloc, kRoundLarge,
 * should_split). */
bool bb_stored_allocated(uint64_t bytes, uint64_t *allocated) {
    const uint64_t unit = 512, mib = 1 << 20;
    uint64_t least, block;
    if (!bb_align_u64(bytes, unit, &least) || !bb_align_u64(least, 2 * mib, &block)) return false;
    *allocated = least >= 10 * mib && block - least <= mib ? block : least;
    return true;
}

/* One tensor; sizes are products of an architecture's checked numbers, checked again here. The entry of the list, which
 * the next call moves, or NULL. */
static bb_stored *put(writer *w, const char *module, const char *suffix, const char *type, uint64_t parameters,
                      uint64_t d0, uint64_t d1, uint64_t d2, uint64_t d3) {
    bb_stored_list *l = w->list;
    uint64_t dims[4] = {d0, d1, d2, d3}, n = 1, bytes, of_all, count, block;
    if (!w->st && !w->sum && l->n >= MAX_STORED) w->st = BB_E_LIMIT;
    if (!w->st && !w->sum && !bb_grow((void **)&l->t, l->n, &l->cap, sizeof *l->t)) w->st = BB_E_NOMEM;
    if (w->st) return NULL;
    const bb_dtype *t = type_of(w, type);
    uint32_t n_dims = 0;
    bool ok = t != NULL;
    for (; n_dims < 4 && dims[n_dims]; n_dims++) ok = ok && bb_mul_u64(n, dims[n_dims], &n);
    ok = ok && bb_mul_u64(n, t->block_bytes, &bytes) && bb_mul_u64(bytes, w->times, &of_all) &&
         bb_add_u64(l->bytes, of_all, &l->bytes) && bb_stored_allocated(bytes, &block) &&
         bb_mul_u64(block, w->times, &of_all) && bb_add_u64(l->allocated, of_all, &l->allocated) &&
         bb_mul_u64(parameters, w->times, &count) && bb_add_u64(l->parameters, count, &l->parameters) &&
         bb_add_size(l->n, (size_t)w->times, &l->n);
    if (!ok) w->st = BB_E_OVERFLOW;
    if (!ok || w->sum) return NULL;
    bb_stored *s = &l->t[l->n - 1];
    *s = (bb_stored){.type = type, .n_dims = n_dims, .bytes = bytes, .parameters = parameters};
    memcpy(s->dims, dims, sizeof dims);
    (void)snprintf(s->name, sizeof s->name, "%s%s", module, suffix);
    return s;
}

/* A tensor as it is, its dims in HF's order. Routers' corrections are F32 in every checkpoint (DeepSeek-V3). */
static void put_plain(writer *w, const bb_graph_tensor *t) {
    uint64_t d[4] = {0}, n = 1;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        d[i] = t->dims[t->n_dims - 1 - i];
        n *= d[i]; /* below the graph's total, which was checked */
    }
    const char *type = bb_ends_with(t->name, "e_score_correction_bias") ? "f32" : w->dtype;
    (void)put(w, t->name, "", type, t->counts ? n : 0, d[0], d[1], d[2], d[3]);
}

static uint64_t groups_of(const matrix *m) { return m->group ? ceil_div(m->in, m->group) : 1; }

/* qweight packs along the inputs, qzeros along the outputs. */
static void put_gptq(writer *w, const matrix *m) {
    uint64_t bits = m->bits, g = groups_of(m);
    put(w, m->module, ".qweight", "i32", m->in * m->out, ceil_div(m->in * bits, 32), m->out, 0, 0);
    put(w, m->module, ".qzeros", "i32", 0, g, ceil_div(m->out * bits, 32), 0, 0);
    put(w, m->module, ".scales", "f16", 0, g, m->out, 0, 0);
    if (!w->q->no_index) put(w, m->module, ".g_idx", "i32", 0, m->in, 0, 0, 0);
}

static void put_awq(writer *w, const matrix *m) {
    uint64_t packed = ceil_div(m->out * m->bits, 32), g = groups_of(m);
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
    const bb_dtype *storage = bb_dtype_find(w->q->storage, NULL);
    put(w, m->module, ".weight", storage ? storage->name : "u8", n,
        ceil_div(n, storage ? 2 * (uint64_t)storage->block_bytes : 2), 1, 0, 0);
    put(w, m->module, ".weight.absmax", w->q->double_quant ? "u8" : "f32", 0, blocks, 0, 0, 0);
    put(w, m->module, ".weight.quant_map", "f32", 0, 16, 0, 0, 0);
    if (w->q->double_quant) {
        put(w, m->module, ".weight.nested_absmax", "f32", 0, ceil_div(blocks, 256), 0, 0, 0);
        put(w, m->module, ".weight.nested_quant_map", "f32", 0, 256, 0, 0, 0);
    }
    (void)snprintf(suffix, sizeof suffix, ".weight.quant_state.bitsandbytes__%s", w->q->type);
    bb_stored *text = put(w, m->module, suffix, "u8", 0, (uint64_t)length, 0, 0, 0);
    w->list->about |= w->q->double_quant;
    if (text) text->about = true; /* it names the type that the weight had, which the config need not tell */
}

/* [out][columns], or [experts][out][columns] of experts that are stacked. */
static void put_rows(writer *w, const matrix *m, const char *suffix, const char *type, uint64_t parameters,
                     uint64_t columns) {
    if (m->experts)
        put(w, m->module, suffix, type, parameters * m->experts, m->experts, m->out, columns, 0);
    else
        put(w, m->module, suffix, type, parameters, m->out, columns, 0, 0);
}

static void put_mlx(writer *w, const matrix *m) {
    uint64_t g = groups_of(m);
    put_rows(w, m, ".weight", "u32", m->in * m->out, ceil_div(m->in * m->bits, 32));
    put_rows(w, m, ".scales", w->q->no_biases ? "u8" : w->scales, 0, g);
    if (!w->q->no_biases) put_rows(w, m, ".biases", w->scales, 0, g);
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
    uint64_t n = m->in * m->out, g = groups_of(m), per_word = 32 / q->bits;
    bool words = q->pack == BB_PACK_INT;
    if (q->pack == BB_PACK_NVFP4) {
        put(w, m->module, ".weight_packed", "u8", n, m->out, ceil_div(m->in, 2), 0, 0);
        put(w, m->module, ".weight_scale", "e4m3fn", 0, m->out, ceil_div(m->in, 16), 0, 0);
        put(w, m->module, ".weight_global_scale", "f32", 0, 1, 0, 0, 0);
        if (q->static_inputs) put(w, m->module, ".input_global_scale", "f32", 0, 1, 0, 0, 0);
        return;
    }
    if (words)
        put(w, m->module, ".weight_packed", "i32", n, m->out, ceil_div(m->in, per_word), 0, 0);
    else
        put(w, m->module, ".weight", q->pack == BB_PACK_FP8 ? "e4m3fn" : "i8", n, m->out, m->in, 0, 0);
    bool whole = q->group == UINT64_MAX;
    uint64_t rows = whole ? 1 : q->block_rows ? ceil_div(m->out, q->block_rows) : m->out, columns = whole ? 0 : g;
    put(w, m->module, ".weight_scale", w->scales, 0, rows, columns, 0, 0);
    if (q->pack == BB_PACK_INT8 && !q->symmetric) put(w, m->module, ".weight_zero_point", "i8", 0, rows, columns, 0, 0);
    if (words) put(w, m->module, ".weight_shape", "i64", 0, 2, 0, 0, 0);
    if (words && q->act_order) put(w, m->module, ".weight_g_idx", "i32", 0, m->in, 0, 0, 0);
    if (q->static_inputs) put(w, m->module, ".input_scale", w->scales, 0, 1, 0, 0, 0);
    if (q->input_zeros) put(w, m->module, ".input_zero_point", "i8", 0, 1, 0, 0, 0);
    if (words && !q->symmetric) put(w, m->module, ".weight_zero_point", "i32", 0, ceil_div(m->out, per_word), g, 0, 0);
}

/* gpt-oss: blocks of 32 inputs with a scale of 8 bits; the experts' matrices stand the right way round here. */
static void put_mxfp4(writer *w, const matrix *m) {
    uint64_t blocks = ceil_div(m->in, 32);
    put(w, m->module, "_blocks", "u8", m->experts * m->in * m->out, m->experts, m->out, blocks, 16);
    put(w, m->module, "_scales", "u8", 0, m->experts, m->out, blocks, 0);
}

static void put_matrix(writer *w, const matrix *m) {
    uint64_t elements = m->in * m->out; /* one expert's: they are decoded one by one */
    if (elements > w->list->widest) w->list->widest = elements;
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
static bool replaced(const writer *w, const bb_graph_tensor *t, const matrix *m) {
    const bb_quantization *q = w->q;
    const bb_weight *weight = &w->g->weights[t->weight];
    bool router = strstr(weight->gguf_name, "ffn_gate_inp.") != NULL;
    bool deepseek = strcmp(w->g->arch->family, "deepseek2") == 0;
    if (q->method == BB_QUANT_MXFP4) return weight->expert && t->n_dims == 3;
    uint32_t n_dims = q->method == BB_QUANT_MLX && m->experts ? 3 : 2;
    if (t->n_dims != n_dims || !bb_ends_with(t->name, ".weight") || weight->hf_transposed) return false;
    /* DeepSeek's router is a bare parameter; GPTQ and AWQ leave routers, MLX those of 8 experts (mlx-lm) */
    if (router && (deepseek || q->method == BB_QUANT_GPTQ || q->method == BB_QUANT_AWQ || q->method == BB_QUANT_FP8))
        return false;
    if (q->method == BB_QUANT_MLX) return m->in % m->group == 0 && !(router && m->out == 8);
    if (t->part == BB_PART_INPUT) return false;
    return t->part == BB_PART_LAYER || q->head;
}

static bool quantized(const writer *w, const bb_graph_tensor *t, matrix *m) {
    const bb_quantization *q = w->q;
    const bb_weight *weight = &w->g->weights[t->weight];
    bool swapped = q->method == BB_QUANT_MXFP4 && weight->hf_transposed;
    if (q->method == BB_QUANT_NONE) return false;
    *m = (matrix){.t = t, .bits = q->bits, .group = q->group};
    (void)snprintf(m->module, sizeof m->module, "%s", t->name);
    if (bb_ends_with(t->name, ".weight")) m->module[strlen(m->module) - 7] = '\0';
    m->in = t->dims[swapped ? 1 : 0];
    m->out = t->dims[swapped ? 0 : 1];
    m->experts = weight->expert && t->n_dims == 3 ? t->dims[2] : 0;
    const bb_quant_rule *rule = bb_quantization_rule(q, m->module);
    if (rule) {
        m->bits = rule->bits;
        m->group = rule->group;
    }
    return !(rule && rule->keep) && !bb_quantization_skips(q, m->module) && replaced(w, t, m);
}

/* mlx-lm stacks the experts of a layer (its models' sanitize): "mlp.experts.0.gate_proj" and the others become
 * "mlp.switch_mlp.gate_proj" with the experts outermost; mixtral's w1, w2 and w3 get the usual names. */
static bool stacked(const writer *w, const bb_graph_tensor *t, bb_graph_tensor *all) {
    static const char *const names[][2] = {{"w1.", "gate_proj."}, {"w2.", "down_proj."}, {"w3.", "up_proj."}, {"", ""}};
    static const char first[] = ".experts.0.";
    const bb_weight *weight = &w->g->weights[t->weight];
    const char *at = strstr(t->name, first), *rest = at ? at + sizeof first - 1 : NULL;
    size_t i = 0;
    if (!at || t->n_dims != 2) return false;
    while (!bb_starts_with(rest, names[i][0])) i++;
    *all = *t;
    all->dims[all->n_dims++] = weight->hf_split;
    (void)snprintf(all->name, sizeof all->name, "%.*s.switch_mlp.%s%s", (int)(at - t->name), t->name, names[i][1],
                   rest + strlen(names[i][0]));
    return true;
}

/* One tensor of the graph, which stands for `alike` in each of `layers`. */
static void put_tensor(writer *w, const bb_graph_tensor *t, uint64_t layers, uint64_t alike) {
    const bb_weight *weight = &w->g->weights[t->weight];
    bool mlx = w->q->method == BB_QUANT_MLX, apart = mlx && weight->expert && weight->hf_split > 1;
    bb_graph_tensor all;
    matrix m;
    w->times = layers;
    if (mlx && weight->expert && t->n_dims == 3)
        w->st = BB_E_UNSUPPORTED; /* fused ones are cut by each model's own rule */
    if (apart && stacked(w, t, &all))
        t = &all;
    else if (apart && strstr(t->name, ".experts."))
        return; /* in the stack of the first */
    else if (!bb_mul_u64(layers, alike, &w->times))
        w->st = BB_E_OVERFLOW;
    if (w->st) return;
    if (quantized(w, t, &m))
        put_matrix(w, &m);
    else
        put_plain(w, t);
}

static void put_list(writer *w) {
    bb_graph_tensor *t = NULL;
    size_t n = 0;
    w->st = bb_graph_tensors(w->g, true, &t, &n);
    if (!w->st && n > MAX_STEPS / bb_quantization_steps(w->q)) w->st = BB_E_LIMIT;
    for (size_t i = 0; i < n && !w->st; i++) put_tensor(w, &t[i], 1, 1);
    free(t);
}

static void put_weights(writer *w) {
    bb_graph_tensor t;
    uint64_t layers;
    for (uint32_t i = 0; i < w->g->n_weights && !w->st; i++)
        if (bb_graph_first_tensor(w->g, i, &t, &layers)) put_tensor(w, &t, layers, w->g->weights[i].hf_split);
}

static bb_status make(const bb_graph *graph, const bb_quantization *q, const char *dtype, bool sum,
                      bb_stored_list *list, bb_error *err) {
    static const bb_quantization none = {.method = BB_QUANT_NONE};
    bb_stored_list made = {0};
    const char *plain = *dtype ? dtype : "bf16";
    writer w = {.g = graph, .q = q ? q : &none, .dtype = plain, .scales = plain, .list = &made, .sum = sum};
    if (!bb_quantization_known(w.q)) w.st = BB_E_UNSUPPORTED;
    if (strcmp(plain, "bf16") != 0 && strcmp(plain, "f32") != 0) w.scales = "f16";
    if (!w.st && sum && bb_quantization_uniform(w.q))
        put_weights(&w);
    else if (!w.st)
        put_list(&w);
    if (!w.st) {
        *list = made;
        return BB_OK;
    }
    bb_stored_clear(&made);
    if (w.st == BB_E_UNSUPPORTED)
        return bb_fail(err, w.st, "how a checkpoint stores its tensors (%s) is not known", w.q->label);
    return bb_fail(err, w.st, "%s",
                   w.st == BB_E_NOMEM   ? "no memory for the tensors of a checkpoint"
                   : w.st == BB_E_LIMIT ? "the checkpoint has more tensors than are listed"
                                        : "the bytes of the checkpoint pass 2^64");
}

bb_status bb_stored_hf(const bb_graph *graph, const bb_quantization *q, const char *dtype, bb_stored_list *list,
                       bb_error *err) {
    return make(graph, q, dtype, false, list, err);
}

bb_status bb_stored_sum(const bb_graph *graph, const bb_quantization *q, const char *dtype, bb_stored_list *sum,
                        bb_error *err) {
    return make(graph, q, dtype, true, sum, err);
}

void bb_stored_clear(bb_stored_list *list) {
    free(list->t);
    *list = (bb_stored_list){0};
}
