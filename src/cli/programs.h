/* SPDX-License-Identifier: GPL-3.0-or-later */
/* programs.h - the options of the programs whose command lines can be planned, and what each means here. */
#ifndef BB_CLI_PROGRAMS_H
#define BB_CLI_PROGRAMS_H
#include "cli/option.h"

/* How an option of theirs is read. All but the three last take a value. */
typedef enum cli_take {
    TAKE_VALUE,    /* ours as it stands */
    TAKE_MODEL,    /* a file or a name */
    TAKE_HF,       /* ORG/NAME[:TYPE] of the hub */
    TAKE_HF_FILE,  /* one file of it */
    TAKE_TOKENS,   /* 0 or less: its own default */
    TAKE_POOL,     /* tokens of each sequence in one pool (--kv-unified-per-slot) */
    TAKE_SLOTS,    /* sequences; below 0: as many as the program likes */
    TAKE_LAYERS,   /* auto, all, a number; below 0: all */
    TAKE_SPLIT,    /* of row, layer, none and tensor the last is not planned */
    TAKE_LOADING,  /* how a file is read: mapped or not */
    TAKE_FIT,      /* whether llama.cpp shrinks what was not asked */
    TAKE_LIST,     /* llama-bench: several values, of which the first is planned */
    TAKE_PROMPT,   /* llama-bench: tokens of its tests */
    TAKE_GENERATE, /* llama-bench */
    TAKE_PAIR,     /* llama-bench: prompt and generation in one test */
    TAKE_DEPTH,    /* llama-bench */
    TAKE_LENGTH,   /* vllm: 32768, 32k (32000) or 32K (32768) */
    TAKE_KV,       /* vllm: auto, fp8, ... */
    TAKE_DTYPE,    /* vllm: half, bfloat16, ... */
    TAKE_METHOD,   /* vllm: a method of quantization */
    TAKE_CACHE,    /* ollama: f16, q8_0, q4_0 */
    TAKE_ROPE,     /* vllm: JSON that may stretch the positions, and change what is not planned */
    TAKE_SWITCH,   /* 0, 1, on, off, true, false: a flag of ours */
    TAKE_TELL,     /* takes memory that is not planned: the reader is told */
    TAKE_QUIET,    /* changes no memory */
    TAKE_WHEN,     /* a switch whose value may be left out */
    TAKE_FLAG,     /* a flag of ours */
    TAKE_NOT,      /* takes a flag of ours back */
    TAKE_EMBED,    /* the model embeds: a row of outputs for each token of a batch */
    TAKE_TELL_FLAG /* as TAKE_TELL */
} cli_take;

typedef struct cli_program_option {
    const char *names; /* separated by blanks; one without '-' is a variable of the environment */
    cli_take take;
    cli_id id; /* ours, where it has one */
} cli_program_option;

typedef struct cli_program { /* a row of a constant table */
    const char *name, *engine;
    const char *verb;                  /* the word behind the name that is read ("serve"), which is needed; "" */
    const cli_program_option *options; /* ends with names NULL */
    const char *valued, *flags;        /* names of options that change no memory, each between blanks */
    bool word_model;                   /* the first word that is no option is the model */
    unsigned slots; /* sequences when none are asked; logits of one token of each, as llama-server asks them. 0: of all
                     * tokens of a batch */
} cli_program;

/* The program that a command's first word names, with or without a path; NULL when it is not known. */
const cli_program *cli_program_find(const char *word);
/* Whether a word starts Python, which runs a program of it by "-m MODULE". */
bool cli_is_python(const char *word);
const cli_program *cli_program_at(size_t i); /* NULL past the end */
/* The row of an option, its name `length` bytes long; NULL when it has none. */
const cli_program_option *cli_program_option_find(const cli_program *p, const char *name, size_t length);
/* The option of theirs that means one of ours, as it is written on a command line; NULL when there is none. */
const char *cli_program_option_for(const cli_program *p, cli_id id);
#endif
