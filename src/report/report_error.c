/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_error.c - measured quantization error. */
#include "base/escape.h"
#include "kernel/kernel.h"
#include "report/report.h"
#include "report/show.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void cell_ratio(bb_table *t, double v) {
    char buf[BB_SHOW_SIZE];
    bb_cell_f64_as(t, v, isinf(v) ? (v < 0 ? "-inf" : "inf") : bb_show_ratio(v, 1, buf));
}

/* A number of a row that was measured, else an empty cell. */
static void cell_if(bb_table *t, bool measured, double v) {
    if (measured)
        cell_ratio(t, v);
    else
        bb_cell_empty(t);
}

static void error_columns(bb_table *t) {
    bb_table_column(t, "tensor", "TENSOR", BB_COL_LEFT);
    bb_table_column(t, "rows", "ROWS", BB_COL_DATA_ONLY);
    bb_table_column(t, "cols", "COLS", BB_COL_DATA_ONLY);
    bb_table_column(t, "type", "TYPE", BB_COL_LEFT);
    bb_table_column(t, "bits_per_weight", "BITS", BB_COL_RIGHT);
    bb_table_column(t, "weight_rel", "WEIGHT", BB_COL_RIGHT);
    bb_table_column(t, "sqnr_db", "SQNR dB", BB_COL_DATA_ONLY);
    bb_table_column(t, "max_abs", "MAX ABS", BB_COL_DATA_ONLY);
    bb_table_column(t, "cosine", "COSINE", BB_COL_DATA_ONLY);
    bb_table_column(t, "output_rel", "OUTPUT", BB_COL_RIGHT);
    bb_table_column(t, "output_rel_weights", "=WEIGHT", BB_COL_RIGHT);
    bb_table_column(t, "output_rel_activations", "+ACTIV", BB_COL_RIGHT);
    bb_table_column(t, "output_rel_accumulation", "+ACCUM", BB_COL_RIGHT);
    bb_table_column(t, "cross", "CROSS", BB_COL_DATA_ONLY);
    bb_table_column(t, "rows_checked", "CHECKED", BB_COL_DATA_ONLY);
    bb_table_column(t, "bound", "BOUND", BB_COL_DATA_ONLY);
    bb_table_column(t, "kernel", "KERNEL", BB_COL_DATA_ONLY);
    bb_table_column(t, "isa", "ISA", BB_COL_DATA_ONLY);
    bb_table_column(t, "ns", "NS", BB_COL_DATA_ONLY);
    bb_table_column(t, "skipped", "", BB_COL_DATA_ONLY);
}

static void error_row(bb_table *t, const bb_error_row *r) {
    char name[96], buf[BB_SHOW_SIZE];
    bool weights = r->weight.n || r->weight.nonfinite || r->weight.lost, output = !r->skipped[0];
    bb_table_row(t);
    bb_cell_text(t, bb_escape_buf(r->tensor->name, name, sizeof name));
    bb_cell_u64(t, r->rows);
    bb_cell_u64(t, r->cols);
    bb_cell_text(t, r->type->name);
    bb_cell_f64_as(t, r->bits_per_weight, bb_show_fixed(r->bits_per_weight, 3, buf));
    cell_if(t, weights, r->weight.rel);
    if (weights)
        bb_cell_f64_as(t, r->weight.sqnr_db,
                       isinf(r->weight.sqnr_db) ? (r->weight.sqnr_db < 0 ? "-inf" : "inf")
                                                : bb_show_fixed(r->weight.sqnr_db, 1, buf));
    else
        bb_cell_empty(t);
    cell_if(t, weights, r->weight.max_abs);
    if (weights)
        bb_cell_f64(t, r->weight.cosine);
    else
        bb_cell_empty(t);
    cell_if(t, output, r->output_rel);
    cell_if(t, output, r->output_rel_weights);
    cell_if(t, output, r->output_rel_activations);
    cell_if(t, output, r->output_rel_accumulation);
    cell_if(t, output, r->cross);
    if (output) {
        bb_cell_u64(t, r->rows_checked);
        bb_cell_f64(t, r->bound);
        bb_cell_text(t, r->kernel);
        bb_cell_text(t, r->isa);
        bb_cell_u64(t, r->ns);
        bb_cell_empty(t);
        return;
    }
    for (int i = 0; i < 5; i++) bb_cell_empty(t);
    if (r->skipped[0])
        bb_cell_text(t, r->skipped);
    else
        bb_cell_empty(t);
}

/* Rows of one reason together: "q8_0: row of 172 is not a multiple of 32 (5 tensors)". */
static void skipped_lines(bb_table *t, const bb_error_report *r) {
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_error_row *a = &r->rows[i];
        if (!a->skipped[0]) continue;
        size_t n = 0;
        bool first = true;
        for (size_t k = 0; k < r->n_rows; k++) {
            bool same = r->rows[k].type == a->type && strcmp(r->rows[k].skipped, a->skipped) == 0;
            if (same && k < i) first = false;
            n += same;
        }
        if (first)
            bb_table_foot(t, "not measured in %s: %s (%zu tensor%s)", a->type->name, a->skipped, n, n == 1 ? "" : "s");
    }
}

bb_table *bb_report_error(const bb_error_report *r) {
    bb_table *t = bb_table_new("bitbudget.error/1");
    error_columns(t);
    for (size_t i = 0; i < r->n_rows; i++) error_row(t, &r->rows[i]);
    bb_table_foot(t, "%s", "");
    bb_table_foot_wrapped(
        t, "Relative to float64: the weights' own error, the error of the kernel's output, and its parts "
           "(they add in squares, with the cross term of --csv). Measured.");
    bb_table_foot(t, "Activations: %" PRIu64 " rows of N(0,1), seed %" PRIu64 ".", r->tokens, r->seed);
    skipped_lines(t, r);
    bb_json_add_u64(bb_table_json(t), "tokens", r->tokens);
    bb_json_add_u64(bb_table_json(t), "seed", r->seed);
    return t;
}
