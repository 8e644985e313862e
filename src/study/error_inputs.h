/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_inputs.h - what the matrices of a file are multiplied with: made from a seed, read, or those of a text. */
#ifndef BB_STUDY_ERROR_INPUTS_H
#define BB_STUDY_ERROR_INPUTS_H
#include "base/str.h"
#include "file/file.h"
#include "model/arch.h"
#include "study/study.h"

typedef struct bb_inputs bb_inputs; /* reads only; any number of studies may use it */

typedef enum bb_inputs_kind {
    BB_INPUTS_NORMAL,   /* N(0,1) */
    BB_INPUTS_HEAVY,    /* Student's t with 3 degrees of freedom */
    BB_INPUTS_OUTLIERS, /* N(0,1), one channel in 1024 and at least one times 20 (specs/kernels.md 7) */
    BB_INPUTS_ARRAY,    /* one .npy */
    BB_INPUTS_FOLDER,   /* of NAME.npy */
    BB_INPUTS_TEXT,     /* of a model that runs over a text: error_text.h */
} bb_inputs_kind;

/* Numbers made from a seed. */
bb_status bb_inputs_make(bb_inputs_kind kind, uint64_t seed, bb_inputs **inputs, bb_error *err);
/* A NumPy array [tokens][cols], or a folder of NAME.npy, NAME being the tensor's in the file or, of a checkpoint, that
 * of a GGUF. arch: of the checkpoint, or NULL. */
bb_status bb_inputs_read(const char *path, const bb_arch *arch, bb_inputs **inputs, bb_error *err);
void bb_inputs_free(bb_inputs *inputs);
bb_inputs_kind bb_inputs_kind_of(const bb_inputs *inputs);
uint64_t bb_inputs_seed(const bb_inputs *inputs);
const char *bb_inputs_name(bb_inputs_kind kind); /* "normal", "heavy", ... for tables */
/* "16 rows of N(0,1), seed 1": what people have to know of them. inputs NULL = N(0,1) of seed 1. */
void bb_inputs_tell(const bb_inputs *inputs, uint64_t tokens, bb_str *out);

/* At most `most` rows for a tensor with cols columns, evenly spaced over those that there are: x [*rows][cols], which
 * the caller frees. *rows 0: there are none, `why` says it, and *other_shape that it is because of another length.
 * inputs NULL = N(0,1) of seed 1. */
bb_status bb_inputs_rows(const bb_inputs *inputs, const bb_tensor *t, size_t cols, size_t most, float **x, size_t *rows,
                         char *why, size_t why_size, bool *other_shape, bb_error *err);
#endif
