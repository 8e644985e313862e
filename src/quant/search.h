/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search.h - ggml's searches for the scale (and minimum) of a block, a block in each lane; after a lanes_ISA.h.
 *
 * The rules are those of ggml 0.25.1 (ggml-quants.c, the function is named beside each): every sum runs in the order of
 * the elements, and a product a * b * c is (a * b) * c, since the bytes depend on the rounding of each step. Where ggml
 * stores codes at every improvement, here only what gives them is kept and the codes are made once at the end. A lane
 * that a branch of ggml's would leave out computes on, and its result is not taken. */
#ifndef BB_QUANT_SEARCH_H
#define BB_QUANT_SEARCH_H

/* GROUP_MAX_EPS: blocks below are all zero. */
#define SEARCH_EPS 1e-15f
enum { SEARCH_MOST = 32, SEARCH_PASSES = 5 };

/* The value of largest magnitude, the first of equals. */
LANE_FN vf search_extreme(const vf *x, int n, vf *amax) {
    vf max = vf_set(0), most = vf_set(0);
    for (int i = 0; i < n; i++) {
        vf a = vf_abs(x[i]);
        vm more = vf_gt(a, most);
        most = vf_pick(more, a, most);
        max = vf_pick(more, x[i], max);
    }
    *amax = most;
    return max;
}

/* make_qx_quants: a signed scale, codes 0..2 nmax - 1 about nmax. 19 candidates, each judged by its least-squares fit.
 */
LANE_BIG vf search_qx(const vf *x, const vf *w, int n, float nmax, vi *codes) {
    vf wx[SEARCH_MOST], amax, max = search_extreme(x, n, &amax);
    vf best = vf_set(0), scale = vf_set(0), kept = vf_set(0);
    vm flat = vf_lt(amax, vf_set(SEARCH_EPS));
    for (int i = 0; i < n; i++) wx[i] = vf_mul(w[i], x[i]);
    for (int k = 0; k <= 18; k++) {
        int step = k == 0 ? 0 : k <= 9 ? k - 10 : k - 9; /* the middle one first, then -9..9 without it */
        vf iscale = vf_div(vf_set(step == 0 ? -nmax : -(nmax + 0.1f * (float)step)), max);
        vf sumlx = vf_set(0), suml2 = vf_set(0);
        for (int i = 0; i < n; i++) {
            vf l = vf_near_in(vf_mul(iscale, x[i]), -nmax, nmax - 1);
            sumlx = vf_add(sumlx, vf_mul(wx[i], l));
            suml2 = vf_add(suml2, vf_mul(vf_mul(w[i], l), l));
        }
        vf fit = vf_div(sumlx, suml2);
        if (step == 0) {
            scale = vf_pick(vf_ne(suml2, vf_set(0)), fit, scale);
            best = vf_mul(scale, sumlx);
            kept = iscale;
            continue;
        }
        vm better = vm_and(vf_gt(suml2, vf_set(0)), vf_gt(vf_mul(sumlx, sumlx), vf_mul(best, suml2)));
        scale = vf_pick(better, fit, scale);
        best = vf_pick(better, vf_mul(fit, sumlx), best);
        kept = vf_pick(better, iscale, kept);
    }
    for (int i = 0; i < n; i++) {
        vf l = vf_near_in(vf_mul(kept, x[i]), -nmax, nmax - 1);
        codes[i] = vi_pick(flat, vi_set(0), vi_of_f(vf_add(l, vf_set(nmax))));
    }
    return vf_pick(flat, vf_set(0), scale);
}

/* One step of the descent of make_q3_quants and make_qp_quants: another code for x, if the fit gains by it. A lane
 * without a change in a whole pass has none in the next either, so that lanes need not stop one by one. */
typedef struct descent {
    vf sumlx, suml2;
    vm changed;
} descent;

/* The candidates of a search with a minimum: (first + step * k + nmax) / range for k = 0..steps; the error is absolute
 * or squared. */
typedef struct span_rule {
    float first, step;
    int steps;
    bool absolute;
} span_rule;

LANE_FN vf span_error(const vf *x, const vf *w, const vf *l, int n, vf scale, vf min, bool absolute) {
    vf error = vf_set(0);
    for (int i = 0; i < n; i++) {
        vf diff = vf_sub(vf_add(vf_mul(scale, l[i]), min), x[i]);
        error = vf_add(error, vf_mul(w[i], absolute ? vf_abs(diff) : vf_mul(diff, diff)));
    }
    return error;
}

/* make_qkx2_quants, make_qkx3_quants: scale and *minus_min >= 0, x ~ scale * code - *minus_min, codes 0..nmax. */
LANE_FN vf search_span(const vf *x, const vf *w, int n, float nmax, const span_rule *rule, vf *minus_min, vi *codes) {
    vf min = x[0], max = x[0], sum_w = w[0], sum_x = vf_mul(w[0], x[0]), zero = vf_set(0), l[SEARCH_MOST];
    for (int i = 1; i < n; i++) {
        min = vf_min(x[i], min);
        max = vf_max(x[i], max);
        sum_w = vf_add(sum_w, w[i]);
        sum_x = vf_add(sum_x, vf_mul(w[i], x[i]));
    }
    min = vf_pick(vf_gt(min, zero), zero, min);
    vm flat = vf_eq(max, min);
    vf iscale = vf_div(vf_set(nmax), vf_sub(max, min)), scale = vf_div(vf_set(1), iscale);
    for (int i = 0; i < n; i++) l[i] = vf_near_in(vf_mul(iscale, vf_sub(x[i], min)), 0, nmax);
    vf best = span_error(x, w, l, n, scale, min, rule->absolute);
    vf kept = iscale, kept_min = min; /* what the codes come from: min is fitted anew afterwards */
    for (int k = 0; k <= rule->steps; k++) {
        iscale = vf_div(vf_set(rule->first + rule->step * (float)k + nmax), vf_sub(max, min));
        vf sum_l = zero, sum_l2 = zero, sum_xl = zero;
        for (int i = 0; i < n; i++) {
            l[i] = vf_near_in(vf_mul(iscale, vf_sub(x[i], min)), 0, nmax);
            vf wl = vf_mul(w[i], l[i]);
            sum_l = vf_add(sum_l, wl);
            sum_l2 = vf_add(sum_l2, vf_mul(wl, l[i]));
            sum_xl = vf_add(sum_xl, vf_mul(wl, x[i]));
        }
        vf det = vf_sub(vf_mul(sum_w, sum_l2), vf_mul(sum_l, sum_l));
        vf s = vf_div(vf_sub(vf_mul(sum_w, sum_xl), vf_mul(sum_x, sum_l)), det);
        vf m = vf_div(vf_sub(vf_mul(sum_l2, sum_x), vf_mul(sum_l, sum_xl)), det);
        vm above = vf_gt(m, zero);
        if (vm_any(above)) s = vf_pick(above, vf_div(sum_xl, sum_l2), s);
        m = vf_pick(above, zero, m);
        vf error = span_error(x, w, l, n, s, m, rule->absolute);
        vm better = vm_and(vm_not(flat), vm_and(vf_gt(det, zero), vf_lt(error, best)));
        kept = vf_pick(better, iscale, kept);
        kept_min = vf_pick(better, min, kept_min);
        best = vf_pick(better, error, best);
        scale = vf_pick(better, s, scale);
        min = vf_pick(better, m, min);
    }
    for (int i = 0; i < n; i++) {
        vf code = vf_near_in(vf_mul(kept, vf_sub(x[i], kept_min)), 0, nmax);
        codes[i] = vi_pick(flat, vi_set(0), vi_of_f(code));
    }
    *minus_min = vf_neg(min);
    return vf_pick(flat, zero, scale);
}

LANE_FN void qp_step(vf x, vf w, float nmax, vi *code, descent *s) {
    vf wx = vf_mul(w, x), l = vf_of_i(*code), zero = vf_set(0);
    vf slx = vf_sub(s->sumlx, vf_mul(wx, l));
    vf sl2 = vf_sub(s->suml2, vf_mul(vf_mul(w, l), l));
    vi next = vi_min(vi_near(vf_div(vf_mul(x, sl2), slx)), vi_set((int)nmax));
    vf n = vf_of_i(next);
    vm take = vm_and(vm_and(vf_gt(slx, zero), vf_gt(sl2, zero)), vm_not(vi_eq(next, *code)));
    slx = vf_add(slx, vf_mul(wx, n));
    sl2 = vf_add(sl2, vf_mul(vf_mul(w, n), n));
    vf gain = vf_mul(vf_mul(slx, slx), s->suml2), had = vf_mul(vf_mul(s->sumlx, s->sumlx), sl2);
    take = vm_and(take, vf_gt(gain, had));
    *code = vi_pick(take, vi_and(next, vi_set(255)), *code);
    s->sumlx = vf_pick(take, slx, s->sumlx);
    s->suml2 = vf_pick(take, sl2, s->suml2);
    s->changed = vm_or(s->changed, take);
}

/* make_qp_quants: scale of values >= 0 with weights, codes 0..nmax. ggml keeps codes as bytes: a negative one, from a
 * negative value, wraps. */
LANE_BIG vf search_qp(const vf *x, const vf *w, int n, float nmax, vi *codes) {
    vf max = vf_set(0), zero = vf_set(0), kept = zero, best = zero;
    for (int i = 0; i < n; i++) max = vf_max(max, x[i]);
    vm flat = vf_lt(max, vf_set(SEARCH_EPS));
    for (int k = 0; k <= 8; k++) {
        int step = k == 0 ? 0 : k <= 4 ? k - 5 : k - 4; /* the middle one first, then -4..4 without it */
        vf iscale = vf_div(vf_set(step == 0 ? nmax : 0.1f * (float)step + nmax), max);
        vf scale = vf_div(vf_set(1), iscale), error = zero;
        for (int i = 0; i < n; i++) {
            vi l = vi_near(vf_mul(iscale, x[i]));
            l = step == 0 ? vi_and(l, vi_set(255)) : vi_min(l, vi_set((int)nmax));
            vf diff = vf_sub(x[i], vf_mul(scale, vf_of_i(l)));
            error = vf_add(error, vf_mul(vf_mul(w[i], diff), diff));
        }
        vm better = vf_lt(error, best);
        best = step == 0 ? error : vf_pick(better, error, best);
        kept = step == 0 ? iscale : vf_pick(better, iscale, kept);
    }
    descent s = {zero, zero, vf_lt(zero, zero)};
    for (int i = 0; i < n; i++) {
        vi code = vi_min(vi_near(vf_mul(kept, x[i])), vi_set((int)nmax));
        vf l = vf_of_i(code);
        codes[i] = vi_and(code, vi_set(255));
        s.sumlx = vf_add(s.sumlx, vf_mul(vf_mul(w[i], x[i]), l));
        s.suml2 = vf_add(s.suml2, vf_mul(vf_mul(w[i], l), l));
    }
    for (int pass = 0; pass < SEARCH_PASSES; pass++) {
        s.changed = vf_lt(zero, zero);
        for (int i = 0; i < n; i++) qp_step(x[i], w[i], nmax, &codes[i], &s);
        if (!vm_any(s.changed)) break;
    }
    for (int i = 0; i < n; i++) codes[i] = vi_pick(flat, vi_set(0), codes[i]);
    vf scale = vf_pick(vf_gt(s.suml2, zero), vf_div(s.sumlx, s.suml2), zero);
    return vf_pick(flat, zero, scale);
}

/* The values of iq4_nl and iq4_xs (kvalues_iq4nl), and for k = 0..14 the least number that is nearer to value k + 1
 * than to value k, or as near: best_index_int8 takes its differences exactly there. */
static const float iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
static const float iq4_bounds[16] = {-115.5f, -93.5f, -74,   -57,   -42, -28.5f, -16, -4.5f,
                                     7,       19,     31.5f, 45.5f, 61,  79,     101, 0};

/* How many bounds are not above v: 0..15, 15 for NaN. */
LANE_FN vi iq4_index(vt bounds, vf v) {
    vi i = vi_set(0);
    for (int half = 8; half > 0; half /= 2) {
        vm below = vf_lt(v, vt_at(bounds, vi_add(i, vi_set(half - 1))));
        i = vi_pick(below, i, vi_add(i, vi_set(half)));
    }
    return i;
}

/* The scale of quantize_row_iq4_nl_impl with ntry = 7, for 32 values. */
LANE_BIG vf search_iq4(const vf *x, const vf *w, vt values, vt bounds) {
    vf amax, max = search_extreme(x, 32, &amax), zero = vf_set(0), scale = zero, best = zero;
    for (int k = 0; k <= 15; k++) {
        vf id =
            k == 0 ? vf_div(vf_set(1), vf_div(vf_neg(max), vf_set(-127))) : vf_div(vf_set((float)(k - 8 - 127)), max);
        vf sumqx = zero, sumq2 = zero;
        for (int i = 0; i < 32; i++) {
            vf q = vt_at(values, iq4_index(bounds, vf_mul(id, x[i])));
            vf wq = vf_mul(w[i], q);
            sumqx = vf_add(sumqx, vf_mul(wq, x[i]));
            sumq2 = vf_add(sumq2, vf_mul(wq, q));
        }
        vm better = vf_gt(sumq2, zero);
        if (k > 0) better = vm_and(better, vf_gt(vf_mul(sumqx, sumqx), vf_mul(best, sumq2)));
        scale = vf_pick(better, vf_div(sumqx, sumq2), scale);
        best = k == 0 ? vf_mul(scale, sumqx) : vf_pick(better, vf_mul(scale, sumqx), best);
    }
    return vf_pick(vf_lt(amax, vf_set(SEARCH_EPS)), zero, scale);
}
#endif
