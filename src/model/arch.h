/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arch.h - the shape of a model: what a catalogue row, GGUF metadata or a config.json say about it. */
#ifndef BB_MODEL_ARCH_H
#define BB_MODEL_ARCH_H
#include "file/file.h"
#include "model/family.h"
#include "model/recurrence.h"

/* What stands on top of the last layer: a checkpoint may hold the layers alone, or another task's matrix. */
typedef enum bb_head { BB_HEAD_LM, BB_HEAD_NONE, BB_HEAD_CLASSES, BB_HEAD_TOKEN_CLASSES } bb_head;

/* Sizes are counts of elements. 0 = absent unless said otherwise. Checked by bb_arch_check before anyone uses it. */
struct bb_arch {
    char name[64];    /* catalogue or general.name, escaped */
    char hub[96];     /* meta-llama/Llama-3.1-8B, or "" */
    char family[24];  /* bb_family.name: GGUF's name of the architecture ("llama" is mistral and mixtral too) */
    char hf_type[32]; /* model_type of config.json, or "" */
    uint64_t layers, hidden, heads, kv_heads, head_dim, ffn, vocab;
    uint64_t context;   /* positions that it was trained for; rows of the position table where it learns one */
    uint64_t stretched; /* positions by the rope scaling of its config.json; 0 = as context */
    /* MLA: head_dim is nope_dim + rope_dim; q_lora 0 = queries have no low rank. rope_dim of others: the part of a
     * head that is turned, 0 = all of it */
    uint64_t q_lora, kv_lora, rope_dim, nope_dim, v_head_dim;
    uint64_t sliding_window, swa_period; /* swa_period as in bb_family */
    uint64_t experts, experts_used, expert_ffn;
    uint64_t shared_experts, shared_ffn; /* their width together */
    uint64_t dense_layers;               /* leading layers without experts */
    uint64_t moe_step;                   /* 0 or 1: every later layer has experts; n: each n-th */
    uint64_t embed_dim;                  /* width of the embedding where it is not `hidden` (opt-350m) */
    uint64_t type_vocab;                 /* bert: kinds of segments */
    uint64_t encoder_layers, encoder_heads, encoder_ffn, encoder_context, mels; /* whisper */
    uint64_t mtp_layers; /* layers after the last that predict further tokens; not parameters of the model */
    uint64_t labels;     /* of BB_HEAD_CLASSES */
    bool tied;           /* no output matrix of its own */
    bool qkv_bias, out_bias, mlp_bias;
    bool qk_norm;
    bool one_norm;  /* attention and MLP read the same norm */
    bool post_norm; /* norms behind, no norm before the head (opt-350m) */
    bool serial;    /* gptneox: the MLP reads what attention made, where it else reads the layer's input */
    /* How experts are chosen where families leave it open (deepseek2): by a sigmoid instead of a softmax; weights of
     * the chosen divided by their sum; times a number other than 1; only from the best of these groups. */
    bool router_sigmoid, router_normed, router_scaled;
    uint64_t expert_groups, expert_groups_used;
    bool router_bias;  /* a bias for the choice of experts (DeepSeek V3) */
    bool rope_freqs;   /* GGUF carries rope_freqs.weight (llama3 rope scaling) */
    bool rope_factors; /* GGUF carries rope_factors_long and _short (phi3 with long context) */
    bool gguf_qkv;     /* GGUF has one attn_qkv where HF has three matrices (old files of phi2, bert) */
    bool towers;       /* the config tells of further parts (vision, audio), which are not described */
    bool mla_split;    /* GGUF has attn_k_b and attn_v_b in place of attn_kv_b (llama.cpp since 2025) */
    bb_head head;
    bb_recurrence recurrence;
    char dtype[16];  /* of the checkpoint ("bf16"), or "" */
    char layout[24]; /* flavour that a catalogue row's checkpoint is stored in ("mxfp4"), or "" */
};

/* Ranges and relations (kv_heads divides heads, experts_used <= experts, layers <= 100000, ...): BB_E_INVALID with a
 * sentence that names the key; BB_E_UNSUPPORTED for a family without a graph. */
bb_status bb_arch_check(const bb_arch *a, const char *where, bb_error *err);
/* config.json text (a BOM is allowed); `name` is the path for sentences and becomes the arch's name. Free with
 * bb_arch_free. A model_type without a graph is no error here, what is known of it is filled in: bb_arch_known tells,
 * and bb_arch_check refuses it. The same holds for bb_arch_from_file. */
bb_status bb_arch_from_config(const char *text, size_t n, const char *name, bb_arch **arch, bb_error *err);
/* Metadata of a GGUF file without the file, as a log tells of it: get(ctx, "block_count", &v) for LLAMA.block_count. */
typedef struct bb_arch_keys {
    const char *family, *name; /* general.architecture, general.name */
    bool (*get)(const void *ctx, const char *suffix, uint64_t *v);
    const void *ctx;
} bb_arch_keys;
/* What tensors alone tell (tied, rope_freqs) is left to the caller. BB_E_UNSUPPORTED for a family without a graph. */
bb_status bb_arch_from_keys(const bb_arch_keys *keys, bb_arch *arch, bb_error *err);
/* True when graph/ knows the family. */
bool bb_arch_known(const char *family);
/* Width of the dense MLP: ffn, or half of it for a family that counts it twice. */
uint64_t bb_arch_mlp_width(const bb_arch *a);
/* The longest context that transformers' config means; 0 = it does not tell. */
static inline uint64_t bb_arch_longest(const bb_arch *a) { return a->stretched ? a->stretched : a->context; }
/* Whether layer i has experts. */
bool bb_arch_moe_layer(const bb_arch *a, uint64_t i);
/* Whether layer i keeps keys and values, which a state may stand for instead. */
bool bb_arch_attends(const bb_arch *a, uint64_t i);
/* Whether layer i attends to a window only, as llama.cpp runs it. */
bool bb_arch_window_layer(const bb_arch *a, uint64_t i);
#endif
