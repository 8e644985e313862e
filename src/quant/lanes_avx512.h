/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lanes_avx512.h - sixteen lanes of AVX-512; what each function does is said in lanes.h. */
#ifndef BB_QUANT_LANES_AVX512_H
#define BB_QUANT_LANES_AVX512_H
#include "base/cpu.h"
#include "quant/lanes.h"
#include <immintrin.h>
#include <stdbool.h>

#define LANES        16
#define LANE_FN      static inline __attribute__((always_inline)) BB_TARGET_AVX512
#define LANE_BIG     static inline BB_TARGET_AVX512
#define LANE_NAME(f) f##_avx512
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

LANE_FN vf vf_set(float a) { return _mm512_set1_ps(a); }
LANE_FN vi vi_set(int32_t a) { return _mm512_set1_epi32(a); }
LANE_FN vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
LANE_FN void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
LANE_FN vi vi_load(const int32_t *p) { return _mm512_loadu_si512(p); }
LANE_FN void vi_store(int32_t *p, vi a) { _mm512_storeu_si512(p, a); }
LANE_FN vi vi_bytes(const unsigned char *p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* Four rows of four in each quarter, rows l, l + 4, l + 8, l + 12 side by side, then a 4 x 4 transpose of each. */
LANE_FN void vf_gather4(const float *const *row, size_t at, vf *out) {
    vf z[4];
    for (int l = 0; l < 4; l++) {
        z[l] = _mm512_castps128_ps512(_mm_loadu_ps(row[l] + at));
        z[l] = _mm512_insertf32x4(z[l], _mm_loadu_ps(row[l + 4] + at), 1);
        z[l] = _mm512_insertf32x4(z[l], _mm_loadu_ps(row[l + 8] + at), 2);
        z[l] = _mm512_insertf32x4(z[l], _mm_loadu_ps(row[l + 12] + at), 3);
    }
    vf a = _mm512_unpacklo_ps(z[0], z[1]), b = _mm512_unpackhi_ps(z[0], z[1]);
    vf c = _mm512_unpacklo_ps(z[2], z[3]), d = _mm512_unpackhi_ps(z[2], z[3]);
    out[0] = _mm512_shuffle_ps(a, c, 0x44);
    out[1] = _mm512_shuffle_ps(a, c, 0xEE);
    out[2] = _mm512_shuffle_ps(b, d, 0x44);
    out[3] = _mm512_shuffle_ps(b, d, 0xEE);
}

LANE_FN vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
LANE_FN vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
LANE_FN vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
LANE_FN vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
LANE_FN vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
LANE_FN vf vf_abs(vf a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
LANE_FN vf vf_neg(vf a) { return _mm512_xor_ps(_mm512_set1_ps(-0.0f), a); }
LANE_FN vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
LANE_FN vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }

LANE_FN vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
LANE_FN vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
LANE_FN vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
LANE_FN vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
LANE_FN vi vi_min(vi a, vi b) { return _mm512_min_epi32(a, b); }
LANE_FN vi vi_max(vi a, vi b) { return _mm512_max_epi32(a, b); }
LANE_FN vi vi_shl(vi a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
LANE_FN vi vi_shr(vi a, int n) { return _mm512_srli_epi32(a, (unsigned)n); }
LANE_FN vi vi_sar(vi a, int n) { return _mm512_srai_epi32(a, (unsigned)n); }

LANE_FN vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
LANE_FN vm vf_le(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
LANE_FN vm vf_gt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
LANE_FN vm vf_ge(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
LANE_FN vm vf_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
LANE_FN vm vf_ne(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ); }
LANE_FN vm vi_eq(vi a, vi b) { return _mm512_cmpeq_epi32_mask(a, b); }
LANE_FN vm vm_and(vm a, vm b) { return (vm)(a & b); }
LANE_FN vm vm_or(vm a, vm b) { return (vm)(a | b); }
LANE_FN vm vm_not(vm a) { return (vm)~a; }
LANE_FN unsigned vm_bits(vm a) { return a; }
LANE_FN bool vm_any(vm a) { return a != 0; }
LANE_FN bool vm_all(vm a) { return a == 0xFFFF; }
LANE_FN vf vf_pick(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }
LANE_FN vi vi_pick(vm m, vi a, vi b) { return _mm512_mask_blend_epi32(m, b, a); }

LANE_FN vf vf_of_i(vi a) { return _mm512_cvtepi32_ps(a); }
LANE_FN vi vi_of_f(vf a) { return _mm512_cvttps_epi32(a); }
LANE_FN vf vf_cast(vi a) { return _mm512_castsi512_ps(a); }
LANE_FN vi lanes_near_float(vf x) { /* 0xEA: (a and b) or c */
    vi t = _mm512_castps_si512(_mm512_add_ps(x, _mm512_set1_ps(LANES_MAGIC)));
    return _mm512_ternarylogic_epi32(t, _mm512_set1_epi32(LANES_MANTISSA), _mm512_set1_epi32(LANES_EXPONENT), 0xEA);
}
LANE_FN vi vi_near(vf x) {
    return _mm512_sub_epi32(lanes_near_float(x), _mm512_set1_epi32(LANES_EXPONENT + LANES_ZERO));
}
LANE_FN vf vf_near_in(vf x, float lo, float hi) {
    vi u = lanes_near_float(x);
    u = _mm512_max_epi32(u, _mm512_castps_si512(_mm512_set1_ps(LANES_MAGIC + lo)));
    u = _mm512_min_epi32(u, _mm512_castps_si512(_mm512_set1_ps(LANES_MAGIC + hi)));
    return _mm512_sub_ps(_mm512_castsi512_ps(u), _mm512_set1_ps(LANES_MAGIC));
}

/* The conversion keeps the payload of a NaN, ggml's does not. */
LANE_FN vi vi_half(vf a) {
    vi h = _mm512_cvtepu16_epi32(_mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    vi nan = _mm512_or_si512(_mm512_and_si512(h, _mm512_set1_epi32(0x8000)), _mm512_set1_epi32(0x7E00));
    return vi_pick(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), nan, h);
}
LANE_FN vf vf_of_half(vi h) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(h)); }

typedef vf vt;
LANE_FN vt vt_load(const float *table) { return _mm512_loadu_ps(table); }
LANE_FN vf vt_at(vt t, vi i) { return _mm512_permutexvar_ps(i, t); }
#endif
