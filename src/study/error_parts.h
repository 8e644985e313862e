/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_parts.h - what the files of error_study share: one matrix, its weights' error, its products. */
#ifndef BB_STUDY_ERROR_PARTS_H
#define BB_STUDY_ERROR_PARTS_H
#include "graph/graph.h"
#include "quant/codec_int8.h"
#include "study/coded_weight.h"
#include "study/error_study.h"

typedef struct bb_inputs_text bb_inputs_text;
struct bb_inputs {
    bb_inputs_kind kind;
    uint64_t seed;
    bb_file *array;       /* owned; NULL of a folder */
    char *path;           /* owned: of the array, the folder or the text */
    bb_inputs_text *text; /* owned; of BB_INPUTS_TEXT */
    /* [n_gguf], [n_hf] names of a checkpoint's tensors in both containers; owned, or NULL */
    bb_graph_tensor *gguf, *hf;
    size_t n_gguf, n_hf;
};
/* error_text.c: the cases of error_inputs.h that are a text's. */
void bb_inputs_text_clear(bb_inputs *in);
void bb_inputs_tell_text(const bb_inputs *in, uint64_t tokens, bb_str *out);
bb_status bb_inputs_text_rows(const bb_inputs *in, const bb_tensor *t, size_t cols, size_t most, float **x,
                              size_t *rows, char *why, size_t why_size, bb_error *err);

/* Row number i of n that are spaced evenly over all. */
static inline uint64_t bb_spaced_row(size_t i, size_t n, uint64_t all) {
    return (uint64_t)((double)i * ((double)all / (double)n));
}

/* A study while it runs. */
typedef struct bb_error_run {
    const bb_error_opts *o; /* every default filled in */
    bb_pool *pool;
    bb_progress *progress; /* or NULL */
    bb_dispatch *dispatch;
} bb_error_run;

/* A tensor as the matrix that it is multiplied as. */
typedef struct bb_error_matrix {
    const bb_file *file;
    const bb_tensor *t;
    bb_coded *coded; /* a checkpoint's codes and scales; NULL where the tensor's own values are meant */
    uint64_t rows, cols;
    bool wide; /* fp32 does not hold its values */
} bb_error_matrix;

/* Sets rows and cols; *unread when its values are codes of a layout that is not known. To be closed in every case. */
bb_status bb_error_matrix_open(const bb_file *file, const bb_tensor *t, bb_error_matrix *m, bool *unread,
                               bb_error *err);
void bb_error_matrix_close(bb_error_matrix *m);
/* Elements [first, first + count), whole blocks of the file's type, in fp32 and float64. */
bb_status bb_error_matrix_read(const bb_error_matrix *m, uint64_t first, size_t count, float *x, double *ref,
                               bb_error *err);

/* What one scale for the whole matrix is made of. */
typedef struct bb_error_range {
    float low, high;
} bb_error_range;
/* Whole rows as the quantizer of a type makes them; range only for one with per_tensor. */
bb_status bb_error_encode(const bb_error_type *type, const bb_error_range *range, const float *x, size_t rows,
                          size_t cols, bb_isa isa, void *out);

/* error_weights.c: weight, odd_weights of the row, over the whole matrix in the slices that `quantize` has, so that the
 * figures are its own; *range of one with per_tensor. */
bb_status bb_error_weights(const bb_error_run *run, const bb_error_matrix *m, bb_error_row *row, bb_error_range *range,
                           bb_error *err);
/* error_split.c: the products of the rows [n_types] that are not skipped, x [tokens][cols]. */
bb_status bb_error_products(const bb_error_run *run, const bb_error_matrix *m, const float *x, size_t tokens,
                            const bb_error_range *ranges, bb_error_row *rows, bb_error *err);
/* Sets the reason why a row has no figures. */
void bb_error_row_skip(bb_error_row *row, const char *fmt, ...) BB_PRINTF(2, 3);
/* error_rank.c: shares, steps and totals. */
void bb_error_rank(bb_error_report *report);

static inline bool bb_error_cancelled(const bb_error_run *run) {
    return run->progress && atomic_load(&run->progress->cancel);
}
static inline void bb_error_advance(const bb_error_run *run, uint64_t elements) {
    if (run->progress) atomic_fetch_add(&run->progress->done, elements);
}
#endif
