/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fail.h - filling a bb_error with one sentence; the status numbers and texts themselves are in bitbudget.h. */
#ifndef BB_BASE_FAIL_H
#define BB_BASE_FAIL_H
#include "bitbudget.h"

#if defined(__GNUC__)
#define BB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define BB_PRINTF(fmt, args)
#endif

/* Stores status and sentence in *err (when not NULL), clears its hint and returns status, so that callers can write
 * `return bb_fail(err, BB_E_READ, "...")`. Longer text is cut at a UTF-8 boundary. */
bb_status bb_fail(bb_error *err, bb_status status, const char *fmt, ...) BB_PRINTF(3, 4);
/* Adds the one hint line to an error that bb_fail has set. */
void bb_hint(bb_error *err, const char *fmt, ...) BB_PRINTF(2, 3);
#endif
