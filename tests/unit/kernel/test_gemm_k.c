/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_gemm_k.c - q4_K and q6_K: exact integers, every weight in its place, any bytes, terms that cancel. */
#include "base/random.h"
#include "harness.h"
#include "kernel/gemm_k.h"
#include "kernel/kernel.h"
#include <math.h>
#include <string.h>

#if BB_X86
/* The kernels of AVX-VNNI with the same instruction as AVX-512 VNNI encodes it, for processors that have only that. */
#define DOT_TARGET          BB_TARGET_AVX512_VNNI
#define DOT_STEP(acc, u, s) _mm256_dpbusd_epi32(acc, u, s)
#define GEMM_NAME(type)     gemm_##type##_evex
static bb_gemm_fn gemm_q4_K_evex, gemm_q6_K_evex;
#include "kernel/gemm_k_256.h"
#endif

enum { SUPER = 256 };
static const bb_gemm_family *const families[] = {&bb_gemm_q4_K, &bb_gemm_q6_K};
static const size_t block_bytes[] = {BB_K_FILE_Q4, BB_K_FILE_Q6};

/* Kernel i of a family, then the one of above; NULL at the end. */
static const bb_kernel *kernel_at(size_t f, size_t i) {
    const bb_gemm_family *k = families[f];
    for (size_t at = 0; at < 5 && k->kernels[at].run; at++)
        if (at == i) return &k->kernels[at];
#if BB_X86
    static const bb_kernel evex[] = {{&bb_gemm_q4_K, BB_LEVEL_AVX512_VNNI, gemm_q4_K_evex},
                                     {&bb_gemm_q6_K, BB_LEVEL_AVX512_VNNI, gemm_q6_K_evex}};
    if (i > 0 && kernel_at(f, i - 1) != &evex[f]) return kernel_at(f, i - 1) ? &evex[f] : NULL;
#endif
    return NULL;
}

/* fp16 words of the scales of a block. */
static void put_scales(size_t f, unsigned char *block, uint16_t d, uint16_t dmin) {
    uint16_t word[2] = {d, dmin};
    memcpy(block + (f == 0 ? 0 : 208), word, f == 0 ? 4 : 2);
}

typedef struct product {
    size_t f, tokens, out, in;
    const bb_dtype *type;
    unsigned char *data;
    float *x, *w, *y; /* [tokens][in], [out][in], [tokens][out] */
    bb_packed *packed;
} product;

/* Random bytes and zero activations. */
static product make(size_t f, size_t tokens, size_t out, size_t in, uint64_t seed) {
    product p = {.f = f, .tokens = tokens, .out = out, .in = in};
    size_t bytes = out * (in / SUPER) * block_bytes[f];
    p.type = bb_dtype_find(families[f]->layout->type, NULL);
    p.data = malloc(bytes);
    p.x = calloc(tokens * in, sizeof *p.x);
    p.w = malloc(out * in * sizeof *p.w);
    p.y = malloc(tokens * out * sizeof *p.y);
    for (size_t i = 0; i < bytes; i++) p.data[i] = (unsigned char)bb_random_u64(seed, i);
    return p;
}
static unsigned char *block_at(const product *p, size_t b) { return p->data + b * block_bytes[p->f]; }
static size_t blocks_of(const product *p) { return p->out * (p->in / SUPER); }

static void pack(product *p) {
    ck_assert_int_eq(bb_dequantize_rows(p->type, p->data, p->out, p->in, p->w), BB_OK);
    ck_assert_int_eq(bb_pack(p->type, p->data, p->out, p->in, &p->packed), BB_OK);
}
/* False where this processor lacks the kernel. */
static bool run(product *p, const bb_kernel *k) {
    bb_matmul_opts o = {.kernel = k};
    memset(p->y, 0xA5, p->tokens * p->out * sizeof *p->y);
    if (!bb_level_runs(k->level)) return false;
    ck_assert_int_eq(bb_matmul_as(p->packed, p->x, p->tokens, &o, p->y), BB_OK);
    return true;
}
static void drop(product *p) {
    bb_packed_free(p->packed);
    free(p->data);
    free(p->x);
    free(p->w);
    free(p->y);
}

/* Outputs that differ from the sum in int64. */
static size_t wrong_sums(const product *p) {
    size_t wrong = 0;
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t o = 0; o < p->out; o++) {
            int64_t want = 0;
            for (size_t c = 0; c < p->in; c++) want += (int64_t)p->w[o * p->in + c] * (int64_t)p->x[t * p->in + c];
            wrong += (int64_t)p->y[t * p->out + o] != want;
        }
    return wrong;
}

/* Weights and activations are integers, and small enough that no fp32 operation rounds. */
static void check_integers(product *p) {
    for (size_t i = 0; kernel_at(p->f, i); i++) {
        const bb_kernel *k = kernel_at(p->f, i);
        size_t wrong = run(p, k) ? wrong_sums(p) : 0;
        ck_assert_msg(wrong == 0, "%s %s: %zu of %zu outputs are wrong", k->family->name, bb_level_name(k->level),
                      wrong, p->tokens * p->out);
    }
}

START_TEST(every_weight_in_its_place) {
    for (size_t f = 0; f < 2; f++) {
        product p = make(f, 512, 35, 512, 1);
        for (size_t b = 0; b < blocks_of(&p); b++) put_scales(f, block_at(&p, b), 0x3C00, 0x3C00);
        for (size_t t = 0; t < p.tokens; t++) p.x[t * p.in + t] = 127; /* its scale is 1 */
        pack(&p);
        check_integers(&p);
        drop(&p);
    }
}
END_TEST

/* Bytes and activations at their limits; a token has 32 values, so that its sum stays below 2^24. */
START_TEST(integers_are_exact_at_their_limits) {
    static const unsigned char bytes[] = {0, 0x7F, 0x80, 0xFF};
    for (size_t f = 0; f < 2; f++)
        for (size_t i = 0; i < 25; i++) {
            product p = make(f, 64, 5, 512, 2 + i);
            for (size_t b = 0; b < blocks_of(&p); b++) {
                unsigned char *block = block_at(&p, b);
                size_t scales = f == 0 ? 16 : 192; /* where q4_K's codes begin, and q6_K's end */
                if (i % 5 < 4) memset(block, bytes[i % 5], scales);
                if (i / 5 < 4) memset(block + scales, bytes[i / 5], block_bytes[f] - scales);
                put_scales(f, block, 0x3C00, 0x3C00);
            }
            for (size_t t = 0; t < p.tokens; t++)
                for (size_t k = 0; k < 32; k++) {
                    float some = (float)(bb_random_u64(9, 32 * t + k) % 255) - 127;
                    p.x[t * p.in + t % 16 * 32 + k] = t < 16   ? 127
                                                      : t < 32 ? -127
                                                      : t < 48 ? (k % 2 ? 127 : -127)
                                                      : k == 5 ? 127
                                                               : some;
                }
            pack(&p);
            check_integers(&p);
            drop(&p);
        }
}
END_TEST

START_TEST(minimums_are_exact) {
    product p = make(0, 2, 3, SUPER, 3);
    for (size_t b = 0; b < blocks_of(&p); b++) {
        memset(block_at(&p, b), 0xFF, 16);
        memset(block_at(&p, b) + 16, 0, 128);
        put_scales(0, block_at(&p, b), 0x3C00, 0x3C00);
    }
    for (size_t i = 0; i < p.tokens * p.in; i++) p.x[i] = i < p.in ? 127 : -127;
    pack(&p);
    check_integers(&p);
    ck_assert_double_eq((double)p.w[0], -63);
    drop(&p);
}
END_TEST

/* What a file may hold: scales that are NaN, infinite or subnormal. */
START_TEST(any_bytes_give_the_same_bits) {
    static const size_t shapes[][3] = {{1, 1, 256}, {1, 67, 512}, {7, 33, 256}, {65, 40, 768}, {130, 31, 512}};
    for (size_t f = 0; f < 2; f++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (int odd = 0; odd < 2; odd++) {
                product p = make(f, shapes[s][0], shapes[s][1], shapes[s][2], 4 + s);
                size_t n = p.tokens * p.out, bytes = n * sizeof(float), finite = 0;
                for (size_t b = 0; b < blocks_of(&p); b++)
                    if (!odd || b % 3) put_scales(f, block_at(&p, b), (uint16_t)(b * 97 % 0x7C00), 0x8123);
                for (size_t i = 0; i < p.tokens * p.in; i++) p.x[i] = (float)(bb_random_unit(5, i) - 0.5);
                pack(&p);
                run(&p, kernel_at(f, 0));
                float *want = malloc(bytes);
                memcpy(want, p.y, bytes);
                for (size_t i = 0; i < n; i++) finite += isfinite(want[i]) != 0;
                ck_assert(odd || finite == n);
                for (size_t i = 1; kernel_at(f, i); i++) {
                    size_t wrong = 0;
                    for (size_t k = 0, ran = run(&p, kernel_at(f, i)); ran && k < n; k++)
                        wrong += memcmp(&want[k], &p.y[k], 4) != 0 && !(isnan(want[k]) && isnan(p.y[k]));
                    ck_assert_msg(wrong == 0, "%s %s: %zu of %zu outputs differ", families[f]->name,
                                  bb_level_name(kernel_at(f, i)->level), wrong, n);
                }
                free(want);
                drop(&p);
            }
}
END_TEST

/* The two terms of every q4_K weight cancel: what their sums round is all that is left. */
START_TEST(bound_counts_both_terms) {
    enum { ROWS = 64, COLS = 1024 };
    product p = make(0, 1, ROWS, COLS, 6);
    float *xhat = malloc(COLS * sizeof *xhat), *magnitude = malloc(sizeof(float) * ROWS * COLS);
    for (size_t b = 0; b < blocks_of(&p); b++) {
        unsigned char *block = block_at(&p, b);
        memset(block + 4, 0x3F, 8); /* scale and minimum 63 for sub-blocks 0 to 3, 15 for the others */
        memset(block + 12, 0xFF, 4);
        memset(block + 16, 0x11, 128);
        put_scales(0, block, (uint16_t)(0x3C00 + b % 1024), (uint16_t)(0x3C00 + b % 1024));
    }
    for (size_t i = 0; i < COLS; i++) p.x[i] = (float)bb_random_unit(7, i);
    pack(&p);
    ck_assert_int_eq(bb_kernel_magnitudes(p.type, p.data, ROWS, COLS, magnitude), BB_OK);
    ck_assert_int_eq(bb_acts_roundtrip(BB_ACT_INT8_256, p.x, 1, COLS, xhat), BB_OK);
    double largest = 0;
    for (size_t i = 0; kernel_at(0, i); i++)
        for (size_t o = 0, ran = run(&p, kernel_at(0, i)); ran && o < ROWS; o++) {
            double want = 0, mass = 0;
            for (size_t c = 0; c < COLS; c++) {
                want += (double)p.w[o * COLS + c] * (double)xhat[c];
                mass += (double)magnitude[o * COLS + c] * (double)xhat[c];
            }
            double e = fabs((double)p.y[o] - want);
            ck_assert_double_le(e, bb_kernel_bound(kernel_at(0, i), COLS, mass));
            if (e > largest) largest = e;
        }
    ck_assert(p.w[0] == 0 && p.w[COLS - 1] == 0 && largest > 0);
    free(xhat);
    free(magnitude);
    drop(&p);
}
END_TEST

START_TEST(blocks_are_those_of_the_type) {
    for (size_t f = 0; f < 2; f++) {
        const bb_dtype *t = bb_dtype_find(families[f]->layout->type, NULL);
        ck_assert_uint_eq(t->block_bytes, block_bytes[f]);
        ck_assert_uint_eq(t->block, SUPER);
    }
}
END_TEST

static Suite *make_suite(void) {
    for (int level = 0; level < BB_LEVELS; level++)
        if (!bb_level_runs((bb_level)level)) fprintf(stderr, "# skipped: no %s here\n", bb_level_name((bb_level)level));
    Suite *s = suite_create("gemm_k");
    TCase *t = tcase_create("gemm_k");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_weight_in_its_place);
    tcase_add_test(t, integers_are_exact_at_their_limits);
    tcase_add_test(t, minimums_are_exact);
    tcase_add_test(t, any_bytes_give_the_same_bits);
    tcase_add_test(t, bound_counts_both_terms);
    tcase_add_test(t, blocks_are_those_of_the_type);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(make_suite)
