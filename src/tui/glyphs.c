/* SPDX-License-Identifier: GPL-3.0-or-later */
/* glyphs.c - text onto the screen: clipped to its place, with an ASCII twin for every sign beyond ASCII. */
#include "tui/glyphs.h"
#include <ncurses.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

static bool ascii_only;

static const struct {
    unsigned long sign;
    const char *twin;
} twins[] = {
    {0x2500, "-"},
    {0x2502, "|"},
    {0x250C, "+"},
    {0x2510, "+"},
    {0x2514, "+"},
    {0x2518, "+"},
    {0x251C, "+"},
    {0x2524, "+"},
    {0x252C, "+"},
    {0x2534, "+"},
    {0x253C, "+"},
    {0x2588, "#"},
    /* lower blocks: what is there is seen */
    {0x2581, "."},
    {0x2582, "."},
    {0x2583, "."},
    {0x2584, ":"},
    {0x2585, ":"},
    {0x2586, "#"},
    {0x2587, "#"},
    {0x2593, "K"},
    {0x2592, "A"},
    {0x2591, "H"},
    {0x258C, ">"},
    {0x25CF, "x"},
    {0x25CB, "o"},
    {0x00B7, ","},
    {0x2191, "Up"},
    {0x2193, "Dn"},
    {0x2190, "Lt"},
    {0x2192, "Rt"},
    {0x2026, "..."},
    {0x00D7, "x"},
    {0x2013, "-"},
    {0x00B1, "+-"},
    /* partial blocks round to a whole one or to nothing */
    {0x2589, "#"},
    {0x258A, "#"},
    {0x258B, "#"},
    {0x258D, " "},
    {0x258E, " "},
    {0x258F, " "},
};

void bb_glyphs_start(bool ascii) { ascii_only = ascii; }
bool bb_glyphs_ascii(void) { return ascii_only; }

/* One code point of UTF-8; malformed bytes give '?' one at a time. */
static size_t next_sign(const char *s, unsigned long *sign) {
    const unsigned char *u = (const unsigned char *)s;
    size_t n = u[0] < 0x80 ? 1 : u[0] >= 0xF0 && u[0] < 0xF5 ? 4 : u[0] >= 0xE0 ? 3 : u[0] >= 0xC2 ? 2 : 0;
    if (u[0] >= 0xF5) n = 0;
    unsigned long v = n == 1 ? u[0] : n == 2 ? u[0] & 0x1FU : n == 3 ? u[0] & 0x0FU : u[0] & 0x07U;
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xC0) != 0x80) n = 0;
        v = v << 6 | (u[i] & 0x3FU);
    }
    if (n == 0 || v < 0x20 || (v >= 0x7F && v < 0xA0)) v = '?';
    *sign = v;
    return n ? n : 1;
}

/* Columns of a code point and, in ASCII, its twin. */
static int sign_columns(unsigned long sign, const char **twin) {
    *twin = NULL;
    if (sign < 0x7F) return 1;
    if (ascii_only) {
        *twin = "?";
        for (size_t i = 0; i < sizeof twins / sizeof *twins; i++)
            if (twins[i].sign == sign) *twin = twins[i].twin;
        return (int)strlen(*twin);
    }
    return wcwidth((wchar_t)sign);
}

int bb_text_columns(const char *utf8) {
    int columns = 0;
    for (const char *s = utf8; *s;) {
        unsigned long sign;
        const char *twin;
        s += next_sign(s, &sign);
        int w = sign_columns(sign, &twin);
        columns += w > 0 ? w : 0;
    }
    return columns;
}

int bb_put(int y, int x, int width, bb_role role, const char *utf8) {
    int rows = getmaxy(stdscr), cols = getmaxx(stdscr), used = 0;
    bool visible = y >= 0 && y < rows;
    attrset(bb_theme_attr(role));
    for (const char *s = utf8; *s;) {
        unsigned long sign;
        const char *twin;
        s += next_sign(s, &sign);
        int w = sign_columns(sign, &twin);
        if (w < 0) { /* nothing that this locale can show */
            sign = '?';
            w = 1;
        }
        if (used + w > width) break;
        int at = x + used;
        if (visible && w > 0 && at >= 0 && at + w <= cols) {
            wchar_t text[2] = {(wchar_t)sign, 0};
            if (twin)
                (void)mvaddstr(y, at, twin);
            else
                (void)mvaddnwstr(y, at, text, 1);
        }
        used += w;
    }
    attrset(A_NORMAL);
    return used;
}

int bb_put_cut(int y, int x, int width, bb_role role, const char *utf8) {
    if (bb_text_columns(utf8) <= width || width < 3) return bb_put(y, x, width, role, utf8);
    int used = bb_put(y, x, width - 2, role, utf8);
    return used + bb_put(y, x + used, 2, role, "..");
}

int bb_putf(int y, int x, int width, bb_role role, const char *fmt, ...) {
    char text[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return n < 0 ? 0 : bb_put(y, x, width, role, text);
}

void bb_put_right(int y, int x, int width, bb_role role, const char *utf8) {
    int w = bb_text_columns(utf8);
    if (w < width)
        (void)bb_put(y, x + width - w, w, role, utf8);
    else
        (void)bb_put(y, x, width, role, utf8);
}

void bb_put_times(int y, int x, int n, bb_role role, const char *sign) {
    for (int i = 0; i < n;) {
        int w = bb_put(y, x + i, n - i, role, sign);
        if (w <= 0) return;
        i += w;
    }
}

void bb_put_blank(int y, int x, int h, int w) {
    for (int i = 0; i < h; i++) bb_put_times(y + i, x, w, BB_ROLE_TEXT, " ");
}
