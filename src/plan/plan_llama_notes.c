/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_llama_notes.c - what llama.cpp v0.5.0 does with options that do not mean what they say. */
#include "plan/kvcache.h"
#include "plan/llama_parts.h"

/* llama-model.cpp, load_tensors: as many shares are read as there are devices; one without a share gets no layer. */
static void note_shares(bb_llama *p) {
    const bb_plan_request *u = &p->d->plan->used;
    uint32_t n = p->place.n_devices, more = 0, idle = 0;
    bool shares = false;
    for (uint32_t i = 0; i < BB_PLAN_CARDS; i++) more += i >= n && u->cards[i].split > 0;
    for (uint32_t i = 0; i < n; i++) shares = shares || u->cards[p->place.card[i]].split > 0;
    for (uint32_t i = 0; i < n && shares; i++) idle += !(u->cards[p->place.card[i]].split > 0);
    if (n && more && u->split_mode == BB_SPLIT_LAYER)
        bb_draft_note(p->d, "--tensor-split has shares for more than %u card%s: llama.cpp ignores the others.",
                      (unsigned)n, n > 1 ? "s" : "");
    if (idle)
        bb_draft_note(p->d, "--tensor-split leaves %u of %u cards without a share: llama.cpp puts no layer there.",
                      (unsigned)idle, (unsigned)n);
    if (!n && u->gpu_layers && u->gpu_layers != BB_ALL)
        bb_draft_note(p->d, "--gpu-layers without a card: llama.cpp warns, and all layers stay on the host.");
}

static void note_cache(bb_llama *p) {
    const bb_plan_request *u = &p->d->plan->used;
    if (!p->k || !p->v || u->flash_attn < 0 || !p->place.n_devices || u->backend != BB_BACKEND_CUDA || u->kv_on_host)
        return;
    if (!bb_cuda_attends(p->k, p->v))
        bb_draft_note(p->d,
                      "CUDA has no flash attention for a cache of %s,%s: llama.cpp computes it on the host, which is "
                      "slow; its buffers, planned on the card, lie there.",
                      p->k->name, p->v->name);
    else if (!bb_cuda_vector_kernel(p->k, p->v))
        bb_draft_note(p->d,
                      "CUDA builds have a vector kernel for a cache of %s,%s only when GGML_CUDA_FA_QUANTS names it: "
                      "without, llama.cpp converts the cache to f16 for every token, which is slow; releases before "
                      "v0.5.0 compute such attention on the host.",
                      p->k->name, p->v->name);
}

void bb_llama_notes(bb_llama *p) {
    note_shares(p);
    note_cache(p);
}
