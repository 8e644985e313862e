/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lower.h - from a bb_graph to ggml's operations, while one graph is built; private to plan/. */
#ifndef BB_PLAN_LOWER_H
#define BB_PLAN_LOWER_H
#include "plan/ggml_build.h"

enum { BB_LOWER_DEVICES = 256 }; /* what bb_home.device can hold */

/* The inputs that go with a cache: that of every layer, or of the layers that see a window. -1 = none. */
typedef struct bb_lower_cache {
    uint64_t cells;
    int32_t k_rows, v_rows, mask, k_turn, v_turn;
} bb_lower_cache;

typedef struct bb_lower {
    bb_gg_builder b;
    const bb_graph *g;
    const bb_gg_shape *s;
    bool windows;              /* two caches */
    bool mla, latent;          /* latent vectors; attended to as they are, absorbed into the query */
    bb_lower_cache cache[2];   /* whole, window */
    int32_t tokens, positions; /* inputs */
    int32_t rows;              /* of the tokens with output */
    int32_t stream;            /* what the part before this one made */
    int32_t value[BB_MAX_NODES];
    bool heads[BB_MAX_NODES]; /* the value is [head_dim][heads][tokens] */
    /* At the end of the model only the tokens with output go on: values that still have all of them. */
    bool all_rows[BB_MAX_NODES], stream_all_rows;
    int32_t weight[BB_MAX_WEIGHTS], weight_at[BB_MAX_WEIGHTS]; /* the tensor, and for which layer it was made */
    int32_t factors[BB_LOWER_DEVICES];                         /* tensor of the rotary factors, 0 = not yet made */
    int32_t k, v;                                              /* of the layer, until it attends */
    int32_t expert_weights, expert_in, expert_in_of;
} bb_lower;

/* A source of a node, with the rows that go on. */
int32_t bb_lower_input(bb_lower *l, const bb_node *n, size_t k);
int32_t bb_lower_weight(bb_lower *l, int32_t weight);
/* The source as [dim][width / dim][tokens]. */
int32_t bb_lower_heads(bb_lower *l, const bb_node *n, size_t k, uint64_t dim);
/* x W^T (+ bias) */
int32_t bb_lower_matmul(bb_lower *l, const bb_node *n, int32_t x);
/* Norm, times weight (+ bias). */
int32_t bb_lower_norm(bb_lower *l, const bb_node *n, int32_t x);

/* Stores keys and values and attends: [heads * v_head_dim][tokens]. */
int32_t bb_lower_attention(bb_lower *l, const bb_node *n);
/* Latent attention: all from "q" and "kv_a" to what goes into the output matrix. n: the ATTENTION. */
int32_t bb_lower_latent(bb_lower *l, const bb_node *n);
/* The same where keys and values of each head are made from the latent vector: old files, with attn_kv_b. */
int32_t bb_lower_decompressed(bb_lower *l, const bb_node *n);

int32_t bb_lower_route(bb_lower *l, const bb_node *n);
int32_t bb_lower_experts(bb_lower *l, const bb_node *n);
int32_t bb_lower_weighted_sum(bb_lower *l, const bb_node *n);
#endif
