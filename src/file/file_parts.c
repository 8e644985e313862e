/* SPDX-License-Identifier: GPL-3.0-or-later */
/* file_parts.c - memory, warnings and the checks that every container needs. */
#include "file/file_parts.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Arrays fill a block from its beginning, texts from its end. */
struct bb_block {
    struct bb_block *next;
    size_t used, size;
    uint64_t data[]; /* aligned for everything that is kept here */
};

enum { BLOCK_BYTES = 65536, MAX_WARNINGS = 20 };

/* A block with room for `bytes`, which count from now on. */
static struct bb_block *block_for(bb_file *f, size_t bytes, bb_status *status) {
    if (bytes > f->budget) {
        *status = BB_E_LIMIT;
        return NULL;
    }
    struct bb_block *b = f->blocks;
    if (!b || b->size - b->used < bytes) {
        size_t room = bytes > BLOCK_BYTES / 4 ? bytes : BLOCK_BYTES;
        b = calloc(1, sizeof *b + room);
        if (!b) {
            *status = BB_E_NOMEM;
            return NULL;
        }
        b->size = room;
        /* a block of one large array goes behind the one that still has room */
        if (room != BLOCK_BYTES && f->blocks) {
            b->next = f->blocks->next;
            f->blocks->next = b;
        } else {
            b->next = f->blocks;
            f->blocks = b;
        }
    }
    f->budget -= bytes;
    return b;
}

void *bb_file_alloc(bb_file *f, size_t n, size_t size, bb_status *status) {
    size_t bytes;
    if (!bb_mul_size(n, size, &bytes) || !bb_add_size(bytes, 7, &bytes)) {
        *status = BB_E_LIMIT;
        return NULL;
    }
    bytes &= ~(size_t)7;
    struct bb_block *b = block_for(f, bytes, status);
    if (!b) return NULL;
    void *p = (char *)b->data + b->used;
    b->used += bytes;
    return p;
}

void bb_file_free_blocks(bb_file *f) {
    while (f->blocks) {
        struct bb_block *next = f->blocks->next;
        free(f->blocks);
        f->blocks = next;
    }
}

void bb_file_take_blocks(bb_file *f, bb_file *from) {
    /* behind the block of f that still has room */
    struct bb_block **at = f->blocks ? &f->blocks->next : &f->blocks, **end = &from->blocks;
    while (*end) end = &(*end)->next;
    *end = *at;
    *at = from->blocks;
    from->blocks = NULL;
    f->budget = from->budget;
}

char *bb_file_text(bb_file *f, const char *text, size_t n, bb_status *status) {
    struct bb_block *b = n < SIZE_MAX ? block_for(f, n + 1, status) : NULL;
    if (!b) return NULL;
    b->size -= n + 1;
    char *p = (char *)b->data + b->size;
    if (n && text) memcpy(p, text, n);
    p[n] = '\0';
    return p;
}

const char *bb_file_word(bb_file *f, const char *word, bb_status *status) {
    enum { WORDS = sizeof f->words / sizeof *f->words };
    size_t i = 0;
    for (; i < WORDS && f->words[i]; i++)
        if (strcmp(f->words[i], word) == 0) return f->words[i];
    const char *copy = bb_file_text(f, word, strlen(word), status);
    if (i < WORDS) f->words[i] = copy;
    return copy;
}

bb_status bb_file_no_memory(const bb_file *f, bb_status status, bb_error *err) {
    if (status == BB_E_LIMIT)
        return bb_fail(err, status, "%s: its metadata is larger than 128 MiB", bb_source_path(f->src));
    return bb_fail(err, status, "%s: out of memory", bb_source_path(f->src));
}

void bb_file_warn(bb_file *f, const char *fmt, ...) {
    if (f->n_warnings >= MAX_WARNINGS) return;
    if (!f->warnings) f->warnings = bb_alloc(MAX_WARNINGS, sizeof *f->warnings);
    if (!f->warnings) return;
    char *text = f->warnings[f->n_warnings++];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof *f->warnings, fmt, args);
    va_end(args);
    if (n < (int)sizeof *f->warnings) return;
    /* no half of a character at the end */
    size_t end = sizeof *f->warnings - 1;
    while (end > 0 && ((unsigned char)text[end - 1] & 0xC0) == 0x80) end--;
    if (end > 0 && (unsigned char)text[end - 1] >= 0xC0) end--;
    text[end] = '\0';
}

bb_status bb_tensor_shape(bb_tensor *t, bool inner_first) {
    uint64_t n = 1;
    bool zero = false;
    for (uint32_t i = 0; i < t->n_dims; i++) zero |= t->dims[i] == 0;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        /* a zero must not hide the product of the others */
        if (t->dims[i] && !bb_mul_u64(n, t->dims[i], &n)) return BB_E_OVERFLOW;
        if (n > INT64_MAX) return BB_E_OVERFLOW;
    }
    t->elements = zero ? 0 : n;
    if (t->n_dims == 0)
        t->rows = t->cols = 1;
    else if (t->n_dims == 1) {
        t->rows = 1;
        t->cols = t->dims[0];
    } else if (inner_first) {
        t->cols = t->dims[0];
        t->rows = t->cols ? t->elements / t->cols : 0;
    } else {
        t->rows = t->dims[0];
        t->cols = t->rows ? t->elements / t->rows : 0;
    }
    return BB_OK;
}

/* ---- names ---- */

typedef struct named {
    const char *name;
    size_t index;
} named;

static int by_name(const void *a, const void *b) {
    const named *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    return c ? c : x->index < y->index ? -1 : x->index > y->index;
}

/* The order of n names that lie `stride` bytes apart, the first at `first`; *twice is one that another equals, or NULL.
 * NULL when memory ended. */
static size_t *sort_names(const void *first, size_t stride, size_t n, const char **twice) {
    named *list = bb_alloc(n, sizeof *list);
    size_t *order = bb_alloc(n, sizeof *order);
    bool sorted = true; /* as most writers of an index leave them */
    *twice = NULL;
    for (size_t i = 0; list && order && i < n; i++) {
        memcpy(&list[i].name, (const char *)first + i * stride, sizeof list[i].name);
        list[i].index = i;
        sorted = sorted && (i == 0 || strcmp(list[i - 1].name, list[i].name) < 0);
    }
    if (list && order && !sorted) qsort(list, n, sizeof *list, by_name);
    for (size_t i = 0; list && order && i < n; i++) {
        order[i] = list[i].index;
        if (i && strcmp(list[i].name, list[i - 1].name) == 0) *twice = list[i].name;
    }
    if (!list) {
        free(order);
        order = NULL;
    }
    free(list);
    return order;
}

bb_status bb_file_index_names(bb_file *f, bb_error *err) {
    const char *twice;
    char shown[160];
    free(f->by_name);
    f->by_name = sort_names(f->n_tensors ? &f->tensors->name : NULL, sizeof *f->tensors, f->n_tensors, &twice);
    if (!f->by_name) return bb_file_no_memory(f, BB_E_NOMEM, err);
    if (twice)
        return bb_fail(err, BB_E_INVALID, "%s: tensor '%s' stands twice", bb_source_path(f->src),
                       bb_escape_buf(twice, shown, sizeof shown));
    return BB_OK;
}

bb_status bb_file_index_keys(bb_file *f, bb_error *err) {
    const char *twice;
    char shown[160];
    free(f->by_key);
    f->by_key = sort_names(f->n_meta ? &f->meta->key : NULL, sizeof *f->meta, f->n_meta, &twice);
    if (!f->by_key) return bb_file_no_memory(f, BB_E_NOMEM, err);
    if (twice)
        return bb_fail(err, BB_E_INVALID, "%s: metadata key '%s' stands twice", bb_source_path(f->src),
                       bb_escape_buf(twice, shown, sizeof shown));
    return BB_OK;
}

/* ---- extents ---- */

typedef struct extent {
    uint64_t from, to;
    size_t index;
} extent;

static int by_offset(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

bb_status bb_file_check_extents(const bb_file *f, bool *gaps, bool *ordered, uint64_t *end, bb_error *err) {
    const char *path = bb_source_path(f->src);
    uint64_t size = bb_source_size(f->src), at = f->data_offset;
    char shown[160], other[160];
    bb_status status = BB_OK;
    extent *list = bb_alloc(f->n_tensors, sizeof *list);
    if (!list) return bb_file_no_memory(f, BB_E_NOMEM, err);
    *gaps = false;
    *ordered = true;
    for (size_t i = 0; i < f->n_tensors && status == BB_OK; i++) {
        const bb_tensor *t = &f->tensors[i];
        list[i] = (extent){t->offset, t->offset, i};
        if (!bb_add_u64(t->offset, t->bytes, &list[i].to) || list[i].to > size)
            status = bb_fail(err, BB_E_TRUNCATED, "%s: tensor '%s' ends at %llu but the file has %llu bytes", path,
                             bb_escape_buf(t->name, shown, sizeof shown),
                             (unsigned long long)(list[i].to > t->offset ? list[i].to : UINT64_MAX),
                             (unsigned long long)size);
        if (i && t->offset < f->tensors[i - 1].offset) *ordered = false;
    }
    if (status == BB_OK) qsort(list, f->n_tensors, sizeof *list, by_offset);
    for (size_t i = 0; i < f->n_tensors && status == BB_OK; i++) {
        uint64_t aligned = at;
        if (!bb_align_u64(at, f->alignment, &aligned)) aligned = at;
        if (list[i].from < at && list[i].to > list[i].from)
            status = bb_fail(err, BB_E_INVALID, "%s: tensors '%s' and '%s' overlap at %llu", path,
                             bb_escape_buf(f->tensors[list[i ? i - 1 : 0].index].name, shown, sizeof shown),
                             bb_escape_buf(f->tensors[list[i].index].name, other, sizeof other),
                             (unsigned long long)list[i].from);
        if (list[i].from > aligned) *gaps = true;
        if (list[i].to > at) at = list[i].to;
    }
    free(list);
    if (status == BB_OK) *end = at;
    return status;
}
