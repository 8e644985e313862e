/* SPDX-License-Identifier: GPL-3.0-or-later */
/* npy_write.h - a NumPy array of fp32 (.npy, version 1.0), written to a sink. */
#ifndef BB_FILE_NPY_WRITE_H
#define BB_FILE_NPY_WRITE_H
#include "base/sink.h"

/* x [rows][cols], C order, little-endian; the whole content of the sink, which is the caller's to commit. */
bb_status bb_npy_write(bb_sink *sink, const float *x, size_t rows, size_t cols, bb_error *err);
/* Its bytes; false when they pass 2^64. */
bool bb_npy_bytes(size_t rows, size_t cols, uint64_t *bytes);
#endif
