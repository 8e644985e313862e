/* SPDX-License-Identifier: GPL-3.0-or-later */
/* theme.c - roles of text, and the attribute that each has with and without colour. */
#include "tui/theme.h"
#include <ncurses.h>

static const struct {
    short color; /* -1 = the terminal's own */
    unsigned long extra, mono;
} palette[BB_ROLES] = {
    [BB_ROLE_TEXT] = {-1, A_NORMAL, A_NORMAL},
    [BB_ROLE_DIM] = {-1, A_DIM, A_NORMAL},
    [BB_ROLE_TITLE] = {COLOR_CYAN, A_BOLD, A_BOLD},
    [BB_ROLE_HEAD] = {-1, A_BOLD, A_BOLD},
    [BB_ROLE_FOCUS] = {COLOR_CYAN, A_BOLD, A_UNDERLINE},
    [BB_ROLE_CURSOR] = {-1, A_REVERSE, A_REVERSE},
    [BB_ROLE_KEY] = {-1, A_DIM, A_NORMAL},
    [BB_ROLE_OK] = {COLOR_GREEN, A_BOLD, A_BOLD},
    [BB_ROLE_WARN] = {COLOR_YELLOW, A_BOLD, A_BOLD},
    [BB_ROLE_BAD] = {COLOR_RED, A_BOLD, A_REVERSE},
    [BB_ROLE_WEIGHTS] = {COLOR_CYAN, A_NORMAL, A_NORMAL},
    [BB_ROLE_KV] = {COLOR_GREEN, A_NORMAL, A_BOLD},
    [BB_ROLE_COMPUTE] = {COLOR_YELLOW, A_NORMAL, A_NORMAL},
    [BB_ROLE_OVERHEAD] = {COLOR_MAGENTA, A_NORMAL, A_BOLD},
};

static bool with_color;

void bb_theme_start(bool color) {
    with_color = color && has_colors() && start_color() == OK && COLORS >= 8 && COLOR_PAIRS > BB_ROLES &&
                 use_default_colors() == OK;
    if (!with_color) return;
    for (int r = 0; r < BB_ROLES; r++) (void)init_pair((short)(r + 1), palette[r].color, -1);
}

unsigned long bb_theme_attr(bb_role role) {
    if (role >= BB_ROLES) return A_NORMAL;
    if (!with_color) return palette[role].mono;
    return palette[role].extra | (palette[role].color < 0 ? A_NORMAL : (unsigned long)COLOR_PAIR((int)role + 1));
}
