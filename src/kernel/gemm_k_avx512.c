/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_k_avx512.c - q4_K and q6_K with AVX-512 VNNI: the bits of gemm_k.c. */
#include "kernel/gemm_k.h"
#if BB_X86
#include "kernel/dot_512.h"

/* Several tokens: the codes of 32 k fill 16 registers while all tokens of a tile pass, whose partial sums wait in L1.
 * One token: its sums stay in registers while the weights stream by. */
#define BIG static BB_TARGET_AVX512_VNNI

enum { BLOCK = BB_ACT_BLOCK };

DOT_FN __m512i load(const void *p) { return _mm512_loadu_si512(p); }
DOT_FN __m512 halves(const unsigned char *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
DOT_FN __m512 floats(__m512i v) { return _mm512_cvtepi32_ps(v); }

/* The low six bits of a lane, and what the lanes A, B, C of gemm_k.h hold on top of them. */
DOT_FN __m512i low6(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi8(63)); }
DOT_FN __m512i choose(__m512i mask, __m512i yes, __m512i no) { return _mm512_ternarylogic_epi32(mask, yes, no, 0xCA); }
DOT_FN __m512i top6(__m512i a, __m512i b, __m512i c) {
    __m512i v = choose(_mm512_set1_epi8(0x30), _mm512_srli_epi32(a, 2), _mm512_srli_epi32(b, 4));
    return low6(choose(_mm512_set1_epi8(3), _mm512_srli_epi32(c, 6), v));
}

/* Sums of a token's 32 outputs, in two halves. */
typedef struct pair {
    __m512 a, b;
} pair;
DOT_FN pair pair_at(const float *p, bool zero) {
    if (zero) return (pair){_mm512_setzero_ps(), _mm512_setzero_ps()};
    return (pair){_mm512_load_ps(p), _mm512_load_ps(p + 16)};
}
DOT_FN void pair_to(float *p, pair v) {
    _mm512_store_ps(p, v.a);
    _mm512_store_ps(p + 16, v.b);
}
DOT_FN pair pair_fma(pair scale, __m512i a, __m512i b, pair sum) {
    return (pair){_mm512_fmadd_ps(scale.a, floats(a), sum.a), _mm512_fmadd_ps(scale.b, floats(b), sum.b)};
}
DOT_FN pair pair_fnma(pair scale, __m512i a, __m512i b, pair sum) {
    return (pair){_mm512_fnmadd_ps(scale.a, floats(a), sum.a), _mm512_fnmadd_ps(scale.b, floats(b), sum.b)};
}
DOT_FN pair pair_scale(const float *scale, pair v, pair sum) {
    const __m512 d = _mm512_set1_ps(*scale);
    return (pair){_mm512_fmadd_ps(d, v.a, sum.a), _mm512_fmadd_ps(d, v.b, sum.b)};
}

#define EACH4(M) M(0) M(1) M(2) M(3)

/* ---- q4_K ---- */

/* Of 16 rows, from their lanes A, B, C. */
DOT_FN void q4_mins(const __m512i *lanes, __m512i *m) {
    const __m512i pairs = _mm512_set1_epi16(63), top = top6(lanes[0], lanes[1], lanes[2]);
    m[0] = _mm512_and_si512(lanes[2], pairs);
    m[1] = _mm512_and_si512(_mm512_srli_epi32(lanes[2], 8), pairs);
    m[2] = _mm512_and_si512(top, pairs);
    m[3] = _mm512_srli_epi16(top, 8);
}

DOT_FN __m512i q4_mins_dot(const __m512i *lanes, const int16_t *sums) {
    __m512i m[4], sum = _mm512_setzero_si512();
    q4_mins(lanes, m);
    for (size_t k = 0; k < 4; k++) sum = _mm512_dpwssd_epi32(sum, m[k], dot_four(sums + 2 * k));
    return sum;
}

/* Scale k of four, the bytes of a lane. */
DOT_FN __m512 q4_scale(__m512 d, __m512i lane, unsigned k) {
    return _mm512_mul_ps(d, floats(_mm512_and_si512(_mm512_srli_epi32(lane, 8 * k), _mm512_set1_epi32(63))));
}

BIG void q4_open(const unsigned char *block, bb_q4_K_head *h) {
    for (size_t c = 0; c < BB_PANEL; c += 16) {
        const unsigned char *from = block + Q4_K_SCALES + 4 * c;
        const __m512i lanes[3] = {load(from), load(from + K_ROW), load(from + 2 * K_ROW)};
        const __m512 d = halves(block + 2 * c);
        __m512i m[4];
        q4_mins(lanes, m);
        for (size_t k = 0; k < 4; k++) {
            _mm512_store_si512(h->mins[k] + c, m[k]);
            _mm512_store_ps(h->scale[k] + c, q4_scale(d, lanes[0], (unsigned)k));
            _mm512_store_ps(h->scale[4 + k] + c, q4_scale(d, lanes[1], (unsigned)k));
        }
        _mm512_store_ps(h->dmin + c, halves(block + Q4_K_DMIN + 2 * c));
    }
}

#define Q4_CODES(i)                                                                                                    \
    const __m512i u##i = load(code + K_ROW * (i)), v##i = load(code + K_ROW * (i) + 64);                               \
    const __m512i ua##i = _mm512_and_si512(u##i, low), va##i = _mm512_and_si512(v##i, low);                            \
    const __m512i ub##i = _mm512_and_si512(_mm512_srli_epi32(u##i, 4), low);                                           \
    const __m512i vb##i = _mm512_and_si512(_mm512_srli_epi32(v##i, 4), low);
#define Q4_DOT(i)                                                                                                      \
    const __m512i x##i = dot_four(x + 4 * (i)), z##i = dot_four(x + 16 + 4 * (i));                                     \
    a = _mm512_dpbusd_epi32(a, ua##i, x##i);                                                                           \
    b = _mm512_dpbusd_epi32(b, va##i, x##i);                                                                           \
    c = _mm512_dpbusd_epi32(c, ub##i, z##i);                                                                           \
    d = _mm512_dpbusd_epi32(d, vb##i, z##i);

/* 32 k of n tokens. */
DOT_FN void q4_sub(const unsigned char *code, const float *scale, const signed char *x, size_t n, bool first,
                   float (*part)[BB_PANEL]) {
    const __m512i low = _mm512_set1_epi8(15);
    const pair s = pair_at(scale, false);
    EACH4(Q4_CODES)
    for (size_t t = 0; t < n; t++, x += BLOCK) {
        __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
        EACH4(Q4_DOT)
        pair_to(part[t], pair_fma(s, _mm512_add_epi32(a, c), _mm512_add_epi32(b, d), pair_at(part[t], first)));
    }
}

#define Q4_MINS(i) const __m512i ma##i = load(h->mins[i]), mb##i = load(h->mins[i] + 16);
#define Q4_MIN_DOT(i)                                                                                                  \
    const __m512i x##i = dot_four(sums + 2 * (i));                                                                     \
    a = _mm512_dpwssd_epi32(a, ma##i, x##i);                                                                           \
    b = _mm512_dpwssd_epi32(b, mb##i, x##i);

BIG void q4_close(const bb_q4_K_head *h, const int16_t *sums, const float *scales, size_t n, bool first, bb_k_tile *s) {
    const pair dmin = pair_at(h->dmin, false);
    EACH4(Q4_MINS)
    for (size_t t = 0; t < n; t++, sums += 8) {
        __m512i a = _mm512_setzero_si512(), b = a;
        EACH4(Q4_MIN_DOT)
        const pair part = pair_fnma(dmin, a, b, pair_at(s->part[t], false));
        pair_to(s->y[t], pair_scale(scales + t, part, pair_at(s->y[t], first)));
    }
}

/* Tokens t..t + n - 1 of a panel. */
BIG void q4_tile(const bb_gemm *g, const unsigned char *panel, size_t t, size_t n, bb_k_tile *s) {
    const bb_acts *a = g->acts;
    bb_q4_K_head h;
    for (size_t b = 0; b < g->blocks; b++) {
        const unsigned char *block = panel + b * Q4_K_BLOCK, *code = block + Q4_K_CODES;
        const signed char *x = (const signed char *)a->values + (8 * b * a->tokens + t) * BLOCK;
        bb_k_fetch(block, Q4_K_CODES + Q4_K_SUB, n >= BB_K_FETCH_TOKENS);
        q4_open(block, &h);
        q4_sub(code, h.scale[0], x, n, true, s->part);
        for (size_t j = 1; j < 8; j++) {
            code += Q4_K_SUB;
            x += a->tokens * BLOCK;
            bb_k_fetch(code, Q4_K_SUB, n >= BB_K_FETCH_TOKENS);
            q4_sub(code, h.scale[j], x, n, false, s->part);
        }
        q4_close(&h, a->sums + (b * a->tokens + t) * 8, a->scales + b * a->tokens + t, n, b == 0, s);
    }
}

/* c and d count the high halves as they stand, 16 times their codes. */
#define Q4_STREAM(i)                                                                                                   \
    const __m512i u##i = load(code + K_ROW * (i)), v##i = load(code + K_ROW * (i) + 64);                               \
    const __m512i x##i = dot_four(x + 4 * (i)), z##i = dot_four(x + 16 + 4 * (i));                                     \
    a = _mm512_dpbusd_epi32(a, _mm512_and_si512(u##i, low), x##i);                                                     \
    b = _mm512_dpbusd_epi32(b, _mm512_and_si512(v##i, low), x##i);                                                     \
    c = _mm512_dpbusd_epi32(c, _mm512_and_si512(u##i, high), z##i);                                                    \
    d = _mm512_dpbusd_epi32(d, _mm512_and_si512(v##i, high), z##i);

DOT_FN pair q4_stream_sub(const unsigned char *code, pair scale, const signed char *x, pair part) {
    const __m512i low = _mm512_set1_epi8(15), high = _mm512_set1_epi8(-16);
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    EACH4(Q4_STREAM)
    return pair_fma(scale, _mm512_add_epi32(a, _mm512_srai_epi32(c, 4)), _mm512_add_epi32(b, _mm512_srai_epi32(d, 4)),
                    part);
}

/* The one token of a panel. Each block is read from its beginning to its end. */
BIG void q4_stream(const bb_gemm *g, const unsigned char *block, size_t t, size_t n, bb_k_tile *s) {
    (void)t;
    (void)n;
    const signed char *x = g->acts->values;
    const int16_t *sums = g->acts->sums;
    pair y = pair_at(NULL, true);
    for (size_t b = 0; b < g->blocks; b++, block += Q4_K_BLOCK, sums += 8) {
        const unsigned char *lanes = block + Q4_K_SCALES, *code = block + Q4_K_CODES;
        const pair d = {halves(block), halves(block + 32)};
        const pair dmin = {halves(block + Q4_K_DMIN), halves(block + Q4_K_DMIN + 32)};
        const __m512i sa[3] = {load(lanes), load(lanes + K_ROW), load(lanes + 2 * K_ROW)};
        const __m512i sb[3] = {load(lanes + 64), load(lanes + K_ROW + 64), load(lanes + 2 * K_ROW + 64)};
        const __m512i ma = q4_mins_dot(sa, sums), mb = q4_mins_dot(sb, sums);
        pair part = pair_at(NULL, true);
        for (int j = 0; j < 8; j += 4) {
            __m512i la = sa[j / 4], lb = sb[j / 4];
            for (int k = 0; k < 4; k++, x += BLOCK, code += Q4_K_SUB) {
                part = q4_stream_sub(code, (pair){q4_scale(d.a, la, 0), q4_scale(d.b, lb, 0)}, x, part);
                la = _mm512_srli_epi32(la, 8);
                lb = _mm512_srli_epi32(lb, 8);
            }
        }
        y = pair_scale(g->acts->scales + b, pair_fnma(dmin, ma, mb, part), y);
    }
    pair_to(s->y[0], y);
}

/* ---- q6_K ---- */

/* Scales of 32 rows. */
DOT_FN pair q6_scale(pair d, const unsigned char *bytes) {
    const __m128i *p = (const __m128i *)(const void *)bytes;
    return (pair){_mm512_mul_ps(d.a, floats(_mm512_cvtepi8_epi32(_mm_loadu_si128(p)))),
                  _mm512_mul_ps(d.b, floats(_mm512_cvtepi8_epi32(_mm_loadu_si128(p + 1))))};
}

/* The codes of 16 k of 16 rows: w##0 to w##3. */
#define Q6_CODES(w, from)                                                                                              \
    const __m512i w##u = load(from), w##v = load((from) + K_ROW), w##w = load((from) + 2 * K_ROW);                     \
    const __m512i w##0 = low6(w##u), w##1 = low6(w##v), w##2 = low6(w##w), w##3 = top6(w##u, w##v, w##w);
#define Q6_DOT(i)                                                                                                      \
    const __m512i x##i = dot_four(x + 4 * (i)), z##i = dot_four(x + 16 + 4 * (i));                                     \
    a = _mm512_dpbusd_epi32(a, ka##i, x##i);                                                                           \
    b = _mm512_dpbusd_epi32(b, kb##i, x##i);                                                                           \
    c = _mm512_dpbusd_epi32(c, kc##i, z##i);                                                                           \
    d = _mm512_dpbusd_epi32(d, kd##i, z##i);

/* 32 k of n tokens, whose sums begin at starts and starts + stride. */
DOT_FN void q6_sub(const unsigned char *sub, pair scale, const signed char *x, const int32_t *starts, size_t stride,
                   size_t n, bool first, float (*part)[BB_PANEL]) {
    const unsigned char *code = sub + 2 * BB_PANEL;
    const pair s = q6_scale(scale, sub), r = q6_scale(scale, sub + BB_PANEL);
    Q6_CODES(ka, code)
    Q6_CODES(kb, code + 64)
    Q6_CODES(kc, code + Q6_K_HALF)
    Q6_CODES(kd, code + Q6_K_HALF + 64)
    for (size_t t = 0; t < n; t++, x += BLOCK) {
        __m512i a = dot_four(starts + t), b = a, c = dot_four(starts + stride + t), d = c;
        EACH4(Q6_DOT)
        pair_to(part[t], pair_fma(r, c, d, pair_fma(s, a, b, pair_at(part[t], first))));
    }
}

BIG void q6_close(const float *scales, size_t n, bool first, bb_k_tile *s) {
    for (size_t t = 0; t < n; t++)
        pair_to(s->y[t], pair_scale(scales + t, pair_at(s->part[t], false), pair_at(s->y[t], first)));
}

BIG void q6_tile(const bb_gemm *g, const unsigned char *panel, size_t t, size_t n, bb_k_tile *s) {
    const bb_acts *a = g->acts;
    for (size_t b = 0; b < g->blocks; b++) {
        const unsigned char *block = panel + b * Q6_K_BLOCK, *sub = block + Q6_K_SUBS;
        const signed char *x = (const signed char *)a->values + (8 * b * a->tokens + t) * BLOCK;
        const int32_t *starts = a->starts + 16 * b * a->tokens + t;
        const pair d = {halves(block), halves(block + 32)};
        bb_k_fetch(block, Q6_K_SUBS + Q6_K_SUB, n >= BB_K_FETCH_TOKENS);
        q6_sub(sub, d, x, starts, a->tokens, n, true, s->part);
        for (size_t j = 1; j < 8; j++) {
            sub += Q6_K_SUB;
            x += a->tokens * BLOCK;
            starts += 2 * a->tokens;
            bb_k_fetch(sub, Q6_K_SUB, n >= BB_K_FETCH_TOKENS);
            q6_sub(sub, d, x, starts, a->tokens, n, false, s->part);
        }
        q6_close(a->scales + b * a->tokens + t, n, b == 0, s);
    }
}

#define Q6_STREAM(i)                                                                                                   \
    const __m512i x##i = dot_four(x + 4 * (i));                                                                        \
    a = _mm512_dpbusd_epi32(a, ka##i, x##i);                                                                           \
    b = _mm512_dpbusd_epi32(b, kb##i, x##i);

/* 16 k */
DOT_FN pair q6_stream_half(const unsigned char *code, pair scale, const signed char *x, const int32_t *start,
                           pair part) {
    __m512i a = dot_four(start), b = a;
    Q6_CODES(ka, code)
    Q6_CODES(kb, code + 64)
    EACH4(Q6_STREAM)
    return pair_fma(scale, a, b, part);
}

BIG void q6_stream(const bb_gemm *g, const unsigned char *block, size_t t, size_t n, bb_k_tile *s) {
    (void)t;
    (void)n;
    const signed char *x = g->acts->values;
    const int32_t *starts = g->acts->starts;
    pair y = pair_at(NULL, true);
    for (size_t b = 0; b < g->blocks; b++, block += Q6_K_BLOCK) {
        const unsigned char *sub = block + Q6_K_SUBS;
        const pair d = {halves(block), halves(block + 32)};
        pair part = pair_at(NULL, true);
        for (size_t j = 0; j < 8; j++, x += BLOCK, starts += 2, sub += Q6_K_SUB) {
            const unsigned char *code = sub + 2 * BB_PANEL;
            const pair v = q6_scale(d, sub), w = q6_scale(d, sub + BB_PANEL);
            part = q6_stream_half(code, v, x, starts, part);
            part = q6_stream_half(code + Q6_K_HALF, w, x + 16, starts + 1, part);
        }
        y = pair_scale(g->acts->scales + b, part, y);
    }
    pair_to(s->y[0], y);
}

BB_TARGET_AVX512_VNNI void bb_gemm_q4_K_avx512_vnni(const bb_gemm *g, size_t first, size_t count) {
    bb_gemm_k_run(g, first, count, g->acts->tokens == 1 ? q4_stream : q4_tile);
}
BB_TARGET_AVX512_VNNI void bb_gemm_q6_K_avx512_vnni(const bb_gemm *g, size_t first, size_t count) {
    bb_gemm_k_run(g, first, count, g->acts->tokens == 1 ? q6_stream : q6_tile);
}
#endif
