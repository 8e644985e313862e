/* SPDX-License-Identifier: GPL-3.0-or-later */
/* escape.h - text that came from a file, made safe for a terminal, a log or a cell. */
#ifndef BB_BASE_ESCAPE_H
#define BB_BASE_ESCAPE_H
#include "base/str.h"

/* Bytes of the well-formed UTF-8 sequence (RFC 3629) that begins the n bytes at s, and its code point; 0 when there is
 * none. n is at least 1. */
size_t bb_utf8_decode(const char *s, size_t n, uint32_t *code_point);
bool bb_utf8_valid(const char *s, size_t n);

/* Appends n bytes with C0, C1, DEL, invalid UTF-8, bidirectional controls and line separators written as \xNN or
 * \u{NNNN}; '\' stays itself. At most max bytes of input are used, then "..." (max 0 = all). */
void bb_escape(bb_str *out, const char *text, size_t n, size_t max);
/* The same into a fixed buffer, "..." at its end when the text does not fit; always terminated; returns buf. */
const char *bb_escape_buf(const char *text, char *buf, size_t size);
#endif
