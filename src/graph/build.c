/* SPDX-License-Identifier: GPL-3.0-or-later */
/* build.c - the layers of decoder-only families and bert from their traits: operations and weights in file order. */
#include "graph/build.h"
#include <stdio.h>
#include <string.h>

/* ---- weights and nodes ---- */

static void put_name(bb_builder *b, char *out, size_t size, const char *prefix, const char *name) {
    int n = snprintf(out, size, "%s%s", prefix, name);
    if (n < 0 || (size_t)n >= size) b->overfull = true;
}

bb_weight *bb_weight_at(bb_builder *b, int32_t i) { return &b->g->weights[i]; }

int32_t bb_add_weight(bb_builder *b, const char *gguf, const char *hf, bb_dims dims) {
    if (b->g->n_weights == BB_MAX_WEIGHTS) {
        b->overfull = true;
        return 0;
    }
    bool layer = b->part == BB_PART_LAYER;
    bb_weight *w = &b->g->weights[b->g->n_weights];
    *w = (bb_weight){.counts = true, .hf_split = 1, .part = b->part, .kind = layer ? b->kind : 0};
    if (gguf && b->gguf) put_name(b, w->gguf_name, sizeof w->gguf_name, layer ? "blk.%d." : "", gguf);
    if (hf) put_name(b, w->hf_name, sizeof w->hf_name, layer ? b->prefix : "", hf);
    while (w->n_dims < 4 && dims.d[w->n_dims]) w->n_dims++;
    memcpy(w->dims, dims.d, sizeof w->dims);
    /* specs/ggml.md 3.12: vectors become F32; convert_hf_to_gguf also keeps the router so. */
    w->always_f32 = w->n_dims == 1;
    return (int32_t)b->g->n_weights++;
}

void bb_add_node(bb_builder *b, bb_op op, const char *name, const char *in0, const char *in1, int32_t matrix,
                 int32_t bias, uint64_t width) {
    if (b->g->n_nodes == BB_MAX_NODES) {
        b->overfull = true;
        return;
    }
    b->g->nodes[b->g->n_nodes++] = (bb_node){.op = op,
                                             .part = b->part,
                                             .kind = b->part == BB_PART_LAYER ? b->kind : 0,
                                             .name = name,
                                             .inputs = {in0, in1},
                                             .weights = {matrix, bias},
                                             .width = width};
}

/* name with ".weight" or ".bias" behind it; NULL stays NULL. */
static const char *with(const char *name, const char *end, char *out, size_t size) {
    if (!name) return NULL;
    (void)snprintf(out, size, "%s%s", name, end);
    return out;
}

static int32_t add_part(bb_builder *b, const char *gguf, const char *hf, const char *end, bb_dims dims) {
    char g[48], h[BB_GRAPH_NAME];
    return bb_add_weight(b, with(gguf, end, g, sizeof g), with(hf, end, h, sizeof h), dims);
}

void bb_add_linear(bb_builder *b, const char *name, const char *in, const char *gguf, const char *hf, bool bias,
                   uint64_t from, uint64_t to) {
    int32_t w = add_part(b, gguf, hf, ".weight", (bb_dims){{from, to}});
    /* gpt2's Conv1D keeps its matrices the other way round */
    bb_weight_at(b, w)->hf_transposed = b->t && strcmp(b->t->family, "gpt2") == 0 && b->part == BB_PART_LAYER;
    int32_t v = bias ? add_part(b, gguf, hf, ".bias", (bb_dims){{to}}) : -1;
    bb_add_node(b, BB_OP_MATMUL, name, in, NULL, w, v, to);
}

void bb_add_norm(bb_builder *b, bb_norm_form form, const char *name, const char *in, const char *gguf, const char *hf,
                 uint64_t width) {
    int32_t w = -1, v = -1;
    if (form != BB_NORM_BARE) w = add_part(b, gguf, hf, ".weight", (bb_dims){{width}});
    if (form == BB_NORM_LAYER) v = add_part(b, gguf, hf, ".bias", (bb_dims){{width}});
    bb_add_node(b, BB_OP_NORM, name, in, NULL, w, v, width);
    if (form != BB_NORM_RMS) b->g->nodes[b->g->n_nodes - 1].form = BB_FORM_CENTRED;
}

/* ---- attention ---- */

static void add_qk_norm(bb_builder *b, const char *name, const char *in, const char *gguf, const char *hf,
                        uint64_t heads) {
    const bb_arch *a = b->a;
    uint64_t width = b->t->qk == BB_QK_WIDTH ? heads * a->head_dim : a->head_dim;
    if (b->t->qk == BB_QK_HEADS) {
        int32_t w = add_part(b, gguf, hf, ".weight", (bb_dims){{a->head_dim, heads}});
        bb_weight_at(b, w)->hf_split = heads;
        bb_weight_at(b, w)->always_f32 = true;
        bb_add_node(b, BB_OP_NORM, name, in, NULL, w, -1, heads * a->head_dim);
        b->g->nodes[b->g->n_nodes - 1].form = BB_FORM_CENTRED; /* stablelm's */
        return;
    }
    bb_add_norm(b, b->t->norm, name, in, gguf, hf, width);
    b->g->nodes[b->g->n_nodes - 1].width = heads * a->head_dim; /* one weight for all heads */
}

static uint64_t value_dim(const bb_arch *a) { return a->v_head_dim ? a->v_head_dim : a->head_dim; }

static void split_qkv(bb_builder *b, uint64_t q, uint64_t kv, uint64_t v) {
    bb_add_node(b, BB_OP_SPLIT, "q", "qkv", NULL, -1, -1, q);
    bb_add_node(b, BB_OP_SPLIT, "k", "qkv", NULL, -1, -1, kv);
    bb_add_node(b, BB_OP_SPLIT, "v", "qkv", NULL, -1, -1, v);
}

/* q, k and v from `in`, as one matrix or three. */
static void add_qkv(bb_builder *b, const char *in) {
    const bb_arch *a = b->a;
    const bb_traits *t = b->t;
    const bb_hf_names *hf = t->hf;
    uint64_t q = a->heads * a->head_dim, kv = a->kv_heads * a->head_dim, values = a->kv_heads * value_dim(a);
    bool bias = bb_rule_on(t->qkv_bias, a->qkv_bias);
    if (t->qkv == BB_QKV_FUSED) {
        bb_add_linear(b, "qkv", in, "attn_qkv", hf->qkv, bias, a->hidden, q + kv + values);
        split_qkv(b, q, kv, values);
        return;
    }
    bool apart = t->qkv == BB_QKV_SPLIT;
    if (apart && a->gguf_qkv) { /* HF's three, and the one that an older converter made of them */
        static const char *const ends[] = {".weight", ".bias"};
        const char *const names[] = {hf->q, hf->k, hf->v};
        const uint64_t widths[] = {q, kv, values};
        for (size_t i = 0; i < 3; i++)
            for (size_t k = 0; k < (bias ? 2u : 1u); k++) {
                bb_dims matrix = {{a->hidden, widths[i]}}, row = {{widths[i]}};
                (void)add_part(b, NULL, names[i], ends[k], k ? row : matrix);
            }
        bb_add_linear(b, "qkv", in, "attn_qkv", NULL, bias, a->hidden, q + kv + values);
        split_qkv(b, q, kv, values);
        return;
    }
    if (!apart) { /* the same numbers under HF's own name */
        (void)add_part(b, NULL, hf->qkv, ".weight", (bb_dims){{a->hidden, q + kv + values}});
        if (bias) (void)add_part(b, NULL, hf->qkv, ".bias", (bb_dims){{q + kv + values}});
    }
    if (t->gated_query) {
        bb_add_linear(b, "q_and_gate", in, "attn_q", hf->q, bias, a->hidden, 2 * q);
        bb_add_node(b, BB_OP_SPLIT, "q", "q_and_gate", NULL, -1, -1, q);
        bb_add_node(b, BB_OP_SPLIT, "attn_gate", "q_and_gate", NULL, -1, -1, q);
    } else {
        bb_add_linear(b, "q", in, "attn_q", apart ? hf->q : NULL, bias, a->hidden, q);
    }
    bb_add_linear(b, "k", in, "attn_k", apart ? hf->k : NULL, bias, a->hidden, kv);
    bb_add_linear(b, "v", in, "attn_v", apart ? hf->v : NULL, bias, a->hidden, values);
}

static int32_t find_weight(const bb_builder *b, const char *gguf) {
    for (size_t i = 0; i < b->g->n_weights; i++)
        if (strcmp(b->g->weights[i].gguf_name, gguf) == 0) return (int32_t)i;
    return -1;
}

static void add_attention(bb_builder *b, const char *in) {
    const bb_arch *a = b->a;
    const bb_traits *t = b->t;
    const bb_hf_names *hf = t->hf;
    const char *q = "q", *k = "k";
    uint64_t q_width = a->heads * a->head_dim, kv_width = a->kv_heads * a->head_dim;
    add_qkv(b, in);
    if (t->qk != BB_QK_NONE && bb_rule_on(t->qk_when, a->qk_norm)) {
        add_qk_norm(b, "q_normed", q, "attn_q_norm", hf->q_norm, a->heads);
        add_qk_norm(b, "k_normed", k, "attn_k_norm", hf->k_norm, a->kv_heads);
        q = "q_normed";
        k = "k_normed";
    }
    if (bb_family_find(a->family)->rotary) {
        bool two = a->rope_factors; /* for contexts that are long, and that are not */
        int32_t freqs = find_weight(b, two ? "rope_factors_long.weight" : "rope_freqs.weight");
        int32_t other = two ? find_weight(b, "rope_factors_short.weight") : -1;
        bb_add_node(b, BB_OP_ROPE, "q_rope", q, NULL, freqs, other, q_width);
        bb_add_node(b, BB_OP_ROPE, "k_rope", k, NULL, freqs, other, kv_width);
        q = "q_rope";
        k = "k_rope";
    }
    bb_add_node(b, BB_OP_KV_STORE, "kv", k, "v", -1, -1, 0);
    int32_t sinks = t->sinks ? bb_add_weight(b, "attn_sinks.weight", "self_attn.sinks", (bb_dims){{a->heads}}) : -1;
    uint64_t values = a->heads * value_dim(a);
    bb_add_node(b, BB_OP_ATTENTION, "attn", q, "kv", sinks, -1, values);
    b->g->nodes[b->g->n_nodes - 1].form = t->attend;
    if (t->gated_query) bb_add_node(b, BB_OP_GATE_MUL, "attn_gated", "attn_gate", "attn", -1, -1, values);
    bb_add_linear(b, "attn_out", t->gated_query ? "attn_gated" : "attn", "attn_output", hf->out,
                  bb_rule_on(t->out_bias, a->out_bias), values, a->hidden);
}

/* Latent attention: keys and values come from one vector of kv_lora values and a shared rotary part. */
static void add_mla(bb_builder *b, const char *in) {
    const bb_arch *a = b->a;
    uint64_t q = a->heads * (a->nope_dim + a->rope_dim), v = a->heads * a->v_head_dim;
    const char *q_in = in;
    if (a->q_lora) {
        bb_add_linear(b, "q_a", in, "attn_q_a", "self_attn.q_a_proj", a->qkv_bias, a->hidden, a->q_lora);
        bb_add_norm(b, BB_NORM_RMS, "q_a_norm", "q_a", "attn_q_a_norm", "self_attn.q_a_layernorm", a->q_lora);
        q_in = "q_a_norm";
    }
    bb_add_linear(b, "q", q_in, a->q_lora ? "attn_q_b" : "attn_q",
                  a->q_lora ? "self_attn.q_b_proj" : "self_attn.q_proj", false, a->q_lora ? a->q_lora : a->hidden, q);
    bb_add_linear(b, "kv_a", in, "attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa", a->qkv_bias, a->hidden,
                  a->kv_lora + a->rope_dim);
    bb_add_norm(b, BB_NORM_RMS, "kv_a_norm", "kv_a", "attn_kv_a_norm", "self_attn.kv_a_layernorm", a->kv_lora);
    bb_add_node(b, BB_OP_ROPE, "q_rope", "q", NULL, -1, -1, q);
    bb_add_node(b, BB_OP_KV_STORE, "kv", "kv_a_norm", "kv_a", -1, -1, a->kv_lora + a->rope_dim);
    bb_dims both = {{a->kv_lora, a->heads * (a->nope_dim + a->v_head_dim)}};
    if (a->mla_split) {
        (void)bb_add_weight(b, NULL, "self_attn.kv_b_proj.weight", both);
        int32_t kb = bb_add_weight(b, "attn_k_b.weight", NULL, (bb_dims){{a->nope_dim, a->kv_lora, a->heads}});
        bb_add_node(b, BB_OP_MATMUL, "q_latent", "q_rope", NULL, kb, -1, a->heads * (a->kv_lora + a->rope_dim));
        bb_add_node(b, BB_OP_ATTENTION, "attn_latent", "q_latent", "kv", -1, -1, a->heads * a->kv_lora);
        int32_t vb = bb_add_weight(b, "attn_v_b.weight", NULL, (bb_dims){{a->kv_lora, a->v_head_dim, a->heads}});
        bb_add_node(b, BB_OP_MATMUL, "attn", "attn_latent", NULL, vb, -1, v);
    } else {
        int32_t w = bb_add_weight(b, "attn_kv_b.weight", "self_attn.kv_b_proj.weight", both);
        bb_add_node(b, BB_OP_MATMUL, "kv_heads", "kv", NULL, w, -1, both.d[1]);
        bb_add_node(b, BB_OP_ATTENTION, "attn", "q_rope", "kv_heads", -1, -1, v);
    }
    bb_add_linear(b, "attn_out", "attn", "attn_output", "self_attn.o_proj", a->out_bias, v, a->hidden);
}

/* ---- MLP ---- */

static void add_mlp(bb_builder *b, const char *in) {
    const bb_arch *a = b->a;
    const bb_traits *t = b->t;
    const bb_hf_names *hf = t->hf;
    uint64_t f = bb_arch_mlp_width(a);
    bool bias = bb_rule_on(t->mlp_bias, a->mlp_bias);
    if (t->ffn == BB_FFN_GATED) {
        bb_add_linear(b, "ffn_gate", in, "ffn_gate", hf->gate, bias, a->hidden, f);
        bb_add_linear(b, "ffn_up", in, "ffn_up", hf->up, bias, a->hidden, f);
        bb_add_node(b, BB_OP_GATE_MUL, "ffn_act", "ffn_gate", "ffn_up", -1, -1, f);
    } else if (t->ffn == BB_FFN_FUSED_GATED) {
        bb_add_linear(b, "ffn_up", in, "ffn_up", hf->up, bias, a->hidden, 2 * f);
        bb_add_node(b, BB_OP_GATE_MUL, "ffn_act", "ffn_up", NULL, -1, -1, f);
    } else {
        bb_add_linear(b, "ffn_up", in, "ffn_up", hf->up, bias, a->hidden, f);
        bb_add_node(b, BB_OP_ACTIVATION, "ffn_act", "ffn_up", NULL, -1, -1, f);
    }
    bb_add_linear(b, "ffn_out", "ffn_act", "ffn_down", hf->down, bias, f, a->hidden);
}

/* ---- a layer ---- */

static const char *scaled(bb_builder *b, const char *name, const char *in) {
    if (!b->t->scaled_branches) return in;
    bb_add_node(b, BB_OP_SCALE, name, in, NULL, -1, -1, b->a->hidden);
    return name;
}

/* The MLP read what attention made, or the layer's input beside it. */
static void add_last_sum(bb_builder *b, const char *name, const char *residual, const char *mlp) {
    static const struct {
        const char *first, *second, *last; /* NULL = the MLP */
    } orders[] = {[BB_ATTN_MLP_INP] = {"attn_out", NULL, "inp"},
                  [BB_MLP_ATTN_INP] = {NULL, "attn_out", "inp"},
                  [BB_MLP_INP_ATTN] = {NULL, "inp", "attn_out"}};
    const bb_traits *t = b->t;
    const char *x = t->mlp_last ? residual : mlp, *y = t->mlp_last ? mlp : residual;
    if (t->sums != BB_SERIAL) {
        const char *first = orders[t->sums].first, *second = orders[t->sums].second;
        bb_add_node(b, BB_OP_ADD, "branches", first ? first : mlp, second ? second : mlp, -1, -1, b->a->hidden);
        x = "branches";
        y = orders[t->sums].last;
    }
    bb_add_node(b, BB_OP_ADD, name, x, y, -1, -1, b->a->hidden);
}

/* Attention, then MLP; the norms stand where the family has them. */
void bb_build_layer(bb_builder *b, bool experts, bool linear) {
    const bb_arch *a = b->a;
    const bb_traits *t = b->t;
    const bb_hf_names *hf = t->hf;
    bool before = t->place == BB_BEFORE || t->place == BB_SANDWICH;
    bool behind = t->place == BB_SANDWICH || t->place == BB_BEHIND;
    bool after = t->place == BB_AFTER; /* opt-350m's weights are the same in either place */
    bool one_norm = bb_rule_on(t->one_norm, a->one_norm), serial = t->sums == BB_SERIAL;
    const char *ffn_norm = t->gguf_ffn_norm ? t->gguf_ffn_norm : "ffn_norm";
    const char *in = "inp", *mlp_in = serial ? "ffn_inp" : "inp", *sum;
    if (before) {
        bb_add_norm(b, t->norm, "attn_norm", "inp", "attn_norm", hf->attn_norm, a->hidden);
        in = "attn_norm";
    }
    if (t->attn_second_norm) {
        bb_add_norm(b, t->norm, "ffn_norm", "inp", ffn_norm, hf->ffn_norm, a->hidden);
        in = "ffn_norm";
    }
    if (linear)
        bb_build_linear_attention(b, in);
    else if (bb_family_find(a->family)->mla)
        add_mla(b, in);
    else
        add_attention(b, in);
    sum = "attn_out";
    if (behind) {
        bb_add_norm(b, t->norm, "attn_post_norm", sum, "post_attention_norm", hf->post_attn_norm, a->hidden);
        sum = "attn_post_norm";
    }
    if (serial) bb_add_node(b, BB_OP_ADD, "ffn_inp", scaled(b, "attn_scaled", sum), "inp", -1, -1, a->hidden);
    if (one_norm || t->attn_second_norm) mlp_in = "attn_norm";
    if (after) {
        bb_add_norm(b, t->norm, "attn_after_norm", "ffn_inp", "attn_output_norm", hf->attn_norm, a->hidden);
        mlp_in = "attn_after_norm";
    }
    if (before && !one_norm && !t->attn_second_norm) {
        bb_add_norm(b, t->norm, "ffn_norm", mlp_in, ffn_norm, hf->ffn_norm, a->hidden);
        mlp_in = "ffn_norm";
    }
    if (experts)
        bb_build_moe(b, mlp_in);
    else
        add_mlp(b, mlp_in);
    sum = "ffn_out";
    if (behind) {
        bb_add_norm(b, t->norm, "ffn_post_norm", sum, "post_ffw_norm", hf->post_ffn_norm, a->hidden);
        sum = "ffn_post_norm";
    }
    add_last_sum(b, after ? "ffn_sum" : "l_out", after ? "attn_after_norm" : "ffn_inp", scaled(b, "ffn_scaled", sum));
    if (after) bb_add_norm(b, t->norm, "l_out", "ffn_sum", "layer_output_norm", hf->ffn_norm, a->hidden);
}
