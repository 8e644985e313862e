/* SPDX-License-Identifier: GPL-3.0-or-later */
/* table.h - the one result type: typed cells under named columns, written as text, CSV, JSON or Markdown. */
#ifndef BB_REPORT_TABLE_H
#define BB_REPORT_TABLE_H
#include "base/json.h"
#include "base/str.h"

typedef enum bb_column_flag {
    BB_COL_LEFT = 0,
    BB_COL_RIGHT = 1,     /* right-aligned in text and Markdown */
    BB_COL_DATA_ONLY = 2, /* in CSV and JSON, not for people */
    BB_COL_TEXT_ONLY = 4, /* for people, not in CSV and JSON */
    BB_COL_JSON_ONLY = 8, /* a further key in JSON, absent where its cell is empty; not in CSV, not for people */
    BB_COL_WRAP = 16,     /* the last column for people: long text goes on in the next line, within 80 columns */
} bb_column_flag;

/* schema: "bitbudget.plan/1". Columns: add all before the first row. Failed allocations are remembered: the writer
 * returns BB_E_NOMEM, so callers need not check each call. */
bb_table *bb_table_new(const char *schema);
void bb_table_column(bb_table *t, const char *key, const char *heading, unsigned flags);
void bb_table_row(bb_table *t);                /* starts a row; then one call per column, in order */
void bb_cell_text(bb_table *t, const char *v); /* from a file: escape first */
void bb_cell_u64(bb_table *t, uint64_t v);
void bb_cell_i64(bb_table *t, int64_t v);
void bb_cell_f64(bb_table *t, double v); /* NaN is an empty cell and null */
void bb_cell_bool(bb_table *t, bool v);
void bb_cell_empty(bb_table *t); /* null in JSON */
/* A text that went into a cell or line: the table fails with it when memory ended while it was built. */
void bb_table_depends(bb_table *t, const bb_str *text);
/* Like the above, but people see `shown` instead. */
void bb_cell_u64_as(bb_table *t, uint64_t v, const char *shown);
void bb_cell_f64_as(bb_table *t, double v, const char *shown);
void bb_cell_text_as(bb_table *t, const char *v, const char *shown);
/* A number that CSV spells as `spelled` instead of with 17 digits. */
void bb_cell_spelled(bb_table *t, double v, const char *spelled, const char *shown);
/* A value as somebody typed it ("-1/3"): text that was parsed as a number and so needs no guard against formulas. */
void bb_cell_typed(bb_table *t, const char *v);

/* A titled block begins with the next row; people see the title, then the headings again. Further calls before that row
 * add lines to the title. */
void bb_table_block(bb_table *t, const char *fmt, ...) BB_PRINTF(2, 3);
/* The row just started is for CSV and JSON only. */
void bb_table_row_hidden(bb_table *t);

/* n rows that are made when somebody asks for them, in any order and as often as they are asked for: fill gives row
 * `index` to a table that has the same columns. They take the place of rows of the table's own and begin no block; ctx
 * must stay as long as the table. For tables whose cells would take more memory than what they show. */
typedef void (*bb_row_fn)(bb_table *row, size_t index, const void *ctx);
/* False while a row is made for CSV or JSON: what people see of its cells need not be written out. */
bool bb_table_for_people(const bb_table *row);
/* hidden: all of them are for CSV and JSON only. */
void bb_table_rows_from(bb_table *t, size_t n, bool hidden, bb_row_fn fill, const void *ctx);
/* Something that goes with the table: done(kept) when it is freed, or at once when t is NULL. */
void bb_table_keep(bb_table *t, void *kept, void (*done)(void *kept));

/* Lines for people, before and after the table, in text and Markdown only. An empty string is an empty line. */
void bb_table_head(bb_table *t, const char *fmt, ...) BB_PRINTF(2, 3);
void bb_table_foot(bb_table *t, const char *fmt, ...) BB_PRINTF(2, 3);
/* A paragraph, broken between words at BB_TEXT_WIDTH. */
void bb_table_head_wrapped(bb_table *t, const char *text);
void bb_table_foot_wrapped(bb_table *t, const char *text);
/* The JSON object that `rows` and `schema` go into: add totals, options, devices here. */
bb_json *bb_table_json(bb_table *t);

enum { BB_TEXT_WIDTH = 80 };
/* Columns that text takes on a terminal: wide East Asian characters count two, combining ones none. */
size_t bb_text_width(const char *utf8);

size_t bb_table_rows(const bb_table *t);
size_t bb_table_columns(const bb_table *t);
const char *bb_table_heading(const bb_table *t, size_t column);
const char *bb_table_shown(const bb_table *t, size_t row, size_t column); /* what people see */
bb_status bb_table_to_str(const bb_table *t, bb_table_form form, bb_str *out);
#endif
