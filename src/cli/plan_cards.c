/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_cards.c - the cards of a plan: names, numbers of each, sizes, or those of this machine. */
#include "base/escape.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/local_gpu.h"
#include "cli/plan_options.h"
#include "plan/cards.h"
#include <stdio.h>
#include <string.h>

/* --gpus is a number of cards here, or a file of rows. */
static bool is_count(const char *text, uint64_t *n) { return text && bb_parse_u64(text, n); }

bb_status cli_plan_catalogue(const cli_args *a, bb_catalogue **cat, bb_error *err) {
    uint64_t n;
    const char *gpus = a->value[OPT_GPUS];
    bb_status s = bb_catalogue_load(a->value[OPT_MODELS], is_count(gpus, &n) ? NULL : gpus, cat, err);
    return s == BB_OK ? cli_add_overheads(*cat, err) : s;
}

static bb_status read_names(const cli_call *call, const bb_catalogue *cat, bb_plan_request *r, bb_error *err) {
    const char *list = call->args.value[OPT_GPU];
    if (strcmp(list, "local") == 0) return cli_local_cards(&cli_local_machine, cat, r->cards, &r->n_cards, err);
    return bb_cards_add(cat, list, cli_has(&call->args, OPT_MEMORY), r, err);
}

/* "1008GB/s" or "1.0TB/s" into GB/s. */
static bb_status read_rate(const char *text, double *gbs, bb_error *err) {
    char amount[40], safe[64];
    uint64_t bytes;
    size_t n = strlen(text);
    bool rate = n > 2 && n - 2 < sizeof amount && strcmp(text + n - 2, "/s") == 0;
    if (rate) {
        memcpy(amount, text, n - 2);
        amount[n - 2] = '\0';
    }
    if (!rate || bb_parse_bytes(amount, &bytes, NULL) != BB_OK || !bytes)
        return bb_fail(err, BB_E_ARG, "--bandwidth '%s': expected a rate with a unit, such as 1008GB/s",
                       bb_escape_buf(text, safe, sizeof safe));
    *gbs = (double)bytes / 1e9;
    return BB_OK;
}

/* What the options say of every card, over what the catalogue knows. */
static bb_status read_facts(const cli_args *a, bb_plan_request *r, bb_error *err) {
    bb_plan_card facts = {0};
    bb_status s = cli_get_bytes(a, OPT_MEMORY, "--memory", &facts.limit_bytes, err);
    if (s == BB_OK && cli_has(a, OPT_MEMORY) && !facts.limit_bytes)
        s = bb_fail(err, BB_E_ARG, "--memory 0: expected some memory");
    if (s == BB_OK && facts.limit_bytes >> 60) s = bb_fail(err, BB_E_ARG, "--memory: more than 2^60 bytes is no card");
    if (s == BB_OK && cli_has(a, OPT_BANDWIDTH)) s = read_rate(a->value[OPT_BANDWIDTH], &facts.bandwidth_gbs, err);
    if (s == BB_OK) s = cli_get_positive(a, OPT_FLOPS, "--tflops", &facts.fp16_tflops, err);
    size_t n = r->n_cards ? r->n_cards : 1;
    for (size_t i = 0; i < n && s == BB_OK; i++) {
        bb_plan_card *c = &r->cards[i];
        if (facts.limit_bytes) {
            c->limit_bytes = c->driver_bytes = facts.limit_bytes;
            c->limit_status = BB_EXACT;
        }
        if (facts.bandwidth_gbs > 0) c->bandwidth_gbs = facts.bandwidth_gbs;
        if (facts.fp16_tflops > 0) c->fp16_tflops = facts.fp16_tflops;
    }
    return s;
}

bb_status cli_plan_cards(const cli_call *call, const bb_catalogue *cat, bb_plan_request *r, bb_error *err) {
    const cli_args *a = &call->args;
    uint64_t n;
    bb_status s = BB_OK;
    r->no_gpu = a->value[OPT_GPU] && strcmp(a->value[OPT_GPU], "none") == 0;
    if (a->value[OPT_GPU] && !r->no_gpu) s = read_names(call, cat, r, err);
    if (s == BB_OK) s = read_facts(a, r, err);
    if (s || !is_count(a->value[OPT_GPUS], &n)) return s;
    if (r->no_gpu || r->n_cards > 1 || !n)
        return bb_fail(err, BB_E_ARG, "--gpus %llu: a number of cards goes with --memory or one name of --gpu",
                       (unsigned long long)n);
    bb_plan_card card = r->cards[0];
    r->n_cards = 0;
    return bb_cards_repeat(r, &card, n, err);
}
