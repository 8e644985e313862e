/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_study.h - what quantizing a file's matrices costs, measured through the kernels. */
#ifndef BB_STUDY_ERROR_STUDY_H
#define BB_STUDY_ERROR_STUDY_H
#include "file/file.h"
#include "study/study.h"

typedef struct bb_error_opts {
    const bb_dtype *const *types; /* [n_types] */
    size_t n_types;
    uint64_t tokens;   /* rows of activations: seeded N(0,1); 0 = 16 */
    uint64_t rows_max; /* output rows checked per tensor, evenly spaced; 0 = 512 */
    uint64_t seed;
    unsigned threads;
    const char *only; /* only tensors whose name contains this; NULL = all */
} bb_error_opts;

/* One tensor and type. With ref = W x (float64): output_rel^2 = weights^2 + activations^2 + accumulation^2 + cross,
 * each relative to |ref|. */
typedef struct bb_error_row {
    const bb_tensor *tensor; /* borrowed from the file */
    uint64_t rows, cols;
    const bb_dtype *type;
    /* Why there are no numbers ("row of 172 is not a multiple of 32"), or none of the output ("the fp16 scale
     * overflows: 32 values lost": weight is there then, its n, nonfinite and lost not all 0); "" = measured. */
    char skipped[96];
    double bits_per_weight;
    bb_error_stats weight; /* against the values of the file in float64 */
    double output_rel, output_rel_weights, output_rel_activations, output_rel_accumulation, cross;
    uint64_t rows_checked;
    double bound; /* proven upper limit of output_rel_accumulation, underflow included */
    const char *kernel, *isa;
    uint64_t ns; /* of one kernel call over all checked rows and tokens */
} bb_error_row;

typedef struct bb_error_report {
    bb_error_row *rows; /* owned; every tensor of two or more dimensions times every type, in file order */
    size_t n_rows;
    uint64_t tokens, seed;
} bb_error_report;

bb_status bb_error_study(const bb_file *file, const bb_error_opts *opts, bb_progress *progress, bb_error_report *report,
                         bb_error *err);
void bb_error_report_clear(bb_error_report *report);
#endif
