/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_llama_defaults.c - what llama.cpp v0.5.0 and ollama take where nothing is asked. */
#include "plan/kvcache.h"
#include "plan/llama_limits.h"
#include "plan/llama_parts.h"
#include <stdio.h>

enum { LLAMA_CTX = 8192 }; /* bitbudget(1), options of plan; llama.cpp's own would be the model's */

/* ollama's server/routes.go and server/sched.go of August 2026. */
enum { OLLAMA_CTX_SMALL = 4096, OLLAMA_CTX_MIDDLE = 32768, OLLAMA_CTX_LARGE = 262144 };
enum { OLLAMA_BATCH_SMALL = 512, OLLAMA_BATCH_MIDDLE = 1024, OLLAMA_BATCH_LARGE = 2048 };
#define GIB (UINT64_C(1) << 30) /* bytes */
#define MIB (UINT64_C(1) << 20)

/* By the memory of all cards, with 1 GiB of tolerance below 24 and 48 GiB. */
static uint64_t ollama_ctx(const bb_plan_request *u) {
    uint64_t all = 0;
    for (size_t i = 0; !u->no_gpu && i < bb_plan_cards(u); i++) {
        const bb_plan_card *c = &u->cards[i];
        all += c->driver_bytes ? c->driver_bytes : c->limit_bytes; /* below 2^60 each */
    }
    return all >= 47 * GIB ? OLLAMA_CTX_LARGE : all >= 23 * GIB ? OLLAMA_CTX_MIDDLE : OLLAMA_CTX_SMALL;
}

/* What turns "auto" off (llama_context's probe): the device has no kernel, and the values do not need one. */
static bool lacks_attention(const bb_plan_request *u) {
    const bb_dtype *k = bb_dtype_find(u->kv_k, NULL), *v = bb_dtype_find(u->kv_v, NULL);
    return k && v && v->block == 1 && !u->no_gpu && u->backend == BB_BACKEND_CUDA && !bb_cuda_attends(k, v);
}

bb_status bb_llama_defaults(const bb_subject *s, bb_plan_request *u, bb_error *err) {
    const bb_arch *a = s->model->arch;
    bool ollama = u->engine == BB_ENGINE_OLLAMA;
    uint64_t known = a && a->context ? a->context : UINT64_MAX;
    if (!u->parallel) u->parallel = 1;
    if (!u->ctx) u->ctx = bb_min_u64(ollama ? ollama_ctx(u) : LLAMA_CTX, known);
    if (ollama) u->ctx = bb_min_u64(u->ctx, known); /* llm/server.go clips what is asked as well */
    bb_default_text(u->kv_k, sizeof u->kv_k, "f16");
    bb_default_text(u->kv_v, sizeof u->kv_v, u->kv_k);
    if (!u->flash_attn) u->flash_attn = lacks_attention(u) ? -1 : 1;
    if (u->parallel > BB_LLAMA_SEQUENCES)
        return bb_fail(err, BB_E_ARG, "%llu sequences: llama.cpp stops with 'n_seq_max must be <= %d'",
                       (unsigned long long)u->parallel, BB_LLAMA_SEQUENCES);
    if (ollama) {
        if (!u->batch) u->batch = u->ubatch;
        u->ubatch = u->batch;                      /* num_batch is both; 0 = bb_ollama_batch chooses */
        if (!u->outputs) u->outputs = u->parallel; /* llama-server asks for one row of logits a slot */
        return BB_OK;
    }
    /* clipped as llama.cpp does (llama-graph.md 1) */
    u->batch = bb_min_u64(u->ctx, u->batch ? u->batch : BB_LLAMA_BATCH);
    u->ubatch = bb_min_u64(u->batch, u->ubatch ? u->ubatch : BB_LLAMA_UBATCH);
    if (!u->outputs) u->outputs = u->batch;
    if (u->parallel > u->ctx)
        return bb_fail(err, BB_E_ARG, "%llu sequences have no place in a context of %llu tokens: expected a token each",
                       (unsigned long long)u->parallel, (unsigned long long)u->ctx);
    return BB_OK;
}

/* ollama's own guess of the need (PredictServerVRAM): the file, and an f16 cache of heads of hidden / heads. */
static uint64_t ollama_guess(bb_llama *p) {
    const bb_arch *a = p->s->model->arch;
    const bb_weight_set *w = p->set;
    bb_calc *c = &p->d->calc;
    uint64_t file = bb_calc_add(c, w->input.bytes, w->shared.bytes);
    for (uint64_t l = 0; l <= p->s->n_layers; l++) file = bb_calc_add(c, file, w->layers[l].bytes);
    for (size_t i = 0; i <= BB_PLAN_CARDS; i++) file = bb_calc_add(c, file, w->elsewhere[i].bytes);
    uint64_t head = a->heads ? a->hidden / a->heads : 0;
    uint64_t row = bb_calc_mul(c, bb_calc_mul(c, 4, a->layers), bb_calc_mul(c, bb_max_u64(a->kv_heads, 1), head));
    return bb_calc_fma(c, row, p->ctx, file);
}

/* Parts of the cards' memory in percent: what guess and surcharge may take together, and the guess alone beside a batch
 * of 1024 and of 2048; and the surcharges (server/sched.go, generationBatchFits). */
enum { OLLAMA_ALL = 80, OLLAMA_BESIDE_MIDDLE = 75, OLLAMA_BESIDE_LARGE = 60 };
static const uint64_t SURCHARGE_MIDDLE = 768 * MIB, SURCHARGE_LARGE = 2 * GIB;

static bool leaves_room(uint64_t memory, uint64_t guess, uint64_t percent, uint64_t surcharge) {
    uint64_t most = memory / 100 * OLLAMA_ALL; /* percent */
    return guess <= memory / 100 * percent && guess <= most && surcharge <= most - guess;
}

/* The largest batch for the context that leaves the headroom which ollama wants. */
static uint64_t ollama_batch(bb_llama *p) {
    uint64_t memory = bb_plan_limit(&p->d->plan->used), guess = ollama_guess(p);
    bool large = p->ctx > OLLAMA_CTX_MIDDLE, middle = p->ctx > OLLAMA_CTX_SMALL;
    if (large && (!memory || leaves_room(memory, guess, OLLAMA_BESIDE_LARGE, SURCHARGE_LARGE)))
        return OLLAMA_BATCH_LARGE;
    if (middle && (!memory || leaves_room(memory, guess, OLLAMA_BESIDE_MIDDLE, SURCHARGE_MIDDLE)))
        return OLLAMA_BATCH_MIDDLE;
    return OLLAMA_BATCH_SMALL;
}

void bb_ollama_batch(bb_llama *p) {
    bb_plan_request *u = &p->d->plan->used;
    if (!u->batch) u->batch = ollama_batch(p);
    u->batch = u->ubatch = bb_min_u64(u->batch, p->ctx);
}
