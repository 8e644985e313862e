/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_plan_command.c - command lines of llama.cpp, vLLM and Ollama as requests, and back with what differs. */
#include "cli/plan_command.h"
#include "harness.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cli_call call;
static cli_plan plan;
static cli_their_command their;
static bb_error err;
static char line[1024];
static char *argv[64];

static void setup(void) {
    call = (cli_call){.out = {.quiet = true}};
    plan = (cli_plan){0};
    err = (bb_error){0};
}
static void teardown(void) {
    cli_plan_clear(&plan);
    cli_command_clear(&their);
    cli_args_clear(&call.args);
}

extern const cli_command cli_plan_command;

/* `text` is what stands behind "bitbudget plan", words separated by single blanks. */
static bb_status read_line(const char *text) {
    int n = 0;
    teardown();
    setup();
    ck_assert_uint_lt(strlen(text), sizeof line);
    strcpy(line, text);
    for (char *p = strtok(line, " "); p; p = strtok(NULL, " ")) argv[n++] = p;
    bb_status s = cli_parse(n, argv, 0, cli_plan_command.options, false, false, "plan: ", &call.args, NULL, &err);
    if (s == BB_OK) ck_assert(cli_is_command(&call.args));
    if (s == BB_OK) s = cli_command_read(&call, &their, &err);
    if (s == BB_OK) s = cli_plan_open(&call, &plan, &err);
    return s == BB_OK ? cli_command_finish(&their, &plan, &err) : s;
}

static const bb_plan_request *request(const char *text) {
    ck_assert_msg(read_line(text) == BB_OK, "%s: %s", text, err.text);
    return &plan.request;
}

/* Defaults: tools/server/server.cpp, tools/cli/cli-server.h and common/common.h of llama.cpp v0.5.0. */
START_TEST(defaults) {
    const bb_plan_request *r = request("llama-3.1-8b -- llama-server -m x.gguf");
    ck_assert_int_eq(r->engine, BB_ENGINE_LLAMA_CPP);
    ck_assert_uint_eq(r->parallel, 4);
    ck_assert(r->kv_unified);
    ck_assert_uint_eq(r->outputs, 4);
    ck_assert_uint_eq(r->ctx, 131072); /* the model's */
    r = request("llama-3.1-8b -- llama-server -m x.gguf -np -1 -c 0");
    ck_assert_uint_eq(r->parallel, 4);
    ck_assert_uint_eq(r->ctx, 131072);
    r = request("llama-3.1-8b -- llama-server -m x.gguf -np 2 --kv-unified-per-slot 5000");
    ck_assert(!r->kv_unified);
    ck_assert_uint_eq(r->outputs, 2);
    ck_assert_uint_eq(r->ctx, 10000);
    ck_assert_uint_eq(request("llama-3.1-8b -- llama-server -m x.gguf --embeddings")->outputs, 0);
    r = request("llama-3.1-8b -- llama-cli -m x.gguf");
    ck_assert_uint_eq(r->parallel, 1);
    ck_assert_uint_eq(r->outputs, 1);
    ck_assert_uint_eq(request("llama-3.1-8b -- llama-completion -m x.gguf")->outputs, 0); /* n_batch */
    r = request("llama-3.1-8b -- vllm serve x");
    ck_assert_int_eq(r->engine, BB_ENGINE_VLLM);
    ck_assert_uint_eq(r->ctx + r->parallel + r->outputs, 0); /* the engine's own */
}
END_TEST

START_TEST(llama) {
    const bb_plan_request *r = request(
        "--gpu RTX-3090x2 -- llama-server -m /a/Meta-Llama-3.1-8B-Instruct-Q5_K_M.gguf -c 32768 -b 1024 -ub 256 "
        "-ngl 20 -ctk q8_0 -ctv q4_0 -fa on -sm row -ts 3,1 -nkvo --swa-full --no-op-offload --load-mode none "
        "-ncmoe 3 -ot exps=CPU --temp -0.5 --seed -1 --threads 8 --port 8080");
    ck_assert_str_eq(r->weights, "q5_K_M"); /* by the name of the file, which is not here */
    ck_assert_str_eq(plan.model->title, "llama-3.1-8b");
    ck_assert_uint_eq(r->ctx, 32768);
    ck_assert_uint_eq(r->batch, 1024);
    ck_assert_uint_eq(r->ubatch, 256);
    ck_assert_uint_eq(r->gpu_layers, 20);
    ck_assert_str_eq(r->kv_k, "q8_0");
    ck_assert_str_eq(r->kv_v, "q4_0");
    ck_assert_int_eq(r->flash_attn, 1);
    ck_assert_int_eq(r->split_mode, BB_SPLIT_ROW);
    ck_assert(r->cards[0].split == 3 && r->cards[1].split == 1);
    ck_assert(r->kv_on_host && r->swa_full && r->no_op_offload && r->no_mmap);
    ck_assert_uint_eq(r->cpu_moe_layers, 3);
    ck_assert_str_eq(r->override_tensor, "exps=CPU");
    /* ours before the "--" hold; the last of theirs wins */
    r = request("--ctx 1000 --weights q8_0 -- llama-cli -hf org/Llama-3.1-8B-GGUF:Q4_0 -c 2000 -ngl 5 -ngl auto -fa 0");
    ck_assert_uint_eq(r->ctx, 1000);
    ck_assert_str_eq(r->weights, "q8_0");
    ck_assert_uint_eq(r->gpu_layers, BB_ALL);
    ck_assert_int_eq(r->flash_attn, -1);
    r = request("-- LLAMA_ARG_CTX_SIZE=4096 LLAMA_ARG_FLASH_ATTN=off llama-server -hf org/Llama-3.1-8B-GGUF --mmap "
                "--new-thing 3");
    ck_assert_uint_eq(r->ctx, 4096);
    ck_assert_int_eq(r->flash_attn, -1);
    ck_assert_str_eq(r->weights, "q4_K_M"); /* what -hf takes without a type */
}
END_TEST

/* However often an option is written: each keeps its own text. */
START_TEST(repeated) {
    const bb_plan_request *r =
        request("llama-3.1-8b -- llama-server -m x -np 3 -c 4096 -c 4096 -c 4096 -c 4096 -c 4096 -c 4096 -ngl 20");
    ck_assert_uint_eq(r->parallel, 3);
    ck_assert_uint_eq(r->ctx, 4096);
    ck_assert_uint_eq(r->gpu_layers, 20);
    r = request("llama-3.1-8b --gpu RTX-3090x3 -- llama-bench -m x -ngl 7 -ts 0.3333333333/0.3333333333/0.25,1/1/1");
    ck_assert(r->cards[0].split == 0.3333333333 && r->cards[2].split == 0.25);
}
END_TEST

/* tools/llama-bench: n_ctx is n_prompt + n_gen + n_depth of a test; its prompt tests generate nothing. */
START_TEST(bench) {
    ck_assert_uint_eq(request("llama-3.1-8b -- llama-bench -m x.gguf")->ctx, 512);
    ck_assert_uint_eq(request("llama-3.1-8b -- llama-bench -m x.gguf -p 512,1024 -n 0 -d 0,4096")->ctx, 5120);
    ck_assert_uint_eq(request("llama-3.1-8b -- llama-bench -m x.gguf -p 0 -n 2048")->ctx, 2048);
    ck_assert_uint_eq(request("llama-3.1-8b -- llama-bench -m x.gguf -pg 1000,300 -ub 64,128")->ctx, 1300);
    ck_assert_uint_eq(plan.request.ubatch, 64);
    ck_assert_uint_eq(plan.request.outputs, 0);
}
END_TEST

START_TEST(vllm) {
    const bb_plan_request *r = request(
        "--gpu RTX-3090x2 -- vllm serve meta-llama/Llama-3.1-8B --max_model_len 32k --tensor-parallel-size=2 "
        "--gpu-memory-utilization 0.85 --kv-cache-dtype fp8 --dtype half --enforce-eager --trust-remote-code --port 80 "
        "--max-num-batched-tokens 8K --max-num-seqs 64 --block-size 32");
    ck_assert_str_eq(plan.model->title, "llama-3.1-8b");
    ck_assert_uint_eq(r->ctx, 32000); /* human_readable_int: k is 1000, K 1024 */
    ck_assert_uint_eq(r->batch, 8192);
    ck_assert_uint_eq(r->tensor_parallel, 2);
    ck_assert_uint_eq(r->outputs, 64);
    ck_assert_uint_eq(r->kv_block, 32);
    ck_assert(r->utilization == 0.85);
    ck_assert(r->eager);
    ck_assert_str_eq(r->kv_k, "e4m3fn");
    ck_assert_str_eq(r->weights, "f16");
}
END_TEST

/* --dtype is of what is not quantized, in any order; a checkpoint's own quantization too. */
START_TEST(vllm_types) {
    ck_assert_str_eq(request("llama-3.1-8b -- vllm serve x --quantization awq --dtype half")->weights, "awq");
    ck_assert_str_eq(request("llama-3.1-8b -- vllm serve x --dtype half --quantization awq")->weights, "awq");
    ck_assert_str_eq(request("llama-3.1-8b -- vllm serve x --dtype half")->weights, "f16");
    ck_assert_str_eq(request("llama-3.1-8b --weights fp8 -- vllm serve x --dtype half")->weights, "fp8");
    ck_assert_str_eq(request("llama-3.1-8b -- vllm serve x --dtype half --dtype auto")->weights, "");
    char folder[] = "/tmp/bb_awq_XXXXXX", path[64], text[96];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/config.json", folder);
    FILE *f = fopen(path, "w");
    fputs("{\"model_type\":\"llama\",\"hidden_size\":128,\"intermediate_size\":256,\"num_hidden_layers\":2,"
          "\"num_attention_heads\":4,\"vocab_size\":512,\"max_position_embeddings\":512,"
          "\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":128}}",
          f);
    fclose(f);
    snprintf(text, sizeof text, "%s -- vllm serve x --dtype half", folder);
    ck_assert_str_eq(request(text)->weights, "");
    unlink(path);
    rmdir(folder);
}
END_TEST

START_TEST(vllm_module) {
    const bb_plan_request *r = request("-- python3.11 -m vllm.entrypoints.openai.api_server --max-model-len 4096 "
                                       "--model meta-llama/Llama-3.1-8B -tp 2");
    ck_assert_int_eq(r->engine, BB_ENGINE_VLLM);
    ck_assert_str_eq(plan.model->title, "llama-3.1-8b");
    ck_assert_uint_eq(r->ctx, 4096);
    ck_assert_uint_eq(r->tensor_parallel, 2);
    ck_assert_int_ne(read_line("-- python -m http.server --model llama-3.1-8b"), BB_OK);
}
END_TEST

START_TEST(ollama) {
    const bb_plan_request *r = request(
        "-- OLLAMA_CONTEXT_LENGTH=16384 OLLAMA_NUM_PARALLEL=2 OLLAMA_KV_CACHE_TYPE=q8_0 OLLAMA_FLASH_ATTENTION=1 "
        "ollama run llama3.1:8b --verbose why is the sky blue");
    ck_assert_int_eq(r->engine, BB_ENGINE_OLLAMA);
    ck_assert_str_eq(plan.model->title, "llama-3.1-8b");
    ck_assert_str_eq(r->weights, "q4_K_M");
    ck_assert_uint_eq(r->ctx, 16384);
    ck_assert_uint_eq(r->parallel, 2);
    ck_assert_str_eq(r->kv_k, "q8_0");
    ck_assert_int_eq(r->flash_attn, 1);
}
END_TEST

START_TEST(mistakes) {
    static const struct {
        const char *line, *says;
    } wrong[] = {
        {"-- sleep 5", "is no program"},
        {"a b -- llama-server -m x.gguf", "one word too many before --"},
        {"-- llama-server -c 4096", "names no model"},
        {"-- llama-server -m", "needs a value"},
        {"-- llama-server -m x.gguf -c many", "expected a whole number"},
        {"-- llama-server -m llama-3.1-8b -fa maybe -c", "needs a value"},
        {"-- llama-server -hf org/x:q4_K_Q", "no file type"},
        {"-- llama-server -m /nonexistent/x.gguf", "x.gguf"},
        {"-- vllm meta-llama/Llama-3.1-8B", "expected vllm serve"},
        {"llama-3.1-8b -- vllm serve x --max-model-len 5z", "number of tokens"},
        {"llama-3.1-8b -- llama-bench -m x -p 5e99", "numbers of tokens"},
        {"llama-3.1-8b -- llama-server -m x --kv-unified-per-slot 9223372036854775807 -np 4", "passes 2^64"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_msg(read_line(wrong[i].line) != BB_OK, "%s", wrong[i].line);
        ck_assert_msg(strstr(err.text, wrong[i].says), "%s: %s", wrong[i].line, err.text);
    }
}
END_TEST

/* What the command becomes for another request; "" when it cannot say it. */
static const char *with(void (*change)(bb_plan_request *)) {
    static bb_str out;
    bb_plan_request to = plan.request;
    change(&to);
    bb_str_clear(&out);
    return cli_command_with(&their, &plan.request, &to, &out) ? bb_str_c(&out) : "";
}
static void shorter(bb_plan_request *r) { r->ctx = 4096; }
static void narrow(bb_plan_request *r) { strcpy(r->kv_k, "q8_0"), strcpy(r->kv_v, "q8_0"); }
static void narrow_fp8(bb_plan_request *r) { strcpy(r->kv_k, "e4m3fn"), strcpy(r->kv_v, "e4m3fn"); }
static void lighter(bb_plan_request *r) { strcpy(r->weights, "q3_K_M"); }
static void fewer(bb_plan_request *r) { r->gpu_layers = 12, r->gpu_layers_set = true; }
static void other_card(bb_plan_request *r) { r->n_cards = 2; }

START_TEST(back) {
    request("-- llama-server -hf org/Llama-3.1-8B-GGUF:Q4_K_M --ctx-size 8192 -a it's -fa on");
    ck_assert_str_eq(with(shorter), "llama-server -hf org/Llama-3.1-8B-GGUF:Q4_K_M -c 4096 -a 'it'\\''s' -fa on");
    ck_assert_str_eq(
        with(narrow),
        "llama-server -hf org/Llama-3.1-8B-GGUF:Q4_K_M --ctx-size 8192 -a 'it'\\''s' -fa on -ctk q8_0 -ctv q8_0");
    ck_assert_str_eq(with(lighter),
                     "llama-server -hf org/Llama-3.1-8B-GGUF:Q3_K_M --ctx-size 8192 -a 'it'\\''s' -fa on");
    ck_assert_str_eq(with(fewer),
                     "llama-server -hf org/Llama-3.1-8B-GGUF:Q4_K_M --ctx-size 8192 -a 'it'\\''s' -fa on -ngl 12");
    ck_assert_str_eq(with(other_card), ""); /* no option of the command */
    request("llama-3.1-8b -- llama-cli -m model.gguf -fa");
    ck_assert_str_eq(with(lighter), ""); /* the name tells no type */
    request("-- vllm serve meta-llama/Llama-3.1-8B --max-model-len=32000");
    ck_assert_str_eq(with(shorter), "vllm serve meta-llama/Llama-3.1-8B --max-model-len=4096");
    ck_assert_str_eq(with(narrow_fp8), "vllm serve meta-llama/Llama-3.1-8B --max-model-len=32000 --kv-cache-dtype fp8");
    request("-- ollama run llama3.1:8b-instruct-q8_0");
    ck_assert_str_eq(with(shorter), "OLLAMA_CONTEXT_LENGTH=4096 ollama run llama3.1:8b-instruct-q8_0");
    ck_assert_str_eq(with(lighter), "ollama run llama3.1:8b-instruct-q3_k_m");
}
END_TEST

/* common/fit.cpp: what was asked stays. */
START_TEST(shrinking) {
    char buf[160];
    request("llama-3.1-8b -- llama-server -m x.gguf");
    ck_assert_ptr_nonnull(strstr(cli_command_shrinks(&their, buf), "a shorter context, then fewer layers"));
    request("llama-3.1-8b -- llama-server -m x.gguf -c 4096 -ngl auto");
    ck_assert_ptr_nonnull(strstr(cli_command_shrinks(&their, buf), "take fewer layers"));
    request("llama-3.1-8b -- llama-server -m x.gguf -ngl all");
    ck_assert_ptr_nonnull(strstr(cli_command_shrinks(&their, buf), "a shorter context until"));
    request("llama-3.1-8b -- llama-server -m x.gguf -c 0 -ngl 99");
    ck_assert_str_eq(cli_command_shrinks(&their, buf), "");
    request("llama-3.1-8b -- llama-server -m x.gguf -fit off");
    ck_assert_str_eq(cli_command_shrinks(&their, buf), "");
    request("llama-3.1-8b -- llama-bench -m x.gguf");
    ck_assert_str_eq(cli_command_shrinks(&their, buf), "");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("plan_command");
    TCase *t = tcase_create("plan_command");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, defaults);
    tcase_add_test(t, llama);
    tcase_add_test(t, repeated);
    tcase_add_test(t, bench);
    tcase_add_test(t, vllm);
    tcase_add_test(t, vllm_types);
    tcase_add_test(t, vllm_module);
    tcase_add_test(t, ollama);
    tcase_add_test(t, mistakes);
    tcase_add_test(t, back);
    tcase_add_test(t, shrinking);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
