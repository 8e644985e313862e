/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_quantize.c - the tensors of a quantized file: what they became, and what that cost. */
#include "base/units.h"
#include "report/report.h"
#include "report/show.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void ratio(bb_table *t, double v) {
    char buf[BB_SHOW_SIZE];
    bb_cell_f64_as(t, v, isinf(v) ? "inf" : v == 0 ? "0" : bb_show_ratio(v, 2, buf));
}

static bool done(const bb_quantize_row *r) {
    return atomic_load(&((bb_quantize_row *)(uintptr_t)r)->state) == BB_ROW_DONE && r->elements;
}

static void measured(bb_table *t, const bb_quantize_row *r) {
    char buf[BB_SHOW_SIZE];
    if (!done(r)) {
        for (int i = 0; i < 6; i++) bb_cell_empty(t);
        return;
    }
    const bb_error_stats *e = &r->error;
    ratio(t, e->rel);
    bb_cell_f64_as(t, e->sqnr_db,
                   isinf(e->sqnr_db) ? (e->sqnr_db < 0 ? "-inf" : "inf") : bb_show_fixed(e->sqnr_db, 1, buf));
    ratio(t, e->max_abs);
    bb_cell_f64_as(t, e->cosine, bb_show_fixed(e->cosine, 5, buf));
    bb_cell_u64(t, e->nonfinite);
    bb_cell_u64(t, e->n + e->nonfinite + e->lost);
}

static void output(bb_table *t, const bb_quantize_row *r) {
    if (!done(r) || !r->kernel) {
        for (int i = 0; i < 4; i++) bb_cell_empty(t);
        return;
    }
    ratio(t, r->output_rel);
    bb_cell_u64(t, r->output_rows);
    bb_cell_text(t, r->kernel->family->name);
    bb_cell_text(t, bb_level_name(r->kernel->level));
}

static void row(bb_table *t, const bb_quantize_row *r, bool outputs) {
    char buf[BB_SHOW_SIZE];
    double bits = r->elements ? 8.0 * (double)r->bytes / (double)r->elements : (double)NAN;
    bb_str shape;
    bb_str_init(&shape);
    bb_show_shape(r->dims, r->n_dims, &shape);
    bb_table_row(t);
    bb_cell_text(t, r->name);
    bb_cell_text(t, r->from->name);
    bb_cell_text(t, r->to->name);
    bb_cell_u64(t, r->elements);
    bb_cell_f64_as(t, bits, bb_show_fixed(bits, 3, buf));
    measured(t, r);
    if (outputs) output(t, r);
    bb_cell_text(t, bb_str_c(&shape));
    bb_cell_u64(t, r->from_bytes);
    bb_cell_u64(t, r->bytes);
    bb_cell_bool(t, r->fell_back);
    bb_table_depends(t, &shape);
    bb_str_clear(&shape);
}

/* Bytes and tensors of each type, in the order in which they appear. */
static void types(bb_table *t, const bb_quantize_row *const *rows, size_t n, bool si) {
    enum { MOST = 128 }; /* storage types there are */
    struct {
        const bb_dtype *type;
        uint64_t tensors, bytes;
    } of[MOST];
    bb_json *by_type = bb_json_add_object(bb_table_json(t), "types");
    size_t n_types = 0;
    char size[32];
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n_types && of[k].type != rows[i]->to) k++;
        if (k == MOST) continue;
        if (k == n_types) {
            of[k].type = rows[i]->to;
            of[k].tensors = of[k].bytes = 0;
            n_types++;
        }
        of[k].tensors++;
        of[k].bytes += rows[i]->bytes;
    }
    for (size_t k = 0; k < n_types; k++) {
        bb_json_add_u64(by_type, of[k].type->name, of[k].tensors);
        bb_table_foot(t, "%-8s %5" PRIu64 " tensor%s %s", of[k].type->name, of[k].tensors,
                      of[k].tensors == 1 ? " " : "s", bb_bytes_text(of[k].bytes, si, size));
    }
}

static void outputs_summary(bb_table *t, const bb_quantization_report *in) {
    char buf[BB_SHOW_SIZE];
    const bb_quantize_row *worst = NULL;
    for (size_t i = 0; i < in->n; i++)
        if (done(in->rows[i]) && in->rows[i]->kernel && !(worst && worst->output_rel >= in->rows[i]->output_rel) &&
            !isnan(in->rows[i]->output_rel))
            worst = in->rows[i];
    if (worst)
        bb_table_foot(t, "error of outputs, %u activations of N(0,1) through the kernels: worst %s: %s",
                      in->output_tokens, worst->name, bb_show_ratio(worst->output_rel, 2, buf));
    bb_json_add_u64(bb_table_json(t), "tokens", in->output_tokens);
    bb_json_add_u64(bb_table_json(t), "seed", in->seed);
    if (in->dispatch) bb_report_dispatch(t, in->dispatch);
}

static void summary(bb_table *t, const bb_quantize_total *all, const char *which) {
    double mean = bb_quantize_total_rel(all);
    char a[BB_SHOW_SIZE], b[BB_SHOW_SIZE], c[BB_SHOW_SIZE];
    if (!all->worst) return;
    bb_table_foot(t, "relative error of the quantized matrices%s %s (SQNR %s dB), measured; worst %s: %s", which,
                  bb_show_ratio(mean, 2, a), bb_show_fixed(-20 * log10(mean), 1, b), all->worst->name,
                  bb_show_ratio(all->worst->error.rel, 2, c));
    bb_json_add_f64(bb_table_json(t), "weight_rel", mean);
    bb_json_add_text(bb_table_json(t), "worst", all->worst->name);
}

static void columns(bb_table *t, bool outputs) {
    bb_table_column(t, "tensor", "TENSOR", BB_COL_LEFT);
    bb_table_column(t, "from", "FROM", BB_COL_LEFT);
    bb_table_column(t, "to", "TO", BB_COL_LEFT);
    bb_table_column(t, "elements", "ELEMENTS", BB_COL_DATA_ONLY);
    bb_table_column(t, "bits_per_weight", "BITS", BB_COL_RIGHT);
    bb_table_column(t, "weight_rel", "REL ERR", BB_COL_RIGHT);
    bb_table_column(t, "sqnr_db", "SQNR dB", BB_COL_RIGHT);
    bb_table_column(t, "max_abs", "MAX ABS", BB_COL_RIGHT);
    bb_table_column(t, "cosine", "COSINE", BB_COL_RIGHT);
    bb_table_column(t, "nonfinite", "NONFINITE", BB_COL_DATA_ONLY);
    bb_table_column(t, "measured", "", BB_COL_DATA_ONLY);
    if (outputs) {
        bb_table_column(t, "output_rel", "OUTPUT", BB_COL_RIGHT);
        bb_table_column(t, "output_rows", "", BB_COL_JSON_ONLY);
        bb_table_column(t, "kernel", "", BB_COL_JSON_ONLY);
        bb_table_column(t, "isa", "", BB_COL_JSON_ONLY);
    }
    bb_table_column(t, "shape", "SHAPE", BB_COL_JSON_ONLY);
    bb_table_column(t, "from_bytes", "", BB_COL_JSON_ONLY);
    bb_table_column(t, "bytes", "", BB_COL_JSON_ONLY);
    bb_table_column(t, "fallback", "", BB_COL_JSON_ONLY);
}

bb_table *bb_report_quantize(const bb_quantization_report *in) {
    bb_table *t = bb_table_new("bitbudget.quantize/1");
    columns(t, in->output_tokens > 0);
    bb_quantize_total all = {0};
    for (size_t i = 0; i < in->n; i++) {
        row(t, in->rows[i], in->output_tokens > 0);
        if (in->quiet) bb_table_row_hidden(t);
        bb_quantize_total_add(&all, in->rows[i]);
    }
    char a[32], b[32], c[32], d[BB_SHOW_SIZE];
    double bits = all.elements ? 8.0 * (double)all.bytes / (double)all.elements : (double)NAN;
    if (!in->quiet) bb_table_foot(t, "%s", "");
    bb_table_foot(t, "%s  %s -> %s of tensors%s%s%s", in->title, bb_bytes_text(all.from_bytes, in->si, a),
                  bb_bytes_text(all.bytes, in->si, b), all.elements ? ", " : "", bb_show_fixed(bits, 3, d),
                  all.elements ? " bits per weight" : "");
    bb_str what;
    bb_str_init(&what);
    if (in->files > 1) bb_str_addf(&what, "%zu files", in->files);
    bb_table_foot(t, "%s %s (%" PRIu64 " bytes)%s",
                  in->folder      ? "folder"
                  : in->files > 1 ? bb_str_c(&what)
                                  : "file",
                  bb_bytes_text(in->file_bytes, in->si, c), in->file_bytes, in->dry ? ": nothing was written" : "");
    bb_str_clear(&what);
    if (in->weighted)
        bb_table_foot(t, "errors are those of the weights themselves; importance decided what was minimized");
    if (in->parts && !in->written)
        bb_table_foot(t, "part %u of %u is written; the file appears with the last of them", in->part, in->parts);
    types(t, in->rows, in->n, in->si);
    if (!in->dry) summary(t, &all, in->parts ? " of this part" : "");
    if (in->output_tokens) outputs_summary(t, in);
    bb_json *root = bb_table_json(t);
    bb_json_add_text(root, "type", in->title);
    bb_json_add_u64(root, "parameters", all.elements);
    bb_json_add_u64(root, "from_bytes", all.from_bytes);
    bb_json_add_u64(root, "tensor_bytes", all.bytes);
    bb_json_add_u64(root, "file_bytes", in->file_bytes);
    bb_json_add_u64(root, "files", in->files);
    bb_json_add_f64(root, "bits_per_weight", bits);
    bb_json_add_bool(root, "written", in->written);
    if (in->parts) {
        bb_json_add_u64(root, "part", in->part);
        bb_json_add_u64(root, "parts", in->parts);
    }
    return t;
}
