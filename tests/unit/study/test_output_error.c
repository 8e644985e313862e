/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_output_error.c - the error of products that a quantizing job reports: what reading the files again gives, and
 * the same whoever runs it. */
#include "base/mem.h"
#include "base/random.h"
#include "made_checkpoint.h"
#include "study/coded_weight.h"
#include "study/error_study.h"
#include "study/output_error.h"
#include "study/tensor_rows.h"

enum { SEED = 5, T = 7 }; /* no whole number of lanes */

/* ---- from the files alone ---- */

typedef struct split {
    double total, weights, activations;
} split;

static double norm(const double *a, const double *b, size_t n) {
    double s = 0;
    for (size_t i = 0; i < n; i++) s += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(s);
}

/* Row numbers that a sample has: at most 128, evenly spaced. */
static size_t sampled(uint64_t rows, uint64_t *row) {
    size_t n = rows < BB_OUTPUT_ROWS ? (size_t)rows : BB_OUTPUT_ROWS;
    for (size_t i = 0; i < n; i++) row[i] = (uint64_t)((double)i * ((double)rows / (double)n));
    return n;
}

static void multiply(const double *w, const float *x, size_t rows, size_t cols, double *y) {
    for (size_t t = 0; t < T; t++)
        for (size_t r = 0; r < rows; r++) {
            double s = 0;
            for (size_t k = cols; k-- > 0;) s += w[r * cols + k] * (double)x[t * cols + k];
            y[t * rows + r] = s;
        }
}

/* w and what [rows][cols], activations rounded as the kernel does. What adding in fp32 costs is in none of it. */
static split expected(const double *w, const double *what, size_t rows, size_t cols, const bb_dtype *type) {
    float *x = bb_alloc(T * cols, sizeof *x), *xhat = bb_alloc(T * cols, sizeof *xhat);
    double *y[3], *zero = bb_alloc(T * rows, sizeof *zero);
    for (int i = 0; i < 3; i++) y[i] = bb_alloc(T * rows, sizeof **y);
    bb_study_gaussian(SEED, 0, x, T * cols);
    bb_act act = bb_kernel_find(type, BB_ISA_SCALAR)->family->layout->act;
    ck_assert_int_eq(bb_acts_roundtrip(act, x, T, cols, xhat), BB_OK);
    multiply(w, x, rows, cols, y[0]);
    multiply(what, x, rows, cols, y[1]);
    multiply(what, xhat, rows, cols, y[2]);
    double whole = norm(y[0], zero, T * rows);
    split s = {norm(y[2], y[0], T * rows) / whole, norm(y[1], y[0], T * rows) / whole,
               norm(y[2], y[1], T * rows) / whole};
    for (int i = 0; i < 3; i++) free(y[i]);
    free(zero);
    free(x);
    free(xhat);
    return s;
}

static void check(const bb_quantize_row *r, const split *s, size_t rows) {
    ck_assert_ptr_eq(r->kernel, bb_kernel_find(r->to, BB_ISA_AUTO));
    ck_assert_uint_eq(r->output_rows, rows);
    double apart = r->kernel->family->code_error + 1e-6 + 1e-5 * s->total;
    ck_assert_msg(fabs(r->output_rel - s->total) <= apart, "%s in %s: %.9g, from the files %.9g", r->name, r->to->name,
                  r->output_rel, s->total);
    /* the two roundings know nothing of each other: their squares add up but for a cross term of chance */
    double squares = s->weights * s->weights + s->activations * s->activations;
    ck_assert_msg(fabs(s->total * s->total - squares) <= 0.2 * squares, "%s: %g + %g, %g", r->name, s->weights,
                  s->activations, s->total);
}

/* ---- GGUF ---- */

static bb_quantize_job *quantized(const bb_model *m, const char *type, unsigned tokens, unsigned threads, bb_isa isa,
                                  const char *path) {
    bb_quantize_job *job = NULL;
    bb_error err = {0};
    bb_quantize_opts o = {.recipe = {.ftype = bb_ftype_find(type, NULL)}, .threads = threads, .seed = SEED};
    o.output_tokens = tokens;
    o.quant.isa = isa;
    ck_assert_msg(bb_quantize_plan(m, &o, NULL, &job, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(bb_quantize_run(job, path, true, NULL, &err) == BB_OK, "%s", err.text);
    return job;
}

static bb_model *model_of(const char *path) {
    bb_model *m = NULL;
    ck_assert_int_eq(bb_model_find(path, &m, NULL), BB_OK);
    return m;
}

static void from_files(const bb_file *before, const bb_file *after, const bb_tensor *t, const bb_quantize_row *r) {
    const bb_tensor *was = bb_file_find(before, t->name);
    uint64_t row[BB_OUTPUT_ROWS];
    size_t rows = sampled(t->rows, row), cols = (size_t)t->cols;
    double *w = bb_alloc(rows * cols, sizeof *w), *what = bb_alloc(rows * cols, sizeof *what);
    for (size_t i = 0; i < rows; i++) {
        ck_assert_int_eq(bb_tensor_read(before, was, row[i] * cols, cols, NULL, w + i * cols, NULL), BB_OK);
        ck_assert_int_eq(bb_tensor_read(after, t, row[i] * cols, cols, NULL, what + i * cols, NULL), BB_OK);
    }
    split s = expected(w, what, rows, cols, t->type);
    check(r, &s, rows);
    free(w);
    free(what);
}

/* int8 activations in groups, whole fp32 ones beside a type that is widened, and bf16. */
START_TEST(as_the_files_say) {
    static const char *const types[] = {"q8_0", "q4_0", "q4_K_M", "bf16"};
    char path[256];
    begin();
    bb_model *m = model_of("data/demo.gguf");
    bb_quantize_job *job = quantized(m, types[_i], T, 2, BB_ISA_AUTO, in_root("a.gguf", path));
    bb_model *back = model_of(path);
    size_t n = 0;
    for (size_t i = 0; i < bb_quantize_count(job); i++) {
        const bb_quantize_row *r = bb_quantize_at(job, i);
        const bb_tensor *t = bb_file_tensor(back->file, i);
        bool product = r->quantized && r->n_dims >= 2;
        ck_assert(product == (r->kernel != NULL) && product == !isnan(r->output_rel));
        if (product && n++ % 5 == 0) from_files(m->file, back->file, t, r);
    }
    uint64_t ran = 0;
    for (size_t k = 0; k < BB_KERNELS_MAX; k++) ran += bb_quantize_dispatch(job)->calls[k];
    ck_assert(n > 20 && ran == n);
    bb_quantize_free(job);
    bb_model_free(back);
    bb_model_free(m);
    end();
}
END_TEST

/* What `error` says of the same rows and inputs, to the last bit. */
START_TEST(as_error_says) {
    static const char *const ftypes[] = {"q8_0", "q4_K_M", "bf16"};
    static const char *const names[] = {"q8_0", "q4_K", "q6_K", "q5_0", "bf16"};
    enum { TYPES = sizeof names / sizeof *names, TOKENS = 16 };
    bb_error_type types[TYPES];
    bb_error_opts o = {.types = types, .n_types = TYPES, .tokens = TOKENS, .rows_max = BB_OUTPUT_ROWS, .threads = 2};
    bb_error_report r;
    bb_inputs *inputs = NULL;
    char path[256];
    size_t same = 0;
    begin();
    bb_model *m = model_of("data/demo.gguf");
    bb_quantize_job *job = quantized(m, ftypes[_i], TOKENS, 1, BB_ISA_AUTO, in_root("a.gguf", path));
    for (size_t k = 0; k < TYPES; k++) ck_assert_int_eq(bb_error_type_find(names[k], &types[k], NULL), BB_OK);
    ck_assert_int_eq(bb_inputs_make(BB_INPUTS_NORMAL, SEED, &inputs, NULL), BB_OK);
    o.inputs = inputs;
    ck_assert_int_eq(bb_error_study(m->file, &o, NULL, &r, NULL), BB_OK);
    for (size_t i = 0; i < bb_quantize_count(job); i++) {
        const bb_quantize_row *q = bb_quantize_at(job, i);
        for (size_t k = 0; q->kernel && k < r.n_rows; k++) {
            const bb_error_row *e = &r.rows[k];
            if (e->type->dtype != q->to || e->skipped[0] || strcmp(e->tensor->name, q->name) != 0) continue;
            ck_assert_msg(e->total.rel == q->output_rel, "%s in %s: %.17g, error says %.17g", q->name, q->to->name,
                          q->output_rel, e->total.rel);
            same++;
        }
    }
    ck_assert_uint_ge(same, 10);
    bb_error_report_clear(&r);
    bb_inputs_free(inputs);
    bb_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

/* Bits do not depend on threads and instruction set, and the file not on whether products are measured. */
START_TEST(same_for_all) {
    char path[256], none[256];
    begin();
    bb_model *m = model_of("data/demo.gguf");
    bb_quantize_job *a = quantized(m, "q5_K_M", T, 1, BB_ISA_AUTO, in_root("a.gguf", path));
    bb_quantize_job *b = quantized(m, "q5_K_M", T, 3, BB_ISA_SCALAR, in_root("b.gguf", path));
    bb_quantize_job *off = quantized(m, "q5_K_M", 0, 1, BB_ISA_AUTO, in_root("c.gguf", none));
    for (size_t i = 0; i < bb_quantize_count(a); i++) {
        const bb_quantize_row *x = bb_quantize_at(a, i), *y = bb_quantize_at(b, i), *z = bb_quantize_at(off, i);
        ck_assert(isnan(x->output_rel) ? isnan(y->output_rel) : x->output_rel == y->output_rel);
        ck_assert(isnan(z->output_rel) && !z->kernel && !z->output_rows);
        ck_assert_double_eq(x->error.rel, z->error.rel);
        if (y->kernel) ck_assert(y->kernel->level == BB_LEVEL_SCALAR);
    }
    size_t n = 0, k = 0;
    char *with = NULL, *without = NULL;
    ck_assert_int_eq(bb_source_slurp(path, 64 << 20, &with, &n, NULL), BB_OK);
    ck_assert_int_eq(bb_source_slurp(none, 64 << 20, &without, &k, NULL), BB_OK);
    ck_assert(n == k && memcmp(with, without, n) == 0);
    free(with);
    free(without);
    bb_quantize_free(a);
    bb_quantize_free(b);
    bb_quantize_free(off);
    bb_model_free(m);
    end();
}
END_TEST

/* A part measures the tensors that are its own, with the same result, and leaves those that it shares. */
START_TEST(parts) {
    char path[256];
    bb_error err = {0};
    size_t n = 0, all = 0;
    begin();
    bb_model *m = model_of("data/demo.gguf");
    bb_quantize_job *whole = quantized(m, "q8_0", T, 2, BB_ISA_AUTO, in_root("a.gguf", path));
    bb_quantize_opts o = {.recipe = {.ftype = bb_ftype_find("q8_0", NULL)}, .output_tokens = T, .seed = SEED};
    for (o.parts = 3, o.part = 1; o.part <= o.parts; o.part++) {
        bb_quantize_job *job = NULL;
        ck_assert_int_eq(bb_quantize_plan(m, &o, NULL, &job, &err), BB_OK);
        ck_assert_msg(bb_quantize_run(job, in_root("p.gguf", path), true, NULL, &err) == BB_OK, "%s", err.text);
        for (size_t i = 0; i < bb_quantize_count(job); i++) {
            const bb_quantize_row *r = bb_quantize_at(job, i), *w = bb_quantize_at(whole, i);
            n += r->kernel != NULL;
            all += o.part == 1 && w->kernel != NULL;
            if (r->kernel) ck_assert_double_eq(r->output_rel, w->output_rel);
        }
        bb_quantize_free(job);
    }
    ck_assert(n <= all && n + 2 >= all); /* two cuts, each in at most one tensor */
    bb_quantize_free(whole);
    bb_model_free(m);
    end();
}
END_TEST

/* ---- folders ---- */

static void read_coded(const bb_file *file, const char *module, const uint64_t *row, size_t rows, size_t cols,
                       double *what) {
    bb_coded *c = NULL;
    bool unread = false;
    ck_assert_int_eq(bb_coded_open(file, bb_file_find(file, module), &c, &unread, NULL), BB_OK);
    ck_assert(c && !unread);
    for (size_t i = 0; i < rows; i++)
        ck_assert_int_eq(bb_coded_read(c, row[i] * cols, cols, what + i * cols, NULL), BB_OK);
    bb_coded_free(c);
}

/* Every layout for which there is a kernel; the others say that they are not measured. */
START_TEST(folders) {
    const struct layout *l = &layouts[_i];
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(l);
    o.output_tokens = T;
    o.seed = SEED;
    bb_folder_job *job = plan(m, &o);
    must_run(job, "out");
    bb_model *back = locate("out");
    bool grid = !l->asymmetric && l->granularity != BB_PER_GROUP;
    for (size_t i = 0; i < bb_folder_quantize_count(job); i++) {
        const bb_quantize_row *r = bb_folder_quantize_at(job, i);
        bool product = r->quantized && grid && bb_kernel_find(r->to, BB_ISA_AUTO);
        ck_assert_msg(product == (r->kernel != NULL) && product == !isnan(r->output_rel), "%s: %g", r->name,
                      r->output_rel);
        if (!product) continue;
        const bb_tensor *t = bb_file_find(m->file, r->name);
        uint64_t row[BB_OUTPUT_ROWS];
        size_t rows = sampled(t->rows, row), cols = (size_t)t->cols;
        double *w = bb_alloc(rows * cols, sizeof *w), *what = bb_alloc(rows * cols, sizeof *what);
        for (size_t k = 0; k < rows; k++)
            ck_assert_int_eq(bb_tensor_read(m->file, t, row[k] * cols, cols, NULL, w + k * cols, NULL), BB_OK);
        read_coded(back->file, r->name, row, rows, cols, what);
        split s = expected(w, what, rows, cols, r->to);
        check(r, &s, rows);
        free(w);
        free(what);
    }
    bb_model_free(back);
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

/* What cannot be multiplied to a number has none; its neighbours have. */
START_TEST(not_finite) {
    begin();
    make_checkpoint("llama", 5);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[5]);
    o.allow_nonfinite = true;
    o.output_tokens = T;
    bb_folder_job *job = plan(m, &o);
    must_run(job, "out");
    for (size_t i = 0; i < bb_folder_quantize_count(job); i++) {
        const bb_quantize_row *r = bb_folder_quantize_at(job, i);
        if (r->quantized) ck_assert(r->kernel && isnan(r->output_rel) == (strcmp(r->name, tensors[5].name) == 0));
    }
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

/* ---- the sample ---- */

/* However the matrix is cut, the sample holds whole rows of it. */
START_TEST(cut_anywhere) {
    enum { OF = 1000, COLS = 96 };
    const bb_dtype *type = bb_dtype_find("q4_0", NULL);
    float *w = bb_alloc(OF * COLS, sizeof *w);
    unsigned char *blocks = bb_alloc(OF * COLS / 32, type->block_bytes);
    bb_study_gaussian(1, 0, w, OF * COLS);
    ck_assert_int_eq(bb_quantize_rows(type, w, OF, COLS, NULL, blocks), BB_OK);
    for (uint64_t seed = 0; seed < 20; seed++) {
        bb_output_sample s;
        ck_assert_int_eq(bb_output_sample_init(&s, type, OF, COLS), BB_OK);
        ck_assert_uint_eq(s.rows, BB_OUTPUT_ROWS);
        uint64_t draw = 0;
        for (size_t at = 0, n; at < OF * COLS; at += n) {
            n = 32 * (size_t)(1 + 400 * bb_random_unit(seed, draw++));
            if (n > OF * COLS - at) n = OF * COLS - at;
            bb_output_sample_take(&s, at, n, w + at, blocks + at / 32 * type->block_bytes);
        }
        for (size_t i = 0; i < s.rows; i++) {
            uint64_t row = bb_output_sample_row(&s, i);
            ck_assert(i == 0 ? row == 0 : row > bb_output_sample_row(&s, i - 1));
            ck_assert_mem_eq(s.w + i * COLS, w + row * COLS, COLS * sizeof *w);
            ck_assert_mem_eq(s.data + i * s.row_bytes, blocks + row * s.row_bytes, s.row_bytes);
        }
        bb_output_sample_clear(&s);
    }
    free(w);
    free(blocks);
}
END_TEST

START_TEST(bounded) {
    const bb_dtype *q8 = bb_dtype_find("q8_0", NULL), *i32 = bb_dtype_find("i32", NULL);
    ck_assert(bb_output_measurable(q8, 1, 32) && bb_output_measurable(q8, UINT64_MAX / 32, BB_OUTPUT_COLS_MAX));
    ck_assert(!bb_output_measurable(q8, 10, 2 * BB_OUTPUT_COLS_MAX) && !bb_output_measurable(q8, 10, 33));
    ck_assert(!bb_output_measurable(q8, 0, 32) && !bb_output_measurable(q8, 10, 0));
    ck_assert(!bb_output_measurable(i32, 10, 32));
    for (uint64_t cols = 32; cols <= BB_OUTPUT_COLS_MAX; cols *= 4) {
        bb_output_sample s;
        ck_assert_int_eq(bb_output_sample_init(&s, q8, 1u << 30, cols), BB_OK);
        ck_assert(s.rows >= 8 && s.rows <= BB_OUTPUT_ROWS && s.rows * cols <= BB_OUTPUT_ELEMENTS);
        bb_output_sample_clear(&s);
    }
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("output_error");
    TCase *t = tcase_create("output_error");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, as_the_files_say, 0, 4);
    tcase_add_loop_test(t, as_error_says, 0, 3);
    tcase_add_test(t, same_for_all);
    tcase_add_test(t, parts);
    tcase_add_loop_test(t, folders, 0, LAYOUTS);
    tcase_add_test(t, not_finite);
    tcase_add_test(t, cut_anywhere);
    tcase_add_test(t, bounded);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
