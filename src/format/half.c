/* SPDX-License-Identifier: GPL-3.0-or-later */
/* half.c - fp16 and bf16 words to and from fp32, integer arithmetic only. */
#include "format/half.h"
#include <string.h>

static uint32_t bits_of(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

uint16_t bb_f32_to_f16(float x) {
    uint32_t u = bits_of(x);
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    u &= 0x7FFFFFFF;
    if (u > 0x7F800000) return sign | 0x7E00;
    if (u >= 0x477FF000) return sign | 0x7C00; /* 65520 and above round to infinity */
    if (u < 0x38800000) {                      /* below 2^-14: subnormal, units of 2^-24 */
        uint32_t exponent = u >> 23;
        if (exponent < 102) return sign; /* below 2^-25 */
        uint32_t sig = (u & 0x7FFFFF) | 0x800000, shift = 126 - exponent;
        uint32_t half = 1u << (shift - 1), rest = sig & ((1u << shift) - 1);
        uint32_t q = sig >> shift;
        return sign | (uint16_t)(q + (rest > half || (rest == half && (q & 1))));
    }
    uint32_t rounded = u + 0xFFF + (u >> 13 & 1);
    return sign | (uint16_t)((rounded - 0x38000000) >> 13);
}

float bb_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, m = h & 0x3FF;
    if (exponent == 31) return float_of(sign | 0x7F800000 | m << 13 | (m ? 0x400000 : 0));
    if (exponent > 0) return float_of(sign | (exponent + 112) << 23 | m << 13);
    if (m == 0) return float_of(sign);
    uint32_t e = 113;
    while (!(m & 0x400)) m <<= 1, e--;
    return float_of(sign | e << 23 | (m & 0x3FF) << 13);
}

uint16_t bb_f32_to_bf16(float x) {
    uint32_t u = bits_of(x);
    if ((u & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

float bb_bf16_to_f32(uint16_t h) { return float_of((uint32_t)h << 16); }
