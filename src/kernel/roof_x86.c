/* SPDX-License-Identifier: GPL-3.0-or-later */
/* roof_x86.c - the loops of the roof for AVX2, AVX-VNNI and AVX-512: independent chains that fill every port. */
#include "kernel/roof_loops.h"
#if BB_X86
#include <immintrin.h>

/* Chains: an fma has a latency of 4 cycles and two a cycle begin at most (Fog, instruction tables), vpdpbf16ps 6 and
 * two; 12 leave AVX2 the registers for its operands. */
#define TWELVE(X)  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define SIXTEEN(X) TWELVE(X) X(12) X(13) X(14) X(15)
enum { ROUNDS = 8 }; /* of all chains in a step */

#define HIDE(x) __asm__("" : "+v"(x)) /* the compiler no longer knows the value */

/* c = c / 2 + 1 stays near 2. */
#define FP32_BEGIN_256(i)                                                                                              \
    __m256 c##i = _mm256_set1_ps(i);                                                                                   \
    HIDE(c##i);
#define FP32_256(i)     c##i = _mm256_fmadd_ps(c##i, half, one);
#define FP32_END_256(i) s = _mm256_add_ps(s, c##i);
BB_TARGET_AVX2 static uint32_t fp32_avx2(size_t steps) {
    const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1);
    __m256 s = _mm256_setzero_ps();
    TWELVE(FP32_BEGIN_256)
    for (; steps; steps--)
        for (int r = 0; r < ROUNDS; r++) {
            TWELVE(FP32_256)
        }
    TWELVE(FP32_END_256)
    return (uint32_t)_mm256_movemask_ps(s);
}

#define FP32_BEGIN_512(i)                                                                                              \
    __m512 c##i = _mm512_set1_ps(i);                                                                                   \
    HIDE(c##i);
#define FP32_512(i)     c##i = _mm512_fmadd_ps(c##i, half, one);
#define FP32_END_512(i) s = _mm512_add_ps(s, c##i);
BB_TARGET_AVX512 static uint32_t fp32_avx512(size_t steps) {
    const __m512 half = _mm512_set1_ps(0.5f), one = _mm512_set1_ps(1);
    __m512 s = _mm512_setzero_ps();
    SIXTEEN(FP32_BEGIN_512)
    for (; steps; steps--)
        for (int r = 0; r < ROUNDS; r++) {
            SIXTEEN(FP32_512)
        }
    SIXTEEN(FP32_END_512)
    return _mm512_cmp_ps_mask(s, one, _CMP_LT_OQ);
}

/* Adds 2 * 2^-30 each time. */
#define BF16_512(i) c##i = _mm512_dpbf16_ps(c##i, x, y);
BB_TARGET_AVX512_BF16 static uint32_t bf16_avx512(size_t steps) {
    const __m512bh x = (__m512bh)_mm512_set1_epi16(0x3F80), y = (__m512bh)_mm512_set1_epi16(0x3080);
    __m512 s = _mm512_setzero_ps();
    SIXTEEN(FP32_BEGIN_512)
    for (; steps; steps--)
        for (int r = 0; r < ROUNDS; r++) {
            SIXTEEN(BF16_512)
        }
    SIXTEEN(FP32_END_512)
    return _mm512_cmp_ps_mask(s, _mm512_set1_ps(1), _CMP_LT_OQ);
}

/* Without VNNI: where one factor has 4 bits, eight sums of two products fit in int16 (2 * 15 * 127 * 8 < 2^15), so that
 * many are added before they are widened. In assembly, because the operands are always the same: a compiler would
 * multiply once. */
#define INT8_BEGIN_256(i)                                                                                              \
    __m256i c##i = _mm256_set1_epi8(i);                                                                                \
    HIDE(c##i);
#define INT8_256(i)       __asm__ volatile("vpmaddubsw %2, %2, %1\n\tvpaddw %1, %0, %0" : "+v"(c##i), "=&v"(t) : "v"(x));
#define INT8_WIDEN_256(i) c##i = _mm256_add_epi32(_mm256_madd_epi16(c##i, ones), x);
#define INT8_END_256(i)   s = _mm256_add_epi32(s, c##i);
BB_TARGET_AVX2 static uint32_t int8_avx2(size_t steps) {
    const __m256i x = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
    __m256i s = _mm256_setzero_si256(), t;
    TWELVE(INT8_BEGIN_256)
    for (; steps; steps--) {
        for (int r = 0; r < ROUNDS; r++) {
            TWELVE(INT8_256)
        }
        TWELVE(INT8_WIDEN_256)
    }
    TWELVE(INT8_END_256)
    return (uint32_t)_mm256_extract_epi32(s, 0);
}

#define INT8_BEGIN_512(i)                                                                                              \
    __m512i c##i = _mm512_set1_epi8(i);                                                                                \
    HIDE(c##i);
#define INT8_512(i)       __asm__ volatile("vpmaddubsw %2, %2, %1\n\tvpaddw %1, %0, %0" : "+v"(c##i), "=&v"(t) : "v"(x));
#define INT8_WIDEN_512(i) c##i = _mm512_add_epi32(_mm512_madd_epi16(c##i, ones), x);
#define INT8_END_512(i)   s = _mm512_add_epi32(s, c##i);
BB_TARGET_AVX512 static uint32_t int8_avx512(size_t steps) {
    const __m512i x = _mm512_set1_epi8(3), ones = _mm512_set1_epi16(1);
    __m512i s = _mm512_setzero_si512(), t;
    SIXTEEN(INT8_BEGIN_512)
    for (; steps; steps--) {
        for (int r = 0; r < ROUNDS; r++) {
            SIXTEEN(INT8_512)
        }
        SIXTEEN(INT8_WIDEN_512)
    }
    SIXTEEN(INT8_END_512)
    return (uint32_t)_mm_cvtsi128_si32(_mm512_castsi512_si128(s));
}

#define VNNI_256(i) c##i = _mm256_dpbusd_avx_epi32(c##i, x, x);
BB_TARGET_AVX_VNNI static uint32_t int8_avx_vnni(size_t steps) {
    const __m256i x = _mm256_set1_epi8(3);
    __m256i s = _mm256_setzero_si256();
    TWELVE(INT8_BEGIN_256)
    for (; steps; steps--)
        for (int r = 0; r < ROUNDS; r++) {
            TWELVE(VNNI_256)
        }
    TWELVE(INT8_END_256)
    return (uint32_t)_mm256_extract_epi32(s, 0);
}

#define VNNI_512(i) c##i = _mm512_dpbusd_epi32(c##i, x, x);
BB_TARGET_AVX512_VNNI static uint32_t int8_avx512_vnni(size_t steps) {
    const __m512i x = _mm512_set1_epi8(3);
    __m512i s = _mm512_setzero_si512();
    SIXTEEN(INT8_BEGIN_512)
    for (; steps; steps--)
        for (int r = 0; r < ROUNDS; r++) {
            SIXTEEN(VNNI_512)
        }
    SIXTEEN(INT8_END_512)
    return (uint32_t)_mm_cvtsi128_si32(_mm512_castsi512_si128(s));
}

/* step_ops: chains * rounds * lanes * products of a lane * 2. */
const bb_peak_loop bb_peak_loops_x86[BB_PEAK_LOOPS_X86] = {
    {BB_LEVEL_AVX2, BB_ARITH_FP32, 12 * ROUNDS * 8 * 2, fp32_avx2},
    {BB_LEVEL_AVX512, BB_ARITH_FP32, 16 * ROUNDS * 16 * 2, fp32_avx512},
    {BB_LEVEL_AVX512_BF16, BB_ARITH_BF16, 16 * ROUNDS * 16 * 2 * 2, bf16_avx512},
    {BB_LEVEL_AVX2, BB_ARITH_INT8, 12 * ROUNDS * 8 * 4 * 2, int8_avx2},
    {BB_LEVEL_AVX_VNNI, BB_ARITH_INT8, 12 * ROUNDS * 8 * 4 * 2, int8_avx_vnni},
    {BB_LEVEL_AVX512, BB_ARITH_INT8, 16 * ROUNDS * 16 * 4 * 2, int8_avx512},
    {BB_LEVEL_AVX512_VNNI, BB_ARITH_INT8, 16 * ROUNDS * 16 * 4 * 2, int8_avx512_vnni},
};

/* ---- reading ---- */

#define READ_256(i) s##i = _mm256_or_si256(s##i, _mm256_load_si256((const __m256i *)(const void *)(p + 32 * (i))));
BB_TARGET_AVX2 static uint32_t read_avx2(const unsigned char *p, size_t bytes) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (const unsigned char *end = p + bytes; p < end; p += 256) {
        READ_256(0) READ_256(1) READ_256(2) READ_256(3) READ_256(4) READ_256(5) READ_256(6) READ_256(7)
    }
    s0 = _mm256_or_si256(_mm256_or_si256(_mm256_or_si256(s0, s1), _mm256_or_si256(s2, s3)),
                         _mm256_or_si256(_mm256_or_si256(s4, s5), _mm256_or_si256(s6, s7)));
    return (uint32_t)_mm256_extract_epi32(s0, 0) | (uint32_t)_mm256_extract_epi32(s0, 7);
}

#define READ_512(i) s##i = _mm512_or_si512(s##i, _mm512_load_si512(p + 64 * (i)));
BB_TARGET_AVX512 static uint32_t read_avx512(const unsigned char *p, size_t bytes) {
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (const unsigned char *end = p + bytes; p < end; p += 512) {
        READ_512(0) READ_512(1) READ_512(2) READ_512(3) READ_512(4) READ_512(5) READ_512(6) READ_512(7)
    }
    s0 = _mm512_or_si512(_mm512_or_si512(_mm512_or_si512(s0, s1), _mm512_or_si512(s2, s3)),
                         _mm512_or_si512(_mm512_or_si512(s4, s5), _mm512_or_si512(s6, s7)));
    return (uint32_t)_mm512_cmpneq_epi32_mask(s0, _mm512_setzero_si512());
}

const bb_read_loop bb_read_loops_x86[BB_READ_LOOPS_X86] = {{BB_LEVEL_AVX2, read_avx2}, {BB_LEVEL_AVX512, read_avx512}};
#endif
