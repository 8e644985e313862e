/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_llama.c - llama.cpp v0.5.0: which tensor, cache and buffer lies where (memory.md 2.3 and M5). */
#include "base/escape.h"
#include "plan/llama_parts.h"
#include <stdio.h>
#include <string.h>

const char *bb_llama_device(const bb_llama *p, uint32_t device) {
    return device < p->place.n_devices ? bb_card_name(p->place.card[device]) : "host";
}

uint32_t bb_llama_home(const bb_llama *p, size_t i, bool copy) {
    const bb_placement *at = &p->place;
    uint8_t where = p->set->where[i];
    int64_t layer = p->s->layers[i];
    if (where != BB_FOLLOWS) return where < at->n_devices ? where : at->n_devices;
    if (copy) return at->layer[p->s->n_layers];
    return layer < 0 ? at->n_devices : at->layer[layer];
}

/* ---- weights ---- */

/* Sums of each device; the host is the last. */
typedef struct sums {
    bb_weight_sum on[BB_PLAN_CARDS + 1];
} sums;

static void add(bb_calc *c, bb_weight_sum *to, const bb_weight_sum *one) {
    to->bytes = bb_calc_add(c, to->bytes, one->bytes);
    to->padded = bb_calc_add(c, to->padded, one->padded);
    to->elements = bb_calc_add(c, to->elements, one->elements);
    to->experts = bb_calc_add(c, to->experts, one->experts);
}

static void sum_devices(bb_llama *p, sums *all) {
    const bb_placement *at = &p->place;
    const bb_weight_set *w = p->set;
    uint64_t layers = p->s->n_layers;
    bb_calc *c = &p->d->calc;
    bool holds[BB_PLAN_CARDS + 1] = {false};
    for (uint64_t l = 0; l <= layers; l++) {
        add(c, &all->on[at->layer[l]], &w->layers[l]);
        if (l < layers) holds[at->layer[l]] = true;
    }
    for (uint32_t i = 0; i <= at->n_devices; i++)
        if (holds[i]) add(c, &all->on[i], &w->shared);
    add(c, &all->on[at->n_devices], &w->input);
    if (at->layer[layers] < at->n_devices) add(c, &all->on[at->layer[layers]], &w->tied);
    for (uint32_t i = 0; i <= BB_PLAN_CARDS && w->overridden; i++)
        add(c, &all->on[i < at->n_devices ? i : at->n_devices], &w->elsewhere[i]);
}

static uint64_t kept(const bb_llama *p, uint32_t device, const bb_weight_sum *sum) {
    return device < p->place.n_devices && p->d->plan->used.backend == BB_BACKEND_CUDA ? sum->padded : sum->bytes;
}

/* What --explain tells of one device: its types, and its parts. */
typedef struct told {
    bb_type_tally tally;
    bb_weight_sum embd, output;
    bool copied;
} told;

static void tell_tensor(bb_llama *p, uint32_t device, size_t i, bool copy, told *t) {
    const bb_mix_tensor *m = &p->s->tensors[i];
    bb_weight_sum one = {0};
    p->d->st = bb_subject_tensor(p->s, i, p->set->types[i], &one.bytes, &one.elements, p->d->err);
    if (!p->d->st) p->d->st = bb_cuda_padded(p->set->types[i], m->n_dims ? m->dims[0] : 1, one.bytes, &one.padded);
    if (p->d->st) return;
    bb_tally_add(&t->tally, p->set->types[i]);
    one.bytes = kept(p, device, &one);
    if (copy || strcmp(m->name, "output.weight") == 0) t->output.bytes += one.bytes;
    if (copy) t->copied = true;
    if (p->s->layers[i] == BB_LAYER_INPUT && !copy) t->embd.bytes += one.bytes;
}

static bool holds_layer(const bb_llama *p, uint32_t device) {
    for (uint64_t l = 0; l < p->s->n_layers; l++)
        if (p->place.layer[l] == device) return true;
    return false;
}

static void tell_device(bb_llama *p, uint32_t device, told *t) {
    const bb_subject *s = p->s;
    bool holds = holds_layer(p, device);
    uint32_t output = p->place.layer[s->n_layers];
    for (size_t i = 0; i < s->n_tensors && !p->d->st; i++) {
        if (s->layers[i] == BB_LAYER_UNUSED) continue;
        bool follows = p->set->where[i] == BB_FOLLOWS;
        bool here = s->layers[i] == BB_LAYER_SHARED && follows ? holds : bb_llama_home(p, i, false) == device;
        if (here) tell_tensor(p, device, i, false, t);
        if (p->set->tied.bytes && follows && device < p->place.n_devices && output == device &&
            strcmp(s->tensors[i].name, "token_embd.weight") == 0)
            tell_tensor(p, device, i, true, t);
    }
}

static void part(bb_draft *d, const char *name, const char *device, uint64_t bytes, bb_evidence status,
                 const char *formula) {
    if (bytes) bb_draft_line(d, name, device, bb_span_exact(bytes), status, "ggml type sizes", "%s", formula);
}

static void explain_device(bb_llama *p, uint32_t device, uint64_t bytes, uint64_t elements) {
    bb_draft *d = p->d;
    told t = {0};
    char types[128];
    bool host = device == p->place.n_devices;
    const char *name = bb_llama_device(p, device);
    bb_evidence status = bb_subject_evidence(p->s);
    tell_device(p, device, &t);
    if (d->st) return;
    bb_tally_text(&t.tally, types, sizeof types);
    const char *memory = host && d->plan->used.no_mmap ? ", memory of the process: not mapped from the file" : "";
    bb_draft_line(d, "weights", name, bb_span_exact(bytes), status,
                  p->s->from_file && strcmp(p->s->weights, "file") == 0 ? "types of the file"
                                                                        : "llama-quantize's mixture, llama.cpp v0.5.0",
                  "%llu elements: %s%s", (unsigned long long)elements, types, memory);
    part(d, "weights:token_embd", name, t.embd.bytes, status, "token_embd stays on the host");
    part(d, "weights:output", name, t.output.bytes, status,
         t.copied ? "second copy of token_embd (tied)" : "output.weight");
    part(d, "weights:layers", name, bytes - t.embd.bytes - t.output.bytes, status,
         host ? "layers on the host" : "the layers, norms and rope_freqs");
}

static void add_weights(bb_llama *p) {
    sums all = {0};
    sum_devices(p, &all);
    p->d->reads = (bb_reads){.told = true, .embedding = p->set->input.bytes};
    for (uint32_t i = 0; i < p->place.n_devices; i++) p->d->reads.experts[p->place.card[i]] = all.on[i].experts;
    p->d->reads.experts[BB_PLAN_CARDS] = all.on[p->place.n_devices].experts;
    for (uint32_t i = 0; i <= p->place.n_devices && !p->d->st; i++) {
        uint64_t bytes = kept(p, i, &all.on[i]);
        if (p->d->calc.overflow || p->d->numbers)
            bb_draft_line(p->d, "weights", bb_llama_device(p, i), bb_span_exact(bytes), bb_subject_evidence(p->s), "",
                          "%s", "");
        else if (bytes)
            explain_device(p, i, bytes, all.on[i].elements);
    }
}

/* ---- the whole ---- */

/* The types that llama.cpp v0.5.0 takes for its cache (common/arg.cpp, kv_cache_types). */
static const char *const kv_types[] = {"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"};

static const bb_dtype *kv_type(bb_draft *d, const char *name) {
    enum { KV_TYPES = sizeof kv_types / sizeof *kv_types };
    const bb_dtype *t = bb_dtype_find(name, d->err);
    if (!t) {
        d->st = BB_E_NAME;
        return NULL;
    }
    for (size_t i = 0; i < KV_TYPES; i++)
        if (strcmp(t->name, kv_types[i]) == 0) return t;
    d->st =
        bb_fail(d->err, BB_E_UNSUPPORTED,
                "llama.cpp keeps no KV cache in %s: f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0 or iq4_nl", t->name);
    return NULL;
}

/* What llama_init_from_model refuses of the cache's types. */
static void check_kv(bb_llama *p) {
    bb_draft *d = p->d;
    const bb_plan_request *u = &d->plan->used;
    if (p->v->block > 1 && u->flash_attn < 0)
        d->st = bb_fail(d->err, BB_E_UNSUPPORTED,
                        "llama.cpp quantizes the values of the KV cache only with flash attention: it stops with "
                        "'quantized V cache requires flash_attn to be enabled'");
    else if (p->s->family->mla && p->s->model->arch->mla_split && p->k != p->v)
        d->st = bb_fail(d->err, BB_E_UNSUPPORTED,
                        "llama.cpp stops with 'model does not support different K (%s) and V (%s) cache types': "
                        "its latent attention keeps one vector for both",
                        p->k->name, p->v->name);
}

/* What the metadata tells of a family that graph/ does not describe. */
static void infer_unknown(bb_llama *p) {
    bb_draft *d = p->d;
    const bb_plan_request *u = &d->plan->used;
    const bb_arch *a = p->s->model->arch;
    if (!a || !a->recurrence.layers) {
        bb_draft_note(d, "The architecture of this file is not known here: KV cache and buffers are not counted.");
        return;
    }
    p->k = kv_type(d, u->kv_k);
    p->v = d->st ? NULL : kv_type(d, u->kv_v);
    if (d->st) return;
    p->ctx = u->engine == BB_ENGINE_OLLAMA ? bb_calc_mul(&d->calc, u->ctx, u->parallel) : u->ctx;
    if (a->kv_heads && a->head_dim) bb_llama_kv(p);
    bb_llama_state(p);
    bb_draft_note(d, "The operations of a recurrent layer are not known here: the compute buffer is not counted.");
}

static void infer(bb_llama *p) {
    bb_draft *d = p->d;
    bb_plan_request *u = &d->plan->used;
    if (!p->s->model->arch || !p->s->graph.n_nodes) {
        infer_unknown(p);
        return;
    }
    p->k = kv_type(d, u->kv_k);
    p->v = d->st ? NULL : kv_type(d, u->kv_v);
    if (!d->st) check_kv(p);
    if (d->st) return;
    p->ctx = u->engine == BB_ENGINE_OLLAMA ? bb_calc_mul(&d->calc, u->ctx, u->parallel) : u->ctx;
    if (u->engine == BB_ENGINE_OLLAMA) bb_ollama_batch(p);
    if (p->s->family->has_cache) bb_llama_kv(p);
    if (!d->st && p->s->model->arch->recurrence.layers) bb_llama_state(p);
    if (!d->st) bb_llama_compute(p);
    bb_llama_output(p);
}

void bb_plan_llama(bb_draft *d, bb_subject *s) {
    bb_plan_request *u = &d->plan->used;
    const bb_arch *a = s->model->arch;
    bb_llama p = {.d = d, .s = s};
    if (!s->n_tensors) {
        if (s->from_file)
            d->st = bb_fail(d->err, BB_E_UNSUPPORTED, "%s: the file holds no tensors", s->model->title);
        else if (a && s->graph.n_nodes)
            d->st = bb_fail(d->err, BB_E_UNSUPPORTED, "%s: llama.cpp does not load the architecture '%s'",
                            s->model->title, a->family);
        else
            d->st = bb_fail(d->err, BB_E_UNSUPPORTED, "%s: engine llama.cpp needs a GGUF file or an architecture",
                            s->model->title);
        return;
    }
    d->st = bb_weight_set_get(s, u, &p.set, d->err);
    if (!d->st) d->st = bb_place_layers(u, s->n_layers, a ? a->mtp_layers : 0, s->layer_device, &p.place, d->err);
    if (d->st) return;
    memcpy(u->weights, s->weights, sizeof s->weights);
    add_weights(&p);
    if (u->purpose == BB_FOR_INFER && !d->st) infer(&p);
    if (!d->st) bb_llama_notes(&p);
    for (uint32_t i = 0; i < p.place.n_devices; i++) /* a context exists even without a layer on the card */
        bb_draft_overhead(d, s, bb_llama_device(&p, i));
}
