/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lower.c - the graph of llama.cpp v0.5.0 for a batch, from the description of the architecture: its input, layers and
 * output node by node. Rules: specs/llama-graph.md 4, src/models and src/llama-graph.cpp there. */
#include "plan/lower.h"
#include "plan/llama_limits.h"
#include "plan/reserve.h"
#include <string.h>

enum { TURN = 64 }; /* attn_rot_k in llama-kv-cache.cpp: the least Hadamard matrix, which divides the head */

/* ---- values and weights ---- */

int32_t bb_lower_input(bb_lower *l, const bb_node *n, size_t k) {
    int32_t from = n->from[k];
    int32_t *value = from < 0 ? &l->stream : &l->value[from];
    bool *all = from < 0 ? &l->stream_all_rows : &l->all_rows[from];
    if (*all) *value = bb_gg_get_rows(&l->b, *value, l->rows);
    *all = false;
    return *value;
}

int32_t bb_lower_heads(bb_lower *l, const bb_node *n, size_t k, uint64_t dim) {
    int32_t x = bb_lower_input(l, n, k), from = n->from[k];
    if (l->heads[from]) return x;
    const bb_gg_tensor *t = bb_gg_at(&l->b, x);
    l->heads[from] = true;
    l->value[from] = bb_gg_reshape(&l->b, x, (bb_gg_ne){{dim, t->ne[0] / dim, t->ne[1], 1}});
    return l->value[from];
}

/* Where in `homes` the weight of the layer stands: rotary factors are on each device that has a layer. */
static size_t home_at(const bb_lower *l, int32_t weight) {
    size_t outputs = l->g->n_layers;
    bool input = l->g->weights[weight].part == BB_PART_INPUT;
    return l->b.layer < 0 ? 0 : input && l->b.layer < (int32_t)outputs ? 0 : (size_t)l->b.layer;
}

static const bb_home *home_of(const bb_lower *l, int32_t weight, size_t at) {
    return l->s->homes ? &l->s->homes[(size_t)weight * (l->g->n_layers + 1) + at] : NULL;
}

static int32_t new_weight(bb_lower *l, int32_t weight, size_t at) {
    const bb_weight *w = &l->g->weights[weight];
    const bb_home *home = home_of(l, weight, at);
    bb_gg_ne ne = {{1, 1, 1, 1}};
    for (uint32_t k = 0; k < w->n_dims; k++) ne.d[k] = w->dims[k];
    int32_t i = bb_gg_new(&l->b, BB_GG_NONE, home && home->type ? home->type : l->b.f32, ne);
    bb_gg_tensor *t = bb_gg_at(&l->b, i);
    t->store = BB_GG_WEIGHT;
    t->weight = weight;
    return i;
}

static bool same_device(const bb_lower *l, int32_t weight, size_t x, size_t y) {
    const bb_home *a = home_of(l, weight, x), *b = home_of(l, weight, y);
    return !a || !b || a->device == b->device;
}

int32_t bb_lower_weight(bb_lower *l, int32_t weight) {
    size_t at = home_at(l, weight);
    if (l->weight_at[weight] == (int32_t)at) return l->weight[weight];
    /* a tied output matrix is the embedding, unless it is a copy on another device */
    if (l->weight_at[weight] == 0 && at == l->g->n_layers && l->g->weights[weight].part == BB_PART_INPUT &&
        same_device(l, weight, 0, at))
        return l->weight[weight];
    l->weight_at[weight] = (int32_t)at;
    l->weight[weight] = new_weight(l, weight, at);
    return l->weight[weight];
}

/* Tables of rotary factors, once on each device that has a layer. */
static int32_t factors(bb_lower *l, int32_t weight) {
    if (weight < 0) return -1;
    const bb_home *home = home_of(l, weight, (size_t)l->b.layer);
    int32_t *t = &l->factors[home ? home->device : 0];
    if (!*t) *t = new_weight(l, weight, (size_t)l->b.layer);
    return *t;
}

/* ---- operations ---- */

static int32_t embed(bb_lower *l, const bb_node *n) {
    bb_gg_builder *b = &l->b;
    int32_t table = bb_lower_weight(l, n->weights[0]);
    if (strcmp(n->name, "positions") == 0) return bb_gg_get_rows(b, table, l->positions);
    if (strcmp(n->name, "segments") == 0) { /* those of the first kind: bert.cpp */
        const bb_gg_tensor *t = bb_gg_at(b, table);
        return bb_gg_view(b, table, (bb_gg_ne){{t->ne[0], 1, 1, 1}}, t->nb[1], t->nb[1], t->nb[1]);
    }
    int32_t x = bb_gg_get_rows(b, table, l->tokens);
    bb_gg_expand(b, x);
    /* the input of those who bring embeddings of their own stays in the graph */
    bb_gg_ne ne = {{n->width, l->s->tokens, 1, 1}};
    int32_t own = bb_gg_new(b, BB_GG_NONE, b->f32, ne);
    bb_gg_at(b, own)->flags |= BB_GG_INPUT;
    bb_gg_expand(b, own);
    return x;
}

int32_t bb_lower_norm(bb_lower *l, const bb_node *n, int32_t x) {
    bb_gg_builder *b = &l->b;
    int32_t y = bb_gg_like(b, n->form & BB_FORM_CENTRED ? BB_GG_NORM : BB_GG_RMS_NORM, x, -1);
    bool placed = n->part != BB_PART_OUTPUT && n->weights[0] >= 0 && strcmp(n->name, "ffn_post_norm") != 0;
    if (placed) bb_gg_at(b, y)->flags |= BB_GG_LAYER_NORM;
    if (placed && b->layer < 0) bb_gg_at(b, y)->layer = 0; /* of the embedding: with the first layer, bloom.cpp */
    if (n->weights[0] >= 0) y = bb_gg_like(b, BB_GG_MUL, y, bb_lower_weight(l, n->weights[0]));
    if (n->weights[1] >= 0) y = bb_gg_like(b, BB_GG_ADD, y, bb_lower_weight(l, n->weights[1]));
    return y;
}

/* The norm of a layer reads a whole row, a part of one (kv_a), or heads (a weight of head_dim). */
static int32_t norm(bb_lower *l, const bb_node *n, size_t i) {
    bb_gg_builder *b = &l->b;
    const bb_node *from = n->from[0] < 0 ? NULL : &l->g->nodes[n->from[0]];
    int32_t x = bb_lower_input(l, n, 0);
    uint64_t dim = n->weights[0] < 0 ? n->width : l->g->weights[n->weights[0]].dims[0];
    bool of_heads = from && (strcmp(from->name, "q") == 0 || strcmp(from->name, "k") == 0);
    if (of_heads && dim == l->g->arch->head_dim) {
        l->heads[i] = true;
        return bb_lower_norm(l, n, bb_lower_heads(l, n, 0, dim));
    }
    const bb_gg_tensor *t = bb_gg_at(b, x);
    if (dim < t->ne[0]) x = bb_gg_view(b, x, (bb_gg_ne){{dim, t->ne[1], 1, 1}}, t->nb[1], t->nb[2], t->nb[3]);
    return bb_lower_norm(l, n, x);
}

int32_t bb_lower_matmul(bb_lower *l, const bb_node *n, int32_t x) {
    int32_t y = bb_gg_mul_mat(&l->b, bb_lower_weight(l, n->weights[0]), x);
    return n->weights[1] < 0 ? y : bb_gg_like(&l->b, BB_GG_ADD, y, bb_lower_weight(l, n->weights[1]));
}

static int32_t split(bb_lower *l, const bb_node *n, size_t i) {
    bb_gg_builder *b = &l->b;
    int32_t x = bb_lower_input(l, n, 0);
    const bb_gg_tensor *t = bb_gg_at(b, x);
    uint64_t dim = l->g->arch->head_dim, row = t->nb[1];
    l->heads[i] = true;
    return bb_gg_view(b, x, (bb_gg_ne){{dim, n->width / dim, t->ne[1], 1}}, bb_gg_row(b, b->f32, dim), row,
                      bb_calc_mul(&b->calc, row, t->ne[1]));
}

static int32_t rope(bb_lower *l, const bb_node *n, size_t i) {
    if (l->latent) return l->stream; /* a part of it, where it attends */
    l->heads[i] = true;
    if (l->g->layers[l->b.layer].unturned) return bb_lower_heads(l, n, 0, l->g->arch->head_dim);
    int32_t y = bb_gg_like(&l->b, BB_GG_ROPE, bb_lower_heads(l, n, 0, l->g->arch->head_dim), l->positions);
    bb_gg_source(&l->b, y, factors(l, n->weights[0])); /* a table for short contexts has the same size */
    return y;
}

static int32_t softcap(bb_lower *l, int32_t x) {
    x = bb_gg_like(&l->b, BB_GG_SCALE, x, -1);
    x = bb_gg_like(&l->b, BB_GG_UNARY, x, -1);
    return bb_gg_like(&l->b, BB_GG_SCALE, x, -1);
}

static int32_t gate(bb_lower *l, const bb_node *n) {
    bb_gg_builder *b = &l->b;
    int32_t x = bb_lower_input(l, n, 0);
    if (n->weights[0] >= 0) { /* times a sigmoid of one number, as silu(x) / x: qwen2moe.cpp */
        int32_t y = bb_gg_mul_mat(b, bb_lower_weight(l, n->weights[0]), bb_lower_input(l, n, 1));
        y = bb_gg_like(b, BB_GG_DIV, bb_gg_like(b, BB_GG_UNARY, y, -1), y);
        return bb_gg_like(b, BB_GG_MUL, x, y);
    }
    if (n->inputs[1]) return bb_gg_like(b, BB_GG_GLU, x, bb_lower_input(l, n, 1));
    const bb_gg_tensor *t = bb_gg_at(b, x);
    return bb_gg_op1(b, BB_GG_GLU, x, (bb_gg_ne){{t->ne[0] / 2, t->ne[1], t->ne[2], t->ne[3]}});
}

static int32_t keep_for_attention(bb_lower *l, const bb_node *n) {
    const bb_arch *a = l->g->arch;
    if (l->mla) {
        l->k = bb_lower_input(l, n, 0);
        l->v = bb_lower_input(l, n, 1);
    } else {
        l->k = bb_lower_heads(l, n, 0, a->head_dim);
        l->v = bb_lower_heads(l, n, 1, a->v_head_dim);
    }
    return l->k;
}

/* Products of heads belong to latent attention, which makes its whole chain where it attends. */
static int32_t matmul(bb_lower *l, const bb_node *n) {
    bool whole = l->g->weights[n->weights[0]].n_dims < 3;
    if (whole) return bb_lower_matmul(l, n, bb_lower_input(l, n, 0));
    return l->g->nodes[n->from[0]].op == BB_OP_ATTENTION ? bb_lower_input(l, n, 0) : l->stream;
}

static int32_t attention(bb_lower *l, const bb_node *n) {
    if (!l->mla) return bb_lower_attention(l, n);
    return l->latent ? bb_lower_latent(l, n) : bb_lower_decompressed(l, n);
}

static int32_t lower(bb_lower *l, size_t i) {
    const bb_node *n = &l->g->nodes[i];
    bb_gg_builder *b = &l->b;
    l->heads[i] = l->all_rows[i] = false;
    switch (n->op) {
    case BB_OP_EMBED:
        return embed(l, n);
    case BB_OP_NORM:
        return norm(l, n, i);
    case BB_OP_MATMUL:
        return matmul(l, n);
    case BB_OP_SPLIT:
        return split(l, n, i);
    case BB_OP_ROPE:
        return rope(l, n, i);
    case BB_OP_KV_STORE:
        return keep_for_attention(l, n);
    case BB_OP_ATTENTION:
        return attention(l, n);
    case BB_OP_ADD:
        return bb_gg_like(b, BB_GG_ADD, bb_lower_input(l, n, 0), bb_lower_input(l, n, 1));
    case BB_OP_ACTIVATION:
        return bb_gg_like(b, BB_GG_UNARY, bb_lower_input(l, n, 0), -1);
    case BB_OP_GATE_MUL:
        return gate(l, n);
    case BB_OP_ROUTE:
        return bb_lower_route(l, n);
    case BB_OP_MATMUL_EXPERTS:
        return bb_lower_experts(l, n);
    case BB_OP_WEIGHTED_SUM:
        return bb_lower_weighted_sum(l, n);
    case BB_OP_SCALE:
        return bb_gg_like(b, BB_GG_SCALE, bb_lower_input(l, n, 0), -1);
    case BB_OP_SOFTCAP:
        return softcap(l, bb_lower_input(l, n, 0));
    case BB_OP_CONV:
    case BB_OP_STATE:
        break;
    }
    return 0;
}

/* ---- the parts ---- */

static int32_t new_input(bb_lower *l, const bb_dtype *type, bb_gg_ne ne) {
    int32_t i = bb_gg_new(&l->b, BB_GG_NONE, type, ne);
    bb_gg_at(&l->b, i)->flags |= BB_GG_INPUT;
    return i;
}

static bool turned(const bb_dtype *type, uint64_t dim) { return type->block > 1 && dim % TURN == 0; }

static void cache_inputs(bb_lower *l, bb_lower_cache *c, uint64_t cells) {
    const bb_gg_shape *s = l->s;
    const bb_arch *a = l->g->arch;
    bb_calc *calc = &l->b.calc;
    uint64_t values = s->flash ? 1 : bb_calc_mul(calc, l->mla ? a->heads : a->kv_heads, a->v_head_dim);
    *c = (bb_lower_cache){.cells = cells, .v_rows = -1, .k_turn = -1, .v_turn = -1};
    c->k_rows = new_input(l, l->b.i64, (bb_gg_ne){{s->tokens, 1, 1, 1}});
    c->mask = new_input(l, s->flash ? l->b.f16 : l->b.f32, (bb_gg_ne){{cells, s->tokens / s->streams, 1, s->streams}});
    if (l->latent) return;
    c->v_rows = new_input(l, l->b.i64, (bb_gg_ne){{bb_calc_mul(calc, s->tokens, values), 1, 1, 1}});
    uint64_t r = TURN;
    while (a->head_dim % (2 * r) == 0) r *= 2;
    if (turned(s->k, a->head_dim)) c->k_turn = new_input(l, l->b.f32, (bb_gg_ne){{r, r, 1, 1}});
    if (turned(s->v, a->v_head_dim)) c->v_turn = new_input(l, l->b.f32, (bb_gg_ne){{TURN, TURN, 1, 1}});
}

static void inputs(bb_lower *l) {
    const bb_arch *a = l->g->arch;
    l->tokens = new_input(l, l->b.i32, (bb_gg_ne){{l->s->tokens, 1, 1, 1}});
    l->positions = new_input(l, l->b.i32, (bb_gg_ne){{l->s->tokens, 1, 1, 1}});
    l->rows = new_input(l, l->b.i32, (bb_gg_ne){{l->s->outputs, 1, 1, 1}});
    l->mla = bb_family_find(a->family)->mla;
    l->latent = l->mla && a->mla_split;
    l->windows = a->sliding_window && a->swa_period > 1;
    cache_inputs(l, &l->cache[0], l->s->cells);
    if (l->windows) cache_inputs(l, &l->cache[1], l->s->window_cells);
}

/* From here on only the tokens with output count. */
static void drop_rows(bb_lower *l, size_t first, size_t behind) {
    for (size_t i = first; i < behind; i++) l->all_rows[i] = true;
    l->stream_all_rows = true;
}

/* The nodes of a part and kind stand one behind the other. */
static size_t first_of(const bb_graph *g, bb_part part, uint32_t kind) {
    size_t i = 0;
    while (i < g->n_nodes && (g->nodes[i].part != part || g->nodes[i].kind != kind)) i++;
    return i;
}

static void lower_layer(bb_lower *l, size_t first, bool last) {
    const bb_graph *g = l->g;
    uint32_t kind = g->nodes[first].kind;
    size_t i = first;
    for (; i < g->n_nodes && g->nodes[i].part == BB_PART_LAYER && g->nodes[i].kind == kind; i++) {
        l->value[i] = lower(l, i);
        if (last && strcmp(g->nodes[i].name, "attn_out") == 0) drop_rows(l, first, i + 1);
    }
    l->stream = l->value[i - 1];
    l->stream_all_rows = false;
}

static void lower_layers(bb_lower *l) {
    const bb_graph *g = l->g;
    size_t first[BB_GRAPH_KINDS];
    for (uint32_t k = 0; k < g->n_kinds; k++) first[k] = first_of(g, BB_PART_LAYER, k);
    for (size_t i = 0; i < g->n_layers; i++) {
        l->b.layer = (int32_t)i;
        lower_layer(l, first[g->layers[i].kind], i + 1 == g->n_layers && !g->late_rows);
    }
}

static void lower_output(bb_lower *l) {
    const bb_graph *g = l->g;
    l->b.layer = (int32_t)g->n_layers;
    if (g->late_rows) {
        bb_gg_at(&l->b, l->stream)->flags |= BB_GG_OUTPUT;
        l->stream_all_rows = true;
    }
    int32_t made = l->stream;
    for (size_t i = first_of(g, BB_PART_OUTPUT, 0); i < g->n_nodes; i++) {
        if (g->nodes[i].op == BB_OP_MATMUL) bb_gg_at(&l->b, bb_lower_input(l, &g->nodes[i], 0))->flags |= BB_GG_OUTPUT;
        made = l->value[i] = lower(l, i);
    }
    bb_gg_at(&l->b, made)->flags |= BB_GG_OUTPUT;
    bb_gg_expand(&l->b, made);
}

/* ---- what is known ---- */

typedef struct known_family {
    const char *name;
    bool proven; /* node by node against the library: tests/peer/graphs.sh */
} known_family;

/* olmo: a file with attention.clamp_kqv has CLAMPs, which the description has not. */
static const known_family known[] = {
    {"llama", true},    {"qwen2", true},     {"qwen3", true},     {"qwen3moe", true},   {"gemma2", true},
    {"gemma3", true},   {"phi3", true},      {"deepseek2", true}, {"gpt-oss", true},    {"qwen", true},
    {"qwen2moe", true}, {"gemma", true},     {"phi2", true},      {"gpt2", true},       {"gptneox", true},
    {"falcon", true},   {"bloom", true},     {"stablelm", true},  {"olmo", false},      {"olmo2", true},
    {"olmoe", true},    {"internlm2", true}, {"granite", true},   {"granitemoe", true}, {"smollm3", true},
    {"chatglm", true},
};

bool bb_gg_known(const bb_arch *arch, bool *proven) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, arch->family) == 0) {
            *proven = known[i].proven;
            return arch->head == BB_HEAD_LM;
        }
    return false;
}

static bool divides(const bb_dtype *type, uint64_t dim) { return dim % type->block == 0; }

static bb_status check(const bb_graph *g, const bb_gg_shape *s, bb_error *err) {
    const bb_arch *a = g->arch;
    bool proven, latent = bb_family_find(a->family)->mla && a->mla_split;
    if (!bb_gg_known(a, &proven))
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: llama.cpp's graph of the family %s is not described", a->name,
                       a->family);
    if (g->n_layers > BB_LLAMA_LAYERS || a->experts > BB_LLAMA_EXPERTS)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: llama.cpp takes at most %d layers and %d experts", a->name,
                       BB_LLAMA_LAYERS, BB_LLAMA_EXPERTS);
    bool shape = s->tokens && s->outputs && s->sequences && s->cells && s->streams && s->tokens % s->streams == 0;
    if (!shape) return bb_fail(err, BB_E_ARG, "%s: a graph for no tokens", a->name);
    if (!latent && (!divides(s->k, a->head_dim) || !divides(s->v, a->v_head_dim)))
        return bb_fail(err, BB_E_ARG, "%s: blocks of the cache's type do not divide a head", a->name);
    if (latent && !divides(s->k, a->kv_lora + a->rope_dim))
        return bb_fail(err, BB_E_ARG, "%s: blocks of the cache's type do not divide a latent vector", a->name);
    return BB_OK;
}

bb_status bb_gg_build(const bb_graph *graph, const bb_gg_shape *shape, bb_gg_graph *out, bb_error *err) {
    bb_status st = check(graph, shape, err);
    if (st) return st;
    bb_lower l = {.g = graph, .s = shape};
    memset(l.weight_at, -1, sizeof l.weight_at);
    bb_gg_begin(&l.b, out);
    if (!l.b.no_memory) {
        inputs(&l);
        for (size_t i = 0; i < graph->n_nodes && graph->nodes[i].part == BB_PART_INPUT; i++)
            l.stream = l.value[i] = lower(&l, i);
        lower_layers(&l);
        lower_output(&l);
    }
    if (l.b.no_memory) return bb_fail(err, BB_E_NOMEM, "no memory for the graph of %s", graph->arch->name);
    if (l.b.calc.overflow) return bb_fail(err, BB_E_OVERFLOW, "%s: a tensor passes 2^64 bytes", graph->arch->name);
    return BB_OK;
}
