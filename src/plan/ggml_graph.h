/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ggml_graph.h - the graph that llama.cpp v0.5.0 hands to ggml: tensors, operations, views, in its two lists. */
#ifndef BB_PLAN_GGML_GRAPH_H
#define BB_PLAN_GGML_GRAPH_H
#include "format/dtype.h"
#include "graph/graph.h"

/* Names are ggml's. NONE: weights, caches, inputs, copies. */
typedef enum bb_gg_op {
    BB_GG_NONE,
    BB_GG_GET_ROWS,
    BB_GG_RMS_NORM,
    BB_GG_NORM,
    BB_GG_MUL,
    BB_GG_ADD,
    BB_GG_SUB,
    BB_GG_DIV,
    BB_GG_SCALE,
    BB_GG_SQR,
    BB_GG_FILL,
    BB_GG_UNARY,
    BB_GG_CLAMP,
    BB_GG_MUL_MAT,
    BB_GG_MUL_MAT_ID,
    BB_GG_ADD_ID,
    BB_GG_ROPE,
    BB_GG_SOFT_MAX,
    BB_GG_FLASH_ATTN_EXT,
    BB_GG_GLU,
    BB_GG_ARGSORT,
    BB_GG_SUM_ROWS,
    BB_GG_CONCAT,
    BB_GG_REPEAT,
    BB_GG_CONT,
    BB_GG_CPY,
    BB_GG_VIEW,
    BB_GG_RESHAPE,
    BB_GG_PERMUTE,
    BB_GG_TRANSPOSE,
    BB_GG_SET_ROWS,
    BB_GG_OPS
} bb_gg_op;

enum {
    BB_GG_SOURCES = 10, /* GGML_MAX_SRC */
    BB_GG_INPUT = 1,    /* flags */
    BB_GG_OUTPUT = 2,
    BB_GG_LAYER_NORM = 4, /* an RMS_NORM of a layer, all but output_norm and post_ffw_norm (llama-graph.md 5) */
    BB_GG_ATTN_END = 8,   /* the CONT that ends an attention without flash attention */
    BB_GG_LISTED = 16,    /* in nodes or leafs: tensors that nothing reads are in neither */
};

/* Where a tensor without an operation lives; the rest is owned by the compute buffer. */
typedef enum bb_gg_store { BB_GG_OWNED, BB_GG_WEIGHT, BB_GG_CACHE } bb_gg_store;

typedef struct bb_gg_tensor {
    uint64_t ne[4], nb[4]; /* elements; strides in bytes */
    const bb_dtype *type;
    int32_t src[BB_GG_SOURCES]; /* [n_src] indices of tensors */
    int32_t root;               /* the tensor that it is a view of, never a view itself; -1 = none */
    int32_t weight;             /* BB_GG_WEIGHT: index in the bb_graph; a tied output is the embedding's */
    int32_t layer; /* of the node, weight or cache; graph->n_layers on the output side; -1 on the input side */
    uint8_t op, flags, store, n_src;
} bb_gg_tensor;

typedef struct bb_gg_graph {
    bb_gg_tensor *t; /* [n] */
    size_t n, cap;
    int32_t *nodes; /* [n_nodes] in the order of expansion */
    int32_t *leafs; /* [n_leafs] */
    size_t n_nodes, n_leafs;
} bb_gg_graph;

/* What a graph is built for, clipped and padded as llama.cpp does before (llama-graph.md 1). */
typedef struct bb_gg_shape {
    uint64_t tokens, outputs, sequences;   /* n, o, n_seq */
    uint64_t cells, window_cells, streams; /* C, W, s: cells are of one stream */
    bool flash;
    const bb_dtype *k, *v;
    /* Types of the weights decide nothing but the sizes of copies: [n_weights][n_layers + 1], the layout of
     * bb_home in plan/reserve.h */
    const struct bb_home *homes;
} bb_gg_shape;

/* Builds into *out, whose memory is used again from the last time. BB_E_UNSUPPORTED for a family whose graph in
 * llama.cpp is not described here; BB_E_OVERFLOW. */
bb_status bb_gg_build(const bb_graph *graph, const bb_gg_shape *shape, bb_gg_graph *out, bb_error *err);
void bb_gg_clear(bb_gg_graph *graph);
/* Room for more tensors than `cap`, in all three arrays. False when memory ends. */
bool bb_gg_grow(bb_gg_graph *graph);
/* Whether bb_gg_build knows the family, and whether its lists were compared with the library's own. */
bool bb_gg_known(const bb_arch *arch, bool *proven);
/* As ggml counts it: from the first to behind the last byte, through the strides. */
uint64_t bb_gg_bytes(const bb_gg_tensor *t);
const char *bb_gg_op_name(bb_gg_op op);
#endif
