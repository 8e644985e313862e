/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arena.h - the free list from which ggml's graph allocator measures a buffer without end (llama-graph.md 7). */
#ifndef BB_PLAN_ARENA_H
#define BB_PLAN_ARENA_H
#include "bitbudget.h"

enum { BB_ARENA_BLOCKS = 256 }; /* ggml-alloc.c MAX_FREE_BLOCKS: one more and ggml stops */

typedef struct bb_free_block {
    uint64_t offset, bytes;
} bb_free_block;

typedef struct bb_arena {
    bb_free_block block[BB_ARENA_BLOCKS]; /* [n] by offset; none touches the next */
    uint32_t n, align;
    uint64_t high; /* bytes that the buffer must have */
    bb_status st; /* BB_E_OVERFLOW, or BB_E_UNSUPPORTED with more free blocks than ggml takes: high says nothing then */
} bb_arena;

/* align is a power of two. */
void bb_arena_init(bb_arena *a, uint32_t align);
/* The offset of `bytes` bytes, rounded up to the alignment. */
uint64_t bb_arena_take(bb_arena *a, uint64_t bytes);
/* Gives back what one bb_arena_take of as many bytes gave. */
void bb_arena_give(bb_arena *a, uint64_t offset, uint64_t bytes);
#endif
