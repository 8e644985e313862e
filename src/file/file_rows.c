/* SPDX-License-Identifier: GPL-3.0-or-later */
/* file_rows.c - reading rows of a tensor from the part that holds it. */
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "file/file.h"
#include "format/format.h"
#include "format/half.h"
#include <stdlib.h>
#include <string.h>

static bb_status rows_lie_together(const bb_file *file, const bb_tensor *t, bb_error *err) {
    char shown[160];
    if (!file->column_major || t->rows <= 1 || t->cols <= 1) return BB_OK;
    return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' lies in the file column by column (Fortran order)",
                   bb_escape_buf(t->name, shown, sizeof shown));
}

bb_status bb_file_read_raw(const bb_file *file, const bb_tensor *t, uint64_t first, uint64_t count, void *out,
                           bb_error *err) {
    uint64_t row, from, bytes;
    char shown[160];
    bb_escape_buf(t->name, shown, sizeof shown);
    if (!t->type) return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' has a type of unknown size", shown);
    bb_status status = rows_lie_together(file, t, err);
    if (status != BB_OK) return status;
    if (first > t->rows || count > t->rows - first)
        return bb_fail(err, BB_E_ARG, "tensor '%s' has %llu rows", shown, (unsigned long long)t->rows);
    status = bb_dtype_row_bytes(t->type, t->cols, &row);
    if (status != BB_OK)
        return bb_fail(err, status, "tensor '%s': rows of %llu elements", shown, (unsigned long long)t->cols);
    if (!bb_mul_u64(row, first, &from) || !bb_add_u64(from, t->offset, &from) || !bb_mul_u64(row, count, &bytes) ||
        bytes > SIZE_MAX)
        return bb_fail(err, BB_E_OVERFLOW, "tensor '%s': too many bytes", shown);
    return bb_source_read(file->parts[t->part].src, from, out, (size_t)bytes, err);
}

/* One element of a type that has no conversion of its own, at p. */
static float element(const char *type, const bb_format *format, const unsigned char *p, uint32_t bytes) {
    uint64_t u = 0;
    for (uint32_t i = bytes; i-- > 0;) u = u << 8 | p[i];
    if (format) return (float)bb_format_decode(format, u);
    if (type[0] == 'i' && bytes > 0) { /* sign extension */
        uint64_t sign = 1ull << (bytes * 8 - 1);
        return (float)(int64_t)((u ^ sign) - sign);
    }
    return (float)u;
}

static void elements(const bb_dtype *type, const bb_format *format, const unsigned char *p, size_t n, float *x) {
    if (strcmp(type->name, "f32") == 0)
        bb_f32_from_le_n(p, n, x);
    else if (strcmp(type->name, "f16") == 0)
        bb_f16_to_f32_n(p, n, BB_ISA_AUTO, x);
    else if (strcmp(type->name, "bf16") == 0)
        bb_bf16_to_f32_n(p, n, BB_ISA_AUTO, x);
    else
        for (size_t i = 0; i < n; i++) x[i] = element(type->name, format, p + i * type->block_bytes, type->block_bytes);
}

bb_status bb_file_read_rows(const bb_file *file, const bb_tensor *t, uint64_t first, uint64_t count, float *x,
                            bb_error *err) {
    char shown[160];
    const bb_dtype *type = t->type;
    if (!type || type->block != 1 || type->row_bytes || type->block_bytes > 8 || strcmp(type->name, "c64") == 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' is %s, whose rows are not plain numbers",
                       bb_escape_buf(t->name, shown, sizeof shown), type ? type->name : "of unknown type");
    bb_status status = rows_lie_together(file, t, err);
    if (status != BB_OK) return status;
    const bb_format *format = bb_format_find(type->name, NULL);
    if (format && format->kind == BB_KIND_INT) format = NULL;
    uint32_t bytes = type->block_bytes;
    size_t slab = 65536, total;
    if (count > SIZE_MAX || t->cols > SIZE_MAX || !bb_mul_size((size_t)count, (size_t)t->cols, &total))
        return bb_fail(err, BB_E_OVERFLOW, "tensor '%s': too many elements",
                       bb_escape_buf(t->name, shown, sizeof shown));
    if (first > t->rows || count > t->rows - first)
        return bb_fail(err, BB_E_ARG, "tensor '%s' has %llu rows", bb_escape_buf(t->name, shown, sizeof shown),
                       (unsigned long long)t->rows);
    bool in_place = strcmp(type->name, "f32") == 0;
    unsigned char *buf = bb_alloc(slab, bytes);
    if (!buf) return bb_fail(err, BB_E_NOMEM, "out of memory");
    uint64_t at = t->offset + first * t->cols * bytes; /* inside the file: the extent was checked */
    for (size_t done = 0; done < total && status == BB_OK;) {
        size_t n = total - done < slab ? total - done : slab;
        unsigned char *raw = in_place ? (unsigned char *)(x + done) : buf;
        status = bb_source_read(file->parts[t->part].src, at, raw, n * bytes, err);
        if (status == BB_OK) elements(type, format, raw, n, x + done);
        done += n;
        at += (uint64_t)n * bytes;
    }
    free(buf);
    return status;
}
