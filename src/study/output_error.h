/* SPDX-License-Identifier: GPL-3.0-or-later */
/* output_error.h - what a matrix loses in its products once it is quantized: rows of it, through its kernel. */
#ifndef BB_STUDY_OUTPUT_ERROR_H
#define BB_STUDY_OUTPUT_ERROR_H
#include "kernel/kernel.h"

enum {
    BB_OUTPUT_ROWS = 128,         /* of a matrix at most, evenly spaced */
    BB_OUTPUT_ELEMENTS = 1 << 20, /* of these rows together at most: a sample takes 8 MiB */
    BB_OUTPUT_COLS_MAX = 1 << 17, /* longer rows are not measured */
};

/* Rows of one matrix, gathered while it is quantized. */
typedef struct bb_output_sample {
    const bb_dtype *type;
    uint64_t of; /* rows that the matrix has */
    size_t rows, cols, row_bytes;
    float *w;            /* [rows][cols], as they were; owned, as is data */
    unsigned char *data; /* [rows][row_bytes], as bb_quantize_rows makes them */
} bb_output_sample;

/* Whether a product with such a matrix can be measured: its type has a kernel that takes rows of this length. */
bool bb_output_measurable(const bb_dtype *type, uint64_t rows, uint64_t cols);
/* Of a matrix that can be measured; to be cleared in every case. */
bb_status bb_output_sample_init(bb_output_sample *s, const bb_dtype *type, uint64_t rows, uint64_t cols);
/* Which row of the matrix is row i of the sample: evenly spaced, as bb_error_study takes them. */
uint64_t bb_output_sample_row(const bb_output_sample *s, size_t i);
/* What is in the sample of elements [first, first + count) of the matrix, whole blocks of its type: their values, and
 * the blocks without what stands once a row. Workers may take different elements at the same time. */
void bb_output_sample_take(bb_output_sample *s, uint64_t first, size_t count, const float *w, const void *blocks);
void bb_output_sample_clear(bb_output_sample *s);

/* The first tokens * cols of the seeded N(0,1) sequence, as bb_error_study takes them; the caller frees x. Its
 * beginning serves shorter rows. */
bb_status bb_output_inputs(uint64_t seed, size_t tokens, size_t cols, float **x);
/* |y - W x| / |W x| over tokens and rows, W as it was in float64 and y what the kernel gives; NaN where a value is not
 * finite. x [tokens][cols]; pool NULL = this thread. Counts the product in dispatch. */
bb_status bb_output_sample_error(const bb_output_sample *s, const float *x, size_t tokens, bb_isa isa, bb_pool *pool,
                                 bb_dispatch *dispatch, double *rel);
#endif
