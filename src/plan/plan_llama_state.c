/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_llama_state.c - llama.cpp's states of recurrent layers, each on its layer's device (memory.md 2.2). */
#include "plan/llama_parts.h"

void bb_llama_state(bb_llama *p) {
    static const char source[] = "llama.cpp v0.5.0, llama-memory-recurrent.cpp";
    const bb_arch *a = p->s->model->arch;
    const bb_recurrence *r = &a->recurrence;
    bb_draft *d = p->d;
    bb_calc *c = &d->calc;
    const bb_placement *at = &p->place;
    uint64_t conv, state, seqs = bb_max_u64(d->plan->used.parallel, 1), layers[BB_PLAN_CARDS + 1] = {0};
    if (bb_recurrence_elements(r, a->hidden, &conv, &state)) {
        d->st = bb_fail(d->err, BB_E_OVERFLOW, "the state of a layer passes 2^64 elements");
        return;
    }
    for (uint64_t l = 0; l < a->layers; l++)
        if (bb_layer_in(&r->keeps, l)) layers[d->plan->used.kv_on_host ? at->n_devices : at->layer[l]]++;
    for (uint32_t i = 0; i <= at->n_devices; i++) {
        const char *device = bb_llama_device(p, i);
        uint64_t rows = bb_calc_mul(c, bb_calc_mul(c, layers[i], seqs), 4);
        uint64_t conv_bytes = bb_calc_mul(c, rows, conv), state_bytes = bb_calc_mul(c, rows, state);
        bb_span all = bb_span_exact(bb_calc_add(c, conv_bytes, state_bytes));
        bb_draft_line(d, "recurrent_state", device, all, BB_EXACT, source,
                      "%llu layers x %llu sequences x (%llu + %llu) x 4 B", (unsigned long long)layers[i],
                      (unsigned long long)seqs, (unsigned long long)conv, (unsigned long long)state);
        bb_draft_line(d, "recurrent_state:conv", device, bb_span_exact(conv_bytes), BB_EXACT, source,
                      "the last tokens of the convolution or the shift, F32");
        bb_draft_line(d, "recurrent_state:state", device, bb_span_exact(state_bytes), BB_EXACT, source,
                      "the state, F32");
    }
}
