/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_kernels.c - products of every type that has a kernel against ggml's own kernels on the same bytes.
 *
 * usage: peer_kernels                    outputs agree (TAP)
 *        peer_kernels --time [TYPE...]   milliseconds of one thread beside ggml's, 4096 x 4096 (CSV) */
#include "base/mem.h"
#include "base/random.h"
#include "kernel/kernel.h"
#include "peer_matmul.h"
#include <math.h>
#include <time.h>

static const char *const types[] = {"q4_0", "q8_0", "q4_K", "q6_K", "iq4_nl", "mxfp4", "bf16", "f32"};
enum { TYPES = sizeof types / sizeof *types };

/* Standard normal times scale, by Box and Muller's formula. */
static void normals(uint64_t seed, size_t n, double scale, float *x) {
    for (size_t i = 0; i < n; i += 2) {
        double r = scale * sqrt(-2 * log(bb_random_unit(seed, i))),
               angle = 6.283185307179586 * bb_random_unit(seed, i + 1);
        x[i] = (float)(r * cos(angle));
        if (i + 1 < n) x[i + 1] = (float)(r * sin(angle));
    }
}

typedef struct product {
    const bb_dtype *type;
    size_t out, in, tokens, bytes;
    unsigned char *data; /* the weights */
    float *w, *x, *y, *theirs;
    double *exact; /* of the decoded weights and x */
    bb_packed *packed;
} product;

static void *room(size_t n, size_t size) {
    void *p = bb_alloc(n, size);
    if (!p) {
        puts("Bail out! out of memory");
        exit(1);
    }
    return p;
}

static void make(product *p) {
    uint64_t row;
    bb_dtype_row_bytes(p->type, p->in, &row);
    p->bytes = p->out * (size_t)row;
    p->data = room(p->bytes, 1);
    p->w = room(p->out * p->in, sizeof(float));
    p->x = room(p->tokens * p->in, sizeof(float));
    p->y = room(p->tokens * p->out, sizeof(float));
    p->theirs = room(p->tokens * p->out, sizeof(float));
    p->exact = room(p->tokens * p->out, sizeof(double));
    normals(1, p->out * p->in, 0.02, p->w);
    normals(2, p->tokens * p->in, 1, p->x);
    bb_quantize_rows(p->type, p->w, p->out, p->in, NULL, p->data);
    bb_dequantize_rows(p->type, p->data, p->out, p->in, p->w);
    if (bb_pack(p->type, p->data, p->out, p->in, &p->packed) != BB_OK) exit(1);
}

static void drop(product *p) {
    bb_packed_free(p->packed);
    free(p->data);
    free(p->w);
    free(p->x);
    free(p->y);
    free(p->theirs);
    free(p->exact);
}

/* ---- agreement ---- */

static void multiply_exactly(const product *p) {
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t o = 0; o < p->out; o++) {
            double sum = 0;
            for (size_t i = 0; i < p->in; i++) sum += (double)p->w[o * p->in + i] * (double)p->x[t * p->in + i];
            p->exact[t * p->out + o] = sum;
        }
}

/* Frobenius norm of a - b relative to that of the exact product; b NULL = the exact product. */
static double apart(const product *p, const float *a, const float *b) {
    double d = 0, all = 0;
    for (size_t i = 0; i < p->tokens * p->out; i++) {
        double e = (double)a[i] - (b ? (double)b[i] : p->exact[i]);
        d += e * e;
        all += p->exact[i] * p->exact[i];
    }
    return sqrt(d / all);
}

/* What rounding the activations may cost, for normal values: codes of 8 bits with a scale for 32 or 256 values are
 * 5.3e-3 and 6.8e-3 off, bf16 1.65e-3 (the largest of so many values over 127 sqrt(12); 2^-9 over sqrt(1.4)). */
static double allowed(bb_act act) {
    return act == BB_ACT_INT8_32 ? 6e-3 : act == BB_ACT_INT8_256 ? 7.5e-3 : act == BB_ACT_BF16 ? 1.8e-3 : 1e-6;
}
/* How far apart the two may be that round activations alike: by the order of fp32 sums, and ggml stores the scales of
 * 32 activations in fp16 (2^-11 over sqrt(3) is 2.8e-4). */
static double allowed_apart(bb_act act) { return act == BB_ACT_INT8_32 ? 3e-4 : 2e-6; }

static bool agrees(product *p, const peer_cpu *cpu, void *buffer_type, const char *way) {
    peer_product ggml = {.tokens = p->tokens, .out = p->out, .in = p->in};
    bb_act act = bb_kernel_find(p->type, BB_ISA_AUTO)->family->layout->act;
    if (!peer_product_new(&ggml, cpu, buffer_type, p->type->gguf_id, 1, p->data, p->bytes))
        return buffer_type != cpu->plain; /* only some types are rearranged */
    peer_product_set(&ggml, p->x);
    bool ok = peer_product_run(&ggml, 0);
    peer_product_get(&ggml, p->theirs);
    peer_product_free(&ggml);
    double ours = apart(p, p->y, NULL), theirs = apart(p, p->theirs, NULL), between = apart(p, p->y, p->theirs);
    printf("# %s %s, %zu x %zu, %zu tokens: ours %.3g off, ggml's %.3g, apart %.3g\n", p->type->name, way, p->out,
           p->in, p->tokens, ours, theirs, between);
    return ok && between <= allowed_apart(act) && ours <= allowed(act) && ours <= 1.05 * theirs + 5e-7;
}

static bool compare(const char *type, const peer_cpu *cpu) {
    static const size_t shapes[][3] = {{256, 4096, 1}, {512, 4096, 33}, {64, 1024, 8}, {1000, 2048, 7}};
    bool ok = true;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        product p = {
            .type = bb_dtype_find(type, NULL), .out = shapes[s][0], .in = shapes[s][1], .tokens = shapes[s][2]};
        make(&p);
        multiply_exactly(&p);
        ok &= bb_matmul(p.packed, p.x, p.tokens, 1, BB_ISA_AUTO, p.y) == BB_OK;
        ok &= agrees(&p, cpu, cpu->plain, "as it is");
        ok &= agrees(&p, cpu, cpu->repack, "repacked");
        drop(&p);
    }
    return ok;
}

/* ---- time ---- */

enum { SIDE = 4096, TURNS = 21, COLD = 400 << 20 };

static double cpu_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median_ms(double *v) {
    qsort(v, TURNS, sizeof *v, by_value);
    return 1e3 * v[TURNS / 2];
}

/* In turns, each on weights that the caches have long lost where the tokens are few. */
static void measure(const char *type, const peer_cpu *cpu, size_t tokens) {
    product p = {.type = bb_dtype_find(type, NULL), .out = SIDE, .in = SIDE, .tokens = tokens};
    make(&p);
    size_t copies = tokens > 8 ? 1 : COLD / p.bytes + 1;
    bb_packed **packed = room(copies, sizeof *packed);
    peer_product ggml[2] = {{.tokens = tokens, .out = SIDE, .in = SIDE}, {.tokens = tokens, .out = SIDE, .in = SIDE}};
    bool has[2];
    bb_acts acts = {0};
    bb_matmul_opts opts = {.acts = &acts};
    double v[3][TURNS], ms[3] = {0};
    for (size_t i = 0; i < copies; i++)
        if (bb_pack(p.type, p.data, SIDE, SIDE, &packed[i]) != BB_OK) exit(1);
    for (int i = 0; i < 2; i++) {
        has[i] =
            peer_product_new(&ggml[i], cpu, i ? cpu->repack : cpu->plain, p.type->gguf_id, copies, p.data, p.bytes);
        if (has[i]) peer_product_set(&ggml[i], p.x);
    }
    for (size_t turn = 0; turn < TURNS; turn++)
        for (int i = 0; i < 3; i++) {
            double begin = cpu_now();
            if (i == 0)
                bb_matmul_as(packed[turn % copies], p.x, tokens, &opts, p.y);
            else if (has[i - 1])
                peer_product_run(&ggml[i - 1], turn % copies);
            v[i][turn] = cpu_now() - begin;
        }
    for (int i = 0; i < 3; i++) ms[i] = i == 0 || has[i - 1] ? median_ms(v[i]) : (double)NAN;
    double best = has[1] && ms[2] < ms[1] ? ms[2] : ms[1], products = 2e-6 * SIDE * SIDE * (double)tokens;
    printf("%s,%zu,%.4f,%.4f,%.4f,%.2f,%.1f,%.1f\n", type, tokens, ms[0], ms[1], ms[2], best / ms[0],
           1e-6 * (double)p.bytes / ms[0], products / ms[0]);
    fflush(stdout);
    for (int i = 0; i < 2; i++)
        if (has[i]) peer_product_free(&ggml[i]);
    for (size_t i = 0; i < copies; i++) bb_packed_free(packed[i]);
    free(packed);
    bb_acts_clear(&acts);
    drop(&p);
}

static bool asked(const char *type, int argc, char **argv) {
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], type) == 0) return true;
    return argc <= 2;
}

int main(int argc, char **argv) {
    peer_cpu cpu = {0};
    if (!peer_cpu_open(&cpu)) {
        puts("1..0 # SKIP ggml's CPU backend is not there (GGML_DIR)");
        return 0;
    }
    bool timed = argc > 1 && strcmp(argv[1], "--time") == 0;
    static const size_t tokens[] = {1, 8, 64, 512};
    if (timed)
        puts("type,tokens,ours_ms,ggml_ms,ggml_repacked_ms,ratio,gbps,gops");
    else
        printf("1..%d\n", TYPES);
    int failed = 0;
    for (int i = 0; i < TYPES; i++) {
        bool own = !bb_kernel_widens(bb_dtype_find(types[i], NULL));
        for (size_t t = 0; timed && own && asked(types[i], argc, argv) && t < 4; t++)
            measure(types[i], &cpu, tokens[t]);
        if (timed) continue;
        bool ok = !own || compare(types[i], &cpu);
        printf("%sok %d - %s%s\n", ok ? "" : "not ", i + 1, types[i],
               own ? ": outputs are ggml's" : " # SKIP it has no kernel of its own");
        failed |= !ok;
    }
    return failed;
}
