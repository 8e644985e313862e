/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_peers_blas.c - fp32 products by OpenBLAS and by GSL's cblas. Their calls are those of the C interface of BLAS
 * (BLAS Technical Forum standard, appendix B) and of OpenBLAS's cblas.h. */
#define _GNU_SOURCE /* RTLD_NODELETE */
#include "base/mem.h"
#include "study/bench_peers.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef void sgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                      const float *b, int ldb, float beta, float *c, int ldc);
typedef void sgemv_fn(int order, int trans, int m, int n, float alpha, const float *a, int lda, const float *x,
                      int incx, float beta, float *y, int incy);

typedef struct blas {
    void *library;
    sgemm_fn *sgemm;
    sgemv_fn *sgemv;
    char isa[48];
} blas;

typedef struct product {
    const blas *b;
    size_t out, in, copies, tokens;
    const float *x;
    float *w, *y; /* owned: [copies][out][in], [tokens][out] */
} product;

/* Stays in memory when it is closed: libraries with threads of their own do not all bear to be unloaded. */
static blas *load_library(const char *name, const char *file, char *note, size_t size) {
    blas *b = bb_alloc(1, sizeof *b);
    if (!b) return NULL;
    b->library = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (b->library && bb_peer_symbol(b->library, "cblas_sgemm", &b->sgemm) &&
        bb_peer_symbol(b->library, "cblas_sgemv", &b->sgemv))
        return b;
    (void)snprintf(note, size, "%s: %s %s", name, file, b->library ? "has no cblas_sgemm" : "is not installed");
    if (b->library) (void)dlclose(b->library);
    free(b);
    return NULL;
}

static void blas_close(void *library) {
    blas *b = library;
    (void)dlclose(b->library);
    free(b);
}

static void *openblas_open(const char *where, unsigned threads, char *note, size_t size) {
    void (*set_threads)(int);
    char *(*config)(void);
    char *(*core)(void);
    (void)where;
    blas *b = load_library("OpenBLAS", "libopenblas.so.0", note, size);
    if (!b) return NULL;
    if (!bb_peer_symbol(b->library, "openblas_set_num_threads", &set_threads) ||
        !bb_peer_symbol(b->library, "openblas_get_config", &config) ||
        !bb_peer_symbol(b->library, "openblas_get_corename", &core) || strstr(config(), "USE64BITINT")) {
        (void)snprintf(note, size, "OpenBLAS: libopenblas.so.0 has other calls than expected");
        blas_close(b);
        return NULL;
    }
    set_threads((int)threads);
    (void)snprintf(b->isa, sizeof b->isa, "openblas:%.24s", core());
    (void)snprintf(note, size, "%.40s with its kernels for %.24s", config(), core());
    return b;
}

static void *gslcblas_open(const char *where, unsigned threads, char *note, size_t size) {
    (void)where;
    (void)threads; /* it has one */
    blas *b = load_library("GSL", "libgslcblas.so.0", note, size);
    if (b) (void)snprintf(b->isa, sizeof b->isa, "gslcblas");
    return b;
}

static size_t blas_ways(void *library, const bb_dtype *type) {
    (void)library;
    return strcmp(type->name, "f32") == 0;
}

static void blas_unload(void *ctx) {
    product *p = ctx;
    free(p->w);
    free(p->y);
    free(p);
}

static bb_status blas_load(void *library, size_t way, const bb_peer_weights *w, size_t copies, char *isa,
                           size_t isa_size, void **out) {
    const blas *b = library;
    (void)way;
    if (w->out > INT_MAX || w->in > INT_MAX) return BB_E_UNSUPPORTED;
    product *p = bb_alloc(1, sizeof *p);
    if (!p) return BB_E_NOMEM;
    *p = (product){.b = b, .out = w->out, .in = w->in, .copies = copies};
    p->w = bb_alloc_aligned(copies * w->out, w->row_bytes);
    if (!p->w) {
        blas_unload(p);
        return BB_E_NOMEM;
    }
    for (size_t i = 0; i < copies; i++) memcpy(p->w + i * w->out * w->in, w->blocks, w->out * w->row_bytes);
    (void)snprintf(isa, isa_size, "%s", b->isa);
    *out = p;
    return BB_OK;
}

static bb_status blas_start(void *ctx, const float *x, size_t tokens) {
    product *p = ctx;
    free(p->y);
    p->y = bb_alloc_aligned(tokens * p->out, sizeof *p->y);
    p->x = x;
    p->tokens = tokens;
    return p->y ? BB_OK : BB_E_NOMEM;
}

static bb_status blas_call(void *ctx, size_t copy) {
    const product *p = ctx;
    int out = (int)p->out, in = (int)p->in;
    const float *w = p->w + copy * p->out * p->in;
    if (p->tokens == 1)
        p->b->sgemv(ROW_MAJOR, NO_TRANS, out, in, 1, w, in, p->x, 1, 0, p->y, 1);
    else
        p->b->sgemm(ROW_MAJOR, NO_TRANS, TRANS, (int)p->tokens, out, in, 1, p->x, in, w, in, 0, p->y, out);
    return BB_OK;
}

static void blas_result(void *ctx, float *y) {
    const product *p = ctx;
    memcpy(y, p->y, p->tokens * p->out * sizeof *y);
}

const bb_peer bb_peer_openblas = {"OpenBLAS", openblas_open, blas_close,  blas_ways,  blas_load,
                                  blas_start, blas_call,     blas_result, blas_unload};
const bb_peer bb_peer_gslcblas = {"GSL's cblas", gslcblas_open, blas_close,  blas_ways,  blas_load,
                                  blas_start,    blas_call,     blas_result, blas_unload};
