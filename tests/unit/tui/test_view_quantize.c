/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_view_quantize.c - the Quantize screen without a terminal: plan, run, cancel, refusals, order, finding, types,
 * and the columns that fit. */
#include "harness.h"
#include "tui/quantize.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const bb_view *const view = &bb_view_quantize;
static bb_app *app;
static bb_quantize_screen *q;
static char folder[32];
static int before; /* the working folder */

static void open_view(const char *model) {
    void *state = NULL;
    ck_assert_int_eq(view->open(app, model, &state, NULL), BB_OK);
    q = state;
    app->state[BB_SCREEN_QUANTIZE] = state;
    app->screen = BB_SCREEN_QUANTIZE;
}
static void setup(void) {
    strcpy(folder, "/tmp/bb-quantize-XXXXXX");
    before = open(".", O_RDONLY | O_DIRECTORY);
    ck_assert(before >= 0 && mkdtemp(folder) && chdir(folder) == 0);
    app = calloc(1, sizeof *app);
    ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &app->cat, NULL), BB_OK);
    open_view(NULL);
}
static void teardown(void) {
    static const char *const files[] = {"demo.q8_0.gguf", "demo.q4_0.gguf", "other.gguf"};
    view->close(q);
    bb_chooser_clear(&app->chooser);
    bb_reader_clear(&app->reader);
    bb_catalogue_free(app->cat);
    free(app);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) (void)unlink(files[i]);
    ck_assert_int_eq(fchdir(before), 0);
    ck_assert_int_eq(close(before), 0);
    ck_assert_int_eq(rmdir(folder), 0); /* and no temporary is left in it */
}

static void act(bb_action action) { ck_assert(view->act(app, q, action)); }
static void wait_for_end(void) {
    while (q->working) {
        (void)view->tick(app, q);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}
static bool enter(int field, const char *text) {
    bb_error err = {.status = BB_OK};
    return view->accept(app, q, field, text, &err);
}
static bool says(void (*write)(void *state, bb_str *out), const char *part) {
    bb_str out;
    bb_str_init(&out);
    write(q, &out);
    bool has = strstr(bb_str_c(&out), part) != NULL;
    bb_str_clear(&out);
    return has;
}
static bool there(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}
static const bb_quantize_row *row(size_t shown) { return bb_quantize_at(q->job, q->order[shown]); }

START_TEST(columns_fit) {
    for (int cols = BB_MIN_COLS; cols <= 250; cols++)
        for (int shape = 3; shape <= 20; shape++) {
            bb_panes l;
            int widths[BB_QUANTIZE_COLUMNS];
            bb_panes_make(BB_SCREEN_QUANTIZE, 40, cols, NULL, &l);
            int width = l.pane[BB_PANE_TENSORS].w, sum = bb_quantize_columns(width, shape, widths);
            ck_assert_int_le(sum, width);
            ck_assert(widths[BB_QCOL_TENSOR] >= 18 && widths[BB_QCOL_TO] && widths[BB_QCOL_SQNR]);
            ck_assert(widths[BB_QCOL_OUTPUT] || cols < 75);
            ck_assert(!widths[BB_QCOL_COSINE] || widths[BB_QCOL_MAX]); /* the least important goes first */
            ck_assert(!widths[BB_QCOL_SIZE] || widths[BB_QCOL_WORST]);
        }
}
END_TEST

START_TEST(plan_run_and_no_overwriting) {
    ck_assert(says(view->command, "quantize demo -o demo.q4_K_M.gguf --type q4_K_M"));
    ck_assert(q->phase == BB_QUANTIZE_READY && q->n > 30 && !there(q->out));
    ck_assert_ptr_null(view->table(q, NULL)); /* nothing to write yet */
    ck_assert(enter(BB_QUANTIZE_TYPE, "q8_0"));
    ck_assert(says(view->command, "-o demo.q8_0.gguf --type q8_0")); /* the name follows the type */
    uint64_t bytes = bb_quantize_file_bytes(q->job);
    act(BB_ACT_ENTER);
    ck_assert(q->working && q->phase == BB_QUANTIZE_RUNNING);
    ck_assert(!enter(BB_QUANTIZE_TYPE, "q4_0") && !enter(BB_QUANTIZE_OUT, "x.gguf"));
    wait_for_end();
    ck_assert(q->phase == BB_QUANTIZE_DONE && strstr(app->message, "written: demo.q8_0.gguf"));
    struct stat st;
    ck_assert(stat("demo.q8_0.gguf", &st) == 0 && (uint64_t)st.st_size == bytes);

    bb_quantize_sum sum;
    bb_quantize_screen_sum(q, &sum);
    ck_assert(sum.all.done == q->n && sum.all.measured > 0 && sum.all.measured < q->n && sum.low == 0);
    ck_assert_ptr_eq(bb_quantize_at(q->job, q->order[q->marked]), sum.all.worst); /* nobody moved the mark */
    for (size_t i = 0; i < q->n; i++)
        if (row(i)->quantized) ck_assert(row(i)->error.sqnr_db >= sum.all.worst->error.sqnr_db);
    for (size_t i = 0; i < q->n; i++) ck_assert((row(i)->kernel != NULL) == (row(i)->quantized && row(i)->n_dims > 1));
    bb_table *t = view->table(q, NULL);
    ck_assert_uint_eq(bb_table_rows(t), q->n);
    ck_assert(says(view->command, " --output-error") && says(view->notes, "OUT ERR"));
    bb_table_free(t);

    /* again: what is there stays, and the sentence names the way out */
    act(BB_ACT_ENTER);
    wait_for_end();
    ck_assert(q->phase == BB_QUANTIZE_DONE && strstr(app->message, "--force")); /* and what was measured stays */
    ck_assert(stat("demo.q8_0.gguf", &st) == 0 && (uint64_t)st.st_size == bytes);
    ck_assert(enter(BB_QUANTIZE_OUT, "other.gguf") && !enter(BB_QUANTIZE_OUT, ""));
    ck_assert(enter(BB_QUANTIZE_TYPE, "q4_0"));
    ck_assert(says(view->command, "-o other.gguf --type q4_0")); /* a name that was typed stays */
    act(BB_ACT_ENTER);
    wait_for_end();
    ck_assert(q->phase == BB_QUANTIZE_DONE && there("other.gguf"));
}
END_TEST

START_TEST(cancel_leaves_nothing) {
    ck_assert(enter(BB_QUANTIZE_TYPE, "q4_0"));
    for (int try = 0; try < 50 && q->phase != BB_QUANTIZE_CANCELLED; try++) { /* it may be quicker than the key */
        (void)unlink("demo.q4_0.gguf");
        act(BB_ACT_ENTER);
        act(BB_ACT_BACK);
        wait_for_end();
    }
    ck_assert(q->phase == BB_QUANTIZE_CANCELLED && !there("demo.q4_0.gguf"));
    act(BB_ACT_ENTER); /* from the beginning */
    wait_for_end();
    ck_assert(q->phase == BB_QUANTIZE_DONE && there("demo.q4_0.gguf"));
    act(BB_ACT_COMPARE);
    act(BB_ACT_BACK); /* of the types: the rows of the file stay */
    wait_for_end();
    ck_assert(q->phase == BB_QUANTIZE_DONE && q->n_trials == 0);
}
END_TEST

START_TEST(leaving_ends_the_work) {
    act(BB_ACT_ENTER);
    ck_assert(q->working); /* teardown closes the view and looks for what is left */
}
END_TEST

START_TEST(order_keeps_the_mark) {
    ck_assert(enter(BB_QUANTIZE_TYPE, "q4_0"));
    act(BB_ACT_ENTER);
    wait_for_end();
    act(BB_ACT_LAST);
    const bb_quantize_row *marked = bb_quantize_screen_marked(q);
    for (int order = 1; order <= BB_QUANTIZE_ORDERS; order++) {
        act(BB_ACT_SORT);
        ck_assert_ptr_eq(bb_quantize_screen_marked(q), marked);
        ck_assert(says(view->notes, bb_quantize_order_words(q->sort)));
        for (size_t i = 1; i < q->n; i++) {
            const bb_quantize_row *a = row(i - 1), *b = row(i);
            if (q->sort == BB_BY_FILE) ck_assert(a < b);
            if (q->sort == BB_BY_SIZE) ck_assert(a->bytes >= b->bytes);
            if (q->sort == BB_BY_SQNR) ck_assert(a->error.sqnr_db <= b->error.sqnr_db);
            if (q->sort == BB_BY_OUTPUT_ERROR) ck_assert(!b->kernel || a->output_rel >= b->output_rel);
            if (q->sort == BB_BY_MAX_ERROR) ck_assert(a->error.max_abs >= b->error.max_abs);
        }
    }
    ck_assert_int_eq(q->sort, BB_BY_FILE);
}
END_TEST

START_TEST(finding) {
    bb_quantize_screen_begin(q);
    act(BB_ACT_NEXT_MATCH);
    ck_assert_ptr_nonnull(strstr(app->message, "nothing was looked for"));
    ck_assert(enter(BB_QUANTIZE_FIND, "ffn down")); /* as people spell it */
    ck_assert_ptr_nonnull(strstr(app->message, "match 1 of "));
    const bb_quantize_row *first = bb_quantize_screen_marked(q);
    ck_assert_str_eq(first->name, "blk.0.ffn_down.weight");
    act(BB_ACT_NEXT_MATCH);
    ck_assert_str_eq(bb_quantize_screen_marked(q)->name, "blk.1.ffn_down.weight");
    act(BB_ACT_PREV_MATCH);
    ck_assert_ptr_eq(bb_quantize_screen_marked(q), first);
    act(BB_ACT_PREV_MATCH); /* round the end */
    ck_assert_ptr_nonnull(strstr(bb_quantize_screen_marked(q)->name, "ffn_down"));
    ck_assert_ptr_ne(bb_quantize_screen_marked(q), first);
    ck_assert(enter(BB_QUANTIZE_FIND, "no such") && strstr(app->message, "no tensor has 'no such'"));
}
END_TEST

START_TEST(all_types_of_a_tensor) {
    ck_assert(enter(BB_QUANTIZE_FIND, "blk.1.attn_q"));
    act(BB_ACT_COMPARE);
    ck_assert(q->working && q->work == BB_WORK_TRIALS);
    wait_for_end();
    ck_assert(q->n_trials >= 8 && q->tried == q->order[q->marked]);
    ck_assert(app->mode == BB_MODE_READ || app->layout.tiny);
    double q8 = 0, q4 = 0;
    for (size_t i = 0; i < q->n_trials; i++) {
        const bb_quantize_trial *t = &q->trials[i];
        if (i) ck_assert(q->trials[i - 1].bits_per_weight >= t->bits_per_weight);
        if (strcmp(t->type->name, "q8_0") == 0) q8 = t->error.sqnr_db;
        if (strcmp(t->type->name, "q4_0") == 0) q4 = t->error.sqnr_db;
    }
    ck_assert(q8 > q4 && q4 > 10);
    bb_str out;
    bb_str_init(&out);
    bb_quantize_screen_types(q, &out);
    ck_assert_msg(strstr(bb_str_c(&out), "\n> q4_K") != NULL, "%s", bb_str_c(&out)); /* the one that the plan has */
    bb_str_clear(&out);
}
END_TEST

START_TEST(wrong_fields_change_nothing) {
    bb_quantize_screen_begin(q);
    const bb_quantize_job *job = q->job;
    ck_assert(!enter(BB_QUANTIZE_FILE, "no-such-file.gguf"));
    ck_assert(!enter(BB_QUANTIZE_FILE, "llama-3.1-8b")); /* known, but not on this disk */
    ck_assert(!enter(BB_QUANTIZE_TYPE, "q9_Z"));
    ck_assert(!enter(BB_QUANTIZE_IMATRIX, "no-such-file.dat"));
    ck_assert(q->job == job && says(view->command, "quantize demo -o demo.q4_K_M.gguf --type q4_K_M"));
    act(BB_ACT_RIGHT);
    ck_assert_str_ne(q->ftype->name, "q4_K_M");
    act(BB_ACT_LEFT);
    ck_assert_str_eq(q->ftype->name, "q4_K_M");
}
END_TEST

START_TEST(remembered) {
    ck_assert(enter(BB_QUANTIZE_TYPE, "q8_0"));
    ck_assert(says(view->remember, "quantize-file demo\nquantize-type q8_0\n"));
    view->recall(app, q, "quantize-type", "q4_0");
    ck_assert_str_eq(q->ftype->name, "q4_0");
    view->close(q);
    open_view(NULL);
    view->recall(app, q, "quantize-file", "gone.gguf"); /* a file of the last time that is not there any more */
    bb_quantize_screen_begin(q);
    ck_assert(q->phase == BB_QUANTIZE_READY);
    ck_assert_str_eq(q->file, "demo");

    /* what the command line names is not replaced: the screen says why there is nothing */
    view->close(q);
    open_view("gone.gguf");
    bb_quantize_screen_begin(q);
    ck_assert(q->phase == BB_QUANTIZE_NONE && *q->why.text && !says(view->remember, "gone.gguf"));
    act(BB_ACT_SORT);
    act(BB_ACT_LAST);
    act(BB_ACT_COMPARE);
    act(BB_ACT_ENTER); /* offers files */
    ck_assert_int_eq(app->mode, BB_MODE_CHOOSE);
    ck_assert(enter(BB_QUANTIZE_FILE, "demo") && q->phase == BB_QUANTIZE_READY);
    view->close(q);
    open_view("demo");
    view->recall(app, q, "quantize-file", "gone.gguf"); /* what was given wins */
    ck_assert_str_eq(q->file, "demo");
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("view_quantize");
    TCase *t = tcase_create("view_quantize");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, columns_fit);
    tcase_add_test(t, plan_run_and_no_overwriting);
    tcase_add_test(t, cancel_leaves_nothing);
    tcase_add_test(t, leaving_ends_the_work);
    tcase_add_test(t, order_keeps_the_mark);
    tcase_add_test(t, finding);
    tcase_add_test(t, all_types_of_a_tensor);
    tcase_add_test(t, wrong_fields_change_nothing);
    tcase_add_test(t, remembered);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
