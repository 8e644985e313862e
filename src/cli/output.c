/* SPDX-License-Identifier: GPL-3.0-or-later */
/* output.c - writing answers and messages; the only place that knows about closed pipes, full disks and colour. */
#include "cli/output.h"
#include "base/escape.h"
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && bb_name_eq(text + n - m, end);
}

void cli_output_init(cli_output *o, const cli_args *args) {
    *o = (cli_output){.form = BB_TABLE_TEXT};
    o->path = args->value[OPT_REPORT];
    if (o->path && strcmp(o->path, "-") == 0) o->path = NULL; /* standard output */
    if (cli_has(args, OPT_CSV))
        o->form = BB_TABLE_CSV;
    else if (cli_has(args, OPT_JSON))
        o->form = BB_TABLE_JSON;
    else if (cli_has(args, OPT_MD))
        o->form = BB_TABLE_MARKDOWN;
    else if (o->path && ends_with(o->path, ".csv"))
        o->form = BB_TABLE_CSV;
    else if (o->path && ends_with(o->path, ".json"))
        o->form = BB_TABLE_JSON;
    else if (o->path && ends_with(o->path, ".md"))
        o->form = BB_TABLE_MARKDOWN;
    o->force = cli_has(args, OPT_FORCE);
    o->quiet = cli_has(args, OPT_QUIET);
    o->verbose = cli_has(args, OPT_VERBOSE);
    o->si = cli_has(args, OPT_SI);
    o->ascii = cli_has(args, OPT_ASCII) || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    const char *when = args->value[OPT_COLOR], *no = getenv("NO_COLOR"), *term = getenv("TERM");
    if (when && !strcmp(when, "always"))
        o->color = true;
    else if (when && !strcmp(when, "never"))
        o->color = false;
    else
        o->color = !o->path && isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

/* Where the last name of a path begins, and in *end where it ends: '/' behind it say that it is a folder. */
static size_t last_name(const char *path, size_t *end) {
    size_t at;
    *end = strlen(path);
    while (*end > 1 && path[*end - 1] == '/') --*end;
    for (at = *end; at && path[at - 1] != '/'; at--)
        ;
    return at;
}

/* Whether two paths name one entry of one folder; the entry need not be there. */
static bool same_entry(const char *a, const char *b) {
    char x[4096], y[4096];
    struct stat s, t;
    size_t a_end, b_end, n = last_name(a, &a_end), m = last_name(b, &b_end);
    if (a_end - n != b_end - m || memcmp(a + n, b + m, a_end - n) != 0) return false;
    int i = snprintf(x, sizeof x, "%.*s.", (int)n, a), k = snprintf(y, sizeof y, "%.*s.", (int)m, b);
    if (i < 0 || k < 0 || (size_t)i >= sizeof x || (size_t)k >= sizeof y) return false;
    return stat(x, &s) == 0 && stat(y, &t) == 0 && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

static bool same_file(const char *a, const char *b) {
    return strcmp(a, b) == 0 || bb_sink_refuse_name(a, b, NULL) != BB_OK || same_entry(a, b);
}

bb_status cli_output_refuse(const cli_output *o, const cli_args *args, bb_error *err) {
    static const struct {
        cli_id id;
        const char *name;
    } outputs[] = {{OPT_REPORT, "--report"},
                   {OPT_SVG, "--svg"},
                   {OPT_SAVE_IMATRIX, "--save-imatrix"},
                   {OPT_SAVE_INPUTS, "--save-inputs"}};
    static const cli_id files[] = {OPT_OUTPUT, OPT_IMATRIX, OPT_VOCAB, OPT_MODELS,       OPT_GPUS,
                                   OPT_TEXT,   OPT_INPUTS,  OPT_SVG,   OPT_SAVE_IMATRIX, OPT_SAVE_INPUTS};
    enum { N_OUTPUTS = sizeof outputs / sizeof *outputs, N_FILES = sizeof files / sizeof *files };
    for (size_t k = 0; k < N_OUTPUTS; k++) {
        cli_id id = outputs[k].id;
        const char *path = id == OPT_REPORT ? o->path : args->value[id];
        for (size_t i = 0; path && i < N_FILES + args->n_words; i++) {
            const char *file = i < N_FILES ? args->value[files[i]] : args->words[i - N_FILES];
            if (!file || (i < N_FILES && files[i] == id) || !same_file(file, path)) continue;
            char safe[256];
            return bb_fail(err, BB_E_ARG, "%s %s: is another file of the same command", outputs[k].name,
                           bb_escape_buf(path, safe, sizeof safe));
        }
    }
    return BB_OK;
}

static bb_status write_fd(int fd, const char *data, size_t n) {
    while (n) {
        ssize_t k = write(fd, data, n);
        if (k > 0) {
            data += k;
            n -= (size_t)k;
        } else if (k < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            if (poll(&p, 1, -1) < 0 && errno != EINTR) return BB_E_WRITE;
        } else if (k < 0 && errno != EINTR)
            return BB_E_WRITE;
    }
    return BB_OK;
}

bb_status cli_output_begin(cli_output *o, bb_error *err) {
    return !o->path || o->sink ? BB_OK : bb_sink_open(o->path, 0, o->force, &o->sink, err);
}

bb_status cli_output_write(cli_output *o, const char *data, size_t n, bb_error *err) {
    if (o->path) {
        bb_status s = cli_output_begin(o, err);
        if (s == BB_OK) s = bb_sink_write(o->sink, o->written, data, n, err);
        o->written += n;
        return s;
    }
    if (write_fd(STDOUT_FILENO, data, n) == BB_OK) return BB_OK;
    o->closed_pipe = errno == EPIPE;
    return bb_fail(err, BB_E_WRITE, "standard output: %s",
                   errno == EBADF    ? "it is closed"
                   : errno == ENOSPC ? "no space is left"
                                     : strerror(errno));
}

/* Characters beyond ASCII as \u{...}; our own text has none, so they come from files. */
static void add_ascii(bb_str *out, const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text, *end = p + n;
    while (p < end) {
        size_t more = *p >= 0xF0 ? 3 : *p >= 0xE0 ? 2 : *p >= 0xC0 ? 1 : 0;
        if (*p < 0x80)
            bb_str_addn(out, (const char *)p++, 1);
        else if (!more || (size_t)(end - p) <= more)
            bb_str_addf(out, "\\x%02X", *p++);
        else {
            uint32_t c = *p & (0x3Fu >> more);
            for (size_t i = 1; i <= more; i++) c = c << 6 | (p[i] & 0x3Fu);
            bb_str_addf(out, "\\u{%04X}", (unsigned)c);
            p += more + 1;
        }
    }
}

/* The words of a verdict in their colours; colour never carries a meaning alone. */
static void add_colored(bb_str *out, const char *text, size_t n) {
    static const struct {
        const char *word, *on;
    } roles[] = {{"DOES NOT FIT", "\033[31;1m"}, {"MAY FIT", "\033[33;1m"}, {"FITS", "\033[32;1m"}};
    enum { ROLES = sizeof roles / sizeof *roles };
    for (const char *p = text, *end = text + n; p < end;) {
        size_t r = 0;
        bool starts = p == text || p[-1] == ' ' || p[-1] == '\n';
        while (r < ROLES && !(starts && !strncmp(p, roles[r].word, strlen(roles[r].word)))) r++;
        if (r == ROLES)
            bb_str_addn(out, p++, 1);
        else {
            bb_str_addf(out, "%s%s\033[0m", roles[r].on, roles[r].word);
            p += strlen(roles[r].word);
        }
    }
}

/* A table on its way out. */
typedef struct pieces {
    cli_output *o;
    bb_error *err;
    bb_status status;
    bool skip_line; /* the header of a CSV that goes on */
} pieces;

static bool put_piece(void *ctx, const char *data, size_t n) {
    pieces *p = ctx;
    cli_output *o = p->o;
    bb_str ascii, painted, copy;
    bb_str_init(&ascii);
    bb_str_init(&painted);
    bb_str_init(&copy);
    if (p->skip_line) {
        const char *end = memchr(data, '\n', n);
        size_t line = end ? (size_t)(end - data) + 1 : 0;
        data += line;
        n -= line;
        p->skip_line = false;
    }
    bool failed = false;
    if ((o->form == BB_TABLE_TEXT || o->form == BB_TABLE_MARKDOWN) && o->ascii) {
        add_ascii(&ascii, data, n);
        failed = ascii.failed;
        data = bb_str_c(&ascii);
        n = ascii.len;
    }
    if (o->form == BB_TABLE_TEXT && o->color) {
        /* add_colored compares words: the text must end */
        bb_str_addn(&copy, data, n);
        add_colored(&painted, bb_str_c(&copy), copy.len);
        failed = failed || copy.failed || painted.failed;
        data = bb_str_c(&painted);
        n = painted.len;
    }
    p->status = failed ? bb_fail(p->err, BB_E_NOMEM, "out of memory") : cli_output_write(o, data, n, p->err);
    bb_str_clear(&ascii);
    bb_str_clear(&painted);
    bb_str_clear(&copy);
    return p->status == BB_OK;
}

bb_status cli_output_table(cli_output *o, bb_table *t, bool headless, bb_error *err) {
    if (!t) return bb_fail(err, BB_E_NOMEM, "out of memory");
    pieces p = {.o = o, .err = err, .skip_line = headless && o->form == BB_TABLE_CSV};
    bb_status status = bb_table_write(t, o->form, put_piece, &p);
    bb_table_free(t);
    if (p.status != BB_OK) return p.status;
    return status == BB_OK ? status : bb_fail(err, status, "%s", bb_status_text(status));
}

bb_status cli_output_finish(cli_output *o, bb_error *err) {
    bb_sink *sink = o->sink;
    o->sink = NULL;
    return sink ? bb_sink_commit(sink, err) : BB_OK;
}

void cli_output_abandon(cli_output *o) {
    bb_sink_abandon(o->sink);
    o->sink = NULL;
}

static void message(const cli_output *o, const char *lead, const char *text) {
    bb_str s;
    bb_str_init(&s);
    bb_str_add(&s, lead);
    if (o->ascii)
        add_ascii(&s, text, strlen(text));
    else
        bb_str_add(&s, text);
    bb_str_add(&s, "\n");
    /* When stderr takes nothing either, there is nobody left to tell. */
    if (!s.failed)
        (void)write_fd(STDERR_FILENO, bb_str_c(&s), s.len);
    else if (write_fd(STDERR_FILENO, lead, strlen(lead)) == BB_OK &&
             write_fd(STDERR_FILENO, text, strlen(text)) == BB_OK)
        (void)write_fd(STDERR_FILENO, "\n", 1);
    bb_str_clear(&s);
}

void cli_warn(const cli_output *o, const char *fmt, ...) {
    if (o->quiet) return;
    char text[768];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    message(o, "bitbudget: warning: ", text);
}

void cli_print_error(const cli_output *o, const bb_error *err) {
    if (o->closed_pipe) return;
    message(o, "bitbudget: ", *err->text ? err->text : bb_status_text(err->status));
    if (*err->hint) message(o, "  ", err->hint);
}
