/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan_options.h - the options that plan and fit share, and the model, card and request they make. */
#ifndef BB_CLI_PLAN_OPTIONS_H
#define BB_CLI_PLAN_OPTIONS_H
#include "cli/commands.h"
#include "plan/plan.h"

/* Rows of an option table; their engines' own spellings are further names. */
#define CLI_PLAN_OPTIONS                                                                                               \
    {OPT_FOR,   "--for",                                                                                               \
     "PURPOSE", "load|infer|train|lora|qlora",                                                                         \
     false,     "what the memory is for (train, lora and qlora are not in this version)"},                             \
        {OPT_ENGINE, "--engine", "ENGINE",                                                                             \
         NULL,       false,      "simple, llama.cpp, hf, vllm or ollama; by the model, the weights and the options"},  \
        {OPT_WEIGHTS, "--weights", "TYPE", NULL, false, "storage or file type, or layout: bf16, q4_K_M, gptq"},        \
        {OPT_CTX, "--ctx --seq -c --ctx-size --max-model-len", "TOKENS", NULL, false, "context"},                      \
        {OPT_BATCH, "--batch -b --batch-size --max-num-batched-tokens", "TOKENS", NULL, false, "logical batch"},       \
        {OPT_UBATCH, "--ubatch -ub --ubatch-size", "TOKENS", NULL, false, "physical batch"},                           \
        {OPT_PARALLEL, "--parallel -np", "N", NULL, false, "sequences at a time"},                                     \
        {OPT_KV_UNIFIED, "--kv-unified -kvu", NULL, NULL, false, "one pool of cells for all sequences"},               \
        {OPT_KV, "--kv --kv-cache-dtype", "K[,V]", NULL, false, "storage types of keys and values"},                   \
        {OPT_KV_K, "--cache-type-k -ctk", "TYPE", NULL, false, "storage type of the keys"},                            \
        {OPT_KV_V, "--cache-type-v -ctv", "TYPE", NULL, false, "storage type of the values"},                          \
        {OPT_FLASH_ATTN,   "--flash-attn -fa --attention", "WHEN", "on|off|auto|eager|sdpa|flash", true,               \
         "flash attention"},                                                                                           \
        {OPT_GPU_LAYERS,                                                                                               \
         "--gpu-layers -ngl --n-gpu-layers",                                                                           \
         "N",                                                                                                          \
         NULL,                                                                                                         \
         false,                                                                                                        \
         "layers on the card, the output layer counted first; all"},                                                   \
        {OPT_OUTPUTS, "--outputs --max-num-seqs", "ROWS", NULL, false, "rows of logits that one batch may ask for"},   \
        {OPT_GPU, "--gpu", "NAME",                                                                                     \
         NULL,    false,   "the cards: names of data gpus, as in 'RTX 3090x2' or 'A,B'; local; none"},                 \
        {OPT_MEMORY, "--memory", "SIZE", NULL, false, "memory of a card that has no name; --gpus N cards of it"},      \
        {OPT_BANDWIDTH, "--bandwidth", "RATE", NULL, false, "its memory bandwidth, such as 1008GB/s"},                 \
        {OPT_FLOPS, "--tflops", "N", NULL, false, "its 16-bit TFLOP/s"},                                               \
        {OPT_BACKEND, "--backend", "WHICH", "cuda|generic", false, "how a card pads its buffers"},                     \
        {OPT_SPLIT_MODE, "--split-mode -sm", "MODE", "layer|row|none", false, "how several cards share the model"},    \
        {OPT_TENSOR_SPLIT, "--tensor-split -ts", "A,B,...", NULL, false, "share of each card"},                        \
        {OPT_MAIN_GPU, "--main-gpu -mg", "N", NULL, false, "the card of --split-mode none"},                           \
        {OPT_KV_HOST, "--no-kv-offload -nkvo", NULL, NULL, false, "the KV cache stays on the host"},                   \
        {OPT_SWA_FULL, "--swa-full", NULL, NULL, false, "layers with a window keep the whole context"},                \
        {OPT_NO_OP_OFFLOAD, "--no-op-offload", NULL, NULL, false, "host weights are computed on the host alone"},      \
        {OPT_NO_MMAP, "--no-mmap", NULL, NULL, false, "host weights are memory of the process"},                       \
        {OPT_CPU_MOE, "--cpu-moe -cmoe", NULL, NULL, false, "all experts stay on the host"},                           \
        {OPT_N_CPU_MOE, "--n-cpu-moe -ncmoe", "N", NULL, false, "experts of the first N layers stay on the host"},     \
        {OPT_OVERRIDE_TENSOR, "--override-tensor -ot", "REGEX=WHERE", NULL, false, "where tensors of that name lie"},  \
        {OPT_DRY_RUN_RULE, "--dry-run-rule", NULL, NULL, false, "the compute buffer as llama.cpp's dry run has it"},   \
        {OPT_WITH_IMATRIX, "--imatrix", NULL, NULL, false, "the mixture as made with an importance matrix"},           \
        {OPT_UTILIZATION, "--gpu-memory-utilization", "PART", NULL, false, "what vLLM takes of a card"},               \
        {OPT_TENSOR_PARALLEL, "--tensor-parallel-size -tp", "N", NULL, false, "cards that share each layer (vLLM)"},   \
        {OPT_PIPELINE_PARALLEL, "--pipeline-parallel-size -pp", "N", NULL, false, "groups of layers (vLLM)"},          \
        {OPT_BLOCK_SIZE, "--block-size", "TOKENS", NULL, false, "tokens of a block of vLLM's cache"},                  \
        {OPT_EAGER, "--enforce-eager", NULL, NULL, false, "no CUDA graphs (vLLM)"},                                    \
        {OPT_LONG_CTX, "--allow-long-ctx", NULL, NULL, false, "a context beyond the model's own (vLLM)"},              \
        {OPT_MEASURE_HOST, "--measure-host", NULL, NULL, false, "this machine's speed, for what the host computes"}, { \
        OPT_OVERHEAD, "--overhead", "SIZE", NULL, false, "instead of the parts of data overheads; 0 leaves them out"   \
    }

typedef struct cli_plan { /* what a command line asks about; clear in every case */
    bb_catalogue *cat;
    bb_model *model;
    bb_subject subject;
    bb_plan_request request;
} cli_plan;

/* The catalogue and the request, without a model. */
bb_status cli_plan_request(cli_call *call, cli_plan *p, bb_error *err);
/* A model that is there already is taken for the MODEL of the words. */
bb_status cli_plan_open(cli_call *call, cli_plan *p, bb_error *err);
void cli_plan_clear(cli_plan *p);
/* What --gpu, --memory, --gpus N, --bandwidth and --tflops say of the cards (plan_cards.c). */
bb_status cli_plan_cards(const cli_call *call, const bb_catalogue *cat, bb_plan_request *r, bb_error *err);
/* The speed of what the host computes: this machine's with --measure-host, which takes a while, or no more than its
 * bandwidth as it was told. */
bb_status cli_plan_host(const cli_call *call, bb_plan_request *r, bb_error *err);
/* The catalogue with the user's rows: --models, --gpus unless that is a number of cards. */
bb_status cli_plan_catalogue(const cli_args *args, bb_catalogue **cat, bb_error *err);

/* --sweep KEY=LIST or --matrix was given, or several models: the answer is a table of plans (plan_sweep.c). */
bool cli_plan_is_sweep(const cli_args *args);
bb_status cli_plan_sweep(cli_call *call, bb_error *err);
#endif
