/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_k.h - panels of q4_K and q6_K, and the kernels that read them. */
#ifndef BB_KERNEL_GEMM_K_H
#define BB_KERNEL_GEMM_K_H
#include "kernel/layout.h"

/* 256 values of k of 32 rows, as many bytes as in the file. A row has four bytes side by side wherever codes or scales
 * of it lie next to each other; six-bit codes stand in three such lanes A, B, C: the low bits of their bytes are codes
 * 0..3, 4..7 and 8..11, and codes 12..15 have their bits 5..4 on top of A, 3..2 on top of B, 1..0 on top of C.
 *
 * q4_K: fp16 d [32] and dmin [32]; [A B C][32 rows][4] of scales 0..7 and minimums 0..7 (in the order 0 2 1 3, 4 6 5 7,
 * so that even and odd bytes are pairs of neighbours); for each 32 k [4][32 rows][4] bytes, whose low halves hold k
 * 0..15 and whose high ones k 16..31.
 * q6_K: fp16 d [32]; for each 32 k signed scales [2][32 rows], and for each 16 of these [A B C][32 rows][4]. What is
 * read one after the other lies one after the other: the processor's own prefetch follows nothing else. */
enum {
    K_ROW = 4 * BB_PANEL, /* bytes of a lane each of all rows */
    Q4_K_DMIN = 2 * BB_PANEL,
    Q4_K_SCALES = 4 * BB_PANEL,
    Q4_K_CODES = Q4_K_SCALES + 3 * K_ROW,
    Q4_K_SUB = 4 * K_ROW,
    Q4_K_BLOCK = Q4_K_CODES + 8 * Q4_K_SUB,
    Q6_K_SUBS = 2 * BB_PANEL,
    Q6_K_HALF = 3 * K_ROW,
    Q6_K_SUB = 2 * BB_PANEL + 2 * Q6_K_HALF,
    Q6_K_BLOCK = Q6_K_SUBS + 8 * Q6_K_SUB
};

/* Tokens whose sums of a panel stay in the first-level cache (16 KiB). */
enum { BB_K_TILE = 64 };
/* Tokens from which on computing takes so long that the processor's own prefetch stops in between, and weights are
 * fetched into the second-level cache so many bytes ahead. Fewer tokens reach the bandwidth of memory without, and only
 * half of it with (Zen 4). */
enum { BB_K_FETCH_TOKENS = 3, BB_K_FETCH_AHEAD = 9216 };

typedef struct bb_k_tile {
    _Alignas(64) float part[BB_K_TILE][BB_PANEL]; /* of the block at hand */
    _Alignas(64) float y[BB_K_TILE][BB_PANEL];
} bb_k_tile;

/* Bytes of a block of q4_K and q6_K in a file: those of format/dtype.h, as constants of the loops. */
enum { BB_K_FILE_Q4 = 144, BB_K_FILE_Q6 = 210 };

/* What a block of q4_K has beside its codes, widened; pairs of neighbouring minimums as 16-bit halves. */
typedef struct bb_q4_K_head {
    _Alignas(64) float scale[8][BB_PANEL];
    _Alignas(64) float dmin[BB_PANEL];
    _Alignas(64) int32_t mins[4][BB_PANEL];
} bb_q4_K_head;

/* Asks for what is read BB_K_FETCH_AHEAD bytes after p, maybe beyond the panels. */
static inline __attribute__((always_inline)) void bb_k_fetch(const unsigned char *p, size_t bytes, bool wanted) {
    for (size_t i = 0; wanted && i < bytes; i += 64)
        __builtin_prefetch((const void *)((uintptr_t)p + BB_K_FETCH_AHEAD + i), 0, 2);
}

/* Outputs of a panel for tokens first..first + count - 1, to s->y. */
typedef void bb_k_tile_fn(const bb_gemm *g, const unsigned char *panel, size_t first, size_t count, bb_k_tile *s);
/* All tokens of the panels first..first + count - 1. */
void bb_gemm_k_run(const bb_gemm *g, size_t first, size_t count, bb_k_tile_fn *tile);

bb_gemm_fn bb_gemm_q4_K_avx2, bb_gemm_q4_K_avx_vnni, bb_gemm_q4_K_avx512_vnni;
bb_gemm_fn bb_gemm_q6_K_avx2, bb_gemm_q6_K_avx_vnni, bb_gemm_q6_K_avx512_vnni;
#endif
