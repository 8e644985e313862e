/* SPDX-License-Identifier: GPL-3.0-or-later */
/* family.c - the table of architectures that graph/ describes. */
#include "model/family.h"
#include <string.h>

/* Names: gguf-py's MODEL_ARCH_NAMES (llama.cpp v0.5.0) and transformers' model_type. Windows: set_swa_pattern in
 * llama.cpp's src/models/{gemma2,gemma3,openai-moe,olmo2}.cpp; phi3 and llama have a window there that is not used. */
static const bb_family families[] = {
    {.name = "llama", .types = {"llama", "mistral", "mixtral"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "qwen", .types = {"qwen"}, .gguf = true, .rotary = true, .half_ffn = true, .has_cache = true},
    {.name = "qwen2", .types = {"qwen2"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "qwen2moe", .types = {"qwen2_moe"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "qwen3", .types = {"qwen3"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "qwen3moe", .types = {"qwen3_moe"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "qwen3next", .types = {"qwen3_next"}, .gguf = true, .rotary = true, .linear = true, .has_cache = true},
    {.name = "qwen35",
     .types = {"qwen3_5", "qwen3_5_text"},
     .gguf = true,
     .rotary = true,
     .linear = true,
     .has_cache = true},
    {.name = "qwen35moe",
     .types = {"qwen3_5_moe", "qwen3_5_moe_text"},
     .gguf = true,
     .rotary = true,
     .linear = true,
     .has_cache = true},
    {.name = "gemma", .types = {"gemma"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "gemma2", .types = {"gemma2"}, .gguf = true, .rotary = true, .has_cache = true, .swa_period = 2},
    {.name = "gemma3",
     .types = {"gemma3", "gemma3_text"},
     .gguf = true,
     .rotary = true,
     .has_cache = true,
     .swa_period = 6},
    {.name = "phi2", .types = {"phi"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "phi3", .types = {"phi3"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "gpt2", .types = {"gpt2"}, .gguf = true, .has_cache = true},
    {.name = "gptneox", .types = {"gpt_neox"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "falcon",
     .types = {"falcon", "RefinedWebModel", "RefinedWeb"},
     .gguf = true,
     .rotary = true,
     .has_cache = true},
    {.name = "bloom", .types = {"bloom"}, .gguf = true, .has_cache = true},
    {.name = "stablelm", .types = {"stablelm", "stablelm_epoch"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "olmo", .types = {"olmo"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "olmo2", .types = {"olmo2", "olmo3"}, .gguf = true, .rotary = true, .has_cache = true, .swa_period = 4},
    {.name = "olmoe", .types = {"olmoe"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "internlm2", .types = {"internlm2"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "granite", .types = {"granite"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "granitemoe",
     .types = {"granitemoe", "granitemoeshared"},
     .gguf = true,
     .rotary = true,
     .has_cache = true},
    {.name = "deepseek2",
     .types = {"deepseek_v2", "deepseek_v3"},
     .gguf = true,
     .rotary = true,
     .mla = true,
     .has_cache = true},
    {.name = "gpt-oss", .types = {"gpt_oss"}, .gguf = true, .rotary = true, .has_cache = true, .swa_period = 2},
    {.name = "smollm3", .types = {"smollm3"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "chatglm", .types = {"chatglm"}, .gguf = true, .rotary = true, .has_cache = true},
    {.name = "bert", .types = {"bert"}, .gguf = true},
    {.name = "opt", .types = {"opt"}, .has_cache = true},
    {.name = "whisper", .types = {"whisper"}, .has_cache = true},
};

const bb_family *bb_family_at(size_t i) { return i < sizeof families / sizeof *families ? &families[i] : NULL; }

const bb_family *bb_family_find(const char *text) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (strcmp(families[i].name, text) == 0) return &families[i];
        for (size_t k = 0; k < BB_FAMILY_TYPES && families[i].types[k]; k++)
            if (strcmp(families[i].types[k], text) == 0) return &families[i];
    }
    return NULL;
}
