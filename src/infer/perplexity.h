/* SPDX-License-Identifier: GPL-3.0-or-later */
/* perplexity.h - how well a model predicts a text, and how far its predictions are from another's. */
#ifndef BB_INFER_PERPLEXITY_H
#define BB_INFER_PERPLEXITY_H
#include "infer/infer.h"

/* llama.cpp's rule (tools/perplexity): the text in chunks of `ctx` tokens, the first of each replaced by <s>, each
 * chunk on its own; of the second half every token counts that is predicted from one of the same half. */
typedef struct bb_chunks {
    const int32_t *tokens; /* of the whole text, <s> at its start where the vocabulary adds it */
    size_t n;
    uint64_t ctx;       /* tokens of a chunk, 3 or more, no more than the model's cache holds */
    uint64_t count_max; /* chunks that are scored; 0 = all */
    int32_t bos;        /* -1 = none: the first token stays */
} bb_chunks;

/* Chunks of a text that are scored, and positions of each. */
uint64_t bb_chunks_count(const bb_chunks *chunks);
uint64_t bb_chunks_scored(const bb_chunks *chunks);

/* Of all scored positions; natural logarithms, softmax and sums in fp64. */
typedef struct bb_score {
    uint64_t chunks, n;
    double ppl, ppl_err; /* exp of the mean of -log p; its standard error */
    /* against the base: mean of sum p log(p / q) and its standard error, the largest, and the fraction of positions
     * where both have the same most likely token. NaN without a base. */
    double kl, kl_err, kl_max, top1;
} bb_score;

/* Predictions of a base, kept for the models that are held against it: fp32 logits of all scored positions, in memory;
 * BB_E_LIMIT beyond 4 GiB. */
typedef struct bb_base bb_base;
void bb_base_free(bb_base *base);

/* progress(ctx, chunks done of all) returns false to cancel; NULL = none. base_out NULL = not kept; base NULL = nothing
 * to compare with, else that of the same chunks. BB_E_INVALID when the text has no whole chunk, or a token that the
 * model does not know. */
bb_status bb_perplexity(bb_infer *infer, const bb_chunks *chunks, const bb_base *base, bb_base **base_out,
                        bool (*progress)(void *ctx, size_t done, size_t of), void *progress_ctx, bb_score *score,
                        bb_error *err);
#endif
