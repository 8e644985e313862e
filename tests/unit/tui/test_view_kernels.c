/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_view_kernels.c - the Kernels screen without a terminal: the columns that fit, the kernels of each instruction
 * set, runs and what they leave, and the command that does the same. */
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
    bb_chooser_clear(&app->chooser);
    bb_reader_clear(&app->reader);
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
        ck_assert(widths[BB_COL_ISA] == 0 || widths[BB_COL_SPREAD]);
    }
}
END_TEST

/* Each type once, in the fastest kernel within the instruction set, or once for each level. */
START_TEST(kernels_of_an_isa) {
    for (size_t i = 0; bb_kernels_isa_at(i); i++) {
        const char *name = bb_kernels_isa_at(i);
        ck_assert(bb_kernels_set_isa(k, name) && strcmp(bb_kernels_isa(&k->ask), name) == 0);
        ck_assert(k->n > 0 && k->marked < k->n);
        for (size_t a = 0; a < k->n; a++) {
            const bb_kernel *x = bb_kernel_at(k->list[a]);
            ck_assert(bb_level_runs(x->level) && bb_level_isa(x->level) <= bb_isa_choose(k->ask.isa));
            for (size_t b = 0; b < a; b++)
                ck_assert(k->list[a] != k->list[b] && (k->ask.every || x->family != bb_kernel_at(k->list[b])->family));
        }
    }
    ck_assert_str_eq(bb_kernels_isa(&k->ask), "every"); /* the last of them */
    size_t all = k->n;
    k->marked = k->n - 1;
    const bb_gemm_family *family = bb_kernel_at(k->list[k->marked])->family;
    act(BB_ACT_ISA); /* round to the first */
    ck_assert_str_eq(bb_kernels_isa(&k->ask), "auto");
    ck_assert(k->n <= all && bb_kernel_at(k->list[k->marked])->family == family);
    ck_assert(!bb_kernels_set_isa(k, "no such"));
}
END_TEST

/* ---- made-up measurements ---- */

static bb_bench_row row_of(const bb_kernel *kernel, double ns, double error) {
    bb_bench_row r = {.type = kernel->family->layout->type, .ns = ns, .error_rel = error, .bound_by = "memory"};
    snprintf(r.kernel, sizeof r.kernel, "%s", kernel->family->name);
    snprintf(r.isa, sizeof r.isa, "%s", bb_level_name(kernel->level));
    r.tokens = k->ask.tokens;
    r.out = k->ask.out;
    r.in = k->ask.in;
    r.threads = k->ask.threads;
    r.weight_bytes = 1000;
    r.gops = r.gbps = 1;
    r.roof_ns = 100;
    r.roof_fraction = 100 / ns;
    return r;
}

/* Some of the kernels of the table, each at a time and an error of its own; peers are none of them. */
static void take_made_up(double ns, size_t from, size_t to) {
    bb_bench_report made = {.threads = 1, .rows = calloc(BB_KERNELS_MAX, sizeof(bb_bench_row))};
    for (size_t i = from; i < to; i++)
        made.rows[made.n_rows++] = row_of(bb_kernel_at(k->list[i]), ns + (double)(i * 7 % 5), 1 / (1 + (double)i));
    made.rows[made.n_rows] = row_of(bb_kernel_at(0), 1, 0);
    made.rows[made.n_rows++].peer = true;
    snprintf(made.notes[made.n_notes++], sizeof *made.notes, "a note of the run");
    k->job = k->ask;
    bb_kernels_take(k, &made);
}

START_TEST(orders) {
    ck_assert(bb_kernels_set_isa(k, "scalar") && k->n >= 4);
    take_made_up(500, 1, k->n); /* the first was not measured */
    ck_assert_uint_eq(bb_kernels_measured(k), k->n - 1);
    size_t marked = k->list[k->marked];
    for (int order = 0; order < BB_KERNELS_ORDERS; order++) {
        for (size_t i = 1; i < k->n; i++) {
            const bb_bench_row *a = bb_kernels_result(k, i - 1), *b = bb_kernels_result(k, i);
            if (k->order == BB_BY_NAME) {
                const char *x = bb_kernel_at(k->list[i - 1])->family->name, *y = bb_kernel_at(k->list[i])->family->name;
                ck_assert(strcmp(x, y) < 0);
                continue;
            }
            ck_assert_ptr_nonnull(a); /* what has no figures stands last */
            if (b && k->order == BB_BY_TIME) ck_assert(a->ns <= b->ns);
            if (b && k->order == BB_BY_ROOF) ck_assert(a->roof_fraction >= b->roof_fraction);
            if (b && k->order == BB_BY_ERROR) ck_assert(a->error_rel <= b->error_rel);
        }
        ck_assert(says(view->notes, bb_kernels_order_words(k->order)) && k->list[k->marked] == marked);
        act(BB_ACT_SORT);
    }
    ck_assert(k->order == BB_BY_TIME && says(view->notes, "a note of the run"));
}
END_TEST

/* Runs of one shape add up, another shape starts anew; the command is that of what is seen. */
START_TEST(runs_add_up) {
    ck_assert(bb_kernels_set_isa(k, "scalar"));
    ck_assert(says(view->command, "--out 1024 --in 1024") || says(view->command, "--out 4096"));
    act(BB_ACT_NEXT_FIELD);
    k->ask.out = 64;
    k->ask.in = 256;
    ck_assert_ptr_null(view->table(k, NULL));
    take_made_up(500, 0, 2);
    ck_assert(says(view->command, "bench --tokens 1 --out 64 --in 256 --threads 1 --isa scalar --types f32,"));
    take_made_up(300, 1, k->n);
    ck_assert(bb_kernels_measured(k) == k->n && !says(view->command, "--types") && says(view->command, "--peers off"));
    bb_table *t = view->table(k, NULL);
    ck_assert_uint_eq(bb_table_rows(t), k->n);
    bb_table_free(t);
    k->field = BB_KERNELS_TOKENS;
    act(BB_ACT_RIGHT);
    ck_assert_uint_eq(k->ask.tokens, 2);
    ck_assert(bb_kernels_stale(k) && says(view->command, "--tokens 1 ") &&
              says(view->notes, "The table is of 1 x 64 x 256"));
    take_made_up(400, 2, 3);
    ck_assert(!bb_kernels_stale(k) && bb_kernels_measured(k) == 1 && says(view->command, "--tokens 2 "));
}
END_TEST

/* Every number of the popup follows from the one before. */
START_TEST(formula) {
    bb_str out;
    bb_str_init(&out);
    ck_assert(bb_kernels_set_isa(k, "scalar"));
    bb_kernels_formula(k, 76, &out);
    ck_assert_ptr_nonnull(strstr(bb_str_c(&out), "2 x tokens x out x in"));
    bb_str_clear(&out);
    k->ask.out = k->ask.in = 1000;
    take_made_up(400, 0, k->n);
    k->last.roof.used.read_gbps[BB_TIER_L1] = 4; /* rows begin as of L1 */
    for (int a = 0; a < BB_ARITHS; a++) k->last.roof.used.gops[BB_LEVEL_SCALAR][a] = 20;
    const bb_bench_row *b = bb_kernels_result(k, k->marked);
    char percent[64];
    snprintf(percent, sizeof percent, "0.1 / %.1f = %.0f %%", b->ns / 1000, 100 * b->roof_fraction);
    bb_kernels_formula(k, 76, &out);
    static const char *const parts[] = {"2 x 1 x 1000 x 1000 = 2 M", "1000 B / 4.0 GB/s = 0.2 us",
                                        "2 M / 20.0 GOP/s = 100.0 us", "bound by memory"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ck_assert_msg(strstr(bb_str_c(&out), parts[i]) != NULL, "%s not in:\n%s", parts[i], bb_str_c(&out));
    ck_assert_msg(strstr(bb_str_c(&out), percent) != NULL, "%s not in:\n%s", percent, bb_str_c(&out));
    bb_str_clear(&out);
    app->layout.rows = 24;
    app->layout.cols = 80;
    act(BB_ACT_FORMULA);
    ck_assert(app->mode == BB_MODE_READ);
}
END_TEST

/* ---- real runs ---- */

START_TEST(a_run) {
    k->ask.out = k->ask.in = 64;
    k->ask.seconds = 0.001;
    act(BB_ACT_PICK); /* f32 */
    ck_assert(k->picked[k->list[0]] && k->marked == 1);
    run(BB_ACT_ENTER);
    ck_assert(k->job.n_types == 1 && bb_kernels_measured(k) == 1 && bb_kernels_result(k, 0)->error_rel < 1e-5);
    ck_assert_str_eq(bb_kernels_result(k, 0)->type, "f32");
    run(BB_ACT_ALL); /* but for types whose blocks do not divide 64 */
    size_t n = bb_kernels_measured(k);
    ck_assert(k->job.types == NULL && n > 3);
    for (size_t i = 1; i < n; i++) ck_assert(bb_kernels_result(k, i - 1)->ns <= bb_kernels_result(k, i)->ns);

    /* once more without a pick: the marked one alone, in its place */
    memset(k->picked, 0, sizeof k->picked);
    k->marked = n - 1;
    size_t marked = k->list[k->marked];
    run(BB_ACT_ENTER);
    ck_assert(k->job.n_types == 1 && bb_kernels_measured(k) == n && k->list[k->marked] == marked);
    ck_assert_str_eq(k->job.types[0]->name, bb_kernel_at(marked)->family->layout->type);

    /* another shape: all of it */
    k->field = BB_KERNELS_TOKENS;
    act(BB_ACT_RIGHT);
    run(BB_ACT_ENTER);
    ck_assert(k->job.types == NULL && bb_kernels_measured(k) == n && says(view->command, "--tokens 2 "));
}
END_TEST

START_TEST(cancel) {
    k->ask.seconds = 10;
    act(BB_ACT_ENTER);
    act(BB_ACT_BACK);
    while (k->running) (void)view->tick(app, k);
    ck_assert(k->status == BB_E_CANCELLED && bb_kernels_measured(k) == 0 && strcmp(app->message, "cancelled") == 0);
    act(BB_ACT_ENTER);
    ck_assert(k->running); /* teardown closes the view while it runs */
}
END_TEST

/* ---- fields ---- */

START_TEST(shapes) {
    const bb_kernels_preset *p;
    bb_error err = {.status = BB_OK};
    act(BB_ACT_PRESET);
    ck_assert(app->mode == BB_MODE_CHOOSE && app->field == BB_KERNELS_PRESET);
    for (size_t i = 0; (p = bb_kernels_preset_at(i)) != NULL; i++) {
        k->ask.tokens = 3;
        ck_assert_str_eq(app->chooser.items[i].value, p->name);
        ck_assert(view->accept(app, k, BB_KERNELS_PRESET, p->name, &err));
        ck_assert(k->ask.tokens == (p->tokens ? p->tokens : 3) && k->ask.out == p->out && k->ask.in == p->in);
        char text[32]; /* and each of its numbers is one that the fields take */
        for (int f = BB_KERNELS_TOKENS; f <= BB_KERNELS_IN; f++)
            ck_assert(view->accept(app, k, f, bb_kernels_value(k, f, text), &err));
    }
    ck_assert(!view->accept(app, k, BB_KERNELS_PRESET, "no such", &err));
}
END_TEST

START_TEST(fields) {
    bb_error err = {.status = BB_OK};
    ck_assert(!view->accept(app, k, BB_KERNELS_IN, "33", &err) && strstr(err.text, "a multiple of 32"));
    ck_assert(!view->accept(app, k, BB_KERNELS_OUT, "0", &err) && !view->accept(app, k, BB_KERNELS_OUT, "x", &err));
    ck_assert(view->accept(app, k, BB_KERNELS_THREADS, "2", &err) && k->ask.threads == 2);
    k->field = BB_KERNELS_ISA;
    act(BB_ACT_EDIT);
    ck_assert(app->mode == BB_MODE_CHOOSE && app->chooser.n >= 3);
    ck_assert(view->accept(app, k, BB_KERNELS_ISA, "scalar", &err) && k->ask.isa == BB_ISA_SCALAR);
    act(BB_ACT_LEFT);
    ck_assert_str_eq(bb_kernels_isa(&k->ask), "auto");
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
    tcase_add_test(t, kernels_of_an_isa);
    tcase_add_test(t, orders);
    tcase_add_test(t, runs_add_up);
    tcase_add_test(t, formula);
    tcase_add_test(t, a_run);
    tcase_add_test(t, cancel);
    tcase_add_test(t, shapes);
    tcase_add_test(t, fields);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
