/* SPDX-License-Identifier: GPL-3.0-or-later */
/* svg.c - frame, axes, marks and texts of a chart. */
#include "report/svg.h"
#include "base/escape.h"
#include "report/show.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Colours that stand off from white and from #0d1117 by at least 3 to 1. */
static const char *const colours[] = {"#0a7bd0", "#d1580f", "#1f9d55", "#c2378f",
                                      "#8a6d0b", "#7a5af5", "#d33f49", "#15909c"};
enum { COLOURS = sizeof colours / sizeof *colours, SHAPES = 4 };

static void number(bb_str *out, double v) {
    char buf[BB_SHOW_SIZE];
    bb_str_add(out, bb_show_fixed(v, 1, buf));
}

static void attribute(bb_str *out, const char *name, double v) {
    bb_str_addf(out, " %s=\"", name);
    number(out, v);
    bb_str_add(out, "\"");
}

/* What XML allows of any bytes: well-formed UTF-8 without control characters and the two last of the first plane. */
static void text(bb_str *out, const char *s) {
    size_t left = strlen(s);
    while (left) {
        uint32_t code = 0;
        size_t n = bb_utf8_decode(s, left, &code);
        if (n == 0 || code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0xFFFE || code == 0xFFFF)
            bb_str_add(out, "?");
        else if (code == '&')
            bb_str_add(out, "&amp;");
        else if (code == '<')
            bb_str_add(out, "&lt;");
        else if (code == '>')
            bb_str_add(out, "&gt;");
        else if (code == '"')
            bb_str_add(out, "&quot;");
        else
            bb_str_addn(out, s, n);
        s += n ? n : 1;
        left -= n ? n : 1;
    }
}

void bb_svg_begin(bb_str *out, unsigned width, unsigned height, const char *title, const char *description) {
    bb_str_addf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %u %u\" width=\"%u\" height=\"%u\" "
                "role=\"img\" font-family=\"system-ui, Helvetica, Arial, sans-serif\">\n<title>",
                width, height, width, height);
    text(out, title);
    bb_str_add(out, "</title>\n<desc>");
    text(out, description);
    bb_str_add(out,
               "</desc>\n<style>\n"
               ".page { fill: #ffffff } text { fill: #1f2328 } .grid { stroke: #d8dee4 } .frame { stroke: #57606a }\n"
               ".title { font-size: 16px; font-weight: 600 } .note, .tick { font-size: 12px } .note, .tick, .axis "
               "{ fill: #57606a }\n.axis, .label { font-size: 13px }\n"
               "@media (prefers-color-scheme: dark) {\n"
               ".page { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #2b3138 } .frame { stroke: #8b949e }\n"
               ".note, .tick, .axis { fill: #9da7b3 }\n}\n</style>\n"
               "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n");
}

void bb_svg_end(bb_str *out) { bb_str_add(out, "</svg>\n"); }

static void begin_text(bb_str *out, double x, double y, const char *class_name, const char *anchor) {
    bb_str_addf(out, "<text class=\"%s\" text-anchor=\"%s\"", class_name, anchor);
    attribute(out, "x", x);
    attribute(out, "y", y);
}

void bb_svg_text(bb_str *out, double x, double y, const char *class_name, const char *anchor, const char *s) {
    begin_text(out, x, y, class_name, anchor);
    bb_str_add(out, ">");
    text(out, s);
    bb_str_add(out, "</text>\n");
}

/* ---- axes ---- */

bb_svg_axis bb_svg_axis_around(double least, double most, unsigned base, double from, double to) {
    double unit = log(base), a = floor(log(least) / unit + 1e-9), b = ceil(log(most) / unit - 1e-9);
    if (b <= a) b = a + 1;
    return (bb_svg_axis){pow(base, a), pow(base, b), from, to, base};
}

double bb_svg_at(const bb_svg_axis *axis, double v) {
    return axis->from + (axis->to - axis->from) * log(v / axis->low) / log(axis->high / axis->low);
}

static void line(bb_str *out, const char *class_name, double x1, double y1, double x2, double y2) {
    bb_str_addf(out, "<line class=\"%s\"", class_name);
    attribute(out, "x1", x1);
    attribute(out, "y1", y1);
    attribute(out, "x2", x2);
    attribute(out, "y2", y2);
    bb_str_add(out, "/>\n");
}

static void tick(bb_str *out, const bb_svg_axis *x, const bb_svg_axis *y, bool upright, double v) {
    char shown[BB_SHOW_SIZE];
    (void)bb_show_g(v, 3, shown);
    if (upright) {
        double at = bb_svg_at(y, v);
        line(out, "grid", x->from, at, x->to, at);
        bb_svg_text(out, x->from - 6, at + 4, "tick", "end", shown);
    } else {
        double at = bb_svg_at(x, v);
        line(out, "grid", at, y->from, at, y->to);
        bb_svg_text(out, at, y->from + 17, "tick", "middle", shown);
    }
}

static void ticks(bb_str *out, const bb_svg_axis *x, const bb_svg_axis *y, bool upright) {
    const bb_svg_axis *a = upright ? y : x;
    double powers = rint(log(a->high / a->low) / log(a->base));
    int every = powers > 8 ? 2 : 1;
    for (int i = 0; i <= (int)powers; i++) {
        double v = a->low * pow(a->base, i);
        if (i % every == 0) tick(out, x, y, upright, v);
        if (a->base != 10 || powers > 2 || i == (int)powers) continue;
        tick(out, x, y, upright, 2 * v);
        tick(out, x, y, upright, 5 * v);
    }
}

void bb_svg_box(bb_str *out, const bb_svg_axis *x, const bb_svg_axis *y, const char *x_name, const char *y_name) {
    ticks(out, x, y, false);
    ticks(out, x, y, true);
    line(out, "frame", x->from, y->from, x->to, y->from);
    line(out, "frame", x->from, y->from, x->from, y->to);
    bb_svg_text(out, (x->from + x->to) / 2, y->from + 38, "axis", "middle", x_name);
    double at = x->from - 52, middle = (y->from + y->to) / 2;
    begin_text(out, at, middle, "axis", "middle");
    bb_str_add(out, " transform=\"rotate(-90 ");
    number(out, at);
    bb_str_add(out, " ");
    number(out, middle);
    bb_str_add(out, ")\">");
    text(out, y_name);
    bb_str_add(out, "</text>\n");
}

/* ---- marks ---- */

/* A circle, a square, a diamond or a triangle of about the same weight. */
static void shape(bb_str *out, unsigned series, double x, double y, double r) {
    static const struct {
        int n;
        double at[4][2];
    } corners[SHAPES] = {{0, {{0}}},
                         {4, {{-.88, -.88}, {.88, -.88}, {.88, .88}, {-.88, .88}}},
                         {4, {{0, -1.3}, {1.3, 0}, {0, 1.3}, {-1.3, 0}}},
                         {3, {{0, -1.25}, {1.2, .85}, {-1.2, .85}}}};
    unsigned kind = series % SHAPES;
    if (corners[kind].n == 0) {
        bb_str_add(out, "<circle");
        attribute(out, "cx", x);
        attribute(out, "cy", y);
        attribute(out, "r", r);
    } else {
        bb_str_add(out, "<polygon points=\"");
        for (int i = 0; i < corners[kind].n; i++) {
            number(out, x + r * corners[kind].at[i][0]);
            bb_str_add(out, ",");
            number(out, y + r * corners[kind].at[i][1]);
            bb_str_add(out, i + 1 < corners[kind].n ? " " : "\"");
        }
    }
    /* the second eight have the next shape in the same colours */
    bb_str_addf(out, " fill=\"%s\"", colours[(series + series / COLOURS) % COLOURS]);
}

void bb_svg_mark(bb_str *out, unsigned series, double x, double y) {
    shape(out, series, x, y, 6);
    bb_str_add(out, "/>\n");
}

void bb_svg_dot(bb_str *out, unsigned series, double x, double y, const char *tip) {
    shape(out, series, x, y, 2.2);
    bb_str_add(out, " fill-opacity=\"0.4\"><title>");
    text(out, tip);
    bb_str_add(out, series % SHAPES ? "</title></polygon>\n" : "</title></circle>\n");
}
