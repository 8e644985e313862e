/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cpu.h - which instruction sets this processor and its system run. */
#ifndef BB_BASE_CPU_H
#define BB_BASE_CPU_H
#include "base/fail.h"

/* avx2 here means AVX2, FMA, F16C; avx512 means F, BW, DQ and VL beside those. By the CPU's feature bits and the state
 * that the system saves (XCR0), not by family. */
bool bb_isa_runs(bb_isa isa);
/* auto = the widest that runs; what was asked for otherwise, or the widest below it that runs. */
bb_isa bb_isa_choose(bb_isa asked);
const char *bb_isa_name(bb_isa isa); /* "scalar", "avx2", "avx512", "auto" */
bool bb_isa_find(const char *name, bb_isa *isa);
#endif
