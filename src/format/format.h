/* SPDX-License-Identifier: GPL-3.0-or-later */
/* format.h - the descriptor table of number formats, and the one decode and the one round-and-pack that read it. */
#ifndef BB_FORMAT_FORMAT_H
#define BB_FORMAT_FORMAT_H
#include "format/number.h"

typedef enum bb_kind {
    BB_KIND_IEEE,   /* infinities and NaNs in the top binade */
    BB_KIND_FN,     /* no infinity, NaN = all ones: e4m3fn */
    BB_KIND_FNUZ,   /* no infinity, no -0, NaN = the code of -0 */
    BB_KIND_FINITE, /* neither infinity nor NaN: e3m2, e2m3, e2m1 */
    BB_KIND_P3109,  /* no -0, NaN = the code of -0, infinity = all ones below the sign */
    BB_KIND_E8M0,   /* unsigned power of two, 0xFF = NaN */
    BB_KIND_INT,    /* two's complement times a scale: int8, int4 */
} bb_kind;

struct bb_format {
    const char *name;
    const char *aliases; /* separated by blanks */
    bb_kind kind;
    uint8_t bits, exp_bits, man_bits; /* of an integer: bits, 0, bits */
    int32_t bias;
    const char *source;
};

/* The scale of an integer format as the quotient that it is, num / den: 6 / 127 is no double, and a tie must be one.
 * num positive and finite, den at least 1 and below 2^16. */
typedef struct bb_scale {
    double num;
    uint32_t den;
} bb_scale;

/* One conversion, with everything that a row of `bits` shows. */
typedef struct bb_encoding {
    const bb_format *format;
    uint64_t code;
    unsigned flags;
    bb_scale scale;   /* of integer formats, else 1 / 1 */
    double value;     /* what the code means, scale included; the nearest double where that is none */
    double error;     /* what the code means - input; NaN when either is not finite */
    double rel_error; /* |error| / |input|; NaN when undefined */
    double ulps;      /* |error| in units of the last place at the value; NaN when undefined */
} bb_encoding;

/* Rounds n into f once. For integer formats n is divided by the scale first (NULL = 1), exactly as bb_number_scale
 * says, rounded and clamped to +-(2^(bits-1)-1); other formats ignore scale. BB_E_VALUE for NaN under BB_NAN_ERROR,
 * BB_E_ARG for a scale that bb_scale_check refuses. */
bb_status bb_encode_number(const bb_format *f, const bb_number *n, const bb_encode_opts *opts, const bb_scale *scale,
                           bb_encoding *out, bb_error *err);
/* Meaning of a code: fills code, scale, value; error 0, flags 0. */
void bb_decode_code(const bb_format *f, uint64_t code, const bb_scale *scale, bb_encoding *out);
/* What the code of an encoding means, exactly; the sign of a NaN and whether it is signalling included. */
void bb_encoding_number(const bb_encoding *e, bb_number *n);
/* error, rel_error and ulps of an encoding against another input than the one that was rounded last. An ulp is that of
 * the input's binade. */
void bb_encoding_measure(const bb_number *input, bb_encoding *e);

/* The scale that makes absmax the largest code: absmax / (2^(bits-1)-1). */
bb_scale bb_int_scale(const bb_format *f, double absmax);
/* BB_E_ARG unless the scale is positive and finite and no code of f leaves the range of fp64 with it. */
bb_status bb_scale_check(const bb_format *f, const bb_scale *scale, bb_error *err);
/* As the nearest double, to show it. */
double bb_scale_f64(const bb_scale *scale);

typedef struct bb_fields {
    bool has_sign;
    uint64_t sign, exponent, mantissa; /* integers: mantissa holds the whole two's complement */
    unsigned exp_bits, man_bits;
} bb_fields;
void bb_format_fields(const bb_format *f, uint64_t code, bb_fields *fields);
/* "zero", "subnormal", "normal", "infinity" or "nan". */
const char *bb_format_class(const bb_format *f, uint64_t code);
/* Code of the next value up (+1) or down (-1); the same code at the ends and for NaN. */
uint64_t bb_format_step(const bb_format *f, uint64_t code, int direction);
/* Limits, for `formats`: largest finite, smallest normal, smallest subnormal (NaN when there is none), epsilon. */
double bb_format_max(const bb_format *f);
double bb_format_min_normal(const bb_format *f);
double bb_format_min_subnormal(const bb_format *f);
double bb_format_epsilon(const bb_format *f);
uint64_t bb_format_max_code(const bb_format *f);
bool bb_format_has_inf(const bb_format *f);
bool bb_format_has_nan(const bb_format *f);
uint64_t bb_format_nan_code(const bb_format *f); /* the quiet one; 0 when there is none */
uint64_t bb_format_inf_code(const bb_format *f); /* positive; 0 when there is none */

/* "inexact+underflow", or "" for none; buf of at least 96. */
const char *bb_flags_text(unsigned flags, char *buf);
bb_status bb_round_find(const char *name, bb_round *round,
                        bb_error *err); /* ne|rne na|rna tz|rz up|ru down|rd odd|ro */
bb_status bb_overflow_find(const char *name, bb_overflow *overflow, bb_error *err);
bb_status bb_nan_find(const char *name, bb_nan *nan, bb_error *err);
const char *bb_round_name(bb_round round);
const char *bb_overflow_name(bb_overflow overflow);
/* Every digit of a finite double, no exponent ("0.0000152587890625"). */
void bb_f64_exact(double v, bb_str *out);
#endif
