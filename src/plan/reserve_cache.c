/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reserve_cache.c - a hash over a reservation's input, and a table of sets. */
#include "plan/reserve_cache.h"
#include <string.h>

/* Two products of 64 bits with the high half folded in; the odd constants are those of splitmix64 (Steele, Lea, Flood
 * 2014). */
static void mix(bb_reserve_key *k, uint64_t word) {
    uint64_t a = (k->a ^ word) * 0x9e3779b97f4a7c15ull, b = (k->b + word) * 0xbf58476d1ce4e5b9ull;
    k->a = a ^ (a >> 32);
    k->b = b ^ (b >> 29) ^ (k->a << 1);
}

static void mix_bytes(bb_reserve_key *k, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (; n; n -= n < 8 ? n : 8, p += 8) {
        uint64_t word = 0;
        memcpy(&word, p, n < 8 ? n : 8);
        mix(k, word);
    }
}

/* Which weights there are and where; four in a word. */
static void mix_homes(bb_reserve_key *k, const bb_home *home, size_t n) {
    uint64_t word = 1;
    for (size_t i = 0; i < n; i++) {
        word = word << 16 | (uint64_t)(home[i].type != NULL) << 8 | home[i].device;
        if (i % 4 == 3) mix(k, word);
    }
    mix(k, word);
}

static size_t n_homes(const bb_reserve_in *in) { return in->graph->n_weights * (in->graph->n_layers + 1); }

static const bb_reserve_model *model_of(bb_reserve_cache *c, const bb_reserve_in *in) {
    bb_reserve_model *m = &c->model;
    size_t n = n_homes(in);
    if (in->version && m->version == in->version) return m;
    m->version = in->version;
    m->plain = (bb_reserve_key){n, 0};
    mix_bytes(&m->plain, in->graph->arch, sizeof *in->graph->arch); /* whole: it decides the graph */
    mix_homes(&m->plain, in->homes, n);
    m->typed = m->plain;
    for (size_t i = 0; i < n; i++) mix(&m->typed, (uint64_t)(uintptr_t)in->homes[i].type);
    return m;
}

bb_reserve_key bb_reserve_key_of(bb_reserve_cache *c, const bb_reserve_in *in, bool typed) {
    const bb_reserve_model *m = model_of(c, in);
    bb_reserve_key k = typed ? m->typed : m->plain;
    const bool flags[] = {
        in->unified,       in->swa_full,    in->flash,   in->kv_on_host, in->backend == BB_BACKEND_CUDA,
        in->no_op_offload, in->no_pipeline, in->dry_run, in->all_layers};
    uint64_t bits = in->n_devices;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) bits = bits * 2 + flags[i];
    const uint64_t words[] = {bits,
                              in->ctx,
                              in->batch,
                              in->ubatch,
                              in->sequences,
                              in->outputs,
                              (uint64_t)(uintptr_t)in->k,
                              (uint64_t)(uintptr_t)in->v}; /* rows of a constant table */
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) mix(&k, words[i]);
    mix_bytes(&k, in->layer_device, in->graph->n_layers + 1);
    return k;
}

const bb_reserve_entry *bb_reserve_cache_find(const bb_reserve_cache *c, bb_reserve_key key) {
    const bb_reserve_entry *set = c->entry[key.a % BB_RESERVE_SETS];
    for (size_t i = 0; i < BB_RESERVE_WAYS; i++)
        if (set[i].used && set[i].key.a == key.a && set[i].key.b == key.b) return &set[i];
    return NULL;
}

void bb_reserve_cache_put(bb_reserve_cache *c, bb_reserve_key key, const bb_reserve_out *out, bool typed) {
    size_t set = key.a % BB_RESERVE_SETS;
    c->entry[set][c->next[set]] = (bb_reserve_entry){key, *out, true, typed};
    c->next[set] = (uint8_t)((c->next[set] + 1) % BB_RESERVE_WAYS);
}
