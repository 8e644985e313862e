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
    bool quote = n && (strpbrk(text, ",\"\r\n") || text[0] == ' ' || text[n - 1] == ' ');
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

void bb_csv_u64(bb_str *out, uint64_t v) { bb_str_addf(out, "%llu", (unsigned long long)v); }

void bb_csv_f64(bb_str *out, double v) {
    char buf[32];
    if (!isnan(v)) bb_str_add(out, bb_f64_17(v, buf));
}

/* ---- in ---- */

struct bb_csv {
    char *name;    /* escaped, for sentences */
    char **cells;  /* [rows + 1][columns], the header first */
    size_t *lines; /* [rows + 1] */
    size_t rows, columns, n_cells, cap_cells, n_lines, cap_lines;
};

typedef struct parse {
    bb_csv *csv;
    const bb_csv_limits *limits;
    bb_error *err;
    bb_status status;
    size_t line, fields; /* of the record that is read */
} parse;

static void stop(parse *p, bb_status status, const char *what) {
    if (p->status == BB_OK) p->status = bb_fail(p->err, status, "%s: line %zu: %s", p->csv->name, p->line, what);
}

static bool valid_utf8(const unsigned char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t len = s[i] < 0x80 ? 1 : s[i] >= 0xF0 ? 4 : s[i] >= 0xE0 ? 3 : s[i] >= 0xC2 ? 2 : 0;
        if (len == 0 || s[i] > 0xF4 || i + len > n) return false;
        for (size_t k = 1; k < len; k++)
            if ((s[i + k] & 0xC0) != 0x80) return false;
        if ((s[i] == 0xE0 && s[i + 1] < 0xA0) || (s[i] == 0xED && s[i + 1] > 0x9F) ||
            (s[i] == 0xF0 && s[i + 1] < 0x90) || (s[i] == 0xF4 && s[i + 1] > 0x8F))
            return false;
        i += len;
    }
    return true;
}

static void on_field(void *data, size_t n, void *ctx) {
    parse *p = ctx;
    if (p->status != BB_OK) return;
    bb_csv *c = p->csv;
    if (n > p->limits->max_field) {
        stop(p, BB_E_LIMIT, "a field is too long");
        return;
    }
    if (p->fields >= p->limits->max_columns) {
        stop(p, BB_E_LIMIT, "too many columns");
        return;
    }
    if (n && memchr(data, 0, n)) {
        stop(p, BB_E_INVALID, "a NUL byte");
        return;
    }
    char *text = bb_strndup(data ? data : "", n);
    if (!text || !bb_grow((void **)&c->cells, c->n_cells, &c->cap_cells, sizeof *c->cells)) {
        free(text);
        {
            stop(p, BB_E_NOMEM, "out of memory");
            return;
        }
    }
    c->cells[c->n_cells++] = text;
    p->fields++;
}

static void on_record(int end, void *ctx) {
    (void)end;
    parse *p = ctx;
    bb_csv *c = p->csv;
    if (p->status != BB_OK) return;
    /* libcsv gives one empty field for a line of blanks; where rows have more, that is an empty line */
    if (p->fields == 1 && c->columns != 1 && !c->cells[c->n_cells - 1][0]) {
        free(c->cells[--c->n_cells]);
        p->fields = 0;
        return;
    }
    if (c->n_lines == 0)
        c->columns = p->fields;
    else if (p->fields != c->columns) {
        char what[96];
        snprintf(what, sizeof what, "%zu fields, but the header has %zu", p->fields, c->columns);
        {
            stop(p, BB_E_INVALID, what);
            return;
        }
    }
    if (c->n_lines > p->limits->max_rows) {
        stop(p, BB_E_LIMIT, "too many rows");
        return;
    }
    if (!bb_grow((void **)&c->lines, c->n_lines, &c->cap_lines, sizeof *c->lines)) {
        stop(p, BB_E_NOMEM, "out of memory");
        return;
    }
    c->lines[c->n_lines++] = p->line;
    p->fields = 0;
}

static void check_header(parse *p) {
    bb_csv *c = p->csv;
    if (c->n_lines == 0) {
        stop(p, BB_E_INVALID, "no header row");
        return;
    }
    p->line = c->lines[0];
    for (size_t i = 0; i < c->columns && p->status == BB_OK; i++) {
        if (!c->cells[i][0]) stop(p, BB_E_INVALID, "a column has no name");
        for (size_t k = 0; k < i; k++)
            if (bb_name_eq(c->cells[i], c->cells[k])) {
                char shown[64], what[96];
                snprintf(what, sizeof what, "column '%s' stands twice",
                         bb_escape_buf(c->cells[i], shown, sizeof shown));
                stop(p, BB_E_INVALID, what);
                break;
            }
    }
}

bb_status bb_csv_parse(const char *text, size_t n, const char *name, const bb_csv_limits *limits, bb_csv **csv,
                       bb_error *err) {
    if (!limits) limits = &bb_csv_default_limits;
    char shown[256];
    bb_escape_buf(name, shown, sizeof shown);
    if (n > limits->max_bytes)
        return bb_fail(err, BB_E_LIMIT, "%s: %zu bytes of CSV, at most %zu are read", shown, n, limits->max_bytes);
    if (!valid_utf8((const unsigned char *)text, n)) return bb_fail(err, BB_E_INVALID, "%s: is not UTF-8 text", shown);
    bb_csv *c = bb_alloc(1, sizeof *c);
    if (!c || !(c->name = bb_strdup(shown))) {
        free(c);
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    parse p = {.csv = c, .limits = limits, .err = err, .line = 1};
    size_t at = n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (at < n && text[at] == '#') { /* comments before the header */
        const char *end = memchr(text + at, '\n', n - at);
        at = end ? (size_t)(end - text) + 1 : n;
        p.line++;
    }
    struct csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0) {
        bb_csv_free(c);
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    /* fed a line at a time, so that each record knows where it began and a failure stops early */
    bool whole = true;
    while (at < n && p.status == BB_OK) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t len = end ? (size_t)(end - text) + 1 - at : n - at;
        if (csv_parse(&parser, text + at, len, on_field, on_record, &p) != len) {
            stop(&p, csv_error(&parser) == CSV_ENOMEM ? BB_E_NOMEM : BB_E_INVALID, csv_strerror(csv_error(&parser)));
            whole = false;
        }
        if (csv_get_buffer_size(&parser) > limits->max_field * 4 + 65536) stop(&p, BB_E_LIMIT, "a field is too long");
        at += len;
        p.line++;
    }
    p.line--;
    if (whole && p.status == BB_OK && csv_fini(&parser, on_field, on_record, &p) != 0)
        stop(&p, BB_E_INVALID, "a quote does not close");
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
    for (size_t i = 0; i < csv->n_cells; i++) free(csv->cells[i]);
    free(csv->cells);
    free(csv->lines);
    free(csv->name);
    free(csv);
}

size_t bb_csv_rows(const bb_csv *csv) { return csv->rows; }
size_t bb_csv_columns(const bb_csv *csv) { return csv->columns; }
const char *bb_csv_name(const bb_csv *csv, size_t column) { return csv->cells[column]; }

size_t bb_csv_column(const bb_csv *csv, const char *name) {
    for (size_t i = 0; i < csv->columns; i++)
        if (bb_name_eq(csv->cells[i], name)) return i;
    return SIZE_MAX;
}

const char *bb_csv_cell(const bb_csv *csv, size_t row, size_t column) {
    return column >= csv->columns ? "" : csv->cells[(row + 1) * csv->columns + column];
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
    return bb_parse_u64(text, v) ? BB_OK : bad_cell(csv, row, column, "a whole number", err);
}

bb_status bb_csv_get_f64(const bb_csv *csv, size_t row, size_t column, double *v, bool *empty, bb_error *err) {
    const char *text = bb_csv_cell(csv, row, column);
    *empty = !*text;
    if (*empty) return BB_OK;
    return bb_parse_f64(text, v) ? BB_OK : bad_cell(csv, row, column, "a plain decimal number", err);
}
