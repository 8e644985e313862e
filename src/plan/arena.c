/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arena.c - best fit among the holes, else the endless last block. */
#include "plan/arena.h"
#include "base/checked.h"
#include <string.h>

/* The last block of a ggml buffer without a limit ends there (ggml-alloc.c: SIZE_MAX / 2). */
static const uint64_t ARENA_END = UINT64_MAX / 2;

void bb_arena_init(bb_arena *a, uint32_t align) {
    a->block[0] = (bb_free_block){0, ARENA_END};
    a->n = 1;
    a->align = align;
    a->high = 0;
    a->st = BB_OK;
}

static void remove_block(bb_arena *a, uint32_t i) {
    a->n--;
    memmove(&a->block[i], &a->block[i + 1], (a->n - i) * sizeof a->block[0]);
}

static void insert_block(bb_arena *a, bb_free_block b) {
    if (a->n == BB_ARENA_BLOCKS) {
        a->st = BB_E_UNSUPPORTED;
        return;
    }
    uint32_t i = a->n;
    while (i > 0 && a->block[i - 1].offset > b.offset) i--;
    memmove(&a->block[i + 1], &a->block[i], (a->n - i) * sizeof b);
    a->block[i] = b;
    a->n++;
}

uint64_t bb_arena_take(bb_arena *a, uint64_t bytes) {
    if (!bb_align_u64(bytes, a->align, &bytes)) a->st = BB_E_OVERFLOW;
    if (a->st || a->n == 0) return 0;
    /* of holes of the same size the last one, as ggml's comparison has it */
    uint32_t best = a->n - 1;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i + 1 < a->n; i++) {
        if (a->block[i].bytes < bytes || a->block[i].bytes > least) continue;
        best = i;
        least = a->block[i].bytes;
    }
    bb_free_block *b = &a->block[best];
    if (b->bytes <= bytes && best == a->n - 1) {
        a->st = BB_E_OVERFLOW;
        return 0;
    }
    uint64_t offset = b->offset;
    b->offset += bytes;
    b->bytes -= bytes;
    if (!b->bytes) remove_block(a, best);
    if (offset + bytes > a->high) a->high = offset + bytes;
    return offset;
}

void bb_arena_give(bb_arena *a, uint64_t offset, uint64_t bytes) {
    if (!bb_align_u64(bytes, a->align, &bytes)) a->st = BB_E_OVERFLOW;
    if (a->st) return;
    for (uint32_t i = 0; i < a->n; i++) {
        bb_free_block *b = &a->block[i];
        if (b->offset + b->bytes == offset) {
            b->bytes += bytes;
            if (i + 1 < a->n && b->offset + b->bytes == b[1].offset) {
                b->bytes += b[1].bytes;
                remove_block(a, i + 1);
            }
            return;
        }
        if (offset + bytes == b->offset) {
            b->offset = offset;
            b->bytes += bytes;
            if (i > 0 && b[-1].offset + b[-1].bytes == offset) {
                b[-1].bytes += b->bytes;
                remove_block(a, i);
            }
            return;
        }
    }
    insert_block(a, (bb_free_block){offset, bytes});
}
