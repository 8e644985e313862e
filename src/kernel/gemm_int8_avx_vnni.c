/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_int8_avx_vnni.c - int8 a row with AVX-VNNI: the bits of gemm_int8.c. */
#include "base/cpu.h"
#if BB_X86
#define DOT_TARGET          BB_TARGET_AVX_VNNI
#define DOT_STEP(acc, u, s) _mm256_dpbusd_avx_epi32(acc, u, s)
#define GEMM_NAME(type)     bb_gemm_##type##_avx_vnni
#include "kernel/gemm_int8_256.h"
#endif
