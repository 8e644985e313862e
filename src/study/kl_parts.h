/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kl_parts.h - which type each matrix of a running model gets, and what the file takes then. */
#ifndef BB_STUDY_KL_PARTS_H
#define BB_STUDY_KL_PARTS_H
#include "study/kl_study.h"

typedef struct bb_kl_plan {
    const char *name;          /* as it was asked for */
    char title[32];            /* as the tables have it */
    const bb_dtype **types;    /* [linears], owned; NULL = as the file has it */
    const bb_dtype *embedding; /* of its rows; NULL = as the file has them */
    uint64_t file_bytes, tensor_bytes;
    size_t other, kept; /* as in bb_kl_row */
} bb_kl_plan;

/* What `quantize --dry-run` says of a type; of one that is neither a GGUF's nor a folder's, the file with its matrices
 * in that type, but for the output matrix, as folders keep it. */
bb_status bb_kl_plan_make(const bb_model *model, const bb_infer *infer, const bb_kl_opts *opts, const char *type,
                          bb_kl_plan *plan, bb_error *err);
void bb_kl_plan_clear(bb_kl_plan *plan);
/* Of all files of the model. */
uint64_t bb_kl_file_bytes(const bb_file *file);
/* What the file would take with one tensor in another type. */
uint64_t bb_kl_file_bytes_with(const bb_file *file, const bb_tensor *t, uint64_t bytes, uint64_t file_bytes);
/* Bytes of a tensor in a type; false when no block divides its rows. */
bool bb_kl_tensor_bytes(const bb_tensor *t, const bb_dtype *type, uint64_t *bytes);
/* Whether a matrix makes the logits. */
bool bb_kl_is_output(const bb_infer *infer, const bb_linear *l);
#endif
