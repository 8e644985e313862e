/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sched.h - ggml's scheduler: which backend runs which operation, what is copied between them, in what order. */
#ifndef BB_PLAN_SCHED_H
#define BB_PLAN_SCHED_H
#include "plan/ggml_graph.h"
#include "plan/reserve.h"

/* Backends are numbered as devices are, the host last. NOWHERE: not decided yet. */
enum { BB_SCHED_NOWHERE = 255 };

/* What is known of a tensor of the graph, under the same number. */
typedef struct bb_sched_tensor {
    uint64_t offset, bytes; /* in the buffer of its backend: of the allocator */
    int32_t chain;          /* the first of its copies on other backends; of a copy, the next one; -1 = none */
    int32_t keep;           /* first of the tensors that are kept until it has run, in bb_sched.keeps; -1 = none */
    int32_t children, views;
    uint8_t backend;
    bool owned; /* has memory of its own now */
} bb_sched_tensor;

typedef struct bb_sched_step {
    int32_t tensor;
    uint8_t backend;
} bb_sched_step;

typedef struct bb_sched_copy {
    int32_t source, copy; /* copy: the first of its numbered copies, which follow it */
} bb_sched_copy;

typedef struct bb_sched_split {
    size_t start, end;            /* of the graph's nodes */
    size_t first_input, n_inputs; /* in bb_sched.inputs */
    uint8_t backend;
} bb_sched_split;

typedef struct bb_sched_kept {
    int32_t tensor, next;
} bb_sched_kept;

/* Arrays that grow and are used again. */
typedef struct bb_sched {
    bb_gg_graph *graph; /* borrowed: sources are replaced by copies, and those and markers are added to its tensors */
    bb_sched_tensor *t; /* [graph->n] */
    bb_sched_step *nodes, *leafs; /* in the order of the allocator */
    bb_sched_copy *inputs, *graph_inputs;
    bb_sched_split *splits;
    bb_sched_kept *keeps;
    int32_t *work; /* the nodes that are no views */
    size_t n_nodes, n_leafs, n_inputs, n_graph_inputs, n_splits, n_keeps, n_work;
    size_t cap_t, cap_nodes, cap_leafs, cap_inputs, cap_graph_inputs, cap_splits, cap_keeps, cap_work;
    uint8_t host;         /* number of the host's backend */
    uint32_t copies;      /* of what crosses backends: 4 with pipeline parallelism, else 1 */
    bool copies_a_weight; /* a weight is copied to another backend: its type decides a size */
    bb_status st;         /* BB_E_NOMEM */
} bb_sched;

/* Distributes a graph that was built for `tokens` tokens and puts the lists of nodes and leafs into s. */
bb_status bb_sched_run(bb_sched *s, bb_gg_graph *graph, const bb_reserve_in *in, uint64_t tokens);
void bb_sched_clear(bb_sched *s);

/* Of sched_keep.c: adds what CUDA's fused kernels for mixtures of experts keep alive in the nodes [start, end). */
void bb_sched_keep(bb_sched *s, size_t start, size_t end);

static inline bool bb_gg_is_view_op(uint8_t op) {
    return op == BB_GG_VIEW || op == BB_GG_RESHAPE || op == BB_GG_PERMUTE || op == BB_GG_TRANSPOSE;
}
#endif
