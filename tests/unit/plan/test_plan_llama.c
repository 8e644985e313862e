/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_plan_llama.c - llama.cpp's placement over cards, what it refuses, ollama's defaults, numbers without texts. */
#include "harness.h"
#include "plan/plan.h"
#include <string.h>

static bb_catalogue *cat;
static bb_model *model;
static bb_subject subject;

static void setup(void) { ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK); }

static void close_model(void) {
    bb_subject_clear(&subject);
    bb_model_free(model);
    model = NULL;
}

static void teardown(void) {
    close_model();
    bb_catalogue_free(cat);
}

static void open_model(const char *name) {
    bb_error err = {0};
    close_model();
    ck_assert_msg(bb_model_locate(cat, NULL, name, &model, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(bb_subject_init(&subject, model, cat, &err) == BB_OK, "%s", err.text);
}

/* Cards of the same unknown size. */
static bb_plan_request on_cards(size_t cards) {
    bb_plan_request r = {
        .purpose = BB_FOR_INFER, .engine = BB_ENGINE_LLAMA_CPP, .weights = "q4_K_M", .ctx = 4096, .n_cards = cards};
    r.no_gpu = cards == 0;
    return r;
}

static bb_plan make(const bb_plan_request *r) {
    bb_plan p = {0};
    bb_error err = {0};
    ck_assert_msg(bb_plan_subject(&subject, r, &p, &err) == BB_OK, "%s", err.text);
    return p;
}

static uint64_t bytes(const bb_plan *p, const char *component, const char *device) {
    for (size_t i = 0; i < p->n_lines; i++)
        if (strcmp(p->lines[i].component, component) == 0 && strcmp(p->lines[i].device, device) == 0)
            return p->lines[i].bytes;
    return 0;
}

/* Layers of a device, by its KV cache: of llama-3.1-8b a layer takes 16 MiB at 4096 tokens. */
static uint64_t layers_of(const bb_plan *p, const char *device) { return bytes(p, "kv_cache", device) >> 24; }

/* memory.md 2.3: 32 layers on 2 equal GPUs = 17 + 15 (+ output). Shares are 32-bit floats of running sums. */
START_TEST(layers_by_share) {
    static const struct {
        double share[3];
        uint64_t limit_gib[3], layers[3];
    } cases[] = {{{0, 0, 0}, {0, 0, 0}, {11, 11, 10}},
                 {{3, 1, 0}, {0, 0, 0}, {25, 7, 0}},
                 {{0, 1, 0}, {24, 24, 24}, {0, 32, 0}},
                 {{0, 0, 0}, {24, 24, 80}, {7, 6, 19}},
                 {{0, 0, 0}, {24, 0, 80}, {11, 11, 10}}}; /* one of unknown size: all alike */
    open_model("llama-3.1-8b");
    bb_plan_request r = on_cards(2);
    bb_plan p = make(&r);
    ck_assert_uint_eq(layers_of(&p, "gpu0"), 17);
    ck_assert_uint_eq(layers_of(&p, "gpu1"), 15);
    ck_assert_uint_gt(bytes(&p, "weights:output", "gpu1"), 0);
    bb_plan_clear(&p);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        r = on_cards(3);
        for (size_t i = 0; i < 3; i++) {
            r.cards[i].split = cases[k].share[i];
            r.cards[i].limit_bytes = cases[k].limit_gib[i] << 30;
        }
        p = make(&r);
        const char *const names[] = {"gpu0", "gpu1", "gpu2"};
        for (size_t i = 0; i < 3; i++)
            ck_assert_msg(layers_of(&p, names[i]) == cases[k].layers[i], "case %zu, %s: %llu layers", k, names[i],
                          (unsigned long long)layers_of(&p, names[i]));
        bb_plan_clear(&p);
    }
}
END_TEST

START_TEST(split_modes) {
    open_model("llama-3.1-8b");
    bb_plan_request r = on_cards(3);
    bb_plan p;
    bb_error err = {0};
    r.split_mode = BB_SPLIT_NONE;
    r.main_gpu = 2;
    p = make(&r);
    ck_assert_uint_eq(layers_of(&p, "gpu2"), 32);
    ck_assert_uint_eq(p.devices[0].total_bytes, 0);
    ck_assert_uint_eq(p.devices[2].total_bytes, p.total_bytes);
    bb_plan_clear(&p);
    r.main_gpu = 3;
    ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, &err), BB_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "invalid value for main_gpu"));
    r.split_mode = BB_SPLIT_ROW;
    ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, &err), BB_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "does not support split buffers"));
}
END_TEST

/* Whatever lies elsewhere, the bytes of all devices together stay the same; experts are counted by hand. */
START_TEST(tensors_elsewhere) {
    static const struct {
        uint64_t moe_layers;
        const char *rule;
        uint64_t experts_on_host; /* layers whose experts are there */
    } cases[] = {{0, "", 0},
                 {BB_ALL, "", 48},
                 {5, "", 5},
                 {0, "\\.ffn_(up|down|gate)_exps\\.=CPU", 48},
                 {0, "blk\\.1[0-9]\\.ffn_.*_exps=CPU", 10},
                 {48, "exps=CUDA0", 0}}; /* the first rule that matches decides */
    uint64_t all = 0, first = 0;
    open_model("qwen3-30b-a3b");
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        bb_plan_request r = on_cards(1);
        r.backend = BB_BACKEND_GENERIC;
        strcpy(r.weights, "q8_0"); /* experts of one size in all layers */
        r.cpu_moe_layers = cases[k].moe_layers;
        snprintf(r.override_tensor, sizeof r.override_tensor, "%s", cases[k].rule);
        bb_plan p = make(&r);
        uint64_t card = bytes(&p, "weights", "gpu0"), host = bytes(&p, "weights", "host");
        uint64_t experts = 3ull * 128 * 768 * 2048 / 32 * 34; /* q8_0: 34 bytes of 32 */
        if (!k) {
            all = card + host;
            first = host;
        }
        ck_assert_uint_eq(card + host, all);
        ck_assert_msg(host == first + cases[k].experts_on_host * experts, "case %zu: %llu bytes on the host", k,
                      (unsigned long long)host);
        bb_plan_clear(&p);
    }
    static const char *const wrong[] = {"exps", "exps=GPU0", "(=CPU", "exps=CUDA16"};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        bb_plan_request r = on_cards(1);
        bb_plan p;
        strcpy(r.override_tensor, wrong[k]);
        ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, NULL), BB_E_ARG);
    }
}
END_TEST

/* An override names cards as the machine counts them, not as the model uses them. */
START_TEST(overrides_name_cards) {
    bb_plan p;
    bb_error err = {0};
    open_model("qwen3-30b-a3b");
    bb_plan_request r = on_cards(2);
    r.backend = BB_BACKEND_GENERIC;
    r.split_mode = BB_SPLIT_NONE;
    r.main_gpu = 1;
    bb_plan plain = make(&r);
    strcpy(r.override_tensor, "exps=CUDA1"); /* where they are already */
    p = make(&r);
    ck_assert_uint_eq(bytes(&p, "weights", "gpu1"), bytes(&plain, "weights", "gpu1"));
    ck_assert_uint_eq(bytes(&p, "weights", "host"), bytes(&plain, "weights", "host"));
    bb_plan_clear(&p);
    bb_plan_clear(&plain);
    strcpy(r.override_tensor, "exps=CUDA0");
    ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, &err), BB_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot run the operation"));
    r.split_mode = BB_SPLIT_LAYER;
    p = make(&r);
    ck_assert_uint_gt(bytes(&p, "weights", "gpu0"), 15 * bytes(&p, "weights", "gpu1"));
    bb_plan_clear(&p);
    for (size_t cards = 0; cards < 2; cards++) { /* even where no tensor has the name */
        r = on_cards(cards);
        strcpy(r.override_tensor, cards ? "none=CUDA1" : "none=CUDA0");
        ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, &err), BB_E_ARG);
        ck_assert_ptr_nonnull(strstr(err.text, "unknown buffer type"));
    }
}
END_TEST

START_TEST(cache_on_the_host) {
    open_model("gemma-3-4b");
    bb_plan_request r = on_cards(2);
    r.ctx = 32768;
    r.kv_on_host = true;
    bb_plan p = make(&r);
    /* 29 of 34 layers keep a window of 1024 and a batch of 512, padded to 256 */
    uint64_t layer = 2 * 4 * 256 * 2, window = 1536 * layer, full = 32768 * layer;
    ck_assert_uint_eq(bytes(&p, "kv_cache", "host"), 29 * window + 5 * full);
    ck_assert_uint_eq(bytes(&p, "kv_cache", "gpu0") + bytes(&p, "kv_cache", "gpu1"), 0);
    bb_plan_clear(&p);
    r.swa_full = true;
    p = make(&r);
    ck_assert_uint_eq(bytes(&p, "kv_cache", "host"), 34 * full);
    bb_plan_clear(&p);
}
END_TEST

/* ggml-cuda.cu reads rows of quantized tensors in steps of 512 elements: gemma-3-1b keeps 256 a token. */
START_TEST(padded_rows) {
    open_model("gemma-3-1b");
    bb_plan_request r = on_cards(1);
    strcpy(r.kv_k, "q8_0");
    strcpy(r.kv_v, "f16");
    r.swa_full = true;
    bb_plan p = make(&r);
    uint64_t cuda = bytes(&p, "kv_cache", "gpu0");
    bb_plan_clear(&p);
    r.backend = BB_BACKEND_GENERIC;
    p = make(&r);
    ck_assert_uint_eq(bytes(&p, "kv_cache", "gpu0"), 26ull * 4096 * 256 * (34 + 64) / 32);
    /* 256 more elements once a layer: 272 bytes, on a boundary of 128 */
    ck_assert_uint_eq(cuda - bytes(&p, "kv_cache", "gpu0"), 26 * 384);
    bb_plan_clear(&p);
}
END_TEST

START_TEST(refused) {
    bb_plan p;
    bb_error err = {0};
    open_model("deepseek-v2-lite");
    bb_plan_request r = on_cards(1);
    strcpy(r.kv_k, "q8_0");
    strcpy(r.kv_v, "f16");
    ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, &err), BB_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "does not support different K"));
    open_model("llama-3.1-8b");
    r.flash_attn = -1;
    strcpy(r.kv_v, "q8_0");
    ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, &err), BB_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "requires flash_attn"));
    r = on_cards(1);
    r.parallel = 257;
    ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, &err), BB_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "n_seq_max must be <= 256"));
    r.parallel = 4;
    r.outputs = 3;
    ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, &err), BB_E_ARG);
    r = on_cards(16);
    r.ctx = UINT64_C(1) << 60;
    ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, &err), BB_E_OVERFLOW);
    r.n_cards = 17;
    ck_assert_int_eq(bb_plan_subject(&subject, &r, &p, &err), BB_E_ARG);
}
END_TEST

/* server/routes.go and server/sched.go of ollama: 4096, 32768 or 262144 tokens by the memory of all cards, clipped to
 * the model's own; a batch of 512, 1024 or 2048 by the context, when the memory leaves room; one sequence. */
START_TEST(ollama) {
    static const struct {
        uint64_t gib, cards, parallel, ctx, batch;
    } cases[] = {{16, 1, 1, 4096, 512},   {24, 1, 1, 32768, 1024},  {24, 2, 1, 131072, 2048},
                 {24, 1, 4, 32768, 512},  {80, 1, 1, 131072, 2048}, {16, 0, 1, 4096, 512},
                 {24, 2, 4, 131072, 512}, {160, 1, 2, 131072, 2048}};
    open_model("llama-3.1-8b");
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        bb_plan_request r = on_cards(cases[k].cards);
        r.engine = BB_ENGINE_OLLAMA;
        r.ctx = 0;
        r.parallel = cases[k].parallel == 1 ? 0 : cases[k].parallel;
        for (size_t i = 0; i < cases[k].cards; i++) r.cards[i].limit_bytes = cases[k].gib << 30;
        if (!cases[k].cards) r.cards[0].limit_bytes = cases[k].gib << 30;
        bb_plan p = make(&r);
        ck_assert_uint_eq(p.used.ctx, cases[k].ctx);
        ck_assert_msg(p.used.batch == cases[k].batch, "case %zu: batch %llu", k, (unsigned long long)p.used.batch);
        ck_assert_uint_eq(p.used.ubatch, p.used.batch);
        ck_assert_uint_eq(p.used.parallel, cases[k].parallel);
        uint64_t kv = bytes(&p, "kv_cache", "gpu0") + bytes(&p, "kv_cache", "gpu1") + bytes(&p, "kv_cache", "host");
        ck_assert_uint_eq(kv, cases[k].ctx * cases[k].parallel * 32 * 2 * 1024 * 2);
        bb_plan_clear(&p);
    }
}
END_TEST

/* The same numbers with and without texts, whatever was asked before: nothing of an earlier plan is left. */
START_TEST(numbers_alone) {
    static const char *const models[] = {"llama-3.1-8b", "qwen3-30b-a3b", "gemma-3-4b", "deepseek-v2-lite", "demo"};
    static const char *const types[] = {"q4_K_M", "q8_0", "f16"};
    bb_plan again = {0};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        open_model(models[m]);
        for (size_t k = 0; k < 48; k++) {
            bb_plan_request r = on_cards(k % 4);
            strcpy(r.weights, types[k % 3]);
            r.ctx = 1024 * (1 + k % 5);
            r.parallel = 1 + k % 2;
            r.gpu_layers_set = k % 3 != 0;
            r.gpu_layers = k;
            r.cpu_moe_layers = k % 7;
            r.imatrix = k % 5 == 0;
            r.kv_on_host = k % 11 == 0;
            r.backend = k % 2 ? BB_BACKEND_CUDA : BB_BACKEND_GENERIC;
            r.cards[0].limit_bytes = r.cards[1].limit_bytes = r.cards[2].limit_bytes = UINT64_C(24) << 30;
            bb_plan p = make(&r);
            ck_assert_int_eq(bb_plan_numbers(&subject, &r, &again, NULL), BB_OK);
            ck_assert_uint_eq(p.total_bytes, again.total_bytes);
            ck_assert_uint_eq(p.low_bytes, again.low_bytes);
            ck_assert_uint_eq(p.high_bytes, again.high_bytes);
            ck_assert_uint_eq(p.host_bytes, again.host_bytes);
            ck_assert_int_eq(p.fits, again.fits);
            ck_assert_str_eq(p.used.weights, again.used.weights);
            bb_plan_clear(&p);
        }
    }
    bb_plan_clear(&again);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("plan_llama");
    TCase *t = tcase_create("plan_llama");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, layers_by_share);
    tcase_add_test(t, split_modes);
    tcase_add_test(t, tensors_elsewhere);
    tcase_add_test(t, overrides_name_cards);
    tcase_add_test(t, cache_on_the_host);
    tcase_add_test(t, padded_rows);
    tcase_add_test(t, refused);
    tcase_add_test(t, ollama);
    tcase_add_test(t, numbers_alone);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
