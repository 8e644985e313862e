/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_file.h - opens the input as a model file and walks everything that it holds. */
#ifndef BB_TESTS_FUZZ_FILE_H
#define BB_TESTS_FUZZ_FILE_H
#include "file/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void fuzz_file(const uint8_t *data, size_t n) {
    char path[] = "/tmp/bb-fuzz-XXXXXX";
    int fd = mkstemp(path);
    bb_file *f = NULL;
    bb_error err;
    if (fd < 0 || write(fd, data, n) != (ssize_t)n) abort();
    close(fd);
    if (bb_file_open(path, &f, &err) == BB_OK) {
        for (size_t i = 0; i < bb_file_tensor_count(f); i++) {
            const bb_tensor *t = bb_file_tensor(f, i);
            if (bb_file_find(f, t->name) != t) abort();
            if (t->rows == 0 || t->cols == 0 || t->cols > 4096) continue;
            float *x = malloc((size_t)t->cols * sizeof *x);
            bb_file_read_rows(f, t, t->rows - 1, 1, x, &err);
            free(x);
        }
        bb_file_parameters(f);
        bb_file_close(f);
    }
    unlink(path);
}
#endif
