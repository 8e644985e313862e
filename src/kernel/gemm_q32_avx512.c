/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_q32_avx512.c - groups of 32 with AVX-512 VNNI: the bits of gemm_q32.c. */
#include "kernel/gemm_q32.h"
#include <string.h>
#if BB_X86
#include <immintrin.h>

#define FN static inline __attribute__((always_inline)) BB_TARGET_AVX512_VNNI

/* A group's code + offset: of rows 0..15 and 16..31, each 4 values of k. They stay in 16 registers while the tokens
 * pass, so they are named and not an array. */
typedef struct codes {
    __m512i a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
} codes;
typedef struct scales {
    __m512 a, b;
} scales;

FN codes codes_8(const unsigned char *p) {
    codes c;
#define QUAD(i)                                                                                                        \
    c.a##i = _mm512_loadu_si512(p + 128 * i);                                                                          \
    c.b##i = _mm512_loadu_si512(p + 128 * i + 64);
    QUAD(0)
    QUAD(1) QUAD(2) QUAD(3) QUAD(4) QUAD(5) QUAD(6) QUAD(7)
#undef QUAD
        return c;
}

FN __m512i low(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
FN __m512i high(__m512i v) { return low(_mm512_srli_epi16(v, 4)); }

FN codes codes_4(const unsigned char *p) {
    codes c;
#define PAIR(i, j)                                                                                                     \
    {                                                                                                                  \
        __m512i a = _mm512_loadu_si512(p + 128 * i), b = _mm512_loadu_si512(p + 128 * i + 64);                         \
        c.a##i = low(a);                                                                                               \
        c.a##j = high(a);                                                                                              \
        c.b##i = low(b);                                                                                               \
        c.b##j = high(b);                                                                                              \
    }
    PAIR(0, 4)
    PAIR(1, 5) PAIR(2, 6) PAIR(3, 7)
#undef PAIR
        return c;
}

FN codes codes_book(const unsigned char *p, const unsigned char *book) {
    codes c = codes_4(p);
    __m512i values = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)book));
#define LOOK_UP(i)                                                                                                     \
    c.a##i = _mm512_shuffle_epi8(values, c.a##i);                                                                      \
    c.b##i = _mm512_shuffle_epi8(values, c.b##i);
    LOOK_UP(0)
    LOOK_UP(1) LOOK_UP(2) LOOK_UP(3) LOOK_UP(4) LOOK_UP(5) LOOK_UP(6) LOOK_UP(7)
#undef LOOK_UP
        return c;
}

FN codes codes_of(bb_q32_type type, const unsigned char *p) {
    return type == BB_Q32_Q8_0 ? codes_8(p) : type == BB_Q32_Q4_0 ? codes_4(p) : codes_book(p, bb_q32_book(type));
}

/* 2^(e - 128), subnormal below e = 2, as bb_e8m0_half. */
FN __m512 e8m0_half(const unsigned char *p) {
    __m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    __m512i tiny = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
    return _mm512_castsi512_ps(_mm512_mask_blend_epi32(_mm512_cmplt_epu32_mask(e, _mm512_set1_epi32(2)), normal, tiny));
}

FN __m512 half16(const unsigned char *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

FN scales scales_of(bb_q32_type type, const unsigned char *p) {
    if (type == BB_Q32_MXFP4) return (scales){e8m0_half(p), e8m0_half(p + 16)};
    if (type == BB_Q32_NF4) return (scales){_mm512_loadu_ps(p), _mm512_loadu_ps(p + 64)};
    return (scales){half16(p), half16(p + 32)};
}

FN __m512i four(const signed char *x) {
    int v;
    memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
}

/* One token: y [32] += scale * (d * (start + codes x)). */
FN void token(codes c, scales s, const signed char *x, float d, int32_t start, float *y) {
    __m512i a = _mm512_set1_epi32(start), b = a, v;
    __m512 dd = _mm512_set1_ps(d);
#define DOT(i)                                                                                                         \
    v = four(x + 4 * i);                                                                                               \
    a = _mm512_dpbusd_epi32(a, c.a##i, v);                                                                             \
    b = _mm512_dpbusd_epi32(b, c.b##i, v);
    DOT(0)
    DOT(1) DOT(2) DOT(3) DOT(4) DOT(5) DOT(6) DOT(7)
#undef DOT
        _mm512_store_ps(y, _mm512_fmadd_ps(s.a, _mm512_mul_ps(dd, _mm512_cvtepi32_ps(a)), _mm512_load_ps(y)));
    _mm512_store_ps(y + 16, _mm512_fmadd_ps(s.b, _mm512_mul_ps(dd, _mm512_cvtepi32_ps(b)), _mm512_load_ps(y + 16)));
}

/* Few tokens take so little time for a group that the processor's own prefetch, which follows loads in ascending order,
 * reaches the bandwidth of memory, and requests beside it only take its place; with more it stops in between. */
enum { FEW = 2, AHEAD = 9216 };
FN void prefetch(const unsigned char *p, size_t bytes) {
#pragma GCC unroll 18
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)((uintptr_t)p + AHEAD + i), _MM_HINT_T1); /* maybe beyond the panels */
}

FN void panel_tile(const bb_gemm *g, bb_q32_type type, const unsigned char *panel, size_t first, size_t count,
                   float (*y)[BB_PANEL]) {
    const bb_acts *a = g->acts;
    memset(y, 0, count * sizeof *y);
    for (size_t b = 0; b < a->blocks; b++) {
        const unsigned char *p = bb_q32_codes(type, panel, b);
        if (a->tokens > FEW) prefetch(p, bb_q32_block_bytes(type) / bb_q32_groups(type));
        scales s = scales_of(type, bb_q32_scales(type, panel, b));
        codes c = codes_of(type, p);
        size_t at = b * a->tokens + first;
        const signed char *x = (const signed char *)a->values + at * BB_Q32_GROUP;
        const float *d = a->scales + at;
        const int32_t *start = a->starts + at;
        for (size_t t = 0; t < count; t++) token(c, s, x + t * BB_Q32_GROUP, d[t], start[t], y[t]);
    }
}

FN void put(bb_q32_type type, const float *from, size_t live, float *to) {
    __m512 a = _mm512_load_ps(from), b = _mm512_load_ps(from + 16);
    uint32_t mask = live < BB_PANEL ? (1u << live) - 1 : 0xFFFFFFFF;
    if (type == BB_Q32_NF4) {
        a = _mm512_div_ps(a, _mm512_set1_ps(BB_Q32_NF4_SCALE));
        b = _mm512_div_ps(b, _mm512_set1_ps(BB_Q32_NF4_SCALE));
    }
    _mm512_mask_storeu_ps(to, (__mmask16)mask, a);
    if (live > 16) _mm512_mask_storeu_ps(to + 16, (__mmask16)(mask >> 16), b);
}

FN void gemm(const bb_gemm *g, size_t first, size_t count, bb_q32_type type) {
    _Alignas(64) float y[BB_Q32_TILE][BB_PANEL];
    size_t tokens = g->acts->tokens, tiles = (tokens + BB_Q32_TILE - 1) / BB_Q32_TILE;
    for (size_t i = 0; i < tiles; i++) {
        size_t at, n = bb_q32_tile(tokens, i, tiles, &at);
        for (size_t p = first; p < first + count; p++) {
            size_t left = g->out - p * BB_PANEL;
            panel_tile(g, type, g->panels + p * g->panel_bytes, at, n, y);
            for (size_t t = 0; t < n; t++) put(type, y[t], left, g->y + (at + t) * g->out + p * BB_PANEL);
        }
    }
}

#define KERNEL(name, type)                                                                                             \
    BB_TARGET_AVX512_VNNI void bb_gemm_##name##_avx512_vnni(const bb_gemm *g, size_t first, size_t count) {            \
        gemm(g, first, count, type);                                                                                   \
    }
KERNEL(q8_0, BB_Q32_Q8_0)
KERNEL(q4_0, BB_Q32_Q4_0)
KERNEL(iq4_nl, BB_Q32_IQ4_NL)
KERNEL(mxfp4, BB_Q32_MXFP4)
KERNEL(nf4, BB_Q32_NF4)
#endif
