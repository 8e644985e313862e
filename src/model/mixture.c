/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mixture.c - the type that llama-quantize gives each tensor of a model, rule by rule (specs/ggml.md 3.10). */
#include "model/mixture.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/ftype.h"
#include "model/recipe.h"
#include <inttypes.h>
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
    NVFP4,
    QTYPES
} qtype;

static const char *const type_names[QTYPES] = {
    [F32] = "f32",         [F16] = "f16",       [BF16] = "bf16",   [Q4_0] = "q4_0",       [Q4_1] = "q4_1",
    [Q5_0] = "q5_0",       [Q5_1] = "q5_1",     [Q8_0] = "q8_0",   [Q2_K] = "q2_K",       [Q3_K] = "q3_K",
    [Q4_K] = "q4_K",       [Q5_K] = "q5_K",     [Q6_K] = "q6_K",   [IQ1_S] = "iq1_s",     [IQ1_M] = "iq1_m",
    [IQ2_XXS] = "iq2_xxs", [IQ2_XS] = "iq2_xs", [IQ2_S] = "iq2_s", [IQ3_XXS] = "iq3_xxs", [IQ3_S] = "iq3_s",
    [IQ4_NL] = "iq4_nl",   [IQ4_XS] = "iq4_xs", [TQ1_0] = "tq1_0", [TQ2_0] = "tq2_0",     [Q1_0] = "q1_0",
    [Q2_0] = "q2_0",       [MXFP4] = "mxfp4",   [NVFP4] = "nvfp4",
};

/* What a rule can look at. */
typedef struct state {
    const bb_recipe *recipe;
    const bb_dtype *types[QTYPES];
    ftype ft;
    qtype base;
    bool imatrix, tied, old;
    int64_t layers; /* block_count: n of the ffn_* rules */
    int64_t experts, gqa;
    bool is_70b, falcon;
    bool only_ffn_experts;             /* mxfp4_moe: 3-D matrices of attention are no experts (bailingmoe3) */
    int64_t n_v;                       /* tensors that count as attn_v */
    int64_t i_v, i_down, i_gate, i_up; /* running counts in llama-quantize's order */
} state;

/* Tensors by their part of a layer; only those that a rule names. */
typedef enum part { OTHER, OUTPUT, TOKEN_EMBD, ATTN_V, ATTN_K, ATTN_Q, ATTN_OUTPUT, FFN_DOWN, FFN_GATE, FFN_UP } part;

typedef struct item {
    bb_mix_tensor *t; /* only read until all types are chosen */
    int64_t layer;    /* number after "blk.", or -1 */
    part role;
    bool stays; /* its name keeps it from being quantized */
    const bb_dtype *type;
    bool fell_back;
} item;

static bool has(const char *name, const char *text) { return strstr(name, text) != NULL; }

/* tensor_get_category: the first that matches decides. attn_qkv and attn_kv_b count as attn_v (category_is_attn_v); the
 * branch of llama_tensor_get_type_impl for attn_qkv alone comes after that test and is never reached. */
static part role_of(const char *name) {
    static const struct {
        const char *text;
        part role;
    } parts[] = {
        {"attn_qkv.weight", ATTN_V}, {"attn_kv_b.weight", ATTN_V}, {"attn_v.weight", ATTN_V},
        {"attn_k.weight", ATTN_K},   {"attn_q.weight", ATTN_Q},    {"attn_output.weight", ATTN_OUTPUT},
        {"ffn_up", FFN_UP},          {"ffn_gate", FFN_GATE},       {"ffn_down", FFN_DOWN},
    };
    if (strcmp(name, "output.weight") == 0) return OUTPUT;
    if (strcmp(name, "token_embd.weight") == 0 || strcmp(name, BB_PER_LAYER_EMBD) == 0) return TOKEN_EMBD;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (has(name, parts[i].text)) return parts[i].role;
    return OTHER;
}

int64_t bb_mixture_layer(const char *name) {
    int64_t n = 0;
    if (strncmp(name, "blk.", 4) != 0) return -1;
    const char *p = name + 4;
    if (*p < '0' || *p > '9') return -1;
    for (; *p >= '0' && *p <= '9' && n < 1000000000; p++) n = n * 10 + (*p - '0');
    return n;
}

static uint64_t dim(const bb_mix_tensor *t, uint32_t i) { return i < t->n_dims && i < 4 ? t->dims[i] : 1; }

/* tensor_allows_quantization: parts of names of what stays as it is beside vectors. */
static bool stays(const char *name) {
    static const char *const parts[] = {
        "_norm.weight",
        "ffn_gate_inp.weight", /* the router */
        "ffn_gate_tid2eid.weight",
        "altup",
        "laurel",
        "per_layer_model_proj",
        "ssm_conv1d",
        "shortconv.conv.weight",
        "indexer.k_proj.weight",
        "indexer.q_proj.weight",
        "time_mix_first.weight", /* RWKV's small matrices */
        "time_mix_w0.weight",
        "time_mix_w1.weight",
        "time_mix_w2.weight",
        "time_mix_v0.weight",
        "time_mix_v1.weight",
        "time_mix_v2.weight",
        "time_mix_a0.weight",
        "time_mix_a1.weight",
        "time_mix_a2.weight",
        "time_mix_g1.weight",
        "time_mix_g2.weight",
        "time_mix_decay_w1.weight",
        "time_mix_decay_w2.weight",
        "time_mix_lerp_fused.weight",
        "attn_rel_b.weight", /* T5's table of relative positions */
        ".position_embd",    /* of towers for images and sound */
        "sam.pos_embd",
        "sam.neck.",
        "sam.net_",
        ".rel_pos",
        ".patch_embd",
        ".patch_merger",
        "a.rvq.codebook",
        "mm.a.code_embd",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (has(name, parts[i])) return true;
    return false;
}

/* What is looked up in names, once for the tensors that layers have alike. */
enum { KINDS = 32 };
typedef struct tail_list {
    struct {
        const char *tail; /* from the dot behind the layer's number on */
        part role;
        bool stays;
    } kind[KINDS];
    size_t n;
} tail_list;

static void look_up(tail_list *all, item *it) {
    const char *name = it->t->name, *tail = it->layer >= 0 ? name + 4 + strspn(name + 4, "0123456789") : NULL;
    if (tail && *tail != '.') tail = NULL;
    for (size_t i = 0; tail && i < all->n; i++)
        if (strcmp(all->kind[i].tail, tail) == 0) {
            it->role = all->kind[i].role;
            it->stays = all->kind[i].stays;
            return;
        }
    it->role = role_of(name);
    it->stays = stays(name);
    if (!tail || all->n == KINDS) return;
    all->kind[all->n].tail = tail;
    all->kind[all->n].role = it->role;
    all->kind[all->n++].stays = it->stays;
}

/* tensor_allows_quantization */
static bool quantizable(const bb_recipe *r, const item *it) {
    static const char *const whole[] = {"position_embd.weight", "token_types.weight"};
    const bb_mix_tensor *t = it->t;
    const char *name = t->name;
    if (it->stays) return false;
    if (dim(t, 1) <= 1 && dim(t, 2) <= 1 && dim(t, 3) <= 1) return false; /* ggml_n_dims leaves out trailing ones */
    /* "ends in weight" is there rfind(...) == size - 6, which a name of five characters passes too */
    if (!bb_ends_with(name, "weight") && strlen(name) != 5) return false;
    if (r->leave_output && strcmp(name, "output.weight") == 0) return false;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(name, whole[i]) == 0) return false;
    return true;
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

static qtype output_type(const state *s, uint64_t ne0) {
    if (s->ft == FT_MXFP4_MOE || s->falcon || ne0 % s->types[s->base]->block) return Q8_0;
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
static bb_status ffn_index(const state *s, const item *it, int64_t *count, int64_t *index, bb_error *err) {
    char shown[96];
    int64_t running = (*count)++;
    if (s->experts <= 1) {
        *index = running;
        return BB_OK;
    }
    bb_escape_buf(it->t->name, shown, sizeof shown);
    if (it->layer < 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "tensor '%s' has no layer number to choose its type by", shown);
    if (it->layer >= s->layers)
        return bb_fail(err, BB_E_INVALID, "tensor '%s' is of layer %" PRId64 " where the model has %" PRId64, shown,
                       it->layer, s->layers);
    *index = it->layer;
    return BB_OK;
}

static bb_status ffn_type(state *s, const item *it, qtype *q, bb_error *err) {
    int64_t i = 0;
    int64_t *count = it->role == FFN_DOWN ? &s->i_down : it->role == FFN_GATE ? &s->i_gate : &s->i_up;
    bb_status st = ffn_index(s, it, count, &i, err);
    if (st) return st;
    if (it->role == FFN_DOWN)
        *q = ffn_down_type(s, i);
    else
        *q = s->ft == FT_IQ3_XS && i >= s->layers / 8 && i < 7 * s->layers / 8 ? IQ3_XXS : s->base;
    return BB_OK;
}

static bool is_ffn(part role) { return role == FFN_DOWN || role == FFN_GATE || role == FFN_UP; }

/* A type as it was before Q2_K_S came (llama.cpp's k_quants of August 2023 to January 2024): Q2_K had 3 bits for all
 * but the queries, the keys and the embedding, and a fused attn_qkv was no attn_v but had rules of its own. Dense
 * models; with it the sizes of thebloke.csv and the 3.35 bits of Llama-2-7B are reproduced. False where nothing
 * changed. */
static bool old_type(const state *s, const item *it, qtype *q) {
    if (has(it->t->name, "attn_qkv.weight")) {
        *q = s->ft == FT_Q3_K_M || s->ft == FT_Q3_K_L ? Q4_K
             : s->ft == FT_Q4_K_M                     ? Q5_K
             : s->ft == FT_Q5_K_M                     ? Q6_K
                                                      : s->base;
        return true;
    }
    if (s->ft != FT_Q2_K || it->role == OUTPUT || it->role == TOKEN_EMBD) return false;
    *q = it->role == ATTN_V ? s->is_70b ? Q5_K : Q3_K : it->role == ATTN_OUTPUT || is_ffn(it->role) ? Q3_K : s->base;
    return true;
}

/* llama_tensor_get_type_impl. */
static bb_status wanted_type(state *s, const item *it, const bb_dtype **type, bb_error *err) {
    qtype q = s->base;
    bb_status st = BB_OK;
    if (it->role == OUTPUT || (s->tied && it->role == TOKEN_EMBD)) {
        if (s->recipe->output_type) {
            *type = s->recipe->output_type;
            return BB_OK;
        }
        q = output_type(s, dim(it->t, 0));
    } else if (s->old && old_type(s, it, &q))
        st = BB_OK;
    else if (s->ft == FT_MXFP4_MOE)
        q = dim(it->t, 2) > 1 && (!s->only_ffn_experts || is_ffn(it->role)) ? MXFP4 : Q8_0;
    else if (it->role == TOKEN_EMBD)
        q = embedding_type(s);
    else if (is_iq1_or_iq2(s->ft))
        q = small_type(s, it->role);
    else if (it->role == ATTN_V)
        q = attn_v_type(s);
    else if (it->role == ATTN_K || it->role == ATTN_Q)
        q = attn_qk_type(s, it->role);
    else if (it->role == ATTN_OUTPUT)
        q = attn_output_type(s);
    else if (is_ffn(it->role))
        st = ffn_type(s, it, &q, err);
    if (!st) *type = s->types[q];
    return st;
}

/* The type of 32-element blocks that stands in when rows do not divide into the wanted one's; QTYPES = none. */
static qtype stand_in(qtype t) {
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
        return QTYPES;
    }
}

/* tensor_type_fallback: F16 where not even the stand-in fits; larger blocks without a stand-in are refused there too.
 */
static bb_status fit(const state *s, item *it, const bb_dtype *wanted, bb_error *err) {
    char shown[96];
    uint64_t cols = dim(it->t, 0);
    it->fell_back = cols % wanted->block != 0;
    it->type = wanted;
    if (!it->fell_back) return BB_OK;
    qtype q = 0;
    while (q < QTYPES && s->types[q] != wanted) q++;
    qtype other = stand_in(q);
    if (other == QTYPES && wanted->block > 32)
        return bb_fail(err, BB_E_UNSUPPORTED,
                       "the rows of '%s' have %" PRIu64 " elements, which blocks of %u (%s) do not divide, and %s has "
                       "no type to fall back to",
                       bb_escape_buf(it->t->name, shown, sizeof shown), cols, wanted->block, wanted->name,
                       wanted->name);
    if (other != QTYPES) it->type = s->types[other];
    if (cols % it->type->block) it->type = s->types[F16];
    return BB_OK;
}

/* A type that the user gave for the embedding or the output: llama-quantize has no fallback there. */
static bb_status insist(item *it, const bb_dtype *type, bb_error *err) {
    char shown[96];
    if (dim(it->t, 0) % type->block)
        return bb_fail(err, BB_E_ARG, "'%s' cannot be %s: blocks of %u do not divide its rows of %" PRIu64 " elements",
                       bb_escape_buf(it->t->name, shown, sizeof shown), type->name, type->block, dim(it->t, 0));
    it->type = type;
    return BB_OK;
}

/* llama_tensor_get_type. Rules on names count only where the base is a block type, and a tensor that is named by one is
 * not counted among its kind. */
static bb_status choose(state *s, item *it, bb_error *err) {
    const bb_recipe *r = s->recipe;
    const bb_dtype *wanted = s->types[s->base], *named = r->rules ? bb_type_rules_find(r->rules, it->t->name) : NULL;
    bool separate = named && strcmp(it->t->name, BB_PER_LAYER_EMBD) == 0;
    if (r->embedding_type && it->role == TOKEN_EMBD && !separate) return insist(it, r->embedding_type, err);
    if (r->output_type && it->role == OUTPUT) return insist(it, r->output_type, err);
    it->type = wanted;
    if (s->base == F32 || s->base == F16 || s->base == BF16) return BB_OK;
    if (named) return fit(s, it, named, err);
    if (!r->pure) {
        bb_status st = wanted_type(s, it, &wanted, err);
        if (st) return st;
    }
    return fit(s, it, wanted, err);
}

static bb_status find_types(const bb_dtype **types, bb_error *err) {
    for (size_t i = 0; i < QTYPES; i++) {
        types[i] = bb_dtype_find(type_names[i], err);
        if (!types[i]) return bb_fail(err, BB_E_BUG, "the storage type %s is not in the table", type_names[i]);
    }
    return BB_OK;
}

/* What llama.cpp calls a 70B model (src/models/llama.cpp, qwen2.cpp, olmo.cpp, deci.cpp, jais2.cpp). */
static bool is_70b(const bb_arch *a) {
    static const struct {
        const char *family;
        uint64_t layers;
    } all[] = {{"qwen2", 80}, {"olmo", 80}, {"deci", 80}, {"jais2", 68}};
    if (strcmp(a->family, "llama") == 0 || strcmp(a->family, "llama-embed") == 0)
        return a->layers == 80 && a->heads != a->kv_heads;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(a->family, all[i].family) == 0) return a->layers == all[i].layers;
    return false;
}

static bb_status begin(state *s, const bb_arch *arch, bool sources, bb_error *err) {
    const bb_recipe *r = s->recipe;
    s->ft = (ftype)r->ftype->number;
    while (s->base < QTYPES && strcmp(type_names[s->base], r->ftype->base) != 0) s->base++;
    if (s->base == QTYPES) return bb_fail(err, BB_E_BUG, "no mixture has the base %s", r->ftype->base);
    s->imatrix = r->has_imatrix;
    s->old = r->ftype->old;
    s->tied = true;
    s->layers = (int64_t)(arch->layers + (sources ? arch->mtp_layers : 0)); /* a file's block_count has them too */
    s->experts = (int64_t)arch->experts;
    s->gqa = arch->kv_heads ? (int64_t)(arch->heads / arch->kv_heads) : 0;
    s->is_70b = is_70b(arch);
    s->falcon = strcmp(arch->family, "falcon") == 0;
    s->only_ffn_experts = strcmp(arch->family, "bailingmoe3") == 0;
    return BB_OK;
}

bb_status bb_mixture_choose(const bb_recipe *recipe, const bb_arch *arch, bool sources, bb_mix_tensor *tensors,
                            size_t n, bb_error *err) {
    state s = {.recipe = recipe};
    tail_list tails = {.n = 0};
    bb_status st = find_types(s.types, err);
    if (!st) st = begin(&s, arch, sources, err);
    if (st) return st;
    item *items = bb_alloc(n + 1, sizeof *items);
    if (!items) return bb_fail(err, BB_E_NOMEM, "no memory for %zu tensors", n);
    for (size_t i = 0; i < n; i++) {
        items[i] = (item){.t = &tensors[i], .layer = bb_mixture_layer(tensors[i].name)};
        look_up(&tails, &items[i]);
        if (items[i].role == OUTPUT) s.tied = false;
        if (items[i].role == ATTN_V) s.n_v++;
    }
    qsort(items, n, sizeof *items, by_layer);
    for (size_t i = 0; !st && i < n; i++) {
        items[i].type = sources ? items[i].t->source : s.types[F32];
        if (quantizable(recipe, &items[i])) st = choose(&s, &items[i], err);
    }
    for (size_t i = 0; !st && i < n; i++) {
        items[i].t->type = items[i].type;
        items[i].t->fell_back = items[i].fell_back;
    }
    free(items);
    return st;
}

bb_status bb_mixture(const bb_ftype *ft, const bb_arch *arch, bool has_imatrix, bb_mix_tensor *tensors, size_t n,
                     bb_error *err) {
    bb_recipe recipe = {.ftype = ft, .has_imatrix = has_imatrix};
    return bb_mixture_choose(&recipe, arch, false, tensors, n, err);
}
