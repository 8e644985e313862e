/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_q32_avx512.c - groups of 32 with AVX-512 VNNI: the bits of gemm_q32.c. */
#include "kernel/gemm_q32.h"
#include <string.h>
#if BB_X86
#include <immintrin.h>

#define FN static inline __attribute__((always_inline)) BB_TARGET_AVX512_VNNI
enum { LINE = 64, QUAD_BYTES = 2 * LINE };

/* Rows 0..15 and 16..31 of a panel. */
typedef struct pair {
    __m512 a, b;
} pair;

/* A line of the weights, loaded where it stands among the others: they are touched in ascending order, which is what
 * the processor's prefetch follows. The compiler would fold and reorder them. */
FN __m512i line(const unsigned char *p) {
    __m512i v = _mm512_loadu_si512(p);
    __asm__ volatile("" : "+v"(v));
    return v;
}

FN __m512i four(const signed char *x) {
    int v;
    memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
}

/* ---- scales ---- */

typedef struct raw_scales {
    __m512i a, b;
} raw_scales;

FN raw_scales load_scales(bb_q32_type type, const unsigned char *p) {
    if (type == BB_Q32_MXFP4) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
        __asm__ volatile("" : "+v"(v));
        return (raw_scales){_mm512_castsi256_si512(v), _mm512_setzero_si512()};
    }
    return (raw_scales){line(p), type == BB_Q32_NF4 ? line(p + LINE) : _mm512_setzero_si512()};
}

/* 2^(e - 128), subnormal below e = 2, as bb_e8m0_half: the upper 16 bits of fp32 have it all. */
FN pair of_e8m0(__m256i bytes) {
    const __m512i one = _mm512_set1_epi16(1), sixteen = _mm512_set1_epi32(0x00100000);
    const __m512i rows =
        _mm512_set_epi32(0x000F0000, 0x000E0000, 0x000D0000, 0x000C0000, 0x000B0000, 0x000A0000, 0x00090000, 0x00080000,
                         0x00070000, 0x00060000, 0x00050000, 0x00040000, 0x00030000, 0x00020000, 0x00010000, 0);
    __m512i e = _mm512_cvtepu8_epi16(bytes);
    __m512i tiny = _mm512_srlv_epi16(_mm512_set1_epi16(0x0040), _mm512_sub_epi16(one, e)); /* 0 from e = 2 on */
    __m512i words = _mm512_max_epi16(_mm512_slli_epi16(_mm512_sub_epi16(e, one), 7), tiny);
    __m512i a = _mm512_maskz_permutexvar_epi16(0xAAAAAAAA, rows, words);
    __m512i b = _mm512_maskz_permutexvar_epi16(0xAAAAAAAA, _mm512_or_si512(rows, sixteen), words);
    return (pair){_mm512_castsi512_ps(a), _mm512_castsi512_ps(b)};
}

FN pair scales_of(bb_q32_type type, raw_scales raw) {
    if (type == BB_Q32_MXFP4) return of_e8m0(_mm512_castsi512_si256(raw.a));
    if (type == BB_Q32_NF4) return (pair){_mm512_castsi512_ps(raw.a), _mm512_castsi512_ps(raw.b)};
    return (pair){_mm512_cvtph_ps(_mm512_castsi512_si256(raw.a)), _mm512_cvtph_ps(_mm512_extracti64x4_epi64(raw.a, 1))};
}

/* ---- codes ---- */

/* Of 4-bit codes the 16 values, four times: so the two bits of an index above its four do not matter. */
FN __m512i book_of(bb_q32_type type) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)bb_q32_book(type)));
}
/* Code + offset of the low halves of bytes, and of the high ones. */
FN __m512i low(bb_q32_type type, __m512i book, __m512i v) {
    return type == BB_Q32_Q4_0 ? _mm512_and_si512(v, _mm512_set1_epi8(15)) : _mm512_permutexvar_epi8(v, book);
}
FN __m512i high(bb_q32_type type, __m512i book, __m512i v) { return low(type, book, _mm512_srli_epi16(v, 4)); }

#define EACH8(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define EACH4(M) M(0, 4) M(1, 5) M(2, 6) M(3, 7)

/* Of a whole group, 4 values of k each. They stay in 16 registers while the tokens pass, so they are named and not an
 * array. */
typedef struct codes {
    __m512i a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
} codes;

FN codes codes_8(const unsigned char *p) {
    codes c;
#define QUAD(i)                                                                                                        \
    c.a##i = line(p + QUAD_BYTES * i);                                                                                 \
    c.b##i = line(p + QUAD_BYTES * i + LINE);
    EACH8(QUAD)
#undef QUAD
    return c;
}

FN codes codes_4(bb_q32_type type, const unsigned char *p) {
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

/* ---- products ---- */

/* y + scale * (d * sum) */
FN pair add(pair y, pair scale, float d, __m512i a, __m512i b) {
    __m512 dd = _mm512_set1_ps(d);
    return (pair){_mm512_fmadd_ps(scale.a, _mm512_mul_ps(dd, _mm512_cvtepi32_ps(a)), y.a),
                  _mm512_fmadd_ps(scale.b, _mm512_mul_ps(dd, _mm512_cvtepi32_ps(b)), y.b)};
}

FN pair token(codes c, pair scale, const signed char *x, float d, int32_t start, pair y) {
    __m512i a = _mm512_set1_epi32(start), b = a, v;
#define DOT(i)                                                                                                         \
    v = four(x + 4 * i);                                                                                               \
    a = _mm512_dpbusd_epi32(a, c.a##i, v);                                                                             \
    b = _mm512_dpbusd_epi32(b, c.b##i, v);
    EACH8(DOT)
#undef DOT
    return add(y, scale, d, a, b);
}

/* A panel times one token: each line is used where it is loaded, so that many are on their way. */
FN pair panel_one(const bb_acts *acts, bb_q32_type type, const unsigned char *panel) {
    const __m512i book = book_of(type);
    const signed char *x = acts->values;
    pair sum = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (size_t g = 0; g < acts->blocks; g++, x += BB_Q32_GROUP) {
        const unsigned char *p = bb_q32_codes(type, panel, g);
        raw_scales raw = load_scales(type, bb_q32_scales(type, panel, g));
        __m512i a = _mm512_set1_epi32(acts->starts[g]), b = a;
#pragma GCC unroll 2
        for (size_t i = 0; i < bb_q32_code_bytes(type) / QUAD_BYTES; i++, p += QUAD_BYTES) {
            __m512i u = line(p), v = line(p + LINE), first = four(x + 4 * i);
            if (type == BB_Q32_Q8_0) {
                a = _mm512_dpbusd_epi32(a, u, first);
                b = _mm512_dpbusd_epi32(b, v, first);
                continue;
            }
            __m512i second = four(x + BB_Q32_GROUP / 2 + 4 * i);
            a = _mm512_dpbusd_epi32(a, low(type, book, u), first);
            a = _mm512_dpbusd_epi32(a, high(type, book, u), second);
            b = _mm512_dpbusd_epi32(b, low(type, book, v), first);
            b = _mm512_dpbusd_epi32(b, high(type, book, v), second);
        }
        sum = add(sum, scales_of(type, raw), acts->scales[g], a, b);
    }
    return sum;
}

FN void prefetch(const void *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i += LINE) _mm_prefetch((const char *)((uintptr_t)p + i), _MM_HINT_T0);
}

/* One or two tokens take so little time for a group that the processor's own prefetch reaches the bandwidth of memory,
 * and requests beside it would only take their place. With more of them it stops in between; and their activations lie
 * far from those of the next group. `bytes` of weights from p on, and tokens `at` of the group. */
enum { FEW = 2, AHEAD = 9216 /* of the weights, into the second level */ };
FN void prefetch_for(const bb_acts *a, const unsigned char *p, size_t bytes, size_t at, size_t count) {
#pragma GCC unroll 18
    for (size_t i = 0; i < bytes; i += LINE)
        _mm_prefetch((const char *)((uintptr_t)p + AHEAD + i), _MM_HINT_T1); /* maybe beyond the panels */
    prefetch(a->scales + at + a->tokens, count * sizeof *a->scales);
    prefetch(a->starts + at + a->tokens, count * sizeof *a->starts);
}

/* A panel times tokens [first, first + count); y [count][32] stays in the first level of cache, out is where it goes.
 */
FN void panel_tile(const bb_gemm *g, bb_q32_type type, const unsigned char *panel, size_t first, size_t count,
                   float (*y)[BB_PANEL], const float *out) {
    const bb_acts *acts = g->acts;
    memset(y, 0, count * sizeof *y);
    for (size_t b = 0; b < acts->blocks; b++) {
        const unsigned char *p = bb_q32_codes(type, panel, b);
        size_t at = b * acts->tokens + first;
        if (acts->tokens > FEW) {
            prefetch_for(acts, p, bb_q32_block_bytes(type) / bb_q32_groups(type), at, count);
            if (b < count) prefetch(out + b * g->out, BB_PANEL * sizeof *out);
        }
        pair scale = scales_of(type, load_scales(type, bb_q32_scales(type, panel, b)));
        codes c = type == BB_Q32_Q8_0 ? codes_8(p) : codes_4(type, p);
        const signed char *x = (const signed char *)acts->values + at * BB_Q32_GROUP;
        const float *d = acts->scales + at;
        const int32_t *start = acts->starts + at;
        for (size_t t = 0; t < count; t++) {
            pair sum = {_mm512_load_ps(y[t]), _mm512_load_ps(y[t] + 16)};
            if (acts->tokens > FEW) prefetch(x + (t + acts->tokens) * BB_Q32_GROUP, 1);
            sum = token(c, scale, x + t * BB_Q32_GROUP, d[t], start[t], sum);
            _mm512_store_ps(y[t], sum.a);
            _mm512_store_ps(y[t] + 16, sum.b);
        }
    }
}

FN void put(bb_q32_type type, pair y, size_t live, float *to) {
    uint32_t mask = live < BB_PANEL ? (1u << live) - 1 : 0xFFFFFFFF;
    if (type == BB_Q32_NF4) {
        y.a = _mm512_div_ps(y.a, _mm512_set1_ps(BB_Q32_NF4_SCALE));
        y.b = _mm512_div_ps(y.b, _mm512_set1_ps(BB_Q32_NF4_SCALE));
    }
    _mm512_mask_storeu_ps(to, (__mmask16)mask, y.a);
    if (live > 16) _mm512_mask_storeu_ps(to + 16, (__mmask16)(mask >> 16), y.b);
}

FN void gemm(const bb_gemm *g, size_t first, size_t count, bb_q32_type type) {
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
