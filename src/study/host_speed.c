/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host_speed.c - from the measured roof to the numbers that a plan takes. */
#include "study/host_speed.h"
#include "kernel/roof.h"
#include <stdio.h>

bb_status bb_host_speed_measure(unsigned threads, bb_isa isa, bb_progress *progress, bb_plan_host *host,
                                bb_error *err) {
    static const double seconds = 0.5;
    bb_roof roof;
    (void)snprintf(progress->what, sizeof progress->what, "this machine");
    bb_status st = bb_roof_measure(threads, isa, seconds, &progress->cancel, &roof);
    if (st) return bb_fail(err, st, "the roof of this machine was not measured");
    *host = (bb_plan_host){.bandwidth_gbs = roof.used.read_gbps[BB_TIER_MEMORY],
                           .thread_gbs = roof.one.read_gbps[BB_TIER_MEMORY],
                           .fp32_gops = bb_ceilings_peak(&roof.one, BB_ARITH_FP32),
                           .int8_gops = bb_ceilings_peak(&roof.one, BB_ARITH_INT8),
                           .threads = roof.used.threads};
    return BB_OK;
}
