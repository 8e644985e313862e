/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_pool.c - each item once, in the default floating-point environment, whatever the number of threads. */
#define _GNU_SOURCE /* pthread_getaffinity_np */
#include "base/pool.h"
#include "base/topology.h"
#include "harness.h"
#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { ITEMS = 20000 };
static void mark(void *ctx, size_t i) { ((unsigned char *)ctx)[i]++; }

START_TEST(each_item_once) {
    static unsigned char seen[ITEMS];
    static const unsigned threads[] = {0, 1, 2, 3, 16};
    static const size_t items[] = {0, 1, 2, 15, ITEMS};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        bb_pool *pool = NULL;
        ck_assert_int_eq(bb_pool_new(threads[t], &pool), BB_OK);
        ck_assert(bb_pool_threads(pool) >= 1 && (threads[t] == 0 || bb_pool_threads(pool) <= threads[t]));
        for (size_t k = 0; k < sizeof items / sizeof *items; k++) {
            memset(seen, 0, sizeof seen);
            bb_pool_run(pool, items[k], mark, seen);
            for (size_t i = 0; i < ITEMS; i++) ck_assert_uint_eq(seen[i], i < items[k]);
        }
        bb_pool_free(pool);
    }
    bb_pool *pool = NULL;
    ck_assert(bb_pool_new(BB_POOL_MOST + 1, &pool) == BB_E_ARG && !pool);
    bb_pool_free(NULL);
}
END_TEST

/* The caller's processors come back, each thread had one while the pool lived, and no two the same. */
START_TEST(pinned) {
#if defined(__linux__)
    static unsigned char seen[ITEMS];
    cpu_set_t before, now;
    ck_assert_int_eq(pthread_getaffinity_np(pthread_self(), sizeof before, &before), 0);
    unsigned processors = bb_processors();
    for (unsigned threads = 1; threads <= processors + 1 && threads < 20; threads++) {
        bb_pool *pool = NULL;
        ck_assert_int_eq(bb_pool_new_pinned(threads, &pool), BB_OK);
        ck_assert_int_eq(pthread_getaffinity_np(pthread_self(), sizeof now, &now), 0);
        if (bb_pool_threads(pool) <= processors)
            ck_assert_int_eq(CPU_COUNT(&now), 1);
        else
            ck_assert(CPU_EQUAL(&now, &before));
        memset(seen, 0, sizeof seen);
        bb_pool_run(pool, ITEMS, mark, seen);
        for (size_t i = 0; i < ITEMS; i++) ck_assert_uint_eq(seen[i], 1);
        bb_pool_free(pool);
        ck_assert_int_eq(pthread_getaffinity_np(pthread_self(), sizeof now, &now), 0);
        ck_assert(CPU_EQUAL(&now, &before));
    }
#endif
}
END_TEST

/* Longer than anybody spins: workers and caller sleep, and are woken. */
static void nap(void *ctx, size_t i) {
    nanosleep(&(struct timespec){.tv_nsec = i == 0 ? 2000000 : 0}, NULL);
    atomic_fetch_add((atomic_size_t *)ctx, 1);
}

START_TEST(sleepers_wake) {
    bb_pool *pool = NULL;
    ck_assert_int_eq(bb_pool_new(3, &pool), BB_OK);
    for (int job = 0; job < 40; job++) {
        atomic_size_t done = 0;
        if (job % 2) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        bb_pool_run(pool, 5, nap, &done);
        ck_assert_uint_eq(done, 5);
    }
    bb_pool_free(pool);
}
END_TEST

static void add(void *ctx, size_t i) { atomic_fetch_add((atomic_size_t *)ctx, i); }

/* Short jobs one after the other: a worker that wakes late must not touch the next job's items twice. */
START_TEST(many_short_jobs) {
    bb_pool *pool = NULL;
    ck_assert_int_eq(bb_pool_new(4, &pool), BB_OK);
    for (size_t job = 0; job < 5000; job++) {
        atomic_size_t sum = 0;
        bb_pool_run(pool, 1 + job % 7, add, &sum);
        ck_assert_uint_eq(sum, (job % 7) * (1 + job % 7) / 2);
    }
    bb_pool_free(pool);
}
END_TEST

typedef struct rounding {
    atomic_int wrong;
} rounding;
static void check_rounding(void *ctx, size_t i) {
    (void)i;
    volatile double tiny = 0x1p-1022, third = 1.0, three = 3.0;
    third /= three;
    if (fegetround() != FE_TONEAREST || third != 0x1.5555555555555p-2 || tiny * 0.5 == 0)
        atomic_fetch_add(&((rounding *)ctx)->wrong, 1);
}

START_TEST(default_environment) {
    rounding r = {0};
    ck_assert_int_eq(fesetround(FE_UPWARD), 0); /* before the workers begin: they would inherit it */
    bb_pool *pool = NULL;
    ck_assert_int_eq(bb_pool_new(3, &pool), BB_OK);
    bb_pool_run(pool, 300, check_rounding, &r);
    ck_assert_int_eq(r.wrong, 0);
    ck_assert_int_eq(fegetround(), FE_UPWARD); /* the caller's own comes back */
    bb_pool_free(pool);
    fesetround(FE_TONEAREST);
}
END_TEST

static void check_mask(void *ctx, size_t i) {
    (void)i;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    if (pthread_equal(pthread_self(), *(pthread_t *)ctx)) return;
    if (!sigismember(&set, SIGINT) || !sigismember(&set, SIGTERM) || sigismember(&set, SIGSEGV)) abort();
}

START_TEST(signals_stay_with_the_program) {
    pthread_t self = pthread_self();
    sigset_t set;
    bb_pool *pool = NULL;
    ck_assert_int_eq(bb_pool_new(3, &pool), BB_OK);
    bb_pool_run(pool, 1000, check_mask, &self);
    bb_pool_free(pool);
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    ck_assert(!sigismember(&set, SIGINT));
}
END_TEST

/* Half a MiB of it, whatever a thread has by itself. */
static void go_deep(void *ctx, size_t i) {
    volatile unsigned char deep[512 << 10];
    for (size_t at = 0; at < sizeof deep; at += 1024) deep[at] = (unsigned char)i;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* so that every worker gets one */
    for (size_t at = 0; at < sizeof deep; at += 1024)
        if (deep[at] != (unsigned char)i) return;
    atomic_fetch_add((atomic_size_t *)ctx, 1);
}

START_TEST(items_have_a_stack) {
#if defined(__GLIBC__)
    pthread_attr_t before, small;
    ck_assert_int_eq(pthread_getattr_default_np(&before), 0);
    ck_assert_int_eq(pthread_attr_init(&small), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&small, 128 << 10), 0); /* musl's */
    ck_assert_int_eq(pthread_setattr_default_np(&small), 0);
#endif
    bb_pool *pool = NULL;
    atomic_size_t done = 0;
    ck_assert_int_eq(bb_pool_new(3, &pool), BB_OK);
    bb_pool_run(pool, 12, go_deep, &done);
    ck_assert_uint_eq(done, 12);
    bb_pool_free(pool);
#if defined(__GLIBC__)
    ck_assert_int_eq(pthread_setattr_default_np(&before), 0);
    pthread_attr_destroy(&small);
    pthread_attr_destroy(&before);
#endif
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("pool");
    TCase *t = tcase_create("pool");
    tcase_add_test(t, each_item_once);
    tcase_add_test(t, pinned);
    tcase_add_test(t, sleepers_wake);
    tcase_add_test(t, many_short_jobs);
    tcase_add_test(t, default_environment);
    tcase_add_test(t, items_have_a_stack);
    tcase_add_test(t, signals_stay_with_the_program);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
