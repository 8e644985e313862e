/* SPDX-License-Identifier: GPL-3.0-or-later */
/* llama.h - libllama v0.5.0, found at run time in GGML_DIR: a model with its vocabulary, and its logits. */
#ifndef BB_TESTS_PEER_LLAMA_H
#define BB_TESTS_PEER_LLAMA_H
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Structures of its llama.h. */
typedef struct llama_model_params {
    void *devices;
    const void *overrides;
    int32_t gpu_layers;
    int split_mode, load_mode, lazy_mode;
    int32_t main_gpu;
    const float *tensor_split;
    void *progress, *progress_data;
    const void *kv_overrides;
    bool vocab_only, check_tensors, extra_buffers, no_host, no_alloc, load_mtp;
} llama_model_params;

typedef struct llama_context_params {
    uint32_t n_ctx, n_batch, n_ubatch, n_seq, n_rs_seq, n_outputs, n_outputs_seq;
    int32_t threads, threads_batch;
    int ctx_type, rope_scaling, pooling, attention, flash_attn;
    float rope_base, rope_scale, yarn[4];
    uint32_t yarn_context;
    float defrag;
    void *eval, *eval_data;
    int type_k, type_v;
    void *abort, *abort_data;
    bool embeddings, offload_kqv, no_perf, op_offload, swa_full, kv_unified;
    void *samplers;
    size_t n_samplers;
    void *other;
} llama_context_params;

typedef struct llama_batch {
    int32_t n;
    int32_t *token;
    float *embd;
    int32_t *pos, *n_seq_id;
    int32_t **seq_id;
    int8_t *logits;
} llama_batch;

typedef int32_t llama_tokenize_fn(const void *vocab, const char *text, int32_t n, int32_t *ids, int32_t most,
                                  bool add_special, bool parse_special);
typedef int32_t llama_piece_fn(const void *vocab, int32_t id, char *buf, int32_t n, int32_t lstrip, bool special);

typedef struct llama {
    void *library, *model, *context;
    const void *vocab;
    int32_t n_vocab, bos;
    bool add_bos;
    llama_tokenize_fn *tokenize;
    llama_piece_fn *piece;
    llama_batch batch;
    int32_t (*decode)(void *context, llama_batch batch);
    float *(*logits)(void *context);
    void *(*memory)(const void *context);
    void (*clear)(void *memory, bool data);
} llama;

static inline void llama_fail(const char *text) {
    fprintf(stderr, "libllama: %s\n", text);
    exit(3);
}

static inline void llama_symbol(const llama *l, const char *name, void *function) {
    void *p = dlsym(l->library, name);
    if (!p) llama_fail(name);
    memcpy(function, &p, sizeof p);
}

static inline void llama_quiet(int level, const char *text, void *data) {
    (void)data;
    if (level >= 4) fputs(text, stderr); /* errors */
}

static inline void llama_library(llama *l) {
    const char *dir = getenv("GGML_DIR");
    char file[4096];
    void (*log_set)(void (*)(int, const char *, void *), void *);
    void (*load_all)(const char *), (*init)(void);
    if (l->library) return;
    if (!dir) dir = ".";
    (void)snprintf(file, sizeof file, "%s/libllama.v0.5.0.so", dir);
    l->library = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
    (void)snprintf(file, sizeof file, "%s/libllama.so", dir);
    if (!l->library) l->library = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
    if (!l->library) llama_fail(dlerror());
    llama_symbol(l, "llama_log_set", &log_set);
    llama_symbol(l, "ggml_backend_load_all_from_path", &load_all);
    llama_symbol(l, "llama_backend_init", &init);
    log_set(llama_quiet, NULL);
    load_all(dir);
    init();
}

/* May be called again for another file. */
static inline void llama_load(llama *l, const char *path, bool vocab_only) {
    llama_model_params (*defaults)(void);
    void *(*load)(const char *, llama_model_params);
    const void *(*vocab)(const void *);
    int32_t (*size)(const void *), (*bos)(const void *);
    bool (*add_bos)(const void *);
    llama_library(l);
    llama_symbol(l, "llama_model_default_params", &defaults);
    llama_symbol(l, "llama_model_load_from_file", &load);
    llama_symbol(l, "llama_model_get_vocab", &vocab);
    llama_symbol(l, "llama_vocab_n_tokens", &size);
    llama_symbol(l, "llama_vocab_bos", &bos);
    llama_symbol(l, "llama_vocab_get_add_bos", &add_bos);
    llama_symbol(l, "llama_tokenize", &l->tokenize);
    llama_symbol(l, "llama_token_to_piece", &l->piece);
    llama_model_params p = defaults();
    p.vocab_only = vocab_only;
    l->model = load(path, p);
    if (!l->model) llama_fail("the model is not loaded");
    l->vocab = vocab(l->model);
    l->n_vocab = size(l->vocab);
    l->bos = bos(l->vocab);
    l->add_bos = add_bos(l->vocab);
}

/* All tokens at once; plain: keys and values in F32 and no flash attention, else both as llama.cpp has them. */
static inline void llama_start_as(llama *l, uint32_t ctx, int32_t threads, bool plain) {
    llama_context_params (*defaults)(void);
    void *(*context)(void *, llama_context_params);
    llama_batch (*batch)(int32_t, int32_t, int32_t);
    llama_symbol(l, "llama_context_default_params", &defaults);
    llama_symbol(l, "llama_init_from_model", &context);
    llama_symbol(l, "llama_batch_init", &batch);
    llama_symbol(l, "llama_decode", &l->decode);
    llama_symbol(l, "llama_get_logits", &l->logits);
    llama_symbol(l, "llama_get_memory", &l->memory);
    llama_symbol(l, "llama_memory_clear", &l->clear);
    llama_context_params p = defaults();
    p.n_ctx = p.n_batch = p.n_ubatch = ctx;
    p.threads = p.threads_batch = threads;
    if (plain) p.flash_attn = p.type_k = p.type_v = 0;
    l->context = context(l->model, p);
    if (!l->context) llama_fail("there is no context");
    l->batch = batch((int32_t)ctx, 0, 1);
}

static inline void llama_start(llama *l, uint32_t ctx) { llama_start_as(l, ctx, 2, true); }

/* Logits of all n tokens from position past on. */
static inline const float *llama_run(llama *l, const int32_t *tokens, size_t n, size_t past) {
    for (size_t i = 0; i < n; i++) {
        l->batch.token[i] = tokens[i];
        l->batch.pos[i] = (int32_t)(past + i);
        l->batch.n_seq_id[i] = 1;
        l->batch.seq_id[i][0] = 0;
        l->batch.logits[i] = 1;
    }
    l->batch.n = (int32_t)n;
    if (l->decode(l->context, l->batch) != 0) llama_fail("llama_decode failed");
    return l->logits(l->context);
}
#endif
