/* SPDX-License-Identifier: GPL-3.0-or-later */
/* names.c - comparing names as users spell them, and the nearest ones to a name that is unknown. */
#include "base/str.h"
#include <stdio.h>
#include <string.h>

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static char folded(char c) {
    c = lower(c);
    return c == '_' || c == '.' || c == ' ' ? '-' : c;
}

bool bb_name_eq(const char *a, const char *b) {
    while (*a && lower(*a) == lower(*b)) a++, b++;
    return !*a && !*b;
}

bool bb_name_like(const char *a, const char *b) {
    while (*a && folded(*a) == folded(*b)) a++, b++;
    return !*a && !*b;
}

enum { NAME_MAX_COMPARED = 96 };

/* Edit distance with transpositions of neighbours (optimal string alignment), names cut at NAME_MAX_COMPARED. */
static size_t distance(const char *a, const char *b) {
    size_t la = strlen(a), lb = strlen(b);
    if (la > NAME_MAX_COMPARED) la = NAME_MAX_COMPARED;
    if (lb > NAME_MAX_COMPARED) lb = NAME_MAX_COMPARED;
    unsigned char row[3][NAME_MAX_COMPARED + 1];
    for (size_t j = 0; j <= lb; j++) row[0][j] = (unsigned char)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned char *cur = row[i % 3], *prev = row[(i - 1) % 3], *prev2 = row[(i + 1) % 3];
        cur[0] = (unsigned char)i;
        for (size_t j = 1; j <= lb; j++) {
            bool same = folded(a[i - 1]) == folded(b[j - 1]);
            unsigned best = prev[j - 1] + (same ? 0u : 1u);
            if (prev[j] + 1u < best) best = prev[j] + 1u;
            if (cur[j - 1] + 1u < best) best = cur[j - 1] + 1u;
            if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) && folded(a[i - 2]) == folded(b[j - 1]) &&
                prev2[j - 2] + 1u < best)
                best = prev2[j - 2] + 1u;
            cur[j] = (unsigned char)best;
        }
    }
    return row[la % 3][lb];
}

static bool contains(const char *text, const char *part) {
    size_t n = strlen(part);
    for (; *text; text++) {
        size_t i = 0;
        while (i < n && text[i] && folded(text[i]) == folded(part[i])) i++;
        if (i == n) return true;
    }
    return false;
}

void bb_nearest(const char *name, const char *(*next)(const void *ctx, size_t i), const void *ctx, char *out,
                size_t out_size) {
    const char *best[3] = {NULL, NULL, NULL};
    size_t score[3] = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    size_t len = strlen(name);
    size_t limit = len / 3 > 2 ? len / 3 : 2;
    if (len <= 2) limit = 1;
    const char *c;
    for (size_t i = 0; (c = next(ctx, i)); i++) {
        size_t d = distance(name, c);
        /* a part of a longer name is near however much is missing, but behind small mistakes */
        if (d > limit && len >= 3 && contains(c, name)) d = limit;
        if (d > limit) continue;
        for (size_t k = 0; k < 3; k++) {
            if (d >= score[k]) continue;
            for (size_t m = 2; m > k; m--) best[m] = best[m - 1], score[m] = score[m - 1];
            best[k] = c, score[k] = d;
            break;
        }
    }
    out[0] = 0;
    if (best[2])
        snprintf(out, out_size, "%s, %s or %s", best[0], best[1], best[2]);
    else if (best[1])
        snprintf(out, out_size, "%s or %s", best[0], best[1]);
    else if (best[0])
        snprintf(out, out_size, "%s", best[0]);
}
