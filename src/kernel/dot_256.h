/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dot_256.h - sums of products of weights' codes with activations' in 256 bits: 8 rows, 4 values of k a step.
 *
 * Before it: DOT_TARGET, the attribute of its functions; and where the instruction is there DOT_STEP(acc, u, s), which
 * adds to each of 8 int32 the products of 4 unsigned bytes with 4 signed ones (vpdpbusd). */
#ifndef BB_KERNEL_DOT_256_H
#define BB_KERNEL_DOT_256_H
#include "base/cpu.h"
#include <immintrin.h>
#include <string.h>

#define DOT_FN static inline __attribute__((always_inline)) DOT_TARGET

/* How AVX2 alone gets along with 16-bit sums of pairs, activations being at most 127 in magnitude. Codes up to 15: 8
 * steps of 2 * 15 * 127 stay below 2^15. Values up to 12: 8 steps of 2 * 12 * 127 do, with the sign moved to the
 * activation. Values up to 128: one step of 2 * 128 * 127 does. */
typedef enum dot_range { DOT_CODES_15, DOT_VALUES_12, DOT_VALUES_128 } dot_range;

DOT_FN __m256i dot_bytes(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* Of 4 values of k, for each row. */
DOT_FN __m256i dot_four(const void *x) {
    int v;
    memcpy(&v, x, sizeof v);
    return _mm256_set1_epi32(v);
}

/* What is needed more than once for 8 codes + offset. */
typedef struct dot_weights {
    __m256i codes, values;
} dot_weights;

#ifdef DOT_STEP
DOT_FN dot_weights dot_prepare(dot_range range, __m256i codes) {
    (void)range;
    return (dot_weights){codes, codes};
}
DOT_FN __m256i dot_first(dot_range range, int32_t start) {
    (void)range;
    return _mm256_set1_epi32(start);
}
DOT_FN __m256i dot_step(dot_range range, __m256i acc, dot_weights w, __m256i x) {
    (void)range;
    return DOT_STEP(acc, w.codes, x);
}
DOT_FN __m256i dot_last(dot_range range, __m256i acc, int32_t start) {
    (void)range;
    (void)start;
    return acc;
}
#else
DOT_FN dot_weights dot_prepare(dot_range range, __m256i codes) {
    if (range == DOT_CODES_15) return (dot_weights){codes, codes};
    __m256i v = _mm256_sub_epi8(codes, _mm256_set1_epi8((char)(range == DOT_VALUES_12 ? 12 : 128)));
    return (dot_weights){_mm256_abs_epi8(v), v}; /* 128 as unsigned where v is -128 */
}
DOT_FN __m256i dot_first(dot_range range, int32_t start) {
    (void)range;
    (void)start;
    return _mm256_setzero_si256();
}
DOT_FN __m256i dot_step(dot_range range, __m256i acc, dot_weights w, __m256i x) {
    if (range == DOT_CODES_15) return _mm256_add_epi16(acc, _mm256_maddubs_epi16(w.codes, x));
    __m256i pairs = _mm256_maddubs_epi16(w.codes, _mm256_sign_epi8(x, w.values));
    if (range == DOT_VALUES_12) return _mm256_add_epi16(acc, pairs);
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
DOT_FN __m256i dot_last(dot_range range, __m256i acc, int32_t start) {
    if (range == DOT_VALUES_128) return acc;
    __m256i sum = _mm256_madd_epi16(acc, _mm256_set1_epi16(1));
    return range == DOT_CODES_15 ? _mm256_add_epi32(sum, _mm256_set1_epi32(start)) : sum;
}
#endif

/* Between steps: keeps the compiler from starting on more of them, or holding more of what is in memory, than it has
 * registers for. */
#define DOT_KEEP(sum) __asm__ volatile("" : "+x"(sum) : : "memory")

/* Tokens whose sums of 16 rows stay in registers beside the weights; more whose sums of a panel do in the first level
 * of cache, while the panel passes. */
enum { DOT_TOKENS = 4 };
#endif
