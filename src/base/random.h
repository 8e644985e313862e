/* SPDX-License-Identifier: GPL-3.0-or-later */
/* random.h - counter-based random numbers: the value depends on (seed, index) alone, whatever the order or thread. */
#ifndef BB_BASE_RANDOM_H
#define BB_BASE_RANDOM_H
#include <stdint.h>

/* 64 uniform bits (Philox 4x32-10: Salmon et al., SC 2011). */
uint64_t bb_random_u64(uint64_t seed, uint64_t index);
/* Uniform in (0, 1), 53 bits. */
double bb_random_unit(uint64_t seed, uint64_t index);
#endif
