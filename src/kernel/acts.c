/* SPDX-License-Identifier: GPL-3.0-or-later */
/* acts.c - rounding activations for a kernel, and what that made of them. */
#include "kernel/acts.h"
#include "base/checked.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "format/half.h"
#include "kernel/acts_codes.h"
#include <stdlib.h>
#include <string.h>

/* ---- the memory of all parts ---- */

static bool part_size(size_t tokens, size_t each, size_t width, size_t *bytes) {
    size_t n;
    if (!bb_mul_size(tokens, each, &n) || !bb_mul_size(n, width, &n) || !bb_add_size(n, 63, &n)) return false;
    *bytes = n / 64 * 64;
    return true;
}

static bb_status reserve(bb_acts *a, bb_act kind, size_t tokens, size_t in) {
    size_t blocks = in / BB_ACT_BLOCK + (in % BB_ACT_BLOCK != 0), part[4] = {0}, total = 0;
    if (kind == BB_ACT_INT8_256) blocks = (blocks + 7) / 8 * 8;
    bool token = kind == BB_ACT_INT8_TOKEN, super = kind == BB_ACT_INT8_256, codes = kind >= BB_ACT_INT8_TOKEN;
    size_t width = kind == BB_ACT_F32 ? sizeof(float) : kind == BB_ACT_BF16 ? sizeof(uint16_t) : 1;
    bool ok = blocks <= SIZE_MAX / 64 && part_size(tokens, blocks * BB_ACT_BLOCK, width, &part[0]);
    if (codes) {
        ok = ok && part_size(tokens, token ? 1 : super ? blocks / 8 : blocks, sizeof(float), &part[1]);
        ok = ok && part_size(tokens, token ? 1 : super ? 2 * blocks : blocks, sizeof(int32_t), &part[2]);
    }
    if (super) ok = ok && part_size(tokens, blocks, sizeof(int16_t), &part[3]);
    for (int i = 0; i < 4; i++) ok = ok && bb_add_size(total, part[i], &total);
    if (!ok) return BB_E_OVERFLOW;
    if (total > a->memory_bytes) {
        void *memory = bb_alloc_aligned(total, 1);
        if (!memory) return BB_E_NOMEM;
        free(a->memory);
        a->memory = memory;
        a->memory_bytes = total;
    }
    unsigned char *at = a->memory;
    a->kind = kind;
    a->tokens = tokens;
    a->in = in;
    a->blocks = blocks;
    a->values = at;
    a->scales = (float *)(void *)(at += part[0]);
    a->starts = (int32_t *)(void *)(at += part[1]);
    a->sums = (int16_t *)(void *)(at + part[2]);
    return BB_OK;
}

void bb_acts_clear(bb_acts *a) {
    free(a->memory);
    *a = (bb_acts){0};
}

/* ---- filling ---- */

typedef struct fill {
    bb_acts *a;
    const float *x;
    bb_isa isa;
    bb_codes_job job;
    bb_codes_fn *codes;
} fill;

/* Tokens [first, end): block after block, so that what is written lies together. */
static void fill_f32(const fill *f, size_t first, size_t end) {
    const bb_acts *a = f->a;
    for (size_t b = 0; b < a->blocks; b++) {
        float *to = (float *)a->values + (b * a->tokens + first) * BB_ACT_BLOCK;
        const float *x = f->x + first * a->in + b * BB_ACT_BLOCK;
        size_t left = a->in - b * BB_ACT_BLOCK;
        for (size_t t = first; t < end; t++, to += BB_ACT_BLOCK, x += a->in) {
            if (left < BB_ACT_BLOCK) {
                memset(to, 0, BB_ACT_BLOCK * sizeof *to);
                memcpy(to, x, left * sizeof *to);
            } else
                memcpy(to, x, BB_ACT_BLOCK * sizeof *to);
        }
    }
}

/* The same, many blocks of a token at a time: the rounding is made for long rows. */
static void fill_bf16(const fill *f, size_t first, size_t end) {
    enum { RUN = 16 * BB_ACT_BLOCK };
    const bb_acts *a = f->a;
    uint16_t words[RUN];
    for (size_t k = 0; k < a->in; k += RUN)
        for (size_t t = first; t < end; t++) {
            size_t live = a->in - k < RUN ? a->in - k : RUN, blocks = (live + BB_ACT_BLOCK - 1) / BB_ACT_BLOCK;
            bb_f32_to_bf16_n(f->x + t * a->in + k, live, f->isa, (unsigned char *)words);
            memset(words + live, 0, (blocks * BB_ACT_BLOCK - live) * sizeof *words);
            for (size_t b = 0; b < blocks; b++)
                memcpy((uint16_t *)a->values + ((k / BB_ACT_BLOCK + b) * a->tokens + t) * BB_ACT_BLOCK,
                       words + b * BB_ACT_BLOCK, BB_ACT_BLOCK * sizeof *words);
        }
}

static void fill_item(void *ctx, size_t item) {
    const fill *f = ctx;
    size_t first = item * BB_CODES_TOKENS, left = f->a->tokens - first;
    size_t count = left < BB_CODES_TOKENS ? left : BB_CODES_TOKENS;
    if (f->a->kind == BB_ACT_F32)
        fill_f32(f, first, first + count);
    else if (f->a->kind == BB_ACT_BF16)
        fill_bf16(f, first, first + count);
    else
        f->codes(&f->job, first, count);
}

static bb_codes_fn *codes_of(bb_isa isa) {
    bb_codes_fn *fn = bb_codes_scalar;
#if BB_X86
    bb_isa chosen = bb_isa_choose(isa);
    if (chosen == BB_ISA_AVX2) fn = bb_codes_avx2;
    if (chosen == BB_ISA_AVX512) fn = bb_codes_avx512;
#else
    (void)isa;
#endif
    return fn;
}

bb_status bb_acts_fill(bb_acts *a, bb_act kind, int32_t offset, const float *x, size_t tokens, size_t in, bb_isa isa,
                       bb_pool *pool) {
    if (in == 0) return BB_E_ARG;
    bb_status status = reserve(a, kind, tokens, in);
    if (status != BB_OK) return status;
    fill f = {a, x, isa, {a, x, offset}, codes_of(isa)};
    size_t items = (tokens + BB_CODES_TOKENS - 1) / BB_CODES_TOKENS;
    if (pool && items > 1)
        bb_pool_run(pool, items, fill_item, &f);
    else
        for (size_t i = 0; i < items; i++) fill_item(&f, i);
    return BB_OK;
}

/* As the kernel's instruction reads it: a subnormal is a zero. */
static float bf16_read(uint16_t h) { return bb_bf16_to_f32(h & 0x7F80 ? h : h & 0x8000); }

bb_status bb_acts_roundtrip(bb_act kind, const float *x, size_t tokens, size_t in, float *xhat) {
    bb_acts a = {0};
    fenv_t saved;
    bb_fp_enter(&saved);
    bb_status status = bb_acts_fill(&a, kind, 0, x, tokens, in, BB_ISA_AUTO, NULL);
    for (size_t t = 0; t < tokens && status == BB_OK; t++)
        for (size_t i = 0; i < in; i++) {
            size_t b = i / BB_ACT_BLOCK, at = (b * tokens + t) * BB_ACT_BLOCK + i % BB_ACT_BLOCK;
            float *to = xhat + t * in + i;
            if (kind == BB_ACT_F32)
                *to = ((const float *)a.values)[at];
            else if (kind == BB_ACT_BF16)
                *to = bf16_read(((const uint16_t *)a.values)[at]);
            else
                *to = (float)((const signed char *)a.values)[at] *
                      a.scales[kind == BB_ACT_INT8_TOKEN ? t : (kind == BB_ACT_INT8_32 ? b : b / 8) * tokens + t];
        }
    bb_fp_leave(&saved);
    bb_acts_clear(&a);
    return status;
}
