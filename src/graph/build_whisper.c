/* SPDX-License-Identifier: GPL-3.0-or-later */
/* build_whisper.c - whisper: two convolutions and an encoder, a decoder that attends to itself and to the encoder
 * (transformers' modeling_whisper.py). llama.cpp does not load it: there are no GGUF names. */
#include "graph/build.h"

/* Attention with biases on all but the keys. */
static void add_attention(bb_builder *b, const char *in, const char *over, const char *const hf[4], bool cached) {
    uint64_t d = b->a->hidden;
    bool cross = over != in;
    bb_add_linear(b, cross ? "cross_q" : "q", in, NULL, hf[0], true, d, d);
    bb_add_linear(b, cross ? "cross_k" : "k", over, NULL, hf[1], false, d, d);
    bb_add_linear(b, cross ? "cross_v" : "v", over, NULL, hf[2], true, d, d);
    const char *k = cross ? "cross_k" : "k", *v = cross ? "cross_v" : "v";
    if (cached) bb_add_node(b, BB_OP_KV_STORE, cross ? "cross_kv" : "kv", k, v, -1, -1, 0);
    bb_add_node(b, BB_OP_ATTENTION, cross ? "cross_attn" : "attn", cross ? "cross_q" : "q",
                cached ? (cross ? "cross_kv" : "kv") : k, -1, -1, d);
    if (!cached) b->g->nodes[b->g->n_nodes - 1].inputs[2] = v;
    bb_add_linear(b, cross ? "cross_out" : "attn_out", cross ? "cross_attn" : "attn", NULL, hf[3], true, d, d);
}

static void add_mlp(bb_builder *b, const char *in, uint64_t f) {
    uint64_t d = b->a->hidden;
    bb_add_norm(b, BB_NORM_LAYER, "ffn_norm", in, NULL, "final_layer_norm", d);
    bb_add_linear(b, "ffn_up", "ffn_norm", NULL, "fc1", true, d, f);
    bb_add_node(b, BB_OP_ACTIVATION, "ffn_act", "ffn_up", NULL, -1, -1, f);
    bb_add_linear(b, "ffn_out", "ffn_act", NULL, "fc2", true, f, d);
    bb_add_node(b, BB_OP_ADD, "l_out", in, "ffn_out", -1, -1, d);
}

static const char *const self_names[4] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                          "self_attn.out_proj"};
static const char *const cross_names[4] = {"encoder_attn.q_proj", "encoder_attn.k_proj", "encoder_attn.v_proj",
                                           "encoder_attn.out_proj"};

static void add_input(bb_builder *b) {
    const bb_arch *a = b->a;
    uint64_t d = a->hidden;
    for (int i = 1; i <= 2; i++) {
        bool first = i == 1;
        int32_t w = bb_add_weight(b, NULL, first ? "model.encoder.conv1.weight" : "model.encoder.conv2.weight",
                                  (bb_dims){{3, first ? a->mels : d, d}});
        int32_t v =
            bb_add_weight(b, NULL, first ? "model.encoder.conv1.bias" : "model.encoder.conv2.bias", (bb_dims){{d}});
        bb_add_node(b, BB_OP_CONV, first ? "conv1" : "conv2", first ? NULL : "conv1", NULL, w, v, d);
    }
    int32_t places = bb_add_weight(b, NULL, "model.encoder.embed_positions.weight", (bb_dims){{d, a->encoder_context}});
    bb_add_node(b, BB_OP_EMBED, "frames", "conv2", NULL, places, -1, d);
    int32_t words = bb_add_weight(b, NULL, "model.decoder.embed_tokens.weight", (bb_dims){{d, a->vocab}});
    places = bb_add_weight(b, NULL, "model.decoder.embed_positions.weight", (bb_dims){{d, a->context}});
    bb_add_node(b, BB_OP_EMBED, "inp", NULL, NULL, words, places, d);
}

void bb_build_whisper(bb_builder *b) {
    const bb_arch *a = b->a;
    uint64_t d = a->hidden;
    b->part = BB_PART_INPUT;
    add_input(b);
    b->part = BB_PART_LAYER;
    b->kind = 0;
    b->prefix = "model.encoder.layers.%d.";
    b->g->kinds[b->g->n_kinds++] = "encoder";
    bb_add_norm(b, BB_NORM_LAYER, "attn_norm", "inp", NULL, "self_attn_layer_norm", d);
    add_attention(b, "attn_norm", "attn_norm", self_names, false);
    bb_add_node(b, BB_OP_ADD, "ffn_inp", "inp", "attn_out", -1, -1, d);
    add_mlp(b, "ffn_inp", a->encoder_ffn);
    b->kind = 1;
    b->prefix = "model.decoder.layers.%d.";
    b->g->kinds[b->g->n_kinds++] = "decoder";
    bb_add_norm(b, BB_NORM_LAYER, "attn_norm", "inp", NULL, "self_attn_layer_norm", d);
    add_attention(b, "attn_norm", "attn_norm", self_names, true);
    bb_add_node(b, BB_OP_ADD, "cross_inp", "inp", "attn_out", -1, -1, d);
    bb_add_norm(b, BB_NORM_LAYER, "cross_norm", "cross_inp", NULL, "encoder_attn_layer_norm", d);
    add_attention(b, "cross_norm", "frames", cross_names, true);
    bb_add_node(b, BB_OP_ADD, "ffn_inp", "cross_inp", "cross_out", -1, -1, d);
    add_mlp(b, "ffn_inp", a->ffn);
    b->part = BB_PART_OUTPUT;
    bb_add_norm(b, BB_NORM_LAYER, "encoded", "l_out", NULL, "model.encoder.layer_norm", d);
    bb_add_norm(b, BB_NORM_LAYER, "result_norm", "l_out", NULL, "model.decoder.layer_norm", d);
    int32_t head = 0;
    while (b->g->weights[head].dims[1] != a->vocab) head++; /* the decoder's embedding, tied */
    bb_add_node(b, BB_OP_MATMUL, "logits", "result_norm", NULL, head, -1, a->vocab);
}
