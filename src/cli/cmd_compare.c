/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_compare.c - bitbudget compare. */
#include "base/escape.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "report/report.h"

static const cli_option options[] = {
    {OPT_ONLY, "--only", "TEXT", NULL, false, "tensors whose name contains the text"},
    {0},
};

static bb_status open_side(const cli_call *call, const bb_catalogue *cat, size_t i, bb_model **model, bb_error *err) {
    bb_status s = bb_model_locate(cat, &call->stores, call->args.words[i], model, err);
    if (s == BB_OK && !(*model)->file)
        s = bb_fail(err, BB_E_VALUE, "compare: %s holds no tensors: expected a GGUF, safetensors, index or npy file",
                    (*model)->title);
    for (size_t k = 0; s == BB_OK && k < (*model)->file->n_warnings; k++)
        cli_warn(&call->out, "%s: %s", (*model)->title, (*model)->file->warnings[k]);
    return s;
}

static bb_status run(cli_call *call, bb_error *err) {
    const cli_args *a = &call->args;
    bb_compare_opts o = {.only = a->value[OPT_ONLY]};
    bb_compare_report report = {0};
    bb_catalogue *cat = NULL;
    bb_model *model[2] = {NULL, NULL};
    cli_progress progress;
    bb_status s = cli_get_unsigned(a, OPT_THREADS, "--threads", 1024, &o.threads, err);
    if (s == BB_OK) s = bb_catalogue_load(a->value[OPT_MODELS], a->value[OPT_GPUS], &cat, err);
    for (size_t i = 0; i < 2 && s == BB_OK; i++) s = open_side(call, cat, i, &model[i], err);
    if (s == BB_OK) {
        cli_progress_start(&progress, call->out.quiet);
        s = bb_compare_study(model[0], model[1], &o, &progress.progress, &report, err);
        cli_progress_end(&progress);
    }
    if (s == BB_OK && report.n_rows == 0 && o.only) {
        char safe[96];
        s = bb_fail(err, BB_E_NAME, "compare: no tensor has '%s' in its name",
                    bb_escape_buf(o.only, safe, sizeof safe));
    }
    if (s == BB_OK) {
        call->answer_no = report.different || report.only_a || report.only_b;
        s = cli_output_table(&call->out, bb_report_compare(&report, call->out.si, call->out.quiet), false, err);
    }
    bb_compare_report_clear(&report);
    bb_model_free(model[0]);
    bb_model_free(model[1]);
    bb_catalogue_free(cat);
    return s;
}

const cli_command cli_compare = {
    .name = "compare",
    .words = "A B",
    .summary = "two model files, tensor by tensor: what is equal, what differs",
    .options = options,
    .min_words = 2,
    .max_words = 2,
    .examples = "compare demo model-q8_0.gguf\ncompare model.gguf checkpoint/ --only attn --csv\n",
    .run = run,
};
