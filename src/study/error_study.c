/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_study.c - the error of quantizing each matrix of a file: which tensors, which types, which inputs. */
#include "study/error_study.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "model/packed.h"
#include "study/error_parts.h"
#include "study/tensor_rows.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS_DEFAULT = 16, ROWS_DEFAULT = 512, TOKENS_MAX = 4096, ROWS_LIMIT = 65536, COLS_MAX = 1 << 24 };

/* ---- types ---- */

static bool encodes(const bb_dtype *t) {
    const bb_codec *c = bb_codec_find(t, BB_ISA_SCALAR);
    return c && c->encode && bb_kernel_find(t, BB_ISA_SCALAR);
}

static bb_status no_quantizer(const char *name, bb_error *err) {
    bb_str list;
    bb_str_init(&list);
    for (size_t i = 0; i < bb_dtype_count(); i++)
        if (encodes(bb_dtype_at(i))) bb_str_addf(&list, "%s%s", list.len ? ", " : "", bb_dtype_at(i)->name);
    bb_status status =
        bb_fail(err, BB_E_UNSUPPORTED, "there is no quantizer for %s; there is one for %s", name, bb_str_c(&list));
    bb_str_clear(&list);
    return status;
}

bb_status bb_error_type_find(const char *name, bb_error_type *type, bb_error *err) {
    char head[64], safe[64];
    const char *colon = strchr(name, ':');
    size_t n = colon ? (size_t)(colon - name) : strlen(name);
    if (n == 0 || n >= sizeof head)
        return bb_fail(err, BB_E_NAME, "'%s' is not a storage type", bb_escape_buf(name, safe, sizeof safe));
    memcpy(head, name, n);
    head[n] = '\0';
    const bb_dtype *t = bb_dtype_find(head, err);
    if (!t) return BB_E_NAME;
    if (!encodes(t)) return no_quantizer(t->name, err);
    bool tensor = colon && bb_name_eq(colon + 1, "tensor"), row = colon && bb_name_eq(colon + 1, "row");
    if (colon && (!t->row_bytes || !(tensor || row)))
        return bb_fail(err, BB_E_UNSUPPORTED,
                       "'%s': only int8 and int4 have a part after a colon, what shares a scale: row or tensor",
                       bb_escape_buf(name, safe, sizeof safe));
    *type = (bb_error_type){t, tensor};
    return BB_OK;
}

const char *bb_error_type_name(const bb_error_type *type, char buf[BB_ERROR_TYPE_SIZE]) {
    snprintf(buf, BB_ERROR_TYPE_SIZE, "%s%s", type->dtype->name, type->per_tensor ? ":tensor" : "");
    return buf;
}

/* ---- reasons ---- */

void bb_error_row_skip(bb_error_row *row, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(row->skipped, sizeof row->skipped, fmt, args);
    va_end(args);
}

/* Why a tensor cannot be measured in a type, before anything of it is read. */
static void find_reason(const bb_error_matrix *m, bb_isa isa, bb_error_row *row) {
    const bb_dtype *t = row->type->dtype;
    const bb_layout *l = bb_kernel_find(t, isa)->family->layout;
    char why[96];
    unsigned long long cols = m->cols;
    if (!m->coded && bb_tensor_unreadable(m->t, why, sizeof why))
        bb_error_row_skip(row, "%s", why);
    else if (m->t->elements == 0)
        bb_error_row_skip(row, "it has no elements");
    else if (m->file->column_major && m->rows > 1 && m->cols > 1)
        bb_error_row_skip(row, "it lies in the file column by column (Fortran order)");
    else if (m->cols % t->block != 0)
        bb_error_row_skip(row, "row of %llu is not a multiple of %u", cols, t->block);
    else if (l->in_max && m->cols > l->in_max) {
        bb_error_row_skip(row, "row of %llu: the 32-bit sums of %s are exact up to %zu values", cols,
                          bb_kernel_find(t, isa)->family->name, l->in_max);
        row->beyond = true;
    } else if (m->cols > COLS_MAX || m->rows > SIZE_MAX / 2) {
        bb_error_row_skip(row, "row of %llu is longer than 2^24", cols);
        row->beyond = true;
    }
}

static void skip_odd(bb_error_row *row, const char *what, const bb_error_odd *odd) {
    char value[32];
    bb_error_row_skip(row, "%llu %s%s not finite, the first %s at row %llu, column %llu",
                      (unsigned long long)odd->count, what, odd->count == 1 ? " is" : "s are",
                      bb_f64_shortest(odd->value, value), (unsigned long long)odd->row, (unsigned long long)odd->col);
}

/* Why the weights' own error rules out that of the product. */
static void judge_weights(bb_error_row *row, bool skip_nonfinite) {
    const bb_error_stats *s = &row->weight;
    unsigned long long lost = s->lost;
    if (row->odd_weights.count && !skip_nonfinite) {
        skip_odd(row, "weight", &row->odd_weights);
        row->weight = (bb_error_stats){0};
    } else if (lost)
        bb_error_row_skip(row, "%s: %llu value%s lost",
                          row->type->dtype->block > 1 ? "the fp16 scale overflows" : "magnitudes beyond its largest",
                          lost, lost == 1 ? "" : "s");
    else if (s->n && isnan(s->rel))
        bb_error_row_skip(row, "the squares of its values leave the range of float64");
}

/* ---- activations ---- */

static bool finite_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (u & 0x7F800000) != 0x7F800000;
}

/* Counts what is not finite, and moves the rows without it to the front; how many there are. */
static size_t finite_rows(float *x, size_t rows, size_t cols, bb_error_odd *odd) {
    size_t kept = 0;
    for (size_t r = 0; r < rows; r++) {
        uint64_t before = odd->count;
        for (size_t k = 0; k < cols; k++) {
            if (finite_bits(x[r * cols + k])) continue;
            if (!odd->count++) *odd = (bb_error_odd){1, r, k, (double)x[r * cols + k]};
        }
        if (odd->count > before) continue;
        if (kept < r) memcpy(x + kept * cols, x + r * cols, cols * sizeof *x);
        kept++;
    }
    return kept;
}

/* The activations of a tensor, or the reason in its rows why there are none. */
static bb_status take_inputs(const bb_error_run *run, const bb_error_matrix *m, float **x, size_t *tokens,
                             bb_error_row *rows, bb_error *err) {
    const bb_error_opts *o = run->o;
    char why[160] = "";
    bool other_shape = false;
    bb_error_odd odd = {0};
    bb_status status = bb_inputs_rows(o->inputs, m->t, (size_t)m->cols, (size_t)o->tokens, x, tokens, why, sizeof why,
                                      &other_shape, err);
    if (status != BB_OK) return status;
    size_t kept = finite_rows(*x, *tokens, (size_t)m->cols, &odd);
    for (size_t i = 0; i < o->n_types; i++) {
        if (rows[i].skipped[0]) continue;
        rows[i].odd_inputs = odd;
        if (*tokens == 0) {
            bb_error_row_skip(&rows[i], "%s", why);
            rows[i].beyond = other_shape;
        } else if (odd.count && (!o->skip_nonfinite || kept == 0))
            skip_odd(&rows[i], "input", &odd);
    }
    *tokens = kept;
    return BB_OK;
}

/* ---- one tensor ---- */

static bool any_left(const bb_error_row *rows, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!rows[i].skipped[0]) return true;
    return false;
}

static void begin_row(const bb_error_matrix *m, bb_error_row *row) {
    const bb_dtype *t = row->type->dtype;
    uint64_t bytes = 0, elements = m->rows * m->cols;
    row->rows = m->rows;
    row->cols = m->cols;
    row->bits_per_weight = bb_dtype_bits_per_weight(t, m->cols);
    if (bb_dtype_row_bytes(t, m->cols, &bytes) != BB_OK || !bb_mul_u64(bytes, m->rows, &row->bytes)) return;
    if (row->type->per_tensor && elements) {
        row->bytes -= (m->rows - 1) * t->row_bytes;
        row->bits_per_weight = 8 * (double)row->bytes / (double)elements;
    }
}

static bb_status measure(const bb_error_run *run, const bb_error_matrix *m, bb_error_row *rows, bb_error *err) {
    const bb_error_opts *o = run->o;
    size_t tokens = 0;
    float *x = NULL;
    bb_error_range *ranges = bb_alloc(o->n_types, sizeof *ranges);
    bb_status status = ranges ? BB_OK : bb_fail(err, BB_E_NOMEM, "out of memory");
    if (status == BB_OK && any_left(rows, o->n_types)) status = take_inputs(run, m, &x, &tokens, rows, err);
    for (size_t i = 0; i < o->n_types && status == BB_OK; i++) {
        if (rows[i].skipped[0]) continue;
        status = bb_error_weights(run, m, &rows[i], &ranges[i], err);
        if (status == BB_OK) judge_weights(&rows[i], o->skip_nonfinite);
    }
    if (status == BB_OK && any_left(rows, o->n_types)) status = bb_error_products(run, m, x, tokens, ranges, rows, err);
    free(ranges);
    free(x);
    return status;
}

static uint64_t work_of(const bb_error_opts *o, const bb_tensor *t) {
    uint64_t checked = t->rows < o->rows_max ? t->elements : t->elements / t->rows * o->rows_max;
    return (t->elements + checked) * o->n_types;
}

static bb_status measure_tensor(const bb_error_run *run, const bb_file *file, const bb_tensor *t, bb_error_row *rows,
                                bb_error *err) {
    const bb_error_opts *o = run->o;
    bb_error_matrix m;
    bool unread = false;
    uint64_t before = run->progress ? atomic_load(&run->progress->done) : 0;
    bb_status status = bb_error_matrix_open(file, t, &m, &unread, err);
    for (size_t i = 0; i < o->n_types && status == BB_OK; i++) {
        rows[i] = (bb_error_row){.tensor = t, .type = &o->types[i]};
        begin_row(&m, &rows[i]);
        if (unread)
            bb_error_row_skip(&rows[i], "it holds codes whose scales are of a layout that is not known");
        else
            find_reason(&m, o->isa, &rows[i]);
    }
    if (status == BB_OK) status = measure(run, &m, rows, err);
    bb_error_matrix_close(&m);
    if (status == BB_OK && run->progress) atomic_store(&run->progress->done, before + work_of(o, t));
    return status;
}

/* ---- the study ---- */

/* Scales and zeros of a quantized checkpoint are read with the codes they belong to. */
static bool wanted(const bb_tensor *t, const bb_error_opts *o) {
    return t->n_dims >= 2 && !bb_packed_companion(t->name) && (!o->only || strstr(t->name, o->only));
}

static bb_status check_opts(const bb_error_opts *o, bb_error *err) {
    if (o->n_types == 0) return bb_fail(err, BB_E_ARG, "no storage type to measure");
    if (o->tokens > TOKENS_MAX)
        return bb_fail(err, BB_E_ARG, "%llu tokens, at most %d are measured", (unsigned long long)o->tokens,
                       TOKENS_MAX);
    if (o->rows_max > ROWS_LIMIT)
        return bb_fail(err, BB_E_ARG, "%llu rows, at most %d of a tensor are checked", (unsigned long long)o->rows_max,
                       ROWS_LIMIT);
    for (size_t i = 0; i < o->n_types; i++)
        if (!encodes(o->types[i].dtype)) return no_quantizer(o->types[i].dtype->name, err);
    return BB_OK;
}

/* Nothing could be measured, and not for want of values alone. */
static bb_status judge_report(const bb_error_report *r, bb_error *err) {
    char name[96], type[BB_ERROR_TYPE_SIZE];
    const bb_error_row *first = NULL;
    for (size_t i = 0; i < r->n_rows; i++) {
        if (!r->rows[i].skipped[0]) return BB_OK;
        if (r->rows[i].beyond && !first) first = &r->rows[i];
    }
    if (!first) return BB_OK;
    return bb_fail(err, BB_E_UNSUPPORTED, "nothing can be measured: '%s' in %s: %s",
                   bb_escape_buf(first->tensor->name, name, sizeof name), bb_error_type_name(first->type, type),
                   first->skipped);
}

/* What a watcher shows, who may still read it when the study has ended: the file's own name of the tensor, which
 * outlives it, where nothing of it is to be escaped. */
static const char *shown_name(const bb_tensor *t) {
    bb_str safe;
    bb_str_init(&safe);
    bb_escape(&safe, t->name, strlen(t->name), 0);
    bool plain = !safe.failed && strcmp(bb_str_c(&safe), t->name) == 0;
    bb_str_clear(&safe);
    return plain ? t->name : "a tensor whose name is no plain text";
}

static bb_status measure_all(const bb_error_run *run, const bb_file *file, bb_error_report *r, bb_error *err) {
    const bb_error_opts *o = run->o;
    bb_status status = BB_OK;
    for (size_t i = 0; i < bb_file_tensor_count(file) && status == BB_OK; i++) {
        const bb_tensor *t = bb_file_tensor(file, i);
        if (!wanted(t, o)) continue;
        if (run->progress) atomic_store(&run->progress->now, shown_name(t));
        status = measure_tensor(run, file, t, r->rows + r->n_rows, err);
        r->n_rows += o->n_types;
    }
    if (status == BB_OK) status = judge_report(r, err);
    if (status == BB_OK) bb_error_rank(r);
    return status;
}

static bb_status report_alloc(const bb_error_opts *o, size_t tensors, bb_error_report *r, bb_error *err) {
    size_t total;
    *r = (bb_error_report){
        .n_types = o->n_types, .inputs = o->inputs, .tokens = o->tokens, .skip_nonfinite = o->skip_nonfinite};
    if (!bb_mul_size(tensors, o->n_types, &total)) return bb_fail(err, BB_E_OVERFLOW, "too many tensors");
    r->types = bb_alloc(o->n_types, sizeof *r->types);
    r->totals = bb_alloc(o->n_types, sizeof *r->totals);
    r->rows = bb_alloc(total, sizeof *r->rows);
    if (!r->types || !r->totals || !r->rows) return bb_fail(err, BB_E_NOMEM, "out of memory");
    memcpy(r->types, o->types, o->n_types * sizeof *r->types);
    return BB_OK;
}

static bb_status study(const bb_file *file, bb_error_opts *o, bb_progress *progress, bb_error_report *r,
                       bb_error *err) {
    size_t n = 0;
    uint64_t work = 0;
    for (size_t i = 0; i < bb_file_tensor_count(file); i++) {
        const bb_tensor *t = bb_file_tensor(file, i);
        if (!wanted(t, o)) continue;
        n++;
        work += work_of(o, t);
    }
    bb_pool *pool = NULL;
    bb_status status = report_alloc(o, n, r, err);
    if (status != BB_OK) return status;
    o->types = r->types; /* the rows point there */
    status = bb_pool_new_pinned(o->threads, &pool);
    if (status != BB_OK) return bb_fail(err, status, "%s", bb_status_text(status));
    if (progress) atomic_store(&progress->total, work);
    const bb_error_run run = {o, pool, progress, &r->dispatch};
    status = measure_all(&run, file, r, err);
    if (progress) atomic_store(&progress->now, NULL);
    bb_pool_free(pool);
    return status;
}

bb_status bb_error_study(const bb_file *file, const bb_error_opts *opts, bb_progress *progress, bb_error_report *report,
                         bb_error *err) {
    bb_error_opts o = *opts;
    bb_error_report r = {0};
    fenv_t env;
    if (o.tokens == 0) o.tokens = TOKENS_DEFAULT;
    if (o.rows_max == 0) o.rows_max = ROWS_DEFAULT;
    bb_status status = check_opts(&o, err);
    if (status != BB_OK) return status;
    bb_fp_enter(&env);
    status = study(file, &o, progress, &r, err);
    bb_fp_leave(&env);
    if (status == BB_OK)
        *report = r;
    else
        bb_error_report_clear(&r);
    return status;
}

void bb_error_report_clear(bb_error_report *report) {
    free(report->types);
    free(report->rows);
    free(report->totals);
    *report = (bb_error_report){0};
}
