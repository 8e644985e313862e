/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_type_error.c - measured errors of types against what theory says of normal weights. */
#include "harness.h"
#include "study/type_error.h"
#include <math.h>

static double measured(const char *type) {
    double rel = -1;
    ck_assert_int_eq(bb_type_error(bb_dtype_find(type, NULL), &rel), BB_OK);
    return rel;
}

/* E[M^2] of the largest of n absolute standard normals: the integral of 2 x P(M > x). */
static double square_of_largest(int n) {
    double sum = 0, step = 1e-4;
    for (double x = step / 2; x < 9; x += step) sum += 2 * x * (1 - pow(erf(x / sqrt(2)), n)) * step;
    return sum;
}

/* Codes of -127 to 127 times the largest of a block: rounding errors are uniform over a step, sqrt(1/12) of it. */
START_TEST(uniform_codes) {
    static const struct {
        const char *type;
        int block;
    } rows[] = {{"q8_0", 32}, {"int8", 256}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double expected = sqrt(square_of_largest(rows[i].block) / 12) / 127;
        ck_assert_double_eq_tol(measured(rows[i].type) / expected, 1, 0.03);
    }
}
END_TEST

START_TEST(floats) {
    ck_assert_double_eq(measured("f32"), 0);
    /* a significand of 8 bits loses eight times as much as one of 11 */
    ck_assert_double_eq_tol(measured("bf16") / measured("f16"), 8, 0.2);
}
END_TEST

START_TEST(types_without_a_codec) {
    double rel = 5;
    ck_assert_int_eq(bb_type_error(bb_dtype_find("iq2_xxs", NULL), &rel), BB_E_UNSUPPORTED);
    ck_assert_double_eq(rel, 5);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("type_error");
    TCase *t = tcase_create("type_error");
    tcase_add_test(t, uniform_codes);
    tcase_add_test(t, floats);
    tcase_add_test(t, types_without_a_codec);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
