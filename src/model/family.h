/* SPDX-License-Identifier: GPL-3.0-or-later */
/* family.h - the architectures by name: what GGUF calls them, what config.json calls them, and rules they all share. */
#ifndef BB_MODEL_FAMILY_H
#define BB_MODEL_FAMILY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BB_FAMILY_TYPES = 6 };

typedef struct bb_family { /* a row of a constant table */
    const char *name;      /* GGUF's general.architecture, or the model_type where GGUF has none ("opt", "whisper") */
    const char *types[BB_FAMILY_TYPES]; /* model_type of config.json, NULL-terminated */
    bool gguf;                          /* llama.cpp loads it */
    bool rotary;                        /* positions by rotation: head_dim must be even */
    bool mla;                           /* latent attention: one low-rank vector for keys and values */
    bool linear;                        /* some layers keep a state of linear attention (gated delta net) */
    bool half_ffn;                      /* feed_forward_length and intermediate_size say twice the MLP's width */
    bool has_cache;                     /* it generates: keys and values of earlier tokens are kept */
    /* Of every period layers the last attends to everything and the others to a window (llama.cpp's
     * set_swa_pattern); 0 where the window is unused or covers every layer alike. */
    uint32_t swa_period;
} bb_family;

/* By GGUF name or model_type, exact spelling; NULL when graph/ does not describe it. */
const bb_family *bb_family_find(const char *text);
/* Rows of the table in order; NULL past the end. */
const bb_family *bb_family_at(size_t i);
#endif
