/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bits_draw.c - the Bits screen drawn: the list of formats, the bits of the marked one, its neighbours, the sentence.
 */
#include "report/show.h"
#include "tui/bits.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Shortest digits when they fit, else as many as do. */
static const char *value_text(double v, int width, char *buf) {
    (void)bb_f64_shortest(v, buf);
    for (int digits = width > 9 ? width - 1 : 8; (int)strlen(buf) > width && digits > 2; digits--) {
        char text[BB_SHOW_SIZE];
        (void)snprintf(buf, 32, "%.31s", bb_show_g(v, digits, text));
    }
    return buf;
}

typedef enum number_form { SIGNED, SCIENTIFIC, PLAIN } number_form;

/* "" for what is undefined. */
static const char *error_text(double e, number_form form, int digits, char *buf) {
    if (isnan(e))
        buf[0] = 0;
    else if (e == 0)
        (void)snprintf(buf, 32, "0");
    else if (form == SIGNED)
        (void)snprintf(buf, 32, "%+.*e", digits, e);
    else if (form == PLAIN && e < 1e6)
        (void)snprintf(buf, 32, "%.*f", digits, e);
    else
        (void)snprintf(buf, 32, "%.*e", digits, e);
    return buf;
}

/* The error of a row. One that is smaller than the least double is not none. */
static const char *error_words(const bb_encoding *e, number_form form, int digits, char *buf) {
    if (e->error == 0 && e->flags & BB_FLAG_INEXACT)
        (void)snprintf(buf, 32, "<5e-324");
    else
        (void)error_text(e->error, form, digits, buf);
    return buf;
}

/* Binary digits of the low n bits. */
static void digits_of(uint64_t v, unsigned n, char *out) {
    for (unsigned i = 0; i < n; i++) out[i] = v >> (n - 1 - i) & 1 ? '1' : '0';
    out[n] = 0;
}

static void hex_of(const bb_encoding *e, char *out, size_t size) {
    (void)snprintf(out, size, "%0*llX", (int)((bb_format_bits(e->format) + 3) / 4), (unsigned long long)e->code);
}

/* ---- fields ---- */

static void draw_fields(const bb_app *app, const bb_bits *b, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_VALUE];
    char absmax[64], shortest[32], exact[64];
    size_t int8 = 0;
    while (int8 < b->n && b->rows[int8].format->kind != BB_KIND_INT) int8++;
    (void)bb_f64_shortest(b->absmax, shortest);
    if (int8 < b->n)
        (void)snprintf(absmax, sizeof absmax, "%s (%s scale %.6g)", shortest, b->rows[int8].format->name,
                       bb_scale_f64(&b->rows[int8].scale));
    else
        (void)snprintf(absmax, sizeof absmax, "%s", shortest);
    const char *round = bb_bits_round_words(b->opts.round), *overflow = bb_bits_overflow_words(b->opts.overflow);
    (void)snprintf(exact, sizeof exact, "fp64 %a", bb_number_to_f64(&b->number));
    int x = p->x + 1, y = p->y, f = b->field;
    if (p->h == 1) { /* wide */
        bb_field_draw(app, BB_BITS_VALUE, f == BB_BITS_VALUE, y, x, 6, 38, "Value", b->text);
        bb_field_draw(app, BB_BITS_ROUND, f == BB_BITS_ROUND, y, x + 40, 6, 18, "Round", round);
        bb_field_draw(app, BB_BITS_OVERFLOW, f == BB_BITS_OVERFLOW, y, x + 60, 9, 17, "Overflow", overflow);
        bb_field_draw(app, BB_BITS_ABSMAX, f == BB_BITS_ABSMAX, y, x + 79, 11, p->w - 81, "INT absmax", absmax);
    } else {
        bool room = p->w >= 78;
        int half = room ? 38 : 28;
        bb_field_draw(app, BB_BITS_VALUE, f == BB_BITS_VALUE, y, x, 6, half - 2, "Value", b->text);
        bb_field_draw(app, BB_BITS_ROUND, f == BB_BITS_ROUND, y, x + half, 6, 18, "Round", round);
        bb_field_draw(app, BB_BITS_OVERFLOW, f == BB_BITS_OVERFLOW, room ? y : y + 1, room ? x + 59 : x + 38, 9, 17,
                      "Overflow", overflow);
        bb_field_draw(app, BB_BITS_ABSMAX, f == BB_BITS_ABSMAX, y + 1, x, 11, room ? 42 : 36, "INT absmax", absmax);
        if (room) bb_put_right(y + 1, x + 44, p->w - 46, BB_ROLE_DIM, exact);
    }
}

/* ---- the list ---- */

typedef struct columns {
    int name, bits, hex, value, error, ulps; /* widths, 0 = left out */
    int digits;                              /* of the error, after its point */
} columns;

enum { FP32_BITS = 34, FP64_BITS = 74 }; /* columns of their bits; fp32's are shown whole from 80 columns on */

/* Long names reach into the bits where the table has no room for both. */
static columns columns_for(int width, bool wide) {
    bool roomy = width >= 85;
    columns c = {.name = wide && !roomy ? 9 : 12, .hex = width >= 64 ? 9 : 0, .error = wide && !roomy ? 9 : 10};
    c.ulps = wide && width >= 76 ? 6 : 0;
    c.digits = c.error - 8;
    int rest = width - 1 - c.name - c.hex - c.error - c.ulps;
    c.value = rest - FP32_BITS < 9 ? 9 : rest - FP32_BITS > 19 ? 19 : rest - FP32_BITS;
    if (!c.hex) c.value = 12;
    c.bits = rest - c.value < FP64_BITS ? rest - c.value : FP64_BITS; /* a wider screen does not stretch it */
    return c;
}

/* "0 10000000 1001001"; of an integer its digits. */
static void bits_text(const bb_encoding *e, char *out, size_t size) {
    bb_fields f;
    char exponent[72], mantissa[72];
    bb_format_fields(e->format, e->code, &f);
    digits_of(f.exponent, f.exp_bits, exponent);
    digits_of(f.mantissa, f.man_bits, mantissa);
    (void)snprintf(out, size, "%s%.64s%s%.64s", f.has_sign ? f.sign ? "1 " : "0 " : "", exponent, f.exp_bits ? " " : "",
                   mantissa);
}

/* At most `width` columns: 0.06, 12.3, 1234, 1e+06. */
static const char *ulps_text(double ulps, int width, char *buf) {
    (void)error_text(ulps, PLAIN, 2, buf);
    for (int digits = 1; digits >= 0 && (int)strlen(buf) > width; digits--)
        (void)snprintf(buf, 32, "%.*f", digits, ulps);
    if ((int)strlen(buf) > width) (void)snprintf(buf, 32, "%.0e", ulps);
    return buf;
}

static void draw_row(const bb_bits *b, size_t i, const columns *c, int y, int x) {
    const bb_encoding *e = &b->rows[i];
    bool here = i == b->marked, integer = e->format->kind == BB_KIND_INT;
    bb_role role = here ? BB_ROLE_FOCUS : BB_ROLE_TEXT;
    char hex[24], value[32], error[32], bits[192], ulps[32];
    hex_of(e, hex, sizeof hex);
    bits_text(e, bits, sizeof bits);
    int name = (int)strlen(e->format->name), spill = name >= c->name ? name + 1 - c->name : 0;
    int hex_w = c->hex && (int)strlen(hex) >= c->hex ? (int)strlen(hex) + 1 : c->hex; /* fp64 */
    int length = (int)strlen(bits), bits_w = c->bits - spill - (hex_w - c->hex);
    /* bits that are cut anyway leave the value its digits */
    (void)value_text(e->value, c->hex && length > bits_w ? 18 : c->value - 1, value);
    int value_w = (int)strlen(value) >= c->value ? (int)strlen(value) + 1 : c->value;
    bits_w -= value_w - c->value;
    if (integer && length + 26 <= bits_w)
        strcat(bits, "  two's complement x scale");
    else if (integer && length + 9 <= bits_w)
        strcat(bits, "  x scale");
    if (here) (void)bb_put(y, x, 1, BB_ROLE_FOCUS, "▌");
    int at = x + 1;
    (void)bb_put(y, at, name, role, e->format->name);
    at += c->name + spill;
    (void)bb_put_cut(y, at, bits_w, role, bits);
    at += bits_w;
    if (c->hex) bb_put_right(y, at, hex_w, role, hex);
    bb_put_right(y, at += hex_w, value_w, role, value);
    at += value_w;
    for (int digits = c->digits; digits >= 0 && (int)strlen(error_words(e, SIGNED, digits, error)) >= c->error;)
        digits--;
    bb_put_right(y, at, c->error, role, error);
    at += c->error;
    if (c->ulps) bb_put_right(y, at, c->ulps, role, ulps_text(e->ulps, c->ulps - 1, ulps));
}

static void draw_list(const bb_bits *b, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_FORMATS];
    int x = p->x - 1, width = l->wide ? p->w + 1 : p->w;
    columns c = columns_for(width, l->wide);
    int at = x + 1;
    (void)bb_put(p->y, at, c.name, BB_ROLE_HEAD, "FORMAT");
    (void)bb_put(p->y, at + c.name, c.bits, BB_ROLE_HEAD, c.bits >= 24 ? "S EXPONENT MANTISSA" : "S EXP MANTISSA");
    at += c.name + c.bits;
    if (c.hex) bb_put_right(p->y, at, c.hex, BB_ROLE_HEAD, "HEX");
    bb_put_right(p->y, at += c.hex, c.value, BB_ROLE_HEAD, "VALUE");
    bb_put_right(p->y, at += c.value, c.error, BB_ROLE_HEAD, "ERROR");
    if (c.ulps) bb_put_right(p->y, at + c.error, c.ulps, BB_ROLE_HEAD, "ULP");
    size_t shown = p->h > 1 ? (size_t)p->h - 1 : 0, top = bb_scroll(b->marked, b->n, shown);
    for (size_t i = top; i < b->n && i < top + shown; i++) draw_row(b, i, &c, p->y + 1 + (int)(i - top), x);
}

/* ---- the bits of one format ---- */

enum { BIT_TEXT = 256 };

/* Digits with the marked one in brackets, fields parted by '|': spaced when that fits in `width`, else close together.
 * under gets s, e, m below each digit. */
static void bit_row(const bb_bits *b, int width, char *out, char *under) {
    const bb_encoding *e = &b->rows[b->marked];
    unsigned n = bb_format_bits(e->format);
    bb_fields f;
    bb_format_fields(e->format, e->code, &f);
    bool spaced = (int)(2 * n + 5) <= width;
    size_t at = 0;
    memset(out, ' ', BIT_TEXT);
    memset(under, ' ', BIT_TEXT);
    for (unsigned k = n; k-- > 0;) {
        char kind = k < f.man_bits ? 'm' : k < f.man_bits + f.exp_bits ? 'e' : 's';
        if (e->format->kind == BB_KIND_INT) kind = 'i';
        bool first = k + 1 < n && (k + 1 == f.man_bits || k + 1 == f.man_bits + f.exp_bits);
        if (first) {
            if (spaced) at++;
            out[at++] = '|';
        }
        if (spaced || k == b->bit) {
            if (k == b->bit) out[at] = '[';
            at++;
        }
        out[at] = e->code >> k & 1 ? '1' : '0';
        under[at++] = kind;
        if (k == b->bit) {
            out[at] = ']';
            if (!spaced) at++;
        }
    }
    out[at + 1] = 0;
    under[at + 1] = 0;
    if (!spaced && (int)at > width && width > 0) { /* a window around the mark */
        size_t mark = (size_t)(strchr(out, '[') - out), start = mark > (size_t)width / 2 ? mark - (size_t)width / 2 : 0;
        if (start > at - (size_t)width) start = at - (size_t)width;
        memmove(out, out + start, at + 2 - start);
        memmove(under, under + start, at + 2 - start);
    }
}

/* Exponent of two of the leading digit: subnormals share the least one. */
static int exponent_of(const bb_format *f, const bb_fields *v) {
    int least = f->man_bits ? 1 : 0; /* e8m0 has no subnormals */
    return (int)(v->exponent > (uint64_t)least ? v->exponent : (uint64_t)least) - f->bias;
}

static void bit_meaning(const bb_bits *b, char *out, size_t size) {
    const bb_encoding *e = &b->rows[b->marked];
    const bb_format *f = e->format;
    bb_fields v;
    char number[32];
    bb_format_fields(f, e->code, &v);
    unsigned k = b->bit;
    if (f->kind == BB_KIND_INT) {
        (void)snprintf(out, size, "bit %u = %s2^%u x scale", k, k + 1 == f->bits ? "-" : "", k);
    } else if (k < v.man_bits) {
        int power = exponent_of(f, &v) - (int)v.man_bits + (int)k;
        const char *class = bb_format_class(f, e->code);
        if (strcmp(class, "infinity") == 0 || strcmp(class, "nan") == 0)
            (void)snprintf(out, size, "bit %u of the fraction", k);
        else
            (void)snprintf(out, size, "bit %u = 2^%d = %s", k, power, value_text(ldexp(1, power), 14, number));
    } else if (k < v.man_bits + v.exp_bits) {
        (void)snprintf(out, size, "bit %u adds %u to the exponent", k, 1U << (k - v.man_bits));
    } else {
        (void)snprintf(out, size, "bit %u is the sign", k);
    }
}

/* "1.5703125 x 2^1", or the class of what is no such product. */
static void product_text(const bb_encoding *e, char *out, size_t size) {
    const char *class = bb_format_class(e->format, e->code);
    char a[32], c[32];
    if (e->format->kind == BB_KIND_INT) {
        (void)snprintf(out, size, "%s x %s", bb_f64_shortest(bb_format_decode(e->format, e->code), a),
                       value_text(bb_scale_f64(&e->scale), 14, c));
    } else if (strcmp(class, "normal") == 0 || strcmp(class, "subnormal") == 0) {
        bb_fields v;
        bb_format_fields(e->format, e->code, &v);
        int exponent = exponent_of(e->format, &v);
        (void)snprintf(out, size, "%s x 2^%d", value_text(ldexp(e->value, -exponent), 18, a), exponent);
    } else {
        (void)snprintf(out, size, "%s%s", signbit(e->value) ? "-" : "", class);
    }
}

static void draw_code(const bb_bits *b, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_CODE];
    const bb_encoding *e = &b->rows[b->marked];
    char row[BIT_TEXT], under[BIT_TEXT], meaning[96], product[96], value[32], hex[24];
    bit_meaning(b, meaning, sizeof meaning);
    product_text(e, product, sizeof product);
    hex_of(e, hex, sizeof hex);
    int name = l->wide ? 0 : 12, w = l->wide ? p->w : p->w - name - 1;
    bit_row(b, w, row, under);
    if (!l->wide) (void)bb_put(p->y, p->x, name, BB_ROLE_TITLE, e->format->name);
    (void)bb_put(p->y, p->x + name, w, BB_ROLE_HEAD, row);
    int at = p->x + name + (int)strlen(row) + 2, room = p->x + p->w - at;
    bool beside = !l->wide && room >= bb_text_columns(meaning);
    if (beside) (void)bb_put(p->y, at, room, BB_ROLE_DIM, meaning);
    if (!l->wide) {
        char line[320];
        (void)snprintf(line, sizeof line, "%s  %s = %s%s%s", bb_format_class(e->format, e->code), product,
                       value_text(e->value, 24, value), beside ? "" : "   ", beside ? "" : meaning);
        if (p->w < 78) name = 0;
        (void)bb_put_cut(p->y + 1, p->x + name, p->w - name - 1, BB_ROLE_DIM, line);
        return;
    }
    (void)bb_put(p->y + 1, p->x, p->w, BB_ROLE_DIM, under);
    (void)bb_put_cut(p->y + 2, p->x, p->w, BB_ROLE_TEXT, meaning);
    (void)bb_putf(p->y + 3, p->x, p->w, BB_ROLE_TEXT, "product   %s", product);
    (void)bb_putf(p->y + 4, p->x, p->w, BB_ROLE_TEXT, "value     %s", value_text(e->value, 24, value));
    if (p->h > 5)
        (void)bb_putf(p->y + 5, p->x, p->w, BB_ROLE_TEXT, "code      %s  %s", hex, bb_format_class(e->format, e->code));
}

/* ---- neighbours ---- */

typedef struct neighbours {
    bb_encoding below, above;
    bool has_below, has_above;
} neighbours;

static void find_neighbours(const bb_bits *b, neighbours *n) {
    const bb_encoding *e = &b->rows[b->marked];
    uint64_t down = bb_format_step(e->format, e->code, -1), up = bb_format_step(e->format, e->code, 1);
    bb_decode_code(e->format, down, &e->scale, &n->below);
    bb_decode_code(e->format, up, &e->scale, &n->above);
    n->has_below = down != e->code && !isnan(e->value);
    n->has_above = up != e->code && !isnan(e->value);
}

static void draw_near_wide(const bb_bits *b, const bb_rect *p, const neighbours *n) {
    const bb_encoding *e = &b->rows[b->marked];
    char hex[24], value[32], a[32], c[32], flags[96];
    int y = p->y, end = p->y + p->h;
    hex_of(e, hex, sizeof hex);
    int room = p->w - 8 - (strlen(hex) > 8 ? (int)strlen(hex) : 8);
    if (room > 20) room = 20;
    if (n->has_above) {
        hex_of(&n->above, hex, sizeof hex);
        (void)bb_putf(y, p->x, p->w, BB_ROLE_TEXT, "above  %-8s %s", hex, value_text(n->above.value, room, value));
    }
    hex_of(e, hex, sizeof hex);
    (void)bb_putf(y + 1, p->x, p->w, BB_ROLE_FOCUS, "here   %-8s %s", hex, value_text(e->value, room, value));
    if (n->has_below) {
        hex_of(&n->below, hex, sizeof hex);
        (void)bb_putf(y + 2, p->x, p->w, BB_ROLE_TEXT, "below  %-8s %s", hex, value_text(n->below.value, room, value));
    }
    y += 3;
    if (y < end && !isnan(e->error))
        (void)bb_putf(y++, p->x, p->w, BB_ROLE_TEXT, "error  %s  relative %s", error_words(e, SIGNED, 3, a),
                      error_text(e->rel_error, SCIENTIFIC, 2, c));
    if (y < end && !isnan(e->error)) {
        if (e->rel_error > 0)
            (void)bb_putf(y++, p->x, p->w, BB_ROLE_TEXT, "       %s ulp  about %.1f digits",
                          error_text(e->ulps, PLAIN, 3, a), -log10(e->rel_error));
        else
            (void)bb_putf(y++, p->x, p->w, BB_ROLE_TEXT, "       %s ulp", error_text(e->ulps, PLAIN, 3, a));
    }
    if (y < end)
        (void)bb_putf(y, p->x, p->w, BB_ROLE_TEXT, "flags  %s", e->flags ? bb_flags_text(e->flags, flags) : "none");
}

/* "|-----#--=----|": '#' the input, '=' what it became, between the neighbours. */
static void number_line(const bb_bits *b, const neighbours *n, int width, char *out) {
    const bb_encoding *e = &b->rows[b->marked];
    double low = n->below.value, high = n->above.value, in = bb_number_to_f64(&b->number);
    memset(out, '-', (size_t)width);
    out[0] = out[width - 1] = '|';
    out[width] = 0;
    double span = high - low;
    if (!isfinite(span) || span <= 0) return;
    int here = (int)((e->value - low) / span * (width - 1) + 0.5);
    if (here > 0 && here < width - 1) out[here] = '=';
    double place = (in - low) / span * (width - 1) + 0.5;
    if (place >= 1 && place < width - 1) out[(int)place] = '#';
}

static void draw_near(const bb_bits *b, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_NEAR];
    const bb_encoding *e = &b->rows[b->marked];
    neighbours n;
    find_neighbours(b, &n);
    if (l->wide) {
        draw_near_wide(b, p, &n);
        return;
    }
    char low[32] = "", high[32] = "", line[80] = "", hex[24], flags[96], a[32], c[32], ulps[32];
    int w = p->w >= 78 ? 14 : 10, middle = p->w - 2 * (w + 8) - 2;
    if (n.has_below) (void)value_text(n.below.value, w, low);
    if (n.has_above) (void)value_text(n.above.value, w, high);
    if (n.has_below && n.has_above && middle >= 8) number_line(b, &n, middle < 40 ? middle : 40, line);
    (void)bb_putf(p->y, p->x, p->w, BB_ROLE_TEXT, "%s %-*s %s %*s %s", n.has_below ? "below " : "      ", w, low, line,
                  w, high, n.has_above ? " above" : "");
    if (e->rel_error > 0)
        (void)bb_putf(p->y + 1, p->x, p->w, BB_ROLE_TEXT,
                      p->w >= 78 ? "error  %s   relative %s   %s ulp   about %.1f decimal digits"
                                 : "error  %s  rel %s  %s ulp  %.1f digits",
                      error_words(e, SIGNED, 4, a), error_text(e->rel_error, SCIENTIFIC, 2, c),
                      error_text(e->ulps, PLAIN, 3, ulps), -log10(e->rel_error));
    else
        (void)bb_putf(p->y + 1, p->x, p->w, BB_ROLE_TEXT, "error  %s", error_text(e->error, SIGNED, 4, a));
    hex_of(e, hex, sizeof hex);
    (void)bb_putf(p->y + 2, p->x, p->w, BB_ROLE_TEXT, "flags  %-20s code 0x%s",
                  e->flags ? bb_flags_text(e->flags, flags) : "none", hex);
}

static void draw_chart(const bb_bits *b, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_CHART];
    int name = 12, bar = p->w - name - 9, row = 0;
    size_t shown = (size_t)p->h, top = bb_scroll(b->marked, b->n, shown);
    for (size_t i = top; i < b->n && row < p->h; i++, row++) {
        const bb_encoding *e = &b->rows[i];
        char text[32];
        int y = p->y + row;
        (void)bb_put(y, p->x, name, i == b->marked ? BB_ROLE_FOCUS : BB_ROLE_TEXT, e->format->name);
        bb_put_right(y, p->x + name + bar, 9, BB_ROLE_TEXT, error_text(e->rel_error, SCIENTIFIC, 1, text));
        if (!(e->rel_error > 0)) continue;
        /* From 1e-17, beyond fp64, to 1. */
        double part = (log10(e->rel_error) + 17) / 17;
        int eighths = (int)((part < 0 ? 0 : part > 1 ? 1 : part) * bar * 8);
        bb_put_times(y, p->x + name, eighths / 8, BB_ROLE_WEIGHTS, "█");
        static const char *const ends[8] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
        if (eighths / 8 < bar && !(bb_glyphs_ascii() && eighths % 8 == 4))
            (void)bb_put(y, p->x + name + eighths / 8, 1, BB_ROLE_WEIGHTS, ends[eighths % 8]);
    }
}

/* ---- the sentence ---- */

static void rounding_words(const bb_bits *b, double taken, double other, char *out, size_t size) {
    double middle = taken + (other - taken) / 2;
    bb_number m;
    bb_number_from_f64(middle, &m);
    bool tie = middle != taken && middle != other && bb_number_diff(&b->number, &m) == 0;
    switch (b->opts.round) {
    case BB_ROUND_NE:
        (void)snprintf(out, size, "%s",
                       tie ? "a tie: the one with the even code was taken" : "the nearer one was taken");
        return;
    case BB_ROUND_NA:
        (void)snprintf(out, size, "%s", tie ? "a tie: the one away from zero was taken" : "the nearer one was taken");
        return;
    case BB_ROUND_TZ:
        (void)snprintf(out, size, "the one nearer to zero was taken");
        return;
    case BB_ROUND_UP:
        (void)snprintf(out, size, "the upper one was taken");
        return;
    case BB_ROUND_DOWN:
        (void)snprintf(out, size, "the lower one was taken");
        return;
    case BB_ROUND_ODD:
        (void)snprintf(out, size, "the one with the odd code was taken");
        return;
    }
    out[0] = 0;
}

void bb_bits_sentence(const bb_bits *b, char *text, size_t size) {
    const bb_encoding *e = &b->rows[b->marked];
    const char *name = e->format->name;
    char a[32], c[32], words[80];
    neighbours n;
    find_neighbours(b, &n);
    if (b->number.cls == BB_CLASS_NAN) {
        (void)snprintf(text, size, e->flags & BB_FLAG_NAN_LOST ? "%s has no NaN: %s was taken." : "Not a number in %s.",
                       name, bb_f64_shortest(e->value, a));
    } else if (b->number.cls == BB_CLASS_INF) {
        (void)snprintf(text, size, isinf(e->value) ? "Infinity in %s." : "%s has no infinity: %s was taken.", name,
                       bb_f64_shortest(e->value, a));
    } else if (e->flags & BB_FLAG_OVERFLOW || !isfinite(e->value)) {
        double most = bb_format_max(e->format) * bb_scale_f64(&e->scale);
        (void)snprintf(text, size, "The value lies beyond %s, the %s of %s; %s was taken.",
                       value_text(b->number.sign ? -most : most, 18, a), b->number.sign ? "least" : "largest", name,
                       value_text(e->value, 18, c));
    } else if (e->error == 0 && e->flags & BB_FLAG_INEXACT) {
        (void)snprintf(text, size, "%s, the nearest of %s, is closer than a double can tell.",
                       value_text(e->value, 24, a), name);
    } else if (e->error == 0) {
        (void)snprintf(text, size, "The value is exactly one of %s.", name);
    } else if (e->error > 0 && n.has_below) {
        rounding_words(b, e->value, n.below.value, words, sizeof words);
        (void)snprintf(text, size, "The value lies between %s and %s; %s.", value_text(n.below.value, 18, a),
                       value_text(e->value, 18, c), words);
    } else if (e->error < 0 && n.has_above) {
        rounding_words(b, e->value, n.above.value, words, sizeof words);
        (void)snprintf(text, size, "The value lies between %s and %s; %s.", value_text(e->value, 18, a),
                       value_text(n.above.value, 18, c), words);
    } else {
        (void)snprintf(text, size, "%s was taken.", value_text(e->value, 18, a));
    }
}

void bb_bits_draw(const bb_app *app, const bb_bits *b, const bb_panes *l) {
    char sentence[256];
    draw_fields(app, b, l);
    draw_list(b, l);
    draw_code(b, l);
    draw_near(b, l);
    bb_title_draw(l, &l->pane[BB_PANE_FORMATS], BB_ROLE_HEAD, "Formats");
    bb_title_draw(l, &l->pane[BB_PANE_CODE], BB_ROLE_TITLE, b->rows[b->marked].format->name);
    bb_title_draw(l, &l->pane[BB_PANE_NEAR], BB_ROLE_HEAD, "Neighbours");
    if (l->pane[BB_PANE_CHART].h) {
        bb_title_draw(l, &l->pane[BB_PANE_CHART], BB_ROLE_HEAD, "Relative error (log scale)");
        draw_chart(b, l);
    }
    bb_bits_sentence(b, sentence, sizeof sentence);
    const bb_rect *p = &l->pane[BB_PANE_SENTENCE];
    /* the row below is the message's, when there is one */
    (void)bb_put_wrapped(p->y, p->x, app->message[0] ? 1 : 2, p->w, BB_ROLE_TEXT, sentence);
}
