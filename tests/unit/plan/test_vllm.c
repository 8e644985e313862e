/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_vllm.c - vLLM's budget, cache and ranks against what it printed, its own examples, and sums over the ranks. */
#include "plan/opened.h"
#include "plan/plan_parts.h"
#include "plan/vllm_cache.h"
#include <math.h>

static bb_vllm_cache cache_of(const char *model, const char *type, uint64_t batch) {
    const bb_arch *a = bb_catalogue_find(cat, model, NULL);
    bb_vllm_cache k = {0};
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(bb_vllm_cache_make(a, 0, a->layers, a->kv_heads, bb_dtype_find(type, NULL), 16, batch, 0, &k),
                     BB_OK);
    return k;
}

static bool near_by(double got, double want, double part) { return fabs(got - want) <= part * want; }

/* Tokens for the KV bytes that vLLM printed, which are rounded to 0.01 GiB: train_logs.csv 87, 89 and 91, and
 * gpt-oss-120b of hf-mem#60, whose every second layer has a window and is charged like the others. */
START_TEST(vllm_tokens) {
    static const struct {
        const char *model;
        double gib;
        uint64_t tokens;
    } printed[] = {{"qwen2.5-1.5b", 2.36, 5517 * 16},
                   {"qwen2.5-0.5b", 34.81, 190100 * 16},
                   {"llama-3.1-8b", 19.92, 163168},
                   {"gpt-oss-120b", 5.38, 78384}};
    for (size_t i = 0; i < sizeof printed / sizeof *printed; i++) {
        bb_vllm_cache k = cache_of(printed[i].model, "bf16", 8192);
        uint64_t got = bb_vllm_tokens(&k, (uint64_t)(printed[i].gib * 1073741824));
        ck_assert_msg(near_by((double)got, (double)printed[i].tokens, 0.01), "%s: %llu tokens, printed %llu",
                      printed[i].model, (unsigned long long)got, (unsigned long long)printed[i].tokens);
        ck_assert_uint_eq(got % 16, 0);
    }
}
END_TEST

/* "Setting attention block size to N tokens" and "Padding mamba page size by P%" that vLLM printed for Qwen3-Next-80B
 * (544, 1.49), Qwen3.5-0.8B (544, 2.64) and Qwen3.6-27B (784); a sequence keeps one block of each group of states. */
START_TEST(vllm_states) {
    static const struct {
        bb_recurrence r;
        uint64_t layers, kv_heads, bytes; /* of an element of the state */
        uint64_t block;
        double padding; /* percent; 0 = not seen */
    } printed[] = {{{.conv = 4, .inner = 4096, .state = 128, .groups = 16}, 48, 2, 2, 544, 1.49},
                   {{.conv = 4, .inner = 2048, .state = 128, .groups = 16}, 24, 2, 4, 544, 2.64},
                   {{.conv = 4, .inner = 6144, .state = 128, .groups = 16}, 64, 4, 4, 784, 0}};
    for (size_t i = 0; i < sizeof printed / sizeof *printed; i++) {
        bb_arch a = {.layers = printed[i].layers, .head_dim = 256, .recurrence = printed[i].r};
        bb_vllm_cache k;
        bb_calc c = {false};
        uint64_t conv, state;
        ck_assert_int_eq(bb_recurrence_spread(&a.recurrence, a.layers, 4), BB_OK);
        ck_assert_int_eq(bb_recurrence_elements(&a.recurrence, 0, &conv, &state), BB_OK);
        uint64_t bytes = 2 * conv + printed[i].bytes * state;
        ck_assert_int_eq(
            bb_vllm_cache_make(&a, 0, a.layers, printed[i].kv_heads, bb_dtype_find("bf16", NULL), 16, 8192, bytes, &k),
            BB_OK);
        ck_assert_uint_eq(k.block, printed[i].block);
        if (printed[i].padding > 0)
            ck_assert(fabs(100 * ((double)k.page_bytes / (double)bytes - 1) - printed[i].padding) < 0.005);
        ck_assert_uint_eq(bb_vllm_blocks(&c, &k, 2 * k.block), 2 + 3);
    }
}
END_TEST

/* Groups as kv_cache_utils.py makes them: its own examples, 10 full and 20 with a window are three groups of 10, 12 and
 * 13 are padded to two of 13; and a sequence's blocks by kv_cache_interface.py. */
START_TEST(vllm_groups) {
    bb_vllm_cache k = cache_of("gemma-3-27b", "bf16", 8192); /* 10 full, 52 with a window of 1024 */
    ck_assert_uint_eq(k.group_layers, 10);
    ck_assert_uint_eq(k.full_groups, 1);
    ck_assert_uint_eq(k.window_groups, 6);
    ck_assert_uint_eq(k.page_bytes, 16 * 16 * (128 + 128) * 2);
    bb_calc c = {false};
    ck_assert_uint_eq(bb_vllm_blocks(&c, &k, 131072), 8192 + 6 * ((1023 + 8192) / 16 + 1 + 1));
    ck_assert_uint_eq(bb_vllm_blocks(&c, &k, 100), 7 + 6 * (7 + 1));
    bb_arch a = *bb_catalogue_find(cat, "gemma-2-2b", NULL); /* every second */
    a.layers = 25;
    a.swa_period = 2;
    ck_assert_int_eq(bb_vllm_cache_make(&a, 0, 25, 4, bb_dtype_find("bf16", NULL), 16, 8192, 0, &k), BB_OK);
    ck_assert_uint_eq(k.group_layers, 13);
    ck_assert_uint_eq(k.full_groups + k.window_groups, 2);
    k = cache_of("deepseek-v3", "bf16", 8192); /* one latent vector a token: memory.md 2.2 */
    ck_assert_uint_eq(bb_vllm_block_bytes(&k), 16 * 70272);
    k = cache_of("llama-3.1-8b", "e4m3fn", 8192);
    ck_assert_uint_eq(bb_vllm_block_bytes(&k), 16 * 131072 / 2);
    for (uint64_t bytes = 1; bytes < UINT64_C(1) << 36; bytes *= 3) { /* the longest fits, one more does not */
        k = cache_of("gemma-3-27b", "bf16", 2048);
        uint64_t most = bb_vllm_longest(&k, bytes, 1 << 20), one = bb_vllm_block_bytes(&k);
        ck_assert(!most || bb_vllm_blocks(&c, &k, most) * one <= bytes);
        ck_assert(most == 1 << 20 || bb_vllm_blocks(&c, &k, most + 1) * one > bytes);
    }
    ck_assert(!c.overflow);
    a.head_dim = UINT64_C(1) << 50;
    a.kv_heads = UINT64_C(1) << 20;
    ck_assert_int_eq(bb_vllm_cache_make(&a, 0, 25, a.kv_heads, bb_dtype_find("bf16", NULL), 16, 1, 0, &k),
                     BB_E_OVERFLOW);
    bb_vllm_blocks(&c, &(bb_vllm_cache){.block = 1, .full_groups = 9}, UINT64_MAX);
    ck_assert(c.overflow);
}
END_TEST

static void ask_vllm(bb_plan_request *r, const char *weights, uint64_t ctx) {
    *r = (bb_plan_request){.purpose = BB_FOR_INFER, .engine = BB_ENGINE_VLLM, .ctx = ctx};
    snprintf(r->weights, sizeof r->weights, "%s", weights);
}

/* train_logs.csv 87: a T4 of 14.56 GiB at 0.5, fp16, without chunked prefill: a step of 32768 tokens. */
START_TEST(vllm_on_t4) {
    static const double gib = 1073741824;
    opened o;
    bb_plan p;
    bb_plan_request r;
    open_model(&o, "qwen2.5-1.5b");
    ask_vllm(&r, "f16", 32768);
    r.batch = 32768;
    r.utilization = 0.5;
    r.eager = true; /* its budget has no line for graphs */
    r.n_cards = 1;
    r.cards[0] = (bb_plan_card){.limit_bytes = (uint64_t)(14.56 * gib), .driver_bytes = (uint64_t)(14.56 * gib)};
    plan_of(&o, &r, &p);
    bb_plan_line weights = line_of(&p, "weights", "gpu0"), step = line_of(&p, "activations", "gpu0");
    ck_assert(near_by((double)weights.bytes / gib, 2.89, 0.03));
    ck_assert((double)step.low_bytes / gib < 2.02 && (double)step.high_bytes / gib > 2.02);
    ck_assert(near_by((double)step.bytes / gib, 2.02, 0.01));
    ck_assert(near_by((double)p.limit_bytes / gib, 7.28, 0.001));
    /* what is left: 2.36 GiB */
    double rest[2], cache = (double)line_of(&p, "kv_cache", "gpu0").bytes, limit = (double)p.limit_bytes;
    rest[0] = (limit - ((double)p.high_bytes - cache)) / gib;
    rest[1] = (limit - ((double)p.low_bytes - cache)) / gib;
    ck_assert_msg(rest[0] < 2.36 && rest[1] > 2.36, "%.2f to %.2f GiB", rest[0], rest[1]);
    ck_assert((double)(p.high_bytes - p.low_bytes) / limit < 0.12);
    ck_assert_int_eq(p.fits, BB_FITS_YES); /* it served */
    bb_plan_clear(&p);
    close_model(&o);
}
END_TEST

/* get_batch_defaults of vllm/engine/arg_utils.py: 70 GiB by the driver, and no A100. */
START_TEST(vllm_steps) {
    static const struct {
        const char *gpu;
        uint64_t batch, seqs;
    } cards[] = {
        {"RTX 4090", 2048, 256}, {"H100 SXM", 8192, 1024}, {"A100 80GB SXM", 2048, 256}, {"MI300X", 8192, 1024}};
    opened o;
    for (size_t i = 0; i < sizeof cards / sizeof *cards; i++) {
        bb_plan_request r = {.serves = true};
        bb_plan_card_of(bb_gpu_find(cat, cards[i].gpu, NULL), &r.cards[0]);
        open_model(&o, "llama-3.2-1b");
        ck_assert_int_eq(bb_vllm_defaults(&o.subject, &r, NULL), BB_OK);
        ck_assert_msg(r.batch == cards[i].batch && r.outputs == cards[i].seqs, "%s: %llu, %llu", cards[i].gpu,
                      (unsigned long long)r.batch, (unsigned long long)r.outputs);
        close_model(&o);
    }
}
END_TEST

/* Ranks: every weight is on one of them, but for what all have: norms, and KV heads that are too few. */
START_TEST(vllm_ranks) {
    opened o;
    bb_plan one, p;
    bb_plan_request r;
    open_model(&o, "llama-3.1-8b");
    ask_vllm(&r, "bf16", 8192);
    plan_of(&o, &r, &one);
    uint64_t whole = line_of(&one, "weights", "gpu0").bytes, norms = 2 * 4096 * (2 * 32 + 1), kv = 2 * 1024 * 4096 * 32;
    ck_assert_uint_eq(whole, 2 * UINT64_C(8030261248));
    for (uint64_t tp = 2; tp <= 16; tp *= 2) {
        r.tensor_parallel = tp;
        plan_of(&o, &r, &p);
        uint64_t all = 0, copies = tp > 8 ? tp / 8 - 1 : 0, cache = 0;
        for (size_t i = 0; i < p.n_lines; i++) {
            if (strcmp(p.lines[i].component, "weights") == 0) all += p.lines[i].bytes;
            if (strcmp(p.lines[i].component, "kv_cache") == 0) cache += p.lines[i].bytes;
        }
        ck_assert_uint_eq(all, whole + (tp - 1) * norms + copies * 2 * kv);
        ck_assert_uint_eq(cache, line_of(&one, "kv_cache", "gpu0").bytes * (copies + 1));
        ck_assert_uint_eq(p.n_devices, tp + 1);
        bb_plan_clear(&p);
    }
    /* what 3 stages leave over goes to those before the last */
    r.tensor_parallel = 1;
    r.pipeline_parallel = 3;
    plan_of(&o, &r, &p);
    ck_assert_uint_eq(o.subject.ranks.stage[0].layers, 11);
    ck_assert_uint_eq(o.subject.ranks.stage[1].layers, 11);
    ck_assert_uint_eq(o.subject.ranks.stage[2].layers, 10);
    uint64_t all = 0, parameters = 0;
    for (size_t i = 0; i < 3; i++) {
        all += o.subject.ranks.stage[i].bytes;
        parameters += o.subject.ranks.stage[i].parameters;
    }
    ck_assert_uint_eq(all, whole);
    ck_assert_uint_eq(parameters, 8030261248u);
    bb_plan_clear(&p);
    bb_plan_clear(&one);
    close_model(&o);
    /* a head that is the embedding stands on both ends; 61 layers with 3 dense ones */
    open_model(&o, "llama-3.2-1b");
    r.pipeline_parallel = 2;
    plan_of(&o, &r, &p);
    ck_assert_uint_eq(o.subject.ranks.stage[0].bytes + o.subject.ranks.stage[1].bytes,
                      2 * (UINT64_C(1235814400) + 128256 * 2048));
    bb_plan_clear(&p);
    close_model(&o);
    open_model(&o, "deepseek-v3");
    r.pipeline_parallel = 16;
    plan_of(&o, &r, &p);
    all = 0;
    for (size_t i = 0; i < 16; i++) all += o.subject.ranks.stage[i].parameters;
    ck_assert_uint_eq(all, UINT64_C(671026419200));
    bb_plan_clear(&p);
    close_model(&o);
}
END_TEST

/* Llama-3.1-70B in GPTQ on four cards: each layout is cut like its matrix. By hand for one layer's rank. */
START_TEST(vllm_cuts_layouts) {
    opened o;
    bb_plan p;
    bb_plan_request r;
    open_model(&o, "llama-3.1-70b");
    ask_vllm(&r, "gptq", 8192);
    r.tensor_parallel = 4;
    plan_of(&o, &r, &p);
    static const uint64_t matrices[][2] = {{8192, 2048}, {8192, 256},  {8192, 256}, {2048, 8192},
                                           {8192, 7168}, {8192, 7168}, {7168, 8192}};
    uint64_t bytes = 0;
    for (size_t i = 0; i < 7; i++) {
        uint64_t in = matrices[i][0], out = matrices[i][1], g = in / 128;
        bytes += in * out / 2 + g * out / 2 + 2 * g * out + 4 * in;
    }
    bytes = 80 * (bytes + 2 * 2 * 8192) + 2 * 8192 + 2 * 2 * (128256 / 4) * 8192;
    ck_assert_uint_eq(line_of(&p, "weights", "gpu3").bytes, bytes);
    bb_plan_clear(&p);
    close_model(&o);
}
END_TEST

START_TEST(vllm_refuses) {
    static const struct {
        const char *model, *weights;
        uint64_t tp, pp, cards, outputs;
        const char *kv, *says;
        bb_status status;
    } cases[] = {
        {"qwen2.5-7b", "", 8, 1, 8, 0, "", "attention heads (28) must be divisible", BB_E_ARG},
        {"llama-3.1-8b", "", 4, 1, 2, 0, "", "world size (4) is larger than the number of GPUs (2)", BB_E_ARG},
        {"llama-3.1-8b", "", 1, 33, 0, 0, "", "at most 16 cards", BB_E_ARG},
        {"llama-3.2-1b", "", 1, 16, 0, 9000, "", "greater than or equal to max_num_seqs (9000)", BB_E_ARG},
        {"smollm2-135m", "", 2, 1, 0, 0, "", "attention heads (9) must be", BB_E_ARG},
        {"llama-3.1-8b", "q4_K", 1, 1, 0, 0, "", "not q4_K", BB_E_UNSUPPORTED},
        {"llama-3.1-8b", "q4_K_M", 1, 1, 0, 0, "", "not q4_K_M", BB_E_UNSUPPORTED},
        {"llama-3.1-8b", "mlx", 1, 1, 0, 0, "", "MLX", BB_E_UNSUPPORTED},
        {"llama-3.1-8b", "nothing", 1, 1, 0, 0, "", "not a storage type", BB_E_NAME},
        {"llama-3.1-8b", "", 1, 1, 0, 0, "q8_0", "not in q8_0", BB_E_UNSUPPORTED},
        {"whisper-small", "", 1, 1, 0, 0, "", "encoder", BB_E_UNSUPPORTED},
        {"7b", "", 1, 1, 0, 0, "", "needs an architecture", BB_E_UNSUPPORTED},
        {"llama-3.1-8b", "", UINT64_C(1) << 40, UINT64_C(1) << 40, 0, 0, "", "passes 2^64", BB_E_OVERFLOW},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        opened o;
        bb_plan p = {0};
        bb_error err = {0};
        bb_plan_request r;
        open_model(&o, cases[i].model);
        ask_vllm(&r, cases[i].weights, 0);
        r.tensor_parallel = cases[i].tp;
        r.pipeline_parallel = cases[i].pp;
        r.n_cards = cases[i].cards;
        r.outputs = cases[i].outputs;
        snprintf(r.kv_k, sizeof r.kv_k, "%s", cases[i].kv);
        bb_status st = bb_plan_subject(&o.subject, &r, &p, &err);
        ck_assert_msg(st == cases[i].status && strstr(err.text, cases[i].says), "case %zu: %d %s", i, (int)st,
                      err.text);
        close_model(&o);
    }
}
END_TEST

START_TEST(vllm_overflows) {
    opened o;
    open_model(&o, "llama-3.1-8b");
    for (size_t i = 0; i < 3; i++) {
        bb_plan p = {0};
        bb_error err = {0};
        bb_plan_request r;
        ask_vllm(&r, "", i == 0 ? UINT64_C(1) << 60 : 8192);
        r.long_ctx = true;
        if (i == 1) r.batch = UINT64_C(1) << 60;
        if (i == 2) r.parallel = UINT64_C(1) << 60;
        ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, &err), BB_E_OVERFLOW);
        ck_assert_ptr_nonnull(strstr(err.text, "tokens, take more than 2^64 bytes"));
    }
    close_model(&o);
}
END_TEST

/* A cache that is too small for one sequence: the verdict, and the length that vLLM would propose, which then fits. */
START_TEST(vllm_cache_too_small) {
    opened o;
    bb_plan p;
    bb_plan_request r;
    open_model(&o, "llama-3.1-8b");
    ask_vllm(&r, "", 0);
    r.n_cards = 1;
    bb_plan_card_of(bb_gpu_find(cat, "RTX 4090", NULL), &r.cards[0]);
    plan_of(&o, &r, &p);
    ck_assert_uint_eq(p.used.ctx, 131072);
    ck_assert_int_eq(p.fits, BB_FITS_NO);
    const char *note = "";
    for (size_t i = 0; i < BB_PLAN_NOTES; i++)
        if (strstr(p.note[i], "vLLM stops")) note = p.note[i];
    ck_assert_ptr_nonnull(strstr(note, "max seq len (131072), 16.00 GiB"));
    const char *length = strstr(note, "length is ");
    ck_assert_ptr_nonnull(length);
    r.ctx = strtoull(length + 10, NULL, 10);
    bb_plan_clear(&p);
    plan_of(&o, &r, &p);
    ck_assert_uint_le(p.total_bytes, p.limit_bytes);
    bb_plan_clear(&p);
    r.ctx += 16;
    plan_of(&o, &r, &p);
    ck_assert_uint_gt(p.total_bytes, p.limit_bytes);
    bb_plan_clear(&p);
    r.ctx = UINT64_C(1) << 60;
    r.long_ctx = true;
    r.parallel = UINT64_C(1) << 20;
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_E_OVERFLOW);
    /* numbers are those of the plan */
    bb_plan n = {0};
    ask_vllm(&r, "gptq", 4096);
    r.tensor_parallel = 2;
    plan_of(&o, &r, &p);
    ck_assert_int_eq(bb_plan_numbers(&o.subject, &r, &n, NULL), BB_OK);
    ck_assert_uint_eq(p.total_bytes, n.total_bytes);
    ck_assert_uint_eq(p.high_bytes, n.high_bytes);
    bb_plan_clear(&p);
    bb_plan_clear(&n);
    close_model(&o);
}
END_TEST

static const char *note_with(const bb_plan *p, const char *word) {
    for (size_t i = 0; i < BB_PLAN_NOTES; i++)
        if (strstr(p->note[i], word)) return p->note[i];
    return "";
}

/* A model without a cache, and one of 32 bits that vLLM's --dtype auto makes 16 of (_resolve_auto_dtype). */
START_TEST(vllm_encoder_of_32_bits) {
    opened o;
    bb_plan p;
    bb_plan_request r;
    open_model(&o, "bert-base-uncased");
    ask_vllm(&r, "", 0);
    r.n_cards = 1;
    bb_plan_card_of(bb_gpu_find(cat, "RTX 4090", NULL), &r.cards[0]);
    plan_of(&o, &r, &p);
    uint64_t half = line_of(&p, "weights", "gpu0").bytes;
    ck_assert_uint_eq(line_of(&p, "kv_cache", "gpu0").bytes, 0);
    ck_assert_str_eq(note_with(&p, "KV cache"), "");
    ck_assert_str_eq(p.used.weights, "f16"); /* of a pooling model */
    bb_plan_clear(&p);
    snprintf(r.weights, sizeof r.weights, "f32"); /* --dtype float32 */
    plan_of(&o, &r, &p);
    ck_assert_uint_eq(line_of(&p, "weights", "gpu0").bytes, 2 * half);
    bb_plan_clear(&p);
    close_model(&o);
    open_model(&o, "gpt2");
    ask_vllm(&r, "", 0);
    plan_of(&o, &r, &p);
    ck_assert_str_eq(p.used.weights, "bf16");
    ck_assert_uint_eq(line_of(&p, "weights", "gpu0").bytes, 2 * (124439808 + (50304 - 50257) * 768)); /* padded to 64 */
    bb_plan_clear(&p);
    close_model(&o);
}
END_TEST

/* Cards that a plan leaves idle: the advice is a number that vLLM takes. */
START_TEST(vllm_idle_cards) {
    static const struct {
        const char *model;
        uint64_t cards, tp, most; /* most 0 = no larger one */
    } cases[] = {{"llama-3.1-8b", 3, 1, 2},
                 {"llama-3.1-8b", 8, 1, 8},
                 {"llama-3.1-8b", 3, 2, 0},
                 {"qwen2.5-7b", 16, 1, 4},
                 {"smollm2-135m", 2, 1, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        opened o;
        bb_plan p;
        bb_plan_request r;
        open_model(&o, cases[i].model);
        ask_vllm(&r, "", 1024);
        r.n_cards = cases[i].cards;
        r.tensor_parallel = cases[i].tp;
        plan_of(&o, &r, &p);
        const char *note = note_with(&p, "vLLM uses"), *size = strstr(note, "-size ");
        uint64_t most = size ? strtoull(size + 6, NULL, 10) : 0;
        ck_assert_msg(*note && most == cases[i].most, "case %zu: %s", i, note);
        bb_plan_clear(&p);
        if (most) r.tensor_parallel = r.n_cards = most;
        plan_of(&o, &r, &p);
        bb_plan_clear(&p);
        close_model(&o);
    }
}
END_TEST

/* A context beyond the model's: refused unless it is meant; rope scaling of the config moves the end. */
START_TEST(vllm_long_context) {
    opened o;
    bb_plan p;
    bb_plan_request r;
    bb_error err = {0};
    open_model(&o, "llama-3.1-8b");
    ask_vllm(&r, "", 131073);
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, &err), BB_E_ARG);
    ck_assert_ptr_nonnull(
        strstr(err.text, "max_model_len (131073) is greater than the derived max_model_len (131072)"));
    r.long_ctx = true;
    plan_of(&o, &r, &p);
    ck_assert_str_ne(note_with(&p, "longer than the model's own 131072"), "");
    bb_plan_clear(&p);
    r.long_ctx = false;
    o.model->arch_storage.stretched = 200000;
    plan_of(&o, &r, &p);
    bb_plan_clear(&p);
    r.ctx = 0;
    plan_of(&o, &r, &p);
    ck_assert_uint_eq(p.used.ctx, 200000);
    bb_plan_clear(&p);
    r.ctx = 200001;
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, &err), BB_E_ARG);
    close_model(&o);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("vllm");
    TCase *t = tcase_create("vllm");
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_add_test(t, vllm_tokens);
    tcase_add_test(t, vllm_states);
    tcase_add_test(t, vllm_groups);
    tcase_add_test(t, vllm_on_t4);
    tcase_add_test(t, vllm_steps);
    tcase_add_test(t, vllm_ranks);
    tcase_add_test(t, vllm_cuts_layouts);
    tcase_add_test(t, vllm_refuses);
    tcase_add_test(t, vllm_overflows);
    tcase_add_test(t, vllm_cache_too_small);
    tcase_add_test(t, vllm_encoder_of_32_bits);
    tcase_add_test(t, vllm_idle_cards);
    tcase_add_test(t, vllm_long_context);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(make_suite)
