/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_bf16.c - bf16 weights and activations: the layout, the portable twin, the table. */
#include "format/half.h"
#include "kernel/fma_block.h"
#include "kernel/gemm_tiles.h"
#include "quant/quant.h"
#include <math.h>
#include <string.h>

enum { BLOCK = BB_ACT_BLOCK, ROWS = 8, PAIR = 2 * sizeof(uint16_t), PART = BB_BF16_PART * BLOCK };

/* [k / 2][32 rows][2 of k]: pairs of values as words of 32 bits. */
static void pack(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    size_t pairs = (in + BLOCK - 1) / BLOCK * BLOCK / 2, full = count < BB_PANEL ? 0 : in / 2;
    memset(panel + full * BB_PANEL * PAIR, 0, (pairs - full) * BB_PANEL * PAIR);
    bb_pack_words(rows, row_bytes, count, in / 2, panel);
    for (size_t r = 0; r < count && in % 2; r++)
        memcpy(panel + (in / 2 * BB_PANEL + r) * PAIR, rows + r * row_bytes + (in - 1) * sizeof(uint16_t),
               sizeof(uint16_t));
}

static const bb_layout layout = {.type = "bf16",
                                 .act = BB_ACT_BF16,
                                 .block = BLOCK,
                                 .block_bytes = BLOCK * BB_PANEL * sizeof(uint16_t),
                                 .pack = pack};

/* As the processor reads an operand: a subnormal is a zero. */
static double operand(const unsigned char *word) {
    uint16_t h;
    memcpy(&h, word, sizeof h);
    return (double)bb_bf16_to_f32(h & 0x7F80 ? h : h & 0x8000);
}

/* What vdpbf16ps does (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, VDPBF16PS; on Zen 4 and
 * 5 a test compares it with this): of each pair of values of k the odd one, then the even one, is added by fma, in
 * fp32, to nearest-even, subnormal operands read as zeros and results that are tiny after rounding flushed to zeros. So
 * each 512 values of k, the last ones filled up with zeros to a multiple of 32, are summed from +0; y is the first of
 * these sums, and each further one is added to it, subnormals kept. */
static void tile_scalar(const bb_tile *t, size_t rows) {
    double sum[ROWS][BB_PANEL] = {{0}}, w[BLOCK][BB_PANEL], x[BLOCK];
    for (size_t b = 0; b < t->blocks; b++) {
        const unsigned char *from = t->w + b * BLOCK * BB_PANEL * sizeof(uint16_t);
        for (size_t k = 0; k < BLOCK; k++)
            for (size_t c = 0; c < BB_PANEL; c++)
                w[k ^ 1][c] = operand(from + (k / 2 * BB_PANEL + c) * PAIR + k % 2 * sizeof(uint16_t));
        for (size_t r = 0; r < rows; r++) {
            const unsigned char *v = t->x + b * t->x_stride + r * BLOCK * sizeof(uint16_t);
            for (size_t k = 0; k < BLOCK; k++) x[k ^ 1] = operand(v + k * sizeof(uint16_t));
            bb_fma_block(w, x, true, sum[r]);
        }
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < BB_PANEL; c++) {
            float *y = &t->sums[r * BB_PANEL + c];
            *y = t->first ? (float)sum[r][c] : *y + (float)sum[r][c];
        }
}

static void gemm_bf16_scalar(const bb_gemm *g, size_t first, size_t count) {
    static const bb_tiling tiling = {tile_scalar, ROWS, BB_PANEL, BB_BF16_PART};
    bb_gemm_tiles(g, first, count, &tiling);
}

/* At most 512 in a partial sum, then one for each that is added. */
static size_t roundings(size_t in) { return (in < PART ? in : PART) + (in + PART - 1) / PART - 1; }
/* Each flush loses up to 2^-126, which is 2^24 times the half of 2^-149. */
static size_t underflows(size_t in) { return in > SIZE_MAX >> 24 ? SIZE_MAX : in << 24; }

/* A subnormal weight is read as zero: all of it is error, which the bound's mass holds as the smallest gamma times 2^24
 * of it. Subnormal activations are zeros in xhat. */
static void magnitudes(const unsigned char *data, size_t rows, size_t cols, float *magnitude) {
    bb_bf16_to_f32_n(data, rows * cols, BB_ISA_AUTO, magnitude);
    for (size_t i = 0; i < rows * cols; i++) {
        float m = fabsf(magnitude[i]);
        magnitude[i] = m < 0x1p-126f ? m * 0x1p24f : m;
    }
}

const bb_gemm_family bb_gemm_bf16 = {
    .layout = &layout,
    .name = "gemm_bf16",
    .roundings = roundings,
    .underflows = underflows,
    .magnitudes = magnitudes,
    .kernels = {{&bb_gemm_bf16, BB_LEVEL_SCALAR, gemm_bf16_scalar},
#if BB_X86
                {&bb_gemm_bf16, BB_LEVEL_AVX2, bb_gemm_bf16_avx2},
                {&bb_gemm_bf16, BB_LEVEL_AVX512_BF16, bb_gemm_bf16_avx512}
#endif
    },
};
