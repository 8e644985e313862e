/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_error_inputs.c - activations: made ones have their shape, those of .npy files their values, odd ones a name. */
#include "file/made.h"
#include "study/error_study.h"
#include <math.h>

/* ---- made ---- */

enum { MOST = 16, COLS = 4096 };

static float *rows_of(const bb_inputs *in, size_t cols, size_t most) {
    float *x = NULL;
    size_t rows = 0;
    char why[160] = "";
    bool other = true;
    const bb_tensor t = {.name = "w"};
    bb_error err = {0};
    ck_assert_msg(bb_inputs_rows(in, &t, cols, most, &x, &rows, why, sizeof why, &other, &err) == BB_OK, "%s",
                  err.text);
    ck_assert_uint_eq(rows, most);
    ck_assert(!other);
    return x;
}

static double moment(const float *x, size_t n, int power) {
    double s = 0;
    for (size_t i = 0; i < n; i++) s += pow((double)x[i], power);
    return s / (double)n;
}

START_TEST(made) {
    bb_inputs *normal = NULL, *heavy = NULL, *outliers = NULL;
    const size_t n = MOST * COLS;
    ck_assert_int_eq(bb_inputs_make(BB_INPUTS_NORMAL, 1, &normal, NULL), BB_OK);
    ck_assert_int_eq(bb_inputs_make(BB_INPUTS_HEAVY, 1, &heavy, NULL), BB_OK);
    ck_assert_int_eq(bb_inputs_make(BB_INPUTS_OUTLIERS, 1, &outliers, NULL), BB_OK);
    float *a = rows_of(normal, COLS, MOST), *b = rows_of(heavy, COLS, MOST), *c = rows_of(outliers, COLS, MOST);
    float *none = rows_of(NULL, COLS, MOST);
    ck_assert_mem_eq(a, none, n * sizeof *a); /* what a study without inputs takes */
    ck_assert_double_eq_tol(moment(a, n, 2), 1, 0.02);
    ck_assert_double_eq_tol(moment(a, n, 4), 3, 0.15);
    ck_assert_double_eq_tol(moment(b, n, 2), 3, 0.6); /* nu / (nu - 2); the fourth moment does not exist */
    ck_assert_double_gt(moment(b, n, 4), 100);
    size_t loud = 0;
    for (size_t k = 0; k < COLS; k++) {
        bool twenty = true, same = true;
        for (size_t r = 0; r < MOST; r++) {
            twenty = twenty && c[r * COLS + k] == 20 * a[r * COLS + k];
            same = same && c[r * COLS + k] == a[r * COLS + k];
        }
        ck_assert(twenty || same);
        loud += twenty;
    }
    ck_assert_uint_eq(loud, COLS / 1024);
    free(a);
    free(b);
    free(c);
    free(none);
    bb_inputs_free(normal);
    bb_inputs_free(heavy);
    bb_inputs_free(outliers);
}
END_TEST

/* One channel in each 1024 columns, and none twice: whatever the seed. */
START_TEST(distinct_outliers) {
    enum { WIDE = 8192 + 500 };
    for (uint64_t seed = 10; seed < 30; seed++) {
        bb_inputs *normal = NULL, *outliers = NULL;
        ck_assert_int_eq(bb_inputs_make(BB_INPUTS_NORMAL, seed, &normal, NULL), BB_OK);
        ck_assert_int_eq(bb_inputs_make(BB_INPUTS_OUTLIERS, seed, &outliers, NULL), BB_OK);
        float *a = rows_of(normal, WIDE, 1), *c = rows_of(outliers, WIDE, 1);
        size_t loud = 0;
        for (size_t k = 0; k < WIDE; k++) {
            ck_assert_msg(c[k] == a[k] || c[k] == 20 * a[k], "seed %d, channel %zu", (int)seed, k);
            loud += c[k] != a[k];
            if (k % 1024 == 1023 || k + 1 == WIDE) ck_assert_uint_eq(loud, k / 1024 + 1);
        }
        free(a);
        free(c);
        bb_inputs_free(normal);
        bb_inputs_free(outliers);
    }
}
END_TEST

/* ---- read ---- */

enum { IN = 8, OUT = 3 };

/* The file of a matrix `name` [OUT][IN] of 1, 2, ... in fp32. */
static bb_file *matrix(const char *file, const char *name) {
    char head[128];
    unsigned char bytes[256] = {0};
    int n = snprintf(head, sizeof head, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[0,%d]}}", name,
                     OUT, IN, OUT * IN * 4);
    float w[OUT * IN];
    for (int i = 0; i < OUT * IN; i++) w[i] = (float)(i + 1);
    bytes[0] = (unsigned char)n;
    memcpy(bytes + 8, head, (size_t)n);
    memcpy(bytes + 8 + n, w, sizeof w);
    made_file(file, bytes, 8 + (size_t)n + sizeof w);
    return made_open(file);
}

static void npy(const char *name, int rows, int cols, const float *x) {
    unsigned char bytes[2048] = "\x93NUMPY\x01";
    int n =
        snprintf((char *)bytes + 10, 118, "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols);
    memset(bytes + 10 + n, ' ', 118 - (size_t)n);
    bytes[127] = '\n';
    bytes[8] = 118;
    memcpy(bytes + 128, x, (size_t)(rows * cols) * sizeof *x);
    made_file(name, bytes, 128 + (size_t)(rows * cols) * sizeof *x);
}

static bb_inputs *reading(const char *path) {
    bb_inputs *in = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_inputs_read(path, NULL, &in, &err) == BB_OK, "%s", err.text);
    return in;
}

static bb_status study(const bb_file *f, const bb_inputs *in, uint64_t tokens, bool skip, bb_error_report *r,
                       bb_error *err) {
    bb_error_type type = {0};
    ck_assert_int_eq(bb_error_type_find("bf16", &type, NULL), BB_OK);
    bb_error_opts o = {.types = &type, .n_types = 1, .tokens = tokens, .inputs = in, .skip_nonfinite = skip};
    return bb_error_study(f, &o, NULL, r, err);
}

/* The product of the file's weights and the file's inputs is what is measured: bf16 holds both exactly. */
START_TEST(values_of_an_array) {
    float x[5 * IN];
    bb_error_report r;
    made_begin();
    for (int i = 0; i < 5 * IN; i++) x[i] = (float)(i % 7) + 1.0f / 1024;
    npy("x.npy", 5, IN, x);
    bb_file *f = matrix("w.safetensors", "w");
    bb_inputs *in = reading(made_path("x.npy"));
    ck_assert_int_eq(study(f, in, 0, false, &r, NULL), BB_OK);
    const bb_error_row *row = &r.rows[0];
    ck_assert_str_eq(row->skipped, "");
    ck_assert(row->tokens == 5 && row->weights.rel == 0);
    if (strcmp(row->kernel, "gemm_bf16") == 0) { /* rounds its inputs; widened weights meet them in fp32 */
        ck_assert_double_gt(row->activations.rel, 0);
    } else
        ck_assert_double_eq(row->activations.rel, 0);
    bb_error_report_clear(&r);
    ck_assert_int_eq(study(f, in, 2, false, &r, NULL), BB_OK); /* rows 0 and 2 */
    ck_assert_uint_eq(r.rows[0].tokens, 2);
    bb_error_report_clear(&r);
    float *some = NULL;
    size_t rows = 0;
    bool other = false;
    char why[160];
    const bb_tensor t = {.name = "w"};
    ck_assert_int_eq(bb_inputs_rows(in, &t, IN, 2, &some, &rows, why, sizeof why, &other, NULL), BB_OK);
    ck_assert_mem_eq(some, x, IN * sizeof *x);
    ck_assert_mem_eq(some + IN, x + 2 * IN, IN * sizeof *x);
    free(some);
    bb_inputs_free(in);
    bb_file_close(f);
    made_end();
}
END_TEST

/* Inputs of other matrices leave a tensor out; when nothing is left, that is the answer. */
START_TEST(other_shapes) {
    static const float x[2 * (IN + 1)] = {1};
    bb_error_report r;
    bb_error err = {0};
    made_begin();
    npy("x.npy", 2, IN + 1, x);
    npy("w.npy", 2, IN + 1, x);
    bb_file *f = matrix("w.safetensors", "w"), *g = matrix("g.safetensors", "other"),
            *h = matrix("h.safetensors", "../w");
    bb_inputs *in = reading(made_path("x.npy"));
    ck_assert_int_eq(study(f, in, 0, false, &r, &err), BB_E_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, "the inputs have 9 columns") != NULL, "%s", err.text);
    bb_inputs_free(in);
    in = reading(made_folder);
    ck_assert_int_eq(study(f, in, 0, false, &r, &err), BB_E_UNSUPPORTED);
    bb_file *const absent[] = {g, h};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(study(absent[i], in, 0, false, &r, &err), BB_OK);
        ck_assert_str_eq(r.rows[0].skipped, "the folder of inputs has none of its name");
        bb_error_report_clear(&r);
    }
    bb_inputs_free(in);
    npy("w.npy", 2, IN, x);
    in = reading(made_folder);
    ck_assert_int_eq(study(f, in, 0, false, &r, &err), BB_OK);
    ck_assert_str_eq(r.rows[0].skipped, "");
    bb_error_report_clear(&r);
    bb_inputs_free(in);
    ck_assert_int_eq(bb_inputs_read(made_path("w.safetensors"), NULL, &in, &err), BB_E_INVALID);
    ck_assert_int_eq(bb_inputs_read(made_path("absent.npy"), NULL, &in, &err), BB_E_OPEN);
    bb_file_close(f);
    bb_file_close(g);
    bb_file_close(h);
    made_end();
}
END_TEST

START_TEST(inputs_that_are_not_finite) {
    float x[3 * IN];
    bb_error_report r;
    made_begin();
    for (int i = 0; i < 3 * IN; i++) x[i] = (float)(i % 5 - 2);
    x[IN + 3] = (float)INFINITY;
    x[IN + 4] = (float)NAN;
    npy("x.npy", 3, IN, x);
    bb_file *f = matrix("w.safetensors", "w");
    bb_inputs *in = reading(made_path("x.npy"));
    ck_assert_int_eq(study(f, in, 0, false, &r, NULL), BB_OK);
    ck_assert_str_eq(r.rows[0].skipped, "2 inputs are not finite, the first inf at row 1, column 3");
    bb_error_report_clear(&r);
    ck_assert_int_eq(study(f, in, 0, true, &r, NULL), BB_OK);
    ck_assert_str_eq(r.rows[0].skipped, "");
    ck_assert(r.rows[0].tokens == 2 && r.rows[0].odd_inputs.count == 2 && isfinite(r.rows[0].total.rel));
    bb_error_report_clear(&r);
    bb_inputs_free(in);
    x[0] = x[2 * IN] = (float)NAN; /* no row is left */
    npy("x.npy", 3, IN, x);
    in = reading(made_path("x.npy"));
    ck_assert_int_eq(study(f, in, 0, true, &r, NULL), BB_OK);
    ck_assert_str_eq(r.rows[0].skipped, "4 inputs are not finite, the first nan at row 0, column 0");
    bb_error_report_clear(&r);
    bb_inputs_free(in);
    bb_file_close(f);
    made_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("study");
    TCase *t = tcase_create("inputs");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, made);
    tcase_add_test(t, distinct_outliers);
    tcase_add_test(t, values_of_an_array);
    tcase_add_test(t, other_shapes);
    tcase_add_test(t, inputs_that_are_not_finite);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
