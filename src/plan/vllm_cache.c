/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vllm_cache.c - groups of layers and their blocks, as vllm/v1/core/kv_cache_utils.py makes them. */
#include "plan/vllm_cache.h"

enum { ALIGNED = 16 }; /* tokens, of what attention kernels take: models/config.py there */

/* 0 by nothing: no layer keeps anything */
static uint64_t ceil_div(uint64_t a, uint64_t b) { return b ? a / b + (a % b != 0) : 0; }

/* Bytes that a layer keeps of a token: keys and values of the rank's heads, or the latent vector of MLA, of which every
 * rank has its own copy (kv_cache_interface.py: FullAttentionSpec, MLAAttentionSpec). */
static uint64_t token_bytes(bb_calc *c, const bb_arch *a, uint64_t kv_heads, const bb_dtype *type) {
    const bb_family *f = bb_family_find(a->family);
    uint64_t v = a->v_head_dim ? a->v_head_dim : a->head_dim;
    uint64_t elements = f && f->mla ? bb_calc_add(c, a->kv_lora, a->rope_dim)
                                    : bb_calc_mul(c, kv_heads, bb_calc_add(c, a->head_dim, v));
    return bb_calc_mul(c, elements, type->block_bytes);
}

bb_status bb_vllm_cache_make(const bb_arch *a, uint64_t first, uint64_t layers, uint64_t kv_heads, const bb_dtype *type,
                             uint64_t block, uint64_t batch, uint64_t state, bb_vllm_cache *cache) {
    bb_calc c = {false};
    bb_vllm_cache made = {.block = block};
    uint64_t windows = 0, states = 0, token = token_bytes(&c, a, kv_heads, type);
    for (uint64_t i = first; i < first + layers && a->sliding_window; i++)
        windows += !a->swa_period || bb_arch_window_layer(a, i);
    for (uint64_t i = first; i < first + layers; i++) states += !bb_arch_attends(a, i);
    uint64_t full = layers - windows - states, other = windows + states; /* no model has both kinds */
    uint64_t least = bb_min_u64(full, other), most = bb_max_u64(full, other);
    /* a block of tokens is made no smaller than a state (models/config.py, HybridAttentionMambaModelConfig) */
    uint64_t unit = bb_calc_mul(&c, ALIGNED, token);
    if (states && full) made.block = bb_max_u64(block, bb_calc_mul(&c, ALIGNED, ceil_div(state, unit)));
    /* kinds of nearly equal size are padded to the larger; else the smaller is the measure (group_size there) */
    uint64_t group = least && 2 * most >= 3 * least ? least : most;
    made.group_layers = group;
    made.full_groups = ceil_div(full, group);
    made.window_groups = ceil_div(windows, group);
    made.state_groups = ceil_div(states, group);
    if (windows) made.window_tokens = bb_calc_add(&c, a->sliding_window - 1, batch);
    made.page_bytes = states && !full ? state : bb_calc_mul(&c, made.block, token);
    (void)bb_calc_mul(&c, made.page_bytes, made.group_layers);
    if (c.overflow) return BB_E_OVERFLOW;
    *cache = made;
    return BB_OK;
}

uint64_t bb_vllm_block_bytes(const bb_vllm_cache *cache) { return cache->page_bytes * cache->group_layers; }

/* A window need not begin where a block does: one more (SlidingWindowSpec.max_memory_usage_bytes). */
uint64_t bb_vllm_blocks(bb_calc *c, const bb_vllm_cache *cache, uint64_t ctx) {
    uint64_t windowed = ceil_div(bb_min_u64(ctx, cache->window_tokens), cache->block) + 1;
    uint64_t full = bb_calc_mul(c, cache->full_groups, ceil_div(ctx, cache->block));
    return bb_calc_add(c, bb_calc_fma(c, cache->window_groups, windowed, full), cache->state_groups);
}

uint64_t bb_vllm_tokens(const bb_vllm_cache *cache, uint64_t bytes) {
    uint64_t one = bb_vllm_block_bytes(cache), groups = cache->full_groups + cache->window_groups + cache->state_groups;
    return one && groups ? bytes / one / groups * cache->block : 0;
}

uint64_t bb_vllm_longest(const bb_vllm_cache *cache, uint64_t bytes, uint64_t most) {
    uint64_t one = bb_vllm_block_bytes(cache), fits = 0, high = most;
    if (!one) return most;
    while (fits < high) {
        uint64_t mid = high - (high - fits) / 2;
        bb_calc c = {false};
        if (bb_vllm_blocks(&c, cache, mid) <= bytes / one && !c.overflow)
            fits = mid;
        else
            high = mid - 1;
    }
    return fits;
}
