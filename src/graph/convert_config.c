/* SPDX-License-Identifier: GPL-3.0-or-later */
/* convert_config.c - which checkpoints can be converted, and the numbers of their config (llama.cpp v0.5.0,
 * conversion/base.py TextModel, conversion/llama.py LlamaModel). */
#include "graph/convert_config.h"
#include "base/escape.h"
#include "base/json.h"
#include "model/quantization.h"
#include <math.h>
#include <string.h>

enum { CONFIG_MAX_BYTES = 64 << 20 };

/* ---- what is refused ---- */

/* What llama.cpp's conversion/ does for a family that the rules of llama and qwen do not cover. */
static const struct {
    const char *family, *rule;
} missing[] = {
    {"qwen", "its config has other keys, layer norms' epsilon among them (qwen.py)"},
    {"qwen2moe", "experts and shared experts have widths of their own as keys (qwen.py)"},
    {"qwen3moe", "experts have a width of their own as a key (qwen.py)"},
    {"qwen3next", "rows of in_proj_qkvz are cut group by group, A_log and the norms are changed (qwen.py)"},
    {"qwen35", "value heads are regrouped, A_log and the norms are changed (qwen.py)"},
    {"qwen35moe", "value heads are regrouped, experts are stacked, A_log and the norms are changed (qwen.py)"},
    {"gemma", "norms are stored plus one (gemma.py)"},
    {"gemma2", "norms are stored plus one, soft caps and the window are keys (gemma.py)"},
    {"gemma3", "norms are stored plus one, the window and its own rotation are keys (gemma.py)"},
    {"phi2", "the rotated part of a head and the layer norms are keys (phi.py)"},
    {"phi3", "rope_factors_long and rope_factors_short are made, the window is a key (phi.py)"},
    {"gpt2", "matrices of Conv1D are transposed (gpt2.py)"},
    {"gptneox", "rows of query_key_value are regrouped from heads to q, k and v (gptneox.py)"},
    {"falcon", "rows of query_key_value are regrouped from groups to q, k and v (falcon.py)"},
    {"bloom", "rows of query_key_value are regrouped from heads to q, k and v (bloom.py)"},
    {"stablelm", "norms of the heads are stacked, the rotated part of a head is a key (stablelm.py)"},
    {"olmo", "the clamp of q, k and v is a key, the epsilon of its norms is fixed (olmo.py)"},
    {"olmo2", "the window and its pattern are keys (olmo.py)"},
    {"olmoe", "the epsilon of its norms is fixed, experts stand under other names (olmo.py)"},
    {"internlm2", "wqkv is cut into q, k and v group by group (internlm.py)"},
    {"granite", "scales of embedding, residual, attention and logits are keys (granite.py)"},
    {"granitemoe", "gate and up of the experts are cut apart, scales are keys (granite.py)"},
    {"deepseek2", "kv_b is cut into a transposed k_b and v_b, latent widths are keys (deepseek.py)"},
    {"gpt-oss", "gate and up of the experts are interleaved, and stored as MXFP4 (gpt_oss.py)"},
    {"smollm3", "layers without rotation are told by the architecture (llama.py, src/models/smollm3.cpp)"},
    {"chatglm", "the rotated part of a head and multi-query groups are keys (chatglm.py)"},
    {"bert", "pooling, segments and WordPiece are keys (bert.py)"},
    {"opt", "llama.cpp does not have it"},
    {"whisper", "llama.cpp does not have it"},
};

static bb_status check_family(const bb_arch *a, bb_error *err) {
    static const char *const taken[] = {"llama", "qwen2", "qwen3"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(a->family, taken[i]) == 0) return BB_OK;
    const char *rule = "no rule for it";
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (strcmp(a->family, missing[i].family) == 0) rule = missing[i].rule;
    bb_fail(err, BB_E_UNSUPPORTED, "%s: checkpoints of %s are not converted to GGUF: %s", a->name, a->family, rule);
    bb_hint(err, "llama, mistral, mixtral, qwen2 and qwen3 are");
    return BB_E_UNSUPPORTED;
}

static bb_status check_head(const bb_arch *a, bb_error *err) {
    if (a->head == BB_HEAD_CLASSES || a->head == BB_HEAD_TOKEN_CLASSES)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: a head of classes is not converted to GGUF", a->name);
    if (a->towers)
        return bb_fail(err, BB_E_UNSUPPORTED,
                       "%s: a model with further towers (vision, audio) is not converted to GGUF", a->name);
    /* LlamaModel writes head_dim as the rotated width, whatever the config says */
    if (a->rope_dim && a->rope_dim != a->head_dim)
        return bb_fail(err, BB_E_UNSUPPORTED, "%s: heads that are turned in part are not converted to GGUF", a->name);
    return BB_OK;
}

static bb_status check_quantization(const bb_arch *a, const char *config, size_t n, bb_error *err) {
    bb_quantization q;
    char label[160];
    bb_status st = bb_quantization_read(config, n, a->name, false, &q, err);
    if (st) return st;
    if (q.method != BB_QUANT_NONE)
        st = bb_fail(err, BB_E_UNSUPPORTED,
                     "%s: the checkpoint is quantized (%s): only F32, F16 and BF16 are converted to GGUF", a->name,
                     bb_escape_buf(q.label, label, sizeof label));
    bb_quantization_clear(&q);
    return st;
}

/* ---- what is read ---- */

typedef struct reader {
    const bb_json *root;
    const bb_json *rope; /* rope_parameters or rope_scaling, or NULL */
    const bb_arch *a;
    bb_convert_config *c;
    bb_error *err;
} reader;

static const bb_json *member(const bb_json *object, const char *key) {
    const bb_json *v = object ? bb_json_get(object, key) : NULL;
    return v && !bb_json_is_null(v) ? v : NULL;
}

/* A number that a GGUF can have as fp32. */
static bb_status number(const reader *r, const bb_json *v, const char *key, double *out) {
    double x;
    if (!bb_json_f64(v, &x) || !isfinite((float)x) || x <= 0)
        return bb_fail(r->err, BB_E_INVALID, "%s: %s is not a number above 0", r->a->name, key);
    *out = x;
    return BB_OK;
}

/* Of LlamaModel.generate_extra_tensors, and the class's theta. */
static void rope_standards(const bb_arch *a, double v[BB_ROPE_NUMBERS]) {
    v[BB_ROPE_THETA] = strcmp(a->hf_type, "mixtral") == 0 ? 1e6 : 1e4;
    v[BB_ROPE_FACTOR] = 8;
    v[BB_ROPE_LOW] = 1;
    v[BB_ROPE_HIGH] = 4;
    v[BB_ROPE_CONTEXT] = 8192;
}

/* Numbers of the scaling; theta and the context may stand in the root instead. */
static bb_status read_rope_numbers(const reader *r) {
    static const struct {
        bb_rope_number to;
        const char *keys[2];
        bool root;
    } numbers[] = {
        {BB_ROPE_THETA, {"rope_theta"}, true},
        {BB_ROPE_FACTOR, {"factor"}, false},
        {BB_ROPE_LOW, {"low_freq_factor"}, false},
        {BB_ROPE_HIGH, {"high_freq_factor"}, false},
        {BB_ROPE_CONTEXT, {"original_max_position_embeddings"}, true},
        {BB_ROPE_EXT, {"extrapolation_factor"}, false},
        {BB_ROPE_ATTN, {"attention_factor", "attn_factor"}, false},
        {BB_ROPE_FAST, {"beta_fast"}, false},
        {BB_ROPE_SLOW, {"beta_slow"}, false},
    };
    bb_status st = BB_OK;
    rope_standards(r->a, r->c->rope);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !st; i++) {
        const bb_json *v = member(r->rope, numbers[i].keys[0]);
        if (!v && numbers[i].keys[1]) v = member(r->rope, numbers[i].keys[1]);
        if (!v && numbers[i].root) v = member(r->root, numbers[i].keys[0]);
        if (!v) continue;
        st = number(r, v, numbers[i].keys[0], &r->c->rope[numbers[i].to]);
        r->c->given[numbers[i].to] = !st;
    }
    return st;
}

static bb_status read_scaling(reader *r) {
    static const struct {
        const char *type;
        bb_rope_scaling scaling;
        bool needs_factor; /* without one nothing is scaled */
    } known[] = {{"default", BB_ROPE_NONE, false},
                 {"dynamic", BB_ROPE_NONE, false},
                 {"linear", BB_ROPE_LINEAR, true},
                 {"yarn", BB_ROPE_YARN, true},
                 {"llama3", BB_ROPE_LLAMA3, false}};
    char shown[64];
    const bb_json *full, *v;
    r->rope = member(r->root, "rope_parameters");
    if (!r->rope) r->rope = member(r->root, "rope_scaling");
    if (r->rope && !bb_json_is_object(r->rope))
        return bb_fail(r->err, BB_E_INVALID, "%s: rope_scaling is not an object", r->a->name);
    if ((full = member(r->rope, "full_attention")) && bb_json_is_object(full)) r->rope = full;
    bb_status st = read_rope_numbers(r);
    if (st) return st;
    v = member(r->rope, "rope_type");
    if (!v) v = member(r->rope, "type");
    if (!v) return BB_OK;
    const char *type = bb_json_text(v);
    for (size_t i = 0; type && i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].type) == 0) {
            bool all = !known[i].needs_factor || r->c->given[BB_ROPE_FACTOR];
            r->c->scaling = all ? known[i].scaling : BB_ROPE_NONE;
            /* only LlamaModel makes the factors, and only llama.cpp's llama reads them */
            if (r->c->scaling != BB_ROPE_LLAMA3 || strcmp(r->a->family, "llama") == 0) return BB_OK;
        }
    return bb_fail(r->err, BB_E_UNSUPPORTED, "%s: rope_scaling of type '%s' is not converted to GGUF", r->a->name,
                   type ? bb_escape_buf(type, shown, sizeof shown) : "?");
}

/* Values of transformers' config classes for keys that are absent; llama.cpp needs both. */
static const struct {
    const char *type;
    uint64_t context;
    double eps;
} standards[] = {{"llama", 2048, 1e-6},
                 {"mistral", 131072, 1e-6},
                 {"mixtral", 131072, 1e-5},
                 {"qwen2", 32768, 1e-6},
                 {"qwen3", 32768, 1e-6}};

static bb_status read_rest(const reader *r) {
    bb_convert_config *c = r->c;
    const bb_json *eps = member(r->root, "rms_norm_eps"), *causal = member(r->root, "is_causal");
    bool is_causal = true;
    c->context = r->a->context;
    for (size_t i = 0; i < sizeof standards / sizeof *standards; i++) {
        if (strcmp(r->a->hf_type, standards[i].type) != 0) continue;
        c->norm_eps = standards[i].eps;
        if (!c->context) c->context = standards[i].context;
    }
    c->head_dim_given = member(r->root, "head_dim") != NULL;
    if (causal && bb_json_is_bool(causal, &is_causal)) c->bidirectional = !is_causal;
    return eps ? number(r, eps, "rms_norm_eps", &c->norm_eps) : BB_OK;
}

/* What llama.cpp computes for these families whatever the config says (src/models/llama.cpp, qwen2.cpp, qwen3.cpp). */
static bb_status check_activation(const reader *r) {
    char shown[48];
    const bb_json *v = bb_json_get(r->root, "hidden_act");
    const char *name = v ? bb_json_text(v) : NULL;
    if (!name || strcmp(name, "silu") == 0 || strcmp(name, "swish") == 0) return BB_OK;
    return bb_fail(r->err, BB_E_UNSUPPORTED,
                   "%s: hidden_act '%s' is not converted to GGUF: llama.cpp computes silu here", r->a->name,
                   bb_escape_buf(name, shown, sizeof shown));
}

bb_status bb_convert_config_read(const bb_arch *arch, const char *config, size_t n, bb_convert_config *out,
                                 bb_error *err) {
    bb_json *root = NULL;
    bb_convert_config c = {.scaling = BB_ROPE_NONE};
    bb_status st = check_family(arch, err);
    if (!st) st = check_head(arch, err);
    if (!st) st = check_quantization(arch, config, n, err);
    if (!st) st = bb_json_parse(config, n, arch->name, CONFIG_MAX_BYTES, true, true, &root, err);
    if (st) return st;
    reader r = {.root = root, .a = arch, .c = &c, .err = err};
    if (bb_json_get(root, "text_config"))
        st = bb_fail(err, BB_E_UNSUPPORTED, "%s: a model of several towers is not converted to GGUF", arch->name);
    if (!st) st = check_activation(&r);
    if (!st) st = read_scaling(&r);
    if (!st) st = read_rest(&r);
    bb_json_free(root);
    if (!st) *out = c;
    return st;
}

/* ---- llama3's factors ---- */

/* Each step is one operation of torch on fp32, numbers of Python rounded to it first; 1 / x is a step of its own there
 * (LlamaModel.generate_extra_tensors; torch's Tensor.__rtruediv__ is the reciprocal times the number). The power is
 * rounded once here, torch's may be off by a unit; no factor of the usual bases and widths differs for that. */
bb_status bb_convert_rope_freqs(const bb_convert_config *c, uint64_t head_dim, float *factors, bb_error *err) {
    const double pi = 3.14159265358979323846;
    const double *v = c->rope;
    float base = (float)v[BB_ROPE_THETA], factor = (float)v[BB_ROPE_FACTOR], context = (float)v[BB_ROPE_CONTEXT];
    float longest = (float)(v[BB_ROPE_CONTEXT] / v[BB_ROPE_LOW]),
          shortest = (float)(v[BB_ROPE_CONTEXT] / v[BB_ROPE_HIGH]);
    float low = (float)v[BB_ROPE_LOW], span = (float)(v[BB_ROPE_HIGH] - v[BB_ROPE_LOW]);
    for (uint64_t i = 0; i < head_dim / 2; i++) {
        float exponent = (float)(2 * i) / (float)head_dim;
        float frequency = 1.0f / (float)pow((double)base, (double)exponent);
        float wavelength = 1.0f / frequency * (float)(2 * pi);
        float smooth = (1.0f / wavelength * context - low) / span;
        factors[i] = 1.0f / ((1.0f - smooth) / factor + smooth);
        if (wavelength < shortest)
            factors[i] = 1.0f;
        else if (wavelength > longest)
            factors[i] = factor;
        if (!isfinite(factors[i])) return bb_fail(err, BB_E_INVALID, "rope_scaling gives a factor that is not finite");
    }
    return BB_OK;
}
