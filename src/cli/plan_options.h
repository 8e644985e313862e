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
         NULL,       false,      "simple, llama.cpp or hf; by the model, the weights and the options when not given"}, \
        {OPT_WEIGHTS, "--weights", "TYPE", NULL, false, "storage or file type: bf16, q8_0, q4_K_M"},                   \
        {OPT_CTX, "--ctx --seq -c --ctx-size --max-model-len", "TOKENS", NULL, false, "context"},                      \
        {OPT_BATCH, "--batch -b --batch-size --max-num-batched-tokens", "TOKENS", NULL, false, "logical batch"},       \
        {OPT_UBATCH, "--ubatch -ub --ubatch-size", "TOKENS", NULL, false, "physical batch"},                           \
        {OPT_PARALLEL, "--parallel -np --max-num-seqs", "N", NULL, false, "sequences at a time"},                      \
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
        {OPT_OUTPUTS, "--outputs", "ROWS", NULL, false, "rows of logits that one batch may ask for"},                  \
        {OPT_GPU, "--gpu", "NAME", NULL, false, "the card: a name of data gpus, local, or none"},                      \
        {OPT_MEMORY, "--memory", "SIZE", NULL, false, "memory of the card, when it has no name"}, {                    \
        OPT_OVERHEAD, "--overhead", "SIZE", NULL, false, "instead of the interval of data overheads; 0 leaves it out"  \
    }

typedef struct cli_plan { /* what a command line asks about; clear in every case */
    bb_catalogue *cat;
    bb_model *model;
    bb_subject subject;
    bb_plan_request request;
} cli_plan;

bb_status cli_plan_open(cli_call *call, cli_plan *p, bb_error *err);
void cli_plan_clear(cli_plan *p);
/* The sentence of BB_E_UNSUPPORTED for an option that names or counts several cards. */
bb_status cli_no_several_cards(const char *option, const char *value, bb_error *err);
#endif
