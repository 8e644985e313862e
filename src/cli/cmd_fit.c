/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_fit.c - bitbudget fit. */
#include "cli/plan_options.h"
#include "plan/solve.h"
#include "report/report.h"
#include <string.h>

static const cli_option options[] = {
    {OPT_SOLVE, "--solve", "WHAT", "ctx|batch|slots|layers|params|weights|gpus", false,
     "what to look for (this version: ctx)"},
    CLI_PLAN_OPTIONS,
    {0},
};

static bb_status run(cli_call *call, bb_error *err) {
    const char *what = call->args.value[OPT_SOLVE];
    if (what && strcmp(what, "ctx") != 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "fit: --solve %s: this version solves for ctx", what);
    cli_plan p = {0};
    bb_fit fit = {0};
    bb_plan plan = {0};
    bb_status s = cli_plan_open(call, &p, err);
    if (s == BB_OK && !p.request.cards[0].limit_bytes)
        s = bb_fail(err, BB_E_ARG, "fit needs a limit: --gpu NAME or --memory SIZE");
    if (s == BB_OK && cli_has(&call->args, OPT_CTX))
        s = bb_fail(err, BB_E_ARG, "fit looks for --ctx, so that it cannot be given");
    if (s == BB_OK) s = bb_solve_subject(&p.subject, &p.request, BB_SOLVE_CTX, &fit, err);
    /* the defaults that were used are those of the plan at the answer, or of the smallest context that was tried */
    p.request.ctx = fit.answer ? fit.answer : fit.next;
    if (s == BB_OK) s = bb_plan_subject(&p.subject, &p.request, &plan, err);
    plan.used.ctx = fit.answer;
    if (s == BB_OK) s = cli_output_table(&call->out, bb_report_fit(&fit, &plan.used, call->out.si), false, err);
    call->answer_no = fit.answer == 0;
    bb_plan_clear(&plan);
    cli_plan_clear(&p);
    return s;
}

const cli_command cli_fit = {
    .name = "fit",
    .words = "MODEL",
    .summary = "the inverse: the longest context that fits a card",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .examples = "fit llama-3.1-8b --weights q4_K_M --gpu 'RTX 4090'\n",
    .run = run,
};
