/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_sizes.h - sizes and settings that llama.cpp, Ollama, vLLM and PyTorch print, found in the lines of a log. */
#ifndef BB_STUDY_LOG_SIZES_H
#define BB_STUDY_LOG_SIZES_H
#include "base/fail.h"

enum { BB_LOG_LINE = 4096, BB_LOG_SIZES = 96, BB_LOG_KEYS = 40, BB_LOG_DEVICES = 17 };

typedef struct bb_log_size {
    char
        component[24]; /* as in a plan: "weights", "kv_cache", "compute_buffer", ...; "kv_cache:tokens" counts tokens */
    char device[16];   /* "gpu0", ..., "host" */
    uint64_t bytes;
    uint64_t step; /* of the last digit that was printed */
} bb_log_size;

typedef struct bb_log_device {                    /* a card, or the host */
    char name[24];                                /* in the log: "CUDA0", "Metal" */
    char device[16];                              /* "gpu0" */
    char card[64];                                /* "RTX 4080 Laptop", "" = not printed */
    uint64_t total_bytes;                         /* that its driver shows; 0 = not printed */
    uint64_t unaccounted_bytes, unaccounted_step; /* beyond the buffers; the step is 0 where nothing was printed */
} bb_log_device;

typedef enum bb_log_kind { BB_LOG_UNKNOWN, BB_LOG_LLAMA, BB_LOG_VLLM, BB_LOG_TORCH } bb_log_kind;

/* A log; texts are as they were printed: escape them. 0 and "" are not printed. */
typedef struct bb_log {
    bb_log_kind kind;
    bool ollama;
    uint64_t lines, models; /* models that were loaded: sizes are of the first */
    bb_log_size sizes[BB_LOG_SIZES];
    size_t n_sizes;
    bb_log_device devices[BB_LOG_DEVICES];
    size_t n_devices;
    char path[512], name[96]; /* of the model: its file, general.name or vLLM's name */
    char family[24], file_type[40];
    struct {
        char key[40]; /* GGUF metadata without the architecture: "block_count" */
        uint64_t value;
    } keys[BB_LOG_KEYS];
    size_t n_keys;
    uint64_t tensors;
    double parameters, parameters_step;
    uint64_t ctx, batch, ubatch, parallel, outputs, offloaded;
    bool offloaded_printed, unified;
    bool constructs; /* it says where a context begins */
    int flash;       /* 1 on, -1 off, 0 not printed */
    char kv_k[16], kv_v[16], dtype[16], method[24];
    uint64_t tensor_parallel, pipeline_parallel, max_seqs, max_batched, block_size;
    double utilization;
    bool eager;
    bool whole_prompts;   /* vLLM's V0 engine without chunked prefill: a step is as long as a prompt can be */
    uint64_t tried_bytes; /* PyTorch: what it could not get */
    char line[BB_LOG_LINE];
    size_t used; /* of a line that has not ended */
} bb_log;

void bb_log_init(bb_log *log);
/* Reads n more bytes; a line beyond BB_LOG_LINE is cut. */
void bb_log_feed(bb_log *log, const char *text, size_t n);
void bb_log_end(bb_log *log); /* the last line may lack its end */
/* A whole file. */
bb_status bb_log_read(const char *path, bb_log *log, bb_error *err);
const bb_log_size *bb_log_find(const bb_log *log, const char *component, const char *device);
#endif
