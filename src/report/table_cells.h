/* SPDX-License-Identifier: GPL-3.0-or-later */
/* table_cells.h - what a table is made of; shared by the half that builds it and the half that writes it. */
#ifndef BB_REPORT_TABLE_CELLS_H
#define BB_REPORT_TABLE_CELLS_H
#include "report/table.h"

typedef enum bb_cell_kind {
    BB_CELL_EMPTY,
    BB_CELL_TEXT,
    BB_CELL_TYPED,
    BB_CELL_U64,
    BB_CELL_I64,
    BB_CELL_F64,
    BB_CELL_BOOL
} bb_cell_kind;

typedef struct bb_cell {
    bb_cell_kind kind;
    union {
        uint64_t u64;
        int64_t i64;
        double f64;
        bool b;
    } v;
    char *text;  /* owned: of text cells the text, of numbers their spelling in CSV; or NULL */
    char *shown; /* owned: what people see; NULL = text, or nothing */
} bb_cell;

typedef struct bb_column {
    char *key, *heading; /* owned */
    unsigned flags;
} bb_column;

typedef struct bb_row {
    bool hidden;
    char *block; /* owned: title lines, each ended by a newline, or NULL */
} bb_row;

/* Owns everything below. Cell c of row r is cells[r * n_columns + c]; rows that are not full are filled up as empty. */
struct bb_table {
    bool failed;
    char *schema;
    bb_json *json;
    bb_column *columns;
    size_t n_columns, cap_columns;
    bb_row *rows;
    size_t n_rows, cap_rows, made_row;
    bb_cell *cells;
    size_t n_cells, cap_cells;
    bb_str head, foot; /* lines, each ended by a newline */
    bb_str block;      /* title of the block that the next row begins */
    /* Rows that are made when asked for: `made` has the columns of this table and the row `made_row`, or none yet. */
    bool made_hidden;
    bool bare; /* of `made`: written for programs, so that what people see of a cell is left out */
    bb_row_fn fill;
    const void *fill_ctx;
    bb_table *made;
    void *kept;
    void (*done)(void *kept);
};

/* The table that holds the cells of a row, and which row of that it is: one that is made on demand stays until the next
 * one is asked for. */
const bb_table *bb_table_holding(const bb_table *t, size_t *row);

/* Whether the rows that are made from now on leave out what people see. */
void bb_table_rows_bare(const bb_table *t, bool bare);

/* What people see of a cell. Never NULL. */
const char *bb_cell_show(const bb_cell *c);
/* The longest run of whole words of `text` within `width` columns, in bytes; at least one word. */
size_t bb_words_within(const char *text, size_t width);
static inline bool bb_column_for_people(const bb_column *c) {
    return !(c->flags & (BB_COL_DATA_ONLY | BB_COL_JSON_ONLY));
}
#endif
