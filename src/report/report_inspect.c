/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_inspect.c - what a model file holds, or what its config.json says. */
#include "base/checked.h"
#include "base/escape.h"
#include "base/units.h"
#include "report/report.h"
#include "report/show.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { META_SHOWN = 60, TYPES_MAX = 64, META_TEXT_JSON = 65536 };

typedef struct type_sum {
    const char *type;
    uint64_t tensors, elements, bytes;
} type_sum;

static const char *type_of(const bb_tensor *t) { return t->type ? t->type->name : t->type_in_file; }

static size_t sum_types(const bb_file *f, type_sum *sums) {
    size_t n = 0;
    for (size_t i = 0; i < f->n_tensors; i++) {
        const bb_tensor *t = &f->tensors[i];
        size_t k = 0;
        while (k < n && strcmp(sums[k].type, type_of(t)) != 0) k++;
        if (k == n && n == TYPES_MAX) continue;
        if (k == n) sums[n++] = (type_sum){.type = type_of(t)};
        sums[k].tensors++;
        sums[k].elements += t->elements;
        sums[k].bytes += t->bytes;
    }
    return n;
}

static void columns(bb_table *t) {
    bb_table_column(t, "tensor", "TENSOR", BB_COL_LEFT);
    bb_table_column(t, "type", "TYPE", BB_COL_LEFT);
    bb_table_column(t, "shape", "SHAPE", BB_COL_LEFT);
    bb_table_column(t, "elements", "ELEMENTS", BB_COL_RIGHT);
    bb_table_column(t, "bytes", "BYTES", BB_COL_RIGHT);
    bb_table_column(t, "offset", "OFFSET", BB_COL_RIGHT);
    bb_table_column(t, "type_in_file", "", BB_COL_JSON_ONLY);
    bb_table_column(t, "file", "", BB_COL_JSON_ONLY);
}

static void cell_escaped(bb_table *t, const char *text) {
    bb_str s;
    bb_str_init(&s);
    bb_escape(&s, text, strlen(text), 0);
    bb_cell_text(t, bb_str_c(&s));
    bb_table_depends(t, &s);
    bb_str_clear(&s);
}

static void file_row(bb_table *t, size_t row, const void *ctx) {
    const bb_model *m = ctx;
    const bb_file *f = m->file;
    const bb_tensor *x = &f->tensors[row];
    bb_str shape;
    bb_str_init(&shape);
    cell_escaped(t, x->name);
    if (f->names_only) {
        for (int i = 0; i < 6; i++) bb_cell_empty(t);
    } else {
        bb_show_shape(x->dims, x->n_dims, &shape);
        cell_escaped(t, type_of(x));
        bb_cell_text(t, bb_str_c(&shape));
        bb_cell_u64(t, x->elements);
        if (x->type || x->bytes)
            bb_cell_u64(t, x->bytes);
        else
            bb_cell_empty(t);
        bb_cell_u64(t, x->offset);
        cell_escaped(t, x->type_in_file);
    }
    bb_cell_text(t, bb_file_part_path(f, x->part));
    bb_table_depends(t, &shape);
    bb_str_clear(&shape);
}

/* Without a file: the tensors that the architecture has, as the checkpoint stores them. */
static void stored_row(bb_table *t, size_t row, const void *ctx) {
    const bb_inspection *in = ctx;
    const bb_stored *x = &in->stored->t[row];
    uint64_t elements = 1;
    bb_str shape;
    bb_str_init(&shape);
    for (uint32_t k = 0; k < x->n_dims; k++) elements *= x->dims[k]; /* checked when the list was made */
    bb_show_shape(x->dims, x->n_dims, &shape);
    bb_cell_text(t, x->name);
    bb_cell_text(t, in->typed ? x->type : "");
    bb_cell_text(t, bb_str_c(&shape));
    bb_cell_u64(t, elements);
    if (in->typed)
        bb_cell_u64(t, x->bytes);
    else
        bb_cell_empty(t);
    for (int i = 0; i < 3; i++) bb_cell_empty(t);
    bb_table_depends(t, &shape);
    bb_str_clear(&shape);
}

/* ---- metadata ---- */

static void meta_value(const bb_meta *m, size_t max, bb_str *out) {
    char buf[32];
    switch (m->kind) {
    case BB_META_U64:
        bb_str_addf(out, "%" PRIu64, m->v.u64);
        break;
    case BB_META_I64:
        bb_str_addf(out, "%" PRId64, m->v.i64);
        break;
    case BB_META_F64:
        bb_str_add(out, bb_f64_shortest(m->v.f64, buf));
        break;
    case BB_META_BOOL:
        bb_str_add(out, m->v.b ? "true" : "false");
        break;
    case BB_META_TEXT:
        bb_escape(out, m->v.text.data, m->v.text.len, max);
        break;
    case BB_META_ARRAY:
        bb_str_addf(out, "[%" PRIu64 " x %s]", m->v.array.count, m->v.array.element_in_file);
        break;
    }
}

static void meta_lines(bb_table *t, const bb_file *f, bool all) {
    if (!f->n_meta) return;
    bb_table_head(t, "%s", "");
    bb_table_head(t, "metadata");
    bb_str value, key;
    bb_str_init(&value);
    bb_str_init(&key);
    for (size_t i = 0; i < f->n_meta; i++) {
        bb_escape(&key, f->meta[i].key, strlen(f->meta[i].key), all ? 0 : META_SHOWN);
        meta_value(&f->meta[i], all ? 0 : META_SHOWN, &value);
        bb_table_head(t, "  %-42s %s", bb_str_c(&key), bb_str_c(&value));
        bb_table_depends(t, &key);
        bb_table_depends(t, &value);
        bb_str_clear(&value);
        bb_str_clear(&key);
    }
}

static void meta_json(bb_table *t, const bb_file *f) {
    bb_json *o = bb_json_add_object(bb_table_json(t), "metadata");
    bb_str key, value;
    bb_str_init(&key);
    bb_str_init(&value);
    for (size_t i = 0; f && i < f->n_meta; i++) {
        const bb_meta *m = &f->meta[i];
        bb_escape(&key, m->key, strlen(m->key), 0);
        const char *k = bb_str_c(&key);
        switch (m->kind) {
        case BB_META_U64:
            bb_json_add_u64(o, k, m->v.u64);
            break;
        case BB_META_I64:
            if (m->v.i64 >= 0)
                bb_json_add_u64(o, k, (uint64_t)m->v.i64);
            else
                bb_json_add_f64(o, k, (double)m->v.i64);
            break;
        case BB_META_F64:
            bb_json_add_f64(o, k, m->v.f64);
            break;
        case BB_META_BOOL:
            bb_json_add_bool(o, k, m->v.b);
            break;
        case BB_META_TEXT:
        case BB_META_ARRAY:
            meta_value(m, META_TEXT_JSON, &value);
            bb_json_add_text(o, k, bb_str_c(&value));
            break;
        }
        bb_table_depends(t, &key);
        bb_table_depends(t, &value);
        bb_str_clear(&key);
        bb_str_clear(&value);
    }
}

/* ---- the head ---- */

static void arch_line(bb_table *t, const bb_arch *a) {
    if (!a) return;
    bb_str s;
    bb_str_init(&s);
    bb_str_addf(&s,
                "%s: %" PRIu64 " layers, hidden %" PRIu64 ", %" PRIu64 " heads, %" PRIu64 " kv heads of %" PRIu64
                ", ffn %" PRIu64 ", vocabulary %" PRIu64,
                a->family, a->layers, a->hidden, a->heads, a->kv_heads, a->head_dim, a->ffn, a->vocab);
    if (a->context) bb_str_addf(&s, ", context %" PRIu64, a->context);
    if (a->experts) bb_str_addf(&s, ", %" PRIu64 " experts, %" PRIu64 " used", a->experts, a->experts_used);
    if (a->tied) bb_str_add(&s, ", tied");
    bb_table_head_wrapped(t, bb_str_c(&s));
    bb_table_depends(t, &s);
    bb_str_clear(&s);
}

static const char *format_name(const bb_model *m) {
    return m->file ? bb_file_format(m->file) : m->kind == BB_MODEL_CONFIG ? "config.json" : "catalogue";
}

/* What the file holds against what the architecture says: each difference with its reason. */
static void difference_lines(bb_table *t, const bb_inspection *in) {
    if (!in->n_differences) return;
    bb_table_head(t, "%s", "");
    bb_table_head(t, "against the architecture");
    for (size_t i = 0; i < in->n_differences; i++) bb_table_head_wrapped(t, in->differences[i].text);
}

static void difference_json(bb_json *root, const bb_inspection *in) {
    bb_json *list = bb_json_add_array(root, "differences");
    for (size_t i = 0; i < in->n_differences; i++) {
        const bb_difference *d = &in->differences[i];
        bb_json *o = bb_json_add_object(list, NULL);
        bb_json_add_text(o, "reason", bb_diff_word(d->reason));
        bb_json_add_u64(o, "tensors", d->tensors);
        bb_json_add_u64(o, "elements", d->elements);
        bb_json_add_u64(o, "bytes", d->bytes);
        bb_json_add_text(o, "example", d->example);
        bb_json_add_text(o, "text", d->text);
    }
}

static void file_lines(bb_table *t, const bb_file *f, bool si) {
    char size[32];
    type_sum sums[TYPES_MAX];
    size_t n = sum_types(f, sums);
    bb_table_head(t, "%zu tensors, %s", f->n_tensors, bb_bytes_text(bb_file_tensor_bytes(f), si, size));
    for (size_t i = 0; i < n; i++)
        bb_table_head(t, "  %-8s %6" PRIu64 " tensors %16" PRIu64 " elements %12s", sums[i].type, sums[i].tensors,
                      sums[i].elements, bb_bytes_text(sums[i].bytes, si, size));
}

static void head(bb_table *t, const bb_inspection *in, uint64_t parameters) {
    const bb_model *m = in->model;
    char count[32], size[32], version[24] = "", parts[48] = "";
    const bb_file *f = m->file;
    if (f && f->version) snprintf(version, sizeof version, " v%" PRIu32, f->version);
    if (f && f->n_parts > 1) snprintf(parts, sizeof parts, ", %zu parts", f->n_parts);
    bb_table_head(t, "%s: %s%s%s", m->title, format_name(m), version, parts);
    arch_line(t, m->arch);
    if (m->quant.method != BB_QUANT_NONE) bb_table_head(t, "quantized: %s", m->quant.label);
    if ((f && !f->names_only) || parameters)
        bb_table_head(t, "%" PRIu64 " parameters (%s)", parameters, bb_count_text(parameters, count));
    else
        bb_table_head(t, "The number of parameters is not known.");
    if (in->active && m->arch && m->arch->experts)
        bb_table_head(t, "%" PRIu64 " active for a token (%s)", in->active, bb_count_text(in->active, count));
    if (f && f->names_only)
        bb_table_head(t, "%zu tensors, known by their names alone", f->n_tensors);
    else if (f)
        file_lines(t, f, in->si);
    else if (in->stored && in->typed)
        bb_table_head(t, "%zu tensors, %s%s", in->stored->n, in->stored->about ? "about " : "",
                      bb_bytes_text(in->stored->bytes, in->si, size));
    difference_lines(t, in);
    if (f) meta_lines(t, f, in->verbose);
}

static void add_or_null(bb_json *root, const char *key, bool known, uint64_t v) {
    if (known)
        bb_json_add_u64(root, key, v);
    else
        bb_json_add_null(root, key);
}

bb_table *bb_report_inspect(const bb_inspection *in, bb_table_form form) {
    const bb_model *m = in->model;
    bb_table *t = bb_table_new("bitbudget.inspect/1");
    bb_json *root = bb_table_json(t);
    bool counted = m->file && !m->file->names_only, listed = m->file || in->stored;
    uint64_t parameters = counted ? m->parameters : in->parameters;
    if (form != BB_TABLE_JSON) head(t, in, parameters);
    bb_json_add_text(root, "format", format_name(m));
    if (m->file && m->file->version) bb_json_add_u64(root, "version", m->file->version);
    if (m->arch)
        bb_json_add_text(root, "architecture", m->arch->family);
    else
        bb_json_add_null(root, "architecture");
    add_or_null(root, "parameters", counted || parameters, parameters);
    if (in->active) bb_json_add_u64(root, "active_parameters", in->active);
    if (m->quant.method != BB_QUANT_NONE) bb_json_add_text(root, "quantization", m->quant.label);
    if (m->file) bb_json_add_u64(root, "parts", m->file->n_parts);
    add_or_null(root, "tensor_count", listed, m->file ? m->file->n_tensors : in->stored ? in->stored->n : 0);
    if (counted)
        bb_json_add_u64(root, "tensor_bytes", bb_file_tensor_bytes(m->file));
    else
        add_or_null(root, "tensor_bytes", in->stored && in->typed, in->stored ? in->stored->bytes : 0);
    if (form == BB_TABLE_JSON) meta_json(t, m->file ? m->file : m->listed);
    if (in->compared) difference_json(root, in);
    columns(t);
    if (!in->quiet) bb_table_head(t, "%s", "");
    if (m->file)
        bb_table_rows_from(t, m->file->n_tensors, in->quiet, file_row, m);
    else if (in->stored)
        bb_table_rows_from(t, in->stored->n, in->quiet, stored_row, in);
    bb_report_origin(t, m);
    if (*m->note) bb_json_add_text(bb_json_add_array(root, "notes"), NULL, m->note);
    return t;
}
