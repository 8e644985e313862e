/* SPDX-License-Identifier: GPL-3.0-or-later */
/* flavour.c - the table of flavours, and the numbers behind their names. */
#include "model/flavour.h"
#include "base/escape.h"
#include "base/str.h"
#include "base/units.h"
#include <stdio.h>
#include <string.h>

typedef struct kind {
    const char *name, *alias; /* alias NULL = none */
    bb_quant_method method;
    unsigned widths;      /* bit n: n bits can be asked for; 0 = the name takes no bits */
    bool grouped;         /* a group can be asked for */
    bool has_head_choice; /* the method leaves the output matrix unless told */
    bb_quantization q;
} kind;

/* Widths as bits of a set. */
enum { W2 = 1 << 2, W3 = 1 << 3, W4 = 1 << 4, W5 = 1 << 5, W6 = 1 << 6, W8 = 1 << 8 };

/* Defaults are those of the tools: AutoGPTQ and GPTQModel (4 bits, group 128), AutoAWQ (likewise, 4 bits alone),
 * bitsandbytes (blocks of 64), mlx_lm.convert (4 bits, group 64), vLLM's fp8 and the blocks of DeepSeek-V3,
 * gpt-oss's experts in mxfp4, llm-compressor's W4A16 and W8A8. The layouts: specs/methods.md 4, graph/stored.c. */
static const kind kinds[] = {
    {"gptq", NULL, BB_QUANT_GPTQ, W2 | W3 | W4 | W8, true, true, {.bits = 4, .group = 128, .symmetric = true}},
    {"awq", NULL, BB_QUANT_AWQ, W4, true, true, {.bits = 4, .group = 128}},
    {"nf4", NULL, BB_QUANT_BNB_4BIT, 0, false, true, {.bits = 4, .group = 64, .type = "nf4", .storage = "u8"}},
    {"nf4-dq",
     NULL,
     BB_QUANT_BNB_4BIT,
     0,
     false,
     true,
     {.bits = 4, .group = 64, .double_quant = true, .type = "nf4", .storage = "u8"}},
    {"bnb-fp4", NULL, BB_QUANT_BNB_4BIT, 0, false, true, {.bits = 4, .group = 64, .type = "fp4", .storage = "u8"}},
    {"bnb-fp4-dq",
     NULL,
     BB_QUANT_BNB_4BIT,
     0,
     false,
     true,
     {.bits = 4, .group = 64, .double_quant = true, .type = "fp4", .storage = "u8"}},
    {"llm.int8", "llm-int8", BB_QUANT_BNB_INT8, 0, false, true, {.bits = 8}},
    {"mlx", NULL, BB_QUANT_MLX, W2 | W3 | W4 | W5 | W6 | W8, true, false, {.bits = 4, .group = 64, .head = true}},
    {"fp8", NULL, BB_QUANT_FP8, 0, false, true, {.bits = 8, .group = UINT64_MAX}},
    {"fp8-channel",
     NULL,
     BB_QUANT_COMPRESSED,
     0,
     false,
     true,
     {.bits = 8, .group = 0, .symmetric = true, .pack = BB_PACK_FP8}},
    {"fp8-block", NULL, BB_QUANT_FP8, 0, false, true, {.bits = 8, .group = 128, .block_rows = 128}},
    {"mxfp4", NULL, BB_QUANT_MXFP4, 0, false, false, {.bits = 4, .group = 32}},
    {"w4a16",
     NULL,
     BB_QUANT_COMPRESSED,
     0,
     true,
     true,
     {.bits = 4, .group = 128, .symmetric = true, .pack = BB_PACK_INT}},
    {"w8a8",
     NULL,
     BB_QUANT_COMPRESSED,
     0,
     false,
     true,
     {.bits = 8, .group = 0, .symmetric = true, .pack = BB_PACK_INT8}},
};
enum { KINDS = sizeof kinds / sizeof *kinds };
/* Groups that are taken: a word of 4-bit codes, and more inputs than a matrix has. */
enum { LEAST_GROUP = 8, MOST_GROUP = 1 << 20 };

const char *bb_flavour_at(size_t i) { return i < KINDS ? kinds[i].name : NULL; }

/* Whether `name` is the kind's own, or goes on with numbers behind a dash; *rest is what follows. */
static bool begins(const char *name, const char *word, const char **rest) {
    size_t n = strlen(word);
    if (strlen(name) < n) return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
        if ((c == '_' ? '-' : c) != word[i]) return false;
    }
    *rest = name + n;
    return !**rest || **rest == '-' || **rest == '_';
}

/* The longest kind that the name begins with: "nf4-dq" before "nf4". */
static const kind *kind_of(const char *name, const char **rest) {
    const kind *best = NULL;
    size_t longest = 0;
    for (size_t i = 0; i < KINDS; i++)
        for (const char *const *n = (const char *const[]){kinds[i].name, kinds[i].alias, NULL}; *n; n++) {
            const char *after;
            if (!begins(name, *n, &after) || strlen(*n) <= longest) continue;
            best = &kinds[i];
            longest = strlen(*n);
            *rest = after;
        }
    return best;
}

/* "-4", "-4-128", "-128": the numbers that the kind takes, and "-head" at the end. */
static bool read_numbers(const kind *k, const char *rest, bb_quantization *q) {
    uint64_t numbers[2];
    size_t n = 0;
    bool head = false;
    while (*rest) {
        char word[12];
        size_t length = strcspn(++rest, "-_");
        if (!length || length >= sizeof word) return false;
        memcpy(word, rest, length);
        word[length] = '\0';
        rest += length;
        if (bb_name_eq(word, "head")) {
            if (*rest || !k->has_head_choice) return false;
            q->head = head = true;
        } else if (head || n == 2 || !bb_parse_u64(word, &numbers[n++]))
            return false;
    }
    size_t at = 0;
    if (k->widths && at < n) q->bits = numbers[at++];
    if (k->grouped && at < n) q->group = numbers[at++];
    if (at < n || (k->widths && (q->bits > 8 || !(k->widths >> q->bits & 1)))) return false;
    return !k->grouped || (q->group >= LEAST_GROUP && q->group <= MOST_GROUP);
}

bb_status bb_flavour_find(const char *name, bb_flavour *flavour, bb_error *err) {
    const char *rest = "";
    const kind *k = kind_of(name, &rest);
    if (!k) return BB_E_NAME;
    bb_flavour made = {.quant = k->q};
    bb_quantization *q = &made.quant;
    q->method = k->method;
    char shown[64], numbers[24] = "";
    if (!read_numbers(k, rest, q))
        return bb_fail(err, BB_E_ARG, "'%s' is no layout of %s: expected %s%s%s%s",
                       bb_escape_buf(name, shown, sizeof shown), k->name, k->name, k->widths ? "[-BITS" : "",
                       k->grouped  ? k->widths ? "[-GROUP]]" : "[-GROUP]"
                       : k->widths ? "]"
                                   : "",
                       k->has_head_choice ? "[-head]" : "");
    if (k->widths)
        (void)snprintf(numbers, sizeof numbers, "-%u-%u", (unsigned)q->bits, (unsigned)q->group);
    else if (k->grouped)
        (void)snprintf(numbers, sizeof numbers, "-%u", (unsigned)q->group);
    const char *head = k->has_head_choice && q->head ? "-head" : "";
    char whole[48]; /* the longest are gptq-8-1048576-head and fp8-channel-head */
    (void)snprintf(whole, sizeof whole, "%s%s%s", k->name, numbers, head);
    memcpy(made.name, whole, sizeof made.name - 1);
    strcpy(q->label, made.name);
    *flavour = made;
    return BB_OK;
}
