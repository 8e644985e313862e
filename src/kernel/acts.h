/* SPDX-License-Identifier: GPL-3.0-or-later */
/* acts.h - activations as a kernel reads them: rounded, with their scales and sums, block after block. */
#ifndef BB_KERNEL_ACTS_H
#define BB_KERNEL_ACTS_H
#include "base/cpu.h"
#include "base/pool.h"

/* How a kernel rounds its activations: not at all, to bf16, or to int8 with one fp32 scale for each token, for each 32
 * of its elements or for each 256. */
typedef enum bb_act { BB_ACT_F32, BB_ACT_BF16, BB_ACT_INT8_TOKEN, BB_ACT_INT8_32, BB_ACT_INT8_256 } bb_act;
enum { BB_ACT_BLOCK = 32, BB_ACT_SUPER = 256 };

/* int8: scale d = amax / 127 in fp32; codes are x * (127 / amax), both in fp32, to nearest-even; where amax is below
 * 2^-100 they are x / d in fp64. A group that holds a NaN or an infinity has codes 0 and d NaN, so that its outputs are
 * NaN. bf16: nearest-even, NaN stays NaN, and the kernel reads a subnormal as a zero. */
typedef struct bb_acts {
    bb_act kind;
    size_t tokens, in;
    size_t blocks; /* of 32 values of k, the last filled up with zeros; a multiple of 8 for INT8_256 */
    void *values;  /* [blocks][tokens][32] float, bf16 or int8 */
    float *scales; /* int8 only: [tokens], [blocks][tokens], or [blocks / 8][tokens] */
    /* int8 only: minus the layout's offset times a sum of codes, where an accumulator of code + offset starts:
     * [tokens], [blocks][tokens], or for each 16 values [2 * blocks][tokens]. */
    int32_t *starts;
    int16_t *sums; /* INT8_256 only: sums of each 32 codes, [blocks / 8][tokens][8] */
    void *memory;  /* owned: all of the above */
    size_t memory_bytes;
} bb_acts;

/* Fills a; memory of an earlier use is kept where it is large enough. Starts from a zeroed struct. x [tokens][in].
 * The bits do not depend on isa or pool (NULL = this thread). The caller holds the default FP environment. */
bb_status bb_acts_fill(bb_acts *a, bb_act kind, int32_t offset, const float *x, size_t tokens, size_t in, bb_isa isa,
                       bb_pool *pool);
void bb_acts_clear(bb_acts *a);
/* The same values back in fp32 (int8: code * d), x [tokens][in] -> xhat [tokens][in]: what the error report calls
 * x-hat. */
bb_status bb_acts_roundtrip(bb_act kind, const float *x, size_t tokens, size_t in, float *xhat);

/* What one instruction set brings: `count` (32 or a multiple) values of one token from x on, those beyond `live` taken
 * as 0. Rounds the group that they make to codes, 32 for each stride of bytes; gives d, and the sums of each 16 where
 * sums is not NULL. */
typedef float bb_round_group_fn(const float *x, size_t count, size_t live, signed char *codes, size_t stride,
                                int32_t *sums);
bb_round_group_fn bb_round_group_scalar, bb_round_group_avx2, bb_round_group_avx512;
#endif
