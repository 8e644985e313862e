/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_parts.h - what the engines of plan/ share: the growing list of lines, and the types of a subject. */
#ifndef BB_PLAN_PLAN_PARTS_H
#define BB_PLAN_PLAN_PARTS_H
#include "graph/stored.h"
#include "plan/plan.h"
#include "plan/plan_calc.h"
#include <stdio.h>

/* Bytes of one line: value, low and high end. */
typedef struct bb_span {
    uint64_t bytes, low, high;
} bb_span;

/* A part of the overhead that follows from the plan, beside the engine's rows of data overheads. */
typedef struct bb_overhead_own {
    const char *part; /* NULL = none */
    bb_span bytes;
    bb_evidence status;
    const char *source, *formula;
} bb_overhead_own;

/* Which bytes of the weights a step of decoding does not read whole, from an engine that sums tensors. */
typedef struct bb_reads {
    bool told;                           /* else throughput.c takes them by counts */
    uint64_t embedding;                  /* on the host: rows of it are looked up */
    uint64_t experts[BB_PLAN_CARDS + 1]; /* by card, the host last */
} bb_reads;

/* A plan being made; once `st` is set every further call does nothing. */
typedef struct bb_draft {
    bb_plan *plan;
    bool numbers; /* no texts: no formula, source or note (bb_plan_numbers) */
    bb_calc calc;
    bb_reads reads;
    bb_status st;
    bb_error *err;
} bb_draft;

static inline bb_span bb_span_exact(uint64_t bytes) { return (bb_span){bytes, bytes, bytes}; }
/* A line; lines of 0 bytes are left out. fmt makes the formula. An overflow seen by draft->calc ends the plan here. */
void bb_draft_line(bb_draft *d, const char *component, const char *device, bb_span bytes, bb_evidence status,
                   const char *source, const char *fmt, ...) BB_PRINTF(7, 8);
void bb_draft_note(bb_draft *d, const char *fmt, ...) BB_PRINTF(2, 3);
/* The engine's rows of what no buffer holds, as parts of one line, or the user's number; with a part that follows from
 * the plan (NULL = none). */
void bb_draft_overhead(bb_draft *d, const bb_subject *s, const char *device);
void bb_draft_overhead_own(bb_draft *d, const bb_subject *s, const char *device, const bb_overhead_own *own);
const char *bb_card_name(size_t card);          /* "gpu0", "gpu1", ... below BB_PLAN_CARDS */
const char *bb_draft_device(const bb_draft *d); /* "gpu0", or "host" when the request has no card */
/* Bytes of a component on all devices; of a plan that was made, whose total did not overflow. */
uint64_t bb_plan_component_bytes(const bb_plan *plan, const char *component);
static inline size_t bb_plan_cards(const bb_plan_request *u) { return u->n_cards ? u->n_cards : 1; }

/* Makes the types of s->tensors stand for `weights` ("" or "file" = the file's own, else the llama.cpp default), made
 * with or without an importance matrix, and writes what was taken into used[24]. */
bb_status bb_subject_types(bb_subject *s, const char *weights, bool imatrix, char *used, bb_error *err);
/* Bytes and elements of tensor i in its present type; BB_E_UNSUPPORTED for a type of the file that nobody knows. */
bb_status bb_subject_tensor(const bb_subject *s, size_t i, const bb_dtype *type, uint64_t *bytes, uint64_t *elements,
                            bb_error *err);
/* True for tensors that are parameters (all but rope_freqs). */
static inline bool bb_subject_counts(const bb_subject *s, size_t i) { return s->layers[i] != BB_LAYER_SHARED; }

/* How well the weights are known: a config.json tells of tensors that nobody has read. */
static inline bb_evidence bb_subject_evidence(const bb_subject *s) {
    return s->model->kind == BB_MODEL_CONFIG || *s->differs ? BB_MODELLED : BB_EXACT;
}

/* "q4_K 193 q6_K 33 f32 65 tensors", most frequent first. */
typedef struct bb_type_tally {
    struct {
        const bb_dtype *type;
        uint64_t n;
    } row[48];
    size_t n;
} bb_type_tally;
void bb_tally_add(bb_type_tally *t, const bb_dtype *type);
void bb_tally_text(const bb_type_tally *t, char *out, size_t size);

static inline void bb_default_text(char *text, size_t size, const char *value) {
    if (!*text) (void)snprintf(text, size, "%s", value);
}
/* Context, batches, sequences, cache types and flash attention as llama.cpp or ollama takes them. */
bb_status bb_llama_defaults(const bb_subject *s, bb_plan_request *u, bb_error *err);
/* The same for vLLM, and what it may take of a card; 0 = unknown. */
bb_status bb_vllm_defaults(const bb_subject *s, bb_plan_request *u, bb_error *err);
uint64_t bb_vllm_limit(const bb_plan_request *u, size_t card);
/* The engines: each adds its lines for plan->used, whose defaults are filled in. */
void bb_plan_simple(bb_draft *d, bb_subject *s);
void bb_plan_llama(bb_draft *d, bb_subject *s);
void bb_plan_hf(bb_draft *d, bb_subject *s);
void bb_plan_vllm(bb_draft *d, bb_subject *s);
#endif
