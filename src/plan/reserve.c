/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reserve.c - which graphs llama.cpp reserves buffers for, and in what shape (llama-graph.md 1 and 7). */
#include "plan/reserve.h"
#include "base/fail.h"
#include "base/mem.h"
#include "plan/graph_alloc.h"
#include "plan/kvcache.h"
#include "plan/plan_calc.h"
#include "plan/reserve_cache.h"
#include <stdlib.h>
#include <string.h>

struct bb_reserver {
    bb_gg_graph graph;
    bb_sched sched;
    bb_graph_alloc alloc;
    bb_reserve_cache cache;
};

bb_reserver *bb_reserver_new(void) { return bb_alloc(1, sizeof(bb_reserver)); }

void bb_reserver_free(bb_reserver *r) {
    if (!r) return;
    bb_gg_clear(&r->graph);
    bb_sched_clear(&r->sched);
    free(r);
}

/* The clean-up of the request, in llama.cpp's order. */
static bb_status clip(const bb_reserve_in *in, bb_gg_shape *shape, bb_error *err) {
    uint64_t cells, window = 0;
    if (!in->ctx || !in->batch || !in->sequences || in->n_devices > BB_PLAN_CARDS)
        return bb_fail(err, BB_E_ARG, "context, batch and sequences must be at least 1");
    uint64_t batch = bb_min_u64(in->ctx, in->batch);
    uint64_t ubatch = in->ubatch ? bb_min_u64(batch, in->ubatch) : batch;
    uint64_t outputs = in->outputs ? in->outputs : batch, streams = in->unified ? 1 : in->sequences;
    if (outputs < in->sequences)
        return bb_fail(err, BB_E_ARG, "%llu outputs for %llu sequences: llama.cpp stops, each needs one",
                       (unsigned long long)outputs, (unsigned long long)in->sequences);
    if (!in->flash && in->v->block > 1)
        return bb_fail(err, BB_E_ARG, "values in %s need flash attention: llama.cpp refuses the context", in->v->name);
    bb_status st = bb_kv_cells(in->ctx, in->sequences, in->unified, &cells);
    if (!st && in->swa_full) window = cells;
    if (!st && !in->swa_full)
        st = bb_kv_window_cells(cells, in->graph->arch->sliding_window, ubatch, in->sequences, in->unified, &window);
    if (st) return bb_fail(err, st, "the cells of the cache");
    bb_calc c = {false};
    *shape = (bb_gg_shape){.tokens = ubatch,
                           .outputs = bb_min_u64(ubatch, outputs),
                           .sequences = in->sequences,
                           .cells = cells / streams,
                           .window_cells = window / streams,
                           .streams = streams,
                           .flash = in->flash,
                           .k = in->k,
                           .v = in->v,
                           .homes = in->homes};
    uint64_t past = ubatch % in->sequences;
    if (past) shape->tokens = bb_calc_add(&c, ubatch, in->sequences - past);
    return c.overflow ? bb_fail(err, BB_E_OVERFLOW, "tokens of a batch") : BB_OK;
}

/* Tensors of the model as llama.cpp counts them: what stands in no layer of its own, once on each device. */
static uint64_t count_tensors(const bb_reserve_in *in) {
    const bb_graph *g = in->graph;
    uint64_t n = 0;
    for (size_t w = 0; w < g->n_weights; w++) {
        const bb_home *home = &in->homes[w * (g->n_layers + 1)];
        bool shared = g->weights[w].part == BB_PART_LAYER && !strstr(g->weights[w].gguf_name, "%d");
        uint32_t seen = 0;
        for (size_t l = 0; l <= g->n_layers; l++) {
            if (!home[l].type || (shared && seen >> home[l].device & 1)) continue;
            seen |= UINT32_C(1) << home[l].device;
            n++;
        }
    }
    return n;
}

/* llama.cpp stops when a graph has more tensors than its tables take: llama-context.cpp graph_max_nodes nodes, and in
 * the scheduler the prime that ggml_hash_size gives for it. */
static bb_status check_size(const bb_reserve_in *in, const bb_gg_graph *graph, bb_error *err) {
    static const uint64_t primes[] = {1031, 2053, 4099, 8209, 16411, 32771, 65537, 131101, 262147, 524309, 1048583};
    uint64_t most = bb_max_u64(1024, 8 * count_tensors(in)), table = UINT64_MAX;
    for (size_t i = sizeof primes / sizeof *primes; i-- > 0;)
        if (primes[i] >= most) table = primes[i];
    if (graph->n_nodes <= most && graph->n_leafs <= most && graph->n_nodes + graph->n_leafs <= table) return BB_OK;
    return bb_fail(err, BB_E_UNSUPPORTED, "a graph of %zu nodes and %zu leafs: llama.cpp stops, its table takes %llu",
                   graph->n_nodes, graph->n_leafs, (unsigned long long)table);
}

/* One graph; the sizes grow to what it needs. */
static bb_status reserve_graph(bb_reserver *r, const bb_reserve_in *in, const bb_gg_shape *shape, bb_reserve_out *out,
                               bb_error *err) {
    bb_status st = bb_gg_build(in->graph, shape, &r->graph, err);
    if (!st) st = check_size(in, &r->graph, err);
    if (st) return st;
    uint64_t nodes = r->graph.n_nodes, leafs = r->graph.n_leafs;
    st = bb_sched_run(&r->sched, &r->graph, in, shape->tokens);
    if (st) return bb_fail(err, st, "the scheduler's lists");
    r->alloc.cuda = in->backend == BB_BACKEND_CUDA;
    r->alloc.f16_copies = r->alloc.cuda && !in->dry_run;
    st = bb_graph_alloc_run(&r->alloc, &r->sched);
    if (st == BB_E_OVERFLOW) return bb_fail(err, st, "a compute buffer passes 2^63 bytes");
    if (st) return bb_fail(err, st, "a compute buffer in more than %d pieces: ggml stops", BB_ARENA_BLOCKS);
    for (uint32_t d = 0; d < in->n_devices; d++) out->device[d] = bb_max_u64(out->device[d], r->alloc.arena[d].high);
    out->host = bb_max_u64(out->host, r->alloc.arena[in->n_devices].high);
    if (out->nodes) return BB_OK; /* what is told is told of the first, the prompt's */
    out->nodes = nodes;
    out->leafs = leafs;
    out->splits = r->sched.n_splits;
    return BB_OK;
}

bb_status bb_reserve(bb_reserver *r, const bb_reserve_in *in, bb_reserve_out *out, bb_error *err) {
    bb_gg_shape shape;
    bb_reserve_out o = {0};
    if (!bb_gg_known(in->graph->arch, &o.proven))
        return bb_fail(err, BB_E_UNSUPPORTED, "the graph of %s in llama.cpp is not described", in->graph->arch->family);
    bb_reserve_key key = bb_reserve_key_of(&r->cache, in, false);
    const bb_reserve_entry *known = bb_reserve_cache_find(&r->cache, key);
    bool by_types = known && known->typed;
    if (by_types) {
        key = bb_reserve_key_of(&r->cache, in, true);
        known = bb_reserve_cache_find(&r->cache, key);
    }
    if (known) {
        *out = known->out;
        return BB_OK;
    }
    bb_status st = clip(in, &shape, err);
    if (!st) st = reserve_graph(r, in, &shape, &o, err);
    bool typed = r->sched.copies_a_weight;
    if (!st && !in->dry_run) {
        shape.tokens = shape.outputs = shape.sequences;
        st = reserve_graph(r, in, &shape, &o, err);
        typed |= r->sched.copies_a_weight;
    }
    if (st) return st;
    if (typed && !by_types) {
        bb_reserve_cache_put(&r->cache, key, &o, true);
        key = bb_reserve_key_of(&r->cache, in, true);
    }
    bb_reserve_cache_put(&r->cache, key, &o, false);
    *out = o;
    return BB_OK;
}
