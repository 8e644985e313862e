/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_scalar.c - the portable twins. The order of the fp32 operations is part of what a kernel is: it is stated at
 * each. */
#include "kernel/gemm_scalar.h"
#include "format/half.h"
#include <stdint.h>
#include <string.h>

enum { LANES = 16, GROUP = 32, Q8_0_BYTES = 34, Q4_0_BYTES = 18, ACT_HEAD = sizeof(float) };

static float scale_at(const unsigned char *p) {
    uint32_t u = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    float scale;
    memcpy(&scale, &u, sizeof scale);
    return scale;
}

static float half_at(const unsigned char *p) { return bb_f16_to_f32((uint16_t)(p[0] | p[1] << 8)); }

/* fp32: element k goes to lane k mod 16, each lane sums products in ascending k; then lanes i and i + 8, 4, 2, 1 are
 * added. */
void bb_gemm_f32_scalar(const void *panels, size_t out, size_t in, const void *act, size_t tokens, size_t first,
                        size_t count, float *y) {
    const float *w = panels; /* [out][in] */
    const float *x = act;    /* [tokens][in] */
    for (size_t t = 0; t < tokens; t++) {
        for (size_t o = first; o < first + count; o++) {
            const float *a = x + t * in, *b = w + o * in;
            float lane[LANES] = {0};
            size_t k = 0;
            for (; k + LANES <= in; k += LANES)
                for (size_t i = 0; i < LANES; i++) lane[i] += a[k + i] * b[k + i];
            for (size_t i = 0; k < in; k++, i++) lane[i] += a[k] * b[k];
            for (size_t half = LANES / 2; half > 0; half /= 2)
                for (size_t i = 0; i < half; i++) lane[i] += lane[i + half];
            y[t * out + o] = lane[0];
        }
    }
}

/* A product, at most ceil(in / 16) sums in the lane, four between lanes. */
size_t bb_gemm_f32_roundings(size_t in) { return 1 + (in + LANES - 1) / LANES + 4; }
size_t bb_gemm_f32_underflows(size_t in) { return in; }

/* Exact dot product of int8 vectors: 32 bits hold 65536 products of at most 127 * 128. */
static int64_t dot_int8(const signed char *a, const signed char *b, size_t n) {
    int64_t sum = 0;
    for (size_t k = 0; k < n;) {
        size_t end = n - k > 65536 ? k + 65536 : n;
        int32_t part = 0;
        for (; k < end; k++) part += a[k] * b[k];
        sum += part;
    }
    return sum;
}

/* int8: y = scale of the row * (scale of the token * the exact integer product). The scales first would underflow where
 * the product does not. */
void bb_gemm_int8_scalar(const void *panels, size_t out, size_t in, const void *act, size_t tokens, size_t first,
                         size_t count, float *y) {
    const unsigned char *w = panels; /* [out] rows of scale and in bytes */
    const unsigned char *x = act;    /* [tokens] likewise */
    size_t row = in + ACT_HEAD;
    for (size_t t = 0; t < tokens; t++) {
        for (size_t o = first; o < first + count; o++) {
            const unsigned char *a = x + t * row, *b = w + o * row;
            int64_t dot = dot_int8((const signed char *)a + ACT_HEAD, (const signed char *)b + ACT_HEAD, in);
            y[t * out + o] = scale_at(b) * (scale_at(a) * (float)dot);
        }
    }
}

/* The integer's conversion, two products; What and xhat as fp32. */
size_t bb_gemm_int8_roundings(size_t in) {
    (void)in;
    return 5;
}

size_t bb_gemm_int8_underflows(size_t in) {
    (void)in;
    return 1;
}

/* q8_0 and q4_0: for each group of 32 in ascending order, acc += scale of the weights * (scale of the activations * the
 * exact integer product). */
void bb_gemm_q8_0_scalar(const void *panels, size_t out, size_t in, const void *act, size_t tokens, size_t first,
                         size_t count, float *y) {
    const unsigned char *w = panels; /* [out][in / 32] blocks */
    const unsigned char *x = act;    /* [tokens][in / 32] rows of the int8 codec */
    size_t groups = in / GROUP;
    for (size_t t = 0; t < tokens; t++) {
        for (size_t o = first; o < first + count; o++) {
            const unsigned char *a = x + t * groups * (GROUP + ACT_HEAD), *b = w + o * groups * Q8_0_BYTES;
            float acc = 0;
            for (size_t g = 0; g < groups; g++, a += GROUP + ACT_HEAD, b += Q8_0_BYTES) {
                const signed char *p = (const signed char *)a + ACT_HEAD, *q = (const signed char *)b + 2;
                int32_t dot = 0;
                for (size_t k = 0; k < GROUP; k++) dot += p[k] * q[k];
                acc += half_at(b) * (scale_at(a) * (float)dot);
            }
            y[t * out + o] = acc;
        }
    }
}

void bb_gemm_q4_0_scalar(const void *panels, size_t out, size_t in, const void *act, size_t tokens, size_t first,
                         size_t count, float *y) {
    const unsigned char *w = panels; /* [out][in / 32] blocks */
    const unsigned char *x = act;    /* [tokens][in / 32] rows of the int8 codec */
    size_t groups = in / GROUP;
    for (size_t t = 0; t < tokens; t++) {
        for (size_t o = first; o < first + count; o++) {
            const unsigned char *a = x + t * groups * (GROUP + ACT_HEAD), *b = w + o * groups * Q4_0_BYTES;
            float acc = 0;
            for (size_t g = 0; g < groups; g++, a += GROUP + ACT_HEAD, b += Q4_0_BYTES) {
                const signed char *p = (const signed char *)a + ACT_HEAD;
                int32_t dot = 0;
                for (size_t k = 0; k < GROUP / 2; k++)
                    dot += p[k] * ((b[2 + k] & 15) - 8) + p[k + GROUP / 2] * ((b[2 + k] >> 4) - 8);
                acc += half_at(b) * (scale_at(a) * (float)dot);
            }
            y[t * out + o] = acc;
        }
    }
}

/* Two products, one sum a group; What is exact in fp32, xhat is rounded once. */
size_t bb_gemm_group32_roundings(size_t in) { return 2 + in / GROUP + 1; }
size_t bb_gemm_group32_underflows(size_t in) { return in / GROUP; }
