/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_peers.c - which other libraries are there, and their rows. */
#include "study/bench_peers.h"
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const bb_peer *const all[BB_PEERS] = {&bb_peer_openblas, &bb_peer_gslcblas, &bb_peer_ggml};

bool bb_peer_symbol(void *library, const char *name, void *function) {
    void *p = dlsym(library, name);
    memcpy(function, &p, sizeof p); /* a pointer to a function is not converted from one to an object in C */
    return p != NULL;
}

/* Their threads are where the system puts them: those of a library that is loaded by a pinned thread would share its
 * processor. */
void bb_peers_open(bb_peers *peers, const char *ggml_dir, unsigned threads, bb_bench_report *report) {
    bool any = false;
    for (size_t i = 0; i < BB_PEERS; i++) {
        peers->library[i] = all[i]->open(all[i] == &bb_peer_ggml ? ggml_dir : NULL, threads,
                                         report->notes[report->n_notes], sizeof report->notes[0]);
        if (report->notes[report->n_notes][0]) report->n_notes++;
        any = any || peers->library[i];
    }
    if (any)
        (void)snprintf(report->notes[report->n_notes++], sizeof report->notes[0],
                       "the threads of these libraries are not pinned, those of bitbudget are");
}

void bb_peers_close(bb_peers *peers) {
    for (size_t i = 0; i < BB_PEERS; i++)
        if (peers->library[i]) all[i]->close(peers->library[i]);
    *peers = (bb_peers){.library = {NULL}};
}

void bb_peers_tell(const bb_peers *peers, bb_bench_report *report) {
    enum { NOTES = sizeof report->notes / sizeof *report->notes };
    for (size_t i = 0; i < BB_PEERS && report->n_notes < NOTES; i++)
        if (peers->failed[i].n)
            (void)snprintf(report->notes[report->n_notes++], sizeof report->notes[0],
                           "%s: %zu row%s left out, since it failed, the first of %s with %" PRIu64 " token%s",
                           all[i]->name, peers->failed[i].n, peers->failed[i].n == 1 ? "" : "s", peers->failed[i].type,
                           peers->failed[i].tokens, peers->failed[i].tokens == 1 ? "" : "s");
}

size_t bb_peers_ways(const bb_peers *peers, const bb_dtype *type) {
    size_t n = 0;
    for (size_t i = 0; i < BB_PEERS; i++)
        if (peers->library[i]) n += all[i]->ways(peers->library[i], type);
    return n;
}

/* What goes through all libraries. */
typedef struct tour {
    bb_peers *peers;
    const bb_bench_data *data;
    const bb_bench_clock *clock;
    bb_progress *progress;
    void *ctx;
    bb_status (*add)(void *ctx, size_t sample, const bb_bench_row *row);
} tour;

/* What a library does not do in the end is left out and told: its rows are beside the point of the run. */
static bb_status count_failure(const tour *t, size_t peer, const bb_bench_row *row, bb_status status) {
    if (status != BB_E_UNSUPPORTED) return status;
    if (t->peers->failed[peer].n++ == 0) {
        t->peers->failed[peer].type = row->type;
        t->peers->failed[peer].tokens = row->tokens;
    }
    return BB_OK;
}

static bb_status measure_tokens(const tour *t, size_t peer, void *product, size_t copies, size_t sample,
                                bb_bench_row *row) {
    const bb_peer *p = all[peer];
    row->tokens = t->data->samples[sample].tokens;
    bb_status status = p->start(product, t->data->x, (size_t)row->tokens);
    if (status == BB_OK) status = bb_bench_time(t->clock, p->call, product, copies, row);
    if (status != BB_OK) return count_failure(t, peer, row, status);
    p->result(product, t->data->y);
    row->error_rel = bb_bench_error(t->data, &t->data->samples[sample]);
    return t->add(t->ctx, sample, row);
}

/* The first way of a library is its plain one, which takes every type that it has; others may take fewer. */
static bb_status measure_way(const tour *t, size_t peer, size_t way, const bb_peer_weights *w) {
    const bb_peer *p = all[peer];
    size_t left = t->data->n_samples;
    bb_bench_row row = {.type = w->type->name,
                        .peer = true,
                        .out = w->out,
                        .in = w->in,
                        .threads = t->clock->threads,
                        .weight_bytes = w->out * w->row_bytes};
    void *product;
    size_t copies = bb_bench_copies(row.weight_bytes, row.threads, &row.tier);
    (void)snprintf(row.kernel, sizeof row.kernel, "gemm_%s", w->type->name);
    if (t->progress) atomic_store(&t->progress->now, p->name);
    bb_status status = p->load(t->peers->library[peer], way, w, copies, row.isa, sizeof row.isa, &product);
    if (status == BB_OK) {
        for (size_t i = 0; i < t->data->n_samples && status == BB_OK; i++, left--) {
            status = measure_tokens(t, peer, product, copies, i, &row);
            if (t->progress) atomic_fetch_add(&t->progress->done, 1);
        }
        p->unload(product);
    } else if (status == BB_E_UNSUPPORTED) {
        row.tokens = t->data->samples[0].tokens;
        status = way == 0 ? count_failure(t, peer, &row, status) : BB_OK;
    }
    if (t->progress) atomic_fetch_add(&t->progress->done, left);
    return status;
}

bb_status bb_peers_measure(bb_peers *peers, const bb_peer_weights *w, const bb_bench_data *d,
                           const bb_bench_clock *clock, bb_progress *progress, void *ctx,
                           bb_status (*add)(void *ctx, size_t sample, const bb_bench_row *row)) {
    const tour t = {peers, d, clock, progress, ctx, add};
    bb_status status = BB_OK;
    for (size_t i = 0; i < BB_PEERS; i++) {
        size_t ways = peers->library[i] ? all[i]->ways(peers->library[i], w->type) : 0;
        for (size_t way = 0; way < ways && status == BB_OK; way++) status = measure_way(&t, i, way, w);
    }
    return status;
}
