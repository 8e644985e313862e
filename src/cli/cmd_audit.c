/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_audit.c - bitbudget audit. */
#include "cli/commands.h"
#include "cli/progress.h"
#include "report/report.h"

static bb_status run(cli_call *call, bb_error *err) {
    const cli_args *a = &call->args;
    bb_audit_report report = {0};
    bb_catalogue *cat = NULL;
    bb_model *model = NULL;
    cli_progress progress;
    unsigned threads = 0;
    bb_status s = cli_get_unsigned(a, OPT_THREADS, "--threads", 1024, &threads, err);
    if (s == BB_OK) s = bb_catalogue_load(a->value[OPT_MODELS], a->value[OPT_GPUS], &cat, err);
    if (s == BB_OK) s = bb_model_locate(cat, &call->stores, a->words[0], &model, err);
    if (s == BB_OK && !model->file)
        s = bb_fail(err, BB_E_VALUE, "audit: %s holds no tensors to read: expected a GGUF or safetensors file",
                    model->title);
    if (s == BB_OK) {
        cli_progress_start(&progress, call->out.quiet);
        s = bb_audit_study(model, threads, &progress.progress, &report, err);
        cli_progress_end(&progress);
    }
    if (s == BB_OK) {
        call->answer_no = report.by_severity[BB_ERROR] || report.by_severity[BB_WARNING];
        s = cli_output_table(&call->out, bb_report_audit(&report, call->out.si, call->out.quiet), false, err);
    }
    bb_audit_report_clear(&report);
    bb_model_free(model);
    bb_catalogue_free(cat);
    return s;
}

const cli_command cli_audit = {
    .name = "audit",
    .words = "FILE",
    .summary = "faults of a quantized file: dead blocks, bad scales, wrong types",
    .min_words = 1,
    .max_words = 1,
    .examples = "audit demo\naudit model-q4_K_M.gguf --check --csv\n",
    .run = run,
};
