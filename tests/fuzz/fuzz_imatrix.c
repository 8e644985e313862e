/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_imatrix.c - importance matrices of both forms on any bytes. */
#include "fuzz_file.h"
#include "model/imatrix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char path[] = "/tmp/bb-fuzz-XXXXXX";
    int fd = mkstemp(path);
    bb_imatrix *im = NULL;
    bb_error err;
    if (fd < 0 || write(fd, data, n) != (ssize_t)n) abort();
    close(fd);
    if (bb_imatrix_open(path, &im, &err) == BB_OK) {
        volatile float sum = 0;
        for (size_t i = 0; i < bb_imatrix_count(im); i++) {
            uint64_t cols, experts;
            const float *w = bb_imatrix_weights(im, bb_imatrix_name(im, i), &cols, &experts);
            if (!w) abort();
            for (uint64_t k = 0; k < cols * experts; k++) sum += w[k];
        }
        (void)sum;
        bb_imatrix_free(im);
    }
    unlink(path);
    return 0;
}
