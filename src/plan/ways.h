/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ways.h - ways out of a plan that does not fit: changes of its request after which it does. */
#ifndef BB_PLAN_WAYS_H
#define BB_PLAN_WAYS_H
#include "plan/plan.h"

typedef enum bb_way_change {
    BB_WAY_KV,             /* a narrower KV cache */
    BB_WAY_WEIGHTS,        /* narrower weights */
    BB_WAY_CTX,            /* a shorter context */
    BB_WAY_LAYERS,         /* layers on the host */
    BB_WAY_CARDS,          /* more cards of the same */
    BB_WAY_CARD,           /* another card */
    BB_WAY_WEIGHTS_LAYERS, /* the narrowest weights that bring some layers onto the card */
    BB_WAY_CHANGES
} bb_way_change;

typedef struct bb_plan_way {
    bb_way_change change;
    char text[96];     /* for people: "weights q4_K_M", "31 of 33 layers on the card" */
    char options[128]; /* of plan and fit, for a shell: "--gpu-layers 31", "--gpu 'RTX 4090'" */
    bb_plan_request request;
    uint64_t total_bytes, high_bytes, limit_bytes; /* of the cards together */
} bb_plan_way;

/* The first `most` ways that exist, in the order above, each a single change but the last; none where the plan fits,
 * has no limit, or nothing helps. Each keeps the engine. ways is [most]. */
bb_status bb_plan_ways(bb_subject *s, const bb_plan_request *request, bb_plan_way *ways, size_t most, size_t *n,
                       bb_error *err);
#endif
