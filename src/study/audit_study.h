/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_study.h - faults of a model file that can be seen without the original. */
#ifndef BB_STUDY_AUDIT_STUDY_H
#define BB_STUDY_AUDIT_STUDY_H
#include "model/locate.h"
#include "study/study.h"

typedef enum bb_severity { BB_ERROR, BB_WARNING, BB_NOTE, BB_SEVERITIES } bb_severity;

typedef struct bb_finding {
    bb_severity severity;
    const char *word; /* "dead-block", "missing-key", ...: bitbudget(1) lists them */
    char tensor[96];  /* escaped; or the key; or "" for the file */
    const char *type; /* of the tensor, or "" */
    uint64_t count;   /* of values, blocks, rows, tensors or keys */
    char first[56];   /* "row 3, block 7", or "" */
    char detail[208]; /* escaped */
} bb_finding;

typedef struct bb_audit_report {
    const bb_model *model;
    bb_finding *findings; /* owned; errors first, then warnings, then notes */
    size_t n, cap;
    size_t by_severity[BB_SEVERITIES];
    size_t tensors;
    uint64_t bytes; /* read */
} bb_audit_report;

/* The model has a file. Every byte of its tensors is read once, duplicates twice. */
bb_status bb_audit_study(const bb_model *model, unsigned threads, bb_progress *progress, bb_audit_report *report,
                         bb_error *err);
void bb_audit_report_clear(bb_audit_report *report);
const char *bb_severity_word(bb_severity severity); /* "error", "warning", "note" */
#endif
