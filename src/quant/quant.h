/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quant.h - codecs of storage types: rows of fp32 to blocks and back. Arrays only, never files. */
#ifndef BB_QUANT_QUANT_H
#define BB_QUANT_QUANT_H
#include "base/cpu.h"
#include "format/dtype.h"

/* Whole rows; cols is a multiple of the block. importance [cols] or NULL. Callers hold the default FP environment
 * (base/fpenv.h): the public calls below do that. */
typedef struct bb_codec {
    const char *type; /* dtype name */
    void (*encode)(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out);
    void (*decode)(const unsigned char *data, size_t rows, size_t cols, float *x);
} bb_codec;

/* NULL when the type is only sized. encode may be NULL in a codec that only reads. The bytes do not depend on isa. */
const bb_codec *bb_codec_find(const bb_dtype *t, bb_isa isa);

/* How the scale of a block is found: ggml's own search, byte for byte, or a wider one with a lower error. */
typedef enum bb_search { BB_SEARCH_GGML, BB_SEARCH_BEST } bb_search;
typedef struct bb_quant_opts {
    bb_isa isa;
    bb_search search;
} bb_quant_opts;

/* bb_quantize_rows and bb_dequantize_rows with a choice; opts NULL = auto, ggml's search. */
bb_status bb_quantize_rows_as(const bb_dtype *t, const float *x, size_t rows, size_t cols, const float *importance,
                              const bb_quant_opts *opts, void *out);
bb_status bb_dequantize_rows_as(const bb_dtype *t, const void *data, size_t rows, size_t cols, bb_isa isa, float *x);

/* q4_0: 18 bytes = fp16 scale, 16 bytes of nibbles (element i low, i+16 high). q8_0: 34 = fp16 scale, 32 int8.
 * int8: a row = fp32 scale (absmax/127), then cols int8, nearest-even, symmetric, -128 unused. */
#endif
