/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels_plot.c - the roofline: the slope of the bandwidth, a ceiling for each arithmetic, a point for each kernel. */
#include "tui/kernels.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS_MAX = 80, COLS_MAX = 256, AXIS = 7 /* columns of the labels on the left, with the axis */ };

/* Two logarithmic axes over h x w cells whose upper left one is (y, x). */
typedef struct plot {
    int y, x, h, w;
    double x_low, x_high, y_low, y_high;
    bool taken[ROWS_MAX][COLS_MAX]; /* by points and words */
} plot;

/* Operations for each byte of weights. */
static double intensity(const bb_bench_row *b) {
    return 2 * (double)b->tokens * (double)b->out * (double)b->in / (double)b->weight_bytes;
}

static int to_cell(double v, double low, double high, int cells) {
    double t = log2(v / low) / log2(high / low);
    int c = (int)lround(t * (cells - 1));
    return c < 0 ? 0 : c >= cells ? cells - 1 : c;
}

static int column_of(const plot *p, double v) { return to_cell(v, p->x_low, p->x_high, p->w); }
static int row_of(const plot *p, double v) { return p->h - 1 - to_cell(v, p->y_low, p->y_high, p->h); }

static bool is_free(const plot *p, int row, int column, int n) {
    if (row < 0 || row >= p->h || column < 0 || column + n > p->w) return false;
    for (int i = 0; i < n; i++)
        if (p->taken[row][column + i]) return false;
    return true;
}

static void take(plot *p, int row, int column, int n) {
    for (int i = 0; i < n; i++) p->taken[row][column + i] = true;
}

/* ---- axes ---- */

static void set_range(const bb_kernels *k, plot *p) {
    const bb_bench_report *r = &k->last;
    double peak = fmax(fmax(r->fp32_gops, r->bf16_gops), r->int8_gops);
    p->x_low = 0.25;
    p->x_high = 8 * peak / r->read_gbps; /* room for the names of the ceilings */
    p->y_high = 1.5 * peak;
    p->y_low = r->fp32_gops / 16;
    for (size_t i = 0; i < k->n; i++) {
        const bb_bench_row *b = bb_kernels_result(k, i);
        if (!b) continue;
        p->x_low = fmin(p->x_low, intensity(b) / 2);
        p->x_high = fmax(p->x_high, intensity(b) * 2);
        p->y_low = fmin(p->y_low, b->gops / 1.5);
        p->y_high = fmax(p->y_high, b->gops * 1.5);
    }
}

/* Powers of ten on the left, where they have a row of their own. */
static void draw_left(const plot *p) {
    char text[32];
    int last = -1;
    for (int i = 0; i < p->h; i++) (void)bb_put(p->y + i, p->x - 1, 1, BB_ROLE_DIM, "│");
    for (int power = (int)ceil(log10(p->y_low)); power <= (int)floor(log10(p->y_high)); power++) {
        int row = row_of(p, pow(10, power));
        if (row == last) continue;
        last = row;
        (void)snprintf(text, sizeof text, "%g", pow(10, power));
        bb_put_right(p->y + row, p->x - AXIS, AXIS - 2, BB_ROLE_DIM, text);
    }
}

/* Powers of two below the axis, or every second, third, ... of them where they have no room. */
static void draw_below(const plot *p) {
    enum { LABEL = 7 };
    int y = p->y + p->h, step = (int)ceil(LABEL * log2(p->x_high / p->x_low) / (p->w - 1));
    bb_put_times(y, p->x - 1, p->w + 1, BB_ROLE_DIM, "─");
    (void)bb_put(y, p->x - 1, 1, BB_ROLE_DIM, "└");
    for (int power = (int)ceil(log2(p->x_low)); power <= (int)floor(log2(p->x_high)); power += step) {
        char text[32];
        int at = column_of(p, exp2(power));
        (void)snprintf(text, sizeof text, "%g", exp2(power));
        (void)bb_put(y, p->x + at, 1, BB_ROLE_DIM, "┬");
        (void)bb_put(y + 1, p->x + at, p->w - at, BB_ROLE_DIM, text);
    }
}

/* ---- the roof ---- */

/* Where the weights of most kernels come from: of a small matrix a cache. */
static bb_tier tier_of(const bb_kernels *k) {
    bb_tier tier = BB_TIER_L1;
    for (size_t i = 0; i < k->n; i++) {
        const bb_bench_row *b = bb_kernels_result(k, i);
        if (b && b->tier > tier) tier = b->tier;
    }
    return k->last.roof.used.read_gbps[tier] > 0 ? tier : BB_TIER_MEMORY;
}

/* Up to the highest peak; its name on the left of it, as high as there is room: no kernel can stand there. */
static void draw_slope(plot *p, double gbps, double peak, const char *name) {
    char text[48];
    int first[ROWS_MAX], n = snprintf(text, sizeof text, "%s %.0f GB/s", name, gbps);
    for (int row = 0; row < p->h; row++) first[row] = -1;
    for (int c = 0; c < p->w; c++) {
        double y = p->x_low * exp2((double)c / (p->w - 1) * log2(p->x_high / p->x_low)) * gbps;
        if (y < p->y_low || y > peak) continue;
        int row = row_of(p, y);
        (void)bb_put(p->y + row, p->x + c, 1, BB_ROLE_WARN, ".");
        if (first[row] < 0) first[row] = c;
    }
    for (int row = 0; row < p->h; row++)
        if (first[row] > n && is_free(p, row, first[row] - n - 1, n)) {
            (void)bb_put(p->y + row, p->x + first[row] - n - 1, n, BB_ROLE_WARN, text);
            take(p, row, first[row] - n - 1, n);
            return;
        }
}

/* The names of the ceilings in a row, with their figures or without; NULL when an earlier one is among them. */
static const char *ceiling_names(const plot *p, const double *peaks, int of, bool figures, char *buf, size_t size) {
    size_t n = 0;
    for (int i = 0; i < BB_ARITHS; i++) {
        if (row_of(p, peaks[i]) != row_of(p, peaks[of])) continue;
        if (i < of) return NULL;
        n += (size_t)snprintf(buf + n, size - n, " %s", bb_arith_name((bb_arith)i));
        if (figures) n += (size_t)snprintf(buf + n, size - n, " %.0f", peaks[i]);
    }
    return buf;
}

/* From where the slope meets it to the right; those of one row have one line. */
static void draw_ceilings(plot *p, const bb_bench_report *r, double gbps) {
    const double peaks[BB_ARITHS] = {r->fp32_gops, r->bf16_gops, r->int8_gops};
    for (int i = 0; i < BB_ARITHS; i++) {
        char text[96];
        int row = row_of(p, peaks[i]), from = column_of(p, peaks[i] / gbps);
        if (!ceiling_names(p, peaks, i, true, text, sizeof text)) continue;
        if (bb_text_columns(text) > p->w - from) (void)ceiling_names(p, peaks, i, false, text, sizeof text);
        int n = bb_text_columns(text), at = p->w - n;
        while (at > from && !is_free(p, row, at, n)) at--; /* no point under the name */
        if (!is_free(p, row, at, n)) at = p->w - n;
        bb_put_times(p->y + row, p->x + from, p->w - from, BB_ROLE_DIM, "─");
        (void)bb_put(p->y + row, p->x + at, n, BB_ROLE_TEXT, text);
        take(p, row, at, n);
    }
}

/* ---- the kernels ---- */

/* The name beside the point where there is room: right, left, a row above or below. */
static void put_name(plot *p, int row, int column, bb_role role, const char *name) {
    int n = bb_text_columns(name);
    const int at[][2] = {{row, column + 1},     {row, column - n},     {row - 1, column + 1},
                         {row + 1, column + 1}, {row - 1, column - n}, {row + 1, column - n}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        if (!is_free(p, at[i][0], at[i][1], n)) continue;
        (void)bb_put(p->y + at[i][0], p->x + at[i][1], n, role, name);
        take(p, at[i][0], at[i][1], n);
        return;
    }
}

/* Their places, before anything is written. */
static void take_points(const bb_kernels *k, plot *p) {
    for (size_t i = 0; i < k->n; i++) {
        const bb_bench_row *b = bb_kernels_result(k, i);
        if (b) take(p, row_of(p, b->gops), column_of(p, intensity(b)), 1);
    }
}

/* The marked one before the others, so that it has its name; a portable kernel is hollow. */
static void draw_points(const bb_kernels *k, plot *p) {
    for (size_t n = 0; n < k->n; n++) {
        size_t i = (k->marked + n) % k->n;
        const bb_bench_row *b = bb_kernels_result(k, i);
        if (b)
            put_name(p, row_of(p, b->gops), column_of(p, intensity(b)), i == k->marked ? BB_ROLE_FOCUS : BB_ROLE_TEXT,
                     bb_kernel_at(k->list[i])->family->layout->type);
    }
    for (size_t n = 1; n <= k->n; n++) {
        size_t i = (k->marked + n) % k->n;
        const bb_bench_row *b = bb_kernels_result(k, i);
        bool portable = bb_kernel_at(k->list[i])->level == BB_LEVEL_SCALAR;
        if (b)
            (void)bb_put(p->y + row_of(p, b->gops), p->x + column_of(p, intensity(b)), 1,
                         i == k->marked ? BB_ROLE_FOCUS : BB_ROLE_OK, portable ? "○" : "●");
    }
}

void bb_kernels_plot(const bb_kernels *k, const bb_rect *r) {
    const bb_bench_report *last = &k->last;
    if (r->h < 5 || r->w < 30) return;
    if (!bb_kernels_measured(k) || !(last->read_gbps > 0)) {
        (void)bb_put(r->y, r->x, r->w, BB_ROLE_DIM, k->running ? "being measured" : "nothing was measured yet");
        return;
    }
    plot p = {.y = r->y, .x = r->x + AXIS, .h = r->h - 2, .w = r->w - AXIS - 1};
    if (p.h > ROWS_MAX) p.h = ROWS_MAX;
    if (p.w > COLS_MAX) p.w = COLS_MAX;
    set_range(k, &p);
    draw_left(&p);
    draw_below(&p);
    take_points(k, &p);
    bb_tier tier = tier_of(k);
    double gbps = last->roof.used.read_gbps[tier];
    draw_slope(&p, gbps, fmax(fmax(last->fp32_gops, last->bf16_gops), last->int8_gops), bb_tier_name(tier));
    draw_ceilings(&p, last, gbps);
    draw_points(k, &p);
}
