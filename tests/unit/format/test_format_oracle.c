/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_format_oracle.c - the rounding against the processor's own, the C library's, and a search in the sorted codes.
 */
#include "base/random.h"
#include "format/format.h"
#include "harness.h"
#include <fenv.h>
#include <math.h>
#include <string.h>

static size_t cases(size_t n) { return getenv("BB_SLOW") ? n * 20 : getenv("BB_SANITIZED") ? n / 20 : n; }

/* ---- fp32 and fp64: the hardware converts, strtod reads; both know four of the modes ---- */

static const struct {
    int hardware;
    bb_round mode;
} modes[] = {
    {FE_TONEAREST, BB_ROUND_NE}, {FE_TOWARDZERO, BB_ROUND_TZ}, {FE_UPWARD, BB_ROUND_UP}, {FE_DOWNWARD, BB_ROUND_DOWN}};

START_TEST(fp32_as_the_processor) {
    const bb_format *f = bb_format_find("fp32", NULL);
    for (uint64_t k = 0; k < cases(1000000); k++) {
        uint64_t u = bb_random_u64(51, k), code = 0;
        /* exponents around the range of fp32, and now and then a mantissa that ends in a tie or near one */
        uint64_t e = k % 3 == 0 ? 1023 - 155 + u % 40 : k % 3 == 1 ? 1023 + 120 + u % 10 : u % 2046;
        u = (u & 0x800FFFFFFFFFFFFF) | e << 52;
        if (k % 7 == 0) u = (u & ~0x3FFFFFFFull) | 0x10000000 | (k % 2);
        double v;
        memcpy(&v, &u, sizeof v);
        size_t m = k % 4;
        volatile double in = v;
        fesetround(modes[m].hardware);
        feclearexcept(FE_ALL_EXCEPT);
        volatile float got = (float)in;
        int raised = fetestexcept(FE_INEXACT | FE_OVERFLOW | FE_UNDERFLOW);
        fesetround(FE_TONEAREST);
        float x = got;
        uint32_t want;
        memcpy(&want, &x, sizeof want);
        unsigned flags = 0, expected = (raised & FE_INEXACT ? BB_FLAG_INEXACT : 0u) |
                                       (raised & FE_OVERFLOW ? BB_FLAG_OVERFLOW : 0u) |
                                       (raised & FE_UNDERFLOW ? BB_FLAG_UNDERFLOW : 0u);
        bb_encode_opts o = {.round = modes[m].mode};
        if (bb_format_encode(f, v, &o, &code, &flags) != BB_OK || code != want)
            ck_abort_msg("%a mode %zu: %llx, hardware %x", v, m, (unsigned long long)code, want);
#if defined(__x86_64__) /* tiny after rounding there, as here; other processors may say it before */
        if (flags != expected) ck_abort_msg("%a mode %zu: flags %x, hardware %x", v, m, flags, expected);
#else
        (void)expected;
#endif
    }
}
END_TEST

START_TEST(fp64_as_strtod) {
    const bb_format *f = bb_format_find("fp64", NULL);
    for (uint64_t k = 0; k < cases(200000); k++) {
        uint64_t u = bb_random_u64(61, 2 * k), r = bb_random_u64(61, 2 * k + 1);
        char text[900];
        double v;
        if (k % 4 == 0) u &= 0x800FFFFFFFFFFFFF;
        memcpy(&v, &u, sizeof v);
        if (!isfinite(v)) continue;
        if (k % 4 == 3)
            snprintf(text, sizeof text, "%s%llu.%llue%d", u >> 63 ? "-" : "", (unsigned long long)(u >> (r & 63)),
                     (unsigned long long)r, (int)(r >> 32 % 640) % 330);
        else
            snprintf(text, sizeof text, "%.*e", (int)(r % 30), v);
        size_t m = r >> 40 & 3;
        fesetround(modes[m].hardware);
        double want = strtod(text, NULL);
        fesetround(FE_TONEAREST);
        bb_number n;
        bb_encoding e;
        bb_encode_opts o = {.round = modes[m].mode};
        memcpy(&u, &want, sizeof u);
        if (bb_number_parse(text, &n, NULL) != BB_OK || bb_encode_number(f, &n, &o, NULL, &e, NULL) != BB_OK ||
            e.code != u)
            ck_abort_msg("%s mode %zu: %a, strtod %a", text, m, e.value, want);
    }
}
END_TEST

/* ---- formats of at most 16 bits: the two neighbours in the sorted list of values decide ---- */

typedef struct sorted {
    double value[1 << 15]; /* finite values from 0 up; the index is the code of the magnitude */
    size_t n;
    double beyond; /* the next value if there were one more */
} sorted;

static void sort(const bb_format *f, sorted *s) {
    s->n = (size_t)bb_format_max_code(f) + 1;
    for (size_t i = 0; i < s->n; i++) {
        s->value[i] = bb_format_decode(f, i);
        if (i > 0 && !(s->value[i] > s->value[i - 1])) ck_abort_msg("%s %zx", f->name, i);
    }
    s->beyond = 2 * s->value[s->n - 1] - s->value[s->n - 2];
}

/* Where |v| falls: the index at or below it, and whether it is above (rest 3), at (2) or below (1) the middle. */
static size_t place(const sorted *s, double v, int *rest) {
    size_t low = 0, high = s->n - 1;
    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        if (s->value[middle] <= v)
            low = middle;
        else
            high = middle - 1;
    }
    double next = low + 1 < s->n ? s->value[low + 1] : s->beyond;
    double middle = (s->value[low] + next) / 2; /* exact: one bit more than the format */
    *rest = v == s->value[low] ? 0 : v < middle ? 1 : v == middle ? 2 : 3;
    return low;
}

/* formats.md 2a for a finite value that rounds to beyond the largest, or for an infinity. */
static uint64_t overflowed(const bb_format *f, bool negative, bool infinite, bb_encode_opts o) {
    uint64_t sign = negative ? 1ull << (f->bits - 1) : 0, max = sign | bb_format_max_code(f);
    bool ocp = strcmp(f->name, "e4m3fn") == 0 || strcmp(f->name, "e5m2") == 0;
    if (f->kind == BB_KIND_FINITE || (o.overflow == BB_OVERFLOW_OCP && ocp)) return max;
    bool outward =
        o.round == BB_ROUND_NE || o.round == BB_ROUND_NA || o.round == (negative ? BB_ROUND_DOWN : BB_ROUND_UP);
    if (!infinite && (o.overflow == BB_OVERFLOW_SATURATE || !outward)) return max;
    switch (f->kind) {
    case BB_KIND_IEEE:
        return sign | (((1ull << f->exp_bits) - 1) << f->man_bits);
    case BB_KIND_FN:
        return sign | 0x7F;
    case BB_KIND_FNUZ:
        return 0x80;
    case BB_KIND_P3109:
        return sign | 0x7F;
    default:
        ck_abort_msg("%s", f->name);
    }
    return 0;
}

static void check(const bb_format *f, const sorted *s, double v, bb_encode_opts o) {
    uint64_t code = 0, want;
    unsigned flags = 0, expected = 0;
    bool negative = signbit(v) != 0;
    double a = fabs(v);
    if (isinf(v)) {
        want = overflowed(f, negative, true, o);
        expected = bb_format_has_inf(f) && want == ((negative ? 1ull << (f->bits - 1) : 0) | bb_format_inf_code(f))
                       ? 0
                       : BB_FLAG_OVERFLOW | BB_FLAG_INEXACT;
    } else {
        int rest;
        size_t at = place(s, a, &rest);
        bool up = false;
        if (a >= s->beyond) rest = 3, at = s->n - 1;
        switch (o.round) {
        case BB_ROUND_NE:
            up = rest == 3 || (rest == 2 && at % 2);
            break;
        case BB_ROUND_NA:
            up = rest >= 2;
            break;
        case BB_ROUND_TZ:
            break;
        case BB_ROUND_UP:
            up = rest && !negative;
            break;
        case BB_ROUND_DOWN:
            up = rest && negative;
            break;
        case BB_ROUND_ODD:
            up = rest && at % 2 == 0;
            break;
        }
        if (rest) expected = BB_FLAG_INEXACT;
        if (at + up >= s->n || a >= s->beyond) {
            want = overflowed(f, negative, false, o);
            expected |= BB_FLAG_OVERFLOW;
        } else {
            want = at + up;
            bool minus_zero = f->kind == BB_KIND_FNUZ || f->kind == BB_KIND_P3109;
            if (negative && want == 0 && minus_zero) expected |= BB_FLAG_SIGN_LOST;
            if (negative && !(want == 0 && minus_zero)) want |= 1ull << (f->bits - 1);
            if (rest &&
                a < bb_format_min_normal(f)) { /* tiny unless the finer grid, too, reaches the smallest normal */
                double finer =
                    bb_format_min_normal(f) * (1 - ldexp(1, -f->man_bits - 1)); /* the last value before it */
                double half = (finer + bb_format_min_normal(f)) / 2;
                bool reaches = (o.round == BB_ROUND_NE || o.round == BB_ROUND_NA)    ? a >= half
                               : o.round == (negative ? BB_ROUND_DOWN : BB_ROUND_UP) ? a > finer
                                                                                     : false;
                if (!reaches) expected |= BB_FLAG_UNDERFLOW;
            }
        }
    }
    if (bb_format_encode(f, v, &o, &code, &flags) != BB_OK || code != want || flags != expected)
        ck_abort_msg("%a to %s, %s, %s: %llx flags %x, expected %llx flags %x", v, f->name, bb_round_name(o.round),
                     bb_overflow_name(o.overflow), (unsigned long long)code, flags, (unsigned long long)want, expected);
}

START_TEST(small_formats_as_their_sorted_values) {
    static sorted s;
    for (size_t i = 0; i < bb_format_count(); i++) {
        const bb_format *f = bb_format_at(i);
        if (f->bits > 16 || f->kind == BB_KIND_INT || f->kind == BB_KIND_E8M0) continue;
        sort(f, &s);
        size_t random = cases(20000);
        for (uint64_t k = 0; k < s.n + random; k++) {
            /* each code, its upper middle, and the doubles beside both; then random values in and around the range */
            double v[8];
            size_t n = 0;
            uint64_t r = bb_random_u64(71 + i, k);
            if (k < s.n) {
                double next = k + 1 < s.n ? s.value[k + 1] : s.beyond, middle = (s.value[k] + next) / 2;
                v[n++] = s.value[k];
                v[n++] = nextafter(s.value[k], HUGE_VAL);
                v[n++] = nextafter(next, 0);
                v[n++] = middle;
                v[n++] = nextafter(middle, 0);
                v[n++] = nextafter(middle, HUGE_VAL);
            } else {
                v[n++] = s.beyond * ((double)(r >> 11) * 0x1p-53) * 1.25;
                v[n++] = s.value[1] * ((double)(r >> 11) * 0x1p-50);
                v[n++] = ldexp((double)(r >> 11) * 0x1p-53, (int)(r & 511) - 256);
                v[n++] = k % 2 ? HUGE_VAL : 0;
            }
            for (size_t j = 0; j < n; j++)
                for (int mode = BB_ROUND_NE; mode <= BB_ROUND_ODD; mode++) {
                    bb_encode_opts o = {(bb_round)mode, (bb_overflow)((k + j) % 4), BB_NAN_MAX};
                    check(f, &s, (k ^ j ^ (unsigned)mode) & 1 ? -v[j] : v[j], o);
                    if (s.value[s.n - 1] < v[j]) /* few of those: all rules */
                        for (int rule = 0; rule < 4; rule++) {
                            o.overflow = (bb_overflow)rule;
                            check(f, &s, v[j], o);
                            check(f, &s, -v[j], o);
                        }
                }
        }
    }
}
END_TEST

/* ---- what has no neighbours ---- */

START_TEST(nan_and_its_rules) {
    for (size_t i = 0; i < bb_format_count(); i++) {
        const bb_format *f = bb_format_at(i);
        for (int rule = BB_NAN_MAX; rule <= BB_NAN_ERROR; rule++) {
            bb_encode_opts o = {BB_ROUND_NE, BB_OVERFLOW_NATIVE, (bb_nan)rule};
            uint64_t code = 12345;
            unsigned flags = 0;
            bb_status s = bb_format_encode(f, (double)NAN, &o, &code, &flags);
            if (bb_format_has_nan(f)) {
                ck_assert_int_eq(s, BB_OK);
                ck_assert_msg(isnan(bb_format_decode(f, code)) && flags == 0, "%s", f->name);
                ck_assert_str_eq(bb_format_class(f, code), "nan");
                ck_assert_uint_eq(code, bb_format_nan_code(f));
            } else if (rule == BB_NAN_ERROR) {
                ck_assert_int_eq(s, BB_E_VALUE);
                ck_assert_uint_eq(code, 12345);
            } else {
                ck_assert_int_eq(s, BB_OK);
                ck_assert_uint_eq(flags, BB_FLAG_NAN_LOST | BB_FLAG_INVALID);
                ck_assert(bb_format_decode(f, code) == (rule == BB_NAN_MAX ? bb_format_max(f) : 0));
            }
        }
    }
}
END_TEST

/* formats.md 2: floor, ceiling and nearest of the probes; no zero, no sign: NaN, or the smallest when saturating. */
START_TEST(e8m0_is_a_power_of_two) {
    static const struct {
        const char *text;
        uint64_t floor, ceiling, nearest;
    } probes[] = {{"pi", 0x80, 0x81, 0x81},     {"1/3", 0x7D, 0x7E, 0x7D},  {"0.1", 0x7B, 0x7C, 0x7C},
                  {"65504", 0x8E, 0x8F, 0x8F},  {"1e-8", 0x64, 0x65, 0x64}, {"448", 0x87, 0x88, 0x88},
                  {"464", 0x87, 0x88, 0x88},    {"1", 0x7F, 0x7F, 0x7F},    {"0x1p-127", 0, 0, 0},
                  {"0x1p127", 0xFE, 0xFE, 0xFE}};
    const bb_format *f = bb_format_find("e8m0", NULL);
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        bb_number n;
        bb_encoding e;
        static const bb_round order[] = {BB_ROUND_DOWN, BB_ROUND_TZ, BB_ROUND_UP, BB_ROUND_NE, BB_ROUND_NA};
        ck_assert_int_eq(bb_number_parse(probes[i].text, &n, NULL), BB_OK);
        for (size_t k = 0; k < 5; k++) {
            bb_encode_opts o = {.round = order[k]};
            uint64_t want = k < 2 ? probes[i].floor : k < 3 ? probes[i].ceiling : probes[i].nearest;
            ck_assert_int_eq(bb_encode_number(f, &n, &o, NULL, &e, NULL), BB_OK);
            ck_assert_msg(e.code == want, "%s %s: %llx", probes[i].text, bb_round_name(order[k]),
                          (unsigned long long)e.code);
            ck_assert(((e.flags & BB_FLAG_INEXACT) != 0) == (probes[i].floor != probes[i].ceiling));
        }
    }
    static const struct {
        double v;
        uint64_t native, saturated;
    } ends[] = {{0, 0xFF, 0},           {-1, 0xFF, 0},       {0x1p-130, 0xFF, 0},
                {HUGE_VAL, 0xFF, 0xFE}, {1e300, 0xFF, 0xFE}, {-HUGE_VAL, 0xFF, 0}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        uint64_t code = 1;
        bb_encode_opts o = {.overflow = BB_OVERFLOW_SATURATE};
        unsigned flags = 0;
        ck_assert_int_eq(bb_format_encode(f, ends[i].v, NULL, &code, &flags), BB_OK);
        ck_assert_msg(code == ends[i].native && flags, "%g: %llx", ends[i].v, (unsigned long long)code);
        ck_assert_int_eq(bb_format_encode(f, ends[i].v, &o, &code, &flags), BB_OK);
        ck_assert_msg(code == ends[i].saturated && flags, "%g: %llx", ends[i].v, (unsigned long long)code);
    }
}
END_TEST

/* int8 and int4 with a scale of 1 and of 2^-3: the C library rounds, the clamp is symmetric. */
START_TEST(integers_as_the_c_library) {
    for (int wide = 0; wide < 2; wide++) {
        const bb_format *f = bb_format_find(wide ? "int8" : "int4", NULL);
        double limit = wide ? 127 : 7;
        for (int k = -3000; k <= 3000; k++)
            for (size_t m = 0; m < 5; m++)
                for (int scaled = 0; scaled < 2; scaled++) {
                    double v = k / 16.0, scale = scaled ? 0.125 : 1, want;
                    volatile double in = v;
                    if (m < 4) {
                        fesetround(modes[m].hardware);
                        volatile long rounded = lrint(in); /* gcc inlines rint for nearest-even only */
                        want = (double)rounded;
                        fesetround(FE_TONEAREST);
                    } else
                        want = round(in);
                    bool over = fabs(want) > limit, inexact = want != v || over;
                    if (over) want = copysign(limit, want);
                    bb_number n;
                    bb_encoding e;
                    bb_encode_opts o = {.round = m < 4 ? modes[m].mode : BB_ROUND_NA};
                    bb_number_from_f64(v * scale, &n);
                    if (bb_encode_number(f, &n, &o, &(bb_scale){scale, 1}, &e, NULL) != BB_OK ||
                        e.value != want * scale || ((e.flags & BB_FLAG_OVERFLOW) != 0) != over ||
                        ((e.flags & BB_FLAG_INEXACT) != 0) != inexact ||
                        e.code != ((uint64_t)(int64_t)want & (wide ? 255 : 15)))
                        ck_abort_msg("%g / %g to %s mode %zu: %g flags %x, expected %g", v * scale, scale, f->name, m,
                                     e.value, e.flags, want);
                    if (e.error != e.value - v * scale || e.ulps != fabs(e.error) / scale)
                        ck_abort_msg("%g / %g to %s: error %g", v * scale, scale, f->name, e.error);
                }
    }
    bb_number one;
    bb_encoding e;
    bb_number_from_f64(1, &one);
    static const double bad[] = {0, -1, HUGE_VAL, (double)NAN};
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(bb_encode_number(bb_format_find("int8", NULL), &one, NULL, &(bb_scale){bad[i], 1}, &e, NULL),
                         BB_E_ARG);
}
END_TEST

/* 2a and 2's parameter table, for those who read `bitbudget formats`. */
START_TEST(limits) {
    static const struct {
        const char *name;
        double max, min_normal, min_subnormal, epsilon;
        uint64_t max_code, inf, nan;
    } rows[] = {
        {"fp64", 0x1.fffffffffffffp1023, 0x1p-1022, 0x1p-1074, 0x1p-52, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000,
         0x7FF8000000000000},
        {"fp32", 0x1.fffffep127, 0x1p-126, 0x1p-149, 0x1p-23, 0x7F7FFFFF, 0x7F800000, 0x7FC00000},
        {"tf32", 0x1.ffcp127, 0x1p-126, 0x1p-136, 0x1p-10, 0x3FBFF, 0x3FC00, 0x3FE00},
        {"fp16", 65504, 0x1p-14, 0x1p-24, 0x1p-10, 0x7BFF, 0x7C00, 0x7E00},
        {"bf16", 0x1.fep127, 0x1p-126, 0x1p-133, 0x1p-7, 0x7F7F, 0x7F80, 0x7FC0},
        {"e5m2", 57344, 0x1p-14, 0x1p-16, 0x1p-2, 0x7B, 0x7C, 0x7E},
        {"e5m2fnuz", 57344, 0x1p-15, 0x1p-17, 0x1p-2, 0x7F, 0, 0x80},
        {"e4m3ieee", 240, 0x1p-6, 0x1p-9, 0x1p-3, 0x77, 0x78, 0x7C},
        {"e4m3fn", 448, 0x1p-6, 0x1p-9, 0x1p-3, 0x7E, 0, 0x7F},
        {"e4m3fnuz", 240, 0x1p-7, 0x1p-10, 0x1p-3, 0x7F, 0, 0x80},
        {"e4m3b11fnuz", 30, 0x1p-10, 0x1p-13, 0x1p-3, 0x7F, 0, 0x80},
        {"e3m4", 15.5, 0x1p-2, 0x1p-6, 0x1p-4, 0x6F, 0x70, 0x78},
        {"p3109_k8p3", 49152, 0x1p-15, 0x1p-17, 0x1p-2, 0x7E, 0x7F, 0x80},
        {"p3109_k8p4", 224, 0x1p-7, 0x1p-10, 0x1p-3, 0x7E, 0x7F, 0x80},
        {"p3109_k8p5", 15, 0x1p-3, 0x1p-7, 0x1p-4, 0x7E, 0x7F, 0x80},
        {"e3m2", 28, 0x1p-2, 0x1p-4, 0x1p-2, 0x1F, 0, 0},
        {"e2m3", 7.5, 1, 0x1p-3, 0x1p-3, 0x1F, 0, 0},
        {"e2m1", 6, 1, 0x1p-1, 0x1p-1, 7, 0, 0},
        {"e8m0", 0x1p127, 0x1p-127, (double)NAN, 1, 0xFE, 0, 0xFF},
        {"int8", 127, 1, (double)NAN, 1, 0x7F, 0, 0},
        {"int4", 7, 1, (double)NAN, 1, 7, 0, 0},
    };
    ck_assert_uint_eq(bb_format_count(), sizeof rows / sizeof *rows);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const bb_format *f = bb_format_find(rows[i].name, NULL);
        double least = bb_format_min_subnormal(f);
        ck_assert_msg(f && bb_format_max(f) == rows[i].max && bb_format_min_normal(f) == rows[i].min_normal &&
                          (isnan(rows[i].min_subnormal) ? isnan(least) : least == rows[i].min_subnormal) &&
                          bb_format_epsilon(f) == rows[i].epsilon && bb_format_max_code(f) == rows[i].max_code &&
                          bb_format_inf_code(f) == rows[i].inf && bb_format_nan_code(f) == rows[i].nan &&
                          bb_format_has_inf(f) == (rows[i].inf != 0) && bb_format_has_nan(f) == (rows[i].nan != 0),
                      "%s", rows[i].name);
    }
}
END_TEST

/* Errors that a detour through doubles would lose: inputs at and beyond the ends of their range. */
START_TEST(errors_at_the_ends) {
    static const struct {
        const char *format, *text;
        bb_overflow overflow;
        double error, rel, ulps;
    } cases[] = {
        {"fp64", "0x1.8p-1074", BB_OVERFLOW_NATIVE, 0, 1.0 / 3, 0.5}, /* half of 2^-1074 is no double */
        {"fp64", "1e-400", BB_OVERFLOW_NATIVE, 0, 1, 2.0240225330731058e-77},
        {"fp64", "1e400", BB_OVERFLOW_SATURATE, -HUGE_VAL, 1, 0},
        {"fp16", "1e-5000", BB_OVERFLOW_NATIVE, 0, 1, 0},
        {"fp16", "1.000000000000000000000000000000000000000000000000000000000000001", BB_OVERFLOW_NATIVE, -1e-63, 1e-63,
         1.024e-60},
        {"bf16", "pi", BB_OVERFLOW_NATIVE, -9.6765358979323846e-4, 9.6765358979323846e-4 / 3.1415926535897931,
         9.6765358979323846e-4 * 64},
        {"e2m1", "1e300", BB_OVERFLOW_NATIVE, -1e300, 1, 0},
        {"fp16", "0", BB_OVERFLOW_NATIVE, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_number n;
        bb_encoding e;
        bb_encode_opts o = {.overflow = cases[i].overflow};
        ck_assert_int_eq(bb_number_parse(cases[i].text, &n, NULL), BB_OK);
        ck_assert_int_eq(bb_encode_number(bb_format_find(cases[i].format, NULL), &n, &o, NULL, &e, NULL), BB_OK);
        ck_assert_msg((e.error == cases[i].error || fabs(e.error - cases[i].error) < 1e-12 * fabs(cases[i].error)) &&
                          fabs(e.rel_error - cases[i].rel) <= 1e-12 * cases[i].rel &&
                          (cases[i].ulps == 0 || fabs(e.ulps - cases[i].ulps) <= 1e-12 * cases[i].ulps),
                      "%s to %s: %.17g %.17g %.17g", cases[i].text, cases[i].format, e.error, e.rel_error, e.ulps);
    }
}
END_TEST

/* Powers of two from far below to far above every format, both signs: the exponent alone says what happens. */
START_TEST(powers_of_two) {
    for (size_t i = 0; i < bb_format_count(); i++) {
        const bb_format *f = bb_format_at(i);
        if (f->kind == BB_KIND_INT || f->kind == BB_KIND_E8M0) continue;
        int emax = 0, emin = 0;
        (void)frexp(bb_format_max(f), &emax);
        (void)frexp(bb_format_min_subnormal(f), &emin);
        for (int k = -70000; k <= 70000; k += k > -1200 && k < 1200 ? 1 : 97)
            for (int negative = 0; negative < 2; negative++) {
                char text[32];
                bb_number n;
                bb_encoding e;
                snprintf(text, sizeof text, "%s0x1p%d", negative ? "-" : "", k);
                bb_encode_opts o = {.round = BB_ROUND_TZ}, sat = {.overflow = BB_OVERFLOW_SATURATE};
                double sign = negative ? -1 : 1, max = bb_format_max(f);
                double want = k >= emax ? max : k < emin - 1 ? 0 : ldexp(1, k);
                unsigned flags = k >= emax      ? BB_FLAG_OVERFLOW | BB_FLAG_INEXACT
                                 : k < emin - 1 ? BB_FLAG_UNDERFLOW | BB_FLAG_INEXACT
                                                : 0;
                if (bb_number_parse(text, &n, NULL) != BB_OK || bb_encode_number(f, &n, &o, NULL, &e, NULL) != BB_OK ||
                    e.value != sign * want || (e.flags & ~(unsigned)BB_FLAG_SIGN_LOST) != flags)
                    ck_abort_msg("%s to %s: %g flags %x, expected %g flags %x", text, f->name, e.value, e.flags,
                                 sign * want, flags);
                if (k < emax || bb_encode_number(f, &n, &sat, NULL, &e, NULL) != BB_OK) continue;
                if (e.value != sign * max) ck_abort_msg("%s to %s: %g", text, f->name, e.value);
            }
    }
}
END_TEST

START_TEST(every_digit) {
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0, "-0"},
                 {0.1, "0.1000000000000000055511151231257827021181583404541015625"},
                 {-1.5, "-1.5"},
                 {0x1p100, "1267650600228229401496703205376"},
                 {1e22, "10000000000000000000000"},
                 {100, "100"},
                 {(double)NAN, "nan"},
                 {-HUGE_VAL, "-inf"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_str s;
        bb_str_init(&s);
        bb_f64_exact(cases[i].v, &s);
        ck_assert_str_eq(bb_str_c(&s), cases[i].text);
        bb_str_clear(&s);
    }
    static const double ends[] = {0x1p-1074, 0x1.fffffffffffffp-1022, 0x1.fffffffffffffp1023, -0x1.123456789abcdp-500,
                                  0x1.fffffffffffffp410};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) { /* exact: no error when it is read again */
        bb_str s;
        bb_str_init(&s);
        bb_f64_exact(ends[i], &s);
        bb_number n, v;
        ck_assert_int_eq(bb_number_parse(bb_str_c(&s), &n, NULL), BB_OK);
        bb_number_from_f64(ends[i], &v);
        ck_assert(!n.sticky && n.hi == v.hi && n.lo == v.lo && n.exp == v.exp && n.sign == v.sign);
        bb_str_clear(&s);
    }
}
END_TEST

START_TEST(fields_and_classes) {
    static const struct {
        const char *format;
        uint64_t code, sign, exponent, mantissa;
        const char *class;
    } cases[] = {{"fp16", 0x4248, 0, 16, 0x248, "normal"},
                 {"bf16", 0xC049, 1, 128, 0x49, "normal"},
                 {"tf32", 0x20248, 0, 128, 0x248, "normal"},
                 {"fp16", 0x8001, 1, 0, 1, "subnormal"},
                 {"fp16", 0xFC00, 1, 31, 0, "infinity"},
                 {"e4m3fn", 0x7F, 0, 15, 7, "nan"},
                 {"e4m3fnuz", 0x80, 1, 0, 0, "nan"},
                 {"p3109_k8p4", 0xFF, 1, 15, 7, "infinity"},
                 {"e8m0", 0x80, 0, 128, 0, "normal"},
                 {"int8", 0x81, 0, 0, 0x81, "normal"},
                 {"int4", 0xF9, 0, 0, 9, "normal"},
                 {"int4", 0x10, 0, 0, 0, "zero"},
                 {"e2m1", 0x8, 1, 0, 0, "zero"},
                 {"fp64", UINT64_MAX, 1, 2047, 0xFFFFFFFFFFFFF, "nan"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bb_format *f = bb_format_find(cases[i].format, NULL);
        bb_fields x;
        bb_format_fields(f, cases[i].code, &x);
        ck_assert_msg(x.sign == cases[i].sign && x.exponent == cases[i].exponent && x.mantissa == cases[i].mantissa &&
                          strcmp(bb_format_class(f, cases[i].code), cases[i].class) == 0,
                      "%s %llx: %llu %llu %llx %s", f->name, (unsigned long long)cases[i].code,
                      (unsigned long long)x.sign, (unsigned long long)x.exponent, (unsigned long long)x.mantissa,
                      bb_format_class(f, cases[i].code));
        ck_assert_uint_eq(x.has_sign + x.exp_bits + x.man_bits, f->bits);
    }
    char buf[96];
    ck_assert_str_eq(bb_flags_text(0, buf), "");
    ck_assert_str_eq(bb_flags_text(BB_FLAG_INEXACT | BB_FLAG_UNDERFLOW, buf), "inexact+underflow");
    ck_assert_str_eq(bb_flags_text(127, buf), "inexact+underflow+overflow+divbyzero+invalid+nan_lost+sign_lost");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("format_oracle");
    TCase *t = tcase_create("format_oracle");
    tcase_set_timeout(t, 3600);
    tcase_add_test(t, fp32_as_the_processor);
    tcase_add_test(t, fp64_as_strtod);
    tcase_add_test(t, small_formats_as_their_sorted_values);
    tcase_add_test(t, nan_and_its_rules);
    tcase_add_test(t, e8m0_is_a_power_of_two);
    tcase_add_test(t, integers_as_the_c_library);
    tcase_add_test(t, limits);
    tcase_add_test(t, errors_at_the_ends);
    tcase_add_test(t, powers_of_two);
    tcase_add_test(t, every_digit);
    tcase_add_test(t, fields_and_classes);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
