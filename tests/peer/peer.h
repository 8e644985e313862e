/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer.h - ggml's own library, found at run time: libggml-base.so in GGML_DIR or where npm puts it under the build. */
#ifndef BB_TESTS_PEER_H
#define BB_TESTS_PEER_H
#include "format/dtype.h"
#include "quant/quant.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first fields of ggml_type_traits (ggml.h of ggml 0.25.1). */
typedef struct peer_traits {
    const char *name;
    int64_t block, interleave;
    size_t bytes;
    bool quantized;
    void (*decode)(const void *data, float *x, int64_t n);
    void (*encode)(const float *x, void *data, int64_t n);
} peer_traits;

typedef struct peer {
    const peer_traits *(*traits)(int type);
    size_t (*quantize)(int type, const float *x, void *out, int64_t first, int64_t rows, int64_t cols, const float *im);
    void (*init)(int type);
} peer;

static const char *const peer_types[] = {"q4_0",  "q4_1",  "q5_0",  "q5_1",  "q8_0",   "q2_K",
                                         "q3_K",  "q4_K",  "q5_K",  "q6_K",  "iq4_nl", "iq4_xs",
                                         "tq1_0", "tq2_0", "mxfp4", "nvfp4", "q1_0",   "q2_0"};
enum { PEER_TYPES = sizeof peer_types / sizeof *peer_types };
static const bb_isa peer_isas[] = {BB_ISA_SCALAR, BB_ISA_AVX2, BB_ISA_AVX512};

static inline bool peer_symbol(void *library, const char *name, void *function) {
    void *p = dlsym(library, name);
    memcpy(function, &p, sizeof p);
    return p != NULL;
}

/* The folder of the libraries. */
static inline void peer_dir(char *dir, size_t size) {
    const char *given = getenv("GGML_DIR"), *build = getenv("BB_BUILD");
    if (given && *given)
        snprintf(dir, size, "%s", given);
    else
        snprintf(dir, size, "%s/peer/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64",
                 build && *build ? build : "build");
}

/* False when the library is not there. */
static inline bool peer_open(peer *p) {
    char dir[4096], path[4200];
    peer_dir(dir, sizeof dir);
    snprintf(path, sizeof path, "%s/libggml-base.so", dir);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return library && peer_symbol(library, "ggml_get_type_traits", &p->traits) &&
           peer_symbol(library, "ggml_quantize_chunk", &p->quantize) &&
           peer_symbol(library, "ggml_quantize_init", &p->init);
}
#endif
