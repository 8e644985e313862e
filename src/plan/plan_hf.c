/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_hf.c - PyTorch with transformers: every weight on the device, a cache that grows by tokens, one forward pass. */
#include "base/units.h"
#include "plan/checkpoint.h"
#include <stdio.h>
#include <string.h>

/* What PyTorch's allocator takes beyond what it counts as allocated, in thousandths: two training logs had 48934 for
 * 47104 MB and 44816 for 44566 (memory.md 2.4). */
enum { RESERVED_LIKELY = 6, RESERVED_MOST = 39 };

typedef struct hf_model {
    bb_weights_choice weights;
    bb_rank_sum sum; /* all 0 when the weights are known by their number alone */
} hf_model;

static void line_of_count(bb_draft *d, const bb_subject *s, const bb_weights_choice *w) {
    const bb_dtype *t = w->type;
    bool plain = t->block == 1 && !t->row_bytes;
    uint64_t blocks = s->parameters / t->block + (s->parameters % t->block != 0);
    bb_span bytes = bb_span_exact(bb_calc_mul(&d->calc, blocks, t->block_bytes));
    /* 4 bits, the fewest that such layouts usually have, if the config does not say fewer */
    uint64_t told = s->model->quant.bits;
    if (w->unknown) bytes.low = s->parameters / 8 * (told && told < 4 ? told : 4);
    bb_draft_line(d, "weights", bb_draft_device(d), bytes, plain && !w->unknown ? bb_subject_evidence(s) : BB_MODELLED,
                  plain ? "size of the torch dtype" : t->source, "%llu x %.4g bit", (unsigned long long)s->parameters,
                  bb_dtype_bits_per_weight(t, 0));
    if (w->unknown)
        bb_draft_note(d,
                      "How the checkpoint stores its tensors (%s) is not known: its weights are counted in %.4g bits.",
                      s->model->quant.label, bb_dtype_bits_per_weight(t, 0));
    if (!plain)
        bb_draft_note(d, "All weights are counted in %s; a real checkpoint keeps embeddings and norms in 16 bits.",
                      t->name);
}

static void add_weights(bb_draft *d, bb_subject *s, hf_model *m) {
    bb_plan_request *u = &d->plan->used;
    bb_weights_choice *w = &m->weights;
    if ((d->st = bb_weights_choose(s, u->weights, w, d->err)) != BB_OK) return;
    (void)snprintf(u->weights, sizeof u->weights, "%s", w->name);
    bool plain = w->kind == BB_WEIGHTS_TYPE && w->type->block == 1 && !w->type->row_bytes;
    if (w->kind != BB_WEIGHTS_TYPE || (plain && s->graph.n_nodes)) {
        if ((d->st = bb_rank_weights(s, w, 1, 1, false, d->err)) != BB_OK) return;
        m->sum = s->ranks.stage[0];
    }
    const bb_rank_sum *sum = &m->sum;
    if (w->kind == BB_WEIGHTS_TYPE)
        line_of_count(d, s, w);
    else if (w->kind == BB_WEIGHTS_FILE)
        bb_draft_line(d, "weights", bb_draft_device(d), bb_span_exact(sum->bytes), bb_subject_evidence(s),
                      "types of the file", "%llu tensors, %llu parameters", (unsigned long long)sum->tensors,
                      (unsigned long long)s->parameters);
    else
        bb_draft_line(d, "weights", bb_draft_device(d), bb_span_exact(sum->bytes),
                      sum->about ? BB_MODELLED : bb_subject_evidence(s), "layout of the quantized checkpoint",
                      "%s: %llu tensors, %llu parameters", bb_weights_quant(s, w)->label,
                      (unsigned long long)sum->tensors, (unsigned long long)sum->parameters);
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
    uint64_t windows = 0, layers = 0, kept = bb_min_u64(u->ctx, a->sliding_window ? a->sliding_window - 1 : u->ctx);
    for (uint64_t i = 0; i < a->layers; i++) layers += bb_arch_attends(a, i);
    for (uint64_t i = 0; i < a->layers && a->sliding_window; i++)
        windows += !a->swa_period || bb_arch_window_layer(a, i);
    uint64_t one = bb_calc_mul(c, heads, head), positions = bb_calc_mul(c, kept, u->parallel);
    uint64_t bytes = bb_calc_mul(c, bb_calc_mul(c, one, layers - windows), bb_calc_add(c, tokens, frames));
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
                      (unsigned long long)(layers - windows), all_tokens, (unsigned long long)windows,
                      (unsigned long long)positions, (unsigned long long)heads, (unsigned long long)head);
    else if (a->head_dim == a->v_head_dim)
        bb_draft_line(d, "kv_cache", bb_draft_device(d), all, BB_EXACT, source,
                      "%llu layers x %llu heads x %llu x %s x %u B", (unsigned long long)layers,
                      (unsigned long long)heads, (unsigned long long)a->head_dim, all_tokens,
                      (unsigned)(k->block_bytes + v->block_bytes));
    else
        bb_draft_line(d, "kv_cache", bb_draft_device(d), all, BB_EXACT, source,
                      "%llu layers x %llu heads x (%llu x %u B + %llu x %u B) x %s", (unsigned long long)layers,
                      (unsigned long long)heads, (unsigned long long)a->head_dim, k->block_bytes,
                      (unsigned long long)a->v_head_dim, v->block_bytes, all_tokens);
}

static uint64_t compute_bytes(const bb_weights_choice *w) {
    return bb_dtype_find(w->dtype, NULL)->block_bytes; /* plain, 16 bits or more */
}

/* Linear attention's state in fp32, and in the type of the values as many tokens as the convolution has taps
 * (transformers' modeling_qwen3_next.py: Qwen3NextGatedDeltaNet). */
static void add_state(bb_draft *d, const bb_subject *s, uint64_t e) {
    const bb_recurrence *r = &s->model->arch->recurrence;
    bb_calc *c = &d->calc;
    uint64_t mixed = bb_calc_fma(c, bb_calc_mul(c, 2, r->groups), r->state, r->inner);
    uint64_t conv = bb_calc_mul(c, bb_calc_mul(c, r->conv, mixed), e);
    uint64_t one = bb_calc_fma(c, bb_calc_mul(c, r->state, r->inner), 4, conv);
    uint64_t all = bb_calc_mul(c, bb_calc_mul(c, one, r->layers), d->plan->used.parallel);
    bb_draft_line(d, "recurrent_state", bb_draft_device(d), bb_span_exact(all), BB_MODELLED,
                  "transformers' modeling_qwen3_next.py",
                  "%llu layers x %llu sequences x (%llu x %llu x %llu B + %llu x %llu x 4 B)",
                  (unsigned long long)r->layers, (unsigned long long)d->plan->used.parallel,
                  (unsigned long long)r->conv, (unsigned long long)mixed, (unsigned long long)e,
                  (unsigned long long)r->state, (unsigned long long)r->inner);
}

/* The scores of one layer for eager attention: fp32 from the softmax and their copy in the type of the values, for
 * every pair of positions of each sequence (memory.md M1). sdpa and flash keep none. */
static uint64_t eager_scores(bb_calc *c, const bb_plan_request *u, const bb_arch *a, uint64_t e) {
    if (u->flash_attn >= 0) return 0;
    uint64_t pairs = bb_calc_mul(c, bb_calc_mul(c, u->ctx, u->ctx), bb_calc_mul(c, u->parallel, a->heads));
    return bb_calc_mul(c, pairs, 4 + e);
}

/* A matrix in the type of the computation while it is multiplied. bitsandbytes makes it whole and keeps a copy beside
 * it, also while it quantizes: five litgpt runs (train_logs.csv 31 to 43) took 2.0 to 2.2 such matrices of their
 * largest, the head. Kernels for GPTQ, AWQ and packed integers may read the codes themselves; for many tokens they make
 * the matrix. FP8 is multiplied as it is. */
static bb_span dequantized(bb_draft *d, const bb_subject *s, const hf_model *m) {
    const bb_quantization *q = bb_weights_quant(s, &m->weights);
    uint64_t one = bb_calc_mul(&d->calc, m->sum.widest, compute_bytes(&m->weights));
    switch (q ? q->method : BB_QUANT_NONE) {
    case BB_QUANT_BNB_4BIT:
    case BB_QUANT_BNB_INT8:
        return (bb_span){bb_calc_mul(&d->calc, 2, one), one, bb_calc_mul(&d->calc, 2, one)};
    case BB_QUANT_GPTQ:
    case BB_QUANT_AWQ:
    case BB_QUANT_COMPRESSED:
        return (bb_span){one, 0, one};
    default:
        return (bb_span){0};
    }
}

/* The allocator's blocks are larger than the tensors in them, and it keeps free ones. */
static void add_overhead(bb_draft *d, const bb_subject *s, const hf_model *m) {
    bb_calc *c = &d->calc;
    uint64_t counted = m->sum.allocated, blocks = counted - m->sum.bytes;
    bb_overhead_own own = {.part = "allocator",
                           .bytes = {bb_calc_add(c, blocks, counted / 1000 * RESERVED_LIKELY), blocks,
                                     bb_calc_add(c, blocks, counted / 1000 * RESERVED_MOST)},
                           .status = BB_MODELLED,
                           .source = "c10/cuda/CUDACachingAllocator.cpp; reserved against allocated in PyTorch logs",
                           .formula = "blocks larger than their tensors, and 0 to 3.9 % kept free"};
    bb_draft_overhead_own(d, s, "gpu0", counted ? &own : NULL);
}

/* The widest point of a prefill over ctx tokens: in the MLP gate, silu(gate) and up (or the product) live beside the
 * residual and the norm's output; in the attention q, k, v and the output, and the scores where they are kept. Logits
 * are fp32 beside their own copy. */
static void add_activations(bb_draft *d, const bb_subject *s, const hf_model *m) {
    const bb_plan_request *u = &d->plan->used;
    const bb_arch *a = s->model->arch;
    bb_calc *c = &d->calc;
    uint64_t e = compute_bytes(&m->weights), tokens = bb_calc_mul(c, u->ctx, u->parallel);
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
    /* low: all but one token of the context are generated, one at a time; high: half again more for what the allocator
     * cannot give back at once */
    uint64_t least = bb_max_u64(u->ctx ? layer / u->ctx : 0, logits);
    bb_span span = {bytes, least, bb_calc_add(c, bytes, bytes / 2)};
    bb_span decoded = dequantized(d, s, m), all = span;
    if (decoded.high) {
        all.bytes = bb_calc_add(c, span.bytes, decoded.bytes);
        all.low = bb_calc_add(c, span.low, decoded.low);
        all.high = bb_calc_add(c, span.high, decoded.high);
    }
    char kept[48] = "";
    if (scores && !wide_mlp) (void)snprintf(kept, sizeof kept, " + scores %llu B", (unsigned long long)scores);
    bb_draft_line(d, "activations", bb_draft_device(d), all, BB_MODELLED, "widest values of one layer",
                  "max(%llu tokens x %llu x %llu B%s, logits %llu B)%s", (unsigned long long)tokens,
                  (unsigned long long)width, (unsigned long long)e, kept, (unsigned long long)logits,
                  decoded.high ? " + a matrix being dequantized" : "");
    bb_draft_line(d, "activations:dequantized", bb_draft_device(d), decoded, BB_MODELLED, "memory.md 2.4, litgpt logs",
                  "up to 2 copies of the largest quantized matrix: %llu x %llu B", (unsigned long long)m->sum.widest,
                  (unsigned long long)e);
}

void bb_plan_hf(bb_draft *d, bb_subject *s) {
    bb_plan_request *u = &d->plan->used;
    if (!s->parameters) {
        d->st =
            bb_fail(d->err, BB_E_UNSUPPORTED, "%s: neither parameters nor an architecture are known", s->model->title);
        return;
    }
    hf_model m = {0};
    if (u->n_cards > 1 && !u->no_gpu)
        bb_draft_note(d,
                      "Engine hf is planned on gpu0 alone: what device_map shares out among %zu cards is not modelled.",
                      u->n_cards);
    add_weights(d, s, &m);
    if (u->purpose == BB_FOR_INFER && !d->st) {
        if (!s->graph.n_nodes) {
            d->plan->partial = true;
            bb_draft_note(d, "The architecture is not known: KV cache and activations are not counted. A config.json "
                             "beside the file says it.");
        } else {
            if (bb_family_find(s->model->arch->family)->has_cache) add_kv(d, s);
            if (!d->st && s->model->arch->recurrence.layers) add_state(d, s, compute_bytes(&m.weights));
            if (!d->st) add_activations(d, s, &m);
        }
    }
    if (!u->no_gpu) add_overhead(d, s, &m);
}
