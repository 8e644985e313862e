/* SPDX-License-Identifier: GPL-3.0-or-later */
/* graph_alloc.h - ggml's graph allocator: the lifetimes of a distributed graph's tensors in one buffer per backend. */
#ifndef BB_PLAN_GRAPH_ALLOC_H
#define BB_PLAN_GRAPH_ALLOC_H
#include "plan/arena.h"
#include "plan/plan_calc.h"
#include "plan/sched.h"

typedef struct bb_graph_alloc {
    bb_arena arena[BB_PLAN_CARDS + 1]; /* [s->host + 1] */
    bool cuda;                         /* the devices are CUDA's: rows of quantized tensors are padded */
    bool f16_copies;                   /* and flash attention asks for the f16 copies that its kernels make */
} bb_graph_alloc;

/* ggml-cuda.cu ggml_backend_cuda_buffer_type_get_alignment; fattn-common.cuh pads to it too */
enum { BB_CUDA_ALIGN = 128 };
/* Bytes that CUDA keeps behind a tensor of quantized rows: they are read in steps of 512 elements (ggml-cuda.cu,
 * ggml_backend_cuda_buffer_type_get_alloc_size). */
uint64_t bb_cuda_row_padding(bb_calc *c, const bb_dtype *type, uint64_t cols);

/* Fills the arenas; their `high` are the sizes of the buffers. Errors: those of bb_arena.st. */
bb_status bb_graph_alloc_run(bb_graph_alloc *a, bb_sched *s);
#endif
