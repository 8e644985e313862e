/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_rule.c - the rule of thumb as a table, with where its numbers come from. */
#include "base/units.h"
#include "report/report.h"
#include "report/show.h"
#include <inttypes.h>

bb_table *bb_report_rule(uint64_t parameters, const bb_rule_row *rows, bool si) {
    bb_table *t = bb_table_new("bitbudget.rule/1");
    char count[32], a[BB_SHOW_SIZE], b[BB_SHOW_SIZE];
    bb_table_head(t, "Rule of thumb for %s parameters (%" PRIu64 "): 4 bytes each to load,",
                  bb_count_text(parameters, count), parameters);
    bb_table_head(t, "20 more to train; half of it for 16 bit, a quarter for int8, an eighth for 4 bit.");
    bb_table_head(t, "%s", "");
    /* The rule is taught in GB of 10^9, where the numbers are round; programs print GiB. Both are labelled. */
    bb_table_column(t, "parameters", "PARAMETERS", BB_COL_DATA_ONLY);
    bb_table_column(t, "precision", "PRECISION", BB_COL_LEFT);
    bb_table_column(t, "load_bytes", "LOAD GB", BB_COL_RIGHT);
    if (!si) bb_table_column(t, "load_gib", "LOAD GiB", BB_COL_RIGHT | BB_COL_TEXT_ONLY);
    bb_table_column(t, "train_bytes", "TRAIN GB", BB_COL_RIGHT);
    if (!si) bb_table_column(t, "train_gib", "TRAIN GiB", BB_COL_RIGHT | BB_COL_TEXT_ONLY);
    for (size_t i = 0; i < BB_RULE_ROWS; i++) {
        bb_table_row(t);
        bb_cell_u64(t, parameters);
        bb_cell_text(t, rows[i].precision);
        bb_cell_u64_as(t, rows[i].load_bytes, bb_show_g((double)rows[i].load_bytes / 1e9, 6, a));
        if (!si) bb_cell_text(t, bb_gib_text(rows[i].load_bytes, false, 2, b));
        bb_cell_u64_as(t, rows[i].train_bytes, bb_show_g((double)rows[i].train_bytes / 1e9, 6, a));
        if (!si) bb_cell_text(t, bb_gib_text(rows[i].train_bytes, false, 2, b));
    }
    bb_table_foot(t, "%s", "");
    bb_table_foot(t, "Where the 20 comes from: 4 gradients + 8 Adam moments (two of fp32) + about 8 for");
    bb_table_foot(t, "activations and temporaries. The last 8 have no measured basis: activations grow");
    bb_table_foot(t, "with batch and sequence, not with parameters.");
    bb_table_foot(t, "Measured: fp32 AdamW keeps 4 weights + 4 gradients + 8 moments = 16 bytes each,");
    bb_table_foot(t, "plus the activations. 16-bit mixed precision keeps 16 too (2 + 2 + 4 master + 8).");
    bb_table_foot(t, "Nobody trains plain int8 or 4-bit weights; they stay frozen under a 16-bit adapter:");
    bb_table_foot(t, "see bitbudget plan --for qlora.");
    bb_table_foot(t, "Loading is not running: bitbudget plan MODEL adds KV cache, buffers and overhead.");
    return t;
}
