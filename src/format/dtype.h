/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dtype.h - the table of storage types: block lengths, block bytes, ids and names; the only source of block sizes. */
#ifndef BB_FORMAT_DTYPE_H
#define BB_FORMAT_DTYPE_H
#include "base/str.h"

enum { BB_NO_GGUF_ID = -1 };

/* bytes of a row = row_bytes + cols / block * block_bytes; block divides cols. */
struct bb_dtype {
    const char *name;    /* canonical: GGUF's for its types, else the public one */
    const char *st_name; /* in a safetensors header ("BF16"), or NULL */
    const char *aliases; /* separated by blanks */
    int32_t gguf_id;     /* or BB_NO_GGUF_ID */
    uint32_t block;      /* elements of a block */
    uint32_t block_bytes;
    uint32_t row_bytes; /* beside the blocks, once a row: the fp32 scale of int8 */
    const char *source;
};

/* True when the name could be several types ("fp8"): err then lists them. */
bool bb_dtype_ambiguous(const char *name, bb_error *err);
size_t bb_dtype_count(void);
const bb_dtype *bb_dtype_at(size_t i);
const bb_dtype *bb_dtype_from_gguf(uint32_t id);             /* NULL: unknown or removed */
const bb_dtype *bb_dtype_from_safetensors(const char *name); /* NULL: unknown */
/* Bits per weight of a row of cols elements (int8 depends on it); cols 0 = without the part once a row. */
double bb_dtype_bits_per_weight(const bb_dtype *t, uint64_t cols);
#endif
