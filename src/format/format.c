/* SPDX-License-Identifier: GPL-3.0-or-later */
/* format.c - the one decode and the one round-and-pack; integer arithmetic throughout. */
#include "format/format.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what the descriptor implies ---- */

static uint64_t sign_bit(const bb_format *f) { return f->kind == BB_KIND_E8M0 ? 0 : 1ull << (f->bits - 1); }
static uint64_t code_mask(const bb_format *f) { return f->bits == 64 ? UINT64_MAX : (1ull << f->bits) - 1; }
static uint64_t magnitude_mask(const bb_format *f) { return code_mask(f) & ~sign_bit(f); }

/* Exponent of the smallest normal number. e8m0 has only normal ones, its first code being 2^-127; the formats without
 * infinities start like the others. */
static int min_exponent(const bb_format *f) { return f->kind == BB_KIND_E8M0 ? -f->bias : 1 - f->bias; }

uint64_t bb_format_max_code(const bb_format *f) {
    switch (f->kind) {
    case BB_KIND_IEEE:
        return (((1ull << f->exp_bits) - 1) << f->man_bits) - 1;
    case BB_KIND_FN:
    case BB_KIND_P3109:
    case BB_KIND_E8M0:
        return magnitude_mask(f) - 1;
    case BB_KIND_FNUZ:
    case BB_KIND_FINITE:
    case BB_KIND_INT:
        break;
    }
    return magnitude_mask(f);
}

bool bb_format_has_inf(const bb_format *f) { return f->kind == BB_KIND_IEEE || f->kind == BB_KIND_P3109; }
bool bb_format_has_nan(const bb_format *f) { return f->kind != BB_KIND_FINITE && f->kind != BB_KIND_INT; }

uint64_t bb_format_inf_code(const bb_format *f) { return bb_format_has_inf(f) ? bb_format_max_code(f) + 1 : 0; }

uint64_t bb_format_nan_code(const bb_format *f) {
    switch (f->kind) {
    case BB_KIND_IEEE:
        return bb_format_inf_code(f) | 1ull << (f->man_bits - 1);
    case BB_KIND_FN:
    case BB_KIND_E8M0:
        return magnitude_mask(f);
    case BB_KIND_FNUZ:
    case BB_KIND_P3109:
        return sign_bit(f);
    case BB_KIND_FINITE:
    case BB_KIND_INT:
        break;
    }
    return 0;
}

static bool has_negative_zero(const bb_format *f) {
    return f->kind == BB_KIND_IEEE || f->kind == BB_KIND_FN || f->kind == BB_KIND_FINITE;
}

static bool is_nan(const bb_format *f, uint64_t code) {
    uint64_t magnitude = code & magnitude_mask(f);
    switch (f->kind) {
    case BB_KIND_IEEE:
        return magnitude > bb_format_inf_code(f);
    case BB_KIND_FN:
    case BB_KIND_E8M0:
        return magnitude == magnitude_mask(f);
    case BB_KIND_FNUZ:
    case BB_KIND_P3109:
        return code == sign_bit(f);
    case BB_KIND_FINITE:
    case BB_KIND_INT:
        break;
    }
    return false;
}

static bool is_inf(const bb_format *f, uint64_t code) {
    return bb_format_has_inf(f) && (code & magnitude_mask(f)) == bb_format_inf_code(f);
}

static bool keeps_nan_sign(const bb_format *f) { return f->kind == BB_KIND_IEEE || f->kind == BB_KIND_FN; }

/* The top bit of the mantissa is 0 (IEEE 754-2019 6.2.1); formats with one NaN have a quiet one. */
static bool is_signalling(const bb_format *f, uint64_t code) {
    return f->kind == BB_KIND_IEEE && f->man_bits && is_nan(f, code) && !(code >> (f->man_bits - 1) & 1);
}

/* ---- scales of integer formats ---- */

static const bb_scale unit_scale = {1, 1};

bb_scale bb_int_scale(const bb_format *f, double absmax) {
    return (bb_scale){absmax, (uint32_t)((1ull << (f->bits - 1)) - 1)};
}

double bb_scale_f64(const bb_scale *scale) { return scale->num / scale->den; }

/* num as an odd integer times 2^*exp. */
static uint64_t odd_part(double num, int *exp) {
    bb_number n;
    bb_number_from_f64(num, &n);
    *exp = n.exp + 64;
    uint64_t m = n.hi;
    for (; !(m & 1); m >>= 1) ++*exp;
    return m;
}

/* n / scale, n finite */
static void unscale(const bb_number *n, const bb_scale *scale, bb_number *out) {
    int exp;
    uint64_t m = odd_part(scale->num, &exp);
    bb_number_scale(n, scale->den, m, -exp, out);
}

/* v * scale */
static void rescale(int64_t v, const bb_scale *scale, bb_number *out) {
    int exp;
    uint64_t m = odd_part(scale->num, &exp);
    bb_number_from_f64((double)v, out);
    if (v) bb_number_scale(out, m, scale->den, exp, out);
}

bb_status bb_scale_check(const bb_format *f, const bb_scale *scale, bb_error *err) {
    if (!(scale->num > 0) || !isfinite(scale->num) || scale->den == 0 || scale->den > UINT16_MAX)
        return bb_fail(err, BB_E_ARG, "a scale must be positive and finite");
    bb_number last;
    rescale((int64_t)1 << (f->bits - 1), scale, &last);
    if (isfinite(bb_number_to_f64(&last)) && bb_scale_f64(scale) > 0) return BB_OK;
    return bb_fail(err, BB_E_ARG, "the scale is too large or too small: codes of %s leave the range of fp64", f->name);
}

/* ---- decode ---- */

static int64_t signed_value(const bb_format *f, uint64_t code) {
    return (int64_t)(((code & code_mask(f)) ^ sign_bit(f)) - sign_bit(f));
}

double bb_format_decode(const bb_format *f, uint64_t code) {
    code &= code_mask(f);
    if (f->kind == BB_KIND_INT) return (double)signed_value(f, code);
    double v;
    if (is_nan(f, code)) return copysign((double)NAN, keeps_nan_sign(f) && code & sign_bit(f) ? -1 : 1);
    if (is_inf(f, code))
        v = (double)INFINITY;
    else if (f->kind == BB_KIND_E8M0)
        v = ldexp(1, (int)code - f->bias);
    else {
        uint64_t magnitude = code & magnitude_mask(f);
        uint64_t mantissa = magnitude & ((1ull << f->man_bits) - 1);
        int field = (int)(magnitude >> f->man_bits);
        if (field) mantissa |= 1ull << f->man_bits;
        v = ldexp((double)mantissa, (field ? field : 1) - f->bias - f->man_bits);
    }
    return code & sign_bit(f) ? -v : v;
}

/* ---- round and pack ---- */

/* Significand of n in units of 2^quantum, rounded; *inexact says whether it was. odd_last tells whether the integer
 * `kept` stands for an odd code: with no mantissa bits the exponent decides, which the caller knows. */
static uint64_t round_to(const bb_number *n, int64_t quantum, bb_round mode, bool *inexact, int odd_when_one) {
    int64_t drop = quantum - n->exp; /* bits of the 128 below the last place */
    uint64_t kept = 0;
    int rest = 0; /* 0 nothing, 1 below half, 2 half, 3 above */
    if (drop > 128)
        rest = 1;
    else if (drop == 128)
        rest = n->hi > 1ull << 63 || n->lo || n->sticky ? 3 : 2;
    else { /* 64 <= drop < 128 for every format here: the kept part has at most 53 bits */
        uint64_t low = drop > 64 ? n->hi & ((1ull << (drop - 64)) - 1) : 0;
        kept = n->hi >> (drop - 64);
        bool half_bit, below;
        if (drop > 64) {
            uint64_t half = 1ull << (drop - 65);
            half_bit = low & half;
            below = (low & (half - 1)) || n->lo || n->sticky;
        } else {
            half_bit = n->lo >> 63;
            below = n->lo << 1 || n->sticky;
        }
        rest = half_bit ? (below ? 3 : 2) : (below ? 1 : 0);
    }
    *inexact = rest != 0;
    if (!rest) return kept;
    bool odd = odd_when_one >= 0 && kept == 1 ? odd_when_one != 0 : (kept & 1) != 0;
    switch (mode) {
    case BB_ROUND_NE:
        return kept + (rest == 3 || (rest == 2 && odd));
    case BB_ROUND_NA:
        return kept + (rest >= 2);
    case BB_ROUND_TZ:
        return kept;
    case BB_ROUND_UP:
        return kept + !n->sign;
    case BB_ROUND_DOWN:
        return kept + n->sign;
    case BB_ROUND_ODD:
        return kept + !odd;
    }
    return kept;
}

/* The code for a magnitude beyond the largest, finite (or, with `infinite`, infinity itself). */
static uint64_t overflow_code(const bb_format *f, bool sign, bool infinite, const bb_encode_opts *o) {
    uint64_t s = sign ? sign_bit(f) : 0;
    uint64_t max = s | bb_format_max_code(f);
    bool ofp8 = f->bits == 8 && ((f->kind == BB_KIND_FN) || (f->kind == BB_KIND_IEEE && f->exp_bits == 5));
    if (f->kind == BB_KIND_FINITE) return max;
    if (o->overflow == BB_OVERFLOW_OCP && ofp8) return max;
    if (f->kind == BB_KIND_E8M0 && o->overflow == BB_OVERFLOW_SATURATE) return max; /* ml_dtypes 0.6 */
    if (!infinite) {
        if (o->overflow == BB_OVERFLOW_SATURATE) return max;
        bool away = o->round == BB_ROUND_NE || o->round == BB_ROUND_NA || (o->round == BB_ROUND_UP && !sign) ||
                    (o->round == BB_ROUND_DOWN && sign);
        if (!away) return max;
    }
    if (bb_format_has_inf(f)) return s | bb_format_inf_code(f);
    return bb_format_nan_code(f) | (f->kind == BB_KIND_FN ? s : 0);
}

static bb_status encode_nan(const bb_format *f, const bb_number *n, const bb_encode_opts *o, bb_encoding *out,
                            bb_error *err) {
    if (bb_format_has_nan(f)) {
        out->code = bb_format_nan_code(f) | (n->sign && keeps_nan_sign(f) ? sign_bit(f) : 0);
        if (n->signalling) out->flags |= BB_FLAG_INVALID; /* IEEE 754-2019 6.2 */
        return BB_OK;
    }
    if (o->nan == BB_NAN_ERROR) return bb_fail(err, BB_E_VALUE, "NaN: %s has none", f->name);
    out->flags |= BB_FLAG_NAN_LOST | BB_FLAG_INVALID;
    out->code = o->nan == BB_NAN_ZERO    ? 0
                : f->kind == BB_KIND_INT ? (1ull << (f->bits - 1)) - 1
                                         : bb_format_max_code(f);
    return BB_OK;
}

static void encode_zero(const bb_format *f, bool sign, const bb_encode_opts *o, bb_encoding *out) {
    if (f->kind == BB_KIND_E8M0) { /* no zero: the smallest or NaN (ml_dtypes 0.6, float8.h) */
        bool saturate = o->overflow == BB_OVERFLOW_SATURATE;
        out->code = saturate ? 0 : bb_format_nan_code(f);
        out->flags |= saturate ? BB_FLAG_INEXACT | BB_FLAG_UNDERFLOW : BB_FLAG_INVALID;
        return;
    }
    out->code = sign && has_negative_zero(f) ? sign_bit(f) : 0;
    if (sign && !has_negative_zero(f)) out->flags |= BB_FLAG_SIGN_LOST;
}

/* e8m0 has no sign: what is below zero, infinity included, is invalid and becomes what zero becomes. */
static void encode_negative_e8m0(const bb_format *f, const bb_encode_opts *o, bb_encoding *out) {
    encode_zero(f, false, o, out);
    out->flags = BB_FLAG_INVALID;
}

static void encode_float(const bb_format *f, const bb_number *n, const bb_encode_opts *o, bb_encoding *out) {
    int64_t exponent = (int64_t)n->exp + 127, emin = min_exponent(f);
    int64_t quantum = (exponent > emin ? exponent : emin) - f->man_bits;
    bool inexact, ignored;
    /* without mantissa bits the parity of a code is that of its exponent field */
    int odd = f->man_bits ? -1 : (int)((exponent + f->bias) & 1);
    uint64_t kept = round_to(n, quantum, o->round, &inexact, odd);
    uint64_t one = 1ull << f->man_bits;
    /* the field of a subnormal is zero; a carry into the next binade moves it by itself */
    uint64_t magnitude = kept, field = (uint64_t)(quantum + f->man_bits - emin);
    if (field > 1ull << f->exp_bits) field = 1ull << f->exp_bits; /* beyond every code, and inside 64 bits */
    if (f->kind == BB_KIND_E8M0)
        magnitude = field + (kept > 1);
    else if (kept >= one)
        magnitude = (field << f->man_bits) + kept;
    if (f->kind == BB_KIND_E8M0 && n->sign) {
        encode_negative_e8m0(f, o, out);
        return;
    }
    if (f->kind == BB_KIND_E8M0 && kept == 0) {
        encode_zero(f, false, o, out);
        return;
    }
    if (inexact) out->flags |= BB_FLAG_INEXACT;
    if (magnitude > bb_format_max_code(f)) {
        out->flags |= BB_FLAG_OVERFLOW | BB_FLAG_INEXACT;
        out->code = overflow_code(f, n->sign, false, o);
        return;
    }
    if (inexact && exponent < emin) { /* tiny unless rounding at full precision reaches the smallest normal */
        bool reaches = exponent == emin - 1 && round_to(n, exponent - f->man_bits, o->round, &ignored, -1) == one << 1;
        if (!reaches) out->flags |= BB_FLAG_UNDERFLOW;
    }
    out->code = magnitude | (n->sign ? sign_bit(f) : 0);
    if (magnitude == 0 && f->kind != BB_KIND_E8M0) encode_zero(f, n->sign, o, out);
}

static void encode_int(const bb_format *f, const bb_number *n, const bb_encode_opts *o, const bb_scale *scale,
                       bb_encoding *out) {
    uint64_t limit = (1ull << (f->bits - 1)) - 1, magnitude;
    bool inexact = false;
    bb_number q;
    unscale(n, scale, &q);
    if (q.exp + 127 >= f->bits)
        magnitude = limit + 1;
    else
        magnitude = round_to(&q, 0, o->round, &inexact, -1);
    if (inexact) out->flags |= BB_FLAG_INEXACT;
    if (magnitude > limit) {
        magnitude = limit;
        out->flags |= BB_FLAG_OVERFLOW | BB_FLAG_INEXACT;
    }
    if (magnitude == 0 && n->sign) out->flags |= BB_FLAG_SIGN_LOST;
    out->code = (n->sign ? 0 - magnitude : magnitude) & code_mask(f);
}

static void encode_inf(const bb_format *f, const bb_number *n, const bb_encode_opts *o, bb_encoding *out) {
    if (f->kind == BB_KIND_INT) { /* no integer stands for it: IEEE 754-2019 5.8 */
        uint64_t limit = (1ull << (f->bits - 1)) - 1;
        out->code = (n->sign ? 0 - limit : limit) & code_mask(f);
        out->flags |= BB_FLAG_INVALID;
        return;
    }
    if (f->kind == BB_KIND_E8M0 && n->sign) {
        encode_negative_e8m0(f, o, out);
        return;
    }
    out->code = overflow_code(f, n->sign, true, o);
    if (!is_inf(f, out->code)) out->flags |= BB_FLAG_OVERFLOW | BB_FLAG_INEXACT;
}

void bb_encoding_number(const bb_encoding *e, bb_number *n) {
    if (e->format->kind == BB_KIND_INT) {
        rescale(signed_value(e->format, e->code), &e->scale, n);
        return;
    }
    bb_number_from_f64(bb_format_decode(e->format, e->code), n);
    n->signalling = is_signalling(e->format, e->code);
}

void bb_decode_code(const bb_format *f, uint64_t code, const bb_scale *scale, bb_encoding *out) {
    bb_number v;
    *out = (bb_encoding){
        .format = f, .code = code & code_mask(f), .scale = f->kind == BB_KIND_INT && scale ? *scale : unit_scale};
    bb_encoding_number(out, &v);
    out->value = bb_number_to_f64(&v);
    if (!isfinite(out->value)) out->error = out->rel_error = out->ulps = (double)NAN;
}

void bb_encoding_measure(const bb_number *n, bb_encoding *out) {
    const bb_format *f = out->format;
    out->error = out->rel_error = out->ulps = (double)NAN;
    if (n->cls == BB_CLASS_INF || n->cls == BB_CLASS_NAN || !isfinite(out->value)) return;
    bb_number v, input = *n;
    bb_encoding_number(out, &v);
    if (n->cls == BB_CLASS_ZERO) {
        out->error = out->value;
        if (out->value == 0) out->error = out->rel_error = out->ulps = 0;
        return;
    }
    /* near 1 neither the difference nor the input leaves the range of doubles */
    int exponent = n->exp + 127, emin = min_exponent(f), scale = 0;
    int base = v.cls == BB_CLASS_FINITE && v.exp > n->exp ? v.exp + 127 : exponent;
    input.exp -= base;
    v.exp -= base;
    double difference = bb_number_diff(&v, &input), apart = fabs(difference);
    out->error = ldexp(difference, base) + 0.0; /* never -0 */
    input.exp = -127;
    out->rel_error = ldexp(apart / fabs(bb_number_to_f64(&input)), base - exponent);
    if (f->kind == BB_KIND_INT) {
        double num = frexp(out->scale.num, &scale);
        out->ulps = ldexp(apart * out->scale.den / num, base - scale);
    } else
        out->ulps = ldexp(apart, base - ((exponent > emin ? exponent : emin) - f->man_bits));
}

bb_status bb_encode_number(const bb_format *f, const bb_number *n, const bb_encode_opts *opts, const bb_scale *scale,
                           bb_encoding *out, bb_error *err) {
    static const bb_encode_opts defaults = {BB_ROUND_NE, BB_OVERFLOW_NATIVE, BB_NAN_MAX};
    if (!opts) opts = &defaults;
    bb_encoding e = {.format = f, .scale = f->kind == BB_KIND_INT && scale ? *scale : unit_scale};
    bb_status status = f->kind == BB_KIND_INT ? bb_scale_check(f, &e.scale, err) : BB_OK;
    if (status != BB_OK) return status;
    if (n->cls == BB_CLASS_NAN)
        status = encode_nan(f, n, opts, &e, err);
    else if (n->cls == BB_CLASS_ZERO)
        encode_zero(f, n->sign, opts, &e);
    else if (n->cls == BB_CLASS_INF)
        encode_inf(f, n, opts, &e);
    else if (f->kind == BB_KIND_INT)
        encode_int(f, n, opts, &e.scale, &e);
    else
        encode_float(f, n, opts, &e);
    if (status != BB_OK) return status;
    bb_number v;
    bb_encoding_number(&e, &v);
    e.value = bb_number_to_f64(&v);
    bb_encoding_measure(n, &e);
    *out = e;
    return BB_OK;
}

bb_status bb_format_encode(const bb_format *f, double value, const bb_encode_opts *opts, uint64_t *code,
                           unsigned *flags) {
    bb_number n;
    bb_encoding e;
    bb_number_from_f64(value, &n);
    bb_status status = bb_encode_number(f, &n, opts, NULL, &e, NULL);
    if (status != BB_OK) return status;
    *code = e.code;
    if (flags) *flags = e.flags;
    return BB_OK;
}

/* ---- looking at codes ---- */

void bb_format_fields(const bb_format *f, uint64_t code, bb_fields *fields) {
    code &= code_mask(f);
    *fields = (bb_fields){.exp_bits = f->exp_bits, .man_bits = f->man_bits};
    if (f->kind == BB_KIND_INT) {
        fields->mantissa = code;
        return;
    }
    fields->has_sign = f->kind != BB_KIND_E8M0;
    fields->sign = code & sign_bit(f) ? 1 : 0;
    fields->exponent = (code & magnitude_mask(f)) >> f->man_bits;
    fields->mantissa = f->man_bits ? code & ((1ull << f->man_bits) - 1) : 0;
}

const char *bb_format_class(const bb_format *f, uint64_t code) {
    code &= code_mask(f);
    if (f->kind == BB_KIND_INT) return code ? "normal" : "zero";
    if (is_nan(f, code)) return "nan";
    if (is_inf(f, code)) return "infinity";
    if (f->kind == BB_KIND_E8M0) return "normal";
    uint64_t magnitude = code & magnitude_mask(f);
    return magnitude == 0 ? "zero" : magnitude >> f->man_bits ? "normal" : "subnormal";
}

uint64_t bb_format_step(const bb_format *f, uint64_t code, int direction) {
    code &= code_mask(f);
    if (is_nan(f, code)) return code;
    if (f->kind == BB_KIND_INT) {
        int64_t v = signed_value(f, code) + direction, limit = ((int64_t)1 << (f->bits - 1)) - 1;
        if (v > limit || v < -limit) return code;
        return (uint64_t)v & code_mask(f);
    }
    bool negative = code & sign_bit(f);
    uint64_t magnitude = code & magnitude_mask(f);
    uint64_t last = bb_format_has_inf(f) ? bb_format_inf_code(f) : bb_format_max_code(f);
    if (magnitude == 0 && f->kind != BB_KIND_E8M0) return 1 | (direction < 0 ? sign_bit(f) : 0);
    bool outward = negative ? direction < 0 : direction > 0;
    if (outward) return magnitude >= last ? code : code + 1;
    if (magnitude == 0) return code; /* e8m0 */
    if (magnitude == 1 && negative) return has_negative_zero(f) ? sign_bit(f) : 0;
    return code - 1;
}

double bb_format_max(const bb_format *f) { return bb_format_decode(f, bb_format_max_code(f)); }

double bb_format_min_normal(const bb_format *f) { return f->kind == BB_KIND_INT ? 1 : ldexp(1, min_exponent(f)); }

double bb_format_min_subnormal(const bb_format *f) {
    if (f->kind == BB_KIND_INT || f->man_bits == 0) return (double)NAN;
    return bb_format_decode(f, 1);
}

double bb_format_epsilon(const bb_format *f) { return f->kind == BB_KIND_INT ? 1 : ldexp(1, -(int)f->man_bits); }

void bb_f64_exact(double v, bb_str *out) {
    char buf[1200]; /* 1 + 309 digits before the point, 1074 after would not fit both, but never occur together */
    if (isnan(v) || isinf(v)) {
        bb_str_add(out, bb_f64_17(v, buf));
        return;
    }
    int n = snprintf(buf, sizeof buf, "%.1074f", v);
    if (n >= (int)sizeof buf) n = snprintf(buf, sizeof buf, "%.60f", v); /* above 2^300 there is no fraction */
    char *point = buf + strspn(buf, "-0123456789");
    size_t radix = strcspn(point, "0123456789"); /* whatever the locale writes there */
    if (radix > 0) {
        *point = '.';
        memmove(point + 1, point + radix, (size_t)n - (size_t)(point - buf) - radix + 1);
        char *end = point + strlen(point);
        while (end[-1] == '0') *--end = 0;
        if (end == point + 1) *point = 0;
    }
    bb_str_add(out, buf);
}
