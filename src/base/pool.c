/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pool.c - workers that share out numbered items of one job, over POSIX threads. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/pool.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
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
    atomic_size_t next; /* item of the job */
    size_t n;
    void (*fn)(void *ctx, size_t i);
    void *ctx;
};

/* Takes items until none is left. The job is given by value: the pool's own fields belong to its lock. */
static void work(bb_pool *pool, size_t n, void (*fn)(void *ctx, size_t i), void *ctx) {
    for (;;) {
        /* looks before it takes, so that `next` stays within one step a thread of n and cannot wrap */
        if (atomic_load_explicit(&pool->next, memory_order_relaxed) >= n) return;
        size_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (i >= n) return;
        fn(ctx, i);
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
        if (pool->n == 0) continue; /* woke after the others had done it all */
        size_t n = pool->n;
        void (*fn)(void *ctx, size_t i) = pool->fn;
        void *ctx = pool->ctx;
        pool->busy++;
        pthread_mutex_unlock(&pool->lock);
        work(pool, n, fn, ctx);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0) pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* The processors that this process may use: a container or taskset leaves fewer than are online. */
static unsigned processors(void) {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return (unsigned)CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN); /* also beyond the 1024 of a cpu_set_t */
    return n > 0 ? (unsigned)n : 1;
}

/* Signals that say what happens outside go to the program's own thread; faults stay with who makes them. */
static void block_signals(sigset_t *before) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&set, faults[i]);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

bb_status bb_pool_new(unsigned threads, bb_pool **out) {
    enum { MOST = 1024 };
    if (threads == 0) threads = processors() < MOST ? processors() : MOST;
    if (threads > MOST) return BB_E_ARG;
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
    sigset_t before;
    block_signals(&before); /* inherited by the workers */
    for (unsigned i = 1; i < threads; i++) {
        if (pthread_create(&pool->threads[pool->n_threads], NULL, worker, pool) != 0) break; /* fewer, then */
        pool->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
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
    if (n == 0) return;
    fenv_t env;
    bb_fp_enter(&env); /* an item must not depend on who computes it */
    pthread_mutex_lock(&pool->lock);
    pool->fn = fn;
    pool->ctx = ctx;
    pool->n = n;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    pool->job++;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    work(pool, n, fn, ctx);
    pthread_mutex_lock(&pool->lock);
    while (pool->busy > 0) pthread_cond_wait(&pool->done, &pool->lock);
    pool->n = 0;
    pthread_mutex_unlock(&pool->lock);
    bb_fp_leave(&env);
}
