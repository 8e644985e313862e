/* SPDX-License-Identifier: GPL-3.0-or-later */
/* half_bulk.c - arrays of fp16, bf16 and fp32 words to and from fp32, by the widest instructions that run. */
#include "format/half.h"
#include <string.h>
#if BB_X86
#include <immintrin.h>
#endif

static void put16(unsigned char *p, uint16_t h) {
    p[0] = (unsigned char)h;
    p[1] = (unsigned char)(h >> 8);
}

static uint16_t get16(const unsigned char *p) { return (uint16_t)(p[0] | p[1] << 8); }

#if BB_X86
/* Each of these does a multiple of its width and returns how many words that was. */
typedef size_t widen_fn(const unsigned char *words, size_t n, float *x);
typedef size_t narrow_fn(const float *x, size_t n, unsigned char *words);

BB_TARGET_AVX2 static size_t f16_widen_avx2(const unsigned char *words, size_t n, float *x) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(x + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(words + 2 * i))));
    return i;
}

/* The processor keeps the high bits of a NaN; ggml and half.h give every NaN the word sign|0x7E00. */
BB_TARGET_AVX2 static __m128i f16_words(__m256 v) {
    __m128i h = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
    __m128i nan = _mm_cmpgt_epi16(_mm_and_si128(h, _mm_set1_epi16(0x7FFF)), _mm_set1_epi16(0x7C00));
    __m128i quiet = _mm_or_si128(_mm_and_si128(h, _mm_set1_epi16((short)0x8000)), _mm_set1_epi16(0x7E00));
    return _mm_blendv_epi8(h, quiet, nan);
}

BB_TARGET_AVX2 static size_t f16_narrow_avx2(const float *x, size_t n, unsigned char *words) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) _mm_storeu_si128((__m128i *)(void *)(words + 2 * i), f16_words(_mm256_loadu_ps(x + i)));
    return i;
}

BB_TARGET_AVX512 static size_t f16_narrow_avx512(const float *x, size_t n, unsigned char *words) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 v = _mm512_loadu_ps(x + i);
        __m256i h = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
        __m256i quiet =
            _mm256_or_si256(_mm256_and_si256(h, _mm256_set1_epi16((short)0x8000)), _mm256_set1_epi16(0x7E00));
        __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        _mm256_storeu_si256((void *)(words + 2 * i), _mm256_mask_blend_epi16(nan, h, quiet));
    }
    return i;
}

BB_TARGET_AVX2 static size_t bf16_widen_avx2(const unsigned char *words, size_t n, float *x) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i w = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(words + 2 * i)));
        _mm256_storeu_ps(x + i, _mm256_castsi256_ps(_mm256_slli_epi32(w, 16)));
    }
    return i;
}

BB_TARGET_AVX2 static __m256i bf16_words(__m256 v) {
    __m256i u = _mm256_castps_si256(v), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    __m256i even = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(even, quiet, nan), 16);
}

BB_TARGET_AVX2 static size_t bf16_narrow_avx2(const float *x, size_t n, unsigned char *words) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i a = bf16_words(_mm256_loadu_ps(x + i)), b = bf16_words(_mm256_loadu_ps(x + i + 8));
        __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xD8); /* the halves of each in order */
        _mm256_storeu_si256((__m256i *)(void *)(words + 2 * i), both);
    }
    return i;
}

BB_TARGET_AVX512 static size_t bf16_narrow_avx512(const float *x, size_t n, unsigned char *words) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 v = _mm512_loadu_ps(x + i);
        __m512i u = _mm512_castps_si512(v), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
        __m512i even = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
        __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        __m512i r = _mm512_mask_or_epi32(even, nan, u, _mm512_set1_epi32(0x400000));
        _mm256_storeu_si256((void *)(words + 2 * i), _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16)));
    }
    return i;
}

/* AVX2 widens as fast as memory takes the result. */
static size_t widen(bb_isa isa, widen_fn *avx2, const unsigned char *words, size_t n, float *x) {
    return bb_isa_choose(isa) >= BB_ISA_AVX2 ? avx2(words, n, x) : 0;
}

static size_t narrow(bb_isa isa, narrow_fn *avx2, narrow_fn *avx512, const float *x, size_t n, unsigned char *words) {
    isa = bb_isa_choose(isa);
    return isa == BB_ISA_AVX512 ? avx512(x, n, words) : isa == BB_ISA_AVX2 ? avx2(x, n, words) : 0;
}
#else
#define widen(isa, avx2, words, n, x)          ((void)(isa), (size_t)0)
#define narrow(isa, avx2, avx512, x, n, words) ((void)(isa), (size_t)0)
#endif

void bb_f16_to_f32_n(const unsigned char *words, size_t n, bb_isa isa, float *x) {
    size_t i = widen(isa, f16_widen_avx2, words, n, x);
    for (; i < n; i++) x[i] = bb_f16_to_f32(get16(words + 2 * i));
}

void bb_f32_to_f16_n(const float *x, size_t n, bb_isa isa, unsigned char *words) {
    size_t i = narrow(isa, f16_narrow_avx2, f16_narrow_avx512, x, n, words);
    for (; i < n; i++) put16(words + 2 * i, bb_f32_to_f16(x[i]));
}

void bb_bf16_to_f32_n(const unsigned char *words, size_t n, bb_isa isa, float *x) {
    size_t i = widen(isa, bf16_widen_avx2, words, n, x);
    for (; i < n; i++) x[i] = bb_bf16_to_f32(get16(words + 2 * i));
}

void bb_f32_to_bf16_n(const float *x, size_t n, bb_isa isa, unsigned char *words) {
    size_t i = narrow(isa, bf16_narrow_avx2, bf16_narrow_avx512, x, n, words);
    for (; i < n; i++) put16(words + 2 * i, bb_f32_to_bf16(x[i]));
}

static bool little_endian(void) {
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first;
}

void bb_f32_from_le_n(const unsigned char *words, size_t n, float *x) {
    if (n > 0 && little_endian()) {
        memmove(x, words, 4 * n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const unsigned char *p = words + 4 * i;
        uint32_t u = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        memcpy(&x[i], &u, sizeof u);
    }
}

void bb_f32_to_le_n(const float *x, size_t n, unsigned char *words) {
    if (n > 0 && little_endian()) {
        memcpy(words, x, 4 * n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], sizeof u);
        for (int k = 0; k < 4; k++) words[4 * i + (size_t)k] = (unsigned char)(u >> 8 * k);
    }
}
