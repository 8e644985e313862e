/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fma_block.c - portable fused multiply-adds against libm's and against the instructions that they stand for. */
#include "harness.h"
#include "kernel/fma_block.h"
#include <math.h>
#include <string.h>
#if BB_X86
#include <immintrin.h>
#include <pmmintrin.h>
#endif

enum { LANES = BB_PANEL, BLOCKS = 40000 }; /* a million lanes and more for each regime */

static uint64_t next(uint64_t *s) { /* splitmix64 (Steele, Lea and Flood, OOPSLA 2014) */
    uint64_t z = (*s += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}
static float from_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static uint32_t bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}
static bool same(float a, float b) { return (isnan(a) && isnan(b)) || bits(a) == bits(b); }

/* n steps of all lanes, then steps that leave even -0 as it is: w[n][LANES], x[n]. */
static void twin(size_t n, float (*w)[LANES], const float *x, bool flush, float *sum) {
    double wide[BB_ACT_BLOCK][LANES], wide_x[BB_ACT_BLOCK], wide_sum[LANES];
    for (size_t k = 0; k < BB_ACT_BLOCK; k++) {
        wide_x[k] = k < n ? (double)x[k] : 1;
        for (size_t c = 0; c < LANES; c++) wide[k][c] = k < n ? (double)w[k][c] : -0.0;
    }
    for (size_t c = 0; c < LANES; c++) wide_sum[c] = (double)sum[c];
    bb_fma_block(wide, wide_x, flush, wide_sum);
    for (size_t c = 0; c < LANES; c++) sum[c] = (float)wide_sum[c];
}

/* ---- fp32 ---- */

/* Half an ulp of sum, or near it, as a product of two numbers whose last bits take it off the middle by less than fp64
 * can hold beside sum. */
static void near_the_middle(uint64_t *s, float *w, float x, float *sum) {
    int e = (int)(next(s) % 60) - 30;
    *sum = from_bits((uint32_t)(127 + e) << 23 | (uint32_t)(next(s) & 0x7FFFFF));
    *w = ldexpf(1 + (float)((int)(next(s) % 5) - 2) * 0x1p-23f, e - 24) / ldexpf(1, ilogbf(x));
    if (next(s) % 2) *sum = -*sum;
}

/* Subnormal sums with products about their last bit. */
static void near_the_smallest(uint64_t *s, float *w, float x, float *sum) {
    *sum = from_bits((uint32_t)next(s) & 0x80FFFFFF);
    *w = ldexpf(1 + (float)((int)(next(s) % 5) - 2) * 0x1p-23f, -150 + (int)(next(s) % 3) - ilogbf(x));
}

START_TEST(fp32_is_libms_fma) {
    uint64_t s = 1;
    for (int n = 0; n < BLOCKS; n++) {
        float w[4][LANES], x[4], sum[LANES], want[LANES];
        size_t steps = _i == 0 ? 4 : 1;
        for (size_t k = 0; k < 4; k++) {
            x[k] = _i == 0 ? from_bits((uint32_t)next(&s)) : 1 + (float)((int)(next(&s) % 5) - 2) * 0x1p-23f;
            if (_i == 2) x[k] *= 0x1p-30f;
        }
        for (size_t c = 0; c < LANES; c++) {
            for (size_t k = 0; k < 4; k++) w[k][c] = from_bits((uint32_t)next(&s));
            sum[c] = from_bits((uint32_t)next(&s));
            if (_i == 1) near_the_middle(&s, &w[0][c], x[0], &sum[c]);
            if (_i == 2) near_the_smallest(&s, &w[0][c], x[0], &sum[c]);
            want[c] = sum[c];
            for (size_t k = 0; k < steps; k++) want[c] = fmaf(w[k][c], x[k], want[c]);
        }
        twin(steps, w, x, false, sum);
        for (size_t c = 0; c < LANES; c++)
            if (!same(sum[c], want[c]))
                ck_abort_msg("%a * %a + ... is %a, not %a", (double)w[0][c], (double)x[0], (double)sum[c],
                             (double)want[c]);
    }
}
END_TEST

/* ---- bf16 ---- */

/* A pair of bf16 in a word, the odd one in its upper half, and the sum that they are added to. */
typedef struct pairs {
    uint32_t w[LANES], x;
    float sum[LANES];
} pairs;

static float operand(uint32_t upper) { return from_bits(upper & 0x7F800000 ? upper : upper & 0x80000000); }

/* As the kernel's twin reads them: subnormals are zeros, the odd ones come first. */
static void model(const pairs *p, float *sum) {
    float w[2][LANES], x[2] = {operand(p->x & 0xFFFF0000), operand(p->x << 16)};
    for (size_t c = 0; c < LANES; c++) {
        w[0][c] = operand(p->w[c] & 0xFFFF0000);
        w[1][c] = operand(p->w[c] << 16);
        sum[c] = operand(bits(p->sum[c]));
    }
    twin(2, w, x, true, sum);
}

enum { ANY, TINY, TIES, SPECIAL, REGIMES };

static uint32_t exponents(uint64_t *s, int low, int high) {
    uint32_t odd = (uint32_t)(low + (int)(next(s) % (uint64_t)(high - low)));
    uint32_t even = (uint32_t)(low + (int)(next(s) % (uint64_t)(high - low)));
    return ((uint32_t)next(s) & 0x807F807F) | odd << 23 | even << 7;
}

/* Any bits; products and sums about 2^-126; sums whose last bits make ties; zeros, subnormals, infinities and NaN. */
static pairs random_pairs(uint64_t *s, int regime) {
    static const uint16_t special[] = {0,      0x8000, 0x0001, 0x8001, 0x007F, 0x0080, 0x8080, 0x7F7F,
                                       0xFF7F, 0x7F80, 0xFF80, 0x7FC0, 0x3F80, 0xBF80, 0x0081, 0x4000};
    pairs p = {.x = (uint32_t)next(s)};
    if (regime == TINY) p.x = exponents(s, 62, 66);
    if (regime == TIES) p.x = exponents(s, 120, 128);
    if (regime == SPECIAL) p.x = (uint32_t)special[next(s) % 16] << 16 | special[next(s) % 16];
    for (size_t c = 0; c < LANES; c++) {
        uint32_t sum = (uint32_t)next(s);
        p.w[c] = (uint32_t)next(s);
        if (regime == TINY) {
            p.w[c] = exponents(s, next(s) % 2 ? 61 : 40, 66);
            sum = (sum & 0x80000007) | (next(s) % 2 ? 0x00800000 : 0x00FFFFF8);
        }
        if (regime == TIES) {
            p.w[c] = exponents(s, 110, 128);
            sum = (sum & 0x80FFFF81) | 0x3F000000;
        }
        if (regime == SPECIAL) {
            p.w[c] = (uint32_t)special[next(s) % 16] << 16 | special[next(s) % 16];
            sum = (uint32_t)special[next(s) % 16] << 16 | (next(s) % 3 ? 0 : sum & 0xFFFF);
        }
        p.sum[c] = from_bits(sum);
    }
    return p;
}

/* What the manual's words make of cases that differ by a single rule (Intel SDM, volume 2, VDPBF16PS). */
START_TEST(bf16_is_as_documented) {
    static const uint32_t cases[][4] = {
        /* w, x, sum before, after */
        {0x39803980, 0x39803981, 0x3F800000, 0x3F800001}, /* 1 + 2^-24, a tie to 1; the rest is over half an ulp */
        {0x39803980, 0x39803980, 0x3F800000, 0x3F800000}, /* two ties: the products are not added first */
        {0x7F000000, 0x40000000, 0xFF000000, 0x7F000000}, /* 2^127 * 2 - 2^127: no product is rounded alone */
        {0x1C800000, 0x1C800000, 0x00800000, 0x00800200}, /* 2^-126 + 2^-140 */
        {0x00400000, 0x7F000000, 0x3F800000, 0x3F800000}, /* a subnormal w */
        {0x00007F00, 0x00008040, 0x3F800000, 0x3F800000}, /* a subnormal x */
        {0x00002000, 0x00002000, 0x00400000, 0x00800000}, /* a subnormal sum, then 2^-126 */
        {0x1F802000, 0x20002000, 0x00000000, 0x00800000}, /* 2^-127 is flushed before 2^-126 is added */
        {0x9F008000, 0x1F003F80, 0x00000000, 0x80000000}, /* to the zero of its sign */
        {0x99800000, 0x19800000, 0x00800000, 0x00800000}, /* 2^-126 - 2^-152: not tiny once it is rounded */
        {0x9A000000, 0x1A000000, 0x00800000, 0x00000000}, /* 2^-126 - 2^-150: tiny */
        {0x99800000, 0x1A000000, 0x00800000, 0x00800000}, /* 2^-126 - 2^-151: a tie, to even */
        {0x59800000, 0x59000000, 0x7F7FFFFF, 0x7F800000}, /* a tie to infinity */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pairs p = {.w = {cases[i][0]}, .x = cases[i][1], .sum = {from_bits(cases[i][2])}};
        float sum[LANES];
        model(&p, sum);
        ck_assert_msg(bits(sum[0]) == cases[i][3], "case %zu: %a", i, (double)sum[0]);
    }
}
END_TEST

#if BB_X86
BB_TARGET_AVX512_BF16 static void by_vdpbf16ps(const pairs *p, float *sum) {
    for (size_t c = 0; c < LANES; c += 16) {
        __m512i w = _mm512_loadu_si512(p->w + c), x = _mm512_set1_epi32((int32_t)p->x);
        _mm512_storeu_ps(sum + c, _mm512_dpbf16_ps(_mm512_loadu_ps(p->sum + c), (__m512bh)w, (__m512bh)x));
    }
}

/* fp32 fma as the AVX2 kernel uses it, for a caller that has switched flushing on. */
BB_TARGET_AVX2 __attribute__((noinline)) static void by_fma(const pairs *p, float *sum) {
    for (size_t c = 0; c < LANES; c += 8) {
        __m256i w = _mm256_loadu_si256((const __m256i *)(const void *)(p->w + c)), x = _mm256_set1_epi32((int32_t)p->x);
        __m256i odd = _mm256_set1_epi32((int32_t)0xFFFF0000);
        __m256 v = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_and_si256(w, odd)),
                                   _mm256_castsi256_ps(_mm256_and_si256(x, odd)), _mm256_loadu_ps(p->sum + c));
        v = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(w, 16)),
                            _mm256_castsi256_ps(_mm256_slli_epi32(x, 16)), v);
        _mm256_storeu_ps(sum + c, v);
    }
}

static void check_regime(int regime, void (*by)(const pairs *p, float *sum), uint32_t mode) {
    uint64_t s = 10 + (uint64_t)regime;
    for (int n = 0; n < BLOCKS; n++) {
        pairs p = random_pairs(&s, regime);
        float want[LANES], got[LANES];
        model(&p, want);
        uint32_t saved = _mm_getcsr();
        __asm__ volatile("ldmxcsr %0" : : "m"(mode) : "memory");
        by(&p, got);
        __asm__ volatile("ldmxcsr %0" : : "m"(saved) : "memory");
        for (size_t c = 0; c < LANES; c++)
            if (!same(got[c], want[c]))
                ck_abort_msg("w %08X, x %08X, sum %a: the processor says %a, the twin %a", (unsigned)p.w[c],
                             (unsigned)p.x, (double)p.sum[c], (double)got[c], (double)want[c]);
    }
}

/* Whatever MXCSR says: here it rounds up. */
START_TEST(vdpbf16ps_is_the_twin) {
    if (bb_level_runs(BB_LEVEL_AVX512_BF16))
        check_regime(_i, by_vdpbf16ps, _MM_MASK_MASK | _MM_ROUND_UP);
    else
        fprintf(stderr, "# skipped: this processor has no vdpbf16ps that does what the manual says\n");
}
END_TEST

START_TEST(flushing_fma_is_the_twin) {
    if (bb_level_runs(BB_LEVEL_AVX2))
        check_regime(_i, by_fma, _MM_MASK_MASK | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
    else
        fprintf(stderr, "# skipped: this processor has no fma\n");
}
END_TEST
#endif

static Suite *suite(void) {
    Suite *s = suite_create("fma_block");
    TCase *t = tcase_create("fma_block");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, fp32_is_libms_fma, 0, 3);
    tcase_add_test(t, bf16_is_as_documented);
#if BB_X86
    tcase_add_loop_test(t, vdpbf16ps_is_the_twin, 0, REGIMES);
    tcase_add_loop_test(t, flushing_fma_is_the_twin, 0, REGIMES);
#endif
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
