/* SPDX-License-Identifier: GPL-3.0-or-later */
/* view_kernels.c - the Kernels screen: its fields, keys and choices; one worker measures, the screen watches it. */
#include "base/mem.h"
#include "report/report.h"
#include "tui/kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What `bench` measures with nothing given, but for the one number of tokens: portable kernels get a smaller matrix. */
enum { SIDE = 4096, SIDE_PORTABLE = 1024 };

static void *work(void *arg) {
    bb_kernels *k = arg;
    k->status = bb_bench_study(&k->job, &k->progress, &k->made, &k->err);
    atomic_store(&k->ended, true);
    return NULL;
}

static bb_status kernels_open(bb_app *app, const char *model, void **state, bb_error *err) {
    (void)model;
    bb_kernels *k = bb_alloc(1, sizeof *k);
    if (!k) return bb_fail(err, BB_E_NOMEM, "out of memory");
    uint64_t side = bb_isa_choose(app->isa) == BB_ISA_SCALAR ? SIDE_PORTABLE : SIDE;
    k->ask = (bb_bench_opts){
        .tokens = 1, .out = side, .in = side, .threads = 1, .isa = app->isa, .seed = 1, .seconds = 0.15};
    bb_progress_init(&k->progress);
    atomic_init(&k->ended, false);
    bb_kernels_list(k);
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
    free(k);
}

/* ---- a run ---- */

static void start(bb_app *app, bb_kernels *k, size_t n_types) {
    bb_progress_init(&k->progress);
    atomic_store(&k->ended, false);
    k->err = (bb_error){.status = BB_OK};
    k->job = k->ask;
    k->job.types = n_types ? k->types : NULL;
    k->job.n_types = n_types;
    if (pthread_create(&k->thread, NULL, work, k) != 0)
        bb_app_say(app, BB_ROLE_BAD, "no thread could be started");
    else
        k->running = true;
}

/* The types of the kernels that are picked; 0 when none is. */
static size_t picked_types(bb_kernels *k) {
    size_t n = 0;
    const bb_gemm_family *last = NULL;
    for (size_t i = 0; i < bb_kernel_count() && i < BB_KERNELS_MAX; i++)
        for (size_t row = 0; row < k->n; row++)
            if (k->list[row] == i && k->picked[i] && bb_kernel_at(i)->family != last) {
                last = bb_kernel_at(i)->family;
                k->types[n++] = bb_dtype_find(last->layout->type, NULL);
            }
    return n;
}

/* Enter: what is picked; else all of a shape of which nothing is known; else the marked one again. */
static void run(bb_app *app, bb_kernels *k, bool all) {
    if (k->running) {
        bb_app_say(app, BB_ROLE_DIM, "running; Esc cancels");
        return;
    }
    size_t n = all ? 0 : picked_types(k);
    if (!all && !n && bb_kernels_measured(k) && !bb_kernels_stale(k)) {
        k->types[0] = bb_dtype_find(bb_kernel_at(k->list[k->marked])->family->layout->type, NULL);
        n = 1;
    }
    start(app, k, n);
}

static bool kernels_tick(bb_app *app, void *state) {
    bb_kernels *k = state;
    if (!k->running) return false;
    if (!atomic_load(&k->ended)) return true;
    bool first = bb_kernels_measured(k) == 0;
    finish(k);
    if (k->status == BB_OK) {
        bb_kernels_take(k, &k->made);
        if (first) k->marked = 0;
    } else if (k->status == BB_E_CANCELLED) {
        bb_app_say(app, BB_ROLE_DIM, "cancelled");
    } else {
        bb_app_error(app, &k->err);
    }
    return true;
}

/* ---- fields ---- */

static bool set_value(bb_kernels *k, int f, uint64_t v, bb_error *err) {
    static const uint64_t most[BB_KERNELS_ISA] = {8192, 65536, 65536, 1024};
    if (v == 0 || v > most[f] || (f == BB_KERNELS_IN && v % 32 != 0)) {
        (void)bb_fail(err, BB_E_VALUE, "%s: expected 1 to %llu%s", bb_kernels_label(f), (unsigned long long)most[f],
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

static bool take_preset(bb_kernels *k, const char *name, bb_error *err) {
    const bb_kernels_preset *p;
    for (size_t i = 0; (p = bb_kernels_preset_at(i)) != NULL; i++) {
        if (strcmp(p->name, name) != 0) continue;
        if (p->tokens) k->ask.tokens = p->tokens;
        k->ask.out = p->out;
        k->ask.in = p->in;
        return true;
    }
    (void)bb_fail(err, BB_E_VALUE, "no shape has this name");
    return false;
}

static bool kernels_accept(bb_app *app, void *state, int field, const char *text, bb_error *err) {
    bb_kernels *k = state;
    uint64_t v;
    (void)app;
    if (field == BB_KERNELS_PRESET) return take_preset(k, text, err);
    if (field == BB_KERNELS_ISA) {
        bool known = bb_kernels_set_isa(k, text);
        if (!known) (void)bb_fail(err, BB_E_VALUE, "this processor does not run it");
        return known;
    }
    if (!bb_parse_u64(text, &v)) {
        (void)bb_fail(err, BB_E_VALUE, "'%.40s' is not a whole number", text);
        return false;
    }
    return set_value(k, field, v, err);
}

static void step_isa(bb_kernels *k, int direction) {
    size_t n = 1, at = 0; /* the first is always there */
    for (const char *name; (name = bb_kernels_isa_at(n)) != NULL; n++)
        if (strcmp(name, bb_kernels_isa(&k->ask)) == 0) at = n;
    (void)bb_kernels_set_isa(k, bb_kernels_isa_at((at + (direction > 0 ? 1 : n - 1)) % n));
}

static void step(bb_app *app, bb_kernels *k, int direction) {
    char text[32];
    uint64_t v = 0;
    bb_error err = {.status = BB_OK};
    if (k->field == BB_KERNELS_ISA) {
        step_isa(k, direction);
        return;
    }
    (void)bb_parse_u64(bb_kernels_value(k, k->field, text), &v);
    if (!set_value(k, k->field, direction > 0 ? v * 2 : v / 2, &err)) bb_app_error(app, &err);
}

static void choose_preset(bb_app *app) {
    const bb_kernels_preset *p;
    char shown[96], tokens[32];
    bb_app_choose(app, BB_KERNELS_PRESET, "Shape", "matrix                      out x in", false);
    for (size_t i = 0; (p = bb_kernels_preset_at(i)) != NULL; i++) {
        (void)snprintf(tokens, sizeof tokens, "  %llu token%s", (unsigned long long)p->tokens,
                       p->tokens == 1 ? "" : "s");
        (void)snprintf(shown, sizeof shown, "%-24s %6llu x %llu%s", p->name, (unsigned long long)p->out,
                       (unsigned long long)p->in, p->tokens ? tokens : "");
        bb_chooser_add(&app->chooser, p->name, shown);
    }
}

static void edit(bb_app *app, const bb_kernels *k) {
    char text[32];
    if (k->field != BB_KERNELS_ISA) {
        bb_app_edit(app, k->field, bb_kernels_value(k, k->field, text));
        return;
    }
    bb_app_choose(app, BB_KERNELS_ISA, "Instructions", "", false);
    for (size_t i = 0; bb_kernels_isa_at(i); i++) {
        const char *name = bb_kernels_isa_at(i);
        char shown[64];
        (void)snprintf(shown, sizeof shown, "%-8s %s", name,
                       strcmp(name, "every") == 0  ? "each level that runs here"
                       : strcmp(name, "auto") == 0 ? "the fastest kernel of each type"
                                                   : "");
        bb_chooser_add(&app->chooser, name, shown);
    }
    bb_chooser_mark(&app->chooser, bb_kernels_isa(&k->ask));
}

/* ---- keys ---- */

static void compose_formula(const bb_app *app, int width, bb_str *out) {
    bb_kernels_formula(app->state[BB_SCREEN_KERNELS], width < 76 ? width : 76, out);
}

static bool act_on_table(bb_app *app, bb_kernels *k, bb_action action) {
    size_t last = k->n ? k->n - 1 : 0;
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
    case BB_ACT_PICK:
        k->picked[k->list[k->marked]] = !k->picked[k->list[k->marked]];
        k->marked += k->marked < last;
        return true;
    case BB_ACT_SORT:
        k->order = (bb_kernels_order)((k->order + 1) % BB_KERNELS_ORDERS);
        bb_kernels_sort(k);
        return true;
    case BB_ACT_FORMULA:
        bb_app_read(app, "How %ROOF comes about", compose_formula);
        return true;
    default:
        return false;
    }
}

static bool kernels_act(bb_app *app, void *state, bb_action action) {
    bb_kernels *k = state;
    if (act_on_table(app, k, action)) return true;
    switch (action) {
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
    case BB_ACT_ISA:
        step_isa(k, 1);
        return true;
    case BB_ACT_EDIT:
        edit(app, k);
        return true;
    case BB_ACT_ENTER:
        run(app, k, false);
        return true;
    case BB_ACT_ALL:
        run(app, k, true);
        return true;
    case BB_ACT_PRESET:
        choose_preset(app);
        return true;
    case BB_ACT_BACK:
        if (k->running) atomic_store(&k->progress.cancel, true);
        return true;
    default:
        return false;
    }
}

/* ---- the same elsewhere ---- */

static void kernels_command(void *state, bb_str *out) { bb_kernels_command(state, out); }

static bb_table *kernels_table(void *state, bb_error *err) {
    const bb_kernels *k = state;
    if (!bb_kernels_measured(k)) {
        (void)bb_fail(err, BB_E_ARG, "nothing was measured yet: Enter runs");
        return NULL;
    }
    bb_bench_row *rows = bb_alloc(BB_KERNELS_MAX, sizeof *rows);
    bb_table *t = NULL;
    if (rows) {
        bb_bench_report report = bb_kernels_report(k, rows);
        t = bb_report_bench(&report);
    }
    free(rows);
    if (!t) (void)bb_fail(err, BB_E_NOMEM, "out of memory");
    return t;
}

static void kernels_about(void *state, char *text, size_t size) {
    const bb_kernels *k = state;
    unsigned processors = bb_processors();
    bool vnni = bb_level_runs(BB_LEVEL_AVX512_VNNI) || bb_level_runs(BB_LEVEL_AVX_VNNI);
    text[0] = 0;
    if (k->last.threads)
        (void)snprintf(text, size, "%.40s · %u processor%s · %s%s%s", k->last.cpu, processors,
                       processors == 1 ? "" : "s", bb_isa_name(bb_isa_choose(BB_ISA_AUTO)), vnni ? " vnni" : "",
                       bb_level_runs(BB_LEVEL_AVX512_BF16) ? " bf16" : "");
}

static void kernels_notes(void *state, bb_str *out) {
    const bb_kernels *k = state;
    if (!bb_kernels_measured(k)) {
        bb_str_add(out, "Enter runs them all, or what Space marks; each run measures the roof too.\n");
        return;
    }
    if (bb_kernels_stale(k))
        bb_str_addf(out, "The table is of %llu x %llu x %llu, threads %u: Enter runs the new shape.\n",
                    (unsigned long long)k->shown.tokens, (unsigned long long)k->shown.out,
                    (unsigned long long)k->shown.in, k->shown.threads);
    bb_str_addf(out, "Rows by %s; o changes the order. Enter measures the marked kernel again.\n",
                bb_kernels_order_words(k->order));
    for (size_t i = 0; i < k->last.n_notes; i++) bb_str_addf(out, "%s\n", k->last.notes[i]);
    bb_str_add(out, "%ROOF: share of what the measured bandwidth or peak allows; f shows how it comes about.\n");
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
