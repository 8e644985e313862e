/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_quantize_study.c - quantized files: the same bytes whoever writes them, whole or not at all, and what they
 * cost. */
#include "base/mem.h"
#include "base/stage.h"
#include "file/gguf_write.h"
#include "harness.h"
#include "study/quantize_study.h"
#include <math.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64];

static void make_folder(void) {
    strcpy(folder, "/tmp/bb-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void drop_folder(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name, char *buf) {
    snprintf(buf, 512, "%s/%s", folder, name);
    return buf;
}

static bb_model *model_of(const char *path) {
    bb_model *m = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_model_find(path, &m, &err) == BB_OK, "%s", err.text);
    return m;
}

static bb_quantize_opts opts_of(const char *type) {
    bb_quantize_opts o = {.recipe = {.ftype = bb_ftype_find(type, NULL)}, .threads = 2};
    ck_assert_ptr_nonnull(o.recipe.ftype);
    return o;
}

static bb_quantize_job *planned(const bb_model *m, const bb_quantize_opts *o) {
    bb_quantize_job *job = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_quantize_plan(m, o, NULL, &job, &err) == BB_OK, "%s", err.text);
    return job;
}

static void write_file(const bb_model *m, const bb_quantize_opts *o, const char *path) {
    bb_error err = {0};
    bb_quantize_job *job = planned(m, o);
    ck_assert_msg(bb_quantize_run(job, path, true, NULL, &err) == BB_OK, "%s", err.text);
    bb_quantize_free(job);
}

static char *whole(const char *path, size_t *n) {
    char *text = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_source_slurp(path, 64 << 20, &text, n, &err) == BB_OK, "%s", err.text);
    return text;
}

static void same_file(const char *a, const char *b) {
    size_t n = 0, k = 0;
    char *x = whole(a, &n), *y = whole(b, &k);
    ck_assert_uint_eq(n, k);
    ck_assert_int_eq(memcmp(x, y, n), 0);
    free(x);
    free(y);
}

static bool there(const char *path) { return access(path, F_OK) == 0; }

/* What the job says of each tensor is what comes out of reading both files again. */
START_TEST(reported) {
    char path[512];
    bb_error err = {0};
    bb_model *m = model_of("data/demo.gguf");
    bb_quantize_opts o = opts_of("q4_K_M");
    bb_quantize_job *job = planned(m, &o);
    ck_assert_msg(bb_quantize_run(job, in_folder("a.gguf", path), false, NULL, &err) == BB_OK, "%s", err.text);
    bb_file *f = NULL;
    ck_assert_msg(bb_file_open(path, &f, &err) == BB_OK, "%s", err.text);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq((uint64_t)st.st_size, bb_quantize_file_bytes(job));
    ck_assert_uint_eq(bb_file_tensor_bytes(f), bb_quantize_tensor_bytes(job));
    ck_assert_uint_eq(f->n_warnings, 0);
    for (size_t i = 0; i < bb_quantize_count(job); i++) {
        const bb_quantize_row *r = bb_quantize_at(job, i);
        const bb_tensor *t = bb_file_tensor(f, i), *was = bb_file_find(m->file, t->name);
        ck_assert_str_eq(t->name, r->name);
        ck_assert_ptr_eq(t->type, r->to);
        ck_assert_uint_eq(r->error.n, t->elements);
        size_t n = (size_t)t->elements;
        float *x = bb_alloc(n, sizeof *x), *y = bb_alloc(n, sizeof *y);
        double *ref = bb_alloc(n, sizeof *ref), *got = bb_alloc(n, sizeof *got);
        unsigned char *raw = bb_alloc((size_t)t->bytes, 1);
        ck_assert_int_eq(bb_file_read_rows(m->file, was, 0, was->rows, x, &err), BB_OK);
        ck_assert_int_eq(bb_file_read_raw(f, t, 0, t->rows, raw, &err), BB_OK);
        ck_assert_int_eq(bb_dequantize_rows(t->type, raw, (size_t)t->rows, (size_t)t->cols, y), BB_OK);
        uint64_t counted = 0;
        for (size_t k = 0; k < n; k++) {
            ref[k] = (double)x[k];
            got[k] = (double)y[k];
        }
        bb_error_stats s;
        ck_assert_int_eq(bb_error_measure(ref, got, n, &s), BB_OK);
        ck_assert_double_eq_tol(s.rel, r->error.rel, 1e-9);
        ck_assert_double_eq(s.max_abs, r->error.max_abs);
        for (size_t k = 0; k < BB_QUANTIZE_BINS; k++) counted += r->histogram[k];
        ck_assert_uint_eq(counted, r->quantized ? n : 0);
        ck_assert(!r->quantized || (s.max_abs <= r->histogram_limit && s.max_abs * 2 > r->histogram_limit));
        free(x);
        free(y);
        free(ref);
        free(got);
        free(raw);
    }
    bb_file_close(f);
    bb_quantize_free(job);
    bb_model_free(m);
}
END_TEST

/* One thread, three, another instruction set, and parts that are written apart: the same bytes and the same report. */
START_TEST(same_bytes) {
    char a[512], b[512], c[512];
    bb_error err = {0};
    bb_model *m = model_of("data/demo.gguf");
    bb_quantize_opts o = opts_of("q5_K_M");
    o.threads = 1;
    bb_quantize_job *one = planned(m, &o);
    ck_assert_int_eq(bb_quantize_run(one, in_folder("one.gguf", a), false, NULL, &err), BB_OK);
    o.threads = 3;
    o.quant.isa = BB_ISA_SCALAR;
    bb_quantize_job *three = planned(m, &o);
    ck_assert_int_eq(bb_quantize_run(three, in_folder("three.gguf", b), false, NULL, &err), BB_OK);
    same_file(a, b);
    for (size_t i = 0; i < bb_quantize_count(one); i++)
        ck_assert_int_eq(
            memcmp(&bb_quantize_at(one, i)->error, &bb_quantize_at(three, i)->error, sizeof(bb_error_stats)), 0);
    bb_quantize_free(one);
    bb_quantize_free(three);
    in_folder("parts.gguf", c);
    for (unsigned part = 1; part <= 5; part++) {
        ck_assert(!there(c));
        o.part = part == 1 ? 4 : part == 4 ? 1 : part; /* in any order */
        o.parts = 5;
        bb_quantize_job *job = planned(m, &o);
        ck_assert_msg(bb_quantize_run(job, c, false, NULL, &err) == BB_OK, "%s", err.text);
        bb_quantize_free(job);
    }
    same_file(a, c);
    bb_model_free(m);
}
END_TEST

/* A split, its own split again, and what another program joins of it. */
START_TEST(splits) {
    char a[512], b[512], c[512], first[600], again[600];
    bb_error err = {0};
    bb_model *m = model_of("data/demo.gguf");
    bb_quantize_opts o = opts_of("f16");
    o.split_max_bytes = 2 << 20;
    bb_quantize_job *job = planned(m, &o);
    size_t files = bb_quantize_files(job);
    ck_assert_uint_ge(files, 3);
    ck_assert_msg(bb_quantize_run(job, in_folder("s.gguf", a), false, NULL, &err) == BB_OK, "%s", err.text);
    bb_quantize_free(job);
    snprintf(first, sizeof first, "%s/s-00001-of-%05zu.gguf", folder, files);
    bb_model *split = model_of(first);
    ck_assert_uint_eq(bb_file_parts(split->file), files);
    ck_assert_uint_eq(bb_file_tensor_count(split->file), bb_file_tensor_count(m->file));
    o.split_max_bytes = 0;
    o.recipe.ftype = bb_ftype_find("q4_K_S", NULL);
    write_file(split, &o, in_folder("joined.gguf", b));
    write_file(m, &o, in_folder("plain.gguf", c));
    same_file(b, c);
    o.keep_split = true;
    write_file(split, &o, in_folder("k.gguf", b));
    snprintf(again, sizeof again, "%s/k-00001-of-%05zu.gguf", folder, files);
    bb_model *kept = model_of(again);
    ck_assert_uint_eq(bb_file_parts(kept->file), files);
    for (size_t i = 0; i < bb_file_tensor_count(kept->file); i++) {
        const bb_tensor *t = bb_file_tensor(kept->file, i);
        ck_assert_uint_eq(t->part, bb_file_find(split->file, t->name)->part);
    }
    bb_model_free(kept);
    bb_model_free(split);
    bb_model_free(m);
}
END_TEST

static void refuse(const bb_model *m, const bb_quantize_opts *o, const char *path, bool force, bb_status wanted,
                   const char *sentence) {
    bb_error err = {0};
    bb_quantize_job *job = NULL;
    bb_status status = bb_quantize_plan(m, o, NULL, &job, &err);
    if (status == BB_OK) status = bb_quantize_run(job, path, force, NULL, &err);
    ck_assert_msg(status == wanted && strstr(err.text, sentence), "%d: %s", status, err.text);
    bb_quantize_free(job);
}

START_TEST(refusals) {
    char path[512], link_path[512], input[512];
    bb_model *m = model_of("data/demo.gguf");
    bb_quantize_opts o = opts_of("q4_K_M");
    write_file(m, &o, in_folder("q.gguf", path));
    refuse(m, &o, path, false, BB_E_EXISTS, "exists already");
    refuse(m, &o, in_folder("no/such.gguf", input), false, BB_E_WRITE, "");
    bb_model *q = model_of(path);
    refuse(q, &o, in_folder("r.gguf", input), false, BB_OK, ""); /* copied as it is */
    o.recipe.ftype = bb_ftype_find("q8_0", NULL);
    refuse(q, &o, in_folder("t.gguf", input), false, BB_E_ARG, "already quantized");
    o.requantize = true;
    refuse(q, &o, in_folder("t.gguf", input), false, BB_OK, "");
    ck_assert_int_eq(symlink(path, in_folder("link.gguf", link_path)), 0);
    refuse(q, &o, path, true, BB_E_ARG, "the input");
    refuse(q, &o, link_path, true, BB_E_ARG, "the input");
    bb_progress progress;
    bb_progress_init(&progress);
    atomic_store(&progress.cancel, true);
    bb_quantize_job *job = planned(m, &o);
    bb_error err = {0};
    ck_assert_int_eq(bb_quantize_run(job, in_folder("c.gguf", input), false, &progress, &err), BB_E_CANCELLED);
    ck_assert(!there(input));
    bb_quantize_free(job);
    bb_model_free(q);
    bb_model_free(m);
}
END_TEST

/* A copy of the demo model in f32 with one value of one matrix changed. */
static bb_model *spoilt(const char *tensor, uint64_t element, float value) {
    char path[512];
    bb_model *m = model_of("data/demo.gguf");
    bb_quantize_opts o = opts_of("f32");
    write_file(m, &o, in_folder("f32.gguf", path));
    bb_model_free(m);
    bb_file *f = NULL;
    ck_assert_int_eq(bb_file_open(path, &f, NULL), BB_OK);
    uint64_t at = bb_file_find(f, tensor)->offset + 4 * element;
    bb_file_close(f);
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, (long)at, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite(&value, sizeof value, 1, file), 1);
    fclose(file);
    return model_of(path);
}

START_TEST(not_finite) {
    char path[512];
    static const char *const names[] = {"blk.1.ffn_up.weight", "blk.1.ffn_norm.weight"};
    for (size_t i = 0; i < 2; i++) {
        bb_model *m = spoilt(names[i], 77, i ? (float)INFINITY : (float)NAN);
        bb_quantize_opts o = opts_of("q4_K_M");
        refuse(m, &o, in_folder("n.gguf", path), false, BB_E_INVALID, names[i]);
        ck_assert(!there(path));
        o.allow_nonfinite = true;
        bb_quantize_job *job = planned(m, &o);
        bb_error err = {0};
        ck_assert_msg(bb_quantize_run(job, path, true, NULL, &err) == BB_OK, "%s", err.text);
        for (size_t k = 0; k < bb_quantize_count(job); k++)
            ck_assert_uint_eq(bb_quantize_at(job, k)->error.nonfinite,
                              strcmp(bb_quantize_at(job, k)->name, names[i]) == 0 ? 1 : 0);
        ck_assert_int_eq(unlink(path), 0);
        bb_quantize_free(job);
        bb_model_free(m);
    }
}
END_TEST

/* Finite, but beyond what the type holds: llama-quantize refuses such a file too. */
START_TEST(too_large) {
    char path[512];
    static const char *const types[] = {"f16", "q8_0", "q4_K_M"};
    bb_model *m = spoilt("blk.1.ffn_up.weight", 77, 1e18f);
    for (size_t i = 0; i < 3; i++) {
        bb_quantize_opts o = opts_of(types[i]);
        refuse(m, &o, in_folder("n.gguf", path), false, BB_E_INVALID, "too large for");
        ck_assert(!there(path));
    }
    bb_model_free(m);
}
END_TEST

/* Legacy imatrix file: entries whose weights are 1, but for the first 256 channels of one tensor, which are `odd`. */
static void write_imatrix(const char *path, const bb_model *m, const char *tensor, float odd) {
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    int32_t n = 0, one = 1;
    for (size_t i = 0; i < bb_file_tensor_count(m->file); i++) n += bb_file_tensor(m->file, i)->n_dims == 2;
    fwrite(&n, 4, 1, f);
    for (size_t i = 0; i < bb_file_tensor_count(m->file); i++) {
        const bb_tensor *t = bb_file_tensor(m->file, i);
        if (t->n_dims != 2) continue;
        int32_t len = (int32_t)strlen(t->name), cols = (int32_t)t->cols;
        fwrite(&len, 4, 1, f);
        fwrite(t->name, 1, (size_t)len, f);
        fwrite(&one, 4, 1, f);
        fwrite(&cols, 4, 1, f);
        for (int32_t k = 0; k < cols; k++) {
            float w = strcmp(t->name, tensor) == 0 && k < 256 ? odd : 1.0f + 0.25f * (float)(k % 5);
            fwrite(&w, 4, 1, f);
        }
    }
    fclose(f);
}

/* ggml writes zeros there; here the block keeps its error. */
START_TEST(importance) {
    static const char *const tensors[] = {"blk.0.ffn_down.weight", "blk.2.attn_q.weight"};
    static const float odd[] = {0, (float)NAN, -1};
    static const char *const types[] = {"q2_K", "q3_K_S", "q4_K_S", "q6_K", "q4_0", "iq4_xs"};
    char path[512], out[512];
    bb_model *m = model_of("data/demo.gguf");
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < 6; i++) {
            bb_error err = {0};
            bb_imatrix *im = NULL;
            write_imatrix(in_folder("im.dat", path), m, tensors[k & 1], odd[k]);
            ck_assert_msg(bb_imatrix_open(path, &im, &err) == BB_OK, "%s", err.text);
            bb_quantize_opts o = opts_of(types[i]);
            o.imatrix = im;
            o.imatrix_path = path;
            bb_quantize_job *job = planned(m, &o);
            ck_assert_msg(bb_quantize_run(job, in_folder("im.gguf", out), true, NULL, &err) == BB_OK, "%s", err.text);
            bool told = false;
            const char *w;
            for (size_t n = 0; (w = bb_quantize_warning(job, n)); n++) told = told || strstr(w, tensors[k & 1]);
            ck_assert_msg(told, "%s: no warning", types[i]);
            for (size_t n = 0; n < bb_quantize_count(job); n++) {
                const bb_quantize_row *r = bb_quantize_at(job, n);
                ck_assert_msg(!r->quantized || r->error.rel < 0.4, "%s as %s: %g", r->name, r->to->name, r->error.rel);
            }
            bb_quantize_free(job);
            bb_imatrix_free(im);
        }
    bb_model_free(m);
}
END_TEST

START_TEST(target) {
    char path[512];
    static const double bpw[] = {3.0, 4.5, 6.0, 8.0};
    bb_error err = {0};
    bb_model *m = model_of("data/demo.gguf");
    double last = 1e300;
    for (size_t i = 0; i < 4; i++) {
        bb_quantize_opts o = opts_of("q4_K_M");
        o.target_bpw = bpw[i];
        bb_quantize_job *job = planned(m, &o);
        double bits = 8.0 * (double)bb_quantize_tensor_bytes(job) / 3672320, err2 = 0;
        ck_assert_msg(bits <= bpw[i] && bits > bpw[i] - 0.35, "%g for %g", bits, bpw[i]);
        ck_assert_int_eq(bb_quantize_run(job, in_folder("t.gguf", path), true, NULL, &err), BB_OK);
        for (size_t k = 0; k < bb_quantize_count(job); k++) {
            const bb_quantize_row *r = bb_quantize_at(job, k);
            err2 += r->error.rel * r->error.rel * (double)r->elements;
        }
        ck_assert_msg(err2 < last, "%g bits: %g, before it %g", bpw[i], err2, last);
        last = err2;
        bb_quantize_free(job);
    }
    bb_quantize_opts o = opts_of("q4_K_M");
    o.target_bytes = 2000000;
    bb_quantize_job *job = planned(m, &o);
    ck_assert_uint_le(bb_quantize_file_bytes(job), 2000000);
    ck_assert_uint_gt(bb_quantize_file_bytes(job), 1900000);
    bb_quantize_free(job);
    o.target_bytes = 100000;
    refuse(m, &o, path, true, BB_E_ARG, "the smallest file has");
    bb_model_free(m);
}
END_TEST

START_TEST(trials) {
    bb_error err = {0};
    bb_model *m = model_of("data/demo.gguf");
    bb_quantize_opts o = opts_of("q4_K_M");
    bb_quantize_job *job = planned(m, &o);
    bb_quantize_trial *list = NULL;
    size_t n = 0, row = 0;
    while (strcmp(bb_quantize_at(job, row)->name, "blk.0.attn_q.weight") != 0) row++;
    ck_assert_msg(bb_quantize_trials(job, row, 64, NULL, &list, &n, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(n, 20);
    for (size_t i = 0; i < n; i++) {
        ck_assert(list[i].error.rel < 1);
        if (strcmp(list[i].type->name, "f16") == 0) ck_assert_double_eq(list[i].error.rel, 0);
    }
    free(list);
    bb_quantize_free(job);
    bb_model_free(m);
}
END_TEST

/* A GGUF of three f32 matrices [256][256] and one without rows, each at a multiple of `alignment`. */
static bb_model *aligned(uint32_t alignment) {
    char path[512];
    bb_gguf_out *g = NULL;
    const unsigned char *header;
    size_t bytes;
    uint64_t all;
    ck_assert_int_eq(bb_gguf_out_new(alignment, &g, NULL), BB_OK);
    ck_assert_int_eq(bb_gguf_out_text(g, "general.architecture", "llama"), BB_OK);
    for (unsigned i = 0; i < 4; i++) {
        char name[32];
        uint64_t dims[2] = {256, i == 2 ? 0 : 256};
        snprintf(name, sizeof name, "blk.%u.attn_q.weight", i);
        ck_assert_int_eq(bb_gguf_out_tensor(g, name, 2, dims, bb_dtype_find("f32", NULL), NULL), BB_OK);
    }
    ck_assert_int_eq(bb_gguf_out_seal(g, &header, &bytes, &all, NULL), BB_OK);
    unsigned char *file = bb_alloc((size_t)all, 1);
    memcpy(file, header, bytes);
    for (size_t i = bytes; i + 4 <= all; i += 4) {
        float x = sinf((float)i);
        memcpy(file + i, &x, 4);
    }
    FILE *f = fopen(in_folder("aligned.gguf", path), "wb");
    ck_assert(f && fwrite(file, 1, (size_t)all, f) == all);
    fclose(f);
    free(file);
    bb_gguf_out_free(g);
    return model_of(path);
}

/* Padding counts in a target, as do headers of a split; a matrix of no rows that has importance has no slices. */
START_TEST(odd_inputs) {
    char path[512], out[512];
    bb_error err = {0};
    bb_model *m = aligned(65536);
    bb_quantize_opts o = opts_of("q4_0");
    o.target_bytes = 300000;
    bb_quantize_job *job = planned(m, &o);
    ck_assert_uint_le(bb_quantize_file_bytes(job), 300000);
    bb_quantize_free(job);
    bb_model_free(m);
    m = aligned(32);
    write_imatrix(in_folder("im.dat", path), m, "", 1);
    bb_imatrix *im = NULL;
    ck_assert_msg(bb_imatrix_open(path, &im, &err) == BB_OK, "%s", err.text);
    o = opts_of("q4_0");
    o.recipe.pure = true;
    o.imatrix = im;
    for (unsigned part = 1; part <= 2; part++) {
        o.part = part;
        o.parts = 2;
        job = planned(m, &o);
        ck_assert_msg(bb_quantize_run(job, in_folder("z.gguf", out), false, NULL, &err) == BB_OK, "%s", err.text);
        bb_quantize_free(job);
    }
    ck_assert(there(out));
    bb_imatrix_free(im);
    bb_model_free(m);
    m = model_of("data/demo.gguf");
    o = opts_of("q4_0");
    o.target_bytes = 2500000;
    o.split_max_bytes = 100000;
    job = planned(m, &o);
    ck_assert_uint_le(bb_quantize_file_bytes(job), 2500000);
    ck_assert_uint_gt(bb_quantize_files(job), 10);
    bb_quantize_free(job);
    bb_model_free(m);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("quantize_study");
    TCase *t = tcase_create("quantize_study");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, make_folder, drop_folder);
    tcase_add_test(t, reported);
    tcase_add_test(t, same_bytes);
    tcase_add_test(t, splits);
    tcase_add_test(t, refusals);
    tcase_add_test(t, not_finite);
    tcase_add_test(t, too_large);
    tcase_add_test(t, importance);
    tcase_add_test(t, target);
    tcase_add_test(t, trials);
    tcase_add_test(t, odd_inputs);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make_suite)
