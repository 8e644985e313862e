/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_json.c - exact integers, depth, names and words that JSON has not, in both readers and the writer. */
#include "base/json.h"
#include "harness.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bb_status parse(const char *text, bb_json **v, bb_error *err) {
    return bb_json_parse(text, strlen(text), "t.json", 1 << 20, false, false, v, err);
}

START_TEST(integers_are_exact) {
    static const struct {
        const char *text;
        uint64_t n;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"9007199254740993", 9007199254740993},
                {"9223372036854775807", INT64_MAX},
                {"9223372036854775808", (uint64_t)INT64_MAX + 1},
                {"9999999999999999999", 9999999999999999999u},
                {"18446744073709551615", UINT64_MAX},
                {"4096.0", 4096},
                {"4.096e3", 4096},
                {"9007199254740991.0", 9007199254740991}};
    static const char *const other[] = {"-1",   "1.5", "9007199254740992.0",      "1e300", "-0.5", "true", "\"12\"",
                                        "null", "[1]", "\"18446744073709551615\""};
    bb_json *v = NULL;
    bb_error err = {0};
    uint64_t n;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(parse(good[i].text, &v, &err) == BB_OK, "%s", err.text);
        ck_assert_msg(bb_json_u64(v, &n) && n == good[i].n, "%s", good[i].text);
        ck_assert(!bb_json_is_string(v) && !bb_json_text(v));
        bb_json_free(v);
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        ck_assert_msg(parse(other[i], &v, &err) == BB_OK, "%s", err.text);
        n = 5;
        ck_assert_msg(!bb_json_u64(v, &n) && n == 5, "%s", other[i]);
        bb_json_free(v);
    }
    /* in the tree, beside a string of the same digits, and out again */
    const char *text = "{\n  \"a\": [\n    18446744073709551615,\n    \"18446744073709551615\"\n  ],\n  \"b\": 1\n}\n";
    ck_assert_msg(parse(text, &v, &err) == BB_OK, "%s", err.text);
    double d;
    ck_assert(bb_json_f64(bb_json_at(bb_json_get(v, "a"), 0), &d) && d == 0x1p64);
    bb_str s;
    bb_str_init(&s);
    bb_json *copy = bb_json_new_object();
    ck_assert(bb_json_add_copy(copy, "a", bb_json_get(v, "a")) && bb_json_add_u64(copy, "b", 1));
    ck_assert_int_eq(bb_json_write(copy, &s), BB_OK);
    ck_assert_str_eq(bb_str_c(&s), text);
    bb_str_clear(&s);
    bb_json_free(copy);
    bb_json_free(v);
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *text, *said;
    } bad[] = {
        {"", "no value"},
        {" \n", "no value"},
        {"{\"a\":18446744073709551616}", "integer"},
        {"-9223372036854775809", "integer"},
        {"1e999", "overflow"},
        {"01", "line 1"},
        {"+1", "line 1"},
        {".5", "line 1"},
        {"0x10", "line 1"},
        {"NaN", "line 1"},
        {"nul", "line 1"},
        {"'a'", "line 1"},
        {"{a:1}", "line 1"},
        {"[1,]", "line 1"},
        {"[1 2]", "line 1"},
        {"{\"a\":1}\n{}", "line 2: text after"},
        {"[1}", "line 1"},
        {"\n\n[1", "line 3: a bracket does not close"},
        {"\n\"abc", "line 2: a string does not end"},
        {"[1,\n2,\nx]", "line 3"},
        {"{\"a\":1,\n\"a\":2}", "duplicate"},
        {"\"\xC3\x28\"", "line 1"},
        {"\"\\u0000\"", "NUL"},
        {"\"\\ud800\"", "line 1"},
        {"\"tab\there\"", "line 1"},
        {"/* c */ 1", "line 1"},
        {"\xEF\xBB\xBF{}", "byte order mark"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bb_json *v = NULL;
        bb_error err = {0};
        ck_assert_msg(parse(bad[i].text, &v, &err) == BB_E_INVALID && !v, "%s", bad[i].text);
        ck_assert_msg(strstr(err.text, bad[i].said) && strncmp(err.text, "t.json: ", 8) == 0, "%s: %s", bad[i].text,
                      err.text);
    }
    bb_json *v = NULL;
    bb_error err = {0};
    ck_assert_int_eq(bb_json_parse("[1]\0", 4, "t", 9, false, false, &v, &err), BB_E_INVALID);
    ck_assert_int_eq(bb_json_parse("[1,2]", 5, "t", 4, false, false, &v, &err), BB_E_LIMIT);
    ck_assert_int_eq(bb_json_parse("{", 1, "\033[31mx", 4, false, false, &v, &err), BB_E_INVALID);
    ck_assert(!strchr(err.text, '\033'));
}
END_TEST

START_TEST(words_of_python) {
    const char *text =
        "\xEF\xBB\xBF{\"a\":NaN,\"b\":[-Infinity,Infinity,\"NaN, \\\"Infinity\"],\"c\":12345678901234567890}";
    bb_json *v = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_json_parse(text, strlen(text), "t", 200, true, true, &v, &err) == BB_OK, "%s", err.text);
    const bb_json *b = bb_json_get(v, "b");
    uint64_t n;
    ck_assert(bb_json_is_null(bb_json_get(v, "a")) && bb_json_is_null(bb_json_at(b, 0)) &&
              bb_json_is_null(bb_json_at(b, 1)));
    ck_assert_str_eq(bb_json_text(bb_json_at(b, 2)), "NaN, \"Infinity");
    ck_assert(bb_json_u64(bb_json_get(v, "c"), &n) && n == 12345678901234567890u);
    bb_json_free(v);
    static const char *const bad[] = {"NaNa", "-NaN", "aNaN", "[1NaN]", "Inf", "--Infinity", "{NaN:1}", "nan"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(bb_json_parse(bad[i], strlen(bad[i]), "t", 200, true, true, &v, &err) == BB_E_INVALID, "%s",
                      bad[i]);
}
END_TEST

static bb_status count(void *ctx, const char *key, const bb_json *value, bb_error *err) {
    (void)key, (void)value, (void)err;
    ++*(size_t *)ctx;
    return BB_OK;
}

/* Both readers draw the line at the same level. */
START_TEST(depth) {
    for (size_t levels = BB_JSON_MAX_DEPTH - 1; levels <= BB_JSON_MAX_DEPTH + 1; levels++) {
        char text[200] = "{\"a\":";
        size_t n = strlen(text);
        memset(text + n, '[', levels - 1), n += levels - 1;
        memset(text + n, ']', levels - 1), n += levels - 1;
        text[n++] = '}';
        bb_json *v = NULL;
        bb_error err = {0};
        size_t entries = 0;
        bb_status want = levels <= BB_JSON_MAX_DEPTH ? BB_OK : BB_E_INVALID;
        ck_assert_int_eq(bb_json_parse(text, n, "t", 200, false, false, &v, &err), want);
        ck_assert_int_eq(bb_json_each(text, n, "t", 200, count, &entries, &err), want);
        if (want == BB_OK) bb_json_free(v);
    }
    /* a megabyte of brackets is no deeper search than 65 */
    static char text[1 << 20];
    memset(text, '[', sizeof text);
    bb_json *v = NULL;
    ck_assert_int_eq(bb_json_parse(text, sizeof text, "t", sizeof text, false, false, &v, NULL), BB_E_INVALID);
}
END_TEST

START_TEST(many_values) {
    enum { VALUES = (1 << 20) + 10 };
    static char text[3 * VALUES + 2];
    char *p = text;
    *p++ = '[';
    for (size_t i = 0; i < VALUES; i++) memcpy(p, i ? ",[]" : "[]", i ? 3 : 2), p += i ? 3 : 2;
    *p++ = ']';
    bb_json *v = NULL;
    ck_assert_int_eq(bb_json_parse(text, (size_t)(p - text), "t", sizeof text, false, false, &v, NULL), BB_E_LIMIT);
}
END_TEST

static bb_status stop_at_b(void *ctx, const char *key, const bb_json *value, bb_error *err) {
    (void)value;
    ++*(size_t *)ctx;
    return *key == 'b' ? bb_fail(err, BB_E_UNSUPPORTED, "enough") : BB_OK;
}

START_TEST(entry_by_entry) {
    bb_error err = {0};
    size_t n = 0;
    const char *text = "{\"a\":1,\"b\":2,\"c\":3}";
    ck_assert_int_eq(bb_json_each(text, strlen(text), "t", 100, stop_at_b, &n, &err), BB_E_UNSUPPORTED);
    ck_assert(n == 2 && strcmp(err.text, "enough") == 0);
    static const char *const good[] = {"{}", " { } ", "{\"\":1}", "{\"a\\\"}\":\"]\\\\\"}",
                                       "{\"n\":18446744073709551615}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(bb_json_each(good[i], strlen(good[i]), "t", 100, count, &n, &err) == BB_OK, "%s: %s", good[i],
                      err.text);
    static const char *const bad[] = {"",
                                      "[]",
                                      "{",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{,}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\":1}x",
                                      "{\"a\":1}}",
                                      "{\"a\":1]",
                                      "{\"a\":[1}",
                                      "{1:2}",
                                      "{\"a\":1,\"\\u0061\":2}",
                                      "{\"a\":NaN}",
                                      "{\"a\\u0000\":1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(bb_json_each(bad[i], strlen(bad[i]), "t", 100, count, &n, &err) == BB_E_INVALID, "%s", bad[i]);
}
END_TEST

/* 100 thousand names in 10 MB: each is found to be new without looking at all the others. A quadratic search would take
 * minutes; the limit of processor time leaves room for sanitizers. */
START_TEST(long_headers) {
    enum { ENTRIES = 100000, BYTES = 110 };
    char *text = malloc((size_t)ENTRIES * BYTES + 8);
    ck_assert_ptr_nonnull(text);
    size_t at = 0;
    text[at++] = '{';
    for (int i = 0; i < ENTRIES; i++)
        at += (size_t)snprintf(text + at, BYTES,
                               "%s\"model.layers.%07d.mlp.weight\":{\"dtype\":\"BF16\",\"shape\":[4096,4096],"
                               "\"data_offsets\":[%d,%d]}",
                               i ? "," : "", i, i, i + 1);
    text[at++] = '}';
    size_t n = 0;
    clock_t start = clock();
    ck_assert_int_eq(bb_json_each(text, at, "t", at, count, &n, NULL), BB_OK);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    ck_assert_uint_eq(n, ENTRIES);
    ck_assert_msg(seconds < 10, "%g s", seconds);
    bb_json *v = NULL;
    ck_assert_int_eq(bb_json_parse(text, at, "t", at, false, false, &v, NULL), BB_OK);
    size_t members = 0;
    for (bb_json_iter it = bb_json_first(v); it.key; it = bb_json_next(v, it)) members++;
    ck_assert_uint_eq(members, ENTRIES);
    bb_json_free(v);
    free(text);
}
END_TEST

START_TEST(written) {
    bb_json *root = bb_json_new_object();
    bb_json *list = bb_json_add_array(root, "list");
    ck_assert(bb_json_add_f64(list, NULL, 0.1) && bb_json_add_f64(list, NULL, 100) &&
              bb_json_add_f64(list, NULL, 1e300));
    ck_assert(bb_json_add_text(list, NULL, "\x01q\"\\\xC3\xA9") && bb_json_add_null(list, NULL));
    ck_assert(bb_json_add_bool(root, "yes", true) && bb_json_add_object(root, "empty") &&
              bb_json_add_u64(root, "\xFF", 3));
    bb_str s;
    bb_str_init(&s);
    ck_assert_int_eq(bb_json_write(root, &s), BB_OK);
    ck_assert_str_eq(bb_str_c(&s),
                     "{\n  \"list\": [\n    0.10000000000000001,\n    100.0,\n    1.0000000000000001e+300,\n"
                     "    \"\\u0001q\\\"\\\\\xC3\xA9\",\n    null\n  ],\n  \"yes\": true,\n  \"empty\": {},\n"
                     "  \"\\\\xFF\": 3\n}\n");
    bb_str_clear(&s);
    ck_assert(!bb_json_add_text(NULL, "a", "b") && !bb_json_add_object(NULL, "a"));
    ck_assert_int_eq(bb_json_write(NULL, &s), BB_E_NOMEM);
    /* a child that cannot be made is not passed over in silence */
    ck_assert(bb_json_is_whole(root) && !bb_json_add_copy(list, NULL, NULL));
    ck_assert(!bb_json_is_whole(root));
    ck_assert_int_eq(bb_json_write(root, &s), BB_E_NOMEM);
    ck_assert_uint_eq(s.len, 0);
    bb_json_free(root);
}
END_TEST

static size_t left; /* allocations of jansson until one fails, once */
static void *failing_malloc(size_t n) { return left && --left == 0 ? NULL : malloc(n); }

/* Wherever memory ends, the answer is that or the whole value: no shorter name, no invalid token. */
START_TEST(out_of_memory) {
    static const char text[] =
        "{\"architectures\": [\"LlamaForCausalLM with a long name\"], \"a\": 0.12345678901234567890,"
        " \"key that is longer than the buffer\": [true, {\"b\": 12345678901234567}]}";
    bb_json *whole = NULL, *v = NULL;
    bb_str want = {0};
    bb_error err = {0};
    ck_assert_int_eq(parse(text, &whole, &err), BB_OK);
    ck_assert_int_eq(bb_json_write(whole, &want), BB_OK);
    size_t ended = 0, n = 1;
    json_set_alloc_funcs(failing_malloc, free);
    for (;; n++) {
        left = n;
        bb_status status = parse(text, &v, &err);
        if (left) break; /* none failed */
        ended += status != BB_OK;
        if (status == BB_OK) {
            bb_str got = {0};
            ck_assert_int_eq(bb_json_write(v, &got), BB_OK);
            ck_assert_str_eq(bb_str_c(&got), bb_str_c(&want));
            bb_str_clear(&got);
            bb_json_free(v);
        } else
            ck_assert_msg(status == BB_E_NOMEM, "%zu: %s", n, err.text);
    }
    json_set_alloc_funcs(malloc, free);
    ck_assert(n > 40 && ended > 0);
    bb_json_free(v);
    bb_json_free(whole);
    bb_str_clear(&want);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("json");
    TCase *t = tcase_create("json");
    tcase_add_test(t, integers_are_exact);
    tcase_add_test(t, refused);
    tcase_add_test(t, words_of_python);
    tcase_add_test(t, depth);
    tcase_add_test(t, many_values);
    tcase_add_test(t, entry_by_entry);
    tcase_add_test(t, long_headers);
    tcase_add_test(t, written);
    tcase_add_test(t, out_of_memory);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
