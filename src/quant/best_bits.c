/* SPDX-License-Identifier: GPL-3.0-or-later */
/* best_bits.c - the least error of q1_0, tq1_0 and tq2_0, found exactly: one scale, and codes of -1, 0 and 1. */
#include "quant/best.h"
#include "quant/plain.h"
#include <math.h>
#include <stdlib.h>

static double weight(const float *w, size_t i) { return w ? (double)w[i] : 1; }

/* The fp16 word of d * unit; finite. */
static uint16_t finite_half(double d, float unit) {
    uint16_t h = bb_f32_to_f16((float)(d * (double)unit));
    return h < 0x7C00 ? h : 0x7BFF;
}

/* For signs alone the best scale is the mean magnitude. */
void bb_q1_0_best(const bb_best_blocks *b, unsigned char *out) {
    for (size_t k = 0; k < b->n; k++, out += BB_Q1_0_BYTES) {
        const float *x = b->x + k * BB_Q1_0, *w = b->w ? b->w + k * BB_Q1_0 : NULL;
        double sum = 0, weights = 0;
        memset(out, 0, BB_Q1_0_BYTES);
        for (size_t i = 0; i < BB_Q1_0; i++) {
            sum += weight(w, i) * (double)fabsf(x[i]);
            weights += weight(w, i);
            out[2 + i / 8] |= (unsigned char)((x[i] >= 0) << i % 8);
        }
        uint16_t h = finite_half(sum / weights, b->unit[k]);
        out[0] = (unsigned char)h;
        out[1] = (unsigned char)(h >> 8);
    }
}

typedef struct ranked {
    float size, weight;
} ranked;

static int larger_first(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->size != y->size) return x->size > y->size ? -1 : 1;
    return (x->weight < y->weight) - (x->weight > y->weight);
}

/* The best codes with k of them not 0 are the signs of the k largest, under the scale that is their mean magnitude: it
 * takes (sum w |x|)^2 / sum w from the error. */
static double ternary_scale(const float *x, const float *w) {
    ranked r[BB_TQ];
    for (size_t i = 0; i < BB_TQ; i++) r[i] = (ranked){fabsf(x[i]), w ? w[i] : 1};
    qsort(r, BB_TQ, sizeof *r, larger_first);
    double sum = 0, weights = 0, best = 0, scale = 0;
    for (size_t i = 0; i < BB_TQ; i++) {
        sum += (double)r[i].weight * (double)r[i].size;
        weights += (double)r[i].weight;
        if (sum * sum > best * weights) {
            best = sum * sum / weights;
            scale = sum / weights;
        }
    }
    return scale;
}

static double ternary_error(const float *x, const float *w, double d) {
    double sum = 0;
    for (size_t i = 0; i < BB_TQ; i++) {
        double a = (double)fabsf(x[i]), r = 2 * a > d ? a - d : a;
        sum += weight(w, i) * r * r;
    }
    return sum;
}

/* Of the fp16 scales about the best real one the one with the least error, and the codes 0, 1, 2 under it. */
static uint16_t ternary(const float *x, const float *w, float unit, uint8_t *codes) {
    uint16_t near = finite_half(ternary_scale(x, w), unit), best = 0;
    double least = ternary_error(x, w, 0);
    for (uint16_t h = near > 0 ? (uint16_t)(near - 1) : 0; h <= near + 1 && h < 0x7C00; h++) {
        double error = ternary_error(x, w, (double)bb_f16_to_f32(h) / (double)unit);
        if (error >= least) continue;
        least = error;
        best = h;
    }
    double half = (double)bb_f16_to_f32(best) / (double)unit / 2;
    for (size_t i = 0; i < BB_TQ; i++) {
        bool one = best != 0 && (double)fabsf(x[i]) > half;
        codes[i] = (uint8_t)(!one ? 1 : x[i] < 0 ? 0 : 2);
    }
    return best;
}

/* Five trits, `stride` apart, as a fraction of 256 in base 3^5, rounded up; the last group has four. */
static unsigned char fraction(const uint8_t *codes, size_t n, size_t stride) {
    unsigned q = 0;
    for (size_t k = 0; k < 5; k++) q = q * 3 + (k < n ? codes[k * stride] : 0);
    return (unsigned char)((q * 256 + 242) / 243);
}

void bb_tq1_0_best(const bb_best_blocks *b, unsigned char *out) {
    uint8_t codes[BB_TQ];
    for (size_t k = 0; k < b->n; k++, out += BB_TQ1_0_BYTES) {
        uint16_t h = ternary(b->x + k * BB_TQ, b->w ? b->w + k * BB_TQ : NULL, b->unit[k], codes);
        for (size_t m = 0; m < 32; m++) out[m] = fraction(codes + m, 5, 32);
        for (size_t m = 0; m < 16; m++) out[32 + m] = fraction(codes + 160 + m, 5, 16);
        for (size_t m = 0; m < 4; m++) out[48 + m] = fraction(codes + 240 + m, 4, 4);
        out[52] = (unsigned char)h;
        out[53] = (unsigned char)(h >> 8);
    }
}

void bb_tq2_0_best(const bb_best_blocks *b, unsigned char *out) {
    uint8_t codes[BB_TQ];
    for (size_t k = 0; k < b->n; k++, out += BB_TQ2_0_BYTES) {
        uint16_t h = ternary(b->x + k * BB_TQ, b->w ? b->w + k * BB_TQ : NULL, b->unit[k], codes);
        for (size_t m = 0; m < 64; m++) {
            const uint8_t *c = codes + 128 * (m / 32) + m % 32;
            out[m] = (unsigned char)(c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6);
        }
        out[64] = (unsigned char)h;
        out[65] = (unsigned char)(h >> 8);
    }
}
