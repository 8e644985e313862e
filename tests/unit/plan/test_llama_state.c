/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_llama_state.c - states of recurrent layers against the sizes that a log of llama.cpp prints, and the layers that
 * keep keys and values instead, for each way in which metadata tells them apart. */
#include "base/sink.h"
#include "file/gguf_write.h"
#include "harness.h"
#include "plan/plan.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct key {
    const char *name;
    uint32_t v;
} key;

typedef struct hybrid {
    const char *architecture;
    key keys[20];
} hybrid;

static char path[] = "/tmp/bb_state_XXXXXX";
static void setup(void) {
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}
static void teardown(void) {
    (void)unlink(path);
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
}

/* One matrix and the keys; what else such a model holds does not matter to its states. */
static void write_model(const hybrid *h) {
    bb_gguf_out *o;
    bb_sink *sink;
    bb_error err = {0};
    const uint64_t dims[2] = {32, 8};
    const unsigned char *header;
    size_t header_bytes;
    uint64_t bytes;
    char name[96];
    ck_assert_int_eq(bb_gguf_out_new(0, &o, &err), BB_OK);
    ck_assert_int_eq(bb_gguf_out_text(o, "general.architecture", h->architecture), BB_OK);
    for (const key *k = h->keys; k->name; k++) {
        (void)snprintf(name, sizeof name, "%s.%s", h->architecture, k->name);
        ck_assert_int_eq(bb_gguf_out_u32(o, name, k->v), BB_OK);
    }
    ck_assert_int_eq(bb_gguf_out_tensor(o, "token_embd.weight", 2, dims, bb_dtype_find("f32", NULL), &err), BB_OK);
    ck_assert_msg(bb_gguf_out_seal(o, &header, &header_bytes, &bytes, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(bb_sink_open(path, bytes, true, &sink, &err) == BB_OK, "%s", err.text);
    ck_assert_int_eq(bb_sink_write(sink, 0, header, header_bytes, &err), BB_OK);
    ck_assert_msg(bb_sink_commit(sink, &err) == BB_OK, "%s", err.text);
    bb_gguf_out_free(o);
}

static bb_status plan_model(const char *model, const char *kv, uint64_t parallel, uint64_t ctx, bb_plan *p,
                            bb_error *err) {
    bb_model *m;
    bb_plan_request r = {.purpose = BB_FOR_INFER,
                         .engine = BB_ENGINE_LLAMA_CPP,
                         .no_gpu = true,
                         .overhead_set = true,
                         .parallel = parallel,
                         .ctx = ctx};
    (void)snprintf(r.kv_k, sizeof r.kv_k, "%s", kv);
    (void)snprintf(r.kv_v, sizeof r.kv_v, "%s", kv);
    r.kv_unified = true;
    bb_status st = bb_model_find(model, &m, err);
    if (st) return st;
    st = bb_plan_make(m, &r, p, err);
    bb_model_free(m);
    return st;
}

static bb_status plan(uint64_t parallel, uint64_t ctx, bb_plan *p, bb_error *err) {
    return plan_model(path, "", parallel, ctx, p, err);
}

static uint64_t bytes_of(const bb_plan *p, const char *component) {
    uint64_t n = 0;
    for (size_t i = 0; i < p->n_lines; i++)
        if (strcmp(p->lines[i].component, component) == 0) n += p->lines[i].bytes;
    return n;
}

static const hybrid qwen36 = {"qwen35",
                              {{"block_count", 64},
                               {"embedding_length", 5120},
                               {"feed_forward_length", 17408},
                               {"attention.head_count", 24},
                               {"attention.head_count_kv", 4},
                               {"attention.key_length", 256},
                               {"attention.value_length", 256},
                               {"context_length", 262144},
                               {"full_attention_interval", 4},
                               {"ssm.conv_kernel", 4},
                               {"ssm.inner_size", 6144},
                               {"ssm.state_size", 128},
                               {"ssm.group_count", 16},
                               {"ssm.time_step_rank", 48}}};

/* Qwen3.6-27B with 4 sequences: its log says R 22.5 MiB and S 576 MiB; 16 of 64 layers attend. */
START_TEST(log_of_qwen36) {
    bb_plan p;
    bb_error err = {0};
    write_model(&qwen36);
    ck_assert_msg(plan(4, 8192, &p, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(bytes_of(&p, "recurrent_state:conv"), 45 << 19);
    ck_assert_uint_eq(bytes_of(&p, "recurrent_state:state"), 576 << 20);
    ck_assert_uint_eq(bytes_of(&p, "recurrent_state"), (45 << 19) + (576 << 20));
    ck_assert_uint_eq(bytes_of(&p, "kv_cache"), 16 * 2 * 4 * 256 * 8192ull * 2);
    bb_plan_clear(&p);
}
END_TEST

/* llama_logs.csv 33, in full: its KV cache is of q8_0, its output buffer of 3.79 MiB; and the file's 27.32 B parameters
 * are the model's and those of the layer that predicts further tokens (qwen35.cpp, load_block_mtp). */
START_TEST(log_of_the_catalogue) {
    bb_plan p;
    bb_error err = {0};
    const uint64_t h = 5120, attention = 2 * h * 24 * 256 + h * 24 * 256 + 2 * h * 4 * 256 + 2 * 256;
    const uint64_t further = attention + 3 * h * 17408 + 2 * h + 2 * h * h + 3 * h;
    ck_assert_msg(plan_model("qwen3.6-27b", "q8_0", 4, 131072, &p, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(bytes_of(&p, "kv_cache"), UINT64_C(4352) << 20);
    ck_assert_uint_eq(bytes_of(&p, "recurrent_state:conv"), 45 << 19);
    ck_assert_uint_eq(bytes_of(&p, "recurrent_state:state"), 576 << 20);
    ck_assert_uint_eq(bytes_of(&p, "output_buffer"), 4 * 4 * 248320);
    uint64_t parameters = p.parameters;
    bb_plan_clear(&p);
    ck_assert_uint_eq((parameters + further + 5000000) / 10000000, 2732);
}
END_TEST

/* A state does not grow with the context, and one for each sequence. */
START_TEST(grows_with_sequences_only) {
    bb_plan a, b, c;
    bb_error err = {0};
    write_model(&qwen36);
    ck_assert_int_eq(plan(1, 4096, &a, &err), BB_OK);
    ck_assert_int_eq(plan(1, 65536, &b, &err), BB_OK);
    ck_assert_int_eq(plan(3, 4096, &c, &err), BB_OK);
    ck_assert_uint_eq(bytes_of(&a, "recurrent_state"), bytes_of(&b, "recurrent_state"));
    ck_assert_uint_eq(3 * bytes_of(&a, "recurrent_state"), bytes_of(&c, "recurrent_state"));
    bb_plan_clear(&a);
    bb_plan_clear(&b);
    bb_plan_clear(&c);
}
END_TEST

/* Shapes of the models' own config.json; elements by the formulas of memory.md 2.2. */
START_TEST(families) {
    static const struct {
        hybrid model;
        uint64_t layers, elements; /* that keep a state; of one of them */
        uint64_t kv_elements;      /* of a token in all layers */
    } rows[] = {
        {{"mamba",
          {{"block_count", 24},
           {"embedding_length", 768},
           {"ssm.conv_kernel", 4},
           {"ssm.inner_size", 1536},
           {"ssm.state_size", 16}}},
         24,
         3 * 1536 + 16 * 1536,
         0},
        {{"mamba2",
          {{"block_count", 24},
           {"embedding_length", 768},
           {"ssm.conv_kernel", 4},
           {"ssm.inner_size", 1536},
           {"ssm.state_size", 128},
           {"ssm.group_count", 1}}},
         24,
         3 * (1536 + 256) + 128 * 1536,
         0},
        {{"rwkv6", {{"block_count", 24}, {"embedding_length", 2048}, {"wkv.head_size", 64}}},
         24,
         2 * 2048 + 64 * 2048,
         0},
        {{"falcon-h1",
          {{"block_count", 36},
           {"embedding_length", 1024},
           {"attention.head_count", 8},
           {"attention.head_count_kv", 2},
           {"attention.key_length", 64},
           {"ssm.conv_kernel", 4},
           {"ssm.inner_size", 1536},
           {"ssm.state_size", 128},
           {"ssm.group_count", 1}}},
         36,
         3 * (1536 + 256) + 128 * 1536,
         36 * 2 * 2 * 64},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bb_plan p;
        bb_error err = {0};
        write_model(&rows[i].model);
        ck_assert_msg(plan(2, 1024, &p, &err) == BB_OK, "%s", err.text);
        ck_assert_uint_eq(bytes_of(&p, "recurrent_state"), rows[i].layers * rows[i].elements * 2 * 4);
        ck_assert_uint_eq(bytes_of(&p, "kv_cache"), rows[i].kv_elements * 1024 * 2);
        bb_plan_clear(&p);
    }
}
END_TEST

/* What nobody knows whole fits nowhere for certain, however large the limit; what is known may still be too much. */
START_TEST(unknown_families) {
    static const hybrid models[] = {{"kimi-linear",
                                     {{"block_count", 4},
                                      {"embedding_length", 64},
                                      {"feed_forward_length", 256},
                                      {"attention.head_count", 4},
                                      {"attention.head_count_kv", 2},
                                      {"attention.key_length", 32}}},
                                    {"mamba",
                                     {{"block_count", 4},
                                      {"embedding_length", 64},
                                      {"ssm.conv_kernel", 4},
                                      {"ssm.inner_size", 128},
                                      {"ssm.state_size", 16}}},
                                    {"nothing-told", {{"block_count", 4}}}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        bb_model *m;
        bb_plan p;
        bb_fit f;
        bb_plan_request r = {.purpose = BB_FOR_INFER,
                             .engine = BB_ENGINE_LLAMA_CPP,
                             .overhead_set = true,
                             .ctx = 1024,
                             .parallel = 2,
                             .cards[0].limit_bytes = UINT64_C(1) << 50};
        write_model(&models[i]);
        ck_assert_int_eq(bb_model_find(path, &m, NULL), BB_OK);
        ck_assert_int_eq(bb_plan_make(m, &r, &p, NULL), BB_OK);
        ck_assert(p.partial);
        ck_assert_int_eq(p.fits, BB_FITS_MAYBE);
        ck_assert(*p.note[0]);
        /* keys and values of every layer; logits of 8 words for each sequence */
        ck_assert_uint_eq(bytes_of(&p, "kv_cache"), i ? 0 : 4 * 2 * 2 * 32 * 1024 * 2);
        ck_assert_uint_eq(bytes_of(&p, "output_buffer"), i == 2 ? 0 : 8 * 2 * 4);
        ck_assert_int_eq(bytes_of(&p, "compute_buffer") > 0, i < 2);
        uint64_t high = p.high_bytes;
        bb_plan_clear(&p);
        ck_assert_int_eq(bb_fit_make(m, &r, BB_SOLVE_LAYERS, &f, NULL), BB_E_UNSUPPORTED);
        r.cards[0].limit_bytes = 1;
        ck_assert_int_eq(bb_plan_make(m, &r, &p, NULL), BB_OK);
        ck_assert_int_eq(p.fits, p.low_bytes > 1 ? BB_FITS_NO : BB_FITS_MAYBE);
        bb_plan_clear(&p);
        r.purpose = BB_FOR_LOAD;
        r.cards[0].limit_bytes = high + 1024;
        ck_assert_int_eq(bb_plan_make(m, &r, &p, NULL), BB_OK);
        ck_assert(!p.partial);
        ck_assert_int_eq(p.fits, BB_FITS_YES);
        bb_plan_clear(&p);
        bb_model_free(m);
    }
}
END_TEST

static bb_status read_arch(void) {
    bb_file *f;
    bb_arch *a;
    ck_assert_int_eq(bb_file_open(path, &f, NULL), BB_OK);
    bb_status st = bb_arch_from_file(f, &a, NULL);
    if (!st) bb_arch_free(a);
    bb_file_close(f);
    return st;
}

START_TEST(hostile) {
    static const hybrid none = {"qwen35",
                                {{"block_count", 64}, {"embedding_length", 64}, {"full_attention_interval", 0}}};
    static const hybrid many = {"mamba", {{"block_count", 513}, {"embedding_length", 64}}};
    static const hybrid wide = {"mamba",
                                {{"block_count", 512},
                                 {"embedding_length", 64},
                                 {"ssm.conv_kernel", UINT32_MAX},
                                 {"ssm.inner_size", UINT32_MAX},
                                 {"ssm.state_size", UINT32_MAX},
                                 {"ssm.group_count", UINT32_MAX}}};
    bb_plan p;
    bb_error err = {0};
    write_model(&none);
    ck_assert_int_eq(read_arch(), BB_E_INVALID);
    write_model(&many);
    ck_assert_int_eq(read_arch(), BB_E_INVALID);
    write_model(&wide);
    ck_assert_int_eq(plan(1, 512, &p, &err), BB_E_OVERFLOW);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("llama_state");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, log_of_qwen36);
    tcase_add_test(t, log_of_the_catalogue);
    tcase_add_test(t, grows_with_sequences_only);
    tcase_add_test(t, families);
    tcase_add_test(t, unknown_families);
    tcase_add_test(t, hostile);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
