/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_k_256.h - q4_K and q6_K in registers of 256 bits: the bits of gemm_k.c. Included once by each instruction set.
 *
 * Before it: DOT_TARGET, the attribute of its functions; GEMM_NAME(type), a kernel's name; and where the instruction is
 * there DOT_STEP(acc, u, s), which adds to each of 8 int32 the products of 4 unsigned bytes with 4 signed ones
 * (vpdpbusd). */
#ifndef BB_KERNEL_GEMM_K_256_H
#define BB_KERNEL_GEMM_K_256_H
#include "kernel/dot_256.h"
#include "kernel/gemm_k.h"

#define EIGHT 8 /* rows whose codes of 32 k fill eight registers */

DOT_FN __m256 halves(const unsigned char *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
DOT_FN __m256 floats(__m256i v) { return _mm256_cvtepi32_ps(v); }

/* ---- exact sums of products of codes and four bytes of a token ---- */

#ifdef DOT_STEP
DOT_FN __m256i step(__m256i sum, __m256i w, __m256i x) { return DOT_STEP(sum, w, x); }
DOT_FN __m256i finish(__m256i sum) { return sum; }
/* 16 codes up to 63. */
DOT_FN __m256i dot_q6(const __m256i *w, const __m256i *x, __m256i sum) {
    return step(step(step(step(sum, w[0], x[0]), w[1], x[1]), w[2], x[2]), w[3], x[3]);
}
#else
/* In 16 bits: eight steps with codes up to 15 reach 16 * 15 * 127 = 30480, two with codes up to 63 4 * 63 * 127 =
 * 32004.
 */
DOT_FN __m256i step(__m256i sum, __m256i w, __m256i x) {
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x));
    __asm__("" : "+x"(sum)); /* keeps the sums in this order: in others they need more registers than there are */
    return sum;
}
DOT_FN __m256i finish(__m256i sum) { return _mm256_madd_epi16(sum, _mm256_set1_epi16(1)); }
DOT_FN __m256i dot_q6(const __m256i *w, const __m256i *x, __m256i sum) {
    __m256i a = finish(step(_mm256_maddubs_epi16(w[0], x[0]), w[1], x[1]));
    __m256i b = finish(step(_mm256_maddubs_epi16(w[2], x[2]), w[3], x[3]));
    return _mm256_add_epi32(_mm256_add_epi32(sum, a), b);
}
#endif

#define EACH4(M) M(0) M(1) M(2) M(3)

/* ---- lanes of six bits ---- */

DOT_FN __m256i six(void) { return _mm256_set1_epi8(63); }
DOT_FN __m256i low6(__m256i v) { return _mm256_and_si256(v, six()); }
/* What stands on top of them; one mask for all, because registers are few. */
DOT_FN __m256i top6(__m256i a, __m256i b, __m256i c) {
    a = _mm256_srli_epi32(_mm256_andnot_si256(six(), a), 2);
    b = _mm256_srli_epi32(_mm256_andnot_si256(six(), b), 4);
    c = _mm256_srli_epi32(_mm256_andnot_si256(six(), c), 6);
    return _mm256_or_si256(_mm256_or_si256(a, b), c);
}

/* ---- q4_K ---- */

/* Scale k of four, the bytes of a lane. */
DOT_FN __m256 q4_scale(__m256 d, __m256i lane, int k) {
    return _mm256_mul_ps(d, floats(_mm256_and_si256(_mm256_srli_epi32(lane, 8 * k), _mm256_set1_epi32(63))));
}

static DOT_TARGET void q4_open(const unsigned char *block, bb_q4_K_head *h) {
    const __m256i pairs = _mm256_set1_epi16(63);
    for (size_t c = 0; c < BB_PANEL; c += EIGHT) {
        const unsigned char *lanes = block + Q4_K_SCALES + 4 * c;
        const __m256i l[3] = {dot_bytes(lanes), dot_bytes(lanes + K_ROW), dot_bytes(lanes + 2 * K_ROW)},
                      top = top6(l[0], l[1], l[2]);
        const __m256 d = halves(block + 2 * c);
        for (int k = 0; k < 4; k++) {
            _mm256_store_ps(h->scale[k] + c, q4_scale(d, l[0], k));
            _mm256_store_ps(h->scale[4 + k] + c, q4_scale(d, l[1], k));
        }
        _mm256_store_ps(h->dmin + c, halves(block + Q4_K_DMIN + 2 * c));
        _mm256_store_si256((__m256i *)(void *)(h->mins[0] + c), _mm256_and_si256(l[2], pairs));
        _mm256_store_si256((__m256i *)(void *)(h->mins[1] + c), _mm256_and_si256(_mm256_srli_epi32(l[2], 8), pairs));
        _mm256_store_si256((__m256i *)(void *)(h->mins[2] + c), _mm256_and_si256(top, pairs));
        _mm256_store_si256((__m256i *)(void *)(h->mins[3] + c), _mm256_srli_epi16(top, 8));
    }
}

DOT_FN __m256i low4(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
DOT_FN __m256i high4(__m256i v) { return low4(_mm256_srli_epi32(v, 4)); }

#define Q4_CODES(i)                                                                                                    \
    const __m256i u##i = dot_bytes(code + K_ROW * (i));                                                                \
    w[i] = low4(u##i);                                                                                                 \
    w[4 + (i)] = high4(u##i);

#define Q4_STEPS(i)                                                                                                    \
    sum = step(sum, w[i], dot_four(x + 4 * (i)));                                                                      \
    sum = step(sum, w[4 + (i)], dot_four(x + 16 + 4 * (i)));

/* 32 k of eight rows and n tokens. */
DOT_FN void q4_sub(const unsigned char *code, const float *scale, const signed char *x, size_t n, bool first,
                   float (*part)[BB_PANEL], size_t c) {
    const __m256 s = _mm256_load_ps(scale);
    __m256i w[8];
    EACH4(Q4_CODES)
    for (size_t t = 0; t < n; t++, x += BB_ACT_BLOCK) {
        __m256 p = first ? _mm256_setzero_ps() : _mm256_load_ps(part[t] + c);
        __m256i sum = _mm256_setzero_si256();
        EACH4(Q4_STEPS)
        _mm256_store_ps(part[t] + c, _mm256_fmadd_ps(s, floats(finish(sum)), p));
    }
}

#define MIN_DOT(i) m = _mm256_add_epi32(m, _mm256_madd_epi16(dot_bytes(h->mins[i] + c), dot_four(sums + 2 * (i))))

static DOT_TARGET void q4_close(const bb_q4_K_head *h, const int16_t *sums, const float *scales, size_t n, bool first,
                                bb_k_tile *s) {
    for (size_t t = 0; t < n; t++, sums += 8)
        for (size_t c = 0; c < BB_PANEL; c += EIGHT) {
            __m256i m = _mm256_setzero_si256();
            MIN_DOT(0), MIN_DOT(1), MIN_DOT(2), MIN_DOT(3);
            __m256 p = _mm256_fnmadd_ps(_mm256_load_ps(h->dmin + c), floats(m), _mm256_load_ps(s->part[t] + c));
            __m256 y = first ? _mm256_setzero_ps() : _mm256_load_ps(s->y[t] + c);
            _mm256_store_ps(s->y[t] + c, _mm256_fmadd_ps(_mm256_set1_ps(scales[t]), p, y));
        }
}

/* One token: the eight rows inside, so that a block is read once and in order, and sums stay in registers. */
#define Q4_ROWS(i)                                                                                                     \
    v = dot_bytes(code + 32 * (i));                                                                                    \
    sum[i] = step(step(sum[i], low4(v), a), high4(v), b);
#define Q4_PARTS(i) part[i] = _mm256_fmadd_ps(_mm256_load_ps(scale + EIGHT * (i)), floats(finish(sum[i])), part[i]);

DOT_FN void q4_stream_sub(const unsigned char *code, const float *scale, const signed char *x, __m256 *part) {
    __m256i zero = _mm256_setzero_si256(), sum[4] = {zero, zero, zero, zero}, v;
    for (size_t k = 0; k < 16; k += 4, code += K_ROW) {
        const __m256i a = dot_four(x + k), b = dot_four(x + 16 + k);
        EACH4(Q4_ROWS)
    }
    EACH4(Q4_PARTS)
}

#define STORE_PARTS(i) _mm256_store_ps(s->part[0] + EIGHT * (i), part[i]);

static DOT_TARGET void q4_stream(const bb_gemm *g, const unsigned char *block, size_t t, size_t n, bb_k_tile *s) {
    (void)t;
    (void)n;
    const bb_acts *a = g->acts;
    const signed char *x = a->values;
    bb_q4_K_head h;
    for (size_t b = 0; b < g->blocks; b++, block += Q4_K_BLOCK) {
        __m256 zero = _mm256_setzero_ps(), part[4] = {zero, zero, zero, zero};
        q4_open(block, &h);
        for (size_t j = 0; j < 8; j++, x += BB_ACT_BLOCK)
            q4_stream_sub(block + Q4_K_CODES + j * Q4_K_SUB, h.scale[j], x, part);
        EACH4(STORE_PARTS)
        q4_close(&h, a->sums + 8 * b, a->scales + b, 1, b == 0, s);
    }
}

static DOT_TARGET void q4_tile(const bb_gemm *g, const unsigned char *panel, size_t t, size_t n, bb_k_tile *s) {
    const bb_acts *a = g->acts;
    bb_q4_K_head h;
    for (size_t b = 0; b < g->blocks; b++) {
        const unsigned char *block = panel + b * Q4_K_BLOCK, *code = block + Q4_K_CODES;
        const signed char *x = (const signed char *)a->values + (8 * b * a->tokens + t) * BB_ACT_BLOCK;
        bb_k_fetch(block, Q4_K_CODES, n >= BB_K_FETCH_TOKENS);
        q4_open(block, &h);
        for (size_t j = 0; j < 8; j++, code += Q4_K_SUB, x += a->tokens * BB_ACT_BLOCK) {
            bb_k_fetch(code, Q4_K_SUB, n >= BB_K_FETCH_TOKENS);
            for (size_t c = 0; c < BB_PANEL; c += EIGHT) {
                if (j == 0)
                    q4_sub(code + 4 * c, h.scale[j] + c, x, n, true, s->part, c);
                else
                    q4_sub(code + 4 * c, h.scale[j] + c, x, n, false, s->part, c);
            }
        }
        q4_close(&h, a->sums + (b * a->tokens + t) * 8, a->scales + b * a->tokens + t, n, b == 0, s);
    }
}

/* ---- q6_K ---- */

/* Scales of eight rows. */
DOT_FN __m256 q6_scale(__m256 d, const unsigned char *bytes) {
    return _mm256_mul_ps(d, floats(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)bytes))));
}

/* The codes of 16 k. */
DOT_FN void q6_codes(const unsigned char *lanes, __m256i *w) {
    const __m256i a = dot_bytes(lanes), b = dot_bytes(lanes + K_ROW), c = dot_bytes(lanes + 2 * K_ROW);
    w[0] = low6(a);
    w[1] = low6(b);
    w[2] = low6(c);
    w[3] = top6(a, b, c);
}

/* 32 k of eight rows and n tokens, whose sums begin at starts and starts + stride. */
DOT_FN void q6_sub(const unsigned char *code, __m256 s, __m256 r, const signed char *x, const int32_t *starts,
                   size_t stride, size_t n, bool first, float (*part)[BB_PANEL], size_t c) {
    __m256i v[4], w[4];
    q6_codes(code, v);
    q6_codes(code + Q6_K_HALF, w);
    for (size_t t = 0; t < n; t++, x += BB_ACT_BLOCK) {
        __m256 p = first ? _mm256_setzero_ps() : _mm256_load_ps(part[t] + c);
        const __m256i a[4] = {dot_four(x), dot_four(x + 4), dot_four(x + 8), dot_four(x + 12)};
        const __m256i b[4] = {dot_four(x + 16), dot_four(x + 20), dot_four(x + 24), dot_four(x + 28)};
        p = _mm256_fmadd_ps(s, floats(dot_q6(v, a, dot_four(starts + t))), p);
        p = _mm256_fmadd_ps(r, floats(dot_q6(w, b, dot_four(starts + stride + t))), p);
        _mm256_store_ps(part[t] + c, p);
    }
}

static DOT_TARGET void q6_close(const float *scales, size_t n, bool first, bb_k_tile *s) {
    for (size_t t = 0; t < n; t++)
        for (size_t c = 0; c < BB_PANEL; c += EIGHT) {
            __m256 y = first ? _mm256_setzero_ps() : _mm256_load_ps(s->y[t] + c);
            y = _mm256_fmadd_ps(_mm256_set1_ps(scales[t]), _mm256_load_ps(s->part[t] + c), y);
            _mm256_store_ps(s->y[t] + c, y);
        }
}

/* 16 k of all rows and one token. Sums and d stay in memory: the registers hold codes and activations. */
#define Q6_PARTS(i)                                                                                                    \
    q6_codes(code + 32 * (i), w);                                                                                      \
    p = _mm256_fmadd_ps(q6_scale(_mm256_load_ps(d + EIGHT * (i)), scale + EIGHT * (i)), floats(dot_q6(w, a, start)),   \
                        _mm256_load_ps(part + EIGHT * (i)));                                                           \
    _mm256_store_ps(part + EIGHT * (i), p);

DOT_FN void q6_stream_half(const unsigned char *code, const float *d, const unsigned char *scale, const signed char *x,
                           __m256i start, float *part) {
    const __m256i a[4] = {dot_four(x), dot_four(x + 4), dot_four(x + 8), dot_four(x + 12)};
    __m256i w[4];
    __m256 p;
    EACH4(Q6_PARTS)
}

static DOT_TARGET void q6_stream(const bb_gemm *g, const unsigned char *block, size_t t, size_t n, bb_k_tile *s) {
    (void)t;
    (void)n;
    const bb_acts *a = g->acts;
    const signed char *x = a->values;
    const int32_t *starts = a->starts;
    float *part = s->part[0], *d = s->part[1];
    for (size_t b = 0; b < g->blocks; b++, block += Q6_K_BLOCK) {
        const unsigned char *sub = block + Q6_K_SUBS;
        for (size_t c = 0; c < BB_PANEL; c += EIGHT) {
            _mm256_store_ps(part + c, _mm256_setzero_ps());
            _mm256_store_ps(d + c, halves(block + 2 * c));
        }
        for (size_t j = 0; j < 8; j++, sub += Q6_K_SUB, x += BB_ACT_BLOCK, starts += 2) {
            const unsigned char *code = sub + 2 * BB_PANEL;
            q6_stream_half(code, d, sub, x, dot_four(starts), part);
            q6_stream_half(code + Q6_K_HALF, d, sub + BB_PANEL, x + 16, dot_four(starts + 1), part);
            __asm__ volatile("" : : : "memory"); /* d is read anew: there are no registers for it */
        }
        q6_close(a->scales + b, 1, b == 0, s);
    }
}

static DOT_TARGET void q6_tile(const bb_gemm *g, const unsigned char *panel, size_t t, size_t n, bb_k_tile *s) {
    const bb_acts *a = g->acts;
    size_t stride = a->tokens;
    for (size_t b = 0; b < g->blocks; b++) {
        const unsigned char *block = panel + b * Q6_K_BLOCK, *sub = block + Q6_K_SUBS;
        const signed char *x = (const signed char *)a->values + (8 * b * stride + t) * BB_ACT_BLOCK;
        const int32_t *starts = a->starts + 16 * b * stride + t;
        for (size_t j = 0; j < 8; j++, sub += Q6_K_SUB, x += stride * BB_ACT_BLOCK, starts += 2 * stride) {
            bb_k_fetch(sub, Q6_K_SUB, n >= BB_K_FETCH_TOKENS);
            for (size_t c = 0; c < BB_PANEL; c += EIGHT) {
                const unsigned char *code = sub + 2 * BB_PANEL + 4 * c;
                const __m256 d = halves(block + 2 * c);
                const __m256 v = q6_scale(d, sub + c), w = q6_scale(d, sub + BB_PANEL + c);
                if (j == 0)
                    q6_sub(code, v, w, x, starts, stride, n, true, s->part, c);
                else
                    q6_sub(code, v, w, x, starts, stride, n, false, s->part, c);
            }
        }
        q6_close(a->scales + b * stride + t, n, b == 0, s);
    }
}

DOT_TARGET void GEMM_NAME(q4_K)(const bb_gemm *g, size_t first, size_t count) {
    bb_gemm_k_run(g, first, count, g->acts->tokens == 1 ? q4_stream : q4_tile);
}
DOT_TARGET void GEMM_NAME(q6_K)(const bb_gemm *g, size_t first, size_t count) {
    bb_gemm_k_run(g, first, count, g->acts->tokens == 1 ? q6_stream : q6_tile);
}
#endif
