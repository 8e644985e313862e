/* SPDX-License-Identifier: GPL-3.0-or-later */
/* main.c - from a command line to an answer and an exit status. */
#include "base/escape.h"
#include "cli/plan_options.h"
#include "cli/progress.h"
#include "tui/tui.h"
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_NO = 1, EXIT_USAGE = 2 };

/* A closed stdin, stdout or stderr would give its number to the next file opened. The wrong direction makes using it
 * fail as on a closed one. */
static void hold_standard_files(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* Checkpoints and splits may have more files than the usual 1024 descriptors, all open at once. */
static void allow_files(void) {
    enum { MOST = 65536 };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= MOST) return;
    files.rlim_cur = files.rlim_max < MOST ? files.rlim_max : MOST;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

static void leave(int signal_number) {
    bb_sink_emergency();
    cli_progress_emergency();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void set_signals(void) {
    signal(SIGPIPE, SIG_IGN); /* write says EPIPE */
    signal(SIGXFSZ, SIG_IGN); /* write says EFBIG */
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct sigaction now, own = {.sa_handler = leave};
        sigemptyset(&own.sa_mask);
        /* What was ignored from the start (nohup) stays ignored. */
        if (!sigaction(ends[i], NULL, &now) && now.sa_handler != SIG_IGN) sigaction(ends[i], &own, NULL);
    }
}

static bb_status print(cli_output *o, void (*help)(bb_str *), const cli_command *command, bb_error *err) {
    bb_str s;
    bb_str_init(&s);
    if (command)
        cli_command_help(command, &s);
    else
        help(&s);
    bb_status status =
        s.failed ? bb_fail(err, BB_E_NOMEM, "out of memory") : cli_output_write(o, bb_str_c(&s), s.len, err);
    bb_str_clear(&s);
    return status;
}

static bb_status run_command(const cli_command *c, int argc, char **argv, int first, cli_call *call, bb_error *err) {
    char who[48];
    snprintf(who, sizeof who, "%s: ", c->name);
    bb_status s = cli_parse(argc, argv, first, c->options, c->numbers, false, who, &call->args, NULL, err);
    cli_isa_from_environment(&call->args);
    cli_output_init(&call->out, &call->args);
    if (s != BB_OK) return s;
    if (cli_has(&call->args, OPT_HELP)) return print(&call->out, NULL, c, err);
    size_t n = call->args.n_words;
    if (n < c->min_words) {
        s = bb_fail(err, BB_E_ARG, "%s%s is missing", who, c->words);
        bb_hint(err, "bitbudget %s --help says more", c->name);
        return s;
    }
    if (n > c->max_words) {
        char safe[96];
        return bb_fail(err, BB_E_ARG, "%sone word too many: '%s'", who,
                       bb_escape_buf(call->args.words[c->max_words], safe, sizeof safe));
    }
    if ((s = cli_output_refuse(&call->out, &call->args, err)) != BB_OK) return s;
    s = c->run(call, err);
    if (s == BB_OK)
        s = cli_output_finish(&call->out, err);
    else
        cli_output_abandon(&call->out);
    return s;
}

static int no_command(void) {
    bb_str s;
    bb_str_init(&s);
    cli_short_help(&s);
    bb_str_add(&s, "\nbitbudget --help says more; in a terminal bitbudget alone starts its screens\n");
    (void)!write(STDERR_FILENO, bb_str_c(&s), s.len);
    bb_str_clear(&s);
    return EXIT_USAGE;
}

static bb_status run_screens(cli_call *call, const char *screen, int *status, bb_error *err) {
    cli_args *args = &call->args;
    const char *color = args->value[OPT_COLOR];
    struct bb_tui_opts opts = {.screen = screen,
                               .ascii = cli_has(args, OPT_ASCII),
                               .models_path = args->value[OPT_MODELS],
                               .gpus_path = args->value[OPT_GPUS],
                               .model = args->value[OPT_MODEL],
                               .stores = &call->stores};
    char overheads[BB_PATH_SIZE], cards[128];
    if (cli_overheads_path(overheads, sizeof overheads)) opts.overheads_path = overheads;
    cli_tui_cards(args, cards, sizeof cards);
    if (*cards) opts.cards = cards;
    cli_isa_from_environment(args);
    bb_status s = cli_get_isa(args, &opts.isa, err);
    if (s != BB_OK) return s;
    if (color) opts.color = strcmp(color, "always") == 0 ? 1 : strcmp(color, "never") == 0 ? -1 : 0;
    *status = bb_tui_run(&opts);
    return BB_OK;
}

int main(int argc, char **argv) {
    hold_standard_files();
    allow_files();
    fesetenv(FE_DFL_ENV); /* results do not depend on what a preloaded library has set */
    setlocale(LC_CTYPE, "");
    set_signals();
    cli_call call = {0};
    cli_stores_init(&call.stores);
    bb_error err = {0};
    int first = 1, status = 0;
    bb_status s = cli_parse(argc, argv, 1, NULL, false, true, "", &call.args, &first, &err);
    cli_output_init(&call.out, &call.args);
    if (s == BB_OK && cli_has(&call.args, OPT_VERSION)) {
        s = cli_output_write(&call.out, "bitbudget " BB_VERSION "\n", sizeof "bitbudget " BB_VERSION, &err);
    } else if (s == BB_OK && first >= argc) {
        if (cli_has(&call.args, OPT_HELP))
            s = print(&call.out, cli_full_help, NULL, &err);
        else if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
            s = run_screens(&call, NULL, &status, &err);
        else
            status = no_command();
    } else if (s == BB_OK) {
        const cli_command *c = cli_command_find(argv[first], &err);
        call.args.dashes = false;
        s = c ? run_command(c, argc, argv, first + 1, &call, &err) : BB_E_ARG;
        if (s == BB_OK && call.screens)
            s = run_screens(&call, call.args.n_words ? call.args.words[0] : NULL, &status, &err);
    }
    if (s != BB_OK) {
        err.status = s;
        cli_print_error(&call.out, &err);
        status = bb_status_exit(s);
    } else if (!status && call.answer_no && cli_has(&call.args, OPT_CHECK))
        status = EXIT_NO;
    cli_args_clear(&call.args);
    return status;
}
