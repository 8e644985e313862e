/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tokenizer_parts.h - what a vocabulary holds; shared by its reader and by the splitting of a text. */
#ifndef BB_INFER_TOKENIZER_PARTS_H
#define BB_INFER_TOKENIZER_PARTS_H
#include "infer/tokenizer.h"

/* What a token is (llama.h of llama.cpp v0.5.0, llama_token_attr). */
enum {
    BB_TOKEN_UNKNOWN = 1 << 0,
    BB_TOKEN_NORMAL = 1 << 1,
    BB_TOKEN_CONTROL = 1 << 2,
    BB_TOKEN_USER = 1 << 3,
    BB_TOKEN_BYTE = 1 << 4,
    BB_TOKEN_LSTRIP = 1 << 5, /* takes the spaces before it, or behind it */
    BB_TOKEN_RSTRIP = 1 << 6,
};

typedef struct bb_token {
    size_t at, piece; /* in texts and pieces */
    uint32_t len, piece_len;
    float score;
    uint8_t attr;
} bb_token;

struct bb_tokenizer {
    bb_token *tokens; /* [n] */
    size_t n;
    char *texts, *pieces; /* one after the other */
    uint32_t *slots;      /* [mask + 1], a power of two: id + 1, 0 = free */
    size_t mask;
    size_t longest;     /* bytes of a token's text */
    int32_t bytes[256]; /* token of a byte that no other token holds; -1 = none */
    int32_t *special;   /* [n_special] control, unknown and user-defined ones, the longest first, then by id */
    size_t n_special;
    int32_t bos, eos; /* -1 = none */
    bool add_bos, add_eos, space_prefix;
};

/* The token of n bytes, or -1. */
int32_t bb_tokenizer_find(const bb_tokenizer *t, const char *text, size_t n);

/* What a text is made of before it is split: pieces of it, and tokens that were found in it. */
typedef struct bb_fragment {
    size_t at, len;
    int32_t id; /* -1 = text */
} bb_fragment;
/* *fragments is the caller's to free. */
bb_status bb_tokenizer_fragments(const bb_tokenizer *t, const char *text, size_t n, bool parse_special,
                                 bb_fragment **fragments, size_t *n_fragments);
#endif
