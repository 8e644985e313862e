/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_int8.h - panels of int8 weights with a scale a row, as all kernels read them. */
#ifndef BB_KERNEL_GEMM_INT8_H
#define BB_KERNEL_GEMM_INT8_H
#include "kernel/layout.h"

/* A panel: 32 fp32 scales, then [k / 4][32 rows][4 of k] of code + 128. */
enum { BB_INT8_BLOCK = 32, BB_INT8_OFFSET = 128, BB_INT8_HEAD = BB_PANEL * sizeof(float) };

bb_gemm_fn bb_gemm_int8_avx2, bb_gemm_int8_avx_vnni, bb_gemm_int8_avx512_vnni;
#endif
