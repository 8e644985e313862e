/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder_texts.c - the texts of a quantized checkpoint: config.json, the index, quant_state; its small files. */
#include "base/escape.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/folder.h"
#include "study/folder_parts.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX_BYTES = 64 << 20, OFFSET_WIDTH = 24 };

const char *bb_torch_dtype(const bb_dtype *t) {
    return strcmp(t->name, "bf16") == 0 ? "bfloat16" : strcmp(t->name, "f16") == 0 ? "float16" : "float32";
}

/* What the matrix has for who does not quantize: the type that its dequantized form gets. */
static const bb_dtype *type_of(const bb_folder_job *job, const bb_tensor *t) {
    return job->opts.rest ? job->opts.rest : t->type;
}

/* Keys and their order: QuantState.as_dict and json.dumps of bitsandbytes (specs/methods.md 4.5). */
size_t bb_quant_state_text(const bb_folder_job *job, const bb_tensor *t, float nested_offset, char *out, size_t size) {
    char number[32], nested[160] = "";
    if (job->opts.double_quant)
        (void)snprintf(nested, sizeof nested,
                       ", \"nested_blocksize\": %d, \"nested_dtype\": \"float32\", \"nested_offset\": %-*s",
                       BB_BNB_NESTED_BLOCK, OFFSET_WIDTH, bb_f64_shortest((double)nested_offset, number));
    int n = snprintf(
        out, size, "{\"quant_type\": \"%s\", \"blocksize\": %llu, \"dtype\": \"%s\", \"shape\": [%llu, %llu]%s}",
        job->opts.method == BB_FOLDER_NF4 ? "nf4" : "fp4", (unsigned long long)job->opts.block,
        bb_torch_dtype(type_of(job, t)), (unsigned long long)t->dims[0], (unsigned long long)t->dims[1], nested);
    return n > 0 ? (size_t)n : 0;
}

/* ---- quantization_config ---- */

static void add_names(const bb_folder_job *job, bb_json *to, const char *key) {
    bb_json *list = bb_json_add_array(to, key);
    for (size_t i = 0; i < job->n_kept; i++) bb_json_add_text(list, NULL, job->kept[i]);
}

/* The keys that BitsAndBytesConfig.to_dict of transformers writes. */
static void add_bnb(const bb_folder_job *job, bb_json *q, const bb_dtype *compute) {
    const bb_folder_opts *o = &job->opts;
    bool four = o->method != BB_FOLDER_LLM_INT8;
    bb_json_add_bool(q, "_load_in_4bit", four);
    bb_json_add_bool(q, "_load_in_8bit", !four);
    bb_json_add_text(q, "bnb_4bit_compute_dtype", four ? bb_torch_dtype(compute) : "float32");
    bb_json_add_text(q, "bnb_4bit_quant_storage", "uint8");
    bb_json_add_text(q, "bnb_4bit_quant_type", o->method == BB_FOLDER_NF4 ? "nf4" : "fp4");
    bb_json_add_bool(q, "bnb_4bit_use_double_quant", four && o->double_quant);
    bb_json_add_bool(q, "llm_int8_enable_fp32_cpu_offload", false);
    bb_json_add_bool(q, "llm_int8_has_fp16_weight", false);
    add_names(job, q, "llm_int8_skip_modules");
    bb_json_add_f64(q, "llm_int8_threshold", o->outlier_threshold);
    bb_json_add_bool(q, "load_in_4bit", four);
    bb_json_add_bool(q, "load_in_8bit", !four);
    bb_json_add_text(q, "quant_method", "bitsandbytes");
}

/* QuantizationArgs of compressed-tensors. */
static void add_args(bb_json *to, const char *key, bool symmetric, const char *strategy, uint64_t group, bool dynamic) {
    bb_json *a = bb_json_add_object(to, key);
    bb_json_add_u64(a, "num_bits", 8);
    bb_json_add_text(a, "type", "int");
    bb_json_add_bool(a, "symmetric", symmetric);
    bb_json_add_text(a, "strategy", strategy);
    if (group)
        bb_json_add_u64(a, "group_size", group);
    else
        bb_json_add_null(a, "group_size");
    bb_json_add_null(a, "block_structure");
    bb_json_add_bool(a, "dynamic", dynamic);
    bb_json_add_null(a, "actorder");
    if (!dynamic) bb_json_add_text(a, "observer", "minmax");
}

static void add_compressed(const bb_folder_job *job, bb_json *q) {
    static const char *const strategies[] = {"channel", "tensor", "group"};
    const bb_folder_opts *o = &job->opts;
    bb_json_add_text(q, "quant_method", "compressed-tensors");
    bb_json_add_text(q, "format", "int-quantized");
    bb_json_add_text(q, "quantization_status", "compressed");
    bb_json *group = bb_json_add_object(bb_json_add_object(q, "config_groups"), "group_0"), *targets;
    targets = bb_json_add_array(group, "targets");
    bb_json_add_text(targets, NULL, "Linear");
    add_args(group, "weights", !o->asymmetric, strategies[o->granularity],
             o->granularity == BB_PER_GROUP ? o->group : 0, false);
    if (o->weight_only || o->asymmetric || o->granularity == BB_PER_GROUP)
        bb_json_add_null(group, "input_activations");
    else
        add_args(group, "input_activations", true, "token", 0, true);
    bb_json_add_null(group, "output_activations");
    add_names(job, q, "ignore");
    bb_json_add_null(q, "kv_cache_scheme");
}

/* The type of most matrices, which the model computes in. */
static const bb_dtype *compute_type(const bb_folder_job *job) {
    for (size_t i = 0; i < job->n; i++)
        if (job->items[i].form == BB_FORM_QUANTIZE) return type_of(job, job->items[i].source);
    return bb_dtype_find("f32", NULL);
}

static bb_status make_config(bb_folder_job *job, const bb_json *old, bb_error *err) {
    bb_json *all = bb_json_new_object();
    for (bb_json_iter it = bb_json_first(old); it.key; it = bb_json_next(old, it)) {
        bool type = strcmp(it.key, "torch_dtype") == 0 || strcmp(it.key, "dtype") == 0;
        if (strcmp(it.key, "quantization_config") == 0) continue;
        if (type && job->opts.rest)
            bb_json_add_text(all, it.key, bb_torch_dtype(job->opts.rest));
        else
            bb_json_add_copy(all, it.key, it.value);
    }
    bb_json *q = bb_json_add_object(all, "quantization_config");
    if (job->opts.method == BB_FOLDER_INT8)
        add_compressed(job, q);
    else
        add_bnb(job, q, compute_type(job));
    bb_status status = bb_json_write(all, &job->config);
    bb_json_free(all);
    return status == BB_OK ? status : bb_folder_no_memory(err);
}

bb_status bb_folder_config(bb_folder_job *job, bb_error *err) {
    char path[BB_PATH_SIZE], *text = NULL;
    size_t n = 0;
    bb_json *old = NULL;
    if (!bb_path_join(job->folder, "config.json", path)) return bb_fail(err, BB_E_OPEN, "the path is too long");
    bb_status status = bb_source_slurp(path, CONFIG_MAX_BYTES, &text, &n, err);
    if (status == BB_OK) status = bb_json_parse(text, n, path, CONFIG_MAX_BYTES, true, true, &old, err);
    if (status == BB_OK && !bb_json_is_object(old)) status = bb_fail(err, BB_E_INVALID, "%s: is no object", path);
    if (status == BB_OK) status = make_config(job, old, err);
    bb_json_free(old);
    free(text);
    return status;
}

/* ---- model.safetensors.index.json ---- */

static int by_name(const void *a, const void *b) {
    return strcmp((*(const bb_folder_entry *const *)a)->name, (*(const bb_folder_entry *const *)b)->name);
}

bb_status bb_folder_index(bb_folder_job *job, bb_error *err) {
    size_t n = 0;
    if (job->n_shards < 2) return BB_OK;
    const bb_folder_entry **list = bb_alloc(job->n, BB_ROLES * sizeof *list);
    if (!list) return bb_folder_no_memory(err);
    for (size_t i = 0; i < job->n; i++)
        for (size_t r = 0; r < BB_ROLES; r++)
            if (job->items[i].entries[r].used) list[n++] = &job->items[i].entries[r];
    qsort(list, n, sizeof *list, by_name);
    bb_json *all = bb_json_new_object(), *map;
    bb_json_add_u64(bb_json_add_object(all, "metadata"), "total_size", job->tensor_bytes);
    map = bb_json_add_object(all, "weight_map");
    for (size_t i = 0; i < n; i++) bb_json_add_text(map, list[i]->name, job->shards[list[i]->shard].name);
    bb_status status = bb_json_write(all, &job->index);
    bb_json_free(all);
    free(list);
    return status == BB_OK ? status : bb_folder_no_memory(err);
}

/* ---- small files ---- */

/* What a loader or a reader of the model needs beside weights and config. */
static bool is_small(const char *name) {
    static const char *const starts[] = {"tokenizer",
                                         "vocab",
                                         "merges",
                                         "special_tokens_map",
                                         "added_tokens",
                                         "generation_config",
                                         "preprocessor_config",
                                         "processor_config",
                                         "chat_template",
                                         "LICENSE",
                                         "LICENCE",
                                         "NOTICE",
                                         "USE_POLICY"};
    static const char *const ends[] = {".model", ".tiktoken", ".jinja", ".py"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (bb_starts_with(name, starts[i])) return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (bb_ends_with(name, ends[i])) return true;
    return false;
}

/* "model.safetensors", "model-00001-of-00002.safetensors" and their index are what weights are called. */
bb_folder_entry_kind bb_folder_kind_of(const char *name) {
    if (bb_starts_with(name, "model") && bb_ends_with(name, ".safetensors")) return BB_ENTRY_SURE;
    if (strcmp(name, "model.safetensors.index.json") == 0) return BB_ENTRY_SURE;
    return strcmp(name, "config.json") == 0 || is_small(name) ? BB_ENTRY_SIDE : BB_ENTRY_FOREIGN;
}

typedef struct looking {
    bb_folder_job *job;
    bb_error *err;
    bb_status status;
    char home[PATH_MAX], blobs[PATH_MAX]; /* real folders, with a slash behind, that a link may lead into */
} looking;

/* A real path inside the folder, or in the blobs of the hub's cache that its links lead to. */
static bool is_inside(const looking *l, const char *path) {
    char real[PATH_MAX];
    return realpath(path, real) && (bb_starts_with(real, l->home) || (*l->blobs && bb_starts_with(real, l->blobs)));
}

static bool look(void *ctx, int dir, const char *name) {
    looking *l = ctx;
    bb_folder_job *job = l->job;
    char path[BB_PATH_SIZE], shown[120];
    struct stat s;
    (void)dir;
    if (!is_small(name) || !bb_path_join(job->folder, name, path)) return true;
    bb_escape_buf(name, shown, sizeof shown);
    if (stat(path, &s) != 0 || !S_ISREG(s.st_mode)) return true;
    if (!is_inside(l, path)) {
        l->status = bb_folder_warn(job, l->err, "%s is not copied: it is a link out of its folder", shown);
    } else if (s.st_size > BB_FOLDER_SMALL_FILE) {
        l->status = bb_folder_warn(job, l->err, "%s is not copied: it has more than 64 MiB", shown);
    } else {
        char *copy = bb_strdup(name);
        if (copy && bb_grow((void **)&job->small, job->n_small, &job->cap_small, sizeof *job->small)) {
            job->small[job->n_small++] = (bb_small_file){copy, (uint64_t)s.st_size};
        } else {
            free(copy);
            l->status = bb_folder_no_memory(l->err);
        }
    }
    return l->status == BB_OK;
}

static int by_file(const void *a, const void *b) {
    return strcmp(((const bb_small_file *)a)->name, ((const bb_small_file *)b)->name);
}

/* .../models--org--name/snapshots/HASH keeps its files in .../models--org--name/blobs. */
static void find_blobs(looking *l) {
    char up[PATH_MAX];
    char *at = strstr(l->home, "/snapshots/");
    if (!strstr(l->home, "/models--") || !at) return;
    size_t n = (size_t)(at - l->home);
    memcpy(up, l->home, n);
    (void)snprintf(up + n, sizeof up - n, "/blobs/");
    strcpy(l->blobs, up);
}

bb_status bb_folder_small_files(bb_folder_job *job, bb_error *err) {
    looking *l = bb_alloc(1, sizeof *l);
    if (!l) return bb_folder_no_memory(err);
    *l = (looking){.job = job, .err = err, .status = BB_OK};
    bb_status status = BB_OK;
    size_t n = 0;
    if (realpath(job->folder, l->home) && (n = strlen(l->home)) + 2 < sizeof l->home) {
        if (l->home[n - 1] != '/') strcpy(l->home + n, "/");
        find_blobs(l);
        status = bb_folder_each(job->folder, look, l, err);
        if (status == BB_OK) status = l->status;
    }
    if (job->n_small) qsort(job->small, job->n_small, sizeof *job->small, by_file);
    free(l);
    return status;
}
