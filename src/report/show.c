/* SPDX-License-Identifier: GPL-3.0-or-later */
/* show.c - short forms of numbers for people. */
#include "report/show.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A program that uses the library may have set LC_NUMERIC: whatever stands where the point belongs becomes one. */
static const char *plain_point(char *buf) {
    char *to = buf;
    for (const char *from = buf; *from;) {
        if (strchr("0123456789+-.eE%infa", *from))
            *to++ = *from++;
        else {
            *to++ = '.';
            while (*from && !strchr("0123456789+-eE%", *from)) from++;
        }
    }
    *to = '\0';
    return buf;
}

const char *bb_show_g(double v, int digits, char *buf) {
    snprintf(buf, BB_SHOW_SIZE, "%.*g", digits, v);
    return isnan(v) ? "nan" : plain_point(buf);
}

static const char *scientific(double v, int digits, bool sign, char *buf) {
    buf[0] = '\0';
    if (isnan(v)) return buf;
    if (v == 0)
        snprintf(buf, BB_SHOW_SIZE, "0");
    else
        snprintf(buf, BB_SHOW_SIZE, sign ? "%+.*e" : "%.*e", digits, v);
    return plain_point(buf);
}

const char *bb_show_error(double v, int digits, char *buf) { return scientific(v, digits, true, buf); }
const char *bb_show_ratio(double v, int digits, char *buf) { return scientific(v, digits, false, buf); }

const char *bb_show_fixed(double v, int decimals, char *buf) {
    buf[0] = '\0';
    if (isnan(v)) return buf;
    /* Beyond this a fixed form says nothing and does not fit. */
    if (fabs(v) >= 1e15) return bb_show_g(v, 6, buf);
    snprintf(buf, BB_SHOW_SIZE, "%.*f", decimals, v);
    return plain_point(buf);
}

const char *bb_show_share(uint64_t part, uint64_t whole, char *buf) {
    buf[0] = '\0';
    if (!whole) return buf;
    snprintf(buf, BB_SHOW_SIZE, "%.1f%%", 100.0 * (double)part / (double)whole);
    return plain_point(buf);
}

const char *bb_show_code(uint64_t code, unsigned bits, char *buf) {
    snprintf(buf, 19, "0x%0*" PRIX64, (int)((bits + 3) / 4), code);
    return buf;
}

const char *bb_show_binary(uint64_t bits, unsigned n, char *buf) {
    if (n > 64) n = 64;
    for (unsigned i = 0; i < n; i++) buf[i] = bits >> (n - 1 - i) & 1 ? '1' : '0';
    buf[n] = '\0';
    return buf;
}

void bb_show_shape(const uint64_t *dims, uint32_t n, bb_str *out) {
    for (uint32_t i = 0; i < n; i++) {
        if (i) bb_str_add(out, "x");
        bb_str_add_u64(out, dims[i]);
    }
    if (!n) bb_str_add(out, "scalar");
}
