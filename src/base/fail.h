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

/* Stores status and sentence in *err (when not NULL) and clears its hint. Longer text is cut at a UTF-8 boundary. */
void bb_fail_text(bb_error *err, bb_status status, const char *fmt, ...) BB_PRINTF(3, 4);
static inline bb_status bb_same_status(bb_status status) { return status; }
/* The same, and is the status, so that callers can write `return bb_fail(err, BB_E_READ, "...")`. A macro, because a
 * static analyser then knows that what comes back is no success. */
#define bb_fail(err, status, ...) (bb_fail_text((err), (status), __VA_ARGS__), bb_same_status(status))
/* Adds the one hint line to an error that bb_fail has set. */
void bb_hint(bb_error *err, const char *fmt, ...) BB_PRINTF(2, 3);
#endif
