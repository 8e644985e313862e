/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arch_gguf.c - the architecture that a GGUF file's metadata and tensor names describe. */
#include "base/escape.h"
#include "base/mem.h"
#include "model/arch_fields.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct reader {
    const bb_file *file;
    const char *prefix; /* general.architecture: the keys begin with it */
    char where[64];
    bb_arch *a;
    bool known;
    bb_error *err;
} reader;

/* The value of an array when all of its elements are the same whole number. */
static bool array_value(const bb_meta *m, uint64_t *v) {
    const double *x = m->v.array.numbers;
    if (!x || !m->v.array.count || x[0] < 0 || x[0] > 4294967296.0) return false;
    for (uint64_t i = 1; i < m->v.array.count; i++)
        if (x[i] < x[0] || x[i] > x[0]) return false;
    *v = (uint64_t)x[0];
    return (double)*v >= x[0];
}

/* *found tells whether the key is there. A family without a graph may have per-layer values that nobody needs here. */
static bb_status read_key(const reader *r, const char *suffix, uint64_t *v, bool *found) {
    char key[160], shown[96];
    *found = false;
    int n = snprintf(key, sizeof key, "%s.%s", r->prefix, suffix);
    if (n < 0 || (size_t)n >= sizeof key) return BB_OK;
    const bb_meta *m = bb_file_meta(r->file, key);
    if (!m) return BB_OK;
    bb_escape_buf(key, shown, sizeof shown);
    if (m->kind == BB_META_ARRAY ? array_value(m, v) : bb_meta_u64(r->file, key, v)) {
        *found = true;
        return BB_OK;
    }
    if (!r->known) return BB_OK;
    if (m->kind == BB_META_ARRAY)
        return bb_fail(r->err, BB_E_UNSUPPORTED, "%s: %s differs from layer to layer", r->where, shown);
    return bb_fail(r->err, BB_E_INVALID, "%s: %s is not a whole number of 0 or more", r->where, shown);
}

static const struct {
    bb_arch_field field;
    const char *suffix;
    bool required;
} numbers[] = {
    {BB_ARCH_LAYERS, "block_count", true},
    {BB_ARCH_HIDDEN, "embedding_length", true},
    {BB_ARCH_HEADS, "attention.head_count", true},
    {BB_ARCH_KV_HEADS, "attention.head_count_kv", false},
    {BB_ARCH_HEAD_DIM, "attention.key_length", false},
    {BB_ARCH_FFN, "feed_forward_length", true},
    {BB_ARCH_CONTEXT, "context_length", false},
    {BB_ARCH_SLIDING_WINDOW, "attention.sliding_window", false},
    {BB_ARCH_EXPERTS, "expert_count", false},
    {BB_ARCH_EXPERTS_USED, "expert_used_count", false},
    {BB_ARCH_EXPERT_FFN, "expert_feed_forward_length", false},
    {BB_ARCH_SHARED_EXPERTS, "expert_shared_count", false},
    {BB_ARCH_SHARED_FFN, "expert_shared_feed_forward_length", false},
    {BB_ARCH_DENSE_LAYERS, "leading_dense_block_count", false},
    {BB_ARCH_MTP_LAYERS, "nextn_predict_layers", false},
    {BB_ARCH_Q_LORA, "attention.q_lora_rank", false},
    {BB_ARCH_KV_LORA, "attention.kv_lora_rank", false},
};

static bb_status read_numbers(const reader *r) {
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char key[160];
        uint64_t v = 0;
        bool found;
        bb_status st = read_key(r, numbers[i].suffix, &v, &found);
        if (st) return st;
        snprintf(key, sizeof key, "%s.%s", r->a->family, numbers[i].suffix);
        if (!found || (!r->known && v == 0)) { /* others have 0 heads: mamba */
            const bb_family *family = bb_family_find(r->a->family);
            bool spared = family && family->linear && numbers[i].field == BB_ARCH_FFN; /* of one with experts */
            if (numbers[i].required && r->known && !spared)
                return bb_fail(r->err, BB_E_INVALID, "%s: %s is missing", r->where, key);
            continue;
        }
        st = bb_arch_set(r->a, numbers[i].field, v, r->where, key, r->err);
        if (st) return st;
    }
    return BB_OK;
}

/* The embedding itself, then the key, then the tokenizer. */
static bb_status read_vocab(const reader *r) {
    const bb_tensor *embd = bb_file_find(r->file, "token_embd.weight");
    const bb_meta *tokens = bb_file_meta(r->file, "tokenizer.ggml.tokens");
    uint64_t v = 0;
    bool found;
    bb_status st = read_key(r, "vocab_size", &v, &found);
    if (st) return st;
    if (embd && embd->n_dims == 2)
        v = embd->dims[1];
    else if (!found && tokens && tokens->kind == BB_META_ARRAY)
        v = tokens->v.array.count;
    if (!v && !r->known) return BB_OK;
    return bb_arch_set(r->a, BB_ARCH_VOCAB, v, r->where, "the vocabulary", r->err);
}

/* llama.cpp refuses both for this family: keys and values have one width, and all of it is rotated. */
static bb_status check_head(const reader *r) {
    static const char *const suffixes[] = {"attention.value_length", "rope.dimension_count"};
    for (size_t i = 0; i < 2; i++) {
        uint64_t v;
        bool found;
        bb_status st = read_key(r, suffixes[i], &v, &found);
        if (st) return st;
        if (found && v != r->a->head_dim)
            return bb_fail(r->err, BB_E_UNSUPPORTED,
                           "%s: %s.%s is %" PRIu64 " where the keys are %" PRIu64 " wide: not known for this family",
                           r->where, r->a->family, suffixes[i], v, r->a->head_dim);
    }
    return BB_OK;
}

/* A number n is a period (llama.cpp's load_swa_pattern); a list tells of each layer whether it has a window. */
static bb_status read_window(const reader *r) {
    bb_arch *a = r->a;
    char key[160];
    int n = snprintf(key, sizeof key, "%s.attention.sliding_window_pattern", r->prefix);
    const bb_meta *m = n > 0 && (size_t)n < sizeof key ? bb_file_meta(r->file, key) : NULL;
    /* gemma2.cpp has a standard; files from before the key was written */
    if (!a->sliding_window && strcmp(a->family, "gemma2") == 0) a->sliding_window = 4096;
    if (!m) return BB_OK;
    if (m->kind != BB_META_ARRAY) {
        uint64_t period;
        return bb_meta_u64(r->file, key, &period)
                   ? bb_arch_set(a, BB_ARCH_SWA_PERIOD, period, r->where, "attention.sliding_window_pattern", r->err)
                   : BB_OK;
    }
    const double *x = m->v.array.numbers;
    uint64_t period = 0, count = m->v.array.count;
    for (uint64_t i = 0; x && i < count; i++) {
        bool full = x[i] < 0.5;
        if (full && !period) period = i + 1;
        if (period && full != ((i + 1) % period == 0))
            return bb_fail(r->err, BB_E_UNSUPPORTED, "%s: attention.sliding_window_pattern has no period", r->where);
    }
    a->swa_period = period ? period : a->layers + 1;
    return BB_OK;
}

/* Keys and values may differ in width; only a part of a head may be turned. */
static bb_status read_widths(const reader *r) {
    uint64_t v = 0;
    bool found;
    bb_status st = read_key(r, "attention.value_length", &v, &found);
    if (!st && found) st = bb_arch_set(r->a, BB_ARCH_V_HEAD_DIM, v, r->where, "attention.value_length", r->err);
    if (!st) st = read_key(r, "rope.dimension_count", &v, &found);
    if (!st && found) st = bb_arch_set(r->a, BB_ARCH_ROPE_DIM, v, r->where, "rope.dimension_count", r->err);
    return st;
}

/* Since 2025 the keys are stored as one latent head (key_length = kv_lora + rope) and key_length_mla is what a head
 * really has; before, key_length said that (llama.cpp's src/models/deepseek2.cpp). */
static bb_status read_mla(const reader *r) {
    bb_arch *a = r->a;
    uint64_t rope = 0, key = a->head_dim, value = 0;
    bool split, found;
    bb_status st = read_key(r, "rope.dimension_count", &rope, &found);
    if (!st) st = read_key(r, "attention.key_length_mla", &key, &split);
    if (!st) st = read_key(r, split ? "attention.value_length_mla" : "attention.value_length", &value, &found);
    if (st) return st;
    if (rope >= key)
        return bb_fail(r->err, BB_E_INVALID,
                       "%s: a head of %" PRIu64 " holds no rotary part of %" PRIu64 " and more beside it", r->where,
                       key, rope);
    a->mla_split = split || bb_file_find(r->file, "blk.0.attn_k_b.weight") != NULL;
    st = bb_arch_set(a, BB_ARCH_ROPE_DIM, rope, r->where, "rope.dimension_count", r->err);
    if (!st) st = bb_arch_set(a, BB_ARCH_NOPE_DIM, key - rope, r->where, "attention.key_length_mla", r->err);
    if (!st) st = bb_arch_set(a, BB_ARCH_V_HEAD_DIM, value, r->where, "attention.value_length_mla", r->err);
    return st;
}

static bool real_key(const reader *r, const char *suffix, double *v) {
    char key[160];
    int n = snprintf(key, sizeof key, "%s.%s", r->prefix, suffix);
    return n > 0 && (size_t)n < sizeof key && bb_meta_f64(r->file, key, v);
}

static bool flag_key(const reader *r, const char *suffix, bool *v) {
    char key[160];
    int n = snprintf(key, sizeof key, "%s.%s", r->prefix, suffix);
    return n > 0 && (size_t)n < sizeof key && bb_meta_bool(r->file, key, v);
}

/* llama.cpp takes a gating function of 0 as a softmax, 2 as a sigmoid, and a scale of 0 as none. */
static bb_status read_routing(const reader *r) {
    bb_arch *a = r->a;
    uint64_t gating = 0;
    double scale = 0;
    bool found, parallel = true;
    if (flag_key(r, "use_parallel_residual", &parallel)) a->serial = !parallel;
    (void)flag_key(r, "expert_weights_norm", &a->router_normed);
    (void)real_key(r, "expert_weights_scale", &scale);
    a->router_scaled = scale != 0 && scale != 1;
    bb_status st = read_key(r, "expert_gating_func", &gating, &found);
    a->router_sigmoid = gating == 2;
    if (!st) st = read_key(r, "expert_group_count", &a->expert_groups, &found);
    if (!st) st = read_key(r, "expert_group_used_count", &a->expert_groups_used, &found);
    if (!a->expert_groups) a->expert_groups = 1;
    return st;
}

/* Hybrid models tell the heads of each layer, 0 where a state takes their place. */
static bb_status read_recurrence(const reader *r) {
    bb_arch *a = r->a;
    char key[160];
    uint64_t layers = a->mtp_layers < a->layers ? a->layers - a->mtp_layers : a->layers;
    bb_status st = bb_recurrence_from_file(r->file, a->family, layers, &a->recurrence, r->err);
    if (st || !a->recurrence.layers || a->kv_heads) return st;
    int n = snprintf(key, sizeof key, "%s.attention.head_count_kv", r->prefix);
    const bb_meta *m = n > 0 && (size_t)n < sizeof key ? bb_file_meta(r->file, key) : NULL;
    const double *x = m && m->kind == BB_META_ARRAY ? m->v.array.numbers : NULL;
    double most = 0;
    for (uint64_t i = 0; x && i < m->v.array.count; i++) most = x[i] > most ? x[i] : most;
    return most >= 1 && most <= UINT32_MAX ? bb_arch_set(a, BB_ARCH_KV_HEADS, (uint64_t)most, r->where, key, r->err)
                                           : BB_OK;
}

static bool has(const reader *r, const char *name) { return bb_file_find(r->file, name) != NULL; }

static void read_tensors(const reader *r) {
    bb_arch *a = r->a;
    char last[64];
    uint64_t i = a->layers ? a->layers - 1 : 0; /* the first layers may be dense */
    a->tied = bb_file_tensor_count(r->file) > 0 && !has(r, "output.weight");
    a->rope_freqs = has(r, "rope_freqs.weight");
    a->rope_factors = has(r, "rope_factors_long.weight");
    a->qkv_bias = has(r, "blk.0.attn_q.bias") || has(r, "blk.0.attn_qkv.bias");
    const bb_family *family = bb_family_find(a->family);
    a->gguf_qkv = has(r, "blk.0.attn_qkv.weight") && !(family && family->linear); /* there it is another matrix */
    a->out_bias = has(r, "blk.0.attn_output.bias");
    a->mlp_bias = has(r, "blk.0.ffn_up.bias");
    a->qk_norm = has(r, "blk.0.attn_q_norm.weight");
    a->one_norm = !has(r, "blk.0.ffn_norm.weight") && !has(r, "blk.0.attn_norm_2.weight");
    (void)snprintf(last, sizeof last, "blk.%" PRIu64 ".exp_probs_b.bias", i);
    a->router_bias = has(r, last);
    const bb_tensor *types = bb_file_find(r->file, "token_types.weight");
    if (types && types->n_dims) a->type_vocab = types->n_dims > 1 ? types->dims[1] : 1;
}

bb_status bb_arch_from_file(const bb_file *file, bb_arch **arch, bb_error *err) {
    if (strcmp(bb_file_format(file), "gguf") != 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "a %s file does not describe its architecture; its config.json does",
                       bb_file_format(file));
    const char *family = bb_meta_text(file, "general.architecture");
    if (!family || !*family) return bb_fail(err, BB_E_INVALID, "general.architecture is missing");
    if (file->split_of)
        return bb_fail(err, BB_E_INVALID, "the file is part %" PRIu64 " of %" PRIu64 " of a model: the first opens all",
                       file->split_no + 1, file->split_of);
    bb_arch *a = bb_alloc(1, sizeof *a);
    if (!a) return bb_fail(err, BB_E_NOMEM, "no memory for an architecture");
    const char *name = bb_meta_text(file, "general.name");
    bb_escape_field(name && *name ? name : family, a->name, sizeof a->name);
    bb_arch_set_family(a, family);
    reader r = {.file = file, .prefix = family, .a = a, .known = bb_arch_known(a->family), .err = err};
    memcpy(r.where, a->name, sizeof r.where);
    bb_status st = read_numbers(&r);
    if (!st) st = read_vocab(&r);
    const bb_family *info = bb_family_find(a->family);
    if (!st && info) st = info->mla ? read_mla(&r) : read_widths(&r);
    if (!st && info && info->swa_period) st = read_window(&r);
    if (!st && info) st = read_routing(&r);
    if (!st) st = read_recurrence(&r);
    if (!st) {
        if (a->mtp_layers < a->layers) a->layers -= a->mtp_layers; /* block_count has them too */
        read_tensors(&r);
        bb_arch_complete(a);
        if (r.known) st = bb_arch_check(a, r.where, err);
        if (info && strcmp(info->name, "llama") == 0 && !st) st = check_head(&r);
    }
    if (st)
        bb_arch_free(a);
    else
        *arch = a;
    return st;
}

/* ---- from metadata that another program printed ---- */

static bb_status set_key(const bb_arch_keys *k, const char *suffix, bb_arch_field f, bb_arch *a, bb_error *err) {
    uint64_t v;
    return k->get(k->ctx, suffix, &v) && v ? bb_arch_set(a, f, v, a->name, suffix, err) : BB_OK;
}

/* As bb_recurrence_from_file reads them of a file. */
static bb_status set_states(const bb_arch_keys *k, bb_arch *a, bb_error *err) {
    static const struct {
        const char *suffix;
        bb_arch_field field;
    } states[] = {{"ssm.conv_kernel", BB_ARCH_STATE_CONV},     {"ssm.inner_size", BB_ARCH_STATE_INNER},
                  {"ssm.state_size", BB_ARCH_STATE_SIZE},      {"ssm.group_count", BB_ARCH_STATE_GROUPS},
                  {"ssm.time_step_rank", BB_ARCH_STATE_HEADS}, {"full_attention_interval", BB_ARCH_ATTEND_EVERY}};
    bb_status st = BB_OK;
    a->recurrence.interval = 4;
    for (size_t i = 0; i < sizeof states / sizeof *states && !st; i++)
        st = set_key(k, states[i].suffix, states[i].field, a, err);
    return st;
}

bb_status bb_arch_from_keys(const bb_arch_keys *k, bb_arch *arch, bb_error *err) {
    bb_arch made = {.mla_split = true}, *a = &made;
    bb_escape_field(*k->name ? k->name : k->family, a->name, sizeof a->name);
    bb_arch_set_family(a, k->family);
    const bb_family *info = bb_family_find(a->family);
    bb_status st = set_key(k, "vocab_size", BB_ARCH_VOCAB, a, err);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !st; i++)
        st = set_key(k, numbers[i].suffix, numbers[i].field, a, err);
    if (!st && info && info->linear) st = set_states(k, a, err);
    if (!st) st = set_key(k, "rope.dimension_count", BB_ARCH_ROPE_DIM, a, err);
    if (!st && info && info->mla) {
        uint64_t key = 0;
        if (k->get(k->ctx, "attention.key_length_mla", &key) && key > a->rope_dim)
            st = bb_arch_set(a, BB_ARCH_NOPE_DIM, key - a->rope_dim, a->name, "attention.key_length_mla", err);
        if (!st) st = set_key(k, "attention.value_length_mla", BB_ARCH_V_HEAD_DIM, a, err);
    } else if (!st)
        st = set_key(k, "attention.value_length", BB_ARCH_V_HEAD_DIM, a, err);
    if (st) return st;
    if (a->mtp_layers < a->layers) a->layers -= a->mtp_layers; /* block_count has them too */
    bb_arch_complete(a);
    st = bb_arch_check(a, a->name, err);
    if (!st) *arch = made;
    return st;
}
