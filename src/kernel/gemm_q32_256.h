/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_q32_256.h - groups of 32 in registers of 256 bits: the bits of gemm_q32.c. Included once by each instruction
 * set.
 *
 * Before it: dot_256.h, and GEMM_NAME(type), a kernel's name. */
#ifndef BB_KERNEL_GEMM_Q32_256_H
#define BB_KERNEL_GEMM_Q32_256_H
#include "kernel/dot_256.h"
#include "kernel/gemm_q32.h"

/* Tokens whose sums of 16 rows stay in registers beside the weights. */
enum { GEMM_TOKENS = 4 };

DOT_FN dot_range range_of(bb_q32_type type) {
    return type == BB_Q32_Q4_0 ? DOT_CODES_15 : type == BB_Q32_MXFP4 ? DOT_VALUES_12 : DOT_VALUES_128;
}

/* Codes + offset of a group to [8][32 rows][4 of k]. */
DOT_FN void widen(bb_q32_type type, const unsigned char *p, unsigned char *codes) {
    const __m256i fifteen = _mm256_set1_epi8(15);
    __m256i book = fifteen;
    if (type != BB_Q32_Q4_0)
        book = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)bb_q32_book(type)));
    for (size_t i = 0; i < 16; i++) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * i));
        __m256i low = _mm256_and_si256(v, fifteen), high = _mm256_and_si256(_mm256_srli_epi16(v, 4), fifteen);
        if (type != BB_Q32_Q4_0) {
            low = _mm256_shuffle_epi8(book, low);
            high = _mm256_shuffle_epi8(book, high);
        }
        _mm256_store_si256((__m256i *)(void *)(codes + 32 * i), low);
        _mm256_store_si256((__m256i *)(void *)(codes + 512 + 32 * i), high);
    }
}

/* 2^(e - 128), subnormal below e = 2, as bb_e8m0_half. */
DOT_FN __m256 e8m0_half(const unsigned char *p) {
    __m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
    __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    __m256i tiny = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, tiny, _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e)));
}

/* Of rows 8 i .. 8 i + 7. */
DOT_FN __m256 scale_of(bb_q32_type type, const unsigned char *p, size_t i) {
    if (type == BB_Q32_MXFP4) return e8m0_half(p + 8 * i);
    if (type == BB_Q32_NF4) return _mm256_loadu_ps((const float *)(const void *)(p + 32 * i));
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)));
}

/* Rows 0..15 of codes and `n` <= 4 tokens: y [n] rows of a panel's width += scale * (d * (start + codes x)). Sums are
 * named, not an array, so that they stay in registers. */
DOT_FN void tokens(bb_q32_type type, size_t n, const unsigned char *codes, __m256 s0, __m256 s1, const signed char *x,
                   const float *d, const int32_t *start, float *y) {
    const dot_range r = range_of(type);
#define EACH(M)  M(0) M(1) M(2) M(3)
#define FIRST(i) __m256i a##i = dot_first(r, i < n ? start[i] : 0), b##i = a##i;
#define STEP(i)                                                                                                        \
    if (i < n) {                                                                                                       \
        __m256i v = dot_four(x + i * BB_Q32_GROUP + 4 * q);                                                            \
        a##i = dot_step(r, a##i, w0, v);                                                                               \
        b##i = dot_step(r, b##i, w1, v);                                                                               \
    }
#define LAST(i)                                                                                                        \
    if (i < n) {                                                                                                       \
        __m256 dd = _mm256_set1_ps(d[i]);                                                                              \
        __m256 f0 = _mm256_mul_ps(dd, _mm256_cvtepi32_ps(dot_last(r, a##i, start[i])));                                \
        __m256 f1 = _mm256_mul_ps(dd, _mm256_cvtepi32_ps(dot_last(r, b##i, start[i])));                                \
        float *to = y + BB_PANEL * i;                                                                                  \
        _mm256_store_ps(to, _mm256_fmadd_ps(s0, f0, _mm256_load_ps(to)));                                              \
        _mm256_store_ps(to + 8, _mm256_fmadd_ps(s1, f1, _mm256_load_ps(to + 8)));                                      \
    }
    EACH(FIRST)
    for (size_t q = 0; q < BB_Q32_GROUP / 4; q++) {
        dot_weights w0 = dot_load(r, codes + 128 * q), w1 = dot_load(r, codes + 128 * q + 32);
        EACH(STEP)
    }
    EACH(LAST)
#undef EACH
#undef FIRST
#undef STEP
#undef LAST
}

DOT_FN void panel_tile(const bb_gemm *g, bb_q32_type type, const unsigned char *panel, size_t first, size_t count,
                       float (*y)[BB_PANEL]) {
    const bb_acts *a = g->acts;
    _Alignas(32) unsigned char wide[BB_Q32_GROUP * BB_PANEL];
    memset(y, 0, count * sizeof *y);
    for (size_t b = 0; b < a->blocks; b++) {
        const unsigned char *codes = bb_q32_codes(type, panel, b), *scales = bb_q32_scales(type, panel, b);
        __m256 s[4];
        for (size_t i = 0; i < 4; i++) s[i] = scale_of(type, scales, i);
        if (type != BB_Q32_Q8_0) {
            widen(type, codes, wide);
            codes = wide;
        }
        size_t at = b * a->tokens + first;
        const signed char *x = (const signed char *)a->values + at * BB_Q32_GROUP;
        const float *d = a->scales + at;
        const int32_t *start = a->starts + at;
        for (size_t h = 0; h < 2; h++)
            for (size_t t = 0; t < count;) {
                size_t n = count - t < GEMM_TOKENS ? 1 : GEMM_TOKENS;
                const signed char *xt = x + t * BB_Q32_GROUP;
                float *to = y[t] + 16 * h;
                if (n == GEMM_TOKENS)
                    tokens(type, GEMM_TOKENS, codes + 64 * h, s[2 * h], s[2 * h + 1], xt, d + t, start + t, to);
                else
                    tokens(type, 1, codes + 64 * h, s[2 * h], s[2 * h + 1], xt, d + t, start + t, to);
                t += n;
            }
    }
}

DOT_FN void put(bb_q32_type type, float *from, size_t live, float *to) {
    for (size_t i = 0; type == BB_Q32_NF4 && i < BB_PANEL; i += 8)
        _mm256_store_ps(from + i, _mm256_div_ps(_mm256_load_ps(from + i), _mm256_set1_ps(BB_Q32_NF4_SCALE)));
    memcpy(to, from, (live < BB_PANEL ? live : BB_PANEL) * sizeof *to);
}

DOT_FN void gemm(const bb_gemm *g, size_t first, size_t count, bb_q32_type type) {
    _Alignas(32) float y[BB_Q32_TILE][BB_PANEL];
    size_t all = g->acts->tokens, tiles = (all + BB_Q32_TILE - 1) / BB_Q32_TILE;
    for (size_t i = 0; i < tiles; i++) {
        size_t at, n = bb_q32_tile(all, i, tiles, &at);
        for (size_t p = first; p < first + count; p++) {
            size_t left = g->out - p * BB_PANEL;
            panel_tile(g, type, g->panels + p * g->panel_bytes, at, n, y);
            for (size_t t = 0; t < n; t++) put(type, y[t], left, g->y + (at + t) * g->out + p * BB_PANEL);
        }
    }
}

#define KERNEL(name, type)                                                                                             \
    DOT_TARGET void GEMM_NAME(name)(const bb_gemm *g, size_t first, size_t count) { gemm(g, first, count, type); }
KERNEL(q8_0, BB_Q32_Q8_0)
KERNEL(q4_0, BB_Q32_Q4_0)
KERNEL(iq4_nl, BB_Q32_IQ4_NL)
KERNEL(mxfp4, BB_Q32_MXFP4)
KERNEL(nf4, BB_Q32_NF4)
#undef KERNEL
#endif
