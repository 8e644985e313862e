/* SPDX-License-Identifier: GPL-3.0-or-later */
/* safetensors.c - the header of a safetensors file (format: the safetensors README and tensor.rs). */
#include "base/checked.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/mem.h"
#include "file/file_parts.h"
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 32 << 20 };

typedef struct reader {
    bb_file *f;
    const char *path;
    size_t cap_tensors;
} reader;

static bb_status bad(const reader *r, const char *name, const char *what, bb_error *err) {
    char shown[160];
    return bb_fail(err, BB_E_INVALID, "%s: tensor '%s': %s", r->path, bb_escape_buf(name, shown, sizeof shown), what);
}

/* jansson reads 2.0 as a number that bb_json_u64 accepts; a shape holds integers only. */
static bool whole(const bb_json *v, uint64_t *n) { return bb_json_is_integer(v) && bb_json_u64(v, n); }

static bb_status add_meta(reader *r, const bb_json *value, bb_error *err) {
    bb_file *f = r->f;
    bb_status status = BB_OK;
    if (!bb_json_is_object(value)) return bb_fail(err, BB_E_INVALID, "%s: __metadata__ is no object", r->path);
    size_t n = bb_json_size(value);
    for (bb_json_iter it = bb_json_first(value); it.key; it = bb_json_next(value, it)) {
        const char *text = bb_json_text(it.value);
        if (!text) return bb_fail(err, BB_E_INVALID, "%s: __metadata__ holds something else than texts", r->path);
        if (!f->meta && !(f->meta = bb_alloc(n, sizeof *f->meta))) return bb_file_no_memory(f, BB_E_NOMEM, err);
        bb_meta *m = &f->meta[f->n_meta];
        *m = (bb_meta){.kind = BB_META_TEXT, .type_in_file = "str"};
        m->v.text.len = strlen(text);
        if (!(m->key = bb_file_text(f, it.key, strlen(it.key), &status)) ||
            !(m->v.text.data = bb_file_text(f, text, m->v.text.len, &status)))
            return bb_file_no_memory(f, status, err);
        f->n_meta++;
    }
    return BB_OK;
}

static bb_status add_tensor(void *ctx, const char *name, const bb_json *v, bb_error *err) {
    reader *r = ctx;
    bb_file *f = r->f;
    bb_status status = BB_OK;
    if (strcmp(name, "__metadata__") == 0) return add_meta(r, v, err);
    if (!*name) return bb_fail(err, BB_E_INVALID, "%s: a tensor without a name", r->path);
    if (!bb_json_is_object(v)) return bad(r, name, "expected an object with dtype, shape and data_offsets", err);
    const char *dtype = bb_json_text(bb_json_get(v, "dtype"));
    const bb_json *shape = bb_json_get(v, "shape"), *offsets = bb_json_get(v, "data_offsets");
    uint64_t from, to;
    if (!dtype || !*dtype) return bad(r, name, "dtype is missing or no text", err);
    if (!shape || !bb_json_is_array(shape)) return bad(r, name, "shape is missing or no list", err);
    if (bb_json_size(v) != 3) return bad(r, name, "has other members than dtype, shape and data_offsets", err);
    if (!offsets || !bb_json_is_array(offsets) || bb_json_size(offsets) != 2 || !whole(bb_json_at(offsets, 0), &from) ||
        !whole(bb_json_at(offsets, 1), &to) || from > to)
        return bad(r, name, "data_offsets must be two integers, the first not above the second", err);
    for (const char *p = dtype; *p; p++)
        if (*p >= 'a' && *p <= 'z') return bad(r, name, "its dtype is written in lower case", err);
    if (!bb_grow((void **)&f->tensors, f->n_tensors, &r->cap_tensors, sizeof *f->tensors))
        return bb_file_no_memory(f, BB_E_NOMEM, err);
    bb_tensor t = {.n_dims = (uint32_t)bb_json_size(shape), .bytes = to - from};
    uint64_t *dims = bb_file_alloc(f, t.n_dims ? t.n_dims : 1, sizeof *dims, &status);
    if (!dims) return bb_file_no_memory(f, status, err);
    for (uint32_t i = 0; i < t.n_dims; i++)
        if (!whole(bb_json_at(shape, i), &dims[i]))
            return bad(r, name, "shape must hold integers that are not negative", err);
    t.dims = dims;
    if (bb_tensor_shape(&t, false) != BB_OK)
        return bb_fail(err, BB_E_OVERFLOW, "%s: a tensor has more than 2^63 elements", r->path);
    t.type = bb_dtype_from_safetensors(dtype);
    if (!(t.name = bb_file_text(f, name, strlen(name), &status)) || !(t.type_in_file = bb_file_word(f, dtype, &status)))
        return bb_file_no_memory(f, status, err);
    char shown[160];
    bb_escape_buf(name, shown, sizeof shown);
    if (t.type) {
        uint64_t bytes;
        if (!bb_mul_u64(t.elements, t.type->block_bytes, &bytes) || bytes != to - from)
            return bb_fail(err, BB_E_INVALID,
                           "%s: tensor '%s': %llu elements of %s do not take the %llu bytes of its data_offsets",
                           r->path, shown, (unsigned long long)t.elements, dtype, (unsigned long long)(to - from));
    } else {
        char type[64];
        bb_file_warn(f, "tensor '%s' has dtype '%s', which is not known: its bytes are those of its data_offsets",
                     shown, bb_escape_buf(dtype, type, sizeof type));
    }
    if (!bb_add_u64(from, f->data_offset, &t.offset)) return bad(r, name, "data_offsets pass 2^64", err);
    f->tensors[f->n_tensors++] = t;
    return BB_OK;
}

bb_status bb_safetensors_read(bb_file *f, bb_error *err) {
    reader r = {.f = f, .path = bb_source_path(f->src)};
    unsigned char raw[8];
    uint64_t size = bb_source_size(f->src), length = 0, end = 0;
    f->format = "safetensors";
    bb_status status = bb_source_read(f->src, 0, raw, sizeof raw, err);
    if (status != BB_OK) return status;
    for (int i = 7; i >= 0; i--) length = length << 8 | raw[i];
    if (length > HEADER_MAX)
        return bb_fail(err, BB_E_LIMIT, "%s: its header has %llu bytes, at most %d are read", r.path,
                       (unsigned long long)length, HEADER_MAX);
    if (length > size - 8)
        return bb_fail(err, BB_E_TRUNCATED,
                       "%s: its header has %llu bytes, but the file has only %llu after the length", r.path,
                       (unsigned long long)length, (unsigned long long)(size - 8));
    f->data_offset = 8 + length;
    char *text = bb_alloc((size_t)length + 1, 1);
    if (!text) return bb_file_no_memory(f, BB_E_NOMEM, err);
    status = bb_source_read(f->src, 8, text, (size_t)length, err);
    if (status == BB_OK) status = bb_json_each(text, (size_t)length, r.path, HEADER_MAX, add_tensor, &r, err);
    free(text);
    if (status != BB_OK) return status;
    bool gaps, ordered;
    end = f->data_offset;
    if ((status = bb_file_check_extents(f, &gaps, &ordered, &end, err)) != BB_OK) return status;
    if (gaps) return bb_fail(err, BB_E_INVALID, "%s: there are bytes between the tensors that belong to none", r.path);
    if (end != size)
        return bb_fail(err, BB_E_INVALID, "%s: %llu bytes after the last tensor belong to none", r.path,
                       (unsigned long long)(size - end));
    return bb_file_index_keys(f, err);
}
