/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_bits.c - encodings of values: one block a value, and what they say about digits and range. */
#include "report/report.h"
#include "report/show.h"
#include <math.h>
#include <string.h>

enum { WIDE_BITS = 32, COMPARED_INPUTS = 4 };

/* "3.140625" where it is short, else 9 digits: enough to tell any two fp32 values apart. */
static const char *show_value(double v, char *buf) {
    if (isnan(v)) return "nan";
    bb_f64_shortest(v, buf);
    return strlen(buf) <= 12 ? buf : bb_show_g(v, 9, buf);
}

struct fields_text {
    char sign[65], exponent[65], mantissa[65], code[24];
};

static void fields_of(const bb_encoding *e, struct fields_text *x) {
    bb_fields f;
    bb_format_fields(e->format, e->code, &f);
    bb_show_binary(f.sign, f.has_sign ? 1 : 0, x->sign);
    bb_show_binary(f.exponent, f.exp_bits, x->exponent);
    bb_show_binary(f.mantissa, f.man_bits, x->mantissa);
    bb_show_code(e->code, e->format->bits, x->code);
}

/* The shortest decimal that reads back, or every digit. */
static void spell(double v, bool exact, bb_str *out) {
    char buf[32];
    if (exact && isfinite(v))
        bb_f64_exact(v, out);
    else
        bb_str_add(out, isnan(v) ? "nan" : bb_f64_shortest(v, buf));
}

/* A format wider than 32 bits does not fit a line of 80 columns with the others: it gets lines of its own. */
static void wide_lines(bb_table *t, const bb_encoding *e, const struct fields_text *x, bool exact) {
    char error[BB_SHOW_SIZE];
    bb_str value;
    bb_str_init(&value);
    spell(e->value, exact, &value);
    bb_show_error(e->error, 2, error);
    bb_table_block(t, "%s    %s %s %s", e->format->name, x->sign, x->exponent, x->mantissa);
    bb_table_block(t, "        %s = %s%s%s", x->code + 2, bb_str_c(&value), *error ? "  error " : "", error);
    bb_str_clear(&value);
}

static void data_cells(bb_table *t, const bb_bits_row *r, const struct fields_text *x, bool exact) {
    const bb_encoding *e = &r->enc;
    char buf[BB_SHOW_SIZE], flags[96];
    bb_str value;
    bb_str_init(&value);
    spell(e->value, exact, &value);
    bb_cell_typed(t, r->input);
    bb_cell_text(t, e->format->name);
    bb_cell_text(t, x->code);
    bb_cell_text(t, x->sign);
    bb_cell_text(t, x->exponent);
    bb_cell_text(t, x->mantissa);
    bb_cell_text(t, x->code + 2);
    bb_cell_spelled(t, e->value, bb_str_c(&value), exact ? NULL : show_value(e->value, buf));
    bb_cell_f64_as(t, e->error, bb_show_error(e->error, 2, buf));
    bb_cell_f64(t, e->rel_error);
    bb_cell_f64(t, e->ulps);
    bb_cell_text(t, bb_format_class(e->format, e->code));
    bb_cell_text(t, bb_flags_text(e->flags, flags));
    if (e->format->kind == BB_KIND_INT)
        bb_cell_f64(t, bb_scale_f64(&e->scale));
    else
        bb_cell_empty(t);
    /* tf32 lives in the upper 19 bits of an fp32 word. */
    if (!strcmp(e->format->name, "tf32"))
        bb_cell_text(t, bb_show_code(e->code << 13, 32, buf));
    else
        bb_cell_empty(t);
    if (exact)
        bb_cell_text(t, bb_str_c(&value));
    else
        bb_cell_empty(t);
    bb_str_clear(&value);
}

static const bb_bits_row *find(const bb_bits_row *rows, size_t n, const char *format) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(rows[i].enc.format->name, format)) return &rows[i];
    return NULL;
}

/* Infinity, or zero, instead of a finite value that is not zero: a rounded subnormal is still a value. */
static bool out_of_range(const bb_encoding *e) {
    return (e->flags & BB_FLAG_OVERFLOW) || ((e->flags & BB_FLAG_UNDERFLOW) && e->value == 0);
}

/* How often fp16 and bf16 are nearer; inputs without a relative error (NaN, infinity) have no say. */
static void half_or_brain(bb_table *t, const bb_bits_row *half, const bb_bits_row *brain, size_t n_inputs,
                          size_t n_formats) {
    size_t finer = 0, same = 0, lost = 0, coarser = 0;
    for (size_t i = 0; i < n_inputs; i++) {
        const bb_encoding *h = &half[i * n_formats].enc, *b = &brain[i * n_formats].enc;
        if (out_of_range(h))
            lost++;
        else if (isnan(h->rel_error) || isnan(b->rel_error))
            continue;
        else if (h->rel_error < b->rel_error)
            finer++;
        else if (h->rel_error > b->rel_error)
            coarser++;
        else
            same++;
    }
    size_t all = finer + same + lost + coarser;
    bb_table_foot(t, "%s", "");
    bb_table_foot(t, "fp16 keeps more digits (11 bits, bf16 8), bf16 more range (3.4e+38, fp16 65504).");
    if (all)
        bb_table_foot(t, "Here fp16 is nearer for %zu of %zu, equally near for %zu, out of its range for %zu.", finer,
                      all, same, lost);
}

/* Formats down, inputs across: relative error, then what a format can hold at all. Inputs are runs of n_formats rows.
 */
static void compare(bb_table *t, const bb_bits_row *rows, size_t n, size_t n_formats) {
    size_t n_inputs = n / n_formats, shown = n_inputs <= COMPARED_INPUTS ? n_inputs : 0;
    bb_str line;
    bb_str_init(&line);
    bb_table_foot(t, "%s", "");
    bb_str_addf(&line, "%-8s", "RELATIVE");
    for (size_t i = 0; i < shown; i++) {
        const char *in = rows[i * n_formats].input;
        int cut = bb_text_width(in) > 9 ? 9 : (int)strlen(in);
        bb_str_addf(&line, "  %9.*s", cut, in);
    }
    if (!shown) bb_str_addf(&line, "  %9s", "WORST");
    bb_str_addf(&line, "  %6s  %8s  %8s", "DIGITS", "SMALLEST", "LARGEST");
    bb_table_foot(t, "%s", bb_str_c(&line));
    for (size_t f = 0; f < n_formats; f++) {
        const bb_format *fmt = rows[f].enc.format;
        if (fmt->kind == BB_KIND_INT) continue;
        char buf[BB_SHOW_SIZE];
        bb_str_clear(&line);
        bb_str_addf(&line, "%-8s", fmt->name);
        double worst = (double)NAN;
        for (size_t i = 0; i < n_inputs; i++) {
            double rel = rows[i * n_formats + f].enc.rel_error;
            if (i < shown) bb_str_addf(&line, "  %9s", bb_show_ratio(rel, 2, buf));
            if (!(rel <= worst)) worst = isnan(rel) ? worst : rel;
        }
        if (!shown) bb_str_addf(&line, "  %9s", bb_show_ratio(worst, 2, buf));
        bb_str_addf(&line, "  %6s", bb_show_fixed((fmt->man_bits + 1) * log10(2), 1, buf));
        double tiny = bb_format_min_subnormal(fmt);
        bb_str_addf(&line, "  %8s", bb_show_g(isnan(tiny) ? bb_format_min_normal(fmt) : tiny, 2, buf));
        bb_str_addf(&line, "  %8s", bb_show_g(bb_format_max(fmt), 5, buf));
        bb_table_foot(t, "%s", bb_str_c(&line));
    }
    bb_str_clear(&line);
    const bb_bits_row *half = find(rows, n_formats, "fp16"), *brain = find(rows, n_formats, "bf16");
    if (half && brain) half_or_brain(t, half, brain, n_inputs, n_formats);
}

bb_table *bb_report_bits(const bb_bits_row *rows, size_t n, bool exact) {
    bb_table *t = bb_table_new("bitbudget.bits/1");
    bb_table_column(t, "input", "INPUT", BB_COL_DATA_ONLY);
    bb_table_column(t, "format", "FORMAT", BB_COL_LEFT);
    bb_table_column(t, "code", "CODE", BB_COL_DATA_ONLY);
    bb_table_column(t, "sign", "S", BB_COL_LEFT);
    bb_table_column(t, "exponent", "EXPONENT", BB_COL_LEFT);
    bb_table_column(t, "mantissa", "MANTISSA", BB_COL_LEFT);
    bb_table_column(t, "hex", "HEX", BB_COL_RIGHT | BB_COL_TEXT_ONLY);
    bb_table_column(t, "value", "VALUE", BB_COL_RIGHT);
    bb_table_column(t, "error", "ERROR", BB_COL_RIGHT);
    bb_table_column(t, "rel_error", "RELATIVE", BB_COL_DATA_ONLY);
    bb_table_column(t, "ulps", "ULPS", BB_COL_DATA_ONLY);
    bb_table_column(t, "class", "CLASS", BB_COL_DATA_ONLY);
    bb_table_column(t, "flags", "FLAGS", BB_COL_DATA_ONLY);
    bb_table_column(t, "scale", "SCALE", BB_COL_JSON_ONLY);
    bb_table_column(t, "word", "WORD", BB_COL_JSON_ONLY);
    bb_table_column(t, "exact", "EXACT", BB_COL_JSON_ONLY);
    size_t n_formats = 0;
    for (size_t i = 0; i < n; i++) {
        const bb_bits_row *r = &rows[i];
        struct fields_text x;
        bool begins = !i || rows[i - 1].input != r->input, wide = r->enc.format->bits > WIDE_BITS;
        if (begins) {
            bb_table_block(t, "%s", r->input);
            for (size_t k = i; k < n && rows[k].input == r->input; k++) {
                if (!i) n_formats++;
                if (rows[k].enc.format->bits > WIDE_BITS) {
                    fields_of(&rows[k].enc, &x);
                    wide_lines(t, &rows[k].enc, &x, exact);
                }
            }
        }
        fields_of(&r->enc, &x);
        bb_table_row(t);
        if (wide) bb_table_row_hidden(t);
        data_cells(t, r, &x, exact);
    }
    bool scaled = false;
    char buf[BB_SHOW_SIZE];
    for (size_t i = 0; i < n && i < n_formats; i++)
        if (rows[i].enc.format->kind == BB_KIND_INT) {
            if (!scaled) bb_table_foot(t, "%s", "");
            scaled = true;
            bb_table_foot(t, "%s: two's complement times the scale %s", rows[i].enc.format->name,
                          bb_show_g(bb_scale_f64(&rows[i].enc.scale), 9, buf));
        }
    if (n_formats && n > n_formats && n % n_formats == 0) compare(t, rows, n, n_formats);
    return t;
}
