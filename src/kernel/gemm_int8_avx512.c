/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_int8_avx512.c - int8 a row with AVX-512 VNNI: the bits of gemm_int8.c. */
#include "kernel/gemm_int8.h"
#if BB_X86
#include "kernel/dot_512.h"

/* Tokens whose sums of a panel fill 24 of the 32 registers. */
enum { TILE = 12, LINE = 64 };

/* vpdpbusd as an instruction whose destination is its addend: gcc 12 copies the sums of its intrinsic to and fro. */
#define DPBUSD(acc, u, s) __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(u), "v"(s))

DOT_FN void put(__m512i a, __m512i b, const unsigned char *scales, float d, size_t live, float *y) {
    __m512 dd = _mm512_set1_ps(d);
    __m512 fa = _mm512_mul_ps(_mm512_loadu_ps(scales), _mm512_mul_ps(dd, _mm512_cvtepi32_ps(a)));
    __m512 fb = _mm512_mul_ps(_mm512_loadu_ps(scales + LINE), _mm512_mul_ps(dd, _mm512_cvtepi32_ps(b)));
    uint32_t mask = live < BB_PANEL ? (1u << live) - 1 : 0xFFFFFFFF;
    _mm512_mask_storeu_ps(y, (__mmask16)mask, fa);
    if (live > 16) _mm512_mask_storeu_ps(y + 16, (__mmask16)(mask >> 16), fb);
}

/* Where a panel meets several tiles, what the processor does not prefetch by itself: the activations of the block after
 * the next, which lie far from those of this one; and by and by the lines of y. A panel alone is a stream that it
 * follows to the bandwidth of memory; other requests beside that would only take its place. */
DOT_FN void prefetch_for(const bb_gemm *g, const signed char *x, size_t n, float *y, size_t block) {
    if (block + 2 < g->acts->blocks) dot_prefetch(x + 2 * g->acts->tokens * BB_INT8_BLOCK, 0, n * BB_INT8_BLOCK);
    if (block < n) dot_prefetch(y + block * g->out, 0, BB_PANEL * sizeof *y);
}

/* Tokens [t, t + n) of panel p. The sums are named, not an array, so that they stay in registers. */
DOT_FN void tile(const bb_gemm *g, size_t p, size_t t, size_t n) {
    const bb_acts *a = g->acts;
    const unsigned char *panel = g->panels + p * g->panel_bytes, *w = panel + BB_INT8_HEAD;
    const signed char *x = (const signed char *)a->values + t * BB_INT8_BLOCK;
    float *y = g->y + t * g->out + p * BB_PANEL;
#define EACH(M)  M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
#define FIRST(i) __m512i a##i = _mm512_set1_epi32(i < n ? a->starts[t + i] : 0), b##i = a##i;
#define DOT(i)                                                                                                         \
    if (i < n) {                                                                                                       \
        __m512i v = dot_four(x + i * BB_INT8_BLOCK + k);                                                               \
        DPBUSD(a##i, wa, v);                                                                                           \
        DPBUSD(b##i, wb, v);                                                                                           \
    }
#define PUT(i)                                                                                                         \
    if (i < n) put(a##i, b##i, panel, a->scales[t + i], g->out - p * BB_PANEL, y + i * g->out);
    EACH(FIRST)
    for (size_t block = 0; block < a->blocks; block++, x += a->tokens * BB_INT8_BLOCK) {
        if (a->tokens > TILE) prefetch_for(g, x, n, y, block);
        for (size_t k = 0; k < BB_INT8_BLOCK; k += 4, w += 4 * BB_PANEL) {
            __m512i wa = _mm512_loadu_si512(w), wb = _mm512_loadu_si512(w + LINE);
            EACH(DOT)
        }
    }
    EACH(PUT)
#undef EACH
#undef FIRST
#undef DOT
#undef PUT
}

#define TILE_OF(n)                                                                                                     \
    static __attribute__((noinline)) BB_TARGET_AVX512_VNNI void tile_##n(const bb_gemm *g, size_t p, size_t t) {       \
        tile(g, p, t, n);                                                                                              \
    }
TILE_OF(1)
TILE_OF(2)
TILE_OF(3)
TILE_OF(4)
TILE_OF(5)
TILE_OF(6)
TILE_OF(7)
TILE_OF(8)
TILE_OF(9)
TILE_OF(10)
TILE_OF(11)
TILE_OF(12)

static void (*const tile_of[TILE + 1])(const bb_gemm *, size_t, size_t) = {
    NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6, tile_7, tile_8, tile_9, tile_10, tile_11, tile_12};

void bb_gemm_int8_avx512_vnni(const bb_gemm *g, size_t first, size_t count) {
    size_t tokens = g->acts->tokens, tiles = (tokens + TILE - 1) / TILE;
    for (size_t p = first; p < first + count; p++)
        for (size_t i = 0, t = 0; i < tiles; i++) {
            size_t n = tokens / tiles + (i < tokens % tiles);
            tile_of[n](g, p, t);
            t += n;
        }
}
#endif
