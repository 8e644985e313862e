/* SPDX-License-Identifier: GPL-3.0-or-later */
/* acts_codes_avx512.c - activations rounded to int8 with AVX-512: the bits of acts_codes.c. */
#include "kernel/acts_codes.h"
#if BB_X86
#include <immintrin.h>

/* Those of 16 values that are among the first n. */
BB_TARGET_AVX512 static inline __mmask16 among(size_t n) { return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xFFFF); }

BB_TARGET_AVX512 static inline __m512 load(const float *x, size_t live) {
    return live >= 16 ? _mm512_loadu_ps(x) : _mm512_maskz_loadu_ps(among(live), x);
}

BB_TARGET_AVX512 static inline __m512i max_bits(__m512i most, __m512 v) {
    return _mm512_max_epi32(most, _mm512_and_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(0x7FFFFFFF)));
}

BB_TARGET_AVX512 static inline uint32_t largest(const float *x, size_t n) {
    __m512i a = _mm512_setzero_si512(), b = a;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        a = max_bits(a, _mm512_loadu_ps(x + i));
        b = max_bits(b, _mm512_loadu_ps(x + i + 16));
    }
    if (i < n) a = max_bits(a, load(x + i, n - i));
    if (i + 16 < n) b = max_bits(b, load(x + i + 16, n - i - 16));
    return (uint32_t)_mm512_reduce_max_epi32(_mm512_max_epi32(a, b));
}

BB_TARGET_AVX512 static inline void round32(const float *x, size_t live, bb_code_step s, signed char *codes,
                                            int32_t sums[2]) {
    if (s.rule != BB_CODES_TIMES) {
        bb_codes32(x, live, s, codes, sums);
        return;
    }
    const __m512 inverse = _mm512_set1_ps(s.inverse);
    __m512 high = live > 16 ? load(x + 16, live - 16) : _mm512_setzero_ps();
    __m128i a = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(load(x, live), inverse)));
    __m128i b = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(high, inverse)));
    __m256i q = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    _mm256_storeu_si256((__m256i *)(void *)codes, q);
    /* sums of 8 codes + 128 */
    __m256i eights = _mm256_sad_epu8(_mm256_xor_si256(q, _mm256_set1_epi8((char)0x80)), _mm256_setzero_si256());
    __m256i both = _mm256_add_epi32(eights, _mm256_unpackhi_epi64(eights, eights));
    sums[0] = _mm256_cvtsi256_si32(both) - 16 * 128;
    sums[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(both, 1)) - 16 * 128;
}

#define CODES_TARGET     BB_TARGET_AVX512
#define CODES_NAME(name) name##_avx512
#include "kernel/acts_codes_loop.h"
#endif
