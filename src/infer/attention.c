/* SPDX-License-Identifier: GPL-3.0-or-later */
/* attention.c - the cache of keys and values, and sharing out heads and tokens among workers. */
#include "base/checked.h"
#include "base/mem.h"
#include "infer/infer_parts.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* On lines of the cache: vectors that cross one cost twice. */
static float *zeroed(size_t n) {
    float *x = bb_alloc_aligned(n, sizeof *x);
    if (x) memset(x, 0, n * sizeof *x);
    return x;
}

bb_status bb_kv_new(bb_infer *f, size_t layers, bb_error *err) {
    const bb_arch *a = &f->arch;
    bb_kv *kv = &f->kv;
    size_t ctx = (size_t)f->opts.ctx, heads, keys, values, work;
    *kv = (bb_kv){.heads = (size_t)a->heads, .kv_heads = (size_t)a->kv_heads, .head_dim = (size_t)a->head_dim};
    kv->value_dim = (size_t)(a->v_head_dim ? a->v_head_dim : a->head_dim);
    kv->value_stride = (kv->value_dim + BB_VALUE_ALIGN - 1) / BB_VALUE_ALIGN * BB_VALUE_ALIGN;
    kv->tiles = ctx / BB_KEY_TILE + (ctx % BB_KEY_TILE != 0);
    kv->parts = f->opts.pool ? bb_pool_threads(f->opts.pool) : 1;
    bool ok = bb_mul_size(kv->tiles, BB_KEY_TILE, &kv->row_work) &&
              bb_mul_size(kv->row_work, kv->head_dim, &kv->key_head) &&
              bb_mul_size(ctx, kv->value_stride, &kv->value_head) && bb_mul_size(layers, kv->kv_heads, &heads) &&
              bb_mul_size(heads, kv->key_head, &keys) && bb_mul_size(heads, kv->value_head, &values) &&
              bb_add_size(kv->row_work, kv->value_stride, &kv->row_work) &&
              bb_mul_size(kv->row_work, BB_ATTEND_ROWS * kv->parts, &work);
    if (ok) {
        kv->keys = zeroed(keys);
        kv->values = zeroed(values);
        kv->work = zeroed(work);
    }
    if (!kv->keys || !kv->values || !kv->work)
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
    size_t group, heads,
        pieces;           /* heads that share keys; of these in one piece of work, and how many pieces they are */
    size_t block, blocks; /* tokens of a piece, and how many blocks they are */
} job;

/* Piece i: of one head of keys some heads of queries, and some tokens. */
static void attend_piece(const job *j, size_t i, bb_attend *a) {
    const bb_kv *kv = &j->f->kv;
    size_t first = i % j->blocks * j->block, left = j->tokens - first;
    size_t g = i / j->blocks / j->pieces, h = i / j->blocks % j->pieces * j->heads, more = j->group - h;
    a->tokens = left < j->block ? left : j->block;
    a->heads = more < j->heads ? more : j->heads;
    a->keys = kv->keys + (j->layer * kv->kv_heads + g) * kv->key_head;
    a->values = kv->values + (j->layer * kv->kv_heads + g) * kv->value_head;
    a->n = (size_t)j->past + first + 1;
    a->q = j->q + first * j->q_stride + (g * j->group + h) * kv->head_dim;
    a->out = j->out + first * a->out_stride + (g * j->group + h) * kv->value_dim;
    j->f->ops->attend(a);
}

/* Every worker has tokens from all over the batch: later ones see more. */
static void attend_part(void *ctx, size_t part) {
    const job *j = ctx;
    const bb_kv *kv = &j->f->kv;
    bb_attend a = {.head_dim = kv->head_dim, .value_dim = kv->value_dim, .value_stride = kv->value_stride};
    a.q_stride = j->q_stride;
    a.out_stride = kv->heads * kv->value_dim;
    a.scale = 1.0f / sqrtf((float)kv->head_dim);
    a.sums = kv->work + part * BB_ATTEND_ROWS * kv->row_work;
    a.scores = a.sums + BB_ATTEND_ROWS * kv->value_stride;
    for (size_t i = part; i < kv->kv_heads * j->pieces * j->blocks; i += j->parts) attend_piece(j, i, &a);
}

void bb_kv_attend(bb_infer *f, size_t layer, const float *q, size_t q_stride, float *out, uint64_t past,
                  size_t tokens) {
    const bb_kv *kv = &f->kv;
    double work = (double)tokens * (double)(past + tokens) * (double)(kv->heads * (kv->head_dim + kv->value_dim));
    job j = {f, layer, q_stride, tokens, .parts = 1, .q = q, .out = out, .past = past};
    j.group = kv->heads / kv->kv_heads;
    j.heads = j.group < BB_ATTEND_ROWS ? j.group : BB_ATTEND_ROWS;
    j.pieces = (j.group + j.heads - 1) / j.heads;
    j.block = BB_ATTEND_ROWS / j.heads;
    j.blocks = (tokens + j.block - 1) / j.block;
    if (f->opts.pool && work > BB_POOL_WORK) j.parts = kv->parts;
    if (j.parts > 1)
        bb_pool_run(f->opts.pool, j.parts, attend_part, &j);
    else
        attend_part(&j, 0);
}
