/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_hf.c - PyTorch with transformers: every weight on the device, a cache that grows by tokens, one forward pass. */
#include "base/units.h"
#include "plan/plan_parts.h"
#include <stdio.h>
#include <string.h>

static const char *weights_name(const bb_subject *s, const char *asked) {
    if (*asked && strcmp(asked, "file") != 0) return asked;
    if (s->model->arch && *s->model->arch->dtype) return s->model->arch->dtype;
    return "bf16";
}

/* The file's own bytes, for a safetensors file whose types nobody asked to change. */
static bool own_bytes(bb_draft *d, const bb_subject *s) {
    const bb_plan_request *u = &d->plan->used;
    if (!s->model->file || (*u->weights && strcmp(u->weights, "file") != 0)) return false;
    uint64_t bytes = bb_file_tensor_bytes(s->model->file);
    (void)snprintf(d->plan->used.weights, sizeof u->weights, "file");
    bb_draft_line(d, "weights", bb_draft_device(d), bb_span_exact(bytes), bb_subject_evidence(s), "types of the file",
                  "%zu tensors, %llu parameters", bb_file_tensor_count(s->model->file),
                  (unsigned long long)s->parameters);
    return true;
}

static bool own_types(const bb_plan_request *u) { return !*u->weights || strcmp(u->weights, "file") == 0; }

/* The tensors of a quantized checkpoint whose files were not read, as its config says they are stored. False, and
 * *unknown says it, for a layout that is not known. */
static bool stored_bytes(bb_draft *d, const bb_subject *s, bool *unknown) {
    bb_plan_request *u = &d->plan->used;
    const bb_quantization *q = &s->model->quant;
    bb_stored_list sum;
    if (!own_types(u) || !s->graph.n_nodes || q->method == BB_QUANT_NONE) return false;
    d->st = bb_stored_sum(&s->graph, q, s->model->arch->dtype, &sum, d->err);
    *unknown = d->st == BB_E_UNSUPPORTED;
    if (*unknown) d->st = BB_OK;
    if (d->st || *unknown) return !*unknown;
    (void)snprintf(u->weights, sizeof u->weights, "file");
    bb_draft_line(d, "weights", bb_draft_device(d), bb_span_exact(sum.bytes),
                  sum.about ? BB_MODELLED : bb_subject_evidence(s), "layout of the quantized checkpoint",
                  "%s: %zu tensors, %llu parameters", q->label, sum.n, (unsigned long long)sum.parameters);
    return true;
}

static void add_weights(bb_draft *d, const bb_subject *s) {
    bb_plan_request *u = &d->plan->used;
    bool unknown = false;
    if (own_bytes(d, s) || stored_bytes(d, s, &unknown)) return;
    const bb_dtype *t = bb_dtype_find(weights_name(s, u->weights), d->err);
    if (!t) {
        d->st = BB_E_NAME;
        return;
    }
    bool plain = t->block == 1 && !t->row_bytes;
    uint64_t blocks = s->parameters / t->block + (s->parameters % t->block != 0);
    bb_span bytes = bb_span_exact(bb_calc_mul(&d->calc, blocks, t->block_bytes));
    /* 4 bits, the fewest that such layouts usually have, if the config does not say fewer */
    uint64_t told = s->model->quant.bits;
    if (unknown) bytes.low = s->parameters / 8 * (told && told < 4 ? told : 4);
    (void)snprintf(u->weights, sizeof u->weights, "%s", t->name);
    bb_draft_line(d, "weights", bb_draft_device(d), bytes, plain && !unknown ? bb_subject_evidence(s) : BB_MODELLED,
                  plain ? "size of the torch dtype" : t->source, "%llu x %.4g bit", (unsigned long long)s->parameters,
                  bb_dtype_bits_per_weight(t, 0));
    if (unknown)
        bb_draft_note(d,
                      "How the checkpoint stores its tensors (%s) is not known: its weights are counted in %.4g bits.",
                      s->model->quant.label, bb_dtype_bits_per_weight(t, 0));
    if (!plain)
        bb_draft_note(d, "All weights are counted in %s; a real checkpoint keeps embeddings and norms in 16 bits.",
                      t->name);
}

static void add_kv(bb_draft *d, const bb_subject *s) {
    const bb_plan_request *u = &d->plan->used;
    const bb_arch *a = s->model->arch;
    const bb_dtype *k = bb_dtype_find(u->kv_k, d->err), *v = k ? bb_dtype_find(u->kv_v, d->err) : NULL;
    if (!k || !v) {
        d->st = BB_E_NAME;
        return;
    }
    if (k->block != 1 || v->block != 1) {
        d->st = bb_fail(d->err, BB_E_UNSUPPORTED, "engine hf keeps its KV cache in plain types, not in %s",
                        k->block != 1 ? k->name : v->name);
        return;
    }
    bb_calc *c = &d->calc;
    static const char source[] = "transformers' DynamicCache and DynamicSlidingWindowLayer (cache_utils.py)";
    bool mla = bb_family_find(a->family)->mla; /* whose keys and values are kept for every head */
    uint64_t heads = mla ? a->heads : a->kv_heads, tokens = bb_calc_mul(c, u->ctx, u->parallel);
    uint64_t head = bb_calc_fma(c, a->head_dim, k->block_bytes, bb_calc_mul(c, a->v_head_dim, v->block_bytes));
    /* an encoder's frames are kept once for each layer of the decoder (EncoderDecoderCache) */
    uint64_t frames = bb_calc_mul(c, a->encoder_layers ? a->encoder_context : 0, u->parallel);
    /* a layer with a window keeps one position less than that; all layers of a model whose config names a window and
     * no pattern are such */
    uint64_t windows = 0, kept = bb_min_u64(u->ctx, a->sliding_window ? a->sliding_window - 1 : u->ctx);
    for (uint64_t i = 0; i < a->layers && a->sliding_window; i++)
        windows += !a->swa_period || bb_arch_window_layer(a, i);
    uint64_t one = bb_calc_mul(c, heads, head), positions = bb_calc_mul(c, kept, u->parallel);
    uint64_t bytes = bb_calc_mul(c, bb_calc_mul(c, one, a->layers - windows), bb_calc_add(c, tokens, frames));
    bytes = bb_calc_fma(c, bb_calc_mul(c, one, windows), positions, bytes);
    bb_span all = bb_span_exact(bytes);
    char all_tokens[64];
    (void)snprintf(all_tokens, sizeof all_tokens, "%llu tokens", (unsigned long long)tokens);
    if (frames)
        (void)snprintf(all_tokens, sizeof all_tokens, "(%llu tokens + %llu frames)", (unsigned long long)tokens,
                       (unsigned long long)frames);
    if (windows && kept < u->ctx)
        bb_draft_line(d, "kv_cache", bb_draft_device(d), all, BB_EXACT, source,
                      "(%llu layers x %s + %llu with a window x %llu) x %llu heads x %llu B",
                      (unsigned long long)(a->layers - windows), all_tokens, (unsigned long long)windows,
                      (unsigned long long)positions, (unsigned long long)heads, (unsigned long long)head);
    else if (a->head_dim == a->v_head_dim)
        bb_draft_line(d, "kv_cache", bb_draft_device(d), all, BB_EXACT, source,
                      "%llu layers x %llu heads x %llu x %s x %u B", (unsigned long long)a->layers,
                      (unsigned long long)heads, (unsigned long long)a->head_dim, all_tokens,
                      (unsigned)(k->block_bytes + v->block_bytes));
    else
        bb_draft_line(d, "kv_cache", bb_draft_device(d), all, BB_EXACT, source,
                      "%llu layers x %llu heads x (%llu x %u B + %llu x %u B) x %s", (unsigned long long)a->layers,
                      (unsigned long long)heads, (unsigned long long)a->head_dim, k->block_bytes,
                      (unsigned long long)a->v_head_dim, v->block_bytes, all_tokens);
}

/* Bytes of an element while the model computes: that of the weights when they are plain, else 16 bits. */
static uint64_t compute_bytes(const bb_subject *s, const char *weights) {
    const bb_dtype *t = bb_dtype_find(strcmp(weights, "file") == 0 ? weights_name(s, "") : weights, NULL);
    return t && t->block == 1 && t->block_bytes >= 2 && t->block_bytes <= 8 ? t->block_bytes : 2;
}

/* The scores of one layer for eager attention: fp32 from the softmax and their copy in the type of the values, for
 * every pair of positions of each sequence (memory.md M1). sdpa and flash keep none. */
static uint64_t eager_scores(bb_calc *c, const bb_plan_request *u, const bb_arch *a, uint64_t e) {
    if (u->flash_attn >= 0) return 0;
    uint64_t pairs = bb_calc_mul(c, bb_calc_mul(c, u->ctx, u->ctx), bb_calc_mul(c, u->parallel, a->heads));
    return bb_calc_mul(c, pairs, 4 + e);
}

/* The widest point of a prefill over ctx tokens: in the MLP gate, silu(gate) and up (or the product) live beside the
 * residual and the norm's output; in the attention q, k, v and the output, and the scores where they are kept. Logits
 * are fp32 beside their own copy. */
static void add_activations(bb_draft *d, const bb_subject *s) {
    const bb_plan_request *u = &d->plan->used;
    const bb_arch *a = s->model->arch;
    bb_calc *c = &d->calc;
    uint64_t e = compute_bytes(s, u->weights), tokens = bb_calc_mul(c, u->ctx, u->parallel);
    uint64_t f = a->experts ? bb_calc_mul(c, a->experts_used, a->expert_ffn) : bb_arch_mlp_width(a);
    uint64_t mlp = bb_calc_fma(c, 3, f, bb_calc_mul(c, 2, a->hidden));
    uint64_t q = bb_calc_mul(c, a->heads, a->head_dim), kv = bb_calc_mul(c, a->kv_heads, a->head_dim);
    uint64_t attention = bb_calc_add(c, bb_calc_mul(c, 2, bb_calc_add(c, a->hidden, q)), bb_calc_mul(c, 2, kv));
    uint64_t scores = eager_scores(c, u, a, e), each = bb_calc_mul(c, tokens, e);
    uint64_t of_mlp = bb_calc_mul(c, mlp, each), of_attention = bb_calc_fma(c, attention, each, scores);
    bool wide_mlp = of_mlp > of_attention;
    uint64_t layer = wide_mlp ? of_mlp : of_attention, width = wide_mlp ? mlp : attention;
    uint64_t rows = bb_calc_mul(c, u->outputs, u->parallel);
    uint64_t logits = bb_calc_mul(c, bb_calc_mul(c, a->vocab, rows), e + 4);
    uint64_t bytes = bb_max_u64(layer, logits);
    /* half when the allocator reuses the gate in place, half again more for what it cannot give back at once */
    bb_span span = {bytes, bytes / 2, bb_calc_add(c, bytes, bytes / 2)};
    char kept[48] = "";
    if (scores && !wide_mlp) (void)snprintf(kept, sizeof kept, " + scores %llu B", (unsigned long long)scores);
    bb_draft_line(d, "activations", bb_draft_device(d), span, BB_MODELLED, "widest values of one layer",
                  "max(%llu tokens x %llu x %llu B%s, logits %llu B)", (unsigned long long)tokens,
                  (unsigned long long)width, (unsigned long long)e, kept, (unsigned long long)logits);
}

void bb_plan_hf(bb_draft *d, bb_subject *s) {
    bb_plan_request *u = &d->plan->used;
    if (!s->parameters) {
        d->st =
            bb_fail(d->err, BB_E_UNSUPPORTED, "%s: neither parameters nor an architecture are known", s->model->title);
        return;
    }
    add_weights(d, s);
    if (u->purpose == BB_FOR_INFER && !d->st) {
        if (!s->graph.n_nodes)
            bb_draft_note(d, "The architecture is not known: KV cache and activations are not counted. A config.json "
                             "beside the file says it.");
        else {
            if (bb_family_find(s->model->arch->family)->has_cache) add_kv(d, s);
            if (!d->st) add_activations(d, s);
        }
    }
    if (!u->no_gpu) bb_draft_overhead(d, s, "gpu0");
}
