/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_dtype.c - the storage types against the table that ggml itself printed; names, ids, rows, limits. */
#include "format/dtype.h"
#include "harness.h"
#include <string.h>

/* ggml 0.25.1, ggml_get_type_traits of the shipped library: id, name, elements and bytes of a block, bits per weight.
 */
static const struct {
    uint32_t id;
    const char *name;
    uint32_t block, bytes;
    double bits;
} ggml[] = {
    {0, "f32", 1, 4, 32},
    {1, "f16", 1, 2, 16},
    {2, "q4_0", 32, 18, 4.5},
    {3, "q4_1", 32, 20, 5},
    {6, "q5_0", 32, 22, 5.5},
    {7, "q5_1", 32, 24, 6},
    {8, "q8_0", 32, 34, 8.5},
    {9, "q8_1", 32, 36, 9},
    {10, "q2_K", 256, 84, 2.625},
    {11, "q3_K", 256, 110, 3.4375},
    {12, "q4_K", 256, 144, 4.5},
    {13, "q5_K", 256, 176, 5.5},
    {14, "q6_K", 256, 210, 6.5625},
    {15, "q8_K", 256, 292, 9.125},
    {16, "iq2_xxs", 256, 66, 2.0625},
    {17, "iq2_xs", 256, 74, 2.3125},
    {18, "iq3_xxs", 256, 98, 3.0625},
    {19, "iq1_s", 256, 50, 1.5625},
    {20, "iq4_nl", 32, 18, 4.5},
    {21, "iq3_s", 256, 110, 3.4375},
    {22, "iq2_s", 256, 82, 2.5625},
    {23, "iq4_xs", 256, 136, 4.25},
    {24, "i8", 1, 1, 8},
    {25, "i16", 1, 2, 16},
    {26, "i32", 1, 4, 32},
    {27, "i64", 1, 8, 64},
    {28, "f64", 1, 8, 64},
    {29, "iq1_m", 256, 56, 1.75},
    {30, "bf16", 1, 2, 16},
    {34, "tq1_0", 256, 54, 1.6875},
    {35, "tq2_0", 256, 66, 2.0625},
    {39, "mxfp4", 32, 17, 4.25},
    {40, "nvfp4", 64, 36, 4.5},
    {41, "q1_0", 128, 18, 1.125},
    {42, "q2_0", 64, 18, 2.25},
};

START_TEST(the_types_of_ggml) {
    size_t known = 0;
    for (uint32_t id = 0; id < 70000; id++) known += bb_dtype_from_gguf(id) != NULL;
    ck_assert_uint_eq(known, sizeof ggml / sizeof *ggml);
    ck_assert_ptr_null(bb_dtype_from_gguf(UINT32_MAX)); /* BB_NO_GGUF_ID as unsigned */
    for (size_t i = 0; i < sizeof ggml / sizeof *ggml; i++) {
        const bb_dtype *t = bb_dtype_from_gguf(ggml[i].id);
        ck_assert_msg(t != NULL, "%s", ggml[i].name);
        ck_assert_str_eq(t->name, ggml[i].name);
        ck_assert_uint_eq(t->block, ggml[i].block);
        ck_assert_uint_eq(t->block_bytes, ggml[i].bytes);
        ck_assert_uint_eq(t->row_bytes, 0);
        ck_assert(bb_dtype_bits_per_weight(t, 4096) == ggml[i].bits);
        ck_assert_ptr_eq(bb_dtype_find(ggml[i].name, NULL), t);
    }
}
END_TEST

/* Bits of an element, as the safetensors library sizes its Dtype. */
START_TEST(the_types_of_safetensors) {
    static const struct {
        const char *name;
        unsigned bits;
    } types[] = {{"BOOL", 8},    {"U8", 8},          {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8},
                 {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},
                 {"F16", 16},    {"BF16", 16},       {"I32", 32},        {"U32", 32},    {"F32", 32},
                 {"C64", 64},    {"F64", 64},        {"I64", 64},        {"U64", 64}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const bb_dtype *t = bb_dtype_from_safetensors(types[i].name);
        ck_assert_msg(t != NULL, "%s", types[i].name);
        ck_assert_uint_eq(t->block, 1);
        ck_assert_uint_eq(8 * t->block_bytes, types[i].bits);
        ck_assert_ptr_eq(bb_dtype_find(types[i].name, NULL), t);
    }
    ck_assert_ptr_null(bb_dtype_from_safetensors("f32")); /* headers are in upper case */
    ck_assert_ptr_null(bb_dtype_from_safetensors("F8_E4M3B11FNUZ"));
    ck_assert_ptr_null(bb_dtype_from_safetensors(""));
    ck_assert_str_eq(bb_dtype_name(bb_dtype_from_safetensors("F8_E4M3")), "e4m3fn");
}
END_TEST

START_TEST(names) {
    bb_error err = {0};
    static const char *const pairs[][2] = {{"fp16", "f16"},         {"FLOAT16", "f16"},   {"Q4_k", "q4_K"},
                                           {"bfloat16", "bf16"},    {"fp32", "f32"},      {"double", "f64"},
                                           {"float8_e5m2", "e5m2"}, {"F8_E4M3", "e4m3fn"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        ck_assert_str_eq(bb_dtype_name(bb_dtype_find(pairs[i][0], NULL)), pairs[i][1]);
    /* one spelling, one type */
    for (size_t i = 0; i < bb_dtype_count(); i++)
        for (size_t k = 0; k < i; k++) {
            const bb_dtype *a = bb_dtype_at(i), *b = bb_dtype_at(k);
            ck_assert(!bb_name_eq(a->name, b->name));
            ck_assert(!a->st_name || !b->st_name || strcmp(a->st_name, b->st_name) != 0);
            ck_assert(a->gguf_id < 0 || a->gguf_id != b->gguf_id);
        }
    for (size_t i = 0; i < bb_dtype_count(); i++)
        ck_assert_ptr_eq(bb_dtype_find(bb_dtype_at(i)->name, NULL), bb_dtype_at(i));
    ck_assert_ptr_null(bb_dtype_at(bb_dtype_count()));
    ck_assert_ptr_null(bb_dtype_find("q4_k_m", &err));
    ck_assert(err.status == BB_E_NAME && strstr(err.hint, "q4_K"));
    ck_assert_ptr_null(bb_dtype_find("", &err));
    ck_assert_ptr_null(bb_dtype_find("f\x1b[31m", &err));
    ck_assert_ptr_null(strchr(err.text, '\x1b'));
}
END_TEST

START_TEST(rows) {
    uint64_t n = 7;
    ck_assert_int_eq(bb_dtype_row_bytes(bb_dtype_find("q4_K", NULL), 4096, &n), BB_OK);
    ck_assert_uint_eq(n, 4096 / 256 * 144);
    ck_assert_int_eq(bb_dtype_row_bytes(bb_dtype_find("q4_K", NULL), 4097, &n), BB_E_ARG);
    ck_assert_int_eq(bb_dtype_row_bytes(bb_dtype_find("f64", NULL), UINT64_MAX / 8 + 1, &n), BB_E_OVERFLOW);
    ck_assert_int_eq(bb_dtype_row_bytes(bb_dtype_find("int8", NULL), UINT64_MAX - 3, &n), BB_E_OVERFLOW);
    ck_assert_uint_eq(n, 4096 / 256 * 144); /* untouched */
    ck_assert_int_eq(bb_dtype_row_bytes(bb_dtype_find("int8", NULL), 4096, &n), BB_OK);
    ck_assert_uint_eq(n, 4100); /* one fp32 scale a row */
    ck_assert_int_eq(bb_dtype_row_bytes(bb_dtype_find("nf4", NULL), 4096, &n), BB_OK);
    ck_assert_uint_eq(n, 4096 / 2 + 4096 / 64 * 4);
    ck_assert_int_eq(bb_dtype_row_bytes(bb_dtype_find("f16", NULL), 0, &n), BB_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert(bb_dtype_bits_per_weight(bb_dtype_find("int8", NULL), 0) == 8);
    ck_assert(bb_dtype_bits_per_weight(bb_dtype_find("int8", NULL), 32) == 9);
    ck_assert(bb_dtype_bits_per_weight(bb_dtype_find("nf4", NULL), 0) == 4.5);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("dtype");
    TCase *t = tcase_create("dtype");
    tcase_add_test(t, the_types_of_ggml);
    tcase_add_test(t, the_types_of_safetensors);
    tcase_add_test(t, names);
    tcase_add_test(t, rows);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
