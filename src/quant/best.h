/* SPDX-License-Identifier: GPL-3.0-or-later */
/* best.h - the wider search: ggml's formats with the least squared error that it finds, never more than ggml's own. */
#ifndef BB_QUANT_BEST_H
#define BB_QUANT_BEST_H
#include "quant/quant.h"

/* Blocks as a search sees them: x[i] * unit of its block is what the file should hold. The largest magnitude of a block
 * is 1 to 2, or it is all zeros; weights are about 1 and positive. */
typedef struct bb_best_blocks {
    const float *x, *w; /* [n][elements of a block]; w NULL = all alike */
    const float *unit;  /* [n], powers of two from 2^-126 to 2^126 */
    size_t n;
} bb_best_blocks;

typedef void bb_best_fn(const bb_best_blocks *b, unsigned char *out);
typedef bb_best_fn *bb_best_search;

/* NULL for a type that has nothing to search for: each element has a nearest value of its own. */
bb_best_search bb_best_find(const bb_dtype *t, bb_isa isa);

/* As codec->encode, whose bytes stay wherever the search does not lower the error sum w (x - x')^2 of a block (w:
 * importance, or 1), and in blocks with a value that is not finite. */
void bb_best_encode(bb_best_search search, const bb_codec *codec, const bb_dtype *t, const float *x, size_t rows,
                    size_t cols, const float *importance, unsigned char *out);

/* One or two bits or a trit an element: exact, in scalar code. */
bb_best_fn bb_q1_0_best, bb_tq1_0_best, bb_tq2_0_best;
/* Written over lanes (best_fit.h). */
bb_best_fn bb_q4_0_best, bb_q4_0_best_avx2, bb_q4_0_best_avx512;
bb_best_fn bb_q4_1_best, bb_q4_1_best_avx2, bb_q4_1_best_avx512;
bb_best_fn bb_q5_0_best, bb_q5_0_best_avx2, bb_q5_0_best_avx512;
bb_best_fn bb_q5_1_best, bb_q5_1_best_avx2, bb_q5_1_best_avx512;
bb_best_fn bb_q8_0_best, bb_q8_0_best_avx2, bb_q8_0_best_avx512;
bb_best_fn bb_q2_0_best, bb_q2_0_best_avx2, bb_q2_0_best_avx512;
bb_best_fn bb_iq4_nl_best, bb_iq4_nl_best_avx2, bb_iq4_nl_best_avx512;
bb_best_fn bb_mxfp4_best, bb_mxfp4_best_avx2, bb_mxfp4_best_avx512;
bb_best_fn bb_nvfp4_best, bb_nvfp4_best_avx2, bb_nvfp4_best_avx512;
bb_best_fn bb_q2_K_best, bb_q2_K_best_avx2, bb_q2_K_best_avx512;
bb_best_fn bb_q3_K_best, bb_q3_K_best_avx2, bb_q3_K_best_avx512;
bb_best_fn bb_q4_K_best, bb_q4_K_best_avx2, bb_q4_K_best_avx512;
bb_best_fn bb_q5_K_best, bb_q5_K_best_avx2, bb_q5_K_best_avx512;
bb_best_fn bb_q6_K_best, bb_q6_K_best_avx2, bb_q6_K_best_avx512;
bb_best_fn bb_iq4_xs_best, bb_iq4_xs_best_avx2, bb_iq4_xs_best_avx512;
#endif
