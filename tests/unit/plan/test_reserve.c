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

static bb_reserve_in request(const model *m, const bb_csv *csv, size_t i, uint32_t n_devices, const char *k,
                             const char *v) {
    return (bb_reserve_in){.graph = &m->graph,
                           .ctx = cell(csv, i, "n_ctx"),
                           .batch = cell(csv, i, "n_batch"),
                           .ubatch = cell(csv, i, "n_ubatch"),
                           .sequences = cell(csv, i, "n_seq"),
                           .k = bb_dtype_find(text(csv, i, k), NULL),
                           .v = bb_dtype_find(text(csv, i, v), NULL),
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

typedef struct tally {
    size_t rows, equal;
} tally;

static void count(tally *t, bool equal, const bb_csv *csv, size_t i, const bb_reserve_in *in, const bb_reserve_out *o) {
    t->rows++;
    t->equal += equal;
    if (!equal)
        fprintf(stderr, "# line %zu: devices %llu host %llu splits %llu\n", bb_csv_line(csv, i),
                (unsigned long long)on_devices(in, o), (unsigned long long)o->host, (unsigned long long)o->splits);
}

/* Rows of llama.cpp on the host and over RPC, dry runs and real ones: bytes and number of splits. */
static tally generic_table(const char *path) {
    bb_csv *csv = measured_load(path);
    model m = {0};
    tally t = {0};
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        bb_error err = {0};
        bb_reserve_out o;
        uint32_t n = (uint32_t)cell(csv, i, "ndev");
        open_model(&m, text(csv, i, "model"), text(csv, i, "type"), false);
        place(&m, n, cell(csv, i, "ngl"));
        bb_reserve_in in = request(&m, csv, i, n, "k_type", "v_type");
        in.outputs = cell(csv, i, "n_outputs_max");
        in.unified = cell(csv, i, "kv_unified");
        in.swa_full = cell(csv, i, "swa_full");
        in.flash = cell(csv, i, "fa");
        in.kv_on_host = !cell(csv, i, "offload_kqv");
        in.backend = BB_BACKEND_GENERIC;
        in.dry_run = !cell(csv, i, "real_alloc");
        ck_assert_msg(bb_reserve(reserver, &in, &o, &err) == BB_OK, "%s", err.text);
        bool same = on_devices(&in, &o) == cell(csv, i, "dev_compute_B") && o.host == cell(csv, i, "host_compute_B") &&
                    o.splits == cell(csv, i, "graph_splits");
        count(&t, same, csv, i, &in, &o);
    }
    close_model(&m);
    bb_csv_free(csv);
    return t;
}

static const char *catalogue_name(const char *name) {
    static const char *const names[][2] = {{"llama2-7b", "llama-2-7b"},    {"llama2-70b", "llama-2-70b"},
                                           {"llama3-8b", "llama-3-8b"},    {"llama3-70b", "llama-3-70b"},
                                           {"llama32-1b", "llama-3.2-1b"}, {"qwen25-7b", "qwen2.5-7b"},
                                           {"gemma3-4b", "gemma-3-4b"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], name) == 0) return names[i][1];
    return name;
}

/* Rows through a stand-in for CUDA. The committed table has one card and no splits. */
static tally cuda_table(const char *path) {
    bb_csv *csv = measured_load(path);
    model m = {0};
    tally t = {0};
    bool splits = bb_csv_column(csv, "splits") != SIZE_MAX;
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        bb_error err = {0};
        bb_reserve_out o;
        uint32_t n = splits ? (uint32_t)cell(csv, i, "n_gpu") : 1;
        open_model(&m, catalogue_name(text(csv, i, "model")), text(csv, i, "quant"), true);
        place(&m, n, cell(csv, i, "ngl"));
        bb_reserve_in in = request(&m, csv, i, n, "type_k", "type_v");
        in.flash = cell(csv, i, "flash_attn");
        in.outputs = splits ? strcmp(text(csv, i, "note"), "n_outputs_max=1") == 0 : cell(csv, i, "n_outputs_max");
        in.backend = BB_BACKEND_CUDA;
        in.dry_run = true;
        ck_assert_msg(bb_reserve(reserver, &in, &o, &err) == BB_OK, "%s", err.text);
        bool same = o.device[0] == cell(csv, i, "gpu0_compute_bytes") && o.host == cell(csv, i, "host_compute_bytes");
        count(&t, same && (!splits || o.splits == cell(csv, i, "splits")), csv, i, &in, &o);
    }
    close_model(&m);
    bb_csv_free(csv);
    return t;
}

static void check_tables(tally (*table)(const char *), const char *ours, const char *shared, size_t rows) {
    char path[512];
    tally t = table(ours);
    ck_assert_uint_eq(t.equal, t.rows);
    if (!shared_path(shared, path, sizeof path)) {
        skip_shared(shared);
        return;
    }
    t = table(path);
    fprintf(stderr, "# %s: %zu of %zu rows byte-equal\n", shared, t.equal, t.rows);
    ck_assert_uint_eq(t.rows, rows);
    ck_assert_uint_eq(t.equal, t.rows);
}

START_TEST(rows_of_host_and_rpc) {
    check_tables(generic_table, TEST_DATA("plan/llama_buffers.csv"), "truth/llama_buffers.csv", 1033);
}
END_TEST

START_TEST(rows_of_a_cuda_like_device) {
    check_tables(cuda_table, TEST_DATA("plan/llama_sim.csv"), "truth/llama_sim_new.csv", 460);
}
END_TEST

/* ---- inside a buffer ---- */

static void ordinary(bb_reserve_in *in, const model *m) {
    const bb_dtype *f16 = bb_dtype_find("f16", NULL);
    *in = (bb_reserve_in){.graph = &m->graph,
                          .ctx = 32768,
                          .batch = 2048,
                          .ubatch = 512,
                          .sequences = 1,
                          .outputs = 1,
                          .flash = true,
                          .backend = BB_BACKEND_CUDA,
                          .k = f16,
                          .v = f16,
                          .n_devices = 1,
                          .all_layers = true,
                          .layer_device = m->layer_device,
                          .homes = m->homes};
}

/* Offsets that the library gave (llama-graph.md 9): llama-2-7b on the host, 2048 cells, 512 tokens, no flash attention.
 * A value of 512 x 4096 has 8388608 bytes. */
START_TEST(places_in_the_buffer) {
    static const struct {
        bb_gg_op op;
        uint64_t offset, bytes;
    } want[] = {{BB_GG_GET_ROWS, 29370368, 8388608}, {BB_GG_RMS_NORM, 37758976, 8388608},
                {BB_GG_MUL, 37758976, 8388608},      {BB_GG_MUL_MAT, 46147584, 8388608}, /* q */
                {BB_GG_ROPE, 54536192, 8388608},     {BB_GG_MUL_MAT, 46147584, 8388608}, /* v */
                {BB_GG_MUL_MAT, 62924800, 8388608},  {BB_GG_ROPE, 37758976, 8388608},    /* k */
                {BB_GG_MUL_MAT, 62924800, 134217728}};
    model m = {0};
    bb_gg_graph g = {0};
    bb_sched s = {0};
    bb_graph_alloc *a = calloc(1, sizeof *a);
    ck_assert_ptr_nonnull(a);
    open_model(&m, "llama-2-7b", "q4_K_M", false);
    place(&m, 0, 0);
    bb_reserve_in in;
    ordinary(&in, &m);
    in.n_devices = 0;
    bb_gg_shape shape = {.tokens = 512,
                         .outputs = 512,
                         .sequences = 1,
                         .cells = 2048,
                         .window_cells = 256,
                         .streams = 1,
                         .k = in.k,
                         .v = in.v,
                         .homes = m.homes};
    ck_assert_int_eq(bb_gg_build(&m.graph, &shape, &g, NULL), BB_OK);
    ck_assert_int_eq(bb_sched_run(&s, &g, &in, 512), BB_OK);
    ck_assert_int_eq(bb_graph_alloc_run(a, &s), BB_OK);
    size_t k = 0;
    for (size_t i = 0; k < sizeof want / sizeof *want; i++) {
        const bb_gg_tensor *t = &g.t[s.nodes[i].tensor];
        if (t->root >= 0) continue;
        ck_assert_int_eq(t->op, want[k].op);
        ck_assert_uint_eq(s.t[s.nodes[i].tensor].offset, want[k].offset);
        ck_assert_uint_eq(s.t[s.nodes[i].tensor].bytes, want[k++].bytes);
    }
    ck_assert_uint_eq(a->arena[0].high, 197142528);
    ck_assert_uint_eq(s.n_splits, 1);
    free(a);
    bb_sched_clear(&s);
    bb_gg_clear(&g);
    close_model(&m);
}
END_TEST

/* Holes between blocks that stay, as ggml's free list takes them: the smallest that fits, of equals the last. */
START_TEST(best_fit) {
    bb_arena *a = calloc(1, sizeof *a);
    ck_assert_ptr_nonnull(a);
    bb_arena_init(a, 32);
    uint64_t at[8];
    const uint64_t bytes[8] = {64, 32, 128, 32, 64, 32, 1, 32};
    for (size_t i = 0; i < 8; i++) at[i] = bb_arena_take(a, bytes[i]);
    ck_assert_uint_eq(at[7], 384);
    for (size_t i = 0; i < 8; i += 2) bb_arena_give(a, at[i], bytes[i]);
    ck_assert_uint_eq(bb_arena_take(a, 33), at[4]);
    ck_assert_uint_eq(bb_arena_take(a, 32), at[6]);
    ck_assert_uint_eq(bb_arena_take(a, 65), at[2]);
    ck_assert_uint_eq(bb_arena_take(a, 200), 416);
    ck_assert_uint_eq(a->high, 416 + 224);
    (void)bb_arena_take(a, UINT64_MAX / 2);
    ck_assert_int_eq(a->st, BB_E_OVERFLOW);
    free(a);
}
END_TEST

/* Whatever is taken and given back: blocks in use never overlap, and when all came back the buffer is one hole. */
START_TEST(blocks_in_use_are_apart) {
    enum { LIVE = 64, STEPS = 20000 };
    bb_arena *a = calloc(1, sizeof *a);
    ck_assert_ptr_nonnull(a);
    struct {
        uint64_t offset, bytes;
    } live[LIVE];
    size_t n = 0;
    uint32_t seed = 1;
    bb_arena_init(a, 32);
    for (int step = 0; step < STEPS; step++) {
        seed = seed * 1664525 + 1013904223; /* Knuth's, from Numerical Recipes */
        size_t i = (seed >> 8) % LIVE;
        if (i < n) {
            bb_arena_give(a, live[i].offset, live[i].bytes);
            live[i] = live[--n];
            continue;
        }
        uint64_t bytes = 1 + (seed >> 16) % 1000, offset = bb_arena_take(a, bytes);
        for (size_t k = 0; k < n; k++)
            ck_assert(offset + bytes <= live[k].offset || live[k].offset + live[k].bytes <= offset);
        ck_assert_uint_le(offset + bytes, a->high);
        live[n].offset = offset;
        live[n++].bytes = bytes;
    }
    while (n--) bb_arena_give(a, live[n].offset, live[n].bytes);
    ck_assert_int_eq(a->st, BB_OK);
    ck_assert_uint_eq(a->n, 1);
    ck_assert_uint_eq(a->block[0].offset, 0);
    free(a);
}
END_TEST

/* ---- what a real run of CUDA adds ---- */

/* MiB of llama-graph.md 8: one device, 32768 cells, flash attention; by the dry run's rule and really. */
static const struct {
    const char *model, *kv;
    uint64_t outputs;
    double dry, real;
} kernels[] = {{"llama-3.1-8b", "q8_0", 1, 132.09, 192.09},
               {"qwen3-30b-a3b", "q8_0", 1, 116.09, 156.09},
               {"deepseek-v2-lite", "f16", 0, 232.26, 260.39}};

START_TEST(what_the_kernels_add) {
    model m = {0};
    bb_reserve_out dry, real;
    bb_reserve_in in;
    open_model(&m, kernels[_i].model, "q4_K_M", true);
    place(&m, 1, 999);
    ordinary(&in, &m);
    in.outputs = kernels[_i].outputs;
    in.k = in.v = bb_dtype_find(kernels[_i].kv, NULL);
    ck_assert_int_eq(bb_reserve(reserver, &in, &real, NULL), BB_OK);
    in.dry_run = true;
    ck_assert_int_eq(bb_reserve(reserver, &in, &dry, NULL), BB_OK);
    ck_assert_double_eq_tol((double)dry.device[0] / 1048576, kernels[_i].dry, 0.005);
    ck_assert_double_eq_tol((double)real.device[0] / 1048576, kernels[_i].real, 0.005);
    close_model(&m);
}
END_TEST

/* Dense models with f16 caches: nothing. */
START_TEST(dense_models_add_nothing) {
    static const char *const names[] = {"llama-2-7b", "llama-3.1-8b", "qwen3-8b", "gemma-3-4b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        model m = {0};
        bb_reserve_out dry, real;
        bb_reserve_in in;
        open_model(&m, names[i], "q4_K_M", false);
        place(&m, 1, 999);
        ordinary(&in, &m);
        ck_assert_int_eq(bb_reserve(reserver, &in, &real, NULL), BB_OK);
        in.dry_run = true;
        ck_assert_int_eq(bb_reserve(reserver, &in, &dry, NULL), BB_OK);
        ck_assert_uint_eq(dry.device[0], real.device[0]);
        ck_assert_uint_eq(dry.host, real.host);
        close_model(&m);
    }
}
END_TEST

/* ---- results that are remembered ---- */

static bool same_sizes(const bb_reserve_out *a, const bb_reserve_out *b) {
    return a->host == b->host && a->device[0] == b->device[0] && a->splits == b->splits;
}

/* The types of weights decide where they are copied, and only there; a remembered result is that of a fresh one. */
START_TEST(remembered_results) {
    model m = {0};
    bb_reserve_in in;
    bb_reserve_out q4[2], f16[2], again;
    open_model(&m, "llama-3.2-1b", "q4_K_M", true);
    for (int whole = 0; whole < 2; whole++) {
        place(&m, 1, whole ? 999 : 8);
        ordinary(&in, &m);
        in.all_layers = whole;
        in.outputs = 0;
        ck_assert_int_eq(bb_reserve(reserver, &in, &q4[whole], NULL), BB_OK);
        for (size_t i = 0; i < m.graph.n_weights * (m.graph.n_layers + 1); i++)
            if (m.homes[i].type && m.homes[i].type->block > 1) m.homes[i].type = in.k;
        ck_assert_int_eq(bb_reserve(reserver, &in, &f16[whole], NULL), BB_OK);
        place(&m, 1, whole ? 999 : 8);
        ck_assert_int_eq(bb_reserve(reserver, &in, &again, NULL), BB_OK);
        ck_assert(same_sizes(&again, &q4[whole]));
        bb_reserver *other = bb_reserver_new();
        ck_assert_int_eq(bb_reserve(other, &in, &again, NULL), BB_OK);
        ck_assert(same_sizes(&again, &q4[whole]));
        bb_reserver_free(other);
    }
    ck_assert_uint_lt(q4[0].device[0], f16[0].device[0]);
    ck_assert(same_sizes(&q4[1], &f16[1]));
    close_model(&m);
}
END_TEST

/* ---- what llama.cpp refuses, and sizes beyond 64 bits ---- */

START_TEST(refusals) {
    model m = {0};
    bb_reserve_in in, ok;
    bb_reserve_out o;
    bb_error err;
    open_model(&m, "llama-2-7b", "q4_K_M", false);
    place(&m, 1, 999);
    ordinary(&ok, &m);
    in = ok;
    in.sequences = 4;
    ck_assert_int_eq(bb_reserve(reserver, &in, &o, &err), BB_E_ARG); /* one output */
    in = ok;
    in.flash = false;
    in.v = bb_dtype_find("q8_0", NULL);
    ck_assert_int_eq(bb_reserve(reserver, &in, &o, &err), BB_E_ARG);
    uint64_t *const sizes[] = {&in.ctx, &in.batch, &in.sequences};
    for (size_t i = 0; i < 3; i++) {
        in = ok;
        *sizes[i] = 0;
        ck_assert_int_eq(bb_reserve(reserver, &in, &o, &err), BB_E_ARG);
    }
    for (int shift = 51; shift < 64; shift++) {
        in = ok;
        in.ctx = UINT64_C(1) << shift;
        ck_assert_int_eq(bb_reserve(reserver, &in, &o, &err), BB_E_OVERFLOW);
        in.batch = in.ubatch = in.outputs = in.ctx;
        ck_assert_int_eq(bb_reserve(reserver, &in, &o, &err), BB_E_OVERFLOW);
    }
    in = ok;
    in.ctx = UINT64_MAX;
    ck_assert_int_eq(bb_reserve(reserver, &in, &o, &err), BB_E_OVERFLOW);
    close_model(&m);
}
END_TEST

/* llama-graph.md 9: shapes of phi3 with 40 layers, both caches quantized, two streams: 2058 tensors, the table takes
 * 2053. */
START_TEST(table_of_the_scheduler) {
    model m = {0};
    bb_reserve_in in;
    bb_reserve_out o;
    bb_error err = {0};
    open_model(&m, "phi-3-medium-4k", "q4_K_M", false);
    ck_assert_uint_eq(m.graph.n_layers, 40);
    place(&m, 0, 0);
    ordinary(&in, &m);
    in.n_devices = 0;
    in.outputs = 0;
    in.sequences = 2;
    in.k = in.v = bb_dtype_find("q8_0", NULL);
    ck_assert_int_eq(bb_reserve(reserver, &in, &o, &err), BB_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "2053"));
    in.sequences = 1;
    ck_assert_int_eq(bb_reserve(reserver, &in, &o, &err), BB_OK);
    close_model(&m);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("reserve");
    TCase *t = tcase_create("reserve");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, rows_of_host_and_rpc);
    tcase_add_test(t, rows_of_a_cuda_like_device);
    tcase_add_test(t, places_in_the_buffer);
    tcase_add_test(t, best_fit);
    tcase_add_test(t, blocks_in_use_are_apart);
    tcase_add_loop_test(t, what_the_kernels_add, 0, sizeof kernels / sizeof *kernels);
    tcase_add_test(t, dense_models_add_nothing);
    tcase_add_test(t, remembered_results);
    tcase_add_test(t, refusals);
    tcase_add_test(t, table_of_the_scheduler);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
