/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_recipe.c - types with sources and options against llama_model_quantize; rules. */
#include "base/source.h"
#include "harness.h"
#include "model/recipe.h"
#include "model/tsv.h"
#include <string.h>

enum { TENSORS_MAX = 1000, NAME_LEN = 80 };

typedef struct model {
    bb_arch arch;
    bb_mix_tensor t[TENSORS_MAX];
    char names[TENSORS_MAX][NAME_LEN];
    size_t n;
    char what[128];
} model;

static uint64_t number(char **at) { return strtoull(field(at), NULL, 10); }

static void begin_model(model *m, char *at) {
    memset(m, 0, sizeof *m);
    const char *name = field(&at), *family = field(&at);
    ck_assert(name && family);
    snprintf(m->what, sizeof m->what, "%s", name);
    snprintf(m->arch.family, sizeof m->arch.family, "%s", family);
    m->arch.layers = number(&at);
    m->arch.heads = number(&at);
    m->arch.kv_heads = number(&at);
    m->arch.experts = number(&at);
}

static void add_tensors(model *m, char *at) {
    const char *name = field(&at), *slot = strstr(name, "%d");
    bb_mix_tensor t = {.source = bb_dtype_find(field(&at), NULL)};
    ck_assert_ptr_nonnull(t.source);
    while (at) t.dims[t.n_dims++] = number(&at);
    for (uint64_t i = 0; i < (slot ? m->arch.layers : 1); i++) {
        ck_assert(m->n < TENSORS_MAX);
        if (slot)
            snprintf(m->names[m->n], NAME_LEN, "%.*s%d%s", (int)(slot - name), name, (int)i, slot + 2);
        else
            snprintf(m->names[m->n], NAME_LEN, "%s", name);
        m->t[m->n] = t;
        m->t[m->n].name = m->names[m->n];
        m->n++;
    }
}

static bb_recipe read_recipe(char *at, bb_type_rules *rules) {
    bb_recipe r = {.ftype = bb_ftype_find(field(&at), NULL)};
    ck_assert_ptr_nonnull(r.ftype);
    for (char *o = field(&at); o; o = field(&at)) {
        if (strcmp(o, "pure") == 0)
            r.pure = true;
        else if (strcmp(o, "leave") == 0)
            r.leave_output = true;
        else if (strcmp(o, "imatrix") == 0)
            r.has_imatrix = true;
        else if (strncmp(o, "out=", 4) == 0)
            r.output_type = bb_dtype_find(o + 4, NULL);
        else if (strncmp(o, "emb=", 4) == 0)
            r.embedding_type = bb_dtype_find(o + 4, NULL);
        else {
            ck_assert_msg(strncmp(o, "tt=", 3) == 0, "%s", o);
            ck_assert(bb_type_rules_add(rules, o + 3, NULL) == BB_OK);
            r.rules = rules;
        }
    }
    return r;
}

/* "q4_K*3 f32": the types of the tensors in the file's order. */
static void check_types(const model *m, const char *types, const char *run) {
    size_t i = 0;
    while (types && *types) {
        size_t len = strcspn(types, " *"), times = types[len] == '*' ? strtoull(types + len + 1, NULL, 10) : 1;
        for (size_t k = 0; k < times; k++, i++) {
            ck_assert(i < m->n);
            const char *got = bb_dtype_name(m->t[i].type);
            ck_assert_msg(strlen(got) == len && strncmp(got, types, len) == 0, "%s, %s: %s is %s, not %.*s", m->what,
                          run, m->names[i], got, (int)len, types);
            ck_assert_msg(m->t[i].dims[0] % m->t[i].type->block == 0, "%s", m->names[i]);
        }
        types += strcspn(types, " ");
        types += strspn(types, " ");
    }
    ck_assert_msg(i == m->n, "%s, %s: %zu types for %zu tensors", m->what, run, i, m->n);
}

START_TEST(as_llama_quantize) {
    char *text, *at;
    size_t n, runs = 0;
    model *m = malloc(sizeof *m);
    ck_assert(bb_source_slurp(TEST_DATA("mixture/recipes.tsv"), 1 << 20, &text, &n, NULL) == BB_OK);
    at = text;
    for (char *l = line(&at); l; l = line(&at)) {
        char *rest = l;
        const char *kind = field(&rest);
        if (strcmp(kind, "model") == 0)
            begin_model(m, rest);
        else if (strcmp(kind, "t") == 0)
            add_tensors(m, rest);
        else {
            char run[128];
            bb_type_rules *rules;
            bb_error err = {.text = ""};
            ck_assert_str_eq(kind, "run");
            ck_assert(bb_type_rules_new(&rules, NULL) == BB_OK);
            snprintf(run, sizeof run, "%s", rest);
            bb_recipe r = read_recipe(rest, rules);
            for (size_t i = 0; i < m->n; i++) m->t[i].type = NULL;
            bb_status st = bb_recipe_types(&r, &m->arch, m->t, m->n, &err);
            char *result = line(&at);
            if (strcmp(result, "fails") == 0) {
                ck_assert_msg(st == BB_E_UNSUPPORTED || st == BB_E_ARG || st == BB_E_INVALID, "%s, %s", m->what, run);
                ck_assert_msg(strchr(err.text, '\''), "%s", err.text);
                for (size_t i = 0; i < m->n; i++) ck_assert_ptr_null(m->t[i].type);
            } else {
                ck_assert_msg(st == BB_OK, "%s, %s: %s", m->what, run, err.text);
                check_types(m, result + strlen("types\t"), run);
            }
            bb_type_rules_free(rules);
            runs++;
        }
    }
    ck_assert_uint_eq(runs, 761);
    free(text);
    free(m);
}
END_TEST

START_TEST(falls_back) {
    const bb_dtype *f32 = bb_dtype_find("f32", NULL);
    bb_arch a = {.family = "llama", .layers = 1, .heads = 1, .kv_heads = 1};
    bb_mix_tensor t[] = {
        {.name = "blk.0.attn_q.weight", .n_dims = 2, .dims = {288, 8}, .source = f32},
        {.name = "blk.0.attn_k.weight", .n_dims = 2, .dims = {256, 8}, .source = f32},
        {.name = "blk.0.attn_norm.weight", .n_dims = 1, .dims = {100}, .source = f32},
    };
    bb_recipe r = {.ftype = bb_ftype_find("q4_K_S", NULL)};
    ck_assert(bb_recipe_types(&r, &a, t, 3, NULL) == BB_OK);
    ck_assert(t[0].fell_back && !t[1].fell_back && !t[2].fell_back);
    t[1].source = NULL; /* a type that ggml does not have */
    ck_assert_int_eq(bb_recipe_types(&r, &a, t, 3, NULL), BB_E_UNSUPPORTED);
    t[1].source = f32;
    r.output_type = bb_dtype_find("nf4", NULL);
    ck_assert_int_eq(bb_recipe_types(&r, &a, t, 3, NULL), BB_E_ARG);
}
END_TEST

/* tensor_requires_imatrix of llama-quant.cpp. */
START_TEST(needs_imatrix) {
    static const struct {
        const char *ftype, *name, *type;
        bool needs;
    } cases[] = {
        {"q4_K_M", "blk.0.attn_q.weight", "q4_K", false},    {"q4_K_M", "blk.0.attn_q.weight", "iq3_xxs", true},
        {"iq2_xxs", "blk.0.attn_q.weight", "iq2_xxs", true}, {"iq2_xs", "blk.0.attn_q.weight", "iq2_xs", true},
        {"iq2_m", "blk.0.attn_q.weight", "iq2_s", true},     {"iq1_s", "blk.0.attn_q.weight", "iq1_s", true},
        {"iq1_m", "blk.0.attn_q.weight", "iq1_m", true},     {"iq1_m", "output.weight", "iq1_m", false},
        {"iq1_m", "token_embd.weight", "iq1_m", false},      {"iq1_m", "per_layer_token_embd.weight", "iq1_m", false},
        {"iq3_s", "blk.0.attn_q.weight", "iq3_s", false},    {"q2_K", "blk.0.attn_q.weight", "q2_K", false},
        {"q2_K_S", "blk.0.attn_q.weight", "q2_K", true},     {"q2_K_S", "token_embd.weight", "q2_K", false},
        {"iq4_xs", "blk.0.attn_q.weight", "iq4_xs", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_recipe r = {.ftype = bb_ftype_find(cases[i].ftype, NULL)};
        bb_mix_tensor t = {.name = cases[i].name, .type = bb_dtype_find(cases[i].type, NULL)};
        ck_assert_msg(bb_recipe_needs_imatrix(&r, &t) == cases[i].needs, "%s %s", cases[i].ftype, cases[i].name);
    }
}
END_TEST

START_TEST(rules) {
    static const struct {
        const char *text;
        bb_status status;
    } wrong[] = {
        {"attn_q", BB_E_ARG},
        {"=q8_0", BB_E_ARG},
        {"attn_q=", BB_E_ARG},
        {"attn_q=q9_Q", BB_E_NAME},
        {"attn_q=nf4", BB_E_ARG},
        {"attn_q=int8", BB_E_ARG},
        {"(attn=q8_0", BB_E_ARG},
        {"(?=x)=q8_0", BB_E_ARG},
        {"(a)\\1=q8_0", BB_E_ARG},
        {"a{2=q8_0", BB_E_ARG},
        {"(a{900}){900}=q8_0", BB_E_LIMIT},
    };
    bb_type_rules *r;
    bb_error err;
    ck_assert(bb_type_rules_new(&r, NULL) == BB_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(bb_type_rules_add(r, wrong[i].text, &err) == wrong[i].status, "%s", wrong[i].text);
    ck_assert_ptr_null(bb_type_rules_find(r, "blk.0.attn_q.weight"));
    ck_assert(bb_type_rules_add(r, "ATTN_V=Q8_0", NULL) == BB_OK);
    ck_assert(bb_type_rules_add(r, "attn_.=q5_k", NULL) == BB_OK); /* the first that matches decides */
    ck_assert(bb_type_rules_add(r, "a=b=bf16", NULL) == BB_OK);
    ck_assert_str_eq(bb_type_rules_find(r, "blk.0.attn_v.weight")->name, "q8_0");
    ck_assert_str_eq(bb_type_rules_find(r, "blk.0.attn_k.weight")->name, "q5_K");
    ck_assert_str_eq(bb_type_rules_find(r, "a=b")->name, "bf16");
    ck_assert_ptr_null(bb_type_rules_find(r, "blk.0.ffn_up.weight"));
    bb_type_rules_free(r);
    bb_type_rules_free(NULL);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("recipe");
    TCase *t = tcase_create("recipe");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, as_llama_quantize);
    tcase_add_test(t, falls_back);
    tcase_add_test(t, needs_imatrix);
    tcase_add_test(t, rules);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(make_suite)
