/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_npy.c - the npy reader on any bytes. */
#include "fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    fuzz_file(data, n);
    return 0;
}
