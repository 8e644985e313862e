/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reference_product.h - the float64 product that errors of a kernel's are measured against, and their relative norm. */
#ifndef BB_STUDY_REFERENCE_PRODUCT_H
#define BB_STUDY_REFERENCE_PRODUCT_H
#include "base/pool.h"
#include <stddef.h>

/* y = W x; each sum in float64 in the order of k, so that its bits depend on nothing else. */
typedef struct bb_reference {
    /* [rows][cols]; one of both is NULL: values that fp32 holds, or any */
    const float *w;
    const double *wide;
    const float *x; /* [tokens][cols] */
    size_t rows, cols, tokens;
    double *y; /* [rows][tokens] */
} bb_reference;
/* pool NULL = this thread. */
void bb_reference_run(const bb_reference *ref, bb_pool *pool);

/* |error| / |ref| from sums of squares, which go over the tokens of one row, then over the rows; a matrix of zeros has
 * no error. */
double bb_relative_norm(double error, double ref);
#endif
