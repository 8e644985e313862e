/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_sweep.c - the rows of a sweep, and the matrix of weights and contexts. */
#include "base/mem.h"
#include "base/units.h"
#include "report/report.h"
#include "report/show.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct source {
    bb_sweep *sweep; /* borrowed */
    bool si;
} source;

static void cell_bytes(bb_table *t, uint64_t bytes, bool known, bool si) {
    char text[32];
    if (known)
        bb_cell_u64_as(t, bytes, bb_table_for_people(t) ? bb_gib_text(bytes, si, 2, text) : NULL);
    else
        bb_cell_empty(t);
}

static void cell_number(bb_table *t, uint64_t n) {
    if (n)
        bb_cell_u64(t, n);
    else
        bb_cell_empty(t);
}

static void cell_text(bb_table *t, const char *text) {
    if (text && *text)
        bb_cell_text(t, text);
    else
        bb_cell_empty(t);
}

static void cell_speed(bb_table *t, double tokens_per_s) {
    char text[32];
    if (tokens_per_s > 0) {
        if (bb_table_for_people(t)) (void)snprintf(text, sizeof text, "%.3g", tokens_per_s);
        bb_cell_f64_as(t, tokens_per_s, bb_table_for_people(t) ? text : NULL);
    } else
        bb_cell_empty(t);
}

static void sweep_row(bb_table *t, size_t index, const void *ctx) {
    const source *from = ctx;
    bb_sweep_row r;
    if (bb_sweep_row_at(from->sweep, index, &r, NULL)) {
        const bb_str lost = {.failed = true};
        bb_table_depends(t, &lost);
        return;
    }
    bb_cell_text(t, r.model);
    cell_text(t, r.weights);
    cell_text(t, r.kv);
    cell_number(t, r.ctx);
    cell_number(t, r.batch);
    cell_text(t, r.gpu);
    bb_cell_u64(t, r.gpus);
    cell_bytes(t, r.total_bytes, r.planned, from->si);
    cell_bytes(t, r.high_bytes, r.planned, from->si);
    cell_bytes(t, r.limit_bytes, r.limit_bytes != 0, from->si);
    cell_text(t, r.planned ? bb_fits_name(r.fits) : NULL);
    cell_speed(t, r.tokens_per_s);
    cell_text(t, r.why);
    cell_text(t, r.engine);
}

bb_table *bb_report_sweep(bb_sweep *s, bool si) {
    source *from = bb_alloc(1, sizeof *from);
    if (!from) return NULL;
    bb_table *t = bb_table_new("bitbudget.sweep/1");
    *from = (source){.sweep = s, .si = si};
    bb_table_keep(t, from, free);
    bb_table_column(t, "model", "MODEL", BB_COL_LEFT);
    bb_table_column(t, "weights", "WEIGHTS", BB_COL_LEFT);
    bb_table_column(t, "kv", "KV", BB_COL_LEFT);
    bb_table_column(t, "ctx", "CTX", BB_COL_RIGHT);
    bb_table_column(t, "batch", "BATCH", BB_COL_RIGHT);
    bb_table_column(t, "gpu", "GPU", BB_COL_LEFT);
    bb_table_column(t, "gpus", "N", BB_COL_RIGHT);
    bb_table_column(t, "total_bytes", si ? "GB" : "GiB", BB_COL_RIGHT);
    bb_table_column(t, "high_bytes", "AT MOST", BB_COL_RIGHT);
    bb_table_column(t, "limit_bytes", "LIMIT", BB_COL_RIGHT);
    bb_table_column(t, "fits", "FITS", BB_COL_LEFT);
    bb_table_column(t, "tokens_per_s", "TOKENS/S", BB_COL_RIGHT);
    bb_table_column(t, "error", "ERROR", BB_COL_JSON_ONLY);
    bb_table_column(t, "engine", "ENGINE", BB_COL_DATA_ONLY);
    bb_table_rows_from(t, bb_sweep_rows(s), false, sweep_row, from);
    return t;
}

/* ---- the matrix ---------------------------------------------------------------------------------------------------
 */

static void matrix_cell(bb_table *t, const bb_sweep_row *r, bool si) {
    char bytes[32], text[48];
    const char *fits = bb_fits_name(r->fits);
    if (r->planned)
        (void)snprintf(text, sizeof text, "%s%s%s", bb_gib_text(r->total_bytes, si, 2, bytes), fits ? " " : "",
                       fits ? fits : "");
    else
        strcpy(text, "-");
    bb_cell_text(t, text);
}

bb_table *bb_report_matrix(bb_sweep *s, bool si) {
    size_t rows = bb_sweep_count(s, BB_SWEEP_WEIGHTS), columns = bb_sweep_count(s, BB_SWEEP_CTX);
    bb_table *t = bb_table_new("bitbudget.sweep/1");
    bb_sweep_row r;
    char text[32];
    bb_table_column(t, "weights", "WEIGHTS", BB_COL_LEFT);
    for (size_t c = 0; c < columns; c++) {
        if (bb_sweep_row_at(s, c, &r, NULL)) goto failed;
        (void)snprintf(text, sizeof text, "%" PRIu64, r.ctx);
        bb_table_column(t, text, text, BB_COL_RIGHT);
        if (c == 0) {
            char limit[32];
            bb_table_head(t, "%s: %s at each context", r.model, si ? "GB" : "GiB");
            if (r.limit_bytes)
                bb_table_head(t, "limit %s of %s%s", bb_bytes_text(r.limit_bytes, si, limit), *r.gpu ? r.gpu : "memory",
                              r.gpus > 1 ? ", several" : "");
            bb_table_head(t, "%s", "");
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < columns; c++) {
            if (bb_sweep_row_at(s, i * columns + c, &r, NULL)) goto failed;
            if (c == 0) bb_table_row(t);
            if (c == 0) bb_cell_text(t, r.weights);
            matrix_cell(t, &r, si);
        }
    return t;
failed:
    bb_table_free(t);
    return NULL;
}
