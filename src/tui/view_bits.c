/* SPDX-License-Identifier: GPL-3.0-or-later */
/* view_bits.c - the Bits screen: type a number, all formats answer; flip a bit, the value moves. */
#include "base/mem.h"
#include "report/report.h"
#include "report/show.h"
#include "tui/bits.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What bits are shown first: pi to more digits than any format holds. */
#define FIRST_VALUE "3.14159265358979323846"
/* Largest magnitude that the integer formats cover at the start, as in `bitbudget bits --absmax`. */
#define FIRST_ABSMAX 6.0
/* What `bitbudget bits` shows without --to. */
#define USUAL_FORMATS "fp64,fp32,tf32,fp16,bf16,e4m3fn,e5m2,int8,int4"

static bb_scale scale_of(const bb_bits *b, const bb_format *f) {
    return f->kind == BB_KIND_INT ? bb_int_scale(f, b->absmax) : (bb_scale){1, 1};
}

static void encode_all(bb_bits *b) {
    for (size_t i = 0; i < b->n; i++) {
        const bb_format *f = b->formats[i];
        bb_scale scale = scale_of(b, f);
        if (f == b->from)
            bb_decode_code(f, b->from_code, &scale, &b->rows[i]);
        else if (bb_encode_number(f, &b->number, &b->opts, &scale, &b->rows[i], NULL) != BB_OK)
            bb_decode_code(f, 0, &scale, &b->rows[i]);
    }
    unsigned bits = bb_format_bits(b->formats[b->marked]);
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

static const bb_format *marked_format(const bb_bits *b) { return b->formats[b->marked]; }

/* ---- which formats ---- */

static bool is_shown(const bb_bits *b, const bb_format *f) {
    for (size_t i = 0; i < b->n; i++)
        if (b->formats[i] == f) return true;
    return false;
}

/* Shows those of a list "fp32,bf16", in the order of the table; the mark stays on its format when that is among them.
 * False when the list names none. */
static bool show_formats(bb_bits *b, const char *list) {
    const bb_format *was = b->n ? marked_format(b) : NULL;
    size_t n = 0, marked = 0;
    for (size_t i = 0; i < bb_format_count(); i++) {
        const bb_format *f = bb_format_at(i);
        size_t len = strlen(f->name);
        const char *at = list;
        while (at && !(strncmp(at, f->name, len) == 0 && (at[len] == ',' || at[len] == 0))) {
            at = strchr(at, ',');
            at += at != NULL;
        }
        if (!at) continue;
        if (f == was) marked = n;
        b->formats[n++] = f;
    }
    if (!n) return false;
    b->n = n;
    b->marked = marked;
    return true;
}

/* "fp32,bf16": those that are shown, and toggled (NULL = none) when it is not, without it when it is. */
static void shown_list(const bb_bits *b, const bb_format *toggled, bb_str *out) {
    bool first = true;
    for (size_t i = 0; i < bb_format_count(); i++) {
        const bb_format *f = bb_format_at(i);
        if (is_shown(b, f) == (toggled && f == toggled)) continue;
        bb_str_addf(out, "%s%s", first ? "" : ",", f->name);
        first = false;
    }
}

static void choose_formats(bb_app *app, const bb_bits *b, const char *marked) {
    char shown[96];
    bb_app_choose(app, BB_BITS_SHOWN, "Formats that are shown", "Enter puts one in or out", false);
    bb_chooser_add(&app->chooser, "all", "all       every format");
    bb_chooser_add(&app->chooser, "usual", "usual     " USUAL_FORMATS);
    for (size_t i = 0; i < bb_format_count(); i++) {
        const bb_format *f = bb_format_at(i);
        (void)snprintf(shown, sizeof shown, "[%c] %s", is_shown(b, f) ? 'x' : ' ', f->name);
        bb_chooser_add(&app->chooser, f->name, shown);
    }
    bb_chooser_mark(&app->chooser, marked);
}

/* The list stays open, so that several can be chosen. */
static bool accept_shown(bb_app *app, bb_bits *b, const char *text, bb_error *err) {
    bb_str list;
    bb_str_init(&list);
    if (strcmp(text, "usual") == 0)
        bb_str_add(&list, USUAL_FORMATS);
    else if (strcmp(text, "all") == 0)
        for (size_t i = 0; i < bb_format_count(); i++) bb_str_addf(&list, "%s%s", i ? "," : "", bb_format_at(i)->name);
    else
        shown_list(b, bb_format_find(text, NULL), &list);
    bool ok = show_formats(b, bb_str_c(&list));
    bb_str_clear(&list);
    if (!ok) {
        (void)bb_fail(err, BB_E_VALUE, "one format at least has to be shown");
        return false;
    }
    encode_all(b);
    choose_formats(app, b, text);
    return true;
}

static void bits_close(void *state) {
    bb_bits *b = state;
    free(b->formats);
    free(b->rows);
    free(b);
}

static bb_status bits_open(bb_app *app, const char *model, void **state, bb_error *err) {
    (void)app;
    (void)model;
    bb_bits *b = bb_alloc(1, sizeof *b);
    if (!b) return bb_fail(err, BB_E_NOMEM, "out of memory");
    size_t n = bb_format_count();
    b->rows = bb_alloc(n, sizeof *b->rows);
    b->formats = bb_alloc(n, sizeof *b->formats);
    b->absmax = FIRST_ABSMAX;
    b->n = b->rows && b->formats ? n : 0;
    for (size_t i = 0; i < b->n; i++) {
        b->formats[i] = bb_format_at(i);
        if (bb_name_eq(b->formats[i]->name, "bf16")) b->marked = i;
    }
    bb_status st = b->n ? BB_OK : bb_fail(err, BB_E_NOMEM, "out of memory");
    if (st == BB_OK && !set_text(b, FIRST_VALUE, err)) st = err ? err->status : BB_E_BUG;
    if (st == BB_OK)
        *state = b;
    else
        bits_close(b);
    return st;
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

/* The code of the negative, where the value has a code and the format a negative of it. */
static bool negate_code(bb_bits *b) {
    const bb_format *f = b->from;
    if (!f) return false;
    uint64_t sign = (uint64_t)1 << (f->bits - 1), mask = sign | (sign - 1);
    bool one_zero = f->kind == BB_KIND_FNUZ || f->kind == BB_KIND_P3109; /* the code of -0 is the NaN */
    if (f->kind == BB_KIND_E8M0) return false;
    if (f->kind == BB_KIND_INT) {
        if (b->from_code == sign) return false;
        set_code(b, f, (~b->from_code + 1) & mask);
    } else if (!one_zero || (b->from_code & ~sign)) {
        set_code(b, f, b->from_code ^ sign);
    }
    return true;
}

static void negate(bb_bits *b) {
    if (negate_code(b)) return;
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
    case BB_ACT_EDIT:
        edit_field(app, b);
        return true;
    case BB_ACT_FORMATS:
        choose_formats(app, b, f->name);
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
        encode_all(b);
        return true;
    case BB_ACT_OVERFLOW:
        b->opts.overflow = (bb_overflow)(((int)b->opts.overflow + 1) % OVERFLOWS);
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

static bool read_code(const bb_format *f, const char *digits, uint64_t *code) {
    size_t n = strlen(digits);
    if (n == 0 || n > 16 || strspn(digits, "0123456789abcdefABCDEF") != n) return false;
    *code = strtoull(digits, NULL, 16);
    return f->bits >= 64 || *code >> f->bits == 0;
}

static bool accept_value(bb_bits *b, const char *text, bb_error *err) {
    const bb_format *f = marked_format(b);
    if (text[0] == '#') {
        uint64_t code;
        if (!read_code(f, text + 1, &code)) {
            (void)bb_fail(err, BB_E_VALUE, "'%.40s' is no code of %s: expected # and hexadecimal digits, %u bits", text,
                          f->name, bb_format_bits(f));
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
    bb_number n;
    bb_encoding e;
    static const bb_encode_opts plain = {.round = BB_ROUND_NE};
    static const bb_scale one = {1, 1};
    bb_scale scale = scale_of(b, f);
    bb_number_from_f64(minus ? -v : v, &n);
    /* limits are values of the format, and integers count in steps of their scale: by code nothing is rounded */
    if (bb_encode_number(f, &n, &plain, &one, &e, NULL) == BB_OK && !e.flags) {
        set_code(b, f, e.code);
        return true;
    }
    v *= bb_scale_f64(&scale);
    return set_text(b, bb_f64_shortest(minus ? -v : v, shortest), err);
}

static bool bits_accept(bb_app *app, void *state, int field, const char *text, bb_error *err) {
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
    case BB_BITS_SHOWN:
        return accept_shown(app, b, text, err);
    default:
        if (!bb_parse_f64(text, &v) || !(v > 0) || !(v <= 1e300) || v < 1e-300) {
            (void)bb_fail(err, BB_E_VALUE, "'%.40s' is no magnitude: expected a positive number", text);
            return false;
        }
        b->absmax = v;
        if (b->from && b->from->kind == BB_KIND_INT)
            set_code(b, b->from, b->from_code); /* another scale, another value */
        break;
    }
    encode_all(b);
    return true;
}

/* ---- the same elsewhere ---- */

/* What the command line takes for the value: the code where there is one, for its decimal is not all of it. */
static const char *input_text(const bb_bits *b, char *buf) {
    return b->from ? bb_show_code(b->from_code, b->from->bits, buf) : b->text;
}

static void bits_command(void *state, bb_str *out) {
    const bb_bits *b = state;
    char number[32], code[32];
    bb_str_add(out, "bits ");
    bb_shell_word(out, input_text(b, code));
    if (b->from) bb_str_addf(out, " --from %s", b->from->name);
    bb_str_add(out, " --to ");
    shown_list(b, NULL, out);
    if (b->opts.round != BB_ROUND_NE) bb_str_addf(out, " --round %s", bb_round_name(b->opts.round));
    if (b->opts.overflow != BB_OVERFLOW_NATIVE) bb_str_addf(out, " --overflow %s", bb_overflow_name(b->opts.overflow));
    bb_str_addf(out, " --absmax %s", bb_f64_shortest(b->absmax, number));
}

static bb_table *bits_table(void *state, bb_error *err) {
    const bb_bits *b = state;
    bb_bits_row *rows = bb_alloc(b->n, sizeof *rows);
    bb_table *t = NULL;
    char code[32];
    const char *input = input_text(b, code);
    if (rows) {
        for (size_t i = 0; i < b->n; i++) rows[i] = (bb_bits_row){.input = input, .enc = b->rows[i]};
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
    bb_str_addf(out, "value %s\n", b->text);
    if (b->from) bb_str_addf(out, "code %s %llX\n", b->from->name, (unsigned long long)b->from_code);
    if (b->n < bb_format_count()) { /* all of them: also those that a later version knows */
        bb_str_add(out, "formats ");
        shown_list(b, NULL, out);
        bb_str_add(out, "\n");
    }
    bb_str_addf(out, "format %s\n", marked_format(b)->name);
}

/* "fp32 40490FDC" */
static void recall_code(bb_bits *b, const char *value) {
    char name[32];
    size_t n = strcspn(value, " ");
    if (n >= sizeof name || !value[n]) return;
    memcpy(name, value, n);
    name[n] = 0;
    const bb_format *f = bb_format_find(name, NULL);
    uint64_t code;
    if (f && read_code(f, value + n + 1, &code)) set_code(b, f, code);
}

static void bits_recall(bb_app *app, void *state, const char *key, const char *value) {
    (void)app;
    bb_bits *b = state;
    if (strcmp(key, "value") == 0) (void)set_text(b, value, NULL);
    if (strcmp(key, "code") == 0) recall_code(b, value);
    if (strcmp(key, "format") == 0)
        for (size_t i = 0; i < b->n; i++)
            if (strcmp(b->formats[i]->name, value) == 0) mark(b, i);
    if (strcmp(key, "formats") == 0 && show_formats(b, value)) encode_all(b);
}

static void bits_draw(bb_app *app, void *state, const bb_panes *l) { bb_bits_draw(app, state, l); }

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
