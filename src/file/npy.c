/* SPDX-License-Identifier: GPL-3.0-or-later */
/* npy.c - a NumPy array, versions 1 to 3 (format: numpy/lib/format.py). Its header is a literal of Python, which is
 * read here by its grammar and never evaluated. */
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "file/file_parts.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 1 << 20, DIMS_MAX = 64 /* NPY_MAXDIMS of NumPy 2 */, DESCR_MAX = 64 };

typedef struct reader {
    bb_file *f;
    const char *path;
    bb_error *err;
    const char *p, *end;
    char descr[DESCR_MAX];
    bool has_descr, has_order, has_shape, column_major;
    uint64_t dims[DIMS_MAX];
    uint32_t n_dims;
} reader;

static bb_status bad(const reader *r, const char *what) {
    return bb_fail(r->err, BB_E_INVALID, "%s: its NumPy header %s", r->path, what);
}

/* ---- the literal: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } ---- */

static void blanks(reader *r) {
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r')) r->p++;
}

static bool take(reader *r, char c) {
    blanks(r);
    if (r->p == r->end || *r->p != c) return false;
    r->p++;
    return true;
}

/* A text in either kind of quotes without escapes: no writer needs one here. */
static bb_status take_text(reader *r, char *out, size_t size) {
    blanks(r);
    if (r->p == r->end || (*r->p != '\'' && *r->p != '"')) return bad(r, "has something else where a text must stand");
    const char *from = r->p + 1, *to = memchr(from, *r->p, (size_t)(r->end - from));
    if (!to) return bad(r, "has a text that does not end");
    size_t n = (size_t)(to - from);
    if (n >= size || memchr(from, '\\', n) || memchr(from, 0, n)) return bad(r, "has a text that no dtype or key is");
    memcpy(out, from, n);
    out[n] = '\0';
    r->p = to + 1;
    return BB_OK;
}

static bool take_word(reader *r, const char *word) {
    size_t n = strlen(word);
    blanks(r);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0) return false;
    r->p += n;
    return true;
}

static bb_status take_size(reader *r, uint64_t *v) {
    blanks(r);
    const char *from = r->p;
    *v = 0;
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
        if (!bb_mul_u64(*v, 10, v) || !bb_add_u64(*v, (uint64_t)(*r->p - '0'), v))
            return bad(r, "has a dimension that passes 2^64");
    if (r->p == from) return bad(r, "has a shape that does not hold whole numbers from 0 on");
    if (r->p < r->end && *r->p == 'L') r->p++; /* as Python 2 wrote long ones */
    return BB_OK;
}

static bb_status take_shape(reader *r) {
    if (!take(r, '(')) return bad(r, "has a shape that is no tuple");
    bool comma = true;
    while (!take(r, ')')) {
        if (!comma) return bad(r, "has a shape without a comma between two numbers, or that does not close");
        if (r->n_dims == DIMS_MAX) return bad(r, "has a shape of more than 64 dimensions");
        bb_status status = take_size(r, &r->dims[r->n_dims++]);
        if (status != BB_OK) return status;
        comma = take(r, ',');
    }
    /* one number in brackets is a number, not a tuple */
    return r->n_dims == 1 && !comma ? bad(r, "has a shape that is no tuple") : BB_OK;
}

static bb_status take_descr(reader *r) {
    blanks(r);
    if (r->p < r->end && (*r->p == '[' || *r->p == '(')) {
        bb_fail(r->err, BB_E_UNSUPPORTED, "%s: is an array of structures, only arrays of numbers are read", r->path);
        return BB_E_UNSUPPORTED;
    }
    return take_text(r, r->descr, sizeof r->descr);
}

static bb_status take_entry(reader *r) {
    char key[DESCR_MAX];
    bool *has;
    bb_status status = take_text(r, key, sizeof key);
    if (status != BB_OK) return status;
    has = strcmp(key, "descr") == 0           ? &r->has_descr
          : strcmp(key, "fortran_order") == 0 ? &r->has_order
          : strcmp(key, "shape") == 0         ? &r->has_shape
                                              : NULL;
    if (!has) return bad(r, "has other keys than descr, fortran_order and shape");
    if (*has) return bad(r, "has a key twice");
    *has = true;
    if (!take(r, ':')) return bad(r, "lacks a ':' after a key");
    if (has == &r->has_descr) return take_descr(r);
    if (has == &r->has_shape) return take_shape(r);
    if (take_word(r, "True"))
        r->column_major = true;
    else if (!take_word(r, "False"))
        return bad(r, "has a fortran_order that is neither True nor False");
    return BB_OK;
}

static bb_status take_header(reader *r) {
    if (!take(r, '{')) return bad(r, "does not begin with '{'");
    bool comma = true;
    while (!take(r, '}')) {
        if (!comma) return bad(r, "lacks a ',' between two entries, or does not close");
        blanks(r);
        if (r->p == r->end) return bad(r, "does not close");
        bb_status status = take_entry(r);
        if (status != BB_OK) return status;
        comma = take(r, ',');
    }
    blanks(r);
    if (r->p < r->end) return bad(r, "goes on after its '}'");
    if (!r->has_descr || !r->has_order || !r->has_shape) return bad(r, "lacks one of descr, fortran_order and shape");
    return BB_OK;
}

/* ---- types ---- */

/* Byte order, kind letter and bytes of an element; of a date, what stands in [] is its unit. */
static bool split_descr(const char *descr, char *order, char *kind, uint64_t *bytes) {
    *order = *descr && strchr("<>|=", *descr) ? *descr++ : '=';
    *kind = *descr;
    if (!*descr || !strchr("biufcmMOSaUV?", *descr)) return false;
    descr++;
    uint64_t n = 0;
    size_t digits = 0;
    for (; *descr >= '0' && *descr <= '9'; descr++, digits++)
        if (!bb_mul_u64(n, 10, &n) || !bb_add_u64(n, (uint64_t)(*descr - '0'), &n)) return false;
    if (*kind == 'O') return true;
    if (*kind == '?' && !digits) n = digits = 1;
    if (!digits) return false;
    const char *unit = (*kind == 'm' || *kind == 'M') && *descr == '[' ? strchr(descr, ']') : NULL;
    if (unit) descr = unit + 1;
    return !*descr && bb_mul_u64(n, *kind == 'U' ? 4 : 1, bytes);
}

static const bb_dtype *type_of(char kind, uint64_t bytes) {
    static const struct {
        char kind;
        uint64_t bytes;
        const char *name;
    } types[] = {
        {'f', 2, "f16"}, {'f', 4, "f32"},  {'f', 8, "f64"},  {'i', 1, "i8"},  {'i', 2, "i16"},
        {'i', 4, "i32"}, {'i', 8, "i64"},  {'u', 1, "u8"},   {'u', 2, "u16"}, {'u', 4, "u32"},
        {'u', 8, "u64"}, {'b', 1, "bool"}, {'?', 1, "bool"}, {'c', 8, "c64"},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].kind == kind && types[i].bytes == bytes) return bb_dtype_find(types[i].name, NULL);
    return NULL;
}

static bb_status set_type(reader *r, bb_tensor *t, uint64_t *bytes) {
    char shown[96], order, kind;
    bb_status status = BB_OK;
    bb_escape_buf(r->descr, shown, sizeof shown);
    if (!split_descr(r->descr, &order, &kind, bytes))
        return bb_fail(r->err, BB_E_INVALID, "%s: '%s' is no dtype of NumPy", r->path, shown);
    if (kind == 'O')
        return bb_fail(r->err, BB_E_UNSUPPORTED,
                       "%s: is an array of Python objects, which are pickled: pickled code is never read here",
                       r->path);
    if (!(t->type_in_file = bb_file_word(r->f, r->descr, &status))) return bb_file_no_memory(r->f, status, r->err);
    t->type = type_of(kind, *bytes);
    if (order == '>' && *bytes > 1) t->type = NULL;
    if (!t->type)
        bb_file_warn(r->f, "dtype '%s' %s", shown,
                     order == '>' && type_of(kind, *bytes) ? "is big-endian: its numbers are not read"
                                                           : "is not known: its numbers are not read");
    return BB_OK;
}

static bb_status set_tensor(reader *r, uint64_t data) {
    bb_file *f = r->f;
    uint64_t each = 0, size = bb_source_size(f->src);
    bb_status status = BB_OK;
    f->tensors = bb_alloc(1, sizeof *f->tensors);
    uint64_t *dims = bb_file_alloc(f, r->n_dims ? r->n_dims : 1, sizeof *dims, &status);
    if (!f->tensors || !dims) return bb_file_no_memory(f, dims ? BB_E_NOMEM : status, r->err);
    memcpy(dims, r->dims, r->n_dims * sizeof *dims);
    bb_tensor t = {.name = "array", .n_dims = r->n_dims, .dims = dims, .offset = data};
    if (bb_tensor_shape(&t, false) != BB_OK)
        return bb_fail(r->err, BB_E_OVERFLOW, "%s: has more than 2^63 elements", r->path);
    if ((status = set_type(r, &t, &each)) != BB_OK) return status;
    if (!bb_mul_u64(t.elements, each, &t.bytes))
        return bb_fail(r->err, BB_E_OVERFLOW, "%s: has more than 2^64 bytes", r->path);
    if (t.bytes > size - data)
        return bb_fail(r->err, BB_E_TRUNCATED,
                       "%s: the array has %" PRIu64 " bytes, but only %" PRIu64 " follow its header", r->path, t.bytes,
                       size - data);
    if (t.bytes < size - data)
        bb_file_warn(f, "%" PRIu64 " bytes after the array belong to none", size - data - t.bytes);
    if (r->column_major) bb_file_warn(f, "the array lies column by column (Fortran order)");
    f->column_major = r->column_major;
    f->tensors[f->n_tensors++] = t;
    return BB_OK;
}

static bb_status set_meta(reader *r) {
    bb_file *f = r->f;
    bb_status status = BB_OK;
    f->meta = bb_alloc(1, sizeof *f->meta);
    if (!f->meta) return bb_file_no_memory(f, BB_E_NOMEM, r->err);
    bb_meta m = {.kind = BB_META_BOOL, .type_in_file = "bool"};
    m.v.b = r->column_major;
    if (!(m.key = bb_file_text(f, "fortran_order", strlen("fortran_order"), &status)))
        return bb_file_no_memory(f, status, r->err);
    f->meta[f->n_meta++] = m;
    return bb_file_index_keys(f, r->err);
}

/* Where the header begins and how long it is. */
static bb_status read_length(reader *r, uint64_t *from, uint64_t *length) {
    bb_file *f = r->f;
    unsigned char head[12] = {0};
    uint64_t size = bb_source_size(f->src);
    bb_status status = bb_source_read(f->src, 0, head, size < sizeof head ? (size_t)size : sizeof head, r->err);
    if (status != BB_OK) return status;
    f->version = head[6];
    if (size > 7 && (head[6] < 1 || head[6] > 3 || head[7] != 0))
        return bb_fail(r->err, BB_E_INVALID, "%s: version %u.%u of the npy format is none of 1.0, 2.0 and 3.0", r->path,
                       head[6], head[7]);
    *from = head[6] == 1 ? 10 : 12;
    if (size < *from)
        return bb_fail(r->err, BB_E_TRUNCATED,
                       "%s: ends at %" PRIu64 ", inside the npy format's first %" PRIu64 " bytes", r->path, size,
                       *from);
    *length = (uint64_t)head[8] | (uint64_t)head[9] << 8;
    if (head[6] > 1) *length |= (uint64_t)head[10] << 16 | (uint64_t)head[11] << 24;
    if (*length > size - *from)
        return bb_fail(r->err, BB_E_TRUNCATED,
                       "%s: its header has %" PRIu64 " bytes, but the file has only %" PRIu64 " after the length",
                       r->path, *length, size - *from);
    if (*length > HEADER_MAX)
        return bb_fail(r->err, BB_E_LIMIT, "%s: its header has %" PRIu64 " bytes, at most %d are read", r->path,
                       *length, HEADER_MAX);
    return BB_OK;
}

bb_status bb_npy_read(bb_file *f, bb_error *err) {
    reader r = {.f = f, .path = bb_source_path(f->src), .err = err};
    uint64_t from, length;
    f->format = "npy";
    bb_status status = read_length(&r, &from, &length);
    if (status != BB_OK) return status;
    char *text = bb_alloc((size_t)length + 1, 1);
    if (!text) return bb_file_no_memory(f, BB_E_NOMEM, err);
    status = bb_source_read(f->src, from, text, (size_t)length, err);
    r.p = text;
    r.end = text + length;
    if (status == BB_OK && f->version == 3 && !bb_utf8_valid(text, (size_t)length)) status = bad(&r, "is not UTF-8");
    if (status == BB_OK) status = take_header(&r);
    if (status == BB_OK && (length == 0 || text[length - 1] != '\n'))
        bb_file_warn(f, "its header does not end in a line feed");
    free(text);
    f->data_offset = from + length;
    if (status == BB_OK) status = set_tensor(&r, from + length);
    return status == BB_OK ? set_meta(&r) : status;
}
