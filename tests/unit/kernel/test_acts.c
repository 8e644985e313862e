/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_acts.c - activations rounded to int8: within half a step, sums and starts of the codes, the same for every ISA.
 */
#include "base/random.h"
#include "harness.h"
#include "kernel/acts.h"
#include <float.h>
#include <math.h>
#include <string.h>

static const bb_act kinds[] = {BB_ACT_INT8_TOKEN, BB_ACT_INT8_32, BB_ACT_INT8_256};
enum { KINDS = 3, OFFSET = 128 };

static size_t group_of(const bb_acts *a) {
    return a->kind == BB_ACT_INT8_32 ? BB_ACT_BLOCK : a->kind == BB_ACT_INT8_256 ? BB_ACT_SUPER : a->in;
}
static size_t groups_of(const bb_acts *a) {
    return a->kind == BB_ACT_INT8_TOKEN ? 1 : a->blocks * BB_ACT_BLOCK / group_of(a);
}
static int code_at(const bb_acts *a, size_t t, size_t i) {
    return ((const signed char *)a->values)[(i / BB_ACT_BLOCK * a->tokens + t) * BB_ACT_BLOCK + i % BB_ACT_BLOCK];
}
static float scale_at(const bb_acts *a, size_t t, size_t i) { return a->scales[i / group_of(a) * a->tokens + t]; }

/* What a user's text or a broken file may hold, by number. */
enum { INPUTS = 12 };
static float input(unsigned kind, uint64_t seed, size_t i) {
    double u = bb_random_unit(seed, i), v = bb_random_unit(seed + 1, i);
    switch (kind) {
    case 0:
        return (float)(u - 0.5);
    case 1: /* ties: the first of a group is 127 */
        return (float)(i % BB_ACT_BLOCK == 0 ? 127 : floor(253 * u) - 126 + 0.5);
    case 2: /* around 2^-100, where the rule changes */
        return (float)((u - 0.5) * exp2(-104 + 8 * v));
    case 3: /* subnormal, and so small that a scale is 0 */
        return (float)((u - 0.5) * exp2(-149 + 12 * v));
    case 4:
        return (float)((u - 0.5) * 2 * (double)FLT_MAX);
    case 5:
        return v < 0.1 ? (float)(u - 0.5) : -0.0f;
    case 6:
        return v < 0.01 ? NAN : (float)(u - 0.5);
    case 7:
        return v < 0.01 ? -INFINITY : (float)(u - 0.5);
    case 8:
        return 0;
    case 9: /* one outlier */
        return i == 3 ? 1e6f : (float)(u - 0.5);
    case 10:
        return (float)((u - 0.5) * exp2(200 * v - 100));
    default: /* the largest magnitude is negative */
        return (float)(-u * u * u);
    }
}

static float *inputs(unsigned kind, uint64_t seed, size_t n) {
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = input(kind, seed, i);
    return x;
}

static const size_t shapes[][2] = {{1, 1}, {1, 17}, {3, 31}, {2, 33}, {9, 64}, {8, 250}, {17, 300}, {5, 1000}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void fill(bb_acts *a, bb_act kind, const float *x, const size_t *shape, bb_isa isa, bb_pool *pool) {
    ck_assert_int_eq(bb_acts_fill(a, kind, OFFSET, x, shape[0], shape[1], isa, pool), BB_OK);
}

/* The largest magnitude of the group that holds element i; false where it is not finite. */
static bool largest(const bb_acts *a, const float *x, size_t t, size_t i, float *amax) {
    size_t first = i / group_of(a) * group_of(a);
    *amax = 0;
    for (size_t k = first; k < first + group_of(a) && k < a->in; k++) {
        float v = fabsf(x[t * a->in + k]);
        if (!isfinite(v)) return false;
        *amax = v > *amax ? v : *amax;
    }
    return true;
}

START_TEST(half_a_step_at_most) {
    bb_acts a = {0};
    for (unsigned kind = 0; kind < INPUTS; kind++)
        for (size_t s = 0; s < SHAPES; s++) {
            float *x = inputs(kind, 7 * s, shapes[s][0] * shapes[s][1]);
            fill(&a, kinds[_i], x, shapes[s], BB_ISA_AUTO, NULL);
            for (size_t t = 0; t < a.tokens; t++)
                for (size_t i = 0; i < a.in; i++) {
                    float amax, d = scale_at(&a, t, i);
                    if (!largest(&a, x, t, i, &amax)) {
                        ck_assert_msg(isnan(d) && code_at(&a, t, i) == 0, "a group that is not finite");
                        continue;
                    }
                    /* the scale is rounded, below 2^-126 by up to 2^-150, which 127 steps add up */
                    double e = fabs((double)code_at(&a, t, i) * (double)d - (double)x[t * a.in + i]);
                    ck_assert_double_le(fabs((double)d - (double)amax / 127), (double)d * 0x1p-24 + 0x1p-150);
                    ck_assert_double_le(e, (double)d * (0.5 + 0x1p-14) + 127 * 0x1p-150);
                    ck_assert_int_ne(code_at(&a, t, i), -128);
                }
            free(x);
        }
    bb_acts_clear(&a);
}
END_TEST

START_TEST(beyond_the_row_are_zeros) {
    bb_acts a = {0};
    for (size_t s = 0; s < SHAPES; s++) {
        float *x = inputs(0, s, shapes[s][0] * shapes[s][1]);
        fill(&a, kinds[_i], x, shapes[s], BB_ISA_AUTO, NULL);
        ck_assert_uint_eq(a.blocks % (kinds[_i] == BB_ACT_INT8_256 ? 8 : 1), 0);
        for (size_t t = 0; t < a.tokens; t++)
            for (size_t i = a.in; i < a.blocks * BB_ACT_BLOCK; i++) ck_assert_int_eq(code_at(&a, t, i), 0);
        free(x);
    }
    bb_acts_clear(&a);
}
END_TEST

static int32_t sum_of(const bb_acts *a, size_t t, size_t first, size_t count) {
    int32_t sum = 0;
    for (size_t i = first; i < first + count; i++) sum += code_at(a, t, i);
    return sum;
}

START_TEST(starts_and_sums_are_those_of_the_codes) {
    bb_acts a = {0};
    for (size_t s = 0; s < SHAPES; s++) {
        float *x = inputs(0, s, shapes[s][0] * shapes[s][1]);
        fill(&a, kinds[_i], x, shapes[s], BB_ISA_AUTO, NULL);
        size_t all = a.blocks * BB_ACT_BLOCK;
        size_t each = a.kind == BB_ACT_INT8_TOKEN ? all : a.kind == BB_ACT_INT8_32 ? BB_ACT_BLOCK : 16;
        for (size_t t = 0; t < a.tokens; t++) {
            for (size_t g = 0; g * each < all; g++)
                ck_assert_int_eq(a.starts[g * a.tokens + t], -OFFSET * sum_of(&a, t, g * each, each));
            for (size_t b = 0; a.kind == BB_ACT_INT8_256 && b < a.blocks; b++)
                ck_assert_int_eq(a.sums[(b / 8 * a.tokens + t) * 8 + b % 8],
                                 sum_of(&a, t, b * BB_ACT_BLOCK, BB_ACT_BLOCK));
        }
        free(x);
    }
    bb_acts_clear(&a);
}
END_TEST

static void check_same(const bb_acts *a, const bb_acts *b) {
    size_t sums = a->kind == BB_ACT_INT8_TOKEN ? 1 : a->kind == BB_ACT_INT8_32 ? a->blocks : 2 * a->blocks;
    ck_assert_mem_eq(a->values, b->values, a->tokens * a->blocks * BB_ACT_BLOCK);
    ck_assert_mem_eq(a->starts, b->starts, a->tokens * sums * sizeof *a->starts);
    for (size_t i = 0; i < a->tokens * groups_of(a); i++)
        ck_assert(memcmp(&a->scales[i], &b->scales[i], sizeof(float)) == 0 ||
                  (isnan(a->scales[i]) && isnan(b->scales[i])));
    if (a->kind == BB_ACT_INT8_256) ck_assert_mem_eq(a->sums, b->sums, a->tokens * a->blocks * sizeof *a->sums);
}

START_TEST(the_same_bits_for_every_isa_and_any_threads) {
    bb_acts want = {0}, got = {0};
    bb_pool *pool;
    ck_assert_int_eq(bb_pool_new(3, &pool), BB_OK);
    for (unsigned kind = 0; kind < INPUTS; kind++)
        for (size_t s = 0; s < SHAPES; s++) {
            float *x = inputs(kind, 5 * s + 1, shapes[s][0] * shapes[s][1]);
            fill(&want, kinds[_i], x, shapes[s], BB_ISA_SCALAR, NULL);
            for (bb_isa isa = BB_ISA_AVX2; isa <= BB_ISA_AVX512; isa++) {
                if (!bb_isa_runs(isa)) continue;
                fill(&got, kinds[_i], x, shapes[s], isa, NULL);
                check_same(&want, &got);
            }
            fill(&got, kinds[_i], x, shapes[s], BB_ISA_AUTO, pool);
            check_same(&want, &got);
            free(x);
        }
    bb_pool_free(pool);
    bb_acts_clear(&want);
    bb_acts_clear(&got);
}
END_TEST

/* A group that is not finite does not touch its neighbours. */
START_TEST(one_value_spoils_one_group) {
    enum { IN = 96 };
    float x[IN];
    bb_acts a = {0};
    for (size_t i = 0; i < IN; i++) x[i] = (float)i - 40;
    x[40] = INFINITY;
    fill(&a, BB_ACT_INT8_32, x, (const size_t[]){1, IN}, BB_ISA_AUTO, NULL);
    ck_assert(!isnan(a.scales[0]) && isnan(a.scales[1]) && !isnan(a.scales[2]));
    ck_assert_int_eq(code_at(&a, 0, 0), -127);
    ck_assert_int_eq(code_at(&a, 0, 41), 0);
    ck_assert_int_eq(code_at(&a, 0, 95), 127);
    bb_acts_clear(&a);
}
END_TEST

START_TEST(roundtrip_is_code_times_scale) {
    bb_acts a = {0};
    for (size_t s = 0; s < SHAPES; s++) {
        size_t n = shapes[s][0] * shapes[s][1];
        float *x = inputs(9, s, n), *back = malloc(n * sizeof *back);
        fill(&a, kinds[_i], x, shapes[s], BB_ISA_AUTO, NULL);
        ck_assert_int_eq(bb_acts_roundtrip(kinds[_i], x, a.tokens, a.in, back), BB_OK);
        for (size_t t = 0; t < a.tokens; t++)
            for (size_t i = 0; i < a.in; i++) {
                float want = (float)code_at(&a, t, i) * scale_at(&a, t, i);
                ck_assert_mem_eq(&back[t * a.in + i], &want, sizeof want);
            }
        free(x);
        free(back);
    }
    bb_acts_clear(&a);
}
END_TEST

START_TEST(memory_is_kept_and_sizes_are_checked) {
    bb_acts a = {0};
    float *x = inputs(0, 1, 4096);
    fill(&a, BB_ACT_INT8_256, x, (const size_t[]){4, 1024}, BB_ISA_AUTO, NULL);
    void *memory = a.memory;
    fill(&a, BB_ACT_INT8_TOKEN, x, (const size_t[]){2, 512}, BB_ISA_AUTO, NULL);
    ck_assert_ptr_eq(a.memory, memory);
    ck_assert_int_eq(bb_acts_fill(&a, BB_ACT_INT8_32, 8, x, SIZE_MAX / 8, 1024, BB_ISA_AUTO, NULL), BB_E_OVERFLOW);
    ck_assert_int_eq(bb_acts_fill(&a, BB_ACT_INT8_32, 8, x, 1, 0, BB_ISA_AUTO, NULL), BB_E_ARG);
    ck_assert_ptr_eq(a.memory, memory);
    bb_acts_clear(&a);
    free(x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("acts");
    TCase *t = tcase_create("acts");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, half_a_step_at_most, 0, KINDS);
    tcase_add_loop_test(t, beyond_the_row_are_zeros, 0, KINDS);
    tcase_add_loop_test(t, starts_and_sums_are_those_of_the_codes, 0, KINDS);
    tcase_add_loop_test(t, the_same_bits_for_every_isa_and_any_threads, 0, KINDS);
    tcase_add_test(t, one_value_spoils_one_group);
    tcase_add_loop_test(t, roundtrip_is_code_times_scale, 0, KINDS);
    tcase_add_test(t, memory_is_kept_and_sizes_are_checked);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
