/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_plain.c - f32, f16 and bf16 rows: little-endian words, converted by format/half.h. */
#include "format/half.h"
#include "quant/codecs.h"

void bb_f32_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    bb_f32_to_le_n(x, rows * cols, out);
}

void bb_f32_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    bb_f32_from_le_n(data, rows * cols, x);
}

void bb_f16_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    bb_f32_to_f16_n(x, rows * cols, BB_ISA_SCALAR, out);
}

void bb_f16_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    bb_f16_to_f32_n(data, rows * cols, BB_ISA_SCALAR, x);
}

void bb_bf16_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    bb_f32_to_bf16_n(x, rows * cols, BB_ISA_SCALAR, out);
}

void bb_bf16_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    bb_bf16_to_f32_n(data, rows * cols, BB_ISA_SCALAR, x);
}

void bb_f16_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    bb_f32_to_f16_n(x, rows * cols, BB_ISA_AVX2, out);
}

void bb_f16_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    bb_f16_to_f32_n(data, rows * cols, BB_ISA_AVX2, x);
}

void bb_bf16_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    bb_f32_to_bf16_n(x, rows * cols, BB_ISA_AVX2, out);
}

void bb_bf16_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    bb_bf16_to_f32_n(data, rows * cols, BB_ISA_AVX2, x);
}

void bb_f16_encode_avx512(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    bb_f32_to_f16_n(x, rows * cols, BB_ISA_AVX512, out);
}

void bb_bf16_encode_avx512(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    bb_f32_to_bf16_n(x, rows * cols, BB_ISA_AVX512, out);
}
