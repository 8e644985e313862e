/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_plain.c - the plain blocks in every ISA: ggml's golden bytes and values, and its bytes of NaN, ties and limits.
 */
#include "base/random.h"
#include "base/source.h"
#include "harness.h"
#include "quant/quant.h"
#include <math.h>
#include <string.h>

enum { ROWS = 12, COLS = 512, TYPES = 13, KINDS = 6, N = 16 * 4096 };

static const char *const types[TYPES] = {"f16",  "bf16", "q8_0",  "q4_0",  "q4_1",  "q5_0", "q5_1",
                                         "q1_0", "q2_0", "tq1_0", "tq2_0", "mxfp4", "nvfp4"};

static void *load(const char *type, const char *suffix, size_t *n) {
    char path[128], *text = NULL;
    bb_error err = {0};
    snprintf(path, sizeof path, TEST_DATA("ggml/%s%s"), type, suffix);
    ck_assert_msg(bb_source_slurp(path, 1 << 20, &text, n, &err) == BB_OK, "%s", err.text);
    return text;
}

static void check_bytes(const char *type, bb_isa isa, const float *x, const float *importance) {
    size_t n;
    unsigned char *want = load(type, importance ? ".imat.bin" : ".bin", &n), *got = malloc(n);
    bb_quant_opts opts = {.isa = isa, .search = BB_SEARCH_GGML};
    ck_assert_int_eq(bb_quantize_rows_as(bb_dtype_find(type, NULL), x, ROWS, COLS, importance, &opts, got), BB_OK);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(got[i] == want[i], "%s, %s: byte %zu is %02x, ggml's is %02x", type, bb_isa_name(isa), i, got[i],
                      want[i]);
    free(want);
    free(got);
}

static void check_values(const char *type, bb_isa isa) {
    size_t n, m;
    unsigned char *data = load(type, ".bin", &n);
    float *want = load(type, ".deq.f32", &m), *got = malloc(m);
    ck_assert_uint_eq(m, sizeof(float) * ROWS * COLS);
    ck_assert_int_eq(bb_dequantize_rows_as(bb_dtype_find(type, NULL), data, ROWS, COLS, isa, got), BB_OK);
    ck_assert_msg(memcmp(want, got, m) == 0, "%s, %s: values differ", type, bb_isa_name(isa));
    free(data);
    free(want);
    free(got);
}

START_TEST(golden) {
    size_t n, m;
    float *x = load("in_12x512", ".f32", &n), *importance = load("imatrix_512", ".f32", &m);
    for (bb_isa isa = BB_ISA_SCALAR; isa <= BB_ISA_AVX512; isa++) {
        if (!bb_isa_runs(isa)) continue;
        for (int t = 0; t < TYPES; t++) {
            check_bytes(types[t], isa, x, NULL);
            check_values(types[t], isa);
        }
        for (int t = 3; t < 7; t++) check_bytes(types[t], isa, x, importance);
    }
    free(x);
    free(importance);
}
END_TEST

static float float_of(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* Element i of a kind, by exact arithmetic alone: the same on every machine. */
static float element(int kind, uint64_t i) {
    uint64_t u = bb_random_u64(31 + (uint64_t)kind, i), block = bb_random_u64(77 + (uint64_t)kind, i / 256);
    int exponent = (int)(block % 240) - 120;
    float unit = (float)(u >> 40) * 0x1p-23f - 1; /* -1 to 1 in steps of 2^-23 */
    switch (kind) {
    case 0: /* every bit pattern: all exponents, NaN, infinities */
        return float_of((uint32_t)u);
    case 1: /* one scale a block; now and then NaN or infinity */
        if (u % 211 == 0) return float_of((u & 512 ? 0xFFC00000 : 0x7FC00000) | (uint32_t)(u >> 20 & 0xFFFF));
        if (u % 499 == 0) return u & 512 ? (float)INFINITY : -(float)INFINITY;
        return ldexpf(unit, exponent);
    case 2: /* ties of every type, both zeros, constant runs */
        if (block % 8 == 0) return block & 64 ? -0.0f : ldexpf(1, exponent / 4);
        if (block % 8 == 1) return u & 1 ? -0.0f : 0.0f;
        return ldexpf((float)(u % 65) - 32, exponent / 8 - 2);
    case 3: /* ties of q8_0: halves and what is just below a half, and in each block one +-127 */
        if (u % 17 == 0) return 0x1.fffffep-2f;
        return i % 32 == block % 32 ? (u & 1 ? 127.0f : -127.0f) : 0.5f * (float)(u % 509) - 127;
    case 4: /* just below powers of two, where log2f rounds up */
        return ldexpf(u & 1 ? -1.0f : 1.0f, exponent) * (1 - (float)(block >> 32 & 63) * 0x1p-24f) *
               (u >> 8 & 3 ? 0.25f : 1.0f);
    default: /* heavy tails: most small, few large */
        return unit * unit * unit * unit * unit * unit * unit * ldexpf(1, exponent / 6);
    }
}

static uint64_t fnv(const unsigned char *p, size_t n) {
    uint64_t h = 0xCBF29CE484222325;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001B3;
    return h;
}

/* FNV-1a of the blocks that ggml 0.25.1's own library gives for the elements above. */
static const uint64_t ggml_hashes[KINDS][TYPES] = {
    {0x937A4299DF58BED6, 0xA924DB3E1E2BE183, 0x01D73677034A910B, 0x1A02489FB47D0F3A, 0x6A9AB8D07B72704F,
     0xFA6B0388C0A2D163, 0x19A59D8E63EDD44C, 0xC3E840E88B168350, 0xAA14D1B407428F8F, 0x8B41B232EB32826E,
     0x72DF6323BCA7404E, 0xDA2E323AAB9937E5, 0x1322CF1269991BAB},
    {0xF427FD533E854305, 0x7704A9530B448A5F, 0xD7B0679D945B527B, 0xD77A885B8869E4B2, 0x89E86347775DC870,
     0xE83265C19BE547DB, 0x4AC6A33F1D11FE10, 0xAEDE40062209C17E, 0xA9FC96D7192BE6F8, 0xFFF21772336581D1,
     0x86D7C352C972A941, 0xC9D592C195A887DC, 0x6390FBE363595EFB},
    {0xADF366E2BA46AF2B, 0xDFB5F7CDB19D09CD, 0xF4AB171459014E4A, 0xBDFFFF367729001C, 0x938FC33E14DC83D6,
     0xD97D4641D5EBD9A1, 0xC02E07DAA2EAECFF, 0x914F5F09FB131A47, 0x198F1C6798F6ACD6, 0x633CE236188D9630,
     0xA07CD4FBD31E5D7D, 0x0EF94EF39418CDAB, 0x67AC7E83C46AF1B2},
    {0x645BAA299E5234DB, 0xE531EAE65B60EE72, 0x6163E6E0FC7C81E6, 0x7C5B3A1E6E04666D, 0x3277817F3AF8D796,
     0xD2332139AA90B233, 0x1F076628D8FBDAB8, 0x816F8001B1BE8096, 0x44E990566291957C, 0x1E1D2E182ED1497F,
     0xFC85F59C1F4B2023, 0xAF174A337A2B9FB7, 0xEC8CF770BE4615B4},
    {0xD42597BA1B80B040, 0xC355C31908C54BBD, 0xC1BDE2B12B16D207, 0x414B63B809E2B540, 0xC5A3FB9C793D489B,
     0xFF4418DEB23C3EB1, 0xD4A3D9394207AF63, 0x45BC20F6E341241C, 0xE3CC11C14D8BB918, 0xD92E4DB8B302519D,
     0xE810C5585A11F40D, 0x82B6A0C1EA8465E4, 0x6C80EBB9D901F939},
    {0x9E3BB061C7B597B0, 0xE94BE1C3DA471E03, 0xC20747A5BC321769, 0x3A609B4DA3EC9287, 0xBEE0215B650A6998,
     0x3B8EEE10A05BA4A9, 0xD0EC11F78EFA3188, 0x8DACCB08C175CD0E, 0x3DD1C65257265186, 0x98D36181280C04E6,
     0x5A337556CBF34113, 0x9A663322EF2BBF0D, 0x263BB4BD37AE21B9},
};

START_TEST(bytes_of_rare_values) {
    float *x = malloc(sizeof(float) * N), *back = malloc(sizeof(float) * N), *again = malloc(sizeof(float) * N);
    unsigned char *data = malloc(sizeof(float) * N);
    for (int kind = 0; kind < KINDS; kind++) {
        for (uint64_t i = 0; i < N; i++) x[i] = element(kind, i);
        for (int t = 0; t < TYPES; t++) {
            const bb_dtype *type = bb_dtype_find(types[t], NULL);
            uint64_t bytes;
            ck_assert_int_eq(bb_dtype_row_bytes(type, N, &bytes), BB_OK);
            for (bb_isa isa = BB_ISA_SCALAR; isa <= BB_ISA_AVX512; isa++) {
                bb_quant_opts opts = {.isa = isa, .search = BB_SEARCH_GGML};
                if (!bb_isa_runs(isa)) continue;
                ck_assert_int_eq(bb_quantize_rows_as(type, x, 16, N / 16, NULL, &opts, data), BB_OK);
                ck_assert_msg(fnv(data, bytes) == ggml_hashes[kind][t], "%s, kind %d, %s: %016llx", types[t], kind,
                              bb_isa_name(isa), (unsigned long long)fnv(data, bytes));
                float *values = isa == BB_ISA_SCALAR ? back : again;
                ck_assert_int_eq(bb_dequantize_rows_as(type, data, 16, N / 16, isa, values), BB_OK);
                ck_assert_msg(memcmp(back, values, sizeof(float) * N) == 0, "%s: values of %s", types[t],
                              bb_isa_name(isa));
            }
        }
    }
    free(x);
    free(back);
    free(again);
    free(data);
}
END_TEST

/* Bytes that no encoder gives: every scale, every code. Which of two NaN survives an addition is left to the compiler.
 */
START_TEST(values_of_any_bytes) {
    enum { BYTES = 176 * 90 };
    static unsigned char data[BYTES];
    for (uint64_t i = 0; i < BYTES; i++) data[i] = (unsigned char)bb_random_u64(4, i);
    for (int t = 0; t < TYPES; t++) {
        const bb_dtype *type = bb_dtype_find(types[t], NULL);
        size_t cols = BYTES / type->block_bytes * type->block;
        float *want = malloc(sizeof(float) * cols), *got = malloc(sizeof(float) * cols);
        ck_assert_int_eq(bb_dequantize_rows_as(type, data, 1, cols, BB_ISA_SCALAR, want), BB_OK);
        for (bb_isa isa = BB_ISA_AVX2; isa <= BB_ISA_AVX512; isa++) {
            ck_assert_int_eq(bb_dequantize_rows_as(type, data, 1, cols, isa, got), BB_OK);
            for (size_t i = 0; i < cols; i++)
                ck_assert_msg(memcmp(&want[i], &got[i], 4) == 0 || (isnan(want[i]) && isnan(got[i])),
                              "%s, %s: element %zu is %a, not %a", types[t], bb_isa_name(isa), i, (double)got[i],
                              (double)want[i]);
        }
        free(want);
        free(got);
    }
}
END_TEST

/* Values at the bounds between products, one and two places beside them, under every scale of nvfp4 and some of mxfp4:
 * vector code compares with bounds, the reference with all products. */
START_TEST(bounds_of_fp4) {
    static const float bounds[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
    const bb_dtype *nvfp4 = bb_dtype_find("nvfp4", NULL), *mxfp4 = bb_dtype_find("mxfp4", NULL);
    float x[64];
    unsigned char want[36], got[36];
    for (int code = 1; code < 0x7F; code++) {
        float half = code < 8 ? ldexpf((float)code, -10) : ldexpf((float)(8 + code % 8), code / 8 - 11);
        for (int place = -2; place <= 2; place++) {
            for (int i = 0; i < 64; i++) {
                x[i] = bounds[i % 7] * half;
                for (int k = 0; k < abs(place); k++) x[i] = nextafterf(x[i], place < 0 ? 0 : INFINITY);
                if (i / 7 % 2) x[i] = -x[i];
                if (i % 16 == 15) x[i] = 12 * half;
            }
            for (bb_isa isa = BB_ISA_AVX2; isa <= BB_ISA_AVX512; isa++) {
                bb_quant_opts scalar = {.isa = BB_ISA_SCALAR}, wide = {.isa = isa};
                bb_quantize_rows_as(nvfp4, x, 1, 64, NULL, &scalar, want);
                bb_quantize_rows_as(nvfp4, x, 1, 64, NULL, &wide, got);
                ck_assert_mem_eq(got, want, 36);
                bb_quantize_rows_as(mxfp4, x, 1, 64, NULL, &scalar, want);
                bb_quantize_rows_as(mxfp4, x, 1, 64, NULL, &wide, got);
                ck_assert_mem_eq(got, want, 34);
            }
        }
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("plain");
    TCase *t = tcase_create("plain");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, golden);
    tcase_add_test(t, bytes_of_rare_values);
    tcase_add_test(t, values_of_any_bytes);
    tcase_add_test(t, bounds_of_fp4);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
