/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stored.h - the tensors of a checkpoint: those of the graph as a type or a quantization method stores them. */
#ifndef BB_GRAPH_STORED_H
#define BB_GRAPH_STORED_H
#include "graph/graph.h"
#include "model/quantization.h"

typedef struct bb_stored {
    char name[BB_GRAPH_NAME + 48];
    const char *type; /* our name of the storage type */
    uint32_t n_dims;
    uint64_t dims[4]; /* as the container lists them: HF outermost first, GGUF innermost first */
    uint64_t bytes;
    uint64_t parameters; /* that it stands for; 0 for scales, zeros and tables */
    bool about;          /* bytes vary by some digits (bitsandbytes' texts), the name by the writer */
} bb_stored;

typedef struct bb_stored_list {
    bb_stored *t; /* [n]; NULL of a sum */
    size_t n, cap;
    uint64_t bytes, parameters;
    uint64_t allocated; /* bytes that PyTorch's caching allocator counts for them */
    uint64_t widest;    /* elements of the largest matrix that is quantized; 0 = none is */
    bool about;         /* some entry is */
} bb_stored_list;

/* The tensors of an HF checkpoint with `dtype` ("bf16"; "" = bf16) for what is not quantized; q NULL or
 * BB_QUANT_NONE = nothing is. BB_E_UNSUPPORTED for a method whose layout is not known, BB_E_LIMIT for more than 2^19
 * tensors. Clear with bb_stored_clear. */
bb_status bb_stored_hf(const bb_graph *graph, const bb_quantization *q, const char *dtype, bb_stored_list *list,
                       bb_error *err);
/* Their number, bytes and parameters alone, without a list: of any number of layers and experts where the layers are
 * alike (bb_quantization_uniform). */
bb_status bb_stored_sum(const bb_graph *graph, const bb_quantization *q, const char *dtype, bb_stored_list *sum,
                        bb_error *err);
/* Bytes that PyTorch's caching allocator counts for a tensor of its own; false when they pass 2^64. */
bool bb_stored_allocated(uint64_t bytes, uint64_t *allocated);
void bb_stored_clear(bb_stored_list *list);
#endif
