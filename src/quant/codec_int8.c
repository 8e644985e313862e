/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_int8.c - int8: rows behind an fp32 scale (absmax / 127), and the forms of codec_int8.h. */
#include "quant/codec_int8.h"
#include "quant/codecs.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static bool finite_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (u & 0x7F800000) != 0x7F800000;
}

void bb_int8_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t r = 0; r < rows; r++, x += cols, data += cols + 4) {
        uint32_t u = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
        float scale;
        memcpy(&scale, &u, sizeof scale);
        for (size_t i = 0; i < cols; i++) x[i] = (float)(int8_t)data[4 + i] * scale;
    }
}

/* ---- the forms of codec_int8.h ---- */

/* What both do to a value before it is rounded: times scale, or divided by it, plus zero. */
typedef struct steps {
    float scale, zero;
    bool times;
} steps;

static void range_scalar(const float *x, size_t n, float *low, float *high) {
    for (size_t i = 0; i < n; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

static void put_scalar(const float *x, size_t n, steps s, signed char *q) {
    for (size_t i = 0; i < n; i++) {
        float v = (s.times ? x[i] * s.scale : x[i] / s.scale) + s.zero;
        v = v > -128.0f ? v : -128.0f; /* NaN too */
        v = v < 127.0f ? v : 127.0f;
        q[i] = (signed char)rintf(v);
    }
}

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2")))

AVX2 static void range_avx2(const float *x, size_t n, float *low, float *high) {
    __m256 l = _mm256_setzero_ps(), h = l;
    size_t i = 0;
    float lows[8], highs[8];
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i);
        l = _mm256_min_ps(v, l);
        h = _mm256_max_ps(v, h);
    }
    _mm256_storeu_ps(lows, l);
    _mm256_storeu_ps(highs, h);
    range_scalar(lows, 8, low, high);
    range_scalar(highs, 8, low, high);
    range_scalar(x + i, n - i, low, high);
}

AVX2 static inline __m256i rounded(const float *x, __m256 scale, __m256 zero, bool times) {
    __m256 v = _mm256_loadu_ps(x);
    v = times ? _mm256_mul_ps(v, scale) : _mm256_div_ps(v, scale);
    v = _mm256_max_ps(_mm256_add_ps(v, zero), _mm256_set1_ps(-128.0f));
    return _mm256_cvtps_epi32(_mm256_min_ps(v, _mm256_set1_ps(127.0f)));
}

AVX2 static void put_avx2(const float *x, size_t n, steps s, signed char *q) {
    const __m256i groups = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256 scale = _mm256_set1_ps(s.scale), zero = _mm256_set1_ps(s.zero);
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i a = _mm256_packs_epi32(rounded(x + i, scale, zero, s.times), rounded(x + i + 8, scale, zero, s.times));
        __m256i b =
            _mm256_packs_epi32(rounded(x + i + 16, scale, zero, s.times), rounded(x + i + 24, scale, zero, s.times));
        _mm256_storeu_si256((__m256i *)(void *)(q + i), _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), groups));
    }
    put_scalar(x + i, n - i, s, q + i);
}

static bool has_avx2(bb_isa isa) { return bb_isa_choose(isa) >= BB_ISA_AVX2; }
#endif

static void put(const float *x, size_t n, steps s, bb_isa isa, signed char *q) {
#if defined(__x86_64__)
    if (has_avx2(isa)) {
        put_avx2(x, n, s, q);
        return;
    }
#else
    (void)isa;
#endif
    put_scalar(x, n, s, q);
}

void bb_int8_range(const float *x, size_t n, bb_isa isa, float *low, float *high) {
    float l = 0, h = 0;
#if defined(__x86_64__)
    if (has_avx2(isa))
        range_avx2(x, n, &l, &h);
    else
#else
    (void)isa;
#endif
        range_scalar(x, n, &l, &h);
    *low = l;
    *high = h;
}

bb_int8_grid bb_int8_symmetric(float low, float high) {
    float scale = (-low > high ? -low : high) / 127.0f;
    return (bb_int8_grid){scale > 0 ? scale : FLT_EPSILON, 0};
}

bb_int8_grid bb_int8_asymmetric(float low, float high) {
    float range = high - low;
    float scale = finite_bits(range) ? range / 255.0f : (float)(((double)high - (double)low) / 255);
    if (!(scale > 0)) scale = FLT_EPSILON;
    float zero = -128.0f - low / scale;
    zero = zero < 127.0f ? zero : 127.0f;
    return (bb_int8_grid){scale, (int8_t)rintf(zero)};
}

void bb_int8_put(const float *x, size_t n, bb_int8_grid grid, bb_isa isa, signed char *q) {
    put(x, n, (steps){grid.scale, (float)grid.zero, false}, isa, q);
}

void bb_int8_get(const signed char *q, size_t n, bb_int8_grid grid, float *x) {
    for (size_t i = 0; i < n; i++) x[i] = (float)(q[i] - grid.zero) * grid.scale;
}

void bb_int8_llm_put(const float *x, size_t rows, size_t cols, bb_isa isa, signed char *q, float *scb) {
    for (size_t r = 0; r < rows; r++, x += cols, q += cols) {
        float low, high;
        bb_int8_range(x, cols, isa, &low, &high);
        scb[r] = -low > high ? -low : high;
        float scale = scb[r] > 0 ? 127.0f * (1.0f / scb[r]) : 0.0f;
        if (finite_bits(scale)) {
            put(x, cols, (steps){scale, 0, true}, isa, q);
            continue;
        }
        for (size_t i = 0; i < cols; i++) q[i] = (signed char)rint((double)x[i] * 127 / (double)scb[r]);
    }
}

void bb_int8_llm_get(const signed char *q, const float *scb, size_t rows, size_t cols, float *x) {
    for (size_t r = 0; r < rows; r++, x += cols, q += cols)
        for (size_t i = 0; i < cols; i++) x[i] = (float)q[i] * scb[r] / 127.0f;
}

/* ---- rows of the storage type: their scale, then their codes ---- */

/* Smallest and largest of the finite values and 0. */
static void finite_range(const float *x, size_t n, float *low, float *high) {
    *low = *high = 0;
    for (size_t i = 0; i < n; i++)
        if (finite_bits(x[i])) range_scalar(x + i, 1, low, high);
}

void bb_int8_rows(const float *x, size_t rows, size_t cols, const bb_int8_grid *whole, bb_isa isa, unsigned char *out) {
    for (size_t r = 0; r < rows; r++, x += cols, out += cols + 4) {
        float low = 0, high = 0;
        if (!whole) bb_int8_range(x, cols, isa, &low, &high);
        if (!finite_bits(low) || !finite_bits(high)) finite_range(x, cols, &low, &high);
        bb_int8_grid grid = whole ? *whole : bb_int8_symmetric(low, high);
        signed char *q = (signed char *)out + 4;
        bb_int8_put(x, cols, grid, isa, q);
        /* what is not finite, and quotients beyond 127 by a subnormal scale */
        for (size_t i = 0; i < cols; i++)
            if (q[i] == -128) q[i] = isnan(x[i]) ? 0 : -127;
        float scale = whole || low < 0 || high > 0 ? grid.scale : 0;
        uint32_t u;
        memcpy(&u, &scale, sizeof u);
        for (int k = 0; k < 4; k++) out[k] = (unsigned char)(u >> 8 * k);
    }
}

void bb_int8_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    bb_int8_rows(x, rows, cols, NULL, BB_ISA_SCALAR, out);
}

void bb_int8_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    bb_int8_rows(x, rows, cols, NULL, BB_ISA_AVX2, out);
}
