/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_tui.c - bitbudget tui: asks main for the screens. */
#include "cli/commands.h"
#include "cli/local_gpu.h"
#include "cli/plan_options.h"
#include "plan/cards.h"
#include <stdio.h>

static const cli_option options[] = {
    {OPT_MODEL, "--model", "MODEL", NULL, false, "what Plan and Quantize start with"},
    {0},
};

void cli_tui_cards(const cli_args *args, char *text, size_t size) {
    bb_catalogue *cat = NULL;
    bb_plan_request r = {0};
    bb_str list;
    *text = '\0';
    if (cli_plan_catalogue(args, &cat, NULL)) return;
    bb_str_init(&list);
    if (cli_local_cards(&cli_local_machine, cat, r.cards, &r.n_cards, NULL) == BB_OK) {
        const bb_plan_card *first = &r.cards[0];
        if (bb_gpu_find(cat, first->name, NULL))
            bb_cards_list(&r, &list);
        else if (first->driver_bytes)
            bb_str_addf(&list, "%lluBx%zu", (unsigned long long)first->driver_bytes, r.n_cards);
    }
    if (!list.failed && list.len < size) (void)snprintf(text, size, "%s", bb_str_c(&list));
    bb_str_clear(&list);
    bb_catalogue_free(cat);
}

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
