/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_llama_compute.c - llama.cpp's compute buffers and the output buffer. */
#include "plan/compute_buffer.h"
#include "plan/kvcache.h"
#include "plan/llama_parts.h"
#include <stdio.h>
#include <string.h>

typedef struct sides {
    bool card, host, output; /* some layer, or the output side, lies on the card; some layer on the host */
} sides;

/* Largest matrix that stays on the host, of each kind that a card copies. */
typedef struct lent {
    uint64_t output, attention, layer;
} lent;

static void lend_all(bb_llama *p, lent *l) {
    const bb_subject *s = p->s;
    for (size_t i = 0; i < s->n_tensors && !p->d->st; i++) {
        const bb_mix_tensor *t = &s->tensors[i];
        int64_t at = s->layers[i];
        uint64_t bytes, elements;
        if (t->n_dims < 2 || bb_llama_home(p, i, false) < p->place.n_devices) continue;
        p->d->st = bb_subject_tensor(s, i, p->set->types[i], &bytes, &elements, p->d->err);
        if (p->d->st) return;
        if (at == BB_LAYER_INPUT ? !s->has_output : (uint64_t)at == s->n_layers) {
            l->output = bb_max_u64(l->output, bytes);
        } else if (at >= 0 && (uint64_t)at < s->n_layers) {
            l->layer = bb_max_u64(l->layer, bytes);
            if (strstr(t->name, ".attn_")) l->attention = bb_max_u64(l->attention, bytes);
        }
    }
}

/* Families whose buffers were measured, and whose closed forms miss a case by at most 14 % of this term (memory.md,
 * "Errors to beat"). Of others the forms are a guess by the widths: half of it to twice as much, and where latent
 * attention runs without flash attention, also two f32 copies of a layer's cache. */
static bb_span modelled(bb_draft *d, const bb_arch *a, uint64_t bytes) {
    static const char *const measured[] = {"llama", "qwen2", "qwen3", "gemma3"};
    const bb_plan_request *u = &d->plan->used;
    bb_calc *c = &d->calc;
    for (size_t i = 0; i < sizeof measured / sizeof *measured; i++)
        if (strcmp(a->family, measured[i]) == 0)
            return (bb_span){bytes, bytes - bytes / 7, bb_calc_add(c, bytes, bytes / 7)};
    uint64_t high = bb_calc_mul(c, bytes, 2);
    if (bb_family_find(a->family)->mla && u->flash_attn <= 0)
        high = bb_calc_fma(c, bb_calc_mul(c, bb_calc_align(c, u->ctx, BB_KV_PAD), u->parallel), 8 * a->kv_lora, high);
    return (bb_span){bytes, bytes / 2, high};
}

/* Bytes of the compute buffers of a card and of the host beside it. */
typedef struct buffers {
    uint64_t card_logits, card_layer, host;
} buffers;

static buffers beside_card(const bb_compute_out *o, const sides *p) {
    buffers b = {.host = o->host_inputs};
    if (p->card) b.card_layer = bb_max_u64(o->card_layer, o->card_kv_copy);
    if (p->output) b.card_logits = p->card || o->copied_layer ? o->card_logits : o->card_output_only;
    if (p->host && o->copied_layer) { /* the card computes all layers */
        b.card_layer = bb_max_u64(b.card_layer, o->copied_layer);
        b.host = o->copied_inputs;
    } else if (p->host) {
        b.host = bb_max_u64(b.host, o->cpu_layer);
    }
    if (!p->output) {
        b.card_logits = o->copied_logits;
        if (!b.card_logits) b.host = bb_max_u64(b.host, o->cpu_logits);
    }
    return b;
}

void bb_llama_compute(bb_llama *p) {
    bb_draft *d = p->d;
    const bb_plan_request *u = &d->plan->used;
    const bb_placement *at = &p->place;
    const bb_arch *a = p->s->model->arch;
    uint64_t layers = p->s->n_layers;
    lent l = {0};
    lend_all(p, &l);
    bool output = at->layer[layers] < at->n_devices;
    bb_compute_in in = {.ctx = p->ctx,
                        .batch = u->batch,
                        .ubatch = u->ubatch,
                        .parallel = u->parallel,
                        .outputs = u->outputs,
                        .unified = u->kv_unified,
                        .flash = u->flash_attn > 0,
                        .k = p->k,
                        .v = p->v,
                        .host_output = output ? 0 : l.output,
                        .host_attention = l.attention,
                        .host_layer = l.layer};
    bb_compute_out o;
    static const char source[] = "closed form fitted to measured llama.cpp v0.5.0 buffers";
    bb_arch shape = *a;
    if (!p->s->family->has_cache) shape.vocab = 0; /* it ends with its layers */
    bb_status st = bb_compute_buffers(&shape, &in, &o);
    if (st) d->st = bb_fail(d->err, st, "the compute buffer of this request cannot be sized");
    if (d->st) return;
    if (!at->n_devices) {
        bb_draft_line(d, "compute_buffer", "host", modelled(d, a, bb_max_u64(o.cpu_logits, o.cpu_layer)), BB_MODELLED,
                      source, "max(logits %llu, widest layer stage %llu) B", (unsigned long long)o.cpu_logits,
                      (unsigned long long)o.cpu_layer);
        return;
    }
    uint64_t host = 0;
    for (uint32_t i = 0; i < at->n_devices; i++) {
        sides side = {.output = at->layer[layers] == i, .host = at->any_host && i == 0};
        for (uint64_t k = 0; k < layers; k++) side.card = side.card || at->layer[k] == i;
        buffers b = beside_card(&o, &side);
        host = bb_max_u64(host, b.host);
        bb_draft_line(
            d, "compute_buffer", bb_llama_device(p, i), modelled(d, a, bb_max_u64(b.card_logits, b.card_layer)),
            BB_MODELLED, source, "max(logits %llu, widest layer stage %llu) B%s", (unsigned long long)b.card_logits,
            (unsigned long long)b.card_layer, side.host && o.copied_layer ? ", with a copy of a host matrix" : "");
    }
    bb_draft_line(d, "compute_buffer", "host", modelled(d, a, host), BB_MODELLED, source,
                  at->any_host && !o.copied_layer ? "widest stage of a layer on the host" : "inputs and mask");
}

/* Logits of each sequence; of a model that ends with its layers one vector for each. */
void bb_llama_output(bb_llama *p) {
    bb_draft *d = p->d;
    const bb_arch *a = p->s->model->arch;
    const bb_plan_request *u = &d->plan->used;
    bool logits = p->s->family->has_cache;
    uint64_t each = logits ? a->vocab : a->hidden;
    uint64_t rows = bb_calc_mul(&d->calc, each, bb_max_u64(u->parallel, 1));
    bb_draft_line(d, "output_buffer", "host", bb_span_exact(bb_calc_mul(&d->calc, rows, 4)),
                  logits ? BB_EXACT : BB_MODELLED, "llama.cpp v0.5.0, output_reserve", "%llu %s x %llu sequences x 4 B",
                  (unsigned long long)each, logits ? "logits" : "embedded values", (unsigned long long)u->parallel);
}
