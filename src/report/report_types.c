/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_types.c - one table of every type of weights. */
#include "base/units.h"
#include "report/report.h"
#include "report/report_options.h"
#include <math.h>
#include <stdio.h>

static void cell_bytes(bb_table *t, uint64_t bytes, bool si) {
    char text[32];
    bb_cell_u64_as(t, bytes, bb_bytes_text(bytes, si, text));
}

static void cell_number(bb_table *t, double v, const char *fmt) {
    char text[32];
    if (v > 0 || v == 0) {
        (void)snprintf(text, sizeof text, fmt[1] == '2' ? "%.2f" : "%.3g", v);
        bb_cell_f64_as(t, v, text);
    } else
        bb_cell_empty(t);
}

static void type_row(bb_table *t, const bb_types_row *r, bool si) {
    bb_table_row(t);
    bb_cell_text(t, r->type);
    cell_number(t, r->bits_per_weight, ".2");
    cell_bytes(t, r->file_bytes, si);
    cell_bytes(t, r->card_ram_bytes, si);
    cell_bytes(t, r->total_bytes, si);
    if (bb_fits_name(r->fits))
        bb_cell_text(t, bb_fits_name(r->fits));
    else
        bb_cell_empty(t);
    cell_number(t, r->weight_rel, ".3");
    cell_number(t, r->tokens_per_s > 0 ? r->tokens_per_s : (double)NAN, ".3");
}

bb_table *bb_report_types(const bb_types_report *r, const bb_subject *subject, bool si) {
    bb_table *t = bb_table_new("bitbudget.types/1");
    char count[32], limit[32], name[128];
    bb_str options;
    bb_plan_request used = r->used;
    used.weights[0] = '\0';
    bb_str_init(&options);
    bb_report_options_text(&used, &options);
    bb_table_head(t, "%s  %s parameters", subject->model->title, bb_count_text(subject->parameters, count));
    bb_table_head_wrapped(t, bb_str_c(&options));
    if (r->limit_bytes)
        bb_table_head(t, "of %s of %s", bb_bytes_text(r->limit_bytes, si, limit),
                      bb_plan_cards_name(&used, name, sizeof name));
    bb_table_head(t, "%s", "");
    bb_table_column(t, "type", "TYPE", BB_COL_LEFT);
    bb_table_column(t, "bits_per_weight", "BITS/WEIGHT", BB_COL_RIGHT);
    bb_table_column(t, "file_bytes", "FILE", BB_COL_RIGHT);
    bb_table_column(t, "card_ram_bytes", "CARD RULE", BB_COL_RIGHT);
    bb_table_column(t, "total_bytes", "NEEDS", BB_COL_RIGHT);
    bb_table_column(t, "fits", "FITS", BB_COL_LEFT);
    bb_table_column(t, "weight_rel", "ERROR", BB_COL_RIGHT);
    bb_table_column(t, "tokens_per_s", "TOKENS/S", BB_COL_RIGHT);
    for (size_t i = 0; i < r->n; i++) type_row(t, &r->rows[i], si);
    bb_table_foot(t, "%s", "");
    bb_table_foot_wrapped(t, "CARD RULE is what model cards print: the file and 2.5 GB. NEEDS is the plan with these "
                             "weights.");
    if (!r->whole_files) bb_table_foot_wrapped(t, "FILE is the tensors alone, without the vocabulary.");
    if (r->measured)
        bb_table_foot_wrapped(t, "ERROR is measured: |quantized - weights| / |weights| over 32 rows of each tensor.");
    bb_report_options_json(bb_table_json(t), &used);
    bb_str_clear(&options);
    return t;
}
