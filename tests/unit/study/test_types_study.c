/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_types_study.c - types of a model against llama.cpp's own table, the card's rule, and what quantize measures. */
#include "../harness.h"
#include "base/csv.h"
#include "base/str.h"
#include "study/quantize_study.h"
#include "study/types_study.h"
#include <math.h>
#include <string.h>

static bb_catalogue *cat;
static bb_model *model;
static bb_subject subject;

static void open_model(const char *text) {
    bb_error err = {0};
    ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK);
    ck_assert_msg(bb_model_locate(cat, NULL, text, &model, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(bb_subject_init(&subject, model, cat, &err) == BB_OK, "%s", err.text);
}

static void close_model(void) {
    bb_subject_clear(&subject);
    bb_model_free(model);
    bb_catalogue_free(cat);
}

static const bb_types_row *row_of(const bb_types_report *r, const char *type) {
    for (size_t i = 0; i < r->n; i++)
        if (bb_name_eq(r->rows[i].type, type)) return &r->rows[i];
    return NULL;
}

/* Bits and GiB of Llama-3.1-8B, to the digits that llama.cpp's README prints: some made with an importance
 * matrix, some without. */
START_TEST(llama_cpp_readme) {
    char path[512];
    size_t compared = 0;
    bb_types_report r, with; /* without and with an importance matrix */
    bb_csv *csv;
    bb_str text;
    if (!shared_path("truth/published/llamacpp_readme.csv", path, sizeof path)) {
        skip_shared("truth/published/llamacpp_readme.csv");
        return;
    }
    bb_str_init(&text);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    for (int c; (c = getc(f)) != EOF;) bb_str_addn(&text, &(char){(char)c}, 1);
    fclose(f);
    ck_assert_int_eq(bb_csv_parse(text.data, text.len, "readme", &bb_csv_default_limits, &csv, NULL), BB_OK);
    open_model("llama-3.1-8b");
    bb_plan_request ask = {.purpose = BB_FOR_LOAD, .engine = BB_ENGINE_LLAMA_CPP};
    ck_assert_int_eq(bb_types_study(&subject, &ask, &(bb_types_opts){0}, NULL, &r, NULL), BB_OK);
    ask.imatrix = true;
    ck_assert_int_eq(bb_types_study(&subject, &ask, &(bb_types_opts){0}, NULL, &with, NULL), BB_OK);
    size_t table = bb_csv_column(csv, "table"), type = bb_csv_column(csv, "type"), bpw = bb_csv_column(csv, "bpw");
    for (size_t i = 0; i < bb_csv_rows(csv); i++) {
        double bits;
        bool empty = false;
        if (strcmp(bb_csv_cell(csv, i, table), "llama3.1-8b") != 0) continue;
        const bb_types_row *row = row_of(&r, bb_csv_cell(csv, i, type)), *other = row_of(&with, row ? row->type : "");
        ck_assert_int_eq(bb_csv_get_f64(csv, i, bpw, &bits, &empty, NULL), BB_OK);
        ck_assert_ptr_nonnull(row);
        if (fabs(other->bits_per_weight - bits) < fabs(row->bits_per_weight - bits)) row = other;
        ck_assert_msg(fabs(row->bits_per_weight - bits) < 0.002, "%s: %.4f, expected %.4f", row->type,
                      row->bits_per_weight, bits);
        ck_assert_uint_eq(row->card_ram_bytes, row->file_bytes + 2500000000);
        compared++;
    }
    ck_assert_uint_ge(compared, 20);
    bb_types_report_clear(&r);
    bb_types_report_clear(&with);
    close_model();
    bb_csv_free(csv);
    bb_str_clear(&text);
}
END_TEST

/* A model with no tensor longer than the sample: what is measured here is what quantize measures, and the file is the
 * one that it writes. */
START_TEST(same_as_quantize) {
    char path[] = "/tmp/bb-types-XXXXXX";
    bb_types_report r;
    open_model("demo");
    bb_plan_request ask = {.purpose = BB_FOR_LOAD, .engine = BB_ENGINE_LLAMA_CPP};
    ck_assert_int_eq(bb_types_study(&subject, &ask, &(bb_types_opts){0}, NULL, &r, NULL), BB_OK);
    ck_assert(r.measured && r.whole_files);
    static const char *const types[] = {"q8_0", "q4_K_M", "q3_K_M"};
    double before = 0;
    for (size_t i = 0; i < 3; i++) {
        const bb_types_row *row = row_of(&r, types[i]);
        bb_quantize_opts opts = {.recipe.ftype = bb_ftype_find(types[i], NULL), .requantize = true, .threads = 1};
        bb_quantize_job *job;
        bb_quantize_total total = {0};
        int fd = mkstemp(path);
        ck_assert_int_ge(fd, 0);
        close(fd);
        ck_assert_int_eq(bb_quantize_plan(model, &opts, NULL, &job, NULL), BB_OK);
        ck_assert_int_eq(bb_quantize_run(job, path, true, NULL, NULL), BB_OK);
        for (size_t k = 0; k < bb_quantize_count(job); k++) bb_quantize_total_add(&total, bb_quantize_at(job, k));
        ck_assert_uint_eq(row->file_bytes, bb_quantize_file_bytes(job));
        /* a sample of the rows: within a tenth of all of them */
        ck_assert_double_eq_tol(row->weight_rel / bb_quantize_total_rel(&total), 1, 0.1);
        ck_assert(row->weight_rel > before);
        before = row->weight_rel;
        bb_quantize_free(job);
        unlink(path);
        memcpy(path + sizeof path - 7, "XXXXXX", 6);
    }
    bb_types_report_clear(&r);
    close_model();
}
END_TEST

START_TEST(what_is_refused) {
    bb_types_report r;
    open_model("llama-3.2-1b");
    bb_plan_request ask = {.purpose = BB_FOR_INFER, .engine = BB_ENGINE_LLAMA_CPP};
    ck_assert_int_eq(bb_types_study(&subject, &ask, &(bb_types_opts){.measure = true}, NULL, &r, NULL),
                     BB_E_UNSUPPORTED);
    ask.parallel = 1ull << 62;
    bb_status st = bb_types_study(&subject, &ask, &(bb_types_opts){0}, NULL, &r, NULL);
    ck_assert(st == BB_E_OVERFLOW || st == BB_E_UNSUPPORTED);
    close_model();
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("types");
    TCase *c = tcase_create("types");
    tcase_add_test(c, llama_cpp_readme);
    tcase_add_test(c, same_as_quantize);
    tcase_add_test(c, what_is_refused);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    return s;
}

TEST_MAIN(make_suite)
