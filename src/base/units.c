/* SPDX-License-Identifier: GPL-3.0-or-later */
/* units.c - bytes and counts as text and back; decimal input is read exactly, in integers. */
#include "base/units.h"
#include "base/checked.h"
#include "base/escape.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Quotient of n by unit in thousandths, rounded half up, as "17.034"; then cut to `decimals`. */
static void decimal(uint64_t n, uint64_t unit, unsigned decimals, char *buf, size_t size) {
    uint64_t scale = 1;
    for (unsigned i = 0; i < decimals; i++) scale *= 10;
    uint64_t whole = n / unit, rest = n % unit, part = 0;
    /* rest * scale may pass 2^64: take the digits one by one */
    uint64_t r = rest;
    for (unsigned i = 0; i < decimals; i++) {
        uint64_t digit = 0;
        uint64_t acc = 0;
        for (int k = 0; k < 10; k++) { /* acc = 10 * r mod unit, digit = quotient */
            if (acc >= unit - r) {
                acc -= unit - r;
                digit++;
            } else
                acc += r;
        }
        part = part * 10 + digit;
        r = acc;
    }
    if (r >= unit - r && r != 0) part++;
    if (part >= scale) {
        part -= scale;
        whole++;
    }
    if (decimals)
        snprintf(buf, size, "%llu.%0*llu", (unsigned long long)whole, (int)decimals, (unsigned long long)part);
    else
        snprintf(buf, size, "%llu", (unsigned long long)whole);
}

/* n in the largest of the units (each `step` times the one before) that leaves at least 1 after rounding: two
 * decimals, one from 1000 on. Returns the number of the unit. */
static unsigned in_unit(uint64_t n, uint64_t step, char *number, size_t size) {
    enum { LARGEST = 6 }; /* 1000^6 and 1024^6 are the last below 2^64 */
    uint64_t unit = 1;
    unsigned i = 0;
    while (i < LARGEST && n / unit >= step) unit *= step, i++;
    if (i == 0) {
        decimal(n, 1, 0, number, size);
        return 0;
    }
    decimal(n, unit, n / unit >= 1000 ? 1 : 2, number, size);
    if (i < LARGEST && strtoull(number, NULL, 10) >= step) decimal(n, unit * step, 2, number, size), i++;
    return i;
}

const char *bb_bytes_text(uint64_t bytes, bool si, char *buf) {
    static const char *const binary[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    static const char *const metric[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    char number[24];
    unsigned i = in_unit(bytes, si ? 1000 : 1024, number, sizeof number);
    snprintf(buf, 32, "%s %s", number, si ? metric[i] : binary[i]);
    return buf;
}

const char *bb_gib_text(uint64_t bytes, bool si, unsigned decimals, char *buf) {
    decimal(bytes, si ? 1000000000u : 1073741824u, decimals > 6 ? 6 : decimals, buf, 32);
    return buf;
}

const char *bb_count_text(uint64_t n, char *buf) {
    static const char *const names[] = {"", " K", " M", " B", " T", " P", " E"};
    char number[24];
    unsigned i = in_unit(n, 1000, number, sizeof number);
    snprintf(buf, 32, "%s%s", number, names[i]);
    return buf;
}

/* A decimal number as its digits, most significant first, and the power of ten of the last one. */
enum { MAX_DIGITS = 80, MAX_PRODUCT = MAX_DIGITS + 20 };
typedef struct decimal_text {
    unsigned char digit[MAX_PRODUCT];
    size_t n;
    int ten;
} decimal_text;

/* Reads digits with at most one point, and an exponent where one is allowed; *p goes past them. */
static bool read_decimal(const char **p, decimal_text *d, bool exponent) {
    bool any = false, point = false;
    d->n = 0;
    d->ten = 0;
    for (;; (*p)++) {
        char c = **p;
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9') break;
        any = true;
        if (point) d->ten--;
        if (d->n == 0 && c == '0') continue; /* leading zeros say nothing */
        if (d->n == MAX_DIGITS) return false;
        d->digit[d->n++] = (unsigned char)(c - '0');
    }
    if (!any) return false;
    const char *q = *p;
    if (!exponent || (*q != 'e' && *q != 'E')) return true;
    q++;
    bool minus = *q == '-';
    if (*q == '-' || *q == '+') q++;
    size_t digits = strspn(q, "0123456789");
    if (digits == 0) return true; /* the E of EiB */
    if (digits > 4) return false;
    int e = 0;
    for (size_t i = 0; i < digits; i++) e = e * 10 + (q[i] - '0');
    d->ten += minus ? -e : e;
    *p = q + digits;
    return true;
}

/* d * unit, rounded half up to a whole; exact whatever the unit, false past 2^64. unit is at most 2^60. *is_whole tells
 * whether nothing was rounded. */
static bool scaled(const decimal_text *d, uint64_t unit, uint64_t *out, bool *is_whole) {
    unsigned char product[MAX_PRODUCT];
    uint64_t carry = 0;
    size_t at = MAX_PRODUCT;
    for (size_t i = d->n; i-- > 0;) {
        carry += d->digit[i] * unit;
        product[--at] = (unsigned char)(carry % 10);
        carry /= 10;
    }
    for (; carry; carry /= 10) product[--at] = (unsigned char)(carry % 10);
    size_t n = MAX_PRODUCT - at;
    const unsigned char *digit = product + at;
    /* digits before the point; those that ten > 0 adds are zeros */
    int64_t whole = (int64_t)n + d->ten;
    uint64_t v = 0;
    if (n == 0) whole = 0;
    for (int64_t i = 0; i < whole; i++) {
        uint64_t next = i < (int64_t)n ? digit[i] : 0;
        if (!bb_mul_u64(v, 10, &v) || !bb_add_u64(v, next, &v)) return false;
    }
    if (whole >= 0 && whole < (int64_t)n && digit[whole] >= 5 && !bb_add_u64(v, 1, &v)) return false;
    *is_whole = true;
    for (int64_t i = whole < 0 ? 0 : whole; i < (int64_t)n; i++)
        if (digit[i]) *is_whole = false;
    *out = v;
    return true;
}

typedef struct unit_name {
    const char *name;
    uint64_t size;
} unit_name;

static const unit_name byte_units[] = {
    {"B", 1},
    {"KiB", 1ull << 10},
    {"MiB", 1ull << 20},
    {"GiB", 1ull << 30},
    {"TiB", 1ull << 40},
    {"PiB", 1ull << 50},
    {"EiB", 1ull << 60},
    {"kB", 1000ull},
    {"MB", 1000000ull},
    {"GB", 1000000000ull},
    {"TB", 1000000000000ull},
    {"PB", 1000000000000000ull},
    {"EB", 1000000000000000000ull},
};

/* The unit that p names, or NULL. */
static const unit_name *find_unit(const char *p, const unit_name *units, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (bb_name_eq(p, units[i].name)) return &units[i];
    return NULL;
}

bb_status bb_parse_bytes(const char *text, uint64_t *bytes, bb_error *err) {
    const char *p = text;
    decimal_text d;
    char shown[80];
    bb_escape_buf(text, shown, sizeof shown);
    const unit_name *unit = NULL;
    if (read_decimal(&p, &d, true)) {
        while (*p == ' ') p++;
        unit = find_unit(p, byte_units, sizeof byte_units / sizeof *byte_units);
    }
    if (!unit)
        return bb_fail(err, BB_E_VALUE,
                       "'%s' is not a size: expected a number with a unit, such as 24GiB, 24GB or 512MiB", shown);
    uint64_t v;
    bool is_whole; /* a part of a byte is rounded away */
    if (!scaled(&d, unit->size, &v, &is_whole))
        return bb_fail(err, BB_E_OVERFLOW, "'%s' is too large: sizes end below 2^64 bytes (16 EiB)", shown);
    *bytes = v;
    return BB_OK;
}

bb_status bb_parse_count(const char *text, uint64_t *n, bb_error *err) {
    static const unit_name powers[] = {{"", 1}, {"k", 1000}, {"m", 1000000}, {"b", 1000000000}, {"t", 1000000000000}};
    const char *p = text;
    decimal_text d;
    char shown[80];
    bb_escape_buf(text, shown, sizeof shown);
    const unit_name *unit = NULL;
    if (read_decimal(&p, &d, true)) unit = find_unit(p, powers, sizeof powers / sizeof *powers);
    if (!unit)
        return bb_fail(err, BB_E_VALUE,
                       "'%s' is not a count of parameters: expected digits with K, M, B or T, such as 7b or 1.5e9",
                       shown);
    uint64_t v;
    bool is_whole;
    if (!scaled(&d, unit->size, &v, &is_whole))
        return bb_fail(err, BB_E_OVERFLOW,
                       "'%s' is too large for a count of parameters: counts end below 2^64 (1.8e19)", shown);
    if (!is_whole)
        return bb_fail(err, BB_E_VALUE, "'%s' is not a count of parameters: expected a whole number of them", shown);
    if (v == 0) return bb_fail(err, BB_E_VALUE, "'%s' is not a count of parameters: expected at least 1", shown);
    *n = v;
    return BB_OK;
}

bool bb_looks_like_count(const char *text) {
    size_t n = strspn(text, "0123456789.");
    if (n == 0 || strspn(text, ".") == n) return false;
    const char *p = text + n;
    if ((*p == 'e' || *p == 'E') && p[1]) {
        p++;
        if (*p == '+' || *p == '-') p++;
        p += strspn(p, "0123456789");
    }
    bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
    return !*p || (letter && !p[1]);
}

bb_status bb_parse_tokens(const char *text, uint64_t *n, bb_error *err) {
    static const unit_name powers[] = {{"", 1}, {"k", 1024}, {"m", 1048576}};
    const char *p = text;
    decimal_text d;
    char shown[80];
    bb_escape_buf(text, shown, sizeof shown);
    const unit_name *unit = NULL;
    if (read_decimal(&p, &d, true)) unit = find_unit(p, powers, sizeof powers / sizeof *powers);
    if (!unit)
        return bb_fail(err, BB_E_VALUE, "'%s' is not a number of tokens: expected digits, or digits with K (1024)",
                       shown);
    uint64_t v;
    bool is_whole;
    if (!scaled(&d, unit->size, &v, &is_whole))
        return bb_fail(err, BB_E_OVERFLOW, "'%s' is too large for a number of tokens: they end below 2^64", shown);
    if (!is_whole)
        return bb_fail(err, BB_E_VALUE, "'%s' is not a number of tokens: expected a whole number of them", shown);
    *n = v;
    return BB_OK;
}
