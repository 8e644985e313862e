/* SPDX-License-Identifier: GPL-3.0-or-later */
/* view_bits.c - the Bits screen: type a number, all formats answer; flip a bit, the value moves. */
#include "base/mem.h"
#include "report/report.h"
#include "tui/bits.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What bits are shown first: pi to more digits than any format holds. */
#define FIRST_VALUE "3.14159265358979323846"
/* Largest magnitude that the integer formats cover at the start, as in `bitbudget bits --absmax`. */
#define FIRST_ABSMAX 6.0

static bb_scale scale_of(const bb_bits *b, const bb_format *f) {
    return f->kind == BB_KIND_INT ? bb_int_scale(f, b->absmax) : (bb_scale){1, 1};
}

static void encode_all(bb_bits *b) {
    for (size_t i = 0; i < b->n; i++) {
        const bb_format *f = bb_format_at(i);
        bb_scale scale = scale_of(b, f);
        if (f == b->from)
            bb_decode_code(f, b->from_code, &scale, &b->rows[i]);
        else if (bb_encode_number(f, &b->number, &b->opts, &scale, &b->rows[i], NULL) != BB_OK)
            bb_decode_code(f, 0, &scale, &b->rows[i]);
    }
    unsigned bits = bb_format_bits(bb_format_at(b->marked));
    if (b->bit >= bits) b->bit = bits - 1;
}

static bool set_text(bb_bits *b, const char *text, bb_error *err) {
    bb_number n;
    if (bb_number_parse(text, &n, err) != BB_OK) return false;
    b->number = n;
    b->from = NULL;
    if (b->text != text) (void)snprintf(b->text, sizeof b->text, "%s", text);
    encode_all(b);
    return true;
}

static void set_code(bb_bits *b, const bb_format *f, uint64_t code) {
    bb_encoding e;
    bb_scale scale = scale_of(b, f);
    bb_decode_code(f, code, &scale, &e);
    b->from = f;
    b->from_code = e.code;
    bb_encoding_number(&e, &b->number);
    char shortest[32];
    (void)snprintf(b->text, sizeof b->text, "%s", bb_f64_shortest(e.value, shortest));
    encode_all(b);
}

static const bb_format *marked_format(const bb_bits *b) { return bb_format_at(b->marked); }

static bb_status bits_open(bb_app *app, const char *model, void **state, bb_error *err) {
    (void)app;
    (void)model;
    bb_bits *b = bb_alloc(1, sizeof *b);
    size_t n = bb_format_count();
    if (b) b->rows = bb_alloc(n, sizeof *b->rows);
    if (!b || !b->rows) {
        free(b);
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    b->n = n;
    b->absmax = FIRST_ABSMAX;
    for (size_t i = 0; i < n; i++)
        if (bb_name_eq(bb_format_name(bb_format_at(i)), "bf16")) b->marked = i;
    if (!set_text(b, FIRST_VALUE, err)) {
        free(b->rows);
        free(b);
        return err ? err->status : BB_E_BUG;
    }
    *state = b;
    return BB_OK;
}

static void bits_close(void *state) {
    bb_bits *b = state;
    free(b->rows);
    free(b);
}

/* ---- words ---- */

const char *bb_bits_round_words(bb_round r) {
    static const char *const words[] = {
        [BB_ROUND_NE] = "nearest-even", [BB_ROUND_NA] = "nearest-away", [BB_ROUND_TZ] = "toward zero",
        [BB_ROUND_UP] = "up",           [BB_ROUND_DOWN] = "down",       [BB_ROUND_ODD] = "to odd"};
    return (size_t)r < sizeof words / sizeof *words ? words[r] : "?";
}
enum { ROUNDS = BB_ROUND_ODD + 1, OVERFLOWS = BB_OVERFLOW_SATURATE + 1 };

const char *bb_bits_overflow_words(bb_overflow o) {
    static const char *const words[] = {[BB_OVERFLOW_NATIVE] = "native",
                                        [BB_OVERFLOW_IEEE] = "infinity",
                                        [BB_OVERFLOW_OCP] = "ocp",
                                        [BB_OVERFLOW_SATURATE] = "saturate"};
    return (size_t)o < sizeof words / sizeof *words ? words[o] : "?";
}

/* ---- keys ---- */

static void negate(bb_bits *b) {
    char text[BB_EDIT_MAX + 1];
    if (b->text[0] == '-')
        (void)snprintf(text, sizeof text, "%s", b->text + 1);
    else
        (void)snprintf(text, sizeof text, "-%s", b->text + (b->text[0] == '+'));
    (void)set_text(b, text, NULL);
}

static void edit_field(bb_app *app, const bb_bits *b) {
    if (b->field == BB_BITS_ROUND) {
        bb_app_choose(app, b->field, "Round", "", false);
        for (int r = 0; r < ROUNDS; r++)
            bb_chooser_add(&app->chooser, bb_round_name((bb_round)r), bb_bits_round_words((bb_round)r));
        bb_chooser_mark(&app->chooser, bb_round_name(b->opts.round));
    } else if (b->field == BB_BITS_OVERFLOW) {
        static const char *const what[] = {[BB_OVERFLOW_NATIVE] = "native     what the format defines",
                                           [BB_OVERFLOW_IEEE] = "ieee       infinity where there is one",
                                           [BB_OVERFLOW_OCP] =
                                               "ocp        the largest value, for the OCP 8-bit formats",
                                           [BB_OVERFLOW_SATURATE] = "saturate   the largest value in every format"};
        bb_app_choose(app, b->field, "A value beyond the largest becomes", "", false);
        for (int o = 0; o < OVERFLOWS; o++) bb_chooser_add(&app->chooser, bb_overflow_name((bb_overflow)o), what[o]);
        bb_chooser_mark(&app->chooser, bb_overflow_name(b->opts.overflow));
    } else if (b->field == BB_BITS_ABSMAX) {
        char text[32];
        bb_app_edit(app, b->field, bb_f64_shortest(b->absmax, text));
        bb_app_say(app, BB_ROLE_DIM, "the largest magnitude that int8 and int4 shall cover");
    } else {
        bb_app_edit(app, BB_BITS_VALUE, b->text);
        bb_app_say(app, BB_ROLE_DIM,
                   "3.14  1e-8  1/3  0x1.8p3  pi e sqrt2 ln2 inf nan  max min tiny eps  #4049 = a code");
    }
}

static void mark(bb_bits *b, size_t to) {
    b->marked = to < b->n ? to : b->n - 1;
    unsigned bits = bb_format_bits(marked_format(b));
    if (b->bit >= bits) b->bit = bits - 1;
}

static bool bits_act(bb_app *app, void *state, bb_action action) {
    bb_bits *b = state;
    const bb_format *f = marked_format(b);
    uint64_t code = b->rows[b->marked].code;
    size_t page = app->layout.pane[BB_PANE_FORMATS].h > 2 ? (size_t)app->layout.pane[BB_PANE_FORMATS].h - 1 : 1;
    switch (action) {
    case BB_ACT_UP:
        mark(b, b->marked ? b->marked - 1 : 0);
        return true;
    case BB_ACT_DOWN:
        mark(b, b->marked + 1);
        return true;
    case BB_ACT_PAGE_UP:
        mark(b, b->marked > page ? b->marked - page : 0);
        return true;
    case BB_ACT_PAGE_DOWN:
        mark(b, b->marked + page);
        return true;
    case BB_ACT_FIRST:
        mark(b, 0);
        return true;
    case BB_ACT_LAST:
        mark(b, b->n - 1);
        return true;
    case BB_ACT_LEFT:
        b->bit += b->bit + 1 < bb_format_bits(f);
        return true;
    case BB_ACT_RIGHT:
        b->bit -= b->bit > 0;
        return true;
    case BB_ACT_NEXT_FIELD:
        b->field = (b->field + 1) % BB_BITS_FIELDS;
        return true;
    case BB_ACT_PREV_FIELD:
        b->field = (b->field + BB_BITS_FIELDS - 1) % BB_BITS_FIELDS;
        return true;
    case BB_ACT_ENTER:
        edit_field(app, b);
        return true;
    case BB_ACT_EDIT:
        b->field = b->field == BB_BITS_ABSMAX ? BB_BITS_ABSMAX : BB_BITS_VALUE;
        edit_field(app, b);
        return true;
    case BB_ACT_FLIP:
        set_code(b, f, code ^ (uint64_t)1 << b->bit);
        return true;
    case BB_ACT_MORE:
        set_code(b, f, bb_format_step(f, code, 1));
        return true;
    case BB_ACT_LESS:
        set_code(b, f, bb_format_step(f, code, -1));
        return true;
    case BB_ACT_NEGATE:
        negate(b);
        return true;
    case BB_ACT_ZERO:
        (void)set_text(b, "0", NULL);
        return true;
    case BB_ACT_INF:
        (void)set_text(b, "inf", NULL);
        return true;
    case BB_ACT_NAN:
        (void)set_text(b, "nan", NULL);
        return true;
    case BB_ACT_ROUND:
        b->opts.round = (bb_round)(((int)b->opts.round + 1) % ROUNDS);
        b->from = NULL;
        encode_all(b);
        return true;
    case BB_ACT_OVERFLOW:
        b->opts.overflow = (bb_overflow)(((int)b->opts.overflow + 1) % OVERFLOWS);
        b->from = NULL;
        encode_all(b);
        return true;
    default:
        return false;
    }
}

/* max, min, tiny, eps of the marked format. */
static bool limit_by_name(const bb_format *f, const char *name, double *v) {
    if (bb_name_eq(name, "max"))
        *v = bb_format_max(f);
    else if (bb_name_eq(name, "min"))
        *v = bb_format_min_normal(f);
    else if (bb_name_eq(name, "tiny"))
        *v = bb_format_min_subnormal(f);
    else if (bb_name_eq(name, "eps"))
        *v = bb_format_epsilon(f);
    else
        return false;
    return true;
}

static bool accept_value(bb_bits *b, const char *text, bb_error *err) {
    const bb_format *f = marked_format(b);
    if (text[0] == '#') {
        char *end;
        unsigned long long code = strtoull(text + 1, &end, 16);
        unsigned bits = bb_format_bits(f);
        bool digits = text[1] && strspn(text + 1, "0123456789abcdefABCDEF") == strlen(text + 1) && strlen(text) <= 17;
        if (!digits || *end || (bits < 64 && code >> bits)) {
            (void)bb_fail(err, BB_E_VALUE, "'%.40s' is no code of %s: expected # and hexadecimal digits, %u bits", text,
                          f->name, bits);
            return false;
        }
        set_code(b, f, code);
        return true;
    }
    bool minus = text[0] == '-';
    double v;
    if (!limit_by_name(f, text + minus, &v)) return set_text(b, text, err);
    if (isnan(v)) {
        (void)bb_fail(err, BB_E_VALUE, "%s has no '%s'", f->name, text + minus);
        return false;
    }
    char shortest[32];
    bb_scale scale = scale_of(b, f);
    double scaled = v * bb_scale_f64(&scale);
    return set_text(b, bb_f64_shortest(minus ? -scaled : scaled, shortest), err);
}

static bool bits_accept(bb_app *app, void *state, int field, const char *text, bb_error *err) {
    (void)app;
    bb_bits *b = state;
    double v;
    switch (field) {
    case BB_BITS_VALUE:
        return accept_value(b, text, err);
    case BB_BITS_ROUND:
        if (bb_round_find(text, &b->opts.round, err) != BB_OK) return false;
        break;
    case BB_BITS_OVERFLOW:
        if (bb_overflow_find(text, &b->opts.overflow, err) != BB_OK) return false;
        break;
    default:
        if (!bb_parse_f64(text, &v) || !(v > 0) || !(v <= 1e300) || v < 1e-300) {
            (void)bb_fail(err, BB_E_VALUE, "'%.40s' is no magnitude: expected a positive number", text);
            return false;
        }
        b->absmax = v;
        break;
    }
    b->from = NULL;
    encode_all(b);
    return true;
}

/* ---- the same elsewhere ---- */

static void bits_command(void *state, bb_str *out) {
    const bb_bits *b = state;
    char number[32];
    bb_str_add(out, "bits ");
    if (b->from && b->number.cls == BB_CLASS_NAN) { /* only its code says which NaN */
        bb_str_addf(out, "0x%llX --from %s", (unsigned long long)b->from_code, b->from->name);
    } else {
        bb_shell_word(out, b->text);
    }
    if (b->opts.round != BB_ROUND_NE) bb_str_addf(out, " --round %s", bb_round_name(b->opts.round));
    if (b->opts.overflow != BB_OVERFLOW_NATIVE) bb_str_addf(out, " --overflow %s", bb_overflow_name(b->opts.overflow));
    bb_str_addf(out, " --absmax %s", bb_f64_shortest(b->absmax, number));
}

static bb_table *bits_table(void *state, bb_error *err) {
    const bb_bits *b = state;
    bb_bits_row *rows = bb_alloc(b->n, sizeof *rows);
    bb_table *t = NULL;
    if (rows) {
        for (size_t i = 0; i < b->n; i++) rows[i] = (bb_bits_row){.input = b->text, .enc = b->rows[i]};
        t = bb_report_bits(rows, b->n, false);
    }
    if (!t) (void)bb_fail(err, BB_E_NOMEM, "out of memory");
    free(rows);
    return t;
}

static void bits_about(void *state, char *text, size_t size) {
    const bb_bits *b = state;
    (void)snprintf(text, size, "%zu formats", b->n);
}

static void bits_notes(void *state, bb_str *out) {
    (void)state;
    (void)out;
}

static void bits_remember(void *state, bb_str *out) {
    const bb_bits *b = state;
    bb_str_addf(out, "value %s\nformat %s\n", b->text, marked_format(b)->name);
}

static void bits_recall(bb_app *app, void *state, const char *key, const char *value) {
    (void)app;
    bb_bits *b = state;
    if (strcmp(key, "value") == 0) (void)set_text(b, value, NULL);
    if (strcmp(key, "format") == 0)
        for (size_t i = 0; i < b->n; i++)
            if (strcmp(bb_format_name(bb_format_at(i)), value) == 0) mark(b, i);
}

static void bits_draw(bb_app *app, void *state, const bb_layout *l) { bb_bits_draw(app, state, l); }

const bb_view bb_view_bits = {
    .name = "bits",
    .tab = "Bits",
    .open = bits_open,
    .close = bits_close,
    .draw = bits_draw,
    .act = bits_act,
    .accept = bits_accept,
    .about = bits_about,
    .notes = bits_notes,
    .command = bits_command,
    .table = bits_table,
    .remember = bits_remember,
    .recall = bits_recall,
};
