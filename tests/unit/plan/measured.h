/* SPDX-License-Identifier: GPL-3.0-or-later */
/* measured.h - tables of measured buffers: cells by column name. */
#ifndef BB_TESTS_PLAN_MEASURED_H
#define BB_TESTS_PLAN_MEASURED_H
#include "base/csv.h"
#include "base/source.h"
#include "harness.h"

static inline bb_csv *measured_load(const char *path) {
    char *raw = NULL;
    size_t n = 0;
    bb_csv *csv = NULL;
    ck_assert_int_eq(bb_source_slurp(path, 1 << 20, &raw, &n, NULL), BB_OK);
    ck_assert_int_eq(bb_csv_parse(raw, n, path, NULL, &csv, NULL), BB_OK);
    free(raw);
    return csv;
}

static inline uint64_t cell(const bb_csv *csv, size_t row, const char *name) {
    uint64_t v = 0;
    bool empty;
    ck_assert_int_eq(bb_csv_get_u64(csv, row, bb_csv_column(csv, name), &v, &empty, NULL), BB_OK);
    return v;
}

static inline const char *text(const bb_csv *csv, size_t row, const char *name) {
    return bb_csv_cell(csv, row, bb_csv_column(csv, name));
}
#endif
