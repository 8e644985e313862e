/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_beside.c - what Left and Right put into a field of the Plan screen. */
#include "tui/plan_screen.h"
#include <stdio.h>
#include <string.h>

static double bits_of(const char *name) {
    const bb_ftype *ft = bb_ftype_find(name, NULL);
    const bb_dtype *t = bb_dtype_find(ft ? ft->base : name, NULL);
    return t ? bb_dtype_bits_per_weight(t, 0) : 0;
}

static size_t count_words(const char *const *words) {
    size_t n = 0;
    while (words[n]) n++;
    return n;
}

static size_t index_of(const char *const *words, const char *now) {
    size_t i = 0;
    while (words[i] && !bb_name_eq(words[i], now)) i++;
    return i;
}

/* The next weights that make another plan. What is not in the list stands where its bits belong. */
static bool weights_beside(bb_plan_screen *s, int step, char *text, size_t size) {
    const char *const *words = bb_plan_weight_types;
    const char *used = s->planned ? s->plan.used.weights : s->ask.weights;
    size_t n = count_words(words), at = index_of(words, *s->ask.weights ? s->ask.weights : used);
    if (at == n) {
        for (at = 0; at < n && bits_of(words[at]) > bits_of(used);) at++;
        if (step > 0) at += n - 1;
    }
    for (size_t tries = 0; tries < n; tries++) {
        at = (at + (step > 0 ? 1 : n - 1)) % n;
        bb_plan_request ask = s->ask;
        (void)snprintf(ask.weights, sizeof ask.weights, "%s", words[at]);
        if (!s->engine_set) ask.engine = bb_engine_default(&s->subject, &ask);
        bool other = bb_plan_screen_try(s, &ask) && strcmp(s->trial.used.weights, used) != 0;
        if (!other) continue;
        (void)snprintf(text, size, "%s", words[at]);
        return true;
    }
    return false;
}

/* The next type that the engine takes. */
static bool kv_beside(bb_plan_screen *s, int step, char *text, size_t size) {
    const char *const *words = bb_plan_kv_types;
    const char *used = s->planned ? s->plan.used.kv_k : s->ask.kv_k;
    size_t n = count_words(words), at = index_of(words, used);
    if (at == n) at = step > 0 ? n - 1 : 0;
    for (size_t tries = 1; tries < n; tries++) {
        bb_plan_request ask = s->ask;
        at = (at + (step > 0 ? 1 : n - 1)) % n;
        (void)snprintf(ask.kv_k, sizeof ask.kv_k, "%s", words[at]);
        (void)snprintf(ask.kv_v, sizeof ask.kv_v, "%s", words[at]);
        if (!s->engine_set) ask.engine = bb_engine_default(&s->subject, &ask);
        if (!bb_plan_screen_try(s, &ask)) continue;
        (void)snprintf(text, size, "%s", words[at]);
        return true;
    }
    return false;
}

/* The next engine that plans this model. */
static bool engine_beside(bb_plan_screen *s, int step, char *text, size_t size) {
    size_t n = count_words(bb_plan_engines), at = index_of(bb_plan_engines, bb_engine_name(s->ask.engine));
    for (size_t tries = 1; tries < n; tries++) {
        bb_plan_request ask = s->ask;
        at = (at + (step > 0 ? 1 : n - 1)) % n;
        bb_engine e = ask.engine;
        (void)bb_engine_find(bb_plan_engines[at], &e, NULL);
        if (!bb_plan_screen_engine(s, e, &ask)) continue;
        (void)snprintf(text, size, "%s", bb_plan_engines[at]);
        return true;
    }
    return false;
}

static bool split_beside(const bb_plan_screen *s, int step, char *text, size_t size) {
    const char *const *words = bb_plan_screen_splits(s);
    char now[32];
    size_t n = count_words(words), at = index_of(words, bb_plan_screen_value(s, BB_PLAN_SPLIT, now, sizeof now));
    if (!n || !bb_plan_screen_has_split(s)) return false;
    (void)snprintf(text, size, "%s", words[(at + (step > 0 ? 1 : n - 1)) % n]);
    return true;
}

static void layers_beside(const bb_plan_screen *s, int step, char *text, size_t size) {
    uint64_t most = s->subject.n_layers + 1, n = s->ask.gpu_layers_set ? s->ask.gpu_layers : most;
    n = step > 0 ? n + (n < most) : n - (n > 0);
    (void)snprintf(text, size, "%llu", (unsigned long long)n);
}

static const char *name_at(const bb_plan_screen *s, bool model, size_t i) {
    return model ? bb_catalogue_model(s->cat, i)->name : bb_catalogue_gpu(s->cat, i)->name;
}

/* The model or the card that follows in the catalogue; of the card as many as now. */
static void row_beside(const bb_plan_screen *s, bool model, int step, char *text, size_t size) {
    size_t n = model ? bb_catalogue_models(s->cat) : bb_catalogue_gpus(s->cat), at = 0;
    size_t cards = bb_plan_screen_cards(&s->ask);
    for (size_t i = 0; i < n; i++)
        if (bb_name_eq(name_at(s, model, i), model ? s->model_text : s->ask.cards[0].name)) at = i;
    for (size_t tries = 0; tries < n; tries++) {
        at = (at + (step > 0 ? 1 : n - 1)) % n;
        if (model || bb_catalogue_gpu(s->cat, at)->usable_bytes) break;
    }
    if (model || cards < 2)
        (void)snprintf(text, size, "%s", name_at(s, model, at));
    else
        (void)snprintf(text, size, "%sx%zu", name_at(s, model, at), cards);
}

bool bb_plan_screen_beside(bb_plan_screen *s, bb_plan_field f, int step, char *text, size_t size) {
    const bb_plan_request *u = s->planned ? &s->plan.used : &s->ask;
    uint64_t n;
    switch (f) {
    case BB_PLAN_PURPOSE:
        (void)snprintf(text, size, "%s", s->ask.purpose == BB_FOR_LOAD ? "infer" : "load");
        return true;
    case BB_PLAN_ENGINE:
        return engine_beside(s, step, text, size);
    case BB_PLAN_SPLIT:
        return split_beside(s, step, text, size);
    case BB_PLAN_GPUS:
        n = bb_plan_screen_cards(&s->ask);
        if (s->ask.no_gpu || (step > 0 ? n == BB_PLAN_CARDS : n == 1)) return false;
        (void)snprintf(text, size, "%llu", (unsigned long long)(step > 0 ? n + 1 : n - 1));
        return true;
    case BB_PLAN_WEIGHTS:
        return weights_beside(s, step, text, size);
    case BB_PLAN_KV:
        return kv_beside(s, step, text, size);
    case BB_PLAN_CTX:
        n = u->ctx ? u->ctx : 1024;
        n = step > 0 ? n * 2 : n / 2;
        (void)snprintf(text, size, "%llu", (unsigned long long)(n < 256 ? 256 : n));
        return true;
    case BB_PLAN_SEQS:
        n = u->parallel ? u->parallel : 1;
        n = step > 0 ? n + 1 : n - 1;
        (void)snprintf(text, size, "%llu", (unsigned long long)(n < 1 ? 1 : n));
        return true;
    case BB_PLAN_LAYERS:
        layers_beside(s, step, text, size);
        return true;
    case BB_PLAN_MODEL:
    case BB_PLAN_GPU:
        row_beside(s, f == BB_PLAN_MODEL, step, text, size);
        return true;
    case BB_PLAN_FIELDS:
        break;
    }
    return false;
}
