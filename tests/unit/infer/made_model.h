/* SPDX-License-Identifier: GPL-3.0-or-later */
/* made_model.h - small GGUF models with seeded random weights, one for each way a graph that runs can look. */
#ifndef BB_TESTS_INFER_MADE_MODEL_H
#define BB_TESTS_INFER_MADE_MODEL_H
#include "base/random.h"
#include "base/sink.h"
#include "file/gguf_write.h"
#include "graph/graph.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct made_spec {
    const char *name, *family;
    uint64_t hidden, heads, kv_heads, head_dim, ffn;
    bool tied, qkv_bias, out_bias, mlp_bias, rope_freqs, fused;
    float rope_base, rope_factor; /* 0 = not told */
} made_spec;

enum { MADE_VOCAB = 64, MADE_LAYERS = 2 };

static const made_spec made_specs[] = {
    {.name = "llama", .family = "llama", .hidden = 64, .heads = 4, .kv_heads = 2, .head_dim = 16, .ffn = 96},
    {.name = "llama_tied",
     .family = "llama",
     .hidden = 60,
     .heads = 3,
     .kv_heads = 3,
     .head_dim = 20,
     .ffn = 100,
     .tied = true,
     .qkv_bias = true,
     .out_bias = true,
     .mlp_bias = true,
     .rope_freqs = true,
     .rope_base = 500000},
    {.name = "llama_fused",
     .family = "llama",
     .hidden = 40,
     .heads = 5,
     .kv_heads = 1,
     .head_dim = 8,
     .ffn = 64,
     .fused = true,
     .rope_factor = 4},
    {.name = "qwen",
     .family = "qwen",
     .hidden = 48,
     .heads = 3,
     .kv_heads = 3,
     .head_dim = 16,
     .ffn = 160,
     .qkv_bias = true},
    {.name = "qwen2",
     .family = "qwen2",
     .hidden = 64,
     .heads = 4,
     .kv_heads = 2,
     .head_dim = 16,
     .ffn = 96,
     .tied = true,
     .qkv_bias = true,
     .rope_base = 1e6f},
    {.name = "qwen3", .family = "qwen3", .hidden = 64, .heads = 4, .kv_heads = 2, .head_dim = 32, .ffn = 96},
    {.name = "phi3", .family = "phi3", .hidden = 64, .heads = 4, .kv_heads = 2, .head_dim = 16, .ffn = 80},
    {.name = "internlm2", .family = "internlm2", .hidden = 64, .heads = 2, .kv_heads = 1, .head_dim = 32, .ffn = 96},
    {.name = "olmo2", .family = "olmo2", .hidden = 64, .heads = 4, .kv_heads = 4, .head_dim = 16, .ffn = 96},
};
enum { MADE_SPECS = sizeof made_specs / sizeof *made_specs };

static inline void made_arch(const made_spec *s, bb_arch *a) {
    *a = (bb_arch){.layers = MADE_LAYERS,
                   .hidden = s->hidden,
                   .heads = s->heads,
                   .kv_heads = s->kv_heads,
                   .head_dim = s->head_dim,
                   .ffn = s->ffn,
                   .vocab = MADE_VOCAB,
                   .context = 2048,
                   .tied = s->tied,
                   .qkv_bias = s->qkv_bias,
                   .out_bias = s->out_bias,
                   .mlp_bias = s->mlp_bias,
                   .rope_freqs = s->rope_freqs,
                   .gguf_qkv = s->fused};
    (void)snprintf(a->name, sizeof a->name, "%s", s->name);
    (void)snprintf(a->family, sizeof a->family, "%s", s->family);
}

/* Mean 0, deviation 1: exact sums of four uniform numbers, the same on every machine. */
static inline float made_value(uint64_t seed, uint64_t i) {
    double sum = -2;
    for (uint64_t k = 0; k < 4; k++) sum += bb_random_unit(seed, 4 * i + k);
    return (float)(sum * 1.7320508075688772);
}

/* Norms near 1, biases small, factors of rope from 1 on, rows of matrices of length 1. */
static inline void made_values(const bb_graph_tensor *t, uint64_t seed, float *x, uint64_t n) {
    bool factors = strncmp(t->name, "rope_freqs", 10) == 0, norm = strstr(t->name, "norm") != NULL;
    bool embedding = strncmp(t->name, "token_embd", 10) == 0;
    double scale = embedding ? 1 : t->n_dims == 1 ? 0.1 : 1 / sqrt((double)t->dims[0]);
    for (uint64_t i = 0; i < n; i++)
        x[i] = factors ? 1 + (float)i : (float)((norm ? 1 : 0) + (double)made_value(seed, i) * scale);
}

static inline bb_status made_keys(const made_spec *s, bb_gguf_out *o) {
    const struct {
        const char *key;
        uint64_t v;
    } numbers[] = {{"context_length", 2048},
                   {"embedding_length", s->hidden},
                   {"block_count", MADE_LAYERS},
                   {"feed_forward_length", s->ffn},
                   {"attention.head_count", s->heads},
                   {"attention.head_count_kv", s->kv_heads},
                   {"attention.key_length", s->head_dim},
                   {"attention.value_length", s->head_dim},
                   {"rope.dimension_count", s->head_dim},
                   {"vocab_size", MADE_VOCAB}};
    char key[96];
    bb_status st = bb_gguf_out_text(o, "general.architecture", s->family);
    if (!st) st = bb_gguf_out_text(o, "general.name", s->name);
    if (!st) st = bb_gguf_out_text(o, "tokenizer.ggml.model", "no_vocab");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !st; i++) {
        (void)snprintf(key, sizeof key, "%s.%s", s->family, numbers[i].key);
        st = bb_gguf_out_u32(o, key, (uint32_t)numbers[i].v);
    }
    (void)snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", s->family);
    if (!st) st = bb_gguf_out_f32(o, key, 1e-5f);
    (void)snprintf(key, sizeof key, "%s.rope.freq_base", s->family);
    if (!st && s->rope_base > 0) st = bb_gguf_out_f32(o, key, s->rope_base);
    (void)snprintf(key, sizeof key, "%s.rope.scaling.type", s->family);
    if (!st && s->rope_factor > 0) st = bb_gguf_out_text(o, key, "linear");
    (void)snprintf(key, sizeof key, "%s.rope.scaling.factor", s->family);
    if (!st && s->rope_factor > 0) st = bb_gguf_out_f32(o, key, s->rope_factor);
    return st;
}

/* What a test does to the model before it is written; every member may be NULL. */
typedef struct made_change {
    bb_status (*keys)(bb_gguf_out *o, const void *ctx); /* after the others */
    bool (*leave_out)(const bb_graph_tensor *t, const void *ctx);
    void (*dims)(const bb_graph_tensor *t, uint64_t d[4], const void *ctx);
    void (*values)(const bb_graph_tensor *t, float *x, uint64_t n, const void *ctx);
    const char *(*type)(const bb_graph_tensor *t, const void *ctx); /* else f32 */
    const void *ctx;
} made_change;

/* The values of one tensor in its type: a block of memory. */
static inline void *made_data(const bb_graph_tensor *t, size_t number, const made_change *c, const bb_dtype *type,
                              uint64_t cols, uint64_t rows, uint64_t bytes) {
    float *x = malloc((size_t)(cols * rows) * sizeof *x);
    unsigned char *out = malloc((size_t)bytes);
    if (!x || !out) abort();
    made_values(t, number + 1, x, cols * rows);
    if (c->values) c->values(t, x, cols * rows, c->ctx);
    if (bb_quantize_rows(type, x, (size_t)rows, (size_t)cols, NULL, out) != BB_OK) abort();
    free(x);
    return out;
}

typedef struct made_tensor_list {
    bb_graph_tensor *t;
    size_t n;
} made_tensor_list;

static inline bb_status made_describe(const made_spec *s, made_tensor_list *l, const made_change *c, bb_gguf_out *o,
                                      bb_error *err) {
    size_t kept = 0;
    bb_status st = made_keys(s, o);
    if (!st && c->keys) st = c->keys(o, c->ctx);
    for (size_t i = 0; i < l->n && !st; i++) {
        bb_graph_tensor *t = &l->t[i];
        const char *type = c->type ? c->type(t, c->ctx) : NULL;
        if (c->leave_out && c->leave_out(t, c->ctx)) continue;
        if (c->dims) c->dims(t, t->dims, c->ctx);
        st = bb_gguf_out_tensor(o, t->name, t->n_dims, t->dims, bb_dtype_find(type ? type : "f32", NULL), err);
        t->weight = (uint32_t)i; /* its seed from here on */
        l->t[kept++] = *t;
    }
    l->n = kept;
    return st;
}

static inline bb_status made_write(const made_spec *s, made_tensor_list *l, const made_change *c, const char *path,
                                   bb_error *err) {
    const unsigned char *header;
    size_t header_bytes;
    uint64_t bytes;
    bb_gguf_out *o = NULL;
    bb_sink *sink = NULL;
    bb_status st = bb_gguf_out_new(0, &o, err);
    if (!st) st = made_describe(s, l, c, o, err);
    if (!st) st = bb_gguf_out_seal(o, &header, &header_bytes, &bytes, err);
    if (!st) st = bb_sink_open(path, bytes, true, &sink, err);
    if (!st) st = bb_sink_write(sink, 0, header, header_bytes, err);
    for (size_t i = 0; i < l->n && !st; i++) {
        const bb_graph_tensor *t = &l->t[i];
        const char *type = c->type ? c->type(t, c->ctx) : NULL;
        uint64_t n = bb_gguf_out_bytes(o, i), rows = t->n_dims > 1 ? t->dims[1] : 1;
        void *data = made_data(t, t->weight, c, bb_dtype_find(type ? type : "f32", NULL), t->dims[0], rows, n);
        st = bb_sink_write(sink, bb_gguf_out_offset(o, i), data, (size_t)n, err);
        free(data);
    }
    if (!st)
        st = bb_sink_commit(sink, err);
    else
        bb_sink_abandon(sink);
    bb_gguf_out_free(o);
    return st;
}

static inline bb_status made_model(const made_spec *s, const made_change *c, const char *path, bb_error *err) {
    bb_arch a;
    bb_graph g = {0};
    static const made_change none = {0};
    made_tensor_list l = {0};
    made_arch(s, &a);
    bb_status st = bb_graph_build(&a, &g, err);
    if (!st) st = bb_graph_tensors(&g, false, &l.t, &l.n);
    if (!st) st = made_write(s, &l, c ? c : &none, path, err);
    free(l.t);
    bb_graph_clear(&g);
    return st;
}
#endif
