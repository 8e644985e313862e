/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_weighted.h - q4_0, q4_1, q5_0 and q5_1 with importance, a block of 32 in each lane; after a lanes_ISA.h.
 *
 * ggml 0.25.1, ggml-quants.c: quantize_row_TYPE_impl. sigma2 is the mean square of the whole row. */
#ifndef BB_QUANT_CODEC_WEIGHTED_H
#define BB_QUANT_CODEC_WEIGHTED_H
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/search.h"

enum { WEIGHTED = 32 };
static const span_rule legacy_rule = {-0.9f, 0.05f, 36, false};

/* x and w of the block. */
LANE_FN void load_weighted(const lane_blocks *b, vf *x, vf *w) {
    load_values(b->x, 0, WEIGHTED, x);
    importance_weights(b, 0, x, WEIGHTED, vf_load(b->mean_square), w);
}

LANE_FN vi fifth_bits(const vi *codes) {
    vi bits = vi_set(0);
    for (int i = 0; i < WEIGHTED; i++) bits = vi_or(bits, vi_shl(vi_shr(codes[i], 4), i));
    return bits;
}

LANE_FN void low_nibbles(const vi *codes, vi *words) {
    vi low[WEIGHTED];
    for (int i = 0; i < WEIGHTED; i++) low[i] = vi_and(codes[i], vi_set(15));
    pack_nibbles(low, words);
}

LANE_BIG void weigh_q4_0(const lane_blocks *b, vi *words) {
    vf x[WEIGHTED], w[WEIGHTED];
    vi codes[WEIGHTED], packed[4];
    load_weighted(b, x, w);
    vi d = scale_bits(search_qx(x, w, WEIGHTED, 8, codes));
    pack_nibbles(codes, packed);
    join_words(d, packed, 4, words);
}

LANE_BIG void weigh_q5_0(const lane_blocks *b, vi *words) {
    vf x[WEIGHTED], w[WEIGHTED];
    vi codes[WEIGHTED], packed[5];
    load_weighted(b, x, w);
    vi d = scale_bits(search_qx(x, w, WEIGHTED, 16, codes));
    packed[0] = fifth_bits(codes);
    low_nibbles(codes, packed + 1);
    join_words(d, packed, 5, words);
}

LANE_FN void weigh_span(const lane_blocks *b, float nmax, vi *codes, vi *words) {
    vf x[WEIGHTED], w[WEIGHTED], min;
    load_weighted(b, x, w);
    vi d = scale_bits(search_span(x, w, WEIGHTED, nmax, &legacy_rule, &min, codes));
    words[0] = vi_or(d, vi_shl(scale_bits(vf_neg(min)), 16));
}

LANE_BIG void weigh_q4_1(const lane_blocks *b, vi *words) {
    vi codes[WEIGHTED];
    weigh_span(b, 15, codes, words);
    pack_nibbles(codes, words + 1);
}

LANE_BIG void weigh_q5_1(const lane_blocks *b, vi *words) {
    vi codes[WEIGHTED];
    weigh_span(b, 31, codes, words);
    words[1] = fifth_bits(codes);
    low_nibbles(codes, words + 2);
}

/* mean[l]: the mean square of row l; rows beyond the last repeat it. */
LANE_BIG void row_mean_squares(const float *x, size_t rows, size_t cols, float *mean) {
    const float *row[LANES];
    for (size_t l = 0; l < LANES; l++) row[l] = x + (l < rows ? l : rows - 1) * cols;
    vf sum = vf_set(0), v[4];
    for (size_t at = 0; at < cols; at += 4) {
        vf_gather4(row, at, v);
        for (int i = 0; i < 4; i++) sum = vf_add(sum, vf_mul(v[i], v[i]));
    }
    vf_store(mean, vf_div(sum, vf_set((float)cols)));
}

LANE_BIG void weigh_rows(const float *x, size_t rows, size_t cols, const float *importance, size_t bytes,
                         block_encoder encode, unsigned char *out) {
    float mean[LANES];
    for (size_t r = 0; r < rows; r += LANES) {
        size_t some = rows - r < LANES ? rows - r : LANES, count = some * cols / WEIGHTED;
        row_mean_squares(x + r * cols, some, cols, mean);
        encode_blocks(x + r * cols, count, WEIGHTED, cols, importance, mean, bytes, encode, out);
        out += count * bytes;
    }
}

#define WEIGHTED_ENCODER(type, bytes)                                                                                  \
    void LANE_NAME(bb_##type##_encode_weighted)(const float *x, size_t rows, size_t cols, const float *importance,     \
                                                unsigned char *out) {                                                  \
        weigh_rows(x, rows, cols, importance, bytes, weigh_##type, out);                                               \
    }
WEIGHTED_ENCODER(q4_0, 18)
WEIGHTED_ENCODER(q4_1, 20)
WEIGHTED_ENCODER(q5_0, 22)
WEIGHTED_ENCODER(q5_1, 24)
#endif
