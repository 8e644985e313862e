/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_int8.c - int8 rows: an fp32 scale (absmax / 127), then one byte an element, nearest-even, symmetric. */
#include "quant/codecs.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool finite_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (u & 0x7F800000) != 0x7F800000;
}

/* The quotient is taken in double: 1 / scale is infinite for rows below 2^-121, x / scale never. NaN becomes 0,
 * infinities the ends; who quantizes counts them first. */
static int8_t code_of(float x, double scale) {
    if (!finite_bits(x)) return (int8_t)(isnan(x) ? 0 : x > 0 ? 127 : -127);
    double q = rint((double)x / scale);
    return (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
}

void bb_int8_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    for (size_t r = 0; r < rows; r++, x += cols, out += cols + 4) {
        float amax = 0;
        for (size_t i = 0; i < cols; i++)
            if (finite_bits(x[i]) && fabsf(x[i]) > amax) amax = fabsf(x[i]);
        float scale = amax / 127.0f;
        uint32_t u;
        memcpy(&u, &scale, sizeof u);
        for (int k = 0; k < 4; k++) out[k] = (unsigned char)(u >> 8 * k);
        for (size_t i = 0; i < cols; i++) out[4 + i] = scale > 0 ? (unsigned char)code_of(x[i], (double)scale) : 0;
    }
}

void bb_int8_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t r = 0; r < rows; r++, x += cols, data += cols + 4) {
        uint32_t u = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
        float scale;
        memcpy(&scale, &u, sizeof scale);
        for (size_t i = 0; i < cols; i++) x[i] = (float)(int8_t)data[4 + i] * scale;
    }
}
