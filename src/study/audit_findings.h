/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_findings.h - what the parts of an audit share: the list that they add to. */
#ifndef BB_STUDY_AUDIT_FINDINGS_H
#define BB_STUDY_AUDIT_FINDINGS_H
#include "study/audit_scan.h"
#include "study/audit_study.h"

/* A new finding about a tensor (or NULL), count 1, with its detail; NULL when memory ended, and then *r is marked. */
bb_finding *bb_audit_add(bb_audit_report *r, bb_severity severity, const char *word, const bb_tensor *t,
                         const char *fmt, ...) BB_PRINTF(5, 6);
/* About the file as a whole: keys, the types' rule, tensors that are absent. */
bb_status bb_audit_metadata(bb_audit_report *r, bb_error *err);
/* From the scan of each tensor of the file: scans [tensors]. */
bb_status bb_audit_tensors(bb_audit_report *r, const bb_audit_scan *scans, bb_progress *progress, bb_error *err);
#endif
