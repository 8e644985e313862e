/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_q32.c - types whose blocks of 32 have a scale, activations with one for each 32: layouts, portable twins, table.
 */
#include "format/half.h"
#include "kernel/layout.h"
#include <string.h>

enum { BLOCK = 32, Q8_0_BYTES = 34, Q4_0_BYTES = 18, SCALES = 2 * BB_PANEL };

/* q8_0: a block is [8][32 rows][4 of k] of code + 128, then 32 fp16 scales. */
static void pack_q8_0(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    for (size_t b = 0; b < in / BLOCK; b++, panel += Q8_0_BYTES * BB_PANEL) {
        memset(panel, 128, (size_t)BLOCK * BB_PANEL);
        memset(panel + BLOCK * BB_PANEL, 0, SCALES);
        for (size_t r = 0; r < count; r++) {
            const unsigned char *block = rows + r * row_bytes + b * Q8_0_BYTES;
            for (size_t k = 0; k < BLOCK; k++) panel[k / 4 * 128 + r * 4 + k % 4] = (unsigned char)(block[2 + k] ^ 128);
            memcpy(panel + BLOCK * BB_PANEL + 2 * r, block, 2);
        }
    }
}

/* q4_0: [4][32 rows][4] bytes: the low halves hold k 0..15 of the block, the high ones k 16..31; then the scales. */
static void pack_q4_0(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    for (size_t b = 0; b < in / BLOCK; b++, panel += Q4_0_BYTES * BB_PANEL) {
        memset(panel, 0x88, (size_t)BLOCK / 2 * BB_PANEL);
        memset(panel + BLOCK / 2 * BB_PANEL, 0, SCALES);
        for (size_t r = 0; r < count; r++) {
            const unsigned char *block = rows + r * row_bytes + b * Q4_0_BYTES;
            for (size_t k = 0; k < BLOCK / 2; k++) panel[k / 4 * 128 + r * 4 + k % 4] = block[2 + k];
            memcpy(panel + BLOCK / 2 * BB_PANEL + 2 * r, block, 2);
        }
    }
}

static const bb_layout layout_q8_0 = {.type = "q8_0",
                                      .act = BB_ACT_INT8_32,
                                      .block = BLOCK,
                                      .block_bytes = Q8_0_BYTES * BB_PANEL,
                                      .offset = 128,
                                      .pack = pack_q8_0};
static const bb_layout layout_q4_0 = {.type = "q4_0",
                                      .act = BB_ACT_INT8_32,
                                      .block = BLOCK,
                                      .block_bytes = Q4_0_BYTES * BB_PANEL,
                                      .offset = 8,
                                      .pack = pack_q4_0};

/* Codes + offset of a block, [k][32 rows]. */
static void codes_q8_0(const unsigned char *block, unsigned char *code) {
    for (size_t k = 0; k < BLOCK; k++)
        for (size_t c = 0; c < BB_PANEL; c++) code[k * BB_PANEL + c] = block[k / 4 * 128 + c * 4 + k % 4];
}
static void codes_q4_0(const unsigned char *block, unsigned char *code) {
    for (size_t k = 0; k < BLOCK / 2; k++)
        for (size_t c = 0; c < BB_PANEL; c++) {
            unsigned char byte = block[k / 4 * 128 + c * 4 + k % 4];
            code[k * BB_PANEL + c] = byte & 15;
            code[(k + BLOCK / 2) * BB_PANEL + c] = byte >> 4;
        }
}

/* For each block in ascending order, from +0: y = fma(scale of the weights, scale of the activations * the exact
 * integer product, y). */
static void gemm(const bb_gemm *g, size_t first, size_t count, void (*codes)(const unsigned char *, unsigned char *)) {
    const bb_acts *a = g->acts;
    for (size_t p = first; p < first + count; p++) {
        size_t left = g->out - p * BB_PANEL, live = left < BB_PANEL ? left : BB_PANEL;
        size_t bytes = (g->panel_bytes / g->blocks);
        for (size_t b = 0; b < g->blocks; b++) {
            const unsigned char *block = g->panels + p * g->panel_bytes + b * bytes, *half = block + bytes - SCALES;
            unsigned char code[BLOCK * BB_PANEL];
            float scale[BB_PANEL];
            codes(block, code);
            for (size_t c = 0; c < BB_PANEL; c++)
                scale[c] = bb_f16_to_f32((uint16_t)(half[2 * c] | half[2 * c + 1] << 8));
            for (size_t t = 0; t < a->tokens; t++) {
                const signed char *x = (const signed char *)a->values + (b * a->tokens + t) * BLOCK;
                float d = a->scales[b * a->tokens + t], *y = g->y + t * g->out + p * BB_PANEL;
                int32_t sum[BB_PANEL];
                for (size_t c = 0; c < BB_PANEL; c++) sum[c] = a->starts[b * a->tokens + t];
                for (size_t k = 0; k < BLOCK; k++)
                    for (size_t c = 0; c < BB_PANEL; c++) sum[c] += code[k * BB_PANEL + c] * x[k];
                for (size_t c = 0; c < live; c++) y[c] = __builtin_fmaf(scale[c], d * (float)sum[c], b == 0 ? 0 : y[c]);
            }
        }
    }
}
static void gemm_q8_0_scalar(const bb_gemm *g, size_t first, size_t count) { gemm(g, first, count, codes_q8_0); }
static void gemm_q4_0_scalar(const bb_gemm *g, size_t first, size_t count) { gemm(g, first, count, codes_q4_0); }

/* One product, one fma a group; What is exact in fp32, xhat is rounded once. */
static size_t roundings(size_t in) { return 1 + in / BLOCK + 1; }
static size_t underflows(size_t in) { return in / BLOCK; }

const bb_gemm_family bb_gemm_q8_0 = {
    .layout = &layout_q8_0,
    .name = "gemm_q8_0",
    .roundings = roundings,
    .underflows = underflows,
    .kernels = {{&bb_gemm_q8_0, BB_LEVEL_SCALAR, gemm_q8_0_scalar}},
};
const bb_gemm_family bb_gemm_q4_0 = {
    .layout = &layout_q4_0,
    .name = "gemm_q4_0",
    .roundings = roundings,
    .underflows = underflows,
    .kernels = {{&bb_gemm_q4_0, BB_LEVEL_SCALAR, gemm_q4_0_scalar}},
};
