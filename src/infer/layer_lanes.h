/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layer_lanes.h - attention and the gate, written over lanes: included once behind a lanes_ISA.h. */
#ifndef BB_INFER_LAYER_LANES_H
#define BB_INFER_LAYER_LANES_H
#include "infer/layer_ops.h"
#include <math.h>
#include <string.h>

/* 2^k e^r with k the integer nearest to x log2 e and |r| <= ln 2 / 2; e^r by its series up to r^7, whose next term is
 * below 2^-27. ln 2 in two parts, the first of 15 bits, so that k times it is exact (Cody and Waite, 1980). Below
 * ln 2^-126, where results are no longer normal, 0; above 88 the value at 88; NaN stays NaN. */
LANE_FN vf vf_exp(vf x) {
    const float least = -0x1.5d58ap+6f, most = 88.0f;
    vf y = vf_max(vf_set(least), vf_min(vf_set(most), x));
    vi k = vi_near(vf_mul(y, vf_set(0x1.715476p+0f)));
    vf n = vf_of_i(k);
    vf r = vf_sub(vf_sub(y, vf_mul(n, vf_set(0x1.62e4p-1f))), vf_mul(n, vf_set(0x1.7f7d1cp-20f)));
    vf p = vf_set(1.0f / 5040);
    p = vf_add(vf_mul(p, r), vf_set(1.0f / 720));
    p = vf_add(vf_mul(p, r), vf_set(1.0f / 120));
    p = vf_add(vf_mul(p, r), vf_set(1.0f / 24));
    p = vf_add(vf_mul(p, r), vf_set(1.0f / 6));
    p = vf_add(vf_mul(p, r), vf_set(0.5f));
    p = vf_add(vf_mul(p, r), vf_set(1.0f));
    p = vf_add(vf_mul(p, r), vf_set(1.0f));
    vf power = vf_cast(vi_shl(vi_add(k, vi_set(127)), 23));
    return vf_pick(vf_lt(x, vf_set(least)), vf_set(0), vf_mul(p, power));
}

/* ---- scores ---- */

/* Four vectors of positions, from `at` of a tile on. */
LANE_FN void score_one(const float *q, const float *tile, size_t dims, float *s) {
    vf a0 = vf_set(0), a1 = a0, a2 = a0, a3 = a0;
    for (size_t d = 0; d < dims; d++, tile += BB_KEY_TILE) {
        vf x = vf_set(q[d]);
        a0 = vf_add(a0, vf_mul(x, vf_load(tile)));
        a1 = vf_add(a1, vf_mul(x, vf_load(tile + LANES)));
        a2 = vf_add(a2, vf_mul(x, vf_load(tile + 2 * LANES)));
        a3 = vf_add(a3, vf_mul(x, vf_load(tile + 3 * LANES)));
    }
    vf_store(s, a0);
    vf_store(s + LANES, a1);
    vf_store(s + 2 * LANES, a2);
    vf_store(s + 3 * LANES, a3);
}

LANE_FN void score_two(const float *q, const float *p, const float *tile, size_t dims, float *s, float *t) {
    vf a0 = vf_set(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    for (size_t d = 0; d < dims; d++, tile += BB_KEY_TILE) {
        vf x = vf_set(q[d]), y = vf_set(p[d]);
        vf k0 = vf_load(tile), k1 = vf_load(tile + LANES);
        vf k2 = vf_load(tile + 2 * LANES), k3 = vf_load(tile + 3 * LANES);
        a0 = vf_add(a0, vf_mul(x, k0));
        a1 = vf_add(a1, vf_mul(x, k1));
        a2 = vf_add(a2, vf_mul(x, k2));
        a3 = vf_add(a3, vf_mul(x, k3));
        b0 = vf_add(b0, vf_mul(y, k0));
        b1 = vf_add(b1, vf_mul(y, k1));
        b2 = vf_add(b2, vf_mul(y, k2));
        b3 = vf_add(b3, vf_mul(y, k3));
    }
    vf_store(s, a0);
    vf_store(s + LANES, a1);
    vf_store(s + 2 * LANES, a2);
    vf_store(s + 3 * LANES, a3);
    vf_store(t, b0);
    vf_store(t + LANES, b1);
    vf_store(t + 2 * LANES, b2);
    vf_store(t + 3 * LANES, b3);
}

/* Row r of the queries: heads of the first token, then those of the next. */
static inline const float *query(const bb_attend *a, size_t r) {
    return a->q + r / a->heads * a->q_stride + r % a->heads * a->head_dim;
}

/* Positions that a row sees. */
static inline size_t seen(const bb_attend *a, size_t r) { return a->n + r / a->heads; }

/* Rows r and, if two, r + 1 against the tile at position j. Behind what they see come numbers without meaning. */
LANE_BIG void score(const bb_attend *a, size_t r, bool two, size_t j, float *s, float *t) {
    const float *q = query(a, r), *p = two ? query(a, r + 1) : q, *tile = a->keys + j * a->head_dim;
    for (size_t at = 0; at < BB_KEY_TILE; at += 4 * LANES)
        if (two)
            score_two(q, p, tile + at, a->head_dim, s + at, t + at);
        else
            score_one(q, tile + at, a->head_dim, s + at);
}

/* ---- softmax ---- */

enum { PARTS = 16 };

/* Scores become e, those behind n too, as 0; the sum. */
LANE_BIG float exponentials(float *s, size_t n, float scale) {
    float part[PARTS], most = -INFINITY, sum = 0;
    size_t end = (n + PARTS - 1) / PARTS * PARTS;
    for (size_t j = n; j < end; j++) s[j] = -INFINITY;
    for (size_t l = 0; l < PARTS; l += LANES) {
        vf m = vf_set(-INFINITY);
        for (size_t j = l; j < end; j += PARTS) {
            vf x = vf_mul(vf_load(s + j), vf_set(scale));
            vf_store(s + j, x);
            m = vf_max(x, m);
        }
        vf_store(part + l, m);
    }
    for (size_t l = 0; l < PARTS; l++) most = part[l] > most ? part[l] : most;
    for (size_t l = 0; l < PARTS; l += LANES) {
        vf total = vf_set(0);
        for (size_t j = l; j < end; j += PARTS) {
            vf e = vf_exp(vf_sub(vf_load(s + j), vf_set(most)));
            vf_store(s + j, e);
            total = vf_add(total, e);
        }
        vf_store(part + l, total);
    }
    for (size_t l = 0; l < PARTS; l++) sum = l ? sum + part[l] : part[l];
    return sum;
}

/* ---- values ---- */

/* Adds e_j v_j of n positions to y, and f_j v_j to z: two vectors of dimensions of two rows, or one of either; both
 * flags are constants. */
LANE_FN void mix(const float *v, size_t stride, size_t n, const float *e, const float *f, bool two_rows,
                 bool two_vectors, float *y, float *z) {
    vf a0 = vf_load(y), a1 = a0, b0 = a0, b1 = a0;
    if (two_vectors) a1 = vf_load(y + LANES);
    if (two_rows) b0 = vf_load(z);
    if (two_rows && two_vectors) b1 = vf_load(z + LANES);
    for (size_t j = 0; j < n; j++, v += stride) {
        vf x = vf_set(e[j]), w = two_rows ? vf_set(f[j]) : x, v0 = vf_load(v), v1 = v0;
        if (two_vectors) v1 = vf_load(v + LANES);
        a0 = vf_add(a0, vf_mul(x, v0));
        if (two_vectors) a1 = vf_add(a1, vf_mul(x, v1));
        if (two_rows) b0 = vf_add(b0, vf_mul(w, v0));
        if (two_rows && two_vectors) b1 = vf_add(b1, vf_mul(w, v1));
    }
    vf_store(y, a0);
    if (two_vectors) vf_store(y + LANES, a1);
    if (two_rows) vf_store(z, b0);
    if (two_rows && two_vectors) vf_store(z + LANES, b1);
}

/* n positions from v on, all dimensions; f NULL: one row only. */
LANE_BIG void values(const float *v, size_t stride, size_t n, const float *e, const float *f, float *y, float *z) {
    for (size_t d = 0; d < stride;) {
        bool wide = stride - d >= 2 * LANES;
        if (f && wide)
            mix(v + d, stride, n, e, f, true, true, y + d, z + d);
        else if (f)
            mix(v + d, stride, n, e, f, true, false, y + d, z + d);
        else if (wide)
            mix(v + d, stride, n, e, e, false, true, y + d, y + d);
        else
            mix(v + d, stride, n, e, e, false, false, y + d, y + d);
        d += wide ? 2 * LANES : LANES;
    }
}

static inline size_t within_tile(size_t sees, size_t j) {
    size_t n = sees > j ? sees - j : 0;
    return n < BB_KEY_TILE ? n : BB_KEY_TILE;
}

/* Rows r and, if two, r + 1, which may see one position more, with the tile at position j. */
LANE_BIG void values_tile(const bb_attend *a, size_t r, bool two, size_t j, const float *e, const float *f) {
    const float *v = a->values + j * a->value_stride;
    float *y = a->sums + r * a->value_stride, *z = y + a->value_stride;
    size_t n = within_tile(seen(a, r), j), m = two ? within_tile(seen(a, r + 1), j) : n;
    values(v, a->value_stride, n, e, two ? f : NULL, y, z);
    if (m > n) values(v + n * a->value_stride, a->value_stride, m - n, f + n, NULL, z, z);
}

static inline bool pair(size_t r, size_t rows) { return r + 1 < rows; }

/* A tile of keys, and later one of values, serves all rows while it is in the cache. */
LANE_BIG void attend(const bb_attend *a) {
    size_t rows = a->tokens * a->heads, end = a->n + a->tokens - 1;
    size_t width = (end + BB_KEY_TILE - 1) / BB_KEY_TILE * BB_KEY_TILE;
    float totals[BB_ATTEND_ROWS];
    for (size_t j = 0; j < end; j += BB_KEY_TILE)
        for (size_t r = 0; r < rows; r += 2) {
            float *s = a->scores + r * width + j;
            if (j < seen(a, pair(r, rows) ? r + 1 : r)) score(a, r, pair(r, rows), j, s, s + width);
        }
    for (size_t r = 0; r < rows; r++) totals[r] = exponentials(a->scores + r * width, seen(a, r), a->scale);
    memset(a->sums, 0, rows * a->value_stride * sizeof *a->sums);
    for (size_t j = 0; j < end; j += BB_KEY_TILE)
        for (size_t r = 0; r < rows; r += 2) {
            const float *e = a->scores + r * width + j;
            if (j < seen(a, pair(r, rows) ? r + 1 : r)) values_tile(a, r, pair(r, rows), j, e, e + width);
        }
    for (size_t r = 0; r < rows; r++) {
        float *out = a->out + r / a->heads * a->out_stride + r % a->heads * a->value_dim;
        for (size_t d = 0; d < a->value_dim; d++) out[d] = a->sums[r * a->value_stride + d] / totals[r];
    }
}

/* ---- the gate ---- */

LANE_FN vf gate_of(vf x, vf up) { return vf_mul(vf_div(x, vf_add(vf_set(1.0f), vf_exp(vf_neg(x)))), up); }

LANE_BIG void gate(const float *x, const float *up, size_t n, float *y) {
    float rest[3][LANES] = {{0}};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) vf_store(y + i, gate_of(vf_load(x + i), vf_load(up + i)));
    if (i == n) return;
    memcpy(rest[0], x + i, (n - i) * sizeof *x);
    memcpy(rest[1], up + i, (n - i) * sizeof *x);
    vf_store(rest[2], gate_of(vf_load(rest[0]), vf_load(rest[1])));
    memcpy(y + i, rest[2], (n - i) * sizeof *x);
}

const bb_layer_ops LANE_NAME(bb_layer_table) = {attend, gate};
#endif
