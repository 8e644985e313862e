/* SPDX-License-Identifier: GPL-3.0-or-later */
/* graph.c - a graph from its architecture: what stands outside the layers, which layer is of which kind. */
#include "graph/graph.h"
#include "base/mem.h"
#include "graph/build.h"
#include <stdlib.h>
#include <string.h>

static int32_t add_table(bb_builder *b, const char *gguf, const char *hf, uint64_t width, uint64_t rows) {
    char name[BB_GRAPH_NAME];
    size_t n = strlen(hf);
    if (n + sizeof ".weight" > sizeof name) {
        b->overfull = true;
        return 0;
    }
    memcpy(name, hf, n);
    memcpy(name + n, ".weight", sizeof ".weight");
    return bb_add_weight(b, gguf, name, (bb_dims){{width, rows}});
}

/* Tables of rotary factors that a converter makes: in GGUF only, never a parameter. */
static void add_rope_tables(bb_builder *b) {
    static const char *const names[] = {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"};
    bool part = b->a->rope_dim && !bb_family_find(b->a->family)->mla; /* not all of a head is turned */
    uint64_t half = (part ? b->a->rope_dim : b->a->head_dim) / 2;
    for (size_t i = 0; i < 3 && half; i++) {
        if (i == 0 ? !b->a->rope_freqs : !b->a->rope_factors) continue;
        int32_t w = bb_add_weight(b, names[i], NULL, (bb_dims){{half}});
        bb_weight_at(b, w)->counts = false;
    }
}

/* Learned positions, and what segments a family has, are added to the words. */
static const char *add_positions(bb_builder *b, const char *words, bool last) {
    const bb_arch *a = b->a;
    const bb_hf_names *hf = b->t->hf;
    bool opt = strcmp(a->family, "opt") == 0, segments = hf->segments && a->type_vocab;
    const char *made = last ? "inp" : "sum";
    if (segments) {
        int32_t w = add_table(b, "token_types.weight", hf->segments, a->hidden, a->type_vocab);
        bb_add_node(b, BB_OP_EMBED, "segments", NULL, NULL, w, -1, a->hidden);
        bb_add_node(b, BB_OP_ADD, "of_segment", words, "segments", -1, -1, a->hidden);
        words = "of_segment";
    }
    /* OPTLearnedPositionalEmbedding has two rows before the first position */
    int32_t w = add_table(b, "position_embd.weight", hf->positions, a->hidden, a->context + (opt ? 2 : 0));
    bb_weight_at(b, w)->always_f32 = true;
    if (a->embed_dim) {
        bb_add_linear(b, "projected", words, NULL, "model.decoder.project_in", false, a->embed_dim, a->hidden);
        words = "projected";
    }
    bb_add_node(b, BB_OP_EMBED, "positions", NULL, NULL, w, -1, a->hidden);
    bb_add_node(b, BB_OP_ADD, made, hf->segments ? "positions" : words, hf->segments ? words : "positions", -1, -1,
                a->hidden); /* bert.cpp and gpt2.cpp */
    return made;
}

static int32_t build_input(bb_builder *b) {
    const bb_arch *a = b->a;
    const bb_traits *t = b->t;
    uint64_t width = a->embed_dim ? a->embed_dim : a->hidden;
    bool alone = !t->learned_positions && !t->hf->embed_norm && !t->scaled_embed;
    const char *made = alone ? "inp" : "words";
    int32_t embd = add_table(b, "token_embd.weight", t->hf->embed, width, a->vocab);
    bb_add_node(b, BB_OP_EMBED, made, NULL, NULL, embd, -1, width);
    if (t->learned_positions) made = add_positions(b, made, !t->hf->embed_norm);
    if (t->hf->embed_norm) bb_add_norm(b, BB_NORM_LAYER, "inp", made, "token_embd_norm", t->hf->embed_norm, a->hidden);
    if (t->scaled_embed) bb_add_node(b, BB_OP_SCALE, "inp", made, NULL, -1, -1, a->hidden);
    add_rope_tables(b);
    return embd;
}

static void build_layers(bb_builder *b) {
    static const char *const names[BB_GRAPH_KINDS] = {"layer", "moe", "linear", "linear_moe"};
    bool seen[BB_GRAPH_KINDS] = {false};
    uint32_t kind_of[BB_GRAPH_KINDS] = {0};
    bool hybrid = bb_family_find(b->a->family)->linear;
    for (uint64_t i = 0; i < b->a->layers; i++) {
        bool moe = b->t->moe != BB_MOE_NONE && bb_arch_moe_layer(b->a, i);
        bool linear = hybrid && b->a->recurrence.layers && bb_layer_in(&b->a->recurrence.keeps, i);
        size_t k = (linear ? 2u : 0u) + (moe ? 1u : 0u);
        if (!seen[k]) {
            seen[k] = true;
            b->kind = kind_of[k] = (uint32_t)b->g->n_kinds;
            b->g->kinds[b->g->n_kinds++] = names[k];
            b->prefix = b->t->hf->layer;
            bb_build_layer(b, moe, linear);
        }
        bool unturned = b->t->unturned && (i + 1) % b->t->unturned == 0;
        b->g->layers[b->g->n_layers++] = (bb_layer){(uint32_t)i, kind_of[k], unturned};
    }
}

/* bert's pooler; other families' norm and matrix over the vocabulary, or over the classes. */
static void build_output(bb_builder *b, int32_t embd) {
    const bb_arch *a = b->a;
    const bb_hf_names *hf = b->t->hf;
    const char *in = "l_out";
    bool tokens = a->head == BB_HEAD_TOKEN_CLASSES, classes = tokens || a->head == BB_HEAD_CLASSES;
    if (hf->final_norm && !a->post_norm) {
        bb_add_norm(b, b->t->norm, "result_norm", in, "output_norm", hf->final_norm, a->hidden);
        in = "result_norm";
    }
    if (!hf->final_norm) {
        bb_add_linear(b, "pooled", in, NULL, "bert.pooler.dense", true, a->hidden, a->hidden);
        if (classes) bb_add_linear(b, "classes", "pooled", NULL, hf->classes, true, a->hidden, a->labels);
        return;
    }
    if (a->embed_dim) {
        bb_add_linear(b, "result", in, NULL, "model.decoder.project_out", false, a->hidden, a->embed_dim);
        in = "result";
    }
    if (classes) {
        bb_add_linear(b, "classes", in, NULL, hf->classes, tokens, a->embed_dim ? a->embed_dim : a->hidden, a->labels);
    } else if (a->head == BB_HEAD_LM) {
        bool more = b->t->capped_logits || b->t->scaled_logits;
        const char *name = more ? "scores" : "logits";
        uint64_t width = a->embed_dim ? a->embed_dim : a->hidden;
        if (a->tied)
            bb_add_node(b, BB_OP_MATMUL, name, in, NULL, embd, -1, a->vocab);
        else
            bb_add_linear(b, name, in, "output", hf->head, b->t->head_bias, width, a->vocab);
        bb_op op = b->t->capped_logits ? BB_OP_SOFTCAP : BB_OP_SCALE;
        if (more) bb_add_node(b, op, "logits", name, NULL, -1, -1, a->vocab);
    }
}

/* Which node makes what each one reads. */
static void link_nodes(bb_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        bb_node *n = &g->nodes[i];
        for (size_t k = 0; k < 3; k++) {
            n->from[k] = -1;
            for (size_t j = i; n->inputs[k] && j-- > 0 && g->nodes[j].part == n->part && g->nodes[j].kind == n->kind;)
                if (strcmp(g->nodes[j].name, n->inputs[k]) == 0) {
                    n->from[k] = (int32_t)j;
                    break;
                }
        }
    }
}

static void whisper_layers(bb_builder *b) {
    for (uint32_t i = 0; i < b->a->encoder_layers; i++) b->g->layers[b->g->n_layers++] = (bb_layer){i, 0, false};
    for (uint32_t i = 0; i < b->a->layers; i++) b->g->layers[b->g->n_layers++] = (bb_layer){i, 1, false};
}

bb_status bb_graph_build(const bb_arch *arch, bb_graph *graph, bb_error *err) {
    bb_status st = bb_arch_check(arch, arch->name, err);
    if (st) return st;
    bb_graph g = {.arch = arch};
    g.nodes = bb_alloc(BB_MAX_NODES, sizeof *g.nodes);
    g.weights = bb_alloc(BB_MAX_WEIGHTS, sizeof *g.weights);
    g.layers = bb_alloc((size_t)(arch->layers + arch->encoder_layers), sizeof *g.layers);
    if (!g.nodes || !g.weights || !g.layers) {
        bb_graph_clear(&g);
        return bb_fail(err, BB_E_NOMEM, "no memory for the graph of %s", arch->name);
    }
    bb_builder b = {.a = arch, .t = bb_traits_of(arch), .g = &g, .gguf = bb_family_find(arch->family)->gguf};
    if (b.t) {
        int32_t embd = build_input(&b);
        b.part = BB_PART_LAYER;
        build_layers(&b);
        b.part = BB_PART_OUTPUT;
        build_output(&b, embd);
        g.late_rows = b.t->late_rows;
    } else {
        bb_build_whisper(&b);
        whisper_layers(&b);
    }
    if (b.overfull) {
        bb_graph_clear(&g);
        return bb_fail(err, BB_E_BUG, "the graph of %s is larger than its arrays", arch->name);
    }
    link_nodes(&g);
    *graph = g;
    return BB_OK;
}

void bb_graph_clear(bb_graph *graph) {
    free(graph->nodes);
    free(graph->weights);
    free(graph->layers);
    *graph = (bb_graph){0};
}
