/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_study.c - each kernel's time over repetitions, its error, and how far below the roof it stays. */
#include "study/bench_study.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/source.h"
#include "kernel/kernel.h"
#include "kernel/roof.h"
#include "measure/measure.h"
#include "study/study_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOKENS_DEFAULT = 1,
    SIDE_DEFAULT = 1024,
    REPEATS_MAX = 1000,
    REPEATS_MIN = 3,
    SIDE_MAX = 65536,
    TOKENS_MAX = 8192
};

typedef struct bench {
    size_t tokens, out, in;
    float *w, *x, *y;
    double *ref, *got; /* [tokens][out] */
    bb_pool *pool;
    double seconds;
    bb_progress *progress;
} bench;

static bool cancelled(const bench *b) { return b->progress && atomic_load(&b->progress->cancel); }

/* The first "model name" of /proc/cpuinfo, where there is one. */
static void cpu_name(char *name, size_t size) {
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];
    snprintf(name, size, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        line[strcspn(line, "\n")] = 0;
        bb_escape_buf(colon + (colon[1] == ' ' ? 2 : 1), name, size);
        break;
    }
    if (f) fclose(f);
}

static bb_status prepare(bench *b, uint64_t seed) {
    size_t nw, nx, ny;
    if (!bb_mul_size(b->out, b->in, &nw) || !bb_mul_size(b->tokens, b->in, &nx) || !bb_mul_size(b->tokens, b->out, &ny))
        return BB_E_OVERFLOW;
    b->w = bb_alloc(nw, sizeof *b->w);
    b->x = bb_alloc(nx, sizeof *b->x);
    b->y = bb_alloc(ny, sizeof *b->y);
    b->ref = bb_alloc(ny, sizeof *b->ref);
    b->got = bb_alloc(ny, sizeof *b->got);
    if (!b->w || !b->x || !b->y || !b->ref || !b->got) return BB_E_NOMEM;
    bb_study_gaussian(seed, 0, b->x, nx);
    bb_study_gaussian(seed + 1, 0, b->w, nw);
    for (size_t t = 0; t < b->tokens; t++) {
        for (size_t o = 0; o < b->out; o++) {
            const float *x = b->x + t * b->in, *w = b->w + o * b->in;
            double s = 0;
            for (size_t k = 0; k < b->in; k++) s += (double)x[k] * (double)w[k];
            b->ref[t * b->out + o] = s;
        }
        if (cancelled(b)) return BB_E_CANCELLED;
    }
    return BB_OK;
}

static void release(bench *b) {
    free(b->w);
    free(b->x);
    free(b->y);
    free(b->ref);
    free(b->got);
    bb_pool_free(b->pool);
}

static bb_status run_kernel(bench *b, const bb_kernel *k, const bb_roof *roof, bb_bench_row *row) {
    const bb_dtype *type = bb_dtype_find(k->family->layout->type, NULL);
    bb_matmul_opts how = {.pool = b->pool, .kernel = k};
    uint64_t row_bytes;
    double times[REPEATS_MAX];
    bb_packed *packed = NULL;
    bb_status status = bb_dtype_row_bytes(type, b->in, &row_bytes);
    if (status != BB_OK) return status;
    unsigned char *blocks = bb_alloc(b->out, (size_t)row_bytes);
    if (!blocks) return BB_E_NOMEM;
    status = bb_quantize_rows(type, b->w, b->out, b->in, NULL, blocks);
    if (status == BB_OK) status = bb_pack(type, blocks, b->out, b->in, &packed);
    free(blocks);
    size_t n = 0;
    uint64_t start = bb_study_now_ns();
    /* the first run warms up and is not counted */
    if (status == BB_OK) status = bb_matmul_as(packed, b->x, b->tokens, &how, b->y);
    while (status == BB_OK && n < REPEATS_MAX &&
           (n < REPEATS_MIN || (double)(bb_study_now_ns() - start) * 1e-9 < b->seconds)) {
        uint64_t t = bb_study_now_ns();
        status = bb_matmul_as(packed, b->x, b->tokens, &how, b->y);
        times[n++] = (double)(bb_study_now_ns() - t);
        if (cancelled(b)) status = BB_E_CANCELLED;
    }
    if (status == BB_OK) {
        bb_error_stats stats;
        for (size_t i = 0; i < b->tokens * b->out; i++) b->got[i] = (double)b->y[i];
        bb_error_measure(b->ref, b->got, b->tokens * b->out, &stats);
        unsigned threads = bb_pool_threads(b->pool);
        *row = (bb_bench_row){.kernel = k->family->name,
                              .type = k->family->layout->type,
                              .isa = bb_level_name(k->level),
                              .tokens = b->tokens,
                              .out = b->out,
                              .in = b->in,
                              .threads = threads,
                              .error_rel = stats.rel};
        row->ns = bb_median(times, n, &row->spread);
        row->gops = 2.0 * (double)b->tokens * (double)b->out * (double)b->in / row->ns;
        row->gbps = (double)bb_packed_bytes(packed) / row->ns;
        /* time that memory or arithmetic alone would take at the measured ceilings; arithmetic scales with threads */
        double memory = (double)bb_packed_bytes(packed) / roof->read_gbps;
        double peak = (k->family->layout->act == BB_ACT_F32 ? roof->fp32_gops : roof->int8_gops) * threads;
        double compute = 2.0 * (double)b->tokens * (double)b->out * (double)b->in / peak;
        row->bound_by = memory > compute ? "memory" : "compute";
        row->roof_fraction = (memory > compute ? memory : compute) / row->ns;
    }
    bb_packed_free(packed);
    return status;
}

static bool chosen(const bb_kernel *k, const bb_bench_opts *o) {
    return !o->only || bb_name_eq(o->only, k->family->name) || bb_name_eq(o->only, k->family->layout->type);
}

bb_status bb_bench_study(const bb_bench_opts *o, bb_progress *progress, bb_bench_report *report, bb_error *err) {
    bench b = {.tokens = (size_t)(o->tokens ? o->tokens : TOKENS_DEFAULT),
               .out = (size_t)(o->out ? o->out : SIDE_DEFAULT),
               .in = (size_t)(o->in ? o->in : SIDE_DEFAULT)};
    b.seconds = o->seconds > 0 ? o->seconds : 0.3;
    b.progress = progress;
    if (o->tokens > TOKENS_MAX || o->out > SIDE_MAX || o->in > SIDE_MAX)
        return bb_fail(err, BB_E_ARG, "the shape is too large: at most %d tokens and %d by %d weights", TOKENS_MAX,
                       SIDE_MAX, SIDE_MAX);
    if (b.in % 32 != 0)
        return bb_fail(err, BB_E_ARG, "in is %zu, expected a multiple of 32, which the block types need", b.in);
    bb_bench_report r = {0};
    size_t n = 0;
    for (size_t i = 0; i < bb_kernel_count(); i++) n += chosen(bb_kernel_at(i), o);
    if (n == 0) {
        char shown[64];
        return bb_fail(err, BB_E_NAME, "there is no kernel '%s'", bb_escape_buf(o->only, shown, sizeof shown));
    }
    if (progress) atomic_store(&progress->total, n + 1);
    bb_roof roof = {0};
    r.rows = bb_alloc(n, sizeof *r.rows);
    bb_status status = r.rows ? bb_pool_new(o->threads ? o->threads : 1, &b.pool) : BB_E_NOMEM;
    if (status == BB_OK) status = bb_roof_measure(0.2, &roof);
    if (status == BB_OK) status = prepare(&b, o->seed);
    if (progress) atomic_fetch_add(&progress->done, 1);
    for (size_t i = 0; i < bb_kernel_count() && status == BB_OK; i++) {
        const bb_kernel *k = bb_kernel_at(i);
        if (!chosen(k, o)) continue;
        if (progress) snprintf(progress->what, sizeof progress->what, "%s", k->family->name);
        status = run_kernel(&b, k, &roof, &r.rows[r.n_rows]);
        r.n_rows += status == BB_OK;
        if (progress) atomic_fetch_add(&progress->done, 1);
    }
    release(&b);
    if (status != BB_OK) {
        bb_bench_report_clear(&r);
        return bb_fail(err, status, "%s", bb_status_text(status));
    }
    cpu_name(r.cpu, sizeof r.cpu);
    r.read_gbps = roof.read_gbps;
    r.fp32_gops = roof.fp32_gops;
    r.int8_gops = roof.int8_gops;
    *report = r;
    return BB_OK;
}

void bb_bench_report_clear(bb_bench_report *report) {
    free(report->rows);
    *report = (bb_bench_report){0};
}
