/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_bf16_avx512.c - bf16 tiles of 32 columns by up to 12 tokens, by vdpbf16ps. */
#include "kernel/gemm_tiles.h"
#include <string.h>
#if BB_X86
#include <immintrin.h>

enum { BLOCK = BB_ACT_BLOCK, ROWS = 12, PAIR = 2 * sizeof(uint16_t) };
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

BB_TARGET_AVX512_BF16 static inline __attribute__((always_inline)) __m512 step(__m512 sum, __m512i w, __m512i x) {
    return _mm512_dpbf16_ps(sum, (__m512bh)w, (__m512bh)x);
}

BB_TARGET_AVX512_BF16 static inline __attribute__((always_inline)) __m512i pair(const unsigned char *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

/* rows is a constant in every copy of this, so that the sums are 2 * rows registers. */
BB_TARGET_AVX512_BF16 static inline __attribute__((always_inline)) void tile(const bb_tile *t, const size_t rows) {
#define ZERO(i) __m512 lo##i = _mm512_setzero_ps(), hi##i = lo##i;
    EACH_ROW(ZERO)
    const unsigned char *w = t->w, *x = t->x;
    uintptr_t ahead = t->ahead;
    for (size_t b = 0; b < t->blocks; b++, x += t->x_stride) {
        for (size_t k = 0; k < BLOCK * sizeof(uint16_t); k += PAIR, w += BB_PANEL * PAIR) {
            __m512i lo = _mm512_load_si512(w), hi = _mm512_load_si512(w + 64);
            bb_tile_prefetch(ahead);
            ahead += t->ahead_step;
#define STEP(i)                                                                                                        \
    if (rows > i) {                                                                                                    \
        __m512i each = pair(x + i * BLOCK * sizeof(uint16_t) + k);                                                     \
        lo##i = step(lo##i, lo, each);                                                                                 \
        hi##i = step(hi##i, hi, each);                                                                                 \
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

BB_TARGET_AVX512_BF16 static void any_tile(const bb_tile *t, size_t rows) {
#define CASE(i)                                                                                                        \
    case (i) + 1:                                                                                                      \
        tile(t, (i) + 1);                                                                                              \
        break;
    switch (rows) { EACH_ROW(CASE) }
}

void bb_gemm_bf16_avx512(const bb_gemm *g, size_t first, size_t count) {
    static const bb_tiling tiling = {any_tile, ROWS, BB_PANEL, BB_BF16_PART};
    bb_gemm_tiles(g, first, count, &tiling);
}
#endif
