/* SPDX-License-Identifier: GPL-3.0-or-later */
/* acts.c - rounding activations for a kernel, and what that made of them. */
#include "kernel/acts.h"
#include "base/checked.h"
#include "base/fpenv.h"
#include "base/mem.h"
#include "format/half.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool finite_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (u & 0x7F800000) != 0x7F800000;
}

float bb_round_group_scalar(const float *x, size_t count, size_t live, signed char *codes, size_t stride,
                            int32_t *sums) {
    float amax = 0;
    bool finite = true;
    for (size_t i = 0; i < live; i++) {
        finite = finite && finite_bits(x[i]);
        amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
    }
    float scale = amax / 127.0f, inverse = 127.0f / amax;
    bool small = amax < 0x1p-100f;
    for (size_t i = 0; i < count; i++) {
        float v = i < live && finite && scale > 0 ? x[i] : 0;
        double q = v == 0 ? 0 : small ? rint((double)v / (double)scale) : (double)rintf(v * inverse);
        codes[i / BB_ACT_BLOCK * stride + i % BB_ACT_BLOCK] = (signed char)(q > 127 ? 127 : q < -127 ? -127 : q);
    }
    for (size_t i = 0; sums && i < count; i += 16) {
        const signed char *c = codes + i / BB_ACT_BLOCK * stride + i % BB_ACT_BLOCK;
        sums[i / 16] = 0;
        for (size_t k = 0; k < 16; k++) sums[i / 16] += c[k];
    }
    return finite ? scale : NAN;
}

/* ---- the memory of all parts ---- */

static size_t group_of(bb_act kind, size_t in) {
    return kind == BB_ACT_INT8_32 ? BB_ACT_BLOCK : kind == BB_ACT_INT8_256 ? BB_ACT_SUPER : in;
}

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
    int32_t offset;
    bb_round_group_fn *round;
    bb_isa isa;
    size_t tokens_per_item;
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

static void fill_codes(const fill *f, size_t t) {
    const bb_acts *a = f->a;
    const float *x = f->x + t * a->in;
    size_t stride = a->tokens * BB_ACT_BLOCK, whole = a->blocks * BB_ACT_BLOCK, step = group_of(a->kind, whole);
    int32_t token = 0, sums[BB_ACT_SUPER / 16];
    if (a->kind == BB_ACT_INT8_TOKEN) {
        /* the sums of a whole row: taken block by block from the codes */
        signed char *codes = (signed char *)a->values + t * BB_ACT_BLOCK;
        a->scales[t] = f->round(x, whole, a->in, codes, stride, NULL);
        for (size_t b = 0; b < a->blocks; b++)
            for (size_t i = 0; i < BB_ACT_BLOCK; i++) token += codes[b * stride + i];
        a->starts[t] = (int32_t)(0u - (uint32_t)f->offset * (uint32_t)token);
        return;
    }
    for (size_t g = 0; g * step < whole; g++) {
        size_t b = g * step / BB_ACT_BLOCK, left = a->in > g * step ? a->in - g * step : 0;
        signed char *codes = (signed char *)a->values + (b * a->tokens + t) * BB_ACT_BLOCK;
        a->scales[g * a->tokens + t] = f->round(x + g * step, step, left < step ? left : step, codes, stride, sums);
        if (a->kind == BB_ACT_INT8_32) {
            a->starts[g * a->tokens + t] = -f->offset * (sums[0] + sums[1]);
            continue;
        }
        for (size_t i = 0; i < 16; i++) a->starts[(16 * g + i) * a->tokens + t] = -f->offset * sums[i];
        for (size_t i = 0; i < 8; i++) a->sums[(g * a->tokens + t) * 8 + i] = (int16_t)(sums[2 * i] + sums[2 * i + 1]);
    }
}

static void fill_item(void *ctx, size_t item) {
    const fill *f = ctx;
    size_t first = item * f->tokens_per_item, left = f->a->tokens - first;
    size_t end = first + (left < f->tokens_per_item ? left : f->tokens_per_item);
    if (f->a->kind == BB_ACT_F32)
        fill_f32(f, first, end);
    else if (f->a->kind == BB_ACT_BF16)
        fill_bf16(f, first, end);
    else
        for (size_t t = first; t < end; t++) fill_codes(f, t);
}

bb_status bb_acts_fill(bb_acts *a, bb_act kind, int32_t offset, const float *x, size_t tokens, size_t in, bb_isa isa,
                       bb_pool *pool) {
    if (in == 0) return BB_E_ARG;
    bb_status status = reserve(a, kind, tokens, in);
    if (status != BB_OK) return status;
    fill f = {a, x, offset, bb_round_group_scalar, isa, 8};
    size_t items = (tokens + f.tokens_per_item - 1) / f.tokens_per_item;
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
