/* SPDX-License-Identifier: GPL-3.0-or-later */
/* format_table.c - the descriptors of number formats, and finding one by name. */
#include "base/escape.h"
#include "format/format.h"
#include <stdio.h>
#include <string.h>

#define OFP8  "OCP OFP8 1.0"
#define MX    "OCP MX 1.0"
#define P3109 "IEEE P3109 interim report 4.0"
#define ML    "ml_dtypes 0.6"
static const bb_format table[] = {
    {"fp64", "float64 double f64 binary64", BB_KIND_IEEE, 64, 11, 52, 1023, "IEEE 754-2019"},
    {"fp32", "float32 single float f32 binary32", BB_KIND_IEEE, 32, 8, 23, 127, "IEEE 754-2019"},
    {"tf32", "tensorfloat32 tensorfloat-32", BB_KIND_IEEE, 19, 8, 10, 127, "NVIDIA A100 whitepaper"},
    {"fp16", "float16 half f16 binary16", BB_KIND_IEEE, 16, 5, 10, 15, "IEEE 754-2019"},
    {"bf16", "bfloat16 brain", BB_KIND_IEEE, 16, 8, 7, 127, "Intel BF16 numerics definition"},
    {"e5m2", "float8_e5m2 f8_e5m2 fp8_e5m2", BB_KIND_IEEE, 8, 5, 2, 15, OFP8},
    {"e5m2fnuz", "float8_e5m2fnuz f8_e5m2fnuz", BB_KIND_FNUZ, 8, 5, 2, 16, ML},
    {"e4m3fn", "float8_e4m3fn f8_e4m3fn f8_e4m3 fp8_e4m3fn", BB_KIND_FN, 8, 4, 3, 7, OFP8},
    {"e4m3ieee", "float8_e4m3 float8_e4m3ieee", BB_KIND_IEEE, 8, 4, 3, 7, ML},
    {"e4m3fnuz", "float8_e4m3fnuz f8_e4m3fnuz", BB_KIND_FNUZ, 8, 4, 3, 8, ML},
    {"e4m3b11fnuz", "float8_e4m3b11fnuz", BB_KIND_FNUZ, 8, 4, 3, 11, ML},
    {"e3m4", "float8_e3m4", BB_KIND_IEEE, 8, 3, 4, 3, ML},
    {"p3109_k8p3", "binary8p3se", BB_KIND_P3109, 8, 5, 2, 16, P3109},
    {"p3109_k8p4", "binary8p4se", BB_KIND_P3109, 8, 4, 3, 8, P3109},
    {"p3109_k8p5", "binary8p5se", BB_KIND_P3109, 8, 3, 4, 4, P3109},
    {"e3m2", "float6_e3m2fn fp6_e3m2", BB_KIND_FINITE, 6, 3, 2, 3, MX},
    {"e2m3", "float6_e2m3fn fp6_e2m3", BB_KIND_FINITE, 6, 2, 3, 1, MX},
    {"e2m1", "float4_e2m1fn fp4_e2m1", BB_KIND_FINITE, 4, 2, 1, 1, MX},
    {"e8m0", "float8_e8m0fnu f8_e8m0", BB_KIND_E8M0, 8, 8, 0, 127, MX},
    {"int8", "i8", BB_KIND_INT, 8, 0, 8, 0, "two's complement, symmetric"},
    {"int4", "i4", BB_KIND_INT, 4, 0, 4, 0, "two's complement, symmetric"},
};
#undef OFP8
#undef MX
#undef P3109
#undef ML

static const struct {
    const char *names, *variants;
} ambiguous[] = {
    {"e4m3 fp8_e4m3", "e4m3fn (maximum 448), e4m3ieee (240), e4m3fnuz (240) or e4m3b11fnuz (30)"},
    {"fp8 float8 f8", "e4m3fn, e5m2, e4m3ieee, e4m3fnuz, e5m2fnuz or e3m4"},
    {"fp6 float6 f6", "e3m2 or e2m3"},
    {"fp4 float4 f4", "e2m1; bitsandbytes' FP4 is another one"},
    {"p3109 binary8", "p3109_k8p3, p3109_k8p4 or p3109_k8p5"},
};

size_t bb_format_count(void) { return sizeof table / sizeof *table; }
const bb_format *bb_format_at(size_t index) { return index < bb_format_count() ? &table[index] : NULL; }
const char *bb_format_name(const bb_format *f) { return f->name; }
unsigned bb_format_bits(const bb_format *f) { return f->bits; }

static bool in_list(const char *list, const char *name) {
    char word[40];
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, " ");
        if (n < sizeof word) {
            memcpy(word, p, n);
            word[n] = 0;
            if (bb_name_eq(word, name)) return true;
        }
        p += n + (p[n] == ' ');
    }
    return false;
}

static const char *nth_name(const void *ctx, size_t i) {
    (void)ctx;
    return i < bb_format_count() ? table[i].name : NULL;
}

const bb_format *bb_format_find(const char *name, bb_error *err) {
    for (size_t i = 0; i < bb_format_count(); i++)
        if (bb_name_eq(table[i].name, name) || in_list(table[i].aliases, name)) return &table[i];
    char shown[48], near[120];
    for (size_t i = 0; i < sizeof ambiguous / sizeof *ambiguous; i++)
        if (in_list(ambiguous[i].names, name)) {
            bb_fail(err, BB_E_NAME, "'%s' could be several formats: %s", bb_escape_buf(name, shown, sizeof shown),
                    ambiguous[i].variants);
            return NULL;
        }
    bb_fail(err, BB_E_NAME, "'%s' is not a number format", bb_escape_buf(name, shown, sizeof shown));
    bb_nearest(name, nth_name, NULL, near, sizeof near);
    if (near[0]) bb_hint(err, "did you mean %s?", near);
    return NULL;
}

/* ---- names of modes and flags ---- */

typedef struct mode_name {
    const char *names; /* the first is canonical */
    int value;
} mode_name;

static const mode_name rounds[] = {{"ne rne", BB_ROUND_NE}, {"na rna", BB_ROUND_NA},    {"tz rz", BB_ROUND_TZ},
                                   {"up ru", BB_ROUND_UP},  {"down rd", BB_ROUND_DOWN}, {"odd ro", BB_ROUND_ODD}};
static const mode_name overflows[] = {{"native", BB_OVERFLOW_NATIVE},
                                      {"ieee", BB_OVERFLOW_IEEE},
                                      {"ocp", BB_OVERFLOW_OCP},
                                      {"saturate sat", BB_OVERFLOW_SATURATE}};
static const mode_name nans[] = {{"max", BB_NAN_MAX}, {"zero", BB_NAN_ZERO}, {"error", BB_NAN_ERROR}};

static bb_status mode_find(const mode_name *modes, size_t n, const char *name, const char *what, const char *expected,
                           int *value, bb_error *err) {
    for (size_t i = 0; i < n; i++)
        if (*name && in_list(modes[i].names, name)) {
            *value = modes[i].value;
            return BB_OK;
        }
    char shown[48];
    return bb_fail(err, BB_E_ARG, "'%s' is not %s: expected %s", bb_escape_buf(name, shown, sizeof shown), what,
                   expected);
}

bb_status bb_round_find(const char *name, bb_round *round, bb_error *err) {
    int v = 0;
    bb_status s = mode_find(rounds, sizeof rounds / sizeof *rounds, name, "a rounding mode",
                            "ne, na, tz, up, down or odd", &v, err);
    if (s == BB_OK) *round = (bb_round)v;
    return s;
}

bb_status bb_overflow_find(const char *name, bb_overflow *overflow, bb_error *err) {
    int v = 0;
    bb_status s = mode_find(overflows, sizeof overflows / sizeof *overflows, name, "an overflow rule",
                            "native, ieee, ocp or saturate", &v, err);
    if (s == BB_OK) *overflow = (bb_overflow)v;
    return s;
}

bb_status bb_nan_find(const char *name, bb_nan *nan, bb_error *err) {
    int v = 0;
    bb_status s = mode_find(nans, sizeof nans / sizeof *nans, name, "a NaN rule", "max, zero or error", &v, err);
    if (s == BB_OK) *nan = (bb_nan)v;
    return s;
}

const char *bb_round_name(bb_round round) {
    static const char *const names[] = {"ne", "na", "tz", "up", "down", "odd"};
    return names[round];
}

const char *bb_overflow_name(bb_overflow overflow) {
    static const char *const names[] = {"native", "ieee", "ocp", "saturate"};
    return names[overflow];
}

const char *bb_flags_text(unsigned flags, char *buf) {
    static const char *const names[] = {"inexact", "underflow", "overflow", "divbyzero",
                                        "invalid", "nan_lost",  "sign_lost"};
    size_t at = 0;
    buf[0] = 0;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (flags & 1u << i) at += (size_t)snprintf(buf + at, 96 - at, "%s%s", at ? "+" : "", names[i]);
    return buf;
}
