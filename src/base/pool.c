/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pool.c - workers that share out numbered items of one job, over POSIX threads. */
#define _GNU_SOURCE /* pthread_setaffinity_np */
#include "base/pool.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "base/topology.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* The state of the pool in one word, so that a worker joins a job by one compare-and-exchange: the number of the job in
 * the high half, whether it may still be joined, how many workers are in it. Only while it is open or a worker is in it
 * are the job's fields read; the caller writes them while neither holds. */
enum { BUSY = 1, OPEN = 1 << 16 };
#define JOB        (UINT64_C(1) << 32)
#define BUSY_OF(s) ((s) & (OPEN - 1))

enum { LINE = 64, SPIN_NS = 50000 }; /* of a cache line; longer than starting the next of a row of products takes */

struct bb_pool {
    _Alignas(LINE) atomic_uint_fast64_t state;
    _Alignas(LINE) atomic_size_t next; /* item of the job */
    _Alignas(LINE) size_t n;
    void (*fn)(void *ctx, size_t i);
    void *ctx;
    /* what sleepers need */
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    atomic_uint sleepers; /* workers that wait for `start` */
    atomic_bool waiting;  /* the caller waits for `done` */
    atomic_bool stop;
    bool spins; /* every thread can have a processor */
    pthread_t *threads;
    unsigned n_threads; /* beside the caller */
    bool pinned;
#if defined(__linux__)
    cpu_set_t before; /* where the caller ran */
#endif
};

/* Takes items until none is left. The job is given by value: a worker reads the pool's fields once. */
static void work(bb_pool *pool, size_t n, void (*fn)(void *ctx, size_t i), void *ctx) {
    for (;;) {
        /* looks before it takes, so that `next` stays within one step a thread of n and cannot wrap */
        if (atomic_load_explicit(&pool->next, memory_order_relaxed) >= n) return;
        size_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (i >= n) return;
        fn(ctx, i);
    }
}

/* ---- waiting ---- */

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ __volatile__("yield");
#endif
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A job that this worker has not seen, or the end of the pool. */
static bool called(bb_pool *pool, uint64_t seen) {
    return atomic_load(&pool->state) / JOB != seen || atomic_load(&pool->stop);
}
/* No worker is in the job, which nobody can join any more. */
static bool ended(bb_pool *pool, uint64_t unused) {
    (void)unused;
    return BUSY_OF(atomic_load(&pool->state)) == 0;
}

/* Whether it became true before the time was over. */
static bool spin(bb_pool *pool, bool (*when)(bb_pool *, uint64_t), uint64_t seen) {
    if (when(pool, seen)) return true;
    if (!pool->spins) return false;
    uint64_t end = now_ns() + SPIN_NS;
    do {
        for (int i = 0; i < 16; i++) {
            relax();
            if (when(pool, seen)) return true;
        }
    } while (now_ns() < end);
    return false;
}

static void wait_for_job(bb_pool *pool, uint64_t seen) {
    if (spin(pool, called, seen)) return;
    pthread_mutex_lock(&pool->lock);
    /* first the count, then the look: the caller changes the state, then reads the count */
    atomic_fetch_add(&pool->sleepers, 1);
    while (!called(pool, seen)) pthread_cond_wait(&pool->start, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void wait_for_end(bb_pool *pool) {
    if (spin(pool, ended, 0)) return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->waiting, true);
    while (!ended(pool, 0)) pthread_cond_wait(&pool->done, &pool->lock);
    atomic_store(&pool->waiting, false);
    pthread_mutex_unlock(&pool->lock);
}

static void wake(bb_pool *pool) {
    if (atomic_load(&pool->sleepers) == 0) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
}

/* ---- workers ---- */

static void leave(bb_pool *pool) {
    if (BUSY_OF(atomic_fetch_sub(&pool->state, BUSY)) > 1 || !atomic_load(&pool->waiting)) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->done);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker(void *arg) {
    bb_pool *pool = arg;
    fesetenv(FE_DFL_ENV);
    for (uint64_t seen = 0;;) {
        wait_for_job(pool, seen);
        if (atomic_load(&pool->stop)) return NULL;
        uint64_t state = atomic_load(&pool->state);
        while ((state & OPEN) && !atomic_compare_exchange_weak(&pool->state, &state, state + BUSY)) relax();
        seen = state / JOB;
        if (!(state & OPEN)) continue; /* came after the others had done it all */
        work(pool, pool->n, pool->fn, pool->ctx);
        leave(pool);
    }
}

/* Signals that say what happens outside go to the program's own thread; faults stay with who makes them. */
static void block_signals(sigset_t *before) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&set, faults[i]);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

/* ---- processors ---- */

#if defined(__linux__)
static bool stay_on(pthread_t thread, unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return pthread_setaffinity_np(thread, sizeof set, &set) == 0;
}

static void pin(bb_pool *pool) {
    unsigned cpus[BB_POOL_MOST];
    size_t n = bb_processor_list(cpus, BB_POOL_MOST);
    if (n <= pool->n_threads || pthread_getaffinity_np(pthread_self(), sizeof pool->before, &pool->before) != 0) return;
    pool->pinned = stay_on(pthread_self(), cpus[0]);
    for (unsigned i = 0; i < pool->n_threads && pool->pinned; i++) (void)stay_on(pool->threads[i], cpus[i + 1]);
}

static void unpin(bb_pool *pool) {
    if (pool->pinned) (void)pthread_setaffinity_np(pthread_self(), sizeof pool->before, &pool->before);
}
#else
static void pin(bb_pool *pool) { (void)pool; }
static void unpin(bb_pool *pool) { (void)pool; }
#endif

/* ---- the pool ---- */

/* Starts as many of n workers as the system has, with a stack that holds what an item keeps there: tiles of sums of 128
 * KiB, which is all that a thread has by itself in musl. */
static void start(bb_pool *pool, unsigned n) {
    enum { STACK = 1 << 20 };
    pthread_attr_t attr;
    sigset_t before;
    if (pthread_attr_init(&attr) != 0) return;
    size_t stack = 0;
    if (pthread_attr_getstacksize(&attr, &stack) != 0 || stack < STACK) (void)pthread_attr_setstacksize(&attr, STACK);
    block_signals(&before); /* inherited by the workers */
    while (pool->n_threads < n && pthread_create(&pool->threads[pool->n_threads], &attr, worker, pool) == 0)
        pool->n_threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
}

bb_status bb_pool_new(unsigned threads, bb_pool **out) {
    unsigned processors = bb_processors();
    if (threads == 0) threads = processors < BB_POOL_MOST ? processors : BB_POOL_MOST;
    if (threads > BB_POOL_MOST) return BB_E_ARG;
    bb_pool *pool = bb_alloc_aligned(1, sizeof *pool);
    pthread_t *handles = bb_alloc(threads, sizeof *handles);
    if (!pool || !handles) {
        free(pool);
        free(handles);
        return BB_E_NOMEM;
    }
    *pool = (bb_pool){.threads = handles, .spins = threads <= processors};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->done, NULL);
    start(pool, threads - 1);
    *out = pool;
    return BB_OK;
}

bb_status bb_pool_new_pinned(unsigned threads, bb_pool **out) {
    bb_status status = bb_pool_new(threads, out);
    if (status == BB_OK) pin(*out);
    return status;
}

void bb_pool_free(bb_pool *pool) {
    if (!pool) return;
    atomic_store(&pool->stop, true);
    wake(pool);
    for (unsigned i = 0; i < pool->n_threads; i++) pthread_join(pool->threads[i], NULL);
    unpin(pool);
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
    pool->fn = fn;
    pool->ctx = ctx;
    pool->n = n;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_store(&pool->state, (atomic_load(&pool->state) / JOB + 1) * JOB + OPEN);
    wake(pool);
    work(pool, n, fn, ctx);
    atomic_fetch_and(&pool->state, ~(uint64_t)OPEN);
    wait_for_end(pool);
    bb_fp_leave(&env);
}
