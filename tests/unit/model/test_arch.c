/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_arch.c - what a config.json and the keys of a GGUF file say of a model, where the rule is not plain. */
#include "../file/made.h"
#include "graph/graph.h"
#include "harness.h"
#include "model/arch_fields.h"
#include <inttypes.h>
#include <string.h>

#define SIZES                                                                                                          \
    "\"hidden_size\":64,\"num_hidden_layers\":4,\"num_attention_heads\":4,\"intermediate_size\":96,\"vocab_size\":"    \
    "100,"                                                                                                             \
    "\"max_position_embeddings\":32"

static bb_arch config(const char *text) {
    bb_arch *a = NULL, copy;
    bb_error err = {0};
    ck_assert_msg(bb_arch_from_config(text, strlen(text), "t", &a, &err) == BB_OK, "%s: %s", text, err.text);
    copy = *a;
    bb_arch_free(a);
    return copy;
}

static uint64_t count(const char *text) {
    bb_arch a = config(text);
    bb_graph g;
    uint64_t n = 0;
    ck_assert_int_eq(bb_graph_build(&a, &g, NULL), BB_OK);
    ck_assert_int_eq(bb_graph_parameters(&g, &n, NULL), BB_OK);
    bb_graph_clear(&g);
    return n;
}

static bool has_tensor(const char *text, const char *name) {
    bb_arch a = config(text);
    bb_graph g;
    bb_graph_tensor *t = NULL;
    size_t n = 0;
    bool found = false;
    ck_assert_int_eq(bb_graph_build(&a, &g, NULL), BB_OK);
    ck_assert_int_eq(bb_graph_tensors(&g, true, &t, &n), BB_OK);
    for (size_t i = 0; i < n; i++) found |= strcmp(t[i].name, name) == 0;
    free(t);
    bb_graph_clear(&g);
    return found;
}

/* The class that saved a checkpoint decides what stands on top; counts of published models. */
START_TEST(heads) {
    static const char glm[] = "{\"model_type\":\"chatglm\",\"architectures\":[\"ChatGLMModel\"],\"hidden_size\":4096,"
                              "\"num_layers\":28,\"num_attention_heads\":32,\"ffn_hidden_size\":13696,"
                              "\"padded_vocab_size\":65024,\"kv_channels\":128,\"multi_query_attention\":true,"
                              "\"multi_query_group_num\":2,\"add_qkv_bias\":true,\"seq_length\":32768}";
    ck_assert_uint_eq(count(glm), 6243584000);
#define LLAMA(class, more) "{\"model_type\":\"llama\",\"architectures\":[\"" class "\"]," SIZES more "}"
    ck_assert(has_tensor(LLAMA("LlamaForCausalLM", ""), "lm_head.weight"));
    ck_assert(!has_tensor(LLAMA("LlamaModel", ""), "lm_head.weight"));
    ck_assert(!has_tensor(LLAMA("LlamaForRewardModel", ""), "lm_head.weight"));
    uint64_t base = count(LLAMA("LlamaModel", ""));
    ck_assert_uint_eq(count(LLAMA("LlamaForSequenceClassification", "")), base + 2 * 64);
    ck_assert_uint_eq(count(LLAMA("LlamaForSequenceClassification", ",\"num_labels\":1")), base + 64);
    ck_assert_uint_eq(
        count(LLAMA("LlamaForSequenceClassification", ",\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}")),
        base + 3 * 64);
    ck_assert_uint_eq(count(LLAMA("LlamaForTokenClassification", "")), base + 2 * 64 + 2);
}
END_TEST

#define HYBRID                                                                                                         \
    "\"model_type\":\"qwen3_5_text\",\"hidden_size\":64,\"num_attention_heads\":4,\"num_key_value_heads\":2,"          \
    "\"head_dim\":32,\"intermediate_size\":96,\"vocab_size\":100,\"linear_conv_kernel_dim\":4,"                        \
    "\"linear_key_head_dim\":16,\"linear_num_key_heads\":2,\"linear_num_value_heads\":4,"

/* Which layers attend: as layer_types says, else every fourth; what linear attention cannot be is refused. */
START_TEST(linear_attention) {
    bb_arch *a = NULL;
    static const char *const refused[] = {
        "{" HYBRID "\"linear_value_head_dim\":32,\"num_hidden_layers\":4}",
        "{" HYBRID "\"linear_value_head_dim\":16,\"num_hidden_layers\":513}",
        "{" HYBRID "\"linear_value_head_dim\":16,\"num_hidden_layers\":2,\"layer_types\":[\"full_attention\"]}",
        "{" HYBRID "\"linear_value_head_dim\":4294967296,\"num_hidden_layers\":4}",
        "{" HYBRID "\"num_hidden_layers\":4}"};
    bb_arch made = config("{\"model_type\":\"qwen3_5\",\"vision_config\":{},\"text_config\":{" HYBRID
                          "\"linear_value_head_dim\":16,\"num_hidden_layers\":9}}");
    ck_assert_str_eq(made.family, "qwen35");
    ck_assert_uint_eq(made.recurrence.layers, 7);
    ck_assert(bb_arch_attends(&made, 3) && bb_arch_attends(&made, 7) && !bb_arch_attends(&made, 8));
    made = config("{" HYBRID "\"linear_value_head_dim\":16,\"num_hidden_layers\":3,"
                  "\"layer_types\":[\"full_attention\",\"linear_attention\",\"full_attention\"]}");
    ck_assert_uint_eq(made.recurrence.layers, 1);
    ck_assert(!bb_arch_attends(&made, 1));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        ck_assert_msg(bb_arch_from_config(refused[i], strlen(refused[i]), "config.json", &a, NULL) != BB_OK, "%s",
                      refused[i]);
}
END_TEST

/* Longest contexts that vLLM derives (vllm/config/model.py), written by hand for each kind of scaling. */
START_TEST(stretched_contexts) {
    static const struct {
        const char *scaling;
        uint64_t longest;
    } cases[] = {{"null", 32768},
                 {"{\"type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":32768}", 131072},
                 {"{\"rope_type\":\"yarn\",\"factor\":40,\"original_max_position_embeddings\":4096}", 163840},
                 {"{\"type\":\"linear\",\"factor\":8.0}", 262144},
                 {"{\"rope_type\":\"dynamic\",\"factor\":2.5}", 81920},
                 {"{\"rope_type\":\"llama3\",\"factor\":8.0}", 32768},
                 {"{\"type\":\"longrope\",\"factor\":2.0}", 32768},
                 {"{\"type\":\"linear\",\"factor\":1e300}", 32768}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "{\"model_type\":\"qwen2\",\"hidden_size\":64,\"num_hidden_layers\":2,\"num_attention_heads\":4,"
                 "\"num_key_value_heads\":2,\"intermediate_size\":128,\"vocab_size\":256,"
                 "\"max_position_embeddings\":32768,\"rope_scaling\":%s}",
                 cases[i].scaling);
        bb_arch a = config(text);
        ck_assert_msg(bb_arch_longest(&a) == cases[i].longest, "%s: %llu", cases[i].scaling,
                      (unsigned long long)bb_arch_longest(&a));
    }
}
END_TEST

/* Inside text_config transformers leaves out what is the class's standard; outside a missing key is an error. */
START_TEST(nested) {
    bb_arch a = config("{\"model_type\":\"llava\",\"vision_config\":{},\"text_config\":{\"model_type\":\"llama\","
                       "\"vocab_size\":32064}}");
    ck_assert(a.layers == 32 && a.hidden == 4096 && a.ffn == 11008 && a.vocab == 32064 && a.towers && !a.tied);
    a = config("{\"model_type\":\"paligemma\",\"vision_config\":{},\"text_config\":{\"model_type\":\"gemma\","
               "\"hidden_size\":2048,\"num_hidden_layers\":18,\"num_attention_heads\":8,\"num_key_value_heads\":1,"
               "\"intermediate_size\":16384,\"vocab_size\":257216}}");
    ck_assert(a.tied && a.head_dim == 256);
    a = config("{\"model_type\":\"gemma3\",\"tie_word_embeddings\":false,\"text_config\":{\"hidden_size\":2560,"
               "\"num_hidden_layers\":34,\"intermediate_size\":10240,\"sliding_window\":1024}}");
    ck_assert(!a.tied && a.heads == 8 && a.kv_heads == 4 && a.vocab == 262208 && a.swa_period == 6 && !a.towers);
    bb_arch *none = NULL;
    static const char bare[] = "{\"model_type\":\"llama\"}";
    ck_assert_int_eq(bb_arch_from_config(bare, strlen(bare), "t", &none, NULL), BB_E_INVALID);
}
END_TEST

START_TEST(layers) {
    bb_arch a = config("{\"model_type\":\"gpt_oss\",\"num_local_experts\":4,\"num_experts_per_tok\":2,\"layer_types\":["
                       "\"sliding_attention\",\"full_attention\",\"sliding_attention\",\"full_attention\"]," SIZES "}");
    ck_assert(bb_arch_window_layer(&a, 0) && !bb_arch_window_layer(&a, 1) && bb_arch_window_layer(&a, 2));
    bb_arch *none = NULL;
    static const char irregular[] =
        "{\"model_type\":\"gpt_oss\",\"num_local_experts\":4,\"num_experts_per_tok\":2,"
        "\"layer_types\":[\"full_attention\",\"sliding_attention\",\"full_attention\"]," SIZES "}";
    ck_assert_int_eq(bb_arch_from_config(irregular, strlen(irregular), "t", &none, NULL), BB_E_UNSUPPORTED);
    a = config("{\"model_type\":\"deepseek_v2\",\"kv_lora_rank\":16,\"qk_rope_head_dim\":8,\"qk_nope_head_dim\":8,"
               "\"v_head_dim\":8,\"n_routed_experts\":4,\"num_experts_per_tok\":2,\"moe_intermediate_size\":16,"
               "\"first_k_dense_replace\":1,\"moe_layer_freq\":2," SIZES "}");
    ck_assert(!bb_arch_moe_layer(&a, 0) && !bb_arch_moe_layer(&a, 1) && bb_arch_moe_layer(&a, 2));
    a = config("{\"model_type\":\"qwen3_moe\",\"num_experts\":4,\"num_experts_per_tok\":2,\"moe_intermediate_size\":16,"
               "\"decoder_sparse_step\":2," SIZES "}");
    ck_assert(!bb_arch_moe_layer(&a, 0) && bb_arch_moe_layer(&a, 1) && !bb_arch_moe_layer(&a, 2));
    ck_assert(has_tensor("{\"model_type\":\"falcon\",\"new_decoder_architecture\":true," SIZES "}",
                         "transformer.h.0.ln_attn.weight"));
    ck_assert(has_tensor("{\"model_type\":\"falcon\",\"parallel_attn\":false,\"multi_query\":false,\"bias\":true," SIZES
                         "}",
                         "transformer.h.0.post_attention_layernorm.bias"));
}
END_TEST

/* What nobody describes cannot be wrong: shown as far as it can be read. */
START_TEST(unknown) {
    bb_arch a = config("{\"model_type\":\"mamba9\",\"num_hidden_layers\":-1,\"hidden_size\":64,\"vocab_size\":\"x\"}");
    ck_assert(a.hidden == 64 && a.layers == 0 && !bb_arch_known(a.family));
    a = config("{\"model_type\":\"llama\",\"torch_dtype\":\"torch.bfloat16\"," SIZES "}");
    ck_assert_str_eq(a.dtype, "bf16");
    a = config("{\"model_type\":\"llama\",\"torch_dtype\":\"int8\"," SIZES "}");
    ck_assert_str_eq(a.dtype, "");
}
END_TEST

/* ---- GGUF keys: a file of metadata alone ---- */

static unsigned char bytes[4096];
static size_t n_bytes, n_keys;

static void put(const void *data, size_t n) {
    memcpy(bytes + n_bytes, data, n);
    n_bytes += n;
}
static void put_u64(uint64_t v) { put(&v, 8); }
static void put_u32(uint32_t v) { put(&v, 4); }
static void put_text(const char *s) {
    put_u64(strlen(s));
    put(s, strlen(s));
}
static void key_u32(const char *key, uint32_t v) {
    put_text(key);
    put_u32(4);
    put_u32(v);
    n_keys++;
}
static void key_bools(const char *key, const char *v) { /* "110": true, true, false */
    put_text(key);
    put_u32(9);
    put_u32(7);
    put_u64(strlen(v));
    for (; *v; v++) put(*v == '1' ? "\1" : "\0", 1);
    n_keys++;
}

static void begin(const char *family) {
    n_bytes = n_keys = 0;
    put("GGUF", 4);
    put_u32(3);
    put_u64(0);
    put_u64(0);
    put_text("general.architecture");
    put_u32(8);
    put_text(family);
    n_keys = 1;
    static const struct {
        const char *key;
        uint32_t v;
    } keys[] = {{"block_count", 6},          {"embedding_length", 64}, {"attention.head_count", 4},
                {"feed_forward_length", 96}, {"vocab_size", 100},      {"context_length", 64}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char key[96];
        snprintf(key, sizeof key, "%s.%s", family, keys[i].key);
        key_u32(key, keys[i].v);
    }
}

static bb_status finish(bb_arch *copy) {
    uint64_t n = n_keys;
    bb_arch *a = NULL;
    memcpy(bytes + 16, &n, 8);
    made_begin();
    made_file("m.gguf", bytes, n_bytes);
    bb_file *f = made_open("m.gguf");
    bb_status st = bb_arch_from_file(f, &a, NULL);
    if (a) *copy = *a;
    bb_arch_free(a);
    bb_file_close(f);
    made_end();
    return st;
}

START_TEST(gguf_windows) {
    bb_arch a;
    begin("gemma3");
    key_u32("gemma3.attention.sliding_window", 32);
    ck_assert_int_eq(finish(&a), BB_OK);
    ck_assert_uint_eq(a.swa_period, 6);
    begin("gemma3");
    key_u32("gemma3.attention.sliding_window", 32);
    key_u32("gemma3.attention.sliding_window_pattern", 2);
    ck_assert_int_eq(finish(&a), BB_OK);
    ck_assert_uint_eq(a.swa_period, 2);
    begin("olmo2");
    key_u32("olmo2.attention.sliding_window", 32);
    key_bools("olmo2.attention.sliding_window_pattern", "110110");
    ck_assert_int_eq(finish(&a), BB_OK);
    ck_assert_uint_eq(a.swa_period, 3);
    begin("olmo2");
    key_u32("olmo2.attention.sliding_window", 32);
    key_bools("olmo2.attention.sliding_window_pattern", "110010");
    ck_assert_int_eq(finish(&a), BB_E_UNSUPPORTED);
    begin("gemma2");
    ck_assert_int_eq(finish(&a), BB_OK);
    ck_assert(a.sliding_window == 4096 && a.swa_period == 2);
}
END_TEST

START_TEST(gguf_widths) {
    bb_arch a;
    begin("qwen3");
    key_u32("qwen3.attention.key_length", 16);
    key_u32("qwen3.attention.value_length", 32);
    ck_assert_int_eq(finish(&a), BB_OK);
    ck_assert(a.head_dim == 16 && a.v_head_dim == 32);
    begin("deepseek2");
    key_u32("deepseek2.attention.kv_lora_rank", 32);
    key_u32("deepseek2.attention.key_length", 40);
    key_u32("deepseek2.attention.value_length", 32);
    key_u32("deepseek2.attention.key_length_mla", 24);
    key_u32("deepseek2.attention.value_length_mla", 16);
    key_u32("deepseek2.rope.dimension_count", 8);
    key_u32("deepseek2.nextn_predict_layers", 1);
    ck_assert_int_eq(finish(&a), BB_OK);
    ck_assert(a.nope_dim == 16 && a.rope_dim == 8 && a.v_head_dim == 16 && a.head_dim == 24 && a.mla_split);
    ck_assert(a.layers == 5 && a.mtp_layers == 1);
    begin("deepseek2"); /* before latent heads were stored as one */
    key_u32("deepseek2.attention.kv_lora_rank", 32);
    key_u32("deepseek2.attention.key_length", 24);
    key_u32("deepseek2.attention.value_length", 16);
    key_u32("deepseek2.rope.dimension_count", 8);
    ck_assert_int_eq(finish(&a), BB_OK);
    ck_assert(a.nope_dim == 16 && a.v_head_dim == 16 && !a.mla_split);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("arch");
    TCase *t = tcase_create("arch");
    tcase_add_test(t, linear_attention);
    tcase_add_test(t, heads);
    tcase_add_test(t, stretched_contexts);
    tcase_add_test(t, nested);
    tcase_add_test(t, layers);
    tcase_add_test(t, unknown);
    tcase_add_test(t, gguf_windows);
    tcase_add_test(t, gguf_widths);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
