/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_simple.c - weights by their count alone: parameters times the bits of a storage type. */
#include "plan/plan_parts.h"
#include <stdio.h>
#include <string.h>

void bb_plan_simple(bb_draft *d, bb_subject *s) {
    bb_plan_request *u = &d->plan->used;
    const char *name = *u->weights && strcmp(u->weights, "file") != 0 ? u->weights : "f16";
    const bb_dtype *t = bb_dtype_find(name, NULL);
    const bb_ftype *ft = bb_ftype_find(name, NULL);
    if (!t && ft) { /* a mixture needs tensors; its base type is a lower end */
        t = bb_dtype_find(ft->base, NULL);
        bb_draft_note(d, "%s mixes types by tensor: a count alone is sized in its base type, %s, which is a lower end.",
                      ft->name, ft->base);
    }
    if (!t) {
        bb_error why;
        bb_ftype_find(name, &why);
        d->st = bb_fail(d->err, BB_E_NAME, "%s", why.text);
        if (*why.hint) bb_hint(d->err, "%s", why.hint);
        return;
    }
    (void)snprintf(u->weights, sizeof u->weights, "%s", t->name);
    /* whole blocks: the last one is filled up */
    uint64_t blocks = s->parameters / t->block + (s->parameters % t->block != 0);
    uint64_t bytes = bb_calc_mul(&d->calc, blocks, t->block_bytes);
    bb_draft_line(d, "weights", bb_draft_device(d), bb_span_exact(bytes),
                  t->block == 1 && !t->row_bytes ? BB_EXACT : BB_MODELLED, t->source, "%llu x %.4g bit",
                  (unsigned long long)s->parameters, bb_dtype_bits_per_weight(t, 0));
    if (u->purpose == BB_FOR_INFER)
        bb_draft_note(d, s->graph.n_nodes ? "Engine simple counts weights only."
                                          : "Weights only: KV cache and buffers need an architecture, such as that of "
                                            "a catalogue name or a file.");
}
