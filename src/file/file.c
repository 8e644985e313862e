/* SPDX-License-Identifier: GPL-3.0-or-later */
/* file.c - opening a container by its first bytes, looking things up in it, reading rows of it. */
#include "file/file.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "file/file_parts.h"
#include "format/format.h"
#include "format/half.h"
#include <stdlib.h>
#include <string.h>

enum { METADATA_BUDGET = 128 << 20 };

/* What a file that is neither container looks like, for its sentence. */
static bb_status unknown_kind(const bb_source *src, const unsigned char *head, size_t n, bb_error *err) {
    static const struct {
        const char *magic;
        size_t n;
        const char *is, *hint;
    } known[] = {
        {"PK\x03\x04", 4, "a zip archive, perhaps a PyTorch checkpoint",
         "convert it to safetensors: pickled code is never read here"},
        {"\x80\x02", 2, "a Python pickle", "convert it to safetensors: pickled code is never read here"},
        {"\x80\x04", 2, "a Python pickle", "convert it to safetensors: pickled code is never read here"},
        {"<!", 2, "an HTML page, perhaps a download that failed", "download it again"},
        {"<html", 5, "an HTML page, perhaps a download that failed", "download it again"},
        {"version https://git-lfs", 23, "a Git LFS pointer, not the file itself", "git lfs pull fetches it"},
        {"lmgg", 4, "a GGML file from before GGUF", "convert it with llama.cpp's scripts"},
        {"tjgg", 4, "a GGJT file from before GGUF", "convert it with llama.cpp's scripts"},
        {"fmgg", 4, "a GGMF file from before GGUF", "convert it with llama.cpp's scripts"},
        {"FUGG", 4, "a GGUF file with its magic reversed", NULL},
        {"\x93NUMPY", 6, "a NumPy array", NULL},
    };
    const char *path = bb_source_path(src);
    if (n == 0) return bb_fail(err, BB_E_INVALID, "%s: is empty, expected a GGUF or safetensors file", path);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (n < known[i].n || memcmp(head, known[i].magic, known[i].n) != 0) continue;
        bb_fail(err, BB_E_INVALID, "%s: is %s, expected GGUF or safetensors", path, known[i].is);
        if (known[i].hint) bb_hint(err, "%s", known[i].hint);
        return BB_E_INVALID;
    }
    bool zeros = true, text = true;
    for (size_t i = 0; i < n; i++) {
        zeros &= head[i] == 0;
        text &= head[i] >= 0x20 || head[i] == '\n' || head[i] == '\r' || head[i] == '\t';
    }
    return bb_fail(err, BB_E_INVALID, "%s: %s, expected GGUF or safetensors", path,
                   zeros  ? "begins with zeros, perhaps a download that was never written"
                   : text ? "is text"
                          : "is neither GGUF nor safetensors by its first bytes");
}

bb_status bb_file_open(const char *path, bb_file **file, bb_error *err) {
    bb_file *f = bb_alloc(1, sizeof *f);
    if (!f) return bb_fail(err, BB_E_NOMEM, "out of memory");
    f->budget = METADATA_BUDGET;
    f->alignment = 1;
    unsigned char head[32] = {0};
    bb_status status = bb_source_open(path, &f->src, err);
    if (status == BB_OK) {
        uint64_t size = bb_source_size(f->src);
        size_t n = size < sizeof head ? (size_t)size : sizeof head;
        status = bb_source_read(f->src, 0, head, n, err);
        /* safetensors: a little-endian header length, then the '{' of its JSON (blanks may come first) */
        bool json =
            n > 8 && (head[8] == '{' || (head[7] == 0 && head[6] == 0 && strchr(" \t\r\n", head[8]) && head[8]));
        /* a plain text that has a brace there is still no safetensors: its length would be astronomical */
        bool astronomical = head[7] != 0 && head[7] < 0x80 && head[7] >= 0x20;
        if (status != BB_OK) goto out;
        if (n >= 4 && memcmp(head, "GGUF", 4) == 0)
            status = bb_gguf_read(f, err);
        else if (json && !astronomical)
            status = bb_safetensors_read(f, err);
        else if (n > 0 && n < 9 && strstr(path, ".safetensors"))
            status = bb_fail(err, BB_E_TRUNCATED, "%s: has %zu bytes, a safetensors header needs at least 10",
                             bb_source_path(f->src), n);
        else if (n > 8 && head[4] == 0 && head[5] == 0 && head[6] == 0 && head[7] == 0 &&
                 (head[0] | head[1] | head[2] | head[3]) && strstr(path, ".safetensors"))
            status = bb_safetensors_read(f, err);
        else
            status = unknown_kind(f->src, head, n, err);
    }
out:
    if (status != BB_OK) {
        bb_file_close(f);
        return status;
    }
    *file = f;
    return BB_OK;
}

void bb_file_close(bb_file *f) {
    if (!f) return;
    bb_source_close(f->src);
    bb_file_free_blocks(f);
    free(f->tensors);
    free(f->meta);
    free(f->warnings);
    free(f->by_name);
    free(f);
}

const char *bb_file_format(const bb_file *file) { return file->format; }
size_t bb_file_tensor_count(const bb_file *file) { return file->n_tensors; }
const bb_tensor *bb_file_tensor(const bb_file *file, size_t i) {
    return i < file->n_tensors ? &file->tensors[i] : NULL;
}

const bb_tensor *bb_file_find(const bb_file *file, const char *name) {
    size_t low = 0, high = file->n_tensors;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const bb_tensor *t = &file->tensors[file->by_name[mid]];
        int c = strcmp(name, t->name);
        if (c == 0) return t;
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

/* ---- metadata ---- */

const bb_meta *bb_file_meta(const bb_file *file, const char *key) {
    for (size_t i = 0; i < file->n_meta; i++)
        if (strcmp(file->meta[i].key, key) == 0) return &file->meta[i];
    return NULL;
}

bool bb_meta_u64(const bb_file *file, const char *key, uint64_t *v) {
    const bb_meta *m = bb_file_meta(file, key);
    if (m && m->kind == BB_META_U64)
        *v = m->v.u64;
    else if (m && m->kind == BB_META_I64 && m->v.i64 >= 0)
        *v = (uint64_t)m->v.i64;
    else
        return false;
    return true;
}

bool bb_meta_f64(const bb_file *file, const char *key, double *v) {
    const bb_meta *m = bb_file_meta(file, key);
    if (!m || m->kind != BB_META_F64) return false;
    *v = m->v.f64;
    return true;
}

bool bb_meta_bool(const bb_file *file, const char *key, bool *v) {
    const bb_meta *m = bb_file_meta(file, key);
    if (!m || m->kind != BB_META_BOOL) return false;
    *v = m->v.b;
    return true;
}

const char *bb_meta_text(const bb_file *file, const char *key) {
    const bb_meta *m = bb_file_meta(file, key);
    return m && m->kind == BB_META_TEXT ? m->v.text.data : NULL;
}

/* The readers checked that these sums do not wrap. */
uint64_t bb_file_parameters(const bb_file *file) {
    uint64_t n = 0;
    for (size_t i = 0; i < file->n_tensors; i++)
        if (strcmp(file->tensors[i].name, "rope_freqs.weight") != 0) n += file->tensors[i].elements;
    return n;
}

uint64_t bb_file_tensor_bytes(const bb_file *file) {
    uint64_t n = 0;
    for (size_t i = 0; i < file->n_tensors; i++) n += file->tensors[i].bytes;
    return n;
}

/* ---- rows ---- */

bb_status bb_file_read_raw(const bb_file *file, const bb_tensor *t, uint64_t first, uint64_t count, void *out,
                           bb_error *err) {
    uint64_t row, from, bytes;
    char shown[160];
    bb_escape_buf(t->name, shown, sizeof shown);
    if (!t->type) return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' has a type of unknown size", shown);
    if (first > t->rows || count > t->rows - first)
        return bb_fail(err, BB_E_ARG, "tensor '%s' has %llu rows", shown, (unsigned long long)t->rows);
    bb_status status = bb_dtype_row_bytes(t->type, t->cols, &row);
    if (status != BB_OK)
        return bb_fail(err, status, "tensor '%s': rows of %llu elements", shown, (unsigned long long)t->cols);
    if (!bb_mul_u64(row, first, &from) || !bb_add_u64(from, t->offset, &from) || !bb_mul_u64(row, count, &bytes) ||
        bytes > SIZE_MAX)
        return bb_fail(err, BB_E_OVERFLOW, "tensor '%s': too many bytes", shown);
    return bb_source_read(file->src, from, out, (size_t)bytes, err);
}

/* One element of a plain type at p. */
static float element(const char *type, const bb_format *format, const unsigned char *p, uint32_t bytes) {
    uint64_t u = 0;
    for (uint32_t i = bytes; i-- > 0;) u = u << 8 | p[i];
    if (strcmp(type, "f16") == 0) return bb_f16_to_f32((uint16_t)u);
    if (strcmp(type, "bf16") == 0) return bb_bf16_to_f32((uint16_t)u);
    if (format) return (float)bb_format_decode(format, u);
    if (type[0] == 'i' && bytes > 0) { /* sign extension */
        uint64_t sign = 1ull << (bytes * 8 - 1);
        return (float)(int64_t)((u ^ sign) - sign);
    }
    return (float)u;
}

bb_status bb_file_read_rows(const bb_file *file, const bb_tensor *t, uint64_t first, uint64_t count, float *x,
                            bb_error *err) {
    char shown[160];
    const bb_dtype *type = t->type;
    if (!type || type->block != 1 || type->row_bytes || type->block_bytes > 8 || strcmp(type->name, "c64") == 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' is %s, whose rows are not plain numbers",
                       bb_escape_buf(t->name, shown, sizeof shown), type ? type->name : "of unknown type");
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
    unsigned char *buf = bb_alloc(slab, bytes);
    if (!buf) return bb_fail(err, BB_E_NOMEM, "out of memory");
    bb_status status = BB_OK;
    uint64_t at = t->offset + first * t->cols * bytes; /* inside the file: the extent was checked */
    for (size_t done = 0; done < total && status == BB_OK;) {
        size_t n = total - done < slab ? total - done : slab;
        status = bb_source_read(file->src, at, buf, n * bytes, err);
        for (size_t i = 0; i < n && status == BB_OK; i++)
            x[done + i] = element(type->name, format, buf + i * bytes, bytes);
        done += n;
        at += (uint64_t)n * bytes;
    }
    free(buf);
    return status;
}
