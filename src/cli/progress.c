/* SPDX-License-Identifier: GPL-3.0-or-later */
/* progress.c - the progress line, and the key that cancels. */
#include "cli/progress.h"
#include "base/units.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { ESC = 27, TICK_MS = 100, FIRST_TICK = 5, LINE = 160 };

/* The mode that the terminal had, for a signal handler too. */
static struct termios terminal_mode;
static volatile sig_atomic_t terminal_changed, line_shown;

/* Keys come one by one, without Enter and unseen; ^C stays a signal. Only in the foreground: a job in the background
 * must not touch the terminal. */
static bool watch_keys(void) {
    struct termios quick;
    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &terminal_mode) != 0)
        return false;
    quick = terminal_mode;
    quick.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    quick.c_cc[VMIN] = 0;
    quick.c_cc[VTIME] = 0;
    terminal_changed = 1;
    return tcsetattr(STDIN_FILENO, TCSANOW, &quick) == 0;
}

void cli_progress_emergency(void) {
    if (line_shown) (void)!write(STDERR_FILENO, "\r\033[K", 4);
    line_shown = 0;
    if (!terminal_changed) return;
    terminal_changed = 0;
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal_mode);
}

/* Esc alone: what begins with it is the sequence of another key. Waits one tick for a key. */
static bool escape_pressed(bool keys) {
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned char got[64];
    if (!keys) {
        struct timespec nap = {0, TICK_MS * 1000000L};
        nanosleep(&nap, NULL);
        return false;
    }
    if (poll(&in, 1, TICK_MS) <= 0) return false;
    if (!(in.revents & POLLIN)) { /* the terminal is gone */
        struct timespec nap = {0, TICK_MS * 1000000L};
        nanosleep(&nap, NULL);
        return false;
    }
    ssize_t n = read(STDIN_FILENO, got, sizeof got);
    return n == 1 && got[0] == ESC;
}

static int tell_speed(char *line, size_t size, uint64_t done, uint64_t total, double seconds) {
    char a[32], b[32], c[32];
    double speed = seconds > 0 ? (double)done / seconds : 0;
    double left = speed > 0 ? (double)(total - done) / speed : 0;
    if (speed < 1 || left > 360000) return 0;
    return snprintf(line, size, "  %s of %s  %s/s  eta %d:%02d", bb_bytes_text(done, false, a),
                    bb_bytes_text(total, false, b), bb_bytes_text((uint64_t)speed, false, c), (int)left / 60,
                    (int)left % 60);
}

/* Columns that a line may take, so that the next one covers it. */
static size_t room(void) {
    struct winsize w;
    size_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col : 80;
    return columns - 1;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *show(void *arg) {
    cli_progress *p = arg;
    bool keys = watch_keys();
    double begun = now();
    uint64_t total_then = 0;
    for (int tick = 0; !atomic_load(&p->stop); tick++) {
        if (escape_pressed(keys)) atomic_store(&p->progress.cancel, true);
        uint64_t total = atomic_load(&p->progress.total), done = atomic_load(&p->progress.done);
        if (total != total_then) begun = now(); /* another leg of the job */
        total_then = total;
        if (tick < FIRST_TICK || total == 0 || p->quiet) continue;
        if (done > total) done = total;
        char line[LINE] = "\r\033[K";
        const char *what = atomic_load(&p->progress.now);
        const size_t erase = strlen(line), most = erase + room() < sizeof line - 1 ? erase + room() : sizeof line - 1;
        int n = snprintf(line + erase, sizeof line - erase, "%3.0f%%", 100.0 * (double)done / (double)total);
        if (n > 0) n += (int)erase;
        if (n > 0 && p->bytes) n += tell_speed(line + n, sizeof line - (size_t)n, done, total, now() - begun);
        if (n > 0 && (size_t)n < sizeof line && (what || *p->progress.what))
            n += snprintf(line + n, sizeof line - (size_t)n, "  %.40s", what ? what : p->progress.what);
        line_shown = 1;
        if (n > 0) (void)!write(STDERR_FILENO, line, (size_t)n < most ? (size_t)n : most);
    }
    cli_progress_emergency();
    return NULL;
}

void cli_progress_start(cli_progress *p, bool quiet) {
    bb_progress_init(&p->progress);
    atomic_init(&p->stop, false);
    p->quiet = quiet;
    p->running = isatty(STDERR_FILENO) && pthread_create(&p->thread, NULL, show, p) == 0;
}

void cli_progress_end(cli_progress *p) {
    if (!p->running) return;
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    p->running = false;
}
