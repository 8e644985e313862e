/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kl_study.h - what quantizing a model costs in its predictions of a text: perplexity and KL divergence by type. */
#ifndef BB_STUDY_KL_STUDY_H
#define BB_STUDY_KL_STUDY_H
#include "infer/perplexity.h"
#include "model/locate.h"
#include "study/study.h"

typedef struct bb_kl_opts {
    const char *text;         /* path of the text */
    const char *const *types; /* [n_types] file types, whose mixture each tensor gets, or storage types */
    size_t n_types;
    const bb_file *vocab; /* a GGUF whose vocabulary splits the text; NULL = the model's own */
    uint64_t ctx;         /* tokens of a chunk; 0 = the model's context, at most 512 */
    uint64_t chunks;      /* 0 = all of the text */
    bool per_tensor;      /* each matrix alone, too */
    unsigned threads;     /* 0 = the processors */
    bb_isa isa;
} bb_kl_opts;

/* The model in one type, or one matrix of it. */
typedef struct bb_kl_row {
    char type[32];          /* "q4_K_M"; of the file as it is the type that it says to have */
    char tensor[64];        /* the only matrix that is in the type, by its GGUF name; "" = all */
    char stored_as[16];     /* of that matrix: what the type makes of it ("q6_K"); "" of all */
    uint64_t file_bytes;    /* of the whole model */
    int64_t saved_bytes;    /* less than the file that was given */
    double bits_per_weight; /* of all tensors; of that one */
    bb_score score;         /* through the kernels, against the base */
    double price;           /* KL for each MiB that is saved; NaN where none is */
    double kl_weights_only; /* values decoded to fp32, inputs not rounded; NaN = not measured */
    /* of them, those in another type since no block divides their rows, those that stay as they were */
    size_t matrices, other, kept;
} bb_kl_row;

/* The base: the values of the file, block types decoded, through the fp32 kernel. */
typedef struct bb_kl_report {
    bb_kl_row *rows; /* [n_rows], owned: the file as it is, then each type, then by type each matrix, those first that
                      * lose most for each byte that they save, before them those whose predictions are not finite */
    size_t n_rows;
    bb_score base;
    uint64_t tokens, ctx; /* of the text; of a chunk */
    bool starts;          /* chunks begin with <s> */
    bb_dispatch dispatch; /* products that each kernel ran */
} bb_kl_report;

/* BB_E_NAME for an unknown type, BB_E_UNSUPPORTED for one that has no quantizer here, and for a model that does not
 * run; BB_E_VALUE without a vocabulary. */
bb_status bb_kl_study(const bb_model *model, const bb_kl_opts *opts, bb_progress *progress, bb_kl_report *report,
                      bb_error *err);
void bb_kl_report_clear(bb_kl_report *report);
#endif
