/* SPDX-License-Identifier: GPL-3.0-or-later */
/* types_study.h - every type that a model's weights can have: size, need, verdict, and what it loses. */
#ifndef BB_STUDY_TYPES_STUDY_H
#define BB_STUDY_TYPES_STUDY_H
#include "base/cpu.h"
#include "plan/plan.h"
#include "study/study.h"

typedef struct bb_types_row {
    char type[24];
    double bits_per_weight; /* of the file's tensors, over the parameters */
    uint64_t file_bytes;    /* with the metadata where the model is a file, else the tensors alone */
    uint64_t card_ram_bytes;
    uint64_t total_bytes, high_bytes; /* of the plan with these weights */
    bb_fit_answer fits;
    double weight_rel;   /* relative error of the quantized weights; NaN = not measured */
    double tokens_per_s; /* of decoding; 0 = not known */
} bb_types_row;

typedef struct bb_types_report {
    bb_types_row *rows; /* [n] owned, from wide to narrow as the engine's list of types has them */
    size_t n;
    bool whole_files; /* file_bytes has the metadata */
    bool measured;
    bb_plan_request used; /* of the last plan */
    uint64_t limit_bytes; /* 0 = unknown */
} bb_types_report;

typedef struct bb_types_opts {
    bool measure;  /* quantize a sample of the file's rows with every type */
    bool no_error; /* not even where that is cheap */
    bb_isa isa;
} bb_types_opts;

enum {
    BB_TYPES_ROWS = 32,              /* of each tensor that are measured, evenly spaced */
    BB_TYPES_CHEAP_BYTES = 16 << 20, /* tensors of a file that is measured without being asked */
};

/* Types that the model cannot have are left out; BB_E_UNSUPPORTED when none is left. */
bb_status bb_types_study(bb_subject *s, const bb_plan_request *request, const bb_types_opts *opts,
                         bb_progress *progress, bb_types_report *report, bb_error *err);
void bb_types_report_clear(bb_types_report *report);
#endif
