/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_svg.c - the picture of an error report: whole XML whatever the names, marks where the figures say. */
#include "harness.h"
#include "report/report.h"
#include "report/svg.h"
#include <math.h>
#include <string.h>

START_TEST(axes) {
    bb_svg_axis a = bb_svg_axis_around(0.0123, 0.34, 10, 400, 100), b = bb_svg_axis_around(4.5, 8, 2, 0, 100);
    ck_assert_double_eq_tol(a.low, 0.01, 1e-15);
    ck_assert_double_eq_tol(a.high, 1, 1e-15);
    ck_assert_double_eq_tol(bb_svg_at(&a, 0.1), 250, 1e-9);
    ck_assert_double_eq(b.low, 4);
    ck_assert_double_eq(b.high, 8);
    ck_assert_double_eq_tol(bb_svg_at(&b, 8), 100, 1e-12);
    bb_svg_axis c = bb_svg_axis_around(1, 1, 10, 0, 1); /* one value still has an axis */
    ck_assert(c.high > c.low && isfinite(bb_svg_at(&c, 1)));
}
END_TEST

/* Tags are balanced and no character stands where XML has none. */
static void check_xml(const char *s) {
    char open[64][16];
    int depth = 0;
    for (const char *p = s; *p; p++) {
        ck_assert((unsigned char)*p >= 0x20 || *p == '\n');
        if (*p == '&')
            ck_assert(!strncmp(p, "&amp;", 5) || !strncmp(p, "&lt;", 4) || !strncmp(p, "&gt;", 4) ||
                      !strncmp(p, "&quot;", 6));
        ck_assert(*p != '>');
        if (*p != '<') continue;
        const char *end = strchr(p, '>');
        ck_assert_ptr_nonnull(end);
        bool closing = p[1] == '/';
        size_t n = strcspn(p + 1 + closing, " />\n");
        ck_assert_uint_lt(n, sizeof *open);
        if (closing) {
            ck_assert_int_gt(depth, 0);
            ck_assert(strlen(open[depth - 1]) == n && !strncmp(open[depth - 1], p + 2, n));
            depth--;
        } else if (end[-1] != '/') {
            ck_assert_int_lt(depth, 64);
            snprintf(open[depth++], sizeof *open, "%.*s", (int)n, p + 1);
        }
        p = end;
    }
    ck_assert_int_eq(depth, 0);
}

static size_t count(const char *s, const char *part) {
    size_t n = 0;
    while ((s = strstr(s, part))) {
        n++;
        s++;
    }
    return n;
}

START_TEST(picture) {
    static const char *const names[] = {"a<b>&\"c\"", "\xC3\xA9\xFF\x01", "plain"};
    const bb_error_type types[2] = {{bb_dtype_find("q4_0", NULL), false}, {bb_dtype_find("int8", NULL), true}};
    bb_error_total totals[2];
    bb_error_row rows[6];
    bb_tensor tensors[3];
    for (size_t i = 0; i < 3; i++) tensors[i] = (bb_tensor){.name = names[i]};
    for (size_t i = 0; i < 6; i++)
        rows[i] = (bb_error_row){.tensor = &tensors[i / 2],
                                 .type = &types[i % 2],
                                 .rows = 4,
                                 .cols = 32,
                                 .bits_per_weight = i % 2 ? 8 : 4.5,
                                 .total = {.rel = i % 2 ? 0.3 : 0.08},
                                 .tokens = 1,
                                 .rows_checked = 4,
                                 .ns = 100,
                                 .gops = 2.56};
    rows[4].total.rel = 0; /* has no logarithm */
    for (size_t k = 0; k < 2; k++)
        totals[k] = (bb_error_total){
            .type = &types[k], .tensors = 3, .bits_per_weight = k ? 8 : 4.5, .rel = k ? 0.3 : 0.08, .gops = 2.56};
    bb_error_report r = {.types = (bb_error_type *)(uintptr_t)types, .n_types = 2, .rows = rows, .n_rows = 6};
    r.totals = totals;
    r.tokens = 1;
    bb_str s;
    bb_str_init(&s);
    ck_assert_int_eq(bb_report_error_svg(&r, &s), BB_OK);
    check_xml(bb_str_c(&s));
    ck_assert(strstr(s.data, "a&lt;b&gt;&amp;&quot;c&quot; in q4_0: 8.0e-02") != NULL);
    ck_assert(strstr(s.data, "prefers-color-scheme: dark") && strstr(s.data, "int8:tensor") &&
              strstr(s.data, "bits per weight"));
    ck_assert_uint_eq(count(s.data, "fill-opacity"), 2 * 5); /* in both panels, without the zero */
    bb_str_clear(&s);
    r.n_rows = 0;
    for (size_t k = 0; k < 2; k++) totals[k] = (bb_error_total){.type = &types[k], .rel = (double)NAN};
    ck_assert_int_eq(bb_report_error_svg(&r, &s), BB_OK);
    check_xml(bb_str_c(&s));
    ck_assert(strstr(s.data, "nothing was measured") != NULL);
    bb_str_clear(&s);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("report");
    TCase *t = tcase_create("svg");
    tcase_add_test(t, axes);
    tcase_add_test(t, picture);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
