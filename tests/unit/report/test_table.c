/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_table.c - rows that are made when they are asked for are written as stored ones are, in pieces. */
#include "harness.h"
#include "report/table.h"
#include <string.h>

enum { ROWS = 3000 };

static void give(bb_table *t, size_t row, const void *ctx) {
    char name[32];
    snprintf(name, sizeof name, "%s%zu|\"", (const char *)ctx, row * row);
    bb_cell_text(t, name);
    bb_cell_u64(t, row);
    if (row % 3 == 0)
        bb_cell_empty(t);
    else
        bb_cell_f64(t, (double)row / 3);
}

static bb_table *table(bool made, bool hidden, size_t n) {
    bb_table *t = bb_table_new("test/1");
    bb_table_column(t, "name", "NAME", BB_COL_LEFT);
    bb_table_column(t, "row", "ROW", BB_COL_RIGHT);
    bb_table_column(t, "third", "", BB_COL_JSON_ONLY);
    bb_table_head(t, "above");
    bb_table_foot(t, "below");
    if (made)
        bb_table_rows_from(t, n, hidden, give, "x");
    else
        for (size_t i = 0; i < n; i++) {
            bb_table_row(t);
            if (hidden) bb_table_row_hidden(t);
            give(t, i, "x");
        }
    return t;
}

typedef struct pieces {
    bb_str all;
    size_t n, left; /* pieces taken, and how many more are */
} pieces;

static bool take(void *ctx, const char *data, size_t n) {
    pieces *p = ctx;
    ck_assert(n > 0 && data[n - 1] == '\n');
    bb_str_addn(&p->all, data, n);
    p->n++;
    return p->left-- > 0;
}

START_TEST(made_as_stored) {
    for (int form = BB_TABLE_TEXT; form <= BB_TABLE_MARKDOWN; form++)
        for (int k = 0; k < 4; k++) {
            size_t n = k < 2 ? ROWS : 0;
            bb_table *stored = table(false, k & 1, n), *made = table(true, k & 1, n);
            bb_str a, b;
            bb_str_init(&a);
            bb_str_init(&b);
            ck_assert_int_eq(bb_table_to_str(stored, (bb_table_form)form, &a), BB_OK);
            ck_assert_int_eq(bb_table_to_str(made, (bb_table_form)form, &b), BB_OK);
            ck_assert_str_eq(bb_str_c(&a), bb_str_c(&b));
            ck_assert_uint_eq(bb_table_rows(made), n);
            if (n) ck_assert_str_eq(bb_table_shown(made, 7, 0), bb_table_shown(stored, 7, 0));
            ck_assert_str_eq(bb_table_shown(made, n, 0), "");
            bb_str_clear(&a);
            bb_str_clear(&b);
            bb_table_free(stored);
            bb_table_free(made);
        }
}
END_TEST

START_TEST(in_pieces) {
    bb_table *t = table(true, false, ROWS);
    bb_str whole;
    bb_str_init(&whole);
    ck_assert_int_eq(bb_table_to_str(t, BB_TABLE_CSV, &whole), BB_OK);
    pieces p = {.left = SIZE_MAX};
    bb_str_init(&p.all);
    ck_assert_int_eq(bb_table_write(t, BB_TABLE_CSV, take, &p), BB_OK);
    ck_assert(p.n > 1 && strcmp(bb_str_c(&p.all), bb_str_c(&whole)) == 0);
    /* whoever takes no more ends it there */
    p.n = p.left = 0;
    ck_assert_int_eq(bb_table_write(t, BB_TABLE_CSV, take, &p), BB_E_WRITE);
    ck_assert_uint_eq(p.n, 1);
    bb_str_clear(&p.all);
    bb_str_clear(&whole);
    bb_table_free(t);
}
END_TEST

/* A text that memory ended for, whether in a cell or in a line, is the end of the table: nothing is called written. */
START_TEST(lost_text) {
    bb_str lost = {.failed = true}, out;
    bb_str_init(&out);
    bb_str_add(&out, "before");
    bb_table *t = table(false, false, 2);
    bb_table_depends(t, &lost);
    ck_assert_int_eq(bb_table_to_str(t, BB_TABLE_TEXT, &out), BB_E_NOMEM);
    ck_assert_str_eq(bb_str_c(&out), "before");
    bb_str_clear(&out);
    bb_table_free(t);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("table");
    TCase *t = tcase_create("table");
    tcase_add_test(t, made_as_stored);
    tcase_add_test(t, in_pieces);
    tcase_add_test(t, lost_text);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
