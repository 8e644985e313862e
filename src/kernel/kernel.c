/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernel.c - packing weights, quantizing activations, and sharing the columns of a product among workers. */
#include "kernel/kernel.h"
#include "base/checked.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "kernel/gemm_scalar.h"
#include <stdlib.h>
#include <string.h>

static const bb_kernel table[] = {
    {"gemm_f32", "f32", "scalar", BB_ACT_F32, true, bb_gemm_f32_scalar, bb_gemm_f32_roundings, bb_gemm_f32_underflows},
    {"gemm_f16", "f16", "scalar", BB_ACT_F32, true, bb_gemm_f32_scalar, bb_gemm_f32_roundings, bb_gemm_f32_underflows},
    {"gemm_bf16", "bf16", "scalar", BB_ACT_F32, true, bb_gemm_f32_scalar, bb_gemm_f32_roundings,
     bb_gemm_f32_underflows},
    {"gemm_int8", "int8", "scalar", BB_ACT_INT8_TOKEN, false, bb_gemm_int8_scalar, bb_gemm_int8_roundings,
     bb_gemm_int8_underflows},
    {"gemm_q8_0", "q8_0", "scalar", BB_ACT_INT8_GROUP32, false, bb_gemm_q8_0_scalar, bb_gemm_group32_roundings,
     bb_gemm_group32_underflows},
    {"gemm_q4_0", "q4_0", "scalar", BB_ACT_INT8_GROUP32, false, bb_gemm_q4_0_scalar, bb_gemm_group32_roundings,
     bb_gemm_group32_underflows},
};

struct bb_packed {
    const bb_kernel *kernel;
    size_t out, in, bytes;
    void *panels;
};

size_t bb_kernel_count(void) { return sizeof table / sizeof *table; }
const bb_kernel *bb_kernel_at(size_t i) { return i < bb_kernel_count() ? &table[i] : NULL; }

const bb_kernel *bb_kernel_find(const bb_dtype *t, bb_isa isa) {
    (void)isa; /* one twin each so far: auto and scalar are the same */
    for (size_t i = 0; i < bb_kernel_count(); i++)
        if (strcmp(table[i].type, t->name) == 0) return &table[i];
    return NULL;
}

const bb_kernel *bb_packed_kernel(const bb_packed *w) { return w->kernel; }
size_t bb_packed_bytes(const bb_packed *w) { return w->bytes; }

bb_status bb_pack(const bb_dtype *t, const void *data, size_t out, size_t in, bb_packed **packed) {
    const bb_kernel *k = bb_kernel_find(t, BB_ISA_AUTO);
    if (!k) return BB_E_UNSUPPORTED;
    uint64_t row;
    bb_status status = bb_dtype_row_bytes(t, in, &row);
    if (status != BB_OK) return status;
    size_t bytes;
    if (k->widen && !bb_mul_size(in, sizeof(float), &bytes)) return BB_E_OVERFLOW;
    if (!k->widen) bytes = (size_t)row;
    if (!bb_mul_size(bytes, out, &bytes)) return BB_E_OVERFLOW;
    bb_packed *p = bb_alloc(1, sizeof *p);
    void *panels = bb_alloc(bytes, 1);
    if (!p || !panels) {
        free(p);
        free(panels);
        return BB_E_NOMEM;
    }
    if (k->widen)
        status = bb_dequantize_rows(t, data, out, in, panels);
    else if (bytes)
        memcpy(panels, data, bytes);
    *p = (bb_packed){k, out, in, bytes, panels};
    if (status != BB_OK) {
        bb_packed_free(p);
        return status;
    }
    *packed = p;
    return BB_OK;
}

void bb_packed_free(bb_packed *p) {
    if (!p) return;
    free(p->panels);
    free(p);
}

/* ---- activations ---- */

/* x [tokens][in] as rows of the int8 codec; width elements share a scale. */
static size_t act_width(bb_act act, size_t in) { return act == BB_ACT_INT8_GROUP32 ? 32 : in; }

static bb_status act_quantize(bb_act act, const float *x, size_t tokens, size_t in, void **out) {
    size_t width = act_width(act, in), n, bytes;
    if (in == 0 || in % width != 0) return BB_E_ARG;
    if (!bb_mul_size(tokens, in / width, &n) || !bb_add_size(width, sizeof(float), &bytes) ||
        !bb_mul_size(n, bytes, &bytes))
        return BB_E_OVERFLOW;
    void *rows = bb_alloc(bytes, 1);
    if (!rows) return BB_E_NOMEM;
    bb_status status = bb_quantize_rows(bb_dtype_find("int8", NULL), x, n, width, NULL, rows);
    if (status != BB_OK) {
        free(rows);
        return status;
    }
    *out = rows;
    return BB_OK;
}

bb_status bb_act_roundtrip(bb_act act, const float *x, size_t tokens, size_t in, float *xhat) {
    if (act == BB_ACT_F32) {
        memcpy(xhat, x, tokens * in * sizeof *x);
        return BB_OK;
    }
    void *rows = NULL;
    bb_status status = act_quantize(act, x, tokens, in, &rows);
    if (status != BB_OK) return status;
    size_t width = act_width(act, in);
    status = bb_dequantize_rows(bb_dtype_find("int8", NULL), rows, tokens * in / width, width, xhat);
    free(rows);
    return status;
}

/* ---- the product ---- */

enum { COLUMNS_PER_ITEM = 32 };

typedef struct job {
    const bb_packed *w;
    const void *act;
    size_t tokens;
    float *y;
} job;

static void run_item(void *ctx, size_t i) {
    const job *j = ctx;
    size_t first = i * COLUMNS_PER_ITEM, left = j->w->out - first;
    j->w->kernel->run(j->w->panels, j->w->out, j->w->in, j->act, j->tokens, first,
                      left < COLUMNS_PER_ITEM ? left : COLUMNS_PER_ITEM, j->y);
}

bb_status bb_matmul_pool(const bb_packed *w, const float *x, size_t tokens, bb_pool *pool, float *y) {
    if (w->in == 0) return BB_E_ARG;
    void *rows = NULL;
    fenv_t saved;
    if (w->kernel->act != BB_ACT_F32) {
        bb_status status = act_quantize(w->kernel->act, x, tokens, w->in, &rows);
        if (status != BB_OK) return status;
    }
    job j = {w, rows ? rows : (const void *)x, tokens, y};
    size_t items = w->out / COLUMNS_PER_ITEM + (w->out % COLUMNS_PER_ITEM != 0);
    bb_fp_enter(&saved);
    if (pool)
        bb_pool_run(pool, items, run_item, &j);
    else
        for (size_t i = 0; i < items; i++) run_item(&j, i);
    bb_fp_leave(&saved);
    free(rows);
    return BB_OK;
}

bb_status bb_matmul(const bb_packed *w, const float *x, size_t tokens, unsigned threads, bb_isa isa, float *y) {
    bb_pool *pool = NULL;
    (void)isa;
    if (threads > 1) {
        bb_status status = bb_pool_new(threads, &pool);
        if (status != BB_OK) return status;
    }
    bb_status status = bb_matmul_pool(w, x, tokens, pool, y);
    bb_pool_free(pool);
    return status;
}

double bb_kernel_bound(const bb_kernel *k, size_t in, double mass) {
    double n = (double)k->roundings(in), u = 0x1p-24, gamma = n * u / (1 - n * u);
    if (mass == 0) return 0;
    return gamma * mass + (1 + gamma) * (double)k->underflows(in) * 0x1p-150;
}
