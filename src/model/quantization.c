/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quantization.c - reading what a config says of a checkpoint's quantization. */
#include "model/quantization.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX_BYTES = 64 << 20 };

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

static bb_status read_skips(const reader *r, const char *a, const char *b) {
    bb_quantization *q = r->q;
    const bb_json *list = member(r->o, a, b);
    if (!list) return BB_OK;
    if (!bb_json_is_array(list)) return bad(r, a, "a list");
    size_t n = bb_json_size(list);
    if (!n) return BB_OK;
    if (!(q->skips = bb_alloc(n, sizeof *q->skips))) return bb_fail(r->err, BB_E_NOMEM, "%s: no memory", r->where);
    for (size_t i = 0; i < n; i++) {
        const char *text = bb_json_text(bb_json_at(list, i));
        if (!text) return bad(r, a, "a list of names");
        if (strlen(text) >= sizeof *q->skips) continue; /* longer than a tensor's name can be */
        strcpy(q->skips[q->n_skips++], text);
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

static bb_status read_gptq(const reader *r) {
    bb_quantization *q = r->q;
    q->bits = 4;
    q->group = 128;
    bb_status st = read_u64(r, r->o, "bits", NULL, &q->bits);
    if (!st) st = read_group(r, r->o, "group_size", NULL);
    if (!st) st = read_bool(r, r->o, "desc_act", NULL, &q->act_order);
    if (!st) st = read_bool(r, r->o, "sym", NULL, &q->symmetric);
    if (!st) st = read_bool(r, r->o, "lm_head", NULL, &q->head);
    if (!st) st = check_sizes(r);
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
    (void)snprintf(q->label, sizeof q->label, "awq %llu bit, group %llu", (unsigned long long)q->bits,
                   (unsigned long long)q->group);
    return st;
}

static bb_status read_bnb(const reader *r) {
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
    const char *type = text_of(r->o, "bnb_4bit_quant_type");
    strcpy(q->type, type && strcmp(type, "nf4") == 0 ? "nf4" : "fp4");
    if (four)
        (void)snprintf(q->label, sizeof q->label, "bitsandbytes %s%s", q->type, q->double_quant ? ", double" : "");
    else
        (void)snprintf(q->label, sizeof q->label, "bitsandbytes %s", eight ? "LLM.int8()" : "of an unknown kind");
    return BB_OK;
}

static bb_status read_compressed(const reader *r) {
    bb_quantization *q = r->q;
    const char *format = text_of(r->o, "format"), *strategy = NULL, *kind = NULL;
    const bb_json *groups = member(r->o, "config_groups", NULL), *weights = NULL;
    if (groups && bb_json_is_object(groups)) {
        bb_json_iter first = bb_json_first(groups);
        if (first.key && bb_json_is_object(first.value)) weights = member(first.value, "weights", NULL);
        if (!format && first.key && bb_json_is_object(first.value)) format = text_of(first.value, "format");
    }
    if (!weights || !bb_json_is_object(weights)) {
        q->method = BB_QUANT_OTHER;
        strcpy(q->label, "compressed-tensors without a group of weights");
        return BB_OK;
    }
    q->bits = 8;
    q->symmetric = true;
    bb_status st = read_u64(r, weights, "num_bits", NULL, &q->bits);
    if (!st) st = read_group(r, weights, "group_size", NULL);
    if (!st) st = read_bool(r, weights, "symmetric", NULL, &q->symmetric);
    if (!st) st = read_skips(r, "ignore", NULL);
    if (!st) st = check_sizes(r);
    if (st) return st;
    strategy = text_of(weights, "strategy");
    kind = text_of(weights, "type");
    if (strategy && strcmp(strategy, "tensor") == 0) q->group = UINT64_MAX;
    if (strategy && strcmp(strategy, "channel") == 0) q->group = 0;
    if (strategy && strcmp(strategy, "block") == 0) {
        const bb_json *b = member(weights, "block_structure", NULL);
        if (!b || !bb_json_is_array(b) || bb_json_size(b) != 2 || !bb_json_u64(bb_json_at(b, 0), &q->block_rows) ||
            !bb_json_u64(bb_json_at(b, 1), &q->group) || !q->block_rows || !q->group)
            return bad(r, "block_structure", "two sizes");
    }
    bool floats = kind && strcmp(kind, "float") == 0;
    q->pack = floats ? (q->bits == 4 ? BB_PACK_NVFP4 : BB_PACK_FP8) : q->bits == 8 ? BB_PACK_INT8 : BB_PACK_INT;
    if (format && strcmp(format, "pack-quantized") == 0) q->pack = BB_PACK_INT;
    (void)snprintf(q->label, sizeof q->label, "compressed-tensors %s %llu bit", floats ? "float" : "int",
                   (unsigned long long)q->bits);
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
    q->static_activations = scheme && strcmp(scheme, "static") == 0;
    if (q->block_rows)
        (void)snprintf(q->label, sizeof q->label, "fp8, blocks of %llu x %llu", (unsigned long long)q->block_rows,
                       (unsigned long long)q->group);
    else
        strcpy(q->label, "fp8, a scale for each matrix");
    return read_skips(r, "modules_to_not_convert", "ignored_layers");
}

static bb_status read_mlx(const reader *r) {
    bb_quantization *q = r->q;
    q->bits = 4;
    q->group = 64;
    bb_status st = read_u64(r, r->o, "bits", NULL, &q->bits);
    if (!st) st = read_group(r, r->o, "group_size", NULL);
    if (!st) st = check_sizes(r);
    if (!st && !q->group) st = bad(r, "group_size", "above 0");
    q->head = true;
    (void)snprintf(q->label, sizeof q->label, "mlx %llu bit, group %llu", (unsigned long long)q->bits,
                   (unsigned long long)q->group);
    return st;
}

static bb_status read_mxfp4(const reader *r) {
    r->q->bits = 4;
    r->q->group = 32;
    strcpy(r->q->label, "mxfp4 experts");
    return read_skips(r, "modules_to_not_convert", NULL);
}

static const struct {
    const char *name;
    bb_quant_method method;
    bb_status (*read)(const reader *r);
} methods[] = {
    {"gptq", BB_QUANT_GPTQ, read_gptq},
    {"awq", BB_QUANT_AWQ, read_awq},
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
    char shown[40];
    r->q->method = BB_QUANT_OTHER;
    (void)snprintf(r->q->label, sizeof r->q->label, "%s", bb_escape_buf(method, shown, sizeof shown));
    return BB_OK;
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
    r->q->method = BB_QUANT_OTHER;
    strcpy(r->q->label, "of an unknown method");
    return BB_OK;
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
    }
    bb_json_free(root);
    if (st)
        bb_quantization_clear(&made);
    else
        *q = made;
    return st;
}

void bb_quantization_clear(bb_quantization *q) {
    free(q->skips);
    *q = (bb_quantization){0};
}

/* Python's re.match of what such lists hold: characters, '.', "\.", ".*" and a '$' at the end. (regcomp is no reader
 * for expressions from files: nested repetitions take all memory.) Other operators match nothing. */
static bool matches(const char *p, const char *text) {
    const char *star = NULL, *from = NULL; /* the last ".*" and where its rest was tried */
    if (*p == '^') p++;
    for (;;) {
        bool any = p[0] == '.' && p[1] == '*', escaped = p[0] == '\\' && p[1];
        char c = escaped ? p[1] : p[0];
        if (any) {
            star = p += 2;
            from = text;
        } else if (!c || (c == '$' && !escaped && !p[1] && !*text)) {
            return true;
        } else if (*text && (c == *text || (c == '.' && !escaped))) {
            p += escaped ? 2 : 1;
            text++;
        } else if (star && *from) {
            p = star;
            text = ++from;
        } else {
            return false;
        }
    }
}

bool bb_quantization_skips(const bb_quantization *q, const char *module) {
    for (size_t i = 0; i < q->n_skips; i++) {
        const char *skip = q->skips[i];
        if (strncmp(skip, "re:", 3) == 0 ? matches(skip + 3, module) : strstr(module, skip) != NULL) return true;
    }
    return false;
}
