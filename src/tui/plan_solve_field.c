/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_solve_field.c - a field of the Plan screen solved for "just fits". */
#include "base/units.h"
#include "plan/solve.h"
#include "tui/plan_screen.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the largest model of the catalogue ---- */

typedef struct sized_model {
    const bb_arch *arch;
    uint64_t parameters;
} sized_model;

static int by_parameters(const void *a, const void *b) {
    const sized_model *x = a, *y = b;
    return x->parameters > y->parameters ? -1 : x->parameters < y->parameters;
}

/* Largest first; *n of them, NULL when memory ended. */
static sized_model *models_by_size(const bb_catalogue *cat, size_t *n) {
    size_t all = bb_catalogue_models(cat);
    sized_model *list = all ? malloc(all * sizeof *list) : NULL;
    *n = 0;
    for (size_t i = 0; list && i < all; i++) {
        bb_graph g;
        uint64_t total, active;
        const bb_arch *a = bb_catalogue_model(cat, i);
        if (bb_graph_build(a, &g, NULL) != BB_OK) continue;
        if (bb_graph_parameters(&g, &total, &active) == BB_OK) list[(*n)++] = (sized_model){a, total};
        bb_graph_clear(&g);
    }
    if (list) qsort(list, *n, sizeof *list, by_parameters);
    return list;
}

static bool model_fits(const bb_plan_screen *s, const char *name) {
    bb_model *m = NULL;
    bb_subject subject;
    bb_plan plan = {0};
    bb_plan_request ask = s->ask;
    bool fits = false;
    if (bb_model_locate(s->cat, NULL, name, &m, NULL) != BB_OK) return false;
    ask.gpu_layers_set = false;
    if (bb_subject_init(&subject, m, s->cat, NULL) == BB_OK) {
        if (!s->engine_set) ask.engine = bb_engine_default(&subject, &ask);
        fits = bb_plan_numbers(&subject, &ask, &plan, NULL) == BB_OK && plan.fits == BB_FITS_YES;
        bb_plan_clear(&plan);
        bb_subject_clear(&subject);
    }
    bb_model_free(m);
    return fits;
}

static bool solve_model(bb_plan_screen *s, char *said, size_t size) {
    size_t n;
    sized_model *list = models_by_size(s->cat, &n);
    /* what is planned now says how many bytes a parameter takes at least: half of that is no candidate's */
    double least = s->plan.parameters ? (double)s->plan.total_bytes / (double)s->plan.parameters / 2 : 0;
    char count[32];
    bool found = false;
    for (size_t i = 0; i < n && !found; i++) {
        if (least * (double)list[i].parameters > (double)s->plan.limit_bytes) continue;
        const char *name = list[i].arch->name;
        if (!model_fits(s, name) || bb_plan_screen_set(s, BB_PLAN_MODEL, name, NULL) != BB_OK) continue;
        (void)snprintf(said, size, "%s (%s) is the largest model of the catalogue that fits", name,
                       bb_count_text(list[i].parameters, count));
        found = true;
    }
    free(list);
    if (!found) (void)snprintf(said, size, "no model of the catalogue fits");
    return found;
}

/* ---- the rest ---- */

static bool solve_gpu(bb_plan_screen *s, char *said, size_t size) {
    size_t n = bb_plan_screen_cards(&s->ask);
    while (s->part <= BB_PART_GPU && bb_plan_screen_work(s)) {
    }
    if (!s->smallest) {
        (void)snprintf(said, size, "no card of the catalogue holds it%s", n > 1 ? ", not as many as these" : "");
        return false;
    }
    s->ask = bb_plan_screen_on(s, s->smallest, n);
    (void)snprintf(said, size, "%s has the least memory of the cards that it fits", s->smallest->name);
    return true;
}

static const struct {
    bb_plan_field field;
    bb_solve solve;
    const char *found, *none; /* found: what follows the answer */
} solved[] = {
    {BB_PLAN_CTX, BB_SOLVE_CTX, " tokens is the longest context that fits", "no context fits"},
    {BB_PLAN_SEQS, BB_SOLVE_SLOTS, " x this context is the most that fits", "no sequence fits"},
    {BB_PLAN_LAYERS, BB_SOLVE_LAYERS, " layers are the most that fit on the cards", "no layer fits on the cards"},
    {BB_PLAN_WEIGHTS, BB_SOLVE_WEIGHTS, " are the widest weights that fit", "no weights fit"},
    {BB_PLAN_KV, BB_SOLVE_KV, " is the widest KV cache that fits", "no KV cache fits"},
    {BB_PLAN_GPUS, BB_SOLVE_GPUS, " of these cards are enough", "not even the most cards are enough"},
};

/* The most that there is: the model or the engine knows no more. */
static void say_limit(const bb_plan_screen *s, const bb_fit *fit, char *said, size_t size) {
    const bb_arch *a = s->model->arch;
    size_t used = strlen(said);
    if (!fit->model_limit) return;
    bool shared = fit->solve == BB_SOLVE_CTX && a && fit->answer < a->context; /* equal steps may leave a rest */
    (void)snprintf(said + used, size - used, "%s",
                   shared                        ? ": all that these sequences can share"
                   : fit->solve == BB_SOLVE_CTX  ? ": all that the model knows"
                   : fit->solve == BB_SOLVE_GPUS ? ""
                                                 : ": there is nothing beyond");
}

bool bb_plan_screen_solve(bb_plan_screen *s, bb_plan_field f, char *said, size_t size) {
    bb_error err = {.status = BB_OK};
    bb_fit fit;
    bb_plan_request answer;
    char number[24];
    size_t i = 0, n = sizeof solved / sizeof *solved;
    if (!s->planned || !s->plan.limit_bytes) {
        (void)snprintf(said, size, "choose a GPU first");
        return false;
    }
    if (f == BB_PLAN_MODEL) return solve_model(s, said, size);
    if (f == BB_PLAN_GPU) return solve_gpu(s, said, size);
    while (i < n && solved[i].field != f) i++;
    if (i == n) {
        (void)snprintf(said, size, "this field has no largest value that fits");
        return false;
    }
    if (bb_solve_subject(&s->subject, &s->ask, solved[i].solve, &fit, &err) != BB_OK) {
        (void)snprintf(said, size, "%s", err.text);
        return false;
    }
    if (!bb_solve_request(&s->ask, &fit, &answer)) {
        (void)snprintf(said, size, "%s", solved[i].none);
        return false;
    }
    bb_plan_screen_take(s, &answer);
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)fit.answer);
    (void)snprintf(said, size, "%s%s", *fit.answer_name ? fit.answer_name : number, solved[i].found);
    say_limit(s, &fit, said, size);
    return true;
}
