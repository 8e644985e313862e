/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_types.c - bitbudget types. */
#include "cli/plan_options.h"
#include "cli/progress.h"
#include "report/report.h"

static const cli_option options[] = {
    {OPT_MEASURE, "--measure", NULL, NULL, false,
     "what each type loses, on 32 rows of each tensor of the file (files below 16 MiB are measured anyway)"},
    CLI_PLAN_OPTIONS,
    {0},
};

static bb_status study(cli_call *call, cli_plan *p, bb_types_report *report, bb_error *err) {
    bb_types_opts opts = {.measure = cli_has(&call->args, OPT_MEASURE)};
    cli_progress progress;
    bb_status s = cli_get_isa(&call->args, &opts.isa, err);
    if (s != BB_OK) return s;
    /* the types of llama.cpp, unless another engine is named: it has the most */
    if (!cli_has(&call->args, OPT_ENGINE) && p->request.engine == BB_ENGINE_HF && p->subject.n_tensors)
        p->request.engine = BB_ENGINE_LLAMA_CPP;
    cli_progress_start(&progress, call->out.quiet);
    s = bb_types_study(&p->subject, &p->request, &opts, &progress.progress, report, err);
    cli_progress_end(&progress);
    return s;
}

static bb_status run(cli_call *call, bb_error *err) {
    cli_plan p = {0};
    bb_types_report report = {0};
    bb_status s = cli_has(&call->args, OPT_WEIGHTS)
                      ? bb_fail(err, BB_E_ARG, "types has all of them: --weights cannot be given")
                      : cli_plan_open(call, &p, err);
    if (s == BB_OK && cli_has(&call->args, OPT_CHECK) && !p.request.cards[0].limit_bytes)
        s = bb_fail(err, BB_E_ARG, "types: --check needs a limit: --gpu NAME or --memory SIZE");
    if (s == BB_OK) s = study(call, &p, &report, err);
    if (s == BB_OK) s = cli_output_table(&call->out, bb_report_types(&report, &p.subject, call->out.si), false, err);
    call->answer_no = true;
    for (size_t i = 0; i < report.n; i++)
        if (report.rows[i].fits == BB_FITS_YES) call->answer_no = false;
    bb_types_report_clear(&report);
    cli_plan_clear(&p);
    return s;
}

const cli_command cli_types = {
    .name = "types",
    .words = "MODEL",
    .summary = "every type of weights: bits, size, need, fits, error, speed",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .examples = "types llama-3.1-8b --ctx 16k --gpu 'RTX 3060'\ntypes demo --memory 1GiB\n",
    .run = run,
};
