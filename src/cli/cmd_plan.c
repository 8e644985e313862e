/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_plan.c - bitbudget plan. */
#include "cli/plan_options.h"
#include "report/report.h"

static const cli_option options[] = {
    CLI_PLAN_OPTIONS,
    {OPT_SWEEP, "--sweep", "KEY=LIST", NULL, false,
     "a plan of every combination, a row each: model, weights, kv, ctx, batch, gpu, gpus; may be repeated"},
    {OPT_MATRIX, "--matrix", NULL, NULL, false, "a table of weights and contexts"},
    {OPT_EXPLAIN, "--explain", NULL, NULL, false,
     "the parts of each line as well, as -v does; -q shows the need alone"},
    {0},
};

/* Where it does not fit, three ways out below. */
static bb_status write_plan(cli_call *call, cli_plan *p, const bb_plan *plan, bb_plan_detail detail, bb_error *err) {
    enum { WAYS = 3 };
    bb_plan_way ways[WAYS];
    size_t n = 0;
    if (plan->fits == BB_FITS_NO || plan->fits == BB_FITS_MAYBE) {
        bb_status s = bb_plan_ways(&p->subject, &p->request, ways, WAYS, &n, err);
        if (s) return s;
    }
    bb_table *t = bb_report_plan(plan, &p->subject, call->out.si, detail);
    if (t && detail != BB_PLAN_BRIEF) bb_report_ways(t, ways, n, call->out.si);
    return cli_output_table(&call->out, t, false, err);
}

static bb_status run(cli_call *call, bb_error *err) {
    if (cli_plan_is_sweep(&call->args)) return cli_plan_sweep(call, err);
    if (!call->args.n_words) {
        bb_fail(err, BB_E_ARG, "plan: MODEL is missing");
        bb_hint(err, "bitbudget plan --help says more");
        return BB_E_ARG;
    }
    cli_plan p = {0};
    bb_plan plan = {0};
    bb_status s = cli_plan_open(call, &p, err);
    if (s == BB_OK && cli_has(&call->args, OPT_CHECK) && !p.request.cards[0].limit_bytes)
        s = bb_fail(err, BB_E_ARG, "plan: --check needs a limit: --gpu NAME or --memory SIZE");
    if (s == BB_OK) s = bb_plan_subject(&p.subject, &p.request, &plan, err);
    bb_plan_detail detail = call->out.verbose || cli_has(&call->args, OPT_EXPLAIN) ? BB_PLAN_PARTS
                            : call->out.quiet                                      ? BB_PLAN_BRIEF
                                                                                   : BB_PLAN_WHOLE;
    if (s == BB_OK) s = write_plan(call, &p, &plan, detail, err);
    call->answer_no = plan.fits != BB_FITS_YES;
    bb_plan_clear(&plan);
    cli_plan_clear(&p);
    return s;
}

const cli_command cli_plan_command = {
    .name = "plan",
    .words = "MODEL...",
    .summary = "the memory that a model takes, and whether it fits",
    .options = options,
    .max_words = SIZE_MAX,
    .examples = "plan llama-3.1-8b --weights q4_K_M --gpu 'RTX 4090'\nplan model.gguf --ctx 32k --kv q8_0 --memory "
                "16GiB --check\nplan 7b --json\nplan llama-3.1-8b --matrix --gpu 'RTX 4090'\nplan llama-3.1-8b "
                "qwen3-8b --sweep "
                "ctx=8k,32k --sweep weights=q4_K_M,q8_0 --gpu 'RTX 4090' --csv\n",
    .run = run,
};
