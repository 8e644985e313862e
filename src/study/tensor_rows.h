/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tensor_rows.h - elements of any tensor as fp32 and as float64, block types and what is wider than fp32 included. */
#ifndef BB_STUDY_TENSOR_ROWS_H
#define BB_STUDY_TENSOR_ROWS_H
#include "file/file.h"

/* Why the values of a tensor cannot be read ("q8_1 rows cannot be decoded"); false when they can. */
bool bb_tensor_unreadable(const bb_tensor *t, char *why, size_t size);
/* Whether fp32 does not hold all values of a plain type. */
bool bb_dtype_wide(const bb_dtype *t);
/* Elements [first, first + count), counted row after row, into x and ref, either of which may be NULL. In fp32 they are
 * rounded where the type holds more, in float64 they are as the file has them, 64-bit integers beyond 2^53 apart. Both
 * first and count are whole numbers of blocks. Call bb_tensor_unreadable first. BB_E_UNSUPPORTED for a matrix that
 * lies column by column. */
bb_status bb_tensor_read(const bb_file *file, const bb_tensor *t, uint64_t first, size_t count, float *x, double *ref,
                         bb_error *err);
/* The same elements as the file's bytes, in its own order, count / block * block_bytes of them. */
bb_status bb_tensor_read_raw(const bb_file *file, const bb_tensor *t, uint64_t first, size_t count, unsigned char *raw,
                             bb_error *err);
#endif
