/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernel.h - matmul Y = X W^T: packed weights, rounded activations, one kernel chosen among those of a type. */
#ifndef BB_KERNEL_KERNEL_H
#define BB_KERNEL_KERNEL_H
#include "kernel/layout.h"
#include "quant/quant.h"

/* The order of every fp32 operation of a kernel is part of what it is (stated at its portable twin), so that all
 * instruction sets and any number of threads give the same bits. Its name ("gemm_q4_0") is its family's, its isa the
 * name of its level; family->layout->type is "f32" also where weights of another type were widened to it. */

/* All kernels of all levels, whether they run here or not; each type's slowest first. */
size_t bb_kernel_count(void);
const bb_kernel *bb_kernel_at(size_t i);
/* The fastest of a type that runs here within isa. Types without a kernel of their own that can be decoded get that of
 * f32 (bb_kernel_widens); NULL for those that cannot. */
const bb_kernel *bb_kernel_find(const bb_dtype *t, bb_isa isa);
/* Weights of this type are decoded to fp32 when they are packed. */
bool bb_kernel_widens(const bb_dtype *t);

/* How many products each kernel ran, by its index; the caller owns it. */
enum { BB_KERNELS_MAX = 64 };
typedef struct bb_dispatch {
    uint64_t calls[BB_KERNELS_MAX];
} bb_dispatch;

typedef struct bb_matmul_opts {
    bb_isa isa;
    bb_pool *pool;         /* NULL = this thread */
    bb_acts *acts;         /* work memory kept from call to call, or NULL; of one caller at a time */
    bb_dispatch *dispatch; /* counts, or NULL */
    /* This one, which runs here and has the weights' layout, or it is BB_E_UNSUPPORTED; NULL = the fastest. One that is
     * not of the table has no place among the counts: BB_E_ARG with dispatch. */
    const bb_kernel *kernel;
} bb_matmul_opts;

/* bb_pack with workers, and a reason when it fails: a row longer than in_max of the layout is BB_E_UNSUPPORTED. */
bb_status bb_pack_as(const bb_dtype *t, const void *data, size_t out, size_t in, bb_pool *pool, bb_packed **packed,
                     bb_error *err);
/* The same weights elsewhere in memory. */
bb_status bb_packed_copy(const bb_packed *w, bb_packed **copy);
const bb_kernel *bb_packed_kernel(const bb_packed *w, bb_isa isa);
size_t bb_packed_bytes(const bb_packed *w);
/* bb_matmul with a choice; opts NULL = auto, this thread. */
bb_status bb_matmul_as(const bb_packed *w, const float *x, size_t tokens, const bb_matmul_opts *opts, float *y);

/* What the mass of a bound counts of each weight: |What|, or more where the kernel adds terms that cancel. data as
 * bb_quantize_rows makes it, magnitude [rows][cols]. */
bb_status bb_kernel_magnitudes(const bb_dtype *t, const void *data, size_t rows, size_t cols, float *magnitude);
/* Limit of |y - What xhat| for every output that is finite, mass being its sum over k of magnitude |xhat|: (gamma + the
 * relative error of the kernel's codes) mass + (1 + gamma) m 2^-150 with gamma = n u / (1 - n u), u = 2^-24, n the
 * roundings that a term passes, those of decoding What and xhat to fp32 included, and m the products that can
 * underflow, each by half of 2^-149 (Higham, Accuracy and Stability, 2nd ed., lemma 3.1 and equation 2.8). */
double bb_kernel_bound(const bb_kernel *k, size_t in, double mass);
/* The same with sqrt(n) u in the place of gamma, without what underflows: the size that the error has when roundings
 * are independent, which they pass rarely but can (Higham and Mary, A New Approach to Probabilistic Rounding Error
 * Analysis, SIAM J. Sci. Comput. 41(5), 2019, with lambda 1). */
double bb_kernel_bound_sqrt(const bb_kernel *k, size_t in, double mass);
#endif
