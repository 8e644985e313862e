/* SPDX-License-Identifier: GPL-3.0-or-later */
/* roof.h - what this machine can do at most, measured: read bandwidth of each cache and memory, peaks of arithmetic. */
#ifndef BB_KERNEL_ROOF_H
#define BB_KERNEL_ROOF_H
#include "base/cpu.h"
#include "base/topology.h"
#include "kernel/acts.h"
#include <stdatomic.h>

/* The arithmetic of a matmul kernel: fp32 multiply and add, products of bf16 added to fp32, products of int8 added to
 * int32. */
typedef enum bb_arith { BB_ARITH_FP32, BB_ARITH_BF16, BB_ARITH_INT8, BB_ARITHS } bb_arith;
bb_arith bb_arith_of(bb_act act);
const char *bb_arith_name(bb_arith arith); /* "fp32", "bf16", "int8" */

/* What a number of threads does together. */
typedef struct bb_ceilings {
    unsigned threads;
    /* 10^9 bytes read a second, from a buffer that fits in this cache and not in the one before; 0: there is no such
     * cache, or its buffers of all threads do not fit into the memory. */
    double read_gbps[BB_TIERS];
    /* 10^9 operations a second by the instructions of each level and those below it, a multiplication and an addition
     * counted as two; 0 where the level does not run or was not asked for. Without an instruction of its own bf16 is
     * fp32, as in the kernels. */
    double gops[BB_LEVELS][BB_ARITHS];
} bb_ceilings;

typedef struct bb_roof {
    uint64_t cache_bytes[BB_TIERS];
    bb_ceilings one, used, all; /* one thread, as many as were asked for, one for each processor of this process */
} bb_roof;

/* The ceilings within isa, in about `seconds` and 0.3 s for memory of 256 MiB to 1 GiB: four times the last cache,
 * which one beyond 256 MiB does not get, and 16 MiB a thread, which more than 64 do not get. threads as for
 * bb_pool_new; workers and caller are pinned meanwhile. A cache's figure and a peak are the best of many short slices,
 * because what disturbs a measurement only slows it; memory's is the 90th percentile, because neighbours make it flip.
 * *cancel (may be NULL) ends it with BB_E_CANCELLED. */
bb_status bb_roof_measure(unsigned threads, bb_isa isa, double seconds, const atomic_bool *cancel, bb_roof *roof);
/* The read bandwidth of memory alone, once more: neighbours on the same machine change it from minute to minute. */
bb_status bb_roof_memory(unsigned threads, bb_isa isa, double seconds, const atomic_bool *cancel, double *gbps);
/* The highest of an arithmetic over the levels. */
double bb_ceilings_peak(const bb_ceilings *c, bb_arith arith);
#endif
