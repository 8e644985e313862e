/* SPDX-License-Identifier: GPL-3.0-or-later */
/* packed.c - from shapes of packed tensors to the matrices that they stand for (specs/methods.md 4). */
#include "model/packed.h"
#include "base/checked.h"
#include "base/mem.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>
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

/* Rows of inputs that share a scale, from their number; 0 = all of them. */
static uint64_t group_of(uint64_t in, uint64_t rows) { return rows > 1 ? in / rows : 0; }

/* Bits from the zeros, which pack as the weights do; 0 when they do not tell. */
static uint64_t bits_of(const bb_tensor *scales, const bb_tensor *zeros) {
    bool told = is_matrix(scales) && is_matrix(zeros) && zeros->dims[1] <= UINT64_MAX / 32;
    uint64_t bits = told ? zeros->dims[1] * 32 / scales->dims[1] : 0;
    return bits <= 16 ? bits : 0;
}

/* Of a matrix; the group from the rows of its scales. */
static void gptq_sizes(const bb_file *f, const bb_tensor *t, size_t stem, bb_quantization *q) {
    const bb_tensor *scales = sibling(f, t->name, stem, ".scales"), *zeros = sibling(f, t->name, stem, ".qzeros");
    bool awq = awq_words(t, scales);
    q->method = awq ? BB_QUANT_AWQ : BB_QUANT_GPTQ;
    q->bits = bits_of(scales, zeros);
    if (!is_matrix(t) || !q->bits) {
        q->method = BB_QUANT_OTHER;
        strcpy(q->label, "gptq or awq of an unknown width");
        return;
    }
    uint64_t in = awq ? t->dims[0] : t->dims[0] > UINT64_MAX / 32 ? 0 : t->dims[0] * 32 / q->bits;
    q->group = group_of(in, scales->dims[0]);
    (void)snprintf(q->label, sizeof q->label, "%s %llu bit", awq ? "awq" : "gptq", (unsigned long long)q->bits);
}

/* Words and scales tell bits x group; which of these it is, a norm as long as the inputs tells, else it is mlx-lm's
 * usual group of 64. */
static void mlx_sizes(const bb_file *f, const bb_tensor *scales, size_t stem, bb_quantization *q) {
    static const uint64_t groups[] = {64, 32, 128, 16};
    const bb_tensor *words = sibling(f, scales->name, stem, ".weight");
    const bb_tensor *norm = bb_file_find(f, "model.norm.weight"), *table = bb_file_find(f, "model.embed_tokens.scales");
    uint32_t last = scales->n_dims - 1;
    q->method = BB_QUANT_MLX;
    q->bits = 4;
    q->group = 64;
    strcpy(q->label, "mlx");
    if (!words || words->n_dims != scales->n_dims || !scales->n_dims || !scales->dims[last]) return;
    if (words->dims[last] > UINT64_MAX / 32) return;
    uint64_t both = words->dims[last] * 32 / scales->dims[last], known = 0;
    if (norm && norm->n_dims == 1 && is_matrix(table)) known = norm->dims[0] / table->dims[1];
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        uint64_t bits = both / groups[i];
        bool taken = known ? groups[i] == known : bits * groups[i] == both && bits >= 2 && bits <= 8 && bits != 7;
        if (!taken || bits < 1 || bits > 16) continue;
        q->bits = bits;
        q->group = groups[i];
        (void)snprintf(q->label, sizeof q->label, "mlx %llu bit, group %llu", (unsigned long long)bits,
                       (unsigned long long)groups[i]);
        return;
    }
}

/* t: a matrix. The kind is in the name of the text, and double quantization has tables of its own. */
static void bnb_kind(const bb_file *f, const bb_tensor *t, bb_quantization *q) {
    const char *const stores[] = {"bf16", "f16", "f32"};
    strcpy(q->type, "fp4");
    strcpy(q->storage, "u8");
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++)
        if (is_type(t, stores[i])) strcpy(q->storage, stores[i]);
    for (size_t i = 0; i < bb_file_tensor_count(f); i++) {
        const char *name = bb_file_tensor(f, i)->name;
        if (strstr(name, "bitsandbytes__nf4")) strcpy(q->type, "nf4");
        q->double_quant |= bb_ends_with(name, ".nested_absmax");
    }
    (void)snprintf(q->label, sizeof q->label, "bitsandbytes %s%s", q->type, q->double_quant ? ", double" : "");
}

/* DeepSeek's blocks of 128 x 128, which their scales tell: rounded up, so that a power of two is meant. */
static uint64_t block_side(uint64_t n, uint64_t blocks) {
    uint64_t side = 1;
    while (side < 1 << 20 && n / side + (n % side != 0) > blocks) side *= 2;
    return side;
}

static void fp8_sizes(const bb_file *f, const bb_tensor *scales, size_t stem, bb_quantization *q) {
    const bb_tensor *t = sibling(f, scales->name, stem, ".weight");
    q->method = BB_QUANT_FP8;
    q->bits = 8;
    q->block_rows = q->group = 128;
    if (is_matrix(t) && is_matrix(scales) && scales->dims[0] > 1 && scales->dims[1] > 1) {
        q->block_rows = block_side(t->dims[0], scales->dims[0]);
        q->group = block_side(t->dims[1], scales->dims[1]);
    }
    strcpy(q->label, "fp8 in blocks");
}

/* What a tensor says of the method; false when nothing. */
static bool method_of(const bb_file *f, const bb_tensor *t, bb_quantization *q) {
    size_t stem;
    if (ends(t->name, ".qweight", &stem)) {
        gptq_sizes(f, t, stem, q);
    } else if (ends(t->name, ".weight.absmax", &stem)) {
        q->method = BB_QUANT_BNB_4BIT;
        q->bits = 4;
        q->group = 64;
        const bb_tensor *words = sibling(f, t->name, stem, ".weight");
        bnb_kind(f, words ? words : t, q);
    } else if (ends(t->name, ".SCB", &stem)) {
        q->method = BB_QUANT_BNB_INT8;
        q->bits = 8;
        strcpy(q->label, "bitsandbytes LLM.int8()");
    } else if (ends(t->name, ".weight_packed", &stem)) {
        q->method = BB_QUANT_OTHER; /* bits and groups are in its config alone; most have 4 */
        q->bits = 4;
        strcpy(q->label, "compressed-tensors");
    } else if (ends(t->name, ".weight_scale_inv", &stem)) {
        fp8_sizes(f, t, stem, q);
    } else if (ends(t->name, ".scales", &stem) && sibling(f, t->name, stem, ".biases")) {
        mlx_sizes(f, t, stem, q);
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
    bool asked = q->method == BB_QUANT_NONE, words = false, index = false;
    size_t stem, n = bb_file_tensor_count(file);
    if (strcmp(bb_file_format(file), "gguf") == 0) return;
    /* a matrix of one group does not tell the group from a whole row: the next one may */
    for (size_t i = 0; asked && i < n; i++)
        if (method_of(file, bb_file_tensor(file, i), q) &&
            ((q->method != BB_QUANT_GPTQ && q->method != BB_QUANT_AWQ) || q->group))
            break;
    if (q->method != BB_QUANT_GPTQ) return;
    for (size_t i = 0; i < n; i++) {
        words |= ends(bb_file_tensor(file, i)->name, ".qweight", &stem);
        index |= ends(bb_file_tensor(file, i)->name, ".g_idx", &stem);
    }
    q->no_index = words && !index;
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
    if (q->method == BB_QUANT_OTHER && q->bits) return opened(t, q->bits); /* AWQ's words in another order */
    if (awq_words(t, scales)) return product(t->dims[0], scales->dims[1]);
    if (index && index->n_dims == 1) return product(index->dims[0], t->dims[1]);
    uint64_t bits = bits_of(scales, sibling(f, t->name, stem, ".qzeros"));
    return opened(t, bits ? bits : q->bits);
}

bool bb_packed_cache_scale(const char *name) {
    static const char *const tails[] = {".k_scale", ".v_scale", ".q_scale", ".prob_scale", ".output_scale"};
    size_t stem;
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        if (ends(name, tails[i], &stem)) return true;
    return false;
}

bool bb_packed_companion(const char *name) {
    static const char *const tails[] = {".qzeros",
                                        ".scales",
                                        ".g_idx",
                                        ".SCB",
                                        ".weight_format",
                                        ".absmax",
                                        ".quant_map",
                                        ".nested_absmax",
                                        ".weight_scale",
                                        ".nested_quant_map",
                                        ".weight_shape",
                                        ".weight_zero_point",
                                        ".weight_g_idx",
                                        ".input_scale",
                                        "_scales",
                                        ".weight_global_scale",
                                        ".weight_scale_inv",
                                        ".input_zero_point",
                                        ".input_global_scale"};
    size_t stem;
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        if (ends(name, tails[i], &stem)) return true;
    return strstr(name, ".weight.quant_state.") != NULL;
}

/* AutoGPTQ wrote a bias for every matrix, of zeros where the model has none: those stand for nothing. */
static bool zero_bias(const bb_file *f, const bb_tensor *t, size_t stem, uint64_t *budget) {
    if (t->n_dims != 1 || !t->bytes || t->bytes > *budget || f->names_only || !sibling(f, t->name, stem, ".qweight"))
        return false;
    *budget -= t->bytes;
    unsigned char *data = bb_alloc(1, (size_t)t->bytes);
    bool zero = data && bb_file_read_raw(f, t, 0, 1, data, NULL) == BB_OK;
    for (size_t i = 0; zero && i < t->bytes; i++) zero = data[i] == 0;
    free(data);
    return zero;
}

/* compressed-tensors writes the matrix's own shape beside its words. */
static uint64_t packed_parameters(const bb_file *f, const bb_tensor *t, size_t stem, uint64_t bits, uint64_t *budget) {
    enum { PAGE = 4096 }; /* what a read costs */
    const bb_tensor *shape = sibling(f, t->name, stem, ".weight_shape");
    unsigned char data[16];
    uint64_t d[2] = {0, 0}, n;
    if (!shape || !is_type(shape, "i64") || shape->n_dims != 1 || shape->bytes != sizeof data || *budget < PAGE)
        return opened(t, bits);
    *budget -= PAGE;
    if (bb_file_read_raw(f, shape, 0, 1, data, NULL) != BB_OK) return opened(t, bits);
    for (size_t i = sizeof data; i-- > 0;) d[i / 8] = d[i / 8] << 8 | data[i];
    n = product(d[0], d[1]);
    /* a word holds 1 to 32 */
    return n / 32 <= t->elements && n >= t->elements ? n : opened(t, bits);
}

/* The group of the matrix's module: mlx-lm's mixtures of widths have several. */
static uint64_t mlx_group(const bb_quantization *q, const char *name, size_t stem) {
    char module[512];
    if (stem >= sizeof module) return q->group;
    memcpy(module, name, stem);
    module[stem] = '\0';
    const bb_quant_rule *rule = bb_quantization_rule(q, module);
    return rule ? rule->group : q->group;
}

/* Scales of the words' own shape but for the last dimension. */
static bool scales_of(const bb_tensor *scales, const bb_tensor *t) {
    if (!scales || scales->n_dims != t->n_dims || t->n_dims < 2) return false;
    for (uint32_t i = 0; i + 1 < t->n_dims; i++)
        if (scales->dims[i] != t->dims[i]) return false;
    return true;
}

/* budget: bytes that may still be read. */
static uint64_t parameters_of(const bb_file *f, const bb_tensor *t, const bb_quantization *q, uint64_t *budget) {
    size_t stem;
    if (bb_packed_companion(t->name) || bb_packed_cache_scale(t->name)) return 0;
    if (ends(t->name, ".biases", &stem) && q->method == BB_QUANT_MLX) return 0;
    if (ends(t->name, ".qweight", &stem)) return qweight_parameters(f, t, stem, q);
    if (ends(t->name, ".weight_packed", &stem))
        return is_type(t, "u8") ? product(t->elements, 2) : packed_parameters(f, t, stem, q->bits, budget);
    if (ends(t->name, "_blocks", &stem) && q->method == BB_QUANT_MXFP4) return product(t->elements, 2);
    if (ends(t->name, ".bias", &stem) && zero_bias(f, t, stem, budget)) return 0;
    if (!ends(t->name, ".weight", &stem)) return t->elements;
    if (t->bytes && sibling(f, t->name, stem, ".weight.absmax")) return product(t->bytes, 2);
    const bb_tensor *scales = sibling(f, t->name, stem, ".scales");
    if (is_type(t, "u32") && q->method == BB_QUANT_MLX && scales_of(scales, t))
        return product(scales->elements, mlx_group(q, t->name, stem));
    return t->elements;
}

uint64_t bb_packed_parameters(const bb_file *file, const bb_quantization *q) {
    uint64_t sum = 0, budget = 1 << 28; /* biases of the largest models take some 10^7 bytes */
    if (q->method == BB_QUANT_NONE || strcmp(bb_file_format(file), "gguf") == 0) return bb_file_parameters(file);
    for (size_t i = 0; i < bb_file_tensor_count(file); i++)
        if (!bb_add_u64(sum, parameters_of(file, bb_file_tensor(file, i), q, &budget), &sum)) return UINT64_MAX;
    return sum;
}
