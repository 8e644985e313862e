/* SPDX-License-Identifier: GPL-3.0-or-later */
/* output_error.c - what a matrix loses in its products once it is quantized: rows of it, through its kernel. */
#include "study/output_error.h"
#include "base/checked.h"
#include "base/mem.h"
#include "study/reference_product.h"
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

/* got [tokens][rows]. */
static double relative(const bb_reference *ref, const float *got) {
    double error = 0, whole = 0;
    for (size_t r = 0; r < ref->rows; r++) {
        double row_error = 0, row = 0;
        for (size_t t = 0; t < ref->tokens; t++) {
            double y = ref->y[r * ref->tokens + t], e = (double)got[t * ref->rows + r] - y;
            row_error += e * e;
            row += y * y;
        }
        error += row_error;
        whole += row;
    }
    return isfinite(error) && isfinite(whole) ? bb_relative_norm(error, whole) : (double)NAN;
}

bb_status bb_output_sample_error(const bb_output_sample *s, const float *x, size_t tokens, bb_isa isa, bb_pool *pool,
                                 bb_dispatch *dispatch, double *rel) {
    bb_packed *packed = NULL;
    const bb_matmul_opts how = {.isa = isa, .pool = pool, .dispatch = dispatch};
    bb_reference ref = {.w = s->w, .x = x, .rows = s->rows, .cols = s->cols, .tokens = tokens};
    float *y = bb_alloc(tokens, s->rows * sizeof *y);
    ref.y = bb_alloc(tokens, s->rows * sizeof *ref.y);
    bb_status status = y && ref.y ? bb_pack_as(s->type, s->data, s->rows, s->cols, pool, &packed, NULL) : BB_E_NOMEM;
    if (status == BB_OK) status = bb_matmul_as(packed, x, tokens, &how, y);
    if (status == BB_OK) {
        bb_reference_run(&ref, pool);
        *rel = relative(&ref, y);
    }
    bb_packed_free(packed);
    free(y);
    free(ref.y);
    return status;
}
