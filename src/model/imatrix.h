/* SPDX-License-Identifier: GPL-3.0-or-later */
/* imatrix.h - importance of input channels by tensor: imatrix files, GGUF and the older .dat. */
#ifndef BB_MODEL_IMATRIX_H
#define BB_MODEL_IMATRIX_H
#include "base/fail.h"

typedef struct bb_imatrix bb_imatrix; /* whole in memory, at most 1 GiB; owns its entries */

/* The kind by the first bytes. Values are what llama-quantize would use: in_sum2 / count (1 where a count is 0), or
 * value / ncall of the .dat, as they stand: NaN and zeros are for bb_imatrix_weights' caller to judge. */
bb_status bb_imatrix_open(const char *path, bb_imatrix **imatrix, bb_error *err);
void bb_imatrix_free(bb_imatrix *imatrix);
size_t bb_imatrix_count(const bb_imatrix *imatrix);
const char *bb_imatrix_name(const bb_imatrix *imatrix, size_t i); /* raw bytes of the file; in the order of names */
/* Weights of a tensor by its GGUF name ("blk.0.attn_q.weight"), [*experts][*cols]; NULL when there are none. A .dat
 * does not tell experts: there *experts is 1 and *cols counts the channels of all of them. */
const float *bb_imatrix_weights(const bb_imatrix *imatrix, const char *name, uint64_t *cols, uint64_t *experts);
/* What llama-quantize writes beside the weights: the file, the first dataset ("" = none), and counts. */
const char *bb_imatrix_dataset(const bb_imatrix *imatrix);
uint64_t bb_imatrix_chunks(const bb_imatrix *imatrix); /* 0 = not told */
#endif
