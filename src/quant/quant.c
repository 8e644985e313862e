/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quant.c - the table of codecs and the public calls over it. */
#include "quant/quant.h"
#include "base/checked.h"
#include "base/fpenv.h"
#include "quant/best.h"
#include "quant/codecs.h"
#include <string.h>

/* The widest ISA of a type first: the search takes the first row that may run. */
/* clang-format off */
static const struct {
    bb_isa isa; /* the least that it needs */
    bb_codec codec;
} table[] = {
#if BB_X86
    {BB_ISA_AVX512, {"q2_K", bb_q2_K_encode_avx512, bb_q2_K_decode_avx512}},
    {BB_ISA_AVX512, {"q3_K", bb_q3_K_encode_avx512, bb_q3_K_decode_avx512}},
    {BB_ISA_AVX512, {"q4_K", bb_q4_K_encode_avx512, bb_q4_K_decode_avx512}},
    {BB_ISA_AVX512, {"q5_K", bb_q5_K_encode_avx512, bb_q5_K_decode_avx512}},
    {BB_ISA_AVX512, {"q6_K", bb_q6_K_encode_avx512, bb_q6_K_decode_avx512}},
    {BB_ISA_AVX512, {"iq4_nl", bb_iq4_nl_encode_avx512, bb_iq4_nl_decode_avx512}},
    {BB_ISA_AVX512, {"iq4_xs", bb_iq4_xs_encode_avx512, bb_iq4_xs_decode_avx512}},
    {BB_ISA_AVX512, {"f16", bb_f16_encode_avx512, bb_f16_decode_avx2}},
    {BB_ISA_AVX512, {"bf16", bb_bf16_encode_avx512, bb_bf16_decode_avx2}},
    {BB_ISA_AVX512, {"q4_0", bb_q4_0_encode_avx512, bb_q4_0_decode_avx2}},
    {BB_ISA_AVX512, {"q4_1", bb_q4_1_encode_avx512, bb_q4_1_decode_avx2}},
    {BB_ISA_AVX512, {"q5_0", bb_q5_0_encode_avx512, bb_q5_0_decode_avx2}},
    {BB_ISA_AVX512, {"q5_1", bb_q5_1_encode_avx512, bb_q5_1_decode_avx2}},
    {BB_ISA_AVX512, {"nf4", bb_nf4_encode_avx512, bb_nf4_decode}},
    {BB_ISA_AVX2, {"q2_K", bb_q2_K_encode_avx2, bb_q2_K_decode_avx2}},
    {BB_ISA_AVX2, {"q3_K", bb_q3_K_encode_avx2, bb_q3_K_decode_avx2}},
    {BB_ISA_AVX2, {"q4_K", bb_q4_K_encode_avx2, bb_q4_K_decode_avx2}},
    {BB_ISA_AVX2, {"q5_K", bb_q5_K_encode_avx2, bb_q5_K_decode_avx2}},
    {BB_ISA_AVX2, {"q6_K", bb_q6_K_encode_avx2, bb_q6_K_decode_avx2}},
    {BB_ISA_AVX2, {"iq4_nl", bb_iq4_nl_encode_avx2, bb_iq4_nl_decode_avx2}},
    {BB_ISA_AVX2, {"iq4_xs", bb_iq4_xs_encode_avx2, bb_iq4_xs_decode_avx2}},
    {BB_ISA_AVX2, {"f16", bb_f16_encode_avx2, bb_f16_decode_avx2}},
    {BB_ISA_AVX2, {"bf16", bb_bf16_encode_avx2, bb_bf16_decode_avx2}},
    {BB_ISA_AVX2, {"q8_0", bb_q8_0_encode_avx2, bb_q8_0_decode_avx2}},
    {BB_ISA_AVX2, {"q4_0", bb_q4_0_encode_avx2, bb_q4_0_decode_avx2}},
    {BB_ISA_AVX2, {"q4_1", bb_q4_1_encode_avx2, bb_q4_1_decode_avx2}},
    {BB_ISA_AVX2, {"q5_0", bb_q5_0_encode_avx2, bb_q5_0_decode_avx2}},
    {BB_ISA_AVX2, {"q5_1", bb_q5_1_encode_avx2, bb_q5_1_decode_avx2}},
    {BB_ISA_AVX2, {"q1_0", bb_q1_0_encode_avx2, bb_q1_0_decode_avx2}},
    {BB_ISA_AVX2, {"q2_0", bb_q2_0_encode_avx2, bb_q2_0_decode_avx2}},
    {BB_ISA_AVX2, {"tq1_0", bb_tq1_0_encode_avx2, bb_tq1_0_decode_avx2}},
    {BB_ISA_AVX2, {"tq2_0", bb_tq2_0_encode_avx2, bb_tq2_0_decode_avx2}},
    {BB_ISA_AVX2, {"mxfp4", bb_mxfp4_encode_avx2, bb_mxfp4_decode_avx2}},
    {BB_ISA_AVX2, {"nvfp4", bb_nvfp4_encode_avx2, bb_nvfp4_decode_avx2}},
    {BB_ISA_AVX2, {"nf4", bb_nf4_encode_avx2, bb_nf4_decode}},
    {BB_ISA_AVX2, {"int8", bb_int8_encode_avx2, bb_int8_decode}},
#endif
    {BB_ISA_SCALAR, {"q2_K", bb_q2_K_encode, bb_q2_K_decode}},
    {BB_ISA_SCALAR, {"q3_K", bb_q3_K_encode, bb_q3_K_decode}},
    {BB_ISA_SCALAR, {"q4_K", bb_q4_K_encode, bb_q4_K_decode}},
    {BB_ISA_SCALAR, {"q5_K", bb_q5_K_encode, bb_q5_K_decode}},
    {BB_ISA_SCALAR, {"q6_K", bb_q6_K_encode, bb_q6_K_decode}},
    {BB_ISA_SCALAR, {"iq4_nl", bb_iq4_nl_encode, bb_iq4_nl_decode}},
    {BB_ISA_SCALAR, {"iq4_xs", bb_iq4_xs_encode, bb_iq4_xs_decode}},
    {BB_ISA_SCALAR, {"f32", bb_f32_encode, bb_f32_decode}},
    {BB_ISA_SCALAR, {"f16", bb_f16_encode, bb_f16_decode}},
    {BB_ISA_SCALAR, {"bf16", bb_bf16_encode, bb_bf16_decode}},
    {BB_ISA_SCALAR, {"q8_0", bb_q8_0_encode, bb_q8_0_decode}},
    {BB_ISA_SCALAR, {"q4_0", bb_q4_0_encode, bb_q4_0_decode}},
    {BB_ISA_SCALAR, {"q4_1", bb_q4_1_encode, bb_q4_1_decode}},
    {BB_ISA_SCALAR, {"q5_0", bb_q5_0_encode, bb_q5_0_decode}},
    {BB_ISA_SCALAR, {"q5_1", bb_q5_1_encode, bb_q5_1_decode}},
    {BB_ISA_SCALAR, {"q1_0", bb_q1_0_encode, bb_q1_0_decode}},
    {BB_ISA_SCALAR, {"q2_0", bb_q2_0_encode, bb_q2_0_decode}},
    {BB_ISA_SCALAR, {"tq1_0", bb_tq1_0_encode, bb_tq1_0_decode}},
    {BB_ISA_SCALAR, {"tq2_0", bb_tq2_0_encode, bb_tq2_0_decode}},
    {BB_ISA_SCALAR, {"mxfp4", bb_mxfp4_encode, bb_mxfp4_decode}},
    {BB_ISA_SCALAR, {"nvfp4", bb_nvfp4_encode, bb_nvfp4_decode}},
    {BB_ISA_SCALAR, {"int8", bb_int8_encode, bb_int8_decode}},
    {BB_ISA_SCALAR, {"nf4", bb_nf4_encode, bb_nf4_decode}},
    {BB_ISA_SCALAR, {"int4", bb_int4_encode, bb_int4_decode}},
    {BB_ISA_SCALAR, {"e4m3fn", bb_e4m3fn_encode, bb_e4m3fn_decode}},
    {BB_ISA_SCALAR, {"e5m2", bb_e5m2_encode, bb_e5m2_decode}},
};
/* clang-format on */

const bb_codec *bb_codec_find(const bb_dtype *t, bb_isa isa) {
    bb_isa runs = bb_isa_choose(isa);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].isa <= runs && strcmp(table[i].codec.type, t->name) == 0) return &table[i].codec;
    return NULL;
}

static bb_status check(const bb_dtype *t, size_t rows, size_t cols) {
    uint64_t row, all;
    if (!bb_codec_find(t, BB_ISA_SCALAR)) return BB_E_UNSUPPORTED;
    bb_status status = bb_dtype_row_bytes(t, cols, &row);
    if (status != BB_OK) return status;
    return bb_mul_u64(row, rows, &all) && all <= SIZE_MAX ? BB_OK : BB_E_OVERFLOW;
}

bb_status bb_quantize_rows_as(const bb_dtype *t, const float *x, size_t rows, size_t cols, const float *importance,
                              const bb_quant_opts *opts, void *out) {
    bb_status status = check(t, rows, cols);
    if (status != BB_OK) return status;
    fenv_t saved;
    bb_fp_enter(&saved);
    bb_isa isa = opts ? opts->isa : BB_ISA_AUTO;
    const bb_codec *codec = bb_codec_find(t, isa);
    bb_best_search search = opts && opts->search == BB_SEARCH_BEST ? bb_best_find(t, isa) : NULL;
    if (search)
        bb_best_encode(search, codec, t, x, rows, cols, importance, out);
    else
        codec->encode(x, rows, cols, importance, out);
    bb_fp_leave(&saved);
    return BB_OK;
}

bb_status bb_quantize_rows(const bb_dtype *t, const float *x, size_t rows, size_t cols, const float *importance,
                           void *out) {
    return bb_quantize_rows_as(t, x, rows, cols, importance, NULL, out);
}

bb_status bb_dequantize_rows_as(const bb_dtype *t, const void *data, size_t rows, size_t cols, bb_isa isa, float *x) {
    bb_status status = check(t, rows, cols);
    if (status != BB_OK) return status;
    fenv_t saved;
    bb_fp_enter(&saved);
    bb_codec_find(t, isa)->decode(data, rows, cols, x);
    bb_fp_leave(&saved);
    return BB_OK;
}

bb_status bb_dequantize_rows(const bb_dtype *t, const void *data, size_t rows, size_t cols, float *x) {
    return bb_dequantize_rows_as(t, data, rows, cols, BB_ISA_AUTO, x);
}
