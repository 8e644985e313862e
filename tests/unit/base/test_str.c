/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_str.c - numbers as text and back in any locale, sentences, safe text, near names, random numbers. */
#include "base/escape.h"
#include "base/random.h"
#include "base/str.h"
#include "harness.h"
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

/* Texts by Python 3.11's repr (David Gay's shortest form), ".0" taken off. Powers of two are where the nearest decimal
 * of a length can miss and its neighbour hit. */
static const struct {
    double v;
    const char *text;
} shortest[] = {{0x1p-44, "5.684341886080802e-14"},
                {0x1p-1074, "5e-324"},
                {0x1p-1022, "2.2250738585072014e-308"},
                {0x1.fffffffffffffp+1023, "1.7976931348623157e+308"},
                {0x1p+53, "9007199254740992"},
                {0x1p-24, "5.960464477539063e-08"},
                {0x1p-14, "6.103515625e-05"},
                {0x1p+70, "1.1805916207174113e+21"},
                {0x1p-30, "9.313225746154785e-10"},
                {0x1p+100, "1.2676506002282294e+30"},
                {0x1p-1021, "4.450147717014403e-308"},
                {0x1.5555555555555p-2, "0.3333333333333333"},
                {0x1.999999999999ap-4, "0.1"},
                {0x1p+60, "1.152921504606847e+18"},
                {0x1.ffcp+15, "65504"},
                {0x1.5798ee2308c3ap-27, "1e-08"},
                {0x1.3333333333334p+0, "1.2000000000000002"},
                {0x0.0000000000003p-1022, "1.5e-323"},
                {0x1.2345678p-1050, "9.4310926e-317"},
                {0x1.8e757928e0c9ep+49, "876220343501203.8"},
                {0x1.1c37937e08p+53, "1e+16"},
                {0x1.1c37937e07fffp+53, "9999999999999998"},
                {-0x1.a36e2eb1c432dp-14, "-0.0001"},
                {0x1.a36e2eb1c432cp-14, "9.999999999999999e-05"},
                {0x1p+1000, "1.0715086071862673e+301"},
                {0x1p-136, "1.1479437019748901e-41"},
                {0x1.92p+1, "3.140625"},
                {0x1.86ap+16, "100000"},
                {0x1.e240cp+16, "123456.75"},
                {0.0, "0"},
                {-0.0, "-0"}};

static void check_shortest(void) {
    char buf[32];
    double back;
    for (size_t i = 0; i < sizeof shortest / sizeof *shortest; i++) {
        ck_assert_str_eq(bb_f64_shortest(shortest[i].v, buf), shortest[i].text);
        ck_assert(bb_parse_f64(buf, &back) && back == shortest[i].v && signbit(back) == signbit(shortest[i].v));
    }
}

START_TEST(whole_numbers) {
    static const uint64_t v[] = {0, 9, 10, 18446744073709551614u, UINT64_MAX};
    char want[32], got[21];
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        snprintf(want, sizeof want, "%" PRIu64, v[i]);
        ck_assert_str_eq(bb_u64_text(v[i], got), want);
    }
}
END_TEST

START_TEST(shortest_text) {
    char buf[32];
    check_shortest();
    ck_assert_str_eq(bb_f64_shortest((double)NAN, buf), "nan");
    ck_assert_str_eq(bb_f64_shortest(-(double)INFINITY, buf), "-inf");
    /* whatever the bits: it reads back, and so do 17 digits; no text of fewer digits does */
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t bits = bb_random_u64(7, i);
        double v, back;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v)) continue;
        ck_assert_msg(bb_parse_f64(bb_f64_shortest(v, buf), &back) && back == v, "%a: %s", v, buf);
        size_t digits = 0, zeros = 0; /* zeros at the end count only when another digit follows */
        for (const char *p = buf + strspn(buf, "-0."); *p && *p != 'e'; p++) {
            if (*p == '.') continue;
            zeros = *p == '0' ? zeros + 1 : 0;
            digits++;
        }
        digits -= zeros;
        if (digits > 1) {
            snprintf(buf, sizeof buf, "%.*e", (int)digits - 2, v);
            ck_assert_msg(strtod(buf, NULL) != v, "%a has %s", v, buf);
        }
        ck_assert(bb_parse_f64(bb_f64_17(v, buf), &back) && back == v);
    }
}
END_TEST

START_TEST(plain_numbers_only) {
    static const char *const bad[] = {"",    " 1", "1 ",  "0x10", "inf",   "nan",   "1,5", ".",  "e5",
                                      "1e+", "+",  "1.e", "1_0",  "1e999", "1.2.3", "--1", "1f", "infinity"};
    double v = 42;
    uint64_t n = 42;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!bb_parse_f64(bad[i], &v), "'%s' was taken", bad[i]);
        ck_assert(!bb_parse_u64(bad[i], &n));
    }
    ck_assert(v == 42 && n == 42);
    ck_assert(bb_parse_f64("+.5e1", &v) && v == 5);
    /* longer than any buffer of ours: 1 and 600 zeros behind the point */
    char text[700] = "1.";
    memset(text + 2, '0', 600);
    memcpy(text + 602, "1e0", 4);
    ck_assert(bb_parse_f64(text, &v) && v == 1);
    ck_assert(bb_parse_u64("18446744073709551615", &n) && n == UINT64_MAX);
    ck_assert(!bb_parse_u64("18446744073709551616", &n) && !bb_parse_u64("-1", &n) && !bb_parse_u64("+1", &n));
}
END_TEST

/* A program that links us may have called setlocale: numbers must not notice. */
START_TEST(comma_locale) {
    char folder[] = "/tmp/bb-locale-XXXXXX", command[256];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(command, sizeof command, "localedef -c -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
    bool made = system(command) == 0;
    setenv("LOCPATH", folder, 1);
    bool set = made && setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    if (!set) {
        fprintf(stderr, "# skipped: this system cannot make a de_DE locale (package locales)\n");
        return;
    }
    char buf[32];
    snprintf(buf, sizeof buf, "%.1f", 0.5);
    ck_assert_str_eq(buf, "0,5"); /* the locale is really on */
    check_shortest();
    ck_assert_str_eq(bb_f64_17(0.5, buf), "0.5");
    bb_str s;
    bb_str_init(&s);
    bb_str_addf(&s, "%.2f", 1.25);
    ck_assert_str_eq(bb_str_c(&s), "1.25");
    bb_str_clear(&s);
    bb_error err = {0};
    bb_fail_text(&err, BB_E_VALUE, "%g", 2.5);
    ck_assert_str_eq(err.text, "2.5");
    snprintf(buf, sizeof buf, "%.1f", 0.5);
    ck_assert_str_eq(buf, "0,5"); /* and the caller still has it */
}
END_TEST

START_TEST(sentences) {
    bb_error err = {0};
    ck_assert_int_eq(bb_fail(&err, BB_E_READ, "inner"), BB_E_READ);
    ck_assert_int_eq(bb_fail(&err, BB_E_INVALID, "outer: %s", err.text), BB_E_INVALID); /* quoting itself */
    ck_assert_str_eq(err.text, "outer: inner");
    ck_assert_int_eq(err.status, BB_E_INVALID);
    bb_hint(&err, "hint about %s", err.text);
    ck_assert_str_eq(err.hint, "hint about outer: inner");
    char text[1200];
    for (size_t shift = 0; shift < 4; shift++) { /* 4-byte characters, cut at each of their bytes */
        memset(text, 'a', sizeof text);
        for (size_t i = shift; i + 4 < sizeof text; i += 4) memcpy(text + i, "\xF0\x9F\x98\x80", 4);
        text[1000 + shift] = 0;
        bb_fail_text(&err, BB_E_READ, "%s", text);
        ck_assert(strlen(err.text) > sizeof err.text - 5 && bb_utf8_valid(err.text, strlen(err.text)));
    }
    ck_assert_int_eq(bb_fail(NULL, BB_E_READ, "nobody listens"), BB_E_READ);
}
END_TEST

START_TEST(utf8) {
    /* the edges of RFC 3629, section 4 */
    static const char *const good[] = {"\x7F",         "\xC2\x80",         "\xDF\xBF",
                                       "\xE0\xA0\x80", "\xED\x9F\xBF",     "\xEE\x80\x80",
                                       "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xC2",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFF",
                                      "\xE2\x82",
                                      "\xC2\x20"};
    uint32_t c;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_uint_eq(bb_utf8_decode(good[i], strlen(good[i]), &c), strlen(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) ck_assert(!bb_utf8_valid(bad[i], strlen(bad[i])));
    ck_assert(bb_utf8_decode("\xF4\x8F\xBF\xBF", 4, &c) == 4 && c == 0x10FFFF);
}
END_TEST

START_TEST(escaped_text_is_safe) {
    static const struct {
        const char *in, *out;
    } cases[] = {{"a\033[2Jb", "a\\x1B[2Jb"},
                 {"\x7F\xC2\x9B", "\\x7F\\x9B"},
                 {"\xE2\x80\xAE\xE2\x81\xA6\xD8\x9C", "\\u{202E}\\u{2066}\\u{061C}"},
                 {"\xE2\x80\xA8\xEF\xBB\xBF", "\\u{2028}\\u{FEFF}"},
                 {"\xC3\x28", "\\xC3("},
                 {"back\\slash \xC3\xA9\xE4\xB8\xAD", "back\\slash \xC3\xA9\xE4\xB8\xAD"}};
    char buf[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_str_eq(bb_escape_buf(cases[i].in, buf, sizeof buf), cases[i].out);
        bb_str s;
        bb_str_init(&s);
        bb_escape(&s, cases[i].in, strlen(cases[i].in), 0);
        ck_assert_str_eq(bb_str_c(&s), cases[i].out);
        bb_str_clear(&s);
    }
    /* any bytes into any size: terminated, valid, without controls, never half an escape before the dots */
    for (size_t size = 1; size < 40; size++) {
        char text[49];
        for (uint64_t i = 0; i < 48; i++) text[i] = (char)(bb_random_u64(size, i) | 1);
        text[48] = 0;
        memset(buf, 'X', sizeof buf);
        bb_escape_buf(text, buf, size);
        size_t n = strlen(buf);
        ck_assert(n < size && bb_utf8_valid(buf, n) && buf[size] == 'X');
        for (size_t i = 0; i < n; i++) ck_assert((unsigned char)buf[i] >= 0x20 && buf[i] != 0x7F);
        if (size > 8) ck_assert_str_eq(buf + n - 3, "...");
    }
    ck_assert_str_eq(bb_escape_buf("exactly", buf, 8), "exactly");
    ck_assert_str_eq(bb_escape_buf("exactly", buf, 7), "exa...");
}
END_TEST

static const char *const names[] = {"llama-3.1-8b", "llama-3.1-70b", "mistral-7b", "q4_K_M",
                                    "RTX 4090",     "rtx 4090",      NULL};
static const char *nth(const void *ctx, size_t i) {
    (void)ctx;
    return names[i];
}

START_TEST(parts_of_names) {
    ck_assert(bb_name_contains("RTX 4090", "4090") && bb_name_contains("RTX 4090", "rtx-40"));
    ck_assert(bb_name_contains("abc", "") && bb_name_contains("", "") && bb_name_contains("aab", "AB"));
    ck_assert(!bb_name_contains("", "a") && !bb_name_contains("RTX 4090", "4090 ") && !bb_name_contains("ab", "abc"));
}
END_TEST

START_TEST(near_names) {
    char out[200];
    bb_nearest("lama-3.1-8b", nth, NULL, out, sizeof out);
    ck_assert_msg(strncmp(out, "llama-3.1-8b", 12) == 0, "%s", out);
    bb_nearest("q4_k_n", nth, NULL, out, sizeof out);
    ck_assert_str_eq(out, "q4_K_M");
    bb_nearest("4q_k_m", nth, NULL, out, sizeof out); /* two letters swapped are one mistake */
    ck_assert_str_eq(out, "q4_K_M");
    bb_nearest("rtx4090", nth, NULL, out, sizeof out); /* a name that is there twice is offered once */
    ck_assert_str_eq(out, "RTX 4090");
    bb_nearest("mistralai/mistral-7b-instruct", nth, NULL, out, sizeof out);
    ck_assert_str_eq(out, "mistral-7b");
    bb_nearest("zzzzzz", nth, NULL, out, sizeof out);
    ck_assert_str_eq(out, "");
    bb_nearest("", nth, NULL, out, sizeof out);
    ck_assert_str_eq(out, "");
    static char long_name[2000001];
    memset(long_name, 'l', sizeof long_name - 1);
    bb_nearest(long_name, nth, NULL, out, sizeof out);
    ck_assert_str_eq(out, "");
    ck_assert(bb_name_eq("Q4_k", "q4_K") && !bb_name_eq("q4_k", "q4-k") && bb_name_like("RTX 4090", "rtx-4090"));
    ck_assert(!bb_name_eq("ab", "abc") && !bb_name_eq("", "a"));
}
END_TEST

/* Random123's kat_vectors, lines "philox4x32 10" (Salmon et al., SC 2011). */
START_TEST(philox_known_answers) {
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        bb_philox(known[i].counter, known[i].key, out);
        ck_assert_mem_eq(out, known[i].out, sizeof out);
    }
    double sum = 0;
    enum { N = 100000 };
    for (uint64_t i = 0; i < N; i++) {
        double u = bb_random_unit(1, i);
        ck_assert(u > 0 && u < 1);
        sum += u;
    }
    ck_assert(fabs(sum / N - 0.5) < 5 / sqrt(12.0 * N)); /* five standard deviations of the mean */
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("str");
    TCase *t = tcase_create("str");
    tcase_add_test(t, shortest_text);
    tcase_add_test(t, whole_numbers);
    tcase_add_test(t, plain_numbers_only);
    tcase_add_test(t, comma_locale);
    tcase_add_test(t, sentences);
    tcase_add_test(t, utf8);
    tcase_add_test(t, escaped_text_is_safe);
    tcase_add_test(t, parts_of_names);
    tcase_add_test(t, near_names);
    tcase_add_test(t, philox_known_answers);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
