/* SPDX-License-Identifier: GPL-3.0-or-later */
/* panes.h - where everything stands on a screen of that many rows and columns: a pure function. */
#ifndef BB_TUI_PANES_H
#define BB_TUI_PANES_H
#include "tui/keymap.h"

/* Below these there is no room for an answer: one line says so. */
enum { BB_MIN_ROWS = 17, BB_MIN_COLS = 60, BB_WIDE_COLS = 110, BB_MESSAGE_ROWS = 4 };

typedef struct bb_rect {
    int y, x, h, w; /* h 0: not shown */
} bb_rect;

typedef enum bb_pane {
    /* Bits */
    BB_PANE_VALUE = 0,   /* what goes in: the fields */
    BB_PANE_FORMATS = 1, /* the list */
    BB_PANE_CODE = 2,    /* the bits of the marked format */
    BB_PANE_NEAR = 3,    /* neighbours, error, flags */
    BB_PANE_CHART = 4,   /* error by format */
    BB_PANE_SENTENCE = 5,
    /* Plan */
    BB_PANE_ASK = 0,
    BB_PANE_NEEDS = 1, /* verdict and bar */
    BB_PANE_LINES = 2, /* line by line */
    BB_PANE_MORE = 3,  /* what else fits, or the ways out */
    BB_PANE_LADDER = 4,
    BB_PANE_CARDS = 5,
    /* Quantize */
    BB_PANE_FIELDS = 0,
    BB_PANE_TENSORS = 1,
    BB_PANE_PROGRESS = 2,
    BB_PANE_HISTOGRAM = 3, /* wants.more = 0 leaves it out */
    BB_PANE_TYPES = 4,     /* all types of the marked tensor */
    BB_PANE_TOTAL = 5,
    /* Kernels */
    BB_PANE_SHAPE = 0,
    BB_PANE_ROOF = 1,
    BB_PANE_TABLE = 2,
    BB_PANE_PLOT = 3,
    BB_PANE_SPEED = 4, /* error against speed */
    BB_PANES = 6,
} bb_pane;

typedef struct bb_rule_line {
    bool vertical;
    int y, x, length;
} bb_rule_line;

/* Rows that a screen has something for: the Plan table with its heading, the pane below it, and the bars above it. 0 =
 * not known. Quantize: `more` is the histogram's. */
typedef struct bb_wants {
    int lines, more, needs;
} bb_wants;

enum { BB_PANES_LINES = 12 };
typedef struct bb_panes {
    int rows, cols;
    bool tiny; /* only the first line is used */
    bool wide; /* two panes with frames; else one column with rules */
    bb_rect tabs, message, hints;
    bb_rect pane[BB_PANES];
    bb_rule_line line[BB_PANES_LINES]; /* frames; crossing and touching lines join */
    size_t n_lines;
} bb_panes;

/* wants may be NULL. */
void bb_panes_make(bb_screen screen, int rows, int cols, const bb_wants *wants, bb_panes *l);
/* How lines join at a place: bits 1 up, 2 down, 4 left, 8 right. */
unsigned bb_panes_joint(const bb_panes *l, int y, int x);
/* Gives the message that many rows, at most BB_MESSAGE_ROWS: it grows upwards, over what stands there. */
void bb_panes_message(bb_panes *l, int lines);
/* A box in the middle of the screen for `rows` x `cols` of text, frame not counted; smaller when they do not fit. Its
 * frame ends above the message. */
bb_rect bb_panes_popup(const bb_panes *l, int rows, int cols);
#endif
