/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sweep.h - plans of every combination of lists of models, weights, caches, contexts, batches and cards. */
#ifndef BB_STUDY_SWEEP_H
#define BB_STUDY_SWEEP_H
#include "plan/plan.h"

/* From the slowest to the fastest: a model is opened once while the rows are asked for in order. */
typedef enum bb_sweep_key {
    BB_SWEEP_MODEL,
    BB_SWEEP_WEIGHTS,
    BB_SWEEP_KV,
    BB_SWEEP_CTX,
    BB_SWEEP_BATCH,
    BB_SWEEP_GPU,
    BB_SWEEP_GPUS,
    BB_SWEEP_KEYS
} bb_sweep_key;
bb_status bb_sweep_key_find(const char *name, bb_sweep_key *key, bb_error *err);

/* Holds one model at a time. For one thread. */
typedef struct bb_sweep bb_sweep;

/* One combination. Texts are the sweep's and last until the next row is asked for. */
typedef struct bb_sweep_row {
    const char *model, *weights, *gpu;
    const char *engine; /* "" = the model cannot be planned */
    char kv[34];        /* "f16", or "q8_0/f16" of keys and values; "" = none */
    uint64_t ctx, batch, gpus;
    bool planned; /* else why says what is wrong, and the rest is what was asked */
    uint64_t total_bytes, high_bytes;
    uint64_t limit_bytes; /* of the cards together, 0 = unknown */
    bb_fit_answer fits;
    double tokens_per_s; /* of decoding; 0 = not known */
    const char *why;
} bb_sweep_row;

/* What is not swept is in `base`; its engine is the one that each combination means, unless `engine` says to keep it.
 * cat and stores (NULL = none) are borrowed. */
bb_status bb_sweep_new(const bb_catalogue *cat, const bb_stores *stores, const bb_plan_request *base, bool engine,
                       bb_sweep **sweep, bb_error *err);
void bb_sweep_free(bb_sweep *s);
/* One more value of a key, as the command line writes it; "all" of model, weights and gpu is every row of the catalogue
 * and every file type. A model has to be found, not to be planned. */
bb_status bb_sweep_add(bb_sweep *s, bb_sweep_key key, const char *value, bb_error *err);
size_t bb_sweep_count(const bb_sweep *s, bb_sweep_key key); /* values of it that were added */
/* Combinations; 0 without a model, BB_SWEEP_TOO_MANY for more than 2^63. */
#define BB_SWEEP_TOO_MANY SIZE_MAX
size_t bb_sweep_rows(const bb_sweep *s);
/* BB_E_NOMEM alone: whatever else is wrong is the row's. */
bb_status bb_sweep_row_at(bb_sweep *s, size_t index, bb_sweep_row *row, bb_error *err);
#endif
