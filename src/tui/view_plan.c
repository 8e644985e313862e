/* SPDX-License-Identifier: GPL-3.0-or-later */
/* view_plan.c - the Plan screen: fields, keys, and the command that says the same. */
#include "base/escape.h"
#include "base/mem.h"
#include "base/units.h"
#include "report/report.h"
#include "tui/plan_screen.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_MODEL   "llama-3.1-8b"
#define FIRST_WEIGHTS "q4_K_M"
#define FIRST_GPU     "RTX 4090"

/* ---- changing the request ---- */

static void keep_for_undo(bb_plan_screen *s) {
    if (s->n_undo == BB_UNDO) {
        s->n_undo--;
        memmove(s->undo, s->undo + 1, s->n_undo * sizeof *s->undo);
    }
    bb_before *b = &s->undo[s->n_undo++];
    b->ask = s->ask;
    (void)snprintf(b->model_text, sizeof b->model_text, "%s", s->model_text);
}

static void first_request(bb_plan_screen *s) {
    s->ask = (bb_plan_request){.purpose = BB_FOR_INFER};
    const bb_gpu *g = bb_gpu_find(s->cat, FIRST_GPU, NULL);
    if (g) bb_plan_screen_gpu(&s->ask, g);
}

static bb_status plan_open(bb_app *app, const char *model, void **state, bb_error *err) {
    bb_plan_screen *s = bb_alloc(1, sizeof *s);
    if (!s) return bb_fail(err, BB_E_NOMEM, "out of memory");
    s->cat = app->cat;
    s->stores = app->stores;
    s->given = model && *model;
    first_request(s);
    bb_status st = bb_plan_screen_model(s, s->given ? model : FIRST_MODEL, err);
    if (st != BB_OK) {
        free(s);
        return st;
    }
    if (!s->given) (void)snprintf(s->ask.weights, sizeof s->ask.weights, "%s", FIRST_WEIGHTS);
    bb_plan_screen_update(s);
    *state = s;
    return BB_OK;
}

static void plan_close(void *state) {
    bb_plan_screen *s = state;
    bb_plan_clear(&s->plan);
    bb_subject_clear(&s->subject);
    bb_model_free(s->model);
    bb_str_clear(&s->kept);
    free(s);
}

static bool plan_accept(bb_app *app, void *state, int field, const char *text, bb_error *err) {
    bb_plan_screen *s = state;
    bb_before before = {.ask = s->ask};
    (void)app;
    (void)snprintf(before.model_text, sizeof before.model_text, "%s", s->model_text);
    keep_for_undo(s);
    if (bb_plan_screen_set(s, (bb_plan_field)field, text, err) != BB_OK) {
        s->n_undo--;
        return false;
    }
    bb_plan_screen_update(s);
    if (s->planned || field == BB_PLAN_MODEL) return true;
    /* what was typed is fine, but nothing can be planned with it: say so and go back */
    if (err) *err = s->why;
    s->ask = before.ask;
    s->n_undo--;
    bb_plan_screen_update(s);
    return false;
}

/* ---- choosing ---- */

static void choose_model(bb_app *app, const bb_plan_screen *s) {
    bb_app_choose(app, BB_PLAN_MODEL, "Model", "name, count (7b) or path; parameters", true);
    for (size_t i = 0; i < bb_catalogue_models(s->cat); i++) {
        const bb_arch *a = bb_catalogue_model(s->cat, i);
        char shown[128], count[32];
        bb_graph g;
        uint64_t total = 0, active = 0;
        if (bb_graph_build(a, &g, NULL) == BB_OK) {
            (void)bb_graph_parameters(&g, &total, &active);
            bb_graph_clear(&g);
        }
        (void)snprintf(shown, sizeof shown, "%-28s %10s  %llu layers", a->name, bb_count_text(total, count),
                       (unsigned long long)a->layers);
        bb_chooser_add(&app->chooser, a->name, shown);
    }
    for (size_t i = 0; s->stores && i < s->stores->n; i++) {
        bb_names names = {0};
        (void)bb_store_list(&s->stores->at[i], &names, NULL);
        for (size_t k = 0; k < names.n; k++) {
            char shown[160], safe[96];
            if (strlen(names.at[k]) >= sizeof s->model_text) continue;
            (void)snprintf(shown, sizeof shown, "%-28s on this disk, %s", bb_escape_buf(names.at[k], safe, sizeof safe),
                           bb_store_name(s->stores->at[i].kind));
            bb_chooser_add(&app->chooser, names.at[k], shown);
        }
        bb_names_clear(&names);
    }
    bb_chooser_mark(&app->chooser, s->model_text);
}

static void choose_gpu(bb_app *app, const bb_plan_screen *s, bool plans) {
    bb_app_choose(app, BB_PLAN_GPU, plans ? "The same plan on every card" : "GPU",
                  plans ? "card, what a program gets, verdict" : "card or size (24GiB), what a program gets", true);
    for (size_t i = 0; i < bb_catalogue_gpus(s->cat); i++) {
        const bb_gpu *g = bb_catalogue_gpu(s->cat, i);
        char shown[128], bytes[32], left[32];
        if (!g->usable_bytes) continue;
        const char *verdict = "";
        left[0] = 0;
        if (s->planned) {
            verdict = s->plan.high_bytes <= g->usable_bytes ? "FITS"
                      : s->plan.low_bytes > g->usable_bytes ? "DOES NOT FIT"
                                                            : "MAY FIT";
            uint64_t a = g->usable_bytes, b = s->plan.total_bytes;
            (void)bb_bytes_text(a > b ? a - b : b - a, false, left);
        }
        (void)snprintf(shown, sizeof shown, "%-26s %11s  %-12s %s %s", g->name,
                       bb_bytes_text(g->usable_bytes, false, bytes), verdict, left,
                       s->planned ? g->usable_bytes >= s->plan.total_bytes ? "left" : "short" : "");
        bb_chooser_add(&app->chooser, g->name, shown);
    }
    bb_chooser_add(&app->chooser, "none", "none                        everything on the host");
    bb_chooser_mark(&app->chooser, s->ask.no_gpu ? "none" : s->ask.cards[0].name);
}

static void choose_words(bb_app *app, bb_plan_field f, const char *title, const char *const *words, const char *now) {
    bb_app_choose(app, (int)f, title, "", true);
    for (size_t i = 0; words[i]; i++) bb_chooser_add(&app->chooser, words[i], words[i]);
    bb_chooser_mark(&app->chooser, now);
}

static void open_field(bb_app *app, bb_plan_screen *s, bb_plan_field f) {
    static const char *const purposes[] = {"infer", "load", NULL};
    char value[160];
    const bb_plan_request *u = s->planned ? &s->plan.used : &s->ask;
    switch (f) {
    case BB_PLAN_MODEL:
        choose_model(app, s);
        break;
    case BB_PLAN_PURPOSE:
        choose_words(app, f, "Purpose", purposes, s->ask.purpose == BB_FOR_LOAD ? "load" : "infer");
        break;
    case BB_PLAN_WEIGHTS:
        choose_words(app, f, "Weights", bb_plan_weight_types, u->weights);
        if (s->subject.from_file) bb_chooser_add(&app->chooser, "file", "file      as in the file");
        break;
    case BB_PLAN_KV:
        choose_words(app, f, "KV type", bb_plan_kv_types, u->kv_k);
        break;
    case BB_PLAN_GPU:
        choose_gpu(app, s, false);
        break;
    case BB_PLAN_LAYERS:
        (void)snprintf(value, sizeof value, "all");
        if (s->ask.gpu_layers_set) (void)snprintf(value, sizeof value, "%llu", (unsigned long long)s->ask.gpu_layers);
        bb_app_edit(app, (int)f, value);
        break;
    default:
        bb_app_edit(app, (int)f, bb_plan_screen_value(s, f, value, sizeof value));
        break;
    }
}

static void step_field(bb_app *app, bb_plan_screen *s, bb_plan_field f, int step) {
    char text[128];
    bb_error err = {.status = BB_OK};
    if (!bb_plan_screen_beside(s, f, step, text, sizeof text)) return;
    if (!plan_accept(app, s, (int)f, text, &err)) bb_app_error(app, &err);
}

/* ---- keys ---- */

static void compose_formula(const bb_app *app, int w, bb_str *out) {
    const bb_plan_screen *s = app->state[app->screen];
    size_t n = bb_plan_screen_lines(s);
    size_t at = s->focus >= BB_PLAN_FIELDS && s->focus < BB_PLAN_FIELDS + n ? s->focus - BB_PLAN_FIELDS : 0;
    const bb_plan_line *l = n ? bb_plan_screen_line(s, at) : NULL;
    if (!l) return;
    char bytes[32], low[32], high[32];
    bb_str text;
    bb_str_init(&text);
    bb_str_addf(&text, "%s on %s: %llu bytes = %s", l->component, l->device, (unsigned long long)l->bytes,
                bb_bytes_text(l->bytes, false, bytes));
    bb_wrap(out, bb_str_c(&text), w, 2);
    bb_str_clear(&text);
    if (l->low_bytes != l->high_bytes) {
        bb_str_addf(&text, "between %s and %s", bb_bytes_text(l->low_bytes, false, low),
                    bb_bytes_text(l->high_bytes, false, high));
        bb_wrap(out, bb_str_c(&text), w, 2);
        bb_str_clear(&text);
    }
    bb_str_addf(&text, "= %s", l->formula);
    bb_wrap(out, bb_str_c(&text), w, 2);
    bb_str_clear(&text);
    bb_str_addf(&text, "%s; source: %s", bb_evidence_name(l->status), l->source);
    bb_wrap(out, bb_str_c(&text), w, 2);
    bb_str_clear(&text);
}

static void solve_context(bb_app *app, bb_plan_screen *s) {
    if (!s->fit_known || !s->fit.answer) {
        bb_app_say(app, BB_ROLE_WARN, s->ask.cards[0].limit_bytes ? "no context fits this card" : "choose a GPU first");
        return;
    }
    keep_for_undo(s);
    s->ask.ctx = s->fit.answer;
    bool limit = s->fit.model_limit;
    const bb_arch *a = s->model->arch;
    bool all = a && s->fit.answer >= a->context; /* sequences share it in equal steps, which may leave a rest */
    bb_plan_screen_update(s);
    bb_app_say(app, BB_ROLE_OK, "%llu tokens is the longest context that %s", (unsigned long long)s->ask.ctx,
               !limit ? "fits"
               : all  ? "the model knows, and it fits"
                      : "these sequences can share, and it fits");
}

static void undo(bb_app *app, bb_plan_screen *s) {
    if (!s->n_undo) {
        bb_app_say(app, BB_ROLE_DIM, "nothing to undo");
        return;
    }
    const bb_before *b = &s->undo[--s->n_undo];
    if (strcmp(b->model_text, s->model_text) != 0) (void)bb_plan_screen_model(s, b->model_text, NULL);
    s->ask = b->ask;
    bb_plan_screen_update(s);
}

static void take_way(bb_plan_screen *s, size_t i) {
    bb_plan_request ask = s->ways[i].ask;
    keep_for_undo(s);
    s->ask = ask;
    s->focus = BB_PLAN_MODEL;
    bb_plan_screen_update(s);
}

/* Tab: every field, then the first line, then the first way out, and round again. */
static size_t next_box(const bb_plan_screen *s, bool forward) {
    size_t lines = bb_plan_screen_lines(s), stops[BB_PLAN_FIELDS + 2], n = 0, at = 0;
    while (n < BB_PLAN_FIELDS) {
        stops[n] = n;
        n++;
    }
    if (lines) stops[n++] = BB_PLAN_FIELDS;
    if (s->n_ways) stops[n++] = BB_PLAN_FIELDS + lines;
    for (size_t i = 0; i < n; i++)
        if (stops[i] <= s->focus) at = i;
    if (!forward && stops[at] < s->focus) return stops[at]; /* back to the head of its box first */
    return stops[(at + (forward ? 1 : n - 1)) % n];
}

static bool plan_act(bb_app *app, void *state, bb_action action) {
    bb_plan_screen *s = state;
    size_t lines = bb_plan_screen_lines(s), last = BB_PLAN_FIELDS + lines + s->n_ways - 1;
    size_t page = app->layout.pane[BB_PANE_LINES].h > 2 ? (size_t)app->layout.pane[BB_PANE_LINES].h - 1 : 1;
    bool on_field = s->focus < BB_PLAN_FIELDS, on_way = s->focus >= BB_PLAN_FIELDS + lines;
    switch (action) {
    case BB_ACT_UP:
        s->focus -= s->focus > 0;
        return true;
    case BB_ACT_DOWN:
        s->focus += s->focus < last;
        return true;
    case BB_ACT_FIRST:
        s->focus = 0;
        return true;
    case BB_ACT_LAST:
        s->focus = last;
        return true;
    case BB_ACT_PAGE_UP:
        s->focus -= s->focus < page ? s->focus : page;
        return true;
    case BB_ACT_PAGE_DOWN:
        s->focus = s->focus + page < last ? s->focus + page : last;
        return true;
    case BB_ACT_NEXT_FIELD:
    case BB_ACT_PREV_FIELD:
        s->focus = next_box(s, action == BB_ACT_NEXT_FIELD);
        return true;
    case BB_ACT_LEFT:
    case BB_ACT_LESS:
        if (on_field) step_field(app, s, (bb_plan_field)s->focus, -1);
        return true;
    case BB_ACT_RIGHT:
    case BB_ACT_MORE:
        if (on_field) step_field(app, s, (bb_plan_field)s->focus, 1);
        return true;
    case BB_ACT_ENTER:
    case BB_ACT_EDIT:
        if (on_field)
            open_field(app, s, (bb_plan_field)s->focus);
        else if (on_way && s->n_ways)
            take_way(s, s->focus - BB_PLAN_FIELDS - lines);
        else
            bb_app_read(app, "formula and source", compose_formula);
        return true;
    case BB_ACT_FIND:
        choose_model(app, s);
        return true;
    case BB_ACT_GPUS:
        choose_gpu(app, s, true);
        return true;
    case BB_ACT_FORMULA:
        bb_app_read(app, "formula and source", compose_formula);
        return true;
    case BB_ACT_SOLVE:
        solve_context(app, s);
        return true;
    case BB_ACT_UNDO:
        undo(app, s);
        return true;
    case BB_ACT_RESET:
        keep_for_undo(s);
        first_request(s);
        if (!s->subject.from_file) (void)snprintf(s->ask.weights, sizeof s->ask.weights, "%s", FIRST_WEIGHTS);
        bb_plan_screen_update(s);
        return true;
    default:
        return false;
    }
}

/* ---- the same elsewhere ---- */

static void option(bb_str *out, const char *name, const char *value) {
    bb_str_addf(out, " %s ", name);
    bb_shell_word(out, value);
}

static void plan_command(void *state, bb_str *out) {
    const bb_plan_screen *s = state;
    const bb_plan_request *u = &s->ask;
    char number[32];
    bb_str_add(out, "plan ");
    bb_shell_word(out, s->model_text);
    if (*u->weights) option(out, "--weights", u->weights);
    if (u->purpose == BB_FOR_LOAD) option(out, "--for", "load");
    if (u->ctx) {
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)u->ctx);
        option(out, "--ctx", number);
    }
    if (*u->kv_k) option(out, "--kv", u->kv_k);
    if (u->parallel > 1) {
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)u->parallel);
        option(out, "--parallel", number);
    }
    if (u->gpu_layers_set && u->gpu_layers != BB_ALL) {
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)u->gpu_layers);
        option(out, "--gpu-layers", number);
    }
    if (u->no_gpu)
        option(out, "--gpu", "none");
    else if (*u->cards[0].name)
        option(out, "--gpu", u->cards[0].name);
    else if (u->cards[0].limit_bytes) {
        (void)snprintf(number, sizeof number, "%lluB", (unsigned long long)u->cards[0].limit_bytes);
        option(out, "--memory", number);
    }
}

static bb_table *plan_table(void *state, bb_error *err) {
    const bb_plan_screen *s = state;
    if (!s->planned) {
        if (err) *err = s->why;
        return NULL;
    }
    bb_table *t = bb_report_plan(&s->plan, &s->subject, false, BB_PLAN_WHOLE);
    if (!t) (void)bb_fail(err, BB_E_NOMEM, "out of memory");
    return t;
}

static void plan_about(void *state, char *text, size_t size) {
    const bb_plan_screen *s = state;
    (void)snprintf(text, size, "%s, %s", s->model->title, bb_engine_name(s->ask.engine));
}

static void plan_notes(void *state, bb_str *out) {
    const bb_plan_screen *s = state;
    if (!s->planned) return;
    for (size_t i = 0; i < BB_PLAN_NOTES; i++)
        if (*s->plan.note[i]) bb_str_addf(out, "%s\n", s->plan.note[i]);
    if (s->plan.used.cards[0].limit_bytes && s->plan.used.cards[0].limit_status == BB_ASSUMED)
        bb_str_add(out, "What a program can get of this card is assumed: 0.985 of what the driver shows.\n");
}

static void plan_remember(void *state, bb_str *out) {
    const bb_plan_screen *s = state;
    if (s->given) { /* a model of one command line is not the user's last choice */
        bb_str_add(out, bb_str_c(&s->kept));
        return;
    }
    bb_str_addf(out, "model %s\n", s->model_text);
    bb_str_addf(out, "weights %s\n", *s->ask.weights ? s->ask.weights : "file");
    if (*s->ask.cards[0].name || !s->ask.cards[0].limit_bytes)
        bb_str_addf(out, "gpu %s\n", s->ask.no_gpu ? "none" : s->ask.cards[0].name);
    else
        bb_str_addf(out, "gpu %lluB\n", (unsigned long long)s->ask.cards[0].limit_bytes);
}

static void plan_recall(bb_app *app, void *state, const char *key, const char *value) {
    bb_plan_screen *s = state;
    (void)app;
    bb_plan_field f = strcmp(key, "model") == 0     ? BB_PLAN_MODEL
                      : strcmp(key, "weights") == 0 ? BB_PLAN_WEIGHTS
                      : strcmp(key, "gpu") == 0     ? BB_PLAN_GPU
                                                    : BB_PLAN_FIELDS;
    if (f == BB_PLAN_FIELDS || !*value) return;
    if (s->given) {
        bb_str_addf(&s->kept, "%s %s\n", key, value);
        return;
    }
    if (f == BB_PLAN_WEIGHTS && strcmp(value, "file") == 0) {
        s->ask.weights[0] = 0;
        bb_plan_screen_update(s);
        return;
    }
    if (bb_plan_screen_set(s, f, value, NULL) == BB_OK) bb_plan_screen_update(s);
}

static void plan_wants(void *state, bb_wants *wants) { bb_plan_screen_wants(state, wants); }

static void plan_draw(bb_app *app, void *state, const bb_panes *l) { bb_plan_screen_draw(app, state, l); }

const bb_view bb_view_plan = {
    .name = "plan",
    .tab = "Plan",
    .open = plan_open,
    .close = plan_close,
    .wants = plan_wants,
    .draw = plan_draw,
    .act = plan_act,
    .accept = plan_accept,
    .about = plan_about,
    .notes = plan_notes,
    .command = plan_command,
    .table = plan_table,
    .remember = plan_remember,
    .recall = plan_recall,
};
