/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keymap.h - the one table of keys and actions, which also makes the help and the line of hints. */
#ifndef BB_TUI_KEYMAP_H
#define BB_TUI_KEYMAP_H
#include "base/str.h"

typedef enum bb_screen { BB_SCREEN_BITS, BB_SCREEN_PLAN, BB_SCREEN_QUANTIZE, BB_SCREEN_KERNELS, BB_SCREENS } bb_screen;

/* A key is a Unicode code point, or one of these beyond the last of them. */
enum {
    BB_KEY_NONE = -1, /* nothing came in time */
    BB_KEY_LOST = -2, /* the terminal went away */
    BB_KEY_TAB = 9,
    BB_KEY_ENTER = 10,
    BB_KEY_CTRL_L = 12,
    BB_KEY_CTRL_U = 21,
    BB_KEY_ESC = 27,
    BB_KEY_UP = 0x110000,
    BB_KEY_DOWN,
    BB_KEY_LEFT,
    BB_KEY_RIGHT,
    BB_KEY_HOME,
    BB_KEY_END,
    BB_KEY_PGUP,
    BB_KEY_PGDN,
    BB_KEY_BACKTAB,
    BB_KEY_BACKSPACE,
    BB_KEY_DELETE,
    BB_KEY_F1,
    BB_KEY_RESIZE,
    BB_KEY_OTHER, /* one that nothing uses */
};

typedef enum bb_action {
    BB_ACT_NONE,
    BB_ACT_UP,
    BB_ACT_DOWN,
    BB_ACT_LEFT,
    BB_ACT_RIGHT,
    BB_ACT_PAGE_UP,
    BB_ACT_PAGE_DOWN,
    BB_ACT_FIRST,
    BB_ACT_LAST,
    BB_ACT_NEXT_FIELD,
    BB_ACT_PREV_FIELD,
    BB_ACT_SCREEN_1,
    BB_ACT_SCREEN_2,
    BB_ACT_SCREEN_3,
    BB_ACT_SCREEN_4,
    BB_ACT_ENTER,
    BB_ACT_EDIT,
    BB_ACT_FIND,
    BB_ACT_BACK,
    BB_ACT_HELP,
    BB_ACT_COMMAND,
    BB_ACT_NOTES,
    BB_ACT_WRITE,
    BB_ACT_REDRAW,
    BB_ACT_QUIT,
    BB_ACT_MORE,
    BB_ACT_LESS,
    BB_ACT_FLIP,
    BB_ACT_NEGATE,
    BB_ACT_ZERO,
    BB_ACT_INF,
    BB_ACT_NAN,
    BB_ACT_ROUND,
    BB_ACT_OVERFLOW,
    BB_ACT_FORMATS,
    BB_ACT_SOLVE,
    BB_ACT_GPUS,
    BB_ACT_FORMULA,
    BB_ACT_UNDO,
    BB_ACT_RESET,
    BB_ACT_ALL,
    BB_ACT_SORT,
    BB_ACT_PRESET,
    BB_ACT_PICK,
    BB_ACT_ISA,
    BB_ACT_NEXT_MATCH,
    BB_ACT_PREV_MATCH,
    BB_ACT_TYPES,
    BB_ACT_COMPARE,
    BB_ACT_HISTOGRAM,
    BB_ACT_BESIDE,
    BB_ACT_KEEP,
    BB_ACTIONS,
} bb_action;

typedef enum bb_key_group { BB_KEYS_MOVE, BB_KEYS_EDIT, BB_KEYS_SCREEN, BB_KEYS_ALL, BB_KEY_GROUPS } bb_key_group;

enum { BB_BINDING_KEYS = 3 };
typedef struct bb_binding {
    bb_action action;
    bb_key_group group;
    int keys[BB_BINDING_KEYS];    /* 0 = none */
    const char *shown;            /* the keys as people read them: "Up k" */
    const char *help[BB_SCREENS]; /* what it does there; NULL = not bound on that screen */
    const char *hint[BB_SCREENS]; /* in the line of hints; NULL = left out */
} bb_binding;

size_t bb_binding_count(void);
const bb_binding *bb_binding_at(size_t i);
bb_action bb_keymap_find(bb_screen screen, int key);
/* The line of hints, at most `width` columns: whole hints only, those of the table's end (help, quit) always. */
void bb_keymap_hints(bb_screen screen, size_t width, bb_str *out);
/* The help of a screen as lines: two columns from 72 columns on, one below. */
void bb_keymap_help(bb_screen screen, size_t width, bb_str *out);
#endif
