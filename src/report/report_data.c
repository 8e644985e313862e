/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_data.c - the tables of data/ and the tables in the program, every column kept, and their filters. */
#include "base/csv.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/units.h"
#include "report/report.h"
#include "report/show.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 96 };

static void upper(const char *name, char *out, size_t size) {
    size_t n = 0;
    for (; name[n] && n + 1 < size; n++) out[n] = name[n] >= 'a' && name[n] <= 'z' ? (char)(name[n] - 32) : name[n];
    out[n] = '\0';
}

/* Widest cell of a column, its heading included. */
static size_t column_width(const bb_csv *csv, size_t column) {
    size_t w = bb_text_width(bb_csv_name(csv, column));
    for (size_t r = 0; r < bb_csv_rows(csv); r++) {
        size_t v = bb_text_width(bb_csv_cell(csv, r, column));
        if (v > w) w = v;
    }
    return w;
}

static bool numeric(const bb_csv *csv, size_t column) {
    double v;
    bool any = false;
    for (size_t r = 0; r < bb_csv_rows(csv); r++) {
        const char *cell = bb_csv_cell(csv, r, column);
        if (!*cell) continue;
        if (!bb_parse_f64(cell, &v)) return false;
        any = true;
    }
    return any;
}

/* What people see of a table whose columns do not fit one line: a column of the file, or a size made from it. */
enum { MAX_CHOSEN = 8 };
typedef enum show { AS_IT_IS, AS_COUNT, USABLE } show;
typedef struct choice {
    const char *column, *heading;
    bool right;
    show how;
} choice;

static const choice model_choice[] = {{"name", "NAME", false, AS_IT_IS},    {"params", "PARAMS", true, AS_COUNT},
                                      {"arch", "ARCH", false, AS_IT_IS},    {"layers", "LAYERS", true, AS_IT_IS},
                                      {"hidden", "HIDDEN", true, AS_IT_IS}, {"context", "CONTEXT", true, AS_IT_IS},
                                      {NULL, NULL, false, AS_IT_IS}};
static const choice gpu_choice[] = {{"name", "NAME", false, AS_IT_IS},
                                    {"vendor", "VENDOR", false, AS_IT_IS},
                                    {"memory_gib", "USABLE", true, USABLE},
                                    {"bandwidth_gbs", "GB/s", true, AS_IT_IS},
                                    {"fp16_tflops", "FP16", true, AS_IT_IS},
                                    {"int8_tops", "INT8", true, AS_IT_IS},
                                    {NULL, NULL, false, AS_IT_IS}};

typedef struct shown_row {
    size_t row;      /* of the file */
    uint64_t usable; /* bytes of a card that a program can get; 0 = unknown */
} shown_row;

/* Where the rows of a table come from. Owns rows. */
typedef struct source {
    const bb_catalogue *cat;
    const bb_csv *csv;
    shown_row *rows;            /* [n] */
    size_t n, name;             /* name: the column that is text whatever stands in it */
    const choice *choice;       /* NULL = people see the columns of the file */
    size_t chosen[MAX_CHOSEN];  /* where each of choice stands in the file */
    size_t arch, hf_type, size; /* columns that filters read */
    bool models, gpus, si;
    bool usable; /* JSON gets the bytes as a further key */
} source;

static void source_free(void *ctx) {
    source *s = ctx;
    if (!s) return;
    free(s->rows);
    free(s);
}

static void add_cell(const source *s, size_t row, size_t column, bb_table *t) {
    const char *cell = bb_csv_cell(s->csv, row, column);
    uint64_t n;
    double v;
    if (!*cell)
        bb_cell_empty(t);
    else if (column != s->name && bb_parse_u64(cell, &n))
        bb_cell_u64(t, n);
    else if (column != s->name && bb_parse_f64(cell, &v))
        bb_cell_spelled(t, v, cell, NULL);
    else {
        bb_str text;
        bb_str_init(&text);
        bb_escape(&text, cell, strlen(cell), 0);
        bb_cell_text(t, bb_str_c(&text));
        bb_table_depends(t, &text);
        bb_str_clear(&text);
    }
}

static void add_chosen(const source *s, const shown_row *r, size_t i, bb_table *t) {
    show how = s->choice[i].how;
    char buf[32];
    uint64_t n;
    if (how == USABLE && !r->usable)
        bb_cell_empty(t);
    else if (how == USABLE)
        bb_cell_text(t, bb_gib_text(r->usable, s->si, 2, buf));
    else if (how == AS_COUNT && bb_parse_u64(bb_csv_cell(s->csv, r->row, s->chosen[i]), &n))
        bb_cell_text(t, bb_count_text(n, buf));
    else
        add_cell(s, r->row, s->chosen[i], t);
}

static void fill(bb_table *t, size_t row, const void *ctx) {
    const source *s = ctx;
    const shown_row *r = &s->rows[row];
    for (size_t c = 0; c < bb_csv_columns(s->csv); c++) add_cell(s, r->row, c, t);
    for (size_t i = 0; s->choice && s->choice[i].column; i++)
        if (s->chosen[i] != SIZE_MAX) add_chosen(s, r, i, t);
    if (s->usable && r->usable) bb_cell_u64(t, r->usable);
}

static bool is_chosen(const choice *list, const char *name) {
    for (; list->column; list++)
        if (bb_name_eq(list->column, name)) return true;
    return false;
}

/* The columns of the file, then those for people where they are others; the names of the file's that people do not see
 * go into rest. */
static size_t add_columns(const source *s, bb_table *t, bb_str *rest) {
    size_t used = 0, hidden = 0;
    for (size_t c = 0; c < bb_csv_columns(s->csv); c++) {
        char name[NAME_SIZE], heading[NAME_SIZE];
        bb_escape_buf(bb_csv_name(s->csv, c), name, sizeof name);
        upper(name, heading, sizeof heading);
        bool seen = s->choice && is_chosen(s->choice, name), right = false;
        if (!s->choice) { /* as many as fit one line */
            size_t width = column_width(s->csv, c) + 2;
            seen = !hidden && used + width <= BB_TEXT_WIDTH + 2;
            right = numeric(s->csv, c);
            used += width;
        }
        if (!seen) bb_str_addf(rest, "%s%s", hidden++ ? ", " : "", name);
        bb_table_column(t, name, heading, (right ? BB_COL_RIGHT : 0u) | (seen && !s->choice ? 0u : BB_COL_DATA_ONLY));
    }
    for (size_t i = 0; s->choice && s->choice[i].column; i++) {
        const choice *c = &s->choice[i];
        if (s->chosen[i] != SIZE_MAX)
            bb_table_column(t, c->column, c->how == USABLE ? s->si ? "USABLE GB" : "USABLE GiB" : c->heading,
                            (c->right ? BB_COL_RIGHT : 0u) | BB_COL_TEXT_ONLY);
    }
    if (s->usable) bb_table_column(t, "usable_bytes", "", BB_COL_JSON_ONLY);
    return hidden;
}

/* Each word is a part of one of the texts. */
static bool has_words(const bb_data_filter *f, const char *a, const char *b) {
    for (size_t i = 0; i < f->n_words; i++)
        if (!bb_name_contains(a, f->words[i]) && !bb_name_contains(b, f->words[i])) return false;
    return true;
}

static bool model_passes(const source *s, size_t row, const bb_data_filter *f) {
    bb_arch a;
    uint64_t params = 0;
    bool empty;
    if (bb_catalogue_row_model(s->cat, row, &a) != BB_OK) return false;
    if (!has_words(f, a.name, a.hub)) return false;
    if (f->arch && !bb_name_like(a.family, f->arch) && !bb_name_like(bb_csv_cell(s->csv, row, s->arch), f->arch) &&
        !bb_name_like(bb_csv_cell(s->csv, row, s->hf_type), f->arch))
        return false;
    if (bb_csv_get_u64(s->csv, row, s->size, &params, &empty, NULL) != BB_OK) return false;
    return params >= f->min && params <= f->max;
}

static bool gpu_passes(const bb_gpu *g, const bb_data_filter *f) {
    if (!has_words(f, g->name, g->vendor)) return false;
    if (f->vendor && !bb_name_like(g->vendor, f->vendor)) return false;
    /* Nobody knows what fits a card of unknown memory. */
    if (!g->usable_bytes) return !f->min && f->max == UINT64_MAX;
    return g->usable_bytes >= f->min && g->usable_bytes <= f->max;
}

static void add_row(source *s, size_t row, const bb_data_filter *f) {
    bb_gpu g = {0};
    if (s->gpus && (bb_catalogue_row_gpu(s->cat, row, &g) != BB_OK || (f && !gpu_passes(&g, f)))) return;
    if (s->models && f && !model_passes(s, row, f)) return;
    s->rows[s->n++] = (shown_row){row, g.usable_bytes};
}

static source *source_new(const bb_catalogue *cat, const char *table, const bb_data_filter *f, bool si) {
    source *s = bb_alloc(1, sizeof *s);
    if (!s) return NULL;
    s->cat = cat;
    s->csv = bb_catalogue_csv(cat, table);
    s->models = !strcmp(table, "models");
    s->gpus = !strcmp(table, "gpus");
    s->si = si;
    s->choice = s->models ? model_choice : s->gpus ? gpu_choice : NULL;
    size_t n = s->csv ? bb_csv_rows(s->csv) : 0;
    s->rows = bb_alloc(n, sizeof *s->rows);
    if (!s->csv || !s->rows) {
        source_free(s);
        return NULL;
    }
    s->name = bb_csv_column(s->csv, "name");
    s->arch = bb_csv_column(s->csv, "arch");
    s->hf_type = bb_csv_column(s->csv, "hf_type");
    s->usable = s->gpus && bb_csv_column(s->csv, "usable_bytes") == SIZE_MAX;
    s->size = bb_csv_column(s->csv, "params");
    for (size_t i = 0; s->choice && s->choice[i].column; i++) s->chosen[i] = bb_csv_column(s->csv, s->choice[i].column);
    for (size_t r = 0; r < n; r++) add_row(s, r, f);
    return s;
}

/* Below the table: what is not to be seen, and how many rows there are. */
static void add_foot(const source *s, bb_table *t, size_t hidden, const bb_str *rest) {
    enum { NAMED = 8 }; /* more columns than that are not listed */
    size_t all = bb_csv_rows(s->csv);
    bb_str line;
    bb_str_init(&line);
    if (s->n) bb_table_foot(t, "%s", "");
    if (s->gpus && s->n)
        bb_table_foot_wrapped(t, "USABLE is what a program can get: where nobody published that, 0.985 of what the "
                                 "driver shows, else of the size it is sold with. FP16 in TFLOPS, INT8 in TOPS.");
    if (hidden && s->n) {
        bb_str_addf(&line, "%zu more columns in --csv and --json", hidden);
        if (hidden <= NAMED)
            bb_str_addf(&line, ": %s", bb_str_c(rest));
        else
            bb_str_add(&line, ": bitbudget(5)");
        bb_table_foot_wrapped(t, bb_str_c(&line));
    }
    if (s->choice && s->n < all)
        bb_table_foot(t, "%zu of %zu row%s", s->n, all, all == 1 ? "" : "s");
    else if (s->choice)
        bb_table_foot(t, "%zu row%s", s->n, s->n == 1 ? "" : "s");
    bb_str_clear(&line);
}

static bb_table *from_csv(const bb_catalogue *cat, const char *table, const bb_data_filter *filter, bool si) {
    char schema[64];
    snprintf(schema, sizeof schema, "bitbudget.%s/1", table);
    source *s = source_new(cat, table, filter, si);
    bb_table *t = s ? bb_table_new(schema) : NULL;
    if (!t) {
        source_free(s);
        return NULL;
    }
    bb_str rest;
    bb_str_init(&rest);
    size_t hidden = add_columns(s, t, &rest);
    add_foot(s, t, hidden, &rest);
    bb_table_rows_from(t, s->n, false, fill, s);
    bb_table_keep(t, s, source_free);
    bb_str_clear(&rest);
    return t;
}

static bb_table *dtypes(void) {
    bb_table *t = bb_table_new("bitbudget.dtypes/1");
    bb_table_column(t, "dtype", "DTYPE", BB_COL_LEFT);
    bb_table_column(t, "bits_per_weight", "BITS/WEIGHT", BB_COL_RIGHT);
    bb_table_column(t, "block", "BLOCK", BB_COL_RIGHT);
    bb_table_column(t, "block_bytes", "BLOCK BYTES", BB_COL_RIGHT);
    bb_table_column(t, "row_bytes", "ROW BYTES", BB_COL_RIGHT);
    bb_table_column(t, "gguf_id", "GGUF ID", BB_COL_RIGHT);
    bb_table_column(t, "safetensors", "SAFETENSORS", BB_COL_LEFT);
    bb_table_column(t, "aliases", "ALIASES", BB_COL_DATA_ONLY);
    bb_table_column(t, "source", "SOURCE", BB_COL_DATA_ONLY);
    for (size_t i = 0; i < bb_dtype_count(); i++) {
        const bb_dtype *d = bb_dtype_at(i);
        bb_table_row(t);
        bb_cell_text(t, d->name);
        bb_cell_f64(t, bb_dtype_bits_per_weight(d, 0));
        bb_cell_u64(t, d->block);
        bb_cell_u64(t, d->block_bytes);
        bb_cell_u64(t, d->row_bytes);
        if (d->gguf_id == BB_NO_GGUF_ID)
            bb_cell_empty(t);
        else
            bb_cell_i64(t, d->gguf_id);
        bb_cell_text(t, d->st_name ? d->st_name : "");
        bb_cell_text(t, d->aliases ? d->aliases : "");
        bb_cell_text(t, d->source);
    }
    bb_table_foot(t, "%s", "");
    bb_table_foot_wrapped(t, "ROW BYTES come once a row beside the blocks and are not in BITS/WEIGHT.");
    return t;
}

bb_table *bb_report_data(const bb_catalogue *cat, const char *table, const bb_data_filter *filter, bool si) {
    if (!strcmp(table, "formats")) return bb_report_formats(NULL);
    if (!strcmp(table, "dtypes")) return dtypes();
    return from_csv(cat, table, filter, si);
}
