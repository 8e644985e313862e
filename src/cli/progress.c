/* SPDX-License-Identifier: GPL-3.0-or-later */
/* progress.c - the progress line. */
#include "cli/progress.h"
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void *show(void *arg) {
    cli_progress *p = arg;
    bool shown = false;
    for (int tick = 0; !atomic_load(&p->stop); tick++) {
        struct timespec nap = {0, 100000000};
        nanosleep(&nap, NULL);
        uint64_t total = atomic_load(&p->progress.total), done = atomic_load(&p->progress.done);
        if (tick < 5 || total == 0) continue;
        char line[80];
        int n = snprintf(line, sizeof line, "\r\033[K%3.0f%%", 100.0 * (double)done / (double)total);
        if (n > 0) (void)!write(STDERR_FILENO, line, (size_t)n);
        shown = true;
    }
    if (shown) (void)!write(STDERR_FILENO, "\r\033[K", 4);
    return NULL;
}

void cli_progress_start(cli_progress *p, bool quiet) {
    bb_progress_init(&p->progress);
    atomic_init(&p->stop, false);
    p->running = !quiet && isatty(STDERR_FILENO) && pthread_create(&p->thread, NULL, show, p) == 0;
}

void cli_progress_end(cli_progress *p) {
    if (!p->running) return;
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    p->running = false;
}
