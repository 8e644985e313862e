/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layer_ops.h - what a layer computes beside its products and costs time: attention and the gate, over lanes. */
#ifndef BB_INFER_LAYER_OPS_H
#define BB_INFER_LAYER_OPS_H
#include "base/cpu.h"

enum { BB_KEY_TILE = 64, BB_VALUE_ALIGN = 16, BB_ATTEND_ROWS = 8 };

/* Tokens that follow one another, and of each the query heads that share a head of keys and values; both together are
 * its rows. */
typedef struct bb_attend {
    size_t tokens, heads; /* at most BB_ATTEND_ROWS rows */
    size_t head_dim, value_dim;
    const float *q; /* [tokens][q_stride]: [heads][head_dim] */
    size_t q_stride;
    const float *keys;   /* [tiles][head_dim][BB_KEY_TILE] */
    const float *values; /* [positions][value_stride], a multiple of BB_VALUE_ALIGN */
    size_t value_stride;
    size_t n;      /* positions that the first token sees, at least one; each further token sees one more */
    float scale;   /* of the scores */
    float *scores; /* work memory, [rows][n + tokens - 1 filled up to a multiple of BB_KEY_TILE] */
    float *sums;   /* and [rows][value_stride] */
    float *out;    /* [tokens][out_stride]: [heads][value_dim] */
    size_t out_stride;
} bb_attend;

/* All in fp32, each operation rounded to nearest-even, none fused; the bits are the same in every one.
 *  attend: scores are sums of q_d k_d from +0 with d ascending, times scale; e = exp(score - largest); the sum of e is
 *    that of 16 partial sums, each over every 16th position ascending, added in order from the first; the output is
 *    the sum of e_j v_j from +0 with j ascending, divided by the sum of e.
 *  gate: x / (1 + exp(-x)) * up. */
typedef struct bb_layer_ops {
    void (*attend)(const bb_attend *a);
    void (*gate)(const float *x, const float *up, size_t n, float *y);
} bb_layer_ops;

extern const bb_layer_ops bb_layer_table;
#if BB_X86
extern const bb_layer_ops bb_layer_table_avx2, bb_layer_table_avx512;
#endif
/* The fastest that runs here within isa. */
const bb_layer_ops *bb_layer_ops_of(bb_isa isa);
#endif
