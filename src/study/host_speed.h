/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host_speed.h - what this machine's processors read and compute, for plans of what runs on them. */
#ifndef BB_STUDY_HOST_SPEED_H
#define BB_STUDY_HOST_SPEED_H
#include "bitbudget.h"
#include "study/study.h"

/* By the roof of kernel/ within isa, in about a second; threads 0 = one for each processor. */
bb_status bb_host_speed_measure(unsigned threads, bb_isa isa, bb_progress *progress, bb_plan_host *host, bb_error *err);
#endif
