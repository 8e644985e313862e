/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pool.h - workers that share out numbered items of one job. */
#ifndef BB_BASE_POOL_H
#define BB_BASE_POOL_H
#include "base/fail.h"

typedef struct bb_pool bb_pool; /* owns its threads */

/* threads 0 = the processors that this process may use. */
bb_status bb_pool_new(unsigned threads, bb_pool **pool);
void bb_pool_free(bb_pool *pool);
unsigned bb_pool_threads(const bb_pool *pool);
/* Calls fn(ctx, i) once for every i in [0, n), in any order and thread; the caller's thread works too. Returns when all
 * are done. The FP environment of the workers is the default one. One job at a time. */
void bb_pool_run(bb_pool *pool, size_t n, void (*fn)(void *ctx, size_t i), void *ctx);
#endif
