/* SPDX-License-Identifier: GPL-3.0-or-later */
/* steps.c - gaps between the values of a block, found by decoding it with other codes in the place of its own. */
#include "quant/steps.h"
#include "base/mem.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where the low bits of all codes of a block lie (ggml 0.25.1, ggml-common.h), and the byte that makes each of them one
 * more than zeros do; tq1_0 packs digits to the base of 3, which 255 makes two more. A type with a part once a row is
 * one block a row. */
typedef struct code_place {
    const char *type;
    unsigned char at, bytes, one, steps;
    bool codebook; /* 16 values that do not stand equally far apart, two codes a byte */
} code_place;
static const code_place places[] = {
    {"q8_0", 2, 32, 0x01, 1, false},  {"q4_0", 2, 16, 0x11, 1, false},   {"q4_1", 4, 16, 0x11, 1, false},
    {"q5_0", 6, 16, 0x11, 1, false},  {"q5_1", 8, 16, 0x11, 1, false},   {"q2_K", 16, 64, 0x55, 1, false},
    {"q3_K", 32, 64, 0x55, 1, false}, {"q4_K", 16, 128, 0x11, 1, false}, {"q5_K", 48, 128, 0x11, 1, false},
    {"q6_K", 0, 128, 0x11, 1, false}, {"q1_0", 2, 16, 0xFF, 1, false},   {"q2_0", 2, 16, 0x55, 1, false},
    {"tq1_0", 0, 52, 0xFF, 2, false}, {"tq2_0", 0, 64, 0x55, 1, false},  {"int8", 4, 0, 0x01, 1, false},
    {"int4", 4, 0, 0x11, 1, false},   {"iq4_nl", 2, 16, 0x11, 1, true},  {"iq4_xs", 8, 128, 0x11, 1, true},
    {"mxfp4", 1, 16, 0x11, 1, true},  {"nvfp4", 4, 32, 0x11, 1, true},   {"nf4", 4, 32, 0x11, 1, true},
};

static const struct {
    const char *type;
    int man_bits, min_exponent;
} floats[] = {{"f32", 23, -126}, {"f16", 10, -14}, {"bf16", 7, -126}, {"e4m3fn", 3, -6}, {"e5m2", 2, -14}};

void bb_half_ulps(const float *x, size_t n, int man_bits, int min_exponent, float *half) {
    for (size_t i = 0; i < n; i++) {
        int e = x[i] != 0 && isfinite(x[i]) ? ilogbf(x[i]) : min_exponent;
        half[i] = ldexpf(1, (e > min_exponent ? e : min_exponent) - man_bits - 1);
    }
}

/* A row's codes replaced by one byte, decoded. */
static bb_status decode_as(const bb_dtype *t, const code_place *p, unsigned char code, unsigned char *row,
                           size_t row_bytes, size_t cols, float *x) {
    size_t block = t->row_bytes ? row_bytes : t->block_bytes, bytes = p->bytes ? p->bytes : row_bytes - p->at;
    for (size_t b = 0; b < row_bytes; b += block) memset(row + b + p->at, code, bytes);
    return bb_dequantize_rows(t, row, 1, cols, x);
}

/* The nearest of 16 values above x[i] and the nearest below. */
static bb_status codebook_gaps(const bb_dtype *t, const code_place *p, unsigned char *row, size_t row_bytes,
                               size_t cols, float *x, float *half) {
    float *level = x + cols, *below = x + 2 * cols;
    bb_status status = bb_dequantize_rows(t, row, 1, cols, x);
    for (size_t i = 0; i < cols; i++) half[i] = below[i] = FLT_MAX;
    for (unsigned c = 0; c < 16 && status == BB_OK; c++) {
        status = decode_as(t, p, (unsigned char)(c * p->one), row, row_bytes, cols, level);
        for (size_t i = 0; i < cols; i++) {
            float gap = level[i] - x[i];
            if (gap > 0 && gap < half[i]) half[i] = gap;
            if (gap < 0 && -gap < below[i]) below[i] = -gap;
        }
    }
    for (size_t i = 0; i < cols; i++) {
        float up = half[i] < FLT_MAX ? half[i] : 0, down = below[i] < FLT_MAX ? below[i] : 0;
        half[i] = 0.5f * (up > down ? up : down);
    }
    return status;
}

static bb_status equal_gaps(const bb_dtype *t, const code_place *p, unsigned char *row, size_t row_bytes, size_t cols,
                            float *x, float *half) {
    bb_status status = decode_as(t, p, 0, row, row_bytes, cols, x);
    if (status == BB_OK) status = decode_as(t, p, p->one, row, row_bytes, cols, half);
    for (size_t i = 0; i < cols; i++) half[i] = fabsf(half[i] - x[i]) / (2.0f * p->steps);
    return status;
}

bb_status bb_half_steps(const bb_dtype *t, const void *data, size_t rows, size_t cols, float *half) {
    const code_place *p = NULL;
    uint64_t bytes;
    bb_status status = bb_dtype_row_bytes(t, cols, &bytes);
    if (status != BB_OK) return status;
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        if (strcmp(floats[i].type, t->name) == 0) {
            status = bb_dequantize_rows(t, data, rows, cols, half);
            if (status == BB_OK) bb_half_ulps(half, rows * cols, floats[i].man_bits, floats[i].min_exponent, half);
            return status;
        }
    for (size_t i = 0; i < sizeof places / sizeof *places && !p; i++)
        if (strcmp(places[i].type, t->name) == 0) p = &places[i];
    if (!p) return BB_E_UNSUPPORTED;
    size_t row_bytes = (size_t)bytes;
    unsigned char *row = bb_alloc(row_bytes, 1);
    float *x = bb_alloc(cols, 3 * sizeof *x);
    if (!row || !x) status = BB_E_NOMEM;
    for (size_t r = 0; r < rows && status == BB_OK; r++) {
        memcpy(row, (const unsigned char *)data + r * row_bytes, row_bytes);
        status = p->codebook ? codebook_gaps(t, p, row, row_bytes, cols, x, half + r * cols)
                             : equal_gaps(t, p, row, row_bytes, cols, x, half + r * cols);
    }
    free(row);
    free(x);
    return status;
}
