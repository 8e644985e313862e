/* SPDX-License-Identifier: GPL-3.0-or-later */
/* solve.c - the inverse: the most of one thing that still fits, by bisection on the plan itself. */
#include "plan/solve.h"
#include "plan/kvcache.h"
#include "plan/plan_calc.h"

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

static bb_status solve_ctx(bb_subject *s, const bb_plan_request *request, bb_fit *fit, bb_error *err) {
    const bb_arch *a = s->model->arch;
    if (request->engine == BB_ENGINE_SIMPLE || request->purpose != BB_FOR_INFER || !s->graph.n_nodes)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: a context needs an architecture and an engine that keeps one",
                       s->model->title);
    ladder l = make_ladder(a, request);
    if (!l.rungs)
        return bb_fail(err, BB_E_OVERFLOW, "the context of %llu sequences passes 2^64 tokens",
                       (unsigned long long)request->parallel);
    uint64_t limit = bb_plan_limit(request);
    bb_fit f = {.limit_bytes = limit};
    uint64_t high = 0, low_rung = 0, high_rung = l.rungs; /* low_rung fits, high_rung does not */
    bb_status st = need(s, request, l.bound, &high, err);
    if (st) return st;
    if (high <= limit) {
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
        if (high <= limit) {
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

bb_status bb_solve_subject(bb_subject *s, const bb_plan_request *request, bb_solve solve, bb_fit *fit, bb_error *err) {
    if (!bb_plan_limit(request)) return bb_fail(err, BB_E_ARG, "the inverse needs a limit: a card or a size");
    if (solve != BB_SOLVE_CTX) return bb_fail(err, BB_E_UNSUPPORTED, "this version solves for ctx");
    return solve_ctx(s, request, fit, err);
}

bb_status bb_fit_make(const bb_model *model, const bb_plan_request *request, bb_solve solve, bb_fit *fit,
                      bb_error *err) {
    bb_catalogue *cat = NULL;
    bb_subject s;
    bb_status st = bb_catalogue_load(NULL, NULL, &cat, err);
    if (st) return st;
    st = bb_subject_init(&s, model, cat, err);
    if (!st) {
        st = bb_solve_subject(&s, request, solve, fit, err);
        bb_subject_clear(&s);
    }
    bb_catalogue_free(cat);
    return st;
}
