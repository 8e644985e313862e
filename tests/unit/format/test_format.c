/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_format.c - conversions against exact tables and against MPFR; every code of the small formats. */
#include "base/csv.h"
#include "base/random.h"
#include "base/source.h"
#include "format/format.h"
#include "harness.h"
#include <math.h>
#include <mpfr.h>
#include <string.h>

static bb_csv *table_of(const char *path) {
    char *text = NULL;
    size_t n = 0;
    bb_csv *csv = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_source_slurp(path, 1 << 20, &text, &n, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(bb_csv_parse(text, n, path, NULL, &csv, &err) == BB_OK, "%s", err.text);
    free(text);
    return csv;
}

static const bb_format *format_of(const char *name) {
    const bb_format *f = bb_format_find(strcmp(name, "e4m3") == 0 ? "e4m3ieee" : name, NULL);
    ck_assert_msg(f != NULL, "%s", name);
    return f;
}

static bool near(double a, double b) { return fabs(a - b) <= 2e-6 * fabs(b) || a == b; }

START_TEST(golden_conversions) {
    bb_csv *csv = table_of(TEST_DATA("formats/conversions.csv"));
    size_t rows = bb_csv_rows(csv);
    ck_assert_uint_eq(rows, 1728);
    for (size_t i = 0; i < rows; i++) {
        const bb_format *f = format_of(bb_csv_cell(csv, i, 0));
        bb_number n;
        bb_encode_opts o = {0};
        bb_encoding e;
        char exact[2048];
        ck_assert_int_eq(bb_number_parse(bb_csv_cell(csv, i, 1), &n, NULL), BB_OK);
        ck_assert_int_eq(bb_round_find(bb_csv_cell(csv, i, 2), &o.round, NULL), BB_OK);
        ck_assert_int_eq(bb_overflow_find(bb_csv_cell(csv, i, 3), &o.overflow, NULL), BB_OK);
        ck_assert_int_eq(bb_encode_number(f, &n, &o, NULL, &e, NULL), BB_OK);
        uint64_t want = strtoull(bb_csv_cell(csv, i, 4), NULL, 16);
        ck_assert_msg(e.code == want, "line %zu: %s %s %s %s: %llx, expected %llx", bb_csv_line(csv, i), f->name,
                      bb_csv_cell(csv, i, 1), bb_csv_cell(csv, i, 2), bb_csv_cell(csv, i, 3),
                      (unsigned long long)e.code, (unsigned long long)want);
        bb_str s;
        bb_str_init(&s);
        bb_f64_exact(e.value, &s);
        snprintf(exact, sizeof exact, "%s", bb_str_c(&s));
        bb_str_clear(&s);
        const char *shown = bb_csv_cell(csv, i, 5);
        ck_assert_msg(strcmp(exact, shown) == 0, "line %zu: %s, expected %s", bb_csv_line(csv, i), exact, shown);
        double v = 0;
        bool empty = true;
        if (isfinite(e.value)) {
            ck_assert_int_eq(bb_csv_get_f64(csv, i, 6, &v, &empty, NULL), BB_OK);
            ck_assert_msg(near(e.error, v), "line %zu: error %g, expected %g", bb_csv_line(csv, i), e.error, v);
            ck_assert_int_eq(bb_csv_get_f64(csv, i, 7, &v, &empty, NULL), BB_OK);
            ck_assert_msg(near(e.rel_error, fabs(v)), "line %zu: relative %g, expected %g", bb_csv_line(csv, i),
                          e.rel_error, v);
            ck_assert_int_eq(bb_csv_get_f64(csv, i, 8, &v, &empty, NULL), BB_OK);
            ck_assert_msg(near(e.ulps, fabs(v)), "line %zu: ulps %g, expected %g", bb_csv_line(csv, i), e.ulps, v);
        }
    }
    bb_csv_free(csv);
}
END_TEST

START_TEST(golden_codes) {
    bb_csv *csv = table_of(TEST_DATA("formats/tables_le8.csv"));
    size_t checked = 0;
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        const bb_format *f = format_of(bb_csv_cell(csv, i, 0));
        uint64_t code = strtoull(bb_csv_cell(csv, i, 1), NULL, 16);
        const char *want = bb_csv_cell(csv, i, 2);
        double v = bb_format_decode(f, code);
        bb_str s;
        bb_str_init(&s);
        bb_f64_exact(v, &s);
        ck_assert_msg(strcmp(bb_str_c(&s), want) == 0, "%s %s: %s, expected %s", f->name, bb_csv_cell(csv, i, 1),
                      bb_str_c(&s), want);
        bb_str_clear(&s);
        checked++;
    }
    ck_assert_uint_eq(checked, 2960);
    bb_csv_free(csv);
}
END_TEST

/* Every code of every format of at most 19 bits comes back from its value in every mode, without a flag. */
START_TEST(codes_round_trip) {
    for (size_t i = 0; i < bb_format_count(); i++) {
        const bb_format *f = bb_format_at(i);
        if (f->bits > 19 || f->kind == BB_KIND_INT) continue;
        for (uint64_t code = 0; code < 1ull << f->bits; code++) {
            double v = bb_format_decode(f, code);
            if (isnan(v)) continue;
            for (int mode = BB_ROUND_NE; mode <= BB_ROUND_ODD; mode++) {
                bb_encode_opts o = {.round = (bb_round)mode};
                uint64_t back = 0;
                unsigned flags = 99;
                if (bb_format_encode(f, v, &o, &back, &flags) != BB_OK || back != code || flags != 0)
                    ck_abort_msg("%s %llx -> %g -> %llx flags %x", f->name, (unsigned long long)code, v,
                                 (unsigned long long)back, flags);
            }
        }
    }
}
END_TEST

/* ---- the oracle: MPFR rounds toward zero to many bits and says whether that was exact; then one integer rounding ---
 */

typedef struct oracle {
    bool inf; /* beyond the largest finite */
    double value;
    bool inexact, tiny;
} oracle;

static bool away(bb_round mode, bool negative, bool odd, int rest) {
    switch (mode) {
    case BB_ROUND_NE:
        return rest == 3 || (rest == 2 && odd);
    case BB_ROUND_NA:
        return rest >= 2;
    case BB_ROUND_TZ:
        return false;
    case BB_ROUND_UP:
        return rest && !negative;
    case BB_ROUND_DOWN:
        return rest && negative;
    case BB_ROUND_ODD:
        return rest && !odd;
    }
    return false;
}

/* x rounded to p bits, its last place not below 2^low; exact says whether x itself was. */
static void round_mpfr(mpfr_t out, const mpfr_t x, bool exact, int p, long low, bb_round mode, bool *inexact) {
    mpfr_t q, k, d;
    mpfr_inits2(400, q, k, d, (mpfr_ptr)0);
    long last = mpfr_get_exp(x) - p;
    if (last < low) last = low;
    mpfr_abs(q, x, MPFR_RNDN);
    mpfr_mul_2si(q, q, -last, MPFR_RNDN);
    mpfr_floor(k, q);
    mpfr_sub(d, q, k, MPFR_RNDN);
    int half = mpfr_cmp_d(d, 0.5);
    int rest = half > 0 ? 3 : half == 0 ? (exact ? 2 : 3) : (mpfr_zero_p(d) && exact) ? 0 : 1;
    mpfr_div_ui(q, k, 2, MPFR_RNDN);
    bool odd = !mpfr_integer_p(q);
    *inexact = rest != 0;
    if (away(mode, mpfr_sgn(x) < 0, odd, rest)) mpfr_add_ui(k, k, 1, MPFR_RNDN);
    mpfr_mul_2si(out, k, last, MPFR_RNDN);
    if (mpfr_sgn(x) < 0) mpfr_neg(out, out, MPFR_RNDN);
    mpfr_clears(q, k, d, (mpfr_ptr)0);
}

static oracle ask(const bb_format *f, const char *text, bb_round mode) {
    mpfr_t x, y, z;
    mpfr_inits2(300, x, y, z, (mpfr_ptr)0);
    mpfr_set_prec(y, 400);
    mpfr_set_prec(z, 400);
    oracle o = {0};
    bool exact = mpfr_strtofr(x, text, NULL, 10, MPFR_RNDZ) == 0, inexact = false;
    long emin = 1 - f->bias;
    round_mpfr(y, x, exact, f->man_bits + 1, emin - f->man_bits, mode, &inexact);
    o.inexact = inexact;
    o.value = mpfr_get_d(y, MPFR_RNDN);
    mpfr_abs(z, y, MPFR_RNDN);
    o.inf = mpfr_cmp_d(z, bb_format_max(f)) > 0;
    bool ignored;
    round_mpfr(z, x, exact, f->man_bits + 1, -1000000, mode, &ignored);
    mpfr_abs(z, z, MPFR_RNDN);
    mpfr_t least;
    mpfr_init2(least, 64);
    mpfr_set_ui_2exp(least, 1, emin, MPFR_RNDN);
    o.tiny = mpfr_cmp(z, least) < 0;
    mpfr_clears(x, y, z, least, (mpfr_ptr)0);
    return o;
}

static void compare(const bb_format *f, const char *text, bb_round mode) {
    bb_number n;
    bb_encoding e;
    bb_encode_opts o = {.round = mode, .overflow = BB_OVERFLOW_SATURATE};
    ck_assert_int_eq(bb_number_parse(text, &n, NULL), BB_OK);
    if (n.cls == BB_CLASS_ZERO) return;
    ck_assert_int_eq(bb_encode_number(f, &n, &o, NULL, &e, NULL), BB_OK);
    oracle want = ask(f, text, mode);
    double value = want.inf ? copysign(bb_format_max(f), n.sign ? -1 : 1) : want.value;
    unsigned flags = (want.inexact || want.inf ? BB_FLAG_INEXACT : 0) | (want.inf ? BB_FLAG_OVERFLOW : 0) |
                     (want.inexact && want.tiny ? BB_FLAG_UNDERFLOW : 0);
    ck_assert_msg(e.value == value && (e.flags & ~(unsigned)BB_FLAG_SIGN_LOST) == flags,
                  "%s to %s mode %s: %.17g flags %x, MPFR says %.17g flags %x", text, f->name, bb_round_name(mode),
                  e.value, e.flags, value, flags);
}

START_TEST(against_mpfr) {
    mpfr_set_emin(mpfr_get_emin_min());
    mpfr_set_emax(mpfr_get_emax_max());
    /* values near the ends, near ties, and of every magnitude of the format */
    size_t cases = getenv("BB_SLOW") ? 200000 : getenv("BB_SANITIZED") ? 300 : 10000;
    for (size_t i = 0; i < bb_format_count(); i++) {
        const bb_format *f = bb_format_at(i);
        if (f->kind == BB_KIND_INT || f->kind == BB_KIND_E8M0) continue;
        for (uint64_t k = 0; k < cases; k++) {
            char text[2200];
            uint64_t code = bb_random_u64(7 + i, 4 * k), r = bb_random_u64(7 + i, 4 * k + 1);
            double a = bb_format_decode(f, code), b = bb_format_decode(f, bb_format_step(f, code, 1));
            if (!isfinite(a) || !isfinite(b)) a = b = bb_format_max(f) * (1 + (double)(r % 64) / 512);
            switch (r >> 60) {
            case 0: { /* the exact middle of two codes, every digit */
                mpfr_t m;
                mpfr_init2(m, 128);
                mpfr_set_d(m, a, MPFR_RNDN);
                mpfr_add_d(m, m, b, MPFR_RNDN);
                mpfr_div_2ui(m, m, 1, MPFR_RNDN);
                mpfr_snprintf(text, sizeof text, "%.1080Rf%s", m, r & 1 ? "" : "0000000000000000000000001");
                mpfr_clear(m);
                break;
            }
            case 1:
                snprintf(text, sizeof text, "%.*g", (int)(r % 20) + 1, a);
                break;
            case 2:
                snprintf(text, sizeof text, "%.17ge%d", a, (int)(r % 7) - 3);
                break;
            default:
                snprintf(text, sizeof text, "%.25f", a + (b - a) * ((double)(r & 0xFFFFFF) / 16777216.0));
                if (fabs(a) < 1e-8 || fabs(a) > 1e60)
                    snprintf(text, sizeof text, "%.20g", a + (b - a) * ((double)(r & 0xFFFFFF) / 16777216.0));
            }
            if (strchr(text, 'e') != strrchr(text, 'e') || strstr(text, "inf") || strstr(text, "nan")) continue;
            compare(f, text, (bb_round)(k % 6));
        }
    }
}
END_TEST

START_TEST(double_rounding_traps) {
    static const struct {
        const char *format, *text;
        uint64_t code;
    } cases[] = {
        {"fp16", "pi", 0x4248},
        {"bf16", "pi", 0x4049},
        {"fp16", "1/3", 0x3555},
        {"bf16", "1/3", 0x3EAB},
        /* 1 + 2^-11 + 2^-30 and 1 + 2^-8 + 2^-30: through fp32 they would round down */
        {"fp16", "0x1.00200004p0", 0x3C01},
        {"bf16", "0x1.01000004p0", 0x3F81},
        {"e4m3fn", "464.00000095367431640625", 0x7F},
        {"e4m3fn", "464", 0x7E},
        {"fp16", "65520", 0x7C00},
        {"fp16", "65519.99999999999999999999999999999", 0x7BFF},
        {"e5m2", "61440", 0x7C},
        {"e5m2", "61439.9999", 0x7B},
        {"tf32", "pi", 0x20248},
        {"fp64", "9007199254740993", 0x4340000000000000},
        {"fp64", "9007199254740993.00000000000000000000000000000001", 0x4340000000000001},
        {"fp64", "2.4703282292062327208e-324", 0},
        {"fp64", "2.4703282292062328e-324", 1},
        {"e2m1", "-0.2", 0x8},
        {"e4m3fnuz", "-0.0000001", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_number n;
        bb_encoding e;
        ck_assert_int_eq(bb_number_parse(cases[i].text, &n, NULL), BB_OK);
        ck_assert_int_eq(bb_encode_number(bb_format_find(cases[i].format, NULL), &n, NULL, NULL, &e, NULL), BB_OK);
        ck_assert_msg(e.code == cases[i].code, "%s to %s: %llx, expected %llx", cases[i].text, cases[i].format,
                      (unsigned long long)e.code, (unsigned long long)cases[i].code);
    }
}
END_TEST

/* formats.md 2c: absmax 4 gives pi 100 = 3.149606, 1/3 11, 0.1 3; int4 5 = 2.857143, 1, 0. */
START_TEST(integers_with_a_scale) {
    static const struct {
        const char *format, *text;
        double absmax;
        uint64_t code;
    } cases[] = {{"int8", "pi", 4, 100}, {"int8", "1/3", 4, 11}, {"int8", "0.1", 4, 3},   {"int4", "pi", 4, 5},
                 {"int4", "1/3", 4, 1},  {"int4", "0.1", 4, 0},  {"int8", "-4", 4, 0x81}, {"int8", "9", 4, 127},
                 {"int8", "pi", 127, 3}, {"int4", "-inf", 7, 9}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bb_format *f = bb_format_find(cases[i].format, NULL);
        bb_number n;
        bb_encoding e;
        ck_assert_int_eq(bb_number_parse(cases[i].text, &n, NULL), BB_OK);
        bb_scale scale = bb_int_scale(f, cases[i].absmax);
        ck_assert_int_eq(bb_encode_number(f, &n, NULL, &scale, &e, NULL), BB_OK);
        ck_assert_msg(e.code == cases[i].code, "%s to %s: %llx", cases[i].text, f->name, (unsigned long long)e.code);
    }
}
END_TEST

START_TEST(steps_visit_every_value_in_order) {
    for (size_t i = 0; i < bb_format_count(); i++) {
        const bb_format *f = bb_format_at(i);
        if (f->bits > 16 || f->kind == BB_KIND_E8M0) continue;
        uint64_t code = bb_format_max_code(f);
        double last = bb_format_decode(f, code);
        size_t n = 1;
        for (;; n++) {
            uint64_t down = bb_format_step(f, code, -1);
            double v = bb_format_decode(f, down);
            if (down == code || isinf(v)) break;
            if (!(v == 0 && last == 0) && !(v < last)) ck_abort_msg("%s: %g after %g", f->name, v, last);
            code = down;
            last = v;
        }
        ck_assert_msg(last == -bb_format_max(f), "%s ends at %g", f->name, last);
        ck_assert_uint_gt(n, 12);
    }
}
END_TEST

START_TEST(names) {
    bb_error err = {0};
    ck_assert_ptr_eq(bb_format_find("FP8", &err), NULL);
    ck_assert(strstr(err.text, "e4m3fn") && strstr(err.text, "e5m2"));
    ck_assert_ptr_eq(bb_format_find("bf17", &err), NULL);
    ck_assert(strstr(err.hint, "bf16"));
    ck_assert_ptr_eq(bb_format_find("BFloat16", NULL), bb_format_find("bf16", NULL));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("format");
    TCase *t = tcase_create("format");
    tcase_set_timeout(t, 600);
    tcase_add_test(t, golden_conversions);
    tcase_add_test(t, golden_codes);
    tcase_add_test(t, codes_round_trip);
    tcase_add_test(t, against_mpfr);
    tcase_add_test(t, double_rounding_traps);
    tcase_add_test(t, integers_with_a_scale);
    tcase_add_test(t, steps_visit_every_value_in_order);
    tcase_add_test(t, names);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
