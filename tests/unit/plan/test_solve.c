/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_solve.c - the inverse against plans of every value around the answer, and ways out that must fit. */
#include "plan/opened.h"
#include "plan/solve.h"
#include "plan/ways.h"
#include <string.h>

static bb_plan_request on_card(bb_engine engine, const char *weights, uint64_t limit_bytes) {
    bb_plan_request r = {.purpose = BB_FOR_INFER, .engine = engine, .cards[0].limit_bytes = limit_bytes, .n_cards = 1};
    snprintf(r.weights, sizeof r.weights, "%s", weights);
    return r;
}

/* Whether the request with that value of the unknown fits, and its high end. */
static bool fits_at(opened *o, const bb_plan_request *ask, const bb_fit *fit, uint64_t value, const char *name,
                    uint64_t *high) {
    bb_fit at = *fit;
    bb_plan_request r;
    bb_plan p = {0};
    at.answer = value;
    snprintf(at.answer_name, sizeof at.answer_name, "%s", name);
    ck_assert(bb_solve_request(ask, &at, &r));
    ck_assert_int_eq(bb_plan_subject(&o->subject, &r, &p, NULL), BB_OK);
    bool fits = p.fits == BB_FITS_YES;
    *high = p.high_bytes;
    bb_plan_clear(&p);
    return fits;
}

/* The answer fits and needs what the fit says; the next step does not fit. */
static void check(opened *o, const bb_plan_request *ask, bb_solve solve, bool *found) {
    bb_fit f;
    bb_error err = {0};
    uint64_t high;
    ck_assert_msg(bb_solve_subject(&o->subject, ask, solve, &f, &err) == BB_OK, "%s: %s", bb_solve_name(solve),
                  err.text);
    ck_assert_int_eq(f.solve, solve);
    *found = f.answer != 0;
    if (f.answer) {
        ck_assert(fits_at(o, ask, &f, f.answer, f.answer_name, &high));
        ck_assert_uint_eq(high, f.total_bytes);
    } else {
        ck_assert_uint_eq(f.total_bytes, 0);
        ck_assert(!f.model_limit);
    }
    if (!f.next_total_bytes) return;
    ck_assert(!fits_at(o, ask, &f, f.next, f.next_name, &high));
    ck_assert_uint_eq(high, f.next_total_bytes);
    ck_assert_str_eq(f.next_device, "gpu0");
    ck_assert_uint_gt(f.next_device_bytes, f.next_device_limit_bytes); /* the card that decides */
}

START_TEST(answer_fits_and_next_does_not) {
    static const bb_solve all[] = {BB_SOLVE_CTX,    BB_SOLVE_BATCH,   BB_SOLVE_SLOTS,
                                   BB_SOLVE_LAYERS, BB_SOLVE_WEIGHTS, BB_SOLVE_KV};
    static const char *const models[] = {"llama-3.1-8b", "qwen3-30b-a3b", "gemma-3-12b"};
    size_t answers = 0, none = 0;
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        opened o;
        open_model(&o, models[m]);
        for (uint64_t gib = 2; gib <= 26; gib += 6)
            for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
                bool found;
                bb_plan_request r = on_card(BB_ENGINE_LLAMA_CPP, "q4_K_M", gib << 30);
                if (all[i] != BB_SOLVE_CTX) r.ctx = 20000;
                check(&o, &r, all[i], &found);
                answers += found;
                none += !found;
            }
        close_model(&o);
    }
    ck_assert_uint_gt(answers, 20);
    ck_assert_uint_gt(none, 5);
}
END_TEST

/* What every single value would have said. */
START_TEST(same_as_all_values) {
    opened o;
    open_model(&o, "llama-3.2-1b");
    for (uint64_t mib = 900; mib <= 3000; mib += 350) {
        static const struct {
            bb_solve solve;
            uint64_t most;
        } ranges[] = {{BB_SOLVE_SLOTS, 40}, {BB_SOLVE_LAYERS, 17}};
        for (size_t i = 0; i < 2; i++) {
            bb_plan_request r = on_card(BB_ENGINE_LLAMA_CPP, "q8_0", mib << 20);
            bb_fit f;
            uint64_t high, best = 0;
            r.ctx = 3000;
            ck_assert_int_eq(bb_solve_subject(&o.subject, &r, ranges[i].solve, &f, NULL), BB_OK);
            for (uint64_t n = 1; n <= ranges[i].most; n++)
                if (fits_at(&o, &r, &f, n, "", &high)) best = n;
            ck_assert_uint_eq(f.answer < ranges[i].most ? f.answer : ranges[i].most, best);
        }
    }
    close_model(&o);
}
END_TEST

/* vLLM divides the cards by its tensor parallel size, which has to divide the heads. */
START_TEST(cards_of_vllm) {
    static const bb_solve all[] = {BB_SOLVE_CTX, BB_SOLVE_SLOTS, BB_SOLVE_WEIGHTS, BB_SOLVE_KV, BB_SOLVE_GPUS};
    opened o;
    open_model(&o, "llama-3.1-8b");
    for (uint64_t gib = 8; gib <= 40; gib += 8)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            bool found;
            bb_plan_request r = on_card(BB_ENGINE_VLLM, "bf16", gib << 30);
            if (all[i] != BB_SOLVE_CTX) r.ctx = 16384;
            check(&o, &r, all[i], &found);
            if (gib == 40) ck_assert(found);
        }
    bb_plan_request r = on_card(BB_ENGINE_VLLM, "bf16", 8ull << 30);
    bb_fit f;
    r.ctx = 16384;
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_GPUS, &f, NULL), BB_OK);
    ck_assert_uint_eq(32 % f.answer, 0);
    close_model(&o);
}
END_TEST

/* ollama's context is of each sequence, where llama.cpp divides one among them. */
START_TEST(contexts_of_ollama) {
    opened o;
    bb_fit f;
    bb_plan_request at;
    bool found;
    open_model(&o, "llama-3.1-8b");
    bb_plan_request r = on_card(BB_ENGINE_OLLAMA, "q4_K_M", 16ull << 30);
    r.parallel = 4;
    check(&o, &r, BB_SOLVE_CTX, &found);
    ck_assert(found);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_CTX, &f, NULL), BB_OK);
    /* f16: 2^17 bytes a token; 4 contexts do not fit beside 4.6 GiB of weights where one of them more than does */
    ck_assert_uint_lt(4 * f.answer << 17, 12ull << 30);
    ck_assert_uint_gt(4 * f.answer << 17, 6ull << 30);
    r.parallel = 1;
    r.cards[0].limit_bytes = 80ull << 30;
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_CTX, &f, NULL), BB_OK);
    ck_assert_uint_eq(f.answer, 131072);
    ck_assert(f.model_limit);
    r.ctx = 4096;
    r.parallel = 0;
    r.cards[0].limit_bytes = 16ull << 30;
    check(&o, &r, BB_SOLVE_SLOTS, &found);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_SLOTS, &f, NULL), BB_OK);
    ck_assert_uint_gt(f.answer << 29, 6ull << 30); /* 4096 tokens of 2^17 bytes */
    ck_assert(bb_solve_request(&r, &f, &at));
    ck_assert_uint_eq(at.ctx, 4096);
    close_model(&o);
}
END_TEST

/* Two bytes a parameter, and nothing else: half the limit. */
START_TEST(parameters_of_a_count) {
    opened o;
    bb_fit f;
    open_model(&o, "7b");
    bb_plan_request r = on_card(BB_ENGINE_SIMPLE, "f16", 24000000001);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_PARAMS, &f, NULL), BB_OK);
    ck_assert_uint_eq(f.answer, 12000000000);
    ck_assert_uint_eq(f.total_bytes, 24000000000);
    ck_assert_uint_eq(f.next_total_bytes, 24000000002);
    ck_assert_uint_eq(o.subject.parameters, 7000000000);
    close_model(&o);
}
END_TEST

/* With the room that a model takes, its own layers are the answer; a byte less, one layer less. */
START_TEST(parameters_of_a_shape) {
    opened o;
    bb_fit f;
    bb_plan p = {0};
    open_model(&o, "llama-3.1-8b");
    bb_plan_request r = on_card(BB_ENGINE_LLAMA_CPP, "q8_0", 24ull << 30);
    r.overhead_set = true; /* that of a card goes by its size */
    ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
    r.cards[0].limit_bytes = p.high_bytes;
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_PARAMS, &f, NULL), BB_OK);
    ck_assert_uint_eq(f.answer, 8030261248);
    ck_assert_str_eq(f.answer_name, "32 layers");
    r.cards[0].limit_bytes--;
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_PARAMS, &f, NULL), BB_OK);
    ck_assert_str_eq(f.answer_name, "31 layers");
    ck_assert_uint_eq(f.next, 8030261248);
    bb_plan_clear(&p);
    close_model(&o);
}
END_TEST

/* With layers on the host a longer context may need less: the answer is the longest of all multiples of 256 there. */
START_TEST(need_that_falls) {
    opened o;
    bb_fit f;
    uint64_t high;
    open_model(&o, "llama-3.1-405b");
    bb_plan_request r = on_card(BB_ENGINE_LLAMA_CPP, "f16", 0);
    for (size_t i = 0; i < 3; i++) bb_plan_card_of(bb_gpu_find(cat, "RTX 5080", NULL), &r.cards[i]);
    r.n_cards = 3;
    r.gpu_layers = 5;
    r.gpu_layers_set = true;
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_CTX, &f, NULL), BB_OK);
    ck_assert_uint_ge(f.answer, 6912);
    ck_assert(fits_at(&o, &r, &f, f.answer, "", &high));
    for (uint64_t ctx = f.answer + 256; ctx <= 131072; ctx += 256) ck_assert(!fits_at(&o, &r, &f, ctx, "", &high));
    close_model(&o);
}
END_TEST

START_TEST(what_is_refused) {
    opened o;
    bb_fit f;
    open_model(&o, "llama-3.1-8b");
    bb_plan_request r = on_card(BB_ENGINE_HF, "bf16", 24ull << 30);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_LAYERS, &f, NULL), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_BATCH, &f, NULL), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_KV, &f, NULL), BB_E_UNSUPPORTED);
    r = on_card(BB_ENGINE_LLAMA_CPP, "q4_K_M", 0);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_SLOTS, &f, NULL), BB_E_ARG);
    r = on_card(BB_ENGINE_LLAMA_CPP, "q4_K_M", 24ull << 30);
    r.no_gpu = true;
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_LAYERS, &f, NULL), BB_E_ARG);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_GPUS, &f, NULL), BB_E_ARG);
    r.no_gpu = false;
    r.ctx = UINT64_MAX; /* of each sequence */
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_SLOTS, &f, NULL), BB_E_OVERFLOW);
    r = on_card(BB_ENGINE_HF, "bf16", 4ull << 30); /* which plans one card */
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_GPUS, &f, NULL), BB_E_UNSUPPORTED);
    close_model(&o);
    open_model(&o, "bert-base-uncased"); /* no cache, so that no type of it and no number of sequences fits better */
    r = on_card(BB_ENGINE_LLAMA_CPP, "q8_0", 8ull << 30);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_KV, &f, NULL), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_CTX, &f, NULL), BB_OK);
    r = on_card(BB_ENGINE_VLLM, "", 8ull << 30);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_CTX, &f, NULL), BB_E_UNSUPPORTED);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_SLOTS, &f, NULL), BB_E_UNSUPPORTED);
    close_model(&o);
    open_model(&o, "1e18");
    r = on_card(BB_ENGINE_SIMPLE, "f16", 1ull << 60);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_PARAMS, &f, NULL), BB_OK);
    ck_assert_uint_eq(f.answer, 1ull << 59);
    ck_assert_int_eq(bb_solve_subject(&o.subject, &r, BB_SOLVE_CTX, &f, NULL), BB_E_UNSUPPORTED);
    close_model(&o);
}
END_TEST

/* Every way fits and is what it says to be; a plan that fits needs none. */
START_TEST(ways_fit) {
    static const struct {
        const char *model, *weights, *gpu;
        uint64_t ctx;
    } cases[] = {{"llama-3.1-70b", "q4_K_M", "RTX 4090", 8192},
                 {"llama-3.1-8b", "q8_0", "RTX 3060", 131072},
                 {"qwen3-30b-a3b", "q8_0", "RTX 4090", 16384},
                 {"llama-3.1-8b", "q4_K_M", "RTX 3060", 65536}};
    unsigned seen = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        opened o;
        bb_plan_way ways[BB_WAY_CHANGES];
        bb_plan p = {0};
        size_t n = 99;
        open_model(&o, cases[i].model);
        bb_plan_request r = on_card(BB_ENGINE_LLAMA_CPP, cases[i].weights, 0);
        bb_plan_card_of(bb_gpu_find(cat, cases[i].gpu, NULL), &r.cards[0]);
        r.ctx = cases[i].ctx;
        ck_assert_int_eq(bb_plan_ways(&o.subject, &r, ways, BB_WAY_CHANGES, &n, NULL), BB_OK);
        ck_assert_uint_ge(n, 2);
        for (size_t k = 0; k < n; k++) {
            seen |= 1u << ways[k].change;
            ck_assert_int_eq(bb_plan_subject(&o.subject, &ways[k].request, &p, NULL), BB_OK);
            ck_assert_int_eq(p.fits, BB_FITS_YES);
            ck_assert_uint_eq(p.high_bytes, ways[k].high_bytes);
            ck_assert_uint_le(ways[k].high_bytes, ways[k].limit_bytes);
            ck_assert(k == 0 || ways[k].change > ways[k - 1].change);
            ck_assert(strncmp(ways[k].options, "--", 2) == 0);
            bb_plan_clear(&p);
        }
        r.cards[0].limit_bytes = 1ull << 50;
        ck_assert_int_eq(bb_plan_ways(&o.subject, &r, ways, BB_WAY_CHANGES, &n, NULL), BB_OK);
        ck_assert_uint_eq(n, 0);
        close_model(&o);
    }
    ck_assert(seen & 1u << BB_WAY_KV && seen & 1u << BB_WAY_WEIGHTS && seen & 1u << BB_WAY_CTX);
    ck_assert(seen & 1u << BB_WAY_LAYERS && seen & 1u << BB_WAY_CARD);
}
END_TEST

/* Another card: the smallest one that takes all of it, also below the sum of several, with what one card needs said. */
START_TEST(another_card) {
    static const struct {
        bb_engine engine;
        const char *weights;
    } cases[] = {{BB_ENGINE_LLAMA_CPP, "q8_0"}, {BB_ENGINE_VLLM, "fp8"}};
    for (size_t i = 0; i < 2; i++) {
        opened o;
        bb_plan_way ways[BB_WAY_CHANGES], *w = NULL;
        bb_plan p = {0};
        size_t n = 0;
        bool vllm = cases[i].engine == BB_ENGINE_VLLM;
        const bb_gpu *small = bb_gpu_find(cat, "RTX 3060 12GB", NULL), *chosen = NULL;
        open_model(&o, "qwen3-8b");
        bb_plan_request r = on_card(cases[i].engine, cases[i].weights, 0);
        for (r.n_cards = 0; r.n_cards < 2; r.n_cards++) bb_plan_card_of(small, &r.cards[r.n_cards]);
        r.ctx = 65536;
        r.long_ctx = true;                                    /* the model knows 40960 */
        r.split_mode = vllm ? BB_SPLIT_LAYER : BB_SPLIT_NONE; /* the first card takes all */
        r.tensor_parallel = vllm ? 2 : 0;
        ck_assert_int_eq(bb_plan_ways(&o.subject, &r, ways, BB_WAY_CHANGES, &n, NULL), BB_OK);
        for (size_t k = 0; k < n; k++)
            if (ways[k].change == BB_WAY_CARD) w = &ways[k];
        ck_assert_ptr_nonnull(w);
        ck_assert_uint_eq(w->request.n_cards, 1);
        ck_assert_uint_eq(strstr(w->options, " -tp 1") != NULL, vllm);
        ck_assert_uint_eq(w->request.tensor_parallel, vllm);
        ck_assert_ptr_nonnull(chosen = bb_gpu_find(cat, w->request.cards[0].name, NULL));
        for (size_t k = 0; k < bb_catalogue_gpus(cat); k++) { /* no smaller one of the vendor does */
            const bb_gpu *g = bb_catalogue_gpu(cat, k);
            bb_plan_request one = w->request;
            if (strcmp(g->vendor, small->vendor) != 0 || !g->usable_bytes || g->usable_bytes >= chosen->usable_bytes)
                continue;
            bb_plan_card_of(g, &one.cards[0]);
            ck_assert(bb_plan_subject(&o.subject, &one, &p, NULL) != BB_OK || p.fits != BB_FITS_YES);
            bb_plan_clear(&p);
        }
        close_model(&o);
    }
}
END_TEST

/* The files that llama.cpp's own table of this model lists grow along the ladder. */
START_TEST(ladder_is_ordered) {
    opened o;
    uint64_t before = UINT64_MAX;
    open_model(&o, "llama-3.1-8b");
    bb_plan_request r = on_card(BB_ENGINE_LLAMA_CPP, "", 1);
    r.purpose = BB_FOR_LOAD;
    r.imatrix = true;
    const char *name;
    for (size_t i = 0; (name = bb_ladder_weights(&r, i)); i++) {
        bb_plan p = {0};
        snprintf(r.weights, sizeof r.weights, "%s", name);
        ck_assert_int_eq(bb_plan_subject(&o.subject, &r, &p, NULL), BB_OK);
        uint64_t all = p.total_bytes + p.host_bytes;
        ck_assert_msg(all <= before, "%s is wider than the rung above it", name);
        before = all;
        bb_plan_clear(&p);
    }
    close_model(&o);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("solve");
    TCase *c = tcase_create("solve");
    tcase_add_unchecked_fixture(c, setup, teardown);
    tcase_add_test(c, answer_fits_and_next_does_not);
    tcase_add_test(c, same_as_all_values);
    tcase_add_test(c, cards_of_vllm);
    tcase_add_test(c, contexts_of_ollama);
    tcase_add_test(c, parameters_of_a_count);
    tcase_add_test(c, parameters_of_a_shape);
    tcase_add_test(c, need_that_falls);
    tcase_add_test(c, what_is_refused);
    tcase_add_test(c, ways_fit);
    tcase_add_test(c, another_card);
    tcase_add_test(c, ladder_is_ordered);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    return s;
}

TEST_MAIN(make_suite)
