/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_follow.c - what follows from a plan: ways out, the inverse, other weights, other cards; a part at a time. */
#include "base/units.h"
#include "plan/solve.h"
#include "study/type_error.h"
#include "tui/plan_screen.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bb_plan_screen_try(bb_plan_screen *s, const bb_plan_request *ask) {
    return bb_plan_numbers(&s->subject, ask, &s->trial, NULL) == BB_OK;
}

bb_plan_request bb_plan_screen_on(const bb_plan_screen *s, const bb_gpu *g, uint64_t cards) {
    bb_plan_request ask = s->ask;
    ask.no_gpu = false;
    ask.n_cards = 0;
    while (ask.n_cards < cards && ask.n_cards < BB_PLAN_CARDS) bb_plan_card_of(g, &ask.cards[ask.n_cards++]);
    return ask;
}

static void solve(bb_plan_screen *s, bb_solve what) {
    bb_plan_request ask = s->ask;
    if (what == BB_SOLVE_PARAMS) ask.gpu_layers_set = false; /* of a model that is whole on the cards */
    s->fit_known[what] = bb_solve_subject(&s->subject, &ask, what, &s->fit[what], NULL) == BB_OK;
}

/* Bits a weight of the plan that was tried, over all tensors; 0 = not known. */
static double trial_bits(const bb_plan_screen *s) {
    double bytes = 0;
    for (size_t i = 0; i < s->trial.n_lines; i++)
        if (strcmp(s->trial.lines[i].component, "weights") == 0) bytes += (double)s->trial.lines[i].bytes;
    return s->trial.parameters ? bytes * 8 / (double)s->trial.parameters : 0;
}

/* Of the many types of llama.cpp those that no other beats at about its size (most have a neighbour that loses less),
 * and the one of the plan; of the other engines all. */
static bool on_ladder(const bb_plan_screen *s, const char *name) {
    static const char *const shown[] = {"f16", "q8_0", "q6_K", "q5_K_M", "q4_K_M", "iq4_xs", "q3_K_M", "q2_K"};
    if (!bb_ladder_weights(&s->ask, sizeof shown / sizeof *shown) || strcmp(name, s->plan.used.weights) == 0)
        return true;
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (strcmp(name, shown[i]) == 0) return true;
    return false;
}

static void find_rungs(bb_plan_screen *s) {
    const char *name;
    for (size_t i = 0; s->n_rungs < BB_RUNGS && (name = bb_ladder_weights(&s->ask, i)) != NULL; i++) {
        bb_rung *r = &s->rungs[s->n_rungs];
        bb_plan_request ask = s->ask;
        (void)snprintf(ask.weights, sizeof ask.weights, "%s", name);
        if (!on_ladder(s, name) || !bb_plan_screen_try(s, &ask)) continue;
        *r = (bb_rung){
            .total_bytes = s->trial.total_bytes, .fits = s->trial.fits, .bits = trial_bits(s), .error = (double)NAN};
        (void)snprintf(r->weights, sizeof r->weights, "%s", name);
        s->n_rungs++;
    }
}

/* The error of a type, measured at most once; *measured says that it was now. */
static double loss_of(bb_plan_screen *s, const bb_dtype *t, bool *measured) {
    double error = (double)NAN;
    for (size_t i = 0; i < s->n_losses; i++)
        if (s->losses[i].type == t) return s->losses[i].error;
    *measured = bb_type_error(t, &error) == BB_OK;
    if (s->n_losses < BB_TYPE_ERRORS) s->losses[s->n_losses++] = (bb_type_loss){t, error};
    return error;
}

/* Of the base type of each rung; one is measured at a time. True when all are known. */
static bool find_errors(bb_plan_screen *s) {
    bool measured = false;
    for (size_t i = 0; i < s->n_rungs && !measured; i++) {
        const bb_ftype *ft = bb_ftype_find(s->rungs[i].weights, NULL);
        const bb_dtype *t = bb_dtype_find(ft ? ft->base : s->rungs[i].weights, NULL);
        if (t && isnan(s->rungs[i].error)) s->rungs[i].error = loss_of(s, t, &measured);
    }
    return !measured;
}

static int by_memory(const void *a, const void *b) {
    const bb_gpu *const *x = a, *const *y = b;
    if ((*x)->usable_bytes != (*y)->usable_bytes) return (*x)->usable_bytes < (*y)->usable_bytes ? -1 : 1;
    return strcmp((*x)->name, (*y)->name);
}

/* The card of the least memory of which as many as asked hold the plan. */
static void find_smallest(bb_plan_screen *s) {
    size_t n = bb_catalogue_gpus(s->cat), found = 0;
    const bb_gpu **sorted = n ? malloc(n * sizeof *sorted) : NULL;
    if (!sorted) return;
    for (size_t i = 0; i < n; i++)
        if (bb_catalogue_gpu(s->cat, i)->usable_bytes) sorted[found++] = bb_catalogue_gpu(s->cat, i);
    qsort(sorted, found, sizeof *sorted, by_memory);
    for (size_t i = 0; i < found && !s->smallest; i++) {
        bb_plan_request ask = bb_plan_screen_on(s, sorted[i], bb_plan_screen_cards(&s->ask));
        if (bb_plan_screen_try(s, &ask) && s->trial.fits == BB_FITS_YES) s->smallest = sorted[i];
    }
    free(sorted);
}

const char *bb_plan_known_card(size_t i) {
    static const char *const known[] = {
        "RTX 3060 12GB",  "RTX 4060 Ti 16GB", "T4",       "RTX 3080 10GB", "RTX 3090",  "RTX 4080",
        "RTX 4090",       "RTX 5090",         "L4",       "A10",           "RTX A6000", "L40S",
        "A100 40GB SXM",  "A100 80GB SXM",    "H100 SXM", "H200",          "RTX 4070",  "RX 7900 XTX",
        "V100 16GB PCIe", "MI300X",           "B200"};
    return i < sizeof known / sizeof *known ? known[i] : NULL;
}

static void find_cards(bb_plan_screen *s) {
    const char *name;
    for (size_t i = 0; (name = bb_plan_known_card(i)) && s->n_cards < BB_CARDS; i++) {
        const bb_gpu *g = bb_gpu_find(s->cat, name, NULL);
        if (!g || !g->usable_bytes) continue;
        bb_plan_request ask = bb_plan_screen_on(s, g, bb_plan_screen_cards(&s->ask));
        if (bb_plan_screen_try(s, &ask)) s->cards[s->n_cards++] = (bb_card){g, s->trial.fits};
    }
}

/* Without an engine of the user's, the one that the rest means; what belongs to another engine is forgotten. */
static void settle(bb_plan_screen *s) {
    bb_plan_request *u = &s->ask;
    size_t n = bb_plan_screen_cards(u);
    if (!s->engine_set) u->engine = bb_engine_default(&s->subject, u);
    bool pipeline = u->pipeline_parallel > 1, vllm = u->engine == BB_ENGINE_VLLM && !u->no_gpu && n > 1;
    u->tensor_parallel = vllm && !pipeline ? n : 0;
    u->pipeline_parallel = vllm && pipeline ? n : 0;
    if (!bb_plan_screen_has_layers(s)) u->gpu_layers_set = false;
    if (!bb_plan_screen_has_split(s)) u->split_mode = BB_SPLIT_LAYER;
}

void bb_plan_screen_take(bb_plan_screen *s, const bb_plan_request *ask) {
    s->ask = *ask;
    if (bb_engine_default(&s->subject, ask) != ask->engine) s->engine_set = true;
}

void bb_plan_screen_update(bb_plan_screen *s) {
    bb_plan_clear(&s->plan);
    s->n_ways = s->n_rungs = s->n_cards = 0;
    s->smallest = NULL;
    memset(s->fit_known, 0, sizeof s->fit_known);
    settle(s);
    s->planned = bb_plan_subject(&s->subject, &s->ask, &s->plan, &s->why) == BB_OK;
    s->part = s->planned ? 0 : BB_PARTS;
    size_t last = BB_PLAN_FIELDS + bb_plan_screen_lines(s);
    if (s->focus >= last) s->focus = last - 1;
}

bool bb_plan_screen_work(bb_plan_screen *s) {
    bool limit = s->plan.limit_bytes != 0;
    switch ((bb_plan_part)s->part) {
    case BB_PART_WAYS:
        if (limit && s->plan.fits != BB_FITS_YES)
            (void)bb_plan_ways(&s->subject, &s->ask, s->ways, BB_WAYS, &s->n_ways, NULL);
        break;
    case BB_PART_CTX:
        if (limit) solve(s, BB_SOLVE_CTX);
        break;
    case BB_PART_RUNGS:
        find_rungs(s);
        break;
    case BB_PART_SEQS:
        if (limit) solve(s, BB_SOLVE_SLOTS);
        break;
    case BB_PART_MODEL:
        if (limit) solve(s, BB_SOLVE_PARAMS);
        break;
    case BB_PART_GPU:
        if (!s->ask.no_gpu) find_smallest(s);
        break;
    case BB_PART_CARDS:
        if (!s->ask.no_gpu) find_cards(s);
        break;
    case BB_PART_ERRORS:
        if (!find_errors(s)) return true;
        break;
    case BB_PARTS:
        return false;
    }
    s->part++;
    return true;
}

static bool shown(const bb_plan_line *l) { return !bb_plan_is_part(l); }

size_t bb_plan_screen_lines(const bb_plan_screen *s) {
    size_t n = 0;
    for (size_t i = 0; s->planned && i < s->plan.n_lines; i++) n += shown(&s->plan.lines[i]);
    return n;
}

/* Those of the cards first, then the host's. */
const bb_plan_line *bb_plan_screen_line(const bb_plan_screen *s, size_t wanted) {
    for (int host = 0; host < 2; host++)
        for (size_t i = 0; i < s->plan.n_lines; i++) {
            const bb_plan_line *l = &s->plan.lines[i];
            if (shown(l) && (strcmp(l->device, "host") == 0) == (host == 1) && wanted-- == 0) return l;
        }
    return NULL;
}
