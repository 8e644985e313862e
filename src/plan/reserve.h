/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reserve.h - llama.cpp's compute buffers to the byte: its graphs, scheduler and graph allocator, simulated. */
#ifndef BB_PLAN_RESERVE_H
#define BB_PLAN_RESERVE_H
#include "format/dtype.h"
#include "graph/graph.h"

/* Where a weight of a layer lies and in what type. */
typedef struct bb_home {
    const bb_dtype *type; /* NULL: the model has no such tensor */
    uint8_t device;       /* number of the device; n_devices = the host */
} bb_home;

typedef struct bb_reserve_in {
    const bb_graph *graph;
    uint64_t ctx, batch, ubatch, sequences, outputs; /* as asked: clipped inside in llama.cpp's order */
    bool unified, swa_full, flash;
    bool kv_on_host; /* offload_kqv = 0 */
    bool no_op_offload;
    bool no_pipeline; /* split by rows, or tensors placed by hand: llama.cpp then has no pipeline parallelism */
    /* The rule of a run without allocation (llama-graph.md 5 and 7), on a device that needs nothing beside the tensors:
     * without what CUDA's kernels add (8). It is the rule of the measured tables. */
    bool dry_run;
    bb_backend backend;
    const bb_dtype *k, *v;
    uint32_t n_devices;          /* 0: everything on the host */
    bool all_layers;             /* more layers are on devices than the model has: n_gpu_layers > layers */
    const uint8_t *layer_device; /* [layers + 1], the output side last: a device, n_devices = the host */
    /* [n_weights][layers + 1]: weight w in layer l at w * (layers + 1) + l. Those of the input side stand at 0, of the
     * output side at `layers`; so does the second copy of the embedding that is a tied model's output. */
    const bb_home *homes;
    /* A number for this graph with these homes, another one for others that the reserver is asked about: what has the
     * number of the last question is not hashed again. 0 = none. */
    uint64_t version;
} bb_reserve_in;

typedef struct bb_reserve_out {
    uint64_t device[BB_PLAN_CARDS]; /* [n_devices] bytes */
    uint64_t host;
    uint64_t nodes, leafs, splits; /* of the prompt graph */
    bool proven;                   /* the family's graph was compared with the library's own */
} bb_reserve_out;

/* Memory that simulations use again, and the results of the last ones. One thread at a time. */
typedef struct bb_reserver bb_reserver;
bb_reserver *bb_reserver_new(void); /* NULL: out of memory */
void bb_reserver_free(bb_reserver *r);

/* Errors: BB_E_UNSUPPORTED (a family without such a graph; more nodes than llama.cpp's table takes, where it aborts),
 * BB_E_ARG (outputs fewer than sequences, a quantized V without flash attention), BB_E_OVERFLOW. */
bb_status bb_reserve(bb_reserver *r, const bb_reserve_in *in, bb_reserve_out *out, bb_error *err);
#endif
