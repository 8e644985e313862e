/* SPDX-License-Identifier: GPL-3.0-or-later */
/* infer.h - a model that runs: its graph over the kernels, tokens in, logits out. */
#ifndef BB_INFER_INFER_H
#define BB_INFER_INFER_H
#include "file/file.h"
#include "kernel/kernel.h"
#include "model/arch.h"

typedef struct bb_infer bb_infer; /* owns its weights and its cache of keys and values; borrows file, arch and pool */

/* A matrix that tokens are multiplied with. */
typedef struct bb_linear {
    const char *name;        /* GGUF's name, "blk.0.attn_q.weight", whatever the container */
    const bb_tensor *tensor; /* as the file has it */
    uint64_t rows, cols;     /* out, in */
} bb_linear;

/* Called for each product with the inputs of its matrix before they are rounded, x [tokens][cols]. Matrices that read
 * the same value come one after the other with the same x; any other call has another x than the one before. */
typedef void bb_infer_tap(void *ctx, size_t linear, const float *x, size_t tokens, size_t cols);

typedef struct bb_infer_opts {
    bb_isa isa;
    bb_pool *pool;     /* NULL = this thread */
    uint64_t ctx;      /* positions that the cache holds; 0 = 512 */
    bb_infer_tap *tap; /* or NULL */
    void *tap_ctx;
    bb_dispatch *dispatch; /* counts the products of each kernel, or NULL */
    const char *config;    /* of a checkpoint: the text of the config.json that arch was made of; NULL of a GGUF */
    size_t config_bytes;
} bb_infer_opts;

/* How a matrix is multiplied: by the kernel of its type, which rounds its inputs too; or decoded to fp32, by the fp32
 * kernel: what the rounding of the weights alone does. */
typedef enum bb_infer_use { BB_USE_KERNEL, BB_USE_VALUES } bb_infer_use;

/* A GGUF or a checkpoint of the llama architecture, and what its graph shares with it (biases of q, k, v; norms of q
 * and k). BB_E_UNSUPPORTED, with what is missing, for other graphs; BB_E_INVALID when a tensor is absent or has another
 * shape. Matrices of the file's own block types start as BB_USE_KERNEL, F32, F16 and BF16 as values. */
bb_status bb_infer_open(const bb_file *file, const bb_arch *arch, const bb_infer_opts *opts, bb_infer **infer,
                        bb_error *err);
void bb_infer_free(bb_infer *infer);
uint64_t bb_infer_vocab(const bb_infer *infer);

size_t bb_infer_linears(const bb_infer *infer);
const bb_linear *bb_infer_linear(const bb_infer *infer, size_t i);
/* The embedding's tensor as the file has it: that of a linear where the output matrix is tied to it. */
const bb_tensor *bb_infer_embedding(const bb_infer *infer);
/* Replaces one matrix by what quantizing the file's values to t makes of it; t NULL = as the file has it, in its own
 * type. BB_E_UNSUPPORTED when t cannot hold its rows. The embedding is no linear: it stays as it is, unless the output
 * matrix is tied to it, when only the product changes. */
bb_status bb_infer_set(bb_infer *infer, size_t linear, const bb_dtype *t, bb_infer_use use, bb_error *err);
/* The embedding's rows decoded after being quantized to t; NULL = as the file has them. */
bb_status bb_infer_set_embedding(bb_infer *infer, const bb_dtype *t, bb_error *err);

/* n tokens at positions past, past + 1, ...; what was run at earlier positions is kept, what lies behind is dropped.
 * logits [n][vocab], or of the last token alone [vocab] when last_only; NULL when they are not wanted. */
bb_status bb_infer_run(bb_infer *infer, const int32_t *tokens, size_t n, size_t past, bool last_only, float *logits,
                       bb_error *err);
#endif
