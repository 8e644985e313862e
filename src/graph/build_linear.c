/* SPDX-License-Identifier: GPL-3.0-or-later */
/* build_linear.c - linear attention with a gated delta rule: a convolution over the last tokens, then a state of
 * key x value for each head (llama.cpp v0.5.0, src/models/qwen3next.cpp and qwen35.cpp; conversion/qwen.py). */
#include "graph/build.h"

/* qwen3next has two matrices where qwen35 has four; GGUF cuts the first, and keeps the second, of qwen3next alone. */
static void add_projections(bb_builder *b, const char *in) {
    const bb_arch *a = b->a;
    const bb_recurrence *r = &a->recurrence;
    bool fused = b->t->fused_linear;
    uint64_t mixed = r->inner + 2 * r->groups * r->state;
    if (fused)
        (void)bb_add_weight(b, NULL, "linear_attn.in_proj_qkvz.weight", (bb_dims){{a->hidden, mixed + r->inner}});
    bb_add_linear(b, "mixed", in, "attn_qkv", fused ? NULL : "linear_attn.in_proj_qkv", false, a->hidden, mixed);
    bb_add_linear(b, "z", in, "attn_gate", fused ? NULL : "linear_attn.in_proj_z", false, a->hidden, r->inner);
    if (fused) {
        bb_add_linear(b, "rates", in, "ssm_ba", "linear_attn.in_proj_ba", false, a->hidden, 2 * r->heads);
        bb_add_node(b, BB_OP_SPLIT, "beta", "rates", NULL, -1, -1, r->heads);
        bb_add_node(b, BB_OP_SPLIT, "alpha", "rates", NULL, -1, -1, r->heads);
        return;
    }
    bb_add_linear(b, "beta", in, "ssm_beta", "linear_attn.in_proj_b", false, a->hidden, r->heads);
    bb_add_linear(b, "alpha", in, "ssm_alpha", "linear_attn.in_proj_a", false, a->hidden, r->heads);
}

void bb_build_linear_attention(bb_builder *b, const char *in) {
    const bb_arch *a = b->a;
    const bb_recurrence *r = &a->recurrence;
    uint64_t mixed = r->inner + 2 * r->groups * r->state;
    add_projections(b, in);
    /* torch's Conv1d has an input channel for each of its groups */
    (void)bb_add_weight(b, NULL, "linear_attn.conv1d.weight", (bb_dims){{r->conv, 1, mixed}});
    int32_t conv = bb_add_weight(b, "ssm_conv1d.weight", NULL, (bb_dims){{r->conv, mixed}});
    bb_weight_at(b, conv)->always_f32 = true;
    int32_t dt = bb_add_weight(b, "ssm_dt.bias", "linear_attn.dt_bias", (bb_dims){{r->heads}});
    int32_t decay = bb_add_weight(b, "ssm_a", "linear_attn.A_log", (bb_dims){{r->heads}});
    bb_add_node(b, BB_OP_CONV, "convolved", "mixed", NULL, conv, -1, mixed);
    bb_add_node(b, BB_OP_STATE, "linear", "convolved", "beta", decay, dt, r->inner);
    b->g->nodes[b->g->n_nodes - 1].inputs[2] = "alpha";
    bb_add_norm(b, BB_NORM_RMS, "linear_normed", "linear", "ssm_norm", "linear_attn.norm", r->inner / r->heads);
    b->g->nodes[b->g->n_nodes - 1].width = r->inner; /* one weight for all heads */
    bb_add_node(b, BB_OP_GATE_MUL, "linear_gated", "z", "linear_normed", -1, -1, r->inner);
    bb_add_linear(b, "attn_out", "linear_gated", "ssm_out", "linear_attn.out_proj", false, r->inner, a->hidden);
}
