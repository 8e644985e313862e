/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_number.c - any text as a value: what it means in each format, and back. */
#include "format/format.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char text[512];
    if (n >= sizeof text) return 0;
    memcpy(text, data, n);
    text[n] = 0;
    bb_number v;
    bb_error err;
    static const bb_scale half = {0.5, 1};
    if (bb_number_parse(text, &v, &err) != BB_OK) return 0;
    for (size_t i = 0; i < bb_format_count(); i++) {
        const bb_format *f = bb_format_at(i);
        for (int mode = BB_ROUND_NE; mode <= BB_ROUND_ODD; mode++) {
            bb_encode_opts o = {.round = (bb_round)mode};
            bb_encoding e;
            if (bb_encode_number(f, &v, &o, &half, &e, &err) != BB_OK) abort();
            /* an exact result has no error, a rounded one at most half a last place, or one in the directed modes */
            if (!(e.flags & BB_FLAG_INEXACT) && e.error != 0 && !isnan(e.error)) abort();
            if (!(e.flags & (BB_FLAG_OVERFLOW | BB_FLAG_INVALID)) && e.ulps > (mode <= BB_ROUND_NA ? 0.5 : 1)) abort();
            /* what a code means must encode to that code again */
            bb_number again;
            bb_encoding back;
            bb_number_from_f64(e.value, &again);
            if (bb_encode_number(f, &again, NULL, &half, &back, &err) != BB_OK) abort();
            if (!isnan(e.value) && back.value != e.value) abort();
        }
    }
    return 0;
}
