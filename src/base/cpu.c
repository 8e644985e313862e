/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cpu.c - which instruction sets this processor and its system run. */
#include "base/cpu.h"
#include "base/str.h"
#if defined(__x86_64__) && defined(__clang__)
#include <cpuid.h>
#endif

#if defined(__x86_64__) && defined(__GNUC__)
/* The compiler's own probe reads cpuid and XCR0 (libgcc's cpuinfo.c, compiler-rt's cpu_model.c). */
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
static bool has_avx512_vnni(void) {
    return has_avx512() && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
}
static bool has_avx512_bf16(void) { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
#if defined(__clang__)
/* clang 14's probe has no name for it: leaf 7, subleaf 1, bit 4 of EAX (Intel 64 and IA-32 Architectures Software
 * Developer's Manual, volume 2, CPUID). What of XCR0 it needs is what AVX2 needs. Under a hypervisor the question takes
 * 15 us. */
static bool has_avx_vnni(void) {
    unsigned a, b, c, d;
    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
#else
static bool has_avx_vnni(void) { return has_avx2() && __builtin_cpu_supports("avxvnni"); }
#endif
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
