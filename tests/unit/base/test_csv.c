/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_csv.c - tables in (strict, bounded, with the line of a fault) and cells out (quoted, no formulas). */
#include "base/csv.h"
#include "harness.h"
#include <math.h>
#include <string.h>

static bb_status parse(const char *text, const bb_csv_limits *limits, bb_csv **csv, bb_error *err) {
    return bb_csv_parse(text, strlen(text), "t.csv", limits, csv, err);
}

START_TEST(cells) {
    const char *text = "\xEF\xBB\xBF# facts\r\n\r\n# more, \"of them\r\nName,Params,note\r\n"
                       "a,7000000000,\"x, \"\"y\"\"\r\nz\"\r\n\r\n  b , 1.5e3 ,\r\n#c,,\" q \"";
    bb_csv *csv = NULL;
    bb_error err = {0};
    ck_assert_msg(parse(text, NULL, &csv, &err) == BB_OK, "%s", err.text);
    ck_assert(bb_csv_rows(csv) == 3 && bb_csv_columns(csv) == 3);
    ck_assert_str_eq(bb_csv_name(csv, 1), "Params");
    size_t params = bb_csv_column(csv, "PARAMS"), none = bb_csv_column(csv, "absent");
    ck_assert(params == 1 && none == SIZE_MAX);
    ck_assert_str_eq(bb_csv_cell(csv, 0, 2), "x, \"y\"\r\nz");
    ck_assert_str_eq(bb_csv_cell(csv, 1, 0), "b");
    ck_assert_str_eq(bb_csv_cell(csv, 2, 0), "#c"); /* after the header it is data */
    ck_assert_str_eq(bb_csv_cell(csv, 2, 2), " q ");
    ck_assert_str_eq(bb_csv_cell(csv, 0, none), "");
    ck_assert(bb_csv_line(csv, 0) == 5 && bb_csv_line(csv, 1) == 8 && bb_csv_line(csv, 2) == 9);
    uint64_t u = 3;
    double d = 3;
    bool empty;
    ck_assert(bb_csv_get_u64(csv, 0, params, &u, &empty, &err) == BB_OK && !empty && u == 7000000000);
    ck_assert(bb_csv_get_f64(csv, 1, params, &d, &empty, &err) == BB_OK && !empty && d == 1500);
    u = 3;
    ck_assert(bb_csv_get_u64(csv, 2, params, &u, &empty, &err) == BB_OK && empty && u == 3);
    ck_assert(bb_csv_get_u64(csv, 0, none, &u, &empty, &err) == BB_OK && empty && u == 3);
    ck_assert(bb_csv_get_u64(csv, 1, params, &u, &empty, &err) == BB_E_VALUE && u == 3);
    ck_assert_str_eq(err.text, "t.csv: line 8: column Params: '1.5e3' is not a whole number below 2^64");
    bb_csv_free(csv);
}
END_TEST

START_TEST(one_decimal_number) {
    static const char *const bad[] = {"0x10",  "inf",     "nan",       "1 000", "1_000", "24GB",   "1e999",
                                      "1.2.3", "\"1,5\"", "\"1,000\"", "1e",    "--1",   "\"1 \"", "'1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64];
        bb_csv *csv = NULL;
        bb_error err = {0};
        double d = 3;
        uint64_t u = 3;
        bool empty;
        snprintf(text, sizeof text, "n\n%s\n", bad[i]);
        ck_assert_msg(parse(text, NULL, &csv, &err) == BB_OK, "%s", err.text);
        ck_assert_msg(bb_csv_get_f64(csv, 0, 0, &d, &empty, &err) == BB_E_VALUE && d == 3, "%s", bad[i]);
        ck_assert(bb_csv_get_u64(csv, 0, 0, &u, &empty, &err) == BB_E_VALUE && u == 3);
        ck_assert(strstr(err.text, "line 2") && strstr(err.text, "column n"));
        bb_csv_free(csv);
    }
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *text, *said;
    } bad[] = {
        {"", "no header"},
        {"# only\n\n", "no header"},
        {"a,b\n1,2\n1\n", "line 3: 1 fields, but the header has 2"},
        {"a,b\n1,2,3\n", "line 2: 3 fields, but the header has 2"},
        {"a,b\n\"x\ny\",1,2\n", "line 2: 3 fields"}, /* the line where the row begins */
        {"a,b\n1,2\n\"\"\n", "line 3: 1 fields"},    /* a quoted nothing is no empty line */
        {"a,,c\n", "line 1: a column has no name"},
        {"a,b,A\n", "line 1: column 'A' stands twice"},
        {"a\n\"x\"y\n", "line 2: a quote"},
        {"a\nx\"y\n", "line 2: a quote"},
        {"a,b\n1,2\n\"3,4\n5,6\n", "line 3: a quote does not close"},
        {"a\n\xC3\x28\n", "not UTF-8"},
        {"a\n\xED\xA0\x80\n", "not UTF-8"},
        {"\xFF\xFE"
         "a",
         "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bb_csv *csv = NULL;
        bb_error err = {0};
        ck_assert_msg(parse(bad[i].text, NULL, &csv, &err) == BB_E_INVALID && !csv, "%s", bad[i].text);
        ck_assert_msg(strstr(err.text, bad[i].said) && strncmp(err.text, "t.csv: ", 7) == 0, "%s", err.text);
    }
    bb_csv *csv = NULL;
    bb_error err = {0};
    ck_assert_int_eq(bb_csv_parse("a\n\0\n", 4, "\033[2J", NULL, &csv, &err), BB_E_INVALID);
    ck_assert(strstr(err.text, "line 2: a NUL byte") && !strchr(err.text, '\033'));
}
END_TEST

START_TEST(limits) {
    static const bb_csv_limits small = {40, 2, 5, 3};
    static const struct {
        const char *text;
        bb_status status;
    } cases[] = {{"a,b,c\n12345,1,1\n1,1,1\n", BB_OK},  {"a,b,c\n123456,1,1\n", BB_E_LIMIT},
                 {"a,b,c\n\"123456\n\n\n", BB_E_LIMIT}, {"a,b,c,d\n", BB_E_LIMIT},
                 {"a\n1\n2\n3\n", BB_E_LIMIT},          {"a,b,c\n1,1,1\n                              \n", BB_E_LIMIT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_csv *csv = NULL;
        bb_error err = {0};
        ck_assert_msg(parse(cases[i].text, &small, &csv, &err) == cases[i].status, "%zu: %s", i, err.text);
        ck_assert((csv != NULL) == (cases[i].status == BB_OK));
        bb_csv_free(csv);
    }
}
END_TEST

START_TEST(many_rows) {
    enum { ROWS = 100000 };
    char *text = malloc((size_t)ROWS * 32);
    ck_assert_ptr_nonnull(text);
    size_t n = (size_t)snprintf(text, 32, "name,value\n");
    for (int i = 0; i < ROWS; i++) n += (size_t)snprintf(text + n, 32, "row %d,%d.5\n", i, i);
    bb_csv *csv = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_csv_parse(text, n, "t", NULL, &csv, &err) == BB_OK, "%s", err.text);
    double d;
    bool empty;
    ck_assert(bb_csv_rows(csv) == ROWS && bb_csv_line(csv, ROWS - 1) == ROWS + 1);
    ck_assert(bb_csv_get_f64(csv, ROWS - 1, 1, &d, &empty, NULL) == BB_OK && d == ROWS - 0.5);
    bb_csv_free(csv);
    n += (size_t)snprintf(text + n, 32, "one,more\n");
    csv = NULL;
    ck_assert_int_eq(bb_csv_parse(text, n, "t", NULL, &csv, &err), BB_E_LIMIT);
    free(text);
}
END_TEST

START_TEST(cells_out) {
    static const struct {
        const char *in, *out;
    } texts[] = {{"plain", "plain"},
                 {"", ""},
                 {"a,b", "\"a,b\""},
                 {"say \"x\"", "\"say \"\"x\"\"\""},
                 {"two\nlines", "\"two\nlines\""},
                 {" lead", "\" lead\""},
                 {"trail ", "\"trail \""},
                 {"=1+1", "'=1+1"},
                 {"=cmd|'/c calc',A1", "\"'=cmd|'/c calc',A1\""},
                 {"+x", "'+x"},
                 {"-x", "'-x"},
                 {"@SUM(A1)", "'@SUM(A1)"},
                 {"\t=1", "\"'\t=1\""},
                 {"\r=1", "\"'\r=1\""},
                 {"-5", "-5"}, /* a number is no formula */
                 {"+1.5e3", "+1.5e3"},
                 {"-5+1", "'-5+1"},
                 {"-inf", "'-inf"},
                 {"#1", "\"#1\""}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bb_str s;
        bb_str_init(&s);
        bb_csv_text(&s, texts[i].in);
        ck_assert_str_eq(bb_str_c(&s), texts[i].out);
        bb_str_clear(&s);
    }
    bb_str s;
    bb_str_init(&s);
    bb_str_add_u64(&s, UINT64_MAX);
    bb_str_addc(&s, ',', 1);
    bb_csv_f64(&s, 0.1);
    bb_str_addc(&s, ',', 1);
    bb_csv_f64(&s, (double)NAN);
    bb_str_addc(&s, ',', 1);
    bb_csv_f64(&s, -(double)INFINITY);
    ck_assert_str_eq(bb_str_c(&s), "18446744073709551615,0.10000000000000001,,-inf");
    bb_str_clear(&s);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("csv");
    TCase *t = tcase_create("csv");
    tcase_add_test(t, cells);
    tcase_add_test(t, one_decimal_number);
    tcase_add_test(t, refused);
    tcase_add_test(t, limits);
    tcase_add_test(t, many_rows);
    tcase_add_test(t, cells_out);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
