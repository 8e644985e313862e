/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_bits.c - q1_0 q2_0 tq1_0 tq2_0 with ggml's bytes (ggml 0.25.1): one or two bits, or a trit, an element. */
#include "quant/codecs.h"
#include "quant/plain.h"
#include <math.h>

/* Elements of tq1_0 in groups of five trits a byte, the trits of a byte `stride` apart; the last group has four. */
enum { LONG = 32, SHORT = 16, TAIL = 4, LONG_ELEMS = 5 * LONG, SHORT_ELEMS = 5 * SHORT };

/* The mean of |x|, added in order: four blocks at a time, because one sum alone waits for every addition. */
static void means(const float *x, size_t blocks, float *d) {
    float s[4] = {0, 0, 0, 0};
    const float *y[4] = {x, x, x, x};
    for (size_t k = 1; k < blocks; k++) y[k] = x + k * BB_Q1_0;
    for (int i = 0; i < BB_Q1_0; i++) {
        s[0] += fabsf(y[0][i]);
        s[1] += fabsf(y[1][i]);
        s[2] += fabsf(y[2][i]);
        s[3] += fabsf(y[3][i]);
    }
    for (size_t k = 0; k < blocks; k++) d[k] = s[k] / (float)BB_Q1_0;
}

size_t bb_q1_0_scales(const float *x, size_t blocks, unsigned char *out) {
    float d[4];
    size_t n = blocks < 4 ? blocks : 4;
    means(x, n, d);
    for (size_t k = 0; k < n; k++) bb_put_scale(out + k * BB_Q1_0_BYTES, d[k]);
    return n;
}

void bb_q1_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    size_t blocks = rows * cols / BB_Q1_0;
    for (size_t b = 0; b < blocks;) b += bb_q1_0_scales(x + b * BB_Q1_0, blocks - b, out + b * BB_Q1_0_BYTES);
    for (; blocks-- > 0; x += BB_Q1_0, out += BB_Q1_0_BYTES)
        for (int j = 0; j < BB_Q1_0 / 8; j++) {
            unsigned bits = 0;
            for (int k = 0; k < 8; k++) bits |= (unsigned)(x[8 * j + k] >= 0) << k;
            out[2 + j] = (unsigned char)bits;
        }
}

void bb_q1_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BB_Q1_0; n-- > 0; x += BB_Q1_0, data += BB_Q1_0_BYTES) {
        float d = bb_get_scale(data);
        for (int j = 0; j < BB_Q1_0; j++) x[j] = data[2 + j / 8] >> j % 8 & 1 ? d : -d;
    }
}

void bb_q2_0_block(const float *x, unsigned char *out) {
    float d = 0;
    for (int i = 0; i < BB_Q2_0; i++)
        if (fabsf(x[i]) > d) d = fabsf(x[i]);
    float id = bb_inverse(d);
    bb_put_scale(out, d);
    memset(out + 2, 0, BB_Q2_0 / 4);
    for (int i = 0; i < BB_Q2_0; i++) {
        int q = bb_to_int(roundf(x[i] * id)) + 1;
        q = q < 0 ? 0 : q > 3 ? 3 : q;
        out[2 + i / 4] |= (unsigned char)(q << 2 * (i % 4));
    }
}

void bb_q2_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    for (size_t n = rows * cols / BB_Q2_0; n-- > 0; x += BB_Q2_0, out += BB_Q2_0_BYTES) bb_q2_0_block(x, out);
}

void bb_q2_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BB_Q2_0; n-- > 0; x += BB_Q2_0, data += BB_Q2_0_BYTES) {
        float d = bb_get_scale(data);
        for (int i = 0; i < BB_Q2_0; i++) x[i] = (float)((data[2 + i / 4] >> 2 * (i % 4) & 3) - 1) * d;
    }
}

/* Stores the scale of a ternary block and gives its inverse. */
static float ternary_scale(const float *x, unsigned char *out) {
    float d = 0;
    for (int i = 0; i < BB_TQ; i++) {
        float a = fabsf(x[i]);
        d = d > a ? d : a; /* so NaN forgets what came before it: ggml's MAX */
    }
    bb_put_scale(out, d);
    return bb_inverse(d);
}

/* lroundf(v) + 1 in its low byte. What no long holds converts to the least one, and comes out as 1; other values than
 * 0 to 2 take a NaN that hid a larger one from the scale. */
static unsigned trit(float v) {
    float r = roundf(v);
    int64_t l = r >= -9223372036854775808.0f && r < 9223372036854775808.0f ? (int64_t)r : INT64_MIN;
    return (unsigned)((uint64_t)l + 1) & 255;
}

/* n trits as a fraction of 256, rounded up, in base 3^5. */
static unsigned char fraction(const float *x, int n, int stride, float id) {
    unsigned q = 0;
    for (int k = 0; k < n; k++) q = (q * 3 + trit(x[k * stride] * id)) & 255;
    if (n == 4) q = q * 3 & 255;
    return (unsigned char)((q * 256 + 242) / 243);
}

void bb_tq1_0_block(const float *x, unsigned char *out) {
    float id = ternary_scale(x, out + LONG + SHORT + TAIL);
    for (int m = 0; m < LONG; m++) out[m] = fraction(x + m, 5, LONG, id);
    x += LONG_ELEMS;
    for (int m = 0; m < SHORT; m++) out[LONG + m] = fraction(x + m, 5, SHORT, id);
    x += SHORT_ELEMS;
    for (int m = 0; m < TAIL; m++) out[LONG + SHORT + m] = fraction(x + m, 4, TAIL, id);
}

void bb_tq1_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    for (size_t n = rows * cols / BB_TQ; n-- > 0; x += BB_TQ, out += BB_TQ1_0_BYTES) bb_tq1_0_block(x, out);
}

static float *trits(const unsigned char *q, int bytes, int n, float d, float *x) {
    unsigned power = 1;
    for (int k = 0; k < n; k++, power *= 3)
        for (int m = 0; m < bytes; m++) *x++ = (float)((int)((q[m] * power & 255) * 3 >> 8) - 1) * d;
    return x;
}

void bb_tq1_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BB_TQ; n-- > 0; data += BB_TQ1_0_BYTES) {
        float d = bb_get_scale(data + LONG + SHORT + TAIL);
        x = trits(data, LONG, 5, d, x);
        x = trits(data + LONG, SHORT, 5, d, x);
        x = trits(data + LONG + SHORT, TAIL, 4, d, x);
    }
}

void bb_tq2_0_block(const float *x, unsigned char *out) {
    float id = ternary_scale(x, out + BB_TQ / 4);
    for (int g = 0; g < 2; g++)
        for (int m = 0; m < 32; m++) {
            unsigned q = 0;
            for (int k = 0; k < 4; k++) q |= (trit(x[128 * g + 32 * k + m] * id) & 3) << 2 * k;
            out[32 * g + m] = (unsigned char)q;
        }
}

void bb_tq2_0_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    for (size_t n = rows * cols / BB_TQ; n-- > 0; x += BB_TQ, out += BB_TQ2_0_BYTES) bb_tq2_0_block(x, out);
}

void bb_tq2_0_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BB_TQ; n-- > 0; x += BB_TQ, data += BB_TQ2_0_BYTES) {
        float d = bb_get_scale(data + BB_TQ / 4);
        for (int i = 0; i < BB_TQ; i++) x[i] = (float)((data[32 * (i / 128) + i % 32] >> 2 * (i / 32 % 4) & 3) - 1) * d;
    }
}
