/* SPDX-License-Identifier: GPL-3.0-or-later */
/* graph.h - one description of an architecture: operations over named values and weights with shapes. */
#ifndef BB_GRAPH_GRAPH_H
#define BB_GRAPH_GRAPH_H
#include "model/arch.h"

typedef enum bb_part { BB_PART_INPUT, BB_PART_LAYER, BB_PART_OUTPUT } bb_part; /* a layer stands for all L of them */

typedef enum bb_op {
    BB_OP_EMBED,  /* rows of a table by token */
    BB_OP_NORM,   /* RMS norm times weight */
    BB_OP_MATMUL, /* x W^T (+ bias) */
    BB_OP_ROPE,
    BB_OP_KV_STORE,
    BB_OP_ATTENTION,
    BB_OP_ADD,
    BB_OP_SILU_MUL, /* silu(gate) * up */
    BB_OP_ROUTE,    /* choose experts */
    BB_OP_MATMUL_EXPERTS,
    BB_OP_WEIGHTED_SUM,
} bb_op;

/* A weight: name templates hold "%d" where the layer number goes (and a second for the expert, HF only). */
typedef struct bb_weight {
    const char *gguf_name; /* "blk.%d.attn_q.weight" */
    const char *hf_name;   /* "model.layers.%d.self_attn.q_proj.weight"; NULL when GGUF only (rope_freqs) */
    uint32_t n_dims;
    uint64_t dims[4];  /* GGUF order: innermost (in features) first */
    bool counts;       /* as a parameter: false for rope_freqs */
    bool always_f32;   /* GGUF keeps it in F32: norms, router, biases */
    uint64_t hf_split; /* HF stores it as that many tensors (experts), 1 otherwise */
} bb_weight;

typedef struct bb_node {
    bb_op op;
    bb_part part;
    const char *name;      /* of the value it makes: "q", "ffn_up", "logits" */
    const char *inputs[3]; /* values it reads, NULL-terminated unless three */
    int32_t weights[2];    /* indices into weights, -1 = none: matrix, bias */
    uint64_t width;        /* elements per token of its value (0: depends on the context) */
} bb_node;

typedef struct bb_graph {
    const bb_arch *arch; /* borrowed */
    bb_node *nodes;
    size_t n_nodes;
    bb_weight *weights; /* each once, in file order; those with "%d" in the name occur in every layer */
    size_t n_weights;
} bb_graph;

/* Builds the graph of a checked architecture, which must outlive it. In a layer "inp" is what the embedding or the
 * layer before made; the output side reads the last "l_out". */
bb_status bb_graph_build(const bb_arch *arch, bb_graph *graph, bb_error *err);
void bb_graph_clear(bb_graph *graph);
bool bb_weight_in_layers(const bb_weight *w);

/* Parameters, checked; active: those that one token uses (experts_used of experts). */
bb_status bb_graph_parameters(const bb_graph *graph, uint64_t *total, uint64_t *active);

typedef struct bb_graph_tensor {
    char name[96];
    uint32_t n_dims;
    uint64_t dims[4]; /* GGUF order */
    int64_t layer;    /* -1 = input, layers = output side */
    bb_part part;     /* rope_freqs: layer -1, part LAYER, since each device that holds a layer has it */
    bool counts, always_f32;
} bb_graph_tensor;

/* The tensor list under GGUF names (file order: token_embd, rope_freqs, layers, output_norm, output) or HF names; an
 * array that the caller frees. */
bb_status bb_graph_tensors(const bb_graph *graph, bool hf_names, bb_graph_tensor **tensors, size_t *n);
#endif
