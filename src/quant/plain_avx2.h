/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plain_avx2.h - 32 elements at a time for AVX2: their largest, their codes packed, their values stored.
 *
 * The maximum of |x| is found on the bits, as integers: exact in any order, NaN above infinity above the rest. */
#ifndef BB_QUANT_PLAIN_AVX2_H
#define BB_QUANT_PLAIN_AVX2_H
#include "quant/plain.h"
#if BB_X86
#include <immintrin.h>

#define BB_AVX2 static inline BB_TARGET_AVX2

enum { BB_BITS_INF = 0x7F800000 };

/* Four times eight elements, or their codes, in order. */
typedef struct bb_f32x32 {
    __m256 a, b, c, d;
} bb_f32x32;
typedef struct bb_i32x32 {
    __m256i a, b, c, d;
} bb_i32x32;

BB_AVX2 __m256 bb_bits(int u) { return _mm256_castsi256_ps(_mm256_set1_epi32(u)); }
BB_AVX2 __m256 bb_abs(__m256 v) { return _mm256_and_ps(v, bb_bits(INT_MAX)); }

BB_AVX2 bb_f32x32 bb_load32(const float *x) {
    return (bb_f32x32){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), _mm256_loadu_ps(x + 16), _mm256_loadu_ps(x + 24)};
}

BB_AVX2 int bb_max8(__m256i v) {
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
    return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1)));
}

BB_AVX2 __m256i bb_abs_bits(__m256 v, __m256 w) {
    return _mm256_max_epi32(_mm256_castps_si256(bb_abs(v)), _mm256_castps_si256(bb_abs(w)));
}

BB_AVX2 __m256i bb_largest8(bb_f32x32 v) { return _mm256_max_epi32(bb_abs_bits(v.a, v.b), bb_abs_bits(v.c, v.d)); }

/* Bits of the largest |x|; above BB_BITS_INF when there is a NaN. */
BB_AVX2 int bb_largest(bb_f32x32 v) { return bb_max8(bb_largest8(v)); }

/* Of the bits of the largest |x|: zero, or neither so small that its inverse is infinite nor beyond all use. */
BB_AVX2 bool bb_regular(int bits) {
    enum { LOW = 0x0D800000 /* 2^-100 */, HIGH = 0x71800000 /* 2^100 */ };
    return bits == 0 || (bits >= LOW && bits < HIGH);
}

BB_AVX2 float bb_float_of(int u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* One bit an element: x == y. */
BB_AVX2 unsigned bb_equal32(bb_f32x32 v, __m256 y) {
    unsigned a = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v.a, y, _CMP_EQ_OQ));
    unsigned b = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v.b, y, _CMP_EQ_OQ));
    unsigned c = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v.c, y, _CMP_EQ_OQ));
    unsigned d = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v.d, y, _CMP_EQ_OQ));
    return a | b << 8 | c << 16 | d << 24;
}

BB_AVX2 bb_f32x32 bb_abs32(bb_f32x32 v) { return (bb_f32x32){bb_abs(v.a), bb_abs(v.b), bb_abs(v.c), bb_abs(v.d)}; }

/* Stores H(d). The processor keeps the bits of a NaN, the reference does not. */
BB_AVX2 void bb_put_half(unsigned char *p, float d) {
    uint16_t h = (uint16_t)_mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(d), _MM_FROUND_TO_NEAREST_INT), 0);
    if (d != d) h = bb_f32_to_f16(d);
    memcpy(p, &h, sizeof h);
}

BB_AVX2 __m256 bb_half8(const unsigned char *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
}

/* trunc(v + bias) of each. */
BB_AVX2 bb_i32x32 bb_trunc32(bb_f32x32 v, __m256 bias) {
    return (bb_i32x32){_mm256_cvttps_epi32(_mm256_add_ps(v.a, bias)), _mm256_cvttps_epi32(_mm256_add_ps(v.b, bias)),
                       _mm256_cvttps_epi32(_mm256_add_ps(v.c, bias)), _mm256_cvttps_epi32(_mm256_add_ps(v.d, bias))};
}

BB_AVX2 bb_f32x32 bb_scale32(bb_f32x32 v, __m256 s) {
    return (bb_f32x32){_mm256_mul_ps(v.a, s), _mm256_mul_ps(v.b, s), _mm256_mul_ps(v.c, s), _mm256_mul_ps(v.d, s)};
}

BB_AVX2 bb_f32x32 bb_minus32(bb_f32x32 v, __m256 s) {
    return (bb_f32x32){_mm256_sub_ps(v.a, s), _mm256_sub_ps(v.b, s), _mm256_sub_ps(v.c, s), _mm256_sub_ps(v.d, s)};
}

/* roundf of |v| < 2^22: the largest float below a half, added and cut off, rounds halves away from zero. */
BB_AVX2 __m256i bb_round8(__m256 v) {
    __m256 half = _mm256_or_ps(_mm256_and_ps(v, bb_bits(INT_MIN)), _mm256_set1_ps(0x1.fffffep-2f));
    return _mm256_cvttps_epi32(_mm256_add_ps(v, half));
}

BB_AVX2 bb_i32x32 bb_round32(bb_f32x32 v) {
    return (bb_i32x32){bb_round8(v.a), bb_round8(v.b), bb_round8(v.c), bb_round8(v.d)};
}

/* 32 bytes of int32 in [-128, 127], or cut to them, in order. */
BB_AVX2 __m256i bb_bytes_signed(bb_i32x32 q) {
    __m256i ab = _mm256_packs_epi32(q.a, q.b), cd = _mm256_packs_epi32(q.c, q.d);
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(ab, cd), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* 32 bytes in the order a c b d of quarters of 4: negative codes are cut to 0. */
BB_AVX2 __m256i bb_bytes_paired(bb_i32x32 q) {
    return _mm256_packus_epi16(_mm256_packs_epi32(q.a, q.c), _mm256_packs_epi32(q.b, q.d));
}

/* Codes below 16 in that order to 16 bytes: a under c, then b under d. */
BB_AVX2 void bb_put_nibbles(unsigned char *qs, __m256i paired) {
    __m256i both = _mm256_or_si256(paired, _mm256_srli_epi64(paired, 28));
    __m256i packed = _mm256_permutevar8x32_epi32(both, _mm256_setr_epi32(0, 4, 2, 6, 0, 4, 2, 6));
    _mm_storeu_si128((__m128i *)(void *)qs, _mm256_castsi256_si128(packed));
}

/* The same with the fifth bits of codes below 32 to qh. */
BB_AVX2 void bb_put_fives(unsigned char *qh, unsigned char *qs, __m256i paired) {
    __m256i order = _mm256_permutevar8x32_epi32(paired, _mm256_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7));
    int high = _mm256_movemask_epi8(_mm256_slli_epi16(order, 3));
    memcpy(qh, &high, sizeof high);
    bb_put_nibbles(qs, _mm256_and_si256(paired, _mm256_set1_epi8(15)));
}

BB_AVX2 __m128i bb_load16(const unsigned char *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
BB_AVX2 __m256i bb_load32u(const unsigned char *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }

/* The low nibbles of 16 bytes, then the high ones. */
BB_AVX2 __m256i bb_get_nibbles(const unsigned char *qs) {
    __m128i q = bb_load16(qs);
    return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(q, 4), q), _mm256_set1_epi8(15));
}

BB_AVX2 __m256i bb_get_fives(const unsigned char *qh, const unsigned char *qs) {
    int high;
    memcpy(&high, qh, sizeof high);
    const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i set = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(high), byte), bit);
    __m256i fifth = _mm256_and_si256(_mm256_cmpeq_epi8(set, bit), _mm256_set1_epi8(16));
    return _mm256_or_si256(bb_get_nibbles(qs), fifth);
}

/* 16 signed bytes as floats times d. */
BB_AVX2 void bb_values16(float *x, __m128i q, __m256 d) {
    __m256 lo = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q));
    __m256 hi = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(q, q)));
    _mm256_storeu_ps(x, _mm256_mul_ps(lo, d));
    _mm256_storeu_ps(x + 8, _mm256_mul_ps(hi, d));
}

BB_AVX2 void bb_values32(float *x, __m256i q, __m256 d) {
    bb_values16(x, _mm256_castsi256_si128(q), d);
    bb_values16(x + 16, _mm256_extracti128_si256(q, 1), d);
}

/* The same, then plus m. */
BB_AVX2 void bb_values16_from(float *x, __m128i q, __m256 d, __m256 m) {
    __m256 lo = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q));
    __m256 hi = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(q, q)));
    _mm256_storeu_ps(x, _mm256_add_ps(_mm256_mul_ps(lo, d), m));
    _mm256_storeu_ps(x + 8, _mm256_add_ps(_mm256_mul_ps(hi, d), m));
}

BB_AVX2 void bb_values32_from(float *x, __m256i q, __m256 d, __m256 m) {
    bb_values16_from(x, _mm256_castsi256_si128(q), d, m);
    bb_values16_from(x + 16, _mm256_extracti128_si256(q, 1), d, m);
}
#endif
#endif
