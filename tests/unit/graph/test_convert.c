/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_convert.c - checkpoints as the tensors of a GGUF: real pairs of both, and small ones of every rule. */
#include "base/source.h"
#include "file/made_tensors.h"
#include "graph/convert.h"
#include "model/family.h"
#include <math.h>
#include <string.h>

/* ---- rows of what was converted ---- */

/* A bias is a column of one element a row. */
static uint64_t width(const bb_converted *t) { return t->n_dims == 1 ? 1 : t->dims[0]; }

static uint64_t elements(const bb_converted *t) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->n_dims; i++) n *= t->dims[i];
    return n;
}

/* All elements in the order of the GGUF, to be freed. */
static float *converted(const bb_file *f, const bb_converted *t) {
    uint64_t n = elements(t), cols = width(t), at = 0;
    float *old = calloc(n, sizeof *old), *x = calloc(n, sizeof *x);
    bb_error err = {0};
    ck_assert(old && x);
    for (size_t i = 0; i < t->n_sources; i++) {
        const bb_tensor *s = t->source[i];
        ck_assert_uint_le(at + s->elements, n);
        ck_assert_msg(bb_file_read_rows(f, s, 0, s->rows, old + at, &err) == BB_OK, "%s", err.text);
        at += s->elements;
    }
    if (t->made) memcpy(old, t->made, n * sizeof *old);
    ck_assert(t->made || at == n);
    for (uint64_t r = 0; r < n / cols; r++) memcpy(x + r * cols, old + bb_converted_row(t, r) * cols, cols * sizeof *x);
    free(old);
    return x;
}

static const bb_converted *find(const bb_conversion *c, const char *name) {
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->t[i].name, name) == 0) return &c->t[i];
    return NULL;
}

static bool is_f32(const bb_conversion *c, const char *name) {
    const bb_converted *t = find(c, name);
    return t && t->f32;
}

/* ---- real pairs ---- */

static bool open_shared(const char *name, bb_file **f) {
    char path[512];
    bb_error err = {0};
    if (!shared_path(name, path, sizeof path)) {
        skip_shared(name);
        return false;
    }
    ck_assert_msg(bb_file_open(path, f, &err) == BB_OK, "%s", err.text);
    return true;
}

/* Every tensor of the GGUF is there once, with its dims and values; those of one dimension, and only they, are F32. */
static void same_tensors(const bb_file *hf, const bb_conversion *c, const bb_file *gguf) {
    bb_error err = {0};
    ck_assert_uint_eq(c->n, bb_file_tensor_count(gguf));
    for (size_t i = 0; i < c->n; i++) {
        const bb_converted *t = &c->t[i];
        const bb_tensor *g = bb_file_find(gguf, t->name);
        ck_assert_msg(g != NULL, "%s is not in the GGUF", t->name);
        ck_assert_uint_eq(g->n_dims, t->n_dims);
        ck_assert_mem_eq(g->dims, t->dims, t->n_dims * sizeof *g->dims);
        ck_assert(t->f32 == (t->n_dims == 1));
        if (t->f32) ck_assert_str_eq(g->type->name, "f32");
        float *x = converted(hf, t), *y = calloc(g->elements, sizeof *y);
        ck_assert_msg(bb_file_read_rows(gguf, g, 0, g->rows, y, &err) == BB_OK, "%s", err.text);
        ck_assert_msg(memcmp(x, y, g->elements * sizeof *y) == 0, "%s differs", t->name);
        free(x);
        free(y);
    }
}

START_TEST(real_pairs) {
    static const char *const pairs[][3] = {
        {"models/stories260K/config.json", "models/stories260K/model.safetensors", "models/stories260K/model-f32.gguf"},
        {"models/demo/hf/config.json", "models/demo/hf/model.safetensors", "models/demo/demo-f16.gguf"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        bb_file *hf, *gguf;
        bb_arch *arch = NULL;
        bb_conversion c;
        bb_error err = {0};
        char path[512], *text = NULL;
        size_t n = 0;
        if (!open_shared(pairs[i][1], &hf) || !open_shared(pairs[i][2], &gguf)) return;
        ck_assert(shared_path(pairs[i][0], path, sizeof path) != NULL);
        ck_assert_int_eq(bb_source_slurp(path, 1 << 20, &text, &n, &err), BB_OK);
        ck_assert_msg(bb_arch_from_config(text, n, "config.json", &arch, &err) == BB_OK, "%s", err.text);
        ck_assert_msg(bb_convert_hf(arch, text, n, hf, &c, &err) == BB_OK, "%s", err.text);
        same_tensors(hf, &c, gguf);
        bb_conversion_clear(&c);
        bb_arch_free(arch);
        free(text);
        bb_file_close(hf);
        bb_file_close(gguf);
    }
}
END_TEST

/* ---- small checkpoints ---- */

/* Every element has a value of its own, counted through the file. */
typedef struct small {
    made_tensors m;
    const char *type; /* of all tensors */
    char config[1024];
    bb_arch *arch;
    bb_file *file;
    bb_conversion c;
} small;

/* Two query heads of 4, one of keys; the rest of the config is `more`. */
static void begin(small *s, const char *type, const char *more) {
    *s = (small){.type = "f32"};
    made_begin();
    made_tensors_begin(&s->m);
    snprintf(s->config, sizeof s->config,
             "{\"model_type\":\"%s\",\"hidden_size\":8,\"intermediate_size\":6,\"num_hidden_layers\":1,"
             "\"num_attention_heads\":2,\"num_key_value_heads\":1,\"vocab_size\":10,\"rms_norm_eps\":1e-5,"
             "\"max_position_embeddings\":64%s}",
             type, more);
}

static void add(small *s, const char *name, uint64_t d0, uint64_t d1) {
    made_tensor(&s->m, name, s->type, (const uint64_t[4]){d0, d1});
}

static void add_in(small *s, const char *prefix, const char *name, uint64_t d0, uint64_t d1) {
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    add(s, full, d0, d1);
}

/* What all of them have. */
static void add_common(small *s, const char *base) {
    char layer[64];
    snprintf(layer, sizeof layer, "%slayers.0.", base);
    add_in(s, base, "embed_tokens.weight", 10, 8);
    add_in(s, base, "norm.weight", 8, 0);
    add_in(s, layer, "input_layernorm.weight", 8, 0);
    add_in(s, layer, "post_attention_layernorm.weight", 8, 0);
    add_in(s, layer, "self_attn.q_proj.weight", 8, 8);
    add_in(s, layer, "self_attn.k_proj.weight", 4, 8);
    add_in(s, layer, "self_attn.v_proj.weight", 4, 8);
    add_in(s, layer, "self_attn.o_proj.weight", 8, 8);
}

static void add_mlp(small *s, const char *base) {
    char layer[64];
    snprintf(layer, sizeof layer, "%slayers.0.mlp.", base);
    add_in(s, layer, "gate_proj.weight", 6, 8);
    add_in(s, layer, "up_proj.weight", 6, 8);
    add_in(s, layer, "down_proj.weight", 8, 6);
}

static void open_small(small *s) {
    bb_error err = {0};
    size_t n = s->m.bytes / 4;
    float *data = calloc(n, sizeof *data);
    for (size_t i = 0; i < n; i++) data[i] = (float)i;
    s->file = made_tensors_open(&s->m, "model.safetensors", data, n * 4);
    free(data);
    ck_assert_msg(bb_arch_from_config(s->config, strlen(s->config), "config.json", &s->arch, &err) == BB_OK, "%s",
                  err.text);
}

static void convert(small *s) {
    bb_error err = {0};
    open_small(s);
    ck_assert_msg(bb_convert_hf(s->arch, s->config, strlen(s->config), s->file, &s->c, &err) == BB_OK, "%s", err.text);
}

static void end(small *s) {
    bb_conversion_clear(&s->c);
    bb_arch_free(s->arch);
    bb_file_close(s->file);
    made_end();
}

static void refuse(small *s, bb_status status, const char *part) {
    bb_error err = {0};
    open_small(s);
    bb_status st = bb_convert_hf(s->arch, s->config, strlen(s->config), s->file, &s->c, &err);
    ck_assert_msg(st == status, "status %d: %s", st, err.text);
    ck_assert_msg(strstr(err.text, part) != NULL, "'%s' lacks '%s'", err.text, part);
    ck_assert_ptr_eq(s->c.t, NULL);
    end(s);
}

/* Values of `name` are those of `hf`; with `head` the rows of each head moved from t head/2 + j to 2j + t. */
static void holds(const small *s, const char *name, const char *hf, uint64_t head) {
    const bb_converted *t = find(&s->c, name);
    const bb_tensor *h = bb_file_find(s->file, hf);
    bb_error err = {0};
    ck_assert_msg(t != NULL, "no tensor %s", name);
    ck_assert_msg(h != NULL, "no tensor %s", hf);
    ck_assert_uint_eq(elements(t), h->elements);
    ck_assert_uint_eq(t->n_dims, h->n_dims);
    for (uint32_t i = 0; i < h->n_dims; i++) ck_assert_uint_eq(t->dims[i], h->dims[h->n_dims - 1 - i]);
    float *x = converted(s->file, t), *y = calloc(h->elements, sizeof *y);
    ck_assert_int_eq(bb_file_read_rows(s->file, h, 0, h->rows, y, &err), BB_OK);
    uint64_t cols = width(t), rows = h->elements / cols, d = head ? head : rows;
    for (uint64_t start = 0; start < rows; start += d)
        for (uint64_t k = 0; k < d; k++) {
            uint64_t moved = head ? k % (d / 2) * 2 + k / (d / 2) : k;
            ck_assert_msg(memcmp(x + (start + moved) * cols, y + (start + k) * cols, cols * sizeof *x) == 0,
                          "%s: row %d", name, (int)(start + k));
        }
    free(x);
    free(y);
}

#define LAYER "model.layers.0."

/* The buffers are dropped, experts stacked in their order, the router F32. */
START_TEST(mixtral_stacks) {
    static const char *const from[3] = {"w1", "w2", "w3"};
    static const char *const to[3] = {"blk.0.ffn_gate_exps.weight", "blk.0.ffn_down_exps.weight",
                                      "blk.0.ffn_up_exps.weight"};
    small s;
    char name[128];
    begin(&s, "mixtral", ",\"num_local_experts\":3,\"num_experts_per_tok\":2");
    for (int e = 2; e >= 0; e--)
        for (int k = 0; k < 3; k++) {
            snprintf(name, sizeof name, LAYER "block_sparse_moe.experts.%d.%s.weight", e, from[k]);
            add(&s, name, k == 1 ? 8 : 6, k == 1 ? 6 : 8);
        }
    add_common(&s, "model.");
    add(&s, LAYER "block_sparse_moe.gate.weight", 3, 8);
    add(&s, LAYER "self_attn.rotary_emb.inv_freq", 2, 0);
    add(&s, "lm_head.weight", 10, 8);
    convert(&s);
    ck_assert_uint_eq(s.c.n, 13);
    for (int k = 0; k < 3; k++) {
        const bb_converted *t = find(&s.c, to[k]);
        const uint64_t dims[3] = {k == 1 ? 6 : 8, k == 1 ? 8 : 6, 3};
        ck_assert_ptr_ne(t, NULL);
        ck_assert_uint_eq(t->n_dims, 3);
        ck_assert_mem_eq(t->dims, dims, sizeof dims);
        ck_assert_uint_eq(t->n_sources, 3);
        for (int e = 0; e < 3; e++) {
            snprintf(name, sizeof name, LAYER "block_sparse_moe.experts.%d.%s.weight", e, from[k]);
            ck_assert_str_eq(t->source[e]->name, name);
        }
        ck_assert(!t->f32);
    }
    holds(&s, "blk.0.attn_q.weight", LAYER "self_attn.q_proj.weight", 4);
    holds(&s, "blk.0.attn_k.weight", LAYER "self_attn.k_proj.weight", 4);
    holds(&s, "blk.0.attn_v.weight", LAYER "self_attn.v_proj.weight", 0);
    holds(&s, "blk.0.ffn_gate_inp.weight", LAYER "block_sparse_moe.gate.weight", 0);
    holds(&s, "output.weight", "lm_head.weight", 0);
    ck_assert(is_f32(&s.c, "blk.0.ffn_gate_inp.weight"));
    end(&s);
}
END_TEST

/* Six values of a llama-3.2 and llama-3.1 between 1 and the factor: torch's steps on fp32 done in Python, each result
 * rounded by struct.pack("<f"); ours are the same bits. The formula of specs/ggml.md 3.12 is met closely. */
START_TEST(llama3_factors) {
    static const struct {
        int head_dim, factor, first, n;
        uint32_t bits[6];
    } known[] = {
        {64, 32, 15, 3, {0x3fd35ec2, 0x4052b46f, 0x411aaaee}},
        {128, 8, 29, 6, {0x3f9a8ed5, 0x3fc6d64a, 0x4001af1d, 0x402c732e, 0x406bcace, 0x40a83c06}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        small s;
        char more[512];
        uint64_t d = (uint64_t)known[i].head_dim;
        snprintf(more, sizeof more,
                 ",\"head_dim\":%d,\"rope_theta\":500000.0,\"tie_word_embeddings\":true,\"rope_scaling\":{"
                 "\"factor\":%d.0,\"high_freq_factor\":4.0,\"low_freq_factor\":1.0,\"rope_type\":\"llama3\","
                 "\"original_max_position_embeddings\":8192}",
                 known[i].head_dim, known[i].factor);
        begin(&s, "llama", more);
        add(&s, "model.embed_tokens.weight", 10, 8);
        add(&s, "model.norm.weight", 8, 0);
        add(&s, LAYER "input_layernorm.weight", 8, 0);
        add(&s, LAYER "post_attention_layernorm.weight", 8, 0);
        add(&s, LAYER "self_attn.q_proj.weight", 2 * d, 8);
        add(&s, LAYER "self_attn.k_proj.weight", d, 8);
        add(&s, LAYER "self_attn.v_proj.weight", d, 8);
        add(&s, LAYER "self_attn.o_proj.weight", 8, 2 * d);
        add_mlp(&s, "model.");
        convert(&s);
        ck_assert_ptr_eq(find(&s.c, "output.weight"), NULL);
        holds(&s, "blk.0.attn_q.weight", LAYER "self_attn.q_proj.weight", d);
        const bb_converted *t = find(&s.c, "rope_freqs.weight");
        ck_assert_ptr_ne(t, NULL);
        ck_assert(t->f32 && t->n_sources == 0 && t->n_dims == 1);
        ck_assert_uint_eq(t->dims[0], d / 2);
        for (int k = 0; k < known[i].head_dim / 2; k++) {
            uint32_t bits;
            double wave = 2 * acos(-1.0) * pow(500000.0, 2.0 * k / known[i].head_dim), share = (8192 / wave - 1) / 3;
            double want = wave < 2048 ? 1 : wave > 8192 ? known[i].factor : 1 / ((1 - share) / known[i].factor + share);
            ck_assert_double_eq_tol((double)t->made[k] / want, 1, 1e-5);
            memcpy(&bits, &t->made[k], sizeof bits);
            if (k >= known[i].first && k < known[i].first + known[i].n)
                ck_assert_uint_eq(bits, known[i].bits[k - known[i].first]);
            else
                ck_assert((double)t->made[k] == want);
        }
        end(&s);
    }
}
END_TEST

/* Neighbours are not turned there: rows stay; biases and norms go along. */
START_TEST(qwen_keeps_rows) {
    small s;
    begin(&s, "qwen2", ",\"tie_word_embeddings\":true");
    add_common(&s, "model.");
    add_mlp(&s, "model.");
    add(&s, LAYER "self_attn.q_proj.bias", 8, 0);
    add(&s, LAYER "self_attn.k_proj.bias", 4, 0);
    add(&s, LAYER "self_attn.v_proj.bias", 4, 0);
    convert(&s);
    ck_assert_uint_eq(s.c.n, 14);
    holds(&s, "blk.0.attn_q.weight", LAYER "self_attn.q_proj.weight", 0);
    holds(&s, "blk.0.attn_k.weight", LAYER "self_attn.k_proj.weight", 0);
    holds(&s, "blk.0.attn_q.bias", LAYER "self_attn.q_proj.bias", 0);
    holds(&s, "blk.0.attn_k.bias", LAYER "self_attn.k_proj.bias", 0);
    ck_assert(is_f32(&s.c, "blk.0.attn_q.bias"));
    end(&s);
    begin(&s, "qwen3", ",\"tie_word_embeddings\":true,\"head_dim\":4");
    add_common(&s, "model.");
    add_mlp(&s, "model.");
    add(&s, LAYER "self_attn.q_norm.weight", 4, 0);
    add(&s, LAYER "self_attn.k_norm.weight", 4, 0);
    convert(&s);
    ck_assert_uint_eq(s.c.n, 13);
    holds(&s, "blk.0.attn_q.weight", LAYER "self_attn.q_proj.weight", 0);
    holds(&s, "blk.0.attn_q_norm.weight", LAYER "self_attn.q_norm.weight", 0);
    holds(&s, "blk.0.attn_k_norm.weight", LAYER "self_attn.k_norm.weight", 0);
    end(&s);
}
END_TEST

/* Biases of llama's q and k are reordered as their rows are. A tied head that is stored all the same stays, as do names
 * without "model.". */
START_TEST(llama_biases_and_names) {
    small s;
    begin(&s, "llama", ",\"tie_word_embeddings\":true,\"attention_bias\":true,\"torch_dtype\":\"bfloat16\"");
    add_common(&s, "");
    add_mlp(&s, "");
    add(&s, "layers.0.self_attn.q_proj.bias", 8, 0);
    add(&s, "layers.0.self_attn.k_proj.bias", 4, 0);
    add(&s, "layers.0.self_attn.v_proj.bias", 4, 0);
    add(&s, "layers.0.self_attn.o_proj.bias", 8, 0);
    add(&s, "lm_head.weight", 10, 8);
    convert(&s);
    holds(&s, "token_embd.weight", "embed_tokens.weight", 0);
    holds(&s, "output.weight", "lm_head.weight", 0);
    holds(&s, "blk.0.attn_q.bias", "layers.0.self_attn.q_proj.bias", 4);
    holds(&s, "blk.0.attn_k.bias", "layers.0.self_attn.k_proj.bias", 4);
    holds(&s, "blk.0.attn_v.bias", "layers.0.self_attn.v_proj.bias", 0);
    holds(&s, "blk.0.attn_output.bias", "layers.0.self_attn.o_proj.bias", 0);
    end(&s);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(other_tensors) {
    small s;
    begin(&s, "llama", "");
    add_common(&s, "model.");
    add_mlp(&s, "model.");
    refuse(&s, BB_E_INVALID, "lm_head.weight");
    begin(&s, "llama", ",\"tie_word_embeddings\":true");
    add_common(&s, "model.");
    add_mlp(&s, "model.");
    add(&s, LAYER "self_attn.sinks", 2, 0);
    refuse(&s, BB_E_INVALID, "self_attn.sinks");
    begin(&s, "llama", ",\"tie_word_embeddings\":true,\"vocab_size_in_words\":1,\"head_dim\":2");
    add_common(&s, "model.");
    add_mlp(&s, "model.");
    refuse(&s, BB_E_INVALID, "another shape");
    begin(&s, "llama", ",\"tie_word_embeddings\":true");
    s.type = "i32";
    add_common(&s, "model.");
    add_mlp(&s, "model.");
    refuse(&s, BB_E_UNSUPPORTED, "I32");
}
END_TEST

START_TEST(other_configs) {
    static const struct {
        const char *type, *more, *part;
    } refused[] = {
        {"llama", ",\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":128}", "quantized"},
        {"llama", ",\"quantization\":{\"bits\":4,\"group_size\":64}", "quantized"},
        {"llama", ",\"architectures\":[\"LlamaForSequenceClassification\"]", "classes"},
        {"llama", ",\"vision_config\":{}", "towers"},
        {"llama", ",\"partial_rotary_factor\":0.5", "in part"},
        {"llama", ",\"rope_scaling\":{\"type\":\"longrope\",\"factor\":4.0}", "longrope"},
        {"qwen2", ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":4.0}", "llama3"},
        {"qwen2", ",\"rope_scaling\":{\"type\":\"mrope\",\"mrope_section\":[1,1,0]}", "mrope"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        small s;
        begin(&s, refused[i].type, refused[i].more);
        add(&s, "model.norm.weight", 8, 0);
        refuse(&s, BB_E_UNSUPPORTED, refused[i].part);
    }
}
END_TEST

/* Every family that the graph knows is converted, or its missing rule is told. */
START_TEST(other_families) {
    small s;
    size_t taken = 0;
    begin(&s, "llama", "");
    add(&s, "model.norm.weight", 8, 0);
    open_small(&s);
    for (size_t i = 0; bb_family_at(i); i++) {
        const char *family = bb_family_at(i)->name;
        bb_error err = {0};
        strcpy(s.arch->family, family);
        bb_status st = bb_convert_hf(s.arch, s.config, strlen(s.config), s.file, &s.c, &err);
        if (strcmp(family, "llama") == 0 || strcmp(family, "qwen2") == 0 || strcmp(family, "qwen3") == 0) {
            ck_assert_int_eq(st, BB_E_INVALID);
            taken++;
            continue;
        }
        ck_assert_msg(st == BB_E_UNSUPPORTED, "%s: %s", family, err.text);
        ck_assert_msg(strstr(err.text, family) != NULL, "%s", err.text);
        ck_assert_msg(strstr(err.text, "no rule") == NULL, "%s", err.text);
    }
    ck_assert_uint_eq(taken, 3);
    end(&s);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("convert");
    TCase *t = tcase_create("convert");
    tcase_add_test(t, real_pairs);
    tcase_add_test(t, mixtral_stacks);
    tcase_add_test(t, llama3_factors);
    tcase_add_test(t, qwen_keeps_rows);
    tcase_add_test(t, llama_biases_and_names);
    tcase_add_test(t, other_tensors);
    tcase_add_test(t, other_configs);
    tcase_add_test(t, other_families);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
