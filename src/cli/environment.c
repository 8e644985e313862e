/* SPDX-License-Identifier: GPL-3.0-or-later */
/* environment.c - what the environment says of where other programs keep models. */
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
