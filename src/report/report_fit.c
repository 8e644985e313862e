/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_fit.c - the answer of the inverse, and the ways out of a plan that does not fit. */
#include "base/units.h"
#include "plan/solve.h"
#include "report/report.h"
#include "report/report_options.h"
#include <inttypes.h>
#include <stdio.h>

/* How an answer reads for each unknown. */
static const struct {
    const char *fits, *most, *none;
} words[] = {
    [BB_SOLVE_CTX] = {"The longest context whose high end fits; the next step no longer does.",
                      "The longest context that the model knows fits.", "Not even the smallest context fits: "},
    [BB_SOLVE_BATCH] = {"The largest physical batch whose high end fits; one token more does not.",
                        "A physical batch as long as the context fits.", "Not even the smallest batch fits: "},
    [BB_SOLVE_SLOTS] = {"The most sequences whose high end fits; one more does not.",
                        "As many sequences as the engine takes fit.", "Not even one sequence fits: "},
    [BB_SOLVE_LAYERS] = {"The most layers whose high end fits, the output layer counted first.",
                         "All layers fit, the output layer counted.", "Not even one layer fits: "},
    [BB_SOLVE_PARAMS] = {"The most parameters whose high end fits.", "The largest model that is tried fits.",
                         "Not even the smallest model fits: "},
    [BB_SOLVE_WEIGHTS] = {"The widest weights whose high end fits; the next wider ones do not.",
                          "The widest weights fit.", "Not even the narrowest weights fit: "},
    [BB_SOLVE_GPUS] = {"The fewest cards that it fits.", "The fewest cards that it fits.",
                       "Too many cards: more than "},
    [BB_SOLVE_KV] = {"The widest KV cache whose high end fits; the next wider one does not.",
                     "The widest KV cache fits.", "Not even the narrowest KV cache fits: "},
};

static bool by_name(const bb_fit *f) { return f->solve == BB_SOLVE_WEIGHTS || f->solve == BB_SOLVE_KV; }

static void cell_bytes(bb_table *t, uint64_t bytes, bool known, bool si) {
    char text[32];
    if (known)
        bb_cell_u64_as(t, bytes, bb_bytes_text(bytes, si, text));
    else
        bb_cell_empty(t);
}

static void value_text(const bb_fit *f, uint64_t value, const char *name, char out[48]) {
    if (by_name(f))
        (void)snprintf(out, 48, "%s", name);
    else if (*name)
        (void)snprintf(out, 48, "%" PRIu64 " (%s)", value, name);
    else
        (void)snprintf(out, 48, "%" PRIu64, value);
}

static void answer_cell(bb_table *t, const bb_fit *f) {
    char text[48];
    value_text(f, f->answer, f->answer_name, text);
    if (!by_name(f))
        bb_cell_u64_as(t, f->answer, text);
    else if (f->answer)
        bb_cell_text(t, text);
    else
        bb_cell_empty(t);
}

static void verdict(bb_table *t, const bb_fit *f, size_t n_cards, bool si) {
    char text[48];
    bb_table_foot(t, "%s", "");
    value_text(f, f->next, f->next_name, text);
    if (!f->answer)
        bb_table_foot(t, "%s%s%s.", words[f->solve].none, text, f->solve == BB_SOLVE_CTX ? " tokens" : "");
    else
        bb_table_foot(t, "%s", f->model_limit ? words[f->solve].most : words[f->solve].fits);
    if (!f->model_limit && n_cards > 1 && *f->next_device && f->next_device_bytes > f->next_device_limit_bytes) {
        char need[32], limit[32];
        bb_table_foot(t, "At %s %s would take %s of its %s.", text, f->next_device,
                      bb_bytes_text(f->next_device_bytes, si, need),
                      bb_bytes_text(f->next_device_limit_bytes, si, limit));
    }
    if (f->answer && f->each_ctx) bb_table_foot(t, "Each sequence has %" PRIu64 " tokens.", f->each_ctx);
}

static void json_name(bb_json *root, const char *key, const char *name) {
    if (*name)
        bb_json_add_text(root, key, name);
    else
        bb_json_add_null(root, key);
}

bb_table *bb_report_fit(const bb_fit *fit, const bb_plan_request *used, bool si) {
    bb_table *t = bb_table_new("bitbudget.fit/1");
    bb_table_column(t, "solve", "SOLVE", BB_COL_LEFT);
    bb_table_column(t, "answer", "ANSWER", BB_COL_RIGHT);
    bb_table_column(t, "total_bytes", "NEEDS AT MOST", BB_COL_RIGHT);
    bb_table_column(t, "limit_bytes", "LIMIT", BB_COL_RIGHT);
    bb_table_column(t, "next_total_bytes", "NEXT STEP NEEDS", BB_COL_RIGHT);
    bb_str options;
    bb_str_init(&options);
    bb_report_options_text(used, &options);
    bb_table_head_wrapped(t, bb_str_c(&options));
    bb_table_head(t, "%s", "");
    bb_table_row(t);
    bb_cell_text(t, bb_solve_name(fit->solve));
    answer_cell(t, fit);
    cell_bytes(t, fit->total_bytes, fit->answer != 0, si);
    cell_bytes(t, fit->limit_bytes, true, si);
    cell_bytes(t, fit->next_total_bytes, fit->next_total_bytes != 0, si);
    verdict(t, fit, used->n_cards, si);
    bb_json *root = bb_table_json(t);
    bb_json_add_bool(root, "model_limit", fit->model_limit);
    json_name(root, "answer_name", fit->answer_name);
    json_name(root, "next_name", fit->next_name);
    json_name(root, "next_device", fit->next_device);
    bb_json_add_u64(root, "next_device_bytes", fit->next_device_bytes);
    bb_json_add_u64(root, "next_device_limit_bytes", fit->next_device_limit_bytes);
    bb_report_options_json(root, used);
    bb_str_clear(&options);
    return t;
}

void bb_report_ways(bb_table *t, const bb_plan_way *ways, const char *const *commands, size_t n, bool si) {
    char high[32];
    if (!n) return;
    bb_json *list = bb_json_add_array(bb_table_json(t), "ways");
    bb_table_foot(t, "%s", "");
    bb_table_foot(t, "TO MAKE IT FIT                   NEEDS AT MOST");
    for (size_t i = 0; i < n; i++) {
        const bb_plan_way *w = &ways[i];
        bool own = !commands[i] && *w->options;
        bb_table_foot(t, "  %zu  %-29s  %10s%s%s", i + 1, w->text, bb_bytes_text(w->high_bytes, si, high),
                      own ? "  " : "", own ? w->options : "");
        if (commands[i]) bb_table_foot(t, "     %s", commands[i]);
        bb_json *o = bb_json_add_object(list, NULL);
        bb_json_add_text(o, "way", w->text);
        bb_json_add_text(o, "options", w->options);
        if (commands[i]) bb_json_add_text(o, "command", commands[i]);
        bb_json_add_u64(o, "total_bytes", w->total_bytes);
        bb_json_add_u64(o, "high_bytes", w->high_bytes);
        bb_json_add_u64(o, "limit_bytes", w->limit_bytes);
    }
}
