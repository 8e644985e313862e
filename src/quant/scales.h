/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scales.h - where the scales and the codes of a block stand, so that blocks can be judged without decoding them. */
#ifndef BB_QUANT_SCALES_H
#define BB_QUANT_SCALES_H
#include "format/dtype.h"

typedef enum bb_scale_kind {
    BB_SCALE_FP16,
    BB_SCALE_FP32,
    BB_SCALE_E8M0,    /* a power of two; 0xFF is NaN */
    BB_SCALE_UE4M3,   /* e4m3 without sign; 0x7F is NaN, 0x7E (448) the largest */
    BB_SCALE_SPREAD16 /* fp16 whose four nibbles are the highest of four 16-bit words (iq1_m) */
} bb_scale_kind;

enum { BB_SCALES = 4 };

typedef struct bb_scale_layout { /* a row of a constant table */
    const char *type;
    bb_scale_kind kind;
    uint8_t n;             /* scales of a block */
    uint8_t minima;        /* how many of them, the last, are no factor but belong to a minimum */
    uint8_t at[BB_SCALES]; /* bytes into the block */
    uint8_t codes;         /* where the codes begin ... */
    uint8_t code_bytes;    /* ... their bytes; in a block of zeros all of them are alike. 0 = not told */
    uint8_t code_bits;     /* 4: nibbles, 8: signed bytes, whose ends are those of the range; 0 = packed otherwise */
} bb_scale_layout;

typedef enum bb_scale_state {
    BB_SCALE_FINE,
    BB_SCALE_ZERO,
    BB_SCALE_LARGEST,
    BB_SCALE_INFINITE,
    BB_SCALE_NAN
} bb_scale_state;

/* NULL for a type without blocks, or whose layout is not known. */
const bb_scale_layout *bb_scale_layout_find(const bb_dtype *t);
/* Scale number i of the block, and what it is. */
bb_scale_state bb_scale_read(const bb_scale_layout *l, const unsigned char *block, size_t i, float *value);
/* All scales but the minima are zero while the codes are not those of a block of zeros. */
bool bb_scale_lost(const bb_scale_layout *l, const unsigned char *block);
/* Codes of the block at either end of their range; 0 when code_bits is. */
size_t bb_scale_end_codes(const bb_scale_layout *l, const unsigned char *block);
#endif
