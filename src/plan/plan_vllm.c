/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_vllm.c - vLLM: a part of each card, of which weights and one step's values are taken and the rest is cache.
 *
 * vllm/v1/worker/gpu_worker.py, determine_available_memory: available = total x utilization - (weights + non-torch +
 * peak of a profile run [+ CUDA graphs, since v0.21]). It starts when a sequence of max_model_len fits in that. */
#include "base/str.h"
#include "base/units.h"
#include "plan/checkpoint.h"
#include "plan/vllm_cache.h"
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

typedef struct vllm_model {
    bb_weights_choice weights;
    const bb_dtype *compute, *kv; /* kv NULL = no cache is counted */
} vllm_model;

/* One rank of a stage. */
typedef struct vllm_rank {
    bb_arch arch;
    uint64_t first;
    bb_vllm_cache cache;
    uint64_t wide;   /* values of a token where the layer is widest */
    uint64_t logits; /* of a token; only the last stage makes them */
    bb_span values;  /* of the profile run */
    uint64_t kv_need;
} vllm_rank;

/* Bytes for each logit of the sampler's profile run (v1/sample/sampler.py, topk_topp_sampler.py). Least, as in newer
 * runners that skip top-p and top-k there: 2 of the logits and 4 in fp32. Likely: sorted values and their indices (12)
 * and a mask beside them. Most: probabilities, their sums, what is scattered back and the noise as well (16). */
enum { LOGIT_LEAST = 6, LOGIT_LIKELY = 20, LOGIT_MOST = 40 };
/* Hidden states that live beside the MLP's values: input, output, residual and one being made. train_logs.csv 87: 2.02
 * GiB for 32768 tokens are 3 x 8960 + 4.05 x 1536 values each. */
enum { HIDDEN_LEAST = 2, HIDDEN_LIKELY = 4, HIDDEN_MOST = 6 };

/* ---- weights ---- */

static bb_status refuse_type(const char *name, bb_error *err) {
    return bb_fail(err, BB_E_UNSUPPORTED,
                   "vLLM loads torch types (bf16) or a checkpoint's own layout (gptq, awq, fp8, w8a8, nf4), not %s",
                   name);
}

/* Whether most bytes of a checkpoint are of types of more than 16 bits. */
static bool is_wide(const bb_file *f) {
    double wide = 0, all = 0;
    for (size_t i = 0; i < f->n_tensors; i++) {
        const bb_tensor *t = &f->tensors[i];
        all += (double)t->bytes;
        if (t->type && t->type->block == 1 && t->type->block_bytes > 2) wide += (double)t->bytes;
    }
    return 2 * wide > all;
}

/* --dtype auto makes 16 bits of a checkpoint of more: fp16 of a pooling model, which keeps no cache, else the first
 * that the card supports (vllm/config/model.py, _resolve_auto_dtype); bf16 and fp16 take the same bytes. */
static void take_auto_dtype(const bb_subject *s, bool own, bb_weights_choice *w) {
    const bb_dtype *t = bb_dtype_find(w->dtype, NULL);
    const char *to = s->family && !s->family->has_cache ? "f16" : "bf16";
    bool wide = t && t->block_bytes > 2, whole = w->kind == BB_WEIGHTS_TYPE || w->kind == BB_WEIGHTS_FILE;
    if (w->kind == BB_WEIGHTS_TYPE && !own) return; /* --dtype float32 */
    if (wide) (void)snprintf(w->dtype, sizeof w->dtype, "%s", to);
    if (!whole || bb_weights_quant(s, w)) return;
    if (w->kind == BB_WEIGHTS_FILE && (s->from_file || !is_wide(s->model->file))) return;
    if (w->kind == BB_WEIGHTS_TYPE && w->type->block_bytes <= 2) return;
    w->kind = BB_WEIGHTS_TYPE;
    w->type = bb_dtype_find(w->dtype, NULL);
    (void)snprintf(w->name, sizeof w->name, "%s", w->dtype);
}

static bb_status choose_weights(const bb_subject *s, const char *asked, bb_weights_choice *w, bb_error *err) {
    bool own = !*asked || strcmp(asked, "file") == 0;
    bb_flavour flavour;
    bool layout = own || bb_dtype_find(asked, NULL) || bb_flavour_find(asked, &flavour, NULL) != BB_E_NAME;
    if (!layout && bb_ftype_find(asked, NULL)) return refuse_type(asked, err);
    bb_status st = bb_weights_choose(s, asked, w, err);
    if (!st && s->graph.n_nodes) take_auto_dtype(s, own, w);
    return st;
}

/* ---- defaults ---- */

/* vLLM: EngineArgs (vllm/engine/arg_utils.py), CacheConfig's block of CUDA. A step of 8192 tokens and 256 sequences is
 * that of LLM(). The API server's (get_batch_defaults there, OPENAI_API_SERVER): 8192 and 1024 on a card of 70 GiB or
 * more that is no A100, else 2048 and 256. */
enum { BATCH = 8192, SEQS = 256, SERVED_BATCH = 2048, LARGE_SEQS = 1024, BLOCK = 16 };
static const uint64_t LARGE_CARD = UINT64_C(70) << 30;
enum { NO_CTX = 4096 }; /* ours, for a model that does not tell */
static const double UTILIZATION = 0.9;

/* vLLM's own names of cache types; auto is the type of the computation. */
static void vllm_kv_name(char *type, size_t size, const char *compute) {
    const char *const names[][2] = {
        {"", compute}, {"auto", compute}, {"fp8", "e4m3fn"}, {"fp8_e4m3", "e4m3fn"}, {"fp8_e5m2", "e5m2"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(type, names[i][0]) == 0) (void)snprintf(type, size, "%s", names[i][1]);
}

static bool is_large(const bb_plan_card *card) {
    uint64_t total = card->driver_bytes ? card->driver_bytes : card->limit_bytes;
    return total >= LARGE_CARD && !bb_name_contains(card->name, "a100"); /* slower with it: vLLM's pull request 17885 */
}

static void set_step(bb_plan_request *u) {
    bool known = u->serves && u->cards[0].limit_bytes, large = known && is_large(&u->cards[0]);
    if (!u->batch) u->batch = known && !large ? SERVED_BATCH : BATCH;
    if (!u->outputs) u->outputs = bb_min_u64(large ? LARGE_SEQS : SEQS, u->batch);
}

bb_status bb_vllm_defaults(const bb_subject *s, bb_plan_request *u, bb_error *err) {
    const bb_arch *a = s->model->arch;
    uint64_t longest = a ? bb_arch_longest(a) : 0;
    bb_weights_choice weights;
    bb_status st = choose_weights(s, u->weights, &weights, err);
    if (st) return st;
    if (!u->ctx) u->ctx = longest ? longest : NO_CTX;
    if (!u->parallel) u->parallel = 1;
    set_step(u);
    if (!u->kv_block) u->kv_block = BLOCK;
    if (!(u->utilization > 0)) u->utilization = UTILIZATION;
    if (!u->tensor_parallel) u->tensor_parallel = 1;
    if (!u->pipeline_parallel) u->pipeline_parallel = 1;
    vllm_kv_name(u->kv_k, sizeof u->kv_k, weights.dtype);
    if (!*u->kv_v) strcpy(u->kv_v, u->kv_k);
    vllm_kv_name(u->kv_v, sizeof u->kv_v, weights.dtype);
    u->ubatch = 0;
    if (longest && u->ctx > longest && !u->long_ctx) /* vllm/config/model.py, _get_and_verify_max_len */
        return bb_fail(err, BB_E_ARG,
                       "vLLM stops: User-specified max_model_len (%llu) is greater than the derived max_model_len "
                       "(%llu); rope scaling (--hf-overrides) or VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 (--allow-long-ctx) "
                       "lets it",
                       (ull)u->ctx, (ull)longest);
    if (u->outputs <= u->batch) return BB_OK;
    return bb_fail(err, BB_E_ARG,
                   "vLLM stops: max_num_batched_tokens (%llu) must be greater than or equal to max_num_seqs (%llu)",
                   (unsigned long long)u->batch, (unsigned long long)u->outputs);
}

/* The part of the driver's total that it takes; it does not start where less is free. */
uint64_t bb_vllm_limit(const bb_plan_request *u, size_t card) {
    const bb_plan_card *at = &u->cards[card];
    if (!at->limit_bytes) return 0;
    double part = u->utilization > 0 ? u->utilization : UTILIZATION;
    uint64_t total = at->driver_bytes ? at->driver_bytes : at->limit_bytes;
    return bb_min_u64((uint64_t)((double)total * part), at->limit_bytes);
}

/* ---- what cannot be ---- */

/* What --tensor-parallel-size can be at most, of n cards: its heads and widths must be divisible by it. */
static size_t most_ranks(const bb_arch *a, size_t n) {
    bb_arch rank;
    uint64_t first;
    while (n > 1 && bb_rank_arch(a, n, 1, 0, true, &rank, &first, NULL)) n--;
    return n;
}

static void note_idle_cards(bb_draft *d, const bb_arch *a, uint64_t ranks) {
    size_t cards = d->plan->used.n_cards, most = most_ranks(a, cards);
    if (most <= ranks)
        bb_draft_note(d, "vLLM uses %llu of the %zu cards.", (ull)ranks, cards);
    else if (most == cards)
        bb_draft_note(d, "vLLM uses %llu of the %zu cards: --tensor-parallel-size %zu shares every layer among all.",
                      (ull)ranks, cards, most);
    else
        bb_draft_note(d,
                      "vLLM uses %llu of the %zu cards: --tensor-parallel-size %zu, the most that divides the "
                      "model's heads and widths, shares every layer among so many.",
                      (ull)ranks, cards, most);
}

static bb_status check_cards(bb_draft *d, const bb_arch *a, uint64_t ranks) {
    bb_plan_request *u = &d->plan->used;
    if (u->no_gpu) return bb_fail(d->err, BB_E_UNSUPPORTED, "engine vllm is modelled on cards, not on the host");
    if (ranks > BB_PLAN_CARDS)
        return bb_fail(d->err, BB_E_ARG, "a world size of %llu: at most %d cards are planned", (ull)ranks,
                       BB_PLAN_CARDS);
    if (u->n_cards == 0) {
        u->n_cards = (size_t)ranks;
        for (size_t i = 1; i < u->n_cards; i++) u->cards[i] = u->cards[0];
    }
    if (ranks > u->n_cards)
        return bb_fail(d->err, BB_E_ARG, "vLLM stops: the world size (%llu) is larger than the number of GPUs (%zu)",
                       (ull)ranks, u->n_cards);
    if (ranks < u->n_cards) {
        if (!d->numbers) note_idle_cards(d, a, ranks);
        u->n_cards = (size_t)ranks;
    }
    return BB_OK;
}

static bb_status check_weights(bb_draft *d, const bb_subject *s, const vllm_model *m) {
    const bb_quantization *q = bb_weights_quant(s, &m->weights);
    const bb_dtype *t = m->weights.type;
    if (q && q->method == BB_QUANT_MLX)
        return bb_fail(d->err, BB_E_UNSUPPORTED, "vLLM loads no checkpoint of MLX (%s)", q->label);
    if (m->weights.unknown)
        return bb_fail(d->err, BB_E_UNSUPPORTED, "how the checkpoint stores its tensors (%s) is not known",
                       s->model->quant.label);
    if (m->weights.kind == BB_WEIGHTS_TYPE && (t->block != 1 || t->row_bytes)) return refuse_type(t->name, d->err);
    return BB_OK;
}

static bb_status choose_kv(bb_draft *d, const bb_subject *s, vllm_model *m) {
    const bb_plan_request *u = &d->plan->used;
    const bb_arch *a = s->model->arch;
    if (u->purpose == BB_FOR_LOAD || !bb_family_find(a->family)->has_cache) return BB_OK;
    if (a->encoder_layers)
        return bb_fail(d->err, BB_E_UNSUPPORTED, "vLLM's cache of an encoder (%s) is not modelled", a->family);
    if (!(m->kv = bb_dtype_find(u->kv_k, d->err))) return BB_E_NAME;
    if (strcmp(u->kv_k, u->kv_v) != 0 && bb_dtype_find(u->kv_v, NULL) != m->kv)
        return bb_fail(d->err, BB_E_UNSUPPORTED, "vLLM keeps keys and values in one type, not in %s and %s", u->kv_k,
                       u->kv_v);
    if (m->kv->block != 1 || m->kv->row_bytes || m->kv->block_bytes > 4)
        return bb_fail(d->err, BB_E_UNSUPPORTED, "vLLM keeps its KV cache in bf16, f16 or fp8, not in %s", m->kv->name);
    return BB_OK;
}

/* ---- one rank ---- */

/* Peak of the profile run: one step of `batch` tokens without attention's cache, then logits and sampling of the last
 * token of each sequence. The larger of the two counts: the first is free when the second runs. */
static bb_span profile_run(bb_calc *c, const bb_plan_request *u, vllm_rank *rank, uint64_t e) {
    static const uint64_t hidden[] = {HIDDEN_LEAST, HIDDEN_LIKELY, HIDDEN_MOST};
    static const uint64_t logit[] = {LOGIT_LEAST, LOGIT_LIKELY, LOGIT_MOST};
    const bb_arch *r = &rank->arch;
    uint64_t peak[3];
    uint64_t mlp = bb_calc_mul(c, 3, bb_arch_mlp_width(r));
    /* the experts' inputs and outputs are kept for each one that a token uses (fused_moe.py: intermediate_cache1..3) */
    uint64_t expert = bb_calc_add(c, bb_calc_mul(c, 3, r->expert_ffn), r->hidden);
    if (r->experts) mlp = bb_max_u64(mlp, bb_calc_mul(c, r->experts_used, expert));
    uint64_t v = r->v_head_dim ? r->v_head_dim : r->head_dim, each = bb_calc_add(c, r->head_dim, v);
    uint64_t attention = bb_calc_mul(c, bb_calc_add(c, r->heads, r->kv_heads), each);
    uint64_t rows = bb_min_u64(u->outputs, u->batch);
    rank->wide = bb_max_u64(mlp, attention);
    for (size_t i = 0; i < 3; i++) {
        uint64_t step = bb_calc_mul(c, bb_calc_mul(c, bb_calc_fma(c, hidden[i], r->hidden, rank->wide), u->batch), e);
        uint64_t sampler = bb_calc_mul(c, bb_calc_mul(c, rows, rank->logits), logit[i]);
        peak[i] = bb_max_u64(step, sampler);
    }
    return (bb_span){peak[1], peak[0], peak[2]};
}

/* Bytes of a layer's state: the convolution's last tokens in the model's type; the state itself in fp32 where the
 * config's mamba_ssm_dtype says so, as those of qwen35 do, else in the model's type too (mamba_utils.py). */
static uint64_t state_bytes(bb_calc *c, const bb_arch *rank, uint64_t e) {
    uint64_t conv = 0, state = 0;
    if (!rank->recurrence.layers) return 0;
    if (bb_recurrence_elements(&rank->recurrence, rank->hidden, &conv, &state)) c->overflow = true;
    return bb_calc_fma(c, state, strcmp(rank->family, "qwen3next") == 0 ? e : 4, bb_calc_mul(c, conv, e));
}

static void make_rank(bb_draft *d, const bb_subject *s, const vllm_model *m, uint64_t stage, vllm_rank *r) {
    const bb_plan_request *u = &d->plan->used;
    const bb_arch *a = s->model->arch;
    bb_calc *c = &d->calc;
    *r = (vllm_rank){0};
    d->st = bb_rank_arch(a, u->tensor_parallel, u->pipeline_parallel, stage, true, &r->arch, &r->first, d->err);
    if (d->st) return;
    r->logits = stage + 1 == u->pipeline_parallel ? a->vocab : 0;
    r->values = profile_run(c, u, r, m->compute->block_bytes);
    if (!m->kv) return;
    uint64_t state = state_bytes(c, &r->arch, m->compute->block_bytes);
    d->st = bb_vllm_cache_make(a, r->first, r->arch.layers, r->arch.kv_heads, m->kv, u->kv_block, u->batch, state,
                               &r->cache);
    if (d->st) {
        bb_fail(d->err, d->st, "a block of vLLM's cache passes 2^64 bytes");
        return;
    }
    uint64_t blocks = bb_calc_mul(c, bb_vllm_blocks(c, &r->cache, u->ctx), u->parallel);
    r->kv_need = bb_calc_mul(c, blocks, bb_vllm_block_bytes(&r->cache));
}

static void check_rank(bb_draft *d) {
    const bb_plan_request *u = &d->plan->used;
    if (d->st || !d->calc.overflow) return;
    d->st = bb_fail(d->err, BB_E_OVERFLOW,
                    "%llu sequences of %llu tokens, or a step of %llu tokens, take more than 2^64 bytes",
                    (ull)u->parallel, (ull)u->ctx, (ull)u->batch);
}

static void weights_line(bb_draft *d, const bb_subject *s, const vllm_model *m, const bb_rank_sum *sum,
                         const char *device) {
    const bb_plan_request *u = &d->plan->used;
    const bb_quantization *q = bb_weights_quant(s, &m->weights);
    const char *label = q ? q->label : m->weights.type ? m->weights.type->name : "types of the file";
    char share[64] = "";
    if (u->tensor_parallel > 1 || u->pipeline_parallel > 1)
        (void)snprintf(share, sizeof share, ", 1/%llu of layers %llu to %llu", (ull)u->tensor_parallel, (ull)sum->first,
                       (ull)(sum->first + sum->layers - 1));
    bb_draft_line(d, "weights", device, bb_span_exact(sum->bytes), sum->about ? BB_MODELLED : bb_subject_evidence(s),
                  "vLLM: linear.py, vocab_parallel_embedding.py", "%s: %llu tensors, %llu parameters%s", label,
                  (ull)sum->tensors, (ull)sum->parameters, share);
}

static void rank_lines(bb_draft *d, const bb_subject *s, const vllm_model *m, const bb_rank_sum *sum,
                       const vllm_rank *r, const char *device) {
    const bb_plan_request *u = &d->plan->used;
    const bb_vllm_cache *k = &r->cache;
    weights_line(d, s, m, sum, device);
    if (u->purpose == BB_FOR_INFER) {
        uint64_t states =
            bb_calc_mul(&d->calc, bb_calc_mul(&d->calc, k->state_groups, bb_vllm_block_bytes(k)), u->parallel);
        if (m->kv && r->kv_need)
            bb_draft_line(d, "kv_cache", device, bb_span_exact(r->kv_need - states), states ? BB_MODELLED : BB_EXACT,
                          "vLLM: kv_cache_utils.py, kv_cache_interface.py",
                          "%llu x %llu blocks of %llu tokens x %llu layers x %llu B", (ull)u->parallel,
                          (ull)(bb_vllm_blocks(&d->calc, k, u->ctx) - k->state_groups), (ull)k->block,
                          (ull)k->group_layers, (ull)k->page_bytes);
        if (states)
            bb_draft_line(d, "recurrent_state", device, bb_span_exact(states), BB_MODELLED,
                          "vLLM: models/config.py, kv_cache_interface.py (MambaSpec)",
                          "%llu x %llu blocks x %llu layers x %llu B, each no smaller than a state", (ull)u->parallel,
                          (ull)k->state_groups, (ull)k->group_layers, (ull)k->page_bytes);
        bb_draft_line(d, "activations", device, r->values, BB_MODELLED, "vLLM: profile_run of gpu_model_runner.py",
                      "max(%llu tokens x (%llu + %u x %llu) x %u B, %llu rows of %llu logits x %u B)", (ull)u->batch,
                      (ull)r->wide, HIDDEN_LIKELY, (ull)r->arch.hidden, (unsigned)m->compute->block_bytes,
                      (ull)u->outputs, (ull)r->logits, LOGIT_LIKELY);
    }
    uint64_t blocks = sum->allocated - sum->bytes;
    bb_overhead_own own = {.part = "allocator",
                           .bytes = bb_span_exact(blocks),
                           .status = BB_MODELLED,
                           .source = "c10/cuda/CUDACachingAllocator.cpp",
                           .formula = "blocks larger than their tensors"};
    bb_draft_overhead_own(d, s, device, &own);
}

/* ---- what is left for the cache ---- */

/* Sums of the lines of one device without its cache: what vLLM takes before it. */
static bb_span before_cache(bb_draft *d, const char *device) {
    bb_span all = {0};
    for (size_t i = 0; i < d->plan->n_lines; i++) {
        const bb_plan_line *l = &d->plan->lines[i];
        if (strcmp(l->device, device) != 0 || bb_plan_is_part(l) || strcmp(l->component, "kv_cache") == 0 ||
            strcmp(l->component, "recurrent_state") == 0)
            continue;
        all.bytes = bb_calc_add(&d->calc, all.bytes, l->bytes);
        all.low = bb_calc_add(&d->calc, all.low, l->low_bytes);
        all.high = bb_calc_add(&d->calc, all.high, l->high_bytes);
    }
    return all;
}

static uint64_t rest_of(uint64_t limit, uint64_t taken) { return limit > taken ? limit - taken : 0; }

static void note_pool(bb_draft *d, const vllm_rank *r, const char *device, uint64_t limit) {
    const bb_plan_request *u = &d->plan->used;
    char of[32], rest[32], low[32], high[32];
    bb_span taken = before_cache(d, device);
    uint64_t bytes = rest_of(limit, taken.bytes), least = rest_of(limit, taken.high), most = rest_of(limit, taken.low);
    uint64_t one = bb_vllm_block_bytes(&r->cache), blocks = bb_vllm_blocks(&d->calc, &r->cache, u->ctx);
    if (d->calc.overflow || !one || !blocks) return;
    uint64_t have = bytes / one;
    bb_bytes_text(limit, false, of);
    bb_bytes_text(bytes, false, rest);
    bb_bytes_text(least, false, low);
    bb_bytes_text(most, false, high);
    bb_draft_note(d,
                  "vLLM takes %s of %s, %g of the driver's total: %s (%s to %s) are left for its KV cache, %llu tokens "
                  "(%llu to %llu), %.2f times a context of %llu.",
                  of, device, u->utilization, rest, low, high, (ull)bb_vllm_tokens(&r->cache, bytes),
                  (ull)bb_vllm_tokens(&r->cache, least), (ull)bb_vllm_tokens(&r->cache, most),
                  (double)have / (double)blocks, (ull)u->ctx);
    if (have >= blocks) return;
    char need[32];
    uint64_t longest = bb_vllm_longest(&r->cache, bytes, u->ctx);
    if (!bytes)
        bb_draft_note(d, "vLLM stops: no available memory for the cache blocks; a larger --gpu-memory-utilization, "
                         "or more cards.");
    else
        bb_draft_note(
            d,
            "vLLM stops: to serve one request with the model's max seq len (%llu), %s of KV cache are needed, "
            "more than the available %s; the estimated maximum model length is %llu.",
            (ull)u->ctx, bb_bytes_text(bb_calc_mul(&d->calc, blocks, one), false, need), rest, (ull)longest);
}

/* A utilization that asks for more than a program can get of the card. */
static void note_startup(bb_draft *d, const bb_plan_request *u) {
    char want[32], have[32];
    double all = (double)u->cards[0].driver_bytes * u->utilization;
    if (!u->cards[0].driver_bytes || !u->cards[0].limit_bytes || all <= (double)u->cards[0].limit_bytes) return;
    bb_draft_note(d, "vLLM stops where %s are not free: a program can get %s of this card.",
                  bb_bytes_text((uint64_t)all, false, want), bb_bytes_text(u->cards[0].limit_bytes, false, have));
}

/* The card with the least room decides for all. */
static void add_ranks(bb_draft *d, bb_subject *s, const vllm_model *m) {
    const bb_plan_request *u = &d->plan->used;
    vllm_rank tight = {0};
    size_t tight_card = 0;
    uint64_t least = UINT64_MAX;
    for (size_t card = 0; card < u->n_cards && !d->st; card++) {
        uint64_t stage = card / u->tensor_parallel;
        vllm_rank r;
        make_rank(d, s, m, stage, &r);
        check_rank(d);
        if (d->st) return;
        rank_lines(d, s, m, &s->ranks.stage[stage], &r, bb_card_name(card));
        uint64_t limit = bb_plan_card_limit(u, card);
        if (d->numbers || !limit) continue;
        uint64_t room = rest_of(limit, before_cache(d, bb_card_name(card)).bytes);
        if (room >= least) continue;
        least = room;
        tight = r;
        tight_card = card;
    }
    if (d->numbers || d->st || least == UINT64_MAX || u->purpose != BB_FOR_INFER) return;
    note_startup(d, u);
    if (!m->kv) return;
    note_pool(d, &tight, bb_card_name(tight_card), bb_plan_card_limit(u, tight_card));
}

void bb_plan_vllm(bb_draft *d, bb_subject *s) {
    bb_plan_request *u = &d->plan->used;
    vllm_model m = {0};
    if (!u->tensor_parallel) u->tensor_parallel = 1; /* loading has no other defaults */
    if (!u->pipeline_parallel) u->pipeline_parallel = 1;
    uint64_t ranks = bb_calc_mul(&d->calc, u->tensor_parallel, u->pipeline_parallel);
    if (!s->graph.n_nodes)
        d->st =
            bb_fail(d->err, BB_E_UNSUPPORTED, "%s: engine vllm needs an architecture that is known", s->model->title);
    if (!d->st && d->calc.overflow) d->st = bb_fail(d->err, BB_E_OVERFLOW, "the world size passes 2^64");
    if (!d->st) d->st = check_cards(d, s->model->arch, ranks);
    if (!d->st) d->st = choose_weights(s, u->weights, &m.weights, d->err);
    if (!d->st) d->st = check_weights(d, s, &m);
    if (!d->st) d->st = choose_kv(d, s, &m);
    if (!d->st) d->st = bb_rank_weights(s, &m.weights, u->tensor_parallel, u->pipeline_parallel, true, d->err);
    if (d->st) return;
    m.compute = bb_dtype_find(m.weights.dtype, NULL);
    (void)snprintf(u->weights, sizeof u->weights, "%s", m.weights.name);
    add_ranks(d, s, &m);
}
