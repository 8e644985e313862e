/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_widgets.c - what keys do to a list and to a text, and how text is broken into lines. */
#include "harness.h"
#include "tui/widgets.h"
#include <string.h>

static void type(bb_chooser *c, const char *text) {
    for (; *text; text++) (void)bb_chooser_key(c, *text, 5);
}

START_TEST(filter_finds_what_is_shown) {
    bb_chooser c = {0};
    bb_chooser_start(&c, "Round", "", false);
    bb_chooser_add(&c, "ne", "nearest-even");
    bb_chooser_add(&c, "tz", "toward zero");
    type(&c, "zero");
    ck_assert_str_eq(bb_chooser_value(&c), "tz");
    for (int i = 0; i < 4; i++) (void)bb_chooser_key(&c, BB_KEY_BACKSPACE, 5);
    type(&c, "NEAR");
    ck_assert_str_eq(bb_chooser_value(&c), "ne");
    type(&c, "x");
    ck_assert_ptr_null(bb_chooser_value(&c));
    bb_chooser_clear(&c);
}
END_TEST

/* What was typed marks the item that has least beside it; a count of items goes with the one that is taken. */
START_TEST(closest_and_how_many) {
    static const char *const names[] = {"RTX 3090 Ti", "RTX 3090", "A100"};
    char taken[32];
    bb_chooser c = {0};
    bb_chooser_start(&c, "GPU", "", true);
    c.count = 1;
    c.most = 3;
    for (size_t i = 0; i < 3; i++) bb_chooser_add(&c, names[i], names[i]);
    type(&c, "309");
    bb_chooser_taken(&c, taken, sizeof taken);
    ck_assert_str_eq(taken, "RTX 3090");
    for (int i = 0; i < 5; i++) (void)bb_chooser_key(&c, BB_KEY_RIGHT, 5);
    bb_chooser_empty(&c); /* made again for the new number, what was typed and marked stays */
    for (size_t i = 0; i < 3; i++) bb_chooser_add(&c, names[i], names[i]);
    bb_chooser_taken(&c, taken, sizeof taken);
    ck_assert_str_eq(taken, "RTX 3090x3");
    for (int i = 0; i < 5; i++) (void)bb_chooser_key(&c, BB_KEY_LEFT, 5);
    bb_chooser_taken(&c, taken, sizeof taken);
    ck_assert_str_eq(taken, "RTX 3090");
    (void)bb_chooser_key(&c, BB_KEY_RIGHT, 5);
    type(&c, "0x4"); /* says itself how many */
    bb_chooser_taken(&c, taken, sizeof taken);
    ck_assert_str_eq(taken, "3090x4");
    bb_chooser_clear(&c);
}
END_TEST

/* A page is what the box shows: by pages every line is seen, and no line past the end. */
START_TEST(reader_pages_are_those_of_its_box) {
    for (int rows = BB_MIN_ROWS; rows < 50; rows++)
        for (int lines = 1; lines < 80; lines += 3) {
            bb_panes l;
            bb_reader r = {0};
            bb_panes_make(BB_SCREEN_PLAN, rows, 80, NULL, &l);
            bb_reader_start(&r, "text");
            for (int i = 0; i < lines; i++) bb_str_addf(&r.text, "line %d\n", i);
            int page = bb_reader_page(&r, &l), seen = page;
            ck_assert(page == (lines < rows - 6 ? lines : rows - 6));
            while (seen < lines) {
                size_t top = r.top;
                ck_assert(bb_reader_key(&r, BB_KEY_PGDN, page) == BB_STAYS);
                ck_assert(r.top > top && r.top <= (size_t)seen && (int)r.top + page <= lines);
                seen = (int)r.top + page;
            }
            bb_reader_fit(&r, lines); /* a higher screen shows all of it */
            ck_assert_uint_eq(r.top, 0);
            bb_reader_clear(&r);
        }
}
END_TEST

START_TEST(lines_are_no_wider_than_asked) {
    static const char text[] = "'12q3' is not a value: expected a decimal, a hex float, a fraction or a name";
    for (int width = 9; width < 90; width++) {
        bb_str out;
        int n = 0;
        size_t letters = 0;
        bb_str_init(&out);
        bb_wrap(&out, text, width, 2);
        for (const char *s = bb_str_c(&out); *s; n++) {
            size_t len = strcspn(s, "\n");
            ck_assert_uint_le(len, (size_t)width);
            for (size_t i = 0; i < len; i++) letters += s[i] != ' ';
            s += len + 1;
        }
        size_t wanted = 0;
        for (const char *s = text; *s; s++) wanted += *s != ' ';
        ck_assert_uint_eq(letters, wanted);
        if (width > 80) ck_assert_int_eq(n, 1);
        bb_str_clear(&out);
    }
    ck_assert_int_eq(bb_wrap_lines("two words", 8), 2);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("widgets");
    TCase *t = tcase_create("widgets");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, filter_finds_what_is_shown);
    tcase_add_test(t, closest_and_how_many);
    tcase_add_test(t, reader_pages_are_those_of_its_box);
    tcase_add_test(t, lines_are_no_wider_than_asked);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
