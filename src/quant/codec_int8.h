/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_int8.h - int8 as checkpoints hold it: a scale and a zero for a matrix, a row or a group; LLM.int8() rows. */
#ifndef BB_QUANT_CODEC_INT8_H
#define BB_QUANT_CODEC_INT8_H
#include "base/cpu.h"
#include <stddef.h>
#include <stdint.h>

/* x' = (q - zero) * scale, q in [-128, 127]. */
typedef struct bb_int8_grid {
    float scale;
    int8_t zero;
} bb_int8_grid;

/* Smallest and largest of n finite values and 0. */
void bb_int8_range(const float *x, size_t n, bb_isa isa, float *low, float *high);
/* scale = absmax / 127, zero 0; -128 is not used. A scale that would be 0 is that of fp32's epsilon, as
 * compressed-tensors has it. */
bb_int8_grid bb_int8_symmetric(float low, float high);
/* scale = (high - low) / 255, zero = rint(-128 - low / scale): compressed-tensors' calculate_qparams, so that 0 is
 * exact. low <= 0 <= high. */
bb_int8_grid bb_int8_asymmetric(float low, float high);
/* q = rint(clamp(x / scale + zero)), ties to even; the same bytes for every isa. NaN becomes -128. */
void bb_int8_put(const float *x, size_t n, bb_int8_grid grid, bb_isa isa, signed char *q);
void bb_int8_get(const signed char *q, size_t n, bb_int8_grid grid, float *x);

/* Rows of the storage type int8, each its scale and its codes, on one symmetric grid or, whole NULL, each on its own. A
 * row of zeros then has scale 0; NaN becomes 0, infinities the ends. */
void bb_int8_rows(const float *x, size_t rows, size_t cols, const bb_int8_grid *whole, bb_isa isa, unsigned char *out);

/* LLM.int8() (bitsandbytes' int8_vectorwise_quant): q = rint(x * fl(127 * fl(1 / absmax))), scb = absmax of the row;
 * a row of zeros has scb 0. x' = q * scb / 127. */
void bb_int8_llm_put(const float *x, size_t rows, size_t cols, bb_isa isa, signed char *q, float *scb);
void bb_int8_llm_get(const signed char *q, const float *scb, size_t rows, size_t cols, float *x);
#endif
