/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_int4.c - int4: rows behind an fp32 scale (absmax / 7), two codes a byte. */
#include "quant/codec_int4.h"
#include "quant/codecs.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LARGEST = 7 };

static float absmax(const float *x, size_t n) {
    float a = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]) && fabsf(x[i]) > a) a = fabsf(x[i]);
    return a;
}

static unsigned code(float x, float scale) {
    float q = scale > 0 ? x / scale : 0;
    q = q < (float)LARGEST ? q : isnan(q) ? 0 : (float)LARGEST;
    q = q > -(float)LARGEST ? q : -(float)LARGEST;
    return (unsigned)(int)rintf(q) & 15;
}

float bb_int4_scale(float low, float high) { return (-low > high ? -low : high) / (float)LARGEST; }

void bb_int4_rows(const float *x, size_t rows, size_t cols, const float *whole, unsigned char *out) {
    for (size_t r = 0; r < rows; r++, x += cols, out += 4 + cols / 2) {
        float scale = whole ? *whole : absmax(x, cols) / (float)LARGEST;
        uint32_t u;
        memcpy(&u, &scale, sizeof u);
        for (int k = 0; k < 4; k++) out[k] = (unsigned char)(u >> 8 * k);
        for (size_t i = 0; i < cols / 2; i++)
            out[4 + i] = (unsigned char)(code(x[2 * i], scale) | code(x[2 * i + 1], scale) << 4);
    }
}

void bb_int4_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    bb_int4_rows(x, rows, cols, NULL, out);
}

void bb_int4_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t r = 0; r < rows; r++, data += 4 + cols / 2) {
        uint32_t u = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
        float scale;
        memcpy(&scale, &u, sizeof scale);
        for (size_t i = 0; i < cols; i++) {
            int q = data[4 + i / 2] >> (i % 2 ? 4 : 0) & 15;
            *x++ = (float)(q < 8 ? q : q - 16) * scale;
        }
    }
}
