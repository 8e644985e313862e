/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_quant.c - MB of fp32 a CPU second, one thread, of every block type: ours for each ISA beside ggml's. CSV.
 *
 * usage: bench_quant [TYPE...] */
#include "base/random.h"
#include "peer.h"
#include <math.h>
#include <time.h>

enum { ROWS = 64, COLS = 4096, N = ROWS * COLS, TURNS = 5, RUNNERS = 4 };
static const double LEAST = 0.01; /* CPU seconds of a measurement */

typedef struct bench {
    peer peer;
    const bb_dtype *type;
    const float *importance;
    bool decode;
    float *x, *back;
    unsigned char *data;
} bench;

static double cpu_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Runner 0 is the peer, then the ISAs. */
static void work(const bench *b, int runner) {
    const bb_dtype *t = b->type;
    if (runner == 0) {
        if (b->decode)
            b->peer.traits(t->gguf_id)->decode(b->data, b->back, N);
        else
            b->peer.quantize(t->gguf_id, b->x, b->data, 0, ROWS, COLS, b->importance);
        return;
    }
    bb_quant_opts opts = {.isa = peer_isas[runner - 1], .search = BB_SEARCH_GGML};
    if (b->decode)
        bb_dequantize_rows_as(t, b->data, ROWS, COLS, opts.isa, b->back);
    else
        bb_quantize_rows_as(t, b->x, ROWS, COLS, b->importance, &opts, b->data);
}

static double speed(const bench *b, int runner) {
    double begin = cpu_now(), spent;
    size_t runs = 0;
    do {
        work(b, runner);
        runs++;
        spent = cpu_now() - begin;
    } while (spent < LEAST);
    return 4e-6 * N * (double)runs / spent;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v) {
    qsort(v, TURNS, sizeof *v, by_value);
    return v[TURNS / 2];
}

/* memcpy of as many bytes as x has. */
static double copy_speed(float *to, const float *from) {
    double v[TURNS];
    for (int turn = 0; turn < TURNS; turn++) {
        double begin = cpu_now();
        for (int i = 0; i < 16; i++) {
            memcpy(to, from, 4 * N);
            __asm__ volatile("" : : "r"(to) : "memory");
        }
        v[turn] = 16 * 4e-6 * N / (cpu_now() - begin);
    }
    return median(v);
}

static void measure(const bench *b, double copy) {
    double v[RUNNERS][TURNS] = {{0}}, m[RUNNERS] = {0};
    for (int turn = 0; turn < TURNS; turn++)
        for (int r = 0; r < RUNNERS; r++)
            if (r == 0 || bb_isa_runs(peer_isas[r - 1])) v[r][turn] = speed(b, r);
    for (int r = 0; r < RUNNERS; r++) m[r] = median(v[r]);
    printf("%s,%s,%s", b->type->name, b->decode ? "decode" : "encode", b->importance ? "yes" : "no");
    for (int r = 0; r < RUNNERS; r++) printf(",%.0f", m[r]);
    for (int r = 1; r < RUNNERS; r++) printf(",%.2f", m[r] / m[0]);
    printf(",%.2f\n", m[RUNNERS - 1] > 0 ? m[RUNNERS - 1] / copy : m[RUNNERS - 2] / copy);
    fflush(stdout);
}

static bool asked(const char *type, int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], type) == 0) return true;
    return argc < 2;
}

int main(int argc, char **argv) {
    bench b = {.x = malloc(4 * N), .back = malloc(4 * N), .data = malloc(4 * N)};
    float *ones = malloc(sizeof(float) * COLS);
    if (!b.x || !b.back || !b.data || !ones || !peer_open(&b.peer)) {
        puts("# libggml-base.so is not there (GGML_DIR): no comparison");
        return 0;
    }
    for (uint64_t i = 0; i < N; i++)
        b.x[i] =
            (float)(sqrt(-2 * log(bb_random_unit(1, 2 * i))) * cos(6.283185307179586 * bb_random_unit(1, 2 * i + 1)));
    for (uint64_t i = 0; i < COLS; i++) ones[i] = (float)(0.1 + bb_random_unit(2, i));
    memset(b.back, 1, 4 * N);
    double copy = copy_speed(b.back, b.x);
    printf("# MB of fp32 a CPU second, medians of %d turns; memcpy %.0f\n", TURNS, copy);
    puts("type,op,importance,ggml,scalar,avx2,avx512,scalar_ratio,avx2_ratio,avx512_ratio,of_memcpy");
    for (int i = 0; i < PEER_TYPES; i++) {
        b.type = bb_dtype_find(peer_types[i], NULL);
        if (!asked(peer_types[i], argc, argv) || !b.type || !bb_codec_find(b.type, BB_ISA_SCALAR)) continue;
        b.peer.init(b.type->gguf_id);
        for (int k = 0; k < 3; k++) {
            b.importance = k == 1 ? ones : NULL;
            b.decode = k == 2;
            measure(&b, copy);
        }
    }
    free(b.x);
    free(b.back);
    free(b.data);
    free(ones);
    return 0;
}
