/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reserve_cache.h - results of the last reservations, found by all that decides them. */
#ifndef BB_PLAN_RESERVE_CACHE_H
#define BB_PLAN_RESERVE_CACHE_H
#include "plan/reserve.h"

/* A hash of 128 bits that stands for its input: among 2^32 inputs two meet with a chance of 2^-65. */
typedef struct bb_reserve_key {
    uint64_t a, b;
} bb_reserve_key;

typedef struct bb_reserve_entry {
    bb_reserve_key key;
    bb_reserve_out out;
    bool used;
    bool typed; /* the types of the weights decide as well: the result stands under the key with them */
} bb_reserve_entry;

/* Hashes of the last model and placement that was asked for: a sweep asks for the same one many times. */
typedef struct bb_reserve_model {
    uint64_t version;            /* bb_reserve_in.version */
    bb_reserve_key plain, typed; /* without and with the types of the weights */
} bb_reserve_model;

/* WAYS places for the keys of a set: a new one takes them in turn. */
enum { BB_RESERVE_SETS = 1024, BB_RESERVE_WAYS = 8 };
typedef struct bb_reserve_cache {
    bb_reserve_entry entry[BB_RESERVE_SETS][BB_RESERVE_WAYS];
    uint8_t next[BB_RESERVE_SETS];
    bb_reserve_model model;
} bb_reserve_cache;

/* Of all that decides a reservation, the types of the weights included or not. */
bb_reserve_key bb_reserve_key_of(bb_reserve_cache *c, const bb_reserve_in *in, bool typed);
/* NULL: not there. */
const bb_reserve_entry *bb_reserve_cache_find(const bb_reserve_cache *c, bb_reserve_key key);
void bb_reserve_cache_put(bb_reserve_cache *c, bb_reserve_key key, const bb_reserve_out *out, bool typed);
#endif
