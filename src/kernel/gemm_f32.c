/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_f32.c - fp32 weights and activations: the layout, the portable twin, the table. */
#include "kernel/layout.h"
#include <math.h>
#include <string.h>

enum { BLOCK = 32, BLOCKS_PER_PART = 8 }; /* values of k in a block; 256 in a partial sum */

static void pack(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    float *to = (float *)(void *)panel; /* [k][32] */
    size_t whole = (in + BLOCK - 1) / BLOCK * BLOCK;
    memset(panel, 0, whole * BB_PANEL * sizeof *to);
    for (size_t r = 0; r < count; r++)
        for (size_t k = 0; k < in; k++)
            memcpy(&to[k * BB_PANEL + r], rows + r * row_bytes + k * sizeof *to, sizeof *to);
}

static const bb_layout layout = {
    .type = "f32", .act = BB_ACT_F32, .block = BLOCK, .block_bytes = BLOCK * BB_PANEL * sizeof(float), .pack = pack};

/* Each 256 values of k, the last ones filled up with zeros to a multiple of 32, are summed from +0 by fma in ascending
 * order; y is the first of these sums, and each further one is added to it. */
static void gemm_f32_scalar(const bb_gemm *g, size_t first, size_t count) {
    const bb_acts *a = g->acts;
    for (size_t p = first; p < first + count; p++) {
        const float *w = (const float *)(const void *)(g->panels + p * g->panel_bytes);
        size_t left = g->out - p * BB_PANEL, live = left < BB_PANEL ? left : BB_PANEL;
        for (size_t t = 0; t < a->tokens; t++) {
            float *y = g->y + t * g->out + p * BB_PANEL;
            for (size_t b = 0; b < a->blocks; b += BLOCKS_PER_PART) {
                size_t end = b + BLOCKS_PER_PART < a->blocks ? b + BLOCKS_PER_PART : a->blocks;
                float sum[BB_PANEL] = {0};
                for (size_t k = b * BLOCK; k < end * BLOCK; k++) {
                    float x = ((const float *)a->values)[(k / BLOCK * a->tokens + t) * BLOCK + k % BLOCK];
                    for (size_t c = 0; c < BB_PANEL; c++) sum[c] = fmaf(w[k * BB_PANEL + c], x, sum[c]);
                }
                for (size_t c = 0; c < live; c++) y[c] = b == 0 ? sum[c] : y[c] + sum[c];
            }
        }
    }
}

/* At most 256 in a partial sum, then one for each that is added. */
static size_t roundings(size_t in) { return (in < 256 ? in : 256) + (in + 255) / 256 - 1; }
static size_t underflows(size_t in) { return in; }

const bb_gemm_family bb_gemm_f32 = {
    .layout = &layout,
    .name = "gemm_f32",
    .roundings = roundings,
    .underflows = underflows,
    .kernels = {{&bb_gemm_f32, BB_LEVEL_SCALAR, gemm_f32_scalar}},
};
