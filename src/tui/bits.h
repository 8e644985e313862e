/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bits.h - the state of the Bits screen: one value, its encoding in every format. */
#ifndef BB_TUI_BITS_H
#define BB_TUI_BITS_H
#include "format/format.h"
#include "tui/app.h"

/* SHOWN is no field of the screen: the list of formats that t opens. */
enum { BB_BITS_VALUE, BB_BITS_ROUND, BB_BITS_OVERFLOW, BB_BITS_ABSMAX, BB_BITS_FIELDS, BB_BITS_SHOWN = BB_BITS_FIELDS };

typedef struct bb_bits {
    char text[BB_EDIT_MAX]; /* of the value, always readable by bb_number_parse */
    bb_number number;
    /* A value that was made from a code keeps that code in its format: NaNs, -0 and the least integer have no other way
     * back to it, and the text is not all of its digits. NULL when it was typed. */
    const bb_format *from;
    uint64_t from_code;
    bb_encode_opts opts;
    double absmax;
    size_t marked; /* row */
    unsigned bit;  /* from the right */
    int field;
    const bb_format **formats; /* [n] that are shown, in the table's order; owned, room for all */
    bb_encoding *rows;         /* [n], owned, room for all */
    size_t n;
} bb_bits;

const char *bb_bits_round_words(bb_round r);
const char *bb_bits_overflow_words(bb_overflow o);
void bb_bits_draw(const bb_app *app, const bb_bits *b, const bb_panes *l);
/* What happened to the value in the marked format. */
void bb_bits_sentence(const bb_bits *b, char *text, size_t size);
#endif
