/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_capture.c - the inputs of matrices: which rows are kept, sums of squares, the files made of them. */
#include "file/made.h"
#include "infer/capture.h"
#include "infer/made_model.h"
#include "model/imatrix.h"

static bb_capture *fresh(size_t rows_max) {
    bb_capture *c = NULL;
    ck_assert_int_eq(bb_capture_new(rows_max, &c), BB_OK);
    return c;
}

/* Rows of which the first value is the number of the row. */
START_TEST(kept_rows) {
    static const struct {
        size_t most, came, kept, step;
    } cases[] = {{4, 3, 3, 1}, {4, 4, 4, 1},    {4, 5, 3, 2}, {4, 8, 4, 2},
                 {4, 9, 3, 4}, {3, 100, 2, 64}, {1, 5, 1, 8}, {5, 1000, 4, 256}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_capture *c = fresh(cases[i].most);
        size_t n, cols;
        uint64_t count;
        float x[6] = {0};
        for (size_t k = 0; k < cases[i].came; k++) {
            x[0] = (float)k;
            x[1] = 2;
            bb_capture_tap(c, 3, x, 1, 2);
        }
        const float *got = bb_capture_rows(c, 3, &n, &cols);
        ck_assert_msg(got && cols == 2 && n == cases[i].kept, "case %zu: %zu rows", i, n);
        for (size_t k = 0; k < n; k++) ck_assert(got[2 * k] == (float)(k * cases[i].step) && got[2 * k + 1] == 2);
        const double *squares = bb_capture_squares(c, 3, &cols, &count);
        ck_assert(squares && count == cases[i].came && squares[1] == 4.0 * (double)count);
        ck_assert_ptr_eq(bb_capture_rows(c, 2, &n, &cols), NULL);
        ck_assert_ptr_eq(bb_capture_squares(c, 9, &cols, &count), NULL);
        bb_capture_free(c);
    }
    bb_capture_free(NULL);
}
END_TEST

/* The same x once more is the same value, read by another matrix. */
START_TEST(shared) {
    bb_capture *c = fresh(10);
    float x[4] = {1, 2, 3, 4}, y[2] = {5, 6};
    size_t n, cols;
    uint64_t count;
    for (int k = 0; k < 2; k++) {
        bb_capture_tap(c, 0, x, 2, 2);
        bb_capture_tap(c, 1, x, 2, 2);
        bb_capture_tap(c, 2, y, 1, 2);
    }
    ck_assert_ptr_eq(bb_capture_rows(c, 1, &n, &cols), bb_capture_rows(c, 0, &n, &cols));
    ck_assert_uint_eq(n, 4);
    const double *s = bb_capture_squares(c, 1, &cols, &count);
    ck_assert(count == 4 && s[0] == 2 * (1.0 + 9) && s[1] == 2 * (4.0 + 16));
    const float *other = bb_capture_rows(c, 2, &n, &cols);
    ck_assert(n == 2 && other[0] == 5 && other[3] == 6);
    ck_assert_int_eq(bb_capture_status(c), BB_OK);
    bb_capture_free(c);
}
END_TEST

/* ---- what is written ---- */

typedef struct text {
    bb_file *file;
    bb_arch *arch;
    bb_infer *infer;
    bb_capture *capture;
} text;

enum { TOKENS = 40 };

/* The small llama, whose inputs were captured while 40 tokens ran. */
static text run_text(size_t rows_max, const made_change *change) {
    text t = {.capture = fresh(rows_max)};
    bb_infer_opts opts = {.tap = bb_capture_tap, .tap_ctx = t.capture};
    int32_t tokens[TOKENS];
    float *logits = malloc(TOKENS * MADE_VOCAB * sizeof *logits);
    bb_error err = {0};
    for (size_t i = 0; i < TOKENS; i++) tokens[i] = (int32_t)(bb_random_u64(2, i) % MADE_VOCAB);
    ck_assert_int_eq(made_model(&made_specs[0], change, made_path("m.gguf"), &err), BB_OK);
    t.file = made_open("m.gguf");
    ck_assert_int_eq(bb_arch_from_file(t.file, &t.arch, &err), BB_OK);
    ck_assert_msg(bb_infer_open(t.file, t.arch, &opts, &t.infer, &err) == BB_OK, "%s", err.text);
    ck_assert_int_eq(bb_infer_run(t.infer, tokens, TOKENS, 0, false, logits, &err), BB_OK);
    free(logits);
    return t;
}

static void end(text *t) {
    bb_infer_free(t->infer);
    bb_capture_free(t->capture);
    bb_arch_free(t->arch);
    bb_file_close(t->file);
}

static void remove_folder(const char *name) {
    char folder[512], path[1024];
    snprintf(folder, sizeof folder, "%s", made_path(name));
    DIR *dir = opendir(folder);
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        unlink(path);
    }
    if (dir) closedir(dir);
    rmdir(folder);
}

START_TEST(npy) {
    bb_error err = {0};
    made_begin();
    text t = run_text(16, NULL);
    char folder[512], path[600];
    snprintf(folder, sizeof folder, "%s", made_path("inputs"));
    ck_assert_msg(bb_capture_write_npy(t.capture, t.infer, folder, false, &err) == BB_OK, "%s", err.text);
    ck_assert_int_eq(bb_capture_write_npy(t.capture, t.infer, folder, false, &err), BB_E_EXISTS);
    ck_assert_msg(bb_capture_write_npy(t.capture, t.infer, folder, true, &err) == BB_OK, "%s", err.text);
    for (size_t i = 0; i < bb_infer_linears(t.infer); i++) {
        size_t rows, cols;
        const float *want = bb_capture_rows(t.capture, i, &rows, &cols);
        float got[16 * 96];
        bb_file *f = NULL;
        ck_assert(rows == 10 && cols == bb_infer_linear(t.infer, i)->cols); /* each fourth of 40 */
        snprintf(path, sizeof path, "%s/%s.npy", folder, bb_infer_linear(t.infer, i)->name);
        ck_assert_msg(bb_file_open(path, &f, &err) == BB_OK, "%s", err.text);
        const bb_tensor *x = bb_file_tensor(f, 0);
        ck_assert(x->rows == rows && x->cols == cols && !f->column_major && strcmp(x->type->name, "f32") == 0);
        ck_assert_int_eq(bb_file_read_rows(f, x, 0, rows, got, &err), BB_OK);
        ck_assert_mem_eq(got, want, rows * cols * sizeof *got);
        bb_file_close(f);
    }
    end(&t);
    remove_folder("inputs");
    made_end();
}
END_TEST

START_TEST(imatrix) {
    bb_error err = {0};
    bb_imatrix *im = NULL;
    made_begin();
    text t = run_text(0, NULL);
    const char *path = made_path("im.gguf");
    ck_assert_msg(bb_capture_write_imatrix(t.capture, t.infer, "words.txt", 16, path, false, &err) == BB_OK, "%s",
                  err.text);
    ck_assert_int_eq(bb_capture_write_imatrix(t.capture, t.infer, "words.txt", 16, path, false, &err), BB_E_EXISTS);
    ck_assert_int_eq(bb_capture_write_imatrix(t.capture, t.infer, "words.txt", 0, path, true, &err), BB_E_ARG);
    ck_assert_int_eq(bb_imatrix_open(path, &im, &err), BB_OK);
    ck_assert_str_eq(bb_imatrix_dataset(im), "words.txt");
    ck_assert_uint_eq(bb_imatrix_chunks(im), 2);
    ck_assert_uint_eq(bb_imatrix_count(im), bb_infer_linears(t.infer));
    for (size_t i = 0; i < bb_infer_linears(t.infer); i++) {
        size_t cols;
        uint64_t count, im_cols, experts;
        const double *squares = bb_capture_squares(t.capture, i, &cols, &count);
        const float *w = bb_imatrix_weights(im, bb_infer_linear(t.infer, i)->name, &im_cols, &experts);
        ck_assert(w && im_cols == cols && experts == 1 && count == TOKENS);
        for (size_t k = 0; k < cols; k++) ck_assert(w[k] == (float)squares[k] / TOKENS && w[k] > 0);
    }
    size_t rows, cols;
    ck_assert_ptr_eq(bb_capture_rows(t.capture, 0, &rows, &cols), NULL); /* none were to be kept */
    ck_assert_int_eq(bb_capture_write_npy(t.capture, t.infer, made_path("none"), false, &err), BB_E_VALUE);
    bb_imatrix_free(im);
    /* a text shorter than a chunk is one */
    ck_assert_int_eq(bb_capture_write_imatrix(t.capture, t.infer, "x", TOKENS + 1, path, true, &err), BB_OK);
    ck_assert_int_eq(bb_imatrix_open(path, &im, &err), BB_OK);
    ck_assert_uint_eq(bb_imatrix_chunks(im), 1);
    bb_imatrix_free(im);
    end(&t);
    made_end();
}
END_TEST

static void spoil(const bb_graph_tensor *t, float *x, uint64_t n, const void *ctx) {
    (void)ctx;
    if (strcmp(t->name, "blk.1.ffn_up.weight") == 0) x[n / 2] = INFINITY;
}

START_TEST(refused) {
    bb_error err = {0};
    made_begin();
    made_change c = {.values = spoil};
    text t = run_text(4, &c);
    bb_capture *empty = fresh(4);
    ck_assert_int_eq(bb_capture_write_imatrix(t.capture, t.infer, "x", 16, made_path("im.gguf"), false, &err),
                     BB_E_INVALID);
    ck_assert_ptr_ne(strstr(err.text, "blk.1.ffn_down.weight"), NULL);
    ck_assert_int_ne(access(made_path("im.gguf"), F_OK), 0);
    ck_assert_int_eq(bb_capture_write_imatrix(empty, t.infer, "x", 16, made_path("im.gguf"), false, &err), BB_E_VALUE);
    ck_assert_int_eq(bb_capture_write_npy(empty, t.infer, made_path("inputs"), false, &err), BB_E_VALUE);
    ck_assert_int_ne(access(made_path("inputs"), F_OK), 0);
    bb_capture_free(empty);
    end(&t);
    made_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("capture");
    TCase *t = tcase_create("capture");
    tcase_add_test(t, kept_rows);
    tcase_add_test(t, shared);
    tcase_add_test(t, npy);
    tcase_add_test(t, imatrix);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
