/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_compute_buffer.c - compute buffers of a card against those that llama.cpp asks for, layers on the host or not.
 */
#include "plan/compute_buffer.h"
#include "plan/measured.h"
#include "plan/plan.h"
#include <string.h>

static bb_catalogue *cat;

static void setup(void) { ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK); }
static void teardown(void) { bb_catalogue_free(cat); }

static bb_plan plan_row(const bb_csv *csv, size_t i) {
    bb_model *m = NULL;
    bb_subject s;
    bb_plan p;
    bb_plan_request r = {.purpose = BB_FOR_INFER, .engine = BB_ENGINE_LLAMA_CPP, .gpu_layers_set = true};
    snprintf(r.weights, sizeof r.weights, "%s", text(csv, i, "quant"));
    snprintf(r.kv_k, sizeof r.kv_k, "%s", text(csv, i, "type_k"));
    snprintf(r.kv_v, sizeof r.kv_v, "%s", text(csv, i, "type_v"));
    r.ctx = cell(csv, i, "n_ctx");
    r.batch = cell(csv, i, "n_batch");
    r.ubatch = cell(csv, i, "n_ubatch");
    r.parallel = cell(csv, i, "n_seq");
    r.flash_attn = cell(csv, i, "flash_attn") ? 1 : -1;
    r.outputs = cell(csv, i, "n_outputs_max");
    r.gpu_layers = cell(csv, i, "ngl");
    ck_assert_int_eq(bb_model_locate(cat, NULL, text(csv, i, "model"), &m, NULL), BB_OK);
    ck_assert_int_eq(bb_subject_init(&s, m, cat, NULL), BB_OK);
    ck_assert_int_eq(bb_plan_subject(&s, &r, &p, NULL), BB_OK);
    bb_subject_clear(&s);
    bb_model_free(m);
    return p;
}

static const bb_plan_line *line_of(const bb_plan *p, const char *component, const char *device) {
    for (size_t i = 0; i < p->n_lines; i++)
        if (strcmp(p->lines[i].component, component) == 0 && strcmp(p->lines[i].device, device) == 0)
            return &p->lines[i];
    return NULL;
}

static bool holds(const bb_plan_line *l, uint64_t bytes) {
    return l ? l->low_bytes <= bytes && bytes <= l->high_bytes : bytes == 0;
}

/* A CUDA-like card: both compute buffers of every row within their intervals, -ngl 0 and partial offload included. A
 * quantized cache is left out: the f16 copy that CUDA's flash attention makes of it is not in these rows. */
START_TEST(cuda_like_card) {
    bb_csv *csv = measured_load(TEST_DATA("plan/llama_sim.csv"));
    size_t rows = 0, card = 0, host = 0, partial = 0;
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        if (strcmp(text(csv, i, "type_k"), "f16") != 0 || strcmp(text(csv, i, "type_v"), "f16") != 0) continue;
        bb_plan p = plan_row(csv, i);
        const bb_plan_line *kv = line_of(&p, "kv_cache", "gpu0"), *c = line_of(&p, "compute_buffer", "gpu0");
        ck_assert_uint_eq(kv ? kv->bytes : 0, cell(csv, i, "gpu0_context_bytes"));
        ck_assert_ptr_nonnull(line_of(&p, "overhead", "gpu0"));
        bool in = holds(c, cell(csv, i, "gpu0_compute_bytes"));
        if (!in)
            fprintf(stderr, "# line %zu: compute buffer %llu of the card, is %llu\n", bb_csv_line(csv, i),
                    (unsigned long long)(c ? c->bytes : 0), (unsigned long long)cell(csv, i, "gpu0_compute_bytes"));
        rows++;
        card += in;
        host += holds(line_of(&p, "compute_buffer", "host"), cell(csv, i, "host_compute_bytes"));
        partial += line_of(&p, "weights:layers", "host") != NULL;
        bb_plan_clear(&p);
    }
    fprintf(stderr, "# a CUDA-like card: %zu of %zu rows within the interval, host %zu; %zu with layers on the host\n",
            card, rows, host, partial);
    ck_assert_uint_gt(rows, 200);
    ck_assert_uint_ge(partial, 48);
    ck_assert_uint_eq(card, rows);
    ck_assert_uint_eq(host, rows);
    bb_csv_free(csv);
}
END_TEST

/* -ngl 0 is not a free card: Llama-3.1-8B, q4_K_M: the copy of output.weight, its logits and the hidden state. */
START_TEST(no_layers_on_the_card) {
    bb_csv *csv = measured_load(TEST_DATA("plan/llama_sim.csv"));
    size_t seen = 0;
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        if (cell(csv, i, "ngl") != 0 || strcmp(text(csv, i, "model"), "llama-3.1-8b") != 0) continue;
        bb_plan p = plan_row(csv, i);
        ck_assert_uint_eq(line_of(&p, "compute_buffer", "gpu0")->bytes, 701997056);
        ck_assert_uint_eq(cell(csv, i, "gpu0_compute_bytes"), 701997056);
        ck_assert_uint_gt(p.high_bytes, 701997056);
        bb_plan_clear(&p);
        seen++;
    }
    ck_assert_uint_eq(seen, 2);
    bb_csv_free(csv);
}
END_TEST

/* A batch below 32 stays on the host with its layers: nothing on the card but the context. */
START_TEST(small_batches_stay_on_the_host) {
    bb_model *m = NULL;
    bb_subject s;
    bb_plan p;
    ck_assert_int_eq(bb_model_locate(cat, NULL, "llama-3.1-8b", &m, NULL), BB_OK);
    ck_assert_int_eq(bb_subject_init(&s, m, cat, NULL), BB_OK);
    bb_plan_request r = {
        .purpose = BB_FOR_INFER, .engine = BB_ENGINE_LLAMA_CPP, .ubatch = 31, .gpu_layers_set = true, .gpu_layers = 0};
    ck_assert_int_eq(bb_plan_subject(&s, &r, &p, NULL), BB_OK);
    ck_assert_ptr_null(line_of(&p, "compute_buffer", "gpu0"));
    ck_assert_uint_eq(line_of(&p, "overhead", "gpu0")->bytes, p.total_bytes);
    bb_plan_clear(&p);
    r.ubatch = 32;
    ck_assert_int_eq(bb_plan_subject(&s, &r, &p, NULL), BB_OK);
    ck_assert_ptr_nonnull(line_of(&p, "compute_buffer", "gpu0"));
    bb_plan_clear(&p);
    bb_subject_clear(&s);
    bb_model_free(m);
}
END_TEST

/* Rows over RPC, whose device copies no weights: the closed forms of a device with the layers it holds itself. -ngl 1
 * is the output side alone; mixtral's experts are summed beside it. */
START_TEST(rpc_device) {
    bb_csv *csv = measured_load(TEST_DATA("plan/llama_buffers.csv"));
    size_t rows = 0, within = 0, mixture = 0;
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        if (cell(csv, i, "ndev") != 1) continue;
        const bb_arch *a = bb_catalogue_find(cat, text(csv, i, "model"), NULL);
        bb_compute_in in = {.ctx = cell(csv, i, "n_ctx"),
                            .batch = cell(csv, i, "n_batch"),
                            .ubatch = cell(csv, i, "n_ubatch"),
                            .parallel = cell(csv, i, "n_seq"),
                            .outputs = cell(csv, i, "n_outputs_max"),
                            .unified = cell(csv, i, "kv_unified"),
                            .flash = cell(csv, i, "fa"),
                            .k = bb_dtype_find(text(csv, i, "k_type"), NULL),
                            .v = bb_dtype_find(text(csv, i, "v_type"), NULL)};
        bb_compute_out o;
        ck_assert_int_eq(bb_compute_buffers(a, &in, &o), BB_OK);
        bool output_only = cell(csv, i, "ngl") == 1;
        uint64_t full = o.card_layer > o.card_logits ? o.card_layer : o.card_logits;
        uint64_t bytes = output_only ? o.card_output_only : full, measured = cell(csv, i, "dev_compute_B");
        rows++;
        within += bytes - bytes / 7 <= measured && measured <= bytes + bytes / 7;
        mixture += output_only && a->experts && bytes >= measured - 24 && bytes <= measured;
    }
    fprintf(stderr, "# an RPC device: %zu of %zu rows within the interval\n", within, rows);
    ck_assert_uint_eq(rows, 120);
    ck_assert_uint_eq(within, rows);
    ck_assert_uint_eq(mixture, 5);
    bb_csv_free(csv);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("compute_buffer");
    TCase *t = tcase_create("compute_buffer");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, cuda_like_card);
    tcase_add_test(t, no_layers_on_the_card);
    tcase_add_test(t, small_batches_stay_on_the_host);
    tcase_add_test(t, rpc_device);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
