/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_q32_avx512.c - groups of 32 with AVX-512 VNNI: the bits of gemm_q32.c. */
#include "kernel/gemm_q32.h"
#include <string.h>
#if BB_X86
#include "kernel/dot_512.h"

enum { LINE = 64, QUAD_BYTES = 2 * LINE };

/* Of rows 0..15 and 16..31 of a panel. */
typedef struct pair {
    __m512 a, b;
} pair;
typedef struct int_pair {
    __m512i a, b;
} int_pair;

/* ---- loads ---- */

/* Memory is read fastest when the lines of the weights are touched in ascending order, which is what the processor's
 * prefetch follows; and the more of them are on their way, the fewer instructions stand between. So these stand where
 * they are written, each for a line, and what need not be in a register is an operand. */
typedef struct bytes4 {
    unsigned char byte[4];
} bytes4;
typedef struct bytes16 {
    unsigned char byte[16];
} bytes16;
typedef struct bytes64 {
    unsigned char byte[LINE];
} bytes64;
#define AT(type, p) "m"(*(const type *)(const void *)(p))

DOT_FN __m512i line(const unsigned char *p) {
    __m512i v;
    __asm__ volatile("vmovdqu64 %1, %0" : "=v"(v) : AT(bytes64, p));
    return v;
}
DOT_FN __m512i signed_bytes(const unsigned char *p) {
    __m512i v;
    __asm__ volatile("vpmovsxbd %1, %0" : "=v"(v) : AT(bytes16, p));
    return v;
}

/* ---- scales ---- */

/* What is to be touched before the codes, and what comes of it after them: until then it would wait in the scheduler.
 * Those of mxfp4 are read after them. */
DOT_FN int_pair first_of_scales(bb_q32_type type, const unsigned char *p) {
    int_pair none = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    if (type == BB_Q32_MXFP4) return none;
    return (int_pair){line(p), type == BB_Q32_NF4 ? line(p + LINE) : none.b};
}

/* 2^byte, also where it is subnormal. */
DOT_FN __m512 power(const unsigned char *p) {
    return _mm512_scalef_ps(_mm512_set1_ps(1), _mm512_cvtepi32_ps(signed_bytes(p)));
}

DOT_FN pair scales_of(bb_q32_type type, int_pair first, const unsigned char *p) {
    if (type == BB_Q32_MXFP4) return (pair){power(p), power(p + 16)};
    if (type == BB_Q32_NF4) return (pair){_mm512_castsi512_ps(first.a), _mm512_castsi512_ps(first.b)};
    return (pair){_mm512_cvtph_ps(_mm512_castsi512_si256(first.a)),
                  _mm512_cvtph_ps(_mm512_extracti64x4_epi64(first.a, 1))};
}

/* ---- codes ---- */

/* Of 4-bit codes the 16 values, four times: so the two bits of an index above its four do not matter. */
DOT_FN __m512i book_of(bb_q32_type type) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)bb_q32_book(type)));
}
/* Code + offset of the low halves of bytes, and of the high ones. */
DOT_FN __m512i low(bb_q32_type type, __m512i book, __m512i v) {
    return type == BB_Q32_Q4_0 ? _mm512_and_si512(v, _mm512_set1_epi8(15)) : _mm512_permutexvar_epi8(v, book);
}
DOT_FN __m512i high(bb_q32_type type, __m512i book, __m512i v) { return low(type, book, _mm512_srli_epi16(v, 4)); }

#define EACH8(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define EACH4(M) M(0, 4) M(1, 5) M(2, 6) M(3, 7)

/* Of a whole group, 4 values of k each. They stay in 16 registers while the tokens pass, so they are named and not an
 * array. */
typedef struct codes {
    __m512i a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
} codes;

DOT_FN codes codes_8(const unsigned char *p) {
    codes c;
#define QUAD(i)                                                                                                        \
    c.a##i = line(p + QUAD_BYTES * i);                                                                                 \
    c.b##i = line(p + QUAD_BYTES * i + LINE);
    EACH8(QUAD)
#undef QUAD
    return c;
}

DOT_FN codes codes_4(bb_q32_type type, const unsigned char *p) {
    const __m512i book = book_of(type);
    codes c;
#define HALVES(i, j)                                                                                                   \
    {                                                                                                                  \
        __m512i a = line(p + QUAD_BYTES * i), b = line(p + QUAD_BYTES * i + LINE);                                     \
        c.a##i = low(type, book, a);                                                                                   \
        c.a##j = high(type, book, a);                                                                                  \
        c.b##i = low(type, book, b);                                                                                   \
        c.b##j = high(type, book, b);                                                                                  \
    }
    EACH4(HALVES)
#undef HALVES
    return c;
}

/* y + scale * (d * sum) */
DOT_FN pair add(pair y, pair scale, float d, int_pair sum) {
    __m512 dd = _mm512_set1_ps(d);
    return (pair){_mm512_fmadd_ps(scale.a, _mm512_mul_ps(dd, _mm512_cvtepi32_ps(sum.a)), y.a),
                  _mm512_fmadd_ps(scale.b, _mm512_mul_ps(dd, _mm512_cvtepi32_ps(sum.b)), y.b)};
}

/* ---- one token: every line is used where it is loaded ---- */

/* sum + code times the four activations at x */
DOT_FN __m512i dot(__m512i sum, __m512i code, const signed char *x) {
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(code), AT(bytes4, x));
    return sum;
}

DOT_FN int_pair group_8(int_pair s, const unsigned char *p, const signed char *x) {
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++, p += QUAD_BYTES) {
        s.a = dot(s.a, line(p), x + 4 * i);
        s.b = dot(s.b, line(p + LINE), x + 4 * i);
    }
    return s;
}

/* The high halves stay where they are, as 16 times the code: it is their sums that are shifted. */
DOT_FN int_pair group_q4_0(int_pair s, const unsigned char *p, const signed char *x) {
    const __m512i low_half = _mm512_set1_epi8(15), high_half = _mm512_set1_epi8((char)0xF0);
    int_pair h = {_mm512_setzero_si512(), _mm512_setzero_si512()};
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++, p += QUAD_BYTES) {
        __m512i a = line(p), b = line(p + LINE);
        s.a = dot(s.a, _mm512_and_si512(a, low_half), x + 4 * i);
        h.a = dot(h.a, _mm512_and_si512(a, high_half), x + 16 + 4 * i);
        s.b = dot(s.b, _mm512_and_si512(b, low_half), x + 4 * i);
        h.b = dot(h.b, _mm512_and_si512(b, high_half), x + 16 + 4 * i);
    }
    return (int_pair){_mm512_add_epi32(s.a, _mm512_srai_epi32(h.a, 4)),
                      _mm512_add_epi32(s.b, _mm512_srai_epi32(h.b, 4))};
}

DOT_FN int_pair group_book(bb_q32_type type, int_pair s, const unsigned char *p, const signed char *x) {
    const __m512i book = book_of(type);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++, p += QUAD_BYTES) {
        __m512i a = line(p), b = line(p + LINE);
        s.a = dot(s.a, low(type, book, a), x + 4 * i);
        s.a = dot(s.a, high(type, book, a), x + 16 + 4 * i);
        s.b = dot(s.b, low(type, book, b), x + 4 * i);
        s.b = dot(s.b, high(type, book, b), x + 16 + 4 * i);
    }
    return s;
}

/* Group g, number i of its block. */
DOT_FN pair group_one(const bb_acts *acts, bb_q32_type type, const unsigned char *block, int_pair first, size_t i,
                      size_t g, pair y) {
    const unsigned char *p = bb_q32_codes(type, block, i);
    const signed char *x = (const signed char *)acts->values + g * BB_Q32_GROUP;
    int_pair s = {_mm512_set1_epi32(acts->starts[g]), _mm512_set1_epi32(acts->starts[g])};
    if (type == BB_Q32_Q8_0)
        s = group_8(s, p, x);
    else if (type == BB_Q32_Q4_0)
        s = group_q4_0(s, p, x);
    else
        s = group_book(type, s, p, x);
    return add(y, scales_of(type, first, bb_q32_scales(type, block, i)), acts->scales[g], s);
}

DOT_FN pair panel_one(const bb_acts *acts, bb_q32_type type, const unsigned char *block) {
    const size_t n = bb_q32_groups(type);
    pair y = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    size_t g = 0;
    for (; g + n <= acts->blocks; g += n, block += bb_q32_block_bytes(type)) {
        int_pair first = first_of_scales(type, block);
        y = group_one(acts, type, block, first, 0, g, y);
        if (n == 2) y = group_one(acts, type, block, first, 1, g + 1, y);
    }
    return g < acts->blocks ? group_one(acts, type, block, first_of_scales(type, block), 0, g, y) : y;
}

/* ---- several tokens ---- */

DOT_FN pair token(codes c, pair scale, const signed char *x, float d, int32_t start, pair y) {
    __m512i a = _mm512_set1_epi32(start), b = a, v;
#define DOT(i)                                                                                                         \
    v = dot_four(x + 4 * i);                                                                                           \
    a = _mm512_dpbusd_epi32(a, c.a##i, v);                                                                             \
    b = _mm512_dpbusd_epi32(b, c.b##i, v);
    EACH8(DOT)
#undef DOT
    return add(y, scale, d, (int_pair){a, b});
}

/* Two tokens take so little time for a group that the processor's own prefetch nearly reaches the bandwidth of memory,
 * and requests beside it would only take their place. With more of them it stops in between; and their activations lie
 * far from those of the next group. `bytes` of weights from p on, tokens from `at` on of the group. */
enum { FEW = 2, AHEAD = 9216 /* of the weights, into the second level */ };
DOT_FN void prefetch_for(const bb_acts *a, const unsigned char *p, size_t bytes, size_t at, size_t count) {
#pragma GCC unroll 18
    for (size_t i = 0; i < bytes; i += LINE)
        _mm_prefetch((const char *)((uintptr_t)p + AHEAD + i), _MM_HINT_T1); /* maybe beyond the panels */
    dot_prefetch(a->scales + at, a->tokens * sizeof *a->scales, count * sizeof *a->scales);
    dot_prefetch(a->starts + at, a->tokens * sizeof *a->starts, count * sizeof *a->starts);
}

/* A panel times tokens [first, first + count); y [count][32] stays in the first level of cache, out is where it goes.
 */
DOT_FN void panel_tile(const bb_gemm *g, bb_q32_type type, const unsigned char *panel, size_t first, size_t count,
                       float (*y)[BB_PANEL], const float *out) {
    const bb_acts *acts = g->acts;
    memset(y, 0, count * sizeof *y);
    for (size_t b = 0; b < acts->blocks; b++) {
        const unsigned char *p = bb_q32_codes(type, panel, b), *scale = bb_q32_scales(type, panel, b);
        size_t at = b * acts->tokens + first;
        if (acts->tokens > FEW) {
            prefetch_for(acts, p, bb_q32_block_bytes(type) / bb_q32_groups(type), at, count);
            if (b < count) dot_prefetch(out + b * g->out, 0, BB_PANEL * sizeof *out);
        }
        pair s = scales_of(type, first_of_scales(type, scale), scale);
        codes c = type == BB_Q32_Q8_0 ? codes_8(p) : codes_4(type, p);
        const signed char *x = (const signed char *)acts->values + at * BB_Q32_GROUP;
        const float *d = acts->scales + at;
        const int32_t *start = acts->starts + at;
        for (size_t t = 0; t < count; t++) {
            pair sum = {_mm512_load_ps(y[t]), _mm512_load_ps(y[t] + 16)};
            if (acts->tokens > FEW) dot_prefetch(x + t * BB_Q32_GROUP, acts->tokens * BB_Q32_GROUP, 1);
            sum = token(c, s, x + t * BB_Q32_GROUP, d[t], start[t], sum);
            _mm512_store_ps(y[t], sum.a);
            _mm512_store_ps(y[t] + 16, sum.b);
        }
    }
}

DOT_FN void put(bb_q32_type type, pair y, size_t live, float *to) {
    uint32_t mask = live < BB_PANEL ? (1u << live) - 1 : 0xFFFFFFFF;
    if (type == BB_Q32_NF4) {
        y.a = _mm512_div_ps(y.a, _mm512_set1_ps(BB_Q32_NF4_SCALE));
        y.b = _mm512_div_ps(y.b, _mm512_set1_ps(BB_Q32_NF4_SCALE));
    }
    _mm512_mask_storeu_ps(to, (__mmask16)mask, y.a);
    if (live > 16) _mm512_mask_storeu_ps(to + 16, (__mmask16)(mask >> 16), y.b);
}

DOT_FN void gemm(const bb_gemm *g, size_t first, size_t count, bb_q32_type type) {
    _Alignas(LINE) float y[BB_Q32_TILE][BB_PANEL];
    size_t tokens = g->acts->tokens, tiles = (tokens + BB_Q32_TILE - 1) / BB_Q32_TILE;
    for (size_t i = 0; i < tiles; i++) {
        size_t at, n = bb_q32_tile(tokens, i, tiles, &at);
        for (size_t p = first; p < first + count; p++) {
            const unsigned char *panel = g->panels + p * g->panel_bytes;
            size_t left = g->out - p * BB_PANEL;
            float *out = g->y + at * g->out + p * BB_PANEL;
            if (tokens == 1) {
                put(type, panel_one(g->acts, type, panel), left, out);
                continue;
            }
            panel_tile(g, type, panel, at, n, y, out);
            for (size_t t = 0; t < n; t++)
                put(type, (pair){_mm512_load_ps(y[t]), _mm512_load_ps(y[t] + 16)}, left, out + t * g->out);
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
