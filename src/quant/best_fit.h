/* SPDX-License-Identifier: GPL-3.0-or-later */
/* best_fit.h - scales and minimums of least squared error, for a block in each lane; after a lanes_ISA.h.
 *
 * A candidate 1/scale gives codes l = level nearest to v = x / scale. What is left, r = v - l, is fitted by least
 * squares to l (and to 1), which moves the scale (and the minimum) to the best one for these codes: sums of what is
 * left, not of x, keep their digits in fp32 where the error is a millionth of x. */
#ifndef BB_QUANT_BEST_FIT_H
#define BB_QUANT_BEST_FIT_H
#include "quant/best.h"
#include "quant/blocks.h"
#include "quant/search.h"
#include <math.h>

/* Whole numbers lo..hi, or a table of 16 levels with the bounds between them. */
typedef struct level_grid {
    float lo, hi;
    bool listed;
    vt values, bounds;
} level_grid;

LANE_FN level_grid whole_levels(float lo, float hi) {
    level_grid g = {.lo = lo, .hi = hi};
    return g;
}

LANE_FN level_grid listed_levels(const float *values, const float *bounds) {
    level_grid g = {values[0], values[15], true, vt_load(values), vt_load(bounds)};
    return g;
}

/* Ties of whole numbers go to the even one. */
LANE_FN vf level_near(const level_grid *g, vf v) {
    if (g->listed) return vt_at(g->values, iq4_index(g->bounds, v));
    v = vf_min(vf_max(v, vf_set(g->lo)), vf_set(g->hi));
    return vf_sub(vf_add(v, vf_set(LANES_MAGIC)), vf_set(LANES_MAGIC));
}

LANE_FN vf inverse_or_zero(vf d) { return vf_pick(vf_ne(d, vf_set(0)), vf_div(vf_set(1), d), vf_set(0)); }

/* n values in each lane; w NULL = all 1. */
typedef struct fit_values {
    const vf *x, *w;
    int n;
} fit_values;

LANE_FN vf weigh(const vf *w, int i, vf a) { return w ? vf_mul(w[i], a) : a; }

/* sum w (x - (d l - min))^2 with the nearest codes. */
LANE_FN vf stored_error(const fit_values *a, const level_grid *g, vf d, vf min) {
    vf inverse = inverse_or_zero(d), e = vf_set(0);
    for (int i = 0; i < a->n; i++) {
        vf v = vf_add(a->x[i], min), r = vf_sub(v, vf_mul(d, level_near(g, vf_mul(v, inverse))));
        e = vf_add(e, vf_mul(weigh(a->w, i, r), r));
    }
    return e;
}

/* ---- a scale ---- */

typedef struct scale_fit {
    vf scale, error;
} scale_fit;

LANE_FN void try_inverse(const fit_values *a, const level_grid *g, vf inverse, scale_fit *best) {
    vf e = vf_set(0), rl = vf_set(0), l2 = vf_set(0);
    for (int i = 0; i < a->n; i++) {
        vf v = vf_mul(a->x[i], inverse), l = level_near(g, v), r = vf_sub(v, l), wr = weigh(a->w, i, r);
        e = vf_add(e, vf_mul(wr, r));
        rl = vf_add(rl, vf_mul(wr, l));
        l2 = vf_add(l2, vf_mul(weigh(a->w, i, l), l));
    }
    vf shift = vf_div(rl, l2), back = vf_div(vf_set(1), inverse);
    vf error = vf_mul(vf_mul(vf_sub(e, vf_mul(rl, shift)), back), back);
    vm better = vf_lt(error, best->error); /* not where shift is NaN */
    best->error = vf_pick(better, error, best->error);
    best->scale = vf_pick(better, vf_mul(vf_add(vf_set(1), shift), back), best->scale);
}

/* The largest magnitude is put at first, first + step, ... of the levels, on either side. Rules come in pairs, for
 * values alike and for weighted ones, where the largest may count for little and is then cut far. */
typedef struct scale_rule {
    float first, step;
    int steps;
} scale_rule;

LANE_FN scale_fit scan_inverses(const fit_values *a, const level_grid *g, const scale_rule *rule) {
    vf amax, unit = vf_div(vf_set(1), search_extreme(a->x, a->n, &amax));
    scale_fit best = {vf_set(0), stored_error(a, g, vf_set(0), vf_set(0))};
    for (int k = 0; k <= rule->steps; k++) {
        vf inverse = vf_mul(unit, vf_set(rule->first + rule->step * (float)k));
        try_inverse(a, g, inverse, &best);
        try_inverse(a, g, vf_neg(inverse), &best);
    }
    return best;
}

LANE_BIG scale_fit fit_scale(const fit_values *a, const level_grid *g, const scale_rule *rules) {
    fit_values plain = {a->x, NULL, a->n};
    if (g->listed) {
        level_grid listed = {g->lo, g->hi, true, g->values, g->bounds};
        return a->w ? scan_inverses(a, &listed, rules + 1) : scan_inverses(&plain, &listed, rules);
    }
    level_grid whole = whole_levels(g->lo, g->hi);
    return a->w ? scan_inverses(a, &whole, rules + 1) : scan_inverses(&plain, &whole, rules);
}

/* ---- a scale and a minimum ---- */

enum { REFINEMENTS = 4 };

typedef struct span_fit {
    vf scale, min, error; /* x ~ scale * code - min */
} span_fit;

/* The ends of the values are put at p below code 0 and q above the last code, for p and q from first on. Pairs again.
 */
typedef struct end_rule {
    float first, step;
    int steps;
    bool below; /* code 0 is never above 0: min >= 0 */
} end_rule;

typedef struct span_sums {
    vf e, r, rl, l, l2, weights;
} span_sums;

LANE_FN void keep_span(vm better, vf scale, vf min, vf error, span_fit *best) {
    best->error = vf_pick(better, error, best->error);
    best->scale = vf_pick(better, scale, best->scale);
    best->min = vf_pick(better, min, best->min);
}

/* Codes of v = x * inverse + shift; the fit r ~ c + m l, and r ~ m l - shift (code 0 stands for 0) where the former
 * puts code 0 above 0 and that may not be. */
LANE_FN void try_span(const fit_values *a, const level_grid *g, vf inverse, vf shift, vf weights, bool below,
                      span_fit *best) {
    vf zero = vf_set(0), one = vf_set(1), e = zero, sr = zero, rl = zero, sl = zero, l2 = zero;
    for (int i = 0; i < a->n; i++) {
        vf v = vf_add(vf_mul(a->x[i], inverse), shift), l = level_near(g, v), r = vf_sub(v, l);
        vf wr = weigh(a->w, i, r), wl = weigh(a->w, i, l);
        e = vf_add(e, vf_mul(wr, r));
        sr = vf_add(sr, wr);
        rl = vf_add(rl, vf_mul(wr, l));
        sl = vf_add(sl, wl);
        l2 = vf_add(l2, vf_mul(wl, l));
    }
    vf det = vf_sub(vf_mul(weights, l2), vf_mul(sl, sl)), back = vf_div(one, inverse);
    vf m = vf_div(vf_sub(vf_mul(weights, rl), vf_mul(sr, sl)), det);
    vf c = vf_div(vf_sub(sr, vf_mul(m, sl)), weights);
    vf min = vf_mul(vf_sub(shift, c), back);
    vf error = vf_sub(vf_sub(e, vf_mul(m, rl)), vf_mul(c, sr));
    if (below) {
        vm above = vf_lt(min, zero);
        vf rl0 = vf_sub(rl, vf_mul(shift, sl)), m0 = vf_div(rl0, l2);
        vf e0 = vf_add(e, vf_mul(shift, vf_sub(vf_mul(shift, weights), vf_add(sr, sr))));
        m = vf_pick(above, m0, m);
        error = vf_pick(above, vf_sub(e0, vf_mul(m0, rl0)), error);
        min = vf_pick(above, zero, min);
    }
    error = vf_mul(vf_mul(error, back), back);
    vf scale = vf_mul(vf_add(one, m), back);
    keep_span(vm_and(vf_lt(error, best->error), vf_gt(det, zero)), scale, min, error, best);
}

LANE_FN span_fit scan_ends(const fit_values *a, const level_grid *g, const end_rule *rule) {
    vf lo = a->x[0], hi = a->x[0], weights = vf_set(0), zero = vf_set(0);
    for (int i = 0; i < a->n; i++) {
        lo = vf_min(a->x[i], lo);
        hi = vf_max(a->x[i], hi);
        weights = vf_add(weights, weigh(a->w, i, vf_set(1)));
    }
    if (rule->below) lo = vf_min(lo, zero);
    vf width = vf_sub(hi, lo);
    span_fit best = {zero, zero, stored_error(a, g, zero, zero)};
    vf flat = rule->below ? vf_max(vf_neg(hi), zero) : vf_neg(hi); /* all codes 0 */
    vf error = stored_error(a, g, zero, flat);
    keep_span(vf_lt(error, best.error), zero, flat, error, &best);
    for (int k = 0; k <= rule->steps; k++)
        for (int j = 0; j <= rule->steps; j++) {
            float p = rule->first + rule->step * (float)k, q = rule->first + rule->step * (float)j;
            vf inverse = vf_div(vf_set(g->hi + p + q), width);
            vf shift = vf_neg(vf_add(vf_mul(lo, inverse), vf_set(p)));
            try_span(a, g, inverse, shift, weights, rule->below, &best);
        }
    for (int k = 0; k < REFINEMENTS; k++) { /* codes nearest to the fit, fitted again */
        vf inverse = inverse_or_zero(best.scale);
        try_span(a, g, inverse, vf_mul(best.min, inverse), weights, rule->below, &best);
    }
    return best;
}

LANE_BIG span_fit fit_span(const fit_values *a, float hi, const end_rule *rules) {
    level_grid g = whole_levels(0, hi);
    fit_values plain = {a->x, NULL, a->n};
    return a->w ? scan_ends(a, &g, rules + 1) : scan_ends(&plain, &g, rules);
}

/* ---- fp16 ---- */

/* unit: x * unit is the value in the file; inverse: 1 / unit. */
typedef struct file_unit {
    vf unit, inverse;
} file_unit;

/* The finite fp16 word nearest to v in the file, and the one `step` places farther from 0. */
LANE_FN vi file_half(file_unit u, vf v, int step) {
    vi h = vi_half(vf_mul(v, u.unit)), size = vi_add(vi_and(h, vi_set(0x7FFF)), vi_set(step));
    size = vi_min(vi_max(size, vi_set(0)), vi_set(0x7BFF));
    return vi_or(size, vi_and(h, vi_set(0x8000)));
}

LANE_FN vf half_value(file_unit u, vi h) { return vf_mul(vf_of_half(h), u.inverse); }

enum { HALF_STEPS = 2 };

LANE_BIG vi best_scale_half(const fit_values *a, const level_grid *g, const scale_fit *fit, file_unit u) {
    vi best = vi_set(0);
    vf least = stored_error(a, g, vf_set(0), vf_set(0));
    for (int step = -HALF_STEPS; step <= HALF_STEPS; step++) {
        vi h = file_half(u, fit->scale, step);
        vf error = stored_error(a, g, half_value(u, h), vf_set(0));
        vm better = vf_lt(error, least);
        best = vi_pick(better, h, best);
        least = vf_pick(better, error, least);
    }
    return best;
}

/* ---- blocks in and out ---- */

typedef struct best_lanes {
    const float *x[LANES], *w[LANES];
    file_unit file;
    bool weighted;
} best_lanes;

typedef void (*best_block)(const best_lanes *b, vi *words);

LANE_BIG void best_blocks(const bb_best_blocks *b, size_t size, size_t bytes, best_block encode, unsigned char *out) {
    vi words[BLOCK_WORDS];
    float unit[LANES];
    for (size_t at = 0; at < b->n; at += LANES, out += LANES * bytes) {
        size_t live = b->n - at < LANES ? b->n - at : LANES;
        best_lanes lanes = {.weighted = b->w != NULL};
        for (size_t l = 0; l < LANES; l++) {
            size_t block = at + (l < live ? l : live - 1);
            lanes.x[l] = b->x + block * size;
            lanes.w[l] = b->w ? b->w + block * size : NULL;
            unit[l] = b->unit[block];
        }
        lanes.file.unit = vf_load(unit);
        lanes.file.inverse = vf_div(vf_set(1), lanes.file.unit);
        encode(&lanes, words);
        put_blocks(words, bytes, live, out);
    }
}

/* x and w: room for n; a->w stays NULL without weights. */
LANE_FN fit_values load_lanes(const best_lanes *b, int n, vf *x, vf *w) {
    fit_values a = {x, b->weighted ? w : NULL, n};
    load_values(b->x, 0, (size_t)n, x);
    if (b->weighted) load_values(b->w, 0, (size_t)n, w);
    return a;
}

#define BEST_SEARCH(type, size, bytes)                                                                                 \
    void LANE_NAME(bb_##type##_best)(const bb_best_blocks *b, unsigned char *out) {                                    \
        best_blocks(b, size, bytes, best_##type, out);                                                                 \
    }
#endif
