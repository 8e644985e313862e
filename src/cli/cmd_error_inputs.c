/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_error_inputs.c - the inputs of bitbudget error: made, read, or those of a text. */
#include "cli/error_inputs_options.h"
#include "cli/progress.h"
#include "study/error_text.h"
#include <inttypes.h>
#include <string.h>

bb_status cli_error_refuse(const char *path, const bb_model *model, bb_error *err) {
    bb_status s = BB_OK;
    for (size_t i = 0; i < model->file->n_parts && s == BB_OK; i++)
        if (model->file->parts[i].src) s = bb_sink_refuse_source(path, model->file->parts[i].src, err);
    return s;
}

bb_status cli_error_inputs_check(const cli_call *call, const bb_model *model, bb_error *err) {
    const cli_args *a = &call->args;
    static const struct {
        cli_id id;
        const char *name;
    } of_text[] = {{OPT_VOCAB, "--vocab"},
                   {OPT_CHUNKS, "--chunks"},
                   {OPT_CTX, "--ctx"},
                   {OPT_SAVE_INPUTS, "--save-inputs"},
                   {OPT_SAVE_IMATRIX, "--save-imatrix"}};
    if (cli_has(a, OPT_INPUT) + cli_has(a, OPT_INPUTS) + cli_has(a, OPT_TEXT) > 1)
        return bb_fail(err, BB_E_ARG,
                       "--input makes inputs, --inputs reads them, --text takes a model's own: give one");
    for (size_t i = 0; i < sizeof of_text / sizeof *of_text && !cli_has(a, OPT_TEXT); i++)
        if (cli_has(a, of_text[i].id)) return bb_fail(err, BB_E_ARG, "%s goes with --text", of_text[i].name);
    bb_status s = BB_OK;
    const char *imatrix = a->value[OPT_SAVE_IMATRIX], *folder = a->value[OPT_SAVE_INPUTS];
    if (imatrix) s = cli_error_refuse(imatrix, model, err);
    if (s == BB_OK && folder) s = cli_error_refuse(folder, model, err);
    return s == BB_OK && imatrix ? bb_sink_probe(imatrix, call->out.force, err) : s;
}

bb_status cli_error_text(cli_call *call, const bb_catalogue *cat, const bb_model *model, uint64_t *chunks,
                         uint64_t *ctx, bb_model **vocab, bb_error *err) {
    const cli_args *a = &call->args;
    bb_status s = cli_get_count(a, OPT_CHUNKS, "--chunks", chunks, err);
    if (s == BB_OK) s = cli_get_tokens(a, OPT_CTX, "--ctx", "tokens", ctx, err);
    uint64_t most = model->arch ? model->arch->context : 0;
    if (s == BB_OK && most && *ctx > most)
        cli_warn(&call->out, "chunks of %" PRIu64 " tokens: the model was trained for %" PRIu64, *ctx, most);
    if (s != BB_OK || !cli_has(a, OPT_VOCAB)) return s;
    s = bb_model_locate(cat, &call->stores, a->value[OPT_VOCAB], vocab, err);
    if (s != BB_OK || ((*vocab)->file && strcmp(bb_file_format((*vocab)->file), "gguf") == 0)) return s;
    return bb_fail(err, BB_E_VALUE, "--vocab: %s is no GGUF file", (*vocab)->title);
}

static bb_status from_text(cli_call *call, const bb_catalogue *cat, const bb_model *model, uint64_t rows,
                           bb_inputs **inputs, bb_error *err) {
    const cli_args *a = &call->args;
    bb_model *vocab = NULL;
    cli_progress progress = {0};
    bb_text_opts o = {.model = model,
                      .text = a->value[OPT_TEXT],
                      .rows = rows,
                      .save_inputs = a->value[OPT_SAVE_INPUTS],
                      .save_imatrix = a->value[OPT_SAVE_IMATRIX],
                      .force = call->out.force};
    bb_status s = cli_error_text(call, cat, model, &o.chunks, &o.ctx, &vocab, err);
    if (vocab) o.vocab = vocab->file;
    if (s == BB_OK) s = cli_get_unsigned(a, OPT_THREADS, "--threads", 1024, &o.threads, err);
    if (s == BB_OK) s = cli_get_isa(a, &o.isa, err);
    if (s == BB_OK) {
        cli_progress_start(&progress, call->out.quiet);
        s = bb_inputs_from_text(&o, &progress.progress, inputs, err);
        cli_progress_end(&progress);
    }
    bb_model_free(vocab);
    return s;
}

bb_status cli_error_inputs(cli_call *call, const bb_catalogue *cat, const bb_model *model, uint64_t rows,
                           bb_inputs **inputs, bb_error *err) {
    static const struct {
        const char *name;
        bb_inputs_kind kind;
    } made[] = {{"normal", BB_INPUTS_NORMAL}, {"heavy", BB_INPUTS_HEAVY}, {"outliers", BB_INPUTS_OUTLIERS}};
    const cli_args *a = &call->args;
    const char *what = cli_has(a, OPT_INPUT) ? a->value[OPT_INPUT] : "normal";
    uint64_t seed = 1;
    bb_status s = cli_get_u64(a, OPT_SEED, "--seed", &seed, err);
    if (s != BB_OK) return s;
    if (cli_has(a, OPT_TEXT)) return from_text(call, cat, model, rows, inputs, err);
    bool hf = strcmp(bb_file_format(model->file), "gguf") != 0;
    if (cli_has(a, OPT_INPUTS)) return bb_inputs_read(a->value[OPT_INPUTS], hf ? model->arch : NULL, inputs, err);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        if (strcmp(made[i].name, what) == 0) return bb_inputs_make(made[i].kind, seed, inputs, err);
    return bb_fail(err, BB_E_BUG, "--input %s", what);
}
