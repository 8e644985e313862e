/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_error_text.c - the inputs of a model that runs over a text: of every matrix, the same whatever computes them,
 * and what is saved of them. */
#include "file/made.h"
#include "model/imatrix.h"
#include "study/error_study.h"
#include "study/error_text.h"
#include <math.h>

static const char words[] = "The tide had gone out and left the sand in ridges. A boy walked along the water with his "
                            "dog, and neither of them said anything until the lamp of the harbour was lit.\n";
enum { CTX = 24 };

static bb_model *demo(void) {
    bb_model *m = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_model_find("data/demo.gguf", &m, &err) == BB_OK, "%s", err.text);
    return m;
}

static bb_inputs *run_text(const bb_text_opts *o) {
    bb_inputs *in = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_inputs_from_text(o, NULL, &in, &err) == BB_OK, "%s", err.text);
    return in;
}

static float *rows_of(const bb_inputs *in, const bb_file *f, const char *name, size_t *rows, size_t *cols) {
    const bb_tensor *t = bb_file_find(f, name);
    float *x = NULL;
    char why[160] = "";
    bool other = false;
    ck_assert_ptr_nonnull(t);
    *cols = (size_t)t->cols;
    ck_assert_int_eq(bb_inputs_rows(in, t, *cols, 8, &x, rows, why, sizeof why, &other, NULL), BB_OK);
    return x;
}

/* Every matrix but the embedding has rows, those of q and k are the same, and instructions change nothing. */
START_TEST(rows_of_every_matrix) {
    bb_model *m = demo();
    bb_text_opts o = {.model = m, .ctx = CTX, .chunks = 2, .rows = 8, .isa = BB_ISA_SCALAR, .threads = 1};
    made_begin();
    made_file("a.txt", words, sizeof words - 1);
    o.text = made_path("a.txt");
    bb_inputs *in = run_text(&o);
    o.isa = BB_ISA_AUTO;
    o.threads = 2;
    bb_inputs *again = run_text(&o);
    for (size_t i = 0; i < bb_file_tensor_count(m->file); i++) {
        const bb_tensor *t = bb_file_tensor(m->file, i);
        size_t rows = 0, same = 0, cols = 0;
        if (t->n_dims < 2) continue;
        float *x = rows_of(in, m->file, t->name, &rows, &cols), *y = rows_of(again, m->file, t->name, &same, &cols);
        bool embedding = strcmp(t->name, "token_embd.weight") == 0;
        ck_assert_msg(rows == (embedding ? 0 : 8) && same == rows, "%s: %zu rows", t->name, rows);
        if (rows) ck_assert_mem_eq(x, y, rows * cols * sizeof *x);
        free(x);
        free(y);
    }
    size_t n = 0, k = 0, cols = 0;
    float *q = rows_of(in, m->file, "blk.1.attn_q.weight", &n, &cols);
    float *v = rows_of(in, m->file, "blk.1.attn_v.weight", &k, &cols);
    ck_assert_mem_eq(q, v, n * cols * sizeof *q);
    ck_assert(memcmp(q, q + cols, cols * sizeof *q) != 0);
    free(q);
    free(v);
    bb_inputs_free(in);
    bb_inputs_free(again);
    made_end();
    bb_model_free(m);
}
END_TEST

/* A study of saved inputs gives the figures of the run; the imatrix counts every token, and has no output matrix. */
START_TEST(saved) {
    bb_model *m = demo();
    char text[512], folder[64];
    bb_error_type type;
    bb_error_report a, b;
    bb_error err = {0};
    bb_imatrix *imatrix = NULL;
    bb_inputs *read = NULL;
    made_begin();
    made_file("a.txt", words, sizeof words - 1);
    snprintf(text, sizeof text, "%s", made_path("a.txt"));
    snprintf(folder, sizeof folder, "%s", "/tmp/bb-inputs-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder)); /* an empty folder is filled */
    bb_text_opts o = {.model = m,
                      .text = text,
                      .ctx = CTX,
                      .chunks = 2,
                      .threads = 2,
                      .save_inputs = folder,
                      .save_imatrix = made_path("a.imatrix")};
    bb_inputs *in = run_text(&o);
    ck_assert_msg(bb_inputs_read(folder, NULL, &read, &err) == BB_OK, "%s", err.text);
    ck_assert_int_eq(bb_error_type_find("q4_0", &type, NULL), BB_OK);
    bb_error_opts e = {.types = &type, .n_types = 1, .rows_max = 16, .only = "ffn", .inputs = in, .threads = 2};
    ck_assert_int_eq(bb_error_study(m->file, &e, NULL, &a, NULL), BB_OK);
    e.inputs = read;
    ck_assert_int_eq(bb_error_study(m->file, &e, NULL, &b, NULL), BB_OK);
    ck_assert_uint_eq(a.n_rows, 12);
    for (size_t i = 0; i < a.n_rows; i++) {
        ck_assert_str_eq(a.rows[i].skipped, "");
        ck_assert(a.rows[i].total.rel == b.rows[i].total.rel && a.rows[i].tokens == 16 && a.rows[i].total.rel > 0.01);
    }
    bb_error_report_clear(&a);
    bb_error_report_clear(&b);
    ck_assert_msg(bb_imatrix_open(made_path("a.imatrix"), &imatrix, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(bb_imatrix_count(imatrix), 28);
    ck_assert_uint_eq(bb_imatrix_chunks(imatrix), 2);
    bb_imatrix_free(imatrix);
    bb_inputs_free(in);
    bb_inputs_free(read);
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
    made_end();
    bb_model_free(m);
}
END_TEST

/* A short text is one chunk; none, a longer vocabulary, and a model that does not run are told. */
START_TEST(texts_and_refusals) {
    bb_model *m = demo();
    bb_inputs *in = NULL;
    bb_error err = {0};
    bb_text_opts o = {.model = m, .rows = 4, .threads = 1};
    made_begin();
    made_file("short.txt", "One.", 4);
    o.text = made_path("short.txt");
    in = run_text(&o);
    size_t rows = 0, cols = 0;
    float *x = rows_of(in, m->file, "output.weight", &rows, &cols);
    ck_assert(rows >= 2 && rows <= 4);
    free(x);
    bb_inputs_free(in);
    o.text = made_path("absent.txt");
    ck_assert_int_eq(bb_inputs_from_text(&o, NULL, &in, &err), BB_E_OPEN);
    bb_progress p;
    bb_progress_init(&p);
    atomic_store(&p.cancel, true);
    o.text = made_path("short.txt");
    ck_assert_int_eq(bb_inputs_from_text(&o, &p, &in, &err), BB_E_CANCELLED);
    bb_model none = {.title = "a.npy"};
    o.model = &none;
    ck_assert_int_eq(bb_inputs_from_text(&o, NULL, &in, &err), BB_E_UNSUPPORTED);
    made_end();
    bb_model_free(m);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("study");
    TCase *t = tcase_create("text");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, rows_of_every_matrix);
    tcase_add_test(t, saved);
    tcase_add_test(t, texts_and_refusals);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
