/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kvcache.h - bytes of the key/value cache for a context and a number of sequences. */
#ifndef BB_PLAN_KVCACHE_H
#define BB_PLAN_KVCACHE_H
#include "format/dtype.h"
#include "model/arch.h"

enum { BB_KV_PAD = 256 }; /* llama.cpp v0.5.0 pads a context to a multiple of this (memory.md 2.2) */

/* llama.cpp v0.5.0: cells of one layer: the context padded to 256, per sequence unless unified (memory.md 2.2).
 * BB_E_ARG when ctx or seqs is 0, or a sequence would get no cell. */
bb_status bb_kv_cells(uint64_t ctx, uint64_t seqs, bool unified, uint64_t *cells);
/* Cells of a layer that attends to a window of `window` tokens: what the window and one physical batch need, padded,
 * never more than `full` (llama-kv-cache-iswa.cpp; --swa-full keeps `full`). */
bb_status bb_kv_window_cells(uint64_t full, uint64_t window, uint64_t ubatch, uint64_t seqs, bool unified,
                             uint64_t *cells);

typedef struct bb_kv_width {
    uint64_t heads, head; /* of what is kept: heads * head elements a token */
} bb_kv_width;
/* What llama.cpp keeps of a token in one layer: keys and values of the KV heads; of latent attention (MLA) one vector
 * of kv_lora + rope elements as keys and no values, or keys and values of every head for files that came before that.
 */
bb_kv_width bb_kv_keys(const bb_arch *arch);
bb_kv_width bb_kv_values(const bb_arch *arch);

/* Bytes of the keys, or of the values, of one layer. BB_E_ARG when a head does not divide into blocks. */
bb_status bb_kv_half_bytes(bb_kv_width width, uint64_t cells, const bb_dtype *type, uint64_t *bytes);
/* Whether CUDA's flash attention takes such a cache at all, and whether a usual build has the kernel that reads it as
 * it is when there are few queries. */
bool bb_cuda_attends(const bb_dtype *k, const bb_dtype *v);
bool bb_cuda_vector_kernel(const bb_dtype *k, const bb_dtype *v);
#endif
