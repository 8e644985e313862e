/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lanes.h - what the three lanes_ISA.h share: the numbers behind them and the list of what each defines.
 *
 * A file that is written over lanes is compiled once for every ISA: a .c file includes one lanes_ISA.h, then it. Each
 * lane computes what scalar C would, operation for operation (none is fused, NaN and -0 included), so that the bytes do
 * not depend on the ISA. Every function carries the target of its ISA: no flag of the compiler is needed.
 *
 *   LANES              lanes of a vector: 1, 8 or 16
 *   LANE_FN            before each small function over lanes (inlined); LANE_BIG before the others
 *   LANE_NAME(f)       f, f_avx2, f_avx512
 *   vf vi vm           fp32, int32 and true/false in each lane
 *   vf_set vi_set      one value in all lanes; vf_load vf_store vi_load vi_store: LANES values, any alignment
 *   vi_bytes           LANES bytes, zero-extended;  vf_gather4: columns at..at+3 of LANES rows, lane l from row[l]
 *   vf_add sub mul div sqrt abs neg; vf_min(a, b) is a < b ? a : b, vf_max(a, b) is a > b ? a : b, as C has it for NaN
 *   vi_add sub and or min max, vi_shl shr sar by a constant
 *   vf_lt le gt ge eq ne, vi_eq; vm_and or not any all, vm_bits (lane l in bit l)
 *   vf_pick vi_pick    (m, a, b) is m ? a : b;  vf_cast: the float whose bits a vi holds
 *   vf_of_i, vi_of_f   conversions; vi_of_f cuts, what no int32 holds (and NaN) gives INT32_MIN as x86 does
 *   vi_near            ggml's nearest_int;  vf_near_in(x, lo, hi): the same, held in lo..hi, as a float
 *   vi_half vf_of_half to and from fp16 bits, as bb_f32_to_f16 does
 *   vt vt_load vt_at   a table of 16 floats and its elements at the indices of a vi */
#ifndef BB_QUANT_LANES_H
#define BB_QUANT_LANES_H
#include <stddef.h>
#include <stdint.h>

/* ggml's nearest_int adds 1.5 * 2^23 and reads the low 23 bits, which wraps where |x| passes 2^22. Those bits under the
 * exponent of 2^23 are the float LANES_MAGIC + nearest_int(x). */
#define LANES_MAGIC 12582912.0f
enum { LANES_MANTISSA = 0x7FFFFF, LANES_EXPONENT = 0x4B000000, LANES_ZERO = 0x400000 };
#endif
