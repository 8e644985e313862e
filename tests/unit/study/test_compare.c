/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_compare.c - what is equal is told so, through both containers' names, and what differs by how much. */
#include "format/half.h"
#include "patched.h"
#include "study/compare_study.h"
#include <fenv.h>
#include <math.h>

static bb_compare_report report;
static bb_model *models[2];

static void compare(const char *a, const char *b, const bb_compare_opts *o) {
    bb_error err = {0};
    models[0] = found(a);
    models[1] = found(b);
    ck_assert_msg(bb_compare_study(models[0], models[1], o, NULL, &report, &err) == BB_OK, "%s", err.text);
}

static void done(void) {
    bb_compare_report_clear(&report);
    bb_model_free(models[0]);
    bb_model_free(models[1]);
}

static const bb_compare_row *row(const char *name) {
    for (size_t i = 0; i < report.n_rows; i++) {
        const bb_compare_side *s = report.rows[i].a.n ? &report.rows[i].a : &report.rows[i].b;
        if (strcmp(s->t[0]->name, name) == 0) return &report.rows[i];
    }
    ck_abort_msg("no row %s", name);
    return NULL;
}

START_TEST(itself) {
    compare("demo", "demo", &(bb_compare_opts){.threads = 2});
    ck_assert_uint_eq(report.n_rows, 39);
    ck_assert_uint_eq(report.same_bytes, 39);
    ck_assert(report.keys_compared && report.n_keys == 0 && report.by_length == 1);
    done();
}
END_TEST

/* The same model in both containers: names, rows of heads and the norms' type differ, no value does. */
START_TEST(checkpoint) {
    char path[512];
    if (!shared_path("models/demo/hf", path, sizeof path)) {
        skip_shared("models/demo/hf");
        return;
    }
    compare("demo", path, &(bb_compare_opts){.threads = 1});
    ck_assert_uint_eq(report.n_rows, 39);
    ck_assert_uint_eq(report.same_bytes, 30);
    ck_assert_uint_eq(report.same_values, 9);
    ck_assert_uint_eq(row("blk.0.attn_k.weight")->head_rows, 32);
    done();
    compare(path, "demo", &(bb_compare_opts){.threads = 2, .only = "attn_q"});
    ck_assert_uint_eq(report.n_rows, 4);
    ck_assert_uint_eq(report.same_bytes, 4);
    done();
}
END_TEST

static void put_half(unsigned char *p, float v) {
    uint16_t h = bb_f32_to_f16(v);
    memcpy(p, &h, 2);
}

START_TEST(differences) {
    size_t n;
    unsigned char *p = demo_bytes(&n), *q = demo_data(p, "blk.1.attn_q.weight", NULL);
    made_begin();
    put_half(q + 200000 / 2, 3);
    put_half(demo_data(p, "blk.0.attn_v.weight", NULL), 0);
    put_half(demo_data(p, "blk.0.ffn_up.weight", NULL), (float)NAN);
    made_file("a.gguf", p, n);
    put_half(q + 200000 / 2, 1);
    put_half(demo_data(p, "blk.0.attn_v.weight", NULL), -0.0F);
    *demo_data(p, "blk.0.ffn_up.weight", NULL) = 1; /* another NaN */
    memcpy(demo_text(p, n, "blk.3.ffn_up.weight"), "blk.3.ffn_XX.weight", 19);
    memcpy(demo_text(p, n, "general.license"), "general.licenXX", 15);
    demo_text(p, n, "general.file_type")[17 + 4] = 7;
    made_file("b.gguf", p, n);
    char a[512];
    snprintf(a, sizeof a, "%s", made_path("a.gguf"));
    compare(a, made_path("b.gguf"), &(bb_compare_opts){.threads = 2});
    const bb_compare_row *r = row("blk.1.attn_q.weight");
    ck_assert(r->same == BB_SAME_NO && r->measured && r->error.max_abs >= 2 && r->error.max_abs <= 2);
    ck_assert(r->error.rel > 0 && r->error.rel < 1 && r->error.n == 65536);
    ck_assert_int_eq(row("blk.0.attn_v.weight")->same, BB_SAME_VALUES);
    r = row("blk.0.ffn_up.weight");
    ck_assert(r->same == BB_SAME_VALUES && r->error.nonfinite == 1 && r->error.max_abs <= 0);
    ck_assert_uint_eq(row("blk.3.ffn_up.weight")->b.n, 0);
    ck_assert_uint_eq(row("blk.3.ffn_XX.weight")->a.n, 0);
    ck_assert_uint_eq(report.n_rows, 40);
    ck_assert_uint_eq(report.same_bytes, 35);
    ck_assert(report.different == 1 && report.only_a == 1 && report.only_b == 1);
    ck_assert_uint_eq(report.n_keys, 3); /* the licence on either side, the file type */
    done();
    made_end();
    free(p);
}
END_TEST

/* A block type against the values that it decodes to. */
START_TEST(decoded_blocks) {
    enum { ROWS = 3, COLS = 64 };
    static float x[ROWS * COLS], y[ROWS * COLS];
    static unsigned char blocks[ROWS * COLS * 2];
    const bb_dtype *q = bb_dtype_find("q8_0", NULL), *f32 = bb_dtype_find("f32", NULL);
    char a[512];
    for (int i = 0; i < ROWS * COLS; i++) x[i] = (float)(i * 37 % 101 - 50) / 50;
    ck_assert_int_eq(bb_quantize_rows(q, x, ROWS, COLS, NULL, blocks), BB_OK);
    ck_assert_int_eq(bb_dequantize_rows(q, blocks, ROWS, COLS, y), BB_OK);
    made_begin();
    made_gguf("q.gguf", q, ROWS, COLS, blocks);
    made_gguf("y.gguf", f32, ROWS, COLS, y);
    made_gguf("x.gguf", f32, ROWS, COLS, x);
    made_gguf("t.gguf", f32, COLS, ROWS, x);
    snprintf(a, sizeof a, "%s", made_path("q.gguf"));
    compare(a, made_path("y.gguf"), &(bb_compare_opts){0});
    ck_assert_uint_eq(report.same_values, 1);
    done();
    compare(a, made_path("x.gguf"), &(bb_compare_opts){0});
    ck_assert(report.different == 1 && report.rows[0].error.rel > 1e-4 && report.rows[0].error.rel < 1e-2);
    bb_error_stats nearest = report.rows[0].error;
    done();
    ck_assert_int_eq(fesetround(FE_UPWARD), 0); /* a mode of the caller's: nothing changes, and it stays */
    compare(a, made_path("x.gguf"), &(bb_compare_opts){.threads = 1});
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    ck_assert_int_eq(fesetround(FE_TONEAREST), 0);
    ck_assert_mem_eq(&report.rows[0].error, &nearest, sizeof nearest);
    done();
    compare(a, made_path("t.gguf"), &(bb_compare_opts){0});
    ck_assert_uint_eq(report.unmeasured, 1);
    ck_assert_str_eq(report.rows[0].note, "shape 3x64 against 64x3");
    done();
    made_end();
}
END_TEST

/* Values that are not finite on one side are a difference in either order; the same on both are none. */
START_TEST(not_finite) {
    enum { N = 6 };
    const float nan = (float)NAN, inf = (float)INFINITY;
    const float x[N] = {1, nan, 3, inf, 5, nan}, same[N] = {1, nan, 4, inf, 5, nan}, y[N] = {1, 2, 3, -inf, 5, nan};
    const bb_dtype *f32 = bb_dtype_find("f32", NULL);
    char a[512];
    made_begin();
    made_gguf("x.gguf", f32, 1, N, x);
    made_gguf("same.gguf", f32, 1, N, same);
    made_gguf("y.gguf", f32, 1, N, y);
    for (int i = 0; i < 2; i++) {
        snprintf(a, sizeof a, "%s", made_path(i ? "y.gguf" : "x.gguf"));
        compare(a, made_path(i ? "x.gguf" : "y.gguf"), &(bb_compare_opts){0});
        const bb_compare_row *r = &report.rows[0];
        ck_assert(r->same == BB_SAME_NO && r->measured && r->unmatched && isinf(r->error.rel) && r->error.rel > 0);
        ck_assert(isinf(r->error.max_abs) && r->error.sqnr_db < 0 && isnan(r->error.cosine));
        ck_assert_uint_eq(r->error.nonfinite + r->error.lost, 3);
        ck_assert_str_eq(r->note, i ? "values not finite: 2 in A, 3 in B" : "values not finite: 3 in A, 2 in B");
        done();
    }
    snprintf(a, sizeof a, "%s", made_path("x.gguf"));
    compare(a, made_path("same.gguf"), &(bb_compare_opts){0});
    ck_assert(!report.rows[0].unmatched && report.rows[0].error.max_abs >= 1 && report.rows[0].error.max_abs <= 1);
    done();
    made_end();
}
END_TEST

/* safetensors of tensors that have no elements, in two types. */
static void made_empty(const char *name, const char *type) {
    char text[256];
    uint64_t n = (uint64_t)snprintf(text + 8, sizeof text - 8,
                                    "{\"t\":{\"dtype\":\"%s\",\"shape\":[0,4],\"data_offsets\":[0,0]}}", type);
    memcpy(text, &n, 8);
    made_file(name, text, (size_t)n + 8);
}

START_TEST(no_elements) {
    char a[512];
    made_begin();
    made_empty("a.safetensors", "F32");
    made_empty("b.safetensors", "F16");
    snprintf(a, sizeof a, "%s", made_path("a.safetensors"));
    for (int i = 0; i < 2; i++) {
        compare(a, i ? a : made_path("b.safetensors"), &(bb_compare_opts){0});
        const bb_compare_row *r = &report.rows[0];
        ck_assert_int_eq(r->same, i ? BB_SAME_BYTES : BB_SAME_VALUES);
        ck_assert(r->measured && r->error.rel <= 0 && isinf(r->error.sqnr_db) && r->error.cosine >= 1);
        done();
    }
    made_end();
}
END_TEST

START_TEST(refusals_and_cancel) {
    bb_error err = {0};
    bb_progress p;
    bb_model *m = found("demo"), *copy;
    bb_progress_init(&p);
    atomic_store(&p.cancel, true);
    ck_assert_int_eq(bb_compare_study(m, m, &(bb_compare_opts){0}, &p, &report, &err), BB_E_CANCELLED);
    size_t n;
    unsigned char *bytes = demo_bytes(&n);
    made_begin();
    made_file("m.gguf", bytes, n);
    copy = found(made_path("m.gguf"));
    ck_assert_int_eq(truncate(made_path("m.gguf"), 1000000), 0);
    ck_assert_int_eq(bb_compare_study(m, copy, &(bb_compare_opts){0}, NULL, &report, &err), BB_E_TRUNCATED);
    ck_assert_ptr_ne(strstr(err.text, "m.gguf"), NULL);
    bb_model_free(copy);
    bb_model_free(m);
    made_end();
    free(bytes);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("compare");
    TCase *c = tcase_create("compare");
    tcase_add_test(c, itself);
    tcase_add_test(c, checkpoint);
    tcase_add_test(c, differences);
    tcase_add_test(c, decoded_blocks);
    tcase_add_test(c, not_finite);
    tcase_add_test(c, no_elements);
    tcase_add_test(c, refusals_and_cancel);
    suite_add_tcase(s, c);
    return s;
}
TEST_MAIN(make_suite)
