/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arch.h - the shape of a model: what a catalogue row, GGUF metadata or a config.json say about it. */
#ifndef BB_MODEL_ARCH_H
#define BB_MODEL_ARCH_H
#include "file/file.h"

/* Sizes are counts of elements. 0 = absent unless said otherwise. Checked by bb_arch_check before anyone uses it. */
struct bb_arch {
    char name[64];   /* catalogue or general.name, escaped */
    char hub[96];    /* meta-llama/Llama-3.1-8B, or "" */
    char family[24]; /* GGUF architecture: "llama" (also mistral, mixtral) */
    uint64_t layers, hidden, heads, kv_heads, head_dim, ffn, vocab, context;
    bool tied; /* no output matrix of its own */
    bool qkv_bias, out_bias, mlp_bias;
    bool qk_norm;
    bool rope_freqs; /* GGUF carries rope_freqs.weight (llama3 rope scaling) */
    uint64_t sliding_window;
    uint64_t experts, experts_used, expert_ffn;
    char dtype[16]; /* of the checkpoint ("bf16"), or "" */
};

/* Ranges and relations (kv_heads divides heads, experts_used <= experts, layers <= 100000, ...): BB_E_INVALID with a
 * sentence that names the key; BB_E_UNSUPPORTED for a family without a graph. */
bb_status bb_arch_check(const bb_arch *a, const char *where, bb_error *err);
/* config.json text (a BOM is allowed); `name` is the path for sentences and becomes the arch's name. Free with
 * bb_arch_free. A model_type without a graph is no error here, what is known of it is filled in: bb_arch_known tells,
 * and bb_arch_check refuses it. The same holds for bb_arch_from_file. */
bb_status bb_arch_from_config(const char *text, size_t n, const char *name, bb_arch **arch, bb_error *err);
/* True when graph/ knows the family. */
bool bb_arch_known(const char *family);
#endif
