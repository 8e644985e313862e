/* SPDX-License-Identifier: GPL-3.0-or-later */
/* catalogue.c - reading the tables of models, cards and overheads: shipped text first, then the user's rows. */
#include "model/catalogue.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/sink.h"
#include "base/str.h"
#include "base/units.h"
#include "model/arch_fields.h"
#include "model/flavour.h"
#include "model/name_find.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The files of data/, made into objects by the Makefile. */
extern const unsigned char bb_data_models[], bb_data_gpus[], bb_data_overheads[];
extern const size_t bb_data_models_size, bb_data_gpus_size, bb_data_overheads_size;

/* Share of a driver's total that a program can get where no better figure is known (design.md, Rulings). */
static const double usable_share = 0.985;
static const double gib = 1073741824.0, mib = 1048576.0;

typedef struct model_row {
    bb_arch arch; /* first: its name is the row's */
    uint64_t params;
} model_row;

struct bb_catalogue {
    model_row *models;
    size_t n_models;
    bb_gpu *gpus;
    size_t n_gpus;
    bb_overhead *overheads;
    size_t n_overheads;
    bb_csv *models_csv, *gpus_csv, *overheads_csv; /* the user's table where there is one */
    bool own_models, own_gpus;                     /* it is the user's */
    bool keeps;                                    /* rows, not tables alone */
};

/* The columns that reading a row asked for, in that order: each row asks for the same ones. */
enum { ASKED = 64 };
typedef struct row_columns {
    const char *name[ASKED]; /* constants: the same address is the same name */
    size_t column[ASKED];
    size_t at; /* the next question of this row */
} row_columns;

/* One table while it is read; name is escaped. */
typedef struct table {
    const bb_csv *csv;
    row_columns *asked; /* NULL: one row alone is read */
    char name[192];
    bool shipped; /* only here may a required number be empty: nobody published it */
    bb_error *err;
} table;

static size_t find_column(const table *t, const char *name) {
    row_columns *a = t->asked;
    if (!a || a->at == ASKED) return bb_csv_column(t->csv, name);
    size_t i = a->at++;
    if (a->name[i] != name) {
        a->name[i] = name;
        a->column[i] = bb_csv_column(t->csv, name);
    }
    return a->column[i];
}

static bb_status column(const table *t, const char *name, bool required, size_t *col) {
    *col = find_column(t, name);
    if (required && *col == SIZE_MAX)
        return bb_fail(t->err, BB_E_INVALID, "%s: the column '%s' is missing", t->name, name);
    return BB_OK;
}

static bb_status cell_error(const table *t, size_t row, const char *col, const char *what) {
    return bb_fail(t->err, BB_E_INVALID, "%s: line %zu: %s %s", t->name, bb_csv_line(t->csv, row), col, what);
}

static bb_status read_text(const table *t, size_t row, const char *name, bool required, char *out, size_t size) {
    size_t col;
    bb_status st = column(t, name, required, &col);
    if (st) return st;
    const char *text = bb_csv_cell(t->csv, row, col);
    if (required && !*text) return cell_error(t, row, name, "is empty");
    bb_escape_field(text, out, size);
    return BB_OK;
}

typedef enum presence {
    OPTIONAL,
    REQUIRED,
    PUBLISHED
} presence; /* PUBLISHED: required, may be empty in a shipped table */

/* A number above 0; *v stays where the cell is empty. */
static bb_status read_f64(const table *t, size_t row, const char *name, presence need, double *v) {
    size_t col;
    bool empty = true;
    double x = 0;
    bb_status st = column(t, name, need != OPTIONAL, &col);
    if (st || col == SIZE_MAX) return st;
    st = bb_csv_get_f64(t->csv, row, col, &x, &empty, t->err);
    if (st) return st;
    if (empty)
        return need == REQUIRED || (need == PUBLISHED && !t->shipped) ? cell_error(t, row, name, "is empty") : st;
    if (!(x > 0)) return cell_error(t, row, name, "is not above 0");
    *v = x;
    return BB_OK;
}

static bb_status read_u64(const table *t, size_t row, const char *name, presence need, uint64_t *v, bool *empty) {
    size_t col;
    *empty = true;
    bb_status st = column(t, name, need != OPTIONAL, &col);
    if (st || col == SIZE_MAX) return st;
    st = bb_csv_get_u64(t->csv, row, col, v, empty, t->err);
    if (st) return st;
    return *empty && need != OPTIONAL ? cell_error(t, row, name, "is empty") : BB_OK;
}

static bb_status read_flag(const table *t, size_t row, const char *name, bool *flag) {
    uint64_t v = 0;
    bool empty;
    bb_status st = read_u64(t, row, name, OPTIONAL, &v, &empty);
    if (st) return st;
    if (v > 1) return cell_error(t, row, name, "is neither 0 nor 1");
    *flag = v == 1;
    return BB_OK;
}

static bb_status read_status(const table *t, size_t row, const char *name, bb_evidence *status) {
    static const char *const words[] = {
        [BB_EXACT] = "exact", [BB_MODELLED] = "modelled", [BB_ASSUMED] = "assumed", [BB_MEASURED] = "measured"};
    char text[16];
    bb_status st = read_text(t, row, name, false, text, sizeof text);
    if (st || !*text) return st;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (bb_name_eq(text, words[i])) {
            *status = (bb_evidence)i;
            return BB_OK;
        }
    return cell_error(t, row, name, "is none of exact, modelled, assumed, measured");
}

static bb_status read_model(const table *t, size_t row, void *out) {
    model_row *r = out;
    bb_arch *a = &r->arch;
    uint64_t v = 0;
    bool empty;
    char family[24], type[32] = "", where[256];
    bb_status st = read_text(t, row, "name", true, a->name, sizeof a->name);
    if (!st) st = read_text(t, row, "hub", false, a->hub, sizeof a->hub);
    if (!st) st = read_text(t, row, "arch", false, family, sizeof family);
    if (!st) st = read_text(t, row, "hf_type", false, type, sizeof type);
    if (!st) st = read_text(t, row, "dtype", false, a->dtype, sizeof a->dtype);
    if (!st) st = read_text(t, row, "layout", false, a->layout, sizeof a->layout);
    if (!st) st = read_u64(t, row, "params", REQUIRED, &r->params, &empty);
    if (st) return st;
    if (!r->params) return cell_error(t, row, "params", "is 0");
    if (*a->layout && bb_flavour_find(a->layout, &(bb_flavour){0}, NULL))
        return cell_error(t, row, "layout", "is no layout of a checkpoint");
    /* such a MODEL is a count, so that the row could never be asked for */
    if (bb_looks_like_count(a->name)) return cell_error(t, row, "name", "reads as a count of parameters");
    bb_arch_set_family(a, *family ? family : "llama");
    if (*type) memcpy(a->hf_type, type, sizeof type);
    a->mla_split = true;
    snprintf(where, sizeof where, "%s: line %zu", t->name, bb_csv_line(t->csv, row));
    for (bb_arch_field f = 0; f < BB_ARCH_FIELDS; f++) {
        /* An empty head_dim is hidden / heads. */
        bool required = bb_arch_field_required(f) && f != BB_ARCH_HEAD_DIM;
        st = read_u64(t, row, bb_arch_field_name(f), required ? REQUIRED : OPTIONAL, &v, &empty);
        if (!st && !empty) st = bb_arch_set(a, f, v, where, bb_arch_field_name(f), t->err);
        if (st) return st;
    }
    for (bb_arch_flag f = 0; f < BB_ARCH_FLAGS && !st; f++)
        st = read_flag(t, row, bb_arch_flag_name(f), bb_arch_flag_at(a, f));
    if (st) return st;
    bb_arch_complete(a);
    return bb_arch_check_numbers(a, where, t->err);
}

/* Where no program's view of a card is known: a share of what the driver shows, else of the marketed size, which is
 * read as 10^9 bytes a GB unless the row says GiB. (Of the cards whose driver's total was seen none shows less than
 * that; the GDDR cards for one user show at least 0.99 of as many GiB.) */
static void assume_memory(bb_gpu *g, bool in_gib) {
    double bytes = 0;
    if (g->driver_mib > 0)
        bytes = g->driver_mib * mib;
    else if (g->marketed_gb > 0)
        bytes = g->marketed_gb * (in_gib ? gib : 1e9);
    if (bytes <= 0) return;
    g->usable_bytes = (uint64_t)(usable_share * bytes);
    g->usable_status = BB_ASSUMED;
}

static bb_status read_gpu(const table *t, size_t row, void *out) {
    bb_gpu *g = out;
    double memory_gib = 0;
    char unit[8];
    g->usable_status = BB_ASSUMED;
    bb_status st = read_text(t, row, "name", true, g->name, sizeof g->name);
    if (!st) st = read_text(t, row, "vendor", false, g->vendor, sizeof g->vendor);
    if (!st) st = read_text(t, row, "source", false, g->source, sizeof g->source);
    if (!st) st = read_text(t, row, "marketed_unit", false, unit, sizeof unit);
    if (!st) st = read_status(t, row, "memory_status", &g->usable_status);
    if (!st) st = read_f64(t, row, "memory_gib", PUBLISHED, &memory_gib);
    if (!st) st = read_f64(t, row, "bandwidth_gbs", PUBLISHED, &g->bandwidth_gbs);
    if (!st) st = read_f64(t, row, "fp16_tflops", PUBLISHED, &g->fp16_tflops);
    if (!st) st = read_f64(t, row, "int8_tops", PUBLISHED, &g->int8_tops);
    if (!st) st = read_f64(t, row, "marketed_gb", OPTIONAL, &g->marketed_gb);
    if (!st) st = read_f64(t, row, "driver_mib", OPTIONAL, &g->driver_mib);
    if (st) return st;
    /* A million GiB is far above any card and keeps every product in 64 bits. */
    if (memory_gib > 1e6) return cell_error(t, row, "memory_gib", "is above 1000000");
    if (g->driver_mib > 1e9) return cell_error(t, row, "driver_mib", "is above 1000000000");
    if (g->marketed_gb > 1e6) return cell_error(t, row, "marketed_gb", "is above 1000000");
    if (memory_gib > 0)
        g->usable_bytes = (uint64_t)(memory_gib * gib);
    else
        assume_memory(g, bb_name_eq(unit, "GiB"));
    return BB_OK;
}

static bb_status read_overhead(const table *t, size_t row, void *out) {
    bb_overhead *o = out;
    bool empty;
    o->status = BB_ASSUMED;
    bb_status st = read_text(t, row, "name", true, o->name, sizeof o->name);
    if (!st) st = read_text(t, row, "engine", true, o->engine, sizeof o->engine);
    if (!st) st = read_text(t, row, "part", true, o->part, sizeof o->part);
    if (!st) st = read_u64(t, row, "low_bytes", REQUIRED, &o->low_bytes, &empty);
    if (!st) st = read_u64(t, row, "typical_bytes", REQUIRED, &o->typical_bytes, &empty);
    if (!st) st = read_u64(t, row, "high_bytes", REQUIRED, &o->high_bytes, &empty);
    if (!st) st = read_status(t, row, "status", &o->status);
    if (!st) st = read_text(t, row, "source", false, o->source, sizeof o->source);
    if (!st) st = read_text(t, row, "card", false, o->card, sizeof o->card);
    if (!st) st = read_u64(t, row, "logs", OPTIONAL, &o->logs, &empty);
    if (st) return st;
    if (o->low_bytes > o->typical_bytes || o->typical_bytes > o->high_bytes)
        return cell_error(t, row, "low_bytes, typical_bytes, high_bytes", "are not in ascending order");
    return BB_OK;
}

/* A kind of table; the name is the first member of each of its rows. */
typedef struct kind {
    const char *name, *key, *const *columns; /* required, NULL-terminated */
    size_t size;
    bb_status (*read)(const table *t, size_t row, void *out);
} kind;

static const char *const model_columns[] = {"name",     "params", "layers", "hidden", "heads",
                                            "kv_heads", "ffn",    "vocab",  NULL};
static const char *const gpu_columns[] = {"name", "memory_gib", "bandwidth_gbs", "fp16_tflops", "int8_tops", NULL};
static const char *const overhead_columns[] = {"name",          "engine",     "part", "low_bytes",
                                               "typical_bytes", "high_bytes", NULL};
static const kind models_kind = {"models", "name", model_columns, sizeof(model_row), read_model};
static const kind gpus_kind = {"gpus", "name", gpu_columns, sizeof(bb_gpu), read_gpu};
static const kind overheads_kind = {"overheads", "name", overhead_columns, sizeof(bb_overhead), read_overhead};

typedef struct named {
    const char *name;
    size_t row;
} named;

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static int by_name(const void *a, const void *b) {
    const named *x = a, *y = b;
    const char *p = x->name, *q = y->name;
    if (!p || !q) return (p != NULL) - (q != NULL);
    while (*p && lower(*p) == lower(*q)) p++, q++;
    int d = (unsigned char)lower(*p) - (unsigned char)lower(*q);
    return d ? d : x->row < y->row ? -1 : x->row > y->row;
}

/* The names of a table in order, so that twins stand side by side and a name is found by bisection. */
static bb_status sort_names(const table *t, const char *key, named **sorted) {
    size_t n = bb_csv_rows(t->csv), col = bb_csv_column(t->csv, key);
    named *list = bb_alloc(n + 1, sizeof *list);
    if (!list) return bb_fail(t->err, BB_E_NOMEM, "%s: no memory for %zu rows", t->name, n);
    for (size_t i = 0; i < n; i++) list[i] = (named){bb_csv_cell(t->csv, i, col), i};
    qsort(list, n, sizeof *list, by_name);
    for (size_t i = 1; i < n; i++)
        if (bb_name_eq(list[i - 1].name, list[i].name)) {
            char shown[96];
            bb_escape_buf(list[i].name, shown, sizeof shown);
            bb_status st =
                bb_fail(t->err, BB_E_INVALID, "%s: line %zu: the name '%s' stands on line %zu already", t->name,
                        bb_csv_line(t->csv, list[i].row), shown, bb_csv_line(t->csv, list[i - 1].row));
            free(list);
            return st;
        }
    *sorted = list;
    return BB_OK;
}

/* What a table has to hold: its columns, names that are no twins. */
static bb_status check_table(const table *t, const kind *k, named **sorted) {
    size_t col;
    for (const char *const *c = k->columns; *c; c++) {
        bb_status st = column(t, *c, true, &col);
        if (st) return st;
    }
    return sort_names(t, k->key, sorted);
}

static bb_status read_row(const table *t, const kind *k, size_t row, void *out) {
    memset(out, 0, k->size);
    t->asked->at = 0;
    return k->read(t, row, out);
}

/* Reads every row and keeps none. */
static bb_status check_rows(const table *t, const kind *k) {
    named *sorted = NULL;
    bb_status st = check_table(t, k, &sorted);
    free(sorted);
    if (st) return st;
    void *one = bb_alloc(1, k->size);
    if (!one) return bb_fail(t->err, BB_E_NOMEM, "%s: no memory for a row", t->name);
    for (size_t i = 0; !st && i < bb_csv_rows(t->csv); i++) st = read_row(t, k, i, one);
    free(one);
    return st;
}

/* Appends the rows of a table to *rows ([*n] of kind->size bytes); a row whose name stands there replaces it. */
static bb_status add_rows(const table *t, const kind *k, void **rows, size_t *n) {
    named *sorted = NULL;
    size_t add = bb_csv_rows(t->csv), old = *n;
    bb_status st = check_table(t, k, &sorted);
    if (st) return st;
    char *list = bb_alloc(old + add + 1, k->size);
    if (!list) st = bb_fail(t->err, BB_E_NOMEM, "%s: no memory for %zu rows", t->name, add);
    size_t kept = 0;
    for (size_t i = 0; !st && *rows && i < old; i++) {
        const char *row = (const char *)*rows + i * k->size;
        named key = {row, 0};
        /* Rows compare by name, then number: the first name that is not below (row, 0) is it, if it is there. */
        size_t lo = 0, hi = add;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (by_name(&sorted[mid], &key) < 0)
                lo = mid + 1;
            else
                hi = mid;
        }
        if (lo < add && bb_name_eq(sorted[lo].name, row)) continue;
        memcpy(list + kept++ * k->size, row, k->size);
    }
    for (size_t i = 0; !st && i < add; i++) st = read_row(t, k, i, list + kept++ * k->size);
    free(sorted);
    if (st) {
        free(list);
        return st;
    }
    free(*rows);
    *rows = list;
    *n = kept;
    return BB_OK;
}

/* Parses a table, adds its rows (rows NULL: checks them) and leaves it in *csv in place of the one before. */
static bb_status load(const kind *k, const char *text, size_t size, const char *path, void **rows, size_t *n,
                      bb_csv **csv, bb_error *err) {
    row_columns asked = {.at = 0};
    table t = {.asked = &asked, .shipped = path == NULL, .err = err};
    bb_csv *parsed = NULL;
    if (path)
        bb_escape_field(path, t.name, sizeof t.name);
    else
        snprintf(t.name, sizeof t.name, "data/%s.csv", k->name);
    bb_status st = bb_csv_parse(text, size, path ? path : t.name, &bb_csv_default_limits, &parsed, err);
    if (st) return st;
    t.csv = parsed;
    st = rows ? add_rows(&t, k, rows, n) : check_rows(&t, k);
    if (st) {
        bb_csv_free(parsed);
        return st;
    }
    bb_csv_free(*csv);
    *csv = parsed;
    return BB_OK;
}

static bb_status load_file(const kind *k, const char *path, void **rows, size_t *n, bb_csv **csv, bb_error *err) {
    char *text = NULL;
    size_t size = 0;
    if (!path) return BB_OK;
    bb_status st = bb_source_slurp(path, bb_csv_default_limits.max_bytes, &text, &size, err);
    if (!st) st = load(k, text, size, path, rows, n, csv, err);
    free(text);
    return st;
}

static bb_status open_catalogue(const char *models_path, const char *gpus_path, bool keep, bb_catalogue **cat,
                                bb_error *err) {
    bb_catalogue *c = bb_alloc(1, sizeof *c);
    void *models = NULL, *gpus = NULL, *overheads = NULL;
    void **to_models = keep ? &models : NULL, **to_gpus = keep ? &gpus : NULL,
         **to_overheads = keep ? &overheads : NULL;
    if (!c) return bb_fail(err, BB_E_NOMEM, "no memory for the catalogue");
    bb_status st = load(&models_kind, (const char *)bb_data_models, bb_data_models_size, NULL, to_models, &c->n_models,
                        &c->models_csv, err);
    if (!st)
        st = load(&gpus_kind, (const char *)bb_data_gpus, bb_data_gpus_size, NULL, to_gpus, &c->n_gpus, &c->gpus_csv,
                  err);
    if (!st)
        st = load(&overheads_kind, (const char *)bb_data_overheads, bb_data_overheads_size, NULL, to_overheads,
                  &c->n_overheads, &c->overheads_csv, err);
    if (!st) st = load_file(&models_kind, models_path, to_models, &c->n_models, &c->models_csv, err);
    if (!st) st = load_file(&gpus_kind, gpus_path, to_gpus, &c->n_gpus, &c->gpus_csv, err);
    c->keeps = keep;
    c->own_models = models_path != NULL;
    c->own_gpus = gpus_path != NULL;
    c->models = models;
    c->gpus = gpus;
    c->overheads = overheads;
    if (st)
        bb_catalogue_free(c);
    else
        *cat = c;
    return st;
}

bb_status bb_catalogue_load(const char *models_path, const char *gpus_path, bb_catalogue **cat, bb_error *err) {
    return open_catalogue(models_path, gpus_path, true, cat, err);
}

bb_status bb_catalogue_tables(const char *models_path, const char *gpus_path, bb_catalogue **cat, bb_error *err) {
    return open_catalogue(models_path, gpus_path, false, cat, err);
}

/* ---- overheads of this machine ---- */

/* Whether a row of `own` stands for a shipped one: that of the same part, or the one that measured all parts. */
static bool replaced(const bb_csv *own, const bb_csv *shipped, size_t row) {
    size_t engine = bb_csv_column(own, "engine"), part = bb_csv_column(own, "part"), card = bb_csv_column(own, "card");
    const char *its_engine = bb_csv_cell(shipped, row, bb_csv_column(shipped, "engine"));
    const char *its_part = bb_csv_cell(shipped, row, bb_csv_column(shipped, "part"));
    for (size_t i = 0; i < bb_csv_rows(own); i++) {
        const char *p = bb_csv_cell(own, i, part);
        if (*bb_csv_cell(own, i, card) || !bb_name_eq(bb_csv_cell(own, i, engine), its_engine)) continue;
        if (bb_name_eq(p, its_part) || bb_name_eq(p, BB_OVERHEAD_MEASURED)) return true;
    }
    return false;
}

/* A row of `from`, or its names where row is SIZE_MAX, under the columns of `first` and those that only `then` has. */
static void add_text_row(bb_str *out, const bb_csv *from, size_t row, const bb_csv *first, const bb_csv *then) {
    size_t n = bb_csv_columns(first);
    for (size_t c = 0; c < n + bb_csv_columns(then); c++) {
        const char *name = c < n ? bb_csv_name(first, c) : bb_csv_name(then, c - n);
        if (c >= n && bb_csv_column(first, name) != SIZE_MAX) continue;
        bb_str_add(out, c ? "," : "");
        bb_csv_text(out, row == SIZE_MAX ? name : bb_csv_cell(from, row, bb_csv_column(from, name)));
    }
    bb_str_add(out, "\n");
}

/* The shipped rows that nothing stands for, then those of `own`. */
static void merge_overheads(const bb_csv *shipped, const bb_csv *own, bb_str *out) {
    add_text_row(out, shipped, SIZE_MAX, shipped, own);
    for (size_t i = 0; i < bb_csv_rows(shipped); i++)
        if (!replaced(own, shipped, i)) add_text_row(out, shipped, i, shipped, own);
    for (size_t i = 0; i < bb_csv_rows(own); i++) add_text_row(out, own, i, shipped, own);
}

bb_status bb_catalogue_add_overheads(bb_catalogue *cat, const char *path, bb_error *err) {
    bb_csv *own = NULL;
    size_t none = 0;
    bb_error why = {0};
    bb_status st = load_file(&overheads_kind, path, NULL, &none, &own, &why);
    if (st == BB_E_OPEN && bb_sink_probe(path, false, NULL) == BB_OK) return BB_OK; /* there is none */
    if (st) {
        if (err) *err = why;
        return st;
    }
    bb_str text;
    bb_str_init(&text);
    if (own) merge_overheads(cat->overheads_csv, own, &text);
    bb_csv_free(own);
    void *rows = NULL;
    size_t n = 0;
    if (text.failed) st = bb_fail(err, BB_E_NOMEM, "no memory for the overheads");
    if (!st && text.len)
        st = load(&overheads_kind, bb_str_c(&text), text.len, NULL, cat->keeps ? &rows : NULL, &n, &cat->overheads_csv,
                  err);
    if (!st && text.len && cat->keeps) {
        free(cat->overheads);
        cat->overheads = rows;
        cat->n_overheads = n;
    }
    bb_str_clear(&text);
    return st;
}

void bb_catalogue_free(bb_catalogue *cat) {
    if (!cat) return;
    free(cat->models);
    free(cat->gpus);
    free(cat->overheads);
    bb_csv_free(cat->models_csv);
    bb_csv_free(cat->gpus_csv);
    bb_csv_free(cat->overheads_csv);
    free(cat);
}

size_t bb_catalogue_models(const bb_catalogue *cat) { return cat->n_models; }
const bb_arch *bb_catalogue_model(const bb_catalogue *cat, size_t i) {
    return i < cat->n_models ? &cat->models[i].arch : NULL;
}
uint64_t bb_catalogue_params(const bb_catalogue *cat, const char *name) {
    for (size_t i = 0; i < cat->n_models; i++)
        if (bb_name_eq(cat->models[i].arch.name, name)) return cat->models[i].params;
    return 0;
}
size_t bb_catalogue_gpus(const bb_catalogue *cat) { return cat->n_gpus; }
const bb_gpu *bb_catalogue_gpu(const bb_catalogue *cat, size_t i) { return i < cat->n_gpus ? &cat->gpus[i] : NULL; }
/* " 10GB", " 80GB SXM": what a catalogue adds to a driver's name of a card. */
static bool is_size(const char *text) {
    size_t digits = *text == ' ' ? strspn(text + 1, "0123456789") : 0;
    return digits && strncmp(text + 1 + digits, "GB", 2) == 0;
}

bool bb_overhead_is_of(const bb_overhead *o, const char *card) {
    char part[sizeof o->card];
    size_t n = strlen(o->card), all = strlen(card);
    for (size_t i = 0; n && i + n <= all; i++) {
        const char *rest = card + i + n;
        if ((i && card[i - 1] != ' ') || (*rest && !is_size(rest))) continue;
        (void)snprintf(part, sizeof part, "%.*s", (int)n, card + i);
        if (bb_name_eq(part, o->card)) return true;
    }
    return false;
}

size_t bb_catalogue_overheads(const bb_catalogue *cat) { return cat->n_overheads; }
const bb_overhead *bb_catalogue_overhead(const bb_catalogue *cat, size_t i) {
    return i < cat->n_overheads ? &cat->overheads[i] : NULL;
}

const bb_csv *bb_catalogue_csv(const bb_catalogue *cat, const char *name) {
    if (strcmp(name, "models") == 0) return cat->models_csv;
    if (strcmp(name, "gpus") == 0) return cat->gpus_csv;
    return strcmp(name, "overheads") == 0 ? cat->overheads_csv : NULL;
}

bb_status bb_catalogue_row_model(const bb_catalogue *cat, size_t row, bb_arch *model) {
    table t = {.csv = cat->models_csv, .name = "models", .shipped = !cat->own_models};
    model_row r = {.params = 0};
    bb_status st = row < bb_csv_rows(t.csv) ? read_model(&t, row, &r) : BB_E_ARG;
    *model = r.arch;
    return st;
}

bb_status bb_catalogue_row_gpu(const bb_catalogue *cat, size_t row, bb_gpu *gpu) {
    table t = {.csv = cat->gpus_csv, .name = "gpus", .shipped = !cat->own_gpus};
    *gpu = (bb_gpu){0};
    return row < bb_csv_rows(t.csv) ? read_gpu(&t, row, gpu) : BB_E_ARG;
}

static const char *model_name(const void *ctx, size_t i) {
    const bb_catalogue *c = ctx;
    return i < c->n_models ? c->models[i].arch.name : NULL;
}

static const char *model_hub(const void *ctx, size_t i) {
    const bb_catalogue *c = ctx;
    return i < c->n_models ? c->models[i].arch.hub : NULL;
}

static const char *gpu_name(const void *ctx, size_t i) {
    const bb_catalogue *c = ctx;
    return i < c->n_gpus ? c->gpus[i].name : NULL;
}

const bb_gpu *bb_gpu_find(const bb_catalogue *cat, const char *name, bb_error *err) {
    size_t i = bb_name_find(name, gpu_name, cat, "GPU", err);
    return bb_catalogue_gpu(cat, i);
}

const bb_arch *bb_catalogue_find(const bb_catalogue *cat, const char *name, bb_error *err) {
    bool hub = strchr(name, '/') != NULL;
    size_t i = bb_name_find(name, hub ? model_hub : model_name, cat, "model", err);
    return bb_catalogue_model(cat, i);
}

bb_status bb_arch_find(const char *name, bb_arch **arch, bb_error *err) {
    bb_catalogue *cat = NULL;
    bb_status st = bb_catalogue_load(NULL, NULL, &cat, err);
    if (st) return st;
    const bb_arch *found = bb_catalogue_find(cat, name, err);
    bb_arch *copy = found ? bb_alloc(1, sizeof *copy) : NULL;
    if (copy) {
        *copy = *found;
        *arch = copy;
    } else
        st = found ? bb_fail(err, BB_E_NOMEM, "no memory for an architecture") : BB_E_NAME;
    bb_catalogue_free(cat);
    return st;
}
