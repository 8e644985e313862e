/* SPDX-License-Identifier: GPL-3.0-or-later */
/* compare_pairs.h - which tensors of two files are the same one: by name, or by an architecture's two names. */
#ifndef BB_STUDY_COMPARE_PAIRS_H
#define BB_STUDY_COMPARE_PAIRS_H
#include "study/compare_study.h"

/* Fills refs, rows (their sides, head_rows and notes) and the counts only_a and only_b. Clear the report on failure,
 * too. */
bb_status bb_compare_pairs(bb_compare_report *report, const char *only, bb_error *err);
#endif
