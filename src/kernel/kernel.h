/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernel.h - matmul kernels: packed weights, quantized activations, one portable twin per operation and type. */
#ifndef BB_KERNEL_KERNEL_H
#define BB_KERNEL_KERNEL_H
#include "base/pool.h"
#include "quant/quant.h"

/* How a kernel rounds its activations before the integer product: not at all, to int8 with one fp32 scale a token, or
 * with one for each 32 elements. Both are rows of the int8 codec: scale absmax / 127, nearest-even. */
typedef enum bb_act { BB_ACT_F32, BB_ACT_INT8_TOKEN, BB_ACT_INT8_GROUP32 } bb_act;

typedef struct bb_kernel { /* a row of a constant table */
    const char *name;      /* op_type: "gemm_q4_0" */
    const char *type;      /* dtype of the weights */
    const char *isa;       /* "scalar" */
    bb_act act;
    /* Rows of the dtype to the kernel's own layout; the twins of block types keep the blocks, others widen to fp32. */
    bool widen;
    /* y [tokens][out], columns [first, first + count) of the out rows of W [out][in]; act [tokens] rows as bb_act says.
     */
    void (*run)(const void *panels, size_t out, size_t in, const void *act, size_t tokens, size_t first, size_t count,
                float *y);
    /* For bb_kernel_bound: roundings that one term of an output passes, and products of an output that can underflow
     * (an integer times a scale cannot: it is a multiple of the smallest subnormal). */
    size_t (*roundings)(size_t in);
    size_t (*underflows)(size_t in);
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
/* Limit of |y - What xhat| for every output that is finite, mass being its sum over k of |What||xhat|: gamma mass +
 * (1 + gamma) m 2^-150 with gamma = n u / (1 - n u), u = 2^-24, n the roundings that a term passes, those of decoding
 * What and xhat to fp32 included, and m the products that can underflow, each by half of 2^-149 (Higham, Accuracy and
 * Stability, 2nd ed., lemma 3.1 and equation 2.8). */
double bb_kernel_bound(const bb_kernel *k, size_t in, double mass);
#endif
