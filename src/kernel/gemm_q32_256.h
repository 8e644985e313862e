/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_q32_256.h - groups of 32 in registers of 256 bits: the bits of gemm_q32.c. Included once by an instruction set.
 *
 * Before it: what dot_256.h wants, and GEMM_NAME(type), a kernel's name. */
#ifndef BB_KERNEL_GEMM_Q32_256_H
#define BB_KERNEL_GEMM_Q32_256_H
#include "kernel/dot_256.h"
#include "kernel/gemm_q32.h"

enum { QUAD_BYTES = 4 * BB_PANEL, WIDE_BYTES = BB_Q32_GROUP * BB_PANEL };

DOT_FN dot_range range_of(bb_q32_type type) {
    return type == BB_Q32_Q4_0 ? DOT_CODES_15 : type == BB_Q32_MXFP4 ? DOT_VALUES_12 : DOT_VALUES_128;
}

/* ---- scales ---- */

/* 2^byte; below -126 it is subnormal. */
DOT_FN __m256 of_exponents(const unsigned char *p) {
    __m256i e = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
    __m256i normal = _mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(127)), 23);
    /* 2^-127 and 2^-128; 0 for what is larger */
    __m256i tiny = _mm256_srlv_epi32(_mm256_set1_epi32(0x00400000), _mm256_sub_epi32(_mm256_set1_epi32(-127), e));
    return _mm256_castsi256_ps(_mm256_max_epi32(normal, tiny));
}

/* Of rows 8 i .. 8 i + 7. */
DOT_FN __m256 scale_of(bb_q32_type type, const unsigned char *p, size_t i) {
    if (type == BB_Q32_MXFP4) return of_exponents(p + 8 * i);
    if (type == BB_Q32_NF4) return _mm256_loadu_ps((const float *)(const void *)(p + 32 * i));
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)));
}

/* ---- codes ---- */

DOT_FN __m256i book_of(bb_q32_type type) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)bb_q32_book(type)));
}
/* Code + offset of the low halves of bytes, and of the high ones. */
DOT_FN __m256i low(bb_q32_type type, __m256i book, __m256i v) {
    __m256i code = _mm256_and_si256(v, _mm256_set1_epi8(15));
    return type == BB_Q32_Q4_0 ? code : _mm256_shuffle_epi8(book, code);
}
DOT_FN __m256i high(bb_q32_type type, __m256i book, __m256i v) { return low(type, book, _mm256_srli_epi16(v, 4)); }

/* Those of a group to [8][32 rows][4 of k]. */
DOT_FN void widen(bb_q32_type type, const unsigned char *p, unsigned char *wide) {
    const __m256i book = book_of(type);
    for (size_t i = 0; i < WIDE_BYTES / 2; i += 32) {
        __m256i v = dot_bytes(p + i);
        _mm256_store_si256((__m256i *)(void *)(wide + i), low(type, book, v));
        _mm256_store_si256((__m256i *)(void *)(wide + WIDE_BYTES / 2 + i), high(type, book, v));
    }
}

/* ---- products ---- */

/* y += scale * (d * sum) of 8 rows. */
DOT_FN void add(float *y, __m256 scale, __m256 d, __m256i sum) {
    __m256 product = _mm256_mul_ps(d, _mm256_cvtepi32_ps(sum));
    _mm256_store_ps(y, _mm256_fmadd_ps(scale, product, _mm256_load_ps(y)));
}

/* Rows 0..15 of codes and n <= 4 tokens; y [n] in rows of a panel. The sums are named, not an array, so that they stay
 * in registers. */
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
        DOT_NEXT(a##i, b##i);                                                                                          \
    }
#define LAST(i)                                                                                                        \
    if (i < n) {                                                                                                       \
        add(y + BB_PANEL * i, s0, _mm256_set1_ps(d[i]), dot_last(r, a##i, start[i]));                                  \
        add(y + BB_PANEL * i + 8, s1, _mm256_set1_ps(d[i]), dot_last(r, b##i, start[i]));                              \
    }
    EACH(FIRST)
    for (size_t q = 0; q < BB_Q32_GROUP / 4; q++) {
        dot_weights w0 = dot_prepare(r, dot_bytes(codes + QUAD_BYTES * q));
        dot_weights w1 = dot_prepare(r, dot_bytes(codes + QUAD_BYTES * q + 32));
        EACH(STEP)
    }
    EACH(LAST)
#undef EACH
#undef FIRST
#undef STEP
#undef LAST
}

/* One token, whose weights are used where they are loaded, in ascending order: what the processor's prefetch follows.
 */
DOT_FN void one(bb_q32_type type, const unsigned char *p, const __m256 *s, const signed char *x, float d, int32_t start,
                float *y) {
    const dot_range r = range_of(type);
    const __m256i book = book_of(type);
    __m256i a0 = dot_first(r, start), a1 = a0, a2 = a0, a3 = a0;
#define STEP(i)                                                                                                        \
    if (type == BB_Q32_Q8_0) {                                                                                         \
        a##i = dot_step(r, a##i, dot_prepare(r, dot_bytes(p + 32 * i)), first);                                        \
    } else {                                                                                                           \
        __m256i v = dot_bytes(p + 32 * i);                                                                             \
        a##i = dot_step(r, a##i, dot_prepare(r, low(type, book, v)), first);                                           \
        a##i = dot_step(r, a##i, dot_prepare(r, high(type, book, v)), dot_four(x + BB_Q32_GROUP / 2 + 4 * q));         \
    }
    for (size_t q = 0; q < bb_q32_code_bytes(type) / QUAD_BYTES; q++, p += QUAD_BYTES) {
        __m256i first = dot_four(x + 4 * q);
        STEP(0) STEP(1) STEP(2) STEP(3)
    }
#undef STEP
    add(y, s[0], _mm256_set1_ps(d), dot_last(r, a0, start));
    add(y + 8, s[1], _mm256_set1_ps(d), dot_last(r, a1, start));
    add(y + 16, s[2], _mm256_set1_ps(d), dot_last(r, a2, start));
    add(y + 24, s[3], _mm256_set1_ps(d), dot_last(r, a3, start));
}

/* A group and tokens at ... at + count - 1 of it. */
DOT_FN void group_tile(const bb_acts *a, bb_q32_type type, const unsigned char *codes, const __m256 *s, size_t at,
                       size_t count, float (*y)[BB_PANEL]) {
    _Alignas(32) unsigned char wide[WIDE_BYTES];
    if (type != BB_Q32_Q8_0) {
        widen(type, codes, wide);
        codes = wide;
    }
    const signed char *x = (const signed char *)a->values + at * BB_Q32_GROUP;
    for (size_t h = 0; h < 2; h++, codes += QUAD_BYTES / 2, s += 2)
        for (size_t t = 0; t < count; t++) {
            const signed char *xt = x + t * BB_Q32_GROUP;
            const float *d = a->scales + at + t;
            const int32_t *start = a->starts + at + t;
            if (count - t < DOT_TOKENS) {
                tokens(type, 1, codes, s[0], s[1], xt, d, start, y[t] + 16 * h);
                continue;
            }
            /* the next group's, far away when the tokens are many */
            for (size_t i = 0; i < DOT_TOKENS * BB_Q32_GROUP; i += 64)
                _mm_prefetch((const char *)((uintptr_t)xt + a->tokens * BB_Q32_GROUP + i), _MM_HINT_T0);
            tokens(type, DOT_TOKENS, codes, s[0], s[1], xt, d, start, y[t] + 16 * h);
            t += DOT_TOKENS - 1;
        }
}

DOT_FN void panel_tile(const bb_acts *a, bb_q32_type type, const unsigned char *panel, size_t first, size_t count,
                       float (*y)[BB_PANEL]) {
    memset(y, 0, count * sizeof *y);
    for (size_t b = 0; b < a->blocks; b++) {
        const unsigned char *codes = bb_q32_codes(type, panel, b), *scales = bb_q32_scales(type, panel, b);
        __m256 s[4] = {scale_of(type, scales, 0), scale_of(type, scales, 1), scale_of(type, scales, 2),
                       scale_of(type, scales, 3)};
        if (a->tokens == 1)
            one(type, codes, s, (const signed char *)a->values + b * BB_Q32_GROUP, a->scales[b], a->starts[b], y[0]);
        else
            group_tile(a, type, codes, s, b * a->tokens + first, count, y);
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
            panel_tile(g->acts, type, g->panels + p * g->panel_bytes, at, n, y);
            for (size_t t = 0; t < n; t++)
                put(type, y[t], g->out - p * BB_PANEL, g->y + (at + t) * g->out + p * BB_PANEL);
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
