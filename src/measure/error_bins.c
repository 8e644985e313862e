/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_bins.c - counts of errors in 64 bins whose width is a power of two, so that joining bins is exact. */
#include "measure/measure.h"
#include <float.h>
#include <math.h>
#include <string.h>
#if BB_X86
#include <immintrin.h>
#endif

enum { BINS = BB_ERROR_BINS, SIDE = BINS / 2, CHUNK = 2048, TABLES = 4 };
#define LEAST_LIMIT 0x1p-100

void bb_error_bins_init(bb_error_bins *b) { *b = (bb_error_bins){.limit = LEAST_LIMIT}; }

/* Doubles the limit: each bin of even number and the one after it become one. */
static void widen(bb_error_bins *b) {
    uint64_t joined[BINS] = {0};
    for (int i = 0; i < BINS; i++) joined[i / 2 + SIDE / 2] += b->counts[i];
    memcpy(b->counts, joined, sizeof joined);
    b->limit *= 2;
}

/* Bin of a finite error below the limit: cut toward zero, which joins exactly and where a product that is too small for
 * fp32 does no harm; the sign bit chooses the side. */
static int bin_of(float e, float scale) {
    int k = (int)(e * scale);
    return SIDE + k - (signbit(e) ? 1 : 0);
}

/* Bits of |x|: as integers they order like the values, infinity and NaN above the rest. */
static uint32_t magnitude(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u & 0x7FFFFFFF;
}

static float float_of(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* The errors of finite pairs alone, held to the range of fp32. */
static size_t finite_errors(const float *ref, const float *got, size_t n, float *e, uint32_t *max) {
    size_t kept = 0;
    *max = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(ref[i]) || !isfinite(got[i])) continue;
        float d = got[i] - ref[i];
        if (isinf(d)) d = d > 0 ? FLT_MAX : -FLT_MAX;
        if (magnitude(d) > *max) *max = magnitude(d);
        e[kept++] = d;
    }
    return kept;
}

#if BB_X86
BB_TARGET_AVX2 static size_t errors_avx2(const float *ref, const float *got, size_t n, float *e, uint32_t *max) {
    __m256 bits = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
    __m256i most = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 d = _mm256_sub_ps(_mm256_loadu_ps(got + i), _mm256_loadu_ps(ref + i));
        most = _mm256_max_epi32(most, _mm256_castps_si256(_mm256_and_ps(d, bits)));
        _mm256_storeu_ps(e + i, d);
    }
    uint32_t lane[8];
    _mm256_storeu_si256((__m256i *)(void *)lane, most);
    for (int l = 0; l < 8; l++)
        if (lane[l] > *max) *max = lane[l];
    return i;
}

BB_TARGET_AVX2 static size_t count_avx2(const float *e, size_t n, float scale, uint32_t (*tables)[BINS]) {
    __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 d = _mm256_loadu_ps(e + i);
        __m256i k = _mm256_cvttps_epi32(_mm256_mul_ps(d, s));
        k = _mm256_add_epi32(k, _mm256_srai_epi32(_mm256_castps_si256(d), 31));
        k = _mm256_add_epi32(k, _mm256_set1_epi32(SIDE));
        uint64_t w[4];
        _mm256_storeu_si256((__m256i *)(void *)w, k);
        tables[0][w[0] & (BINS - 1)]++;
        tables[1][w[1] & (BINS - 1)]++;
        tables[2][w[2] & (BINS - 1)]++;
        tables[3][w[3] & (BINS - 1)]++;
        tables[0][w[0] >> 32]++;
        tables[1][w[1] >> 32]++;
        tables[2][w[2] >> 32]++;
        tables[3][w[3] >> 32]++;
    }
    return i;
}
#endif

static void count(bb_error_bins *b, const float *e, size_t n, bb_isa isa) {
    uint32_t tables[TABLES][BINS] = {{0}};
    float scale = (float)(SIDE / b->limit);
    size_t i = 0;
#if BB_X86
    if (isa >= BB_ISA_AVX2) i = count_avx2(e, n, scale, tables);
#else
    (void)isa;
#endif
    for (; i < n; i++) tables[i % TABLES][bin_of(e[i], scale)]++;
    for (int k = 0; k < BINS; k++)
        for (int t = 0; t < TABLES; t++) b->counts[k] += tables[t][k];
}

/* Errors of a chunk to e, and the magnitude of the largest. */
static uint32_t errors(const float *ref, const float *got, size_t n, bb_isa isa, float *e) {
    uint32_t max = 0;
    size_t i = 0;
#if BB_X86
    if (isa >= BB_ISA_AVX2) i = errors_avx2(ref, got, n, e, &max);
#else
    (void)isa;
#endif
    for (; i < n; i++) {
        e[i] = got[i] - ref[i];
        if (magnitude(e[i]) > max) max = magnitude(e[i]);
    }
    return max;
}

void bb_error_bins_add_as(bb_error_bins *b, const float *ref, const float *got, size_t n, bb_isa isa) {
    float e[CHUNK];
    isa = bb_isa_choose(isa);
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        uint32_t max = errors(ref + at, got + at, m, isa, e);
        if (max > magnitude(FLT_MAX)) m = finite_errors(ref + at, got + at, m, e, &max);
        while ((double)float_of(max) >= b->limit) widen(b);
        count(b, e, m, isa);
    }
}

void bb_error_bins_add(bb_error_bins *b, const float *ref, const float *got, size_t n) {
    bb_error_bins_add_as(b, ref, got, n, BB_ISA_AUTO);
}

void bb_error_bins_merge(bb_error_bins *into, const bb_error_bins *from) {
    bb_error_bins b = *from;
    while (into->limit < b.limit) widen(into);
    while (b.limit < into->limit) widen(&b);
    for (int k = 0; k < BINS; k++) into->counts[k] += b.counts[k];
}
