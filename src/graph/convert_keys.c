/* SPDX-License-Identifier: GPL-3.0-or-later */
/* convert_keys.c - the metadata of a GGUF from a config.json, in the order and types of llama.cpp's converter (v0.5.0,
 * conversion/base.py TextModel.set_gguf_parameters, conversion/llama.py; names: gguf-py's constants.py). */
#include "base/str.h"
#include "graph/convert.h"
#include "graph/convert_config.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct writer {
    bb_gguf_out *out;
    const bb_arch *a;
    bb_status st; /* the first that was not BB_OK */
    bb_error *err;
} writer;

/* "llama.block_count" into key. */
static const char *name_key(const writer *w, const char *key, char *buf, size_t size) {
    (void)snprintf(buf, size, "%s.%s", w->a->family, key);
    return buf;
}

static void failed(writer *w, bb_status st, const char *key) {
    w->st = st;
    if (st) (void)bb_fail(w->err, st, "%s: the key %s cannot be set: %s", w->a->name, key, bb_status_text(st));
}

static void put_u32(writer *w, const char *key, uint64_t v) {
    char full[96];
    if (w->st) return;
    if (v > UINT32_MAX) {
        w->st = bb_fail(w->err, BB_E_INVALID, "%s: %s is %" PRIu64 ", which passes 32 bits", w->a->name, key, v);
        return;
    }
    failed(w, bb_gguf_out_u32(w->out, name_key(w, key, full, sizeof full), (uint32_t)v), key);
}

static void put_f32(writer *w, const char *key, double v) {
    char full[96];
    if (!w->st) failed(w, bb_gguf_out_f32(w->out, name_key(w, key, full, sizeof full), (float)v), key);
}

static void put_bool(writer *w, const char *key, bool v) {
    char full[96];
    if (!w->st) failed(w, bb_gguf_out_bool(w->out, name_key(w, key, full, sizeof full), v), key);
}

/* full: not of the architecture */
static void put_text(writer *w, const char *full, const char *text) {
    if (!w->st) failed(w, bb_gguf_out_text(w->out, full, text), full);
}

/* Without positions before the scaling llama.cpp takes context_length, as transformers does. */
static void put_scaling(writer *w, const bb_convert_config *c) {
    static const struct {
        bb_rope_number from;
        const char *key;
    } numbers[] = {{BB_ROPE_EXT, "rope.scaling.yarn_ext_factor"},
                   {BB_ROPE_ATTN, "rope.scaling.yarn_attn_factor"},
                   {BB_ROPE_FAST, "rope.scaling.yarn_beta_fast"},
                   {BB_ROPE_SLOW, "rope.scaling.yarn_beta_slow"}};
    char full[96];
    bool yarn = c->scaling == BB_ROPE_YARN;
    if (c->scaling != BB_ROPE_LINEAR && !yarn) return;
    put_text(w, name_key(w, "rope.scaling.type", full, sizeof full), yarn ? "yarn" : "linear");
    put_f32(w, "rope.scaling.factor", c->rope[BB_ROPE_FACTOR]);
    if (!yarn) return;
    double context = c->rope[BB_ROPE_CONTEXT];
    if (c->given[BB_ROPE_CONTEXT])
        put_u32(w, "rope.scaling.original_context_length", context <= UINT32_MAX ? (uint64_t)context : UINT64_MAX);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (c->given[numbers[i].from]) put_f32(w, numbers[i].key, c->rope[numbers[i].from]);
}

static void put_hparams(writer *w, const bb_convert_config *c) {
    const bb_arch *a = w->a;
    put_u32(w, "block_count", a->layers);
    put_u32(w, "context_length", c->context);
    put_u32(w, "embedding_length", a->hidden);
    put_u32(w, "feed_forward_length", a->ffn);
    put_u32(w, "attention.head_count", a->heads);
    put_u32(w, "attention.head_count_kv", a->kv_heads);
    if (c->bidirectional) put_bool(w, "attention.causal", false);
    put_scaling(w, c);
    put_f32(w, "rope.freq_base", c->rope[BB_ROPE_THETA]);
    put_f32(w, "attention.layer_norm_rms_epsilon", c->norm_eps);
    if (a->experts) {
        put_u32(w, "expert_count", a->experts);
        put_u32(w, "expert_used_count", a->experts_used);
    }
    /* a width that does not follow from the hidden size must be told, even where the config's class knows it */
    if (c->head_dim_given || a->head_dim * a->heads != a->hidden) {
        put_u32(w, "attention.key_length", a->head_dim);
        put_u32(w, "attention.value_length", a->head_dim);
    }
}

static bool is_tokenizer(void *ctx, const char *key) {
    (void)ctx;
    return bb_starts_with(key, "tokenizer.");
}

/* llama.cpp: as many rows of the embedding as tokens (llama-model.cpp, check_tensor_dims). */
static bb_status check_vocab(const bb_arch *a, const bb_file *vocab, bb_error *err) {
    const char *path = bb_file_part_path(vocab, 0);
    const bb_meta *tokens = bb_file_meta(vocab, "tokenizer.ggml.tokens");
    if (strcmp(bb_file_format(vocab), "gguf") != 0)
        return bb_fail(err, BB_E_INVALID, "%s: a vocabulary is taken from a GGUF file only", path);
    if (!bb_meta_text(vocab, "tokenizer.ggml.model") || !tokens || tokens->kind != BB_META_ARRAY)
        return bb_fail(err, BB_E_INVALID, "%s has no vocabulary: tokenizer.ggml.model or .tokens is missing", path);
    if (tokens->v.array.count != a->vocab)
        return bb_fail(err, BB_E_INVALID, "%s has %" PRIu64 " tokens, the embedding of %s has %" PRIu64 " rows", path,
                       tokens->v.array.count, a->name, a->vocab);
    return BB_OK;
}

bb_status bb_convert_keys(const bb_arch *arch, const char *config, size_t n, const char *name, const bb_file *vocab,
                          bb_gguf_out *out, bb_error *err) {
    bb_convert_config c;
    bb_status st = bb_convert_config_read(arch, config, n, &c, err);
    if (!st && vocab) st = check_vocab(arch, vocab, err);
    if (st) return st;
    writer w = {.out = out, .a = arch, .err = err};
    bool llama = strcmp(arch->family, "llama") == 0;
    put_text(&w, "general.architecture", arch->family);
    put_text(&w, "general.type", "model");
    put_text(&w, "general.name", name);
    put_hparams(&w, &c);
    if (llama || !vocab) put_u32(&w, "vocab_size", arch->vocab);
    if (llama) put_u32(&w, "rope.dimension_count", arch->head_dim);
    if (!vocab) put_text(&w, "tokenizer.ggml.model", "no_vocab");
    if (!w.st && vocab) w.st = bb_gguf_out_copy(out, vocab, is_tokenizer, NULL, err);
    return w.st;
}
