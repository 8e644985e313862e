/* SPDX-License-Identifier: GPL-3.0-or-later */
/* made_checkpoint.h - a small checkpoint in a folder of its own, and what is made from it. */
#ifndef BB_TESTS_STUDY_MADE_CHECKPOINT_H
#define BB_TESTS_STUDY_MADE_CHECKPOINT_H
#include "format/half.h"
#include "harness.h"
#include "study/quantize_folder.h"
#include "study/study_parts.h"
#include <ftw.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

enum { HIDDEN = 64, FFN = 4608, KV = 32, VOCAB = 96 }; /* an MLP matrix takes more than a slab */

static char root[64];

static inline int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at) {
    (void)s;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline void begin(void) {
    strcpy(root, "/tmp/bb-test-XXXXXX");
    ck_assert_ptr_ne(mkdtemp(root), NULL);
}
static inline void end(void) { nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

static inline const char *in_root(const char *name, char *path) {
    snprintf(path, 256, "%s/%s", root, name);
    return path;
}

static inline void write_file(const char *name, const void *data, size_t n) {
    char path[256];
    FILE *f = fopen(in_root(name, path), "wb");
    ck_assert_ptr_ne(f, NULL);
    ck_assert_uint_eq(fwrite(data, 1, n, f), n);
    fclose(f);
}

/* ---- a checkpoint of one layer: F16 matrices, one of BF16, an F32 norm ---- */

static const struct {
    const char *name, *type;
    uint64_t rows, cols; /* rows 0: a vector */
} tensors[] = {
    {"lm_head.weight", "F16", VOCAB, HIDDEN},
    {"model.embed_tokens.weight", "F16", VOCAB, HIDDEN},
    {"model.layers.0.input_layernorm.weight", "F32", 0, HIDDEN},
    {"model.layers.0.mlp.down_proj.weight", "F16", HIDDEN, FFN},
    {"model.layers.0.mlp.gate_proj.weight", "BF16", FFN, HIDDEN},
    {"model.layers.0.mlp.up_proj.weight", "F16", FFN, HIDDEN},
    {"model.layers.0.post_attention_layernorm.weight", "F32", 0, HIDDEN},
    {"model.layers.0.self_attn.k_proj.weight", "F16", KV, HIDDEN},
    {"model.layers.0.self_attn.o_proj.weight", "F16", HIDDEN, HIDDEN},
    {"model.layers.0.self_attn.q_proj.weight", "F16", HIDDEN, HIDDEN},
    {"model.layers.0.self_attn.v_proj.weight", "F16", KV, HIDDEN},
    {"model.norm.weight", "F32", 0, HIDDEN},
};
enum { TENSORS = sizeof tensors / sizeof *tensors, MATRICES = 7 };

static inline uint64_t elements(size_t i) { return (tensors[i].rows ? tensors[i].rows : 1) * tensors[i].cols; }

static inline void put_values(FILE *f, size_t i, uint64_t nan_at) {
    size_t n = (size_t)elements(i);
    float *x = malloc(n * sizeof *x);
    bb_study_gaussian(i + 1, 0, x, n);
    if (nan_at < n) x[nan_at] = (float)NAN;
    for (size_t k = 0; k < n; k++) {
        uint16_t h = 0;
        if (tensors[i].type[0] == 'F' && tensors[i].type[1] == '3') {
            fwrite(&x[k], 4, 1, f);
            continue;
        }
        h = tensors[i].type[0] == 'B' ? bb_f32_to_bf16(x[k]) : bb_f32_to_f16(x[k]);
        fwrite(&h, 2, 1, f);
    }
    free(x);
}

/* nan_in: the tensor whose element 7 is no number; TENSORS = none. */
static inline void make_checkpoint(const char *model_type, size_t nan_in) {
    char path[256], config[1024];
    bb_str h = {0};
    uint64_t at = 0;
    mkdir(in_root("in", path), 0777);
    int n = snprintf(config, sizeof config,
                     "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"%s\", \"hidden_size\": %d, "
                     "\"intermediate_size\": %d, \"num_hidden_layers\": 1, \"num_attention_heads\": 4, "
                     "\"num_key_value_heads\": 2, \"vocab_size\": %d, \"max_position_embeddings\": 128, "
                     "\"rms_norm_eps\": 1e-05, \"hidden_act\": \"silu\", \"torch_dtype\": \"float16\"}",
                     model_type, HIDDEN, FFN, VOCAB);
    write_file("in/config.json", config, (size_t)n);
    write_file("in/tokenizer.json", "{}\n", 3);
    bb_str_add(&h, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < TENSORS; i++) {
        uint64_t bytes = elements(i) * (strcmp(tensors[i].type, "F32") == 0 ? 4 : 2);
        bb_str_addf(&h, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", tensors[i].name, tensors[i].type);
        if (tensors[i].rows) bb_str_addf(&h, "%d,", (int)tensors[i].rows);
        bb_str_addf(&h, "%d],\"data_offsets\":[%lu,%lu]}", (int)tensors[i].cols, (unsigned long)at,
                    (unsigned long)(at + bytes));
        at += bytes;
    }
    bb_str_add(&h, "}");
    bb_str_addc(&h, ' ', (8 - h.len % 8) % 8);
    FILE *f = fopen(in_root("in/model.safetensors", path), "wb");
    ck_assert_ptr_ne(f, NULL);
    uint64_t length = h.len;
    fwrite(&length, 8, 1, f);
    fwrite(h.data, 1, h.len, f);
    for (size_t i = 0; i < TENSORS; i++) put_values(f, i, i == nan_in ? 7 : UINT64_MAX);
    fclose(f);
    bb_str_clear(&h);
}

static inline bb_model *locate(const char *name) {
    char path[256];
    bb_model *m = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_model_locate(NULL, NULL, in_root(name, path), &m, &err) == BB_OK, "%s", err.text);
    return m;
}

static inline bb_folder_job *plan(const bb_model *m, const bb_folder_opts *o) {
    bb_folder_job *job = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_folder_quantize_plan(m, o, &job, &err) == BB_OK, "%s", err.text);
    return job;
}

static inline bb_status run(bb_folder_job *job, const char *name, bool force, bb_progress *p, bb_error *err) {
    char path[256];
    return bb_folder_quantize_run(job, in_root(name, path), force, p, err);
}

static inline void must_run(bb_folder_job *job, const char *name) {
    bb_error err = {0};
    bb_progress p;
    bb_progress_init(&p);
    ck_assert_msg(run(job, name, false, &p, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(atomic_load(&p.done), atomic_load(&p.total));
}

static uint64_t total;
static inline int add_size(const char *path, const struct stat *s, int kind, struct FTW *at) {
    (void)path;
    (void)at;
    if (kind == FTW_F) total += (uint64_t)s->st_size;
    return 0;
}
static inline uint64_t folder_bytes(const char *name) {
    char path[256];
    total = 0;
    nftw(in_root(name, path), add_size, 8, FTW_PHYS);
    return total;
}

static inline bool exists(const char *name) {
    char path[256];
    struct stat s;
    return lstat(in_root(name, path), &s) == 0;
}

/* ---- the layouts ---- */

static const struct layout {
    bb_folder_method method;
    bb_granularity granularity;
    bool asymmetric, double_quant;
    bb_quant_method read_as;
    const char *label;
    double low, high; /* relative error on few values of N(0,1): specs/methods.md 5.1, 4 % */
} layouts[] = {
    {BB_FOLDER_NF4, BB_PER_ROW, false, false, BB_QUANT_BNB_4BIT, "bitsandbytes nf4", 0.088, 0.096},
    {BB_FOLDER_NF4, BB_PER_ROW, false, true, BB_QUANT_BNB_4BIT, "bitsandbytes nf4, double", 0.088, 0.096},
    {BB_FOLDER_FP4, BB_PER_ROW, false, false, BB_QUANT_BNB_4BIT, "bitsandbytes fp4", 0.117, 0.127},
    {BB_FOLDER_FP4, BB_PER_ROW, false, true, BB_QUANT_BNB_4BIT, "bitsandbytes fp4, double", 0.117, 0.127},
    {BB_FOLDER_LLM_INT8, BB_PER_ROW, false, false, BB_QUANT_BNB_INT8, "bitsandbytes LLM.int8()", 0.004, 0.011},
    {BB_FOLDER_INT8, BB_PER_ROW, false, false, BB_QUANT_COMPRESSED, "compressed-tensors int 8 bit", 0.004, 0.011},
    {BB_FOLDER_INT8, BB_PER_ROW, true, false, BB_QUANT_COMPRESSED, "compressed-tensors int 8 bit, asymmetric", 0.004,
     0.011},
    {BB_FOLDER_INT8, BB_PER_TENSOR, false, false, BB_QUANT_COMPRESSED, "compressed-tensors int 8 bit, per tensor",
     0.006, 0.016},
    {BB_FOLDER_INT8, BB_PER_TENSOR, true, false, BB_QUANT_COMPRESSED,
     "compressed-tensors int 8 bit, per tensor, asymmetric", 0.006, 0.016},
    {BB_FOLDER_INT8, BB_PER_GROUP, false, false, BB_QUANT_COMPRESSED, "compressed-tensors int 8 bit, group 32", 0.004,
     0.0065},
    {BB_FOLDER_INT8, BB_PER_GROUP, true, false, BB_QUANT_COMPRESSED,
     "compressed-tensors int 8 bit, group 32, asymmetric", 0.004, 0.0065},
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

static inline bb_folder_opts opts_of(const struct layout *l) {
    bb_folder_opts o;
    bb_folder_opts_init(&o);
    o.method = l->method;
    o.granularity = l->granularity;
    o.asymmetric = l->asymmetric;
    o.double_quant = l->double_quant;
    o.group = 32;
    o.threads = 2;
    return o;
}
#endif
