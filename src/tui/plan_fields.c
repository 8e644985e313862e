/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_fields.c - the fields of the Plan screen: text into the request, the request as text, the values beside. */
#include "base/units.h"
#include "tui/plan_screen.h"
#include <stdio.h>
#include <string.h>

const char *const bb_plan_kv_types[] = {"f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "f32", NULL};
const char *const bb_plan_weight_types[] = {"f32",    "f16",    "bf16",   "q8_0", "q6_K",   "q5_K_M", "q5_K_S",
                                            "q4_K_M", "q4_K_S", "iq4_xs", "q4_0", "q3_K_M", "q2_K",   NULL};
/* ---- text into the request ---- */

bb_status bb_plan_screen_model(bb_plan_screen *s, const char *text, bb_error *err) {
    bb_model *model = NULL;
    bb_subject subject;
    char copy[sizeof s->model_text];
    (void)snprintf(copy, sizeof copy, "%s", text);
    bb_status st = bb_model_locate(s->cat, s->stores, copy, &model, err);
    if (st != BB_OK) return st;
    if ((st = bb_subject_init(&subject, model, s->cat, err)) != BB_OK) {
        bb_model_free(model);
        return st;
    }
    bb_subject_clear(&s->subject);
    bb_model_free(s->model);
    s->subject = subject;
    s->model = model;
    (void)snprintf(s->model_text, sizeof s->model_text, "%s", copy);
    return BB_OK;
}

void bb_plan_screen_gpu(bb_plan_request *ask, const bb_gpu *g) {
    ask->no_gpu = false;
    bb_plan_card_of(g, &ask->cards[0]);
}

bool bb_plan_screen_has_layers(const bb_plan_screen *s) {
    return s->ask.engine == BB_ENGINE_LLAMA_CPP && !s->ask.no_gpu && s->subject.n_layers > 0;
}

static bb_status set_layers(bb_plan_screen *s, const char *text, bb_error *err) {
    bb_plan_request *u = &s->ask;
    uint64_t n = 0, most = s->subject.n_layers + 1;
    if (!bb_plan_screen_has_layers(s))
        return bb_fail(err, BB_E_VALUE, "layers are shared out between a GPU and the host by engine llama.cpp only");
    bool all = strcmp(text, "all") == 0;
    if (!all && (!bb_parse_u64(text, &n) || n > most))
        return bb_fail(err, BB_E_VALUE, "'%.40s' is no number of layers: expected 0 to %llu, or all", text,
                       (unsigned long long)most);
    u->gpu_layers_set = !all && n < most;
    u->gpu_layers = n;
    return BB_OK;
}

/* A name of a card, an amount of memory, or "none". How many layers went to another card says nothing here. */
static bb_status set_card(bb_plan_screen *s, const char *text, bb_error *err) {
    bb_plan_request *u = &s->ask;
    uint64_t n;
    if (strcmp(text, "none") == 0) {
        u->no_gpu = true;
        u->gpu_layers_set = false;
        u->cards[0] = (bb_plan_card){0};
        return BB_OK;
    }
    if (bb_parse_bytes(text, &n, NULL) == BB_OK && n > 0) {
        u->no_gpu = u->gpu_layers_set = false;
        u->cards[0] = (bb_plan_card){.limit_bytes = n, .limit_status = BB_EXACT};
        return BB_OK;
    }
    const bb_gpu *g = bb_gpu_find(s->cat, text, err);
    if (!g) return BB_E_NAME;
    u->gpu_layers_set = false;
    bb_plan_screen_gpu(u, g);
    return BB_OK;
}

bb_status bb_plan_screen_set(bb_plan_screen *s, bb_plan_field f, const char *text, bb_error *err) {
    bb_plan_request *u = &s->ask;
    uint64_t n;
    switch (f) {
    case BB_PLAN_MODEL: {
        bb_status st = bb_plan_screen_model(s, text, err);
        /* a file has its own types; what was chosen for another model says nothing about it */
        if (st == BB_OK && s->subject.from_file) u->weights[0] = 0;
        if (st == BB_OK) u->gpu_layers_set = false;
        return st;
    }
    case BB_PLAN_PURPOSE:
        if (strcmp(text, "infer") != 0 && strcmp(text, "load") != 0)
            return bb_fail(err, BB_E_VALUE, "expected infer or load");
        u->purpose = strcmp(text, "load") == 0 ? BB_FOR_LOAD : BB_FOR_INFER;
        return BB_OK;
    case BB_PLAN_WEIGHTS:
        if (strcmp(text, "file") != 0 && !bb_ftype_find(text, NULL) && !bb_dtype_find(text, err)) return BB_E_NAME;
        (void)snprintf(u->weights, sizeof u->weights, "%s", text);
        return BB_OK;
    case BB_PLAN_CTX: {
        bb_status st = bb_parse_tokens(text, &n, err);
        if (st == BB_OK && (n == 0 || n > (uint64_t)1 << 40))
            st = bb_fail(err, BB_E_VALUE, "a context of %llu tokens", (unsigned long long)n);
        if (st == BB_OK) u->ctx = n;
        return st;
    }
    case BB_PLAN_KV:
        if (!bb_dtype_find(text, err)) return BB_E_NAME;
        (void)snprintf(u->kv_k, sizeof u->kv_k, "%s", bb_dtype_name(bb_dtype_find(text, NULL)));
        (void)snprintf(u->kv_v, sizeof u->kv_v, "%s", u->kv_k);
        return BB_OK;
    case BB_PLAN_SEQS:
        if (!bb_parse_u64(text, &n) || n == 0 || n > 1u << 20)
            return bb_fail(err, BB_E_VALUE, "'%.40s' is not a number of sequences", text);
        u->parallel = n;
        return BB_OK;
    case BB_PLAN_LAYERS:
        return set_layers(s, text, err);
    case BB_PLAN_GPU:
    case BB_PLAN_FIELDS:
        break;
    }
    return set_card(s, text, err);
}

/* ---- the request as text ---- */

const char *bb_plan_screen_value(const bb_plan_screen *s, bb_plan_field field, char *buf, size_t size) {
    const bb_plan_request *u = s->planned ? &s->plan.used : &s->ask;
    char bytes[32];
    switch (field) {
    case BB_PLAN_MODEL:
        (void)snprintf(buf, size, "%s", s->model->title);
        break;
    case BB_PLAN_PURPOSE:
        (void)snprintf(buf, size, "%s", s->ask.purpose == BB_FOR_LOAD ? "load" : "infer");
        break;
    case BB_PLAN_WEIGHTS:
        (void)snprintf(buf, size, "%s", u->weights);
        break;
    case BB_PLAN_CTX:
        if (u->ctx)
            (void)snprintf(buf, size, "%llu", (unsigned long long)u->ctx);
        else
            (void)snprintf(buf, size, "-");
        break;
    case BB_PLAN_KV:
        if (strcmp(u->kv_k, u->kv_v) == 0)
            (void)snprintf(buf, size, "%s", *u->kv_k ? u->kv_k : "-");
        else
            (void)snprintf(buf, size, "%s,%s", u->kv_k, u->kv_v);
        break;
    case BB_PLAN_SEQS:
        if (u->parallel)
            (void)snprintf(buf, size, "%llu", (unsigned long long)u->parallel);
        else
            (void)snprintf(buf, size, "-");
        break;
    case BB_PLAN_LAYERS:
        if (!bb_plan_screen_has_layers(s))
            (void)snprintf(buf, size, "-");
        else if (s->ask.gpu_layers_set && s->ask.gpu_layers <= s->subject.n_layers)
            (void)snprintf(buf, size, "%llu of %llu", (unsigned long long)s->ask.gpu_layers,
                           (unsigned long long)s->subject.n_layers + 1);
        else
            (void)snprintf(buf, size, "all");
        break;
    case BB_PLAN_GPU:
    case BB_PLAN_FIELDS:
        if (u->no_gpu)
            (void)snprintf(buf, size, "none");
        else if (!u->cards[0].limit_bytes)
            (void)snprintf(buf, size, "%s", *u->cards[0].name ? u->cards[0].name : "any");
        else
            (void)snprintf(buf, size, "%s%s%s", u->cards[0].name, *u->cards[0].name ? "  " : "",
                           bb_bytes_text(u->cards[0].limit_bytes, false, bytes));
        break;
    }
    return buf;
}

/* ---- the values beside ---- */

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
        bb_plan p = {0};
        bb_plan_request ask = s->ask;
        (void)snprintf(ask.weights, sizeof ask.weights, "%s", words[at]);
        ask.engine = bb_engine_default(&s->subject, &ask);
        bool other = bb_plan_subject(&s->subject, &ask, &p, NULL) == BB_OK && strcmp(p.used.weights, used) != 0;
        bb_plan_clear(&p);
        if (!other) continue;
        (void)snprintf(text, size, "%s", words[at]);
        return true;
    }
    return false;
}

static void layers_beside(const bb_plan_screen *s, int step, char *text, size_t size) {
    uint64_t most = s->subject.n_layers + 1, n = s->ask.gpu_layers_set ? s->ask.gpu_layers : most;
    n = step > 0 ? n + (n < most) : n - (n > 0);
    (void)snprintf(text, size, "%llu", (unsigned long long)n);
}

static const char *name_at(const bb_plan_screen *s, bool model, size_t i) {
    return model ? bb_catalogue_model(s->cat, i)->name : bb_catalogue_gpu(s->cat, i)->name;
}

/* The model or the card that follows in the catalogue. */
static void row_beside(const bb_plan_screen *s, bool model, int step, char *text, size_t size) {
    size_t n = model ? bb_catalogue_models(s->cat) : bb_catalogue_gpus(s->cat), at = 0;
    for (size_t i = 0; i < n; i++)
        if (bb_name_eq(name_at(s, model, i), model ? s->model_text : s->ask.cards[0].name)) at = i;
    for (size_t tries = 0; tries < n; tries++) {
        at = (at + (step > 0 ? 1 : n - 1)) % n;
        if (model || bb_catalogue_gpu(s->cat, at)->usable_bytes) break;
    }
    (void)snprintf(text, size, "%s", name_at(s, model, at));
}

bool bb_plan_screen_beside(bb_plan_screen *s, bb_plan_field f, int step, char *text, size_t size) {
    const bb_plan_request *u = s->planned ? &s->plan.used : &s->ask;
    uint64_t n;
    switch (f) {
    case BB_PLAN_PURPOSE:
        (void)snprintf(text, size, "%s", s->ask.purpose == BB_FOR_LOAD ? "infer" : "load");
        return true;
    case BB_PLAN_WEIGHTS:
        return weights_beside(s, step, text, size);
    case BB_PLAN_KV: {
        size_t words = count_words(bb_plan_kv_types), at = index_of(bb_plan_kv_types, u->kv_k);
        at = at == words ? 0 : (at + (step > 0 ? 1 : words - 1)) % words;
        (void)snprintf(text, size, "%s", bb_plan_kv_types[at]);
        return true;
    }
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
