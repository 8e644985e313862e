/* SPDX-License-Identifier: GPL-3.0-or-later */
/* roof_loops.h - the loops that the roof times: arithmetic in registers, and reading. */
#ifndef BB_KERNEL_ROOF_LOOPS_H
#define BB_KERNEL_ROOF_LOOPS_H
#include "kernel/roof.h"

/* Does the operations of a step `steps` times; the result only has to be used. */
typedef struct bb_peak_loop {
    bb_level level;
    bb_arith arith;
    uint32_t step_ops;
    uint32_t (*run)(size_t steps);
} bb_peak_loop;

enum { BB_READ_BYTES = 1024 }; /* buffers are multiples of it, on boundaries of 64 */
typedef struct bb_read_loop {
    bb_level level;
    uint32_t (*run)(const unsigned char *p, size_t bytes);
} bb_read_loop;

#if BB_X86
enum { BB_PEAK_LOOPS_X86 = 7, BB_READ_LOOPS_X86 = 2 };
extern const bb_peak_loop bb_peak_loops_x86[BB_PEAK_LOOPS_X86];
extern const bb_read_loop bb_read_loops_x86[BB_READ_LOOPS_X86]; /* widest last */
#endif
#endif
