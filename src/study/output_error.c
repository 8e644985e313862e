/* SPDX-License-Identifier: GPL-3.0-or-later */
/* output_error.c - what a matrix loses in its products once it is quantized: rows of it, through its kernel. */
#include "study/output_error.h"
#include "base/checked.h"
#include "base/mem.h"
#include "study/study_parts.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool bb_output_measurable(const bb_dtype *type, uint64_t rows, uint64_t cols) {
    const bb_kernel *k = bb_kernel_find(type, BB_ISA_SCALAR);
    if (!k || rows == 0 || cols == 0 || cols > BB_OUTPUT_COLS_MAX || cols % type->block) return false;
    size_t most = k->family->layout->in_max;
    return most == 0 || cols <= most;
}

bb_status bb_output_sample_init(bb_output_sample *s, const bb_dtype *type, uint64_t rows, uint64_t cols) {
    uint64_t row_bytes, most = BB_OUTPUT_ELEMENTS / cols;
    if (most > BB_OUTPUT_ROWS) most = BB_OUTPUT_ROWS;
    *s = (bb_output_sample){.type = type, .of = rows, .cols = (size_t)cols};
    s->rows = (size_t)(rows < most ? rows : most);
    if (bb_dtype_row_bytes(type, cols, &row_bytes) != BB_OK) return BB_E_ARG;
    s->row_bytes = (size_t)row_bytes;
    s->w = bb_alloc(s->rows * s->cols, sizeof *s->w);
    s->data = bb_alloc(s->rows, s->row_bytes);
    return s->w && s->data ? BB_OK : BB_E_NOMEM;
}

void bb_output_sample_clear(bb_output_sample *s) {
    free(s->w);
    free(s->data);
    *s = (bb_output_sample){0};
}

uint64_t bb_output_sample_row(const bb_output_sample *s, size_t i) {
    return (uint64_t)((double)i * ((double)s->of / (double)s->rows));
}

void bb_output_sample_take(bb_output_sample *s, uint64_t first, size_t count, const float *w, const void *blocks) {
    const bb_dtype *t = s->type;
    uint64_t end = first + count;
    for (size_t i = 0; i < s->rows; i++) {
        uint64_t from = bb_output_sample_row(s, i) * s->cols, to = from + s->cols;
        if (to <= first || from >= end) continue;
        uint64_t a = from > first ? from : first, b = to < end ? to : end;
        size_t n = (size_t)(b - a), in_row = (size_t)(a - from), in_slab = (size_t)(a - first);
        memcpy(s->w + i * s->cols + in_row, w + in_slab, n * sizeof *w);
        memcpy(s->data + i * s->row_bytes + t->row_bytes + in_row / t->block * t->block_bytes,
               (const unsigned char *)blocks + in_slab / t->block * t->block_bytes, n / t->block * t->block_bytes);
    }
}

/* ---- the products ---- */

bb_status bb_output_inputs(uint64_t seed, size_t tokens, size_t cols, float **x) {
    size_t n;
    if (!bb_mul_size(tokens, cols, &n) || !(*x = bb_alloc(n, sizeof **x))) return BB_E_NOMEM;
    bb_study_gaussian(seed, 0, *x, n);
    return BB_OK;
}

/* Tokens whose sums go on side by side, values of k for which their activations stay in the first cache, and rows of
 * one worker. */
enum { LANES = 8, DEPTH = 256, ROWS = 32 };

typedef struct reference {
    const bb_output_sample *s;
    const float *x; /* [tokens][cols] */
    size_t tokens, groups;
    double (*y)[LANES]; /* [rows][groups] */
} reference;

/* Rows [first, end) times a group of tokens, x [depth][LANES] from k on: each sum over k in its order. The sums have
 * names because compilers keep those in registers. */
static void add_products(const reference *ref, size_t first, size_t end, size_t group, size_t k, size_t depth,
                         const double (*x)[LANES]) {
    for (size_t r = first; r < end; r++) {
        const float *w = ref->s->w + r * ref->s->cols + k;
        double *y = ref->y[r * ref->groups + group];
        double a = y[0], b = y[1], c = y[2], d = y[3], e = y[4], f = y[5], g = y[6], h = y[7];
        for (size_t i = 0; i < depth; i++) {
            double v = (double)w[i];
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
}

static void refer(void *ctx, size_t i) {
    const reference *ref = ctx;
    const bb_output_sample *s = ref->s;
    size_t first = i * ROWS, end = s->rows - first < ROWS ? s->rows : first + ROWS;
    double wide[DEPTH][LANES] = {{0}};
    for (size_t g = 0; g < ref->groups; g++) {
        size_t left = ref->tokens - g * LANES, tokens = left < LANES ? left : LANES;
        for (size_t k = 0; k < s->cols; k += DEPTH) {
            size_t depth = s->cols - k < DEPTH ? s->cols - k : DEPTH;
            for (size_t t = 0; t < tokens; t++)
                for (size_t d = 0; d < depth; d++) wide[d][t] = (double)ref->x[(g * LANES + t) * s->cols + k + d];
            add_products(ref, first, end, g, k, depth, (const double(*)[LANES])wide);
        }
    }
}

/* got [tokens][rows]. */
static double relative(const reference *ref, const float *got) {
    double error = 0, whole = 0;
    size_t rows = ref->s->rows;
    for (size_t t = 0; t < ref->tokens; t++)
        for (size_t r = 0; r < rows; r++) {
            double y = ref->y[r * ref->groups + t / LANES][t % LANES], e = (double)got[t * rows + r] - y;
            error += e * e;
            whole += y * y;
        }
    if (!isfinite(error) || !isfinite(whole)) return (double)NAN;
    return error == 0 ? 0 : whole > 0 ? sqrt(error / whole) : (double)INFINITY;
}

bb_status bb_output_sample_error(const bb_output_sample *s, const float *x, size_t tokens, bb_isa isa, bb_pool *pool,
                                 bb_dispatch *dispatch, double *rel) {
    bb_packed *packed = NULL;
    const bb_matmul_opts how = {.isa = isa, .pool = pool, .dispatch = dispatch};
    reference ref = {.s = s, .x = x, .tokens = tokens, .groups = tokens / LANES + (tokens % LANES != 0)};
    size_t parts = s->rows / ROWS + (s->rows % ROWS != 0);
    float *y = bb_alloc(tokens, s->rows * sizeof *y);
    ref.y = bb_alloc(ref.groups, s->rows * sizeof *ref.y);
    bb_status status = y && ref.y ? bb_pack_as(s->type, s->data, s->rows, s->cols, pool, &packed, NULL) : BB_E_NOMEM;
    if (status == BB_OK) status = bb_matmul_as(packed, x, tokens, &how, y);
    if (status == BB_OK) {
        if (pool)
            bb_pool_run(pool, parts, refer, &ref);
        else
            for (size_t i = 0; i < parts; i++) refer(&ref, i);
        *rel = relative(&ref, y);
    }
    bb_packed_free(packed);
    free(y);
    free(ref.y);
    return status;
}
