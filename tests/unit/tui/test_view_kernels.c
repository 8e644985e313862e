/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_view_kernels.c - the Kernels screen without a terminal: the columns that fit, a run, and what then names what.
 */
#include "harness.h"
#include "tui/kernels.h"
#include <string.h>
#include <time.h>

static const bb_view *const view = &bb_view_kernels;
static bb_app *app;
static bb_kernels *k;

static void setup(void) {
    void *state = NULL;
    app = calloc(1, sizeof *app);
    ck_assert_int_eq(view->open(app, NULL, &state, NULL), BB_OK);
    k = state;
    app->state[BB_SCREEN_KERNELS] = state;
    app->screen = BB_SCREEN_KERNELS;
}
static void teardown(void) {
    view->close(k);
    free(app);
}

static void act(bb_action action) { ck_assert(view->act(app, k, action)); }
static void run(bb_action action) {
    act(action);
    ck_assert(k->running);
    while (k->running) {
        (void)view->tick(app, k);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    ck_assert_int_eq(k->status, BB_OK);
}
static bool says(void (*write)(void *state, bb_str *out), const char *part) {
    bb_str out;
    bb_str_init(&out);
    write(k, &out);
    bool has = strstr(bb_str_c(&out), part) != NULL;
    bb_str_clear(&out);
    return has;
}

START_TEST(columns_fit) {
    for (int screen_cols = BB_MIN_COLS; screen_cols <= 250; screen_cols++) {
        bb_panes l;
        int widths[BB_KERNELS_COLUMNS];
        bb_panes_make(BB_SCREEN_KERNELS, 40, screen_cols, NULL, &l);
        int width = l.pane[BB_PANE_TABLE].w;
        ck_assert_int_le(bb_kernels_columns(width, widths), width);
        ck_assert(widths[BB_COL_ERROR] && widths[BB_COL_KERNEL] && widths[BB_COL_TIME] && widths[BB_COL_ROOF]);
        ck_assert(widths[BB_COL_BOUND] == 0 || widths[BB_COL_ISA]); /* the verdict in words goes first */
    }
}
END_TEST

START_TEST(a_run) {
    k->ask.out = k->ask.in = 64;
    ck_assert(says(view->command, "--out 64 --in 64"));
    run(BB_ACT_ENTER);
    size_t n = k->report.n_rows;
    ck_assert_uint_gt(n, 2);
    ck_assert(says(view->notes, "by time"));
    for (size_t i = 1; i < n; i++) ck_assert(k->report.rows[i - 1].ns <= k->report.rows[i].ns);
    act(BB_ACT_LAST);
    const char *marked = k->report.rows[k->marked].kernel;
    act(BB_ACT_SORT);
    ck_assert(says(view->notes, "by error"));
    for (size_t i = 1; i < n; i++) ck_assert(k->report.rows[i - 1].error_rel <= k->report.rows[i].error_rel);
    ck_assert_str_eq(k->report.rows[k->marked].kernel, marked);

    /* once more: the marked one alone, in its place */
    run(BB_ACT_ENTER);
    ck_assert_ptr_nonnull(k->job.only);
    ck_assert(k->report.n_rows == n && strcmp(k->report.rows[k->marked].kernel, marked) == 0);

    /* another shape: the command stays that of the table until it was run */
    act(BB_ACT_RIGHT);
    ck_assert_uint_eq(k->ask.tokens, 2);
    ck_assert(says(view->command, "--tokens 1 ") && says(view->notes, "The table is of 1 x 64 x 64"));
    run(BB_ACT_ENTER);
    ck_assert_ptr_null(k->job.only);
    ck_assert(says(view->command, "--tokens 2 "));
    run(BB_ACT_ALL);
    ck_assert(k->job.only == NULL && k->report.n_rows == n);
}
END_TEST

START_TEST(a_step_that_is_not_possible_says_so) {
    k->ask.in = 32;
    k->field = BB_KERNELS_IN;
    act(BB_ACT_LEFT);
    ck_assert_uint_eq(k->ask.in, 32);
    ck_assert_ptr_nonnull(strstr(app->message, "a multiple of 32"));
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("view_kernels");
    TCase *t = tcase_create("view_kernels");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, columns_fit);
    tcase_add_test(t, a_run);
    tcase_add_test(t, a_step_that_is_not_possible_says_so);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
