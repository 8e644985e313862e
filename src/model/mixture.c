/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mixture.c - the type that llama-quantize gives each tensor of a model, rule by rule (specs/ggml.md 3.10). */
#include "model/mixture.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

/* Types by ggml's name, so that the rules read like the specification. */
typedef enum qtype {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ1_S,
    IQ1_M,
    IQ2_XXS,
    IQ2_XS,
    IQ2_S,
    IQ3_XXS,
    IQ3_S,
    IQ4_NL,
    IQ4_XS,
    TQ1_0,
    TQ2_0,
    Q1_0,
    Q2_0,
    MXFP4,
    QTYPES
} qtype;

static const char *const type_names[QTYPES] = {
    [F32] = "f32",         [F16] = "f16",       [BF16] = "bf16",   [Q4_0] = "q4_0",       [Q4_1] = "q4_1",
    [Q5_0] = "q5_0",       [Q5_1] = "q5_1",     [Q8_0] = "q8_0",   [Q2_K] = "q2_K",       [Q3_K] = "q3_K",
    [Q4_K] = "q4_K",       [Q5_K] = "q5_K",     [Q6_K] = "q6_K",   [IQ1_S] = "iq1_s",     [IQ1_M] = "iq1_m",
    [IQ2_XXS] = "iq2_xxs", [IQ2_XS] = "iq2_xs", [IQ2_S] = "iq2_s", [IQ3_XXS] = "iq3_xxs", [IQ3_S] = "iq3_s",
    [IQ4_NL] = "iq4_nl",   [IQ4_XS] = "iq4_xs", [TQ1_0] = "tq1_0", [TQ2_0] = "tq2_0",     [Q1_0] = "q1_0",
    [Q2_0] = "q2_0",       [MXFP4] = "mxfp4",
};

/* File types by their numbers in llama.cpp (general.file_type). */
typedef enum ftype {
    FT_F32 = 0,
    FT_F16 = 1,
    FT_Q4_0 = 2,
    FT_Q4_1 = 3,
    FT_Q8_0 = 7,
    FT_Q5_0 = 8,
    FT_Q5_1 = 9,
    FT_Q2_K = 10,
    FT_Q3_K_S = 11,
    FT_Q3_K_M = 12,
    FT_Q3_K_L = 13,
    FT_Q4_K_S = 14,
    FT_Q4_K_M = 15,
    FT_Q5_K_S = 16,
    FT_Q5_K_M = 17,
    FT_Q6_K = 18,
    FT_IQ2_XXS = 19,
    FT_IQ2_XS = 20,
    FT_Q2_K_S = 21,
    FT_IQ3_XS = 22,
    FT_IQ3_XXS = 23,
    FT_IQ1_S = 24,
    FT_IQ4_NL = 25,
    FT_IQ3_S = 26,
    FT_IQ3_M = 27,
    FT_IQ2_S = 28,
    FT_IQ2_M = 29,
    FT_IQ4_XS = 30,
    FT_IQ1_M = 31,
    FT_BF16 = 32,
    FT_TQ1_0 = 36,
    FT_TQ2_0 = 37,
    FT_MXFP4_MOE = 38,
    FT_Q1_0 = 40,
    FT_Q2_0 = 41,
} ftype;

static const bb_ftype ftypes[] = {
    {"f32", FT_F32, "f32"},
    {"f16", FT_F16, "f16"},
    {"bf16", FT_BF16, "bf16"},
    {"q8_0", FT_Q8_0, "q8_0"},
    {"q6_K", FT_Q6_K, "q6_K"},
    {"q5_K_M", FT_Q5_K_M, "q5_K"},
    {"q5_K_S", FT_Q5_K_S, "q5_K"},
    {"q5_1", FT_Q5_1, "q5_1"},
    {"q5_0", FT_Q5_0, "q5_0"},
    {"q4_K_M", FT_Q4_K_M, "q4_K"},
    {"q4_K_S", FT_Q4_K_S, "q4_K"},
    {"q4_1", FT_Q4_1, "q4_1"},
    {"q4_0", FT_Q4_0, "q4_0"},
    {"iq4_nl", FT_IQ4_NL, "iq4_nl"},
    {"iq4_xs", FT_IQ4_XS, "iq4_xs"},
    {"mxfp4_moe", FT_MXFP4_MOE, "mxfp4"},
    {"q3_K_L", FT_Q3_K_L, "q3_K"},
    {"q3_K_M", FT_Q3_K_M, "q3_K"},
    {"q3_K_S", FT_Q3_K_S, "q3_K"},
    {"iq3_m", FT_IQ3_M, "iq3_s"},
    {"iq3_s", FT_IQ3_S, "iq3_s"},
    {"iq3_xs", FT_IQ3_XS, "iq3_s"},
    {"iq3_xxs", FT_IQ3_XXS, "iq3_xxs"},
    {"q2_K", FT_Q2_K, "q2_K"},
    {"q2_K_S", FT_Q2_K_S, "q2_K"},
    {"iq2_m", FT_IQ2_M, "iq2_s"},
    {"iq2_s", FT_IQ2_S, "iq2_xs"},
    {"iq2_xs", FT_IQ2_XS, "iq2_xs"},
    {"iq2_xxs", FT_IQ2_XXS, "iq2_xxs"},
    {"q2_0", FT_Q2_0, "q2_0"},
    {"tq2_0", FT_TQ2_0, "tq2_0"},
    {"iq1_m", FT_IQ1_M, "iq1_m"},
    {"iq1_s", FT_IQ1_S, "iq1_s"},
    {"tq1_0", FT_TQ1_0, "tq1_0"},
    {"q1_0", FT_Q1_0, "q1_0"},
};
enum { FTYPES = sizeof ftypes / sizeof *ftypes };

size_t bb_ftype_count(void) { return FTYPES; }
const bb_ftype *bb_ftype_at(size_t i) { return i < FTYPES ? &ftypes[i] : NULL; }

/* File types, then the storage types that are no file type. */
static const char *candidate(const void *ctx, size_t i) {
    (void)ctx;
    if (i < FTYPES) return ftypes[i].name;
    return i - FTYPES < bb_dtype_count() ? bb_dtype_at(i - FTYPES)->name : NULL;
}

const bb_ftype *bb_ftype_find(const char *name, bb_error *err) {
    for (size_t i = 0; i < FTYPES; i++)
        if (bb_name_like(name, ftypes[i].name)) return &ftypes[i];
    if (bb_dtype_ambiguous(name, err)) return NULL;
    char shown[64], near[128];
    bb_nearest(name, candidate, NULL, near, sizeof near);
    bb_fail(err, BB_E_NAME, "no file type or storage type is called '%s'%s%s", bb_escape_buf(name, shown, sizeof shown),
            *near ? "; nearest: " : "", near);
    return NULL;
}

/* What a rule can look at. */
typedef struct state {
    ftype ft;
    qtype base;
    bool imatrix, tied;
    int64_t layers; /* block_count: n of the ffn_* rules */
    int64_t experts, gqa;
    bool is_70b, falcon;
    int64_t n_v;                       /* tensors that count as attn_v */
    int64_t i_v, i_down, i_gate, i_up; /* running counts in llama-quantize's order */
} state;

/* Tensors by their part of a layer; only those that a rule names. */
typedef enum part { OTHER, OUTPUT, TOKEN_EMBD, ATTN_V, ATTN_K, ATTN_Q, ATTN_OUTPUT, FFN_DOWN, FFN_GATE, FFN_UP } part;

typedef struct item {
    const bb_mix_tensor *t;
    int64_t layer; /* number after "blk.", or -1 */
    part role;
} item;

static bool has(const char *name, const char *text) { return strstr(name, text) != NULL; }

/* Order of the tests as in the specification: the first that matches decides. */
static part role_of(const char *name) {
    static const struct {
        const char *text;
        part role;
    } parts[] = {
        {"attn_v.weight", ATTN_V},           {"attn_qkv.weight", ATTN_V}, {"attn_kv_b.weight", ATTN_V},
        {"attn_k.weight", ATTN_K},           {"attn_q.weight", ATTN_Q},   {"ffn_down", FFN_DOWN},
        {"attn_output.weight", ATTN_OUTPUT}, {"ffn_gate", FFN_GATE},      {"ffn_up", FFN_UP},
    };
    if (strcmp(name, "output.weight") == 0) return OUTPUT;
    if (strcmp(name, "token_embd.weight") == 0) return TOKEN_EMBD;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (has(name, parts[i].text)) return parts[i].role;
    return OTHER;
}

static int64_t layer_of(const char *name) {
    int64_t n = 0;
    if (strncmp(name, "blk.", 4) != 0) return -1;
    const char *p = name + 4;
    if (*p < '0' || *p > '9') return -1;
    for (; *p >= '0' && *p <= '9' && n < 1000000000; p++) n = n * 10 + (*p - '0');
    return *p == '.' ? n : -1;
}

/* Vectors, norms, the router of a mixture of experts and tables of positions stay as they are: F32. */
static bool quantized(const bb_mix_tensor *t) {
    return t->n_dims >= 2 && bb_ends_with(t->name, "weight") && !bb_ends_with(t->name, "_norm.weight") &&
           !has(t->name, "ffn_gate_inp.weight") && strcmp(t->name, "position_embd.weight") != 0 &&
           strcmp(t->name, "token_types.weight") != 0;
}

/* llama-quantize works through the tensors by layer, those without a layer first, then by name. */
static int by_layer(const void *a, const void *b) {
    const item *x = a, *y = b;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    return strcmp(x->t->name, y->t->name);
}

static bool use_more_bits(int64_t i, int64_t n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

static bool is_iq1_or_iq2(ftype ft) {
    return ft == FT_IQ1_S || ft == FT_IQ1_M || ft == FT_IQ2_XXS || ft == FT_IQ2_XS || ft == FT_IQ2_S || ft == FT_IQ2_M;
}

static qtype output_type(const state *s, uint64_t ne0, uint64_t base_block) {
    if (ne0 % base_block || s->falcon) return Q8_0;
    if (is_iq1_or_iq2(s->ft) || s->ft == FT_IQ3_XXS) return Q5_K;
    return s->base == Q8_0 ? Q8_0 : Q6_K;
}

static qtype embedding_type(const state *s) {
    switch (s->ft) {
    case FT_IQ1_S:
    case FT_IQ1_M:
    case FT_IQ2_XXS:
    case FT_IQ2_XS:
        return Q2_K;
    case FT_IQ2_S:
    case FT_IQ2_M:
    case FT_IQ3_XXS:
        return IQ3_S;
    case FT_TQ1_0:
    case FT_TQ2_0:
    case FT_Q2_0:
        return Q4_K;
    default:
        return s->base;
    }
}

/* Group 4: the file types of one and two bits. */
static qtype small_type(state *s, part role) {
    bool upper = s->ft == FT_IQ2_S || s->ft == FT_IQ2_M;
    qtype high = upper ? IQ3_S : Q2_K;
    switch (role) {
    case ATTN_V:
        s->i_v++;
        return s->gqa >= 4 || s->experts >= 4 ? Q4_K : high;
    case ATTN_K:
        return s->experts == 8 ? Q4_K : s->base;
    case FFN_DOWN:
        return s->i_down++ < s->layers / 8 ? high : s->base;
    case ATTN_OUTPUT:
        if (s->experts == 8) return Q5_K;
        if (s->ft == FT_IQ1_S || s->ft == FT_IQ1_M) return IQ2_XXS;
        return upper ? IQ3_S : s->base;
    default:
        return s->base;
    }
}

static qtype attn_v_type(state *s) {
    int64_t i = s->i_v++;
    bool shared = s->gqa >= 4;
    qtype t = s->base;
    switch (s->ft) {
    case FT_Q2_K:
        t = shared ? Q4_K : Q3_K;
        break;
    case FT_Q2_K_S:
    case FT_IQ3_XS:
    case FT_IQ3_S:
        if (shared) t = Q4_K;
        break;
    case FT_IQ3_XXS:
        t = shared ? Q4_K : s->imatrix ? IQ3_XXS : IQ3_S;
        break;
    case FT_IQ3_M:
        t = Q4_K;
        break;
    case FT_Q3_K_M:
        t = i < 2 ? Q5_K : Q4_K;
        break;
    case FT_Q3_K_L:
        t = Q5_K;
        break;
    case FT_IQ4_NL:
    case FT_IQ4_XS:
        if (shared) t = Q5_K;
        break;
    case FT_Q4_K_M:
    case FT_Q5_K_M:
        if (use_more_bits(i, s->n_v)) t = Q6_K;
        break;
    case FT_Q4_K_S:
        if (i < 4) t = Q5_K;
        break;
    default:
        break;
    }
    /* In a 70B eight heads share one attn_v: it is small, and worth more bits. */
    if (s->is_70b && (t == Q3_K || t == Q4_K)) t = Q5_K;
    return s->experts == 8 ? Q8_0 : t;
}

/* llama-quant.cpp has falcon's feed-forward matrices apart; false where its rule is that of the others. */
static bool falcon_down_type(const state *s, int64_t i, qtype *t) {
    int64_t n = s->layers;
    if (s->ft == FT_Q3_K_M)
        *t = i < n / 16 ? Q5_K : use_more_bits(i, n) ? Q4_K : Q3_K;
    else if (s->ft == FT_Q3_K_L)
        *t = Q4_K;
    else if (s->ft == FT_Q4_K_M)
        *t = i < n / 16 ? Q6_K : use_more_bits(i, n) ? Q5_K : Q4_K;
    else if (s->ft == FT_Q4_K_S)
        *t = s->base;
    else
        return false;
    return true;
}

static qtype ffn_down_type(const state *s, int64_t i) {
    int64_t n = s->layers;
    bool first = i < n / 8;
    qtype special;
    if (s->falcon && falcon_down_type(s, i, &special)) return special;
    switch (s->ft) {
    case FT_Q2_K:
        return Q3_K;
    case FT_Q2_K_S:
        return first ? Q4_K : s->base;
    case FT_IQ3_XXS:
        return s->imatrix ? s->base : first ? Q4_K : Q3_K;
    case FT_Q3_K_M:
        return i < n / 16 ? Q5_K : Q4_K;
    case FT_IQ3_M:
        return first || (s->experts == 8 && use_more_bits(i, n)) ? Q4_K : s->base;
    case FT_Q3_K_L:
        return Q5_K;
    case FT_Q4_K_M:
    case FT_Q5_K_M:
        return use_more_bits(i, n) ? Q6_K : s->base;
    case FT_IQ4_NL:
    case FT_IQ4_XS:
        return !s->imatrix && first ? Q5_K : s->base;
    case FT_Q4_K_S:
        return first ? Q5_K : s->base;
    case FT_Q4_0:
        return s->imatrix && first ? Q4_1 : s->base;
    case FT_Q5_0:
        return s->imatrix && first ? Q5_1 : s->base;
    default:
        return s->base;
    }
}

static qtype attn_output_type(const state *s) {
    if (s->falcon) return s->ft == FT_Q3_K_L ? Q4_K : s->base;
    if (s->experts == 8) {
        switch (s->ft) {
        case FT_Q2_K:
        case FT_IQ3_XS:
        case FT_IQ3_XXS:
        case FT_IQ3_S:
        case FT_IQ3_M:
        case FT_Q3_K_S:
        case FT_Q3_K_M:
        case FT_IQ4_NL:
        case FT_IQ4_XS:
        case FT_Q4_K_S:
        case FT_Q4_K_M:
            return Q5_K;
        default:
            return s->base;
        }
    }
    switch (s->ft) {
    case FT_Q2_K:
        return Q3_K;
    case FT_IQ3_XXS:
        return IQ3_S;
    case FT_Q3_K_M:
    case FT_IQ3_M:
        return Q4_K;
    case FT_Q3_K_L:
        return Q5_K;
    default:
        return s->base;
    }
}

static qtype attn_qk_type(const state *s, part role) {
    if (role == ATTN_K && s->experts == 8) return Q8_0;
    if (s->ft == FT_IQ3_XS) return IQ3_XXS;
    return s->ft == FT_IQ3_XXS ? IQ2_S : s->base;
}

/* Number that the ffn_* rules go by: a running count, but the layer's own where there are experts. */
static int64_t ffn_index(const state *s, const item *it, int64_t *count) {
    int64_t running = (*count)++;
    return s->experts > 1 ? it->layer : running;
}

static qtype wanted_type(state *s, const item *it, uint64_t base_block) {
    int64_t i;
    if (s->ft == FT_MXFP4_MOE) return it->t->n_dims > 2 && it->t->dims[2] > 1 ? MXFP4 : Q8_0;
    if (it->role == OUTPUT || (s->tied && it->role == TOKEN_EMBD)) return output_type(s, it->t->dims[0], base_block);
    if (it->role == TOKEN_EMBD) return embedding_type(s);
    if (is_iq1_or_iq2(s->ft)) return small_type(s, it->role);
    switch (it->role) {
    case ATTN_V:
        return attn_v_type(s);
    case ATTN_K:
    case ATTN_Q:
        return attn_qk_type(s, it->role);
    case FFN_DOWN:
        i = ffn_index(s, it, &s->i_down);
        return ffn_down_type(s, i);
    case ATTN_OUTPUT:
        return attn_output_type(s);
    case FFN_GATE:
    case FFN_UP:
        i = ffn_index(s, it, it->role == FFN_GATE ? &s->i_gate : &s->i_up);
        return s->ft == FT_IQ3_XS && i >= s->layers / 8 && i < 7 * s->layers / 8 ? IQ3_XXS : s->base;
    default:
        return s->base;
    }
}

/* The type of 32-element blocks (or of none) that stands in when rows do not divide into the wanted one's. */
static qtype fallback(qtype t) {
    switch (t) {
    case Q2_K:
    case Q3_K:
    case TQ1_0:
    case TQ2_0:
    case Q2_0:
        return Q4_0;
    case Q4_K:
        return Q5_0;
    case Q5_K:
        return Q5_1;
    case Q6_K:
        return Q8_0;
    case IQ1_S:
    case IQ1_M:
    case IQ2_XXS:
    case IQ2_XS:
    case IQ2_S:
    case IQ3_XXS:
    case IQ3_S:
    case IQ4_XS:
        return IQ4_NL;
    default:
        return F16;
    }
}

static qtype fitting_type(qtype t, uint64_t ne0, const bb_dtype *const *types) {
    if (ne0 % types[t]->block) t = fallback(t);
    return ne0 % types[t]->block ? F16 : t;
}

static bb_status find_types(const bb_dtype **types, bb_error *err) {
    for (size_t i = 0; i < QTYPES; i++) {
        types[i] = bb_dtype_find(type_names[i], err);
        if (!types[i]) return bb_fail(err, BB_E_BUG, "the storage type %s is not in the table", type_names[i]);
    }
    return BB_OK;
}

/* What llama.cpp calls a 70B model (src/models/llama.cpp, qwen2.cpp, olmo.cpp). */
static bool is_70b(const bb_arch *a) {
    if (a->layers != 80) return false;
    if (strcmp(a->family, "llama") == 0) return a->heads != a->kv_heads;
    return strcmp(a->family, "qwen2") == 0 || strcmp(a->family, "olmo") == 0;
}

bb_status bb_mixture(const bb_ftype *ft, const bb_arch *arch, bool has_imatrix, bb_mix_tensor *tensors, size_t n,
                     bb_error *err) {
    const bb_dtype *types[QTYPES];
    bb_status st = find_types(types, err);
    if (st) return st;
    item *items = bb_alloc(n + 1, sizeof *items);
    if (!items) return bb_fail(err, BB_E_NOMEM, "no memory for %zu tensors", n);
    state s = {.ft = (ftype)ft->number,
               .imatrix = has_imatrix,
               .tied = true,
               .layers = (int64_t)arch->layers,
               .experts = (int64_t)arch->experts,
               .gqa = arch->kv_heads ? (int64_t)(arch->heads / arch->kv_heads) : 1,
               .is_70b = is_70b(arch),
               .falcon = strcmp(arch->family, "falcon") == 0};
    while (s.base < QTYPES && strcmp(type_names[s.base], ft->base) != 0) s.base++;
    for (size_t i = 0; i < n; i++) {
        items[i] = (item){&tensors[i], layer_of(tensors[i].name), role_of(tensors[i].name)};
        if (items[i].role == OUTPUT) s.tied = false;
        if (items[i].role == ATTN_V && quantized(&tensors[i])) s.n_v++;
    }
    qsort(items, n, sizeof *items, by_layer);
    bool plain = s.base == F32 || s.base == F16 || s.base == BF16;
    for (size_t i = 0; i < n; i++) {
        bb_mix_tensor *t = &tensors[items[i].t - tensors];
        qtype q = F32;
        if (quantized(t))
            q = plain ? s.base : fitting_type(wanted_type(&s, &items[i], types[s.base]->block), t->dims[0], types);
        t->type = types[q];
    }
    free(items);
    return BB_OK;
}
