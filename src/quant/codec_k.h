/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_k.h - encoders of q2_K to q6_K with ggml's bytes, a super-block of 256 in each lane; after a lanes_ISA.h.
 *
 * ggml 0.25.1, ggml-quants.c: quantize_row_TYPE_ref without importance, quantize_row_TYPE_impl with it. The layouts are
 * those of ggml-common.h. */
#ifndef BB_QUANT_CODEC_K_H
#define BB_QUANT_CODEC_K_H
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/search.h"
#include "quant/search_q3.h"

enum { SUPER = 256, SUB_BLOCKS = 16 };

/* What the searches gave for each sub-block, and their codes: these stay where a sub-block's rounded scale is 0. */
typedef struct super_fit {
    vf x[SUPER], scale[SUB_BLOCKS], min[SUB_BLOCKS], weight[SUB_BLOCKS];
    vi codes[SUPER];
} super_fit;

LANE_FN void load_super(const lane_blocks *b, super_fit *f) { load_values(b->x, 0, SUPER, f->x); }

static const span_rule weighted_rule = {-0.9f, 0.05f, 36, false};

LANE_FN vf sum_weights(const vf *w, int n) {
    vf sum = vf_set(0);
    for (int i = 0; i < n; i++) sum = vf_add(sum, w[i]);
    return sum;
}

/* The searches with importance of q2_K (factor 1), q4_K and q5_K (2): sigma2 = factor * mean square of all 256. */
LANE_FN void fit_weighted(const lane_blocks *b, int n, float nmax, float factor, super_fit *f) {
    vf w[32], sigma2 = vf_div(vf_mul(vf_set(factor), sum_squares(f->x, SUPER)), vf_set(SUPER));
    for (size_t j = 0, at = 0; at < SUPER; j++, at += (size_t)n) {
        const vf *x = f->x + at;
        importance_weights(b, at, x, (size_t)n, sigma2, w);
        f->weight[j] = sum_weights(w, n);
        f->scale[j] = search_span(x, w, n, nmax, &weighted_rule, &f->min[j], f->codes + at);
    }
}

LANE_FN vf largest(const vf *v, int n) {
    vf max = vf_set(0);
    for (int j = 0; j < n; j++) max = vf_max(v[j], max);
    return max;
}

/* x to codes 0..nmax with the scales as they are stored; `from` is the first of n values. */
LANE_FN void recode_span(super_fit *f, int from, int n, float nmax, vf scale, vf min) {
    vm keep = vf_eq(scale, vf_set(0));
    for (int i = from; i < from + n; i++) {
        vf l = vf_near_in(vf_div(vf_add(f->x[i], min), scale), 0, nmax);
        f->codes[i] = vi_pick(keep, f->codes[i], vi_of_f(l));
    }
}

/* The same without a minimum: codes 0..2 half - 1 about half. */
LANE_FN void recode_signed(super_fit *f, int from, float half, vf scale) {
    vm keep = vf_eq(scale, vf_set(0));
    for (int i = from; i < from + 16; i++) {
        vf l = vf_near_in(vf_div(f->x[i], scale), -half, half - 1);
        f->codes[i] = vi_pick(keep, f->codes[i], vi_of_f(vf_add(l, vf_set(half))));
    }
}

/* Two bits of each of 256 codes, four codes 32 apart in a byte: 16 words. */
LANE_FN void pack_pairs(const vi *codes, vi *words) {
    for (int w = 0; w < 16; w++) {
        vi b[4];
        for (int k = 0; k < 4; k++) {
            const vi *c = codes + 128 * (w / 8) + 4 * (w % 8) + k;
            b[k] = vi_or(vi_or(c[0], vi_shl(c[32], 2)), vi_or(vi_shl(c[64], 4), vi_shl(c[96], 6)));
        }
        words[w] = word_of(b);
    }
}

/* What is above the low `shift` bits of 256 codes: eight bits, 32 codes apart, in a byte; 8 words. */
LANE_FN void pack_high_bits(const vi *codes, int shift, vi *words) {
    for (int w = 0; w < 8; w++) {
        vi b[4];
        for (int k = 0; k < 4; k++) {
            b[k] = vi_set(0);
            for (int bit = 0; bit < 8; bit++)
                b[k] = vi_or(b[k], vi_shl(vi_shr(codes[32 * bit + 4 * w + k], shift), bit));
        }
        words[w] = word_of(b);
    }
}

/* ---- q2_K: 16 scales and minimums of four bits, 64 bytes of codes, two fp16 ---- */

LANE_FN void fit_q2(super_fit *f) {
    static const span_rule rule = {-0.5f, 0.1f, 15, true};
    for (int j = 0; j < 16; j++) {
        vf w[16];
        for (int i = 0; i < 16; i++) w[i] = vf_abs(f->x[16 * j + i]);
        f->scale[j] = search_span(f->x + 16 * j, w, 16, 3, &rule, &f->min[j], f->codes + 16 * j);
    }
}

/* v[16] to codes 0..15 of their largest, whose fp16 fifteenth is returned. */
LANE_FN vi round_fifteenths(const vf *v, vi *codes) {
    vf max = largest(v, 16), iscale = vf_div(vf_set(15), max);
    vm some = vf_gt(max, vf_set(0));
    for (int j = 0; j < 16; j++) codes[j] = vi_pick(some, vi_near(vf_mul(iscale, v[j])), vi_set(0));
    return scale_bits(vf_pick(some, vf_div(max, vf_set(15)), vf_set(0)));
}

LANE_BIG void encode_q2_K(const lane_blocks *b, vi *words) {
    super_fit f;
    vi scales[16], mins[16], d, dmin;
    load_super(b, &f);
    if (b->weighted) {
        fit_weighted(b, 16, 3, 1, &f);
        d = scale_bits(search_qp(f.scale, f.weight, 16, 15, scales));
        dmin = scale_bits(search_qp(f.min, f.weight, 16, 15, mins));
    } else {
        fit_q2(&f);
        d = round_fifteenths(f.scale, scales);
        dmin = round_fifteenths(f.min, mins);
    }
    for (int j = 0; j < 16; j++) {
        vi both = vi_and(vi_or(scales[j], vi_shl(mins[j], 4)), vi_set(255));
        vf scale = vf_mul(vf_of_half(d), vf_of_i(vi_and(both, vi_set(15))));
        recode_span(&f, 16 * j, 16, 3, scale, vf_mul(vf_of_half(dmin), vf_of_i(vi_shr(both, 4))));
        scales[j] = both;
    }
    for (int w = 0; w < 4; w++) words[w] = word_of(scales + 4 * w);
    pack_pairs(f.codes, words + 4);
    words[20] = vi_or(d, vi_shl(dmin, 16));
}

/* ---- q3_K: 256 high bits, 64 bytes of low pairs, 16 signed scales of six bits, one fp16 ---- */

/* 16 scales to -32..31, plus 32, of the largest magnitude; returns the fp16 scale of them. */
LANE_FN vi round_q3_scales(const vf *v, vi *codes) {
    vf amax, max = search_extreme(v, 16, &amax), iscale = vf_div(vf_set(-32), max);
    vm some = vf_ne(max, vf_set(0));
    for (int j = 0; j < 16; j++) {
        vi l = vi_sar(vi_shl(vi_near(vf_mul(iscale, v[j])), 24), 24);
        l = vi_add(vi_max(vi_set(-32), vi_min(vi_set(31), l)), vi_set(32));
        codes[j] = vi_pick(some, l, vi_set(0));
    }
    return scale_bits(vf_pick(some, vf_div(vf_set(1), iscale), vf_set(0)));
}

LANE_FN vi fit_q3_weighted(const lane_blocks *b, super_fit *f, vi *scales) {
    vf w[16], sigma2 = vf_div(vf_mul(vf_set(2), sum_squares(f->x, SUPER)), vf_set(SUPER));
    for (size_t j = 0; j < 16; j++) {
        importance_weights(b, 16 * j, f->x + 16 * j, 16, sigma2, w);
        f->weight[j] = sum_weights(w, 16);
        f->scale[j] = search_qx(f->x + 16 * j, w, 16, 4, f->codes + 16 * j);
    }
    return scale_bits(search_qx(f->scale, f->weight, 16, 32, scales));
}

/* Four bits of scale j in byte j % 8, the others in byte 8 + j % 4. */
LANE_FN void pack_q3_scales(const vi *scales, vi *words) {
    vi bytes[12];
    for (int j = 0; j < 8; j++) {
        bytes[j] = vi_or(vi_and(scales[j], vi_set(15)), vi_shl(vi_and(scales[j + 8], vi_set(15)), 4));
    }
    for (int j = 0; j < 4; j++) {
        bytes[8 + j] = vi_shr(scales[j], 4);
        for (int k = 1; k < 4; k++) bytes[8 + j] = vi_or(bytes[8 + j], vi_shl(vi_shr(scales[j + 4 * k], 4), 2 * k));
    }
    for (int w = 0; w < 3; w++) words[w] = word_of(bytes + 4 * w);
}

/* The block of codes 0..7 and scales 0..63. */
LANE_FN void pack_q3(vi *codes, const vi *scales, vi d, vi *words) {
    pack_high_bits(codes, 2, words);
    for (int i = 0; i < SUPER; i++) codes[i] = vi_and(codes[i], vi_set(3));
    pack_pairs(codes, words + 8);
    pack_q3_scales(scales, words + 24);
    words[27] = d;
}

LANE_BIG void encode_q3_K(const lane_blocks *b, vi *words) {
    super_fit f;
    vi scales[16], d;
    load_super(b, &f);
    if (b->weighted) {
        d = fit_q3_weighted(b, &f, scales);
    } else {
        search_q3(b, f.x, f.scale, f.codes);
        d = round_q3_scales(f.scale, scales);
    }
    for (int j = 0; j < 16; j++)
        recode_signed(&f, 16 * j, 4, vf_mul(vf_of_half(d), vf_of_i(vi_sub(scales[j], vi_set(32)))));
    pack_q3(f.codes, scales, d, words);
}

/* ---- q4_K and q5_K: two fp16, 8 scales and minimums of six bits, (32 bytes of fifth bits,) 128 bytes of nibbles ----
 */

LANE_FN void fit_k45(float nmax, const span_rule *rule, super_fit *f) {
    for (int j = 0; j < 8; j++) {
        vf w[32];
        const vf *x = f->x + 32 * j;
        vf mean = vf_sqrt(vf_div(sum_squares(x, 32), vf_set(32)));
        for (int i = 0; i < 32; i++) w[i] = vf_add(mean, vf_abs(x[i]));
        f->scale[j] = search_span(x, w, 32, nmax, rule, &f->min[j], f->codes + 32 * j);
    }
}

LANE_FN vi round_k45_scales(const vf *v, vi *codes) {
    vf max = largest(v, 8);
    vf inverse = vf_pick(vf_gt(max, vf_set(0)), vf_div(vf_set(63), max), vf_set(0));
    for (int j = 0; j < 8; j++) codes[j] = vi_min(vi_set(63), vi_and(vi_near(vf_mul(inverse, v[j])), vi_set(255)));
    return scale_bits(vf_div(max, vf_set(63)));
}

/* Six bits of scale and minimum: whole in bytes j and j + 4 for j < 4; for the others the low four bits share byte
 * j + 4 and the high two are the top of bytes j - 4 and j. */
LANE_FN void pack_k45_scales(const vi *scales, const vi *mins, vi *bytes) {
    for (int j = 0; j < 4; j++) {
        vi low = vi_set(15);
        bytes[j] = vi_or(scales[j], vi_shl(vi_shr(scales[j + 4], 4), 6));
        bytes[j + 4] = vi_or(mins[j], vi_shl(vi_shr(mins[j + 4], 4), 6));
        bytes[j + 8] = vi_or(vi_and(scales[j + 4], low), vi_shl(vi_and(mins[j + 4], low), 4));
    }
    for (int j = 0; j < 12; j++) bytes[j] = vi_and(bytes[j], vi_set(255));
}

LANE_FN void unpack_k45_scales(const vi *bytes, int j, vi *scale, vi *min) {
    vi low = vi_set(15);
    if (j < 4) {
        *scale = vi_and(bytes[j], vi_set(63));
        *min = vi_and(bytes[j + 4], vi_set(63));
        return;
    }
    *scale = vi_or(vi_and(bytes[j + 4], low), vi_shl(vi_shr(bytes[j - 4], 6), 4));
    *min = vi_or(vi_shr(bytes[j + 4], 4), vi_shl(vi_shr(bytes[j], 6), 4));
}

/* Scales of the fitted block to words[4], and its codes anew with them. */
LANE_FN void finish_k45(super_fit *f, float nmax, vi d, vi dmin, const vi *scales, const vi *mins, vi *words) {
    vi bytes[12];
    pack_k45_scales(scales, mins, bytes);
    for (int j = 0; j < 8; j++) {
        vi scale, min;
        unpack_k45_scales(bytes, j, &scale, &min);
        vf step = vf_mul(vf_of_half(d), vf_of_i(scale));
        recode_span(f, 32 * j, 32, nmax, step, vf_mul(vf_of_half(dmin), vf_of_i(min)));
    }
    words[0] = vi_or(d, vi_shl(dmin, 16));
    for (int w = 0; w < 3; w++) words[1 + w] = word_of(bytes + 4 * w);
}

/* Low four bits of 256 codes, values 32 apart in a byte: 32 words. */
LANE_FN void pack_k45_nibbles(const vi *codes, vi *words) {
    for (int w = 0; w < 32; w++) {
        vi b[4];
        for (int k = 0; k < 4; k++) {
            const vi *c = codes + 64 * (w / 8) + 4 * (w % 8) + k;
            b[k] = vi_or(vi_and(c[0], vi_set(15)), vi_shl(c[32], 4));
        }
        words[w] = word_of(b);
    }
}

LANE_BIG void encode_q4_K(const lane_blocks *b, vi *words) {
    static const span_rule rule = {-1.0f, 0.1f, 20, false};
    super_fit f;
    vi scales[8], mins[8], d, dmin;
    load_super(b, &f);
    if (b->weighted) {
        fit_weighted(b, 32, 15, 2, &f);
        d = scale_bits(search_qp(f.scale, f.weight, 8, 63, scales));
        dmin = scale_bits(search_qp(f.min, f.weight, 8, 63, mins));
    } else {
        fit_k45(15, &rule, &f);
        d = round_k45_scales(f.scale, scales);
        dmin = round_k45_scales(f.min, mins);
    }
    finish_k45(&f, 15, d, dmin, scales, mins, words);
    pack_k45_nibbles(f.codes, words + 4);
}

LANE_BIG void encode_q5_K(const lane_blocks *b, vi *words) {
    static const span_rule rule = {-0.5f, 0.1f, 15, false};
    super_fit f;
    vi scales[8], mins[8], d, dmin;
    load_super(b, &f);
    if (b->weighted) {
        fit_weighted(b, 32, 31, 2, &f);
        d = scale_bits(search_qp(f.scale, f.weight, 8, 63, scales));
        dmin = scale_bits(search_qp(f.min, f.weight, 8, 63, mins));
        for (int j = 0; j < 8; j++) { /* only q5_K holds its bytes to six bits */
            scales[j] = vi_min(scales[j], vi_set(63));
            mins[j] = vi_min(mins[j], vi_set(63));
        }
    } else {
        fit_k45(31, &rule, &f);
        d = round_k45_scales(f.scale, scales);
        dmin = round_k45_scales(f.min, mins);
    }
    finish_k45(&f, 31, d, dmin, scales, mins, words);
    pack_high_bits(f.codes, 4, words + 4);
    pack_k45_nibbles(f.codes, words + 12);
}

/* ---- q6_K: 128 bytes of low nibbles, 64 of high pairs, 16 scales of eight bits, one fp16 ---- */

LANE_FN void pack_q6(const vi *codes, vi *words) {
    vi low = vi_set(15), pairs[SUPER];
    for (int w = 0; w < 32; w++) {
        vi b[4];
        for (int k = 0; k < 4; k++) {
            const vi *c = codes + 128 * (w / 16) + 4 * (w % 16) + k;
            b[k] = vi_or(vi_and(c[0], low), vi_shl(vi_and(c[64], low), 4));
        }
        words[w] = word_of(b);
    }
    for (int i = 0; i < SUPER; i++) pairs[i] = vi_shr(codes[i], 4);
    pack_pairs(pairs, words + 32);
}

LANE_BIG void encode_q6_K(const lane_blocks *b, vi *words) {
    super_fit f;
    vi scales[16];
    load_super(b, &f);
    for (size_t j = 0; j < 16; j++) {
        vf w[16];
        const vf *x = f.x + 16 * j;
        if (b->weighted) load_values(b->importance, 16 * j, 16, w);
        for (int i = 0; i < 16 && !b->weighted; i++) w[i] = vf_mul(x[i], x[i]);
        f.scale[j] = search_qx(x, w, 16, 32, f.codes + 16 * j);
    }
    vf amax, max = search_extreme(f.scale, 16, &amax), iscale = vf_div(vf_set(-128), max);
    vm flat = vf_lt(amax, vf_set(SEARCH_EPS));
    vi d = scale_bits(vf_div(vf_set(1), iscale));
    for (int j = 0; j < 16; j++) {
        vi sc = vi_min(vi_set(127), vi_near(vf_mul(iscale, f.scale[j])));
        scales[j] = vi_sar(vi_shl(sc, 24), 24);
        recode_signed(&f, 16 * j, 32, vf_mul(vf_of_half(d), vf_of_i(scales[j])));
    }
    pack_q6(f.codes, words);
    for (int w = 0; w < 4; w++) words[48 + w] = word_of(scales + 4 * w);
    words[52] = d;
    for (int w = 0; w < 53; w++) words[w] = vi_pick(flat, vi_set(0), words[w]);
}

#define K_ENCODER(type, bytes)                                                                                         \
    void LANE_NAME(bb_##type##_encode)(const float *x, size_t rows, size_t cols, const float *importance,              \
                                       unsigned char *out) {                                                           \
        encode_blocks(x, rows *cols / SUPER, SUPER, cols, importance, NULL, bytes, encode_##type, out);                \
    }
K_ENCODER(q2_K, 84)
K_ENCODER(q3_K, 110)
K_ENCODER(q4_K, 144)
K_ENCODER(q5_K, 176)
K_ENCODER(q6_K, 210)
#endif
