/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tui.h - the screens: bits, plan, quantize, kernels, in a terminal. */
#ifndef BB_TUI_TUI_H
#define BB_TUI_TUI_H
#include "base/cpu.h"

struct bb_stores;

struct bb_tui_opts {
    const char *screen;                  /* "bits", "plan", "quantize", "kernels"; NULL = plan */
    bool ascii;                          /* letters and signs of ASCII only, whatever the locale */
    int color;                           /* -1 never, 0 as the terminal and NO_COLOR say, 1 always */
    bb_isa isa;                          /* which kernels and quantizers use */
    const char *models_path, *gpus_path; /* the user's own rows, NULL = none */
    const char *overheads_path;          /* overheads measured on this machine, NULL = none */
    const char *model; /* what Plan and Quantize start with, NULL = the last one, or llama-3.1-8b and demo */
    const char *cards; /* of this machine as Plan's field GPU takes them, "RTX 3090x2"; NULL = none, then an RTX 4090 */
    const struct bb_stores *stores; /* where other programs keep models; NULL = none; outlives the call */
};

/* Runs until the user leaves; the exit status. Sentences go to stderr. After SIGTERM, SIGHUP or SIGINT it ends the
 * process by the same signal, with the terminal as it was. */
int bb_tui_run(const struct bb_tui_opts *opts);
#endif
