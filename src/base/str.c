/* SPDX-License-Identifier: GPL-3.0-or-later */
/* str.c - growing text, and numbers to and from text in the C locale. */
#include "base/str.h"
#include "base/c_locale.h"
#include "base/checked.h"
#include "base/mem.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bb_str_init(bb_str *s) { *s = (bb_str){0}; }

void bb_str_clear(bb_str *s) {
    free(s->data);
    *s = (bb_str){0};
}

static bool reserve(bb_str *s, size_t more) {
    size_t need;
    if (s->failed || !bb_add_size(s->len, more, &need) || !bb_add_size(need, 1, &need)) {
        s->failed = true;
        return false;
    }
    if (need <= s->cap) return true;
    size_t cap = s->cap ? s->cap : 64;
    while (cap < need) {
        if (!bb_mul_size(cap, 2, &cap)) cap = need;
    }
    char *p = realloc(s->data, cap);
    if (!p) {
        s->failed = true;
        return false;
    }
    s->data = p;
    s->cap = cap;
    return true;
}

void bb_str_addn(bb_str *s, const char *text, size_t n) {
    if (!reserve(s, n)) return;
    if (n) memcpy(s->data + s->len, text, n);
    s->len += n;
    s->data[s->len] = 0;
}

void bb_str_add(bb_str *s, const char *text) { bb_str_addn(s, text, strlen(text)); }

void bb_str_addc(bb_str *s, char c, size_t times) {
    if (!reserve(s, times)) return;
    memset(s->data + s->len, c, times);
    s->len += times;
    s->data[s->len] = 0;
}

void bb_str_addf(bb_str *s, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    bb_c_locale l = bb_c_locale_enter();
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        s->failed = true;
    else if (reserve(s, (size_t)n)) {
        vsnprintf(s->data + s->len, (size_t)n + 1, fmt, again);
        s->len += (size_t)n;
    }
    bb_c_locale_leave(l);
    va_end(again);
}

char *bb_u64_text(uint64_t v, char *buf) {
    char digits[20];
    size_t n = 0, i = 0;
    do digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n) buf[i++] = digits[--n];
    buf[i] = '\0';
    return buf;
}

void bb_str_add_u64(bb_str *s, uint64_t v) {
    char buf[21];
    bb_str_add(s, bb_u64_text(v, buf));
}

const char *bb_str_c(const bb_str *s) { return s->data ? s->data : ""; }

bool bb_str_write(void *str, const char *data, size_t n) {
    bb_str *s = str;
    bb_str_addn(s, data, n);
    return !s->failed;
}

const char *bb_f64_17(double v, char *buf) {
    if (isnan(v)) return memcpy(buf, "nan", 4);
    if (isinf(v)) return memcpy(buf, v < 0 ? "-inf" : "inf", v < 0 ? 5 : 4);
    bb_c_locale l = bb_c_locale_enter();
    snprintf(buf, 32, "%.17g", v);
    bb_c_locale_leave(l);
    return buf;
}

/* The decimal of the same length one step further from zero: "1.999e-05" becomes "2.000e-05". False at "9.99e..". */
static bool step_up(char *text) {
    for (char *p = strchr(text, 'e'); p-- > text;) {
        if (*p < '0' || *p > '9') continue;
        if (*p != '9') {
            ++*p;
            return true;
        }
        *p = '0';
    }
    return false;
}

/* Fewest digits that read back, as "d.ddde-XX"; the C locale is on. */
static void shortest_scientific(double v, char *text, size_t size) {
    /* Up to 15 digits survive the way through a normal double and back, so when fewer are enough, 15 show zeros. */
    int first = fabs(v) < 0x1p-1022 ? 1 : 15;
    int exponent;
    /* Below a power of two doubles lie twice as dense as above: the nearest decimal may miss it where the next one up
     * reads back. */
    bool lopsided = fabs(frexp(v, &exponent)) == 0.5;
    for (int digits = first; digits < 17; digits++) {
        snprintf(text, size, "%.*e", digits - 1, v);
        if (strtod(text, NULL) == v) return;
        if (lopsided && step_up(text) && strtod(text, NULL) == v) return;
    }
    snprintf(text, size, "%.16e", v);
}

const char *bb_f64_shortest(double v, char *buf) {
    if (isnan(v) || isinf(v)) return bb_f64_17(v, buf);
    char text[40], digits[24], out[64];
    bb_c_locale l = bb_c_locale_enter();
    shortest_scientific(v, text, sizeof text);
    bb_c_locale_leave(l);
    const char *p = text, *e = strchr(text, 'e');
    const char *sign = *p == '-' ? "-" : "";
    size_t n = 0;
    for (; p < e && n < sizeof digits - 1; p++)
        if (*p >= '0' && *p <= '9') digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0') n--;
    digits[n] = 0;
    int exponent = (int)strtol(e + 1, NULL, 10);
    /* plain from 1e-4 to below 1e16, as Python's repr */
    if (exponent < -4 || exponent >= 16)
        snprintf(out, sizeof out, "%s%c%s%se%c%02d", sign, digits[0], n > 1 ? "." : "", digits + 1,
                 exponent < 0 ? '-' : '+', abs(exponent));
    else if (exponent < 0)
        snprintf(out, sizeof out, "%s0.%.*s%s", sign, -exponent - 1, "000", digits);
    else if (n <= (size_t)exponent + 1)
        snprintf(out, sizeof out, "%s%s%.*s", sign, digits, exponent + 1 - (int)n, "000000000000000");
    else
        snprintf(out, sizeof out, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
    return memcpy(buf, out, strlen(out) + 1); /* at most 24 characters */
}

bool bb_parse_f64(const char *text, double *v) {
    const char *p = text;
    if (*p == '-' || *p == '+') p++;
    size_t digits = strspn(p, "0123456789");
    p += digits;
    if (*p == '.') {
        size_t more = strspn(p + 1, "0123456789");
        digits += more;
        p += 1 + more;
    }
    if (digits == 0) return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        if (*p == '-' || *p == '+') p++;
        size_t n = strspn(p, "0123456789");
        if (n == 0) return false;
        p += n;
    }
    if (*p) return false;
    bb_c_locale l = bb_c_locale_enter();
    double d = strtod(text, NULL);
    bb_c_locale_leave(l);
    if (!isfinite(d)) return false;
    *v = d;
    return true;
}

bool bb_parse_u64(const char *text, uint64_t *v) {
    uint64_t n = 0;
    if (!*text) return false;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9' || !bb_mul_u64(n, 10, &n) || !bb_add_u64(n, (uint64_t)(*p - '0'), &n)) return false;
    }
    *v = n;
    return true;
}
