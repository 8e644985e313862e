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
        uint32_t c = next_point(&p);
        if (c < 0x80)
            w++;
        else if (!within(none, sizeof none / sizeof *none, c))
            w += within(wide, sizeof wide / sizeof *wide, c) ? 2 : 1;
    }
    return w;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static const bb_cell *cell_at(const bb_table *t, size_t row, size_t column) {
    static const bb_cell empty = {.kind = BB_CELL_EMPTY};
    size_t i = row * t->n_columns + column;
    return i < t->n_cells ? &t->cells[i] : &empty;
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

static bb_status write_text(const bb_table *t, bb_str *out) {
    size_t last = last_for_people(t), *widths = bb_alloc(t->n_columns, sizeof *widths);
    if (!widths) return BB_E_NOMEM;
    bool any = false;
    for (size_t c = 0; c < t->n_columns; c++) widths[c] = bb_text_width(t->columns[c].heading);
    for (size_t r = 0; r < t->n_rows; r++) {
        if (t->rows[r].hidden) continue;
        any = true;
        for (size_t c = 0; c < t->n_columns; c++) {
            size_t w = bb_text_width(bb_cell_show(cell_at(t, r, c)));
            if (w > widths[c]) widths[c] = w;
        }
    }
    bb_str_add(out, bb_str_c(&t->head));
    if (last != SIZE_MAX && any && !(t->n_rows && t->rows[0].block)) text_line(t, 0, true, widths, last, out);
    for (size_t r = 0; r < t->n_rows; r++) {
        if (t->rows[r].block) {
            if (out->len) bb_str_add(out, "\n");
            bb_str_add(out, t->rows[r].block);
        }
        /* A hidden row may open a block whose headings stand above the next row that people see. */
        if (last == SIZE_MAX || t->rows[r].hidden) continue;
        bool opens = t->rows[r].block != NULL;
        for (size_t k = r; k-- > 0 && t->rows[k].hidden;) opens = opens || t->rows[k].block;
        if (opens) text_line(t, 0, true, widths, last, out);
        text_line(t, r, false, widths, last, out);
    }
    bb_str_add(out, bb_str_c(&t->foot));
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

static bb_status write_markdown(const bb_table *t, bb_str *out) {
    md_lines(out, bb_str_c(&t->head));
    bool heading = true, any = false;
    for (size_t r = 0; r < t->n_rows; r++) {
        if (t->rows[r].block) {
            if (any) bb_str_add(out, "\n");
            md_lines(out, t->rows[r].block);
            heading = true;
        }
        if (t->rows[r].hidden) continue;
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
    double number;
    switch (c->kind) {
    case BB_CELL_EMPTY:
        break;
    case BB_CELL_TEXT:
        /* A plain negative number is no formula. */
        if (bb_parse_f64(c->text, &number))
            bb_str_add(out, c->text);
        else
            bb_csv_text(out, c->text);
        break;
    case BB_CELL_TYPED:
        bb_str_add(out, c->text);
        break;
    case BB_CELL_U64:
        bb_csv_u64(out, c->v.u64);
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

static bb_status write_csv(const bb_table *t, bb_str *out) {
    bool first = true;
    for (size_t c = 0; c < t->n_columns; c++) {
        if (!in_csv(&t->columns[c])) continue;
        if (!first) bb_str_add(out, ",");
        bb_csv_text(out, t->columns[c].key);
        first = false;
    }
    bb_str_add(out, "\n");
    for (size_t r = 0; r < t->n_rows; r++) {
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
        return c->v.i64 < 0 ? bb_json_add_f64(row, col->key, (double)c->v.i64)
                            : bb_json_add_u64(row, col->key, (uint64_t)c->v.i64);
    case BB_CELL_F64:
        return bb_json_add_f64(row, col->key, c->v.f64);
    case BB_CELL_BOOL:
        return bb_json_add_bool(row, col->key, c->v.b);
    }
    return bb_json_add_null(row, col->key);
}

static bb_status write_json(const bb_table *t, bb_str *out) {
    bb_json *root = bb_json_new_object();
    bool ok = root && bb_json_is_whole(t->json);
    for (bb_json_iter it = bb_json_first(t->json); ok && it.key; it = bb_json_next(t->json, it))
        ok = bb_json_add_copy(root, it.key, it.value);
    bb_json *rows = ok ? bb_json_add_array(root, "rows") : NULL;
    ok = ok && rows;
    for (size_t r = 0; ok && r < t->n_rows; r++) {
        bb_json *row = bb_json_add_object(rows, NULL);
        ok = row != NULL;
        for (size_t c = 0; ok && c < t->n_columns; c++) {
            if (t->columns[c].flags & BB_COL_TEXT_ONLY) continue;
            ok = json_cell(row, &t->columns[c], cell_at(t, r, c));
        }
    }
    bb_status s = ok ? bb_json_write(root, out) : BB_E_NOMEM;
    bb_json_free(root);
    return s;
}

/* --------------------------------------------------------------------------------------------------------------------
 */

bb_status bb_table_to_str(const bb_table *t, bb_table_form form, bb_str *out) {
    if (!t || t->failed || t->head.failed || t->foot.failed || t->block.failed) return BB_E_NOMEM;
    bb_str s;
    bb_str_init(&s);
    bb_status status = BB_E_ARG;
    switch (form) {
    case BB_TABLE_TEXT:
        status = write_text(t, &s);
        break;
    case BB_TABLE_CSV:
        status = write_csv(t, &s);
        break;
    case BB_TABLE_JSON:
        status = write_json(t, &s);
        break;
    case BB_TABLE_MARKDOWN:
        status = write_markdown(t, &s);
        break;
    }
    if (status == BB_OK && s.failed) status = BB_E_NOMEM;
    if (status == BB_OK) {
        bb_str_addn(out, bb_str_c(&s), s.len);
        if (out->failed) status = BB_E_NOMEM;
    }
    bb_str_clear(&s);
    return status;
}

bb_status bb_table_write(const bb_table *table, bb_table_form form, bb_write_fn write, void *ctx) {
    if (!table || !write) return BB_E_ARG;
    bb_str s;
    bb_str_init(&s);
    bb_status status = bb_table_to_str(table, form, &s);
    /* Pieces of a size that pipes and files take at once. */
    for (size_t at = 0; status == BB_OK && at < s.len;) {
        size_t n = s.len - at < 65536 ? s.len - at : 65536;
        if (!write(ctx, bb_str_c(&s) + at, n)) status = BB_E_WRITE;
        at += n;
    }
    bb_str_clear(&s);
    return status;
}
