/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_measure.c - error figures on arrays whose answers are known by hand. */
#include "base/random.h"
#include "harness.h"
#include "measure/measure.h"
#include <math.h>
#include <string.h>

START_TEST(by_hand) {
    double ref[] = {3, 4, 0, (double)NAN}, got[] = {3, 4, 0.5, 1};
    bb_error_stats s;
    ck_assert_int_eq(bb_error_measure(ref, got, 4, &s), BB_OK);
    ck_assert_double_eq(s.rel, 0.1);
    ck_assert_double_eq_tol(s.sqnr_db, 20, 1e-12);
    ck_assert_double_eq(s.max_abs, 0.5);
    ck_assert_uint_eq(s.n, 3);
    ck_assert_uint_eq(s.nonfinite, 1);
    ck_assert_uint_eq(s.lost, 0);
    ck_assert_double_eq_tol(s.cosine, 25 / (5 * sqrt(25.25)), 1e-15);
    ck_assert_double_eq_tol(s.mean, 0.5 / 3, 1e-15);
}
END_TEST

START_TEST(ends) {
    double zero[] = {0, 0}, one[] = {1, 1};
    bb_error_stats s;
    bb_error_measure(zero, zero, 2, &s);
    ck_assert(s.rel == 0 && isinf(s.sqnr_db) && s.cosine == 1);
    bb_error_measure(zero, one, 2, &s);
    ck_assert(isinf(s.rel) && s.cosine == 0);
    ck_assert(s.sqnr_db == -(double)INFINITY);
    bb_error_measure(one, zero, 2, &s);
    ck_assert(s.rel == 1 && s.sqnr_db == 0 && !signbit(s.sqnr_db) && s.cosine == 0);
    bb_error_measure(one, one, 0, &s);
    ck_assert(isnan(s.rel) && isnan(s.sqnr_db) && isnan(s.cosine) && isnan(s.max_abs) && s.n == 0);
}
END_TEST

/* Overflow is no perfect copy, whether it took one value or all; a reference that is not finite is another matter. */
START_TEST(what_is_lost) {
    double inf = (double)INFINITY, ref[] = {1, 2, 3}, some[] = {1, inf, 3}, all[] = {inf, -inf, (double)NAN};
    double spoilt[] = {1, inf, 3};
    bb_error_stats s;
    bb_error_measure(ref, some, 3, &s);
    ck_assert(s.rel == inf && s.sqnr_db == -inf && s.max_abs == inf && isnan(s.cosine) && isnan(s.mean));
    ck_assert(s.n == 2 && s.lost == 1 && s.nonfinite == 0);
    bb_error_measure(ref, all, 3, &s);
    ck_assert(s.rel == inf && s.sqnr_db == -inf && isnan(s.cosine) && s.n == 0 && s.lost == 3);
    bb_error_measure(spoilt, spoilt, 3, &s);
    ck_assert(s.rel == 0 && s.cosine == 1 && s.n == 2 && s.lost == 0 && s.nonfinite == 1);
    bb_error_measure(all, ref, 3, &s);
    ck_assert(isnan(s.rel) && s.nonfinite == 3);
}
END_TEST

/* Squares beyond fp64 in either direction: no figure instead of a wrong one. */
START_TEST(squares_out_of_range) {
    double tiny[] = {1e-200, 2e-200}, zero[] = {0, 0}, huge[] = {1e200, 2e200}, near[] = {1e200, 2.1e200};
    bb_error_stats s;
    bb_error_measure(tiny, zero, 2, &s);
    ck_assert(isnan(s.rel) && isnan(s.sqnr_db) && isnan(s.cosine) && s.max_abs == 2e-200);
    bb_error_measure(huge, near, 2, &s);
    ck_assert(isnan(s.rel) && isnan(s.cosine) && s.max_abs > 9e198);
    bb_error_measure(huge, huge, 2, &s);
    ck_assert(s.rel == 0 && s.cosine == 1);
    bb_error_measure(tiny, tiny, 2, &s);
    ck_assert(s.rel == 0 && s.sqnr_db == (double)INFINITY && s.cosine == 1);
}
END_TEST

/* However the array is cut, and against a sum that would lose the small part. */
START_TEST(slabs_and_compensation) {
    enum { N = 4096 };
    static double ref[N], got[N];
    for (int i = 0; i < N; i++) {
        ref[i] = i == 0 ? 1e8 : 1;
        got[i] = ref[i] + 0.125;
    }
    bb_error_sum a, b;
    bb_error_stats s, t;
    bb_error_sum_init(&a);
    bb_error_sum_init(&b);
    bb_error_sum_add(&a, ref, got, N);
    for (int i = 0; i < N; i += 100) bb_error_sum_add(&b, ref + i, got + i, N - i < 100 ? N - i : 100);
    bb_error_sum_result(&a, &s);
    bb_error_sum_result(&b, &t);
    ck_assert_double_eq(s.rel, t.rel);
    ck_assert_double_eq(s.rel, sqrt(N * 0.015625 / (1e16 + (N - 1))));
}
END_TEST

START_TEST(median_and_histogram) {
    double x[] = {5, 1, 4, 2, 3}, spread;
    ck_assert_double_eq(bb_median(x, 5, &spread), 3);
    ck_assert_double_eq_tol(spread, 2.0 / 3, 1e-15);
    double v[] = {0, 1, 2, 3, 4, (double)INFINITY};
    bb_histogram h;
    ck_assert_int_eq(bb_histogram_make(v, 6, 4, &h), BB_OK);
    uint64_t n = 0;
    for (size_t i = 0; i < h.bins; i++) n += h.counts[i];
    ck_assert_uint_eq(n, 5);
    bb_histogram_clear(&h);
    ck_assert_int_eq(bb_histogram_make(v, 1, 3, &h), BB_OK); /* a single value */
    bb_histogram_clear(&h);
}
END_TEST

/* Pairs with errors of a few per cent, one in a hundred of them not finite where `spoilt`. */
static void pairs(float *ref, float *got, size_t n, uint64_t seed, bool spoilt) {
    static const float bad[] = {(float)NAN, (float)INFINITY, -(float)INFINITY};
    for (size_t i = 0; i < n; i++) {
        ref[i] = (float)(bb_random_unit(seed, 3 * i) - 0.5) * ldexpf(1, (int)(i / 4096 % 5) - 2);
        got[i] = ref[i] * (float)(1 + 0.1 * (bb_random_unit(seed, 3 * i + 1) - 0.4));
        uint64_t u = bb_random_u64(seed, 3 * i + 2);
        if (spoilt && u % 100 == 0) *(u >> 8 & 1 ? &ref[i] : &got[i]) = bad[(u >> 9) % 3];
    }
}

static void near_equal(double a, double b) { ck_assert_msg(fabs(a - b) <= 1e-12 * fabs(b), "%.17g, not %.17g", a, b); }

/* Against the sums that take one element after the other. */
static void check_slab(const float *ref, const float *got, size_t n, bb_isa isa) {
    double *r = malloc((n + 1) * sizeof *r), *g = malloc((n + 1) * sizeof *g);
    for (size_t i = 0; i < n; i++) r[i] = (double)ref[i], g[i] = (double)got[i];
    bb_error_sum s, whole;
    bb_error_stats want, have, narrow;
    bb_error_sum_init(&s);
    bb_error_sum_init(&whole);
    bb_error_sum_add(&whole, r, g, n);
    bb_error_sum_result(&whole, &want);
    bb_error_sum_add_slab_as(&s, ref, got, n, isa);
    bb_error_sum_result(&s, &have);
    ck_assert_uint_eq(have.n, want.n);
    ck_assert_uint_eq(have.nonfinite, want.nonfinite);
    ck_assert_uint_eq(have.lost, want.lost);
    ck_assert_double_eq(s.max_abs, whole.max_abs);
    near_equal(s.err2 + s.err2_c, whole.err2 + whole.err2_c);
    near_equal(s.ref2 + s.ref2_c, whole.ref2 + whole.ref2_c);
    near_equal(s.got2 + s.got2_c, whole.got2 + whole.got2_c);
    near_equal(s.dot + s.dot_c, whole.dot + whole.dot_c);
    near_equal(s.mean, whole.mean);
    near_equal(s.m2, whole.m2);
    bb_error_sum_init(&s);
    bb_error_sum_add_slab_as(&s, ref, got, n, BB_ISA_SCALAR);
    bb_error_sum_result(&s, &narrow);
    ck_assert_mem_eq(&have, &narrow, sizeof have); /* the same bits, whatever the ISA */
    free(r);
    free(g);
}

START_TEST(slabs_of_fp32) {
    enum { N = 50001 };
    static float ref[N], got[N];
    for (int spoilt = 0; spoilt < 2; spoilt++) {
        pairs(ref, got, N, 5, spoilt);
        for (bb_isa isa = BB_ISA_SCALAR; isa <= BB_ISA_AVX512; isa++) {
            check_slab(ref, got, N, isa);
            for (size_t n = 0; n < 40; n++) check_slab(ref + 1, got + 1, n, isa);
        }
    }
    for (size_t i = 0; i < N; i++) got[i] = ref[i] = isfinite(ref[i]) ? ref[i] : 1;
    for (size_t i = 0; i < N; i++) got[i] += 0.25f + 1e-4f * (float)(i % 7); /* a mean that hides the deviation */
    check_slab(ref, got, N, BB_ISA_AUTO);
}
END_TEST

START_TEST(slabs_merge) {
    enum { N = 30000 };
    static float ref[N], got[N];
    pairs(ref, got, N, 6, true);
    bb_error_sum whole, parts, part;
    bb_error_sum_init(&whole);
    bb_error_sum_init(&parts);
    bb_error_sum_add_slab(&whole, ref, got, N);
    for (size_t at = 0; at < N; at += 2500) {
        bb_error_sum_init(&part);
        bb_error_sum_add_slab(&part, ref + at, got + at, 2500);
        bb_error_sum_merge(&parts, &part);
    }
    bb_error_stats a, b;
    bb_error_sum_result(&whole, &a);
    bb_error_sum_result(&parts, &b);
    ck_assert(a.n == b.n && a.nonfinite == b.nonfinite && a.lost == b.lost && parts.max_abs == whole.max_abs);
    near_equal(parts.err2 + parts.err2_c, whole.err2 + whole.err2_c);
    near_equal(parts.mean, whole.mean);
    near_equal(parts.m2, whole.m2);
    bb_error_sum_init(&part);
    bb_error_sum before = parts;
    bb_error_sum_merge(&parts, &part); /* nothing added */
    ck_assert_mem_eq(&before, &parts, sizeof parts);
}
END_TEST

static void check_bins(const bb_error_bins *b, const float *ref, const float *got, size_t n) {
    uint64_t counts[BB_ERROR_BINS] = {0};
    double max = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(ref[i]) || !isfinite(got[i])) continue;
        float e = got[i] - ref[i];
        if (isinf(e)) e = copysignf(0x1.fffffep127f, e);
        max = fmax(max, fabs((double)e));
        double at = trunc(fabs((double)e) * 32 / b->limit);
        counts[signbit(e) ? 31 - (int)at : 32 + (int)at]++;
    }
    ck_assert(max < b->limit && (max >= b->limit / 2 || b->limit == 0x1p-100));
    for (int k = 0; k < BB_ERROR_BINS; k++)
        ck_assert_msg(counts[k] == b->counts[k], "bin %d: %d, not %d", k, (int)b->counts[k], (int)counts[k]);
}

/* Values of every size, NaN and infinities among them, in every order and grouping: the same counts. */
START_TEST(bins_do_not_depend_on_order) {
    enum { N = 20011 };
    static float ref[N], got[N];
    for (int all = 0; all < 2; all++) {
        pairs(ref, got, N, 9, true);
        for (size_t i = 0; i < N && all; i++) {
            uint32_t u[2] = {(uint32_t)bb_random_u64(1, i), (uint32_t)bb_random_u64(2, i)};
            memcpy(&ref[i], &u[0], 4);
            memcpy(&got[i], &u[1], 4);
        }
        for (bb_isa isa = BB_ISA_SCALAR; isa <= BB_ISA_AVX512; isa++) {
            bb_error_bins whole, back, tree, part;
            bb_error_bins_init(&whole);
            bb_error_bins_init(&back);
            bb_error_bins_init(&tree);
            bb_error_bins_add_as(&whole, ref, got, N, isa);
            check_bins(&whole, ref, got, N);
            for (size_t i = N; i-- > 0;) bb_error_bins_add_as(&back, ref + i, got + i, 1, isa);
            for (size_t at = 0, n = 1; at < N; at += n, n = n * 3 % 1009) {
                if (n > N - at) n = N - at;
                bb_error_bins_init(&part);
                bb_error_bins_add_as(&part, ref + at, got + at, n, isa);
                if (at % 2) {
                    bb_error_bins_merge(&tree, &part);
                } else {
                    bb_error_bins_merge(&part, &tree);
                    tree = part;
                }
            }
            ck_assert_mem_eq(&whole, &back, sizeof whole);
            ck_assert_mem_eq(&whole, &tree, sizeof whole);
        }
    }
}
END_TEST

START_TEST(bins_of_nothing) {
    float zero[3] = {0, 1, (float)NAN};
    bb_error_bins b;
    bb_error_bins_init(&b);
    bb_error_bins_add(&b, zero, zero, 3);
    ck_assert(b.limit == 0x1p-100 && b.counts[32] == 2);
    float low[2] = {-0x1.fffffep127f, 0x1.fffffep127f}, high[2] = {low[1], low[0]};
    bb_error_bins_add(&b, low, high, 2);
    ck_assert(b.limit == 0x1p128 && b.counts[0] == 1 && b.counts[63] == 1 && b.counts[32] == 2);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("measure");
    TCase *t = tcase_create("measure");
    bb_gsl_quiet();
    tcase_add_test(t, by_hand);
    tcase_add_test(t, ends);
    tcase_add_test(t, what_is_lost);
    tcase_add_test(t, squares_out_of_range);
    tcase_add_test(t, slabs_and_compensation);
    tcase_add_test(t, slabs_of_fp32);
    tcase_add_test(t, slabs_merge);
    tcase_add_test(t, bins_do_not_depend_on_order);
    tcase_add_test(t, bins_of_nothing);
    tcase_add_test(t, median_and_histogram);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
