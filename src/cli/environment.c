/* SPDX-License-Identifier: GPL-3.0-or-later */
/* environment.c - what the environment says: where other programs keep models, which instructions to use, where
 * ggml is. */
#include "cli/commands.h"
#include <stdlib.h>

void cli_stores_init(bb_stores *stores) {
    const bb_stores_places places = {.home = getenv("HOME"),
                                     .xdg_cache_home = getenv("XDG_CACHE_HOME"),
                                     .hf_home = getenv("HF_HOME"),
                                     .hf_hub_cache = getenv("HF_HUB_CACHE"),
                                     .ollama_models = getenv("OLLAMA_MODELS")};
    bb_stores_init(stores, &places);
}

void cli_isa_from_environment(cli_args *args) {
    const char *isa = getenv("BITBUDGET_ISA");
    if (isa && *isa && !args->value[OPT_ISA]) args->value[OPT_ISA] = isa;
}

const char *cli_ggml_dir(const cli_args *args) {
    const char *dir = getenv("GGML_DIR");
    return args->value[OPT_GGML] ? args->value[OPT_GGML] : dir && *dir ? dir : NULL;
}
