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
        bool one = big_cmp(num, den) >= 0;
        if (one) big_sub(num, den);
        hi = hi << 1 | lo >> 63;
        lo = lo << 1 | (one ? 1 : 0);
        big_shift(num, 1);
    }
    int64_t e = shift - 127 + exp;
    out->cls = BB_CLASS_FINITE;
    out->hi = hi;
    out->lo = lo;
    out->sticky = num->len > 0;
    out->exp = (int32_t)(e < -200000 ? -200000 : e > 200000 ? 200000 : e);
}

/* ---- text ---- */

/* Significant decimal digits that can matter: the boundary between two codes of any format here is a binary fraction
 * of at most 128 + 1074 bits, which has fewer decimal digits than this. Later ones only say "a little more". */
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

static int64_t clamp(int64_t v, int64_t limit) { return v > limit ? limit : v < -limit ? -limit : v; }

static bb_status quotient(term *a, term *b, bb_number *n, bb_error *err) {
    big one = {0};
    bb_number out = {.cls = BB_CLASS_ZERO, .sign = a->negative != (b && b->negative)};
    bb_status status = BB_OK;
    big *den = b ? &b->digits : &one;
    if (!b && big_reserve(&one, 1)) one.limb[one.len++] = 1;
    if (b && b->digits.len == 0)
        status = bb_fail(err, BB_E_VALUE, "division by zero");
    else if (a->digits.len) {
        int64_t ten = clamp(a->ten - (b ? b->ten : 0), EXPONENT_LIMIT);
        int64_t two = clamp(a->two - (b ? b->two : 0), 4 * EXPONENT_LIMIT);
        big_pow10(ten > 0 ? &a->digits : den, (uint32_t)(ten > 0 ? ten : -ten));
        divide(&a->digits, den, two, &out);
        out.sticky |= a->sticky || (b && b->sticky);
    }
    if (a->digits.failed || den->failed) status = bb_fail(err, BB_E_NOMEM, "out of memory");
    big_clear(&one);
    if (status == BB_OK) *n = out;
    return status;
}

/* Names: pi, e, sqrt 2, ln 2 to 128 bits, the next bits not all zero (checked against MPFR in the tests). */
static const struct {
    const char *name;
    bb_number n;
} constants[] = {
    {"pi", {BB_CLASS_FINITE, false, true, 0xC90FDAA22168C234u, 0xC4C6628B80DC1CD1u, -126}},
    {"e", {BB_CLASS_FINITE, false, true, 0xADF85458A2BB4A9Au, 0xAFDC5620273D3CF1u, -126}},
    {"sqrt2", {BB_CLASS_FINITE, false, true, 0xB504F333F9DE6484u, 0x597D89B3754ABE9Fu, -127}},
    {"ln2", {BB_CLASS_FINITE, false, true, 0xB17217F7D1CF79ABu, 0xC9E3B39803F2F6AFu, -128}},
    {"inf", {.cls = BB_CLASS_INF}},
    {"infinity", {.cls = BB_CLASS_INF}},
    {"nan", {.cls = BB_CLASS_NAN}},
};

bb_status bb_number_parse(const char *text, bb_number *n, bb_error *err) {
    const char *p = text + (*text == '-' || *text == '+');
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (!bb_name_eq(p, constants[i].name)) continue;
        *n = constants[i].n;
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
        n->cls = m ? BB_CLASS_NAN : BB_CLASS_INF;
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

/* 192-bit integers, most significant first: enough for a difference of two numbers whose exponents are near. */
typedef struct wide {
    uint64_t w[3];
} wide;

static wide shifted(const bb_number *n, uint32_t down) {
    wide r = {{n->hi, n->lo, n->sticky ? 1ull << 63 : 0}};
    for (; down >= 64; down -= 64) r = (wide){{0, r.w[0], r.w[1]}};
    if (down) {
        r.w[2] = r.w[2] >> down | r.w[1] << (64 - down);
        r.w[1] = r.w[1] >> down | r.w[0] << (64 - down);
        r.w[0] >>= down;
    }
    return r;
}

double bb_number_diff(const bb_number *a, const bb_number *b) {
    if (a->cls == BB_CLASS_NAN || b->cls == BB_CLASS_NAN || a->cls == BB_CLASS_INF || b->cls == BB_CLASS_INF)
        return (double)NAN;
    if (b->cls == BB_CLASS_ZERO) return bb_number_to_f64(a);
    if (a->cls == BB_CLASS_ZERO) return -bb_number_to_f64(b);
    if (a->sign != b->sign) {
        double x = bb_number_to_f64(a), y = bb_number_to_f64(b);
        return x - y;
    }
    /* larger magnitude first */
    bool swap = a->exp != b->exp ? a->exp < b->exp : a->hi != b->hi ? a->hi < b->hi : a->lo < b->lo;
    const bb_number *x = swap ? b : a, *y = swap ? a : b;
    int64_t apart = (int64_t)x->exp - y->exp;
    wide p = shifted(x, 0), q = shifted(y, apart > 192 ? 192 : (uint32_t)apart);
    uint64_t borrow = 0;
    for (int i = 2; i >= 0; i--) {
        uint64_t d = p.w[i] - q.w[i], e = d - borrow;
        borrow = (p.w[i] < q.w[i]) | (d < borrow);
        p.w[i] = e;
    }
    if (borrow) return 0; /* equal but for their sticky bits */
    double v = ldexp((double)p.w[0], x->exp + 64) + ldexp((double)p.w[1], x->exp) + ldexp((double)p.w[2], x->exp - 64);
    return (x->sign != swap) ? -v : v;
}
