/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dot_512.h - what the kernels with AVX-512 VNNI share: four values of k for all rows, memory asked for ahead. */
#ifndef BB_KERNEL_DOT_512_H
#define BB_KERNEL_DOT_512_H
#include "base/cpu.h"
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define DOT_FN static inline __attribute__((always_inline)) BB_TARGET_AVX512_VNNI

/* Of 4 values of k, for each row. */
DOT_FN __m512i dot_four(const void *x) {
    int v;
    memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
}

/* `ahead` bytes after p, which may be beyond what p points into, to the first level. */
DOT_FN void dot_prefetch(const void *p, size_t ahead, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) _mm_prefetch((const char *)((uintptr_t)p + ahead + i), _MM_HINT_T0);
}
#endif
