/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vllm_cache.h - vLLM's paged KV cache on one rank: blocks, their bytes, and the tokens that some bytes hold. */
#ifndef BB_PLAN_VLLM_CACHE_H
#define BB_PLAN_VLLM_CACHE_H
#include "format/dtype.h"
#include "model/arch.h"
#include "plan/plan_calc.h"

/* Layers of one kind (with a window, or without) are cut into groups of `group_layers`; a block of any group takes the
 * same bytes, so that all share one pool (vllm/v1/core/kv_cache_utils.py). */
typedef struct bb_vllm_cache {
    uint64_t block;                      /* tokens in a block */
    uint64_t page_bytes;                 /* of a block in one layer */
    uint64_t group_layers;               /* pages of a block */
    uint64_t full_groups, window_groups; /* each keeps blocks of its own for a sequence */
    uint64_t state_groups;               /* of layers with a state: one block of each for a sequence */
    uint64_t window_tokens;              /* that a group with a window keeps at most: the window and one batch */
} bb_vllm_cache;

/* The cache of the layers [first, first + layers) of `arch`, `kv_heads` of them on this rank, elements stored as `type`
 * (plain); `batch` tokens a step; `state` bytes of a layer that keeps a state, 0 = none does. BB_E_OVERFLOW. */
bb_status bb_vllm_cache_make(const bb_arch *arch, uint64_t first, uint64_t layers, uint64_t kv_heads,
                             const bb_dtype *type, uint64_t block, uint64_t batch, uint64_t state,
                             bb_vllm_cache *cache);
/* Bytes of one block, of all layers that share it. */
uint64_t bb_vllm_block_bytes(const bb_vllm_cache *cache);
/* Blocks that a sequence of ctx tokens takes, states included, of all groups together; c sees an overflow. */
uint64_t bb_vllm_blocks(bb_calc *c, const bb_vllm_cache *cache, uint64_t ctx);
/* Tokens as vLLM prints them ("GPU KV cache size"): whole blocks, shared out among the groups. 0 without a cache. */
uint64_t bb_vllm_tokens(const bb_vllm_cache *cache, uint64_t bytes);
/* The longest context, at most `most`, of which one sequence fits; 0 when none does. */
uint64_t bb_vllm_longest(const bb_vllm_cache *cache, uint64_t bytes, uint64_t most);
#endif
