/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_bf16_avx2.c - bf16 tiles of 16 columns by up to 5 tokens, or of 32 by up to 2, by fp32 fma with flushing. */
#include "kernel/gemm_tiles.h"
#include <string.h>
#if BB_X86
#include <immintrin.h>

enum { BLOCK = BB_ACT_BLOCK, ROWS = 5, WIDE_ROWS = 2, HALF = 16, PAIR = 2 * sizeof(uint16_t) };
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4)

/* The two values of each pair as fp32. */
BB_TARGET_AVX2 static inline __attribute__((always_inline)) __m256 odd(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xFFFF0000)));
}
BB_TARGET_AVX2 static inline __attribute__((always_inline)) __m256 even(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}
BB_TARGET_AVX2 static inline __attribute__((always_inline)) __m256i load(const unsigned char *p) {
    return _mm256_load_si256((const __m256i *)(const void *)p);
}
BB_TARGET_AVX2 static inline __attribute__((always_inline)) __m256i broadcast(const unsigned char *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}

/* What lies there is read again rather than kept: the registers are full of sums. */
#define FORGET(pointer) __asm__("" : "+r"(pointer))

/* This part's sums alone, to sums [rows][32]. columns is 16 or 32. It and rows are constants in every copy of this, so
 * that the sums are registers. */
BB_TARGET_AVX2 static inline __attribute__((always_inline)) void tile(const bb_tile *t, const size_t rows,
                                                                      const size_t columns, float *sums) {
#define ZERO(i) __m256 a##i = _mm256_setzero_ps(), b##i = a##i, c##i = a##i, d##i = a##i;
    EACH_ROW(ZERO)
    const unsigned char *w = t->w + t->column * PAIR, *x = t->x;
    uintptr_t ahead = t->ahead;
    for (size_t n = 0; n < t->blocks; n++, x += t->x_stride) {
        for (size_t k = 0; k < BLOCK * sizeof(uint16_t); k += PAIR, w += BB_PANEL * PAIR) {
            bb_tile_prefetch(ahead);
            ahead += t->ahead_step;
#define STEP(i)                                                                                                        \
    if (rows > i) {                                                                                                    \
        __m256 each = HALF_OF(broadcast(x + i * BLOCK * sizeof(uint16_t) + k));                                        \
        a##i = _mm256_fmadd_ps(wa, each, a##i);                                                                        \
        b##i = _mm256_fmadd_ps(wb, each, b##i);                                                                        \
        if (columns == BB_PANEL) {                                                                                     \
            c##i = _mm256_fmadd_ps(wc, each, c##i);                                                                    \
            d##i = _mm256_fmadd_ps(wd, each, d##i);                                                                    \
        }                                                                                                              \
    }
#define HALF_OF odd
            __m256 wa = odd(load(w)), wb = odd(load(w + 32)), wc = wa, wd = wb;
            if (columns == BB_PANEL) {
                wc = odd(load(w + 64));
                wd = odd(load(w + 96));
            }
            EACH_ROW(STEP)
#undef HALF_OF
#define HALF_OF even
            FORGET(w);
            FORGET(x);
            wa = even(load(w));
            wb = even(load(w + 32));
            if (columns == BB_PANEL) {
                wc = even(load(w + 64));
                wd = even(load(w + 96));
            }
            EACH_ROW(STEP)
#undef HALF_OF
        }
    }
#define PUT(i)                                                                                                         \
    if (rows > i) {                                                                                                    \
        float *s = sums + i * BB_PANEL;                                                                                \
        _mm256_store_ps(s, a##i);                                                                                      \
        _mm256_store_ps(s + 8, b##i);                                                                                  \
        if (columns == BB_PANEL) {                                                                                     \
            _mm256_store_ps(s + 16, c##i);                                                                             \
            _mm256_store_ps(s + 24, d##i);                                                                             \
        }                                                                                                              \
    }
    EACH_ROW(PUT)
}

/* Functions of their own, called between two writes of MXCSR: the compiler may move arithmetic, but no call that writes
 * memory, across those. */
BB_TARGET_AVX2 static __attribute__((noinline)) void half_sums(const bb_tile *t, size_t rows, float *sums) {
#define CASE(i)                                                                                                        \
    case (i) + 1:                                                                                                      \
        tile(t, (i) + 1, HALF, sums);                                                                                  \
        break;
    switch (rows) { EACH_ROW(CASE) }
}
BB_TARGET_AVX2 static __attribute__((noinline)) void wide_sums(const bb_tile *t, size_t rows, float *sums) {
    if (rows == 1)
        tile(t, 1, BB_PANEL, sums);
    else
        tile(t, WIDE_ROWS, BB_PANEL, sums);
}

static void set_mxcsr(uint32_t value) { __asm__ volatile("ldmxcsr %0" : : "m"(value) : "memory"); }

BB_TARGET_AVX2 static inline __attribute__((always_inline)) void
flushed(const bb_tile *t, size_t rows, size_t columns, void (*part)(const bb_tile *t, size_t rows, float *sums)) {
    _Alignas(32) float sums[ROWS][BB_PANEL];
    uint32_t before = _mm_getcsr();
    set_mxcsr(before | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
    part(t, rows, *sums);
    set_mxcsr(before);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c += 8) {
            float *s = t->sums + r * BB_PANEL + t->column + c;
            __m256 v = _mm256_load_ps(&sums[r][c]);
            _mm256_store_ps(s, t->first ? v : _mm256_add_ps(_mm256_load_ps(s), v));
        }
}

BB_TARGET_AVX2 static void half_tile(const bb_tile *t, size_t rows) { flushed(t, rows, HALF, half_sums); }
BB_TARGET_AVX2 static void wide_tile(const bb_tile *t, size_t rows) { flushed(t, rows, BB_PANEL, wide_sums); }

void bb_gemm_bf16_avx2(const bb_gemm *g, size_t first, size_t count) {
    static const bb_tiling half = {half_tile, ROWS, HALF, BB_BF16_PART};
    static const bb_tiling wide = {wide_tile, WIDE_ROWS, BB_PANEL, BB_BF16_PART};
    bb_gemm_tiles(g, first, count, g->acts->tokens <= WIDE_ROWS ? &wide : &half);
}
#endif
