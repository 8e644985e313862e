/* SPDX-License-Identifier: GPL-3.0-or-later */
/* safetensors_write.c - a safetensors file before its data (format: the safetensors README and tensor.rs). */
#include "file/safetensors_write.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/mem.h"
#include "file/file_parts.h"
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 32 << 20 }; /* as the reader's; the format's own limit is 100 MB */

typedef struct record {
    char *name;
    uint64_t bytes, offset;
} record;

struct bb_st_out {
    bb_str meta;    /* the entries of __metadata__, in JSON */
    bb_str tensors; /* those of the tensors */
    bb_str header;  /* after the seal, with its length in front */
    char **keys;    /* [n_keys] of __metadata__ */
    size_t n_keys, cap_keys;
    record *list; /* [n] */
    size_t n, cap;
    uint64_t data; /* bytes of the tensors so far */
};

bb_status bb_st_out_new(bb_st_out **out, bb_error *err) {
    bb_st_out *o = bb_alloc(1, sizeof *o);
    if (!o) return bb_fail(err, BB_E_NOMEM, "out of memory");
    *out = o;
    return BB_OK;
}

void bb_st_out_free(bb_st_out *o) {
    if (!o) return;
    for (size_t i = 0; i < o->n_keys; i++) free(o->keys[i]);
    for (size_t i = 0; i < o->n; i++) free(o->list[i].name);
    free(o->keys);
    free(o->list);
    bb_str_clear(&o->meta);
    bb_str_clear(&o->tensors);
    bb_str_clear(&o->header);
    free(o);
}

/* Appends an entry that was made; on failure `to` is as before. */
static bb_status append(const bb_st_out *o, bb_str *to, const bb_str *made, bb_error *err) {
    if (made->failed) return bb_fail(err, BB_E_NOMEM, "out of memory");
    if (o->meta.len + o->tensors.len + made->len > HEADER_MAX - 64)
        return bb_fail(err, BB_E_LIMIT, "a safetensors header of more than 32 MiB is not written");
    size_t before = to->len;
    if (before) bb_str_add(to, ",");
    bb_str_addn(to, made->data, made->len);
    if (!to->failed) return BB_OK;
    to->failed = false;
    to->len = before;
    return bb_fail(err, BB_E_NOMEM, "out of memory");
}

static bb_status check_text(const bb_st_out *o, const char *text, const char *what, bb_error *err) {
    char shown[160];
    if (o->header.len) return bb_fail(err, BB_E_BUG, "the header was laid out already");
    if (bb_utf8_valid(text, strlen(text))) return BB_OK;
    return bb_fail(err, BB_E_INVALID, "the %s '%s' is not UTF-8, which safetensors needs", what,
                   bb_escape_buf(text, shown, sizeof shown));
}

bb_status bb_st_out_meta(bb_st_out *o, const char *key, const char *text, bb_error *err) {
    char shown[160];
    bb_status status = check_text(o, key, "metadata key", err);
    if (status == BB_OK) status = check_text(o, text, "metadata text", err);
    if (status != BB_OK) return status;
    for (size_t i = 0; i < o->n_keys; i++)
        if (strcmp(o->keys[i], key) == 0)
            return bb_fail(err, BB_E_INVALID, "metadata key '%s' stands twice",
                           bb_escape_buf(key, shown, sizeof shown));
    bb_str made = {0};
    bb_json_write_text(key, &made);
    bb_str_add(&made, ":");
    bb_json_write_text(text, &made);
    char *copy = bb_strdup(key);
    if (!copy || !bb_grow((void **)&o->keys, o->n_keys, &o->cap_keys, sizeof *o->keys)) made.failed = true;
    status = append(o, &o->meta, &made, err);
    bb_str_clear(&made);
    if (status == BB_OK)
        o->keys[o->n_keys++] = copy;
    else
        free(copy);
    return status;
}

bb_status bb_st_out_tensor(bb_st_out *o, const char *name, uint32_t n_dims, const uint64_t *dims, const bb_dtype *type,
                           bb_error *err) {
    char shown[160];
    uint64_t bytes, end;
    bb_escape_buf(name, shown, sizeof shown);
    bb_status status = check_text(o, name, "tensor name", err);
    if (status != BB_OK) return status;
    if (!*name || strcmp(name, "__metadata__") == 0)
        return bb_fail(err, BB_E_ARG, "safetensors does not allow '%s' as the name of a tensor", shown);
    if (!type->st_name)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s': safetensors does not have the type %s", shown, type->name);
    bb_tensor t = {.n_dims = n_dims, .dims = dims};
    if (bb_tensor_shape(&t, false) != BB_OK)
        return bb_fail(err, BB_E_OVERFLOW, "tensor '%s' has more than 2^63 elements", shown);
    /* every type of the format is one element a block */
    if (!bb_mul_u64(t.elements, type->block_bytes, &bytes) || !bb_add_u64(o->data, bytes, &end))
        return bb_fail(err, BB_E_OVERFLOW, "the sizes up to tensor '%s' pass 2^64", shown);
    bb_str made = {0};
    bb_json_write_text(name, &made);
    bb_str_addf(&made, ":{\"dtype\":\"%s\",\"shape\":[", type->st_name);
    for (uint32_t i = 0; i < n_dims; i++) {
        if (i) bb_str_add(&made, ",");
        bb_str_add_u64(&made, dims[i]);
    }
    bb_str_add(&made, "],\"data_offsets\":[");
    bb_str_add_u64(&made, o->data);
    bb_str_add(&made, ",");
    bb_str_add_u64(&made, end);
    bb_str_add(&made, "]}");
    char *copy = bb_strdup(name);
    if (!copy || !bb_grow((void **)&o->list, o->n, &o->cap, sizeof *o->list)) made.failed = true;
    status = append(o, &o->tensors, &made, err);
    bb_str_clear(&made);
    if (status != BB_OK) {
        free(copy);
        return status;
    }
    o->list[o->n++] = (record){copy, bytes, o->data};
    o->data = end;
    return BB_OK;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bb_status check_names(const bb_st_out *o, bb_error *err) {
    bb_status status = BB_OK;
    char shown[160];
    char **list = bb_alloc(o->n, sizeof *list);
    if (!list) return bb_fail(err, BB_E_NOMEM, "out of memory");
    for (size_t i = 0; i < o->n; i++) list[i] = o->list[i].name;
    qsort(list, o->n, sizeof *list, by_text);
    for (size_t i = 1; i < o->n && status == BB_OK; i++)
        if (strcmp(list[i - 1], list[i]) == 0)
            status =
                bb_fail(err, BB_E_INVALID, "tensor '%s' stands twice", bb_escape_buf(list[i], shown, sizeof shown));
    free(list);
    return status;
}

bb_status bb_st_out_seal(bb_st_out *o, const unsigned char **header, size_t *header_bytes, uint64_t *file_bytes,
                         bb_error *err) {
    uint64_t total;
    if (o->header.len) return bb_fail(err, BB_E_BUG, "the header was laid out already");
    bb_status status = check_names(o, err);
    if (status != BB_OK) return status;
    bb_str h = {0};
    bb_str_addc(&h, '\0', 8);
    bb_str_add(&h, "{");
    if (o->n_keys) {
        bb_str_add(&h, "\"__metadata__\":{");
        bb_str_addn(&h, o->meta.data, o->meta.len);
        bb_str_add(&h, o->n ? "}," : "}");
    }
    if (o->n) bb_str_addn(&h, o->tensors.data, o->tensors.len);
    bb_str_add(&h, "}");
    bb_str_addc(&h, ' ', (8 - h.len % 8) % 8);
    if (h.failed)
        status = bb_fail(err, BB_E_NOMEM, "out of memory");
    else if (!bb_add_u64(h.len, o->data, &total))
        status = bb_fail(err, BB_E_OVERFLOW, "the file would have more than 2^64 bytes");
    if (status != BB_OK) {
        bb_str_clear(&h);
        return status;
    }
    for (size_t i = 0; i < 8; i++) h.data[i] = (char)(unsigned char)((uint64_t)(h.len - 8) >> 8 * i);
    for (size_t i = 0; i < o->n; i++) o->list[i].offset += h.len;
    o->header = h;
    *header = (const unsigned char *)o->header.data;
    *header_bytes = o->header.len;
    *file_bytes = total;
    return BB_OK;
}

uint64_t bb_st_out_offset(const bb_st_out *o, size_t tensor) { return o->list[tensor].offset; }
uint64_t bb_st_out_bytes(const bb_st_out *o, size_t tensor) { return o->list[tensor].bytes; }
