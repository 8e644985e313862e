/* SPDX-License-Identifier: GPL-3.0-or-later */
/* shape_find.c - from the name that another program gives a model to the row of its shape. */
#include "model/shape_find.h"
#include "base/str.h"
#include "model/name_find.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the tag "latest" of a family in Ollama's library stands for: ollama.com/library as remembered, not fetched. */
static const struct {
    const char *family, *size;
} latest[] = {
    {"llama2", "7b"},
    {"llama3", "8b"},
    {"llama3.1", "8b"},
    {"llama3.2", "3b"},
    {"llama3.3", "70b"},
    {"codellama", "7b"},
    {"tinyllama", "1.1b"},
    {"mistral", "7b"},
    {"mistral-nemo", "12b"},
    {"mistral-small", "24b"},
    {"mistral-large", "123b"},
    {"codestral", "22b"},
    {"mixtral", "8x7b"},
    {"gemma", "7b"},
    {"gemma2", "9b"},
    {"gemma3", "4b"},
    {"qwen", "4b"},
    {"qwen2", "7b"},
    {"qwen2.5", "7b"},
    {"qwen2.5-coder", "7b"},
    {"qwen3", "8b"},
    {"qwen3-coder", "30b"},
    {"qwq", "32b"},
    {"deepseek-r1", "8b"},
    {"deepseek-llm", "7b"},
    {"phi", "2.7b"},
    {"phi3", "3.8b"},
    {"phi4", "14b"},
    {"falcon", "7b"},
    {"falcon3", "7b"},
    {"yi", "6b"},
    {"solar", "10.7b"},
    {"olmo2", "7b"},
    {"smollm", "1.7b"},
    {"smollm2", "1.7b"},
    {"granite3.3", "8b"},
    {"gpt-oss", "20b"},
    {"zephyr", "7b"},
};
/* A rounded size is told to two digits, and some count without the embeddings: 14b of 14.7e9, 16b of 15.7e9. */
static const double size_tolerance = 0.06;

static bool is_separator(char c) { return c == '-' || c == '_' || c == ':' || c == ' '; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* A size as names spell it: "8b", "1.5B", "8x7b", "135m", "1t"; its length with nothing behind it but a separator, else
 * 0. *parameters is what it says; of 8x7b nothing, for experts share the rest. */
static size_t size_word(const char *p, double *parameters) {
    const char *start = p;
    bool times = false;
    while (is_digit(*p)) p++;
    if (p > start && (*p == 'x' || *p == 'X') && is_digit(p[1])) {
        times = true;
        for (p++; is_digit(*p); p++) {
        }
    }
    if (p == start) return 0;
    if (*p == '.' && is_digit(p[1]))
        for (p++; is_digit(*p); p++) {
        }
    double unit = *p == 'b' || *p == 'B' ? 1e9 : *p == 'm' || *p == 'M' ? 1e6 : *p == 't' || *p == 'T' ? 1e12 : 0;
    if (!(unit > 0) || (p[1] && !is_separator(p[1]))) return 0;
    *parameters = times ? 0 : strtod(start, NULL) * unit;
    return (size_t)(p - start) + 1;
}

/* The first size in a name, a word of its own; NULL when it has none. */
static const char *find_size(const char *name, size_t *length, double *parameters) {
    for (const char *p = name; *p; p++)
        if ((p == name || is_separator(p[-1])) && (*length = size_word(p, parameters))) return p;
    return NULL;
}

static bool same_word(const char *a, size_t n, const char *b, size_t m) {
    for (size_t i = 0; i < n && n == m; i++)
        if ((a[i] | 0x20) != (b[i] | 0x20)) return false;
    return n == m;
}

/* Whether a row is of the size at `size` of a name: that of its own name, else by what it counts. */
static bool has_size(const bb_catalogue *cat, const bb_arch *a, const char *size, size_t length, double parameters) {
    size_t n = 0;
    double own, count = (double)bb_catalogue_params(cat, a->name);
    const char *word = find_size(a->name, &n, &own);
    if (word) return same_word(word, n, size, length);
    return count > parameters * (1 - size_tolerance) && count < parameters * (1 + size_tolerance);
}

/* The row that a name means once what follows is cut off, part by part. A row with a longer name is another model. */
static const bb_arch *find_cut(const bb_catalogue *cat, const char *name) {
    char cut[128];
    enum { SEPARATORS_LEFT_OUT = 2 };
    size_t length = 0;
    double parameters = 0;
    const char *size = find_size(name, &length, &parameters);
    (void)snprintf(cut, sizeof cut, "%.127s", name);
    for (size_t n = strlen(cut); n; cut[n] = '\0') {
        const bb_arch *a = bb_catalogue_find(cat, cut, NULL);
        if (a && strlen(a->name) <= n + SEPARATORS_LEFT_OUT && (!size || has_size(cat, a, size, length, parameters)))
            return a;
        while (n && !strchr("-_.:", cut[n - 1])) n--;
        if (n) n--;
    }
    return NULL;
}

/* Whether a row's name begins with the family, of which it may be all. */
static bool is_of(const bb_arch *a, const char *family) {
    char head[sizeof a->name];
    for (size_t n = 1; n <= strlen(a->name); n++) {
        if (a->name[n] && !is_separator(a->name[n])) continue;
        memcpy(head, a->name, n);
        head[n] = '\0';
        if (bb_name_loosely(head, family)) return true;
    }
    return false;
}

/* The row of a family and a size: that of the shortest name, the last of several. */
static const bb_arch *find_sized(const bb_catalogue *cat, const char *family, const char *size) {
    const bb_arch *best = NULL, *a;
    double parameters = 0;
    size_t length = size_word(size, &parameters);
    for (size_t i = 0; (a = bb_catalogue_model(cat, i)); i++)
        if (is_of(a, family) && has_size(cat, a, size, length, parameters) &&
            (!best || strlen(a->name) <= strlen(best->name)))
            best = a;
    return best;
}

static const bb_arch *find(const bb_catalogue *cat, const char *name, bool tagged) {
    char family[128];
    size_t length = 0;
    double parameters = 0;
    const char *size = find_size(name, &length, &parameters);
    const bb_arch *a = NULL;
    (void)snprintf(family, sizeof family, "%.*s", size ? (int)(size - name) : (int)strlen(name), name);
    for (size_t n = strlen(family); n && is_separator(family[n - 1]);) family[--n] = '\0';
    for (size_t i = 0; i < sizeof latest / sizeof *latest && tagged && !size; i++)
        if (bb_name_loosely(family, latest[i].family)) return find_sized(cat, family, latest[i].size);
    a = find_cut(cat, name);
    return a || !size || !*family ? a : find_sized(cat, family, size);
}

const bb_arch *bb_shape_find(const bb_catalogue *cat, const char *name, bool tagged) {
    char plain[128];
    (void)snprintf(plain, sizeof plain, "%.127s", name);
    size_t n = strlen(plain);
    static const char tag[] = ":latest";
    if (n >= sizeof tag && bb_name_eq(plain + n - (sizeof tag - 1), tag)) plain[n - (sizeof tag - 1)] = '\0';
    for (char *p = plain; *p; p++)
        if (*p == ':') *p = '-';
    const bb_arch *a = find(cat, plain, tagged);
    const char *dash = strchr(plain, '-');
    return a || !dash ? a : find(cat, dash + 1, false); /* Meta-Llama-3-8B */
}
