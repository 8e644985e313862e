/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_importance.c - importance that cannot destroy a block: ggml 0.25.1 writes zeros where the weights of a block
 * are all zero, and no check of llama-quantize notices (specs/ggml.md 0.4). */
#include "base/checked.h"
#include "base/mem.h"
#include "study/quantize_parts.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

bb_status bb_quantize_importance(bb_quantize_job *job, size_t row, bb_error *err) {
    bb_quantize_place *p = &job->places[row];
    const bb_quantize_row *r = &job->rows[row];
    uint64_t cols = 0, experts = 0;
    if (r->n_dims < 2 || !r->elements) return BB_OK;
    const char *name = job->conversion.t ? r->name : p->only->name;
    const float *w = bb_imatrix_weights(job->opts.imatrix, name, &cols, &experts);
    if (!w) return BB_OK;
    uint64_t wanted = p->cols * r->dims[2] * r->dims[3];          /* no more than its elements */
    if (cols * experts != wanted) {                               /* the .dat form does not tell experts apart */
        if (strcmp(name, "token_embd.weight") == 0) return BB_OK; /* of an older program: llama-quantize goes on too */
        return bb_fail(err, BB_E_INVALID,
                       "the importance of '%s' has %llu values, its tensor needs %llu: made with another model?",
                       r->name, (unsigned long long)(cols * experts), (unsigned long long)wanted);
    }
    p->importance = w;
    p->importance_rows = r->dims[1];
    return BB_OK;
}

/* Channels that a scale is searched for together: when all their weights are zero the search has nothing to go by, and
 * the scale becomes 0 (specs/ggml.md 3.4: QX, and QP over the scales of 256). 0 = the search survives that. */
static uint64_t search_group(const bb_dtype *t) {
    static const struct {
        const char *type;
        uint64_t group;
    } groups[] = {{"q4_0", 32},  {"q5_0", 32}, {"q2_K", 256},  {"q3_K", 16},   {"q4_K", 256},
                  {"q5_K", 256}, {"q6_K", 16}, {"iq4_nl", 32}, {"iq4_xs", 32}, {"q4_1", 0}};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (strcmp(groups[i].type, t->name) == 0) return groups[i].group;
    return 0;
}

static bool usable(float w) { return isfinite(w) && w >= 0; }

/* The values are looked at in their own memory first: most tensors need no copy. */
static uint64_t mend(const float *w, float *out, uint64_t n, uint64_t group, uint64_t *zeros) {
    uint64_t odd = 0;
    for (uint64_t at = 0; at < n; at += group ? group : n) {
        uint64_t len = group && group < n - at ? group : n - at;
        bool all_zero = group > 0;
        for (uint64_t i = 0; i < len; i++) {
            bool ok = usable(w[at + i]);
            odd += !ok;
            if (out && !ok) out[at + i] = 1;
            if (!ok || w[at + i] > 0) all_zero = false;
        }
        if (!all_zero) continue;
        *zeros += len;
        for (uint64_t i = 0; out && i < len; i++) out[at + i] = 1;
    }
    return odd;
}

/* What llama-imatrix never measures, since it is looked up and not multiplied. */
static bool is_table(const char *name) {
    return strcmp(name, "token_embd.weight") == 0 || strcmp(name, "per_layer_token_embd.weight") == 0;
}

void bb_quantize_importance_told(bb_quantize_job *job) {
    size_t matrices = 0, without = 0, first = 0;
    for (size_t i = 0; i < job->n; i++) {
        const bb_quantize_row *r = &job->rows[i];
        if (!r->quantized || r->to->block == 1 || is_table(r->name)) continue;
        matrices++;
        if (!job->places[i].importance && !without++) first = i;
    }
    if (without)
        bb_quantize_warn(job, "%zu of %zu quantized matrices have no importance in the file, the first: '%s'", without,
                         matrices, job->rows[first].name);
    if (job->mended)
        bb_quantize_warn(job,
                         "importance: weight 1 for %llu channels of %zu tensors (NaN, infinite, negative, or in blocks "
                         "whose weights are all zero), the first: '%s'",
                         (unsigned long long)job->mended_channels, job->mended, job->first_mended);
}

bb_status bb_quantize_mend(bb_quantize_job *job, size_t row, bb_error *err) {
    bb_quantize_place *p = &job->places[row];
    bb_quantize_row *r = &job->rows[row];
    if (!p->importance || !r->quantized) return BB_OK;
    uint64_t experts = r->dims[2] * r->dims[3], group = search_group(r->to), zeros = 0, odd = 0;
    for (uint64_t e = 0; e < experts; e++) odd += mend(p->importance + e * p->cols, NULL, p->cols, group, &zeros);
    if (!odd && !zeros) return BB_OK;
    size_t n;
    if (!bb_mul_size((size_t)p->cols, (size_t)experts, &n) || !(p->importance_owned = bb_alloc(n, sizeof(float))))
        return bb_fail(err, BB_E_NOMEM, "out of memory");
    memcpy(p->importance_owned, p->importance, n * sizeof(float));
    uint64_t again = 0;
    for (uint64_t e = 0; e < experts; e++)
        (void)mend(p->importance + e * p->cols, p->importance_owned + e * p->cols, p->cols, group, &again);
    p->importance = p->importance_owned;
    if (!job->mended++) memcpy(job->first_mended, r->name, sizeof job->first_mended);
    job->mended_channels += zeros + odd;
    return BB_OK;
}

uint64_t bb_quantize_revive(const bb_quantize_job *job, const bb_dtype *type, const float *x, size_t count,
                            unsigned char *out, float *back) {
    float ones[256], again[256];
    unsigned char block[512];
    size_t n = type->block;
    uint64_t revived = 0;
    if (n > sizeof ones / sizeof *ones || type->block_bytes > sizeof block) return 0;
    for (size_t i = 0; i < n; i++) ones[i] = 1;
    for (size_t at = 0; at < count; at += n, out += type->block_bytes) {
        bool dead = false;
        for (size_t i = 0; i < n && !dead; i++) dead = x[at + i] != 0;
        for (size_t i = 0; i < n && dead; i++) dead = back[at + i] == 0;
        if (!dead) continue;
        if (bb_quantize_rows_as(type, x + at, 1, n, ones, &job->opts.quant, block) != BB_OK ||
            bb_dequantize_rows_as(type, block, 1, n, job->opts.quant.isa, again) != BB_OK)
            continue;
        for (size_t i = 0; i < n && dead; i++) dead = again[i] == 0;
        if (dead) continue; /* too small for any scale */
        memcpy(out, block, type->block_bytes);
        memcpy(back + at, again, n * sizeof *again);
        revived++;
    }
    return revived;
}
