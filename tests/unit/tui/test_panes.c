/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_panes.c - on every size and screen: nothing overlaps, everything is inside, what must be seen has room. */
#include "harness.h"
#include "tui/panes.h"
#include <string.h>

enum { MAX_ROWS = 80, MAX_COLS = 250 };
static unsigned char grid[MAX_ROWS][MAX_COLS];

/* Marks a rectangle; fails when it leaves the screen or meets another. */
static void mark(const bb_panes *l, bb_rect r, const char *what, int id) {
    if (r.h == 0) return;
    ck_assert_msg(r.y >= 0 && r.x >= 0 && r.h > 0 && r.w > 0 && r.y + r.h <= l->rows && r.x + r.w <= l->cols,
                  "%s %d leaves %dx%d: y %d x %d h %d w %d", what, id, l->cols, l->rows, r.y, r.x, r.h, r.w);
    for (int y = r.y; y < r.y + r.h; y++)
        for (int x = r.x; x < r.x + r.w; x++) {
            if (grid[y][x]) ck_abort_msg("%s %d meets another at %d,%d of %dx%d", what, id, y, x, l->cols, l->rows);
            grid[y][x] = 1;
        }
}

static void check_size(bb_screen screen, int rows, int cols, const bb_wants *wants) {
    bb_panes l;
    bb_panes_make(screen, rows, cols, wants, &l);
    ck_assert(!l.tiny && l.wide == (cols >= BB_WIDE_COLS));
    memset(grid, 0, sizeof grid);
    mark(&l, l.tabs, "tabs", 0);
    mark(&l, l.message, "message", 0);
    mark(&l, l.hints, "hints", 0);
    ck_assert_int_eq(l.hints.y, rows - 1);
    ck_assert_int_eq(l.message.y, rows - 2);
    for (int i = 0; i < BB_PANES; i++) mark(&l, l.pane[i], "pane", i);
    /* Lines may meet each other, but no pane. */
    for (size_t i = 0; i < l.n_lines; i++)
        for (int k = 0; k < l.line[i].length; k++) {
            int y = l.line[i].y + (l.line[i].vertical ? k : 0), x = l.line[i].x + (l.line[i].vertical ? 0 : k);
            /* not an assertion a cell: each of them would write a mark to a file */
            if (y < 0 || y >= rows || x < 0 || x >= cols || grid[y][x] || !bb_panes_joint(&l, y, x))
                ck_abort_msg("screen %d: line %zu at %d,%d of %dx%d", (int)screen, i, y, x, cols, rows);
        }
    ck_assert_uint_lt(l.n_lines, BB_PANES_LINES);
    /* Fields, list and answer are never squeezed out. */
    ck_assert_int_ge(l.pane[0].h, 1);
    ck_assert_int_ge(l.pane[1].h, 1);
    if (screen == BB_SCREEN_BITS)
        ck_assert(l.pane[BB_PANE_FORMATS].h >= 4 && l.pane[BB_PANE_NEAR].h >= 3 && l.pane[BB_PANE_SENTENCE].h == 1);
    if (screen == BB_SCREEN_PLAN)
        ck_assert(l.pane[BB_PANE_LINES].h >= 4 && l.pane[BB_PANE_MORE].h >= (l.wide ? 3 : 4) &&
                  l.pane[BB_PANE_ASK].h >= (l.wide ? 8 : 4));
    /* No row of the table is hidden while the pane below has more than it needs. */
    if (screen == BB_SCREEN_PLAN && !l.wide && wants && l.pane[BB_PANE_LINES].h < wants->lines)
        ck_assert_int_eq(l.pane[BB_PANE_MORE].h, 4);
    if (screen == BB_SCREEN_BITS) /* its second row is the message's, when that says nothing */
        ck_assert_int_eq(l.pane[BB_PANE_SENTENCE].y + 1, l.message.y);
    if (screen == BB_SCREEN_QUANTIZE) {
        ck_assert(l.pane[BB_PANE_TENSORS].h >= 5 && l.pane[BB_PANE_PROGRESS].h == 2 && l.pane[BB_PANE_TOTAL].h == 1);
        ck_assert(l.pane[BB_PANE_HISTOGRAM].h == 0 || l.pane[BB_PANE_HISTOGRAM].h >= 5);
        if (rows >= 20 && wants && wants->more) ck_assert_int_ge(l.pane[BB_PANE_HISTOGRAM].h, 5);
        if (!wants || !wants->more) ck_assert(l.pane[BB_PANE_HISTOGRAM].h == 0 && (!l.wide || l.pane[BB_PANE_TYPES].h));
    }
    if (screen == BB_SCREEN_KERNELS)
        ck_assert(l.pane[BB_PANE_TABLE].h >= 5 && l.pane[BB_PANE_PLOT].h >= 6 &&
                  l.pane[BB_PANE_ROOF].h >= (l.wide ? 3 : 1));
}

START_TEST(every_size) {
    for (int s = 0; s < BB_SCREENS; s++)
        for (int rows = BB_MIN_ROWS; rows <= MAX_ROWS; rows++)
            for (int cols = BB_MIN_COLS; cols <= MAX_COLS; cols++) check_size((bb_screen)s, rows, cols, NULL);
}
END_TEST

START_TEST(every_want) {
    for (int rows = BB_MIN_ROWS; rows <= MAX_ROWS; rows++)
        for (int lines = 1; lines < 30; lines++)
            for (int more = 1; more < 9; more++)
                for (int cols = BB_MIN_COLS; cols <= 130; cols += 35) {
                    bb_wants wants = {lines, more, lines % 18};
                    check_size(BB_SCREEN_PLAN, rows, cols, &wants);
                }
}
END_TEST

START_TEST(histogram_on_every_size) {
    bb_wants wants = {.more = 1};
    for (int rows = BB_MIN_ROWS; rows <= MAX_ROWS; rows++)
        for (int cols = BB_MIN_COLS; cols <= MAX_COLS; cols++) check_size(BB_SCREEN_QUANTIZE, rows, cols, &wants);
}
END_TEST

START_TEST(small_sizes_have_no_panes) {
    for (int rows = 0; rows < 40; rows++)
        for (int cols = 0; cols < BB_MIN_COLS; cols++) {
            bb_panes l;
            bb_panes_make(BB_SCREEN_PLAN, rows, cols, NULL, &l);
            ck_assert(l.tiny && l.n_lines == 0 && l.pane[0].h == 0 && l.hints.h == 0);
        }
}
END_TEST

START_TEST(popups_stay_inside) {
    for (int rows = 5; rows < 60; rows++)
        for (int cols = 8; cols < 130; cols++) {
            bb_panes l;
            bb_panes_make(BB_SCREEN_BITS, rows, cols, NULL, &l);
            bb_rect r = bb_panes_popup(&l, 500, 500), small = bb_panes_popup(&l, 1, 2);
            ck_assert(r.y >= 1 && r.x >= 2 && r.y + r.h + 1 <= rows && r.x + r.w + 2 <= cols);
            ck_assert(small.h == 1 && small.w == 2);
            /* the message of one row or several stays in sight below it */
            for (int n = 1; !l.tiny && n <= BB_MESSAGE_ROWS + 1; n++) {
                bb_panes_message(&l, n);
                r = bb_panes_popup(&l, 500, 500);
                ck_assert(l.message.h == (n > BB_MESSAGE_ROWS ? BB_MESSAGE_ROWS : n));
                ck_assert(l.message.y + l.message.h == l.hints.y && r.y + r.h < l.message.y && r.y >= 1 && r.h >= 5);
            }
        }
}
END_TEST

START_TEST(joints_close_a_frame) {
    bb_panes l;
    bb_panes_make(BB_SCREEN_PLAN, 40, 120, NULL, &l);
    int bottom = l.message.y - 1;
    ck_assert_uint_eq(bb_panes_joint(&l, 1, 0), 2 | 8);
    ck_assert_uint_eq(bb_panes_joint(&l, 1, 119), 2 | 4);
    ck_assert_uint_eq(bb_panes_joint(&l, bottom, 0), 1 | 8);
    ck_assert_uint_eq(bb_panes_joint(&l, bottom, 119), 1 | 4);
    int split = l.pane[BB_PANE_NEEDS].x - 2;
    ck_assert_uint_eq(bb_panes_joint(&l, 1, split), 2 | 4 | 8);
    ck_assert_uint_eq(bb_panes_joint(&l, bottom, split), 1 | 4 | 8);
    ck_assert_uint_eq(bb_panes_joint(&l, 2, 5), 0);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("panes");
    TCase *t = tcase_create("panes");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_size);
    tcase_add_test(t, every_want);
    tcase_add_test(t, histogram_on_every_size);
    tcase_add_test(t, small_sizes_have_no_panes);
    tcase_add_test(t, popups_stay_inside);
    tcase_add_test(t, joints_close_a_frame);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
