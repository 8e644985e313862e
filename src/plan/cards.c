/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cards.c - the cards of a request from a list of names, and that list again. */
#include "plan/cards.h"
#include "base/escape.h"
#include <stdio.h>
#include <string.h>

bb_status bb_cards_repeat(bb_plan_request *r, const bb_plan_card *card, uint64_t n, bb_error *err) {
    if (n > BB_PLAN_CARDS - r->n_cards)
        return bb_fail(err, BB_E_ARG, "more than %d cards: that many are planned at most", BB_PLAN_CARDS);
    while (n--) r->cards[r->n_cards++] = *card;
    return BB_OK;
}

void bb_cards_set(bb_plan_request *r, size_t n) {
    for (size_t i = 1; i < n; i++) r->cards[i] = r->cards[0];
    r->n_cards = n;
    if (r->engine == BB_ENGINE_VLLM) r->tensor_parallel = n / (r->pipeline_parallel ? r->pipeline_parallel : 1);
}

bool bb_cards_counted(const char *text, char *base, size_t size, uint64_t *n) {
    size_t length = strlen(text), digits = 0;
    while (digits < length && text[length - digits - 1] >= '0' && text[length - digits - 1] <= '9') digits++;
    size_t end = length > digits ? length - digits - 1 : 0;
    bool has = digits && end && (text[end] == 'x' || text[end] == 'X');
    if (!has) end = length;
    if (end >= size) return false;
    memcpy(base, text, end);
    while (end && base[end - 1] == ' ') end--;
    base[end] = '\0';
    *n = 1;
    if (has && !bb_parse_u64(text + length - digits, n)) *n = UINT64_MAX;
    return true;
}

static bb_status add_named(const bb_catalogue *cat, const char *name, bool sized, bb_plan_request *r, bb_error *err) {
    char base[64];
    uint64_t n = 1;
    bb_plan_card card;
    const bb_gpu *g = bb_gpu_find(cat, name, err);
    if (!g && bb_cards_counted(name, base, sizeof base, &n)) g = bb_gpu_find(cat, base, err);
    if (!g) return BB_E_NAME;
    if (!n) return bb_fail(err, BB_E_ARG, "'%s' x 0: expected at least one card", g->name);
    if (!g->usable_bytes && !sized) {
        bb_fail(err, BB_E_NAME, "nobody published what a program can get of a %s", g->name);
        bb_hint(err, "--memory SIZE says it");
        return BB_E_NAME;
    }
    bb_plan_card_of(g, &card);
    return bb_cards_repeat(r, &card, n, err);
}

bb_status bb_cards_add(const bb_catalogue *cat, const char *list, bool sized, bb_plan_request *r, bb_error *err) {
    const char *whole = list;
    if (!strchr(list, ',') || bb_gpu_find(cat, list, NULL)) return add_named(cat, list, sized, r, err);
    while (*list) {
        char name[64];
        size_t n = strcspn(list, ",");
        const char *from = list;
        list += n + (list[n] == ',');
        while (n && *from == ' ') {
            from++;
            n--;
        }
        if (!n || n >= sizeof name) {
            char safe[96];
            return bb_fail(err, BB_E_ARG, "'%s': expected names of cards between the commas",
                           bb_escape_buf(whole, safe, sizeof safe));
        }
        memcpy(name, from, n);
        name[n] = '\0';
        bb_status s = add_named(cat, name, sized, r, err);
        if (s) return s;
    }
    return BB_OK;
}

void bb_cards_list(const bb_plan_request *r, bb_str *out) {
    size_t n = r->n_cards ? r->n_cards : 1, run;
    bool first = true;
    for (size_t i = 0; i < n; i += run) {
        for (run = 1; i + run < n && strcmp(r->cards[i + run].name, r->cards[i].name) == 0;) run++;
        if (!*r->cards[i].name) continue;
        bb_str_addf(out, "%s%s", first ? "" : ",", r->cards[i].name);
        first = false;
        if (run > 1) bb_str_addf(out, "x%zu", run);
    }
}
