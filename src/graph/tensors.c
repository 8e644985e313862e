/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tensors.c - the counts and the tensor lists that follow from a graph. */
#include "base/checked.h"
#include "base/mem.h"
#include "base/str.h"
#include "graph/graph.h"
#include <stdlib.h>
#include <string.h>

static uint64_t occurrences(const bb_graph *g, const bb_weight *w) {
    uint64_t n = 0;
    if (w->part != BB_PART_LAYER) return 1;
    for (size_t i = 0; i < g->n_layers; i++) n += g->layers[i].kind == w->kind;
    return n;
}

/* Rotary tables are of the layers, but stand once. */
static bool in_layers(const bb_weight *w) { return w->part == BB_PART_LAYER; }

static bool weight_elements(const bb_graph *g, const bb_weight *w, uint64_t *n) {
    uint64_t e = occurrences(g, w);
    for (uint32_t d = 0; d < w->n_dims; d++)
        if (!bb_mul_u64(e, w->dims[d], &e)) return false;
    *n = e;
    return true;
}

bb_status bb_graph_parameters(const bb_graph *graph, uint64_t *total, uint64_t *active) {
    const bb_arch *a = graph->arch;
    uint64_t sum = 0, used = 0;
    for (size_t i = 0; i < graph->n_weights; i++) {
        const bb_weight *w = &graph->weights[i];
        uint64_t n;
        if (!w->counts || !*w->hf_name) continue;
        if (!weight_elements(graph, w, &n) || !bb_add_u64(sum, n, &sum)) return BB_E_OVERFLOW;
        /* Experts stand in the outermost dimension; below the total, so that this cannot wrap. */
        used += w->expert ? n / a->experts * a->experts_used : n;
    }
    if (total) *total = sum;
    if (active) *active = used;
    return BB_OK;
}

/* template with its first %d as a and its second as b. */
static void expand(const char *template, uint64_t a, uint64_t b, char *out, size_t size) {
    uint64_t value[2] = {a, b};
    size_t used = 0, n = 0;
    for (const char *p = template; *p && n + 1 < size; p++) {
        if (p[0] != '%' || p[1] != 'd') {
            out[n++] = *p;
            continue;
        }
        char digits[21];
        bb_u64_text(value[used < 1 ? used : 1], digits);
        used++;
        for (const char *d = digits; *d && n + 1 < size; d++) out[n++] = *d;
        p++;
    }
    out[n] = '\0';
}

enum { MAX_LISTED = 1 << 18 }; /* the largest checkpoints have 1.4 * 10^5 */

typedef struct tensor_list {
    bb_graph_tensor *t;
    size_t n, cap;
} tensor_list;

/* Swaps what HF keeps the other way round. */
static void hf_dims(bb_graph_tensor *t, const bb_weight *w) {
    if (w->hf_split > 1) t->dims[--t->n_dims] = 0;
    if (w->hf_transposed) {
        uint64_t inner = t->dims[0];
        t->dims[0] = t->dims[1];
        t->dims[1] = inner;
    }
}

static void make_tensor(const bb_graph *g, uint32_t index, bool hf, uint64_t number, int64_t layer, uint64_t e,
                        bb_graph_tensor *t) {
    const bb_weight *w = &g->weights[index];
    *t = (bb_graph_tensor){.n_dims = w->n_dims,
                           .weight = index,
                           .layer = layer,
                           .part = w->part,
                           .counts = w->counts,
                           .always_f32 = w->always_f32};
    if (!w->counts) t->part = BB_PART_LAYER;
    memcpy(t->dims, w->dims, sizeof t->dims);
    if (hf) hf_dims(t, w);
    /* a table of heads outside the layers has one number only: its own */
    expand(hf ? w->hf_name : w->gguf_name, in_layers(w) ? number : e, e, t->name, sizeof t->name);
}

static bool list_weight(tensor_list *l, const bb_graph *g, uint32_t index, bool hf, uint64_t number, int64_t layer) {
    const bb_weight *w = &g->weights[index];
    if (!*(hf ? w->hf_name : w->gguf_name)) return true;
    for (uint64_t e = 0; e < (hf ? w->hf_split : 1); e++) {
        if (!bb_grow((void **)&l->t, l->n, &l->cap, sizeof *l->t)) return false;
        make_tensor(g, index, hf, number, layer, e, &l->t[l->n++]);
    }
    return true;
}

bool bb_graph_first_tensor(const bb_graph *graph, uint32_t weight, bb_graph_tensor *tensor, uint64_t *layers) {
    const bb_weight *w = &graph->weights[weight];
    size_t k = 0;
    if (!*w->hf_name || !(*layers = occurrences(graph, w))) return false;
    while (in_layers(w) && graph->layers[k].kind != w->kind) k++;
    make_tensor(graph, weight, true, in_layers(w) ? graph->layers[k].number : 0, (int64_t)k, 0, tensor);
    return true;
}

/* How many tensors the list has, so that it is allocated once: models have up to 10^5. 0 when there are none; SIZE_MAX
 * when that passes a size. */
static size_t count(const bb_graph *g, bool hf) {
    size_t n = 0, times;
    for (size_t i = 0; i < g->n_weights; i++) {
        const bb_weight *w = &g->weights[i];
        if (!*(hf ? w->hf_name : w->gguf_name)) continue;
        if (!bb_mul_size((size_t)occurrences(g, w), hf ? (size_t)w->hf_split : 1, &times) || !bb_add_size(n, times, &n))
            return SIZE_MAX;
    }
    return n;
}

bb_status bb_graph_tensors(const bb_graph *graph, bool hf_names, bb_graph_tensor **tensors, size_t *n) {
    tensor_list l = {.cap = count(graph, hf_names)};
    bool ok = true;
    if (l.cap > MAX_LISTED) return BB_E_LIMIT;
    if (!(l.t = bb_alloc(l.cap, sizeof *l.t))) return BB_E_NOMEM;
    for (uint32_t i = 0; ok && i < graph->n_weights; i++)
        if (graph->weights[i].part == BB_PART_INPUT) ok = list_weight(&l, graph, i, hf_names, 0, -1);
    for (size_t k = 0; ok && k < graph->n_layers; k++)
        for (uint32_t i = 0; ok && i < graph->n_weights; i++)
            if (in_layers(&graph->weights[i]) && graph->weights[i].kind == graph->layers[k].kind)
                ok = list_weight(&l, graph, i, hf_names, graph->layers[k].number, (int64_t)k);
    for (uint32_t i = 0; ok && i < graph->n_weights; i++)
        if (graph->weights[i].part == BB_PART_OUTPUT)
            ok = list_weight(&l, graph, i, hf_names, 0, (int64_t)graph->n_layers);
    if (!ok) {
        free(l.t);
        return BB_E_NOMEM;
    }
    *tensors = l.t;
    *n = l.n;
    return BB_OK;
}
