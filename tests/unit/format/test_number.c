/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_number.c - texts of values against MPFR and exact arithmetic; differences; hostile input. */
#include "base/random.h"
#include "format/number.h"
#include "harness.h"
#include <math.h>
#include <mpfr.h>
#include <string.h>

static bb_number number_of(const char *text) {
    bb_number n;
    bb_error err = {0};
    ck_assert_msg(bb_number_parse(text, &n, &err) == BB_OK, "%.60s: %s", text, err.text);
    return n;
}

/* sig * 2^exp, the 128 bits without what lies beyond them. */
static void to_mpfr(mpfr_t out, const bb_number *n) {
    mpfr_set_ui_2exp(out, (unsigned long)(n->hi >> 32), 96, MPFR_RNDN);
    mpfr_t part;
    mpfr_init2(part, 64);
    mpfr_set_ui_2exp(part, (unsigned long)(n->hi & 0xFFFFFFFF), 64, MPFR_RNDN);
    mpfr_add(out, out, part, MPFR_RNDN);
    mpfr_set_ui_2exp(part, (unsigned long)(n->lo >> 32), 32, MPFR_RNDN);
    mpfr_add(out, out, part, MPFR_RNDN);
    mpfr_set_ui_2exp(part, (unsigned long)(n->lo & 0xFFFFFFFF), 0, MPFR_RNDN);
    mpfr_add(out, out, part, MPFR_RNDN);
    mpfr_mul_2si(out, out, n->exp, MPFR_RNDN);
    if (n->sign) mpfr_neg(out, out, MPFR_RNDN);
    mpfr_clear(part);
}

/* want: 128 bits rounded toward zero; exact: whether that lost nothing. */
static void same(const char *text, const mpfr_t want, bool exact) {
    bb_number n = number_of(text);
    mpfr_t got;
    mpfr_init2(got, 128);
    ck_assert_int_eq(n.cls, BB_CLASS_FINITE);
    ck_assert_msg(n.hi >> 63, "%.80s: not normalised", text);
    to_mpfr(got, &n);
    ck_assert_msg(mpfr_equal_p(got, want), "%.80s: %016llx%016llx * 2^%d", text, (unsigned long long)n.hi,
                  (unsigned long long)n.lo, n.exp);
    ck_assert_msg(n.sticky == !exact, "%.80s: sticky %d", text, n.sticky);
    if (!n.sticky) ck_assert(n.above == 0 && n.below == 1);
    if (n.sticky) ck_assert(n.above >= 0 && n.below > 0 && fabs(n.above + n.below - 1) < 1e-15);
    mpfr_clear(got);
}

START_TEST(decimals_against_mpfr) {
    mpfr_t x;
    mpfr_init2(x, 128);
    size_t cases = getenv("BB_SLOW") ? 1000000 : 30000;
    for (uint64_t k = 0; k < cases; k++) {
        char text[1600];
        uint64_t r = bb_random_u64(11, 3 * k);
        size_t digits = 1 + (size_t)(r % (r & 1ull << 40 ? 20 : r & 1ull << 41 ? 60 : 900)), at = 0;
        if (r & 1ull << 62) text[at++] = '-';
        for (size_t i = 0; i < digits; i++) {
            if (i == (r >> 20 & 31)) text[at++] = '.';
            text[at++] = (char)('0' + bb_random_u64(12 + k, i) % 10);
        }
        text[at] = 0;
        if (r & 1ull << 61) snprintf(text + at, sizeof text - at, "e%d", (int)(r >> 42 & 1023) - 512);
        int t = mpfr_strtofr(x, text, NULL, 10, MPFR_RNDZ);
        if (mpfr_zero_p(x))
            ck_assert_int_eq(number_of(text).cls, BB_CLASS_ZERO);
        else
            same(text, x, t == 0);
    }
    mpfr_clear(x);
}
END_TEST

/* Fractions of decimals and hex floats: numerator and denominator exactly in MPFR, one division toward zero. */
START_TEST(fractions_against_mpfr) {
    mpfr_t x, y, q;
    mpfr_inits2(4000, x, y, (mpfr_ptr)0);
    mpfr_init2(q, 128);
    for (uint64_t k = 0; k < 20000; k++) {
        char a[80], b[80], text[200];
        uint64_t r = bb_random_u64(21, 4 * k), u = bb_random_u64(21, 4 * k + 1), v = bb_random_u64(21, 4 * k + 2);
        unsigned few = (unsigned)(r >> 8 & 63);
        u >>= few;
        v >>= r >> 16 & 63;
        if (!u) u = 1;
        if (!v) v = 3;
        if (r & 1)
            snprintf(a, sizeof a, "0x%llx.%llxp%d", (unsigned long long)u, (unsigned long long)(v & 0xFFF),
                     (int)(r >> 32 & 255) - 128);
        else
            snprintf(a, sizeof a, "%llu", (unsigned long long)u);
        if (r & 2)
            snprintf(b, sizeof b, "0x%llx", (unsigned long long)v);
        else
            snprintf(b, sizeof b, "-%llu.5", (unsigned long long)v);
        snprintf(text, sizeof text, "%s/%s", a, b);
        mpfr_set_str(x, a, 0, MPFR_RNDN);
        mpfr_set_str(y, b, 0, MPFR_RNDN);
        int t = mpfr_div(q, x, y, MPFR_RNDZ);
        same(text, q, t == 0);
    }
    mpfr_clears(x, y, q, (mpfr_ptr)0);
}
END_TEST

START_TEST(constants_against_mpfr) {
    mpfr_t wide, x;
    mpfr_init2(wide, 300);
    mpfr_init2(x, 128);
    for (int i = 0; i < 4; i++) {
        static const char *const names[] = {"pi", "e", "sqrt2", "ln2"};
        if (i == 0) mpfr_const_pi(wide, MPFR_RNDN);
        if (i == 1) mpfr_set_ui(wide, 1, MPFR_RNDN), mpfr_exp(wide, wide, MPFR_RNDN);
        if (i == 2) mpfr_sqrt_ui(wide, 2, MPFR_RNDN);
        if (i == 3) mpfr_const_log2(wide, MPFR_RNDN);
        mpfr_set(x, wide, MPFR_RNDZ);
        same(names[i], x, false);
        bb_number n = number_of(names[i]);
        mpfr_sub(wide, wide, x, MPFR_RNDN);
        mpfr_mul_2si(wide, wide, -n.exp, MPFR_RNDN);
        ck_assert_msg(fabs(mpfr_get_d(wide, MPFR_RNDN) - n.above) < 1e-15, "%s: %.17g", names[i], n.above);
    }
    ck_assert(number_of("-PI").sign && !number_of("+e").sign);
    ck_assert(number_of("-inf").cls == BB_CLASS_INF && number_of("-inf").sign && number_of("NaN").cls == BB_CLASS_NAN);
    ck_assert(number_of("Infinity").cls == BB_CLASS_INF && number_of("-0").cls == BB_CLASS_ZERO);
    ck_assert(number_of("-0").sign && !number_of("0e99").sign && number_of("0/-7").sign);
    mpfr_clears(wide, x, (mpfr_ptr)0);
}
END_TEST

START_TEST(spellings) {
    static const struct {
        const char *text;
        double value;
    } good[] = {{"-1.5e-8", -1.5e-8},
                {"+7", 7},
                {".5", 0.5},
                {"5.", 5},
                {"0x18", 24},
                {"0X1E5", 0x1E5},
                {"0x1.8p3", 12},
                {"-0x.8p-1073", -0x1p-1074},
                {"6/4", 1.5},
                {"-2/8", -0.25},
                {"2/-8", -0.25},
                {"0x10/0x4p1", 2},
                {"1e2/1e1", 10},
                {"1e400/1e399", 10},
                {"0.00000000000000000000000000000000000000000000000001e50", 1}};
    static const char *const bad[] = {"",    " 1",   "1 ",   "1,5",   "1..2",  "e5",   "1e",     "1e+",    "0x",
                                      "0xg", "0x1p", "1/",   "/2",    "1/2/3", "1/0",  "1/-0.0", "pi/2",   "--1",
                                      "+-1", "1p3",  "0b11", "1_000", "infin", "nan(", "1e5.5",  "0x1.8q", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        bb_number n = number_of(good[i].text);
        ck_assert_msg(bb_number_to_f64(&n) == good[i].value, "%s: %.17g", good[i].text, bb_number_to_f64(&n));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bb_number n = {.hi = 42};
        bb_error err = {0};
        ck_assert_msg(bb_number_parse(bad[i], &n, &err) == BB_E_VALUE, "'%s' was taken", bad[i]);
        ck_assert_msg(n.hi == 42 && err.text[0], "'%s'", bad[i]);
        ck_assert_int_eq(bb_number_parse(bad[i], &n, NULL), BB_E_VALUE);
    }
}
END_TEST

static char *repeated(const char *before, char c, size_t times, const char *after) {
    size_t head = strlen(before), tail = strlen(after);
    char *text = malloc(head + times + tail + 1);
    ck_assert_ptr_nonnull(text);
    memcpy(text, before, head);
    memset(text + head, c, times);
    memcpy(text + head + times, after, tail + 1);
    return text;
}

/* What would be slow or wrong if digits or exponents were taken at their word; the test case has a time limit. */
START_TEST(hostile_texts) {
    enum { MANY = 1000000 };
    static const struct {
        const char *before;
        char c;
        const char *after;
        double value;
        bool sticky;
    } cases[] = {{"0.", '3', "", 0.33333333333333331, true},
                 {"", '9', "", HUGE_VAL, true},
                 {"1.", '0', "", 1, false},
                 {"1.", '0', "1", 1, true},
                 {"1", '0', "e-1000000", 1, false},
                 {"0.", '0', "1e1000001", 1, false},
                 {"1.", '0', "e5", 1e5, false},
                 {"0x", 'f', "p-4000000", 1, true},
                 {"0x0.", '0', "1p4000004", 1, false},
                 {"0", '0', "7", 7, false},
                 {"1e", '9', "", HUGE_VAL, false},
                 {"1e-", '9', "", 0, false},
                 {"0e", '9', "", 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = repeated(cases[i].before, cases[i].c, MANY, cases[i].after);
        bb_number n = number_of(text);
        ck_assert_msg(bb_number_to_f64(&n) == cases[i].value, "case %zu: %g", i, bb_number_to_f64(&n));
        ck_assert_msg(n.sticky == cases[i].sticky, "case %zu: sticky %d", i, n.sticky);
        free(text);
    }
    char *text = repeated("1/", '3', MANY, "");
    bb_number n;
    bb_error err = {0};
    ck_assert_int_eq(bb_number_parse(text, &n, &err), BB_E_VALUE);
    ck_assert(strstr(err.text, "digits"));
    free(text);
    text = repeated("", 'x', MANY, "");
    ck_assert_int_eq(bb_number_parse(text, &n, &err), BB_E_VALUE);
    free(text);
    /* 10^25000 = 2^83048.2: the exponents cancel */
    ck_assert_int_eq(bb_number_parse("1e25000/0x1p83048", &n, &err), BB_E_VALUE);
    ck_assert_int_eq(bb_number_parse("0x1p83048/1e25000", &n, &err), BB_E_VALUE);
    ck_assert(number_of("1e25000/0x1p8").exp > 10000 && number_of("0x1p8/1e25000").exp < -10000);
    ck_assert(number_of("0x1p990000/1e25000").exp > 10000 && number_of("1e25000/1e24999").exp == -124);
    ck_assert(number_of("1e20000/3e-20000").cls == BB_CLASS_FINITE);
    ck_assert(number_of("0x1p999999999999999999/7").exp > 10000 && number_of("-1e-999999999").exp < -10000);
}
END_TEST

/* value - 1 where the value differs from 1 by less than 2^-128, on both sides. */
START_TEST(tiny_differences) {
    static const struct {
        const char *a, *b;
        double want;
    } cases[] = {
        {"1.000000000000000000000000000000000000000000000000000000000001", "1", 1e-60},
        {"1", "1.000000000000000000000000000000000000000000000000000000000001", -1e-60},
        {"0.999999999999999999999999999999999999999999999999999999999999", "1", -1e-60},
        {"-0.999999999999999999999999999999999999999999999999999999999999", "-1", 1e-60},
        {"1024.00000000000000000000000000000000000000000001", "1024", 1e-44},
        {"1/3", "0x0.55555555555555555555555555555555p0", 0x1p-128 / 3},
        {"3.140625", "pi", -9.6765358979323846e-4},
        {"2", "1", 1},
        {"1e300", "1", 1e300},
        {"1", "-1", 2},
        {"-1", "1e-30", -1},
        {"0x1p-1074", "0x1p-1073", -4.9406564584124654e-324},
        {"0", "1e-320", -1e-320},
        {"1e-320", "0", 1e-320},
        {"7", "7", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_number a = number_of(cases[i].a), b = number_of(cases[i].b);
        double d = bb_number_diff(&a, &b), back = bb_number_diff(&b, &a);
        ck_assert_msg(fabs(d - cases[i].want) <= 4e-16 * fabs(cases[i].want), "%s - %s: %.17g", cases[i].a, cases[i].b,
                      d);
        ck_assert_msg(back == -d, "%s - %s: %.17g one way, %.17g the other", cases[i].a, cases[i].b, d, back);
    }
    bb_number nan = number_of("nan"), one = number_of("1"), inf = number_of("inf");
    ck_assert(isnan(bb_number_diff(&nan, &one)) && isnan(bb_number_diff(&one, &inf)));
}
END_TEST

/* Near values of every shape: the difference that MPFR finds with 2000 bits. */
START_TEST(differences_against_mpfr) {
    mpfr_t x, y;
    mpfr_inits2(2000, x, y, (mpfr_ptr)0);
    for (uint64_t k = 0; k < 20000; k++) {
        uint64_t r = bb_random_u64(31, 3 * k), u = bb_random_u64(31, 3 * k + 1);
        char text[128];
        double v = ldexp((double)(u >> 11), (int)(r & 63) - 32);
        snprintf(text, sizeof text, "%.*e", (int)(r >> 8 & 63), v);
        if (r & 1ull << 32) v = nextafter(v, HUGE_VAL);
        bb_number a, b = number_of(text);
        bb_number_from_f64(v, &a);
        mpfr_set_d(x, v, MPFR_RNDN);
        mpfr_strtofr(y, text, NULL, 10, MPFR_RNDN);
        mpfr_sub(x, x, y, MPFR_RNDN);
        double want = mpfr_get_d(x, MPFR_RNDN), got = bb_number_diff(&a, &b);
        ck_assert_msg(fabs(got - want) <= 1e-15 * fabs(want), "%.17g - %s = %.17g, MPFR says %.17g", v, text, got,
                      want);
    }
    mpfr_clears(x, y, (mpfr_ptr)0);
}
END_TEST

START_TEST(doubles_come_back) {
    for (uint64_t k = 0; k < 200000; k++) {
        uint64_t u = bb_random_u64(41, k);
        if (k % 5 == 0) u &= 0x800FFFFFFFFFFFFF; /* subnormal */
        double v, back;
        memcpy(&v, &u, sizeof v);
        if (isnan(v)) continue;
        bb_number n;
        bb_number_from_f64(v, &n);
        back = bb_number_to_f64(&n);
        ck_assert_msg(memcmp(&v, &back, sizeof v) == 0, "%a came back as %a", v, back);
    }
    /* nearest, ties to even, also where the last place of a double is coarser, and past the largest */
    bb_number n = number_of("9007199254740993");
    ck_assert(bb_number_to_f64(&n) == 9007199254740992.0);
    n = number_of("9007199254740995");
    ck_assert(bb_number_to_f64(&n) == 9007199254740996.0);
    n = number_of("0x3p-1075");
    ck_assert(bb_number_to_f64(&n) == 0x2p-1074);
    n = number_of("0x1p-1075");
    ck_assert(bb_number_to_f64(&n) == 0);
    n = number_of("0x1.0000001p-1075");
    ck_assert(bb_number_to_f64(&n) == 0x1p-1074);
    n = number_of("0x1.fffffffffffff8p1023");
    ck_assert(isinf(bb_number_to_f64(&n)));
    n = number_of("0x1.fffffffffffff7ffp1023");
    ck_assert(bb_number_to_f64(&n) == 0x1.fffffffffffffp1023);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("number");
    TCase *t = tcase_create("number"), *bounded = tcase_create("bounded");
    tcase_set_timeout(t, 600);
    tcase_add_test(t, decimals_against_mpfr);
    tcase_add_test(t, fractions_against_mpfr);
    tcase_add_test(t, constants_against_mpfr);
    tcase_add_test(t, spellings);
    tcase_add_test(t, tiny_differences);
    tcase_add_test(t, differences_against_mpfr);
    tcase_add_test(t, doubles_come_back);
    tcase_set_timeout(bounded, 60);
    tcase_add_test(bounded, hostile_texts);
    suite_add_tcase(s, t);
    suite_add_tcase(s, bounded);
    return s;
}

TEST_MAIN(suite)
