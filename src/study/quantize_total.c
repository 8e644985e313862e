/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantize_total.c - the tensors of a quantized file added up: sizes, the mean error, the worst. */
#include "study/quantize_study.h"
#include <math.h>

void bb_quantize_total_add(bb_quantize_total *t, const bb_quantize_row *r) {
    t->from_bytes += r->from_bytes;
    t->bytes += r->bytes;
    t->elements += r->elements;
    if (atomic_load(&((bb_quantize_row *)(uintptr_t)r)->state) != BB_ROW_DONE) return;
    t->done++;
    /* vectors that became f32 lost nothing, and are no matrices */
    if (!r->quantized || isnan(r->error.rel) || (r->to->block == 1 && r->error.rel == 0)) return;
    t->measured++;
    t->weighted += r->error.rel * r->error.rel * (double)r->elements;
    t->weight += (double)r->elements;
    if (!t->worst || r->error.rel > t->worst->error.rel) t->worst = r;
}

double bb_quantize_total_rel(const bb_quantize_total *t) {
    return t->weight > 0 ? sqrt(t->weighted / t->weight) : (double)NAN;
}
