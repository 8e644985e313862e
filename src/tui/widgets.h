/* SPDX-License-Identifier: GPL-3.0-or-later */
/* widgets.h - a field that is edited, a list to choose from, a text to read: state, keys, drawing. */
#ifndef BB_TUI_WIDGETS_H
#define BB_TUI_WIDGETS_H
#include "tui/glyphs.h"
#include "tui/panes.h"
#include <stdint.h>

typedef enum bb_outcome { BB_STAYS, BB_TAKEN, BB_DROPPED } bb_outcome; /* of a key */

/* ---- a line of text ---- */
enum { BB_EDIT_MAX = 512 };
typedef struct bb_edit {
    char text[BB_EDIT_MAX]; /* UTF-8 */
    size_t len, at;         /* bytes; at = where the next letter goes */
    bool fresh;             /* nothing was typed yet: the first letter replaces the text */
} bb_edit;
void bb_edit_start(bb_edit *e, const char *text);
bb_outcome bb_edit_key(bb_edit *e, int key);
/* `width` columns, scrolled so that the cursor shows. */
void bb_edit_draw(const bb_edit *e, int y, int x, int width);

/* ---- a list with a filter ---- */
typedef struct bb_chooser_item {
    char *value; /* what is taken */
    char *shown; /* the line, value first */
} bb_chooser_item;
typedef struct bb_chooser {
    char title[96], head[128];
    bb_chooser_item *items; /* [n], owned */
    size_t n, cap;
    bool free_text;       /* what was typed may be taken although no item has it */
    uint64_t count, most; /* Left and Right change how many of it are taken, 1 to most; most 0 = one */
    bb_edit filter;
    size_t marked; /* among those that are shown */
    bool failed;   /* memory ended */
} bb_chooser;
void bb_chooser_start(bb_chooser *c, const char *title, const char *head, bool free_text);
void bb_chooser_clear(bb_chooser *c);
void bb_chooser_empty(bb_chooser *c); /* of its items; what was typed and marked stays */
void bb_chooser_add(bb_chooser *c, const char *value, const char *shown);
/* Marks the item of that value. */
void bb_chooser_mark(bb_chooser *c, const char *value);
bb_outcome bb_chooser_key(bb_chooser *c, int key, int page);
int bb_chooser_page(const bb_chooser *c, const bb_panes *l); /* rows of the list that are seen at once */
/* What BB_TAKEN took; NULL when nothing is there to take. */
const char *bb_chooser_value(const bb_chooser *c);
/* The same with how many of it: "RTX 3090x2"; what was typed says so itself. */
void bb_chooser_taken(const bb_chooser *c, char *buf, size_t size);
void bb_chooser_draw(const bb_chooser *c, const bb_panes *l);

/* ---- a text ---- */
typedef struct bb_reader {
    char title[96];
    bb_str text; /* owned; lines end with '\n' */
    int width;   /* for which the text was made */
    size_t top;
} bb_reader;
void bb_reader_start(bb_reader *r, const char *title); /* then append to r->text */
void bb_reader_clear(bb_reader *r);
/* Up, Down and pages move; every other key drops it. page: rows that are seen at once. */
bb_outcome bb_reader_key(bb_reader *r, int key, int page);
int bb_reader_page(const bb_reader *r, const bb_panes *l);
/* After the size or the text changed: no rows past the end. */
void bb_reader_fit(bb_reader *r, int page);
void bb_reader_draw(const bb_reader *r, const bb_panes *l);
int bb_reader_width(const bb_panes *l); /* columns that a line may have at most */
/* Appends text broken at blanks into lines of at most `width` columns; `indent` blanks before all but the first. */
void bb_wrap(bb_str *out, const char *text, int width, int indent);
int bb_wrap_lines(const char *text, int width); /* how many lines that gives */

/* ---- drawing ---- */
void bb_lines_draw(const bb_panes *l); /* rules and frames */
/* A title in the line above a pane: "┌ Ask ───". */
void bb_title_draw(const bb_panes *l, const bb_rect *pane, bb_role role, const char *title);
/* Text broken at blanks over at most `rows` rows of `width` columns, cut with ".." after the last; the rows used. */
int bb_put_wrapped(int y, int x, int rows, int width, bb_role role, const char *text);
/* First row to show of a list so that `marked` is seen among `shown` of `n`. */
size_t bb_scroll(size_t marked, size_t n, size_t shown);
#endif
