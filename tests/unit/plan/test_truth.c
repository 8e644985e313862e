/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_truth.c - llama.cpp's plan against the buffers of the shared truth tables, every row. */
#include "base/mem.h"
#include "plan/measured.h"
#include "plan/plan.h"
#include <stdlib.h>
#include <string.h>

static bb_catalogue *cat;

static void setup(void) { ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK); }
static void teardown(void) { bb_catalogue_free(cat); }

typedef struct opened {
    char name[64];
    bb_model *model;
    bb_subject subject;
} opened;

static void close_model(opened *o) {
    if (!*o->name) return;
    bb_subject_clear(&o->subject);
    bb_model_free(o->model);
    *o = (opened){0};
}

static void locate(opened *o, const char *name) {
    bb_error err = {0};
    snprintf(o->name, sizeof o->name, "%s", name);
    ck_assert_msg(bb_model_locate(cat, NULL, name, &o->model, &err) == BB_OK, "%s", err.text);
}

/* Behind locate, once the architecture is as the table's. */
static void build(opened *o) {
    bb_error err = {0};
    ck_assert_msg(bb_subject_init(&o->subject, o->model, cat, &err) == BB_OK, "%s", err.text);
}

/* The shapes of truth/models.csv are the catalogue's but for the vocabulary of a gemma without its padding. */
static void open_model(opened *o, const char *name) {
    if (strcmp(o->name, name) == 0) return;
    close_model(o);
    locate(o, name);
    if (strcmp(name, "gemma-3-4b") == 0) o->model->arch_storage.vocab = 262144;
    build(o);
}

/* Sum over the cards, or the host's line. */
static uint64_t bytes_of(const bb_plan *p, const char *component, bool host) {
    uint64_t n = 0;
    for (size_t i = 0; i < p->n_lines; i++)
        if (strcmp(p->lines[i].component, component) == 0 && (strcmp(p->lines[i].device, "host") == 0) == host)
            n += p->lines[i].bytes;
    return n;
}

static uint64_t on_device(const bb_plan *p, const char *component, const char *device) {
    for (size_t i = 0; i < p->n_lines; i++)
        if (strcmp(p->lines[i].component, component) == 0 && strcmp(p->lines[i].device, device) == 0)
            return p->lines[i].bytes;
    return 0;
}

/* Columns that all tables share. */
static bb_plan_request request_of(const bb_csv *csv, size_t i) {
    const char *k_column = bb_csv_column(csv, "k_type") == SIZE_MAX ? "type_k" : "k_type";
    const char *v_column = bb_csv_column(csv, "v_type") == SIZE_MAX ? "type_v" : "v_type";
    bb_plan_request r = {.purpose = BB_FOR_INFER, .engine = BB_ENGINE_LLAMA_CPP, .overhead_set = true};
    snprintf(r.kv_k, sizeof r.kv_k, "%s", text(csv, i, k_column));
    snprintf(r.kv_v, sizeof r.kv_v, "%s", text(csv, i, v_column));
    r.ctx = cell(csv, i, "n_ctx");
    r.batch = cell(csv, i, "n_batch");
    r.ubatch = cell(csv, i, "n_ubatch");
    r.parallel = cell(csv, i, "n_seq");
    r.gpu_layers = cell(csv, i, "ngl");
    r.gpu_layers_set = true;
    return r;
}

#define CHECK_BYTES(csv, i, what, got, want)                                                                           \
    ck_assert_msg((got) == (want), "row %zu: %s %s: %llu bytes, measured %llu", (size_t)(i) + 2,                       \
                  text(csv, i, "model"), what, (unsigned long long)(got), (unsigned long long)(want))

/* llama_buffers.csv: sizes that llama.cpp v0.5.0 told of contexts on the CPU and on one or two RPC devices. */
START_TEST(buffers) {
    char path[512];
    opened o = {0};
    if (!shared_path("truth/llama_buffers.csv", path, sizeof path)) {
        skip_shared("truth/llama_buffers.csv");
        return;
    }
    bb_csv *csv = measured_load(path);
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        open_model(&o, text(csv, i, "model"));
        bb_plan_request r = request_of(csv, i);
        bb_plan p;
        bb_error err = {0};
        snprintf(r.weights, sizeof r.weights, "%s", text(csv, i, "type"));
        r.backend = BB_BACKEND_GENERIC;
        r.no_gpu = !(r.n_cards = cell(csv, i, "ndev"));
        r.kv_unified = cell(csv, i, "kv_unified");
        r.swa_full = cell(csv, i, "swa_full");
        r.flash_attn = cell(csv, i, "fa") ? 1 : -1;
        r.outputs = cell(csv, i, "n_outputs_max");
        r.kv_on_host = !cell(csv, i, "offload_kqv");
        r.dry_run_rule = !cell(csv, i, "real_alloc");
        ck_assert_msg(bb_plan_subject(&o.subject, &r, &p, &err) == BB_OK, "row %zu: %s", i + 2, err.text);
        uint64_t host_model = cell(csv, i, "host_model_B") + cell(csv, i, "repack_B");
        CHECK_BYTES(csv, i, "weights on the host", bytes_of(&p, "weights", true), host_model);
        CHECK_BYTES(csv, i, "weights on the devices", bytes_of(&p, "weights", false), cell(csv, i, "dev_model_B"));
        CHECK_BYTES(csv, i, "KV on the host", bytes_of(&p, "kv_cache", true), cell(csv, i, "host_kv_B"));
        CHECK_BYTES(csv, i, "KV on the devices", bytes_of(&p, "kv_cache", false), cell(csv, i, "dev_kv_B"));
        CHECK_BYTES(csv, i, "compute on the host", bytes_of(&p, "compute_buffer", true),
                    cell(csv, i, "host_compute_B"));
        CHECK_BYTES(csv, i, "compute on the devices", bytes_of(&p, "compute_buffer", false),
                    cell(csv, i, "dev_compute_B"));
        bb_plan_clear(&p);
    }
    ck_assert_uint_gt(bb_csv_rows(csv), 1000);
    close_model(&o);
    bb_csv_free(csv);
}
END_TEST

/* The stand-in device of llama_sim_*.csv: the names of its models and its mixture. */
static void open_sim(opened *o, const char *name) {
    static const struct {
        const char *sim, *name;
    } names[] = {{"llama2-7b", "llama-2-7b"},       {"llama2-70b", "llama-2-70b"},  {"llama3-8b", "llama-3.1-8b"},
                 {"llama3-70b", "llama-3.1-70b"},   {"llama32-1b", "llama-3.2-1b"}, {"mixtral-8x7b", "mixtral-8x7b"},
                 {"qwen25-7b", "qwen2.5-7b"},       {"gemma3-4b", "gemma-3-4b"},    {"qwen3-8b", "qwen3-8b"},
                 {"qwen3-30b-a3b", "qwen3-30b-a3b"}};
    size_t k = 0;
    if (strcmp(o->name, name) == 0) return;
    close_model(o);
    while (strcmp(names[k].sim, name) != 0) ck_assert_uint_lt(++k, sizeof names / sizeof *names);
    locate(o, names[k].name);
    snprintf(o->name, sizeof o->name, "%s", name);
    o->model->arch_storage.rope_freqs = false;
    build(o);
    bb_subject *s = &o->subject;
    s->from_file = true;
    s->file_types = bb_alloc(s->n_tensors, sizeof *s->file_types);
    for (size_t i = 0; i < s->n_tensors; i++) {
        const bb_mix_tensor *t = &s->tensors[i];
        int64_t l = s->layers[i], n = (int64_t)s->n_layers, n8 = n / 8;
        bool more = l >= 0 && l < n && (l < n8 || l >= 7 * n / 8 || (l - n8) % 3 == 2);
        bool wide = strstr(t->name, "attn_v.weight") || strstr(t->name, "ffn_down");
        bool head = strcmp(t->name, s->has_output ? "output.weight" : "token_embd.weight") == 0;
        const char *type = strstr(t->name, "norm") || strstr(t->name, "ffn_gate_inp") || t->n_dims < 2 ? "f32"
                           : head || (wide && more)                                                    ? "q6_K"
                                                                                                       : "q4_K";
        s->file_types[i] = bb_dtype_find(type, NULL);
    }
}

static bb_plan_request sim_request(const bb_csv *csv, size_t i) {
    bb_plan_request r = request_of(csv, i);
    r.flash_attn = cell(csv, i, "flash_attn") ? 1 : -1;
    r.no_gpu = !(r.n_cards = cell(csv, i, "n_gpu"));
    r.dry_run_rule = true;
    strcpy(r.weights, "file");
    return r;
}

/* llama_sim_new.csv: v0.5.0 on a stand-in for CUDA devices, bytes of the first card and of the host's compute buffer.
 */
START_TEST(stand_in) {
    char path[512];
    opened o = {0};
    if (!shared_path("truth/llama_sim_new.csv", path, sizeof path)) {
        skip_shared("truth/llama_sim_new.csv");
        return;
    }
    bb_csv *csv = measured_load(path);
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        open_sim(&o, text(csv, i, "model"));
        bb_plan_request r = sim_request(csv, i);
        bb_plan p;
        bb_error err = {0};
        if (strcmp(text(csv, i, "note"), "n_outputs_max=1") == 0) r.outputs = 1;
        ck_assert_msg(bb_plan_subject(&o.subject, &r, &p, &err) == BB_OK, "row %zu: %s", i + 2, err.text);
        CHECK_BYTES(csv, i, "weights", on_device(&p, "weights", "gpu0"), cell(csv, i, "gpu0_model_bytes"));
        CHECK_BYTES(csv, i, "KV", on_device(&p, "kv_cache", "gpu0"), cell(csv, i, "gpu0_context_bytes"));
        CHECK_BYTES(csv, i, "compute", on_device(&p, "compute_buffer", "gpu0"), cell(csv, i, "gpu0_compute_bytes"));
        CHECK_BYTES(csv, i, "compute on the host", on_device(&p, "compute_buffer", "host"),
                    cell(csv, i, "host_compute_bytes"));
        bb_plan_clear(&p);
    }
    ck_assert_uint_gt(bb_csv_rows(csv), 400);
    close_model(&o);
    bb_csv_free(csv);
}
END_TEST

/* MiB as that build printed them, two digits behind the point. */
static void check_mib(const bb_csv *csv, size_t i, const char *column, uint64_t got) {
    const char *want = text(csv, i, column);
    double mib = (double)got / 1048576, d = mib - (*want ? strtod(want, NULL) : 0);
    ck_assert_msg(d < 0.0051 && d > -0.0051, "row %zu: %s %s: %.3f MiB, printed %s", i + 2, text(csv, i, "model"),
                  column, mib, want);
}

/* llama_sim_old.csv: a build of February 2025, which put the last n layers on the card and the output side only with
 * more than all layers: as the layers of n + 1 with the output side overridden. */
START_TEST(stand_in_of_2025) {
    char path[512];
    opened o = {0};
    if (!shared_path("truth/llama_sim_old.csv", path, sizeof path)) {
        skip_shared("truth/llama_sim_old.csv");
        return;
    }
    bb_csv *csv = measured_load(path);
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        open_sim(&o, text(csv, i, "model"));
        bb_plan_request r = sim_request(csv, i);
        bb_plan p;
        bb_error err = {0};
        bool part = !r.no_gpu && r.gpu_layers && r.gpu_layers <= o.subject.n_layers;
        if (part) {
            r.gpu_layers++;
            strcpy(r.override_tensor, "^(output|output_norm|token_embd)\\.weight=CPU");
        }
        ck_assert_msg(bb_plan_subject(&o.subject, &r, &p, &err) == BB_OK, "row %zu: %s", i + 2, err.text);
        check_mib(csv, i, "gpu0_model", on_device(&p, "weights", "gpu0"));
        check_mib(csv, i, "gpu0_kv", on_device(&p, "kv_cache", "gpu0"));
        /* of a part it printed what lies between the first and the last byte of the file's map */
        if (!part) check_mib(csv, i, "cpu_model", on_device(&p, "weights", "host"));
        check_mib(csv, i, "cpu_kv", on_device(&p, "kv_cache", "host"));
        if (*text(csv, i, "gpu1_model")) {
            check_mib(csv, i, "gpu1_model", on_device(&p, "weights", "gpu1"));
            check_mib(csv, i, "gpu1_kv", on_device(&p, "kv_cache", "gpu1"));
        }
        bb_plan_clear(&p);
    }
    close_model(&o);
    bb_csv_free(csv);
}
END_TEST

/* quant_sizes.csv: bytes of the tensors that llama-quantize would write, 32 file types of 12 models. */
START_TEST(file_types) {
    char path[512];
    opened o = {0};
    if (!shared_path("truth/quant_sizes.csv", path, sizeof path)) {
        skip_shared("truth/quant_sizes.csv");
        return;
    }
    bb_csv *csv = measured_load(path);
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        open_model(&o, text(csv, i, "model"));
        bb_plan_request r = {.purpose = BB_FOR_LOAD, .engine = BB_ENGINE_LLAMA_CPP, .no_gpu = true};
        bb_plan p;
        bb_error err = {0};
        snprintf(r.weights, sizeof r.weights, "%s", text(csv, i, "ftype"));
        ck_assert_msg(bb_plan_subject(&o.subject, &r, &p, &err) == BB_OK, "row %zu: %s", i + 2, err.text);
        CHECK_BYTES(csv, i, text(csv, i, "ftype"), p.total_bytes, cell(csv, i, "exact_tensor_bytes"));
        bb_plan_clear(&p);
    }
    ck_assert_uint_gt(bb_csv_rows(csv), 350);
    close_model(&o);
    bb_csv_free(csv);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("truth");
    TCase *t = tcase_create("truth");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, buffers);
    tcase_add_test(t, stand_in);
    tcase_add_test(t, stand_in_of_2025);
    tcase_add_test(t, file_types);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
