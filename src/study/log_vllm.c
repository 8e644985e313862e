/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_vllm.c - the lines of vLLM (v1/worker/gpu_worker.py, v1/core/kv_cache_utils.py, worker/worker.py of V0) and of
 * PyTorch's allocator (c10/cuda/CUDACachingAllocator.cpp). */
#include "base/str.h"
#include "study/log_lines.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* key=value of the engine's configuration, or 'key': value of the arguments that were given. */
static bool setting(const char *line, const char *key, char *out, size_t size) {
    char spelled[48];
    (void)snprintf(spelled, sizeof spelled, "%s=", key);
    const char *at = strstr(line, spelled);
    /* a whole name: not the end of another */
    bool whole = at && (at == line || strchr(" ,({", at[-1]));
    if (!whole) {
        (void)snprintf(spelled, sizeof spelled, "'%s': ", key);
        at = strstr(line, spelled);
    }
    if (!at) return false;
    at += strlen(spelled);
    if (*at == '\'' || *at == '"') at++;
    size_t n = strcspn(at, "'\",) }");
    if (!n || n >= size) return false;
    memcpy(out, at, n);
    out[n] = '\0';
    return strcmp(out, "None") != 0 && strcmp(out, "auto") != 0;
}

static void set_u64(const char *line, const char *key, uint64_t *to) {
    char text[24];
    uint64_t v;
    if (!*to && setting(line, key, text, sizeof text) && bb_parse_u64(text, &v)) *to = v;
}

static void set_text(const char *line, const char *key, char *to, size_t size) {
    char text[96];
    if (*to || !setting(line, key, text, sizeof text) || strlen(text) >= size) return;
    strcpy(to, text);
}

static void read_settings(bb_log *log, const char *line) {
    char text[24];
    double v;
    set_text(line, "model", log->name, sizeof log->name);
    set_text(line, "model_tag", log->name, sizeof log->name);
    set_u64(line, "max_seq_len", &log->ctx);
    set_u64(line, "max_model_len", &log->ctx);
    set_u64(line, "tensor_parallel_size", &log->tensor_parallel);
    set_u64(line, "pipeline_parallel_size", &log->pipeline_parallel);
    set_u64(line, "max_num_seqs", &log->max_seqs);
    set_u64(line, "max_num_batched_tokens", &log->max_batched);
    set_u64(line, "block_size", &log->block_size);
    set_text(line, "kv_cache_dtype", log->kv_k, sizeof log->kv_k);
    set_text(line, "quantization", log->method, sizeof log->method);
    if (!*log->dtype && setting(line, "dtype", text, sizeof text))
        (void)snprintf(log->dtype, sizeof log->dtype, "%.15s", bb_starts_with(text, "torch.") ? text + 6 : text);
    if (log->utilization <= 0 && setting(line, "gpu_memory_utilization", text, sizeof text) && bb_parse_f64(text, &v))
        log->utilization = v;
    if (setting(line, "enforce_eager", text, sizeof text) && bb_name_eq(text, "True")) log->eager = true;
}

/* vLLM up to 0.8 (vllm/config.py, SchedulerConfig of v0.7.2, engine/arg_utils.py there): chunked prefill is off up to
 * 32 Ki tokens unless it is asked, and then a step holds a whole prompt. */
static void read_v0(bb_log *log, const char *line) {
    enum { CHUNKED_ABOVE = 32768 };
    char text[24];
    if (!strstr(line, "a V0 LLM engine") && !strstr(line, "an LLM engine (v0.")) return;
    bool told = setting(line, "chunked_prefill_enabled", text, sizeof text) ||
                setting(line, "enable_chunked_prefill", text, sizeof text);
    log->whole_prompts = told ? bb_name_eq(text, "False") : log->ctx <= CHUNKED_ABOVE;
}

/* Every rank prints the same lines: the first stands for all. */
static void add_first(bb_log *log, const char *component, bb_log_amount a) {
    bb_log_device *d = bb_log_device_of(log, "GPU");
    if (d) bb_log_add(log, component, d->device, a, BB_LOG_FIRST);
    log->kind = BB_LOG_VLLM;
}

static void read_amounts(bb_log *log, const char *line) {
    static const struct {
        const char *says, *component;
    } amounts[] = {
        {"Model loading took ", "weights"},        {"Loading model weights took ", "weights"},
        {"model weights take ", "weights"},        {"PyTorch activation peak memory takes ", "activations"},
        {"reserved for KV Cache is ", "kv_cache"}, {"Available KV cache memory: ", "kv_cache"},
    };
    bb_log_amount a;
    for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++)
        if (bb_log_after(line, amounts[i].says, &a)) add_first(log, amounts[i].component, a);
    bb_log_device *d = log->kind == BB_LOG_VLLM ? bb_log_device_of(log, "GPU") : NULL;
    if (!d) return;
    if (bb_log_after(line, "non_torch_memory takes ", &a) && !d->unaccounted_step) {
        d->unaccounted_bytes = a.bytes;
        d->unaccounted_step = a.step;
    }
    if (bb_log_after(line, "total_gpu_memory (", &a)) bb_log_set(&d->total_bytes, a.bytes);
}

static void read_tokens(bb_log *log, const char *line) {
    enum { BLOCK = 16 }; /* vLLM's usual block */
    static const char *const blocks[] = {"# GPU blocks: ", "# CUDA blocks: ", "# cuda blocks: "};
    uint64_t n;
    if (bb_log_count_after(line, "GPU KV cache size: ", &n)) add_first(log, "kv_cache:tokens", (bb_log_amount){n, 1});
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (bb_log_count_after(line, blocks[i], &n) && n < UINT64_C(1) << 40)
            add_first(log, "kv_cache:tokens",
                      (bb_log_amount){n * (log->block_size && log->block_size < 65536 ? log->block_size : BLOCK), 1});
    if (bb_log_count_after(line, "Maximum concurrency for ", &n)) bb_log_set(&log->ctx, n);
}

void bb_log_vllm_line(bb_log *log, const char *line) {
    char text[24];
    double v;
    if (log->kind == BB_LOG_LLAMA) return;
    if (strstr(line, "LLM engine (v") || strstr(line, "non-default args: ") ||
        strstr(line, "Initializing an LLM engine")) {
        log->kind = BB_LOG_VLLM;
        read_settings(log, line);
        read_v0(log, line);
    }
    read_amounts(log, line);
    read_tokens(log, line);
    if (log->utilization <= 0 && bb_log_text_after(line, "gpu_memory_utilization (", ")", text, sizeof text) &&
        bb_parse_f64(text, &v))
        log->utilization = v;
}

/* "GPU 0 has a total capacity of 23.65 GiB of which ...", and the wording of PyTorch 1:
 * "(GPU 0; 23.65 GiB total capacity; 22.08 GiB already allocated; 12.50 MiB free; 22.44 GiB reserved in total ...". */
void bb_log_torch_line(bb_log *log, const char *line) {
    bb_log_amount a, in_use = {0}, allocated = {0};
    if (!strstr(line, " out of memory. Tried to allocate ") || log->kind == BB_LOG_LLAMA) return;
    if (log->kind == BB_LOG_UNKNOWN) log->kind = BB_LOG_TORCH;
    bb_log_device *d = bb_log_device_of(log, "GPU");
    if (!d) return;
    if (bb_log_after(line, "Tried to allocate ", &a)) bb_log_set(&log->tried_bytes, a.bytes);
    if (bb_log_after(line, "total capacity of ", &a) || bb_log_after(line, "total capacty of ", &a) ||
        bb_log_before(line, " total capacity;", &a))
        bb_log_set(&d->total_bytes, a.bytes);
    bool known = bb_log_before(line, " is allocated by PyTorch", &allocated) ||
                 bb_log_before(line, " already allocated", &allocated);
    if (!known) return;
    bb_log_add(log, "total:allocated", d->device, allocated, BB_LOG_FIRST);
    if ((bb_log_before(line, " memory in use", &in_use) || bb_log_before(line, " reserved in total", &in_use)) &&
        in_use.bytes > allocated.bytes && !d->unaccounted_step) {
        d->unaccounted_bytes = in_use.bytes - allocated.bytes;
        d->unaccounted_step = in_use.step + allocated.step;
    }
}
