/* SPDX-License-Identifier: GPL-3.0-or-later */
/* type_error.h - what a storage type loses of normally distributed weights, measured. */
#ifndef BB_STUDY_TYPE_ERROR_H
#define BB_STUDY_TYPE_ERROR_H
#include "format/dtype.h"

/* Relative error (bb_error_stats.rel) of 64 rows of 256 standard normal values after they were stored as t without an
 * importance matrix. BB_E_UNSUPPORTED for types that this library only sizes. */
bb_status bb_type_error(const bb_dtype *t, double *rel);
#endif
