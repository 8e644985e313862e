/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arch.c - the numbers of an architecture: their ranges, their relations, what follows from what. */
#include "base/escape.h"
#include "base/fail.h"
#include "model/arch_fields.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far above what exists (specs/reliability.md 3); products of them are checked where they are made. */
#define FIELD(member, most, need)                                                                                      \
    { #member, offsetof(bb_arch, member), most, need }
#define STATE(name, member, most)                                                                                      \
    { name, offsetof(bb_arch, recurrence.member), most, false }
static const struct {
    const char *name;
    size_t offset;
    uint64_t max;
    bool required;
} fields[BB_ARCH_FIELDS] = {
    [BB_ARCH_LAYERS] = FIELD(layers, 100000, true),
    [BB_ARCH_HIDDEN] = FIELD(hidden, 1 << 24, true),
    [BB_ARCH_HEADS] = FIELD(heads, 1 << 16, true),
    [BB_ARCH_KV_HEADS] = FIELD(kv_heads, 1 << 16, true),
    [BB_ARCH_HEAD_DIM] = FIELD(head_dim, 1 << 16, true),
    [BB_ARCH_FFN] = FIELD(ffn, 1 << 24, true),
    [BB_ARCH_VOCAB] = FIELD(vocab, 1 << 28, true),
    [BB_ARCH_CONTEXT] = FIELD(context, UINT64_C(1) << 32, false),
    [BB_ARCH_SLIDING_WINDOW] = FIELD(sliding_window, UINT64_C(1) << 32, false),
    [BB_ARCH_SWA_PERIOD] = FIELD(swa_period, 100000, false),
    [BB_ARCH_EXPERTS] = FIELD(experts, 1 << 16, false),
    [BB_ARCH_EXPERTS_USED] = FIELD(experts_used, 1 << 16, false),
    [BB_ARCH_EXPERT_FFN] = FIELD(expert_ffn, 1 << 24, false),
    [BB_ARCH_SHARED_EXPERTS] = FIELD(shared_experts, 1 << 10, false),
    [BB_ARCH_SHARED_FFN] = FIELD(shared_ffn, 1 << 24, false),
    [BB_ARCH_DENSE_LAYERS] = FIELD(dense_layers, 100000, false),
    [BB_ARCH_MOE_STEP] = FIELD(moe_step, 100000, false),
    [BB_ARCH_Q_LORA] = FIELD(q_lora, 1 << 20, false),
    [BB_ARCH_KV_LORA] = FIELD(kv_lora, 1 << 20, false),
    [BB_ARCH_ROPE_DIM] = FIELD(rope_dim, 1 << 16, false),
    [BB_ARCH_NOPE_DIM] = FIELD(nope_dim, 1 << 16, false),
    [BB_ARCH_V_HEAD_DIM] = FIELD(v_head_dim, 1 << 16, false),
    [BB_ARCH_EMBED_DIM] = FIELD(embed_dim, 1 << 24, false),
    [BB_ARCH_TYPE_VOCAB] = FIELD(type_vocab, 1 << 16, false),
    [BB_ARCH_ENCODER_LAYERS] = FIELD(encoder_layers, 100000, false),
    [BB_ARCH_ENCODER_HEADS] = FIELD(encoder_heads, 1 << 16, false),
    [BB_ARCH_ENCODER_FFN] = FIELD(encoder_ffn, 1 << 24, false),
    [BB_ARCH_ENCODER_CONTEXT] = FIELD(encoder_context, 1 << 24, false),
    [BB_ARCH_MELS] = FIELD(mels, 1 << 16, false),
    [BB_ARCH_MTP_LAYERS] = FIELD(mtp_layers, 1000, false),
    [BB_ARCH_LABELS] = FIELD(labels, 1 << 24, false),
    [BB_ARCH_STATE_CONV] = STATE("state_conv", conv, 1 << 10),
    [BB_ARCH_STATE_INNER] = STATE("state_inner", inner, 1 << 24),
    [BB_ARCH_STATE_SIZE] = STATE("state_size", state, 1 << 16),
    [BB_ARCH_STATE_GROUPS] = STATE("state_groups", groups, 1 << 16),
    [BB_ARCH_STATE_HEADS] = STATE("state_heads", heads, 1 << 16),
    [BB_ARCH_ATTEND_EVERY] = STATE("attend_every", interval, 100000),
};

static const struct {
    const char *name;
    size_t offset;
} flags[BB_ARCH_FLAGS] = {
    [BB_ARCH_TIED] = {"tied", offsetof(bb_arch, tied)},
    [BB_ARCH_QKV_BIAS] = {"qkv_bias", offsetof(bb_arch, qkv_bias)},
    [BB_ARCH_OUT_BIAS] = {"out_bias", offsetof(bb_arch, out_bias)},
    [BB_ARCH_MLP_BIAS] = {"mlp_bias", offsetof(bb_arch, mlp_bias)},
    [BB_ARCH_QK_NORM] = {"qk_norm", offsetof(bb_arch, qk_norm)},
    [BB_ARCH_ONE_NORM] = {"one_norm", offsetof(bb_arch, one_norm)},
    [BB_ARCH_POST_NORM] = {"post_norm", offsetof(bb_arch, post_norm)},
    [BB_ARCH_ROUTER_BIAS] = {"router_bias", offsetof(bb_arch, router_bias)},
    [BB_ARCH_ROPE_FREQS] = {"rope_freqs", offsetof(bb_arch, rope_freqs)},
};

const char *bb_arch_field_name(bb_arch_field f) { return fields[f].name; }
bool bb_arch_field_required(bb_arch_field f) { return fields[f].required; }
const char *bb_arch_flag_name(bb_arch_flag f) { return flags[f].name; }
bool *bb_arch_flag_at(bb_arch *a, bb_arch_flag f) { return (bool *)((char *)a + flags[f].offset); }

static uint64_t get(const bb_arch *a, bb_arch_field f) {
    uint64_t v;
    memcpy(&v, (const char *)a + fields[f].offset, sizeof v);
    return v;
}

static bb_status check_range(bb_arch_field f, uint64_t v, const char *where, const char *key, bb_error *err) {
    uint64_t min = fields[f].required ? 1 : 0;
    if (v >= min && v <= fields[f].max) return BB_OK;
    return bb_fail(err, BB_E_INVALID, "%s: %s is %" PRIu64 "; expected %" PRIu64 " to %" PRIu64, where, key, v, min,
                   fields[f].max);
}

bb_status bb_arch_set(bb_arch *a, bb_arch_field f, uint64_t v, const char *where, const char *key, bb_error *err) {
    bb_status st = check_range(f, v, where, key, err);
    if (st) return st;
    memcpy((char *)a + fields[f].offset, &v, sizeof v);
    return BB_OK;
}

/* A catalogue's row does not say how experts are chosen. config.json of DeepSeek-V3 and R1 (with a bias), V2 and V2.5
 * (queries of low rank) and V2-Lite on the hub: scoring_func, norm_topk_prob, routed_scaling_factor, n_group,
 * topk_group. */
static void published_routing(bb_arch *a) {
    bool v3 = a->router_bias, v2 = !v3 && a->q_lora;
    a->router_sigmoid = a->router_normed = v3;
    a->router_scaled = v3 || v2;
    bool grouped = (v3 || v2) && a->experts >= 16 && a->experts % 8 == 0;
    a->expert_groups = grouped ? 8 : 1;
    a->expert_groups_used = !grouped ? 1 : v3 ? 4 : 3;
}

void bb_arch_complete(bb_arch *a) {
    const bb_family *family = bb_family_find(a->family);
    if (!a->kv_heads) a->kv_heads = a->heads;
    if (family && family->mla && a->nope_dim && a->rope_dim) a->head_dim = a->nope_dim + a->rope_dim;
    if (!a->head_dim && a->heads && a->hidden % a->heads == 0) a->head_dim = a->hidden / a->heads;
    if (!a->v_head_dim) a->v_head_dim = a->head_dim;
    if (!a->ffn && a->experts) a->ffn = a->expert_ffn; /* qwen35moe tells of no other */
    if (family && family->linear && !a->recurrence.layers && a->recurrence.interval)
        (void)bb_recurrence_spread(&a->recurrence, a->layers, a->recurrence.interval); /* bb_arch_check refuses more */
    if (a->experts && !a->expert_ffn) a->expert_ffn = a->ffn;
    if (family && family->mla && a->experts && !a->expert_groups) published_routing(a);
    if (a->experts && !a->shared_ffn) a->shared_ffn = a->shared_experts * a->expert_ffn;
    if (family && a->sliding_window && !a->swa_period) a->swa_period = family->swa_period;
    if (a->encoder_layers && !a->encoder_heads) a->encoder_heads = a->heads;
    if (a->encoder_layers && !a->encoder_ffn) a->encoder_ffn = a->ffn;
}

bb_status bb_arch_check_numbers(const bb_arch *a, const char *where, bb_error *err) {
    if (!a->head_dim && a->heads && a->hidden % a->heads)
        return bb_fail(err, BB_E_INVALID,
                       "%s: hidden (%" PRIu64 ") is not a multiple of heads (%" PRIu64 ") and head_dim is not given",
                       where, a->hidden, a->heads);
    for (bb_arch_field f = 0; f < BB_ARCH_FIELDS; f++) {
        bb_status st = check_range(f, get(a, f), where, fields[f].name, err);
        if (st) return st;
    }
    if (a->heads % a->kv_heads)
        return bb_fail(err, BB_E_INVALID,
                       "%s: kv_heads (%" PRIu64 ") does not divide heads (%" PRIu64
                       "), which llama.cpp refuses (ggml_can_mul_mat)",
                       where, a->kv_heads, a->heads);
    if (a->experts_used > a->experts)
        return bb_fail(err, BB_E_INVALID, "%s: experts_used (%" PRIu64 ") is more than experts (%" PRIu64 ")", where,
                       a->experts_used, a->experts);
    uint64_t groups = a->expert_groups; /* the two best experts of each tell how good it is */
    if (groups > 1 && (a->experts % groups || a->experts / groups < 2 || a->expert_groups_used > groups))
        return bb_fail(err, BB_E_INVALID,
                       "%s: %" PRIu64 " experts do not make %" PRIu64 " groups alike of two or more, of which %" PRIu64
                       " are used",
                       where, a->experts, groups, a->expert_groups_used);
    if (a->experts && (!a->experts_used || !a->expert_ffn))
        return bb_fail(err, BB_E_INVALID, "%s: experts is %" PRIu64 " but %s is 0", where, a->experts,
                       a->experts_used ? "expert_ffn" : "experts_used");
    return BB_OK;
}

bool bb_arch_known(const char *family) { return bb_family_find(family) != NULL; }

uint64_t bb_arch_mlp_width(const bb_arch *a) {
    const bb_family *family = bb_family_find(a->family);
    return family && family->half_ffn ? a->ffn / 2 : a->ffn;
}

/* deepseek's moe_layer_freq counts from the first layer, qwen's decoder_sparse_step from one. */
bool bb_arch_moe_layer(const bb_arch *a, uint64_t i) {
    uint64_t at = strcmp(a->family, "deepseek2") == 0 ? i : i + 1;
    return a->experts && i >= a->dense_layers && (a->moe_step < 2 || at % a->moe_step == 0);
}

bool bb_arch_attends(const bb_arch *a, uint64_t i) {
    return !a->recurrence.layers || bb_layer_in(&a->recurrence.attends, i);
}

bool bb_arch_window_layer(const bb_arch *a, uint64_t i) {
    return a->sliding_window && a->swa_period > 1 && i % a->swa_period < a->swa_period - 1;
}

static bb_status check_mla(const bb_arch *a, const char *where, bb_error *err) {
    const struct {
        const char *name;
        uint64_t v;
    } needed[] = {{"kv_lora", a->kv_lora}, {"rope_dim", a->rope_dim}, {"nope_dim", a->nope_dim}};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!needed[i].v)
            return bb_fail(err, BB_E_INVALID, "%s: %s is 0 or missing; latent attention needs it", where,
                           needed[i].name);
    return BB_OK;
}

static bb_status check_linear(const bb_arch *a, const char *where, bb_error *err) {
    const bb_recurrence *r = &a->recurrence;
    const struct {
        bb_arch_field field;
        uint64_t v;
    } needed[] = {{BB_ARCH_STATE_CONV, r->conv},
                  {BB_ARCH_STATE_SIZE, r->state},
                  {BB_ARCH_STATE_GROUPS, r->groups},
                  {BB_ARCH_STATE_HEADS, r->heads}};
    if (a->layers > BB_RECURRENCE_LAYERS)
        return bb_fail(err, BB_E_INVALID, "%s has %" PRIu64 " layers: llama.cpp knows at most %d", where, a->layers,
                       BB_RECURRENCE_LAYERS);
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!needed[i].v)
            return bb_fail(err, BB_E_INVALID, "%s: %s is 0 or missing; linear attention needs it", where,
                           fields[needed[i].field].name);
    if (r->heads % r->groups)
        return bb_fail(err, BB_E_INVALID,
                       "%s: %" PRIu64 " heads of keys do not divide %" PRIu64 " heads of values in linear attention",
                       where, r->groups, r->heads);
    if (r->inner != r->state * r->heads) /* below 2^32 each */
        return bb_fail(err, BB_E_UNSUPPORTED,
                       "%s: linear attention with %" PRIu64 " values for %" PRIu64 " heads of %" PRIu64
                       " is not known: llama.cpp has one width for keys and values",
                       where, r->inner, r->heads, r->state);
    return BB_OK;
}

static bb_status check_encoder(const bb_arch *a, const char *where, bb_error *err) {
    if (!a->encoder_layers || !a->encoder_context || !a->mels)
        return bb_fail(err, BB_E_INVALID, "%s: encoder_layers, encoder_context or mels is 0 or missing", where);
    return BB_OK;
}

bb_status bb_arch_check(const bb_arch *a, const char *where, bb_error *err) {
    const bb_family *family = bb_family_find(a->family);
    if (!family) {
        bb_fail(err, BB_E_UNSUPPORTED, "%s: the architecture '%s' is not known", where, a->family);
        bb_hint(err, "bitbudget(7), ARCHITECTURES lists those that are; a file with tensors is counted all the same");
        return BB_E_UNSUPPORTED;
    }
    bb_status st = bb_arch_check_numbers(a, where, err);
    if (!st && family->mla) st = check_mla(a, where, err);
    if (!st && family->linear) st = check_linear(a, where, err);
    if (!st && strcmp(family->name, "whisper") == 0) st = check_encoder(a, where, err);
    if (st) return st;
    /* Rotary embedding turns pairs of values. */
    if (family->rotary && a->head_dim % 2)
        return bb_fail(err, BB_E_INVALID, "%s: head_dim is %" PRIu64 "; expected an even number", where, a->head_dim);
    if (a->qk_norm && strcmp(family->name, "llama") == 0)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: a llama architecture has no norm of queries and keys", where);
    if (!family->rotary && !a->context && strcmp(family->name, "falcon") != 0 && strcmp(family->name, "bloom") != 0)
        return bb_fail(err, BB_E_INVALID, "%s: context is 0 or missing; the table of positions has its length", where);
    return BB_OK;
}

void bb_arch_set_family(bb_arch *a, const char *text) {
    const bb_family *family = bb_family_find(text);
    bb_escape_field(text, a->hf_type, sizeof a->hf_type);
    bb_escape_field(family ? family->name : text, a->family, sizeof a->family);
}

void bb_escape_field(const char *text, char *out, size_t size) {
    char safe[512];
    bb_escape_buf(text, safe, sizeof safe);
    size_t n = strlen(safe);
    if (n >= size)
        for (n = size - 1; n > 0 && ((unsigned char)safe[n] & 0xC0) == 0x80; n--) {
        }
    memcpy(out, safe, n);
    out[n] = '\0';
}

void bb_arch_free(bb_arch *arch) { free(arch); }
