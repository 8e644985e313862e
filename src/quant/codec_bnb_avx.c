/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_bnb_avx.c - the blocks of codec_bnb.c with AVX2 and AVX-512: the same comparisons, so the same bytes. */
#include "quant/codec_bnb.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))

static inline float reciprocal(float absmax) { return 1.0f / (absmax > BB_BNB_SMALLEST ? absmax : BB_BNB_SMALLEST); }

AVX2 static float largest_avx2(const float *x, size_t n) {
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
    __m256 m = _mm256_setzero_ps(), m2 = m;
    for (size_t i = 0; i < n; i += 16) {
        m = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(x + i), magnitude), m);
        m2 = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(x + i + 8), magnitude), m2);
    }
    m = _mm256_max_ps(m, m2);
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    h = _mm_max_ss(h, _mm_movehdup_ps(h));
    return _mm_cvtss_f32(h);
}

/* Minus the number of bounds below each of 8 values. */
AVX2 static inline __m256i minus_below(const __m256 bounds[15], __m256 v) {
    __m256i n = _mm256_castps_si256(_mm256_cmp_ps(v, bounds[0], _CMP_GT_OQ));
    for (size_t k = 1; k < 15; k++)
        n = _mm256_add_epi32(n, _mm256_castps_si256(_mm256_cmp_ps(v, bounds[k], _CMP_GT_OQ)));
    return n;
}

AVX2 void bb_bnb_blocks_avx2(const float *bounds, const unsigned char *order, const float *x, size_t blocks,
                             size_t block, unsigned char *packed, float *absmax) {
    /* packing works within halves of 128 bits: this puts the groups of four back in order */
    const __m256i groups = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i codes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)order));
    const __m256i high_first = _mm256_set1_epi16(0x0110);
    __m256 bound[15];
    for (size_t k = 0; k < 15; k++) bound[k] = _mm256_set1_ps(bounds[k]);
    for (size_t b = 0; b < blocks; b++, x += block, packed += block / 2) {
        absmax[b] = largest_avx2(x, block);
        const __m256 r = _mm256_set1_ps(reciprocal(absmax[b]));
        for (size_t i = 0; i < block; i += 32) {
            __m256i n[4];
            for (size_t j = 0; j < 4; j++) n[j] = minus_below(bound, _mm256_mul_ps(_mm256_loadu_ps(x + i + 8 * j), r));
            __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
            bytes = _mm256_abs_epi8(_mm256_permutevar8x32_epi32(bytes, groups));
            bytes = _mm256_maddubs_epi16(_mm256_shuffle_epi8(codes, bytes), high_first);
            bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(bytes, bytes), 0x08);
            _mm_storeu_si128((__m128i *)(void *)(packed + i / 2), _mm256_castsi256_si128(bytes));
        }
    }
}

/* The same count by halving: the bounds ascend. */
AVX512 static inline __m512i below(__m512 bounds, __m512 v) {
    __m512i n = _mm512_setzero_si512();
    for (int step = 8; step; step /= 2) {
        __m512i at = _mm512_add_epi32(n, _mm512_set1_epi32(step - 1));
        __mmask16 over = _mm512_cmp_ps_mask(v, _mm512_permutexvar_ps(at, bounds), _CMP_GT_OQ);
        n = _mm512_mask_add_epi32(n, over, n, _mm512_set1_epi32(step));
    }
    return n;
}

AVX512 void bb_bnb_blocks_avx512(const float *bounds, const unsigned char *order, const float *x, size_t blocks,
                                 size_t block, unsigned char *packed, float *absmax) {
    const __m128i codes = _mm_loadu_si128((const __m128i *)(const void *)order);
    const __m256i both = _mm256_broadcastsi128_si256(codes), high_first = _mm256_set1_epi16(0x0110);
    const __m512 bound = _mm512_maskz_loadu_ps(0x7FFF, bounds);
    for (size_t b = 0; b < blocks; b++, x += block, packed += block / 2) {
        __m512 m = _mm512_setzero_ps();
        for (size_t i = 0; i < block; i += 16) m = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(x + i)), m);
        absmax[b] = _mm512_reduce_max_ps(m);
        const __m512 r = _mm512_set1_ps(reciprocal(absmax[b]));
        for (size_t i = 0; i < block; i += 32) {
            __m512i lo = below(bound, _mm512_mul_ps(_mm512_loadu_ps(x + i), r));
            __m512i hi = below(bound, _mm512_mul_ps(_mm512_loadu_ps(x + i + 16), r));
            __m256i bytes =
                _mm256_inserti128_si256(_mm256_castsi128_si256(_mm512_cvtepi32_epi8(lo)), _mm512_cvtepi32_epi8(hi), 1);
            bytes = _mm256_maddubs_epi16(_mm256_shuffle_epi8(both, bytes), high_first);
            _mm_storeu_si128((__m128i *)(void *)(packed + i / 2), _mm256_cvtepi16_epi8(bytes));
        }
    }
}
#endif
