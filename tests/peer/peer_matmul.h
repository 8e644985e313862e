/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_matmul.h - products by ggml's CPU backend, found at run time in GGML_DIR, one thread.
 *
 * The calls are those of ggml.h, ggml-alloc.h and ggml-backend.h of ggml 0.25.1 (llama.cpp v0.5.0). */
#ifndef BB_TESTS_PEER_MATMUL_H
#define BB_TESTS_PEER_MATMUL_H
#include "peer.h"

/* ggml.h: ggml_init_params, passed by value. */
typedef struct peer_params {
    size_t bytes;
    void *memory;
    bool no_alloc;
} peer_params;

typedef struct peer_cpu {
    void *dev, *backend;
    void *plain, *repack; /* buffer types: weights as they are, or rearranged when they are set (NULL: none) */
    void (*log_set)(void (*log)(int, const char *, void *), void *);
    void (*load_all)(const char *dir);
    void *(*dev_by_type)(int type);
    void *(*dev_init)(void *dev, const char *params);
    void *(*dev_reg)(void *dev);
    void *(*dev_buffer_type)(void *dev);
    void *(*proc)(void *reg, const char *name);
    bool (*supports)(void *dev, const void *op);
    void *(*init)(peer_params params);
    void (*drop)(void *ctx);
    void *(*tensor_2d)(void *ctx, int type, int64_t ne0, int64_t ne1);
    void *(*mul_mat)(void *ctx, void *w, void *x);
    void *(*new_graph)(void *ctx, size_t size, bool grads);
    size_t (*graph_bytes)(size_t size, bool grads);
    size_t (*tensor_bytes)(void);
    void (*expand)(void *graph, void *tensor);
    void *(*alloc)(void *ctx, void *buffer_type);
    void (*buffer_free)(void *buffer);
    void (*set)(void *tensor, const void *data, size_t offset, size_t size);
    void (*get)(const void *tensor, void *data, size_t offset, size_t size);
    int (*compute)(void *backend, void *graph);
} peer_cpu;

static inline void peer_quiet(int level, const char *text, void *data) {
    (void)level;
    (void)text;
    (void)data;
}

static inline bool peer_cpu_symbols(peer_cpu *p, void *lib) {
    return peer_symbol(lib, "ggml_log_set", &p->log_set) &&
           peer_symbol(lib, "ggml_backend_load_all_from_path", &p->load_all) &&
           peer_symbol(lib, "ggml_backend_dev_by_type", &p->dev_by_type) &&
           peer_symbol(lib, "ggml_backend_dev_init", &p->dev_init) &&
           peer_symbol(lib, "ggml_backend_dev_backend_reg", &p->dev_reg) &&
           peer_symbol(lib, "ggml_backend_dev_buffer_type", &p->dev_buffer_type) &&
           peer_symbol(lib, "ggml_backend_reg_get_proc_address", &p->proc) &&
           peer_symbol(lib, "ggml_backend_dev_supports_op", &p->supports) && peer_symbol(lib, "ggml_init", &p->init) &&
           peer_symbol(lib, "ggml_free", &p->drop) && peer_symbol(lib, "ggml_new_tensor_2d", &p->tensor_2d) &&
           peer_symbol(lib, "ggml_mul_mat", &p->mul_mat) && peer_symbol(lib, "ggml_new_graph_custom", &p->new_graph) &&
           peer_symbol(lib, "ggml_graph_overhead_custom", &p->graph_bytes) &&
           peer_symbol(lib, "ggml_tensor_overhead", &p->tensor_bytes) &&
           peer_symbol(lib, "ggml_build_forward_expand", &p->expand) &&
           peer_symbol(lib, "ggml_backend_alloc_ctx_tensors_from_buft", &p->alloc) &&
           peer_symbol(lib, "ggml_backend_buffer_free", &p->buffer_free) &&
           peer_symbol(lib, "ggml_backend_tensor_set", &p->set) &&
           peer_symbol(lib, "ggml_backend_tensor_get", &p->get) &&
           peer_symbol(lib, "ggml_backend_graph_compute", &p->compute);
}

/* False when the library is not there. */
static inline bool peer_cpu_open(peer_cpu *p) {
    static const char *const names[] = {"libggml.v0.5.0.so", "libggml.so"};
    char dir[4096], path[4200];
    void *lib = NULL;
    peer_dir(dir, sizeof dir);
    for (size_t i = 0; !lib && i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    if (!lib || !peer_cpu_symbols(p, lib)) return false;
    p->log_set(peer_quiet, NULL);
    p->load_all(dir);
    if (!(p->dev = p->dev_by_type(0)) || !(p->backend = p->dev_init(p->dev, NULL))) return false;
    void (*set_threads)(void *backend, int n), **(*extra)(void *dev), *reg = p->dev_reg(p->dev), *f;
    if (!(f = p->proc(reg, "ggml_backend_set_n_threads"))) return false;
    memcpy(&set_threads, &f, sizeof f);
    set_threads(p->backend, 1);
    p->plain = p->dev_buffer_type(p->dev);
    p->repack = NULL;
    if ((f = p->proc(reg, "ggml_backend_dev_get_extra_bufts"))) {
        memcpy(&extra, &f, sizeof f);
        void **list = extra(p->dev);
        if (list) p->repack = list[0];
    }
    return true;
}

/* y [tokens][out] = x [tokens][in] times `copies` equal weights, so that a caller can keep them out of the caches. */
typedef struct peer_product {
    const peer_cpu *cpu;
    void *weights, *weights_buffer, *ctx, *buffer, *x, *y;
    void *graph[128];
    size_t copies, tokens, out, in;
} peer_product;

static inline void peer_product_free(peer_product *p) {
    if (p->buffer) p->cpu->buffer_free(p->buffer);
    if (p->weights_buffer) p->cpu->buffer_free(p->weights_buffer);
    if (p->ctx) p->cpu->drop(p->ctx);
    if (p->weights) p->cpu->drop(p->weights);
    p->buffer = p->weights_buffer = p->ctx = p->weights = NULL;
}

/* False when this buffer type has no such product. data: `bytes` of `out` rows of ggml's type. */
static inline bool peer_product_new(peer_product *p, const peer_cpu *cpu, void *buffer_type, int type, size_t copies,
                                    const void *data, size_t bytes) {
    enum { NODES = 4 };
    size_t tensors = (2 * copies + 8) * cpu->tensor_bytes();
    void *w[128], *y[128];
    bool ok = buffer_type && copies <= 128;
    p->cpu = cpu;
    p->copies = copies;
    p->weights = cpu->init((peer_params){tensors, NULL, true});
    p->ctx = cpu->init((peer_params){tensors + copies * cpu->graph_bytes(NODES, false), NULL, true});
    p->buffer = p->weights_buffer = NULL;
    for (size_t i = 0; ok && i < copies; i++) w[i] = cpu->tensor_2d(p->weights, type, (int64_t)p->in, (int64_t)p->out);
    ok = ok && (p->weights_buffer = cpu->alloc(p->weights, buffer_type));
    p->x = cpu->tensor_2d(p->ctx, 0, (int64_t)p->in, (int64_t)p->tokens);
    for (size_t i = 0; ok && i < copies; i++) {
        y[i] = cpu->mul_mat(p->ctx, w[i], p->x);
        p->graph[i] = cpu->new_graph(p->ctx, NODES, false);
        cpu->expand(p->graph[i], y[i]);
    }
    ok = ok && cpu->supports(cpu->dev, y[0]) && (p->buffer = cpu->alloc(p->ctx, cpu->plain));
    for (size_t i = 0; ok && i < copies; i++) cpu->set(w[i], data, 0, bytes);
    if (!ok) peer_product_free(p);
    p->y = ok ? y[0] : NULL;
    return ok;
}

static inline void peer_product_set(const peer_product *p, const float *x) {
    p->cpu->set(p->x, x, 0, p->tokens * p->in * sizeof *x);
}
static inline bool peer_product_run(const peer_product *p, size_t copy) {
    return p->cpu->compute(p->cpu->backend, p->graph[copy]) == 0;
}
/* What copy 0 gave. */
static inline void peer_product_get(const peer_product *p, float *y) {
    p->cpu->get(p->y, y, 0, p->tokens * p->out * sizeof *y);
}
#endif
