/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_gemm_int8.c - int8 a row: the integers of every kernel, up to the longest row, and codes of -128. */
#include "base/random.h"
#include "harness.h"
#include "kernel/kernel.h"
#include <math.h>
#include <string.h>

#if BB_X86
/* The kernel of AVX-VNNI with the same instruction as AVX-512 VNNI encodes it, for processors that have only that. */
#define DOT_TARGET          BB_TARGET_AVX512_VNNI
#define DOT_STEP(acc, u, s) _mm256_dpbusd_epi32(acc, u, s)
#define GEMM_NAME(type)     gemm_##type##_evex
static bb_gemm_fn gemm_int8_evex;
#include "kernel/gemm_int8_256.h"
#endif

static const bb_kernel *kernel_at(size_t i) {
    size_t n = 0;
    while (n < 5 && bb_gemm_int8.kernels[n].run) n++;
    if (i < n) return &bb_gemm_int8.kernels[i];
#if BB_X86
    static const bb_kernel evex = {&bb_gemm_int8, BB_LEVEL_AVX512_VNNI, gemm_int8_evex};
    if (i == n) return &evex;
#endif
    return NULL;
}

/* Rows of random codes, of -128 and of 127 in turn, and activations that are codes of scale 1: y is an integer. */
static void check(size_t tokens, size_t out, size_t in) {
    const bb_dtype *t = bb_dtype_find("int8", NULL);
    size_t row = 4 + in;
    unsigned char *data = malloc(out * row);
    float *x = malloc(tokens * in * sizeof *x), *y = malloc(tokens * out * sizeof *y);
    const float one = 1;
    for (size_t r = 0; r < out; r++) {
        memcpy(data + r * row, &one, sizeof one);
        for (size_t i = 0; i < in; i++)
            data[r * row + 4 + i] = (unsigned char)(r % 3 == 0   ? 0x80
                                                    : r % 3 == 1 ? 0x7F
                                                                 : bb_random_u64(in, r * in + i));
    }
    for (size_t i = 0; i < tokens * in; i++)
        x[i] = i / in % 3 == 0 ? 127 : i / in % 3 == 1 ? -127 : (float)(i % in == 0 ? 127 : (long)(i * 37 % 255) - 127);
    bb_packed *p;
    ck_assert_int_eq(bb_pack(t, data, out, in, &p), BB_OK);
    const bb_kernel *kernel;
    for (size_t k = 0; (kernel = kernel_at(k)) != NULL; k++) {
        bb_matmul_opts o = {.kernel = kernel};
        if (!bb_level_runs(kernel->level)) continue;
        memset(y, 0xA5, tokens * out * sizeof *y);
        ck_assert_int_eq(bb_matmul_as(p, x, tokens, &o, y), BB_OK);
        for (size_t i = 0; i < tokens * out; i++) {
            int64_t sum = 0;
            for (size_t c = 0; c < in; c++)
                sum += (int64_t)(signed char)data[i % out * row + 4 + c] * (int64_t)x[i / out * in + c];
            ck_assert_msg(y[i] == (float)sum, "%s %zux%zux%zu, %zu: %a, not %lld", bb_level_name(kernel->level), tokens,
                          out, in, i, (double)y[i], (long long)sum);
        }
    }
    bb_packed_free(p);
    free(data);
    free(x);
    free(y);
}

START_TEST(integers_of_all_shapes) {
    static const size_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 25, 64, 67}, rows[] = {1, 16, 31, 33};
    for (size_t a = 0; a < sizeof tokens / sizeof *tokens; a++)
        for (size_t b = 0; b < sizeof rows / sizeof *rows; b++)
            for (size_t in = 1; in <= 200; in += 66) check(tokens[a], rows[b], in);
}
END_TEST

/* Sums of up to 127 * 128 * 132104, just below 2^31. */
START_TEST(the_longest_row) { check(2, 3, bb_gemm_int8.layout->in_max); }
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gemm_int8");
    TCase *t = tcase_create("gemm_int8");
    for (const bb_kernel *k = bb_gemm_int8.kernels; k->run; k++)
        if (!bb_level_runs(k->level)) fprintf(stderr, "# skipped: %s does not run here\n", bb_level_name(k->level));
    tcase_set_timeout(t, 120);
    tcase_add_test(t, integers_of_all_shapes);
    tcase_add_test(t, the_longest_row);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
