/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_k_avx_vnni.c - q4_K and q6_K with AVX-VNNI: the bits of gemm_k.c. */
#include "base/cpu.h"
#if BB_X86
#define DOT_TARGET          BB_TARGET_AVX_VNNI
#define DOT_STEP(acc, u, s) _mm256_dpbusd_avx_epi32(acc, u, s)
#define GEMM_NAME(type)     bb_gemm_##type##_avx_vnni
#include "kernel/gemm_k_256.h"
#endif
