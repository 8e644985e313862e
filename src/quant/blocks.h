/* SPDX-License-Identifier: GPL-3.0-or-later */
/* blocks.h - blocks of LANES lanes: their values in, their words out; after a lanes_ISA.h. */
#ifndef BB_QUANT_BLOCKS_H
#define BB_QUANT_BLOCKS_H
#include "format/half.h"
#include <string.h>

/* The values of a block in each lane, the importance of its columns and the mean square of its row. Lanes beyond the
 * last block repeat it. */
typedef struct lane_blocks {
    const float *x[LANES], *importance[LANES];
    float mean_square[LANES];
    bool weighted;
} lane_blocks;

/* Packed words of a block, little endian, the last one cut to what the block has: 210 bytes at most. */
enum { BLOCK_WORDS = 53 };
typedef void (*block_encoder)(const lane_blocks *b, vi *words);

LANE_BIG void put_blocks(const vi *words, size_t bytes, size_t live, unsigned char *out) {
    const unsigned char *from = (const unsigned char *)words;
    for (size_t l = 0; l < live; l++, out += bytes)
        for (size_t at = 0; at < bytes; at += 4) {
            uint32_t u;
            memcpy(&u, from + (at * LANES + 4 * l), sizeof u);
            for (size_t k = 0; k < 4 && at + k < bytes; k++) out[at + k] = (unsigned char)(u >> 8 * k);
        }
}

/* `count` blocks of `size` values from x on, `bytes` each; mean_squares[i] goes with block i / per_row. */
LANE_BIG void encode_blocks(const float *x, size_t count, size_t size, size_t cols, const float *importance,
                            const float *mean_squares, size_t bytes, block_encoder encode, unsigned char *out) {
    vi words[BLOCK_WORDS];
    lane_blocks b = {.weighted = importance != NULL};
    for (size_t at = 0; at < count; at += LANES, out += LANES * bytes) {
        size_t live = count - at < LANES ? count - at : LANES;
        for (size_t l = 0; l < LANES; l++) {
            size_t first = (at + (l < live ? l : live - 1)) * size;
            b.x[l] = x + first;
            b.importance[l] = importance ? importance + first % cols : NULL;
            b.mean_square[l] = mean_squares ? mean_squares[first / cols] : 0;
        }
        encode(&b, words);
        put_blocks(words, bytes, live, out);
    }
}

/* Values at..at + n - 1 of each row. */
LANE_FN void load_values(const float *const *row, size_t at, size_t n, vf *x) {
    for (size_t i = 0; i < n; i += 4) vf_gather4(row, at + i, x + i);
}

LANE_FN vf sum_squares(const vf *x, int n) {
    vf sum = vf_set(0);
    for (int i = 0; i < n; i++) sum = vf_add(sum, vf_mul(x[i], x[i]));
    return sum;
}

/* w = importance * sqrt(sigma2 + x^2), ggml's weights for n values from `at` on. */
LANE_FN void importance_weights(const lane_blocks *b, size_t at, const vf *x, size_t n, vf sigma2, vf *w) {
    load_values(b->importance, at, n, w);
    for (size_t i = 0; i < n; i++) w[i] = vf_mul(w[i], vf_sqrt(vf_add(sigma2, vf_mul(x[i], x[i]))));
}

/* The fp16 of a scale. Sums that overflow end in the NaN of the processor, whose sign is set, and so in these bits of
 * ggml's; where a NaN of the input meets another, the sign is the compiler's choice, which must not reach the bytes. */
LANE_FN vi scale_bits(vf d) { return vi_pick(vf_ne(d, d), vi_set(0xFE00), vi_half(d)); }

/* Four bytes as one word; each is cut to eight bits. */
LANE_FN vi word_of(const vi *b) {
    vi byte = vi_set(255), w = vi_and(b[0], byte);
    for (int k = 1; k < 4; k++) w = vi_or(w, vi_shl(vi_and(b[k], byte), 8 * k));
    return w;
}

/* words after a half word: what a block has that begins with one fp16. */
LANE_FN void join_words(vi half, const vi *words, int n, vi *out) {
    for (int i = 0; i < n; i++) {
        out[i] = vi_or(half, vi_shl(words[i], 16));
        half = vi_shr(words[i], 16);
    }
    out[n] = half;
}

/* The 16 bytes of 32 four-bit codes: value j < 16 in the low half of byte j, value j + 16 in its high half. */
LANE_FN void pack_nibbles(const vi *codes, vi *words) {
    for (int w = 0; w < 4; w++) {
        vi b[4];
        for (int k = 0; k < 4; k++) b[k] = vi_or(codes[4 * w + k], vi_shl(codes[4 * w + k + 16], 4));
        words[w] = word_of(b);
    }
}

LANE_FN float half_at(const unsigned char *p) { return bb_f16_to_f32((uint16_t)(p[0] | p[1] << 8)); }

/* The codec's decode from a function for one block of `size` values in `bytes`. */
#define LANES_DECODER(type, size, bytes)                                                                               \
    void LANE_NAME(bb_##type##_decode)(const unsigned char *data, size_t rows, size_t cols, float *x) {                \
        for (size_t b = 0; b < rows * cols / (size); b++) decode_##type(data + b * (bytes), x + b * (size));           \
    }
#endif
