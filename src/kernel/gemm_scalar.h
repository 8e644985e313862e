/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_scalar.h - the portable twins: what every faster kernel has to equal, bit for bit. */
#ifndef BB_KERNEL_GEMM_SCALAR_H
#define BB_KERNEL_GEMM_SCALAR_H
#include <stddef.h>

void bb_gemm_f32_scalar(const void *panels, size_t out, size_t in, const void *act, size_t tokens, size_t first,
                        size_t count, float *y);
void bb_gemm_int8_scalar(const void *panels, size_t out, size_t in, const void *act, size_t tokens, size_t first,
                         size_t count, float *y);
void bb_gemm_q8_0_scalar(const void *panels, size_t out, size_t in, const void *act, size_t tokens, size_t first,
                         size_t count, float *y);
void bb_gemm_q4_0_scalar(const void *panels, size_t out, size_t in, const void *act, size_t tokens, size_t first,
                         size_t count, float *y);
/* See struct bb_kernel. */
size_t bb_gemm_f32_roundings(size_t in);
size_t bb_gemm_f32_underflows(size_t in);
size_t bb_gemm_int8_roundings(size_t in);
size_t bb_gemm_int8_underflows(size_t in);
size_t bb_gemm_group32_roundings(size_t in);
size_t bb_gemm_group32_underflows(size_t in);
#endif
