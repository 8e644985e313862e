/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layout.h - packed weights: panels of 32 rows of W that every instruction set reads. */
#ifndef BB_KERNEL_LAYOUT_H
#define BB_KERNEL_LAYOUT_H
#include "kernel/acts.h"

/* A panel holds BB_PANEL rows of W (columns of Y) block after block along k, each block all that these rows need for
 * `block` values of k, on boundaries of 64 bytes. Rows beyond `out` and values beyond `in` stand as zeros. Integer
 * codes stand as code + offset, unsigned, four consecutive k in a 32-bit lane, one lane a row: the order of vpdpbusd.
 */
enum { BB_PANEL = 32 };

typedef struct bb_layout {
    const char *type; /* dtype of the weights */
    bb_act act;       /* what it is multiplied with */
    uint32_t block;   /* values of k in a block: a multiple of 32 */
    uint32_t block_bytes;
    uint32_t head_bytes; /* before the first block, once a panel */
    int32_t offset;      /* 0: the codes are no integers, or signed */
    size_t in_max;       /* longest row whose integer sums are exact; 0 = no limit */
    /* `count` <= 32 rows of the dtype, row_bytes each, to a panel, every byte of which is written. */
    void (*pack)(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel);
} bb_layout;

/* Bytes of a panel. False when they overflow. */
bool bb_layout_panel_bytes(const bb_layout *l, size_t in, size_t *bytes);

/* One product while it runs. */
typedef struct bb_gemm {
    const unsigned char *panels;
    size_t panel_bytes, out, in, blocks; /* blocks of the layout */
    const bb_acts *acts;
    float *y; /* [tokens][out] */
} bb_gemm;

/* Panels [first, first + count) times all tokens. */
typedef void bb_gemm_fn(const bb_gemm *g, size_t first, size_t count);

typedef struct bb_gemm_family bb_gemm_family;
typedef struct bb_kernel {
    const bb_gemm_family *family;
    bb_level level;
    bb_gemm_fn *run; /* NULL ends a list */
} bb_kernel;

/* A layout with its kernels, slowest first: [0] is the portable twin, whose bits all others give. */
struct bb_gemm_family {
    const bb_layout *layout;
    const char *name; /* op_type: "gemm_q4_0" */
    /* For bb_kernel_bound: roundings that one term of an output passes, and products of an output that can underflow
     * (an integer times a scale cannot: it is a multiple of the smallest subnormal). */
    size_t (*roundings)(size_t in);
    size_t (*underflows)(size_t in);
    double
        code_error; /* largest relative error of a code's value in the kernel (nf4's are rounded to int8); 0 = exact */
    /* Of each weight what the bound's mass counts where that is more than its magnitude (q4_K adds two terms that
     * cancel in part), data as bb_quantize_rows makes it; NULL = its magnitude. */
    void (*magnitudes)(const unsigned char *data, size_t rows, size_t cols, float *magnitude);
    bb_kernel kernels[5];
};

/* One for each file that defines them. */
extern const bb_gemm_family bb_gemm_f32, bb_gemm_bf16, bb_gemm_int8, bb_gemm_q8_0, bb_gemm_q4_0, bb_gemm_iq4_nl,
    bb_gemm_mxfp4, bb_gemm_nf4, bb_gemm_q4_K, bb_gemm_q6_K;
#endif
