/* SPDX-License-Identifier: GPL-3.0-or-later */
/* panes.c - where everything stands on a screen of that many rows and columns: a pure function. */
#include "tui/panes.h"
#include <string.h>

static int least(int a, int b) { return a < b ? a : b; }
static int clamp(int v, int low, int high) { return v < low ? low : v > high ? high : v; }

static void rule(bb_panes *l, int y, int x, int length) {
    if (l->n_lines < BB_PANES_LINES && length > 0)
        l->line[l->n_lines++] = (bb_rule_line){.vertical = false, .y = y, .x = x, .length = length};
}
static void post(bb_panes *l, int y, int x, int length) {
    if (l->n_lines < BB_PANES_LINES && length > 0)
        l->line[l->n_lines++] = (bb_rule_line){.vertical = true, .y = y, .x = x, .length = length};
}
/* The four sides of a frame whose corners are (top, left) and (bottom, right). */
static void frame(bb_panes *l, int top, int left, int bottom, int right) {
    rule(l, top, left, right - left + 1);
    rule(l, bottom, left, right - left + 1);
    post(l, top, left, bottom - top + 1);
    post(l, top, right, bottom - top + 1);
}

/* Gives the next `h` rows of a column to a pane; *y moves on. */
static bb_rect take(int *y, int h, int x, int w) {
    bb_rect r = {*y, x, h > 0 ? h : 0, w};
    *y += r.h;
    return r;
}

static void bits_narrow(bb_panes *l, const bb_wants *wants, int bottom) {
    (void)wants;
    bool roomy = l->rows >= 21; /* rules cost two rows */
    int w = l->cols - 1, y = 1;
    l->pane[BB_PANE_VALUE] = take(&y, 2, 1, w);
    l->pane[BB_PANE_FORMATS] = take(&y, bottom - y - (roomy ? 8 : 6), 1, w);
    if (roomy) rule(l, y++, 1, l->cols - 2);
    l->pane[BB_PANE_CODE] = take(&y, 2, 1, w);
    l->pane[BB_PANE_NEAR] = take(&y, 3, 1, w);
    if (roomy) rule(l, y++, 1, l->cols - 2);
    l->pane[BB_PANE_SENTENCE] = take(&y, 1, 1, w);
}

static void bits_wide(bb_panes *l, const bb_wants *wants, int bottom) {
    (void)wants;
    int split = l->cols - clamp(l->cols / 3 + 1, 41, 60), top = 2, end = bottom - 1, y = 1;
    l->pane[BB_PANE_VALUE] = take(&y, 1, 1, l->cols - 1);
    frame(l, top, 0, end - 1, l->cols - 1);
    post(l, top, split, end - top);
    y = top + 1;
    l->pane[BB_PANE_FORMATS] = take(&y, end - 1 - y, 2, split - 3);
    int x = split + 2, w = l->cols - 2 - x, inner = end - 2 - top;
    y = top + 1;
    l->pane[BB_PANE_CODE] = take(&y, inner >= 12 ? 6 : 5, x, w);
    rule(l, y++, split, l->cols - split);
    l->pane[BB_PANE_NEAR] = take(&y, least(6, end - 1 - y), x, w);
    if (end - 1 - y >= 3) {
        rule(l, y++, split, l->cols - split);
        l->pane[BB_PANE_CHART] = take(&y, end - 1 - y, x, w);
    } else {
        l->pane[BB_PANE_NEAR].h += end - 1 - y;
    }
    y = end;
    l->pane[BB_PANE_SENTENCE] = take(&y, 1, 1, l->cols - 1);
}

static void plan_narrow(bb_panes *l, const bb_wants *wants, int bottom) {
    bool roomy = l->rows >= 22;
    int w = l->cols - 1, y = 1;
    l->pane[BB_PANE_ASK] = take(&y, 4, 1, w);
    if (roomy) rule(l, y++, 1, l->cols - 2);
    int needs = roomy ? clamp(wants->needs, 3, clamp(l->rows / 6, 3, 16)) : 2;
    l->pane[BB_PANE_NEEDS] = take(&y, needs, 1, w);
    int left = bottom - y - (roomy ? 1 : 0);
    int lines = clamp(wants->lines ? wants->lines : 16, 4, left - 4); /* the table first */
    int more = clamp(left - lines, 4, clamp(wants->more, 4, 8));
    if (left - more - lines < 8) lines = left - more; /* no room for the ladder */
    l->pane[BB_PANE_LINES] = take(&y, lines, 1, w);
    if (roomy) rule(l, y++, 1, l->cols - 2);
    l->pane[BB_PANE_MORE] = take(&y, more, 1, w);
    if (bottom - y >= 8) { /* a high screen has the ladder as well */
        rule(l, y++, 1, l->cols - 2);
        l->pane[BB_PANE_LADDER] = take(&y, bottom - y, 1, w);
    }
}

static void plan_wide(bb_panes *l, const bb_wants *wants, int bottom) {
    int split = clamp(l->cols * 3 / 10, 34, 46), top = 1, end = bottom - 1;
    frame(l, top, 0, end, l->cols - 1);
    post(l, top, split, end - top + 1);
    int y = top + 1;
    l->pane[BB_PANE_ASK] = take(&y, clamp(end - y - 12, 8, 14), 2, split - 3);
    rule(l, y++, 0, split + 1);
    l->pane[BB_PANE_MORE] = take(&y, end - y, 2, split - 3);

    int x = split + 2, w = l->cols - 2 - x;
    y = top + 1;
    l->pane[BB_PANE_NEEDS] = take(&y, clamp(wants->needs, 2, clamp(l->rows / 6, 2, 16)), x, w);
    int left = end - y;
    int cards = left >= 16 ? clamp(left / 5, 2, 8) : 0,
        ladder = left >= 11 ? clamp((left - cards - 8) * 2 / 3, 3, 9) : 0;
    int lines = left - (cards ? cards + 1 : 0) - (ladder ? ladder + 1 : 0);
    l->pane[BB_PANE_LINES] = take(&y, lines, x, w);
    if (ladder) {
        rule(l, y++, split, l->cols - split);
        l->pane[BB_PANE_LADDER] = take(&y, ladder, x, w);
    }
    if (cards) {
        rule(l, y++, split, l->cols - split);
        l->pane[BB_PANE_CARDS] = take(&y, cards, x, w);
    }
}

static void quantize_narrow(bb_panes *l, const bb_wants *wants, int bottom) {
    int w = l->cols - 1, y = 1;
    l->pane[BB_PANE_FIELDS] = take(&y, 2, 1, w);
    l->pane[BB_PANE_PROGRESS] = take(&y, 2, 1, w);
    if (l->rows >= 20) rule(l, y++, 1, l->cols - 2);
    int left = bottom - 1 - y, histogram = wants->more && left >= 11 ? clamp(left / 2 - 1, 5, 14) : 0;
    l->pane[BB_PANE_TENSORS] = take(&y, left - (histogram ? histogram + 1 : 0), 1, w);
    if (histogram) {
        rule(l, y++, 1, l->cols - 2);
        l->pane[BB_PANE_HISTOGRAM] = take(&y, histogram, 1, w);
    }
    l->pane[BB_PANE_TOTAL] = take(&y, 1, 1, w);
}

static void quantize_wide(bb_panes *l, const bb_wants *wants, int bottom) {
    int split = clamp(l->cols * 5 / 8, 68, 130), top = 2, end = bottom - 1, y = 1, floor = end - 4;
    l->pane[BB_PANE_FIELDS] = take(&y, 1, 1, l->cols - 1);
    frame(l, top, 0, end, l->cols - 1);
    post(l, top, split, floor - top + 1);
    rule(l, floor, 0, l->cols);
    y = top + 1;
    l->pane[BB_PANE_TENSORS] = take(&y, floor - y, 2, split - 3);
    int x = split + 2, w = l->cols - 2 - x;
    y = top + 1;
    int left = floor - y, histogram = !wants->more ? 0 : left >= 11 ? clamp(left * 3 / 10, 5, 14) : left;
    if (histogram) l->pane[BB_PANE_HISTOGRAM] = take(&y, histogram, x, w);
    if (histogram && histogram < left) rule(l, y++, split, l->cols - split);
    l->pane[BB_PANE_TYPES] = take(&y, floor - y, x, w);
    y = floor + 1;
    l->pane[BB_PANE_PROGRESS] = take(&y, 2, 2, l->cols - 4);
    l->pane[BB_PANE_TOTAL] = take(&y, 1, 2, l->cols - 4);
}

static void kernels_narrow(bb_panes *l, const bb_wants *wants, int bottom) {
    (void)wants;
    bool roomy = l->rows >= 21;
    int w = l->cols - 1, y = 1;
    l->pane[BB_PANE_SHAPE] = take(&y, 1, 1, w);
    l->pane[BB_PANE_ROOF] = take(&y, l->rows >= 24 ? 2 : 1, 1, w);
    if (roomy) rule(l, y++, 1, l->cols - 2);
    int left = bottom - y - (roomy ? 1 : 0), plot = clamp(left / 2, 6, 16);
    l->pane[BB_PANE_TABLE] = take(&y, left - plot, 1, w);
    if (roomy) rule(l, y++, 1, l->cols - 2);
    l->pane[BB_PANE_PLOT] = take(&y, plot, 1, w);
}

static void kernels_wide(bb_panes *l, const bb_wants *wants, int bottom) {
    (void)wants;
    int split = clamp(l->cols * 3 / 5, 74, 100), top = 2, end = bottom - 1, y = 1;
    if (l->cols - split < 36) split = l->cols - 36;
    l->pane[BB_PANE_SHAPE] = take(&y, 1, 1, l->cols - 1);
    frame(l, top, 0, end, l->cols - 1);
    post(l, top, split, end - top + 1);
    y = top + 1;
    int speed = end - y >= 14 ? clamp((end - y) / 3, 4, 10) : 0;
    l->pane[BB_PANE_TABLE] = take(&y, end - y - (speed ? speed + 1 : 0), 2, split - 3);
    if (speed) {
        rule(l, y++, 0, split + 1);
        l->pane[BB_PANE_SPEED] = take(&y, speed, 2, split - 3);
    }
    int x = split + 2, w = l->cols - 2 - x;
    y = top + 1;
    l->pane[BB_PANE_ROOF] = take(&y, end - y >= 16 ? 7 : 3, x, w);
    if (end - y >= 10) rule(l, y++, split, l->cols - split);
    l->pane[BB_PANE_PLOT] = take(&y, end - y, x, w);
}

void bb_panes_make(bb_screen screen, int rows, int cols, const bb_wants *wants, bb_panes *l) {
    memset(l, 0, sizeof *l);
    l->rows = rows;
    l->cols = cols;
    l->tiny = rows < BB_MIN_ROWS || cols < BB_MIN_COLS;
    l->wide = cols >= BB_WIDE_COLS;
    l->tabs = (bb_rect){0, 0, rows > 0 ? 1 : 0, cols};
    if (l->tiny) return;
    l->message = (bb_rect){rows - 2, 1, 1, cols - 1};
    l->hints = (bb_rect){rows - 1, 1, 1, cols - 1};
    static const bb_wants none = {0, 0, 0};
    static void (*const make[BB_SCREENS][2])(bb_panes *, const bb_wants *, int) = {
        [BB_SCREEN_BITS] = {bits_narrow, bits_wide},
        [BB_SCREEN_PLAN] = {plan_narrow, plan_wide},
        [BB_SCREEN_QUANTIZE] = {quantize_narrow, quantize_wide},
        [BB_SCREEN_KERNELS] = {kernels_narrow, kernels_wide},
    };
    if (screen < BB_SCREENS) make[screen][l->wide](l, wants ? wants : &none, rows - 2);
}

unsigned bb_panes_joint(const bb_panes *l, int y, int x) {
    unsigned joint = 0;
    for (size_t i = 0; i < l->n_lines; i++) {
        const bb_rule_line *s = &l->line[i];
        int along = s->vertical ? y - s->y : x - s->x;
        if ((s->vertical ? x != s->x : y != s->y) || along < 0 || along >= s->length) continue;
        if (along > 0) joint |= s->vertical ? 1U : 4U;
        if (along < s->length - 1) joint |= s->vertical ? 2U : 8U;
    }
    return joint;
}

void bb_panes_message(bb_panes *l, int lines) {
    if (l->tiny) return;
    int h = clamp(lines, 1, BB_MESSAGE_ROWS);
    l->message = (bb_rect){l->rows - 1 - h, 1, h, l->cols - 1};
}

bb_rect bb_panes_popup(const bb_panes *l, int rows, int cols) {
    int end = l->message.h ? l->message.y : l->rows; /* the frame's last row is above it */
    int h = clamp(rows, 1, end > 5 ? end - 4 : 1), w = clamp(cols, 1, l->cols > 6 ? l->cols - 6 : 1);
    return (bb_rect){least((l->rows - h) / 2, end - 1 - h), (l->cols - w) / 2, h, w};
}
