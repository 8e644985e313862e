/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tensor_rows.c - reading elements of a tensor whatever its storage type. */
#include "study/tensor_rows.h"
#include "base/mem.h"
#include "format/format.h"
#include "quant/quant.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bb_tensor_unreadable(const bb_tensor *t, char *why, size_t size) {
    if (!t->type)
        snprintf(why, size, "its type is unknown");
    else if ((t->type->block > 1 || t->type->row_bytes) && !bb_codec_find(t->type, BB_ISA_AUTO))
        snprintf(why, size, "%s rows cannot be decoded", t->type->name);
    else if (t->type->block == 1 && (strcmp(t->type->name, "bool") == 0 || strcmp(t->type->name, "c64") == 0))
        snprintf(why, size, "%s holds no real numbers", t->type->name);
    else
        return false;
    return true;
}

/* The tensor as rows of one block each: no type that a file has keeps more with a row than its blocks. */
static bb_tensor flat(const bb_tensor *t) {
    bb_tensor f = *t;
    f.cols = t->type->block;
    f.rows = t->elements / t->type->block;
    return f;
}

bb_status bb_tensor_read_raw(const bb_file *file, const bb_tensor *t, uint64_t first, size_t count, unsigned char *raw,
                             bb_error *err) {
    if (!t->type || t->type->row_bytes) return bb_fail(err, BB_E_UNSUPPORTED, "a tensor of unknown layout");
    bb_tensor f = flat(t);
    return bb_file_read_raw(file, &f, first / f.cols, count / f.cols, raw, err);
}

static bb_status read_blocks(const bb_file *file, const bb_tensor *t, uint64_t first, size_t count, float *x,
                             bb_error *err) {
    unsigned char *raw = bb_alloc(count / t->type->block, t->type->block_bytes);
    if (!raw) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status status = bb_tensor_read_raw(file, t, first, count, raw, err);
    if (status == BB_OK && (status = bb_dequantize_rows(t->type, raw, 1, count, x)) != BB_OK)
        status = bb_fail(err, status, "%s rows cannot be decoded", t->type->name);
    free(raw);
    return status;
}

bool bb_dtype_wide(const bb_dtype *t) {
    static const char *const wide[] = {"f64", "i64", "u64", "i32", "u32"};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (strcmp(t->name, wide[i]) == 0) return true;
    return false;
}

/* One little-endian element; 64-bit integers beyond 2^53 round to the nearest double. */
static double wide_element(const bb_dtype *t, const unsigned char *p) {
    uint64_t u = 0, sign = t->block_bytes == 4 ? 1ull << 31 : 1ull << 63;
    for (uint32_t i = t->block_bytes; i-- > 0;) u = u << 8 | p[i];
    if (t->name[0] == 'f') return bb_format_decode(bb_format_find("fp64", NULL), u);
    return t->name[0] == 'i' ? (double)(int64_t)((u ^ sign) - sign) : (double)u;
}

static bb_status read_wide(const bb_file *file, const bb_tensor *t, uint64_t first, size_t count, float *x, double *ref,
                           bb_error *err) {
    unsigned char *raw = bb_alloc(count, t->type->block_bytes);
    if (!raw) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status status = bb_tensor_read_raw(file, t, first, count, raw, err);
    for (size_t i = 0; i < count && status == BB_OK; i++) {
        double v = wide_element(t->type, raw + i * t->type->block_bytes);
        if (ref) ref[i] = v;
        if (x) x[i] = (float)v;
    }
    free(raw);
    return status;
}

bb_status bb_tensor_read(const bb_file *file, const bb_tensor *t, uint64_t first, size_t count, float *x, double *ref,
                         bb_error *err) {
    if (file->column_major && t->rows > 1 && t->cols > 1)
        return bb_fail(err, BB_E_UNSUPPORTED, "it lies in the file column by column (Fortran order)");
    if (bb_dtype_wide(t->type)) return read_wide(file, t, first, count, x, ref, err);
    float *own = x ? NULL : bb_alloc(count, sizeof *own), *to = x ? x : own;
    bb_tensor f = flat(t);
    if (!to) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status status = t->type->block == 1 && !bb_codec_find(t->type, BB_ISA_AUTO)
                           ? bb_file_read_rows(file, &f, first, count, to, err)
                           : read_blocks(file, t, first, count, to, err);
    for (size_t i = 0; ref && i < count && status == BB_OK; i++) ref[i] = (double)to[i];
    free(own);
    return status;
}
