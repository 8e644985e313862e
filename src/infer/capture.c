/* SPDX-License-Identifier: GPL-3.0-or-later */
/* capture.c - keeping the inputs of matrices while a text runs; writing them as arrays and as an imatrix. */
#include "infer/capture.h"
#include "base/checked.h"
#include "base/folder_sink.h"
#include "base/mem.h"
#include "base/str.h"
#include "file/gguf_write.h"
#include "file/npy_write.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    bool seen, shares; /* shares: the rows are those of `same` */
    size_t same;
    size_t cols, kept;
    uint64_t count, step; /* rows that came; each step-th is kept */
    float *rows;          /* [rows_max][cols] */
    double *squares;      /* [cols] */
} entry;

struct bb_capture {
    size_t rows_max;
    entry *entries; /* [n] by linear */
    size_t n, cap;
    size_t last; /* linear of the call before, and its x */
    const float *last_x;
    bb_status status;
};

bb_status bb_capture_new(size_t rows_max, bb_capture **capture) {
    bb_capture *c = bb_alloc(1, sizeof *c);
    if (!c) return BB_E_NOMEM;
    c->rows_max = rows_max;
    *capture = c;
    return BB_OK;
}

void bb_capture_free(bb_capture *c) {
    if (!c) return;
    for (size_t i = 0; i < c->n; i++) {
        free(c->entries[i].rows);
        free(c->entries[i].squares);
    }
    free(c->entries);
    free(c);
}

bb_status bb_capture_status(const bb_capture *c) { return c->status; }

/* ---- while a text runs ---- */

/* Every other of the kept rows goes, the first stays. */
static void thin_out(entry *e) {
    for (size_t i = 1; 2 * i < e->kept; i++)
        memcpy(e->rows + i * e->cols, e->rows + 2 * i * e->cols, e->cols * sizeof *e->rows);
    e->kept = (e->kept + 1) / 2;
    e->step *= 2;
}

static void take_row(bb_capture *c, entry *e, const float *x) {
    uint64_t number = e->count++;
    for (size_t i = 0; i < e->cols; i++) e->squares[i] += (double)x[i] * (double)x[i];
    if (c->rows_max == 0 || number % e->step) return;
    if (e->kept == c->rows_max) thin_out(e);
    if (number % e->step || e->kept == c->rows_max) return;
    memcpy(e->rows + e->kept++ * e->cols, x, e->cols * sizeof *x);
}

static bb_status begin_entry(bb_capture *c, size_t linear, size_t cols, bool shares) {
    size_t n;
    while (c->n <= linear) {
        if (!bb_grow((void **)&c->entries, c->n, &c->cap, sizeof *c->entries)) return BB_E_NOMEM;
        c->entries[c->n++] = (entry){0};
    }
    entry *e = &c->entries[linear];
    if (e->seen) return BB_OK;
    *e = (entry){.seen = true, .shares = shares, .same = linear, .cols = cols, .step = 1};
    if (shares) {
        e->same = c->entries[c->last].same;
        return BB_OK;
    }
    if (!bb_mul_size(c->rows_max, cols, &n)) return BB_E_NOMEM;
    e->squares = bb_alloc(cols, sizeof *e->squares);
    if (n) e->rows = bb_alloc(n, sizeof *e->rows);
    return e->squares && (e->rows || !n) ? BB_OK : BB_E_NOMEM;
}

void bb_capture_tap(void *ctx, size_t linear, const float *x, size_t tokens, size_t cols) {
    bb_capture *c = ctx;
    if (c->status) return;
    c->status = begin_entry(c, linear, cols, c->last_x == x);
    c->last = linear;
    c->last_x = x;
    entry *e = c->status ? NULL : &c->entries[linear];
    for (size_t t = 0; e && !e->shares && t < tokens; t++) take_row(c, e, x + t * cols);
}

/* ---- what came ---- */

static const entry *find(const bb_capture *c, size_t linear) {
    if (c->status || linear >= c->n || !c->entries[linear].seen) return NULL;
    return &c->entries[c->entries[linear].same];
}

const float *bb_capture_rows(const bb_capture *capture, size_t linear, size_t *rows, size_t *cols) {
    const entry *e = find(capture, linear);
    if (!e || !e->kept) return NULL;
    *rows = e->kept;
    *cols = e->cols;
    return e->rows;
}

const double *bb_capture_squares(const bb_capture *capture, size_t linear, size_t *cols, uint64_t *count) {
    const entry *e = find(capture, linear);
    if (!e) return NULL;
    *cols = e->cols;
    *count = e->count;
    return e->squares;
}

static bb_status check(const bb_capture *c, bb_error *err) {
    if (c->status) return bb_fail(err, c->status, "no memory for the inputs of a text");
    for (size_t i = 0; i < c->n; i++)
        if (c->entries[i].seen) return BB_OK;
    return bb_fail(err, BB_E_VALUE, "no inputs were captured: no text has run");
}

/* ---- NAME.npy ---- */

static bb_folder_entry_kind kind_of(const char *name) {
    return bb_ends_with(name, ".weight.npy") ? BB_ENTRY_SURE : BB_ENTRY_FOREIGN;
}

static bb_status write_array(const bb_capture *c, const bb_infer *infer, size_t linear, bb_folder_sink *folder,
                             bb_error *err) {
    char name[96];
    size_t rows, cols;
    uint64_t bytes = 0;
    const float *x = bb_capture_rows(c, linear, &rows, &cols);
    bb_sink *sink;
    if (!x) return BB_OK;
    (void)snprintf(name, sizeof name, "%s.npy", bb_infer_linear(infer, linear)->name);
    (void)bb_npy_bytes(rows, cols, &bytes);
    bb_status st = bb_folder_file(folder, name, bytes, &sink, err);
    if (st) return st;
    st = bb_npy_write(sink, x, rows, cols, err);
    if (!st) return bb_sink_commit(sink, err);
    bb_sink_abandon(sink);
    return st;
}

bb_status bb_capture_write_npy(const bb_capture *capture, const bb_infer *infer, const char *folder, bool force,
                               bb_error *err) {
    uint64_t bytes, all = 0;
    size_t rows, cols;
    bb_folder_sink *sink;
    bb_status st = check(capture, err);
    for (size_t i = 0; i < capture->n && !st; i++)
        if (bb_capture_rows(capture, i, &rows, &cols) &&
            (!bb_npy_bytes(rows, cols, &bytes) || !bb_add_u64(all, bytes, &all)))
            st = bb_fail(err, BB_E_OVERFLOW, "the arrays are too large");
    if (!st && all == 0) st = bb_fail(err, BB_E_VALUE, "no rows of inputs were kept");
    if (!st) st = bb_folder_open(folder, all, force, kind_of, &sink, err);
    if (st) return st;
    for (size_t i = 0; i < capture->n && !st; i++) st = write_array(capture, infer, i, sink, err);
    if (!st) return bb_folder_commit(sink, err);
    bb_folder_abandon(sink);
    return st;
}

/* ---- an imatrix (llama.cpp v0.5.0, tools/imatrix/imatrix.cpp, IMatrixCollector::save_imatrix) ---- */

/* Of each linear two tensors: NAME.in_sum2 [cols][1], NAME.counts [1][1]. */
static bb_status describe(const bb_capture *c, const bb_infer *infer, size_t linear, bb_gguf_out *out, bb_error *err) {
    char name[96];
    size_t cols;
    uint64_t count;
    const double *squares = bb_capture_squares(c, linear, &cols, &count);
    const bb_dtype *f32 = bb_dtype_find("f32", NULL);
    const char *of = bb_infer_linear(infer, linear)->name;
    for (size_t i = 0; i < cols; i++)
        if (!isfinite((float)squares[i]))
            return bb_fail(err, BB_E_INVALID,
                           "the inputs of '%s' hold values that are NaN, infinite or too large: channel %zu", of, i);
    (void)snprintf(name, sizeof name, "%s.in_sum2", of);
    bb_status st = bb_gguf_out_tensor(out, name, 2, (const uint64_t[]){cols, 1}, f32, err);
    (void)snprintf(name, sizeof name, "%s.counts", of);
    return st ? st : bb_gguf_out_tensor(out, name, 2, (const uint64_t[]){1, 1}, f32, err);
}

static bb_status write_sums(const bb_capture *c, size_t linear, const bb_gguf_out *out, size_t tensor, bb_sink *sink,
                            bb_error *err) {
    size_t cols;
    uint64_t count;
    const double *squares = bb_capture_squares(c, linear, &cols, &count);
    float *sums = bb_alloc(cols + 1, sizeof *sums);
    if (!sums) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < cols; i++) sums[i] = (float)squares[i];
    sums[cols] = (float)count;
    bb_status st = bb_sink_write(sink, bb_gguf_out_offset(out, tensor), sums, cols * sizeof *sums, err);
    if (!st) st = bb_sink_write(sink, bb_gguf_out_offset(out, tensor + 1), sums + cols, sizeof *sums, err);
    free(sums);
    return st;
}

static bb_status write_file(const bb_capture *c, const bb_gguf_out *out, const unsigned char *header, size_t n,
                            uint64_t bytes, const char *path, bool force, bb_error *err) {
    bb_sink *sink;
    bb_status st = bb_sink_open(path, bytes, force, &sink, err);
    if (st) return st;
    st = bb_sink_write(sink, 0, header, n, err);
    for (size_t i = 0, tensor = 0; i < c->n && !st; i++)
        if (c->entries[i].seen) {
            st = write_sums(c, i, out, tensor, sink, err);
            tensor += 2;
        }
    if (!st) return bb_sink_commit(sink, err);
    bb_sink_abandon(sink);
    return st;
}

bb_status bb_capture_write_imatrix(const bb_capture *capture, const bb_infer *infer, const char *dataset,
                                   uint64_t chunk_size, const char *path, bool force, bb_error *err) {
    bb_gguf_out *out = NULL;
    const unsigned char *header;
    size_t n;
    uint64_t bytes, most = 0;
    bb_status st = check(capture, err);
    if (!st && (chunk_size == 0 || chunk_size > UINT32_MAX))
        st = bb_fail(err, BB_E_ARG, "a chunk of %" PRIu64 " tokens", chunk_size);
    if (!st) st = bb_gguf_out_new(0, &out, err);
    for (size_t i = 0; i < capture->n && !st; i++) {
        const entry *e = find(capture, i);
        if (!e) continue;
        if (e->count > most) most = e->count;
        st = describe(capture, infer, i, out, err);
    }
    if (!st) {
        uint64_t chunks = most < chunk_size ? 1 : most / chunk_size; /* a text may be shorter than one */
        bool ok =
            bb_gguf_out_text(out, "general.type", "imatrix") == BB_OK &&
            bb_gguf_out_texts(out, "imatrix.datasets", &dataset, 1) == BB_OK &&
            bb_gguf_out_u32(out, "imatrix.chunk_count", chunks > UINT32_MAX ? UINT32_MAX : (uint32_t)chunks) == BB_OK &&
            bb_gguf_out_u32(out, "imatrix.chunk_size", (uint32_t)chunk_size) == BB_OK;
        if (!ok) st = bb_fail(err, BB_E_NOMEM, "no memory for the keys of an imatrix");
    }
    if (!st) st = bb_gguf_out_seal(out, &header, &n, &bytes, err);
    if (!st) st = write_file(capture, out, header, n, bytes, path, force, err);
    bb_gguf_out_free(out);
    return st;
}
