/* SPDX-License-Identifier: GPL-3.0-or-later */
/* measure.h - error between arrays and histograms of it, over GSL. */
#ifndef BB_MEASURE_MEASURE_H
#define BB_MEASURE_MEASURE_H
#include "base/cpu.h"

/* Running form of bb_error_measure, for arrays that come in slabs. Compensated sums in a fixed order. */
typedef struct bb_error_sum {
    double err2, ref2, got2, dot; /* with their compensations */
    double err2_c, ref2_c, got2_c, dot_c;
    double mean, m2; /* of the error, Welford */
    double max_abs;
    uint64_t n, nonfinite, lost;
} bb_error_sum;

void bb_error_sum_init(bb_error_sum *s);
void bb_error_sum_add(bb_error_sum *s, const double *ref, const double *got, size_t n);
void bb_error_sum_add_f32(bb_error_sum *s, const double *ref, const float *got, size_t n);
/* The same figures from fp32 arrays, many elements at a time: eight partial sums of doubles over 1024 elements, added
 * to the whole with compensation. The result is the same for every isa. Where an array is cut moves the last bits, so
 * who cuts it for threads does so at the same places for any number of them, and merges in order. */
void bb_error_sum_add_slab(bb_error_sum *s, const float *ref, const float *got, size_t n);
void bb_error_sum_add_slab_as(bb_error_sum *s, const float *ref, const float *got, size_t n, bb_isa isa);
void bb_error_sum_merge(bb_error_sum *into, const bb_error_sum *from);
void bb_error_sum_result(const bb_error_sum *s, bb_error_stats *stats);

enum { BB_ERROR_BINS = 64 };
/* How many errors got - ref (fp32) lie where: 64 equal bins over (-limit, limit), the first 32 for those below zero.
 * The limit is the least power of two above all errors, from 2^-100 on: it doubles and bins are joined in pairs,
 * exactly, so that the counts depend neither on the order of adds and merges nor on how the arrays are cut. Pairs that
 * are not finite are left out; a difference beyond fp32 counts as its largest value. */
typedef struct bb_error_bins {
    double limit;
    uint64_t counts[BB_ERROR_BINS];
} bb_error_bins;
void bb_error_bins_init(bb_error_bins *b);
void bb_error_bins_add(bb_error_bins *b, const float *ref, const float *got, size_t n);
void bb_error_bins_add_as(bb_error_bins *b, const float *ref, const float *got, size_t n, bb_isa isa);
void bb_error_bins_merge(bb_error_bins *into, const bb_error_bins *from);

typedef struct bb_histogram {
    double low, high;
    size_t bins;
    uint64_t *counts; /* [bins], owned */
} bb_histogram;
bb_status bb_histogram_make(const double *x, size_t n, size_t bins, bb_histogram *h);
void bb_histogram_clear(bb_histogram *h);
/* Median and spread (interquartile range / median) of n samples; x is sorted in place. */
double bb_median(double *x, size_t n, double *spread);

/* Turns off GSL's aborting error handler; main calls it once. */
void bb_gsl_quiet(void);
#endif
