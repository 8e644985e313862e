/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_bnb.c - bitsandbytes' bytes for every instruction set; int8 grids; published errors. */
#include "base/random.h"
#include "base/source.h"
#include "format/half.h"
#include "harness.h"
#include "quant/codec_bnb.h"
#include "quant/codec_int8.h"
#include "quant/quant.h"
#include "study/study_parts.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { ROWS = 64, COLS = 256, N = ROWS * COLS, EDGE = 265, BLOCKS = N / BB_BNB_BLOCK };
static const bb_isa isas[] = {BB_ISA_SCALAR, BB_ISA_AVX2, BB_ISA_AVX512};

static void *load(const char *name, size_t want) {
    char path[128], *text = NULL;
    size_t n;
    bb_error err = {0};
    snprintf(path, sizeof path, TEST_DATA("methods/%s"), name);
    ck_assert_msg(bb_source_slurp(path, 1 << 20, &text, &n, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(n, want);
    return text;
}

static float *small(void) {
    uint16_t *half = load("small.f16", 2 * N);
    float *x = malloc(N * sizeof *x);
    for (size_t i = 0; i < N; i++) x[i] = bb_f16_to_f32(half[i]);
    free(half);
    return x;
}

static void same(const char *name, const void *got, size_t n) {
    unsigned char *want = load(name, n);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(want[i] == ((const unsigned char *)got)[i], "%s: byte %zu is %02x, not %02x", name, i,
                      ((const unsigned char *)got)[i], want[i]);
    free(want);
}

START_TEST(small_bytes) {
    float *x = small(), absmax[BLOCKS];
    unsigned char packed[N / 2];
    bb_bnb_encode(BB_BNB_NF4, x, N, BB_BNB_BLOCK, isas[_i], packed, absmax);
    same("small.nf4", packed, sizeof packed);
    same("small.absmax.f32", absmax, sizeof absmax);
    bb_bnb_encode(BB_BNB_FP4, x, N, BB_BNB_BLOCK, isas[_i], packed, absmax);
    same("small.fp4", packed, sizeof packed);
    free(x);
}
END_TEST

START_TEST(edge_bytes) {
    static const char *const names[] = {"nf4", "fp4"};
    float *x = load("edge.f32", 4 * EDGE), absmax[5], back[EDGE];
    for (int kind = 0; kind < 2; kind++) {
        unsigned char packed[(EDGE + 1) / 2];
        char name[32];
        bb_bnb_encode((bb_bnb_kind)kind, x, EDGE, BB_BNB_BLOCK, isas[_i], packed, absmax);
        snprintf(name, sizeof name, "edge.%s", names[kind]);
        same(name, packed, sizeof packed);
        same("edge.absmax.f32", absmax, sizeof absmax);
        bb_bnb_decode((bb_bnb_kind)kind, packed, absmax, EDGE, BB_BNB_BLOCK, back);
        snprintf(name, sizeof name, "edge.%s.deq.f32", names[kind]);
        same(name, back, sizeof back);
    }
    free(x);
}
END_TEST

/* The blocks that the codec "nf4" keeps in rows, taken apart. */
START_TEST(rows_of_nf4) {
    enum { BYTES = 4 + BB_BNB_BLOCK / 2 };
    float *x = small(), absmax[BLOCKS], *back = malloc(N * sizeof *back), *want = malloc(N * sizeof *want);
    unsigned char rows[BLOCKS * BYTES], packed[N / 2];
    const bb_dtype *nf4 = bb_dtype_find("nf4", NULL);
    const bb_quant_opts opts = {.isa = isas[_i]};
    ck_assert_int_eq(bb_quantize_rows_as(nf4, x, ROWS, COLS, NULL, &opts, rows), BB_OK);
    for (size_t b = 0; b < BLOCKS; b++) {
        bb_f32_from_le_n(rows + b * BYTES, 1, &absmax[b]);
        memcpy(packed + b * BB_BNB_BLOCK / 2, rows + b * BYTES + 4, BB_BNB_BLOCK / 2);
    }
    same("small.nf4", packed, sizeof packed);
    same("small.absmax.f32", absmax, sizeof absmax);
    bb_bnb_decode(BB_BNB_NF4, packed, absmax, N, BB_BNB_BLOCK, want);
    ck_assert_int_eq(bb_dequantize_rows_as(nf4, rows, ROWS, COLS, isas[_i], back), BB_OK);
    ck_assert_mem_eq(back, want, N * sizeof *want);
    free(x);
    free(back);
    free(want);
}
END_TEST

START_TEST(double_quantization) {
    float map[256], *absmax = load("small.absmax.f32", BLOCKS * sizeof *absmax), nested[1], offset, back[BLOCKS];
    unsigned char codes[BLOCKS];
    bb_bnb_dynamic_map(map);
    same("dynamic_map.f32", map, sizeof map);
    bb_bnb_nest(absmax, BLOCKS, map, codes, nested, &offset);
    same("small.nested.u8", codes, sizeof codes);
    same("small.nested_absmax.f32", nested, sizeof nested);
    same("small.nested_offset.f32", &offset, sizeof offset);
    bb_bnb_unnest(codes, nested, offset, BLOCKS, map, back);
    same("small.nested.deq.f32", back, sizeof back);
    free(absmax);
}
END_TEST

/* The larger golden set, where it is. */
START_TEST(big_double_quantization) {
    enum { BIG = 2048, ABSMAX = 97232, CODES = 105424, NESTED = 107472, OFFSET = 107504, BACK = 107520 };
    char path[512], *text = NULL;
    size_t n;
    if (!shared_path("golden/methods/bnb/bnb.bin", path, sizeof path)) {
        skip_shared("golden/methods/bnb/bnb.bin");
        return;
    }
    ck_assert_int_eq(bb_source_slurp(path, 1 << 20, &text, &n, NULL), BB_OK);
    float map[256], absmax[BIG], nested[8], offset, back[BIG];
    unsigned char codes[BIG];
    memcpy(absmax, text + ABSMAX, sizeof absmax);
    bb_bnb_dynamic_map(map);
    bb_bnb_nest(absmax, BIG, map, codes, nested, &offset);
    bb_bnb_unnest(codes, nested, offset, BIG, map, back);
    ck_assert_mem_eq(codes, text + CODES, sizeof codes);
    ck_assert_mem_eq(nested, text + NESTED, sizeof nested);
    ck_assert_mem_eq(&offset, text + OFFSET, sizeof offset);
    ck_assert_mem_eq(back, text + BACK, sizeof back);
    free(text);
}
END_TEST

/* Every block length and every length of the last block: as the plain loops. */
START_TEST(isa_twins) {
    static const size_t blocks[] = {32, 64, 128, 256, 4096};
    enum { LONG = 9000 };
    float *x = malloc(LONG * sizeof *x), want_absmax[LONG / 32 + 1], absmax[LONG / 32 + 1];
    unsigned char want[LONG / 2 + 1], got[LONG / 2 + 1];
    signed char q[LONG], want_q[LONG];
    bb_study_gaussian(5, 0, x, LONG);
    for (size_t i = 0; i < LONG; i += 7) x[i] = ldexpf(x[i], (int)(i % 251) - 140);
    for (size_t n = LONG - 70; n <= LONG; n++) {
        size_t block = blocks[n % 5], count = (n + block - 1) / block;
        bb_bnb_kind kind = n % 2 ? BB_BNB_NF4 : BB_BNB_FP4;
        bb_bnb_encode(kind, x, n, block, BB_ISA_SCALAR, want, want_absmax);
        bb_bnb_encode(kind, x, n, block, isas[_i], got, absmax);
        ck_assert_mem_eq(want, got, (n + 1) / 2);
        ck_assert_mem_eq(want_absmax, absmax, count * sizeof *absmax);
        float low, high, l, h;
        bb_int8_range(x, n, BB_ISA_SCALAR, &low, &high);
        bb_int8_range(x, n, isas[_i], &l, &h);
        ck_assert(low == l && high == h);
        bb_int8_grid grid = n % 2 ? bb_int8_asymmetric(-3, 2) : bb_int8_symmetric(-3, 2);
        bb_int8_put(x, n, grid, BB_ISA_SCALAR, want_q);
        bb_int8_put(x, n, grid, isas[_i], q);
        ck_assert_mem_eq(want_q, q, n);
    }
    free(x);
}
END_TEST

START_TEST(llm_int8_rows) {
    float *x = small(), scb[ROWS], back[4];
    signed char *q = malloc(N), tiny_q[4];
    bb_int8_llm_put(x, ROWS, COLS, isas[_i], q, scb);
    same("small.llm_int8.i8", q, N);
    same("small.llm_int8_scb.f32", scb, sizeof scb);
    /* 127 / absmax is infinite here */
    const float tiny[4] = {0x1p-149f, -0x1p-148f, 0, 0x1p-147f};
    bb_int8_llm_put(tiny, 1, 4, isas[_i], tiny_q, scb);
    ck_assert_int_eq(tiny_q[0], 32);
    ck_assert_int_eq(tiny_q[3], 127);
    bb_int8_llm_get(tiny_q, scb, 1, 4, back);
    ck_assert(back[3] == tiny[3] && back[2] == 0);
    free(q);
    free(x);
}
END_TEST

START_TEST(int8_as_compressed_tensors) {
    float *x = small(), *scale = load("small.w8_channel_scale.f32", ROWS * sizeof *scale);
    signed char *q = malloc(N);
    for (size_t r = 0; r < ROWS; r++)
        bb_int8_put(x + r * COLS, COLS, (bb_int8_grid){scale[r], 0}, isas[_i], q + r * COLS);
    same("small.w8_channel.i8", q, N);
    free(q);
    free(scale);
    free(x);
}
END_TEST

/* Whatever the range: 0 is exact, the ends stay within half a step, -128 is not used by symmetric grids. */
START_TEST(int8_grids) {
    for (int e = -120; e <= 126; e++)
        for (int k = 0; k < 9; k++) {
            float low = -ldexpf((float)k / 4, e), high = ldexpf((float)(8 - k) / 4, e);
            float x[3] = {low, 0, high}, back[3];
            signed char q[3];
            for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
                bb_int8_grid g = asymmetric ? bb_int8_asymmetric(low, high) : bb_int8_symmetric(low, high);
                bb_int8_put(x, 3, g, BB_ISA_AUTO, q);
                bb_int8_get(q, 3, g, back);
                ck_assert(back[1] == 0);
                ck_assert_int_eq(q[1], g.zero);
                ck_assert(asymmetric || (g.zero == 0 && q[0] >= -127));
                for (int i = 0; i < 3; i += 2)
                    ck_assert_msg(fabs((double)back[i] - (double)x[i]) <= 0.501 * (double)g.scale,
                                  "%a became %a, scale %a", (double)x[i], (double)back[i], (double)g.scale);
            }
        }
    bb_int8_grid zero = bb_int8_symmetric(0, 0), none = bb_int8_asymmetric(0, 0);
    ck_assert(zero.scale == FLT_EPSILON && none.scale == FLT_EPSILON && none.zero == -128);
}
END_TEST

static double relative(const float *x, const float *y, size_t n) {
    double e = 0, r = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)y[i];
        e += d * d;
        r += (double)x[i] * (double)x[i];
    }
    return sqrt(e / r);
}

/* specs/methods.md 5.1: relative RMSE on N(0,1). */
START_TEST(known_errors) {
    enum { COUNT = 1 << 20, ROW = 4096 };
    static const double want[2] = {0.09196, 0.12194};
    float *x = malloc(COUNT * sizeof *x), *y = malloc(COUNT * sizeof *y), *absmax = malloc(COUNT / 16);
    unsigned char *packed = malloc(COUNT);
    bb_study_gaussian(1, 0, x, COUNT);
    for (int kind = 0; kind < 2; kind++) {
        bb_bnb_encode((bb_bnb_kind)kind, x, COUNT, BB_BNB_BLOCK, BB_ISA_AUTO, packed, absmax);
        bb_bnb_decode((bb_bnb_kind)kind, packed, absmax, COUNT, BB_BNB_BLOCK, y);
        double rel = relative(x, y, COUNT);
        ck_assert_msg(fabs(rel / want[kind] - 1) < 0.01, "relative error %.5f, not %.5f", rel, want[kind]);
    }
    signed char *q = (signed char *)packed;
    for (size_t at = 0; at < COUNT; at += ROW) {
        float low, high;
        bb_int8_range(x + at, ROW, BB_ISA_AUTO, &low, &high);
        bb_int8_grid g = bb_int8_symmetric(low, high);
        bb_int8_put(x + at, ROW, g, BB_ISA_AUTO, q + at);
        bb_int8_get(q + at, ROW, g, y + at);
    }
    double rel = relative(x, y, COUNT);
    ck_assert_msg(fabs(rel / 0.00868 - 1) < 0.01, "relative error %.5f", rel);
    free(x);
    free(y);
    free(absmax);
    free(packed);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("bnb");
    TCase *t = tcase_create("bnb");
    int n = sizeof isas / sizeof *isas;
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, small_bytes, 0, n);
    tcase_add_loop_test(t, edge_bytes, 0, n);
    tcase_add_loop_test(t, rows_of_nf4, 0, n);
    tcase_add_test(t, double_quantization);
    tcase_add_test(t, big_double_quantization);
    tcase_add_loop_test(t, isa_twins, 0, n);
    tcase_add_loop_test(t, llm_int8_rows, 0, n);
    tcase_add_loop_test(t, int8_as_compressed_tensors, 0, n);
    tcase_add_test(t, int8_grids);
    tcase_add_test(t, known_errors);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
