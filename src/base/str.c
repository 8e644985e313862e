/* SPDX-License-Identifier: GPL-3.0-or-later */
/* str.c - growing text, and numbers to and from text in the C locale. */
#include "base/str.h"
#include "base/checked.h"
#include "base/mem.h"
#include <errno.h>
#include <locale.h>
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
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        s->failed = true;
    else if (reserve(s, (size_t)n)) {
        vsnprintf(s->data + s->len, (size_t)n + 1, fmt, again);
        s->len += (size_t)n;
    }
    va_end(again);
}

const char *bb_str_c(const bb_str *s) { return s->data ? s->data : ""; }

bool bb_str_write(void *str, const char *data, size_t n) {
    bb_str *s = str;
    bb_str_addn(s, data, n);
    return !s->failed;
}

/* printf of one double with '.', whatever the caller's locale says. */
static int print_f64(char *buf, size_t size, int digits, double v) {
    int n = snprintf(buf, size, "%.*g", digits, v);
    const char *point = localeconv()->decimal_point;
    size_t len = strlen(point);
    if (len && strcmp(point, ".") != 0) {
        char *at = strstr(buf, point);
        if (at) {
            *at = '.';
            memmove(at + 1, at + len, strlen(at + len) + 1);
            n = (int)strlen(buf);
        }
    }
    return n;
}

const char *bb_f64_17(double v, char *buf) {
    if (isnan(v)) return memcpy(buf, "nan", 4);
    if (isinf(v)) return memcpy(buf, v < 0 ? "-inf" : "inf", v < 0 ? 5 : 4);
    print_f64(buf, 32, 17, v);
    return buf;
}

/* strtod of text that is known to be a plain decimal number, with the locale's point put in. */
static double read_f64(const char *text) {
    char buf[512];
    const char *point = localeconv()->decimal_point;
    const char *dot = strchr(text, '.');
    if (!dot || strcmp(point, ".") == 0) return strtod(text, NULL);
    size_t head = (size_t)(dot - text), mid = strlen(point), tail = strlen(dot + 1);
    if (head + mid + tail + 1 > sizeof buf) return (double)NAN;
    memcpy(buf, text, head);
    memcpy(buf + head, point, mid);
    memcpy(buf + head + mid, dot + 1, tail + 1);
    return strtod(buf, NULL);
}

const char *bb_f64_shortest(double v, char *buf) {
    if (isnan(v) || isinf(v)) return bb_f64_17(v, buf);
    for (int digits = 1; digits < 17; digits++) {
        print_f64(buf, 32, digits, v);
        if (read_f64(buf) == v) break;
        if (digits == 16) print_f64(buf, 32, 17, v);
    }
    /* %g leaves plain notation as soon as the exponent reaches the digits: 65504 stays, 1e+05 becomes 100000. */
    char *e = strchr(buf, 'e');
    if (e && fabs(v) < 1e16 && fabs(v) >= 1) {
        snprintf(buf, 32, "%.0f", v);
        if (read_f64(buf) != v) print_f64(buf, 32, 17, v);
    }
    return buf;
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
    if (*p || p - text > 400) return false;
    double d = read_f64(text);
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
