/* SPDX-License-Identifier: GPL-3.0-or-later */
/* table_write.c - writing a table as text, CSV, JSON and Markdown. */
#include "base/csv.h"
#include "base/mem.h"
#include "report/table_cells.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- width ------------------------------------------------------------------------------------------------------ */

struct range {
    uint32_t first, last;
};

/* Wide and emoji blocks of Unicode's EastAsianWidth.txt, whole blocks. */
static const struct range wide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},  {0xAC00, 0xD7A3},
                                    {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},  {0xFFE0, 0xFFE6},
                                    {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
/* Combining marks and joiners that terminals draw in no cell of their own. */
static const struct range none[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},
                                    {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200D},
                                    {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};

static bool within(const struct range *r, size_t n, uint32_t c) {
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].first && c <= r[i].last) return true;
    return false;
}

/* One code point of valid UTF-8; a stray byte counts as itself. */
static uint32_t next_point(const unsigned char **s) {
    const unsigned char *p = *s;
    size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : p[0] >= 0xC0 ? 2 : 1;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7Fu >> n);
    size_t i = 1;
    for (; i < n && (p[i] & 0xC0) == 0x80; i++) c = c << 6 | (p[i] & 0x3Fu);
    *s = p + i;
    return c;
}

size_t bb_text_width(const char *utf8) {
    size_t w = 0;
    for (const unsigned char *p = (const unsigned char *)utf8; *p;) {
        if (*p < 0x80) {
            w++;
            p++;
            continue;
        }
        uint32_t c = next_point(&p);
        if (!within(none, sizeof none / sizeof *none, c)) w += within(wide, sizeof wide / sizeof *wide, c) ? 2 : 1;
    }
    return w;
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

enum { PIECE = 32768 };

/* What is written so far and not yet handed on. Pieces end where a row or a line does. */
struct pen {
    bb_str out;
    bb_write_fn write;
    void *ctx;
    bb_status status;
    bool any; /* something was handed on */
};

static void hand_on(struct pen *p) {
    if (p->out.failed) p->status = BB_E_NOMEM;
    if (p->status == BB_OK && p->out.len) {
        if (!p->write(p->ctx, p->out.data, p->out.len)) p->status = BB_E_WRITE;
        p->any = true;
    }
    p->out.len = 0; /* the memory serves the next piece */
}

/* Called where a piece may end. False when going on is useless. */
static bool may_end(struct pen *p) {
    if (p->out.len >= PIECE || p->out.failed) hand_on(p);
    return p->status == BB_OK;
}

static void pen_lines(struct pen *p, const bb_str *lines) {
    const char *at = bb_str_c(lines);
    for (size_t left = lines->len; left && may_end(p);) {
        const char *end = memchr(at, '\n', left);
        size_t n = end ? (size_t)(end - at) + 1 : left;
        bb_str_addn(&p->out, at, n);
        at += n;
        left -= n;
    }
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static const bb_cell *cell_at(const bb_table *t, size_t row, size_t column) {
    static const bb_cell empty = {.kind = BB_CELL_EMPTY};
    const bb_table *holding = bb_table_holding(t, &row);
    size_t i = row * t->n_columns + column;
    /* a row that lost something is not written, nor is the table called written in the end */
    return i < holding->n_cells && !holding->failed ? &holding->cells[i] : &empty;
}

static const bb_row *row_at(const bb_table *t, size_t row) {
    static const bb_row shown = {.hidden = false}, hidden = {.hidden = true};
    if (t->made) return t->made_hidden ? &hidden : &shown;
    return &t->rows[row];
}

static size_t last_for_people(const bb_table *t) {
    size_t last = SIZE_MAX;
    for (size_t c = 0; c < t->n_columns; c++)
        if (bb_column_for_people(&t->columns[c])) last = c;
    return last;
}

/* Blanks are held back until something follows, so that no line ends in them. */
struct line {
    bb_str *out;
    size_t column, pending;
};

static void line_put(struct line *l, const char *text, size_t width, bool right) {
    size_t w = bb_text_width(text), pad = width > w ? width - w : 0;
    if (right) l->pending += pad;
    if (*text) {
        bb_str_addc(l->out, ' ', l->pending);
        l->pending = 0;
        bb_str_add(l->out, text);
    }
    if (!right) l->pending += pad;
    l->column += w > width ? w : width;
}

size_t bb_words_within(const char *text, size_t width) {
    size_t best = 0, w = 0;
    const unsigned char *start = (const unsigned char *)text, *p = start;
    while (*p) {
        if (*p == ' ' && w <= width) best = (size_t)(p - start);
        if (w > width && best) return best;
        if (w > width && *p == ' ') return (size_t)(p - start);
        next_point(&p);
        w++;
    }
    return w <= width || !best ? (size_t)(p - start) : best;
}

static void put_wrapped(struct line *l, const char *text) {
    size_t indent = l->column, width = indent + 24 < BB_TEXT_WIDTH ? BB_TEXT_WIDTH - indent : 24;
    for (bool first = true; *text || first; first = false) {
        size_t n = bb_words_within(text, width);
        if (!first) {
            bb_str_add(l->out, "\n");
            l->pending = indent;
        }
        if (n) {
            bb_str_addc(l->out, ' ', l->pending);
            l->pending = 0;
            bb_str_addn(l->out, text, n);
        }
        text += n;
        while (*text == ' ') text++;
    }
}

static void text_line(const bb_table *t, size_t row, bool headings, const size_t *widths, size_t last, bb_str *out) {
    struct line l = {.out = out};
    bool first = true;
    for (size_t c = 0; c < t->n_columns; c++) {
        const bb_column *col = &t->columns[c];
        if (!bb_column_for_people(col)) continue;
        if (!first) {
            l.pending += 2;
            l.column += 2;
        }
        first = false;
        const char *text = headings ? col->heading : bb_cell_show(cell_at(t, row, c));
        if (c == last && (col->flags & BB_COL_WRAP) && !headings)
            put_wrapped(&l, text);
        else
            line_put(&l, text, widths[c], col->flags & BB_COL_RIGHT);
    }
    bb_str_add(out, "\n");
}

/* Whether people see headings above this row: it, or hidden ones right before it, open a block. */
static bool opens_block(const bb_table *t, size_t row) {
    if (t->made) return false;
    bool opens = t->rows[row].block != NULL;
    for (size_t k = row; k-- > 0 && t->rows[k].hidden;) opens = opens || t->rows[k].block;
    return opens;
}

static bb_status write_text(const bb_table *t, struct pen *p) {
    size_t last = last_for_people(t), *widths = bb_alloc(t->n_columns, sizeof *widths);
    if (!widths) return BB_E_NOMEM;
    bool any = false;
    for (size_t c = 0; c < t->n_columns; c++) widths[c] = bb_text_width(t->columns[c].heading);
    for (size_t r = 0; r < t->n_rows; r++) {
        if (row_at(t, r)->hidden) continue;
        any = true;
        for (size_t c = 0; c < t->n_columns; c++) {
            if (!bb_column_for_people(&t->columns[c])) continue;
            size_t w = bb_text_width(bb_cell_show(cell_at(t, r, c)));
            if (w > widths[c]) widths[c] = w;
        }
    }
    pen_lines(p, &t->head);
    if (last != SIZE_MAX && any && !row_at(t, 0)->block) text_line(t, 0, true, widths, last, &p->out);
    for (size_t r = 0; r < t->n_rows && may_end(p); r++) {
        const bb_row *row = row_at(t, r);
        if (row->block) {
            if (p->out.len || p->any) bb_str_add(&p->out, "\n");
            bb_str_add(&p->out, row->block);
        }
        /* A hidden row may open a block whose headings stand above the next row that people see. */
        if (last == SIZE_MAX || row->hidden) continue;
        if (opens_block(t, r)) text_line(t, 0, true, widths, last, &p->out);
        text_line(t, r, false, widths, last, &p->out);
    }
    pen_lines(p, &t->foot);
    free(widths);
    return BB_OK;
}

/* ---- Markdown -----------------------------------------------------------------------------------------------------
 */

static void md_text(bb_str *out, const char *text) {
    for (; *text; text++) switch (*text) {
        case '|':
            bb_str_add(out, "\\|");
            break;
        case '<':
            bb_str_add(out, "&lt;");
            break;
        case '\n':
            bb_str_add(out, " ");
            break;
        default:
            bb_str_addn(out, text, 1);
        }
}

/* Lines as they stand, in a fence: they are laid out for a fixed width. */
static void md_lines(bb_str *out, const char *lines) {
    if (!*lines) return;
    bb_str_add(out, "```\n");
    bb_str_add(out, lines);
    bb_str_add(out, "```\n\n");
}

static void md_heading(const bb_table *t, bb_str *out) {
    for (int rule = 0; rule < 2; rule++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            if (!bb_column_for_people(&t->columns[c])) continue;
            bb_str_add(out, "| ");
            if (rule)
                bb_str_add(out, t->columns[c].flags & BB_COL_RIGHT ? "---:" : "---");
            else
                md_text(out, t->columns[c].heading);
            bb_str_add(out, " ");
        }
        bb_str_add(out, "|\n");
    }
}

static bb_status write_markdown(const bb_table *t, struct pen *p) {
    bb_str *out = &p->out;
    md_lines(out, bb_str_c(&t->head));
    bool heading = true, any = false;
    for (size_t r = 0; r < t->n_rows && may_end(p); r++) {
        const bb_row *row = row_at(t, r);
        if (row->block) {
            if (any) bb_str_add(out, "\n");
            md_lines(out, row->block);
            heading = true;
        }
        if (row->hidden) continue;
        if (heading) md_heading(t, out);
        heading = false;
        any = true;
        for (size_t c = 0; c < t->n_columns; c++) {
            if (!bb_column_for_people(&t->columns[c])) continue;
            bb_str_add(out, "| ");
            md_text(out, bb_cell_show(cell_at(t, r, c)));
            bb_str_add(out, " ");
        }
        bb_str_add(out, "|\n");
    }
    if (any && t->foot.len) bb_str_add(out, "\n");
    md_lines(out, bb_str_c(&t->foot));
    return BB_OK;
}

/* ---- CSV -----------------------------------------------------------------------------------------------------------
 */

static bool in_csv(const bb_column *c) { return !(c->flags & (BB_COL_TEXT_ONLY | BB_COL_JSON_ONLY)); }

static void csv_cell(bb_str *out, const bb_cell *c) {
    switch (c->kind) {
    case BB_CELL_EMPTY:
        break;
    case BB_CELL_TEXT:
        bb_csv_text(out, c->text);
        break;
    case BB_CELL_TYPED:
        bb_str_add(out, c->text);
        break;
    case BB_CELL_U64:
        bb_str_add_u64(out, c->v.u64);
        break;
    case BB_CELL_I64:
        bb_str_addf(out, "%" PRId64, c->v.i64);
        break;
    case BB_CELL_F64:
        if (c->text)
            bb_str_add(out, c->text);
        else
            bb_csv_f64(out, c->v.f64);
        break;
    case BB_CELL_BOOL:
        bb_str_add(out, c->v.b ? "true" : "false");
        break;
    }
}

static bb_status write_csv(const bb_table *t, struct pen *p) {
    bb_str *out = &p->out;
    bool first = true;
    for (size_t c = 0; c < t->n_columns; c++) {
        if (!in_csv(&t->columns[c])) continue;
        if (!first) bb_str_add(out, ",");
        bb_csv_text(out, t->columns[c].key);
        first = false;
    }
    bb_str_add(out, "\n");
    for (size_t r = 0; r < t->n_rows && may_end(p); r++) {
        first = true;
        for (size_t c = 0; c < t->n_columns; c++) {
            if (!in_csv(&t->columns[c])) continue;
            if (!first) bb_str_add(out, ",");
            csv_cell(out, cell_at(t, r, c));
            first = false;
        }
        bb_str_add(out, "\n");
    }
    return BB_OK;
}

/* ---- JSON ----------------------------------------------------------------------------------------------------------
 */

static bool json_cell(bb_json *row, const bb_column *col, const bb_cell *c) {
    if (c->kind == BB_CELL_EMPTY && (col->flags & BB_COL_JSON_ONLY)) return true;
    switch (c->kind) {
    case BB_CELL_EMPTY:
        break;
    case BB_CELL_TEXT:
    case BB_CELL_TYPED:
        return bb_json_add_text(row, col->key, c->text);
    case BB_CELL_U64:
        return bb_json_add_u64(row, col->key, c->v.u64);
    case BB_CELL_I64:
        return bb_json_add_i64(row, col->key, c->v.i64);
    case BB_CELL_F64:
        return bb_json_add_f64(row, col->key, c->v.f64);
    case BB_CELL_BOOL:
        return bb_json_add_bool(row, col->key, c->v.b);
    }
    return bb_json_add_null(row, col->key);
}

/* A row as an object of its own, so that only one is in memory. */
static bb_status json_row(const bb_table *t, size_t r, bb_str *out) {
    bb_json *row = bb_json_new_object();
    bool ok = row != NULL;
    for (size_t c = 0; ok && c < t->n_columns; c++)
        if (!(t->columns[c].flags & BB_COL_TEXT_ONLY)) ok = json_cell(row, &t->columns[c], cell_at(t, r, c));
    bb_status status = ok ? bb_json_write_within(row, 4, out) : BB_E_NOMEM;
    bb_json_free(row);
    return status;
}

static bb_status write_json(const bb_table *t, struct pen *p) {
    static const char end[] = "\n}";
    bb_str *out = &p->out;
    bb_status status = bb_json_write_within(t->json, 0, out);
    if (status != BB_OK) return status;
    out->len -= sizeof end - 1; /* it has the schema at least; the rows go on before its end */
    bb_str_add(out, ",\n  \"rows\": [");
    for (size_t r = 0; r < t->n_rows && status == BB_OK && may_end(p); r++) {
        bb_str_add(out, r ? ",\n    " : "\n    ");
        status = json_row(t, r, out);
    }
    bb_str_add(out, t->n_rows ? "\n  ]" : "]");
    bb_str_add(out, end);
    bb_str_add(out, "\n");
    return status;
}

/* --------------------------------------------------------------------------------------------------------------------
 */

bb_status bb_table_write(const bb_table *table, bb_table_form form, bb_write_fn write, void *ctx) {
    if (!table || !write) return BB_E_ARG;
    if (table->failed || table->head.failed || table->foot.failed || table->block.failed) return BB_E_NOMEM;
    struct pen p = {.write = write, .ctx = ctx};
    bb_str_init(&p.out);
    bb_status status = BB_E_ARG;
    bb_table_rows_bare(table, form == BB_TABLE_CSV || form == BB_TABLE_JSON);
    switch (form) {
    case BB_TABLE_TEXT:
        status = write_text(table, &p);
        break;
    case BB_TABLE_CSV:
        status = write_csv(table, &p);
        break;
    case BB_TABLE_JSON:
        status = write_json(table, &p);
        break;
    case BB_TABLE_MARKDOWN:
        status = write_markdown(table, &p);
        break;
    }
    if (status == BB_OK && table->made && table->made->failed) status = BB_E_NOMEM;
    bb_table_rows_bare(table, false);
    if (status == BB_OK) {
        hand_on(&p);
        status = p.status;
    }
    bb_str_clear(&p.out);
    return status;
}

bb_status bb_table_to_str(const bb_table *t, bb_table_form form, bb_str *out) {
    size_t before = out->len;
    bb_status status = bb_table_write(t, form, bb_str_write, out);
    if (status == BB_E_WRITE) status = BB_E_NOMEM; /* a text that takes no more */
    if (status != BB_OK && out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return status;
}
