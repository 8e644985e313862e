/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels_draw.c - the Kernels screen drawn: shape, roof, table, roofline, error against speed. */
#include "tui/kernels.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* buf of 32. */
static const char *progress_text(const bb_kernels *k, char *buf) {
    uint64_t total = atomic_load(&k->progress.total), done = atomic_load(&k->progress.done);
    (void)snprintf(buf, 32, "running %3.0f%%  Esc cancels", total ? 100.0 * (double)done / (double)total : 0);
    return buf;
}

static void draw_shape(const bb_app *app, const bb_kernels *k, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_SHAPE];
    static const int at[BB_KERNELS_FIELDS] = {7, 22, 34, 45};
    char text[32];
    (void)bb_put(p->y, p->x, 6, BB_ROLE_HEAD, "Shape");
    for (int f = 0; f < BB_KERNELS_FIELDS; f++) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)bb_kernels_value(k, f));
        bb_field_draw(app, f, k->field == f, p->y, p->x + at[f], (int)strlen(bb_kernels_label(f)) + 1, 14,
                      bb_kernels_label(f), text);
    }
    if (k->running && l->wide)
        bb_put_right(p->y, p->x + 60, p->w - 61, BB_ROLE_WARN, progress_text(k, text));
    else if (k->report.n_rows)
        bb_put_right(p->y, p->x + 60, p->w - 61, BB_ROLE_DIM, "ISA scalar");
}

static void draw_roof(const bb_kernels *k, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_ROOF];
    const bb_bench_report *r = &k->report;
    char text[32];
    if (k->running && !l->wide) {
        (void)bb_put(p->y, p->x, p->w, BB_ROLE_WARN, progress_text(k, text));
        return;
    }
    if (!r->n_rows) {
        (void)bb_put_wrapped(p->y, p->x, p->h, p->w, BB_ROLE_DIM,
                             l->wide ? "measured with the first run"
                                     : "Roof   measured with the first run: press Enter");
        if (l->wide) bb_title_draw(l, p, BB_ROLE_TITLE, "Roof");
        return;
    }
    if (l->wide) {
        bb_title_draw(l, p, BB_ROLE_TITLE, "Roof, one thread, measured");
        (void)bb_putf(p->y, p->x, p->w, BB_ROLE_TEXT, "read  %8.1f GB/s", r->read_gbps);
        (void)bb_putf(p->y + 1, p->x, p->w, BB_ROLE_TEXT, "fp32  %8.1f GFLOP/s", r->fp32_gops);
        (void)bb_putf(p->y + 2, p->x, p->w, BB_ROLE_TEXT, "int8  %8.1f GOP/s", r->int8_gops);
        return;
    }
    (void)bb_putf(p->y, p->x, p->w, BB_ROLE_TEXT, "Roof  read %.1f GB/s  fp32 %.1f GFLOP/s  int8 %.1f GOP/s%s",
                  r->read_gbps, r->fp32_gops, r->int8_gops, p->w >= 78 ? "  (measured)" : "");
}

static const struct {
    const char *head;
    int width; /* without the blank before it */
    int drop;  /* 1 goes first; 0 stays */
    bool left;
} columns[BB_KERNELS_COLUMNS] = {
    [BB_COL_KERNEL] = {"KERNEL", 10, 0, true}, [BB_COL_ISA] = {"ISA", 7, 2, true},
    [BB_COL_TIME] = {"TIME us", 10, 0, false}, [BB_COL_SPREAD] = {"+-%", 5, 3, false},
    [BB_COL_GOPS] = {"GOP/s", 7, 0, false},    [BB_COL_GBPS] = {"GB/s", 7, 0, false},
    [BB_COL_ROOF] = {"%ROOF", 6, 0, false},    [BB_COL_ERROR] = {"REL ERR", 8, 0, false},
    [BB_COL_BOUND] = {"bound", 8, 1, true},
};

int bb_kernels_columns(int width, int widths[BB_KERNELS_COLUMNS]) {
    int sum = 0;
    for (int c = 0; c < BB_KERNELS_COLUMNS; c++) sum += widths[c] = columns[c].width + 1;
    for (int drop = 1; drop <= 3 && sum > width; drop++)
        for (int c = 0; c < BB_KERNELS_COLUMNS; c++)
            if (columns[c].drop == drop) {
                sum -= widths[c];
                widths[c] = 0;
            }
    return sum;
}

static const char *cell_text(const bb_bench_row *b, bb_kernels_column column, char *buf, size_t size) {
    switch (column) {
    case BB_COL_KERNEL:
        return b->kernel;
    case BB_COL_ISA:
        return b->isa;
    case BB_COL_BOUND:
        return b->bound_by;
    case BB_COL_TIME:
        (void)snprintf(buf, size, "%.1f", b->ns / 1000);
        break;
    case BB_COL_SPREAD:
        (void)snprintf(buf, size, "%.1f", 100 * b->spread);
        break;
    case BB_COL_GOPS:
        (void)snprintf(buf, size, "%.1f", b->gops);
        break;
    case BB_COL_GBPS:
        (void)snprintf(buf, size, "%.1f", b->gbps);
        break;
    case BB_COL_ROOF:
        (void)snprintf(buf, size, "%.0f", 100 * b->roof_fraction);
        break;
    case BB_COL_ERROR:
        (void)snprintf(buf, size, "%.1e", b->error_rel);
        break;
    case BB_KERNELS_COLUMNS:
        return "";
    }
    return buf;
}

/* The heading when row is NULL. */
static void draw_cells(const bb_bench_row *row, int y, int x, int width, bb_role role) {
    int widths[BB_KERNELS_COLUMNS];
    char text[32];
    (void)bb_kernels_columns(width, widths);
    for (int c = 0; c < BB_KERNELS_COLUMNS; c++) {
        if (!widths[c]) continue;
        const char *cell = row ? cell_text(row, (bb_kernels_column)c, text, sizeof text) : columns[c].head;
        if (columns[c].left)
            (void)bb_put_cut(y, x + 1, widths[c] - 1, role, cell);
        else
            bb_put_right(y, x + 1, widths[c] - 1, role, cell);
        x += widths[c];
    }
}

static void draw_table(const bb_kernels *k, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_TABLE];
    const bb_bench_report *r = &k->report;
    if (p->h < 2) return;
    draw_cells(NULL, p->y, p->x, p->w, BB_ROLE_HEAD);
    if (!r->n_rows) {
        (void)bb_put_wrapped(
            p->y + 1, p->x + 1, p->h - 1, p->w - 2, BB_ROLE_DIM,
            k->running ? "measuring" : "Enter runs every kernel on this shape and measures its error against float64.");
        return;
    }
    size_t room = (size_t)p->h - 1, top = bb_scroll(k->marked, r->n_rows, room);
    for (size_t i = top; i < r->n_rows && i < top + room; i++) {
        int y = p->y + 1 + (int)(i - top);
        if (i == k->marked) (void)bb_put(y, p->x, 1, BB_ROLE_FOCUS, ">");
        draw_cells(&r->rows[i], y, p->x, p->w, i == k->marked ? BB_ROLE_FOCUS : BB_ROLE_TEXT);
    }
}

/* Operations for each byte of weights. */
static double intensity(const bb_bench_row *b) { return b->gops / b->gbps; }

static int to_cell(double v, double low, double high, int cells) {
    double t = (log2(v) - log2(low)) / (log2(high) - log2(low));
    int c = (int)lround(t * (cells - 1));
    return c < 0 ? 0 : c >= cells ? cells - 1 : c;
}

/* Powers of two below the axis, or every second, third, ... of them where they have no room. */
static void draw_ticks(double low, double high, int y, int x, int w) {
    enum { LABEL = 7 };
    double doubling = (w - 1) / log2(high / low);
    int step = (int)ceil(LABEL / doubling), last = (int)floor(log2(high));
    for (int power = (int)ceil(log2(low)); power <= last; power += step) {
        double v = exp2(power);
        char text[32];
        int at = to_cell(v, low, high, w);
        (void)snprintf(text, sizeof text, "%g", v);
        (void)bb_put(y, x + at, 1, BB_ROLE_DIM, "+");
        (void)bb_put(y + 1, x + at, w - at, BB_ROLE_DIM, text);
    }
}

/* Roofline on two logarithmic axes: speed over operations per byte. */
static void draw_plot(const bb_kernels *k, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_PLOT];
    const bb_bench_report *r = &k->report;
    if (p->h < 5 || p->w < 30 || !r->n_rows) return;
    double x_low = 0.25, x_high = 8, y_high = r->fp32_gops > r->int8_gops ? r->fp32_gops : r->int8_gops, y_low = y_high;
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_bench_row *b = &r->rows[i];
        if (intensity(b) * 2 > x_high) x_high = intensity(b) * 2;
        if (intensity(b) / 2 < x_low) x_low = intensity(b) / 2;
        if (b->gops > y_high) y_high = b->gops;
        if (b->gops < y_low) y_low = b->gops;
    }
    y_low /= 2;
    y_high *= 1.2;
    int left = p->x + 8, w = p->w - 10, h = p->h - 2, bottom = p->y + h;
    (void)bb_put_cut(p->y, p->x, p->w, BB_ROLE_HEAD, "GOP/s over operations per byte of weights");
    for (int i = 1; i < h; i++) (void)bb_put(p->y + i, left - 1, 1, BB_ROLE_DIM, "|");
    (void)bb_putf(p->y + 1, p->x, 7, BB_ROLE_DIM, "%6.4g", y_high);
    (void)bb_putf(bottom - 1, p->x, 7, BB_ROLE_DIM, "%6.3g", y_low);
    bb_put_times(bottom, left - 1, w, BB_ROLE_DIM, "-");
    draw_ticks(x_low, x_high, bottom, left, w);
    for (int c = 0; c < w; c++) {
        double x = x_low * exp2((double)c / (w - 1) * log2(x_high / x_low)), y = x * r->read_gbps;
        double peak = r->fp32_gops > r->int8_gops ? r->fp32_gops : r->int8_gops;
        if (y > peak) y = peak;
        if (y < y_low) continue;
        (void)bb_put(bottom - 1 - to_cell(y, y_low, y_high, h - 1), left + c, 1, BB_ROLE_DIM, y == peak ? "_" : ".");
    }
    for (size_t n = 1; n <= r->n_rows; n++) { /* the marked one last, over the others */
        size_t i = (k->marked + n) % r->n_rows;
        const bb_bench_row *b = &r->rows[i];
        int x = left + to_cell(intensity(b), x_low, x_high, w), y = bottom - 1 - to_cell(b->gops, y_low, y_high, h - 1);
        (void)bb_put(y, x, w - (x - left), i == k->marked ? BB_ROLE_FOCUS : BB_ROLE_OK, i == k->marked ? b->type : "x");
    }
}

/* The bar is the speed; both numbers beside it. */
static void draw_speed(const bb_kernels *k, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_SPEED];
    const bb_bench_report *r = &k->report;
    if (p->h < 2 || !r->n_rows) return;
    bb_title_draw(l, p, BB_ROLE_TITLE, "Error against speed");
    enum { TYPE = 8, GOPS = 8, ERROR = 9 };
    int bar = p->w - TYPE - GOPS - ERROR - 1, right = p->x + TYPE + bar;
    (void)bb_put(p->y, p->x, TYPE, BB_ROLE_HEAD, "TYPE");
    (void)bb_put(p->y, p->x + TYPE, bar, BB_ROLE_HEAD, "SPEED");
    bb_put_right(p->y, right, GOPS, BB_ROLE_HEAD, "GOP/s");
    bb_put_right(p->y, right + GOPS, ERROR, BB_ROLE_HEAD, "REL ERR");
    double fastest = 0;
    for (size_t i = 0; i < r->n_rows; i++) fastest = r->rows[i].gops > fastest ? r->rows[i].gops : fastest;
    size_t room = (size_t)p->h - 1, top = bb_scroll(k->marked, r->n_rows, room);
    for (size_t i = top; i < r->n_rows && i < top + room; i++) {
        const bb_bench_row *b = &r->rows[i];
        char text[32];
        int y = p->y + 1 + (int)(i - top), n = fastest > 0 ? (int)lround(b->gops / fastest * bar) : 0;
        bb_role role = i == k->marked ? BB_ROLE_FOCUS : BB_ROLE_TEXT;
        (void)bb_put_cut(y, p->x, TYPE - 1, role, b->type);
        bb_put_times(y, p->x + TYPE, n, BB_ROLE_WEIGHTS, "█");
        bb_put_right(y, right, GOPS, role, cell_text(b, BB_COL_GOPS, text, sizeof text));
        bb_put_right(y, right + GOPS, ERROR, role, cell_text(b, BB_COL_ERROR, text, sizeof text));
    }
}

void bb_kernels_draw(const bb_app *app, const bb_kernels *k, const bb_panes *l) {
    draw_shape(app, k, l);
    draw_roof(k, l);
    draw_table(k, l);
    draw_plot(k, l);
    draw_speed(k, l);
    char title[32] = "Kernels";
    if (k->report.n_rows) (void)snprintf(title, sizeof title, "Kernels, by %s", bb_kernels_order_words(k->order));
    bb_title_draw(l, &l->pane[BB_PANE_TABLE], BB_ROLE_TITLE, title);
}
