/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan.h - memory of loading and inference: lines per component and device, an interval, a verdict. Never opens a file.
 */
#ifndef BB_PLAN_PLAN_H
#define BB_PLAN_PLAN_H
#include "graph/differences.h"
#include "model/catalogue.h"
#include "model/locate.h"
#include "model/mixture.h"
#include <string.h>

/* Where a tensor stands: a layer number, the number of layers for the output side, or one of these. */
/* SHARED: once on each device that holds a layer (rope_freqs); UNUSED: in the file, but not loaded (layers behind the
 * last, which predict further tokens) */
enum { BB_LAYER_INPUT = -1, BB_LAYER_SHARED = -2, BB_LAYER_UNUSED = -3 };
#define BB_NO_WEIGHT UINT32_MAX

/* Weights of one rank of an engine that loads Hugging Face checkpoints. */
typedef struct bb_rank_sum {
    uint64_t bytes;
    uint64_t allocated;           /* that PyTorch's allocator counts for them */
    uint64_t widest;              /* elements of the largest matrix that is quantized; 0 = none is */
    uint64_t tensors, parameters; /* as stored */
    uint64_t layers, first;       /* of the model that it has */
    bool about;                   /* bytes vary by some digits (bitsandbytes' texts) */
} bb_rank_sum;

/* The ranks of the last question, one for each stage: those of a stage are alike. plan/checkpoint.c keeps it. */
typedef struct bb_rank_sums {
    char weights[24];
    uint64_t tensor_parallel, pipeline_parallel; /* 0 = nothing was asked yet */
    bool padded;                                 /* vocabulary as vLLM pads it */
    bb_rank_sum stage[BB_PLAN_CARDS];
} bb_rank_sums;

/* Everything about the model that does not change while the user turns the knobs: build once, plan many times. Not for
 * two threads at once: planning rewrites the types. */
typedef struct bb_subject {
    const bb_model *model;   /* borrowed */
    const bb_catalogue *cat; /* borrowed: overheads */
    bb_graph graph;          /* n_nodes 0 when there is no architecture */
    uint64_t parameters, active_parameters;
    bb_mix_tensor *tensors; /* [n_tensors] GGUF names; types as in the file, or for the last file type asked */
    size_t n_tensors;
    int64_t *layers;             /* [n_tensors] */
    uint64_t n_layers;           /* also of a file without a known architecture */
    bool has_output;             /* an output matrix of its own: not tied */
    bool from_file;              /* the tensors are a GGUF file's own, and so are their types unless others are asked */
    const bb_dtype **file_types; /* [n_tensors] when from_file */
    bb_graph_tensor *graph_names; /* owns the names when not from_file */
    char differs[224];            /* how a file differs from its architecture, "" = not at all (bb_graph_differences) */
    char weights[24];             /* what the types of `tensors` stand for now ... */
    bool imatrix;                 /* ... made with an importance matrix */
    const bb_family *family;      /* of the architecture; NULL when there is none */
    struct bb_weight_sets *sets;  /* types and sums of the last wishes (weight_set.h) */
    uint8_t *layer_device;        /* [n_layers + 1] where this plan puts them; behind it those that `homes` has */
    uint32_t *weight_of;          /* [n_tensors] its weight of the graph, or BB_NO_WEIGHT */
    struct bb_home *homes;        /* [n_weights][n_layers + 1] of the graph (reserve.h), as of ... */
    uint64_t homes_set;           /* ... bb_weight_set.serial */
    uint32_t homes_devices;       /* ... devices: the host's number is behind theirs */
    uint64_t homes_version;       /* counts how often they were made: the reserver's hashes go by it */
    struct bb_reserver *reserver; /* made when it is needed */
    struct bb_mixture_cost *costs; /* [bb_ftype_count()] of a count, once one was asked (plan_simple.c) */
    bb_rank_sums ranks;
} bb_subject;

bb_status bb_subject_init(bb_subject *s, const bb_model *model, const bb_catalogue *cat, bb_error *err);
void bb_subject_clear(bb_subject *s);

/* The engine when none is named: simple for a count; llama.cpp for a GGUF file, when the weights asked are a file type
 * or a block type of GGUF, or when something is asked that only llama.cpp has; vllm likewise; else hf. */
bb_engine bb_engine_default(const bb_subject *s, const bb_plan_request *request);
/* What only llama.cpp has, as its option is called: "--gpu-layers", "--kv q8_0", ...; NULL when nothing of it is asked.
 * buf is [32]. */
const char *bb_plan_only_llama(const bb_plan_request *request, char *buf);

/* The plan of a subject. *plan must be cleared. Errors: BB_E_UNSUPPORTED (quantity that needs an architecture, unknown
 * combination), BB_E_NAME (weights, kv type), BB_E_ARG (ranges), BB_E_OVERFLOW. request->weights "file" is "as in the
 * file". */
bb_status bb_plan_subject(bb_subject *s, const bb_plan_request *request, bb_plan *plan, bb_error *err);
/* The same numbers without a text: no formula, source or note, which cost more than the sums. *plan may be one that
 * such a call filled before: its memory is used again. */
bb_status bb_plan_numbers(bb_subject *s, const bb_plan_request *request, bb_plan *plan, bb_error *err);
/* What a plan may take of a card: its limit, or for vLLM the part of the driver's total that --gpu-memory-utilization
 * names; 0 = unknown. */
uint64_t bb_plan_card_limit(const bb_plan_request *request, size_t card);
/* Limit of all cards together; 0 when that of one is unknown. */
uint64_t bb_plan_limit(const bb_plan_request *request);
/* The cards as people write them: "RTX 4090", "2 x RTX 3090", "RTX 3090, RTX 4090", "host", "memory". */
const char *bb_plan_cards_name(const bb_plan_request *request, char *buf, size_t size);
/* What the catalogue knows of a card, into a request's. */
void bb_plan_card_of(const bb_gpu *gpu, bb_plan_card *card);

const char *bb_evidence_name(bb_evidence e);
const char *bb_engine_name(bb_engine e);
/* ollama starts llama.cpp's own server */
static inline bool bb_engine_is_llama(bb_engine e) { return e == BB_ENGINE_LLAMA_CPP || e == BB_ENGINE_OLLAMA; }
/* Whether ctx is of all sequences together; ollama, transformers and vLLM give each its own. */
static inline bool bb_ctx_is_pool(const bb_plan_request *u) { return u->engine == BB_ENGINE_LLAMA_CPP; }
/* A line that refines another one and is not added again: "kv_cache:k". */
static inline bool bb_plan_is_part(const bb_plan_line *l) { return strchr(l->component, ':') != NULL; }
bb_status bb_engine_find(const char *name, bb_engine *e, bb_error *err);
const char *bb_fits_name(bb_fit_answer f); /* "yes", "no", "maybe"; NULL for unknown */
#endif
