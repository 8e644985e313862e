/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_calc.h - sums and products of byte counts that remember that one of them passed 2^64. */
#ifndef BB_PLAN_PLAN_CALC_H
#define BB_PLAN_PLAN_CALC_H
#include "base/checked.h"

typedef struct bb_calc {
    bool overflow; /* set once, never cleared: test it where the formula ends */
} bb_calc;

static inline uint64_t bb_calc_mul(bb_calc *c, uint64_t a, uint64_t b) {
    uint64_t r = 0;
    if (!bb_mul_u64(a, b, &r)) c->overflow = true;
    return r;
}
static inline uint64_t bb_calc_add(bb_calc *c, uint64_t a, uint64_t b) {
    uint64_t r = 0;
    if (!bb_add_u64(a, b, &r)) c->overflow = true;
    return r;
}
static inline uint64_t bb_calc_align(bb_calc *c, uint64_t a, uint64_t align) {
    uint64_t r = 0;
    if (!bb_align_u64(a, align, &r)) c->overflow = true;
    return r;
}
/* a*b + sum, the shape of most terms. */
static inline uint64_t bb_calc_fma(bb_calc *c, uint64_t a, uint64_t b, uint64_t sum) {
    return bb_calc_add(c, bb_calc_mul(c, a, b), sum);
}
static inline uint64_t bb_max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static inline uint64_t bb_min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
#endif
