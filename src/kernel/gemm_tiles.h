/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_tiles.h - what the fp32 and bf16 kernels share: the loops around their tiles, the packing of 32-bit words. */
#ifndef BB_KERNEL_GEMM_TILES_H
#define BB_KERNEL_GEMM_TILES_H
#include "kernel/layout.h"

/* A part of k of one panel times a few tokens. */
typedef struct bb_tile {
    const unsigned char *w; /* [blocks] of the panel */
    size_t column;          /* first that is wanted */
    const unsigned char *x; /* of the first token in the first block; the other tokens follow it, 32 values each */
    size_t x_stride;        /* bytes from one block to the next */
    size_t blocks;
    bool first; /* sums holds nothing yet */
    /* Address of what is wanted after this, maybe beyond the panels, and how many bytes of it are to be asked for with
     * each 128 of the panel. */
    uintptr_t ahead;
    size_t ahead_step;
    float *sums; /* [rows][32], on a boundary of 64 bytes: becomes this part's sums, or has them added */
} bb_tile;

typedef struct bb_tiling {
    void (*tile)(const bb_tile *t, size_t rows); /* tokens */
    size_t rows, columns;                        /* most tokens of a tile; columns, 16 or 32 */
    size_t part;                                 /* blocks that a partial sum takes */
} bb_tiling;

/* Panels [first, first + count) times all tokens. Every output is made of its parts in ascending order. */
void bb_gemm_tiles(const bb_gemm *g, size_t first, size_t count, const bb_tiling *tiling);

/* `count` rows of `words` words of 32 bits to [words][32]; columns of the panel beyond count stay as they are. */
void bb_pack_words(const unsigned char *rows, size_t row_bytes, size_t count, size_t words, unsigned char *panel);

/* To the level-2 cache: misses of the level-1 cache have too few places to read memory at full speed. */
static inline __attribute__((always_inline)) void bb_tile_prefetch(uintptr_t ahead) {
    __builtin_prefetch((const void *)ahead, 0, 2);
    __builtin_prefetch((const void *)(ahead + 64), 0, 2);
}

/* Blocks in a partial sum: 256 values of k in fp32, 512 in bf16, which is 32 KiB of a panel for both. */
enum { BB_F32_PART = 8, BB_BF16_PART = 16 };
bb_gemm_fn bb_gemm_f32_avx2, bb_gemm_f32_avx512, bb_gemm_bf16_avx2, bb_gemm_bf16_avx512;
#endif
