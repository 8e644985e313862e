/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_kl_study.c - small models in several types over a text: each row is what the same steps give one by one. */
#include "file/made.h"
#include "infer/made_model.h"
#include "infer/made_vocab.h"
#include "infer/tokenizer.h"
#include "study/kl_study.h"
#include "study/quantize_study.h"
#include <math.h>

enum { CTX = 16, CHUNKS = 4, LETTERS = 26 };

static bb_model *model, *vocab;
static bb_kl_opts opts;
static bb_kl_report report;
static char text_path[512], model_path[512];

/* Letters, a space and some pairs: 64 tokens at the most, as the models have. */
static void make_vocab(void) {
    static const char pairs[][3] = {"ab", "th", "he", "in", "er", "an", "re", "on", "at", "en"};
    static char letters[LETTERS][2];
    vocab_token t[MADE_VOCAB] = {{"<unk>", 5, 0, 2}, {"<s>", 3, 0, 3}, {"</s>", 4, 0, 3}, {"\xe2\x96\x81", 3, -9, 1}};
    size_t n = 4;
    vocab_file v;
    for (size_t i = 0; i < LETTERS; i++) {
        letters[i][0] = (char)('a' + i);
        t[n++] = (vocab_token){letters[i], 1, -9, 1};
    }
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) t[n++] = (vocab_token){pairs[i], 2, -(float)i, 1};
    vocab_begin(&v, "llama");
    vocab_texts(&v, t, n);
    vocab_scores(&v, t, n);
    vocab_kinds(&v, t, n);
    ck_assert(vocab_write(&v, made_path("vocab.gguf")));
}

static void make_text(void) {
    char text[400];
    for (size_t i = 0; i < sizeof text; i++) {
        uint64_t k = bb_random_u64(3, i) % 32;
        text[i] = k < LETTERS ? (char)('a' + k) : k < 30 ? ' ' : "the"[k % 3];
    }
    made_file("text", text, sizeof text);
    snprintf(text_path, sizeof text_path, "%s", made_path("text"));
}

static bb_model *found(const char *path) {
    bb_model *m = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_model_find(path, &m, &err) == BB_OK, "%s", err.text);
    return m;
}

static void take_model(const char *name, const made_change *change) {
    bb_error err = {0};
    size_t i = 0;
    while (strcmp(made_specs[i].name, name) != 0) i++;
    snprintf(model_path, sizeof model_path, "%s", made_path("m.gguf"));
    bb_model_free(model);
    ck_assert_msg(made_model(&made_specs[i], change, model_path, &err) == BB_OK, "%s", err.text);
    model = found(model_path);
}

static void begin(void) {
    made_begin();
    make_vocab();
    make_text();
    model = NULL;
    take_model("llama", NULL);
    vocab = found(made_path("vocab.gguf"));
    opts = (bb_kl_opts){.text = text_path, .vocab = vocab->file, .ctx = CTX, .chunks = CHUNKS, .threads = 1};
}

static void end(void) {
    bb_kl_report_clear(&report);
    bb_model_free(model);
    bb_model_free(vocab);
    made_end();
}

static void study(const char *const *types, size_t n) {
    bb_error err = {0};
    opts.types = types;
    opts.n_types = n;
    bb_kl_report_clear(&report);
    ck_assert_msg(bb_kl_study(model, &opts, NULL, &report, &err) == BB_OK, "%s", err.text);
}

static uint64_t size_of(const char *path) {
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

/* ---- the same by hand ---- */

typedef struct hand {
    bb_infer *infer;
    int32_t *ids;
    bb_chunks chunks;
    bb_base *base;
} hand;

static bb_score hand_score(hand *h) {
    bb_score s;
    bb_error err = {0};
    ck_assert_msg(bb_perplexity(h->infer, &h->chunks, h->base, h->base ? NULL : &h->base, NULL, NULL, &s, &err) ==
                      BB_OK,
                  "%s", err.text);
    return s;
}

static hand hand_open(void) {
    hand h = {0};
    bb_tokenizer *t = NULL;
    bb_error err = {0};
    bb_infer_opts o = {.ctx = CTX};
    size_t len;
    char *text = NULL;
    ck_assert_int_eq(bb_infer_open(model->file, model->arch, &o, &h.infer, &err), BB_OK);
    ck_assert_int_eq(bb_tokenizer_open(vocab->file, &t, &err), BB_OK);
    ck_assert_int_eq(bb_source_slurp(text_path, 1 << 20, &text, &len, &err), BB_OK);
    ck_assert_int_eq(bb_tokenize(t, text, len, true, false, &h.ids, &h.chunks.n, &err), BB_OK);
    h.chunks.tokens = h.ids;
    h.chunks.ctx = CTX;
    h.chunks.count_max = CHUNKS;
    h.chunks.bos = 1;
    for (size_t i = 0; i < bb_infer_linears(h.infer); i++)
        ck_assert_int_eq(bb_infer_set(h.infer, i, NULL, BB_USE_VALUES, &err), BB_OK);
    hand_score(&h);
    bb_tokenizer_free(t);
    free(text);
    return h;
}

static void hand_close(hand *h) {
    bb_base_free(h->base);
    bb_infer_free(h->infer);
    free(h->ids);
}

/* The output matrix of q4_0 is q6_K, or q8_0 where that does not divide the rows. */
static const bb_dtype *type_of(const char *type, const char *tensor) {
    return bb_dtype_find(strcmp(type, "q4_0") == 0 && strcmp(tensor, "output.weight") == 0 ? "q8_0" : type, NULL);
}

static bb_score hand_type(hand *h, const char *type, bb_infer_use use) {
    bb_error err = {0};
    for (size_t i = 0; i < bb_infer_linears(h->infer); i++) {
        const bb_dtype *t = type_of(type, bb_infer_linear(h->infer, i)->name);
        ck_assert_int_eq(bb_infer_set(h->infer, i, t, use, &err), BB_OK);
    }
    ck_assert_int_eq(bb_infer_set_embedding(h->infer, bb_dtype_find(type, NULL), &err), BB_OK);
    return hand_score(h);
}

static uint64_t dry_run(const char *type) {
    bb_quantize_job *job = NULL;
    bb_error err = {0};
    bb_quantize_opts q = {.recipe = {.ftype = bb_ftype_find(type, NULL)}, .requantize = true};
    ck_assert_msg(bb_quantize_plan(model, &q, NULL, &job, &err) == BB_OK, "%s", err.text);
    uint64_t bytes = bb_quantize_file_bytes(job);
    bb_quantize_free(job);
    return bytes;
}

/* ---- whole models ---- */

START_TEST(rows_are_what_the_steps_give) {
    static const char *const types[] = {"q8_0", "f16", "Q4_0"};
    study(types, 3);
    ck_assert_uint_eq(report.n_rows, 4);
    ck_assert_str_eq(report.rows[0].type, "f32");
    ck_assert_str_eq(report.rows[3].type, "q4_0");
    ck_assert_double_eq(report.rows[0].score.kl, 0);
    ck_assert_double_eq(report.rows[0].score.ppl, report.base.ppl);
    ck_assert_uint_eq(report.rows[0].file_bytes, size_of(model_path));
    ck_assert_uint_eq(report.base.chunks, CHUNKS);
    ck_assert(report.starts);
    hand h = hand_open();
    for (size_t i = 1; i < 4; i++) {
        const bb_kl_row *r = &report.rows[i];
        bb_score kernel = hand_type(&h, r->type, BB_USE_KERNEL), values = hand_type(&h, r->type, BB_USE_VALUES);
        ck_assert_double_eq(r->score.kl, kernel.kl);
        ck_assert_double_eq(r->score.ppl, kernel.ppl);
        ck_assert_double_eq(r->kl_weights_only, values.kl);
        ck_assert_uint_eq(r->file_bytes, dry_run(r->type));
        ck_assert_int_eq(r->saved_bytes, (int64_t)(size_of(model_path) - r->file_bytes));
        ck_assert_str_eq(r->tensor, "");
    }
    hand_close(&h);
    /* q8_0 rounds its inputs, f16 is decoded */
    ck_assert(report.rows[1].score.kl > report.rows[1].kl_weights_only);
    ck_assert_double_eq(report.rows[2].score.kl, report.rows[2].kl_weights_only);
    ck_assert(report.rows[3].score.kl > report.rows[1].score.kl);
    size_t used = 0;
    for (size_t i = 0; i < bb_kernel_count(); i++)
        used += report.dispatch.calls[i] > 0 && strcmp(bb_kernel_at(i)->family->name, "gemm_q8_0") == 0;
    ck_assert_uint_eq(used, 1);
}
END_TEST

START_TEST(every_isa_gives_the_same) {
    static const char *const types[] = {"q8_0"};
    study(types, 1);
    bb_score fast = report.rows[1].score;
    opts.isa = BB_ISA_SCALAR;
    opts.threads = 2;
    study(types, 1);
    ck_assert_double_eq(report.rows[1].score.kl, fast.kl);
    ck_assert_double_eq(report.rows[1].score.ppl, fast.ppl);
}
END_TEST

START_TEST(mixtures_and_rows_that_do_not_divide) {
    static const char *const types[] = {"q4_K_M", "int8", "nf4"};
    study(types, 3);
    const bb_kl_row *k = &report.rows[1], *i8 = &report.rows[2], *nf4 = &report.rows[3];
    /* rows of 64 and 96 are no blocks of 256 */
    ck_assert_uint_gt(k->other, k->matrices - 2);
    ck_assert_uint_eq(k->file_bytes, dry_run("q4_K_M"));
    /* the output matrix stays; blocks of 64 do not divide the 96 of ffn_down */
    ck_assert_uint_eq(i8->kept, 1);
    ck_assert_uint_eq(nf4->kept, 1 + MADE_LAYERS);
    ck_assert(i8->score.kl > 0 && i8->kl_weights_only > 0 && nf4->score.kl > i8->score.kl);
    ck_assert_uint_lt(i8->file_bytes, report.rows[0].file_bytes);
}
END_TEST

/* ---- matrices ---- */

START_TEST(each_matrix_alone) {
    static const char *const types[] = {"q4_0"};
    bb_error err = {0};
    opts.per_tensor = true;
    study(types, 1);
    hand h = hand_open();
    size_t linears = bb_infer_linears(h.infer);
    ck_assert_uint_eq(report.n_rows, 2 + linears + 1); /* and the embedding */
    for (size_t i = 2; i < report.n_rows; i++) {
        const bb_kl_row *r = &report.rows[i];
        size_t k = 0;
        while (k < linears && strcmp(bb_infer_linear(h.infer, k)->name, r->tensor) != 0) k++;
        ck_assert(k < linears || strcmp(r->tensor, "token_embd.weight") == 0);
        const bb_dtype *t = type_of("q4_0", r->tensor);
        bb_status st =
            k < linears ? bb_infer_set(h.infer, k, t, BB_USE_KERNEL, &err) : bb_infer_set_embedding(h.infer, t, &err);
        ck_assert_msg(st == BB_OK, "%s", err.text);
        ck_assert_double_eq(r->score.kl, hand_score(&h).kl);
        st = k < linears ? bb_infer_set(h.infer, k, NULL, BB_USE_VALUES, &err)
                         : bb_infer_set_embedding(h.infer, NULL, &err);
        ck_assert_int_eq(st, BB_OK);
        ck_assert(isnan(r->kl_weights_only) && r->saved_bytes > 0);
        ck_assert_str_eq(r->stored_as, t->name);
        ck_assert_double_eq_tol(r->price, r->score.kl / ((double)r->saved_bytes / 1048576), 1e-12 * r->price);
        if (i > 2) ck_assert(r[-1].price >= r->price);
    }
    hand_close(&h);
}
END_TEST

static void beyond_f16(const bb_graph_tensor *t, float *x, uint64_t n, const void *ctx) {
    (void)ctx;
    if (strcmp(t->name, "blk.1.ffn_up.weight") == 0) x[n / 2] = 70000;
}

/* A matrix that f16 makes infinite has no KL: the worst that can be lost, and the rest stays in its order. */
START_TEST(no_kl_comes_first) {
    static const char *const types[] = {"f16"};
    made_change large = {.values = beyond_f16};
    take_model("llama", &large);
    opts.per_tensor = true;
    study(types, 1);
    ck_assert(report.n_rows > 4 && isnan(report.rows[2].score.kl) && isnan(report.rows[2].price));
    ck_assert_str_eq(report.rows[2].tensor, "blk.1.ffn_up.weight");
    for (size_t i = 3; i < report.n_rows; i++)
        ck_assert(report.rows[i].price >= 0 && (i == 3 || report.rows[i - 1].price >= report.rows[i].price));
}
END_TEST

START_TEST(an_output_tied_to_the_embedding) {
    static const char *const types[] = {"f16"};
    size_t n = 0;
    take_model("qwen2", NULL);
    opts.per_tensor = true;
    study(types, 1);
    for (size_t i = 2; i < report.n_rows; i++) n += strcmp(report.rows[i].tensor, "token_embd.weight") == 0;
    ck_assert_uint_eq(n, 1);
    /* what it saves together is what the whole file saves, the norms and biases apart */
    int64_t sum = 0;
    for (size_t i = 2; i < report.n_rows; i++) sum += report.rows[i].saved_bytes;
    ck_assert_int_le(sum - report.rows[1].saved_bytes, 512);
    ck_assert_int_ge(sum - report.rows[1].saved_bytes, -512);
}
END_TEST

/* ---- a file that is quantized already ---- */

static const char *all_q8(const bb_graph_tensor *t, const void *ctx) {
    (void)ctx;
    return t->n_dims > 1 ? "q8_0" : NULL;
}

START_TEST(against_its_own_values) {
    static const char *const types[] = {"q4_0", "q8_0"};
    made_change q8 = {.type = all_q8};
    take_model("llama", &q8);
    study(types, 2);
    /* its kernels round inputs; its weights are the base's */
    ck_assert(report.rows[0].score.kl > 0);
    ck_assert_double_eq(report.rows[0].kl_weights_only, 0);
    ck_assert(report.rows[1].kl_weights_only > 0);
    ck_assert_double_eq(report.rows[2].score.kl, report.rows[0].score.kl);
    ck_assert_double_eq(report.rows[2].kl_weights_only, 0);
    ck_assert_uint_eq(report.rows[2].kept, report.rows[2].matrices);
}
END_TEST

/* ---- what is refused ---- */

static void refused(const char *type, bb_status status, const char *part) {
    bb_kl_report r = {.n_rows = 77};
    bb_error err = {0};
    opts.types = &type;
    opts.n_types = 1;
    bb_status got = bb_kl_study(model, &opts, NULL, &r, &err);
    ck_assert_msg(got == status && strstr(err.text, part), "status %d, '%s', expected '%s'", got, err.text, part);
    ck_assert_uint_eq(r.n_rows, 77);
}

static void nan_values(const bb_graph_tensor *t, float *x, uint64_t n, const void *ctx) {
    (void)ctx;
    if (strcmp(t->name, "blk.1.ffn_up.weight") == 0) x[n / 2] = NAN;
}

START_TEST(bad_input) {
    made_change nan = {.values = nan_values};
    refused("q9_K", BB_E_NAME, "'q9_K'");
    refused("int8:tensor", BB_E_UNSUPPORTED, "a scale for each row");
    refused("q8_1", BB_E_UNSUPPORTED, "no quantizer for q8_1");
    opts.ctx = 2;
    refused("q8_0", BB_E_ARG, "at least 3");
    opts.ctx = 4096;
    refused("q8_0", BB_E_INVALID, "less than one chunk of 4096");
    opts.ctx = CTX;
    opts.vocab = NULL;
    refused("q8_0", BB_E_VALUE, "no vocabulary");
    opts.vocab = vocab->file;
    opts.text = "/nowhere";
    refused("q8_0", BB_E_OPEN, "/nowhere");
    opts.text = text_path;
    take_model("llama", &nan);
    refused("q8_0", BB_E_INVALID, "not finite");
}
END_TEST

START_TEST(cancelled) {
    static const char *const types[] = {"q8_0"};
    bb_progress p;
    bb_error err = {0};
    bb_progress_init(&p);
    atomic_store(&p.cancel, true);
    opts.types = types;
    opts.n_types = 1;
    ck_assert_int_eq(bb_kl_study(model, &opts, &p, &report, &err), BB_E_CANCELLED);
    ck_assert_ptr_eq(report.rows, NULL);
    atomic_store(&p.cancel, false);
    ck_assert_int_eq(bb_kl_study(model, &opts, &p, &report, &err), BB_OK);
    ck_assert_uint_eq(atomic_load(&p.total), 3 * CHUNKS);
    ck_assert_uint_eq(atomic_load(&p.done), 3 * CHUNKS);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("kl_study");
    TCase *t = tcase_create("made");
    tcase_add_checked_fixture(t, begin, end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, rows_are_what_the_steps_give);
    tcase_add_test(t, every_isa_gives_the_same);
    tcase_add_test(t, mixtures_and_rows_that_do_not_divide);
    tcase_add_test(t, each_matrix_alone);
    tcase_add_test(t, no_kl_comes_first);
    tcase_add_test(t, an_output_tied_to_the_embedding);
    tcase_add_test(t, against_its_own_values);
    tcase_add_test(t, bad_input);
    tcase_add_test(t, cancelled);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
