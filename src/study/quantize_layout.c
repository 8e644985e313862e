/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_layout.c - the files of a quantized model before a byte of it is computed: headers, offsets, slices. */
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "study/quantize_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUANTIZATION_VERSION = 2, /* GGML_QNT_VERSION of ggml 0.25.1 */ NOTE_MAX = 127, FILES_MAX = 65535 };

static bb_status sizes(bb_quantize_job *job, bb_error *err) {
    uint64_t all = 0, source = 0;
    for (size_t i = 0; i < job->n; i++) {
        bb_quantize_row *r = &job->rows[i];
        uint64_t row;
        bb_status status = bb_dtype_row_bytes(r->to, job->places[i].cols, &row);
        if (status != BB_OK || !bb_mul_u64(row, job->places[i].rows, &r->bytes) || !bb_add_u64(all, r->bytes, &all) ||
            !bb_add_u64(source, r->from_bytes, &source))
            return bb_fail(err, status != BB_OK ? status : BB_E_OVERFLOW, "tensor '%s' does not fit %s", r->name,
                           r->to->name);
    }
    job->source_bytes = source;
    return BB_OK;
}

/* ---- parts of a split ---- */

/* A new part begins before the tensor that would make it larger than the limit; one tensor may be larger alone. */
static bb_status split(bb_quantize_job *job, bb_error *err) {
    uint64_t limit = job->opts.split_max_bytes, in_part = 0;
    size_t part = 0;
    for (size_t i = 0; i < job->n && limit; i++) {
        if (in_part && (job->rows[i].bytes > limit || in_part > limit - job->rows[i].bytes)) {
            part++;
            in_part = 0;
        }
        in_part += job->rows[i].bytes;
        job->places[i].file = part;
    }
    job->n_files = 1;
    for (size_t i = 0; i < job->n; i++)
        if (job->places[i].file >= job->n_files) job->n_files = job->places[i].file + 1;
    if (job->n_files > FILES_MAX)
        return bb_fail(err, BB_E_LIMIT, "the split has %zu parts, at most %d can be numbered", job->n_files, FILES_MAX);
    return BB_OK;
}

/* ---- metadata ---- */

static bool keep_key(void *ctx, const char *key) {
    (void)ctx;
    return strncmp(key, "split.", 6) != 0;
}

/* Beside the weights llama-quantize notes where the importance came from (quantize.cpp: quantize.imatrix.*). */
static bb_status imatrix_keys(const bb_quantize_job *job, bb_gguf_out *g) {
    char note[NOTE_MAX + 1];
    const bb_imatrix *m = job->opts.imatrix;
    snprintf(note, sizeof note, "%s", job->opts.imatrix_path ? job->opts.imatrix_path : "");
    bb_status status = bb_gguf_out_text(g, "quantize.imatrix.file", note);
    snprintf(note, sizeof note, "%s", bb_imatrix_dataset(m));
    if (status == BB_OK && *note) status = bb_gguf_out_text(g, "quantize.imatrix.dataset", note);
    if (status == BB_OK) status = bb_gguf_out_u32(g, "quantize.imatrix.entries_count", (uint32_t)bb_imatrix_count(m));
    if (status == BB_OK && bb_imatrix_chunks(m))
        status = bb_gguf_out_u32(g, "quantize.imatrix.chunks_count", (uint32_t)bb_imatrix_chunks(m));
    return status;
}

static bb_status first_keys(bb_quantize_job *job, bb_gguf_out *g, bb_error *err) {
    const bb_model *m = job->model;
    bb_status status =
        job->conversion.t ? bb_convert_keys(m->arch, job->config, job->config_bytes, m->called, job->opts.vocab, g, err)
                          : bb_gguf_out_copy(g, m->file, keep_key, NULL, err);
    if (status != BB_OK) return status;
    status = bb_gguf_out_u32(g, "general.quantization_version", QUANTIZATION_VERSION);
    if (status == BB_OK) status = bb_gguf_out_u32(g, "general.file_type", (uint32_t)job->ftype.number);
    if (status == BB_OK && job->opts.imatrix) status = imatrix_keys(job, g);
    return status == BB_OK ? BB_OK : bb_fail(err, status, "%s", bb_status_text(status));
}

static bb_status split_keys(const bb_quantize_job *job, size_t part, bb_gguf_out *g, bb_error *err) {
    if (job->n_files == 1) return BB_OK;
    bb_status status = bb_gguf_out_u16(g, "split.no", (uint16_t)part);
    if (status == BB_OK) status = bb_gguf_out_u16(g, "split.count", (uint16_t)job->n_files);
    if (status == BB_OK) status = bb_gguf_out_i32(g, "split.tensors.count", (int32_t)job->n);
    return status == BB_OK ? BB_OK : bb_fail(err, status, "%s", bb_status_text(status));
}

static bb_status one_file(bb_quantize_job *job, size_t part, bb_error *err) {
    bb_status status = bb_gguf_out_new(0, &job->files[part], err);
    bb_gguf_out *g = job->files[part];
    if (status == BB_OK && part == 0) status = first_keys(job, g, err);
    if (status == BB_OK) status = split_keys(job, part, g, err);
    for (size_t i = 0; i < job->n && status == BB_OK; i++) {
        if (job->places[i].file != part) continue;
        const char *name = job->conversion.t ? job->rows[i].name : job->places[i].only->name;
        status = bb_gguf_out_tensor(g, name, job->rows[i].n_dims, job->rows[i].dims, job->rows[i].to, err);
    }
    if (status == BB_OK)
        status = bb_gguf_out_seal(g, &job->headers[part], &job->header_bytes[part], &job->file_bytes[part], err);
    if (status != BB_OK) return status;
    size_t k = 0, last = SIZE_MAX;
    for (size_t i = 0; i < job->n; i++) {
        bb_quantize_place *p = &job->places[i];
        if (p->file != part) continue;
        p->offset = bb_gguf_out_offset(g, k++);
        if (last != SIZE_MAX) job->places[last].padded = p->offset - job->places[last].offset;
        last = i;
    }
    if (last != SIZE_MAX) job->places[last].padded = job->file_bytes[part] - job->places[last].offset;
    return BB_OK;
}

/* ---- slices ---- */

static bb_status slices(bb_quantize_job *job, bb_error *err) {
    uint64_t n = 0;
    for (size_t i = 0; i < job->n; i++) {
        bb_quantize_place *p = &job->places[i];
        const bb_quantize_row *r = &job->rows[i];
        p->first = n;
        if (p->turned || p->importance) {
            p->slice_rows = p->cols ? BB_SLICE_ELEMENTS / p->cols : 1;
            if (p->importance && p->slice_rows > p->importance_rows) p->slice_rows = p->importance_rows;
            if (p->slice_rows == 0) p->slice_rows = 1;
            /* no slice reaches over two experts */
            uint64_t unit = p->importance ? p->importance_rows : p->rows;
            uint64_t per = unit / p->slice_rows + (unit % p->slice_rows != 0);
            p->slices = unit ? p->rows / unit * per : 0;
        } else {
            uint64_t each = p->n_sources ? r->elements / p->n_sources : r->elements;
            p->slice_elements = BB_SLICE_ELEMENTS;
            p->slices =
                (p->n_sources ? p->n_sources : 1) * (each / BB_SLICE_ELEMENTS + (each % BB_SLICE_ELEMENTS != 0));
        }
        if (!bb_add_u64(n, p->slices, &n)) return bb_fail(err, BB_E_OVERFLOW, "too many elements");
    }
    if (n > SIZE_MAX) return bb_fail(err, BB_E_OVERFLOW, "too many elements");
    job->slices = n;
    return BB_OK;
}

bb_status bb_quantize_layout(bb_quantize_job *job, bb_error *err) {
    bb_status status = sizes(job, err);
    if (status == BB_OK) status = split(job, err);
    if (status != BB_OK) return status;
    job->files = bb_alloc(job->n_files, sizeof *job->files);
    job->headers = bb_alloc(job->n_files, sizeof *job->headers);
    job->header_bytes = bb_alloc(job->n_files, sizeof *job->header_bytes);
    job->file_bytes = bb_alloc(job->n_files, sizeof *job->file_bytes);
    if (!job->files || !job->headers || !job->header_bytes || !job->file_bytes)
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t part = 0; part < job->n_files && status == BB_OK; part++) status = one_file(job, part, err);
    uint64_t sum = 0;
    for (size_t part = 0; part < job->n_files && status == BB_OK; part++)
        if (!bb_add_u64(sum, job->file_bytes[part], &sum))
            status = bb_fail(err, BB_E_OVERFLOW, "the files are too large");
    return status == BB_OK ? slices(job, err) : status;
}

void bb_quantize_layout_clear(bb_quantize_job *job) {
    for (size_t i = 0; job->files && i < job->n_files; i++) bb_gguf_out_free(job->files[i]);
    free(job->files);
    free(job->headers);
    free(job->header_bytes);
    free(job->file_bytes);
    job->files = NULL;
    job->headers = NULL;
    job->header_bytes = NULL;
    job->file_bytes = NULL;
    job->n_files = 0;
}
