/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pool.c - workers that share out numbered items of one job, over POSIX threads. */
#include "base/pool.h"
#include "base/mem.h"
#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct bb_pool {
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    pthread_t *threads;
    unsigned n_threads; /* beside the caller */
    bool stop;
    uint64_t job; /* number of the job that runs; workers wait for the next */
    unsigned busy;
    size_t next, n;
    void (*fn)(void *ctx, size_t i);
    void *ctx;
};

/* Takes items until none is left; called and returns with the lock held. */
static void work(bb_pool *pool) {
    while (pool->next < pool->n) {
        size_t i = pool->next++;
        pthread_mutex_unlock(&pool->lock);
        pool->fn(pool->ctx, i);
        pthread_mutex_lock(&pool->lock);
    }
}

static void *worker(void *arg) {
    bb_pool *pool = arg;
    fesetenv(FE_DFL_ENV);
    pthread_mutex_lock(&pool->lock);
    uint64_t seen = 0;
    for (;;) {
        while (!pool->stop && pool->job == seen) pthread_cond_wait(&pool->start, &pool->lock);
        if (pool->stop) break;
        seen = pool->job;
        pool->busy++;
        work(pool);
        if (--pool->busy == 0) pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

bb_status bb_pool_new(unsigned threads, bb_pool **out) {
    if (threads == 0) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        threads = n > 0 ? (unsigned)n : 1;
    }
    if (threads > 1024) return BB_E_ARG;
    bb_pool *pool = bb_alloc(1, sizeof *pool);
    if (!pool) return BB_E_NOMEM;
    pool->threads = bb_alloc(threads, sizeof *pool->threads);
    if (!pool->threads) {
        free(pool);
        return BB_E_NOMEM;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (unsigned i = 1; i < threads; i++) {
        if (pthread_create(&pool->threads[pool->n_threads], NULL, worker, pool) != 0) break; /* fewer, then */
        pool->n_threads++;
    }
    *out = pool;
    return BB_OK;
}

void bb_pool_free(bb_pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_threads; i++) pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->start);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}

unsigned bb_pool_threads(const bb_pool *pool) { return pool->n_threads + 1; }

void bb_pool_run(bb_pool *pool, size_t n, void (*fn)(void *ctx, size_t i), void *ctx) {
    pthread_mutex_lock(&pool->lock);
    pool->fn = fn;
    pool->ctx = ctx;
    pool->next = 0;
    pool->n = n;
    pool->job++;
    pthread_cond_broadcast(&pool->start);
    work(pool);
    while (pool->busy > 0) pthread_cond_wait(&pool->done, &pool->lock);
    pool->n = 0;
    pthread_mutex_unlock(&pool->lock);
}
