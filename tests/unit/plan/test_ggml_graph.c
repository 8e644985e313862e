/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_ggml_graph.c - graphs of llama.cpp node by node against the lists that its library gave (llama-nodes.txt). */
#include "base/str.h"
#include "harness.h"
#include "model/catalogue.h"
#include "model/locate.h"
#include "plan/ggml_graph.h"
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static const char LISTS[] = "specs/llama-nodes.txt";

/* Sizes that tell the symbols of the lists apart; those of which products are taken are small. */
enum {
    n_ = 48,
    o_ = 11,
    d_ = 112,
    H_ = 6,
    G_ = 2,
    D_ = 32,
    F_ = 416,
    V_ = 1000,
    C_ = 768,
    W_ = 512,
    E_ = 8,
    U_ = 2, /* 3 in one list */
    Fe_ = 144,
    S_ = 2,
    R_ = 80,
    P_ = 12,
    N_ = 28,
    Dv_ = 36
};

static const struct {
    const char *name;
    uint64_t value;
} symbols[] = {{"Fe", Fe_}, {"Dv", Dv_}, {"n", n_}, {"o", o_}, {"d", d_}, {"H", H_}, {"G", G_}, {"D", D_}, {"F", F_},
               {"V", V_},   {"C", C_},   {"W", W_}, {"E", E_}, {"U", U_}, {"S", S_}, {"R", R_}, {"P", P_}, {"N", N_}};

/* ---- the text of the lists ---- */

static const char *skip(const char *p) {
    while (*p == ' ') p++;
    return p;
}

static uint64_t sum(const char **p);

static uint64_t factor(const char **p) {
    *p = skip(*p);
    if (**p == '(') {
        (*p)++;
        uint64_t v = sum(p);
        (*p)++;
        return v;
    }
    if (isdigit((unsigned char)**p)) {
        char *end;
        uint64_t v = strtoull(*p, &end, 10);
        *p = end;
        return isalpha((unsigned char)**p) ? v * factor(p) : v; /* "2F" */
    }
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        size_t len = strlen(symbols[i].name);
        if (strncmp(*p, symbols[i].name, len) != 0) continue;
        *p += len;
        return symbols[i].value;
    }
    ck_abort_msg("what is %s?", *p);
    return 0;
}

static uint64_t product(const char **p) {
    uint64_t v = factor(p);
    while (**p == '*') {
        (*p)++;
        v *= factor(p);
    }
    return v;
}

static uint64_t sum(const char **p) {
    uint64_t v = product(p);
    while (**p == '+') {
        (*p)++;
        v += product(p);
    }
    return v;
}

typedef struct line {
    unsigned number;
    char op[24], type[8], sources[6][40], fate[40];
    uint64_t ne[4];
    size_t n_sources;
} line;

/* "#4   MUL_MAT  [H*D, n, 1, 1] f32 <- L0.attn_q, #3 | new" */
static bool read_line(const char *text, uint64_t used_experts, line *l) {
    int used = 0;
    *l = (line){0};
    if (sscanf(text, "#%u %23s [%n", &l->number, l->op, &used) != 2) return false;
    const char *p = text + used;
    for (int k = 0; k < 4; k++) {
        l->ne[k] = *skip(p) == 'U' ? used_experts : 0;
        if (l->ne[k])
            p = skip(p) + 1;
        else
            l->ne[k] = sum(&p);
        p++;
    }
    ck_assert_int_eq(sscanf(p, " %7s <- %n", l->type, &used), 1);
    for (p += used; *p != '|'; p = skip(p)) {
        size_t len = strcspn(p, ",| ");
        ck_assert_uint_lt(len, sizeof l->sources[0]);
        memcpy(l->sources[l->n_sources++], p, len);
        p = skip(p + len);
        if (*p == ',') p++;
    }
    snprintf(l->fate, sizeof l->fate, "%.39s", skip(p + 1));
    l->fate[strcspn(l->fate, "\n")] = '\0';
    return true;
}

/* ---- comparing ---- */

typedef struct comparison {
    const bb_graph *graph;
    const bb_gg_graph *g;
    const char *title;
    struct {
        char name[40];
        uint64_t cells; /* an index of each cache */
        int32_t t;
    } inputs[40];
    size_t n_inputs;
} comparison;

static bool is_input(const bb_gg_tensor *t, const bb_dtype *type, uint64_t ne0) {
    return t->op == BB_GG_NONE && (t->flags & BB_GG_INPUT) && t->type == type && t->ne[0] == ne0;
}

/* The cells of the cache that a node's layer has: indices and masks are one for each cache. */
static uint64_t cells_of(const comparison *c, int32_t layer) {
    return layer >= 0 && (size_t)layer < c->graph->n_layers && bb_arch_window_layer(c->graph->arch, (uint64_t)layer)
               ? W_
               : C_;
}

/* Inputs of one name are one tensor, those of two names two. */
static bool same_input(comparison *c, const char *name, uint64_t cells, int32_t t) {
    for (size_t i = 0; i < c->n_inputs; i++) {
        bool same = strcmp(c->inputs[i].name, name) == 0 && c->inputs[i].cells == cells;
        if (same != (c->inputs[i].t == t)) return false;
        if (same) return true;
    }
    ck_assert_uint_lt(c->n_inputs, sizeof c->inputs / sizeof *c->inputs);
    snprintf(c->inputs[c->n_inputs].name, sizeof c->inputs->name, "%s", name);
    c->inputs[c->n_inputs].cells = cells;
    c->inputs[c->n_inputs++].t = t;
    return true;
}

static bool matches_input(comparison *c, const char *name, int32_t index, const bb_gg_tensor *reader) {
    const bb_gg_tensor *t = &c->g->t[index];
    const bb_dtype *i32 = bb_dtype_from_gguf(26), *i64 = bb_dtype_from_gguf(27);
    uint64_t cells = cells_of(c, reader->layer);
    bool flash = strstr(c->title, "attention on") != NULL;
    if (strcmp(name, "inp_tokens") == 0 || strcmp(name, "inp_pos") == 0)
        return is_input(t, i32, n_) && same_input(c, name, 0, index);
    if (strcmp(name, "out_ids") == 0) return is_input(t, i32, o_) && same_input(c, name, 0, index);
    if (strcmp(name, "k_idxs") == 0) return is_input(t, i64, n_) && same_input(c, name, cells, index);
    if (strcmp(name, "v_idxs") == 0)
        return is_input(t, i64, flash ? n_ : n_ * G_ * D_) && same_input(c, name, cells, index);
    if (strcmp(name, "kq_mask") == 0)
        return is_input(t, bb_dtype_from_gguf(flash ? 1 : 0), cells) && t->ne[1] == n_ &&
               same_input(c, name, cells, index);
    if (strncmp(name, "cache_", 6) == 0)
        return t->store == BB_GG_CACHE && t->layer == atoi(name + 8) && t->ne[1] == cells &&
               same_input(c, name, 0, index);
    return false;
}

/* "L0.attn_q_b" is blk.0.attn_q.bias. */
static bool matches_weight(const comparison *c, const char *name, const bb_gg_tensor *t) {
    char want[64];
    if (t->store != BB_GG_WEIGHT) return false;
    const bb_weight *w = &c->graph->weights[t->weight];
    if (strcmp(name, "output") == 0 && c->graph->arch->tied) return strcmp(w->gguf_name, "token_embd.weight") == 0;
    const char *base = name;
    bool layer = name[0] == 'L' && isdigit((unsigned char)name[1]);
    if (layer) {
        if (t->layer != atoi(name + 1)) return false;
        base = strchr(name, '.') + 1;
    }
    size_t len = strlen(base);
    bool bias =
        len > 2 && strcmp(base + len - 2, "_b") == 0 && strcmp(base, "attn_k_b") != 0 && strcmp(base, "attn_v_b") != 0;
    if (bb_family_find(c->graph->arch->family)->mla && bias) bias = false;
    if (!bb_family_find(c->graph->arch->family)->mla && len > 2 && strcmp(base + len - 2, "_b") == 0) bias = true;
    if (strcmp(c->graph->arch->family, "gpt-oss") == 0 && strcmp(base, "ffn_norm") == 0) base = "post_attention_norm";
    len = strlen(base) - (bias ? 2 : 0);
    snprintf(want, sizeof want, "%s%.*s%s", layer ? "blk.%d." : "", (int)len, base, bias ? ".bias" : ".weight");
    return strcmp(w->gguf_name, want) == 0;
}

static bool matches_source(comparison *c, const char *name, int32_t index, const bb_gg_tensor *reader) {
    if (name[0] == '#') return c->g->nodes[atoi(name + 1) - 1] == index;
    return matches_input(c, name, index, reader) || matches_weight(c, name, &c->g->t[index]);
}

static void compare_line(comparison *c, const line *l) {
    const bb_gg_graph *g = c->g;
    ck_assert_msg(l->number <= g->n_nodes, "%s: no node %u", c->title, l->number);
    const bb_gg_tensor *t = &g->t[g->nodes[l->number - 1]];
    ck_assert_msg(strcmp(bb_gg_op_name((bb_gg_op)t->op), l->op) == 0, "%s: node %u is %s, not %s", c->title, l->number,
                  bb_gg_op_name((bb_gg_op)t->op), l->op);
    for (int k = 0; k < 4; k++)
        ck_assert_msg(t->ne[k] == l->ne[k], "%s: node %u (%s): dimension %d is %llu, not %llu", c->title, l->number,
                      l->op, k, (unsigned long long)t->ne[k], (unsigned long long)l->ne[k]);
    ck_assert_msg(strcmp(t->type->name, l->type) == 0, "%s: node %u is of type %s", c->title, l->number, t->type->name);
    ck_assert_msg(t->n_src == l->n_sources, "%s: node %u (%s) has %d sources", c->title, l->number, l->op, t->n_src);
    for (size_t k = 0; k < l->n_sources; k++)
        ck_assert_msg(matches_source(c, l->sources[k], t->src[k], t), "%s: node %u (%s): source %zu is not %s",
                      c->title, l->number, l->op, k, l->sources[k]);
    bool view = strncmp(l->fate, "view", 4) == 0 || strncmp(l->fate, "writes", 6) == 0;
    ck_assert_msg(view == (t->root >= 0), "%s: node %u: %s", c->title, l->number, l->fate);
    ck_assert_int_eq(strstr(l->fate, "OUTPUT") != NULL, (t->flags & BB_GG_OUTPUT) != 0);
    if (t->root >= 0) ck_assert_int_eq(g->t[t->root].root, -1);
}

/* ---- the architectures of the lists ---- */

static bb_arch arch_of(const char *title) {
    bb_arch a = {.hidden = d_, .heads = H_, .kv_heads = G_, .head_dim = D_, .v_head_dim = D_, .ffn = F_, .vocab = V_};
    static const struct {
        const char *begin, *family;
    } families[] = {{"llama", "llama"}, {"qwen2", "qwen2"},         {"qwen3moe", "qwen3moe"},
                    {"qwen3", "qwen3"}, {"gemma2", "gemma2"},       {"gemma3", "gemma3"},
                    {"phi3", "phi3"},   {"deepseek2", "deepseek2"}, {"gpt-oss", "gpt-oss"}};
    for (size_t i = 0; i < sizeof families / sizeof *families && !*a.family; i++)
        if (strncmp(title, families[i].begin, strlen(families[i].begin)) == 0)
            snprintf(a.family, sizeof a.family, "%s", families[i].family);
    snprintf(a.name, sizeof a.name, "%s", a.family);
    const bb_family *f = bb_family_find(a.family);
    bool gemma = strncmp(a.family, "gemma", 5) == 0, oss = strcmp(a.family, "gpt-oss") == 0;
    a.tied = gemma;
    a.qkv_bias = a.out_bias = oss;
    a.swa_period = f->swa_period;
    a.sliding_window = f->swa_period ? 256 : 0;
    if (strstr(title, "MoE") || strcmp(a.family, "qwen3moe") == 0 || f->mla || oss) {
        a.experts = E_;
        a.experts_used = strcmp(a.family, "qwen3moe") == 0 ? 3 : U_; /* the list of qwen3moe was made with 3 */
        a.expert_ffn = Fe_;
    }
    if (f->mla) {
        a.kv_heads = H_;
        a.kv_lora = R_;
        a.rope_dim = P_;
        a.nope_dim = N_;
        a.v_head_dim = Dv_;
        a.head_dim = N_ + P_;
        a.shared_experts = S_;
        a.shared_ffn = S_ * Fe_;
        a.dense_layers = 1;
        a.mla_split = true;
    }
    return a;
}

static void begin(const char *title, bb_arch *a, bb_graph *graph, bb_gg_graph *g) {
    unsigned layers;
    ck_assert_int_eq(sscanf(strstr(title, "attention o"), "attention %*[a-z]: %u", &layers), 1);
    *a = arch_of(title);
    a->layers = layers;
    bb_error err = {0};
    ck_assert_msg(bb_graph_build(a, graph, &err) == BB_OK, "%s", err.text);
    const bb_dtype *f16 = bb_dtype_from_gguf(1);
    bb_gg_shape s = {.tokens = n_, .outputs = o_, .sequences = 1, .cells = C_, .window_cells = W_, .streams = 1};
    s.flash = strstr(title, "attention on") != NULL;
    s.k = s.v = f16;
    ck_assert_msg(bb_gg_build(graph, &s, g, &err) == BB_OK, "%s", err.text);
}

static void compare_counts(const char *title, const bb_gg_graph *g) {
    unsigned nodes, leafs;
    ck_assert_int_eq(sscanf(strstr(title, "layers, "), "layers, %u nodes, %u leafs", &nodes, &leafs), 2);
    ck_assert_msg(g->n_nodes == nodes, "%s: %zu nodes", title, g->n_nodes);
    ck_assert_msg(g->n_leafs == leafs, "%s: %zu leafs", title, g->n_leafs);
}

START_TEST(lists_of_the_library) {
    char path[512], text[512];
    if (!shared_path(LISTS, path, sizeof path)) {
        skip_shared(LISTS);
        return;
    }
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    bb_arch a = {0};
    bb_graph graph = {0};
    bb_gg_graph g = {0};
    comparison c = {0};
    char title[128];
    size_t lists = 0, lines = 0;
    while (fgets(text, sizeof text, f)) {
        line l;
        if (strncmp(text, "## ", 3) == 0) {
            bb_graph_clear(&graph);
            snprintf(title, sizeof title, "%.127s", text + 3);
            title[strcspn(title, "\n")] = '\0';
            begin(title, &a, &graph, &g);
            c = (comparison){.graph = &graph, .g = &g, .title = title};
            lists++;
        } else if (read_line(text, a.experts_used, &l)) {
            compare_line(&c, &l);
            lines++;
        }
        if (strncmp(text, "## ", 3) == 0) compare_counts(title, &g);
    }
    fprintf(stderr, "# %zu lists, %zu nodes\n", lists, lines);
    ck_assert_uint_ge(lists, 20);
    ck_assert_uint_ge(lines, 2000);
    bb_graph_clear(&graph);
    bb_gg_clear(&g);
    fclose(f);
}
END_TEST

/* ---- real models ---- */

static bb_gg_shape ordinary(bool flash) {
    const bb_dtype *f16 = bb_dtype_from_gguf(1);
    return (bb_gg_shape){.tokens = 512,
                         .outputs = 512,
                         .sequences = 1,
                         .cells = 2048,
                         .window_cells = 1536,
                         .streams = 1,
                         .flash = flash,
                         .k = f16,
                         .v = f16};
}

/* Sources stand before what reads them, and nothing twice. */
static void check_order(const bb_gg_graph *g) {
    int32_t *at = calloc(g->n, sizeof *at);
    ck_assert_ptr_nonnull(at);
    for (size_t i = 0; i < g->n_leafs; i++) {
        ck_assert_int_eq(at[g->leafs[i]], 0);
        at[g->leafs[i]] = 1;
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        const bb_gg_tensor *t = &g->t[g->nodes[i]];
        ck_assert_int_eq(at[g->nodes[i]], 0);
        at[g->nodes[i]] = 1;
        for (int k = 0; k < t->n_src; k++) ck_assert_int_eq(at[t->src[k]], 1);
    }
    free(at);
}

typedef struct counted {
    const char *model;
    size_t nodes[2], leafs; /* without and with flash attention */
} counted;

/* Of the library's own graphs: specs/llama-graph.md 9. */
static const counted counts[] = {
    {"llama-2-7b", {1158, 998}, 362},        {"qwen2.5-0.5b", {942, 822}, 345},  {"qwen3-30b-a3b", {3270, 3030}, 682},
    {"gemma-2-9b", {1858, 1522}, 558},       {"gemma-3-4b", {1537, 1367}, 522},  {"phi-3-mini-4k", {1094, 934}, 266},
    {"deepseek-v2-lite", {1818, 1764}, 437}, {"gpt-oss-20b", {1469, 1349}, 517}, {"mixtral-8x7b", {1670, 1510}, 394},
};

static bb_catalogue *cat;
static void setup(void) { ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK); }
static void teardown(void) { bb_catalogue_free(cat); }

START_TEST(counts_of_real_models) {
    const counted *c = &counts[_i];
    bb_model *m = NULL;
    bb_graph graph;
    bb_gg_graph g = {0};
    ck_assert_int_eq(bb_model_locate(cat, NULL, c->model, &m, NULL), BB_OK);
    ck_assert_int_eq(bb_graph_build(m->arch, &graph, NULL), BB_OK);
    for (int flash = 0; flash < 2; flash++) {
        bb_gg_shape s = ordinary(flash);
        ck_assert_int_eq(bb_gg_build(&graph, &s, &g, NULL), BB_OK);
        ck_assert_msg(g.n_nodes == c->nodes[flash], "%s: %zu nodes", c->model, g.n_nodes);
        ck_assert_msg(g.n_leafs == c->leafs, "%s: %zu leafs", c->model, g.n_leafs);
        check_order(&g);
    }
    bb_gg_clear(&g);
    bb_graph_clear(&graph);
    bb_model_free(m);
}
END_TEST

/* Every tensor of the file stands in the graph once, but the factors of the other context. */
static void check_weights(const bb_graph *graph, const bb_gg_graph *g, const char *model) {
    bb_graph_tensor *t;
    size_t n, want = 0, have = 0;
    ck_assert_int_eq(bb_graph_tensors(graph, false, &t, &n), BB_OK);
    for (size_t i = 0; i < n; i++) want += strcmp(t[i].name, "rope_factors_short.weight") != 0;
    for (size_t i = 0; i < g->n_leafs; i++) have += g->t[g->leafs[i]].store == BB_GG_WEIGHT;
    ck_assert_msg(have == want, "%s: %zu weights in the graph, %zu in the file", model, have, want);
    free(t);
}

START_TEST(every_model_of_the_catalogue) {
    bb_gg_graph g = {0};
    size_t models = 0;
    for (size_t i = 0; i < bb_catalogue_models(cat); i++) {
        const bb_arch *a = bb_catalogue_model(cat, i);
        bb_graph graph;
        bb_error err = {0};
        bool proven;
        if (!a || !bb_arch_known(a->family) || !bb_gg_known(a, &proven)) continue;
        ck_assert_int_eq(bb_graph_build(a, &graph, NULL), BB_OK);
        bb_gg_shape s = ordinary(i % 2);
        ck_assert_msg(bb_gg_build(&graph, &s, &g, &err) == BB_OK, "%s", err.text);
        check_order(&g);
        check_weights(&graph, &g, a->name);
        bb_graph_clear(&graph);
        models++;
    }
    fprintf(stderr, "# %zu models of the catalogue\n", models);
    ck_assert_uint_gt(models, 100);
    bb_gg_clear(&g);
}
END_TEST

/* Sizes that no memory holds are told, in every family and at every place where they can pass 64 bits. */
START_TEST(sizes_beyond_64_bits) {
    const counted *c = &counts[_i];
    bb_model *m = NULL;
    bb_graph graph;
    bb_gg_graph g = {0};
    ck_assert_int_eq(bb_model_locate(cat, NULL, c->model, &m, NULL), BB_OK);
    ck_assert_int_eq(bb_graph_build(m->arch, &graph, NULL), BB_OK);
    for (int flash = 0; flash < 2; flash++) {
        bb_gg_shape s = ordinary(flash);
        s.tokens = UINT64_C(1) << 60;
        ck_assert_int_eq(bb_gg_build(&graph, &s, &g, NULL), BB_E_OVERFLOW);
        s = ordinary(flash);
        s.cells = s.window_cells = UINT64_C(1) << 60;
        ck_assert_int_eq(bb_gg_build(&graph, &s, &g, NULL), BB_E_OVERFLOW);
        s = ordinary(flash);
        s.outputs = UINT64_C(1) << 60;
        ck_assert_int_eq(bb_gg_build(&graph, &s, &g, NULL), BB_E_OVERFLOW);
        s.outputs = 0;
        ck_assert_int_eq(bb_gg_build(&graph, &s, &g, NULL), BB_E_ARG);
    }
    bb_gg_clear(&g);
    bb_graph_clear(&graph);
    bb_model_free(m);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("ggml_graph");
    TCase *t = tcase_create("lists");
    tcase_add_test(t, lists_of_the_library);
    suite_add_tcase(s, t);
    t = tcase_create("models");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, counts_of_real_models, 0, sizeof counts / sizeof *counts);
    tcase_add_test(t, every_model_of_the_catalogue);
    tcase_add_loop_test(t, sizes_beyond_64_bits, 0, sizeof counts / sizeof *counts);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make_suite)
