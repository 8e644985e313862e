/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sched.c - the passes of ggml_backend_sched_split_graph (ggml-backend.cpp, llama.cpp v0.5.0; llama-graph.md 5). */
#include "plan/sched.h"
#include "base/mem.h"
#include <stdlib.h>

enum {
    PIPELINE_COPIES = 4,  /* ggml-backend.cpp GGML_SCHED_MAX_COPIES */
    OFFLOAD_MIN_ROWS = 32 /* ggml-cuda.cu op_offload_min_batch_size */
};

static bool grow(bb_sched *s, void **array, size_t n, size_t *cap, size_t size) {
    if (n < *cap || bb_grow(array, n, cap, size)) return true;
    s->st = BB_E_NOMEM;
    return false;
}

static void add_step(bb_sched *s, bool leaf, int32_t tensor, uint8_t backend) {
    bb_sched_step **list = leaf ? &s->leafs : &s->nodes;
    size_t *n = leaf ? &s->n_leafs : &s->n_nodes;
    if (!grow(s, (void **)list, *n, leaf ? &s->cap_leafs : &s->cap_nodes, sizeof **list)) return;
    (*list)[(*n)++] = (bb_sched_step){tensor, backend};
}

static void fresh(bb_sched_tensor *t, uint8_t backend) {
    *t = (bb_sched_tensor){.chain = -1, .keep = -1, .backend = backend};
}

/* A further tensor of the graph; -1 when memory ends. */
static int32_t add_tensor(bb_sched *s, bb_gg_tensor t, uint8_t backend) {
    bb_gg_graph *g = s->graph;
    if (g->n == g->cap && !bb_gg_grow(g)) s->st = BB_E_NOMEM;
    if (s->st || !grow(s, (void **)&s->t, g->n, &s->cap_t, sizeof *s->t)) return -1;
    g->t[g->n] = t;
    fresh(&s->t[g->n], backend);
    return (int32_t)g->n++;
}

static uint8_t home(const bb_sched *s, const bb_reserve_in *in, const bb_gg_tensor *t) {
    size_t layers = in->graph->n_layers, layer = t->layer < 0 ? 0 : (size_t)t->layer;
    if (t->store == BB_GG_WEIGHT) return in->homes[(size_t)t->weight * (layers + 1) + layer].device;
    return in->kv_on_host ? s->host : in->layer_device[layer];
}

/* Rows by which CUDA decides whether an operation leaves its weights (ggml-cuda.cu get_op_batch_size). */
static uint64_t batch_rows(const bb_gg_tensor *t) {
    switch (t->op) {
    case BB_GG_GET_ROWS:
        return 0;
    case BB_GG_MUL_MAT:
        return t->ne[1];
    case BB_GG_MUL_MAT_ID:
    case BB_GG_ROPE:
        return t->ne[2];
    default:
        return t->ne[1] * t->ne[2] * t->ne[3];
    }
}

/* The backend that a node's weights give it. */
static uint8_t by_weights(const bb_sched *s, const bb_reserve_in *in, const bb_gg_tensor *t) {
    if (t->op == BB_GG_ROPE || t->op == BB_GG_FLASH_ATTN_EXT) return BB_SCHED_NOWHERE;
    for (size_t j = 0; j < t->n_src; j++) {
        if (s->graph->t[t->src[j]].store != BB_GG_WEIGHT) continue;
        uint8_t b = s->t[t->src[j]].backend;
        bool leaves = in->backend == BB_BACKEND_CUDA && !in->no_op_offload && s->host > 0 && b == s->host;
        return leaves && batch_rows(t) >= OFFLOAD_MIN_ROWS ? 0 : b;
    }
    return BB_SCHED_NOWHERE;
}

/* What llama.cpp itself assigns; a run without allocation loses it again (llama-graph.md 5). */
static uint8_t by_user(const bb_sched *s, const bb_reserve_in *in, const bb_gg_tensor *t, uint64_t tokens) {
    if (in->dry_run) return BB_SCHED_NOWHERE;
    bool norms = in->all_layers || tokens < OFFLOAD_MIN_ROWS; /* llama-context.cpp graph_get_cb: the same 32 */
    if (t->flags & BB_GG_LAYER_NORM && norms) return in->layer_device[t->layer];
    return t->flags & BB_GG_ATTN_END && in->kv_on_host ? s->host : BB_SCHED_NOWHERE;
}

/* Pass 1: what buffers, inputs, llama.cpp and weights decide. */
static void assign(bb_sched *s, const bb_reserve_in *in, uint64_t tokens) {
    const bb_gg_graph *g = s->graph;
    for (size_t i = 0; i < g->n_leafs; i++) {
        const bb_gg_tensor *t = &g->t[g->leafs[i]];
        uint8_t b = t->store != BB_GG_OWNED ? home(s, in, t) : t->flags & BB_GG_INPUT ? s->host : BB_SCHED_NOWHERE;
        s->t[g->leafs[i]].backend = b;
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        const bb_gg_tensor *t = &g->t[g->nodes[i]];
        uint8_t b = by_user(s, in, t, tokens);
        if (b == BB_SCHED_NOWHERE && t->root >= 0 && g->t[t->root].store != BB_GG_OWNED)
            b = s->t[t->root].backend;
        else if (b == BB_SCHED_NOWHERE)
            b = by_weights(s, in, t);
        s->t[g->nodes[i]].backend = b;
    }
}

/* Pass 2, one of its four sweeps: nodes without a backend take that of the last one that has it. */
static void sweep(bb_sched *s, bool backward, bool devices_only) {
    uint8_t last = BB_SCHED_NOWHERE;
    for (size_t i = 0; i < s->n_work; i++) {
        bb_sched_tensor *t = &s->t[s->work[backward ? s->n_work - 1 - i : i]];
        if (t->backend == BB_SCHED_NOWHERE)
            t->backend = last;
        else
            last = devices_only && t->backend == s->host ? BB_SCHED_NOWHERE : t->backend;
    }
}

static void spread(bb_sched *s) {
    const bb_gg_graph *g = s->graph;
    s->n_work = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (bb_gg_is_view_op(g->t[g->nodes[i]].op)) continue;
        if (!grow(s, (void **)&s->work, s->n_work, &s->cap_work, sizeof *s->work)) return;
        s->work[s->n_work++] = g->nodes[i];
    }
    sweep(s, false, true);
    sweep(s, true, true);
    sweep(s, false, false);
    sweep(s, true, false);
}

/* Pass 4: views go where their root is, sources where their reader is. (Pass 3 moves between backends that share a
 * buffer type; here none do.) */
static void follow(bb_sched *s) {
    const bb_gg_graph *g = s->graph;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const bb_gg_tensor *t = &g->t[g->nodes[i]];
        bb_sched_tensor *at = &s->t[g->nodes[i]];
        if (at->backend == BB_SCHED_NOWHERE && t->root >= 0) at->backend = s->t[t->root].backend;
        for (size_t j = 0; j < t->n_src; j++) {
            bb_sched_tensor *src = &s->t[t->src[j]];
            int32_t root = g->t[t->src[j]].root;
            if (src->backend == BB_SCHED_NOWHERE) src->backend = root >= 0 ? s->t[root].backend : at->backend;
        }
        if (at->backend == BB_SCHED_NOWHERE) at->backend = 0;
    }
}

static bool reads_foreign_weight(const bb_sched *s, const bb_gg_tensor *t, uint8_t backend) {
    for (size_t j = 0; j < t->n_src; j++)
        if (s->graph->t[t->src[j]].store == BB_GG_WEIGHT && s->t[t->src[j]].backend != backend) return true;
    return false;
}

/* `n` tensors of the layout of `source`, one after the other; the first of them, -1 when memory ends. */
static int32_t duplicate(bb_sched *s, int32_t source, uint8_t backend, uint32_t n) {
    bb_gg_tensor t = s->graph->t[source];
    t.op = BB_GG_NONE;
    t.root = -1;
    t.n_src = 0;
    t.store = BB_GG_OWNED;
    t.flags = s->copies > 1 ? BB_GG_INPUT | BB_GG_OUTPUT : 0;
    int32_t first = add_tensor(s, t, backend);
    for (uint32_t i = 1; i < n && first >= 0; i++)
        if (add_tensor(s, t, backend) < 0) return -1;
    return first;
}

/* The copy of a tensor on the backend of the present split, made there when none is yet. */
static int32_t copy_for(bb_sched *s, int32_t source, bb_sched_split *split) {
    for (int32_t c = s->t[source].chain; c >= 0; c = s->t[c].chain)
        if (s->t[c].backend == split->backend) return c;
    if (!grow(s, (void **)&s->inputs, s->n_inputs, &s->cap_inputs, sizeof *s->inputs)) return -1;
    int32_t copy = duplicate(s, source, split->backend, s->copies);
    if (copy < 0) return -1;
    s->t[copy].chain = s->t[source].chain;
    s->t[source].chain = copy;
    s->inputs[s->n_inputs++] = (bb_sched_copy){source, copy};
    split->n_inputs++;
    if (s->graph->t[source].store == BB_GG_WEIGHT) s->copies_a_weight = true;
    return copy;
}

/* With pipeline parallelism an input of the graph has duplicates for the batches under way, and is never freed. */
static void keep_input(bb_sched *s, int32_t tensor) {
    if (s->graph->t[tensor].flags & BB_GG_OUTPUT) return;
    if (!grow(s, (void **)&s->graph_inputs, s->n_graph_inputs, &s->cap_graph_inputs, sizeof *s->graph_inputs)) return;
    int32_t first = duplicate(s, tensor, s->t[tensor].backend, s->copies - 1);
    if (first < 0) return;
    s->graph->t[tensor].flags |= BB_GG_OUTPUT;
    s->graph_inputs[s->n_graph_inputs++] = (bb_sched_copy){tensor, first};
}

static bb_sched_split *new_split(bb_sched *s, size_t start, uint8_t backend) {
    if (!grow(s, (void **)&s->splits, s->n_splits, &s->cap_splits, sizeof *s->splits)) return NULL;
    if (s->n_splits) s->splits[s->n_splits - 1].end = start;
    s->splits[s->n_splits] = (bb_sched_split){start, s->graph->n_nodes, s->n_inputs, 0, backend};
    return &s->splits[s->n_splits++];
}

/* Pass 5. The first split begins with the views before its first operation. */
static void split_graph(bb_sched *s) {
    bb_gg_graph *g = s->graph;
    bb_sched_split *split = NULL;
    for (size_t i = 0; i < g->n_nodes && !s->st; i++) {
        int32_t node = g->nodes[i];
        if (bb_gg_is_view_op(g->t[node].op)) continue;
        uint8_t b = s->t[node].backend;
        bool next = !split || b != split->backend;
        if (!next) next = split->n_inputs > 0 && reads_foreign_weight(s, &g->t[node], b);
        if (next) split = new_split(s, split ? i : 0, b);
        if (!split) return;
        for (size_t j = 0; j < g->t[node].n_src && !s->st; j++) {
            int32_t src = g->t[node].src[j];
            if (s->copies > 1 && g->t[src].flags & BB_GG_INPUT) keep_input(s, src);
            if (s->t[src].backend == b) continue;
            int32_t copy = copy_for(s, src, split);
            if (copy >= 0) g->t[node].src[j] = copy;
        }
    }
}

/* A node without an operation that only reads: what it reads lives until then. */
static void add_marker(bb_sched *s, const int32_t *reads, uint8_t n, uint8_t backend) {
    bb_gg_tensor t = s->graph->t[reads[0]];
    t.op = BB_GG_NONE;
    t.flags = 0;
    t.store = BB_GG_OWNED;
    if (t.root < 0) t.root = reads[0];
    t.n_src = n;
    for (size_t j = 0; j < n; j++) t.src[j] = reads[j];
    int32_t marker = add_tensor(s, t, backend);
    if (marker >= 0) add_step(s, false, marker, backend);
}

static void add_keeps(bb_sched *s, int32_t until, uint8_t backend) {
    int32_t reads[BB_GG_SOURCES];
    uint8_t n = 0;
    for (int32_t k = s->t[until].keep; k >= 0; k = s->keeps[k].next) {
        reads[n++] = s->keeps[k].tensor;
        if (n < BB_GG_SOURCES && s->keeps[k].next >= 0) continue;
        add_marker(s, reads, n, backend);
        n = 0;
    }
}

static void list_nodes(bb_sched *s) {
    for (size_t k = 0; k < s->n_splits && !s->st; k++) {
        bb_sched_split split = s->splits[k];
        for (size_t i = 0; i < split.n_inputs; i++) {
            bb_sched_copy in = s->inputs[split.first_input + i];
            add_marker(s, &in.source, 1, s->t[in.source].backend);
            add_step(s, false, in.copy, split.backend);
        }
        for (size_t i = split.start; i < split.end; i++) {
            int32_t node = s->graph->nodes[i];
            add_step(s, false, node, s->t[node].backend);
            add_keeps(s, node, split.backend);
        }
    }
}

static void list_leafs(bb_sched *s) {
    for (size_t i = 0; i < s->n_graph_inputs; i++) {
        bb_sched_copy in = s->graph_inputs[i];
        add_step(s, true, in.source, s->t[in.source].backend);
        for (int32_t c = 0; c + 1 < (int32_t)s->copies; c++) add_step(s, true, in.copy + c, s->t[in.copy].backend);
    }
    for (size_t i = 0; i < s->n_inputs && s->copies > 1; i++)
        for (int32_t c = 0; c < (int32_t)s->copies; c++)
            add_step(s, true, s->inputs[i].copy + c, s->t[s->inputs[i].copy].backend);
    for (size_t i = 0; i < s->graph->n_leafs; i++)
        add_step(s, true, s->graph->leafs[i], s->t[s->graph->leafs[i]].backend);
}

/* llama-context.cpp: several devices, all layers and their cache on them, no tensor placed by hand. */
static bool pipelined(const bb_reserve_in *in) {
    return in->n_devices > 1 && in->all_layers && !in->kv_on_host && !in->no_pipeline;
}

/* Room for `need` of an array that no longer has to keep what it held. */
static bool reserve(void **array, size_t *cap, size_t need, size_t size) {
    if (*cap >= need) return true;
    void *p = bb_realloc(*array, need, size);
    if (!p) return false;
    *array = p;
    *cap = need;
    return true;
}

static bool begin(bb_sched *s, bb_gg_graph *graph, const bb_reserve_in *in) {
    s->graph = graph;
    s->host = (uint8_t)in->n_devices;
    s->copies = pipelined(in) ? PIPELINE_COPIES : 1;
    s->n_nodes = s->n_leafs = s->n_inputs = s->n_graph_inputs = s->n_splits = s->n_keeps = 0;
    s->copies_a_weight = false;
    s->st = BB_OK;
    if (!reserve((void **)&s->t, &s->cap_t, graph->cap, sizeof *s->t) ||
        !reserve((void **)&s->nodes, &s->cap_nodes, graph->cap, sizeof *s->nodes) ||
        !reserve((void **)&s->leafs, &s->cap_leafs, graph->cap, sizeof *s->leafs) ||
        !reserve((void **)&s->work, &s->cap_work, graph->cap, sizeof *s->work))
        return false;
    for (size_t i = 0; i < graph->n; i++) fresh(&s->t[i], BB_SCHED_NOWHERE);
    return true;
}

bb_status bb_sched_run(bb_sched *s, bb_gg_graph *graph, const bb_reserve_in *in, uint64_t tokens) {
    if (!begin(s, graph, in)) return BB_E_NOMEM;
    assign(s, in, tokens);
    spread(s);
    if (s->st) return s->st;
    follow(s);
    split_graph(s);
    for (size_t k = 0; k < s->n_splits && !s->st; k++)
        if (s->splits[k].backend != s->host && in->backend == BB_BACKEND_CUDA && !in->dry_run)
            bb_sched_keep(s, s->splits[k].start, s->splits[k].end);
    list_nodes(s);
    list_leafs(s);
    return s->st;
}

void bb_sched_clear(bb_sched *s) {
    free(s->t);
    free(s->nodes);
    free(s->leafs);
    free(s->inputs);
    free(s->graph_inputs);
    free(s->splits);
    free(s->keeps);
    free(s->work);
    *s = (bb_sched){0};
}
