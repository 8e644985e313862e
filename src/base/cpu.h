/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cpu.h - which instruction sets this processor and its system run. */
#ifndef BB_BASE_CPU_H
#define BB_BASE_CPU_H
#include "base/fail.h"

/* Functions written for one instruction set carry its attribute, so that one binary runs everywhere; they exist where
 * BB_X86 is 1, and are called only where bb_isa_runs says so. */
#if defined(__x86_64__) && defined(__GNUC__)
#define BB_X86             1
#define BB_TARGET_AVX2     __attribute__((target("avx2,fma,f16c,bmi2")))
#define BB_TARGET_AVX512   __attribute__((target("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512dq,avx512vl")))
#define BB_TARGET_AVX_VNNI __attribute__((target("avx2,fma,f16c,bmi2,avxvnni")))
#define BB_TARGET_AVX512_VNNI                                                                                          \
    __attribute__((target("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi")))
#define BB_TARGET_AVX512_BF16                                                                                          \
    __attribute__((target("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#else
#define BB_X86 0
#endif

/* avx2 here means AVX2, FMA, F16C, BMI2; avx512 means F, BW, DQ and VL beside those. By the CPU's feature bits and the
 * state that the system saves (XCR0), not by family. */
bool bb_isa_runs(bb_isa isa);
/* auto = the widest that runs; what was asked for otherwise, or the widest below it that runs. */
bb_isa bb_isa_choose(bb_isa asked);
const char *bb_isa_name(bb_isa isa); /* "scalar", "avx2", "avx512", "auto" */
bool bb_isa_find(const char *name, bb_isa *isa);

/* What the matmul kernels tell apart within an instruction set, each by its own feature bits: an avx512 machine may
 * lack the others, and an avx2 one may have avx_vnni. avx512_vnni means VNNI and VBMI beside avx512; avx512_bf16 a
 * vdpbf16ps that gives the bits which the manual promises, found by one. */
typedef enum bb_level {
    BB_LEVEL_SCALAR,
    BB_LEVEL_AVX2,
    BB_LEVEL_AVX_VNNI,
    BB_LEVEL_AVX512,
    BB_LEVEL_AVX512_VNNI,
    BB_LEVEL_AVX512_BF16,
    BB_LEVELS
} bb_level;
bool bb_level_runs(bb_level level);
bb_isa bb_level_isa(bb_level level);       /* the instruction set that it belongs to, for --isa */
const char *bb_level_name(bb_level level); /* "avx512_vnni" */
#endif
