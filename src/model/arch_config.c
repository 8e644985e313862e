/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arch_config.c - the architecture that a Hugging Face config.json describes. */
#include "base/escape.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/arch_fields.h"
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX_BYTES = 64 << 20 };

typedef struct reader {
    const bb_json *root;
    const char *where; /* escaped name of the text */
    bb_arch *a;
    bool known; /* a family that graph/ describes: then what it needs must be there */
    bb_error *err;
} reader;

static const bb_json *member(const reader *r, const char *key) {
    const bb_json *v = bb_json_get(r->root, key);
    return v && !bb_json_is_null(v) ? v : NULL;
}

/* *found tells whether the key is there and not null; 4096.0 counts as a whole number, true and "4096" do not. */
static bb_status read_number(const reader *r, bb_arch_field f, const char *key, bool *found) {
    const bb_json *v = member(r, key);
    uint64_t n;
    *found = v != NULL;
    if (!v) return BB_OK;
    if (!bb_json_u64(v, &n))
        return bb_fail(r->err, BB_E_INVALID, "%s: %s is not a whole number of 0 or more", r->where, key);
    return bb_arch_set(r->a, f, n, r->where, key, r->err);
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

static const struct {
    bb_arch_field field;
    const char *key;
    bool required;
} numbers[] = {
    {BB_ARCH_HIDDEN, "hidden_size", true},
    {BB_ARCH_LAYERS, "num_hidden_layers", true},
    {BB_ARCH_HEADS, "num_attention_heads", true},
    {BB_ARCH_KV_HEADS, "num_key_value_heads", false},
    {BB_ARCH_HEAD_DIM, "head_dim", false},
    {BB_ARCH_FFN, "intermediate_size", true},
    {BB_ARCH_VOCAB, "vocab_size", true},
    {BB_ARCH_CONTEXT, "max_position_embeddings", false},
    {BB_ARCH_EXPERTS, "num_local_experts", false},
    {BB_ARCH_EXPERTS_USED, "num_experts_per_tok", false},
    {BB_ARCH_SLIDING_WINDOW, "sliding_window", false},
};

/* Keys that a family's code does not look at say nothing about its models. */
static bool applies(const char *type, bb_arch_field f) {
    bool llama = strcmp(type, "llama") == 0;
    bool mixtral = strcmp(type, "mixtral") == 0;
    if (f == BB_ARCH_EXPERTS || f == BB_ARCH_EXPERTS_USED) return !llama && strcmp(type, "mistral") != 0;
    if (f == BB_ARCH_SLIDING_WINDOW) return !llama;
    return f != BB_ARCH_EXPERT_FFN || mixtral;
}

static bb_status read_numbers(const reader *r, const char *type) {
    bool mistral = strcmp(type, "mistral") == 0, mixtral = strcmp(type, "mixtral") == 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        bool found;
        if (!applies(type, numbers[i].field)) continue;
        bb_status st = read_number(r, numbers[i].field, numbers[i].key, &found);
        if (st) return st;
        if (!found && numbers[i].required && r->known)
            return bb_fail(r->err, BB_E_INVALID, "%s: %s is missing", r->where, numbers[i].key);
    }
    /* Defaults of transformers: MistralConfig and MixtralConfig have 8 KV heads when the key is absent and as many as
     * heads when it is null; MixtralConfig has 8 experts of which 2 are used. */
    if ((mistral || mixtral) && !bb_json_get(r->root, "num_key_value_heads")) r->a->kv_heads = 8;
    if (mixtral && !r->a->experts) r->a->experts = 8;
    if (mixtral && !r->a->experts_used) r->a->experts_used = 2;
    return BB_OK;
}

static bb_status read_flags(const reader *r, const char *type) {
    bool attention = false, mlp = false;
    bb_status st = read_bool(r, "tie_word_embeddings", &r->a->tied);
    if (!st) st = read_bool(r, "attention_bias", &attention);
    if (!st) st = read_bool(r, "mlp_bias", &mlp);
    if (st) return st;
    if (strcmp(type, "llama") == 0) {
        r->a->qkv_bias = r->a->out_bias = attention;
        r->a->mlp_bias = mlp;
    }
    return BB_OK;
}

/* llama3 scaling is what makes a converter write rope_freqs.weight (specs/ggml.md 3.12). */
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

static bb_status read_config(const reader *r, const char *type) {
    const bb_json *nested;
    bb_status st = read_object(r, "text_config", &nested);
    if (!st) st = read_numbers(r, type);
    if (!st) st = read_flags(r, type);
    if (!st) st = read_rope(r);
    if (!st) st = read_dtype(r);
    if (st) return st;
    bb_arch_complete(r->a);
    return r->known ? bb_arch_check(r->a, r->where, r->err) : BB_OK;
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
    reader r = {.root = root, .where = where, .a = a, .known = bb_arch_known(a->family), .err = err};
    st = read_config(&r, type);
out:
    bb_json_free(root);
    if (st)
        bb_arch_free(a);
    else
        *arch = a;
    return st;
}
