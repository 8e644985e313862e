/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_cpu.c - a level runs only where the processor has all that its functions were compiled for. */
#include "base/cpu.h"
#include "harness.h"
#include <stdio.h>
#include <string.h>

/* Whether the system's list of flags (" avx2 f16c ... ") has all of these words. */
static bool has_all(const char *flags, const char *const *words) {
    for (; *words; words++) {
        char word[32];
        (void)snprintf(word, sizeof word, " %s ", *words);
        if (!strstr(flags, word)) return false;
    }
    return true;
}

/* The words of the BB_TARGET_* as Linux spells them. */
START_TEST(levels_need_their_instructions) {
#if BB_X86 && defined(__linux__)
    static const char *const avx2[] = {"avx2", "fma", "f16c", "bmi2", NULL}, *const vnni[] = {"avx_vnni", NULL};
    static const char *const avx512[] = {"avx512f", "avx512bw", "avx512dq", "avx512vl", NULL};
    static const char *const avx512_vnni[] = {"avx512_vnni", "avx512vbmi", NULL}, *const bf16[] = {"avx512_bf16", NULL};
    static const char *const *const own[BB_LEVELS] = {NULL, avx2, vnni, avx512, avx512_vnni, bf16};
    char flags[8192] = "";
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && fgets(flags, sizeof flags - 1, f) && strncmp(flags, "flags", 5) != 0) flags[0] = '\0';
    if (f) (void)fclose(f);
    if (!flags[0]) {
        fprintf(stderr, "# skipped: the system lists no flags\n");
        return;
    }
    flags[strcspn(flags, "\n")] = ' ';
    for (int l = BB_LEVEL_AVX2; l < BB_LEVELS; l++) {
        bool there = has_all(flags, own[l]) && has_all(flags, avx2);
        if (bb_level_isa((bb_level)l) == BB_ISA_AVX512) there = there && has_all(flags, avx512);
        ck_assert_msg(there || !bb_level_runs((bb_level)l), "%s", bb_level_name((bb_level)l));
    }
    ck_assert(!has_all(" avx2 fma ", avx2) && has_all(" bmi2 f16c avx2 fma ", avx2));
#endif
}
END_TEST

START_TEST(names) {
    for (int i = BB_ISA_AUTO; i <= BB_ISA_AVX512; i++) {
        bb_isa isa = BB_ISA_AUTO;
        ck_assert(bb_isa_find(bb_isa_name((bb_isa)i), &isa) && isa == (bb_isa)i);
        ck_assert(bb_isa_runs(bb_isa_choose((bb_isa)i)) && bb_isa_choose((bb_isa)i) != BB_ISA_AUTO);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cpu");
    TCase *t = tcase_create("cpu");
    tcase_add_test(t, levels_need_their_instructions);
    tcase_add_test(t, names);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
