/* SPDX-License-Identifier: GPL-3.0-or-later */
/* error_study.h - what quantizing a file's matrices costs, measured through the kernels. */
#ifndef BB_STUDY_ERROR_STUDY_H
#define BB_STUDY_ERROR_STUDY_H
#include "file/file.h"
#include "kernel/kernel.h"
#include "study/error_inputs.h"

/* A storage type; int8 and int4 with a scale for each row, or one for the whole matrix. */
typedef struct bb_error_type {
    const bb_dtype *dtype;
    bool per_tensor;
} bb_error_type;
/* "q4_0", "int8", "int8:tensor", "int8:row". BB_E_NAME; BB_E_UNSUPPORTED for a type without a quantizer here, and for a
 * part behind the colon that it has not. */
bb_status bb_error_type_find(const char *name, bb_error_type *type, bb_error *err);
enum { BB_ERROR_TYPE_SIZE = 32 };
const char *bb_error_type_name(const bb_error_type *type, char buf[BB_ERROR_TYPE_SIZE]);

typedef struct bb_error_opts {
    const bb_error_type *types; /* [n_types] */
    size_t n_types;
    const bb_inputs *inputs; /* NULL = N(0,1) of seed 1 */
    uint64_t tokens;         /* rows of activations at most; 0 = 16 */
    uint64_t rows_max;       /* output rows checked per tensor, evenly spaced; 0 = 512 */
    unsigned threads;
    bb_isa isa;
    /* Weights that are NaN or infinite count as 0, rows of activations that hold one are left out; without it the
     * tensors that have them are not measured. */
    bool skip_nonfinite;
    const char *only; /* only tensors whose name contains this; NULL = all */
} bb_error_opts;

/* One vector of errors over all outputs of a product. */
typedef struct bb_error_part {
    double rel, max_abs;
    double cosine; /* between the outputs without and with this rounding */
} bb_error_part;

/* Values that are not finite, and the first of them in rows. */
typedef struct bb_error_odd {
    uint64_t count, row, col;
    double value;
} bb_error_odd;

/* A type of the same tensor with more bytes, or with fewer. NULL = none was asked for, or it was not measured. */
typedef struct bb_error_step {
    const bb_error_type *type;
    double per_byte; /* weights times the change of output_rel^2, for each byte of the difference; positive where the
                        larger one has the smaller error */
} bb_error_step;

/* One tensor and type. With ref = W x (float64): total.rel^2 = weights.rel^2 + activations.rel^2 + accumulation.rel^2 +
 * cross, each relative to |ref|. */
typedef struct bb_error_row {
    const bb_tensor *tensor; /* borrowed from the file */
    uint64_t rows, cols;     /* of a tensor of more than two dimensions in a safetensors file: the first, the rest */
    const bb_error_type *type;
    /* Why there are no numbers ("row of 172 is not a multiple of 32"), or none of the output ("the fp16 scale
     * overflows: 32 values lost": weight is there then, its n, nonfinite and lost not all 0); "" = measured. */
    char skipped[224];
    bool beyond; /* the reason is a limit of the kernel, or the shape of the inputs */
    double bits_per_weight;
    uint64_t bytes;
    bb_error_stats weight; /* against the values of the file in float64 */
    bb_error_odd odd_weights, odd_inputs;
    bb_error_part total, weights, activations, accumulation;
    double cross;
    uint64_t rows_checked, tokens;
    /* Relative to |ref|, too. bound: proven upper limit of accumulation.rel, underflow included; bound_sqrt: the same
     * with the square root of the number of roundings, which it reaches rarely. bound_weights and bound_activations:
     * half a step of each value, or its own error where that is more, all with the same sign; the first NaN for a type
     * without steps. */
    double bound, bound_sqrt, bound_weights, bound_activations;
    const char *kernel, *isa;
    uint64_t ns; /* of one product of all checked rows and tokens, the least of three */
    double gops; /* of it: 2 a weight and token, in a nanosecond */
    /* bb_error_rank: elements times total.rel^2, over that of all rows of this type. */
    double share;
    bb_error_step larger, smaller;
} bb_error_row;

/* All measured rows of one type. */
typedef struct bb_error_total {
    const bb_error_type *type;
    size_t tensors;
    uint64_t elements, bytes;
    double bits_per_weight;
    double rel;             /* root of the mean of total.rel^2, by elements; NaN without any */
    double weight_rel;      /* the same of the weights' own error */
    double gops;            /* products of the kernel, 2 a weight and token, in a nanosecond */
    const bb_tensor *worst; /* that has the largest share; NULL = none */
    double worst_share;
} bb_error_total;

typedef struct bb_error_report {
    bb_error_type *types; /* [n_types] owned */
    size_t n_types;
    bb_error_row *rows; /* owned; every tensor of two or more dimensions times every type, in file order */
    size_t n_rows;
    bb_error_total *totals;  /* [n_types] owned */
    const bb_inputs *inputs; /* NULL = N(0,1) of seed 1 */
    uint64_t tokens;         /* asked for */
    bool skip_nonfinite;
    bb_dispatch dispatch; /* products that each kernel ran */
} bb_error_report;

/* BB_E_UNSUPPORTED also when nothing could be measured because of what no kernel here takes, or of inputs of another
 * shape. */
bb_status bb_error_study(const bb_file *file, const bb_error_opts *opts, bb_progress *progress, bb_error_report *report,
                         bb_error *err);
void bb_error_report_clear(bb_error_report *report);
/* The rows by what they lose: those of one type together, the largest share first, what was not measured last. */
void bb_error_report_sort(bb_error_report *report);
#endif
