/* SPDX-License-Identifier: GPL-3.0-or-later */
/* measure.h - error between arrays and histograms of it, over GSL. */
#ifndef BB_MEASURE_MEASURE_H
#define BB_MEASURE_MEASURE_H
#include "base/fail.h"

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
void bb_error_sum_result(const bb_error_sum *s, bb_error_stats *stats);

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
