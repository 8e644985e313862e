/* SPDX-License-Identifier: GPL-3.0-or-later */
/* packed.c - from shapes of packed tensors to the matrices that they stand for (specs/methods.md 4). */
#include "model/packed.h"
#include "base/checked.h"
#include <stdio.h>
#include <string.h>

static bool ends(const char *text, const char *end, size_t *stem) {
    size_t n = strlen(text), k = strlen(end);
    if (n < k || strcmp(text + n - k, end) != 0) return false;
    *stem = n - k;
    return true;
}

/* The tensor whose name is the first `stem` characters of `name` and `tail`. */
static const bb_tensor *sibling(const bb_file *f, const char *name, size_t stem, const char *tail) {
    char buf[512];
    if (stem + strlen(tail) >= sizeof buf) return NULL;
    memcpy(buf, name, stem);
    strcpy(buf + stem, tail);
    return bb_file_find(f, buf);
}

static bool is_type(const bb_tensor *t, const char *type) { return t->type && strcmp(t->type->name, type) == 0; }
static bool is_matrix(const bb_tensor *t) { return t && t->n_dims == 2 && t->dims[0] && t->dims[1]; }

/* AWQ packs along the outputs, GPTQ along the inputs: its words are as many as the scales of a group. */
static bool awq_words(const bb_tensor *t, const bb_tensor *scales) {
    return is_matrix(scales) && is_matrix(t) && scales->dims[1] != t->dims[1];
}

/* What a tensor says of the method; false when nothing. */
static bool method_of(const bb_file *f, const bb_tensor *t, bb_quantization *q) {
    size_t stem;
    if (ends(t->name, ".qweight", &stem)) {
        const bb_tensor *scales = sibling(f, t->name, stem, ".scales"), *zeros = sibling(f, t->name, stem, ".qzeros");
        q->method = awq_words(t, scales) ? BB_QUANT_AWQ : BB_QUANT_GPTQ;
        if (is_matrix(scales) && is_matrix(zeros)) q->bits = zeros->dims[1] * 32 / scales->dims[1];
        (void)snprintf(q->label, sizeof q->label, "%s %llu bit", q->method == BB_QUANT_AWQ ? "awq" : "gptq",
                       (unsigned long long)q->bits);
    } else if (ends(t->name, ".weight.absmax", &stem)) {
        q->method = BB_QUANT_BNB_4BIT;
        q->bits = 4;
        strcpy(q->label, "bitsandbytes 4 bit");
    } else if (ends(t->name, ".SCB", &stem)) {
        q->method = BB_QUANT_BNB_INT8;
        q->bits = 8;
        strcpy(q->label, "bitsandbytes LLM.int8()");
    } else if (ends(t->name, ".weight_packed", &stem)) {
        q->method = BB_QUANT_COMPRESSED;
        q->bits = 4;
        strcpy(q->label, "compressed-tensors");
    } else if (ends(t->name, ".weight_scale_inv", &stem)) {
        q->method = BB_QUANT_FP8;
        q->bits = 8;
        strcpy(q->label, "fp8 in blocks");
    } else if (ends(t->name, ".scales", &stem) && sibling(f, t->name, stem, ".biases")) {
        q->method = BB_QUANT_MLX;
        q->group = 64;
        strcpy(q->label, "mlx");
    } else if (ends(t->name, "_blocks", &stem) && sibling(f, t->name, stem, "_scales")) {
        q->method = BB_QUANT_MXFP4;
        q->bits = 4;
        strcpy(q->label, "mxfp4 experts");
    } else {
        return false;
    }
    return true;
}

void bb_quantization_from_file(const bb_file *file, bb_quantization *q) {
    if (q->method != BB_QUANT_NONE || strcmp(bb_file_format(file), "gguf") == 0) return;
    for (size_t i = 0; i < bb_file_tensor_count(file); i++)
        if (method_of(file, bb_file_tensor(file, i), q)) return;
}

static uint64_t product(uint64_t a, uint64_t b) {
    uint64_t n;
    return bb_mul_u64(a, b, &n) ? n : UINT64_MAX;
}

/* Elements of 32-bit words that hold `bits` each. */
static uint64_t opened(const bb_tensor *t, uint64_t bits) {
    return bits ? product(t->elements, 32) / bits : t->elements;
}

static uint64_t qweight_parameters(const bb_file *f, const bb_tensor *t, size_t stem, const bb_quantization *q) {
    const bb_tensor *scales = sibling(f, t->name, stem, ".scales"), *index = sibling(f, t->name, stem, ".g_idx");
    if (!is_matrix(t)) return t->elements;
    if (awq_words(t, scales)) return product(t->dims[0], scales->dims[1]);
    if (index && index->n_dims == 1) return product(index->dims[0], t->dims[1]);
    return opened(t, q->bits);
}

static bool is_companion(const char *name) {
    static const char *const tails[] = {".qzeros",
                                        ".scales",
                                        ".g_idx",
                                        ".SCB",
                                        ".weight_format",
                                        ".absmax",
                                        ".quant_map",
                                        ".nested_absmax",
                                        ".nested_quant_map",
                                        ".weight_scale",
                                        ".weight_shape",
                                        ".weight_zero_point",
                                        ".weight_g_idx",
                                        ".input_scale",
                                        ".weight_scale_inv",
                                        "_scales",
                                        ".weight_global_scale",
                                        ".input_global_scale"};
    size_t stem;
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        if (ends(name, tails[i], &stem)) return true;
    return strstr(name, ".weight.quant_state.") != NULL;
}

static uint64_t parameters_of(const bb_file *f, const bb_tensor *t, const bb_quantization *q) {
    size_t stem;
    if (is_companion(t->name)) return 0;
    if (ends(t->name, ".biases", &stem) && q->method == BB_QUANT_MLX) return 0;
    if (ends(t->name, ".qweight", &stem)) return qweight_parameters(f, t, stem, q);
    if (ends(t->name, ".weight_packed", &stem)) return is_type(t, "u8") ? product(t->elements, 2) : opened(t, q->bits);
    if (ends(t->name, "_blocks", &stem) && q->method == BB_QUANT_MXFP4) return product(t->elements, 2);
    if (!ends(t->name, ".weight", &stem)) return t->elements;
    if (is_type(t, "u8") && sibling(f, t->name, stem, ".weight.absmax")) return product(t->elements, 2);
    const bb_tensor *scales = sibling(f, t->name, stem, ".scales");
    if (is_type(t, "u32") && is_matrix(scales) && q->method == BB_QUANT_MLX)
        return product(scales->elements, q->group ? q->group : 64);
    return t->elements;
}

uint64_t bb_packed_parameters(const bb_file *file, const bb_quantization *q) {
    uint64_t sum = 0;
    if (q->method == BB_QUANT_NONE || strcmp(bb_file_format(file), "gguf") == 0) return bb_file_parameters(file);
    for (size_t i = 0; i < bb_file_tensor_count(file); i++)
        if (!bb_add_u64(sum, parameters_of(file, bb_file_tensor(file, i), q), &sum)) return UINT64_MAX;
    return sum;
}
