/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_search.c - k-quants, iq4 and importance: ggml's bytes, the same for every ISA whatever the data. */
#include "base/random.h"
#include "base/source.h"
#include "harness.h"
#include "quant/codecs.h"
#include "quant/lanes_scalar.h"
#include "quant/quant.h"
#include "quant/search.h"

static const bb_isa isas[] = {BB_ISA_SCALAR, BB_ISA_AVX2, BB_ISA_AVX512};
enum { ISAS = 3 };
static const char *const types[] = {"q2_K", "q3_K", "q4_K", "q5_K", "q6_K", "iq4_nl", "iq4_xs"};
enum { TYPES = sizeof types / sizeof *types };

/* The encoders with importance of the types that do without lanes otherwise. */
static const struct {
    const char *type;
    size_t bytes; /* of a block of 32 */
    bb_encode_fn *encode[ISAS];
} weighted[] = {
#if BB_X86
#define WEIGHTED(t, n)                                                                                                 \
    {                                                                                                                  \
#t, n, { bb_##t##_encode_weighted, bb_##t##_encode_weighted_avx2, bb_##t##_encode_weighted_avx512 }            \
    }
#else
#define WEIGHTED(t, n)                                                                                                 \
    {                                                                                                                  \
#t, n, { bb_##t##_encode_weighted, NULL, NULL }                                                                \
    }
#endif
    WEIGHTED(q4_0, 18),
    WEIGHTED(q4_1, 20),
    WEIGHTED(q5_0, 22),
    WEIGHTED(q5_1, 24),
};
enum { WEIGHTED_TYPES = sizeof weighted / sizeof *weighted };

static bool runs(bb_isa isa) {
    if (bb_isa_runs(isa)) return true;
    fprintf(stderr, "# skipped: this processor has no %s\n", bb_isa_name(isa));
    return false;
}

static void *load(const char *type, const char *suffix) {
    char path[128], *text = NULL;
    size_t n;
    bb_error err = {0};
    snprintf(path, sizeof path, TEST_DATA("ggml/%s%s"), type, suffix);
    ck_assert_msg(bb_source_slurp(path, 1 << 20, &text, &n, &err) == BB_OK, "%s", err.text);
    return text;
}

static void encode(const char *type, const float *x, size_t rows, size_t cols, const float *w, bb_isa isa, void *out) {
    bb_quant_opts opts = {.isa = isa, .search = BB_SEARCH_GGML};
    ck_assert_int_eq(bb_quantize_rows_as(bb_dtype_find(type, NULL), x, rows, cols, w, &opts, out), BB_OK);
}

static void same_bytes(const char *what, bb_isa isa, const unsigned char *got, const unsigned char *want, size_t n) {
    if (memcmp(got, want, n) == 0) return;
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(got[i] == want[i], "%s, %s: byte %zu is %02x, not %02x", what, bb_isa_name(isa), i, got[i],
                      want[i]);
}

enum { ROWS = 12, COLS = 512 };

START_TEST(ggml_bytes) {
    static unsigned char got[4 * ROWS * COLS];
    static float values[ROWS * COLS];
    float *x = load("in_12x512.f32", ""), *w = load("imatrix_512.f32", "");
    for (size_t k = 0; k < ISAS; k++) {
        if (!runs(isas[k])) continue;
        for (size_t i = 0; i < TYPES; i++) {
            const bb_dtype *t = bb_dtype_find(types[i], NULL);
            size_t n = (size_t)ROWS * COLS / t->block * t->block_bytes;
            unsigned char *plain = load(types[i], ".bin"), *with = load(types[i], ".imat.bin");
            float *want = load(types[i], ".deq.f32");
            encode(types[i], x, ROWS, COLS, NULL, isas[k], got);
            same_bytes(types[i], isas[k], got, plain, n);
            encode(types[i], x, ROWS, COLS, w, isas[k], got);
            same_bytes(types[i], isas[k], got, with, n);
            ck_assert_int_eq(bb_dequantize_rows_as(t, plain, ROWS, COLS, isas[k], values), BB_OK);
            ck_assert_msg(memcmp(values, want, sizeof values) == 0, "%s %s: values", types[i], bb_isa_name(isas[k]));
            free(plain);
            free(with);
            free(want);
        }
        for (size_t i = 0; i < WEIGHTED_TYPES; i++) {
            unsigned char *with = load(weighted[i].type, ".imat.bin");
            weighted[i].encode[k](x, ROWS, COLS, w, got);
            same_bytes(weighted[i].type, isas[k], got, with, (size_t)ROWS * COLS / 32 * weighted[i].bytes);
            free(with);
        }
    }
    free(x);
    free(w);
}
END_TEST

/* ---- the same bytes for every ISA ---- */

static double normal(uint64_t seed, uint64_t i) {
    double u = bb_random_unit(seed, 2 * i), v = bb_random_unit(seed, 2 * i + 1);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

enum { NORMAL, HEAVY, MIXED, TINY, SMALL, HUGE_VALUES, CONSTANT, ZERO, SIGNED_ZERO, WITH_NAN, WITH_INF, LEVELS, KINDS };

static void fill(int kind, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double z = normal(7, i);
        uint64_t u = bb_random_u64(8, i);
        switch (kind) {
        case HEAVY:
            z = z * z * z;
            break;
        case MIXED:
            z = ldexp(z, (int)(u % 61) - 30);
            break;
        case TINY:
            z = ldexp(z, -140 - (int)(i / 16 % 10));
            break;
        case SMALL: /* about the limit of an all-zero block */
            z *= 1e-15;
            break;
        case HUGE_VALUES:
            z = ldexp(z, 124);
            break;
        case CONSTANT:
            z = i / 64 % 2 ? 0.7 : -0.7;
            break;
        case ZERO:
            z = i / 256 % 2 ? z : 0;
            break;
        case SIGNED_ZERO:
            z = u % 3 ? -0.0 : i / 128 % 2 ? 0 : z;
            break;
        case LEVELS:
            z = rint(z * 3);
            break;
        default:
            break;
        }
        x[i] = (float)z;
        if (kind == WITH_NAN && u % 40 == 0) x[i] = (float)NAN;
        if (kind == WITH_INF && u % 90 == 0) x[i] = u & 1024 ? (float)INFINITY : -(float)INFINITY;
    }
}

enum { NO_WEIGHTS, GOOD, ZERO_RUN, NAN_WEIGHTS, NEGATIVE, WEIGHTS };

static const float *fill_weights(int kind, float *w, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double z = normal(9, i);
        w[i] = (float)(z * z);
        if (kind == ZERO_RUN && (i / 256 == 1 || i % 5 == 0)) w[i] = 0;
        if (kind == NAN_WEIGHTS && i % 100 == 7) w[i] = (float)NAN;
        if (kind == NEGATIVE && i % 3 == 0) w[i] = -w[i];
    }
    return kind == NO_WEIGHTS ? NULL : w;
}

/* 21 super-blocks: neither 8 nor 16 lanes divide them. */
START_TEST(every_isa_gives_the_same_bytes) {
    enum { R = 7, C = 768 };
    static float x[R * C], w[C];
    static unsigned char want[4 * R * C], got[4 * R * C];
    for (int kind = 0; kind < KINDS; kind++) {
        fill(kind, x, (size_t)R * C);
        for (int weights = 0; weights < WEIGHTS; weights++) {
            const float *importance = fill_weights(weights, w, C);
            for (size_t i = 0; i < TYPES + WEIGHTED_TYPES; i++) {
                const char *type = i < TYPES ? types[i] : weighted[i - TYPES].type;
                bool plain = i < TYPES;
                size_t n = (size_t)R * C / bb_dtype_find(type, NULL)->block * bb_dtype_find(type, NULL)->block_bytes;
                if (!plain && !importance) continue;
                for (size_t k = 0; k < ISAS; k++) {
                    char what[64];
                    snprintf(what, sizeof what, "%s, data %d, weights %d", type, kind, weights);
                    if (!bb_isa_runs(isas[k])) continue;
                    unsigned char *out = k == 0 ? want : got;
                    memset(out, 0x5A, n + 1);
                    if (plain)
                        encode(type, x, R, C, importance, isas[k], out);
                    else
                        weighted[i - TYPES].encode[k](x, R, C, importance, out);
                    ck_assert_msg(out[n] == 0x5A, "%s writes past its end", what);
                    same_bytes(what, isas[k], out, want, n);
                }
            }
        }
    }
}
END_TEST

START_TEST(every_isa_gives_the_same_values) {
    enum { R = 3, C = 768 };
    static unsigned char data[4 * R * C];
    static float want[R * C], got[R * C];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)bb_random_u64(3, i);
    for (size_t i = 0; i < TYPES; i++) {
        const bb_dtype *t = bb_dtype_find(types[i], NULL);
        ck_assert_int_eq(bb_dequantize_rows_as(t, data, R, C, BB_ISA_SCALAR, want), BB_OK);
        for (size_t k = 1; k < ISAS; k++) {
            if (!bb_isa_runs(isas[k])) continue;
            ck_assert_int_eq(bb_dequantize_rows_as(t, data, R, C, isas[k], got), BB_OK);
            ck_assert_msg(memcmp(got, want, sizeof want) == 0, "%s, %s", types[i], bb_isa_name(isas[k]));
        }
    }
}
END_TEST

/* ---- the nearest value of iq4_nl ---- */

/* The rule itself: the interval by bisection, then the nearer end, the upper one where both are as near. */
static int nearest_by_rule(float v) {
    if (v <= iq4_values[0]) return 0;
    if (v >= iq4_values[15]) return 15;
    int low = 0, high = 15;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (v < iq4_values[middle])
            high = middle;
        else
            low = middle;
    }
    return v - iq4_values[high - 1] < iq4_values[high] - v ? high - 1 : high;
}

static void check_index(uint32_t bits) {
    float v;
    memcpy(&v, &bits, sizeof v);
    int got = iq4_index(iq4_bounds, v), want = nearest_by_rule(v);
    if (got != want) ck_abort_msg("%.9g: index %d, by the rule %d", (double)v, got, want);
}

/* Every fp32 number with BB_SLOW, else those about the bounds and one in 1009. */
START_TEST(iq4_bounds_are_the_rule) {
    const char *slow = getenv("BB_SLOW");
    for (uint64_t u = 0; u < 1ull << 32; u += slow && *slow ? 1 : 1009) check_index((uint32_t)u);
    for (size_t k = 0; k < 15; k++) {
        uint32_t bits;
        memcpy(&bits, &iq4_bounds[k], sizeof bits);
        for (uint32_t d = 0; d < 1 << 16; d++) {
            check_index(bits + d);
            check_index(bits - d);
        }
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("search");
    TCase *t = tcase_create("search");
    tcase_set_timeout(t, 600);
    tcase_add_test(t, ggml_bytes);
    tcase_add_test(t, every_isa_gives_the_same_bytes);
    tcase_add_test(t, every_isa_gives_the_same_values);
    tcase_add_test(t, iq4_bounds_are_the_rule);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
