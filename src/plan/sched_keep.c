/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sched_keep.c - what CUDA's fused kernels for mixtures of experts keep alive (llama-graph.md 8). */
#include "base/mem.h"
#include "plan/sched.h"

enum { MOST_SUMMED = 15 }; /* ggml-cuda.cu MOE_WEIGHTED_REDUCTION_MAX_EXPERTS */

static const bb_gg_tensor *node_at(const bb_sched *s, size_t i) { return &s->graph->t[s->graph->nodes[i]]; }

/* Keeps a tensor until another has run; each once. */
static void keep(bb_sched *s, int32_t tensor, int32_t until) {
    int32_t last = -1;
    for (int32_t k = s->t[until].keep; k >= 0; k = s->keeps[k].next) {
        if (s->keeps[k].tensor == tensor) return;
        last = k;
    }
    void *keeps = s->keeps;
    if (!bb_grow(&keeps, s->n_keeps, &s->cap_keeps, sizeof *s->keeps)) {
        s->st = BB_E_NOMEM;
        return;
    }
    s->keeps = keeps;
    s->keeps[s->n_keeps] = (bb_sched_kept){tensor, -1};
    int32_t *link = last < 0 ? &s->t[until].keep : &s->keeps[last].next;
    *link = (int32_t)s->n_keeps++;
}

/* Whether node i is that operation on node `from`. */
static bool is_op(const bb_sched *s, size_t i, size_t end, bb_gg_op op, size_t source, size_t from) {
    if (i >= end) return false;
    const bb_gg_tensor *t = node_at(s, i);
    return t->op == op && t->n_src > source && t->src[source] == s->graph->nodes[from];
}

/* Nodes of a weighted sum of expert outputs that begins at i: the product, a view and a sum for each expert but one;
 * 0 = none begins there (ggml_cuda_match_moe_weighted_reduction). */
static size_t weighted_sum(const bb_sched *s, size_t i, size_t end) {
    const bb_gg_tensor *mul = node_at(s, i);
    if (mul->op != BB_GG_MUL || mul->ne[1] < 2 || mul->ne[1] > MOST_SUMMED) return 0;
    size_t used = (size_t)mul->ne[1], n = 2 * used, n_views = 0, n_sums = 0;
    const bb_gg_tensor *w = &s->graph->t[mul->src[1]];
    if (w->ne[0] != 1 || w->ne[1] != mul->ne[1] || w->ne[2] != mul->ne[2] || end - i < n) return 0;
    int32_t sum = -1, views[MOST_SUMMED];
    for (size_t k = 1; k < n; k++) {
        const bb_gg_tensor *t = node_at(s, i + k);
        if (is_op(s, i + k, end, BB_GG_VIEW, 0, i) && n_views < used) {
            views[n_views++] = s->graph->nodes[i + k];
            continue;
        }
        if (t->op != BB_GG_ADD || n_sums + 1 >= n_views || t->src[1] != views[n_sums + 1]) return 0;
        if (t->src[0] != (n_sums ? sum : views[0])) return 0;
        sum = s->graph->nodes[i + k];
        n_sums++;
    }
    return n_views == used ? n : 0;
}

/* ggml_cuda_should_use_topk_moe. */
static bool routes(const bb_gg_tensor *view) {
    uint64_t experts = view->nb[1] / view->nb[0];
    return ((experts & (experts - 1)) == 0 && experts <= 512) || experts == 288 || experts == 576;
}

/* Nodes of a router that begins at i, 0 = none (ggml_cuda_topk_moe_fusion). A unary that is reshaped and sorted is a
 * sigmoid. */
static size_t router(const bb_sched *s, size_t i, size_t end) {
    const bb_gg_tensor *gate = node_at(s, i);
    size_t p = i + 1, sorted = i;
    if (gate->op == BB_GG_SOFT_MAX ? gate->n_src > 1 : gate->op != BB_GG_UNARY) return 0;
    if (!is_op(s, p++, end, BB_GG_RESHAPE, 0, i)) return 0;
    if (is_op(s, p, end, BB_GG_ADD, 0, i)) sorted = p++;
    if (!is_op(s, p++, end, BB_GG_ARGSORT, 0, sorted)) return 0;
    if (!is_op(s, p, end, BB_GG_VIEW, 0, p - 1) || !routes(node_at(s, p))) return 0;
    p++;
    if (!is_op(s, p, end, BB_GG_GET_ROWS, 0, i + 1) || !is_op(s, p, end, BB_GG_GET_ROWS, 1, p - 1)) return 0;
    p++;
    bool norm = is_op(s, p, end, BB_GG_RESHAPE, 0, p - 1) && is_op(s, p + 1, end, BB_GG_SUM_ROWS, 0, p) &&
                is_op(s, p + 2, end, BB_GG_CLAMP, 0, p + 1) && is_op(s, p + 3, end, BB_GG_DIV, 0, p) &&
                is_op(s, p + 3, end, BB_GG_DIV, 1, p + 2) && is_op(s, p + 4, end, BB_GG_RESHAPE, 0, p + 3);
    if (norm) p += 5; /* these five */
    if (is_op(s, p, end, BB_GG_SCALE, 0, p - 1)) p++;
    return p - i;
}

void bb_sched_keep(bb_sched *s, size_t start, size_t end) {
    const bb_gg_graph *g = s->graph;
    for (size_t i = start; i < end && !s->st; i++) {
        size_t n = weighted_sum(s, i, end);
        if (n) {
            int32_t until = g->nodes[i + n - 1];
            keep(s, node_at(s, i)->src[0], until);
            keep(s, node_at(s, i)->src[1], until);
            i += n - 1;
            continue;
        }
        n = router(s, i, end);
        if (!n || i + n >= g->n_nodes) continue;
        for (size_t k = i; k < i + n; k++) {
            keep(s, g->nodes[k], g->nodes[i + n]);
            for (size_t j = 0; j < node_at(s, k)->n_src; j++) keep(s, node_at(s, k)->src[j], g->nodes[i + n]);
        }
        i += n - 1;
    }
}
