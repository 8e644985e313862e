/* SPDX-License-Identifier: GPL-3.0-or-later */
/* name_find.c - from what a user typed to the one row that it means. */
#include "model/name_find.h"
#include "base/escape.h"
#include "base/str.h"
#include <string.h>

typedef enum match { NONE, INSIDE, PREFIX, LOOSE, LIKE, SAME } match;

/* Case folded, and the characters that people exchange for one another as one. */
static char fold(char c) {
    if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    return c == ' ' || c == '_' || c == '.' ? '-' : c;
}

static size_t common(const char *name, const char *text) {
    size_t n = 0;
    while (text[n] && fold(name[n]) == fold(text[n])) n++;
    return n;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Whether p points to a separator between a digit and a letter, which people leave out: rtx4090, llama3.1-8b. */
static bool optional(const char *start, const char *p) {
    return fold(*p) == '-' && p > start && p[1] && fold(p[-1]) != '-' && fold(p[1]) != '-' &&
           is_digit(p[-1]) != is_digit(p[1]);
}

bool bb_name_loosely(const char *name, const char *text) {
    for (const char *n = name, *t = text;; n++, t++) {
        if (fold(*n) != fold(*t)) {
            if (optional(name, n))
                n++;
            else if (optional(text, t))
                t++;
        }
        if (fold(*n) != fold(*t)) return false;
        if (!*n) return true;
    }
}

static match compare(const char *name, const char *text, size_t len) {
    if (bb_name_eq(name, text)) return SAME;
    if (common(name, text) == len) return name[len] ? PREFIX : LIKE;
    if (bb_name_loosely(name, text)) return LOOSE;
    /* Inside counts from the beginning of a word only: "4090" means RTX 4090, "lama-2-7b" is a mistake. */
    for (const char *p = name; *p; p++)
        if (fold(*p) == '-' && common(p + 1, text) == len) return INSIDE;
    return NONE;
}

size_t bb_name_find(const char *text, const char *(*next)(const void *ctx, size_t i), const void *ctx, const char *what,
                    bb_error *err) {
    char shown[96], names[192] = "";
    size_t len = strlen(text), found = SIZE_MAX, count = 0;
    match best = NONE;
    const char *name;
    bb_escape_buf(text, shown, sizeof shown);
    if (len == 0) {
        bb_fail(err, BB_E_NAME, "the name of a %s is empty", what);
        return SIZE_MAX;
    }
    for (size_t i = 0; (name = next(ctx, i)); i++) {
        match m = *name ? compare(name, text, len) : NONE;
        if (m > best) {
            best = m;
            found = i;
            count = 0;
        }
        if (m != NONE && m == best) count++;
    }
    if (count == 1 || best == SAME) return found;
    if (count == 0) {
        bb_nearest(text, next, ctx, names, sizeof names);
        bb_fail(err, BB_E_NAME, "no %s is called '%s'%s%s", what, shown, *names ? "; nearest: " : "", names);
        return SIZE_MAX;
    }
    bb_str list;
    bb_str_init(&list);
    size_t listed = 0;
    for (size_t i = 0; (name = next(ctx, i)) && listed < 4; i++)
        if (*name && compare(name, text, len) == best)
            bb_str_addf(&list, "%s%s", listed++ ? (listed == count ? " or " : ", ") : "", name);
    if (count > listed) bb_str_add(&list, ", ...");
    bb_fail(err, BB_E_NAME, "'%s' could mean %zu names of a %s: %s", shown, count, what, bb_str_c(&list));
    bb_str_clear(&list);
    return SIZE_MAX;
}
