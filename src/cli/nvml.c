/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nvml.c - names and memory of NVIDIA cards through dlopen, by the interface that NVIDIA documents (nvml.h). */
#include "cli/nvml.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* NVML API Reference: nvmlMemory_t; a result of 0 is NVML_SUCCESS. */
typedef struct nvml_memory {
    unsigned long long total, free, used;
} nvml_memory;

typedef struct nvml {
    void *library;
    int (*init)(void), (*shutdown)(void), (*count)(unsigned *n), (*handle)(unsigned index, void **device);
    int (*name)(void *device, char *name, unsigned length), (*memory)(void *device, nvml_memory *memory);
} nvml;

/* A pointer to a function is not converted from one to an object in C: its bytes are copied. */
static bool symbol(void *library, const char *name, void *function) {
    void *p = dlsym(library, name);
    memcpy(function, &p, sizeof p);
    return p != NULL;
}

static bool get_calls(nvml *n) {
    return symbol(n->library, "nvmlInit_v2", &n->init) && symbol(n->library, "nvmlShutdown", &n->shutdown) &&
           symbol(n->library, "nvmlDeviceGetCount_v2", &n->count) &&
           symbol(n->library, "nvmlDeviceGetHandleByIndex_v2", &n->handle) &&
           symbol(n->library, "nvmlDeviceGetName", &n->name) &&
           symbol(n->library, "nvmlDeviceGetMemoryInfo", &n->memory);
}

static bool read_card(const nvml *n, unsigned index, cli_device *card) {
    void *device = NULL;
    nvml_memory memory = {0};
    *card = (cli_device){0};
    if (n->handle(index, &device) != 0 || n->memory(device, &memory) != 0 || !memory.total) return false;
    if (n->name(device, card->name, sizeof card->name) != 0) (void)snprintf(card->name, sizeof card->name, "NVIDIA");
    card->name[sizeof card->name - 1] = '\0';
    card->total_bytes = memory.total;
    card->free_bytes = memory.free < memory.total ? memory.free : memory.total;
    return true;
}

static bb_status read_cards(const nvml *n, cli_device *cards, size_t most, size_t *found, bb_error *err) {
    unsigned count = 0;
    size_t seen = 0;
    cli_device card;
    int result = n->count(&count);
    if (result != 0) return bb_fail(err, BB_E_READ, "NVML does not count the cards (error %d)", result);
    for (unsigned i = 0; i < count; i++) {
        if (!read_card(n, i, &card)) continue;
        if (seen < most) cards[seen] = card;
        seen++;
    }
    *found = seen;
    return BB_OK;
}

bb_status cli_nvml_cards(const char *library, cli_device *cards, size_t most, size_t *n, bb_error *err) {
    nvml lib = {.library = dlopen(library, RTLD_NOW | RTLD_LOCAL)};
    if (!lib.library) return bb_fail(err, BB_E_OPEN, "%s is not there", library);
    bb_status s = BB_OK;
    int result = get_calls(&lib) ? lib.init() : -1;
    if (result < 0)
        s = bb_fail(err, BB_E_READ, "%s has other calls than NVML's", library);
    else if (result > 0)
        s = bb_fail(err, BB_E_READ, "NVML does not start (error %d)", result);
    else {
        s = read_cards(&lib, cards, most, n, err);
        (void)lib.shutdown();
    }
    (void)dlclose(lib.library);
    return s;
}
