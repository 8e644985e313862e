/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recipe.c - the user's own rules on the types of tensors, and what of a recipe needs an importance matrix. */
#include "model/recipe.h"
#include "base/escape.h"
#include "base/mem.h"
#include "model/ftype.h"
#include "model/pattern.h"
#include <stdlib.h>
#include <string.h>

typedef struct rule {
    char *text; /* as it was given */
    bb_pattern *pattern;
    const bb_dtype *type;
} rule;

struct bb_type_rules {
    rule *list;
    size_t n, cap;
};

bb_status bb_type_rules_new(bb_type_rules **rules, bb_error *err) {
    bb_type_rules *r = bb_alloc(1, sizeof *r);
    if (!r) return bb_fail(err, BB_E_NOMEM, "no memory for rules");
    *rules = r;
    return BB_OK;
}

void bb_type_rules_free(bb_type_rules *rules) {
    if (!rules) return;
    for (size_t i = 0; i < rules->n; i++) {
        free(rules->list[i].text);
        bb_pattern_free(rules->list[i].pattern);
    }
    free(rules->list);
    free(rules);
}

static bb_status in_gguf(const bb_dtype *type, const char *what, bb_error *err) {
    if (type->gguf_id != BB_NO_GGUF_ID) return BB_OK;
    return bb_fail(err, BB_E_ARG, "%s: GGUF has no type %s", what, type->name);
}

bb_status bb_type_rules_add(bb_type_rules *rules, const char *text, bb_error *err) {
    char shown[96];
    const char *equals = strrchr(text, '=');
    bb_escape_buf(text, shown, sizeof shown);
    if (!equals || equals == text || !equals[1])
        return bb_fail(err, BB_E_ARG, "'%s' is not of the form PATTERN=TYPE", shown);
    const bb_dtype *type = bb_dtype_find(equals + 1, err);
    if (!type) return BB_E_NAME;
    bb_status st = in_gguf(type, shown, err);
    if (st) return st;
    if (!bb_grow((void **)&rules->list, rules->n, &rules->cap, sizeof *rules->list))
        return bb_fail(err, BB_E_NOMEM, "no memory for rules");
    rule *r = &rules->list[rules->n];
    *r = (rule){bb_strdup(text), NULL, type};
    char *pattern = bb_strndup(text, (size_t)(equals - text));
    st = pattern && r->text ? bb_pattern_new(pattern, BB_PATTERN_LLAMA, &r->pattern, err)
                            : bb_fail(err, BB_E_NOMEM, "no memory for rules");
    free(pattern);
    if (st)
        free(r->text);
    else
        rules->n++;
    return st;
}

const bb_dtype *bb_type_rules_find(const bb_type_rules *rules, const char *name) {
    for (size_t i = 0; i < rules->n; i++)
        if (bb_pattern_match(rules->list[i].pattern, name)) return rules->list[i].type;
    return NULL;
}

const char *bb_type_rule_text(const bb_type_rules *rules, size_t i) {
    return i < rules->n ? rules->list[i].text : NULL;
}

bool bb_type_rule_decides(const bb_type_rules *rules, size_t i, const char *name) {
    for (size_t k = 0; k < i; k++)
        if (bb_pattern_match(rules->list[k].pattern, name)) return false;
    return bb_pattern_match(rules->list[i].pattern, name);
}

bb_status bb_recipe_types(const bb_recipe *recipe, const bb_arch *arch, bb_mix_tensor *tensors, size_t n,
                          bb_error *err) {
    char shown[96];
    bb_status st = BB_OK;
    for (size_t i = 0; i < n; i++)
        if (!tensors[i].source)
            return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' has a type that is not known",
                           bb_escape_buf(tensors[i].name, shown, sizeof shown));
    if (recipe->output_type) st = in_gguf(recipe->output_type, "the output's type", err);
    if (!st && recipe->embedding_type) st = in_gguf(recipe->embedding_type, "the embedding's type", err);
    return st ? st : bb_mixture_choose(recipe, arch, true, tensors, n, err);
}

/* tensor_requires_imatrix of llama-quant.cpp; there only for tensors that change their type. */
bool bb_recipe_needs_imatrix(const bb_recipe *recipe, const bb_mix_tensor *tensor) {
    static const char *const low[] = {"iq3_xxs", "iq2_xxs", "iq2_xs", "iq2_s", "iq1_m", "iq1_s"};
    static const char *const exempt[] = {"output.weight", "token_embd.weight", BB_PER_LAYER_EMBD};
    for (size_t i = 0; i < sizeof exempt / sizeof *exempt; i++)
        if (strcmp(tensor->name, exempt[i]) == 0) return false;
    for (size_t i = 0; i < sizeof low / sizeof *low; i++)
        if (strcmp(tensor->type->name, low[i]) == 0) return true;
    return recipe->ftype->number == FT_Q2_K_S && strcmp(tensor->type->name, "q2_K") == 0;
}
