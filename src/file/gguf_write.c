/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gguf_write.c - a GGUF v3 file before its data (format: ggml's docs/gguf.md and gguf.cpp 0.25.1). */
#include "file/gguf_write.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "file/file_parts.h"
#include "file/gguf_values.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_MAX = 128 << 20, /* as the reader's metadata */
    FRONT = 24,             /* magic, version, number of tensors, number of metadata entries */
    NAME_MAX_BYTES = 63,    /* GGML_MAX_NAME - 1 */
};
static const char alignment_key[] = "general.alignment";

typedef struct buffer {
    unsigned char *data;
    size_t n, cap;
} buffer;

typedef struct entry {
    size_t at; /* of its key's length, in bb_gguf_out.head */
    size_t key_len;
} entry;

typedef struct record {
    size_t at; /* of its name's length, in bb_gguf_out.infos */
    uint64_t bytes, offset;
} record;

struct bb_gguf_out {
    buffer head;  /* the file's front and metadata; after the seal the whole header */
    buffer infos; /* descriptions of the tensors */
    entry *entries;
    size_t n_entries, cap_entries;
    record *tensors;
    size_t n_tensors, cap_tensors;
    bool sealed;
};

static bb_status no_memory(bb_status status, bb_error *err) {
    if (status == BB_E_LIMIT) return bb_fail(err, status, "a GGUF header of more than 128 MiB is not written");
    return bb_fail(err, status, "out of memory");
}

/* Room for n more bytes of b within the limit that all parts of the header have together. */
static bb_status reserve(bb_gguf_out *o, buffer *b, uint64_t n) {
    size_t lists = o->n_entries * sizeof *o->entries + o->n_tensors * sizeof *o->tensors;
    size_t used = o->head.n + o->infos.n + lists;
    if (used > HEADER_MAX || n > HEADER_MAX - used) return BB_E_LIMIT;
    if (n <= b->cap - b->n) return BB_OK;
    size_t cap = b->cap < 4096 ? 4096 : b->cap;
    while (cap - b->n < n) cap *= 2;
    unsigned char *data = bb_realloc(b->data, cap, 1);
    if (!data) return BB_E_NOMEM;
    b->data = data;
    b->cap = cap;
    return BB_OK;
}

/* ---- into room that was reserved ---- */

static void put(buffer *b, const void *p, size_t n) {
    if (n) memcpy(b->data + b->n, p, n);
    b->n += n;
}

static void put_le(buffer *b, uint64_t v, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) b->data[b->n++] = (unsigned char)(v >> 8 * i);
}

static void set_le(unsigned char *p, uint64_t v) {
    for (unsigned i = 0; i < 8; i++) p[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t get_le(const unsigned char *p, unsigned bytes) {
    uint64_t v = 0;
    for (unsigned i = bytes; i > 0; i--) v = v << 8 | p[i - 1];
    return v;
}

bb_status bb_gguf_out_new(uint32_t alignment, bb_gguf_out **out, bb_error *err) {
    bb_gguf_out *o = bb_alloc(1, sizeof *o);
    bb_status status = o ? reserve(o, &o->head, FRONT) : BB_E_NOMEM;
    if (status == BB_OK) {
        put(&o->head, "GGUF", 4);
        put_le(&o->head, 3, 4);
        put_le(&o->head, 0, 8);
        put_le(&o->head, 0, 8);
        if (alignment != 0 && alignment != BB_GGUF_ALIGNMENT) status = bb_gguf_out_u32(o, alignment_key, alignment);
    }
    if (status != BB_OK) {
        bb_gguf_out_free(o);
        return no_memory(status, err);
    }
    *out = o;
    return BB_OK;
}

void bb_gguf_out_free(bb_gguf_out *o) {
    if (!o) return;
    free(o->head.data);
    free(o->infos.data);
    free(o->entries);
    free(o->tensors);
    free(o);
}

/* ---- metadata ---- */

static const char *key_of(const bb_gguf_out *o, const entry *e) { return (const char *)o->head.data + e->at + 8; }

static size_t end_of(const bb_gguf_out *o, size_t i) { return i + 1 < o->n_entries ? o->entries[i + 1].at : o->head.n; }

/* n_entries when absent */
static size_t find(const bb_gguf_out *o, const char *key) {
    size_t len = strlen(key), i = 0;
    for (; i < o->n_entries; i++)
        if (o->entries[i].key_len == len && memcmp(key_of(o, &o->entries[i]), key, len) == 0) break;
    return i;
}

bool bb_gguf_out_has(const bb_gguf_out *o, const char *key) { return find(o, key) < o->n_entries; }

static void remove_at(bb_gguf_out *o, size_t i) {
    size_t from = o->entries[i].at, to = end_of(o, i);
    memmove(o->head.data + from, o->head.data + to, o->head.n - to);
    o->head.n -= to - from;
    o->n_entries--;
    for (; i < o->n_entries; i++) {
        o->entries[i] = o->entries[i + 1];
        o->entries[i].at -= to - from;
    }
}

void bb_gguf_out_remove(bb_gguf_out *o, const char *key) {
    size_t i = find(o, key);
    if (i < o->n_entries && !o->sealed) remove_at(o, i);
}

/* The key of a new entry at the end, and room for value_bytes after it; the entry does not count until it is whole. */
static bb_status begin_entry(bb_gguf_out *o, const char *key, size_t key_len, uint64_t value_bytes) {
    if (o->sealed || key_len == 0 || key_len > BB_GGUF_KEY_MAX) return BB_E_ARG;
    if (!bb_grow((void **)&o->entries, o->n_entries, &o->cap_entries, sizeof *o->entries)) return BB_E_NOMEM;
    if (value_bytes > HEADER_MAX) return BB_E_LIMIT;
    bb_status status = reserve(o, &o->head, sizeof *o->entries + 8 + key_len + value_bytes);
    if (status != BB_OK) return status;
    o->entries[o->n_entries] = (entry){o->head.n, key_len};
    put_le(&o->head, key_len, 8);
    put(&o->head, key, key_len);
    return BB_OK;
}

static bb_status set(bb_gguf_out *o, const char *key, uint32_t type, const unsigned char *value, size_t n) {
    size_t old = find(o, key), text = type == BB_GGUF_STR ? 8 : 0;
    bb_status status = begin_entry(o, key, strlen(key), 4 + text + (uint64_t)n);
    if (status != BB_OK) return status;
    put_le(&o->head, type, 4);
    if (text) put_le(&o->head, n, 8);
    put(&o->head, value, n);
    bool replaced = old < o->n_entries;
    o->n_entries++;
    if (replaced) remove_at(o, old);
    return BB_OK;
}

static bb_status set_number(bb_gguf_out *o, const char *key, uint32_t type, uint64_t v) {
    unsigned char raw[8];
    set_le(raw, v);
    return set(o, key, type, raw, (size_t)bb_gguf_value_bytes(type));
}

bb_status bb_gguf_out_u16(bb_gguf_out *o, const char *key, uint16_t v) { return set_number(o, key, BB_GGUF_U16, v); }
bb_status bb_gguf_out_u32(bb_gguf_out *o, const char *key, uint32_t v) { return set_number(o, key, BB_GGUF_U32, v); }
bb_status bb_gguf_out_i32(bb_gguf_out *o, const char *key, int32_t v) {
    return set_number(o, key, BB_GGUF_I32, (uint32_t)v);
}
bb_status bb_gguf_out_f32(bb_gguf_out *o, const char *key, float v) {
    uint32_t w;
    memcpy(&w, &v, sizeof w);
    return set_number(o, key, BB_GGUF_F32, w);
}
bb_status bb_gguf_out_bool(bb_gguf_out *o, const char *key, bool v) { return set_number(o, key, BB_GGUF_BOOL, v); }
bb_status bb_gguf_out_text(bb_gguf_out *o, const char *key, const char *text) {
    return set(o, key, BB_GGUF_STR, (const unsigned char *)text, strlen(text));
}

bb_status bb_gguf_out_texts(bb_gguf_out *o, const char *key, const char *const *texts, size_t n) {
    size_t bytes = 4 + 8;
    for (size_t i = 0; i < n; i++)
        if (!bb_add_size(bytes, 8, &bytes) || !bb_add_size(bytes, strlen(texts[i]), &bytes)) return BB_E_LIMIT;
    buffer b = {.data = bb_alloc(bytes, 1), .cap = bytes};
    if (!b.data) return BB_E_NOMEM;
    put_le(&b, BB_GGUF_STR, 4);
    put_le(&b, n, 8);
    for (size_t i = 0; i < n; i++) {
        put_le(&b, strlen(texts[i]), 8);
        put(&b, texts[i], strlen(texts[i]));
    }
    bb_status status = set(o, key, BB_GGUF_ARR, b.data, b.n);
    free(b.data);
    return status;
}

/* ---- metadata of another file ---- */

typedef struct copier {
    bb_gguf_out *o;
    bb_cursor c;
} copier;

/* A file whose content is no longer what the reader checked. */
static bb_status changed(const copier *k) { return k->c.status != BB_OK ? k->c.status : BB_E_INVALID; }

/* n bytes as they are. */
static bb_status copy_bytes(copier *k, uint64_t n) {
    if (n > bb_cursor_left(&k->c)) return BB_E_TRUNCATED;
    bb_status status = reserve(k->o, &k->o->head, n);
    if (status != BB_OK) return status;
    if (!bb_cursor_bytes(&k->c, k->o->head.data + k->o->head.n, (size_t)n)) return k->c.status;
    k->o->head.n += (size_t)n;
    return BB_OK;
}

/* A length of version 1, 32 bits there, 64 here. */
static bb_status widen(copier *k, uint64_t *n) {
    uint32_t v = bb_cursor_u32(&k->c);
    if (!bb_cursor_ok(&k->c)) return k->c.status;
    bb_status status = reserve(k->o, &k->o->head, 8);
    if (status != BB_OK) return status;
    put_le(&k->o->head, v, 8);
    *n = v;
    return BB_OK;
}

/* A value of version 1 without its type. */
static bb_status widen_value(copier *k, uint32_t type, int depth) {
    uint64_t n = 0, size = bb_gguf_value_bytes(type);
    bb_status status = BB_OK;
    if (size) return copy_bytes(k, size);
    if (type == BB_GGUF_STR) return (status = widen(k, &n)) == BB_OK ? copy_bytes(k, n) : status;
    if (type != BB_GGUF_ARR || depth > BB_GGUF_NESTING) return changed(k);
    size_t at = k->o->head.n;
    if ((status = copy_bytes(k, 4)) != BB_OK || (status = widen(k, &n)) != BB_OK) return status;
    type = (uint32_t)get_le(k->o->head.data + at, 4);
    if ((size = bb_gguf_value_bytes(type)) != 0) return copy_bytes(k, n * size);
    for (uint64_t i = 0; i < n && status == BB_OK; i++) status = widen_value(k, type, depth + 1);
    return status;
}

static bb_status copy_entry(copier *k, const bb_file *from, const bb_meta *m) {
    /* what has no place in a file is none of a GGUF's */
    if (m->bytes < 4 || m->at > UINT64_MAX - m->bytes) return BB_E_BUG;
    bool narrow = from->version == 1;
    bb_cursor_init(&k->c, from->src, m->at, m->at + m->bytes);
    bb_status status = begin_entry(k->o, m->key, strlen(m->key), narrow ? 4 : m->bytes);
    if (status == BB_OK && !narrow) status = copy_bytes(k, m->bytes);
    if (status == BB_OK && narrow) {
        size_t at = k->o->head.n;
        status = copy_bytes(k, 4);
        if (status == BB_OK) status = widen_value(k, (uint32_t)get_le(k->o->head.data + at, 4), 1);
    }
    if (status == BB_OK) k->o->n_entries++;
    return status;
}

/* Drops those of the first n entries that the file has too, in one pass. */
static void drop_replaced(bb_gguf_out *o, size_t n, const bb_file *from, bool (*keep)(void *ctx, const char *key),
                          void *ctx) {
    size_t to = 0, at = FRONT;
    for (size_t i = 0; i < o->n_entries; i++) {
        entry e = o->entries[i];
        size_t size = end_of(o, i) - e.at;
        if (i < n) {
            unsigned char *end = o->head.data + e.at + 8 + e.key_len, first_of_type = *end;
            *end = 0; /* ends the key for a moment */
            const char *key = key_of(o, &e);
            bool replaced = bb_file_meta(from, key) && (!keep || keep(ctx, key));
            *end = first_of_type;
            if (replaced) continue;
        }
        memmove(o->head.data + at, o->head.data + e.at, size);
        o->entries[to++] = (entry){at, e.key_len};
        at += size;
    }
    o->n_entries = to;
    o->head.n = at;
}

bb_status bb_gguf_out_copy(bb_gguf_out *o, const bb_file *from, bool (*keep)(void *ctx, const char *key), void *ctx,
                           bb_error *err) {
    const char *path = bb_source_path(from->src);
    if (o->sealed || strcmp(from->format, "gguf") != 0)
        return bb_fail(err, BB_E_ARG, "%s: is no GGUF file whose metadata could be copied", path);
    copier *k = bb_alloc(1, sizeof *k); /* the cursor's buffer is too large for a stack frame */
    if (!k) return no_memory(BB_E_NOMEM, err);
    k->o = o;
    size_t before = o->n_entries, bytes = o->head.n, i = 0;
    bb_status status = BB_OK;
    for (; i < from->n_meta && status == BB_OK; i++)
        if (!keep || keep(ctx, from->meta[i].key)) status = copy_entry(k, from, &from->meta[i]);
    free(k);
    if (status == BB_OK) {
        drop_replaced(o, before, from, keep, ctx);
        return BB_OK;
    }
    o->n_entries = before;
    o->head.n = bytes;
    if (status == BB_E_LIMIT || status == BB_E_NOMEM) return no_memory(status, err);
    char shown[160];
    return bb_fail(err, status, "%s: '%s' cannot be read again: the file changed or reading failed", path,
                   bb_escape_buf(from->meta[i - 1].key, shown, sizeof shown));
}

/* ---- tensors ---- */

bb_status bb_gguf_out_tensor(bb_gguf_out *o, const char *name, uint32_t n_dims, const uint64_t *dims,
                             const bb_dtype *type, bb_error *err) {
    size_t len = strlen(name);
    char shown[160];
    bb_escape_buf(name, shown, sizeof shown);
    if (o->sealed) return bb_fail(err, BB_E_BUG, "tensor '%s' comes after the header was laid out", shown);
    if (len == 0) return bb_fail(err, BB_E_ARG, "a tensor without a name");
    if (len > NAME_MAX_BYTES)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' has a name of %zu bytes, llama.cpp takes at most %d", shown,
                       len, NAME_MAX_BYTES);
    if (n_dims > BB_GGUF_DIMS)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' has %u dimensions, GGUF has at most %d", shown, n_dims,
                       BB_GGUF_DIMS);
    if (type->gguf_id == BB_NO_GGUF_ID)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s': GGUF does not have the type %s", shown, type->name);
    bb_tensor t = {.n_dims = n_dims, .dims = dims};
    uint64_t row = 0, bytes = 0;
    if (bb_tensor_shape(&t, true) != BB_OK)
        return bb_fail(err, BB_E_OVERFLOW, "tensor '%s' has more than 2^63 elements", shown);
    bb_status status = bb_dtype_row_bytes(type, t.cols, &row);
    if (status == BB_E_ARG)
        return bb_fail(err, status, "tensor '%s' has rows of %llu elements, but blocks of %s have %u", shown,
                       (unsigned long long)t.cols, type->name, type->block);
    if (status != BB_OK || !bb_mul_u64(row, t.rows, &bytes))
        return bb_fail(err, BB_E_OVERFLOW, "tensor '%s' has more than 2^64 bytes", shown);
    if (!bb_grow((void **)&o->tensors, o->n_tensors, &o->cap_tensors, sizeof *o->tensors))
        return no_memory(BB_E_NOMEM, err);
    status = reserve(o, &o->infos, sizeof *o->tensors + 8 + len + 4 + (uint64_t)n_dims * 8 + 4 + 8);
    if (status != BB_OK) return no_memory(status, err);
    o->tensors[o->n_tensors++] = (record){o->infos.n, bytes, 0};
    put_le(&o->infos, len, 8);
    put(&o->infos, name, len);
    put_le(&o->infos, n_dims, 4);
    for (uint32_t i = 0; i < n_dims; i++) put_le(&o->infos, dims[i], 8);
    put_le(&o->infos, (uint32_t)type->gguf_id, 4);
    put_le(&o->infos, 0, 8); /* the offset, which the seal knows */
    return BB_OK;
}

typedef struct name {
    const unsigned char *text;
    size_t len;
} name;

static int by_text(const void *a, const void *b) {
    const name *x = a, *y = b;
    int c = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
    return c ? c : (x->len > y->len) - (x->len < y->len);
}

static bb_status check_names(const bb_gguf_out *o, bb_error *err) {
    bb_status status = BB_OK;
    name *list = bb_alloc(o->n_tensors, sizeof *list);
    if (!list) return no_memory(BB_E_NOMEM, err);
    for (size_t i = 0; i < o->n_tensors; i++) {
        const unsigned char *p = o->infos.data + o->tensors[i].at;
        list[i] = (name){p + 8, (size_t)get_le(p, 8)};
    }
    qsort(list, o->n_tensors, sizeof *list, by_text);
    for (size_t i = 1; i < o->n_tensors && status == BB_OK; i++) {
        if (by_text(&list[i - 1], &list[i]) != 0) continue;
        char text[NAME_MAX_BYTES + 1] = {0}, shown[160];
        memcpy(text, list[i].text, list[i].len);
        status = bb_fail(err, BB_E_INVALID, "tensor '%s' stands twice", bb_escape_buf(text, shown, sizeof shown));
    }
    free(list);
    return status;
}

static bb_status alignment_of(const bb_gguf_out *o, uint64_t *alignment, bb_error *err) {
    size_t i = find(o, alignment_key);
    uint64_t a = BB_GGUF_ALIGNMENT;
    if (i < o->n_entries) {
        const unsigned char *p = o->head.data + o->entries[i].at + 8 + o->entries[i].key_len;
        if (get_le(p, 4) != BB_GGUF_U32)
            return bb_fail(err, BB_E_INVALID, "'%s' is of another type than u32", alignment_key);
        a = get_le(p + 4, 4);
    }
    if (a == 0 || (a & (a - 1)) != 0 || a > BB_GGUF_ALIGNMENT_MAX)
        return bb_fail(err, BB_E_INVALID, "alignment %llu, expected a power of two up to %d", (unsigned long long)a,
                       BB_GGUF_ALIGNMENT_MAX);
    *alignment = a;
    return BB_OK;
}

/* Offsets from the start of the data; *end is where it ends. */
static bb_status place(bb_gguf_out *o, uint64_t alignment, uint64_t *end) {
    uint64_t at = 0;
    for (size_t i = 0; i < o->n_tensors; i++) {
        o->tensors[i].offset = at;
        if (!bb_add_u64(at, o->tensors[i].bytes, &at) || !bb_align_u64(at, alignment, &at)) return BB_E_OVERFLOW;
    }
    *end = at;
    return BB_OK;
}

bb_status bb_gguf_out_seal(bb_gguf_out *o, const unsigned char **header, size_t *header_bytes, uint64_t *file_bytes,
                           bb_error *err) {
    uint64_t alignment, data = 0, begin = 0, total;
    if (o->sealed) return bb_fail(err, BB_E_BUG, "the header was laid out already");
    bb_status status = check_names(o, err);
    if (status == BB_OK) status = alignment_of(o, &alignment, err);
    if (status != BB_OK) return status;
    /* the descriptions move behind the metadata: they are not counted twice */
    size_t infos = o->infos.n, text = o->head.n + infos;
    if (place(o, alignment, &data) != BB_OK || !bb_align_u64(text, alignment, &begin) ||
        !bb_add_u64(begin, data, &total))
        return bb_fail(err, BB_E_OVERFLOW, "the file would have more than 2^64 bytes");
    o->infos.n = 0;
    status = reserve(o, &o->head, begin - o->head.n);
    o->infos.n = infos;
    if (status != BB_OK) return no_memory(status, err);
    for (size_t i = 0; i < o->n_tensors; i++) {
        size_t next = i + 1 < o->n_tensors ? o->tensors[i + 1].at : infos;
        set_le(o->infos.data + next - 8, o->tensors[i].offset);
        o->tensors[i].offset += begin;
    }
    put(&o->head, o->infos.data, infos);
    memset(o->head.data + o->head.n, 0, (size_t)begin - o->head.n);
    o->head.n = (size_t)begin;
    set_le(o->head.data + 8, o->n_tensors);
    set_le(o->head.data + 16, o->n_entries);
    free(o->infos.data);
    o->infos = (buffer){0};
    o->sealed = true;
    *header = o->head.data;
    *header_bytes = o->head.n;
    *file_bytes = total;
    return BB_OK;
}

uint64_t bb_gguf_out_offset(const bb_gguf_out *o, size_t tensor) { return o->tensors[tensor].offset; }
uint64_t bb_gguf_out_bytes(const bb_gguf_out *o, size_t tensor) { return o->tensors[tensor].bytes; }
