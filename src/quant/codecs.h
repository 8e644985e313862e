/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codecs.h - the codecs of each type, as quant.c's table lists them: x [rows][cols], rows back to back in data. */
#ifndef BB_QUANT_CODECS_H
#define BB_QUANT_CODECS_H
#include <stddef.h>

void bb_f32_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_f32_decode(const unsigned char *data, size_t rows, size_t cols, float *x);
void bb_f16_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_f16_decode(const unsigned char *data, size_t rows, size_t cols, float *x);
void bb_bf16_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_bf16_decode(const unsigned char *data, size_t rows, size_t cols, float *x);
void bb_q8_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_q8_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x);
void bb_q4_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_q4_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x);
void bb_int8_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
void bb_int8_decode(const unsigned char *data, size_t rows, size_t cols, float *x);
#endif
