/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_quantize_folder.c - bitbudget quantize for types whose output is a folder of safetensors. */
#include "base/escape.h"
#include "base/mem.h"
#include "cli/progress.h"
#include "cli/quantize_request.h"
#include "study/quantize_folder.h"
#include <stdlib.h>
#include <string.h>

bool cli_quantize_is_folder(const char *type) {
    static const char *const types[] = {"int8", "nf4", "fp4", "bnb_fp4"};
    for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
        if (bb_name_eq(type, types[i])) return true;
    return false;
}

/* Options that only one of the two kinds of output knows; NULL when all are in place. */
static const char *misplaced(const cli_args *a, bool folder, bool int8, bool plain) {
    static const struct {
        cli_id id;
        const char *name;
    } of_file[] = {{OPT_IMATRIX, "--imatrix"},
                   {OPT_TARGET_SIZE, "--target-size"},
                   {OPT_TARGET_BPW, "--target-bpw"},
                   {OPT_PURE, "--pure"},
                   {OPT_TENSOR_TYPE, "--tensor-type"},
                   {OPT_OUTPUT_TYPE, "--output-type"},
                   {OPT_EMBEDDING_TYPE, "--embedding-type"},
                   {OPT_LEAVE_OUTPUT, "--leave-output-tensor"},
                   {OPT_REQUANTIZE, "--requantize"},
                   {OPT_VOCAB, "--vocab"},
                   {OPT_SEARCH, "--search"},
                   {OPT_KEEP_SPLIT, "--keep-split"},
                   {OPT_PART, "--part"},
                   {OPT_COMPAT, "--compat"}};
    for (size_t i = 0; folder && i < sizeof of_file / sizeof *of_file; i++)
        if (cli_has(a, of_file[i].id)) return of_file[i].name;
    if (cli_has(a, OPT_GRANULARITY) && !(int8 && plain)) return "--granularity";
    if (cli_has(a, OPT_ASYMMETRIC) && !(int8 && plain)) return "--asymmetric";
    if (cli_has(a, OPT_LAYOUT) && !int8) return "--layout";
    if (cli_has(a, OPT_OUTLIER) && !(int8 && !plain)) return "--outlier-threshold";
    if (cli_has(a, OPT_DOUBLE_QUANT) && !(folder && !int8)) return "--double-quant";
    return NULL;
}

bb_status cli_quantize_check_kind(const cli_args *a, bb_error *err) {
    const char *type = a->value[OPT_TYPE], *layout = a->value[OPT_LAYOUT];
    bool folder = cli_quantize_is_folder(type), int8 = folder && bb_name_eq(type, "int8");
    const char *odd = misplaced(a, folder, int8, !layout || strcmp(layout, "plain") == 0);
    if (!odd) return BB_OK;
    char safe[64];
    if (!type) return bb_fail(err, BB_E_ARG, "%s does not go with a target: it writes a GGUF", odd);
    return bb_fail(err, BB_E_ARG, "%s does not go with --type %s%s%s", odd, bb_escape_buf(type, safe, sizeof safe),
                   layout ? " --layout " : "", layout ? layout : "");
}

/* "tensor", "row" or "group:128". */
static bb_status read_granularity(const char *text, bb_folder_opts *o, bb_error *err) {
    char safe[64];
    uint64_t group = 0;
    if (strcmp(text, "row") == 0)
        o->granularity = BB_PER_ROW;
    else if (strcmp(text, "tensor") == 0)
        o->granularity = BB_PER_TENSOR;
    else if (strncmp(text, "group:", 6) == 0 && bb_parse_u64(text + 6, &group) && group > 0) {
        o->granularity = BB_PER_GROUP;
        o->group = group;
    } else
        return bb_fail(err, BB_E_ARG, "--granularity '%s': expected tensor, row or group:N",
                       bb_escape_buf(text, safe, sizeof safe));
    return BB_OK;
}

static bb_status read_opts(const cli_args *a, bb_folder_opts *o, bb_error *err) {
    const char *type = a->value[OPT_TYPE];
    bb_folder_opts_init(o);
    o->method = bb_name_eq(type, "nf4")                                  ? BB_FOLDER_NF4
                : bb_name_eq(type, "fp4") || bb_name_eq(type, "bnb_fp4") ? BB_FOLDER_FP4
                                                                         : BB_FOLDER_INT8;
    if (cli_has(a, OPT_LAYOUT) && strcmp(a->value[OPT_LAYOUT], "llm-int8") == 0) o->method = BB_FOLDER_LLM_INT8;
    o->asymmetric = cli_has(a, OPT_ASYMMETRIC);
    o->double_quant = cli_has(a, OPT_DOUBLE_QUANT);
    o->allow_nonfinite = cli_has(a, OPT_ALLOW_NONFINITE);
    o->output_tokens = cli_has(a, OPT_OUTPUT_ERROR) ? BB_QUANTIZE_TOKENS : 0;
    o->seed = BB_QUANTIZE_SEED;
    bb_status s = cli_get_u64(a, OPT_SEED, "--seed", &o->seed, err);
    if (s == BB_OK && cli_has(a, OPT_GRANULARITY)) s = read_granularity(a->value[OPT_GRANULARITY], o, err);
    if (s == BB_OK) s = cli_get_positive(a, OPT_OUTLIER, "--outlier-threshold", &o->outlier_threshold, err);
    if (s == BB_OK) s = cli_get_bytes(a, OPT_SPLIT_SIZE, "--split-max-size", &o->shard_bytes, err);
    if (s == BB_OK) s = cli_get_unsigned(a, OPT_THREADS, "--threads", 1024, &o->threads, err);
    if (s == BB_OK) s = cli_get_isa(a, &o->isa, err);
    return s;
}

static bb_table *table_of(const bb_folder_job *job, const bb_folder_opts *o, bool written, bool quiet, bool si) {
    size_t n = bb_folder_quantize_count(job);
    const bb_quantize_row **rows = bb_alloc(n + 1, sizeof *rows);
    if (!rows) return NULL;
    for (size_t i = 0; i < n; i++) rows[i] = bb_folder_quantize_at(job, i);
    bb_quantization_report in = {.rows = rows,
                                 .n = n,
                                 .title = bb_folder_quantize_title(job),
                                 .file_bytes = bb_folder_quantize_bytes(job),
                                 .files = bb_folder_quantize_shards(job),
                                 .folder = true,
                                 .written = written,
                                 .dry = !written,
                                 .output_tokens = o->output_tokens,
                                 .seed = o->seed,
                                 .dispatch = bb_folder_quantize_dispatch(job),
                                 .quiet = quiet,
                                 .si = si};
    bb_table *t = bb_report_quantize(&in);
    free(rows);
    return t;
}

static void warn_all(const cli_output *o, const bb_folder_job *job, size_t *told) {
    const char *w;
    for (; (w = bb_folder_quantize_warning(job, *told)); ++*told) cli_warn(o, "%s", w);
}

bb_status cli_quantize_folder(cli_call *call, const bb_model *model, bb_error *err) {
    const cli_args *a = &call->args;
    bb_folder_opts o;
    bb_folder_job *job = NULL;
    cli_progress progress = {.bytes = true};
    size_t told = 0;
    bool dry = cli_has(a, OPT_DRY_RUN);
    bb_status s = read_opts(a, &o, err);
    if (s == BB_OK) s = bb_folder_quantize_plan(model, &o, &job, err);
    if (s != BB_OK) return s;
    warn_all(&call->out, job, &told);
    if (!dry) {
        cli_progress_start(&progress, call->out.quiet);
        s = bb_folder_quantize_run(job, a->value[OPT_OUTPUT], call->out.force, &progress.progress, err);
        cli_progress_end(&progress);
    }
    if (s == BB_OK) {
        warn_all(&call->out, job, &told);
        if (!dry) s = cli_output_refuse(&call->out, a, err); /* the output has its name now */
        if (s == BB_OK)
            s = cli_output_table(&call->out, table_of(job, &o, !dry, call->out.quiet, call->out.si), false, err);
        if (s != BB_OK && !dry) bb_hint(err, "the output is written and whole: only the report of it failed");
    }
    bb_folder_quantize_free(job);
    return s;
}
