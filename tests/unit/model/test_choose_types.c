/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_choose_types.c - types under a limit against every combination, and against the bound of the relaxation. */
#include "harness.h"
#include "model/recipe.h"
#include <math.h>
#include <string.h>

enum { N_MAX = 4000, TYPES_MAX = 20 };

typedef struct instance {
    size_t n, types;
    uint64_t least, most; /* bytes of the smallest and the largest choice */
    uint64_t bytes[N_MAX][TYPES_MAX];
    double error[N_MAX][TYPES_MAX];
    bb_type_choice choices[N_MAX];
    uint64_t state;
} instance;

/* xorshift64* (Vigna 2016). */
static double uniform(instance *x) {
    x->state ^= x->state >> 12;
    x->state ^= x->state << 25;
    x->state ^= x->state >> 27;
    return (double)((x->state * UINT64_C(2685821657736338717)) >> 11) * 0x1p-53;
}

static void set_limits(instance *x) {
    x->least = x->most = 0;
    for (size_t i = 0; i < x->n; i++) {
        uint64_t low = UINT64_MAX, high = 0;
        for (size_t k = 0; k < x->types; k++) {
            if (isnan(x->error[i][k])) continue;
            if (x->bytes[i][k] < low) low = x->bytes[i][k];
            if (x->bytes[i][k] > high) high = x->bytes[i][k];
        }
        x->least += low;
        x->most += high;
        x->choices[i] = (bb_type_choice){x->bytes[i], x->error[i]};
    }
}

/* Anything at all: sizes and errors without relation, some choices not possible. */
static void make_wild(instance *x, size_t n, size_t types) {
    x->n = n;
    x->types = types;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < types; k++) {
            x->bytes[i][k] = 1 + (uint64_t)(uniform(x) * 1000);
            x->error[i][k] = k && uniform(x) < 0.1 ? (double)NAN : uniform(x) * 100;
        }
    set_limits(x);
}

/* Like a model: sizes by bits per weight, errors that quarter with each bit, of tensors that matter more and less. */
static void make_model(instance *x, size_t n, size_t types) {
    x->n = n;
    x->types = types;
    for (size_t i = 0; i < n; i++) {
        double weights = 4096 * (1 + floor(uniform(x) * 16)) * 1024, matter = exp(4 * uniform(x)) * weights;
        for (size_t k = 0; k < types; k++) {
            double bits = 1.5 + 15.0 * (double)k / (double)types;
            x->bytes[i][k] = (uint64_t)(weights * bits / 8);
            x->error[i][k] = matter * exp2(-2 * bits) * (0.8 + 0.4 * uniform(x));
        }
    }
    set_limits(x);
}

static uint64_t limit_at(const instance *x, double part) {
    return x->least + (uint64_t)((double)(x->most - x->least) * part);
}

/* The choice itself, checked: sums, limit, only possible types. */
static double choose(const instance *x, uint64_t limit) {
    static size_t picked[N_MAX];
    uint64_t bytes = 0, sum = 0;
    double error = -1, total = 0;
    bb_error err = {.text = ""};
    bb_status st = bb_choose_types(x->choices, x->n, x->types, limit, picked, &bytes, &error, &err);
    ck_assert_msg(st == BB_OK, "%s", err.text);
    for (size_t i = 0; i < x->n; i++) {
        ck_assert(picked[i] < x->types);
        sum += x->bytes[i][picked[i]];
        total += x->error[i][picked[i]];
    }
    ck_assert(bytes == sum && sum <= limit);
    ck_assert(fabs(total - error) <= 1e-9 * fabs(total)); /* false for NaN */
    return error;
}

/* The least error of all combinations. */
static double by_force(const instance *x, uint64_t limit) {
    double best = (double)INFINITY;
    size_t all = 1;
    for (size_t i = 0; i < x->n; i++) all *= x->types;
    for (size_t c = 0; c < all; c++) {
        uint64_t bytes = 0;
        double error = 0;
        for (size_t i = 0, rest = c; i < x->n; i++, rest /= x->types) {
            bytes += x->bytes[i][rest % x->types];
            error += x->error[i][rest % x->types];
        }
        if (bytes <= limit && error < best) best = error;
    }
    return best;
}

/* No choice has less: the largest over prices of a byte of sum min(error + price * bytes) - price * limit. */
static double bound(const instance *x, uint64_t limit) {
    double best = -(double)INFINITY;
    double low = -60, high = 20; /* log2 of the price; the dual is concave in the price, so unimodal in its logarithm */
    for (int step = 0; step < 200; step++) {
        double at[2] = {low + (high - low) / 3, high - (high - low) / 3}, value[2];
        for (int s = 0; s < 2; s++) {
            double price = exp2(at[s]);
            value[s] = -price * (double)limit;
            for (size_t i = 0; i < x->n; i++) {
                double least = (double)INFINITY;
                for (size_t k = 0; k < x->types; k++)
                    least = fmin(least, x->error[i][k] + price * (double)x->bytes[i][k]);
                value[s] += least;
            }
            best = fmax(best, value[s]);
        }
        if (value[0] < value[1])
            low = at[0];
        else
            high = at[1];
    }
    return best;
}

START_TEST(small_ones) {
    instance *x = calloc(1, sizeof *x);
    size_t optimal = 0, runs = 0;
    double worst = 0, sum = 0;
    x->state = 42;
    for (int round = 0; round < 500; round++) {
        size_t n = 1 + (size_t)(uniform(x) * 6), types = 1 + (size_t)(uniform(x) * 5);
        if (round % 2)
            make_wild(x, n, types);
        else
            make_model(x, n, types);
        uint64_t limit = limit_at(x, uniform(x));
        double best = by_force(x, limit), got = choose(x, limit), more = (got - best) / best;
        ck_assert(got >= best * (1 - 1e-12));
        optimal += more < 1e-12;
        worst = fmax(worst, more);
        sum += more;
        runs++;
    }
    printf("# %zu of %zu optimal, the worst %.1f %% above, %.3f %% on average\n", optimal, runs, 100 * worst,
           100 * sum / (double)runs);
    ck_assert_uint_eq(optimal, runs);
    free(x);
}
END_TEST

/* Too many to be searched through, too few for a small step to be nothing: near the bound all the same. */
START_TEST(middling_ones) {
    instance *x = calloc(1, sizeof *x);
    double worst = 0;
    x->state = 11;
    for (int round = 0; round < 200; round++) {
        if (round % 2)
            make_wild(x, 65 + (size_t)round, 8);
        else
            make_model(x, 65 + (size_t)round, 8);
        uint64_t limit = limit_at(x, 0.1 + 0.8 * uniform(x));
        double low = bound(x, limit), got = choose(x, limit);
        worst = fmax(worst, (got - low) / low);
    }
    printf("# at most %.2f %% above the bound\n", 100 * worst);
    ck_assert(worst < 0.02);
    free(x);
}
END_TEST

START_TEST(large_ones) {
    static const size_t sizes[] = {300, 723, 4000};
    instance *x = calloc(1, sizeof *x);
    double worst = 0;
    x->state = 7;
    for (size_t s = 0; s < 3; s++)
        for (int part = 1; part < 10; part++) {
            make_model(x, sizes[s], TYPES_MAX);
            uint64_t limit = limit_at(x, part / 10.0);
            double low = bound(x, limit), got = choose(x, limit);
            ck_assert(got >= low * (1 - 1e-9));
            worst = fmax(worst, (got - low) / low);
        }
    printf("# at most %.4f %% above the bound\n", 100 * worst);
    ck_assert(worst < 0.001);
    free(x);
}
END_TEST

START_TEST(ends) {
    instance *x = calloc(1, sizeof *x);
    bb_error err;
    size_t picked[8] = {99}, again[8];
    uint64_t bytes = 77;
    double error = 77;
    x->state = 3;
    make_model(x, 8, 6);
    choose(x, x->least);
    double all = 0;
    for (size_t i = 0; i < x->n; i++) all += x->error[i][5];
    ck_assert(fabs(choose(x, UINT64_MAX) - all) <= 1e-9 * all);
    ck_assert_int_eq(bb_choose_types(x->choices, 8, 6, x->least - 1, picked, &bytes, &error, &err), BB_E_VALUE);
    char least[32];
    snprintf(least, sizeof least, "%llu", (unsigned long long)x->least);
    ck_assert_msg(strstr(err.text, least) != NULL, "%s", err.text);
    ck_assert(picked[0] == 99 && bytes == 77 && error > 76);
    for (size_t k = 0; k < 6; k++) x->error[4][k] = (double)NAN;
    ck_assert_int_eq(bb_choose_types(x->choices, 8, 6, UINT64_MAX, picked, &bytes, &error, &err), BB_E_VALUE);
    x->bytes[4][0] = UINT64_MAX;
    x->error[4][0] = 1;
    ck_assert_int_eq(bb_choose_types(x->choices, 8, 6, UINT64_MAX, picked, &bytes, &error, &err), BB_E_OVERFLOW);
    ck_assert(bb_choose_types(NULL, 0, 6, 0, picked, &bytes, &error, &err) == BB_OK);
    ck_assert(bytes == 0 && !(error > 0));
    /* all alike: the same again, and the first ones get what there is */
    make_model(x, 8, 2);
    for (size_t i = 0; i < 8; i++)
        for (size_t k = 0; k < 2; k++) {
            x->bytes[i][k] = 10 + 10 * k;
            x->error[i][k] = 2 - (double)k;
        }
    ck_assert(bb_choose_types(x->choices, 8, 2, 115, picked, &bytes, &error, NULL) == BB_OK);
    ck_assert(bb_choose_types(x->choices, 8, 2, 115, again, &bytes, &error, NULL) == BB_OK);
    ck_assert_mem_eq(picked, again, sizeof picked);
    ck_assert_uint_eq(bytes, 110);
    for (size_t i = 0; i < 8; i++) ck_assert_uint_eq(picked[i], i < 3);
    free(x);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("choose_types");
    TCase *t = tcase_create("choose_types");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, small_ones);
    tcase_add_test(t, middling_ones);
    tcase_add_test(t, large_ones);
    tcase_add_test(t, ends);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(make_suite)
