/* SPDX-License-Identifier: GPL-3.0-or-later */
/* weight_set.c - sums of tensor bytes by layer, and llama.cpp's rules for tensors that lie elsewhere. */
#include "plan/weight_set.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/pattern.h"
#include "plan/graph_alloc.h"
#include "plan/plan_parts.h"
#include <stdlib.h>
#include <string.h>

/* SETS: more than the file types that llama-quantize makes, so that a sweep over all of them sums each once. */
enum { SETS = 64, RULES = 18 };

struct bb_weight_sets {
    bb_weight_set set[SETS];
    size_t n, next; /* next: the one that gives way when all are taken */
    size_t last;    /* that was asked for: most plans ask for the same again */
    uint64_t serial;
};

static void clear(bb_weight_set *w) {
    free((void *)w->types);
    free(w->where);
    free(w->layers);
    *w = (bb_weight_set){0};
}

void bb_weight_sets_free(bb_subject *s) {
    for (size_t i = 0; s->sets && i < s->sets->n; i++) clear(&s->sets->set[i]);
    free(s->sets);
    s->sets = NULL;
}

/* ---- tensors that do not follow their layer: the first rule that matches decides ---- */

typedef struct rule {
    bb_pattern *pattern;
    uint64_t below; /* only tensors of layers below this one */
    uint8_t where;
} rule;

/* "CPU", "CUDA1": the buffer types that llama.cpp v0.5.0 knows are those of its devices. */
static bool buffer_of(const char *name, uint8_t *where) {
    static const char *const kinds[] = {"CUDA", "ROCm", "Vulkan", "SYCL"};
    uint64_t n;
    if (strcmp(name, "CPU") == 0) {
        *where = BB_PLAN_CARDS;
        return true;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t length = strlen(kinds[i]);
        if (strncmp(name, kinds[i], length) != 0 || !bb_parse_u64(name + length, &n) || n >= BB_PLAN_CARDS) continue;
        *where = (uint8_t)n;
        return true;
    }
    return false;
}

static bb_status add_rule(rule *rules, size_t *n, char *text, bb_error *err) {
    char shown[96];
    char *equals = strchr(text, '='); /* the first one, as there: a pattern holds none */
    rule r = {.below = UINT64_MAX};
    if (*n == RULES) return bb_fail(err, BB_E_LIMIT, "--override-tensor: more than %d patterns", RULES - 1);
    if (!equals)
        return bb_fail(err, BB_E_ARG,
                       "--override-tensor '%s': llama.cpp stops with 'invalid value'; expected REGEX=CPU",
                       bb_escape_buf(text, shown, sizeof shown));
    *equals = '\0';
    if (!buffer_of(equals + 1, &r.where))
        return bb_fail(
            err, BB_E_ARG,
            "--override-tensor: llama.cpp stops with 'unknown buffer type' at '%s'; CPU, CUDA0, CUDA1, ... go",
            bb_escape_buf(equals + 1, shown, sizeof shown));
    bb_status st = bb_pattern_new(text, BB_PATTERN_LLAMA, &r.pattern, err);
    if (!st) rules[(*n)++] = r;
    return st;
}

static bb_status make_rules(const bb_weight_set *w, rule *rules, size_t *n, bb_error *err) {
    char list[sizeof w->overrides];
    bb_status st = BB_OK;
    memcpy(list, w->overrides, sizeof list);
    for (char *p = list; *p && !st;) {
        char *end = p + strcspn(p, ","), *next = *end ? end + 1 : end;
        *end = '\0';
        st = add_rule(rules, n, p, err);
        p = next;
    }
    if (st || !w->moe_layers) return st;
    rule r = {.below = w->moe_layers, .where = BB_PLAN_CARDS};
    /* LLM_FFN_EXPS_REGEX of llama.cpp's common/common.h */
    st = bb_pattern_new("\\.ffn_(up|down|gate|gate_up)_(ch|)exps", BB_PATTERN_LLAMA, &r.pattern, err);
    if (!st) rules[(*n)++] = r;
    return st;
}

static bb_status find_places(const bb_subject *s, bb_weight_set *w, bb_error *err) {
    rule rules[RULES + 1];
    size_t n = 0;
    bb_status st = make_rules(w, rules, &n, err);
    for (size_t k = 0; k < n; k++)
        if (rules[k].where < BB_PLAN_CARDS) w->cards |= UINT32_C(1) << rules[k].where;
    for (size_t i = 0; i < s->n_tensors && !st; i++) {
        w->where[i] = BB_FOLLOWS;
        for (size_t k = 0; k < n && w->where[i] == BB_FOLLOWS; k++)
            if ((rules[k].below == UINT64_MAX || (s->layers[i] >= 0 && (uint64_t)s->layers[i] < rules[k].below)) &&
                bb_pattern_match(rules[k].pattern, s->tensors[i].name))
                w->where[i] = rules[k].where;
    }
    for (size_t k = 0; k < n; k++) bb_pattern_free(rules[k].pattern);
    return st;
}

/* ---- sums ---- */

bb_status bb_cuda_padded(const bb_dtype *type, uint64_t cols, uint64_t bytes, uint64_t *padded) {
    bb_calc c = {false};
    uint64_t all = bb_calc_align(&c, bb_calc_add(&c, bytes, bb_cuda_row_padding(&c, type, cols)), BB_CUDA_ALIGN);
    if (c.overflow) return BB_E_OVERFLOW;
    *padded = all;
    return BB_OK;
}

static void add(bb_calc *c, bb_weight_sum *to, const bb_weight_sum *one) {
    to->bytes = bb_calc_add(c, to->bytes, one->bytes);
    to->padded = bb_calc_add(c, to->padded, one->padded);
    to->elements = bb_calc_add(c, to->elements, one->elements);
    to->experts = bb_calc_add(c, to->experts, one->experts);
}

/* Whether the output side is the embedding; an encoder has none. */
static bool ties(const bb_subject *s) { return !s->has_output && (!s->family || s->family->has_cache); }

static bb_status sum(const bb_subject *s, bb_weight_set *w, bb_error *err) {
    bb_calc c = {false};
    for (size_t i = 0; i < s->n_tensors; i++) {
        bb_weight_sum one;
        int64_t at = s->layers[i];
        if (at == BB_LAYER_UNUSED) continue; /* llama.cpp skips them without --mtp */
        bb_status st = bb_subject_tensor(s, i, w->types[i], &one.bytes, &one.elements, err);
        if (!st)
            st = bb_cuda_padded(w->types[i], s->tensors[i].n_dims ? s->tensors[i].dims[0] : 1, one.bytes, &one.padded);
        if (st) return st == BB_E_OVERFLOW ? bb_fail(err, st, "the bytes of the weights pass 2^64") : st;
        one.experts = strstr(s->tensors[i].name, "exps.") ? one.bytes : 0;
        if (w->where[i] != BB_FOLLOWS) {
            add(&c, &w->elsewhere[w->where[i]], &one);
            w->overridden = true;
            continue;
        }
        if (at == BB_LAYER_SHARED) {
            add(&c, &w->shared, &one);
        } else if (at == BB_LAYER_INPUT) {
            add(&c, &w->input, &one);
            if (ties(s) && strcmp(s->tensors[i].name, "token_embd.weight") == 0) w->tied = one;
        } else {
            add(&c, &w->layers[at], &one);
        }
    }
    return c.overflow ? bb_fail(err, BB_E_OVERFLOW, "the bytes of the weights pass 2^64") : BB_OK;
}

static const bb_weight_set *find(const bb_subject *s, const bb_plan_request *u, const char *weights) {
    struct bb_weight_sets *all = s->sets;
    for (size_t k = 0; all && k < all->n; k++) {
        size_t i = (all->last + k) % all->n;
        const bb_weight_set *w = &all->set[i];
        if (w->imatrix == u->imatrix && w->moe_layers == u->cpu_moe_layers && strcmp(w->weights, weights) == 0 &&
            strcmp(w->overrides, u->override_tensor) == 0) {
            all->last = i;
            return w;
        }
    }
    return NULL;
}

/* Makes the subject's own list agree with the set. */
static void take(bb_subject *s, const bb_weight_set *w) {
    if (s->imatrix == w->imatrix && strcmp(s->weights, w->weights) == 0) return;
    for (size_t i = 0; i < s->n_tensors; i++) s->tensors[i].type = w->types[i];
    strcpy(s->weights, w->weights);
    s->imatrix = w->imatrix;
}

static bb_status make(const bb_subject *s, const bb_plan_request *u, bb_weight_set *w, bb_error *err) {
    strcpy(w->weights, s->weights);
    strcpy(w->overrides, u->override_tensor);
    w->imatrix = s->imatrix;
    w->moe_layers = u->cpu_moe_layers;
    w->types = bb_alloc(s->n_tensors, sizeof *w->types);
    w->where = bb_alloc(s->n_tensors, sizeof *w->where);
    w->layers = bb_alloc(s->n_layers + 1, sizeof *w->layers);
    if (!w->types || !w->where || !w->layers) return bb_fail(err, BB_E_NOMEM, "no memory for the types of the weights");
    for (size_t i = 0; i < s->n_tensors; i++) w->types[i] = s->tensors[i].type;
    bb_status st = find_places(s, w, err);
    return st ? st : sum(s, w, err);
}

bb_status bb_weight_set_get(bb_subject *s, const bb_plan_request *u, const bb_weight_set **set, bb_error *err) {
    char name[sizeof s->weights];
    /* a name as bb_subject_types writes it needs no look-up */
    const bb_weight_set *w = find(s, u, *u->weights ? u->weights : s->from_file ? "file" : "q4_K_M");
    if (!w) {
        bb_status st = bb_subject_types(s, u->weights, u->imatrix, name, err);
        if (st) return st;
        w = find(s, u, name);
    }
    if (w) {
        take(s, w);
        *set = w;
        return BB_OK;
    }
    if (!s->sets && !(s->sets = bb_alloc(1, sizeof *s->sets)))
        return bb_fail(err, BB_E_NOMEM, "no memory for the types of the weights");
    struct bb_weight_sets *all = s->sets;
    bb_weight_set made = {0};
    bb_status st = make(s, u, &made, err);
    if (st) {
        clear(&made);
        return st;
    }
    size_t at = all->n < SETS ? all->n++ : all->next++ % SETS;
    clear(&all->set[at]);
    made.serial = ++all->serial;
    all->set[at] = made;
    all->last = at;
    *set = &all->set[at];
    return BB_OK;
}
