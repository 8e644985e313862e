/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_f32.c - fp32 weights and activations: the layout, the portable twin, the table. */
#include "kernel/fma_block.h"
#include "kernel/gemm_tiles.h"
#include <string.h>

enum { BLOCK = BB_ACT_BLOCK, ROWS = 8 };

/* [k][32 rows] */
static void pack(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    size_t whole = (in + BLOCK - 1) / BLOCK * BLOCK, words = count < BB_PANEL ? 0 : in;
    memset(panel + words * BB_PANEL * sizeof(float), 0, (whole - words) * BB_PANEL * sizeof(float));
    bb_pack_words(rows, row_bytes, count, in, panel);
}

static const bb_layout layout = {
    .type = "f32", .act = BB_ACT_F32, .block = BLOCK, .block_bytes = BLOCK * BB_PANEL * sizeof(float), .pack = pack};

/* Each 256 values of k, the last ones filled up with zeros to a multiple of 32, are summed from +0 by fma in ascending
 * order; y is the first of these sums, and each further one is added to it. */
static void tile_scalar(const bb_tile *t, size_t rows) {
    double sum[ROWS][BB_PANEL] = {{0}}, w[BLOCK][BB_PANEL], x[BLOCK];
    for (size_t b = 0; b < t->blocks; b++) {
        const float *from = (const float *)(const void *)t->w + b * BLOCK * BB_PANEL;
        for (size_t k = 0; k < BLOCK; k++)
            for (size_t c = 0; c < BB_PANEL; c++) w[k][c] = (double)from[k * BB_PANEL + c];
        for (size_t r = 0; r < rows; r++) {
            const float *v = (const float *)(const void *)(t->x + b * t->x_stride) + r * BLOCK;
            for (size_t k = 0; k < BLOCK; k++) x[k] = (double)v[k];
            bb_fma_block(w, x, false, sum[r]);
        }
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < BB_PANEL; c++) {
            float *y = &t->sums[r * BB_PANEL + c];
            *y = t->first ? (float)sum[r][c] : *y + (float)sum[r][c];
        }
}

static void gemm_f32_scalar(const bb_gemm *g, size_t first, size_t count) {
    static const bb_tiling tiling = {tile_scalar, ROWS, BB_PANEL, BB_F32_PART};
    bb_gemm_tiles(g, first, count, &tiling);
}

/* At most 256 in a partial sum, then one for each that is added. */
static size_t roundings(size_t in) { return (in < 256 ? in : 256) + (in + 255) / 256 - 1; }
static size_t underflows(size_t in) { return in; }

const bb_gemm_family bb_gemm_f32 = {
    .layout = &layout,
    .name = "gemm_f32",
    .roundings = roundings,
    .underflows = underflows,
    .kernels = {{&bb_gemm_f32, BB_LEVEL_SCALAR, gemm_f32_scalar},
#if BB_X86
                {&bb_gemm_f32, BB_LEVEL_AVX2, bb_gemm_f32_avx2},
                {&bb_gemm_f32, BB_LEVEL_AVX512, bb_gemm_f32_avx512}
#endif
    },
};
