/* SPDX-License-Identifier: GPL-3.0-or-later */
/* number.c - exact real numbers: text to a 128-bit significand with a sticky bit, and differences of two. */
#include "format/number.h"
#include "base/escape.h"
#include "base/mem.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- natural numbers of any length ---- */

typedef struct big {
    uint32_t *limb; /* [len], least first, owned */
    size_t len, cap;
    bool failed;
} big;

static void big_clear(big *b) { free(b->limb); }

static bool big_reserve(big *b, size_t n) {
    if (b->failed) return false;
    if (n <= b->cap) return true;
    uint32_t *p = bb_realloc(b->limb, n + n / 2 + 8, sizeof *p);
    if (!p) {
        b->failed = true;
        return false;
    }
    b->limb = p;
    b->cap = n + n / 2 + 8;
    return true;
}

static void big_mul_add(big *b, uint32_t factor, uint32_t add) {
    uint64_t carry = add;
    for (size_t i = 0; i < b->len; i++) {
        carry += (uint64_t)b->limb[i] * factor;
        b->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && big_reserve(b, b->len + 1)) b->limb[b->len++] = (uint32_t)carry;
}

static void big_pow10(big *b, uint32_t n) {
    for (; n >= 9; n -= 9) big_mul_add(b, 1000000000u, 0);
    for (; n > 0; n--) big_mul_add(b, 10, 0);
}

static size_t big_bits(const big *b) {
    if (b->len == 0) return 0;
    size_t n = (b->len - 1) * 32;
    for (uint32_t top = b->limb[b->len - 1]; top; top >>= 1) n++;
    return n;
}

static void big_shift(big *b, size_t n) {
    size_t words = n / 32, bits = n % 32;
    if (b->len == 0 || n == 0 || !big_reserve(b, b->len + words + 1)) return;
    b->limb[b->len] = 0;
    for (size_t i = b->len + 1; i-- > 0;) {
        uint32_t v = b->limb[i] << bits;
        if (bits && i > 0) v |= b->limb[i - 1] >> (32 - bits);
        b->limb[i + words] = v;
    }
    memset(b->limb, 0, words * sizeof *b->limb);
    b->len += words + 1;
    while (b->len && !b->limb[b->len - 1]) b->len--;
}

static int big_cmp(const big *a, const big *b) {
    if (a->len != b->len) return a->len < b->len ? -1 : 1;
    for (size_t i = a->len; i-- > 0;)
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

/* a -= b, a >= b */
static void big_sub(big *a, const big *b) {
    uint64_t borrow = 0;
    for (size_t i = 0; i < a->len; i++) {
        uint64_t v = (uint64_t)a->limb[i] - (i < b->len ? b->limb[i] : 0) - borrow;
        a->limb[i] = (uint32_t)v;
        borrow = v >> 63;
    }
    while (a->len && !a->limb[a->len - 1]) a->len--;
}

/* m * 2^e, m of 64 bits rounded to a double. */
typedef struct leading {
    double m;
    int64_t e;
} leading;

static leading big_top(const big *b) {
    uint64_t top = 0;
    size_t bits = big_bits(b);
    for (size_t i = bits; i-- > 0 && bits - i <= 64;) top = top << 1 | (b->limb[i / 32] >> (i % 32) & 1);
    return (leading){(double)top, bits > 64 ? (int64_t)bits - 64 : 0};
}

/* a / b as a fraction of 32 bits, a < b; false when it takes more. */
static bool small_ratio(const big *a, const big *b, uint32_t *rem, uint32_t *den) {
    size_t bits = big_bits(b), zeros = 0;
    while (zeros < bits && !((a->len > zeros / 32 ? a->limb[zeros / 32] : 0) >> (zeros % 32) & 1) &&
           !(b->limb[zeros / 32] >> (zeros % 32) & 1))
        zeros++;
    if (bits - zeros > 32) return false;
    *rem = *den = 0;
    for (size_t i = bits; i-- > zeros;) {
        *rem = *rem << 1 | (i / 32 < a->len ? a->limb[i / 32] >> (i % 32) & 1 : 0);
        *den = *den << 1 | (b->limb[i / 32] >> (i % 32) & 1);
    }
    return true;
}

/* a / b, at most 1; 0 below the range of doubles. */
static double ratio(leading a, leading b) { return a.e - b.e < -2000 ? 0 : ldexp(a.m / b.m, (int)(a.e - b.e)); }

/* num / den * 2^exp as a number: 128 bits of the quotient, one comparison each, and what is left as sticky. */
static void divide(big *num, big *den, int64_t exp, bb_number *out) {
    int64_t shift = (int64_t)big_bits(num) - (int64_t)big_bits(den);
    if (shift > 0)
        big_shift(den, (size_t)shift);
    else
        big_shift(num, (size_t)-shift);
    if (num->failed || den->failed) return;
    if (big_cmp(num, den) < 0) { /* the first bit of the quotient is a one */
        big_shift(num, 1);
        shift--;
    }
    uint64_t hi = 0, lo = 0;
    for (int i = 0; i < 128 && !num->failed; i++) {
        if (i > 0) big_shift(num, 1);
        bool one = big_cmp(num, den) >= 0;
        if (one) big_sub(num, den);
        hi = hi << 1 | lo >> 63;
        lo = lo << 1 | (one ? 1 : 0);
    }
    if (num->failed) return;
    int64_t e = shift - 127 + exp;
    leading unit = big_top(den);
    if (num->len > 0 && !small_ratio(num, den, &out->rem, &out->den)) out->den = 0;
    out->above = ratio(big_top(num), unit);
    big_sub(den, num);
    out->below = ratio(big_top(den), unit);
    out->cls = BB_CLASS_FINITE;
    out->hi = hi;
    out->lo = lo;
    out->sticky = num->len > 0;
    out->exp = (int32_t)(e < -200000 ? -200000 : e > 200000 ? 200000 : e);
}

/* ---- text ---- */

/* Significant digits that can matter: the boundary between two codes of any format here is a binary fraction of at most
 * 128 + 1074 bits, which has fewer decimal digits than this. Later ones only say "a little more". */
enum { DIGITS_KEPT = 2500, EXPONENT_LIMIT = 20000 };

/* digits * 10^ten * 2^two */
typedef struct term {
    big digits;
    int64_t ten, two;
    bool negative, sticky;
} term;

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* An exponent's digits at *p, saturating; false without any. */
static bool read_exponent(const char **p, int64_t *e) {
    bool minus = **p == '-';
    if (**p == '-' || **p == '+') (*p)++;
    int64_t v = 0;
    bool any = false;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        any = true;
        if (v < 1000000000) v = v * 10 + (**p - '0');
    }
    *e = minus ? -v : v;
    return any;
}

static bool read_term(const char **p, term *t) {
    *t = (term){0};
    if (**p == '-' || **p == '+') t->negative = *(*p)++ == '-';
    bool hex = (*p)[0] == '0' && ((*p)[1] == 'x' || (*p)[1] == 'X');
    if (hex) *p += 2;
    bool any = false, point = false;
    size_t kept = 0;
    for (;; (*p)++) {
        if (**p == '.' && !point) {
            point = true;
            continue;
        }
        int d = hex ? hex_digit(**p) : **p >= '0' && **p <= '9' ? **p - '0' : -1;
        if (d < 0) break;
        any = true;
        bool drop = kept >= DIGITS_KEPT;
        if (drop && d) t->sticky = true;
        if (!drop) {
            if (t->digits.len || d) kept++;
            if (t->digits.len)
                big_mul_add(&t->digits, hex ? 16 : 10, (uint32_t)d);
            else if (d && big_reserve(&t->digits, 1))
                t->digits.limb[t->digits.len++] = (uint32_t)d;
        }
        int64_t scale = (point ? -1 : 0) + (drop ? 1 : 0);
        if (hex)
            t->two += 4 * scale;
        else
            t->ten += scale;
    }
    if (!any) return false;
    char c = **p;
    int64_t e = 0;
    if (hex ? c == 'p' || c == 'P' : c == 'e' || c == 'E') {
        (*p)++;
        if (!read_exponent(p, &e)) return false;
    }
    if (hex)
        t->two += e;
    else
        t->ten += e;
    return true;
}

/* Replaces exponents beyond the limits by a power of two that is as far beyond every format; false when the two cancel,
 * which no format needs and which would take time to compute. */
static bool saturate(int64_t *ten, int64_t *two) {
    if (*ten <= EXPONENT_LIMIT && *ten >= -EXPONENT_LIMIT && *two <= 4 * EXPONENT_LIMIT && *two >= -4 * EXPONENT_LIMIT)
        return true;
    double log2 = 3.3219280948873623 * (double)*ten + (double)*two;
    *ten = 0;
    *two = log2 > 0 ? 4 * EXPONENT_LIMIT : -4 * EXPONENT_LIMIT;
    return fabs(log2) > 2 * EXPONENT_LIMIT; /* the digits weigh at most 2^10000 */
}

static bb_status quotient(term *a, term *b, bb_number *n, bb_error *err) {
    big one = {0};
    bb_number out = {.cls = BB_CLASS_ZERO, .sign = a->negative != (b && b->negative)};
    bb_status status = BB_OK;
    big *den = b ? &b->digits : &one;
    int64_t ten = a->ten - (b ? b->ten : 0), two = a->two - (b ? b->two : 0);
    if (!b && big_reserve(&one, 1)) one.limb[one.len++] = 1;
    if (b && b->digits.len == 0)
        status = bb_fail(err, BB_E_VALUE, "division by zero");
    else if (b && (a->sticky || b->sticky))
        status = bb_fail(err, BB_E_VALUE, "a part of the fraction has more than %d significant digits", DIGITS_KEPT);
    else if (a->digits.len && !saturate(&ten, &two))
        status = bb_fail(err, BB_E_VALUE, "the exponents of the fraction are too large");
    else if (a->digits.len) {
        big_pow10(ten > 0 ? &a->digits : den, (uint32_t)(ten > 0 ? ten : -ten));
        divide(&a->digits, den, two, &out);
        if (a->sticky) out.den = 0;
        out.sticky |= a->sticky;
    }
    if (a->digits.failed || den->failed) status = bb_fail(err, BB_E_NOMEM, "out of memory");
    big_clear(&one);
    if (status == BB_OK) *n = out;
    return status;
}

/* pi, e, sqrt 2, ln 2: 128 bits, and the 64 that follow (compared with MPFR in the tests). */
static const struct {
    const char *name;
    uint64_t hi, lo, next;
    int32_t exp;
} constants[] = {
    {"pi", 0xC90FDAA22168C234u, 0xC4C6628B80DC1CD1u, 0x29024E088A67CC74u, -126},
    {"e", 0xADF85458A2BB4A9Au, 0xAFDC5620273D3CF1u, 0xD8B9C583CE2D3695u, -126},
    {"sqrt2", 0xB504F333F9DE6484u, 0x597D89B3754ABE9Fu, 0x1D6F60BA893BA84Cu, -127},
    {"ln2", 0xB17217F7D1CF79ABu, 0xC9E3B39803F2F6AFu, 0x40F343267298B62Du, -128},
};

/* One of the names that mean a value, without its sign. */
static bool named(const char *name, bb_number *n) {
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (bb_name_eq(name, constants[i].name)) {
            double above = ldexp((double)constants[i].next, -64);
            *n = (bb_number){.cls = BB_CLASS_FINITE,
                             .sticky = true,
                             .hi = constants[i].hi,
                             .lo = constants[i].lo,
                             .exp = constants[i].exp,
                             .above = above,
                             .below = 1 - above};
            return true;
        }
    bool inf = bb_name_eq(name, "inf") || bb_name_eq(name, "infinity");
    if (!inf && !bb_name_eq(name, "nan")) return false;
    *n = (bb_number){.cls = inf ? BB_CLASS_INF : BB_CLASS_NAN};
    return true;
}

bb_status bb_number_parse(const char *text, bb_number *n, bb_error *err) {
    const char *p = text + (*text == '-' || *text == '+');
    if (named(p, n)) {
        n->sign = *text == '-';
        return BB_OK;
    }
    term a, b;
    bb_status status = BB_E_VALUE;
    bool fraction = false, ok;
    p = text;
    ok = read_term(&p, &a);
    if (ok && *p == '/') {
        p++;
        fraction = true;
        ok = read_term(&p, &b);
    }
    if (ok && !*p)
        status = quotient(&a, fraction ? &b : NULL, n, err);
    else {
        char shown[64];
        bb_fail(err, BB_E_VALUE,
                "'%s' is not a value: expected a decimal, a fraction such as 1/3, a hex float such as 0x1.8p3, or pi, "
                "e, sqrt2, ln2, inf, nan",
                bb_escape_buf(text, shown, sizeof shown));
    }
    big_clear(&a.digits);
    if (fraction) big_clear(&b.digits);
    return status;
}

/* ---- doubles ---- */

void bb_number_from_f64(double v, bb_number *n) {
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    *n = (bb_number){.sign = u >> 63};
    uint64_t m = u & 0xFFFFFFFFFFFFFu;
    int e = (int)(u >> 52 & 0x7FF);
    if (e == 0x7FF)
        n->cls = m ? BB_CLASS_NAN : BB_CLASS_INF, n->signalling = m && !(m >> 51);
    else if (e == 0 && m == 0)
        n->cls = BB_CLASS_ZERO;
    else {
        n->cls = BB_CLASS_FINITE;
        if (e)
            m |= 1ull << 52;
        else
            e = 1;
        n->exp = e - 1075 - 64;
        while (!(m >> 63)) m <<= 1, n->exp--;
        n->hi = m;
        n->below = 1;
    }
}

double bb_number_to_f64(const bb_number *n) {
    double v = 0;
    if (n->cls == BB_CLASS_INF)
        v = (double)INFINITY;
    else if (n->cls == BB_CLASS_NAN)
        return (double)NAN;
    else if (n->cls == BB_CLASS_FINITE) {
        /* bits above the last place of the double, which is coarser below 2^-1022 */
        int top = n->exp + 127;
        int keep = top >= -1022 ? 53 : 53 - (-1022 - top);
        if (keep >= 0) {
            uint64_t kept = keep ? n->hi >> (64 - keep) : 0;
            uint64_t rest = keep ? n->hi << keep : n->hi;
            bool more = n->lo || n->sticky;
            bool up = rest > 1ull << 63 || (rest == 1ull << 63 && (more || (kept & 1)));
            v = ldexp((double)(kept + up), top - keep + 1);
        }
    }
    return n->sign ? -v : v;
}

/* ---- scaling ---- */

/* What follows the integer digits of a product: rem / den where den is not 0, else the double nearest to it. */
typedef struct tail {
    uint64_t rem, den;
    double frac;
} tail;

static unsigned tail_bit(tail *t) {
    bool one;
    if (t->den) {
        t->rem *= 2;
        one = t->rem >= t->den;
        if (one) t->rem -= t->den;
    } else {
        t->frac *= 2;
        one = t->frac >= 1;
        if (one) t->frac -= 1;
    }
    return one;
}

/* (sig + t) * mul: six limbs, most significant first, and the rest below them. */
static tail multiply(const bb_number *n, uint64_t mul, uint32_t p[6]) {
    const uint32_t a[4] = {(uint32_t)n->lo, (uint32_t)(n->lo >> 32), (uint32_t)n->hi, (uint32_t)(n->hi >> 32)};
    const uint32_t b[2] = {(uint32_t)mul, (uint32_t)(mul >> 32)};
    tail rest = {.den = 1};
    uint64_t whole = 0;
    if (n->sticky && n->den && mul <= UINT32_MAX) {
        whole = n->rem * mul / n->den;
        rest = (tail){.rem = n->rem * mul % n->den, .den = n->den};
    } else if (n->sticky) { /* from the end that is nearer */
        double near = (n->above < n->below ? n->above : n->below) * (double)mul;
        whole = n->above < n->below ? (uint64_t)near : mul - 1 - (uint64_t)near;
        near -= floor(near);
        rest = (tail){.frac = n->above < n->below ? near : 1 - near};
    }
    memset(p, 0, 6 * sizeof *p);
    for (int j = 0; j < 2; j++) {
        uint64_t carry = 0;
        for (int i = 0; i < 4; i++) {
            carry += p[5 - i - j] + (uint64_t)a[i] * b[j];
            p[5 - i - j] = (uint32_t)carry;
            carry >>= 32;
        }
        p[1 - j] = (uint32_t)carry;
    }
    for (int i = 5; i >= 0 && whole; i--) {
        uint64_t sum = p[i] + (whole & UINT32_MAX);
        p[i] = (uint32_t)sum;
        whole = (whole >> 32) + (sum >> 32);
    }
    return rest;
}

void bb_number_scale(const bb_number *n, uint64_t mul, uint64_t div, int exp, bb_number *out) {
    enum { BITS = 192 };
    uint32_t p[6];
    uint64_t rem = 0;
    tail rest = multiply(n, mul, p);
    bb_number q = {.cls = BB_CLASS_FINITE, .sign = n->sign};
    int taken = 0;
    for (; !(q.hi >> 63); taken++) {
        unsigned bit = taken < BITS ? p[taken / 32] >> (31 - taken % 32) & 1 : tail_bit(&rest);
        rem = rem << 1 | bit;
        bool one = rem >= div;
        if (one) rem -= div;
        q.hi = q.hi << 1 | q.lo >> 63;
        q.lo = q.lo << 1 | (one ? 1 : 0);
    }
    bool exact = rest.den != 0, more = !exact || rest.rem;
    double below = exact ? (double)rest.rem / (double)rest.den : rest.frac;
    for (int i = BITS - 1; i >= taken; i--) { /* digits that the quotient has no room for */
        bool one = p[i / 32] >> (31 - i % 32) & 1;
        below = (below + one) / 2;
        more = more || one;
    }
    if (taken < BITS && more) exact = false;
    q.exp = (int32_t)(n->exp + exp + BITS - taken);
    q.sticky = rem || more;
    if (q.sticky && exact && div <= UINT32_MAX && div * rest.den <= UINT32_MAX) {
        q.rem = (uint32_t)(rem * rest.den + rest.rem);
        q.den = (uint32_t)(div * rest.den);
    }
    q.above = ((double)rem + below) / (double)div;
    q.below = ((double)(div - rem) - below) / (double)div;
    *out = q;
}

/* ---- differences ---- */

/* x - y in units of 2^y->exp, both positive, y->exp <= x->exp <= y->exp + 64: the integers exactly, then what lies
 * between them. */
static double difference(const bb_number *x, const bb_number *y) {
    unsigned apart = (unsigned)(x->exp - y->exp);
    uint64_t a[3] = {0, x->hi, x->lo}, b[3] = {0, y->hi, y->lo}, d[3], borrow = 0; /* most significant first */
    if (apart == 64)
        a[0] = x->hi, a[1] = x->lo, a[2] = 0;
    else if (apart > 0)
        a[0] = x->hi >> (64 - apart), a[1] = x->hi << apart | x->lo >> (64 - apart), a[2] = x->lo << apart;
    for (int i = 2; i >= 0; i--) {
        uint64_t part = a[i] - b[i];
        d[i] = part - borrow;
        borrow = (a[i] < b[i]) | (part < borrow);
    }
    if (!d[0] && !d[1] && d[2] == 1 && !x->sticky) return y->below; /* 1 - t would cancel */
    double whole = ldexp((double)d[0], 128) + ldexp((double)d[1], 64) + (double)d[2];
    return whole + (ldexp(x->above, (int)apart) - y->above);
}

double bb_number_diff(const bb_number *a, const bb_number *b) {
    if (a->cls == BB_CLASS_NAN || b->cls == BB_CLASS_NAN || a->cls == BB_CLASS_INF || b->cls == BB_CLASS_INF)
        return (double)NAN;
    if (b->cls == BB_CLASS_ZERO) return bb_number_to_f64(a);
    if (a->cls == BB_CLASS_ZERO) return -bb_number_to_f64(b);
    int64_t apart = (int64_t)a->exp - b->exp;
    if (a->sign != b->sign || apart > 64 || apart < -64) /* nothing cancels */
        return bb_number_to_f64(a) - bb_number_to_f64(b);
    bool swap = apart ? apart < 0 : a->hi != b->hi ? a->hi < b->hi : a->lo < b->lo;
    const bb_number *x = swap ? b : a, *y = swap ? a : b; /* the larger integer first */
    double v = ldexp(difference(x, y), y->exp);
    return a->sign != swap ? -v : v;
}
