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
} bb_compute_in;

/* Bytes. A buffer is the larger of its two stages: the logits, or the widest point of a layer. */
typedef struct bb_compute_out {
    uint64_t cpu_logits, cpu_layer;   /* everything on the host */
    uint64_t card_logits, card_layer; /* with the layers on a card ... */
    uint64_t card_output_only;        /* ... with nothing but the output side on it */
    uint64_t host_inputs;             /* ... and what stays on the host then: inputs and the embedded tokens */
    uint64_t card_kv_copy; /* CUDA with flash attention: the attention stage when a cache is not f16, which its kernel
                              first copies to f16 (llama-graph.md 8); 0 otherwise */
} bb_compute_out;

bb_status bb_compute_buffers(const bb_arch *arch, const bb_compute_in *in, bb_compute_out *out);
#endif
