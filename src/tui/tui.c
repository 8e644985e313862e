/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tui.c - the loop: a key or a tick, then the screen again. */
#include "tui/tui.h"
#include "tui/app.h"
#include "tui/terminal.h"
#include <signal.h>
#include <stdio.h>

enum { TICK_MS = 150, BURST = 256 /* keys of a paste between two drawings */ };

static int complain(const bb_error *err) {
    (void)fprintf(stderr, "bitbudget: %s\n", err->text);
    if (err->hint[0]) (void)fprintf(stderr, "%s\n", err->hint);
    return bb_status_exit(err->status);
}

int bb_tui_run(const struct bb_tui_opts *opts) {
    bb_error err = {.status = BB_OK};
    bb_app *app = NULL;
    /* The terminal first: where there is none, that is what has to be said. */
    bb_status st = bb_term_start(opts->color, opts->ascii, &err);
    if (st == BB_OK) st = bb_app_new(opts, &app, &err);
    if (st != BB_OK) {
        bb_term_stop();
        return complain(&err);
    }
    bool draw = true;
    while (!app->done && !bb_term_signal()) {
        if (bb_term_resized()) draw = true;
        if (draw) bb_app_draw(app);
        int key = bb_term_key(bb_app_pending(app) ? 0 : TICK_MS);
        if (key == BB_KEY_LOST) break;
        draw = key != BB_KEY_NONE;
        for (int i = 0; i < BURST && key >= 0 && !app->done && !bb_term_signal(); i++) {
            bb_app_key(app, key);
            key = bb_term_key(0);
        }
        if (key == BB_KEY_LOST) break;
        if (bb_app_tick(app)) draw = true;
    }
    int sig = bb_term_signal();
    bb_app_free(app);
    bb_term_stop();
    if (sig) {
        (void)signal(sig, SIG_DFL);
        (void)raise(sig);
    }
    return 0;
}
