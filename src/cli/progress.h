/* SPDX-License-Identifier: GPL-3.0-or-later */
/* progress.h - one line on stderr while a long job runs, when stderr is a terminal; Esc there cancels. */
#ifndef BB_CLI_PROGRESS_H
#define BB_CLI_PROGRESS_H
#include "study/study.h"
#include <pthread.h>

typedef struct cli_progress {
    bb_progress progress;
    pthread_t thread;
    bool running, quiet;
    bool bytes; /* done and total are bytes: the line tells their speed */
    atomic_bool stop;
} cli_progress;

/* Shows nothing in the first half second, nor when quiet, but the key counts then too. */
void cli_progress_start(cli_progress *p, bool quiet);
/* Erases the line. */
void cli_progress_end(cli_progress *p);
/* Gives the terminal its own mode back and erases the line; safe in a signal handler. */
void cli_progress_emergency(void);
#endif
