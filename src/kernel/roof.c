/* SPDX-License-Identifier: GPL-3.0-or-later */
/* roof.c - measured ceilings: which loops run, on how many threads, over how much memory; and the portable loops. */
#include "kernel/roof.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "kernel/roof_loops.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    CHAINS = 12,
    ROUNDS = 16,
    SCALAR_BYTES = 4096,
    MIB = 1 << 20,
    MEMORY_MIN = 256 * MIB,
    MEMORY_MAX = 1024 * MIB,
    MEMORY_EACH = 16 * MIB,
    SLICE = 4 * MIB,
    SLICES = 4096
};

bb_arith bb_arith_of(bb_act act) {
    return act == BB_ACT_F32 ? BB_ARITH_FP32 : act == BB_ACT_BF16 ? BB_ARITH_BF16 : BB_ARITH_INT8;
}

const char *bb_arith_name(bb_arith arith) {
    static const char *const names[BB_ARITHS] = {"fp32", "bf16", "int8"};
    return names[arith];
}

/* ---- portable loops: as simple as the portable kernels, so that the compiler may do with both what it can ---- */

/* Independent chains c = c / 2 + 1, which stay near 2. */
static uint32_t fp32_scalar(size_t steps) {
    volatile float hidden_half = 0.5f, hidden_one = 1; /* from the compiler */
    const float half = hidden_half, one = hidden_one;
    float c[CHAINS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, sum = 0;
    for (; steps; steps--)
        for (int r = 0; r < ROUNDS; r++) {
            c[0] = c[0] * half + one;
            c[1] = c[1] * half + one;
            c[2] = c[2] * half + one;
            c[3] = c[3] * half + one;
            c[4] = c[4] * half + one;
            c[5] = c[5] * half + one;
            c[6] = c[6] * half + one;
            c[7] = c[7] * half + one;
            c[8] = c[8] * half + one;
            c[9] = c[9] * half + one;
            c[10] = c[10] * half + one;
            c[11] = c[11] * half + one;
        }
    for (int i = 0; i < CHAINS; i++) sum += c[i];
    return sum > 0;
}

static uint32_t int8_scalar(size_t steps) {
    volatile signed char hidden_three = 3;
    signed char a[SCALAR_BYTES], b[SCALAR_BYTES];
    uint32_t sum = 0;
    memset(a, hidden_three, sizeof a);
    memset(b, hidden_three, sizeof b);
    for (; steps; steps--) {
        int32_t s = 0;
        for (int i = 0; i < SCALAR_BYTES; i++) s += a[i] * b[i];
        sum += (uint32_t)s;
        a[sum % SCALAR_BYTES] = (signed char)(steps % 100); /* the next sum is another */
    }
    return sum;
}

static uint32_t read_scalar(const unsigned char *p, size_t bytes) {
    uint64_t s[8] = {0}, v[8];
    for (size_t at = 0; at < bytes; at += sizeof v) {
        memcpy(v, p + at, sizeof v);
        for (int k = 0; k < 8; k++) s[k] |= v[k];
    }
    return (uint32_t)(s[0] | s[1] | s[2] | s[3] | s[4] | s[5] | s[6] | s[7]);
}

static const bb_peak_loop scalar_peaks[] = {{BB_LEVEL_SCALAR, BB_ARITH_FP32, 2 * CHAINS *ROUNDS, fp32_scalar},
                                            {BB_LEVEL_SCALAR, BB_ARITH_INT8, 2 * SCALAR_BYTES, int8_scalar}};
static const bb_read_loop scalar_read = {BB_LEVEL_SCALAR, read_scalar};

#if BB_X86
enum { PEAKS = 2 + BB_PEAK_LOOPS_X86 };
static const bb_peak_loop *peak_at(size_t i) { return i < 2 ? &scalar_peaks[i] : &bb_peak_loops_x86[i - 2]; }
#else
enum { PEAKS = 2 };
static const bb_peak_loop *peak_at(size_t i) { return &scalar_peaks[i]; }
#endif

static bool runs(bb_level level, bb_isa most) { return bb_level_isa(level) <= most && bb_level_runs(level); }

static const bb_read_loop *widest_read(bb_isa most) {
    const bb_read_loop *best = &scalar_read;
    (void)most;
#if BB_X86
    for (size_t i = 0; i < BB_READ_LOOPS_X86; i++)
        if (runs(bb_read_loops_x86[i].level, most)) best = &bb_read_loops_x86[i];
#endif
    return best;
}

/* ---- timing ---- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct gauge {
    bb_pool *pool; /* NULL = this thread */
    unsigned threads;
    double seconds; /* for one figure */
    const atomic_bool *cancel;
} gauge;

static double larger(double a, double b) { return a > b ? a : b; }
static bool cancelled(const gauge *g) { return g->cancel && atomic_load(g->cancel); }

/* Seconds in which every thread does the item once. */
static double time_of(const gauge *g, void (*item)(void *ctx, size_t i), void *ctx) {
    double start = now();
    if (g->pool)
        bb_pool_run(g->pool, g->threads, item, ctx);
    else
        item(ctx, 0);
    return now() - start;
}

/* One slice: the same work for each thread. */
typedef struct slice {
    const bb_peak_loop *peak;
    const bb_read_loop *read;
    const unsigned char *base;
    size_t repeats;        /* steps of a peak, passes of a read */
    size_t part, at, each; /* item i reads `each` bytes from base + i * part + at on */
    atomic_uint keep;      /* results go there, so that they are used */
} slice;

static void do_slice(void *ctx, size_t i) {
    slice *s = ctx;
    uint32_t result = 0;
    if (s->peak)
        result = s->peak->run(s->repeats);
    else
        for (size_t r = 0; r < s->repeats; r++) result |= s->read->run(s->base + i * s->part + s->at, s->each);
    atomic_fetch_or(&s->keep, result);
}

/* Units a second of the best slice, each slice long enough for the clock and the start of the threads. */
static double best_rate(const gauge *g, slice *s, double unit) {
    enum { REPEATS_MAX = 1 << 30 };
    static const double long_enough = 2e-4;
    int least = 8; /* slices, however short the time */
    double best = 0, end = now() + g->seconds, t;
    for (s->repeats = 1; (t = time_of(g, do_slice, s)) < long_enough && s->repeats < REPEATS_MAX;) s->repeats *= 2;
    do {
        best = larger(best, unit * (double)s->repeats * g->threads / t);
        if ((--least <= 0 && now() >= end) || cancelled(g)) return best;
        t = time_of(g, do_slice, s);
    } while (true);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of slices that follow one another through the memory, each thread in a part of its own: once through at least, since
 * the first ones may lie in a cache still. */
static double memory_rate(const gauge *g, slice *s, size_t bytes, double *rates) {
    size_t n = 0;
    s->repeats = 1;
    s->part = bytes / g->threads / BB_READ_BYTES * BB_READ_BYTES;
    s->each = s->part < SLICE ? s->part : SLICE;
    size_t least = s->part / s->each;
    double end = now() + g->seconds;
    do {
        rates[n++] = (double)s->each * g->threads / time_of(g, do_slice, s);
        s->at += s->each;
        if (s->at + s->each > s->part) s->at = 0;
    } while (n < SLICES && (n < least || now() < end) && !cancelled(g));
    qsort(rates, n, sizeof *rates, ascending);
    return rates[(n - 1) * 9 / 10];
}

/* ---- one number of threads ---- */

typedef struct memory {
    unsigned char *data;
    size_t bytes;
    double *rates; /* [SLICES] */
} memory;

/* Bytes that each thread reads to stay within a cache and outside of the one before. */
static size_t cache_share(const bb_cache caches[BB_TIERS], int tier, unsigned threads) {
    uint64_t before = tier > BB_TIER_L1 ? caches[tier - 1].bytes : 0;
    unsigned sharing = caches[tier].processors < threads ? caches[tier].processors : threads;
    uint64_t each = caches[tier].bytes / 2 / (tier == BB_TIER_L3 ? sharing : 1);
    if (each < before + before / 4) each = before + before / 4;
    return (size_t)(each / BB_READ_BYTES * BB_READ_BYTES);
}

/* A level does what those below it do; bf16 without an instruction of its own is fp32. */
static void inherit(bb_ceilings *c, bb_isa most) {
    static const bb_level below[BB_LEVELS] = {BB_LEVEL_SCALAR, BB_LEVEL_SCALAR, BB_LEVEL_AVX2,
                                              BB_LEVEL_AVX2,   BB_LEVEL_AVX512, BB_LEVEL_AVX512};
    for (int l = BB_LEVEL_SCALAR; l < BB_LEVELS; l++) {
        double *own = c->gops[l];
        if (!runs((bb_level)l, most)) continue;
        for (int a = 0; a < BB_ARITHS; a++) own[a] = larger(own[a], c->gops[below[l]][a]);
        own[BB_ARITH_BF16] = larger(own[BB_ARITH_BF16], own[BB_ARITH_FP32]);
    }
}

static void measure(const gauge *g, bb_isa most, const bb_cache caches[BB_TIERS], const memory *m, bb_ceilings *c) {
    *c = (bb_ceilings){.threads = g->threads};
    for (size_t i = 0; i < PEAKS && !cancelled(g); i++) {
        const bb_peak_loop *p = peak_at(i);
        slice s = {.peak = p};
        if (runs(p->level, most)) c->gops[p->level][p->arith] = best_rate(g, &s, p->step_ops) * 1e-9;
    }
    inherit(c, most);
    for (int tier = BB_TIER_L1; tier < BB_TIER_MEMORY && !cancelled(g); tier++) {
        slice s = {.read = widest_read(most), .base = m->data, .each = cache_share(caches, tier, g->threads)};
        s.part = s.each;
        if (caches[tier].bytes == 0 || s.each == 0 || s.each * g->threads > m->bytes) continue;
        c->read_gbps[tier] = best_rate(g, &s, (double)s.each) * 1e-9;
    }
    gauge longer = *g;
    slice s = {.read = widest_read(most), .base = m->data};
    longer.seconds *= 3;
    if (!cancelled(g)) c->read_gbps[BB_TIER_MEMORY] = memory_rate(&longer, &s, m->bytes, m->rates) * 1e-9;
}

/* ---- memory ---- */

/* Much larger than the last cache and some for each thread, but no more than half of what is free and MEMORY_MAX. */
static bb_status take_memory(memory *m, const gauge *g, uint64_t cache, unsigned threads) {
    uint64_t want = 4 * cache > MEMORY_MIN ? 4 * cache : MEMORY_MIN;
    if (want < (uint64_t)threads * MEMORY_EACH) want = (uint64_t)threads * MEMORY_EACH;
    if (want > MEMORY_MAX) want = MEMORY_MAX;
#ifdef _SC_AVPHYS_PAGES
    long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t half = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page / 2 : want;
    if (want > half) want = half > MEMORY_MIN ? half : MEMORY_MIN;
#endif
    m->bytes = (size_t)(want / SLICE * SLICE);
    m->data = bb_alloc_aligned(m->bytes, 1);
    m->rates = bb_alloc(SLICES, sizeof *m->rates);
    if (!m->data || !m->rates) return BB_E_NOMEM;
    for (size_t at = 0; at < m->bytes && !cancelled(g); at += SLICE) memset(m->data + at, 1, SLICE);
    return BB_OK;
}

/* Pinned for `threads`; the caller is pinned too while it lives. */
static bb_status measure_with(unsigned threads, gauge *g, bb_isa most, const bb_cache caches[BB_TIERS], const memory *m,
                              bb_ceilings *c) {
    bb_status status = bb_pool_new_pinned(threads, &g->pool);
    if (status != BB_OK) return status;
    g->threads = bb_pool_threads(g->pool);
    measure(g, most, caches, m, c);
    bb_pool_free(g->pool);
    return BB_OK;
}

static void give_memory(memory *m) {
    free(m->data);
    free(m->rates);
}

bb_status bb_roof_measure(unsigned threads, bb_isa isa, double seconds, const atomic_bool *cancel, bb_roof *roof) {
    enum { FIGURES = PEAKS + BB_TIER_MEMORY + 3 };
    bb_cache caches[BB_TIERS];
    bb_isa most = bb_isa_choose(isa);
    bb_roof r = {0};
    memory m = {0};
    unsigned all = bb_processors();
    if (all > BB_POOL_MOST) all = BB_POOL_MOST;
    if (threads == 0) threads = all;
    if (threads > BB_POOL_MOST) return BB_E_ARG;
    bb_caches(caches);
    for (int i = 0; i < BB_TIERS; i++) r.cache_bytes[i] = caches[i].bytes;
    bool other = threads != 1 && threads != all;
    gauge g = {.seconds = seconds / FIGURES / (1 + (all > 1) + other), .cancel = cancel};
    fenv_t saved;
    bb_fp_enter(&saved);
    bb_status status = take_memory(&m, &g, caches[BB_TIER_L3].bytes, threads > all ? threads : all);
    if (status == BB_OK) status = measure_with(1, &g, most, caches, &m, &r.one);
    r.all = r.one;
    if (status == BB_OK && all > 1) status = measure_with(all, &g, most, caches, &m, &r.all);
    r.used = threads == 1 ? r.one : r.all;
    if (status == BB_OK && other) status = measure_with(threads, &g, most, caches, &m, &r.used);
    bb_fp_leave(&saved);
    give_memory(&m);
    if (status == BB_OK && cancelled(&g)) status = BB_E_CANCELLED;
    if (status == BB_OK) *roof = r;
    return status;
}

bb_status bb_roof_memory(unsigned threads, bb_isa isa, double seconds, const atomic_bool *cancel, double *gbps) {
    bb_cache caches[BB_TIERS];
    memory m = {0};
    gauge g = {.seconds = seconds, .cancel = cancel};
    bb_caches(caches);
    bb_status status = bb_pool_new_pinned(threads, &g.pool);
    if (status != BB_OK) return status;
    g.threads = bb_pool_threads(g.pool);
    status = take_memory(&m, &g, caches[BB_TIER_L3].bytes, g.threads);
    slice s = {.read = widest_read(bb_isa_choose(isa)), .base = m.data};
    if (status == BB_OK && !cancelled(&g)) *gbps = memory_rate(&g, &s, m.bytes, m.rates) * 1e-9;
    give_memory(&m);
    bb_pool_free(g.pool);
    return status == BB_OK && cancelled(&g) ? BB_E_CANCELLED : status;
}

double bb_ceilings_peak(const bb_ceilings *c, bb_arith arith) {
    double best = 0;
    for (int l = 0; l < BB_LEVELS; l++) best = larger(best, c->gops[l][arith]);
    return best;
}
