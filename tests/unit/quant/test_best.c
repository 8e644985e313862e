/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_best.c - the wider search: lower than ggml's by what is promised, never above it, and the least there is. */
#include "base/random.h"
#include "format/half.h"
#include "harness.h"
#include "quant/quant.h"
#include <math.h>
#include <string.h>

enum { TYPES = 18, ROWS = 16, COLS = 1024, N = ROWS * COLS };

static const char *const types[TYPES] = {"q4_0",   "q4_1",  "q5_0",  "q5_1",  "q8_0",  "q2_K",
                                         "q3_K",   "q4_K",  "q5_K",  "q6_K",  "q2_0",  "iq4_nl",
                                         "iq4_xs", "mxfp4", "nvfp4", "tq1_0", "tq2_0", "q1_0"};

static double normal(uint64_t seed, uint64_t i) {
    return sqrt(-2 * log(bb_random_unit(seed, 2 * i))) * cos(2 * acos(-1) * bb_random_unit(seed, 2 * i + 1));
}

/* Student's t with four degrees of freedom. */
static double heavy(uint64_t seed, uint64_t i) {
    double sum = 0;
    for (uint64_t k = 1; k <= 4; k++) sum += pow(normal(seed + k, i), 2);
    return normal(seed, i) / sqrt(sum / 4);
}

static const bb_dtype *type_of(const char *name) { return bb_dtype_find(name, NULL); }

static double error_of(const float *x, const float *y, const float *w, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (w ? (double)w[i] : 1) * pow((double)x[i] - (double)y[i], 2);
    return sum;
}

static unsigned char data[N * 2];
static float back[N];

/* The error of each row under a search. */
static void row_errors(const char *type, const float *x, const float *importance, bb_search search, double *error) {
    bb_quant_opts opts = {.search = search};
    ck_assert_int_eq(bb_quantize_rows_as(type_of(type), x, ROWS, COLS, importance, &opts, data), BB_OK);
    ck_assert_int_eq(bb_dequantize_rows(type_of(type), data, ROWS, COLS, back), BB_OK);
    for (size_t r = 0; r < ROWS; r++) error[r] = error_of(x + r * COLS, back + r * COLS, importance, COLS);
}

/* RMSE of the best search over that of ggml's, all rows together; no row is above ggml's. Sums of blocks, each lower
 * exactly, may round. */
static double ratio(const char *type, const float *x, const float *importance) {
    double best[ROWS], ggml[ROWS], a = 0, b = 0;
    row_errors(type, x, importance, BB_SEARCH_GGML, ggml);
    row_errors(type, x, importance, BB_SEARCH_BEST, best);
    for (size_t r = 0; r < ROWS; r++) {
        ck_assert_msg(!isnan(best[r]), "%s, row %zu: not a number", type, r);
        ck_assert_msg(isnan(ggml[r]) || best[r] <= ggml[r] * (1 + 1e-12), "%s, row %zu: %g, ggml's is %g", type, r,
                      best[r], ggml[r]);
        a += best[r];
        b += ggml[r];
    }
    return sqrt(a / b);
}

static void fill(float *x, double (*number)(uint64_t, uint64_t), uint64_t seed) {
    for (uint64_t i = 0; i < N; i++) x[i] = (float)(0.03 * number(seed, i));
}

static void fill_importance(float *w) {
    for (uint64_t i = 0; i < COLS; i++) w[i] = (float)exp(1.5 * normal(500, i));
}

/* Of a block of 32 the least error that any finite fp16 scale gives: all of them, tried one by one. */
static double least_error(const float *x, const float *w, float lo, float hi) {
    double least = error_of(x, (float[32]){0}, w, 32);
    for (unsigned h = 1; h < 0x7C00; h++)
        for (int side = -1; side <= 1; side += 2) {
            float d = (float)side * bb_f16_to_f32((uint16_t)h);
            double e = 0;
            for (size_t i = 0; i < 32 && e < least; i++) {
                float l = fminf(fmaxf(rintf(x[i] / d), lo), hi), r = x[i] - d * l;
                e += (w ? (double)w[i] : 1) * (double)r * (double)r;
            }
            least = e < least ? e : least;
        }
    return least;
}

/* Blocks of normal and heavy-tailed values in turn. `slack`: the search tries steps of the scale, and of 8-bit codes
 * the best ones may last for less than a step. */
static void check_least(const char *type, float lo, float hi, const float *w, double each, double all) {
    enum { BLOCKS = 24 };
    float x[32 * BLOCKS], y[32 * BLOCKS];
    double sum = 0, least_sum = 0;
    bb_quant_opts opts = {.search = BB_SEARCH_BEST};
    for (uint64_t i = 0; i < 32 * BLOCKS; i++) x[i] = (float)(i / 32 % 2 ? heavy(9, i) : normal(9, i));
    bb_quantize_rows_as(type_of(type), x, 1, 32 * BLOCKS, w, &opts, data);
    bb_dequantize_rows(type_of(type), data, 1, 32 * BLOCKS, y);
    for (size_t b = 0; b < BLOCKS; b++) {
        const float *wb = w ? w + 32 * b : NULL;
        double got = error_of(x + 32 * b, y + 32 * b, wb, 32), least = least_error(x + 32 * b, wb, lo, hi);
        ck_assert_msg(got <= least * (1 + each), "%s, block %zu: %g, the least is %g", type, b, got, least);
        sum += got;
        least_sum += least;
    }
    ck_assert_msg(sum <= least_sum * (1 + all), "%s: %g, the least is %g", type, sum, least_sum);
}

START_TEST(the_least_of_all_fp16_scales) {
    float w[COLS];
    fill_importance(w);
    check_least("q4_0", -8, 7, NULL, 0.005, 1e-4);
    check_least("q5_0", -16, 15, NULL, 0.005, 1e-4);
    check_least("q8_0", -128, 127, NULL, 0.05, 0.001);
    check_least("q4_0", -8, 7, w, 0.01, 0.001);
    check_least("q5_0", -16, 15, w, 0.01, 0.001);
    check_least("q8_0", -128, 127, w, 0.05, 0.005);
}
END_TEST

/* t4: what the least error of each block, which the test above compares with, leaves to be had. */
START_TEST(lower_than_ggml) {
    static const struct {
        const char *type;
        double normal, t4, normal_weighted, t4_weighted;
    } most[] = {
        {"q4_0", 0.95, 0.97, 0.96, 0.96},      {"q5_0", 0.95, 0.975, 0.955, 0.96},   {"q8_0", 0.88, 0.91, 0.75, 0.80},
        {"q4_1", 0.89, 0.90, 0.96, 0.96},      {"q5_1", 0.89, 0.90, 0.96, 0.96},     {"q2_K", 0.89, 0.85, 0.94, 0.91},
        {"q3_K", 0.96, 0.96, 0.97, 0.96},      {"q4_K", 0.975, 0.975, 0.955, 0.945}, {"q5_K", 0.95, 0.945, 0.92, 0.90},
        {"q6_K", 0.93, 0.945, 0.88, 0.91},     {"iq4_nl", 0.97, 0.97, 0.94, 0.96},   {"iq4_xs", 0.97, 0.97, 0.94, 0.95},
        {"mxfp4", 0.985, 0.985, 0.975, 0.985}, {"nvfp4", 0.96, 0.96, 0.81, 0.81},    {"tq1_0", 0.6, 0.7, 0.6, 0.7},
        {"q2_0", 0.55, 0.65, 0.5, 0.55},
    };
    static float x[2][N];
    float w[COLS];
    fill(x[0], normal, 1);
    fill(x[1], heavy, 2);
    fill_importance(w);
    for (size_t t = 0; t < sizeof most / sizeof *most; t++) {
        double got[4], want[4] = {most[t].normal, most[t].t4, most[t].normal_weighted, most[t].t4_weighted};
        for (size_t k = 0; k < 4; k++) {
            got[k] = ratio(most[t].type, x[k % 2], k < 2 ? NULL : w);
            ck_assert_msg(got[k] <= want[k], "%s, case %zu: %.4f of ggml's error, not %.4f", most[t].type, k, got[k],
                          want[k]);
        }
    }
}
END_TEST

/* One kind of values a row. */
static float edge(size_t row, size_t i) {
    double z = normal(40 + row, i);
    uint64_t u = bb_random_u64(70 + row, i);
    switch (row) {
    case 0:
        return 0;
    case 1:
        return i / 256 % 2 ? -3.7f : 3.7f;
    case 2:
        return (float)(z * 1e-38);
    case 3:
        return (float)(z * 1e-42);
    case 4:
        return (float)(z * 5e37);
    case 5:
        return (float)(z * 3e5); /* scales near the end of fp16 */
    case 6:
        return i % 256 == 77 ? 1e4f : (float)z;
    case 7:
        return i % 256 == 77 ? -1e30f : (float)z;
    case 8:
        return (float)(int)(u % 16) - 8;
    case 9:
        return u % 3 ? 0 : 0.25f;
    case 10:
        return (float)fabs(z);
    case 11:
        return -1 - (float)fabs(z);
    case 12:
        return 5 + 0.01f * (float)z;
    case 13:
        return ldexpf(u & 1 ? -1 : 1, (int)(u % 40) - 30);
    case 14:
        return i % 32 == 5 ? 1 : 0;
    default:
        return (float)(z * 2e-8); /* scales among the subnormals of fp16 */
    }
}

START_TEST(never_above_ggml) {
    static float x[N];
    float w[3][COLS];
    for (size_t i = 0; i < N; i++) x[i] = edge(i / COLS, i % COLS);
    fill_importance(w[0]);
    for (size_t i = 0; i < COLS; i++) {
        w[1][i] = i % 3 || i / 256 == 1 ? 0 : w[0][i];               /* none in some channels, nor in all of a block */
        w[2][i] = ldexpf(1, (int)(bb_random_u64(8, i) % 200) - 100); /* everywhere */
    }
    for (size_t t = 0; t < TYPES; t++) {
        ratio(types[t], x, NULL);
        for (size_t k = 0; k < 3; k++) ratio(types[t], x, w[k]);
    }
}
END_TEST

/* Where ggml's own search with importance of zero writes a block of zeros. */
START_TEST(channels_without_importance_survive) {
    static float x[N];
    float w[COLS], ones[COLS];
    fill(x, normal, 3);
    fill_importance(w);
    for (size_t i = 0; i < COLS; i++) ones[i] = 1;
    for (size_t i = 256; i < 512; i++) w[i] = 0;
    for (size_t i = 700; i < 716; i++) w[i] = 0;
    bb_quant_opts opts = {.search = BB_SEARCH_BEST};
    for (size_t t = 0; t < TYPES; t++) {
        bb_quantize_rows_as(type_of(types[t]), x, ROWS, COLS, ones, &opts, data);
        bb_dequantize_rows(type_of(types[t]), data, ROWS, COLS, back);
        double whole = error_of(x, back, NULL, N) / N;
        bb_quantize_rows_as(type_of(types[t]), x, ROWS, COLS, w, &opts, data);
        bb_dequantize_rows(type_of(types[t]), data, ROWS, COLS, back);
        double lost = 0, had = 0;
        for (size_t r = 0; r < ROWS; r++) {
            const float *a = x + r * COLS, *b = back + r * COLS;
            ck_assert_msg(error_of(a + 256, b + 256, NULL, 256) / 256 < 1.5 * whole, "%s, row %zu", types[t], r);
            lost += error_of(a + 700, b + 700, NULL, 16);
            had += error_of(a + 700, (float[16]){0}, NULL, 16);
        }
        ck_assert_msg(lost < 0.5 * had, "%s: %g of %g", types[t], lost, had);
    }
}
END_TEST

/* The same bytes in every ISA and whichever rows come together; ggml's bytes of blocks with NaN or infinity. */
START_TEST(same_bytes) {
    static float x[N];
    static unsigned char got[N * 2], ggml[N * 2];
    float w[COLS];
    for (size_t i = 0; i < N; i++) x[i] = i / COLS < 5 ? (float)heavy(6, i) : edge(i / COLS, i % COLS);
    fill_importance(w);
    for (size_t k = 0; k < 2 * TYPES; k++) {
        const bb_dtype *type = type_of(types[k / 2]);
        size_t blocks = N / type->block, bytes = blocks * type->block_bytes, row = bytes / ROWS;
        const float *importance = k % 2 ? w : NULL;
        bb_quant_opts opts = {.isa = BB_ISA_SCALAR, .search = BB_SEARCH_BEST};
        for (int odd = 0; odd < 2; odd++) {
            x[3 * COLS + 300] = odd ? (float)NAN : 1;
            x[4 * COLS + 900] = odd ? (float)INFINITY : 1;
            ck_assert_int_eq(bb_quantize_rows_as(type, x, ROWS, COLS, importance, &opts, data), BB_OK);
            for (bb_isa isa = BB_ISA_AVX2; isa <= BB_ISA_AVX512; isa++) {
                bb_quant_opts wide = {.isa = isa, .search = BB_SEARCH_BEST};
                for (size_t r = 0; r < ROWS; r += 3)
                    bb_quantize_rows_as(type, x + r * COLS, r + 3 < ROWS ? 3 : ROWS - r, COLS, importance, &wide,
                                        got + r * row);
                ck_assert_msg(memcmp(got, data, bytes) == 0, "%s, %s", types[k / 2], bb_isa_name(isa));
            }
        }
        bb_quantize_rows(type, x, ROWS, COLS, importance, ggml);
        for (size_t i = 3 * COLS + 300; i < 5 * COLS; i += COLS + 600) {
            size_t at = i / type->block * type->block_bytes;
            ck_assert_mem_eq(data + at, ggml + at, type->block_bytes);
        }
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("best");
    TCase *t = tcase_create("best");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, the_least_of_all_fp16_scales);
    tcase_add_test(t, lower_than_ggml);
    tcase_add_test(t, never_above_ggml);
    tcase_add_test(t, channels_without_importance_survive);
    tcase_add_test(t, same_bytes);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
