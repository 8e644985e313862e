/* SPDX-License-Identifier: GPL-3.0-or-later */
/* made_vocab.h - GGUF files that hold a vocabulary and nothing else, made of any bytes a test likes. */
#ifndef BB_TESTS_INFER_MADE_VOCAB_H
#define BB_TESTS_INFER_MADE_VOCAB_H
#include "file/gguf_values.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct vocab_token {
    const char *text;
    size_t len;
    float score;
    int32_t kind; /* llama_token_type: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte */
} vocab_token;

/* A file while it is put together. Begins as zeros; owned by the test until vocab_write. */
typedef struct vocab_file {
    unsigned char *data;
    size_t n, cap;
    uint64_t keys;
} vocab_file;

static inline void vocab_put(vocab_file *v, const void *data, size_t n) {
    while (v->n + n > v->cap) {
        v->cap = v->cap ? 2 * v->cap : 4096;
        v->data = realloc(v->data, v->cap);
        if (!v->data) abort();
    }
    if (n) memcpy(v->data + v->n, data, n);
    v->n += n;
}
static inline void vocab_u32(vocab_file *v, uint32_t x) { vocab_put(v, &x, 4); }
static inline void vocab_u64(vocab_file *v, uint64_t x) { vocab_put(v, &x, 8); }
static inline void vocab_string(vocab_file *v, const char *text, size_t n) {
    vocab_u64(v, n);
    vocab_put(v, text, n);
}

static inline void vocab_key(vocab_file *v, const char *key, uint32_t type) {
    vocab_string(v, key, strlen(key));
    vocab_u32(v, type);
    v->keys++;
}
static inline void vocab_key_text(vocab_file *v, const char *key, const char *text) {
    vocab_key(v, key, BB_GGUF_STR);
    vocab_string(v, text, strlen(text));
}
static inline void vocab_key_u32(vocab_file *v, const char *key, uint32_t x) {
    vocab_key(v, key, BB_GGUF_U32);
    vocab_u32(v, x);
}
static inline void vocab_key_bool(vocab_file *v, const char *key, bool x) {
    vocab_key(v, key, BB_GGUF_BOOL);
    vocab_put(v, &(uint8_t){x}, 1);
}
static inline void vocab_key_array(vocab_file *v, const char *key, uint32_t type, uint64_t n) {
    vocab_key(v, key, BB_GGUF_ARR);
    vocab_u32(v, type);
    vocab_u64(v, n);
}

static inline void vocab_begin(vocab_file *v, const char *model) {
    *v = (vocab_file){0};
    vocab_put(v, "GGUF", 4);
    vocab_u32(v, 3);
    vocab_u64(v, 0);
    vocab_u64(v, 0);
    vocab_key_text(v, "general.architecture", "llama");
    vocab_key_text(v, "tokenizer.ggml.model", model);
}
static inline void vocab_texts(vocab_file *v, const vocab_token *t, size_t n) {
    vocab_key_array(v, "tokenizer.ggml.tokens", BB_GGUF_STR, n);
    for (size_t i = 0; i < n; i++) vocab_string(v, t[i].text, t[i].len);
}
static inline void vocab_scores(vocab_file *v, const vocab_token *t, size_t n) {
    vocab_key_array(v, "tokenizer.ggml.scores", BB_GGUF_F32, n);
    for (size_t i = 0; i < n; i++) vocab_put(v, &t[i].score, 4);
}
static inline void vocab_kinds(vocab_file *v, const vocab_token *t, size_t n) {
    vocab_key_array(v, "tokenizer.ggml.token_type", BB_GGUF_I32, n);
    for (size_t i = 0; i < n; i++) vocab_put(v, &t[i].kind, 4);
}

/* Writes the bytes as they are and frees them. */
static inline bool vocab_save(vocab_file *v, const char *path) {
    FILE *f = fopen(path, "wb");
    bool fine = f && fwrite(v->data, 1, v->n, f) == v->n;
    if (f) fclose(f);
    free(v->data);
    *v = (vocab_file){0};
    return fine;
}

/* With the number of its keys, as a whole file. */
static inline bool vocab_write(vocab_file *v, const char *path) {
    memcpy(v->data + 16, &v->keys, 8);
    while (v->n % 32) vocab_put(v, "", 1);
    return vocab_save(v, path);
}
#endif
