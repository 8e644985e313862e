/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recurrence.h - layers that keep a state of one size in place of keys and values: mamba, RWKV, linear attention. */
#ifndef BB_MODEL_RECURRENCE_H
#define BB_MODEL_RECURRENCE_H
#include "file/file.h"

enum { BB_RECURRENCE_LAYERS = 512 }; /* llama.cpp's own most, LLAMA_MAX_LAYERS */

/* A bit for each layer: every model of the catalogue has two of these. */
typedef struct bb_layer_set {
    uint64_t bits[BB_RECURRENCE_LAYERS / 64];
} bb_layer_set;
static inline bool bb_layer_in(const bb_layer_set *s, uint64_t layer) { return s->bits[layer / 64] >> layer % 64 & 1; }
static inline void bb_layer_put(bb_layer_set *s, uint64_t layer, bool in) {
    uint64_t bit = UINT64_C(1) << layer % 64;
    s->bits[layer / 64] = in ? s->bits[layer / 64] | bit : s->bits[layer / 64] & ~bit;
}

/* Widths as the metadata says them; 0 = absent. */
typedef struct bb_recurrence {
    uint64_t conv, inner, state, groups; /* mamba and linear attention: taps, channels, state of a channel, groups */
    uint64_t heads;                      /* of linear attention's values */
    uint64_t interval;                   /* each interval-th layer attends; 0 = not told so */
    uint64_t shift, wkv_head;            /* RWKV: shifted tokens, elements of a head */
    uint64_t short_conv;                 /* LFM2: taps */
    uint64_t layers;                     /* 0 = the model has no such layer */
    bb_layer_set keeps;                  /* layers that keep a state ... */
    bb_layer_set attends;                /* ... and those that keep keys and values: falcon-h1's do both */
} bb_recurrence;

/* What the metadata of a GGUF file says, for `layers` layers; r->layers stays 0 for an architecture without a state.
 * BB_E_INVALID for a value out of range. */
bb_status bb_recurrence_from_file(const bb_file *file, const char *architecture, uint64_t layers, bb_recurrence *r,
                                  bb_error *err);
/* Of `layers` layers each interval-th attends and the others keep a state. BB_E_LIMIT for more than
 * BB_RECURRENCE_LAYERS. */
bb_status bb_recurrence_spread(bb_recurrence *r, uint64_t layers, uint64_t interval);
/* The part of a model from layer `from` on, `layers` long; past its end the pattern of its `all` layers begins again.
 * BB_E_LIMIT as above. */
bb_status bb_recurrence_part(bb_recurrence *r, uint64_t all, uint64_t from, uint64_t layers);
/* Elements of F32 that a sequence keeps in a layer of that width: of the convolution or the shift, and of the state
 * (llama.cpp v0.5.0, llama-hparams.cpp, n_embd_r and n_embd_s). BB_E_OVERFLOW. */
bb_status bb_recurrence_elements(const bb_recurrence *r, uint64_t hidden, uint64_t *conv, uint64_t *state);
#endif
