/* SPDX-License-Identifier: GPL-3.0-or-later */
/* text_run.c - reading a text for a model, and opening the model to run over it. */
#include "study/text_run.h"
#include "infer/tokenizer.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CTX_MOST = 512, TEXT_MOST = 256 << 20, CONFIG_MOST = 64 << 20 };

static bb_status split(const bb_tokenizer *t, const char *path, bb_text_tokens *tokens, bb_error *err) {
    char *text = NULL;
    size_t len = 0;
    bb_status st = bb_source_slurp(path, TEXT_MOST, &text, &len, err);
    if (st != BB_OK) return st;
    if (len && text[len - 1] == '\n') len--;
    st = bb_tokenize(t, text, len, true, false, &tokens->ids, &tokens->n, err);
    free(text);
    return st;
}

bb_status bb_text_read(const bb_model *model, const bb_file *vocab, const char *path, bb_text_tokens *tokens,
                       bb_error *err) {
    bb_tokenizer *t = NULL;
    bb_text_tokens out = {.bos = -1};
    bb_status st = bb_tokenizer_open(vocab ? vocab : model->file, &t, err);
    if (st == BB_E_VALUE && !vocab) bb_hint(err, "--vocab FILE.gguf takes that of another file");
    if (st != BB_OK) return st;
    if (bb_tokenizer_size(t) > model->arch->vocab)
        st = bb_fail(err, BB_E_INVALID, "%s: the vocabulary has %zu tokens, the model %" PRIu64,
                     bb_file_part_path(model->file, 0), bb_tokenizer_size(t), model->arch->vocab);
    if (st == BB_OK) st = split(t, path, &out, err);
    if (st == BB_OK && bb_tokenizer_adds_bos(t)) out.bos = bb_tokenizer_bos(t);
    bb_tokenizer_free(t);
    if (st == BB_OK) *tokens = out;
    return st;
}

uint64_t bb_text_ctx(const bb_model *model, uint64_t asked) {
    uint64_t context = model->arch->context;
    return asked ? asked : context && context < CTX_MOST ? context : CTX_MOST;
}

bb_status bb_text_model(const bb_model *model, const bb_infer_opts *opts, char **config, bb_infer **infer,
                        bb_error *err) {
    bb_infer_opts o = *opts;
    char *text = NULL;
    bb_status st = BB_OK;
    if (!model->file || !model->arch)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: it takes a model file of a known architecture to run a text",
                       model->title);
    if (model->config_path && strcmp(bb_file_format(model->file), "gguf") != 0)
        st = bb_source_slurp(model->config_path, CONFIG_MOST, &text, &o.config_bytes, err);
    o.config = text;
    if (st == BB_OK) st = bb_infer_open(model->file, model->arch, &o, infer, err);
    if (st == BB_OK)
        *config = text;
    else
        free(text);
    return st;
}
