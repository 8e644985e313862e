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

static const char *const kv_types[] = {"f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "f32"};
static const char *const weight_types[] = {"f32",    "f16",    "bf16",   "q8_0", "q6_K",   "q5_K_M", "q5_K_S",
                                           "q4_K_M", "q4_K_S", "iq4_xs", "q4_0", "q3_K_M", "q2_K"};
enum { KV_TYPES = sizeof kv_types / sizeof *kv_types, WEIGHT_TYPES = sizeof weight_types / sizeof *weight_types };

/* ---- changing the request ---- */

static bb_status set_model(bb_plan_screen *s, const char *text, bb_error *err) {
    bb_model *model = NULL;
    bb_subject subject;
    char copy[sizeof s->model_text];
    (void)snprintf(copy, sizeof copy, "%s", text);
    bb_status st = bb_model_locate(s->cat, s->stores, copy, &model, err);
    if (st != BB_OK) return st;
    if ((st = bb_subject_init(&subject, model, s->cat, err)) != BB_OK) {
        bb_model_free(model);
        return st;
    }
    bb_subject_clear(&s->subject);
    bb_model_free(s->model);
    s->subject = subject;
    s->model = model;
    (void)snprintf(s->model_text, sizeof s->model_text, "%s", copy);
    return BB_OK;
}

static void set_gpu(bb_plan_request *ask, const bb_gpu *g) {
    ask->no_gpu = false;
    (void)snprintf(ask->gpu, sizeof ask->gpu, "%s", g->name);
    ask->limit_bytes = g->usable_bytes;
    ask->limit_status = g->usable_status;
}

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
    if (g) set_gpu(&s->ask, g);
}

static bb_status plan_open(bb_app *app, const char *model, void **state, bb_error *err) {
    bb_plan_screen *s = bb_alloc(1, sizeof *s);
    if (!s) return bb_fail(err, BB_E_NOMEM, "out of memory");
    s->cat = app->cat;
    s->stores = app->stores;
    s->given = model && *model;
    first_request(s);
    bb_status st = set_model(s, s->given ? model : FIRST_MODEL, err);
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
    free(s);
}

/* Text of a field into the request. */
static bb_status set_field(bb_plan_screen *s, bb_plan_field f, const char *text, bb_error *err) {
    bb_plan_request *u = &s->ask;
    uint64_t n;
    switch (f) {
    case BB_PLAN_MODEL: {
        bb_status st = set_model(s, text, err);
        /* a file has its own types; what was chosen for another model says nothing about it */
        if (st == BB_OK && s->subject.from_file) u->weights[0] = 0;
        return st;
    }
    case BB_PLAN_PURPOSE:
        if (strcmp(text, "infer") != 0 && strcmp(text, "load") != 0)
            return bb_fail(err, BB_E_VALUE, "expected infer or load");
        u->purpose = strcmp(text, "load") == 0 ? BB_FOR_LOAD : BB_FOR_INFER;
        return BB_OK;
    case BB_PLAN_WEIGHTS:
        if (strcmp(text, "file") != 0 && !bb_ftype_find(text, NULL) && !bb_dtype_find(text, err)) return BB_E_NAME;
        (void)snprintf(u->weights, sizeof u->weights, "%s", text);
        return BB_OK;
    case BB_PLAN_CTX: {
        bb_status st = bb_parse_tokens(text, &n, err);
        if (st == BB_OK && (n == 0 || n > (uint64_t)1 << 40))
            st = bb_fail(err, BB_E_VALUE, "a context of %llu tokens", (unsigned long long)n);
        if (st == BB_OK) u->ctx = n;
        return st;
    }
    case BB_PLAN_KV:
        if (!bb_dtype_find(text, err)) return BB_E_NAME;
        (void)snprintf(u->kv_k, sizeof u->kv_k, "%s", bb_dtype_name(bb_dtype_find(text, NULL)));
        (void)snprintf(u->kv_v, sizeof u->kv_v, "%s", u->kv_k);
        return BB_OK;
    case BB_PLAN_SEQS:
        if (!bb_parse_u64(text, &n) || n == 0 || n > 1u << 20)
            return bb_fail(err, BB_E_VALUE, "'%.40s' is not a number of sequences", text);
        u->parallel = n;
        return BB_OK;
    case BB_PLAN_GPU:
    case BB_PLAN_FIELDS:
        break;
    }
    if (strcmp(text, "none") == 0) {
        u->no_gpu = true;
        u->limit_bytes = 0;
        u->gpu[0] = 0;
        return BB_OK;
    }
    if (bb_parse_bytes(text, &n, NULL) == BB_OK && n > 0) {
        u->no_gpu = false;
        u->gpu[0] = 0;
        u->limit_bytes = n;
        u->limit_status = BB_EXACT;
        return BB_OK;
    }
    const bb_gpu *g = bb_gpu_find(s->cat, text, err);
    if (!g) return BB_E_NAME;
    set_gpu(u, g);
    return BB_OK;
}

static bool plan_accept(bb_app *app, void *state, int field, const char *text, bb_error *err) {
    bb_plan_screen *s = state;
    bb_before before = {.ask = s->ask};
    (void)app;
    (void)snprintf(before.model_text, sizeof before.model_text, "%s", s->model_text);
    keep_for_undo(s);
    if (set_field(s, (bb_plan_field)field, text, err) != BB_OK) {
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
    bb_chooser_mark(&app->chooser, s->ask.no_gpu ? "none" : s->ask.gpu);
}

static void choose_words(bb_app *app, bb_plan_field f, const char *title, const char *const *words, size_t n,
                         const char *now) {
    bb_app_choose(app, (int)f, title, "", true);
    for (size_t i = 0; i < n; i++) bb_chooser_add(&app->chooser, words[i], words[i]);
    bb_chooser_mark(&app->chooser, now);
}

static void open_field(bb_app *app, bb_plan_screen *s, bb_plan_field f) {
    static const char *const purposes[] = {"infer", "load"};
    char value[160];
    const bb_plan_request *u = s->planned ? &s->plan.used : &s->ask;
    switch (f) {
    case BB_PLAN_MODEL:
        choose_model(app, s);
        break;
    case BB_PLAN_PURPOSE:
        choose_words(app, f, "Purpose", purposes, 2, s->ask.purpose == BB_FOR_LOAD ? "load" : "infer");
        break;
    case BB_PLAN_WEIGHTS:
        choose_words(app, f, "Weights", weight_types, WEIGHT_TYPES, u->weights);
        if (s->subject.from_file) bb_chooser_add(&app->chooser, "file", "file      as in the file");
        break;
    case BB_PLAN_KV:
        choose_words(app, f, "KV type", kv_types, KV_TYPES, u->kv_k);
        break;
    case BB_PLAN_GPU:
        choose_gpu(app, s, false);
        break;
    default:
        bb_app_edit(app, (int)f, bb_plan_screen_value(s, f, value, sizeof value));
        break;
    }
}

/* ---- stepping through the values of a field ---- */

static const char *neighbour(const char *const *words, size_t n, const char *now, int step) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], now) == 0) return words[(i + n + (size_t)(step + (int)n)) % n];
    return words[0];
}

static void step_field(bb_app *app, bb_plan_screen *s, bb_plan_field f, int step) {
    const bb_plan_request *u = s->planned ? &s->plan.used : &s->ask;
    char text[64] = "";
    const char *word = text;
    switch (f) {
    case BB_PLAN_PURPOSE:
        word = s->ask.purpose == BB_FOR_LOAD ? "infer" : "load";
        break;
    case BB_PLAN_WEIGHTS:
        word = neighbour(weight_types, WEIGHT_TYPES, u->weights, step);
        break;
    case BB_PLAN_KV:
        word = neighbour(kv_types, KV_TYPES, u->kv_k, step);
        break;
    case BB_PLAN_CTX: {
        uint64_t n = u->ctx ? u->ctx : 1024;
        n = step > 0 ? n * 2 : n / 2;
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)(n < 256 ? 256 : n));
        break;
    }
    case BB_PLAN_SEQS: {
        uint64_t n = u->parallel ? u->parallel : 1;
        n = step > 0 ? n + 1 : n - 1;
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)(n < 1 ? 1 : n));
        break;
    }
    case BB_PLAN_MODEL:
    case BB_PLAN_GPU: {
        bool model = f == BB_PLAN_MODEL;
        size_t n = model ? bb_catalogue_models(s->cat) : bb_catalogue_gpus(s->cat), at = 0;
        for (size_t i = 0; i < n; i++)
            if (bb_name_eq(model ? bb_catalogue_model(s->cat, i)->name : bb_catalogue_gpu(s->cat, i)->name,
                           model ? s->model_text : u->gpu))
                at = i;
        for (size_t tries = 0; tries < n; tries++) {
            at = (at + (step > 0 ? 1 : n - 1)) % n;
            if (model || bb_catalogue_gpu(s->cat, at)->usable_bytes) break;
        }
        word = model ? bb_catalogue_model(s->cat, at)->name : bb_catalogue_gpu(s->cat, at)->name;
        break;
    }
    case BB_PLAN_FIELDS:
        return;
    }
    bb_error err = {.status = BB_OK};
    if (!plan_accept(app, s, (int)f, word, &err)) bb_app_error(app, &err);
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
        bb_app_say(app, BB_ROLE_WARN, s->ask.limit_bytes ? "no context fits this card" : "choose a GPU first");
        return;
    }
    keep_for_undo(s);
    s->ask.ctx = s->fit.answer;
    bool limit = s->fit.model_limit;
    bb_plan_screen_update(s);
    bb_app_say(app, BB_ROLE_OK, "%llu tokens is the longest context that %s", (unsigned long long)s->ask.ctx,
               limit ? "the model knows, and it fits" : "fits");
}

static void undo(bb_app *app, bb_plan_screen *s) {
    if (!s->n_undo) {
        bb_app_say(app, BB_ROLE_DIM, "nothing to undo");
        return;
    }
    const bb_before *b = &s->undo[--s->n_undo];
    if (strcmp(b->model_text, s->model_text) != 0) (void)set_model(s, b->model_text, NULL);
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

static bool plan_act(bb_app *app, void *state, bb_action action) {
    bb_plan_screen *s = state;
    size_t lines = bb_plan_screen_lines(s), last = BB_PLAN_FIELDS + lines + s->n_ways - 1;
    bool on_field = s->focus < BB_PLAN_FIELDS, on_way = s->focus >= BB_PLAN_FIELDS + lines;
    switch (action) {
    case BB_ACT_UP:
        s->focus -= s->focus > 0;
        return true;
    case BB_ACT_DOWN:
        s->focus += s->focus < last;
        return true;
    case BB_ACT_FIRST:
    case BB_ACT_PAGE_UP:
        s->focus = 0;
        return true;
    case BB_ACT_LAST:
    case BB_ACT_PAGE_DOWN:
        s->focus = last;
        return true;
    case BB_ACT_NEXT_FIELD:
        s->focus = on_field ? (s->focus + 1) % BB_PLAN_FIELDS : 0;
        return true;
    case BB_ACT_PREV_FIELD:
        s->focus = on_field ? (s->focus + BB_PLAN_FIELDS - 1) % BB_PLAN_FIELDS : 0;
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
    else if (*u->gpu)
        option(out, "--gpu", u->gpu);
    else if (u->limit_bytes) {
        (void)snprintf(number, sizeof number, "%lluB", (unsigned long long)u->limit_bytes);
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
    if (s->plan.used.limit_bytes && s->plan.used.limit_status == BB_ASSUMED)
        bb_str_add(out, "What a program can get of this card is assumed: 0.985 of what the driver shows.\n");
}

static void plan_remember(void *state, bb_str *out) {
    const bb_plan_screen *s = state;
    if (s->given) return; /* a model of one command line is not the user's last choice */
    bb_str_addf(out, "model %s\n", s->model_text);
    bb_str_addf(out, "weights %s\n", *s->ask.weights ? s->ask.weights : "file");
    bb_str_addf(out, "gpu %s\n", s->ask.no_gpu ? "none" : s->ask.gpu);
}

static void plan_recall(bb_app *app, void *state, const char *key, const char *value) {
    bb_plan_screen *s = state;
    (void)app;
    if (s->given) return;
    bb_plan_field f = strcmp(key, "model") == 0     ? BB_PLAN_MODEL
                      : strcmp(key, "weights") == 0 ? BB_PLAN_WEIGHTS
                      : strcmp(key, "gpu") == 0     ? BB_PLAN_GPU
                                                    : BB_PLAN_FIELDS;
    if (f == BB_PLAN_FIELDS || !*value) return;
    if (f == BB_PLAN_WEIGHTS && strcmp(value, "file") == 0) {
        s->ask.weights[0] = 0;
        bb_plan_screen_update(s);
        return;
    }
    if (set_field(s, f, value, NULL) == BB_OK) bb_plan_screen_update(s);
}

static void plan_draw(bb_app *app, void *state, const bb_layout *l) { bb_plan_screen_draw(app, state, l); }

const bb_view bb_view_plan = {
    .name = "plan",
    .tab = "Plan",
    .open = plan_open,
    .close = plan_close,
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
