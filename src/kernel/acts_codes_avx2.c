/* SPDX-License-Identifier: GPL-3.0-or-later */
/* acts_codes_avx2.c - activations rounded to int8 with AVX2: the bits of acts_codes.c. */
#include "kernel/acts_codes.h"
#if BB_X86
#include <immintrin.h>

BB_TARGET_AVX2 static inline __m256i bits8(const float *x) {
    return _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x)), _mm256_set1_epi32(0x7FFFFFFF));
}

BB_TARGET_AVX2 static inline uint32_t largest(const float *x, size_t n) {
    __m256i a = _mm256_setzero_si256(), b = a;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        a = _mm256_max_epi32(a, bits8(x + i)); /* without signs they compare as integers */
        b = _mm256_max_epi32(b, bits8(x + i + 8));
    }
    if (i < n) {
        float tail[16] = {0};
        memcpy(tail, x + i, (n - i) * sizeof *tail);
        a = _mm256_max_epi32(a, bits8(tail));
        b = _mm256_max_epi32(b, bits8(tail + 8));
    }
    a = _mm256_max_epi32(a, b);
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1)));
}

BB_TARGET_AVX2 static inline void rounded32(const float *x, __m256 inverse, signed char *codes, int32_t sums[2]) {
    __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse));
    __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), inverse));
    __m256i c = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 16), inverse));
    __m256i d = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 24), inverse));
    __m256i q = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    q = _mm256_permutevar8x32_epi32(q, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)(void *)codes, q);
    /* sums of 8 codes + 128 */
    __m256i eights = _mm256_sad_epu8(_mm256_xor_si256(q, _mm256_set1_epi8((char)0x80)), _mm256_setzero_si256());
    __m256i both = _mm256_add_epi32(eights, _mm256_unpackhi_epi64(eights, eights));
    sums[0] = _mm256_cvtsi256_si32(both) - 16 * 128;
    sums[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(both, 1)) - 16 * 128;
}

BB_TARGET_AVX2 static inline void round32(const float *x, size_t live, bb_code_step s, signed char *codes,
                                          int32_t sums[2]) {
    if (s.rule != BB_CODES_TIMES) {
        bb_codes32(x, live, s, codes, sums);
    } else if (live < BB_ACT_BLOCK) {
        float whole[BB_ACT_BLOCK] = {0};
        memcpy(whole, x, live * sizeof *x);
        rounded32(whole, _mm256_set1_ps(s.inverse), codes, sums);
    } else {
        rounded32(x, _mm256_set1_ps(s.inverse), codes, sums);
    }
}

#define CODES_TARGET     BB_TARGET_AVX2
#define CODES_NAME(name) name##_avx2
#include "kernel/acts_codes_loop.h"
#endif
