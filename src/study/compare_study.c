/* SPDX-License-Identifier: GPL-3.0-or-later */
/* compare_study.c - comparing pairs of tensors: by their bytes where types agree, else value by value in float64. */
#include "study/compare_study.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "base/pool.h"
#include "measure/measure.h"
#include "study/coded_weight.h"
#include "study/compare_pairs.h"
#include "study/tensor_rows.h"
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Elements that are held of each file at a time: a multiple of every block; rows of a head are held whole. */
enum { SLAB = 1 << 17, HEAD_MAX = 1 << 25 };

typedef struct job {
    bb_compare_report *r;
    bb_progress *progress;
    pthread_mutex_t lock;
    size_t failed; /* the first row that failed, and why */
    bb_status status;
    bb_error err;
    atomic_bool stop;
} job;

static bool stopped(job *j) { return atomic_load(&j->stop) || (j->progress && atomic_load(&j->progress->cancel)); }

static void fail(job *j, size_t row, bb_status status, const bb_error *err) {
    pthread_mutex_lock(&j->lock);
    if (j->status == BB_OK || row < j->failed) {
        j->status = status;
        j->err = *err;
        j->failed = row;
    }
    pthread_mutex_unlock(&j->lock);
    atomic_store(&j->stop, true);
}

static void add_note(bb_compare_row *r, const char *fmt, ...) BB_PRINTF(2, 3);
static void add_note(bb_compare_row *r, const char *fmt, ...) {
    size_t used = strlen(r->note);
    va_list ap;
    if (used && used + 2 < sizeof r->note) {
        memcpy(r->note + used, "; ", 3);
        used += 2;
    }
    va_start(ap, fmt);
    (void)vsnprintf(r->note + used, sizeof r->note - used, fmt, ap);
    va_end(ap);
}

/* ---- one side ---- */

static bool is_gguf(const bb_compare_side *s) { return strcmp(s->file->format, "gguf") == 0; }

static uint32_t dims_of(const bb_compare_side *s) { return s->coded ? 2 : s->t[0]->n_dims + (s->n > 1); }

/* Dimension k, outermost first. */
static uint64_t dim(const bb_compare_side *s, uint32_t k) {
    const bb_tensor *t = s->t[0];
    if (s->coded) return k ? s->coded->cols : s->coded->rows;
    if (s->n > 1 && k-- == 0) return s->n;
    return t->dims[is_gguf(s) ? t->n_dims - 1 - k : k];
}

static uint64_t values_of(const bb_compare_side *s) {
    return s->coded ? s->coded->rows * s->coded->cols : s->t[0]->elements * s->n;
}

static bool same_shape(const bb_compare_row *r) {
    if (dims_of(&r->a) != dims_of(&r->b)) return false;
    for (uint32_t k = 0; k < dims_of(&r->a); k++)
        if (dim(&r->a, k) != dim(&r->b, k)) return false;
    return true;
}

/* All tensors of a side are alike. */
static bool uniform(const bb_compare_side *s) {
    for (size_t i = 1; i < s->n; i++) {
        if (s->t[i]->type != s->t[0]->type || s->t[i]->n_dims != s->t[0]->n_dims) return false;
        for (uint32_t k = 0; k < s->t[0]->n_dims; k++)
            if (s->t[i]->dims[k] != s->t[0]->dims[k]) return false;
    }
    return true;
}

/* What a worker holds of one side; permuting needs a second buffer. */
typedef struct buffers {
    unsigned char *raw[2], *other;
    double *value[2];
    size_t slab;
} buffers;

/* Row 2j + t of each head is row t d/2 + j of the checkpoint's. */
static void interleave(void *data, void *other, size_t rows, size_t row_bytes, size_t d) {
    unsigned char *to = other;
    for (size_t r = 0; r < rows; r++) {
        size_t head = r / d * d, k = r % d;
        memcpy(to + r * row_bytes, (unsigned char *)data + (head + k % 2 * (d / 2) + k / 2) * row_bytes, row_bytes);
    }
    memcpy(data, other, rows * row_bytes);
}

/* Elements [first, first + count) of a side, counted over its tensors, as bytes or as values. */
static bb_status read_side(const bb_compare_row *r, bool second, uint64_t first, size_t count, bool bytes, buffers *b,
                           bb_error *err) {
    const bb_compare_side *s = second ? &r->b : &r->a;
    const bb_dtype *type = s->t[0]->type;
    uint64_t each = s->t[0]->elements;
    unsigned char *raw = b->raw[second];
    double *value = b->value[second];
    if (s->coded && !bytes) {
        bb_status status = bb_coded_read(s->coded, first, count, value, err);
        if (status != BB_OK) return status;
    }
    for (size_t done = s->coded && !bytes ? count : 0; done < count;) {
        const bb_tensor *t = s->t[(first + done) / each];
        uint64_t at = (first + done) % each, left = each - at;
        size_t n = left < count - done ? (size_t)left : count - done;
        bb_status status =
            bytes ? bb_tensor_read_raw(s->file, t, at, n, raw + done / type->block * type->block_bytes, err)
                  : bb_tensor_read(s->file, t, at, n, NULL, value + done, err);
        if (status != BB_OK) return status;
        done += n;
    }
    if (r->head_rows && !is_gguf(s)) {
        uint64_t rows = dim(s, 0), cols = values_of(s) / s->n / rows;
        size_t row_bytes = bytes ? (size_t)(cols / type->block * type->block_bytes) : (size_t)cols * sizeof *value;
        interleave(bytes ? (void *)raw : (void *)value, b->other, (size_t)(count / cols), row_bytes,
                   (size_t)r->head_rows);
    }
    return BB_OK;
}

/* ---- a pair ---- */

static void progressed(const job *j, uint64_t elements) {
    if (j->progress) atomic_fetch_add(&j->progress->done, elements);
}

static uint64_t elements_of(const bb_compare_row *r) {
    const bb_compare_side *s = r->a.n ? &r->a : &r->b;
    return s->t[0]->elements * s->n;
}

/* Up to where the bytes of both are the same. */
static bb_status same_bytes(job *j, const bb_compare_row *r, buffers *b, uint64_t *upto, bb_error *err) {
    const bb_dtype *type = r->a.t[0]->type;
    uint64_t n = elements_of(r);
    for (uint64_t at = 0; at < n; at += b->slab) {
        size_t count = n - at < b->slab ? (size_t)(n - at) : b->slab;
        if (stopped(j)) return BB_E_CANCELLED;
        bb_status s = read_side(r, false, at, count, true, b, err);
        if (s == BB_OK) s = read_side(r, true, at, count, true, b, err);
        if (s != BB_OK) return s;
        *upto = at;
        if (memcmp(b->raw[0], b->raw[1], count / type->block * type->block_bytes) != 0) return BB_OK;
        progressed(j, count);
    }
    *upto = n;
    return BB_OK;
}

/* Equal, both NaN included. */
static bool all_equal(const double *a, const double *b, size_t n) {
    bool same = true;
    for (size_t i = 0; i < n; i++) same &= !(a[i] < b[i]) && !(a[i] > b[i]) && isnan(a[i]) == isnan(b[i]);
    return same;
}

/* Values that are not finite have no error: they are alike, or the error is infinite. */
static void note_nonfinite(bb_compare_row *r) {
    if (!r->nonfinite[0] && !r->nonfinite[1]) return;
    add_note(r, "values not finite: %" PRIu64 " in A, %" PRIu64 " in B", r->nonfinite[0], r->nonfinite[1]);
    if (!r->unmatched) return;
    r->error.rel = r->error.max_abs = (double)INFINITY;
    r->error.sqnr_db = -(double)INFINITY;
    r->error.cosine = r->error.mean = r->error.sd = (double)NAN;
}

static void count_nonfinite(bb_compare_row *r, const double *a, const double *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bool x = isfinite(a[i]), y = isfinite(b[i]);
        if (x && y) continue;
        r->nonfinite[0] += !x;
        r->nonfinite[1] += !y;
        r->unmatched |= !all_equal(&a[i], &b[i], 1);
    }
}

static const bb_error_stats no_error = {.sqnr_db = (double)INFINITY, .cosine = 1};

/* Every value; the first `known` elements of the files were told as progress already. */
static bb_status measure(job *j, bb_compare_row *r, buffers *b, uint64_t known, bb_error *err) {
    uint64_t n = values_of(&r->a);
    bb_error_sum sum;
    bool same = true, coded = r->a.coded || r->b.coded;
    bb_error_sum_init(&sum);
    for (uint64_t at = 0; at < n; at += b->slab) {
        size_t count = n - at < b->slab ? (size_t)(n - at) : b->slab;
        if (stopped(j)) return BB_E_CANCELLED;
        bb_status s = read_side(r, false, at, count, false, b, err);
        if (s == BB_OK) s = read_side(r, true, at, count, false, b, err);
        if (s != BB_OK) return s;
        bb_error_sum_add(&sum, b->value[0], b->value[1], count);
        same &= all_equal(b->value[0], b->value[1], count);
        count_nonfinite(r, b->value[0], b->value[1], count);
        if (!coded && at >= known) progressed(j, count);
    }
    if (coded) progressed(j, elements_of(r) - known); /* of which there may be fewer than values */
    if (n)
        bb_error_sum_result(&sum, &r->error);
    else
        r->error = no_error;
    r->same = same ? BB_SAME_VALUES : BB_SAME_NO;
    r->measured = true;
    for (size_t i = 0; i < 2; i++) {
        const bb_coded *c = (i ? &r->b : &r->a)->coded;
        if (c) add_note(r, "%s: %s times its scales", i ? "B" : "A", c->name);
    }
    note_nonfinite(r);
    return BB_OK;
}

static void shape_text(const bb_compare_side *s, char *buf, size_t size) {
    size_t used = 0;
    buf[0] = '\0';
    for (uint32_t k = 0; k < dims_of(s) && used < size; k++) {
        int n = snprintf(buf + used, size - used, "%s%llu", k ? "x" : "", (unsigned long long)dim(s, k));
        used += n > 0 ? (size_t)n : 0;
    }
}

/* Why the values of a pair cannot be compared; false when they can. */
static bool incomparable(const bb_compare_row *r, char *why, size_t size) {
    char reason[96], x[40], y[40];
    const bb_compare_side *sides[2] = {&r->a, &r->b};
    for (size_t i = 0; i < 2; i++) {
        const bb_compare_side *s = sides[i];
        bool columns = s->file->column_major && s->t[0]->rows > 1 && s->t[0]->cols > 1;
        if (!columns && !bb_tensor_unreadable(s->t[0], reason, sizeof reason)) continue;
        snprintf(why, size, "%s: %s", i ? "B" : "A", columns ? "it lies column by column" : reason);
        return true;
    }
    if (same_shape(r)) return false;
    shape_text(&r->a, x, sizeof x);
    shape_text(&r->b, y, sizeof y);
    snprintf(why, size, "shape %s against %s", x, y);
    return true;
}

/* Slabs that hold whole heads. */
static bool slab_of(const bb_compare_row *r, size_t *slab) {
    uint64_t unit, rows = dims_of(&r->a) ? dim(&r->a, 0) : 1;
    *slab = SLAB;
    if (!r->head_rows) return true;
    if (!rows || rows % r->head_rows || r->head_rows % 2) return false;
    if (!bb_mul_u64(values_of(&r->a) / rows, r->head_rows, &unit) || unit > HEAD_MAX) return false;
    *slab = unit >= SLAB ? (size_t)unit : (size_t)(SLAB / unit * unit);
    return true;
}

static bool buffers_new(const bb_compare_row *r, buffers *b) {
    uint64_t x = values_of(&r->a), y = values_of(&r->b), n = x > y ? x : y;
    if (b->slab > n) b->slab = (size_t)n;
    for (size_t i = 0; i < 2; i++) {
        const bb_dtype *t = (i ? &r->b : &r->a)->t[0]->type;
        b->raw[i] = bb_alloc(t ? b->slab / t->block : 0, t ? t->block_bytes : 1);
        b->value[i] = bb_alloc(b->slab, sizeof **b->value);
    }
    b->other = bb_alloc(r->head_rows ? b->slab : 0, sizeof(double));
    return b->raw[0] && b->raw[1] && b->value[0] && b->value[1] && b->other;
}

static void buffers_free(buffers *b) {
    for (size_t i = 0; i < 2; i++) {
        free(b->raw[i]);
        free(b->value[i]);
    }
    free(b->other);
}

static bb_status compare_values(job *j, bb_compare_row *r, bool unread, bb_error *err) {
    const bb_tensor *a = r->a.t[0], *b = r->b.t[0];
    buffers buf = {0};
    uint64_t upto = 0, n = elements_of(r);
    bb_status s = BB_OK;
    if (!uniform(&r->a) || !uniform(&r->b) || !slab_of(r, &buf.slab)) {
        snprintf(r->note, sizeof r->note, "its parts are not alike");
        return BB_OK;
    }
    if (!buffers_new(r, &buf)) s = bb_fail(err, BB_E_NOMEM, "out of memory");
    bool alike = a->type && a->type == b->type && !a->type->row_bytes && same_shape(r) &&
                 r->a.file->column_major == r->b.file->column_major && !r->a.coded == !r->b.coded;
    if (s == BB_OK && alike) s = same_bytes(j, r, &buf, &upto, err);
    if (s == BB_OK && alike && upto == n && bb_coded_same_scales(r->a.coded, r->b.coded)) {
        r->same = BB_SAME_BYTES;
        r->measured = true;
        r->error = no_error;
        r->error.n = values_of(&r->a);
    } else if (s == BB_OK && unread)
        snprintf(r->note, sizeof r->note, "codes with scales of their own that are not read");
    else if (s == BB_OK && !incomparable(r, r->note, sizeof r->note))
        s = measure(j, r, &buf, upto, err);
    buffers_free(&buf);
    return s;
}

/* Codes of a checkpoint that are not alone. */
static bb_status open_codes(bb_compare_side *s, bool *unread, bb_error *err) {
    bool unknown = false;
    if (is_gguf(s)) return BB_OK;
    bb_status status = bb_coded_open(s->file, s->t[0], &s->coded, &unknown, err);
    if (status == BB_OK && s->n > 1 && s->coded) { /* experts that the other file keeps as one */
        bb_coded_free(s->coded);
        s->coded = NULL;
        unknown = true;
    }
    *unread |= unknown;
    return status;
}

static bb_status compare(job *j, bb_compare_row *r, bb_error *err) {
    bool unread = false;
    if (r->transposed) return BB_OK;
    bb_status s = open_codes(&r->a, &unread, err);
    if (s == BB_OK) s = open_codes(&r->b, &unread, err);
    if (s == BB_OK) s = compare_values(j, r, unread, err);
    bb_coded_free(r->a.coded);
    bb_coded_free(r->b.coded);
    r->a.coded = r->b.coded = NULL;
    return s;
}

static void work(void *ctx, size_t i) {
    job *j = ctx;
    bb_compare_row *r = &j->r->rows[i];
    bb_error err = {0};
    if (stopped(j)) return;
    if (!r->a.n || !r->b.n) {
        progressed(j, elements_of(r));
        return;
    }
    bb_status s = compare(j, r, &err);
    if (s != BB_OK && s != BB_E_CANCELLED) fail(j, i, s, &err);
}

/* ---- metadata ---- */

/* A number is the same when its bytes are: NaN too, and -0 is not 0. */
static bool same_number(const double *a, const double *b, size_t n) {
    return memcmp((const void *)a, (const void *)b, n * sizeof *a) == 0;
}

/* *known is false for arrays of which only type and length are. */
static bool same_value(const bb_meta *a, const bb_meta *b, bool *known) {
    *known = true;
    if (a->kind != b->kind || strcmp(a->type_in_file, b->type_in_file) != 0) return false;
    switch (a->kind) {
    case BB_META_U64:
    case BB_META_I64:
        return a->v.u64 == b->v.u64;
    case BB_META_F64:
        return same_number(&a->v.f64, &b->v.f64, 1);
    case BB_META_BOOL:
        return a->v.b == b->v.b;
    case BB_META_TEXT:
        return a->v.text.len == b->v.text.len && memcmp(a->v.text.data, b->v.text.data, a->v.text.len) == 0;
    case BB_META_ARRAY:
        break;
    }
    if (a->v.array.count != b->v.array.count || strcmp(a->v.array.element_in_file, b->v.array.element_in_file) != 0)
        return false;
    if (a->v.array.numbers && b->v.array.numbers)
        return same_number(a->v.array.numbers, b->v.array.numbers, (size_t)a->v.array.count);
    *known = a->v.array.count == 0;
    return true;
}

static bb_status compare_keys(bb_compare_report *r, bb_error *err) {
    const bb_file *a = r->a->file, *b = r->b->file;
    r->keys_compared = strcmp(a->format, b->format) == 0 && (a->n_meta || b->n_meta);
    if (!r->keys_compared) return BB_OK;
    if (!(r->keys = bb_alloc(a->n_meta + b->n_meta, sizeof *r->keys))) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < a->n_meta; i++) {
        const bb_meta *x = &a->meta[i], *y = bb_file_meta(b, x->key);
        bool known = true;
        if (!y || !same_value(x, y, &known)) r->keys[r->n_keys++] = (bb_compare_key){x, y};
        r->by_length += !known;
    }
    for (size_t i = 0; i < b->n_meta; i++)
        if (!bb_file_meta(a, b->meta[i].key)) r->keys[r->n_keys++] = (bb_compare_key){NULL, &b->meta[i]};
    return BB_OK;
}

/* ---- all of it ---- */

static void count(bb_compare_report *r) {
    for (size_t i = 0; i < r->n_rows; i++) {
        const bb_compare_row *w = &r->rows[i];
        const bb_compare_side *sides[2] = {&w->a, &w->b};
        if (!w->a.n || !w->b.n) continue;
        for (size_t k = 0; k < 2; k++)
            for (size_t e = 0; e < sides[k]->n; e++) r->bytes += sides[k]->t[e]->bytes;
        r->same_bytes += w->same == BB_SAME_BYTES;
        r->same_values += w->same == BB_SAME_VALUES;
        r->different += w->same == BB_SAME_NO;
        r->unmeasured += w->same == BB_SAME_NO && !w->measured;
    }
}

static bb_status run(bb_compare_report *r, unsigned threads, bb_progress *progress, bb_error *err) {
    bb_pool *pool = NULL;
    uint64_t total = 0;
    bb_status s = bb_pool_new(threads, &pool);
    if (s != BB_OK) return bb_fail(err, s, "%s", bb_status_text(s));
    job j = {.r = r, .progress = progress, .lock = PTHREAD_MUTEX_INITIALIZER};
    atomic_init(&j.stop, false);
    for (size_t i = 0; i < r->n_rows; i++) total += elements_of(&r->rows[i]);
    if (progress) {
        snprintf(progress->what, sizeof progress->what, "comparing");
        atomic_store(&progress->total, total);
    }
    bb_pool_run(pool, r->n_rows, work, &j);
    bb_pool_free(pool);
    pthread_mutex_destroy(&j.lock);
    if (j.status != BB_OK && err) *err = j.err;
    if (j.status == BB_OK && progress && atomic_load(&progress->cancel))
        return bb_fail(err, BB_E_CANCELLED, "cancelled");
    return j.status;
}

static bb_status compare_models(const bb_model *a, const bb_model *b, const bb_compare_opts *opts,
                                bb_progress *progress, bb_compare_report *report, bb_error *err) {
    bb_compare_report r = {.a = a, .b = b};
    bb_status s = bb_compare_pairs(&r, opts->only, err);
    if (s == BB_OK) s = compare_keys(&r, err);
    if (s == BB_OK) s = run(&r, opts->threads, progress, err);
    if (s != BB_OK) {
        bb_compare_report_clear(&r);
        return s;
    }
    count(&r);
    *report = r;
    return BB_OK;
}

bb_status bb_compare_study(const bb_model *a, const bb_model *b, const bb_compare_opts *opts, bb_progress *progress,
                           bb_compare_report *report, bb_error *err) {
    fenv_t saved;
    bb_fp_enter(&saved);
    bb_status status = compare_models(a, b, opts, progress, report, err);
    bb_fp_leave(&saved);
    return status;
}

void bb_compare_report_clear(bb_compare_report *report) {
    free(report->rows);
    free(report->keys);
    free(report->refs);
    *report = (bb_compare_report){0};
}
