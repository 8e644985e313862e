/* SPDX-License-Identifier: GPL-3.0-or-later */
/* environment.c - what the environment says: where other programs keep models, which instructions to use, where
 * ggml is, and what was measured on this machine. */
#include "cli/commands.h"
#include <stdio.h>
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

bool cli_overheads_path(char *path, size_t size) {
    const char *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int n = -1;
    if (base && base[0] == '/') /* relative values do not count: XDG base directory specification */
        n = snprintf(path, size, "%s/bitbudget/overheads.csv", base);
    else if (home && home[0] == '/')
        n = snprintf(path, size, "%s/.local/share/bitbudget/overheads.csv", home);
    return n > 0 && (size_t)n < size;
}

bb_status cli_add_overheads(bb_catalogue *cat, bb_error *err) {
    char path[BB_PATH_SIZE];
    return cli_overheads_path(path, sizeof path) ? bb_catalogue_add_overheads(cat, path, err) : BB_OK;
}

const char *cli_ggml_dir(const cli_args *args) {
    const char *dir = getenv("GGML_DIR");
    return args->value[OPT_GGML] ? args->value[OPT_GGML] : dir && *dir ? dir : NULL;
}
