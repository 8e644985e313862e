/* SPDX-License-Identifier: GPL-3.0-or-later */
/* svg.h - pieces of a chart as SVG: frame, logarithmic axes, marks and texts, for light and dark pages. */
#ifndef BB_REPORT_SVG_H
#define BB_REPORT_SVG_H
#include "base/str.h"

/* An axis of powers: from low to high on the picture's pixels from..to. */
typedef struct bb_svg_axis {
    double low, high, from, to;
    unsigned base; /* 2: a tick at each power; 10: at each, and at 2 and 5 times where there are few */
} bb_svg_axis;
/* Whole powers around what lies from `least` to `most`, both positive, at least one of them apart. */
bb_svg_axis bb_svg_axis_around(double least, double most, unsigned base, double from, double to);
double bb_svg_at(const bb_svg_axis *axis, double v);

/* Text of the picture is in the style's classes: "title", "note", "tick", "axis", "label". */
void bb_svg_begin(bb_str *out, unsigned width, unsigned height, const char *title, const char *description);
void bb_svg_end(bb_str *out);
/* anchor: "start", "middle" or "end". The text may hold any bytes. */
void bb_svg_text(bb_str *out, double x, double y, const char *class_name, const char *anchor, const char *text);
/* The box of two axes with grid lines, ticks and names; y grows upwards: its `from` is below. */
void bb_svg_box(bb_str *out, const bb_svg_axis *x, const bb_svg_axis *y, const char *x_name, const char *y_name);

/* Series are told apart by colour and by shape. */
enum { BB_SVG_SERIES = 16 };
void bb_svg_mark(bb_str *out, unsigned series, double x, double y);
/* A small one of many, with a text that shows when it is pointed at. */
void bb_svg_dot(bb_str *out, unsigned series, double x, double y, const char *tip);
#endif
