/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lower_attention.c - the cache and attention as llama.cpp computes them: build_attn and build_attn_mha in
 * llama-graph.cpp, get_k, get_v, cpy_k and cpy_v in llama-kv-cache.cpp (v0.5.0). */
#include "plan/lower.h"

typedef struct cached {
    int32_t k, v; /* the whole caches of a layer; v -1: part of k */
    uint64_t dim, v_dim, heads;
} cached;

static int32_t new_cache(bb_lower *l, const bb_dtype *type, uint64_t width, uint64_t cells) {
    int32_t i = bb_gg_new(&l->b, BB_GG_NONE, type, (bb_gg_ne){{width, cells, l->s->streams, 1}});
    bb_gg_at(&l->b, i)->store = BB_GG_CACHE;
    return i;
}

static const bb_lower_cache *cache_of(const bb_lower *l) {
    bool window = l->windows && bb_arch_window_layer(l->g->arch, (uint64_t)l->b.layer);
    return &l->cache[window];
}

/* x times a Hadamard matrix, in rows of its width. */
static int32_t turn(bb_lower *l, int32_t x, int32_t by) {
    bb_gg_builder *b = &l->b;
    const bb_gg_tensor *t = bb_gg_at(b, x);
    uint64_t r = bb_gg_at(b, by)->ne[0], all = 1;
    bb_gg_ne ne = {{t->ne[0], t->ne[1], t->ne[2], t->ne[3]}};
    for (int k = 0; k < 4; k++) all = bb_calc_mul(&b->calc, all, ne.d[k]);
    bb_gg_ne rows = {{r, all / r, 1, 1}};
    int32_t y = bb_gg_packed(t) ? bb_gg_reshape(b, x, rows) : bb_gg_cont(b, x, rows);
    return bb_gg_reshape(b, bb_gg_mul_mat(b, by, y), ne);
}

/* ---- storing ---- */

/* [dim][heads][tokens] as rows of the cache; the rows of all streams count through. */
static void store(bb_lower *l, int32_t x, int32_t cache, int32_t rows) {
    bb_gg_builder *b = &l->b;
    const bb_gg_tensor *t = bb_gg_at(b, x);
    uint64_t width = bb_calc_mul(&b->calc, t->ne[0], t->ne[1]), tokens = t->ne[2], row = t->nb[2];
    uint64_t all = bb_calc_mul(&b->calc, row, tokens);
    x = bb_gg_view(b, x, (bb_gg_ne){{width, tokens, 1, 1}}, row, all, all);
    const bb_gg_tensor *c = bb_gg_at(b, cache);
    if (c->ne[2] > 1)
        cache = bb_gg_reshape(b, cache, (bb_gg_ne){{c->ne[0], bb_calc_mul(&b->calc, c->ne[1], c->ne[2]), 1, 1}});
    bb_gg_expand(b, bb_gg_set_rows(b, cache, x, rows));
}

/* Without flash attention values lie transposed: each element is a row of its own. */
static void store_transposed(bb_lower *l, int32_t v, int32_t cache, int32_t rows) {
    bb_gg_builder *b = &l->b;
    const bb_gg_tensor *t = bb_gg_at(b, v);
    uint64_t width = bb_calc_mul(&b->calc, t->ne[0], t->ne[1]), tokens = t->ne[2];
    bb_gg_ne flat = {{width, tokens, 1, 1}};
    v = t->nb[2] == bb_gg_row(b, t->type, width) ? bb_gg_reshape(b, v, flat) : bb_gg_cont(b, v, flat);
    const bb_gg_tensor *c = bb_gg_at(b, cache);
    uint64_t all = bb_calc_mul(&b->calc, bb_calc_mul(&b->calc, c->ne[0], c->ne[1]), c->ne[2]);
    int32_t to = bb_gg_reshape(b, cache, (bb_gg_ne){{1, all, 1, 1}});
    v = bb_gg_reshape(b, v, (bb_gg_ne){{1, bb_calc_mul(&b->calc, width, tokens), 1, 1}});
    bb_gg_expand(b, bb_gg_set_rows(b, to, v, rows));
}

/* ---- attending ---- */

/* A cache as [dim][heads][cells][streams]. */
static int32_t view_rows(bb_lower *l, int32_t cache, uint64_t dim, uint64_t heads) {
    bb_gg_builder *b = &l->b;
    const bb_gg_tensor *c = bb_gg_at(b, cache);
    return bb_gg_view(b, cache, (bb_gg_ne){{dim, heads, c->ne[1], c->ne[2]}}, bb_gg_row(b, c->type, dim), c->nb[1],
                      c->nb[2]);
}

static int32_t view_transposed(bb_lower *l, int32_t cache, uint64_t dim, uint64_t heads) {
    bb_gg_builder *b = &l->b;
    const bb_gg_tensor *c = bb_gg_at(b, cache);
    uint64_t cells = c->ne[1];
    return bb_gg_view(b, cache, (bb_gg_ne){{cells, heads, dim, c->ne[2]}},
                      bb_gg_row(b, c->type, bb_calc_mul(&b->calc, cells, dim)), bb_gg_row(b, c->type, cells),
                      bb_gg_row(b, c->type, bb_calc_mul(&b->calc, cells, c->ne[0])));
}

/* [d0][d1][d2][d3] as [d0 d1][d2 d3]. */
static bb_gg_ne joined(bb_gg_builder *b, int32_t x) {
    const bb_gg_tensor *t = bb_gg_at(b, x);
    return (bb_gg_ne){{bb_calc_mul(&b->calc, t->ne[0], t->ne[1]), bb_calc_mul(&b->calc, t->ne[2], t->ne[3]), 1, 1}};
}

static int32_t attend_flash(bb_lower *l, int32_t q, int32_t k, int32_t v, int32_t sinks, int32_t latent) {
    bb_gg_builder *b = &l->b;
    if (bb_gg_at(b, k)->type == b->f32) k = bb_gg_cast(b, k, b->f16);
    if (bb_gg_at(b, v)->type == b->f32) v = bb_gg_cast(b, v, b->f16);
    const bb_gg_tensor *t = bb_gg_at(b, q);
    bb_gg_ne ne = {{bb_gg_at(b, v)->ne[0], t->ne[2], t->ne[1], t->ne[3]}};
    int32_t r = bb_gg_op2(b, BB_GG_FLASH_ATTN_EXT, q, k, ne);
    bb_gg_source(b, r, v);
    bb_gg_source(b, r, cache_of(l)->mask);
    bb_gg_source(b, r, sinks);
    if (latent >= 0) {
        r = bb_gg_swap(b, bb_gg_mul_mat(b, latent, bb_gg_swap(b, r)));
        const bb_gg_tensor *x = bb_gg_at(b, r);
        r = bb_gg_cont(b, r, (bb_gg_ne){{x->ne[0], x->ne[1], x->ne[2], x->ne[3]}});
    }
    return bb_gg_reshape(b, r, joined(b, r));
}

static int32_t attend_scores(bb_lower *l, const bb_node *n, int32_t q, int32_t k, int32_t v, int32_t latent) {
    bb_gg_builder *b = &l->b;
    int32_t sinks = n->weights[0] < 0 ? -1 : bb_lower_weight(l, n->weights[0]);
    int32_t scores = bb_gg_mul_mat(b, k, q);
    if (n->form & BB_FORM_SOFTCAP) {
        scores = bb_gg_like(b, BB_GG_SCALE, scores, -1);
        scores = bb_gg_like(b, BB_GG_UNARY, scores, -1);
        scores = bb_gg_like(b, BB_GG_SCALE, scores, -1);
    }
    scores = bb_gg_like(b, BB_GG_SOFT_MAX, scores, cache_of(l)->mask);
    bb_gg_source(b, scores, sinks);
    if (latent >= 0) { /* the latent values lie as keys do */
        v = bb_gg_transpose(b, v);
        const bb_gg_tensor *t = bb_gg_at(b, v);
        v = bb_gg_cont(b, v, (bb_gg_ne){{t->ne[0], t->ne[1], t->ne[2], t->ne[3]}});
    }
    int32_t r = bb_gg_mul_mat(b, v, scores);
    if (latent >= 0) r = bb_gg_mul_mat(b, latent, r);
    r = bb_gg_swap(b, r);
    r = bb_gg_cont(b, r, joined(b, r));
    bb_gg_at(b, r)->flags |= BB_GG_ATTN_END;
    return r;
}

/* latent: the matrix that makes values of what was attended to, or -1. */
static int32_t attend(bb_lower *l, const bb_node *n, int32_t q, const cached *c, int32_t latent) {
    bb_gg_builder *b = &l->b;
    int32_t k = view_rows(l, c->k, c->dim, c->heads), v;
    if (c->v < 0) {
        const bb_gg_tensor *t = bb_gg_at(b, k);
        v = bb_gg_view(b, k, (bb_gg_ne){{c->v_dim, t->ne[1], t->ne[2], t->ne[3]}}, t->nb[1], t->nb[2], t->nb[3]);
    } else {
        v = l->s->flash ? view_rows(l, c->v, c->v_dim, c->heads) : view_transposed(l, c->v, c->v_dim, c->heads);
    }
    const bb_gg_tensor *t = bb_gg_at(b, q);
    uint64_t s = l->s->streams;
    q = bb_gg_view(b, q, (bb_gg_ne){{t->ne[0], t->ne[1], t->ne[2] / s, s}}, t->nb[1], t->nb[2], t->nb[3] / s);
    q = bb_gg_swap(b, q);
    k = bb_gg_swap(b, k);
    v = bb_gg_swap(b, v);
    int32_t r;
    if (l->s->flash)
        r = attend_flash(l, q, k, v, n->weights[0] < 0 ? -1 : bb_lower_weight(l, n->weights[0]), latent);
    else
        r = attend_scores(l, n, q, k, v, latent);
    bb_gg_expand(b, r);
    return r;
}

/* Keys and values of each of `heads` heads. */
static int32_t attend_heads(bb_lower *l, const bb_node *n, int32_t k, int32_t v, uint64_t heads) {
    bb_gg_builder *b = &l->b;
    const bb_arch *a = l->g->arch;
    const bb_lower_cache *io = cache_of(l);
    int32_t q = bb_lower_heads(l, n, 0, a->head_dim);
    if (n->form & BB_FORM_QUERY) q = bb_gg_like(b, BB_GG_SCALE, q, -1);
    if (io->k_turn >= 0) {
        q = turn(l, q, io->k_turn);
        k = turn(l, k, io->k_turn);
    }
    if (io->v_turn >= 0) v = turn(l, v, io->v_turn);
    bb_gg_expand(b, q);
    bb_gg_expand(b, l->windows ? k : v);
    bb_gg_expand(b, l->windows ? v : k);
    cached c = {.dim = a->head_dim, .v_dim = a->v_head_dim, .heads = heads};
    c.k = new_cache(l, l->s->k, bb_calc_mul(&b->calc, c.dim, c.heads), io->cells);
    c.v = new_cache(l, l->s->v, bb_calc_mul(&b->calc, c.v_dim, c.heads), io->cells);
    store(l, k, c.k, io->k_rows);
    if (l->s->flash)
        store(l, v, c.v, io->v_rows);
    else
        store_transposed(l, v, c.v, io->v_rows);
    int32_t r = attend(l, n, q, &c, -1);
    return io->v_turn >= 0 ? turn(l, r, io->v_turn) : r;
}

int32_t bb_lower_attention(bb_lower *l, const bb_node *n) {
    return attend_heads(l, n, l->k, l->v, l->g->arch->kv_heads);
}

/* ---- latent attention: deepseek2.cpp with attn_k_b and attn_v_b ---- */

/* The part of x's rows from the start, or behind it: where a view begins decides nothing. */
static int32_t part(bb_gg_builder *b, int32_t x, uint64_t width) {
    const bb_gg_tensor *t = bb_gg_at(b, x);
    return bb_gg_view(b, x, (bb_gg_ne){{width, t->ne[1], t->ne[2], t->ne[3]}}, t->nb[1], t->nb[2], t->nb[3]);
}

static int32_t concat(bb_gg_builder *b, int32_t x, int32_t y) {
    const bb_gg_tensor *t = bb_gg_at(b, x);
    bb_gg_ne ne = {{bb_calc_add(&b->calc, t->ne[0], bb_gg_at(b, y)->ne[0]), t->ne[1], t->ne[2], t->ne[3]}};
    return bb_gg_op2(b, BB_GG_CONCAT, x, y, ne);
}

/* The rotary part of the keys, which all heads share, turned: [rope_dim][1][tokens]. */
static int32_t shared_key(bb_lower *l) {
    bb_gg_builder *b = &l->b;
    const bb_gg_tensor *t = bb_gg_at(b, l->v);
    uint64_t tokens = t->ne[1], row = t->nb[1], all = bb_calc_mul(&b->calc, row, tokens);
    int32_t x = bb_gg_view(b, l->v, (bb_gg_ne){{l->g->arch->rope_dim, 1, tokens, 1}}, row, row, all);
    return bb_gg_like(b, BB_GG_ROPE, x, l->positions);
}

int32_t bb_lower_latent(bb_lower *l, const bb_node *n) {
    bb_gg_builder *b = &l->b;
    const bb_arch *a = l->g->arch;
    const bb_node *absorb = &l->g->nodes[n->from[0]], *value = n + 1; /* q_latent; attn, of attn_latent */
    const bb_node *rope = &l->g->nodes[absorb->from[0]];
    int32_t q = bb_lower_heads(l, rope, 0, a->head_dim);
    int32_t nope = bb_gg_swap(b, part(b, q, a->nope_dim));
    int32_t absorbed = bb_gg_swap(b, bb_gg_mul_mat(b, bb_lower_weight(l, absorb->weights[0]), nope));
    int32_t turned = bb_gg_like(b, BB_GG_ROPE, part(b, q, a->rope_dim), l->positions);
    q = concat(b, absorbed, turned);
    uint64_t tokens = bb_gg_at(b, l->v)->ne[1];
    int32_t v = bb_gg_reshape(b, l->k, (bb_gg_ne){{a->kv_lora, 1, tokens, 1}});
    int32_t k = concat(b, v, shared_key(l));
    bb_gg_expand(b, q);
    bb_gg_expand(b, v);
    bb_gg_expand(b, k);
    const bb_lower_cache *io = cache_of(l);
    cached c = {.v = -1, .dim = a->kv_lora + a->rope_dim, .v_dim = a->kv_lora, .heads = 1};
    c.k = new_cache(l, l->s->k, c.dim, io->cells);
    store(l, k, c.k, io->k_rows);
    return attend(l, n, q, &c, bb_lower_weight(l, value->weights[0]));
}

int32_t bb_lower_decompressed(bb_lower *l, const bb_node *n) {
    bb_gg_builder *b = &l->b;
    const bb_arch *a = l->g->arch;
    int32_t kv = bb_lower_input(l, n, 1);
    uint64_t tokens = bb_gg_at(b, kv)->ne[1], row = bb_gg_row(b, b->f32, a->nope_dim + a->v_head_dim);
    uint64_t rows = bb_calc_mul(&b->calc, row, a->heads), all = bb_calc_mul(&b->calc, rows, tokens);
    bb_gg_ne nope = {{a->nope_dim, a->heads, tokens, 1}}, values = {{a->v_head_dim, a->heads, tokens, 1}};
    int32_t k = bb_gg_view(b, kv, nope, row, rows, all);
    int32_t v = bb_gg_cont(b, bb_gg_view(b, kv, values, row, rows, all), values);
    int32_t turned = bb_gg_op1(b, BB_GG_REPEAT, shared_key(l), (bb_gg_ne){{a->rope_dim, a->heads, tokens, 1}});
    return attend_heads(l, n, concat(b, k, turned), v, a->heads);
}
