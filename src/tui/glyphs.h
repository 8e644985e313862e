/* SPDX-License-Identifier: GPL-3.0-or-later */
/* glyphs.h - text onto the screen: clipped to its place, with an ASCII twin for every sign beyond ASCII. */
#ifndef BB_TUI_GLYPHS_H
#define BB_TUI_GLYPHS_H
#include "base/fail.h"
#include "tui/theme.h"
#include <stddef.h>

/* ascii: every sign is replaced by its twin, and what has none by '?'. */
void bb_glyphs_start(bool ascii);
bool bb_glyphs_ascii(void);
/* Columns that text takes, twins counted. */
int bb_text_columns(const char *utf8);
/* Text at (y, x), at most `width` columns and never beyond the screen; the columns used. Rows and columns outside the
 * screen are allowed and draw nothing. Control characters appear as '?'. */
int bb_put(int y, int x, int width, bb_role role, const char *utf8);
int bb_putf(int y, int x, int width, bb_role role, const char *fmt, ...) BB_PRINTF(5, 6);
/* The same; text that is too long ends with ".." so that it is seen to be cut. */
int bb_put_cut(int y, int x, int width, bb_role role, const char *utf8);
/* The same, ending at column x + width. */
void bb_put_right(int y, int x, int width, bb_role role, const char *utf8);
/* A sign n times. */
void bb_put_times(int y, int x, int n, bb_role role, const char *sign);
/* Blanks over a rectangle. */
void bb_put_blank(int y, int x, int h, int w);
#endif
