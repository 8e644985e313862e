/* SPDX-License-Identifier: GPL-3.0-or-later */
/* best_blocks.h - the search of the plain blocks, of iq4_nl and of fp4, a block in each lane; after a lanes_ISA.h. */
#ifndef BB_QUANT_BEST_BLOCKS_H
#define BB_QUANT_BEST_BLOCKS_H
#include "quant/best_fit.h"
#include "quant/codec_weighted.h"
#include "quant/plain.h"

/* The fp16 scale of a block of whole levels, and its codes counted from the lowest level. */
LANE_FN vi best_whole(const best_lanes *b, int n, float lo, float hi, const scale_rule *rules, vi *codes) {
    vf x[BB_Q2_0], w[BB_Q2_0];
    fit_values a = load_lanes(b, n, x, w);
    level_grid g = whole_levels(lo, hi);
    scale_fit fit = fit_scale(&a, &g, rules);
    vi h = best_scale_half(&a, &g, &fit, b->file);
    vf inverse = inverse_or_zero(half_value(b->file, h));
    for (int i = 0; i < n; i++) codes[i] = vi_of_f(vf_sub(level_near(&g, vf_mul(x[i], inverse)), vf_set(lo)));
    return h;
}

LANE_BIG void best_q4_0(const best_lanes *b, vi *words) {
    static const scale_rule rules[2] = {{3.5f, 0.08f, 82}, {3.5f, 0.08f, 250}};
    vi codes[32], packed[4], h = best_whole(b, 32, -8, 7, rules, codes);
    pack_nibbles(codes, packed);
    join_words(h, packed, 4, words);
}

LANE_BIG void best_q5_0(const best_lanes *b, vi *words) {
    static const scale_rule rules[2] = {{8, 0.08f, 120}, {8, 0.08f, 325}};
    vi codes[32], packed[5], h = best_whole(b, 32, -16, 15, rules, codes);
    packed[0] = fifth_bits(codes);
    low_nibbles(codes, packed + 1);
    join_words(h, packed, 5, words);
}

LANE_BIG void best_q8_0(const best_lanes *b, vi *words) {
    static const scale_rule rules[2] = {{92, 0.25f, 148}, {70, 0.25f, 300}};
    vi codes[32], packed[8], h = best_whole(b, 32, -128, 127, rules, codes);
    for (int i = 0; i < 32; i++) codes[i] = vi_sub(codes[i], vi_set(128));
    for (int i = 0; i < 8; i++) packed[i] = word_of(codes + 4 * i);
    join_words(h, packed, 8, words);
}

LANE_BIG void best_q2_0(const best_lanes *b, vi *words) {
    static const scale_rule rules[2] = {{0.9f, 0.03f, 200}, {0.9f, 0.04f, 250}};
    vi codes[64], packed[4], h = best_whole(b, 64, -1, 2, rules, codes);
    for (int i = 0; i < 4; i++) {
        packed[i] = codes[16 * i];
        for (int k = 1; k < 16; k++) packed[i] = vi_or(packed[i], vi_shl(codes[16 * i + k], 2 * k));
    }
    join_words(h, packed, 4, words);
}

LANE_BIG void best_iq4_nl(const best_lanes *b, vi *words) {
    static const scale_rule rules[2] = {{60, 1, 90}, {60, 2, 140}};
    vf x[32], w[32];
    vi codes[32], packed[4];
    fit_values a = load_lanes(b, 32, x, w);
    level_grid g = listed_levels(iq4_values, iq4_bounds);
    scale_fit fit = fit_scale(&a, &g, rules);
    vi h = best_scale_half(&a, &g, &fit, b->file);
    vf inverse = inverse_or_zero(half_value(b->file, h));
    for (int i = 0; i < 32; i++) codes[i] = iq4_index(g.bounds, vf_mul(x[i], inverse));
    pack_nibbles(codes, packed);
    join_words(h, packed, 4, words);
}

/* The fp16 scale and minimum, as words[0] of q4_1 and q5_1 has them, and the codes 0..hi. */
LANE_FN vi best_pair(const best_lanes *b, float hi, const end_rule *rules, vi *codes) {
    vf x[32], w[32];
    fit_values a = load_lanes(b, 32, x, w);
    level_grid g = whole_levels(0, hi);
    span_fit fit = fit_span(&a, hi, rules);
    vi d = vi_set(0), m = d;
    vf least = vf_set(INFINITY);
    for (int i = -HALF_STEPS; i <= HALF_STEPS; i++)
        for (int j = -HALF_STEPS; j <= HALF_STEPS; j++) {
            vi di = file_half(b->file, fit.scale, i), mj = file_half(b->file, vf_neg(fit.min), j);
            vf error = stored_error(&a, &g, half_value(b->file, di), vf_neg(half_value(b->file, mj)));
            vm better = vf_lt(error, least);
            least = vf_pick(better, error, least);
            d = vi_pick(better, di, d);
            m = vi_pick(better, mj, m);
        }
    vf inverse = inverse_or_zero(half_value(b->file, d)), min = half_value(b->file, m);
    for (int i = 0; i < 32; i++) codes[i] = vi_of_f(level_near(&g, vf_mul(vf_sub(x[i], min), inverse)));
    return vi_or(d, vi_shl(m, 16));
}

LANE_BIG void best_q4_1(const best_lanes *b, vi *words) {
    static const end_rule rules[2] = {{-0.5f, 0.15f, 12, false}, {-0.5f, 0.25f, 18, false}};
    vi codes[32];
    words[0] = best_pair(b, 15, rules, codes);
    pack_nibbles(codes, words + 1);
}

LANE_BIG void best_q5_1(const best_lanes *b, vi *words) {
    static const end_rule rules[2] = {{-0.8f, 0.15f, 14, false}, {-0.8f, 0.3f, 18, false}};
    vi codes[32];
    words[0] = best_pair(b, 31, rules, codes);
    words[1] = fifth_bits(codes);
    low_nibbles(codes, words + 2);
}

/* ---- fp4: levels in order, and the scales of a few bits that stand beside the largest ---- */

static const float fp4_values[16] = {-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12};
static const float fp4_bounds[16] = {-10,  -7,   -5,   -3.5f, -2.5f, -1.5f, -0.5f, 0.5f,
                                     1.5f, 2.5f, 3.5f, 5,     7,     10,    3e38f, 3e38f};

LANE_FN vi fp4_code(vt bounds, vf v) {
    vi i = iq4_index(bounds, v), seven = vi_set(7);
    return vi_pick(vi_eq(vi_max(i, seven), i), vi_sub(i, seven), vi_sub(vi_set(15), i));
}

/* The codes whose scales are tried, first..first + count - 1 about a guess, in each lane; scale(code) in the file. */
typedef struct code_rule {
    int from, to, last;
    float (*scale)(uint8_t code);
} code_rule;

/* Of the scales about the guesses the one with the least error in each lane; *d in terms of x. */
LANE_FN void best_code(const fit_values *a, const level_grid *g, const int32_t *guess, file_unit u,
                       const code_rule *rule, vi *code, vf *d) {
    vf least = vf_set(INFINITY);
    *code = vi_set(0);
    *d = vf_set(0);
    for (int step = rule->from; step <= rule->to; step++) {
        int32_t c[LANES];
        float s[LANES];
        for (int l = 0; l < LANES; l++) {
            c[l] = guess[l] + step < 0 ? 0 : guess[l] + step > rule->last ? rule->last : guess[l] + step;
            s[l] = rule->scale((uint8_t)c[l]);
        }
        vf scale = vf_mul(vf_load(s), u.inverse), error = stored_error(a, g, scale, vf_set(0));
        vm better = vf_lt(error, least);
        least = vf_pick(better, error, least);
        *code = vi_pick(better, vi_load(c), *code);
        *d = vf_pick(better, scale, *d);
    }
}

LANE_BIG void best_mxfp4(const best_lanes *b, vi *words) {
    static const code_rule rule = {-2, 3, 254, bb_e8m0_half};
    vf x[32], w[32], d;
    vi code, codes[32], packed[4];
    fit_values a = load_lanes(b, 32, x, w);
    level_grid g = listed_levels(fp4_values, fp4_bounds);
    int32_t guess[LANES];
    float unit[LANES];
    vf_store(unit, b->file.unit);
    for (int l = 0; l < LANES; l++) guess[l] = ilogbf(unit[l]) + 127 - 2;
    best_code(&a, &g, guess, b->file, &rule, &code, &d);
    vf inverse = inverse_or_zero(d);
    for (int i = 0; i < 32; i++) codes[i] = fp4_code(g.bounds, vf_mul(x[i], inverse));
    pack_nibbles(codes, packed);
    for (int i = 0; i < 4; i++) {
        words[i] = vi_or(code, vi_shl(packed[i], 8));
        code = vi_shr(packed[i], 24);
    }
    words[4] = code;
}

LANE_BIG void best_nvfp4(const best_lanes *b, vi *words) {
    static const code_rule rule = {-8, 8, 0x7E, bb_ue4m3_half};
    vf x[64], w[64], amax, d;
    vi scales[4];
    load_lanes(b, 64, x, w);
    level_grid g = listed_levels(fp4_values, fp4_bounds);
    for (int s = 0; s < 4; s++) {
        fit_values a = {x + 16 * s, b->weighted ? w + 16 * s : NULL, 16};
        int32_t guess[LANES];
        float most[LANES];
        vi codes[16], bytes[8];
        search_extreme(a.x, 16, &amax);
        vf_store(most, vf_mul(amax, b->file.unit));
        for (int l = 0; l < LANES; l++) guess[l] = bb_ue4m3_code(most[l] / 6);
        best_code(&a, &g, guess, b->file, &rule, &scales[s], &d);
        vf inverse = inverse_or_zero(d);
        for (int i = 0; i < 16; i++) codes[i] = fp4_code(g.bounds, vf_mul(a.x[i], inverse));
        for (int i = 0; i < 8; i++) bytes[i] = vi_or(codes[i], vi_shl(codes[i + 8], 4));
        words[1 + 2 * s] = word_of(bytes);
        words[2 + 2 * s] = word_of(bytes + 4);
    }
    words[0] = word_of(scales);
}

BEST_SEARCH(q4_0, 32, BB_Q4_0_BYTES)
BEST_SEARCH(q4_1, 32, BB_Q4_1_BYTES)
BEST_SEARCH(q5_0, 32, BB_Q5_0_BYTES)
BEST_SEARCH(q5_1, 32, BB_Q5_1_BYTES)
BEST_SEARCH(q8_0, 32, BB_Q8_0_BYTES)
BEST_SEARCH(q2_0, BB_Q2_0, BB_Q2_0_BYTES)
BEST_SEARCH(iq4_nl, 32, 18)
BEST_SEARCH(mxfp4, BB_MXFP4, BB_MXFP4_BYTES)
BEST_SEARCH(nvfp4, BB_NVFP4, BB_NVFP4_BYTES)
#endif
