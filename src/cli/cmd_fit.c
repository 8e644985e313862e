/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_fit.c - bitbudget fit. */
#include "cli/plan_options.h"
#include "plan/solve.h"
#include "report/report.h"
#include <string.h>

static const cli_option options[] = {
    {OPT_SOLVE, "--solve", "WHAT", "ctx|batch|slots|layers|params|weights|gpus|kv", false,
     "what to look for: the most of it that fits (default: ctx; of gpus the fewest)"},
    CLI_PLAN_OPTIONS,
    {0},
};

/* What is looked for cannot be given. */
static bb_status refuse_given(const cli_args *a, bb_solve solve, const bb_plan_request *r, bb_error *err) {
    static const struct {
        bb_solve solve;
        cli_id id;
        const char *name;
    } unknowns[] = {
        {BB_SOLVE_CTX, OPT_CTX, "--ctx"},
        {BB_SOLVE_BATCH, OPT_UBATCH, "--ubatch"},
        {BB_SOLVE_SLOTS, OPT_PARALLEL, "--parallel"},
        {BB_SOLVE_LAYERS, OPT_GPU_LAYERS, "--gpu-layers"},
        {BB_SOLVE_WEIGHTS, OPT_WEIGHTS, "--weights"},
        {BB_SOLVE_KV, OPT_KV, "--kv"},
        {BB_SOLVE_KV, OPT_KV_K, "--cache-type-k"},
        {BB_SOLVE_KV, OPT_KV_V, "--cache-type-v"},
    };
    for (size_t i = 0; i < sizeof unknowns / sizeof *unknowns; i++)
        if (unknowns[i].solve == solve && cli_has(a, unknowns[i].id))
            return bb_fail(err, BB_E_ARG, "fit looks for %s, so that it cannot be given", unknowns[i].name);
    if (solve == BB_SOLVE_GPUS && r->n_cards > 1)
        return bb_fail(err, BB_E_ARG, "fit looks for the number of cards: expected one card");
    return BB_OK;
}

/* Without --engine: llama.cpp, when the others have no such choice. */
static void choose_engine(const cli_args *a, bb_solve solve, cli_plan *p) {
    bool llama =
        solve == BB_SOLVE_BATCH || solve == BB_SOLVE_LAYERS || solve == BB_SOLVE_WEIGHTS || solve == BB_SOLVE_KV;
    if (!llama || cli_has(a, OPT_ENGINE) || p->request.engine != BB_ENGINE_HF || !p->subject.n_tensors) return;
    p->request.engine = BB_ENGINE_LLAMA_CPP;
}

/* The plan at the answer, or of the smallest that was tried, for the defaults that were used; the unknown is the
 * answer. */
static bb_status plan_answer(cli_plan *p, const bb_fit *fit, bb_plan *plan, bb_error *err) {
    bb_plan_request r = p->request;
    bb_fit at = *fit;
    if (!at.answer) {
        at.answer = fit->next;
        memcpy(at.answer_name, fit->next_name, sizeof at.answer_name);
    }
    (void)bb_solve_request(&p->request, &at, &r);
    bb_status s = bb_plan_subject(&p->subject, &r, plan, err);
    if (!fit->answer && fit->solve == BB_SOLVE_CTX) plan->used.ctx = 0;
    return s;
}

static bb_status run(cli_call *call, bb_error *err) {
    const char *what = call->args.value[OPT_SOLVE];
    cli_plan p = {0};
    bb_fit fit = {0};
    bb_plan plan = {0};
    bb_solve solve = BB_SOLVE_CTX;
    bb_status s = what ? bb_solve_find(what, &solve, err) : BB_OK;
    if (s == BB_OK) s = cli_plan_open(call, &p, err);
    if (s == BB_OK && !p.request.cards[0].limit_bytes)
        s = bb_fail(err, BB_E_ARG, "fit needs a limit: --gpu NAME or --memory SIZE");
    if (s == BB_OK) s = refuse_given(&call->args, solve, &p.request, err);
    choose_engine(&call->args, solve, &p);
    if (s == BB_OK) s = bb_solve_subject(&p.subject, &p.request, solve, &fit, err);
    if (s == BB_OK) s = plan_answer(&p, &fit, &plan, err);
    if (s == BB_OK) s = cli_output_table(&call->out, bb_report_fit(&fit, &plan.used, call->out.si), false, err);
    call->answer_no = fit.answer == 0;
    bb_plan_clear(&plan);
    cli_plan_clear(&p);
    return s;
}

const cli_command cli_fit = {
    .name = "fit",
    .words = "MODEL",
    .summary = "the inverse: the most of one thing that still fits a card",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .examples = "fit llama-3.1-8b --weights q4_K_M --gpu 'RTX 4090'\n"
                "fit llama-3.1-70b --solve layers --weights q4_K_M --gpu 'RTX 3090x2'\n"
                "fit qwen3-32b --solve weights --ctx 32k --gpu 'RTX 4090'\n",
    .run = run,
};
