/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keymap.c - the one table of keys and actions, which also makes the help and the line of hints. */
#include "tui/keymap.h"
#include <stdio.h>
#include <string.h>

#define EVERYWHERE(text)                                                                                               \
    { text, text, text, text }
#define NOWHERE                                                                                                        \
    { NULL, NULL, NULL, NULL }
#define BITS(text)                                                                                                     \
    { text, NULL, NULL, NULL }
#define PLAN(text)                                                                                                     \
    { NULL, text, NULL, NULL }
#define QUANTIZE(text)                                                                                                 \
    { NULL, NULL, text, NULL }
#define KERNELS(text)                                                                                                  \
    { NULL, NULL, NULL, text }

/* In the order of the help; the hints take the same order, so what matters most on a screen stands first. */
static const bb_binding bindings[] = {
    {BB_ACT_NEXT_FIELD, BB_KEYS_MOVE, {BB_KEY_TAB}, "Tab", EVERYWHERE("next field or box"), EVERYWHERE("Tab field")},
    {BB_ACT_PREV_FIELD, BB_KEYS_MOVE, {BB_KEY_BACKTAB}, "Shift-Tab", EVERYWHERE("previous field or box"), NOWHERE},
    {BB_ACT_UP,
     BB_KEYS_MOVE,
     {BB_KEY_UP, 'k'},
     "Up k",
     {"format above", "field or line above", "tensor above", "row above"},
     {"Up/Dn format", NULL, NULL, NULL}},
    {BB_ACT_DOWN,
     BB_KEYS_MOVE,
     {BB_KEY_DOWN, 'j'},
     "Down j",
     {"format below", "field or line below", "tensor below", "row below"},
     NOWHERE},
    {BB_ACT_LEFT,
     BB_KEYS_MOVE,
     {BB_KEY_LEFT, 'h'},
     "Left h",
     {"bit to the left", "value before", NULL, "smaller shape"},
     {"Lt/Rt bit", "Lt/Rt change", NULL, NULL}},
    {BB_ACT_RIGHT,
     BB_KEYS_MOVE,
     {BB_KEY_RIGHT, 'l'},
     "Right l",
     {"bit to the right", "next value", NULL, "larger shape"},
     NOWHERE},
    {BB_ACT_LEFT, BB_KEYS_MOVE, {BB_KEY_LEFT}, "Left", QUANTIZE("type of more bits"), NOWHERE},
    {BB_ACT_RIGHT, BB_KEYS_MOVE, {BB_KEY_RIGHT}, "Right", QUANTIZE("type of fewer bits"), NOWHERE},
    {BB_ACT_PAGE_UP, BB_KEYS_MOVE, {BB_KEY_PGUP}, "PgUp", EVERYWHERE("one page up"), NOWHERE},
    {BB_ACT_PAGE_DOWN, BB_KEYS_MOVE, {BB_KEY_PGDN}, "PgDn", EVERYWHERE("one page down"), NOWHERE},
    {BB_ACT_FIRST, BB_KEYS_MOVE, {BB_KEY_HOME, 'g'}, "Home g", EVERYWHERE("first"), NOWHERE},
    {BB_ACT_LAST, BB_KEYS_MOVE, {BB_KEY_END, 'G'}, "End G", EVERYWHERE("last"), NOWHERE},

    {BB_ACT_ENTER,
     BB_KEYS_EDIT,
     {BB_KEY_ENTER},
     "Enter",
     {"edit or choose", "choose; take a way out", "start", "run marked or all; again"},
     {NULL, "Enter choose", "Enter start", "Enter run"}},
    {BB_ACT_EDIT, BB_KEYS_EDIT, {'e'}, "e", EVERYWHERE("edit the field"), {"e enter", NULL, "e edit", NULL}},
    {BB_ACT_FIND, BB_KEYS_EDIT, {'/'}, "/", {NULL, "find a model", "find a tensor", NULL}, NOWHERE},
    {BB_ACT_NEXT_MATCH, BB_KEYS_EDIT, {'n'}, "n", QUANTIZE("next match"), NOWHERE},
    {BB_ACT_PREV_MATCH, BB_KEYS_EDIT, {'N'}, "N", QUANTIZE("match before"), NOWHERE},

    {BB_ACT_FLIP, BB_KEYS_SCREEN, {' '}, "Space", BITS("flip the bit"), BITS("Space flip")},
    {BB_ACT_MORE,
     BB_KEYS_SCREEN,
     {'+', '='},
     "+",
     {"next value", "more", NULL, "more"},
     {"+/- next", NULL, NULL, NULL}},
    {BB_ACT_LESS, BB_KEYS_SCREEN, {'-'}, "-", {"value before it", "less", NULL, "less"}, NOWHERE},
    {BB_ACT_NEGATE, BB_KEYS_SCREEN, {'~'}, "~", BITS("negate"), NOWHERE},
    {BB_ACT_ZERO, BB_KEYS_SCREEN, {'0'}, "0", BITS("zero"), NOWHERE},
    {BB_ACT_INF, BB_KEYS_SCREEN, {'i'}, "i", BITS("infinity"), NOWHERE},
    {BB_ACT_NAN, BB_KEYS_SCREEN, {'a'}, "a", BITS("not a number"), NOWHERE},
    {BB_ACT_ROUND, BB_KEYS_SCREEN, {'m'}, "m", BITS("rounding mode"), BITS("m rounding")},
    {BB_ACT_OVERFLOW, BB_KEYS_SCREEN, {'v'}, "v", BITS("what overflow gives"), NOWHERE},
    {BB_ACT_FORMATS, BB_KEYS_SCREEN, {'t'}, "t", BITS("which formats are shown"), BITS("t formats")},
    {BB_ACT_SOLVE, BB_KEYS_SCREEN, {'s'}, "s", PLAN("solve the marked field"), PLAN("s solve")},
    {BB_ACT_GPUS, BB_KEYS_SCREEN, {'p'}, "p", PLAN("plan on every card"), PLAN("p GPUs")},
    {BB_ACT_FORMULA,
     BB_KEYS_SCREEN,
     {'f'},
     "f",
     {NULL, "formula and its source", NULL, "how %ROOF comes about"},
     {NULL, "f formula", NULL, NULL}},
    {BB_ACT_BESIDE, BB_KEYS_SCREEN, {'c'}, "c", PLAN("compare two plans"), PLAN("c compare")},
    {BB_ACT_KEEP, BB_KEYS_SCREEN, {'C'}, "C", PLAN("keep this plan for c"), NOWHERE},
    {BB_ACT_UNDO, BB_KEYS_SCREEN, {'u'}, "u", PLAN("undo the last change"), NOWHERE},
    {BB_ACT_RESET, BB_KEYS_SCREEN, {'R'}, "R", PLAN("back to the start"), NOWHERE},
    {BB_ACT_ALL, BB_KEYS_SCREEN, {'a'}, "a", KERNELS("run every kernel"), KERNELS("a all")},
    {BB_ACT_PICK, BB_KEYS_SCREEN, {' '}, "Space", KERNELS("mark for a run"), KERNELS("Space mark")},
    {BB_ACT_PRESET, BB_KEYS_SCREEN, {'p'}, "p", KERNELS("shapes of real models"), KERNELS("p shapes")},
    {BB_ACT_ISA, BB_KEYS_SCREEN, {'i'}, "i", KERNELS("next instruction set"), KERNELS("i ISA")},
    {BB_ACT_TYPES, BB_KEYS_SCREEN, {'t'}, "t", QUANTIZE("type of the new file"), QUANTIZE("t type")},
    {BB_ACT_SORT,
     BB_KEYS_SCREEN,
     {'o'},
     "o",
     {NULL, NULL, "order of the tensors", "order of the rows"},
     {NULL, NULL, "o sort", "o sort"}},
    {BB_ACT_COMPARE, BB_KEYS_SCREEN, {'d'}, "d", QUANTIZE("all types of the tensor"), QUANTIZE("d types")},
    {BB_ACT_HISTOGRAM, BB_KEYS_SCREEN, {'h'}, "h", QUANTIZE("histogram on, off"), QUANTIZE("h hist")},

    {BB_ACT_WRITE, BB_KEYS_ALL, {'w'}, "w", EVERYWHERE("write the csv"), EVERYWHERE("w csv")},
    {BB_ACT_COMMAND, BB_KEYS_ALL, {':'}, ":", EVERYWHERE("the same as a command"), EVERYWHERE(": command")},
    {BB_ACT_NOTES, BB_KEYS_ALL, {'r'}, "r", EVERYWHERE("read the notes"), NOWHERE},
    {BB_ACT_SCREEN_1, BB_KEYS_ALL, {'1'}, "1", EVERYWHERE("Bits"), NOWHERE},
    {BB_ACT_SCREEN_2, BB_KEYS_ALL, {'2'}, "2", EVERYWHERE("Plan"), NOWHERE},
    {BB_ACT_SCREEN_3, BB_KEYS_ALL, {'3'}, "3", EVERYWHERE("Quantize"), NOWHERE},
    {BB_ACT_SCREEN_4, BB_KEYS_ALL, {'4'}, "4", EVERYWHERE("Kernels"), NOWHERE},
    {BB_ACT_REDRAW, BB_KEYS_ALL, {BB_KEY_CTRL_L}, "Ctrl-L", EVERYWHERE("draw again"), NOWHERE},
    {BB_ACT_BACK,
     BB_KEYS_ALL,
     {BB_KEY_ESC},
     "Esc",
     {"back one level", "back one level", "cancel what runs", "cancel what runs"},
     NOWHERE},
    {BB_ACT_HELP, BB_KEYS_ALL, {'?', BB_KEY_F1}, "? F1", EVERYWHERE("this help"), NOWHERE},
    {BB_ACT_QUIT, BB_KEYS_ALL, {'q'}, "q", EVERYWHERE("back, then quit"), EVERYWHERE("q quit")},
};

enum { N_BINDINGS = sizeof bindings / sizeof *bindings };

size_t bb_binding_count(void) { return N_BINDINGS; }
const bb_binding *bb_binding_at(size_t i) { return i < N_BINDINGS ? &bindings[i] : NULL; }

bb_action bb_keymap_find(bb_screen screen, int key) {
    if (screen >= BB_SCREENS || key <= 0) return BB_ACT_NONE;
    for (size_t i = 0; i < N_BINDINGS; i++) {
        if (!bindings[i].help[screen]) continue;
        for (size_t k = 0; k < BB_BINDING_KEYS; k++)
            if (bindings[i].keys[k] == key) return bindings[i].action;
    }
    return BB_ACT_NONE;
}

void bb_keymap_hints(bb_screen screen, size_t width, bb_str *out) {
    if (screen >= BB_SCREENS) return;
    const char *last = bindings[N_BINDINGS - 1].hint[screen];
    size_t reserve = strlen(last);
    if (width < reserve) return;
    size_t used = 0;
    for (size_t i = 0; i + 1 < N_BINDINGS; i++) {
        const char *hint = bindings[i].hint[screen];
        if (!hint) continue;
        size_t need = strlen(hint) + 2;
        if (used + need + reserve > width) continue;
        bb_str_addf(out, "%s  ", hint);
        used += need;
    }
    bb_str_add(out, last);
}

/* ---- help ---- */

static const char *const titles[BB_KEY_GROUPS] = {"MOVE", "EDIT", "THIS SCREEN", "EVERYWHERE"};
static const char *const extra[] = {"Ctrl-U clears a field while it is edited", "Ctrl-Z suspends, Ctrl-C quits now"};

enum { HELP_LINES = 48, HELP_WIDTH = 48 };
struct column {
    char line[HELP_LINES][HELP_WIDTH];
    size_t n;
};

static void column_add(struct column *c, const char *a, const char *b) {
    if (c->n >= HELP_LINES) return;
    if (b)
        (void)snprintf(c->line[c->n++], HELP_WIDTH, "  %-10s %s", a, b);
    else
        (void)snprintf(c->line[c->n++], HELP_WIDTH, "%s", a);
}

static void column_group(struct column *c, bb_screen screen, bb_key_group group) {
    if (c->n) column_add(c, "", NULL);
    column_add(c, titles[group], NULL);
    for (size_t i = 0; i < N_BINDINGS; i++)
        if (bindings[i].group == group && bindings[i].help[screen])
            column_add(c, bindings[i].shown, bindings[i].help[screen]);
}

void bb_keymap_help(bb_screen screen, size_t width, bb_str *out) {
    if (screen >= BB_SCREENS) return;
    bool two = width >= 72;
    struct column left = {.n = 0}, right = {.n = 0}, *second = two ? &right : &left;
    column_group(&left, screen, BB_KEYS_MOVE);
    column_group(&left, screen, BB_KEYS_EDIT);
    column_group(second, screen, BB_KEYS_SCREEN);
    column_group(second, screen, BB_KEYS_ALL);
    int half = two ? (int)(width / 2) : 0;
    for (size_t i = 0; i < left.n || i < right.n; i++)
        bb_str_addf(out, "%-*.*s%s\n", half, two ? half : HELP_WIDTH, i < left.n ? left.line[i] : "",
                    i < right.n ? right.line[i] : "");
    bb_str_add(out, "\n");
    for (size_t i = 0; i < sizeof extra / sizeof *extra; i++) bb_str_addf(out, "%s\n", extra[i]);
}
