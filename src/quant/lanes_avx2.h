/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lanes_avx2.h - eight lanes of AVX2 and F16C; what each function does is said in lanes.h. */
#ifndef BB_QUANT_LANES_AVX2_H
#define BB_QUANT_LANES_AVX2_H
#include "base/cpu.h"
#include "quant/lanes.h"
#include <immintrin.h>
#include <stdbool.h>

#define LANES        8
#define LANE_FN      static inline __attribute__((always_inline)) BB_TARGET_AVX2
#define LANE_BIG     static inline BB_TARGET_AVX2
#define LANE_NAME(f) f##_avx2
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm; /* all bits of a lane */

LANE_FN vf vf_set(float a) { return _mm256_set1_ps(a); }
LANE_FN vi vi_set(int32_t a) { return _mm256_set1_epi32(a); }
LANE_FN vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
LANE_FN void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
LANE_FN vi vi_load(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
LANE_FN void vi_store(int32_t *p, vi a) { _mm256_storeu_si256((__m256i *)(void *)p, a); }
LANE_FN vi vi_bytes(const unsigned char *p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

/* Four rows of four in each half, rows l and l + 4 side by side, then a 4 x 4 transpose of each half. */
LANE_FN void vf_gather4(const float *const *row, size_t at, vf *out) {
    vf z[4];
    for (int l = 0; l < 4; l++)
        z[l] =
            _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(row[l] + at)), _mm_loadu_ps(row[l + 4] + at), 1);
    vf a = _mm256_unpacklo_ps(z[0], z[1]), b = _mm256_unpackhi_ps(z[0], z[1]);
    vf c = _mm256_unpacklo_ps(z[2], z[3]), d = _mm256_unpackhi_ps(z[2], z[3]);
    out[0] = _mm256_shuffle_ps(a, c, 0x44);
    out[1] = _mm256_shuffle_ps(a, c, 0xEE);
    out[2] = _mm256_shuffle_ps(b, d, 0x44);
    out[3] = _mm256_shuffle_ps(b, d, 0xEE);
}

LANE_FN vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
LANE_FN vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
LANE_FN vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
LANE_FN vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
LANE_FN vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
LANE_FN vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
LANE_FN vf vf_neg(vf a) { return _mm256_xor_ps(_mm256_set1_ps(-0.0f), a); }
LANE_FN vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
LANE_FN vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }

LANE_FN vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
LANE_FN vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
LANE_FN vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
LANE_FN vi vi_or(vi a, vi b) { return _mm256_or_si256(a, b); }
LANE_FN vi vi_min(vi a, vi b) { return _mm256_min_epi32(a, b); }
LANE_FN vi vi_max(vi a, vi b) { return _mm256_max_epi32(a, b); }
LANE_FN vi vi_shl(vi a, int n) { return _mm256_slli_epi32(a, n); }
LANE_FN vi vi_shr(vi a, int n) { return _mm256_srli_epi32(a, n); }
LANE_FN vi vi_sar(vi a, int n) { return _mm256_srai_epi32(a, n); }

LANE_FN vm vf_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
LANE_FN vm vf_le(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
LANE_FN vm vf_gt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
LANE_FN vm vf_ge(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GE_OQ); }
LANE_FN vm vf_eq(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
LANE_FN vm vf_ne(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ); }
LANE_FN vm vi_eq(vi a, vi b) { return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)); }
LANE_FN vm vm_and(vm a, vm b) { return _mm256_and_ps(a, b); }
LANE_FN vm vm_or(vm a, vm b) { return _mm256_or_ps(a, b); }
LANE_FN vm vm_not(vm a) { return _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1))); }
LANE_FN unsigned vm_bits(vm a) { return (unsigned)_mm256_movemask_ps(a); }
LANE_FN bool vm_any(vm a) { return _mm256_movemask_ps(a) != 0; }
LANE_FN bool vm_all(vm a) { return _mm256_movemask_ps(a) == 0xFF; }
LANE_FN vf vf_pick(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }
LANE_FN vi vi_pick(vm m, vi a, vi b) { return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m)); }

LANE_FN vf vf_of_i(vi a) { return _mm256_cvtepi32_ps(a); }
LANE_FN vi vi_of_f(vf a) { return _mm256_cvttps_epi32(a); }
LANE_FN vf vf_cast(vi a) { return _mm256_castsi256_ps(a); }
LANE_FN vi lanes_near_bits(vf x) {
    vi t = _mm256_castps_si256(_mm256_add_ps(x, _mm256_set1_ps(LANES_MAGIC)));
    return _mm256_and_si256(t, _mm256_set1_epi32(LANES_MANTISSA));
}
LANE_FN vi vi_near(vf x) { return _mm256_sub_epi32(lanes_near_bits(x), _mm256_set1_epi32(LANES_ZERO)); }
LANE_FN vf vf_near_in(vf x, float lo, float hi) {
    vi u = _mm256_or_si256(lanes_near_bits(x), _mm256_set1_epi32(LANES_EXPONENT));
    u = _mm256_max_epi32(u, _mm256_castps_si256(_mm256_set1_ps(LANES_MAGIC + lo)));
    u = _mm256_min_epi32(u, _mm256_castps_si256(_mm256_set1_ps(LANES_MAGIC + hi)));
    return _mm256_sub_ps(_mm256_castsi256_ps(u), _mm256_set1_ps(LANES_MAGIC));
}

/* The conversion keeps the payload of a NaN, ggml's does not. */
LANE_FN vi vi_half(vf a) {
    vi h = _mm256_cvtepu16_epi32(_mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
    vi nan = _mm256_or_si256(_mm256_and_si256(h, _mm256_set1_epi32(0x8000)), _mm256_set1_epi32(0x7E00));
    return vi_pick(_mm256_cmp_ps(a, a, _CMP_UNORD_Q), nan, h);
}
LANE_FN vf vf_of_half(vi h) {
    vi words = _mm256_permute4x64_epi64(_mm256_packus_epi32(h, h), 0xD8);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(words));
}

typedef struct vt {
    vf lo, hi;
} vt;
LANE_FN vt vt_load(const float *table) {
    vt t = {_mm256_loadu_ps(table), _mm256_loadu_ps(table + 8)};
    return t;
}
/* A permutation reads the low three bits of an index; the fourth, moved to the sign, chooses the half. */
LANE_FN vf vt_at(vt t, vi i) {
    vf lo = _mm256_permutevar8x32_ps(t.lo, i), hi = _mm256_permutevar8x32_ps(t.hi, i);
    return _mm256_blendv_ps(lo, hi, _mm256_castsi256_ps(_mm256_slli_epi32(i, 28)));
}
#endif
