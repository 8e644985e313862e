/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_check.c - sizes of a log beside the prediction. */
#include "base/units.h"
#include "report/report.h"
#include "report/show.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *program_name(const bb_log *log) {
    static const char *const names[] = {"unknown", "llama.cpp", "vllm", "pytorch"};
    return log->ollama ? "ollama" : names[log->kind];
}

/* Tokens are counted, everything else is bytes. */
static void size_cell(bb_table *t, bool there, bool tokens, uint64_t v, bool si) {
    char shown[32];
    if (!there)
        bb_cell_empty(t);
    else if (tokens)
        bb_cell_u64(t, v);
    else
        bb_cell_u64_as(t, v, bb_bytes_text(v, si, shown));
}

static void difference_cell(bb_table *t, const bb_log_row *r, bool tokens, bool si) {
    char shown[48], size[32];
    uint64_t apart = (uint64_t)llabs(r->difference);
    bb_cell_i64(t, r->difference);
    (void)snprintf(shown, sizeof shown, "%s%s",
                   r->difference > 0   ? "+"
                   : r->difference < 0 ? "-"
                                       : "",
                   tokens ? bb_u64_text(apart, size) : bb_bytes_text(apart, si, size));
    bb_cell_text(t, shown);
}

static const char *judgement(const bb_log_row *r, char *buf) {
    char share[BB_SHOW_SIZE];
    if (!r->printed) return "not in the log";
    if (!r->planned) return "not predicted";
    if (r->agrees) return r->low == r->high ? "as printed" : "within the interval";
    if (!r->bytes) return "differs";
    (void)snprintf(buf, BB_SHOW_SIZE + 12, "differs, %s",
                   bb_show_share((uint64_t)llabs(r->difference), r->bytes, share));
    return buf;
}

static void add_rows(bb_table *t, const bb_log_report *r, bool si) {
    for (size_t i = 0; i < r->n; i++) {
        const bb_log_row *row = &r->rows[i];
        char text[BB_SHOW_SIZE + 12];
        bool tokens = strcmp(row->component, "kv_cache:tokens") == 0;
        bb_table_row(t);
        bb_cell_text(t, row->component);
        bb_cell_text(t, row->device);
        size_cell(t, row->planned, tokens, row->predicted, si);
        size_cell(t, row->printed, tokens, row->bytes, si);
        if (row->planned && row->printed) {
            difference_cell(t, row, tokens, si);
        } else {
            bb_cell_empty(t);
            bb_cell_empty(t);
        }
        bb_cell_text(t, judgement(row, text));
    }
}

static void add_learned(bb_table *t, const bb_overhead *o, bool si) {
    char low[32], likely[32], high[32];
    if (!o) return;
    bb_table_foot(t, "%s", "");
    bb_str line;
    bb_str_init(&line);
    bb_str_addf(
        &line,
        "Learned: '%s', %s (%s to %s), measured; plan uses it on this card in place of the shipped overhead of %s",
        o->name, bb_bytes_text(o->typical_bytes, si, likely), bb_bytes_text(o->low_bytes, si, low),
        bb_bytes_text(o->high_bytes, si, high), o->engine);
    if (o->logs < BB_OVERHEAD_LOGS)
        bb_str_addf(&line, ", whose interval stays around it until there are %d logs", BB_OVERHEAD_LOGS);
    bb_str_add(&line, ".");
    bb_table_foot_wrapped(t, bb_str_c(&line));
    bb_table_depends(t, &line);
    bb_str_clear(&line);
    bb_json *j = bb_json_add_object(bb_table_json(t), "learned");
    bb_json_add_text(j, "name", o->name);
    bb_json_add_text(j, "card", o->card);
    bb_json_add_u64(j, "logs", o->logs);
    bb_json_add_u64(j, "low_bytes", o->low_bytes);
    bb_json_add_u64(j, "typical_bytes", o->typical_bytes);
    bb_json_add_u64(j, "high_bytes", o->high_bytes);
}

static void add_foot(bb_table *t, const bb_log_report *r, bool si) {
    char tried[32];
    bb_table_foot(t, "%s", "");
    if (r->compared)
        bb_table_foot(t, "%zu of %zu printed sizes agree: to the last digit printed, or within the interval.", r->agree,
                      r->compared);
    bool buffers = false;
    for (size_t i = 0; i < r->n; i++)
        buffers |= !r->rows[i].agrees && r->rows[i].planned && r->rows[i].printed &&
                   strcmp(r->rows[i].component, "compute_buffer") == 0;
    if (buffers)
        bb_table_foot_wrapped(
            t, "Compute buffers are predicted as llama.cpp v0.5.0 reserves them; other versions differ.");
    if (r->tried_bytes)
        bb_table_foot(t, "It ended when it tried to get %s more.", bb_bytes_text(r->tried_bytes, si, tried));
}

bb_table *bb_report_check(const bb_log *log, const bb_log_report *r, const char *model, const bb_plan_request *used,
                          const bb_overhead *learned, bool si) {
    bb_table *t = bb_table_new("bitbudget.check/1");
    bb_table_column(t, "component", "LINE", BB_COL_LEFT);
    bb_table_column(t, "device", "WHERE", BB_COL_LEFT);
    bb_table_column(t, "predicted", "PREDICTED", BB_COL_RIGHT);
    bb_table_column(t, "printed", "PRINTED", BB_COL_RIGHT);
    bb_table_column(t, "difference", "DIFFERENCE", BB_COL_DATA_ONLY);
    bb_table_column(t, "apart", "DIFFERENCE", BB_COL_RIGHT | BB_COL_TEXT_ONLY);
    bb_table_column(t, "judgement", "", BB_COL_LEFT | BB_COL_TEXT_ONLY);
    if (used)
        bb_table_head(t, "%s, %s, weights %s, ctx %" PRIu64, model, program_name(log),
                      *used->weights ? used->weights : "as in the file", used->ctx);
    else
        bb_table_head(t, "%s", program_name(log));
    bb_table_head(t, "%s", "");
    add_rows(t, r, si);
    add_foot(t, r, si);
    add_learned(t, learned, si);
    bb_json *root = bb_table_json(t);
    bb_json_add_text(root, "program", program_name(log));
    if (used)
        bb_json_add_text(root, "model", model);
    else
        bb_json_add_null(root, "model");
    bb_json_add_u64(root, "compared", r->compared);
    bb_json_add_u64(root, "agree", r->agree);
    return t;
}
