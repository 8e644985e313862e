/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_k_decode.h - values of q2_K to q6_K blocks, LANES of a block at a time; after a lanes_ISA.h.
 *
 * ggml 0.25.1, ggml-quants.c: dequantize_row_TYPE; the products are taken in its order. */
#ifndef BB_QUANT_CODEC_K_DECODE_H
#define BB_QUANT_CODEC_K_DECODE_H
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/k_scales.h"

/* Pairs of bits in 32 bytes, four values of each: value 32 k + l is pair k of byte l. Each 16 have their own scale. */
LANE_BIG void decode_q2_K(const unsigned char *p, float *x) {
    float d = half_at(p + 80), dmin = half_at(p + 82);
    for (int j = 0; j < 16; j++) {
        const unsigned char *q = p + 16 + 32 * (j / 8) + 16 * (j % 2);
        vf scale = vf_set(d * (float)(p[j] & 15)), min = vf_set(dmin * (float)(p[j] >> 4));
        for (int i = 0; i < 16; i += LANES) {
            vi l = vi_and(vi_shr(vi_bytes(q + i), j % 8 / 2 * 2), vi_set(3));
            vf_store(x + 16 * j + i, vf_sub(vf_mul(scale, vf_of_i(l)), min));
        }
    }
}

LANE_BIG void decode_q3_K(const unsigned char *p, float *x) {
    const unsigned char *scales = p + 96;
    float d = half_at(p + 108);
    for (int j = 0; j < 16; j++) {
        const unsigned char *q = p + 32 + 32 * (j / 8) + 16 * (j % 2), *high = p + 16 * (j % 2);
        int low = j < 8 ? scales[j] & 15 : scales[j - 8] >> 4;
        vf scale = vf_set(d * (float)((low | (scales[8 + j % 4] >> 2 * (j / 4) & 3) << 4) - 32));
        for (int i = 0; i < 16; i += LANES) {
            vi l = vi_and(vi_shr(vi_bytes(q + i), j % 8 / 2 * 2), vi_set(3));
            vi h = vi_and(vi_shr(vi_bytes(high + i), j / 2), vi_set(1));
            l = vi_sub(vi_add(l, vi_shl(h, 2)), vi_set(4));
            vf_store(x + 16 * j + i, vf_mul(scale, vf_of_i(l)));
        }
    }
}

/* 256 values of nibbles q, whose fifth bits are in `fifth` (NULL: none). */
LANE_FN void decode_k45(const unsigned char *p, const unsigned char *fifth, const unsigned char *q, float *x) {
    float d = half_at(p), dmin = half_at(p + 2);
    for (int j = 0; j < 8; j++) {
        vf scale = vf_set(d * (float)bb_k45_scale(p + 4, j)), min = vf_set(dmin * (float)bb_k45_min(p + 4, j));
        for (int i = 0; i < 32; i += LANES) {
            vi l = vi_and(vi_shr(vi_bytes(q + 32 * (j / 2) + i), j % 2 * 4), vi_set(15));
            if (fifth) l = vi_add(l, vi_shl(vi_and(vi_shr(vi_bytes(fifth + i), j), vi_set(1)), 4));
            vf_store(x + 32 * j + i, vf_sub(vf_mul(scale, vf_of_i(l)), min));
        }
    }
}

LANE_BIG void decode_q4_K(const unsigned char *p, float *x) { decode_k45(p, NULL, p + 16, x); }
LANE_BIG void decode_q5_K(const unsigned char *p, float *x) { decode_k45(p, p + 16, p + 48, x); }

LANE_BIG void decode_q6_K(const unsigned char *p, float *x) {
    float d = half_at(p + 208);
    for (int j = 0; j < 16; j++) {
        int half = j / 8, part = j % 8 / 2, at = 16 * (j % 2);
        const unsigned char *low = p + 64 * half + 32 * (part % 2) + at, *high = p + 128 + 32 * half + at;
        vf scale = vf_set(d * (float)(signed char)p[192 + j]);
        for (int i = 0; i < 16; i += LANES) {
            vi l = vi_and(vi_shr(vi_bytes(low + i), part / 2 * 4), vi_set(15));
            vi h = vi_and(vi_shr(vi_bytes(high + i), 2 * part), vi_set(3));
            l = vi_sub(vi_or(l, vi_shl(h, 4)), vi_set(32));
            vf_store(x + 16 * j + i, vf_mul(scale, vf_of_i(l)));
        }
    }
}

LANES_DECODER(q2_K, 256, 84)
LANES_DECODER(q3_K, 256, 110)
LANES_DECODER(q4_K, 256, 144)
LANES_DECODER(q5_K, 256, 176)
LANES_DECODER(q6_K, 256, 210)
#endif
