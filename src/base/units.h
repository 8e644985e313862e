/* SPDX-License-Identifier: GPL-3.0-or-later */
/* units.h - the only place that turns bytes and counts into text and back. */
#ifndef BB_BASE_UNITS_H
#define BB_BASE_UNITS_H
#include "base/fail.h"

/* "17.03 GiB", "812 B"; with si "18.29 GB". Three to five significant digits; buf of at least 32. Returns buf. */
const char *bb_bytes_text(uint64_t bytes, bool si, char *buf);
/* The number alone in GiB (or GB), `decimals` digits, for columns that carry their unit in the heading. */
const char *bb_gib_text(uint64_t bytes, bool si, unsigned decimals, char *buf);
/* "8.03 B" for counts of parameters (K, M, B, T are powers of 1000); buf of at least 32. */
const char *bb_count_text(uint64_t n, char *buf);
/* "24GiB", "24 GB", "512MiB", "1.5GB", "812B". A unit is required; BB_E_VALUE otherwise, BB_E_OVERFLOW past 2^64. */
bb_status bb_parse_bytes(const char *text, uint64_t *bytes, bb_error *err);
/* "7b", "1.5e9", "8030261248", "350M". Decimal powers; exact for every text whose value is an integer. */
bb_status bb_parse_count(const char *text, uint64_t *n, bb_error *err);
/* True when the text looks like a count rather than a name: digits, '.', exponent, and at most one suffix letter,
 * also a wrong one ("7x"), so that the caller can say what is wrong with it. */
bool bb_looks_like_count(const char *text);
/* Tokens, a whole number: "8192", "8k" (8192), "1.5k" (1536), "1M" (1048576). */
bb_status bb_parse_tokens(const char *text, uint64_t *n, bb_error *err);
#endif
