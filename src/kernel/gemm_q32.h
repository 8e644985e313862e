/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_q32.h - panels of the types whose groups of 32 are multiplied with int8 activations, as all kernels read them.
 */
#ifndef BB_KERNEL_GEMM_Q32_H
#define BB_KERNEL_GEMM_Q32_H
#include "kernel/layout.h"

typedef enum bb_q32_type { BB_Q32_Q8_0, BB_Q32_Q4_0, BB_Q32_IQ4_NL, BB_Q32_MXFP4, BB_Q32_NF4 } bb_q32_type;

/* A block is one group, of mxfp4 and nf4 two: first its scales, then of each group the codes. The scales: fp16 [32
 * rows], of mxfp4 e8m0 - 128, signed, [2 groups][32], of nf4 the fp32 absmax [32]. The codes: of q8_0 code + 128 [8][32
 * rows][4 of k], of others [4][32][4] bytes whose low halves are for k 0..15 of the group and whose high ones for
 * k 16..31. The scales stand first because a stream of memory is read fastest when its lines are touched in ascending
 * order. */
enum { BB_Q32_GROUP = 32, BB_Q32_MXFP4_BLOCK = 64, BB_Q32_NF4_BLOCK = 64 };
enum { BB_Q32_NF4_BYTES = 36 }; /* of such a block in a file: that of format/dtype.h, as a constant of the loops */

static inline size_t bb_q32_groups(bb_q32_type t) { return t == BB_Q32_MXFP4 || t == BB_Q32_NF4 ? 2 : 1; }
static inline size_t bb_q32_scale_bytes(bb_q32_type t) { return t == BB_Q32_NF4 ? 4 * BB_PANEL : 2 * BB_PANEL; }
static inline size_t bb_q32_code_bytes(bb_q32_type t) {
    return t == BB_Q32_Q8_0 ? BB_Q32_GROUP * BB_PANEL : BB_Q32_GROUP * BB_PANEL / 2;
}
static inline size_t bb_q32_block_bytes(bb_q32_type t) {
    return bb_q32_scale_bytes(t) + bb_q32_groups(t) * bb_q32_code_bytes(t);
}

/* Of group g of a panel. */
static inline const unsigned char *bb_q32_scales(bb_q32_type t, const unsigned char *panel, size_t g) {
    size_t n = bb_q32_groups(t);
    return panel + g / n * bb_q32_block_bytes(t) + (t == BB_Q32_MXFP4 ? g % n * BB_PANEL : 0);
}
static inline const unsigned char *bb_q32_codes(bb_q32_type t, const unsigned char *panel, size_t g) {
    size_t n = bb_q32_groups(t);
    return panel + g / n * bb_q32_block_bytes(t) + bb_q32_scale_bytes(t) + g % n * bb_q32_code_bytes(t);
}

/* What is added to a value so that it is an unsigned byte. */
enum { BB_Q32_OFFSET_8 = 128, BB_Q32_OFFSET_4 = 8, BB_Q32_OFFSET_BOOK = 128, BB_Q32_OFFSET_FP4 = 12 };
/* The 16 values + offset of a codebook. */
extern const unsigned char bb_q32_iq4_nl[16], bb_q32_mxfp4[16], bb_q32_nf4[16];
static inline const unsigned char *bb_q32_book(bb_q32_type t) {
    return t == BB_Q32_IQ4_NL ? bb_q32_iq4_nl : t == BB_Q32_MXFP4 ? bb_q32_mxfp4 : bb_q32_nf4;
}

/* What nf4's values are multiplied with before they are rounded to the integers of bb_q32_nf4. */
#define BB_Q32_NF4_SCALE 123.26f

/* Tokens whose outputs of a panel are kept in the first-level cache (8 KiB) while the panel is read. */
enum { BB_Q32_TILE = 64 };
/* Tokens [*first, + count) of tile i of so many of like size. */
static inline size_t bb_q32_tile(size_t tokens, size_t i, size_t tiles, size_t *first) {
    size_t each = tokens / tiles, more = tokens % tiles;
    *first = i * each + (i < more ? i : more);
    return each + (i < more);
}

bb_gemm_fn bb_gemm_q8_0_avx2, bb_gemm_q4_0_avx2, bb_gemm_iq4_nl_avx2, bb_gemm_mxfp4_avx2, bb_gemm_nf4_avx2;
bb_gemm_fn bb_gemm_q8_0_avx_vnni, bb_gemm_q4_0_avx_vnni, bb_gemm_iq4_nl_avx_vnni, bb_gemm_mxfp4_avx_vnni,
    bb_gemm_nf4_avx_vnni;
bb_gemm_fn bb_gemm_q8_0_avx512_vnni, bb_gemm_q4_0_avx512_vnni, bb_gemm_iq4_nl_avx512_vnni, bb_gemm_mxfp4_avx512_vnni,
    bb_gemm_nf4_avx512_vnni;
#endif
