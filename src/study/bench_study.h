/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_study.h - speed and error of the kernels beside this machine's measured roof. */
#ifndef BB_STUDY_BENCH_STUDY_H
#define BB_STUDY_BENCH_STUDY_H
#include "format/dtype.h"
#include "study/study.h"

typedef struct bb_bench_opts {
    uint64_t tokens, out, in; /* 0 = 1, 1024, 1024 */
    unsigned threads;         /* 0 = 1 */
    uint64_t seed;
    double seconds;   /* budget of each kernel; 0 = 0.3 */
    const char *only; /* kernel or type name, NULL = all */
} bb_bench_opts;

typedef struct bb_bench_row {
    const char *kernel, *type, *isa;
    uint64_t tokens, out, in;
    unsigned threads;
    double ns;     /* median of one call */
    double spread; /* interquartile range / median */
    double gops;   /* 2 * tokens * out * in / ns */
    double gbps;   /* weight bytes / ns */
    double roof_fraction;
    const char *bound_by; /* "memory" or "compute" */
    double error_rel;     /* against float64 of the fp32 inputs */
} bb_bench_row;

typedef struct bb_bench_report {
    bb_bench_row *rows; /* owned */
    size_t n_rows;
    double read_gbps; /* measured memory bandwidth */
    double fp32_gops; /* measured peak of portable fp32 multiply and add */
    double int8_gops; /* measured peak of portable int8 multiply and add into int32 */
    char cpu[96];
} bb_bench_report;

bb_status bb_bench_study(const bb_bench_opts *opts, bb_progress *progress, bb_bench_report *report, bb_error *err);
void bb_bench_report_clear(bb_bench_report *report);
#endif
