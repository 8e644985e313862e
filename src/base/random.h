/* SPDX-License-Identifier: GPL-3.0-or-later */
/* random.h - counter-based random numbers: the value depends on (seed, index) alone, whatever the order or thread. */
#ifndef BB_BASE_RANDOM_H
#define BB_BASE_RANDOM_H
#include <stdint.h>

/* Philox 4x32-10 (Salmon et al., SC 2011): 128 bits of a counter and a key, words as in their Random123 library. */
void bb_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* 64 uniform bits: the first two words of counter (index, 0), key seed. */
uint64_t bb_random_u64(uint64_t seed, uint64_t index);
/* Uniform in (0, 1), neither end included: the middles of 2^52 equal steps. */
double bb_random_unit(uint64_t seed, uint64_t index);
#endif
