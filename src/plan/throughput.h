/* SPDX-License-Identifier: GPL-3.0-or-later */
/* throughput.h - tokens per second that bandwidth and arithmetic allow. */
#ifndef BB_PLAN_THROUGHPUT_H
#define BB_PLAN_THROUGHPUT_H
#include "plan/plan.h"

/* What the host gives, for layers that lie there; zeroes = unknown. GB/s are 10^9 bytes. */
typedef struct bb_host_speed {
    double bandwidth_gbs, gflops;
    unsigned threads;
} bb_host_speed;

/* Fills plan->speed from the plan's own bytes and its cards; all 0 where neither bandwidth nor arithmetic is known. */
void bb_plan_speed_of(const bb_subject *s, const bb_host_speed *host, bb_plan *plan);
#endif
