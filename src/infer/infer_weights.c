/* SPDX-License-Identifier: GPL-3.0-or-later */
/* infer_weights.c - weights from the file to what a kernel reads: decoded, quantized, packed, a tensor at a time. */
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "infer/infer_parts.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_ELEMENTS = 1 << 20, CHUNK_ELEMENTS = 1 << 15 }; /* read at a time; what one worker takes of it */

static bool decodes(const bb_dtype *t) {
    const bb_codec *c = bb_codec_find(t, BB_ISA_AUTO);
    return c && c->decode;
}

/* ---- reading ---- */

/* `rows` rows of `size` bytes, heads of `head` rows each, in the order of bb_converted. */
static bb_status turn_rows(unsigned char *data, uint64_t rows, size_t size, uint64_t head, bb_error *err) {
    bb_converted order = {.head_rows = head};
    if (!head) return BB_OK;
    unsigned char *old = bb_alloc((size_t)head, size);
    if (!old) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (uint64_t first = 0; first + head <= rows; first += head) {
        unsigned char *at = data + (size_t)first * size;
        memcpy(old, at, (size_t)head * size);
        for (uint64_t r = 0; r < head; r++)
            memcpy(at + (size_t)r * size, old + (size_t)bb_converted_row(&order, r) * size, size);
    }
    free(old);
    return BB_OK;
}

/* In the order of the file. */
static bb_status read_values(const bb_infer *f, const bb_tensor *t, uint64_t first, uint64_t count, float *x,
                             bb_error *err) {
    uint64_t row;
    size_t bytes;
    if (!decodes(t->type)) return bb_file_read_rows(f->file, t, first, count, x, err);
    if (bb_dtype_row_bytes(t->type, t->cols, &row) != BB_OK || !bb_mul_size((size_t)row, (size_t)count, &bytes))
        return bb_fail(err, BB_E_OVERFLOW, "a tensor is too large");
    unsigned char *raw = bb_alloc(bytes, 1);
    if (!raw) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status st = bb_file_read_raw(f->file, t, first, count, raw, err);
    if (!st) {
        st = bb_dequantize_rows_as(t->type, raw, (size_t)count, (size_t)t->cols, f->opts.isa, x);
        if (st) bb_fail_text(err, st, "a tensor of type %s cannot be decoded", t->type->name);
    }
    free(raw);
    return st;
}

bb_status bb_origin_read(const bb_infer *f, const bb_origin *o, uint64_t first, uint64_t count, float *x,
                         bb_error *err) {
    const bb_tensor *t = o->tensor;
    bb_status st = read_values(f, t, first, count, x, err);
    if (st || !o->head_rows) return st;
    if (t->n_dims == 1) return turn_rows((unsigned char *)x, t->cols, sizeof *x, o->head_rows, err);
    return turn_rows((unsigned char *)x, count, (size_t)t->cols * sizeof *x, o->head_rows, err);
}

/* ---- a matrix in a type ---- */

/* Rows of a matrix while they become `type`. */
typedef struct coding {
    const bb_dtype *type;
    const bb_quant_opts *opts;
    const float *x;
    unsigned char *out;
    size_t rows, cols, row_bytes, chunk;
} coding;

static void encode_chunk(void *ctx, size_t i) {
    const coding *c = ctx;
    size_t first = i * c->chunk, left = c->rows - first, n = left < c->chunk ? left : c->chunk;
    (void)bb_quantize_rows_as(c->type, c->x + first * c->cols, n, c->cols, NULL, c->opts,
                              c->out + first * c->row_bytes);
}

static bb_status can_hold(const bb_origin *o, const bb_dtype *type, bb_error *err) {
    const bb_codec *codec = bb_codec_find(type, BB_ISA_AUTO);
    char shown[160];
    uint64_t row;
    if (!codec || !codec->encode)
        return bb_fail(err, BB_E_UNSUPPORTED, "values cannot be quantized to %s here", type->name);
    if (bb_dtype_row_bytes(type, o->tensor->cols, &row) == BB_OK) return BB_OK;
    return bb_fail(err, BB_E_UNSUPPORTED, "'%s' has rows of %" PRIu64 ", which blocks of %u of %s do not divide",
                   bb_escape_buf(o->tensor->name, shown, sizeof shown), o->tensor->cols, type->block, type->name);
}

static bb_status encode(const bb_infer *f, const bb_origin *o, coding *c, bb_error *err) {
    const bb_tensor *t = o->tensor;
    uint64_t unit = o->head_rows ? o->head_rows : 1, slab = SLAB_ELEMENTS / (t->cols * unit) * unit;
    if (slab == 0) slab = unit;
    if (slab > t->rows) slab = t->rows;
    float *x = bb_alloc((size_t)slab, c->cols * sizeof *x); /* no overflow: a part of c->out in another type */
    bb_status st = x ? BB_OK : bb_fail(err, BB_E_NOMEM, "out of memory");
    unsigned char *out = c->out;
    for (uint64_t first = 0; first < t->rows && !st; first += slab) {
        uint64_t left = t->rows - first;
        c->rows = (size_t)(left < slab ? left : slab);
        st = bb_origin_read(f, o, first, c->rows, x, err);
        if (st) break;
        c->x = x;
        c->out = out + (size_t)first * c->row_bytes;
        size_t chunks = c->rows / c->chunk + (c->rows % c->chunk != 0);
        if (f->opts.pool && chunks > 1)
            bb_pool_run(f->opts.pool, chunks, encode_chunk, c);
        else
            for (size_t i = 0; i < chunks; i++) encode_chunk(c, i);
    }
    c->out = out;
    free(x);
    return st;
}

/* All rows of a matrix as `type` stores them, NULL = its own: a block of memory. */
static bb_status rows_in_type(const bb_infer *f, const bb_origin *o, const bb_dtype *type, unsigned char **rows,
                              size_t *row_bytes, bb_error *err) {
    const bb_tensor *t = o->tensor;
    const bb_dtype *as = type ? type : t->type;
    bb_quant_opts opts = {.isa = f->opts.isa};
    uint64_t row;
    size_t bytes;
    bb_status st = type ? can_hold(o, type, err) : BB_OK;
    if (st) return st;
    if (t->cols > SIZE_MAX / sizeof(float) || bb_dtype_row_bytes(as, t->cols, &row) != BB_OK ||
        !bb_mul_size((size_t)row, (size_t)t->rows, &bytes))
        return bb_fail(err, BB_E_OVERFLOW, "a matrix is too large");
    unsigned char *out = bb_alloc_aligned(bytes, 1);
    if (!out) return bb_fail(err, BB_E_NOMEM, "no memory for a matrix of %zu bytes", bytes);
    if (type) {
        coding c = {.type = type, .opts = &opts, .out = out, .cols = (size_t)t->cols, .row_bytes = (size_t)row};
        c.chunk = CHUNK_ELEMENTS / c.cols ? CHUNK_ELEMENTS / c.cols : 1;
        st = encode(f, o, &c, err);
    } else {
        st = bb_file_read_raw(f->file, t, 0, t->rows, out, err);
        if (!st) st = turn_rows(out, t->rows, (size_t)row, o->head_rows, err);
    }
    if (st) {
        free(out);
        return st;
    }
    *rows = out;
    *row_bytes = (size_t)row;
    return BB_OK;
}

/* The same values in fp32. */
static bb_status widen(const bb_infer *f, const bb_dtype *type, size_t rows, size_t cols, unsigned char **data,
                       bb_error *err) {
    size_t n;
    float *x = bb_mul_size(rows, cols, &n) ? bb_alloc_aligned(n, sizeof *x) : NULL;
    if (!x) return bb_fail(err, BB_E_NOMEM, "no memory for the values of a matrix");
    bb_status st = bb_dequantize_rows_as(type, *data, rows, cols, f->opts.isa, x);
    if (st) {
        free(x);
        return bb_fail(err, st, "values of type %s cannot be decoded", type->name);
    }
    free(*data);
    *data = (unsigned char *)x;
    return BB_OK;
}

static bb_status pack(bb_infer *f, bb_infer_matrix *m, const bb_dtype *type, bb_infer_use use, bb_error *err) {
    const bb_dtype *as = type ? type : m->origin.tensor->type;
    size_t rows = (size_t)m->linear.rows, cols = (size_t)m->linear.cols, row_bytes;
    unsigned char *data;
    bb_packed *packed = NULL;
    bb_status st = rows_in_type(f, &m->origin, type, &data, &row_bytes, err);
    if (st) return st;
    /* without a kernel of its own a type is decoded while it is packed */
    if (use == BB_USE_VALUES && !bb_kernel_widens(as)) {
        st = widen(f, as, rows, cols, &data, err);
        as = bb_dtype_find("f32", NULL);
    }
    if (!st) st = bb_pack_as(as, data, rows, cols, f->opts.pool, &packed, err);
    free(data);
    if (st) return st;
    bb_packed_free(m->packed);
    m->packed = packed;
    return BB_OK;
}

/* ---- what infer.h promises ---- */

bb_status bb_infer_set(bb_infer *infer, size_t linear, const bb_dtype *t, bb_infer_use use, bb_error *err) {
    if (linear >= infer->n_matrices) return bb_fail(err, BB_E_ARG, "there is no matrix %zu", linear);
    return pack(infer, &infer->matrices[linear], t, use, err);
}

bb_status bb_infer_set_embedding(bb_infer *infer, const bb_dtype *t, bb_error *err) {
    const bb_origin *o = &infer->embedding.origin;
    const bb_dtype *as = t ? t : o->tensor->type;
    unsigned char *rows;
    size_t row_bytes;
    char shown[64];
    if (!decodes(as))
        return bb_fail(err, BB_E_UNSUPPORTED, "an embedding of type %s cannot be decoded",
                       bb_escape_buf(as->name, shown, sizeof shown));
    bb_status st = rows_in_type(infer, o, t, &rows, &row_bytes, err);
    if (st) return st;
    free(infer->embedding.rows);
    infer->embedding.rows = rows;
    infer->embedding.row_bytes = row_bytes;
    infer->embedding.type = as;
    return BB_OK;
}

bb_status bb_infer_load(bb_infer *f, bb_error *err) {
    static const char *const plain[] = {"f32", "f16", "bf16"};
    bb_status st = bb_infer_set_embedding(f, NULL, err);
    for (size_t i = 0; i < f->n_matrices && !st; i++) {
        bb_infer_use use = BB_USE_KERNEL;
        for (size_t k = 0; k < sizeof plain / sizeof *plain; k++)
            if (strcmp(f->matrices[i].origin.tensor->type->name, plain[k]) == 0) use = BB_USE_VALUES;
        st = pack(f, &f->matrices[i], NULL, use, err);
    }
    return st;
}
