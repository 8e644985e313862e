/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_fp8.c - e4m3fn and e5m2, a byte each without a scale: to nearest, ties to even, saturating at the largest. */
#include "format/format.h"
#include "quant/codecs.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

/* A finite value beyond the largest becomes the largest, as the OFP8 conversion of that name and the casts of
 * quantizing programs do (a bare cast of PyTorch makes NaN or infinity of it); infinity and NaN stay what they are
 * where the format has them. The reference is bb_format_encode with BB_OVERFLOW_SATURATE. */
typedef struct shape {
    const char *format;
    unsigned man_bits, bias;
    float per_unit;                       /* subnormals count in units of the least: values of 1 / unit */
    unsigned char largest, infinity, nan; /* codes */
} shape;

static const shape e4m3fn = {"e4m3fn", 3, 7, 0x1p9f, 0x7E, 0x7F, 0x7F};
static const shape e5m2 = {"e5m2", 2, 15, 0x1p16f, 0x7B, 0x7C, 0x7E};

static unsigned char code(const shape *s, float x) {
    uint32_t u, shift = 23 - s->man_bits;
    memcpy(&u, &x, sizeof u);
    uint32_t sign = u >> 24 & 0x80, a = u & 0x7FFFFFFF, least = (128 - s->bias) << 23; /* the least normal */
    uint32_t c;
    if (a >= 0x7F800000) return (unsigned char)(sign | (a > 0x7F800000 ? s->nan : s->infinity));
    if (a >= least) {
        c = (a + ((1u << (shift - 1)) - 1) + (a >> shift & 1)) >> shift;
        c -= (127 - s->bias) << s->man_bits;
    } else
        c = (uint32_t)rintf(fabsf(x) * s->per_unit); /* the product is exact */
    return (unsigned char)(sign | (c < s->largest ? c : s->largest));
}

static void encode(const shape *s, const float *x, size_t n, unsigned char *out) {
    for (size_t i = 0; i < n; i++) out[i] = code(s, x[i]);
}

static void decode(const shape *s, const unsigned char *data, size_t n, float *x) {
    const bb_format *f = bb_format_find(s->format, NULL);
    float values[256];
    for (unsigned c = 0; c < 256; c++) values[c] = (float)bb_format_decode(f, c);
    for (size_t i = 0; i < n; i++) x[i] = values[data[i]];
}

void bb_e4m3fn_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    encode(&e4m3fn, x, rows * cols, out);
}

void bb_e4m3fn_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    decode(&e4m3fn, data, rows * cols, x);
}

void bb_e5m2_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    encode(&e5m2, x, rows * cols, out);
}

void bb_e5m2_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    decode(&e5m2, data, rows * cols, x);
}
