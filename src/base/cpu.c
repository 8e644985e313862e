/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cpu.c - which instruction sets this processor and its system run. */
#include "base/cpu.h"
#include "base/str.h"
#include <stdint.h>
#if BB_X86
#include <immintrin.h>
#if defined(__clang__)
#include <cpuid.h>
#endif

/* The compiler's own probe reads cpuid and XCR0 (libgcc's cpuinfo.c, compiler-rt's cpu_model.c), once. */
#if defined(__clang__)
/* clang 14's has no names for these two: leaf 1, bit 29 of ECX, and leaf 7, subleaf 1, bit 4 of EAX (Intel 64 and IA-32
 * Architectures Software Developer's Manual, volume 2, CPUID). What of XCR0 they need is what AVX2 needs. Asked before
 * main, as that probe does: under a hypervisor each question takes 15 us. */
static unsigned leaf_1_ecx, leaf_7_1_eax;
__attribute__((constructor)) static void ask(void) {
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d)) leaf_1_ecx = c;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) leaf_7_1_eax = a;
}
static bool has_f16c(void) { return leaf_1_ecx >> 29 & 1; }
static bool names_avx_vnni(void) { return leaf_7_1_eax >> 4 & 1; }
#else
static bool has_f16c(void) { return __builtin_cpu_supports("f16c"); }
static bool names_avx_vnni(void) { return __builtin_cpu_supports("avxvnni"); }
#endif

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
           has_f16c();
}
static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
static bool has_avx512_vnni(void) {
    return has_avx512() && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
}
static bool has_avx_vnni(void) { return has_avx2() && names_avx_vnni(); }

/* The feature bit does not promise what the manual does: whether this processor gives the bits that the kernels'
 * portable twin gives, by one instruction on cases that tell the order, the roundings and the flushes apart (odd values
 * in the upper halves): two ties in either order; a product beyond fp32; one below it; subnormal w, x and sum; a
 * flushed odd product; a flushed -0; a result that rounds up to 2^-126, one that does not, a tie there; overflow by a
 * tie; a tie up to even; two ordinary ones. */
BB_TARGET_AVX512_BF16 static bool bf16_as_documented(void) {
    static const uint32_t w[16] = {0x39803980, 0x39803980, 0x7F000000, 0x1C800000, 0x00400000, 0x00007F00,
                                   0x00002000, 0x1F802000, 0x9F008000, 0x99800000, 0x9A000000, 0x99800000,
                                   0x59800000, 0x39800000, 0x41533EAB, 0x4025C026};
    static const uint32_t x[16] = {0x39803981, 0x39803980, 0x40000000, 0x1C800000, 0x7F000000, 0x00008040,
                                   0x00002000, 0x20002000, 0x1F003F80, 0x19800000, 0x1A000000, 0x1A000000,
                                   0x59000000, 0x39800000, 0xBDE9407C, 0x44874486};
    static const uint32_t before[16] = {0x3F800000, 0x3F800000, 0xFF000000, 0x00800000, 0x3F800000, 0x3F800000,
                                        0x00400000, 0x00000000, 0x00000000, 0x00800000, 0x00800000, 0x00800000,
                                        0x7F7FFFFF, 0x3F800001, 0x40490FDB, 0x3D2DF854};
    static const uint32_t after[16] = {0x3F800001, 0x3F800000, 0x7F000000, 0x00800200, 0x3F800000, 0x3F800000,
                                       0x00800000, 0x00800000, 0x80000000, 0x00800000, 0x00000000, 0x00800000,
                                       0x7F800000, 0x3F800002, 0x403D345B, 0x407AB800};
    __m512 sum = _mm512_castsi512_ps(_mm512_loadu_si512(before));
    __m512i got =
        _mm512_castps_si512(_mm512_dpbf16_ps(sum, (__m512bh)_mm512_loadu_si512(w), (__m512bh)_mm512_loadu_si512(x)));
    return _mm512_cmpeq_epi32_mask(got, _mm512_loadu_si512(after)) == 0xFFFF;
}
static bool has_avx512_bf16(void) {
    return has_avx512() && __builtin_cpu_supports("avx512bf16") && bf16_as_documented();
}
#else
static bool has_avx2(void) { return false; }
static bool has_avx512(void) { return false; }
static bool has_avx512_vnni(void) { return false; }
static bool has_avx_vnni(void) { return false; }
static bool has_avx512_bf16(void) { return false; }
#endif

bool bb_isa_runs(bb_isa isa) {
    switch (isa) {
    case BB_ISA_AVX2:
        return has_avx2();
    case BB_ISA_AVX512:
        return has_avx512();
    case BB_ISA_AUTO:
    case BB_ISA_SCALAR:
        break;
    }
    return true;
}

bb_isa bb_isa_choose(bb_isa asked) {
    bb_isa isa = asked == BB_ISA_AUTO ? BB_ISA_AVX512 : asked;
    while (isa > BB_ISA_SCALAR && !bb_isa_runs(isa)) isa--;
    return isa;
}

static const char *const names[] = {"auto", "scalar", "avx2", "avx512"};

const char *bb_isa_name(bb_isa isa) { return names[isa]; }

bool bb_isa_find(const char *name, bb_isa *isa) {
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (!bb_name_eq(name, names[i])) continue;
        *isa = (bb_isa)i;
        return true;
    }
    return false;
}

static const struct {
    const char *name;
    bb_isa isa;
    bool (*has)(void); /* NULL: always */
} levels[BB_LEVELS] = {
    [BB_LEVEL_SCALAR] = {"scalar", BB_ISA_SCALAR, NULL},
    [BB_LEVEL_AVX2] = {"avx2", BB_ISA_AVX2, has_avx2},
    [BB_LEVEL_AVX_VNNI] = {"avx_vnni", BB_ISA_AVX2, has_avx_vnni},
    [BB_LEVEL_AVX512] = {"avx512", BB_ISA_AVX512, has_avx512},
    [BB_LEVEL_AVX512_VNNI] = {"avx512_vnni", BB_ISA_AVX512, has_avx512_vnni},
    [BB_LEVEL_AVX512_BF16] = {"avx512_bf16", BB_ISA_AVX512, has_avx512_bf16},
};

bool bb_level_runs(bb_level level) { return !levels[level].has || levels[level].has(); }
bb_isa bb_level_isa(bb_level level) { return levels[level].isa; }
const char *bb_level_name(bb_level level) { return levels[level].name; }
