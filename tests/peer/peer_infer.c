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
#include "llama.h"

enum { CTX = 512 };

_Noreturn static void fail(const char *text) {
    fprintf(stderr, "peer_infer: %s\n", text);
    exit(3);
}

static void open_llama(const char *path, llama *l) {
    *l = (llama){0};
    llama_load(l, path, false);
    llama_start(l, CTX);
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
    llama l;
    double worst = 0;
    if (!ours) abort();
    open_llama(path, &l);
    make_tokens(f, tokens, n);
    run_ours(f, tokens, n, 0, ours);
    const float *theirs = llama_run(&l, tokens, n, 0);
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
    llama l;
    open_llama(path, &l);
    for (size_t i = 0; i < n; i++) tokens[i] = (int32_t)(bb_random_u64(2, i) % vocab);
    const float *x = llama_run(&l, tokens, n, 0) + (n - 1) * vocab;
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
    llama l;
    if (!logits) abort();
    open_llama(path, &l);
    for (size_t i = 0; i < n; i++) {
        run_ours(f, &token, 1, i, logits);
        size_t ours = largest(logits, vocab), theirs = largest(llama_run(&l, &token, 1, i), vocab);
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
    llama ggml = {.library = dlopen(file, RTLD_NOW | RTLD_GLOBAL)};
    if (!ggml.library) fail(dlerror());
    llama_symbol(&ggml, "gguf_init_from_file", &init);
    llama_symbol(&ggml, "gguf_find_key", &g->find_key);
    llama_symbol(&ggml, "gguf_get_arr_str", &g->text);
    llama_symbol(&ggml, "gguf_get_val_u32", &g->u32);
    llama_symbol(&ggml, "ggml_get_tensor", &g->tensor);
    llama_symbol(&ggml, "ggml_get_data_f32", &g->data);
    llama_symbol(&ggml, "ggml_nelements", &g->elements);
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
