/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cpu.c - which instruction sets this processor and its system run. */
#include "base/cpu.h"
#include "base/str.h"

#if defined(__x86_64__) && defined(__GNUC__)
/* The compiler's own probe reads cpuid and XCR0 (libgcc's cpuinfo.c, compiler-rt's cpu_model.c). */
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
static bool has_avx2(void) { return false; }
static bool has_avx512(void) { return false; }
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
