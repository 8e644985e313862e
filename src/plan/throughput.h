/* SPDX-License-Identifier: GPL-3.0-or-later */
/* throughput.h - tokens per second that bandwidth and arithmetic allow. */
#ifndef BB_PLAN_THROUGHPUT_H
#define BB_PLAN_THROUGHPUT_H
#include "plan/plan_parts.h"

/* Fills d->plan->speed from the plan's own lines, its cards and its host; 0 where a device that works is not known.
 * Decoding is meant at the end of the context, the prompt as long as it. */
void bb_plan_speed_of(const bb_subject *s, bb_draft *d);
#endif
