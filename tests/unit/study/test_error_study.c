/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_error_study.c - the parts of an error add up, its bound holds, and what cannot be measured says why. */
#include "harness.h"
#include "study/error_study.h"
#include <math.h>
#include <pthread.h>
#include <string.h>

static const char *const names[] = {"f32", "bf16", "int8", "q8_0", "q4_0"};

static bb_error_type type_of(const char *name) {
    bb_error_type t = {0};
    bb_error err = {0};
    ck_assert_msg(bb_error_type_find(name, &t, &err) == BB_OK, "%s", err.text);
    return t;
}

/* What holds for every row that was measured. */
static void check_row(const bb_error_row *w) {
    char type[BB_ERROR_TYPE_SIZE];
    double sum = w->weights.rel * w->weights.rel + w->activations.rel * w->activations.rel +
                 w->accumulation.rel * w->accumulation.rel + w->cross;
    double square = w->total.rel * w->total.rel;
    (void)bb_error_type_name(w->type, type);
    ck_assert_msg(fabs(sum - square) <= 1e-12 * square, "%s %s: %.17g and %.17g", w->tensor->name, type, sum, square);
    ck_assert_msg(w->accumulation.rel <= w->bound, "%s %s: %g above its bound %g", w->tensor->name, type,
                  w->accumulation.rel, w->bound);
    ck_assert_msg(w->bound_sqrt <= w->bound, "%s %s: %g and %g", w->tensor->name, type, w->bound_sqrt, w->bound);
    /* the float64 sums have roundings of their own */
    double slack = 1 + 1e-9, noise = 1e-13;
    ck_assert_msg(isnan(w->bound_weights) || w->weights.rel <= w->bound_weights * slack + noise,
                  "%s %s: weights %g, %g", w->tensor->name, type, w->weights.rel, w->bound_weights);
    ck_assert_msg(w->activations.rel <= w->bound_activations * slack + noise, "%s %s: activations %g above %g",
                  w->tensor->name, type, w->activations.rel, w->bound_activations);
    ck_assert(w->total.cosine <= 1 && w->total.cosine > 0.5 && w->accumulation.cosine > 0.9999);
    ck_assert(w->total.max_abs <=
              w->weights.max_abs + w->activations.max_abs + w->accumulation.max_abs * slack + noise);
}

static void check_file(const char *path, size_t skipped_wanted) {
    bb_file *f = NULL;
    bb_error err = {0};
    bb_error_report r;
    bb_error_type types[5];
    for (size_t i = 0; i < 5; i++) types[i] = type_of(names[i]);
    ck_assert_msg(bb_file_open(path, &f, &err) == BB_OK, "%s", err.text);
    bb_error_opts o = {.types = types, .n_types = 5, .tokens = 4, .rows_max = 64, .threads = 2};
    ck_assert_msg(bb_error_study(f, &o, NULL, &r, &err) == BB_OK, "%s", err.text);
    size_t skipped = 0;
    for (size_t i = 0; i < r.n_rows; i++) {
        const bb_error_row *w = &r.rows[i];
        const char *type = w->type->dtype->name;
        if (w->skipped[0]) {
            ck_assert_msg(strstr(w->skipped, "row of 172 is not a multiple of 32") != NULL, "%s", w->skipped);
            skipped++;
            continue;
        }
        check_row(w);
        ck_assert_uint_eq(w->rows_checked, w->rows < 64 ? w->rows : 64);
        /* known sizes on weights of real models: specs of q8_0 0.5 %, q4_0 9 % */
        if (strcmp(type, "q8_0") == 0) ck_assert(w->weight.rel > 0.003 && w->weight.rel < 0.012);
        if (strcmp(type, "q4_0") == 0) ck_assert(w->weight.rel > 0.05 && w->weight.rel < 0.2);
        if (strcmp(type, "f32") == 0) ck_assert(w->weight.rel == 0 && w->activations.rel == 0);
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

static bb_file *matrix_of(const char *dtype, int rows, int cols, size_t bytes, const void *data) {
    char path[] = "/tmp/bb-error-XXXXXX", head[160];
    int n = snprintf(head, sizeof head, "{\"w\":{\"dtype\":\"%s\",\"shape\":[%d,%d],\"data_offsets\":[0,%zu]}}", dtype,
                     rows, cols, bytes);
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

static bb_file *file_of(const char *dtype, size_t bytes, const void *data) {
    return matrix_of(dtype, ROWS, COLS, bytes, data);
}

/* The row of one type, after the row's promises are checked. */
static bb_error_row study_with(bb_file *f, const char *type, bool skip_nonfinite, char *why, size_t size) {
    bb_error_type t = type_of(type);
    bb_error_report r;
    bb_error err = {0};
    bb_error_opts o = {.types = &t, .n_types = 1, .tokens = 4, .skip_nonfinite = skip_nonfinite};
    ck_assert_msg(bb_error_study(f, &o, NULL, &r, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(r.n_rows, 1);
    bb_error_row row = r.rows[0];
    snprintf(why, size, "%s", row.skipped);
    if (!row.skipped[0])
        ck_assert_msg(row.accumulation.rel <= row.bound, "%s: %g above %g", type, row.accumulation.rel, row.bound);
    bb_error_report_clear(&r);
    return row;
}

static bb_error_row study(bb_file *f, const char *type, char *why, size_t size) {
    return study_with(f, type, false, why, size);
}

static void fill(float *w, float magnitude) {
    for (int i = 0; i < ROWS * COLS; i++) w[i] = magnitude * ((float)(i * 37 % 101 - 50) / 50);
}

/* Finite weights that a quantizer turns into infinities are no perfect result, and the file is not to blame. */
START_TEST(lost_weights) {
    static float w[ROWS * COLS];
    char why[224];
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
    r = study(f, "f32", why, sizeof why); /* loses nothing: what is left is the adding */
    ck_assert(!why[0] && r.weights.rel == 0 && r.activations.rel == 0 && r.accumulation.rel == r.total.rel);
    bb_file_close(f);
}
END_TEST

/* Values of the file that are not finite: named, and left out when that is asked for. */
START_TEST(values_that_are_not_finite) {
    static float w[ROWS * COLS];
    char why[224];
    fill(w, 1);
    w[COLS + 6] = (float)NAN;
    w[3 * COLS + 1] = -(float)INFINITY;
    bb_file *f = file_of("F32", sizeof w, w);
    for (size_t i = 0; i < 5; i++) {
        bb_error_row r = study(f, names[i], why, sizeof why);
        ck_assert_str_eq(why, "2 weights are not finite, the first nan at row 1, column 6");
        ck_assert(r.weight.n == 0 && r.odd_weights.count == 2 && r.odd_weights.row == 1 && r.odd_weights.col == 6);
        r = study_with(f, names[i], true, why, sizeof why);
        ck_assert_str_eq(why, "");
        ck_assert(r.weight.nonfinite == 2 && r.weight.n == ROWS * COLS - 2 && r.weight.rel < 0.2 && r.total.rel < 0.2);
        ck_assert_uint_eq(r.odd_weights.count, 2);
    }
    bb_file_close(f);
    w[3 * COLS + 1] = 0;
    f = file_of("F32", sizeof w, w);
    (void)study(f, "int8:tensor", why, sizeof why);
    ck_assert_str_eq(why, "1 weight is not finite, the first nan at row 1, column 6");
    bb_file_close(f);
}
END_TEST

START_TEST(product_that_overflows) {
    static float w[ROWS * COLS];
    char why[224];
    fill(w, 2e38F);
    bb_file *f = file_of("F32", sizeof w, w);
    for (size_t i = 0; i < 3; i++) {
        bb_error_row r = study(f, names[i], why, sizeof why);
        ck_assert_str_eq(why, "the fp32 product overflows");
        ck_assert(r.weight.n == ROWS * COLS && r.weight.rel < 0.01 && r.total.rel == 0 && r.bound == 0);
    }
    bb_file_close(f);
}
END_TEST

/* study() checks the bound. */
START_TEST(bound_of_tiny_weights) {
    static float w[ROWS * COLS];
    char why[224];
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
    char why[224];
    bb_file *f = file_of("F32", sizeof w, w);
    for (size_t i = 0; i < 5; i++) {
        bb_error_row r = study(f, names[i], why, sizeof why);
        ck_assert_str_eq(why, "");
        ck_assert(r.weight.rel == 0 && r.total.rel == 0 && r.weights.rel == 0 && r.activations.rel == 0 &&
                  r.accumulation.rel == 0 && r.cross == 0 && r.bound == 0);
    }
    bb_file_close(f);
}
END_TEST

/* 1 + 2^-30 and 2^40 + 1 are no fp32: what fp32 makes of them is an error of the type, not of the reference. */
START_TEST(wide_types_are_the_reference) {
    static double w[ROWS * COLS];
    static int64_t v[ROWS * COLS];
    char why[224];
    for (int i = 0; i < ROWS * COLS; i++) {
        w[i] = 1 + 0x1p-30;
        v[i] = (INT64_C(1) << 40) + 1;
    }
    bb_file *f = file_of("F64", sizeof w, w);
    bb_error_row r = study(f, "f32", why, sizeof why);
    ck_assert_double_eq_tol(r.weight.rel, 0x1p-30 / (1 + 0x1p-30), 1e-15);
    ck_assert_double_eq_tol(r.weights.rel, r.weight.rel, 1e-12);
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
    bb_error_type t = type_of("q4_0"), none = {bb_dtype_find("iq3_s", NULL), false};
    ck_assert_int_eq(bb_file_open("data/demo.gguf", &f, NULL), BB_OK);
    ck_assert_int_eq(bb_error_study(f, &(bb_error_opts){.types = &none, .n_types = 1}, NULL, &r, &err),
                     BB_E_UNSUPPORTED);
    ck_assert(strstr(err.text, "q4_0") != NULL);
    ck_assert_int_eq(bb_error_type_find("iq3_s", &none, &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_error_type_find("q4_0:tensor", &none, &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_error_type_find("int8:group", &none, &err), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_error_type_find("", &none, &err), BB_E_NAME);
    bb_progress p;
    bb_progress_init(&p);
    atomic_store(&p.cancel, true);
    ck_assert_int_eq(bb_error_study(f, &(bb_error_opts){.types = &t, .n_types = 1}, &p, &r, &err), BB_E_CANCELLED);
    ck_assert_ptr_eq(r.rows, NULL);
    bb_file_close(f);
}
END_TEST

typedef struct watch {
    bb_progress progress;
    const bb_file *file;
    const char *first, *odd; /* names that were seen */
    atomic_bool stop;
} watch;

static void *look(void *ctx) {
    watch *w = ctx;
    while (!atomic_load(&w->stop)) {
        const char *now = atomic_load(&w->progress.now);
        if (!now) continue;
        if (!w->first) w->first = now;
        if (!bb_file_find(w->file, now)) w->odd = now;
    }
    return NULL;
}

/* The name of what is measured comes through `now`; `what` is not written while others read it. */
START_TEST(watched) {
    bb_file *f = NULL;
    bb_error_report r = {0};
    bb_error_type t = type_of("q4_0");
    watch w = {.first = NULL};
    pthread_t thread;
    bb_progress_init(&w.progress);
    memcpy(w.progress.what, "a leg", 6);
    ck_assert_int_eq(bb_file_open("data/demo.gguf", &f, NULL), BB_OK);
    w.file = f;
    ck_assert_int_eq(pthread_create(&thread, NULL, look, &w), 0);
    ck_assert_int_eq(bb_error_study(f, &(bb_error_opts){.types = &t, .n_types = 1}, &w.progress, &r, NULL), BB_OK);
    atomic_store(&w.stop, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_str_eq(w.progress.what, "a leg");
    ck_assert(w.first && !w.odd && !atomic_load(&w.progress.now));
    bb_error_report_clear(&r);
    bb_file_close(f);
}
END_TEST

/* A row longer than the 32-bit sums are exact for, and nothing else: not supported. With a type that takes it the
 * other has a reason. */
START_TEST(rows_too_long_for_int8) {
    enum { LONG = 132105 };
    static float w[LONG];
    bb_error err = {0};
    bb_error_report r = {0};
    bb_error_type types[2] = {type_of("int8"), type_of("f16")};
    for (int i = 0; i < LONG; i++) w[i] = (float)(i % 17 - 8);
    bb_file *f = matrix_of("F32", 1, LONG, sizeof w, w);
    bb_error_opts o = {.types = types, .n_types = 1, .tokens = 1};
    ck_assert_int_eq(bb_error_study(f, &o, NULL, &r, &err), BB_E_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, "132105") && strstr(err.text, "132104"), "%s", err.text);
    o.n_types = 2;
    ck_assert_int_eq(bb_error_study(f, &o, NULL, &r, &err), BB_OK);
    ck_assert(r.rows[0].skipped[0] && r.rows[0].beyond && !r.rows[1].skipped[0]);
    check_row(&r.rows[1]);
    bb_error_report_clear(&r);
    bb_file_close(f);
}
END_TEST

/* ---- the same figures whatever computes them ---- */

static bb_error_report study_demo(bb_isa isa, unsigned threads, uint64_t rows) {
    static const char *const few[] = {"int8:tensor", "q4_0", "q5_0", "e4m3fn", "f32", "iq4_xs", "nf4", "q4_K", "bf16"};
    enum { FEW = sizeof few / sizeof *few };
    bb_error_type types[FEW];
    bb_error_report r;
    bb_error err = {0};
    bb_file *f = NULL;
    for (size_t i = 0; i < FEW; i++) types[i] = type_of(few[i]);
    ck_assert_int_eq(bb_file_open("data/demo.gguf", &f, NULL), BB_OK);
    bb_error_opts o = {.types = types,
                       .n_types = FEW,
                       .tokens = 3,
                       .rows_max = rows,
                       .isa = isa,
                       .threads = threads,
                       .only = "blk.1.ffn_d"};
    ck_assert_msg(bb_error_study(f, &o, NULL, &r, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(r.n_rows, FEW);
    for (size_t i = 0; i < FEW; i++) {
        ck_assert_str_eq(r.rows[i].skipped, "");
        check_row(&r.rows[i]);
        r.rows[i].tensor = NULL; /* of the file that is closed now */
    }
    bb_file_close(f);
    return r;
}

static bool same_part(const bb_error_part *a, const bb_error_part *b) {
    return a->rel == b->rel && a->max_abs == b->max_abs && a->cosine == b->cosine;
}

static void same_figures(bb_error_report *a, bb_error_report *b) {
    for (size_t i = 0; i < a->n_rows; i++) {
        const bb_error_row *x = &a->rows[i], *y = &b->rows[i];
        ck_assert(memcmp(&x->weight, &y->weight, sizeof x->weight) == 0);
        ck_assert(same_part(&x->total, &y->total) && same_part(&x->weights, &y->weights) &&
                  same_part(&x->activations, &y->activations) && same_part(&x->accumulation, &y->accumulation));
        ck_assert(x->cross == y->cross && x->bound == y->bound && x->bound_sqrt == y->bound_sqrt &&
                  x->bound_weights == y->bound_weights && x->bound_activations == y->bound_activations &&
                  x->share == y->share && x->larger.per_byte == y->larger.per_byte);
        ck_assert_str_eq(x->kernel, y->kernel);
    }
    bb_error_report_clear(a);
    bb_error_report_clear(b);
}

START_TEST(same_whatever_computes_it) {
    bb_error_report scalar = study_demo(BB_ISA_SCALAR, 1, 100), widest = study_demo(BB_ISA_AUTO, 3, 100);
    uint64_t products = 0;
    for (size_t i = 0; i < bb_kernel_count(); i++) {
        const bb_kernel *k = bb_kernel_at(i);
        products += scalar.dispatch.calls[i];
        ck_assert(k->level == BB_LEVEL_SCALAR || scalar.dispatch.calls[i] == 0);
    }
    ck_assert_uint_eq(products, scalar.n_rows);
    for (size_t i = 0; i < scalar.n_rows; i++) ck_assert_str_eq(scalar.rows[i].isa, "scalar");
    same_figures(&scalar, &widest);
}
END_TEST

/* Shares add up to one; a step names the neighbour, and its price is that of the two rows. */
START_TEST(ranking) {
    bb_error_type types[3] = {type_of("q4_0"), type_of("q8_0"), type_of("int4")};
    bb_file *f = NULL;
    bb_error_report r;
    double share[3] = {0};
    ck_assert_int_eq(bb_file_open("data/demo.gguf", &f, NULL), BB_OK);
    bb_error_opts o = {.types = types, .n_types = 3, .tokens = 2, .rows_max = 16, .threads = 2, .only = "blk.2"};
    ck_assert_int_eq(bb_error_study(f, &o, NULL, &r, NULL), BB_OK);
    for (size_t i = 0; i < r.n_rows; i++) {
        const bb_error_row *x = &r.rows[i], *q4 = &r.rows[i / 3 * 3], *q8 = q4 + 1, *i4 = q4 + 2;
        share[i % 3] += x->share;
        const bb_error_row *up = i % 3 == 0 ? q8 : i % 3 == 1 ? NULL : q4;
        const bb_error_row *down = i % 3 == 0 ? i4 : i % 3 == 1 ? q4 : NULL;
        ck_assert_ptr_eq(x->larger.type, up ? up->type : NULL);
        ck_assert_ptr_eq(x->smaller.type, down ? down->type : NULL);
        if (!up) continue;
        double n = (double)(x->rows * x->cols), bytes = (double)(up->bytes - x->bytes);
        ck_assert_double_eq_tol(x->larger.per_byte,
                                n * (x->total.rel * x->total.rel - up->total.rel * up->total.rel) / bytes, 1e-12);
        ck_assert_double_eq(x->larger.per_byte, up->smaller.per_byte);
    }
    for (size_t k = 0; k < 3; k++) {
        ck_assert_double_eq_tol(share[k], 1, 1e-12);
        ck_assert_uint_eq(r.totals[k].tensors, r.n_rows / 3);
    }
    bb_error_report_sort(&r);
    for (size_t i = 1; i < r.n_rows; i++)
        ck_assert(r.rows[i].type > r.rows[i - 1].type ||
                  (r.rows[i].type == r.rows[i - 1].type && r.rows[i].share <= r.rows[i - 1].share));
    ck_assert_ptr_eq(r.totals[0].worst, r.rows[0].tensor);
    bb_error_report_clear(&r);
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
    tcase_add_test(t, values_that_are_not_finite);
    tcase_add_test(t, product_that_overflows);
    tcase_add_test(t, bound_of_tiny_weights);
    tcase_add_test(t, zero_matrix);
    tcase_add_test(t, wide_types_are_the_reference);
    tcase_add_test(t, refusals_and_cancel);
    tcase_add_test(t, watched);
    tcase_add_test(t, rows_too_long_for_int8);
    tcase_add_test(t, same_whatever_computes_it);
    tcase_add_test(t, ranking);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
