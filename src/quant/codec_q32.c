/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_q32.c - q8_0 q4_0 q4_1 q5_0 q5_1 with ggml's bytes (ggml 0.25.1: blocks of 32, fp16 scale, fp16 minimum).
 *
 * Every expression is one fp32 operation after the other in the stated order, without contraction: the bytes depend on
 * it. Codes come from the scale as it was before it became fp16. */
#include "quant/codecs.h"
#include "quant/plain.h"
#include <float.h>
#include <math.h>

enum { BLOCK = BB_Q32, HALF = BLOCK / 2 };

void bb_q8_0_block(const float *x, unsigned char *out) {
    float amax = 0;
    for (int i = 0; i < BLOCK; i++) {
        float a = fabsf(x[i]);
        amax = amax > a ? amax : a; /* so NaN forgets what came before it: ggml's MAX */
    }
    float d = amax / 127.0f, id = bb_inverse(d);
    bb_put_scale(out, d);
    for (int i = 0; i < BLOCK; i++) out[2 + i] = (unsigned char)bb_to_int(roundf(x[i] * id));
}

/* The value of largest magnitude, the first of equals. */
static float extreme(const float *x) {
    float max = 0, amax = 0;
    for (int i = 0; i < BLOCK; i++) {
        float a = fabsf(x[i]);
        if (a > amax) {
            amax = a;
            max = x[i];
        }
    }
    return max;
}

static void range(const float *x, float *min, float *max) {
    *min = FLT_MAX;
    *max = -FLT_MAX;
    for (int i = 0; i < BLOCK; i++) {
        if (x[i] < *min) *min = x[i];
        if (x[i] > *max) *max = x[i];
    }
}

static int at_most(int limit, int q) { return q < limit ? q : limit; }

/* Element i in the low nibble of byte i, element i + 16 in the high one; the fifth bits in qh, where it is not NULL. */
static void pack(const uint8_t *codes, unsigned char *qh, unsigned char *qs) {
    for (int i = 0; i < HALF; i++) qs[i] = (unsigned char)((codes[i] & 15) | (codes[i + HALF] & 15) << 4);
    if (!qh) return;
    memset(qh, 0, 4);
    for (int i = 0; i < BLOCK; i++) qh[i / 8] |= (unsigned char)((codes[i] >> 4 & 1) << i % 8);
}

void bb_q4_0_block(const float *x, unsigned char *out) {
    uint8_t codes[BLOCK];
    float d = extreme(x) / -8.0f, id = bb_inverse(d);
    bb_put_scale(out, d);
    for (int i = 0; i < BLOCK; i++) codes[i] = (uint8_t)at_most(15, (int8_t)bb_to_int(x[i] * id + 8.5f));
    pack(codes, NULL, out + 2);
}

void bb_q5_0_block(const float *x, unsigned char *out) {
    uint8_t codes[BLOCK];
    float d = extreme(x) / -16.0f, id = bb_inverse(d);
    bb_put_scale(out, d);
    for (int i = 0; i < BLOCK; i++) codes[i] = (uint8_t)at_most(31, (int8_t)bb_to_int(x[i] * id + 16.5f));
    pack(codes, out + 2, out + 6);
}

void bb_q4_1_block(const float *x, unsigned char *out) {
    uint8_t codes[BLOCK];
    float min, max;
    range(x, &min, &max);
    float d = (max - min) / 15.0f, id = bb_inverse(d);
    bb_put_scale(out, d);
    bb_put_scale(out + 2, min);
    for (int i = 0; i < BLOCK; i++) codes[i] = (uint8_t)at_most(15, (int8_t)bb_to_int((x[i] - min) * id + 0.5f));
    pack(codes, NULL, out + 4);
}

void bb_q5_1_block(const float *x, unsigned char *out) {
    uint8_t codes[BLOCK];
    float min, max;
    range(x, &min, &max);
    float d = (max - min) / 31.0f, id = bb_inverse(d);
    bb_put_scale(out, d);
    bb_put_scale(out + 2, min);
    for (int i = 0; i < BLOCK; i++) codes[i] = (uint8_t)bb_to_int((x[i] - min) * id + 0.5f);
    pack(codes, out + 4, out + 8);
}

void bb_q8_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, out += BB_Q8_0_BYTES) bb_q8_0_block(x, out);
}

void bb_q4_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    if (importance) {
        bb_q4_0_encode_weighted(x, rows, cols, importance, out);
        return;
    }
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, out += BB_Q4_0_BYTES) bb_q4_0_block(x, out);
}

void bb_q4_1_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    if (importance) {
        bb_q4_1_encode_weighted(x, rows, cols, importance, out);
        return;
    }
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, out += BB_Q4_1_BYTES) bb_q4_1_block(x, out);
}

void bb_q5_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    if (importance) {
        bb_q5_0_encode_weighted(x, rows, cols, importance, out);
        return;
    }
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, out += BB_Q5_0_BYTES) bb_q5_0_block(x, out);
}

void bb_q5_1_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    if (importance) {
        bb_q5_1_encode_weighted(x, rows, cols, importance, out);
        return;
    }
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, out += BB_Q5_1_BYTES) bb_q5_1_block(x, out);
}

void bb_q8_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, data += BB_Q8_0_BYTES) {
        float d = bb_get_scale(data);
        for (int i = 0; i < BLOCK; i++) x[i] = (float)(int8_t)data[2 + i] * d;
    }
}

/* Code i of a block, fifth bit included. */
static int code(const unsigned char *qh, const unsigned char *qs, int i) {
    int low = i < HALF ? qs[i] & 15 : qs[i - HALF] >> 4;
    return qh ? low | (qh[i / 8] >> i % 8 & 1) << 4 : low;
}

void bb_q4_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, data += BB_Q4_0_BYTES) {
        float d = bb_get_scale(data);
        for (int i = 0; i < BLOCK; i++) x[i] = (float)(code(NULL, data + 2, i) - 8) * d;
    }
}

void bb_q4_1_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, data += BB_Q4_1_BYTES) {
        float d = bb_get_scale(data), min = bb_get_scale(data + 2);
        for (int i = 0; i < BLOCK; i++) x[i] = (float)code(NULL, data + 4, i) * d + min;
    }
}

void bb_q5_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, data += BB_Q5_0_BYTES) {
        float d = bb_get_scale(data);
        for (int i = 0; i < BLOCK; i++) x[i] = (float)(code(data + 2, data + 6, i) - 16) * d;
    }
}

void bb_q5_1_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, data += BB_Q5_1_BYTES) {
        float d = bb_get_scale(data), min = bb_get_scale(data + 2);
        for (int i = 0; i < BLOCK; i++) x[i] = (float)code(data + 4, data + 8, i) * d + min;
    }
}
