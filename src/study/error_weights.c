/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_weights.c - the weights' own error, in the slices and sums of `quantize`, so that both tell the same figures.
 */
#include "base/checked.h"
#include "base/mem.h"
#include "measure/measure.h"
#include "quant/codec_int4.h"
#include "study/error_parts.h"
#include "study/folder_parts.h"
#include "study/quantize_parts.h"
#include "study/tensor_rows.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- a matrix of the file ---- */

bb_status bb_error_matrix_open(const bb_file *file, const bb_tensor *t, bb_error_matrix *m, bool *unread,
                               bb_error *err) {
    *m = (bb_error_matrix){.file = file, .t = t, .rows = t->rows, .cols = t->cols};
    bool flat = t->n_dims > 2 && strcmp(bb_file_format(file), "gguf") != 0 && t->dims[0] > 0;
    if (flat) {
        m->rows = t->dims[0];
        m->cols = t->elements / t->dims[0];
    }
    m->wide = t->type && bb_dtype_wide(t->type);
    bb_status status = bb_coded_open(file, t, &m->coded, unread, err);
    if (status == BB_OK && m->coded) {
        m->rows = m->coded->rows;
        m->cols = m->coded->cols;
        m->wide = false;
    }
    return status;
}

void bb_error_matrix_close(bb_error_matrix *m) {
    bb_coded_free(m->coded);
    m->coded = NULL;
}

bb_status bb_error_matrix_read(const bb_error_matrix *m, uint64_t first, size_t count, float *x, double *ref,
                               bb_error *err) {
    if (!m->coded) return bb_tensor_read(m->file, m->t, first, count, x, ref, err);
    bb_status status = bb_coded_read(m->coded, first, count, ref, err);
    for (size_t i = 0; status == BB_OK && i < count; i++) x[i] = (float)ref[i];
    return status;
}

bb_status bb_error_encode(const bb_error_type *type, const bb_error_range *range, const float *x, size_t rows,
                          size_t cols, bb_isa isa, void *out) {
    if (type->per_tensor && strcmp(type->dtype->name, "int8") == 0) {
        bb_int8_grid grid = bb_int8_symmetric(range->low, range->high);
        bb_int8_rows(x, rows, cols, &grid, isa, out);
        return BB_OK;
    }
    if (type->per_tensor) {
        float scale = bb_int4_scale(range->low, range->high);
        bb_int4_rows(x, rows, cols, &scale, out);
        return BB_OK;
    }
    const bb_quant_opts how = {.isa = isa};
    return bb_quantize_rows_as(type->dtype, x, rows, cols, NULL, &how, out);
}

/* ---- slices ---- */

typedef struct slice_result {
    bb_error_sum sum;
    bb_error_range range;
    bb_error_odd odd;
} slice_result;

typedef struct job {
    const bb_error_run *run;
    const bb_error_matrix *m;
    const bb_error_type *type;
    const bb_error_range *range; /* of the whole, once it is known; NULL while it is looked for */
    bool looking;
    uint64_t elements, slice;
    bool whole_rows; /* slices are */
    size_t slices, parts, out_bytes;
    slice_result *results; /* [slices] */
    bb_status *status;     /* [parts] */
    bb_error *errors;      /* [parts] */
} job;

typedef struct buffers {
    float *x, *clean, *back;
    double *ref;
    unsigned char *out;
} buffers;

static bool finite_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (u & 0x7F800000) != 0x7F800000;
}

/* A copy in which 0 stands for what is not finite; what there is of that. */
static void make_finite(const float *x, size_t n, uint64_t first, uint64_t cols, float *clean, bb_error_odd *odd) {
    *odd = (bb_error_odd){0};
    for (size_t i = 0; i < n; i++) {
        bool fine = finite_bits(x[i]);
        clean[i] = fine ? x[i] : 0;
        if (!fine && !odd->count++) {
            odd->row = (first + i) / cols;
            odd->col = (first + i) % cols;
            odd->value = (double)x[i];
        }
    }
}

static bb_status do_slice(const job *j, size_t i, const buffers *b, bb_error *err) {
    const bb_error_matrix *m = j->m;
    slice_result *r = &j->results[i];
    uint64_t first = i * j->slice, left = j->elements - first;
    size_t n = (size_t)(left < j->slice ? left : j->slice);
    bb_isa isa = j->run->o->isa;
    bb_status status = bb_error_matrix_read(m, first, n, b->x, b->ref, err);
    if (status != BB_OK) return status;
    make_finite(b->x, n, first, m->cols, b->clean, &r->odd);
    if (j->looking) {
        bb_int8_range(b->clean, n, isa, &r->range.low, &r->range.high);
        return BB_OK;
    }
    /* of blocks, and of codes on one scale, a slice may end within a row: they are the same */
    size_t rows = 1, cols = n;
    if (j->whole_rows && m->cols) {
        cols = (size_t)m->cols;
        rows = n / cols;
    }
    status = bb_error_encode(j->type, j->range, b->clean, rows, cols, isa, b->out);
    if (status == BB_OK) status = bb_dequantize_rows_as(j->type->dtype, b->out, rows, cols, isa, b->back);
    if (status != BB_OK) return bb_fail(err, status, "%s", bb_status_text(status));
    bb_error_sum_init(&r->sum);
    if (m->wide)
        bb_error_sum_add_f32(&r->sum, b->ref, b->back, n);
    else
        bb_error_sum_add_slab_as(&r->sum, b->x, b->back, n, isa);
    bb_error_advance(j->run, n);
    return BB_OK;
}

/* Every parts-th slice. */
static void do_part(void *ctx, size_t part) {
    const job *j = ctx;
    size_t n = (size_t)j->slice;
    buffers b = {bb_alloc(n, sizeof *b.x), bb_alloc(n, sizeof *b.clean), bb_alloc(n, sizeof *b.back), NULL, NULL};
    if (j->m->wide || j->m->coded) b.ref = bb_alloc(n, sizeof *b.ref);
    b.out = bb_alloc(j->out_bytes, 1);
    bb_status status = b.x && b.clean && b.back && b.out && (b.ref || !(j->m->wide || j->m->coded))
                           ? BB_OK
                           : bb_fail(&j->errors[part], BB_E_NOMEM, "out of memory");
    for (size_t i = part; i < j->slices && status == BB_OK; i += j->parts) {
        if (bb_error_cancelled(j->run))
            status = bb_fail(&j->errors[part], BB_E_CANCELLED, "cancelled");
        else
            status = do_slice(j, i, &b, &j->errors[part]);
    }
    j->status[part] = status;
    free(b.x);
    free(b.clean);
    free(b.back);
    free(b.ref);
    free(b.out);
}

static bb_status do_all(job *j, bb_error *err) {
    bb_pool_run(j->run->pool, j->parts, do_part, j);
    for (size_t i = 0; i < j->parts; i++)
        if (j->status[i] != BB_OK) {
            if (err) *err = j->errors[i];
            return j->status[i];
        }
    return BB_OK;
}

static void take_results(const job *j, bb_error_row *row) {
    bb_error_sum sum;
    bb_error_sum_init(&sum);
    for (size_t i = 0; i < j->slices; i++) {
        const bb_error_odd *odd = &j->results[i].odd;
        bb_error_sum_merge(&sum, &j->results[i].sum);
        if (odd->count && !row->odd_weights.count) {
            row->odd_weights = *odd;
            row->odd_weights.count = 0;
        }
        row->odd_weights.count += odd->count;
    }
    bb_error_sum_result(&sum, &row->weight);
}

static bb_status both_passes(job *j, bb_error_row *row, bb_error_range *range, bb_error *err) {
    *range = (bb_error_range){0};
    bb_status status = BB_OK;
    if (j->type->per_tensor) {
        j->looking = true;
        status = do_all(j, err);
        for (size_t i = 0; i < j->slices; i++) {
            const bb_error_range *r = &j->results[i].range;
            range->low = r->low < range->low ? r->low : range->low;
            range->high = r->high > range->high ? r->high : range->high;
        }
        j->looking = false;
    }
    j->range = range;
    if (status == BB_OK) status = do_all(j, err);
    if (status == BB_OK) take_results(j, row);
    return status;
}

/* What a checkpoint's folder is written in has its slabs, GGUF's types have the slices of their file. */
static bb_status cut(job *j, bb_error *err) {
    const bb_dtype *t = j->type->dtype;
    uint64_t cols = j->m->cols, bytes;
    j->whole_rows = t->row_bytes && !j->type->per_tensor;
    j->slice = t->gguf_id == BB_NO_GGUF_ID ? BB_FOLDER_SLAB : BB_SLICE_ELEMENTS;
    if (j->whole_rows) j->slice = j->slice < cols ? cols : j->slice / cols * cols;
    if (j->slice > j->elements) j->slice = j->elements;
    uint64_t row = j->whole_rows ? cols : j->slice, rows = j->slice / row;
    bb_status status = bb_dtype_row_bytes(t, row, &bytes);
    if (status != BB_OK || !bb_mul_u64(bytes, rows, &bytes) || bytes > SIZE_MAX)
        return bb_fail(err, status != BB_OK ? status : BB_E_OVERFLOW, "rows too long");
    uint64_t slices = j->elements / j->slice + (j->elements % j->slice != 0), threads = bb_pool_threads(j->run->pool);
    if (slices > SIZE_MAX) return bb_fail(err, BB_E_OVERFLOW, "too many elements");
    j->out_bytes = (size_t)bytes;
    j->slices = (size_t)slices;
    j->parts = (size_t)(slices < threads ? slices : threads);
    return BB_OK;
}

bb_status bb_error_weights(const bb_error_run *run, const bb_error_matrix *m, bb_error_row *row, bb_error_range *range,
                           bb_error *err) {
    job j = {.run = run, .m = m, .type = row->type, .elements = m->rows * m->cols};
    bb_status status = cut(&j, err);
    if (status != BB_OK) return status;
    j.results = bb_alloc(j.slices, sizeof *j.results);
    j.status = bb_alloc(j.parts, sizeof *j.status);
    j.errors = bb_alloc(j.parts, sizeof *j.errors);
    status = j.results && j.status && j.errors ? both_passes(&j, row, range, err)
                                               : bb_fail(err, BB_E_NOMEM, "out of memory");
    free(j.results);
    free(j.status);
    free(j.errors);
    return status;
}
