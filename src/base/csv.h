/* SPDX-License-Identifier: GPL-3.0-or-later */
/* csv.h - CSV in and out over libcsv: strict, bounded, with a guard against spreadsheet formulas. */
#ifndef BB_BASE_CSV_H
#define BB_BASE_CSV_H
#include "base/str.h"

/* ---- out: numbers bare, text quoted when it must be ---- */
/* Appends a text cell. One that a spreadsheet would run (starts with = + - @ TAB CR) gets a leading apostrophe. */
void bb_csv_text(bb_str *out, const char *text);
void bb_csv_f64(bb_str *out, double v); /* 17 significant digits; empty for NaN, inf and -inf as such */

/* ---- in ---- */
typedef struct bb_csv bb_csv; /* a whole table in memory: a header row of unique names and data rows of equal width */

typedef struct bb_csv_limits {
    size_t max_bytes; /* of the text */
    size_t max_rows;
    size_t max_field; /* bytes of one field */
    size_t max_columns;
} bb_csv_limits;

extern const bb_csv_limits bb_csv_default_limits; /* 16 MiB, 100000 rows, 64 KiB, 256 columns */

/* Parses RFC 4180 text: UTF-8, optional BOM, LF or CRLF, lines that start with '#' before the header are skipped.
 * `name` is used in error sentences, which give the line. NUL bytes, bad quoting, ragged rows, repeated or empty column
 * names and anything over the limits are refused. Own it: bb_csv_free. */
bb_status bb_csv_parse(const char *text, size_t n, const char *name, const bb_csv_limits *limits, bb_csv **csv,
                       bb_error *err);
void bb_csv_free(bb_csv *csv);
size_t bb_csv_rows(const bb_csv *csv); /* data rows */
size_t bb_csv_columns(const bb_csv *csv);
const char *bb_csv_name(const bb_csv *csv, size_t column);
/* Column of that name, or SIZE_MAX. */
size_t bb_csv_column(const bb_csv *csv, const char *name);
const char *bb_csv_cell(const bb_csv *csv, size_t row, size_t column); /* "" when column is SIZE_MAX */
size_t bb_csv_line(const bb_csv *csv, size_t row);                     /* line of the text, from 1 */
/* Typed cells: false with *v untouched and *empty set when the cell is empty; BB_E_VALUE sentence with line and column
 * when it holds anything else than one plain decimal number. */
bb_status bb_csv_get_u64(const bb_csv *csv, size_t row, size_t column, uint64_t *v, bool *empty, bb_error *err);
bb_status bb_csv_get_f64(const bb_csv *csv, size_t row, size_t column, double *v, bool *empty, bb_error *err);
#endif
