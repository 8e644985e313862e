/* SPDX-License-Identifier: GPL-3.0-or-later */
/* attention.c - the cache of keys and values, and sharing out heads and tokens among workers. */
#include "base/checked.h"
#include "base/mem.h"
#include "infer/infer_parts.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

bb_status bb_kv_new(bb_infer *f, size_t layers, bb_error *err) {
    const bb_arch *a = &f->arch;
    bb_kv *kv = &f->kv;
    size_t ctx = (size_t)f->opts.ctx, heads, keys, values, scores;
    *kv = (bb_kv){.heads = (size_t)a->heads, .kv_heads = (size_t)a->kv_heads, .head_dim = (size_t)a->head_dim};
    kv->value_dim = (size_t)(a->v_head_dim ? a->v_head_dim : a->head_dim);
    kv->value_stride = (kv->value_dim + BB_VALUE_ALIGN - 1) / BB_VALUE_ALIGN * BB_VALUE_ALIGN;
    kv->tiles = ctx / BB_KEY_TILE + (ctx % BB_KEY_TILE != 0);
    kv->parts = f->opts.pool ? bb_pool_threads(f->opts.pool) : 1;
    bool ok = bb_mul_size(kv->tiles, BB_KEY_TILE, &scores) && bb_mul_size(scores, kv->head_dim, &kv->key_head) &&
              bb_mul_size(ctx, kv->value_stride, &kv->value_head) && bb_mul_size(layers, kv->kv_heads, &heads) &&
              bb_mul_size(heads, kv->key_head, &keys) && bb_mul_size(heads, kv->value_head, &values) &&
              bb_mul_size(scores, 2 * kv->parts, &scores);
    if (ok) {
        kv->keys = bb_alloc(keys, sizeof *kv->keys);
        kv->values = bb_alloc(values, sizeof *kv->values);
        kv->scores = bb_alloc(scores, sizeof *kv->scores);
    }
    if (!kv->keys || !kv->values || !kv->scores)
        return bb_fail(err, BB_E_NOMEM, "%s: no memory for the keys and values of %" PRIu64 " positions", a->name,
                       f->opts.ctx);
    return BB_OK;
}

void bb_kv_store(bb_infer *f, size_t layer, const float *k, size_t k_stride, const float *v, size_t v_stride,
                 uint64_t past, size_t tokens) {
    const bb_kv *kv = &f->kv;
    for (size_t g = 0; g < kv->kv_heads; g++) {
        float *keys = kv->keys + (layer * kv->kv_heads + g) * kv->key_head;
        float *values = kv->values + (layer * kv->kv_heads + g) * kv->value_head;
        for (size_t t = 0; t < tokens; t++) {
            size_t p = (size_t)past + t;
            float *tile = keys + p / BB_KEY_TILE * (kv->head_dim * BB_KEY_TILE) + p % BB_KEY_TILE;
            const float *from = k + t * k_stride + g * kv->head_dim;
            for (size_t d = 0; d < kv->head_dim; d++) tile[d * BB_KEY_TILE] = from[d];
            memcpy(values + p * kv->value_stride, v + t * v_stride + g * kv->value_dim, kv->value_dim * sizeof *values);
        }
    }
}

typedef struct job {
    bb_infer *f;
    size_t layer, q_stride, tokens, parts;
    const float *q;
    float *out;
    uint64_t past;
} job;

/* Every part has tokens from all over the batch: later ones see more. */
static void attend_part(void *ctx, size_t part) {
    const job *j = ctx;
    const bb_kv *kv = &j->f->kv;
    size_t group = kv->heads / kv->kv_heads;
    bb_attend a = {.heads = group, .head_dim = kv->head_dim, .value_dim = kv->value_dim};
    a.value_stride = kv->value_stride;
    a.scale = 1.0f / sqrtf((float)kv->head_dim);
    a.scores = kv->scores + part * 2 * kv->tiles * BB_KEY_TILE;
    for (size_t i = part; i < j->tokens * kv->kv_heads; i += j->parts) {
        size_t g = i / j->tokens, t = i % j->tokens;
        a.keys = kv->keys + (j->layer * kv->kv_heads + g) * kv->key_head;
        a.values = kv->values + (j->layer * kv->kv_heads + g) * kv->value_head;
        a.n = (size_t)j->past + t + 1;
        a.q = j->q + t * j->q_stride + g * group * kv->head_dim;
        a.out = j->out + (t * kv->heads + g * group) * kv->value_dim;
        j->f->ops->attend(&a);
    }
}

void bb_kv_attend(bb_infer *f, size_t layer, const float *q, size_t q_stride, float *out, uint64_t past,
                  size_t tokens) {
    const bb_kv *kv = &f->kv;
    double work = (double)tokens * (double)(past + tokens) * (double)(kv->heads * (kv->head_dim + kv->value_dim));
    job j = {f, layer, q_stride, tokens, 1, q, out, past};
    if (f->opts.pool && work > BB_POOL_WORK) j.parts = kv->parts;
    if (j.parts > 1)
        bb_pool_run(f->opts.pool, j.parts, attend_part, &j);
    else
        attend_part(&j, 0);
}
