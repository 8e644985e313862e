/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_study.c - the error of quantizing each matrix of a file, split by where it arises.
 *
 * With W the matrix, x the activations, What and xhat what the kernel multiplies and y what it returns:
 *   y - W x = (What - W) x + What (xhat - x) + (y - What xhat)
 * All products but y are float64 sums; each part is reported as its Euclidean norm over tokens and checked rows. */
#include "study/error_study.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "format/format.h"
#include "kernel/kernel.h"
#include "measure/measure.h"
#include "study/study_parts.h"
#include "study/tensor_rows.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS_DEFAULT = 16, ROWS_DEFAULT = 512, TOKENS_MAX = 4096, ROWS_LIMIT = 65536, SLAB_BYTES = 4 << 20 };

/* One matrix while its types are measured. */
typedef struct matrix {
    const bb_file *file;
    const bb_tensor *t;
    size_t rows, cols, tokens, checked;
    double *w; /* [checked][cols] rows that are multiplied, as the file has them */
    float *wf; /* the same in fp32, which is what quantizers take */
    float *x;  /* [tokens][cols] */
    double *y; /* [tokens][checked] W x in float64 */
    bb_pool *pool;
    bb_progress *progress;
} matrix;

static bool cancelled(const bb_progress *p) { return p && atomic_load(&((bb_progress *)(uintptr_t)p)->cancel); }

/* Row number i of those that are checked, evenly spaced over all. */
static uint64_t checked_row(const matrix *m, size_t i) {
    return (uint64_t)((double)i * ((double)m->rows / (double)m->checked));
}

static double dot_f64(const double *a, const float *b, size_t n) {
    double s[4] = {0};
    size_t k = 0;
    for (; k + 4 <= n; k += 4)
        for (size_t i = 0; i < 4; i++) s[i] += a[k + i] * (double)b[k + i];
    for (; k < n; k++) s[0] += a[k] * (double)b[k];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static double dot(const float *a, const float *b, size_t n) {
    double s[4] = {0};
    size_t k = 0;
    for (; k + 4 <= n; k += 4)
        for (size_t i = 0; i < 4; i++) s[i] += (double)a[k + i] * (double)b[k + i];
    for (; k < n; k++) s[0] += (double)a[k] * (double)b[k];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static double dot_abs(const float *a, const float *b, size_t n) {
    double s = 0;
    for (size_t k = 0; k < n; k++) s += fabs((double)a[k] * (double)b[k]);
    return s;
}

/* The weights' own error, over all rows, a slab at a time. */
static bb_status weight_error(const matrix *m, const bb_dtype *type, bb_error_stats *stats, bb_error *err) {
    uint64_t row_bytes;
    bb_status status = bb_dtype_row_bytes(type, m->cols, &row_bytes);
    if (status != BB_OK) return bb_fail(err, status, "rows too long");
    size_t slab = SLAB_BYTES / sizeof(float) / m->cols + 1;
    if (slab > m->rows) slab = m->rows;
    size_t n;
    if (!bb_mul_size(slab, m->cols, &n)) return bb_fail(err, BB_E_OVERFLOW, "rows too long");
    float *x = bb_alloc(n, sizeof *x), *back = bb_alloc(n, sizeof *back);
    double *ref = bb_alloc(n, sizeof *ref);
    unsigned char *blocks = bb_alloc(slab, (size_t)row_bytes);
    bb_error_sum sum;
    bb_error_sum_init(&sum);
    if (!x || !back || !ref || !blocks) status = bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t first = 0; first < m->rows && status == BB_OK; first += slab) {
        size_t count = m->rows - first < slab ? m->rows - first : slab;
        if (cancelled(m->progress)) status = bb_fail(err, BB_E_CANCELLED, "cancelled");
        if (status == BB_OK) status = bb_tensor_read(m->file, m->t, first * m->cols, count * m->cols, x, ref, err);
        if (status == BB_OK) status = bb_quantize_rows(type, x, count, m->cols, NULL, blocks);
        if (status == BB_OK) status = bb_dequantize_rows(type, blocks, count, m->cols, back);
        if (status == BB_OK) bb_error_sum_add_f32(&sum, ref, back, count * m->cols);
        if (m->progress) atomic_fetch_add(&m->progress->done, (uint64_t)count * m->cols);
    }
    free(x);
    free(back);
    free(ref);
    free(blocks);
    if (status == BB_OK) bb_error_sum_result(&sum, stats);
    return status;
}

/* Sums over all outputs from which every reported figure follows. */
typedef struct parts {
    double ref, total, weight, activation, accumulation, cross, bound;
    bool overflow; /* an output is not finite */
} parts;

static void split(const matrix *m, const float *what, const float *xhat, const float *y, const bb_kernel *k, parts *p) {
    for (size_t t = 0; t < m->tokens; t++) {
        const float *x = m->x + t * m->cols, *xq = xhat + t * m->cols;
        for (size_t r = 0; r < m->checked; r++) {
            const float *wq = what + r * m->cols;
            double ref = m->y[t * m->checked + r], wx = dot(wq, x, m->cols), wxq = dot(wq, xq, m->cols);
            double got = (double)y[t * m->checked + r];
            double a = wx - ref, b = wxq - wx, c = got - wxq, mass = dot_abs(wq, xq, m->cols);
            /* and the rounding of wxq itself, a float64 sum */
            double bound = bb_kernel_bound(k, m->cols, mass) + (double)m->cols * 0x1p-52 * mass;
            if (!isfinite(got)) p->overflow = true;
            p->ref += ref * ref;
            p->total += (got - ref) * (got - ref);
            p->weight += a * a;
            p->activation += b * b;
            p->accumulation += c * c;
            p->cross += 2 * (a * b + a * c + b * c);
            p->bound += bound * bound;
        }
    }
}

/* A norm relative to that of the reference, both squared: a matrix of zeros has no error. */
static double relative(double part, double ref) {
    return part == 0 ? 0 : ref > 0 ? sqrt(part / ref) : (double)INFINITY;
}

static void set_parts(const parts *p, bb_error_row *row) {
    row->output_rel = relative(p->total, p->ref);
    row->output_rel_weights = relative(p->weight, p->ref);
    row->output_rel_activations = relative(p->activation, p->ref);
    row->output_rel_accumulation = relative(p->accumulation, p->ref);
    row->cross = p->cross == 0 ? 0 : p->ref > 0 ? p->cross / p->ref : (double)NAN;
    row->bound = relative(p->bound, p->ref);
}

/* The product through the kernel of one type, and its parts. */
static bb_status output_error(const matrix *m, const bb_dtype *type, bb_error_row *row, bb_error *err) {
    uint64_t row_bytes;
    const bb_kernel *k = bb_kernel_find(type, BB_ISA_AUTO);
    bb_matmul_opts how = {.pool = m->pool};
    bb_status status = bb_dtype_row_bytes(type, m->cols, &row_bytes);
    if (status != BB_OK) return bb_fail(err, status, "rows too long");
    bb_packed *packed = NULL;
    unsigned char *blocks = bb_alloc(m->checked, (size_t)row_bytes);
    float *what = bb_alloc(m->checked * m->cols, sizeof *what), *xhat = bb_alloc(m->tokens * m->cols, sizeof *xhat);
    float *y = bb_alloc(m->tokens * m->checked, sizeof *y);
    if (!blocks || !what || !xhat || !y) status = BB_E_NOMEM;
    if (status == BB_OK) status = bb_quantize_rows(type, m->wf, m->checked, m->cols, NULL, blocks);
    if (status == BB_OK) status = bb_dequantize_rows(type, blocks, m->checked, m->cols, what);
    if (status == BB_OK) status = bb_acts_roundtrip(k->family->layout->act, m->x, m->tokens, m->cols, xhat);
    if (status == BB_OK) status = bb_pack(type, blocks, m->checked, m->cols, &packed);
    if (status == BB_OK) {
        uint64_t start = bb_study_now_ns();
        status = bb_matmul_as(packed, m->x, m->tokens, &how, y);
        row->ns = bb_study_now_ns() - start;
    }
    if (status == BB_OK) {
        parts p = {0};
        split(m, what, xhat, y, k, &p);
        if (p.overflow)
            snprintf(row->skipped, sizeof row->skipped, "the fp32 product overflows");
        else
            set_parts(&p, row);
        row->rows_checked = m->checked;
        row->kernel = k->family->name;
        row->isa = bb_level_name(k->level);
    }
    bb_packed_free(packed);
    free(blocks);
    free(what);
    free(xhat);
    free(y);
    return status == BB_OK || status == BB_E_CANCELLED ? status : bb_fail(err, status, "%s", bb_status_text(status));
}

/* Reads the checked rows, makes the activations and the float64 product. */
static bb_status matrix_open(matrix *m, const bb_error_opts *o, bb_error *err) {
    size_t n, k, l;
    if (!bb_mul_size(m->checked, m->cols, &n) || !bb_mul_size(m->tokens, m->cols, &k) ||
        !bb_mul_size(m->tokens, m->checked, &l))
        return bb_fail(err, BB_E_OVERFLOW, "rows too long");
    m->w = bb_alloc(n, sizeof *m->w);
    m->wf = bb_alloc(n, sizeof *m->wf);
    m->x = bb_alloc(k, sizeof *m->x);
    m->y = bb_alloc(l, sizeof *m->y);
    if (!m->w || !m->wf || !m->x || !m->y) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t r = 0; r < m->checked; r++) {
        bb_status status = bb_tensor_read(m->file, m->t, checked_row(m, r) * m->cols, m->cols, m->wf + r * m->cols,
                                          m->w + r * m->cols, err);
        if (status != BB_OK) return status;
    }
    bb_study_gaussian(o->seed, 0, m->x, k);
    for (size_t t = 0; t < m->tokens; t++)
        for (size_t r = 0; r < m->checked; r++)
            m->y[t * m->checked + r] = dot_f64(m->w + r * m->cols, m->x + t * m->cols, m->cols);
    return BB_OK;
}

static void matrix_close(matrix *m) {
    free(m->w);
    free(m->wf);
    free(m->x);
    free(m->y);
}

/* Why a tensor cannot be measured in a type; false when it can. */
static bool reason_to_skip(const bb_tensor *t, const bb_dtype *type, char *why, size_t size) {
    if (bb_tensor_unreadable(t, why, size)) return true;
    if (t->elements == 0)
        snprintf(why, size, "it has no elements");
    else if (t->cols % type->block != 0)
        snprintf(why, size, "row of %llu is not a multiple of %u", (unsigned long long)t->cols, type->block);
    else if (t->cols > 1u << 24 || t->rows > SIZE_MAX / 2)
        snprintf(why, size, "row of %llu is longer than 2^24", (unsigned long long)t->cols);
    else
        return false;
    return true;
}

/* Why the weights' own error rules out that of the product; false when it does not. */
static bool weights_spoilt(const bb_dtype *type, const bb_error_stats *s, char *why, size_t size) {
    unsigned long long nonfinite = s->nonfinite, lost = s->lost;
    const char *odd = nonfinite == 1 ? "" : "s", *gone = lost == 1 ? "" : "s";
    if (nonfinite && lost)
        snprintf(why, size, "%llu value%s not finite, %llu more lost", nonfinite, odd, lost);
    else if (nonfinite)
        snprintf(why, size, "%llu value%s not finite", nonfinite, odd);
    else if (lost)
        snprintf(why, size, "%s: %llu value%s lost",
                 type->block > 1 ? "the fp16 scale overflows" : "magnitudes beyond its largest", lost, gone);
    else if (isnan(s->rel))
        snprintf(why, size, "the squares of its values leave the range of float64");
    else
        return false;
    return true;
}

static bb_status measure_tensor(const bb_file *file, const bb_tensor *t, const bb_error_opts *o, bb_pool *pool,
                                bb_progress *progress, bb_error_row *rows, bb_error *err) {
    matrix m = {.file = file,
                .t = t,
                .rows = (size_t)t->rows,
                .cols = (size_t)t->cols,
                .tokens = (size_t)o->tokens,
                .pool = pool,
                .progress = progress};
    m.checked = t->rows < o->rows_max ? (size_t)t->rows : (size_t)o->rows_max;
    bb_status status = BB_OK;
    bool opened = false;
    for (size_t i = 0; i < o->n_types && status == BB_OK; i++) {
        bb_error_row *row = &rows[i];
        *row = (bb_error_row){.tensor = t, .rows = t->rows, .cols = t->cols, .type = o->types[i]};
        row->bits_per_weight = bb_dtype_bits_per_weight(row->type, t->cols);
        if (reason_to_skip(t, row->type, row->skipped, sizeof row->skipped)) {
            if (progress) atomic_fetch_add(&progress->done, t->elements);
            continue;
        }
        if (!opened) status = matrix_open(&m, o, err);
        opened = true;
        if (status == BB_OK) status = weight_error(&m, row->type, &row->weight, err);
        if (status != BB_OK) break;
        if (!weights_spoilt(row->type, &row->weight, row->skipped, sizeof row->skipped))
            status = output_error(&m, row->type, row, err);
    }
    matrix_close(&m);
    return status;
}

static bool wanted(const bb_tensor *t, const bb_error_opts *o) {
    return t->n_dims >= 2 && (!o->only || strstr(t->name, o->only));
}

static bb_status check_opts(const bb_error_opts *o, bb_error *err) {
    if (o->n_types == 0) return bb_fail(err, BB_E_ARG, "no storage type to measure");
    if (o->tokens > TOKENS_MAX)
        return bb_fail(err, BB_E_ARG, "%llu tokens, at most %d are measured", (unsigned long long)o->tokens,
                       TOKENS_MAX);
    if (o->rows_max > ROWS_LIMIT)
        return bb_fail(err, BB_E_ARG, "%llu rows, at most %d of a tensor are checked", (unsigned long long)o->rows_max,
                       ROWS_LIMIT);
    for (size_t i = 0; i < o->n_types; i++) {
        if (bb_kernel_find(o->types[i], BB_ISA_AUTO) && bb_codec_find(o->types[i], BB_ISA_SCALAR)) continue;
        bb_str list;
        bb_str_init(&list);
        for (size_t k = 0; k < bb_kernel_count(); k++) bb_str_addf(&list, "%s%s", k ? ", " : "", bb_kernel_at(k)->family->layout->type);
        bb_fail(err, BB_E_UNSUPPORTED, "there is no kernel for %s; there is one for %s", o->types[i]->name,
                bb_str_c(&list));
        bb_str_clear(&list);
        return BB_E_UNSUPPORTED;
    }
    return BB_OK;
}

bb_status bb_error_study(const bb_file *file, const bb_error_opts *opts, bb_progress *progress, bb_error_report *report,
                         bb_error *err) {
    bb_error_opts o = *opts;
    if (o.tokens == 0) o.tokens = TOKENS_DEFAULT;
    if (o.rows_max == 0) o.rows_max = ROWS_DEFAULT;
    bb_status status = check_opts(&o, err);
    if (status != BB_OK) return status;
    bb_error_report r = {.tokens = o.tokens, .seed = o.seed};
    size_t n = 0, total;
    uint64_t elements = 0;
    for (size_t i = 0; i < bb_file_tensor_count(file); i++) {
        const bb_tensor *t = bb_file_tensor(file, i);
        if (!wanted(t, &o)) continue;
        n++;
        elements += t->elements;
    }
    bb_pool *pool = NULL;
    if (!bb_mul_size(n, o.n_types, &total) || !(r.rows = bb_alloc(total, sizeof *r.rows)))
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    if ((status = bb_pool_new(o.threads, &pool)) != BB_OK) {
        free(r.rows);
        return bb_fail(err, status, "%s", bb_status_text(status));
    }
    if (progress) atomic_store(&progress->total, elements * o.n_types);
    for (size_t i = 0; i < bb_file_tensor_count(file) && status == BB_OK; i++) {
        const bb_tensor *t = bb_file_tensor(file, i);
        if (!wanted(t, &o)) continue;
        if (progress) bb_escape_buf(t->name, progress->what, sizeof progress->what);
        status = measure_tensor(file, t, &o, pool, progress, r.rows + r.n_rows, err);
        r.n_rows += o.n_types;
    }
    bb_pool_free(pool);
    if (status != BB_OK) {
        bb_error_report_clear(&r);
        return status;
    }
    *report = r;
    return BB_OK;
}

void bb_error_report_clear(bb_error_report *report) {
    free(report->rows);
    *report = (bb_error_report){0};
}
