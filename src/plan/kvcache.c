/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kvcache.c - cells of a cache as llama.cpp rounds them, and the bytes of their rows. */
#include "plan/kvcache.h"
#include "base/str.h"
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

bb_status bb_kv_window_cells(uint64_t full, uint64_t window, uint64_t ubatch, uint64_t seqs, bool unified,
                             uint64_t *cells) {
    bb_calc c = {false};
    /* each stream of its own has a part of `full` and one sequence */
    uint64_t streams = unified || seqs < 2 ? 1 : seqs;
    uint64_t need = bb_calc_fma(&c, window, unified ? seqs : 1, ubatch);
    uint64_t each = bb_min_u64(full / streams, bb_calc_align(&c, need, BB_KV_PAD));
    uint64_t all = bb_calc_mul(&c, each, streams);
    if (c.overflow) return BB_E_OVERFLOW;
    *cells = all;
    return BB_OK;
}

bb_kv_width bb_kv_keys(const bb_arch *a) {
    const bb_family *f = bb_family_find(a->family);
    if (!f || !f->mla) return (bb_kv_width){a->kv_heads, a->head_dim};
    return a->mla_split ? (bb_kv_width){1, a->kv_lora + a->rope_dim} : (bb_kv_width){a->heads, a->head_dim};
}

bb_kv_width bb_kv_values(const bb_arch *a) {
    const bb_family *f = bb_family_find(a->family);
    if (!f || !f->mla) return (bb_kv_width){a->kv_heads, a->v_head_dim ? a->v_head_dim : a->head_dim};
    return a->mla_split ? (bb_kv_width){0, 0} : (bb_kv_width){a->heads, a->v_head_dim};
}

bb_status bb_kv_half_bytes(bb_kv_width width, uint64_t cells, const bb_dtype *type, uint64_t *bytes) {
    uint64_t elements, row, all;
    /* llama.cpp asks that a block does not cross heads (src/llama-context.cpp: n_embd_head % blck_size). */
    if (width.head % type->block) return BB_E_ARG;
    if (!bb_mul_u64(width.heads, width.head, &elements)) return BB_E_OVERFLOW;
    bb_status st = bb_dtype_row_bytes(type, elements, &row);
    if (st) return st;
    if (!bb_mul_u64(row, cells, &all)) return BB_E_OVERFLOW;
    *bytes = all;
    return BB_OK;
}

/* ggml-cuda/fattn.cu: f32 is read by the kernel of f16. */
static const char *read_as(const bb_dtype *t) { return bb_name_eq(t->name, "f32") ? "f16" : t->name; }

bool bb_cuda_vector_kernel(const bb_dtype *k, const bb_dtype *v) {
    static const char *const pairs[] = {"f16", "bf16", "q8_0", "q4_0"}; /* GGML_CUDA_FA_QUANTS of ggml/CMakeLists.txt */
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (bb_name_eq(read_as(k), pairs[i]) && bb_name_eq(read_as(v), pairs[i])) return true;
    return false;
}

bool bb_cuda_attends(const bb_dtype *k, const bb_dtype *v) {
    return !bb_name_eq(k->name, "iq4_nl") && !bb_name_eq(v->name, "iq4_nl");
}
