/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_iq4.h - iq4_nl (32) and iq4_xs (256) with ggml's bytes, a block in each lane; after a lanes_ISA.h.
 *
 * ggml 0.25.1, ggml-quants.c: quantize_row_iq4_nl_impl as ggml_quantize_chunk calls it (ntry = 7). */
#ifndef BB_QUANT_CODEC_IQ4_H
#define BB_QUANT_CODEC_IQ4_H
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/search.h"

enum { IQ4_NL = 32, IQ4_XS = 256 };

LANE_FN void iq4_weights(const lane_blocks *b, size_t at, const vf *x, vf sigma2, vf *w) {
    if (b->weighted)
        importance_weights(b, at, x, IQ4_NL, sigma2, w);
    else
        for (int i = 0; i < IQ4_NL; i++) w[i] = vf_mul(x[i], x[i]);
}

/* 1 / d, 0 where d is 0. */
LANE_FN vf inverse_or_0(vf d) { return vf_pick(vf_ne(d, vf_set(0)), vf_div(vf_set(1), d), vf_set(0)); }

LANE_FN void iq4_pack(const vf *x, vf inverse, vt bounds, vi *words) {
    vi codes[IQ4_NL];
    for (int i = 0; i < IQ4_NL; i++) codes[i] = iq4_index(bounds, vf_mul(inverse, x[i]));
    pack_nibbles(codes, words);
}

LANE_BIG void encode_iq4_nl(const lane_blocks *b, vi *words) {
    vf x[IQ4_NL], w[IQ4_NL];
    vt values = vt_load(iq4_values), bounds = vt_load(iq4_bounds);
    load_values(b->x, 0, IQ4_NL, x);
    iq4_weights(b, 0, x, vf_mul(sum_squares(x, IQ4_NL), vf_set(2.0f / IQ4_NL)), w);
    vf d = search_iq4(x, w, values, bounds);
    vi packed[4];
    iq4_pack(x, inverse_or_0(d), bounds, packed);
    join_words(scale_bits(d), packed, 4, words);
}

/* The first two words of iq4_xs: the fp16 scale, high pairs and low nibbles of eight scales 0..63. */
LANE_FN void pack_iq4_scales(vi d, const vi *scales, vi *words) {
    vi high = vi_set(0), low = vi_set(0);
    for (int j = 0; j < 8; j++) {
        low = vi_or(low, vi_shl(vi_and(scales[j], vi_set(15)), 4 * j));
        high = vi_or(high, vi_shl(vi_shr(scales[j], 4), 2 * j));
    }
    words[0] = vi_or(d, vi_shl(high, 16));
    words[1] = low;
}

LANE_BIG void encode_iq4_xs(const lane_blocks *b, vi *words) {
    vf x[IQ4_XS], w[IQ4_NL], scale[8], amax;
    vi codes[8];
    vt values = vt_load(iq4_values), bounds = vt_load(iq4_bounds);
    load_values(b->x, 0, IQ4_XS, x);
    vf sigma2 = vf_mul(sum_squares(x, IQ4_XS), vf_set(2.0f / IQ4_XS));
    for (size_t j = 0; j < 8; j++) {
        iq4_weights(b, IQ4_NL * j, x + IQ4_NL * j, sigma2, w);
        scale[j] = search_iq4(x + IQ4_NL * j, w, values, bounds);
    }
    vf d = vf_div(vf_neg(search_extreme(scale, 8, &amax)), vf_set(32)), id = inverse_or_0(d);
    for (int j = 0; j < 8; j++) {
        vf l = vf_near_in(vf_mul(id, scale[j]), -32, 31);
        iq4_pack(x + IQ4_NL * j, inverse_or_0(vf_mul(d, l)), bounds, words + 2 + 4 * j);
        codes[j] = vi_add(vi_of_f(l), vi_set(32));
    }
    pack_iq4_scales(scale_bits(d), codes, words);
}

void LANE_NAME(bb_iq4_nl_encode)(const float *x, size_t rows, size_t cols, const float *importance,
                                 unsigned char *out) {
    encode_blocks(x, rows * cols / IQ4_NL, IQ4_NL, cols, importance, NULL, 18, encode_iq4_nl, out);
}

void LANE_NAME(bb_iq4_xs_encode)(const float *x, size_t rows, size_t cols, const float *importance,
                                 unsigned char *out) {
    encode_blocks(x, rows * cols / IQ4_XS, IQ4_XS, cols, importance, NULL, 136, encode_iq4_xs, out);
}

/* 16 bytes to 32 values: scale * table. */
LANE_FN void iq4_values_of(const unsigned char *qs, vf scale, vt values, float *x) {
    for (int i = 0; i < 16; i += LANES) {
        vi q = vi_bytes(qs + i);
        vf_store(x + i, vf_mul(scale, vt_at(values, vi_and(q, vi_set(15)))));
        vf_store(x + i + 16, vf_mul(scale, vt_at(values, vi_shr(q, 4))));
    }
}

LANE_BIG void decode_iq4_nl(const unsigned char *p, float *x) {
    iq4_values_of(p + 2, vf_set(half_at(p)), vt_load(iq4_values), x);
}

LANE_BIG void decode_iq4_xs(const unsigned char *p, float *x) {
    unsigned high = p[2] | (unsigned)p[3] << 8;
    for (int j = 0; j < 8; j++) {
        int ls = (p[4 + j / 2] >> (j % 2 * 4) & 15) | (int)(high >> 2 * j & 3) << 4;
        vf scale = vf_set(half_at(p) * (float)(ls - 32));
        iq4_values_of(p + 8 + 16 * j, scale, vt_load(iq4_values), x + 32 * j);
    }
}

LANES_DECODER(iq4_nl, IQ4_NL, 18)
LANES_DECODER(iq4_xs, IQ4_XS, 136)
#endif
