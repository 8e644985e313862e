/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_check.h - the sizes of a log beside those of a plan, and what a log says of its model. */
#ifndef BB_STUDY_LOG_CHECK_H
#define BB_STUDY_LOG_CHECK_H
#include "plan/plan.h"
#include "study/log_sizes.h"

typedef struct bb_log_row {
    char component[24], device[16];
    bool planned, printed;
    uint64_t predicted, low, high;
    uint64_t bytes, step; /* as printed */
    int64_t difference;   /* predicted - printed, where both are there */
    bool agrees;          /* the printed size, give or take half its last digit, lies between low and high */
} bb_log_row;

typedef struct bb_log_report {
    bb_log_row *rows; /* [n], owned */
    size_t n;
    size_t compared, agree; /* rows that have both */
    uint64_t tried_bytes;
} bb_log_report;

/* plan NULL: nothing is predicted. */
bb_status bb_log_compare(const bb_log *log, const bb_plan *plan, bb_log_report *report, bb_error *err);
void bb_log_report_clear(bb_log_report *report);

/* The model by the shape that llama.cpp printed; *model is freed with bb_model_free. BB_E_NAME when the log tells of no
 * shape, BB_E_UNSUPPORTED for a family that is not known. */
bb_status bb_log_model(const bb_log *log, bb_model **model, bb_error *err);
/* The file type that llama.cpp's words mean ("Q4_K - Medium": q4_K_M); NULL for others. */
const char *bb_log_file_type(const bb_log *log);

/* Adds what no buffer of this log holds to a user's file of overheads, as the one measured row of `engine` on `card`
 * (of vLLM what is not PyTorch's; its CUDA graphs are another part): low and high are the least and the most of all
 * logs, typical their mean. Of several cards those count that the log names as the first of them; columns and rows that
 * are not known stay. *row tells what the row says now. BB_E_NAME when the log prints nothing of it. */
bb_status bb_log_learn(const bb_log *log, const char *engine, const char *card, const char *path, bb_overhead *row,
                       bb_error *err);
/* The first card of which a log tells what no buffer holds; NULL when there is none. */
const bb_log_device *bb_log_measured(const bb_log *log);
#endif
