/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_stored.c - tensors and bytes of real indexes from their config.json: names, totals, differences with reasons. */
#include "base/source.h"
#include "graph/differences.h"
#include "harness.h"
#include <inttypes.h>
#include <string.h>

typedef struct checkpoint {
    bb_arch *arch;
    bb_graph graph;
    bb_quantization q;
    bb_file *file;
} checkpoint;

static void from_text(checkpoint *c, const char *text, const char *name) {
    bb_error err = {0};
    *c = (checkpoint){0};
    ck_assert_msg(bb_arch_from_config(text, strlen(text), name, &c->arch, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(bb_graph_build(c->arch, &c->graph, &err) == BB_OK, "%s", err.text);
    ck_assert_msg(bb_quantization_read(text, strlen(text), name, false, &c->q, &err) == BB_OK, "%s", err.text);
}

static bool from_folder(checkpoint *c, const char *folder, const char *index) {
    char name[256], path[512], *text = NULL;
    size_t n = 0;
    bb_error err = {0};
    snprintf(name, sizeof name, "truth/configs/%s/config.json", folder);
    if (!shared_path(name, path, sizeof path)) {
        skip_shared(name);
        return false;
    }
    ck_assert_int_eq(bb_source_slurp(path, 1 << 20, &text, &n, &err), BB_OK);
    from_text(c, text, folder);
    free(text);
    snprintf(name, sizeof name, "truth/configs/%s/%s", folder, index);
    ck_assert(shared_path(name, path, sizeof path) != NULL);
    ck_assert_msg(bb_file_open_index(path, false, &c->file, &err) == BB_OK, "%s", err.text);
    return true;
}

static void done(checkpoint *c) {
    bb_graph_clear(&c->graph);
    bb_arch_free(c->arch);
    bb_quantization_clear(&c->q);
    if (c->file) bb_file_close(c->file);
}

/* Every folder with an index of a known architecture: its names are those that we list, its total_size is our bytes;
 * openllama's 26 rotary buffers of 200 bytes are the one difference, and are told. */
START_TEST(real_indexes) {
    static const struct {
        const char *folder, *index;
        uint64_t total_size;
        size_t tensors, differences;
    } folders[] = {
        {"1rin__openllama-chinese-english-3b", "pytorch_model.bin.index.json", 13705925200, 263, 1},
        {"IrfanUruchi__Llama-3.1-8B-Computer-Networks-LLM", "model.safetensors.index.json", 11188584672, 739, 0},
        {"KamilaTrinkenschuh__Minstral-Model", "pytorch_model.bin.index.json", 28966928384, 291, 0},
        {"PANDASANG1231__llama_3.2-3B-huggingface-shard0", "model.safetensors.index.json", 6425499648, 254, 0},
        {"YouriLalain__1PARAMMYL-8B-ModelStock", "model.safetensors.index.json", 16060522496, 291, 0},
        {"YouriLalain__3PRYMMAL-PHI3-3B-SLERP", "model.safetensors.index.json", 7642159104, 195, 0},
        {"amansingh61__bloom", "pytorch_model.bin.index.json", 352494542848, 845, 0},
        {"ashishn-08__granite-3b-code-instruct-128k", "model.safetensors.index.json", 6965007360, 514, 0},
        {"fetchwiki__deepcogito-cogito-v1-preview-qwen-14B", "model.safetensors.index.json", 29531895808, 579, 0},
        {"root-hypercube__qwen3-mlx__Qwen3-14B-MLX-4bit", "model.safetensors.index.json", 8307783680, 1007, 0},
    };
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        checkpoint c;
        bb_stored_list list;
        bb_difference *d = NULL;
        size_t n = 0;
        bb_error err = {0};
        if (!from_folder(&c, folders[i].folder, folders[i].index)) return;
        ck_assert_msg(bb_stored_hf(&c.graph, &c.q, c.arch->dtype, &list, &err) == BB_OK, "%s", err.text);
        ck_assert_int_eq(bb_graph_differences(&c.graph, &list, c.file, &d, &n, &err), BB_OK);
        uint64_t buffers = 0;
        for (size_t k = 0; k < n; k++) {
            fprintf(stderr, "# %s: %s: %s\n", folders[i].folder, bb_diff_word(d[k].reason), d[k].text);
            if (d[k].reason == BB_DIFF_BUFFER) buffers = d[k].tensors * c.arch->head_dim / 2 * 4;
        }
        ck_assert_msg(list.bytes + buffers == folders[i].total_size, "%s: %" PRIu64 " is not %" PRIu64,
                      folders[i].folder, list.bytes + buffers, folders[i].total_size);
        ck_assert_uint_eq(bb_file_tensor_count(c.file), folders[i].tensors);
        ck_assert_uint_eq(n, folders[i].differences);
        free(d);
        bb_stored_clear(&list);
        done(&c);
    }
}
END_TEST

#define SMALL                                                                                                          \
    "\"hidden_size\":128,\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"                 \
    "\"intermediate_size\":256,\"vocab_size\":512,\"max_position_embeddings\":64"
#define LLAMA "{\"model_type\":\"llama\",\"torch_dtype\":\"float16\"," SMALL ","

/* Whatever the method, the tensors stand for the parameters of the graph; sizes of one matrix by hand. */
START_TEST(methods) {
    static const struct {
        const char *config, *tensor;
        uint64_t bytes; /* of that tensor */
        size_t per_matrix;
    } cases[] = {
        {LLAMA "\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32}}",
         "model.layers.1.mlp.down_proj.qzeros", 8 * 16 * 4, 4}, /* 256 / 32 groups, 128 outputs / 8 */
        {LLAMA "\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":3,\"group_size\":-1}}",
         "model.layers.1.mlp.down_proj.qweight", 256 * 3 / 32 * 128 * 4, 4},
        {LLAMA "\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":64}}",
         "model.layers.0.self_attn.k_proj.qweight", 128 * 64 / 8 * 4, 3},
        {LLAMA "\"quantization_config\":{\"quant_method\":\"bitsandbytes\",\"load_in_4bit\":true,"
               "\"bnb_4bit_quant_type\":\"nf4\"}}",
         "model.layers.0.self_attn.k_proj.weight.absmax", 128 * 64 / 64 * 4, 4},
        {LLAMA "\"quantization_config\":{\"quant_method\":\"bitsandbytes\",\"load_in_4bit\":true,"
               "\"bnb_4bit_quant_type\":\"nf4\",\"bnb_4bit_use_double_quant\":true}}",
         "model.layers.0.self_attn.k_proj.weight.absmax", 128, 6},
        {LLAMA
         "\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"format\":\"pack-quantized\","
         "\"ignore\":[\"lm_head\",\"re:.*down_proj$\"],\"config_groups\":{\"group_0\":{\"weights\":{\"num_bits\":4,"
         "\"type\":\"int\",\"strategy\":\"group\",\"group_size\":128,\"symmetric\":true}}}}}",
         "model.layers.0.mlp.down_proj.weight", 128 * 256 * 2, 3},
        {LLAMA "\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":[128,128]}}",
         "model.layers.0.mlp.down_proj.weight_scale_inv", 2 * 4, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        checkpoint c;
        bb_stored_list list, plain;
        uint64_t total = 0, found = 0;
        from_text(&c, cases[i].config, "small");
        ck_assert_int_eq(bb_graph_parameters(&c.graph, &total, NULL), BB_OK);
        ck_assert_int_eq(bb_stored_hf(&c.graph, &c.q, c.arch->dtype, &list, NULL), BB_OK);
        ck_assert_int_eq(bb_stored_hf(&c.graph, NULL, c.arch->dtype, &plain, NULL), BB_OK);
        ck_assert_uint_eq(list.parameters, total);
        ck_assert_uint_eq(plain.bytes, 2 * total);
        ck_assert_uint_lt(list.bytes, plain.bytes);
        size_t matrices = c.q.method == BB_QUANT_COMPRESSED ? 2 * 6 : 2 * 7;
        ck_assert_uint_eq(list.n, plain.n + matrices * (cases[i].per_matrix - 1));
        for (size_t k = 0; k < list.n; k++)
            if (strcmp(list.t[k].name, cases[i].tensor) == 0) found = list.t[k].bytes;
        ck_assert_msg(found == cases[i].bytes, "%s: %s %" PRIu64, c.q.label, cases[i].tensor, found);
        bb_stored_clear(&list);
        bb_stored_clear(&plain);
        done(&c);
    }
}
END_TEST

START_TEST(skip_lists) {
    bb_quantization q = {0};
    char names[5][96] = {"lm_head", "re:.*gate$", "re:model\\.layers\\.0\\..*", "re:(a|b)", "re:x"};
    q.skips = names;
    q.n_skips = 5;
    ck_assert(bb_quantization_skips(&q, "lm_head"));
    ck_assert(bb_quantization_skips(&q, "model.layers.7.mlp.gate"));
    ck_assert(!bb_quantization_skips(&q, "model.layers.7.mlp.gate_proj"));
    ck_assert(bb_quantization_skips(&q, "model.layers.0.mlp.up_proj"));
    ck_assert(!bb_quantization_skips(&q, "model.layers.10.mlp.up_proj"));
    ck_assert(!bb_quantization_skips(&q, "modelxlayers.0.mlp"));
    ck_assert(bb_quantization_skips(&q, "xylem"));
    ck_assert(!bb_quantization_skips(&q, "yx"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("stored");
    TCase *t = tcase_create("stored");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, real_indexes);
    tcase_add_test(t, methods);
    tcase_add_test(t, skip_lists);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
