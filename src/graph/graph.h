/* SPDX-License-Identifier: GPL-3.0-or-later */
/* graph.h - one description of an architecture: operations over named values and weights with shapes. */
#ifndef BB_GRAPH_GRAPH_H
#define BB_GRAPH_GRAPH_H
#include "model/arch.h"

typedef enum bb_part { BB_PART_INPUT, BB_PART_LAYER, BB_PART_OUTPUT } bb_part;

typedef enum bb_op {
    BB_OP_EMBED,  /* rows of a table by token, position or segment */
    BB_OP_CONV,   /* over the frames of a spectrogram, or over the last tokens */
    BB_OP_NORM,   /* RMS norm or layer norm, times weight (+ bias) */
    BB_OP_MATMUL, /* x W^T (+ bias) */
    BB_OP_SPLIT,  /* a part of a fused value */
    BB_OP_ROPE,
    BB_OP_KV_STORE,
    BB_OP_ATTENTION,
    BB_OP_STATE, /* linear attention: reads and renews a state of one size */
    BB_OP_ADD,
    BB_OP_ACTIVATION, /* gelu, relu, tanh */
    BB_OP_GATE_MUL,   /* activation(gate) * up */
    BB_OP_ROUTE,      /* choose experts */
    BB_OP_MATMUL_EXPERTS,
    BB_OP_WEIGHTED_SUM,
    BB_OP_SCALE,   /* times a number of the model: embeddings, residuals, logits */
    BB_OP_SOFTCAP, /* c tanh(x / c) */
} bb_op;

/* How an operation is done where families differ: bits of bb_node.form. */
enum {
    BB_FORM_SOFTCAP = 1,  /* ATTENTION: scores go through c tanh(x / c) */
    BB_FORM_SIGMOID = 2,  /* ROUTE: a sigmoid gives each expert's probability, else a softmax over all */
    BB_FORM_CHOSEN = 4,   /* ROUTE: a softmax over the chosen alone */
    BB_FORM_NORMED = 8,   /* ROUTE: weights of the chosen are divided by their sum */
    BB_FORM_SCALED = 16,  /* ROUTE: weights are multiplied by a number */
    BB_FORM_QUERY = 32,   /* ATTENTION: the query is scaled, not the scores */
    BB_FORM_CENTRED = 64, /* NORM: a layer norm, which takes the mean off, else an RMS norm */
};

enum { BB_GRAPH_NAME = 96, BB_GRAPH_KINDS = 4, BB_MAX_NODES = 128, BB_MAX_WEIGHTS = 128 };

/* A weight: name templates hold "%d" where the number of the layer goes, and a second one (HF only) for the expert or
 * head where HF keeps those apart. A weight that the two cut differently stands once for each, with the other name "".
 */
typedef struct bb_weight {
    char gguf_name[48];          /* "blk.%d.attn_q.weight" */
    char hf_name[BB_GRAPH_NAME]; /* "model.layers.%d.self_attn.q_proj.weight" */
    uint32_t n_dims;
    uint64_t dims[4];  /* GGUF order: innermost (in features) first */
    uint64_t hf_split; /* HF stores it as that many tensors along the outermost dimension, 1 otherwise */
    bb_part part;
    uint32_t kind;      /* of its layer; 0 outside the layers */
    bool counts;        /* as a parameter: false for rope_freqs */
    bool always_f32;    /* GGUF keeps it in F32: norms, router, biases */
    bool expert;        /* one matrix or row for each expert: a token uses experts_used of them */
    bool hf_transposed; /* HF stores in x out (gpt2's Conv1D, gpt-oss's experts) */
} bb_weight;

typedef struct bb_node {
    bb_op op;
    bb_part part;
    uint32_t kind;         /* of its layer; 0 outside the layers */
    const char *name;      /* of the value it makes: "q", "ffn_up", "logits" */
    const char *inputs[3]; /* values it reads, NULL-terminated unless three; the order of additions is llama.cpp's */
    int32_t from[3];       /* indices of the nodes that make them; -1: what the part before this one made */
    uint32_t form;         /* BB_FORM_ bits */
    int32_t weights[2];    /* indices into weights, -1 = none: matrix, bias */
    uint64_t width;        /* elements per token of its value (0: depends on the context) */
} bb_node;

/* A layer in the order of computation: its number within its stack (an encoder counts for itself) and its kind. */
typedef struct bb_layer {
    uint32_t number, kind;
    bool unturned; /* without rotary positions: its ROPE operations are left out */
} bb_layer;

typedef struct bb_graph {
    const bb_arch *arch; /* borrowed */
    bb_node *nodes;
    size_t n_nodes;
    bb_weight *weights; /* each once, in file order: input, layers by kind, output */
    size_t n_weights;
    const char *kinds[BB_GRAPH_KINDS]; /* "layer", "moe", "encoder", ... */
    size_t n_kinds;
    bb_layer *layers;
    size_t n_layers;
    bool late_rows; /* llama.cpp drops tokens without output before the last norm, not in the last layer */
} bb_graph;

/* Builds the graph of a checked architecture, which must outlive it. In a layer "inp" is what the embedding or the
 * layer before made; the output side reads the last "l_out". */
bb_status bb_graph_build(const bb_arch *arch, bb_graph *graph, bb_error *err);
void bb_graph_clear(bb_graph *graph);

/* Parameters, checked; active: those that one token uses (experts_used of experts). */
bb_status bb_graph_parameters(const bb_graph *graph, uint64_t *total, uint64_t *active);

typedef struct bb_graph_tensor {
    char name[BB_GRAPH_NAME];
    uint32_t n_dims;
    uint64_t dims[4]; /* innermost first, as GGUF has them; of an HF list the reverse of the checkpoint's shape */
    uint32_t weight;  /* index of its weight */
    int64_t layer;    /* -1 = input, layers = output side */
    bb_part part;     /* rope_freqs: layer -1, part LAYER, since each device that holds a layer has it */
    bool counts, always_f32;
} bb_graph_tensor;

/* The tensor list under GGUF names (file order: token_embd, rope_freqs, layers, output_norm, output) or HF names; an
 * array that the caller frees. Empty under GGUF names for a family that llama.cpp does not load. BB_E_LIMIT for more
 * than 2^18 tensors. */
bb_status bb_graph_tensors(const bb_graph *graph, bool hf_names, bb_graph_tensor **tensors, size_t *n);
/* The first HF tensor of that weight, and in how many layers it stands (1 outside them); each of these holds hf_split
 * tensors alike but for their numbers. False for a weight without a name there, or of a kind that no layer has. */
bool bb_graph_first_tensor(const bb_graph *graph, uint32_t weight, bb_graph_tensor *tensor, uint64_t *layers);
#endif
