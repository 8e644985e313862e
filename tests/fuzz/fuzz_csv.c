/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_csv.c - reads the input as a table, asks every cell, and writes it to read it again. */
#include "base/csv.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok) {
    if (!ok) abort();
}

/* The table as our own writer gives it. Header names are plain text there too. */
static void write_table(const bb_csv *csv, bb_str *out) {
    for (size_t row = 0; row <= bb_csv_rows(csv); row++)
        for (size_t c = 0; c < bb_csv_columns(csv); c++) {
            const char *text = row == 0 ? bb_csv_name(csv, c) : bb_csv_cell(csv, row - 1, c);
            /* a row of one empty cell would be an empty line */
            bb_csv_text(out, *text ? text : "-0");
            bb_str_addc(out, c + 1 < bb_csv_columns(csv) ? ',' : '\n', 1);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const bb_csv_limits small = {1 << 16, 64, 256, 16};
    bb_csv *csv = NULL, *again = NULL;
    bb_error err = {0};
    bb_status status = bb_csv_parse((const char *)data, n, "fuzz", &small, &csv, &err);
    check((status == BB_OK) == (csv != NULL) && (status == BB_OK || *err.text));
    if (!csv) return 0;
    for (size_t row = 0; row < bb_csv_rows(csv); row++)
        for (size_t c = 0; c < bb_csv_columns(csv); c++) {
            uint64_t u;
            double d;
            bool empty;
            check(strlen(bb_csv_cell(csv, row, c)) <= small.max_field);
            if (bb_csv_get_u64(csv, row, c, &u, &empty, &err) == BB_OK && !empty)
                check(bb_csv_get_f64(csv, row, c, &d, &empty, &err) == BB_OK && d >= 0);
        }
    bb_str out;
    bb_str_init(&out);
    write_table(csv, &out);
    /* the guard against formulas writes the name @0 as '@0, which may be the name of another column */
    bool quoted = false;
    for (size_t c = 0; c < bb_csv_columns(csv); c++) quoted |= *bb_csv_name(csv, c) == '\'';
    bb_status reread = bb_csv_parse(bb_str_c(&out), out.len, "again", NULL, &again, &err);
    check(reread == BB_OK || quoted);
    if (again) check(bb_csv_rows(again) == bb_csv_rows(csv) && bb_csv_columns(again) == bb_csv_columns(csv));
    bb_str_clear(&out);
    bb_csv_free(again);
    bb_csv_free(csv);
    return 0;
}
