/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tokenizer.h - text to tokens and back: the SentencePiece vocabulary of a GGUF (tokenizer.ggml.model "llama"). */
#ifndef BB_INFER_TOKENIZER_H
#define BB_INFER_TOKENIZER_H
#include "file/file.h"

typedef struct bb_tokenizer bb_tokenizer; /* owns its vocabulary */

/* BB_E_UNSUPPORTED for a vocabulary of another kind (it is named), BB_E_VALUE for a file without one. */
bb_status bb_tokenizer_open(const bb_file *file, bb_tokenizer **tokenizer, bb_error *err);
void bb_tokenizer_free(bb_tokenizer *tokenizer);
size_t bb_tokenizer_size(const bb_tokenizer *tokenizer);
int32_t bb_tokenizer_bos(const bb_tokenizer *tokenizer); /* -1 = none */
bool bb_tokenizer_adds_bos(const bb_tokenizer *tokenizer);
/* The ids that llama_tokenize gives: add_special puts <s> first where the file asks for it, parse_special reads control
 * tokens out of the text. *ids is the caller's to free. */
bb_status bb_tokenize(const bb_tokenizer *tokenizer, const char *text, size_t length, bool add_special,
                      bool parse_special, int32_t **ids, size_t *n, bb_error *err);
/* The text of one token; not NUL-terminated bytes are possible (byte tokens). */
const char *bb_tokenizer_piece(const bb_tokenizer *tokenizer, int32_t id, size_t *length);
#endif
