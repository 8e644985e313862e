/* SPDX-License-Identifier: GPL-3.0-or-later */
/* solve.c - the inverse: the most of one thing that still fits, by a search on the plan itself. */
#include "plan/solve.h"
#include "base/escape.h"
#include "base/str.h"
#include "plan/cards.h"
#include "plan/kvcache.h"
#include "plan/llama_limits.h"
#include "plan/plan_parts.h"
#include "plan/reserve.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- ladders of types ---------------------------------------------------------------------------------------------
 */

/* File types by the bits that llama.cpp's own table of Llama-3.1-8B gives them (tools/quantize/README.md, v0.5.0). The
 * older q5_1, q5_0 and q4_1, which it leaves out, and iq4_nl are as large as K-types; q4_0 has fast kernels. */
static const char *const llama_weights[] = {"f16",     "q8_0",    "q6_K",   "q5_K_M", "q5_K_S", "q4_K_M", "q4_K_S",
                                            "q4_0",    "iq4_xs",  "q3_K_L", "q3_K_M", "iq3_m",  "iq3_s",  "q3_K_S",
                                            "iq3_xs",  "iq3_xxs", "q2_K",   "q2_K_S", "iq2_m",  "iq2_s",  "iq2_xs",
                                            "iq2_xxs", "iq1_m",   "iq1_s",  NULL};
/* llama-quantize refuses those behind q2_K without an importance matrix (tools/quantize/quantize.cpp, v0.5.0). */
enum { LLAMA_PLAIN = 17 };
/* torch's types and the layouts that transformers and vLLM load, by bits (model/flavour.h) */
static const char *const hf_weights[] = {"f32", "bf16", "llm.int8", "nf4", "nf4-dq", NULL};
static const char *const vllm_weights[] = {"bf16", "fp8", "awq", NULL};
static const char *const simple_weights[] = {"f32", "f16", "int8", "int4", NULL};
/* kv_cache_types of common/arg.cpp without f32, which is wider than what any model was trained in */
static const char *const llama_kv[] = {"f16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", NULL};
static const char *const vllm_kv[] = {"bf16", "e4m3fn", NULL};

static const char *rung_of(const char *const *list, size_t i) {
    for (size_t k = 0; list[k]; k++)
        if (k == i) return list[k];
    return NULL;
}

const char *bb_ladder_weights(const bb_plan_request *r, size_t i) {
    if (bb_engine_is_llama(r->engine)) return i < LLAMA_PLAIN || r->imatrix ? rung_of(llama_weights, i) : NULL;
    const char *const *list = r->engine == BB_ENGINE_SIMPLE ? simple_weights
                              : r->engine == BB_ENGINE_VLLM ? vllm_weights
                                                            : hf_weights;
    return rung_of(list, i);
}

const char *bb_ladder_kv(const bb_plan_request *r, size_t i) {
    if (bb_engine_is_llama(r->engine)) return rung_of(llama_kv, i);
    return r->engine == BB_ENGINE_VLLM ? rung_of(vllm_kv, i) : NULL;
}

/* ---- one trial ----------------------------------------------------------------------------------------------------
 */

typedef struct trial {
    uint64_t rung, high, limit, value;
    double slack;         /* bytes that the fullest card has left; less than 0 = does not fit */
    bb_plan_device tight; /* that card */
    bool planned;         /* else the engine refused it */
    bool fits;
    char name[24];
} trial;

/* What is looked for, as rungs 1, 2, ... of values that need more and more. */
typedef struct problem {
    bb_subject *s;
    const bb_plan_request *ask;
    bb_solve solve;
    uint64_t rungs;
    uint64_t step, bound; /* ctx: multiples of the step, the last one what the model knows */
    uint64_t each;        /* slots: tokens of a sequence */
    bb_plan_request r;    /* of the last trial */
    bb_plan plan;
    trial bottom, top;   /* params: what finding the top has tried: one that fits, the last one; rung 0 = none */
    uint64_t parameters; /* params: of the last trial */
    /* params: what the models of the trials hand on, so that not every one makes its own */
    struct bb_reserver *reserver;
    uint64_t homes_version;
} problem;

static void copy_name(char *to, size_t size, const char *name) { (void)snprintf(to, size, "%s", name); }

/* Rung 1 is the narrowest. */
static const char *ladder_name(const problem *p, uint64_t rung) {
    size_t i = (size_t)(p->rungs - rung);
    return p->solve == BB_SOLVE_KV ? bb_ladder_kv(p->ask, i) : bb_ladder_weights(p->ask, i);
}

static void set_slots(bb_plan_request *r, uint64_t each, uint64_t slots) {
    bb_calc c = {false};
    uint64_t all = bb_calc_mul(&c, each, slots);
    r->parallel = slots;
    r->ctx = !bb_ctx_is_pool(r) ? each : c.overflow ? UINT64_MAX : all;
}

static void set_batch(bb_plan_request *r, uint64_t tokens) {
    r->ubatch = tokens;
    r->batch = bb_max_u64(r->batch ? r->batch : BB_LLAMA_BATCH, tokens);
}

/* Types of weights or cache into a request. */
static void set_name(bb_plan_request *r, bb_solve solve, const char *name) {
    if (solve == BB_SOLVE_WEIGHTS) {
        copy_name(r->weights, sizeof r->weights, name);
        return;
    }
    copy_name(r->kv_k, sizeof r->kv_k, name);
    copy_name(r->kv_v, sizeof r->kv_v, name);
}

static void set_value(bb_plan_request *r, bb_solve solve, uint64_t value, uint64_t each) {
    switch (solve) {
    case BB_SOLVE_CTX:
        r->ctx = value;
        break;
    case BB_SOLVE_BATCH:
        set_batch(r, value);
        break;
    case BB_SOLVE_SLOTS:
        set_slots(r, each, value);
        break;
    case BB_SOLVE_LAYERS:
        r->gpu_layers_set = true;
        r->gpu_layers = value;
        break;
    case BB_SOLVE_GPUS:
        bb_cards_set(r, (size_t)value);
        break;
    case BB_SOLVE_PARAMS:
    case BB_SOLVE_WEIGHTS:
    case BB_SOLVE_KV:
        break;
    }
}

/* The plan of a model of `layers` layers of this shape. */
static bb_status plan_layers(problem *p, uint64_t layers, bb_error *err) {
    bb_model m = {.kind = BB_MODEL_CATALOGUE, .quant = p->s->model->quant, .arch_storage = *p->s->model->arch};
    bb_subject s;
    m.arch = &m.arch_storage;
    m.arch_storage.layers = layers;
    m.arch_storage.dense_layers = bb_min_u64(m.arch_storage.dense_layers, layers);
    copy_name(m.title, sizeof m.title, p->s->model->title);
    if (m.arch->recurrence.layers) /* past its end the pattern begins again; bb_arch_check refuses too many */
        (void)bb_recurrence_part(&m.arch_storage.recurrence, p->s->model->arch->layers, 0, layers);
    bb_status st = bb_subject_init(&s, &m, p->s->cat, err);
    if (st) return st;
    p->parameters = s.parameters;
    s.reserver = p->reserver;
    s.homes_version = p->homes_version;
    st = bb_plan_numbers(&s, &p->r, &p->plan, err);
    p->reserver = s.reserver;
    p->homes_version = s.homes_version;
    s.reserver = NULL;
    bb_subject_clear(&s);
    return st;
}

/* The plan of a count. */
static bb_status plan_count(problem *p, uint64_t parameters, bb_error *err) {
    uint64_t own = p->s->parameters;
    p->s->parameters = p->parameters = parameters;
    bb_status st = bb_plan_numbers(p->s, &p->r, &p->plan, err);
    p->s->parameters = own;
    return st;
}

static bool is_count(const problem *p) { return p->s->model->kind == BB_MODEL_COUNT; }

static bb_status plan_rung(problem *p, uint64_t rung, bb_error *err) {
    p->r = *p->ask;
    if (p->solve == BB_SOLVE_PARAMS) return is_count(p) ? plan_count(p, rung, err) : plan_layers(p, rung, err);
    if (p->solve == BB_SOLVE_WEIGHTS || p->solve == BB_SOLVE_KV)
        set_name(&p->r, p->solve, ladder_name(p, rung));
    else if (p->solve == BB_SOLVE_CTX)
        set_value(&p->r, p->solve, rung < p->rungs ? rung * p->step : p->bound, 0);
    else
        set_value(&p->r, p->solve, rung, p->each);
    return bb_plan_numbers(p->s, &p->r, &p->plan, err);
}

/* What the rung stands for in the answer. */
static uint64_t value_of(const problem *p, uint64_t rung) {
    switch (p->solve) {
    case BB_SOLVE_CTX:
        return p->r.ctx;
    case BB_SOLVE_PARAMS:
        return p->parameters;
    case BB_SOLVE_WEIGHTS:
        return bb_plan_component_bytes(&p->plan, "weights");
    case BB_SOLVE_KV:
        return bb_plan_component_bytes(&p->plan, "kv_cache");
    default:
        return rung;
    }
}

/* The least that a card has left of its limit, and which. */
static double slack_of(const bb_plan *plan, bb_plan_device *tight) {
    double least = (double)plan->limit_bytes;
    for (size_t i = 0; i < plan->n_devices; i++) {
        const bb_plan_device *d = &plan->devices[i];
        double left = (double)d->limit_bytes - (double)d->high_bytes;
        if (!d->limit_bytes || (*tight->name && left >= least)) continue;
        least = left;
        *tight = *d;
    }
    return least;
}

static bb_status try_rung(problem *p, uint64_t rung, trial *t, bb_error *err) {
    bb_status st = plan_rung(p, rung, err);
    *t = (trial){.rung = rung, .slack = -1};
    if (st) return st;
    if (p->plan.partial)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: not all that it takes is known, so that nothing fits for certain",
                       p->s->model->title);
    t->planned = true;
    t->high = p->plan.high_bytes;
    t->limit = p->plan.limit_bytes;
    t->value = value_of(p, rung);
    t->fits = p->plan.fits == BB_FITS_YES;
    t->slack = slack_of(&p->plan, &t->tight);
    if (p->solve == BB_SOLVE_WEIGHTS || p->solve == BB_SOLVE_KV)
        copy_name(t->name, sizeof t->name, ladder_name(p, rung));
    if (p->solve == BB_SOLVE_PARAMS && !is_count(p))
        (void)snprintf(t->name, sizeof t->name, "%llu layers", (unsigned long long)rung);
    return BB_OK;
}

/* ---- the search ---------------------------------------------------------------------------------------------------
 */

/* Between one that fits and one that does not. The need is nearly a straight line in most unknowns, so that its chord
 * finds the place in few plans; every third step halves the rest, which bounds their number where it is not. */
static uint64_t next_rung(const trial *low, const trial *high, unsigned step) {
    uint64_t width = high->rung - low->rung, at = width / 2;
    if (high->planned && step % 3 != 2) at = (uint64_t)((double)width * (low->slack / (low->slack - high->slack)));
    return low->rung + bb_max_u64(1, bb_min_u64(at, width - 1));
}

static void answer(const problem *p, const trial *fits, const trial *next, bb_fit *fit) {
    *fit = (bb_fit){.solve = p->solve, .limit_bytes = bb_plan_limit(p->ask), .each_ctx = p->each};
    if (fits) {
        fit->answer = fits->value;
        fit->total_bytes = fits->high;
        fit->limit_bytes = fits->limit;
        memcpy(fit->answer_name, fits->name, sizeof fit->answer_name);
    }
    if (!next) {
        fit->model_limit = true;
        return;
    }
    if (!fits && next->planned) fit->limit_bytes = next->limit;
    fit->next = next->value;
    fit->next_total_bytes = next->high;
    memcpy(fit->next_name, next->name, sizeof fit->next_name);
    memcpy(fit->next_device, next->tight.name, sizeof fit->next_device);
    fit->next_device_bytes = next->tight.high_bytes;
    fit->next_device_limit_bytes = next->tight.limit_bytes;
}

/* A trial whose refusal counts as "does not fit"; the end of memory does not. */
static bb_status try_or_refuse(problem *p, uint64_t rung, trial *t) {
    bb_status st = try_rung(p, rung, t, NULL);
    return st == BB_E_NOMEM ? st : BB_OK;
}

/* Between low, which fits, and high, which does not, until they are neighbours. */
static bb_status narrow(problem *p, trial *low, trial *high) {
    bb_status st = BB_OK;
    for (unsigned step = 0; !st && high->rung - low->rung > 1; step++) {
        trial mid;
        st = try_or_refuse(p, next_rung(low, high, step), &mid);
        if (mid.fits)
            *low = mid;
        else
            *high = mid;
    }
    return st;
}

/* With layers on the host a longer context may need less: the compute buffer of llama-3.1-405b in f16 with 5 layers on
 * three cards falls by 350 MiB at 6912 tokens. So a look at rungs above the answer, in equal ratios up to the top. */
static bb_status look_above(problem *p, trial *low, trial *high) {
    enum { LOOKS = 16 };
    double ratio = pow((double)p->rungs / (double)low->rung, 1.0 / LOOKS), at = (double)high->rung;
    trial last = *low, above = {0}, t; /* above: the first that does not fit behind the last that does */
    bb_status st = BB_OK;
    for (size_t i = 1; !st && i < LOOKS; i++) {
        at *= ratio;
        if ((uint64_t)at >= p->rungs) break;
        st = try_or_refuse(p, (uint64_t)at, &t);
        if (t.fits) {
            last = t;
            above.rung = 0;
        } else if (!above.rung)
            above = t;
    }
    if (st || last.rung == low->rung) return st;
    if (!above.rung) st = try_or_refuse(p, p->rungs, &above);
    if (st) return st;
    *low = last;
    *high = above;
    return narrow(p, low, high);
}

static bool is_partial(const bb_plan_request *r) {
    return bb_engine_is_llama(r->engine) && (r->gpu_layers_set || r->cpu_moe_layers || *r->override_tensor);
}

/* The last rung that fits, where what fits is a beginning of the ladder: first the top, then the bottom, then between.
 */
static bb_status search(problem *p, bb_fit *fit, bb_error *err) {
    trial low, high;
    bb_status st = BB_OK;
    if (p->top.rung)
        high = p->top;
    else
        st = try_or_refuse(p, p->rungs, &high);
    if (!st && high.fits) {
        answer(p, &high, NULL, fit);
        return BB_OK;
    }
    if (p->bottom.rung)
        low = p->bottom;
    else if (!st)
        st = try_rung(p, 1, &low, err);
    if (!st && !low.fits) {
        answer(p, NULL, &low, fit);
        return BB_OK;
    }
    if (!st) st = narrow(p, &low, &high);
    if (!st && p->solve == BB_SOLVE_CTX && is_partial(p->ask)) st = look_above(p, &low, &high);
    if (st) return st == BB_E_NOMEM ? bb_fail(err, st, "out of memory") : st;
    answer(p, &low, &high, fit);
    return BB_OK;
}

/* The first rung from the top that fits, or from the bottom: for short ladders that the engine may refuse a rung of. */
static bb_status scan(problem *p, bool down, bb_fit *fit, bb_error *err) {
    trial before = {0}, t = {0};
    bb_status refused = BB_OK;
    for (uint64_t i = 0; i < p->rungs; i++) {
        bb_status st = try_rung(p, down ? p->rungs - i : i + 1, &t, refused ? NULL : err);
        if (st == BB_E_NOMEM) return st;
        if (st) {
            refused = refused ? refused : st;
            continue;
        }
        if (t.fits) {
            answer(p, &t, before.planned ? &before : NULL, fit);
            return BB_OK;
        }
        before = t;
    }
    if (!before.planned) return refused;
    answer(p, NULL, &before, fit);
    return BB_OK;
}

/* ---- what the rungs are -------------------------------------------------------------------------------------------
 */

static bb_status keeps_context(const problem *p, bb_error *err) {
    if (p->ask->engine != BB_ENGINE_SIMPLE && p->ask->purpose == BB_FOR_INFER && p->s->graph.n_nodes) return BB_OK;
    return bb_fail(err, BB_E_UNSUPPORTED, "%s: %s need%s an architecture and an engine that keeps a context",
                   p->s->model->title, bb_solve_name(p->solve), p->solve == BB_SOLVE_SLOTS ? "" : "s");
}

/* A model that keeps nothing of earlier tokens (bert), or nothing that has a type to choose (mamba). */
static bb_status needs_cache(problem *p, bb_error *err) {
    p->r = *p->ask;
    bb_status st = bb_plan_numbers(p->s, &p->r, &p->plan, err);
    if (st || bb_plan_component_bytes(&p->plan, "kv_cache")) return st;
    return bb_fail(err, BB_E_UNSUPPORTED, "%s has no KV cache: %s changes nothing that it takes", p->s->model->title,
                   bb_solve_name(p->solve));
}

static bb_status needs_llama(const problem *p, bb_error *err) {
    if (bb_engine_is_llama(p->ask->engine) && p->s->n_tensors) return BB_OK;
    return bb_fail(err, BB_E_UNSUPPORTED, "engine %s has no %s to choose, llama.cpp has",
                   bb_engine_name(p->ask->engine), bb_solve_name(p->solve));
}

/* llama.cpp divides its context among the sequences, in cells padded to 256, unless they share one pool; other engines
 * give each sequence its own and count single tokens. */
static bb_status solve_ctx(problem *p, bb_fit *fit, bb_error *err) {
    const bb_arch *a = p->s->model->arch;
    const bb_plan_request *r = p->ask;
    bb_status st = keeps_context(p, err);
    if (!st && r->engine == BB_ENGINE_VLLM && !a->encoder_layers && !p->s->family->has_cache)
        st = needs_cache(p, err); /* a step has its own length */
    if (st) return st;
    uint64_t seqs = bb_ctx_is_pool(r) && !r->kv_unified && r->parallel ? r->parallel : 1;
    bb_calc c = {false};
    uint64_t longest = bb_engine_is_llama(r->engine) ? a->context : bb_arch_longest(a);
    p->bound = bb_calc_mul(&c, longest ? longest : UINT32_MAX, seqs);
    p->step = bb_calc_mul(&c, bb_engine_is_llama(r->engine) ? BB_KV_PAD : 1, seqs);
    if (c.overflow)
        return bb_fail(err, BB_E_OVERFLOW, "the context of %llu sequences passes 2^64 tokens",
                       (unsigned long long)r->parallel);
    p->rungs = p->bound / p->step + (p->bound % p->step != 0);
    st = search(p, fit, err);
    if (!st && fit->answer && !longest) fit->model_limit = false;
    return st;
}

/* The context that the engine would take for one sequence. */
static bb_status own_context(problem *p, uint64_t *ctx, bb_error *err) {
    p->r = *p->ask;
    if (p->solve == BB_SOLVE_SLOTS) p->r.parallel = 1;
    bb_status st = bb_plan_numbers(p->s, &p->r, &p->plan, err);
    if (!st) *ctx = p->plan.used.ctx;
    return st;
}

static bb_status solve_batch(problem *p, bb_fit *fit, bb_error *err) {
    bb_status st = needs_llama(p, err);
    if (!st) st = keeps_context(p, err);
    if (!st) st = own_context(p, &p->rungs, err); /* a batch is never longer than the context */
    return st ? st : search(p, fit, err);
}

static bb_status solve_slots(problem *p, bb_fit *fit, bb_error *err) {
    bb_status st = keeps_context(p, err);
    if (!st && p->ask->engine == BB_ENGINE_VLLM) st = needs_cache(p, err);
    if (!st) st = own_context(p, &p->each, err);
    p->rungs = bb_engine_is_llama(p->ask->engine) ? BB_LLAMA_SEQUENCES : UINT32_MAX;
    return st ? st : search(p, fit, err);
}

static bb_status solve_layers(problem *p, bb_fit *fit, bb_error *err) {
    bb_status st = needs_llama(p, err);
    if (st) return st;
    if (p->ask->no_gpu) return bb_fail(err, BB_E_ARG, "layers go onto a card: --gpu none has none");
    p->rungs = p->s->n_layers + 1; /* the output side counts as one */
    return search(p, fit, err);
}

/* The model's own layers, doubled while they fit: a model of all layers that there can be takes long to describe. */
static bb_status find_top(problem *p) {
    bb_status st;
    p->rungs = bb_min_u64(p->s->model->arch->layers, BB_LLAMA_LAYERS);
    while (!(st = try_or_refuse(p, p->rungs, &p->top)) && p->top.fits && p->rungs < BB_LLAMA_LAYERS) {
        p->bottom = p->top;
        p->rungs = bb_min_u64(2 * p->rungs, BB_LLAMA_LAYERS);
    }
    return st;
}

/* A count grows by single parameters. No type has less than a bit for each, so that a limit of n bytes ends at 8 n. */
static bb_status solve_params(problem *p, bb_fit *fit, bb_error *err) {
    const bb_subject *s = p->s;
    bool own = !*p->ask->weights || strcmp(p->ask->weights, "file") == 0;
    if (is_count(p)) {
        bb_calc c = {false};
        uint64_t bits = bb_calc_mul(&c, bb_plan_limit(p->ask), 8);
        p->rungs = c.overflow ? UINT64_MAX : bits;
    } else if (!s->graph.n_nodes) {
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: params needs a count or an architecture", s->model->title);
    } else if (s->from_file && own) {
        return bb_fail(err, BB_E_ARG,
                       "params: the types of a file are those of its own tensors; --weights names others");
    } else if (find_top(p)) {
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    }
    return search(p, fit, err);
}

static uint64_t ladder_length(const problem *p) {
    size_t n = 0;
    while (p->solve == BB_SOLVE_KV ? bb_ladder_kv(p->ask, n) : bb_ladder_weights(p->ask, n)) n++;
    return n;
}

static bb_status solve_ladder(problem *p, bb_fit *fit, bb_error *err) {
    if (p->solve == BB_SOLVE_KV) {
        bb_status st = keeps_context(p, err);
        if (!st) st = needs_cache(p, err);
        if (st) return st;
    }
    p->rungs = ladder_length(p);
    if (!p->rungs)
        return bb_fail(err, BB_E_UNSUPPORTED, "engine %s keeps its KV cache in the type it computes in: no choice",
                       bb_engine_name(p->ask->engine));
    bool ordered =
        p->solve == BB_SOLVE_WEIGHTS && bb_engine_is_llama(p->ask->engine); /* and long, and none is refused */
    return ordered ? search(p, fit, err) : scan(p, true, fit, err);
}

static bb_status solve_gpus(problem *p, bb_fit *fit, bb_error *err) {
    if (p->ask->no_gpu) return bb_fail(err, BB_E_ARG, "gpus: --gpu none has no card");
    if (p->ask->engine == BB_ENGINE_HF || p->ask->engine == BB_ENGINE_SIMPLE)
        return bb_fail(
            err, BB_E_UNSUPPORTED,
            "engine %s is planned on gpu0 alone: more cards change nothing; llama.cpp and vllm share a model "
            "out",
            bb_engine_name(p->ask->engine));
    p->rungs = BB_PLAN_CARDS;
    bb_status st = scan(p, false, fit, err);
    fit->model_limit = false; /* that one card is enough is no limit of the model */
    return st;
}

/* ---- the public part ----------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    bb_status (*solve)(problem *p, bb_fit *fit, bb_error *err);
} solves[] = {
    [BB_SOLVE_CTX] = {"ctx", solve_ctx},          [BB_SOLVE_BATCH] = {"batch", solve_batch},
    [BB_SOLVE_SLOTS] = {"slots", solve_slots},    [BB_SOLVE_LAYERS] = {"layers", solve_layers},
    [BB_SOLVE_PARAMS] = {"params", solve_params}, [BB_SOLVE_WEIGHTS] = {"weights", solve_ladder},
    [BB_SOLVE_GPUS] = {"gpus", solve_gpus},       [BB_SOLVE_KV] = {"kv", solve_ladder},
};
enum { SOLVES = sizeof solves / sizeof *solves };

const char *bb_solve_name(bb_solve solve) { return solves[solve].name; }

bb_status bb_solve_find(const char *name, bb_solve *solve, bb_error *err) {
    char shown[48];
    for (size_t i = 0; i < SOLVES; i++)
        if (bb_name_eq(name, solves[i].name)) {
            *solve = (bb_solve)i;
            return BB_OK;
        }
    return bb_fail(err, BB_E_ARG,
                   "'%s' is nothing to solve for: expected ctx, batch, slots, layers, params, weights, gpus or kv",
                   bb_escape_buf(name, shown, sizeof shown));
}

bb_status bb_solve_subject(bb_subject *s, const bb_plan_request *request, bb_solve solve, bb_fit *fit, bb_error *err) {
    problem p = {.s = s, .ask = request, .solve = solve};
    if ((size_t)solve >= SOLVES) return bb_fail(err, BB_E_ARG, "%d is nothing to solve for", (int)solve);
    if (!bb_plan_limit(request)) return bb_fail(err, BB_E_ARG, "the inverse needs a limit: a card or a size");
    bb_fit f = {0};
    bb_status st = solves[solve].solve(&p, &f, err);
    bb_plan_clear(&p.plan);
    bb_reserver_free(p.reserver);
    if (!st) *fit = f;
    return st;
}

bool bb_solve_request(const bb_plan_request *request, const bb_fit *fit, bb_plan_request *out) {
    if (!fit->answer || fit->solve == BB_SOLVE_PARAMS) return false;
    *out = *request;
    if (fit->solve == BB_SOLVE_WEIGHTS || fit->solve == BB_SOLVE_KV)
        set_name(out, fit->solve, fit->answer_name);
    else
        set_value(out, fit->solve, fit->answer, fit->each_ctx);
    return true;
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
