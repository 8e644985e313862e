/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_bench.c - bitbudget bench. */
#include "cli/commands.h"
#include "cli/progress.h"
#include "report/report.h"

static const cli_option options[] = {
    {OPT_TOKENS, "--tokens", "N", NULL, false, "rows of activations (1)"},
    {OPT_OUT, "--out", "N", NULL, false, "rows of the weights (1024)"},
    {OPT_IN, "--in", "N", NULL, false, "columns of the weights, a multiple of 32 (1024)"},
    {OPT_SECONDS, "--seconds", "S", NULL, false, "time for each kernel (0.3)"},
    {OPT_ONLY, "--only", "NAME", NULL, false, "one kernel, by its name or type"},
    {0},
};

static bb_status run(cli_call *call, bb_error *err) {
    const cli_args *a = &call->args;
    bb_bench_opts o = {.only = a->value[OPT_ONLY], .seed = 1};
    bb_bench_report report = {0};
    cli_progress progress;
    bb_status s = cli_get_count(a, OPT_TOKENS, "--tokens", &o.tokens, err);
    if (s == BB_OK) s = cli_get_count(a, OPT_OUT, "--out", &o.out, err);
    if (s == BB_OK) s = cli_get_count(a, OPT_IN, "--in", &o.in, err);
    if (s == BB_OK) s = cli_get_u64(a, OPT_SEED, "--seed", &o.seed, err);
    if (s == BB_OK) s = cli_get_positive(a, OPT_SECONDS, "--seconds", &o.seconds, err);
    if (s == BB_OK) s = cli_get_unsigned(a, OPT_THREADS, "--threads", 1024, &o.threads, err);
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
    .examples = "bench\nbench --tokens 64 --out 4096 --in 4096 --csv\n",
    .run = run,
};
