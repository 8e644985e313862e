/* SPDX-License-Identifier: GPL-3.0-or-later */
/* placement.c - layers on devices by the rules of llama.cpp v0.5.0 (src/llama-model.cpp, load_tensors). */
#include "plan/placement.h"
#include "base/fail.h"
#include "plan/plan_calc.h"
#include <string.h>

/* Running sums of the devices' shares over their total, in 32-bit floats as there. Without shares the free memory
 * decides, of which the limit of a card is what is known. */
static void split_points(const bb_plan_request *u, const bb_placement *p, float *points) {
    bool shares = false, known = true;
    float sum = 0;
    for (uint32_t i = 0; i < p->n_devices; i++) {
        const bb_plan_card *c = &u->cards[p->card[i]];
        shares = shares || c->split > 0;
        known = known && c->limit_bytes;
    }
    for (uint32_t i = 0; i < p->n_devices; i++) {
        const bb_plan_card *c = &u->cards[p->card[i]];
        sum += shares ? (float)c->split : known ? (float)c->limit_bytes : 1.0F;
        points[i] = sum;
    }
    for (uint32_t i = 0; i < p->n_devices; i++) points[i] /= sum;
}

static bb_status choose_devices(const bb_plan_request *u, bb_placement *p, bb_error *err) {
    size_t cards = u->no_gpu ? 0 : u->n_cards ? u->n_cards : 1;
    if (u->split_mode == BB_SPLIT_ROW && cards)
        return bb_fail(err, BB_E_UNSUPPORTED,
                       "--split-mode row: llama.cpp v0.5.0 stops with 'device CUDA0 does not support split buffers', "
                       "which its CUDA devices no longer have; layer or none goes");
    if (u->split_mode == BB_SPLIT_NONE && cards) {
        if (u->main_gpu >= cards)
            return bb_fail(err, BB_E_ARG,
                           "--main-gpu %llu: llama.cpp stops with 'invalid value for main_gpu' (%zu cards, from 0 on)",
                           (unsigned long long)u->main_gpu, cards);
        p->card[0] = (uint8_t)u->main_gpu;
        cards = 1;
    } else {
        for (size_t i = 0; i < cards; i++) p->card[i] = (uint8_t)i;
    }
    p->n_devices = (uint32_t)cards;
    return BB_OK;
}

bb_status bb_place_layers(const bb_plan_request *u, uint64_t layers, uint64_t behind, uint8_t *layer,
                          bb_placement *place, bb_error *err) {
    bb_placement p = {.layer = layer};
    float points[BB_PLAN_CARDS];
    bb_status st = choose_devices(u, &p, err);
    if (st) return st;
    /* the output side counts first: n puts the last n - 1 layers and the output on the devices */
    uint64_t items = layers + behind + 1, asked = p.n_devices ? u->gpu_layers : 0;
    uint64_t on = bb_min_u64(asked, items), first = items - on;
    uint8_t host = (uint8_t)p.n_devices;
    p.all_layers = asked > layers + behind;
    split_points(u, &p, points);
    for (uint64_t k = 0; k <= layers; k++) {
        uint64_t item = k == layers ? items - 1 : k;
        if (item < first) {
            layer[k] = host;
            p.any_host = true;
            continue;
        }
        float x = (float)(item - first) / (float)on;
        uint8_t device = 0;
        while (device + 1U < p.n_devices && points[device] <= x) device++;
        layer[k] = device;
    }
    *place = p;
    return BB_OK;
}

uint32_t bb_place_card(const bb_placement *p, uint8_t card) {
    uint32_t device = 0;
    while (device < p->n_devices && p->card[device] != card) device++;
    return device;
}
