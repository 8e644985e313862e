/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels_draw.c - the Kernels screen drawn: shape, roof, table, error against speed, and how %ROOF comes about. */
#include "tui/kernels.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A title in the line above a pane: of the frame, or of the rule that narrow screens have there. */
static void title(const bb_panes *l, const bb_rect *p, const char *text) {
    if (p->h == 0 || !bb_panes_joint(l, p->y - 1, p->x)) return;
    if (l->wide) {
        bb_title_draw(l, p, BB_ROLE_TITLE, text);
        return;
    }
    char line[160];
    (void)snprintf(line, sizeof line, " %s ", text);
    (void)bb_put_cut(p->y - 1, p->x + 3, p->w - 6, BB_ROLE_TITLE, line);
}

/* ---- fields and roof ---- */

static const char *progress_text(const bb_kernels *k, char *buf, size_t size) {
    uint64_t total = atomic_load(&k->progress.total), done = atomic_load(&k->progress.done);
    const char *now = atomic_load(&k->progress.now);
    (void)snprintf(buf, size, "running %3.0f%%  %s  Esc cancels", total ? 100.0 * (double)done / (double)total : 0,
                   now ? now : "the roof");
    return buf;
}

static void draw_shape(const bb_app *app, const bb_kernels *k, const bb_panes *l) {
    static const int widths[BB_KERNELS_FIELDS] = {11, 9, 8, 12, 10}; /* with their longest values */
    const bb_rect *p = &l->pane[BB_PANE_SHAPE];
    char text[96];
    int x = p->x + 1, gap = p->w >= 72 ? 3 : 2;
    if (p->w >= 72) x += bb_put(p->y, p->x, 6, BB_ROLE_HEAD, "Shape") + 1;
    for (int f = 0; f < BB_KERNELS_FIELDS; f++) {
        const char *label = bb_kernels_label(f);
        bb_field_draw(app, f, k->field == f, p->y, x, (int)strlen(label) + 1, widths[f], label,
                      bb_kernels_value(k, f, text));
        x += widths[f] + gap;
    }
    if (k->running && l->wide)
        bb_put_right(p->y, x, p->x + p->w - 1 - x, BB_ROLE_WARN, progress_text(k, text, sizeof text));
}

/* "1 thread": as long as "64 threads". */
static const char *threads_text(unsigned threads, char *buf, size_t size) {
    (void)snprintf(buf, size, "%u thread%s", threads, threads == 1 ? "" : "s");
    return buf;
}

/* A column of ceilings: peaks, then bandwidths. */
static void draw_ceilings(const bb_ceilings *c, int y, int x, int w) {
    char text[32];
    (void)snprintf(text, sizeof text, "%u", c->threads);
    bb_put_right(y++, x, w, BB_ROLE_HEAD, text);
    for (int i = 0; i < BB_ARITHS; i++) {
        (void)snprintf(text, sizeof text, "%.0f", bb_ceilings_peak(c, (bb_arith)i));
        bb_put_right(y++, x, w, BB_ROLE_TEXT, text);
    }
    for (int i = BB_TIER_L2; i < BB_TIERS; i++) {
        (void)snprintf(text, sizeof text, "%.0f", c->read_gbps[i]);
        bb_put_right(y++, x, w, BB_ROLE_TEXT, c->read_gbps[i] > 0 ? text : "-");
    }
}

/* The ceilings that count beside those of one thread: of the rows, or of all processors. */
static const bb_ceilings *others(const bb_roof *r) { return r->used.threads != 1 ? &r->used : &r->all; }

static void draw_roof_table(const bb_kernels *k, const bb_rect *p) {
    static const char *const units[] = {"threads", "GFLOP/s", "GFLOP/s", "GOP/s", "GB/s", "GB/s", "GB/s"};
    enum { NAME = 8, UNIT = 9, COLUMN = 8 };
    const bb_roof *r = &k->last.roof;
    for (int i = 0; i < 7; i++) {
        const char *name = i == 0           ? ""
                           : i <= BB_ARITHS ? bb_arith_name((bb_arith)(i - 1))
                                            : bb_tier_name((bb_tier)(BB_TIER_L2 + i - 1 - BB_ARITHS));
        (void)bb_put(p->y + i, p->x, NAME, BB_ROLE_TEXT, name);
        (void)bb_put(p->y + i, p->x + NAME, UNIT, BB_ROLE_DIM, units[i]);
    }
    int x = p->x + NAME + UNIT;
    draw_ceilings(&r->one, p->y, x, COLUMN);
    if (others(r)->threads != 1) draw_ceilings(others(r), p->y, x += COLUMN, COLUMN);
    if (r->all.threads != others(r)->threads && x + 2 * COLUMN <= p->x + p->w)
        draw_ceilings(&r->all, p->y, x + COLUMN, COLUMN);
}

/* " fp32 117 bf16 235 int8 454 GOP/s" */
static const char *peaks_text(const bb_ceilings *c, char *buf, size_t size) {
    size_t n = 0;
    for (int i = 0; i < BB_ARITHS; i++)
        n += (size_t)snprintf(buf + n, size - n, " %s %.0f", bb_arith_name((bb_arith)i),
                              bb_ceilings_peak(c, (bb_arith)i));
    (void)snprintf(buf + n, size - n, " GOP/s");
    return buf;
}

/* " L2 116 L3 58 memory 28 GB/s", or of memory alone */
static const char *reads_text(const bb_ceilings *c, bool caches, char *buf, size_t size) {
    size_t n = 0;
    for (int i = caches ? BB_TIER_L2 : BB_TIER_MEMORY; i < BB_TIERS; i++)
        if (c->read_gbps[i] > 0)
            n += (size_t)snprintf(buf + n, size - n, " %s %.0f", bb_tier_name((bb_tier)i), c->read_gbps[i]);
    (void)snprintf(buf + n, size - n, " GB/s");
    return buf;
}

/* In one row, as much as has room. */
static void draw_roof_line(const bb_ceilings *c, int y, int x, int w) {
    char text[96];
    int used = bb_put(y, x, w, BB_ROLE_TEXT, threads_text(c->threads, text, sizeof text));
    if (c->threads == 1) used++; /* the other line has an s there */
    used += bb_put(y, x + used, w - used, BB_ROLE_TEXT, peaks_text(c, text, sizeof text)) + 1;
    bool caches = bb_text_columns(reads_text(c, true, text, sizeof text)) <= w - used;
    (void)bb_put(y, x + used, w - used, BB_ROLE_TEXT, reads_text(c, caches, text, sizeof text));
}

/* In three rows of a narrow pane. */
static void draw_roof_rows(const bb_ceilings *c, const bb_rect *p) {
    char text[96];
    (void)bb_put(p->y, p->x, p->w, BB_ROLE_TEXT, peaks_text(c, text, sizeof text) + 1);
    (void)bb_put(p->y + 1, p->x, p->w, BB_ROLE_TEXT, reads_text(c, true, text, sizeof text) + 1);
    (void)bb_put(p->y + 2, p->x, p->w, BB_ROLE_DIM, threads_text(c->threads, text, sizeof text));
}

static void draw_roof(const bb_kernels *k, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_ROOF];
    const bb_roof *r = &k->last.roof;
    char text[96];
    int head = l->wide || p->w < 76 ? 0 : 7;
    if (l->wide) bb_title_draw(l, p, BB_ROLE_TITLE, k->last.threads ? "Roof, measured" : "Roof");
    if (head) (void)bb_put(p->y, p->x, head, BB_ROLE_HEAD, "Roof");
    if (k->running && !l->wide) {
        (void)bb_put(p->y, p->x + head, p->w - head, BB_ROLE_WARN, progress_text(k, text, sizeof text));
        return;
    }
    if (!k->last.threads) {
        (void)bb_put_wrapped(p->y, p->x + head, p->h, p->w - head, BB_ROLE_DIM,
                             k->running ? "being measured" : "measured with the first run: press Enter");
        return;
    }
    if (p->h >= 7) {
        draw_roof_table(k, p);
        return;
    }
    if (l->wide) {
        draw_roof_rows(&r->used, p);
        return;
    }
    draw_roof_line(&r->used, p->y, p->x + head, p->w - head);
    const bb_ceilings *second = r->used.threads == 1 ? &r->all : &r->one;
    if (p->h > 1 && second->threads != r->used.threads) draw_roof_line(second, p->y + 1, p->x + head, p->w - head);
}

/* ---- the table ---- */

static const struct {
    const char *head;
    int width; /* without the blank before it */
    int drop;  /* 1 goes first; 0 stays */
    bool left;
} columns[BB_KERNELS_COLUMNS] = {
    [BB_COL_KERNEL] = {"KERNEL", 11, 0, true}, [BB_COL_ISA] = {"ISA", 11, 2, true},
    [BB_COL_TIME] = {"TIME us", 9, 0, false},  [BB_COL_SPREAD] = {"+-%", 5, 3, false},
    [BB_COL_GOPS] = {"GOP/s", 7, 0, false},    [BB_COL_GBPS] = {"GB/s", 6, 0, false},
    [BB_COL_ROOF] = {"%ROOF", 5, 0, false},    [BB_COL_BOUND] = {"bound", 7, 1, true},
    [BB_COL_ERROR] = {"REL ERR", 7, 0, false},
};
enum { FLAGS = 1 }; /* before the first column's blank: the mark; in the blank what is picked */

int bb_kernels_columns(int width, int widths[BB_KERNELS_COLUMNS]) {
    int sum = FLAGS;
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
    case BB_COL_ISA:
    case BB_KERNELS_COLUMNS:
        return "";
    case BB_COL_BOUND:
        return b->bound_by;
    case BB_COL_TIME:
        (void)snprintf(buf, size, b->ns < 1e9 ? "%.1f" : "%.0f", b->ns / 1000);
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
    }
    return buf;
}

/* The heading when kernel is NULL; result NULL: not measured. */
static void draw_cells(const bb_kernel *kernel, const bb_bench_row *result, int y, int x,
                       const int widths[BB_KERNELS_COLUMNS], bb_role role) {
    char text[32];
    x += FLAGS;
    for (int c = 0; c < BB_KERNELS_COLUMNS; c++) {
        if (!widths[c]) continue;
        const char *cell = !kernel              ? columns[c].head
                           : c == BB_COL_KERNEL ? kernel->family->name
                           : c == BB_COL_ISA    ? bb_level_name(kernel->level)
                           : result             ? cell_text(result, (bb_kernels_column)c, text, sizeof text)
                                                : "";
        if (columns[c].left)
            (void)bb_put_cut(y, x + 1, widths[c] - 1, role, cell);
        else
            bb_put_right(y, x + 1, widths[c] - 1, role, cell);
        x += widths[c];
    }
}

static void draw_table(const bb_kernels *k, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_TABLE];
    int widths[BB_KERNELS_COLUMNS];
    char text[128], threads[32];
    if (p->h < 2) return;
    if (bb_kernels_measured(k))
        (void)snprintf(text, sizeof text, "Kernels, by %s  %llu x %llu x %llu, %s", bb_kernels_order_words(k->order),
                       (unsigned long long)k->shown.tokens, (unsigned long long)k->shown.out,
                       (unsigned long long)k->shown.in, threads_text(k->shown.threads, threads, sizeof threads));
    else
        (void)snprintf(text, sizeof text, "Kernels");
    title(l, p, text);
    (void)bb_kernels_columns(p->w, widths);
    draw_cells(NULL, NULL, p->y, p->x, widths, BB_ROLE_HEAD);
    size_t room = (size_t)p->h - 1, top = bb_scroll(k->marked, k->n, room);
    for (size_t i = top; i < k->n && i < top + room; i++) {
        int y = p->y + 1 + (int)(i - top);
        bb_role role = i == k->marked ? BB_ROLE_FOCUS : BB_ROLE_TEXT;
        if (i == k->marked) (void)bb_put(y, p->x, 1, BB_ROLE_FOCUS, ">");
        if (k->picked[k->list[i]]) (void)bb_put(y, p->x + 1, 1, BB_ROLE_WARN, "*");
        draw_cells(bb_kernel_at(k->list[i]), bb_kernels_result(k, i), y, p->x, widths, role);
    }
}

/* ---- error against speed ---- */

/* The bar is the speed; both numbers beside it. */
static void draw_speed(const bb_kernels *k, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_SPEED];
    if (p->h < 2) return;
    bb_title_draw(l, p, BB_ROLE_TITLE, "Error against speed");
    enum { TYPE = 8, ISA = 12, GOPS = 8, ERROR = 9 };
    int isa = k->ask.every ? ISA : 0, left = TYPE + isa, bar = p->w - left - GOPS - ERROR - 1;
    int right = p->x + left + bar;
    if (!bb_kernels_measured(k)) {
        (void)bb_put(p->y, p->x, p->w, BB_ROLE_DIM, k->running ? "being measured" : "nothing was measured yet");
        return;
    }
    (void)bb_put(p->y, p->x, TYPE, BB_ROLE_HEAD, "TYPE");
    (void)bb_put(p->y, p->x + left, bar, BB_ROLE_HEAD, "SPEED");
    bb_put_right(p->y, right, GOPS, BB_ROLE_HEAD, "GOP/s");
    bb_put_right(p->y, right + GOPS, ERROR, BB_ROLE_HEAD, "REL ERR");
    double fastest = 0;
    for (size_t i = 0; i < k->n; i++) {
        const bb_bench_row *b = bb_kernels_result(k, i);
        if (b && b->gops > fastest) fastest = b->gops;
    }
    size_t room = (size_t)p->h - 1, top = bb_scroll(k->marked, k->n, room);
    for (size_t i = top; i < k->n && i < top + room; i++) {
        const bb_kernel *kernel = bb_kernel_at(k->list[i]);
        const bb_bench_row *b = bb_kernels_result(k, i);
        char text[32];
        int y = p->y + 1 + (int)(i - top);
        bb_role role = i == k->marked ? BB_ROLE_FOCUS : BB_ROLE_TEXT;
        (void)bb_put_cut(y, p->x, TYPE - 1, role, kernel->family->layout->type);
        if (isa) (void)bb_put_cut(y, p->x + TYPE, ISA - 1, role, bb_level_name(kernel->level));
        if (!b) continue;
        bb_put_times(y, p->x + left, fastest > 0 ? (int)lround(b->gops / fastest * bar) : 0, BB_ROLE_WEIGHTS, "█");
        bb_put_right(y, right, GOPS, role, cell_text(b, BB_COL_GOPS, text, sizeof text));
        bb_put_right(y, right + GOPS, ERROR, role, cell_text(b, BB_COL_ERROR, text, sizeof text));
    }
}

void bb_kernels_draw(const bb_app *app, const bb_kernels *k, const bb_panes *l) {
    draw_shape(app, k, l);
    draw_roof(k, l);
    draw_table(k, l);
    title(l, &l->pane[BB_PANE_PLOT], "Roofline: GOP/s over operations per byte");
    bb_kernels_plot(k, &l->pane[BB_PANE_PLOT]);
    draw_speed(k, l);
}

/* ---- the formula ---- */

static void line(bb_str *out, int width, const char *name, const char *text) {
    char whole[256];
    (void)snprintf(whole, sizeof whole, "%-11s %s", name, text);
    bb_wrap(out, whole, width, 12);
}

static void formula_of(const bb_kernels *k, const bb_kernel *kernel, const bb_bench_row *b, int width, bb_str *out) {
    char text[192], threads[32];
    const bb_ceilings *c = &k->last.roof.used;
    bb_arith arith = bb_arith_of(kernel->family->layout->act);
    double work = 2 * (double)b->tokens * (double)b->out * (double)b->in, peak = c->gops[kernel->level][arith];
    (void)threads_text(b->threads, threads, sizeof threads);
    (void)snprintf(text, sizeof text, "2 x %llu x %llu x %llu = %.4g M operations", (unsigned long long)b->tokens,
                   (unsigned long long)b->out, (unsigned long long)b->in, work / 1e6);
    line(out, width, "work", text);
    (void)snprintf(text, sizeof text, "%llu bytes of packed weights, read from %s", (unsigned long long)b->weight_bytes,
                   bb_tier_name(b->tier));
    line(out, width, "weights", text);
    (void)snprintf(text, sizeof text, "%llu B / %.1f GB/s = %.1f us  (%s, %s, measured)",
                   (unsigned long long)b->weight_bytes, c->read_gbps[b->tier],
                   (double)b->weight_bytes / c->read_gbps[b->tier] / 1000, bb_tier_name(b->tier), threads);
    line(out, width, "reading", text);
    (void)snprintf(text, sizeof text, "%.4g M / %.1f GOP/s = %.1f us  (%s by %s, %s, measured)", work / 1e6, peak,
                   work / peak / 1000, bb_arith_name(arith), bb_level_name(kernel->level), threads);
    line(out, width, "arithmetic", text);
    (void)snprintf(text, sizeof text, "the longer of the two: %.1f us, bound by %s", b->roof_ns / 1000, b->bound_by);
    line(out, width, "roof", text);
    (void)snprintf(text, sizeof text, "%.1f us, the median of its calls; half of them within %.1f %%", b->ns / 1000,
                   100 * b->spread);
    line(out, width, "measured", text);
    (void)snprintf(text, sizeof text, "%.1f / %.1f = %.0f %%", b->roof_ns / 1000, b->ns / 1000, 100 * b->roof_fraction);
    line(out, width, "%ROOF", text);
    (void)snprintf(text, sizeof text,
                   "|y - W x| / |W x| = %.2e, W and x the fp32 inputs, N(0,1), W x in float64; y what the kernel gives",
                   b->error_rel);
    line(out, width, "REL ERR", text);
}

void bb_kernels_formula(const bb_kernels *k, int width, bb_str *out) {
    const bb_bench_row *b = bb_kernels_result(k, k->marked);
    if (b) {
        const bb_kernel *kernel = bb_kernel_at(k->list[k->marked]);
        bb_str_addf(out, "%s %s\n", kernel->family->name, bb_level_name(kernel->level));
        formula_of(k, kernel, b, width, out);
    } else {
        line(out, width, "work", "2 x tokens x out x in operations");
        line(out, width, "reading", "bytes of packed weights / measured bandwidth of where they lie");
        line(out, width, "arithmetic", "work / measured peak of the kernel's instructions");
        line(out, width, "%ROOF", "the longer of the two / measured time of a call");
        bb_wrap(out, "Enter measures; then the numbers stand here.", width, 0);
    }
    bb_wrap(out, "Roofline: Williams, Waterman, Patterson, CACM 52(4), 2009.", width, 2);
}
