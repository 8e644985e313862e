/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_roof.c - ceilings are there for every level that runs, and no others. */
#include "harness.h"
#include "kernel/roof.h"
#include <string.h>

static void check(const bb_ceilings *c, bb_isa isa) {
    ck_assert_uint_ge(c->threads, 1);
    ck_assert(c->read_gbps[BB_TIER_MEMORY] > 0);
    for (int l = 0; l < BB_LEVELS; l++)
        for (int a = 0; a < BB_ARITHS; a++) {
            bool runs = bb_level_runs((bb_level)l) && bb_level_isa((bb_level)l) <= isa;
            ck_assert((c->gops[l][a] > 0) == runs);
            ck_assert(bb_ceilings_peak(c, (bb_arith)a) >= c->gops[l][a]);
            ck_assert(!runs || c->gops[l][BB_ARITH_BF16] >= c->gops[l][BB_ARITH_FP32]);
        }
}

START_TEST(every_level) {
    static const bb_isa isas[] = {BB_ISA_SCALAR, BB_ISA_AVX2, BB_ISA_AVX512};
    for (size_t i = 0; i < 3; i++) {
        bb_roof r = {0};
        bb_cache caches[BB_TIERS];
        if (!bb_isa_runs(isas[i])) continue;
        ck_assert_int_eq(bb_roof_measure(i == 1 ? 3 : 1, isas[i], 0.01, NULL, &r), BB_OK);
        check(&r.one, isas[i]);
        check(&r.used, isas[i]);
        check(&r.all, isas[i]);
        ck_assert(r.one.threads == 1 && r.used.threads == (i == 1 ? 3u : 1u) && r.all.threads == bb_processors());
        bb_caches(caches);
        for (int t = 0; t < BB_TIERS; t++) ck_assert(r.cache_bytes[t] == caches[t].bytes);
        if (caches[BB_TIER_L1].bytes) ck_assert(r.one.read_gbps[BB_TIER_L1] > 0);
    }
}
END_TEST

START_TEST(cancel) {
    atomic_bool stop = true;
    bb_roof r = {0};
    ck_assert_int_eq(bb_roof_measure(1, BB_ISA_AUTO, 10, &stop, &r), BB_E_CANCELLED);
    ck_assert_uint_eq(r.one.threads, 0);
    double gbps = -1;
    ck_assert_int_eq(bb_roof_memory(1, BB_ISA_AUTO, 10, &stop, &gbps), BB_E_CANCELLED);
    ck_assert_int_eq(bb_roof_memory(2, BB_ISA_AUTO, 0.001, NULL, &gbps), BB_OK);
    ck_assert(gbps > 0);
}
END_TEST

/* Memory is refused before it is taken. */
START_TEST(threads_as_of_a_pool) {
    bb_roof r = {0};
    double gbps = -1;
    ck_assert_int_eq(bb_roof_measure(BB_POOL_MOST + 1, BB_ISA_AUTO, 0.01, NULL, &r), BB_E_ARG);
    ck_assert_int_eq(bb_roof_memory(BB_POOL_MOST + 1, BB_ISA_AUTO, 0.01, NULL, &gbps), BB_E_ARG);
    ck_assert(r.one.threads == 0 && gbps == -1);
}
END_TEST

START_TEST(names) {
    ck_assert_str_eq(bb_arith_name(bb_arith_of(BB_ACT_F32)), "fp32");
    ck_assert_str_eq(bb_arith_name(bb_arith_of(BB_ACT_BF16)), "bf16");
    ck_assert_str_eq(bb_arith_name(bb_arith_of(BB_ACT_INT8_TOKEN)), "int8");
    ck_assert_str_eq(bb_arith_name(bb_arith_of(BB_ACT_INT8_256)), "int8");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("roof");
    TCase *t = tcase_create("roof");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_level);
    tcase_add_test(t, cancel);
    tcase_add_test(t, threads_as_of_a_pool);
    tcase_add_test(t, names);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
