/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_bits.c - bitbudget bits: values or codes into formats; "-" reads one value per line. */
#include "base/escape.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "report/report.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option options[] = {
    {OPT_TO, "--to", "LIST", NULL, false,
     "formats, separated by commas (fp64,fp32,tf32,fp16,bf16,e4m3fn,e5m2,int8,int4)"},
    {OPT_FROM, "--from", "FORMAT", NULL, false, "every VALUE is a code of FORMAT: 0x4049, 0b101 or decimal"},
    {OPT_ROUND, "--round", "MODE", NULL, false, "ne, na, tz, up, down or odd (ne: nearest, ties to even)"},
    {OPT_OVERFLOW, "--overflow", "RULE", NULL, false, "native, ieee, ocp or saturate (native: as the format defines)"},
    {OPT_NAN, "--nan", "RULE", NULL, false, "what NaN becomes in a format without it: max, zero or error (max)"},
    {OPT_VIA, "--via", "FORMAT", NULL, false, "round to FORMAT first, then to the others: shows double rounding"},
    {OPT_EXACT, "--exact", NULL, NULL, false, "every digit of the values"},
    {OPT_ABSMAX, "--absmax", "A", NULL, false,
     "integer formats: A is the largest code, scale = A / (2^(bits-1) - 1) (6)"},
    {OPT_SCALE, "--scale", "S", NULL, false, "integer formats: value = code x S"},
    {0},
};

static const char default_formats[] = "fp64,fp32,tf32,fp16,bf16,e4m3fn,e5m2,int8,int4";
/* The largest value of e2m1, so that the integer and the 4-bit formats of a table cover the same range. */
static const double default_absmax = 6;

enum { MAX_FORMATS = 64, LINE_SIZE = 4096, CHUNK = 1024, MAX_LINES = 20000 };

struct job {
    cli_call *call;
    const bb_format *to[MAX_FORMATS];
    size_t n_to;
    const bb_format *from, *via;
    bb_encode_opts opts;
    double scale, absmax; /* one of them is 0 */
    bb_bits_row *rows;    /* a chunk: at most CHUNK inputs times n_to */
    char **inputs;        /* [n_inputs] owned */
    size_t n_inputs, n_rows, cap_inputs;
    bool written;
};

/* ---- options -------------------------------------------------------------------------------------------------------
 */

static bb_status add_format(struct job *j, const bb_format *f, bb_error *err) {
    for (size_t i = 0; i < j->n_to; i++)
        if (j->to[i] == f) return BB_OK;
    if (j->n_to == MAX_FORMATS) return bb_fail(err, BB_E_ARG, "bits: more than %d formats", MAX_FORMATS);
    j->to[j->n_to++] = f;
    return BB_OK;
}

static bb_status read_formats(struct job *j, const char *list, bb_error *err) {
    for (const char *p = list;;) {
        char name[64];
        size_t n = strcspn(p, ",");
        if (!n || n >= sizeof name)
            return bb_fail(err, BB_E_ARG, "--to: expected names of formats separated by commas");
        memcpy(name, p, n);
        name[n] = '\0';
        const bb_format *f = bb_format_find(name, err);
        if (!f) return err->status;
        bb_status s = add_format(j, f, err);
        if (s != BB_OK) return s;
        if (!p[n]) return BB_OK;
        p += n + 1;
    }
}

/* A word of an option that is in no table of choices: what is wrong with it is usage. */
static bb_status as_usage(bb_status s, bb_error *err) {
    if (s == BB_OK) return s;
    err->status = BB_E_ARG;
    return BB_E_ARG;
}

static bb_scale scale_of(const struct job *j, const bb_format *f) {
    return f->kind == BB_KIND_INT && !(j->scale > 0) ? bb_int_scale(f, j->absmax)
                                                     : (bb_scale){j->scale > 0 ? j->scale : 1, 1};
}

/* Of every integer format that takes part, those that are only decoded included. */
static bb_status check_scale(const struct job *j, const bb_format *f, bb_error *err) {
    if (!f || f->kind != BB_KIND_INT) return BB_OK;
    bb_scale scale = scale_of(j, f);
    return bb_scale_check(f, &scale, err);
}

static bb_status check_scales(const struct job *j, bb_error *err) {
    bb_status s = check_scale(j, j->from, err);
    if (s == BB_OK) s = check_scale(j, j->via, err);
    for (size_t i = 0; i < j->n_to && s == BB_OK; i++) s = check_scale(j, j->to[i], err);
    return s;
}

static bb_status read_options(struct job *j, bb_error *err) {
    const cli_args *a = &j->call->args;
    bb_status s = BB_OK;
    if (cli_has(a, OPT_FROM) && !(j->from = bb_format_find(a->value[OPT_FROM], err))) return err->status;
    if (cli_has(a, OPT_VIA) && !(j->via = bb_format_find(a->value[OPT_VIA], err))) return err->status;
    if (j->from && !cli_has(a, OPT_TO)) s = add_format(j, j->from, err);
    if (s == BB_OK) s = read_formats(j, cli_has(a, OPT_TO) ? a->value[OPT_TO] : default_formats, err);
    if (s == BB_OK && cli_has(a, OPT_ROUND)) {
        if (!strcmp(a->value[OPT_ROUND], "stochastic"))
            return bb_fail(err, BB_E_UNSUPPORTED, "--round stochastic is not there yet: ne, na, tz, up, down or odd");
        s = as_usage(bb_round_find(a->value[OPT_ROUND], &j->opts.round, err), err);
    }
    if (s == BB_OK && cli_has(a, OPT_OVERFLOW))
        s = as_usage(bb_overflow_find(a->value[OPT_OVERFLOW], &j->opts.overflow, err), err);
    if (s == BB_OK && cli_has(a, OPT_NAN)) s = as_usage(bb_nan_find(a->value[OPT_NAN], &j->opts.nan, err), err);
    if (s == BB_OK && cli_has(a, OPT_SCALE) && cli_has(a, OPT_ABSMAX))
        return bb_fail(err, BB_E_ARG, "--scale and --absmax exclude each other");
    if (s == BB_OK) s = cli_get_positive(a, OPT_SCALE, "--scale", &j->scale, err);
    if (s == BB_OK && !cli_has(a, OPT_SCALE)) j->absmax = default_absmax;
    if (s == BB_OK) s = cli_get_positive(a, OPT_ABSMAX, "--absmax", &j->absmax, err);
    return s == BB_OK ? check_scales(j, err) : s;
}

/* ---- values --------------------------------------------------------------------------------------------------------
 */

static bb_status read_code(const bb_format *f, const char *text, uint64_t *code, bb_error *err) {
    char safe[96];
    uint64_t v = 0;
    bool ok = false, fits = true;
    unsigned base = !strncmp(text, "0x", 2) || !strncmp(text, "0X", 2) ? 16 : !strncmp(text, "0b", 2) ? 2 : 10;
    const char *digits = "0123456789abcdef", *p = base == 10 ? text : text + 2;
    for (; *p; p++) {
        char c = *p >= 'A' && *p <= 'F' ? (char)(*p + 32) : *p;
        const char *at = memchr(digits, c, base);
        if (!at) break;
        ok = true;
        if (v > (UINT64_MAX - (unsigned)(at - digits)) / base)
            fits = false;
        else
            v = v * base + (unsigned)(at - digits);
    }
    bb_escape_buf(text, safe, sizeof safe);
    if (!ok || *p) return bb_fail(err, BB_E_VALUE, "'%s' is not a code: expected 0x.., 0b.. or a decimal", safe);
    if (!fits || (f->bits < 64 && v >> f->bits))
        return bb_fail(err, BB_E_VALUE, "'%s' is not a code of %s, which has %u bits", safe, f->name, f->bits);
    *code = v;
    return BB_OK;
}

static bb_status encode(const struct job *j, const char *text, bb_bits_row *rows, bb_error *err) {
    bb_number wanted, n;
    bb_encoding coded = {0};
    bb_status s = BB_OK;
    if (j->from) {
        uint64_t code = 0;
        s = read_code(j->from, text, &code, err);
        if (s != BB_OK) return s;
        bb_scale scale = scale_of(j, j->from);
        bb_decode_code(j->from, code, &scale, &coded);
        bb_encoding_number(&coded, &wanted);
    } else if ((s = bb_number_parse(text, &wanted, err)) != BB_OK)
        return s;
    n = wanted;
    unsigned flags = 0;
    if (j->via) {
        bb_encoding first;
        bb_scale scale = scale_of(j, j->via);
        s = bb_encode_number(j->via, &wanted, &j->opts, &scale, &first, err);
        if (s != BB_OK) return s;
        bb_encoding_number(&first, &n);
        flags = first.flags;
    }
    for (size_t i = 0; i < j->n_to; i++) {
        bb_encoding *e = &rows[i].enc;
        bb_scale scale = scale_of(j, j->to[i]);
        if (j->from == j->to[i] && !j->via)
            *e = coded;
        else
            s = bb_encode_number(j->to[i], &n, &j->opts, &scale, e, err);
        if (s != BB_OK) return s;
        if (j->via) { /* the error is that of the value that was asked for */
            bb_encoding_measure(&wanted, e);
            e->flags |= flags;
        }
    }
    return BB_OK;
}

/* ---- output --------------------------------------------------------------------------------------------------------
 */

static bb_status flush(struct job *j, bb_error *err) {
    if (!j->n_inputs && j->written) return BB_OK;
    bb_table *t = bb_report_bits(j->rows, j->n_rows, cli_has(&j->call->args, OPT_EXACT));
    bool integers = false;
    for (size_t i = 0; i < j->n_to; i++) integers = integers || j->to[i]->kind == BB_KIND_INT;
    char buf[32];
    if (t && integers && j->absmax > 0)
        bb_table_foot(t, "      (absmax %s%s / the largest code; --absmax A or --scale S choose another)",
                      bb_f64_shortest(j->absmax, buf), cli_has(&j->call->args, OPT_ABSMAX) ? "" : ", the default,");
    bb_status s = cli_output_table(&j->call->out, t, j->written, err);
    j->written = true;
    for (size_t i = 0; i < j->n_inputs; i++) free(j->inputs[i]);
    j->n_inputs = j->n_rows = 0;
    return s;
}

static bb_status add_value(struct job *j, const char *text, bb_error *err) {
    if (j->n_inputs == CHUNK && j->call->out.form == BB_TABLE_CSV) {
        bb_status s = flush(j, err);
        if (s != BB_OK) return s;
    }
    if (j->n_inputs == MAX_LINES) {
        bb_status s = bb_fail(err, BB_E_LIMIT, "bits: more than %d values", MAX_LINES);
        bb_hint(err, "--csv has no such limit");
        return s;
    }
    if (j->n_inputs == j->cap_inputs) {
        size_t cap = j->cap_inputs ? 2 * j->cap_inputs : 64;
        char **inputs = bb_realloc(j->inputs, cap, sizeof *inputs);
        if (inputs) j->inputs = inputs;
        bb_bits_row *rows = inputs ? bb_realloc(j->rows, cap * j->n_to, sizeof *rows) : NULL;
        if (!rows) return bb_fail(err, BB_E_NOMEM, "out of memory");
        j->rows = rows;
        j->cap_inputs = cap;
    }
    bb_status s = encode(j, text, j->rows + j->n_rows, err);
    if (s != BB_OK) return s;
    char *input = bb_strdup(text);
    if (!input) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < j->n_to; i++) j->rows[j->n_rows + i].input = input;
    j->inputs[j->n_inputs++] = input;
    j->n_rows += j->n_to;
    return BB_OK;
}

/* The next line without its end into buf of LINE_SIZE + 1; *end when there is none. */
static bb_status read_line(size_t number, char *buf, bool *end, bb_error *err) {
    size_t n = 0;
    int c;
    while ((c = getc(stdin)) != EOF && c != '\n') {
        if (!c) return bb_fail(err, BB_E_VALUE, "standard input: line %zu holds a NUL byte", number);
        if (n == LINE_SIZE)
            return bb_fail(err, BB_E_LIMIT, "standard input: line %zu is longer than %d bytes", number, LINE_SIZE);
        buf[n++] = (char)c;
    }
    if (ferror(stdin)) return bb_fail(err, BB_E_READ, "standard input: %s", strerror(errno));
    buf[n] = '\0';
    *end = c == EOF && !n;
    return BB_OK;
}

/* One value a line, blanks around it and empty lines ignored. */
static bb_status read_stdin(struct job *j, bb_error *err) {
    char line[LINE_SIZE + 1];
    for (size_t number = 1;; number++) {
        bool end;
        bb_status s = read_line(number, line, &end, err);
        if (s != BB_OK || end) return s;
        size_t n = strlen(line);
        while (n && strchr(" \t\r", line[n - 1])) line[--n] = '\0';
        const char *text = line + strspn(line, " \t");
        if (!*text) continue;
        s = add_value(j, text, err);
        if (s != BB_OK) {
            bb_error inner = *err;
            bb_fail(err, s, "standard input: line %zu: %s", number, inner.text);
            if (*inner.hint) bb_hint(err, "%s", inner.hint);
            return s;
        }
    }
}

static bb_status run(cli_call *call, bb_error *err) {
    struct job j = {.call = call};
    bb_status s = read_options(&j, err);
    for (size_t i = 0; s == BB_OK && i < call->args.n_words; i++)
        s = strcmp(call->args.words[i], "-") ? add_value(&j, call->args.words[i], err) : read_stdin(&j, err);
    if (s == BB_OK) s = flush(&j, err);
    for (size_t i = 0; i < j.n_inputs; i++) free(j.inputs[i]);
    free(j.inputs);
    free(j.rows);
    return s;
}

const cli_command cli_bits = {
    .name = "bits",
    .words = "VALUE...",
    .summary = "sign, exponent, mantissa, value and error in number formats",
    .options = options,
    .min_words = 1,
    .max_words = SIZE_MAX,
    .numbers = true,
    .examples = "bits pi 1/3 0.1\nbits 0x4049 --from bf16\nbits 464.000001 --to e4m3fn --via fp16\n",
    .run = run,
};
