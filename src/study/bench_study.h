/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_study.h - speed and error of the kernels beside this machine's measured roof, and other libraries beside them.
 */
#ifndef BB_STUDY_BENCH_STUDY_H
#define BB_STUDY_BENCH_STUDY_H
#include "kernel/kernel.h"
#include "kernel/roof.h"
#include "study/study.h"

typedef struct bb_bench_opts {
    uint64_t tokens, out, in; /* 0 = 1, 1024, 1024 */
    /* Several numbers of tokens, in place of `tokens`: rows for each, in this order. */
    const uint64_t *token_list;
    size_t n_tokens;
    unsigned threads; /* 0 = one for each processor */
    bb_isa isa;
    bool every; /* the kernels of all levels that run within isa, not the fastest alone */
    /* NULL = those with a kernel of their own. Others that can be decoded run as fp32 weights: kernel "gemm_f32". */
    const bb_dtype *const *types;
    size_t n_types;
    uint64_t seed;
    double seconds;       /* budget of each row; 0 = 0.3 */
    const char *only;     /* kernel or type name, NULL = all */
    bool peers;           /* OpenBLAS, GSL's cblas and ggml too, where they are installed */
    const char *ggml_dir; /* folder of ggml's libraries; NULL = where the system finds them */
} bb_bench_opts;

typedef struct bb_bench_row {
    char kernel[24];  /* op_type: "gemm_q4_0"; "gemm_f32" also where weights of another type were widened */
    const char *type; /* of the weights */
    char isa[48];     /* the level; of a peer its name and what it chose: "ggml:zen4 repack", "openblas:SkylakeX" */
    bool peer;
    uint64_t tokens, out, in;
    unsigned threads;
    /* Median of one call: of one thread its processor time, which other programs do not lengthen; of several the time
     * that passed. */
    double ns;
    double spread;         /* interquartile range / median */
    double best_ns;        /* the shortest, of the same clock as ns */
    double wall_ns;        /* median of the time that passed */
    double gops;           /* 2 * tokens * out * in / ns */
    double gbps;           /* weight bytes / ns */
    uint64_t weight_bytes; /* as packed */
    bb_tier tier;          /* where the weights come from: calls rotate over copies, so that it is memory but for small
                               ones */
    double roof_ns;        /* what reading the weights from there or the arithmetic would take alone, the longer one */
    double roof_fraction;  /* roof_ns / ns */
    const char *bound_by;  /* "memory" or "compute" */
    double error_rel;      /* against float64 of the fp32 inputs, over a sample of the outputs when they are many */
} bb_bench_row;

typedef struct bb_bench_report {
    bb_bench_row *rows; /* owned; by number of tokens, then type, then level, then peers */
    size_t n_rows;
    unsigned threads; /* of the rows */
    bb_roof roof;
    /* Of roof.used, memory and the highest peaks within isa: what the rows' threads can do at most. */
    double read_gbps, fp32_gops, bf16_gops, int8_gops;
    bb_dispatch dispatch; /* products that each kernel ran for the rows */
    char notes[8][160];   /* which peers were found and which were not, and types left out; n_notes of them */
    size_t n_notes;
    char cpu[96];
} bb_bench_report;

bb_status bb_bench_study(const bb_bench_opts *opts, bb_progress *progress, bb_bench_report *report, bb_error *err);
void bb_bench_report_clear(bb_bench_report *report);
#endif
