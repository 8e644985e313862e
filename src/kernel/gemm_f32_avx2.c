/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_f32_avx2.c - fp32 tiles of 16 columns by up to 6 tokens, or of 32 by up to 2. */
#include "kernel/gemm_tiles.h"
#if BB_X86
#include <immintrin.h>

enum { BLOCK = BB_ACT_BLOCK, ROWS = 6, WIDE_ROWS = 2 };
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)

BB_TARGET_AVX2 static inline void put(float *s, bool first, __m256 v) {
    _mm256_store_ps(s, first ? v : _mm256_add_ps(_mm256_load_ps(s), v));
}

/* columns is 16 or 32. It and rows are constants in every copy of this, so that the sums are
 * registers. */
BB_TARGET_AVX2 static inline __attribute__((always_inline)) void tile(const bb_tile *t, const size_t rows,
                                                                      const size_t columns) {
#define ZERO(i) __m256 a##i = _mm256_setzero_ps(), b##i = a##i, c##i = a##i, d##i = a##i;
    EACH_ROW(ZERO)
    const float *w = (const float *)(const void *)t->w + t->column;
    const unsigned char *block = t->x;
    uintptr_t ahead = t->ahead;
    for (size_t n = 0; n < t->blocks; n++, block += t->x_stride) {
        const float *x = (const float *)(const void *)block;
        for (size_t k = 0; k < BLOCK; k++, w += BB_PANEL) {
            __m256 wa = _mm256_load_ps(w), wb = _mm256_load_ps(w + 8), wc = wa, wd = wb;
            if (columns == BB_PANEL) {
                wc = _mm256_load_ps(w + 16);
                wd = _mm256_load_ps(w + 24);
            }
            bb_tile_prefetch(ahead);
            ahead += t->ahead_step;
#define STEP(i)                                                                                                        \
    if (rows > i) {                                                                                                    \
        __m256 each = _mm256_broadcast_ss(x + i * BLOCK + k);                                                          \
        a##i = _mm256_fmadd_ps(wa, each, a##i);                                                                        \
        b##i = _mm256_fmadd_ps(wb, each, b##i);                                                                        \
        if (columns == BB_PANEL) {                                                                                     \
            c##i = _mm256_fmadd_ps(wc, each, c##i);                                                                    \
            d##i = _mm256_fmadd_ps(wd, each, d##i);                                                                    \
        }                                                                                                              \
    }
            EACH_ROW(STEP)
        }
    }
#define PUT(i)                                                                                                         \
    if (rows > i) {                                                                                                    \
        float *s = t->sums + i * BB_PANEL + t->column;                                                                 \
        put(s, t->first, a##i);                                                                                        \
        put(s + 8, t->first, b##i);                                                                                    \
        if (columns == BB_PANEL) {                                                                                     \
            put(s + 16, t->first, c##i);                                                                               \
            put(s + 24, t->first, d##i);                                                                               \
        }                                                                                                              \
    }
    EACH_ROW(PUT)
}

BB_TARGET_AVX2 static void half_tile(const bb_tile *t, size_t rows) {
#define CASE(i)                                                                                                        \
    case (i) + 1:                                                                                                      \
        tile(t, (i) + 1, 16);                                                                                          \
        break;
    switch (rows) { EACH_ROW(CASE) }
}

BB_TARGET_AVX2 static void wide_tile(const bb_tile *t, size_t rows) {
    if (rows == 1)
        tile(t, 1, BB_PANEL);
    else
        tile(t, WIDE_ROWS, BB_PANEL);
}

void bb_gemm_f32_avx2(const bb_gemm *g, size_t first, size_t count) {
    static const bb_tiling half = {half_tile, ROWS, 16, BB_F32_PART},
                           wide = {wide_tile, WIDE_ROWS, BB_PANEL, BB_F32_PART};
    bb_gemm_tiles(g, first, count, g->acts->tokens <= WIDE_ROWS ? &wide : &half);
}
#endif
