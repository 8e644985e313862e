/* SPDX-License-Identifier: GPL-3.0-or-later */
/* checkpoint.c - the choice behind --weights, the model of one rank, and its bytes. */
#include "plan/checkpoint.h"
#include <stdio.h>
#include <string.h>

enum { VOCAB_PAD = 64 }; /* vLLM: DEFAULT_VOCAB_PADDING_SIZE of vocab_parallel_embedding.py */

static bool own_types(const char *asked) { return !*asked || strcmp(asked, "file") == 0; }

/* Type of the computation: that of the checkpoint when it is plain and at least 16 bits, else bf16. */
static void plain_dtype(const bb_subject *s, char *dtype, size_t size) {
    const bb_dtype *t = s->model->arch ? bb_dtype_find(s->model->arch->dtype, NULL) : NULL;
    bool plain = t && t->block == 1 && !t->row_bytes && t->block_bytes >= 2 && t->block_bytes <= 4;
    (void)snprintf(dtype, size, "%s", plain ? t->name : "bf16");
}

/* A storage type of every weight; the checkpoint's own when none is asked. */
static bb_status choose_type(const bb_subject *s, const char *asked, bb_weights_choice *c, bb_error *err) {
    const char *name = asked;
    if (own_types(asked)) name = s->model->arch && *s->model->arch->dtype ? s->model->arch->dtype : "bf16";
    c->kind = BB_WEIGHTS_TYPE;
    c->type = bb_dtype_find(name, err);
    if (!c->type && bb_ftype_find(asked, NULL))
        return bb_fail(err, BB_E_UNSUPPORTED,
                       "'%s' is a file type of llama.cpp, no layout of a checkpoint; engine "
                       "llama.cpp takes it",
                       asked);
    if (!c->type) {
        if (err && !*err->hint) bb_hint(err, "beside storage types: gptq, awq, nf4, llm.int8, mlx, fp8, w4a16, w8a8");
        return BB_E_NAME;
    }
    (void)snprintf(c->name, sizeof c->name, "%s", c->type->name);
    if (c->type->block == 1 && !c->type->row_bytes && c->type->block_bytes >= 2 && c->type->block_bytes <= 8)
        (void)snprintf(c->dtype, sizeof c->dtype, "%s", c->type->name);
    return BB_OK;
}

bb_status bb_weights_choose(const bb_subject *s, const char *asked, bb_weights_choice *c, bb_error *err) {
    bb_weights_choice made = {0};
    const bb_quantization *own = &s->model->quant;
    bb_status st = BB_OK;
    plain_dtype(s, made.dtype, sizeof made.dtype);
    if (own_types(asked) && s->model->file) {
        made.kind = BB_WEIGHTS_FILE;
        strcpy(made.name, "file");
    } else if (own_types(asked) && s->graph.n_nodes && own->method != BB_QUANT_NONE && bb_quantization_known(own)) {
        made.kind = BB_WEIGHTS_OWN;
        (void)snprintf(made.name, sizeof made.name, "%s", *s->model->arch->layout ? s->model->arch->layout : "file");
    } else {
        st = own_types(asked) ? BB_E_NAME : bb_flavour_find(asked, &made.flavour, err);
        made.kind = BB_WEIGHTS_FLAVOUR;
        if (st == BB_OK) strcpy(made.name, made.flavour.name);
        if (st == BB_E_NAME) st = choose_type(s, asked, &made, err);
        made.unknown = made.kind == BB_WEIGHTS_TYPE && own_types(asked) && own->method != BB_QUANT_NONE;
    }
    if (!st) *c = made;
    return st;
}

const bb_quantization *bb_weights_quant(const bb_subject *s, const bb_weights_choice *c) {
    if (c->kind == BB_WEIGHTS_TYPE) return NULL;
    const bb_quantization *q = c->kind == BB_WEIGHTS_FLAVOUR ? &c->flavour.quant : &s->model->quant;
    return q->method == BB_QUANT_NONE ? NULL : q;
}

/* ---- the model of a rank ---- */

static bool cut(uint64_t *n, uint64_t ranks) {
    if (*n % ranks) return false;
    *n /= ranks;
    return true;
}

static bb_status not_divisible(bb_error *err, const char *what, uint64_t n, uint64_t ranks) {
    return bb_fail(err, BB_E_ARG, "vLLM stops: the %s (%llu) must be divisible by the tensor parallel size (%llu)",
                   what, (unsigned long long)n, (unsigned long long)ranks);
}

/* KV heads are shared out when there are enough, else copied (vllm QKVParallelLinear). */
static bool cut_kv(uint64_t *heads, uint64_t ranks) {
    if (*heads >= ranks) return cut(heads, ranks);
    if (ranks % *heads) return false;
    *heads = 1;
    return true;
}

/* As vLLM divides the layers: what is left over goes to the stages before the last (distributed/utils.py,
 * get_pp_indices). */
static uint64_t layers_before(uint64_t layers, uint64_t stages, uint64_t stage) {
    uint64_t each = layers / stages, more = layers % stages;
    uint64_t plain = stages - 1 - more; /* leading stages without one of them */
    return stage * each + (stage > plain ? bb_min_u64(stage - plain, more) : 0);
}

bb_status bb_rank_arch(const bb_arch *a, uint64_t tp, uint64_t pp, uint64_t stage, bool padded, bb_arch *rank,
                       uint64_t *first, bb_error *err) {
    bb_arch r = *a;
    if (!cut(&r.heads, tp)) return not_divisible(err, "number of attention heads", a->heads, tp);
    if (r.kv_heads && !cut_kv(&r.kv_heads, tp)) return not_divisible(err, "number of KV heads", a->kv_heads, tp);
    if (!cut(&r.ffn, tp)) return not_divisible(err, "width of the MLP", a->ffn, tp);
    if (!cut(&r.expert_ffn, tp)) return not_divisible(err, "width of an expert", a->expert_ffn, tp);
    if (!cut(&r.shared_ffn, tp)) return not_divisible(err, "width of the shared experts", a->shared_ffn, tp);
    if (!cut(&r.recurrence.groups, tp) || !cut(&r.recurrence.heads, tp) || !cut(&r.recurrence.inner, tp))
        return not_divisible(err, "number of heads of linear attention's keys", a->recurrence.groups, tp);
    if (!cut(&r.encoder_heads, tp)) return not_divisible(err, "heads of the encoder", a->encoder_heads, tp);
    if (!cut(&r.encoder_ffn, tp)) return not_divisible(err, "width of the encoder's MLP", a->encoder_ffn, tp);
    if (padded && !bb_align_u64(a->vocab, VOCAB_PAD, &r.vocab))
        return bb_fail(err, BB_E_OVERFLOW, "the vocabulary passes 2^64");
    uint64_t vocab = r.vocab;
    if (!cut(&r.vocab, tp)) return not_divisible(err, "padded vocabulary", vocab, tp);
    uint64_t from = layers_before(a->layers, pp, stage), to = layers_before(a->layers, pp, stage + 1);
    r.layers = to - from;
    if (a->recurrence.layers && bb_recurrence_part(&r.recurrence, a->layers, from, r.layers))
        return bb_fail(err, BB_E_LIMIT, "more layers with a state than are planned");
    r.dense_layers = a->dense_layers > from ? bb_min_u64(a->dense_layers - from, r.layers) : 0;
    if (stage + 1 < pp) r.head = BB_HEAD_NONE;
    *rank = r;
    *first = from;
    return BB_OK;
}

/* Elements of the weights outside the layers that a stage does not have: the embedding of all but the first (and of a
 * last one whose head is tied to it), the norm behind the last layer of all but the last. */
static bb_status absent(const bb_graph *g, bool first, bool last, uint64_t *tensors, uint64_t *elements) {
    bb_calc c = {false};
    uint64_t all = 0;
    *tensors = 0;
    for (size_t i = 0; i < g->n_weights; i++) {
        const bb_weight *w = &g->weights[i];
        bool input = w->part == BB_PART_INPUT && !first && !(last && g->arch->tied);
        bool output = w->part == BB_PART_OUTPUT && !last;
        if (!*w->hf_name || !(input || output)) continue;
        uint64_t n = 1;
        for (uint32_t d = 0; d < w->n_dims; d++) n = bb_calc_mul(&c, n, w->dims[d]);
        all = bb_calc_add(&c, all, n);
        ++*tensors;
    }
    *elements = all;
    return c.overflow ? BB_E_OVERFLOW : BB_OK;
}

static bb_status sum_graph(const bb_graph *g, const bb_subject *s, const bb_weights_choice *c, bool first, bool last,
                           bb_rank_sum *sum, bb_error *err) {
    bb_stored_list list;
    uint64_t missing = 0, tensors = 0;
    /* a type that a whole tensor has; others are counted by their bits (plan_hf.c) and only rounded here */
    bool plain = c->kind != BB_WEIGHTS_TYPE || (c->type->block == 1 && !c->type->row_bytes);
    const char *dtype = c->kind == BB_WEIGHTS_TYPE && plain ? c->type->name : c->dtype;
    bb_status st = bb_stored_sum(g, bb_weights_quant(s, c), dtype, &list, err);
    if (!st) st = absent(g, first, last, &tensors, &missing);
    if (st) return st == BB_E_OVERFLOW ? bb_fail(err, st, "the bytes of the weights pass 2^64") : st;
    if (c->kind == BB_WEIGHTS_FLAVOUR && !list.widest)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s has no matrix that %s is known to store", s->model->title, c->name);
    sum->parameters = list.parameters - missing;
    missing *= bb_dtype_find(dtype, NULL)->block_bytes; /* part of list.bytes */
    sum->bytes = list.bytes - missing;
    sum->allocated = list.allocated - missing;
    sum->widest = list.widest;
    sum->tensors = list.n - tensors;
    sum->about = list.about;
    return BB_OK;
}

static bb_status sum_stage(const bb_subject *s, const bb_weights_choice *c, const bb_rank_sums *of, uint64_t stage,
                           bb_rank_sum *sum, bb_error *err) {
    bb_arch rank;
    bb_graph g;
    uint64_t tp = of->tensor_parallel, pp = of->pipeline_parallel;
    bb_status st = bb_rank_arch(s->model->arch, tp, pp, stage, of->padded, &rank, &sum->first, err);
    if (!st) st = bb_graph_build(&rank, &g, err);
    if (st) return st;
    sum->layers = rank.layers;
    st = sum_graph(&g, s, c, stage == 0, stage + 1 == pp, sum, err);
    bb_graph_clear(&g);
    return st;
}

/* A file's own tensors, on one rank. */
static bb_status sum_file(const bb_subject *s, bb_rank_sum *sum, bb_error *err) {
    const bb_file *f = s->model->file;
    bb_calc c = {false};
    *sum = (bb_rank_sum){.bytes = bb_file_tensor_bytes(f),
                         .tensors = bb_file_tensor_count(f),
                         .parameters = s->parameters,
                         .layers = s->n_layers};
    for (size_t i = 0; i < sum->tensors; i++) {
        uint64_t one = 0;
        if (!bb_stored_allocated(bb_file_tensor(f, i)->bytes, &one)) c.overflow = true;
        sum->allocated = bb_calc_add(&c, sum->allocated, one);
    }
    if (c.overflow) return bb_fail(err, BB_E_OVERFLOW, "the bytes of the weights pass 2^64");
    const bb_quantization *q = &s->model->quant;
    bb_stored_list list;
    if (!s->from_file && s->graph.n_nodes && q->method != BB_QUANT_NONE &&
        !bb_stored_sum(&s->graph, q, s->model->arch->dtype, &list, NULL))
        sum->widest = list.widest;
    return BB_OK;
}

bb_status bb_rank_weights(bb_subject *s, const bb_weights_choice *c, uint64_t tp, uint64_t pp, bool padded,
                          bb_error *err) {
    bb_rank_sums *kept = &s->ranks;
    if (kept->tensor_parallel == tp && kept->pipeline_parallel == pp && kept->padded == padded &&
        strcmp(kept->weights, c->name) == 0)
        return BB_OK;
    bb_rank_sums made = {.tensor_parallel = tp, .pipeline_parallel = pp, .padded = padded};
    strcpy(made.weights, c->name);
    bb_status st = BB_OK;
    if (pp > s->n_layers && s->n_layers)
        return bb_fail(err, BB_E_ARG, "%llu stages of a pipeline for %llu layers: expected a layer each",
                       (unsigned long long)pp, (unsigned long long)s->n_layers);
    if (c->kind == BB_WEIGHTS_FILE && tp * pp == 1)
        st = sum_file(s, &made.stage[0], err);
    else if (!s->graph.n_nodes || s->from_file)
        st = bb_fail(err, BB_E_UNSUPPORTED, "%s: cutting its weights needs an architecture and a checkpoint's types",
                     s->model->title);
    else
        for (uint64_t i = 0; i < pp && !st; i++) st = sum_stage(s, c, &made, i, &made.stage[i], err);
    if (!st) *kept = made;
    return st;
}
