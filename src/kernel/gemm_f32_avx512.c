/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_f32_avx512.c - fp32 tiles of 32 columns by up to 12 tokens. */
#include "kernel/gemm_tiles.h"
#if BB_X86
#include <immintrin.h>

enum { BLOCK = BB_ACT_BLOCK, ROWS = 12 };
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

/* rows is a constant in every copy of this, so that the sums are 2 * rows registers. */
BB_TARGET_AVX512 static inline __attribute__((always_inline)) void tile(const bb_tile *t, const size_t rows) {
#define ZERO(i) __m512 lo##i = _mm512_setzero_ps(), hi##i = lo##i;
    EACH_ROW(ZERO)
    const float *w = (const float *)(const void *)t->w;
    const unsigned char *block = t->x;
    uintptr_t ahead = t->ahead;
    for (size_t b = 0; b < t->blocks; b++, block += t->x_stride) {
        const float *x = (const float *)(const void *)block;
        for (size_t k = 0; k < BLOCK; k++, w += BB_PANEL) {
            __m512 lo = _mm512_load_ps(w), hi = _mm512_load_ps(w + 16);
            bb_tile_prefetch(ahead);
            ahead += t->ahead_step;
#define STEP(i)                                                                                                        \
    if (rows > i) {                                                                                                    \
        __m512 each = _mm512_set1_ps(x[i * BLOCK + k]);                                                                \
        lo##i = _mm512_fmadd_ps(lo, each, lo##i);                                                                      \
        hi##i = _mm512_fmadd_ps(hi, each, hi##i);                                                                      \
    }
            EACH_ROW(STEP)
        }
    }
#define PUT(i)                                                                                                         \
    if (rows > i) {                                                                                                    \
        float *s = t->sums + i * BB_PANEL;                                                                             \
        _mm512_store_ps(s, t->first ? lo##i : _mm512_add_ps(_mm512_load_ps(s), lo##i));                                \
        _mm512_store_ps(s + 16, t->first ? hi##i : _mm512_add_ps(_mm512_load_ps(s + 16), hi##i));                      \
    }
    EACH_ROW(PUT)
}

BB_TARGET_AVX512 static void any_tile(const bb_tile *t, size_t rows) {
#define CASE(i)                                                                                                        \
    case (i) + 1:                                                                                                      \
        tile(t, (i) + 1);                                                                                              \
        break;
    switch (rows) { EACH_ROW(CASE) }
}

void bb_gemm_f32_avx512(const bb_gemm *g, size_t first, size_t count) {
    static const bb_tiling tiling = {any_tile, ROWS, BB_PANEL, BB_F32_PART};
    bb_gemm_tiles(g, first, count, &tiling);
}
#endif
