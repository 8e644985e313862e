/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_formats.c - number formats with their limits, and every code of one of them. */
#include "report/report.h"
#include "report/show.h"
#include <math.h>

/* How many codes mean infinity and NaN. */
static void count_specials(const bb_format *f, uint64_t *inf, uint64_t *nan) {
    uint64_t signs = 2, payloads = (UINT64_C(1) << f->man_bits) - 1;
    *inf = *nan = 0;
    switch (f->kind) {
    case BB_KIND_IEEE:
        *inf = signs;
        *nan = signs * payloads;
        break;
    case BB_KIND_FN:
        *nan = signs;
        break;
    case BB_KIND_P3109:
        *inf = signs; /* fall through */
    case BB_KIND_FNUZ:
    case BB_KIND_E8M0:
        *nan = 1;
        break;
    case BB_KIND_FINITE:
    case BB_KIND_INT:
        break;
    }
}

static void limit_cell(bb_table *t, double v) {
    char buf[BB_SHOW_SIZE];
    bb_cell_f64_as(t, v, isnan(v) ? "-" : bb_show_g(v, 6, buf));
}

bb_table *bb_report_formats(const bb_format *only) {
    bb_table *t = bb_table_new("bitbudget.formats/1");
    bb_table_column(t, "format", "FORMAT", BB_COL_LEFT);
    bb_table_column(t, "bits", "BITS", BB_COL_RIGHT);
    bb_table_column(t, "exponent_bits", "EXP", BB_COL_RIGHT);
    bb_table_column(t, "mantissa_bits", "MAN", BB_COL_RIGHT);
    bb_table_column(t, "bias", "BIAS", BB_COL_RIGHT);
    bb_table_column(t, "max", "MAX", BB_COL_RIGHT);
    bb_table_column(t, "min_normal", "MIN NORMAL", BB_COL_RIGHT);
    bb_table_column(t, "min_subnormal", "MIN SUBN.", BB_COL_RIGHT);
    bb_table_column(t, "epsilon", "EPSILON", BB_COL_RIGHT);
    bb_table_column(t, "infinities", "INFINITIES", BB_COL_RIGHT | BB_COL_DATA_ONLY);
    bb_table_column(t, "nans", "NANS", BB_COL_RIGHT | BB_COL_DATA_ONLY);
    bb_table_column(t, "specials", "INF NAN", BB_COL_LEFT | BB_COL_TEXT_ONLY);
    bb_table_column(t, "source", "SOURCE", BB_COL_JSON_ONLY);
    bb_table_column(t, "aliases", "ALIASES", BB_COL_JSON_ONLY);
    for (size_t i = 0; i < bb_format_count(); i++) {
        const bb_format *f = bb_format_at(i);
        if (only && f != only) continue;
        uint64_t inf, nan;
        count_specials(f, &inf, &nan);
        bb_table_row(t);
        bb_cell_text(t, f->name);
        bb_cell_u64(t, f->bits);
        bb_cell_u64(t, f->exp_bits);
        bb_cell_u64(t, f->man_bits);
        if (f->kind == BB_KIND_INT)
            bb_cell_empty(t);
        else
            bb_cell_i64(t, f->bias);
        limit_cell(t, bb_format_max(f));
        limit_cell(t, bb_format_min_normal(f));
        limit_cell(t, bb_format_min_subnormal(f));
        limit_cell(t, bb_format_epsilon(f));
        bb_cell_u64(t, inf);
        bb_cell_u64(t, nan);
        bb_cell_text(t, inf && nan ? "inf nan" : inf ? "inf" : nan ? "    nan" : "");
        bb_cell_text(t, f->source);
        bb_cell_text(t, f->aliases);
    }
    if (only) {
        bb_table_foot(t, "%s", "");
        if (*only->aliases) bb_table_foot(t, "Also called: %s", only->aliases);
        bb_table_foot(t, "Source: %s", only->source);
        if (only->bits <= 16) bb_table_foot(t, "Every code: bitbudget formats %s --table", only->name);
    } else
        bb_table_foot(t, "Integer formats are shown in units of their scale.");
    return t;
}

bb_table *bb_report_codes(const bb_format *f) {
    if (f->bits > 16) return NULL;
    bb_table *t = bb_table_new("bitbudget.codes/1");
    bb_table_column(t, "format", "FORMAT", BB_COL_DATA_ONLY);
    bb_table_column(t, "code", "CODE", BB_COL_LEFT);
    bb_table_column(t, "sign", "S", BB_COL_LEFT);
    bb_table_column(t, "exponent", "EXPONENT", BB_COL_LEFT);
    bb_table_column(t, "mantissa", "MANTISSA", BB_COL_LEFT);
    bb_table_column(t, "value", "VALUE", BB_COL_RIGHT);
    bb_table_column(t, "class", "CLASS", BB_COL_LEFT);
    for (uint64_t code = 0; code < UINT64_C(1) << f->bits; code++) {
        bb_fields fields;
        char buf[BB_SHOW_SIZE], binary[65];
        double v = bb_format_decode(f, code);
        bb_format_fields(f, code, &fields);
        bb_table_row(t);
        bb_cell_text(t, f->name);
        bb_cell_text(t, bb_show_code(code, f->bits, buf));
        bb_cell_text(t, fields.has_sign ? bb_show_binary(fields.sign, 1, binary) : "");
        bb_cell_text(t, bb_show_binary(fields.exponent, fields.exp_bits, binary));
        bb_cell_text(t, bb_show_binary(fields.mantissa, fields.man_bits, binary));
        bb_cell_spelled(t, v, isnan(v) ? "nan" : bb_f64_shortest(v, buf), NULL);
        bb_cell_text(t, bb_format_class(f, code));
    }
    return t;
}
