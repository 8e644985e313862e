/* SPDX-License-Identifier: GPL-3.0-or-later */
/* steps.h - how far apart the values of a storage type are where a weight was rounded to one of them. */
#ifndef BB_QUANT_STEPS_H
#define BB_QUANT_STEPS_H
#include "quant/quant.h"

/* Half of the larger gap between each value and its neighbours among the codes of its block: what rounding to the
 * nearest can cost, but at the ends of the range, where a code is also what lies beyond. data as bb_quantize_rows makes
 * it, half [rows][cols]. BB_E_UNSUPPORTED for a type whose codes are not known here. */
bb_status bb_half_steps(const bb_dtype *t, const void *data, size_t rows, size_t cols, float *half);
/* The same of floats with so many mantissa bits and this exponent of the least normal. */
void bb_half_ulps(const float *x, size_t n, int man_bits, int min_exponent, float *half);
#endif
