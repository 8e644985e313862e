/* SPDX-License-Identifier: GPL-3.0-or-later */
/* names.c - comparing names as users spell them, and the nearest ones to a name that is unknown. */
#include "base/escape.h"
#include "base/str.h"
#include <stdio.h>
#include <string.h>

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static char folded(char c) {
    c = lower(c);
    return c == '_' || c == '.' || c == ' ' ? '-' : c;
}

bool bb_starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

bool bb_ends_with(const char *text, const char *end) {
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
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

bool bb_name_contains(const char *text, const char *part) {
    size_t n = strlen(part);
    if (!n) return true;
    for (; *text; text++) {
        size_t i = 0;
        while (i < n && text[i] && folded(text[i]) == folded(part[i])) i++;
        if (i == n) return true;
    }
    return false;
}

/* How far candidate c is from name; SIZE_MAX when it is not near. */
static size_t nearness(const char *name, size_t len, const char *c) {
    size_t limit = len <= 2 ? 1 : len / 3 > 2 ? len / 3 : 2;
    size_t c_len = strlen(c);
    size_t gap = c_len > len ? c_len - len : len - c_len;
    if (gap <= limit && c_len <= NAME_MAX_COMPARED) {
        size_t d = distance(name, c);
        if (d <= limit) return d;
    }
    /* a part of a longer name, or the longer name of a part, is near however much is missing, but behind mistakes */
    if (len >= 3 && bb_name_contains(c, name)) return limit;
    if (c_len >= 4 && bb_name_contains(name, c)) return limit + 1;
    return SIZE_MAX;
}

void bb_nearest(const char *name, const char *(*next)(const void *ctx, size_t i), const void *ctx, char *out,
                size_t out_size) {
    enum { SHOWN = 3 };
    const char *best[SHOWN] = {NULL, NULL, NULL};
    size_t score[SHOWN] = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    size_t len = strlen(name);
    const char *c;
    out[0] = 0;
    if (len == 0 || len > NAME_MAX_COMPARED) return; /* no slip of the finger is that long */
    for (size_t i = 0; (c = next(ctx, i)); i++) {
        size_t d = nearness(name, len, c);
        bool twice = false;
        for (size_t k = 0; k < SHOWN; k++) twice = twice || (best[k] && bb_name_eq(best[k], c));
        for (size_t k = 0; k < SHOWN && !twice; k++) {
            if (d >= score[k]) continue;
            for (size_t m = SHOWN - 1; m > k; m--) best[m] = best[m - 1], score[m] = score[m - 1];
            best[k] = c, score[k] = d;
            break;
        }
    }
    char a[64], b[64], last[64];
    if (best[2])
        snprintf(out, out_size, "%s, %s or %s", bb_escape_buf(best[0], a, sizeof a),
                 bb_escape_buf(best[1], b, sizeof b), bb_escape_buf(best[2], last, sizeof last));
    else if (best[1])
        snprintf(out, out_size, "%s or %s", bb_escape_buf(best[0], a, sizeof a), bb_escape_buf(best[1], b, sizeof b));
    else if (best[0])
        snprintf(out, out_size, "%s", bb_escape_buf(best[0], a, sizeof a));
}
