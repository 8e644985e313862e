/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_error_weights.c - the weights' own error is to the bit what quantizing the file reports; tensors as matrices. */
#include "made_checkpoint.h"
#include "quant/codec_int8.h"
#include "study/error_study.h"

static bb_error_report study(const bb_file *f, const char *name, const char *only) {
    bb_error_type type;
    bb_error err = {0};
    bb_error_report r;
    ck_assert_msg(bb_error_type_find(name, &type, &err) == BB_OK, "%s", err.text);
    bb_error_opts o = {.types = &type, .n_types = 1, .tokens = 1, .rows_max = 1, .threads = 2, .only = only};
    ck_assert_msg(bb_error_study(f, &o, NULL, &r, &err) == BB_OK, "%s", err.text);
    return r;
}

static void same_error(const bb_error_stats *a, const bb_error_stats *b, const char *name) {
    ck_assert_msg(a->rel == b->rel && a->sqnr_db == b->sqnr_db && a->max_abs == b->max_abs && a->cosine == b->cosine &&
                      a->n == b->n,
                  "%s: %.17g and %.17g", name, a->rel, b->rel);
}

/* ---- a GGUF ---- */

static const char *const gguf_types[] = {"q8_0", "q4_0", "q5_1", "q4_K", "q6_K", "iq4_nl", "mxfp4", "bf16"};

START_TEST(as_a_gguf_is_quantized) {
    const char *name = gguf_types[_i];
    char path[256];
    bb_model *m = NULL;
    bb_quantize_job *job = NULL;
    bb_error err = {0};
    bb_quantize_opts o = {.recipe = {.ftype = bb_ftype_pure(bb_dtype_find(name, NULL)), .pure = true}, .threads = 2};
    size_t compared = 0;
    begin();
    ck_assert_msg(bb_model_find("data/demo.gguf", &m, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(bb_quantize_plan(m, &o, NULL, &job, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(bb_quantize_run(job, in_root("a.gguf", path), false, NULL, &err) == BB_OK, "%s", err.text);
    bb_error_report r = study(m->file, name, NULL);
    for (size_t i = 0; i < bb_quantize_count(job); i++) {
        const bb_quantize_row *q = bb_quantize_at(job, i);
        for (size_t k = 0; k < r.n_rows; k++)
            if (strcmp(r.rows[k].tensor->name, q->name) == 0 && q->to == r.rows[k].type->dtype) {
                same_error(&r.rows[k].weight, &q->error, q->name);
                ck_assert_uint_eq(r.rows[k].bytes, q->bytes);
                compared++;
            }
    }
    ck_assert_uint_eq(compared, 30);
    bb_error_report_clear(&r);
    bb_quantize_free(job);
    bb_model_free(m);
    end();
}
END_TEST

/* ---- a checkpoint ---- */

START_TEST(as_a_checkpoint_is_quantized) {
    static const struct {
        const char *name;
        bb_folder_method method;
        bb_granularity granularity;
    } ways[] = {{"int8", BB_FOLDER_INT8, BB_PER_ROW},
                {"int8:tensor", BB_FOLDER_INT8, BB_PER_TENSOR},
                {"nf4", BB_FOLDER_NF4, BB_PER_ROW}};
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        bb_folder_opts o;
        size_t compared = 0;
        bb_folder_opts_init(&o);
        o.method = ways[w].method;
        o.granularity = ways[w].granularity;
        o.threads = 2;
        bb_folder_job *job = plan(m, &o);
        must_run(job, ways[w].name);
        bb_error_report r = study(m->file, ways[w].name, "model.layers");
        for (size_t i = 0; i < bb_folder_quantize_count(job); i++) {
            const bb_quantize_row *q = bb_folder_quantize_at(job, i);
            for (size_t k = 0; k < r.n_rows && q->quantized; k++)
                if (strcmp(r.rows[k].tensor->name, q->name) == 0) {
                    same_error(&r.rows[k].weight, &q->error, q->name);
                    compared++;
                }
        }
        ck_assert_uint_eq(compared, MATRICES);
        bb_error_report_clear(&r);
        bb_folder_quantize_free(job);
    }
    bb_model_free(m);
    end();
}
END_TEST

/* A checkpoint that is quantized already is measured by what its codes stand for. */
START_TEST(codes_with_scales_are_weights) {
    begin();
    make_checkpoint("llama", TENSORS);
    bb_model *m = locate("in");
    for (size_t l = 0; l < LAYOUTS; l++) {
        char name[16];
        snprintf(name, sizeof name, "out%zu", l);
        bb_folder_opts o = opts_of(&layouts[l]);
        bb_folder_job *job = plan(m, &o);
        must_run(job, name);
        bb_model *back = locate(name);
        bb_error_report r = study(back->file, "f32", "down_proj.weight");
        const bb_error_row *row = &r.rows[0];
        ck_assert_uint_eq(r.n_rows, 1); /* scales are no matrices */
        ck_assert_str_eq(row->skipped, "");
        ck_assert(row->rows == HIDDEN && row->cols == FFN && row->weight.rel == 0 && row->total.rel < 1e-5);
        bb_error_report_clear(&r);
        bb_model_free(back);
        bb_folder_quantize_free(job);
    }
    bb_model_free(m);
    end();
}
END_TEST

/* ---- shapes ---- */

/* Weights of a convolution, [3][2][2][4], are the matrix [3][16]. */
START_TEST(first_dimension_is_the_rows) {
    char path[256];
    static const char head[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[3,2,2,4],\"data_offsets\":[0,192]}}";
    unsigned char bytes[8 + sizeof head - 1 + 192] = {sizeof head - 1};
    float w[48];
    bb_file *f = NULL;
    for (int i = 0; i < 48; i++) w[i] = (float)(i % 16 - 7) * (i < 16 ? 1 : 1000);
    memcpy(bytes + 8, head, sizeof head - 1);
    memcpy(bytes + 8 + sizeof head - 1, w, sizeof w);
    begin();
    write_file("a.safetensors", bytes, sizeof bytes);
    ck_assert_int_eq(bb_file_open(in_root("a.safetensors", path), &f, NULL), BB_OK);
    bb_error_report r = study(f, "int8", NULL);
    ck_assert(r.rows[0].rows == 3 && r.rows[0].cols == 16);
    ck_assert(r.rows[0].weight.rel < 0.005 && r.rows[0].weight.n == 48);
    ck_assert_uint_eq(r.rows[0].bytes, 3 * (16 + 4));
    bb_error_report_clear(&r);
    r = study(f, "int8:tensor", NULL);
    ck_assert_uint_eq(r.rows[0].bytes, 48 + 4);
    ck_assert_double_eq(r.rows[0].bits_per_weight, 8.0 * 52 / 48);
    bb_error_report_clear(&r);
    bb_file_close(f);
    end();
}
END_TEST

/* The trained weights in which one row is far larger than the rest: one scale for the matrix loses it. */
START_TEST(one_scale_loses_conv2d_184) {
    static const char name[] = "models/ppocrv4_rec/model.safetensors";
    char path[512];
    bb_file *f = NULL;
    if (!shared_path(name, path, sizeof path)) {
        skip_shared(name);
        return;
    }
    ck_assert_int_eq(bb_file_open(path, &f, NULL), BB_OK);
    bb_error_report row = study(f, "int8", "conv2d_184.w_0"), whole = study(f, "int8:tensor", "conv2d_184.w_0");
    ck_assert(row.n_rows == 1 && row.rows[0].rows == 480 && row.rows[0].cols == 480);
    ck_assert_msg(row.rows[0].weight.rel < 0.04 && whole.rows[0].weight.rel > 0.3, "%g, %g", row.rows[0].weight.rel,
                  whole.rows[0].weight.rel);
    bb_error_report_clear(&row);
    bb_error_report_clear(&whole);
    bb_file_close(f);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("study");
    TCase *t = tcase_create("weights");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, as_a_gguf_is_quantized, 0, (int)(sizeof gguf_types / sizeof *gguf_types));
    tcase_add_test(t, as_a_checkpoint_is_quantized);
    tcase_add_test(t, codes_with_scales_are_weights);
    tcase_add_test(t, first_dimension_is_the_rows);
    tcase_add_test(t, one_scale_loses_conv2d_184);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
