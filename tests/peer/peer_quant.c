/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_quant.c - bytes of every block type against ggml's own library: distributions x importance x ISA; and values. */
#include "base/random.h"
#include "peer.h"
#include <math.h>

enum { ROWS = 37, COLS = 1280, N = ROWS * COLS, KINDS = 5 };
static const char *const kinds[KINDS] = {"edge", "normal", "t4", "row scales", "exponents"};

static double normal(uint64_t seed, uint64_t i) {
    double u = bb_random_unit(seed, 2 * i), v = bb_random_unit(seed, 2 * i + 1);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* Student's t with 4 degrees of freedom. */
static double heavy(uint64_t seed, uint64_t i) {
    double squares = 0;
    for (uint64_t k = 0; k < 4; k++) squares += pow(normal(seed + 1 + k, i), 2);
    return normal(seed, i) / sqrt(squares / 4);
}

/* Rows of zeros, constants, one value, ties, alternating signs, -0, few levels, tiny and huge numbers. */
static double edge(size_t row, size_t i) {
    double z = normal(90, row * COLS + i);
    bool odd = i & 1;
    switch (row) {
    case 0:
        return 0;
    case 1:
        return odd ? -0.0 : 0;
    case 2:
        return 0.37;
    case 3:
        return -0.37;
    case 4:
        return odd ? 1 : -1;
    case 5:
        return i % 256 == 77 ? -3.5 : 0;
    case 6:
        return (double)(i % 16);
    case 7:
        return -(double)(i % 32) / 8;
    case 8:
        return fabs(z);
    case 9:
        return -fabs(z);
    case 10:
        return rint(z * 2) / 2;
    case 11:
        return ldexp(z, -149 + (int)(i / 32 % 40));
    case 12:
        return z * 1e-15;
    case 13:
        return z * 1e-16;
    case 14:
        return z * 6e-8; /* scales that are subnormal in fp16 */
    case 15:
        return z * 3e4;
    case 16:
        return z * 1e37;
    case 17:
        return i / 256 % 2 ? z : 0;
    case 18:
        return i / 16 % 2 ? z : 0;
    case 19:
        return i % 512 == 3 ? 1e4 : z * 1e-3;
    case 20:
        return 1 + z * 1e-7;
    case 21:
        return -1 - (odd ? 1e-7 : 0);
    case 22:
        return i % 32 == 0 ? -1 : i % 32 == 1 ? 1 : 0;
    case 23:
        return i % 32 / 31.0;
    default:
        return z * ldexp(1, (int)(bb_random_u64(91, row * COLS + i) % 9));
    }
}

static void fill(int kind, float *x) {
    for (size_t i = 0; i < N; i++) {
        size_t row = i / COLS;
        switch (kind) {
        case 0:
            x[i] = (float)edge(row, i % COLS);
            break;
        case 1:
            x[i] = (float)normal(1, i);
            break;
        case 2:
            x[i] = (float)heavy(2, i);
            break;
        case 3:
            x[i] = (float)(normal(3, i) * pow(10, -38 + 76.0 * (double)row / (ROWS - 1)));
            break;
        default:
            x[i] = (float)ldexp(normal(4, i), (int)(bb_random_u64(5, i) % 41) - 20);
        }
        if (!(fabsf(x[i]) < 3e38f)) x[i] = 3e38f;
    }
}

/* Squares of activations: some channels large, some dead, a whole run of 256 among them. */
static void fill_importance(float *w) {
    for (size_t i = 0; i < COLS; i++) {
        double z = normal(6, i);
        w[i] = (float)(z * z * exp(2 * normal(7, i)));
        if (bb_random_u64(8, i) % 50 == 0 || (i >= 768 && i < 1024)) w[i] = 0;
    }
}

static size_t differing(const unsigned char *a, const unsigned char *b, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += a[i] != b[i];
    return count;
}

typedef struct buffers {
    float x[N], importance[COLS], values[N], peer_values[N];
    unsigned char data[4 * N], peer_data[4 * N];
} buffers;

/* Bytes and values of one kind of data that differ. */
static size_t compare(const peer *p, const bb_dtype *t, const char *kind, const float *importance, buffers *b) {
    size_t bytes = p->quantize(t->gguf_id, b->x, b->peer_data, 0, ROWS, COLS, importance), bad = 0;
    p->traits(t->gguf_id)->decode(b->peer_data, b->peer_values, N);
    for (size_t k = 0; k < 3; k++) {
        bb_quant_opts opts = {.isa = peer_isas[k], .search = BB_SEARCH_GGML};
        if (!bb_isa_runs(opts.isa)) continue;
        memset(b->data, 0xA5, bytes);
        if (bb_quantize_rows_as(t, b->x, ROWS, COLS, importance, &opts, b->data) != BB_OK) return bytes;
        size_t d = differing(b->data, b->peer_data, bytes);
        if (bb_dequantize_rows_as(t, b->peer_data, ROWS, COLS, opts.isa, b->values) != BB_OK) return bytes;
        size_t v = 0;
        for (size_t i = 0; i < N; i++)
            v +=
                memcmp(&b->values[i], &b->peer_values[i], 4) != 0 && !(isnan(b->values[i]) && isnan(b->peer_values[i]));
        if (d + v)
            printf("# %s, %s, %s importance, %s: %zu of %zu bytes, %zu values differ\n", t->name, kind,
                   importance ? "with" : "no", bb_isa_name(opts.isa), d, bytes, v);
        bad += d + v;
    }
    return bad;
}

int main(void) {
    peer p;
    buffers *b = malloc(sizeof *b);
    if (!b || !peer_open(&p)) {
        puts("1..0 # SKIP libggml-base.so is not there (GGML_DIR)");
        free(b);
        return 0;
    }
    printf("1..%d\n", PEER_TYPES);
    for (size_t k = 0; k < 3; k++)
        if (!bb_isa_runs(peer_isas[k])) printf("# skipped: this processor has no %s\n", bb_isa_name(peer_isas[k]));
    fill_importance(b->importance);
    int failed = 0;
    for (int i = 0; i < PEER_TYPES; i++) {
        const bb_dtype *t = bb_dtype_find(peer_types[i], NULL);
        if (!t || !bb_codec_find(t, BB_ISA_SCALAR)) {
            printf("ok %d - %s # SKIP not built yet\n", i + 1, peer_types[i]);
            continue;
        }
        size_t bad = 0;
        p.init(t->gguf_id);
        for (int kind = 0; kind < KINDS; kind++) {
            fill(kind, b->x);
            bad += compare(&p, t, kinds[kind], NULL, b);
            bad += compare(&p, t, kinds[kind], b->importance, b);
        }
        printf("%sok %d - %s: %zu bytes and values differ from ggml's\n", bad ? "not " : "", i + 1, t->name, bad);
        failed |= bad != 0;
    }
    free(b);
    return failed;
}
