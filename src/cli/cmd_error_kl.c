/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_error_kl.c - bitbudget error --kl. */
#include "cli/error_inputs_options.h"
#include "cli/error_kl.h"
#include "cli/progress.h"
#include "report/report.h"

static bb_status check_options(const cli_args *a, bb_error *err) {
    static const struct {
        cli_id id;
        const char *name;
    } others[] = {{OPT_TOKENS, "--tokens"},
                  {OPT_ROWS, "--rows"},
                  {OPT_ONLY, "--only"},
                  {OPT_INPUT, "--input"},
                  {OPT_INPUTS, "--inputs"},
                  {OPT_SAVE_INPUTS, "--save-inputs"},
                  {OPT_SAVE_IMATRIX, "--save-imatrix"},
                  {OPT_SKIP_NONFINITE, "--skip-nonfinite"},
                  {OPT_RANK, "--rank"},
                  {OPT_SVG, "--svg"}};
    if (!cli_has(a, OPT_KL))
        return cli_has(a, OPT_PER_TENSOR) ? bb_fail(err, BB_E_ARG, "error: --per-tensor goes with --kl") : BB_OK;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (cli_has(a, others[i].id)) return bb_fail(err, BB_E_ARG, "error: %s does not go with --kl", others[i].name);
    if (cli_has(a, OPT_TEXT)) return BB_OK;
    bb_status s = bb_fail(err, BB_E_ARG, "error: --kl needs a text: --text FILE is missing");
    bb_hint(err, "some thousand words that the model was not trained on, such as wiki.test.raw of wikitext-2");
    return s;
}

static bb_status read_options(const cli_args *a, cli_names *types, bb_kl_opts *o, bb_error *err) {
    bb_status s = cli_get_types(a, "q8_0,q6_K,q4_K_M,q4_0", types, err);
    o->types = types->list;
    o->n_types = types->n;
    o->text = a->value[OPT_TEXT];
    o->per_tensor = cli_has(a, OPT_PER_TENSOR);
    if (s == BB_OK) s = cli_get_unsigned(a, OPT_THREADS, "--threads", 1024, &o->threads, err);
    return s == BB_OK ? cli_get_isa(a, &o->isa, err) : s;
}

static bb_status measure(cli_call *call, const bb_model *model, const bb_kl_opts *o, bb_error *err) {
    bb_kl_report report = {0};
    cli_progress progress = {0};
    cli_progress_start(&progress, call->out.quiet);
    bb_status s = bb_kl_study(model, o, &progress.progress, &report, err);
    cli_progress_end(&progress);
    if (s == BB_OK) s = cli_output_table(&call->out, bb_report_kl(&report, call->out.si), false, err);
    bb_kl_report_clear(&report);
    return s;
}

bb_status cli_error_kl(cli_call *call, bool *taken, bb_error *err) {
    const cli_args *a = &call->args;
    cli_names types;
    bb_kl_opts o = {0};
    bb_catalogue *cat = NULL;
    bb_model *model = NULL, *vocab = NULL;
    *taken = cli_has(a, OPT_KL);
    bb_status s = check_options(a, err);
    if (s != BB_OK || !*taken) return s;
    s = read_options(a, &types, &o, err);
    if (s == BB_OK) s = bb_catalogue_load(a->value[OPT_MODELS], a->value[OPT_GPUS], &cat, err);
    if (s == BB_OK) s = bb_model_locate(cat, &call->stores, a->words[0], &model, err);
    if (s == BB_OK) s = cli_error_text(call, cat, model, &o.chunks, &o.ctx, &vocab, err);
    if (s == BB_OK) s = cli_output_begin(&call->out, err); /* before long work */
    if (vocab) o.vocab = vocab->file;
    if (s == BB_OK) s = measure(call, model, &o, err);
    bb_model_free(vocab);
    bb_model_free(model);
    bb_catalogue_free(cat);
    return s;
}
