/* SPDX-License-Identifier: GPL-3.0-or-later */
/* acts_codes.c - activations rounded to int8, portable: the twin of all others. */
#include "kernel/acts_codes.h"

void bb_codes32(const float *x, size_t live, bb_code_step s, signed char *codes, int32_t sums[2]) {
    memset(codes, 0, BB_ACT_BLOCK);
    sums[0] = sums[1] = 0;
    if (s.rule == BB_CODES_ZERO) return;
    for (size_t i = 0; i < live; i++) {
        /* x is finite and at most 127 scales; -0 times a finite inverse is a zero */
        double q = s.rule == BB_CODES_DIVIDED ? rint((double)x[i] / (double)s.scale) : (double)rintf(x[i] * s.inverse);
        codes[i] = (signed char)(q > 127 ? 127 : q < -127 ? -127 : q);
        sums[i / 16] += codes[i];
    }
}

static uint32_t largest(const float *x, size_t n) {
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], sizeof u);
        u &= 0x7FFFFFFF;
        most = u > most ? u : most;
    }
    return most;
}

#define round32 bb_codes32
#define CODES_TARGET
#define CODES_NAME(name) name##_scalar
#include "kernel/acts_codes_loop.h"
