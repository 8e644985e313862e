/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_tokenizer.c - any vocabulary, and any text that it splits.
 *
 * A byte of options, the length of the text in 16 bits, the text; behind it the vocabulary: a GGUF as it is (option 1),
 * or tokens of a byte length, the text, a byte kind and a float score each. */
#include "../unit/infer/made_vocab.h"
#include "infer/tokenizer.h"
#include <unistd.h>

enum { WHOLE = 1, NO_SCORES = 2, NO_KINDS = 4, FEW_SCORES = 8, SPECIAL = 16, PARSE = 32, TOKENS_MAX = 512 };

static void made(vocab_file *v, unsigned how, const uint8_t *data, size_t n) {
    static vocab_token tokens[TOKENS_MAX];
    size_t k = 0;
    for (size_t at = 0; at < n && k < TOKENS_MAX; k++) {
        size_t len = data[at++];
        if (len > n - at) len = n - at;
        tokens[k] = (vocab_token){.text = (const char *)data + at, .len = len};
        at += len;
        if (at < n) tokens[k].kind = data[at++];
        if (n - at >= 4) {
            memcpy(&tokens[k].score, data + at, 4);
            at += 4;
        }
    }
    vocab_begin(v, "llama");
    vocab_texts(v, tokens, k);
    if (!(how & NO_SCORES)) vocab_scores(v, tokens, how & FEW_SCORES ? k / 2 : k);
    if (!(how & NO_KINDS)) vocab_kinds(v, tokens, k);
}

static void split(const bb_tokenizer *t, const char *text, size_t n, unsigned how) {
    int32_t *ids = NULL;
    size_t count = 0, len;
    if (bb_tokenize(t, text, n, how & SPECIAL, how & PARSE, &ids, &count, NULL) != BB_OK) return;
    /* a text of spaces is three bytes each, one token a byte at the most */
    if (count > 3 * (2 * n + 1) + 2) abort();
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= bb_tokenizer_size(t)) abort();
        bb_tokenizer_piece(t, ids[i], &len);
    }
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char path[] = "/tmp/bb-fuzz-XXXXXX";
    vocab_file v = {0};
    bb_file *f = NULL;
    bb_tokenizer *t = NULL;
    if (n < 3) return 0;
    unsigned how = data[0];
    size_t len = (size_t)data[1] | (size_t)data[2] << 8;
    if (len > n - 3) len = n - 3;
    /* a copy of its own: a read beyond the text is found then */
    char *text = malloc(len + 1);
    int fd = mkstemp(path);
    if (!text || fd < 0) abort();
    close(fd);
    memcpy(text, data + 3, len);
    if (how & WHOLE)
        vocab_put(&v, data + 3 + len, n - 3 - len);
    else
        made(&v, how, data + 3 + len, n - 3 - len);
    if (v.n < 24 || !(how & WHOLE ? vocab_save(&v, path) : vocab_write(&v, path))) {
        free(v.data);
    } else if (bb_file_open(path, &f, NULL) == BB_OK) {
        if (bb_tokenizer_open(f, &t, NULL) == BB_OK) split(t, text, len, how);
        bb_tokenizer_free(t);
        bb_file_close(f);
    }
    free(text);
    unlink(path);
    return 0;
}
