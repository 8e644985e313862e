/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fma_block.h - chains of fp32 fused multiply-adds where the instruction cannot be counted on. */
#ifndef BB_KERNEL_FMA_BLOCK_H
#define BB_KERNEL_FMA_BLOCK_H
#include "kernel/layout.h"

/* For k = 0..31 and each of 32 columns: sum = fma(w, x, sum), rounded to fp32 once, to nearest-even. All are fp32
 * values kept as fp64: w [32][32 columns], x [32], sum [32]. flush, for bf16 operands without subnormals: a result
 * below 2^-126 after rounding to 24 bits becomes a zero of its sign, as with flush-to-zero on x86. */
void bb_fma_block(double (*w)[BB_PANEL], const double *x, bool flush, double *sum);
#endif
