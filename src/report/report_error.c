/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_error.c - measured quantization error: its parts, their bounds, and which tensors lose most. */
#include "base/escape.h"
#include "kernel/kernel.h"
#include "report/report.h"
#include "report/show.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void cell_ratio(bb_table *t, double v) {
    char buf[BB_SHOW_SIZE];
    bb_cell_f64_as(t, v, isinf(v) ? (v < 0 ? "-inf" : "inf") : bb_show_ratio(v, 1, buf));
}

/* A number of a row that was measured, else an empty cell. */
static void cell_if(bb_table *t, bool measured, double v) {
    if (measured)
        cell_ratio(t, v);
    else
        bb_cell_empty(t);
}

static void count_if(bb_table *t, bool measured, uint64_t v) {
    if (measured)
        bb_cell_u64(t, v);
    else
        bb_cell_empty(t);
}

/* ---- columns ---- */

/* Those of the contract; then more, in the order in which they came to be. ranked: people see the ranking. */
static void error_columns(bb_table *t, bool ranked) {
    const unsigned data = BB_COL_DATA_ONLY, parts = ranked ? data : BB_COL_RIGHT, rank = ranked ? BB_COL_RIGHT : data;
    const struct {
        const char *key, *heading;
        unsigned flags;
    } columns[] = {
        {"tensor", "TENSOR", BB_COL_LEFT},
        {"rows", "ROWS", data},
        {"cols", "COLS", data},
        {"type", "TYPE", BB_COL_LEFT},
        {"bits_per_weight", "BITS", BB_COL_RIGHT},
        {"weight_rel", "WEIGHT", parts},
        {"sqnr_db", "SQNR dB", data},
        {"max_abs", "MAX ABS", data},
        {"cosine", "COSINE", data},
        {"output_rel", "OUTPUT", BB_COL_RIGHT},
        {"output_rel_weights", "=WEIGHT", parts},
        {"output_rel_activations", "+ACTIV", parts},
        {"output_rel_accumulation", "+ACCUM", parts},
        {"cross", "CROSS", data},
        {"rows_checked", "CHECKED", data},
        {"bound", "BOUND", data},
        {"kernel", "KERNEL", data},
        {"isa", "ISA", data},
        {"ns", "NS", data},
        {"skipped", "", data},
        {"output_max_abs", "", data},
        {"output_cosine", "", data},
        {"weights_max_abs", "", data},
        {"weights_cosine", "", data},
        {"activations_max_abs", "", data},
        {"activations_cosine", "", data},
        {"accumulation_max_abs", "", data},
        {"accumulation_cosine", "", data},
        {"bound_sqrt", "", data},
        {"bound_weights", "", data},
        {"bound_activations", "", data},
        {"inputs", "", data},
        {"tokens", "", data},
        {"weights_nonfinite", "", data},
        {"inputs_nonfinite", "", data},
        {"bytes", "", data},
        {"share", "SHARE", rank},
        {"larger", "LARGER", ranked ? BB_COL_LEFT : data},
        {"larger_gain", "GAIN/B", rank},
        {"smaller", "SMALLER", ranked ? BB_COL_LEFT : data},
        {"smaller_cost", "COST/B", rank},
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        bb_table_column(t, columns[i].key, columns[i].heading, columns[i].flags);
}

static void weight_cells(bb_table *t, const bb_error_row *r) {
    char buf[BB_SHOW_SIZE];
    bool weights = r->weight.n || r->weight.nonfinite || r->weight.lost;
    cell_if(t, weights, r->weight.rel);
    if (weights)
        bb_cell_f64_as(t, r->weight.sqnr_db,
                       isinf(r->weight.sqnr_db) ? (r->weight.sqnr_db < 0 ? "-inf" : "inf")
                                                : bb_show_fixed(r->weight.sqnr_db, 1, buf));
    else
        bb_cell_empty(t);
    cell_if(t, weights, r->weight.max_abs);
    if (weights)
        bb_cell_f64(t, r->weight.cosine);
    else
        bb_cell_empty(t);
}

static void output_cells(bb_table *t, const bb_error_row *r) {
    bool output = !r->skipped[0];
    cell_if(t, output, r->total.rel);
    cell_if(t, output, r->weights.rel);
    cell_if(t, output, r->activations.rel);
    cell_if(t, output, r->accumulation.rel);
    cell_if(t, output, r->cross);
    count_if(t, output, r->rows_checked);
    cell_if(t, output, r->bound);
    if (output) {
        bb_cell_text(t, r->kernel);
        bb_cell_text(t, r->isa);
    } else {
        bb_cell_empty(t);
        bb_cell_empty(t);
    }
    count_if(t, output, r->ns);
}

static void part_cells(bb_table *t, bool output, const bb_error_part *p) {
    cell_if(t, output, p->max_abs);
    cell_if(t, output, p->cosine);
}

static void step_cells(bb_table *t, const bb_error_step *s) {
    char name[BB_ERROR_TYPE_SIZE];
    if (s->type)
        bb_cell_text(t, bb_error_type_name(s->type, name));
    else
        bb_cell_empty(t);
    cell_if(t, s->type != NULL, s->per_byte);
}

static void further_cells(bb_table *t, const bb_error_report *report, const bb_error_row *r) {
    char share[BB_SHOW_SIZE];
    bool output = !r->skipped[0];
    part_cells(t, output, &r->total);
    part_cells(t, output, &r->weights);
    part_cells(t, output, &r->activations);
    part_cells(t, output, &r->accumulation);
    cell_if(t, output, r->bound_sqrt);
    cell_if(t, output && !isnan(r->bound_weights), r->bound_weights);
    cell_if(t, output, r->bound_activations);
    bb_cell_text(t, bb_inputs_name(bb_inputs_kind_of(report->inputs)));
    count_if(t, output, r->tokens);
    bb_cell_u64(t, r->odd_weights.count);
    bb_cell_u64(t, r->odd_inputs.count);
    bb_cell_u64(t, r->bytes);
    if (output) {
        (void)bb_show_fixed(100 * r->share, 1, share);
        strncat(share, "%", sizeof share - strlen(share) - 1);
        bb_cell_f64_as(t, r->share, share);
    } else
        bb_cell_empty(t);
    step_cells(t, &r->larger);
    step_cells(t, &r->smaller);
}

static void error_row(bb_table *t, const bb_error_report *report, const bb_error_row *r) {
    char name[96], type[BB_ERROR_TYPE_SIZE], buf[BB_SHOW_SIZE];
    bb_table_row(t);
    bb_cell_text(t, bb_escape_buf(r->tensor->name, name, sizeof name));
    bb_cell_u64(t, r->rows);
    bb_cell_u64(t, r->cols);
    bb_cell_text(t, bb_error_type_name(r->type, type));
    bb_cell_f64_as(t, r->bits_per_weight, bb_show_fixed(r->bits_per_weight, 3, buf));
    weight_cells(t, r);
    output_cells(t, r);
    if (r->skipped[0])
        bb_cell_text(t, r->skipped);
    else
        bb_cell_empty(t);
    further_cells(t, report, r);
}

/* ---- lines for people ---- */

/* Rows of one reason together: "q8_0: row of 172 is not a multiple of 32 (5 tensors)". */
static void skipped_lines(bb_table *t, const bb_error_report *r) {
    char type[BB_ERROR_TYPE_SIZE];
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_error_row *a = &r->rows[i];
        if (!a->skipped[0]) continue;
        size_t n = 0;
        bool first = true;
        for (size_t k = 0; k < r->n_rows; k++) {
            bool same = r->rows[k].type == a->type && strcmp(r->rows[k].skipped, a->skipped) == 0;
            if (same && k < i) first = false;
            n += same;
        }
        if (first)
            bb_table_foot(t, "not measured in %s: %s (%zu tensor%s)", bb_error_type_name(a->type, type), a->skipped, n,
                          n == 1 ? "" : "s");
    }
}

/* Each type as a whole: "q4_0: 4.5 bits, output 8.8e-02, most of it in output.weight (33.1%)". */
static void total_lines(bb_table *t, const bb_error_report *r) {
    char type[BB_ERROR_TYPE_SIZE], name[64], a[BB_SHOW_SIZE], b[BB_SHOW_SIZE], c[BB_SHOW_SIZE];
    size_t several = 0;
    for (size_t k = 0; k < r->n_types; k++) several += r->totals[k].tensors > 1;
    if (!several) return;
    bb_table_foot(t, "%s", "");
    for (size_t k = 0; k < r->n_types; k++) {
        const bb_error_total *s = &r->totals[k];
        if (!s->tensors) continue;
        bb_str line;
        bb_str_init(&line);
        bb_str_addf(&line, "%s: %s bits, output %s over %zu tensors", bb_error_type_name(s->type, type),
                    bb_show_fixed(s->bits_per_weight, 3, a), bb_show_ratio(s->rel, 1, b), s->tensors);
        if (s->worst)
            bb_str_addf(&line, ", most in %s (%s%%)", bb_escape_buf(s->worst->name, name, sizeof name),
                        bb_show_fixed(100 * s->worst_share, 1, c));
        bb_table_depends(t, &line);
        bb_table_foot_wrapped(t, bb_str_c(&line));
        bb_str_clear(&line);
    }
}

/* Of each type the tensor for which a byte more takes most away. */
static void buy_lines(bb_table *t, const bb_error_report *r) {
    char from[BB_ERROR_TYPE_SIZE], to[BB_ERROR_TYPE_SIZE], name[64], a[BB_SHOW_SIZE];
    for (size_t k = 0; k < r->n_types; k++) {
        const bb_error_row *best = NULL;
        for (size_t i = 0; i < r->n_rows; i++) {
            const bb_error_row *x = &r->rows[i];
            if (x->type == &r->types[k] && x->larger.type && (!best || x->larger.per_byte > best->larger.per_byte))
                best = x;
        }
        if (!best || !(best->larger.per_byte > 0)) continue;
        bb_table_foot(t, "a byte buys most in %s: %s from %s to %s",
                      bb_escape_buf(best->tensor->name, name, sizeof name), bb_show_ratio(best->larger.per_byte, 1, a),
                      bb_error_type_name(best->type, from), bb_error_type_name(best->larger.type, to));
    }
}

static void widened_line(bb_table *t, const bb_error_report *r) {
    bb_str list;
    bb_str_init(&list);
    for (size_t k = 0; k < r->n_types; k++)
        if (bb_kernel_widens(r->types[k].dtype))
            bb_str_addf(&list, "%s %s", list.len ? "," : "Widened to fp32 when packed, the kernel is gemm_f32:",
                        r->types[k].dtype->name);
    if (list.len) bb_table_foot_wrapped(t, bb_str_c(&list));
    bb_table_depends(t, &list);
    bb_str_clear(&list);
}

/* Kernels that do not multiply with a code's value as it is. */
static void code_lines(bb_table *t, const bb_error_report *r) {
    for (size_t k = 0; k < r->n_types; k++) {
        const bb_kernel *kernel = bb_kernel_find(r->types[k].dtype, BB_ISA_SCALAR);
        if (kernel && kernel->family->code_error > 0)
            bb_table_foot(t, "%s rounds the values of its codes, which counts as accumulation", kernel->family->name);
    }
}

/* What was left out, once a tensor: its rows stand together, or apart when they are ranked. */
static void odd_lines(bb_table *t, const bb_error_report *r) {
    char name[64], value[32];
    for (size_t i = 0; r->skip_nonfinite && i < r->n_rows; i++) {
        const bb_error_row *x = &r->rows[i];
        bool first = true;
        for (size_t k = 0; k < i && first; k++) first = r->rows[k].tensor != x->tensor || r->rows[k].skipped[0];
        if (!first || x->skipped[0]) continue;
        const bb_error_odd *const odds[] = {&x->odd_weights, &x->odd_inputs};
        static const char *const words[2][2] = {
            {"weight not finite counts as 0", "weights not finite count as 0"},
            {"input not finite, its row is left out", "inputs not finite, their rows are left out"}};
        for (size_t k = 0; k < 2; k++)
            if (odds[k]->count)
                bb_table_foot(t, "%s: %" PRIu64 " %s: the first %s at row %" PRIu64 ", column %" PRIu64,
                              bb_escape_buf(x->tensor->name, name, sizeof name), odds[k]->count,
                              words[k][odds[k]->count > 1], bb_f64_shortest(odds[k]->value, value), odds[k]->row,
                              odds[k]->col);
    }
}

/* ---- JSON ---- */

static void total_objects(bb_json *root, const bb_error_report *r) {
    char type[BB_ERROR_TYPE_SIZE], name[96];
    bb_json *totals = bb_json_add_array(root, "totals");
    for (size_t k = 0; k < r->n_types; k++) {
        const bb_error_total *s = &r->totals[k];
        bb_json *o = bb_json_add_object(totals, NULL);
        bb_json_add_text(o, "type", bb_error_type_name(s->type, type));
        bb_json_add_u64(o, "tensors", s->tensors);
        bb_json_add_u64(o, "elements", s->elements);
        bb_json_add_u64(o, "bytes", s->bytes);
        bb_json_add_f64(o, "bits_per_weight", s->bits_per_weight);
        bb_json_add_f64(o, "weight_rel", s->weight_rel);
        bb_json_add_f64(o, "output_rel", s->rel);
        bb_json_add_f64(o, "gops", s->gops);
        if (s->worst)
            bb_json_add_text(o, "worst", bb_escape_buf(s->worst->name, name, sizeof name));
        else
            bb_json_add_null(o, "worst");
    }
}

bb_table *bb_report_error(const bb_error_report *r, bool ranked) {
    bb_table *t = bb_table_new("bitbudget.error/1");
    bb_str inputs;
    bb_str_init(&inputs);
    bb_inputs_tell(r->inputs, r->tokens, &inputs);
    bb_table_depends(t, &inputs);
    bb_table_head(t, "Inputs: %s", bb_str_c(&inputs));
    bb_table_head(t, "%s", "");
    error_columns(t, ranked);
    for (size_t i = 0; i < r->n_rows; i++) error_row(t, r, &r->rows[i]);
    bb_table_foot(t, "%s", "");
    bb_table_foot_wrapped(
        t, ranked
               ? "Sorted by what a tensor loses: its elements times the squared error of its output, SHARE of those of "
                 "the type. GAIN and COST: what the next type of those asked for takes away or adds, a byte. Measured."
               : "Relative to float64: the weights' own error, the error of the kernel's output, and its parts (they "
                 "add in squares, with the cross term of --csv). Measured.");
    total_lines(t, r);
    if (ranked) buy_lines(t, r);
    widened_line(t, r);
    code_lines(t, r);
    odd_lines(t, r);
    skipped_lines(t, r);
    bb_json *root = bb_table_json(t);
    bb_json_add_text(root, "inputs", bb_str_c(&inputs));
    bb_json_add_u64(root, "tokens", r->tokens);
    bb_json_add_u64(root, "seed", bb_inputs_seed(r->inputs));
    total_objects(root, r);
    bb_report_dispatch(t, &r->dispatch);
    bb_str_clear(&inputs);
    return t;
}
