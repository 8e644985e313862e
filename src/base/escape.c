/* SPDX-License-Identifier: GPL-3.0-or-later */
/* escape.c - text that came from a file, made safe for a terminal, a log or a cell. */
#include "base/escape.h"
#include <stdio.h>
#include <string.h>

size_t bb_utf8_decode(const char *text, size_t n, uint32_t *code_point) {
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        *code_point = s[0];
        return 1;
    }
    size_t len = s[0] > 0xF4 ? 0 : s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : s[0] >= 0xC2 ? 2 : 0;
    if (len == 0 || len > n) return 0;
    uint32_t c = s[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return 0;
    *code_point = c;
    return len;
}

bool bb_utf8_valid(const char *s, size_t n) {
    uint32_t c;
    for (size_t i = 0; i < n;) {
        size_t len = bb_utf8_decode(s + i, n - i, &c);
        if (len == 0) return false;
        i += len;
    }
    return true;
}

/* Controls, and characters that change how their neighbours are shown. */
static bool hidden(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x61C || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB);
}

enum { PIECE_SIZE = 16 };

/* The safe form of the first character of the n bytes at s, NUL-terminated; returns the bytes it stands for. */
static size_t escape_one(const char *s, size_t n, char piece[PIECE_SIZE]) {
    uint32_t c;
    size_t len = bb_utf8_decode(s, n, &c);
    if (len == 0) {
        snprintf(piece, PIECE_SIZE, "\\x%02X", (unsigned)(unsigned char)s[0]);
        return 1;
    }
    if (!hidden(c)) {
        memcpy(piece, s, len);
        piece[len] = 0;
    } else if (c < 0x100)
        snprintf(piece, PIECE_SIZE, "\\x%02X", (unsigned)c);
    else
        snprintf(piece, PIECE_SIZE, "\\u{%04X}", (unsigned)c);
    return len;
}

void bb_escape(bb_str *out, const char *text, size_t n, size_t max) {
    char piece[PIECE_SIZE];
    uint32_t c;
    bool cut = max && n > max;
    for (size_t i = 0; i < (cut ? max : n);) {
        size_t plain = i; /* most text is, and goes in one piece */
        while (plain < (cut ? max : n) && text[plain] >= 0x20 && text[plain] < 0x7F) plain++;
        if (plain > i) {
            bb_str_addn(out, text + i, plain - i);
            i = plain;
            continue;
        }
        /* a character that the cut divides goes as a whole */
        if (cut && i + bb_utf8_decode(text + i, n - i, &c) > max) break;
        i += escape_one(text + i, n - i, piece);
        bb_str_add(out, piece);
    }
    if (cut) bb_str_add(out, "...");
}

/* Most text is: it stands for itself. */
static bool is_plain(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x20 || text[i] >= 0x7F) return false;
    return true;
}

const char *bb_escape_buf(const char *text, char *buf, size_t size) {
    static const char more[] = "...";
    char piece[PIECE_SIZE];
    size_t n = strlen(text), used = 0, cut = 0; /* cut: how much may stay when "..." has to follow */
    if (size == 0) return buf;
    if (n < size && is_plain(text, n)) return memcpy(buf, text, n + 1);
    for (size_t i = 0; i < n;) {
        i += escape_one(text + i, n - i, piece);
        size_t len = strlen(piece);
        if (used + len >= size) {
            size_t room = size - 1 - cut;
            memcpy(buf + cut, more, room < sizeof more - 1 ? room : sizeof more - 1);
            used = cut + (room < sizeof more - 1 ? room : sizeof more - 1);
            break;
        }
        memcpy(buf + used, piece, len);
        used += len;
        if (used + sizeof more <= size) cut = used;
    }
    buf[used] = 0;
    return buf;
}
