/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan.c - from a request to a plan: defaults, the engine's lines, totals and the verdict; and the inverse for ctx. */
#include "base/mem.h"
#include "base/str.h"
#include "plan/kvcache.h"
#include "plan/plan_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- defaults: the table "Options of plan and fit" in bitbudget(1) ---- */

enum { LLAMA_CTX = 8192, LLAMA_BATCH = 2048, LLAMA_UBATCH = 512, HF_CTX = 4096 };

static void default_text(char *text, size_t size, const char *value) {
    if (!*text) (void)snprintf(text, size, "%s", value);
}

static bb_status defaults(const bb_subject *s, bb_plan_request *u, bb_error *err) {
    const bb_arch *a = s->model->arch;
    uint64_t known = a && a->context ? a->context : UINT64_MAX;
    if (u->purpose == BB_FOR_LOAD || u->engine == BB_ENGINE_SIMPLE) return BB_OK;
    bool llama = u->engine == BB_ENGINE_LLAMA_CPP;
    if (!u->ctx) u->ctx = bb_min_u64(llama ? LLAMA_CTX : HF_CTX, known);
    if (!u->parallel) u->parallel = 1;
    default_text(u->kv_k, sizeof u->kv_k, llama ? "f16" : "bf16");
    default_text(u->kv_v, sizeof u->kv_v, u->kv_k);
    if (llama) {
        if (!u->flash_attn) u->flash_attn = 1;
        /* clipped as llama.cpp does (llama-graph.md 1) */
        u->batch = bb_min_u64(u->ctx, u->batch ? u->batch : LLAMA_BATCH);
        u->ubatch = bb_min_u64(u->batch, u->ubatch ? u->ubatch : LLAMA_UBATCH);
        if (!u->outputs) u->outputs = u->batch;
    } else {
        if (!u->outputs) u->outputs = 1;
        u->batch = u->ubatch = 0;
    }
    if (u->parallel > u->ctx)
        return bb_fail(err, BB_E_ARG, "%llu sequences have no place in a context of %llu tokens: expected a token each",
                       (unsigned long long)u->parallel, (unsigned long long)u->ctx);
    return BB_OK;
}

/* A catalogue row, such as a user's, whose number of parameters is not that of its shape. */
static void note_params(bb_draft *d, const bb_subject *s) {
    uint64_t row = s->model->kind == BB_MODEL_CATALOGUE && s->cat ? bb_catalogue_params(s->cat, s->model->title) : 0;
    if (row && s->graph.n_nodes && row != s->parameters)
        bb_draft_note(d, "%s: the row says %llu parameters, its shape has %llu, which are planned.", s->model->title,
                      (unsigned long long)row, (unsigned long long)s->parameters);
}

/* A sequence of its own that is longer than the model knows. llama.cpp divides the context unless it is one pool. */
static void note_long_context(bb_draft *d, const bb_arch *a) {
    const bb_plan_request *u = &d->plan->used;
    bool divided = u->engine == BB_ENGINE_LLAMA_CPP && !u->kv_unified && u->parallel > 1;
    uint64_t each = divided ? u->ctx / u->parallel : u->ctx;
    if (a && a->context && each > a->context)
        bb_draft_note(d, "The context of %llu tokens%s is longer than the model's own %llu.", (unsigned long long)each,
                      divided ? " a sequence" : "", (unsigned long long)a->context);
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

static bool is_part(const bb_plan_line *l) { return strchr(l->component, ':') != NULL; }

static void totals(bb_draft *d) {
    bb_plan *p = d->plan;
    const char *target = bb_draft_device(d);
    bb_calc *c = &d->calc;
    for (size_t i = 0; i < p->n_lines; i++) {
        const bb_plan_line *l = &p->lines[i];
        if (is_part(l)) continue;
        if (strcmp(l->device, target) == 0) {
            p->total_bytes = bb_calc_add(c, p->total_bytes, l->bytes);
            p->low_bytes = bb_calc_add(c, p->low_bytes, l->low_bytes);
            p->high_bytes = bb_calc_add(c, p->high_bytes, l->high_bytes);
        } else
            p->host_bytes = bb_calc_add(c, p->host_bytes, l->bytes);
    }
    if (c->overflow) d->st = bb_fail(d->err, BB_E_OVERFLOW, "the total passes 2^64 bytes");
    p->limit_bytes = p->used.limit_bytes;
    if (p->limit_bytes)
        p->fits = p->high_bytes <= p->limit_bytes ? BB_FITS_YES
                  : p->low_bytes > p->limit_bytes ? BB_FITS_NO
                                                  : BB_FITS_MAYBE;
}

bb_status bb_plan_subject(bb_subject *s, const bb_plan_request *request, bb_plan *plan, bb_error *err) {
    bb_plan made = {.parameters = s->parameters, .used = *request};
    bb_draft d = {.plan = &made, .err = err};
    bb_plan_request *u = &made.used;
    if (!u->gpu_layers_set) u->gpu_layers = BB_ALL;
    u->gpu_layers_set = u->engine == BB_ENGINE_LLAMA_CPP && !u->no_gpu;
    if (*s->model->note) bb_draft_note(&d, "%s: %s", s->model->title, s->model->note);
    note_params(&d, s);
    if (*s->differs) bb_draft_note(&d, "The file against its architecture: %s", s->differs);
    d.st = defaults(s, u, err);
    if (!d.st) {
        switch (u->engine) {
        case BB_ENGINE_SIMPLE:
            bb_plan_simple(&d, s);
            break;
        case BB_ENGINE_LLAMA_CPP:
            bb_plan_llama(&d, s);
            break;
        case BB_ENGINE_HF:
            bb_plan_hf(&d, s);
            break;
        }
    }
    if (!d.st) drop_unused(&d, request);
    if (!d.st) note_long_context(&d, s->model->arch);
    if (!d.st) totals(&d);
    if (d.st)
        bb_plan_clear(&made);
    else
        *plan = made;
    return d.st;
}

void bb_plan_clear(bb_plan *plan) {
    free(plan->lines);
    *plan = (bb_plan){0};
}

/* ---- the inverse ---- */

/* High end of the need with ctx tokens. */
static bb_status need(bb_subject *s, const bb_plan_request *request, uint64_t ctx, uint64_t *high, bb_error *err) {
    bb_plan_request r = *request;
    bb_plan p = {0};
    r.ctx = ctx;
    bb_status st = bb_plan_subject(s, &r, &p, err);
    if (!st) *high = p.high_bytes;
    bb_plan_clear(&p);
    return st;
}

/* Contexts that are tried: multiples of the step, the last one what the model knows. */
typedef struct ladder {
    uint64_t step, bound, rungs;
} ladder;

static uint64_t ctx_at(const ladder *l, uint64_t rung) { return rung < l->rungs ? rung * l->step : l->bound; }

/* llama.cpp divides its context among the sequences, in cells padded to 256, unless they share one pool; other engines
 * give each sequence its own and count single tokens. */
static ladder make_ladder(const bb_arch *a, const bb_plan_request *r) {
    uint64_t seqs = r->engine == BB_ENGINE_LLAMA_CPP && !r->kv_unified && r->parallel ? r->parallel : 1;
    ladder l = {.step = r->engine == BB_ENGINE_LLAMA_CPP ? BB_KV_PAD : 1};
    bb_calc c = {false};
    l.bound = bb_calc_mul(&c, a->context ? a->context : UINT32_MAX, seqs);
    l.step = bb_calc_mul(&c, l.step, seqs);
    if (c.overflow) return (ladder){0};
    l.rungs = l.bound / l.step + (l.bound % l.step != 0);
    return l;
}

bb_status bb_fit_ctx_subject(bb_subject *s, const bb_plan_request *request, bb_fit *fit, bb_error *err) {
    const bb_arch *a = s->model->arch;
    if (!request->limit_bytes) return bb_fail(err, BB_E_ARG, "the longest context needs a limit: a card or a size");
    if (request->engine == BB_ENGINE_SIMPLE || request->purpose != BB_FOR_INFER || !s->graph.n_nodes)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: a context needs an architecture and an engine that keeps one",
                       s->model->title);
    ladder l = make_ladder(a, request);
    if (!l.rungs)
        return bb_fail(err, BB_E_OVERFLOW, "the context of %llu sequences passes 2^64 tokens",
                       (unsigned long long)request->parallel);
    bb_fit f = {.limit_bytes = request->limit_bytes};
    uint64_t high = 0, low_rung = 0, high_rung = l.rungs; /* low_rung fits, high_rung does not */
    bb_status st = need(s, request, l.bound, &high, err);
    if (st) return st;
    if (high <= request->limit_bytes) {
        f.answer = l.bound;
        f.total_bytes = high;
        f.model_limit = a->context != 0;
        *fit = f;
        return BB_OK;
    }
    f.next_total_bytes = high;
    while (high_rung - low_rung > 1) {
        uint64_t mid = low_rung + (high_rung - low_rung) / 2;
        if ((st = need(s, request, ctx_at(&l, mid), &high, err)) != BB_OK) return st;
        if (high <= request->limit_bytes) {
            low_rung = mid;
            f.total_bytes = high;
        } else {
            high_rung = mid;
            f.next_total_bytes = high;
        }
    }
    f.answer = low_rung ? ctx_at(&l, low_rung) : 0;
    f.next = ctx_at(&l, high_rung);
    *fit = f;
    return BB_OK;
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

bb_status bb_fit_ctx(const bb_model *model, const bb_plan_request *request, bb_fit *fit, bb_error *err) {
    bb_catalogue *cat = NULL;
    bb_subject s;
    bb_status st = bb_catalogue_load(NULL, NULL, &cat, err);
    if (st) return st;
    st = bb_subject_init(&s, model, cat, err);
    if (!st) {
        st = bb_fit_ctx_subject(&s, request, fit, err);
        bb_subject_clear(&s);
    }
    bb_catalogue_free(cat);
    return st;
}
