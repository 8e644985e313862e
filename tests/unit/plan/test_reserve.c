/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_reserve.c - simulated compute buffers against those that llama.cpp v0.5.0 itself asked for, byte for byte. */
#include "model/catalogue.h"
#include "model/mixture.h"
#include "plan/graph_alloc.h"
#include "plan/measured.h"
#include "plan/reserve.h"
#include <string.h>

static bb_catalogue *cat;
static bb_reserver *reserver;

static void setup(void) {
    ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK);
    reserver = bb_reserver_new();
    ck_assert_ptr_nonnull(reserver);
}
static void teardown(void) {
    bb_reserver_free(reserver);
    bb_catalogue_free(cat);
}

/* ---- a model, its types and its places ---- */

typedef struct model {
    char name[32], type[16];
    bool stand_in;
    bb_arch arch;
    bb_graph graph;
    bb_graph_tensor *tensors;
    size_t n;
    bb_mix_tensor *mix;
    bb_home *homes;
    uint8_t *layer_device;
} model;

static void close_model(model *m) {
    bb_graph_clear(&m->graph);
    free(m->tensors);
    free(m->mix);
    free(m->homes);
    free(m->layer_device);
    *m = (model){0};
}

static bool has(const char *name, const char *part) { return strstr(name, part) != NULL; }

/* The simple mixture of llama_sim_new.csv (shared/README.md). */
static const bb_dtype *stand_in_type(const bb_graph_tensor *t, uint64_t layers, bool tied) {
    uint64_t i = (uint64_t)t->layer, eighth = layers / 8;
    bool more = i < eighth || i >= 7 * layers / 8 || (i - eighth) % 3 == 2;
    bool large = has(t->name, "attn_v.") || has(t->name, "ffn_down");
    if (t->always_f32) return bb_dtype_find("f32", NULL);
    bool output = strcmp(t->name, tied ? "token_embd.weight" : "output.weight") == 0;
    return bb_dtype_find(output || (large && more) ? "q6_K" : "q4_K", NULL);
}

/* Shapes of llama_sim_new.csv have no rope_freqs, and gemma3-4b has a vocabulary of its own in each table
 * (shared/README.md, models.csv). */
static void open_model(model *m, const char *name, const char *type, bool stand_in) {
    if (strcmp(m->name, name) == 0 && strcmp(m->type, type) == 0 && m->stand_in == stand_in) return;
    close_model(m);
    snprintf(m->name, sizeof m->name, "%s", name);
    snprintf(m->type, sizeof m->type, "%s", type);
    m->stand_in = stand_in;
    const bb_arch *a = bb_catalogue_find(cat, name, NULL);
    ck_assert_msg(a != NULL, "%s", name);
    m->arch = *a;
    m->arch.mla_split = a->kv_lora != 0;
    if (stand_in) m->arch.rope_freqs = false;
    if (strcmp(name, "gemma-3-4b") == 0) m->arch.vocab = stand_in ? 262208 : 262144;
    ck_assert_int_eq(bb_graph_build(&m->arch, &m->graph, NULL), BB_OK);
    ck_assert_int_eq(bb_graph_tensors(&m->graph, false, &m->tensors, &m->n), BB_OK);
    m->mix = calloc(m->n, sizeof *m->mix);
    m->homes = calloc(m->graph.n_weights * (m->graph.n_layers + 1), sizeof *m->homes);
    m->layer_device = calloc(m->graph.n_layers + 1, 1);
    for (size_t i = 0; i < m->n; i++) {
        m->mix[i] = (bb_mix_tensor){.name = m->tensors[i].name, .n_dims = m->tensors[i].n_dims};
        memcpy(m->mix[i].dims, m->tensors[i].dims, sizeof m->mix[i].dims);
        m->mix[i].type = stand_in_type(&m->tensors[i], m->graph.n_layers, a->tied);
    }
    if (!stand_in) ck_assert_int_eq(bb_mixture(bb_ftype_find(type, NULL), &m->arch, false, m->mix, m->n, NULL), BB_OK);
}

/* llama.cpp's split over equal devices: llama-graph.md 1. */
static void place(model *m, uint32_t n_devices, uint64_t ngl) {
    size_t layers = m->graph.n_layers;
    size_t on = ngl < layers + 1 ? (size_t)ngl : layers + 1, first = layers + 1 - on;
    for (size_t l = 0; l <= layers; l++) {
        m->layer_device[l] = (uint8_t)n_devices;
        if (l < first || !n_devices) continue;
        float x = (float)(l - first) / (float)on;
        uint8_t d = 0;
        while (d + 1u < n_devices && (float)(d + 1u) / (float)n_devices <= x) d++;
        m->layer_device[l] = d;
    }
    memset(m->homes, 0, m->graph.n_weights * (layers + 1) * sizeof *m->homes);
    for (size_t i = 0; i < m->n; i++) {
        const bb_graph_tensor *t = &m->tensors[i];
        bb_home *row = &m->homes[t->weight * (layers + 1)];
        bool input = t->part == BB_PART_INPUT, shared = t->part == BB_PART_LAYER && t->layer < 0;
        for (size_t l = 0; l <= layers; l++) {
            bool here = input ? l == 0 || (l == layers && m->arch.tied) : shared ? l < layers : l == (size_t)t->layer;
            if (here) row[l] = (bb_home){m->mix[i].type, input && l == 0 ? (uint8_t)n_devices : m->layer_device[l]};
        }
    }
}

static bb_reserve_in request(const model *m, const bb_csv *csv, size_t i, uint32_t n_devices) {
    return (bb_reserve_in){
        .graph = &m->graph,
        .ctx = cell(csv, i, "n_ctx"),
        .batch = cell(csv, i, "n_batch"),
        .ubatch = cell(csv, i, "n_ubatch"),
        .sequences = cell(csv, i, "n_seq"),
        .k = bb_dtype_find(text(csv, i, bb_csv_column(csv, "k_type") != SIZE_MAX ? "k_type" : "type_k"), NULL),
        .v = bb_dtype_find(text(csv, i, bb_csv_column(csv, "v_type") != SIZE_MAX ? "v_type" : "type_v"), NULL),
        .n_devices = n_devices,
        .all_layers = cell(csv, i, "ngl") > m->graph.n_layers,
        .layer_device = m->layer_device,
        .homes = m->homes};
}

static uint64_t on_devices(const bb_reserve_in *in, const bb_reserve_out *o) {
    uint64_t sum = 0;
    for (uint32_t d = 0; d < in->n_devices; d++) sum += o->device[d];
    return sum;
}

/* ---- the measured tables ---- */

START_TEST(generic_rows) {
    char path[512];
    if (!shared_path("truth/llama_buffers.csv", path, sizeof path)) {
        skip_shared("truth/llama_buffers.csv");
        return;
    }
    bb_csv *csv = measured_load(path);
    model m = {0};
    size_t equal = 0, splits = 0;
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        bb_error err = {0};
        bb_reserve_out o;
        uint32_t n = (uint32_t)cell(csv, i, "ndev");
        open_model(&m, text(csv, i, "model"), text(csv, i, "type"), false);
        place(&m, n, cell(csv, i, "ngl"));
        bb_reserve_in in = request(&m, csv, i, n);
        in.outputs = cell(csv, i, "n_outputs_max");
        in.unified = cell(csv, i, "kv_unified");
        in.swa_full = cell(csv, i, "swa_full");
        in.flash = cell(csv, i, "fa");
        in.kv_on_host = !cell(csv, i, "offload_kqv");
        in.backend = BB_BACKEND_GENERIC;
        in.dry_run = !cell(csv, i, "real_alloc");
        ck_assert_msg(bb_reserve(reserver, &in, &o, &err) == BB_OK, "%s", err.text);
        bool same = on_devices(&in, &o) == cell(csv, i, "dev_compute_B") && o.host == cell(csv, i, "host_compute_B");
        if (!same)
            fprintf(stderr, "# row %s %s: devices %llu host %llu\n", text(csv, i, "row"), m.name,
                    (unsigned long long)on_devices(&in, &o), (unsigned long long)o.host);
        equal += same;
        splits += o.splits == cell(csv, i, "graph_splits");
    }
    fprintf(stderr, "# generic: %zu of %zu rows byte-equal, splits %zu\n", equal, bb_csv_rows(csv), splits);
    ck_assert_uint_eq(equal, bb_csv_rows(csv));
    ck_assert_uint_eq(splits, bb_csv_rows(csv));
    close_model(&m);
    bb_csv_free(csv);
}
END_TEST

static const char *catalogue_name(const char *name) {
    static const char *const names[][2] = {{"llama2-7b", "llama-2-7b"},    {"llama2-70b", "llama-2-70b"},
                                           {"llama3-8b", "llama-3-8b"},    {"llama3-70b", "llama-3-70b"},
                                           {"llama32-1b", "llama-3.2-1b"}, {"qwen25-7b", "qwen2.5-7b"},
                                           {"gemma3-4b", "gemma-3-4b"},    {"mixtral-8x7b", "mixtral-8x7b"},
                                           {"qwen3-8b", "qwen3-8b"},       {"qwen3-30b-a3b", "qwen3-30b-a3b"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], name) == 0) return names[i][1];
    return "";
}

START_TEST(cuda_like_rows) {
    char path[512];
    if (!shared_path("truth/llama_sim_new.csv", path, sizeof path)) {
        skip_shared("truth/llama_sim_new.csv");
        return;
    }
    bb_csv *csv = measured_load(path);
    model m = {0};
    size_t equal = 0;
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        bb_error err = {0};
        bb_reserve_out o;
        uint32_t n = (uint32_t)cell(csv, i, "n_gpu");
        open_model(&m, catalogue_name(text(csv, i, "model")), text(csv, i, "quant"), true);
        place(&m, n, cell(csv, i, "ngl"));
        bb_reserve_in in = request(&m, csv, i, n);
        in.flash = cell(csv, i, "flash_attn");
        in.outputs = strcmp(text(csv, i, "note"), "n_outputs_max=1") == 0;
        in.backend = BB_BACKEND_CUDA;
        in.dry_run = true;
        ck_assert_msg(bb_reserve(reserver, &in, &o, &err) == BB_OK, "%s", err.text);
        bool same = o.device[0] == cell(csv, i, "gpu0_compute_bytes") && o.host == cell(csv, i, "host_compute_bytes") &&
                    o.splits == cell(csv, i, "splits");
        if (!same)
            fprintf(stderr, "# line %zu: gpu0 %llu host %llu splits %llu\n", bb_csv_line(csv, i),
                    (unsigned long long)o.device[0], (unsigned long long)o.host, (unsigned long long)o.splits);
        equal += same;
    }
    fprintf(stderr, "# a CUDA-like device: %zu of %zu rows byte-equal\n", equal, bb_csv_rows(csv));
    ck_assert_uint_eq(equal, bb_csv_rows(csv));
    close_model(&m);
    bb_csv_free(csv);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("reserve");
    TCase *t = tcase_create("reserve");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, generic_rows);
    tcase_add_test(t, cuda_like_rows);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
