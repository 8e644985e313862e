/* SPDX-License-Identifier: GPL-3.0-or-later */
/* imatrix.c - importance matrices of llama-imatrix: GGUF, and the .dat that came before (specs/ggml.md 3.1). */
#include "model/imatrix.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/mem.h"
#include "file/file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 1 << 28, /* 1 GiB of floats */ NAME_MAX_BYTES = 1024, DATASET_MAX = 65536 };

typedef struct entry {
    char *name;
    uint64_t cols, experts;
    float *weights; /* [experts][cols] */
} entry;

struct bb_imatrix {
    entry *list; /* by name */
    size_t n, cap;
    char *dataset; /* NULL = none */
    uint64_t chunks;
    uint64_t values_left;
};

typedef struct reader {
    bb_imatrix *im;
    const char *path; /* escaped */
    bb_error *err;
    char shown[160]; /* the entry that is read */
} reader;

static bb_status no_memory(const reader *r) {
    return bb_fail(r->err, BB_E_NOMEM, "%s: no memory for an importance matrix", r->path);
}

/* An entry with its name and room for values, all of it owned by the list from here on. */
static bb_status add_entry(reader *r, const char *name, size_t name_len, uint64_t values, entry **out) {
    bb_imatrix *im = r->im;
    if (values > im->values_left)
        return bb_fail(r->err, BB_E_LIMIT, "%s: more than %d values in all", r->path, VALUES_MAX);
    if (!bb_grow((void **)&im->list, im->n, &im->cap, sizeof *im->list)) return no_memory(r);
    entry *e = &im->list[im->n];
    *e = (entry){.name = bb_strndup(name, name_len), .cols = values, .experts = 1};
    e->weights = bb_alloc((size_t)values, sizeof *e->weights);
    im->n++;
    if (!e->name || !e->weights) return no_memory(r);
    im->values_left -= values;
    *out = e;
    return BB_OK;
}

static int by_name(const void *a, const void *b) { return strcmp(((const entry *)a)->name, ((const entry *)b)->name); }

static bb_status finish(reader *r) {
    bb_imatrix *im = r->im;
    char shown[96];
    if (im->n == 0) return bb_fail(r->err, BB_E_INVALID, "%s: holds no importance of any tensor", r->path);
    qsort(im->list, im->n, sizeof *im->list, by_name);
    for (size_t i = 1; i < im->n; i++)
        if (by_name(&im->list[i - 1], &im->list[i]) == 0)
            return bb_fail(r->err, BB_E_INVALID, "%s: '%s' stands in it twice", r->path,
                           bb_escape_buf(im->list[i].name, shown, sizeof shown));
    return BB_OK;
}

/* ---- GGUF: NAME.in_sum2, sums of squares by channel and expert, and NAME.counts by expert ---- */

static const char sums_suffix[] = ".in_sum2", counts_suffix[] = ".counts";

/* llama-quantize's load_imatrix: the count as a whole number; 1 for every channel where nothing was counted. */
static void divide(float *w, uint64_t cols, float count) {
    float whole = roundf(count);
    for (uint64_t i = 0; i < cols; i++) w[i] = whole > 0 ? w[i] / whole : 1.0f;
}

static bb_status read_sums(reader *r, const bb_file *f, const bb_tensor *sums, const bb_tensor *counts, size_t len) {
    entry *e = NULL;
    if (strcmp(sums->type_in_file, "F32") != 0 || strcmp(counts->type_in_file, "F32") != 0)
        return bb_fail(r->err, BB_E_INVALID, "%s: sums and counts of '%s' must be F32", r->path, r->shown);
    if (!counts->elements || !sums->elements || sums->elements % counts->elements)
        return bb_fail(r->err, BB_E_INVALID, "%s: '%s' has %llu sums and %llu counts, which do not go together",
                       r->path, r->shown, (unsigned long long)sums->elements, (unsigned long long)counts->elements);
    if (counts->elements > VALUES_MAX)
        return bb_fail(r->err, BB_E_LIMIT, "%s: more than %d values in all", r->path, VALUES_MAX);
    bb_status st = add_entry(r, sums->name, len, sums->elements, &e);
    if (st) return st;
    float *n = bb_alloc((size_t)counts->elements, sizeof *n);
    if (!n) return no_memory(r);
    e->experts = counts->elements;
    e->cols = sums->elements / counts->elements;
    st = bb_file_read_rows(f, sums, 0, sums->rows, e->weights, r->err);
    if (!st) st = bb_file_read_rows(f, counts, 0, counts->rows, n, r->err);
    for (uint64_t i = 0; !st && i < e->experts; i++) divide(e->weights + i * e->cols, e->cols, n[i]);
    free(n);
    return st;
}

/* One tensor of the file: sums are read together with their counts, counts alone are an error. */
static bb_status read_tensor(reader *r, const bb_file *f, const bb_tensor *t) {
    bool is_sums = bb_ends_with(t->name, sums_suffix);
    const char *suffix = is_sums ? sums_suffix : counts_suffix, *other = is_sums ? counts_suffix : sums_suffix;
    if (!is_sums && !bb_ends_with(t->name, counts_suffix)) return BB_OK;
    char name[NAME_MAX_BYTES];
    size_t len = strlen(t->name) - strlen(suffix);
    if (len == 0 || len >= sizeof name - sizeof sums_suffix)
        return bb_fail(r->err, BB_E_INVALID, "%s: '%s' is no name of a tensor", r->path, suffix);
    memcpy(name, t->name, len);
    name[len] = '\0';
    bb_escape_buf(name, r->shown, sizeof r->shown);
    memcpy(name + len, other, strlen(other) + 1);
    const bb_tensor *beside = bb_file_find(f, name);
    if (!beside)
        return bb_fail(r->err, BB_E_INVALID, "%s: '%s' has %s without %s", r->path, r->shown, suffix + 1, other + 1);
    return is_sums ? read_sums(r, f, t, beside, len) : BB_OK;
}

static bb_status read_gguf(reader *r, const char *path) {
    bb_file *f;
    bb_status st = bb_file_open(path, &f, r->err);
    if (st) return st;
    const char *dataset = bb_meta_first_text(f, "imatrix.datasets");
    bb_meta_u64(f, "imatrix.chunk_count", &r->im->chunks);
    if (dataset && !(r->im->dataset = bb_strdup(dataset))) st = no_memory(r);
    for (size_t i = 0; !st && i < bb_file_tensor_count(f); i++) st = read_tensor(r, f, bb_file_tensor(f, i));
    bb_file_close(f);
    return st;
}

/* ---- .dat: i32 n, then n of {i32 length, name, i32 calls, i32 values, f32[]}; perhaps i32 chunks, i32 length, dataset
 */

static bb_status cut(const reader *r, const bb_cursor *c, const char *what) {
    if (c->status != BB_OK && c->status != BB_E_TRUNCATED)
        return bb_fail(r->err, c->status, "%s: reading failed in %s", r->path, what);
    return bb_fail(r->err, BB_E_TRUNCATED, "%s: ends inside %s", r->path, what);
}

/* A count that says how many pieces of `size` bytes follow. */
static bb_status read_count(reader *r, bb_cursor *c, uint64_t size, uint64_t max, const char *what, size_t *n) {
    int64_t v = (int32_t)bb_cursor_u32(c);
    if (!bb_cursor_ok(c)) return cut(r, c, what);
    if (v < 1) return bb_fail(r->err, BB_E_INVALID, "%s: %s of %lld", r->path, what, (long long)v);
    if ((uint64_t)v > bb_cursor_left(c) / size)
        return bb_fail(r->err, BB_E_TRUNCATED, "%s: %s of %lld, but %llu bytes are left", r->path, what, (long long)v,
                       (unsigned long long)bb_cursor_left(c));
    if ((uint64_t)v > max)
        return bb_fail(r->err, BB_E_LIMIT, "%s: %s of %lld, at most %llu are read", r->path, what, (long long)v,
                       (unsigned long long)max);
    *n = (size_t)v;
    return BB_OK;
}

static bb_status read_entry(reader *r, bb_cursor *c) {
    char name[NAME_MAX_BYTES + 1];
    size_t len = 0, values = 0;
    entry *e = NULL;
    bb_status st = read_count(r, c, 1, NAME_MAX_BYTES, "a name's length", &len);
    if (st) return st;
    if (!bb_cursor_bytes(c, name, len)) return cut(r, c, "a name");
    if (memchr(name, 0, len)) return bb_fail(r->err, BB_E_INVALID, "%s: a name with a NUL byte", r->path);
    int32_t calls = (int32_t)bb_cursor_u32(c);
    st = read_count(r, c, sizeof(float), VALUES_MAX, "a number of values", &values);
    if (!st) st = add_entry(r, name, len, values, &e);
    if (st) return st;
    for (size_t i = 0; i < values; i++) {
        uint32_t word = bb_cursor_u32(c);
        memcpy(&e->weights[i], &word, sizeof word);
        if (calls > 0) e->weights[i] /= (float)calls;
    }
    return bb_cursor_ok(c) ? BB_OK : cut(r, c, "the values of a tensor");
}

/* What newer ones have at their end. */
static bb_status read_origin(reader *r, bb_cursor *c) {
    size_t len = 0;
    if (bb_cursor_left(c) == 0) return BB_OK;
    int32_t chunks = (int32_t)bb_cursor_u32(c);
    if (!bb_cursor_ok(c)) return cut(r, c, "the number of chunks");
    r->im->chunks = chunks > 0 ? (uint64_t)chunks : 0;
    if (bb_cursor_left(c) == 0) return BB_OK;
    if (bb_cursor_left(c) == 4) {
        uint32_t none = bb_cursor_u32(c);
        return none == 0 ? BB_OK : cut(r, c, "the name of the dataset");
    }
    bb_status st = read_count(r, c, 1, DATASET_MAX, "the length of the dataset's name", &len);
    if (st) return st;
    if (!(r->im->dataset = bb_alloc(len + 1, 1))) return no_memory(r);
    if (!bb_cursor_bytes(c, r->im->dataset, len)) return cut(r, c, "the name of the dataset");
    if (bb_cursor_left(c) == 0) return BB_OK;
    return bb_fail(r->err, BB_E_INVALID, "%s: %llu bytes after its end", r->path,
                   (unsigned long long)bb_cursor_left(c));
}

static bb_status read_dat(reader *r, const bb_source *src) {
    bb_cursor *c = bb_alloc(1, sizeof *c); /* its buffer is too large for a stack frame */
    size_t n = 0;
    if (!c) return no_memory(r);
    bb_cursor_init(c, src, 0, bb_source_size(src));
    /* the least that an entry takes: three counts, one byte of name, one value */
    bb_status st = read_count(r, c, 4 + 1 + 4 + 4 + 4, SIZE_MAX, "a number of entries", &n);
    for (size_t i = 0; !st && i < n; i++) st = read_entry(r, c);
    if (!st) st = read_origin(r, c);
    free(c);
    return st;
}

bb_status bb_imatrix_open(const char *path, bb_imatrix **imatrix, bb_error *err) {
    bb_source *src;
    char magic[4] = "";
    bb_status st = bb_source_open(path, &src, err);
    if (st) return st;
    bb_imatrix *im = bb_alloc(1, sizeof *im);
    reader r = {.im = im, .path = bb_source_path(src), .err = err};
    if (!im)
        st = no_memory(&r);
    else {
        im->values_left = VALUES_MAX;
        if (bb_source_size(src) >= sizeof magic) st = bb_source_read(src, 0, magic, sizeof magic, err);
        if (!st) st = memcmp(magic, "GGUF", sizeof magic) == 0 ? read_gguf(&r, path) : read_dat(&r, src);
        if (!st) st = finish(&r);
    }
    bb_source_close(src);
    if (st)
        bb_imatrix_free(im);
    else
        *imatrix = im;
    return st;
}

void bb_imatrix_free(bb_imatrix *imatrix) {
    if (!imatrix) return;
    for (size_t i = 0; i < imatrix->n; i++) {
        free(imatrix->list[i].name);
        free(imatrix->list[i].weights);
    }
    free(imatrix->list);
    free(imatrix->dataset);
    free(imatrix);
}

size_t bb_imatrix_count(const bb_imatrix *imatrix) { return imatrix->n; }
const char *bb_imatrix_name(const bb_imatrix *imatrix, size_t i) {
    return i < imatrix->n ? imatrix->list[i].name : NULL;
}
const char *bb_imatrix_dataset(const bb_imatrix *imatrix) { return imatrix->dataset ? imatrix->dataset : ""; }
uint64_t bb_imatrix_chunks(const bb_imatrix *imatrix) { return imatrix->chunks; }

const float *bb_imatrix_weights(const bb_imatrix *imatrix, const char *name, uint64_t *cols, uint64_t *experts) {
    size_t low = 0, high = imatrix->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(imatrix->list[mid].name, name);
        if (order == 0) {
            *cols = imatrix->list[mid].cols;
            *experts = imatrix->list[mid].experts;
            return imatrix->list[mid].weights;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}
