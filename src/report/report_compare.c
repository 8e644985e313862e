/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_compare.c - two model files side by side. */
#include "base/escape.h"
#include "base/units.h"
#include "report/report.h"
#include "report/show.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 96, KEYS_SHOWN = 12, REASONS_SHOWN = 12, VALUE_SHOWN = 40 };

static void columns(bb_table *t) {
    bb_table_column(t, "tensor", "TENSOR", BB_COL_LEFT);
    bb_table_column(t, "type_a", "A", BB_COL_LEFT);
    bb_table_column(t, "type_b", "B", BB_COL_LEFT);
    bb_table_column(t, "equal", "EQUAL", BB_COL_LEFT);
    bb_table_column(t, "rel", "REL", BB_COL_RIGHT);
    bb_table_column(t, "sqnr_db", "SQNR dB", BB_COL_RIGHT);
    bb_table_column(t, "max_abs", "MAX ABS", BB_COL_RIGHT);
    bb_table_column(t, "cosine", "COSINE", BB_COL_DATA_ONLY);
    bb_table_column(t, "note", "", BB_COL_DATA_ONLY);
    bb_table_column(t, "name_b", "", BB_COL_JSON_ONLY);
    bb_table_column(t, "nonfinite", "", BB_COL_DATA_ONLY);
}

static const char *type_of(const bb_compare_side *s) {
    if (!s->n) return "";
    return s->t[0]->type ? s->t[0]->type->name : s->t[0]->type_in_file ? s->t[0]->type_in_file : "";
}

static void cell_type(bb_table *t, const bb_compare_side *s) {
    char safe[NAME];
    if (s->n)
        bb_cell_text(t, bb_escape_buf(type_of(s), safe, sizeof safe));
    else
        bb_cell_text_as(t, "", "-");
}

static const char *equal_word(bb_same same) {
    return same == BB_SAME_BYTES ? "yes" : same == BB_SAME_VALUES ? "values" : "no";
}

static void cell_db(bb_table *t, double v) {
    char buf[BB_SHOW_SIZE];
    bb_cell_f64_as(t, v, isinf(v) ? (v < 0 ? "-inf" : "inf") : bb_show_fixed(v, 1, buf));
}

static void cell_ratio(bb_table *t, double v) {
    char buf[BB_SHOW_SIZE];
    bb_cell_f64_as(t, v, isinf(v) ? "inf" : bb_show_ratio(v, 1, buf));
}

static void row(bb_table *t, const bb_compare_row *r, bool hidden) {
    char name[NAME];
    const bb_compare_side *first = r->a.n ? &r->a : &r->b;
    bb_table_row(t);
    if (hidden) bb_table_row_hidden(t);
    bb_cell_text(t, bb_escape_buf(first->t[0]->name, name, sizeof name));
    cell_type(t, &r->a);
    cell_type(t, &r->b);
    bb_cell_text(t, equal_word(r->same));
    if (r->measured) {
        cell_ratio(t, r->error.rel);
        cell_db(t, r->error.sqnr_db);
        cell_ratio(t, r->error.max_abs);
        bb_cell_f64(t, r->error.cosine);
    } else
        for (int i = 0; i < 4; i++) bb_cell_empty(t);
    bb_cell_text(t, r->note);
    if (r->a.n && r->b.n && strcmp(r->a.t[0]->name, r->b.t[0]->name) != 0)
        bb_cell_text(t, bb_escape_buf(r->b.t[0]->name, name, sizeof name));
    else
        bb_cell_empty(t);
    if (r->measured && r->same != BB_SAME_BYTES)
        bb_cell_u64(t, r->error.nonfinite + r->error.lost); /* in either */
    else
        bb_cell_empty(t);
}

static void side_line(bb_table *t, const char *letter, const bb_model *m, bool si) {
    char size[32];
    bb_table_head(t, "%s  %s: %s, %zu tensor%s, %s", letter, m->title, bb_file_format(m->file), m->file->n_tensors,
                  m->file->n_tensors == 1 ? "" : "s", bb_bytes_text(bb_file_tensor_bytes(m->file), si, size));
}

static void plural(bb_str *s, size_t n, const char *what) {
    if (n) bb_str_addf(s, "%s%zu %s", s->len ? ", " : "", n, what);
}

/* The row that is furthest from its other, by rel; of those beyond all measure one with values that are not finite. */
static const bb_compare_row *worst(const bb_compare_report *r) {
    const bb_compare_row *w = NULL;
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_compare_row *x = &r->rows[i];
        if (!x->measured || x->same != BB_SAME_NO || isnan(x->error.rel)) continue;
        bool more = w && (x->error.rel > w->error.rel || (isinf(x->error.rel) && x->unmatched && !w->unmatched));
        if (!w || more) w = x;
    }
    return w;
}

static void summary(bb_table *t, const bb_compare_report *r) {
    bb_str s;
    char name[NAME], buf[BB_SHOW_SIZE];
    bb_str_init(&s);
    plural(&s, r->same_bytes, "equal");
    plural(&s, r->same_values, "equal in value, of another type or other bytes");
    plural(&s, r->different, r->different == 1 ? "differs" : "differ");
    plural(&s, r->only_a, "only in A");
    plural(&s, r->only_b, "only in B");
    if (!r->n_rows) bb_str_add(&s, "no tensors");
    bb_table_foot(t, "%s", "");
    bb_table_foot_wrapped(t, bb_str_c(&s));
    bb_table_depends(t, &s);
    bb_str_clear(&s);
    const bb_compare_row *w = worst(r);
    if (w)
        bb_table_foot(t, "furthest: %s, rel %s%s%s", bb_escape_buf(w->a.t[0]->name, name, sizeof name),
                      isinf(w->error.rel) ? "inf" : bb_show_ratio(w->error.rel, 1, buf), w->unmatched ? ", " : "",
                      w->unmatched ? w->note : "");
}

/* Rows of one reason together; the first reasons only. */
static void reasons(bb_table *t, const bb_compare_report *r) {
    size_t shown = 0;
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_compare_row *a = &r->rows[i];
        if (!a->note[0] || a->measured) continue;
        size_t n = 0, k = 0;
        while (k < i && (r->rows[k].measured || strcmp(r->rows[k].note, a->note) != 0)) k++;
        if (k < i) continue;
        if (shown++ == REASONS_SHOWN) {
            bb_table_foot(t, "and for further reasons: --csv has all");
            return;
        }
        for (k = i; k < r->n_rows; k++) n += !r->rows[k].measured && strcmp(r->rows[k].note, a->note) == 0;
        char text[256];
        snprintf(text, sizeof text, "not measured, %zu tensor%s: %s", n, n == 1 ? "" : "s", a->note);
        bb_table_foot_wrapped(t, text);
    }
}

/* ---- metadata ---- */

static void value_text(const bb_meta *m, size_t max, bb_str *s) {
    char buf[32];
    if (!m) return;
    switch (m->kind) {
    case BB_META_U64:
        bb_str_add_u64(s, m->v.u64);
        break;
    case BB_META_I64:
        bb_str_addf(s, "%" PRId64, m->v.i64);
        break;
    case BB_META_F64:
        bb_str_add(s, bb_f64_shortest(m->v.f64, buf));
        break;
    case BB_META_BOOL:
        bb_str_add(s, m->v.b ? "true" : "false");
        break;
    case BB_META_TEXT:
        bb_escape(s, m->v.text.data, m->v.text.len, max);
        break;
    case BB_META_ARRAY:
        bb_str_addf(s, "[%" PRIu64 " x %s]", m->v.array.count, m->v.array.element_in_file);
        break;
    }
}

static void key_lines(bb_table *t, const bb_compare_report *r) {
    bb_str s;
    if (!r->keys_compared) return;
    bb_table_foot(t, "%s", "");
    bb_table_foot(t, "metadata: %s%zu key%s", r->n_keys ? "" : "the same, ", r->n_keys ? r->n_keys : r->a->file->n_meta,
                  r->n_keys == 0   ? "s"
                  : r->n_keys == 1 ? " differs"
                                   : "s differ");
    bb_str_init(&s);
    for (size_t i = 0; i < r->n_keys && i < KEYS_SHOWN; i++) {
        const bb_compare_key *k = &r->keys[i];
        const bb_meta *m = k->a ? k->a : k->b;
        bb_str_add(&s, "  ");
        bb_escape(&s, m->key, strlen(m->key), 64);
        bb_str_add(&s, k->a && k->b ? ": " : k->a ? ", only in A: " : ", only in B: ");
        value_text(k->a, VALUE_SHOWN, &s);
        if (k->a && k->b) bb_str_add(&s, " -> ");
        value_text(k->b, VALUE_SHOWN, &s);
        bb_table_foot(t, "%s", bb_str_c(&s));
        bb_table_depends(t, &s);
        bb_str_clear(&s);
    }
    if (r->n_keys > KEYS_SHOWN) bb_table_foot(t, "  and %zu more (--json has all)", r->n_keys - KEYS_SHOWN);
    if (r->by_length)
        bb_table_foot(t, "%zu array%s of text compared by length alone.", r->by_length, r->by_length == 1 ? "" : "s");
}

static void add_value(bb_json *o, const char *key, const bb_meta *m, bb_table *t) {
    bb_str s;
    bb_str_init(&s);
    if (m) {
        value_text(m, 65536, &s);
        bb_json_add_text(o, key, bb_str_c(&s));
    } else
        bb_json_add_null(o, key);
    bb_table_depends(t, &s);
    bb_str_clear(&s);
}

static void side_json(bb_json *root, const char *key, const bb_model *m) {
    bb_json *o = bb_json_add_object(root, key);
    bb_json_add_text(o, "model", m->title);
    bb_json_add_text(o, "format", bb_file_format(m->file));
    bb_json_add_u64(o, "tensors", m->file->n_tensors);
    bb_json_add_u64(o, "tensor_bytes", bb_file_tensor_bytes(m->file));
}

static void json(bb_table *t, const bb_compare_report *r) {
    bb_json *root = bb_table_json(t);
    side_json(root, "a", r->a);
    side_json(root, "b", r->b);
    bb_json_add_bool(root, "same", !r->different && !r->only_a && !r->only_b);
    bb_json_add_u64(root, "equal", r->same_bytes);
    bb_json_add_u64(root, "equal_values", r->same_values);
    bb_json_add_u64(root, "different", r->different);
    bb_json_add_u64(root, "not_measured", r->unmeasured);
    bb_json_add_u64(root, "only_a", r->only_a);
    bb_json_add_u64(root, "only_b", r->only_b);
    if (!r->keys_compared) return;
    bb_json *list = bb_json_add_array(root, "metadata");
    for (size_t i = 0; i < r->n_keys; i++) {
        const bb_meta *m = r->keys[i].a ? r->keys[i].a : r->keys[i].b;
        bb_json *o = bb_json_add_object(list, NULL);
        bb_json_add_text(o, "key", m->key);
        add_value(o, "a", r->keys[i].a, t);
        add_value(o, "b", r->keys[i].b, t);
    }
    bb_json_add_u64(root, "metadata_by_length", r->by_length);
}

bb_table *bb_report_compare(const bb_compare_report *r, bool si, bool quiet) {
    bb_table *t = bb_table_new("bitbudget.compare/1");
    side_line(t, "A", r->a, si);
    side_line(t, "B", r->b, si);
    if (!quiet) bb_table_head(t, "%s", "");
    columns(t);
    for (size_t i = 0; i < r->n_rows; i++) row(t, &r->rows[i], quiet);
    summary(t, r);
    reasons(t, r);
    key_lines(t, r);
    json(t, r);
    return t;
}
