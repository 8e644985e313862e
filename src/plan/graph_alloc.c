/* SPDX-License-Identifier: GPL-3.0-or-later */
/* graph_alloc.c - the steps of ggml_gallocr_alloc_graph_impl (ggml-alloc.c, llama.cpp v0.5.0; llama-graph.md 6). */
#include "plan/graph_alloc.h"
#include "base/checked.h"
#include "plan/kvcache.h"
#include "plan/plan_calc.h"
#include <string.h>

enum {
    HOST_ALIGN = 32,   /* ggml-cpu.cpp and ggml-backend.cpp TENSOR_ALIGNMENT; RPC reports its server's */
    ROW_PADDING = 512, /* ggml-cuda.cu MATRIX_ROW_PADDING */
    F16_BYTES = 2,
    VECTOR_ROWS = 2, /* fattn.cu: query rows of the kernel that reads a quantized cache as it is */
};

/* ggml_op_can_inplace */
static bool works_in_place(uint8_t op) {
    switch (op) {
    case BB_GG_SCALE:
    case BB_GG_ADD:
    case BB_GG_ADD_ID:
    case BB_GG_SUB:
    case BB_GG_MUL:
    case BB_GG_DIV:
    case BB_GG_SQR:
    case BB_GG_UNARY:
    case BB_GG_ROPE:
    case BB_GG_RMS_NORM:
    case BB_GG_CLAMP:
    case BB_GG_SOFT_MAX:
        return true;
    default:
        return false;
    }
}

static uint64_t elements(bb_calc *c, const bb_gg_tensor *t) {
    return bb_calc_mul(c, bb_calc_mul(c, t->ne[0], t->ne[1]), bb_calc_mul(c, t->ne[2], t->ne[3]));
}

/* Whether CUDA's kernel for that attention reads this half of the cache as f16 and it is not. `vector` is whether the
 * kernel of a few rows reads both halves as they are. */
static bool read_as_f16(const bb_gg_tensor *query, const bb_gg_tensor *half, bool vector) {
    if (bb_name_eq(half->type->name, "f16")) return false;
    return query->ne[1] > VECTOR_ROWS || !vector || bb_name_eq(half->type->name, "f32");
}

/* ggml_cuda_flash_attn_ext_get_f16_extra_data: the copies stand behind the result. Latent attention has its values in
 * its keys and copies them once. */
static uint64_t with_f16_copies(bb_calc *c, const bb_gg_graph *g, const bb_gg_tensor *t, uint64_t bytes) {
    const bb_gg_tensor *q = &g->t[t->src[0]], *k = &g->t[t->src[1]], *v = &g->t[t->src[2]];
    bool vector = bb_cuda_vector_kernel(k->type, v->type), same = v->root >= 0 && v->root == k->root;
    if (read_as_f16(q, k, vector))
        bytes = bb_calc_fma(c, F16_BYTES, elements(c, k), bb_calc_align(c, bytes, BB_CUDA_ALIGN));
    if (read_as_f16(q, v, vector) && !same)
        bytes = bb_calc_fma(c, F16_BYTES, elements(c, v), bb_calc_align(c, bytes, BB_CUDA_ALIGN));
    return bytes;
}

uint64_t bb_cuda_row_padding(bb_calc *c, const bb_dtype *type, uint64_t cols) {
    uint64_t past = cols % ROW_PADDING;
    return type->block > 1 && past ? bb_calc_mul(c, (ROW_PADDING - past) / type->block, type->block_bytes) : 0;
}

/* What a buffer's type asks for a tensor. */
static uint64_t asked(const bb_graph_alloc *a, const bb_sched *s, int32_t tensor, uint8_t backend, bb_arena *arena) {
    const bb_gg_tensor *t = &s->graph->t[tensor];
    bb_calc c = {false};
    uint64_t bytes = bb_gg_bytes(t);
    if (backend == s->host || !a->cuda) return bytes;
    if (a->f16_copies && t->op == BB_GG_FLASH_ATTN_EXT) bytes = with_f16_copies(&c, s->graph, t, bytes);
    bytes = bb_calc_add(&c, bytes, bb_cuda_row_padding(&c, t->type, t->ne[0]));
    if (c.overflow) arena->st = BB_E_OVERFLOW;
    return bytes;
}

/* The first source whose place the node may take, -1 = none. */
static int32_t giver(const bb_sched *s, const bb_gg_tensor *t) {
    if (!works_in_place(t->op)) return -1;
    for (size_t j = 0; j < t->n_src; j++) {
        const bb_sched_tensor *p = &s->t[t->src[j]];
        const bb_gg_tensor *src = &s->graph->t[t->src[j]];
        if (!p->owned || p->children != 1 || p->views != 0 || src->flags & BB_GG_OUTPUT || src->type != t->type)
            continue;
        if (!memcmp(src->ne, t->ne, sizeof t->ne) && !memcmp(src->nb, t->nb, sizeof t->nb)) return t->src[j];
    }
    return -1;
}

static void allocate(bb_graph_alloc *a, bb_sched *s, bb_sched_step step) {
    const bb_gg_tensor *t = &s->graph->t[step.tensor];
    bb_sched_tensor *at = &s->t[step.tensor];
    if (at->owned || t->root >= 0 || t->store != BB_GG_OWNED) return;
    at->owned = true;
    int32_t from = giver(s, t);
    if (from >= 0) {
        bb_sched_tensor *p = &s->t[from];
        p->owned = false;
        at->backend = p->backend;
        at->offset = p->offset;
        at->bytes = p->bytes;
        return;
    }
    bb_arena *arena = &a->arena[step.backend];
    at->backend = step.backend;
    at->bytes = asked(a, s, step.tensor, step.backend, arena);
    at->offset = bb_arena_take(arena, at->bytes);
}

static void count_uses(bb_sched *s) {
    for (size_t i = 0; i < s->n_nodes; i++) {
        const bb_gg_tensor *t = &s->graph->t[s->nodes[i].tensor];
        if (t->root >= 0 && t->op != BB_GG_NONE) s->t[t->root].views++;
        for (size_t j = 0; j < t->n_src; j++) s->t[t->src[j]].children++;
    }
}

static void give_back(bb_graph_alloc *a, bb_sched *s, int32_t tensor) {
    bb_sched_tensor *at = &s->t[tensor];
    if (s->graph->t[tensor].flags & BB_GG_OUTPUT) return;
    bb_arena_give(&a->arena[at->backend], at->offset, at->bytes);
    at->owned = false;
}

/* A source was read once more; frees it, or what it is a view of, after the last time. */
static void release(bb_graph_alloc *a, bb_sched *s, int32_t source) {
    bb_sched_tensor *p = &s->t[source];
    p->children--;
    if (p->children != 0 || p->views != 0) return;
    int32_t root = s->graph->t[source].root;
    if (root >= 0) {
        bb_sched_tensor *r = &s->t[root];
        r->views--;
        if (r->views == 0 && r->children == 0 && r->owned) give_back(a, s, root);
    } else if (p->owned) {
        give_back(a, s, source);
    }
}

bb_status bb_graph_alloc_run(bb_graph_alloc *a, bb_sched *s) {
    for (uint32_t b = 0; b <= s->host; b++)
        bb_arena_init(&a->arena[b], a->cuda && b != s->host ? BB_CUDA_ALIGN : HOST_ALIGN);
    /* every input is a leaf, so that ggml's second chance for inputs among the sources finds nothing to do */
    for (size_t i = 0; i < s->n_leafs; i++) allocate(a, s, s->leafs[i]);
    count_uses(s);
    for (size_t i = 0; i < s->n_nodes; i++) {
        const bb_gg_tensor *t = &s->graph->t[s->nodes[i].tensor];
        allocate(a, s, s->nodes[i]);
        for (size_t j = 0; j < t->n_src; j++) release(a, s, t->src[j]);
    }
    for (uint32_t b = 0; b <= s->host; b++)
        if (a->arena[b].st) return a->arena[b].st;
    return BB_OK;
}
