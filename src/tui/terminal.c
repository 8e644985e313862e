/* SPDX-License-Identifier: GPL-3.0-or-later */
/* terminal.c - taking the terminal and giving it back, whatever happens in between; keys from it.
 *
 * Signals: those that ask (TERM, HUP, INT) only set a flag; asked a second time, or after a crash, the terminal is put
 * back with calls that are safe in a handler (tcflush, tcsetattr, write) and the signal takes its course. Stopping and
 * going on (TSTP, CONT) and changes of size (WINCH) are ncurses' own business. */
#include "tui/terminal.h"
#include "base/sink.h"
#include "tui/glyphs.h"
#include "tui/theme.h"
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static SCREEN *screen;
static volatile sig_atomic_t active, asked;
static FILE *captured; /* what stderr got while the screen is ours */
static int real_stderr = -1;
static int pending[4], n_pending; /* UTF-8 bytes of a code point that is not whole yet */

static const int soft_signals[] = {SIGTERM, SIGHUP, SIGINT};
static const int hard_signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT};
enum { N_SOFT = sizeof soft_signals / sizeof *soft_signals, N_HARD = sizeof hard_signals / sizeof *hard_signals };
static struct sigaction old_actions[N_SOFT + N_HARD];

/* Copies what stderr got to where it belongs. Only calls that are safe in a signal handler. */
static void replay_stderr(void) {
    if (real_stderr < 0) return;
    char buf[4096];
    int from = dup(STDERR_FILENO);
    (void)dup2(real_stderr, STDERR_FILENO);
    if (from >= 0) {
        off_t at = 0;
        ssize_t n;
        while ((n = pread(from, buf, sizeof buf, at)) > 0) {
            if (write(STDERR_FILENO, buf, (size_t)n) < 0) break;
            at += n;
        }
        (void)close(from);
    }
    (void)close(real_stderr);
    real_stderr = -1;
}

static void give_back_now(void) {
    static const char reset[] = "\033[?1000l\033[?25h\033[?1049l\033[0m\r\n";
    (void)tcflush(STDOUT_FILENO, TCOFLUSH);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    if (write(STDOUT_FILENO, reset, sizeof reset - 1) < 0) return;
}

static void on_hard(int sig) {
    if (active) {
        active = 0;
        give_back_now();
        replay_stderr();
    }
    bb_sink_emergency();
    (void)signal(sig, SIG_DFL);
    (void)raise(sig);
}

static void on_soft(int sig) {
    if (asked) on_hard(sig); /* the loop does not come round: perhaps the terminal takes no output */
    asked = sig;
}

static void set_handlers(void) {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    (void)sigemptyset(&a.sa_mask);
    a.sa_handler = on_soft;
    for (size_t i = 0; i < N_SOFT; i++) (void)sigaction(soft_signals[i], &a, &old_actions[i]);
    a.sa_handler = on_hard;
    a.sa_flags = (int)(SA_RESETHAND | SA_NODEFER);
    for (size_t i = 0; i < N_HARD; i++) (void)sigaction(hard_signals[i], &a, &old_actions[N_SOFT + i]);
}

static void reset_handlers(void) {
    for (size_t i = 0; i < N_SOFT; i++) (void)sigaction(soft_signals[i], &old_actions[i], NULL);
    for (size_t i = 0; i < N_HARD; i++) (void)sigaction(hard_signals[i], &old_actions[N_SOFT + i], NULL);
}

static void capture_stderr(void) {
    if (!isatty(STDERR_FILENO)) return; /* it disturbs nothing */
    (void)fflush(stderr);
    captured = tmpfile();
    if (!captured) return;
    real_stderr = dup(STDERR_FILENO);
    if (real_stderr >= 0) (void)dup2(fileno(captured), STDERR_FILENO);
}

static bool wants_color(int color) {
    const char *no = getenv("NO_COLOR");
    return color > 0 || (color == 0 && !(no && *no));
}

bb_status bb_term_start(int color, bool ascii, bb_error *err) {
    const char *term = getenv("TERM");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &saved) != 0) {
        bb_status st = bb_fail(err, BB_E_ARG, "the screens need a terminal");
        bb_hint(err, "try `bitbudget plan llama-3.1-8b`, or `bitbudget --help`");
        return st;
    }
    if (term && strcmp(term, "dumb") == 0)
        return bb_fail(err, BB_E_ARG, "the screens need a terminal that can place its cursor; TERM is 'dumb'");
    (void)setlocale(LC_CTYPE, "");
    use_env(FALSE); /* the size comes from the terminal, not from LINES and COLUMNS */
    use_tioctl(TRUE);
    screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &saved);
        return bb_fail(err, BB_E_ARG, "the terminal type '%.40s' is not known here", term && *term ? term : "(unset)");
    }
    active = 1;
    asked = 0;
    set_handlers();
    capture_stderr();
    static bool registered;
    if (!registered) registered = atexit(bb_term_stop) == 0;
    (void)cbreak();
    (void)noecho();
    (void)nonl();
    (void)keypad(stdscr, TRUE);
    (void)curs_set(0);
    (void)set_escdelay(25);
    bb_theme_start(wants_color(color));
    bb_glyphs_start(ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0);
    return BB_OK;
}

void bb_term_stop(void) {
    if (!screen) return;
    (void)endwin();
    active = 0;
    delscreen(screen);
    screen = NULL;
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    reset_handlers();
    (void)fflush(stderr);
    replay_stderr();
    if (captured) (void)fclose(captured);
    captured = NULL;
}

int bb_term_signal(void) { return asked; }

static const struct {
    int curses, key;
} function_keys[] = {
    {KEY_UP, BB_KEY_UP},         {KEY_DOWN, BB_KEY_DOWN},   {KEY_LEFT, BB_KEY_LEFT},  {KEY_RIGHT, BB_KEY_RIGHT},
    {KEY_HOME, BB_KEY_HOME},     {KEY_END, BB_KEY_END},     {KEY_PPAGE, BB_KEY_PGUP}, {KEY_NPAGE, BB_KEY_PGDN},
    {KEY_BTAB, BB_KEY_BACKTAB},  {KEY_DC, BB_KEY_DELETE},   {KEY_F(1), BB_KEY_F1},    {KEY_BACKSPACE, BB_KEY_BACKSPACE},
    {KEY_RESIZE, BB_KEY_RESIZE}, {KEY_ENTER, BB_KEY_ENTER},
};

/* Bytes become code points here: ncurses' own decoder swallows good keys after a bad byte. */
static int take_byte(int c) {
    if (c < 0x80) {
        n_pending = 0;
        if (c == '\r') return BB_KEY_ENTER;
        return c == 127 || c == 8 ? BB_KEY_BACKSPACE : c == 0 ? BB_KEY_OTHER : c;
    }
    if ((c & 0xC0) != 0x80)
        n_pending = 0;
    else if (n_pending == 0)
        return BB_KEY_OTHER;
    pending[n_pending++] = c;
    int lead = pending[0], need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (n_pending < need) return BB_KEY_NONE;
    int v = need == 2 ? lead & 0x1F : need == 3 ? lead & 0x0F : lead & 0x07;
    for (int i = 1; i < need; i++) v = v << 6 | (pending[i] & 0x3F);
    n_pending = 0;
    bool good = v >= (need == 2 ? 0x80 : need == 3 ? 0x800 : 0x10000) && v < 0x110000 && !(v >= 0xD800 && v < 0xE000);
    return good && !bb_glyphs_ascii() ? v : BB_KEY_OTHER;
}

/* With use_env(FALSE) ncurses does not ask for the new size itself, and of a change while the program was stopped it
 * says nothing at all. */
bool bb_term_resized(void) {
    struct winsize w;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || !w.ws_row || !w.ws_col) return false;
    if (!is_term_resized(w.ws_row, w.ws_col)) return false;
    (void)resize_term(w.ws_row, w.ws_col); /* resizeterm would put a further KEY_RESIZE into the queue */
    (void)clearok(stdscr, TRUE);
    return true;
}

int bb_term_key(int timeout_ms) {
    timeout(0);
    for (;;) {
        errno = 0;
        int c = getch();
        if (c == ERR) {
            if (errno == EIO) return BB_KEY_LOST;
            if (asked) return BB_KEY_NONE;
            struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
            int n = poll(&p, 1, timeout_ms);
            if (n > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL))) return BB_KEY_LOST;
            if (n > 0) {
                errno = 0;
                c = getch();
                /* Readable, and nothing to read: end of input. */
                if (c == ERR && (errno == EIO || tcgetpgrp(STDIN_FILENO) < 0)) return BB_KEY_LOST;
                if (c == ERR) return BB_KEY_NONE;
            } else if (n < 0 && errno == EINTR) {
                c = getch(); /* a change of size arrives as a key */
                if (c == ERR) return BB_KEY_NONE;
            } else {
                return BB_KEY_NONE;
            }
        }
        if (c == KEY_RESIZE) {
            (void)bb_term_resized();
            (void)clearok(stdscr, TRUE);
        }
        for (size_t i = 0; i < sizeof function_keys / sizeof *function_keys; i++)
            if (function_keys[i].curses == c) return function_keys[i].key;
        if (c >= KEY_MIN) return BB_KEY_OTHER;
        int key = take_byte(c & 0xFF);
        if (key != BB_KEY_NONE) return key;
    }
}
