/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arch_config.c - the architecture that a Hugging Face config.json describes. */
#include "base/escape.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/config_keys.h"
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX_BYTES = 64 << 20 };

typedef struct reader {
    const bb_json *root;
    const char *where; /* escaped name of the text */
    const char *type;  /* model_type */
    bb_arch *a;
    bool nested; /* root is text_config */
    bool known;  /* a family that graph/ describes: then what it needs must be there */
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

/* Values of transformers' config classes for keys that are absent; a key that is null says "none" instead. `nested`:
 * only inside text_config, where transformers leaves out what is standard; elsewhere the key must be there. */
static const struct {
    const char *type, *key;
    bb_arch_field field;
    uint64_t v;
    bool nested;
} standards[] = {
    {"mistral", "num_key_value_heads", BB_ARCH_KV_HEADS, 8, false},
    {"mixtral", "num_key_value_heads", BB_ARCH_KV_HEADS, 8, false},
    {"mixtral", "num_local_experts", BB_ARCH_EXPERTS, 8, false},
    {"mixtral", "num_experts_per_tok", BB_ARCH_EXPERTS_USED, 2, false},
    {"gemma", "head_dim", BB_ARCH_HEAD_DIM, 256, false},
    {"gemma2", "head_dim", BB_ARCH_HEAD_DIM, 256, false},
    {"gemma2", "sliding_window", BB_ARCH_SLIDING_WINDOW, 4096, false},
    {"gemma3_text", "head_dim", BB_ARCH_HEAD_DIM, 256, false},
    {"gemma3_text", "num_attention_heads", BB_ARCH_HEADS, 8, false},
    {"gemma3_text", "num_key_value_heads", BB_ARCH_KV_HEADS, 4, false},
    {"gemma3_text", "vocab_size", BB_ARCH_VOCAB, 262208, false},
    {"gemma3_text", "max_position_embeddings", BB_ARCH_CONTEXT, 131072, false},
    {"gemma3_text", "sliding_window", BB_ARCH_SLIDING_WINDOW, 4096, false},
    {"qwen3", "head_dim", BB_ARCH_HEAD_DIM, 128, false},
    {"gpt_oss", "head_dim", BB_ARCH_HEAD_DIM, 64, false},
    {"gpt_oss", "sliding_window", BB_ARCH_SLIDING_WINDOW, 128, false},
    {"olmo3", "sliding_window", BB_ARCH_SLIDING_WINDOW, 4096, false},
    {"bert", "type_vocab_size", BB_ARCH_TYPE_VOCAB, 2, false},
    {"gpt2", "n_positions", BB_ARCH_CONTEXT, 1024, false},
    {"llama", "hidden_size", BB_ARCH_HIDDEN, 4096, true},
    {"llama", "num_hidden_layers", BB_ARCH_LAYERS, 32, true},
    {"llama", "num_attention_heads", BB_ARCH_HEADS, 32, true},
    {"llama", "intermediate_size", BB_ARCH_FFN, 11008, true},
    {"llama", "vocab_size", BB_ARCH_VOCAB, 32000, true},
    {"llama", "max_position_embeddings", BB_ARCH_CONTEXT, 2048, true},
    {"mistral", "hidden_size", BB_ARCH_HIDDEN, 4096, true},
    {"mistral", "num_hidden_layers", BB_ARCH_LAYERS, 32, true},
    {"mistral", "num_attention_heads", BB_ARCH_HEADS, 32, true},
    {"mistral", "intermediate_size", BB_ARCH_FFN, 14336, true},
    {"mistral", "vocab_size", BB_ARCH_VOCAB, 32000, true},
    {"mistral", "max_position_embeddings", BB_ARCH_CONTEXT, 131072, true},
    {"mistral", "sliding_window", BB_ARCH_SLIDING_WINDOW, 4096, true},
    {"qwen2", "hidden_size", BB_ARCH_HIDDEN, 4096, true},
    {"qwen2", "num_hidden_layers", BB_ARCH_LAYERS, 32, true},
    {"qwen2", "num_attention_heads", BB_ARCH_HEADS, 32, true},
    {"qwen2", "num_key_value_heads", BB_ARCH_KV_HEADS, 32, true},
    {"qwen2", "intermediate_size", BB_ARCH_FFN, 22016, true},
    {"qwen2", "vocab_size", BB_ARCH_VOCAB, 151936, true},
    {"qwen2", "max_position_embeddings", BB_ARCH_CONTEXT, 32768, true},
    {"gemma", "hidden_size", BB_ARCH_HIDDEN, 3072, true},
    {"gemma", "num_hidden_layers", BB_ARCH_LAYERS, 28, true},
    {"gemma", "num_attention_heads", BB_ARCH_HEADS, 16, true},
    {"gemma", "num_key_value_heads", BB_ARCH_KV_HEADS, 16, true},
    {"gemma", "intermediate_size", BB_ARCH_FFN, 24576, true},
    {"gemma", "vocab_size", BB_ARCH_VOCAB, 256000, true},
    {"gemma", "max_position_embeddings", BB_ARCH_CONTEXT, 8192, true},
    {"gemma2", "hidden_size", BB_ARCH_HIDDEN, 2304, true},
    {"gemma2", "num_hidden_layers", BB_ARCH_LAYERS, 26, true},
    {"gemma2", "num_attention_heads", BB_ARCH_HEADS, 8, true},
    {"gemma2", "num_key_value_heads", BB_ARCH_KV_HEADS, 4, true},
    {"gemma2", "intermediate_size", BB_ARCH_FFN, 9216, true},
    {"gemma2", "vocab_size", BB_ARCH_VOCAB, 256000, true},
    {"gemma2", "max_position_embeddings", BB_ARCH_CONTEXT, 8192, true},
    {"gemma3_text", "hidden_size", BB_ARCH_HIDDEN, 2304, true},
    {"gemma3_text", "num_hidden_layers", BB_ARCH_LAYERS, 26, true},
    {"gemma3_text", "intermediate_size", BB_ARCH_FFN, 9216, true},
};

static bool has_standard(const reader *r, const char *key, bb_arch_field f, uint64_t *v) {
    for (size_t i = 0; i < sizeof standards / sizeof *standards; i++)
        if (standards[i].field == f && strcmp(standards[i].type, r->type) == 0 && strcmp(standards[i].key, key) == 0 &&
            !bb_json_get(r->root, key) && (r->nested || !standards[i].nested)) {
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
        return r->known ? bb_fail(r->err, BB_E_INVALID, "%s: %s is not a whole number of 0 or more", r->where, key)
                        : BB_OK;
    bb_status st = bb_arch_set(r->a, n->field, x, r->where, key, r->err);
    return r->known ? st : BB_OK; /* what nobody knows cannot be wrong */
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
    if (r->a->mlp_bias) r->a->qkv_bias = true; /* add_bias_linear is for every matrix */
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

/* "layer_types": the distance to the first layer that attends to everything is the period, which all layers must
 * keep. */
static bb_status finish_window(const reader *r) {
    const bb_json *list = member(r, "layer_types");
    if (!list || !bb_json_is_array(list)) return BB_OK;
    size_t n = bb_json_size(list), period = 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = bb_json_text(bb_json_at(list, i));
        bool full = text && strcmp(text, "full_attention") == 0;
        if (full && !period) period = i + 1;
        if (period && full != ((i + 1) % period == 0))
            return bb_fail(r->err, BB_E_UNSUPPORTED, "%s: layer_types has no period", r->where);
    }
    r->a->swa_period = period ? period : n + 1;
    return BB_OK;
}

/* layer_types tells of each layer, else each full_attention_interval-th attends, 4 where it is absent (transformers'
 * configuration_qwen3_next.py, configuration_qwen3_5.py). */
static bb_status finish_linear(const reader *r) {
    bb_arch *a = r->a;
    bb_recurrence *q = &a->recurrence;
    const bb_json *list = member(r, "layer_types"), *width = member(r, "linear_value_head_dim");
    uint64_t v;
    if (!width || !bb_json_u64(width, &v) || v > UINT32_MAX)
        return bb_fail(r->err, BB_E_INVALID, "%s: linear_value_head_dim is no whole number below 2^32", r->where);
    bb_status st = bb_arch_set(a, BB_ARCH_STATE_INNER, v * q->heads, r->where, "linear_value_head_dim", r->err);
    if (st) return st;
    if (!a->rope_dim) a->rope_dim = a->head_dim / 4; /* partial_rotary_factor of those classes */
    if (!q->interval) q->interval = 4;
    if (!list) return BB_OK;
    if (!bb_json_is_array(list) || bb_json_size(list) != a->layers)
        return bb_fail(r->err, BB_E_INVALID, "%s: layer_types is no list of %llu layers", r->where,
                       (unsigned long long)a->layers);
    for (size_t i = 0; i < a->layers && i < BB_RECURRENCE_LAYERS; i++) {
        const char *text = bb_json_text(bb_json_at(list, i));
        bool keeps = text && strcmp(text, "linear_attention") == 0;
        bb_layer_put(&q->keeps, i, keeps);
        bb_layer_put(&q->attends, i, !keeps);
        q->layers += keeps;
    }
    return BB_OK;
}

/* The defaults of transformers' DeepseekV2Config and DeepseekV3Config where a key is absent. */
static bb_status finish_deepseek(const reader *r) {
    bb_arch *a = r->a;
    bool v3 = strcmp(r->type, "deepseek_v3") == 0;
    const bb_json *groups = member(r, "n_group"), *used = member(r, "topk_group"),
                  *scale = member(r, "routed_scaling_factor");
    const bb_json *score = member(r, "scoring_func");
    double factor = v3 ? 2.5 : 1;
    a->router_bias = v3; /* transformers' DeepseekV3TopkRouter always has it; V2 chooses without */
    a->router_normed = v3;
    a->expert_groups = v3 ? 8 : 1;
    a->expert_groups_used = v3 ? 4 : 1;
    if (scale && !bb_json_f64(scale, &factor))
        return bb_fail(r->err, BB_E_INVALID, "%s: routed_scaling_factor is not a number", r->where);
    if ((groups && !bb_json_u64(groups, &a->expert_groups)) || (used && !bb_json_u64(used, &a->expert_groups_used)))
        return bb_fail(r->err, BB_E_INVALID, "%s: n_group or topk_group is not a whole number", r->where);
    a->router_sigmoid = score ? bb_json_text(score) && strcmp(bb_json_text(score), "sigmoid") == 0 : v3;
    a->router_scaled = factor < 1 || factor > 1;
    if (!a->expert_groups) a->expert_groups = 1;
    return read_bool(r, "norm_topk_prob", &a->router_normed);
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
    if (family->linear) st = finish_linear(r);
    if (!st && (strcmp(f, "qwen2moe") == 0 || strcmp(f, "qwen3moe") == 0 || family->linear)) st = finish_qwen_moe(r);
    if (!st && family->swa_period && a->sliding_window) st = finish_window(r);
    if (strcmp(f, "opt") == 0 && a->embed_dim == a->hidden) a->embed_dim = 0;
    if (strcmp(f, "deepseek2") == 0 && !st) st = finish_deepseek(r);
    if (strcmp(f, "gptneox") == 0 && !st) {
        bool parallel = true;
        st = read_bool(r, "use_parallel_residual", &parallel);
        a->serial = !parallel;
    }
    a->mla_split = family->mla;
    return st;
}

/* Labels of a classifier: as many as are named, else as num_labels says, else 2 (PretrainedConfig). */
static bb_status read_labels(const reader *r) {
    const bb_json *named = member(r, "id2label"), *count = member(r, "num_labels");
    uint64_t n = named && bb_json_is_object(named) ? bb_json_size(named) : 0;
    if (!n && count && !bb_json_u64(count, &n))
        return bb_fail(r->err, BB_E_INVALID, "%s: num_labels is not a whole number", r->where);
    return bb_arch_set(r->a, BB_ARCH_LABELS, n ? n : 2, r->where, "num_labels", r->err);
}

/* The class that saved the checkpoint tells what stands on top of the layers. ChatGLMModel is a language model. */
static bb_status read_head(const reader *r) {
    bb_arch *a = r->a;
    const bb_json *list = member(r, "architectures");
    const char *text = list && bb_json_is_array(list) ? bb_json_text(bb_json_at(list, 0)) : NULL;
    if (!text) return BB_OK;
    if (strstr(text, "ForSequenceClassification"))
        a->head = BB_HEAD_CLASSES;
    else if (strstr(text, "ForTokenClassification"))
        a->head = BB_HEAD_TOKEN_CLASSES;
    else if (strstr(text, "ForRewardModel") || strstr(text, "RewardModel"))
        a->head = BB_HEAD_NONE; /* a head of its own, which differs from model to model */
    else if (bb_ends_with(text, "Model") && !strstr(text, "LMHead") && !strstr(text, "ChatGLM"))
        a->head = BB_HEAD_NONE;
    return a->head == BB_HEAD_CLASSES || a->head == BB_HEAD_TOKEN_CLASSES ? read_labels(r) : BB_OK;
}

/* Only a part of each head is turned: its width, rounded as torch's int() does. */
static bb_status read_partial_rotation(const reader *r) {
    const bb_json *v = member(r, "partial_rotary_factor");
    const bb_family *family = bb_family_find(r->a->family);
    double part;
    if (!v || !family || !family->rotary || family->mla) return BB_OK;
    if (!bb_json_f64(v, &part) || part < 0 || part > 1)
        return bb_fail(r->err, BB_E_INVALID, "%s: partial_rotary_factor is not between 0 and 1", r->where);
    uint64_t head = r->a->head_dim;
    if (!head && r->a->heads) head = r->a->hidden / r->a->heads;
    r->a->rope_dim = (uint64_t)((double)head * part);
    return BB_OK;
}

/* Positions that scaling makes of the trained ones, as vLLM derives them (vllm/config/model.py,
 * _get_and_verify_max_len): llama3 and longrope are in max_position_embeddings already, and so are gemma3's. */
static void read_stretch(const reader *r, const bb_json *o, const char *type) {
    static const char *const counted[] = {"default", "llama3", "longrope", "su", "mrope"};
    const double most = 0x1p32; /* as many as a context has */
    double factor = 0, trained = (double)r->a->context;
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        if (strcmp(type, counted[i]) == 0) return;
    const bb_json *by = bb_json_get(o, "factor"), *of = bb_json_get(o, "original_max_position_embeddings");
    if (strcmp(r->a->family, "gemma3") == 0 || !by || !bb_json_f64(by, &factor)) return;
    if (strcmp(type, "yarn") == 0 && of && !bb_json_f64(of, &trained)) return;
    double longest = factor * trained;
    if (longest >= 1 && longest <= most) r->a->stretched = (uint64_t)longest;
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
        if (text) read_stretch(r, o, text);
    }
    return read_partial_rotation(r);
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
    if (bb_starts_with(text, "torch.")) text += strlen("torch.");
    static const char *const none[] = {"auto", "int8", "uint8", "int4", "uint4"}; /* of packed weights, not of values */
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (strcmp(text, none[i]) == 0) return BB_OK;
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
    static const char *const towers[] = {"vision_config", "audio_config", "visual", "vision_tower", "mm_vision_tower"};
    const bb_json *nested, *type;
    bool tied = false, outside = bb_json_get(r->root, "tie_word_embeddings") != NULL;
    bb_status st = read_object(r, "text_config", &nested);
    if (!st) st = read_head(r);
    for (size_t i = 0; i < sizeof towers / sizeof *towers; i++) r->a->towers |= member(r, towers[i]) != NULL;
    if (st || !nested) return st ? st : read_config(r);
    if ((st = read_dtype(r))) return st;
    if ((st = read_bool(r, "tie_word_embeddings", &tied))) return st;
    type = bb_json_get(nested, "model_type");
    if (type && bb_json_text(type) && *bb_json_text(type)) r->type = bb_json_text(type);
    if (strcmp(r->type, "gemma3") == 0) r->type = "gemma3_text";
    bb_arch_set_family(r->a, r->type);
    r->known = bb_arch_known(r->a->family);
    /* the embeddings' tie may stand outside only, or be the class's standard */
    bool inside = bb_json_get(nested, "tie_word_embeddings") != NULL;
    r->root = nested;
    r->nested = true;
    st = read_config(r);
    if (!st && !inside && outside) r->a->tied = tied;
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
