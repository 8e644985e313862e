/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_q32_avx2.c - q8_0 q4_0 q4_1 q5_0 q5_1 for AVX2, a block at a time: the bytes of codec_q32.c. */
#include "quant/codecs.h"
#include "quant/plain_avx2.h"
#include <float.h>
#if BB_X86

enum { BLOCK = BB_Q32 };

BB_TARGET_AVX2 void bb_q8_0_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance,
                                        unsigned char *out) {
    (void)importance;
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, out += BB_Q8_0_BYTES) {
        bb_f32x32 v = bb_load32(x);
        int bits = bb_largest(v);
        if (!bb_regular(bits)) {
            bb_q8_0_block(x, out);
            continue;
        }
        float d = bb_float_of(bits) / 127.0f;
        bb_put_half(out, d);
        __m256i q = bb_bytes_signed(bb_round32(bb_scale32(v, _mm256_set1_ps(bb_inverse(d)))));
        _mm256_storeu_si256((__m256i *)(void *)(out + 2), q);
    }
}

/* The first value of largest magnitude, whose bits those are; 0 and never -0 where all are zero. */
BB_AVX2 float extreme(const float *x, bb_f32x32 v, int bits) {
    return bits == 0 ? 0 : x[__builtin_ctz(bb_equal32(bb_abs32(v), bb_bits(bits)))];
}

/* x / d + bias cut to an integer in 0..limit, d = extreme / -scale. False for blocks with NaN. */
BB_AVX2 bool symmetric(const float *x, float scale, int limit, float *d, __m256i *paired) {
    bb_f32x32 v = bb_load32(x);
    int bits = bb_largest(v);
    if (bits > BB_BITS_INF) return false;
    *d = extreme(x, v, bits) / -scale;
    bb_i32x32 q = bb_trunc32(bb_scale32(v, _mm256_set1_ps(bb_inverse(*d))), _mm256_set1_ps(scale + 0.5f));
    *paired = _mm256_min_epu8(bb_bytes_paired(q), _mm256_set1_epi8((char)limit));
    return true;
}

BB_TARGET_AVX2 void bb_q4_0_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance,
                                        unsigned char *out) {
    if (importance) {
        bb_q4_0_encode_weighted_avx2(x, rows, cols, importance, out);
        return;
    }
    float d;
    __m256i q;
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, out += BB_Q4_0_BYTES) {
        if (!symmetric(x, 8, 15, &d, &q)) {
            bb_q4_0_block(x, out);
            continue;
        }
        bb_put_half(out, d);
        bb_put_nibbles(out + 2, q);
    }
}

BB_TARGET_AVX2 void bb_q5_0_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance,
                                        unsigned char *out) {
    if (importance) {
        bb_q5_0_encode_weighted_avx2(x, rows, cols, importance, out);
        return;
    }
    float d;
    __m256i q;
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, out += BB_Q5_0_BYTES) {
        if (!symmetric(x, 16, 31, &d, &q)) {
            bb_q5_0_block(x, out);
            continue;
        }
        bb_put_half(out, d);
        bb_put_fives(out + 2, out + 6, q);
    }
}

/* Least and greatest of a block without NaN, each the first of equals where that tells: 0 and -0. */
BB_AVX2 void range(const float *x, bb_f32x32 v, float *min, float *max) {
    __m256 lo = _mm256_min_ps(_mm256_min_ps(v.a, v.b), _mm256_min_ps(v.c, v.d));
    __m256 hi = _mm256_max_ps(_mm256_max_ps(v.a, v.b), _mm256_max_ps(v.c, v.d));
    __m128 l = _mm_min_ps(_mm256_castps256_ps128(lo), _mm256_extractf128_ps(lo, 1));
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(hi), _mm256_extractf128_ps(hi, 1));
    l = _mm_min_ps(l, _mm_movehl_ps(l, l));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    float low = _mm_cvtss_f32(_mm_min_ss(l, _mm_movehdup_ps(l))),
          high = _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)));
    if (low == 0) low = x[__builtin_ctz(bb_equal32(v, _mm256_setzero_ps()))];
    if (high == 0) high = x[__builtin_ctz(bb_equal32(v, _mm256_setzero_ps()))];
    *min = low < FLT_MAX ? low : FLT_MAX;
    *max = high > -FLT_MAX ? high : -FLT_MAX;
}

BB_AVX2 bool has_nan(bb_f32x32 v) {
    __m256 u = _mm256_or_ps(_mm256_cmp_ps(v.a, v.b, _CMP_UNORD_Q), _mm256_cmp_ps(v.c, v.d, _CMP_UNORD_Q));
    return _mm256_movemask_ps(u) != 0;
}

/* (x - min) / d + 0.5 cut to an integer in 0..limit. False for blocks with NaN. */
BB_AVX2 bool affine(const float *x, int limit, float *d, float *min, __m256i *paired) {
    bb_f32x32 v = bb_load32(x);
    if (has_nan(v)) return false;
    float max;
    range(x, v, min, &max);
    *d = (max - *min) / (float)limit;
    bb_f32x32 up = bb_minus32(v, _mm256_set1_ps(*min));
    bb_i32x32 q = bb_trunc32(bb_scale32(up, _mm256_set1_ps(bb_inverse(*d))), _mm256_set1_ps(0.5f));
    *paired = _mm256_min_epu8(bb_bytes_paired(q), _mm256_set1_epi8((char)limit));
    return true;
}

BB_TARGET_AVX2 void bb_q4_1_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance,
                                        unsigned char *out) {
    if (importance) {
        bb_q4_1_encode_weighted_avx2(x, rows, cols, importance, out);
        return;
    }
    float d, min;
    __m256i q;
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, out += BB_Q4_1_BYTES) {
        if (!affine(x, 15, &d, &min, &q)) {
            bb_q4_1_block(x, out);
            continue;
        }
        bb_put_half(out, d);
        bb_put_half(out + 2, min);
        bb_put_nibbles(out + 4, q);
    }
}

BB_TARGET_AVX2 void bb_q5_1_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance,
                                        unsigned char *out) {
    if (importance) {
        bb_q5_1_encode_weighted_avx2(x, rows, cols, importance, out);
        return;
    }
    float d, min;
    __m256i q;
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, out += BB_Q5_1_BYTES) {
        if (!affine(x, 31, &d, &min, &q)) {
            bb_q5_1_block(x, out);
            continue;
        }
        bb_put_half(out, d);
        bb_put_half(out + 2, min);
        bb_put_fives(out + 4, out + 8, q);
    }
}

/* Without importance AVX2 already keeps up with memory: only the search gains by AVX-512. */
void bb_q4_0_encode_avx512(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    bb_encode_fn *encode = importance ? bb_q4_0_encode_weighted_avx512 : bb_q4_0_encode_avx2;
    encode(x, rows, cols, importance, out);
}

void bb_q4_1_encode_avx512(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    bb_encode_fn *encode = importance ? bb_q4_1_encode_weighted_avx512 : bb_q4_1_encode_avx2;
    encode(x, rows, cols, importance, out);
}

void bb_q5_0_encode_avx512(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    bb_encode_fn *encode = importance ? bb_q5_0_encode_weighted_avx512 : bb_q5_0_encode_avx2;
    encode(x, rows, cols, importance, out);
}

void bb_q5_1_encode_avx512(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    bb_encode_fn *encode = importance ? bb_q5_1_encode_weighted_avx512 : bb_q5_1_encode_avx2;
    encode(x, rows, cols, importance, out);
}

BB_TARGET_AVX2 void bb_q8_0_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, data += BB_Q8_0_BYTES)
        bb_values32(x, bb_load32u(data + 2), bb_half8(data));
}

BB_TARGET_AVX2 void bb_q4_0_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, data += BB_Q4_0_BYTES)
        bb_values32(x, _mm256_sub_epi8(bb_get_nibbles(data + 2), _mm256_set1_epi8(8)), bb_half8(data));
}

BB_TARGET_AVX2 void bb_q4_1_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, data += BB_Q4_1_BYTES)
        bb_values32_from(x, bb_get_nibbles(data + 4), bb_half8(data), bb_half8(data + 2));
}

BB_TARGET_AVX2 void bb_q5_0_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, data += BB_Q5_0_BYTES)
        bb_values32(x, _mm256_sub_epi8(bb_get_fives(data + 2, data + 6), _mm256_set1_epi8(16)), bb_half8(data));
}

BB_TARGET_AVX2 void bb_q5_1_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BLOCK; n-- > 0; x += BLOCK, data += BB_Q5_1_BYTES)
        bb_values32_from(x, bb_get_fives(data + 4, data + 8), bb_half8(data), bb_half8(data + 2));
}
#endif
