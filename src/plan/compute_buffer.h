/* SPDX-License-Identifier: GPL-3.0-or-later */
/* compute_buffer.h - llama.cpp's compute buffers by the closed forms of memory.md 2.3 and M5 (v0.5.0, llama family). */
#ifndef BB_PLAN_COMPUTE_BUFFER_H
#define BB_PLAN_COMPUTE_BUFFER_H
#include "format/dtype.h"
#include "model/arch.h"

typedef struct bb_compute_in {
    uint64_t ctx, batch, ubatch, parallel, outputs; /* as asked: clipped inside as llama.cpp does */
    bool unified, flash;
    const bb_dtype *k, *v;
    /* Largest matrix that stays on the host beside a card, bytes, 0 = none: of the output, of an attention, of a layer.
     */
    uint64_t host_output, host_attention, host_layer;
} bb_compute_in;

/* Bytes. A buffer is the larger of its two stages: the logits, or the widest point of a layer. */
typedef struct bb_compute_out {
    uint64_t cpu_logits, cpu_layer;   /* everything on the host */
    uint64_t card_logits, card_layer; /* with the layers on a card ... */
    uint64_t card_output_only;        /* ... with nothing but the output side on it */
    uint64_t host_inputs;             /* ... and what stays on the host then: inputs and the embedded tokens */
    /* A card that computes the layers of the host as well, over copies of their matrices and cache, as CUDA does with
     * batches of 32 and more (llama-graph.md 5, op offload; llama.cpp over RPC does not): 0 = the batch is smaller. */
    uint64_t copied_layer, copied_logits; /* copied_logits: also 0 when fewer than 32 rows of logits are asked */
    uint64_t copied_inputs;               /* what stays on the host then */
    uint64_t card_kv_copy; /* CUDA with flash attention: the attention stage when a cache is not f16, which its kernel
                              first copies to f16 (llama-graph.md 8); 0 otherwise */
} bb_compute_out;

bb_status bb_compute_buffers(const bb_arch *arch, const bb_compute_in *in, bb_compute_out *out);
#endif
