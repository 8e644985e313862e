/* SPDX-License-Identifier: GPL-3.0-or-later */
/* npy_write.c - a NumPy array of fp32 in version 1.0 of the format (numpy/lib/format.py). */
#include "file/npy_write.h"
#include "base/checked.h"
#include <stdio.h>
#include <string.h>

/* Magic, version, length and literal fill 128 bytes up with blanks and a newline: a multiple of 64, as NumPy pads. Two
 * numbers of 20 digits leave room. */
enum { HEADER = 128, FRONT = 10 };

bool bb_npy_bytes(size_t rows, size_t cols, uint64_t *bytes) {
    uint64_t n;
    return bb_mul_u64(rows, cols, &n) && bb_mul_u64(n, sizeof(float), &n) && bb_add_u64(n, HEADER, bytes);
}

bb_status bb_npy_write(bb_sink *sink, const float *x, size_t rows, size_t cols, bb_error *err) {
    unsigned char header[HEADER] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, HEADER - FRONT, 0};
    char literal[HEADER - FRONT + 1];
    uint64_t bytes;
    if (!bb_npy_bytes(rows, cols, &bytes) || bytes > SIZE_MAX)
        return bb_fail(err, BB_E_OVERFLOW, "an array is too large");
    int n = snprintf(literal, sizeof literal, "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", rows,
                     cols);
    memset(header + FRONT, ' ', HEADER - FRONT - 1);
    memcpy(header + FRONT, literal, (size_t)n);
    header[HEADER - 1] = '\n';
    bb_status status = bb_sink_write(sink, 0, header, HEADER, err);
    return status ? status : bb_sink_write(sink, HEADER, x, (size_t)bytes - HEADER, err);
}
