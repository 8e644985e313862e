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
    BB_META_ARRAY, /* of u64.count elements; numbers and bools are kept when there are at most 65536, texts are not */
} bb_meta_kind;

typedef struct bb_meta {
    char *key;
    bb_meta_kind kind;
    char type_in_file[12]; /* "u32", "str", ... */
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
        } array;
    } v;
} bb_meta;

struct bb_file {
    bb_source *src;
    const char *format; /* "gguf", "safetensors" */
    uint32_t version;   /* of GGUF; 0 otherwise */
    bb_tensor *tensors; /* [n_tensors], strings and dims owned by the file */
    size_t n_tensors;
    bb_meta *meta; /* [n_meta]; __metadata__ of safetensors as text */
    size_t n_meta;
    char (*warnings)[192]; /* [n_warnings], escaped */
    size_t n_warnings;
    uint64_t data_offset;
    uint32_t alignment;      /* of GGUF; 1 otherwise */
    size_t *by_name;         /* [n_tensors] order of the names, for bb_file_find */
    struct bb_block *blocks; /* every string and array above */
    size_t budget;           /* bytes that they may still take */
};

const bb_meta *bb_file_meta(const bb_file *file, const char *key); /* NULL when absent */
/* Typed getters: false (out untouched) when absent or of another kind; integers of either sign kind are accepted when
 * they are not negative. */
bool bb_meta_u64(const bb_file *file, const char *key, uint64_t *v);
bool bb_meta_f64(const bb_file *file, const char *key, double *v);
bool bb_meta_bool(const bb_file *file, const char *key, bool *v);
const char *bb_meta_text(const bb_file *file, const char *key); /* NULL when absent or not text */

/* All parameters of the file: elements of every tensor but rope_freqs. Overflow-checked when the file was opened. */
uint64_t bb_file_parameters(const bb_file *file);
uint64_t bb_file_tensor_bytes(const bb_file *file);
/* One raw row range, rows * row bytes, into out: for readers that decode themselves. */
bb_status bb_file_read_raw(const bb_file *file, const bb_tensor *t, uint64_t first, uint64_t count, void *out,
                           bb_error *err);
#endif
