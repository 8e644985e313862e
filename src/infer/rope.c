/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rope.c - rotary positions: the table of angles, and turning the pairs of a head (Su et al., RoFormer, 2021). */
#include "base/checked.h"
#include "base/mem.h"
#include "infer/infer_parts.h"
#include <inttypes.h>
#include <math.h>

/* Pair i of position p turns by scale p base^(-i / half) / factor_i. The angles are those of llama.cpp, whose logits
 * would differ by them otherwise: in fp32, each pair's from the one before by a product with base^(-1 / half), then
 * over the factor, times the scale (ggml-cpu/ops.cpp, ggml_rope_cache_init). Their cosines and sines are rounded once.
 */
bb_status bb_rope_table(bb_infer *f, const float *factors, bb_error *err) {
    const bb_infer_numbers *n = &f->numbers;
    size_t half = f->rope_half, each;
    float step = (float)pow((double)(float)n->rope_base, -1.0 / (double)half), scale = (float)n->rope_scale;
    if (!bb_mul_size((size_t)f->opts.ctx, half, &each) || !(f->rope = bb_alloc(each, 2 * sizeof *f->rope)))
        return bb_fail(err, BB_E_NOMEM, "%s: no memory for %" PRIu64 " positions", f->arch.name, f->opts.ctx);
    float *to = f->rope;
    for (size_t p = 0; p < f->opts.ctx; p++) {
        float angle = (float)p;
        for (size_t i = 0; i < half; i++, to += 2) {
            float turned = scale * (factors ? angle / factors[i] : angle);
            to[0] = (float)cos((double)turned);
            to[1] = (float)sin((double)turned);
            angle *= step;
        }
    }
    return BB_OK;
}

void bb_rope_turn(const bb_infer *f, const float *x, size_t heads, size_t head_dim, uint64_t position, float *y) {
    size_t half = f->rope_half, apart = f->numbers.rope_halves ? half : 1, step = f->numbers.rope_halves ? 1 : 2;
    const float *table = f->rope + (size_t)position * half * 2;
    for (size_t h = 0; h < heads; h++, x += head_dim, y += head_dim) {
        for (size_t i = 0; i < half; i++) {
            size_t a = i * step, b = a + apart;
            float c = table[2 * i], s = table[2 * i + 1], u = x[a], v = x[b];
            y[a] = u * c - v * s;
            y[b] = u * s + v * c;
        }
        for (size_t i = 2 * half; i < head_dim; i++) y[i] = x[i];
    }
}
