/* SPDX-License-Identifier: GPL-3.0-or-later */
/* view_kernels.c - the Kernels screen: one worker measures, the screen watches it. */
#include "base/mem.h"
#include "report/report.h"
#include "tui/kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *work(void *arg) {
    bb_kernels *k = arg;
    k->status = bb_bench_study(&k->job, &k->progress, &k->made, &k->err);
    atomic_store(&k->ended, true);
    return NULL;
}

static bb_status kernels_open(bb_app *app, const char *model, void **state, bb_error *err) {
    (void)app;
    (void)model;
    bb_kernels *k = bb_alloc(1, sizeof *k);
    if (!k) return bb_fail(err, BB_E_NOMEM, "out of memory");
    k->ask = (bb_bench_opts){.tokens = 1, .out = 1024, .in = 1024, .threads = 1, .seed = 1, .seconds = 0.2};
    bb_progress_init(&k->progress);
    atomic_init(&k->ended, false);
    *state = k;
    return BB_OK;
}

static void finish(bb_kernels *k) {
    if (!k->running) return;
    pthread_join(k->thread, NULL);
    k->running = false;
}

static void kernels_close(void *state) {
    bb_kernels *k = state;
    atomic_store(&k->progress.cancel, true);
    bool ran = k->running;
    finish(k);
    if (ran && k->status == BB_OK) bb_bench_report_clear(&k->made);
    bb_bench_report_clear(&k->report);
    free(k);
}

bool bb_kernels_stale(const bb_kernels *k) {
    return k->shown.tokens != k->ask.tokens || k->shown.out != k->ask.out || k->shown.in != k->ask.in ||
           k->shown.threads != k->ask.threads;
}

/* only: a kernel, NULL = all. */
static void start(bb_app *app, bb_kernels *k, const char *only) {
    if (k->running) {
        bb_app_say(app, BB_ROLE_DIM, "running; Esc cancels");
        return;
    }
    bb_progress_init(&k->progress);
    atomic_store(&k->ended, false);
    k->job = k->ask;
    k->job.only = only;
    if (pthread_create(&k->thread, NULL, work, k) != 0)
        bb_app_say(app, BB_ROLE_BAD, "no thread could be started");
    else
        k->running = true;
}

/* By time, by error against float64, by name. */
static int by_time(const void *a, const void *b) {
    const bb_bench_row *x = a, *y = b;
    return (x->ns > y->ns) - (x->ns < y->ns);
}
static int by_error(const void *a, const void *b) {
    const bb_bench_row *x = a, *y = b;
    return (x->error_rel > y->error_rel) - (x->error_rel < y->error_rel);
}
static int by_name(const void *a, const void *b) {
    const bb_bench_row *x = a, *y = b;
    return strcmp(x->kernel, y->kernel);
}

const char *bb_kernels_order_words(bb_kernels_order order) {
    static const char *const words[BB_KERNELS_ORDERS] = {"time", "error", "name"};
    return words[order];
}

/* The mark stays on its kernel. */
static void sort_rows(bb_kernels *k) {
    static int (*const orders[BB_KERNELS_ORDERS])(const void *, const void *) = {by_time, by_error, by_name};
    bb_bench_report *r = &k->report;
    if (!r->n_rows) return;
    bb_bench_row was = r->rows[k->marked < r->n_rows ? k->marked : 0];
    qsort(r->rows, r->n_rows, sizeof *r->rows, orders[k->order]);
    for (size_t i = 0; i < r->n_rows; i++)
        if (strcmp(r->rows[i].kernel, was.kernel) == 0 && strcmp(r->rows[i].isa, was.isa) == 0) k->marked = i;
}

/* What was measured again takes the place of its former row; a whole run takes the place of all. */
static void take_report(bb_kernels *k) {
    if (!k->job.only) {
        bb_bench_report_clear(&k->report);
        k->report = k->made;
        k->shown = k->job;
        sort_rows(k);
        k->marked = 0;
    } else {
        for (size_t i = 0; i < k->made.n_rows; i++)
            for (size_t n = 0; n < k->report.n_rows; n++)
                if (strcmp(k->report.rows[n].kernel, k->made.rows[i].kernel) == 0 &&
                    strcmp(k->report.rows[n].isa, k->made.rows[i].isa) == 0)
                    k->report.rows[n] = k->made.rows[i];
        bb_bench_report_clear(&k->made);
        sort_rows(k);
    }
}

static bool kernels_tick(bb_app *app, void *state) {
    bb_kernels *k = state;
    if (!k->running) return false;
    if (!atomic_load(&k->ended)) return true;
    finish(k);
    if (k->status == BB_OK)
        take_report(k);
    else if (k->status == BB_E_CANCELLED)
        bb_app_say(app, BB_ROLE_DIM, "cancelled");
    else
        bb_app_error(app, &k->err);
    return true;
}

/* ---- fields ---- */

static const char *const labels[BB_KERNELS_FIELDS] = {"tokens", "out", "in", "threads"};
const char *bb_kernels_label(int field) { return labels[field]; }

uint64_t bb_kernels_value(const bb_kernels *k, int f) {
    return f == BB_KERNELS_TOKENS ? k->ask.tokens
           : f == BB_KERNELS_OUT  ? k->ask.out
           : f == BB_KERNELS_IN   ? k->ask.in
                                  : k->ask.threads;
}

static bool set_value(bb_kernels *k, int f, uint64_t v, bb_error *err) {
    static const uint64_t most[BB_KERNELS_FIELDS] = {8192, 65536, 65536, 256};
    if (v == 0 || v > most[f] || (f == BB_KERNELS_IN && v % 32 != 0)) {
        (void)bb_fail(err, BB_E_VALUE, "%s: expected 1 to %llu%s", labels[f], (unsigned long long)most[f],
                      f == BB_KERNELS_IN ? ", a multiple of 32" : "");
        return false;
    }
    if (f == BB_KERNELS_TOKENS)
        k->ask.tokens = v;
    else if (f == BB_KERNELS_OUT)
        k->ask.out = v;
    else if (f == BB_KERNELS_IN)
        k->ask.in = v;
    else
        k->ask.threads = (unsigned)v;
    return true;
}

static bool kernels_accept(bb_app *app, void *state, int field, const char *text, bb_error *err) {
    uint64_t v;
    (void)app;
    if (!bb_parse_u64(text, &v)) {
        (void)bb_fail(err, BB_E_VALUE, "'%.40s' is not a whole number", text);
        return false;
    }
    return set_value(state, field, v, err);
}

static void step(bb_app *app, bb_kernels *k, int direction) {
    uint64_t v = bb_kernels_value(k, k->field);
    uint64_t next = direction > 0 ? v * 2 : v / 2;
    bb_error err = {.status = BB_OK};
    if (!set_value(k, k->field, next, &err)) bb_app_error(app, &err);
}

/* Shapes of a 7B model's matrices: one token and a prompt. */
static void next_preset(bb_kernels *k) {
    static const uint64_t presets[][3] = {
        {1, 1024, 1024}, {1, 4096, 4096}, {1, 11008, 4096}, {64, 1024, 1024}, {64, 4096, 4096}};
    size_t n = sizeof presets / sizeof *presets, at = n - 1;
    for (size_t i = 0; i < n; i++)
        if (presets[i][0] == k->ask.tokens && presets[i][1] == k->ask.out && presets[i][2] == k->ask.in) at = i;
    at = (at + 1) % n;
    k->ask.tokens = presets[at][0];
    k->ask.out = presets[at][1];
    k->ask.in = presets[at][2];
}

static bool kernels_act(bb_app *app, void *state, bb_action action) {
    bb_kernels *k = state;
    char text[32];
    size_t last = k->report.n_rows ? k->report.n_rows - 1 : 0;
    size_t page = app->layout.pane[BB_PANE_TABLE].h > 2 ? (size_t)app->layout.pane[BB_PANE_TABLE].h - 1 : 1;
    switch (action) {
    case BB_ACT_UP:
        k->marked -= k->marked > 0;
        return true;
    case BB_ACT_DOWN:
        k->marked += k->marked < last;
        return true;
    case BB_ACT_FIRST:
        k->marked = 0;
        return true;
    case BB_ACT_LAST:
        k->marked = last;
        return true;
    case BB_ACT_PAGE_UP:
        k->marked -= k->marked < page ? k->marked : page;
        return true;
    case BB_ACT_PAGE_DOWN:
        k->marked = k->marked + page < last ? k->marked + page : last;
        return true;
    case BB_ACT_NEXT_FIELD:
        k->field = (k->field + 1) % BB_KERNELS_FIELDS;
        return true;
    case BB_ACT_PREV_FIELD:
        k->field = (k->field + BB_KERNELS_FIELDS - 1) % BB_KERNELS_FIELDS;
        return true;
    case BB_ACT_LEFT:
    case BB_ACT_LESS:
        step(app, k, -1);
        return true;
    case BB_ACT_RIGHT:
    case BB_ACT_MORE:
        step(app, k, 1);
        return true;
    case BB_ACT_EDIT:
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)bb_kernels_value(k, k->field));
        bb_app_edit(app, k->field, text);
        return true;
    case BB_ACT_ENTER:
        start(app, k, k->report.n_rows && !bb_kernels_stale(k) ? k->report.rows[k->marked].kernel : NULL);
        return true;
    case BB_ACT_ALL:
        start(app, k, NULL);
        return true;
    case BB_ACT_PRESET:
        next_preset(k);
        return true;
    case BB_ACT_SORT:
        k->order = (bb_kernels_order)((k->order + 1) % BB_KERNELS_ORDERS);
        sort_rows(k);
        return true;
    case BB_ACT_BACK:
        if (k->running) atomic_store(&k->progress.cancel, true);
        return true;
    default:
        return false;
    }
}

/* ---- the same elsewhere ---- */

static void kernels_command(void *state, bb_str *out) {
    const bb_kernels *k = state;
    const bb_bench_opts *o = k->report.n_rows ? &k->shown : &k->ask; /* what is seen, as `w` writes it */
    bb_str_addf(out, "bench --tokens %llu --out %llu --in %llu --threads %u --seconds 0.2",
                (unsigned long long)o->tokens, (unsigned long long)o->out, (unsigned long long)o->in, o->threads);
}

static bb_table *kernels_table(void *state, bb_error *err) {
    const bb_kernels *k = state;
    if (!k->report.n_rows) {
        (void)bb_fail(err, BB_E_ARG, "nothing was measured yet: Enter runs");
        return NULL;
    }
    bb_table *t = bb_report_bench(&k->report);
    if (!t) (void)bb_fail(err, BB_E_NOMEM, "out of memory");
    return t;
}

static void kernels_about(void *state, char *text, size_t size) {
    const bb_kernels *k = state;
    (void)snprintf(text, size, "%s", k->report.cpu);
}

static void kernels_notes(void *state, bb_str *out) {
    const bb_kernels *k = state;
    if (!k->report.n_rows) return;
    if (bb_kernels_stale(k))
        bb_str_addf(out, "The table is of %llu x %llu x %llu, threads %u: Enter runs the new shape.\n",
                    (unsigned long long)k->shown.tokens, (unsigned long long)k->shown.out,
                    (unsigned long long)k->shown.in, k->shown.threads);
    bb_str_addf(out, "Rows by %s; o changes the order. Enter measures the marked kernel again.\n",
                bb_kernels_order_words(k->order));
}

static void kernels_remember(void *state, bb_str *out) {
    (void)state;
    (void)out;
}

static void kernels_recall(bb_app *app, void *state, const char *key, const char *value) {
    (void)app;
    (void)state;
    (void)key;
    (void)value;
}

static void kernels_draw(bb_app *app, void *state, const bb_panes *l) { bb_kernels_draw(app, state, l); }

const bb_view bb_view_kernels = {
    .name = "kernels",
    .tab = "Kernels",
    .open = kernels_open,
    .close = kernels_close,
    .draw = kernels_draw,
    .act = kernels_act,
    .accept = kernels_accept,
    .tick = kernels_tick,
    .about = kernels_about,
    .notes = kernels_notes,
    .command = kernels_command,
    .table = kernels_table,
    .remember = kernels_remember,
    .recall = kernels_recall,
};
