/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_llama.c - the lines of llama.cpp from 2023 to v0.5.0 (src/llama-*.cpp, common/fit.cpp), alone or in Ollama's. */
#include "base/str.h"
#include "study/log_lines.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The word that ends in front of `at`. */
static bool word_before(const char *line, const char *at, char *out, size_t size) {
    const char *end = at;
    while (end > line && end[-1] == ' ') end--;
    const char *start = end;
    while (start > line && start[-1] != ' ') start--;
    size_t n = (size_t)(end - start);
    if (!n || n >= size) return false;
    memcpy(out, start, n);
    out[n] = '\0';
    return true;
}

/* "load_tensors:        CUDA0 model buffer size =  4403.49 MiB". */
static bool read_buffer(bb_log *log, const char *line) {
    static const struct {
        const char *says, *component;
        bb_log_join join;
    } buffers[] = {
        {" model buffer size =", "weights", BB_LOG_ADD},
        {" KV buffer size =", "kv_cache", BB_LOG_ADD},
        {" RS buffer size =", "recurrent_state", BB_LOG_ADD},
        {" output buffer size =", "output_buffer", BB_LOG_MOST},
        {" compute buffer size =", "compute_buffer", BB_LOG_MOST}, /* printed for each reservation */
        {" LoRA buffer size =", "adapters", BB_LOG_ADD},
        {" buffer size =", "weights", BB_LOG_ADD}, /* llm_load_tensors of 2024 */
    };
    char name[64];
    bb_log_amount a;
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        const char *at = strstr(line, buffers[i].says);
        if (!at || !word_before(line, at, name, sizeof name)) continue;
        if (!bb_log_amount_at(at + strlen(buffers[i].says), 0, true, &a)) return false;
        bool plain = *buffers[i].says == ' ' && bb_starts_with(buffers[i].says, " buffer");
        if (plain && !strstr(line, "load_tensors:")) return false;
        bb_log_device *d = bb_log_device_of(log, name);
        if (d && log->models <= 1) bb_log_add(log, buffers[i].component, d->device, a, buffers[i].join);
        log->kind = BB_LOG_LLAMA;
        return true;
    }
    return false;
}

/* "|   - CUDA0 (RTX 4080)   | 12281 = 5181 + (5831 = 1050 + 4480 + 300) + 1269 |": MiB, cut off. */
static void read_breakdown(bb_log *log, const char *line) {
    static const uint64_t mib = UINT64_C(1) << 20;
    const char *at = strstr(line, "|   - "), *bar;
    char name[64], card[64];
    if (!at || !(bar = strchr(at + 1, '|'))) return;
    at += 6;
    size_t n = strcspn(at, " |");
    if (n >= sizeof name) return;
    memcpy(name, at, n);
    name[n] = '\0';
    bb_log_device *d = bb_log_device_of(log, name);
    const char *last = strrchr(bar, '+');
    if (!d || strcmp(d->device, "host") == 0 || !last || last <= bar) return;
    log->kind = BB_LOG_LLAMA;
    long long total = strtoll(bar + 1, NULL, 10), rest = strtoll(last + 1, NULL, 10);
    if (total > 0 && total < INT32_MAX) d->total_bytes = (uint64_t)total * mib;
    if (strchr(last, ')') || rest < 0 || rest >= INT32_MAX) return; /* the sum ends behind the bracket */
    d->unaccounted_bytes = (uint64_t)rest * mib;
    d->unaccounted_step = mib;
    if (at[n] == ' ' && at[n + 1] == '(' && bb_log_text_after(at + n, "(", "|", card, sizeof card)) {
        char *end = strrchr(card, ')');
        if (end) *end = '\0';
        memcpy(d->card, card, sizeof d->card);
    }
}

/* ---- settings ---- */

static void add_key(bb_log *log, const char *key, const char *value) {
    uint64_t v;
    char digits[24];
    size_t n = strspn(value, "0123456789");
    (void)snprintf(digits, sizeof digits, "%.*s", n < sizeof digits ? (int)n : 0, value);
    if (value[n] || !bb_parse_u64(digits, &v) || strlen(key) >= sizeof log->keys[0].key) return;
    for (size_t i = 0; i < log->n_keys; i++)
        if (strcmp(log->keys[i].key, key) == 0) return;
    if (log->n_keys == BB_LOG_KEYS) return;
    strcpy(log->keys[log->n_keys].key, key);
    log->keys[log->n_keys++].value = v;
}

/* print_info of the model, before 2025 llm_load_print_meta: its names and those of the metadata. */
static void read_model_value(bb_log *log, const char *name, const char *value) {
    static const char *const names[][2] = {
        {"n_vocab", "vocab_size"},
        {"n_ctx_train", "context_length"},
        {"n_embd", "embedding_length"},
        {"n_layer", "block_count"},
        {"n_head", "attention.head_count"},
        {"n_head_kv", "attention.head_count_kv"},
        {"n_rot", "rope.dimension_count"},
        {"n_swa", "attention.sliding_window"},
        {"n_embd_head_k", "attention.key_length"},
        {"n_embd_head_v", "attention.value_length"},
        {"n_embd_head_k_mla", "attention.key_length_mla"},
        {"n_embd_head_v_mla", "attention.value_length_mla"},
        {"n_ff", "feed_forward_length"},
        {"n_expert", "expert_count"},
        {"n_expert_used", "expert_used_count"},
        {"n_ff_exp", "expert_feed_forward_length"},
        {"n_ff_shexp", "expert_shared_feed_forward_length"},
        {"n_expert_shared", "expert_shared_count"},
        {"n_layer_dense_lead", "leading_dense_block_count"},
        {"n_lora_q", "attention.q_lora_rank"},
        {"n_lora_kv", "attention.kv_lora_rank"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], name) == 0) add_key(log, names[i][1], value);
    if (strcmp(name, "arch") == 0 && !*log->family) (void)snprintf(log->family, sizeof log->family, "%.23s", value);
    if (strcmp(name, "general.name") == 0 && !*log->name) (void)snprintf(log->name, sizeof log->name, "%.95s", value);
    if ((strcmp(name, "file type") == 0 || strcmp(name, "model ftype") == 0) && !*log->file_type)
        (void)snprintf(log->file_type, sizeof log->file_type, "%.39s", value);
    if (strcmp(name, "model params") == 0 && log->parameters <= 0) {
        char *end;
        double v = strtod(value, &end);
        double unit = *end == ' ' && end[1] == 'T' ? 1e12 : end[1] == 'B' ? 1e9 : end[1] == 'M' ? 1e6 : 1e3;
        if (*end == ' ' && v > 0 && v < 1e6) {
            log->parameters = v * unit;
            log->parameters_step = unit / 100; /* %.2f */
        }
    }
}

static void read_context_value(bb_log *log, const char *name, const char *value) {
    const struct {
        const char *name;
        uint64_t *to;
    } numbers[] = {{"n_ctx", &log->ctx},
                   {"n_batch", &log->batch},
                   {"n_ubatch", &log->ubatch},
                   {"n_seq_max", &log->parallel},
                   {"n_outputs_max", &log->outputs}};
    uint64_t v;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].name, name) == 0 && bb_log_count_after(value, "", &v)) bb_log_set(numbers[i].to, v);
    if (strcmp(name, "kv_unified") == 0 && bb_starts_with(value, "true")) log->unified = true;
    if (strcmp(name, "flash_attn") == 0 && !log->flash) {
        bool on = bb_starts_with(value, "1") || bb_starts_with(value, "enabled");
        bool off = bb_starts_with(value, "0") || bb_starts_with(value, "disabled");
        log->flash = on ? 1 : off ? -1 : 0;
    }
}

/* A context of the same model takes the place of the one before it, as of llama-bench's tests. */
static void start_context(bb_log *log) {
    static const char *const own[] = {"kv_cache", "recurrent_state", "output_buffer", "compute_buffer"};
    if (log->models > 1) return;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) bb_log_drop(log, own[i]);
    log->ctx = log->batch = log->ubatch = log->parallel = log->outputs = 0;
    log->unified = false;
    log->flash = 0;
    log->kv_k[0] = log->kv_v[0] = '\0';
}

/* "print_info: n_embd = 4096", "llama_context: n_ctx = 8192". */
static void read_value(bb_log *log, const char *line) {
    const char *equal = strchr(line, '='), *colon = strstr(line, ": ");
    bool model = strstr(line, "print_info: ") || strstr(line, "llm_load_print_meta: ");
    bool context = strstr(line, "llama_context: ") || strstr(line, "llama_new_context_with_model: ");
    char name[40];
    if ((!model && !context) || !equal || !colon || colon > equal || log->models > 1) return;
    for (const char *next; (next = strstr(colon + 2, ": ")) && next < equal;) colon = next;
    const char *start = colon + 2 + strspn(colon + 2, " "), *end = equal;
    while (end > start && end[-1] == ' ') end--;
    size_t n = (size_t)(end - start);
    if (!n || n >= sizeof name) return;
    memcpy(name, start, n);
    name[n] = '\0';
    const char *value = equal + 1 + strspn(equal + 1, " ");
    /* before "constructing", n_ctx was the first line, or the one behind n_seq_max */
    bool first = strcmp(name, "n_seq_max") == 0 || (strcmp(name, "n_ctx") == 0 && log->ctx);
    if (context && first && !log->constructs) start_context(log);
    if (model)
        read_model_value(log, name, value);
    else
        read_context_value(log, name, value);
}

/* "- kv   3:    llama.block_count u32    = 32". */
static void read_metadata(bb_log *log, const char *line) {
    const char *at = strstr(line, "- kv "), *colon = at ? strchr(at, ':') : NULL,
               *equal = colon ? strchr(colon, '=') : NULL;
    char key[96];
    if (!equal || log->models > 1) return;
    colon += 1 + strspn(colon + 1, " ");
    size_t n = strcspn(colon, " ");
    if (n >= sizeof key || colon + n > equal) return;
    memcpy(key, colon, n);
    key[n] = '\0';
    const char *value = equal + 1 + strspn(equal + 1, " "), *dot = strchr(key, '.');
    if (strcmp(key, "general.architecture") == 0 && !*log->family)
        (void)snprintf(log->family, sizeof log->family, "%.23s", value);
    else if (strcmp(key, "general.name") == 0 && !*log->name)
        (void)snprintf(log->name, sizeof log->name, "%.95s", value);
    else if (dot && *log->family && strncmp(key, log->family, (size_t)(dot - key)) == 0)
        add_key(log, dot + 1, value);
}

static void read_kv_types(bb_log *log, const char *line) {
    if (!strstr(line, "K (") || !strstr(line, "V (") || *log->kv_k || log->models > 1) return;
    (void)bb_log_text_after(line, "K (", ")", log->kv_k, sizeof log->kv_k);
    (void)bb_log_text_after(line, "V (", ")", log->kv_v, sizeof log->kv_v);
}

/* Ollama's own lines, coarser than those of llama.cpp: msg="kv cache" device=CUDA0 size="1.0 GiB". */
static void read_ollama(bb_log *log, const char *line) {
    static const struct {
        const char *says, *component;
    } kinds[] = {{"msg=\"model weights\"", "weights"},
                 {"msg=\"kv cache\"", "kv_cache"},
                 {"msg=\"compute graph\"", "compute_buffer"}};
    char name[24];
    bb_log_amount a;
    if (strstr(line, "OLLAMA_") || strstr(line, "ollama")) log->ollama = true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!strstr(line, kinds[i].says) || !bb_log_text_after(line, "device=", " ", name, sizeof name)) continue;
        bb_log_device *d = bb_log_device_of(log, name);
        if (!d || !bb_log_after(line, "size=", &a)) return;
        bb_log_add(log, kinds[i].component, d->device, a, BB_LOG_FINER);
        log->kind = BB_LOG_LLAMA;
        log->ollama = true;
    }
}

void bb_log_llama_line(bb_log *log, const char *line) {
    uint64_t v, layers;
    if (strstr(line, "loaded meta data with ")) {
        log->models++;
        if (log->models == 1) {
            (void)bb_log_count_after(line, "pairs and ", &log->tensors);
            (void)bb_log_text_after(line, "tensors from ", " ", log->path, sizeof log->path);
        }
    }
    if (strstr(line, "offloaded ") && bb_log_count_after(line, "offloaded ", &v) &&
        bb_log_count_after(line, "/", &layers) && log->models <= 1) {
        log->offloaded = v;
        log->offloaded_printed = true;
    }
    if (strstr(line, "constructing llama_context")) {
        log->constructs = true;
        start_context(log);
    }
    if (strstr(line, "Flash Attention was auto, set to enabled")) log->flash = 1;
    if (strstr(line, "Flash Attention was auto, set to disabled")) log->flash = -1;
    if (read_buffer(log, line)) return;
    read_breakdown(log, line);
    read_kv_types(log, line);
    read_metadata(log, line);
    read_value(log, line);
    read_ollama(log, line);
}
