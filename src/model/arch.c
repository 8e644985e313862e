/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arch.c - the numbers of an architecture: their ranges, their relations, what follows from what. */
#include "base/escape.h"
#include "base/fail.h"
#include "model/arch_fields.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ranges keep every product of three of these below 2^64, and are far above what exists (specs/reliability.md 3). */
static const struct {
    const char *name;
    size_t offset;
    uint64_t max;
    bool required;
} fields[BB_ARCH_FIELDS] = {
    [BB_ARCH_LAYERS] = {"layers", offsetof(bb_arch, layers), 100000, true},
    [BB_ARCH_HIDDEN] = {"hidden", offsetof(bb_arch, hidden), 1 << 24, true},
    [BB_ARCH_HEADS] = {"heads", offsetof(bb_arch, heads), 1 << 16, true},
    [BB_ARCH_KV_HEADS] = {"kv_heads", offsetof(bb_arch, kv_heads), 1 << 16, true},
    [BB_ARCH_HEAD_DIM] = {"head_dim", offsetof(bb_arch, head_dim), 1 << 16, true},
    [BB_ARCH_FFN] = {"ffn", offsetof(bb_arch, ffn), 1 << 24, true},
    [BB_ARCH_VOCAB] = {"vocab", offsetof(bb_arch, vocab), 1 << 28, true},
    [BB_ARCH_CONTEXT] = {"context", offsetof(bb_arch, context), UINT64_C(1) << 32, false},
    [BB_ARCH_SLIDING_WINDOW] = {"sliding_window", offsetof(bb_arch, sliding_window), UINT64_C(1) << 32, false},
    [BB_ARCH_EXPERTS] = {"experts", offsetof(bb_arch, experts), 1 << 16, false},
    [BB_ARCH_EXPERTS_USED] = {"experts_used", offsetof(bb_arch, experts_used), 1 << 16, false},
    [BB_ARCH_EXPERT_FFN] = {"expert_ffn", offsetof(bb_arch, expert_ffn), 1 << 24, false},
};

const char *bb_arch_field_name(bb_arch_field f) { return fields[f].name; }
bool bb_arch_field_required(bb_arch_field f) { return fields[f].required; }

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

void bb_arch_complete(bb_arch *a) {
    if (!a->kv_heads) a->kv_heads = a->heads;
    if (!a->head_dim && a->heads && a->hidden % a->heads == 0) a->head_dim = a->hidden / a->heads;
    if (a->experts && !a->expert_ffn) a->expert_ffn = a->ffn;
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
        return bb_fail(err, BB_E_INVALID, "%s: kv_heads (%" PRIu64 ") does not divide heads (%" PRIu64 ")", where,
                       a->kv_heads, a->heads);
    if (a->experts_used > a->experts)
        return bb_fail(err, BB_E_INVALID, "%s: experts_used (%" PRIu64 ") is more than experts (%" PRIu64 ")", where,
                       a->experts_used, a->experts);
    if (a->experts && (!a->experts_used || !a->expert_ffn))
        return bb_fail(err, BB_E_INVALID, "%s: experts is %" PRIu64 " but %s is 0", where, a->experts,
                       a->experts_used ? "expert_ffn" : "experts_used");
    return BB_OK;
}

bool bb_arch_known(const char *family) { return strcmp(family, "llama") == 0; }

bb_status bb_arch_check(const bb_arch *a, const char *where, bb_error *err) {
    if (!bb_arch_known(a->family)) {
        bb_fail(err, BB_E_UNSUPPORTED, "%s: the architecture '%s' is not known", where, a->family);
        bb_hint(err, "known: llama (also mistral and mixtral)");
        return BB_E_UNSUPPORTED;
    }
    bb_status st = bb_arch_check_numbers(a, where, err);
    if (st) return st;
    /* Rotary embedding turns pairs of values. */
    if (a->head_dim % 2)
        return bb_fail(err, BB_E_INVALID, "%s: head_dim is %" PRIu64 "; expected an even number", where, a->head_dim);
    if (a->qk_norm)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: a llama architecture has no norm of queries and keys", where);
    return BB_OK;
}

void bb_arch_set_family(bb_arch *a, const char *text) {
    if (strcmp(text, "mistral") == 0 || strcmp(text, "mixtral") == 0) text = "llama";
    bb_escape_field(text, a->family, sizeof a->family);
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
