/* SPDX-License-Identifier: GPL-3.0-or-later */
/* acts_codes_loop.h - the loop over tokens and groups around one instruction set's steps; included once by each.
 *
 * Before it: CODES_TARGET, CODES_NAME(name), and
 * uint32_t largest(const float *x, size_t n): the largest of the bits without signs, 0 for none;
 * void round32(const float *x, size_t live, bb_code_step s, signed char *codes, int32_t sums[2]): as bb_codes32. */
#ifndef BB_KERNEL_ACTS_CODES_LOOP_H
#define BB_KERNEL_ACTS_CODES_LOOP_H
#include "kernel/acts_codes.h"

/* Of row `t` from element `at` on; *live of them are there. */
static inline const float *codes_input(const bb_codes_job *j, size_t t, size_t at, size_t most, size_t *live) {
    size_t in = j->acts->in, left = at < in ? in - at : 0;
    *live = left < most ? left : most;
    return j->x + t * in + (left ? at : 0);
}

/* Block b of token t. */
CODES_TARGET static inline void codes_block(const bb_codes_job *j, size_t b, size_t t, bb_code_step s,
                                            int32_t sums[2]) {
    size_t live;
    const float *x = codes_input(j, t, b * BB_ACT_BLOCK, BB_ACT_BLOCK, &live);
    round32(x, live, s, (signed char *)j->acts->values + (b * j->acts->tokens + t) * BB_ACT_BLOCK, sums);
}

CODES_TARGET static void codes_token(const bb_codes_job *j, size_t first, size_t count) {
    const bb_acts *a = j->acts;
    bb_code_step s[BB_CODES_TOKENS];
    uint32_t total[BB_CODES_TOKENS] = {0};
    for (size_t i = 0; i < count; i++) s[i] = bb_code_step_of(largest(j->x + (first + i) * a->in, a->in));
    for (size_t b = 0; b < a->blocks; b++)
        for (size_t i = 0; i < count; i++) {
            int32_t sums[2];
            codes_block(j, b, first + i, s[i], sums);
            total[i] += (uint32_t)(sums[0] + sums[1]);
        }
    for (size_t i = 0; i < count; i++) {
        a->scales[first + i] = s[i].scale;
        a->starts[first + i] = (int32_t)(0u - (uint32_t)j->offset * total[i]); /* wraps beyond the layout's in_max */
    }
}

CODES_TARGET static void codes_32(const bb_codes_job *j, size_t first, size_t count) {
    const bb_acts *a = j->acts;
    for (size_t b = 0; b < a->blocks; b++)
        for (size_t t = first; t < first + count; t++) {
            int32_t sums[2];
            size_t live;
            const float *x = codes_input(j, t, b * BB_ACT_BLOCK, BB_ACT_BLOCK, &live);
            bb_code_step s = bb_code_step_of(largest(x, live));
            codes_block(j, b, t, s, sums);
            a->scales[b * a->tokens + t] = s.scale;
            a->starts[b * a->tokens + t] = -j->offset * (sums[0] + sums[1]);
        }
}

CODES_TARGET static void codes_256(const bb_codes_job *j, size_t first, size_t count) {
    enum { BLOCKS = BB_ACT_SUPER / BB_ACT_BLOCK };
    const bb_acts *a = j->acts;
    for (size_t g = 0; g < a->blocks / BLOCKS; g++)
        for (size_t t = first; t < first + count; t++) {
            size_t live;
            const float *x = codes_input(j, t, g * BB_ACT_SUPER, BB_ACT_SUPER, &live);
            bb_code_step s = bb_code_step_of(largest(x, live));
            a->scales[g * a->tokens + t] = s.scale;
            for (size_t i = 0; i < BLOCKS; i++) {
                size_t b = g * BLOCKS + i;
                int32_t sums[2];
                codes_block(j, b, t, s, sums);
                a->starts[2 * b * a->tokens + t] = -j->offset * sums[0];
                a->starts[(2 * b + 1) * a->tokens + t] = -j->offset * sums[1];
                a->sums[(g * a->tokens + t) * BLOCKS + i] = (int16_t)(sums[0] + sums[1]);
            }
        }
}

CODES_TARGET void CODES_NAME(bb_codes)(const bb_codes_job *j, size_t first, size_t count) {
    if (j->acts->kind == BB_ACT_INT8_TOKEN)
        codes_token(j, first, count);
    else if (j->acts->kind == BB_ACT_INT8_32)
        codes_32(j, first, count);
    else
        codes_256(j, first, count);
}
#endif
