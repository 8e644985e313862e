/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_bench.c - bitbudget bench. */
#include "base/escape.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "report/report.h"
#include <string.h>

enum { TOKENS_MAX = 16 };

static const cli_option options[] = {
    {OPT_TOKENS, "--tokens", "LIST", NULL, false, "rows of activations, separated by commas (1,8,64,512)"},
    {OPT_OUT, "--out", "N", NULL, false, "rows of the weights (4096; 1024 where portable kernels run)"},
    {OPT_IN, "--in", "N", NULL, false, "columns of the weights, a multiple of 32 (the same)"},
    {OPT_SECONDS, "--seconds", "S", NULL, false, "time for each row (0.15)"},
    {OPT_ONLY, "--only", "NAME", NULL, false, "one kernel or type, by its name"},
    {OPT_TYPES, "--types", "LIST", NULL, false,
     "storage types, separated by commas (those with a kernel of their own)"},
    {OPT_EVERY, "--every", NULL, NULL, false, "the kernels of every level that runs here, not the fastest alone"},
    {OPT_PEERS, "--peers", "WHEN", "on|off", false, "OpenBLAS, GSL's cblas and ggml beside them, where installed (on)"},
    {OPT_GGML, "--ggml", "DIR", NULL, false, "the folder of libggml.so (or GGML_DIR)"},
    {0},
};

static bb_status get_types(const cli_args *a, const bb_dtype **types, size_t *n, bb_error *err) {
    cli_names names;
    bb_status s = cli_get_types(a, NULL, &names, err);
    for (size_t i = 0; s == BB_OK && i < names.n; i++)
        if (!(types[(*n)++] = bb_dtype_find(names.list[i], err))) return BB_E_NAME;
    return s;
}

static bb_status run(cli_call *call, bb_error *err) {
    static const uint64_t usual[] = {1, 8, 64, 512};
    const cli_args *a = &call->args;
    const bb_dtype *types[CLI_NAMES_MAX];
    uint64_t tokens[TOKENS_MAX];
    bb_bench_opts o = {.only = a->value[OPT_ONLY],
                       .seed = 1,
                       .seconds = 0.15,
                       .threads = 1,
                       .every = cli_has(a, OPT_EVERY),
                       .peers = !cli_has(a, OPT_PEERS) || strcmp(a->value[OPT_PEERS], "on") == 0,
                       .ggml_dir = cli_ggml_dir(a)};
    bb_bench_report report = {0};
    cli_progress progress;
    bb_status s = cli_get_isa(a, &o.isa, err);
    bool portable = o.every || bb_isa_choose(o.isa) == BB_ISA_SCALAR;
    o.out = o.in = portable ? 1024 : 4096;
    o.token_list = usual;
    o.n_tokens = sizeof usual / sizeof *usual;
    if (cli_has(a, OPT_TOKENS)) o.token_list = tokens;
    if (s == BB_OK) s = cli_get_counts(a, OPT_TOKENS, "--tokens", tokens, TOKENS_MAX, &o.n_tokens, err);
    if (s == BB_OK) s = cli_get_count(a, OPT_OUT, "--out", &o.out, err);
    if (s == BB_OK) s = cli_get_count(a, OPT_IN, "--in", &o.in, err);
    if (s == BB_OK) s = cli_get_u64(a, OPT_SEED, "--seed", &o.seed, err);
    if (s == BB_OK) s = cli_get_positive(a, OPT_SECONDS, "--seconds", &o.seconds, err);
    if (s == BB_OK) s = cli_get_unsigned(a, OPT_THREADS, "--threads", 1024, &o.threads, err);
    if (s == BB_OK) s = get_types(a, types, &o.n_types, err);
    if (o.n_types) o.types = types;
    if (s != BB_OK) return s;
    cli_progress_start(&progress, call->out.quiet);
    s = bb_bench_study(&o, &progress.progress, &report, err);
    cli_progress_end(&progress);
    if (s == BB_OK) s = cli_output_table(&call->out, bb_report_bench(&report), false, err);
    bb_bench_report_clear(&report);
    return s;
}

const cli_command cli_bench = {
    .name = "bench",
    .words = "",
    .summary = "speed and error of the kernels beside this machine's roof",
    .options = options,
    .min_words = 0,
    .max_words = 0,
    .examples = "bench\nbench --only q4_0 --threads 2\nbench --tokens 64 --out 1024 --in 1024 --every --csv\n",
    .run = run,
};
