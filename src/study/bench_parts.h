/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_parts.h - what the files of the benchmark share: inputs, the outputs that are checked, and how a call is timed.
 */
#ifndef BB_STUDY_BENCH_PARTS_H
#define BB_STUDY_BENCH_PARTS_H
#include "study/bench_study.h"

/* The outputs that are checked for one number of tokens, spread over all of them, in float64 of the fp32 inputs. */
typedef struct bb_bench_sample {
    uint64_t tokens;
    size_t n_tokens, n_rows;
    double *ref, *got; /* owned: [n_tokens][n_rows] */
} bb_bench_sample;

typedef struct bb_bench_data {
    size_t out, in, tokens;   /* the largest number of tokens */
    float *w;                 /* owned: [out][in] */
    float *x;                 /* owned: [tokens][in]; fewer tokens are its first ones */
    float *y;                 /* owned: [tokens][out] */
    bb_bench_sample *samples; /* owned: one for each number of tokens */
    size_t n_samples;
} bb_bench_data;

/* N(0,1) inputs by the seed. Clear in every case. *cancel ends it with BB_E_CANCELLED. */
bb_status bb_bench_data_init(bb_bench_data *d, const uint64_t *tokens, size_t n_tokens, size_t out, size_t in,
                             uint64_t seed, bb_pool *pool, const atomic_bool *cancel);
void bb_bench_data_clear(bb_bench_data *d);
/* Relative error of d->y for that number of tokens. */
double bb_bench_error(const bb_bench_data *d, const bb_bench_sample *s);

/* How many copies of weights calls rotate over, so that they come from memory, and where they come from then: a small
 * matrix has not enough copies to leave a cache. */
size_t bb_bench_copies(uint64_t bytes, unsigned threads, bb_tier *tier);

typedef struct bb_bench_clock {
    unsigned threads; /* of 1 the processor time counts */
    double seconds;   /* budget */
    const atomic_bool *cancel;
} bb_bench_clock;
typedef bb_status bb_bench_call(void *ctx, size_t copy);
/* Repeats the call on one copy after the other: ns, spread, best_ns, wall_ns of the row. The first one warms up and
 * counts only when it alone takes a second. */
bb_status bb_bench_time(const bb_bench_clock *clock, bb_bench_call *call, void *ctx, size_t copies, bb_bench_row *row);

/* What the roof allows a row whose times, bytes and place are known: peak in 10^9 operations a second. */
void bb_bench_rate(const bb_roof *roof, double peak, bb_bench_row *row);
#endif
