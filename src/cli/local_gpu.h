/* SPDX-License-Identifier: GPL-3.0-or-later */
/* local_gpu.h - the cards of this machine with what is free of them, and their rows of the catalogue. */
#ifndef BB_CLI_LOCAL_GPU_H
#define BB_CLI_LOCAL_GPU_H
#include "plan/plan.h"

typedef struct cli_local_places { /* where drivers tell of their cards */
    const char *nvml;             /* NVIDIA's management library */
    const char *proc;             /* a folder for each NVIDIA card, where that library is not */
    const char *drm;              /* folders card0, card1, ...: AMD's tell of their memory */
} cli_local_places;

/* Those of Linux. */
extern const cli_local_places cli_local_machine;

/* The cards of this machine into cards [BB_PLAN_CARDS], in their drivers' order: NVIDIA's, else AMD's; *n of them.
 * Their limit is what is free now (measured), unless only the card's name is known: then the catalogue's. BB_E_OPEN
 * when no driver tells of a card, BB_E_NAME when nothing but a name that the catalogue does not have is known of one,
 * BB_E_ARG for more cards than are planned. */
bb_status cli_local_cards(const cli_local_places *at, const bb_catalogue *cat, bb_plan_card *cards, size_t *n,
                          bb_error *err);
/* The row that a driver's name means ("NVIDIA H100 80GB HBM3": H100 SXM); NULL when none is, or several are. */
const bb_gpu *cli_gpu_of_driver(const bb_catalogue *cat, const char *name);
#endif
