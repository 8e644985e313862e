/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tsv.h - lines and fields of a table of test data, taken apart in place. */
#ifndef BB_TESTS_TSV_H
#define BB_TESTS_TSV_H
#include <string.h>

/* The next field of a line, NUL-terminated in place; NULL after the last. */
static inline char *field(char **at) {
    char *f = *at, *tab;
    if (!f) return NULL;
    tab = strchr(f, '\t');
    if (tab) *tab = '\0';
    *at = tab ? tab + 1 : NULL;
    return f;
}

/* The next line of a text, likewise. */
static inline char *line(char **at) {
    char *l = *at, *end;
    if (!*l) return NULL;
    end = l + strcspn(l, "\n");
    *at = *end ? end + 1 : end;
    *end = '\0';
    return l;
}
#endif
