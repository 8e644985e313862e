/* SPDX-License-Identifier: GPL-3.0-or-later */
/* study.c - what every long job shares: progress, and inputs made from a seed. */
#include "study/study.h"
#include "base/random.h"
#include "study/study_parts.h"
#include <gsl/gsl_cdf.h>
#include <time.h>

void bb_progress_init(bb_progress *p) {
    atomic_init(&p->done, 0);
    atomic_init(&p->total, 0);
    atomic_init(&p->cancel, false);
    p->what[0] = 0;
    atomic_init(&p->now, NULL);
}

void bb_study_gaussian(uint64_t seed, uint64_t first, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = (float)gsl_cdf_ugaussian_Pinv(bb_random_unit(seed, first + i));
}

uint64_t bb_study_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
