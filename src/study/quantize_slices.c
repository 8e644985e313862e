/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_slices.c - which elements a slice holds, and reading them. */
#include "study/quantize_parts.h"
#include <string.h>

/* n raw bytes of a tensor from `at` on. */
static bb_status raw_bytes(const bb_quantize_job *job, const bb_tensor *t, uint64_t at, void *out, size_t n,
                           bb_error *err) {
    return bb_source_read(job->model->file->parts[t->part].src, t->offset + at, out, n, err);
}

/* Whole rows, each from where the interleaving of its head has it. */
static bb_status turned_rows(const bb_quantize_job *job, size_t row, uint64_t first, size_t count, unsigned char *raw,
                             bb_error *err) {
    const bb_quantize_place *p = &job->places[row];
    uint64_t row_bytes = bb_blocks_bytes(job->rows[row].from, p->cols);
    bb_status status = BB_OK;
    for (uint64_t i = first / p->cols; i < (first + count) / p->cols && status == BB_OK; i++, raw += row_bytes)
        status =
            raw_bytes(job, p->source[0], bb_converted_row(p->converted, i) * row_bytes, raw, (size_t)row_bytes, err);
    return status;
}

bb_status bb_quantize_read(const bb_quantize_job *job, size_t row, uint64_t first, size_t count, unsigned char *raw,
                           float *x, bb_error *err) {
    const bb_quantize_place *p = &job->places[row];
    const bb_dtype *from = job->rows[row].from;
    if (p->n_sources == 0) {
        memcpy(x, p->made + first, count * sizeof *x);
        memcpy(raw, x, count * sizeof *x);
        return BB_OK;
    }
    uint64_t each = job->rows[row].elements / p->n_sources;
    bb_status status = p->turned ? turned_rows(job, row, first, count, raw, err)
                                 : raw_bytes(job, p->source[first / each], bb_blocks_bytes(from, first % each), raw,
                                             (size_t)bb_blocks_bytes(from, count), err);
    if (status != BB_OK || !bb_codec_find(from, BB_ISA_SCALAR)) return status; /* only its bytes are wanted */
    status = bb_dequantize_rows_as(from, raw, 1, count, job->opts.quant.isa, x);
    return status == BB_OK ? BB_OK : bb_fail(err, status, "%s", bb_status_text(status));
}

static size_t row_of_slice(const bb_quantize_job *job, uint64_t i) {
    size_t low = 0, high = job->n; /* the last tensor whose first slice is not behind i, and that has slices */
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (job->places[mid].first <= i)
            low = mid;
        else
            high = mid;
    }
    return low;
}

bb_quantize_slice bb_quantize_find_slice(const bb_quantize_job *job, uint64_t i) {
    bb_quantize_slice s = {.row = row_of_slice(job, i)};
    const bb_quantize_place *p = &job->places[s.row];
    s.number = i - p->first;
    if (p->slice_rows) {
        uint64_t unit = p->importance ? p->importance_rows : p->rows;
        uint64_t per = unit / p->slice_rows + (unit % p->slice_rows != 0);
        uint64_t in_unit = s.number % per * p->slice_rows, left = unit - in_unit;
        s.first = (s.number / per * unit + in_unit) * p->cols;
        s.count = (size_t)((left < p->slice_rows ? left : p->slice_rows) * p->cols);
    } else {
        uint64_t each = job->rows[s.row].elements / (p->n_sources ? p->n_sources : 1);
        uint64_t per = each / p->slice_elements + (each % p->slice_elements != 0);
        uint64_t in_each = s.number % per * p->slice_elements, left = each - in_each;
        s.first = s.number / per * each + in_each;
        s.count = (size_t)(left < p->slice_elements ? left : p->slice_elements);
    }
    return s;
}

uint64_t bb_quantize_element(const bb_quantize_job *job, size_t row, uint64_t number) {
    const bb_quantize_place *p = &job->places[row];
    return number < p->slices ? bb_quantize_find_slice(job, p->first + number).first : job->rows[row].elements;
}
