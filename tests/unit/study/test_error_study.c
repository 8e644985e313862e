/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_error_study.c - the parts of an error add up, its bound holds, and what cannot be measured says why. */
#include "harness.h"
#include "study/error_study.h"
#include <math.h>
#include <string.h>

static const char *const names[] = {"f32", "bf16", "int8", "q8_0", "q4_0"};

static void check_file(const char *path, size_t skipped_wanted) {
    bb_file *f = NULL;
    bb_error err = {0};
    bb_error_report r;
    const bb_dtype *types[5];
    for (size_t i = 0; i < 5; i++) types[i] = bb_dtype_find(names[i], NULL);
    ck_assert_msg(bb_file_open(path, &f, &err) == BB_OK, "%s", err.text);
    bb_error_opts o = {.types = types, .n_types = 5, .seed = 1, .tokens = 4, .rows_max = 64, .threads = 2};
    ck_assert_msg(bb_error_study(f, &o, NULL, &r, &err) == BB_OK, "%s", err.text);
    size_t skipped = 0;
    for (size_t i = 0; i < r.n_rows; i++) {
        const bb_error_row *w = &r.rows[i];
        if (w->skipped[0]) {
            ck_assert_msg(strstr(w->skipped, "row of 172 is not a multiple of 32") != NULL, "%s", w->skipped);
            skipped++;
            continue;
        }
        double sum = w->output_rel_weights * w->output_rel_weights +
                     w->output_rel_activations * w->output_rel_activations +
                     w->output_rel_accumulation * w->output_rel_accumulation + w->cross;
        double total = w->output_rel * w->output_rel;
        ck_assert_msg(fabs(sum - total) <= 1e-12 * total, "%s %s: %.17g and %.17g", w->tensor->name, w->type->name, sum,
                      total);
        ck_assert_msg(w->output_rel_accumulation <= w->bound, "%s %s: %g above its bound %g", w->tensor->name,
                      w->type->name, w->output_rel_accumulation, w->bound);
        ck_assert_uint_eq(w->rows_checked, w->rows < 64 ? w->rows : 64);
        /* known sizes on weights of real models: specs of q8_0 0.5 %, q4_0 9 % */
        if (strcmp(w->type->name, "q8_0") == 0) ck_assert(w->weight.rel > 0.003 && w->weight.rel < 0.012);
        if (strcmp(w->type->name, "q4_0") == 0) ck_assert(w->weight.rel > 0.05 && w->weight.rel < 0.2);
        if (strcmp(w->type->name, "f32") == 0) ck_assert(w->weight.rel == 0 && w->output_rel_activations == 0);
    }
    ck_assert_uint_eq(skipped, skipped_wanted);
    bb_error_report_clear(&r);
    bb_file_close(f);
}

START_TEST(demo) { check_file("data/demo.gguf", 0); }
END_TEST

START_TEST(stories) {
    static const char *const files[] = {"models/stories260K/model.safetensors", "models/stories260K/model-f32.gguf"};
    char path[512];
    for (size_t i = 0; i < 2; i++) {
        if (!shared_path(files[i], path, sizeof path)) {
            skip_shared(files[i]);
            continue;
        }
        check_file(path, 5 * 2); /* ffn_down of five layers in q8_0 and q4_0 */
    }
}
END_TEST

/* ---- matrices made here: one tensor "w" of a file, [rows][cols] ---- */

enum { ROWS = 4, COLS = 64 };

static bb_file *file_of(const char *dtype, size_t bytes, const void *data) {
    char path[] = "/tmp/bb-error-XXXXXX", head[160];
    int n = snprintf(head, sizeof head, "{\"w\":{\"dtype\":\"%s\",\"shape\":[%d,%d],\"data_offsets\":[0,%zu]}}", dtype,
                     ROWS, COLS, bytes);
    int fd = mkstemp(path);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "wb");
    ck_assert(out != NULL);
    for (int i = 0; i < 8; i++) putc(i ? 0 : n, out);
    fwrite(head, 1, (size_t)n, out);
    fwrite(data, 1, bytes, out);
    ck_assert_int_eq(fclose(out), 0);
    bb_file *f = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_file_open(path, &f, &err) == BB_OK, "%s", err.text);
    unlink(path);
    return f;
}

/* The row of one type, after the row's promises are checked. */
static bb_error_row study(bb_file *f, const char *type, char *why, size_t size) {
    const bb_dtype *t = bb_dtype_find(type, NULL);
    bb_error_report r;
    bb_error err = {0};
    bb_error_opts o = {.types = &t, .n_types = 1, .seed = 1, .tokens = 4};
    ck_assert_msg(bb_error_study(f, &o, NULL, &r, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(r.n_rows, 1);
    bb_error_row row = r.rows[0];
    snprintf(why, size, "%s", row.skipped);
    if (!row.skipped[0])
        ck_assert_msg(row.output_rel_accumulation <= row.bound, "%s: %g above %g", type, row.output_rel_accumulation,
                      row.bound);
    bb_error_report_clear(&r);
    return row;
}

static void fill(float *w, float magnitude) {
    for (int i = 0; i < ROWS * COLS; i++) w[i] = magnitude * ((float)(i * 37 % 101 - 50) / 50);
}

/* Finite weights that a quantizer turns into infinities are no perfect result, and the file is not to blame. */
START_TEST(lost_weights) {
    static float w[ROWS * COLS];
    char why[96];
    fill(w, 1);
    w[70] = 9e6F;
    bb_file *f = file_of("F32", sizeof w, w);
    bb_error_row r = study(f, "q8_0", why, sizeof why);
    ck_assert_str_eq(why, "the fp16 scale overflows: 32 values lost");
    ck_assert(isinf(r.weight.rel) && r.weight.sqnr_db < 0 && isnan(r.weight.cosine) && r.weight.lost == 32);
    (void)study(f, "f16", why, sizeof why);
    ck_assert_str_eq(why, "magnitudes beyond its largest: 1 value lost");
    r = study(f, "int8", why, sizeof why);
    ck_assert(!why[0] && r.weight.rel > 0 && r.weight.rel < 0.01);
    bb_file_close(f);
    w[3] = (float)INFINITY;
    f = file_of("F32", sizeof w, w);
    (void)study(f, "int8", why, sizeof why);
    ck_assert_str_eq(why, "1 value not finite");
    (void)study(f, "q8_0", why, sizeof why);
    ck_assert_str_eq(why, "1 value not finite, 63 more lost");
    bb_file_close(f);
}
END_TEST

START_TEST(product_that_overflows) {
    static float w[ROWS * COLS];
    char why[96];
    fill(w, 2e38F);
    bb_file *f = file_of("F32", sizeof w, w);
    for (size_t i = 0; i < 3; i++) {
        bb_error_row r = study(f, names[i], why, sizeof why);
        ck_assert_str_eq(why, "the fp32 product overflows");
        ck_assert(r.weight.n == ROWS * COLS && r.weight.rel < 0.01 && r.output_rel == 0 && r.bound == 0);
    }
    bb_file_close(f);
}
END_TEST

/* study() checks the bound. */
START_TEST(bound_of_tiny_weights) {
    static float w[ROWS * COLS];
    char why[96];
    for (int e = 30; e <= 45; e++) {
        fill(w, (float)pow(10, -e));
        bb_file *f = file_of("F32", sizeof w, w);
        for (size_t i = 0; i < 5; i++) {
            bb_error_row r = study(f, names[i], why, sizeof why);
            ck_assert_str_eq(why, "");
            ck_assert(!signbit(r.weight.sqnr_db));
        }
        bb_file_close(f);
    }
}
END_TEST

START_TEST(zero_matrix) {
    static const float w[ROWS * COLS];
    char why[96];
    bb_file *f = file_of("F32", sizeof w, w);
    for (size_t i = 0; i < 5; i++) {
        bb_error_row r = study(f, names[i], why, sizeof why);
        ck_assert_str_eq(why, "");
        ck_assert(r.weight.rel == 0 && r.output_rel == 0 && r.output_rel_weights == 0 &&
                  r.output_rel_activations == 0 && r.output_rel_accumulation == 0 && r.cross == 0 && r.bound == 0);
    }
    bb_file_close(f);
}
END_TEST

/* 1 + 2^-30 and 2^40 + 1 are no fp32: what fp32 makes of them is an error of the type, not of the reference. */
START_TEST(wide_types_are_the_reference) {
    static double w[ROWS * COLS];
    static int64_t v[ROWS * COLS];
    char why[96];
    for (int i = 0; i < ROWS * COLS; i++) {
        w[i] = 1 + 0x1p-30;
        v[i] = (INT64_C(1) << 40) + 1;
    }
    bb_file *f = file_of("F64", sizeof w, w);
    bb_error_row r = study(f, "f32", why, sizeof why);
    ck_assert_double_eq_tol(r.weight.rel, 0x1p-30 / (1 + 0x1p-30), 1e-15);
    ck_assert_double_eq_tol(r.output_rel_weights, r.weight.rel, 1e-12);
    bb_file_close(f);
    f = file_of("I64", sizeof v, v);
    r = study(f, "f32", why, sizeof why);
    ck_assert_double_eq_tol(r.weight.rel, 0x1p-40, 1e-20);
    bb_file_close(f);
    for (int i = 0; i < ROWS * COLS; i++) w[i] = 1e-200;
    f = file_of("F64", sizeof w, w);
    (void)study(f, "f32", why, sizeof why);
    ck_assert_str_eq(why, "the squares of its values leave the range of float64");
    bb_file_close(f);
}
END_TEST

START_TEST(refusals_and_cancel) {
    bb_file *f = NULL;
    bb_error err = {0};
    bb_error_report r = {0};
    const bb_dtype *q4_K = bb_dtype_find("q4_K", NULL), *q4_0 = bb_dtype_find("q4_0", NULL);
    ck_assert_int_eq(bb_file_open("data/demo.gguf", &f, NULL), BB_OK);
    ck_assert_int_eq(bb_error_study(f, &(bb_error_opts){.types = &q4_K, .n_types = 1}, NULL, &r, &err),
                     BB_E_UNSUPPORTED);
    ck_assert(strstr(err.text, "q4_0") != NULL);
    bb_progress p;
    bb_progress_init(&p);
    atomic_store(&p.cancel, true);
    ck_assert_int_eq(bb_error_study(f, &(bb_error_opts){.types = &q4_0, .n_types = 1}, &p, &r, &err), BB_E_CANCELLED);
    ck_assert_ptr_eq(r.rows, NULL);
    bb_file_close(f);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("study");
    TCase *t = tcase_create("study");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, demo);
    tcase_add_test(t, stories);
    tcase_add_test(t, lost_weights);
    tcase_add_test(t, product_that_overflows);
    tcase_add_test(t, bound_of_tiny_weights);
    tcase_add_test(t, zero_matrix);
    tcase_add_test(t, wide_types_are_the_reference);
    tcase_add_test(t, refusals_and_cancel);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
