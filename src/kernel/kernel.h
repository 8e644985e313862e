/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernel.h - matmul kernels: packed weights, quantized activations, one portable twin per operation and type. */
#ifndef BB_KERNEL_KERNEL_H
#define BB_KERNEL_KERNEL_H
#include "base/pool.h"
#include "quant/quant.h"

/* How a kernel rounds its activations before the integer product. */
typedef enum bb_act { BB_ACT_F32, BB_ACT_INT8_TOKEN, BB_ACT_INT8_GROUP32 } bb_act;

typedef struct bb_kernel { /* a row of a constant table */
    const char *name;      /* op_type: "gemm_q4_0" */
    const char *type;      /* dtype of the weights */
    const char *isa;       /* "scalar" */
    bb_act act;
    bb_status (*pack)(const unsigned char *data, size_t out, size_t in, void *panels);
    size_t (*panel_bytes)(size_t out, size_t in); /* 0 = overflow */
    /* y [tokens][out], columns [first, first+count) of W's rows. act is what bb_act_quantize made. */
    void (*run)(const void *panels, size_t out, size_t in, const void *act, size_t tokens, size_t first, size_t count,
                float *y);
} bb_kernel;

const bb_kernel *bb_kernel_find(const bb_dtype *t, bb_isa isa);
size_t bb_kernel_count(void);
const bb_kernel *bb_kernel_at(size_t i);
const bb_kernel *bb_packed_kernel(const bb_packed *w);
size_t bb_packed_bytes(const bb_packed *w);

/* The activations exactly as the kernel sees them, back in fp32, x [tokens][in] -> xhat [tokens][in]: what the error
 * report calls x-hat. */
bb_status bb_act_roundtrip(bb_act act, const float *x, size_t tokens, size_t in, float *xhat);
/* matmul on a pool that is already there (NULL = this thread). */
bb_status bb_matmul_pool(const bb_packed *w, const float *x, size_t tokens, bb_pool *pool, float *y);
/* Bound on |fl(y) - What xhat| for each output, from the kernel's own order of operations: a multiple of
 * sum |terms|; docs in the implementation. y_abs [tokens][out] = sum over k of |What||xhat|. */
double bb_kernel_gamma(const bb_kernel *k, size_t in);
#endif
