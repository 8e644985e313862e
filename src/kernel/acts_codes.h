/* SPDX-License-Identifier: GPL-3.0-or-later */
/* acts_codes.h - activations rounded to int8: the rule in scalar code, and what each instruction set brings. */
#ifndef BB_KERNEL_ACTS_CODES_H
#define BB_KERNEL_ACTS_CODES_H
#include "kernel/acts.h"
#include <math.h>
#include <string.h>

/* Tokens that are rounded together, so that their codes of a block fill whole lines of the cache. */
enum { BB_CODES_TOKENS = 8 };

typedef struct bb_codes_job {
    bb_acts *acts; /* of an int8 kind, its memory reserved */
    const float *x;
    int32_t offset;
} bb_codes_job;

/* Values, scales, starts and sums of tokens [first, first + count), count at most BB_CODES_TOKENS. */
typedef void bb_codes_fn(const bb_codes_job *job, size_t first, size_t count);
bb_codes_fn bb_codes_scalar, bb_codes_avx2, bb_codes_avx512;

/* How the codes of a group are made: all zero, x times inverse in fp32, or x / scale in fp64. */
typedef enum bb_code_rule { BB_CODES_ZERO, BB_CODES_TIMES, BB_CODES_DIVIDED } bb_code_rule;
typedef struct bb_code_step {
    float scale, inverse;
    bb_code_rule rule;
} bb_code_step;

/* From the largest of the group's bits without signs. */
static inline bb_code_step bb_code_step_of(uint32_t largest) {
    float amax;
    if (largest >= 0x7F800000) return (bb_code_step){NAN, 0, BB_CODES_ZERO};
    memcpy(&amax, &largest, sizeof amax);
    float scale = amax / 127.0f;
    if (!(scale > 0)) return (bb_code_step){0, 0, BB_CODES_ZERO};
    return (bb_code_step){scale, 127.0f / amax, amax < 0x1p-100f ? BB_CODES_DIVIDED : BB_CODES_TIMES};
}

/* 32 codes, those from live on 0, and the sums of 16 each. */
void bb_codes32(const float *x, size_t live, bb_code_step s, signed char *codes, int32_t sums[2]);
#endif
