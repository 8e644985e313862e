/* SPDX-License-Identifier: GPL-3.0-or-later */
/* compute_buffer.c - the widest points of llama.cpp's graph as formulas over the widths of the model. */
#include "plan/compute_buffer.h"
#include "base/str.h"
#include "plan/kvcache.h"
#include "plan/plan_calc.h"

/* COPY_ROWS: an operation leaves its weights' device from this many rows on (llama-graph.md 5, "op offload"). */
enum { F32 = 4, TENSOR_ALIGN = 32, COPY_ROWS = 32 };

/* Widths (elements per token) and counts that the formulas share. */
typedef struct shape {
    uint64_t d, q, k, f, heads, vocab;
    uint64_t used;            /* experts that a token takes; 0 = dense */
    uint64_t cells;           /* that one token sees */
    uint64_t tokens, outputs; /* of a physical batch */
    uint64_t ids_saved;       /* bytes by which the list of output rows is shorter than one of all tokens */
} shape;

/* The order of clean-up is llama-graph.md 1. */
static bb_status make_shape(bb_calc *c, const bb_arch *a, const bb_compute_in *in, shape *s) {
    uint64_t cells;
    bb_status st = bb_kv_cells(in->ctx, in->parallel, in->unified, &cells);
    if (st) return st;
    if (!in->batch || !in->ubatch) return BB_E_ARG;
    uint64_t batch = bb_min_u64(in->ctx, in->batch), ubatch = bb_min_u64(batch, in->ubatch);
    uint64_t used = a->experts ? bb_calc_mul(c, a->experts_used, a->expert_ffn) : bb_arch_mlp_width(a);
    *s = (shape){.d = a->hidden, .heads = a->heads, .vocab = a->vocab, .f = used, .used = a->experts_used};
    s->q = bb_calc_mul(c, a->heads, a->head_dim);
    s->k = bb_calc_mul(c, a->kv_heads, a->head_dim);
    s->cells = in->unified || in->parallel == 1 ? cells : cells / in->parallel;
    s->tokens = bb_min_u64(bb_calc_align(c, in->ctx, BB_KV_PAD), ubatch);
    s->outputs = bb_min_u64(s->tokens, in->outputs ? in->outputs : batch);
    uint64_t short_of = s->tokens % in->parallel;
    if (short_of) s->tokens = bb_calc_add(c, s->tokens, in->parallel - short_of);
    s->ids_saved = bb_calc_align(c, bb_calc_mul(c, F32, s->tokens), TENSOR_ALIGN) -
                   bb_calc_align(c, bb_calc_mul(c, F32, s->outputs), TENSOR_ALIGN);
    return BB_OK;
}

/* 4 * tokens * width, less the shorter list of output rows. */
static uint64_t stage(bb_calc *c, const shape *s, uint64_t width) {
    uint64_t bytes = bb_calc_mul(c, bb_calc_mul(c, F32, s->tokens), width);
    return bytes > s->ids_saved ? bytes - s->ids_saved : bytes;
}

/* memory.md M5, single CPU. The small constants are the token numbers, positions and row lists. */
static void cpu_stages(bb_calc *c, const shape *s, bool flash, bb_compute_out *o) {
    uint64_t ffn = bb_calc_fma(c, 3, s->f, bb_calc_mul(c, 4, s->d));
    uint64_t width;
    if (flash) {
        width = bb_calc_add(c, s->cells / 2, bb_calc_add(c, ffn, 7));
    } else {
        uint64_t attention = bb_calc_fma(c, 3, s->d, bb_calc_mul(c, 2, bb_calc_add(c, s->q, s->k)));
        width = bb_calc_fma(c, s->heads, s->cells, attention);
        width = bb_calc_add(c, bb_max_u64(width, ffn), bb_calc_add(c, s->cells, 5));
    }
    o->cpu_layer = stage(c, s, width);
    uint64_t row = bb_calc_fma(c, 2, s->d, s->vocab);
    o->cpu_logits = bb_calc_mul(c, bb_calc_mul(c, F32, s->outputs), row);
    if (s->outputs == s->tokens) o->cpu_logits = bb_calc_fma(c, F32, s->tokens, o->cpu_logits);
}

/* memory.md 2.3 and M5, full offload. */
static void card_stages(bb_calc *c, const shape *s, bool flash, bb_compute_out *o) {
    uint64_t width, host;
    if (flash) {
        width = bb_calc_fma(c, 3, s->f, bb_calc_fma(c, 2, s->d, bb_max_u64(s->d, s->q)));
        width = bb_calc_add(c, width, s->cells / 2);
        host = bb_calc_fma(c, 2, s->d, s->cells / 2 + 7);
    } else {
        uint64_t common = bb_calc_fma(c, 2, bb_calc_add(c, s->d, s->k), s->cells);
        uint64_t attention = bb_calc_fma(c, s->heads, s->cells, bb_calc_fma(c, 2, s->q, 4));
        uint64_t ffn = bb_calc_fma(c, 3, s->f, 4);
        width = bb_calc_add(c, common, bb_max_u64(attention, ffn));
        host = bb_calc_add(c, common, 5);
    }
    o->card_layer = stage(c, s, width);
    o->host_inputs = stage(c, s, host);
    o->card_logits = bb_calc_mul(c, bb_calc_mul(c, F32, s->outputs), s->vocab);
    /* Beside the logits: the layer's output in place of its copy. Of a mixture the outputs of its experts, their
     * weights and the residual are copied, and the sum of the first two experts, two views, finds no place among them.
     */
    uint64_t beside = s->used ? bb_calc_fma(c, s->used + 2, s->d, s->used) : s->d;
    o->card_output_only = bb_calc_mul(c, bb_calc_mul(c, F32, s->outputs), bb_calc_add(c, s->vocab, beside));
    if (s->outputs == s->tokens) o->card_logits = bb_calc_fma(c, bb_calc_mul(c, F32, s->tokens), s->d, o->card_logits);
}

/* The f16 copies of a quantized cache that CUDA's flash attention makes; 0 without them. */
static uint64_t f16_copies(bb_calc *c, const shape *s, const bb_compute_in *in) {
    uint64_t copies = (uint64_t)!bb_name_eq(in->k->name, "f16") + (uint64_t)!bb_name_eq(in->v->name, "f16");
    if (!in->flash) return 0;
    uint64_t all_cells = in->unified ? s->cells : bb_calc_mul(c, s->cells, in->parallel);
    return bb_calc_mul(c, copies, bb_calc_mul(c, 2, bb_calc_mul(c, s->k, all_cells)));
}

/* Mask, four values of the layer's width and both f16 copies: llama-3.1-8b, 32768 cells of q8_0, one output: 192 MiB as
 * llama-graph.md 8 says. */
static uint64_t kv_copy_stage(bb_calc *c, const shape *s, const bb_compute_in *in) {
    uint64_t copies = f16_copies(c, s, in);
    return copies ? bb_calc_add(c, copies, stage(c, s, bb_calc_fma(c, 4, s->d, s->cells / 2))) : 0;
}

/* Layers of the host on the card: what lies there at the widest point of an attention or a feed-forward part, and the
 * copies of one matrix and of one layer's cache. Fitted to the rows of tests/data/plan/llama_sim.csv with layers on the
 * host: exact where the attention or the logits are widest and a block holds a hidden state, else within 4 %. */
static bb_status copied_stages(bb_calc *c, const shape *s, const bb_arch *a, const bb_compute_in *in,
                               bb_compute_out *o) {
    uint64_t cells, keys, values;
    bb_status st = bb_kv_cells(in->ctx, in->parallel, in->unified, &cells);
    if (!st) st = bb_kv_half_bytes(bb_kv_keys(a), cells, in->k, &keys);
    if (!st) st = bb_kv_half_bytes(bb_kv_values(a), cells, in->v, &values);
    if (st || s->tokens < COPY_ROWS) return st;
    uint64_t cache = bb_calc_add(c, keys, values);
    uint64_t mask = in->flash ? s->cells / 2 : s->cells;
    uint64_t width = bb_calc_fma(c, 2, s->d, mask + 1);
    if (!in->flash) width = bb_calc_fma(c, s->heads, s->cells, width);
    uint64_t attention = bb_calc_add(c, bb_calc_mul(c, bb_calc_mul(c, F32, s->tokens), width), in->host_attention);
    attention = bb_calc_add(c, attention, bb_calc_add(c, cache, f16_copies(c, s, in)));
    width = bb_calc_fma(c, 2, s->f, bb_calc_add(c, s->d, mask));
    uint64_t ffn = bb_calc_add(c, bb_calc_mul(c, bb_calc_mul(c, F32, s->tokens), width), in->host_layer);
    o->copied_layer = bb_max_u64(attention, ffn);
    if (s->outputs >= COPY_ROWS) o->copied_logits = bb_calc_add(c, o->card_logits, in->host_output);
    /* a token's keys and values come back to the cache of the host */
    uint64_t back = bb_calc_mul(c, 2, s->k);
    width = bb_max_u64(bb_calc_mul(c, 2, s->d), bb_calc_add(c, s->d, back));
    if (!in->flash) width = bb_calc_add(c, width, back);
    o->copied_inputs = bb_max_u64(o->host_inputs, stage(c, s, bb_calc_add(c, width, mask + 7)));
    return BB_OK;
}

bb_status bb_compute_buffers(const bb_arch *arch, const bb_compute_in *in, bb_compute_out *out) {
    bb_calc c = {false};
    shape s;
    bb_status st = make_shape(&c, arch, in, &s);
    if (st) return st;
    bb_compute_out o = {0};
    cpu_stages(&c, &s, in->flash, &o);
    card_stages(&c, &s, in->flash, &o);
    o.card_kv_copy = kv_copy_stage(&c, &s, in);
    st = copied_stages(&c, &s, arch, in, &o);
    if (st) return st;
    if (c.overflow) return BB_E_OVERFLOW;
    *out = o;
    return BB_OK;
}
