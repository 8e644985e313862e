/* SPDX-License-Identifier: GPL-3.0-or-later */
/* study_parts.h - what the studies share among themselves. */
#ifndef BB_STUDY_STUDY_PARTS_H
#define BB_STUDY_STUDY_PARTS_H
#include <stddef.h>
#include <stdint.h>

/* Elements [first, first + n) of the N(0,1) sequence of a seed. */
void bb_study_gaussian(uint64_t seed, uint64_t first, float *x, size_t n);
uint64_t bb_study_now_ns(void);
#endif
