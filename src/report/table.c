/* SPDX-License-Identifier: GPL-3.0-or-later */
/* table.c - building a table: columns, typed cells, lines for people. */
#include "base/mem.h"
#include "report/table_cells.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bb_table *bb_table_new(const char *schema) {
    bb_table *t = bb_alloc(1, sizeof *t);
    if (!t) return NULL;
    bb_str_init(&t->head);
    bb_str_init(&t->foot);
    bb_str_init(&t->block);
    t->schema = bb_strdup(schema);
    t->json = bb_json_new_object();
    if (!t->schema || !t->json || !bb_json_add_text(t->json, "schema", schema)) t->failed = true;
    return t;
}

static void drop_rows(bb_table *t) {
    for (size_t i = 0; t->rows && i < t->n_rows; i++) free(t->rows[i].block);
    for (size_t i = 0; i < t->n_cells; i++) {
        free(t->cells[i].text);
        free(t->cells[i].shown);
    }
    t->n_rows = t->n_cells = 0;
}

void bb_table_free(bb_table *t) {
    if (!t) return;
    if (t->done) t->done(t->kept);
    for (size_t i = 0; i < t->n_columns; i++) {
        free(t->columns[i].key);
        free(t->columns[i].heading);
    }
    if (t->made) {
        drop_rows(t->made);
        free(t->made->rows);
        free(t->made->cells);
        free(t->made);
    }
    drop_rows(t);
    free(t->columns);
    free(t->rows);
    free(t->cells);
    free(t->schema);
    bb_json_free(t->json);
    bb_str_clear(&t->head);
    bb_str_clear(&t->foot);
    bb_str_clear(&t->block);
    free(t);
}

void bb_table_rows_from(bb_table *t, size_t n, bool hidden, bb_row_fn fill, const void *ctx) {
    if (!t || t->failed) return;
    t->made = bb_alloc(1, sizeof *t->made);
    if (!t->made) {
        t->failed = true;
        return;
    }
    t->made->columns = t->columns; /* these stay the table's */
    t->made->n_columns = t->n_columns;
    t->fill = fill;
    t->fill_ctx = ctx;
    t->n_rows = n;
    t->made_hidden = hidden;
}

void bb_table_keep(bb_table *t, void *kept, void (*done)(void *kept)) {
    if (!t) {
        done(kept);
        return;
    }
    t->kept = kept;
    t->done = done;
}

const bb_table *bb_table_holding(const bb_table *t, size_t *row) {
    bb_table *m = t->made;
    if (!m) return t;
    if (m->n_rows == 0 || m->made_row != *row) {
        drop_rows(m);
        bb_table_row(m);
        t->fill(m, *row, t->fill_ctx);
        m->made_row = *row;
        if (m->failed) drop_rows(m); /* where memory ended a cell may say that it is text and have none */
    }
    *row = 0;
    return m;
}

void bb_table_column(bb_table *t, const char *key, const char *heading, unsigned flags) {
    if (!t || t->failed) return;
    if (!bb_grow((void **)&t->columns, t->n_columns, &t->cap_columns, sizeof *t->columns)) {
        t->failed = true;
        return;
    }
    bb_column *c = &t->columns[t->n_columns++];
    *c = (bb_column){.key = bb_strdup(key), .heading = bb_strdup(heading), .flags = flags};
    if (!c->key || !c->heading) t->failed = true;
}

bool bb_table_for_people(const bb_table *t) { return !t->bare; }

void bb_table_rows_bare(const bb_table *t, bool bare) {
    if (!t->made) return;
    drop_rows(t->made); /* the row that is there is of the other kind */
    t->made->bare = bare;
}

/* The next cell of the current row, or NULL when there is none left or memory ended. */
static bb_cell *next_cell(bb_table *t) {
    if (!t || t->failed) return NULL;
    if (t->n_cells >= t->n_rows * t->n_columns ||
        !bb_grow((void **)&t->cells, t->n_cells, &t->cap_cells, sizeof *t->cells)) {
        t->failed = true;
        return NULL;
    }
    bb_cell *c = &t->cells[t->n_cells++];
    *c = (bb_cell){.kind = BB_CELL_EMPTY};
    return c;
}

void bb_table_row(bb_table *t) {
    if (!t || t->failed) return;
    while (!t->failed && t->n_cells < t->n_rows * t->n_columns) next_cell(t);
    if (t->failed || !bb_grow((void **)&t->rows, t->n_rows, &t->cap_rows, sizeof *t->rows)) {
        t->failed = true;
        return;
    }
    bb_row *r = &t->rows[t->n_rows++];
    *r = (bb_row){0};
    if (t->block.failed) t->failed = true;
    if (t->block.len) {
        r->block = bb_strdup(bb_str_c(&t->block));
        if (!r->block) t->failed = true;
        bb_str_clear(&t->block);
    }
}

void bb_table_row_hidden(bb_table *t) {
    if (t && !t->failed && t->n_rows) t->rows[t->n_rows - 1].hidden = true;
}

static void set_text(bb_table *t, char **where, const char *text) {
    if (!text) return;
    *where = bb_strdup(text);
    if (!*where) t->failed = true;
}

static void set_shown(bb_table *t, bb_cell *c, const char *text) {
    if (!t->bare) set_text(t, &c->shown, text);
}

void bb_cell_text_as(bb_table *t, const char *v, const char *shown) {
    bb_cell *c = next_cell(t);
    if (!c) return;
    c->kind = BB_CELL_TEXT;
    set_text(t, &c->text, v ? v : "");
    set_shown(t, c, shown);
}

void bb_cell_text(bb_table *t, const char *v) { bb_cell_text_as(t, v, NULL); }

void bb_cell_typed(bb_table *t, const char *v) {
    bb_cell *c = next_cell(t);
    if (!c) return;
    c->kind = BB_CELL_TYPED;
    set_text(t, &c->text, v);
}

void bb_cell_u64_as(bb_table *t, uint64_t v, const char *shown) {
    bb_cell *c = next_cell(t);
    if (!c) return;
    c->kind = BB_CELL_U64;
    c->v.u64 = v;
    char buf[21];
    if (!t->bare) set_shown(t, c, shown ? shown : bb_u64_text(v, buf));
}

void bb_cell_u64(bb_table *t, uint64_t v) { bb_cell_u64_as(t, v, NULL); }

void bb_cell_i64(bb_table *t, int64_t v) {
    bb_cell *c = next_cell(t);
    if (!c) return;
    c->kind = BB_CELL_I64;
    c->v.i64 = v;
    char buf[32];
    snprintf(buf, sizeof buf, "%lld", (long long)v);
    set_shown(t, c, buf);
}

void bb_cell_spelled(bb_table *t, double v, const char *spelled, const char *shown) {
    bb_cell *c = next_cell(t);
    if (!c) return;
    c->kind = BB_CELL_F64;
    c->v.f64 = v;
    char buf[32];
    set_text(t, &c->text, spelled);
    if (!t->bare) set_shown(t, c, shown ? shown : spelled ? spelled : v != v ? "" : bb_f64_shortest(v, buf));
}

void bb_cell_f64_as(bb_table *t, double v, const char *shown) { bb_cell_spelled(t, v, NULL, shown); }
void bb_cell_f64(bb_table *t, double v) { bb_cell_spelled(t, v, NULL, NULL); }

void bb_cell_bool(bb_table *t, bool v) {
    bb_cell *c = next_cell(t);
    if (!c) return;
    c->kind = BB_CELL_BOOL;
    c->v.b = v;
    set_shown(t, c, v ? "yes" : "no");
}

void bb_cell_empty(bb_table *t) { next_cell(t); }

void bb_table_depends(bb_table *t, const bb_str *text) {
    if (t && text->failed) t->failed = true;
}

BB_PRINTF(3, 0) static void add_line(bb_table *t, bb_str *to, const char *fmt, va_list args) {
    char small[512], *text = small;
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, fmt, args);
    if (n >= (int)sizeof small) {
        text = bb_alloc((size_t)n + 1, 1);
        if (text) vsnprintf(text, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    if (n < 0 || !text)
        t->failed = true;
    else {
        bb_str_add(to, text);
        bb_str_add(to, "\n");
    }
    if (text != small) free(text);
}

void bb_table_block(bb_table *t, const char *fmt, ...) {
    if (!t || t->failed) return;
    va_list args;
    va_start(args, fmt);
    add_line(t, &t->block, fmt, args);
    va_end(args);
}

void bb_table_head(bb_table *t, const char *fmt, ...) {
    if (!t || t->failed) return;
    va_list args;
    va_start(args, fmt);
    add_line(t, &t->head, fmt, args);
    va_end(args);
}

void bb_table_foot(bb_table *t, const char *fmt, ...) {
    if (!t || t->failed) return;
    va_list args;
    va_start(args, fmt);
    add_line(t, &t->foot, fmt, args);
    va_end(args);
}

static void add_wrapped(bb_table *t, bb_str *to, const char *text) {
    if (!t || t->failed) return;
    do {
        size_t n = bb_words_within(text, BB_TEXT_WIDTH);
        bb_str_addn(to, text, n);
        bb_str_add(to, "\n");
        text += n;
        while (*text == ' ') text++;
    } while (*text);
}

void bb_table_head_wrapped(bb_table *t, const char *text) {
    if (t) add_wrapped(t, &t->head, text);
}
void bb_table_foot_wrapped(bb_table *t, const char *text) {
    if (t) add_wrapped(t, &t->foot, text);
}

bb_json *bb_table_json(bb_table *t) { return t ? t->json : NULL; }
size_t bb_table_rows(const bb_table *t) { return t->n_rows; }
size_t bb_table_columns(const bb_table *t) { return t->n_columns; }

const char *bb_table_heading(const bb_table *t, size_t column) {
    return column < t->n_columns ? t->columns[column].heading : "";
}

const char *bb_cell_show(const bb_cell *c) { return c->shown ? c->shown : c->text ? c->text : ""; }

const char *bb_table_shown(const bb_table *t, size_t row, size_t column) {
    if (column >= t->n_columns || row >= t->n_rows) return "";
    const bb_table *holding = bb_table_holding(t, &row);
    size_t i = row * t->n_columns + column;
    return i < holding->n_cells && !holding->failed ? bb_cell_show(&holding->cells[i]) : "";
}
