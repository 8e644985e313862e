/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_units.c - sizes, counts and tokens: exact in, three to five digits out, and what is refused. */
#include "base/units.h"
#include "harness.h"
#include <string.h>

typedef bb_status (*reader)(const char *text, uint64_t *n, bb_error *err);
typedef struct reading {
    const char *text;
    uint64_t n;
} reading;

static void check(reader read, const reading *good, size_t n_good) {
    for (size_t i = 0; i < n_good; i++) {
        uint64_t v = 0;
        bb_error err = {0};
        ck_assert_msg(read(good[i].text, &v, &err) == BB_OK, "%s", err.text);
        ck_assert_msg(v == good[i].n, "%s is %llu", good[i].text, (unsigned long long)v);
    }
}

static void refuse(reader read, bb_status status, const char *const *bad, size_t n_bad) {
    for (size_t i = 0; i < n_bad; i++) {
        uint64_t v = 77;
        bb_error err = {0};
        ck_assert_msg(read(bad[i], &v, &err) == status, "'%s': %s", bad[i], err.text);
        ck_assert(v == 77 && *err.text);
    }
}
#define COUNT(a) (sizeof(a) / sizeof *(a))

START_TEST(counts) {
    static const reading good[] = {
        {"7b", 7000000000},
        {"0.5b", 500000000},
        {"1.3333333b", 1333333300},
        {"8.030261248e9", 8030261248},
        {"8030261248000e-3", 8030261248},
        {"0.00000000000000000000000000000000000000007e41", 7},
        {"000000000000000000000000000000000000000000000007b", 7000000000},
        {"7.00000000000000000000000000000000000b", 7000000000},
        {"18446744073709551615", UINT64_MAX},
        {"18446744.073709551615T", UINT64_MAX},
        {"9007199254740993", 9007199254740993}, /* 2^53 + 1: no double on the way */
        {"1t", 1000000000000},
        {"350M", 350000000},
    };
    static const char *const bad[] = {
        "7x",  "",     "-7b",  "+7b",           "b",    ".",
        "0",   "0b",   "0.1",  "7bb",           "7,5b", "inf",
        "nan", "0x7b", "1e",   "1.3333333333b", "1.5",  "1.49999999999999999999999999999999999999999",
        "7 b", " 7b",  "1e5e5"};
    static const char *const large[] = {"1e30", "18446744073709551616", "18446744073709551615.5", "99999999t",
                                        "1e9999"};
    check(bb_parse_count, good, COUNT(good));
    refuse(bb_parse_count, BB_E_VALUE, bad, COUNT(bad));
    refuse(bb_parse_count, BB_E_OVERFLOW, large, COUNT(large));
    bb_error err;
    uint64_t v;
    bb_parse_count("7x", &v, &err);
    ck_assert_str_eq(err.text,
                     "'7x' is not a count of parameters: expected digits with K, M, B or T, such as 7b or 1.5e9");
    bb_parse_count("7\033[2J", &v, &err);
    ck_assert(!strchr(err.text, '\033'));
    ck_assert(bb_looks_like_count("7x") && bb_looks_like_count("1.5e9") && bb_looks_like_count("1e30"));
    ck_assert(!bb_looks_like_count("7b-chat") && !bb_looks_like_count("") && !bb_looks_like_count(".") &&
              !bb_looks_like_count("./7b"));
}
END_TEST

START_TEST(sizes) {
    static const reading good[] = {
        {"24GiB", 24ull << 30},
        {"24 GB", 24000000000},
        {"1.5GB", 1500000000},
        {"812B", 812},
        {"0.5KiB", 512},
        {"23.63gib", 25372519301},
        {"1.1KiB", 1126},
        {"0.0000000000000000008673617379884035472EiB", 1},
        {"15EiB", 15ull << 60},
        {"18.446744073709551615EB", UINT64_MAX},
        {"0B", 0},
        {"1tb", 1000000000000},
        {"1e3MB", 1000000000},
        {"1EiB", 1ull << 60},
        {"1EB", 1000000000000000000},
        {"2e0EB", 2000000000000000000},
    };
    static const char *const bad[] = {"24", "24G", "GB", "", "-1GB", "24GiBs", "1eMB", "1e33333MB", "24 GB ", "24Gb/s"};
    static const char *const large[] = {
        "16EiB", "99999PB", "20EiB", "1e30GiB", "18.446744073709551616EB", "15.99999999999999999999EiB"};
    check(bb_parse_bytes, good, COUNT(good));
    refuse(bb_parse_bytes, BB_E_VALUE, bad, COUNT(bad));
    refuse(bb_parse_bytes, BB_E_OVERFLOW, large, COUNT(large));
}
END_TEST

START_TEST(tokens) {
    static const reading good[] = {{"8192", 8192},  {"8k", 8192},   {"128K", 131072},
                                   {"1M", 1048576}, {"1.5k", 1536}, {"1e3", 1000}};
    static const char *const bad[] = {"", "k", "-1", "8 k", "8b", "8192.5", "0.1k"};
    static const char *const large[] = {"99999999999999999999", "99999999999999M", "1e30"};
    check(bb_parse_tokens, good, COUNT(good));
    refuse(bb_parse_tokens, BB_E_VALUE, bad, COUNT(bad));
    refuse(bb_parse_tokens, BB_E_OVERFLOW, large, COUNT(large));
}
END_TEST

START_TEST(shown) {
    static const struct {
        uint64_t n;
        const char *binary, *metric, *count;
    } rows[] = {
        {0, "0 B", "0 B", "0"},
        {999, "999 B", "999 B", "999"},
        {1000, "1000 B", "1.00 kB", "1.00 K"},
        {1023, "1023 B", "1.02 kB", "1.02 K"},
        {1024, "1.00 KiB", "1.02 kB", "1.02 K"},
        {999995, "976.56 KiB", "1.00 MB", "1.00 M"}, /* 999.995 rounds up into the next unit */
        {1048571, "1.00 MiB", "1.05 MB", "1.05 M"},
        {1047552, "1023.0 KiB", "1.05 MB", "1.05 M"},
        {8030261248, "7.48 GiB", "8.03 GB", "8.03 B"},
        {25769803776, "24.00 GiB", "25.77 GB", "25.77 B"},
        {UINT64_MAX, "16.00 EiB", "18.45 EB", "18.45 E"},
    };
    char buf[32];
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_str_eq(bb_bytes_text(rows[i].n, false, buf), rows[i].binary);
        ck_assert_str_eq(bb_bytes_text(rows[i].n, true, buf), rows[i].metric);
        ck_assert_str_eq(bb_count_text(rows[i].n, buf), rows[i].count);
    }
    ck_assert_str_eq(bb_gib_text(25769803776, false, 2, buf), "24.00");
    ck_assert_str_eq(bb_gib_text(UINT64_MAX, false, 3, buf), "17179869184.000");
    ck_assert_str_eq(bb_gib_text(1073741823, false, 6, buf), "1.000000");
    ck_assert_str_eq(bb_gib_text(1500000000, true, 0, buf), "2");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("units");
    TCase *t = tcase_create("units");
    tcase_add_test(t, counts);
    tcase_add_test(t, sizes);
    tcase_add_test(t, tokens);
    tcase_add_test(t, shown);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
