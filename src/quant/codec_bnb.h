/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_bnb.h - the 4-bit codebooks of bitsandbytes and the 8-bit map of its second quantization, as bytes. */
#ifndef BB_QUANT_CODEC_BNB_H
#define BB_QUANT_CODEC_BNB_H
#include "base/cpu.h"
#include <stddef.h>
#include <stdint.h>

typedef enum bb_bnb_kind { BB_BNB_NF4, BB_BNB_FP4 } bb_bnb_kind;

enum {
    BB_BNB_BLOCK = 64,         /* elements that share an absmax, where nothing else is asked for */
    BB_BNB_NESTED_BLOCK = 256, /* absmaxes that share one of the second quantization */
};

/* The 16 values of the codes. */
const float *bb_bnb_values(bb_bnb_kind kind);

/* n elements in blocks of `block`, a multiple of 32; the last block may be short. Two codes a byte, the first in the
 * high nibble: packed [(n + 1) / 2], absmax [ceil(n / block)]. A code is the nearest value of x / absmax, the lower one
 * on a tie. x is finite. The bytes do not depend on isa. */
void bb_bnb_encode(bb_bnb_kind kind, const float *x, size_t n, size_t block, bb_isa isa, unsigned char *packed,
                   float *absmax);
void bb_bnb_decode(bb_bnb_kind kind, const unsigned char *packed, const float *absmax, size_t n, size_t block,
                   float *x);

/* create_dynamic_map(signed=True, max_exponent_bits=7, total_bits=8): 256 values from -0.993 to 1, ascending. */
void bb_bnb_dynamic_map(float map[256]);

/* Double quantization of n absmaxes: offset is their mean, what is left is quantized through the dynamic map [256] in
 * blocks of 256: codes [n], nested [ceil(n / 256)]. */
void bb_bnb_nest(const float *absmax, size_t n, const float *map, unsigned char *codes, float *nested, float *offset);
void bb_bnb_unnest(const unsigned char *codes, const float *nested, float offset, size_t n, const float *map,
                   float *absmax);

/* What one instruction set brings: whole blocks of a multiple of 32 elements, as bb_bnb_encode. */
typedef void bb_bnb_blocks_fn(const float *bounds, const unsigned char *order, const float *x, size_t blocks,
                              size_t block, unsigned char *packed, float *absmax);
bb_bnb_blocks_fn bb_bnb_blocks_avx2, bb_bnb_blocks_avx512;
/* Below it an absmax counts as this (torch.clamp in bitsandbytes' backends/default/ops.py). */
#define BB_BNB_SMALLEST 1e-38f
#endif
