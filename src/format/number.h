/* SPDX-License-Identifier: GPL-3.0-or-later */
/* number.h - exact real numbers on their way into a format: parsed once, rounded once. */
#ifndef BB_FORMAT_NUMBER_H
#define BB_FORMAT_NUMBER_H
#include "base/str.h"

typedef enum bb_class { BB_CLASS_ZERO, BB_CLASS_FINITE, BB_CLASS_INF, BB_CLASS_NAN } bb_class;

/* A finite value is (-1)^sign * (sig + t) * 2^exp with sig = hi:lo, a 128-bit integer whose top bit is set, and
 * 0 < t < 1 when sticky, t = 0 when not. 128 bits and a sticky bit are enough to round into any format of at most 64
 * bits in every mode. above = t and below = 1 - t, each to the precision of a double, serve bb_number_diff: with them
 * the error of 1 + 1e-60 is 1e-60. t = rem / den exactly where den is not 0: fractions with denominators below 2^32, so
 * that 3/7 times 7 is 3 (bb_number_scale). */
typedef struct bb_number {
    bb_class cls;
    bool sign;
    bool sticky;
    bool signalling; /* of a NaN */
    uint64_t hi, lo;
    int32_t exp;
    uint32_t rem, den;
    double above, below;
} bb_number;

/* Reads what a user may write for a value: decimals with exponent ("-1.5e-8", any number of digits), hex floats
 * ("0x1.8p3"), hex integers ("0x18"), fractions of two of those ("1/3", "-2/7"; at most 2500 significant digits on
 * either side of the bar, so that the quotient is exact), the names pi, e, sqrt2, ln2, inf,
 * infinity, nan with an optional sign. BB_E_VALUE with a sentence otherwise. Division by zero is BB_E_VALUE. Exponents
 * beyond +-20000 (decimal) saturate to a huge or tiny finite value; those of a fraction that cancel each other from
 * there are BB_E_VALUE. */
bb_status bb_number_parse(const char *text, bb_number *n, bb_error *err);
void bb_number_from_f64(double v, bb_number *n);
/* Nearest double, ties to even. */
double bb_number_to_f64(const bb_number *n);
/* n * mul / div * 2^exp, n finite, mul and div from 1 to 2^53: the exact product and quotient where t is known exactly
 * or 0, else to the 181 bits of sig and above. */
void bb_number_scale(const bb_number *n, uint64_t mul, uint64_t div, int exp, bb_number *out);
/* a - b as a double, correct to a few units in the last place of the difference; NaN when undefined. */
double bb_number_diff(const bb_number *a, const bb_number *b);
#endif
