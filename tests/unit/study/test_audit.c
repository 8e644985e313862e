/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_audit.c - every fault is found where it was put, and a file without one is clean. */
#include "format/half.h"
#include "patched.h"
#include "study/audit_study.h"
#include <fenv.h>
#include <math.h>

static bb_audit_report report;

static void audit(const char *path) {
    bb_error err = {0};
    bb_model *m = found(path);
    ck_assert_msg(bb_audit_study(m, 2, NULL, &report, &err) == BB_OK, "%s", err.text);
    report.model = NULL;
    bb_model_free(m);
}

static void audit_bytes(const unsigned char *p, size_t n) {
    made_file("m.gguf", p, n);
    audit(made_path("m.gguf"));
}

static const bb_finding *finding(const char *word) {
    for (size_t i = 0; i < report.n; i++)
        if (strcmp(report.findings[i].word, word) == 0) return &report.findings[i];
    return NULL;
}

/* One finding of that word, with these figures. */
static void has(const char *word, bb_severity severity, const char *tensor, uint64_t count, const char *first) {
    const bb_finding *f = finding(word);
    ck_assert_msg(f != NULL, "no %s", word);
    ck_assert_msg(f->severity == severity && strcmp(f->tensor, tensor) == 0 && f->count == count &&
                      strcmp(f->first, first) == 0,
                  "%s: severity %d, %s, count %llu, first '%s'", word, (int)f->severity, f->tensor,
                  (unsigned long long)f->count, f->first);
}

static void clean(size_t notes) {
    ck_assert_msg(report.by_severity[BB_ERROR] + report.by_severity[BB_WARNING] == 0, "%s: %s", report.findings[0].word,
                  report.findings[0].detail);
    ck_assert_uint_eq(report.by_severity[BB_NOTE], notes);
}

START_TEST(demo_is_clean) {
    ck_assert_int_eq(fesetround(FE_UPWARD), 0);
    audit("demo");
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    ck_assert_int_eq(fesetround(FE_TONEAREST), 0);
    clean(0);
    ck_assert_uint_eq(report.tensors, 39);
    ck_assert_uint_eq(report.bytes, 2 * 3670016 + 4 * 2304);
    bb_audit_report_clear(&report);
}
END_TEST

static void put_half(unsigned char *p, float v) {
    uint16_t h = bb_f32_to_f16(v);
    memcpy(p, &h, 2);
}

START_TEST(values_and_rows) {
    size_t n;
    uint64_t bytes;
    unsigned char *p = demo_bytes(&n), *q = demo_data(p, "blk.1.attn_q.weight", NULL);
    put_half(q + (3 * 256 + 5) * 2, (float)NAN);
    put_half(q + (9 * 256 + 1) * 2, (float)NAN);
    put_half(q + 7 * 2, -(float)INFINITY);
    q = demo_data(p, "token_embd.weight", NULL);
    memset(q + 17 * 512, 0, 1024);
    q = demo_data(p, "blk.0.ffn_up.weight", NULL);
    for (size_t i = 0; i < 256; i++) put_half(q + 2 * (256 * 700 + i), 0.25F);
    q = demo_data(p, "blk.2.ffn_down.weight", &bytes);
    memset(q, 0, bytes);
    made_begin();
    audit_bytes(p, n);
    has("nan", BB_ERROR, "blk.1.attn_q.weight", 2, "row 3, column 5");
    has("infinite", BB_ERROR, "blk.1.attn_q.weight", 1, "row 0, column 7");
    has("zero-row", BB_NOTE, "token_embd.weight", 2, "row 17");
    has("constant-row", BB_WARNING, "blk.0.ffn_up.weight", 1, "row 700");
    has("zero-tensor", BB_WARNING, "blk.2.ffn_down.weight", 1, "");
    ck_assert_uint_eq(report.n, 5);
    bb_audit_report_clear(&report);
    made_end();
    free(p);
}
END_TEST

START_TEST(copies) {
    size_t n;
    uint64_t bytes;
    unsigned char *p = demo_bytes(&n), *up = demo_data(p, "blk.1.ffn_up.weight", &bytes);
    memcpy(demo_data(p, "blk.3.ffn_up.weight", NULL), up, bytes);
    memcpy(demo_data(p, "blk.2.ffn_up.weight", NULL), up, bytes);
    unsigned char *embd = demo_data(p, "token_embd.weight", &bytes);
    memcpy(demo_data(p, "output.weight", NULL), embd, bytes);
    made_begin();
    audit_bytes(p, n);
    has("duplicate", BB_WARNING, "blk.1.ffn_up.weight", 3, "");
    ck_assert_str_eq(finding("duplicate")->detail, "the same bytes as blk.2.ffn_up.weight and 1 more");
    has("tied", BB_NOTE, "token_embd.weight", 2, "");
    ck_assert_uint_eq(report.n, 2);
    bb_audit_report_clear(&report);
    made_end();
    free(p);
}
END_TEST

START_TEST(keys_and_tensors) {
    size_t n;
    unsigned char *p = demo_bytes(&n);
    made_begin();
    memcpy(demo_text(p, n, "llama.context_length"), "llama.context_lengXX", 20);
    memcpy(demo_text(p, n, "tokenizer.ggml.tokens"), "tokenizer.ggml.tokXXX", 21);
    memcpy(demo_text(p, n, "blk.3.ffn_up.weight"), "blk.3.ffn_XX.weight", 19);
    demo_text(p, n, "general.file_type")[17 + 4] = 7;
    audit_bytes(p, n);
    has("missing-key", BB_ERROR, "llama.context_length", 1, "");
    has("missing-tensor", BB_ERROR, "blk.3.ffn_up.weight", 1, "");
    has("unknown-tensor", BB_WARNING, "blk.3.ffn_XX.weight", 1, "");
    has("wrong-file-type", BB_WARNING, "general.file_type", 1, "");
    ck_assert_uint_eq(report.by_severity[BB_ERROR], 3); /* the tokens, too */
    ck_assert_uint_eq(report.by_severity[BB_WARNING], 2);
    for (size_t i = 1; i < report.n; i++) ck_assert(report.findings[i - 1].severity <= report.findings[i].severity);
    bb_audit_report_clear(&report);
    made_end();
    free(p);
}
END_TEST

/* ---- blocks ---- */

enum { ROWS = 8, COLS = 256 };

static unsigned char blocks[ROWS * COLS * 4];

static const bb_dtype *quantized(const char *type, uint64_t *block_bytes) {
    static float x[ROWS * COLS];
    const bb_dtype *t = bb_dtype_find(type, NULL);
    for (int i = 0; i < ROWS * COLS; i++) x[i] = (float)(i * 37 % 101 - 50) / 50;
    ck_assert_int_eq(bb_quantize_rows(t, x, ROWS, COLS, NULL, blocks), BB_OK);
    *block_bytes = t->block_bytes;
    return t;
}

static void audit_blocks(const bb_dtype *t) {
    made_begin();
    made_gguf("b.gguf", t, ROWS, COLS, blocks);
    audit(made_path("b.gguf"));
    made_end();
}

START_TEST(good_blocks) {
    static const char *const types[] = {"q8_0", "q4_0",   "q4_1",   "q5_0",  "q5_1",  "q2_K",  "q3_K",  "q4_K", "q5_K",
                                        "q6_K", "iq4_nl", "iq4_xs", "tq1_0", "tq2_0", "mxfp4", "nvfp4", "q1_0", "q2_0"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        uint64_t b;
        const bb_codec *c = bb_codec_find(bb_dtype_find(types[i], NULL), BB_ISA_AUTO);
        if (!c || !c->encode) continue;
        audit_blocks(quantized(types[i], &b));
        clean(3); /* an architecture that is not known, no file_type, no quantization_version */
        bb_audit_report_clear(&report);
    }
}
END_TEST

/* Block 2 of every row is zero; in row 5 all are. */
START_TEST(dead_blocks) {
    uint64_t b;
    const bb_dtype *t = quantized("q8_0", &b);
    for (uint64_t r = 0; r < ROWS; r++) memset(blocks + (r * 8 + 2) * b, 0, b);
    memset(blocks + (uint64_t)5 * 8 * b, 0, 8 * b);
    for (uint64_t i = 0; i < 32; i++) blocks[(6 * 8 + 7) * b + 2 + i] = 100;
    audit_blocks(t);
    has("zero-row", BB_NOTE, "w", 1, "row 5");
    has("dead-block", BB_WARNING, "w", 8, "row 0, block 2");
    ck_assert_str_eq(finding("dead-block")->detail,
                     "7 of zeros, 1 of one value, in rows that hold others; columns 64 to 95 in every row, "
                     "as from an importance of 0");
    bb_audit_report_clear(&report);
}
END_TEST

/* ggml writes blocks of zeros where 256 weights of importance follow each other that are 0, and says nothing. */
START_TEST(zero_importance) {
    static const char *const types[] = {"q2_K", "q3_K", "q4_K", "q5_K", "q6_K", "iq4_xs"};
    static float x[ROWS * 2 * COLS], importance[2 * COLS];
    for (int i = 0; i < ROWS * 2 * COLS; i++) x[i] = (float)(i * 37 % 101 - 50) / 50;
    for (int i = 0; i < COLS; i++) importance[i] = 1;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const bb_dtype *t = bb_dtype_find(types[i], NULL);
        ck_assert_int_eq(bb_quantize_rows(t, x, ROWS, 2 * COLS, importance, blocks), BB_OK);
        made_begin();
        made_gguf("b.gguf", t, ROWS, 2 * COLS, blocks);
        audit(made_path("b.gguf"));
        made_end();
        has("dead-block", BB_WARNING, "w", ROWS, "row 0, block 1");
        ck_assert_ptr_ne(strstr(finding("dead-block")->detail, "columns 256 to 511 in every row"), NULL);
        bb_audit_report_clear(&report);
    }
}
END_TEST

START_TEST(bad_scales) {
    uint64_t b;
    const bb_dtype *t = quantized("q4_0", &b);
    put_half(blocks + b, (float)NAN);
    put_half(blocks + 8 * b, (float)INFINITY);
    put_half(blocks + 17 * b, 65504);
    put_half(blocks + 63 * b, 0);
    audit_blocks(t);
    has("nan-scale", BB_ERROR, "w", 1, "row 0, block 1");
    has("infinite-scale", BB_ERROR, "w", 1, "row 1, block 0");
    has("saturated-scale", BB_WARNING, "w", 1, "row 2, block 1");
    has("lost-scale", BB_WARNING, "w", 1, "row 7, block 7");
    has("dead-block", BB_WARNING, "w", 1, "row 7, block 7");
    bb_audit_report_clear(&report);
}
END_TEST

START_TEST(refusals_and_cancel) {
    bb_error err = {0};
    bb_progress p;
    bb_model *m = found("demo");
    bb_progress_init(&p);
    atomic_store(&p.cancel, true);
    ck_assert_int_eq(bb_audit_study(m, 2, &p, &report, &err), BB_E_CANCELLED);
    bb_model_free(m);
    size_t n;
    unsigned char *bytes = demo_bytes(&n);
    made_begin();
    made_file("m.gguf", bytes, n);
    m = found(made_path("m.gguf"));
    ck_assert_int_eq(truncate(made_path("m.gguf"), 1000000), 0);
    ck_assert_int_eq(bb_audit_study(m, 2, NULL, &report, &err), BB_E_TRUNCATED);
    ck_assert_ptr_ne(strstr(err.text, "m.gguf"), NULL);
    bb_model_free(m);
    made_end();
    free(bytes);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("audit");
    TCase *c = tcase_create("audit");
    tcase_add_test(c, demo_is_clean);
    tcase_add_test(c, values_and_rows);
    tcase_add_test(c, copies);
    tcase_add_test(c, keys_and_tensors);
    tcase_add_test(c, good_blocks);
    tcase_add_test(c, dead_blocks);
    tcase_add_test(c, zero_importance);
    tcase_add_test(c, bad_scales);
    tcase_add_test(c, refusals_and_cancel);
    suite_add_tcase(s, c);
    return s;
}
TEST_MAIN(make_suite)
