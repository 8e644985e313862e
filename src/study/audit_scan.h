/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_scan.h - one pass over the bytes of a tensor: values, rows, blocks and scales that look wrong. */
#ifndef BB_STUDY_AUDIT_SCAN_H
#define BB_STUDY_AUDIT_SCAN_H
#include "file/file.h"
#include "study/study.h"

/* How often something was seen, and at which element first (of a block or row: its first). */
typedef struct bb_audit_hits {
    uint64_t count, first;
} bb_audit_hits;

typedef struct bb_audit_scan {
    bool read;    /* the bytes were */
    bool decoded; /* the values were: else `why` says why not */
    char why[96];
    uint64_t hash; /* of the bytes */
    uint64_t rows; /* of two or more elements; 0 = not judged by rows */
    uint64_t blocks;
    bb_audit_hits nan, infinite;                /* values; in block types those that finite scales give */
    bb_audit_hits zero_rows, constant_rows;     /* constant: one value that is not zero */
    bb_audit_hits zero_blocks, constant_blocks; /* in rows that hold other values */
    uint64_t dead_columns, first_dead_column;   /* columns of blocks that are dead in every such row */
    bb_audit_hits nan_scales, infinite_scales, largest_scales, lost_scales;
    uint64_t codes, end_codes; /* that can be told apart, and at the ends of their range */
} bb_audit_scan;

/* Bounded memory; *scan is filled when it is BB_OK. */
bb_status bb_audit_scan_tensor(const bb_file *file, const bb_tensor *t, bb_progress *progress, bb_audit_scan *scan,
                               bb_error *err);
/* Whether every value is the same. */
bool bb_audit_is_constant(const bb_audit_scan *scan);
#endif
