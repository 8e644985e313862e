/* SPDX-License-Identifier: GPL-3.0-or-later */
/* option.h - option tables: the parser and --help read the same rows. */
#ifndef BB_CLI_OPTION_H
#define BB_CLI_OPTION_H
#include "base/cpu.h"
#include "base/str.h"

typedef enum cli_id {
    OPT_HELP,
    OPT_VERSION,
    OPT_CSV,
    OPT_JSON,
    OPT_MD,
    OPT_REPORT,
    OPT_FORCE,
    OPT_QUIET,
    OPT_VERBOSE,
    OPT_COLOR,
    OPT_ASCII,
    OPT_CHECK,
    OPT_THREADS,
    OPT_ISA,
    OPT_SEED,
    OPT_SI,
    OPT_MODELS,
    OPT_GPUS,
    OPT_TO,
    OPT_FROM,
    OPT_ROUND,
    OPT_OVERFLOW,
    OPT_NAN,
    OPT_VIA,
    OPT_EXACT,
    OPT_SCALE,
    OPT_ABSMAX,
    OPT_TABLE,
    OPT_FOR,
    OPT_ENGINE,
    OPT_WEIGHTS,
    OPT_CTX,
    OPT_BATCH,
    OPT_UBATCH,
    OPT_PARALLEL,
    OPT_KV_UNIFIED,
    OPT_KV,
    OPT_KV_K,
    OPT_KV_V,
    OPT_FLASH_ATTN,
    OPT_GPU_LAYERS,
    OPT_OUTPUTS,
    OPT_GPU,
    OPT_MEMORY,
    OPT_OVERHEAD,
    OPT_BANDWIDTH,
    OPT_FLOPS,
    OPT_BACKEND,
    OPT_SPLIT_MODE,
    OPT_TENSOR_SPLIT,
    OPT_MAIN_GPU,
    OPT_KV_HOST,
    OPT_SWA_FULL,
    OPT_NO_OP_OFFLOAD,
    OPT_NO_MMAP,
    OPT_CPU_MOE,
    OPT_N_CPU_MOE,
    OPT_OVERRIDE_TENSOR,
    OPT_DRY_RUN_RULE,
    OPT_WITH_IMATRIX,
    OPT_UTILIZATION,
    OPT_TENSOR_PARALLEL,
    OPT_PIPELINE_PARALLEL,
    OPT_BLOCK_SIZE,
    OPT_EAGER,
    OPT_LONG_CTX,
    OPT_MEASURE_HOST,
    OPT_SWEEP,
    OPT_MATRIX,
    OPT_MEASURE,
    OPT_LEARN,
    OPT_EXPLAIN,
    OPT_SOLVE,
    OPT_TYPES,
    OPT_TOKENS,
    OPT_ROWS,
    OPT_ONLY,
    OPT_OUT,
    OPT_IN,
    OPT_SECONDS,
    OPT_EVERY,
    OPT_PEERS,
    OPT_GGML,
    OPT_MODEL,
    OPT_ARCH,
    OPT_VENDOR,
    OPT_MIN_PARAMS,
    OPT_MAX_PARAMS,
    OPT_MIN_MEMORY,
    OPT_MAX_MEMORY,
    OPT_OUTPUT,
    OPT_TYPE,
    OPT_DRY_RUN,
    OPT_IMATRIX,
    OPT_VOCAB,
    OPT_PURE,
    OPT_TENSOR_TYPE,
    OPT_OUTPUT_TYPE,
    OPT_EMBEDDING_TYPE,
    OPT_LEAVE_OUTPUT,
    OPT_REQUANTIZE,
    OPT_ALLOW_NONFINITE,
    OPT_COMPAT,
    OPT_SEARCH,
    OPT_TARGET_SIZE,
    OPT_TARGET_BPW,
    OPT_KEEP_SPLIT,
    OPT_SPLIT_SIZE,
    OPT_PART,
    OPT_GRANULARITY,
    OPT_ASYMMETRIC,
    OPT_DOUBLE_QUANT,
    OPT_LAYOUT,
    OPT_OUTLIER,
    OPT_TEXT,
    OPT_CHUNKS,
    OPT_INPUT,
    OPT_INPUTS,
    OPT_SKIP_NONFINITE,
    OPT_RANK,
    OPT_SVG,
    OPT_SAVE_INPUTS,
    OPT_SAVE_IMATRIX,
    OPT_KL,
    OPT_PER_TENSOR,
    OPT_OUTPUT_ERROR,
    OPT_COUNT
} cli_id;

/* A row of a constant table; the table ends with names == NULL. */
typedef struct cli_option {
    cli_id id;
    const char *names;   /* separated by blanks, the one shown in sentences first: "--ctx -c --max-model-len" */
    const char *value;   /* its name in --help ("TOKENS"); NULL = a flag */
    const char *choices; /* "on|off|auto": no other word is accepted; NULL = any */
    bool optional;       /* the value may be left out: then it is the first choice; needs choices */
    const char *help;
} cli_option;

typedef struct cli_given {
    cli_id id;
    const char *value;
} cli_given;

/* What a command line says. Owns words and given; everything points into argv. */
typedef struct cli_args {
    const char *value[OPT_COUNT]; /* NULL = not given; "" for a flag; the last one wins */
    cli_given *given;             /* [n_given] all of them in order, for options that may be repeated */
    size_t n_given;
    const char **words; /* [n_words] that are no options */
    size_t n_words;
    bool dashes;   /* a "--" ended the options ... */
    size_t before; /* ... behind so many words */
} cli_args;

extern const cli_option cli_common_options[];

/* Reads argv[first..argc) by the rows of `own` (may be NULL) and the common ones. numbers: a word like "-pi" that reads
 * as a number is no option; digits after '-' never are. stop_at_word: stops at the first word, whose index goes into
 * *next. BB_E_ARG with a sentence that begins with `who`. Clear with cli_args_clear in every case. */
bb_status cli_parse(int argc, char *const *argv, int first, const cli_option *own, bool numbers, bool stop_at_word,
                    const char *who, cli_args *args, int *next, bb_error *err);
void cli_args_clear(cli_args *args);
static inline bool cli_has(const cli_args *args, cli_id id) { return args->value[id] != NULL; }

/* Values of options; out is untouched when the option was not given. BB_E_ARG with a sentence. */
bb_status cli_get_u64(const cli_args *args, cli_id id, const char *name, uint64_t *out, bb_error *err);
bb_status cli_get_unsigned(const cli_args *args, cli_id id, const char *name, unsigned max, unsigned *out,
                           bb_error *err);
/* The same, 1 or more. */
bb_status cli_get_count(const cli_args *args, cli_id id, const char *name, uint64_t *out, bb_error *err);
/* Tokens ("8192", "8k"), 1 or more; `what` is their name in a sentence: "tokens", "sequences". */
bb_status cli_get_tokens(const cli_args *args, cli_id id, const char *name, const char *what, uint64_t *out,
                         bb_error *err);
bb_status cli_get_bytes(const cli_args *args, cli_id id, const char *name, uint64_t *out, bb_error *err);
bb_status cli_get_parameters(const cli_args *args, cli_id id, const char *name, uint64_t *out, bb_error *err);
/* A number as `bits` reads it, positive and finite. */
bb_status cli_get_positive(const cli_args *args, cli_id id, const char *name, double *out, bb_error *err);

/* Whole numbers of 1 or more, separated by commas, at most `most` of them. */
bb_status cli_get_counts(const cli_args *args, cli_id id, const char *name, uint64_t *out, size_t most, size_t *n,
                         bb_error *err);

/* Names out of a list, separated by commas. */
enum { CLI_NAMES_MAX = 32, CLI_NAME_SIZE = 64 };
typedef struct cli_names {
    const char *list[CLI_NAMES_MAX]; /* [n] */
    size_t n;
    char text[CLI_NAMES_MAX][CLI_NAME_SIZE];
} cli_names;
/* --types; `usual` where it was not given, NULL = none then. */
bb_status cli_get_types(const cli_args *args, const char *usual, cli_names *names, bb_error *err);

/* --isa; BB_E_UNSUPPORTED for one that this machine does not run. */
bb_status cli_get_isa(const cli_args *args, bb_isa *isa, bb_error *err);

/* The rows of a table as help: names, value, text, wrapped at 80 columns. */
void cli_options_help(const cli_option *rows, bb_str *out);
#endif
