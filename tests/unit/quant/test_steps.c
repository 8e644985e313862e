/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_steps.c - fp8, int4 and int8 rows against their references; gaps between the values of every type. */
#include "base/random.h"
#include "format/format.h"
#include "harness.h"
#include "quant/codec_int4.h"
#include "quant/codec_int8.h"
#include "quant/steps.h"
#include <math.h>
#include <string.h>

static const char *const fp8[] = {"e4m3fn", "e5m2"};

static float from_bits(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void check_fp8(const bb_dtype *t, const bb_format *f, const float *x, size_t n) {
    unsigned char got[4096];
    ck_assert_int_eq(bb_quantize_rows(t, x, 1, n, NULL, got), BB_OK);
    for (size_t i = 0; i < n; i++) {
        uint64_t want = 0;
        bb_encode_opts o = {.overflow = BB_OVERFLOW_SATURATE};
        bool done = bb_format_encode(f, (double)x[i], &o, &want, NULL) == BB_OK;
        bool nan = isnan(x[i]) && isnan(bb_format_decode(f, got[i]));
        if (!done || (!nan && got[i] != want))
            ck_abort_msg("%s %a: %02x, wanted %02x", t->name, (double)x[i], got[i], (unsigned)want);
    }
}

/* Around every value and tie of both formats, whose bits are among the high ones of a word, and seeded words; all the
 * neighbours with BB_SLOW. */
START_TEST(fp8_is_the_one_rounding) {
    enum { N = 4096 };
    static float x[N];
    const bb_dtype *t = bb_dtype_find(fp8[_i], NULL);
    const bb_format *f = bb_format_find(fp8[_i], NULL);
    static const uint32_t low[] = {0, 1, 0xFFFF, 0x7FFF, 0x8000, 0x8001};
    for (size_t k = 0; k < (getenv("BB_SLOW") ? sizeof low / sizeof *low : 3); k++)
        for (uint32_t high = 0; high < 0x10000; high += N) {
            for (uint32_t i = 0; i < N; i++) x[i] = from_bits((high + i) << 16 | low[k]);
            check_fp8(t, f, x, N);
        }
    for (uint64_t at = 0; at < (getenv("BB_SLOW") ? 1000000 : 100000); at += N) {
        for (uint64_t i = 0; i < N; i++) x[i] = from_bits((uint32_t)bb_random_u64(5, at + i));
        check_fp8(t, f, x, N);
    }
    unsigned char codes[256];
    float back[256];
    for (int i = 0; i < 256; i++) codes[i] = (unsigned char)i;
    ck_assert_int_eq(bb_dequantize_rows(t, codes, 1, 256, back), BB_OK);
    for (int i = 0; i < 256; i++) {
        double v = bb_format_decode(f, (uint64_t)i);
        ck_assert(isnan(v) ? isnan(back[i]) : (double)back[i] == v);
    }
}
END_TEST

START_TEST(int4_rows) {
    enum { ROWS = 3, COLS = 62 };
    const bb_dtype *t = bb_dtype_find("int4", NULL);
    float x[ROWS * COLS], y[ROWS * COLS], scale;
    unsigned char out[ROWS * (4 + COLS / 2)];
    for (int e = -140; e <= 110; e += 13) {
        for (int i = 0; i < ROWS * COLS; i++)
            x[i] = ldexpf((float)(bb_random_unit(1, (uint64_t)i) - 0.5), e + 5 * (i / COLS));
        ck_assert_int_eq(bb_quantize_rows(t, x, ROWS, COLS, NULL, out), BB_OK);
        ck_assert_int_eq(bb_dequantize_rows(t, out, ROWS, COLS, y), BB_OK);
        for (int i = 0; i < ROWS * COLS; i++) {
            memcpy(&scale, out + i / COLS * (4 + COLS / 2), sizeof scale);
            /* a subnormal scale has few bits of its own */
            ck_assert_double_le(fabs((double)x[i] - (double)y[i]), 0.5001 * (double)scale + 7 * 0x1p-149);
        }
    }
    static const float few[4] = {7, -7, 2.5f, -0.49f}; /* scale 1; a tie goes to even */
    static const unsigned char want[2] = {0x97, 0x02};
    ck_assert_int_eq(bb_quantize_rows(t, few, 1, 4, NULL, out), BB_OK);
    ck_assert_mem_eq(out + 4, want, 2);
    const float odd[4] = {(float)NAN, (float)INFINITY, -(float)INFINITY, 3};
    static const unsigned char ends[2] = {0x70, 0x79};
    ck_assert_int_eq(bb_quantize_rows(t, odd, 1, 4, NULL, out), BB_OK);
    ck_assert_mem_eq(out + 4, ends, 2);
    scale = 2;
    bb_int4_rows(few, 1, 4, &scale, out);
    ck_assert_int_eq(bb_dequantize_rows(t, out, 1, 4, y), BB_OK);
    static const float halves[4] = {8, -8, 2, 0};
    ck_assert_mem_eq(y, halves, sizeof halves);
}
END_TEST

/* The rows of the storage type have the codes of a checkpoint's int8, whatever the instructions. */
START_TEST(int8_rows_are_those_of_checkpoints) {
    enum { ROWS = 5, COLS = 75 };
    static const bb_isa isas[] = {BB_ISA_SCALAR, BB_ISA_AUTO};
    float x[ROWS * COLS], low, high;
    signed char want[COLS];
    unsigned char out[ROWS * (COLS + 4)];
    for (int i = 0; i < ROWS * COLS; i++) x[i] = (float)(bb_random_unit(2, (uint64_t)i) - 0.5) * (float)(1 + i / COLS);
    bb_int8_range(x, ROWS * COLS, BB_ISA_SCALAR, &low, &high);
    bb_int8_grid whole = bb_int8_symmetric(low, high);
    for (int tensor = 0; tensor < 2; tensor++)
        for (size_t k = 0; k < 2; k++) {
            bb_int8_rows(x, ROWS, COLS, tensor ? &whole : NULL, isas[k], out);
            for (int r = 0; r < ROWS; r++) {
                float scale;
                memcpy(&scale, out + r * (COLS + 4), sizeof scale);
                bb_int8_range(x + r * COLS, COLS, BB_ISA_SCALAR, &low, &high);
                bb_int8_grid grid = tensor ? whole : bb_int8_symmetric(low, high);
                bb_int8_put(x + r * COLS, COLS, grid, BB_ISA_SCALAR, want);
                ck_assert(scale == grid.scale);
                ck_assert_mem_eq(out + r * (COLS + 4) + 4, want, COLS);
            }
        }
}
END_TEST

/* ---- gaps ---- */

enum { ROWS = 4, COLS = 512 };

/* Of most weights, and nearly all of a type without a search, the error is within the half step; values of one
 * sub-block lie whole steps apart. */
START_TEST(errors_are_within_half_a_step) {
    static float x[ROWS * COLS], y[ROWS * COLS], half[ROWS * COLS];
    static unsigned char out[ROWS * COLS * 4];
    const bb_dtype *t = bb_dtype_at((size_t)_i);
    const bb_codec *codec = bb_codec_find(t, BB_ISA_AUTO);
    if (!codec || !codec->encode) return;
    for (int i = 0; i < ROWS * COLS; i++)
        x[i] = (float)(bb_random_unit(7, (uint64_t)i) + bb_random_unit(8, (uint64_t)i) - 1) * (float)(1 + i / COLS);
    ck_assert_int_eq(bb_quantize_rows(t, x, ROWS, COLS, NULL, out), BB_OK);
    ck_assert_int_eq(bb_dequantize_rows(t, out, ROWS, COLS, y), BB_OK);
    ck_assert_msg(bb_half_steps(t, out, ROWS, COLS, half) == BB_OK, "%s has no steps", t->name);
    int within = 0;
    for (int i = 0; i < ROWS * COLS; i++)
        within += fabs((double)x[i] - (double)y[i]) <= 1.002 * (double)half[i] + 0.001 * fabs((double)y[i]);
    /* signs alone, or three values, leave much beyond their ends */
    bool coarse = strcmp(t->name, "q1_0") == 0 || strcmp(t->name, "q2_K") == 0;
    ck_assert_msg(within >= ROWS * COLS * (coarse ? 0.7 : 0.95), "%s: %d of %d within", t->name, within, ROWS * COLS);
    bool even = t->block > 1 && !strstr("iq4_nl iq4_xs mxfp4 nvfp4 nf4 bnb_fp4", t->name);
    for (int i = 0; even && i + 1 < ROWS * COLS; i += 2) {
        double n = ((double)y[i] - (double)y[i + 1]) / (2 * (double)half[i]);
        ck_assert_msg(half[i] == half[i + 1] && fabs(n - rint(n)) < 0.01, "%s: %g steps apart", t->name, n);
    }
}
END_TEST

START_TEST(gaps_of_known_values) {
    float x[64], half[64];
    unsigned char out[64 * 4];
    static const float fp4[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6}, gaps[8] = {0.5f, 0.5f, 0.5f, 0.5f, 1, 1, 2, 2};
    for (int i = 0; i < 64; i++) x[i] = i / 8 % 2 ? -fp4[i % 8] : fp4[i % 8];
    const bb_dtype *t = bb_dtype_find("mxfp4", NULL);
    ck_assert_int_eq(bb_quantize_rows(t, x, 1, 64, NULL, out), BB_OK);
    ck_assert_int_eq(bb_half_steps(t, out, 1, 64, half), BB_OK);
    for (int i = 0; i < 64; i++) ck_assert(half[i] == 0.5f * gaps[i % 8]);
    static const float v[4] = {1, 1.9921875f, -0.0f, 0x1p-20f};
    static const float f16[4] = {0x1p-11f, 0x1p-11f, 0x1p-25f, 0x1p-25f};
    bb_half_ulps(v, 4, 10, -14, half);
    ck_assert_mem_eq(half, f16, sizeof f16);
    ck_assert_int_eq(bb_half_steps(bb_dtype_find("iq3_s", NULL), out, 1, 256, half), BB_E_UNSUPPORTED);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("quant");
    TCase *t = tcase_create("steps");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, fp8_is_the_one_rounding, 0, 2);
    tcase_add_test(t, int4_rows);
    tcase_add_test(t, int8_rows_are_those_of_checkpoints);
    tcase_add_loop_test(t, errors_are_within_half_a_step, 0, (int)bb_dtype_count());
    tcase_add_test(t, gaps_of_known_values);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
