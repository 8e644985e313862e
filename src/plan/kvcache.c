/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kvcache.c - cells of a cache as llama.cpp rounds them, and the bytes of their rows. */
#include "plan/kvcache.h"
#include "plan/plan_calc.h"

bb_status bb_kv_cells(uint64_t ctx, uint64_t seqs, bool unified, uint64_t *cells) {
    bb_calc c = {false};
    if (ctx == 0 || seqs == 0) return BB_E_ARG;
    uint64_t all = bb_calc_align(&c, ctx, BB_KV_PAD);
    if (!unified && seqs > 1) {
        if (all / seqs == 0) return BB_E_ARG;
        all = bb_calc_mul(&c, bb_calc_align(&c, all / seqs, BB_KV_PAD), seqs);
    }
    if (c.overflow) return BB_E_OVERFLOW;
    *cells = all;
    return BB_OK;
}

bb_status bb_kv_half_bytes(const bb_arch *arch, uint64_t cells, const bb_dtype *type, uint64_t *bytes) {
    uint64_t width, row, all;
    /* llama.cpp asks that a block does not cross heads (src/llama-context.cpp: n_embd_head % blck_size). */
    if (arch->head_dim % type->block) return BB_E_ARG;
    if (!bb_mul_u64(arch->kv_heads, arch->head_dim, &width)) return BB_E_OVERFLOW;
    bb_status st = bb_dtype_row_bytes(type, width, &row);
    if (st) return st;
    if (!bb_mul_u64(row, cells, &all)) return BB_E_OVERFLOW;
    *bytes = all;
    return BB_OK;
}

bb_status bb_kv_layer_bytes(const bb_arch *arch, uint64_t cells, const bb_dtype *k, const bb_dtype *v,
                            uint64_t *bytes) {
    uint64_t kb, vb, sum;
    bb_status st = bb_kv_half_bytes(arch, cells, k, &kb);
    if (!st) st = bb_kv_half_bytes(arch, cells, v, &vb);
    if (st) return st;
    if (!bb_add_u64(kb, vb, &sum)) return BB_E_OVERFLOW;
    *bytes = sum;
    return BB_OK;
}
