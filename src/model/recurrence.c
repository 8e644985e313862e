/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recurrence.c - which layers of a GGUF model keep a state, and how wide it is. */
#include "model/recurrence.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/fail.h"
#include <stdio.h>
#include <string.h>

/* How llama.cpp v0.5.0 tells the layers apart (llm_arch_is_recurrent, llm_arch_is_hybrid, is_recr_impl in src/models/).
 */
typedef enum pattern {
    EVERY,    /* every layer keeps a state and none attends */
    BOTH,     /* every layer does both */
    NO_HEADS, /* attention.head_count_kv is 0 where a state is kept */
    NO_WIDTH, /* and feed_forward_length too; a layer with neither attends to nothing */
    INTERVAL, /* attention.recurrent_layers, else all but each full_attention_interval-th, 4 */
} pattern;

static const struct {
    const char *architecture;
    pattern pattern;
} families[] = {{"mamba", EVERY},         {"mamba2", EVERY},
                {"rwkv6", EVERY},         {"rwkv6qwen2", EVERY},
                {"rwkv7", EVERY},         {"arwkv7", EVERY},
                {"falcon-h1", BOTH},      {"jamba", NO_HEADS},
                {"plamo2", NO_HEADS},     {"granitehybrid", NO_HEADS},
                {"lfm2", NO_HEADS},       {"lfm2moe", NO_HEADS},
                {"nemotron_h", NO_WIDTH}, {"nemotron_h_moe", NO_WIDTH},
                {"qwen3next", INTERVAL},  {"qwen35", INTERVAL},
                {"qwen35moe", INTERVAL}};

typedef struct reader {
    const bb_file *file;
    const char *architecture;
    bb_error *err;
} reader;

static const bb_meta *meta_of(const reader *r, const char *suffix, char *key, size_t size) {
    int n = snprintf(key, size, "%s.%s", r->architecture, suffix);
    return n > 0 && (size_t)n < size ? bb_file_meta(r->file, key) : NULL;
}

static bb_status read_width(const reader *r, const char *suffix, uint64_t *v) {
    char key[96];
    if (!meta_of(r, suffix, key, sizeof key)) return BB_OK;
    if (!bb_meta_u64(r->file, key, v) || *v > UINT32_MAX)
        return bb_fail(r->err, BB_E_INVALID, "%s is no whole number below 2^32", key);
    return BB_OK;
}

/* The value of layer i: of a list its own, of a number the same for all; `absent` without the key. */
static double value_at(const reader *r, const char *suffix, uint64_t i, double absent) {
    char key[96];
    uint64_t v;
    const bb_meta *m = meta_of(r, suffix, key, sizeof key);
    if (!m) return absent;
    if (m->kind == BB_META_ARRAY) return m->v.array.numbers && i < m->v.array.count ? m->v.array.numbers[i] : absent;
    return bb_meta_u64(r->file, key, &v) ? (double)v : absent;
}

static void mark(const reader *r, pattern p, uint64_t i, uint64_t interval, bb_recurrence *out) {
    static const double none = -1;
    double heads = value_at(r, "attention.head_count_kv", i, 1), width = value_at(r, "feed_forward_length", i, 1);
    double listed = value_at(r, "attention.recurrent_layers", i, none);
    bool keeps = p == EVERY || p == BOTH || (p == NO_HEADS && heads < 0.5) ||
                 (p == NO_WIDTH && heads < 0.5 && width < 0.5) ||
                 (p == INTERVAL && (listed > none ? listed > 0.5 : (i + 1) % interval != 0));
    bb_layer_put(&out->keeps, i, keeps);
    bb_layer_put(&out->attends, i, p == BOTH || (!keeps && p != EVERY && heads > 0.5));
    out->layers += keeps;
}

bb_status bb_recurrence_from_file(const bb_file *file, const char *architecture, uint64_t layers, bb_recurrence *r,
                                  bb_error *err) {
    const reader in = {file, architecture, err};
    size_t f = 0, n = sizeof families / sizeof *families;
    uint64_t interval = 4;             /* qwen3next.cpp, qwen35.cpp */
    bb_recurrence made = {.shift = 2}; /* rwkv6.cpp */
    while (f < n && strcmp(families[f].architecture, architecture) != 0) f++;
    if (f == n) return BB_OK;
    if (layers > BB_RECURRENCE_LAYERS)
        return bb_fail(err, BB_E_INVALID, "%s has %llu layers: llama.cpp knows at most %d", architecture,
                       (unsigned long long)layers, BB_RECURRENCE_LAYERS);
    const struct {
        const char *suffix;
        uint64_t *v;
    } widths[] = {{"ssm.conv_kernel", &made.conv},       {"ssm.inner_size", &made.inner},
                  {"ssm.state_size", &made.state},       {"ssm.group_count", &made.groups},
                  {"ssm.time_step_rank", &made.heads},   {"token_shift_count", &made.shift},
                  {"wkv.head_size", &made.wkv_head},     {"shortconv.l_cache", &made.short_conv},
                  {"full_attention_interval", &interval}};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        bb_status st = read_width(&in, widths[i].suffix, widths[i].v);
        if (st) return st;
    }
    if (!interval) return bb_fail(err, BB_E_INVALID, "%s.full_attention_interval is 0", architecture);
    for (uint64_t i = 0; i < layers; i++) mark(&in, families[f].pattern, i, interval, &made);
    *r = made;
    return BB_OK;
}

bb_status bb_recurrence_spread(bb_recurrence *r, uint64_t layers, uint64_t interval) {
    if (layers > BB_RECURRENCE_LAYERS || !interval) return BB_E_LIMIT;
    r->layers = 0;
    for (uint64_t i = 0; i < layers; i++) {
        bool attends = (i + 1) % interval == 0;
        bb_layer_put(&r->attends, i, attends);
        bb_layer_put(&r->keeps, i, !attends);
        r->layers += !attends;
    }
    return BB_OK;
}

bb_status bb_recurrence_part(bb_recurrence *r, uint64_t all, uint64_t from, uint64_t layers) {
    bb_recurrence made = *r;
    if (layers > BB_RECURRENCE_LAYERS || all > BB_RECURRENCE_LAYERS || !all) return BB_E_LIMIT;
    made.layers = 0;
    for (uint64_t i = 0; i < layers; i++) {
        bool keeps = bb_layer_in(&r->keeps, (from + i) % all);
        bb_layer_put(&made.attends, i, bb_layer_in(&r->attends, (from + i) % all));
        bb_layer_put(&made.keeps, i, keeps);
        made.layers += keeps;
    }
    *r = made;
    return BB_OK;
}

bb_status bb_recurrence_elements(const bb_recurrence *r, uint64_t hidden, uint64_t *conv, uint64_t *state) {
    uint64_t taps = r->conv ? r->conv - 1 : 0, c, s, grouped;
    bool ok;
    if (r->wkv_head) {
        ok = bb_mul_u64(r->shift, hidden, &c) && bb_mul_u64(hidden, r->wkv_head, &s);
    } else if (r->short_conv) {
        ok = bb_mul_u64(hidden, r->short_conv - 1, &c);
        s = 0;
    } else {
        ok = bb_mul_u64(2 * r->groups, r->state, &grouped) && bb_add_u64(r->inner, grouped, &grouped) &&
             bb_mul_u64(taps, grouped, &c) && bb_mul_u64(r->state, r->inner, &s);
    }
    if (!ok) return BB_E_OVERFLOW;
    *conv = c;
    *state = s;
    return BB_OK;
}
