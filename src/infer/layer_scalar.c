/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layer_scalar.c - attention and the gate in plain C, and which of all is used. */
#include "quant/lanes_scalar.h"
/* the lanes come first */
#include "infer/layer_lanes.h"

const bb_layer_ops *bb_layer_ops_of(bb_isa isa) {
    const bb_layer_ops *ops = &bb_layer_table;
#if BB_X86
    bb_isa most = bb_isa_choose(isa);
    if (most == BB_ISA_AVX2) ops = &bb_layer_table_avx2;
    if (most == BB_ISA_AVX512) ops = &bb_layer_table_avx512;
#else
    (void)isa;
#endif
    return ops;
}
