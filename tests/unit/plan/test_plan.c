/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_plan.c - plans against buffers that llama.cpp really allocated, the rule of thumb, the inverse, hostile sizes.
 */
#include "plan/measured.h"
#include "plan/opened.h"
#include "plan/rule.h"
#include "plan/solve.h"
#include <string.h>

static uint64_t bytes_of(const bb_plan *p, const char *component, const char *device) {
    uint64_t n = 0;
    for (size_t i = 0; i < p->n_lines; i++)
        if (strcmp(p->lines[i].component, component) == 0 && strcmp(p->lines[i].device, device) == 0)
            n += p->lines[i].bytes;
    return n;
}

/* Every row with all buffers: bytes of the model, of the KV cache and of the compute buffers. */
START_TEST(measured_buffers) {
    size_t compared = 0;
    bb_csv *csv = measured_load(TEST_DATA("plan/llama_buffers.csv"));
    size_t rows = bb_csv_rows(csv);
    opened o = {0};
    char model[64] = "";
    for (size_t i = 0; i < rows; i++) {
        if (strcmp(model, text(csv, i, "model")) != 0) {
            if (*model) close_model(&o);
            snprintf(model, sizeof model, "%s", text(csv, i, "model"));
            open_model(&o, model);
        }
        bool card = cell(csv, i, "ndev") == 1;
        bb_plan_request r = {.purpose = BB_FOR_INFER,
                             .engine = BB_ENGINE_LLAMA_CPP,
                             .backend = BB_BACKEND_GENERIC,
                             .no_gpu = !card,
                             .overhead_set = true};
        snprintf(r.weights, sizeof r.weights, "%s", text(csv, i, "type"));
        snprintf(r.kv_k, sizeof r.kv_k, "%s", text(csv, i, "k_type"));
        snprintf(r.kv_v, sizeof r.kv_v, "%s", text(csv, i, "v_type"));
        r.ctx = cell(csv, i, "n_ctx");
        r.batch = cell(csv, i, "n_batch");
        r.ubatch = cell(csv, i, "n_ubatch");
        r.parallel = cell(csv, i, "n_seq");
        r.kv_unified = cell(csv, i, "kv_unified");
        r.flash_attn = cell(csv, i, "fa") ? 1 : -1;
        r.outputs = cell(csv, i, "n_outputs_max");
        r.gpu_layers = cell(csv, i, "ngl");
        r.gpu_layers_set = card;
        r.dry_run_rule = !cell(csv, i, "real_alloc");
        bb_plan p;
        bb_error err = {0};
        ck_assert_msg(bb_plan_subject(&o.subject, &r, &p, &err) == BB_OK, "row %zu: %s", i, err.text);
        uint64_t host_model = cell(csv, i, "host_model_B") + cell(csv, i, "repack_B");
        ck_assert_msg(bytes_of(&p, "weights", "host") == host_model,
                      "row %s: %s %s: weights on the host %llu, measured %llu", text(csv, i, "row"), model, r.weights,
                      (unsigned long long)bytes_of(&p, "weights", "host"), (unsigned long long)host_model);
        ck_assert_uint_eq(bytes_of(&p, "weights", "gpu0"), cell(csv, i, "dev_model_B"));
        ck_assert_uint_eq(bytes_of(&p, "kv_cache", "host"), cell(csv, i, "host_kv_B"));
        ck_assert_uint_eq(bytes_of(&p, "kv_cache", "gpu0"), cell(csv, i, "dev_kv_B"));
        ck_assert_uint_eq(bytes_of(&p, "compute_buffer", "host"), cell(csv, i, "host_compute_B"));
        ck_assert_uint_eq(bytes_of(&p, "compute_buffer", "gpu0"), cell(csv, i, "dev_compute_B"));
        compared++;
        bb_plan_clear(&p);
    }
    close_model(&o);
    ck_assert_uint_eq(compared, rows);
    ck_assert_uint_gt(rows, 400);
    bb_csv_free(csv);
}
END_TEST

/* llama-quantize's own total for this file is 4.58 GiB (truth/quant_sizes.csv: 4912898304 bytes of tensors). */
START_TEST(embedded_default) {
    opened o;
    bb_plan p;
    open_model(&o, "llama-3.1-8b");
    bb_plan_request r = {.purpose = BB_FOR_LOAD, .engine = BB_ENGINE_LLAMA_CPP, .weights = "q4_K_M", .no_gpu = true};
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
    ck_assert_uint_eq(p.total_bytes, 4912898304u);
    ck_assert_uint_eq(p.parameters, 8030261248u);
    ck_assert_int_eq(p.fits, BB_FITS_UNKNOWN);
    bb_plan_clear(&p);
    close_model(&o);
}
END_TEST

/* The answer fits, the next step does not: checked by planning both, at many limits. */
START_TEST(longest_context) {
    opened o;
    open_model(&o, "llama-3.1-8b");
    for (uint64_t gib = 5; gib <= 24; gib++) {
        bb_plan_request r = {.purpose = BB_FOR_INFER,
                             .engine = BB_ENGINE_LLAMA_CPP,
                             .weights = "q4_K_M",
                             .cards[0].limit_bytes = gib << 30,
                             .parallel = gib % 3 + 1};
        bb_fit f;
        bb_plan p;
        ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_CTX, &f, NULL), BB_OK);
        uint64_t step = 256 * r.parallel;
        ck_assert_uint_eq(f.answer % step, 0);
        if (f.answer) {
            r.ctx = f.answer;
            ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
            ck_assert_uint_le(p.high_bytes, r.cards[0].limit_bytes);
            ck_assert_uint_eq(p.high_bytes, f.total_bytes);
            bb_plan_clear(&p);
        }
        if (f.model_limit) continue;
        r.ctx = f.answer + step;
        ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
        ck_assert_uint_gt(p.high_bytes, r.cards[0].limit_bytes);
        ck_assert_uint_eq(p.high_bytes, f.next_total_bytes);
        bb_plan_clear(&p);
    }
    close_model(&o);
}
END_TEST

/* llama.cpp's context is divided among the sequences: each of 4 may have all 512 tokens that the model knows. */
START_TEST(context_of_each_sequence) {
    static const struct {
        bool unified;
        bb_engine engine;
        uint64_t answer;
    } want[] = {{false, BB_ENGINE_LLAMA_CPP, 2048}, {true, BB_ENGINE_LLAMA_CPP, 512}, {false, BB_ENGINE_HF, 512}};
    opened o;
    bb_fit f;
    bb_plan p;
    open_model(&o, "demo");
    for (size_t i = 0; i < 3; i++) {
        bb_plan_request r = {.purpose = BB_FOR_INFER,
                             .engine = want[i].engine,
                             .parallel = 4,
                             .kv_unified = want[i].unified,
                             .cards[0].limit_bytes = 8ull << 30};
        ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_CTX, &f, NULL), BB_OK);
        ck_assert_uint_eq(f.answer, want[i].answer);
        ck_assert(f.model_limit);
        r.ctx = f.answer;
        ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
        ck_assert_str_eq(p.note[0], "");
        bb_plan_clear(&p);
        r.ctx = f.answer + 4;
        ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
        ck_assert_ptr_nonnull(strstr(p.note[0], "longer than the model's own 512"));
        bb_plan_clear(&p);
    }
    /* a limit below the smallest context */
    bb_plan_request r = {
        .purpose = BB_FOR_INFER, .engine = BB_ENGINE_LLAMA_CPP, .parallel = 4, .cards[0].limit_bytes = 1 << 20};
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_CTX, &f, NULL), BB_OK);
    ck_assert_uint_eq(f.answer, 0);
    ck_assert_uint_eq(f.total_bytes, 0);
    ck_assert_uint_eq(f.next, 1024);
    ck_assert(!f.model_limit);
    r.ctx = f.next;
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
    ck_assert_uint_eq(p.high_bytes, f.next_total_bytes);
    bb_plan_clear(&p);
    r.parallel = UINT64_MAX / 2;
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_CTX, &f, NULL), BB_E_OVERFLOW);
    close_model(&o);
}
END_TEST

/* A mixture on a count: the bits of the nearest model of the catalogue, between those of its neighbours in size. */
START_TEST(mixture_of_a_count) {
    static const struct {
        const char *count, *weights;
        double low, high; /* bits a parameter: the base type below, llama-2-7b's 4.84 and its neighbours around */
    } want[] = {{"7b", "q4_K_M", 4.5, 5.0}, {"1b", "q4_K_M", 4.5, 6.0}, {"70b", "q4_K_M", 4.5, 5.0}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        opened o;
        bb_plan p;
        open_model(&o, want[i].count);
        bb_plan_request r = {.purpose = BB_FOR_INFER, .engine = BB_ENGINE_SIMPLE};
        snprintf(r.weights, sizeof r.weights, "%s", want[i].weights);
        ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
        const bb_plan_line *l = &p.lines[0];
        double n = (double)o.subject.parameters;
        ck_assert_str_eq(p.used.weights, want[i].weights);
        ck_assert_int_eq(l->status, BB_MODELLED);
        ck_assert(l->low_bytes <= l->bytes && l->bytes <= l->high_bytes && l->low_bytes < l->high_bytes);
        ck_assert(8 * (double)l->low_bytes / n >= want[i].low && 8 * (double)l->high_bytes / n <= want[i].high);
        ck_assert_ptr_nonnull(strstr(l->formula, " bit of "));
        bb_plan_clear(&p);
        close_model(&o);
    }
    opened o;
    bb_plan p;
    open_model(&o, "18446744073709551615");
    bb_plan_request r = {.purpose = BB_FOR_LOAD, .engine = BB_ENGINE_SIMPLE, .weights = "q8_0"};
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_E_OVERFLOW);
    strcpy(r.weights, "q4_K_M"); /* far from every model: the base type is the lower end */
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
    ck_assert_uint_lt(p.low_bytes, p.total_bytes);
    bb_plan_clear(&p);
    close_model(&o);
}
END_TEST

/* What was found for one count does not stand for another: the inverse changes the parameters of a subject. */
START_TEST(mixtures_of_two_counts) {
    opened o, other;
    bb_plan p = {0}, fresh = {0};
    bb_plan_request r = {.purpose = BB_FOR_INFER, .engine = BB_ENGINE_SIMPLE, .weights = "q4_K_M"};
    open_model(&o, "7b");
    open_model(&other, "70b");
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
    bb_plan_clear(&p);
    o.subject.parameters = other.subject.parameters;
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
    ck_assert_int_eq(bb_plan_subject(&other.subject, &r, &fresh, NULL), BB_OK);
    ck_assert_uint_eq(p.total_bytes, fresh.total_bytes);
    ck_assert_uint_eq(p.high_bytes, fresh.high_bytes);
    bb_plan_clear(&p);
    bb_plan_clear(&fresh);
    close_model(&other);
    close_model(&o);
}
END_TEST

/* transformers keeps a position less than the window in layers that have one (cache_utils.py), MLA keeps every head. */
START_TEST(hf_caches) {
    static const struct {
        const char *model;
        uint64_t ctx, bytes;
    } want[] = {
        {"gemma-2-2b", 8192, (13 * 8192 + 13 * 4095) * UINT64_C(4) * 256 * 2 * 2}, /* every second layer */
        {"gemma-2-2b", 2048, 26 * 2048 * UINT64_C(4) * 256 * 2 * 2},               /* the window is not reached */
        {"deepseek-v2-lite", 4096, UINT64_C(27) * 16 * (192 + 128) * 4096 * 2},
        {"whisper-small", 448, UINT64_C(12) * 12 * 64 * 2 * (448 + 1500) * 2},
        {"bert-base-uncased", 512, 0},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        opened o;
        bb_plan p;
        bb_error err = {0};
        open_model(&o, want[i].model);
        bb_plan_request r = {.purpose = BB_FOR_INFER, .engine = BB_ENGINE_HF, .ctx = want[i].ctx, .kv_k = "bf16"};
        strcpy(r.kv_v, "bf16");
        ck_assert_msg(bb_plan_subject(&o.subject, &r, &p, &err) == BB_OK, "%s: %s", want[i].model, err.text);
        ck_assert_msg(bytes_of(&p, "kv_cache", "gpu0") == want[i].bytes, "%s: %llu is not %llu", want[i].model,
                      (unsigned long long)bytes_of(&p, "kv_cache", "gpu0"), (unsigned long long)want[i].bytes);
        bb_plan_clear(&p);
        close_model(&o);
    }
}
END_TEST

/* torch_dtype decides what is computed, and so what is kept: 8 heads of 128 in 32 layers, keys and values. */
START_TEST(caches_follow_the_computation) {
    static const struct {
        const char *weights, *type;
        uint64_t each;
    } want[] = {{"f32", "f32", 4}, {"f16", "f16", 2}, {"", "bf16", 2}, {"nf4", "bf16", 2}};
    static const bb_engine engines[] = {BB_ENGINE_HF, BB_ENGINE_VLLM};
    opened o;
    open_model(&o, "llama-3.1-8b");
    for (size_t i = 0; i < 2 * sizeof want / sizeof *want; i++) {
        bb_plan p;
        bb_plan_request r = {.purpose = BB_FOR_INFER, .engine = engines[i % 2], .ctx = 1024};
        strcpy(r.weights, want[i / 2].weights);
        ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
        ck_assert_str_eq(p.used.kv_k, want[i / 2].type);
        ck_assert_str_eq(p.used.kv_v, want[i / 2].type);
        ck_assert_uint_eq(bytes_of(&p, "kv_cache", "gpu0"), 2 * 8 * 128 * 32 * 1024 * want[i / 2].each);
        bb_plan_clear(&p);
    }
    close_model(&o);
}
END_TEST

/* Eager attention keeps the scores of one layer in fp32 and in the type of the values: memory.md M1. */
START_TEST(hf_attention) {
    opened o;
    bb_plan p;
    open_model(&o, "llama-3.1-8b");
    uint64_t bytes[3];
    for (int i = 0; i < 3; i++) {
        bb_plan_request r = {
            .purpose = BB_FOR_INFER, .engine = BB_ENGINE_HF, .ctx = 4096, .parallel = 2, .flash_attn = i - 1};
        ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
        bytes[i] = bytes_of(&p, "activations", "gpu0");
        ck_assert_int_eq(p.used.flash_attn, i - 1);
        bb_plan_clear(&p);
    }
    ck_assert_uint_eq(bytes[1], bytes[2]);
    uint64_t scores = 2ull * 32 * 4096 * 4096 * (4 + 2), rest = 2ull * 4096 * 2 * (2 * 4096 + 2 * 4096 + 2 * 1024);
    ck_assert_uint_eq(bytes[0], scores + rest);
    close_model(&o);
}
END_TEST

/* Rows add up to the totals; parts add up to their row. */
START_TEST(lines_add_up) {
    static const char *const models[] = {"llama-3.1-8b", "llama-3.2-1b", "mixtral-8x7b", "demo"};
    for (size_t m = 0; m < 4; m++) {
        opened o;
        open_model(&o, models[m]);
        for (uint64_t layers = 0; layers <= o.subject.n_layers + 2; layers += 3) {
            bb_plan_request r = {.purpose = BB_FOR_INFER,
                                 .engine = BB_ENGINE_LLAMA_CPP,
                                 .gpu_layers = layers,
                                 .gpu_layers_set = true,
                                 .cards[0].limit_bytes = 1};
            bb_plan p;
            ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
            uint64_t card = 0, host = 0, high = 0;
            for (size_t i = 0; i < p.n_lines; i++) {
                const bb_plan_line *l = &p.lines[i];
                ck_assert(l->low_bytes <= l->bytes && l->bytes <= l->high_bytes);
                if (strchr(l->component, ':')) continue;
                if (strcmp(l->device, "gpu0") == 0) {
                    card += l->bytes;
                    high += l->high_bytes;
                } else
                    host += l->bytes;
            }
            ck_assert_uint_eq(card, p.total_bytes);
            ck_assert_uint_eq(high, p.high_bytes);
            ck_assert_uint_eq(host, p.host_bytes);
            for (const char *const *d = (const char *const[]){"gpu0", "host", NULL}; *d; d++) {
                uint64_t parts = bytes_of(&p, "weights:output", *d) + bytes_of(&p, "weights:layers", *d) +
                                 bytes_of(&p, "weights:token_embd", *d);
                ck_assert_uint_eq(parts, bytes_of(&p, "weights", *d));
                ck_assert_uint_eq(bytes_of(&p, "kv_cache:k", *d) + bytes_of(&p, "kv_cache:v", *d),
                                  bytes_of(&p, "kv_cache", *d));
            }
            bb_plan_clear(&p);
        }
        close_model(&o);
    }
}
END_TEST

/* Each sequence of transformers has a context of its own; learned positions end, turned ones do not. */
START_TEST(hf_contexts) {
    static const struct {
        const char *model;
        uint64_t ctx, parallel;
        bb_status status;
    } cases[] = {{"llama-3.1-8b", 4, 8, BB_OK},
                 {"llama-2-7b", 8192, 1, BB_OK},
                 {"bloom-7b1", 8192, 1, BB_OK},
                 {"gpt2", 1024, 1, BB_OK},
                 {"gpt2", 1025, 1, BB_E_ARG},
                 {"opt-125m", 2049, 1, BB_E_ARG},
                 {"bert-base-uncased", 513, 1, BB_E_ARG},
                 {"whisper-small", 449, 1, BB_E_ARG}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        opened o;
        bb_plan p = {0};
        bb_error err = {0};
        open_model(&o, cases[i].model);
        bb_plan_request r = {
            .purpose = BB_FOR_INFER, .engine = BB_ENGINE_HF, .ctx = cases[i].ctx, .parallel = cases[i].parallel};
        ck_assert_msg(bb_plan_subject(&o.subject, &r, &p, &err) == cases[i].status, "%s: %s", cases[i].model, err.text);
        ck_assert(!cases[i].status || strstr(err.text, "learned"));
        bb_plan_clear(&p);
        close_model(&o);
    }
}
END_TEST

START_TEST(hostile_sizes) {
    opened o;
    bb_plan p;
    bb_error err = {0};
    open_model(&o, "llama-3.1-70b");
    bb_plan_request r = {.purpose = BB_FOR_INFER, .engine = BB_ENGINE_LLAMA_CPP, .ctx = 1ull << 60};
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, &err), BB_E_OVERFLOW);
    r = (bb_plan_request){.purpose = BB_FOR_INFER, .engine = BB_ENGINE_HF, .ctx = 1ull << 50, .parallel = 1ull << 40};
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, &err), BB_E_OVERFLOW);
    r = (bb_plan_request){.purpose = BB_FOR_INFER, .engine = BB_ENGINE_LLAMA_CPP, .weights = "q4_K_X"};
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, &err), BB_E_NAME);
    r = (bb_plan_request){.purpose = BB_FOR_INFER, .engine = BB_ENGINE_LLAMA_CPP, .ctx = 8, .parallel = 9};
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, &err), BB_E_ARG);
    close_model(&o);
    open_model(&o, "18446744073709551615");
    r = (bb_plan_request){.purpose = BB_FOR_LOAD, .engine = BB_ENGINE_SIMPLE, .weights = "f32"};
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, &err), BB_E_OVERFLOW);
    close_model(&o);
}
END_TEST

START_TEST(rule_of_thumb) {
    static const uint64_t want[4][2] = {
        {4000000000, 24000000000}, {2000000000, 12000000000}, {1000000000, 6000000000}, {500000000, 3000000000}};
    bb_rule_row rows[BB_RULE_ROWS];
    ck_assert_int_eq(bb_rule(1000000000, rows, NULL), BB_OK);
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(rows[i].load_bytes, want[i][0]);
        ck_assert_uint_eq(rows[i].train_bytes, want[i][1]);
    }
    ck_assert_int_eq(bb_rule(1, rows, NULL), BB_OK);
    ck_assert_uint_eq(rows[3].load_bytes, 1); /* half a byte, rounded up */
    ck_assert_int_eq(bb_rule(UINT64_MAX / 8, rows, NULL), BB_E_OVERFLOW);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("plan");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, measured_buffers);
    tcase_add_test(t, embedded_default);
    tcase_add_test(t, longest_context);
    tcase_add_test(t, context_of_each_sequence);
    tcase_add_test(t, mixture_of_a_count);
    tcase_add_test(t, mixtures_of_two_counts);
    tcase_add_test(t, caches_follow_the_computation);
    tcase_add_test(t, hf_attention);
    tcase_add_test(t, hf_caches);
    tcase_add_test(t, lines_add_up);
    tcase_add_test(t, hf_contexts);
    tcase_add_test(t, hostile_sizes);
    tcase_add_test(t, rule_of_thumb);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
