/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_lists.c - the lists that the Plan screen chooses from: models, and the same plan on every card. */
#include "base/escape.h"
#include "base/mem.h"
#include "base/units.h"
#include "tui/plan_screen.h"
#include <stdio.h>
#include <string.h>

void bb_plan_list_models(bb_app *app, const bb_plan_screen *s) {
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

/* What is left on the fullest card, or how much too little it has. */
static void slack_text(const bb_plan *p, char *buf, size_t size) {
    uint64_t left = UINT64_MAX, lacking = 0;
    char bytes[32];
    for (size_t i = 0; i < p->n_devices; i++) {
        const bb_plan_device *d = &p->devices[i];
        if (!d->limit_bytes) continue;
        if (d->total_bytes > d->limit_bytes && d->total_bytes - d->limit_bytes > lacking)
            lacking = d->total_bytes - d->limit_bytes;
        if (d->total_bytes <= d->limit_bytes && d->limit_bytes - d->total_bytes < left)
            left = d->limit_bytes - d->total_bytes;
    }
    (void)snprintf(buf, size, "%s %s", bb_bytes_text(lacking ? lacking : left, false, bytes),
                   lacking ? "short" : "left");
}

static void gpu_row(bb_plan_screen *s, const bb_gpu *g, uint64_t cards, char *shown, size_t size) {
    char bytes[32], slack[48] = "", speed[24] = "";
    bb_plan_request ask = bb_plan_screen_on(s, g, cards);
    bool planned = s->planned && bb_plan_screen_try(s, &ask);
    if (planned) slack_text(&s->trial, slack, sizeof slack);
    if (planned && s->trial.speed.decode > 0) (void)snprintf(speed, sizeof speed, "%.0f t/s", s->trial.speed.decode);
    (void)snprintf(shown, size, "%-24s %10s  %-12s %-15s %s", g->name, bb_bytes_text(g->usable_bytes, false, bytes),
                   planned ? bb_plan_verdict_word(s->trial.fits) : "", slack, speed);
}

/* The rows for the number of cards that the list has now. */
static void fill_gpus(bb_app *app) {
    bb_plan_screen *s = app->state[BB_SCREEN_PLAN];
    for (size_t i = 0; i < bb_catalogue_gpus(s->cat); i++) {
        const bb_gpu *g = bb_catalogue_gpu(s->cat, i);
        char shown[128];
        if (!g->usable_bytes) continue;
        gpu_row(s, g, app->chooser.count, shown, sizeof shown);
        bb_chooser_add(&app->chooser, g->name, shown);
    }
    bb_chooser_add(&app->chooser, "none", "none                     everything on the host");
}

void bb_plan_list_gpus(bb_app *app, const char *title) {
    const bb_plan_screen *s = app->state[BB_SCREEN_PLAN];
    bb_app_choose(app, BB_PLAN_GPU, title, "card or size (24GiB), what a program gets, verdict", true);
    bb_app_count(app, s->ask.no_gpu ? 1 : bb_plan_screen_cards(&s->ask), BB_PLAN_CARDS, fill_gpus);
    bb_chooser_mark(&app->chooser, s->ask.no_gpu ? "none" : s->ask.cards[0].name);
}
