/* SPDX-License-Identifier: GPL-3.0-or-later */
/* checkpoint.h - what --weights means to engines that load Hugging Face checkpoints, and the bytes on each rank. */
#ifndef BB_PLAN_CHECKPOINT_H
#define BB_PLAN_CHECKPOINT_H
#include "model/flavour.h"
#include "plan/plan_parts.h"

typedef enum bb_weights_kind {
    BB_WEIGHTS_FILE,    /* the bytes of a file that is there, as they are */
    BB_WEIGHTS_OWN,     /* as the config says that the checkpoint is quantized */
    BB_WEIGHTS_FLAVOUR, /* of a flavour that was asked */
    BB_WEIGHTS_TYPE,    /* one storage type */
} bb_weights_kind;

typedef struct bb_weights_choice {
    bb_weights_kind kind;
    char name[24];        /* for bb_plan_request.weights */
    char dtype[16];       /* of what is not quantized, and of the computation: "bf16" */
    bb_flavour flavour;   /* of BB_WEIGHTS_FLAVOUR */
    const bb_dtype *type; /* of BB_WEIGHTS_TYPE */
    bool unknown;         /* the config names a layout that is not known: counted in `type` */
} bb_weights_choice;

/* BB_E_NAME for weights that neither a storage type nor a flavour is called; BB_E_ARG for a flavour with odd numbers.
 */
bb_status bb_weights_choose(const bb_subject *s, const char *asked, bb_weights_choice *c, bb_error *err);
/* How the matrices are stored; NULL where all have one type. */
const bb_quantization *bb_weights_quant(const bb_subject *s, const bb_weights_choice *c);

/* The weights of each stage of the pipeline, one rank of `tensor_parallel`, kept in s->ranks until something else is
 * asked. vLLM (padded): the vocabulary is padded to 64 and every matrix is cut by heads, width or vocabulary; KV heads
 * that are fewer than the ranks are copied. BB_E_ARG in vLLM's words for a model that cannot be cut so;
 * BB_E_UNSUPPORTED without an architecture. Not for BB_WEIGHTS_FILE of several ranks without one. */
bb_status bb_rank_weights(bb_subject *s, const bb_weights_choice *c, uint64_t tensor_parallel,
                          uint64_t pipeline_parallel, bool padded, bb_error *err);
/* The model that one rank of a stage runs. */
bb_status bb_rank_arch(const bb_arch *a, uint64_t tensor_parallel, uint64_t pipeline_parallel, uint64_t stage,
                       bool padded, bb_arch *rank, uint64_t *first, bb_error *err);
#endif
