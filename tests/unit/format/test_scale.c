/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_scale.c - integer formats with a scale that is no double, special values, and errors against another input. */
#include "format/format.h"
#include "harness.h"
#include <math.h>
#include <string.h>

static bb_encoding encode(const char *format, const char *text, const bb_encode_opts *o, const bb_scale *scale) {
    bb_number n;
    bb_encoding e;
    ck_assert_msg(bb_number_parse(text, &n, NULL) == BB_OK, "%s", text);
    ck_assert_int_eq(bb_encode_number(bb_format_find(format, NULL), &n, o, scale, &e, NULL), BB_OK);
    return e;
}

static const char *const formats[] = {"int8", "int4"};
static const int absmaxes[] = {1, 4, 5, 6, 7, 127, 889};

/* absmax * k / limit is code k in every mode: no flag, no error, and the nearest double as value. */
START_TEST(grid_values_are_exact) {
    for (size_t f = 0; f < 2; f++)
        for (size_t a = 0; a < sizeof absmaxes / sizeof *absmaxes; a++) {
            const bb_format *format = bb_format_find(formats[f], NULL);
            int limit = f ? 7 : 127, absmax = absmaxes[a];
            bb_scale scale = bb_int_scale(format, absmax);
            for (int k = -limit; k <= limit; k++)
                for (int mode = BB_ROUND_NE; mode <= BB_ROUND_ODD; mode++) {
                    char text[32];
                    snprintf(text, sizeof text, "%d/%d", absmax * k, limit);
                    bb_encode_opts o = {.round = (bb_round)mode};
                    bb_encoding e = encode(formats[f], text, &o, &scale), back;
                    if (bb_format_decode(format, e.code) != k || e.flags || e.error != 0 || e.ulps != 0 ||
                        e.value != (double)(absmax * k) / limit)
                        ck_abort_msg("%s to %s, absmax %d, mode %d: code %llx flags %x error %g", text, formats[f],
                                     absmax, mode, (unsigned long long)e.code, e.flags, e.error);
                    bb_number n; /* what the code means goes back to it */
                    bb_encoding_number(&e, &n);
                    ck_assert_int_eq(bb_encode_number(format, &n, &o, &scale, &back, NULL), BB_OK);
                    ck_assert(back.code == e.code && !back.flags);
                }
        }
}
END_TEST

/* Halfway between codes k and k + 1: each mode by its rule, and half an ulp off in the nearest ones. */
START_TEST(ties_are_ties) {
    for (size_t f = 0; f < 2; f++)
        for (size_t a = 0; a < sizeof absmaxes / sizeof *absmaxes; a++) {
            const bb_format *format = bb_format_find(formats[f], NULL);
            int limit = f ? 7 : 127, absmax = absmaxes[a];
            bb_scale scale = bb_int_scale(format, absmax);
            for (int k = -limit; k < limit; k++) {
                int even = k % 2 ? k + 1 : k, odd = k % 2 ? k : k + 1, out = k < 0 ? k : k + 1, in = k < 0 ? k + 1 : k;
                const int want[] = {even, out, in, k + 1, k, odd};
                for (int mode = BB_ROUND_NE; mode <= BB_ROUND_ODD; mode++) {
                    char text[32];
                    snprintf(text, sizeof text, "%d/%d", absmax * (2 * k + 1), 2 * limit);
                    bb_encode_opts o = {.round = (bb_round)mode};
                    bb_encoding e = encode(formats[f], text, &o, &scale);
                    unsigned flags = BB_FLAG_INEXACT | (want[mode] == 0 && k < 0 ? BB_FLAG_SIGN_LOST : 0);
                    if (bb_format_decode(format, e.code) != want[mode] || e.flags != flags || e.ulps != 0.5)
                        ck_abort_msg("%s to %s, absmax %d, mode %d: %g, expected %d", text, formats[f], absmax, mode,
                                     bb_format_decode(format, e.code), want[mode]);
                }
            }
        }
}
END_TEST

/* A little beside a tie, where the fraction's denominator has 40 digits or the decimal 45. */
START_TEST(beside_a_tie) {
    bb_scale six = bb_int_scale(bb_format_find("int4", NULL), 6);
    static const struct {
        const char *text;
        uint64_t code;
    } cases[] = {{"3000000000000000000000000000000000000001/7000000000000000000000000000000000000000", 1},
                 {"2999999999999999999999999999999999999999/7000000000000000000000000000000000000000", 0},
                 {"0.428571428571428571428571428571428571428571428", 0},
                 {"0.428571428571428571428571428571428571428571429", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(encode("int4", cases[i].text, NULL, &six).code == cases[i].code, "%s", cases[i].text);
}
END_TEST

START_TEST(scales_that_are_refused) {
    static const bb_scale bad[] = {{0, 1}, {-1, 1},          {HUGE_VAL, 1}, {(double)NAN, 1},
                                   {1, 0}, {0x1p-1074, 127}, {1e307, 1}};
    const bb_format *f = bb_format_find("int8", NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) ck_assert_int_eq(bb_scale_check(f, &bad[i], NULL), BB_E_ARG);
    static const bb_scale good[] = {{0x1p-1074, 1}, {1e306, 1}, {1.7e308, 127}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_int_eq(bb_scale_check(f, &good[i], NULL), BB_OK);
        bb_encoding e;
        bb_decode_code(f, 1, &good[i], &e);
        ck_assert(e.value > 0 && isfinite(e.value));
    }
    /* an ulp below the normal doubles: 3 x 2^-1074 with a scale of 2 x 2^-1074 is half of one off */
    bb_encoding e = encode("int8", "0x1.8p-1073", NULL, &(bb_scale){0x1p-1073, 1});
    ck_assert(e.code == 2 && e.ulps == 0.5 && e.error == 0x1p-1074);
}
END_TEST

/* Infinity has no integer, what is below zero no e8m0; neither is a matter of range. */
START_TEST(invalid_operands) {
    static const struct {
        const char *format, *text;
        bb_overflow overflow;
        uint64_t code;
        unsigned flags;
    } cases[] = {
        {"int8", "inf", BB_OVERFLOW_NATIVE, 0x7F, BB_FLAG_INVALID},
        {"int8", "-inf", BB_OVERFLOW_SATURATE, 0x81, BB_FLAG_INVALID},
        {"int8", "1e9", BB_OVERFLOW_NATIVE, 0x7F, BB_FLAG_INEXACT | BB_FLAG_OVERFLOW},
        {"int8", "-0.01", BB_OVERFLOW_NATIVE, 0, BB_FLAG_INEXACT | BB_FLAG_SIGN_LOST},
        {"int8", "-0", BB_OVERFLOW_NATIVE, 0, BB_FLAG_SIGN_LOST},
        {"int8", "0.01", BB_OVERFLOW_NATIVE, 0, BB_FLAG_INEXACT},
        {"e8m0", "-1", BB_OVERFLOW_NATIVE, 0xFF, BB_FLAG_INVALID},
        {"e8m0", "-inf", BB_OVERFLOW_NATIVE, 0xFF, BB_FLAG_INVALID},
        {"e8m0", "-1", BB_OVERFLOW_SATURATE, 0, BB_FLAG_INVALID},
        {"e8m0", "-inf", BB_OVERFLOW_SATURATE, 0, BB_FLAG_INVALID},
        {"e8m0", "inf", BB_OVERFLOW_SATURATE, 0xFE, BB_FLAG_INEXACT | BB_FLAG_OVERFLOW},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_encode_opts o = {.overflow = cases[i].overflow};
        bb_encoding e = encode(cases[i].format, cases[i].text, &o, NULL);
        ck_assert_msg(e.code == cases[i].code && e.flags == cases[i].flags, "%s to %s: %llx flags %x", cases[i].text,
                      cases[i].format, (unsigned long long)e.code, e.flags);
    }
}
END_TEST

/* The sign of a NaN is that of its code, and a signalling one is invalid where it is converted. */
START_TEST(nan_codes) {
    static const struct {
        const char *from;
        uint64_t code;
        const char *to;
        uint64_t want;
        unsigned flags;
    } cases[] = {
        {"bf16", 0xFFC0, "fp16", 0xFE00, 0},
        {"bf16", 0x7FC0, "fp16", 0x7E00, 0},
        {"e4m3fn", 0xFF, "fp32", 0xFFC00000, 0},
        {"e4m3fnuz", 0x80, "fp32", 0x7FC00000, 0},
        {"bf16", 0x7F81, "fp32", 0x7FC00000, BB_FLAG_INVALID},
        {"e5m2", 0xFD, "fp16", 0xFE00, BB_FLAG_INVALID},
        {"fp64", 0x7FF0000000000001, "fp16", 0x7E00, BB_FLAG_INVALID},
        {"bf16", 0x7F81, "e2m1", 7, BB_FLAG_INVALID | BB_FLAG_NAN_LOST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_encoding from, to;
        bb_number n;
        bb_decode_code(bb_format_find(cases[i].from, NULL), cases[i].code, NULL, &from);
        ck_assert(isnan(from.value) && from.flags == 0);
        bb_encoding_number(&from, &n);
        ck_assert_int_eq(bb_encode_number(bb_format_find(cases[i].to, NULL), &n, NULL, NULL, &to, NULL), BB_OK);
        ck_assert_msg(to.code == cases[i].want && to.flags == cases[i].flags, "%s %llx to %s: %llx flags %x",
                      cases[i].from, (unsigned long long)cases[i].code, cases[i].to, (unsigned long long)to.code,
                      to.flags);
    }
    uint64_t bits = 0x7FF0000000000001;
    double signalling;
    bb_number n;
    memcpy(&signalling, &bits, sizeof bits);
    bb_number_from_f64(signalling, &n);
    ck_assert(n.signalling);
}
END_TEST

/* After a detour: what an encoding of the first rounding is worth against the number that was asked for. */
START_TEST(measured_against_another_input) {
    static const struct {
        const char *text, *via, *to;
        bb_overflow overflow;
        double error, rel, ulps;
    } cases[] = {
        {"448", "fp16", "e4m3fn", BB_OVERFLOW_NATIVE, 0, 0, 0},
        {"0.9999", "fp16", "bf16", BB_OVERFLOW_NATIVE, 1e-4, 1e-4 / 0.9999, 0.0256},
        {"1e-400", "fp64", "fp32", BB_OVERFLOW_NATIVE, 0, 1, 0},
        {"1e400", "fp64", "fp32", BB_OVERFLOW_SATURATE, -HUGE_VAL, 1, 14317119.784357069},
        {"1/3", "fp32", "fp64", BB_OVERFLOW_NATIVE, 0x1p-25 / 3, 0x1p-25, 0x1p29 / 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_number n, wanted;
        bb_encode_opts o = {.overflow = cases[i].overflow};
        bb_encoding first = encode(cases[i].via, cases[i].text, &o, NULL), e;
        bb_encoding_number(&first, &n);
        ck_assert_int_eq(bb_encode_number(bb_format_find(cases[i].to, NULL), &n, &o, NULL, &e, NULL), BB_OK);
        ck_assert_int_eq(bb_number_parse(cases[i].text, &wanted, NULL), BB_OK);
        bb_encoding_measure(&wanted, &e);
        ck_assert_msg((e.error == cases[i].error || fabs(e.error - cases[i].error) <= 1e-12 * fabs(cases[i].error)) &&
                          !(e.error == 0 && signbit(e.error)) &&
                          fabs(e.rel_error - cases[i].rel) <= 1e-12 * cases[i].rel &&
                          fabs(e.ulps - cases[i].ulps) <= 1e-12 * cases[i].ulps,
                      "%s via %s to %s: %.17g %.17g %.17g", cases[i].text, cases[i].via, cases[i].to, e.error,
                      e.rel_error, e.ulps);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("scale");
    TCase *t = tcase_create("scale");
    tcase_add_test(t, grid_values_are_exact);
    tcase_add_test(t, ties_are_ties);
    tcase_add_test(t, beside_a_tie);
    tcase_add_test(t, scales_that_are_refused);
    tcase_add_test(t, invalid_operands);
    tcase_add_test(t, nan_codes);
    tcase_add_test(t, measured_against_another_input);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
