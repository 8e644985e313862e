/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_llama.c - llama.cpp v0.5.0: which tensor, cache and buffer lies where (memory.md 2.3 and M5). */
#include "base/escape.h"
#include "plan/compute_buffer.h"
#include "plan/kvcache.h"
#include "plan/plan_parts.h"
#include <stdio.h>
#include <string.h>

/* Where the layers are: those from `first` on lie on the card, number n_layers being the output side. */
typedef struct places {
    uint64_t first;  /* first layer on the card */
    bool card, host; /* some repeating layer lies there */
    bool output;     /* the output side lies on the card */
} places;

/* --gpu-layers counts the output side first: n puts the last n - 1 layers and the output on the card. */
static places place_layers(const bb_plan_request *u, uint64_t layers) {
    uint64_t n = u->no_gpu ? 0 : u->gpu_layers > layers + 1 ? layers + 1 : u->gpu_layers;
    places p = {.first = layers + 1 - n, .output = n > 0};
    p.card = p.first < layers;
    p.host = p.first > 0;
    return p;
}

/* Largest matrix that stays on the host, of each kind that a card copies. */
typedef struct lent {
    uint64_t output, attention, layer;
} lent;

static void lend(lent *l, const bb_mix_tensor *t, int64_t at, uint64_t layers, bool tied, uint64_t bytes) {
    if (t->n_dims < 2) return;
    if (at == BB_LAYER_INPUT ? tied : (uint64_t)at == layers) {
        l->output = bb_max_u64(l->output, bytes);
    } else if (at >= 0 && (uint64_t)at < layers) {
        l->layer = bb_max_u64(l->layer, bytes);
        if (strstr(t->name, ".attn_")) l->attention = bb_max_u64(l->attention, bytes);
    }
}

typedef struct side {
    uint64_t bytes, elements;
    bb_type_tally tally;
} side;

static void put(bb_draft *d, side *to, uint64_t bytes, uint64_t elements, const bb_dtype *type) {
    to->bytes = bb_calc_add(&d->calc, to->bytes, bytes);
    to->elements = bb_calc_add(&d->calc, to->elements, elements);
    bb_tally_add(&to->tally, type);
}

static void weights_line(bb_draft *d, const side *s, const char *device, bb_evidence status, const char *source) {
    char types[128];
    bb_tally_text(&s->tally, types, sizeof types);
    bb_draft_line(d, "weights", device, bb_span_exact(s->bytes), status, source, "%llu elements: %s",
                  (unsigned long long)s->elements, types);
}

static void part(bb_draft *d, const char *name, const char *device, uint64_t bytes, bb_evidence status,
                 const char *formula) {
    if (bytes) bb_draft_line(d, name, device, bb_span_exact(bytes), status, "ggml type sizes", "%s", formula);
}

static void add_weights(bb_draft *d, bb_subject *s, const places *p, lent *l) {
    side card = {0}, host = {0};
    uint64_t embd = 0, output = 0, output_card = 0;
    for (size_t i = 0; i < s->n_tensors && !d->st; i++) {
        const bb_mix_tensor *t = &s->tensors[i];
        uint64_t bytes, elements;
        d->st = bb_subject_tensor(s, i, t->type, &bytes, &elements, d->err);
        if (d->st) return;
        int64_t at = s->layers[i];
        if (at == BB_LAYER_UNUSED) continue; /* llama.cpp skips them without --mtp */
        bool is_embd = at == BB_LAYER_INPUT;
        if (at == BB_LAYER_SHARED) { /* once on each device that holds a layer */
            if (p->card) put(d, &card, bytes, elements, t->type);
            if (p->host) put(d, &host, bytes, elements, t->type);
        } else if (!is_embd && (uint64_t)at >= p->first && (p->card || p->output)) {
            put(d, &card, bytes, elements, t->type);
        } else {
            put(d, &host, bytes, elements, t->type);
            lend(l, t, at, s->n_layers, !s->has_output, bytes);
        }
        if (is_embd) embd += bytes;
        if (strcmp(t->name, "output.weight") == 0) output += bytes;
        /* a tied model has no matrix of its own: the card gets a second copy of the embedding */
        if (is_embd && !s->has_output && p->output) {
            put(d, &card, bytes, elements, t->type);
            output_card = bytes;
        }
    }
    bb_evidence status = bb_subject_evidence(s);
    const char *source = s->from_file && strcmp(s->weights, "file") == 0 ? "types of the file"
                                                                         : "llama-quantize's mixture, llama.cpp v0.5.0";
    if (p->card || p->output) {
        weights_line(d, &card, "gpu0", status, source);
        part(d, "weights:output", "gpu0", output_card ? output_card : output, status,
             output_card ? "second copy of token_embd (tied)" : "output.weight");
        part(d, "weights:layers", "gpu0", card.bytes - (output_card ? output_card : output), status,
             "the layers, norms and rope_freqs");
    }
    weights_line(d, &host, "host", status, source);
    part(d, "weights:token_embd", "host", embd, status, "token_embd stays on the host");
    if (host.bytes > embd) part(d, "weights:layers", "host", host.bytes - embd, status, "layers on the host");
}

/* Layers on one side of the split, and how many of them attend to a window only. */
typedef struct kv_side {
    const char *device;
    uint64_t from, to;
} kv_side;

typedef struct kv_sizes {
    const bb_dtype *k, *v;
    uint64_t cells, window_cells;
    uint64_t kb, vb, window_kb, window_vb; /* bytes of keys and values of a layer */
} kv_sizes;

static bb_status size_kv(const bb_arch *a, const bb_plan_request *u, kv_sizes *z) {
    bb_kv_width k = bb_kv_keys(a), v = bb_kv_values(a);
    bb_status st = bb_kv_cells(u->ctx, u->parallel, u->kv_unified, &z->cells);
    z->window_cells = z->cells;
    if (!st && a->sliding_window)
        st = bb_kv_window_cells(z->cells, a->sliding_window, u->ubatch, u->parallel, u->kv_unified, &z->window_cells);
    if (!st) st = bb_kv_half_bytes(k, z->cells, z->k, &z->kb);
    if (!st) st = bb_kv_half_bytes(v, z->cells, z->v, &z->vb);
    if (!st) st = bb_kv_half_bytes(k, z->window_cells, z->k, &z->window_kb);
    if (!st) st = bb_kv_half_bytes(v, z->window_cells, z->v, &z->window_vb);
    return st;
}

/* "8 heads x 128", or "576" of a single vector. */
static void width_text(bb_kv_width w, char *out, size_t size) {
    if (w.heads == 1)
        (void)snprintf(out, size, "%llu", (unsigned long long)w.head);
    else
        (void)snprintf(out, size, "%llu heads x %llu", (unsigned long long)w.heads, (unsigned long long)w.head);
}

static void kv_lines(bb_draft *d, const bb_arch *a, const kv_sizes *z, const kv_side *at) {
    static const char source[] = "llama.cpp v0.5.0, llama-kv-cache.cpp";
    uint64_t layers = at->to - at->from, windows = 0;
    for (uint64_t i = at->from; i < at->to; i++) windows += bb_arch_window_layer(a, i);
    bb_calc *c = &d->calc;
    uint64_t kn = bb_calc_fma(c, layers - windows, z->kb, bb_calc_mul(c, windows, z->window_kb));
    uint64_t vn = bb_calc_fma(c, layers - windows, z->vb, bb_calc_mul(c, windows, z->window_vb));
    bb_span all = bb_span_exact(bb_calc_add(c, kn, vn));
    bb_kv_width k = bb_kv_keys(a), v = bb_kv_values(a);
    char cells[96], width[48], types[64];
    width_text(k, width, sizeof width);
    if (windows)
        (void)snprintf(cells, sizeof cells, "(%llu layers x %llu + %llu with a window x %llu) cells",
                       (unsigned long long)(layers - windows), (unsigned long long)z->cells,
                       (unsigned long long)windows, (unsigned long long)z->window_cells);
    else
        (void)snprintf(cells, sizeof cells, "%llu layers x %llu cells", (unsigned long long)layers,
                       (unsigned long long)z->cells);
    if (z->k->block == 1)
        (void)snprintf(types, sizeof types, "%u B", z->k->block_bytes);
    else
        (void)snprintf(types, sizeof types, "%.4g bit / 8", bb_dtype_bits_per_weight(z->k, 0));
    if (!v.heads) {
        bb_draft_line(d, "kv_cache", at->device, all, BB_EXACT, source, "%s x %s x %s, one latent vector", cells, width,
                      types);
    } else if (z->k == z->v && k.head == v.head && z->k->block == 1 && !windows) {
        bb_draft_line(d, "kv_cache", at->device, all, BB_EXACT, source, "2 x %llu layers x %s x %llu cells x %s",
                      (unsigned long long)layers, width, (unsigned long long)z->cells, types);
    } else if (k.head == v.head) {
        bb_draft_line(d, "kv_cache", at->device, all, BB_EXACT, source, "%s x %s x (%.4g + %.4g) bit / 8", cells, width,
                      bb_dtype_bits_per_weight(z->k, 0), bb_dtype_bits_per_weight(z->v, 0));
    } else {
        char values[48];
        width_text(v, values, sizeof values);
        bb_draft_line(d, "kv_cache", at->device, all, BB_EXACT, source, "%s x (%s x %.4g + %s x %.4g) bit / 8", cells,
                      width, bb_dtype_bits_per_weight(z->k, 0), values, bb_dtype_bits_per_weight(z->v, 0));
    }
    bb_draft_line(d, "kv_cache:k", at->device, bb_span_exact(kn), BB_EXACT, source, "keys, %s", z->k->name);
    bb_draft_line(d, "kv_cache:v", at->device, bb_span_exact(vn), BB_EXACT, source, "values, %s", z->v->name);
}

static void add_kv(bb_draft *d, const bb_subject *s, const places *p, const bb_dtype *k, const bb_dtype *v) {
    const bb_plan_request *u = &d->plan->used;
    const bb_arch *a = s->model->arch;
    kv_sizes z = {.k = k, .v = v};
    bb_status st = size_kv(a, u, &z);
    if (st == BB_E_ARG)
        d->st = bb_fail(d->err, st,
                        "a KV cache of %s,%s with %llu tokens in %llu sequences: a head of %llu elements does not hold "
                        "whole blocks, or a sequence has no cell",
                        k->name, v->name, (unsigned long long)u->ctx, (unsigned long long)u->parallel,
                        (unsigned long long)bb_kv_keys(a).head);
    else if (st)
        d->st = bb_fail(d->err, st, "the bytes of the KV cache pass 2^64");
    if (d->st) return;
    uint64_t on_host = p->first < a->layers ? p->first : a->layers;
    kv_lines(d, a, &z, &(kv_side){"gpu0", on_host, a->layers});
    kv_lines(d, a, &z, &(kv_side){"host", 0, on_host});
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

static buffers beside_card(const bb_compute_out *o, const places *p) {
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

static void add_compute(bb_draft *d, const bb_subject *s, const places *p, const lent *l, const bb_dtype *k,
                        const bb_dtype *v) {
    const bb_plan_request *u = &d->plan->used;
    bb_compute_in in = {.ctx = u->ctx,
                        .batch = u->batch,
                        .ubatch = u->ubatch,
                        .parallel = u->parallel,
                        .outputs = u->outputs,
                        .unified = u->kv_unified,
                        .flash = u->flash_attn > 0,
                        .k = k,
                        .v = v,
                        .host_output = p->output ? 0 : l->output,
                        .host_attention = l->attention,
                        .host_layer = l->layer};
    bb_compute_out o;
    static const char source[] = "closed form fitted to measured llama.cpp v0.5.0 buffers";
    bb_arch shape = *s->model->arch;
    if (!bb_family_find(shape.family)->has_cache) shape.vocab = 0; /* it ends with its layers */
    bb_status st = bb_compute_buffers(&shape, &in, &o);
    if (st) {
        d->st = bb_fail(d->err, st, "the compute buffer of this request cannot be sized");
        return;
    }
    if (u->no_gpu) {
        bb_draft_line(d, "compute_buffer", "host", modelled(d, s->model->arch, bb_max_u64(o.cpu_logits, o.cpu_layer)),
                      BB_MODELLED, source, "max(logits %llu, widest layer stage %llu) B",
                      (unsigned long long)o.cpu_logits, (unsigned long long)o.cpu_layer);
        return;
    }
    buffers b = beside_card(&o, p);
    bool copies = p->host && o.copied_layer;
    bb_draft_line(d, "compute_buffer", "gpu0", modelled(d, s->model->arch, bb_max_u64(b.card_logits, b.card_layer)),
                  BB_MODELLED, source, "max(logits %llu, widest layer stage %llu) B%s",
                  (unsigned long long)b.card_logits, (unsigned long long)b.card_layer,
                  copies ? ", with a copy of a host matrix" : "");
    bb_draft_line(d, "compute_buffer", "host", modelled(d, s->model->arch, b.host), BB_MODELLED, source,
                  p->host && !copies ? "widest stage of a layer on the host" : "inputs and mask");
}

/* Logits of each sequence; of a model that ends with its layers one vector for each. */
static void add_output(bb_draft *d, const bb_arch *a) {
    const bb_plan_request *u = &d->plan->used;
    bool logits = bb_family_find(a->family)->has_cache;
    uint64_t each = logits ? a->vocab : a->hidden;
    uint64_t rows = bb_calc_mul(&d->calc, each, bb_max_u64(u->parallel, 1));
    bb_draft_line(d, "output_buffer", "host", bb_span_exact(bb_calc_mul(&d->calc, rows, 4)),
                  logits ? BB_EXACT : BB_MODELLED, "llama.cpp v0.5.0, output_reserve", "%llu %s x %llu sequences x 4 B",
                  (unsigned long long)each, logits ? "logits" : "embedded values", (unsigned long long)u->parallel);
}

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

void bb_plan_llama(bb_draft *d, bb_subject *s) {
    bb_plan_request *u = &d->plan->used;
    const bb_arch *a = s->model->arch;
    if (!s->n_tensors) {
        if (a && s->graph.n_nodes)
            d->st = bb_fail(d->err, BB_E_UNSUPPORTED, "%s: llama.cpp does not load the architecture '%s'",
                            s->model->title, a->family);
        else
            d->st = bb_fail(d->err, BB_E_UNSUPPORTED, "%s: engine llama.cpp needs a GGUF file or an architecture",
                            s->model->title);
        return;
    }
    d->st = bb_subject_types(s, u->weights, u->weights, d->err);
    if (d->st) return;
    places p = place_layers(u, s->n_layers);
    lent l = {0};
    add_weights(d, s, &p, &l);
    if (u->purpose == BB_FOR_INFER && !d->st) {
        if (!a || !s->graph.n_nodes) {
            bb_draft_note(d, "The architecture of this file is not known here: KV cache and buffers are not counted.");
        } else {
            const bb_dtype *k = kv_type(d, u->kv_k), *v = d->st ? NULL : kv_type(d, u->kv_v);
            if (d->st) return;
            if (v->block > 1 && u->flash_attn < 0) {
                d->st = bb_fail(d->err, BB_E_UNSUPPORTED,
                                "llama.cpp quantizes the values of the KV cache only with flash attention");
                return;
            }
            if (bb_family_find(a->family)->has_cache) add_kv(d, s, &p, k, v);
            if (!d->st) add_compute(d, s, &p, &l, k, v);
            add_output(d, a);
        }
    }
    if (!u->no_gpu) bb_draft_overhead(d, s, "gpu0"); /* a context exists even without a layer on the card */
}
