/* SPDX-License-Identifier: GPL-3.0-or-later */
/* flavour_name.c - the flavour that the name of a checkpoint on the hub says. */
#include "model/flavour.h"
#include <stdio.h>
#include <string.h>

/* One way to spell it: words of a name, lower case, and what publishers make under it. The first that a name has
 * counts: longer before shorter. NULL = no flavour has that layout. */
static const struct {
    const char *words, *org; /* org "" = any, else what the organisation's name holds */
    const char *flavour;
} spellings[] = {
    {"gptq-int8", "", "gptq-8"},
    {"gptq-8bit", "", "gptq-8"},
    {"gptq-int3", "", "gptq-3"},
    {"gptq-3bit", "", "gptq-3"},
    {"gptq", "", "gptq"},
    {"awq", "", "awq"},
    {"w4a16", "", "w4a16"},
    {"w8a8", "", "w8a8"},
    {"w8a16", "", NULL},
    {"nvfp4", "", NULL},
    {"exl2", "", NULL},
    {"hqq", "", NULL},
    {"aqlm", "", NULL},
    {"mxfp4", "", "mxfp4"},
    {"fp8-dynamic", "", "fp8-channel"}, /* llm-compressor's FP8_DYNAMIC */
    {"fp8-block", "", "fp8-block"},
    {"fp8", "qwen", "fp8-block"}, /* weight_block_size 128 x 128 in their config.json */
    {"fp8", "", "fp8"},
    {"bnb-4bit", "unsloth", "nf4-dq"}, /* bnb_4bit_use_double_quant in their config.json */
    {"bnb-4bit", "", "nf4"},
    {"bnb-8bit", "", "llm.int8"},
    {"2bit", "mlx", "mlx-2"},
    {"3bit", "mlx", "mlx-3"},
    {"4bit", "mlx", "mlx-4"},
    {"5bit", "mlx", "mlx-5"},
    {"6bit", "mlx", "mlx-6"},
    {"8bit", "mlx", "mlx-8"},
};

static char fold(char c) {
    if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    return c == '_' || c == '.' || c == ' ' ? '-' : c;
}

/* The first `words` in a name, of whole words; NULL when there are none. */
static const char *find_words(const char *name, const char *words) {
    for (const char *p = name; *p; p++) {
        size_t n = 0;
        if (p > name && fold(p[-1]) != '-') continue;
        while (words[n] && fold(p[n]) == words[n]) n++;
        if (!words[n] && (!p[n] || fold(p[n]) == '-')) return p;
    }
    return NULL;
}

/* Whether the organisation of org/name, or the name, holds the word. */
static bool holds(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *p = text; *p; p++) {
        size_t k = 0;
        while (k < n && fold(p[k]) == word[k]) k++;
        if (k == n) return true;
    }
    return false;
}

bb_flavour_told bb_flavour_in_name(const char *name, char *flavour, size_t size, size_t *at) {
    const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;
    char org[128] = "";
    if (slash) (void)snprintf(org, sizeof org, "%.*s", (int)(slash - name), name);
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        const char *found = find_words(last, spellings[i].words), *who = spellings[i].org;
        bool mlx = strcmp(who, "mlx") == 0 && find_words(last, "mlx");
        if (!found || (*who && !mlx && !holds(org, who))) continue;
        const char *quantized = find_words(last, "quantized"); /* x-quantized.w4a16 */
        const char *tool = mlx ? find_words(last, "mlx") : NULL;
        if (quantized && quantized < found) found = quantized;
        if (tool && tool < found) found = tool;
        *at = (size_t)(found - name);
        (void)snprintf(flavour, size, "%s", spellings[i].flavour ? spellings[i].flavour : spellings[i].words);
        return spellings[i].flavour ? BB_FLAVOUR_NAMED : BB_FLAVOUR_UNKNOWN;
    }
    return BB_FLAVOUR_NONE;
}
