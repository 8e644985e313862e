/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_ggml.c - q8_0 and q4_0 with ggml's bytes (ggml 0.25.1: blocks of 32, an fp16 scale first).
 *
 * Every expression is one fp32 operation after the other in the stated order, without contraction: the bytes depend on
 * it. */
#include "format/half.h"
#include "quant/codecs.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 32, Q8_0_BYTES = 34, Q4_0_BYTES = 18 };

static void put_scale(unsigned char *p, float d) {
    uint16_t h = bb_f32_to_f16(d);
    p[0] = (unsigned char)h;
    p[1] = (unsigned char)(h >> 8);
}

static float get_scale(const unsigned char *p) { return bb_f16_to_f32((uint16_t)(p[0] | p[1] << 8)); }

/* What an x86-64 conversion of a float to int, cut to its low byte, gives: 0 for NaN and what no int holds, where the
 * cast itself would be undefined. Values that are not finite bring it about, and finite ones in a block so small (below
 * 2^-128) that 1 / d is infinite; its fp16 scale is 0 then. */
static int to_int(float v) { return v > -2147483648.0f && v < 2147483648.0f ? (int)v : 0; }

void bb_q8_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    for (size_t b = 0; b < rows * cols / BLOCK; b++, x += BLOCK, out += Q8_0_BYTES) {
        float amax = 0;
        for (int i = 0; i < BLOCK; i++) {
            float a = fabsf(x[i]);
            if (a > amax) amax = a;
        }
        float d = amax / 127.0f, id = d != 0 ? 1.0f / d : 0.0f;
        put_scale(out, d);
        for (int i = 0; i < BLOCK; i++) out[2 + i] = (unsigned char)(int8_t)to_int(roundf(x[i] * id));
    }
}

void bb_q8_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t b = 0; b < rows * cols / BLOCK; b++, x += BLOCK, data += Q8_0_BYTES) {
        float d = get_scale(data);
        for (int i = 0; i < BLOCK; i++) x[i] = (float)(int8_t)data[2 + i] * d;
    }
}

/* The value of largest magnitude, the first of equals. */
static float extreme(const float *x, float *amax) {
    float max = 0;
    *amax = 0;
    for (int i = 0; i < BLOCK; i++) {
        float a = fabsf(x[i]);
        if (a > *amax) {
            *amax = a;
            max = x[i];
        }
    }
    return max;
}

static void pack_nibbles(const uint8_t *codes, unsigned char *out) {
    for (int i = 0; i < BLOCK / 2; i++) out[i] = (unsigned char)(codes[i] | codes[i + BLOCK / 2] << 4);
}

static void q4_0_block(const float *x, unsigned char *out) {
    uint8_t codes[BLOCK];
    float amax, max = extreme(x, &amax);
    float d = max / -8.0f, id = d != 0 ? 1.0f / d : 0.0f;
    put_scale(out, d);
    for (int i = 0; i < BLOCK; i++) {
        int8_t q = (int8_t)to_int(x[i] * id + 8.5f);
        codes[i] = (uint8_t)(q < 15 ? q : 15) & 15;
    }
    pack_nibbles(codes, out + 2);
}

void bb_q4_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    if (importance) {
        bb_q4_0_encode_weighted(x, rows, cols, importance, out);
        return;
    }
    for (size_t b = 0; b < rows * cols / BLOCK; b++, x += BLOCK, out += Q4_0_BYTES) q4_0_block(x, out);
}

void bb_q4_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t b = 0; b < rows * cols / BLOCK; b++, x += BLOCK, data += Q4_0_BYTES) {
        float d = get_scale(data);
        for (int i = 0; i < BLOCK / 2; i++) {
            x[i] = (float)((data[2 + i] & 15) - 8) * d;
            x[i + BLOCK / 2] = (float)((data[2 + i] >> 4) - 8) * d;
        }
    }
}
