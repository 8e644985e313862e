/* SPDX-License-Identifier: GPL-3.0-or-later */
/* traits.h - how the layers of each family differ, and their names in checkpoints; private to graph/. */
#ifndef BB_GRAPH_TRAITS_H
#define BB_GRAPH_TRAITS_H
#include <stdbool.h>
#include <stdint.h>

/* Of a bias or norm: absent, as the architecture's flag says, always there. */
typedef enum bb_rule { BB_NEVER, BB_FLAG, BB_ALWAYS } bb_rule;

typedef enum bb_norm_form {
    BB_NORM_RMS,   /* weight */
    BB_NORM_LAYER, /* weight and bias */
    BB_NORM_BARE,  /* no weight at all */
} bb_norm_form;

typedef enum bb_norm_place {
    BB_BEFORE,   /* one before the attention, one before the MLP (or one for both: one_norm) */
    BB_SANDWICH, /* before and behind both */
    BB_BEHIND,   /* behind both, before the addition */
    BB_AFTER,    /* behind both, after the addition */
} bb_norm_place;

typedef enum bb_qkv {
    BB_QKV_SPLIT,
    BB_QKV_FUSED,    /* one matrix in both containers */
    BB_QKV_FUSED_HF, /* one matrix in HF, three in GGUF */
} bb_qkv;

typedef enum bb_qk_norm {
    BB_QK_NONE,
    BB_QK_HEAD,  /* one weight of head_dim */
    BB_QK_WIDTH, /* over the whole width */
    BB_QK_HEADS, /* a weight of head_dim for each head */
} bb_qk_norm;

typedef enum bb_ffn_form {
    BB_FFN_GATED,       /* gate, up, down */
    BB_FFN_FUSED_GATED, /* gate and up in one matrix */
    BB_FFN_PLAIN,       /* up, down */
} bb_ffn_form;

typedef enum bb_moe_form {
    BB_MOE_NONE,
    BB_MOE_SPLIT,    /* HF: a tensor for each expert */
    BB_MOE_FUSED,    /* HF: [experts][2 ffn][hidden] and [experts][hidden][ffn] (granitemoe) */
    BB_MOE_FUSED_IO, /* HF: [experts][hidden][2 ffn] with biases (gpt-oss) */
} bb_moe_form;

/* Attention, MLP and the layer's input, as llama.cpp adds them. */
typedef enum bb_sums {
    BB_SERIAL,       /* the MLP reads attention + input: MLP + (attention + input) */
    BB_ATTN_MLP_INP, /* the others are parallel: (attention + MLP) + input */
    BB_MLP_ATTN_INP,
    BB_MLP_INP_ATTN,
} bb_sums;

/* Names in a checkpoint without ".weight" and ".bias"; those of a layer are without its prefix. */
typedef struct bb_hf_names {
    const char *layer; /* prefix: "model.layers.%d." */
    const char *embed, *positions, *segments, *embed_norm, *final_norm, *head, *classes;
    const char *attn_norm, *ffn_norm, *post_attn_norm, *post_ffn_norm;
    const char *q, *k, *v, *qkv, *out, *q_norm, *k_norm;
    const char *gate, *up, *down;
    const char *router, *e_gate, *e_up, *e_down; /* experts */
    const char *s_gate, *s_up, *s_down;          /* shared experts */
} bb_hf_names;

typedef struct bb_traits {
    const char *family;
    const bb_hf_names *hf;
    bb_norm_form norm;
    bb_norm_place place;
    bb_qkv qkv;
    bb_qk_norm qk;
    bb_rule qk_when;
    bb_rule qkv_bias, out_bias, mlp_bias;
    bb_ffn_form ffn;
    bb_moe_form moe;
    bb_rule one_norm;
    const char *gguf_ffn_norm; /* NULL = "ffn_norm" */
    bool gated_query;          /* the matrix of queries makes a gate of what attention makes as well */
    bool fused_linear;         /* HF has one matrix for all that linear attention reads, and one for its rates */
    bool learned_positions, sinks, head_bias, router_has_bias, shared_gate;
    bb_sums sums;
    bool attn_second_norm;                             /* attention reads the second norm, the MLP the first */
    bool scaled_embed, scaled_branches, scaled_logits; /* multiplied by a number of the model */
    bool capped_logits;                                /* c tanh(x / c) */
    bool mlp_last;          /* llama.cpp adds the MLP to the residual, not the residual to the MLP */
    bool late_rows;         /* bb_graph.late_rows */
    uint32_t unturned;      /* every n-th layer has no rotary positions */
    uint32_t attend, route; /* BB_FORM_ bits of attention and router */
} bb_traits;

/* How the family of `arch` is built; NULL for a family whose builder is its own (whisper). */
struct bb_arch;
const bb_traits *bb_traits_of(const struct bb_arch *arch);
#endif
