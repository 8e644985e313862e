/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_sweep.c - rows of a sweep against the plan of the same request, in any order; what lists may hold. */
#include "../harness.h"
#include "plan/cards.h"
#include "study/sweep.h"
#include <string.h>

static bb_catalogue *cat;

static void setup(void) { ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK); }
static void teardown(void) { bb_catalogue_free(cat); }

static const char *const models[] = {"llama-3.2-1b", "gemma-3-4b", "7b"};
static const char *const weights[] = {"q4_K_M", "q8_0"};
static const char *const kv[] = {"f16", "q8_0/f16"};
static const uint64_t ctx[] = {2048, 10000};
static const char *const gpus[] = {"RTX 4090", "RTX 3060", "none"};

static bb_sweep *make(void) {
    bb_plan_request base = {.purpose = BB_FOR_INFER};
    bb_sweep *s;
    ck_assert_int_eq(bb_sweep_new(cat, NULL, &base, false, &s, NULL), BB_OK);
    for (size_t i = 0; i < 3; i++) ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_MODEL, models[i], NULL), BB_OK);
    for (size_t i = 0; i < 2; i++) ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_WEIGHTS, weights[i], NULL), BB_OK);
    for (size_t i = 0; i < 2; i++) ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_KV, kv[i], NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_CTX, "2k", NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_CTX, "10000", NULL), BB_OK);
    for (size_t i = 0; i < 3; i++) ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_GPU, gpus[i], NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_GPUS, "1", NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_GPUS, "2", NULL), BB_OK);
    ck_assert_uint_eq(bb_sweep_rows(s), 3 * 2 * 2 * 2 * 3 * 2);
    return s;
}

/* The request of row i, written from the order of the keys alone. */
static bb_plan_request request_of(size_t i) {
    bb_plan_request r = {.purpose = BB_FOR_INFER};
    size_t n = i % 2 + 1, gpu = i / 2 % 3;
    r.no_gpu = gpu == 2;
    for (size_t k = 0; k < n && !r.no_gpu; k++) ck_assert_int_eq(bb_cards_add(cat, gpus[gpu], false, &r, NULL), BB_OK);
    r.ctx = ctx[i / 6 % 2];
    strcpy(r.kv_k, i / 12 % 2 ? "q8_0" : "f16");
    strcpy(r.kv_v, "f16");
    strcpy(r.weights, weights[i / 24 % 2]);
    r.engine = i / 48 == 2 ? BB_ENGINE_SIMPLE : BB_ENGINE_LLAMA_CPP;
    return r;
}

/* Every row says what a plan of its own says, whatever was planned before it. */
START_TEST(row_is_the_plan) {
    bb_sweep *s = make();
    size_t rows = bb_sweep_rows(s);
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t k = 0; k < rows; k++) {
            size_t i = pass ? k * 29 % rows : k; /* 29 and 144 have no factor in common */
            bb_sweep_row row;
            bb_model *m;
            bb_subject subject;
            bb_plan p = {0};
            bb_plan_request r = request_of(i);
            ck_assert_int_eq(bb_sweep_row_at(s, i, &row, NULL), BB_OK);
            ck_assert_int_eq(bb_model_locate(cat, NULL, models[i / 48], &m, NULL), BB_OK);
            ck_assert_int_eq(bb_subject_init(&subject, m, cat, NULL), BB_OK);
            ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, NULL), BB_OK);
            ck_assert(row.planned);
            ck_assert_str_eq(row.model, models[i / 48]);
            ck_assert_str_eq(row.weights, p.used.weights);
            ck_assert_uint_eq(row.ctx, p.used.ctx);
            ck_assert_uint_eq(row.batch, p.used.batch);
            ck_assert_uint_eq(row.gpus, r.no_gpu ? 0 : r.n_cards);
            ck_assert_uint_eq(row.total_bytes, p.total_bytes);
            ck_assert_uint_eq(row.high_bytes, p.high_bytes);
            ck_assert_uint_eq(row.limit_bytes, p.limit_bytes);
            ck_assert_int_eq(row.fits, p.fits);
            ck_assert_double_eq(row.tokens_per_s, p.speed.decode);
            bb_plan_clear(&p);
            bb_subject_clear(&subject);
            bb_model_free(m);
        }
    bb_sweep_free(s);
}
END_TEST

/* The engine is the row's own, as plan chooses it, so that no row is without numbers. */
START_TEST(engine_of_the_row) {
    static const char *const types[] = {"bf16", "q4_K_M", "nf4"};
    bb_plan_request base = {.purpose = BB_FOR_INFER, .ctx = 8192};
    bb_sweep *s;
    bb_sweep_row row;
    bb_model *m;
    bb_subject subject;
    ck_assert_int_eq(bb_sweep_new(cat, NULL, &base, false, &s, NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_MODEL, "olmo-2-13b", NULL), BB_OK);
    ck_assert_int_eq(bb_model_locate(cat, NULL, "olmo-2-13b", &m, NULL), BB_OK);
    ck_assert_int_eq(bb_subject_init(&subject, m, cat, NULL), BB_OK);
    for (size_t i = 0; i < 3; i++) ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_WEIGHTS, types[i], NULL), BB_OK);
    for (size_t i = 0; i < 3; i++) {
        bb_plan p = {0};
        bb_plan_request r = base;
        strcpy(r.weights, types[i]);
        r.engine = bb_engine_default(&subject, &r);
        ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, NULL), BB_OK);
        ck_assert_int_eq(bb_sweep_row_at(s, i, &row, NULL), BB_OK);
        ck_assert(row.planned);
        ck_assert_str_eq(row.engine, bb_engine_name(r.engine));
        ck_assert_uint_eq(row.total_bytes, p.total_bytes);
        bb_plan_clear(&p);
    }
    bb_subject_clear(&subject);
    bb_model_free(m);
    bb_sweep_free(s);
}
END_TEST

/* What cannot be planned is a row without numbers, and does not disturb the next one. */
START_TEST(rows_that_fail) {
    bb_plan_request base = {.purpose = BB_FOR_INFER};
    bb_sweep *s;
    bb_sweep_row row;
    ck_assert_int_eq(bb_sweep_new(cat, NULL, &base, false, &s, NULL), BB_OK);
    ck_assert_uint_eq(bb_sweep_rows(s), 0);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_MODEL, "llama-3.2-1b", NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_KV, "q6_K", NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_KV, "q8_0", NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_CTX, "18446744073709551615", NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_CTX, "4k", NULL), BB_OK);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(bb_sweep_row_at(s, i, &row, NULL), BB_OK);
        ck_assert_int_eq(row.planned, i == 3);
        ck_assert_int_eq(*row.why == '\0', row.planned);
        ck_assert_str_eq(row.kv, i < 2 ? "q6_K" : "q8_0");
    }
    ck_assert_uint_eq(row.ctx, 4096);
    bb_sweep_free(s);
}
END_TEST

START_TEST(values_that_are_refused) {
    static const struct {
        bb_sweep_key key;
        const char *text;
        bb_status status;
    } bad[] = {{BB_SWEEP_MODEL, "no-such-model", BB_E_NAME},
               {BB_SWEEP_WEIGHTS, "q9_Z", BB_E_NAME},
               {BB_SWEEP_WEIGHTS, "", BB_E_NAME},
               {BB_SWEEP_KV, "q9_Z", BB_E_NAME},
               {BB_SWEEP_KV, "f16/", BB_E_NAME},
               {BB_SWEEP_CTX, "0", BB_E_ARG},
               {BB_SWEEP_CTX, "many", BB_E_VALUE},
               {BB_SWEEP_GPU, "RTX 9999", BB_E_NAME},
               {BB_SWEEP_GPUS, "17", BB_E_ARG},
               {BB_SWEEP_GPUS, "0", BB_E_ARG}};
    bb_plan_request base = {.purpose = BB_FOR_INFER};
    bb_sweep *s;
    bb_sweep_key key;
    ck_assert_int_eq(bb_sweep_new(cat, NULL, &base, false, &s, NULL), BB_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bb_error err = {0};
        ck_assert_msg(bb_sweep_add(s, bad[i].key, bad[i].text, &err) == bad[i].status, "%s: %s", bad[i].text, err.text);
        ck_assert(*err.text);
    }
    ck_assert_int_eq(bb_sweep_key_find("speed", &key, NULL), BB_E_ARG);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_MODEL, "all", NULL), BB_OK);
    ck_assert_uint_eq(bb_sweep_rows(s), bb_catalogue_models(cat));
    bb_sweep_free(s);
}
END_TEST

/* vLLM: its limit is a part of the card, and the cards of a row share each layer. */
START_TEST(vllm_cards) {
    bb_plan_request base = {.purpose = BB_FOR_INFER, .engine = BB_ENGINE_VLLM, .ctx = 4096};
    bb_sweep *s;
    bb_model *m;
    bb_subject subject;
    ck_assert_int_eq(bb_sweep_new(cat, NULL, &base, true, &s, NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_MODEL, "llama-3.1-8b", NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_GPU, "RTX 4090", NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_GPUS, "1", NULL), BB_OK);
    ck_assert_int_eq(bb_sweep_add(s, BB_SWEEP_GPUS, "2", NULL), BB_OK);
    ck_assert_int_eq(bb_model_locate(cat, NULL, "llama-3.1-8b", &m, NULL), BB_OK);
    ck_assert_int_eq(bb_subject_init(&subject, m, cat, NULL), BB_OK);
    for (size_t n = 1; n <= 2; n++) {
        bb_sweep_row row;
        bb_plan p = {0};
        bb_plan_request r = base;
        for (size_t k = 0; k < n; k++) ck_assert_int_eq(bb_cards_add(cat, "RTX 4090", false, &r, NULL), BB_OK);
        r.tensor_parallel = n;
        ck_assert_int_eq(bb_sweep_row_at(s, n - 1, &row, NULL), BB_OK);
        ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, NULL), BB_OK);
        ck_assert_uint_eq(row.gpus, n);
        ck_assert_uint_eq(row.high_bytes, p.high_bytes);
        ck_assert_uint_eq(row.limit_bytes, p.limit_bytes);
        ck_assert_int_eq(row.fits, p.fits);
        bb_plan_clear(&p);
    }
    bb_sweep_free(s);
    bb_subject_clear(&subject);
    bb_model_free(m);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("sweep");
    TCase *c = tcase_create("sweep");
    tcase_add_unchecked_fixture(c, setup, teardown);
    tcase_add_test(c, row_is_the_plan);
    tcase_add_test(c, engine_of_the_row);
    tcase_add_test(c, rows_that_fail);
    tcase_add_test(c, values_that_are_refused);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, vllm_cards);
    suite_add_tcase(s, c);
    return s;
}

TEST_MAIN(make_suite)
