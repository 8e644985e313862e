/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_formats.c - bitbudget formats. */
#include "cli/commands.h"
#include "report/report.h"

static const cli_option options[] = {
    {OPT_TABLE, "--table", NULL, NULL, false, "every code of FORMAT, which has at most 16 bits"},
    {0},
};

static bb_status run(cli_call *call, bb_error *err) {
    const bb_format *f = NULL;
    if (call->args.n_words) {
        f = bb_format_find(call->args.words[0], err);
        if (!f) return err->status;
    }
    if (!cli_has(&call->args, OPT_TABLE)) return cli_output_table(&call->out, bb_report_formats(f), false, err);
    if (!f) return bb_fail(err, BB_E_ARG, "formats --table: FORMAT is missing");
    if (f->bits > 16)
        return bb_fail(err, BB_E_LIMIT, "formats --table: %s has 2^%u codes; at most 16 bits are listed", f->name,
                       f->bits);
    return cli_output_table(&call->out, bb_report_codes(f), false, err);
}

const cli_command cli_formats = {
    .name = "formats",
    .words = "[FORMAT]",
    .summary = "number formats and their limits",
    .options = options,
    .max_words = 1,
    .examples = "formats\nformats e4m3fn --table\n",
    .run = run,
};
