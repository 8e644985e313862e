/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_view_plan.c - the Plan screen without a terminal: what fields keep and forget, what stands beside a value, what
 * is solved, compared and remembered. */
#include "base/units.h"
#include "harness.h"
#include "tui/plan_screen.h"
#include <string.h>
#include <sys/stat.h>

static const bb_view *const view = &bb_view_plan;
static bb_app *app;
static bb_plan_screen *plan;

static void open_view(const char *model) {
    void *state = NULL;
    ck_assert_int_eq(view->open(app, model, &state, NULL), BB_OK);
    plan = state;
    app->state[BB_SCREEN_PLAN] = state;
    app->screen = BB_SCREEN_PLAN;
}
static void setup(void) {
    app = calloc(1, sizeof *app);
    ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &app->cat, NULL), BB_OK);
    open_view(NULL);
}
static void teardown(void) {
    view->close(plan);
    bb_catalogue_free(app->cat);
    free(app);
}

static bool enter(bb_plan_field field, const char *text) {
    bb_error err = {.status = BB_OK};
    return view->accept(app, plan, (int)field, text, &err);
}
/* The keys that come later find everything there. */
static void settle(void) {
    while (bb_plan_screen_work(plan)) {
    }
}
static bool command_has(const char *part) {
    bb_str out;
    bb_str_init(&out);
    view->command(plan, &out);
    bool has = strstr(bb_str_c(&out), part) != NULL;
    bb_str_clear(&out);
    return has;
}
static bool remembers(const char *part) {
    bb_str out;
    bb_str_init(&out);
    view->remember(plan, &out);
    bool has = strstr(bb_str_c(&out), part) != NULL;
    bb_str_clear(&out);
    return has;
}
static const char *beside(bb_plan_field field, int step) {
    static char text[128];
    ck_assert(bb_plan_screen_beside(plan, field, step, text, sizeof text));
    return text;
}
static const char *shown(bb_plan_field field) {
    static char text[160];
    return bb_plan_screen_value(plan, field, text, sizeof text);
}

START_TEST(layers_are_a_field) {
    ck_assert_str_eq(shown(BB_PLAN_LAYERS), "all");
    ck_assert(enter(BB_PLAN_LAYERS, "20"));
    ck_assert_str_eq(shown(BB_PLAN_LAYERS), "20 of 33");
    ck_assert(command_has("--gpu-layers 20"));
    ck_assert_str_eq(beside(BB_PLAN_LAYERS, 1), "21");
    ck_assert_str_eq(beside(BB_PLAN_LAYERS, -1), "19");
    ck_assert(!enter(BB_PLAN_LAYERS, "34") && !enter(BB_PLAN_LAYERS, "few"));
    ck_assert(enter(BB_PLAN_GPU, "T4"));
    ck_assert(!command_has("--gpu-layers")); /* another card, another share */
    ck_assert(enter(BB_PLAN_LAYERS, "0"));
    ck_assert(enter(BB_PLAN_MODEL, "demo"));
    ck_assert(!command_has("--gpu-layers"));
    ck_assert(enter(BB_PLAN_LAYERS, "2"));
    ck_assert(enter(BB_PLAN_GPU, "24GiB") && !command_has("--gpu-layers"));
    ck_assert(enter(BB_PLAN_LAYERS, "2"));
    ck_assert(enter(BB_PLAN_GPU, "none") && !command_has("--gpu-layers"));
    ck_assert_str_eq(shown(BB_PLAN_LAYERS), "-");
    ck_assert(!enter(BB_PLAN_LAYERS, "2"));
}
END_TEST

/* A short name that two rows begin with finds none. */
START_TEST(known_cards) {
    const char *name;
    size_t n = 0;
    for (; (name = bb_plan_known_card(n)); n++) {
        const bb_gpu *g = bb_gpu_find(app->cat, name, NULL);
        ck_assert_msg(g && strcmp(g->name, name) == 0 && g->usable_bytes, "%s", name);
        for (size_t k = 0; k < n; k++) ck_assert_str_ne(name, bb_plan_known_card(k));
    }
    settle();
    ck_assert_uint_eq(plan->n_cards, n);
}
END_TEST

static size_t way_of(bb_way_change change) {
    size_t i = 0;
    while (i < plan->n_ways && plan->ways[i].change != change) i++;
    ck_assert_uint_lt(i, plan->n_ways);
    return i;
}

/* Enter takes the marked way, a digit the one of its number, and only where the ways have the focus. */
START_TEST(ways_out) {
    ck_assert(enter(BB_PLAN_MODEL, "llama-3.1-70b"));
    settle();
    size_t at = way_of(BB_WAY_LAYERS), first = BB_PLAN_FIELDS + bb_plan_screen_lines(plan);
    bb_action digit = (bb_action)(BB_ACT_SCREEN_1 + (int)at);
    ck_assert(!view->act(app, plan, digit));
    for (int by_digit = 0; by_digit < 2; by_digit++) {
        settle();
        plan->focus = by_digit ? first : first + at;
        ck_assert(view->act(app, plan, by_digit ? digit : BB_ACT_ENTER));
        ck_assert(plan->plan.fits == BB_FITS_YES && strstr(shown(BB_PLAN_LAYERS), " of 81"));
        ck_assert(command_has("--gpu-layers"));
        ck_assert(view->act(app, plan, BB_ACT_UNDO));
        ck_assert_str_eq(shown(BB_PLAN_LAYERS), "all");
    }
}
END_TEST

/* The command says what the screen says: every option that a field sets is there, and a fresh screen has none. */
START_TEST(several_cards) {
    ck_assert_str_eq(shown(BB_PLAN_GPUS), "1");
    ck_assert_str_eq(shown(BB_PLAN_SPLIT), "-");
    ck_assert(!enter(BB_PLAN_SPLIT, "row"));
    ck_assert(enter(BB_PLAN_GPU, "RTX 3090x2"));
    ck_assert_str_eq(shown(BB_PLAN_GPUS), "2");
    ck_assert_str_eq(shown(BB_PLAN_SPLIT), "layer");
    ck_assert_uint_eq(plan->plan.n_devices, 3);
    ck_assert(command_has("--gpu 'RTX 3090x2'"));
    ck_assert_str_eq(beside(BB_PLAN_GPUS, 1), "3");
    ck_assert_str_eq(beside(BB_PLAN_GPU, 1), "RTX 3080 Tix2");
    ck_assert(enter(BB_PLAN_SPLIT, "none") && command_has("--split-mode none"));
    ck_assert(enter(BB_PLAN_GPUS, "1") && !command_has("--split-mode"));
    ck_assert(!enter(BB_PLAN_GPUS, "0") && !enter(BB_PLAN_GPUS, "17") && !enter(BB_PLAN_GPU, "RTX 3090x17"));
    ck_assert(enter(BB_PLAN_GPU, "RTX 3090,RTX 4090") && command_has("--gpu 'RTX 3090,RTX 4090'"));
    ck_assert(enter(BB_PLAN_GPU, "24GiBx4") && command_has("--memory 25769803776B --gpus 4"));
    ck_assert(remembers("gpu 25769803776Bx4\n"));
    ck_assert(!enter(BB_PLAN_GPU, "2048PiB") && !enter(BB_PLAN_GPU, "24GiBx0"));
    ck_assert(enter(BB_PLAN_GPU, "none") && !enter(BB_PLAN_GPUS, "2"));
    ck_assert_str_eq(shown(BB_PLAN_GPUS), "0");
}
END_TEST

/* An engine that was named stays until auto; types that it does not take give way. */
START_TEST(engines) {
    ck_assert_str_eq(shown(BB_PLAN_ENGINE), "llama.cpp");
    ck_assert(!command_has("--engine"));
    ck_assert(enter(BB_PLAN_LAYERS, "20"));
    ck_assert(enter(BB_PLAN_ENGINE, "hf"));
    ck_assert(command_has("--engine hf") && !command_has("--weights") && !command_has("--gpu-layers"));
    ck_assert_str_eq(plan->plan.used.weights, "bf16");
    ck_assert(view->act(app, plan, BB_ACT_UNDO));
    ck_assert(!command_has("--engine") && command_has("--gpu-layers 20"));
    ck_assert(enter(BB_PLAN_ENGINE, "hf") && enter(BB_PLAN_ENGINE, "auto") && !command_has("--engine"));
    ck_assert(!enter(BB_PLAN_ENGINE, "no such engine"));
    ck_assert_str_eq(shown(BB_PLAN_ENGINE), "hf"); /* what is left of the types means it */
}
END_TEST

/* What s puts into a field fits, and a step further does not. */
/* Back to the start is the first screen again, from wherever; and it can be undone. */
START_TEST(back_to_the_start) {
    char first[256], now[256];
    bb_str out;
    for (int given = 0; given < 2; given++) {
        view->close(plan);
        app->cards = given ? "RTX 3090x2" : NULL;
        open_view(given ? "demo" : NULL);
        ck_assert_str_eq(plan->ask.cards[0].name, given ? "RTX 3090" : "RTX 4090");
        ck_assert_uint_eq(plan->ask.n_cards, given ? 2 : 1);
        bb_str_init(&out);
        view->command(plan, &out);
        ck_assert_uint_lt(out.len, sizeof first);
        strcpy(first, bb_str_c(&out));
        bb_str_clear(&out);
        ck_assert(enter(BB_PLAN_MODEL, "qwen3-8b") && enter(BB_PLAN_ENGINE, "hf") && enter(BB_PLAN_GPU, "T4"));
        ck_assert(enter(BB_PLAN_CTX, "1234") && enter(BB_PLAN_SEQS, "3") && enter(BB_PLAN_PURPOSE, "load"));
        plan->focus = 3;
        ck_assert(view->act(app, plan, BB_ACT_RESET));
        bb_str_init(&out);
        view->command(plan, &out);
        (void)snprintf(now, sizeof now, "%s", bb_str_c(&out));
        bb_str_clear(&out);
        ck_assert_str_eq(now, first);
        ck_assert_uint_eq(plan->focus, 0);
        ck_assert(view->act(app, plan, BB_ACT_UNDO) && command_has("plan qwen3-8b") && command_has("--ctx 1234"));
    }
    app->cards = NULL;
}
END_TEST

/* Each says what is expected instead. */
START_TEST(contexts_that_are_none) {
    static const char *const bad[] = {"0", "1e18", "many", "-1", "1099511627777", "99999999999999999999", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bb_error err = {.status = BB_OK};
        ck_assert(!view->accept(app, plan, BB_PLAN_CTX, bad[i], &err));
        ck_assert_msg(strstr(err.text, "expected 1 to 1099511627776 tokens"), "%s", err.text);
    }
    ck_assert(enter(BB_PLAN_CTX, "32k") && command_has("--ctx 32768"));
}
END_TEST

START_TEST(solve_each_field) {
    static const struct {
        bb_plan_field field;
        const char *cards;
    } rows[] = {{BB_PLAN_CTX, "20GiB"},   {BB_PLAN_SEQS, "20GiB"}, {BB_PLAN_KV, "9GiB"},    {BB_PLAN_WEIGHTS, "6GiB"},
                {BB_PLAN_LAYERS, "4GiB"}, {BB_PLAN_GPU, "20GiB"},  {BB_PLAN_MODEL, "20GiB"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert(view->act(app, plan, BB_ACT_RESET));
        ck_assert(enter(BB_PLAN_MODEL, "llama-3.1-8b"));
        ck_assert(enter(BB_PLAN_GPU, rows[i].cards));
        plan->focus = rows[i].field;
        ck_assert(view->act(app, plan, BB_ACT_SOLVE));
        ck_assert_msg(app->message_role == BB_ROLE_OK && plan->plan.fits == BB_FITS_YES, "field %d: %s",
                      (int)rows[i].field, app->message);
        ck_assert(view->act(app, plan, BB_ACT_UNDO));
        ck_assert_str_eq(plan->model_text, "llama-3.1-8b");
    }
    ck_assert(enter(BB_PLAN_GPU, "none"));
    ck_assert(view->act(app, plan, BB_ACT_SOLVE) && app->message_role == BB_ROLE_WARN);
}
END_TEST

static const char *composed(bb_compose compose) {
    static char text[4096];
    bb_str out;
    bb_str_init(&out);
    compose(app, 74, &out);
    (void)snprintf(text, sizeof text, "%s", bb_str_c(&out));
    bb_str_clear(&out);
    return text;
}

START_TEST(compare_marks_what_differs) {
    ck_assert(view->act(app, plan, BB_ACT_KEEP));
    ck_assert_ptr_null(strstr(composed(bb_plan_compose_compare), " * ")); /* the same plan twice */
    ck_assert(enter(BB_PLAN_WEIGHTS, "q8_0"));
    const char *text = composed(bb_plan_compose_compare);
    ck_assert_ptr_nonnull(strstr(text, "* q8_0"));
    ck_assert_ptr_null(strstr(text, "* llama-3.1-8b"));
}
END_TEST

/* Parts stand below their line; without a marked line all lines are there. */
START_TEST(formula) {
    plan->focus = BB_PLAN_FIELDS;
    const char *text = composed(bb_plan_compose_formula);
    ck_assert(strstr(text, "weights on gpu0") && !strstr(text, "kv_cache"));
    plan->focus = BB_PLAN_CTX;
    text = composed(bb_plan_compose_formula);
    ck_assert(strstr(text, "weights on gpu0") && strstr(text, "kv_cache on gpu0") && strstr(text, "source:"));
}
END_TEST

/* Errors of the rungs are the measured ones, and grow as the bits shrink (none of these types is beaten by a narrower
 * one). */
START_TEST(ladder) {
    settle();
    ck_assert_uint_ge(plan->n_rungs, 6);
    for (size_t i = 1; i < plan->n_rungs; i++) {
        ck_assert(plan->rungs[i].bits < plan->rungs[i - 1].bits);
        ck_assert(plan->rungs[i].error > plan->rungs[i - 1].error);
        ck_assert_uint_lt(plan->rungs[i].total_bytes, plan->rungs[i - 1].total_bytes);
    }
}
END_TEST

/* Every step is another plan, one way is the other's way back, and what is not in the list has its place there. */
START_TEST(weights_beside) {
    ck_assert(enter(BB_PLAN_MODEL, "7b"));
    ck_assert_str_eq(plan->plan.used.weights, "q4_K_M");
    ck_assert_str_eq(beside(BB_PLAN_WEIGHTS, 1), "q4_K_S");
    ck_assert_str_eq(beside(BB_PLAN_WEIGHTS, -1), "q5_K_S");
    ck_assert(enter(BB_PLAN_WEIGHTS, "q4_K"));
    ck_assert_str_eq(beside(BB_PLAN_WEIGHTS, 1), "q4_K_M");
    ck_assert_str_eq(beside(BB_PLAN_WEIGHTS, -1), "q5_K_S");
    ck_assert(enter(BB_PLAN_WEIGHTS, "q4_1"));
    ck_assert_str_ne(beside(BB_PLAN_WEIGHTS, 1), "f32");
    ck_assert(enter(BB_PLAN_MODEL, "llama-3.1-8b"));
    ck_assert(enter(BB_PLAN_WEIGHTS, "q6_K"));
    for (int i = 0; i < 12; i++) {
        char was[24];
        strcpy(was, plan->plan.used.weights);
        ck_assert(enter(BB_PLAN_WEIGHTS, beside(BB_PLAN_WEIGHTS, 1)));
        ck_assert(plan->planned && strcmp(plan->plan.used.weights, was) != 0);
        ck_assert_str_eq(beside(BB_PLAN_WEIGHTS, -1), was);
    }
}
END_TEST

START_TEST(tab_reaches_every_box) {
    size_t seen = 0;
    ck_assert(enter(BB_PLAN_MODEL, "llama-3.1-70b"));
    settle();
    size_t lines = bb_plan_screen_lines(plan);
    for (size_t i = 0; i < BB_PLAN_FIELDS + 2; i++) {
        seen |= (size_t)1 << plan->focus;
        ck_assert(view->act(app, plan, BB_ACT_NEXT_FIELD));
    }
    ck_assert_uint_eq(plan->focus, 0);
    ck_assert(seen >> BB_PLAN_FIELDS & 1 && seen >> (BB_PLAN_FIELDS + lines) & 1);
    ck_assert(view->act(app, plan, BB_ACT_PREV_FIELD));
    ck_assert_uint_eq(plan->focus, BB_PLAN_FIELDS + lines);
    app->layout.pane[BB_PANE_LINES].h = 6;
    ck_assert(view->act(app, plan, BB_ACT_PAGE_UP));
    ck_assert_uint_eq(plan->focus, BB_PLAN_FIELDS + lines - 5);
}
END_TEST

START_TEST(remembered) {
    ck_assert(enter(BB_PLAN_GPU, "20GiB"));
    ck_assert(remembers("gpu 21474836480B\n"));
    ck_assert(enter(BB_PLAN_GPU, "none"));
    view->recall(app, plan, "gpu", "21474836480B");
    ck_assert_uint_eq(plan->plan.limit_bytes, (uint64_t)20 << 30);
    /* a model of the command line leaves what was remembered alone */
    view->close(plan);
    open_view("7b");
    view->recall(app, plan, "model", "llama-3.1-70b");
    view->recall(app, plan, "gpu", "T4");
    ck_assert_str_eq(plan->model->title, "7b");
    ck_assert(remembers("model llama-3.1-70b\n") && remembers("gpu T4\n"));
}
END_TEST

START_TEST(long_paths) {
    char path[512] = "/tmp/bb-plan-XXXXXX", file[512], demo[400], name[101];
    ck_assert_ptr_nonnull(mkdtemp(path));
    size_t top = strlen(path);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(path);
        (void)snprintf(path + n, sizeof path - n, "/%s", name);
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    ck_assert_int_eq(bb_data_path("demo.gguf", demo, sizeof demo, NULL), BB_OK);
    char *whole = realpath(demo, NULL);
    ck_assert_int_lt(snprintf(file, sizeof file, "%.*s/demo.gguf", 480, path), 500);
    ck_assert_int_eq(symlink(whole, file), 0);
    bool ok = enter(BB_PLAN_MODEL, file);
    free(whole);
    (void)unlink(file);
    for (size_t n = strlen(path); n > top; n -= sizeof name) {
        path[n] = 0;
        (void)rmdir(path);
    }
    path[top] = 0;
    (void)rmdir(path);
    ck_assert(ok && strcmp(plan->model_text, file) == 0);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("view_plan");
    TCase *t = tcase_create("view_plan");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, back_to_the_start);
    tcase_add_test(t, contexts_that_are_none);
    tcase_add_test(t, layers_are_a_field);
    tcase_add_test(t, known_cards);
    tcase_add_test(t, ways_out);
    tcase_add_test(t, several_cards);
    tcase_add_test(t, engines);
    tcase_add_test(t, solve_each_field);
    tcase_add_test(t, compare_marks_what_differs);
    tcase_add_test(t, formula);
    tcase_add_test(t, ladder);
    tcase_add_test(t, weights_beside);
    tcase_add_test(t, tab_reaches_every_box);
    tcase_add_test(t, remembered);
    tcase_add_test(t, long_paths);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
