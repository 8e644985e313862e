/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_time.c - how a call is timed, over how many copies of its weights, and what the roof says of the time. */
#include "measure/measure.h"
#include "study/bench_parts.h"
#include "study/study_parts.h"
#include <time.h>

enum { SAMPLES_MAX = 1000, SAMPLES_MIN = 3, COPIES_MAX = 256, BATCH_MAX = 1 << 20, MIB = 1 << 20 };

/* A sample is at least so long that the clocks, of which that of a thread's processor time is a system call, do not
 * count. */
static const double sample_ns = 50e3, alone_ns = 1e9;

static double thread_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

size_t bb_bench_copies(uint64_t bytes, unsigned threads, bb_tier *tier) {
    bb_cache caches[BB_TIERS];
    uint64_t last = 16 * (uint64_t)MIB;
    bb_caches(caches);
    for (int i = 0; i < BB_TIER_MEMORY; i++) last = caches[i].bytes > last ? caches[i].bytes : last;
    uint64_t target = 4 * last < 1024 * (uint64_t)MIB ? 4 * last : 1024 * (uint64_t)MIB;
    uint64_t copies = (target + bytes - 1) / bytes;
    if (copies > COPIES_MAX) copies = COPIES_MAX;
    *tier = BB_TIER_MEMORY;
    for (int i = BB_TIER_L3; i >= BB_TIER_L1; i--) {
        /* a thread reads its share of each copy, from caches of its own but for the last */
        uint64_t room = caches[i].bytes * (i == BB_TIER_L3 ? 1 : threads);
        if (copies * bytes <= room) *tier = (bb_tier)i;
    }
    return (size_t)copies;
}

typedef struct run {
    bb_bench_call *call;
    void *ctx;
    size_t copies, at;
} run;

/* `batch` calls; adds up their time. */
static bb_status one_sample(run *r, size_t batch, double *cpu, double *wall) {
    bb_status status = BB_OK;
    uint64_t began = bb_study_now_ns();
    double thread = thread_ns();
    for (size_t i = 0; i < batch && status == BB_OK; i++) {
        status = r->call(r->ctx, r->at);
        r->at = (r->at + 1) % r->copies;
    }
    *cpu = (thread_ns() - thread) / (double)batch;
    *wall = (double)(bb_study_now_ns() - began) / (double)batch;
    return status;
}

bb_status bb_bench_time(const bb_bench_clock *clock, bb_bench_call *call, void *ctx, size_t copies, bb_bench_row *row) {
    double cpu[SAMPLES_MAX], wall[SAMPLES_MAX];
    run r = {call, ctx, copies, 0};
    size_t n = 0, batch = 1;
    uint64_t began = bb_study_now_ns();
    bb_status status = one_sample(&r, 1, &cpu[0], &wall[0]);
    if (wall[0] >= alone_ns)
        n = 1;
    else if (wall[0] < sample_ns)
        batch = (size_t)(sample_ns / (wall[0] < 1 ? 1 : wall[0])) + 1;
    if (batch > BATCH_MAX) batch = BATCH_MAX;
    while (status == BB_OK && n < SAMPLES_MAX &&
           (n < SAMPLES_MIN || (double)(bb_study_now_ns() - began) < clock->seconds * 1e9)) {
        if (n == 1 && wall[0] >= alone_ns) break;
        status = one_sample(&r, batch, &cpu[n], &wall[n]);
        n++;
        if (clock->cancel && atomic_load(clock->cancel)) status = BB_E_CANCELLED;
    }
    if (status != BB_OK) return status;
    double spread;
    row->wall_ns = bb_median(wall, n, &row->spread);
    double cpu_ns = bb_median(cpu, n, &spread);
    row->ns = row->wall_ns;
    row->best_ns = wall[0]; /* in order now */
    /* a clock that stands still is none */
    if (clock->threads == 1 && cpu_ns > 0) {
        row->ns = cpu_ns;
        row->best_ns = cpu[0];
        row->spread = spread;
    }
    return BB_OK;
}

void bb_bench_rate(const bb_roof *roof, double peak, bb_bench_row *row) {
    const bb_ceilings *c = &roof->used;
    double ops = 2.0 * (double)row->tokens * (double)row->out * (double)row->in;
    double gbps = c->read_gbps[row->tier] > 0 ? c->read_gbps[row->tier] : c->read_gbps[BB_TIER_MEMORY];
    double memory = (double)row->weight_bytes / gbps, compute = ops / peak;
    row->gops = ops / row->ns;
    row->gbps = (double)row->weight_bytes / row->ns;
    row->bound_by = memory > compute ? "memory" : "compute";
    row->roof_ns = memory > compute ? memory : compute;
    row->roof_fraction = row->roof_ns / row->ns;
}
