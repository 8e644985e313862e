/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_bench.c - the table of kernels beside the roof. */
#include "report/report.h"
#include "report/show.h"
#include "report/table_cells.h"
#include <inttypes.h>

bb_table *bb_report_bench(const bb_bench_report *r) {
    bb_table *t = bb_table_new("bitbudget.bench/1");
    char a[BB_SHOW_SIZE], b[BB_SHOW_SIZE], c[BB_SHOW_SIZE];
    bb_table_head(t, "%s", r->cpu);
    if (r->n_rows)
        bb_table_head(t, "shape  tokens %" PRIu64 "  out %" PRIu64 "  in %" PRIu64 "  threads %u", r->rows[0].tokens,
                      r->rows[0].out, r->rows[0].in, r->rows[0].threads);
    bb_table_head(t, "roof   read %s GB/s, fp32 %s GFLOP/s, int8 %s GOP/s: one thread, portable loops, measured",
                  bb_show_fixed(r->read_gbps, 1, a), bb_show_fixed(r->fp32_gops, 1, b),
                  bb_show_fixed(r->int8_gops, 1, c));
    bb_table_head(t, "%s", "");
    bb_table_column(t, "kernel", "KERNEL", BB_COL_LEFT);
    bb_table_column(t, "type", "TYPE", BB_COL_DATA_ONLY);
    bb_table_column(t, "isa", "ISA", BB_COL_LEFT);
    bb_table_column(t, "tokens", "TOKENS", BB_COL_DATA_ONLY);
    bb_table_column(t, "out", "OUT", BB_COL_DATA_ONLY);
    bb_table_column(t, "in", "IN", BB_COL_DATA_ONLY);
    bb_table_column(t, "threads", "THREADS", BB_COL_DATA_ONLY);
    bb_table_column(t, "ns", "TIME us", BB_COL_RIGHT);
    bb_table_column(t, "spread", "+-%", BB_COL_RIGHT);
    bb_table_column(t, "gops", "GOP/s", BB_COL_RIGHT);
    bb_table_column(t, "gbps", "GB/s", BB_COL_RIGHT);
    bb_table_column(t, "roof_fraction", "%ROOF", BB_COL_RIGHT);
    bb_table_column(t, "bound_by", "BOUND", BB_COL_LEFT);
    bb_table_column(t, "error_rel", "REL ERR", BB_COL_RIGHT);
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_bench_row *k = &r->rows[i];
        bb_table_row(t);
        bb_cell_text(t, k->kernel);
        bb_cell_text(t, k->type);
        bb_cell_text(t, k->isa);
        bb_cell_u64(t, k->tokens);
        bb_cell_u64(t, k->out);
        bb_cell_u64(t, k->in);
        bb_cell_u64(t, k->threads);
        bb_cell_f64_as(t, k->ns, bb_show_fixed(k->ns / 1000, 1, a));
        bb_cell_f64_as(t, k->spread, bb_show_fixed(100 * k->spread, 1, a));
        bb_cell_f64_as(t, k->gops, bb_show_fixed(k->gops, 1, a));
        bb_cell_f64_as(t, k->gbps, bb_show_fixed(k->gbps, 1, a));
        bb_cell_f64_as(t, k->roof_fraction, bb_show_fixed(100 * k->roof_fraction, 0, a));
        bb_cell_text(t, k->bound_by);
        bb_cell_f64_as(t, k->error_rel, bb_show_ratio(k->error_rel, 1, a));
    }
    bb_json *root = bb_table_json(t);
    bb_json_add_text(root, "cpu", r->cpu);
    bb_json_add_f64(root, "read_gbps", r->read_gbps);
    bb_json_add_f64(root, "fp32_gops", r->fp32_gops);
    bb_json_add_f64(root, "int8_gops", r->int8_gops);
    return t;
}
