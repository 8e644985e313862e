/* SPDX-License-Identifier: GPL-3.0-or-later */
/* harness.h - main() of a unit test: one Check suite, TAP on stdout for prove; helpers to find test data. */
#ifndef BB_TESTS_HARNESS_H
#define BB_TESTS_HARNESS_H
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Path of a committed test file: tests/data/NAME; tests run in the root of the sources. */
#define TEST_DATA(name) "tests/data/" name

/* Path below the shared folder (BB_SHARED, default ../shared) into buf; NULL when the file is absent: then say so with
 * skip_shared and return. */
static inline const char *shared_path(const char *name, char *buf, size_t size) {
    const char *root = getenv("BB_SHARED");
    int n = snprintf(buf, size, "%s/%s", root && *root ? root : "../shared", name);
    return n > 0 && (size_t)n < size && access(buf, R_OK) == 0 ? buf : NULL;
}
static inline void skip_shared(const char *name) { fprintf(stderr, "# skipped: %s is not there (BB_SHARED)\n", name); }

#define TEST_MAIN(make_suite)                                                                                          \
    int main(void) {                                                                                                   \
        SRunner *sr = srunner_create(make_suite());                                                                    \
        srunner_set_tap(sr, "-");                                                                                      \
        srunner_run_all(sr, CK_SILENT);                                                                                \
        int failed = srunner_ntests_failed(sr);                                                                        \
        srunner_free(sr);                                                                                              \
        return failed != 0;                                                                                            \
    }
#endif
