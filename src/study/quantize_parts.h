/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_parts.h - what a quantizing job holds; shared by its planner, its writer and its trials. */
#ifndef BB_STUDY_QUANTIZE_PARTS_H
#define BB_STUDY_QUANTIZE_PARTS_H
#include "base/sink.h"
#include "base/stage.h"
#include "graph/convert.h"
#include "study/quantize_study.h"
#include <pthread.h>

/* A slice is what one worker does at a time: few enough elements that its buffers stay in the cache, the same whatever
 * the number of threads, so that sums over slices are the same too. */
enum { BB_SLICE_ELEMENTS = 128 << 10 };

/* Where the rows of an output tensor come from, and where they go. */
typedef struct bb_quantize_place {
    const bb_tensor *const *source; /* [n_sources], one after the other; n_sources 0 = made */
    const bb_tensor *only;          /* source points here when there is one */
    size_t n_sources;
    const bb_converted *converted; /* of a checkpoint; NULL of a GGUF */
    bool turned;                   /* the rows of its heads are interleaved: slices are whole rows */
    const float *made;             /* [elements] */
    uint64_t cols, rows;           /* of the matrix; rows over all sources */
    uint64_t slice_rows;           /* whole rows of a slice; 0 = slices are cut anywhere between blocks */
    uint64_t slice_elements;       /* of a slice that is cut anywhere */
    uint64_t first, slices;        /* numbers of its slices among those of the job */
    const float *importance;       /* [experts][cols], fit for every block; NULL = none */
    float *importance_owned;       /* the same memory when it had to be mended */
    uint64_t importance_rows;      /* rows that one of its experts covers */
    size_t file;                   /* part of a split output */
    uint64_t offset;               /* in that file */
    uint64_t padded;               /* bytes up to the next tensor */
} bb_quantize_place;

struct bb_quantize_job {
    const bb_model *model;
    bb_quantize_opts opts;
    bb_ftype ftype; /* what general.file_type says */
    char title[64];
    bb_quantize_row *rows; /* [n] */
    bb_quantize_place *places;
    size_t n;
    bb_conversion conversion; /* of a checkpoint; empty for a GGUF */
    char *config;             /* text of its config.json */
    size_t config_bytes;
    bb_gguf_out **files; /* [n_files] */
    const unsigned char **headers;
    size_t *header_bytes;
    uint64_t *file_bytes;
    size_t n_files;
    uint64_t slices, source_bytes;
    size_t mended; /* tensors whose importance was mended */
    uint64_t mended_channels;
    char first_mended[256];
    bb_dispatch dispatch;
    bool complete;        /* every part of the output is written */
    pthread_mutex_t lock; /* of the warnings, and of what the run shares */
    char (*warnings)[256];
    size_t n_warnings, warnings_cap;
};

/* Under the lock of the job; a sentence that is lost for want of memory is lost. */
void bb_quantize_warn(bb_quantize_job *job, const char *fmt, ...) BB_PRINTF(2, 3);
/* Types are set: sizes, files, offsets, slices and headers follow. */
bb_status bb_quantize_layout(bb_quantize_job *job, bb_error *err);
void bb_quantize_layout_clear(bb_quantize_job *job);
/* Picks types for opts.target_bytes or target_bpw; reads samples of every matrix. */
bb_status bb_quantize_target(bb_quantize_job *job, const bb_mix_tensor *mix, bb_progress *progress, bb_error *err);
/* Rows of a tensor, evenly spaced, and what comes back of them. */
typedef struct bb_sample {
    float *x, *back; /* [rows][cols] */
    unsigned char *raw, *out;
    size_t rows, cols, n;
    uint64_t *expert; /* [rows] whose importance counts */
} bb_sample;
/* At most `most` rows; to be cleared in every case. */
bb_status bb_sample_read(const bb_quantize_job *job, size_t row, uint64_t most, bb_sample *s, bb_error *err);
bb_status bb_sample_quantize(const bb_quantize_job *job, size_t row, const bb_dtype *type, bb_sample *s);
void bb_sample_clear(bb_sample *s);

/* Looks a tensor's importance up: place->importance. BB_E_INVALID when it is of another shape. */
bb_status bb_quantize_importance(bb_quantize_job *job, size_t row, bb_error *err);
/* With its type known: weight 1, and a warning, where ggml would lose a block (specs/ggml.md 0.4). */
bb_status bb_quantize_mend(bb_quantize_job *job, size_t row, bb_error *err);
/* Warns of matrices without importance, and of what was mended. */
void bb_quantize_importance_told(bb_quantize_job *job);
/* Blocks of x that came back as nothing but zeros although they are not are quantized again with weight 1; how many.
 * back is what out decodes to. */
uint64_t bb_quantize_revive(const bb_quantize_job *job, const bb_dtype *type, const float *x, size_t count,
                            unsigned char *out, float *back);

/* What one worker does at a time. */
typedef struct bb_quantize_slice {
    size_t row;
    uint64_t number; /* within its tensor */
    uint64_t first;  /* element */
    size_t count;
} bb_quantize_slice;
/* Slice i of the job. */
bb_quantize_slice bb_quantize_find_slice(const bb_quantize_job *job, uint64_t i);
/* The first element of slice `number` of a tensor; all elements for the one behind its last. */
uint64_t bb_quantize_element(const bb_quantize_job *job, size_t row, uint64_t number);
/* Of whole blocks; the types here have no bytes beside them. */
static inline uint64_t bb_blocks_bytes(const bb_dtype *t, uint64_t elements) {
    return elements / t->block * t->block_bytes;
}

/* Elements [first, first + count) of an output tensor as fp32 before it is quantized, all of one source, in whole
 * blocks of its type; whole rows where rows are interleaved. raw gets their bytes in the source's type (4 each of what
 * is made). x is left alone for a type without a codec: only its bytes can be copied. BB_E_TRUNCATED, BB_E_READ. */
bb_status bb_quantize_read(const bb_quantize_job *job, size_t row, uint64_t first, size_t count, unsigned char *raw,
                           float *x, bb_error *err);

/* The files of a run: sinks [n_files], or the stage of a part. Begins as NULLs. */
typedef struct bb_quantize_outputs {
    bb_sink **sinks;
    bb_stage *stage;
} bb_quantize_outputs;
/* Refuses inputs as outputs, reserves the space and writes the headers. Abandon in every case. */
bb_status bb_quantize_outputs_open(bb_quantize_outputs *o, const bb_quantize_job *job, const char *path, bool force,
                                   bb_error *err);
bb_status bb_quantize_outputs_write(const bb_quantize_outputs *o, size_t file, uint64_t at, const void *data, size_t n,
                                    bb_error *err);
/* When the inputs are what they were: gives the files their names; sets job->complete. */
bb_status bb_quantize_outputs_commit(bb_quantize_outputs *o, bb_quantize_job *job, bb_error *err);
void bb_quantize_outputs_abandon(bb_quantize_outputs *o, const bb_quantize_job *job);
#endif
