/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_llama_kv.c - llama.cpp's cache of keys and values, layer by layer on the layer's device (memory.md 2.2). */
#include "plan/kvcache.h"
#include "plan/llama_parts.h"
#include <stdio.h>

typedef struct kv_sizes {
    uint64_t cells, window_cells;
    uint64_t kb, vb, window_kb, window_vb; /* bytes of keys and values of a layer, without padding */
    uint64_t k_pad, v_pad;                 /* what CUDA adds to each tensor of a layer */
} kv_sizes;

/* What CUDA adds to a quantized tensor whose rows are no multiple of 512. */
static bb_status cuda_pad(bb_kv_width width, const bb_dtype *type, uint64_t *pad) {
    uint64_t padded = 0, elements = 0;
    if (!bb_mul_u64(width.heads, width.head, &elements)) return BB_E_OVERFLOW;
    bb_status st = elements ? bb_cuda_padded(type, elements, 0, &padded) : BB_OK;
    *pad = padded;
    return st;
}

static bb_status size_kv(const bb_llama *p, kv_sizes *z) {
    const bb_plan_request *u = &p->d->plan->used;
    const bb_arch *a = p->s->model->arch;
    bb_kv_width k = bb_kv_keys(a), v = bb_kv_values(a);
    bb_status st = bb_kv_cells(p->ctx, u->parallel, u->kv_unified, &z->cells);
    z->window_cells = z->cells;
    if (!st && a->sliding_window && !u->swa_full)
        st = bb_kv_window_cells(z->cells, a->sliding_window, u->ubatch, u->parallel, u->kv_unified, &z->window_cells);
    if (!st) st = bb_kv_half_bytes(k, z->cells, p->k, &z->kb);
    if (!st) st = bb_kv_half_bytes(v, z->cells, p->v, &z->vb);
    if (!st) st = bb_kv_half_bytes(k, z->window_cells, p->k, &z->window_kb);
    if (!st) st = bb_kv_half_bytes(v, z->window_cells, p->v, &z->window_vb);
    if (!st) st = cuda_pad(k, p->k, &z->k_pad);
    if (!st) st = cuda_pad(v, p->v, &z->v_pad);
    return st;
}

/* "8 heads x 128", or "576" of a single vector. */
static void width_text(bb_kv_width w, char *out, size_t size) {
    if (w.heads == 1)
        (void)snprintf(out, size, "%llu", (unsigned long long)w.head);
    else
        (void)snprintf(out, size, "%llu heads x %llu", (unsigned long long)w.heads, (unsigned long long)w.head);
}

/* Layers on one device, and how many of them attend to a window only. */
typedef struct held {
    uint64_t layers, windows;
} held;

static void formula(const bb_llama *p, const kv_sizes *z, held h, char *out, size_t size) {
    const bb_arch *a = p->s->model->arch;
    bb_kv_width k = bb_kv_keys(a), v = bb_kv_values(a);
    char cells[96], width[48], types[64], values[48];
    double kbits = bb_dtype_bits_per_weight(p->k, 0), vbits = bb_dtype_bits_per_weight(p->v, 0);
    width_text(k, width, sizeof width);
    width_text(v, values, sizeof values);
    if (h.windows)
        (void)snprintf(cells, sizeof cells, "(%llu layers x %llu + %llu with a window x %llu) cells",
                       (unsigned long long)(h.layers - h.windows), (unsigned long long)z->cells,
                       (unsigned long long)h.windows, (unsigned long long)z->window_cells);
    else
        (void)snprintf(cells, sizeof cells, "%llu layers x %llu cells", (unsigned long long)h.layers,
                       (unsigned long long)z->cells);
    if (p->k->block == 1)
        (void)snprintf(types, sizeof types, "%u B", p->k->block_bytes);
    else
        (void)snprintf(types, sizeof types, "%.4g bit / 8", kbits);
    if (!v.heads)
        (void)snprintf(out, size, "%s x %s x %s, one latent vector", cells, width, types);
    else if (p->k == p->v && k.head == v.head && p->k->block == 1 && !h.windows)
        (void)snprintf(out, size, "2 x %llu layers x %s x %llu cells x %s", (unsigned long long)h.layers, width,
                       (unsigned long long)z->cells, types);
    else if (k.head == v.head)
        (void)snprintf(out, size, "%s x %s x (%.4g + %.4g) bit / 8", cells, width, kbits, vbits);
    else
        (void)snprintf(out, size, "%s x (%s x %.4g + %s x %.4g) bit / 8", cells, width, kbits, values, vbits);
}

static void kv_lines(bb_llama *p, const kv_sizes *z, uint32_t device, held h) {
    static const char source[] = "llama.cpp v0.5.0, llama-kv-cache.cpp";
    bb_draft *d = p->d;
    bb_calc *c = &d->calc;
    uint64_t full = h.layers - h.windows;
    uint64_t kn = bb_calc_fma(c, full, z->kb, bb_calc_mul(c, h.windows, z->window_kb));
    uint64_t vn = bb_calc_fma(c, full, z->vb, bb_calc_mul(c, h.windows, z->window_vb));
    if (device < p->place.n_devices && d->plan->used.backend == BB_BACKEND_CUDA) {
        kn = bb_calc_fma(c, h.layers, z->k_pad, kn);
        vn = bb_calc_fma(c, h.layers, z->v_pad, vn);
    }
    const char *name = bb_llama_device(p, device);
    bb_span all = bb_span_exact(bb_calc_add(c, kn, vn));
    /* of an unknown family at most: it may keep less, as windows, latent vectors and shared layers do */
    bool known = p->s->graph.n_nodes || p->s->model->arch->recurrence.layers;
    bb_evidence status = known ? BB_EXACT : BB_MODELLED;
    if (!known) all.low = 0;
    if (d->numbers) {
        bb_draft_line(d, "kv_cache", name, all, status, "", "%s", "");
        return;
    }
    char text[320];
    formula(p, z, h, text, sizeof text);
    bb_draft_line(d, "kv_cache", name, all, status, source, "%s", text);
    bb_draft_line(d, "kv_cache:k", name, bb_span_exact(kn), status, source, "keys, %s", p->k->name);
    bb_draft_line(d, "kv_cache:v", name, bb_span_exact(vn), status, source, "values, %s", p->v->name);
}

void bb_llama_kv(bb_llama *p) {
    const bb_arch *a = p->s->model->arch;
    const bb_plan_request *u = &p->d->plan->used;
    const bb_placement *at = &p->place;
    kv_sizes z = {0};
    held on[BB_PLAN_CARDS + 1] = {{0}};
    bb_status st = size_kv(p, &z);
    bool keys = bb_kv_keys(a).head % p->k->block != 0; /* else the values; a cell each is a default's own check */
    const bb_dtype *odd = keys ? p->k : p->v;
    if (st == BB_E_ARG)
        p->d->st =
            bb_fail(p->d->err, st, "a KV cache of %s: a head of %llu elements does not hold whole blocks of %u",
                    odd->name, (unsigned long long)(keys ? bb_kv_keys(a) : bb_kv_values(a)).head, (unsigned)odd->block);
    else if (st)
        p->d->st = bb_fail(p->d->err, st, "the bytes of the KV cache pass 2^64");
    if (p->d->st) return;
    for (uint64_t l = 0; l < a->layers; l++) {
        if (!bb_arch_attends(a, l)) continue;
        held *h = &on[u->kv_on_host ? at->n_devices : at->layer[l]];
        h->layers++;
        h->windows += bb_arch_window_layer(a, l);
    }
    for (uint32_t i = 0; i <= at->n_devices; i++) kv_lines(p, &z, i, on[i]);
}
