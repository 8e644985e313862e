/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reference_product.c - the float64 product that errors of a kernel's are measured against, and their relative norm. */
#include "study/reference_product.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Tokens whose sums go on side by side, values of k for which their activations stay in the first cache, and rows of
 * one worker. */
enum { LANES = 8, DEPTH = 256, ROWS = 32 };

/* One row times a group of tokens, x [depth][LANES]. The sums have names because compilers keep those in registers. */
static void add_products(const double *w, const double (*x)[LANES], size_t depth, double *y) {
    double a = y[0], b = y[1], c = y[2], d = y[3], e = y[4], f = y[5], g = y[6], h = y[7];
    for (size_t i = 0; i < depth; i++) {
        double v = w[i];
        a += v * x[i][0];
        b += v * x[i][1];
        c += v * x[i][2];
        d += v * x[i][3];
        e += v * x[i][4];
        f += v * x[i][5];
        g += v * x[i][6];
        h += v * x[i][7];
    }
    const double sums[LANES] = {a, b, c, d, e, f, g, h};
    memcpy(y, sums, sizeof sums);
}

/* Values [at, at + depth) in float64: where they are, or in `own`. */
static const double *widened(const bb_reference *ref, size_t at, size_t depth, double *own) {
    if (ref->wide) return ref->wide + at;
    for (size_t i = 0; i < depth; i++) own[i] = (double)ref->w[at + i];
    return own;
}

static void multiply_rows(void *ctx, size_t part) {
    const bb_reference *ref = ctx;
    size_t first = part * ROWS, left = ref->rows - first, rows = left < ROWS ? left : ROWS, n = ref->cols;
    double x[DEPTH][LANES] = {{0}}, own[DEPTH];
    for (size_t t = 0; t < ref->tokens; t += LANES) {
        size_t lanes = ref->tokens - t < LANES ? ref->tokens - t : LANES;
        double y[ROWS][LANES] = {{0}};
        for (size_t k = 0; k < n; k += DEPTH) {
            size_t depth = n - k < DEPTH ? n - k : DEPTH;
            for (size_t l = 0; l < lanes; l++)
                for (size_t d = 0; d < depth; d++) x[d][l] = (double)ref->x[(t + l) * n + k + d];
            for (size_t r = 0; r < rows; r++)
                add_products(widened(ref, (first + r) * n + k, depth, own), (const double(*)[LANES])x, depth, y[r]);
        }
        for (size_t r = 0; r < rows; r++) memcpy(ref->y + (first + r) * ref->tokens + t, y[r], lanes * sizeof **y);
    }
}

void bb_reference_run(const bb_reference *ref, bb_pool *pool) {
    size_t parts = ref->rows / ROWS + (ref->rows % ROWS != 0);
    if (pool)
        bb_pool_run(pool, parts, multiply_rows, (void *)(uintptr_t)ref);
    else
        for (size_t i = 0; i < parts; i++) multiply_rows((void *)(uintptr_t)ref, i);
}

double bb_relative_norm(double error, double ref) {
    return error == 0 ? 0 : ref > 0 ? sqrt(error / ref) : (double)INFINITY;
}
