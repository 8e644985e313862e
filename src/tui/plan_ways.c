/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_ways.c - what follows from a plan: the longest context, ways to make it fit, other weights, other cards. */
#include "base/units.h"
#include "plan/solve.h"
#include "tui/plan_screen.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From wide to narrow; those that llama.cpp's users choose from. */
static const char *const ladder[] = {"f16", "q8_0", "q6_K", "q5_K_M", "q4_K_M", "q3_K_M", "q2_K"};
enum { LADDER = sizeof ladder / sizeof *ladder };

bool bb_plan_screen_try(bb_plan_screen *s, const bb_plan_request *ask, uint64_t *total, uint64_t *high,
                        bb_fit_answer *fits) {
    bb_plan p = {0};
    if (bb_plan_subject(&s->subject, ask, &p, NULL) != BB_OK) return false;
    *total = p.total_bytes;
    *high = p.high_bytes;
    *fits = p.fits;
    bb_plan_clear(&p);
    return true;
}

static bool add_way(bb_plan_screen *s, const bb_plan_request *ask, const char *text) {
    uint64_t total, high;
    bb_fit_answer fits;
    if (s->n_ways == BB_WAYS || !bb_plan_screen_try(s, ask, &total, &high, &fits) || fits != BB_FITS_YES) return false;
    bb_way *w = &s->ways[s->n_ways++];
    *w = (bb_way){.high_bytes = high, .limit_bytes = ask->cards[0].limit_bytes, .ask = *ask};
    (void)snprintf(w->text, sizeof w->text, "%s", text);
    return true;
}

/* As many layers on the card as fit, with other weights unless `weights` is "". */
static void fewer_layers(bb_plan_screen *s, const char *weights) {
    uint64_t low = 0, top = s->subject.n_layers + 1; /* with none on the card it fits */
    char text[80];
    bb_plan_request ask = s->ask;
    ask.gpu_layers_set = true;
    if (*weights) (void)snprintf(ask.weights, sizeof ask.weights, "%s", weights);
    while (top - low > 1) {
        uint64_t total, high;
        bb_fit_answer fits;
        ask.gpu_layers = low + (top - low) / 2;
        if (bb_plan_screen_try(s, &ask, &total, &high, &fits) && fits == BB_FITS_YES)
            low = ask.gpu_layers;
        else
            top = ask.gpu_layers;
    }
    if (!low) return;
    ask.gpu_layers = low;
    (void)snprintf(text, sizeof text, "%s%s%llu of %llu layers on the card", weights, *weights ? ", " : "",
                   (unsigned long long)low, (unsigned long long)s->subject.n_layers + 1);
    (void)add_way(s, &ask, text);
}

/* Weights: the widest narrower type that fits; a shorter context; fewer layers on the card; the smallest card that
 * fits. The first three that exist are shown. */
static void find_ways(bb_plan_screen *s) {
    bb_plan_request ask = s->ask;
    char text[80];
    uint64_t now = s->plan.total_bytes;
    bool llama = s->ask.engine == BB_ENGINE_LLAMA_CPP;
    for (size_t i = 0; i < LADDER; i++) {
        uint64_t total, high;
        bb_fit_answer fits;
        ask = s->ask;
        (void)snprintf(ask.weights, sizeof ask.weights, "%s", ladder[i]);
        ask.engine = bb_engine_default(&s->subject, &ask);
        if (!bb_plan_screen_try(s, &ask, &total, &high, &fits) || total >= now || fits != BB_FITS_YES) continue;
        (void)snprintf(text, sizeof text, "weights %s", ladder[i]);
        (void)add_way(s, &ask, text);
        break;
    }
    if (s->fit_known && s->fit.answer) {
        ask = s->ask;
        ask.ctx = s->fit.answer;
        (void)snprintf(text, sizeof text, "context %llu tokens", (unsigned long long)ask.ctx);
        (void)add_way(s, &ask, text);
    }
    if (llama) fewer_layers(s, "");
    const bb_gpu *best = NULL;
    for (size_t i = 0; i < bb_catalogue_gpus(s->cat); i++) {
        const bb_gpu *g = bb_catalogue_gpu(s->cat, i);
        if (g->usable_bytes >= s->plan.high_bytes && (!best || g->usable_bytes < best->usable_bytes)) best = g;
    }
    if (best) {
        ask = s->ask;
        bb_plan_card_of(best, &ask.cards[0]);
        (void)snprintf(text, sizeof text, "card %s", best->name);
        (void)add_way(s, &ask, text);
    }
    /* where nothing narrower fits whole, the next narrower type brings more layers onto the card */
    for (size_t i = 0; llama && i + 1 < LADDER && s->n_ways < BB_WAYS; i++)
        if (strcmp(ladder[i], s->plan.used.weights) == 0) fewer_layers(s, ladder[i + 1]);
}

static void find_rungs(bb_plan_screen *s) {
    for (size_t i = 0; i < LADDER && s->n_rungs < BB_RUNGS; i++) {
        bb_rung *r = &s->rungs[s->n_rungs];
        bb_plan_request ask = s->ask;
        uint64_t high;
        (void)snprintf(ask.weights, sizeof ask.weights, "%s", ladder[i]);
        ask.engine = bb_engine_default(&s->subject, &ask);
        if (!bb_plan_screen_try(s, &ask, &r->total_bytes, &high, &r->fits)) continue;
        (void)snprintf(r->weights, sizeof r->weights, "%s", ladder[i]);
        s->n_rungs++;
    }
}

/* Cards that people have: some of each size, in the order of the catalogue. */
static void find_cards(bb_plan_screen *s) {
    static const char *const known[] = {
        "RTX 3060",  "RTX 4060 Ti 16GB", "T4",     "RTX 3080", "RTX 3090",  "RTX 4080",
        "RTX 4090",  "RTX 5090",         "L4",     "A10",      "A6000",     "L40S",
        "A100 40GB", "A100 80GB",        "H100",   "H200",     "RTX A6000", "RX 7900 XTX",
        "RTX 4070",  "V100 16GB",        "MI300X", "B200"};
    for (size_t i = 0; i < sizeof known / sizeof *known && s->n_cards < BB_CARDS; i++) {
        const bb_gpu *g = bb_gpu_find(s->cat, known[i], NULL);
        bool again = false;
        for (size_t k = 0; k < s->n_cards; k++) again = again || s->cards[k].gpu == g;
        if (!g || again || !g->usable_bytes) continue;
        bb_fit_answer fits = s->plan.high_bytes <= g->usable_bytes ? BB_FITS_YES
                             : s->plan.low_bytes > g->usable_bytes ? BB_FITS_NO
                                                                   : BB_FITS_MAYBE;
        s->cards[s->n_cards++] = (bb_card){g, fits};
    }
}

void bb_plan_screen_update(bb_plan_screen *s) {
    bb_plan_clear(&s->plan);
    s->n_ways = s->n_rungs = s->n_cards = 0;
    s->fit_known = false;
    s->ask.engine = bb_engine_default(&s->subject, &s->ask);
    s->planned = bb_plan_subject(&s->subject, &s->ask, &s->plan, &s->why) == BB_OK;
    if (!s->planned) return;
    if (s->ask.cards[0].limit_bytes)
        s->fit_known = bb_solve_subject(&s->subject, &s->ask, BB_SOLVE_CTX, &s->fit, NULL) == BB_OK;
    if (s->ask.cards[0].limit_bytes && s->plan.fits != BB_FITS_YES) find_ways(s);
    find_rungs(s);
    if (!s->ask.no_gpu) find_cards(s);
    size_t last = BB_PLAN_FIELDS + bb_plan_screen_lines(s) + s->n_ways;
    if (s->focus >= last) s->focus = last - 1;
}

static bool shown(const bb_plan_line *l) { return strchr(l->component, ':') == NULL; }

size_t bb_plan_screen_lines(const bb_plan_screen *s) {
    size_t n = 0;
    for (size_t i = 0; s->planned && i < s->plan.n_lines; i++) n += shown(&s->plan.lines[i]);
    return n;
}

/* Those of the card first, then the host's. */
const bb_plan_line *bb_plan_screen_line(const bb_plan_screen *s, size_t wanted) {
    for (int host = 0; host < 2; host++)
        for (size_t i = 0; i < s->plan.n_lines; i++) {
            const bb_plan_line *l = &s->plan.lines[i];
            if (shown(l) && (strcmp(l->device, "host") == 0) == (host == 1) && wanted-- == 0) return l;
        }
    return NULL;
}
