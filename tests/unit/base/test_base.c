/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_base.c - text, units, CSV, JSON, files: what is read exactly and what is refused with which words. */
#include "base/csv.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/sink.h"
#include "base/source.h"
#include "base/units.h"
#include "harness.h"
#include <locale.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

START_TEST(counts_and_bytes) {
    static const struct {
        const char *text;
        uint64_t n;
    } counts[] = {{"7b", 7000000000u},
                  {"1.5e9", 1500000000u},
                  {"8030261248", 8030261248u},
                  {"0.5B", 500000000u},
                  {"350M", 350000000u},
                  {"1.333333333b", 1333333333u},
                  {"1e0", 1},
                  {"18446744073709551615", UINT64_MAX}},
      sizes[] = {{"24GiB", 24ull << 30}, {"24 GB", 24000000000u}, {"1.5gb", 1500000000u},
                 {"812B", 812},          {"0.5KiB", 512},         {"16EB", 0}};
    static const char *const bad[] = {"7x", "",    "-3",  "b",    "1..2b", "7bb", "1e",
                                      "0",  " 7b", "7 b", "0x10", "inf",   "1e30"};
    uint64_t v;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        ck_assert_msg(bb_parse_count(counts[i].text, &v, NULL) == BB_OK, "%s", counts[i].text);
        ck_assert_uint_eq(v, counts[i].n);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(bb_parse_count(bad[i], &v, NULL) != BB_OK, "'%s' was taken", bad[i]);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_msg(bb_parse_bytes(sizes[i].text, &v, NULL) == BB_OK, "%s", sizes[i].text);
        ck_assert_uint_eq(v, sizes[i].n);
    }
    ck_assert_int_ne(bb_parse_bytes("24", &v, NULL), BB_OK);
    ck_assert_int_ne(bb_parse_bytes("99999999PB", &v, NULL), BB_OK);
    ck_assert(bb_looks_like_count("7x") && bb_looks_like_count("1.5e9") && !bb_looks_like_count("llama") &&
              !bb_looks_like_count("7b-chat"));
}
END_TEST

START_TEST(numbers_as_text) {
    static const double values[] = {3.140625, 1e-8,          65504,  0.1, 1e16, 5e-324, 1.7976931348623157e308,
                                    -2.5,     123456789.125, 1.0 / 3};
    char buf[32];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        double back;
        ck_assert_msg(bb_parse_f64(bb_f64_shortest(values[i], buf), &back) && back == values[i], "%s", buf);
        ck_assert(bb_parse_f64(bb_f64_17(values[i], buf), &back) && back == values[i]);
    }
    ck_assert_str_eq(bb_f64_shortest(3.140625, buf), "3.140625");
    ck_assert_str_eq(bb_f64_shortest(65504, buf), "65504");
    ck_assert_str_eq(bb_bytes_text(4912898304u, false, buf), "4.58 GiB");
    ck_assert_str_eq(bb_bytes_text(1073741823, false, buf), "1.00 GiB");
    ck_assert_str_eq(bb_bytes_text(812, false, buf), "812 B");
    ck_assert_str_eq(bb_bytes_text(24000000000u, true, buf), "24.00 GB");
    ck_assert_str_eq(bb_bytes_text(UINT64_MAX, false, buf), "16.00 EiB");
    ck_assert_str_eq(bb_gib_text(1610612736, false, 3, buf), "1.500");
    ck_assert_str_eq(bb_count_text(8030261248u, buf), "8.03 B");
}
END_TEST

START_TEST(csv_in) {
    bb_csv *c;
    bb_error err = {0};
    const char *good = "\xEF\xBB\xBF# about\nname,n\r\n\"a \"\"q\"\", b\",1.5\n\nc,\n";
    ck_assert_msg(bb_csv_parse(good, strlen(good), "t", NULL, &c, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(bb_csv_rows(c), 2);
    ck_assert_str_eq(bb_csv_cell(c, 0, 0), "a \"q\", b");
    double v = 0;
    bool empty;
    ck_assert_int_eq(bb_csv_get_f64(c, 0, 1, &v, &empty, NULL), BB_OK);
    ck_assert(v == 1.5 && !empty);
    ck_assert_int_eq(bb_csv_get_f64(c, 1, 1, &v, &empty, NULL), BB_OK);
    ck_assert(empty);
    bb_csv_free(c);
    static const struct {
        const char *text, *part;
    } bad[] = {{"a,b\n\"x,1\n", "quote"}, {"a,b\nx\n", "fields"}, {"a,A\n1,2\n", "twice"},  {"a,\n1,2\n", "no name"},
               {"", "no header"},         {"a\n\xFF\n", "UTF-8"}, {"a\n\"x\"y\n", "line 2"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(bb_csv_parse(bad[i].text, strlen(bad[i].text), "t", NULL, &c, &err) != BB_OK,
                      "case %zu was taken", i);
        ck_assert_msg(strstr(err.text, bad[i].part) != NULL, "'%s' lacks '%s'", err.text, bad[i].part);
    }
    ck_assert_int_ne(bb_csv_parse("a\nx\0y\n", 6, "t", NULL, &c, &err), BB_OK);
    const char *hex = "n\n0x10\n";
    ck_assert_int_eq(bb_csv_parse(hex, strlen(hex), "t", NULL, &c, &err), BB_OK);
    ck_assert_int_eq(bb_csv_get_f64(c, 0, 0, &v, &empty, &err), BB_E_VALUE);
    bb_csv_free(c);
}
END_TEST

START_TEST(csv_out) {
    static const char *const cells[][2] = {
        {"plain", "plain"},    {"a,b", "\"a,b\""}, {"say \"x\"", "\"say \"\"x\"\"\""},
        {"=1+2", "'=1+2"},     {"-5", "-5"},       {"@x", "'@x"},
        {"-x,y", "\"'-x,y\""}, {"", ""},           {" x", "\" x\""}};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        bb_str s;
        bb_str_init(&s);
        bb_csv_text(&s, cells[i][0]);
        ck_assert_str_eq(bb_str_c(&s), cells[i][1]);
        bb_str_clear(&s);
    }
}
END_TEST

static bb_status count_entry(void *ctx, const char *key, const bb_json *v, bb_error *err) {
    (void)key;
    (void)v;
    (void)err;
    ++*(int *)ctx;
    return BB_OK;
}

START_TEST(json_in_and_out) {
    bb_json *v = NULL;
    bb_error err = {0};
    const char *text = "{\"a\":4096.0,\"b\":[1,NaN,\"NaN\"],\"big\":9223372036854775807,\"neg\":-1}";
    ck_assert_msg(bb_json_parse(text, strlen(text), "t", 1000, false, true, &v, &err) == BB_OK, "%s", err.text);
    uint64_t n = 0;
    ck_assert(bb_json_u64(bb_json_get(v, "a"), &n) && n == 4096);
    ck_assert(!bb_json_is_integer(bb_json_get(v, "a")));
    ck_assert(bb_json_u64(bb_json_get(v, "big"), &n) && n == INT64_MAX);
    ck_assert(!bb_json_u64(bb_json_get(v, "neg"), &n));
    ck_assert(bb_json_is_null(bb_json_at(bb_json_get(v, "b"), 1)));
    ck_assert_str_eq(bb_json_text(bb_json_at(bb_json_get(v, "b"), 2)), "NaN");
    ck_assert(bb_json_add_u64(v, "all", UINT64_MAX) && bb_json_add_f64(v, "third", 1.0 / 3) &&
              bb_json_add_text(v, "t", "\x01\xFF"));
    bb_str s;
    bb_str_init(&s);
    ck_assert_int_eq(bb_json_write(v, &s), BB_OK);
    ck_assert(strstr(bb_str_c(&s), "\"all\": 18446744073709551615") && strstr(bb_str_c(&s), "0.33333333333333331"));
    ck_assert(strstr(bb_str_c(&s), "\\\\x01\\\\xFF"));
    bb_str_clear(&s);
    bb_json_free(v);
    static const char *const bad[] = {"{\"a\":1,\"a\":2}", "{",           "[1,]", "{\"a\":1}x",   "\xEF\xBB\xBF{}",
                                      "{\"a\":NaN}",       "\"\\u0000\"", "",     "{\"a\":1e999}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(bb_json_parse(bad[i], strlen(bad[i]), "t", 1000, false, false, &v, &err) != BB_OK,
                      "'%s' was taken", bad[i]);
    char deep[300];
    memset(deep, '[', 150);
    memset(deep + 150, ']', 150);
    ck_assert_int_eq(bb_json_parse(deep, 300, "t", 1000, false, false, &v, &err), BB_E_INVALID);
    ck_assert(strstr(err.text, "64") != NULL);
    int entries = 0;
    const char *object = " {\"a\":{\"x\":[1,\"}\"]}, \"b\" : 2 } ";
    ck_assert_int_eq(bb_json_each(object, strlen(object), "t", 1000, count_entry, &entries, &err), BB_OK);
    ck_assert_int_eq(entries, 2);
    const char *twice = "{\"a\":1,\"\\u0061\":2}"; /* the same name in two spellings */
    ck_assert_int_eq(bb_json_each(twice, strlen(twice), "t", 1000, count_entry, &entries, &err), BB_E_INVALID);
}
END_TEST

START_TEST(escaping) {
    static const char *const cases[][2] = {
        {"plain \xC3\xA9", "plain \xC3\xA9"}, {"a\x1b[2Jb", "a\\x1B[2Jb"}, {"\xC0\xAF", "\\xC0\\xAF"},
        {"x\xE2\x80\xAEy", "x\\u{202E}y"},    {"\xC2\x9B", "\\x9B"},       {"tab\there", "tab\\x09here"}};
    char buf[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(bb_escape_buf(cases[i][0], buf, sizeof buf), cases[i][1]);
    char exact[10];
    ck_assert_str_eq(bb_escape_buf("llama.cpp", exact, sizeof exact), "llama.cpp"); /* fits to the last byte */
    ck_assert_str_eq(bb_escape_buf("llama.cpp!", exact, sizeof exact), "llama....");
}
END_TEST

static const char *names(const void *ctx, size_t i) {
    static const char *const list[] = {"RTX 4090", "RTX 4080", "A100 80GB", "llama-3.1-8b", NULL};
    (void)ctx;
    return i < 4 ? list[i] : NULL;
}

START_TEST(nearest_names) {
    char out[128];
    bb_nearest("RTX4090", names, NULL, out, sizeof out);
    ck_assert(strncmp(out, "RTX 4090", 8) == 0);
    bb_nearest("lama-3.1-8b", names, NULL, out, sizeof out);
    ck_assert_str_eq(out, "llama-3.1-8b");
    bb_nearest("zzzzzzzzzz", names, NULL, out, sizeof out);
    ck_assert_str_eq(out, "");
    ck_assert(bb_name_like("Llama_3.1_8B", "llama-3-1-8b") && !bb_name_like("llama", "llama-3"));
}
END_TEST

/* Known answers of the Random123 distribution (kat_vectors, philox4x32 10): the low two words. */
START_TEST(philox) { ck_assert_uint_eq(bb_random_u64(0, 0), 0xe169c58d6627e8d5u); }
END_TEST

static void add_one(void *ctx, size_t i) { ((int *)ctx)[i]++; }

START_TEST(pool_runs_each_item_once) {
    static int hits[1000];
    bb_pool *p = NULL;
    ck_assert_int_eq(bb_pool_new(4, &p), BB_OK);
    for (int round = 0; round < 50; round++) bb_pool_run(p, 1000, add_one, hits);
    bb_pool_run(p, 0, add_one, hits);
    bb_pool_free(p);
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(hits[i], 50);
}
END_TEST

static size_t files_in(const char *dir) {
    char command[128];
    size_t n = 0;
    snprintf(command, sizeof command, "ls -A %s | wc -l", dir);
    FILE *f = popen(command, "r");
    ck_assert_int_eq(fscanf(f, "%zu", &n), 1);
    pclose(f);
    return n;
}

START_TEST(output_is_absent_old_or_complete) {
    char dir[] = "/tmp/bb-sink-XXXXXX", path[64], *text = NULL;
    size_t n = 0;
    bb_sink *s = NULL;
    bb_error err = {0};
    ck_assert_ptr_ne(mkdtemp(dir), NULL);
    snprintf(path, sizeof path, "%s/out", dir);
    ck_assert_int_eq(bb_sink_open(path, 0, false, &s, &err), BB_OK);
    ck_assert_int_eq(bb_sink_write(s, 0, "first", 5, &err), BB_OK);
    ck_assert_int_ne(access(path, F_OK), 0); /* not there before the commit */
    ck_assert_int_eq(bb_sink_commit(s, &err), BB_OK);
    ck_assert_int_eq(bb_sink_open(path, 0, false, &s, &err), BB_E_EXISTS);
    ck_assert_int_eq(bb_sink_open(path, 0, true, &s, &err), BB_OK);
    ck_assert_int_eq(bb_sink_write(s, 0, "second", 6, &err), BB_OK);
    bb_sink_abandon(s);
    ck_assert_int_eq(bb_source_slurp(path, 100, &text, &n, &err), BB_OK);
    ck_assert_str_eq(text, "first");
    free(text);
    ck_assert_uint_eq(files_in(dir), 1); /* no temporary is left */
    ck_assert_int_eq(bb_sink_open(dir, 0, true, &s, &err), BB_E_WRITE);
    ck_assert_int_eq(bb_sink_open("/tmp/bb-none/out", 0, true, &s, &err), BB_E_WRITE);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(statuses) {
    /* pinned: 0 to 15, each with a text and an exit status of the contract */
    for (int i = 0; i <= 15; i++) {
        int e = bb_status_exit((bb_status)i);
        ck_assert(strcmp(bb_status_text((bb_status)i), "unknown status") != 0);
        ck_assert(e == 0 || (e >= 2 && e <= 6) || e == 70);
    }
    ck_assert_int_eq(BB_E_BUG, 15);
    ck_assert_int_eq(bb_status_exit(BB_E_UNSUPPORTED), 4);
    bb_error err;
    char longer[700];
    memset(longer, 'x', sizeof longer);
    longer[510] = '\xC3';
    longer[511] = '\xA9';
    longer[699] = 0;
    bb_fail(&err, BB_E_READ, "%s", longer);
    ck_assert_uint_eq(strlen(err.text), 510); /* the letter that did not fit is not cut in half */
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base");
    TCase *t = tcase_create("base");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, counts_and_bytes);
    tcase_add_test(t, numbers_as_text);
    tcase_add_test(t, csv_in);
    tcase_add_test(t, csv_out);
    tcase_add_test(t, json_in_and_out);
    tcase_add_test(t, escaping);
    tcase_add_test(t, nearest_names);
    tcase_add_test(t, philox);
    tcase_add_test(t, pool_runs_each_item_once);
    tcase_add_test(t, output_is_absent_old_or_complete);
    tcase_add_test(t, statuses);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
