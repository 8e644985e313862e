/* SPDX-License-Identifier: GPL-3.0-or-later */
/* commands.h - the table of subcommands and what each is given. */
#ifndef BB_CLI_COMMANDS_H
#define BB_CLI_COMMANDS_H
#include "cli/option.h"
#include "cli/output.h"
#include "model/catalogue.h"
#include "model/stores.h"

typedef struct cli_call { /* one run of the program */
    cli_args args;
    cli_output out;
    bb_stores stores; /* where other programs keep models, as the environment says */
    bool screens;     /* set by the command that asks for them: main starts them */
    bool answer_no;   /* set by a command whose answer is "no": exit 1 under --check */
} cli_call;

typedef struct cli_command { /* a row of a constant table */
    const char *name;
    const char *words;   /* "VALUE..." */
    const char *summary; /* one line */
    const cli_option *options;
    size_t min_words, max_words;
    bool numbers;         /* words may be negative numbers by name: "-pi" */
    const char *examples; /* command lines without the program's name, each ended by a newline */
    bb_status (*run)(cli_call *call, bb_error *err);
} cli_command;

extern const cli_command cli_bits, cli_formats, cli_plan_command, cli_fit, cli_types, cli_rule, cli_inspect, cli_audit,
    cli_check, cli_compare, cli_error, cli_bench, cli_quantize, cli_data, cli_doctor, cli_tui;

/* The stores that this environment means. */
void cli_stores_init(bb_stores *stores);
/* BITBUDGET_ISA stands for --isa where that is not given. */
void cli_isa_from_environment(cli_args *args);
/* The user's file of measured overheads (XDG_DATA_HOME, else ~/.local/share); false when neither is known. */
bool cli_overheads_path(char *path, size_t size);
/* The cards of this machine as the screens' field takes them; "" when no driver tells of one. */
void cli_tui_cards(const cli_args *args, char *text, size_t size);
/* Its rows into a catalogue. */
bb_status cli_add_overheads(bb_catalogue *cat, bb_error *err);
/* The folder of ggml's libraries: --ggml, else GGML_DIR, else NULL. */
const char *cli_ggml_dir(const cli_args *args);

/* NULL past the end. */
const cli_command *cli_command_at(size_t i);
/* NULL when unknown: err offers the nearest. */
const cli_command *cli_command_find(const char *name, bb_error *err);

void cli_short_help(bb_str *out);
void cli_full_help(bb_str *out);
void cli_command_help(const cli_command *c, bb_str *out);
#endif
