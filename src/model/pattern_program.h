/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pattern_program.h - what a pattern is read into; private to model/pattern*.c. */
#ifndef BB_MODEL_PATTERN_PROGRAM_H
#define BB_MODEL_PATTERN_PROGRAM_H
#include "model/pattern.h"
#include <stddef.h>

enum { BB_PROGRAM_MAX = 2048 };

typedef enum bb_pattern_op {
    BB_OP_BYTE,
    BB_OP_SET,
    BB_OP_FORK,
    BB_OP_JUMP,
    BB_OP_BEGIN,
    BB_OP_END,
    BB_OP_LINE_END, /* the end, or a last newline before it */
    BB_OP_WORD_EDGE,
    BB_OP_NO_WORD_EDGE,
    BB_OP_MATCH,
} bb_pattern_op;

/* Ways lead to the place of the instruction plus a or b: a stretch of program can be moved and copied as it is. */
typedef struct bb_instruction {
    uint8_t op;
    uint8_t byte; /* of BYTE */
    int16_t a, b; /* of FORK and JUMP; a of SET: its place in sets */
} bb_instruction;

struct bb_pattern {
    size_t n;
    uint64_t cost;
    bb_instruction *code; /* [n] the last is MATCH */
    uint8_t (*sets)[32];  /* a bit for each byte that matches */
};

static inline bool bb_in_set(const uint8_t *set, unsigned c) { return set[c / 8] >> c % 8 & 1; }
static inline bool bb_is_word(unsigned c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
#endif
