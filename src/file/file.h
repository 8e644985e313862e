/* SPDX-License-Identifier: GPL-3.0-or-later */
/* file.h - what an open model container holds: tensors, metadata, warnings; the readers of each kind fill it. */
#ifndef BB_FILE_FILE_H
#define BB_FILE_FILE_H
#include "base/source.h"
#include "format/dtype.h"

/* Metadata value kinds; the integer kinds of GGUF are widened. */
typedef enum bb_meta_kind {
    BB_META_U64,
    BB_META_I64,
    BB_META_F64,
    BB_META_BOOL,
    BB_META_TEXT,
    BB_META_ARRAY, /* numbers and bools are kept when there are at most 65536; of texts only the first, if short */
} bb_meta_kind;

typedef struct bb_meta {
    char *key;
    bb_meta_kind kind;
    char type_in_file[12]; /* "u32", "str", ... */
    uint64_t at, bytes;    /* of GGUF: where type and value lie in the file that was named, for a writer; else 0 */
    union {
        uint64_t u64;
        int64_t i64;
        double f64;
        bool b;
        struct {
            char *data;
            size_t len; /* bytes; data is NUL-terminated */
        } text;
        struct {
            bb_meta_kind element; /* BB_META_ARRAY for a nested one */
            char element_in_file[12];
            uint64_t count;
            double *numbers; /* [count] of a number or bool array that was kept, else NULL */
            char *first;     /* the first of an array of texts, when it has at most 4096 bytes, else NULL */
        } array;
    } v;
} bb_meta;

/* One of the files that hold the tensors; a container that stands alone is its own part 0. */
typedef struct bb_file_part {
    bb_source *src;   /* NULL when it was not opened: names_only */
    const char *path; /* escaped, owned by the file */
} bb_file_part;

struct bb_file {
    bb_source *src;      /* the file that was named */
    const char *format;  /* "gguf", "safetensors", "npy"; "index" for one whose shards were not opened */
    uint32_t version;    /* of GGUF and npy; 0 otherwise */
    bb_file_part *parts; /* [n_parts]; bb_tensor.part points here */
    size_t n_parts;
    bool names_only;    /* tensors have a name and a part, nothing else: an index without its shards */
    bool column_major;  /* rows do not lie together: npy in Fortran's order */
    uint64_t split_no;  /* of a GGUF that is one part of several: which, from 0 ... */
    uint64_t split_of;  /* ... of how many; 0 when it is not split, or all parts were opened */
    bb_tensor *tensors; /* [n_tensors], strings and dims owned by the file */
    size_t n_tensors;
    bb_meta *meta; /* [n_meta]; __metadata__ of safetensors as text, metadata of an index */
    size_t n_meta;
    char (*warnings)[192]; /* [n_warnings], escaped */
    size_t n_warnings;
    uint64_t data_offset;    /* of the file that was named */
    uint32_t alignment;      /* of GGUF; 1 otherwise */
    size_t *by_name;         /* [n_tensors] order of the names, for bb_file_find */
    size_t *by_key;          /* [n_meta] order of the keys, for bb_file_meta */
    struct bb_block *blocks; /* every string and array above */
    size_t budget;           /* bytes that they may still take */
    const char *words[16];   /* texts that many tensors share */
};

/* An index of shards (*.index.json) by its names alone when shards are not needed or are pickles, which are never read:
 * tensors with name and part, type NULL, elements 0. With shards_needed an absent or different shard is an error, as in
 * bb_file_open, which takes every other kind of file too. */
bb_status bb_file_open_index(const char *path, bool shards_needed, bb_file **file, bb_error *err);
/* Whether a regular file is JSON that has a weight_map in its first MiB. */
bool bb_file_is_index(const char *path);

const bb_meta *bb_file_meta(const bb_file *file, const char *key); /* NULL when absent */
/* Typed getters: false (out untouched) when absent or of another kind; integers of either sign kind are accepted when
 * they are not negative. */
bool bb_meta_u64(const bb_file *file, const char *key, uint64_t *v);
bool bb_meta_f64(const bb_file *file, const char *key, double *v);
bool bb_meta_bool(const bb_file *file, const char *key, bool *v);
const char *bb_meta_text(const bb_file *file, const char *key);       /* NULL when absent or not text */
const char *bb_meta_first_text(const bb_file *file, const char *key); /* of an array of texts; NULL when not kept */

/* All parameters of the file: elements of every tensor but rope_freqs. Overflow-checked when the file was opened. An
 * index by its names alone has 0. */
uint64_t bb_file_parameters(const bb_file *file);
uint64_t bb_file_tensor_bytes(const bb_file *file);
/* One raw row range, rows * row bytes, into out: for readers that decode themselves. */
bb_status bb_file_read_raw(const bb_file *file, const bb_tensor *t, uint64_t first, uint64_t count, void *out,
                           bb_error *err);
#endif
