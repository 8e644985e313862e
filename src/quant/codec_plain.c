/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_plain.c - f32, f16 and bf16 rows: little-endian words. */
#include "format/half.h"
#include "quant/codecs.h"
#include <string.h>

void bb_f32_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    for (size_t i = 0; i < rows * cols; i++) {
        uint32_t u;
        memcpy(&u, &x[i], sizeof u);
        for (int k = 0; k < 4; k++) out[4 * i + (size_t)k] = (unsigned char)(u >> 8 * k);
    }
}

void bb_f32_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t i = 0; i < rows * cols; i++) {
        const unsigned char *p = data + 4 * i;
        uint32_t u = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        memcpy(&x[i], &u, sizeof u);
    }
}

static void put16(unsigned char *p, uint16_t h) {
    p[0] = (unsigned char)h;
    p[1] = (unsigned char)(h >> 8);
}

static uint16_t get16(const unsigned char *p) { return (uint16_t)(p[0] | p[1] << 8); }

void bb_f16_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    for (size_t i = 0; i < rows * cols; i++) put16(out + 2 * i, bb_f32_to_f16(x[i]));
}

void bb_f16_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t i = 0; i < rows * cols; i++) x[i] = bb_f16_to_f32(get16(data + 2 * i));
}

void bb_bf16_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    for (size_t i = 0; i < rows * cols; i++) put16(out + 2 * i, bb_f32_to_bf16(x[i]));
}

void bb_bf16_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t i = 0; i < rows * cols; i++) x[i] = bb_bf16_to_f32(get16(data + 2 * i));
}
