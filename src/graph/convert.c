/* SPDX-License-Identifier: GPL-3.0-or-later */
/* convert.c - which rows of a checkpoint make the tensors of a GGUF (specs/ggml.md 3.12; llama.cpp v0.5.0,
 * conversion/llama.py and qwen.py). */
#include "graph/convert.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/str.h"
#include "graph/convert_config.h"
#include "graph/differences.h"
#include <stdlib.h>
#include <string.h>

uint64_t bb_converted_row(const bb_converted *t, uint64_t row) {
    uint64_t d = t->head_rows;
    if (!d) return row;
    uint64_t in_head = row % d;
    return row - in_head + in_head % 2 * (d / 2) + in_head / 2;
}

/* Both lists of the graph: in one order, so that they are walked side by side. */
typedef struct lists {
    bb_graph graph;
    bb_graph_tensor *gguf, *hf;
    size_t n_gguf, n_hf;
} lists;

static void clear_lists(lists *l) {
    free(l->gguf);
    free(l->hf);
    bb_graph_clear(&l->graph);
}

static bb_status make_lists(const bb_arch *a, lists *l, bb_error *err) {
    bb_status st = bb_graph_build(a, &l->graph, err);
    if (st) return st;
    st = bb_graph_tensors(&l->graph, false, &l->gguf, &l->n_gguf);
    if (!st) st = bb_graph_tensors(&l->graph, true, &l->hf, &l->n_hf);
    return st ? bb_fail(err, st, "%s: its list of tensors cannot be made: %s", a->name, bb_status_text(st)) : BB_OK;
}

/* ---- the checkpoint must have what the graph has, and nothing else ---- */

static bool harmless(bb_diff_reason reason) {
    return reason == BB_DIFF_BUFFER || reason == BB_DIFF_TYPE || reason == BB_DIFF_TOTAL_SIZE ||
           reason == BB_DIFF_TOTAL_PARAMETERS;
}

static bb_status check_tensors(const bb_graph *g, const bb_file *checkpoint, bb_error *err) {
    bb_stored_list stored;
    bb_difference *d = NULL;
    size_t n = 0;
    bb_status st = bb_stored_hf(g, NULL, g->arch->dtype, &stored, err);
    if (st) return st;
    st = bb_graph_differences(g, &stored, checkpoint, &d, &n, err);
    bb_stored_clear(&stored);
    if (st) return st;
    for (size_t i = 0; i < n && !st; i++)
        if (!harmless(d[i].reason)) st = bb_fail(err, BB_E_INVALID, "%s: %s", g->arch->name, d[i].text);
    free(d);
    return st;
}

/* Names of a base class leave out "model.". */
static const bb_tensor *find(const bb_file *checkpoint, const char *name) {
    static const char base[] = "model.";
    const bb_tensor *t = bb_file_find(checkpoint, name);
    return t || !bb_starts_with(name, base) ? t : bb_file_find(checkpoint, name + sizeof base - 1);
}

static bb_status find_source(const bb_file *checkpoint, const bb_graph_tensor *want, const bb_tensor **source,
                             bb_error *err) {
    char shown[160];
    const bb_tensor *t = find(checkpoint, want->name);
    if (!t) return bb_fail(err, BB_E_INVALID, "the checkpoint has no tensor '%s'", want->name);
    const char *type = t->type ? t->type->name : "";
    if (strcmp(type, "f32") != 0 && strcmp(type, "f16") != 0 && strcmp(type, "bf16") != 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' is of type %s: only F32, F16 and BF16 are converted to GGUF",
                       want->name, bb_escape_buf(t->type_in_file, shown, sizeof shown));
    *source = t;
    return BB_OK;
}

/* ---- one tensor ---- */

/* llama.cpp turns neighbours for the architecture llama, transformers the halves of a head (LlamaModel.permute). */
static bool interleaved(const bb_arch *a, const char *template) {
    static const char *const names[] = {"blk.%d.attn_q.weight", "blk.%d.attn_q.bias", "blk.%d.attn_k.weight",
                                        "blk.%d.attn_k.bias"};
    if (strcmp(a->family, "llama") != 0) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(template, names[i]) == 0) return true;
    return false;
}

static bb_status set_name(const bb_graph_tensor *from, bb_converted *t, bb_error *err) {
    size_t n = strlen(from->name);
    if (n >= sizeof t->name)
        return bb_fail(err, BB_E_LIMIT, "the name '%s' is longer than a GGUF reader takes", from->name);
    memcpy(t->name, from->name, n + 1);
    return BB_OK;
}

/* The tensors that follow from `l`, sources into *sources, which moves on. */
static bb_status fill(const lists *l, const bb_file *checkpoint, const bb_tensor **sources, const float *made,
                      bb_converted *t, bb_error *err) {
    const bb_arch *a = l->graph.arch;
    size_t next = 0;
    for (size_t i = 0; i < l->n_gguf; i++) {
        const bb_graph_tensor *from = &l->gguf[i];
        const bb_weight *w = &l->graph.weights[from->weight];
        t[i] = (bb_converted){.n_dims = from->n_dims, .f32 = from->always_f32};
        memcpy(t[i].dims, from->dims, sizeof t[i].dims);
        bb_status st = set_name(from, &t[i], err);
        if (st) return st;
        if (!*w->hf_name) {
            t[i].made = made;
            continue;
        }
        if (interleaved(a, w->gguf_name)) t[i].head_rows = a->head_dim;
        t[i].source = sources;
        t[i].n_sources = (size_t)w->hf_split;
        for (size_t k = 0; k < t[i].n_sources; k++) {
            st = find_source(checkpoint, &l->hf[next++], sources++, err);
            if (st) return st;
        }
    }
    return BB_OK;
}

static bb_status convert(const lists *l, const bb_convert_config *c, const bb_file *checkpoint, bb_conversion *out,
                         bb_error *err) {
    const bb_arch *a = l->graph.arch;
    size_t lists_bytes = l->n_hf * sizeof(const bb_tensor *);
    bb_conversion made = {.n = l->n_gguf};
    made.t = bb_alloc(l->n_gguf, sizeof *made.t);
    made.memory = bb_alloc(lists_bytes + (size_t)(a->head_dim / 2) * sizeof(float), 1);
    bb_status st = made.t && made.memory ? BB_OK : bb_fail(err, BB_E_NOMEM, "no memory to convert %s", a->name);
    if (!st) {
        float *factors = (float *)(void *)((char *)made.memory + lists_bytes);
        if (a->rope_freqs) st = bb_convert_rope_freqs(c, a->head_dim, factors, err);
        if (!st) st = fill(l, checkpoint, made.memory, factors, made.t, err);
    }
    if (st)
        bb_conversion_clear(&made);
    else
        *out = made;
    return st;
}

bb_status bb_convert_hf(const bb_arch *arch, const char *config, size_t n, const bb_file *checkpoint,
                        bb_conversion *conversion, bb_error *err) {
    bb_convert_config c;
    bb_status st = bb_convert_config_read(arch, config, n, &c, err);
    if (st) return st;
    if (strcmp(bb_file_format(checkpoint), "safetensors") != 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: only a checkpoint of safetensors is converted to GGUF", arch->name);
    bb_arch a = *arch;
    a.rope_freqs = c.scaling == BB_ROPE_LLAMA3;
    if (a.head == BB_HEAD_LM && bb_file_find(checkpoint, "lm_head.weight")) a.tied = false;
    lists l = {0};
    st = make_lists(&a, &l, err);
    if (!st) st = check_tensors(&l.graph, checkpoint, err);
    if (!st) st = convert(&l, &c, checkpoint, conversion, err);
    clear_lists(&l);
    return st;
}

void bb_conversion_clear(bb_conversion *conversion) {
    free(conversion->t);
    free(conversion->memory);
    *conversion = (bb_conversion){0};
}
