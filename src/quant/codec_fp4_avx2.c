/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_fp4_avx2.c - mxfp4 and nvfp4 for AVX2: the bytes of codec_fp4.c.
 *
 * The nearest product is found by its bounds: the middles between neighbours, each a number of quarters that times a
 * scale of at most four bits is exact. A value on a bound takes the smaller one, as the first of equal errors does. The
 * differences that the reference compares are exact near a bound, so rounding never moves one; only where |x| passes
 * the largest product by far do they all round alike, and such blocks go to the reference. */
#include "quant/codecs.h"
#include "quant/plain_avx2.h"
#if BB_X86

enum { SUB = 16, SUBS = BB_NVFP4 / SUB };

/* Magnitudes 0..7 of eight values for a scale d. */
BB_AVX2 __m256i magnitude8(__m256 v, __m256 d) {
    static const float bounds[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
    __m256 a = bb_abs(v);
    __m256i m = _mm256_setzero_si256();
    for (int k = 0; k < 7; k++) {
        __m256 above = _mm256_cmp_ps(a, _mm256_mul_ps(_mm256_set1_ps(bounds[k]), d), _CMP_GT_OQ);
        m = _mm256_sub_epi32(m, _mm256_castps_si256(above));
    }
    return m;
}

/* Bytes of magnitudes and of the values themselves, paired alike, to codes: 8 more where a value is negative, but for
 * magnitude 0. */
BB_AVX2 __m256i with_signs(__m256i m, bb_f32x32 v) {
    __m256i ac = _mm256_packs_epi32(_mm256_castps_si256(v.a), _mm256_castps_si256(v.c));
    __m256i bd = _mm256_packs_epi32(_mm256_castps_si256(v.b), _mm256_castps_si256(v.d));
    __m256i sign = _mm256_and_si256(_mm256_srli_epi16(_mm256_packs_epi16(ac, bd), 4), _mm256_set1_epi8(8));
    __m256i zero = _mm256_cmpeq_epi8(m, _mm256_setzero_si256());
    return _mm256_or_si256(m, _mm256_andnot_si256(zero, sign));
}

/* Codes of a and c for the scale d, of b and d for the scale e. */
BB_AVX2 __m256i codes32(bb_f32x32 v, __m256 d, __m256 e) {
    bb_i32x32 m = {magnitude8(v.a, d), magnitude8(v.b, e), magnitude8(v.c, d), magnitude8(v.d, e)};
    return with_signs(bb_bytes_paired(m), v);
}

/* Whether log2f of amax may round up to the next integer, or the exponent leaves the range in which this file works. */
BB_AVX2 bool rare(int bits) {
    enum { LOW = 0x0D800000 /* 2^-100 */, NEAR = 0x7FFF00 /* 2^-15 below a power of two */ };
    return bits >= BB_BITS_INF || (bits != 0 && bits < LOW) || (bits & 0x7FFFFF) >= NEAR;
}

BB_TARGET_AVX2 void bb_mxfp4_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance,
                                         unsigned char *out) {
    (void)importance;
    for (size_t n = rows * cols / BB_MXFP4; n-- > 0; x += BB_MXFP4, out += BB_MXFP4_BYTES) {
        bb_f32x32 v = bb_load32(x);
        int bits = bb_largest(v);
        if (rare(bits)) {
            bb_mxfp4_block(x, out);
            continue;
        }
        out[0] = (unsigned char)(bits ? (bits >> 23) - 2 : 0);
        __m256 d = _mm256_set1_ps(bb_e8m0_half(out[0]));
        bb_put_nibbles(out + 1, codes32(v, d, d));
    }
}

/* The doubled values of codes. */
BB_AVX2 __m256i doubled(__m256i codes) {
    __m128i table = _mm_loadu_si128((const __m128i *)(const void *)bb_fp4_doubled);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), codes);
}

BB_TARGET_AVX2 void bb_mxfp4_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BB_MXFP4; n-- > 0; x += BB_MXFP4, data += BB_MXFP4_BYTES)
        bb_values32(x, doubled(bb_get_nibbles(data + 1)), _mm256_set1_ps(bb_e8m0_half(data[0])));
}

/* Scales and codes of two runs of 16. False when a value is so large that its differences would round alike. */
BB_AVX2 bool pair(const float *x, unsigned char *scales, unsigned char *codes) {
    enum { HIGH = 0x49800000 /* 2^20 */ };
    bb_f32x32 v = bb_load32(x);
    int a = bb_max8(bb_abs_bits(v.a, v.b)), b = bb_max8(bb_abs_bits(v.c, v.d));
    if (a >= HIGH || b >= HIGH) return false;
    scales[0] = bb_ue4m3_code(bb_float_of(a) / 6.0f);
    scales[1] = bb_ue4m3_code(bb_float_of(b) / 6.0f);
    __m256 d = _mm256_set1_ps(bb_ue4m3_half(scales[0])), e = _mm256_set1_ps(bb_ue4m3_half(scales[1]));
    /* the products of a scale of 0 are all as near: code 0 */
    __m256 some = _mm256_cmp_ps(d, _mm256_setzero_ps(), _CMP_NEQ_OQ);
    __m256 other = _mm256_cmp_ps(e, _mm256_setzero_ps(), _CMP_NEQ_OQ);
    v = (bb_f32x32){_mm256_and_ps(v.a, some), _mm256_and_ps(v.b, some), _mm256_and_ps(v.c, other),
                    _mm256_and_ps(v.d, other)};
    bb_f32x32 order = {v.a, v.c, v.b, v.d}; /* so that a comes under b, c under d */
    bb_put_nibbles(codes, codes32(order, d, e));
    return true;
}

BB_TARGET_AVX2 void bb_nvfp4_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance,
                                         unsigned char *out) {
    for (size_t n = rows * cols / BB_NVFP4; n-- > 0; x += BB_NVFP4, out += BB_NVFP4_BYTES)
        if (!pair(x, out, out + SUBS) || !pair(x + 2 * SUB, out + 2, out + SUBS + SUB))
            bb_nvfp4_encode(x, 1, BB_NVFP4, importance, out);
}

BB_TARGET_AVX2 void bb_nvfp4_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BB_NVFP4; n-- > 0; data += BB_NVFP4_BYTES)
        for (int s = 0; s < SUBS; s += 2, x += 2 * SUB) {
            /* low nibbles of both runs, then the high ones, to the runs */
            __m256i q = _mm256_permute4x64_epi64(doubled(bb_get_nibbles(data + SUBS + s * SUB / 2)), 0xD8);
            bb_values16(x, _mm256_castsi256_si128(q), _mm256_set1_ps(bb_ue4m3_half(data[s])));
            bb_values16(x + SUB, _mm256_extracti128_si256(q, 1), _mm256_set1_ps(bb_ue4m3_half(data[s + 1])));
        }
}
#endif
