/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_data.c - bitbudget data. */
#include "base/escape.h"
#include "cli/commands.h"
#include "report/report.h"
#include <string.h>

static const char *const tables[] = {"gpus", "models", "formats", "dtypes", "overheads"};
enum { TABLES = sizeof tables / sizeof *tables };

static const char *nth(const void *ctx, size_t i) {
    (void)ctx;
    return i < TABLES ? tables[i] : NULL;
}

static bb_status run(cli_call *call, bb_error *err) {
    const char *name = call->args.words[0];
    size_t i = 0;
    while (i < TABLES && strcmp(tables[i], name)) i++;
    if (i == TABLES) {
        char safe[96], near[96];
        bb_nearest(name, nth, NULL, near, sizeof near);
        bb_status s = bb_fail(err, BB_E_ARG, "data: no table '%s': expected gpus, models, formats, dtypes or overheads",
                              bb_escape_buf(name, safe, sizeof safe));
        if (*near) bb_hint(err, "did you mean %s?", near);
        return s;
    }
    bb_catalogue *cat = NULL;
    bb_status s = bb_catalogue_load(call->args.value[OPT_MODELS], call->args.value[OPT_GPUS], &cat, err);
    if (s == BB_OK) s = cli_output_table(&call->out, bb_report_data(cat, name), false, err);
    bb_catalogue_free(cat);
    return s;
}

const cli_command cli_data = {
    .name = "data",
    .words = "TABLE",
    .summary = "the tables behind the answers: gpus models formats dtypes overheads",
    .min_words = 1,
    .max_words = 1,
    .examples = "data gpus\ndata models --csv\ndata gpus --gpus mine.csv\n",
    .run = run,
};
