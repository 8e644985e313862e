/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_quant.c - ggml's bytes, in any rounding mode; int8 rows at the ends of their range. */
#include "base/random.h"
#include "base/source.h"
#include "harness.h"
#include "quant/quant.h"
#include <fenv.h>
#include <math.h>
#include <string.h>

enum { ROWS = 12, COLS = 512 };

static void *load(const char *name, size_t *n) {
    char path[128], *text = NULL;
    bb_error err = {0};
    snprintf(path, sizeof path, TEST_DATA("ggml/%s"), name);
    ck_assert_msg(bb_source_slurp(path, 1 << 20, &text, n, &err) == BB_OK, "%s", err.text);
    return text;
}

static void same_as_ggml(const char *type, const char *suffix, bool weighted) {
    char name[64];
    size_t n, m, blocks;
    snprintf(name, sizeof name, "%s%s.bin", type, suffix);
    float *x = load("in_12x512.f32", &n), *w = load("imatrix_512.f32", &m);
    unsigned char *want = load(name, &blocks), *got = malloc(blocks);
    ck_assert_uint_eq(n, sizeof(float) * ROWS * COLS);
    ck_assert_int_eq(bb_quantize_rows(bb_dtype_find(type, NULL), x, ROWS, COLS, weighted ? w : NULL, got), BB_OK);
    for (size_t i = 0; i < blocks; i++)
        ck_assert_msg(got[i] == want[i], "%s: byte %zu is %02x, ggml's is %02x", name, i, got[i], want[i]);
    if (!weighted) {
        snprintf(name, sizeof name, "%s.deq.f32", type);
        float *values = load(name, &n), *back = malloc(n);
        ck_assert_int_eq(bb_dequantize_rows(bb_dtype_find(type, NULL), got, ROWS, COLS, back), BB_OK);
        ck_assert_msg(memcmp(values, back, n) == 0, "%s differs", name);
        free(values);
        free(back);
    }
    free(x);
    free(w);
    free(want);
    free(got);
}

START_TEST(ggml_bytes) {
    static const char *const types[] = {"q4_0", "q8_0", "f16", "bf16"};
    for (size_t i = 0; i < 4; i++) same_as_ggml(types[i], "", false);
    same_as_ggml("q4_0", ".imat", true);
}
END_TEST

START_TEST(ggml_bytes_in_every_rounding_mode) {
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (size_t i = 0; i < 3; i++) {
        fesetround(modes[i]);
        same_as_ggml("q4_0", "", false);
        same_as_ggml("q8_0", "", false);
        same_as_ggml("q4_0", ".imat", true);
        ck_assert_int_eq(fegetround(), modes[i]); /* and the caller's mode is back */
    }
    fesetround(FE_TONEAREST);
}
END_TEST

/* |x - x'| <= scale / 2 and a second pass changes nothing. */
START_TEST(int8_rows) {
    enum { N = 257 };
    const bb_dtype *t = bb_dtype_find("int8", NULL);
    float x[N], y[N], z[N];
    unsigned char row[N + 4], again[N + 4];
    for (int e = -148; e <= 126; e += 2) {
        for (int i = 0; i < N; i++)
            x[i] = ldexpf((float)(bb_random_unit(3, (uint64_t)(e + 200) * N + (uint64_t)i) - 0.5), e);
        ck_assert_int_eq(bb_quantize_rows(t, x, 1, N, NULL, row), BB_OK);
        ck_assert_int_eq(bb_dequantize_rows(t, row, 1, N, y), BB_OK);
        float scale;
        memcpy(&scale, row, sizeof scale);
        float amax = 0;
        for (int i = 0; i < N; i++) amax = fmaxf(amax, fabsf(x[i]));
        /* a subnormal scale has few bits of its own: half of its last place, 127 times */
        double slack = 127 * 0x1p-150 + (double)scale * 127 * 0x1p-23;
        for (int i = 0; i < N && scale > 0; i++)
            ck_assert_msg(fabs((double)x[i] - (double)y[i]) <= 0.5 * (double)scale + slack,
                          "2^%d: %g became %g, scale %g", e, (double)x[i], (double)y[i], (double)scale);
        ck_assert_int_eq(bb_quantize_rows(t, y, 1, N, NULL, again), BB_OK);
        ck_assert_int_eq(bb_dequantize_rows(t, again, 1, N, z), BB_OK);
        if (amax > 0x1p-100f)
            for (int i = 0; i < N; i++) ck_assert_int_eq(row[4 + i], again[4 + i]);
    }
}
END_TEST

START_TEST(int8_never_casts_what_it_cannot_hold) {
    const bb_dtype *t = bb_dtype_find("int8", NULL);
    float x[4] = {(float)NAN, (float)INFINITY, -(float)INFINITY, 2};
    unsigned char row[8];
    ck_assert_int_eq(bb_quantize_rows(t, x, 1, 4, NULL, row), BB_OK);
    static const signed char want[] = {0, 127, -127, 127};
    ck_assert_mem_eq(row + 4, want, 4);
    float zeros[4] = {0, -0.0f, 0, 0}, back[4];
    ck_assert_int_eq(bb_quantize_rows(t, zeros, 1, 4, NULL, row), BB_OK);
    ck_assert_int_eq(bb_dequantize_rows(t, row, 1, 4, back), BB_OK);
    for (int i = 0; i < 4; i++) ck_assert_double_eq((double)back[i], 0);
}
END_TEST

START_TEST(refusals) {
    float x[40] = {0};
    unsigned char out[200];
    ck_assert_int_eq(bb_quantize_rows(bb_dtype_find("q4_0", NULL), x, 1, 40, NULL, out), BB_E_ARG);
    ck_assert_int_eq(bb_quantize_rows(bb_dtype_find("iq3_s", NULL), x, 1, 256, NULL, out), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_quantize_rows(bb_dtype_find("f32", NULL), x, SIZE_MAX / 2, 8, NULL, out), BB_E_OVERFLOW);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("quant");
    TCase *t = tcase_create("quant");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, ggml_bytes);
    tcase_add_test(t, ggml_bytes_in_every_rounding_mode);
    tcase_add_test(t, int8_rows);
    tcase_add_test(t, int8_never_casts_what_it_cannot_hold);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
