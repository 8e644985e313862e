/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_error.c - bitbudget error. */
#include "base/escape.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "report/report.h"
#include <stdio.h>
#include <string.h>

enum { TYPES_MAX = 16 };

static const cli_option options[] = {
    {OPT_TYPES, "--types", "LIST", NULL, false, "storage types, separated by commas (int8,q8_0,q4_0)"},
    {OPT_TOKENS, "--tokens", "N", NULL, false, "rows of activations (16)"},
    {OPT_ROWS, "--rows", "N", NULL, false, "output rows checked of each tensor (512)"},
    {OPT_ONLY, "--only", "TEXT", NULL, false, "tensors whose name contains the text"},
    {0},
};

static bb_status read_types(const char *list, const bb_dtype **types, size_t *n, bb_error *err) {
    char name[64];
    *n = 0;
    for (const char *p = list;;) {
        size_t len = strcspn(p, ",");
        if (len == 0 || len >= sizeof name)
            return bb_fail(err, BB_E_ARG, "--types: expected names separated by commas, such as int8,q8_0,q4_0");
        if (*n == TYPES_MAX) return bb_fail(err, BB_E_ARG, "--types: at most %d", TYPES_MAX);
        memcpy(name, p, len);
        name[len] = '\0';
        if (!(types[*n] = bb_dtype_find(name, err))) return BB_E_NAME;
        (*n)++;
        if (!p[len]) return BB_OK;
        p += len + 1;
    }
}

static void warn_skipped(const cli_output *o, const bb_error_report *r) {
    const bb_error_row *first = NULL;
    size_t n = 0;
    char safe[96];
    for (size_t i = 0; i < r->n_rows; i++) {
        if (!r->rows[i].skipped[0]) continue;
        if (!n++) first = &r->rows[i];
    }
    if (first)
        cli_warn(o, "%zu of %zu rows are not measured, the first: '%s' in %s: %s", n, r->n_rows,
                 bb_escape_buf(first->tensor->name, safe, sizeof safe), first->type->name, first->skipped);
}

static bb_status run(cli_call *call, bb_error *err) {
    const cli_args *a = &call->args;
    const bb_dtype *types[TYPES_MAX];
    bb_error_opts o = {.types = types, .only = a->value[OPT_ONLY], .seed = 1};
    bb_error_report report = {0};
    bb_catalogue *cat = NULL;
    bb_model *model = NULL;
    cli_progress progress;
    bb_status s = read_types(a->value[OPT_TYPES] ? a->value[OPT_TYPES] : "int8,q8_0,q4_0", types, &o.n_types, err);
    if (s == BB_OK) s = cli_get_count(a, OPT_TOKENS, "--tokens", &o.tokens, err);
    if (s == BB_OK) s = cli_get_count(a, OPT_ROWS, "--rows", &o.rows_max, err);
    if (s == BB_OK) s = cli_get_u64(a, OPT_SEED, "--seed", &o.seed, err);
    if (s == BB_OK) s = cli_get_unsigned(a, OPT_THREADS, "--threads", 1024, &o.threads, err);
    if (s == BB_OK) s = bb_catalogue_load(a->value[OPT_MODELS], a->value[OPT_GPUS], &cat, err);
    if (s == BB_OK) s = bb_model_locate(cat, &call->stores, a->words[0], &model, err);
    if (s == BB_OK && !model->file)
        s = bb_fail(err, BB_E_VALUE, "error: %s holds no tensors to measure: expected a GGUF or safetensors file",
                    model->title);
    if (s == BB_OK) {
        cli_progress_start(&progress, call->out.quiet);
        s = bb_error_study(model->file, &o, &progress.progress, &report, err);
        cli_progress_end(&progress);
    }
    if (s == BB_OK && report.n_rows == 0) {
        char safe[96];
        s = o.only ? bb_fail(err, BB_E_NAME, "error: no matrix of %s has '%s' in its name", model->title,
                             bb_escape_buf(o.only, safe, sizeof safe))
                   : bb_fail(err, BB_E_VALUE, "error: %s holds no matrix", model->title);
    }
    if (s == BB_OK) {
        warn_skipped(&call->out, &report);
        s = cli_output_table(&call->out, bb_report_error(&report), false, err);
    }
    bb_error_report_clear(&report);
    bb_model_free(model);
    bb_catalogue_free(cat);
    return s;
}

const cli_command cli_error = {
    .name = "error",
    .words = "FILE",
    .summary = "what quantizing costs, measured through the kernels",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .examples = "error demo\nerror model.gguf --types q8_0,q4_0 --only attn --csv\n",
    .run = run,
};
