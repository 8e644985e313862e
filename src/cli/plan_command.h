/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_command.h - the command line of another program as a plan of ours, and a plan of ours as such a command line. */
#ifndef BB_CLI_PLAN_COMMAND_H
#define BB_CLI_PLAN_COMMAND_H
#include "cli/plan_options.h"
#include "cli/programs.h"

typedef struct cli_their_command {
    const cli_program *program;
    const char **all;         /* every word of the call; owned */
    const char *const *words; /* [n] variables, the program and its options; part of `all` */
    size_t n;
    size_t model_word; /* the word that names the model; n = none does */
    /* what the model decides once it is known */
    uint64_t pool_ctx; /* tokens of each slot in one pool; 0 = not asked */
    bool embeds;       /* logits of every token */
    bool shrinks;      /* llama.cpp fits what was not asked to the free memory: */
    bool ctx_asked, layers_asked;
    const char *dtype; /* vllm: of tensors that are not quantized; NULL = the model's */
    /* llama-bench: the longest of its tests */
    uint64_t prompt, generate, pair, depth;
    char **kept; /* [n_kept] owned: values that are spelled in our way */
    size_t n_kept, cap_kept;
    char model[512]; /* as it was found */
    char type[24];   /* weights that a name stands for */
} cli_their_command;

/* Whether the words of a call are such a command: what stands behind "--". */
bool cli_is_command(const cli_args *args);
/* To be cleared in every case, and not before the call is done. Reads it into the options of `call` that were not given
 * before the "--", and makes its words the one MODEL: that before the "--" where there is one, else the command's own;
 * one that is not on this disk is looked for in the catalogue by its name. What takes memory that is not planned, and
 * what is not known, is told on stderr. */
bb_status cli_command_read(cli_call *call, cli_their_command *c, bb_error *err);
void cli_command_clear(cli_their_command *c);
/* What the program chooses once it has seen the model. */
bb_status cli_command_finish(const cli_their_command *c, cli_plan *p, bb_error *err);
/* What the program would do itself about a plan that does not fit: a sentence, or "" (buf is [160]). */
const char *cli_command_shrinks(const cli_their_command *c, char *buf);
/* The command with what differs between two requests; false when an option of it cannot say it. */
bool cli_command_with(const cli_their_command *c, const bb_plan_request *from, const bb_plan_request *to, bb_str *out);
#endif
