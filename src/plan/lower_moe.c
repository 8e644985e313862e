/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lower_moe.c - router and experts as llama.cpp computes them: build_moe_ffn in llama-graph.cpp (v0.5.0). */
#include "plan/lower.h"

/* Indices of the `most` largest of each row. */
static int32_t top(bb_gg_builder *b, int32_t p, uint64_t most) {
    int32_t all = bb_gg_like(b, BB_GG_ARGSORT, p, -1);
    bb_gg_at(b, all)->type = b->i32;
    bb_gg_tensor *t = bb_gg_at(b, all);
    bb_gg_ne ne = {{most, t->ne[1], t->ne[2], t->ne[3]}};
    return bb_gg_view(b, all, ne, t->nb[1], t->nb[2], t->nb[3]);
}

static int32_t softmax_of_chosen(bb_gg_builder *b, int32_t w, bb_gg_ne flat, bb_gg_ne rows) {
    w = bb_gg_like(b, BB_GG_SOFT_MAX, bb_gg_reshape(b, w, flat), -1);
    return bb_gg_reshape(b, w, rows);
}

static int32_t divide_by_sum(bb_gg_builder *b, int32_t w, bb_gg_ne flat, bb_gg_ne rows) {
    w = bb_gg_reshape(b, w, flat);
    int32_t sum = bb_gg_op1(b, BB_GG_SUM_ROWS, w, (bb_gg_ne){{1, flat.d[1], 1, 1}});
    sum = bb_gg_like(b, BB_GG_CLAMP, sum, -1);
    return bb_gg_reshape(b, bb_gg_like(b, BB_GG_DIV, w, sum), rows);
}

/* Probabilities with all groups but the best taken out; a group is as good as its two best experts together. */
static int32_t best_groups(bb_gg_builder *b, int32_t p, uint64_t groups, uint64_t used) {
    uint64_t experts = bb_gg_at(b, p)->ne[0], each = experts / groups, tokens = bb_gg_at(b, p)->ne[1];
    int32_t apart = bb_gg_reshape(b, p, (bb_gg_ne){{each, groups, tokens, 1}});
    int32_t two = top(b, apart, 2);
    two = bb_gg_get_rows(b, bb_gg_reshape(b, apart, (bb_gg_ne){{1, each, groups, tokens}}), two);
    two = bb_gg_reshape(b, two, (bb_gg_ne){{2, groups, tokens, 1}});
    int32_t score = bb_gg_op1(b, BB_GG_SUM_ROWS, two, (bb_gg_ne){{1, groups, tokens, 1}});
    int32_t best = top(b, bb_gg_reshape(b, score, (bb_gg_ne){{groups, tokens, 1, 1}}), used);
    int32_t kept = bb_gg_get_rows(b, apart, best);
    int32_t masked = bb_gg_set_rows(b, bb_gg_like(b, BB_GG_FILL, apart, -1), kept, best);
    return bb_gg_reshape(b, masked, (bb_gg_ne){{experts, tokens, 1, 1}});
}

int32_t bb_lower_route(bb_lower *l, const bb_node *n) {
    bb_gg_builder *b = &l->b;
    uint64_t experts = l->g->arch->experts, used = l->g->arch->experts_used;
    int32_t p = bb_lower_input(l, n, 0);
    uint64_t tokens = bb_gg_at(b, p)->ne[1];
    if (n->form & BB_FORM_SIGMOID)
        p = bb_gg_like(b, BB_GG_UNARY, p, -1);
    else if (!(n->form & BB_FORM_CHOSEN))
        p = bb_gg_like(b, BB_GG_SOFT_MAX, p, -1);
    int32_t choice = n->weights[0] < 0 ? p : bb_gg_like(b, BB_GG_ADD, p, bb_lower_weight(l, n->weights[0]));
    uint64_t groups = l->g->arch->expert_groups;
    if (groups > 1) choice = best_groups(b, choice, groups, l->g->arch->expert_groups_used);
    int32_t ids = top(b, choice, used);
    bb_gg_ne flat = {{used, tokens, 1, 1}}, rows = {{1, used, tokens, 1}};
    int32_t w = bb_gg_get_rows(b, bb_gg_reshape(b, p, (bb_gg_ne){{1, experts, tokens, 1}}), ids);
    if (n->form & BB_FORM_CHOSEN) w = softmax_of_chosen(b, w, flat, rows);
    if (n->form & BB_FORM_NORMED) w = divide_by_sum(b, w, flat, rows);
    if (n->form & BB_FORM_SCALED) w = bb_gg_like(b, BB_GG_SCALE, w, -1);
    bb_gg_expand(b, w);
    l->expert_weights = w;
    l->expert_in_of = -1;
    return ids;
}

int32_t bb_lower_experts(bb_lower *l, const bb_node *n) {
    bb_gg_builder *b = &l->b;
    int32_t x = bb_lower_input(l, n, 0), ids = bb_lower_input(l, n, 1), w = bb_lower_weight(l, n->weights[0]);
    uint64_t tokens = bb_gg_at(b, ids)->ne[1];
    if (l->g->nodes[n->from[0]].op != BB_OP_GATE_MUL) { /* one row a token, the same for all its experts */
        if (l->expert_in_of != x) l->expert_in = bb_gg_reshape(b, x, (bb_gg_ne){{bb_gg_at(b, x)->ne[0], 1, tokens, 1}});
        l->expert_in_of = x;
        x = l->expert_in;
    }
    bb_gg_ne ne = {{bb_gg_at(b, w)->ne[1], l->g->arch->experts_used, tokens, 1}};
    int32_t y = bb_gg_op2(b, BB_GG_MUL_MAT_ID, w, x, ne);
    bb_gg_source(b, y, ids);
    if (n->weights[1] < 0) return y;
    y = bb_gg_like(b, BB_GG_ADD_ID, y, bb_lower_weight(l, n->weights[1]));
    bb_gg_source(b, y, ids);
    return y;
}

int32_t bb_lower_weighted_sum(bb_lower *l, const bb_node *n) {
    bb_gg_builder *b = &l->b;
    int32_t e = bb_gg_like(b, BB_GG_MUL, bb_lower_input(l, n, 0), l->expert_weights);
    bb_gg_expand(b, e);
    uint64_t width = bb_gg_at(b, e)->ne[0], used = bb_gg_at(b, e)->ne[1], tokens = bb_gg_at(b, e)->ne[2];
    uint64_t row = bb_gg_at(b, e)->nb[2], all = bb_calc_mul(&b->calc, row, tokens);
    bb_gg_ne ne = {{width, tokens, 1, 1}};
    int32_t first = 0;
    for (uint64_t i = 0; i < used && !b->no_memory; i++) {
        int32_t v = bb_gg_view(b, e, ne, row, all, all);
        if (i == 0) first = v;
        bb_gg_expand(b, v);
    }
    int32_t sum = first;
    for (uint64_t i = 1; i < used && !b->no_memory; i++) { /* the views stand one behind the other */
        sum = bb_gg_like(b, BB_GG_ADD, sum, first + (int32_t)i);
        bb_gg_expand(b, sum);
    }
    return used == 1 ? bb_gg_cont(b, sum, ne) : sum;
}
