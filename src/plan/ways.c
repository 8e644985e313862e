/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ways.c - ways out of a plan that does not fit: one change at a time, each found by the solver or a trial plan. */
#include "plan/ways.h"
#include "plan/plan_parts.h"
#include "plan/solve.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct search {
    bb_subject *s;
    const bb_plan_request *ask;
    bb_plan plan;         /* of the last trial */
    bb_plan_request used; /* what the plan without a change takes */
    uint64_t weights;     /* bytes of its weights */
    bb_plan_way *ways;    /* [most] */
    size_t most, n;
} search;

static bool try_request(search *f, const bb_plan_request *r) {
    return bb_plan_numbers(f->s, r, &f->plan, NULL) == BB_OK && f->plan.fits == BB_FITS_YES;
}

static bb_plan_way *add(search *f, bb_way_change change, const bb_plan_request *r) {
    if (f->n == f->most || !try_request(f, r)) return NULL;
    bb_plan_way *w = &f->ways[f->n++];
    *w = (bb_plan_way){.change = change,
                       .request = *r,
                       .total_bytes = f->plan.total_bytes,
                       .high_bytes = f->plan.high_bytes,
                       .limit_bytes = f->plan.limit_bytes};
    return w;
}

/* The request with the solver's answer; false where there is none. */
static bool solved(const search *f, bb_solve solve, const bb_plan_request *ask, bb_plan_request *r, bb_fit *fit) {
    return bb_solve_subject(f->s, ask, solve, fit, NULL) == BB_OK && bb_solve_request(ask, fit, r);
}

static void narrower_kv(search *f) {
    bb_fit fit;
    bb_plan_request r;
    if (!solved(f, BB_SOLVE_KV, f->ask, &r, &fit)) return;
    bb_plan_way *w = add(f, BB_WAY_KV, &r);
    if (!w) return;
    (void)snprintf(w->text, sizeof w->text, "KV cache %s", fit.answer_name);
    (void)snprintf(w->options, sizeof w->options, "--kv %s", fit.answer_name);
}

static void narrower_weights(search *f) {
    bb_fit fit;
    bb_plan_request r;
    if (!solved(f, BB_SOLVE_WEIGHTS, f->ask, &r, &fit) || fit.answer >= f->weights) return;
    bb_plan_way *w = add(f, BB_WAY_WEIGHTS, &r);
    if (!w) return;
    (void)snprintf(w->text, sizeof w->text, "weights %s", fit.answer_name);
    (void)snprintf(w->options, sizeof w->options, "--weights %s", fit.answer_name);
}

/* Bytes that llama.cpp takes of the cards at most beside what grows with the context. */
static uint64_t beside_context(const bb_plan *p) {
    uint64_t rest = p->high_bytes;
    for (size_t i = 0; i < p->n_lines; i++) {
        const bb_plan_line *l = &p->lines[i];
        bool grows = strcmp(l->component, "kv_cache") == 0 || strcmp(l->component, "compute_buffer") == 0;
        if (grows) rest -= bb_min_u64(l->high_bytes, rest);
    }
    return rest;
}

static void shorter_context(search *f) {
    bb_fit fit;
    bb_plan_request r;
    if (!solved(f, BB_SOLVE_CTX, f->ask, &r, &fit) || fit.answer >= f->used.ctx) return;
    bb_plan_way *w = add(f, BB_WAY_CTX, &r);
    if (!w) return;
    (void)snprintf(w->text, sizeof w->text, "context %" PRIu64 " tokens", fit.answer);
    (void)snprintf(w->options, sizeof w->options, "--ctx %" PRIu64, fit.answer);
}

static const char *cards_word(const search *f) { return f->ask->n_cards > 1 ? "cards" : "card"; }

static void fewer_layers(search *f) {
    bb_fit fit;
    bb_plan_request r;
    if (!solved(f, BB_SOLVE_LAYERS, f->ask, &r, &fit) || fit.answer > f->s->n_layers) return;
    bb_plan_way *w = add(f, BB_WAY_LAYERS, &r);
    if (!w) return;
    (void)snprintf(w->text, sizeof w->text, "%" PRIu64 " of %" PRIu64 " layers on the %s", fit.answer,
                   f->s->n_layers + 1, cards_word(f));
    (void)snprintf(w->options, sizeof w->options, "--gpu-layers %" PRIu64, fit.answer);
}

/* Names of the catalogue hold no quote. */
static void gpu_option(char *out, size_t size, const char *name, uint64_t n) {
    if (n > 1)
        (void)snprintf(out, size, "--gpu '%.63sx%" PRIu64 "'", name, n);
    else
        (void)snprintf(out, size, "--gpu '%.63s'", name);
}

static void more_cards(search *f) {
    bb_fit fit;
    bb_plan_request r;
    size_t now = f->ask->n_cards ? f->ask->n_cards : 1;
    for (size_t i = 1; i < now; i++)
        if (strcmp(f->ask->cards[i].name, f->ask->cards[0].name) != 0) return;
    if (!solved(f, BB_SOLVE_GPUS, f->ask, &r, &fit) || fit.answer <= now) return;
    bb_plan_way *w = add(f, BB_WAY_CARDS, &r);
    if (!w) return;
    char cards[96];
    if (*r.cards[0].name)
        gpu_option(cards, sizeof cards, r.cards[0].name, fit.answer);
    else
        (void)snprintf(cards, sizeof cards, "--gpus %" PRIu64, fit.answer);
    if (r.engine == BB_ENGINE_VLLM)
        (void)snprintf(w->options, sizeof w->options, "%s -tp %" PRIu64, cards, r.tensor_parallel);
    else
        (void)snprintf(w->options, sizeof w->options, "%s", cards);
    (void)snprintf(w->text, sizeof w->text, "%" PRIu64 " cards of %s", fit.answer,
                   *r.cards[0].name ? r.cards[0].name : "that size");
}

/* What was asked of several cards means nothing on one: its options behind --gpu. */
static void on_one_card(const bb_plan_request *ask, bb_plan_request *r, char *options, size_t size) {
    size_t n = 0;
    r->n_cards = 1;
    options[0] = '\0';
    if (ask->engine == BB_ENGINE_VLLM && ask->tensor_parallel > 1) {
        r->tensor_parallel = 1;
        n += (size_t)snprintf(options, size, " -tp 1");
    }
    if (ask->engine == BB_ENGINE_VLLM && ask->pipeline_parallel > 1) {
        r->pipeline_parallel = 1;
        n += (size_t)snprintf(options + n, size - n, " -pp 1");
    }
    if (ask->main_gpu) {
        r->main_gpu = 0;
        (void)snprintf(options + n, size - n, " -mg 0");
    }
}

/* The smallest card of the catalogue that takes it whole, from the same vendor where that is known. Where one card was
 * asked, a smaller one is not tried. */
static void another_card(search *f) {
    const bb_catalogue *cat = f->s->cat;
    const bb_gpu *now = cat && *f->ask->cards[0].name ? bb_gpu_find(cat, f->ask->cards[0].name, NULL) : NULL;
    uint64_t below = f->ask->n_cards > 1 ? 0 : bb_plan_limit(f->ask);
    char rest[32], gpu[96];
    for (size_t tries = 0; cat && tries < bb_catalogue_gpus(cat); tries++) {
        const bb_gpu *best = NULL;
        for (size_t i = 0; i < bb_catalogue_gpus(cat); i++) {
            const bb_gpu *g = bb_catalogue_gpu(cat, i);
            if (now && !bb_name_eq(now->vendor, g->vendor)) continue;
            if (g->usable_bytes > below && (!best || g->usable_bytes < best->usable_bytes)) best = g;
        }
        if (!best) return;
        below = best->usable_bytes;
        bb_plan_request r = *f->ask;
        bb_plan_card_of(best, &r.cards[0]);
        on_one_card(f->ask, &r, rest, sizeof rest);
        bb_plan_way *w = add(f, BB_WAY_CARD, &r);
        if (!w) continue;
        (void)snprintf(w->text, sizeof w->text, "card %s", best->name);
        gpu_option(gpu, sizeof gpu, best->name, 1);
        (void)snprintf(w->options, sizeof w->options, "%s%s", gpu, rest);
        return;
    }
}

/* Narrower weights that do not fit whole either bring more layers onto the card: the usual file type, else the
 * narrowest. */
static void weights_and_layers(search *f) {
    bb_plan_request ask = *f->ask, r;
    const char *names[2] = {"q4_K_M", NULL}; /* llama-quantize's own choice for "Q4_K" */
    bb_fit fit;
    for (size_t i = 0; bb_ladder_weights(f->ask, i); i++) names[1] = bb_ladder_weights(f->ask, i);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(ask.weights, sizeof ask.weights, "%s", names[i]);
        if (!solved(f, BB_SOLVE_LAYERS, &ask, &r, &fit) || !try_request(f, &r)) continue;
        if (bb_plan_component_bytes(&f->plan, "weights") >= f->weights) continue;
        bb_plan_way *w = add(f, BB_WAY_WEIGHTS_LAYERS, &r);
        if (!w) return;
        (void)snprintf(w->text, sizeof w->text, "weights %s, %" PRIu64 " of %" PRIu64 " layers", names[i], fit.answer,
                       f->s->n_layers + 1);
        (void)snprintf(w->options, sizeof w->options, "--weights %s --gpu-layers %" PRIu64, names[i], fit.answer);
        return;
    }
}

static bool has(const search *f, bb_way_change change) {
    for (size_t i = 0; i < f->n; i++)
        if (f->ways[i].change == change) return true;
    return false;
}

bb_status bb_plan_ways(bb_subject *s, const bb_plan_request *request, bb_plan_way *ways, size_t most, size_t *n,
                       bb_error *err) {
    search f = {.s = s, .ask = request, .ways = ways, .most = most};
    bb_status st = bb_plan_numbers(s, request, &f.plan, err);
    if (!st && f.plan.limit_bytes && f.plan.fits != BB_FITS_YES) {
        bool llama = bb_engine_is_llama(request->engine), card = !request->no_gpu;
        uint64_t cache = bb_plan_component_bytes(&f.plan, "kv_cache");
        bool hopeless = llama && beside_context(&f.plan) > f.plan.limit_bytes; /* whatever the context is */
        f.used = f.plan.used;
        f.weights = bb_plan_component_bytes(&f.plan, "weights");
        /* what is too large without its cache is so with a smaller one */
        if (f.plan.high_bytes - bb_min_u64(cache, f.plan.high_bytes) <= f.plan.limit_bytes) narrower_kv(&f);
        if (f.n < most) narrower_weights(&f);
        if (f.n < most && !hopeless) shorter_context(&f);
        if (f.n < most && llama && card) fewer_layers(&f);
        if (f.n < most && card) more_cards(&f);
        if (f.n < most && card) another_card(&f);
        if (f.n < most && llama && card && !has(&f, BB_WAY_WEIGHTS)) weights_and_layers(&f);
    }
    if (!st) *n = f.n;
    bb_plan_clear(&f.plan);
    return st;
}
