/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_data.c - the tables of data/ and the tables in the program, every column kept. */
#include "base/csv.h"
#include "base/escape.h"
#include "report/report.h"
#include "report/show.h"
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 96 };

static void upper(const char *name, char *out, size_t size) {
    size_t n = 0;
    for (; name[n] && n + 1 < size; n++) out[n] = name[n] >= 'a' && name[n] <= 'z' ? (char)(name[n] - 32) : name[n];
    out[n] = '\0';
}

/* Widest cell of a column, its heading included. */
static size_t column_width(const bb_csv *csv, size_t column) {
    size_t w = bb_text_width(bb_csv_name(csv, column));
    for (size_t r = 0; r < bb_csv_rows(csv); r++) {
        size_t v = bb_text_width(bb_csv_cell(csv, r, column));
        if (v > w) w = v;
    }
    return w;
}

static bool numeric(const bb_csv *csv, size_t column) {
    double v;
    bool any = false;
    for (size_t r = 0; r < bb_csv_rows(csv); r++) {
        const char *cell = bb_csv_cell(csv, r, column);
        if (!*cell) continue;
        if (!bb_parse_f64(cell, &v)) return false;
        any = true;
    }
    return any;
}

static void csv_row(bb_table *t, size_t row, const void *ctx) {
    const bb_csv *csv = ctx;
    bb_str escaped;
    bb_str_init(&escaped);
    for (size_t c = 0; c < bb_csv_columns(csv); c++) {
        const char *cell = bb_csv_cell(csv, row, c);
        uint64_t n;
        double v;
        if (!*cell)
            bb_cell_empty(t);
        else if (bb_parse_u64(cell, &n))
            bb_cell_u64(t, n);
        else if (bb_parse_f64(cell, &v))
            bb_cell_spelled(t, v, cell, NULL);
        else {
            bb_escape(&escaped, cell, strlen(cell), 0);
            bb_cell_text(t, bb_str_c(&escaped));
            bb_str_clear(&escaped);
        }
    }
}

static bb_table *from_csv(const bb_csv *csv, const char *schema) {
    bb_table *t = bb_table_new(schema);
    bb_str rest;
    bb_str_init(&rest);
    size_t used = 0, hidden = 0;
    for (size_t c = 0; c < bb_csv_columns(csv); c++) {
        char name[NAME_SIZE], heading[NAME_SIZE];
        bb_escape_buf(bb_csv_name(csv, c), name, sizeof name);
        upper(name, heading, sizeof heading);
        size_t width = column_width(csv, c) + 2;
        /* People see what fits one line; the other forms have all. */
        bool fits = !hidden && used + width <= BB_TEXT_WIDTH + 2;
        if (fits)
            used += width;
        else {
            hidden++;
            bb_str_addf(&rest, "%s%s", hidden > 1 ? ", " : "", name);
        }
        bb_table_column(t, name, heading, (numeric(csv, c) ? BB_COL_RIGHT : 0u) | (fits ? 0u : BB_COL_DATA_ONLY));
    }
    bb_table_rows_from(t, bb_csv_rows(csv), false, csv_row, csv);
    bb_str line;
    bb_str_init(&line);
    bb_str_addf(&line, "%zu rows", bb_csv_rows(csv));
    if (hidden) bb_str_addf(&line, "; %zu more columns in --csv and --json: %s", hidden, bb_str_c(&rest));
    bb_table_foot(t, "%s", "");
    bb_table_foot_wrapped(t, bb_str_c(&line));
    bb_str_clear(&line);
    bb_str_clear(&rest);
    return t;
}

static bb_table *dtypes(void) {
    bb_table *t = bb_table_new("bitbudget.dtypes/1");
    bb_table_column(t, "dtype", "DTYPE", BB_COL_LEFT);
    bb_table_column(t, "bits_per_weight", "BITS/WEIGHT", BB_COL_RIGHT);
    bb_table_column(t, "block", "BLOCK", BB_COL_RIGHT);
    bb_table_column(t, "block_bytes", "BLOCK BYTES", BB_COL_RIGHT);
    bb_table_column(t, "row_bytes", "ROW BYTES", BB_COL_RIGHT);
    bb_table_column(t, "gguf_id", "GGUF ID", BB_COL_RIGHT);
    bb_table_column(t, "safetensors", "SAFETENSORS", BB_COL_LEFT);
    bb_table_column(t, "aliases", "ALIASES", BB_COL_DATA_ONLY);
    bb_table_column(t, "source", "SOURCE", BB_COL_DATA_ONLY);
    for (size_t i = 0; i < bb_dtype_count(); i++) {
        const bb_dtype *d = bb_dtype_at(i);
        bb_table_row(t);
        bb_cell_text(t, d->name);
        bb_cell_f64(t, bb_dtype_bits_per_weight(d, 0));
        bb_cell_u64(t, d->block);
        bb_cell_u64(t, d->block_bytes);
        bb_cell_u64(t, d->row_bytes);
        if (d->gguf_id == BB_NO_GGUF_ID)
            bb_cell_empty(t);
        else
            bb_cell_i64(t, d->gguf_id);
        bb_cell_text(t, d->st_name ? d->st_name : "");
        bb_cell_text(t, d->aliases ? d->aliases : "");
        bb_cell_text(t, d->source);
    }
    bb_table_foot(t, "%s", "");
    bb_table_foot_wrapped(t, "ROW BYTES come once a row beside the blocks and are not in BITS/WEIGHT.");
    return t;
}

bb_table *bb_report_data(const bb_catalogue *cat, const char *table) {
    if (!strcmp(table, "formats")) return bb_report_formats(NULL);
    if (!strcmp(table, "dtypes")) return dtypes();
    char schema[64];
    snprintf(schema, sizeof schema, "bitbudget.%s/1", table);
    const bb_csv *csv = bb_catalogue_csv(cat, table);
    return csv ? from_csv(csv, schema) : NULL;
}
