/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_int4.h - int4: rows behind an fp32 scale (absmax / 7), two codes a byte. */
#ifndef BB_QUANT_CODEC_INT4_H
#define BB_QUANT_CODEC_INT4_H
#include <stddef.h>

/* Rows of the storage type: the scale, then code 2i in the low and code 2i + 1 in the high half of byte i, in two's
 * complement, q = rint(x / scale) in [-7, 7], ties to even. One scale for all rows or, whole NULL, absmax / 7 of each;
 * 0 for a row of zeros. NaN becomes 0, infinities the ends. cols is even. */
void bb_int4_rows(const float *x, size_t rows, size_t cols, const float *whole, unsigned char *out);
/* The scale of values between low and high. */
float bb_int4_scale(float low, float high);
#endif
