/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_perplexity.c - scores of small models against sums written down plainly, and what is refused. */
#include "file/made.h"
#include "infer/made_model.h"
#include "infer/perplexity.h"
#include <math.h>

enum { CTX = 16, TOKENS = 3 * CTX + 5, SCORED = CTX - 1 - CTX / 2 };

static bb_file *file;
static bb_arch *arch;
static bb_infer *model;
static bb_pool *pool;
static int32_t tokens[TOKENS];
static bb_chunks text;

static void begin(void) {
    bb_error err = {0};
    bb_infer_opts o = {.ctx = CTX};
    made_begin();
    ck_assert_int_eq(bb_pool_new(2, &pool), BB_OK);
    o.pool = pool;
    ck_assert_msg(made_model(&made_specs[0], NULL, made_path("m.gguf"), &err) == BB_OK, "%s", err.text);
    file = made_open("m.gguf");
    ck_assert_int_eq(bb_arch_from_file(file, &arch, &err), BB_OK);
    ck_assert_msg(bb_infer_open(file, arch, &o, &model, &err) == BB_OK, "%s", err.text);
    for (size_t i = 0; i < TOKENS; i++) tokens[i] = (int32_t)(bb_random_u64(7, i) % MADE_VOCAB);
    text = (bb_chunks){.tokens = tokens, .n = TOKENS, .ctx = CTX, .bos = 1};
}

static void end(void) {
    bb_infer_free(model);
    bb_arch_free(arch);
    bb_file_close(file);
    bb_pool_free(pool);
    made_end();
}

/* ---- the same rule, one position after the other ---- */

static void run(const int32_t *ids, size_t n, float *logits) {
    bb_error err = {0};
    ck_assert_msg(bb_infer_run(model, ids, n, 0, false, logits, &err) == BB_OK, "%s", err.text);
}

/* Logits of a whole chunk with its first token replaced. */
static float *chunk_logits(size_t chunk, int32_t bos) {
    int32_t ids[CTX];
    float *logits = malloc(CTX * MADE_VOCAB * sizeof *logits);
    ck_assert_ptr_ne(logits, NULL);
    memcpy(ids, tokens + chunk * CTX, sizeof ids);
    if (bos >= 0) ids[0] = bos;
    run(ids, CTX, logits);
    return logits;
}

static void probabilities(const float *logits, double *p) {
    double sum = 0;
    for (size_t i = 0; i < MADE_VOCAB; i++) sum += p[i] = exp((double)logits[i]);
    for (size_t i = 0; i < MADE_VOCAB; i++) p[i] /= sum;
}

static double plain_ppl(size_t chunks, int32_t bos) {
    double p[MADE_VOCAB], sum = 0;
    for (size_t c = 0; c < chunks; c++) {
        float *logits = chunk_logits(c, bos);
        for (size_t i = CTX / 2; i < CTX - 1; i++) {
            probabilities(logits + i * MADE_VOCAB, p);
            sum -= log(p[tokens[c * CTX + i + 1]]);
        }
        free(logits);
    }
    return exp(sum / (double)(chunks * SCORED));
}

static bb_score score(const bb_chunks *c, const bb_base *base, bb_base **keep) {
    bb_score s;
    bb_error err = {0};
    ck_assert_msg(bb_perplexity(model, c, base, keep, NULL, NULL, &s, &err) == BB_OK, "%s", err.text);
    return s;
}

START_TEST(perplexity_by_the_rule) {
    bb_score s = score(&text, NULL, NULL);
    ck_assert_uint_eq(s.chunks, 3);
    ck_assert_uint_eq(s.n, 3 * SCORED);
    ck_assert_double_eq_tol(s.ppl, plain_ppl(3, 1), 1e-9 * s.ppl);
    ck_assert(isnan(s.kl) && isnan(s.kl_max) && isnan(s.top1));
    text.count_max = 2;
    text.bos = -1;
    s = score(&text, NULL, NULL);
    ck_assert_uint_eq(s.chunks, 2);
    ck_assert_double_eq_tol(s.ppl, plain_ppl(2, -1), 1e-9 * s.ppl);
}
END_TEST

/* Logits that are all equal: every token has the same chance, and the first is the most likely one. */
static void no_output(const bb_graph_tensor *t, float *x, uint64_t n, const void *ctx) {
    (void)ctx;
    for (uint64_t i = 0; i < n && strcmp(t->name, "output.weight") == 0; i++) x[i] = 0;
}

START_TEST(a_model_that_knows_nothing) {
    bb_error err = {0};
    bb_base *base = NULL;
    bb_infer_opts o = {.ctx = CTX};
    made_change flat = {.values = no_output};
    bb_infer_free(model);
    bb_file_close(file);
    ck_assert_int_eq(made_model(&made_specs[0], &flat, made_path("m.gguf"), &err), BB_OK);
    file = made_open("m.gguf");
    ck_assert_int_eq(bb_infer_open(file, arch, &o, &model, &err), BB_OK);
    text.ctx = 3; /* the shortest: one position each */
    bb_score s = score(&text, NULL, &base);
    ck_assert_uint_eq(s.n, TOKENS / 3);
    ck_assert_double_eq_tol(s.ppl, MADE_VOCAB, 1e-9);
    ck_assert_double_eq_tol(s.ppl_err, 0, 1e-9);
    bb_base_free(base);
}
END_TEST

START_TEST(a_model_against_itself) {
    bb_base *base = NULL;
    bb_score a = score(&text, NULL, &base), b = score(&text, base, NULL);
    ck_assert_double_eq(a.ppl, b.ppl);
    ck_assert_double_eq(b.kl, 0);
    ck_assert_double_eq(b.kl_err, 0);
    ck_assert_double_eq(b.kl_max, 0);
    ck_assert_double_eq(b.top1, 1);
    bb_base_free(base);
}
END_TEST

START_TEST(divergence_by_the_rule) {
    enum { CHUNKS = 3, N = CHUNKS * SCORED };
    bb_base *base = NULL;
    bb_error err = {0};
    double p[MADE_VOCAB], q[MADE_VOCAB], kl[N], sum = 0, squares = 0, most = 0;
    size_t same = 0, n = 0;
    float *before[CHUNKS];
    score(&text, NULL, &base);
    for (size_t c = 0; c < CHUNKS; c++) before[c] = chunk_logits(c, 1);
    for (size_t i = 0; i < bb_infer_linears(model); i++)
        ck_assert_int_eq(bb_infer_set(model, i, bb_dtype_find("q4_0", NULL), BB_USE_VALUES, &err), BB_OK);
    for (size_t c = 0; c < CHUNKS; c++) {
        float *after = chunk_logits(c, 1);
        for (size_t i = CTX / 2; i < CTX - 1; i++, n++) {
            size_t a = 0, b = 0;
            probabilities(before[c] + i * MADE_VOCAB, p);
            probabilities(after + i * MADE_VOCAB, q);
            kl[n] = 0;
            for (size_t k = 0; k < MADE_VOCAB; k++) {
                kl[n] += p[k] * log(p[k] / q[k]);
                if (p[k] > p[a]) a = k;
                if (q[k] > q[b]) b = k;
            }
            sum += kl[n];
            same += a == b;
            if (kl[n] > most) most = kl[n];
        }
        free(after);
        free(before[c]);
    }
    for (size_t i = 0; i < N; i++) squares += (kl[i] - sum / N) * (kl[i] - sum / N);
    bb_score s = score(&text, base, NULL);
    ck_assert(s.kl > 1e-4);
    ck_assert_double_eq_tol(s.kl, sum / N, 1e-9);
    ck_assert_double_eq_tol(s.kl_err, sqrt(squares / N / (N - 1)), 1e-9);
    ck_assert_double_eq_tol(s.kl_max, most, 1e-9);
    ck_assert_double_eq_tol(s.top1, (double)same / N, 1e-12);
    bb_base_free(base);
}
END_TEST

/* ---- what is refused ---- */

static bool stop_at(void *ctx, size_t done, size_t of) {
    ck_assert_uint_eq(of, 3);
    return done < *(size_t *)ctx;
}

static void refused(const bb_chunks *c, const bb_base *base, bb_status status, const char *part) {
    bb_score s = {.n = 77};
    bb_error err = {0};
    bb_status got = bb_perplexity(model, c, base, NULL, NULL, NULL, &s, &err);
    ck_assert_msg(got == status && strstr(err.text, part), "status %d, '%s', expected '%s'", got, err.text, part);
    ck_assert_uint_eq(s.n, 77);
}

START_TEST(bad_texts) {
    bb_chunks c = text;
    bb_base *base = NULL;
    score(&text, NULL, &base);
    c.ctx = 2;
    refused(&c, NULL, BB_E_ARG, "3 to 16");
    c.ctx = CTX + 1;
    refused(&c, NULL, BB_E_ARG, "3 to 16");
    c = text;
    c.n = CTX - 1;
    refused(&c, NULL, BB_E_INVALID, "less than one chunk");
    c = text;
    c.bos = MADE_VOCAB;
    refused(&c, NULL, BB_E_INVALID, "<s> is number 64");
    c = text;
    c.count_max = 1;
    refused(&c, base, BB_E_ARG, "another text");
    tokens[40] = -3;
    refused(&text, NULL, BB_E_INVALID, "number -3");
    bb_base_free(base);
}
END_TEST

START_TEST(cancelled) {
    bb_score s = {.n = 77};
    bb_error err = {0};
    bb_base *base = NULL;
    for (size_t at = 0; at < 3; at++) {
        ck_assert_int_eq(bb_perplexity(model, &text, NULL, &base, stop_at, &at, &s, &err), BB_E_CANCELLED);
        ck_assert_uint_eq(s.n, 77);
        ck_assert_ptr_eq(base, NULL);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("perplexity");
    TCase *t = tcase_create("perplexity");
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, perplexity_by_the_rule);
    tcase_add_test(t, a_model_that_knows_nothing);
    tcase_add_test(t, a_model_against_itself);
    tcase_add_test(t, divergence_by_the_rule);
    tcase_add_test(t, bad_texts);
    tcase_add_test(t, cancelled);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
