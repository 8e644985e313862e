/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_error_study.c - the parts of an error add up, its bound holds, and what cannot be measured says why. */
#include "harness.h"
#include "study/bench_study.h"
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

START_TEST(bench) {
    bb_bench_report r;
    bb_error err = {0};
    bb_bench_opts o = {.tokens = 2, .out = 64, .in = 128, .seconds = 0.001, .seed = 4};
    ck_assert_msg(bb_bench_study(&o, NULL, &r, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_ge(r.n_rows, 4);
    ck_assert(r.read_gbps > 0 && r.fp32_gops > 0 && r.int8_gops > 0);
    for (size_t i = 0; i < r.n_rows; i++) {
        ck_assert(r.rows[i].ns > 0 && r.rows[i].roof_fraction > 0);
        ck_assert(strcmp(r.rows[i].type, "f32") == 0 ? r.rows[i].error_rel < 1e-6 : r.rows[i].error_rel < 0.2);
    }
    bb_bench_report_clear(&r);
    o.in = 33;
    ck_assert_int_eq(bb_bench_study(&o, NULL, &r, &err), BB_E_ARG);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("study");
    TCase *t = tcase_create("study");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, demo);
    tcase_add_test(t, stories);
    tcase_add_test(t, refusals_and_cancel);
    tcase_add_test(t, bench);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
