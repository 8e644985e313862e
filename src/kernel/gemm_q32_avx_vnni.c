/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_q32_avx_vnni.c - groups of 32 with AVX-VNNI: the bits of gemm_q32.c. */
#include "base/cpu.h"
#if BB_X86
#define DOT_TARGET          BB_TARGET_AVX_VNNI
#define DOT_STEP(acc, u, s) _mm256_dpbusd_avx_epi32(acc, u, s)
#define GEMM_NAME(type)     bb_gemm_##type##_avx_vnni
#include "kernel/gemm_q32_256.h"
#endif
