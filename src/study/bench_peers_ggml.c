/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_peers_ggml.c - products by ggml's CPU backend, with the weights as they are and repacked. Its calls are those
 * of ggml.h, ggml-backend.h, ggml-alloc.h and ggml-cpu.h of ggml 0.25.1 (llama.cpp v0.5.0); nothing of it is linked. */
#define _GNU_SOURCE /* dladdr, RTLD_NODELETE, strverscmp */
#include "base/mem.h"
#include "base/str.h"
#include "study/bench_peers.h"
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICE_CPU = 0, TYPE_F32 = 0, STATUS_SUCCESS = 0, GRAPH_NODES = 4, EXTRAS_MAX = 4 };

/* ggml.h: passed by value. */
typedef struct init_params {
    size_t mem_size;
    void *mem_buffer;
    bool no_alloc;
} init_params;

typedef void *proc_fn(void *reg, const char *name);

/* The calls, each found by its name with "ggml_" before it. */
typedef struct calls {
    void (*log_set)(void (*log)(int level, const char *text, void *data), void *data);
    size_t (*type_size)(int type);
    int64_t (*blck_size)(int type);
    const char *(*type_name)(int type);
    size_t (*tensor_overhead)(void);
    size_t (*graph_overhead_custom)(size_t size, bool grads);
    void *(*init)(init_params params);
    void (*free)(void *ctx);
    void *(*new_tensor_2d)(void *ctx, int type, int64_t ne0, int64_t ne1);
    void *(*mul_mat)(void *ctx, void *a, void *b);
    void *(*new_graph_custom)(void *ctx, size_t size, bool grads);
    void (*build_forward_expand)(void *graph, void *tensor);
    void *(*backend_dev_by_type)(int type);
    void (*backend_load_all)(void);
    void (*backend_load_all_from_path)(const char *dir);
    void *(*backend_dev_init)(void *dev, const char *params);
    void (*backend_free)(void *backend);
    void *(*backend_dev_backend_reg)(void *dev);
    proc_fn *backend_reg_get_proc_address;
    void *(*backend_dev_buffer_type)(void *dev);
    const char *(*backend_buft_name)(void *buft);
    bool (*backend_dev_supports_op)(void *dev, const void *op);
    void *(*backend_alloc_ctx_tensors_from_buft)(void *ctx, void *buft);
    void (*backend_tensor_alloc)(void *buffer, void *tensor, void *at);
    void *(*get_data)(const void *tensor);
    void (*backend_buffer_free)(void *buffer);
    void (*backend_tensor_set)(void *tensor, const void *data, size_t offset, size_t size);
    void (*backend_tensor_get)(const void *tensor, void *data, size_t offset, size_t size);
    int (*backend_graph_compute)(void *backend, void *graph);
    void (*threadpool_params_init)(void *params, int threads);
} calls;

#define CALL(name)                                                                                                     \
    { "ggml_" #name, offsetof(calls, name) }
static const struct {
    const char *name;
    size_t at;
} symbols[] = {
    CALL(log_set),
    CALL(type_size),
    CALL(blck_size),
    CALL(type_name),
    CALL(tensor_overhead),
    CALL(graph_overhead_custom),
    CALL(init),
    CALL(free),
    CALL(new_tensor_2d),
    CALL(mul_mat),
    CALL(new_graph_custom),
    CALL(build_forward_expand),
    CALL(backend_dev_by_type),
    CALL(backend_load_all),
    CALL(backend_load_all_from_path),
    CALL(backend_dev_init),
    CALL(backend_free),
    CALL(backend_dev_backend_reg),
    CALL(backend_reg_get_proc_address),
    CALL(backend_dev_buffer_type),
    CALL(backend_buft_name),
    CALL(backend_dev_supports_op),
    CALL(backend_alloc_ctx_tensors_from_buft),
    CALL(backend_tensor_alloc),
    CALL(get_data),
    CALL(backend_buffer_free),
    CALL(backend_tensor_set),
    CALL(backend_tensor_get),
    CALL(backend_graph_compute),
    CALL(threadpool_params_init),
};

typedef struct ggml {
    void *library, *dev, *backend, *threadpool;
    calls f;
    void (*threadpool_free)(void *threadpool);
    void *bufts[1 + EXTRAS_MAX]; /* the plain one, then those that rearrange weights */
    size_t n_bufts;
    char file[40];    /* its name in a folder; "" = the system's */
    char variant[24]; /* of the backend's file: "zen4" */
} ggml;

typedef struct product {
    const ggml *g;
    size_t out, in, copies, tokens;
    void *weights_ctx, *weights_buffer, *ctx, *graphs_ctx, *buffer; /* owned */
    void **w, **graphs;                                             /* owned arrays: [copies] */
    void *y;                                                        /* of all graphs in one place, in ctx */
} product;

static void quiet(int level, const char *text, void *data) {
    (void)level;
    (void)text;
    (void)data;
}

/* ---- finding it ---- */

/* How much a file's name is the library's: libggml.so, then libggml.so.N, then with a version before the end
 * (node-llama-cpp has libggml.v0.5.0.so); 0 = not at all. */
static int name_rank(const char *name) {
    if (strcmp(name, "libggml.so") == 0) return 3;
    if (bb_starts_with(name, "libggml.so.")) {
        const char *version = name + strlen("libggml.so.");
        return *version && version[strspn(version, "0123456789.")] == '\0' ? 2 : 0;
    }
    return bb_starts_with(name, "libggml.v") && bb_ends_with(name, ".so") ? 1 : 0;
}

/* The name of its file in a folder, the best and newest that is there. */
static bool find_file(const char *folder, char *name, size_t size) {
    DIR *d = opendir(folder);
    int best = 0;
    if (!d) return false;
    for (const struct dirent *e; (e = readdir(d));) {
        int rank = name_rank(e->d_name);
        if (rank == 0 || rank < best || strlen(e->d_name) >= size) continue;
        if (rank == best && strverscmp(e->d_name, name) <= 0) continue;
        best = rank;
        memcpy(name, e->d_name, strlen(e->d_name) + 1);
    }
    (void)closedir(d);
    return best > 0;
}

static bool get_calls(ggml *g) {
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        if (!bb_peer_symbol(g->library, symbols[i].name, (char *)&g->f + symbols[i].at)) return false;
    return true;
}

/* A library whose numbers of types or sizes of tensors are far from those that are known is left alone. */
static bool sizes_agree(const ggml *g) {
    size_t overhead = g->f.tensor_overhead();
    return g->f.type_size(TYPE_F32) == sizeof(float) && overhead >= 128 && overhead <= 4096;
}

/* "zen4" of ".../libggml-cpu-zen4.so". */
static void name_variant(ggml *g, const void *function) {
    Dl_info info;
    const char *at;
    (void)snprintf(g->variant, sizeof g->variant, "cpu");
    if (!dladdr(function, &info) || !info.dli_fname || !(at = strstr(info.dli_fname, "ggml-cpu-"))) return;
    at += strlen("ggml-cpu-");
    (void)snprintf(g->variant, sizeof g->variant, "%.*s", (int)strcspn(at, "."), at);
}

static void close_ggml(void *library) {
    ggml *g = library;
    if (g->backend) g->f.backend_free(g->backend);
    if (g->threadpool) g->threadpool_free(g->threadpool);
    if (g->library) (void)dlclose(g->library);
    free(g);
}

/* Threads that stay from call to call, as llama.cpp's programs have them; without, each call would start its own. */
static bool start_threads(ggml *g, void *reg, unsigned threads) {
    void (*set_n_threads)(void *backend, int n), *(*pool_new)(void *params), (*set_pool)(void *backend, void *pool);
    proc_fn *proc = g->f.backend_reg_get_proc_address;
    unsigned char params[8192] = {0}; /* larger than the struct, which has 512 flags and some numbers */
    void *p;
    if (!(p = proc(reg, "ggml_backend_set_n_threads"))) return false;
    memcpy(&set_n_threads, &p, sizeof p);
    name_variant(g, p);
    set_n_threads(g->backend, (int)threads);
    if (threads == 1) return true;
    if (!(p = proc(reg, "ggml_threadpool_free"))) return true;
    memcpy(&g->threadpool_free, &p, sizeof p);
    if (!(p = proc(reg, "ggml_backend_cpu_set_threadpool"))) return true;
    memcpy(&set_pool, &p, sizeof p);
    if (!(p = proc(reg, "ggml_threadpool_new"))) return true;
    memcpy(&pool_new, &p, sizeof p);
    g->f.threadpool_params_init(params, (int)threads);
    g->threadpool = pool_new(params);
    if (g->threadpool) set_pool(g->backend, g->threadpool);
    return true;
}

static void get_bufts(ggml *g, void *reg) {
    void **(*extra)(void *dev), *p = g->f.backend_reg_get_proc_address(reg, "ggml_backend_dev_get_extra_bufts");
    g->bufts[g->n_bufts++] = g->f.backend_dev_buffer_type(g->dev);
    if (!p) return;
    memcpy(&extra, &p, sizeof p);
    for (void **b = extra(g->dev); b && *b && g->n_bufts <= EXTRAS_MAX; b++) g->bufts[g->n_bufts++] = *b;
}

/* A reason when it does not work. */
static const char *open_library(ggml *g, const char *where, unsigned threads) {
    char path[4096] = "libggml.so.0";
    if (where && !find_file(where, g->file, sizeof g->file)) return "there is no libggml.so";
    if (where && (size_t)snprintf(path, sizeof path, "%s/%s", where, g->file) >= sizeof path) return "too long a path";
    g->library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!g->library && !where) g->library = dlopen("libggml.so", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!g->library)
        return where ? "libggml.so cannot be loaded"
                     : "libggml.so is not installed (--ggml DIR or GGML_DIR says where it is)";
    if (!get_calls(g) || !sizes_agree(g)) return "libggml.so has other calls than expected";
    g->f.log_set(quiet, NULL);
    g->dev = g->f.backend_dev_by_type(DEVICE_CPU); /* there already when it was opened before */
    if (!g->dev) {
        if (where)
            g->f.backend_load_all_from_path(where);
        else
            g->f.backend_load_all();
        g->dev = g->f.backend_dev_by_type(DEVICE_CPU);
    }
    void *reg = g->dev ? g->f.backend_dev_backend_reg(g->dev) : NULL;
    g->backend = reg ? g->f.backend_dev_init(g->dev, NULL) : NULL;
    if (!g->backend || !start_threads(g, reg, threads)) return "its CPU backend does not start";
    get_bufts(g, reg);
    return NULL;
}

static void *ggml_open(const char *where, unsigned threads, char *note, size_t size) {
    ggml *g = bb_alloc(1, sizeof *g);
    if (!g) return NULL;
    const char *why = open_library(g, where, threads);
    if (!why) {
        (void)snprintf(note, size, "ggml with its CPU backend %s", g->variant);
        return g;
    }
    (void)snprintf(note, size, "ggml: %s%s%.80s%s%s", why, where ? " in " : "", where ? where : "",
                   *g->file ? " as " : "", g->file);
    close_ggml(g);
    return NULL;
}

/* ---- products ---- */

static size_t ggml_ways(void *library, const bb_dtype *t) {
    const ggml *g = library;
    bool has = t->gguf_id != BB_NO_GGUF_ID && t->row_bytes == 0 && g->f.type_size(t->gguf_id) == t->block_bytes &&
               g->f.blck_size(t->gguf_id) == t->block && g->f.type_name(t->gguf_id) &&
               bb_name_eq(g->f.type_name(t->gguf_id), t->name);
    return has ? g->n_bufts : 0;
}

static void end_tokens(product *p) {
    const calls *f = &p->g->f;
    if (p->buffer) f->backend_buffer_free(p->buffer);
    if (p->ctx) f->free(p->ctx);
    if (p->graphs_ctx) f->free(p->graphs_ctx);
    p->buffer = p->ctx = p->graphs_ctx = NULL;
}

static void ggml_unload(void *ctx) {
    product *p = ctx;
    const calls *f = &p->g->f;
    end_tokens(p);
    if (p->weights_buffer) f->backend_buffer_free(p->weights_buffer);
    if (p->weights_ctx) f->free(p->weights_ctx);
    free(p->w);
    free(p->graphs);
    free(p);
}

static void *context(const calls *f, size_t tensors, size_t graphs) {
    /* alignment of each object is within the slack */
    size_t bytes =
        tensors * (f->tensor_overhead() + 64) + graphs * (f->graph_overhead_custom(GRAPH_NODES, false) + 64) + 1024;
    return f->init((init_params){bytes, NULL, true});
}

/* Whether the product of these weights runs from the buffer that they were given: asked before they are set, since a
 * buffer that rearranges weights knows only some types. */
static bool runs_from_there(product *p) {
    const calls *f = &p->g->f;
    void *ctx = context(f, 2, 0);
    if (!ctx) return false;
    void *op = f->mul_mat(ctx, p->w[0], f->new_tensor_2d(ctx, TYPE_F32, (int64_t)p->in, 1));
    bool runs = op && f->backend_dev_supports_op(p->g->dev, op);
    f->free(ctx);
    return runs;
}

/* "CPU_REPACK" as " repack"; nothing for the plain buffer. */
static void name_way(const ggml *g, size_t way, char *isa, size_t size) {
    char name[24] = "";
    const char *buffer = g->f.backend_buft_name(g->bufts[way]);
    if (bb_starts_with(buffer, "CPU_")) buffer += 4;
    (void)snprintf(name, sizeof name, " %.20s", buffer);
    for (char *c = name; *c; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
    (void)snprintf(isa, size, "ggml:%s%s", g->variant, way ? name : "");
}

static bb_status load_weights(product *p, size_t way, const bb_peer_weights *w) {
    const calls *f = &p->g->f;
    p->weights_ctx = context(f, p->copies, 0);
    if (!p->weights_ctx) return BB_E_UNSUPPORTED;
    for (size_t i = 0; i < p->copies; i++)
        p->w[i] = f->new_tensor_2d(p->weights_ctx, w->type->gguf_id, (int64_t)w->in, (int64_t)w->out);
    p->weights_buffer = f->backend_alloc_ctx_tensors_from_buft(p->weights_ctx, p->g->bufts[way]);
    if (!p->weights_buffer) return BB_E_UNSUPPORTED;
    if (!runs_from_there(p)) return BB_E_UNSUPPORTED;
    for (size_t i = 0; i < p->copies; i++) f->backend_tensor_set(p->w[i], w->blocks, 0, w->out * w->row_bytes);
    return BB_OK;
}

static bb_status ggml_load(void *library, size_t way, const bb_peer_weights *w, size_t copies, char *isa,
                           size_t isa_size, void **out) {
    product *p = bb_alloc(1, sizeof *p);
    if (!p) return BB_E_NOMEM;
    *p = (product){.g = library, .out = w->out, .in = w->in, .copies = copies};
    p->w = bb_alloc(copies, sizeof *p->w);
    p->graphs = bb_alloc(copies, sizeof *p->graphs);
    bb_status status = p->w && p->graphs ? load_weights(p, way, w) : BB_E_NOMEM;
    if (status != BB_OK) {
        ggml_unload(p);
        return status;
    }
    name_way(p->g, way, isa, isa_size);
    *out = p;
    return BB_OK;
}

/* A graph for each copy, all of which write their output to the same place. */
static bb_status ggml_start(void *ctx, const float *x, size_t tokens) {
    product *p = ctx;
    const calls *f = &p->g->f;
    end_tokens(p);
    p->tokens = tokens;
    p->ctx = context(f, 2, 0);
    p->graphs_ctx = context(f, p->copies, p->copies);
    if (!p->ctx || !p->graphs_ctx) return BB_E_UNSUPPORTED;
    void *input = f->new_tensor_2d(p->ctx, TYPE_F32, (int64_t)p->in, (int64_t)tokens);
    p->y = f->new_tensor_2d(p->ctx, TYPE_F32, (int64_t)p->out, (int64_t)tokens);
    p->buffer = f->backend_alloc_ctx_tensors_from_buft(p->ctx, p->g->bufts[0]);
    if (!p->buffer) return BB_E_UNSUPPORTED;
    f->backend_tensor_set(input, x, 0, tokens * p->in * sizeof *x);
    for (size_t i = 0; i < p->copies; i++) {
        void *y = f->mul_mat(p->graphs_ctx, p->w[i], input);
        p->graphs[i] = f->new_graph_custom(p->graphs_ctx, GRAPH_NODES, false);
        f->build_forward_expand(p->graphs[i], y);
        f->backend_tensor_alloc(p->buffer, y, f->get_data(p->y));
        if (f->get_data(y) != f->get_data(p->y)) return BB_E_UNSUPPORTED;
    }
    return BB_OK;
}

static bb_status ggml_call(void *ctx, size_t copy) {
    const product *p = ctx;
    return p->g->f.backend_graph_compute(p->g->backend, p->graphs[copy]) == STATUS_SUCCESS ? BB_OK : BB_E_UNSUPPORTED;
}

static void ggml_result(void *ctx, float *y) {
    const product *p = ctx;
    p->g->f.backend_tensor_get(p->y, y, 0, p->tokens * p->out * sizeof *y);
}

const bb_peer bb_peer_ggml = {"ggml",     ggml_open, close_ggml,  ggml_ways,  ggml_load,
                              ggml_start, ggml_call, ggml_result, ggml_unload};
