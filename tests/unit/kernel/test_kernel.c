/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_kernel.c - every kernel within its proven bound of float64, the same bits for any number of threads. */
#include "base/random.h"
#include "harness.h"
#include "kernel/kernel.h"
#include <fenv.h>
#include <math.h>
#include <string.h>

typedef struct product {
    size_t tokens, out, in;
    float *x, *w, *y, *what, *xhat;
    unsigned char *blocks;
    bb_packed *packed;
} product;

static bool make(product *p, const bb_kernel *k, size_t tokens, size_t out, size_t in, uint64_t seed, double spread,
                 int weights, int acts) {
    const bb_dtype *t = bb_dtype_find(k->family->layout->type, NULL);
    uint64_t row;
    if (bb_dtype_row_bytes(t, in, &row) != BB_OK || (in % t->block)) return false;
    *p = (product){.tokens = tokens, .out = out, .in = in};
    p->x = malloc(tokens * in * sizeof(float));
    p->xhat = malloc(tokens * in * sizeof(float));
    p->w = malloc(out * in * sizeof(float));
    p->what = malloc(out * in * sizeof(float));
    p->y = malloc(tokens * out * sizeof(float));
    p->blocks = malloc(out * row);
    for (size_t i = 0; i < tokens * in; i++)
        p->x[i] = (float)((bb_random_unit(seed, i) - 0.5) * exp2(acts + spread * bb_random_unit(seed + 1, i)));
    for (size_t i = 0; i < out * in; i++)
        p->w[i] = (float)((bb_random_unit(seed + 2, i) - 0.5) * exp2(weights + spread * bb_random_unit(seed + 3, i)));
    ck_assert_int_eq(bb_quantize_rows(t, p->w, out, in, NULL, p->blocks), BB_OK);
    ck_assert_int_eq(bb_dequantize_rows(t, p->blocks, out, in, p->what), BB_OK);
    ck_assert_int_eq(bb_acts_roundtrip(k->family->layout->act, p->x, tokens, in, p->xhat), BB_OK);
    ck_assert_int_eq(bb_pack(t, p->blocks, out, in, &p->packed), BB_OK);
    return true;
}

static void drop(product *p) {
    bb_packed_free(p->packed);
    free(p->x);
    free(p->xhat);
    free(p->w);
    free(p->what);
    free(p->y);
    free(p->blocks);
}

static const size_t shapes[][3] = {{1, 1, 32}, {3, 5, 64}, {2, 33, 96}, {5, 70, 1024}, {2, 3, 17}, {1, 2, 70016}};

/* Every output of a product against long double. */
static void check_bound(const bb_kernel *kernel, const product *p) {
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t o = 0; o < p->out; o++) {
            long double want = 0, mass = 0;
            for (size_t i = 0; i < p->in; i++) {
                long double v = (long double)p->what[o * p->in + i] * (long double)p->xhat[t * p->in + i];
                want += v;
                mass += fabsl(v);
            }
            long double e = fabsl((long double)p->y[t * p->out + o] - want);
            double bound = bb_kernel_bound(kernel, p->in, (double)mass);
            ck_assert_msg(e <= (long double)bound, "%s %zux%zux%zu: %Lg off, bound %g", kernel->family->name, p->tokens, p->out,
                          p->in, e, bound);
        }
}

START_TEST(within_the_proven_bound) {
    for (size_t k = 0; k < bb_kernel_count(); k++) {
        const bb_kernel *kernel = bb_kernel_at(k);
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            for (int spread = 0; spread <= 12; spread += 6) {
                product p;
                if (!make(&p, kernel, shapes[s][0], shapes[s][1], shapes[s][2], 11 * k + s, spread, 0, 0)) continue;
                ck_assert_int_eq(bb_matmul(p.packed, p.x, p.tokens, 1, BB_ISA_AUTO, p.y), BB_OK);
                check_bound(kernel, &p);
                drop(&p);
            }
        }
    }
}
END_TEST

/* Weights and activations so small that products and scales are subnormal or zero. */
START_TEST(bound_holds_where_products_underflow) {
    for (size_t k = 0; k < bb_kernel_count(); k++)
        for (int weights = -150; weights <= 0; weights += 5)
            for (int acts = -150; acts <= 0; acts += 15) {
                product p;
                ck_assert(make(&p, bb_kernel_at(k), 2, 9, 256, 3, 6, weights, acts));
                ck_assert_int_eq(bb_matmul(p.packed, p.x, p.tokens, 1, BB_ISA_AUTO, p.y), BB_OK);
                check_bound(bb_kernel_at(k), &p);
                drop(&p);
            }
}
END_TEST

START_TEST(threads_and_rounding_mode_do_not_matter) {
    for (size_t k = 0; k < bb_kernel_count(); k++) {
        product p;
        ck_assert(make(&p, bb_kernel_at(k), 3, 201, 256, 5, 4, 0, 0));
        size_t bytes = p.tokens * p.out * sizeof(float);
        float *one = malloc(bytes);
        ck_assert_int_eq(bb_matmul(p.packed, p.x, p.tokens, 1, BB_ISA_AUTO, one), BB_OK);
        for (unsigned threads = 2; threads <= 7; threads += 5) {
            memset(p.y, 0xFF, bytes);
            ck_assert_int_eq(bb_matmul(p.packed, p.x, p.tokens, threads, BB_ISA_SCALAR, p.y), BB_OK);
            ck_assert_mem_eq(one, p.y, bytes);
        }
        fesetround(FE_UPWARD);
        ck_assert_int_eq(bb_matmul(p.packed, p.x, p.tokens, 1, BB_ISA_AUTO, p.y), BB_OK);
        fesetround(FE_TONEAREST);
        ck_assert_mem_eq(one, p.y, bytes);
        free(one);
        drop(&p);
    }
}
END_TEST

/* Integers small enough to be exact in every type that keeps them: the product is then exact. */
START_TEST(exact_where_it_can_be) {
    enum { IN = 64 };
    float w[IN], x[IN], y = 0;
    long sum = 0;
    for (int i = 0; i < IN; i++) {
        w[i] = (float)(i % 32 == 0 ? -8 : i % 15 - 7);
        x[i] = (float)(i % 32 == 0 ? 127 : i * 37 % 255 - 127);
        sum += (long)w[i] * (long)x[i];
    }
    unsigned char blocks[64];
    bb_packed *p = NULL;
    const bb_dtype *t = bb_dtype_find("q4_0", NULL);
    ck_assert_int_eq(bb_quantize_rows(t, w, 1, IN, NULL, blocks), BB_OK);
    ck_assert_int_eq(bb_pack(t, blocks, 1, IN, &p), BB_OK);
    ck_assert_int_eq(bb_matmul(p, x, 1, 1, BB_ISA_AUTO, &y), BB_OK);
    ck_assert_double_eq((double)y, (double)sum);
    bb_packed_free(p);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("kernel");
    TCase *t = tcase_create("kernel");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, within_the_proven_bound);
    tcase_add_test(t, bound_holds_where_products_underflow);
    tcase_add_test(t, threads_and_rounding_mode_do_not_matter);
    tcase_add_test(t, exact_where_it_can_be);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
