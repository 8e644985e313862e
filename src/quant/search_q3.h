/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_q3.h - ggml's search for the 16 scales of a q3_K block without importance (make_q3_quants); after search.h.
 *
 * Up to five passes over 16 codes each try another code for every value. Four blocks in five are done after the first,
 * so that a pass over all lanes would mostly be for nothing: the others are gathered into lanes of their own. Four run
 * side by side, since each step waits for the one before it and for a division. */
#ifndef BB_QUANT_SEARCH_Q3_H
#define BB_QUANT_SEARCH_Q3_H
#include "quant/blocks.h"
#include "quant/search.h"

enum { Q3 = 16, Q3_BLOCKS = 16, Q3_SIDE = 4 };

/* Code i of block j is code[Q3 * j + i]. */
typedef struct q3_state {
    vf code[Q3 * Q3_BLOCKS], sumlx[Q3_BLOCKS], suml2[Q3_BLOCKS];
    vm flat[Q3_BLOCKS];
    size_t pending;
    uint16_t place[Q3_BLOCKS * LANES]; /* j * LANES + l of those that changed */
} q3_state;

LANE_FN vm q3_start(const vf *x, vf *code, descent *s) {
    vf amax, iscale = vf_div(vf_set(-4), search_extreme(x, Q3, &amax));
    s->sumlx = s->suml2 = vf_set(0);
    for (int i = 0; i < Q3; i++) {
        vf w = vf_mul(x[i], x[i]), l = vf_near_in(vf_mul(iscale, x[i]), -4, 3);
        code[i] = l;
        s->sumlx = vf_add(s->sumlx, vf_mul(vf_mul(w, x[i]), l));
        s->suml2 = vf_add(s->suml2, vf_mul(vf_mul(w, l), l));
    }
    return vf_lt(amax, vf_set(SEARCH_EPS));
}

LANE_FN void q3_step(vf x, vf *code, descent *s) {
    vf w = vf_mul(x, x), wx = vf_mul(w, x), l = *code, zero = vf_set(0);
    vf slx = vf_sub(s->sumlx, vf_mul(wx, l));
    vf sl2 = vf_sub(s->suml2, vf_mul(vf_mul(w, l), l));
    vf n = vf_near_in(vf_div(vf_mul(x, sl2), slx), -4, 3);
    vm take = vm_and(vf_gt(slx, zero), vf_ne(n, l));
    slx = vf_add(slx, vf_mul(wx, n));
    sl2 = vf_add(sl2, vf_mul(vf_mul(w, n), n));
    vf gain = vf_mul(vf_mul(slx, slx), s->suml2), had = vf_mul(vf_mul(s->sumlx, s->sumlx), sl2);
    take = vm_and(take, vm_and(vf_gt(sl2, zero), vf_gt(gain, had)));
    *code = vf_pick(take, n, l);
    s->sumlx = vf_pick(take, slx, s->sumlx);
    s->suml2 = vf_pick(take, sl2, s->suml2);
    s->changed = vm_or(s->changed, take);
}

LANE_FN void q3_pass(const vf *x, vf *code, descent *s) {
    descent a = s[0], b = s[1], c = s[2], d = s[3];
    a.changed = b.changed = c.changed = d.changed = vf_lt(vf_set(0), vf_set(0));
    for (int i = 0; i < Q3; i++) {
        q3_step(x[i], &code[i], &a);
        q3_step(x[i + Q3], &code[i + Q3], &b);
        q3_step(x[i + 2 * Q3], &code[i + 2 * Q3], &c);
        q3_step(x[i + 3 * Q3], &code[i + 3 * Q3], &d);
    }
    s[0] = a;
    s[1] = b;
    s[2] = c;
    s[3] = d;
}

/* The first pass, over all. */
LANE_FN void q3_begin(const vf *x, q3_state *q) {
    q->pending = 0;
    for (int j = 0; j < Q3_BLOCKS; j += Q3_SIDE) {
        descent s[Q3_SIDE];
        for (int k = 0; k < Q3_SIDE; k++) q->flat[j + k] = q3_start(x + (j + k) * Q3, q->code + (j + k) * Q3, &s[k]);
        q3_pass(x + j * Q3, q->code + j * Q3, s);
        for (int k = 0; k < Q3_SIDE; k++) {
            q->sumlx[j + k] = s[k].sumlx;
            q->suml2[j + k] = s[k].suml2;
            unsigned bits = vm_bits(s[k].changed);
            for (unsigned l = 0; l < LANES; l++)
                if (bits >> l & 1) q->place[q->pending++] = (uint16_t)((unsigned)(j + k) * LANES + l);
        }
    }
}

/* The other passes of the blocks in place[], as many as there are lanes; those beyond the last repeat it. */
LANE_FN void q3_go_on(const lane_blocks *b, const uint16_t *place, size_t count, q3_state *q) {
    enum { SOME = Q3_SIDE * LANES };
    const float *row[SOME];
    vf x[Q3_SIDE * Q3], code[Q3_SIDE * Q3];
    float sumlx[SOME], suml2[SOME], *all = (float *)q->code, *some = (float *)code; /* lane by lane */
    float *all_sumlx = (float *)q->sumlx, *all_suml2 = (float *)q->suml2;
    size_t from[SOME], to[SOME];
    descent s[Q3_SIDE];
    for (size_t k = 0; k < SOME; k++) {
        size_t p = place[k < count ? k : count - 1];
        row[k] = b->x[p % LANES] + p / LANES * Q3;
        from[k] = p / LANES * Q3 * LANES + p % LANES;
        to[k] = k / LANES * Q3 * LANES + k % LANES;
        for (size_t i = 0; i < Q3; i++) some[to[k] + i * LANES] = all[from[k] + i * LANES];
        sumlx[k] = all_sumlx[p];
        suml2[k] = all_suml2[p];
    }
    for (int k = 0; k < Q3_SIDE; k++) {
        load_values(row + k * LANES, 0, Q3, x + k * Q3);
        s[k].sumlx = vf_load(sumlx + k * LANES);
        s[k].suml2 = vf_load(suml2 + k * LANES);
    }
    for (int pass = 1; pass < SEARCH_PASSES; pass++) {
        q3_pass(x, code, s);
        if (!vm_any(vm_or(vm_or(s[0].changed, s[1].changed), vm_or(s[2].changed, s[3].changed)))) break;
    }
    for (int k = 0; k < Q3_SIDE; k++) {
        vf_store(sumlx + k * LANES, s[k].sumlx);
        vf_store(suml2 + k * LANES, s[k].suml2);
    }
    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < Q3; i++) all[from[k] + i * LANES] = some[to[k] + i * LANES];
        all_sumlx[place[k]] = sumlx[k];
        all_suml2[place[k]] = suml2[k];
    }
}

/* x [256], scale [16], codes [256] 0..7 about 4. */
LANE_BIG void search_q3(const lane_blocks *b, const vf *x, vf *scale, vi *codes) {
    q3_state q;
    q3_begin(x, &q);
    for (size_t at = 0; at < q.pending; at += Q3_SIDE * LANES) {
        size_t left = q.pending - at;
        q3_go_on(b, q.place + at, left < Q3_SIDE * LANES ? left : Q3_SIDE * LANES, &q);
    }
    for (int j = 0; j < Q3_BLOCKS; j++) {
        vm some = vm_and(vm_not(q.flat[j]), vf_gt(q.suml2[j], vf_set(0)));
        scale[j] = vf_pick(some, vf_div(q.sumlx[j], q.suml2[j]), vf_set(0));
        for (int i = j * Q3; i < (j + 1) * Q3; i++)
            codes[i] = vi_pick(q.flat[j], vi_set(0), vi_add(vi_of_f(q.code[i]), vi_set(4)));
    }
}
#endif
