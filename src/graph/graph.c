/* SPDX-License-Identifier: GPL-3.0-or-later */
/* graph.c - the layer of the llama family as operations, and the counts and tensor lists that follow from it. */
#include "graph/graph.h"
#include "base/checked.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_NODES = 24, MAX_WEIGHTS = 24 };

/* The arrays being filled; their sizes are the most that a layer of this family can have. */
typedef struct builder {
    const bb_arch *a;
    bb_node *nodes;
    bb_weight *weights;
    size_t n_nodes, n_weights;
} builder;

static int32_t add_weight(builder *b, const char *gguf, const char *hf, uint64_t ne0, uint64_t ne1, uint64_t ne2) {
    bb_weight *w = &b->weights[b->n_weights];
    *w = (bb_weight){.gguf_name = gguf, .hf_name = hf, .dims = {ne0, ne1, ne2, 0}, .counts = true, .hf_split = 1};
    w->n_dims = ne2 ? 3 : ne1 ? 2 : 1;
    /* specs/ggml.md 3.12: vectors become F32; convert_hf_to_gguf also keeps the router so. */
    w->always_f32 = w->n_dims == 1;
    return (int32_t)b->n_weights++;
}

static void add_node(builder *b, bb_op op, bb_part part, const char *name, const char *in0, const char *in1,
                     const char *in2, int32_t matrix, int32_t bias, uint64_t width) {
    b->nodes[b->n_nodes++] = (bb_node){
        .op = op, .part = part, .name = name, .inputs = {in0, in1, in2}, .weights = {matrix, bias}, .width = width};
}

/* x W^T + bias in a layer; gguf and hf are without ".weight"/".bias", so both spellings stand in the source. */
static void add_linear(builder *b, const char *name, const char *in, const char *gguf_w, const char *hf_w,
                       const char *gguf_b, const char *hf_b, bool bias, uint64_t from, uint64_t to) {
    int32_t w = add_weight(b, gguf_w, hf_w, from, to, 0);
    int32_t v = bias ? add_weight(b, gguf_b, hf_b, to, 0, 0) : -1;
    add_node(b, BB_OP_MATMUL, BB_PART_LAYER, name, in, NULL, NULL, w, v, to);
}

#define HF_LAYER "model.layers.%d."
/* GGUF and HF names of a linear map's matrix and bias. */
#define LINEAR(gguf, hf) "blk.%d." gguf ".weight", HF_LAYER hf ".weight", "blk.%d." gguf ".bias", HF_LAYER hf ".bias"

static void add_attention(builder *b, int32_t rope_freqs) {
    const bb_arch *a = b->a;
    uint64_t q = a->heads * a->head_dim, kv = a->kv_heads * a->head_dim;
    int32_t norm = add_weight(b, "blk.%d.attn_norm.weight", HF_LAYER "input_layernorm.weight", a->hidden, 0, 0);
    add_node(b, BB_OP_NORM, BB_PART_LAYER, "attn_norm", "inp", NULL, NULL, norm, -1, a->hidden);
    add_linear(b, "q", "attn_norm", LINEAR("attn_q", "self_attn.q_proj"), a->qkv_bias, a->hidden, q);
    add_linear(b, "k", "attn_norm", LINEAR("attn_k", "self_attn.k_proj"), a->qkv_bias, a->hidden, kv);
    add_linear(b, "v", "attn_norm", LINEAR("attn_v", "self_attn.v_proj"), a->qkv_bias, a->hidden, kv);
    add_node(b, BB_OP_ROPE, BB_PART_LAYER, "q_rope", "q", NULL, NULL, rope_freqs, -1, q);
    add_node(b, BB_OP_ROPE, BB_PART_LAYER, "k_rope", "k", NULL, NULL, rope_freqs, -1, kv);
    add_node(b, BB_OP_KV_STORE, BB_PART_LAYER, "kv", "k_rope", "v", NULL, -1, -1, 0);
    add_node(b, BB_OP_ATTENTION, BB_PART_LAYER, "attn", "q_rope", "kv", NULL, -1, -1, q);
    add_linear(b, "attn_out", "attn", LINEAR("attn_output", "self_attn.o_proj"), a->out_bias, q, a->hidden);
    add_node(b, BB_OP_ADD, BB_PART_LAYER, "ffn_inp", "inp", "attn_out", NULL, -1, -1, a->hidden);
}

static void add_dense_ffn(builder *b) {
    const bb_arch *a = b->a;
    add_linear(b, "ffn_gate", "ffn_norm", LINEAR("ffn_gate", "mlp.gate_proj"), a->mlp_bias, a->hidden, a->ffn);
    add_linear(b, "ffn_up", "ffn_norm", LINEAR("ffn_up", "mlp.up_proj"), a->mlp_bias, a->hidden, a->ffn);
    add_node(b, BB_OP_SILU_MUL, BB_PART_LAYER, "ffn_act", "ffn_gate", "ffn_up", NULL, -1, -1, a->ffn);
    add_linear(b, "ffn_down", "ffn_act", LINEAR("ffn_down", "mlp.down_proj"), a->mlp_bias, a->ffn, a->hidden);
}

static int32_t add_experts(builder *b, const char *name, const char *in, const char *gguf, const char *hf,
                           uint64_t from, uint64_t to) {
    const bb_arch *a = b->a;
    int32_t w = add_weight(b, gguf, hf, from, to, a->experts);
    b->weights[w].hf_split = a->experts;
    add_node(b, BB_OP_MATMUL_EXPERTS, BB_PART_LAYER, name, in, "experts", NULL, w, -1, a->experts_used * to);
    return w;
}

/* Mixtral: w1 gate, w2 down, w3 up (specs/ggml.md 3.12). */
#define HF_MOE HF_LAYER "block_sparse_moe."
static void add_moe(builder *b) {
    const bb_arch *a = b->a;
    uint64_t f = a->expert_ffn;
    int32_t router = add_weight(b, "blk.%d.ffn_gate_inp.weight", HF_MOE "gate.weight", a->hidden, a->experts, 0);
    b->weights[router].always_f32 = true;
    add_node(b, BB_OP_MATMUL, BB_PART_LAYER, "router", "ffn_norm", NULL, NULL, router, -1, a->experts);
    add_node(b, BB_OP_ROUTE, BB_PART_LAYER, "experts", "router", NULL, NULL, -1, -1, a->experts_used);
    add_experts(b, "ffn_gate", "ffn_norm", "blk.%d.ffn_gate_exps.weight", HF_MOE "experts.%d.w1.weight", a->hidden, f);
    add_experts(b, "ffn_up", "ffn_norm", "blk.%d.ffn_up_exps.weight", HF_MOE "experts.%d.w3.weight", a->hidden, f);
    add_node(b, BB_OP_SILU_MUL, BB_PART_LAYER, "ffn_act", "ffn_gate", "ffn_up", NULL, -1, -1, a->experts_used * f);
    add_experts(b, "ffn_exps", "ffn_act", "blk.%d.ffn_down_exps.weight", HF_MOE "experts.%d.w2.weight", f, a->hidden);
    add_node(b, BB_OP_WEIGHTED_SUM, BB_PART_LAYER, "ffn_down", "ffn_exps", "experts", NULL, -1, -1, a->hidden);
}

static void build_llama(builder *b) {
    const bb_arch *a = b->a;
    int32_t embd = add_weight(b, "token_embd.weight", "model.embed_tokens.weight", a->hidden, a->vocab, 0);
    int32_t freqs = -1;
    if (a->rope_freqs) {
        freqs = add_weight(b, "rope_freqs.weight", NULL, a->head_dim / 2, 0, 0);
        b->weights[freqs].counts = false;
    }
    add_node(b, BB_OP_EMBED, BB_PART_INPUT, "inp", NULL, NULL, NULL, embd, -1, a->hidden);
    add_attention(b, freqs);
    int32_t norm = add_weight(b, "blk.%d.ffn_norm.weight", HF_LAYER "post_attention_layernorm.weight", a->hidden, 0, 0);
    add_node(b, BB_OP_NORM, BB_PART_LAYER, "ffn_norm", "ffn_inp", NULL, NULL, norm, -1, a->hidden);
    if (a->experts)
        add_moe(b);
    else
        add_dense_ffn(b);
    add_node(b, BB_OP_ADD, BB_PART_LAYER, "l_out", "ffn_inp", "ffn_down", NULL, -1, -1, a->hidden);
    norm = add_weight(b, "output_norm.weight", "model.norm.weight", a->hidden, 0, 0);
    add_node(b, BB_OP_NORM, BB_PART_OUTPUT, "result_norm", "l_out", NULL, NULL, norm, -1, a->hidden);
    int32_t head = a->tied ? embd : add_weight(b, "output.weight", "lm_head.weight", a->hidden, a->vocab, 0);
    add_node(b, BB_OP_MATMUL, BB_PART_OUTPUT, "logits", "result_norm", NULL, NULL, head, -1, a->vocab);
}

bb_status bb_graph_build(const bb_arch *arch, bb_graph *graph, bb_error *err) {
    bb_status st = bb_arch_check(arch, arch->name, err);
    if (st) return st;
    builder b = {.a = arch};
    b.nodes = bb_alloc(MAX_NODES, sizeof *b.nodes);
    b.weights = bb_alloc(MAX_WEIGHTS, sizeof *b.weights);
    if (!b.nodes || !b.weights) {
        free(b.nodes);
        free(b.weights);
        return bb_fail(err, BB_E_NOMEM, "no memory for the graph of %s", arch->name);
    }
    build_llama(&b);
    *graph = (bb_graph){
        .arch = arch, .nodes = b.nodes, .n_nodes = b.n_nodes, .weights = b.weights, .n_weights = b.n_weights};
    return BB_OK;
}

void bb_graph_clear(bb_graph *graph) {
    free(graph->nodes);
    free(graph->weights);
    *graph = (bb_graph){0};
}

bool bb_weight_in_layers(const bb_weight *w) { return strstr(w->gguf_name, "%d") != NULL; }

static bool weight_elements(const bb_weight *w, uint64_t layers, uint64_t *n) {
    uint64_t e = bb_weight_in_layers(w) ? layers : 1;
    for (uint32_t d = 0; d < w->n_dims; d++)
        if (!bb_mul_u64(e, w->dims[d], &e)) return false;
    *n = e;
    return true;
}

bb_status bb_graph_parameters(const bb_graph *graph, uint64_t *total, uint64_t *active) {
    const bb_arch *a = graph->arch;
    uint64_t sum = 0, used = 0;
    for (size_t i = 0; i < graph->n_weights; i++) {
        const bb_weight *w = &graph->weights[i];
        uint64_t n;
        if (!w->counts) continue;
        if (!weight_elements(w, a->layers, &n) || !bb_add_u64(sum, n, &sum)) return BB_E_OVERFLOW;
        /* Experts stand in the outermost dimension; below the total, so that this cannot wrap. */
        used += w->n_dims == 3 ? n / a->experts * a->experts_used : n;
    }
    if (total) *total = sum;
    if (active) *active = used;
    return BB_OK;
}

/* template with its first %d as a and its second as b. */
static void expand(const char *template, uint64_t a, uint64_t b, char *out, size_t size) {
    uint64_t value[2] = {a, b};
    size_t used = 0, n = 0;
    for (const char *p = template; *p && n + 1 < size; p++) {
        if (p[0] != '%' || p[1] != 'd') {
            out[n++] = *p;
            continue;
        }
        char digits[20];
        size_t k = 0;
        uint64_t v = value[used < 1 ? used : 1];
        used++;
        do digits[k++] = (char)('0' + v % 10);
        while (v /= 10);
        while (k && n + 1 < size) out[n++] = digits[--k];
        p++;
    }
    out[n] = '\0';
}

typedef struct tensor_list {
    bb_graph_tensor *t;
    size_t n, cap;
} tensor_list;

static bool list_weight(tensor_list *l, const bb_graph *g, const bb_weight *w, bool hf, uint64_t layer) {
    const char *name = hf ? w->hf_name : w->gguf_name;
    if (!name) return true;
    for (uint64_t e = 0; e < (hf ? w->hf_split : 1); e++) {
        if (!bb_grow((void **)&l->t, l->n, &l->cap, sizeof *l->t)) return false;
        bb_graph_tensor *t = &l->t[l->n++];
        *t = (bb_graph_tensor){.n_dims = w->n_dims, .layer = -1, .counts = w->counts, .always_f32 = w->always_f32};
        memcpy(t->dims, w->dims, sizeof t->dims);
        if (hf && w->hf_split > 1) t->dims[--t->n_dims] = 0;
        expand(name, layer, e, t->name, sizeof t->name);
        if (bb_weight_in_layers(w)) {
            t->layer = (int64_t)layer;
            t->part = BB_PART_LAYER;
        } else if (strncmp(w->gguf_name, "output", 6) == 0) {
            t->layer = (int64_t)g->arch->layers;
            t->part = BB_PART_OUTPUT;
        } else {
            t->part = w->counts ? BB_PART_INPUT : BB_PART_LAYER;
        }
    }
    return true;
}

bb_status bb_graph_tensors(const bb_graph *graph, bool hf_names, bb_graph_tensor **tensors, size_t *n) {
    tensor_list l = {0};
    size_t first = 0, last = graph->n_weights;
    while (first < last && !bb_weight_in_layers(&graph->weights[first])) first++;
    while (last > first && !bb_weight_in_layers(&graph->weights[last - 1])) last--;
    bool ok = true;
    for (size_t i = 0; ok && i < first; i++) ok = list_weight(&l, graph, &graph->weights[i], hf_names, 0);
    for (uint64_t layer = 0; ok && layer < graph->arch->layers; layer++)
        for (size_t i = first; ok && i < last; i++) ok = list_weight(&l, graph, &graph->weights[i], hf_names, layer);
    for (size_t i = last; ok && i < graph->n_weights; i++) ok = list_weight(&l, graph, &graph->weights[i], hf_names, 0);
    if (!ok) {
        free(l.t);
        return BB_E_NOMEM;
    }
    *tensors = l.t;
    *n = l.n;
    return BB_OK;
}
