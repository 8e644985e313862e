/* SPDX-License-Identifier: GPL-3.0-or-later */
/* topology.h - the processors that this process may use, and the caches between them and memory. */
#ifndef BB_BASE_TOPOLOGY_H
#define BB_BASE_TOPOLOGY_H
#include "base/fail.h"
#include <stdint.h>

/* Where data is read from. */
typedef enum bb_tier { BB_TIER_L1, BB_TIER_L2, BB_TIER_L3, BB_TIER_MEMORY, BB_TIERS } bb_tier;
const char *bb_tier_name(bb_tier tier); /* "L1", "L2", "L3", "memory" */

/* How many processors this process may use: a container or taskset leaves fewer than are online. */
unsigned bb_processors(void);
/* Their numbers, at most `most`, in the order in which threads should be put on them: one of each core first. 0 where
 * the system does not tell. */
size_t bb_processor_list(unsigned *cpus, size_t most);
typedef struct bb_cache {
    uint64_t bytes;      /* 0 = there is none, or nobody tells; of memory always */
    unsigned processors; /* that share it, at least 1 */
} bb_cache;

/* The data caches as the first of those processors sees them. */
void bb_caches(bb_cache caches[BB_TIERS]);
#endif
