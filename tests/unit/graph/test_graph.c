/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_graph.c - parameters of the graph = of its tensor list = of the formula = of real files, names and shapes too.
 */
#include "base/random.h"
#include "graph/graph.h"
#include "harness.h"
#include "model/locate.h"
#include <string.h>

static uint64_t listed(const bb_graph *g, bool hf) {
    bb_graph_tensor *t = NULL;
    size_t n = 0;
    uint64_t sum = 0;
    ck_assert_int_eq(bb_graph_tensors(g, hf, &t, &n), BB_OK);
    for (size_t i = 0; i < n; i++) {
        uint64_t e = 1;
        for (uint32_t k = 0; k < t[i].n_dims; k++) e *= t[i].dims[k];
        if (t[i].counts) sum += e;
    }
    free(t);
    return sum;
}

/* memory.md 2.1: V h (1 or 2) + h + L (2 h a d + 2 h k d + 3 h f + 2 h), mixtral with experts and their router. */
START_TEST(random_shapes) {
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t r = bb_random_u64(11, i);
        bb_arch a = {.family = "llama",
                     .layers = 1 + r % 90,
                     .kv_heads = 1 + (r >> 8) % 8,
                     .head_dim = 32 * (1 + (r >> 16) % 4),
                     .vocab = 1000 + (r >> 20) % 9000,
                     .context = 4096};
        a.heads = a.kv_heads * (1 + (r >> 24) % 8);
        a.hidden = 64 * (1 + (r >> 32) % 64);
        a.ffn = 128 + (r >> 40) % 9000;
        a.tied = r >> 63;
        a.rope_freqs = r >> 62 & 1;
        if ((r >> 60 & 3) == 3) {
            a.experts = 8;
            a.experts_used = 2;
            a.expert_ffn = a.ffn;
        }
        bb_graph g;
        bb_error err = {0};
        uint64_t total = 0, active = 0;
        ck_assert_msg(bb_graph_build(&a, &g, &err) == BB_OK, "%s", err.text);
        ck_assert_int_eq(bb_graph_parameters(&g, &total, &active), BB_OK);
        uint64_t mlp = 3 * a.hidden * a.ffn * (a.experts ? a.experts : 1) + (a.experts ? a.hidden * a.experts : 0);
        uint64_t layer =
            2 * a.hidden * a.heads * a.head_dim + 2 * a.hidden * a.kv_heads * a.head_dim + mlp + 2 * a.hidden;
        uint64_t want = a.vocab * a.hidden * (a.tied ? 1 : 2) + a.hidden + a.layers * layer;
        ck_assert_uint_eq(total, want);
        ck_assert_uint_eq(total - active, a.experts ? a.layers * 6 * 3 * a.hidden * a.ffn : 0);
        ck_assert_uint_eq(listed(&g, false), want);
        ck_assert_uint_eq(listed(&g, true), want);
        bb_graph_clear(&g);
    }
}
END_TEST

/* Every tensor of the file is one of the graph, under its name and with its shape, and the other way round. */
static void same_as_file(const bb_catalogue *cat, const char *path, bool hf, uint64_t parameters) {
    bb_model *m = NULL;
    bb_graph g;
    bb_error err = {0};
    bb_graph_tensor *t = NULL;
    size_t n = 0;
    uint64_t total, active;
    ck_assert_msg(bb_model_locate(cat, NULL, path, &m, &err) == BB_OK, "%s", err.text);
    ck_assert(m->arch && m->file);
    ck_assert_int_eq(bb_graph_build(m->arch, &g, &err), BB_OK);
    ck_assert_int_eq(bb_graph_parameters(&g, &total, &active), BB_OK);
    ck_assert_uint_eq(total, parameters);
    ck_assert_uint_eq(bb_file_parameters(m->file), parameters);
    ck_assert_int_eq(bb_graph_tensors(&g, hf, &t, &n), BB_OK);
    ck_assert_uint_eq(n, bb_file_tensor_count(m->file));
    for (size_t i = 0; i < n; i++) {
        const bb_tensor *x = bb_file_find(m->file, t[i].name);
        ck_assert_msg(x != NULL, "%s is not in the file", t[i].name);
        ck_assert_uint_eq(x->n_dims, t[i].n_dims);
        for (uint32_t k = 0; k < x->n_dims; k++) ck_assert_uint_eq(x->dims[hf ? x->n_dims - 1 - k : k], t[i].dims[k]);
    }
    free(t);
    bb_graph_clear(&g);
    bb_model_free(m);
}

START_TEST(real_files) {
    static const struct {
        const char *name;
        bool hf;
        uint64_t parameters;
    } files[] = {{"models/stories260K/model-f32.gguf", false, 260032},
                 {"models/stories260K/model.safetensors", true, 260032},
                 {"models/demo/hf/model.safetensors", true, 3672320}};
    bb_catalogue *cat = NULL;
    char path[512];
    ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK);
    same_as_file(cat, "data/demo.gguf", false, 3672320);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (shared_path(files[i].name, path, sizeof path))
            same_as_file(cat, path, files[i].hf, files[i].parameters);
        else
            skip_shared(files[i].name);
    }
    bb_catalogue_free(cat);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("graph");
    TCase *t = tcase_create("graph");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, random_shapes);
    tcase_add_test(t, real_files);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
