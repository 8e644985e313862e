/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_plan.c - bitbudget plan. */
#include "base/escape.h"
#include "cli/plan_command.h"
#include "report/report.h"

static const cli_option options[] = {
    CLI_PLAN_OPTIONS,
    {OPT_EXPLAIN, "--explain", NULL, NULL, false,
     "the parts of each line as well, as -v does; -q shows the need alone"},
    {0},
};

static bb_status run(cli_call *call, bb_error *err) {
    cli_plan p = {0};
    bb_plan plan = {0};
    cli_their_command their = {0};
    bool command = cli_is_command(&call->args);
    char safe[96];
    bb_status s = BB_OK;
    if (command)
        s = cli_command_read(call, &their, err);
    else if (call->args.n_words > 1)
        s = bb_fail(err, BB_E_ARG, "plan: one word too many: '%s'",
                    bb_escape_buf(call->args.words[1], safe, sizeof safe));
    if (s == BB_OK) s = cli_plan_open(call, &p, err);
    if (s == BB_OK && command) s = cli_command_finish(&their, &p, err);
    if (s == BB_OK && cli_has(&call->args, OPT_CHECK) && !p.request.cards[0].limit_bytes)
        s = bb_fail(err, BB_E_ARG, "plan: --check needs a limit: --gpu NAME or --memory SIZE");
    if (s == BB_OK) s = bb_plan_subject(&p.subject, &p.request, &plan, err);
    bb_plan_detail detail = call->out.verbose || cli_has(&call->args, OPT_EXPLAIN) ? BB_PLAN_PARTS
                            : call->out.quiet                                      ? BB_PLAN_BRIEF
                                                                                   : BB_PLAN_WHOLE;
    if (s == BB_OK)
        s = cli_output_table(&call->out, bb_report_plan(&plan, &p.subject, call->out.si, detail), false, err);
    call->answer_no = plan.fits != BB_FITS_YES;
    bb_plan_clear(&plan);
    cli_plan_clear(&p);
    cli_command_clear(&their);
    return s;
}

const cli_command cli_plan_command = {
    .name = "plan",
    .words = "MODEL | -- COMMAND",
    .summary = "the memory that a model takes, and whether it fits",
    .options = options,
    .min_words = 1,
    .max_words = SIZE_MAX,
    .examples = "plan llama-3.1-8b --weights q4_K_M --gpu 'RTX 4090'\nplan model.gguf --ctx 32k --kv q8_0 --memory "
                "16GiB --check\nplan 7b --json\nplan --gpu local -- llama-server -m model.gguf -c 32768 -ngl 99\n",
    .run = run,
};
