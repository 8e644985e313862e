/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_llama_compute.c - llama.cpp's compute buffers, by simulation or else by a rule, and the output buffer. */
#include "plan/ggml_graph.h"
#include "plan/kvcache.h"
#include "plan/llama_parts.h"
#include "plan/reserve.h"
#include <stdio.h>
#include <string.h>

/* ---- families whose graph in llama.cpp is described: the simulation ---- */

/* Where each weight of the graph lies and in what type; made again only when that changes. */
static const bb_home *find_homes(bb_llama *p) {
    bb_subject *s = p->s;
    size_t layers = s->graph.n_layers, row = layers + 1;
    uint8_t *before = s->layer_device + row, host = (uint8_t)p->place.n_devices;
    if (s->homes_set == p->set->serial && s->homes_devices == p->place.n_devices &&
        memcmp(before, s->layer_device, row) == 0)
        return s->homes;
    memset(s->homes, 0, s->graph.n_weights * row * sizeof *s->homes);
    for (size_t i = 0; i < s->n_tensors; i++) {
        if (s->weight_of[i] == BB_NO_WEIGHT) continue;
        const bb_dtype *type = p->set->types[i];
        bb_home *home = s->homes + s->weight_of[i] * row;
        bool follows = p->set->where[i] == BB_FOLLOWS;
        uint8_t where = follows ? host : (uint8_t)bb_place_card(&p->place, p->set->where[i]);
        if (s->layers[i] >= 0) {
            home[s->layers[i]] = (bb_home){type, follows ? s->layer_device[s->layers[i]] : where};
        } else if (s->layers[i] == BB_LAYER_SHARED) {
            for (size_t l = 0; l < layers; l++) home[l] = (bb_home){type, follows ? s->layer_device[l] : where};
        } else if (s->layers[i] == BB_LAYER_INPUT) {
            home[0] = (bb_home){type, follows ? host : where};
            if (s->model->arch->tied) home[layers] = (bb_home){type, follows ? s->layer_device[layers] : where};
        }
    }
    memcpy(before, s->layer_device, row);
    s->homes_set = p->set->serial;
    s->homes_devices = p->place.n_devices;
    s->homes_version++;
    return s->homes;
}

static bb_reserve_in reserve_in(bb_llama *p) {
    const bb_home *homes = find_homes(p);
    const bb_plan_request *u = &p->d->plan->used;
    return (bb_reserve_in){.graph = &p->s->graph,
                           .ctx = p->ctx,
                           .batch = u->batch,
                           .ubatch = u->ubatch,
                           .sequences = u->parallel,
                           .outputs = u->outputs,
                           .unified = u->kv_unified,
                           .swa_full = u->swa_full,
                           .flash = u->flash_attn > 0,
                           .kv_on_host = u->kv_on_host,
                           .no_op_offload = u->no_op_offload,
                           .no_pipeline = *u->override_tensor || u->cpu_moe_layers, /* even where no tensor matches */
                           .dry_run = u->dry_run_rule,
                           .backend = u->backend,
                           .k = p->k,
                           .v = p->v,
                           .n_devices = p->place.n_devices,
                           .all_layers = p->place.all_layers,
                           .layer_device = p->s->layer_device,
                           .homes = homes,
                           .version = p->s->homes_version};
}

/* What CUDA's kernels ask for beside the tensors was read from the source and never measured on a card (llama-graph.md
 * 8): copies of a cache that is not f16, and longer lives of what experts are chosen by. */
static bool beside_tensors(const bb_llama *p) {
    const bb_plan_request *u = &p->d->plan->used;
    bool copies = u->flash_attn > 0 && (strcmp(p->k->name, "f16") != 0 || strcmp(p->v->name, "f16") != 0);
    return p->place.n_devices && u->backend == BB_BACKEND_CUDA && !u->dry_run_rule &&
           (copies || p->s->model->arch->experts);
}

/* Of a family whose lists were not compared with the library's own: what closed forms missed by at most (memory.md,
 * "Errors to beat": 14 %). */
static bb_span about(bb_draft *d, uint64_t bytes) {
    return (bb_span){bytes, bytes - bytes / 7, bb_calc_add(&d->calc, bytes, bytes / 7)};
}

static void line(bb_llama *p, uint32_t device, uint64_t bytes, uint64_t bare, const bb_reserve_out *o) {
    bb_evidence status = o->proven && bytes == bare ? BB_EXACT : BB_MODELLED;
    bb_span span = o->proven ? (bb_span){bytes, bb_min_u64(bytes, bare), bb_max_u64(bytes, bare)} : about(p->d, bytes);
    bb_draft_line(p->d, "compute_buffer", bb_llama_device(p, device), span, status,
                  "llama.cpp v0.5.0's graph, scheduler and allocator, simulated",
                  "most that lives at once in a graph of %llu nodes, %llu leafs, %llu splits%s",
                  (unsigned long long)o->nodes, (unsigned long long)o->leafs, (unsigned long long)o->splits,
                  bytes == bare ? "" : ", with what CUDA's kernels keep beside it");
}

static void simulate(bb_llama *p) {
    bb_draft *d = p->d;
    bb_reserve_in in = reserve_in(p);
    bb_reserve_out o, bare;
    if (!p->s->reserver && !(p->s->reserver = bb_reserver_new())) {
        d->st = bb_fail(d->err, BB_E_NOMEM, "no memory for the graph");
        return;
    }
    d->st = bb_reserve(p->s->reserver, &in, &o, d->err);
    bare = o;
    if (!d->st && beside_tensors(p)) {
        in.dry_run = true;
        d->st = bb_reserve(p->s->reserver, &in, &bare, d->err);
    }
    for (uint32_t i = 0; i < in.n_devices && !d->st; i++) line(p, i, o.device[i], bare.device[i], &o);
    if (!d->st) line(p, in.n_devices, o.host, bare.host, &o);
}

/* ---- other families: the widest point of a layer, and the logits (memory.md 2.3 and M5) ---- */

typedef struct stages {
    uint64_t layer, logits, inputs;
} stages;

/* Whether it ends with logits: an encoder ends with its layers. */
static bool has_logits(const bb_llama *p) { return !p->s->family || p->s->family->has_cache; }

/* Values of a token in a recurrent layer: what the projections make and the convolution reads and makes, beside what
 * goes by; and the states of all sequences, read and written (llama.cpp's mamba-base.cpp, delta-net-base.cpp). */
static uint64_t recurrent_stage(bb_llama *p, uint64_t tokens) {
    const bb_arch *a = p->s->model->arch;
    const bb_recurrence *r = &a->recurrence;
    bb_calc *c = &p->d->calc;
    uint64_t conv = 0, state = 0, seqs = bb_max_u64(p->d->plan->used.parallel, 1);
    if (!r->layers) return 0;
    if (bb_recurrence_elements(r, a->hidden, &conv, &state)) c->overflow = true;
    uint64_t channels = bb_calc_fma(c, 2, bb_calc_mul(c, r->groups, r->state), bb_max_u64(r->inner, a->hidden));
    uint64_t each = bb_calc_fma(c, 4, channels, bb_calc_mul(c, 3, a->hidden));
    uint64_t states = bb_calc_mul(c, bb_calc_mul(c, 2, seqs), bb_calc_add(c, conv, state));
    return bb_calc_fma(c, tokens, each, bb_calc_mul(c, states, 4));
}

static stages widest(bb_llama *p) {
    enum { F32 = 4 };
    const bb_plan_request *u = &p->d->plan->used;
    const bb_arch *a = p->s->model->arch;
    bb_calc *c = &p->d->calc;
    uint64_t tokens = bb_calc_mul(c, F32, bb_min_u64(u->ubatch, p->ctx)), cells = bb_calc_align(c, p->ctx, BB_KV_PAD);
    uint64_t rows = bb_calc_mul(c, F32, bb_min_u64(bb_max_u64(u->outputs, 1), u->ubatch));
    uint64_t q = bb_calc_mul(c, a->heads, a->head_dim), k = bb_calc_mul(c, a->kv_heads, a->head_dim);
    uint64_t used = a->experts ? bb_calc_mul(c, a->experts_used, a->expert_ffn) : bb_arch_mlp_width(a);
    uint64_t ffn = bb_calc_fma(c, 3, used, bb_calc_mul(c, 4, a->hidden)), mask = u->flash_attn > 0 ? cells / 2 : cells;
    uint64_t attention = bb_calc_fma(c, 2, bb_calc_add(c, q, k), bb_calc_mul(c, 3, a->hidden));
    if (u->flash_attn <= 0) attention = bb_calc_fma(c, a->heads, cells, attention);
    uint64_t vocab = has_logits(p) ? a->vocab : 0;
    uint64_t layer = bb_calc_mul(c, tokens, bb_calc_add(c, bb_max_u64(ffn, attention), mask));
    return (stages){.layer = bb_max_u64(layer, recurrent_stage(p, tokens)),
                    .logits = bb_calc_mul(c, rows, bb_calc_fma(c, 2, a->hidden, vocab)),
                    .inputs = bb_calc_mul(c, tokens, bb_calc_fma(c, 2, bb_calc_add(c, a->hidden, k), mask))};
}

static void rule_line(bb_llama *p, uint32_t device, uint64_t layer, uint64_t logits) {
    uint64_t bytes = bb_max_u64(layer, logits);
    /* half where operations work in place, twice where a family keeps more alive */
    bb_span span = {bytes, bytes / 2, bb_calc_mul(&p->d->calc, bytes, 2)};
    bb_draft_line(p->d, "compute_buffer", bb_llama_device(p, device), span, BB_MODELLED,
                  "widths of llama.cpp v0.5.0's graphs of other families",
                  "max(logits %llu, widest layer stage %llu) B", (unsigned long long)logits, (unsigned long long)layer);
}

static void estimate(bb_llama *p) {
    const bb_placement *at = &p->place;
    stages s = widest(p);
    bool holds[BB_PLAN_CARDS + 1] = {false};
    for (uint64_t l = 0; l < p->s->n_layers; l++) holds[at->layer[l]] = true;
    for (uint32_t i = 0; i < at->n_devices; i++)
        rule_line(p, i, holds[i] ? s.layer : 0, at->layer[p->s->n_layers] == i ? s.logits : 0);
    rule_line(p, at->n_devices, holds[at->n_devices] ? s.layer : s.inputs,
              at->layer[p->s->n_layers] == at->n_devices ? s.logits : 0);
}

void bb_llama_compute(bb_llama *p) {
    bool proven;
    if (bb_gg_known(p->s->model->arch, &proven) && p->s->graph.n_layers == p->s->n_layers)
        simulate(p);
    else
        estimate(p);
}

/* Logits of each sequence; of a model that ends with its layers one vector for each. */
void bb_llama_output(bb_llama *p) {
    bb_draft *d = p->d;
    const bb_arch *a = p->s->model->arch;
    const bb_plan_request *u = &d->plan->used;
    bool logits = has_logits(p);
    uint64_t each = logits ? a->vocab : a->hidden;
    uint64_t rows = bb_calc_mul(&d->calc, each, bb_max_u64(u->parallel, 1));
    bb_draft_line(d, "output_buffer", "host", bb_span_exact(bb_calc_mul(&d->calc, rows, 4)),
                  logits ? BB_EXACT : BB_MODELLED, "llama.cpp v0.5.0, output_reserve",
                  "%llu %s x %llu sequence%s x 4 B", (unsigned long long)each, logits ? "logits" : "embedded values",
                  (unsigned long long)u->parallel, u->parallel > 1 ? "s" : "");
}
