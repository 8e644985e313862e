/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cards.h - the cards of a request from a list of names, and that list again. */
#ifndef BB_PLAN_CARDS_H
#define BB_PLAN_CARDS_H
#include "base/str.h"
#include "plan/plan.h"

/* A card so many times behind those that are there; BB_E_ARG beyond BB_PLAN_CARDS. */
bb_status bb_cards_repeat(bb_plan_request *r, const bb_plan_card *card, uint64_t n, bb_error *err);
/* "RTX 4090", "RTX 3090x2", "RTX 3090,RTX 4090x2": names of the catalogue, separated by commas, each with how many. A
 * name that holds a comma is tried whole first. sized: the size is told otherwise, so that a card of unknown size goes.
 */
bb_status bb_cards_add(const bb_catalogue *cat, const char *list, bool sized, bb_plan_request *r, bb_error *err);
/* n cards like the first, at most BB_PLAN_CARDS; vLLM shares each layer among those of a stage. */
void bb_cards_set(bb_plan_request *r, size_t n);
/* The list that gives these cards; those without a name are left out. */
void bb_cards_list(const bb_plan_request *r, bb_str *out);
/* "24GiBx2" into "24GiB" and 2; without a number behind an x the text whole and 1. False: text has no room in base. */
bool bb_cards_counted(const char *text, char *base, size_t size, uint64_t *n);
#endif
