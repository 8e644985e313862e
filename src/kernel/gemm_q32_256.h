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

/* 2^byte: -127 and -128 are subnormal, 2^22 and 2^21 of the smallest. */
DOT_FN __m256 of_exponents(const unsigned char *p) {
    __m256i e = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
    __m256i below = _mm256_sub_epi32(_mm256_set1_epi32(-127), e);
    __m256i tiny = _mm256_srlv_epi32(_mm256_set1_epi32(0x00400000), below); /* 0 for all other */
    __m256i normal = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(below, 23));
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

/* y + scale * (d * sum) of 8 rows. */
DOT_FN __m256 add(__m256 y, __m256 scale, float d, __m256i sum) {
    return _mm256_fmadd_ps(scale, _mm256_mul_ps(_mm256_set1_ps(d), _mm256_cvtepi32_ps(sum)), y);
}
DOT_FN void add_to(float *y, __m256 scale, float d, __m256i sum) {
    _mm256_store_ps(y, add(_mm256_load_ps(y), scale, d, sum));
}

/* Rows 0..15 of codes and n <= 4 tokens; y [n] in rows of a panel. The sums are named, not an array, so that they stay
 * in registers. */
DOT_FN void tokens(bb_q32_type type, size_t n, const unsigned char *codes, const float *s, const signed char *x,
                   const float *d, const int32_t *start, float *y) {
    const dot_range r = range_of(type);
#define EACH(M)  M(0) M(1) M(2) M(3)
#define FIRST(i) __m256i a##i = dot_first(r, i < n ? start[i] : 0), b##i = a##i;
#define STEP(i)                                                                                                        \
    if (i < n) {                                                                                                       \
        __m256i v = dot_four(x + i * BB_Q32_GROUP + 4 * q);                                                            \
        a##i = dot_step(r, a##i, w0, v);                                                                               \
        b##i = dot_step(r, b##i, w1, v);                                                                               \
        DOT_KEEP(a##i);                                                                                                \
        DOT_KEEP(b##i);                                                                                                \
    }
#define LAST(i)                                                                                                        \
    if (i < n) {                                                                                                       \
        add_to(y + BB_PANEL * i, _mm256_load_ps(s), d[i], dot_last(r, a##i, start[i]));                                \
        add_to(y + BB_PANEL * i + 8, _mm256_load_ps(s + 8), d[i], dot_last(r, b##i, start[i]));                        \
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

/* Outputs of one token and a panel. */
typedef struct outputs {
    __m256 a, b, c, d;
} outputs;

/* Its weights are used where they are loaded, in ascending order: what the processor's prefetch follows. */
DOT_FN outputs one(bb_q32_type type, const unsigned char *p, const unsigned char *scales, const signed char *x, float d,
                   int32_t start, outputs y) {
    const dot_range r = range_of(type);
    const __m256i book = book_of(type);
    __m256i a = dot_first(r, start), b = a, c = a, e = a;
#define STEP(sum, at)                                                                                                  \
    if (type == BB_Q32_Q8_0) {                                                                                         \
        sum = dot_step(r, sum, dot_prepare(r, dot_bytes(p + at)), dot_four(x));                                        \
    } else {                                                                                                           \
        __m256i v = dot_bytes(p + at);                                                                                 \
        sum = dot_step(r, sum, dot_prepare(r, low(type, book, v)), dot_four(x));                                       \
        sum = dot_step(r, sum, dot_prepare(r, high(type, book, v)), dot_four(x + BB_Q32_GROUP / 2));                   \
    }                                                                                                                  \
    DOT_KEEP(sum);
    for (size_t i = 0; i < bb_q32_code_bytes(type) / QUAD_BYTES; i++, p += QUAD_BYTES, x += 4) {
        STEP(a, 0)
        STEP(b, 32)
        STEP(c, 64)
        STEP(e, 96)
    }
#undef STEP
    y.a = add(y.a, scale_of(type, scales, 0), d, dot_last(r, a, start));
    y.b = add(y.b, scale_of(type, scales, 1), d, dot_last(r, b, start));
    y.c = add(y.c, scale_of(type, scales, 2), d, dot_last(r, c, start));
    y.d = add(y.d, scale_of(type, scales, 3), d, dot_last(r, e, start));
    return y;
}

/* A group and tokens at ... at + count - 1 of it. */
DOT_FN void group_tile(const bb_acts *a, bb_q32_type type, const unsigned char *codes, const float *s, size_t at,
                       size_t count, float (*y)[BB_PANEL]) {
    _Alignas(32) unsigned char wide[WIDE_BYTES];
    if (type != BB_Q32_Q8_0) {
        widen(type, codes, wide);
        codes = wide;
    }
    const signed char *x = (const signed char *)a->values + at * BB_Q32_GROUP;
    for (size_t h = 0; h < 2; h++, codes += QUAD_BYTES / 2, s += 16)
        for (size_t t = 0; t < count; t++) {
            const signed char *xt = x + t * BB_Q32_GROUP;
            const float *d = a->scales + at + t;
            const int32_t *start = a->starts + at + t;
            if (count - t < DOT_TOKENS) {
                tokens(type, 1, codes, s, xt, d, start, y[t] + 16 * h);
                continue;
            }
            /* the next group's, far away when the tokens are many */
            for (size_t i = 0; i < DOT_TOKENS * BB_Q32_GROUP; i += 64)
                _mm_prefetch((const char *)((uintptr_t)xt + a->tokens * BB_Q32_GROUP + i), _MM_HINT_T0);
            tokens(type, DOT_TOKENS, codes, s, xt, d, start, y[t] + 16 * h);
            t += DOT_TOKENS - 1;
        }
}

DOT_FN void panel_one(const bb_acts *a, bb_q32_type type, const unsigned char *panel, float *y) {
    const signed char *x = a->values;
    outputs sum = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t b = 0; b < a->blocks; b++, x += BB_Q32_GROUP)
        sum =
            one(type, bb_q32_codes(type, panel, b), bb_q32_scales(type, panel, b), x, a->scales[b], a->starts[b], sum);
    _mm256_store_ps(y, sum.a);
    _mm256_store_ps(y + 8, sum.b);
    _mm256_store_ps(y + 16, sum.c);
    _mm256_store_ps(y + 24, sum.d);
}

DOT_FN void panel_tile(const bb_acts *a, bb_q32_type type, const unsigned char *panel, size_t first, size_t count,
                       float (*y)[BB_PANEL]) {
    _Alignas(32) float s[BB_PANEL];
    memset(y, 0, count * sizeof *y);
    for (size_t b = 0; b < a->blocks; b++) {
        const unsigned char *scales = bb_q32_scales(type, panel, b);
        for (size_t i = 0; i < 4; i++) _mm256_store_ps(s + 8 * i, scale_of(type, scales, i));
        group_tile(a, type, bb_q32_codes(type, panel, b), s, b * a->tokens + first, count, y);
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
            const unsigned char *panel = g->panels + p * g->panel_bytes;
            if (all == 1)
                panel_one(g->acts, type, panel, y[0]);
            else
                panel_tile(g->acts, type, panel, at, n, y);
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
