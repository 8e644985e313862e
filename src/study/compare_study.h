/* SPDX-License-Identifier: GPL-3.0-or-later */
/* compare_study.h - two model files, tensor by tensor: what is the same, and how far apart the rest is. */
#ifndef BB_STUDY_COMPARE_STUDY_H
#define BB_STUDY_COMPARE_STUDY_H
#include "model/locate.h"
#include "study/study.h"

typedef struct bb_compare_opts {
    const char *only; /* only tensors whose name in either file contains this; NULL = all */
    unsigned threads;
} bb_compare_opts;

typedef enum bb_same {
    BB_SAME_NO,     /* other values, another shape, or in one file only */
    BB_SAME_VALUES, /* every value is the same, the type or the bytes are not */
    BB_SAME_BYTES   /* type, shape and bytes */
} bb_same;

/* A tensor of one file, or several that the other file keeps as one: experts, one after the other. */
typedef struct bb_compare_side {
    const bb_file *file;       /* borrowed */
    const bb_tensor *const *t; /* [n], owned by the report; n 0 = the file does not have it */
    size_t n;
    struct bb_coded *coded; /* while it is compared: how codes become values, else NULL */
} bb_compare_side;

typedef struct bb_compare_row {
    bb_compare_side a, b;
    uint64_t head_rows; /* rows of a head, which a GGUF of llama keeps in another order than a checkpoint; 0 = as is */
    bool transposed;    /* the checkpoint keeps it the other way round: not compared */
    bb_same same;
    bool measured;
    /* Of b against a, when measured. Of no tensor that is equal by its bytes are values read: then `nonfinite` is 0. */
    bb_error_stats error;
    uint64_t nonfinite[2]; /* values of a and of b */
    bool unmatched;        /* some of them are another value in the other: the error is infinite */
    char note[192];        /* why it is not measured, how it was matched, what is not finite; "" = nothing to say */
} bb_compare_row;

/* A key of the metadata that only one file has (the other is NULL), or whose values differ. */
typedef struct bb_compare_key {
    const bb_meta *a, *b;
} bb_compare_key;

typedef struct bb_compare_report {
    const bb_model *a, *b;
    bb_compare_row *rows; /* owned; in the order of a, then what only b has in its order */
    size_t n_rows;
    size_t same_bytes, same_values, different, only_a, only_b;
    size_t unmeasured;    /* of `different`: why stands in the note */
    bool keys_compared;   /* both are of one format, and have metadata */
    bb_compare_key *keys; /* owned */
    size_t n_keys;
    size_t by_length;       /* arrays of text, and long ones, of which only type and length are known */
    uint64_t bytes;         /* of both files' tensors that were compared */
    const bb_tensor **refs; /* owned: what the sides point into */
} bb_compare_report;

/* Both models have a file. Tensors are matched by name; those of a GGUF with those of a checkpoint through the names
 * that the architecture has in both. Memory: some MiB a thread. */
bb_status bb_compare_study(const bb_model *a, const bb_model *b, const bb_compare_opts *opts, bb_progress *progress,
                           bb_compare_report *report, bb_error *err);
void bb_compare_report_clear(bb_compare_report *report);
#endif
