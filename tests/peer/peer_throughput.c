/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_throughput.c - seeded llama models of a real size, and how fast libllama v0.5.0 (GGML_DIR) decodes with them:
 *   peer_throughput make NAME TYPE OUT.gguf         a shape of the table below, every matrix in TYPE
 *   peer_throughput compare MODEL.gguf THREADS MOST    its tokens a second beside those that a plan predicts from the
 *                                      measured roof; fails when the median of several pairs differs by more than the
 *                                      part MOST, with 77 when other programs took the processors meanwhile */
#include "base/random.h"
#include "base/sink.h"
#include "file/gguf_write.h"
#include "graph/graph.h"
#include "llama.h"
#include "study/host_speed.h"
#include <math.h>
#include <time.h>

enum { VOCAB = 32000, CTX = 64, TOKENS = 24, PAIRS = 7 };

typedef struct shape {
    const char *name;
    uint64_t layers, hidden, heads, kv_heads, ffn;
} shape;

static const shape shapes[] = {{"300m", 20, 1024, 16, 4, 2816}, {"1100m", 22, 2048, 32, 4, 5632}};

_Noreturn static void fail(const char *text) {
    fprintf(stderr, "peer_throughput: %s\n", text);
    exit(3);
}

static void check(bb_status st, const bb_error *err) {
    if (st) fail(err->text);
}

static bb_arch arch_of(const shape *s) {
    bb_arch a = {.layers = s->layers,
                 .hidden = s->hidden,
                 .heads = s->heads,
                 .kv_heads = s->kv_heads,
                 .head_dim = s->hidden / s->heads,
                 .ffn = s->ffn,
                 .vocab = VOCAB,
                 .context = 2048};
    (void)snprintf(a.name, sizeof a.name, "%s", s->name);
    (void)snprintf(a.family, sizeof a.family, "llama");
    return a;
}

static void put_keys(bb_gguf_out *o, const bb_arch *a) {
    const struct {
        const char *key;
        uint64_t v;
    } numbers[] = {{"llama.context_length", a->context},
                   {"llama.embedding_length", a->hidden},
                   {"llama.block_count", a->layers},
                   {"llama.feed_forward_length", a->ffn},
                   {"llama.attention.head_count", a->heads},
                   {"llama.attention.head_count_kv", a->kv_heads},
                   {"llama.rope.dimension_count", a->head_dim},
                   {"llama.vocab_size", a->vocab}};
    bb_error err = {0};
    check(bb_gguf_out_text(o, "general.architecture", "llama"), &err);
    check(bb_gguf_out_text(o, "general.name", a->name), &err);
    check(bb_gguf_out_text(o, "tokenizer.ggml.model", "no_vocab"), &err);
    check(bb_gguf_out_f32(o, "llama.attention.layer_norm_rms_epsilon", 1e-5f), &err);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        check(bb_gguf_out_u32(o, numbers[i].key, (uint32_t)numbers[i].v), &err);
}

/* Sixteen rows of random values in the type, again and again: what they say does not matter, that they are none that
 * slow the arithmetic does. */
static void put_tensor(bb_sink *sink, const bb_graph_tensor *t, const bb_dtype *type, uint64_t offset, uint64_t bytes) {
    enum { ROWS = 16 };
    uint64_t cols = t->dims[0], row;
    bb_error err = {0};
    bool matrix = t->n_dims > 1;
    size_t rows = matrix ? ROWS : 1;
    float *x = malloc(rows * (size_t)cols * sizeof *x);
    if (!x || bb_dtype_row_bytes(type, cols, &row)) abort();
    unsigned char *slab = malloc(rows * (size_t)row);
    if (!slab) abort();
    for (uint64_t i = 0; i < rows * cols; i++)
        x[i] = matrix ? (float)((bb_random_unit(t->weight + 1, i) - 0.5) / sqrt((double)cols)) : 1;
    if (bb_quantize_rows(type, x, rows, (size_t)cols, NULL, slab)) abort();
    for (uint64_t at = 0; at < bytes; at += rows * row) {
        uint64_t n = bytes - at < rows * row ? bytes - at : rows * row;
        check(bb_sink_write(sink, offset + at, slab, (size_t)n, &err), &err);
    }
    free(slab);
    free(x);
}

static int make(const shape *s, const char *type_name, const char *path) {
    bb_arch a = arch_of(s);
    bb_graph g = {0};
    bb_graph_tensor *t;
    bb_gguf_out *o;
    bb_sink *sink;
    bb_error err = {0};
    size_t n, header_bytes;
    const unsigned char *header;
    uint64_t bytes;
    const bb_dtype *type = bb_dtype_find(type_name, &err), *f32 = bb_dtype_find("f32", &err);
    if (!type) fail(err.text);
    check(bb_graph_build(&a, &g, &err), &err);
    if (bb_graph_tensors(&g, false, &t, &n)) abort();
    check(bb_gguf_out_new(0, &o, &err), &err);
    put_keys(o, &a);
    for (size_t i = 0; i < n; i++)
        check(bb_gguf_out_tensor(o, t[i].name, t[i].n_dims, t[i].dims, t[i].n_dims > 1 ? type : f32, &err), &err);
    check(bb_gguf_out_seal(o, &header, &header_bytes, &bytes, &err), &err);
    check(bb_sink_open(path, bytes, true, &sink, &err), &err);
    check(bb_sink_write(sink, 0, header, header_bytes, &err), &err);
    for (size_t i = 0; i < n; i++)
        put_tensor(sink, &t[i], t[i].n_dims > 1 ? type : f32, bb_gguf_out_offset(o, i), bb_gguf_out_bytes(o, i));
    check(bb_sink_commit(sink, &err), &err);
    bb_gguf_out_free(o);
    free(t);
    bb_graph_clear(&g);
    return 0;
}

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct pair {
    double predicted, measured, busy; /* tokens a second; of the time that passed, what the threads computed */
} pair;

/* Of tokens that follow one another the faster quarter, as the roof is the best of its slices. */
static void measure(llama *l, int threads, pair *p) {
    double wall[TOKENS], begin = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    int32_t token = 1;
    l->clear(l->memory(l->context), true);
    for (size_t i = 0; i < TOKENS; i++) {
        double from = now(CLOCK_MONOTONIC);
        (void)llama_run(l, &token, 1, i);
        wall[i] = now(CLOCK_MONOTONIC) - from;
    }
    p->busy = (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (now(CLOCK_MONOTONIC) - begin) / threads;
    qsort(wall, TOKENS, sizeof *wall, by_value);
    p->measured = 1 / wall[TOKENS / 4];
}

static void predict(const bb_model *m, unsigned threads, pair *p) {
    bb_plan_request r = {.purpose = BB_FOR_INFER, .engine = BB_ENGINE_LLAMA_CPP, .ctx = TOKENS, .no_gpu = true};
    bb_plan plan;
    bb_progress progress;
    bb_error err = {0};
    bb_progress_init(&progress);
    check(bb_host_speed_measure(threads, BB_ISA_AUTO, &progress, &r.host, &err), &err);
    check(bb_plan_make(m, &r, &plan, &err), &err);
    p->predicted = plan.speed.decode;
    bb_plan_clear(&plan);
}

static int by_ratio(const void *a, const void *b) {
    const pair *x = a, *y = b;
    double u = x->measured / x->predicted, v = y->measured / y->predicted;
    return (u > v) - (u < v);
}

/* Neighbours change a machine's bandwidth from minute to minute: each prediction stands beside a run of its own. */
static int compare(const char *path, int threads, double most) {
    llama l = {0};
    pair pairs[PAIRS];
    bb_model *m;
    bb_error err = {0};
    check(bb_model_find(path, &m, &err), &err);
    llama_load(&l, path, false);
    llama_start_as(&l, CTX, threads, false);
    measure(&l, threads, &pairs[0]);
    for (size_t i = 0; i < PAIRS; i++) {
        predict(m, (unsigned)threads, &pairs[i]);
        measure(&l, threads, &pairs[i]);
    }
    bb_model_free(m);
    qsort(pairs, PAIRS, sizeof *pairs, by_ratio);
    const pair *p = &pairs[PAIRS / 2];
    for (size_t i = 0; i < PAIRS; i++)
        printf("%.2f tokens/s, predicted %.2f: %+.1f %%, busy %.2f\n", pairs[i].measured, pairs[i].predicted,
               1e2 * (pairs[i].predicted / pairs[i].measured - 1), pairs[i].busy);
    if (fabs(p->predicted / p->measured - 1) <= most) return 0;
    return p->busy < 0.9 ? 77 : 1;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    for (size_t i = 0; strcmp(what, "make") == 0 && argc == 5 && i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, argv[2]) == 0) return make(&shapes[i], argv[3], argv[4]);
    if (strcmp(what, "compare") == 0 && argc == 5) return compare(argv[2], atoi(argv[3]), atof(argv[4]));
    fail("see the source");
}
