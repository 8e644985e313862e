/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arch_config.c - the architecture that a Hugging Face config.json describes. */
#include "base/escape.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/config_keys.h"
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX_BYTES = 64 << 20 };

typedef struct reader {
    const bb_json *root;
    const char *where; /* escaped name of the text */
    const char *type;  /* model_type */
    bb_arch *a;
    bool known; /* a family that graph/ describes: then what it needs must be there */
    bb_error *err;
} reader;

static const bb_json *member(const reader *r, const char *key) {
    const bb_json *v = bb_json_get(r->root, key);
    return v && !bb_json_is_null(v) ? v : NULL;
}

static bb_status read_bool(const reader *r, const char *key, bool *out) {
    const bb_json *v = member(r, key);
    if (v && !bb_json_is_bool(v, out))
        return bb_fail(r->err, BB_E_INVALID, "%s: %s is neither true nor false", r->where, key);
    return BB_OK;
}

static bb_status read_object(const reader *r, const char *key, const bb_json **out) {
    const bb_json *v = member(r, key);
    *out = v;
    if (v && !bb_json_is_object(v)) return bb_fail(r->err, BB_E_INVALID, "%s: %s is not an object", r->where, key);
    return BB_OK;
}

static const bb_json *first_member(const reader *r, const char *const keys[4], const char **key) {
    const bb_json *v = NULL;
    for (size_t i = 0; i < 4 && keys[i] && !v; i++) {
        v = member(r, keys[i]);
        *key = keys[i];
    }
    if (!v) *key = keys[0];
    return v;
}

/* Values of transformers' config classes for keys that are absent; a key that is null says "none" instead. */
static const struct {
    const char *type, *key;
    bb_arch_field field;
    uint64_t v;
} standards[] = {
    {"mistral", "num_key_value_heads", BB_ARCH_KV_HEADS, 8},
    {"mixtral", "num_key_value_heads", BB_ARCH_KV_HEADS, 8},
    {"mixtral", "num_local_experts", BB_ARCH_EXPERTS, 8},
    {"mixtral", "num_experts_per_tok", BB_ARCH_EXPERTS_USED, 2},
    {"gemma", "head_dim", BB_ARCH_HEAD_DIM, 256},
    {"gemma2", "head_dim", BB_ARCH_HEAD_DIM, 256},
    {"gemma2", "sliding_window", BB_ARCH_SLIDING_WINDOW, 4096},
    {"gemma3_text", "head_dim", BB_ARCH_HEAD_DIM, 256},
    {"gemma3_text", "num_attention_heads", BB_ARCH_HEADS, 8},
    {"gemma3_text", "num_key_value_heads", BB_ARCH_KV_HEADS, 4},
    {"gemma3_text", "vocab_size", BB_ARCH_VOCAB, 262208},
    {"gemma3_text", "max_position_embeddings", BB_ARCH_CONTEXT, 131072},
    {"gemma3_text", "sliding_window", BB_ARCH_SLIDING_WINDOW, 4096},
    {"qwen3", "head_dim", BB_ARCH_HEAD_DIM, 128},
    {"gpt_oss", "head_dim", BB_ARCH_HEAD_DIM, 64},
    {"gpt_oss", "sliding_window", BB_ARCH_SLIDING_WINDOW, 128},
    {"olmo3", "sliding_window", BB_ARCH_SLIDING_WINDOW, 4096},
    {"bert", "type_vocab_size", BB_ARCH_TYPE_VOCAB, 2},
    {"gpt2", "n_positions", BB_ARCH_CONTEXT, 1024},
};

static bool has_standard(const reader *r, const char *key, bb_arch_field f, uint64_t *v) {
    for (size_t i = 0; i < sizeof standards / sizeof *standards; i++)
        if (standards[i].field == f && strcmp(standards[i].type, r->type) == 0 && strcmp(standards[i].key, key) == 0 &&
            !bb_json_get(r->root, key)) {
            *v = standards[i].v;
            return true;
        }
    return false;
}

/* 4096.0 counts as a whole number, true and "4096" do not. */
static bb_status read_number(const reader *r, const bb_config_number *n) {
    const char *key;
    uint64_t x;
    const bb_json *v = first_member(r, n->keys, &key);
    if (!v) {
        if (has_standard(r, key, n->field, &x)) return bb_arch_set(r->a, n->field, x, r->where, key, r->err);
        return n->required && r->known ? bb_fail(r->err, BB_E_INVALID, "%s: %s is missing", r->where, key) : BB_OK;
    }
    if (!bb_json_u64(v, &x))
        return bb_fail(r->err, BB_E_INVALID, "%s: %s is not a whole number of 0 or more", r->where, key);
    return bb_arch_set(r->a, n->field, x, r->where, key, r->err);
}

static bb_status read_spec(const reader *r, const bb_config_spec *spec) {
    bb_status st = BB_OK;
    for (size_t l = 0; l < BB_CONFIG_LISTS && spec->numbers[l]; l++)
        for (const bb_config_number *n = spec->numbers[l]; n->keys[0] && !st; n++) st = read_number(r, n);
    for (const bb_config_flag *f = spec->flags; f < spec->flags + BB_CONFIG_FLAGS && f->key && !st; f++) {
        bool set = f->standard != f->inverted;
        st = read_bool(r, f->key, &set);
        *bb_arch_flag_at(r->a, f->flag) = set != f->inverted;
    }
    return st;
}

/* falcon: one KV head for all (7B), a KV head for each group (40B, 180B: the new decoder, with two norms), or each
 * head its own (rw: not parallel, two norms). */
static bb_status finish_falcon(const reader *r) {
    bb_arch *a = r->a;
    bool grouped = strcmp(r->type, "RefinedWeb") == 0, multi_query = true, parallel = true;
    bb_status st = read_bool(r, "new_decoder_architecture", &grouped);
    if (!st) st = read_bool(r, "multi_query", &multi_query);
    if (!st) st = read_bool(r, "parallel_attn", &parallel);
    if (st) return st;
    const bb_json *norms = member(r, "num_ln_in_parallel_attn");
    uint64_t n = grouped ? 2 : 1;
    if (norms && !bb_json_u64(norms, &n))
        return bb_fail(r->err, BB_E_INVALID, "%s: num_ln_in_parallel_attn is not a whole number", r->where);
    a->one_norm = !(grouped && n == 2) && (grouped || parallel);
    if (!grouped) a->kv_heads = multi_query ? 1 : a->heads;
    return BB_OK;
}

static bb_status finish_chatglm(const reader *r) {
    bool multi_query = false;
    bb_status st = read_bool(r, "multi_query_attention", &multi_query);
    if (st || !multi_query) return st;
    return read_number(r, &(bb_config_number){BB_ARCH_KV_HEADS, true, {"multi_query_group_num"}});
}

/* Layers that a list names as dense: understood when they are the first ones. */
static bb_status finish_qwen_moe(const reader *r) {
    const bb_json *list = member(r, "mlp_only_layers");
    if (!list) return BB_OK;
    if (!bb_json_is_array(list)) return bb_fail(r->err, BB_E_INVALID, "%s: mlp_only_layers is not a list", r->where);
    for (size_t i = 0; i < bb_json_size(list); i++) {
        uint64_t n;
        if (!bb_json_u64(bb_json_at(list, i), &n) || n != i)
            return bb_fail(r->err, BB_E_UNSUPPORTED, "%s: mlp_only_layers names other layers than the first ones",
                           r->where);
    }
    return bb_arch_set(r->a, BB_ARCH_DENSE_LAYERS, bb_json_size(list), r->where, "mlp_only_layers", r->err);
}

/* "layer_types": the distance to the first layer that attends to everything is the period. */
static void finish_window(const reader *r) {
    const bb_json *list = member(r, "layer_types");
    if (!list || !bb_json_is_array(list)) return;
    for (size_t i = 0; i < bb_json_size(list) && i < 1000; i++) {
        const char *text = bb_json_text(bb_json_at(list, i));
        if (text && strcmp(text, "full_attention") == 0) {
            r->a->swa_period = i + 1;
            return;
        }
    }
}

static bb_status finish(const reader *r) {
    bb_arch *a = r->a;
    const bb_family *family = bb_family_find(a->family);
    bb_status st = BB_OK;
    if (!family) return st;
    const char *f = family->name;
    bool wide = strcmp(f, "gpt2") == 0 || strcmp(f, "bloom") == 0 || strcmp(f, "falcon") == 0;
    if (wide && !a->ffn) a->ffn = 4 * a->hidden; /* n_inner null: four times as wide */
    if (strcmp(f, "falcon") == 0) st = finish_falcon(r);
    if (strcmp(f, "chatglm") == 0) st = finish_chatglm(r);
    if (strcmp(f, "qwen2moe") == 0 || strcmp(f, "qwen3moe") == 0) st = finish_qwen_moe(r);
    if (family->swa_period && a->sliding_window) finish_window(r);
    if (strcmp(f, "opt") == 0 && a->embed_dim == a->hidden) a->embed_dim = 0;
    /* transformers' DeepseekV3TopkRouter always has it; V2 chooses without */
    if (strcmp(r->type, "deepseek_v3") == 0) a->router_bias = true;
    a->mla_split = family->mla;
    return st;
}

/* The class that saved the checkpoint tells what stands on top of the layers. */
static bb_status read_head(const reader *r) {
    bb_arch *a = r->a;
    const bb_json *list = member(r, "architectures");
    const char *text = list && bb_json_is_array(list) ? bb_json_text(bb_json_at(list, 0)) : NULL;
    size_t n = text ? strlen(text) : 0;
    if (n > 5 && strcmp(text + n - 5, "Model") == 0 && !strstr(text, "LMHead") && !strstr(text, "Reward"))
        a->head = BB_HEAD_NONE;
    if (!text || !strstr(text, "ForSequenceClassification")) return BB_OK;
    const bb_json *labels = member(r, "id2label");
    a->head = BB_HEAD_CLASSES;
    uint64_t count = labels && bb_json_is_object(labels) ? bb_json_size(labels) : 2;
    return bb_arch_set(a, BB_ARCH_LABELS, count ? count : 2, r->where, "id2label", r->err);
}

/* llama3 scaling is what makes a converter write rope_freqs.weight (specs/ggml.md 3.12), longrope its two tables. */
static bb_status read_rope(const reader *r) {
    static const char *const keys[] = {"rope_scaling", "rope_parameters"};
    for (size_t i = 0; i < 2; i++) {
        const bb_json *o;
        bb_status st = read_object(r, keys[i], &o);
        if (st) return st;
        const bb_json *type = o ? bb_json_get(o, "rope_type") : NULL;
        if (o && !type) type = bb_json_get(o, "type");
        const char *text = type ? bb_json_text(type) : NULL;
        if (text && strcmp(text, "llama3") == 0) r->a->rope_freqs = true;
        if (text && (strcmp(text, "longrope") == 0 || strcmp(text, "su") == 0)) r->a->rope_factors = true;
    }
    return BB_OK;
}

/* Names of torch and ours for the same type. */
static const char *const dtypes[][2] = {
    {"bfloat16", "bf16"},        {"float16", "f16"},      {"half", "f16"},    {"float32", "f32"}, {"float", "f32"},
    {"float8_e4m3fn", "e4m3fn"}, {"float8_e5m2", "e5m2"}, {"float64", "f64"}, {"double", "f64"},
};

static bb_status read_dtype(const reader *r) {
    const char *key = member(r, "dtype") ? "dtype" : "torch_dtype";
    const bb_json *v = member(r, key);
    if (!v) return BB_OK;
    const char *text = bb_json_text(v);
    if (!text) return bb_fail(r->err, BB_E_INVALID, "%s: %s is not text", r->where, key);
    if (strcmp(text, "auto") == 0) return BB_OK;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(text, dtypes[i][0]) == 0) {
            strcpy(r->a->dtype, dtypes[i][1]);
            return BB_OK;
        }
    char shown[64];
    return bb_fail(r->err, BB_E_INVALID, "%s: %s '%s' is not a type of torch", r->where, key,
                   bb_escape_buf(text, shown, sizeof shown));
}

static bb_status read_config(const reader *r) {
    bb_status st = read_spec(r, bb_config_spec_of(r->type));
    if (!st) st = finish(r);
    if (!st) st = read_rope(r);
    if (!st) st = read_dtype(r);
    if (st) return st;
    bb_arch_complete(r->a);
    return r->known ? bb_arch_check(r->a, r->where, r->err) : BB_OK;
}

/* A model of several towers keeps its language part in an object of its own, with a model_type that may be missing. */
static bb_status read_root(reader *r) {
    const bb_json *nested, *type;
    bb_status st = read_object(r, "text_config", &nested);
    if (!st) st = read_head(r);
    if (st || !nested) return st ? st : read_config(r);
    /* the embeddings' tie and the type may stand outside only */
    bool tied = bb_family_find(r->a->family) && strcmp(r->a->family, "gemma3") == 0;
    if ((st = read_dtype(r))) return st;
    if ((st = read_bool(r, "tie_word_embeddings", &tied))) return st;
    type = bb_json_get(nested, "model_type");
    if (type && bb_json_text(type) && *bb_json_text(type)) r->type = bb_json_text(type);
    if (strcmp(r->type, "gemma3") == 0) r->type = "gemma3_text";
    bb_arch_set_family(r->a, r->type);
    r->known = bb_arch_known(r->a->family);
    bool inside = bb_json_get(nested, "tie_word_embeddings") != NULL;
    r->root = nested;
    st = read_config(r);
    if (!st && !inside) r->a->tied = tied;
    return st;
}

bb_status bb_arch_from_config(const char *text, size_t n, const char *name, bb_arch **arch, bb_error *err) {
    char where[256];
    bb_json *root = NULL;
    bb_escape_buf(name, where, sizeof where);
    bb_arch *a = bb_alloc(1, sizeof *a);
    if (!a) return bb_fail(err, BB_E_NOMEM, "%s: no memory", where);
    bb_status st = bb_json_parse(text, n, name, CONFIG_MAX_BYTES, true, true, &root, err);
    if (st) goto out;
    if (!bb_json_is_object(root)) {
        st = bb_fail(err, BB_E_INVALID, "%s: expected an object {...}", where);
        goto out;
    }
    const bb_json *v = bb_json_get(root, "model_type");
    const char *type = v ? bb_json_text(v) : NULL;
    if (!type || !*type) {
        st = bb_fail(err, BB_E_INVALID, "%s: model_type is %s", where, v ? "not text" : "missing");
        goto out;
    }
    bb_escape_field(name, a->name, sizeof a->name);
    bb_arch_set_family(a, type);
    reader r = {.root = root, .where = where, .type = type, .a = a, .known = bb_arch_known(a->family), .err = err};
    st = read_root(&r);
out:
    bb_json_free(root);
    if (st)
        bb_arch_free(a);
    else
        *arch = a;
    return st;
}
