/* SPDX-License-Identifier: GPL-3.0-or-later */
/* build_moe.c - a router and its experts, as each family stores them. */
#include "graph/build.h"
#include <string.h>

/* A matrix for each expert: [experts][to][from] in GGUF, apart or together in HF. */
static int32_t add_matrices(bb_builder *b, const char *gguf, const char *hf, bool apart, uint64_t from, uint64_t to) {
    int32_t i = bb_add_weight(b, gguf, hf, (bb_dims){{from, to, b->a->experts}});
    bb_weight *w = bb_weight_at(b, i);
    w->expert = true;
    if (hf && apart) w->hf_split = b->a->experts;
    return i;
}

static int32_t add_rows(bb_builder *b, const char *gguf, const char *hf, uint64_t to) {
    int32_t i = bb_add_weight(b, gguf, hf, (bb_dims){{to, b->a->experts}});
    bb_weight_at(b, i)->expert = true;
    bb_weight_at(b, i)->always_f32 = true;
    return i;
}

static void add_router(bb_builder *b, const char *in) {
    const bb_arch *a = b->a;
    const bb_traits *t = b->t;
    bb_add_linear(b, "router", in, "ffn_gate_inp", t->hf->router, t->router_has_bias, a->hidden, a->experts);
    size_t w = b->g->n_weights - 1 - (t->router_has_bias ? 1 : 0);
    b->g->weights[w].always_f32 = true;
    int32_t choice = -1;
    if (a->router_bias)
        choice = bb_add_weight(b, "exp_probs_b.bias", "mlp.gate.e_score_correction_bias", (bb_dims){{a->experts}});
    bb_add_node(b, BB_OP_ROUTE, "experts", "router", NULL, choice, -1, a->experts_used);
    uint32_t form = t->route;
    if (bb_family_find(a->family)->mla) { /* one family, several models */
        if (a->router_sigmoid) form |= BB_FORM_SIGMOID;
        if (a->router_normed) form |= BB_FORM_NORMED;
        if (a->router_scaled) form |= BB_FORM_SCALED;
    }
    b->g->nodes[b->g->n_nodes - 1].form = form;
}

static void split(const char *name, char *out, size_t size) {
    size_t n = strlen(name);
    if (n + 8 > size) n = size - 8;
    memcpy(out, name, n);
    memcpy(out + n, ".weight", 8);
}

static void add_experts(bb_builder *b, const char *in) {
    const bb_arch *a = b->a;
    const bb_hf_names *hf = b->t->hf;
    uint64_t f = a->expert_ffn, used = a->experts_used;
    int32_t gate, up, down, gate_b = -1, up_b = -1, down_b = -1;
    if (b->t->moe == BB_MOE_SPLIT) {
        char g[64], u[64], d[64];
        split(hf->e_gate, g, sizeof g);
        split(hf->e_up, u, sizeof u);
        split(hf->e_down, d, sizeof d);
        gate = add_matrices(b, "ffn_gate_exps.weight", g, true, a->hidden, f);
        up = add_matrices(b, "ffn_up_exps.weight", u, true, a->hidden, f);
        down = add_matrices(b, "ffn_down_exps.weight", d, true, f, a->hidden);
    } else {
        bool biases = b->t->moe == BB_MOE_FUSED_IO;
        int32_t both = add_matrices(b, NULL, hf->e_up, false, a->hidden, 2 * f);
        bb_weight_at(b, both)->hf_transposed = biases;
        gate = add_matrices(b, "ffn_gate_exps.weight", NULL, false, a->hidden, f);
        up = add_matrices(b, "ffn_up_exps.weight", NULL, false, a->hidden, f);
        down = add_matrices(b, "ffn_down_exps.weight", hf->e_down, false, f, a->hidden);
        bb_weight_at(b, down)->hf_transposed = biases;
        if (biases) {
            (void)add_rows(b, NULL, "mlp.experts.gate_up_proj_bias", 2 * f);
            gate_b = add_rows(b, "ffn_gate_exps.bias", NULL, f);
            up_b = add_rows(b, "ffn_up_exps.bias", NULL, f);
            down_b = add_rows(b, "ffn_down_exps.bias", "mlp.experts.down_proj_bias", a->hidden);
        }
    }
    bb_add_node(b, BB_OP_MATMUL_EXPERTS, "ffn_gate", in, "experts", gate, gate_b, used * f);
    bb_add_node(b, BB_OP_MATMUL_EXPERTS, "ffn_up", in, "experts", up, up_b, used * f);
    bb_add_node(b, BB_OP_GATE_MUL, "ffn_act", "ffn_gate", "ffn_up", -1, -1, used * f);
    bb_add_node(b, BB_OP_MATMUL_EXPERTS, "ffn_exps", "ffn_act", "experts", down, down_b, used * a->hidden);
}

/* Experts that every token uses, as one MLP of their common width; qwen2moe weighs them by a gate. */
static void add_shared(bb_builder *b, const char *in) {
    const bb_arch *a = b->a;
    const bb_hf_names *hf = b->t->hf;
    uint64_t f = a->shared_ffn;
    int32_t gate = -1;
    if (b->t->shared_gate) {
        (void)bb_add_weight(b, NULL, "mlp.shared_expert_gate.weight", (bb_dims){{a->hidden, 1}});
        gate = bb_add_weight(b, "ffn_gate_inp_shexp.weight", NULL, (bb_dims){{a->hidden}});
    }
    bool fused = !hf->s_gate; /* one matrix in HF, two in GGUF */
    if (fused) {
        char both[64];
        split(hf->s_up, both, sizeof both);
        (void)bb_add_weight(b, NULL, both, (bb_dims){{a->hidden, 2 * f}});
    }
    bb_add_linear(b, "shared_gate", in, "ffn_gate_shexp", hf->s_gate, false, a->hidden, f);
    bb_add_linear(b, "shared_up", in, "ffn_up_shexp", fused ? NULL : hf->s_up, false, a->hidden, f);
    bb_add_node(b, BB_OP_GATE_MUL, "shared_act", "shared_gate", "shared_up", -1, -1, f);
    bb_add_linear(b, "shared_out", "shared_act", "ffn_down_shexp", hf->s_down, false, f, a->hidden);
    if (gate >= 0) bb_add_node(b, BB_OP_GATE_MUL, "shared_weighted", "shared_out", in, gate, -1, a->hidden);
}

void bb_build_moe(bb_builder *b, const char *in) {
    const bb_arch *a = b->a;
    bool shared = a->shared_ffn && b->t->hf->s_up;
    add_router(b, in);
    add_experts(b, in);
    bb_add_node(b, BB_OP_WEIGHTED_SUM, shared ? "moe_out" : "ffn_out", "ffn_exps", "experts", -1, -1, a->hidden);
    if (!shared) return;
    add_shared(b, in);
    bb_add_node(b, BB_OP_ADD, "ffn_out", "moe_out", b->t->shared_gate ? "shared_weighted" : "shared_out", -1, -1,
                a->hidden);
}
