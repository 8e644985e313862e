/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_layer_ops.c - attention and the gate against float64, and the same bits in every instruction set. */
#include "base/random.h"
#include "harness.h"
#include "infer/layer_ops.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

static const bb_isa isas[] = {BB_ISA_SCALAR, BB_ISA_AVX2, BB_ISA_AVX512};
enum { ISAS = sizeof isas / sizeof *isas };

static float uniform(uint64_t seed, uint64_t i) { return (float)(2 * bb_random_unit(seed, i) - 1); }

/* One case of attention; memory is exact, so that a sanitizer sees what is read too much. */
typedef struct attention {
    bb_attend a;
    size_t rows;
    float *q, *keys, *values, *scores, *sums, *out;
} attention;

static size_t tiles(size_t n) { return (n + BB_KEY_TILE - 1) / BB_KEY_TILE; }

static float *uniforms(size_t n, uint64_t seed, float spread) {
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = spread * uniform(seed, i);
    return x;
}

/* n: positions that the last token sees */
static void begin(attention *c, size_t tokens, size_t heads, size_t head_dim, size_t value_dim, size_t n, uint64_t seed,
                  float spread) {
    size_t stride = (value_dim + BB_VALUE_ALIGN - 1) / BB_VALUE_ALIGN * BB_VALUE_ALIGN;
    c->rows = tokens * heads;
    c->q = uniforms(c->rows * head_dim, seed, spread);
    c->keys = uniforms(tiles(n) * head_dim * BB_KEY_TILE, seed + 1, 1);
    c->values = uniforms(n * stride, seed + 2, 1);
    c->scores = malloc(c->rows * tiles(n) * BB_KEY_TILE * sizeof *c->scores);
    c->sums = malloc(c->rows * stride * sizeof *c->sums);
    c->out = malloc(c->rows * value_dim * sizeof *c->out);
    /* positions behind n hold what must not matter */
    for (size_t i = 0; i < tiles(n) * head_dim * BB_KEY_TILE; i++)
        if (i / (head_dim * BB_KEY_TILE) * BB_KEY_TILE + i % BB_KEY_TILE >= n) c->keys[i] = NAN;
    c->a = (bb_attend){.tokens = tokens, .heads = heads, .head_dim = head_dim, .value_dim = value_dim};
    c->a.q = c->q;
    c->a.q_stride = heads * head_dim;
    c->a.keys = c->keys;
    c->a.values = c->values;
    c->a.value_stride = stride;
    c->a.n = n - tokens + 1;
    c->a.scale = 1.0f / sqrtf((float)head_dim);
    c->a.scores = c->scores;
    c->a.sums = c->sums;
    c->a.out = c->out;
    c->a.out_stride = heads * value_dim;
}

static void end(attention *c) {
    free(c->q);
    free(c->keys);
    free(c->values);
    free(c->scores);
    free(c->sums);
    free(c->out);
}

/* out [value_dim] of one row in float64. */
static void reference(const attention *c, size_t row, double *out) {
    const bb_attend *a = &c->a;
    size_t n = a->n + row / a->heads;
    double most = -1e300, sum = 0;
    double *e = malloc(n * sizeof *e);
    for (size_t j = 0; j < n; j++) {
        e[j] = 0;
        for (size_t d = 0; d < a->head_dim; d++)
            e[j] += (double)a->q[row * a->head_dim + d] *
                    (double)a->keys[(j / BB_KEY_TILE * a->head_dim + d) * BB_KEY_TILE + j % BB_KEY_TILE];
        e[j] *= (double)a->scale;
        most = e[j] > most ? e[j] : most;
    }
    for (size_t j = 0; j < n; j++) sum += e[j] = exp(e[j] - most);
    for (size_t d = 0; d < a->value_dim; d++) {
        out[d] = 0;
        for (size_t j = 0; j < n; j++) out[d] += e[j] / sum * (double)a->values[j * a->value_stride + d];
    }
    free(e);
}

START_TEST(attend) {
    /* tokens, heads, head_dim, value_dim, positions */
    static const size_t shapes[][5] = {{1, 1, 8, 8, 1},    {1, 2, 16, 16, 15},   {1, 3, 20, 24, 16}, {2, 4, 32, 32, 64},
                                       {1, 5, 64, 64, 65}, {1, 2, 128, 96, 200}, {1, 8, 6, 40, 130}, {8, 1, 48, 33, 31},
                                       {7, 1, 24, 16, 67}, {2, 3, 16, 32, 129},  {4, 2, 8, 8, 63}};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        size_t dim = shapes[k][3];
        float spread = k % 2 ? 1 : 20;
        attention c;
        begin(&c, shapes[k][0], shapes[k][1], shapes[k][2], dim, shapes[k][4], 10 * k, spread);
        float *first = malloc(c.rows * dim * sizeof *first);
        double *want = malloc(dim * sizeof *want);
        for (size_t i = 0; i < ISAS; i++) {
            if (!bb_isa_runs(isas[i])) continue;
            bb_layer_ops_of(isas[i])->attend(&c.a);
            if (i)
                ck_assert_msg(memcmp(first, c.out, c.rows * dim * sizeof *first) == 0, "%zu: %s", k,
                              bb_isa_name(isas[i]));
            memcpy(first, c.out, c.rows * dim * sizeof *first);
        }
        for (size_t r = 0; r < c.rows; r++) {
            reference(&c, r, want);
            for (size_t d = 0; d < dim; d++) {
                double e = fabs((double)first[r * dim + d] - want[d]);
                ck_assert_msg(e < 1e-6 * (1 + (double)spread), "%zu: row %zu, %zu: %g", k, r, d, e);
            }
        }
        end(&c);
        free(first);
        free(want);
    }
}
END_TEST

/* A key that is not a number spoils its head, whatever the others. */
START_TEST(attend_nan) {
    for (size_t i = 0; i < ISAS; i++) {
        attention c;
        if (!bb_isa_runs(isas[i])) continue;
        begin(&c, 1, 2, 16, 16, 70, 3, 1);
        c.q[16] = NAN;
        bb_layer_ops_of(isas[i])->attend(&c.a);
        for (size_t d = 0; d < 16; d++) ck_assert(isfinite(c.out[d]) && isnan(c.out[16 + d]));
        end(&c);
    }
}
END_TEST

/* In units of the last place of `want`, a float's. */
static double ulps(float got, double want) {
    int exponent;
    (void)frexp(want, &exponent);
    if (exponent < -125) exponent = -125;
    return fabs((double)got - want) / ldexp(1, exponent - 24);
}

START_TEST(gate) {
    enum { N = 100003 };
    float *x = malloc(N * sizeof *x), *up = malloc(N * sizeof *up), *y = malloc(N * sizeof *y),
          *first = malloc(N * sizeof *y);
    for (size_t i = 0; i < N; i++) {
        x[i] = 85 * uniform(1, i) * (i % 3 ? 1.0f : 0.02f);
        up[i] = 1;
    }
    for (size_t i = 0; i < ISAS; i++) {
        if (!bb_isa_runs(isas[i])) continue;
        memset(y, 0, N * sizeof *y);
        bb_layer_ops_of(isas[i])->gate(x, up, N, y);
        if (i) ck_assert_msg(memcmp(y, first, N * sizeof *y) == 0, "%s", bb_isa_name(isas[i]));
        memcpy(first, y, N * sizeof *y);
    }
    for (size_t i = 0; i < N; i++) {
        double want = (double)x[i] / (1 + exp(-(double)x[i])), off = ulps(first[i], want);
        ck_assert_msg(off < 5, "silu(%.9g) is off by %g units", (double)x[i], off);
    }
    free(x);
    free(up);
    free(y);
    free(first);
}
END_TEST

START_TEST(gate_ends) {
    static const float x[] = {0, -0.0f, 100, -100, 1e30f, -1e30f, INFINITY, -INFINITY, NAN, 1, -88, -87.5f, 88, 1e-40f};
    static const float up[] = {2, 2, 2, 2, 2, 2, 2, 2, 2, NAN, 1, 1, 1, 1};
    enum { N = sizeof x / sizeof *x };
    for (size_t i = 0; i < ISAS; i++) {
        float y[N];
        if (!bb_isa_runs(isas[i])) continue;
        bb_layer_ops_of(isas[i])->gate(x, up, N, y);
        ck_assert(y[0] == 0 && !signbit(y[0]) && y[1] == 0 && signbit(y[1]));
        ck_assert(y[2] == 200 && y[4] == 2e30f && y[6] == INFINITY && isnan(y[8]) && isnan(y[9]) && y[12] == 88);
        /* large negative ones vanish, as far as fp32 holds exp(88) */
        ck_assert(y[3] <= 0 && y[3] > -1e-30f && y[10] < 0 && y[10] > -1e-36f && y[13] > 0 && y[13] < 1e-40f);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("layer_ops");
    TCase *t = tcase_create("layer_ops");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, attend);
    tcase_add_test(t, attend_nan);
    tcase_add_test(t, gate);
    tcase_add_test(t, gate_ends);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
