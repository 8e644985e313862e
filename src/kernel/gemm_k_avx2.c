/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_k_avx2.c - q4_K and q6_K with AVX2: the bits of gemm_k.c. */
#include "base/cpu.h"
#if BB_X86
#define DOT_TARGET      BB_TARGET_AVX2
#define GEMM_NAME(type) bb_gemm_##type##_avx2
#include "kernel/gemm_k_256.h"
#endif
