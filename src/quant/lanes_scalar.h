/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lanes_scalar.h - one lane in plain C: the reference of the others, and all that other processors need. */
#ifndef BB_QUANT_LANES_SCALAR_H
#define BB_QUANT_LANES_SCALAR_H
#include "format/half.h"
#include "quant/lanes.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define LANES        1
#define LANE_FN      static inline
#define LANE_BIG     static inline
#define LANE_NAME(f) f
typedef float vf;
typedef int32_t vi;
typedef bool vm;

LANE_FN vf vf_set(float a) { return a; }
LANE_FN vi vi_set(int32_t a) { return a; }
LANE_FN vf vf_load(const float *p) { return *p; }
LANE_FN void vf_store(float *p, vf a) { *p = a; }
LANE_FN vi vi_load(const int32_t *p) { return *p; }
LANE_FN void vi_store(int32_t *p, vi a) { *p = a; }
LANE_FN vi vi_bytes(const unsigned char *p) { return *p; }
LANE_FN void vf_gather4(const float *const *row, size_t at, vf *out) { memcpy(out, row[0] + at, 4 * sizeof *out); }

LANE_FN vf vf_add(vf a, vf b) { return a + b; }
LANE_FN vf vf_sub(vf a, vf b) { return a - b; }
LANE_FN vf vf_mul(vf a, vf b) { return a * b; }
LANE_FN vf vf_div(vf a, vf b) { return a / b; }
LANE_FN vf vf_sqrt(vf a) { return sqrtf(a); }
LANE_FN vf vf_abs(vf a) { return fabsf(a); }
LANE_FN vf vf_neg(vf a) { return -a; }
LANE_FN vf vf_min(vf a, vf b) { return a < b ? a : b; }
LANE_FN vf vf_max(vf a, vf b) { return a > b ? a : b; }

LANE_FN vi vi_add(vi a, vi b) { return (vi)((uint32_t)a + (uint32_t)b); }
LANE_FN vi vi_sub(vi a, vi b) { return (vi)((uint32_t)a - (uint32_t)b); }
LANE_FN vi vi_and(vi a, vi b) { return a & b; }
LANE_FN vi vi_or(vi a, vi b) { return a | b; }
LANE_FN vi vi_min(vi a, vi b) { return a < b ? a : b; }
LANE_FN vi vi_max(vi a, vi b) { return a > b ? a : b; }
LANE_FN vi vi_shl(vi a, int n) { return (vi)((uint32_t)a << n); }
LANE_FN vi vi_shr(vi a, int n) { return (vi)((uint32_t)a >> n); }
LANE_FN vi vi_sar(vi a, int n) { return a < 0 ? ~(~a >> n) : a >> n; }

LANE_FN vm vf_lt(vf a, vf b) { return a < b; }
LANE_FN vm vf_le(vf a, vf b) { return a <= b; }
LANE_FN vm vf_gt(vf a, vf b) { return a > b; }
LANE_FN vm vf_ge(vf a, vf b) { return a >= b; }
LANE_FN vm vf_eq(vf a, vf b) { return a == b; }
LANE_FN vm vf_ne(vf a, vf b) { return a != b; }
LANE_FN vm vi_eq(vi a, vi b) { return a == b; }
LANE_FN vm vm_and(vm a, vm b) { return a && b; }
LANE_FN vm vm_or(vm a, vm b) { return a || b; }
LANE_FN vm vm_not(vm a) { return !a; }
LANE_FN unsigned vm_bits(vm a) { return a; }
LANE_FN bool vm_any(vm a) { return a; }
LANE_FN bool vm_all(vm a) { return a; }
LANE_FN vf vf_pick(vm m, vf a, vf b) { return m ? a : b; }
LANE_FN vi vi_pick(vm m, vi a, vi b) { return m ? a : b; }

LANE_FN vf vf_of_i(vi a) { return (vf)a; }
LANE_FN vi vi_of_f(vf a) { return a >= -2147483648.0f && a < 2147483648.0f ? (vi)a : INT32_MIN; }
LANE_FN vf vf_cast(vi a) {
    vf x;
    memcpy(&x, &a, sizeof x);
    return x;
}
LANE_FN uint32_t lanes_near_bits(vf x) {
    float t = x + LANES_MAGIC;
    uint32_t u;
    memcpy(&u, &t, sizeof u);
    return u & LANES_MANTISSA;
}
LANE_FN vi vi_near(vf x) { return (vi)lanes_near_bits(x) - LANES_ZERO; }
LANE_FN vf vf_near_in(vf x, float lo, float hi) {
    vi l = vi_near(x);
    float f = (float)l;
    return f < lo ? lo : f > hi ? hi : f;
}

LANE_FN vi vi_half(vf a) { return bb_f32_to_f16(a); }
LANE_FN vf vf_of_half(vi h) { return bb_f16_to_f32((uint16_t)h); }

typedef const float *vt;
LANE_FN vt vt_load(const float *table) { return table; }
LANE_FN vf vt_at(vt t, vi i) { return t[i]; }
#endif
