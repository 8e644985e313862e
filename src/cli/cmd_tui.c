/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_tui.c - bitbudget tui: asks main for the screens. */
#include "cli/commands.h"

static const cli_option options[] = {
    {OPT_MODEL, "--model", "MODEL", NULL, false, "what Plan and Quantize start with"},
    {0},
};

static bb_status run(cli_call *call, bb_error *err) {
    (void)err;
    call->screens = true;
    return BB_OK;
}

const cli_command cli_tui = {
    .name = "tui",
    .words = "[SCREEN]",
    .summary = "the screens: bits, plan, quantize, kernels",
    .options = options,
    .min_words = 0,
    .max_words = 1,
    .examples = "tui bits\ntui plan --model model.gguf\n",
    .run = run,
};
