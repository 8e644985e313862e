/* SPDX-License-Identifier: GPL-3.0-or-later */
/* theme.h - roles of text, and the attribute that each has with and without colour. */
#ifndef BB_TUI_THEME_H
#define BB_TUI_THEME_H
#include <stdbool.h>

typedef enum bb_role {
    BB_ROLE_TEXT,
    BB_ROLE_DIM,
    BB_ROLE_TITLE,  /* the tab that is open, headings */
    BB_ROLE_HEAD,   /* column headings */
    BB_ROLE_FOCUS,  /* the field or row that keys go to */
    BB_ROLE_CURSOR, /* the place of the next letter, the marked bit */
    BB_ROLE_KEY,
    BB_ROLE_OK,
    BB_ROLE_WARN,
    BB_ROLE_BAD,
    BB_ROLE_WEIGHTS, /* the parts of a bar */
    BB_ROLE_KV,
    BB_ROLE_COMPUTE,
    BB_ROLE_OVERHEAD,
    BB_ROLES,
} bb_role;

/* After newterm. Without colour bold, reverse and underline do the work; the background is never set. */
void bb_theme_start(bool color);
unsigned long bb_theme_attr(bb_role role); /* of ncurses */
#endif
