/* SPDX-License-Identifier: GPL-3.0-or-later */
/* capture.h - the real inputs of every matrix while a text runs: rows of them, and the sums that an imatrix holds. */
#ifndef BB_INFER_CAPTURE_H
#define BB_INFER_CAPTURE_H
#include "infer/infer.h"

/* Attached to a model as its tap. */
typedef struct bb_capture bb_capture;

/* Keeps at most rows_max rows of each linear's inputs, the first and then evenly spaced ones of those that come (0 =
 * none): each 2^k-th, as few as must be left out; and sums of squares of all, in fp64. Linears that read the same value
 * share them. */
bb_status bb_capture_new(size_t rows_max, bb_capture **capture);
void bb_capture_free(bb_capture *capture);
bb_infer_tap bb_capture_tap; /* ctx: the capture */
/* BB_E_NOMEM when memory ended while a text ran: then there are no rows, and nothing is written. */
bb_status bb_capture_status(const bb_capture *capture);
/* Rows [*rows][cols] of a linear; NULL when none came. */
const float *bb_capture_rows(const bb_capture *capture, size_t linear, size_t *rows, size_t *cols);
/* Sums of squares by channel, [cols], over *count rows. */
const double *bb_capture_squares(const bb_capture *capture, size_t linear, size_t *cols, uint64_t *count);
/* The rows of each linear as NAME.npy (fp32, C order) in a folder that is made; and a GGUF imatrix that llama-quantize
 * and bb_imatrix_open read, for which BB_E_INVALID names a linear whose inputs are not all finite. Both through
 * base/sink: whole or not at all. BB_E_VALUE when nothing came. */
bb_status bb_capture_write_npy(const bb_capture *capture, const bb_infer *infer, const char *folder, bool force,
                               bb_error *err);
bb_status bb_capture_write_imatrix(const bb_capture *capture, const bb_infer *infer, const char *dataset,
                                   uint64_t chunk_size, const char *path, bool force, bb_error *err);
#endif
