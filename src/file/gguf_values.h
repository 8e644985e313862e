/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gguf_values.h - the value types and limits of GGUF that its reader and its writer share (ggml's docs/gguf.md). */
#ifndef BB_FILE_GGUF_VALUES_H
#define BB_FILE_GGUF_VALUES_H
#include <stdint.h>

enum {
    BB_GGUF_U8,
    BB_GGUF_I8,
    BB_GGUF_U16,
    BB_GGUF_I16,
    BB_GGUF_U32,
    BB_GGUF_I32,
    BB_GGUF_F32,
    BB_GGUF_BOOL,
    BB_GGUF_STR,
    BB_GGUF_ARR,
    BB_GGUF_U64,
    BB_GGUF_I64,
    BB_GGUF_F64,
    BB_GGUF_COUNT,
};

enum {
    BB_GGUF_KEY_MAX = 65535,
    BB_GGUF_DIMS = 4,                /* GGML_MAX_DIMS */
    BB_GGUF_ALIGNMENT = 32,          /* without general.alignment */
    BB_GGUF_ALIGNMENT_MAX = 1 << 20, /* our limit */
    BB_GGUF_NESTING = 4,             /* our limit for arrays in arrays */
};

/* Of a number or bool; 0 for text, array and what GGUF does not have. */
uint64_t bb_gguf_value_bytes(uint32_t type);
#endif
