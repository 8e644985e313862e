/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantization.c - reading what a config says of a checkpoint's quantization. */
#include "model/quantization.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CONFIG_MAX_BYTES = 64 << 20,
    MAX_NAMES = 1 << 16,            /* modules that a config names: the largest checkpoints have some 10^4 matrices */
    MAX_EXPRESSIONS_COST = 1 << 22, /* 10^4 matrices by an expression each: some 10^6, and 40 MB */
};

typedef struct reader {
    const bb_json *o;
    const char *where;
    bb_quantization *q;
    bb_error *err;
} reader;

/* The first of the keys that is there and no null. */
static const bb_json *member(const bb_json *o, const char *a, const char *b) {
    const bb_json *v = bb_json_get(o, a);
    if (v && bb_json_is_null(v)) v = NULL;
    if (!v && b) v = bb_json_get(o, b);
    return v && !bb_json_is_null(v) ? v : NULL;
}

static bb_status bad(const reader *r, const char *key, const char *want) {
    return bb_fail(r->err, BB_E_INVALID, "%s: %s of the quantization is not %s", r->where, key, want);
}

static bb_status read_u64(const reader *r, const bb_json *o, const char *a, const char *b, uint64_t *v) {
    const bb_json *x = member(o, a, b);
    return x && !bb_json_u64(x, v) ? bad(r, a, "a whole number of 0 or more") : BB_OK;
}

static bb_status read_bool(const reader *r, const bb_json *o, const char *a, const char *b, bool *v) {
    const bb_json *x = member(o, a, b);
    return x && !bb_json_is_bool(x, v) ? bad(r, a, "true or false") : BB_OK;
}

/* -1 is one group for all inputs. */
static bb_status read_group(const reader *r, const bb_json *o, const char *a, const char *b) {
    const bb_json *x = member(o, a, b);
    double d;
    if (!x) return BB_OK;
    if (bb_json_f64(x, &d) && d < 0) {
        r->q->group = 0;
        return BB_OK;
    }
    if (!bb_json_u64(x, &r->q->group)) return bad(r, a, "a whole number");
    return BB_OK;
}

static const char *text_of(const bb_json *o, const char *key) {
    const bb_json *v = member(o, key, NULL);
    return v ? bb_json_text(v) : NULL;
}

static bb_status too_many(const reader *r, const char *key) {
    return bb_fail(r->err, BB_E_LIMIT, "%s: %s of the quantization has more than %d entries", r->where, key, MAX_NAMES);
}

/* Layouts that the config names but this room does not know. */
static bb_status other(const reader *r, const char *tool, const char *what) {
    char shown[40];
    r->q->method = BB_QUANT_OTHER;
    (void)snprintf(r->q->label, sizeof r->q->label, "%s%s", tool, bb_escape_buf(what, shown, sizeof shown));
    return BB_OK;
}

/* What a config's entry names; nothing, and *taken is false, for an expression that is not read. */
static bb_status read_name(const reader *r, bool expression, const char *text, bb_module_name *name, bool *taken) {
    bb_quantization *q = r->q;
    *name = (bb_module_name){0};
    *taken = false;
    if (!expression) {
        if (strlen(text) >= sizeof name->text) return BB_OK; /* longer than a tensor's name can be */
        strcpy(name->text, text);
        *taken = true;
    } else if (!q->unread) {
        bb_status st = bb_pattern_new(text, BB_PATTERN_PYTHON, &name->pattern, NULL);
        if (st == BB_E_NOMEM) return bb_fail(r->err, st, "%s: no memory", r->where);
        if (!st) q->expressions_cost += bb_pattern_cost(name->pattern);
        q->unread = st || q->expressions_cost > MAX_EXPRESSIONS_COST;
        *taken = !st;
    }
    return BB_OK;
}

static bb_status read_skips(const reader *r, const char *a, const char *b) {
    bb_quantization *q = r->q;
    const bb_json *list = member(r->o, a, b);
    if (!list) return BB_OK;
    if (!bb_json_is_array(list)) return bad(r, a, "a list");
    size_t n = bb_json_size(list);
    if (!n) return BB_OK;
    if (n > MAX_NAMES) return too_many(r, a);
    if (!(q->skips = bb_alloc(n, sizeof *q->skips))) return bb_fail(r->err, BB_E_NOMEM, "%s: no memory", r->where);
    for (size_t i = 0; i < n; i++) {
        const char *text = bb_json_text(bb_json_at(list, i));
        if (!text) return bad(r, a, "a list of names");
        bool taken, expression = bb_starts_with(text, "re:");
        bb_status st = read_name(r, expression, text + (expression ? 3 : 0), &q->skips[q->n_skips], &taken);
        if (st) return st;
        q->n_skips += taken;
    }
    return BB_OK;
}

/* bits in what the layouts can hold, group in what a row can have. */
static bb_status check_sizes(const reader *r) {
    const bb_quantization *q = r->q;
    if (q->bits < 1 || q->bits > 16) return bad(r, "bits", "1 to 16");
    if (q->group > 1 << 24 && q->group != UINT64_MAX) return bad(r, "group_size", "at most 2^24");
    return BB_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const bb_quant_rule *)a)->name.text, ((const bb_quant_rule *)b)->name.text);
}

static bb_status add_rule(const reader *r, bool expression, const char *name, bb_quant_rule rule) {
    bool taken;
    bb_status st = read_name(r, expression, name, &rule.name, &taken);
    if (!st && taken) r->q->rules[r->q->n_rules++] = rule;
    return st;
}

/* One entry: {"bits": 8, "group_size": 64}, or true or false. 16 bits or more are a module that stays. */
static bb_status read_rule(const reader *r, bool expression, const char *name, const bb_json *v) {
    bb_quantization own = {.bits = r->q->bits, .group = r->q->group};
    reader sizes = {.o = v, .where = r->where, .q = &own, .err = r->err};
    bool on = true;
    if (!bb_json_is_bool(v, &on) && !bb_json_is_object(v)) return BB_OK;
    bb_status st = bb_json_is_object(v) ? read_u64(&sizes, v, "bits", NULL, &own.bits) : BB_OK;
    if (!st && bb_json_is_object(v)) st = read_group(&sizes, v, "group_size", NULL);
    bool keep = !on || own.bits >= 16;
    if (!st && !keep) st = check_sizes(&sizes);
    if (st) return st;
    return add_rule(r, expression, name, (bb_quant_rule){.bits = own.bits, .group = own.group, .keep = keep});
}

static bb_status room_for_rules(const reader *r, const bb_json *o, const char *key) {
    size_t n = bb_json_size(o);
    if (n > MAX_NAMES) return too_many(r, key);
    r->q->rules = bb_alloc(n + 1, sizeof *r->q->rules);
    return r->q->rules ? BB_OK : bb_fail(r->err, BB_E_NOMEM, "%s: no memory", r->where);
}

/* Members of `o` that are objects or bools and no setting of the method itself: modules by their names. Those of
 * mlx-vlm have the language model's prefix, which our names do not have. */
static bb_status read_modules(const reader *r, const bb_json *o, const char *key) {
    static const char prefix[] = "language_model.";
    bb_status st = room_for_rules(r, o, key);
    for (bb_json_iter it = bb_json_first(o); !st && it.key; it = bb_json_next(o, it))
        if (strchr(it.key, '.') || strcmp(it.key, "lm_head") == 0)
            st = read_rule(r, false, it.key + (bb_starts_with(it.key, prefix) ? sizeof prefix - 1 : 0), it.value);
    if (!st) qsort(r->q->rules, r->q->n_rules, sizeof *r->q->rules, by_name);
    return st;
}

/* GPTQModel's QuantizeConfig.dynamic_get: "-:" and an expression of modules that stay, "+:" or nothing and one of
 * modules with numbers of their own. */
static bb_status read_dynamic(const reader *r) {
    const bb_json *o = member(r->o, "dynamic", NULL);
    if (!o || !bb_json_is_object(o)) return BB_OK;
    bb_status st = room_for_rules(r, o, "dynamic");
    r->q->patterns = true;
    for (bb_json_iter it = bb_json_first(o); !st && it.key; it = bb_json_next(o, it)) {
        bool minus = bb_starts_with(it.key, "-:"), plus = bb_starts_with(it.key, "+:");
        const char *expression = it.key + (minus || plus ? 2 : 0);
        st = minus ? add_rule(r, true, expression, (bb_quant_rule){.keep = true})
                   : read_rule(r, true, expression, it.value);
    }
    return st;
}

static bb_status read_gptq(const reader *r) {
    bb_quantization *q = r->q;
    const char *format = text_of(r->o, "checkpoint_format");
    bool marlin = format && strcmp(format, "marlin") == 0;
    q->bits = 4;
    q->group = 128;
    bb_status st = read_u64(r, r->o, "bits", NULL, &q->bits);
    if (!st) st = read_group(r, r->o, "group_size", NULL);
    if (!st) st = read_bool(r, r->o, "desc_act", NULL, &q->act_order);
    if (!st) st = read_bool(r, r->o, "sym", NULL, &q->symmetric);
    if (!st) st = read_bool(r, r->o, "lm_head", NULL, &q->head);
    if (!st) st = read_bool(r, r->o, "is_marlin_format", NULL, &marlin);
    if (!st) st = check_sizes(r);
    if (!st) st = read_dynamic(r);
    if (!st && marlin) return other(r, "gptq in the layout of ", "marlin");
    char group[32] = "whole rows";
    if (q->group) (void)snprintf(group, sizeof group, "group %llu", (unsigned long long)q->group);
    (void)snprintf(q->label, sizeof q->label, "gptq %llu bit, %s%s", (unsigned long long)q->bits, group,
                   q->act_order ? ", act-order" : "");
    return st;
}

static bb_status read_awq(const reader *r) {
    bb_quantization *q = r->q;
    q->bits = 4;
    q->group = 128;
    bb_status st = read_u64(r, r->o, "bits", "w_bit", &q->bits);
    if (!st) st = read_group(r, r->o, "group_size", "q_group_size");
    if (!st) st = read_skips(r, "modules_to_not_convert", NULL);
    if (!st) st = check_sizes(r);
    /* AutoAWQ's other kernels order the words otherwise; exllama reads those of gemm */
    const char *version = text_of(r->o, "version");
    if (!st && version && strcasecmp(version, "gemm") != 0 && strcasecmp(version, "exllama") != 0)
        return other(r, "awq in the layout of ", version);
    (void)snprintf(q->label, sizeof q->label, "awq %llu bit, group %llu", (unsigned long long)q->bits,
                   (unsigned long long)q->group);
    return st;
}

static bb_status read_bnb(const reader *r) {
    static const char *const stores[][2] = {
        {"uint8", "u8"}, {"bfloat16", "bf16"}, {"float16", "f16"}, {"float32", "f32"}};
    bb_quantization *q = r->q;
    bool four = false, eight = false;
    bb_status st = read_bool(r, r->o, "load_in_4bit", "_load_in_4bit", &four);
    if (!st) st = read_bool(r, r->o, "load_in_8bit", "_load_in_8bit", &eight);
    if (!st) st = read_bool(r, r->o, "bnb_4bit_use_double_quant", NULL, &q->double_quant);
    if (!st) st = read_skips(r, "llm_int8_skip_modules", NULL);
    if (st) return st;
    q->method = four ? BB_QUANT_BNB_4BIT : eight ? BB_QUANT_BNB_INT8 : BB_QUANT_OTHER;
    q->bits = four ? 4 : 8;
    q->group = four ? 64 : 0;
    const char *type = text_of(r->o, "bnb_4bit_quant_type"), *storage = text_of(r->o, "bnb_4bit_quant_storage");
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++)
        if (!i || (storage && strcmp(storage, stores[i][0]) == 0)) strcpy(q->storage, stores[i][1]);
    strcpy(q->type, type && strcmp(type, "nf4") == 0 ? "nf4" : "fp4");
    if (four)
        (void)snprintf(q->label, sizeof q->label, "bitsandbytes %s%s", q->type, q->double_quant ? ", double" : "");
    else
        (void)snprintf(q->label, sizeof q->label, "bitsandbytes %s", eight ? "LLM.int8()" : "of an unknown kind");
    return BB_OK;
}

/* Formats of compressed-tensors whose layout is known here; "naive" is the old name of int and float. */
static bool known_format(const char *format) {
    static const char *const names[] = {"pack-quantized", "int-quantized", "float-quantized", "naive-quantized",
                                        "nvfp4-pack-quantized"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(format, names[i]) == 0) return true;
    return false;
}

/* The group of all linear maps. NULL, and *why says it, when there are several, or it takes others. */
static const bb_json *only_group(const reader *r, const char **why) {
    const bb_json *groups = member(r->o, "config_groups", NULL), *targets;
    *why = "without a group of weights";
    if (!groups || !bb_json_is_object(groups)) return NULL;
    if (bb_json_size(groups) > 1) *why = "with several groups";
    if (bb_json_size(groups) != 1) return NULL;
    const bb_json *group = bb_json_first(groups).value;
    if (!bb_json_is_object(group)) return NULL;
    targets = member(group, "targets", NULL);
    const char *target = targets && bb_json_is_array(targets) && bb_json_size(targets) == 1
                             ? bb_json_text(bb_json_at(targets, 0))
                             : NULL;
    if (targets && (!target || strcmp(target, "Linear") != 0)) {
        *why = "with targets of its own";
        return NULL;
    }
    return group;
}

/* "group" and "dynamic" (true, in older files) list the group of each input; "weight" and "static" sort and forget. */
static bb_status read_actorder(const reader *r, const bb_json *weights) {
    const char *order = text_of(weights, "actorder");
    if (!order) return read_bool(r, weights, "actorder", NULL, &r->q->act_order);
    r->q->act_order = strcasecmp(order, "group") == 0 || strcasecmp(order, "dynamic") == 0;
    return BB_OK;
}

/* What is stored for the inputs of a matrix: a scale unless they are scaled at run time; NVFP4 has one in any case, of
 * the scales ("local"). */
static bb_status read_inputs(const reader *r, const bb_json *group) {
    const bb_json *inputs = member(group, "input_activations", NULL);
    bool dynamic = false;
    if (!inputs || !bb_json_is_object(inputs)) return BB_OK;
    bb_status st = text_of(inputs, "dynamic") ? BB_OK : read_bool(r, inputs, "dynamic", NULL, &dynamic);
    bool symmetric = true;
    if (!st) st = read_bool(r, inputs, "symmetric", NULL, &symmetric);
    r->q->static_inputs = !dynamic;
    r->q->input_zeros = !dynamic && !symmetric;
    return st;
}

/* A scale for a part of a matrix, as the strategy cuts it. */
static bb_status read_strategy(const reader *r, const bb_json *weights) {
    bb_quantization *q = r->q;
    const char *strategy = text_of(weights, "strategy");
    if (!strategy) return BB_OK;
    if (strcmp(strategy, "tensor") == 0) q->group = UINT64_MAX;
    if (strcmp(strategy, "channel") == 0) q->group = 0;
    if (strcmp(strategy, "block") != 0) return BB_OK;
    const bb_json *b = member(weights, "block_structure", NULL);
    return b && bb_json_is_array(b) && bb_json_size(b) == 2 && bb_json_u64(bb_json_at(b, 0), &q->block_rows) &&
                   bb_json_u64(bb_json_at(b, 1), &q->group) && q->block_rows && q->group
               ? BB_OK
               : bad(r, "block_structure", "two sizes");
}

static bb_status read_compressed(const reader *r) {
    bb_quantization *q = r->q;
    const char *why, *format = text_of(r->o, "format"), *kind;
    const bb_json *group = only_group(r, &why), *weights = group ? member(group, "weights", NULL) : NULL;
    const bb_json *sparsity = member(r->o, "sparsity_config", NULL);
    const char *sparse = sparsity && bb_json_is_object(sparsity) ? text_of(sparsity, "format") : NULL;
    q->bits = 4; /* the usual width, for what is not told */
    if (!weights || !bb_json_is_object(weights)) return other(r, "compressed-tensors ", why);
    if (!format) format = text_of(group, "format");
    if (format && !known_format(format)) return other(r, "compressed-tensors in the format ", format);
    if (sparse && strcmp(sparse, "dense") != 0) return other(r, "compressed-tensors in the format ", sparse);
    q->bits = 8;
    q->symmetric = true;
    bb_status st = read_u64(r, weights, "num_bits", NULL, &q->bits);
    if (!st) st = read_group(r, weights, "group_size", NULL);
    if (!st) st = read_bool(r, weights, "symmetric", NULL, &q->symmetric);
    if (!st) st = read_actorder(r, weights);
    if (!st) st = read_inputs(r, group);
    if (!st) st = read_skips(r, "ignore", NULL);
    if (!st) st = check_sizes(r);
    if (!st) st = read_strategy(r, weights);
    if (st) return st;
    kind = text_of(weights, "type");
    bool floats = kind && strcmp(kind, "float") == 0;
    q->pack = floats ? (q->bits == 4 ? BB_PACK_NVFP4 : BB_PACK_FP8) : q->bits == 8 ? BB_PACK_INT8 : BB_PACK_INT;
    if (format && strcmp(format, "pack-quantized") == 0) q->pack = BB_PACK_INT;
    char shared[40] = "";
    if (q->group == UINT64_MAX)
        strcpy(shared, ", per tensor");
    else if (q->group && !q->block_rows)
        (void)snprintf(shared, sizeof shared, ", group %llu", (unsigned long long)q->group);
    (void)snprintf(q->label, sizeof q->label, "compressed-tensors %s %llu bit%s%s", floats ? "float" : "int",
                   (unsigned long long)q->bits, shared, q->symmetric ? "" : ", asymmetric");
    return BB_OK;
}

static bb_status read_fp8(const reader *r) {
    bb_quantization *q = r->q;
    const bb_json *block = member(r->o, "weight_block_size", NULL);
    const char *scheme = text_of(r->o, "activation_scheme");
    q->bits = 8;
    q->group = UINT64_MAX;
    if (block && (!bb_json_is_array(block) || bb_json_size(block) != 2 ||
                  !bb_json_u64(bb_json_at(block, 0), &q->block_rows) || !bb_json_u64(bb_json_at(block, 1), &q->group) ||
                  !q->block_rows || !q->group || q->group > 1 << 24 || q->block_rows > 1 << 24))
        return bad(r, "weight_block_size", "two sizes");
    q->static_inputs = scheme && strcmp(scheme, "static") == 0;
    if (q->block_rows)
        (void)snprintf(q->label, sizeof q->label, "fp8, blocks of %llu x %llu", (unsigned long long)q->block_rows,
                       (unsigned long long)q->group);
    else
        strcpy(q->label, "fp8, a scale for each matrix");
    return read_skips(r, "modules_to_not_convert", "ignored_layers");
}

/* mlx.core.quantize: the mode "affine" has a scale and a bias for each group, "mxfp4", "mxfp8" and "nvfp4" a scale of 8
 * bits. Modules with numbers of their own stand beside "bits". */
static bb_status read_mlx(const reader *r) {
    bb_quantization *q = r->q;
    const char *mode = text_of(r->o, "mode");
    q->bits = 4;
    q->group = 64;
    q->no_biases = mode && strcmp(mode, "affine") != 0;
    bb_status st = read_u64(r, r->o, "bits", NULL, &q->bits);
    if (!st) st = read_group(r, r->o, "group_size", NULL);
    if (!st) st = check_sizes(r);
    if (!st && !q->group) st = bad(r, "group_size", "above 0");
    if (!st) st = read_modules(r, r->o, "quantization");
    for (size_t i = 0; !st && i < q->n_rules; i++)
        if (!q->rules[i].group) st = bad(r, "group_size", "above 0");
    q->head = true;
    (void)snprintf(q->label, sizeof q->label, "mlx %llu bit, group %llu%s", (unsigned long long)q->bits,
                   (unsigned long long)q->group, q->n_rules ? ", mixed" : "");
    return st;
}

static bb_status read_mxfp4(const reader *r) {
    r->q->bits = 4;
    r->q->group = 32;
    strcpy(r->q->label, "mxfp4 experts");
    return read_skips(r, "modules_to_not_convert", NULL);
}

/* AutoRound writes the layouts of AutoGPTQ and AutoAWQ ("auto_round:auto_gptq", ...); modules with numbers of their own
 * stand in extra_config. */
static bb_status read_autoround(const reader *r) {
    const char *packing = text_of(r->o, "packing_format"), *type = text_of(r->o, "data_type");
    const bb_json *extra = member(r->o, "extra_config", NULL);
    bool awq = packing && bb_ends_with(packing, "awq"), gptq = packing && bb_ends_with(packing, "gptq");
    char label[sizeof r->q->label - 12];
    if (!(awq || gptq) || (type && strcmp(type, "int") != 0)) return other(r, "auto-round ", packing ? packing : "");
    r->q->method = awq ? BB_QUANT_AWQ : BB_QUANT_GPTQ;
    bb_status st = awq ? read_awq(r) : read_gptq(r);
    if (!st && extra && bb_json_is_object(extra) && !r->q->rules) st = read_modules(r, extra, "extra_config");
    memcpy(label, r->q->label, sizeof label - 1);
    label[sizeof label - 1] = '\0';
    (void)snprintf(r->q->label, sizeof r->q->label, "auto-round, %s", label);
    return st;
}

static const struct {
    const char *name;
    bb_quant_method method;
    bb_status (*read)(const reader *r);
} methods[] = {
    {"gptq", BB_QUANT_GPTQ, read_gptq},
    {"gptq_marlin", BB_QUANT_GPTQ, read_gptq}, /* vLLM's names for kernels that read the usual layout */
    {"gptq_v2", BB_QUANT_GPTQ, read_gptq},
    {"awq", BB_QUANT_AWQ, read_awq},
    {"awq_marlin", BB_QUANT_AWQ, read_awq},
    {"auto-round", BB_QUANT_OTHER, read_autoround},
    {"intel/auto-round", BB_QUANT_OTHER, read_autoround},
    {"bitsandbytes", BB_QUANT_BNB_4BIT, read_bnb},
    {"compressed-tensors", BB_QUANT_COMPRESSED, read_compressed},
    {"fp8", BB_QUANT_FP8, read_fp8},
    {"mxfp4", BB_QUANT_MXFP4, read_mxfp4},
};

static bb_status read_method(const reader *r, const char *method) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(method, methods[i].name) == 0) {
            r->q->method = methods[i].method;
            return methods[i].read(r);
        }
    return other(r, "", method);
}

/* What an object without quant_method is: MLX has bits and group_size alone, a file of its own names its tool. */
static bb_status read_unnamed(const reader *r, bool own_file) {
    bool bits = member(r->o, "bits", "w_bit") != NULL;
    if (own_file && bits) return read_method(r, member(r->o, "w_bit", "q_group_size") ? "awq" : "gptq");
    if (!own_file && bits && member(r->o, "group_size", NULL)) {
        r->q->method = BB_QUANT_MLX;
        return read_mlx(r);
    }
    if (member(r->o, "load_in_8bit", "load_in_4bit")) return read_method(r, "bitsandbytes");
    return other(r, "", "an unknown method");
}

static void tell_unread(bb_quantization *q) {
    size_t length = strlen(q->label);
    if (q->unread) (void)snprintf(q->label + length, sizeof q->label - length, "%s", ", some expressions unread");
}

bb_status bb_quantization_read(const char *text, size_t n, const char *name, bool own_file, bb_quantization *q,
                               bb_error *err) {
    char where[256];
    bb_json *root = NULL;
    bb_quantization made = {0};
    bb_escape_buf(name, where, sizeof where);
    bb_status st = bb_json_parse(text, n, name, CONFIG_MAX_BYTES, true, true, &root, err);
    if (st) return st;
    const bb_json *o = !bb_json_is_object(root) ? NULL
                       : own_file               ? root
                                                : member(root, "quantization_config", "quantization");
    /* compressed-tensors used to write its own key */
    if (!o && !own_file && bb_json_is_object(root)) o = member(root, "compression_config", NULL);
    reader r = {.o = o, .where = where, .q = &made, .err = err};
    if (o && !bb_json_is_object(o))
        st = bb_fail(err, BB_E_INVALID, "%s: quantization_config is not an object", where);
    else if (o) {
        const char *method = text_of(o, "quant_method");
        st = method ? read_method(&r, method) : read_unnamed(&r, own_file);
        if (!st) tell_unread(&made);
    }
    bb_json_free(root);
    if (st)
        bb_quantization_clear(&made);
    else
        *q = made;
    return st;
}

void bb_quantization_clear(bb_quantization *q) {
    for (size_t i = 0; i < q->n_skips; i++) bb_pattern_free(q->skips[i].pattern);
    for (size_t i = 0; i < q->n_rules; i++) bb_pattern_free(q->rules[i].name.pattern);
    free(q->skips);
    free(q->rules);
    *q = (bb_quantization){0};
}

bool bb_quantization_known(const bb_quantization *q) { return q->method != BB_QUANT_OTHER && !q->unread; }

static bool takes(const bb_module_name *name, const char *module) {
    return name->pattern ? bb_pattern_match(name->pattern, module) : strstr(module, name->text) != NULL;
}

bool bb_quantization_skips(const bb_quantization *q, const char *module) {
    for (size_t i = 0; i < q->n_skips; i++)
        if (takes(&q->skips[i], module)) return true;
    return false;
}

const bb_quant_rule *bb_quantization_rule(const bb_quantization *q, const char *module) {
    size_t lo = 0, hi = q->n_rules;
    for (size_t i = 0; q->patterns && i < q->n_rules; i++)
        if (takes(&q->rules[i].name, module)) return &q->rules[i];
    while (!q->patterns && lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(module, q->rules[mid].name.text);
        if (c == 0) return &q->rules[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

static uint64_t steps(const bb_module_name *name) { return 1 + (name->pattern ? bb_pattern_steps(name->pattern) : 0); }

uint64_t bb_quantization_steps(const bb_quantization *q) {
    uint64_t n = 1;
    for (size_t i = 0; i < q->n_skips; i++) n += steps(&q->skips[i]);
    for (size_t i = 0; q->patterns && i < q->n_rules; i++) n += steps(&q->rules[i].name);
    return n;
}

static bool uniform(const bb_module_name *name) {
    return name->pattern ? bb_pattern_uniform(name->pattern) : !strpbrk(name->text, "0123456789");
}

bool bb_quantization_uniform(const bb_quantization *q) {
    for (size_t i = 0; i < q->n_skips; i++)
        if (!uniform(&q->skips[i])) return false;
    for (size_t i = 0; i < q->n_rules; i++)
        if (!uniform(&q->rules[i].name)) return false;
    return true;
}
