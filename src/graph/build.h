/* SPDX-License-Identifier: GPL-3.0-or-later */
/* build.h - a graph while it is filled: adding weights and operations; private to graph/. */
#ifndef BB_GRAPH_BUILD_H
#define BB_GRAPH_BUILD_H
#include "graph/graph.h"
#include "graph/traits.h"

/* The arrays being filled; `overfull` when they were too small or a name too long (a bug, never the input's fault). */
typedef struct bb_builder {
    const bb_arch *a;
    const bb_traits *t; /* NULL: a family with a builder of its own */
    bb_graph *g;
    const char *prefix; /* HF prefix of the layers being added */
    bb_part part;
    uint32_t kind;
    bool gguf; /* the family has GGUF names */
    bool overfull;
} bb_builder;

/* Dimensions of a weight, innermost first, ending with 0. */
typedef struct bb_dims {
    uint64_t d[4];
} bb_dims;

/* A weight with the names as given; gguf NULL or hf NULL = none there. In a layer "blk.%d." and the prefix are put
 * before them. Returns its index. */
int32_t bb_add_weight(bb_builder *b, const char *gguf, const char *hf, bb_dims dims);
bb_weight *bb_weight_at(bb_builder *b, int32_t i);
void bb_add_node(bb_builder *b, bb_op op, const char *name, const char *in0, const char *in1, int32_t matrix,
                 int32_t bias, uint64_t width);
/* x W^T (+ bias): names without ".weight" and ".bias". */
void bb_add_linear(bb_builder *b, const char *name, const char *in, const char *gguf, const char *hf, bool bias,
                   uint64_t from, uint64_t to);
/* A norm of `width` values, weights by the family's form. */
void bb_add_norm(bb_builder *b, bb_norm_form form, const char *name, const char *in, const char *gguf, const char *hf,
                 uint64_t width);
static inline bool bb_rule_on(bb_rule rule, bool flag) { return rule == BB_ALWAYS || (rule == BB_FLAG && flag); }

/* One layer of `kind` as the traits say: attention, or linear attention, and MLP with their norms. */
void bb_build_layer(bb_builder *b, bool experts, bool linear);
/* Linear attention reading `in`, making "attn_out" (build_linear.c). */
void bb_build_linear_attention(bb_builder *b, const char *in);
/* The experts of a layer and those shared, reading `in`, making "ffn_out" (build_moe.c). */
void bb_build_moe(bb_builder *b, const char *in);
/* Encoder and decoder (build_whisper.c). */
void bb_build_whisper(bb_builder *b);
#endif
