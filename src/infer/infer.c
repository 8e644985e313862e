/* SPDX-License-Identifier: GPL-3.0-or-later */
/* infer.c - opening a model: its memory, what it tells of itself. */
#include "infer/infer.h"
#include "base/checked.h"
#include "base/mem.h"
#include "infer/infer_parts.h"
#include <inttypes.h>
#include <stdlib.h>

enum { CTX_STANDARD = 512, CTX_MOST = 1 << 20, BATCH_MOST = 512, BATCH_LEAST = 32, ARENA_FLOATS = 16 << 20 };

static bb_status start(bb_infer *f, bb_error *err) {
    const bb_arch *a = &f->arch;
    const float *factors;
    if (f->opts.ctx == 0) f->opts.ctx = CTX_STANDARD;
    if (f->opts.ctx > CTX_MOST) return bb_fail(err, BB_E_ARG, "a context of %" PRIu64 " is too long", f->opts.ctx);
    bb_status st = bb_infer_configure(f, err);
    if (!st) st = bb_infer_compile(f, &factors, err);
    if (st) return st;
    f->ops = bb_layer_ops_of(f->opts.isa);
    f->rope_half = (size_t)(a->rope_dim ? a->rope_dim : a->head_dim) / 2;
    if (f->rope_half == 0 || 2 * f->rope_half > a->head_dim)
        return bb_fail(err, BB_E_INVALID, "%s: heads of %" PRIu64 " cannot be turned over %" PRIu64 " values", a->name,
                       a->head_dim, a->rope_dim);
    st = bb_rope_table(f, factors, err);
    if (!st) st = bb_kv_new(f, (size_t)a->layers, err);
    if (!st) st = bb_infer_load(f, err);
    /* batches whose values stay within 64 MiB, but enough tokens for a product to be worth its weights */
    f->batch_max = ARENA_FLOATS / f->width;
    if (f->batch_max > BATCH_MOST) f->batch_max = BATCH_MOST;
    if (f->batch_max < BATCH_LEAST) f->batch_max = BATCH_LEAST;
    return st;
}

bb_status bb_infer_open(const bb_file *file, const bb_arch *arch, const bb_infer_opts *opts, bb_infer **infer,
                        bb_error *err) {
    bb_infer *f = bb_alloc(1, sizeof *f);
    if (!f) return bb_fail(err, BB_E_NOMEM, "out of memory");
    f->file = file;
    f->arch = *arch;
    if (opts) f->opts = *opts;
    bb_status st = start(f, err);
    if (st)
        bb_infer_free(f);
    else
        *infer = f;
    return st;
}

void bb_infer_free(bb_infer *f) {
    if (!f) return;
    for (size_t i = 0; i < f->n_matrices; i++) {
        bb_packed_free(f->matrices[i].packed);
        free(f->matrices[i].name);
    }
    for (size_t i = 0; i < f->n_vectors; i++) free(f->vectors[i]);
    free(f->matrices);
    free(f->vectors);
    free(f->steps);
    free(f->values);
    free(f->embedding.rows);
    free(f->rope);
    free(f->kv.keys);
    free(f->kv.values);
    free(f->kv.work);
    free(f->arena);
    bb_acts_clear(&f->acts);
    bb_conversion_clear(&f->conversion);
    free(f);
}

uint64_t bb_infer_vocab(const bb_infer *infer) { return infer->arch.vocab; }
const bb_tensor *bb_infer_embedding(const bb_infer *infer) { return infer->embedding.origin.tensor; }
size_t bb_infer_linears(const bb_infer *infer) { return infer->n_matrices; }
const bb_linear *bb_infer_linear(const bb_infer *infer, size_t i) {
    return i < infer->n_matrices ? &infer->matrices[i].linear : NULL;
}
