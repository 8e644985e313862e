/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_error_svg.c - measured error against bits per weight, and against speed, as a picture. */
#include "base/escape.h"
#include "report/report.h"
#include "report/show.h"
#include "report/svg.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 960, TOP = 78, BOTTOM = 400, LEFT = 78, MIDDLE = 450, RIGHT = 560, END = 932, LEGEND = 470 };
enum { LEGEND_ROW = 22, LEGEND_COLUMNS = 3 };

/* Series: the types in the order in which they were asked for. */
typedef struct chart {
    const bb_error_report *r;
    bb_svg_axis bits, speed, error;
    bool any;
} chart;

static bool shown(const bb_error_row *r) {
    return !r->skipped[0] && r->total.rel > 0 && isfinite(r->total.rel) && r->gops > 0;
}

typedef struct range {
    double least, most;
} range;

static void reach(range *r, double v) {
    r->least = v < r->least ? v : r->least;
    r->most = v > r->most ? v : r->most;
}

static chart chart_of(const bb_error_report *r) {
    chart c = {.r = r};
    range bits = {(double)INFINITY, 0}, speed = bits, error = bits;
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_error_row *x = &r->rows[i];
        if (!shown(x)) continue;
        c.any = true;
        reach(&bits, x->bits_per_weight);
        reach(&speed, x->gops);
        reach(&error, x->total.rel);
    }
    if (!c.any) bits = speed = error = (range){1, 10};
    c.bits = bb_svg_axis_around(bits.least, bits.most, 2, LEFT, MIDDLE);
    c.speed = bb_svg_axis_around(speed.least, speed.most, 10, RIGHT, END);
    c.error = bb_svg_axis_around(error.least, error.most, 10, BOTTOM, TOP);
    return c;
}

/* ---- labels beside the marks, where no other is ---- */

typedef struct box {
    double x, y, width;
} box;

static bool overlaps(const box *a, const box *b) {
    const double height = 14;
    return a->x < b->x + b->width && b->x < a->x + a->width && fabs(a->y - b->y) < height;
}

static bool is_free(const box *b, const box *placed, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (overlaps(b, &placed[i])) return false;
    return true;
}

/* On either side of the mark, or a little above or below; nowhere when all of that is taken, for the legend has it. */
static void label(bb_str *out, const bb_svg_axis *axis, double x, double y, const char *name, box *placed, size_t *n) {
    static const double moves[] = {0, -13, 13};
    const double width = 7.2 * (double)strlen(name) + 4;
    for (size_t i = 0; i < 2 * sizeof moves / sizeof *moves; i++) {
        bool left = i % 2;
        box b = {left ? x - 10 - width : x + 10, y + moves[i / 2], width};
        if (b.x < axis->from || b.x + width > axis->to + 24 || b.y < TOP || b.y > BOTTOM - 4) continue;
        if (!is_free(&b, placed, *n)) continue;
        placed[(*n)++] = b;
        bb_svg_text(out, left ? b.x + width - 4 : b.x, b.y + 4, "label", left ? "end" : "start", name);
        return;
    }
}

/* ---- the two panels ---- */

static void panel(bb_str *out, const chart *c, const bb_svg_axis *x, const char *name) {
    const bb_error_report *r = c->r;
    bool speed = x == &c->speed;
    char type[BB_ERROR_TYPE_SIZE], tensor[96], tip[192], value[BB_SHOW_SIZE];
    box placed[2 * BB_SVG_SERIES];
    size_t n = 0;
    bb_svg_box(out, x, &c->error, name, "relative error of the output");
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_error_row *w = &r->rows[i];
        if (!shown(w)) continue;
        snprintf(tip, sizeof tip, "%s in %s: %s", bb_escape_buf(w->tensor->name, tensor, sizeof tensor),
                 bb_error_type_name(w->type, type), bb_show_ratio(w->total.rel, 1, value));
        bb_svg_dot(out, (unsigned)(w->type - r->types), bb_svg_at(x, speed ? w->gops : w->bits_per_weight),
                   bb_svg_at(&c->error, w->total.rel), tip);
    }
    for (size_t k = 0; k < r->n_types && k < BB_SVG_SERIES; k++) {
        const bb_error_total *t = &r->totals[k];
        if (!(t->rel > 0) || !isfinite(t->rel) || !(t->gops > 0)) continue;
        double at = bb_svg_at(x, speed ? t->gops : t->bits_per_weight), y = bb_svg_at(&c->error, t->rel);
        placed[n++] = (box){at - 8, y, 16};
        bb_svg_mark(out, (unsigned)k, at, y);
    }
    for (size_t k = 0; k < r->n_types && k < BB_SVG_SERIES; k++) {
        const bb_error_total *t = &r->totals[k];
        if (!(t->rel > 0) || !isfinite(t->rel) || !(t->gops > 0)) continue;
        label(out, x, bb_svg_at(x, speed ? t->gops : t->bits_per_weight), bb_svg_at(&c->error, t->rel),
              bb_error_type_name(t->type, type), placed, &n);
    }
}

static void legend(bb_str *out, const bb_error_report *r) {
    char type[BB_ERROR_TYPE_SIZE], line[96], bits[BB_SHOW_SIZE], error[BB_SHOW_SIZE];
    for (size_t k = 0; k < r->n_types; k++) {
        const bb_error_total *t = &r->totals[k];
        size_t column = k % LEGEND_COLUMNS, line_number = k / LEGEND_COLUMNS;
        double x = LEFT + 290 * (double)column, y = LEGEND + LEGEND_ROW * (double)line_number;
        bb_svg_mark(out, (unsigned)k, x, y - 4);
        if (t->tensors)
            snprintf(line, sizeof line, "%s: %s bits, error %s", bb_error_type_name(t->type, type),
                     bb_show_fixed(t->bits_per_weight, 2, bits), bb_show_ratio(t->rel, 1, error));
        else
            snprintf(line, sizeof line, "%s: not measured", bb_error_type_name(t->type, type));
        bb_svg_text(out, x + 13, y, "label", "start", line);
    }
}

bb_status bb_report_error_svg(const bb_error_report *r, bb_str *out) {
    chart c = chart_of(r);
    unsigned rows = (unsigned)((r->n_types + LEGEND_COLUMNS - 1) / LEGEND_COLUMNS);
    bb_str inputs;
    bb_str_init(&inputs);
    bb_str_add(&inputs, "Inputs: ");
    bb_inputs_tell(r->inputs, r->tokens, &inputs);
    bb_svg_begin(out, WIDTH, LEGEND + rows * LEGEND_ROW + 8, "What quantizing costs, measured through the kernels",
                 "Relative error of matrix products by storage type, against bits per weight and against speed");
    bb_svg_text(out, LEFT, 28, "title", "start", "What quantizing costs, measured through the kernels");
    bb_svg_text(out, LEFT, 48, "note", "start", bb_str_c(&inputs));
    bb_svg_text(out, LEFT, 64, "note", "start",
                c.any ? "large: all matrices of a type, the mean of squares by elements; small: each matrix"
                      : "nothing was measured");
    panel(out, &c, &c.bits, "bits per weight");
    panel(out, &c, &c.speed, "GOP/s of the kernel here");
    legend(out, r);
    bb_svg_end(out);
    bool failed = inputs.failed || out->failed;
    bb_str_clear(&inputs);
    return failed ? BB_E_NOMEM : BB_OK;
}
