/* SPDX-License-Identifier: GPL-3.0-or-later */
/* parts.c - a container in several files: opening them, and the parts of a split GGUF. */
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "file/file_parts.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 512, SPLIT_MAX = 65535 /* split.count is a u16 */ };

size_t bb_folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* name in the folder of path; NULL when memory ended. */
static char *beside(const char *path, const char *name) {
    size_t folder = bb_folder_length(path), n = strlen(name), size;
    if (!bb_add_size(folder, n, &size) || !bb_add_size(size, 1, &size)) return NULL;
    char *full = bb_alloc(size, 1);
    if (!full) return NULL;
    memcpy(full, path, folder);
    memcpy(full + folder, name, n);
    return full;
}

bb_status bb_file_open_part(const bb_file *f, const char *path, const char *name, bb_file **part, bb_error *err) {
    char shown[SHOWN], where[160];
    bb_error why = {0};
    char *full = beside(path, name);
    if (!full) return bb_fail(err, BB_E_NOMEM, "%s: out of memory", bb_source_path(f->src));
    bb_status status = bb_file_open_one(full, f->budget, part, &why);
    bb_escape_buf(full, shown, sizeof shown);
    free(full);
    if (status == BB_OK) return BB_OK;
    /* the sentence begins with the part's path, which the file's own already says most of */
    size_t n = strlen(shown);
    const char *text =
        strncmp(why.text, shown, n) == 0 && strncmp(why.text + n, ": ", 2) == 0 ? why.text + n + 2 : why.text;
    bb_fail(err, status, "%s: its part '%s': %s", bb_source_path(f->src), bb_escape_buf(name, where, sizeof where),
            text);
    if (*why.hint) bb_hint(err, "%s", why.hint);
    return status;
}

bb_status bb_file_add_part(bb_file *f, const char *path, bb_error *err) {
    bb_status status = BB_OK;
    char shown[SHOWN];
    bb_file_part *more = bb_realloc(f->parts, f->n_parts + 1, sizeof *more);
    if (!more) return bb_file_no_memory(f, BB_E_NOMEM, err);
    f->parts = more;
    bb_escape_buf(path, shown, sizeof shown);
    f->parts[f->n_parts] = (bb_file_part){.path = bb_file_text(f, shown, strlen(shown), &status)};
    if (!f->parts[f->n_parts].path) return bb_file_no_memory(f, status, err);
    f->n_parts++;
    return BB_OK;
}

static void take_warnings(bb_file *f, const bb_file *part) {
    const char *path = bb_source_path(part->src);
    for (size_t i = 0; i < part->n_warnings; i++)
        bb_file_warn(f, "%s: %s", path + bb_folder_length(path), part->warnings[i]);
}

bb_status bb_file_join(bb_file *f, bb_file *part, bb_error *err) {
    bb_status status = BB_OK;
    uint32_t number = (uint32_t)f->n_parts;
    bb_tensor *more = bb_realloc(f->tensors, f->n_tensors + part->n_tensors, sizeof *more);
    if (!more)
        status = bb_file_no_memory(f, BB_E_NOMEM, err);
    else
        f->tensors = more;
    if (status == BB_OK) status = bb_file_add_part(f, bb_source_path(part->src), err);
    if (status == BB_OK) {
        f->parts[number].src = part->src;
        for (size_t i = 0; i < part->n_tensors; i++) {
            f->tensors[f->n_tensors] = part->tensors[i];
            f->tensors[f->n_tensors++].part = number;
        }
        take_warnings(f, part);
        bb_file_take_blocks(f, part);
        part->src = NULL;
    }
    bb_file_close(part);
    return status;
}

/* ---- split GGUF: PREFIX-00001-of-00003.gguf and so on (specs: llama.cpp's llama_split_path) ---- */

static bb_status split_keys(const bb_file *f, uint64_t *no, uint64_t *of, bb_error *err) {
    const char *path = bb_source_path(f->src);
    *no = *of = 0;
    if (!bb_file_meta(f, "split.count")) return BB_OK;
    if (!bb_meta_u64(f, "split.count", of)) return bb_fail(err, BB_E_INVALID, "%s: split.count is negative", path);
    if (*of <= 1) return BB_OK;
    if (*of > SPLIT_MAX)
        return bb_fail(err, BB_E_INVALID, "%s: split.count is %" PRIu64 ", at most %d parts are read", path, *of,
                       SPLIT_MAX);
    if (!bb_meta_u64(f, "split.no", no))
        return bb_fail(err, BB_E_INVALID, "%s: one of %" PRIu64 " parts, but split.no does not say which", path, *of);
    if (*no >= *of)
        return bb_fail(err, BB_E_INVALID, "%s: split.no is %" PRIu64 ", but split.count is %" PRIu64, path, *no, *of);
    return BB_OK;
}

/* How many bytes of the name of part `no` stand before its number; 0 when the name is not one of a part. */
static size_t split_prefix(const char *name, uint64_t no, uint64_t of) {
    char end[64];
    int n = snprintf(end, sizeof end, "-%05" PRIu64 "-of-%05" PRIu64 ".gguf", no + 1, of);
    size_t len = strlen(name), tail = n > 0 ? (size_t)n : 0;
    return len > tail && strcmp(name + len - tail, end) == 0 ? len - tail : 0;
}

/* The name of part `no` beside the one called name; NULL when memory ended. */
static char *split_name(const char *name, size_t prefix, uint64_t no, uint64_t of) {
    char *text = bb_alloc(prefix + 64, 1);
    if (text) snprintf(text, prefix + 64, "%.*s-%05" PRIu64 "-of-%05" PRIu64 ".gguf", (int)prefix, name, no + 1, of);
    return text;
}

static bb_status read_part(bb_file *f, const char *path, const char *name, uint64_t no, uint64_t of, bb_error *err) {
    bb_file *part = NULL;
    uint64_t its_no, its_of;
    char shown[160];
    bb_escape_buf(name, shown, sizeof shown);
    bb_status status = bb_file_open_part(f, path, name, &part, err);
    if (status != BB_OK) return status;
    if (strcmp(part->format, "gguf") != 0)
        status = bb_fail(err, BB_E_INVALID, "%s: its part '%s' is no GGUF file", bb_source_path(f->src), shown);
    else if (split_keys(part, &its_no, &its_of, NULL) != BB_OK || its_no != no || its_of != of)
        status =
            bb_fail(err, BB_E_INVALID,
                    "%s: its part '%s' does not say in split.no and split.count that it is %" PRIu64 " of %" PRIu64,
                    bb_source_path(f->src), shown, no + 1, of);
    if (status == BB_OK) return bb_file_join(f, part, err);
    bb_file_close(part);
    return status;
}

/* A part that is not the first: what it holds is shown, with a word about where the model begins. */
static bb_status later_part(bb_file *f, const char *name, bb_error *err) {
    char shown[96];
    size_t prefix = split_prefix(name, f->split_no, f->split_of);
    char *first = prefix ? split_name(name, prefix, 0, f->split_of) : NULL;
    if (prefix && !first) return bb_file_no_memory(f, BB_E_NOMEM, err);
    bb_file_warn(f, "is part %" PRIu64 " of %" PRIu64 " of a model, shown alone: %s%s, opens all", f->split_no + 1,
                 f->split_of, first ? "the first, " : "the first",
                 first ? bb_escape_buf(first, shown, sizeof shown) : "");
    free(first);
    return BB_OK;
}

bb_status bb_split_read(bb_file *f, const char *path, bb_error *err) {
    uint64_t no, of, total;
    bb_status status = split_keys(f, &no, &of, err);
    if (status != BB_OK || of <= 1) return status;
    f->split_no = no;
    f->split_of = of;
    const char *name = path + bb_folder_length(path);
    if (no > 0) return later_part(f, name, err);
    size_t prefix = split_prefix(name, 0, of);
    if (!prefix || prefix > INT32_MAX)
        return bb_fail(err, BB_E_INVALID,
                       "%s: the first of %" PRIu64 " parts, but its name does not end in -00001-of-%05" PRIu64
                       ".gguf, so that the others cannot be found",
                       bb_source_path(f->src), of, of);
    for (uint64_t i = 1; i < of && status == BB_OK; i++) {
        char *other = split_name(name, prefix, i, of);
        status = other ? read_part(f, path, other, i, of, err) : bb_file_no_memory(f, BB_E_NOMEM, err);
        free(other);
    }
    if (status != BB_OK) return status;
    if (!bb_meta_u64(f, "split.tensors.count", &total))
        bb_file_warn(f, "split.tensors.count is missing: whether the parts are complete is not known");
    else if (total != f->n_tensors)
        return bb_fail(err, BB_E_INVALID, "%s: split.tensors.count is %" PRIu64 ", but its %" PRIu64 " parts hold %zu",
                       bb_source_path(f->src), total, of, f->n_tensors);
    f->split_of = 0;
    return BB_OK;
}
