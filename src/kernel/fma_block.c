/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fma_block.c - chains of fp32 fused multiply-adds where the instruction cannot be counted on. */
#include "kernel/fma_block.h"
#include <math.h>
#include <string.h>

/* The product of two fp32 numbers is exact in fp64, and so is the fma rounded twice: sum of product and addend to 53
 * bits, then to 24. That goes wrong only where the first rounding, being inexact, gives the middle of two fp32 numbers:
 * the low 29 bits are 1 and then zeros, or the result is subnormal and the middle lies elsewhere. Such blocks, rare,
 * are done again with the sum rounded to odd, which the second rounding cannot be misled by (Boldo and Melquiond,
 * Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to odd, IEEE TC 57(4), 2008). The
 * product of two bf16 numbers has 16 bits: where adding it is inexact, the sum is within 2^-28 of itself of product or
 * addend, which are fp32 numbers, and so in no middle; only what may be flushed is done again. */

static double fma_odd(double w, double x, bool flush, double sum) {
    double p = w * x, s = p + sum;
    if (!isfinite(s)) return (double)(float)s;
    double from_sum = s - p, e = (p - (s - from_sum)) + (sum - from_sum); /* Knuth's two-sum: e is exact */
    uint64_t u;
    memcpy(&u, &s, sizeof u);
    if (e != 0 && u % 2 == 0) {
        u += (e < 0) == (s < 0) ? 1 : (uint64_t)-1;
        memcpy(&s, &u, sizeof s);
    }
    /* below the middle of the largest 24-bit number under 2^-126 and 2^-126, itself even */
    if (flush && fabs(s) < 0x1p-126 - 0x1p-151) return copysign(0, s);
    return (double)(float)s;
}

enum { COLUMNS = 16 }; /* whose sums stay in registers */

typedef double two_doubles __attribute__((vector_size(16)));
typedef float two_floats __attribute__((vector_size(8)));
typedef uint32_t four_words __attribute__((vector_size(16)));
typedef int32_t four_ints __attribute__((vector_size(16)));

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BOTH_TWICE(low, high)                                                                                          \
    { low, high, low, high }
#else
#define BOTH_TWICE(low, high)                                                                                          \
    { high, low, high, low }
#endif

/* Rounds twice; false where that may be wrong: in the lower word of a sum bits 0 to 28 are 0x10000000, or its upper
 * word without the sign lies in 1..0x38100000, the word of 2^-126. Each range is moved to the bottom of the signed
 * ones. */
static bool fma_twice(double (*w)[BB_PANEL], size_t column, const double *x, bool flush, double *sum) {
    const four_words any = BOTH_TWICE(0x1FFFFFFF, 0x7FFFFFFF), tiny = BOTH_TWICE(0, 0x7FFFFFFF);
    const four_words mask = flush ? tiny : any, move = BOTH_TWICE(0x70000000, 0x7FFFFFFF);
    const four_ints end = BOTH_TWICE(-0x7FFFFFFF, -0x47F00000);
    four_ints doubt = {0};
    two_doubles s[COLUMNS / 2];
    memcpy(s, sum, sizeof s);
    for (size_t k = 0; k < BB_ACT_BLOCK; k++) {
        two_doubles each = {x[k], x[k]};
        for (size_t c = 0; c < COLUMNS / 2; c++) {
            two_doubles v;
            memcpy(&v, &w[k][column + 2 * c], sizeof v);
            v = v * each + s[c];
            s[c] = __builtin_convertvector(__builtin_convertvector(v, two_floats), two_doubles);
            doubt |= (four_ints)(((four_words)v & mask) + move) < end;
        }
    }
    memcpy(sum, s, sizeof s);
    return (doubt[0] | doubt[1] | doubt[2] | doubt[3]) == 0;
}

void bb_fma_block(double (*w)[BB_PANEL], const double *x, bool flush, double *sum) {
    for (size_t h = 0; h < BB_PANEL; h += COLUMNS) {
        double before[COLUMNS];
        memcpy(before, sum + h, sizeof before);
        if (fma_twice(w, h, x, flush, sum + h)) continue;
        for (size_t c = 0; c < COLUMNS; c++) {
            sum[h + c] = before[c];
            for (size_t k = 0; k < BB_ACT_BLOCK; k++) sum[h + c] = fma_odd(w[k][h + c], x[k], flush, sum[h + c]);
        }
    }
}
