/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sweep.c - the combinations of a sweep: which values a row has, and its plan. */
#include "study/sweep.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "model/flavour.h"
#include "plan/cards.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One value of a key; what the others need is empty. */
typedef struct value {
    char *model; /* owned */
    char weights[24], k[16], v[16];
    uint64_t number; /* tokens, or cards */
    bool no_gpu;
    bb_plan_card card; /* of which there are `number` */
} value;

typedef struct axis {
    value *v; /* [n] owned */
    size_t n, cap;
} axis;

struct bb_sweep {
    const bb_catalogue *cat;
    const bb_stores *stores;
    bb_plan_request base;
    bool engine;
    axis axes[BB_SWEEP_KEYS];
    size_t opened;      /* index of the model that is open; SIZE_MAX = none */
    bb_model *model;    /* owned */
    bb_subject subject; /* of it, when planned is true */
    bool planned;
    bb_error refused; /* why it has no subject */
    bb_error why;
    bb_plan plan; /* of the last row */
};

static const char *const keys[BB_SWEEP_KEYS] = {"model", "weights", "kv", "ctx", "batch", "gpu", "gpus"};

bb_status bb_sweep_key_find(const char *name, bb_sweep_key *key, bb_error *err) {
    char shown[48];
    for (size_t i = 0; i < BB_SWEEP_KEYS; i++)
        if (strcmp(name, keys[i]) == 0) {
            *key = (bb_sweep_key)i;
            return BB_OK;
        }
    return bb_fail(err, BB_E_ARG, "'%s' cannot be swept: expected model, weights, kv, ctx, batch, gpu or gpus",
                   bb_escape_buf(name, shown, sizeof shown));
}

bb_status bb_sweep_new(const bb_catalogue *cat, const bb_stores *stores, const bb_plan_request *base, bool engine,
                       bb_sweep **sweep, bb_error *err) {
    bb_sweep *s = bb_alloc(1, sizeof *s);
    if (!s) return bb_fail(err, BB_E_NOMEM, "out of memory");
    *s = (bb_sweep){.cat = cat, .stores = stores, .base = *base, .engine = engine, .opened = SIZE_MAX};
    *sweep = s;
    return BB_OK;
}

static void close_model(bb_sweep *s) {
    if (s->planned) bb_subject_clear(&s->subject);
    bb_model_free(s->model);
    s->model = NULL;
    s->planned = false;
    s->opened = SIZE_MAX;
}

void bb_sweep_free(bb_sweep *s) {
    if (!s) return;
    close_model(s);
    bb_plan_clear(&s->plan);
    for (size_t k = 0; k < BB_SWEEP_KEYS; k++) {
        for (size_t i = 0; i < s->axes[k].n; i++) free(s->axes[k].v[i].model);
        free(s->axes[k].v);
    }
    free(s);
}

/* ---- values -------------------------------------------------------------------------------------------------------
 */

static bb_status push(axis *a, const value *v, bb_error *err) {
    if (!bb_grow((void **)&a->v, a->n, &a->cap, sizeof *a->v)) return bb_fail(err, BB_E_NOMEM, "out of memory");
    a->v[a->n++] = *v;
    return BB_OK;
}

static bb_status copy(char *to, size_t size, const char *from, const char *key, bb_error *err) {
    char shown[64];
    if (!*from || strlen(from) >= size)
        return bb_fail(err, BB_E_NAME, "%s '%s' is no name", key, bb_escape_buf(from, shown, sizeof shown));
    strcpy(to, from);
    return BB_OK;
}

static bb_status add_model(bb_sweep *s, const char *text, bb_error *err) {
    bb_model *m = NULL;
    bb_status st = bb_model_locate(s->cat, s->stores, text, &m, err);
    if (st) return st;
    bb_model_free(m);
    value v = {.model = bb_strdup(text)};
    if (!v.model) return bb_fail(err, BB_E_NOMEM, "out of memory");
    st = push(&s->axes[BB_SWEEP_MODEL], &v, err);
    if (st) free(v.model);
    return st;
}

/* A storage type, a file type or a flavour; what the engine says of it is the row's. */
static bb_status add_weights(bb_sweep *s, const char *text, bb_error *err) {
    value v = {0};
    bb_status st = copy(v.weights, sizeof v.weights, text, "weights", err);
    bb_flavour flavour;
    if (st) return st;
    if (strcmp(text, "file") != 0 && !bb_dtype_find(text, NULL)) st = bb_flavour_find(text, &flavour, err);
    if (st == BB_E_NAME && bb_ftype_find(text, err)) st = BB_OK;
    return st ? st : push(&s->axes[BB_SWEEP_WEIGHTS], &v, err);
}

/* "q8_0" for both, or "q8_0/f16": keys, values. */
static bb_status add_kv(bb_sweep *s, const char *text, bb_error *err) {
    char both[40];
    value v = {0};
    bb_status st = copy(both, sizeof both, text, "kv", err);
    if (st) return st;
    char *slash = strchr(both, '/');
    if (slash) *slash = '\0';
    st = copy(v.k, sizeof v.k, both, "kv", err);
    if (!st) st = copy(v.v, sizeof v.v, slash ? slash + 1 : both, "kv", err);
    if (!st && (!bb_dtype_find(v.k, err) || !bb_dtype_find(v.v, err))) st = BB_E_NAME;
    return st ? st : push(&s->axes[BB_SWEEP_KV], &v, err);
}

static bb_status add_gpu(bb_sweep *s, const char *text, bb_error *err) {
    bb_plan_request r = {0};
    value v = {.no_gpu = strcmp(text, "none") == 0};
    bb_status st = v.no_gpu ? BB_OK : bb_cards_add(s->cat, text, false, &r, err);
    if (st) return st;
    v.card = r.cards[0];
    v.number = r.n_cards;
    return push(&s->axes[BB_SWEEP_GPU], &v, err);
}

static bb_status add_number(bb_sweep *s, bb_sweep_key key, const char *text, bb_error *err) {
    value v = {0};
    bb_status st = bb_parse_tokens(text, &v.number, err);
    if (!st && (!v.number || (key == BB_SWEEP_GPUS && v.number > BB_PLAN_CARDS)))
        st = bb_fail(err, BB_E_ARG, "%s=%llu: expected 1 or more%s", keys[key], (unsigned long long)v.number,
                     key == BB_SWEEP_GPUS ? ", and at most 16" : "");
    return st ? st : push(&s->axes[key], &v, err);
}

static bb_status add_all(bb_sweep *s, bb_sweep_key key, bb_error *err) {
    bb_status st = BB_OK;
    if (key == BB_SWEEP_MODEL)
        for (size_t i = 0; i < bb_catalogue_models(s->cat) && !st; i++)
            st = add_model(s, bb_catalogue_model(s->cat, i)->name, err);
    if (key == BB_SWEEP_WEIGHTS)
        for (size_t i = 0; i < bb_ftype_count() && !st; i++)
            if (!bb_ftype_at(i)->old) st = bb_sweep_add(s, key, bb_ftype_at(i)->name, err);
    if (key == BB_SWEEP_GPU)
        for (size_t i = 0; i < bb_catalogue_gpus(s->cat) && !st; i++) {
            const bb_gpu *g = bb_catalogue_gpu(s->cat, i);
            value v = {.number = 1};
            bb_plan_card_of(g, &v.card);
            if (g->usable_bytes) st = push(&s->axes[key], &v, err);
        }
    return st;
}

bb_status bb_sweep_add(bb_sweep *s, bb_sweep_key key, const char *text, bb_error *err) {
    bool named = key == BB_SWEEP_MODEL || key == BB_SWEEP_WEIGHTS || key == BB_SWEEP_GPU;
    if (named && strcmp(text, "all") == 0) return add_all(s, key, err);
    switch (key) {
    case BB_SWEEP_MODEL:
        return add_model(s, text, err);
    case BB_SWEEP_WEIGHTS:
        return add_weights(s, text, err);
    case BB_SWEEP_KV:
        return add_kv(s, text, err);
    case BB_SWEEP_GPU:
        return add_gpu(s, text, err);
    default:
        return add_number(s, key, text, err);
    }
}

size_t bb_sweep_count(const bb_sweep *s, bb_sweep_key key) { return s->axes[key].n; }

size_t bb_sweep_rows(const bb_sweep *s) {
    size_t rows = s->axes[BB_SWEEP_MODEL].n;
    for (size_t k = BB_SWEEP_MODEL + 1; k < BB_SWEEP_KEYS; k++) {
        size_t n = s->axes[k].n ? s->axes[k].n : 1;
        if (rows > (SIZE_MAX >> 1) / n) return BB_SWEEP_TOO_MANY;
        rows *= n;
    }
    return rows;
}

/* ---- rows ---------------------------------------------------------------------------------------------------------
 */

static void set(bb_plan_request *r, bb_sweep_key key, const value *v) {
    switch (key) {
    case BB_SWEEP_WEIGHTS:
        memcpy(r->weights, v->weights, sizeof r->weights);
        break;
    case BB_SWEEP_KV:
        memcpy(r->kv_k, v->k, sizeof r->kv_k);
        memcpy(r->kv_v, v->v, sizeof r->kv_v);
        break;
    case BB_SWEEP_CTX:
        r->ctx = v->number;
        break;
    case BB_SWEEP_BATCH:
        r->batch = v->number;
        break;
    case BB_SWEEP_GPU:
        r->no_gpu = v->no_gpu;
        if (v->no_gpu && *r->cards[0].name) r->cards[0] = (bb_plan_card){0}; /* its limit is not the host's */
        if (v->no_gpu) break;
        r->n_cards = 0;
        (void)bb_cards_repeat(r, &v->card, v->number, NULL); /* as many were repeated before */
        break;
    case BB_SWEEP_GPUS:
        if (!r->no_gpu) bb_cards_set(r, (size_t)v->number);
        break;
    case BB_SWEEP_MODEL:
    case BB_SWEEP_KEYS:
        break;
    }
}

/* A model that no plan can be made of, or whose file is there no more, leaves its rows without numbers. */
static bb_status open_model(bb_sweep *s, size_t index) {
    if (s->opened == index) return BB_OK;
    close_model(s);
    bb_status st = bb_model_locate(s->cat, s->stores, s->axes[BB_SWEEP_MODEL].v[index].model, &s->model, &s->refused);
    if (!st) st = bb_subject_init(&s->subject, s->model, s->cat, &s->refused);
    if (st == BB_E_NOMEM) return st;
    s->planned = st == BB_OK;
    s->opened = index;
    return BB_OK;
}

static void kv_text(const bb_plan_request *r, char out[34]) {
    if (strcmp(r->kv_k, r->kv_v) == 0)
        strcpy(out, r->kv_k);
    else
        (void)snprintf(out, 34, "%s/%s", r->kv_k, r->kv_v);
}

static void fill(const bb_sweep *s, const bb_plan_request *r, bb_sweep_row *row) {
    const char *asked = s->axes[BB_SWEEP_MODEL].v[s->opened].model;
    *row = (bb_sweep_row){.model = s->model ? s->model->title : asked,
                          .engine = s->planned ? bb_engine_name(r->engine) : "",
                          .weights = r->weights,
                          .gpu = r->no_gpu ? "none" : r->cards[0].name,
                          .ctx = r->ctx,
                          .batch = r->batch,
                          .gpus = r->no_gpu    ? 0
                                  : r->n_cards ? r->n_cards
                                               : 1,
                          .why = ""};
    kv_text(r, row->kv);
}

bb_status bb_sweep_row_at(bb_sweep *s, size_t index, bb_sweep_row *row, bb_error *err) {
    size_t at[BB_SWEEP_KEYS] = {0};
    for (size_t k = BB_SWEEP_KEYS; k-- > 0;) {
        size_t n = s->axes[k].n ? s->axes[k].n : 1;
        at[k] = index % n;
        index /= n;
    }
    bb_status st = open_model(s, at[BB_SWEEP_MODEL]);
    if (st) return bb_fail(err, st, "out of memory");
    bb_plan_request *r = &s->plan.used, ask = s->base;
    for (size_t k = BB_SWEEP_MODEL + 1; k < BB_SWEEP_KEYS; k++)
        if (s->axes[k].n) set(&ask, (bb_sweep_key)k, &s->axes[k].v[at[k]]);
    if (s->planned && !s->engine) ask.engine = bb_engine_default(&s->subject, &ask);
    st = s->planned ? bb_plan_numbers(&s->subject, &ask, &s->plan, &s->why) : BB_E_UNSUPPORTED;
    if (st == BB_E_NOMEM) return bb_fail(err, st, "out of memory");
    if (st) *r = ask;
    fill(s, r, row);
    row->planned = !st;
    row->limit_bytes = st ? bb_plan_limit(&ask) : s->plan.limit_bytes;
    if (st) {
        row->why = s->planned ? s->why.text : s->refused.text;
        return BB_OK;
    }
    row->total_bytes = s->plan.total_bytes;
    row->high_bytes = s->plan.high_bytes;
    row->fits = s->plan.fits;
    row->tokens_per_s = s->plan.speed.decode;
    return BB_OK;
}
