/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_tokenizer.c - tokens of texts as libllama gives them, and vocabularies that break the rules. */
#include "file/made.h"
#include "infer/made_vocab.h"
#include "infer/tokenizer.h"
#include <math.h>

enum { IDS_MAX = 256 };

static bb_file *file;
static bb_tokenizer *demo;

static void open_demo(void) {
    bb_error err = {0};
    ck_assert_msg(bb_file_open("data/demo.gguf", &file, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(bb_tokenizer_open(file, &demo, &err) == BB_OK, "%s", err.text);
}

static void close_demo(void) {
    bb_tokenizer_free(demo);
    bb_file_close(file);
}

static int32_t *split(const bb_tokenizer *t, const char *text, size_t len, bool special, bool parse, size_t *n) {
    bb_error err = {0};
    int32_t *ids = NULL;
    ck_assert_msg(bb_tokenize(t, text, len, special, parse, &ids, n, &err) == BB_OK, "%s", err.text);
    return ids;
}

static char *slurp(const char *path, size_t *n) {
    char *text = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_source_slurp(path, 1 << 20, &text, n, &err) == BB_OK, "%s", err.text);
    return text;
}

static size_t read_ids(FILE *f, int32_t *ids) {
    char line[4096], *p = line, *end;
    size_t n = 0;
    ck_assert_ptr_ne(fgets(line, sizeof line, f), NULL);
    for (;; p = end) {
        long v = strtol(p, &end, 10);
        if (end == p) return n;
        ck_assert_uint_lt(n, IDS_MAX);
        ids[n++] = (int32_t)v;
    }
}

static void same(const int32_t *a, size_t n, const int32_t *b, size_t m, const char *what) {
    ck_assert_msg(n == m, "%s: %zu tokens, expected %zu", what, n, m);
    for (size_t i = 0; i < n; i++) ck_assert_msg(a[i] == b[i], "%s: token %zu is %d, expected %d", what, i, a[i], b[i]);
}

START_TEST(texts_of_libllama) {
    FILE *f = fopen(TEST_DATA("infer/texts_demo_ids.txt"), "r");
    size_t all, n, wanted;
    int32_t expected[IDS_MAX];
    char *texts = slurp(TEST_DATA("infer/texts.txt"), &all);
    ck_assert_ptr_ne(f, NULL);
    for (char *p = texts; p < texts + all;) {
        size_t len = strcspn(p, "\n");
        for (int special = 0; special < 2; special++) {
            wanted = read_ids(f, expected);
            int32_t *ids = split(demo, p, len, special, special, &n);
            p[len] = '\0';
            same(ids, n, expected, wanted, p);
            free(ids);
        }
        p += len + 1;
    }
    free(texts);
    fclose(f);
}
END_TEST

START_TEST(a_whole_text) {
    size_t len, n;
    char *text = slurp(TEST_DATA("infer/heldout.txt"), &len);
    int32_t *ids = split(demo, text, len, true, false, &n);
    /* golden.csv of the demo has 141 chunks of 512 */
    ck_assert_uint_eq(n / 512, 141);
    ck_assert_int_eq(ids[0], bb_tokenizer_bos(demo));
    free(ids);
    free(text);
}
END_TEST

/* What is not a control token comes back whole, behind the space that is put before it. */
static void round_trip(const char *text, size_t len) {
    size_t n, at = 0, k;
    int32_t *ids = split(demo, text, len, false, false, &n);
    bool fine = true; /* Check takes its time for each assertion */
    for (size_t i = 0; i < n && fine; i++) {
        const char *p = bb_tokenizer_piece(demo, ids[i], &k);
        if (i == 0) {
            ck_assert(k > 0 && p[0] == ' ');
            p++;
            k--;
        }
        fine = k <= len - at && memcmp(p, text + at, k) == 0;
        at += k;
    }
    ck_assert_msg(fine && at == len, "another text at byte %zu of %zu", at, len);
    free(ids);
}

START_TEST(pieces_are_the_text) {
    enum { LONG = 1 << 20 };
    static const char nul[] = "a\0b\xff\n\r\t<s> \xf0\x9f\x99\x82\x80";
    size_t len;
    char *text = slurp(TEST_DATA("infer/heldout.txt"), &len), *run = malloc(LONG);
    round_trip(text, len);
    round_trip(nul, sizeof nul);
    ck_assert_ptr_ne(run, NULL);
    for (size_t i = 0; i < 3; i++) {
        memset(run, "a \xe2"[i], LONG);
        round_trip(run, LONG);
    }
    free(run);
    free(text);
}
END_TEST

/* ---- made vocabularies ---- */

static const vocab_token few[] = {{"<unk>", 5, 0, 2}, {"<s>", 3, 0, 3}, {"</s>", 4, 0, 3},   {"\xe2\x96\x81", 3, -1, 1},
                                  {"a", 1, -1, 1},    {"b", 1, -1, 1},  {"ab", 2, -3, 1},    {"ba", 2, -2, 1},
                                  {"aba", 3, 5, 1},   {"  ", 2, 0, 4},  {"<0x43>", 6, 0, 6}, {"<mask>", 6, 0, 3}};
enum { FEW = sizeof few / sizeof *few };

static bb_tokenizer *open_made(bb_file **f) {
    bb_tokenizer *t = NULL;
    bb_error err = {0};
    *f = made_open("v.gguf");
    ck_assert_msg(bb_tokenizer_open(*f, &t, &err) == BB_OK, "%s", err.text);
    return t;
}

static void expect(const bb_tokenizer *t, const char *text, bool special, bool parse, const char *ids) {
    char got[256] = "";
    size_t n, at = 0;
    int32_t *list = split(t, text, strlen(text), special, parse, &n);
    for (size_t i = 0; i < n; i++) at += (size_t)snprintf(got + at, sizeof got - at, "%s%d", i ? " " : "", list[i]);
    ck_assert_msg(strcmp(got, ids) == 0, "'%s' is %s, expected %s", text, got, ids);
    free(list);
}

START_TEST(rules_one_by_one) {
    vocab_file v;
    bb_file *f;
    made_begin();
    vocab_begin(&v, "llama");
    vocab_texts(&v, few, FEW);
    vocab_scores(&v, few, FEW);
    vocab_kinds(&v, few, FEW);
    ck_assert(vocab_write(&v, made_path("v.gguf")));
    bb_tokenizer *t = open_made(&f);
    expect(t, "", true, true, "1");
    expect(t, "", false, false, "");
    expect(t, "b", false, false, "3 5");
    /* the higher score first, whatever stands further left; of equal ones the left one */
    expect(t, "abb", false, false, "3 6 5");
    expect(t, "bab", false, false, "3 7 5");
    expect(t, "abab", false, false, "3 8 5");
    expect(t, "aaba", false, false, "3 4 8");
    /* a byte that is no token, through its name */
    expect(t, "C", false, false, "3 10");
    /* tokens of the user are cut out always, control tokens when they are asked for; a space follows each */
    expect(t, "a  b", false, false, "3 4 9 3 5");
    expect(t, "a<s>b", false, true, "3 4 1 3 5");
    expect(t, "<s>", true, true, "1 1");
    bb_tokenizer_free(t);
    bb_file_close(f);
    made_end();
}
END_TEST

START_TEST(options_of_the_file) {
    vocab_file v;
    bb_file *f;
    made_begin();
    vocab_begin(&v, "llama");
    vocab_key_text(&v, "general.name", "A PHI-3 model");
    vocab_texts(&v, few, FEW);
    vocab_kinds(&v, few, FEW);
    vocab_key_bool(&v, "tokenizer.ggml.add_space_prefix", false);
    vocab_key_bool(&v, "tokenizer.ggml.add_eos_token", true);
    vocab_key_u32(&v, "tokenizer.ggml.bos_token_id", 11);
    vocab_key_u32(&v, "tokenizer.ggml.eos_token_id", FEW); /* there is none: the default */
    ck_assert(vocab_write(&v, made_path("v.gguf")));
    bb_tokenizer *t = open_made(&f);
    ck_assert_int_eq(bb_tokenizer_bos(t), 11);
    expect(t, "a", true, false, "11 4 2");
    /* without scores the left pair merges first; the special tokens of Phi-3 but <s> take the spaces behind them */
    expect(t, "aba", false, false, "8");
    expect(t, "<mask> \n a<s> b", false, true, "11 4 1 3 5");
    bb_tokenizer_free(t);
    bb_file_close(f);

    vocab_begin(&v, "llama");
    vocab_texts(&v, few, FEW);
    vocab_key_bool(&v, "tokenizer.ggml.add_bos_token", false);
    ck_assert(vocab_write(&v, made_path("v.gguf")));
    t = open_made(&f);
    ck_assert(!bb_tokenizer_adds_bos(t));
    /* no kinds: but </s> is a control token wherever it stands */
    expect(t, "</s>a", true, true, "2 3 4");
    bb_tokenizer_free(t);
    bb_file_close(f);
    made_end();
}
END_TEST

/* Opening fails with that status and a sentence that has `part` in it. */
static void refused(vocab_file *v, bb_status status, const char *part) {
    bb_tokenizer *t = NULL;
    bb_error err = {0};
    ck_assert(vocab_write(v, made_path("v.gguf")));
    bb_file *f = made_open("v.gguf");
    bb_status got = bb_tokenizer_open(f, &t, &err);
    ck_assert_msg(got == status && strstr(err.text, part), "status %d, '%s', expected '%s'", got, err.text, part);
    ck_assert_ptr_eq(t, NULL);
    bb_file_close(f);
}

START_TEST(broken_vocabularies) {
    vocab_file v;
    vocab_token bad[FEW];
    made_begin();
    vocab_begin(&v, "gpt2");
    refused(&v, BB_E_UNSUPPORTED, "'gpt2'");
    vocab_begin(&v, "none");
    refused(&v, BB_E_VALUE, "no vocabulary");
    vocab_begin(&v, "llama");
    refused(&v, BB_E_VALUE, "no vocabulary");
    vocab_begin(&v, "llama");
    vocab_texts(&v, few, 0);
    refused(&v, BB_E_INVALID, "no texts");
    vocab_begin(&v, "llama");
    vocab_key_array(&v, "tokenizer.ggml.tokens", BB_GGUF_U32, 1);
    vocab_u32(&v, 7);
    refused(&v, BB_E_INVALID, "no texts");
    vocab_begin(&v, "llama");
    vocab_texts(&v, few, FEW);
    vocab_scores(&v, few, FEW - 1);
    refused(&v, BB_E_INVALID, "11 values for 12 tokens");
    vocab_begin(&v, "llama");
    vocab_texts(&v, few, FEW);
    vocab_key_text(&v, "tokenizer.ggml.token_type", "x");
    refused(&v, BB_E_INVALID, "no array of i32");
    memcpy(bad, few, sizeof few);
    bad[7] = bad[4];
    vocab_begin(&v, "llama");
    vocab_texts(&v, bad, FEW);
    refused(&v, BB_E_INVALID, "tokens 4 and 7 have the same text");
    memcpy(bad, few, sizeof few);
    bad[5].score = NAN;
    vocab_begin(&v, "llama");
    vocab_texts(&v, bad, FEW);
    vocab_scores(&v, bad, FEW);
    refused(&v, BB_E_INVALID, "score of token 5 is NaN");
    made_end();
}
END_TEST

START_TEST(odd_vocabularies) {
    vocab_file v;
    vocab_token odd[FEW];
    bb_file *f;
    bb_error err = {0};
    int32_t *ids = NULL;
    size_t n;
    made_begin();
    memcpy(odd, few, sizeof few);
    odd[7].len = 0; /* an empty text stands for its number */
    odd[6].score = INFINITY;
    odd[8].score = -INFINITY;
    vocab_begin(&v, "llama");
    vocab_texts(&v, odd, FEW);
    vocab_scores(&v, odd, FEW);
    ck_assert(vocab_write(&v, made_path("v.gguf")));
    bb_tokenizer *t = open_made(&f);
    ck_assert_uint_eq(bb_tokenizer_size(t), FEW);
    expect(t, "aba", false, false, "3 8");
    /* nothing stands for the byte Z */
    ck_assert_int_eq(bb_tokenize(t, "aZ", 2, false, false, &ids, &n, &err), BB_E_INVALID);
    ck_assert_ptr_ne(strstr(err.text, "0x5A"), NULL);
    ck_assert_ptr_eq(ids, NULL);
    ck_assert_str_eq(bb_tokenizer_piece(t, FEW, &n), "");
    ck_assert_uint_eq(n, 0);
    bb_tokenizer_free(t);
    bb_file_close(f);
    made_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tokenizer");
    TCase *t = tcase_create("demo");
    tcase_add_checked_fixture(t, open_demo, close_demo);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, texts_of_libllama);
    tcase_add_test(t, a_whole_text);
    tcase_add_test(t, pieces_are_the_text);
    suite_add_tcase(s, t);
    t = tcase_create("made");
    tcase_add_test(t, rules_one_by_one);
    tcase_add_test(t, options_of_the_file);
    tcase_add_test(t, broken_vocabularies);
    tcase_add_test(t, odd_vocabularies);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
