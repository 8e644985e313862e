/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_fields.c - the fields of the Plan screen: text into the request, and the request as text. */
#include "base/units.h"
#include "plan/cards.h"
#include "tui/plan_screen.h"
#include <stdio.h>
#include <string.h>

const char *const bb_plan_kv_types[] = {"f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "f32", NULL};
const char *const bb_plan_weight_types[] = {"f32",    "f16",    "bf16",   "q8_0", "q6_K",   "q5_K_M", "q5_K_S",
                                            "q4_K_M", "q4_K_S", "iq4_xs", "q4_0", "q3_K_M", "q2_K",   NULL};
const char *const bb_plan_engines[] = {"llama.cpp", "ollama", "vllm", "hf", "simple", NULL};
static const char *const llama_splits[] = {"layer", "row", "none", NULL};
static const char *const vllm_splits[] = {"tensor", "pipeline", NULL};

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

static bool is_llama(const bb_plan_screen *s) { return bb_engine_is_llama(s->ask.engine); }

bool bb_plan_screen_has_layers(const bb_plan_screen *s) {
    return is_llama(s) && !s->ask.no_gpu && s->subject.n_layers > 0;
}

bool bb_plan_screen_has_split(const bb_plan_screen *s) {
    return (is_llama(s) || s->ask.engine == BB_ENGINE_VLLM) && !s->ask.no_gpu && bb_plan_screen_cards(&s->ask) > 1;
}

const char *const *bb_plan_screen_splits(const bb_plan_screen *s) { return is_llama(s) ? llama_splits : vllm_splits; }

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

static void forget_cards(bb_plan_request *u) {
    memset(u->cards, 0, sizeof u->cards);
    u->n_cards = 0;
    u->gpu_layers_set = false;
}

/* Names of cards, an amount of memory, each with how many of them, or "none". How many layers went to another card says
 * nothing here. */
static bb_status set_cards(bb_plan_screen *s, const char *text, bb_error *err) {
    bb_plan_request u = s->ask;
    char base[40];
    uint64_t n, bytes;
    forget_cards(&u);
    u.no_gpu = bb_name_eq(text, "none");
    if (!u.no_gpu && bb_cards_counted(text, base, sizeof base, &n) && bb_parse_bytes(base, &bytes, NULL) == BB_OK &&
        bytes > 0) {
        bb_plan_card card = {.limit_bytes = bytes, .driver_bytes = bytes, .limit_status = BB_EXACT};
        if (bytes >> 60) return bb_fail(err, BB_E_VALUE, "more than 2^60 bytes is no card");
        if (n == 0) return bb_fail(err, BB_E_VALUE, "'%.40s': expected at least one card", text);
        bb_status st = bb_cards_repeat(&u, &card, n, err);
        if (st) return st;
    } else if (!u.no_gpu) {
        bb_status st = bb_cards_add(s->cat, text, false, &u, err);
        if (st) return st;
    }
    s->ask = u;
    return BB_OK;
}

/* So many of the first card. */
static bb_status set_count(bb_plan_screen *s, const char *text, bb_error *err) {
    bb_plan_request *u = &s->ask;
    uint64_t n;
    if (!bb_parse_u64(text, &n) || n == 0 || n > BB_PLAN_CARDS)
        return bb_fail(err, BB_E_VALUE, "'%.40s' is no number of cards: expected 1 to %d", text, BB_PLAN_CARDS);
    if (u->no_gpu) return bb_fail(err, BB_E_VALUE, "no GPU is chosen of which there could be several");
    u->gpu_layers_set = false;
    for (uint64_t i = 1; i < n; i++) u->cards[i] = u->cards[0];
    u->n_cards = (size_t)n;
    return BB_OK;
}

static bb_status set_split(bb_plan_screen *s, const char *text, bb_error *err) {
    const char *const *words = bb_plan_screen_splits(s);
    size_t at = 0;
    if (!bb_plan_screen_has_split(s))
        return bb_fail(err, BB_E_VALUE, "only several cards of llama.cpp, ollama or vllm share a model");
    while (words[at] && !bb_name_eq(words[at], text)) at++;
    if (!words[at])
        return bb_fail(err, BB_E_VALUE, is_llama(s) ? "expected layer, row or none" : "expected tensor or pipeline");
    if (is_llama(s))
        s->ask.split_mode = at == 0 ? BB_SPLIT_LAYER : at == 1 ? BB_SPLIT_ROW : BB_SPLIT_NONE;
    else
        s->ask.pipeline_parallel = at == 1 ? bb_plan_screen_cards(&s->ask) : 0;
    return BB_OK;
}

bool bb_plan_screen_engine(bb_plan_screen *s, bb_engine engine, bb_plan_request *ask) {
    ask->engine = engine;
    if (!bb_engine_is_llama(engine)) ask->gpu_layers_set = false;
    if (bb_plan_screen_try(s, ask)) return true;
    ask->kv_k[0] = ask->kv_v[0] = 0;
    if (bb_plan_screen_try(s, ask)) return true;
    ask->weights[0] = 0;
    return bb_plan_screen_try(s, ask);
}

static bb_status set_engine(bb_plan_screen *s, const char *text, bb_error *err) {
    bb_engine e;
    if (bb_name_eq(text, "auto")) {
        s->engine_set = false;
        return BB_OK;
    }
    bb_status st = bb_engine_find(text, &e, err);
    if (st) return st;
    s->engine_set = true;
    (void)bb_plan_screen_engine(s, e, &s->ask); /* where nothing goes, the plan itself says why */
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
    case BB_PLAN_ENGINE:
        return set_engine(s, text, err);
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
        static const uint64_t most = UINT64_C(1) << 40;
        if (bb_parse_tokens(text, &n, NULL) || n == 0 || n > most)
            return bb_fail(err, BB_E_VALUE, "'%.40s': expected 1 to %llu tokens, such as 8192 or 32k", text,
                           (unsigned long long)most);
        u->ctx = n;
        return BB_OK;
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
    case BB_PLAN_GPUS:
        return set_count(s, text, err);
    case BB_PLAN_SPLIT:
        return set_split(s, text, err);
    case BB_PLAN_GPU:
    case BB_PLAN_FIELDS:
        break;
    }
    return set_cards(s, text, err);
}

/* ---- the request as text ---- */

void bb_plan_screen_card_text(const bb_plan_request *u, bb_str *out) {
    size_t n = bb_plan_screen_cards(u);
    if (u->no_gpu)
        bb_str_add(out, "none");
    else if (*u->cards[0].name)
        bb_cards_list(u, out);
    else if (u->cards[0].limit_bytes) {
        bb_str_addf(out, "%lluB", (unsigned long long)u->cards[0].limit_bytes);
        if (n > 1) bb_str_addf(out, "x%zu", n);
    }
}

/* One kind of card has its size beside it; several kinds are listed. */
static void card_value(const bb_plan_request *u, char *buf, size_t size) {
    char bytes[32], names[128];
    bool same = true;
    for (size_t i = 1; i < u->n_cards; i++) same = same && strcmp(u->cards[i].name, u->cards[0].name) == 0;
    if (u->no_gpu)
        (void)snprintf(buf, size, "none");
    else if (!same)
        (void)snprintf(buf, size, "%s", bb_plan_cards_name(u, names, sizeof names));
    else if (!u->cards[0].limit_bytes)
        (void)snprintf(buf, size, "%s", *u->cards[0].name ? u->cards[0].name : "any");
    else
        (void)snprintf(buf, size, "%s%s%s", u->cards[0].name, *u->cards[0].name ? "  " : "",
                       bb_bytes_text(u->cards[0].limit_bytes, false, bytes));
}

static const char *split_name(const bb_plan_screen *s) {
    const char *const *words = bb_plan_screen_splits(s);
    if (!bb_plan_screen_has_split(s)) return "-";
    if (!is_llama(s)) return words[s->ask.pipeline_parallel > 1];
    return words[s->ask.split_mode == BB_SPLIT_LAYER ? 0 : s->ask.split_mode == BB_SPLIT_ROW ? 1 : 2];
}

static void number_value(uint64_t n, char *buf, size_t size) {
    if (n)
        (void)snprintf(buf, size, "%llu", (unsigned long long)n);
    else
        (void)snprintf(buf, size, "-");
}

static void layers_value(const bb_plan_screen *s, char *buf, size_t size) {
    if (!bb_plan_screen_has_layers(s))
        (void)snprintf(buf, size, "-");
    else if (s->ask.gpu_layers_set && s->ask.gpu_layers <= s->subject.n_layers)
        (void)snprintf(buf, size, "%llu of %llu", (unsigned long long)s->ask.gpu_layers,
                       (unsigned long long)s->subject.n_layers + 1);
    else
        (void)snprintf(buf, size, "all");
}

const char *bb_plan_screen_value(const bb_plan_screen *s, bb_plan_field field, char *buf, size_t size) {
    const bb_plan_request *u = s->planned ? &s->plan.used : &s->ask;
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
        number_value(u->ctx, buf, size);
        break;
    case BB_PLAN_KV:
        if (strcmp(u->kv_k, u->kv_v) == 0)
            (void)snprintf(buf, size, "%s", *u->kv_k ? u->kv_k : "-");
        else
            (void)snprintf(buf, size, "%s,%s", u->kv_k, u->kv_v);
        break;
    case BB_PLAN_SEQS:
        number_value(u->parallel, buf, size);
        break;
    case BB_PLAN_LAYERS:
        layers_value(s, buf, size);
        break;
    case BB_PLAN_ENGINE:
        (void)snprintf(buf, size, "%s", bb_engine_name(s->ask.engine));
        break;
    case BB_PLAN_GPUS:
        (void)snprintf(buf, size, "%zu", u->no_gpu ? 0 : bb_plan_screen_cards(u));
        break;
    case BB_PLAN_SPLIT:
        (void)snprintf(buf, size, "%s", split_name(s));
        break;
    case BB_PLAN_GPU:
    case BB_PLAN_FIELDS:
        card_value(u, buf, size);
        break;
    }
    return buf;
}
