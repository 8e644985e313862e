/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_infer.c - the forward pass beside that of libllama v0.5.0 (GGML_DIR), keys and values in F32:
 *   peer_infer make NAME OUT.gguf      one of the small models of made_model.h
 *   peer_infer names                   their names
 *   peer_infer logits MODEL.gguf N MOST    of N tokens; fails when one differs by more than MOST
 *   peer_infer print MODEL.gguf N      libllama's logits of the last of N tokens
 *   peer_infer text MODEL.gguf N       N tokens, each the most likely after those before; fails when they differ
 *   peer_infer imatrix MODEL.gguf N OUT.gguf   the importance of all inputs while N tokens run; fails when ggml's own
 *                                      reader does not find in it what llama-quantize looks for */
#include "../unit/infer/made_model.h"
#include "infer/capture.h"
#include <dlfcn.h>

/* llama.h of v0.5.0 */
typedef struct peer_model_params {
    void *devices;
    const void *overrides;
    int32_t gpu_layers;
    int split_mode, load_mode, lazy_mode;
    int32_t main_gpu;
    const float *tensor_split;
    void *progress, *progress_data;
    const void *kv_overrides;
    bool vocab_only, check_tensors, extra_buffers, no_host, no_alloc, load_mtp;
} peer_model_params;

typedef struct peer_context_params {
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
} peer_context_params;

typedef struct peer_batch {
    int32_t n;
    int32_t *token;
    float *embd;
    int32_t *pos, *n_seq_id;
    int32_t **seq_id;
    int8_t *logits;
} peer_batch;

typedef struct peer_llama {
    void *context;
    peer_batch batch;
    int32_t (*decode)(void *context, peer_batch batch);
    float *(*logits)(void *context);
} peer_llama;

enum { CTX = 512 };

_Noreturn static void fail(const char *text) {
    fprintf(stderr, "peer_infer: %s\n", text);
    exit(3);
}

static void *library;
static void symbol(const char *name, void *function) {
    void *p = dlsym(library, name);
    if (!p) fail(name);
    memcpy(function, &p, sizeof p);
}

static void quiet(int level, const char *text, void *data) {
    (void)data;
    if (level >= 4) fputs(text, stderr); /* errors */
}

static void open_llama(const char *path, peer_llama *l) {
    const char *dir = getenv("GGML_DIR");
    char file[4096];
    void (*log_set)(void (*)(int, const char *, void *), void *);
    void (*load_all)(const char *), (*init)(void);
    peer_model_params (*model_defaults)(void);
    void *(*load)(const char *, peer_model_params);
    peer_context_params (*context_defaults)(void);
    void *(*context)(void *, peer_context_params);
    peer_batch (*batch)(int32_t, int32_t, int32_t);
    (void)snprintf(file, sizeof file, "%s/libllama.v0.5.0.so", dir ? dir : ".");
    library = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
    (void)snprintf(file, sizeof file, "%s/libllama.so", dir ? dir : ".");
    if (!library) library = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
    if (!library) fail(dlerror());
    symbol("llama_log_set", &log_set);
    symbol("ggml_backend_load_all_from_path", &load_all);
    symbol("llama_backend_init", &init);
    symbol("llama_model_default_params", &model_defaults);
    symbol("llama_model_load_from_file", &load);
    symbol("llama_context_default_params", &context_defaults);
    symbol("llama_init_from_model", &context);
    symbol("llama_batch_init", &batch);
    symbol("llama_decode", &l->decode);
    symbol("llama_get_logits", &l->logits);
    log_set(quiet, NULL);
    load_all(dir);
    init();
    void *model = load(path, model_defaults());
    if (!model) fail("libllama does not load the model");
    peer_context_params p = context_defaults();
    p.n_ctx = p.n_batch = p.n_ubatch = CTX;
    p.threads = p.threads_batch = 2;
    p.flash_attn = 0;
    p.type_k = p.type_v = 0; /* F32 */
    l->context = context(model, p);
    if (!l->context) fail("libllama makes no context");
    l->batch = batch(CTX, 0, 1);
}

/* Logits of all n tokens from position past on. */
static const float *run_llama(peer_llama *l, const int32_t *tokens, size_t n, size_t past) {
    for (size_t i = 0; i < n; i++) {
        l->batch.token[i] = tokens[i];
        l->batch.pos[i] = (int32_t)(past + i);
        l->batch.n_seq_id[i] = 1;
        l->batch.seq_id[i][0] = 0;
        l->batch.logits[i] = 1;
    }
    l->batch.n = (int32_t)n;
    if (l->decode(l->context, l->batch) != 0) fail("llama_decode failed");
    return l->logits(l->context);
}

static bb_infer *open_ours(const char *path, bb_infer_opts *opts) {
    bb_error err = {0};
    bb_file *file;
    bb_arch *arch;
    bb_infer *infer;
    opts->ctx = CTX;
    if (bb_file_open(path, &file, &err) || bb_arch_from_file(file, &arch, &err) ||
        bb_infer_open(file, arch, opts, &infer, &err))
        fail(err.text);
    return infer;
}

static void run_ours(bb_infer *f, const int32_t *tokens, size_t n, size_t past, float *logits) {
    bb_error err = {0};
    if (bb_infer_run(f, tokens, n, past, false, logits, &err)) fail(err.text);
}

static size_t largest(const float *x, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

/* Tokens as they follow in a text of the model: the most likely ones, from <s> on; each fifth is drawn. */
static void make_tokens(bb_infer *f, int32_t *tokens, size_t n) {
    size_t vocab = (size_t)bb_infer_vocab(f);
    float *logits = malloc(vocab * sizeof *logits);
    if (!logits) abort();
    tokens[0] = 1;
    for (size_t i = 1; i < n; i++) {
        run_ours(f, tokens + i - 1, 1, i - 1, logits);
        tokens[i] = (int32_t)(i % 5 ? largest(logits, vocab) : bb_random_u64(1, i) % vocab);
    }
    free(logits);
}

static int compare_logits(const char *path, size_t n, double most) {
    bb_infer_opts opts = {0};
    bb_infer *f = open_ours(path, &opts);
    size_t vocab = (size_t)bb_infer_vocab(f);
    int32_t tokens[CTX];
    float *ours = malloc(n * vocab * sizeof *ours);
    peer_llama l;
    double worst = 0;
    if (!ours) abort();
    open_llama(path, &l);
    make_tokens(f, tokens, n);
    run_ours(f, tokens, n, 0, ours);
    const float *theirs = run_llama(&l, tokens, n, 0);
    for (size_t i = 0; i < n * vocab; i++) {
        double d = fabs((double)ours[i] - (double)theirs[i]);
        if (!(d <= worst)) worst = d;
    }
    printf("%zu tokens: largest difference %.3g\n", n, worst);
    return worst <= most ? 0 : 1;
}

static int print_logits(const char *path, size_t n) {
    bb_infer_opts opts = {0};
    bb_infer *f = open_ours(path, &opts);
    size_t vocab = (size_t)bb_infer_vocab(f);
    int32_t tokens[CTX];
    peer_llama l;
    open_llama(path, &l);
    for (size_t i = 0; i < n; i++) tokens[i] = (int32_t)(bb_random_u64(2, i) % vocab);
    const float *x = run_llama(&l, tokens, n, 0) + (n - 1) * vocab;
    for (size_t i = 0; i < vocab; i++) printf("%s%.6f", i ? " " : "", (double)x[i]);
    puts("");
    return 0;
}

static int compare_text(const char *path, size_t n) {
    bb_infer_opts opts = {0};
    bb_infer *f = open_ours(path, &opts);
    size_t vocab = (size_t)bb_infer_vocab(f);
    float *logits = malloc(vocab * sizeof *logits);
    int32_t token = 1;
    peer_llama l;
    if (!logits) abort();
    open_llama(path, &l);
    for (size_t i = 0; i < n; i++) {
        run_ours(f, &token, 1, i, logits);
        size_t ours = largest(logits, vocab), theirs = largest(run_llama(&l, &token, 1, i), vocab);
        if (ours != theirs) {
            printf("token %zu: %zu here, %zu there\n", i, ours, theirs);
            return 1;
        }
        token = (int32_t)ours;
    }
    return 0;
}

/* gguf.h and ggml.h of ggml 0.25.1 */
typedef struct peer_gguf {
    void *gguf, *tensors;
    int64_t (*find_key)(const void *gguf, const char *key);
    const char *(*text)(const void *gguf, int64_t key, size_t i);
    uint32_t (*u32)(const void *gguf, int64_t key);
    void *(*tensor)(void *context, const char *name);
    float *(*data)(const void *tensor);
    int64_t (*elements)(const void *tensor);
} peer_gguf;

typedef struct peer_gguf_params {
    bool no_alloc;
    void **context;
} peer_gguf_params;

static void open_gguf(const char *path, peer_gguf *g) {
    const char *dir = getenv("GGML_DIR");
    char file[4096];
    void *(*init)(const char *, peer_gguf_params);
    (void)snprintf(file, sizeof file, "%s/libggml-base.so", dir ? dir : ".");
    library = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
    if (!library) fail(dlerror());
    symbol("gguf_init_from_file", &init);
    symbol("gguf_find_key", &g->find_key);
    symbol("gguf_get_arr_str", &g->text);
    symbol("gguf_get_val_u32", &g->u32);
    symbol("ggml_get_tensor", &g->tensor);
    symbol("ggml_get_data_f32", &g->data);
    symbol("ggml_nelements", &g->elements);
    g->gguf = init(path, (peer_gguf_params){false, &g->tensors});
    if (!g->gguf) fail("ggml does not read the imatrix");
}

/* What common_imatrix_load asks for. */
static void check_imatrix(const char *path, const bb_capture *capture, const bb_infer *f, size_t n) {
    peer_gguf g;
    char name[96];
    open_gguf(path, &g);
    int64_t datasets = g.find_key(g.gguf, "imatrix.datasets"), count = g.find_key(g.gguf, "imatrix.chunk_count");
    int64_t size = g.find_key(g.gguf, "imatrix.chunk_size");
    if (datasets < 0 || count < 0 || size < 0) fail("a key of the imatrix is missing");
    if (strcmp(g.text(g.gguf, datasets, 0), "a text") != 0 || g.u32(g.gguf, count) != n / 64 ||
        g.u32(g.gguf, size) != 64)
        fail("a key of the imatrix has another value");
    for (size_t i = 0; i < bb_infer_linears(f); i++) {
        size_t cols;
        uint64_t rows;
        const double *squares = bb_capture_squares(capture, i, &cols, &rows);
        (void)snprintf(name, sizeof name, "%s.in_sum2", bb_infer_linear(f, i)->name);
        void *sums = g.tensor(g.tensors, name);
        (void)snprintf(name, sizeof name, "%s.counts", bb_infer_linear(f, i)->name);
        void *counts = g.tensor(g.tensors, name);
        if (!squares || !sums || !counts || g.elements(sums) != (int64_t)cols || g.elements(counts) != 1) fail(name);
        if (rows != n || (uint64_t)g.data(counts)[0] != rows) fail(name);
        for (size_t k = 0; k < cols; k++)
            if (fabs((double)g.data(sums)[k] - squares[k]) > 1e-6 * squares[k]) fail(name);
    }
}

static int write_imatrix(const char *path, size_t n, const char *out) {
    bb_capture *capture;
    bb_error err = {0};
    if (bb_capture_new(0, &capture)) abort();
    bb_infer_opts plain = {0}, opts = {.tap = bb_capture_tap, .tap_ctx = capture};
    bb_infer *f = open_ours(path, &opts);
    int32_t tokens[CTX];
    float *logits = malloc(n * (size_t)bb_infer_vocab(f) * sizeof *logits);
    if (!logits) abort();
    make_tokens(open_ours(path, &plain), tokens, n);
    run_ours(f, tokens, n, 0, logits);
    if (bb_capture_write_imatrix(capture, f, "a text", 64, out, true, &err)) fail(err.text);
    check_imatrix(out, capture, f, n);
    return 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    size_t n = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    bb_error err = {0};
    if (strcmp(what, "names") == 0) {
        for (size_t i = 0; i < MADE_SPECS; i++) puts(made_specs[i].name);
        return 0;
    }
    for (size_t i = 0; strcmp(what, "make") == 0 && argc == 4 && i < MADE_SPECS; i++)
        if (strcmp(made_specs[i].name, argv[2]) == 0) {
            if (made_model(&made_specs[i], NULL, argv[3], &err)) fail(err.text);
            return 0;
        }
    if (n == 0 || n > CTX) fail("see the source");
    if (strcmp(what, "logits") == 0 && argc == 5) return compare_logits(argv[2], n, atof(argv[4]));
    if (strcmp(what, "print") == 0) return print_logits(argv[2], n);
    if (strcmp(what, "text") == 0) return compare_text(argv[2], n);
    if (strcmp(what, "imatrix") == 0 && argc == 5) return write_imatrix(argv[2], n, argv[4]);
    fail("see the source");
}
