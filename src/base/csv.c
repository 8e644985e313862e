/* SPDX-License-Identifier: GPL-3.0-or-later */
/* csv.c - CSV in and out over libcsv; the only user of it. */
#include "base/csv.h"
#include "base/escape.h"
#include "base/mem.h"
#include <csv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const bb_csv_limits bb_csv_default_limits = {16u << 20, 100000, 65536, 256};

/* ---- out ---- */

void bb_csv_text(bb_str *out, const char *text) {
    double number;
    bool formula = *text && strchr("=+-@\t\r", *text) && !bb_parse_f64(text, &number);
    size_t n = strlen(text);
    /* a '#' or a byte order mark at the start of a table would not be read back */
    bool quote = n && (strpbrk(text, ",\"\r\n") || strchr(" \t#", text[0]) || strchr(" \t", text[n - 1]) ||
                       strncmp(text, "\xEF\xBB\xBF", 3) == 0);
    if (!quote) {
        if (formula) bb_str_add(out, "'");
        bb_str_add(out, text);
        return;
    }
    bb_str_add(out, formula ? "\"'" : "\"");
    for (const char *p = text; *p; p++) {
        if (*p == '"') bb_str_add(out, "\"");
        bb_str_addn(out, p, 1);
    }
    bb_str_add(out, "\"");
}

void bb_csv_f64(bb_str *out, double v) {
    char buf[32];
    if (!isnan(v)) bb_str_add(out, bb_f64_17(v, buf));
}

/* ---- in ---- */

struct bb_csv {
    char *name;      /* escaped, for sentences */
    bb_str text;     /* the cells one after the other, each with a NUL */
    uint32_t *cells; /* [rows + 1][columns] where each begins in text, the header first */
    uint32_t *lines; /* [rows + 1] */
    size_t rows, columns, n_cells, cap_cells, n_lines, cap_lines;
};

typedef struct parse {
    bb_csv *csv;
    const bb_csv_limits *limits;
    bb_error *err;
    bb_status status;
    size_t line;   /* where the record that is read begins */
    size_t fields; /* that it has so far */
} parse;

static const char *cell(const bb_csv *c, size_t i) { return c->text.data + c->cells[i]; }

static void stop(parse *p, bb_status status, const char *what) {
    if (p->status == BB_OK) p->status = bb_fail(p->err, status, "%s: line %zu: %s", p->csv->name, p->line, what);
}

static void on_field(void *data, size_t n, void *ctx) {
    parse *p = ctx;
    bb_csv *c = p->csv;
    if (p->status != BB_OK) return;
    char what[80];
    if (n > p->limits->max_field) {
        snprintf(what, sizeof what, "a field of %zu bytes, at most %zu are read", n, p->limits->max_field);
        stop(p, BB_E_LIMIT, what);
    } else if (p->fields >= p->limits->max_columns) {
        snprintf(what, sizeof what, "more than %zu columns", p->limits->max_columns);
        stop(p, BB_E_LIMIT, what);
    } else if (n && memchr(data, 0, n))
        stop(p, BB_E_INVALID, "a NUL byte");
    else if (!bb_grow((void **)&c->cells, c->n_cells, &c->cap_cells, sizeof *c->cells))
        stop(p, BB_E_NOMEM, "out of memory");
    if (p->status != BB_OK) return;
    c->cells[c->n_cells++] = (uint32_t)c->text.len; /* below 2^32: bb_csv_parse sees to it */
    if (n) bb_str_addn(&c->text, data, n);
    bb_str_addc(&c->text, 0, 1);
    if (c->text.failed) stop(p, BB_E_NOMEM, "out of memory");
    p->fields++;
}

static void on_record(int end, void *ctx) {
    (void)end;
    parse *p = ctx;
    bb_csv *c = p->csv;
    if (p->status != BB_OK) return;
    char what[96];
    if (c->n_lines == 0)
        c->columns = p->fields;
    else if (p->fields != c->columns) {
        snprintf(what, sizeof what, "%zu fields, but the header has %zu", p->fields, c->columns);
        stop(p, BB_E_INVALID, what);
    } else if (c->n_lines > p->limits->max_rows) {
        snprintf(what, sizeof what, "more than %zu rows", p->limits->max_rows);
        stop(p, BB_E_LIMIT, what);
    }
    if (p->status == BB_OK && !bb_grow((void **)&c->lines, c->n_lines, &c->cap_lines, sizeof *c->lines))
        stop(p, BB_E_NOMEM, "out of memory");
    if (p->status != BB_OK) return;
    c->lines[c->n_lines++] = (uint32_t)p->line;
    p->fields = 0;
}

static void check_header(parse *p) {
    bb_csv *c = p->csv;
    char shown[64], what[96];
    if (c->n_lines == 0) {
        stop(p, BB_E_INVALID, "no header row");
        return;
    }
    p->line = c->lines[0];
    for (size_t i = 0; i < c->columns; i++) {
        if (!*cell(c, i)) stop(p, BB_E_INVALID, "a column has no name");
        for (size_t k = 0; k < i && p->status == BB_OK; k++) {
            if (!bb_name_eq(cell(c, i), cell(c, k))) continue;
            snprintf(what, sizeof what, "column '%s' stands twice", bb_escape_buf(cell(c, i), shown, sizeof shown));
            stop(p, BB_E_INVALID, what);
        }
    }
}

/* Length of the line at text with its end. */
static size_t line_length(const char *text, size_t n) {
    const char *end = n ? memchr(text, '\n', n) : NULL;
    return end ? (size_t)(end - text) + 1 : n;
}

/* Bytes of the comments and empty lines that stand before the header; *line goes past them. */
static size_t skip_comments(const char *text, size_t n, size_t *line) {
    size_t at = 0;
    while (at < n &&
           (text[at] == '#' || text[at] == '\n' || (text[at] == '\r' && at + 1 < n && text[at + 1] == '\n'))) {
        at += line_length(text + at, n - at);
        ++*line;
    }
    return at;
}

/* Gives the text to libcsv a line at a time, so that each record knows where it began and a failure stops early. */
static void feed(parse *p, struct csv_parser *parser, const char *text, size_t n, size_t line) {
    bool quoted = false; /* a quoted field goes on: in strict CSV each quote switches, doubled ones twice */
    for (size_t at = 0; at < n && p->status == BB_OK; line++) {
        size_t len = line_length(text + at, n - at);
        if (!quoted) p->line = line;
        for (const char *q = text + at; (q = memchr(q, '"', len - (size_t)(q - text - at))); q++) quoted = !quoted;
        if (csv_parse(parser, text + at, len, on_field, on_record, p) != len) {
            if (csv_error(parser) == CSV_EPARSE)
                stop(p, BB_E_INVALID,
                     "a quote where none may stand: a field with quotes is written \"so \"\"it\"\" is\"");
            else
                stop(p, BB_E_NOMEM, "out of memory");
        }
        if (parser->entry_pos > p->limits->max_field + 1)
            stop(p, BB_E_LIMIT, "a field is too long, or a quote does not close");
        at += len;
    }
    if (p->status == BB_OK && csv_fini(parser, on_field, on_record, p) != 0)
        stop(p, BB_E_INVALID, "a quote does not close");
}

bb_status bb_csv_parse(const char *text, size_t n, const char *name, const bb_csv_limits *limits, bb_csv **csv,
                       bb_error *err) {
    enum { GROWTH = 4096 }; /* of libcsv's field buffer; its own 128 bytes make long fields slow */
    if (!limits) limits = &bb_csv_default_limits;
    char shown[256];
    bb_escape_buf(name, shown, sizeof shown);
    /* each field has a comma or a line end in the text, so that cells with their NULs are at most one byte longer */
    if (n > limits->max_bytes || n >= UINT32_MAX)
        return bb_fail(err, BB_E_LIMIT, "%s: %zu bytes of CSV, at most %zu are read", shown, n, limits->max_bytes);
    if (!bb_utf8_valid(text, n)) return bb_fail(err, BB_E_INVALID, "%s: is not UTF-8 text", shown);
    bb_csv *c = bb_alloc(1, sizeof *c);
    struct csv_parser parser;
    if (!c || !(c->name = bb_strdup(shown)) || csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0) {
        bb_csv_free(c);
        return bb_fail(err, BB_E_NOMEM, "%s: out of memory", shown);
    }
    csv_set_blk_size(&parser, GROWTH);
    parse p = {.csv = c, .limits = limits, .err = err};
    size_t line = 1, at = n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    at += skip_comments(text + at, n - at, &line);
    p.line = line;
    feed(&p, &parser, text + at, n - at, line);
    csv_free(&parser);
    if (p.status == BB_OK) check_header(&p);
    if (p.status != BB_OK) {
        bb_csv_free(c);
        return p.status;
    }
    c->rows = c->n_lines - 1;
    *csv = c;
    return BB_OK;
}

void bb_csv_free(bb_csv *csv) {
    if (!csv) return;
    bb_str_clear(&csv->text);
    free(csv->cells);
    free(csv->lines);
    free(csv->name);
    free(csv);
}

size_t bb_csv_rows(const bb_csv *csv) { return csv->rows; }
size_t bb_csv_columns(const bb_csv *csv) { return csv->columns; }
const char *bb_csv_name(const bb_csv *csv, size_t column) { return cell(csv, column); }

size_t bb_csv_column(const bb_csv *csv, const char *name) {
    /* Readers ask for each of their columns in each row: most names differ in the first letter, bit 5 is its case. */
    for (size_t i = 0; i < csv->columns; i++)
        if (((*cell(csv, i) ^ *name) & ~0x20) == 0 && bb_name_eq(cell(csv, i), name)) return i;
    return SIZE_MAX;
}

const char *bb_csv_cell(const bb_csv *csv, size_t row, size_t column) {
    return column >= csv->columns ? "" : cell(csv, (row + 1) * csv->columns + column);
}

size_t bb_csv_line(const bb_csv *csv, size_t row) { return csv->lines[row + 1]; }

static bb_status bad_cell(const bb_csv *csv, size_t row, size_t column, const char *expected, bb_error *err) {
    char shown[64], head[64];
    return bb_fail(err, BB_E_VALUE, "%s: line %zu: column %s: '%s' is not %s", csv->name, bb_csv_line(csv, row),
                   bb_escape_buf(bb_csv_name(csv, column), head, sizeof head),
                   bb_escape_buf(bb_csv_cell(csv, row, column), shown, sizeof shown), expected);
}

bb_status bb_csv_get_u64(const bb_csv *csv, size_t row, size_t column, uint64_t *v, bool *empty, bb_error *err) {
    const char *text = bb_csv_cell(csv, row, column);
    *empty = !*text;
    if (*empty) return BB_OK;
    return bb_parse_u64(text, v) ? BB_OK : bad_cell(csv, row, column, "a whole number below 2^64", err);
}

bb_status bb_csv_get_f64(const bb_csv *csv, size_t row, size_t column, double *v, bool *empty, bb_error *err) {
    const char *text = bb_csv_cell(csv, row, column);
    *empty = !*text;
    if (*empty) return BB_OK;
    return bb_parse_f64(text, v) ? BB_OK : bad_cell(csv, row, column, "a plain decimal number", err);
}
