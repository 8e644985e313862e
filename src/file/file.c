/* SPDX-License-Identifier: GPL-3.0-or-later */
/* file.c - opening a container by its first bytes, looking things up in it. */
#include "file/file.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "file/file_parts.h"
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
        {"PK\x03\x04", 4, "a zip archive, perhaps a PyTorch checkpoint or an npz",
         "convert it to safetensors: pickled code is never read here"},
        {"\x80\x02", 2, "a Python pickle", "convert it to safetensors: pickled code is never read here"},
        {"\x80\x03", 2, "a Python pickle", "convert it to safetensors: pickled code is never read here"},
        {"\x80\x05", 2, "a Python pickle", "convert it to safetensors: pickled code is never read here"},
        {"\x80\x04", 2, "a Python pickle", "convert it to safetensors: pickled code is never read here"},
        {"<!", 2, "an HTML page, perhaps a download that failed", "download it again"},
        {"<html", 5, "an HTML page, perhaps a download that failed", "download it again"},
        {"version https://git-lfs", 23, "a Git LFS pointer, not the file itself", "git lfs pull fetches it"},
        {"lmgg", 4, "a GGML file from before GGUF", "convert it with llama.cpp's scripts"},
        {"tjgg", 4, "a GGJT file from before GGUF", "convert it with llama.cpp's scripts"},
        {"fmgg", 4, "a GGMF file from before GGUF", "convert it with llama.cpp's scripts"},
        {"FUGG", 4, "a GGUF file with its magic reversed", NULL},
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

/* A safetensors file may begin with '{' too, by the length of its header; but then its upper bytes are 0. */
bool bb_file_begins_json(const unsigned char *head, size_t n) {
    size_t i = n >= 3 && memcmp(head, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (i < n && head[i] && strchr(" \t\r\n", head[i])) i++;
    return i < n && head[i] == '{' && !memchr(head, 0, n < 8 ? n : 8);
}

/* A little-endian header length, then the '{' of its JSON (blanks may come first). A plain text that has a brace there
 * is no safetensors: its length would be astronomical. */
static bool is_safetensors(const unsigned char *head, size_t n, const char *path) {
    bool small = n > 8 && head[4] == 0 && head[5] == 0 && head[6] == 0 && head[7] == 0;
    bool astronomical = head[7] != 0 && head[7] < 0x80 && head[7] >= 0x20;
    if (n > 8 && !astronomical &&
        (head[8] == '{' || (head[7] == 0 && head[6] == 0 && strchr(" \t\r\n", head[8]) && head[8])))
        return true;
    return small && (head[0] | head[1] | head[2] | head[3]) && strstr(path, ".safetensors");
}

static bb_status read_by_kind(bb_file *f, const char *path, bb_error *err) {
    unsigned char head[32] = {0};
    uint64_t size = bb_source_size(f->src);
    size_t n = size < sizeof head ? (size_t)size : sizeof head;
    bb_status status = bb_source_read(f->src, 0, head, n, err);
    if (status != BB_OK) return status;
    if (n >= 4 && memcmp(head, "GGUF", 4) == 0) return bb_gguf_read(f, err);
    if (n >= 6 && memcmp(head, "\x93NUMPY", 6) == 0) return bb_npy_read(f, err);
    if (bb_file_begins_json(head, n)) {
        f->format = "index"; /* what it names is opened by bb_file_open_index */
        return BB_OK;
    }
    if (is_safetensors(head, n, path)) return bb_safetensors_read(f, err);
    if (n > 0 && n < 9 && strstr(path, ".safetensors"))
        return bb_fail(err, BB_E_TRUNCATED, "%s: has %zu bytes, a safetensors header needs at least 10",
                       bb_source_path(f->src), n);
    return unknown_kind(f->src, head, n, err);
}

bb_status bb_file_open_one(const char *path, size_t budget, bb_file **file, bb_error *err) {
    bb_file *f = bb_alloc(1, sizeof *f);
    if (!f) return bb_fail(err, BB_E_NOMEM, "out of memory");
    f->budget = budget;
    f->alignment = 1;
    bb_status status = bb_source_open(path, &f->src, err);
    if (status == BB_OK) status = read_by_kind(f, path, err);
    if (status != BB_OK)
        bb_file_close(f);
    else
        *file = f;
    return status;
}

/* Elements and bytes of all tensors together stay below 2^64. */
static bb_status check_sums(const bb_file *f, bb_error *err) {
    uint64_t elements = 0, bytes = 0;
    char shown[160];
    for (size_t i = 0; i < f->n_tensors; i++) {
        const bb_tensor *t = &f->tensors[i];
        if (!bb_add_u64(elements, t->elements, &elements) || !bb_add_u64(bytes, t->bytes, &bytes))
            return bb_fail(err, BB_E_OVERFLOW, "%s: the sizes up to tensor '%s' pass 2^64", bb_source_path(f->src),
                           bb_escape_buf(t->name, shown, sizeof shown));
    }
    return BB_OK;
}

bb_status bb_file_open_index(const char *path, bool shards_needed, bb_file **file, bb_error *err) {
    bb_file *f = NULL;
    bb_status status = bb_file_open_one(path, METADATA_BUDGET, &f, err);
    if (status != BB_OK) return status;
    if (strcmp(f->format, "index") == 0)
        status = bb_index_read(f, path, shards_needed, err);
    else {
        status = bb_file_add_part(f, path, err);
        if (status == BB_OK) f->parts[0].src = f->src;
        if (status == BB_OK && strcmp(f->format, "gguf") == 0) status = bb_split_read(f, path, err);
        if (status == BB_OK) status = bb_file_index_names(f, err);
    }
    if (status == BB_OK) status = check_sums(f, err);
    if (status != BB_OK)
        bb_file_close(f);
    else
        *file = f;
    return status;
}

bb_status bb_file_open(const char *path, bb_file **file, bb_error *err) {
    return bb_file_open_index(path, true, file, err);
}

void bb_file_close(bb_file *f) {
    if (!f) return;
    for (size_t i = 0; i < f->n_parts; i++)
        if (f->parts[i].src != f->src) bb_source_close(f->parts[i].src);
    bb_source_close(f->src);
    bb_file_free_blocks(f);
    free(f->parts);
    free(f->tensors);
    free(f->meta);
    free(f->warnings);
    free(f->by_name);
    free(f->by_key);
    free(f);
}

size_t bb_file_parts(const bb_file *file) { return file->n_parts; }
const char *bb_file_part_path(const bb_file *file, size_t part) {
    return part < file->n_parts ? file->parts[part].path : NULL;
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
    size_t low = 0, high = file->n_meta;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const bb_meta *m = &file->meta[file->by_key[mid]];
        int c = strcmp(key, m->key);
        if (c == 0) return m;
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
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

const char *bb_meta_first_text(const bb_file *file, const char *key) {
    const bb_meta *m = bb_file_meta(file, key);
    return m && m->kind == BB_META_ARRAY ? m->v.array.first : NULL;
}

/* check_sums saw that these do not wrap. */
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
