/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_slab.c - error sums over slabs of fp32: element i goes to partial sum i % 8, whatever the ISA. */
#include "measure/measure.h"
#include <math.h>
#include <string.h>
#if BB_X86
#include <immintrin.h>
#endif

enum { LANES = 8, CHUNK = 1024 };

/* Sums of one chunk. The products of fp32 values are exact in fp64 and never leave its range. */
typedef struct lanes {
    double err2[LANES], ref2[LANES], got2[LANES], err[LANES], max[LANES];
} lanes;

static void add_lane(lanes *s, size_t l, float x, float y) {
    double ref = (double)x, got = (double)y, e = got - ref;
    s->err2[l] += e * e;
    s->ref2[l] += ref * ref;
    s->got2[l] += got * got;
    s->err[l] += e;
    if (fabs(e) > s->max[l]) s->max[l] = fabs(e);
}

#if BB_X86
typedef struct half_lanes {
    __m256d err2, ref2, got2, err, max;
} half_lanes;

static inline BB_TARGET_AVX2 void add_half(half_lanes *s, const float *x, const float *y) {
    __m256d ref = _mm256_cvtps_pd(_mm_loadu_ps(x)), got = _mm256_cvtps_pd(_mm_loadu_ps(y));
    __m256d e = _mm256_sub_pd(got, ref);
    s->err2 = _mm256_add_pd(s->err2, _mm256_mul_pd(e, e));
    s->ref2 = _mm256_add_pd(s->ref2, _mm256_mul_pd(ref, ref));
    s->got2 = _mm256_add_pd(s->got2, _mm256_mul_pd(got, got));
    s->err = _mm256_add_pd(s->err, e);
    s->max = _mm256_max_pd(_mm256_andnot_pd(_mm256_set1_pd(-0.0), e), s->max);
}

static inline BB_TARGET_AVX2 void store_half(const half_lanes *h, lanes *s, int at) {
    _mm256_storeu_pd(s->err2 + at, h->err2);
    _mm256_storeu_pd(s->ref2 + at, h->ref2);
    _mm256_storeu_pd(s->got2 + at, h->got2);
    _mm256_storeu_pd(s->err + at, h->err);
    _mm256_storeu_pd(s->max + at, h->max);
}

BB_TARGET_AVX2 static size_t add_avx2(lanes *s, const float *ref, const float *got, size_t n) {
    half_lanes a = {0}, b = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        add_half(&a, ref + i, got + i);
        add_half(&b, ref + i + 4, got + i + 4);
    }
    store_half(&a, s, 0);
    store_half(&b, s, 4);
    return i;
}
#endif

static void add_lanes(lanes *s, const float *ref, const float *got, size_t n, bb_isa isa) {
    size_t i = 0;
    *s = (lanes){0};
#if BB_X86
    if (isa >= BB_ISA_AVX2) i = add_avx2(s, ref, got, n);
#else
    (void)isa;
#endif
    for (; i < n; i++) add_lane(s, i % LANES, ref[i], got[i]);
}

static double sum(const double *v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

/* A chunk of n finite pairs as an error sum; false, and nothing, when one is not finite: its square tells. */
static bool chunk_sum(const float *ref, const float *got, size_t n, bb_isa isa, bb_error_sum *out) {
    lanes s;
    add_lanes(&s, ref, got, n, isa);
    bb_error_sum c = {.err2 = sum(s.err2), .ref2 = sum(s.ref2), .got2 = sum(s.got2), .n = n};
    if (!isfinite(c.ref2) || !isfinite(c.got2)) return false;
    for (int l = 0; l < LANES; l++)
        if (s.max[l] > c.max_abs) c.max_abs = s.max[l];
    c.dot = 0.5 * ((c.ref2 - c.err2) + c.got2);
    c.mean = n ? sum(s.err) / (double)n : 0;
    c.m2 = c.err2 - c.mean * c.mean * (double)n;
    if (c.m2 < 0.01 * c.err2) { /* the mean takes most of the squares away: about the mean then */
        c.m2 = 0;
        for (size_t i = 0; i < n; i++) {
            double e = (double)got[i] - (double)ref[i] - c.mean;
            c.m2 += e * e;
        }
    }
    *out = c;
    return true;
}

/* The finite pairs of n, which then take the places of those that are left out. */
static size_t finite_pairs(const float *ref, const float *got, size_t n, float *x, float *y, bb_error_sum *s) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool known = isfinite(ref[i]);
        s->nonfinite += !known;
        s->lost += known && !isfinite(got[i]);
        if (!known || !isfinite(got[i])) continue;
        x[kept] = ref[i];
        y[kept++] = got[i];
    }
    return kept;
}

void bb_error_sum_add_slab_as(bb_error_sum *s, const float *ref, const float *got, size_t n, bb_isa isa) {
    float x[CHUNK], y[CHUNK];
    bb_error_sum c;
    isa = bb_isa_choose(isa);
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        if (!chunk_sum(ref + at, got + at, m, isa, &c)) {
            m = finite_pairs(ref + at, got + at, m, x, y, s);
            chunk_sum(x, y, m, isa, &c);
        }
        bb_error_sum_merge(s, &c);
    }
}

void bb_error_sum_add_slab(bb_error_sum *s, const float *ref, const float *got, size_t n) {
    bb_error_sum_add_slab_as(s, ref, got, n, BB_ISA_AUTO);
}
