/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quant.h - codecs of storage types: rows of fp32 to blocks and back. Arrays only, never files. */
#ifndef BB_QUANT_QUANT_H
#define BB_QUANT_QUANT_H
#include "format/dtype.h"

/* Whole rows; cols is a multiple of the block. importance [cols] or NULL. */
typedef struct bb_codec {
    const char *type; /* dtype name */
    void (*encode)(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
    void (*decode)(const unsigned char *data, size_t rows, size_t cols, float *x);
} bb_codec;

/* NULL when the type is only sized. encode may be NULL in a codec that only reads. */
const bb_codec *bb_codec_find(const bb_dtype *t);

/* q4_0: 18 bytes = fp16 scale, 16 bytes of nibbles (element i low, i+16 high). q8_0: 34 = fp16 scale, 32 int8.
 * int8: a row = fp32 scale (absmax/127), then cols int8, nearest-even, symmetric, -128 unused. */
#endif
