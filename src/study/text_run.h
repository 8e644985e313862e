/* SPDX-License-Identifier: GPL-3.0-or-later */
/* text_run.h - a text as a model's tokens, and the model that runs over it. */
#ifndef BB_STUDY_TEXT_RUN_H
#define BB_STUDY_TEXT_RUN_H
#include "infer/infer.h"
#include "model/locate.h"

typedef struct bb_text_tokens {
    int32_t *ids; /* [n], owned; <s> first where the vocabulary has it there */
    size_t n;
    int32_t bos; /* <s>, which each chunk begins with; -1 = chunks begin as they are */
} bb_text_tokens;

/* The whole file but a newline at its end, as llama-perplexity and llama-imatrix take it, split by the vocabulary of a
 * GGUF, NULL = the model's own. The caller frees ids. BB_E_VALUE without a vocabulary, BB_E_INVALID for one that is
 * larger than the model's. */
bb_status bb_text_read(const bb_model *model, const bb_file *vocab, const char *path, bb_text_tokens *tokens,
                       bb_error *err);
/* Tokens of a chunk: as asked for, 0 = the model's context, but at most 512, llama-perplexity's. */
uint64_t bb_text_ctx(const bb_model *model, uint64_t asked);

/* The model with its config, when it is a checkpoint: *config is the caller's to free after the model. opts->config is
 * set here. BB_E_UNSUPPORTED for a model without tensors or a known architecture. */
bb_status bb_text_model(const bb_model *model, const bb_infer_opts *opts, char **config, bb_infer **infer,
                        bb_error *err);
#endif
