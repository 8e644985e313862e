/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_stored.c - tensors and bytes of real indexes from their config.json: names, totals, differences with reasons. */
#include "base/source.h"
#include "file/made_tensors.h"
#include "graph/differences.h"
#include "model/packed.h"
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

/* A sum has what the list has. */
static void sum_agrees(const checkpoint *c, const bb_stored_list *list) {
    bb_stored_list sum;
    ck_assert_int_eq(bb_stored_sum(&c->graph, &c->q, c->arch->dtype, &sum, NULL), BB_OK);
    ck_assert_ptr_eq(sum.t, NULL);
    ck_assert_uint_eq(sum.n, list->n);
    ck_assert_uint_eq(sum.bytes, list->bytes);
    ck_assert_uint_eq(sum.parameters, list->parameters);
    ck_assert(sum.about == list->about);
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
        sum_agrees(&c, &list);
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
        sum_agrees(&c, &list);
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
    static const char config[] =
        "{\"quantization_config\":{\"quant_method\":\"fp8\",\"ignored_layers\":[\"lm_head\",\"re:.*gate$\","
        "\"re:model\\\\.layers\\\\.0\\\\..*\",\"re:(a|b)\",\"re:x\"]}}";
    bb_quantization q = {0};
    ck_assert(bb_quantization_read(config, sizeof config - 1, "c", false, &q, NULL) == BB_OK);
    ck_assert(bb_quantization_known(&q));
    ck_assert(bb_quantization_skips(&q, "lm_head"));
    ck_assert(bb_quantization_skips(&q, "model.layers.7.mlp.gate"));
    ck_assert(!bb_quantization_skips(&q, "model.layers.7.mlp.gate_proj"));
    ck_assert(bb_quantization_skips(&q, "model.layers.0.mlp.up_proj"));
    ck_assert(!bb_quantization_skips(&q, "model.layers.10.mlp.up_proj"));
    ck_assert(!bb_quantization_skips(&q, "modelxlayers.0.mlp"));
    ck_assert(bb_quantization_skips(&q, "xylem"));
    ck_assert(!bb_quantization_skips(&q, "yx"));
    ck_assert(bb_quantization_skips(&q, "bark"));
    bb_quantization_clear(&q);
}
END_TEST

#define MOE                                                                                                            \
    "{\"model_type\":\"qwen3_moe\",\"torch_dtype\":\"bfloat16\",\"head_dim\":32,\"num_experts\":16,"                   \
    "\"num_experts_per_tok\":2,\"moe_intermediate_size\":64," SMALL ","
#define CT(format, group)                                                                                              \
    LLAMA "\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"format\":\"" format                      \
          "\",\"ignore\":[\"lm_head\"],\"config_groups\":{\"group_0\":{\"targets\":[\"Linear\"]," group "}}}}"
#define W4 "\"weights\":{\"num_bits\":4,\"type\":\"int\",\"strategy\":\"group\",\"group_size\":32"
#define W8 "\"weights\":{\"num_bits\":8,\"type\":\"float\",\"strategy\":\"tensor\"}"

typedef struct expected {
    const char *name, *type; /* NULL = no such tensor */
    uint64_t dims[3];
} expected;

/* Names, types and shapes of real writers, by hand from their sources (specs/methods.md 4; mlx-lm's sanitize). */
START_TEST(layouts) {
    static const struct {
        const char *config;
        expected e[4];
    } cases[] = {
        /* experts in a stack; modules with numbers of their own, under mlx-vlm's prefix too */
        {MOE
         "\"quantization\":{\"group_size\":64,\"bits\":4,\"model.layers.0.mlp.gate\":{\"group_size\":32,\"bits\":8},"
         "\"language_model.model.layers.1.self_attn.q_proj\":false}}",
         {{"model.layers.0.mlp.switch_mlp.down_proj.weight", "u32", {16, 128, 8}},
          {"model.layers.1.mlp.switch_mlp.gate_proj.scales", "bf16", {16, 64, 2}},
          {"model.layers.0.mlp.gate.weight", "u32", {16, 32}},
          {"model.layers.1.self_attn.q_proj.weight", "bf16", {128, 128}}}},
        {"{\"model_type\":\"mixtral\",\"torch_dtype\":\"bfloat16\",\"num_local_experts\":8,\"num_experts_per_tok\":"
         "2," SMALL ",\"quantization\":{\"group_size\":32,\"bits\":4,\"mode\":\"mxfp4\"}}",
         {{"model.layers.1.block_sparse_moe.switch_mlp.down_proj.weight", "u32", {8, 128, 32}},
          {"model.layers.1.block_sparse_moe.switch_mlp.gate_proj.scales", "u8", {8, 256, 4}},
          {"model.layers.0.self_attn.q_proj.biases", NULL, {0}},
          {"model.layers.0.block_sparse_moe.experts.0.w1.weight", NULL, {0}}}},
        {CT("pack-quantized", W4 ",\"actorder\":\"group\"}"),
         {{"model.layers.0.mlp.up_proj.weight_g_idx", "i32", {128}},
          {"model.layers.0.mlp.up_proj.weight_packed", "i32", {256, 16}},
          {"model.layers.0.mlp.up_proj.input_scale", NULL, {0}}}},
        {CT("pack-quantized", W4 ",\"actorder\":\"static\"}"),
         {{"model.layers.0.mlp.up_proj.weight_g_idx", NULL, {0}}}},
        {CT("float-quantized", W8 ",\"input_activations\":{\"num_bits\":8,\"type\":\"float\",\"dynamic\":false}"),
         {{"model.layers.0.mlp.up_proj.input_scale", "f16", {1}},
          {"model.layers.0.mlp.up_proj.weight_scale", "f16", {1}}}},
        {CT("float-quantized", W8 ",\"input_activations\":{\"num_bits\":8,\"type\":\"float\",\"dynamic\":true}"),
         {{"model.layers.0.mlp.up_proj.input_scale", NULL, {0}}}},
        {CT("nvfp4-pack-quantized", "\"weights\":{\"num_bits\":4,\"type\":\"float\",\"strategy\":\"tensor_group\","
                                    "\"group_size\":16},\"input_activations\":{\"num_bits\":4,\"dynamic\":\"local\"}"),
         {{"model.layers.0.mlp.up_proj.input_global_scale", "f32", {1}},
          {"model.layers.0.mlp.up_proj.input_scale", NULL, {0}}}},
        {LLAMA "\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32,\"dynamic\":"
               "{\"-:.*\\\\.0\\\\..*\":{},\"+:.*down_proj\":{\"bits\":8,\"group_size\":64}}}}",
         {{"model.layers.0.mlp.down_proj.weight", "f16", {128, 256}},
          {"model.layers.1.mlp.down_proj.qweight", "i32", {64, 128}},
          {"model.layers.1.mlp.down_proj.scales", "f16", {4, 128}},
          {"model.layers.1.mlp.up_proj.qweight", "i32", {16, 256}}}},
        /* the first that takes a module holds; Python's operators, longer than a module's name can be */
        {LLAMA "\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32,\"dynamic\":"
               "{\"-:.*(q|k)_proj\":null,\"model\\\\.layers\\\\.(?:0|"
               "00000000000000000000000000000000000000000000000000000000|"
               "11111111111111111111111111111)\\\\.\":{\"bits\":8},\"+:.*\\\\.[1-9]\\\\d*\\\\.mlp\\\\.[ud]\":{\"group_"
               "size\":64}}}}",
         {{"model.layers.1.self_attn.k_proj.weight", "f16", {64, 128}},
          {"model.layers.0.mlp.up_proj.qweight", "i32", {32, 256}},
          {"model.layers.1.mlp.up_proj.scales", "f16", {2, 256}},
          {"model.layers.1.self_attn.v_proj.scales", "f16", {4, 64}}}},
        {LLAMA "\"quantization_config\":{\"quant_method\":\"fp8\",\"ignored_layers\":[\"re:.*[qk]_proj\"]}}",
         {{"model.layers.0.self_attn.q_proj.weight", "f16", {128, 128}},
          {"model.layers.0.self_attn.q_proj.weight_scale", NULL, {0}},
          {"model.layers.0.self_attn.v_proj.weight", "e4m3fn", {64, 128}}}},
        {LLAMA
         "\"quantization_config\":{\"quant_method\":\"auto-round\",\"bits\":4,\"group_size\":32,\"packing_format\":"
         "\"auto_round:auto_awq\",\"extra_config\":{\"model.layers.0.mlp.up_proj\":{\"bits\":16}}}}",
         {{"model.layers.0.mlp.up_proj.weight", "f16", {256, 128}},
          {"model.layers.1.mlp.up_proj.qweight", "i32", {128, 32}}}},
        {CT("int-quantized",
            "\"weights\":{\"num_bits\":8,\"type\":\"int\",\"strategy\":\"channel\",\"symmetric\":false},"
            "\"input_activations\":{\"num_bits\":8,\"dynamic\":false,\"symmetric\":false}"),
         {{"model.layers.0.mlp.up_proj.weight_zero_point", "i8", {256, 1}},
          {"model.layers.0.mlp.up_proj.input_zero_point", "i8", {1}}}},
        {LLAMA "\"quantization_config\":{\"quant_method\":\"bitsandbytes\",\"load_in_4bit\":true,"
               "\"bnb_4bit_quant_storage\":\"bfloat16\"}}",
         {{"model.layers.0.mlp.up_proj.weight", "bf16", {256 * 128 / 4, 1}}}},
        {LLAMA "\"quantization_config\":{\"quant_method\":\"gptq_marlin\",\"bits\":8,\"group_size\":-1}}",
         {{"model.layers.1.mlp.up_proj.qweight", "i32", {32, 256}}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        checkpoint c;
        bb_stored_list list;
        uint64_t total;
        from_text(&c, cases[i].config, "small");
        ck_assert_int_eq(bb_graph_parameters(&c.graph, &total, NULL), BB_OK);
        ck_assert_int_eq(bb_stored_hf(&c.graph, &c.q, c.arch->dtype, &list, NULL), BB_OK);
        ck_assert_uint_eq(list.parameters, total);
        sum_agrees(&c, &list);
        for (const expected *e = cases[i].e; e < cases[i].e + 4 && e->name; e++) {
            size_t k = 0;
            while (k < list.n && strcmp(list.t[k].name, e->name) != 0) k++;
            ck_assert_msg((k < list.n) == (e->type != NULL), "case %zu: %s", i, e->name);
            if (!e->type) continue;
            ck_assert_str_eq(list.t[k].type, e->type);
            for (size_t d = 0; d < 3; d++) ck_assert_uint_eq(list.t[k].dims[d], e->dims[d]);
        }
        bb_stored_clear(&list);
        done(&c);
    }
}
END_TEST

/* What is read as its first group, or as GPTQ, would be wrong bytes. */
START_TEST(layouts_not_known) {
    static const char *const configs[] = {
        LLAMA "\"quantization_config\":{\"quant_method\":\"hqq\"}}",
        LLAMA "\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,\"checkpoint_format\":\"marlin\"}}",
        LLAMA "\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4,\"version\":\"gemv\"}}",
        LLAMA
        "\"quantization_config\":{\"quant_method\":\"auto-round\",\"bits\":4,\"packing_format\":\"auto_round:itrex\"}}",
        CT("marlin-24", W4 "}"),
        CT("pack-quantized", W4 "}},\"group_1\":{\"targets\":[\"re:.*down_proj\"]," W8),
        LLAMA
        "\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"config_groups\":{\"group_0\":{\"targets\":"
        "[\"re:.*down_proj\"]," W8 "}}}}",
        LLAMA "\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,\"dynamic\":{"
              "\"-:.*(?!q)_proj\":{}}}}",
        LLAMA "\"quantization_config\":{\"quant_method\":\"fp8\",\"ignored_layers\":[\"re:(?i).*q_proj\"]}}",
    };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        checkpoint c;
        bb_stored_list list;
        bb_error err = {0};
        from_text(&c, configs[i], "small");
        ck_assert_msg(!bb_quantization_known(&c.q), "%zu: %s", i, c.q.label);
        ck_assert_int_eq(bb_stored_hf(&c.graph, &c.q, c.arch->dtype, &list, &err), BB_E_UNSUPPORTED);
        ck_assert_msg(strstr(err.text, c.q.label) != NULL, "%s", err.text);
        done(&c);
    }
}
END_TEST

/* 15000 layers of 256 experts: no list, but a sum, unless some layer differs from the others. */
START_TEST(many_layers) {
    static const char head[] =
        "{\"model_type\":\"qwen3_moe\",\"torch_dtype\":\"bfloat16\",\"head_dim\":32,\"num_experts\":256,"
        "\"num_experts_per_tok\":2,\"moe_intermediate_size\":64,\"hidden_size\":128,\"num_hidden_layers\":15000,"
        "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"intermediate_size\":256,\"vocab_size\":512,"
        "\"quantization_config\":{\"quant_method\":\"bitsandbytes\",\"load_in_4bit\":true,\"llm_int8_skip_modules\":[";
    static const char *const skips[] = {"lm_head", "re:.*\\\\.\\\\d+\\\\.self_attn\\\\.(q|k)_proj$", "layers.7.",
                                        "re:.*\\\\.\\\\d\\\\."};
    for (size_t i = 0; i < 4; i++) {
        bool differs = i >= 2;
        char text[1024];
        checkpoint c;
        bb_stored_list list;
        uint64_t total;
        snprintf(text, sizeof text, "%s\"%s\"]}}", head, skips[i]);
        from_text(&c, text, "small");
        ck_assert_int_eq(bb_stored_hf(&c.graph, &c.q, c.arch->dtype, &list, NULL), BB_E_LIMIT);
        if (differs) {
            ck_assert_int_eq(bb_stored_sum(&c.graph, &c.q, c.arch->dtype, &list, NULL), BB_E_LIMIT);
        } else {
            ck_assert_int_eq(bb_graph_parameters(&c.graph, &total, NULL), BB_OK);
            ck_assert_int_eq(bb_stored_sum(&c.graph, &c.q, c.arch->dtype, &list, NULL), BB_OK);
            ck_assert_uint_eq(list.parameters, total);
        }
        done(&c);
    }
}
END_TEST

/* A file of what the config says has no difference, and stands for the architecture's parameters; each tensor beside
 * these has its reason, and is no parameter unless it is another task's. */
START_TEST(reasons) {
    static const char classifier[] = "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForSequenceClassification\"],"
                                     "\"torch_dtype\":\"float16\"," SMALL "}";
    static const struct {
        const char *config, *extra;
        bb_diff_reason reason;
        bool counts;
    } cases[] = {
        {LLAMA "\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32}}",
         "model.layers.0.mlp.up_proj.bias", BB_DIFF_ZERO_BIAS, false},
        {CT("float-quantized", W8), "model.layers.0.self_attn.k_scale", BB_DIFF_CACHE_SCALES, false},
        {CT("float-quantized", W8), "model.layers.0.mlp.up_proj.input_scale", BB_DIFF_SCALES, false},
        {MOE "\"quantization\":{\"group_size\":64,\"bits\":4,\"model.layers.0.mlp.gate\":{\"bits\":8}}}",
         "model.layers.0.mlp.up_proj.lora_magnitude_vector", BB_DIFF_ADAPTER, true},
        {classifier, "lm_head.weight", BB_DIFF_TASK_HEAD, true},
        {"{\"model_type\":\"llama\",\"tie_word_embeddings\":true,\"torch_dtype\":\"float16\"," SMALL "}",
         "lm_head.weight", BB_DIFF_TIED_HEAD, true},
    };
    made_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        checkpoint c;
        bb_stored_list list;
        bb_difference *d = NULL;
        size_t n = 0;
        made_tensors m;
        uint64_t total;
        from_text(&c, cases[i].config, "small");
        ck_assert_int_eq(bb_graph_parameters(&c.graph, &total, NULL), BB_OK);
        ck_assert_int_eq(bb_stored_hf(&c.graph, &c.q, c.arch->dtype, &list, NULL), BB_OK);
        made_tensors_begin(&m);
        /* readers make GPTQ's lists of groups where a file has none */
        for (size_t k = 0; k < list.n; k++)
            if (!bb_ends_with(list.t[k].name, ".g_idx"))
                made_tensor(&m, list.t[k].name, list.t[k].type, list.t[k].dims);
        made_tensor(&m, cases[i].extra, "f16", (uint64_t[4]){256});
        c.file = made_tensors_open(&m, "m", "", 1);
        ck_assert_int_eq(bb_graph_differences(&c.graph, &list, c.file, &d, &n, NULL), BB_OK);
        ck_assert_msg(n == 1 && d[0].reason == cases[i].reason, "%s: %s", cases[i].extra, n ? d[0].text : "nothing");
        ck_assert_uint_eq(bb_packed_parameters(c.file, &c.q), total + (cases[i].counts ? 256 : 0));
        free(d);
        bb_stored_clear(&list);
        done(&c);
    }
    made_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("stored");
    TCase *t = tcase_create("stored");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, real_indexes);
    tcase_add_test(t, methods);
    tcase_add_test(t, skip_lists);
    tcase_add_test(t, layouts);
    tcase_add_test(t, layouts_not_known);
    tcase_add_test(t, many_layers);
    tcase_add_test(t, reasons);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
