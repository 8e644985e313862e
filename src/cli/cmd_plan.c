/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_plan.c - bitbudget plan. */
#include "cli/plan_command.h"
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

enum { WAYS = 3 };

/* Where it does not fit, three ways out below; of a command, the command that each makes of it. */
static bb_status write_plan(cli_call *call, cli_plan *p, const cli_their_command *their, const bb_plan *plan,
                            bb_plan_detail detail, bb_error *err) {
    bb_plan_way ways[WAYS];
    bb_str command[WAYS];
    const char *commands[WAYS] = {NULL};
    size_t n = 0;
    bb_status s = BB_OK;
    if (plan->fits == BB_FITS_NO || plan->fits == BB_FITS_MAYBE)
        s = bb_plan_ways(&p->subject, &p->request, ways, WAYS, &n, err);
    if (s) return s;
    for (size_t i = 0; i < WAYS; i++) bb_str_init(&command[i]);
    for (size_t i = 0; i < n && their; i++)
        if (cli_command_with(their, &p->request, &ways[i].request, &command[i])) commands[i] = bb_str_c(&command[i]);
    bb_table *t = bb_report_plan(plan, &p->subject, call->out.si, detail);
    if (t && detail != BB_PLAN_BRIEF) bb_report_ways(t, ways, commands, n, call->out.si);
    for (size_t i = 0; t && i < WAYS; i++) bb_table_depends(t, &command[i]);
    s = cli_output_table(&call->out, t, false, err);
    for (size_t i = 0; i < WAYS; i++) bb_str_clear(&command[i]);
    return s;
}

/* A MODEL, or the command of another program. */
static bb_status open_plan(cli_call *call, cli_plan *p, cli_their_command *their, bool command, bb_error *err) {
    bb_status s = command ? cli_command_read(call, their, err) : BB_OK;
    if (s == BB_OK) s = cli_plan_open(call, p, err);
    return s == BB_OK && command ? cli_command_finish(their, p, err) : s;
}

static bb_status run(cli_call *call, bb_error *err) {
    bool command = cli_is_command(&call->args);
    if (command && (cli_has(&call->args, OPT_SWEEP) || cli_has(&call->args, OPT_MATRIX)))
        return bb_fail(err, BB_E_ARG, "plan: --sweep and --matrix go with a MODEL, not with a command");
    if (!command && cli_plan_is_sweep(&call->args)) return cli_plan_sweep(call, err);
    if (!call->args.n_words) {
        bb_fail(err, BB_E_ARG, "plan: MODEL is missing");
        bb_hint(err, "bitbudget plan --help says more");
        return BB_E_ARG;
    }
    cli_plan p = {0};
    bb_plan plan = {0};
    cli_their_command their = {0};
    bb_status s = open_plan(call, &p, &their, command, err);
    if (s == BB_OK && cli_has(&call->args, OPT_CHECK) && !p.request.cards[0].limit_bytes)
        s = bb_fail(err, BB_E_ARG, "plan: --check needs a limit: --gpu NAME or --memory SIZE");
    if (s == BB_OK) s = bb_plan_subject(&p.subject, &p.request, &plan, err);
    bb_plan_detail detail = call->out.verbose || cli_has(&call->args, OPT_EXPLAIN) ? BB_PLAN_PARTS
                            : call->out.quiet                                      ? BB_PLAN_BRIEF
                                                                                   : BB_PLAN_WHOLE;
    if (s == BB_OK) s = write_plan(call, &p, command ? &their : NULL, &plan, detail, err);
    call->answer_no = plan.fits != BB_FITS_YES;
    bb_plan_clear(&plan);
    cli_plan_clear(&p);
    cli_command_clear(&their);
    return s;
}

const cli_command cli_plan_command = {
    .name = "plan",
    .words = "MODEL... | -- CMD",
    .summary = "the memory that a model takes, and whether it fits",
    .options = options,
    .max_words = SIZE_MAX,
    .examples = "plan llama-3.1-8b --weights q4_K_M --gpu 'RTX 4090'\nplan model.gguf --ctx 32k --kv q8_0 --memory "
                "16GiB --check\nplan 7b --json\nplan llama-3.1-8b --matrix --gpu 'RTX 4090'\nplan llama-3.1-8b "
                "qwen3-8b --sweep "
                "ctx=8k,32k --sweep weights=q4_K_M,q8_0 --gpu 'RTX 4090' --csv\n"
                "plan --gpu local -- llama-server -m model.gguf -c 32768 -ngl 99\n",
    .run = run,
};
