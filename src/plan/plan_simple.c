/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_simple.c - weights by their count alone: parameters times the bits of a storage type or of a mixture. */
#include "base/mem.h"
#include "plan/checkpoint.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Bytes a parameter of a mixture over the catalogue: of the model nearest in parameters, and the least and most of
 * those within a factor of NEAR. */
typedef struct bb_mixture_cost {
    char model[64];
    double per_parameter, low, high;
    size_t models;       /* that gave low and high */
    uint64_t parameters; /* that were asked for; 0 = not yet */
    bool found;
} mixture_cost;

static const double NEAR = 2;

/* Parameters of a catalogue model, and its bytes in the mixture where its size is within a factor of `reach` of
 * `parameters`; false when it is not, or the mixture cannot be made. */
static bool cost_of(const bb_catalogue *cat, const bb_arch *arch, const char *weights, double parameters, double reach,
                    double *distance, double *per_parameter) {
    bb_model m = {.kind = BB_MODEL_CATALOGUE, .arch_storage = *arch};
    bb_subject s;
    char used[sizeof s.weights];
    uint64_t bytes, elements;
    double sum = 0;
    m.arch = &m.arch_storage;
    /* what the row says spares building its model; a user's row need not say it exactly */
    uint64_t row = bb_catalogue_params(cat, arch->name);
    if (row && fabs(log((double)row / parameters)) > log(2 * reach)) return false;
    if (bb_subject_init(&s, &m, cat, NULL)) return false;
    *distance = fabs(log((double)s.parameters / parameters));
    bool ok = s.parameters && *distance <= log(reach) && !bb_subject_types(&s, weights, false, used, NULL);
    for (size_t i = 0; ok && i < s.n_tensors; i++) {
        ok = !bb_subject_tensor(&s, i, s.tensors[i].type, &bytes, &elements, NULL);
        if (ok) sum += (double)bytes;
    }
    if (ok) *per_parameter = sum / (double)s.parameters;
    bb_subject_clear(&s);
    return ok;
}

/* False when no model of the catalogue takes the mixture. */
static bool mixture_cost_find(const bb_catalogue *cat, const bb_ftype *ft, uint64_t parameters, mixture_cost *cost) {
    const bb_dtype *base = bb_dtype_find(ft->base, NULL);
    double nearest = HUGE_VAL;
    *cost = (mixture_cost){.low = HUGE_VAL};
    /* first those near in size; the nearest of all where there is none */
    for (int pass = 0; pass < 2 && !cost->models && cat; pass++)
        for (size_t i = 0; i < bb_catalogue_models(cat); i++) {
            const bb_arch *a = bb_catalogue_model(cat, i);
            double distance, each;
            /* llama-quantize's rules were checked tensor by tensor on this family */
            if (strcmp(a->family, "llama") != 0 || a->experts) continue;
            if (!cost_of(cat, a, ft->name, (double)parameters, pass ? HUGE_VAL : NEAR, &distance, &each)) continue;
            if (distance < nearest) {
                nearest = distance;
                cost->per_parameter = each;
                (void)snprintf(cost->model, sizeof cost->model, "%s", a->name);
            }
            if (pass) continue;
            cost->models++;
            cost->low = fmin(cost->low, each);
            cost->high = fmax(cost->high, each);
        }
    if (nearest == HUGE_VAL) return false;
    /* no tensor is below the base type; far from every model nothing else is known of the lower end */
    double least = base ? (double)base->block_bytes / base->block : 0;
    if (!cost->models) cost->high = cost->per_parameter;
    cost->low = cost->models ? fmax(cost->low, least) : least;
    cost->low = fmin(cost->low, cost->per_parameter);
    return true;
}

/* The same, each mixture once for as many parameters: tens of models are built for it. NULL when it is not found. */
static const mixture_cost *cost_of_mixture(bb_subject *s, const bb_ftype *ft, mixture_cost *room) {
    size_t i = (size_t)(ft - bb_ftype_at(0));
    if (!s->costs) s->costs = bb_alloc(bb_ftype_count(), sizeof *s->costs);
    mixture_cost *cost = s->costs ? &s->costs[i] : room; /* without memory it is found anew each time */
    if (!s->costs || cost->parameters != s->parameters) {
        bool found = mixture_cost_find(s->cat, ft, s->parameters, cost);
        cost->parameters = s->parameters;
        cost->found = found;
    }
    return cost->found ? cost : NULL;
}

static uint64_t times(bb_draft *d, uint64_t parameters, double each) {
    double bytes = ceil((double)parameters * each);
    if (bytes < 0x1p64) return (uint64_t)bytes;
    d->calc.overflow = true;
    return 0;
}

/* A mixture needs tensors: those of a model of about this size stand for them. */
static void add_mixture(bb_draft *d, bb_subject *s, const bb_ftype *ft) {
    mixture_cost room;
    const mixture_cost *c = cost_of_mixture(s, ft, &room);
    if (!c) {
        d->st = bb_fail(d->err, BB_E_UNSUPPORTED,
                        "%s mixes types by tensor: a count alone has none, and no model of the catalogue takes it",
                        ft->name);
        return;
    }
    (void)snprintf(d->plan->used.weights, sizeof d->plan->used.weights, "%s", ft->name);
    bb_span span = {times(d, s->parameters, c->per_parameter), times(d, s->parameters, c->low),
                    times(d, s->parameters, c->high)};
    bb_draft_line(d, "weights", bb_draft_device(d), span, BB_MODELLED, "llama-quantize's mixture on the catalogue",
                  "%llu x %.4g bit of %s", (unsigned long long)s->parameters, 8 * c->per_parameter, c->model);
    if (c->models)
        bb_draft_note(d,
                      "%s mixes types by tensor: sized as %s, the nearest llama of the catalogue; the interval is "
                      "that of the %zu within a factor of 2.",
                      ft->name, c->model, c->models);
    else
        bb_draft_note(d, "%s mixes types by tensor: sized as %s, the nearest llama of the catalogue, which is far.",
                      ft->name, c->model);
}

static void add_type(bb_draft *d, const bb_subject *s, const bb_dtype *t) {
    bb_plan_request *u = &d->plan->used;
    (void)snprintf(u->weights, sizeof u->weights, "%s", t->name);
    /* whole blocks: the last one is filled up */
    uint64_t blocks = s->parameters / t->block + (s->parameters % t->block != 0);
    uint64_t bytes = bb_calc_mul(&d->calc, blocks, t->block_bytes);
    bb_draft_line(d, "weights", bb_draft_device(d), bb_span_exact(bytes),
                  t->block == 1 && !t->row_bytes ? bb_subject_evidence(s) : BB_MODELLED, t->source, "%llu x %.4g bit",
                  (unsigned long long)s->parameters, bb_dtype_bits_per_weight(t, 0));
}

/* A checkpoint's layout is of matrices. */
static void add_flavour(bb_draft *d, bb_subject *s, const char *name) {
    bb_plan_request *u = &d->plan->used;
    bb_weights_choice w;
    d->st = bb_weights_choose(s, name, &w, d->err);
    if (!d->st && !s->graph.n_nodes)
        d->st = bb_fail(d->err, BB_E_UNSUPPORTED, "%s stores each matrix its own way: a count alone has none", w.name);
    if (!d->st) d->st = bb_rank_weights(s, &w, 1, 1, false, d->err);
    if (d->st) return;
    const bb_rank_sum *sum = &s->ranks.stage[0];
    (void)snprintf(u->weights, sizeof u->weights, "%s", w.name);
    bb_draft_line(d, "weights", bb_draft_device(d), bb_span_exact(sum->bytes),
                  sum->about ? BB_MODELLED : bb_subject_evidence(s), "layout of the quantized checkpoint",
                  "%s: %llu tensors, %llu parameters", w.name, (unsigned long long)sum->tensors,
                  (unsigned long long)sum->parameters);
}

void bb_plan_simple(bb_draft *d, bb_subject *s) {
    bb_plan_request *u = &d->plan->used;
    const char *name = *u->weights && strcmp(u->weights, "file") != 0 ? u->weights : "f16";
    const bb_dtype *t = bb_dtype_find(name, NULL);
    const bb_ftype *ft = bb_ftype_find(name, NULL);
    bb_flavour flavour;
    bool checkpoint = !t && !ft && bb_flavour_find(name, &flavour, NULL) != BB_E_NAME;
    if (!t && !ft && !checkpoint) {
        bb_error why;
        bb_ftype_find(name, &why);
        d->st = bb_fail(d->err, BB_E_NAME, "%s", why.text);
        if (*why.hint) bb_hint(d->err, "%s", why.hint);
        return;
    }
    if (t)
        add_type(d, s, t);
    else if (checkpoint)
        add_flavour(d, s, name);
    else
        add_mixture(d, s, ft);
    if (u->purpose == BB_FOR_INFER && !d->st)
        bb_draft_note(d, s->graph.n_nodes ? "Engine simple counts weights only."
                                          : "Weights only: KV cache and buffers need an architecture, such as that of "
                                            "a catalogue name or a file.");
}
