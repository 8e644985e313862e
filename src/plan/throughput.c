/* SPDX-License-Identifier: GPL-3.0-or-later */
/* throughput.c - tokens per second: bytes that a step reads over bandwidth, its operations over the peak, each times
 * the share of it that engines reach. */
#include "plan/throughput.h"
#include "base/units.h"
#include "plan/kvcache.h"
#include "plan/plan_parts.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what engines reach of a device ---------------------------------------------------------------------------- */

/* Likely value and the range of what was published. */
typedef struct share {
    double low, likely, high;
} share;

/* Of a card's bandwidth, one token at a time, the time of its operators (CARD_NODE) taken out. Published tokens/s of
 * llama.cpp and MLC times the bytes of weights: 8B Q4_0 on an RTX 3090 156.6 (llama.cpp PR 15802), 8B Q6_K on an RTX
 * 4090 93 (LLM-inference-speed-benchmarks issue 10), 3B Q4_0 there 236 (PR 12183), 7B of 4 bits there 191
 * (llm-perf-bench PR 1): 0.67, 0.66, 0.57, 0.87. */
static const share card_memory = {0.60, 0.80, 0.92};
/* Of a card's dense 16-bit peak: 8B Q5_0 on an RTX 4090, 5703 tokens/s of a prompt (llama.cpp PR 7716): 0.55; 8B Q6_K
 * on an RTX 3090, 3525 (PR 7860): 0.80; 7B F16 4494 on a card of 312 TFLOP/s (PR 3776): 0.19. */
static const share card_arith = {0.20, 0.55, 0.80};
/* An operator of a layer begins that much after the one before: 36 layers of a 3B model take 4.2 ms a token on an RTX
 * 4090 where its bytes take 2.4 (PR 12183), 3 us an operator of graph/; with CUDA graphs half of it. */
static const double card_node_s = 2e-6;

/* Of a host's peaks, as kernel/roof measures them, by ggml's kernels; tests/peer/throughput.sh holds them against
 * libllama v0.5.0. Dot products of whole rows compute at the peak between their reads; kernels of repacked blocks spend
 * more than half of their instructions on unpacking and scales. The prompt's kernels reload their operands (measured,
 * 0.3 to 1.1 billion parameters, F16, Q8_0, Q4_K: 0.32, 0.21, 0.28). */
static const double host_decode_float = 1.0, host_decode_blocks = 0.95, host_decode_rows = 0.43;
static const double host_prompt_float = 0.32, host_prompt_blocks = 0.25;
/* A row begins anew: the call, the empty pipeline, the sum over lanes (what is left over in models of 1024 and 2048
 * columns; blocks also have a scale to multiply by). Types that ggml repacks do eight rows at a time. */
static const double host_row_float_s = 15e-9, host_row_blocks_s = 28e-9;
static const char *const repacked[] = {"q4_0", "q4_K", "q2_K", "iq4_nl", "mxfp4"}; /* ggml-cpu/repack.cpp, x86 */
enum { REPACKED = sizeof repacked / sizeof *repacked, REPACKED_ROWS = 8 };
/* ggml's attention of one token makes a dot product a head and cell, too short to fill the pipeline: 7.1 us a cell in
 * 20 layers of 16 heads of 64, where the peak is 118 GFLOP/s. */
static const double host_attention = 0.1;
/* An operator of graph/: norms, rope, rounding of activations (profile of libllama on one thread); two or three of
 * ggml's, behind each of which several threads wait for one another. */
static const double host_node_s = 1.5e-6, host_wait_s = 4.5e-6;
/* what throughput.sh allows */
static const double host_low = 0.8, host_high = 1.2;

/* ---- what a step does on one device ---------------------------------------------------------------------------- */

typedef struct work {
    double weights;   /* bytes of weights that lie there and are read by every step, experts apart */
    double experts;   /* bytes of experts that lie there */
    double kv;        /* bytes of keys, values and states that a step reads */
    double kv_share;  /* of all layers that attend, those there */
    double bandwidth; /* bytes a second; 0 = unknown */
    double flops;     /* 16-bit operations a second; 0 = unknown */
} work;

/* What the step does over all devices. */
typedef struct step {
    const bb_subject *s;
    const bb_plan *plan;
    const bb_reads *reads;
    work device[BB_PLAN_CARDS + 1]; /* [plan->n_devices], the host last */
    double sequences;
    double bytes_a_weight;
    double attention; /* operations of a token that attends to the whole context, in all layers */
    double operators; /* of all layers, as graph/ has them */
    double lies;      /* bytes of weights on all devices */
    bool together;    /* the cards share every layer, so that the slowest counts; else they follow one another */
} step;

static bool is_line(const bb_plan_line *l, const char *component) { return strcmp(l->component, component) == 0; }

/* Cells that one sequence attends to at the end of its context, in all layers together; a window ends what a layer
 * sees. */
static double attended(const bb_arch *a, double each) {
    double sum = 0;
    for (uint64_t i = 0; i < a->layers; i++) {
        if (!bb_arch_attends(a, i)) continue;
        bool window = a->sliding_window && bb_arch_window_layer(a, i);
        sum += window ? fmin(each, (double)a->sliding_window) : each;
    }
    return sum;
}

static double type_bytes(const char *name) {
    const bb_dtype *t = bb_dtype_find(name, NULL);
    return t && t->block ? (double)t->block_bytes / (double)t->block : 2;
}

/* Bytes of the cache that a step reads, and the operations of its attention for one sequence. */
static double cache_read(step *p) {
    const bb_plan_request *u = &p->plan->used;
    const bb_arch *a = p->s->model->arch;
    if (!a || !p->s->graph.n_nodes || !u->ctx || !p->s->family->has_cache) return 0;
    double cells = attended(a, bb_ctx_is_pool(u) ? (double)u->ctx / p->sequences : (double)u->ctx);
    bb_kv_width k = bb_kv_keys(a), v = bb_kv_values(a);
    double values = (double)v.heads * (double)v.head, keys = (double)k.heads * (double)k.head;
    /* a query's product with the keys, and the sum of the values: the latent vector serves for both */
    double heads = (double)a->heads, wide = (double)(v.heads ? v.head : k.head);
    p->attention = 2 * heads * ((double)k.head + wide) * cells;
    return p->sequences * cells * (keys * type_bytes(u->kv_k) + values * type_bytes(u->kv_v));
}

/* Of the experts' bytes, those that a step of so many tokens reads when each token chooses anew. */
static double experts_read(const bb_arch *a, double tokens) {
    if (!a || !a->experts || !a->experts_used) return 1;
    return 1 - pow(1 - (double)a->experts_used / (double)a->experts, tokens);
}

/* The part of the weights that experts are, by count. */
static double expert_part(const bb_subject *s) {
    const bb_arch *a = s->model->arch;
    double used, total = (double)s->parameters, active = (double)s->active_parameters;
    if (!a || !a->experts || total <= active) return 0;
    used = (double)a->experts_used / (double)a->experts;
    return fmin((total - active) / (1 - used) / total, 1);
}

/* Rows of the embedding are looked up, not read through, unless it is the output matrix there too. */
static double embedding_bytes(const step *p) {
    const bb_arch *a = p->s->model->arch;
    const bb_plan_request *u = &p->plan->used;
    bool copied = bb_engine_is_llama(u->engine) && !u->no_gpu && u->gpu_layers;
    if (!a || !p->s->graph.n_nodes || (a->tied && !copied)) return 0;
    if (p->reads->told) return (double)p->reads->embedding;
    return (double)a->vocab * (double)(a->embed_dim ? a->embed_dim : a->hidden) * p->bytes_a_weight;
}

static size_t device_index(const bb_plan *plan, const char *name) {
    size_t i = 0;
    while (i < plan->n_devices && strcmp(plan->devices[i].name, name) != 0) i++;
    return i;
}

/* What lies on each device. */
static void take_lines(step *p) {
    const bb_plan *plan = p->plan;
    for (size_t i = 0; i < plan->n_lines; i++) {
        const bb_plan_line *l = &plan->lines[i];
        size_t at = device_index(plan, l->device);
        if (at == plan->n_devices) continue;
        work *w = &p->device[at];
        if (is_line(l, "weights"))
            w->weights = (double)l->bytes;
        else if (is_line(l, "kv_cache"))
            w->kv_share = (double)l->bytes;
        else if (is_line(l, "recurrent_state"))
            w->kv += 2 * (double)l->bytes; /* read and written */
    }
}

static double count_operators(const bb_graph *g) {
    double all = 0;
    uint32_t kinds = g->n_kinds ? (uint32_t)g->n_kinds : 1;
    for (size_t i = 0; i < g->n_nodes; i++) all += g->nodes[i].part == BB_PART_LAYER;
    return all / kinds * (double)g->n_layers;
}

static step describe(const bb_subject *s, const bb_draft *d) {
    const bb_plan *plan = d->plan;
    const bb_plan_request *u = &plan->used;
    step p = {.s = s, .plan = plan, .reads = &d->reads, .sequences = u->parallel ? (double)u->parallel : 1};
    take_lines(&p);
    double bytes = 0, kv_lines = 0, part = expert_part(s);
    for (size_t i = 0; i < plan->n_devices; i++) {
        bytes += p.device[i].weights;
        kv_lines += p.device[i].kv_share;
    }
    p.bytes_a_weight = plan->parameters ? bytes / (double)plan->parameters : 0;
    p.operators = count_operators(&s->graph);
    p.together = u->engine == BB_ENGINE_VLLM ? u->tensor_parallel > 1 : u->split_mode == BB_SPLIT_ROW;
    size_t host = plan->n_devices - 1, embedding = bb_engine_is_llama(u->engine) || u->no_gpu ? host : 0;
    double kv_read = fmin(cache_read(&p), kv_lines);
    p.device[embedding].weights = fmax(0, p.device[embedding].weights - embedding_bytes(&p));
    for (size_t i = 0; i <= host; i++) {
        work *w = &p.device[i];
        w->experts = d->reads.told ? (double)d->reads.experts[i < host ? i : BB_PLAN_CARDS] : w->weights * part;
        w->weights = fmax(0, w->weights - w->experts);
        w->kv_share = kv_lines > 0 ? w->kv_share / kv_lines : 0;
        w->kv += kv_read * w->kv_share;
        p.lies += w->weights + w->experts;
        if (i == host) break;
        w->bandwidth = u->cards[i].bandwidth_gbs * 1e9;
        w->flops = u->cards[i].fp16_tflops * 1e12;
    }
    return p;
}

/* Weights that a token goes through. */
static double elements(const step *p, const work *w) {
    const bb_arch *a = p->s->model->arch;
    if (!(p->bytes_a_weight > 0)) return 0;
    double used = a && a->experts ? (double)a->experts_used / (double)a->experts : 1;
    return (w->weights + w->experts * used) / p->bytes_a_weight;
}

/* Operators for the part of the weights that lies on the device. */
static double operators(const step *p, const work *w) {
    return p->lies > 0 ? p->operators * (w->weights + w->experts) / p->lies : 0;
}

static bool idle(const work *w) { return !(w->weights + w->experts + w->kv > 0); }

/* ---- a card ---------------------------------------------------------------------------------------------------- */

/* Seconds of a step of `tokens`, each of which attends to `context` of the whole one; NAN = unknown. */
static double card_seconds(const step *p, const work *w, double tokens, double kv, double context, double memory,
                           double arith) {
    double bytes = w->weights + w->experts * experts_read(p->s->model->arch, tokens) + kv;
    double ops = tokens * (2 * elements(p, w) + context * p->attention * w->kv_share);
    bool compute = tokens > 1 && w->flops > 0;
    if (!(w->bandwidth > 0)) return (double)NAN;
    return fmax(bytes / (w->bandwidth * memory), compute ? ops / (w->flops * arith) : 0) +
           operators(p, w) * card_node_s;
}

/* ---- the host -------------------------------------------------------------------------------------------------- */

/* Steps a second of n threads that compute `alone` seconds a step each and read a memory that serves one of them at a
 * time, `busy` seconds a step: exact mean value analysis of a closed queue (Reiser and Lavenberg 1980). */
static double shared_rate(double busy, double alone, unsigned n) {
    double queue = 0, rate = 0;
    for (unsigned k = 1; k <= n; k++) {
        double wait = busy * (1 + queue);
        rate = k / (wait + alone);
        queue = rate * wait;
    }
    return rate;
}

typedef struct host_ops {
    double weights, attention; /* operations of a step */
    double rows;               /* of all matrices */
    const bb_dtype *type;      /* of the layers' matrices; NULL = plain */
} host_ops;

/* The subject's types are llama.cpp's; other engines leave in them what was planned before. */
static const bb_dtype *layer_type(const step *p) {
    const bb_subject *s = p->s;
    if (!bb_engine_is_llama(p->plan->used.engine)) return bb_dtype_find(p->plan->used.weights, NULL);
    for (size_t i = 0; i < s->n_tensors; i++)
        if (s->layers[i] == 0 && s->tensors[i].n_dims > 1) return s->tensors[i].type;
    return NULL;
}

static bool is_repacked(const bb_dtype *t) {
    for (size_t i = 0; t && i < REPACKED; i++)
        if (strcmp(t->name, repacked[i]) == 0) return true;
    return false;
}

/* Columns of a layer's matrices, on average. */
static double row_length(const bb_graph *g) {
    double rows = 0, all = 0;
    for (size_t i = 0; i < g->n_weights; i++) {
        const bb_weight *w = &g->weights[i];
        if (w->part != BB_PART_LAYER || w->n_dims < 2) continue;
        rows += (double)w->dims[1];
        all += (double)w->dims[1] * (double)w->dims[0];
    }
    return rows > 0 ? all / rows : 1;
}

/* Seconds that one thread computes; a plain type has 16 bits and more, the kernels of block types take int8. */
static double host_compute(const bb_plan_host *h, const host_ops *o, bool prompt) {
    bool blocks = o->type && o->type->block > 1, several = is_repacked(o->type);
    double peak = 1e9 * (blocks ? h->int8_gops : h->fp32_gops);
    double decode = several ? host_decode_rows : blocks ? host_decode_blocks : host_decode_float;
    if (!(h->fp32_gops > 0 && h->int8_gops > 0)) return 0;
    if (prompt) {
        double reach = blocks ? host_prompt_blocks : host_prompt_float;
        return o->weights / (peak * reach) + o->attention / (1e9 * h->fp32_gops * host_prompt_float);
    }
    return o->weights / (peak * decode) + o->attention / (1e9 * h->fp32_gops * host_attention) +
           o->rows * (blocks ? host_row_blocks_s : host_row_float_s) / (several ? REPACKED_ROWS : 1);
}

static double host_seconds(const step *p, const work *w, double tokens, double kv, double context, bool prompt) {
    const bb_plan_host *h = &p->plan->used.host;
    unsigned threads = h->threads ? h->threads : 1;
    double bytes = w->weights + w->experts * experts_read(p->s->model->arch, tokens) + kv;
    host_ops o = {.weights = 2 * tokens * elements(p, w),
                  .attention = tokens * context * p->attention * w->kv_share,
                  .rows = tokens * elements(p, w) / row_length(&p->s->graph),
                  .type = layer_type(p)};
    if (!(h->bandwidth_gbs > 0)) return (double)NAN;
    double busy = bytes / (h->bandwidth_gbs * 1e9);
    double one = h->thread_gbs > 0 ? bytes / (h->thread_gbs * 1e9) : busy;
    double alone = host_compute(h, &o, prompt) + fmax(0, one - busy);
    double each = host_node_s + (threads > 1 ? host_wait_s : 0);
    return 1 / shared_rate(busy, alone, threads) + operators(p, w) * each;
}

/* ---- a step ---------------------------------------------------------------------------------------------------- */

typedef struct reach {
    double memory, arith, host;
} reach;

/* A step of decoding, or of a prompt's batch of `tokens`; NAN when a device that works is not known. */
static double step_seconds(const step *p, const reach *r, bool prompt, double tokens) {
    double sum = 0, most = 0;
    size_t host = p->plan->n_devices - 1;
    /* a prompt attends to half of itself on average, and reads its cache once a batch */
    double context = prompt ? 0.5 : 1;
    for (size_t i = 0; i <= host; i++) {
        const work *w = &p->device[i];
        double kv = prompt ? w->kv / 2 : w->kv;
        if (idle(w)) continue;
        double t = i < host ? card_seconds(p, w, tokens, kv, context, r->memory, r->arith)
                            : host_seconds(p, w, tokens, kv, context, prompt) / r->host;
        if (isnan(t)) return (double)NAN;
        most = fmax(most, t);
        sum = p->together && i < host ? most : sum + t;
    }
    return sum;
}

/* Tokens of a prompt that go through together. */
static double prompt_batch(const bb_plan_request *u) {
    double all = u->ctx ? (double)u->ctx : 1;
    if (u->ubatch) return fmin((double)u->ubatch, all);
    return u->batch ? fmin((double)u->batch, all) : all;
}

static double rate(const step *p, const reach *r, bool prompt) {
    double tokens = prompt ? prompt_batch(&p->plan->used) : p->sequences;
    double seconds = step_seconds(p, r, prompt, tokens);
    return seconds > 0 ? tokens / seconds : 0; /* false of NAN */
}

/* Without a peak a card's prompt cannot be told. */
static bool knows_arithmetic(const step *p) {
    const bb_plan_host *h = &p->plan->used.host;
    size_t host = p->plan->n_devices - 1;
    for (size_t i = 0; i < host; i++)
        if (!idle(&p->device[i]) && !(p->device[i].flops > 0)) return false;
    return idle(&p->device[host]) || (h->fp32_gops > 0 && h->int8_gops > 0);
}

static void formulas(const step *p, bb_plan_speed *v) {
    double weights = 0, kv = 0, ops = 0;
    size_t host = p->plan->n_devices - 1;
    char w[32], k[32], cards[64], hosts[64];
    for (size_t i = 0; i <= host; i++) {
        const work *d = &p->device[i];
        weights += d->weights + d->experts * experts_read(p->s->model->arch, p->sequences);
        kv += d->kv;
        ops += 2 * elements(p, d);
    }
    (void)snprintf(cards, sizeof cards, "%.2f of the cards' bandwidth", card_memory.likely);
    (void)snprintf(hosts, sizeof hosts, "%.3g GB/s of the host's %u threads", p->plan->used.host.bandwidth_gbs,
                   p->plan->used.host.threads);
    const bb_dtype *type = layer_type(p);
    bool blocks = type && type->block > 1, on_host = !idle(&p->device[host]),
         on_card = host > 0 && !idle(&p->device[0]);
    (void)snprintf(v->decode_formula, sizeof v->decode_formula, "%s weights + %s cache a step, %s%s%s",
                   bb_bytes_text((uint64_t)weights, false, w), bb_bytes_text((uint64_t)kv, false, k),
                   on_card ? cards : hosts, on_card && on_host ? ", " : "", on_card && on_host ? hosts : "");
    /* a token attends to half of the context on average; blocks take up to 34/32 bytes a weight (q8_0) */
    (void)snprintf(v->prefill_formula, sizeof v->prefill_formula,
                   "%.3g GFLOP of weights + %.3g of attention a token, at %.2f of the %s peak", ops / 1e9,
                   p->attention / 2e9,
                   on_card  ? card_arith.likely
                   : blocks ? host_prompt_blocks
                            : host_prompt_float,
                   on_card ? "cards'" : "host's");
}

void bb_plan_speed_of(const bb_subject *s, bb_draft *d) {
    bb_plan *plan = d->plan;
    bb_plan_speed v = {0};
    const reach least = {card_memory.low, card_arith.low, host_low};
    const reach likely = {card_memory.likely, card_arith.likely, 1};
    const reach most = {card_memory.high, card_arith.high, host_high};
    plan->speed = v;
    if (!plan->n_devices || plan->used.purpose != BB_FOR_INFER || !plan->used.ctx || !s->graph.n_nodes) return;
    step p = describe(s, d);
    v.decode = rate(&p, &likely, false);
    if (v.decode > 0) {
        v.decode_low = rate(&p, &least, false);
        v.decode_high = rate(&p, &most, false);
        if (knows_arithmetic(&p)) {
            v.prefill = rate(&p, &likely, true);
            v.prefill_low = rate(&p, &least, true);
            v.prefill_high = rate(&p, &most, true);
        }
        if (!d->numbers) formulas(&p, &v);
    }
    plan->speed = v;
}
