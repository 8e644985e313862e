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
    const unsigned char *w = t->w, *x = t->x, *ahead = t->ahead;
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

/* The feature bit does not promise what the manual does: whether this processor gives the bits of the portable twin, by
 * one instruction on cases that tell the order, the roundings and the flushes apart (odd values in the upper halves):
 * two ties in either order; a product beyond fp32; one below it; subnormal w, x and sum; a flushed odd product; a
 * flushed -0; a result that rounds up to 2^-126, one that does not, a tie there; overflow by a tie; a tie up to even;
 * two ordinary ones. */
BB_TARGET_AVX512_BF16 static bool as_documented(void) {
    static const uint32_t w[16] = {0x39803980, 0x39803980, 0x7F000000, 0x1C800000, 0x00400000, 0x00007F00,
                                   0x00002000, 0x1F802000, 0x9F008000, 0x99800000, 0x9A000000, 0x99800000,
                                   0x59800000, 0x39800000, 0x41533EAB, 0x4025C026};
    static const uint32_t x[16] = {0x39803981, 0x39803980, 0x40000000, 0x1C800000, 0x7F000000, 0x00008040,
                                   0x00002000, 0x20002000, 0x1F003F80, 0x19800000, 0x1A000000, 0x1A000000,
                                   0x59000000, 0x39800000, 0xBDE9407C, 0x44874486};
    static const uint32_t before[16] = {0x3F800000, 0x3F800000, 0xFF000000, 0x00800000, 0x3F800000, 0x3F800000,
                                        0x00400000, 0x00000000, 0x00000000, 0x00800000, 0x00800000, 0x00800000,
                                        0x7F7FFFFF, 0x3F800001, 0x40490FDB, 0x3D2DF854};
    static const uint32_t after[16] = {0x3F800001, 0x3F800000, 0x7F000000, 0x00800200, 0x3F800000, 0x3F800000,
                                       0x00800000, 0x00800000, 0x80000000, 0x00800000, 0x00000000, 0x00800000,
                                       0x7F800000, 0x3F800002, 0x403D345B, 0x407AB800};
    __m512 sum = _mm512_castsi512_ps(_mm512_loadu_si512(before));
    __m512i got = _mm512_castps_si512(step(sum, _mm512_loadu_si512(w), _mm512_loadu_si512(x)));
    return _mm512_cmpeq_epi32_mask(got, _mm512_loadu_si512(after)) == 0xFFFF;
}

void bb_gemm_bf16_avx512(const bb_gemm *g, size_t first, size_t count) {
    static const bb_tiling tiling = {any_tile, ROWS, BB_PANEL, BB_BF16_PART};
    if (as_documented())
        bb_gemm_tiles(g, first, count, &tiling);
    else
        bb_gemm_bf16_avx2(g, first, count);
}
#endif
