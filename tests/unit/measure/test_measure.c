/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_measure.c - error figures on arrays whose answers are known by hand. */
#include "harness.h"
#include "measure/measure.h"
#include <math.h>

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

static Suite *suite(void) {
    Suite *s = suite_create("measure");
    TCase *t = tcase_create("measure");
    bb_gsl_quiet();
    tcase_add_test(t, by_hand);
    tcase_add_test(t, ends);
    tcase_add_test(t, what_is_lost);
    tcase_add_test(t, squares_out_of_range);
    tcase_add_test(t, slabs_and_compensation);
    tcase_add_test(t, median_and_histogram);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
