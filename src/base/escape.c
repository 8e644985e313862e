/* SPDX-License-Identifier: GPL-3.0-or-later */
/* escape.c - text that came from a file, made safe for a terminal, a log or a cell. */
#include "base/escape.h"
#include <string.h>

/* Length of the valid UTF-8 sequence at s and its code point; 0 when it is none. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *cp) {
    if (s[0] < 0x80) {
        *cp = s[0];
        return 1;
    }
    size_t len = s[0] >= 0xF0 && s[0] <= 0xF4 ? 4 : s[0] >= 0xE0 ? 3 : s[0] >= 0xC2 ? 2 : 0;
    if (s[0] > 0xF4 || len == 0 || len > n) return 0;
    uint32_t c = s[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return 0;
    *cp = c;
    return len;
}

/* Controls, and characters that change how their neighbours are shown. */
static bool hidden(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x61C || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB);
}

void bb_escape(bb_str *out, const char *text, size_t n, size_t max) {
    const unsigned char *s = (const unsigned char *)text;
    bool cut = max && n > max;
    if (cut) n = max;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t len = decode(s + i, n - i, &c);
        if (len == 0) {
            if (cut && n - i < 4 && s[i] >= 0xC2) break; /* a character that the cut divides */
            bb_str_addf(out, "\\x%02X", s[i]);
            i++;
            continue;
        }
        if (!hidden(c))
            bb_str_addn(out, text + i, len);
        else if (c < 0x100)
            bb_str_addf(out, "\\x%02X", (unsigned)c);
        else
            bb_str_addf(out, "\\u{%04X}", (unsigned)c);
        i += len;
    }
    if (cut) bb_str_add(out, "...");
}

const char *bb_escape_buf(const char *text, char *buf, size_t size) {
    static const char more[] = "...";
    size_t n = strlen(text);
    bb_str s;
    bb_str_init(&s);
    bb_escape(&s, text, n < size ? n : size, 0); /* each byte gives at least one */
    size_t len = s.failed ? 0 : s.len;
    if (len < size) {
        if (len) memcpy(buf, s.data, len);
        buf[len] = 0;
    } else {
        size_t room = size > sizeof more ? size - sizeof more : 0;
        while (room > 0 && ((unsigned char)s.data[room] & 0xC0) == 0x80) room--;
        memcpy(buf, s.data, room);
        memcpy(buf + room, more, size - room < sizeof more ? size - room : sizeof more);
        buf[size - 1] = 0;
    }
    bb_str_clear(&s);
    return buf;
}
