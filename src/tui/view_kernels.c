/* SPDX-License-Identifier: GPL-3.0-or-later */
/* view_kernels.c - the Kernels screen: one worker measures, the screen watches it. */
#include "base/mem.h"
#include "report/report.h"
#include "tui/app.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { F_TOKENS, F_OUT, F_IN, F_THREADS, FIELDS };

typedef struct kernels {
    bb_bench_opts ask;
    int field;
    size_t marked, order;
    bb_bench_report report; /* the last that ended well; n_rows 0 = none */
    bb_bench_opts shown;    /* of that report */
    /* the worker: started and joined by the thread of the screen only */
    pthread_t thread;
    bool running;
    atomic_bool ended;
    bb_progress progress;
    bb_bench_opts job;
    bb_bench_report made;
    bb_status status;
    bb_error err;
} kernels;

static void *work(void *arg) {
    kernels *k = arg;
    k->status = bb_bench_study(&k->job, &k->progress, &k->made, &k->err);
    atomic_store(&k->ended, true);
    return NULL;
}

static bb_status kernels_open(bb_app *app, const char *model, void **state, bb_error *err) {
    (void)app;
    (void)model;
    kernels *k = bb_alloc(1, sizeof *k);
    if (!k) return bb_fail(err, BB_E_NOMEM, "out of memory");
    k->ask = (bb_bench_opts){.tokens = 1, .out = 1024, .in = 1024, .threads = 1, .seed = 1, .seconds = 0.2};
    bb_progress_init(&k->progress);
    atomic_init(&k->ended, false);
    *state = k;
    return BB_OK;
}

static void finish(kernels *k) {
    if (!k->running) return;
    pthread_join(k->thread, NULL);
    k->running = false;
}

static void kernels_close(void *state) {
    kernels *k = state;
    atomic_store(&k->progress.cancel, true);
    bool ran = k->running;
    finish(k);
    if (ran && k->status == BB_OK) bb_bench_report_clear(&k->made);
    bb_bench_report_clear(&k->report);
    free(k);
}

static void start(bb_app *app, kernels *k) {
    if (k->running) {
        bb_app_say(app, BB_ROLE_DIM, "running; Esc cancels");
        return;
    }
    bb_progress_init(&k->progress);
    atomic_store(&k->ended, false);
    k->job = k->ask;
    if (pthread_create(&k->thread, NULL, work, k) != 0)
        bb_app_say(app, BB_ROLE_BAD, "no thread could be started");
    else
        k->running = true;
}

static bool kernels_tick(bb_app *app, void *state) {
    kernels *k = state;
    if (!k->running) return false;
    if (!atomic_load(&k->ended)) return true;
    finish(k);
    if (k->status == BB_OK) {
        bb_bench_report_clear(&k->report);
        k->report = k->made;
        k->shown = k->job;
        if (k->marked >= k->report.n_rows) k->marked = 0;
    } else if (k->status == BB_E_CANCELLED)
        bb_app_say(app, BB_ROLE_DIM, "cancelled");
    else
        bb_app_error(app, &k->err);
    return true;
}

/* ---- fields ---- */

static const char *const labels[FIELDS] = {"tokens", "out", "in", "threads"};

static uint64_t value_of(const kernels *k, int f) {
    return f == F_TOKENS ? k->ask.tokens : f == F_OUT ? k->ask.out : f == F_IN ? k->ask.in : k->ask.threads;
}

static bool set_value(kernels *k, int f, uint64_t v, bb_error *err) {
    static const uint64_t most[FIELDS] = {8192, 65536, 65536, 256};
    if (v == 0 || v > most[f] || (f == F_IN && v % 32 != 0)) {
        (void)bb_fail(err, BB_E_VALUE, "%s: expected 1 to %llu%s", labels[f], (unsigned long long)most[f],
                      f == F_IN ? ", a multiple of 32" : "");
        return false;
    }
    if (f == F_TOKENS)
        k->ask.tokens = v;
    else if (f == F_OUT)
        k->ask.out = v;
    else if (f == F_IN)
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

static void step(kernels *k, int direction) {
    uint64_t v = value_of(k, k->field);
    uint64_t next = direction > 0 ? v * 2 : v / 2;
    (void)set_value(k, k->field, next, NULL);
}

/* Shapes of a 7B model's matrices: one token and a prompt. */
static void next_preset(kernels *k) {
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

/* By time, then by error, then as the kernels are listed. */
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

static void sort_rows(kernels *k) {
    static int (*const orders[])(const void *, const void *) = {by_time, by_error, by_name};
    if (k->report.n_rows) qsort(k->report.rows, k->report.n_rows, sizeof *k->report.rows, orders[k->order]);
    k->order = (k->order + 1) % (sizeof orders / sizeof *orders);
}

static bool kernels_act(bb_app *app, void *state, bb_action action) {
    kernels *k = state;
    char text[32];
    size_t last = k->report.n_rows ? k->report.n_rows - 1 : 0;
    switch (action) {
    case BB_ACT_UP:
        k->marked -= k->marked > 0;
        return true;
    case BB_ACT_DOWN:
        k->marked += k->marked < last;
        return true;
    case BB_ACT_FIRST:
    case BB_ACT_PAGE_UP:
        k->marked = 0;
        return true;
    case BB_ACT_LAST:
    case BB_ACT_PAGE_DOWN:
        k->marked = last;
        return true;
    case BB_ACT_NEXT_FIELD:
        k->field = (k->field + 1) % FIELDS;
        return true;
    case BB_ACT_PREV_FIELD:
        k->field = (k->field + FIELDS - 1) % FIELDS;
        return true;
    case BB_ACT_LEFT:
    case BB_ACT_LESS:
        step(k, -1);
        return true;
    case BB_ACT_RIGHT:
    case BB_ACT_MORE:
        step(k, 1);
        return true;
    case BB_ACT_EDIT:
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value_of(k, k->field));
        bb_app_edit(app, k->field, text);
        return true;
    case BB_ACT_ENTER:
        start(app, k);
        return true;
    case BB_ACT_PRESET:
        next_preset(k);
        return true;
    case BB_ACT_SORT:
        sort_rows(k);
        return true;
    case BB_ACT_BACK:
        if (k->running) atomic_store(&k->progress.cancel, true);
        return true;
    default:
        return false;
    }
}

/* ---- drawing ---- */

static void draw_shape(const bb_app *app, const kernels *k, const bb_layout *l) {
    const bb_rect *p = &l->pane[BB_PANE_SHAPE];
    static const int at[FIELDS] = {7, 22, 34, 45};
    char text[32];
    (void)bb_put(p->y, p->x, 6, BB_ROLE_HEAD, "Shape");
    for (int f = 0; f < FIELDS; f++) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value_of(k, f));
        bb_field_draw(app, f, k->field == f, p->y, p->x + at[f], (int)strlen(labels[f]) + 1, 14, labels[f], text);
    }
    if (k->running) {
        uint64_t total = atomic_load(&k->progress.total), done = atomic_load(&k->progress.done);
        (void)snprintf(text, sizeof text, "running %3.0f%%", total ? 100.0 * (double)done / (double)total : 0);
        bb_put_right(p->y, p->x + 60, p->w - 61, BB_ROLE_WARN, text);
    } else if (k->report.n_rows)
        bb_put_right(p->y, p->x + 60, p->w - 61, BB_ROLE_DIM, "ISA scalar");
}

static void draw_roof(const kernels *k, const bb_layout *l) {
    const bb_rect *p = &l->pane[BB_PANE_ROOF];
    const bb_bench_report *r = &k->report;
    if (!r->n_rows) {
        (void)bb_put(p->y, p->x, p->w, BB_ROLE_DIM, "Roof   measured with the first run: press Enter");
        if (l->wide) bb_title_draw(l, p, BB_ROLE_TITLE, "Roof");
        return;
    }
    if (l->wide) {
        bb_title_draw(l, p, BB_ROLE_TITLE, "Roof, one thread, measured");
        (void)bb_putf(p->y, p->x, p->w, BB_ROLE_TEXT, "read  %8.1f GB/s", r->read_gbps);
        (void)bb_putf(p->y + 1, p->x, p->w, BB_ROLE_TEXT, "fp32  %8.1f GFLOP/s", r->fp32_gops);
        (void)bb_putf(p->y + 2, p->x, p->w, BB_ROLE_TEXT, "int8  %8.1f GOP/s", r->int8_gops);
        return;
    }
    (void)bb_putf(p->y, p->x, p->w, BB_ROLE_TEXT,
                  "Roof   read %.1f GB/s   fp32 %.1f GFLOP/s   int8 %.1f GOP/s   (measured)", r->read_gbps,
                  r->fp32_gops, r->int8_gops);
}

static void draw_table(const kernels *k, const bb_layout *l) {
    const bb_rect *p = &l->pane[BB_PANE_TABLE];
    const bb_bench_report *r = &k->report;
    if (p->h < 2) return;
    (void)bb_putf(p->y, p->x, p->w, BB_ROLE_HEAD, " %-10s %-7s %10s %5s %7s %7s %6s  %-8s %8s", "KERNEL", "ISA",
                  "TIME us", "+-%", "GOP/s", "GB/s", "%ROOF", "bound", "REL ERR");
    if (!r->n_rows) {
        (void)bb_put(p->y + 1, p->x + 1, p->w, BB_ROLE_DIM,
                     k->running ? "measuring"
                                : "Enter runs every kernel on this shape and measures its error against float64.");
        return;
    }
    size_t room = (size_t)p->h - 1, top = bb_scroll(k->marked, r->n_rows, room);
    for (size_t i = top; i < r->n_rows && i < top + room; i++) {
        const bb_bench_row *b = &r->rows[i];
        bool focus = i == k->marked;
        int y = p->y + 1 + (int)(i - top);
        (void)bb_putf(y, p->x, p->w, focus ? BB_ROLE_FOCUS : BB_ROLE_TEXT,
                      "%s%-10s %-7s %10.1f %5.1f %7.1f %7.1f %6.0f  %-8s %8.1e", focus ? ">" : " ", b->kernel, b->isa,
                      b->ns / 1000, 100 * b->spread, b->gops, b->gbps, 100 * b->roof_fraction, b->bound_by,
                      b->error_rel);
    }
}

/* Operations for each byte of weights. */
static double intensity(const bb_bench_row *b) { return b->gops / b->gbps; }

static int to_cell(double v, double low, double high, int cells) {
    double t = (log2(v) - log2(low)) / (log2(high) - log2(low));
    int c = (int)lround(t * (cells - 1));
    return c < 0 ? 0 : c >= cells ? cells - 1 : c;
}

/* Roofline on two logarithmic axes: speed over operations per byte. */
static void draw_plot(const kernels *k, const bb_layout *l) {
    const bb_rect *p = &l->pane[BB_PANE_PLOT];
    const bb_bench_report *r = &k->report;
    if (p->h < 5 || p->w < 30 || !r->n_rows) return;
    double x_low = 0.25, x_high = 8, y_high = r->fp32_gops > r->int8_gops ? r->fp32_gops : r->int8_gops, y_low = y_high;
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_bench_row *b = &r->rows[i];
        if (intensity(b) * 2 > x_high) x_high = intensity(b) * 2;
        if (intensity(b) / 2 < x_low) x_low = intensity(b) / 2;
        if (b->gops > y_high) y_high = b->gops;
        if (b->gops < y_low) y_low = b->gops;
    }
    y_low /= 2;
    y_high *= 1.2;
    int left = p->x + 8, w = p->w - 10, h = p->h - 2, bottom = p->y + h;
    (void)bb_put(p->y, p->x, 8, BB_ROLE_HEAD, "GOP/s");
    for (int i = 1; i < h; i++) (void)bb_put(p->y + i, left - 1, 1, BB_ROLE_DIM, "|");
    (void)bb_putf(p->y + 1, p->x, 7, BB_ROLE_DIM, "%6.4g", y_high);
    (void)bb_putf(bottom - 1, p->x, 7, BB_ROLE_DIM, "%6.3g", y_low);
    bb_put_times(bottom, left - 1, w, BB_ROLE_DIM, "-");
    (void)bb_putf(bottom + 1, left, w, BB_ROLE_DIM, "%-10.3g%*s", x_low, w - 12, "operations per byte of weights");
    for (int c = 0; c < w; c++) {
        double x = x_low * exp2((double)c / (w - 1) * log2(x_high / x_low)), y = x * r->read_gbps;
        double peak = r->fp32_gops > r->int8_gops ? r->fp32_gops : r->int8_gops;
        if (y > peak) y = peak;
        if (y < y_low) continue;
        (void)bb_put(bottom - 1 - to_cell(y, y_low, y_high, h - 1), left + c, 1, BB_ROLE_DIM, y == peak ? "_" : ".");
    }
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_bench_row *b = &r->rows[i];
        int x = left + to_cell(intensity(b), x_low, x_high, w), y = bottom - 1 - to_cell(b->gops, y_low, y_high, h - 1);
        (void)bb_put(y, x, w - (x - left), i == k->marked ? BB_ROLE_FOCUS : BB_ROLE_OK, i == k->marked ? b->type : "x");
    }
}

static void draw_speed(const kernels *k, const bb_layout *l) {
    const bb_rect *p = &l->pane[BB_PANE_SPEED];
    const bb_bench_report *r = &k->report;
    if (p->h < 1 || !r->n_rows) return;
    bb_title_draw(l, p, BB_ROLE_TITLE, "Error against speed");
    double fastest = 0;
    for (size_t i = 0; i < r->n_rows; i++) fastest = r->rows[i].gops > fastest ? r->rows[i].gops : fastest;
    for (size_t i = 0; i < r->n_rows && (int)i < p->h; i++) {
        const bb_bench_row *b = &r->rows[i];
        int room = p->w - 22, n = fastest > 0 ? (int)lround(b->gops / fastest * room) : 0;
        (void)bb_put(p->y + (int)i, p->x, 6, BB_ROLE_TEXT, b->type);
        bb_put_times(p->y + (int)i, p->x + 7, n, BB_ROLE_WEIGHTS, "█");
        (void)bb_putf(p->y + (int)i, p->x + p->w - 12, 12, BB_ROLE_TEXT, "%8.1e", b->error_rel);
    }
}

static void kernels_draw(bb_app *app, void *state, const bb_layout *l) {
    const kernels *k = state;
    draw_shape(app, k, l);
    draw_roof(k, l);
    draw_table(k, l);
    draw_plot(k, l);
    draw_speed(k, l);
    if (l->wide) bb_title_draw(l, &l->pane[BB_PANE_TABLE], BB_ROLE_TITLE, "Kernels");
}

/* ---- the same elsewhere ---- */

static void kernels_command(void *state, bb_str *out) {
    const kernels *k = state;
    bb_str_addf(out, "bench --tokens %llu --out %llu --in %llu --threads %u --seconds 0.2",
                (unsigned long long)k->ask.tokens, (unsigned long long)k->ask.out, (unsigned long long)k->ask.in,
                k->ask.threads);
}

static bb_table *kernels_table(void *state, bb_error *err) {
    const kernels *k = state;
    if (!k->report.n_rows) {
        (void)bb_fail(err, BB_E_ARG, "nothing was measured yet: Enter runs");
        return NULL;
    }
    bb_table *t = bb_report_bench(&k->report);
    if (!t) (void)bb_fail(err, BB_E_NOMEM, "out of memory");
    return t;
}

static void kernels_about(void *state, char *text, size_t size) {
    const kernels *k = state;
    (void)snprintf(text, size, "%s", k->report.cpu);
}

static void kernels_notes(void *state, bb_str *out) {
    const kernels *k = state;
    bool other = k->report.n_rows && (k->shown.tokens != k->ask.tokens || k->shown.out != k->ask.out ||
                                      k->shown.in != k->ask.in || k->shown.threads != k->ask.threads);
    if (other)
        bb_str_addf(out, "The table is of %llu x %llu x %llu: Enter runs the new shape.\n",
                    (unsigned long long)k->shown.tokens, (unsigned long long)k->shown.out,
                    (unsigned long long)k->shown.in);
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
