/* SPDX-License-Identifier: GPL-3.0-or-later */
/* roof.h - what this machine can do at most, measured with portable loops: memory bandwidth and arithmetic peaks. */
#ifndef BB_KERNEL_ROOF_H
#define BB_KERNEL_ROOF_H
#include "base/fail.h"

typedef struct bb_roof {
    double read_gbps; /* 10^9 bytes read a second by one thread from memory larger than the caches */
    double fp32_gops; /* 10^9 fp32 multiplications and additions a second, one thread */
    double int8_gops; /* 10^9 int8 products and int32 additions a second, one thread */
} bb_roof;

/* Takes about `seconds`; the best of several repetitions each. BB_E_NOMEM without 256 MiB. */
bb_status bb_roof_measure(double seconds, bb_roof *roof);
#endif
