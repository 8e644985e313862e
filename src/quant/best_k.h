/* SPDX-License-Identifier: GPL-3.0-or-later */
/* best_k.h - the search of q2_K to q6_K and of iq4_xs, a super-block of 256 in each lane; after a lanes_ISA.h.
 *
 * Each sub-block has a best scale (and minimum) of its own, which its few bits only come near to. So the fp16 factors
 * of the block are tried from a list; under each, every sub-block takes the codes of scale and minimum about its own
 * best with the least error; then the factors are fitted to all of these, and the codes chosen again. */
#ifndef BB_QUANT_BEST_K_H
#define BB_QUANT_BEST_K_H
#include "quant/best_fit.h"
#include "quant/codec_iq4.h"
#include "quant/codec_k.h"

typedef struct best_super {
    vf x[SUPER], w[SUPER];
    fit_values all;
    int n; /* values of a sub-block */
} best_super;

LANE_FN fit_values sub_block(const best_super *s, const vf *w, int j) {
    fit_values a = {s->x + s->n * j, w ? w + s->n * j : NULL, s->n};
    return a;
}

LANE_FN void load_best(const best_lanes *b, int n, best_super *s) {
    s->all = load_lanes(b, SUPER, s->x, s->w);
    s->n = n;
}

LANE_FN vf hold(vf v, float lo, float hi) { return vf_min(vf_max(v, vf_set(lo)), vf_set(hi)); }

/* The nearest whole number in lo..hi. */
LANE_FN vf whole_near(vf v, float lo, float hi) {
    return vf_sub(vf_add(hold(v, lo, hi), vf_set(LANES_MAGIC)), vf_set(LANES_MAGIC));
}

/* ---- scales alone ---- */

/* Levels of the values; scales lo..hi, tried up to `reach` from the best; the largest one is put at first, first +
 * step,
 * ... on either side of 0. */
typedef struct super_rule {
    float lo, hi, first, step;
    int steps, reach;
} super_rule;

typedef struct scale_choice {
    vi d;
    vf scale[SUB_BLOCKS], error;
} scale_choice;

LANE_FN void choose_scales(const best_super *s, const vf *w, const level_grid *g, const super_rule *rule, vf d,
                           const vf *about, scale_choice *c) {
    c->error = vf_set(0);
    for (int j = 0; j < SUPER / s->n; j++) {
        fit_values a = sub_block(s, w, j);
        vf least = vf_set(INFINITY);
        c->scale[j] = vf_set(0);
        for (int step = -rule->reach; step <= rule->reach; step++) {
            vf code = hold(vf_add(about[j], vf_set((float)step)), rule->lo, rule->hi);
            vf error = stored_error(&a, g, vf_mul(d, code), vf_set(0));
            vm better = vf_lt(error, least);
            least = vf_pick(better, error, least);
            c->scale[j] = vf_pick(better, code, c->scale[j]);
        }
        c->error = vf_add(c->error, least);
    }
}

LANE_BIG void try_scales(const best_super *s, const level_grid *g, const super_rule *rule, file_unit u, vf factor,
                         const vf *about, scale_choice *best) {
    scale_choice c = {.d = file_half(u, factor, 0)};
    vf d = half_value(u, c.d);
    level_grid listed = {g->lo, g->hi, true, g->values, g->bounds}, whole = whole_levels(g->lo, g->hi);
    if (g->listed && s->all.w)
        choose_scales(s, s->w, &listed, rule, d, about, &c);
    else if (g->listed)
        choose_scales(s, NULL, &listed, rule, d, about, &c);
    else if (s->all.w)
        choose_scales(s, s->w, &whole, rule, d, about, &c);
    else
        choose_scales(s, NULL, &whole, rule, d, about, &c);
    vm better = vf_lt(c.error, best->error);
    best->error = vf_pick(better, c.error, best->error);
    best->d = vi_pick(better, c.d, best->d);
    for (int j = 0; j < SUPER / s->n; j++) best->scale[j] = vf_pick(better, c.scale[j], best->scale[j]);
}

/* The factor of least error for the codes of a choice. */
LANE_BIG vf refit_factor(const best_super *s, const level_grid *g, file_unit u, const scale_choice *c) {
    vf d = half_value(u, c->d), xl = vf_set(0), l2 = vf_set(0);
    for (int i = 0; i < SUPER; i++) {
        vf scale = c->scale[i / s->n], inverse = inverse_or_zero(vf_mul(d, scale));
        vf l = vf_mul(scale, level_near(g, vf_mul(s->x[i], inverse))), wl = weigh(s->all.w, i, l);
        xl = vf_add(xl, vf_mul(wl, s->x[i]));
        l2 = vf_add(l2, vf_mul(wl, l));
    }
    return vf_pick(vf_gt(l2, vf_set(0)), vf_div(xl, l2), d);
}

LANE_BIG void search_scales(const best_super *s, const level_grid *g, const scale_rule *inners, const super_rule *rule,
                            file_unit u, scale_choice *best) {
    int subs = SUPER / s->n;
    vf own[SUB_BLOCKS], about[SUB_BLOCKS], amax;
    for (int j = 0; j < subs; j++) {
        fit_values a = sub_block(s, s->all.w, j);
        own[j] = fit_scale(&a, g, inners).scale;
    }
    vf extreme = search_extreme(own, subs, &amax);
    best->error = vf_set(INFINITY);
    best->d = vi_set(0);
    for (int j = 0; j < subs; j++) best->scale[j] = vf_set(0);
    for (int k = 0; k <= rule->steps; k++)
        for (int side = -1; side <= 1; side += 2) {
            vf d = vf_div(extreme, vf_set((float)side * (rule->first + rule->step * (float)k)));
            vf inverse = inverse_or_zero(half_value(u, file_half(u, d, 0)));
            for (int j = 0; j < subs; j++) about[j] = whole_near(vf_mul(own[j], inverse), rule->lo, rule->hi);
            try_scales(s, g, rule, u, d, about, best);
        }
    for (int k = 0; k < REFINEMENTS; k++) {
        vf d = refit_factor(s, g, u, best);
        for (int j = 0; j < subs; j++) about[j] = best->scale[j];
        try_scales(s, g, rule, u, d, about, best);
    }
}

LANE_FN void scale_codes(const best_super *s, const level_grid *g, file_unit u, const scale_choice *c, vi *codes) {
    vf d = half_value(u, c->d);
    for (int i = 0; i < SUPER; i++) {
        vf v = vf_mul(s->x[i], inverse_or_zero(vf_mul(d, c->scale[i / s->n])));
        codes[i] = g->listed ? iq4_index(g->bounds, v) : vi_of_f(vf_sub(level_near(g, v), vf_set(g->lo)));
    }
}

LANE_BIG void best_q3_K(const best_lanes *b, vi *words) {
    static const scale_rule inners[2] = {{1.75f, 0.05f, 75}, {1.75f, 0.08f, 125}};
    static const super_rule rule = {-32, 31, 25, 0.5f, 16, 2};
    best_super s;
    scale_choice c;
    vi codes[SUPER], scales[16];
    level_grid g = whole_levels(-4, 3);
    load_best(b, 16, &s);
    search_scales(&s, &g, inners, &rule, b->file, &c);
    scale_codes(&s, &g, b->file, &c, codes);
    for (int j = 0; j < 16; j++) scales[j] = vi_add(vi_of_f(c.scale[j]), vi_set(32));
    pack_q3(codes, scales, c.d, words);
}

LANE_BIG void best_q6_K(const best_lanes *b, vi *words) {
    static const scale_rule inners[2] = {{20, 0.1f, 130}, {18, 0.2f, 160}};
    static const super_rule rule = {-128, 127, 113, 1, 15, 2};
    best_super s;
    scale_choice c;
    vi codes[SUPER], scales[16];
    level_grid g = whole_levels(-32, 31);
    load_best(b, 16, &s);
    search_scales(&s, &g, inners, &rule, b->file, &c);
    scale_codes(&s, &g, b->file, &c, codes);
    for (int j = 0; j < 16; j++) scales[j] = vi_of_f(c.scale[j]);
    pack_q6(codes, words);
    for (int w = 0; w < 4; w++) words[48 + w] = word_of(scales + 4 * w);
    words[52] = c.d;
}

LANE_BIG void best_iq4_xs(const best_lanes *b, vi *words) {
    static const scale_rule inners[2] = {{60, 1, 90}, {60, 2, 140}};
    static const super_rule rule = {-32, 31, 25, 0.5f, 16, 1};
    best_super s;
    scale_choice c;
    vi codes[SUPER], scales[8];
    level_grid g = listed_levels(iq4_values, iq4_bounds);
    load_best(b, 32, &s);
    search_scales(&s, &g, inners, &rule, b->file, &c);
    scale_codes(&s, &g, b->file, &c, codes);
    for (int j = 0; j < 8; j++) {
        scales[j] = vi_add(vi_of_f(c.scale[j]), vi_set(32));
        pack_nibbles(codes + 32 * j, words + 2 + 4 * j);
    }
    pack_iq4_scales(c.d, scales, words);
}

/* ---- scales and minimums, codes 0..top of each ---- */

typedef struct span_choice {
    vi d, dmin;
    vf scale[SUB_BLOCKS], min[SUB_BLOCKS], error;
} span_choice;

/* The largest scale and the largest minimum are put at top + 0.5 - step * k, k = 0..steps, each. */
typedef struct spans_rule {
    float hi, top, step;
    int steps;
} spans_rule;

LANE_FN void choose_spans(const best_super *s, const vf *w, const spans_rule *rule, vf d, vf dmin, const vf *about,
                          const vf *about_min, span_choice *c) {
    level_grid g = whole_levels(0, rule->hi);
    c->error = vf_set(0);
    for (int j = 0; j < SUPER / s->n; j++) {
        fit_values a = sub_block(s, w, j);
        vf least = vf_set(INFINITY);
        c->scale[j] = c->min[j] = vf_set(0);
        for (int step = -1; step <= 1; step++)
            for (int min_step = -1; min_step <= 1; min_step++) {
                vf code = hold(vf_add(about[j], vf_set((float)step)), 0, rule->top);
                vf min = hold(vf_add(about_min[j], vf_set((float)min_step)), 0, rule->top);
                vf error = stored_error(&a, &g, vf_mul(d, code), vf_mul(dmin, min));
                vm better = vf_lt(error, least);
                least = vf_pick(better, error, least);
                c->scale[j] = vf_pick(better, code, c->scale[j]);
                c->min[j] = vf_pick(better, min, c->min[j]);
            }
        c->error = vf_add(c->error, least);
    }
}

LANE_BIG void try_spans(const best_super *s, const spans_rule *rule, file_unit u, vi d, vi dmin, const vf *about,
                        const vf *about_min, span_choice *best) {
    span_choice c;
    if (s->all.w)
        choose_spans(s, s->w, rule, half_value(u, d), half_value(u, dmin), about, about_min, &c);
    else
        choose_spans(s, NULL, rule, half_value(u, d), half_value(u, dmin), about, about_min, &c);
    vm better = vf_lt(c.error, best->error);
    best->error = vf_pick(better, c.error, best->error);
    best->d = vi_pick(better, d, best->d);
    best->dmin = vi_pick(better, dmin, best->dmin);
    for (int j = 0; j < SUPER / s->n; j++) {
        best->scale[j] = vf_pick(better, c.scale[j], best->scale[j]);
        best->min[j] = vf_pick(better, c.min[j], best->min[j]);
    }
}

/* The factors of least error for the codes of a choice: x ~ d p - dmin m, with p = scale * code. */
LANE_BIG void refit_factors(const best_super *s, float hi, file_unit u, const span_choice *c, vf *d, vf *dmin) {
    level_grid g = whole_levels(0, hi);
    vf zero = vf_set(0), p2 = zero, pm = zero, m2 = zero, xp = zero, xm = zero;
    *d = half_value(u, c->d);
    *dmin = half_value(u, c->dmin);
    for (int i = 0; i < SUPER; i++) {
        vf scale = c->scale[i / s->n], m = c->min[i / s->n], inverse = inverse_or_zero(vf_mul(*d, scale));
        vf p = vf_mul(scale, level_near(&g, vf_mul(vf_add(s->x[i], vf_mul(*dmin, m)), inverse)));
        vf wp = weigh(s->all.w, i, p), wm = weigh(s->all.w, i, m);
        p2 = vf_add(p2, vf_mul(wp, p));
        pm = vf_add(pm, vf_mul(wp, m));
        m2 = vf_add(m2, vf_mul(wm, m));
        xp = vf_add(xp, vf_mul(wp, s->x[i]));
        xm = vf_add(xm, vf_mul(wm, s->x[i]));
    }
    vf det = vf_sub(vf_mul(p2, m2), vf_mul(pm, pm));
    vm both = vf_gt(det, zero), one = vf_gt(p2, zero);
    vf alone = vf_pick(one, vf_div(xp, p2), *d);
    *d = vf_pick(both, vf_div(vf_sub(vf_mul(xp, m2), vf_mul(xm, pm)), det), alone);
    *dmin = vf_pick(both, vf_div(vf_sub(vf_mul(xp, pm), vf_mul(xm, p2)), det), *dmin);
}

LANE_BIG void search_spans(const best_super *s, const end_rule *inners, const spans_rule *rule, file_unit u,
                           span_choice *best) {
    int subs = SUPER / s->n;
    vf own[SUB_BLOCKS], own_min[SUB_BLOCKS], about[SUB_BLOCKS], about_min[SUB_BLOCKS];
    for (int j = 0; j < subs; j++) {
        fit_values a = sub_block(s, s->all.w, j);
        span_fit fit = fit_span(&a, rule->hi, inners);
        own[j] = fit.scale;
        own_min[j] = fit.min;
        best->scale[j] = best->min[j] = vf_set(0);
    }
    best->error = vf_set(INFINITY);
    best->d = best->dmin = vi_set(0);
    vf most = largest(own, subs), most_min = largest(own_min, subs);
    for (int k = 0; k <= rule->steps; k++) {
        vi d = file_half(u, vf_div(most, vf_set(rule->top + 0.5f - rule->step * (float)k)), 0);
        vf inverse = inverse_or_zero(half_value(u, d));
        for (int j = 0; j < subs; j++) about[j] = whole_near(vf_mul(own[j], inverse), 0, rule->top);
        for (int i = 0; i <= rule->steps; i++) {
            vi dmin = file_half(u, vf_div(most_min, vf_set(rule->top + 0.5f - rule->step * (float)i)), 0);
            inverse = inverse_or_zero(half_value(u, dmin));
            for (int j = 0; j < subs; j++) about_min[j] = whole_near(vf_mul(own_min[j], inverse), 0, rule->top);
            try_spans(s, rule, u, d, dmin, about, about_min, best);
        }
    }
    for (int k = 0; k < REFINEMENTS; k++) {
        vf d, dmin;
        span_choice from = *best;
        refit_factors(s, rule->hi, u, &from, &d, &dmin);
        try_spans(s, rule, u, file_half(u, d, 0), file_half(u, dmin, 0), from.scale, from.min, best);
    }
}

/* The search, and whole codes of values, scales and minimums. */
LANE_FN void best_spans(const best_lanes *b, int n, const end_rule *inners, const spans_rule *rule, span_choice *c,
                        vi *codes, vi *scales, vi *mins) {
    best_super s;
    load_best(b, n, &s);
    search_spans(&s, inners, rule, b->file, c);
    vf d = half_value(b->file, c->d), dmin = half_value(b->file, c->dmin);
    level_grid g = whole_levels(0, rule->hi);
    for (int i = 0; i < SUPER; i++) {
        vf v = vf_add(s.x[i], vf_mul(dmin, c->min[i / n]));
        codes[i] = vi_of_f(level_near(&g, vf_mul(v, inverse_or_zero(vf_mul(d, c->scale[i / n])))));
    }
    for (int j = 0; j < SUPER / n; j++) {
        scales[j] = vi_of_f(c->scale[j]);
        mins[j] = vi_of_f(c->min[j]);
    }
}

LANE_BIG void best_q2_K(const best_lanes *b, vi *words) {
    static const end_rule inners[2] = {{-0.4f, 0.1f, 12, true}, {-0.4f, 0.15f, 16, true}};
    static const spans_rule rule = {3, 15, 0.7f, 5};
    span_choice c;
    vi codes[SUPER], scales[16], mins[16];
    best_spans(b, 16, inners, &rule, &c, codes, scales, mins);
    for (int j = 0; j < 16; j++) scales[j] = vi_or(scales[j], vi_shl(mins[j], 4));
    for (int w = 0; w < 4; w++) words[w] = word_of(scales + 4 * w);
    pack_pairs(codes, words + 4);
    words[20] = vi_or(c.d, vi_shl(c.dmin, 16));
}

/* The first four words of q4_K and q5_K. */
LANE_FN void best_k45(const best_lanes *b, const end_rule *inners, const spans_rule *rule, vi *codes, vi *words) {
    span_choice c;
    vi scales[8], mins[8], bytes[12];
    best_spans(b, 32, inners, rule, &c, codes, scales, mins);
    pack_k45_scales(scales, mins, bytes);
    words[0] = vi_or(c.d, vi_shl(c.dmin, 16));
    for (int w = 0; w < 3; w++) words[1 + w] = word_of(bytes + 4 * w);
}

LANE_BIG void best_q4_K(const best_lanes *b, vi *words) {
    static const end_rule inners[2] = {{-0.5f, 0.15f, 12, true}, {-0.5f, 0.25f, 18, true}};
    static const spans_rule rule = {15, 63, 1.5f, 5};
    vi codes[SUPER];
    best_k45(b, inners, &rule, codes, words);
    pack_k45_nibbles(codes, words + 4);
}

LANE_BIG void best_q5_K(const best_lanes *b, vi *words) {
    static const end_rule inners[2] = {{-0.8f, 0.15f, 14, true}, {-0.8f, 0.3f, 18, true}};
    static const spans_rule rule = {31, 63, 1.5f, 5};
    vi codes[SUPER];
    best_k45(b, inners, &rule, codes, words);
    pack_high_bits(codes, 4, words + 4);
    pack_k45_nibbles(codes, words + 12);
}

BEST_SEARCH(q2_K, SUPER, 84)
BEST_SEARCH(q3_K, SUPER, 110)
BEST_SEARCH(q4_K, SUPER, 144)
BEST_SEARCH(q5_K, SUPER, 176)
BEST_SEARCH(q6_K, SUPER, 210)
BEST_SEARCH(iq4_xs, SUPER, 136)
#endif
