/* SPDX-License-Identifier: GPL-3.0-or-later */
/* type_error.c - what a storage type loses of normally distributed weights, measured. */
#include "study/type_error.h"
#include "base/mem.h"
#include "study/study_parts.h"
#include <stdlib.h>

/* 256: the largest block of any type. 64 rows give two digits of what many more give. */
enum { ROWS = 64, COLS = 256, N = ROWS * COLS, SEED = 1 };

bb_status bb_type_error(const bb_dtype *t, double *rel) {
    bb_error_stats stats;
    uint64_t row_bytes;
    bb_status st = bb_dtype_row_bytes(t, COLS, &row_bytes);
    if (st) return st;
    float *x = bb_alloc(N, sizeof *x), *y = bb_alloc(N, sizeof *y);
    double *ref = bb_alloc(N, sizeof *ref), *got = bb_alloc(N, sizeof *got);
    void *stored = bb_alloc(ROWS, (size_t)row_bytes);
    if (!x || !y || !ref || !got || !stored) {
        st = BB_E_NOMEM;
        goto out;
    }
    bb_study_gaussian(SEED, 0, x, N);
    st = bb_quantize_rows(t, x, ROWS, COLS, NULL, stored);
    if (!st) st = bb_dequantize_rows(t, stored, ROWS, COLS, y);
    if (st) goto out;
    for (size_t i = 0; i < N; i++) {
        ref[i] = (double)x[i];
        got[i] = (double)y[i];
    }
    st = bb_error_measure(ref, got, N, &stats);
    if (!st) *rel = stats.rel;
out:
    free(x);
    free(y);
    free(ref);
    free(got);
    free(stored);
    return st;
}
