/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_rule.c - bitbudget rule. */
#include "base/units.h"
#include "cli/commands.h"
#include "report/report.h"

static bb_status run(cli_call *call, bb_error *err) {
    uint64_t parameters;
    bb_rule_row rows[BB_RULE_ROWS];
    bb_status s = bb_parse_count(call->args.words[0], &parameters, err);
    if (s == BB_OK) s = bb_rule(parameters, rows, err);
    if (s != BB_OK) return s;
    return cli_output_table(&call->out, bb_report_rule(parameters, rows, call->out.si), false, err);
}

const cli_command cli_rule = {
    .name = "rule",
    .words = "COUNT",
    .summary = "the rule of thumb: 4 bytes to load, 20 more to train",
    .min_words = 1,
    .max_words = 1,
    .examples = "rule 1b\nrule 7b --csv\n",
    .run = run,
};
