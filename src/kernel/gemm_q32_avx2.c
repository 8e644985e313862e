/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_q32_avx2.c - groups of 32 with AVX2: the bits of gemm_q32.c. */
#include "base/cpu.h"
#if BB_X86
#define DOT_TARGET      BB_TARGET_AVX2
#define GEMM_NAME(type) bb_gemm_##type##_avx2
#include "kernel/gemm_q32_256.h"
#endif
