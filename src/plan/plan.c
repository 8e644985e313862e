/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan.c - from a request to a plan: defaults, the engine's lines, totals and the verdict. */
#include "base/mem.h"
#include "base/str.h"
#include "graph/traits.h"
#include "plan/checkpoint.h"
#include "plan/throughput.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- defaults: the table "Options of plan and fit" in bitbudget(1) ---- */

enum { HF_CTX = 4096 }; /* ours: transformers has no context of its own */

/* Positions that are rows of a table, beyond which there are none; whisper's decoder has one too. */
static bool has_position_table(const bb_arch *a) {
    const bb_traits *t = bb_traits_of(a);
    return t ? t->learned_positions : a->encoder_layers > 0;
}

static bb_status defaults(const bb_subject *s, bb_plan_request *u, bb_error *err) {
    const bb_arch *a = s->model->arch;
    uint64_t known = a && a->context ? a->context : UINT64_MAX;
    bb_weights_choice weights;
    if (u->purpose == BB_FOR_LOAD || u->engine == BB_ENGINE_SIMPLE) return BB_OK;
    if (bb_engine_is_llama(u->engine)) return bb_llama_defaults(s, u, err);
    if (u->engine == BB_ENGINE_VLLM) return bb_vllm_defaults(s, u, err);
    if (!u->ctx) u->ctx = bb_min_u64(HF_CTX, known);
    if (!u->parallel) u->parallel = 1;
    /* DynamicCache keeps what the layers compute */
    bb_status st = bb_weights_choose(s, u->weights, &weights, err);
    if (st) return st;
    bb_default_text(u->kv_k, sizeof u->kv_k, weights.dtype);
    bb_default_text(u->kv_v, sizeof u->kv_v, u->kv_k);
    if (!u->outputs) u->outputs = 1;
    u->batch = u->ubatch = 0;
    if (u->ctx > known && s->graph.n_nodes && has_position_table(a))
        return bb_fail(err, BB_E_ARG,
                       "transformers stops with an index error: %s has learned %llu positions, fewer than a context of "
                       "%llu",
                       s->model->title, (unsigned long long)known, (unsigned long long)u->ctx);
    return BB_OK;
}

/* A catalogue row, such as a user's, whose number of parameters is not that of its shape. */
static void note_params(bb_draft *d, const bb_subject *s) {
    if (d->numbers) return;
    uint64_t row = s->model->kind == BB_MODEL_CATALOGUE && s->cat ? bb_catalogue_params(s->cat, s->model->title) : 0;
    if (row && s->graph.n_nodes && row != s->parameters)
        bb_draft_note(d, "%s: the row says %llu parameters, its shape has %llu, which are planned.", s->model->title,
                      (unsigned long long)row, (unsigned long long)s->parameters);
}

/* A sequence of its own that is longer than the model knows. llama.cpp divides the context unless it is one pool. */
static void note_long_context(bb_draft *d, const bb_arch *a) {
    const bb_plan_request *u = &d->plan->used;
    bool divided = bb_ctx_is_pool(u) && !u->kv_unified && u->parallel > 1;
    uint64_t each = divided ? u->ctx / u->parallel : u->ctx;
    bool gguf = bb_engine_is_llama(u->engine);
    uint64_t own = !a ? 0 : gguf ? a->context : bb_arch_longest(a);
    if (own && each > own)
        bb_draft_note(d, "The context of %llu tokens%s is longer than the model's own %llu.", (unsigned long long)each,
                      divided ? " a sequence" : "", (unsigned long long)own);
}

/* Loading and engine simple know weights only: what else was asked changes nothing, and is not among what was used. */
static void drop_unused(bb_draft *d, const bb_plan_request *asked) {
    bb_plan_request *u = &d->plan->used;
    bool simple = u->engine == BB_ENGINE_SIMPLE;
    if (!simple && u->purpose != BB_FOR_LOAD) return;
    const struct {
        const char *option;
        bool asked;
    } options[] = {{"--ctx", asked->ctx != 0},
                   {"--batch", asked->batch != 0},
                   {"--ubatch", asked->ubatch != 0},
                   {"--parallel", asked->parallel != 0},
                   {"--kv-unified", asked->kv_unified},
                   {"--kv", *asked->kv_k || *asked->kv_v},
                   {"--no-kv-offload", asked->kv_on_host},
                   {"--swa-full", asked->swa_full},
                   {"--flash-attn", asked->flash_attn != 0},
                   {"--gpu-layers", asked->gpu_layers_set && simple},
                   {"--outputs", asked->outputs != 0}};
    bb_str list;
    bb_str_init(&list);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].asked) bb_str_addf(&list, "%s%s", list.len ? ", " : "", options[i].option);
    if (list.len) bb_draft_note(d, "Not used %s: %s.", simple ? "by engine simple" : "by --for load", bb_str_c(&list));
    bb_str_clear(&list);
    u->ctx = u->batch = u->ubatch = u->parallel = u->outputs = 0;
    u->kv_unified = false;
    u->kv_k[0] = u->kv_v[0] = '\0';
    u->flash_attn = 0;
}

static bb_fit_answer verdict(const bb_plan *p, const bb_plan_device *d) {
    if (!d->limit_bytes) return BB_FITS_UNKNOWN;
    if (d->low_bytes > d->limit_bytes) return BB_FITS_NO;
    return d->high_bytes <= d->limit_bytes && !p->partial ? BB_FITS_YES : BB_FITS_MAYBE;
}

/* The worse of two: what does not fit on one card does not fit. */
static bb_fit_answer worse(bb_fit_answer a, bb_fit_answer b) {
    if (a == BB_FITS_UNKNOWN || b == BB_FITS_UNKNOWN) return BB_FITS_UNKNOWN;
    if (a == BB_FITS_NO || b == BB_FITS_NO) return BB_FITS_NO;
    return a == BB_FITS_MAYBE || b == BB_FITS_MAYBE ? BB_FITS_MAYBE : BB_FITS_YES;
}

static bb_plan_device *device_of(bb_plan *p, const char *name) {
    for (size_t i = 0; i < p->n_devices; i++)
        if (strcmp(p->devices[i].name, name) == 0) return &p->devices[i];
    return NULL;
}

/* Cards and the host, with their limits; where there is no card, the limit is the host's. */
static void list_devices(bb_plan *p) {
    const bb_plan_request *u = &p->used;
    p->n_devices = 0;
    for (size_t i = 0; !u->no_gpu && i < bb_plan_cards(u); i++) {
        bb_plan_device *d = &p->devices[p->n_devices++];
        *d = (bb_plan_device){.limit_bytes = bb_plan_card_limit(u, i)};
        strcpy(d->name, bb_card_name(i));
    }
    bb_plan_device *host = &p->devices[p->n_devices++];
    *host = (bb_plan_device){.name = "host", .limit_bytes = u->no_gpu ? u->cards[0].limit_bytes : 0};
}

static void totals(bb_draft *d) {
    bb_plan *p = d->plan;
    bb_calc *c = &d->calc;
    list_devices(p);
    for (size_t i = 0; i < p->n_lines; i++) {
        const bb_plan_line *l = &p->lines[i];
        bb_plan_device *at = bb_plan_is_part(l) ? NULL : device_of(p, l->device);
        if (!at) continue;
        at->total_bytes = bb_calc_add(c, at->total_bytes, l->bytes);
        at->low_bytes = bb_calc_add(c, at->low_bytes, l->low_bytes);
        at->high_bytes = bb_calc_add(c, at->high_bytes, l->high_bytes);
    }
    p->limit_bytes = bb_plan_limit(&p->used);
    p->fits = p->limit_bytes ? BB_FITS_YES : BB_FITS_UNKNOWN;
    for (size_t i = 0; i < p->n_devices; i++) {
        bb_plan_device *at = &p->devices[i];
        at->fits = verdict(p, at);
        if (!p->used.no_gpu && i + 1 == p->n_devices) {
            p->host_bytes = at->total_bytes;
            break;
        }
        p->fits = worse(p->fits, at->fits);
        p->total_bytes = bb_calc_add(c, p->total_bytes, at->total_bytes);
        p->low_bytes = bb_calc_add(c, p->low_bytes, at->low_bytes);
        p->high_bytes = bb_calc_add(c, p->high_bytes, at->high_bytes);
    }
    if (c->overflow) d->st = bb_fail(d->err, BB_E_OVERFLOW, "the total passes 2^64 bytes");
}

uint64_t bb_plan_card_limit(const bb_plan_request *u, size_t card) {
    return u->engine == BB_ENGINE_VLLM ? bb_vllm_limit(u, card) : u->cards[card].limit_bytes;
}

uint64_t bb_plan_limit(const bb_plan_request *u) {
    uint64_t all = 0;
    if (u->no_gpu) return u->cards[0].limit_bytes;
    for (size_t i = 0; i < bb_plan_cards(u); i++) {
        uint64_t one = bb_plan_card_limit(u, i);
        if (!one) return 0;
        all += one; /* cli and tui take no card above 2^60 bytes */
    }
    return all;
}

void bb_plan_card_of(const bb_gpu *g, bb_plan_card *card) {
    static const double mib = 1048576;
    *card = (bb_plan_card){.limit_bytes = g->usable_bytes,
                           .driver_bytes = (uint64_t)(g->driver_mib * mib),
                           .limit_status = g->usable_status,
                           .bandwidth_gbs = g->bandwidth_gbs,
                           .fp16_tflops = g->fp16_tflops,
                           .int8_tops = g->int8_tops};
    (void)snprintf(card->name, sizeof card->name, "%s", g->name);
}

static void plan_engine(bb_draft *d, bb_subject *s) {
    switch (d->plan->used.engine) {
    case BB_ENGINE_SIMPLE:
        bb_plan_simple(d, s);
        break;
    case BB_ENGINE_LLAMA_CPP:
    case BB_ENGINE_OLLAMA:
        bb_plan_llama(d, s);
        break;
    case BB_ENGINE_HF:
        bb_plan_hf(d, s);
        break;
    case BB_ENGINE_VLLM:
        bb_plan_vllm(d, s);
        break;
    }
}

/* *plan: a cleared one, or one whose lines are written over. */
static bb_status make(bb_subject *s, const bb_plan_request *request, bool numbers, bb_plan *plan, bb_error *err) {
    bb_draft d = {.plan = plan, .numbers = numbers, .err = err};
    bb_plan_request *u = &plan->used;
    if (request->n_cards > BB_PLAN_CARDS)
        return bb_fail(err, BB_E_ARG, "%zu cards: at most %d are planned", request->n_cards, BB_PLAN_CARDS);
    plan->n_lines = 0;
    plan->parameters = s->parameters;
    plan->total_bytes = plan->low_bytes = plan->high_bytes = plan->host_bytes = 0;
    plan->speed = (bb_plan_speed){0};
    plan->partial = false;
    *u = *request;
    if (!u->gpu_layers_set) u->gpu_layers = BB_ALL;
    u->gpu_layers_set = bb_engine_is_llama(u->engine) && !u->no_gpu;
    if (*s->model->note) bb_draft_note(&d, "%s: %s", s->model->title, s->model->note);
    note_params(&d, s);
    if (*s->differs) bb_draft_note(&d, "The file against its architecture: %s", s->differs);
    d.st = defaults(s, u, err);
    if (!d.st) plan_engine(&d, s);
    if (!d.st) drop_unused(&d, request);
    if (!d.st) note_long_context(&d, s->model->arch);
    if (!d.st) totals(&d);
    if (!d.st) bb_plan_speed_of(s, &d);
    return d.st;
}

bb_status bb_plan_subject(bb_subject *s, const bb_plan_request *request, bb_plan *plan, bb_error *err) {
    bb_plan made = {0};
    bb_status st = make(s, request, false, &made, err);
    if (st)
        bb_plan_clear(&made);
    else
        *plan = made;
    return st;
}

bb_status bb_plan_numbers(bb_subject *s, const bb_plan_request *request, bb_plan *plan, bb_error *err) {
    return make(s, request, true, plan, err);
}

void bb_plan_clear(bb_plan *plan) {
    free(plan->lines);
    *plan = (bb_plan){0};
}

/* ---- the public calls, over the shipped catalogue ---- */

bb_status bb_plan_make(const bb_model *model, const bb_plan_request *request, bb_plan *plan, bb_error *err) {
    bb_catalogue *cat = NULL;
    bb_subject s;
    bb_status st = bb_catalogue_load(NULL, NULL, &cat, err);
    if (st) return st;
    st = bb_subject_init(&s, model, cat, err);
    if (!st) {
        st = bb_plan_subject(&s, request, plan, err);
        bb_subject_clear(&s);
    }
    bb_catalogue_free(cat);
    return st;
}
