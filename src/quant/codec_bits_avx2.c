/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_bits_avx2.c - q1_0 q2_0 tq1_0 tq2_0 for AVX2: the bytes of codec_bits.c. */
#include "quant/codecs.h"
#include "quant/plain_avx2.h"
#if BB_X86

/* One bit an element: x >= 0. */
BB_AVX2 int not_negative8(const float *x) {
    return _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x), _mm256_setzero_ps(), _CMP_GE_OQ));
}

BB_TARGET_AVX2 void bb_q1_0_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance,
                                        unsigned char *out) {
    (void)importance;
    size_t blocks = rows * cols / BB_Q1_0;
    while (blocks > 0) {
        size_t n = bb_q1_0_scales(x, blocks, out);
        for (size_t k = 0; k < n; k++, x += BB_Q1_0, out += BB_Q1_0_BYTES)
            for (int j = 0; j < BB_Q1_0 / 8; j++) out[2 + j] = (unsigned char)not_negative8(x + 8 * j);
        blocks -= n;
    }
}

/* -d with its sign turned where the bit is set, which is moved to the place of the sign. */
BB_TARGET_AVX2 void bb_q1_0_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    const __m256i up = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
    const __m256 sign = bb_bits(INT_MIN);
    for (size_t n = rows * cols / BB_Q1_0; n-- > 0; data += BB_Q1_0_BYTES) {
        __m256 minus = _mm256_xor_ps(bb_half8(data), sign);
        for (int j = 0; j < BB_Q1_0 / 8; j++, x += 8) {
            __m256i bits = _mm256_sllv_epi32(_mm256_set1_epi32(data[2 + j]), up);
            _mm256_storeu_ps(x, _mm256_xor_ps(minus, _mm256_and_ps(_mm256_castsi256_ps(bits), sign)));
        }
    }
}

/* round(x * id) + 1 of 32 values, in bytes. */
BB_AVX2 __m256i thirds(bb_f32x32 v, __m256 id) {
    return _mm256_add_epi8(bb_bytes_signed(bb_round32(bb_scale32(v, id))), _mm256_set1_epi8(1));
}

/* Four codes of two bits in each 32-bit lane, together in its low byte. */
BB_AVX2 __m256i together(__m256i q) {
    __m256i pairs = _mm256_maddubs_epi16(q, _mm256_set1_epi16(4 << 8 | 1));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi32(16 << 16 | 1));
}

BB_TARGET_AVX2 void bb_q2_0_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance,
                                        unsigned char *out) {
    (void)importance;
    for (size_t n = rows * cols / BB_Q2_0; n-- > 0; x += BB_Q2_0, out += BB_Q2_0_BYTES) {
        bb_f32x32 v = bb_load32(x), w = bb_load32(x + 32);
        int bits = bb_max8(_mm256_max_epi32(bb_largest8(v), bb_largest8(w)));
        if (!bb_regular(bits)) {
            bb_q2_0_block(x, out);
            continue;
        }
        float d = bb_float_of(bits);
        bb_put_half(out, d);
        __m256 id = _mm256_set1_ps(bb_inverse(d));
        __m256i q = _mm256_packs_epi32(together(thirds(v, id)), together(thirds(w, id)));
        q = _mm256_permute4x64_epi64(q, 0xD8);
        __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
        _mm_storeu_si128((__m128i *)(void *)(out + 2), bytes);
    }
}

/* The four values of a two-bit code, twice: a permutation reads three bits of an index, the third is another code's. */
BB_AVX2 __m256 values_of_two_bits(__m256 d) { return _mm256_mul_ps(_mm256_setr_ps(-1, 0, 1, 2, -1, 0, 1, 2), d); }

BB_TARGET_AVX2 void bb_q2_0_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    const __m256i down = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
    for (size_t n = rows * cols / BB_Q2_0; n-- > 0; data += BB_Q2_0_BYTES) {
        __m256 value = values_of_two_bits(bb_half8(data));
        for (int j = 0; j < BB_Q2_0 / 8; j++, x += 8) {
            __m256i codes = _mm256_srlv_epi32(_mm256_set1_epi32(data[2 + 2 * j] | data[3 + 2 * j] << 8), down);
            _mm256_storeu_ps(x, _mm256_permutevar8x32_ps(value, codes));
        }
    }
}

/* Stores the scale of a ternary block at p. False for blocks that the reference must do. */
BB_AVX2 bool ternary_scale(const float *x, unsigned char *p, __m256 *id) {
    __m256i m = _mm256_setzero_si256();
    for (int i = 0; i < BB_TQ; i += 32) m = _mm256_max_epi32(m, bb_largest8(bb_load32(x + i)));
    int bits = bb_max8(m);
    if (!bb_regular(bits)) return false;
    float d = bb_float_of(bits);
    bb_put_half(p, d);
    *id = _mm256_set1_ps(bb_inverse(d));
    return true;
}

BB_AVX2 __m256i thirds_at(const float *x, __m256 id) { return thirds(bb_load32(x), id); }

BB_TARGET_AVX2 void bb_tq2_0_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance,
                                         unsigned char *out) {
    (void)importance;
    __m256 id;
    for (size_t n = rows * cols / BB_TQ; n-- > 0; x += BB_TQ, out += BB_TQ2_0_BYTES) {
        if (!ternary_scale(x, out + BB_TQ / 4, &id)) {
            bb_tq2_0_block(x, out);
            continue;
        }
        for (int g = 0; g < 2; g++) {
            const float *y = x + 128 * g;
            __m256i low = _mm256_or_si256(thirds_at(y, id), _mm256_slli_epi16(thirds_at(y + 32, id), 2));
            __m256i high = _mm256_or_si256(thirds_at(y + 64, id), _mm256_slli_epi16(thirds_at(y + 96, id), 2));
            __m256i q = _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
            _mm256_storeu_si256((__m256i *)(void *)(out + 32 * g), q);
        }
    }
}

/* 8 codes in the low two bits of bytes to their values. */
BB_AVX2 void look_up8(float *x, __m128i bytes, __m256 value) {
    _mm256_storeu_ps(x, _mm256_permutevar8x32_ps(value, _mm256_cvtepu8_epi32(bytes)));
}

BB_AVX2 void look_up16(float *x, __m128i bytes, __m256 value) {
    look_up8(x, bytes, value);
    look_up8(x + 8, _mm_unpackhi_epi64(bytes, bytes), value);
}

BB_AVX2 void look_up32(float *x, __m256i bytes, __m256 value) {
    look_up16(x, _mm256_castsi256_si128(bytes), value);
    look_up16(x + 16, _mm256_extracti128_si256(bytes, 1), value);
}

BB_TARGET_AVX2 void bb_tq2_0_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BB_TQ; n-- > 0; data += BB_TQ2_0_BYTES) {
        __m256 value = values_of_two_bits(bb_half8(data + BB_TQ / 4));
        for (int g = 0; g < 2; g++) {
            __m256i q = bb_load32u(data + 32 * g);
            for (int k = 0; k < 4; k++, x += 32, q = _mm256_srli_epi16(q, 2)) look_up32(x, q, value);
        }
    }
}

BB_AVX2 __m256i append32(__m256i q, __m256i trit) {
    return _mm256_add_epi8(_mm256_add_epi8(_mm256_add_epi8(q, q), q), trit);
}
BB_AVX2 __m128i append16(__m128i q, __m128i trit) { return _mm_add_epi8(_mm_add_epi8(_mm_add_epi8(q, q), q), trit); }

/* ceil(256 q / 243) = q + ceil(13 q / 243) of 16 bytes; 17261 / 2^22 divides by 243 what is below 35000. */
BB_AVX2 __m128i fraction16(__m128i bytes) {
    __m256i q = _mm256_cvtepu8_epi16(bytes);
    __m256i n = _mm256_add_epi16(_mm256_mullo_epi16(q, _mm256_set1_epi16(13)), _mm256_set1_epi16(242));
    q = _mm256_add_epi16(q, _mm256_srli_epi16(_mm256_mulhi_epu16(n, _mm256_set1_epi16(17261)), 6));
    return _mm_packus_epi16(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
}

BB_AVX2 void put16(unsigned char *p, __m128i q) { _mm_storeu_si128((__m128i *)(void *)p, q); }

/* 32 bytes of five trits, each 32 elements from the last. */
BB_AVX2 void put_long(const float *x, __m256 id, unsigned char *out) {
    __m256i q = thirds_at(x, id);
    for (int k = 1; k < 5; k++) q = append32(q, thirds_at(x + 32 * k, id));
    put16(out, fraction16(_mm256_castsi256_si128(q)));
    put16(out + 16, fraction16(_mm256_extracti128_si256(q, 1)));
}

/* 16 bytes of five trits, each 16 elements from the last, then 4 bytes of four trits and a zero. */
BB_AVX2 void put_short(const float *x, __m256 id, unsigned char *out) {
    __m256i t01 = thirds_at(x, id), t23 = thirds_at(x + 32, id), last = thirds_at(x + 64, id);
    __m128i q = append16(_mm256_castsi256_si128(t01), _mm256_extracti128_si256(t01, 1));
    q = append16(append16(q, _mm256_castsi256_si128(t23)), _mm256_extracti128_si256(t23, 1));
    put16(out, fraction16(append16(q, _mm256_castsi256_si128(last))));
    __m128i tail = _mm256_extracti128_si256(last, 1);
    q = append16(append16(tail, _mm_srli_si128(tail, 4)), _mm_srli_si128(tail, 8));
    q = append16(append16(q, _mm_srli_si128(tail, 12)), _mm_setzero_si128());
    int four = _mm_cvtsi128_si32(fraction16(q));
    memcpy(out + 16, &four, sizeof four);
}

BB_TARGET_AVX2 void bb_tq1_0_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance,
                                         unsigned char *out) {
    (void)importance;
    __m256 id;
    for (size_t n = rows * cols / BB_TQ; n-- > 0; x += BB_TQ, out += BB_TQ1_0_BYTES) {
        if (!ternary_scale(x, out + BB_TQ1_0_BYTES - 2, &id)) {
            bb_tq1_0_block(x, out);
            continue;
        }
        put_long(x, id, out);
        put_short(x + 160, id, out + 32);
    }
}

/* The first trit of each byte, 0 to 2: how many of the bounds 3 q >= 256 and 3 q >= 512 are reached. */
BB_AVX2 __m256i first_trits(__m256i q) {
    __m256i one = _mm256_cmpeq_epi8(_mm256_max_epu8(q, _mm256_set1_epi8(86)), q);
    __m256i two = _mm256_cmpeq_epi8(_mm256_max_epu8(q, _mm256_set1_epi8((char)171)), q);
    return _mm256_sub_epi8(_mm256_setzero_si256(), _mm256_add_epi8(one, two));
}

BB_AVX2 __m256i next_trits(__m256i q) { return append32(q, _mm256_setzero_si256()); }

BB_TARGET_AVX2 void bb_tq1_0_decode_avx2(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BB_TQ; n-- > 0; data += BB_TQ1_0_BYTES) {
        __m256 value = values_of_two_bits(bb_half8(data + BB_TQ1_0_BYTES - 2));
        __m256i q = bb_load32u(data);
        for (int k = 0; k < 5; k++, x += 32, q = next_trits(q)) look_up32(x, first_trits(q), value);
        q = _mm256_castsi128_si256(bb_load16(data + 32));
        for (int k = 0; k < 5; k++, x += 16, q = next_trits(q))
            look_up16(x, _mm256_castsi256_si128(first_trits(q)), value);
        int tail;
        memcpy(&tail, data + 48, sizeof tail);
        __m128i t = _mm_cvtsi32_si128(tail), t1 = append16(t, _mm_setzero_si128());
        __m128i t2 = append16(t1, _mm_setzero_si128()), t3 = append16(t2, _mm_setzero_si128());
        t = _mm_unpacklo_epi64(_mm_unpacklo_epi32(t, t1), _mm_unpacklo_epi32(t2, t3));
        look_up16(x, _mm256_castsi256_si128(first_trits(_mm256_castsi128_si256(t))), value);
        x += 16;
    }
}
#endif
