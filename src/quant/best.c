/* SPDX-License-Identifier: GPL-3.0-or-later */
/* best.c - which search a type has; blocks made ready for it, and its result judged against ggml's. */
#include "quant/best.h"
#include <math.h>
#include <string.h>

/* Blocks of a group: a multiple of every number of lanes. A block has at most 256 elements and 210 bytes. */
enum { GROUP = 16, MOST = 256, MOST_BYTES = 210 };

/* No weight is below this part of the mean one, so that every scale is defined; the judge takes them as they are. */
#define LEAST_WEIGHT 0x1p-16f

#if BB_X86
#define ROW(type)                                                                                                      \
    {                                                                                                                  \
#type, { bb_##type##_best, bb_##type##_best_avx2, bb_##type##_best_avx512 }                                    \
    }
#else
#define ROW(type)                                                                                                      \
    {                                                                                                                  \
#type, { bb_##type##_best }                                                                                    \
    }
#endif

static const struct {
    const char *type;
    bb_best_search search[3]; /* from BB_ISA_SCALAR on; the last that is not NULL is also that of the wider ones */
} table[] = {
    ROW(q4_0),
    ROW(q4_1),
    ROW(q5_0),
    ROW(q5_1),
    ROW(q8_0),
    ROW(q2_0),
    ROW(iq4_nl),
    ROW(mxfp4),
    ROW(nvfp4),
    ROW(q2_K),
    ROW(q3_K),
    ROW(q4_K),
    ROW(q5_K),
    ROW(q6_K),
    ROW(iq4_xs),
    {"q1_0", {bb_q1_0_best}},
    {"tq1_0", {bb_tq1_0_best}},
    {"tq2_0", {bb_tq2_0_best}},
};

bb_best_search bb_best_find(const bb_dtype *t, bb_isa isa) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].type, t->name) != 0) continue;
        for (int k = (int)bb_isa_choose(isa) - BB_ISA_SCALAR; k > 0; k--)
            if (table[i].search[k]) return table[i].search[k];
        return table[i].search[0];
    }
    return NULL;
}

/* 2^-e and 2^e for the exponent e of the largest |x[i]|, held where both are normal numbers; false when some x is not
 * finite. */
static bool find_unit(const float *x, size_t n, float *inverse, float *unit) {
    float most = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) return false;
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    }
    int e = most > 0 ? ilogbf(most) : 0;
    e = e < -126 ? -126 : e > 126 ? 126 : e;
    *inverse = ldexpf(1, -e);
    *unit = ldexpf(1, e);
    return true;
}

static double usable(float importance) { return importance > 0 && isfinite(importance) ? (double)importance : 0; }

/* Weights of about 1 from importance; false, and all 1, when there is none to go by. */
static bool find_weights(const float *importance, size_t n, float *w) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += usable(importance[i]);
    for (size_t i = 0; i < n; i++) {
        w[i] = sum > 0 ? (float)(usable(importance[i]) * (double)n / sum) : 1;
        if (w[i] < LEAST_WEIGHT) w[i] = LEAST_WEIGHT;
    }
    return sum > 0;
}

/* sum w (x - y)^2; w NULL = 1. Not a number, or infinite, where y is. */
static double error_of(const float *x, const float *y, const float *w, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double r = (double)x[i] - (double)y[i];
        sum += (w ? usable(w[i]) : 1) * r * r;
    }
    return sum;
}

static bool lower(double a, double b) { return a < b || (isnan(b) && !isnan(a)); }

typedef struct group {
    float x[GROUP * MOST], w[GROUP * MOST], unit[GROUP];
    float ours[GROUP * MOST], ggml[GROUP * MOST];
    unsigned char bytes[GROUP * MOST_BYTES];
    bool finite[GROUP], weighted[GROUP];
} group;

/* n blocks of `size` elements from x on, where importance NULL or that of column (at + i) % cols belongs to x[i]. */
static void prepare(group *g, const float *x, size_t n, size_t size, size_t at, size_t cols, const float *importance) {
    for (size_t b = 0; b < n; b++) {
        float inverse, *to = g->x + b * size;
        g->unit[b] = 1;
        g->finite[b] = find_unit(x + b * size, size, &inverse, &g->unit[b]);
        for (size_t i = 0; i < size; i++) to[i] = g->finite[b] ? x[b * size + i] * inverse : 0;
        g->weighted[b] = importance && find_weights(importance + (at + b * size) % cols, size, g->w + b * size);
    }
}

/* Where the error by the weights as they came is the same, as in channels without importance, that of the search
 * decides. */
static bool improves(const group *g, size_t b, size_t size, const float *x, const float *importance) {
    const float *ours = g->ours + b * size, *ggml = g->ggml + b * size;
    if (!g->finite[b]) return false;
    const float *w = g->weighted[b] ? importance : NULL;
    double a = error_of(x, ours, w, size), c = error_of(x, ggml, w, size);
    if (w && a == c) return lower(error_of(x, ours, g->w + b * size, size), error_of(x, ggml, g->w + b * size, size));
    return lower(a, c);
}

void bb_best_encode(bb_best_search search, const bb_codec *codec, const bb_dtype *t, const float *x, size_t rows,
                    size_t cols, const float *importance, unsigned char *out) {
    size_t size = t->block, bytes = t->block_bytes, blocks = rows * cols / size;
    group g;
    codec->encode(x, rows, cols, importance, out);
    for (size_t at = 0; at < blocks; at += GROUP, x += GROUP * size, out += GROUP * bytes) {
        size_t n = blocks - at < GROUP ? blocks - at : GROUP;
        prepare(&g, x, n, size, at * size, cols, importance);
        search(&(bb_best_blocks){g.x, importance ? g.w : NULL, g.unit, n}, g.bytes);
        codec->decode(g.bytes, 1, n * size, g.ours);
        codec->decode(out, 1, n * size, g.ggml);
        for (size_t b = 0; b < n; b++) {
            const float *columns = importance ? importance + (at + b) * size % cols : NULL;
            if (improves(&g, b, size, x + b * size, columns)) memcpy(out + b * bytes, g.bytes + b * bytes, bytes);
        }
    }
}
