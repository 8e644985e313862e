/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ftype.c - the table of file types: names, numbers, and the storage type that is each one's base. */
#include "model/ftype.h"
#include "base/escape.h"
#include "base/str.h"
#include "model/mixture.h"
#include <string.h>

/* old: as llama-quantize made them from August 2023 to January 2024, where that differs (mixture.c, old_type).
 * Bases: llama_ftype_get_default_type of src/llama-quant.cpp, v0.5.0. */
static const bb_ftype ftypes[] = {
    {"f32", FT_F32, "f32", false},
    {"f16", FT_F16, "f16", false},
    {"bf16", FT_BF16, "bf16", false},
    {"q8_0", FT_Q8_0, "q8_0", false},
    {"q6_K", FT_Q6_K, "q6_K", false},
    {"q5_K_M", FT_Q5_K_M, "q5_K", false},
    {"q5_K_M_old", FT_Q5_K_M, "q5_K", true},
    {"q5_K_S", FT_Q5_K_S, "q5_K", false},
    {"q5_1", FT_Q5_1, "q5_1", false},
    {"q5_0", FT_Q5_0, "q5_0", false},
    {"q4_K_M", FT_Q4_K_M, "q4_K", false},
    {"q4_K_M_old", FT_Q4_K_M, "q4_K", true},
    {"q4_K_S", FT_Q4_K_S, "q4_K", false},
    {"q4_1", FT_Q4_1, "q4_1", false},
    {"q4_0", FT_Q4_0, "q4_0", false},
    {"iq4_nl", FT_IQ4_NL, "iq4_nl", false},
    {"iq4_xs", FT_IQ4_XS, "iq4_xs", false},
    {"mxfp4_moe", FT_MXFP4_MOE, "mxfp4", false},
    {"q3_K_L", FT_Q3_K_L, "q3_K", false},
    {"q3_K_L_old", FT_Q3_K_L, "q3_K", true},
    {"q3_K_M", FT_Q3_K_M, "q3_K", false},
    {"q3_K_M_old", FT_Q3_K_M, "q3_K", true},
    {"q3_K_S", FT_Q3_K_S, "q3_K", false},
    {"iq3_m", FT_IQ3_M, "iq3_s", false},
    {"iq3_s", FT_IQ3_S, "iq3_s", false},
    {"iq3_xs", FT_IQ3_XS, "iq3_s", false},
    {"iq3_xxs", FT_IQ3_XXS, "iq3_xxs", false},
    {"q2_K", FT_Q2_K, "q2_K", false},
    {"q2_K_old", FT_Q2_K, "q2_K", true},
    {"q2_K_S", FT_Q2_K_S, "q2_K", false},
    {"iq2_m", FT_IQ2_M, "iq2_s", false},
    {"iq2_s", FT_IQ2_S, "iq2_xs", false},
    {"iq2_xs", FT_IQ2_XS, "iq2_xs", false},
    {"iq2_xxs", FT_IQ2_XXS, "iq2_xxs", false},
    {"q2_0", FT_Q2_0, "q2_0", false},
    {"tq2_0", FT_TQ2_0, "tq2_0", false},
    {"iq1_m", FT_IQ1_M, "iq1_m", false},
    {"iq1_s", FT_IQ1_S, "iq1_s", false},
    {"tq1_0", FT_TQ1_0, "tq1_0", false},
    {"q1_0", FT_Q1_0, "q1_0", false},
};
enum { FTYPES = sizeof ftypes / sizeof *ftypes };

size_t bb_ftype_count(void) { return FTYPES; }
const bb_ftype *bb_ftype_at(size_t i) { return i < FTYPES ? &ftypes[i] : NULL; }

const bb_ftype *bb_ftype_pure(const bb_dtype *type) {
    /* storage types that name no file type, and the one that is mostly made of each */
    static const bb_ftype nearest[] = {{"q3_K", FT_Q3_K_M, "q3_K", false},
                                       {"q4_K", FT_Q4_K_M, "q4_K", false},
                                       {"q5_K", FT_Q5_K_M, "q5_K", false},
                                       {"mxfp4", FT_MXFP4_MOE, "mxfp4", false},
                                       {"nvfp4", FT_NVFP4, "nvfp4", false}};
    for (size_t i = 0; i < FTYPES; i++)
        if (strcmp(ftypes[i].name, type->name) == 0) return &ftypes[i];
    for (size_t i = 0; i < sizeof nearest / sizeof *nearest; i++)
        if (strcmp(nearest[i].name, type->name) == 0) return &nearest[i];
    return NULL;
}

/* File types, then the storage types that are no file type. */
static const char *candidate(const void *ctx, size_t i) {
    (void)ctx;
    if (i < FTYPES) return ftypes[i].name;
    return i - FTYPES < bb_dtype_count() ? bb_dtype_at(i - FTYPES)->name : NULL;
}

const bb_ftype *bb_ftype_find(const char *name, bb_error *err) {
    for (size_t i = 0; i < FTYPES; i++)
        if (bb_name_like(name, ftypes[i].name)) return &ftypes[i];
    if (bb_dtype_ambiguous(name, err)) return NULL;
    char shown[64], near[128];
    bb_nearest(name, candidate, NULL, near, sizeof near);
    bb_fail(err, BB_E_NAME, "no file type or storage type is called '%s'%s%s", bb_escape_buf(name, shown, sizeof shown),
            *near ? "; nearest: " : "", near);
    return NULL;
}
