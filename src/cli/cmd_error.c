/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_error.c - bitbudget error. */
#include "base/escape.h"
#include "cli/error_inputs_options.h"
#include "cli/error_kl.h"
#include "cli/progress.h"
#include "report/report.h"
#include "report/svg.h"
#include <stdio.h>
#include <string.h>

static const cli_option options[] = {
    {OPT_TYPES, "--types", "LIST", NULL, false,
     "storage types, separated by commas (int8,q8_0,q4_0); int8 has a scale for each row, int8:tensor one for the "
     "matrix, int4 likewise"},
    {OPT_TEXT, "--text", "FILE", NULL, false,
     "the real inputs: what reaches each matrix of a model of the llama architecture while it runs over the text"},
    {OPT_CHUNKS, "--chunks", "N", NULL, false, "of --text: at most so many chunks (8; with --kl all)"},
    {OPT_CTX, "--ctx -c", "TOKENS", NULL, false, "of --text: tokens of a chunk (the model's context, at most 512)"},
    {OPT_VOCAB, "--vocab", "FILE.gguf", NULL, false,
     "of --text: the GGUF whose tokenizer splits it (demo is the demo model)"},
    {OPT_SAVE_INPUTS, "--save-inputs", "DIR", NULL, false, "of --text: the inputs of each matrix as NAME.npy"},
    {OPT_SAVE_IMATRIX, "--save-imatrix", "FILE", NULL, false,
     "of --text: the importance of the input channels, for quantize --imatrix"},
    {OPT_INPUTS, "--inputs", "FILE", NULL, false,
     "inputs from a NumPy array [tokens][columns], or a folder of NAME.npy for tensor NAME"},
    {OPT_INPUT, "--input", "WHAT", "normal|heavy|outliers", false,
     "made inputs: N(0,1), Student's t of 3 degrees of freedom, or N(0,1) with a few channels times 20"},
    {OPT_TOKENS, "--tokens", "N", NULL, false, "rows of inputs (16)"},
    {OPT_ROWS, "--rows", "N", NULL, false, "output rows checked of each tensor (512)"},
    {OPT_ONLY, "--only", "TEXT", NULL, false, "tensors whose name contains the text"},
    {OPT_SKIP_NONFINITE, "--skip-nonfinite", NULL, NULL, false,
     "weights that are NaN or infinite count as 0, rows of inputs that hold one are left out"},
    {OPT_RANK, "--rank", NULL, NULL, false, "sorted by what each tensor loses, with what a change of type buys"},
    {OPT_SVG, "--svg", "FILE", NULL, false, "a picture: error against bits per weight, and against speed"},
    {OPT_KL, "--kl", NULL, NULL, false,
     "the whole model predicts the text: perplexity and KL divergence of each type, file types too (q4_K_M)"},
    {OPT_PER_TENSOR, "--per-tensor", NULL, NULL, false,
     "of --kl: each matrix alone, too; what loses most for each byte saved comes first"},
    {0},
};

static bb_status read_types(const cli_args *a, bb_error_type *types, size_t *n, bb_error *err) {
    cli_names names;
    bb_status s = cli_get_types(a, "int8,q8_0,q4_0", &names, err);
    for (size_t i = 0; s == BB_OK && i < names.n; i++) s = bb_error_type_find(names.list[i], &types[(*n)++], err);
    return s;
}

/* ---- warnings ---- */

static void warn_skipped(const cli_output *o, const bb_error_report *r) {
    const bb_error_row *first = NULL;
    size_t n = 0;
    char safe[96], type[BB_ERROR_TYPE_SIZE];
    for (size_t i = 0; i < r->n_rows; i++) {
        if (!r->rows[i].skipped[0]) continue;
        if (!n++) first = &r->rows[i];
    }
    if (first)
        cli_warn(o, "%zu of %zu rows are not measured, the first: '%s' in %s: %s", n, r->n_rows,
                 bb_escape_buf(first->tensor->name, safe, sizeof safe), bb_error_type_name(first->type, type),
                 first->skipped);
}

/* The first value that was left out of what was measured. */
static void warn_odd(const cli_output *o, const bb_error_report *r) {
    char safe[96];
    for (size_t i = 0; r->skip_nonfinite && i < r->n_rows; i++) {
        const bb_error_row *w = &r->rows[i];
        if (w->skipped[0] || !(w->odd_weights.count || w->odd_inputs.count)) continue;
        const bb_error_odd *odd = w->odd_weights.count ? &w->odd_weights : &w->odd_inputs;
        cli_warn(o, "values that are not finite are left out, the first: %s of '%s', row %llu, column %llu",
                 w->odd_weights.count ? "a weight" : "an input", bb_escape_buf(w->tensor->name, safe, sizeof safe),
                 (unsigned long long)odd->row, (unsigned long long)odd->col);
        return;
    }
}

/* ---- the picture ---- */

/* Whether the file can be written and has a mark for each type, before long work. */
static bb_status check_svg(const cli_call *call, const bb_model *model, size_t types, bb_error *err) {
    const char *svg = call->args.value[OPT_SVG];
    if (svg && types > BB_SVG_SERIES)
        return bb_fail(err, BB_E_ARG, "--svg: a picture holds at most %d types", BB_SVG_SERIES);
    bb_status s = svg ? cli_error_refuse(svg, model, err) : BB_OK;
    return svg && s == BB_OK ? bb_sink_probe(svg, call->out.force, err) : s;
}

static bb_status write_svg(const cli_call *call, const bb_error_report *r, bb_error *err) {
    const char *path = call->args.value[OPT_SVG];
    bb_sink *sink = NULL;
    bb_str text;
    if (!path) return BB_OK;
    bb_str_init(&text);
    bb_status s = bb_report_error_svg(r, &text);
    if (s != BB_OK) s = bb_fail(err, s, "out of memory");
    if (s == BB_OK) s = bb_sink_open(path, text.len, call->out.force, &sink, err);
    if (s == BB_OK) s = bb_sink_write(sink, 0, bb_str_c(&text), text.len, err);
    if (s == BB_OK)
        s = bb_sink_commit(sink, err);
    else
        bb_sink_abandon(sink);
    bb_str_clear(&text);
    return s;
}

/* ---- the run ---- */

static bb_status show(cli_call *call, const bb_model *model, bb_error_report *report, bb_error *err) {
    const cli_args *a = &call->args;
    char safe[96];
    if (report->n_rows == 0) {
        const char *only = a->value[OPT_ONLY];
        return only ? bb_fail(err, BB_E_NAME, "error: no matrix of %s has '%s' in its name", model->title,
                              bb_escape_buf(only, safe, sizeof safe))
                    : bb_fail(err, BB_E_VALUE, "error: %s holds no matrix", model->title);
    }
    warn_skipped(&call->out, report);
    warn_odd(&call->out, report);
    if (cli_has(a, OPT_RANK)) bb_error_report_sort(report);
    bb_status s = write_svg(call, report, err);
    if (s != BB_OK) return s;
    return cli_output_table(&call->out, bb_report_error(report, cli_has(a, OPT_RANK)), false, err);
}

static bb_status study(cli_call *call, const bb_catalogue *cat, const bb_model *model, bb_error_opts *o,
                       bb_error *err) {
    bb_inputs *inputs = NULL;
    bb_error_report report = {0};
    cli_progress progress = {0};
    bb_status s = cli_error_inputs(call, cat, model, o->tokens, &inputs, err);
    if (s == BB_OK) {
        o->inputs = inputs;
        cli_progress_start(&progress, call->out.quiet);
        s = bb_error_study(model->file, o, &progress.progress, &report, err);
        cli_progress_end(&progress);
    }
    if (s == BB_OK) s = show(call, model, &report, err);
    bb_error_report_clear(&report);
    bb_inputs_free(inputs);
    return s;
}

static bb_status run(cli_call *call, bb_error *err) {
    const cli_args *a = &call->args;
    bb_error_type types[CLI_NAMES_MAX];
    bb_error_opts o = {.types = types, .only = a->value[OPT_ONLY], .skip_nonfinite = cli_has(a, OPT_SKIP_NONFINITE)};
    bb_catalogue *cat = NULL;
    bb_model *model = NULL;
    bool taken;
    bb_status s = cli_error_kl(call, &taken, err);
    if (s != BB_OK || taken) return s;
    s = read_types(a, types, &o.n_types, err);
    if (s == BB_OK) s = cli_get_count(a, OPT_TOKENS, "--tokens", &o.tokens, err);
    if (s == BB_OK) s = cli_get_count(a, OPT_ROWS, "--rows", &o.rows_max, err);
    if (s == BB_OK) s = cli_get_unsigned(a, OPT_THREADS, "--threads", 1024, &o.threads, err);
    if (s == BB_OK) s = cli_get_isa(a, &o.isa, err);
    if (s == BB_OK) s = bb_catalogue_load(a->value[OPT_MODELS], a->value[OPT_GPUS], &cat, err);
    if (s == BB_OK) s = bb_model_locate(cat, &call->stores, a->words[0], &model, err);
    if (s == BB_OK && !model->file)
        s = bb_fail(err, BB_E_VALUE, "error: %s holds no tensors to measure: expected a GGUF or safetensors file",
                    model->title);
    if (s == BB_OK) s = cli_error_inputs_check(call, model, err);
    if (s == BB_OK) s = check_svg(call, model, o.n_types, err);
    if (s == BB_OK) s = cli_output_begin(&call->out, err);
    if (s == BB_OK) s = study(call, cat, model, &o, err);
    bb_model_free(model);
    bb_catalogue_free(cat);
    return s;
}

const cli_command cli_error = {
    .name = "error",
    .words = "FILE",
    .summary = "what quantizing costs, measured through the kernels",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .examples = "error demo\n"
                "error model.gguf --types q8_0,q4_0 --only attn --csv\n"
                "error model.safetensors --types int8,int8:tensor --rank\n"
                "error demo --text heldout.txt --svg error.svg\n"
                "error demo --kl --text heldout.txt --types q8_0,q4_K_M\n",
    .run = run,
};
