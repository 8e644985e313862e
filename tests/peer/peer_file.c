/* SPDX-License-Identifier: GPL-3.0-or-later */
/* peer_file.c - llama_model_quantize of libllama v0.5.0 (GGML_DIR) with its options:
 *   peer_file IN OUT FTYPE [keep-split] [pure] [requantize] [leave-output] [imatrix=FILE] [output=ID] [embedding=ID]
 *             [tensor=REGEX=ID] */
#include "model/imatrix.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* llama.h of v0.5.0 */
typedef struct peer_imatrix {
    const char *name;
    const float *data;
    size_t size;
} peer_imatrix;

typedef struct peer_override {
    int tag; /* 0 = integer, 3 = text */
    char key[128];
    union {
        int64_t i64;
        char text[128];
    } v;
} peer_override;

typedef struct peer_tensor {
    const char *pattern;
    int type;
} peer_tensor;

typedef struct peer_params {
    int32_t threads;
    int ftype, output_type, embedding_type;
    bool allow_requantize, quantize_output, only_copy, pure, keep_split, dry_run;
    const peer_imatrix *imatrix;
    const peer_override *overrides;
    const peer_tensor *tensors;
    const int32_t *prune;
    size_t most_buffer;
} peer_params;

static void *symbol(void *library, const char *name) {
    void *p = dlsym(library, name);
    if (!p) {
        fprintf(stderr, "peer_file: no %s: %s\n", name, dlerror());
        exit(3);
    }
    return p;
}

/* As tools/quantize/quantize.cpp hands it over: the weights, and where they came from as keys. */
static void take_imatrix(const char *path, peer_params *p) {
    bb_imatrix *m = NULL;
    bb_error err = {0};
    if (bb_imatrix_open(path, &m, &err) != BB_OK) {
        fprintf(stderr, "peer_file: %s\n", err.text);
        exit(3);
    }
    size_t n = bb_imatrix_count(m);
    peer_imatrix *list = calloc(n + 1, sizeof *list);
    peer_override *keys = calloc(5, sizeof *keys), *k = keys;
    if (!list || !keys) exit(3);
    for (size_t i = 0; i < n; i++) {
        uint64_t cols = 0, experts = 0;
        list[i].name = bb_imatrix_name(m, i);
        list[i].data = bb_imatrix_weights(m, list[i].name, &cols, &experts);
        list[i].size = (size_t)(cols * experts);
    }
    k->tag = 3;
    strcpy(k->key, "quantize.imatrix.file");
    snprintf(k++->v.text, 128, "%s", path);
    if (*bb_imatrix_dataset(m)) {
        k->tag = 3;
        strcpy(k->key, "quantize.imatrix.dataset");
        snprintf(k++->v.text, 128, "%s", bb_imatrix_dataset(m));
    }
    strcpy(k->key, "quantize.imatrix.entries_count");
    k++->v.i64 = (int64_t)n;
    if (bb_imatrix_chunks(m)) {
        strcpy(k->key, "quantize.imatrix.chunks_count");
        k++->v.i64 = (int64_t)bb_imatrix_chunks(m);
    }
    p->imatrix = list;
    p->overrides = keys;
}

static void take_tensor(char *text, peer_params *p) {
    static peer_tensor list[17];
    static size_t n;
    char *equals = strrchr(text, '=');
    if (!equals || n == 16) exit(2);
    *equals = 0;
    list[n++] = (peer_tensor){text, atoi(equals + 1)};
    p->tensors = list;
}

static void take_option(char *word, peer_params *p) {
    if (strcmp(word, "keep-split") == 0)
        p->keep_split = true;
    else if (strcmp(word, "pure") == 0)
        p->pure = true;
    else if (strcmp(word, "requantize") == 0)
        p->allow_requantize = true;
    else if (strcmp(word, "leave-output") == 0)
        p->quantize_output = false;
    else if (strncmp(word, "imatrix=", 8) == 0)
        take_imatrix(word + 8, p);
    else if (strncmp(word, "output=", 7) == 0)
        p->output_type = atoi(word + 7);
    else if (strncmp(word, "embedding=", 10) == 0)
        p->embedding_type = atoi(word + 10);
    else if (strncmp(word, "tensor=", 7) == 0)
        take_tensor(word + 7, p);
    else
        exit(2);
}

int main(int argc, char **argv) {
    char path[4096];
    const char *dir = getenv("GGML_DIR");
    if (argc < 4 || !dir) return 2;
    snprintf(path, sizeof path, "%s/libllama.v0.5.0.so", dir);
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
        fprintf(stderr, "peer_file: %s\n", dlerror());
        return 3;
    }
    peer_params (*defaults)(void);
    uint32_t (*quantize)(const char *in, const char *out, const peer_params *params);
    void *f = symbol(library, "llama_model_quantize_default_params");
    memcpy(&defaults, &f, sizeof f);
    f = symbol(library, "llama_model_quantize");
    memcpy(&quantize, &f, sizeof f);
    peer_params p = defaults();
    p.ftype = atoi(argv[3]);
    p.threads = 2;
    for (int i = 4; i < argc; i++) take_option(argv[i], &p);
    return quantize(argv[1], argv[2], &p) ? 1 : 0;
}
