/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_study.h - a model quantized into a new file: planned to the byte first, then written by slabs of rows. */
#ifndef BB_STUDY_QUANTIZE_STUDY_H
#define BB_STUDY_QUANTIZE_STUDY_H
#include "kernel/kernel.h"
#include "model/imatrix.h"
#include "model/locate.h"
#include "model/recipe.h"
#include "quant/quant.h"
#include "study/study.h"

/* What is asked. Pointers are borrowed until the job is freed. */
typedef struct bb_quantize_opts {
    bb_recipe recipe; /* has_imatrix is set by the job */
    const bb_imatrix *imatrix;
    const char *imatrix_path; /* as llama-quantize notes it in the file; NULL without imatrix */
    const bb_file *vocab;     /* whose tokenizer a converted checkpoint gets; NULL = none */
    bool requantize;          /* block types may be the source */
    bool allow_nonfinite;
    bool keep_split;          /* as many parts as the input has */
    uint64_t split_max_bytes; /* a part's tensors take at most this; 0 = one file */
    uint64_t target_bytes;    /* of the file; 0 = by the recipe alone */
    double target_bpw;        /* 0 = by the recipe alone */
    bb_quant_opts quant;
    unsigned output_tokens; /* activations, seeded N(0,1), of the products whose error is measured; 0 = none is */
    uint64_t seed;
    unsigned threads;
    unsigned part, parts; /* this run does part `part` (1-based) of `parts`; 0, 0 = all */
} bb_quantize_opts;

enum { BB_QUANTIZE_BINS = 64, BB_QUANTIZE_TOKENS = 16, BB_QUANTIZE_SEED = 1 /* what screen and command ask for */ };
typedef enum bb_quantize_state { BB_ROW_WAITING, BB_ROW_RUNNING, BB_ROW_DONE } bb_quantize_state;

/* One tensor of the output, in its order. */
typedef struct bb_quantize_row {
    char name[256]; /* escaped, whole */
    const bb_dtype *from, *to;
    uint32_t n_dims;
    uint64_t dims[4]; /* innermost first */
    uint64_t elements, from_bytes, bytes;
    bool quantized; /* not copied as it is */
    bool fell_back; /* no block of the wanted type divides its rows */
    atomic_int state;
    /* What follows is valid once state is BB_ROW_DONE. A tensor that was copied has error 0. */
    bb_error_stats error;
    /* |y - W x| / |W x| of output_rows rows, evenly spaced, y being what `kernel` gives; NaN where there is no product,
     * no kernel, only a part of the tensor, or a value that is not finite. */
    double output_rel;
    uint64_t output_rows;    /* 0 = not measured */
    const bb_kernel *kernel; /* NULL = not measured */
    uint64_t revived;        /* blocks that zero importance would have lost, done again with weight 1 */
    /* Counts of (quantized - original) over [-histogram_limit, histogram_limit], a power of two. */
    double histogram_limit;
    uint64_t histogram[BB_QUANTIZE_BINS];
} bb_quantize_row;

typedef struct bb_quantize_job bb_quantize_job; /* owns its rows; the model outlives it */

/* Plans: every type, size and offset; no tensor's data is read, but for a target size, which needs the error of every
 * tensor and type (progress, cancel). */
bb_status bb_quantize_plan(const bb_model *model, const bb_quantize_opts *opts, bb_progress *progress,
                           bb_quantize_job **job, bb_error *err);
void bb_quantize_free(bb_quantize_job *job);
size_t bb_quantize_count(const bb_quantize_job *job);
const bb_quantize_row *bb_quantize_at(const bb_quantize_job *job, size_t i);
uint64_t bb_quantize_file_bytes(const bb_quantize_job *job); /* all parts of a split together */
uint64_t bb_quantize_tensor_bytes(const bb_quantize_job *job);
size_t bb_quantize_files(const bb_quantize_job *job);      /* parts of a split output, 1 otherwise */
bool bb_quantize_complete(const bb_quantize_job *job);     /* the output is there: with parts, all of them are done */
const char *bb_quantize_title(const bb_quantize_job *job); /* "q4_K_M", or the target */
/* Products that each kernel ran for output_rel so far. */
const bb_dispatch *bb_quantize_dispatch(const bb_quantize_job *job);
/* Sentences that the user must see (imatrix without a tensor, no vocabulary, ...); NULL past the end. Grows while it
 * runs: read it afterwards. */
const char *bb_quantize_warning(const bb_quantize_job *job, size_t i);

/* Whether bb_quantize_run can do it: a plan also tells the sizes of what has no quantizer here, of what needs
 * importance that was not given, and of blocks that are not to be quantized again. */
bb_status bb_quantize_check(const bb_quantize_job *job, bb_error *err);
/* Writes path (NAME-00001-of-0000N.gguf beside it when split). Absent, old or complete, whatever happens. Rows are
 * filled while it runs, on `threads` workers; another thread may look at state and progress. Cancel: BB_E_CANCELLED. */
bb_status bb_quantize_run(bb_quantize_job *job, const char *path, bool force, bb_progress *progress, bb_error *err);

/* Rows added up. Begins as zeros. */
typedef struct bb_quantize_total {
    uint64_t from_bytes, bytes, elements; /* of all rows */
    size_t done, measured;                /* rows that are done; those of them that are in blocks or lost digits */
    double weighted, weight;
    const bb_quantize_row *worst; /* of the measured; NULL = none */
} bb_quantize_total;
void bb_quantize_total_add(bb_quantize_total *total, const bb_quantize_row *row);
/* Relative error of the measured rows together: the root of the mean of its squares, by elements; NaN without any. */
double bb_quantize_total_rel(const bb_quantize_total *total);

/* All types side by side for one tensor of the plan, for people who choose: error of each, nothing is written. */
typedef struct bb_quantize_trial {
    const bb_dtype *type;
    double bits_per_weight;
    bb_error_stats error;
} bb_quantize_trial;
/* rows_max rows evenly spaced (0 = 256). *trials is an array that the caller frees. */
bb_status bb_quantize_trials(const bb_quantize_job *job, size_t row, uint64_t rows_max, bb_progress *progress,
                             bb_quantize_trial **trials, size_t *n, bb_error *err);
#endif
