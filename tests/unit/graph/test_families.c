/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_families.c - parameters of real models from their shape and from their config.json; every family's graph hangs
 * together. */
#include "base/csv.h"
#include "base/source.h"
#include "graph/graph.h"
#include "harness.h"
#include "model/arch_fields.h"
#include "model/locate.h"
#include <inttypes.h>
#include <string.h>

static uint64_t parameters(const bb_arch *a) {
    bb_graph g;
    bb_error err = {0};
    uint64_t total = 0;
    ck_assert_msg(bb_graph_build(a, &g, &err) == BB_OK, "%s: %s", a->name, err.text);
    ck_assert_int_eq(bb_graph_parameters(&g, &total, NULL), BB_OK);
    bb_graph_clear(&g);
    return total;
}

static const char *cell(const bb_csv *csv, size_t row, const char *name) {
    return bb_csv_cell(csv, row, bb_csv_column(csv, name));
}

/* A config.json as the family writes it, from the columns of the table. */
static void config_of(const bb_csv *csv, size_t i, char *out, size_t size) {
    const char *type = cell(csv, i, "architecture"), *ffn = cell(csv, i, "ffn"), *experts = cell(csv, i, "experts");
    const char *flag = cell(csv, i, "tied_or_qkv_bias");
    char mlp[256];
    bool falcon = strcmp(type, "falcon") == 0;
    if (strcmp(type, "qwen3_moe") == 0)
        snprintf(mlp, sizeof mlp, "\"intermediate_size\":1,\"moe_intermediate_size\":%s,\"num_experts\":%s", ffn,
                 experts);
    else if (strcmp(type, "olmoe") == 0)
        snprintf(mlp, sizeof mlp, "\"intermediate_size\":%s,\"num_experts\":%s", ffn, experts);
    else if (*experts)
        snprintf(mlp, sizeof mlp, "\"intermediate_size\":%s,\"num_local_experts\":%s", ffn, experts);
    else
        snprintf(mlp, sizeof mlp, "\"intermediate_size\":%s", *ffn ? ffn : "1");
    int n = snprintf(out, size,
                     "{\"model_type\":\"%s\",\"num_hidden_layers\":%s,\"hidden_size\":%s,\"num_attention_heads\":%s,"
                     "\"vocab_size\":%s,%s,\"num_experts_per_tok\":1,\"max_position_embeddings\":2048",
                     type, cell(csv, i, "layers"), cell(csv, i, "hidden"), cell(csv, i, "heads"), cell(csv, i, "vocab"),
                     mlp);
    ck_assert(n > 0 && (size_t)n < size);
    if (!falcon)
        n += snprintf(out + n, size - (size_t)n, ",\"num_key_value_heads\":%s,\"head_dim\":%s",
                      cell(csv, i, "kv_heads"), cell(csv, i, "head_dim"));
    if (strcmp(type, "internlm2") == 0) n += snprintf(out + n, size - (size_t)n, ",\"bias\":false");
    if (strcmp(type, "stablelm") == 0)
        n += snprintf(out + n, size - (size_t)n, ",\"use_qkv_bias\":%s", *flag == 'b' ? "true" : "false");
    else if (*flag)
        n += snprintf(out + n, size - (size_t)n, ",\"tie_word_embeddings\":%s", *flag == 'T' ? "true" : "false");
    (void)snprintf(out + n, size - (size_t)n, "}");
}

static bb_csv *truth(void) {
    char *text = NULL;
    size_t n = 0;
    bb_csv *csv = NULL;
    ck_assert_int_eq(bb_source_slurp(TEST_DATA("models/param_truth.csv"), 1 << 20, &text, &n, NULL), BB_OK);
    ck_assert_int_eq(bb_csv_parse(text, n, "param_truth", &bb_csv_default_limits, &csv, NULL), BB_OK);
    free(text);
    return csv;
}

START_TEST(real_shapes) {
    bb_csv *csv = truth();
    size_t rows = 0, wrong = 0;
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        char config[1024];
        bb_arch *a = NULL;
        bb_error err = {0};
        if (strcmp(cell(csv, i, "tier"), "B") != 0) continue;
        /* gemma 2 and 3 are tied whatever the column, which the source reads off the hub's listing */
        config_of(csv, i, config, sizeof config);
        ck_assert_msg(bb_arch_from_config(config, strlen(config), cell(csv, i, "name"), &a, &err) == BB_OK, "%s",
                      err.text);
        if (strncmp(a->family, "gemma", 5) == 0) a->tied = true;
        uint64_t want = strtoull(cell(csv, i, "total_params"), NULL, 10), got = parameters(a);
        rows++;
        if (got != want) {
            wrong++;
            fprintf(stderr, "# %s: %" PRIu64 ", the hub counts %" PRIu64 "\n", cell(csv, i, "name"), got, want);
        }
        bb_arch_free(a);
    }
    ck_assert_uint_eq(rows, 202);
    ck_assert_uint_eq(wrong, 0);
    bb_csv_free(csv);
}
END_TEST

START_TEST(real_configs) {
    bb_csv *csv = truth();
    bb_catalogue *cat = NULL;
    size_t rows = 0;
    ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK);
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        char name[160], path[512];
        bb_model *m = NULL;
        bb_error err = {0};
        const char *want = cell(csv, i, "closed_form_params");
        if (strcmp(cell(csv, i, "tier"), "A") != 0 || !*want) continue;
        /* its head is another task's: 2 or 3 classes where the closed form has the vocabulary */
        if (strstr(cell(csv, i, "architecture"), "ForSequenceClassification")) continue;
        snprintf(name, sizeof name, "truth/configs/%s", cell(csv, i, "name"));
        if (!shared_path(name, path, sizeof path)) {
            skip_shared(name);
            break;
        }
        ck_assert_msg(bb_model_locate(cat, NULL, path, &m, &err) == BB_OK, "%s", err.text);
        ck_assert_msg(m->arch != NULL, "%s", name);
        ck_assert_msg(parameters(m->arch) == strtoull(want, NULL, 10), "%s: %" PRIu64 " is not %s", name,
                      parameters(m->arch), want);
        bb_model_free(m);
        rows++;
    }
    ck_assert(rows == 0 || rows == 15);
    bb_catalogue_free(cat);
    bb_csv_free(csv);
}
END_TEST

/* A checkpoint whose index tells its bytes, of 16 bits each, and its tensors: neither its vision nor the layer that
 * predicts further tokens is in it. */
START_TEST(hybrid_checkpoint) {
    static const char name[] = "truth/configs/bryce-hoehn__Qwen3.5-18B-REAP-A3B-Coding";
    char path[512];
    bb_catalogue *cat = NULL;
    bb_model *m = NULL;
    bb_graph g;
    bb_graph_tensor *t = NULL;
    bb_error err = {0};
    size_t n = 0;
    if (!shared_path(name, path, sizeof path)) {
        skip_shared(name);
        return;
    }
    ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK);
    ck_assert_msg(bb_model_locate(cat, NULL, path, &m, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(parameters(m->arch), UINT64_C(37087995136) / 2);
    ck_assert_msg(bb_graph_build(m->arch, &g, &err) == BB_OK, "%s", err.text);
    ck_assert_int_eq(bb_graph_tensors(&g, true, &t, &n), BB_OK);
    ck_assert_uint_eq(n, 15973);
    free(t);
    bb_graph_clear(&g);
    bb_model_free(m);
    bb_catalogue_free(cat);
}
END_TEST

/* Every row of the catalogue: its published total is that of its shape. */
START_TEST(catalogue_rows) {
    bb_catalogue *cat = NULL;
    size_t wrong = 0;
    ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK);
    const bb_csv *csv = bb_catalogue_csv(cat, "models");
    for (size_t i = 0; i < bb_catalogue_models(cat); i++) {
        const bb_arch *a = bb_catalogue_model(cat, i);
        uint64_t want = strtoull(cell(csv, i, "params"), NULL, 10);
        if (parameters(a) == want) continue;
        wrong++;
        fprintf(stderr, "# %s (%s): %" PRIu64 ", published %" PRIu64 "\n", a->name, a->family, parameters(a), want);
    }
    ck_assert_uint_ge(bb_catalogue_models(cat), 190);
    ck_assert_uint_eq(wrong, 0);
    bb_catalogue_free(cat);
}
END_TEST

/* ---- graphs of every family hang together ---- */

static bb_arch sample(const bb_family *f, bool moe) {
    bb_arch a = {.layers = 5,
                 .hidden = 96,
                 .heads = 6,
                 .kv_heads = 2,
                 .head_dim = 16,
                 .ffn = 160,
                 .vocab = 1000,
                 .context = 64,
                 .q_lora = 24,
                 .kv_lora = 32,
                 .rope_dim = 8,
                 .nope_dim = 16,
                 .v_head_dim = 12,
                 .encoder_layers = 3,
                 .encoder_context = 50,
                 .mels = 20,
                 .type_vocab = 2,
                 .qkv_bias = true,
                 .out_bias = true,
                 .mlp_bias = true,
                 .mla_split = true};
    snprintf(a.family, sizeof a.family, "%s", f->name);
    snprintf(a.name, sizeof a.name, "%s", f->name);
    if (!f->mla) a.q_lora = a.kv_lora = a.rope_dim = a.nope_dim = a.v_head_dim = 0;
    if (strcmp(f->name, "whisper") != 0) a.encoder_layers = 0;
    if (strcmp(f->name, "stablelm") == 0) a.qk_norm = true;
    if (strcmp(f->name, "llama") == 0) a.rope_freqs = true;
    if (f->linear)
        a.recurrence = (bb_recurrence){.conv = 4, .inner = 96, .state = 24, .groups = 2, .heads = 4, .interval = 3};
    if (moe) {
        a.experts = 4;
        a.experts_used = 2;
        a.expert_ffn = 48;
        a.shared_ffn = 32;
        a.dense_layers = 2;
        a.router_bias = true;
    }
    bb_arch_complete(&a);
    return a;
}

/* Sum of a list, and no name twice. */
static uint64_t listed(const bb_graph *g, bool hf, size_t *count) {
    bb_graph_tensor *t = NULL;
    uint64_t sum = 0;
    ck_assert_int_eq(bb_graph_tensors(g, hf, &t, count), BB_OK);
    for (size_t i = 0; i < *count; i++) {
        uint64_t e = 1;
        for (uint32_t k = 0; k < t[i].n_dims; k++) e *= t[i].dims[k];
        if (t[i].counts) sum += e;
        ck_assert_msg(!strchr(t[i].name, '%'), "%s", t[i].name);
        for (size_t j = 0; j < i; j++) ck_assert_msg(strcmp(t[i].name, t[j].name) != 0, "%s twice", t[i].name);
    }
    free(t);
    return sum;
}

static bool made(const bb_graph *g, size_t before, const bb_node *by, const char *name) {
    if (by->part != BB_PART_INPUT && strcmp(name, "inp") == 0) return true;
    for (size_t i = 0; i < before; i++) {
        const bb_node *n = &g->nodes[i];
        bool visible =
            n->part == BB_PART_INPUT || (n->part == by->part && n->kind == by->kind) || by->part == BB_PART_OUTPUT;
        if (visible && strcmp(n->name, name) == 0) return true;
    }
    return false;
}

/* Values are made before they are read, every weight that the graph computes with belongs to one operation (a table
 * shared by all layers, or by both ends of a tied model, to several), and none to nothing. */
static void check_nodes(const bb_graph *g) {
    unsigned uses[256] = {0};
    for (size_t i = 0; i < g->n_nodes; i++) {
        const bb_node *n = &g->nodes[i];
        for (size_t k = 0; k < 3 && n->inputs[k]; k++)
            ck_assert_msg(made(g, i, n, n->inputs[k]), "%s: %s reads %s", g->arch->family, n->name, n->inputs[k]);
        for (size_t k = 0; k < 2; k++)
            if (n->weights[k] >= 0) uses[n->weights[k]]++;
    }
    for (size_t i = 0; i < g->n_weights; i++) {
        const bb_weight *w = &g->weights[i];
        bool table = w->part == BB_PART_INPUT;
        bool alias = !*w->gguf_name && bb_family_find(g->arch->family)->gguf && uses[i] == 0;
        ck_assert_msg(alias || uses[i] == 1 || (table && uses[i] > 1), "%s: %s%s has %u uses", g->arch->family,
                      w->gguf_name, w->hf_name, uses[i]);
    }
}

static void check_family(const bb_arch *a, const bb_family *f) {
    bb_graph g;
    bb_error err = {0};
    uint64_t total, active;
    size_t n;
    ck_assert_msg(bb_graph_build(a, &g, &err) == BB_OK, "%s: %s", f->name, err.text);
    ck_assert_int_eq(bb_graph_parameters(&g, &total, &active), BB_OK);
    ck_assert_msg(listed(&g, true, &n) == total, "%s", f->name);
    uint64_t gguf = listed(&g, false, &n);
    if (!f->gguf)
        ck_assert_uint_eq(n, 0);
    else if (strcmp(f->name, "bert") == 0) /* its converter drops the pooler */
        ck_assert_uint_eq(gguf + a->hidden * a->hidden + a->hidden, total);
    else
        ck_assert_msg(gguf == total, "%s: %" PRIu64 " and %" PRIu64, f->name, gguf, total);
    check_nodes(&g);
    bb_graph_clear(&g);
}

START_TEST(every_family) {
    size_t n = 0;
    for (const bb_family *f; (f = bb_family_at(n)); n++) {
        bb_arch a = sample(f, false);
        bool moe = strcmp(f->name, "llama") == 0 || strcmp(f->name, "deepseek2") == 0 ||
                   strstr(f->name, "moe") != NULL || strcmp(f->name, "qwen3next") == 0 ||
                   strcmp(f->name, "gpt-oss") == 0;
        check_family(&a, f);
        a.tied = true;
        check_family(&a, f);
        a.one_norm = true;
        a.q_lora = 0;
        a.mla_split = false;
        check_family(&a, f);
        if (!moe) continue;
        a = sample(f, true);
        check_family(&a, f);
        a.dense_layers = 0;
        check_family(&a, f);
    }
    ck_assert_uint_eq(n, 32);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("families");
    TCase *t = tcase_create("families");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, real_shapes);
    tcase_add_test(t, real_configs);
    tcase_add_test(t, hybrid_checkpoint);
    tcase_add_test(t, catalogue_rows);
    tcase_add_test(t, every_family);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
