/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gguf.c - the header of a GGUF file, versions 1 to 3 (specs: ggml's docs/gguf.md and gguf.cpp 0.25.1). */
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "file/file_parts.h"
#include "file/gguf_values.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 64,   /* gguf.md; llama.cpp takes 63 */
    TEXT_MAX = 64 << 20,   /* our limit for one string */
    STRINGS_MAX = 1 << 24, /* our limit for the strings of one array */
    NUMBERS_KEPT = 65536,  /* elements of an array that are kept */
    FIRST_MAX = 4096,      /* bytes of the first text of an array that is kept: a path at the longest */
};

static const struct {
    const char *name;
    uint8_t bytes;
    bb_meta_kind kind;
} value_types[BB_GGUF_COUNT] = {
    {"u8", 1, BB_META_U64},   {"i8", 1, BB_META_I64},    {"u16", 2, BB_META_U64}, {"i16", 2, BB_META_I64},
    {"u32", 4, BB_META_U64},  {"i32", 4, BB_META_I64},   {"f32", 4, BB_META_F64}, {"bool", 1, BB_META_BOOL},
    {"str", 0, BB_META_TEXT}, {"arr", 0, BB_META_ARRAY}, {"u64", 8, BB_META_U64}, {"i64", 8, BB_META_I64},
    {"f64", 8, BB_META_F64},
};

uint64_t bb_gguf_value_bytes(uint32_t type) { return type < BB_GGUF_COUNT ? value_types[type].bytes : 0; }

typedef struct reader {
    bb_file *f;
    bb_cursor c;
    bb_error *err;
    const char *path;
} reader;

/* The file ended, or reading failed, while `what` was read. */
static bb_status short_of(reader *r, const char *what) {
    if (r->c.status != BB_OK && r->c.status != BB_E_TRUNCATED)
        return bb_fail(r->err, r->c.status, "%s: reading failed in %s", r->path, what);
    return bb_fail(r->err, BB_E_TRUNCATED, "%s: ends inside %s: %llu bytes in all", r->path, what,
                   (unsigned long long)bb_source_size(r->f->src));
}

/* A count or length: 32 bits in version 1, 64 later. */
static uint64_t read_size(reader *r) { return r->f->version == 1 ? bb_cursor_u32(&r->c) : bb_cursor_u64(&r->c); }
static uint64_t size_bytes(const reader *r) { return r->f->version == 1 ? 4 : 8; }

static bb_status read_text(reader *r, uint64_t max, const char *what, char **text, size_t *len) {
    uint64_t n = read_size(r);
    if (!bb_cursor_ok(&r->c)) return short_of(r, what);
    if (n > bb_cursor_left(&r->c))
        return bb_fail(r->err, BB_E_TRUNCATED, "%s: %s of %llu bytes, but %llu bytes are left in the file", r->path,
                       what, (unsigned long long)n, (unsigned long long)bb_cursor_left(&r->c));
    if (n > max)
        return bb_fail(r->err, BB_E_LIMIT, "%s: %s of %llu bytes, at most %llu are read", r->path, what,
                       (unsigned long long)n, (unsigned long long)max);
    bb_status status = BB_OK;
    char *p = bb_file_text(r->f, NULL, (size_t)n, &status);
    if (!p) return bb_file_no_memory(r->f, status, r->err);
    if (!bb_cursor_bytes(&r->c, p, (size_t)n)) return short_of(r, what);
    *text = p;
    *len = (size_t)n;
    return BB_OK;
}

/* A key or name: not empty, no NUL. */
static bb_status read_name(reader *r, uint64_t max, const char *what, char **text) {
    size_t n = 0;
    bb_status status = read_text(r, max, what, text, &n);
    if (status != BB_OK) return status;
    if (n == 0) return bb_fail(r->err, BB_E_INVALID, "%s: an empty %s", r->path, what);
    if (memchr(*text, 0, n)) return bb_fail(r->err, BB_E_INVALID, "%s: a %s with a NUL byte", r->path, what);
    return BB_OK;
}

static bb_status read_scalar(reader *r, uint32_t type, const char *key, bb_meta *m) {
    char shown[160];
    unsigned char raw[8] = {0};
    if (!bb_cursor_bytes(&r->c, raw, value_types[type].bytes)) return short_of(r, "a metadata value");
    uint64_t u = 0;
    for (int i = 7; i >= 0; i--) u = u << 8 | raw[i];
    uint64_t sign = value_types[type].bytes ? 1ull << (value_types[type].bytes * 8 - 1) : 0;
    switch (value_types[type].kind) {
    case BB_META_U64:
        m->v.u64 = u;
        break;
    case BB_META_I64:
        m->v.i64 = (int64_t)((u ^ sign) - sign);
        break;
    case BB_META_BOOL:
        if (u > 1)
            return bb_fail(r->err, BB_E_INVALID, "%s: '%s' is a bool of value %llu, expected 0 or 1", r->path,
                           bb_escape_buf(key, shown, sizeof shown), (unsigned long long)u);
        m->v.b = u == 1;
        break;
    case BB_META_F64: {
        float f;
        uint32_t w = (uint32_t)u;
        memcpy(&f, &w, sizeof f);
        if (type == BB_GGUF_F32)
            m->v.f64 = (double)f;
        else
            memcpy(&m->v.f64, &u, sizeof u);
        break;
    }
    case BB_META_TEXT:
    case BB_META_ARRAY:
        break;
    }
    return BB_OK;
}

/* Elements of one array; `keep` gets the numbers, or NULL. */
static bb_status read_array(reader *r, const char *key, int depth, bb_meta *out) {
    char shown[160];
    bb_escape_buf(key, shown, sizeof shown);
    uint32_t type = bb_cursor_u32(&r->c);
    uint64_t n = read_size(r);
    if (!bb_cursor_ok(&r->c)) return short_of(r, "an array");
    if (type >= BB_GGUF_COUNT)
        return bb_fail(r->err, BB_E_INVALID, "%s: '%s' is an array of type %u, which GGUF does not have", r->path,
                       shown, type);
    if (depth > BB_GGUF_NESTING)
        return bb_fail(r->err, BB_E_LIMIT, "%s: '%s' nests arrays deeper than %d", r->path, shown, BB_GGUF_NESTING);
    uint64_t least = type == BB_GGUF_STR   ? size_bytes(r)
                     : type == BB_GGUF_ARR ? 4 + size_bytes(r)
                                           : value_types[type].bytes;
    if (n > bb_cursor_left(&r->c) / least)
        return bb_fail(r->err, BB_E_TRUNCATED, "%s: '%s' has %llu elements, but only %llu bytes are left in the file",
                       r->path, shown, (unsigned long long)n, (unsigned long long)bb_cursor_left(&r->c));
    if (out) {
        out->v.array.element = value_types[type].kind;
        snprintf(out->v.array.element_in_file, sizeof out->v.array.element_in_file, "%s", value_types[type].name);
        out->v.array.count = n;
    }
    if (type == BB_GGUF_STR || type == BB_GGUF_ARR) {
        if (n > STRINGS_MAX)
            return bb_fail(r->err, BB_E_LIMIT, "%s: '%s' has %llu elements, at most %d are read", r->path, shown,
                           (unsigned long long)n, STRINGS_MAX);
        if (type == BB_GGUF_ARR && depth == 1)
            bb_file_warn(r->f, "'%s' holds nested arrays: llama.cpp refuses this file", shown);
        for (uint64_t i = 0; i < n; i++) {
            if (type == BB_GGUF_ARR) {
                bb_status status = read_array(r, key, depth + 1, NULL);
                if (status != BB_OK) return status;
                continue;
            }
            uint64_t len = read_size(r);
            if (bb_cursor_ok(&r->c) && len > TEXT_MAX)
                return bb_fail(r->err, BB_E_LIMIT, "%s: '%s' has a string of %llu bytes", r->path, shown,
                               (unsigned long long)len);
            bb_status status = BB_OK;
            char *kept = NULL;
            if (out && i == 0 && len <= FIRST_MAX && len <= bb_cursor_left(&r->c)) {
                if (!(kept = bb_file_text(r->f, NULL, (size_t)len, &status)))
                    return bb_file_no_memory(r->f, status, r->err);
                out->v.array.first = kept;
            }
            if (!(kept ? bb_cursor_bytes(&r->c, kept, (size_t)len) : bb_cursor_skip(&r->c, len)))
                return short_of(r, "an array of strings");
        }
        return BB_OK;
    }
    bool keep = out && n <= NUMBERS_KEPT;
    if (!keep && type != BB_GGUF_BOOL)
        return bb_cursor_skip(&r->c, n * value_types[type].bytes) ? BB_OK : short_of(r, "an array");
    bb_status status = BB_OK;
    double *numbers = NULL;
    if (keep && n && !(numbers = bb_file_alloc(r->f, (size_t)n, sizeof *numbers, &status)))
        return bb_file_no_memory(r->f, status, r->err);
    for (uint64_t i = 0; i < n; i++) {
        bb_meta m = {0};
        if ((status = read_scalar(r, type, key, &m)) != BB_OK) return status;
        if (!numbers) continue;
        numbers[i] = value_types[type].kind == BB_META_U64   ? (double)m.v.u64
                     : value_types[type].kind == BB_META_I64 ? (double)m.v.i64
                     : value_types[type].kind == BB_META_F64 ? m.v.f64
                                                             : (double)m.v.b;
    }
    if (out) out->v.array.numbers = numbers;
    return BB_OK;
}

static bb_status read_meta(reader *r, bb_meta *m) {
    bb_status status = read_name(r, BB_GGUF_KEY_MAX, "metadata key", &m->key);
    if (status != BB_OK) return status;
    m->at = r->c.pos;
    uint32_t type = bb_cursor_u32(&r->c);
    if (!bb_cursor_ok(&r->c)) return short_of(r, "a metadata entry");
    char shown[160];
    if (type >= BB_GGUF_COUNT)
        return bb_fail(r->err, BB_E_INVALID, "%s: '%s' has value type %u, which GGUF does not have", r->path,
                       bb_escape_buf(m->key, shown, sizeof shown), type);
    m->kind = value_types[type].kind;
    snprintf(m->type_in_file, sizeof m->type_in_file, "%s", value_types[type].name);
    if (type == BB_GGUF_STR)
        status = read_text(r, TEXT_MAX, "a metadata text", &m->v.text.data, &m->v.text.len);
    else if (type == BB_GGUF_ARR)
        status = read_array(r, m->key, 1, m);
    else
        status = read_scalar(r, type, m->key, m);
    m->bytes = r->c.pos - m->at;
    return status;
}

/* Keys whose type others rely on. */
static bb_status check_keys(reader *r) {
    static const char *const integers[] = {"split.count", "split.no", "split.tensors.count", "general.file_type"};
    bb_file *f = r->f;
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        const bb_meta *m = bb_file_meta(f, integers[i]);
        if (m && m->kind != BB_META_U64 && m->kind != BB_META_I64)
            return bb_fail(r->err, BB_E_INVALID, "%s: '%s' is of type %s, expected an integer", r->path, integers[i],
                           m->type_in_file);
    }
    const bb_meta *arch = bb_file_meta(f, "general.architecture");
    if (arch && arch->kind != BB_META_TEXT)
        return bb_fail(r->err, BB_E_INVALID, "%s: 'general.architecture' is of type %s, expected a text", r->path,
                       arch->type_in_file);
    const bb_meta *m = bb_file_meta(f, "general.alignment");
    f->alignment = BB_GGUF_ALIGNMENT;
    if (!m) return BB_OK;
    if (strcmp(m->type_in_file, "u32") != 0)
        return bb_fail(r->err, BB_E_INVALID, "%s: 'general.alignment' is of type %s, expected u32", r->path,
                       m->type_in_file);
    uint64_t a = m->v.u64;
    if (a == 0 || (a & (a - 1)) || a > BB_GGUF_ALIGNMENT_MAX)
        return bb_fail(r->err, BB_E_INVALID, "%s: alignment %llu, expected a power of two up to %d", r->path,
                       (unsigned long long)a, BB_GGUF_ALIGNMENT_MAX);
    f->alignment = (uint32_t)a;
    return BB_OK;
}

/* GGUF spells types in capitals, with K-quants as "Q4_K". */
static const char *type_name(reader *r, uint32_t id, const bb_dtype *type, bb_status *status) {
    char buf[24];
    if (!type)
        snprintf(buf, sizeof buf, "%u", id);
    else {
        snprintf(buf, sizeof buf, "%s", type->name);
        for (char *p = buf; *p; p++)
            if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
    }
    return bb_file_word(r->f, buf, status);
}

static bb_status read_tensor(reader *r, bb_tensor *t) {
    char *name = NULL, shown[160];
    bb_status status = read_name(r, NAME_MAX_BYTES, "tensor name", &name);
    if (status != BB_OK) return status;
    t->name = name;
    bb_escape_buf(name, shown, sizeof shown);
    if (strlen(name) == NAME_MAX_BYTES)
        bb_file_warn(r->f, "tensor name '%s' has 64 bytes: llama.cpp refuses this file", shown);
    t->n_dims = bb_cursor_u32(&r->c);
    if (!bb_cursor_ok(&r->c)) return short_of(r, "a tensor's description");
    if (t->n_dims > BB_GGUF_DIMS)
        return bb_fail(r->err, BB_E_INVALID, "%s: tensor '%s' has %u dimensions, at most %d", r->path, shown, t->n_dims,
                       BB_GGUF_DIMS);
    uint64_t *dims = bb_file_alloc(r->f, t->n_dims ? t->n_dims : 1, sizeof *dims, &status);
    if (!dims) return bb_file_no_memory(r->f, status, r->err);
    for (uint32_t i = 0; i < t->n_dims; i++) dims[i] = read_size(r);
    t->dims = dims;
    uint32_t id = bb_cursor_u32(&r->c);
    uint64_t offset = bb_cursor_u64(&r->c);
    if (!bb_cursor_ok(&r->c)) return short_of(r, "a tensor's description");
    for (uint32_t i = 0; i < t->n_dims; i++)
        if (dims[i] > INT64_MAX)
            return bb_fail(r->err, BB_E_INVALID, "%s: tensor '%s' has dimension %lld", r->path, shown,
                           (long long)(int64_t)dims[i]);
    if (bb_tensor_shape(t, true) != BB_OK)
        return bb_fail(r->err, BB_E_OVERFLOW, "%s: tensor '%s' has more than 2^63 elements", r->path, shown);
    if (id > INT32_MAX)
        return bb_fail(r->err, BB_E_INVALID, "%s: tensor '%s' has type %d, which ggml does not have", r->path, shown,
                       (int)id);
    t->type = bb_dtype_from_gguf(id);
    if (!(t->type_in_file = type_name(r, id, t->type, &status))) return bb_file_no_memory(r->f, status, r->err);
    if (!t->type)
        bb_file_warn(r->f, "tensor '%s' has type %u, which ggml 0.25.1 does not have: its size is unknown", shown, id);
    uint64_t row = 0;
    if (t->type && t->elements) {
        status = bb_dtype_row_bytes(t->type, t->cols, &row);
        if (status == BB_E_ARG)
            return bb_fail(r->err, BB_E_INVALID, "%s: tensor '%s' has rows of %llu elements, but blocks of %s have %u",
                           r->path, shown, (unsigned long long)t->cols, t->type->name, t->type->block);
        if (status != BB_OK || !bb_mul_u64(row, t->rows, &t->bytes))
            return bb_fail(r->err, BB_E_OVERFLOW, "%s: tensor '%s' has more than 2^64 bytes", r->path, shown);
    }
    if (offset & (r->f->alignment - 1))
        return bb_fail(r->err, BB_E_INVALID,
                       "%s: tensor '%s' begins at %llu, which is not a multiple of the alignment %u", r->path, shown,
                       (unsigned long long)offset, r->f->alignment);
    t->offset = offset; /* the data section is added when its place is known */
    return BB_OK;
}

/* Room for n entries, grown as they are read: the count is not trusted before its entries were seen. */
static bool room(void **list, size_t n, size_t *cap, size_t size) {
    size_t old = *cap;
    if (!bb_grow(list, n, cap, size)) return false;
    if (*cap > old) memset((char *)*list + old * size, 0, (*cap - old) * size);
    return true;
}

static bb_status read_lists(reader *r, uint64_t n_tensors, uint64_t n_meta) {
    bb_file *f = r->f;
    bb_status status;
    /* the least that an entry takes: lengths, one byte of name, type and value; or name, dims, type and offset */
    uint64_t least_meta = size_bytes(r) + 1 + 4 + 1, least_tensor = size_bytes(r) + 1 + 4 + 4 + 8;
    if (n_meta > bb_cursor_left(&r->c) / least_meta)
        return bb_fail(r->err, BB_E_INVALID, "%s: %llu metadata entries announced, the file has %llu bytes", r->path,
                       (unsigned long long)n_meta, (unsigned long long)bb_source_size(f->src));
    if (n_tensors > bb_cursor_left(&r->c) / least_tensor)
        return bb_fail(r->err, BB_E_INVALID, "%s: %llu tensors announced, the file has %llu bytes", r->path,
                       (unsigned long long)n_tensors, (unsigned long long)bb_source_size(f->src));
    size_t cap = 0;
    for (uint64_t i = 0; i < n_meta; i++) {
        if (!room((void **)&f->meta, f->n_meta, &cap, sizeof *f->meta)) return bb_file_no_memory(f, BB_E_NOMEM, r->err);
        if ((status = read_meta(r, &f->meta[f->n_meta])) != BB_OK) return status;
        f->n_meta++;
    }
    if ((status = bb_file_index_keys(f, r->err)) != BB_OK || (status = check_keys(r)) != BB_OK) return status;
    cap = 0;
    for (uint64_t i = 0; i < n_tensors; i++) {
        if (!room((void **)&f->tensors, f->n_tensors, &cap, sizeof *f->tensors))
            return bb_file_no_memory(f, BB_E_NOMEM, r->err);
        if ((status = read_tensor(r, &f->tensors[f->n_tensors])) != BB_OK) return status;
        f->n_tensors++;
    }
    return BB_OK;
}

/* Where the data begins, where each tensor lies, and whether all of it is there. */
static bb_status place(reader *r) {
    bb_file *f = r->f;
    char shown[160];
    uint64_t size = bb_source_size(f->src), total = 0, elements = 0, end = 0;
    if (!bb_align_u64(r->c.pos, f->alignment, &f->data_offset))
        return bb_fail(r->err, BB_E_OVERFLOW, "%s: too long", r->path);
    if (f->n_tensors == 0) {
        if (f->data_offset > size) f->data_offset = size;
        return BB_OK;
    }
    bool unknown = false;
    for (size_t i = 0; i < f->n_tensors; i++) {
        bb_tensor *t = &f->tensors[i];
        unknown |= !t->type;
        if (!bb_add_u64(total, t->bytes, &total) || !bb_add_u64(elements, t->elements, &elements) ||
            !bb_add_u64(t->offset, f->data_offset, &t->offset))
            return bb_fail(r->err, BB_E_OVERFLOW, "%s: the sizes up to tensor '%s' pass 2^64", r->path,
                           bb_escape_buf(t->name, shown, sizeof shown));
    }
    bool gaps, ordered;
    bb_status status = bb_file_check_extents(f, &gaps, &ordered, &end, r->err);
    if (status != BB_OK) return status;
    if (f->data_offset > size)
        return bb_fail(r->err, BB_E_TRUNCATED, "%s: ends at %llu, before its data begins at %llu", r->path,
                       (unsigned long long)size, (unsigned long long)f->data_offset);
    if (!ordered)
        bb_file_warn(f, "the data lies in another order than the list of tensors: llama.cpp refuses this file");
    else if (gaps && !unknown)
        bb_file_warn(f, "there are gaps between the tensors' data: llama.cpp refuses this file");
    uint64_t padded = end;
    if (!bb_align_u64(end, f->alignment, &padded)) padded = end;
    if (size > padded && !unknown)
        bb_file_warn(f, "%llu bytes after the last tensor belong to none", (unsigned long long)(size - padded));
    return BB_OK;
}

bb_status bb_gguf_read(bb_file *f, bb_error *err) {
    reader *r = bb_alloc(1, sizeof *r); /* the cursor's buffer is too large for a stack frame */
    if (!r) return bb_file_no_memory(f, BB_E_NOMEM, err);
    r->f = f;
    r->err = err;
    r->path = bb_source_path(f->src);
    f->format = "gguf";
    bb_cursor_init(&r->c, f->src, 4, bb_source_size(f->src));
    f->version = bb_cursor_u32(&r->c);
    bb_status status = BB_OK;
    if (!bb_cursor_ok(&r->c))
        status = short_of(r, "the version");
    else if (f->version == 0)
        status = bb_fail(err, BB_E_INVALID, "%s: GGUF version 0 does not exist", r->path);
    else if ((f->version & 0xFFFF) == 0) {
        status = bb_fail(err, BB_E_INVALID, "%s: is a big-endian GGUF file, only little-endian ones are read", r->path);
        bb_hint(err, "llama.cpp's gguf_convert_endian.py converts it");
    } else if (f->version > 3)
        status = bb_fail(err, BB_E_INVALID, "%s: GGUF version %u is newer than 3, the last that is known", r->path,
                         f->version);
    if (status == BB_OK) {
        uint64_t n_tensors = read_size(r), n_meta = read_size(r);
        if (f->version == 1) bb_file_warn(f, "GGUF version 1: llama.cpp refuses this file");
        status = bb_cursor_ok(&r->c) ? read_lists(r, n_tensors, n_meta) : short_of(r, "the header");
    }
    if (status == BB_OK) status = place(r);
    free(r);
    return status;
}
