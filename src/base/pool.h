/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pool.h - workers that share out numbered items of one job. */
#ifndef BB_BASE_POOL_H
#define BB_BASE_POOL_H
#include "base/fail.h"

typedef struct bb_pool bb_pool; /* owns its threads */
enum { BB_POOL_MOST = 1024 };   /* threads, the caller's included */

/* threads 0 = the processors that this process may use; more than BB_POOL_MOST is BB_E_ARG. Fewer threads than asked
 * for when the system has no more: bb_pool_threads tells. A worker
 * has a stack of 1 MiB or more. Workers leave all signals to the program's other threads. Who
 * waits for a job or for its end spins for 50 us, then sleeps; a worker that comes late takes no part in a job. */
bb_status bb_pool_new(unsigned threads, bb_pool **pool);
/* For measurements: each thread, the caller's too, stays on a processor of its own, where there are as many. The
 * caller's thread must be the one that frees the pool, and may run where it did before from then on; threads that it
 * starts meanwhile stay on its one processor. */
bb_status bb_pool_new_pinned(unsigned threads, bb_pool **pool);
void bb_pool_free(bb_pool *pool);
unsigned bb_pool_threads(const bb_pool *pool);
/* Calls fn(ctx, i) once for every i in [0, n), in any order and thread; the caller's thread works too. Returns when all
 * are done. Every item runs in the default FP environment. One job at a time: fn must not call this for the same pool,
 * nor two threads. */
void bb_pool_run(bb_pool *pool, size_t n, void (*fn)(void *ctx, size_t i), void *ctx);
#endif
