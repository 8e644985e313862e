/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_topology.c - what the system says of processors and caches makes sense together. */
#include "base/topology.h"
#include "harness.h"
#include <string.h>

START_TEST(processors) {
    unsigned cpus[1024];
    size_t n = bb_processor_list(cpus, 1024);
    ck_assert_uint_ge(bb_processors(), 1);
    if (n > 0) ck_assert_uint_eq(n, bb_processors());
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++) ck_assert_uint_ne(cpus[i], cpus[k]);
    if (n > 1) ck_assert_uint_eq(bb_processor_list(cpus, 1), 1);
}
END_TEST

START_TEST(caches_grow) {
    bb_cache c[BB_TIERS];
    bb_caches(c);
    uint64_t before = 0;
    for (int i = 0; i < BB_TIERS; i++) {
        ck_assert(c[i].bytes == 0 || c[i].bytes > before);
        ck_assert_uint_ge(c[i].processors, 1);
        if (c[i].bytes) before = c[i].bytes;
        ck_assert(strlen(bb_tier_name((bb_tier)i)) > 1);
    }
    ck_assert_uint_eq(c[BB_TIER_MEMORY].bytes, 0);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("topology");
    TCase *t = tcase_create("topology");
    tcase_add_test(t, processors);
    tcase_add_test(t, caches_grow);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
