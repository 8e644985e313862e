/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_packed.c - what shapes of packed tensors tell where no config does, and the parameters that they stand for. */
#include "file/made_tensors.h"
#include "model/packed.h"

typedef struct entry {
    const char *name, *type;
    uint64_t dims[4];
} entry;

static bb_file *file_of(const entry *e, uint64_t last) {
    unsigned char data[8];
    made_tensors m;
    made_tensors_begin(&m);
    for (; e->name; e++) made_tensor(&m, e->name, e->type, e->dims);
    for (size_t i = 0; i < 8; i++) data[i] = (unsigned char)(last >> 8 * i);
    return made_tensors_open(&m, "m", data, m.bytes < 8 ? m.bytes : 8);
}

/* One matrix of 256 inputs and 512 outputs in each layout. */
START_TEST(shapes_tell) {
    static const struct {
        entry e[5];
        bb_quant_method method;
        uint64_t bits, group;
    } cases[] = {
        {{{"a.qweight", "i32", {32, 512}}, {"a.qzeros", "i32", {2, 64}}, {"a.scales", "f16", {2, 512}}},
         BB_QUANT_GPTQ,
         4,
         128},
        {{{"a.qweight", "i32", {24, 512}}, {"a.qzeros", "i32", {8, 48}}, {"a.scales", "f16", {8, 512}}},
         BB_QUANT_GPTQ,
         3,
         32},
        {{{"a.qweight", "i32", {64, 512}}, {"a.qzeros", "i32", {1, 128}}, {"a.scales", "f16", {1, 512}}},
         BB_QUANT_GPTQ,
         8,
         0},
        {{{"a.qweight", "i32", {256, 64}}, {"a.qzeros", "i32", {4, 64}}, {"a.scales", "f16", {4, 512}}},
         BB_QUANT_AWQ,
         4,
         64},
        {{{"a.weight", "u32", {512, 32}}, {"a.scales", "f16", {512, 4}}, {"a.biases", "f16", {512, 4}}},
         BB_QUANT_MLX,
         4,
         64},
        {{{"a.weight", "u32", {512, 24}}, {"a.scales", "f16", {512, 8}}, {"a.biases", "f16", {512, 8}}},
         BB_QUANT_MLX,
         3,
         32},
        {{{"a.weight", "e4m3fn", {512, 256}}, {"a.weight_scale_inv", "f32", {4, 2}}}, BB_QUANT_FP8, 8, 128},
        {{{"a.weight", "u8", {65536, 1}}, {"a.weight.absmax", "f32", {2048}}}, BB_QUANT_BNB_4BIT, 4, 64},
        {{{"a.weight", "i8", {512, 256}}, {"a.SCB", "f32", {512}}}, BB_QUANT_BNB_INT8, 8, 0},
    };
    made_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_quantization q = {0};
        bb_file *f = file_of(cases[i].e, 0);
        bb_quantization_from_file(f, &q);
        ck_assert_msg(q.method == cases[i].method && q.bits == cases[i].bits && q.group == cases[i].group,
                      "case %zu: %s, %" PRIu64 " bits, group %" PRIu64, i, q.label, q.bits, q.group);
        ck_assert_msg(bb_packed_parameters(f, &q) == 131072, "case %zu: %" PRIu64, i, bb_packed_parameters(f, &q));
        bb_file_close(f);
    }
    made_end();
}
END_TEST

/* 8 bits in groups of 32 have the words of 4 bits in groups of 64: the norm tells them apart. */
START_TEST(norm_tells) {
    static const entry e[] = {{"model.embed_tokens.weight", "u32", {512, 64}},
                              {"model.embed_tokens.scales", "f16", {512, 8}},
                              {"model.embed_tokens.biases", "f16", {512, 8}},
                              {"model.norm.weight", "f16", {256}},
                              {0}};
    bb_quantization q = {0};
    made_begin();
    bb_file *f = file_of(e, 0);
    bb_quantization_from_file(f, &q);
    ck_assert_uint_eq(q.bits, 8);
    ck_assert_uint_eq(q.group, 32);
    ck_assert_uint_eq(bb_packed_parameters(f, &q), 512 * 256 + 256);
    bb_file_close(f);
    made_end();
}
END_TEST

/* mlx-lm's experts have three dimensions; scales whose leading ones differ belong to another matrix. */
START_TEST(stacked_experts) {
    static const entry good[] = {
        {"e.weight", "u32", {16, 128, 32}}, {"e.scales", "f16", {16, 128, 4}}, {"e.biases", "f16", {16, 128, 4}}, {0}};
    static const entry other[] = {
        {"e.weight", "u32", {16, 128, 32}}, {"e.scales", "f16", {8, 128, 4}}, {"e.biases", "f16", {8, 128, 4}}, {0}};
    bb_quantization q = {.method = BB_QUANT_MLX, .bits = 4, .group = 64};
    made_begin();
    bb_file *f = file_of(good, 0);
    ck_assert_uint_eq(bb_packed_parameters(f, &q), 16 * 128 * 256);
    bb_file_close(f);
    f = file_of(other, 0);
    ck_assert_uint_eq(bb_packed_parameters(f, &q), 16 * 128 * 32);
    bb_file_close(f);
    made_end();
}
END_TEST

/* A bias of zeros beside GPTQ's words is AutoGPTQ's own; one that holds anything is the model's. */
START_TEST(zero_biases) {
    static const entry e[] = {
        {"a.qweight", "i32", {32, 512}}, {"a.g_idx", "i32", {256}}, {"a.bias", "f16", {512}}, {0}};
    static const entry bare[] = {
        {"a.weight", "f16", {4, 4}}, {"b.qweight", "i32", {32, 8}}, {"a.bias", "f16", {4}}, {0}};
    bb_quantization q = {.method = BB_QUANT_GPTQ, .bits = 4, .group = 128};
    made_begin();
    bb_file *f = file_of(e, 0);
    ck_assert_uint_eq(bb_packed_parameters(f, &q), 131072);
    bb_file_close(f);
    f = file_of(e, 1);
    ck_assert_uint_eq(bb_packed_parameters(f, &q), 131072 + 512);
    bb_quantization_from_file(f, &q);
    ck_assert(!q.no_index);
    bb_file_close(f);
    f = file_of(bare, 0);
    ck_assert_uint_eq(bb_packed_parameters(f, &q), 16 + 256 * 8 + 4);
    bb_quantization_from_file(f, &q);
    ck_assert(q.no_index);
    bb_file_close(f);
    made_end();
}
END_TEST

/* Whether an expression is read or not, the shapes tell the parameters: a matrix of 8 bits among those of 4. */
START_TEST(unread_expressions) {
    static const entry e[] = {{"a.qweight", "i32", {64, 512}}, {"a.g_idx", "i32", {256}}, {0}};
    static const struct {
        const char *expression, *label;
    } cases[] = {{"+:.*(a|b)", "gptq 4 bit, group 128"},
                 {"+:(?=.*a)", "gptq 4 bit, group 128, some expressions unread"},
                 {"+:*", "gptq 4 bit, group 128, some expressions unread"}};
    made_begin();
    bb_file *f = file_of(e, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char config[256];
        bb_quantization q = {0};
        snprintf(config, sizeof config,
                 "{\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":128,"
                 "\"dynamic\":{\"%s\":{\"bits\":8}}}}",
                 cases[i].expression);
        ck_assert_int_eq(bb_quantization_read(config, strlen(config), "c", false, &q, NULL), BB_OK);
        ck_assert(bb_quantization_known(&q) == (i == 0));
        ck_assert_str_eq(q.label, cases[i].label);
        ck_assert((bb_quantization_rule(&q, "b") != NULL) == (i == 0));
        ck_assert_uint_eq(bb_packed_parameters(f, &q), 256 * 512);
        bb_quantization_clear(&q);
    }
    bb_file_close(f);
    made_end();
}
END_TEST

/* A megabyte of expressions that would be 10^9 instructions: the first of them are read, and the config is told. */
START_TEST(costly_expressions) {
    enum { N = 60000 };
    static const char one[] = "\"re:(a{1000}){0}.{999}\",";
    char *config = malloc((size_t)N * sizeof one + 128);
    bb_quantization q = {0};
    ck_assert_ptr_nonnull(config);
    size_t n = (size_t)sprintf(config, "%s", "{\"quantization_config\":{\"quant_method\":\"fp8\",\"ignored_layers\":[");
    for (size_t i = 0; i < N; i++, n += sizeof one - 1) memcpy(config + n, one, sizeof one);
    n += (size_t)sprintf(config + n, "%s", "\"lm_head\"]}}");
    ck_assert_int_eq(bb_quantization_read(config, n, "c", false, &q, NULL), BB_OK);
    ck_assert(q.unread && !bb_quantization_known(&q));
    ck_assert_uint_gt(q.n_skips, 1000);
    ck_assert_uint_lt(q.n_skips, 4000);
    ck_assert(bb_quantization_skips(&q, "lm_head")); /* a plain name has no cost */
    ck_assert_uint_gt(bb_quantization_steps(&q), 1000000);
    bb_quantization_clear(&q);
    free(config);
}
END_TEST

/* Layouts that are not known: the width opens AWQ's words in any order, weight_shape tells a matrix, unless it is more
 * or less than its words can hold. */
START_TEST(other_layouts) {
    static const entry gemv[] = {{"a.qweight", "i32", {512, 32}}, {"a.scales", "f16", {512, 8}}, {0}};
    static const entry packed[] = {{"a.weight_packed", "i32", {512, 86}}, {"a.weight_shape", "i64", {2}}, {0}};
    bb_quantization q = {.method = BB_QUANT_OTHER, .bits = 4};
    made_begin();
    bb_file *f = file_of(gemv, 0);
    ck_assert_uint_eq(bb_packed_parameters(f, &q), 131072);
    bb_file_close(f);
    for (uint64_t rows = 0; rows < 3; rows++) {
        made_tensors m;
        unsigned char shape[16] = {0, 2}; /* 512 x 256, 3 bits: 10 in a word, 86 words */
        shape[9] = (unsigned char)rows;
        made_tensors_begin(&m);
        for (const entry *e = packed; e->name; e++) made_tensor(&m, e->name, e->type, e->dims);
        f = made_tensors_open(&m, "m", shape, 16);
        uint64_t want = rows ? 512 * 256 * rows : 512 * 86 * 8; /* no shape: 4 bits */
        ck_assert_uint_eq(bb_packed_parameters(f, &q), want);
        bb_file_close(f);
    }
    made_end();
}
END_TEST

/* Shapes that no tool writes end in a layout that is not known, never in a division by zero. */
START_TEST(hostile_shapes) {
    static const entry cases[][4] = {
        {{"a.qweight", "i32", {1}}, {"a.scales", "f16", {1, 1}}, {"a.qzeros", "i32", {1, 1}}},
        {{"a.qweight", "i32", {2, 2}}, {"a.scales", "f16", {2, 64}}, {"a.qzeros", "i32", {2, 1}}},
        {{".qweight", "i32", {2, 2}}},
    };
    made_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_quantization q = {0};
        bb_file *f = file_of(cases[i], 0);
        bb_quantization_from_file(f, &q);
        ck_assert_msg(q.method == BB_QUANT_OTHER, "case %zu: %s", i, q.label);
        ck_assert_uint_gt(bb_packed_parameters(f, &q), 0);
        bb_file_close(f);
    }
    made_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("packed");
    TCase *t = tcase_create("packed");
    tcase_add_test(t, shapes_tell);
    tcase_add_test(t, norm_tells);
    tcase_add_test(t, stacked_experts);
    tcase_add_test(t, zero_biases);
    tcase_add_test(t, unread_expressions);
    tcase_add_test(t, costly_expressions);
    tcase_add_test(t, other_layouts);
    tcase_add_test(t, hostile_shapes);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
