/* SPDX-License-Identifier: GPL-3.0-or-later */
/* str.h - growing text, name comparison with nearest matches, and numbers to and from text in the C locale. */
#ifndef BB_BASE_STR_H
#define BB_BASE_STR_H
#include "base/fail.h"
#include <stdint.h>

/* Owns data, which is NUL-terminated once anything was appended (use bb_str_c). A failed append sets `failed` and later
 * appends do nothing: check once at the end. */
typedef struct bb_str {
    char *data;
    size_t len, cap;
    bool failed;
} bb_str;

void bb_str_init(bb_str *s);
void bb_str_clear(bb_str *s); /* frees and leaves an empty string */
void bb_str_add(bb_str *s, const char *text);
void bb_str_addn(bb_str *s, const char *text, size_t n);
void bb_str_addc(bb_str *s, char c, size_t times);
void bb_str_add_u64(bb_str *s, uint64_t v); /* in decimal */
void bb_str_addf(bb_str *s, const char *fmt, ...) BB_PRINTF(2, 3);
const char *bb_str_c(const bb_str *s);                    /* never NULL */
bool bb_str_write(void *str, const char *data, size_t n); /* a bb_write_fn that appends to a bb_str */

bool bb_starts_with(const char *text, const char *start);
bool bb_ends_with(const char *text, const char *end);

/* ASCII only, whatever the locale. */
bool bb_name_eq(const char *a, const char *b); /* ignoring case */
/* Ignoring case and treating '-', '_', '.' and ' ' as equal: how users spell model and card names. */
bool bb_name_like(const char *a, const char *b);
bool bb_name_contains(const char *text, const char *part); /* alike in that sense; every text contains "" */

/* Candidates by edit distance to `name`, nearest first, as "a, b or c" in out (at most three, only near ones);
 * out is "" when none is near. next(ctx, i) gives candidate i or NULL after the last. */
void bb_nearest(const char *name, const char *(*next)(const void *ctx, size_t i), const void *ctx, char *out,
                size_t out_size);

char *bb_u64_text(uint64_t v, char *buf); /* in decimal; buf of at least 21 */
/* Shortest decimal that reads back as the same double ("3.140625", "1e-08", "inf", "nan"); buf of at least 32. */
const char *bb_f64_shortest(double v, char *buf);
/* 17 significant digits; buf of at least 32. */
const char *bb_f64_17(double v, char *buf);
/* Whole text as a double, '.' as the point, no hex, inf or nan; false when it is anything else. */
bool bb_parse_f64(const char *text, double *v);
/* Whole text as decimal digits without sign; false when it is anything else or passes 2^64. */
bool bb_parse_u64(const char *text, uint64_t *v);
#endif
