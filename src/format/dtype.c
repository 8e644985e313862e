/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dtype.c - the table of storage types. */
#include "format/dtype.h"
#include "base/checked.h"
#include "base/escape.h"
#include <string.h>

/* Block sizes and ids of ggml 0.25.1 (ggml.h, ggml-common.h). Ids 4, 5, 31-33 and 36-38 were removed there. Names in
 * safetensors headers: the Dtype list of the safetensors format. nf4, bnb_fp4: bitsandbytes, blocks of 64 with an fp32
 * absmax.
 */
#define GGML "ggml 0.25.1"
#define ST   "safetensors"
static const bb_dtype table[] = {
    {"f32", "F32", "fp32 float32 float", 0, 1, 4, 0, GGML},
    {"f16", "F16", "fp16 float16 half", 1, 1, 2, 0, GGML},
    {"bf16", "BF16", "bfloat16", 30, 1, 2, 0, GGML},
    {"f64", "F64", "fp64 float64 double", 28, 1, 8, 0, GGML},
    {"q4_0", NULL, "", 2, 32, 18, 0, GGML},
    {"q4_1", NULL, "", 3, 32, 20, 0, GGML},
    {"q5_0", NULL, "", 6, 32, 22, 0, GGML},
    {"q5_1", NULL, "", 7, 32, 24, 0, GGML},
    {"q8_0", NULL, "", 8, 32, 34, 0, GGML},
    {"q8_1", NULL, "", 9, 32, 36, 0, GGML},
    {"q2_K", NULL, "", 10, 256, 84, 0, GGML},
    {"q3_K", NULL, "", 11, 256, 110, 0, GGML},
    {"q4_K", NULL, "", 12, 256, 144, 0, GGML},
    {"q5_K", NULL, "", 13, 256, 176, 0, GGML},
    {"q6_K", NULL, "", 14, 256, 210, 0, GGML},
    {"q8_K", NULL, "", 15, 256, 292, 0, GGML},
    {"iq2_xxs", NULL, "", 16, 256, 66, 0, GGML},
    {"iq2_xs", NULL, "", 17, 256, 74, 0, GGML},
    {"iq3_xxs", NULL, "", 18, 256, 98, 0, GGML},
    {"iq1_s", NULL, "", 19, 256, 50, 0, GGML},
    {"iq4_nl", NULL, "", 20, 32, 18, 0, GGML},
    {"iq3_s", NULL, "", 21, 256, 110, 0, GGML},
    {"iq2_s", NULL, "", 22, 256, 82, 0, GGML},
    {"iq4_xs", NULL, "", 23, 256, 136, 0, GGML},
    {"i8", "I8", "", 24, 1, 1, 0, GGML},
    {"i16", "I16", "", 25, 1, 2, 0, GGML},
    {"i32", "I32", "", 26, 1, 4, 0, GGML},
    {"i64", "I64", "", 27, 1, 8, 0, GGML},
    {"iq1_m", NULL, "", 29, 256, 56, 0, GGML},
    {"tq1_0", NULL, "", 34, 256, 54, 0, GGML},
    {"tq2_0", NULL, "", 35, 256, 66, 0, GGML},
    {"mxfp4", NULL, "", 39, 32, 17, 0, GGML},
    {"nvfp4", NULL, "", 40, 64, 36, 0, GGML},
    {"q1_0", NULL, "", 41, 128, 18, 0, GGML},
    {"q2_0", NULL, "", 42, 64, 18, 0, GGML},
    {"u8", "U8", "", BB_NO_GGUF_ID, 1, 1, 0, ST},
    {"u16", "U16", "", BB_NO_GGUF_ID, 1, 2, 0, ST},
    {"u32", "U32", "", BB_NO_GGUF_ID, 1, 4, 0, ST},
    {"u64", "U64", "", BB_NO_GGUF_ID, 1, 8, 0, ST},
    {"bool", "BOOL", "", BB_NO_GGUF_ID, 1, 1, 0, ST},
    {"c64", "C64", "complex64", BB_NO_GGUF_ID, 1, 8, 0, ST},
    {"e4m3fn", "F8_E4M3", "float8_e4m3fn", BB_NO_GGUF_ID, 1, 1, 0, ST},
    {"e5m2", "F8_E5M2", "float8_e5m2", BB_NO_GGUF_ID, 1, 1, 0, ST},
    {"e8m0", "F8_E8M0", "float8_e8m0fnu", BB_NO_GGUF_ID, 1, 1, 0, ST},
    {"e4m3fnuz", "F8_E4M3FNUZ", "float8_e4m3fnuz", BB_NO_GGUF_ID, 1, 1, 0, ST},
    {"e5m2fnuz", "F8_E5M2FNUZ", "float8_e5m2fnuz", BB_NO_GGUF_ID, 1, 1, 0, ST},
    {"int8", NULL, "", BB_NO_GGUF_ID, 1, 1, 4, "bitbudget: one fp32 scale a row"},
    {"int4", NULL, "", BB_NO_GGUF_ID, 2, 1, 4, "bitbudget: two a byte, one fp32 scale a row"},
    {"nf4", NULL, "", BB_NO_GGUF_ID, 64, 36, 0, "bitsandbytes: blocks of 64, fp32 absmax"},
    {"bnb_fp4", NULL, "", BB_NO_GGUF_ID, 64, 36, 0, "bitsandbytes: blocks of 64, fp32 absmax"},
};
#undef GGML
#undef ST

size_t bb_dtype_count(void) { return sizeof table / sizeof *table; }
const bb_dtype *bb_dtype_at(size_t i) { return i < bb_dtype_count() ? &table[i] : NULL; }
const char *bb_dtype_name(const bb_dtype *t) { return t->name; }

const bb_dtype *bb_dtype_from_gguf(uint32_t id) {
    for (size_t i = 0; i < bb_dtype_count(); i++)
        if (table[i].gguf_id >= 0 && (uint32_t)table[i].gguf_id == id) return &table[i];
    return NULL;
}

const bb_dtype *bb_dtype_from_safetensors(const char *name) {
    for (size_t i = 0; i < bb_dtype_count(); i++)
        if (table[i].st_name && strcmp(table[i].st_name, name) == 0) return &table[i];
    return NULL;
}

/* One of the words of a blank-separated list, ignoring case. */
static bool in_list(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, " ");
        char word[32];
        if (len == n && len < sizeof word) {
            memcpy(word, p, len);
            word[len] = 0;
            if (bb_name_eq(word, name)) return true;
        }
        p += len + (p[len] == ' ');
    }
    return false;
}

static const char *nth_name(const void *ctx, size_t i) {
    (void)ctx;
    return i < bb_dtype_count() ? table[i].name : NULL;
}

bool bb_dtype_ambiguous(const char *name, bb_error *err) {
    static const struct {
        const char *names, *variants;
    } several[] = {
        {"fp8 float8 f8", "e4m3fn, e5m2, e4m3fnuz or e5m2fnuz"},
        {"e4m3 fp8_e4m3", "e4m3fn or e4m3fnuz"},
        {"fp8_e5m2", "e5m2 or e5m2fnuz"},
        {"fp4 float4 f4", "mxfp4, nvfp4, bnb_fp4 or nf4"},
    };
    char shown[64];
    for (size_t i = 0; i < sizeof several / sizeof *several; i++)
        if (in_list(several[i].names, name)) {
            bb_fail(err, BB_E_NAME, "'%s' could be several storage types: %s", bb_escape_buf(name, shown, sizeof shown),
                    several[i].variants);
            return true;
        }
    return false;
}

const bb_dtype *bb_dtype_find(const char *name, bb_error *err) {
    for (size_t i = 0; i < bb_dtype_count(); i++)
        if (bb_name_eq(table[i].name, name)) return &table[i];
    for (size_t i = 0; i < bb_dtype_count(); i++)
        if (in_list(table[i].aliases, name) || (table[i].st_name && bb_name_eq(table[i].st_name, name)))
            return &table[i];
    if (!err || bb_dtype_ambiguous(name, err)) return NULL;
    char shown[64], near[160];
    bb_fail(err, BB_E_NAME, "'%s' is not a storage type", bb_escape_buf(name, shown, sizeof shown));
    bb_nearest(name, nth_name, NULL, near, sizeof near);
    if (near[0]) bb_hint(err, "did you mean %s?", near);
    return NULL;
}

bb_status bb_dtype_row_bytes(const bb_dtype *t, uint64_t cols, uint64_t *bytes) {
    if (cols % t->block != 0) return BB_E_ARG;
    uint64_t n;
    if (!bb_mul_u64(cols / t->block, t->block_bytes, &n) || !bb_add_u64(n, t->row_bytes, &n)) return BB_E_OVERFLOW;
    *bytes = n;
    return BB_OK;
}

double bb_dtype_bits_per_weight(const bb_dtype *t, uint64_t cols) {
    double bits = 8.0 * t->block_bytes / t->block;
    return cols ? bits + 8.0 * t->row_bytes / (double)cols : bits;
}
