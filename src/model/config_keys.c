/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config_keys.c - keys and standard values of config.json by model_type (transformers' configuration_*.py; the
 * remote code of qwen, chatglm and internlm2 on the hub). */
#include "model/config_keys.h"
#include <string.h>

#define END                                                                                                            \
    {                                                                                                                  \
        .keys = { NULL }                                                                                               \
    }

/* What llama's config is made of, and most others after it. */
static const bb_config_number common[] = {
    {BB_ARCH_HIDDEN, true, {"hidden_size"}},
    {BB_ARCH_LAYERS, true, {"num_hidden_layers"}},
    {BB_ARCH_HEADS, true, {"num_attention_heads"}},
    {BB_ARCH_KV_HEADS, false, {"num_key_value_heads"}},
    {BB_ARCH_HEAD_DIM, false, {"head_dim"}},
    {BB_ARCH_FFN, true, {"intermediate_size"}},
    {BB_ARCH_VOCAB, true, {"vocab_size"}},
    {BB_ARCH_CONTEXT, false, {"max_position_embeddings"}},
    END,
};
/* Without grouped heads and without a head width of their own. */
static const bb_config_number plain[] = {
    {BB_ARCH_HIDDEN, true, {"hidden_size"}},
    {BB_ARCH_LAYERS, true, {"num_hidden_layers"}},
    {BB_ARCH_HEADS, true, {"num_attention_heads"}},
    {BB_ARCH_FFN, true, {"intermediate_size"}},
    {BB_ARCH_VOCAB, true, {"vocab_size"}},
    {BB_ARCH_CONTEXT, false, {"max_position_embeddings"}},
    END,
};
static const bb_config_number window[] = {
    {BB_ARCH_SLIDING_WINDOW, false, {"sliding_window"}},
    {BB_ARCH_SWA_PERIOD, false, {"sliding_window_pattern"}},
    END,
};
static const bb_config_number local_experts[] = {
    {BB_ARCH_EXPERTS, true, {"num_local_experts"}},
    {BB_ARCH_EXPERTS_USED, true, {"num_experts_per_tok", "experts_per_token"}},
    {BB_ARCH_SLIDING_WINDOW, false, {"sliding_window"}},
    END,
};
static const bb_config_number shared_expert[] = {
    {BB_ARCH_SHARED_FFN, false, {"shared_intermediate_size"}},
    END,
};
static const bb_config_number mixtral[] = {
    {BB_ARCH_EXPERTS, false, {"num_local_experts"}},
    {BB_ARCH_EXPERTS_USED, false, {"num_experts_per_tok"}},
    {BB_ARCH_SLIDING_WINDOW, false, {"sliding_window"}},
    END,
};
static const bb_config_number qwen_experts[] = {
    {BB_ARCH_EXPERTS, true, {"num_experts", "num_local_experts"}},
    {BB_ARCH_EXPERTS_USED, true, {"num_experts_per_tok"}},
    {BB_ARCH_EXPERT_FFN, true, {"moe_intermediate_size"}},
    {BB_ARCH_SHARED_FFN, false, {"shared_expert_intermediate_size"}},
    {BB_ARCH_MOE_STEP, false, {"decoder_sparse_step"}},
    END,
};
/* Some layers attend, the others are of linear attention. */
static const bb_config_number hybrid[] = {
    {BB_ARCH_HIDDEN, true, {"hidden_size"}},
    {BB_ARCH_LAYERS, true, {"num_hidden_layers"}},
    {BB_ARCH_HEADS, true, {"num_attention_heads"}},
    {BB_ARCH_KV_HEADS, true, {"num_key_value_heads"}},
    {BB_ARCH_HEAD_DIM, true, {"head_dim"}},
    {BB_ARCH_FFN, false, {"intermediate_size"}},
    {BB_ARCH_VOCAB, true, {"vocab_size"}},
    {BB_ARCH_CONTEXT, false, {"max_position_embeddings"}},
    {BB_ARCH_MTP_LAYERS, false, {"mtp_num_hidden_layers"}},
    END,
};
static const bb_config_number linear_attention[] = {
    {BB_ARCH_STATE_CONV, true, {"linear_conv_kernel_dim"}},     {BB_ARCH_STATE_SIZE, true, {"linear_key_head_dim"}},
    {BB_ARCH_STATE_GROUPS, true, {"linear_num_key_heads"}},     {BB_ARCH_STATE_HEADS, true, {"linear_num_value_heads"}},
    {BB_ARCH_ATTEND_EVERY, false, {"full_attention_interval"}}, END,
};
static const bb_config_number olmoe_experts[] = {
    {BB_ARCH_EXPERTS, true, {"num_experts"}},
    {BB_ARCH_EXPERTS_USED, true, {"num_experts_per_tok"}},
    END,
};
static const bb_config_number deepseek[] = {
    {BB_ARCH_Q_LORA, false, {"q_lora_rank"}},
    {BB_ARCH_KV_LORA, true, {"kv_lora_rank"}},
    {BB_ARCH_ROPE_DIM, true, {"qk_rope_head_dim"}},
    {BB_ARCH_NOPE_DIM, true, {"qk_nope_head_dim"}},
    {BB_ARCH_V_HEAD_DIM, true, {"v_head_dim"}},
    {BB_ARCH_EXPERTS, false, {"n_routed_experts"}},
    {BB_ARCH_EXPERTS_USED, false, {"num_experts_per_tok"}},
    {BB_ARCH_EXPERT_FFN, false, {"moe_intermediate_size"}},
    {BB_ARCH_SHARED_EXPERTS, false, {"n_shared_experts"}},
    {BB_ARCH_DENSE_LAYERS, false, {"first_k_dense_replace"}},
    {BB_ARCH_MOE_STEP, false, {"moe_layer_freq"}},
    {BB_ARCH_MTP_LAYERS, false, {"num_nextn_predict_layers"}},
    END,
};
static const bb_config_number gpt2[] = {
    {BB_ARCH_HIDDEN, true, {"n_embd", "hidden_size"}},
    {BB_ARCH_LAYERS, true, {"n_layer", "num_hidden_layers"}},
    {BB_ARCH_HEADS, true, {"n_head", "num_attention_heads"}},
    {BB_ARCH_FFN, false, {"n_inner"}},
    {BB_ARCH_VOCAB, true, {"vocab_size"}},
    {BB_ARCH_CONTEXT, true, {"n_positions", "max_position_embeddings", "n_ctx"}},
    END,
};
static const bb_config_number bloom[] = {
    {BB_ARCH_HIDDEN, true, {"hidden_size", "n_embed"}},
    {BB_ARCH_LAYERS, true, {"n_layer", "num_hidden_layers"}},
    {BB_ARCH_HEADS, true, {"n_head", "num_attention_heads"}},
    {BB_ARCH_VOCAB, true, {"vocab_size"}},
    {BB_ARCH_CONTEXT, false, {"seq_length"}},
    END,
};
static const bb_config_number falcon[] = {
    {BB_ARCH_HIDDEN, true, {"hidden_size", "n_embed"}},
    {BB_ARCH_LAYERS, true, {"num_hidden_layers", "n_layer"}},
    {BB_ARCH_HEADS, true, {"num_attention_heads", "n_head"}},
    {BB_ARCH_KV_HEADS, false, {"num_kv_heads", "n_head_kv"}},
    {BB_ARCH_FFN, false, {"ffn_hidden_size"}},
    {BB_ARCH_VOCAB, true, {"vocab_size"}},
    {BB_ARCH_CONTEXT, false, {"max_position_embeddings"}},
    END,
};
static const bb_config_number opt[] = {
    {BB_ARCH_HIDDEN, true, {"hidden_size"}},
    {BB_ARCH_LAYERS, true, {"num_hidden_layers"}},
    {BB_ARCH_HEADS, true, {"num_attention_heads"}},
    {BB_ARCH_FFN, true, {"ffn_dim"}},
    {BB_ARCH_VOCAB, true, {"vocab_size"}},
    {BB_ARCH_CONTEXT, true, {"max_position_embeddings"}},
    {BB_ARCH_EMBED_DIM, false, {"word_embed_proj_dim"}},
    END,
};
static const bb_config_number qwen[] = {
    {BB_ARCH_HIDDEN, true, {"hidden_size"}},
    {BB_ARCH_LAYERS, true, {"num_hidden_layers"}},
    {BB_ARCH_HEADS, true, {"num_attention_heads"}},
    {BB_ARCH_HEAD_DIM, false, {"kv_channels"}},
    {BB_ARCH_FFN, true, {"intermediate_size"}},
    {BB_ARCH_VOCAB, true, {"vocab_size"}},
    {BB_ARCH_CONTEXT, false, {"seq_length", "max_position_embeddings"}},
    END,
};
static const bb_config_number chatglm[] = {
    {BB_ARCH_HIDDEN, true, {"hidden_size"}},        {BB_ARCH_LAYERS, true, {"num_layers", "num_hidden_layers"}},
    {BB_ARCH_HEADS, true, {"num_attention_heads"}}, {BB_ARCH_HEAD_DIM, false, {"kv_channels"}},
    {BB_ARCH_FFN, true, {"ffn_hidden_size"}},       {BB_ARCH_VOCAB, true, {"padded_vocab_size", "vocab_size"}},
    {BB_ARCH_CONTEXT, false, {"seq_length"}},       END,
};
static const bb_config_number bert[] = {
    {BB_ARCH_TYPE_VOCAB, false, {"type_vocab_size"}},
    END,
};
static const bb_config_number whisper[] = {
    {BB_ARCH_HIDDEN, true, {"d_model"}},
    {BB_ARCH_LAYERS, true, {"decoder_layers"}},
    {BB_ARCH_HEADS, true, {"decoder_attention_heads"}},
    {BB_ARCH_FFN, true, {"decoder_ffn_dim"}},
    {BB_ARCH_VOCAB, true, {"vocab_size"}},
    {BB_ARCH_CONTEXT, true, {"max_target_positions"}},
    {BB_ARCH_ENCODER_LAYERS, true, {"encoder_layers"}},
    {BB_ARCH_ENCODER_HEADS, true, {"encoder_attention_heads"}},
    {BB_ARCH_ENCODER_FFN, true, {"encoder_ffn_dim"}},
    {BB_ARCH_ENCODER_CONTEXT, true, {"max_source_positions"}},
    {BB_ARCH_MELS, true, {"num_mel_bins"}},
    END,
};
/* Of a model_type that nobody knows: shown, never needed. */
static const bb_config_number any[] = {
    {BB_ARCH_HIDDEN, false, {"hidden_size", "n_embd", "d_model", "dim"}},
    {BB_ARCH_LAYERS, false, {"num_hidden_layers", "n_layer", "num_layers", "n_layers"}},
    {BB_ARCH_HEADS, false, {"num_attention_heads", "n_head", "n_heads", "num_heads"}},
    {BB_ARCH_KV_HEADS, false, {"num_key_value_heads", "num_kv_heads", "n_head_kv"}},
    {BB_ARCH_HEAD_DIM, false, {"head_dim"}},
    {BB_ARCH_FFN, false, {"intermediate_size", "n_inner", "ffn_dim", "hidden_dim"}},
    {BB_ARCH_VOCAB, false, {"vocab_size"}},
    {BB_ARCH_CONTEXT, false, {"max_position_embeddings", "n_positions", "seq_length"}},
    {BB_ARCH_EXPERTS, false, {"num_local_experts", "num_experts", "n_routed_experts"}},
    {BB_ARCH_EXPERTS_USED, false, {"num_experts_per_tok"}},
    END,
};

/* Most config classes have tie_word_embeddings false; those without a default of their own have PretrainedConfig's,
 * true. */
#define TIED(standard)                                                                                                 \
    { BB_ARCH_TIED, standard, false, "tie_word_embeddings" }
#define ATTENTION_BIAS(standard)                                                                                       \
    {BB_ARCH_QKV_BIAS, standard, false, "attention_bias"}, { BB_ARCH_OUT_BIAS, standard, false, "attention_bias" }
#define MLP_BIAS(standard)                                                                                             \
    { BB_ARCH_MLP_BIAS, standard, false, "mlp_bias" }

static const bb_config_spec specs[] = {
    {"llama", {common}, {TIED(false), ATTENTION_BIAS(false), MLP_BIAS(false)}},
    {"mistral", {common, window}, {TIED(false)}},
    {"mixtral", {common, mixtral}, {TIED(false)}},
    {"qwen", {qwen}, {TIED(false)}},
    {"qwen2", {common}, {TIED(false)}},
    {"qwen2_moe", {common, qwen_experts}, {TIED(false), {BB_ARCH_QKV_BIAS, true, false, "qkv_bias"}}},
    {"qwen3", {common}, {TIED(false), ATTENTION_BIAS(false)}},
    {"qwen3_moe", {common, qwen_experts}, {TIED(false), ATTENTION_BIAS(false)}},
    {"qwen3_next", {hybrid, linear_attention, qwen_experts}, {TIED(false), ATTENTION_BIAS(false)}},
    {"qwen3_5", {hybrid, linear_attention}, {TIED(false), ATTENTION_BIAS(false)}},
    {"qwen3_5_moe", {hybrid, linear_attention, qwen_experts}, {TIED(false), ATTENTION_BIAS(false)}},
    {"gemma", {common}, {TIED(true), ATTENTION_BIAS(false)}},
    {"gemma2", {common, window}, {TIED(true), ATTENTION_BIAS(false)}},
    {"gemma3", {common, window}, {TIED(true), ATTENTION_BIAS(false)}},
    {"gemma3_text", {common, window}, {TIED(true), ATTENTION_BIAS(false)}},
    {"phi", {common}, {TIED(false), {BB_ARCH_QK_NORM, false, false, "qk_layernorm"}}},
    {"phi3", {common, window}, {TIED(false)}},
    {"gpt2", {gpt2}, {TIED(true)}},
    {"gpt_neox", {plain}, {TIED(false), ATTENTION_BIAS(true)}},
    {"falcon",
     {falcon},
     {TIED(false),
      {BB_ARCH_QKV_BIAS, false, false, "bias"},
      {BB_ARCH_OUT_BIAS, false, false, "bias"},
      {BB_ARCH_MLP_BIAS, false, false, "bias"}}},
    {"bloom", {bloom}, {TIED(true)}},
    {"stablelm",
     {common},
     {TIED(false),
      {BB_ARCH_QKV_BIAS, false, false, "use_qkv_bias"},
      {BB_ARCH_QK_NORM, false, false, "qk_layernorm"},
      {BB_ARCH_ONE_NORM, false, false, "use_parallel_residual"}}},
    {"olmo", {common}, {TIED(false), ATTENTION_BIAS(false)}},
    {"olmo2", {common}, {TIED(false), ATTENTION_BIAS(false)}},
    {"olmo3", {common, window}, {TIED(false), ATTENTION_BIAS(false)}},
    {"olmoe", {common, olmoe_experts}, {TIED(false), ATTENTION_BIAS(false)}},
    {"internlm2",
     {common},
     {TIED(false), {BB_ARCH_QKV_BIAS, true, false, "bias"}, {BB_ARCH_OUT_BIAS, true, false, "bias"}}},
    {"granite", {common}, {TIED(false), ATTENTION_BIAS(false), MLP_BIAS(false)}},
    {"granitemoe", {common, local_experts}, {TIED(false), ATTENTION_BIAS(false)}},
    {"granitemoeshared", {common, local_experts, shared_expert}, {TIED(false), ATTENTION_BIAS(false)}},
    {"deepseek_v2", {common, deepseek}, {TIED(false), ATTENTION_BIAS(false)}},
    {"deepseek_v3", {common, deepseek}, {TIED(false), ATTENTION_BIAS(false)}},
    {"gpt_oss", {common, local_experts}, {TIED(false), ATTENTION_BIAS(true)}},
    {"smollm3", {common, window}, {TIED(true), ATTENTION_BIAS(false), MLP_BIAS(false)}},
    {"chatglm",
     {chatglm},
     {TIED(false),
      {BB_ARCH_QKV_BIAS, false, false, "add_qkv_bias"},
      {BB_ARCH_OUT_BIAS, false, false, "add_bias_linear"},
      {BB_ARCH_MLP_BIAS, false, false, "add_bias_linear"}}},
    {"bert", {plain, bert}, {TIED(true)}},
    {"opt",
     {opt},
     {TIED(true),
      {BB_ARCH_POST_NORM, false, true, "do_layer_norm_before"},
      {BB_ARCH_QKV_BIAS, true, false, "enable_bias"},
      {BB_ARCH_OUT_BIAS, true, false, "enable_bias"},
      {BB_ARCH_MLP_BIAS, true, false, "enable_bias"}}},
    {"whisper", {whisper}, {TIED(true)}},
};
static const bb_config_spec unknown = {"", {any}, {TIED(false)}};

static const char *const aliases[][2] = {{"RefinedWebModel", "falcon"},
                                         {"RefinedWeb", "falcon"},
                                         {"stablelm_epoch", "stablelm"},
                                         {"qwen3_5_text", "qwen3_5"},
                                         {"qwen3_5_moe_text", "qwen3_5_moe"}};

const bb_config_spec *bb_config_spec_of(const char *type) {
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(type, aliases[i][0]) == 0) type = aliases[i][1];
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        if (strcmp(type, specs[i].type) == 0) return &specs[i];
    return &unknown;
}
