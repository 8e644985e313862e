/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_data.c - the inputs of the benchmark and the float64 outputs that its errors are measured against. */
#include "base/checked.h"
#include "base/mem.h"
#include "measure/measure.h"
#include "study/bench_parts.h"
#include "study/study_parts.h"
#include <stdlib.h>

enum { CHUNK = 1 << 16, SAMPLE_TOKENS = 16, SAMPLE_ROWS_MIN = 32, SAMPLE_PRODUCTS = 1 << 24 };

static void each(bb_pool *pool, size_t n, void (*fn)(void *ctx, size_t i), void *ctx) {
    if (pool)
        bb_pool_run(pool, n, fn, ctx);
    else
        for (size_t i = 0; i < n; i++) fn(ctx, i);
}

typedef struct normal {
    uint64_t seed;
    float *x;
    size_t n;
} normal;
static void fill_chunk(void *ctx, size_t i) {
    const normal *f = ctx;
    size_t from = i * CHUNK, left = f->n - from;
    bb_study_gaussian(f->seed, from, f->x + from, left < CHUNK ? left : CHUNK);
}
static void fill(bb_pool *pool, uint64_t seed, float *x, size_t n) {
    normal f = {seed, x, n};
    each(pool, (n + CHUNK - 1) / CHUNK, fill_chunk, &f);
}

/* The i-th of n that are spread over `all`. */
static size_t spread_at(size_t i, size_t n, size_t all) { return i * all / n; }

typedef struct reference {
    const bb_bench_data *d;
    const bb_bench_sample *s;
    const atomic_bool *cancel;
} reference;
static void refer_row(void *ctx, size_t r) {
    const reference *f = ctx;
    const bb_bench_data *d = f->d;
    const bb_bench_sample *s = f->s;
    const float *w = d->w + spread_at(r, s->n_rows, d->out) * d->in;
    if (f->cancel && atomic_load(f->cancel)) return;
    for (size_t t = 0; t < s->n_tokens; t++) {
        const float *x = d->x + spread_at(t, s->n_tokens, (size_t)s->tokens) * d->in;
        double sum = 0;
        for (size_t k = 0; k < d->in; k++) sum += (double)x[k] * (double)w[k];
        s->ref[t * s->n_rows + r] = sum;
    }
}

static bb_status take_sample(bb_bench_data *d, bb_bench_sample *s, uint64_t tokens, bb_pool *pool,
                             const atomic_bool *cancel) {
    s->tokens = tokens;
    s->n_tokens = tokens < SAMPLE_TOKENS ? (size_t)tokens : SAMPLE_TOKENS;
    s->n_rows = SAMPLE_PRODUCTS / (s->n_tokens * d->in);
    if (s->n_rows < SAMPLE_ROWS_MIN) s->n_rows = SAMPLE_ROWS_MIN;
    if (s->n_rows > d->out) s->n_rows = d->out;
    s->ref = bb_alloc(s->n_tokens * s->n_rows, sizeof *s->ref);
    s->got = bb_alloc(s->n_tokens * s->n_rows, sizeof *s->got);
    if (!s->ref || !s->got) return BB_E_NOMEM;
    reference f = {d, s, cancel};
    each(pool, s->n_rows, refer_row, &f);
    return cancel && atomic_load(cancel) ? BB_E_CANCELLED : BB_OK;
}

bb_status bb_bench_data_init(bb_bench_data *d, const uint64_t *tokens, size_t n_tokens, size_t out, size_t in,
                             uint64_t seed, bb_pool *pool, const atomic_bool *cancel) {
    size_t nw, nx, ny;
    *d = (bb_bench_data){.out = out, .in = in};
    for (size_t i = 0; i < n_tokens; i++)
        if (tokens[i] > d->tokens) d->tokens = (size_t)tokens[i];
    if (!bb_mul_size(out, in, &nw) || !bb_mul_size(d->tokens, in, &nx) || !bb_mul_size(d->tokens, out, &ny))
        return BB_E_OVERFLOW;
    d->w = bb_alloc_aligned(nw, sizeof *d->w);
    d->x = bb_alloc_aligned(nx, sizeof *d->x);
    d->y = bb_alloc_aligned(ny, sizeof *d->y);
    d->samples = bb_alloc(n_tokens, sizeof *d->samples);
    if (!d->w || !d->x || !d->y || !d->samples) return BB_E_NOMEM;
    fill(pool, seed, d->x, nx);
    fill(pool, seed + 1, d->w, nw);
    bb_status status = BB_OK;
    for (; d->n_samples < n_tokens && status == BB_OK; d->n_samples++)
        status = take_sample(d, &d->samples[d->n_samples], tokens[d->n_samples], pool, cancel);
    return status;
}

void bb_bench_data_clear(bb_bench_data *d) {
    for (size_t i = 0; i < d->n_samples; i++) {
        free(d->samples[i].ref);
        free(d->samples[i].got);
    }
    free(d->samples);
    free(d->w);
    free(d->x);
    free(d->y);
    *d = (bb_bench_data){0};
}

double bb_bench_error(const bb_bench_data *d, const bb_bench_sample *s) {
    bb_error_stats stats;
    for (size_t t = 0; t < s->n_tokens; t++)
        for (size_t r = 0; r < s->n_rows; r++)
            s->got[t * s->n_rows + r] =
                (double)d->y[spread_at(t, s->n_tokens, (size_t)s->tokens) * d->out + spread_at(r, s->n_rows, d->out)];
    (void)bb_error_measure(s->ref, s->got, s->n_tokens * s->n_rows, &stats);
    return stats.rel;
}
