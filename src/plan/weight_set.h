/* SPDX-License-Identifier: GPL-3.0-or-later */
/* weight_set.h - the types of a model's tensors for one wish, their bytes summed once for each layer. */
#ifndef BB_PLAN_WEIGHT_SET_H
#define BB_PLAN_WEIGHT_SET_H
#include "plan/plan.h"

enum { BB_FOLLOWS = 255 }; /* no override: where its layer is */

typedef struct bb_weight_sum {
    uint64_t bytes, padded, elements; /* padded: as CUDA keeps them */
    uint64_t experts;                 /* of the bytes, those of experts that a router chooses */
} bb_weight_sum;

/* What decides: the wish for types, an importance matrix, and which tensors are put elsewhere than their layer. */
typedef struct bb_weight_set {
    uint64_t serial; /* from 1: no two sets of a subject have the same */
    char weights[24];
    bool imatrix;
    char overrides[192];
    uint64_t moe_layers;
    const bb_dtype **types;      /* [n_tensors] */
    uint8_t *where;              /* [n_tensors] BB_FOLLOWS, a card of the request, or BB_PLAN_CARDS = the host */
    bb_weight_sum *layers;       /* [n_layers + 1] of what follows its layer, the output side last */
    bb_weight_sum input, shared; /* of what follows the input; once on each device that holds a layer */
    bb_weight_sum tied;          /* the second copy that a tied model's output is, elsewhere than the input */
    bb_weight_sum elsewhere[BB_PLAN_CARDS + 1]; /* by `where` */
    bool overridden;                            /* some tensor does not follow */
    uint32_t cards;                             /* that overrides name: bit i is CUDAi */
} bb_weight_set;

/* The set that the request asks for, from the ones that the subject keeps; s->tensors then has its types.
 * BB_E_ARG for overrides that llama.cpp does not take; errors of bb_subject_types and bb_subject_tensor. */
bb_status bb_weight_set_get(bb_subject *s, const bb_plan_request *request, const bb_weight_set **set, bb_error *err);
void bb_weight_sets_free(bb_subject *s);
/* Bytes of a tensor as CUDA keeps it, padded and aligned (graph_alloc.h). BB_E_OVERFLOW. */
bb_status bb_cuda_padded(const bb_dtype *type, uint64_t cols, uint64_t bytes, uint64_t *padded);
#endif
