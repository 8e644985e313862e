/* SPDX-License-Identifier: GPL-3.0-or-later */
/* units.c - bytes and counts as text and back; decimal input is read exactly, in integers. */
#include "base/units.h"
#include "base/checked.h"
#include "base/escape.h"
#include <stdio.h>
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

const char *bb_bytes_text(uint64_t bytes, bool si, char *buf) {
    static const char *const binary[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    static const char *const metric[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    uint64_t step = si ? 1000 : 1024, unit = 1;
    int i = 0;
    while (i < 6 && bytes / unit >= step) unit *= step, i++;
    char number[24];
    decimal(bytes, unit, i == 0 ? 0 : 2, number, sizeof number);
    snprintf(buf, 32, "%s %s", number, si ? metric[i] : binary[i]);
    return buf;
}

const char *bb_gib_text(uint64_t bytes, bool si, unsigned decimals, char *buf) {
    decimal(bytes, si ? 1000000000u : 1073741824u, decimals > 6 ? 6 : decimals, buf, 32);
    return buf;
}

const char *bb_count_text(uint64_t n, char *buf) {
    static const char *const names[] = {"", " K", " M", " B", " T", " P", " E"};
    uint64_t unit = 1;
    int i = 0;
    while (i < 6 && n / unit >= 1000) unit *= 1000, i++;
    char number[24];
    decimal(n, unit, i == 0 ? 0 : 2, number, sizeof number);
    snprintf(buf, 32, "%s%s", number, names[i]);
    return buf;
}

/* A decimal number with an optional exponent at *p: its digits without the point, and the power of ten. */
typedef struct mantissa {
    uint64_t digits;
    int64_t ten;
} mantissa;

static bool read_mantissa(const char **p, mantissa *m, bool exponent) {
    uint64_t v = 0;
    int64_t ten = 0;
    bool any = false, point = false;
    for (;; (*p)++) {
        char c = **p;
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9') break;
        any = true;
        if (point && c == '0' && strspn(*p, "0") == strspn(*p, "0123456789")) continue; /* trailing zeros say nothing */
        if (!bb_mul_u64(v, 10, &v) || !bb_add_u64(v, (uint64_t)(c - '0'), &v)) return false;
        if (point) ten--;
    }
    if (!any) return false;
    if (exponent && (**p == 'e' || **p == 'E')) {
        const char *q = *p + 1;
        bool minus = *q == '-';
        if (*q == '-' || *q == '+') q++;
        size_t n = strspn(q, "0123456789");
        if (n == 0 || n > 4) return false;
        int64_t e = 0;
        for (size_t i = 0; i < n; i++) e = e * 10 + (q[i] - '0');
        ten += minus ? -e : e;
        *p = q + n;
    }
    m->digits = v;
    m->ten = ten;
    return true;
}

/* digits * 10^ten * unit, rounded half up; false past 2^64. */
static bool scaled(mantissa m, uint64_t unit, uint64_t *out) {
    uint64_t v = m.digits;
    if (v == 0) {
        *out = 0;
        return true;
    }
    if (!bb_mul_u64(v, unit, &v)) {
        /* the unit may still cancel against a negative power */
        while (m.ten < 0 && unit % 10 == 0) unit /= 10, m.ten++;
        v = m.digits;
        if (!bb_mul_u64(v, unit, &v)) return false;
    }
    for (; m.ten > 0; m.ten--)
        if (!bb_mul_u64(v, 10, &v)) return false;
    uint64_t last = 0;
    for (; m.ten < 0; m.ten++) {
        last = v % 10;
        v /= 10;
        if (v == 0 && m.ten < -1) last = 0;
    }
    *out = v + (last >= 5);
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
    {"kB", 1000ull},
    {"MB", 1000000ull},
    {"GB", 1000000000ull},
    {"TB", 1000000000000ull},
    {"PB", 1000000000000000ull},
};

bb_status bb_parse_bytes(const char *text, uint64_t *bytes, bb_error *err) {
    const char *p = text;
    mantissa m;
    char shown[80];
    if (read_mantissa(&p, &m, false)) {
        while (*p == ' ') p++;
        for (size_t i = 0; i < sizeof byte_units / sizeof *byte_units; i++) {
            if (!bb_name_eq(p, byte_units[i].name)) continue;
            if (scaled(m, byte_units[i].size, bytes)) return BB_OK;
            return bb_fail(err, BB_E_OVERFLOW, "'%s' passes 2^64 bytes", bb_escape_buf(text, shown, sizeof shown));
        }
    }
    return bb_fail(err, BB_E_VALUE, "'%s' is not a size: expected a number with a unit, such as 24GiB, 24GB or 512MiB",
                   bb_escape_buf(text, shown, sizeof shown));
}

bb_status bb_parse_count(const char *text, uint64_t *n, bb_error *err) {
    static const unit_name powers[] = {{"", 1}, {"k", 1000}, {"m", 1000000}, {"b", 1000000000}, {"t", 1000000000000}};
    const char *p = text;
    mantissa m;
    char shown[80];
    if (read_mantissa(&p, &m, true)) {
        for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
            if (!bb_name_eq(p, powers[i].name)) continue;
            uint64_t v;
            if (!scaled(m, powers[i].size, &v))
                return bb_fail(err, BB_E_OVERFLOW, "'%s' passes 2^64", bb_escape_buf(text, shown, sizeof shown));
            if (v == 0) break;
            *n = v;
            return BB_OK;
        }
    }
    return bb_fail(err, BB_E_VALUE,
                   "'%s' is not a count of parameters: expected digits with K, M, B or T, such as 7b or 1.5e9",
                   bb_escape_buf(text, shown, sizeof shown));
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
    mantissa m;
    char shown[80];
    if (read_mantissa(&p, &m, false)) {
        for (size_t i = 0; i < sizeof powers / sizeof *powers; i++)
            if (bb_name_eq(p, powers[i].name) && scaled(m, powers[i].size, n)) return BB_OK;
    }
    return bb_fail(err, BB_E_VALUE, "'%s' is not a number of tokens: expected digits, or digits with K (1024)",
                   bb_escape_buf(text, shown, sizeof shown));
}
