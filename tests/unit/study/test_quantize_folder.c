/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_quantize_folder.c - folders as planned, as loaders expect them, and absent whenever something fails. */
#include "graph/differences.h"
#include "graph/stored.h"
#include "made_checkpoint.h"
#include "measure/measure.h"
#include "model/packed.h"
#include "quant/codec_bnb.h"
#include "study/audit_study.h"
#include "study/compare_study.h"
#include <fenv.h>

static void check_row(const bb_quantize_row *r, const struct layout *l) {
    uint64_t counted = 0;
    ck_assert_int_eq(atomic_load(&r->state), BB_ROW_DONE);
    for (size_t k = 0; k < BB_QUANTIZE_BINS; k++) counted += r->histogram[k];
    if (!r->quantized) {
        ck_assert(r->error.rel == 0 && counted == 0 && r->bytes == r->from_bytes);
        return;
    }
    ck_assert_msg(r->error.rel > l->low && r->error.rel < l->high, "%s: %.5f", r->name, r->error.rel);
    ck_assert_uint_eq(counted, r->elements);
    ck_assert_uint_eq(r->error.n, r->elements);
    ck_assert(r->error.max_abs < r->histogram_limit && r->error.max_abs >= r->histogram_limit / 2);
}

/* The folder read back through its scales: another sum over the same values, of the F16 or BF16 that was read. */
static void check_read_back(const bb_model *m, const bb_model *back, const bb_folder_job *job) {
    bb_compare_report r = {0};
    bb_error err = {0};
    ck_assert_msg(bb_compare_study(m, back, &(bb_compare_opts){.threads = 2}, NULL, &r, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(r.different, MATRICES);
    for (size_t i = 0; i < bb_folder_quantize_count(job); i++) {
        const bb_quantize_row *q = bb_folder_quantize_at(job, i);
        size_t k = 0;
        while (k < r.n_rows && (!r.rows[k].a.n || strcmp(r.rows[k].a.t[0]->name, q->name) != 0)) k++;
        ck_assert_uint_lt(k, r.n_rows);
        const bb_error_stats *e = &r.rows[k].error;
        ck_assert(r.rows[k].measured && (r.rows[k].same == BB_SAME_NO) == q->quantized);
        ck_assert_msg(fabs(e->rel - q->error.rel) <= 1e-9 * q->error.rel, "%s: %.17g, %.17g", q->name, e->rel,
                      q->error.rel);
        ck_assert_double_eq(e->max_abs, q->error.max_abs);
    }
    bb_compare_report_clear(&r);
    ck_assert_int_eq(bb_compare_study(back, back, &(bb_compare_opts){0}, NULL, &r, &err), BB_OK);
    ck_assert_uint_eq(r.same_bytes, r.n_rows);
    bb_compare_report_clear(&r);
}

/* No tensor is absent, left over, of another shape or of another type than the config says. */
static void check_as_config(const bb_model *back) {
    bb_graph g = {0};
    bb_stored_list stored = {0};
    bb_difference *list = NULL;
    size_t n = 0;
    bb_error err = {0};
    ck_assert_int_eq(bb_graph_build(back->arch, &g, &err), BB_OK);
    ck_assert_int_eq(bb_stored_hf(&g, &back->quant, back->arch->dtype, &stored, &err), BB_OK);
    ck_assert_int_eq(bb_graph_differences(&g, &stored, back->file, &list, &n, &err), BB_OK);
    for (size_t i = 0; i < n; i++) /* the checkpoint mixes its own types, which the texts name too */
        ck_assert_msg(!bb_packed_companion(list[i].example) || strstr(list[i].example, ".quant_state."), "%s: %s",
                      list[i].example, list[i].text);
    free(list);
    bb_stored_clear(&stored);
    bb_graph_clear(&g);
}

/* Nothing that the format brings is a fault. */
static void check_audit(const bb_model *back) {
    bb_audit_report r = {0};
    bb_error err = {0};
    ck_assert_msg(bb_audit_study(back, 2, NULL, &r, &err) == BB_OK, "%s", err.text);
    for (size_t i = 0; i < r.n; i++)
        ck_assert_msg(r.findings[i].severity == BB_NOTE, "%s: %s", r.findings[i].tensor, r.findings[i].word);
    bb_audit_report_clear(&r);
}

/* To the byte as planned; our own reader knows the method and finds all parameters. */
START_TEST(as_planned) {
    const struct layout *l = &layouts[_i];
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(l);
    bb_folder_job *job = plan(m, &o);
    must_run(job, "out");
    ck_assert_uint_eq(folder_bytes("out"), bb_folder_quantize_bytes(job));
    size_t quantized = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < bb_folder_quantize_count(job); i++) {
        const bb_quantize_row *r = bb_folder_quantize_at(job, i);
        check_row(r, l);
        quantized += r->quantized;
        bytes += r->bytes;
    }
    ck_assert_uint_eq(quantized, MATRICES);
    ck_assert_uint_eq(bytes, bb_folder_quantize_tensor_bytes(job));
    bb_model *back = locate("out");
    ck_assert_int_eq(back->quant.method, l->read_as);
    ck_assert_str_eq(back->quant.label, l->label);
    check_as_config(back);
    check_read_back(m, back, job);
    check_audit(back);
    ck_assert_uint_eq(back->parameters, m->parameters);
    ck_assert_uint_eq(bb_file_tensor_bytes(back->file), bytes);
    ck_assert(bb_quantization_skips(&back->quant, "lm_head"));
    ck_assert(!bb_quantization_skips(&back->quant, "model.layers.0.mlp.up_proj"));
    /* and does not quantize it again */
    bb_folder_job *again = NULL;
    ck_assert_int_eq(bb_folder_quantize_plan(back, &o, &again, NULL), BB_E_UNSUPPORTED);
    bb_model_free(back);
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

static char *slurp(const char *name, size_t *n) {
    char path[256], *text = NULL;
    ck_assert_int_eq(bb_source_slurp(in_root(name, path), 1 << 26, &text, n, NULL), BB_OK);
    return text;
}

static void check_same_rows(const bb_folder_job *a, const bb_folder_job *b) {
    for (size_t i = 0; i < bb_folder_quantize_count(a); i++) {
        const bb_quantize_row *r = bb_folder_quantize_at(a, i), *s = bb_folder_quantize_at(b, i);
        ck_assert_mem_eq(&r->error, &s->error, sizeof r->error);
        ck_assert_mem_eq(r->histogram, s->histogram, sizeof r->histogram);
        ck_assert(r->histogram_limit == s->histogram_limit);
    }
}

/* The same bytes and the same errors for any number of threads and any instruction set. */
START_TEST(deterministic) {
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts a = opts_of(&layouts[_i]), b = a;
    a.threads = 1;
    b.threads = 3;
    b.isa = BB_ISA_SCALAR;
    bb_folder_job *one = plan(m, &a), *three = plan(m, &b);
    must_run(one, "one");
    must_run(three, "three");
    size_t n, k;
    char *x = slurp("one/model.safetensors", &n), *y = slurp("three/model.safetensors", &k);
    ck_assert(n == k && memcmp(x, y, n) == 0);
    check_same_rows(one, three);
    free(x);
    free(y);
    bb_folder_quantize_free(one);
    bb_folder_quantize_free(three);
    bb_model_free(m);
    end();
}
END_TEST

/* What the caller set for its own sums changes nothing, and is there afterwards. */
START_TEST(caller_rounding) {
    static const int modes[] = {FE_UPWARD, FE_TOWARDZERO};
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[_i]);
    bb_folder_job *nearest = plan(m, &o);
    must_run(nearest, "nearest");
    size_t n, k;
    char *x = slurp("nearest/model.safetensors", &n);
    for (size_t i = 0; i < 2; i++) {
        const char *name = i ? "zero" : "up";
        char file[64];
        ck_assert_int_eq(fesetround(modes[i]), 0);
        bb_folder_job *job = plan(m, &o);
        int planned = fegetround();
        must_run(job, name);
        int ran = fegetround();
        ck_assert_int_eq(fesetround(FE_TONEAREST), 0);
        ck_assert(planned == modes[i] && ran == modes[i]);
        snprintf(file, sizeof file, "%s/model.safetensors", name);
        char *y = slurp(file, &k);
        ck_assert(n == k && memcmp(x, y, n) == 0);
        check_same_rows(nearest, job);
        free(y);
        bb_folder_quantize_free(job);
    }
    free(x);
    bb_folder_quantize_free(nearest);
    bb_model_free(m);
    end();
}
END_TEST

/* Rows tell of the values as they are in the file: what is not finite there is counted, and in no sum and no bin. */
START_TEST(rows_of_values) {
    enum { N = FFN * HIDDEN };
    static float x[N], scales[FFN], back[N];
    static double ref[N];
    static signed char q[N];
    begin();
    make_checkpoint("llama", 5);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[5]);
    o.allow_nonfinite = true;
    bb_folder_job *job = plan(m, &o);
    must_run(job, "out");
    bb_model *out = locate("out");
    const bb_tensor *t = bb_file_find(out->file, "model.layers.0.mlp.up_proj.weight");
    const bb_tensor *s = bb_file_find(out->file, "model.layers.0.mlp.up_proj.weight_scale");
    ck_assert_int_eq(bb_file_read_rows(m->file, bb_file_find(m->file, t->name), 0, FFN, x, NULL), BB_OK);
    ck_assert_int_eq(bb_file_read_raw(out->file, t, 0, FFN, q, NULL), BB_OK);
    ck_assert_int_eq(bb_file_read_rows(out->file, s, 0, FFN, scales, NULL), BB_OK);
    for (size_t i = 0; i < N; i++) {
        ref[i] = (double)x[i];
        back[i] = (float)q[i] * scales[i / HIDDEN];
    }
    bb_error_stats stats;
    bb_error_sum sum;
    bb_error_bins bins;
    bb_error_sum_init(&sum);
    bb_error_sum_add_f32(&sum, ref, back, N);
    bb_error_sum_result(&sum, &stats);
    bb_error_bins_init(&bins);
    bb_error_bins_add(&bins, x, back, N);
    const bb_quantize_row *r = bb_folder_quantize_at(job, 5);
    ck_assert(r->error.n == N - 1 && r->error.nonfinite == 1 && r->error.lost == 0);
    ck_assert_double_eq(r->error.max_abs, stats.max_abs);
    ck_assert(fabs(r->error.rel - stats.rel) <= 1e-12 * stats.rel && fabs(r->error.sd - stats.sd) <= 1e-12 * stats.sd);
    ck_assert(fabs(r->error.mean - stats.mean) <= 1e-12 * stats.sd);
    ck_assert(r->histogram_limit == bins.limit);
    ck_assert_mem_eq(r->histogram, bins.counts, sizeof r->histogram);
    bb_model_free(out);
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

/* bitsandbytes' tensors of one matrix: shapes, and bytes that the codec gives for it. */
START_TEST(nf4_tensors) {
    enum { N = KV * HIDDEN };
    static const char module[] = "model.layers.0.self_attn.k_proj.weight";
    float x[N], absmax[N / 64];
    unsigned char packed[N / 2], got[N / 2];
    char name[128];
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[0]);
    bb_folder_job *job = plan(m, &o);
    must_run(job, "out");
    bb_model *out = locate("out");
    ck_assert_int_eq(bb_file_read_rows(m->file, bb_file_find(m->file, module), 0, KV, x, NULL), BB_OK);
    bb_bnb_encode(BB_BNB_NF4, x, N, 64, BB_ISA_AUTO, packed, absmax);
    const bb_tensor *t = bb_file_find(out->file, module);
    ck_assert(t && t->n_dims == 2 && t->dims[0] == N / 2 && t->dims[1] == 1);
    ck_assert_int_eq(bb_file_read_raw(out->file, t, 0, t->rows, got, NULL), BB_OK);
    ck_assert_mem_eq(got, packed, sizeof packed);
    snprintf(name, sizeof name, "%s.absmax", module);
    t = bb_file_find(out->file, name);
    ck_assert(t && t->bytes == sizeof absmax && strcmp(t->type->name, "f32") == 0);
    ck_assert_int_eq(bb_file_read_raw(out->file, t, 0, 1, got, NULL), BB_OK);
    ck_assert_mem_eq(got, absmax, sizeof absmax);
    /* the text that bitsandbytes writes for it (tests/data/methods: its own, of another shape) */
    static const char state[] =
        "{\"quant_type\": \"nf4\", \"blocksize\": 64, \"dtype\": \"float16\", \"shape\": [32, 64]}";
    snprintf(name, sizeof name, "%s.quant_state.bitsandbytes__nf4", module);
    t = bb_file_find(out->file, name);
    ck_assert(t && t->bytes == sizeof state - 1);
    ck_assert_int_eq(bb_file_read_raw(out->file, t, 0, 1, got, NULL), BB_OK);
    ck_assert_mem_eq(got, state, sizeof state - 1);
    bb_model_free(out);
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

START_TEST(shards) {
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[1]);
    o.shard_bytes = 200000;
    bb_folder_job *job = plan(m, &o);
    ck_assert_uint_gt(bb_folder_quantize_shards(job), 2);
    must_run(job, "out");
    ck_assert_uint_eq(folder_bytes("out"), bb_folder_quantize_bytes(job));
    ck_assert(exists("out/model.safetensors.index.json") && !exists("out/model.safetensors"));
    bb_model *out = locate("out");
    ck_assert_uint_eq(bb_file_parts(out->file), bb_folder_quantize_shards(job));
    ck_assert_uint_eq(bb_file_tensor_bytes(out->file), bb_folder_quantize_tensor_bytes(job));
    ck_assert_uint_eq(out->parameters, m->parameters);
    bb_model_free(out);
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

/* Of a copied tensor and of a quantized one: named, counted, and no folder is left. */
START_TEST(nonfinite) {
    static const size_t where[] = {2, 5};
    for (size_t k = 0; k < 2; k++) {
        begin();
        make_checkpoint("llama", where[k]);
        bb_model *m = locate("in");
        bb_folder_opts o = opts_of(&layouts[0]);
        bb_folder_job *job = plan(m, &o);
        bb_error err = {0};
        ck_assert_int_eq(run(job, "out", false, NULL, &err), BB_E_INVALID);
        ck_assert_ptr_ne(strstr(err.text, tensors[where[k]].name), NULL);
        ck_assert_ptr_ne(strstr(err.text, "1 of "), NULL);
        ck_assert(!exists("out"));
        bb_folder_quantize_free(job);
        o.allow_nonfinite = true;
        job = plan(m, &o);
        must_run(job, "out");
        ck_assert_uint_eq(bb_folder_quantize_at(job, where[k])->error.nonfinite, 1);
        bb_folder_quantize_free(job);
        bb_model_free(m);
        end();
    }
}
END_TEST

START_TEST(cancelled_and_forced) {
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[1]);
    bb_folder_job *job = plan(m, &o);
    bb_progress p;
    bb_progress_init(&p);
    atomic_store(&p.cancel, true);
    ck_assert_int_eq(run(job, "out", false, &p, NULL), BB_E_CANCELLED);
    ck_assert(!exists("out"));
    bb_folder_quantize_free(job);
    job = plan(m, &o);
    must_run(job, "out");
    bb_folder_quantize_free(job);
    job = plan(m, &o);
    ck_assert_int_eq(run(job, "out", false, NULL, NULL), BB_E_EXISTS);
    bb_folder_quantize_free(job);
    job = plan(m, &o);
    ck_assert_int_eq(run(job, "out", true, NULL, NULL), BB_OK);
    ck_assert_uint_eq(folder_bytes("out"), bb_folder_quantize_bytes(job));
    /* neither what is not ours, nor a folder without weights */
    bb_error err = {0};
    write_file("out/README.md", "mine", 4);
    ck_assert_int_eq(run(job, "out", true, NULL, &err), BB_E_WRITE);
    ck_assert_msg(strstr(err.text, "'README.md'") && exists("out/README.md"), "%s", err.text);
    char path[256];
    ck_assert_int_eq(mkdir(in_root("code", path), 0777), 0);
    write_file("code/config.json", "{}", 2);
    write_file("code/mine.py", "", 0);
    ck_assert_int_eq(run(job, "code", true, NULL, &err), BB_E_WRITE);
    ck_assert(exists("code/mine.py"));
    ck_assert_int_eq(run(job, "in/../in", true, NULL, NULL), BB_E_ARG); /* what it is made from */
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

START_TEST(small_files) {
    char path[256], link[256];
    begin();
    make_checkpoint("llama", TENSORS);
    write_file("secret.model", "x", 1);
    write_file("in/notes.txt", "x", 1);
    ck_assert_int_eq(symlink("../secret.model", in_root("in/out_of_it.model", path)), 0);
    ck_assert_int_eq(symlink("tokenizer.json", in_root("in/tokenizer_again.json", link)), 0);
    bb_model *m = locate("in");
    bb_folder_opts o = opts_of(&layouts[5]);
    bb_folder_job *job = plan(m, &o);
    ck_assert_ptr_ne(bb_folder_quantize_warning(job, 0), NULL);
    ck_assert_ptr_ne(strstr(bb_folder_quantize_warning(job, 0), "out_of_it.model"), NULL);
    must_run(job, "out");
    ck_assert(exists("out/tokenizer.json") && exists("out/tokenizer_again.json"));
    ck_assert(!exists("out/out_of_it.model") && !exists("out/notes.txt"));
    bb_folder_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("quantize_folder");
    TCase *t = tcase_create("quantize_folder");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, as_planned, 0, LAYOUTS);
    tcase_add_loop_test(t, deterministic, 0, LAYOUTS);
    tcase_add_loop_test(t, caller_rounding, 0, LAYOUTS);
    tcase_add_test(t, rows_of_values);
    tcase_add_test(t, nf4_tensors);
    tcase_add_test(t, shards);
    tcase_add_test(t, nonfinite);
    tcase_add_test(t, cancelled_and_forced);
    tcase_add_test(t, small_files);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
