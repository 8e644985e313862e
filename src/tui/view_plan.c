/* SPDX-License-Identifier: GPL-3.0-or-later */
/* view_plan.c - the Plan screen: fields, keys, and the command that says the same. */
#include "base/mem.h"
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
    b->engine_set = s->engine_set;
    (void)snprintf(b->model_text, sizeof b->model_text, "%s", s->model_text);
}

/* The first plan: of the model that was given, on this machine's cards. The screen stays as it is when the model is no
 * longer there. */
static bb_status start(bb_plan_screen *s, bb_error *err) {
    bb_status st = bb_plan_screen_model(s, s->start_model, err);
    if (st) return st;
    s->ask = (bb_plan_request){.purpose = BB_FOR_INFER};
    s->engine_set = false;
    s->focus = BB_PLAN_MODEL;
    const bb_gpu *g = bb_gpu_find(s->cat, FIRST_GPU, NULL);
    if ((!*s->start_cards || bb_plan_screen_set(s, BB_PLAN_GPU, s->start_cards, NULL)) && g)
        s->ask = bb_plan_screen_on(s, g, 1);
    if (!s->given) (void)snprintf(s->ask.weights, sizeof s->ask.weights, "%s", FIRST_WEIGHTS);
    bb_plan_screen_update(s);
    return BB_OK;
}

static bb_status plan_open(bb_app *app, const char *model, void **state, bb_error *err) {
    bb_plan_screen *s = bb_alloc(1, sizeof *s);
    if (!s) return bb_fail(err, BB_E_NOMEM, "out of memory");
    s->cat = app->cat;
    s->stores = app->stores;
    s->given = model && *model;
    const char *first = model && *model ? model : FIRST_MODEL;
    if (app->cards && strlen(app->cards) < sizeof s->start_cards) strcpy(s->start_cards, app->cards);
    bb_status st = BB_OK;
    if (strlen(first) < sizeof s->start_model)
        strcpy(s->start_model, first);
    else
        st = bb_fail(err, BB_E_NAME, "the name of the model is too long");
    if (st == BB_OK) st = start(s, err);
    if (st == BB_OK)
        *state = s;
    else
        free(s);
    return st;
}

static void plan_close(void *state) {
    bb_plan_screen *s = state;
    bb_plan_clear(&s->plan);
    bb_plan_clear(&s->trial);
    bb_plan_clear(&s->first);
    bb_subject_clear(&s->subject);
    bb_model_free(s->model);
    bb_str_clear(&s->kept);
    free(s);
}

static bool plan_accept(bb_app *app, void *state, int field, const char *text, bb_error *err) {
    bb_plan_screen *s = state;
    bb_plan_request before = s->ask;
    bool engine_set = s->engine_set;
    (void)app;
    keep_for_undo(s);
    if (bb_plan_screen_set(s, (bb_plan_field)field, text, err) != BB_OK) {
        s->n_undo--;
        return false;
    }
    bb_plan_screen_update(s);
    if (s->planned || field == BB_PLAN_MODEL) return true;
    /* what was typed is fine, but nothing can be planned with it: say so and go back */
    if (err) *err = s->why;
    s->ask = before;
    s->engine_set = engine_set;
    s->n_undo--;
    bb_plan_screen_update(s);
    return false;
}

/* ---- choosing ---- */

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
        bb_plan_list_models(app, s);
        break;
    case BB_PLAN_ENGINE:
        choose_words(app, f, "Engine", bb_plan_engines, bb_engine_name(s->ask.engine));
        bb_chooser_add(&app->chooser, "auto", "auto      by the model, the weights and the options");
        break;
    case BB_PLAN_SPLIT:
        if (bb_plan_screen_has_split(s))
            choose_words(app, f, "Split", bb_plan_screen_splits(s), bb_plan_screen_value(s, f, value, sizeof value));
        else
            bb_app_say(app, BB_ROLE_WARN, "several cards share a model; there is one or none");
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
        bb_plan_list_gpus(app, "GPU");
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

/* The field that has the focus; the context where it says nothing of sizes. */
static void solve(bb_app *app, bb_plan_screen *s) {
    char said[160];
    bb_plan_field f = s->focus < BB_PLAN_FIELDS ? (bb_plan_field)s->focus : BB_PLAN_CTX;
    if (f == BB_PLAN_PURPOSE || f == BB_PLAN_ENGINE || f == BB_PLAN_SPLIT) f = BB_PLAN_CTX;
    keep_for_undo(s);
    bool found = bb_plan_screen_solve(s, f, said, sizeof said);
    if (found)
        bb_plan_screen_update(s);
    else
        s->n_undo--;
    bb_app_say(app, found ? BB_ROLE_OK : BB_ROLE_WARN, "%s", said);
}

/* ---- comparing ---- */

static void keep_plan(bb_app *app, bb_plan_screen *s) {
    bb_plan copy = s->plan;
    if (!s->planned) {
        bb_app_error(app, &s->why);
        return;
    }
    copy.lines = bb_alloc(copy.n_lines, sizeof *copy.lines);
    if (!copy.lines) {
        bb_app_say(app, BB_ROLE_BAD, "out of memory");
        return;
    }
    memcpy(copy.lines, s->plan.lines, copy.n_lines * sizeof *copy.lines);
    copy.cap_lines = copy.n_lines;
    bb_plan_clear(&s->first);
    s->first = copy;
    (void)snprintf(s->first_title, sizeof s->first_title, "%s", s->model->title);
    bb_app_say(app, BB_ROLE_OK, "kept: change what you like, then c shows both plans");
}

static void compare(bb_app *app, bb_plan_screen *s) {
    if (!s->first.n_lines)
        keep_plan(app, s);
    else if (s->planned)
        bb_app_read(app, "two plans", bb_plan_compose_compare);
    else
        bb_app_error(app, &s->why);
}

static void undo(bb_app *app, bb_plan_screen *s) {
    if (!s->n_undo) {
        bb_app_say(app, BB_ROLE_DIM, "nothing to undo");
        return;
    }
    const bb_before *b = &s->undo[--s->n_undo];
    if (strcmp(b->model_text, s->model_text) != 0) (void)bb_plan_screen_model(s, b->model_text, NULL);
    s->ask = b->ask;
    s->engine_set = b->engine_set;
    bb_plan_screen_update(s);
}

static void take_way(bb_plan_screen *s, size_t i) {
    bb_plan_request ask = s->ways[i].request;
    keep_for_undo(s);
    bb_plan_screen_take(s, &ask);
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

static void reset(bb_app *app, bb_plan_screen *s) {
    bb_error err = {.status = BB_OK};
    keep_for_undo(s);
    if (start(s, &err) == BB_OK) return;
    s->n_undo--;
    bb_app_error(app, &err);
}

/* Where the focus goes; false: the action is another. */
static bool move(const bb_app *app, bb_plan_screen *s, bb_action action) {
    size_t last = BB_PLAN_FIELDS + bb_plan_screen_lines(s) + s->n_ways - 1;
    size_t page = app->layout.pane[BB_PANE_LINES].h > 2 ? (size_t)app->layout.pane[BB_PANE_LINES].h - 1 : 1;
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
    default:
        return false;
    }
}

/* What is done with that which has the focus; false: the action is another. */
static bool use(bb_app *app, bb_plan_screen *s, bb_action action) {
    size_t lines = bb_plan_screen_lines(s);
    bool on_field = s->focus < BB_PLAN_FIELDS, on_way = s->n_ways && s->focus >= BB_PLAN_FIELDS + lines;
    switch (action) {
    case BB_ACT_SCREEN_1:
    case BB_ACT_SCREEN_2:
    case BB_ACT_SCREEN_3:
    case BB_ACT_SCREEN_4:
        if (!on_way || (size_t)(action - BB_ACT_SCREEN_1) >= s->n_ways) return false;
        take_way(s, (size_t)(action - BB_ACT_SCREEN_1));
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
        else if (on_way)
            take_way(s, s->focus - BB_PLAN_FIELDS - lines);
        else
            bb_app_read(app, "formula and source", bb_plan_compose_formula);
        return true;
    default:
        return false;
    }
}

static bool plan_act(bb_app *app, void *state, bb_action action) {
    bb_plan_screen *s = state;
    if (move(app, s, action) || use(app, s, action)) return true;
    switch (action) {
    case BB_ACT_FIND:
        bb_plan_list_models(app, s);
        return true;
    case BB_ACT_GPUS:
        bb_plan_list_gpus(app, "The same plan on every card");
        return true;
    case BB_ACT_FORMULA:
        bb_app_read(app, "formula and source", bb_plan_compose_formula);
        return true;
    case BB_ACT_SOLVE:
        solve(app, s);
        return true;
    case BB_ACT_BESIDE:
        compare(app, s);
        return true;
    case BB_ACT_KEEP:
        keep_plan(app, s);
        return true;
    case BB_ACT_UNDO:
        undo(app, s);
        return true;
    case BB_ACT_RESET:
        reset(app, s);
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

static void number_option(bb_str *out, const char *name, uint64_t v) {
    bb_str_addf(out, " %s %llu", name, (unsigned long long)v);
}

static void card_options(const bb_plan_request *u, bb_str *out) {
    size_t n = bb_plan_screen_cards(u);
    bb_str list;
    bb_str_init(&list);
    bb_plan_screen_card_text(u, &list);
    if (u->no_gpu || *u->cards[0].name) {
        option(out, "--gpu", bb_str_c(&list));
    } else if (u->cards[0].limit_bytes) {
        bb_str_addf(out, " --memory %lluB", (unsigned long long)u->cards[0].limit_bytes);
        if (n > 1) number_option(out, "--gpus", n);
    }
    bb_str_clear(&list);
    if (u->split_mode != BB_SPLIT_LAYER) option(out, "--split-mode", u->split_mode == BB_SPLIT_ROW ? "row" : "none");
    if (u->tensor_parallel > 1) number_option(out, "--tensor-parallel-size", u->tensor_parallel);
    if (u->pipeline_parallel > 1) number_option(out, "--pipeline-parallel-size", u->pipeline_parallel);
}

static void plan_command(void *state, bb_str *out) {
    const bb_plan_screen *s = state;
    const bb_plan_request *u = &s->ask;
    bb_str_add(out, "plan ");
    bb_shell_word(out, s->model_text);
    if (s->engine_set) option(out, "--engine", bb_engine_name(u->engine));
    if (*u->weights) option(out, "--weights", u->weights);
    if (u->purpose == BB_FOR_LOAD) option(out, "--for", "load");
    if (u->ctx) number_option(out, "--ctx", u->ctx);
    if (*u->kv_k) {
        char kv[40];
        (void)snprintf(kv, sizeof kv, "%s%s%s", u->kv_k, *u->kv_v && strcmp(u->kv_k, u->kv_v) ? "," : "",
                       *u->kv_v && strcmp(u->kv_k, u->kv_v) ? u->kv_v : "");
        option(out, "--kv", kv);
    }
    if (u->parallel > 1) number_option(out, "--parallel", u->parallel);
    if (u->gpu_layers_set && u->gpu_layers != BB_ALL) number_option(out, "--gpu-layers", u->gpu_layers);
    if (u->cpu_moe_layers == BB_ALL)
        bb_str_add(out, " --cpu-moe");
    else if (u->cpu_moe_layers)
        number_option(out, "--n-cpu-moe", u->cpu_moe_layers);
    card_options(u, out);
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
    bb_str_add(out, "gpu ");
    bb_plan_screen_card_text(&s->ask, out);
    bb_str_addf(out, "\nengine %s\n", s->engine_set ? bb_engine_name(s->ask.engine) : "auto");
}

static void plan_recall(bb_app *app, void *state, const char *key, const char *value) {
    bb_plan_screen *s = state;
    (void)app;
    bb_plan_field f = strcmp(key, "model") == 0     ? BB_PLAN_MODEL
                      : strcmp(key, "weights") == 0 ? BB_PLAN_WEIGHTS
                      : strcmp(key, "gpu") == 0     ? BB_PLAN_GPU
                      : strcmp(key, "engine") == 0  ? BB_PLAN_ENGINE
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

static bool plan_pending(void *state) {
    const bb_plan_screen *s = state;
    return s->part < BB_PARTS;
}

static bool plan_tick(bb_app *app, void *state) { return app->screen == BB_SCREEN_PLAN && bb_plan_screen_work(state); }

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
    .tick = plan_tick,
    .pending = plan_pending,
    .about = plan_about,
    .notes = plan_notes,
    .command = plan_command,
    .table = plan_table,
    .remember = plan_remember,
    .recall = plan_recall,
};
