/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_draw.c - the Quantize screen drawn: fields, progress, tensors, histogram of the error, types side by side.
 */
#include "base/escape.h"
#include "base/units.h"
#include "tui/quantize.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- fields ---- */

/* The part of a path that tells most. */
static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void field(const bb_app *app, const bb_quantize_screen *q, int f, int y, int x, int label_w, int width) {
    static const char *const labels[BB_QUANTIZE_FIELDS] = {"File", "To", "imatrix", "out"};
    char safe[160];
    const char *value = f == BB_QUANTIZE_FILE      ? last_part(q->file)
                        : f == BB_QUANTIZE_TYPE    ? q->ftype->name
                        : f == BB_QUANTIZE_IMATRIX ? (q->imatrix ? last_part(q->imatrix_path) : "none")
                                                   : q->out;
    bb_field_draw(app, f, q->field == f, y, x, label_w, width, labels[f], bb_escape_buf(value, safe, sizeof safe));
}

/* "f16   201 tensors   2.05 GiB" */
static const char *file_words(const bb_quantize_screen *q, const bb_quantize_sum *sum, char *buf, size_t size) {
    char bytes[32];
    buf[0] = 0;
    if (sum->from)
        (void)snprintf(buf, size, "%s   %zu tensor%s   %s", sum->from->name, q->n, q->n == 1 ? "" : "s",
                       bb_bytes_text(sum->all.from_bytes, false, bytes));
    return buf;
}

static void draw_fields(const bb_app *app, const bb_quantize_screen *q, const bb_quantize_sum *sum, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_FIELDS];
    int x = p->x + 1, w = p->w - 1;
    if (l->wide) {
        int file = w * 3 / 10, type = 13, imatrix = w / 5;
        field(app, q, BB_QUANTIZE_FILE, p->y, x, 6, file - 2);
        field(app, q, BB_QUANTIZE_TYPE, p->y, x + file, 4, type - 1);
        field(app, q, BB_QUANTIZE_IMATRIX, p->y, x + file + type, 9, imatrix - 2);
        field(app, q, BB_QUANTIZE_OUT, p->y, x + file + type + imatrix, 5, w - file - type - imatrix);
        return;
    }
    char words[96];
    int right = bb_text_columns(file_words(q, sum, words, sizeof words)), type = 15, imatrix = w >= 76 ? 24 : 18;
    field(app, q, BB_QUANTIZE_FILE, p->y, x, 6, w - right - 3);
    bb_put_right(p->y, x + w - right - 1, right, BB_ROLE_DIM, words);
    field(app, q, BB_QUANTIZE_TYPE, p->y + 1, x, 6, type - 1);
    field(app, q, BB_QUANTIZE_IMATRIX, p->y + 1, x + type, 9, imatrix - 2);
    field(app, q, BB_QUANTIZE_OUT, p->y + 1, x + type + imatrix, 5, w - type - imatrix);
}

/* ---- progress ---- */

static const char *phase_words(const bb_quantize_screen *q, bb_role *role) {
    *role = BB_ROLE_WARN;
    if (q->working && atomic_load(&q->progress.cancel)) return "stopping";
    if (q->working) return q->work == BB_WORK_RUN ? "running" : "comparing";
    switch (q->phase) {
    case BB_QUANTIZE_NONE:
        return "no plan";
    case BB_QUANTIZE_CANCELLED:
        return "cancelled";
    case BB_QUANTIZE_FAILED:
        *role = BB_ROLE_BAD;
        return "failed";
    case BB_QUANTIZE_DONE:
        *role = BB_ROLE_OK;
        return "done";
    case BB_QUANTIZE_READY:
    case BB_QUANTIZE_RUNNING:
        break;
    }
    *role = BB_ROLE_TEXT;
    return "ready";
}

/* The second line: what is worked on, or what came of it. */
static void now_words(const bb_quantize_screen *q, const bb_quantize_sum *sum, bool roomy, char *buf, size_t size) {
    char bytes[32], out[160], speed_text[32] = "";
    const char *now = q->working ? atomic_load(&q->progress.now) : NULL;
    double left, speed = bb_quantize_screen_speed(q, &left);
    (void)bb_escape_buf(q->out, out, sizeof out);
    if (q->working && q->work == BB_WORK_TRIALS) {
        char name[80];
        (void)snprintf(buf, size, "all types of %s   Esc cancels",
                       bb_quantize_screen_name(bb_quantize_at(q->job, q->trying), name));
        return;
    }
    switch (q->phase) {
    case BB_QUANTIZE_RUNNING:
        if (speed > 0) (void)snprintf(speed_text, sizeof speed_text, "   %.0f MB/s", speed / 1e6);
        (void)snprintf(buf, size, "tensor %zu/%zu%s   Esc cancels%s   %.120s", sum->all.done, q->n, speed_text,
                       roomy ? ", keeps the rows" : "", now ? now : "");
        break;
    case BB_QUANTIZE_READY:
        (void)snprintf(buf, size, "Enter writes %s, %s", out,
                       bb_bytes_text(bb_quantize_file_bytes(q->job), false, bytes));
        break;
    case BB_QUANTIZE_DONE:
        (void)snprintf(buf, size, "written: %s, %s", out, bb_bytes_text(bb_quantize_file_bytes(q->job), false, bytes));
        break;
    case BB_QUANTIZE_CANCELLED:
        (void)snprintf(buf, size, "nothing was written; the rows stay. Enter starts from the beginning");
        break;
    case BB_QUANTIZE_NONE:
    case BB_QUANTIZE_FAILED:
        (void)snprintf(buf, size, "%s", q->why.text);
        break;
    }
}

static void draw_progress(const bb_quantize_screen *q, const bb_quantize_sum *sum, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_PROGRESS];
    enum { WORDS = 10, RIGHT = 17 };
    bb_role role;
    char text[512];
    const char *words = phase_words(q, &role);
    double seconds, part = q->working ? bb_quantize_screen_part(q) : 0;
    (void)bb_quantize_screen_speed(q, &seconds);
    if (!q->working && q->phase == BB_QUANTIZE_DONE) part = 1;
    if (!q->working && (q->phase == BB_QUANTIZE_CANCELLED || q->phase == BB_QUANTIZE_FAILED)) part = q->stopped_at;
    int bar = p->w - WORDS - RIGHT - 3, filled = (int)(part * bar), x = p->x + WORDS;
    (void)bb_put(p->y, p->x, WORDS, role, words);
    (void)bb_put(p->y, x, 1, BB_ROLE_TEXT, "[");
    bb_put_times(p->y, x + 1, filled, BB_ROLE_WEIGHTS, "█");
    bb_put_times(p->y, x + 1 + filled, bar - filled, BB_ROLE_DIM, "-");
    (void)bb_put(p->y, x + 1 + bar, 1, BB_ROLE_TEXT, "]");
    int used = bb_putf(p->y, x + bar + 2, RIGHT, BB_ROLE_TEXT, " %3d%%", (int)(part * 100));
    if (q->working && q->work == BB_WORK_RUN && seconds > 0 && seconds < 360000) {
        long s = lround(ceil(seconds));
        if (s < 3600)
            (void)snprintf(text, sizeof text, "  eta %ld:%02ld", s / 60, s % 60);
        else
            (void)snprintf(text, sizeof text, "  eta %ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
        (void)bb_put(p->y, x + bar + 2 + used, RIGHT - used, BB_ROLE_TEXT, text);
    }
    now_words(q, sum, l->cols >= 80, text, sizeof text);
    (void)bb_put_cut(p->y + 1, p->x + (l->wide ? 0 : WORDS), p->w - (l->wide ? 0 : WORDS) - 1, BB_ROLE_TEXT, text);
}

/* "2.05 -> 0.63 GiB": one unit for both, but where the second would be nothing in it. */
static void sizes_text(uint64_t from, uint64_t to, char *buf, size_t size) {
    char a[32], b[32];
    double unit = 1;
    while ((double)from / unit >= 1024) unit *= 1024;
    char *name = strchr(bb_bytes_text(from, false, a), ' ');
    if (name && (double)to / unit >= 0.1 && (double)to / unit < 1024) {
        *name = 0;
        (void)snprintf(buf, size, "%s -> %.2f %s", a, (double)to / unit, name + 1);
    } else {
        (void)snprintf(buf, size, "%s -> %s", a, bb_bytes_text(to, false, b));
    }
}

/* As much as has room, the worst tensor first. */
static void total_words(const bb_quantize_sum *sum, int width, char *buf, size_t size) {
    char sizes[80], name[80], mean[48] = "", worst[96] = "";
    sizes_text(sum->all.from_bytes, sum->all.bytes, sizes, sizeof sizes);
    if (sum->all.measured)
        (void)snprintf(mean, sizeof mean, "  mean SQNR %.1f dB", -20 * log10(bb_quantize_total_rel(&sum->all)));
    if (sum->all.worst)
        (void)snprintf(worst, sizeof worst, "  worst %s", bb_quantize_screen_name(sum->all.worst, name));
    double bits = sum->all.elements ? 8.0 * (double)sum->all.bytes / (double)sum->all.elements : 0;
    (void)snprintf(buf, size, "total %s (%.2f bit/weight)%s%s", sizes, bits, mean, worst);
    if (bb_text_columns(buf) > width) (void)memmove(buf, buf + strlen("total "), strlen(buf) - strlen("total ") + 1);
    if (bb_text_columns(buf) > width) (void)snprintf(buf, size, "%s%s%s", sizes, mean, worst);
    if (bb_text_columns(buf) > width) (void)snprintf(buf, size, "%s%s", sizes, worst);
}

static void draw_total(const bb_app *app, const bb_quantize_screen *q, const bb_quantize_sum *sum, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_TOTAL];
    if (app->mode == BB_MODE_EDIT && app->field == BB_QUANTIZE_FIND) {
        bb_field_draw(app, BB_QUANTIZE_FIND, true, p->y, p->x + 1, 13, p->w - 1, "Find tensor", "");
        return;
    }
    if (q->n) {
        char text[320];
        total_words(sum, p->w, text, sizeof text);
        int used = bb_put_cut(p->y, p->x, p->w, BB_ROLE_TEXT, text);
        (void)snprintf(text, sizeof text, "%zu below %d dB (!)", sum->low, (int)BB_QUANTIZE_LOW_DB);
        if (sum->low && p->w - used > 24) bb_put_right(p->y, p->x + used + 2, p->w - used - 3, BB_ROLE_WARN, text);
    }
}

/* ---- tensors ---- */

static const struct {
    const char *head;
    int width; /* without the blank before it */
    int drop;  /* 1 goes first; 0 stays */
    bool left;
} columns[BB_QUANTIZE_COLUMNS] = {
    [BB_QCOL_TENSOR] = {"TENSOR", 17, 0, true},  [BB_QCOL_SHAPE] = {"SHAPE", 5, 6, false},
    [BB_QCOL_FROM] = {"FROM", 6, 4, true},       [BB_QCOL_TO] = {"TO", 7, 0, true},
    [BB_QCOL_SIZE] = {"NEW SIZE", 10, 1, false}, [BB_QCOL_SQNR] = {"SQNR dB", 7, 0, false},
    [BB_QCOL_OUTPUT] = {"OUT ERR", 7, 7, false}, [BB_QCOL_MAX] = {"MAX|ERR|", 8, 5, false},
    [BB_QCOL_COSINE] = {"COS", 7, 3, false},     [BB_QCOL_WORST] = {"WORST", 5, 2, true},
};
enum { DROPS = 7, FLAGS = 2, TENSOR_MAX = 60, SHAPE_MAX = 20 };

int bb_quantize_columns(int width, int shape, int widths[BB_QUANTIZE_COLUMNS]) {
    int sum = FLAGS - 1; /* the name stands next to the flag */
    for (int c = 0; c < BB_QUANTIZE_COLUMNS; c++) {
        widths[c] = columns[c].width + 1;
        if (c == BB_QCOL_SHAPE && shape >= widths[c]) widths[c] = shape + 1;
        sum += widths[c];
    }
    for (int drop = 1; drop <= DROPS && sum > width; drop++)
        for (int c = 0; c < BB_QUANTIZE_COLUMNS; c++)
            if (columns[c].drop == drop) {
                sum -= widths[c];
                widths[c] = 0;
            }
    int more = width - sum;
    if (more > TENSOR_MAX - widths[BB_QCOL_TENSOR]) more = TENSOR_MAX - widths[BB_QCOL_TENSOR];
    if (more > 0) {
        widths[BB_QCOL_TENSOR] += more;
        sum += more;
    }
    return sum;
}

static void error_text(double v, char *buf, size_t size) {
    (void)snprintf(buf, size, v >= 0.001 && v < 1000 ? "%.4f" : v == 0 ? "0" : "%.1e", v);
}

static const char *output_text(const bb_quantize_row *r, char *buf, size_t size) {
    (void)snprintf(buf, size, isnan(r->output_rel) ? "-" : "%.1e", r->output_rel);
    return buf;
}

/* Rows x columns, as a matrix is written; the columns that it takes. */
static int shape_text(const bb_quantize_row *r, char *buf, size_t size) {
    size_t n = 0;
    buf[0] = 0;
    for (unsigned d = r->n_dims; d-- > 0 && n < size;)
        n += (size_t)snprintf(buf + n, size - n, "%llu%s", (unsigned long long)r->dims[d], d ? "x" : "");
    return (int)n;
}

static int widest_shape(const bb_quantize_screen *q) {
    char text[96];
    int most = 0;
    for (size_t i = 0; i < q->n; i++) {
        int w = shape_text(bb_quantize_at(q->job, i), text, sizeof text);
        most = w > most ? w : most;
    }
    return most < SHAPE_MAX ? most : SHAPE_MAX;
}

static const char *cell_text(const bb_quantize_screen *q, const bb_quantize_row *r, bb_quantize_column column,
                             bool worst, char *buf, size_t size) {
    bool done = atomic_load(&r->state) == BB_ROW_DONE;
    buf[0] = 0;
    switch (column) {
    case BB_QCOL_TENSOR:
        return bb_quantize_screen_name(r, buf);
    case BB_QCOL_SHAPE:
        (void)shape_text(r, buf, size);
        break;
    case BB_QCOL_FROM:
        return r->from->name;
    case BB_QCOL_TO:
        return r->to->name;
    case BB_QCOL_SIZE:
        (void)bb_bytes_text(r->bytes, false, buf);
        break;
    case BB_QCOL_SQNR:
        if (!done) return q->phase == BB_QUANTIZE_RUNNING && atomic_load(&r->state) == BB_ROW_RUNNING ? "now" : "";
        if (r->error.rel == 0) return "exact";
        (void)snprintf(buf, size, "%.1f", r->error.sqnr_db);
        break;
    case BB_QCOL_OUTPUT:
        if (done && r->kernel) return output_text(r, buf, size);
        break;
    case BB_QCOL_MAX:
        if (done) error_text(r->error.max_abs, buf, size);
        break;
    case BB_QCOL_COSINE:
        if (done) (void)snprintf(buf, size, "%.5f", r->error.cosine);
        break;
    case BB_QCOL_WORST:
        if (worst) return "worst";
        if (bb_quantize_screen_low(r)) return "low";
        break;
    case BB_QUANTIZE_COLUMNS:
        break;
    }
    return buf;
}

/* A name that is too long loses its middle: the layer stands in front, the matrix at the end. */
static void put_name(int y, int x, int width, bb_role role, const char *name) {
    if (bb_text_columns(name) <= width || width < 8) {
        (void)bb_put_cut(y, x, width, role, name);
        return;
    }
    int head = (width - 2) / 2, used = bb_put(y, x, head, role, name);
    used += bb_put(y, x + used, 2, role, "..");
    const char *tail = name;
    while (*tail && bb_text_columns(tail) > width - used) {
        tail++;
        while (((unsigned char)*tail & 0xC0) == 0x80) tail++;
    }
    (void)bb_put(y, x + used, width - used, role, tail);
}

/* The heading when row is NULL. */
static void draw_cells(const bb_quantize_screen *q, const bb_quantize_row *row, bool worst, int y, int x,
                       const int widths[BB_QUANTIZE_COLUMNS], bb_role role) {
    char text[96];
    x += FLAGS - 1;
    for (int c = 0; c < BB_QUANTIZE_COLUMNS; c++) {
        if (!widths[c]) continue;
        const char *cell = row ? cell_text(q, row, (bb_quantize_column)c, worst, text, sizeof text) : columns[c].head;
        if (c == BB_QCOL_TENSOR)
            put_name(y, x + 1, widths[c] - 1, role, cell);
        else if (columns[c].left)
            (void)bb_put_cut(y, x + 1, widths[c] - 1, role, cell);
        else
            bb_put_right(y, x + 1, widths[c] - 1, role, cell);
        x += widths[c];
    }
}

/* A title in the line above a pane: of the frame, or of the rule that narrow screens have there. */
static void title(const bb_panes *l, const bb_rect *p, bb_role role, const char *text) {
    if (l->wide) {
        bb_title_draw(l, p, role, text);
        return;
    }
    if (p->h == 0 || !bb_panes_joint(l, p->y - 1, p->x)) return;
    char line[160];
    (void)snprintf(line, sizeof line, " %s ", text);
    (void)bb_put_cut(p->y - 1, p->x + 3, p->w - 6, role, line);
}

static void draw_tensors(const bb_quantize_screen *q, const bb_quantize_sum *sum, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_TENSORS];
    char text[96];
    (void)snprintf(text, sizeof text, "Tensors %zu/%zu, %s", sum->all.done, q->n, bb_quantize_order_words(q->sort));
    int widths[BB_QUANTIZE_COLUMNS];
    if (p->h < 2) return;
    if (q->n) title(l, p, BB_ROLE_TITLE, text);
    (void)bb_quantize_columns(p->w, widest_shape(q), widths);
    draw_cells(q, NULL, false, p->y, p->x, widths, BB_ROLE_HEAD);
    if (!q->n) {
        (void)bb_put_wrapped(p->y + 1, p->x + 2, p->h - 1, p->w - 3, BB_ROLE_DIM,
                             "Choose a model: Tab to File, then e. A GGUF file, a safetensors file or a folder.");
        return;
    }
    size_t room = (size_t)p->h - 1, top = bb_scroll(q->marked, q->n, room);
    for (size_t i = top; i < q->n && i < top + room; i++) {
        const bb_quantize_row *r = bb_quantize_at(q->job, q->order[i]);
        int y = p->y + 1 + (int)(i - top);
        bool low = bb_quantize_screen_low(r);
        if (i == q->marked) (void)bb_put(y, p->x, 1, BB_ROLE_FOCUS, ">");
        if (low) (void)bb_put(y, p->x + 1, 1, BB_ROLE_WARN, "!");
        draw_cells(q, r, r == sum->all.worst, y, p->x, widths, i == q->marked ? BB_ROLE_FOCUS : BB_ROLE_TEXT);
    }
}

/* ---- histogram ---- */

/* Bins on each side of zero that have anything in them, at least 4. */
static int used_half(const bb_quantize_row *r) {
    int half = BB_QUANTIZE_BINS / 2, used = 4;
    for (int b = 0; b < BB_QUANTIZE_BINS; b++)
        if (r->histogram[b]) {
            int away = b < half ? half - b : b - half + 1;
            used = away > used ? away : used;
        }
    return used;
}

static void axis_label(double v, bool sign, char *buf, size_t size) {
    (void)snprintf(buf, size, v >= 0.001 && v < 1000 ? (sign ? "%+.4f" : "%.4f") : sign ? "%+.1e" : "%.1e", v);
}

/* Columns of eighths; what has anything in it is seen. */
static void draw_bars(const bb_quantize_row *r, int y, int x, int h, int w) {
    static const char *const eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    int used = used_half(r), bins = 2 * used, first = BB_QUANTIZE_BINS / 2 - used;
    int each = w / bins > 0 ? w / bins : 1, per = (bins + w - 1) / w; /* columns of a bin, or bins of a column */
    if (per > 1 && per % 2) per++;                                    /* zero stays between two columns */
    int shown = per > 1 ? (bins + per - 1) / per : bins * each, left = x + (w - shown) / 2;
    double most = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int c = 0; c < shown; c++) {
            uint64_t n = 0;
            for (int k = 0; k < per; k++) {
                int b = first + (per > 1 ? c * per + k : c / each);
                if (b < first + bins) n += r->histogram[b];
            }
            if (pass == 0) {
                most = (double)n > most ? (double)n : most;
                continue;
            }
            int height = most > 0 ? (int)lround((double)n / most * h * 8) : 0;
            if (n && height == 0) height = 1;
            for (int row = 0; row < h; row++) {
                int part = height - row * 8;
                part = part < 0 ? 0 : part > 8 ? 8 : part;
                if (part) (void)bb_put(y + h - 1 - row, left + c, 1, BB_ROLE_WEIGHTS, eighths[part]);
            }
        }
    char text[32];
    double limit = r->histogram_limit * used / (BB_QUANTIZE_BINS / 2.0);
    bb_put_times(y + h, left, shown, BB_ROLE_DIM, "-");
    (void)bb_put(y + h, left + shown / 2, 1, BB_ROLE_DIM, "+");
    axis_label(limit, true, text, sizeof text);
    text[0] = '-';
    (void)bb_put(y + h + 1, left, shown / 2 - 1, BB_ROLE_TEXT, text);
    text[0] = '+';
    bb_put_right(y + h + 1, left + shown / 2 + 1, shown - shown / 2 - 1, BB_ROLE_TEXT, text);
    (void)bb_put(y + h + 1, left + shown / 2, 1, BB_ROLE_TEXT, "0");
}

/* The weights' own error beside that of the product, in a row that the bars can spare; the rows used. */
static int draw_errors(const bb_quantize_row *r, const bb_rect *p) {
    char text[32];
    if (p->h < 6) return 0;
    int x = p->x, used = bb_putf(p->y, x, p->w, BB_ROLE_TEXT, "weights %.1e", r->error.rel);
    if (!r->kernel) return 1;
    used += bb_putf(p->y, x + used, p->w - used, BB_ROLE_TEXT, "  output %s", output_text(r, text, sizeof text));
    const char *kernel = r->kernel->family->name;
    if (used + 2 + bb_text_columns(kernel) <= p->w)
        (void)bb_put(p->y, x + used + 2, p->w - used - 2, BB_ROLE_DIM, kernel);
    return 1;
}

static void draw_histogram(const bb_quantize_screen *q, const bb_panes *l) {
    bb_rect p = l->pane[BB_PANE_HISTOGRAM];
    const bb_quantize_row *r = bb_quantize_screen_marked(q);
    if (p.h < 3) return;
    char name[80], text[192], stats[96] = "";
    if (!r) return;
    (void)bb_quantize_screen_name(r, name);
    bb_quantize_state state = atomic_load(&r->state);
    bool done = state == BB_ROW_DONE, bars = done && r->error.rel != 0 && r->histogram_limit > 0;
    bool roomy = l->cols >= 80;
    if (bars && roomy) (void)snprintf(stats, sizeof stats, "mean %+.1e  sd %.1e", r->error.mean, r->error.sd);
    if (bars && !roomy) (void)snprintf(stats, sizeof stats, "sd %.1e", r->error.sd);
    if (l->wide) {
        (void)snprintf(text, sizeof text, "%s  %s -> %s", name, r->from->name, r->to->name);
        title(l, &p, BB_ROLE_TITLE, text);
    } else {
        int room = (int)strlen(stats) + 4;
        int head = bb_put(p.y - 1, p.x + 3, 20, BB_ROLE_TITLE, roomy ? " error histogram of " : " error of "),
            left = p.w - 9 - room - head;
        int used = bb_text_columns(name) < left ? bb_text_columns(name) : left;
        put_name(p.y - 1, p.x + 3 + head, left, BB_ROLE_TITLE, name);
        (void)bb_put(p.y - 1, p.x + 3 + head + used, 1, BB_ROLE_TITLE, " ");
        if (bars) {
            (void)snprintf(text, sizeof text, " %s ", stats);
            bb_put_right(p.y - 1, p.x + p.w - room, room - 1, BB_ROLE_TEXT, text);
        }
    }
    if (!bars) {
        const char *why = !done ? state == BB_ROW_RUNNING ? "being quantized" : "not quantized yet: Enter starts"
                          : r->quantized ? "no error: every value is exact in the new type"
                                         : "copied as it is: no error";
        if (state == BB_ROW_WAITING && q->phase == BB_QUANTIZE_RUNNING) why = "not quantized yet";
        (void)bb_put_wrapped(p.y, p.x + 1, p.h, p.w - 2, BB_ROLE_DIM, why);
        return;
    }
    if (l->wide) {
        (void)bb_putf(p.y++, p.x, p.w, BB_ROLE_TEXT, "error   %s", stats);
        p.h--;
    }
    int used = draw_errors(r, &p);
    p.y += used;
    p.h -= used;
    draw_bars(r, p.y, p.x + 1, p.h - 2, p.w - 2);
}

/* ---- all types of one tensor ---- */

static double best_db(const bb_quantize_screen *q) {
    double best = 0;
    for (size_t i = 0; i < q->n_trials; i++)
        if (isfinite(q->trials[i].error.sqnr_db) && q->trials[i].error.sqnr_db > best)
            best = q->trials[i].error.sqnr_db;
    return best;
}

static const char *db_text(const bb_error_stats *e, char *buf, size_t size) {
    if (e->rel == 0) return "exact";
    (void)snprintf(buf, size, "%.1f dB", e->sqnr_db);
    return buf;
}

static void draw_types(const bb_quantize_screen *q, const bb_panes *l) {
    const bb_rect *p = &l->pane[BB_PANE_TYPES];
    const bb_quantize_row *r = bb_quantize_screen_marked(q);
    if (p->h < 1 || !r) return;
    char name[80], text[128];
    (void)snprintf(text, sizeof text, "All types of %s", bb_quantize_screen_name(r, name));
    title(l, p, BB_ROLE_TITLE, text);
    if (!q->n_trials || q->tried != q->order[q->marked]) {
        (void)bb_put_wrapped(p->y, p->x + 1, p->h, p->w - 2, BB_ROLE_DIM,
                             q->working && q->work == BB_WORK_TRIALS ? "comparing"
                                                                     : "d compares all types of the marked tensor");
        return;
    }
    enum { TYPE = 9, BITS = 10, DB = 9 };
    size_t at = 0, room = (size_t)p->h;
    for (size_t i = 0; i < q->n_trials; i++)
        if (q->trials[i].type == r->to) at = i;
    size_t top = bb_scroll(at, q->n_trials, room);
    int bar = p->w - 1 - TYPE - BITS - DB - 1;
    double best = best_db(q);
    for (size_t i = top; i < q->n_trials && i < top + room; i++) {
        const bb_quantize_trial *t = &q->trials[i];
        int y = p->y + (int)(i - top), x = p->x + 1;
        bb_role role = t->type == r->to ? BB_ROLE_FOCUS : BB_ROLE_TEXT;
        if (t->type == r->to) (void)bb_put(y, p->x, 1, role, ">");
        (void)bb_put_cut(y, x, TYPE - 1, role, t->type->name);
        (void)snprintf(text, sizeof text, "%.2f bit", t->bits_per_weight);
        bb_put_right(y, x + TYPE - 1, BITS, role, text);
        double part = t->error.rel == 0 ? 1 : best > 0 && t->error.sqnr_db > 0 ? t->error.sqnr_db / best : 0;
        bb_put_times(y, x + TYPE + BITS, (int)lround(part * bar), BB_ROLE_WEIGHTS, "█");
        bb_put_right(y, x + TYPE + BITS + bar, DB, role, db_text(&t->error, text, sizeof text));
    }
}

void bb_quantize_screen_types(const bb_quantize_screen *q, bb_str *out) {
    char db[32], rel[32], most[32];
    if (q->tried >= q->n) return;
    const bb_dtype *to = bb_quantize_at(q->job, q->tried)->to;
    bb_str_addf(out, "  %-8s %5s %9s %8s %8s %8s\n", "TYPE", "BIT/W", "SQNR", "REL ERR", "MAX|ERR|", "COS");
    for (size_t i = 0; i < q->n_trials; i++) {
        const bb_quantize_trial *t = &q->trials[i];
        error_text(t->error.max_abs, most, sizeof most);
        (void)snprintf(rel, sizeof rel, t->error.rel == 0 ? "0" : "%.1e", t->error.rel);
        bb_str_addf(out, "%c %-8s %5.2f %9s %8s %8s %8.5f\n", t->type == to ? '>' : ' ', t->type->name,
                    t->bits_per_weight, db_text(&t->error, db, sizeof db), rel, most, t->error.cosine);
    }
}

void bb_quantize_screen_draw(const bb_app *app, const bb_quantize_screen *q, const bb_panes *l) {
    bb_quantize_sum sum;
    bb_quantize_screen_sum(q, &sum);
    draw_fields(app, q, &sum, l);
    if (l->wide) bb_title_draw(l, &l->pane[BB_PANE_PROGRESS], BB_ROLE_TITLE, "Progress");
    draw_progress(q, &sum, l);
    draw_tensors(q, &sum, l);
    draw_histogram(q, l);
    draw_types(q, l);
    draw_total(app, q, &sum, l);
}
