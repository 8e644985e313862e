/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_int8.c - int8 weights with a scale a row, activations with one a token: packing, portable twin, table. */
#include "kernel/gemm_int8.h"
#include <string.h>

enum { BLOCK = BB_INT8_BLOCK, QUAD_BYTES = 4 * BB_PANEL };

static void pack(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    unsigned char *to = panel + BB_INT8_HEAD;
    memset(panel, 0, BB_INT8_HEAD);
    if (count < BB_PANEL || in % BLOCK) memset(to, BB_INT8_OFFSET, (in + BLOCK - 1) / BLOCK * BLOCK * BB_PANEL);
    for (size_t r = 0; r < count; r++) memcpy(panel + r * sizeof(float), rows + r * row_bytes, sizeof(float));
    size_t k = 0;
    for (; k + 4 <= in; k += 4)
        for (size_t r = 0; r < count; r++) {
            uint32_t four;
            memcpy(&four, rows + r * row_bytes + sizeof(float) + k, sizeof four);
            four ^= 0x80808080;
            memcpy(to + k / 4 * QUAD_BYTES + 4 * r, &four, sizeof four);
        }
    for (; k < in; k++)
        for (size_t r = 0; r < count; r++)
            to[k / 4 * QUAD_BYTES + 4 * r + k % 4] =
                (unsigned char)(rows[r * row_bytes + sizeof(float) + k] ^ BB_INT8_OFFSET);
}

/* 127 * 128 * 132104 is below 2^31. */
static const bb_layout layout = {.type = "int8",
                                 .act = BB_ACT_INT8_TOKEN,
                                 .block = BLOCK,
                                 .block_bytes = BLOCK * BB_PANEL,
                                 .head_bytes = BB_INT8_HEAD,
                                 .offset = BB_INT8_OFFSET,
                                 .in_max = 132104,
                                 .pack = pack};

/* y = scale of the row * (scale of the token * the exact integer product): the scales first would underflow where the
 * product does not. */
static void gemm_int8_scalar(const bb_gemm *g, size_t first, size_t count) {
    const bb_acts *a = g->acts;
    for (size_t p = first; p < first + count; p++) {
        const unsigned char *panel = g->panels + p * g->panel_bytes, *w = panel + BB_INT8_HEAD;
        const float *scales = (const float *)(const void *)panel;
        size_t left = g->out - p * BB_PANEL, live = left < BB_PANEL ? left : BB_PANEL;
        for (size_t t = 0; t < a->tokens; t++) {
            uint32_t sum[BB_PANEL];
            for (size_t c = 0; c < BB_PANEL; c++) sum[c] = (uint32_t)a->starts[t]; /* wraps, as vpdpbusd does */
            for (size_t k = 0; k < a->blocks * BLOCK; k += 4) {
                const signed char *x = (const signed char *)a->values + (k / BLOCK * a->tokens + t) * BLOCK + k % BLOCK;
                for (size_t c = 0; c < BB_PANEL; c++)
                    for (size_t i = 0; i < 4; i++) sum[c] += (uint32_t)(w[k * BB_PANEL + c * 4 + i] * x[i]);
            }
            for (size_t c = 0; c < live; c++)
                g->y[t * g->out + p * BB_PANEL + c] = scales[c] * (a->scales[t] * (float)(int32_t)sum[c]);
        }
    }
}

/* The integer's conversion, two products; What and xhat as fp32. */
static size_t roundings(size_t in) {
    (void)in;
    return 5;
}
static size_t underflows(size_t in) {
    (void)in;
    return 1;
}

const bb_gemm_family bb_gemm_int8 = {
    .layout = &layout,
    .name = "gemm_int8",
    .roundings = roundings,
    .underflows = underflows,
    .kernels =
        {
            {&bb_gemm_int8, BB_LEVEL_SCALAR, gemm_int8_scalar},
#if BB_X86
            {&bb_gemm_int8, BB_LEVEL_AVX2, bb_gemm_int8_avx2},
            {&bb_gemm_int8, BB_LEVEL_AVX_VNNI, bb_gemm_int8_avx_vnni},
            {&bb_gemm_int8, BB_LEVEL_AVX512_VNNI, bb_gemm_int8_avx512_vnni},
#endif
        },
};
