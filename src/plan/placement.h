/* SPDX-License-Identifier: GPL-3.0-or-later */
/* placement.h - on which device llama.cpp puts each layer. */
#ifndef BB_PLAN_PLACEMENT_H
#define BB_PLAN_PLACEMENT_H
#include "bitbudget.h"

typedef struct bb_placement {
    uint32_t n_devices;          /* that the engine uses; 0 = the host alone. As a number it means the host */
    uint8_t card[BB_PLAN_CARDS]; /* [n_devices] which card of the request */
    bool all_layers;             /* more layers are asked for than the model has without its output side */
    bool any_host;               /* some layer lies on the host */
    uint8_t *layer;              /* [layers + 1], borrowed: a device; the output side last */
} bb_placement;

/* layers of the graph, and `behind` them (which predict further tokens; only counted). layer is [layers + 1].
 * BB_E_ARG and BB_E_UNSUPPORTED for what llama.cpp refuses. */
bb_status bb_place_layers(const bb_plan_request *request, uint64_t layers, uint64_t behind, uint8_t *layer,
                          bb_placement *place, bb_error *err);
/* The device that a card of the request is; the host's number for BB_PLAN_CARDS and for a card that is not used. */
uint32_t bb_place_card(const bb_placement *place, uint8_t card);
#endif
